/* The load generator's own health: whether this machine kept up, so that the figures say something about the server. */
#ifndef CONFAB_LOADGEN_GENERATOR_H
#define CONFAB_LOADGEN_GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "report/load_result.h"
#include "world/live_world.h"

/* A second in which something happened so late is a bad one; after three of them, and a tenth of all, or when so large a
 * share of what came was lost in this machine's own socket buffers, it is not the server that is measured. */
#define GENERATOR_LATE (100 * NANOS_PER_MS)
#define GENERATOR_LATE_SECONDS 3
#define GENERATOR_LATE_SHARE 0.1
#define GENERATOR_DROPS_SHARE 0.001

struct generator {
    struct live_world *live;
    long cores;
    nanos began;     /* CLOCK_MONOTONIC */
    nanos cpu_began; /* of this process */
    nanos last, cpu_last;
    uint64_t memory_before;
    uint32_t seconds, late_seconds;
};

void generator_begin(struct generator *generator, struct live_world *live);

/* A second is over, in which something was done so `late`: fills the sample's `seconds`, `cpu` and `lag_ms`, and brings the
 * result's generator and what it needed up to date. */
void generator_second(struct generator *generator, nanos late, struct load_sample *sample, struct result *result,
                      struct load_result *load);

#endif
