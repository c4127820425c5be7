/* The ports of one relay address: which are taken, and which to take next. Ports are chosen at random (RFC 6056; RFC
 * 8656, section 7.2). */
#ifndef CONFAB_SFU_TURN_PORT_POOL_H
#define CONFAB_SFU_TURN_PORT_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

struct turn_port_pool {
    uint16_t min;
    uint16_t max;
    struct rng rng;
    uint8_t taken[65536 / 8];
};

enum turn_port_wish {
    TURN_PORT_ANY,
    TURN_PORT_EVEN, /* EVEN-PORT with R = 0 */
    TURN_PORT_PAIR, /* EVEN-PORT with R = 1: an even port whose successor is free; both are taken */
};

void turn_port_pool_init(struct turn_port_pool *pool, uint16_t min, uint16_t max, uint64_t seed, uint64_t index);

/* A port, now taken; 0 when there is none. */
uint16_t turn_port_pool_take(struct turn_port_pool *pool, enum turn_port_wish wish);
void turn_port_pool_give_back(struct turn_port_pool *pool, uint16_t port);

#endif
