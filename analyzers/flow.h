/* The 5-tuples of a capture. Both directions are one flow: its ends are ordered, and a packet's direction is the end it
 * comes from. The same 5-tuple seen at two vantage points is two flows, so that what was counted at one place is never
 * mixed with another. */
#ifndef CONFAB_ANALYZERS_FLOW_H
#define CONFAB_ANALYZERS_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/table.h"
#include "base/address.h"
#include "base/nanos.h"

#define FLOW_NONE UINT32_MAX
#define FLOW_LIMIT ((uint32_t)1 << 18)

enum flow_framing {
    FLOW_DATAGRAMS,     /* UDP */
    FLOW_TURN,          /* STUN messages and ChannelData one after the other (RFC 8656, section 3.1) */
    FLOW_LENGTH_PREFIX, /* two bytes of length before each (RFC 4571), as ICE over TCP has it */
    FLOW_TLS,           /* can't be looked into */
    FLOW_OTHER,
};

struct flow {
    struct address ends[2];
    uint32_t vantage;
    uint8_t protocol; /* enum packet_protocol */
    uint8_t framing;  /* enum flow_framing */
    uint32_t path;    /* of what isn't wrapped by TURN; PATH_NONE before there is any */

    /* TURN, when one end is a client of the other */
    bool turn;
    uint8_t client;      /* which end; with FLOW_TLS, the one that sent the ClientHello */
    bool allocate_asked; /* an Allocate request was seen */
    uint64_t first_id;   /* bytes of the first one's transaction id, or of the ClientHello's random: the same at every
                              vantage point, whatever NATs do to addresses */
    uint16_t allocate_error; /* the last one that isn't part of authentication; 0 when none, or a success came later */
    uint32_t allocation;     /* the latest successful one, ALLOCATION_NONE */
    uint64_t relayed_bytes;  /* application bytes in ChannelData, Send and Data */

    nanos first_time;
    nanos last_time;
    uint64_t bytes; /* payload, both directions */
    uint32_t tcp;   /* place in the table of TCP connections, TABLE_NONE */
};

struct flows {
    struct flow *flows;
    uint32_t count;
    uint32_t cap;
    struct table table;
};

struct flow_key {
    struct address ends[2]; /* in order */
    uint32_t vantage;
    uint8_t protocol;
};

/* The key of the flow from `source` to `destination`, and in `direction` which end the source is. */
struct flow_key flow_key_of(const struct address *source, const struct address *destination, uint32_t vantage,
                            uint8_t protocol, uint8_t *direction);

/* The flow's number, FLOW_NONE when there is none. */
uint32_t flows_find(const struct flows *flows, const struct flow_key *key);

/* Finds it or makes it; FLOW_NONE past FLOW_LIMIT or out of memory. */
uint32_t flows_get(struct flows *flows, const struct flow_key *key);

void flows_clear(struct flows *flows);

#endif
