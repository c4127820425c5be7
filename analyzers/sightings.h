/* The same packet seen again: at another vantage point, or leaving a server that it entered. Remembers a fixed number of
 * recent packets by what no relay changes of them. From two sightings come one-way and forwarding times, and which
 * stream is a copy of which. */
#ifndef CONFAB_ANALYZERS_SIGHTINGS_H
#define CONFAB_ANALYZERS_SIGHTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"

#define SIGHTING_SETS 32768
#define SIGHTING_WAYS 4
#define SIGHTING_TICK 10                    /* nanoseconds in a tick */
#define SIGHTING_AGE_MAX (30 * NANOS_PER_S) /* what is as old as this is another packet; fits 32 bits of ticks */

/* Times after the first are in ticks since then. */
struct sighting {
    uint64_t hash; /* 0: a free place */
    nanos first_time;
    uint32_t elsewhere; /* the latest at another vantage point than the first; 0 for none */
    uint32_t hop_in;    /* the first at `hop_vantage` … */
    uint32_t hop_out;   /* … and the latest there, sent on from where it had arrived; 0 for none */
    uint32_t first_stream;
    uint32_t latest_stream;
    uint16_t first_vantage;
    uint16_t hop_vantage;
};

struct sightings {
    uint64_t count; /* ever recorded */
    struct sighting sets[SIGHTING_SETS][SIGHTING_WAYS];
};

/* The packet's record and whether it was known; a new record has only its hash and first time, and what else was in its
 * place comes back in `evicted` (with hash 0 when nothing was). */
struct sighting *sightings_get(struct sightings *sightings, uint64_t hash, nanos now, bool *known,
                               struct sighting *evicted);

/* `now` in ticks since the first sighting, at least 1. */
uint32_t sighting_ticks(const struct sighting *sighting, nanos now);

#endif
