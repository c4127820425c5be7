#include "sfu/layer_allocator.h"

#include "base/rng.h"
#include "tests/support/suite.h"

#define VIDEO(now)                                                                                                     \
    {                                                                                                                  \
        .bitrate_bps = {150000, 500000, 1700000}, .highest = 2, .current = (now)                                       \
    }

static void gives_everyone_the_lowest_first(void)
{
    struct layer_demand demands[] = {VIDEO(LAYER_NONE), VIDEO(LAYER_NONE), VIDEO(LAYER_NONE)};
    CU_ASSERT_EQUAL(layer_allocate(demands, 3, 600000, false), 450000);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(demands[i].chosen, 0);
    layer_allocate(demands, 3, 1000000, false);
    CU_ASSERT_EQUAL(demands[0].chosen, 1);
    CU_ASSERT_EQUAL(demands[1].chosen, 0);
    CU_ASSERT_EQUAL(demands[2].chosen, 0);
    CU_ASSERT_EQUAL(layer_allocate(demands, 3, 99000000, false), 5100000);
    CU_ASSERT_EQUAL(layer_wanted_bps(demands, 3), 5100000);
}

static void drops_the_least_important_when_nothing_fits(void)
{
    struct layer_demand demands[] = {VIDEO(LAYER_NONE), VIDEO(LAYER_NONE), VIDEO(LAYER_NONE)};
    layer_allocate(demands, 3, 400000, false);
    CU_ASSERT_EQUAL(demands[1].chosen, 0);
    CU_ASSERT_EQUAL(demands[2].chosen, LAYER_NONE);
    CU_ASSERT_EQUAL(layer_allocate(demands, 3, 0, true), 450000);
    CU_ASSERT_EQUAL(demands[2].chosen, 0);
}

static void asks_more_for_going_up_than_for_staying(void)
{
    struct layer_demand below = VIDEO(0);
    struct layer_demand there = VIDEO(1);
    layer_allocate(&below, 1, 510000, false);
    layer_allocate(&there, 1, 510000, false);
    CU_ASSERT_EQUAL(below.chosen, 0);
    CU_ASSERT_EQUAL(there.chosen, 1);
    layer_allocate(&below, 1, 600000, false);
    CU_ASSERT_EQUAL(below.chosen, 1);
}

static void skips_layers_that_are_not_sent_or_not_wanted(void)
{
    struct layer_demand gap = {.bitrate_bps = {150000, 0, 1700000}, .highest = 2, .current = 0};
    struct layer_demand small = {.bitrate_bps = {150000, 500000, 1700000}, .highest = 1, .current = 0};
    struct layer_demand paused = {.bitrate_bps = {150000, 500000, 1700000}, .highest = LAYER_NONE, .current = 0};
    struct layer_demand silent = {.highest = 2, .current = 0};
    layer_allocate(&gap, 1, 5000000, false);
    layer_allocate(&small, 1, 5000000, false);
    layer_allocate(&paused, 1, 5000000, true);
    layer_allocate(&silent, 1, 5000000, true);
    CU_ASSERT_EQUAL(gap.chosen, 2);
    CU_ASSERT_EQUAL(small.chosen, 1);
    CU_ASSERT_EQUAL(paused.chosen, LAYER_NONE);
    CU_ASSERT_EQUAL(silent.chosen, LAYER_NONE);
}

static void never_exceeds_its_budget(void)
{
    struct rng rng = rng_of(11, "allocator", 0);
    for (int round = 0; round < 2000; round++) {
        struct layer_demand demands[12];
        size_t count = rng_below(&rng, 12) + 1;
        for (size_t i = 0; i < count; i++) {
            int64_t rate = 0;
            demands[i] =
                (struct layer_demand){.highest = (int)rng_below(&rng, 4) - 1, .current = (int)rng_below(&rng, 4) - 1};
            for (int layer = 0; layer < LAYERS_MAX; layer++)
                demands[i].bitrate_bps[layer] =
                    rng_below(&rng, 4) == 0 ? 0 : (rate += (int64_t)rng_below(&rng, 900000));
        }
        int64_t budget = (int64_t)rng_below(&rng, 9000000);
        int64_t sum = 0;
        CU_ASSERT_TRUE(layer_allocate(demands, count, budget, false) <= budget);
        for (size_t i = 0; i < count; i++) {
            CU_ASSERT_TRUE(demands[i].chosen <= demands[i].highest);
            sum += demands[i].chosen == LAYER_NONE ? 0 : demands[i].bitrate_bps[demands[i].chosen];
        }
        CU_ASSERT_TRUE(sum <= budget);
    }
}

void layer_allocator_test(void)
{
    SUITE("layer_allocator", {"gives everyone the lowest first", gives_everyone_the_lowest_first},
          {"drops the least important when nothing fits", drops_the_least_important_when_nothing_fits},
          {"asks more for going up than for staying", asks_more_for_going_up_than_for_staying},
          {"skips layers that are not sent or not wanted", skips_layers_that_are_not_sent_or_not_wanted},
          {"never exceeds its budget", never_exceeds_its_budget});
}
