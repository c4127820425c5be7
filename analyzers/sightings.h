/* The same packet seen again: at another vantage point, or leaving a server that it entered. Remembers a fixed number of
 * recent packets by what no relay changes of them. From two sightings come one-way and forwarding times, and which
 * stream is a copy of which. */
#ifndef CONFAB_ANALYZERS_SIGHTINGS_H
#define CONFAB_ANALYZERS_SIGHTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/table.h"
#include "base/nanos.h"

#define SIGHTING_SETS TABLE_FIXED_SIZE(32768)
#define SIGHTING_WAYS 4
#define SIGHTING_TICK 10                    /* nanoseconds in a tick */
#define SIGHTING_AGE_MAX (30 * NANOS_PER_S) /* what is as old as this is another packet; fits 32 bits of ticks */

/* Times after the first are in ticks since then. */
struct sighting {
    nanos first_time;
    uint32_t elsewhere; /* the latest at another vantage point than the first; 0 for none */
    uint32_t hop_in;    /* the first at `hop_vantage` … */
    uint32_t hop_out;   /* … and the latest there, sent on from where it had arrived; 0 for none */
    uint32_t first_stream;
    uint32_t latest_stream;
    uint16_t first_vantage;
    uint16_t hop_vantage;
};

/* The hashes lie apart, so that most look-ups touch one cache line of them and one sighting. */
struct sightings {
    uint64_t count; /* ever recorded */
    uint8_t oldest[SIGHTING_SETS];
    uint64_t hashes[SIGHTING_SETS][SIGHTING_WAYS]; /* 0: a free place */
    struct sighting sightings[SIGHTING_SETS][SIGHTING_WAYS];
};

/* Starts to fetch what sightings_get will look at. */
static inline void sightings_prefetch(const struct sightings *sightings, uint64_t hash)
{
    uint32_t set = (uint32_t)(hash % SIGHTING_SETS);
    __builtin_prefetch(sightings->hashes[set]);
    __builtin_prefetch(&sightings->sightings[set][sightings->oldest[set]], 1);
}

/* The packet's record. When it wasn't known, that is new, with only its first time, and what had to go for it is in
 * `evicted` (with `had_evicted` set). */
struct sighting *sightings_get(struct sightings *sightings, uint64_t hash, nanos now, bool *known,
                               struct sighting *evicted, bool *had_evicted);

/* Calls `visit` with each record that is still there. */
void sightings_visit(const struct sightings *sightings, void (*visit)(void *user, const struct sighting *sighting),
                     void *user);

/* `now` in ticks since the first sighting, at least 1. */
uint32_t sighting_ticks(const struct sighting *sighting, nanos now);

#endif
