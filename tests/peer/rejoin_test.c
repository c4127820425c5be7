#include "peer/rejoin.h"

#include "tests/support/suite.h"

static struct rejoin rejoin_of(size_t count, uint64_t seed)
{
    struct address servers[REJOIN_SERVERS_MAX + 1];
    struct rejoin rejoin;
    for (size_t i = 0; i < count; i++) {
        char text[32];
        snprintf(text, sizeof text, "5.0.0.%zu:443", i + 1);
        CU_ASSERT_TRUE(address_parse(&servers[i], text));
    }
    rejoin_init(&rejoin, servers, count, seed);
    return rejoin;
}

/* Which of the servers, by the last byte of its address. */
static int next(struct rejoin *rejoin) { return rejoin_server(rejoin)->ip[3]; }

static void everyone_tries_the_same_in_turn(void)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct rejoin rejoin = rejoin_of(3, seed);
        for (int i = 0; i < 7; i++) {
            rejoin_delay(&rejoin);
            CU_ASSERT_EQUAL(next(&rejoin), 1 + i % 3);
        }
        rejoin_done(&rejoin);
        CU_ASSERT_EQUAL(next(&rejoin), 1);
    }
    struct rejoin many = rejoin_of(REJOIN_SERVERS_MAX + 1, 1);
    for (int i = 0; i < REJOIN_SERVERS_MAX; i++)
        CU_ASSERT_EQUAL(next(&many), 1 + i);
    CU_ASSERT_EQUAL(next(&many), 1);
}

/* 0.5, 0.5, 1, 1, 2, 2, 4, 4, 8, 8, 8 … s, each by half of it more or less at most. */
static void waits_grow_and_are_spread(void)
{
    nanos least = NANOS_NEVER;
    nanos most = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rejoin rejoin = rejoin_of(2, seed);
        for (int i = 0; i < 16; i++) {
            nanos middle = nanos_min((NANOS_PER_S / 2) << (i / 2), 8 * NANOS_PER_S);
            nanos delay = rejoin_delay(&rejoin);
            CU_ASSERT_TRUE(delay >= middle / 2 && delay < middle + middle / 2);
            if (i == 0) {
                least = nanos_min(least, delay);
                most = nanos_max(most, delay);
            }
            next(&rejoin);
        }
        rejoin_done(&rejoin);
        CU_ASSERT_TRUE(rejoin_delay(&rejoin) < NANOS_PER_S);
    }
    CU_ASSERT_TRUE(least < 300 * NANOS_PER_MS && most > 700 * NANOS_PER_MS);
}

static void patience_grows(void)
{
    static const int expected_s[] = {3, 3, 6, 6, 12, 12, 24, 24, 24, 24};
    struct rejoin rejoin = rejoin_of(2, 1);
    for (size_t i = 0; i < sizeof expected_s / sizeof expected_s[0]; i++) {
        CU_ASSERT_EQUAL(rejoin_patience(&rejoin), expected_s[i] * NANOS_PER_S);
        next(&rejoin);
    }
}

void rejoin_test(void)
{
    SUITE("rejoin", {"everyone tries the same in turn", everyone_tries_the_same_in_turn},
          {"waits grow and are spread", waits_grow_and_are_spread}, {"patience grows", patience_grows});
}
