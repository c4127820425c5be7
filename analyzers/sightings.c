#include "analyzers/sightings.h"

struct sighting *sightings_get(struct sightings *sightings, uint64_t hash, nanos now, bool *known,
                               struct sighting *evicted)
{
    if (hash == 0)
        hash = 1;
    struct sighting *set = sightings->sets[hash % SIGHTING_SETS];
    struct sighting *place = &set[0];
    evicted->hash = 0;
    for (int i = 0; i < SIGHTING_WAYS; i++) {
        if (set[i].hash == hash && now - set[i].first_time < SIGHTING_AGE_MAX) {
            *known = true;
            return &set[i];
        }
        if (set[i].hash == 0 || (place->hash != 0 && set[i].first_time < place->first_time))
            place = &set[i];
    }
    *known = false;
    sightings->count++;
    *evicted = *place;
    *place = (struct sighting){.hash = hash, .first_time = now};
    return place;
}

uint32_t sighting_ticks(const struct sighting *sighting, nanos now)
{
    nanos ticks = (now - sighting->first_time) / SIGHTING_TICK;
    return ticks > 0 ? (uint32_t)ticks : 1;
}
