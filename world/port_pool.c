#include "world/port_pool.h"

#include <stdlib.h>
#include <string.h>

static uint64_t word_of(const struct port_pool *pool, uint32_t word)
{
    const struct port_chunk *chunk = pool->chunks[word / PORT_POOL_CHUNK_WORDS];
    return chunk == NULL ? 0 : chunk->words[word % PORT_POOL_CHUNK_WORDS];
}

void port_pool_clear(struct port_pool *pool)
{
    for (int i = 0; i < PORT_POOL_CHUNKS; i++)
        free(pool->chunks[i]);
    memset(pool, 0, sizeof *pool);
}

bool port_pool_is_free(const struct port_pool *pool, uint16_t port)
{
    return (word_of(pool, port / 64) >> (port % 64) & 1) == 0;
}

/* The first free port in [min, max], 0 when none: a port is one bit, so 64 are looked at together. */
static uint16_t find_between(const struct port_pool *pool, uint32_t min, uint32_t max, uint64_t candidates)
{
    for (uint32_t word = min / 64; word <= max / 64; word++) {
        uint64_t free_bits = ~word_of(pool, word) & candidates;
        if (word == min / 64)
            free_bits &= ~UINT64_C(0) << (min % 64);
        if (word == max / 64)
            free_bits &= ~UINT64_C(0) >> (63 - max % 64);
        if (free_bits != 0)
            return (uint16_t)(word * 64 + (uint32_t)__builtin_ctzll(free_bits));
    }
    return 0;
}

uint16_t port_pool_find(const struct port_pool *pool, uint16_t start, uint16_t min, uint16_t max,
                        enum port_parity parity)
{
    static const uint64_t candidates[] = {
        [PORT_ANY] = ~UINT64_C(0), [PORT_EVEN] = 0x5555555555555555u, [PORT_ODD] = 0xaaaaaaaaaaaaaaaau};
    if (start < min || start > max)
        start = min;
    uint16_t port = find_between(pool, start, max, candidates[parity]);
    if (port == 0 && start > min)
        port = find_between(pool, min, start - 1u, candidates[parity]);
    return port;
}

bool port_pool_take(struct port_pool *pool, uint16_t port)
{
    struct port_chunk **chunk = &pool->chunks[port / 1024];
    if (*chunk == NULL && (*chunk = calloc(1, sizeof **chunk)) == NULL)
        return false;
    (*chunk)->words[port / 64 % PORT_POOL_CHUNK_WORDS] |= UINT64_C(1) << (port % 64);
    (*chunk)->taken++;
    return true;
}

void port_pool_release(struct port_pool *pool, uint16_t port)
{
    struct port_chunk **chunk = &pool->chunks[port / 1024];
    (*chunk)->words[port / 64 % PORT_POOL_CHUNK_WORDS] &= ~(UINT64_C(1) << (port % 64));
    if (--(*chunk)->taken == 0) {
        free(*chunk);
        *chunk = NULL;
    }
}
