#include "peer/speech.h"

/* ITU-T P.59: means of the three states' durations in seconds, and the chance that another joins in. */
#define SINGLE_TALK_S 0.854
#define DOUBLE_TALK_S 0.226
#define MUTUAL_SILENCE_S 0.456
#define JOINS_IN 0.40

void speech_init(struct speech *speech, const struct conversation *conversation)
{
    *speech = (struct speech){.rng = rng_of(conversation->seed, "speech", conversation->room),
                              .people = conversation->people > 0 ? conversation->people : 1};
    speech->until = conversation->start + (nanos)(rng_exponential(&speech->rng, MUTUAL_SILENCE_S) * 1e9);
}

static void change(struct speech *speech)
{
    double mean_s = SINGLE_TALK_S;
    if (speech->talkers == 0) {
        speech->talkers = 1;
        speech->who[0] = (uint32_t)rng_below(&speech->rng, speech->people);
    } else if (speech->talkers == 2) {
        speech->talkers = 1;
        speech->who[0] = speech->who[rng_below(&speech->rng, 2)];
    } else if (speech->people > 1 && rng_unit(&speech->rng) < JOINS_IN) {
        uint32_t other = (uint32_t)rng_below(&speech->rng, speech->people - 1);
        speech->talkers = 2;
        speech->who[1] = other < speech->who[0] ? other : other + 1;
        mean_s = DOUBLE_TALK_S;
    } else {
        speech->talkers = 0;
        mean_s = MUTUAL_SILENCE_S;
    }
    speech->until += (nanos)(rng_exponential(&speech->rng, mean_s) * 1e9);
}

bool speech_talks(struct speech *speech, uint32_t who, nanos now)
{
    while (speech->until <= now)
        change(speech);
    for (uint32_t i = 0; i < speech->talkers; i++) {
        if (speech->who[i] == who)
            return true;
    }
    return false;
}
