/* The TURN allocations of a capture (RFC 8656): each one once, at however many vantage points it was seen. */
#ifndef CONFAB_ANALYZERS_TURN_ALLOCATION_H
#define CONFAB_ANALYZERS_TURN_ALLOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/table.h"
#include "base/address.h"

#define ALLOCATION_NONE UINT32_MAX
#define ALLOCATION_LIMIT ((uint32_t)1 << 17)

/* How a TURN client reaches its server. */
enum turn_transport_seen {
    TURN_SEEN_NONE,
    TURN_SEEN_UDP,
    TURN_SEEN_TCP,
    TURN_SEEN_TLS,
};

struct turn_allocation {
    struct address server;
    struct address relayed; /* ADDRESS_NONE when the server didn't say, as WhatsApp's */
    struct address mapped;
    uint8_t transport; /* enum turn_transport_seen */
};

struct turn_allocations {
    struct turn_allocation *allocations;
    uint32_t count;
    uint32_t cap;
    struct table table;
};

/* Finds or makes it. ALLOCATION_NONE when full or out of memory. */
uint32_t turn_allocations_get(struct turn_allocations *allocations, const struct turn_allocation *allocation);

void turn_allocations_clear(struct turn_allocations *allocations);

#endif
