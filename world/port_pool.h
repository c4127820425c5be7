/* Which ports of one external address and one protocol are taken: a bitmap in 64 chunks of 1,024 ports, of which only
 * the used ones exist, so that a home router with a handful of mappings stays small. */
#ifndef CONFAB_WORLD_PORT_POOL_H
#define CONFAB_WORLD_PORT_POOL_H

#include <stdbool.h>
#include <stdint.h>

enum { PORT_POOL_CHUNKS = 64, PORT_POOL_CHUNK_WORDS = 16 };

struct port_chunk {
    uint64_t words[PORT_POOL_CHUNK_WORDS];
    uint32_t taken;
};

/* Starts as all zeros. */
struct port_pool {
    struct port_chunk *chunks[PORT_POOL_CHUNKS];
};

enum port_parity { PORT_ANY, PORT_EVEN, PORT_ODD };

void port_pool_clear(struct port_pool *pool);

bool port_pool_is_free(const struct port_pool *pool, uint16_t port);

/* The first free port at or after `start` in the range `min` to `max` (both included), going round once; 0 when none
 * is free. It is not taken by this. */
uint16_t port_pool_find(const struct port_pool *pool, uint16_t start, uint16_t min, uint16_t max,
                        enum port_parity parity);

/* False when out of memory. */
bool port_pool_take(struct port_pool *pool, uint16_t port);
void port_pool_release(struct port_pool *pool, uint16_t port);

#endif
