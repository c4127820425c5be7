#include "peer/speech.h"

#include "tests/support/suite.h"

#define STEP (10 * NANOS_PER_MS)
#define HOUR (3600 * NANOS_PER_S)

struct shares {
    double silence;
    double single;
    double two;
    double more;
    double first; /* of the time, participant 0 talks */
};

static struct shares listen(uint32_t participants, nanos duration)
{
    struct shares shares = {0};
    struct speech speeches[8];
    for (uint32_t i = 0; i < participants; i++)
        speech_init(&speeches[i], &(struct conversation){.seed = 7, .room = 3, .people = participants});
    double steps = (double)(duration / STEP);
    for (nanos now = 0; now < duration; now += STEP) {
        int talking = 0;
        for (uint32_t i = 0; i < participants; i++) {
            bool talks = speech_talks(&speeches[i], i, now);
            talking += talks;
            shares.first += i == 0 && talks ? 1 / steps : 0;
        }
        *(talking == 0   ? &shares.silence
          : talking == 1 ? &shares.single
          : talking == 2 ? &shares.two
                         : &shares.more) += 1 / steps;
    }
    return shares;
}

static void follows_p59(void)
{
    /* In each turn of 0.854 s, 0.6 * 0.456 s of silence and 0.4 * 0.226 s of double talk; P.59's table has 22.48 % and
     * 6.59 %. */
    struct shares shares = listen(2, HOUR);
    CU_ASSERT_DOUBLE_EQUAL(shares.silence, 0.2246, 0.015);
    CU_ASSERT_DOUBLE_EQUAL(shares.two, 0.0742, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(shares.first, (1 - 0.2246 + 0.0742) / 2, 0.02);
}

static void shares_the_floor(void)
{
    struct shares shares = listen(5, HOUR);
    CU_ASSERT_DOUBLE_EQUAL(shares.silence, 0.2246, 0.015);
    CU_ASSERT_EQUAL(shares.more, 0);
    CU_ASSERT_DOUBLE_EQUAL(shares.first, (1 - 0.2246 + 0.0742) / 5, 0.02);
    shares = listen(1, HOUR / 4);
    CU_ASSERT_EQUAL(shares.two, 0);
    CU_ASSERT_DOUBLE_EQUAL(shares.first, 0.854 / (0.854 + 0.456), 0.03);
}

/* One who comes later hears the same conversation. */
static void goes_on_without_the_late(void)
{
    const struct conversation conversation = {.seed = 1, .room = 2, .people = 3, .start = 5 * NANOS_PER_S};
    struct speech early[3];
    struct speech late[3];
    int turns = 0;
    for (uint32_t i = 0; i < 3; i++)
        speech_init(&early[i], &conversation);
    for (nanos now = 0; now < HOUR / 12; now += STEP) {
        for (uint32_t i = 0; i < 3; i++) {
            bool talks = speech_talks(&early[i], i, now);
            if (now == 60 * NANOS_PER_S)
                speech_init(&late[i], &conversation);
            if (now >= 60 * NANOS_PER_S)
                CU_ASSERT_EQUAL(speech_talks(&late[i], i, now), talks);
            CU_ASSERT_FALSE(talks && now < conversation.start);
            turns += talks;
        }
    }
    CU_ASSERT_TRUE(turns > 1000);
}

void speech_test(void)
{
    SUITE("speech", {"follows P.59", follows_p59}, {"shares the floor", shares_the_floor},
          {"goes on without the late", goes_on_without_the_late});
}
