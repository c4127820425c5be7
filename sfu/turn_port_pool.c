#include "sfu/turn_port_pool.h"

#include <string.h>

void turn_port_pool_init(struct turn_port_pool *pool, uint16_t min, uint16_t max, uint64_t seed, uint64_t index)
{
    pool->min = min;
    pool->max = max;
    pool->rng = rng_of(seed, "turn_port_pool", index);
    memset(pool->taken, 0, sizeof pool->taken);
}

static bool is_free(const struct turn_port_pool *pool, uint32_t port)
{
    return port >= pool->min && port <= pool->max && (pool->taken[port / 8] & 1u << port % 8) == 0;
}

static bool suits(const struct turn_port_pool *pool, uint32_t port, enum turn_port_wish wish)
{
    return is_free(pool, port) && (wish == TURN_PORT_ANY || port % 2 == 0) &&
           (wish != TURN_PORT_PAIR || is_free(pool, port + 1));
}

static void take(struct turn_port_pool *pool, uint32_t port) { pool->taken[port / 8] |= (uint8_t)(1u << port % 8); }

uint16_t turn_port_pool_take(struct turn_port_pool *pool, enum turn_port_wish wish)
{
    /* A random place to begin, then upwards and around: in a range that is nearly full, too, the last one is found. */
    uint32_t count = (uint32_t)pool->max - pool->min + 1;
    uint32_t start = (uint32_t)rng_below(&pool->rng, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t port = pool->min + (start + i) % count;
        if (!suits(pool, port, wish))
            continue;
        take(pool, port);
        if (wish == TURN_PORT_PAIR)
            take(pool, port + 1);
        return (uint16_t)port;
    }
    return 0;
}

void turn_port_pool_give_back(struct turn_port_pool *pool, uint16_t port)
{
    pool->taken[port / 8] &= (uint8_t) ~(1u << port % 8);
}
