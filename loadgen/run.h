/* A scenario from file to result: every topology at every point of the sweep, in parallel processes, one for each core;
 * then thresholds and the verdict. */
#ifndef CONFAB_LOADGEN_RUN_H
#define CONFAB_LOADGEN_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "report/result.h"

struct run_options {
    const char *file;
    const char *const *settings; /* "rooms.size=4" each: --set and --seed */
    size_t setting_count;
    const char *directory; /* where captures go; made when it isn't there; NULL: none are written */
    uint32_t processes;    /* at a time; 0: as many as there are cores */
    unsigned rank, size; /* of the processes that share the runs (loadgen/cluster.h): every size-th is ours; 0: alone */
    bool keylog;         /* DTLS keys into files beside the captures */
    /* How much is done, 0 to 1, now and then; false interrupts: what is finished is in the result. May be NULL. */
    bool (*progress)(void *user, double share);
    void *user;
};

enum run_outcome {
    RUN_DONE,
    RUN_INTERRUPTED,
    RUN_FAILED, /* see error */
};

/* Fills `result`, to be freed by result_free whatever the outcome. */
enum run_outcome run_scenario(const struct run_options *options, struct result *result, struct error *error);

#endif
