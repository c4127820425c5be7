/* What a TURN server keeps for its clients (RFC 8656, section 6): allocations, found by their 5-tuple, each with up to
 * two relays, and their permissions and channels, found by server-wide tables. All of it expires by itself. */
#ifndef CONFAB_SFU_TURN_ALLOCATION_H
#define CONFAB_SFU_TURN_ALLOCATION_H

#include <uthash.h>

#include "base/deadline_heap.h"
#include "sfu/turn_credentials.h"
#include "sfu/turn_port_pool.h"

#define TURN_PERMISSION_LIFETIME (300 * NANOS_PER_S) /* RFC 8656, section 9 */
#define TURN_CHANNEL_LIFETIME (600 * NANOS_PER_S)    /* section 12 */
#define TURN_RESERVATION_LIFETIME (30 * NANOS_PER_S) /* section 7.2: at least */

enum {
    TURN_PERMISSIONS_MAX = 256, /* of one allocation; then 508 */
    TURN_CHANNELS_MAX = 256,
};

struct turn_allocation;
struct turn_connection;
struct turn_table;

/* RFC 8656, section 2: what an allocation is known by. No padding: it is a hash key. */
struct turn_tuple {
    struct address client;
    struct address server;
    uint16_t transport; /* enum turn_transport */
};

/* Begins each thing that expires. */
enum turn_expiry_kind { TURN_EXPIRY_RELAY, TURN_EXPIRY_PERMISSION, TURN_EXPIRY_CHANNEL, TURN_EXPIRY_RESERVATION };
struct turn_expiry {
    struct deadline deadline;
    enum turn_expiry_kind kind;
};

/* A relayed transport address. */
struct turn_relay {
    struct turn_expiry expiry;
    struct turn_allocation *allocation;
    struct world_udp *udp; /* NULL: no relay of this family */
    struct address address;
};

struct turn_permission_key {
    uint64_t allocation;
    struct address ip; /* port 0 */
    uint32_t zero;
};
struct turn_permission {
    struct turn_expiry expiry;
    struct turn_permission_key key;
    struct turn_allocation *allocation;
    struct turn_permission *previous, *next; /* of the same allocation */
    UT_hash_handle hh;
};

struct turn_channel_number {
    uint64_t allocation;
    uint64_t number;
};
struct turn_channel_peer {
    uint64_t allocation;
    struct address peer;
    uint32_t zero;
};
struct turn_channel {
    struct turn_expiry expiry;
    struct turn_channel_number number;
    struct turn_channel_peer peer;
    struct turn_allocation *allocation;
    struct turn_channel *previous, *next;
    UT_hash_handle hh;      /* by `number` */
    UT_hash_handle by_peer; /* by `peer` */
};

/* How many allocations and reservations an account has. */
struct turn_account {
    uint32_t count;
    UT_hash_handle hh;
    char name[];
};

struct turn_allocation {
    struct turn_tuple tuple;
    uint64_t id;
    struct turn_table *table;
    struct world_udp *udp;              /* the socket that the client talks to; NULL on a stream, */
    struct turn_connection *connection; /* which this is then */
    struct turn_account *account;
    struct turn_identity *identity;
    uint8_t transaction_id[STUN_TRANSACTION_ID_LEN]; /* of the Allocate request: section 7.2, note */
    uint64_t token;                                  /* RESERVATION-TOKEN given with it; 0: none */
    uint8_t refused_family;                          /* of a dual allocation that got one address alone, */
    uint16_t refused_code;                           /* and why */
    struct turn_relay relays[2];                     /* IPv4, IPv6 */
    struct turn_permission *permissions;
    struct turn_channel *channels;
    uint16_t permission_count;
    uint16_t channel_count;
    UT_hash_handle hh;
};

/* A relayed address held for a later Allocate (EVEN-PORT with R = 1). */
struct turn_reservation {
    struct turn_expiry expiry;
    struct turn_table *table;
    uint64_t token;
    struct world_udp *udp;
    struct address address;
    struct turn_account *account;
    UT_hash_handle hh;
};

struct turn_table {
    struct world_host *host;
    struct address relay_address[2]; /* by family: IPv4, IPv6; ADDRESS_NONE: none of it */
    world_udp_received received;     /* of relays; `user` is the struct turn_relay */
    /* Called before a relay's socket is closed, and when an allocation has ended. */
    void (*closing)(void *owner);
    void (*ended)(void *owner, struct turn_allocation *allocation);
    void *owner;
    struct turn_port_pool *pools[2];
    uint64_t *live[2]; /* by family, a bit for each port: an allocation's relay */
    struct rng rng;
    uint64_t last_id;
    uint32_t user_quota;
    uint32_t total_quota;
    uint32_t count; /* of allocations */
    struct deadline_heap heap;
    struct turn_allocation *by_tuple;
    struct turn_permission *permissions;
    struct turn_channel *by_number;
    struct turn_channel *by_peer;
    struct turn_account *accounts;
    struct turn_reservation *reservations;
};

/* 0 for IPv4, 1 for IPv6. */
static inline size_t turn_family_index(uint8_t family) { return family == ADDRESS_IPV6; }

/* What an Allocate request asks for, already checked for contradictions. */
struct turn_wish {
    uint8_t family; /* of the relay; with `dual`, both */
    bool dual;      /* ADDITIONAL-ADDRESS-FAMILY */
    enum turn_port_wish port;
    uint64_t token; /* RESERVATION-TOKEN; 0: none */
    nanos lifetime;
};

bool turn_table_init(struct turn_table *table, uint16_t port_min, uint16_t port_max, uint64_t seed);
/* Ends all allocations and reservations. */
void turn_table_clear(struct turn_table *table);

/* Makes an allocation; 0, or the error code: 440, 486, 508. Fields that say who and where from are for the caller to
 * fill; `account_name` is whom it counts for. */
unsigned turn_allocation_create(struct turn_table *table, const struct turn_tuple *tuple, const char *account_name,
                                const struct turn_identity *identity, const struct turn_wish *wish, nanos now,
                                struct turn_allocation **out);
void turn_allocation_end(struct turn_allocation *allocation);

/* Ends the relay of one family, with its permissions and channels; the allocation too when it was the last. */
void turn_allocation_end_relay(struct turn_allocation *allocation, uint8_t family);

struct turn_allocation *turn_table_find(struct turn_table *table, const struct turn_tuple *tuple);

/* Has an allocation a relay of this family on that port, now? */
bool turn_table_has_relay(const struct turn_table *table, uint8_t family, uint16_t port);

/* A new time to expiry for the relays of a family, or of both (ADDRESS_NONE). */
void turn_allocation_refresh(struct turn_allocation *allocation, uint8_t family, nanos until);

static inline struct turn_relay *turn_allocation_relay(struct turn_allocation *allocation, uint8_t family)
{
    struct turn_relay *relay = &allocation->relays[turn_family_index(family)];
    return relay->udp != NULL ? relay : NULL;
}

/* Installs or refreshes a permission; false when there are too many or memory is out. */
bool turn_allocation_permit(struct turn_allocation *allocation, const struct address *peer, nanos now);
bool turn_allocation_is_permitted(struct turn_allocation *allocation, const struct address *peer);

/* Binds or refreshes a channel, with its permission: 0, or 400 when number or peer are bound otherwise, or 508. */
unsigned turn_allocation_bind(struct turn_allocation *allocation, uint16_t number, const struct address *peer,
                              nanos now);
/* NULL when there is none. */
struct turn_channel *turn_allocation_channel(struct turn_allocation *allocation, uint16_t number);
struct turn_channel *turn_allocation_channel_of(struct turn_allocation *allocation, const struct address *peer);

/* Ends what has expired. */
void turn_table_expire(struct turn_table *table, nanos now);

#endif
