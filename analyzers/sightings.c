#include "analyzers/sightings.h"

struct sighting *sightings_get(struct sightings *sightings, uint64_t hash, nanos now, bool *known,
                               struct sighting *evicted, bool *had_evicted)
{
    hash |= (uint64_t)1 << 63; /* never 0; the low bits choose the set */
    uint32_t set = (uint32_t)(hash % SIGHTING_SETS);
    uint64_t *hashes = sightings->hashes[set];
    uint8_t place = SIGHTING_WAYS;
    for (uint8_t i = 0; i < SIGHTING_WAYS && place == SIGHTING_WAYS; i++) {
        if (hashes[i] == hash)
            place = i;
    }
    *had_evicted = false;
    if (place < SIGHTING_WAYS && now - sightings->sightings[set][place].first_time < SIGHTING_AGE_MAX) {
        *known = true;
        return &sightings->sightings[set][place];
    }
    if (place == SIGHTING_WAYS) {
        place = sightings->oldest[set];
        sightings->oldest[set] = (uint8_t)((place + 1) % SIGHTING_WAYS);
    }
    struct sighting *sighting = &sightings->sightings[set][place];
    if (hashes[place] != 0) {
        *had_evicted = true;
        *evicted = *sighting;
    }
    hashes[place] = hash;
    *sighting = (struct sighting){.first_time = now};
    *known = false;
    sightings->count++;
    return sighting;
}

void sightings_visit(const struct sightings *sightings, void (*visit)(void *user, const struct sighting *sighting),
                     void *user)
{
    for (uint32_t set = 0; sightings->count > 0 && set < SIGHTING_SETS; set++) {
        for (int way = 0; way < SIGHTING_WAYS; way++) {
            if (sightings->hashes[set][way] != 0)
                visit(user, &sightings->sightings[set][way]);
        }
    }
}

uint32_t sighting_ticks(const struct sighting *sighting, nanos now)
{
    nanos ticks = (now - sighting->first_time) / SIGHTING_TICK;
    return ticks > 0 ? (uint32_t)ticks : 1;
}
