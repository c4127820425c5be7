#include "rtc/nack.h"

#include <string.h>

#include "base/rng.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS

static void asks_at_once_and_again(void)
{
    struct nack_generator generator;
    uint16_t wanted[64];
    nack_generator_init(&generator, &(struct nack_config){0});
    nack_generator_set_rtt(&generator, 80 * MS);
    CU_ASSERT_EQUAL(nack_generator_received(&generator, 65534, 0), NACK_IN_ORDER);
    CU_ASSERT_EQUAL(nack_generator_deadline(&generator), NANOS_NEVER);
    CU_ASSERT_EQUAL(nack_generator_received(&generator, 2, 10 * MS), NACK_IN_ORDER);
    CU_ASSERT_EQUAL(nack_generator_deadline(&generator), 10 * MS);
    CU_ASSERT_EQUAL_FATAL(nack_generator_write(&generator, wanted, 2, 10 * MS), 2); /* in pieces */
    CU_ASSERT_TRUE(wanted[0] == 65535 && wanted[1] == 0);
    CU_ASSERT_EQUAL_FATAL(nack_generator_write(&generator, wanted, 64, 10 * MS), 1);
    CU_ASSERT_EQUAL(wanted[0], 1);
    CU_ASSERT_EQUAL(nack_generator_write(&generator, wanted, 64, 10 * MS), 0);
    CU_ASSERT_EQUAL(nack_generator_deadline(&generator), 110 * MS);

    CU_ASSERT_EQUAL(nack_generator_received(&generator, 0, 90 * MS), NACK_RECOVERED);
    CU_ASSERT_EQUAL(nack_generator_received(&generator, 0, 91 * MS), NACK_UNKNOWN);
    CU_ASSERT_EQUAL(generator.recovered, 1);

    /* Ten times each, 100 ms apart, then never again. */
    size_t asked[3] = {1, 0, 1}; /* 65535, 0, 1 */
    nanos last = 10 * MS;
    nanos at;
    while ((at = nack_generator_deadline(&generator)) != NANOS_NEVER) {
        CU_ASSERT_EQUAL(at, last + 100 * MS);
        last = at;
        size_t count = nack_generator_write(&generator, wanted, 64, at);
        for (size_t i = 0; i < count; i++)
            asked[(uint16_t)(wanted[i] + 1)]++;
    }
    CU_ASSERT_TRUE(asked[0] == NACK_TRIES_MAX && asked[1] == 0 && asked[2] == NACK_TRIES_MAX);
    CU_ASSERT_EQUAL(generator.given_up, 2);
    CU_ASSERT_EQUAL(nack_generator_received(&generator, 1, last), NACK_UNKNOWN);
    nack_generator_clear(&generator);
}

static void tolerates_reordering(void)
{
    struct nack_generator generator;
    uint16_t wanted[64];
    nack_generator_init(&generator, &(struct nack_config){.reorder_delay = 30 * MS, .reorder_packets = 3});
    nack_generator_received(&generator, 10, 0);
    nack_generator_received(&generator, 12, 0);
    CU_ASSERT_EQUAL(nack_generator_write(&generator, wanted, 64, 0), 0);
    CU_ASSERT_EQUAL(nack_generator_received(&generator, 11, 1 * MS), NACK_REORDERED);
    CU_ASSERT_EQUAL(nack_generator_deadline(&generator), NANOS_NEVER);

    nack_generator_received(&generator, 14, 2 * MS); /* by time */
    CU_ASSERT_EQUAL(nack_generator_deadline(&generator), 32 * MS);
    CU_ASSERT_EQUAL(nack_generator_write(&generator, wanted, 64, 32 * MS), 1);
    CU_ASSERT_EQUAL(wanted[0], 13);

    nack_generator_received(&generator, 16, 40 * MS); /* by packets: 15 is missing, 16 to 18 come */
    nack_generator_received(&generator, 17, 41 * MS);
    CU_ASSERT_EQUAL(nack_generator_write(&generator, wanted, 64, 41 * MS), 0);
    nack_generator_received(&generator, 18, 42 * MS);
    CU_ASSERT_EQUAL(nack_generator_deadline(&generator), 42 * MS);
    CU_ASSERT_EQUAL(nack_generator_write(&generator, wanted, 64, 42 * MS), 1);
    CU_ASSERT_EQUAL(wanted[0], 15);
    nack_generator_clear(&generator);
}

static void forgets(void)
{
    struct nack_generator generator;
    uint16_t wanted[64];
    nack_generator_init(&generator, &(struct nack_config){.missing_max = 20});
    nack_generator_received(&generator, 0, 0);
    nack_generator_received(&generator, 10, 0);
    nack_generator_forget_before(&generator, 7); /* a key frame starts at 7 */
    CU_ASSERT_EQUAL_FATAL(nack_generator_write(&generator, wanted, 64, 0), 3);
    CU_ASSERT_TRUE(wanted[0] == 7 && wanted[2] == 9);
    CU_ASSERT_FALSE(nack_generator_take_key_frame_wish(&generator));
    /* Too many: all are forgotten, and a key frame is wished for, once. */
    nack_generator_received(&generator, 29, 0);
    CU_ASSERT_EQUAL(nack_generator_deadline(&generator), NANOS_NEVER);
    CU_ASSERT_EQUAL(generator.count, 0);
    CU_ASSERT_TRUE(nack_generator_take_key_frame_wish(&generator));
    CU_ASSERT_FALSE(nack_generator_take_key_frame_wish(&generator));
    nack_generator_forget_before(&generator, 100);
    nack_generator_clear(&generator);
}

/* Jumps all over the number space leave the list within its bounds. */
static void stays_bounded(void)
{
    struct nack_generator generator;
    struct rng rng = rng_of(1, "nack flood", 0);
    uint16_t wanted[64];
    nack_generator_init(&generator, &(struct nack_config){0});
    for (int i = 0; i < 20000; i++) {
        nack_generator_received(&generator, (uint16_t)rng_u32(&rng) >> rng_below(&rng, 12), i * MS);
        CU_ASSERT_TRUE(generator.count <= NACK_MISSING_MAX && generator.cap <= 1024);
        nack_generator_write(&generator, wanted, 64, i * MS);
    }
    nack_generator_clear(&generator);
}

/* Random loss and reordering against a table of every packet: who is asked for, how often, and how far apart. */
static void agrees_with_a_table(void)
{
    enum { COUNT = 20000 };
    static struct {
        bool arrived;
        nanos missing_since, asked_at;
        int asked;
    } table[COUNT];
    memset(table, 0, sizeof table);
    struct rng rng = rng_of(2, "nack", 0);
    struct nack_generator generator;
    nack_generator_init(&generator, &(struct nack_config){.reorder_delay = 7 * MS});
    nack_generator_set_rtt(&generator, 48 * MS);
    int highest = 0;
    nanos now = 0;
    uint16_t start = 60000;
    table[0].arrived = true;
    nack_generator_received(&generator, start, 0);
    for (int i = 1; i < COUNT; i++) {
        now += (nanos)rng_below(&rng, 3 * MS);
        /* One in 20 is lost; one in 20 swaps places with an earlier lost one, which arrives instead. */
        int at = i;
        if (rng_below(&rng, 20) == 0) {
            for (int tries = 0; tries < 40 && (at == i || table[at].arrived); tries++)
                at = i - 1 - (int)rng_below(&rng, (uint64_t)(i < 60 ? i : 60));
            if (table[at].arrived)
                continue;
        }
        enum nack_arrival expected = at > highest           ? NACK_IN_ORDER
                                     : table[at].asked == 0 ? NACK_REORDERED
                                                            : NACK_RECOVERED;
        CU_ASSERT_EQUAL(nack_generator_received(&generator, (uint16_t)(start + at), now), expected);
        table[at].arrived = true;
        for (int k = highest + 1; k < at; k++)
            table[k].missing_since = now;
        highest = at > highest ? at : highest;
        uint16_t wanted[8];
        for (size_t count; (count = nack_generator_write(&generator, wanted, 8, now)) > 0;) {
            for (size_t k = 0; k < count; k++) {
                uint16_t index = (uint16_t)(wanted[k] - start);
                CU_ASSERT_TRUE_FATAL(index < highest);
                CU_ASSERT_FALSE(table[index].arrived);
                CU_ASSERT_TRUE(now >= table[index].missing_since + 7 * MS);
                CU_ASSERT_TRUE(table[index].asked == 0 || now >= table[index].asked_at + 60 * MS);
                table[index].asked++;
                table[index].asked_at = now;
                CU_ASSERT_TRUE(table[index].asked <= NACK_TRIES_MAX);
            }
        }
        for (int k = highest < 300 ? 0 : highest - 300; i % 100 == 0 && k < highest; k++) {
            if (!table[k].arrived && table[k].asked < NACK_TRIES_MAX) /* nothing that is due has been left out */
                CU_ASSERT_TRUE(now < (table[k].asked ? table[k].asked_at + 60 * MS : table[k].missing_since + 7 * MS));
        }
    }
    CU_ASSERT_TRUE(generator.recovered > 400 && generator.given_up > 200);
    nack_generator_clear(&generator);
}

void nack_test(void)
{
    SUITE("nack", {"asks at once and again", asks_at_once_and_again}, {"tolerates reordering", tolerates_reordering},
          {"forgets", forgets}, {"stays bounded", stays_bounded}, {"agrees with a table", agrees_with_a_table});
}
