#include "analyzers/rtp_probation.h"

#include <string.h>

#include "analyzers/table.h"
#include "rtc/rtp.h"

#define CONSECUTIVE_NONE 4
#define CONSECUTIVE_SOME 2
#define SEQUENCE_STEP_MAX 10
#define TIMESTAMP_STEP_MAX (90000 * 10) /* ten seconds of video */

static bool same(const struct rtp_candidate *a, const struct rtp_candidate *b)
{
    return a->ssrc == b->ssrc && a->vantage == b->vantage && a->path == b->path &&
           address_equal(&a->source, &b->source) && address_equal(&a->destination, &b->destination);
}

struct rtp_candidate *rtp_probation_add(struct rtp_probation *probation, const struct rtp_candidate *key,
                                        const struct rtp_sample *sample, uint8_t first_byte,
                                        struct rtp_candidate *evicted)
{
    uint64_t hash = table_mix(address_hash(&key->source) * 3 + address_hash(&key->destination) +
                              ((uint64_t)key->ssrc << 32 | key->vantage) + (uint64_t)key->path * 0x9e3779b97f4a7c15u);
    struct rtp_candidate *set = probation->candidates[hash % RTP_PROBATION_SETS];
    struct rtp_candidate *place = NULL;
    for (int i = 0; i < RTP_PROBATION_WAYS; i++) {
        if (set[i].count > 0 && same(&set[i], key))
            place = &set[i];
    }
    evicted->count = 0;
    if (place == NULL) {
        place = &set[0];
        for (int i = 1; i < RTP_PROBATION_WAYS && place->count > 0; i++) {
            if (set[i].count == 0 || set[i].samples[set[i].count - 1].time < place->samples[place->count - 1].time)
                place = &set[i];
        }
        nanos stay = place->count > 1 ? RTP_PROBATION_STAY : RTP_PROBATION_STAY_FIRST;
        nanos age = place->count > 0 ? sample->time - place->samples[place->count - 1].time : stay;
        if (age >= 0 && age < stay) /* below 0 where a file's times jump back */
            return NULL;
        *evicted = *place;
        *place = *key;
        place->count = 0;
    }
    if (place->count == RTP_PROBATION_SAMPLES) {
        memmove(place->samples, place->samples + 1, sizeof place->samples - sizeof place->samples[0]);
        memmove(place->first_bytes, place->first_bytes + 1, sizeof place->first_bytes - 1);
        place->count--;
    }
    place->encapsulation = key->encapsulation;
    place->first_bytes[place->count] = first_byte;
    place->samples[place->count++] = *sample;
    return place;
}

/* How many of the latest packets follow on one another. */
static int consecutive(const struct rtp_candidate *candidate)
{
    int run = 1;
    for (int i = candidate->count - 1; i > 0; i--) {
        const struct rtp_sample *a = &candidate->samples[i - 1];
        const struct rtp_sample *b = &candidate->samples[i];
        int step = (int16_t)(uint16_t)(b->sequence - a->sequence);
        int32_t ticks = (int32_t)(b->timestamp - a->timestamp);
        if (step > SEQUENCE_STEP_MAX || step < -SEQUENCE_STEP_MAX || ticks > TIMESTAMP_STEP_MAX ||
            ticks < -TIMESTAMP_STEP_MAX)
            break;
        run += step != 0;
    }
    return run;
}

bool rtp_probation_passed(const struct rtp_candidate *candidate, enum rtp_trust trust, bool known_type)
{
    switch (trust) {
    case RTP_TRUST_FULL:
        return candidate->count > 0;
    case RTP_TRUST_SOME:
        return known_type || consecutive(candidate) >= CONSECUTIVE_SOME;
    default:
        return consecutive(candidate) >= CONSECUTIVE_NONE;
    }
}
