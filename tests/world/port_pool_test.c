#include "world/port_pool.h"

#include "base/rng.h"
#include "tests/support/suite.h"

static void finds_what_a_plain_search_finds(void)
{
    static bool taken[65536];
    struct port_pool pool = {0};
    struct rng rng = rng_of(5, "port pool", 0);
    for (int i = 0; i < 4000; i++) {
        uint16_t min = (uint16_t)(2000 + rng_below(&rng, 100));
        uint16_t max = (uint16_t)(min + rng_below(&rng, 300));
        uint16_t start = (uint16_t)(1990 + rng_below(&rng, 420));
        enum port_parity parity = (enum port_parity)rng_below(&rng, 3);
        uint16_t expected = 0;
        uint32_t at = start < min || start > max ? min : start;
        for (uint32_t n = 0; n <= (uint32_t)(max - min); n++, at = at == max ? min : at + 1) {
            if (!taken[at] && (parity == PORT_ANY || at % 2 == (parity == PORT_ODD))) {
                expected = (uint16_t)at;
                break;
            }
        }
        uint16_t found = port_pool_find(&pool, start, min, max, parity);
        CU_ASSERT_EQUAL(found, expected);
        uint16_t other = (uint16_t)(2000 + rng_below(&rng, 400));
        if (found != 0) {
            CU_ASSERT_TRUE(port_pool_is_free(&pool, found));
            CU_ASSERT_TRUE(port_pool_take(&pool, found));
            taken[found] = true;
            CU_ASSERT_FALSE(port_pool_is_free(&pool, found));
        }
        if (taken[other]) {
            port_pool_release(&pool, other);
            taken[other] = false;
        }
    }
    port_pool_clear(&pool);
}

static void reaches_both_ends(void)
{
    struct port_pool pool = {0};
    CU_ASSERT_EQUAL(port_pool_find(&pool, 65535, 1, 65535, PORT_ANY), 65535);
    CU_ASSERT_EQUAL(port_pool_find(&pool, 65535, 1, 65535, PORT_EVEN), 2);
    port_pool_take(&pool, 65535);
    CU_ASSERT_EQUAL(port_pool_find(&pool, 65535, 1, 65535, PORT_ANY), 1);
    CU_ASSERT_EQUAL(port_pool_find(&pool, 65535, 65535, 65535, PORT_ANY), 0);
    port_pool_release(&pool, 65535);
    for (int i = 0; i < PORT_POOL_CHUNKS; i++)
        CU_ASSERT_PTR_NULL(pool.chunks[i]);
}

void port_pool_test(void)
{
    SUITE("port_pool", {"finds what a plain search finds", finds_what_a_plain_search_finds},
          {"reaches both ends", reaches_both_ends});
}
