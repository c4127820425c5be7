#include "rtc/renumbering.h"

#include <string.h>

#include "base/rng.h"
#include "tests/support/suite.h"

/* The example of the header. */
static void closes_deliberate_gaps(void)
{
    struct renumbering numbers;
    int64_t out, in;
    renumbering_start(&numbers, 7, 70);
    CU_ASSERT_TRUE(renumbering_map(&numbers, 7, &out) && out == 70);
    CU_ASSERT_TRUE(renumbering_map(&numbers, 8, &out) && out == 71);
    CU_ASSERT_TRUE(renumbering_drop(&numbers, 9));
    CU_ASSERT_TRUE(renumbering_map(&numbers, 10, &out) && out == 72);
    CU_ASSERT_TRUE(renumbering_map(&numbers, 12, &out) && out == 74);
    CU_ASSERT_TRUE(renumbering_find(&numbers, 73, &in) && in == 11);
    CU_ASSERT_TRUE(renumbering_map(&numbers, 11, &out) && out == 73);
    CU_ASSERT_FALSE(renumbering_map(&numbers, 9, &out));
    CU_ASSERT_TRUE(renumbering_drop(&numbers, 9));
    CU_ASSERT_FALSE(renumbering_drop(&numbers, 11)); /* promised */
    CU_ASSERT_FALSE(renumbering_map(&numbers, 6, &out));
    CU_ASSERT_TRUE(renumbering_drop(&numbers, 6));
    CU_ASSERT_FALSE(renumbering_find(&numbers, 69, &in));
    CU_ASSERT_FALSE(renumbering_find(&numbers, 75, &in));
    for (int64_t k = 13; k < 13 + RENUMBERING_WINDOW; k++)
        CU_ASSERT_TRUE(renumbering_drop(&numbers, k));
    CU_ASSERT_TRUE(renumbering_map(&numbers, 13 + RENUMBERING_WINDOW, &out) && out == 75);
    CU_ASSERT_TRUE(renumbering_find(&numbers, 75, &in) && in == 13 + RENUMBERING_WINDOW);
    CU_ASSERT_FALSE(renumbering_find(&numbers, 74, &in)); /* out of the window */
}

/* Random drops, losses, late arrivals, against an array that remembers everything. */
static void agrees_with_an_array(void)
{
    enum { COUNT = 20000, DROPPED = -1, UNKNOWN = -2 };
    static int64_t fate[COUNT]; /* what it goes out as */
    struct rng rng = rng_of(1, "renumbering", 0);
    for (int round = 0; round < 6; round++) {
        struct renumbering numbers;
        renumbering_start(&numbers, 100, 5000);
        int64_t highest = -1, next_out = 5000;
        double drop_share = round * 0.15;
        for (int64_t i = 0; i < COUNT; i++) {
            int64_t at = highest + 1 + (rng_below(&rng, 10) == 0 ? (int64_t)rng_below(&rng, 30) : 0);
            bool late = highest > 0 && rng_below(&rng, 5) == 0;
            if (late)
                at = highest - (int64_t)rng_below(&rng, highest < 1500 ? (uint64_t)highest : 1500);
            if (at >= COUNT)
                break;
            bool drop = rng_unit(&rng) < drop_share;
            bool known = at > highest - RENUMBERING_WINDOW;
            for (int64_t k = highest + 1; k < at; k++)
                fate[k] = next_out++;
            if (at > highest) {
                fate[at] = drop ? DROPPED : next_out++;
                highest = at;
            }
            int64_t out = UNKNOWN, in;
            if (drop) {
                CU_ASSERT_EQUAL(renumbering_drop(&numbers, 100 + at), !known || fate[at] == DROPPED);
            } else {
                CU_ASSERT_EQUAL(renumbering_map(&numbers, 100 + at, &out), known && fate[at] != DROPPED);
                if (known && fate[at] != DROPPED)
                    CU_ASSERT_EQUAL(out, fate[at]);
            }
            int64_t probe = highest - (int64_t)rng_below(&rng, highest < 1100 ? (uint64_t)highest + 1 : 1100);
            if (fate[probe] != DROPPED) {
                bool found = renumbering_find(&numbers, fate[probe], &in);
                CU_ASSERT_EQUAL(found, probe > highest - RENUMBERING_WINDOW);
                if (found)
                    CU_ASSERT_EQUAL(in, 100 + probe);
            }
        }
        CU_ASSERT_TRUE(highest > 10000);
    }
}

void renumbering_test(void)
{
    SUITE("renumbering", {"closes deliberate gaps", closes_deliberate_gaps},
          {"agrees with an array", agrees_with_an_array});
}
