#include "world/nat.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "world/port_pool.h"

/* A table that can't grow leaves the new entry out (its handle's tbl is NULL); the packet that wanted it is dropped. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include <uthash.h>
#include <utlist.h>

/* Linux tries so many ports before it gives up on an overloaded one (nf_nat_core.c, get_unique_tuple). */
enum { OVERLOAD_TRIES = 128 };

/* Idle times that end something. Entries of one kind wait in one list, the longest idle first, so that expiry and
 * refresh are O(1). */
enum timer { TIMER_UDP, TIMER_TCP_SYN, TIMER_TCP_ESTABLISHED, TIMER_TCP_TRANSITORY, TIMERS, TIMER_NONE = TIMERS };

enum entry_kind { ENTRY_MAPPING, ENTRY_FILTER, ENTRY_CONNECTION };

struct entry {
    struct entry *prev;
    struct entry *next;
    nanos used;
    uint8_t kind;  /* enum entry_kind */
    uint8_t timer; /* enum timer: the list it is in */
};

/* No padding: keys are compared and hashed as bytes. */
struct key {
    struct address local;  /* internal endpoint; external endpoint in the table of external ones */
    struct address remote; /* as far as the behaviour depends on it, zeros beyond that */
    uint32_t protocol;
};
_Static_assert(sizeof(struct key) == 2 * sizeof(struct address) + 4, "a key must not have padding");

/* An internal address that has mappings. */
struct host {
    struct address address; /* port 0 */
    size_t external;        /* index of the external address it is paired with */
    uint16_t block;         /* first port of its block, 0 when it has none */
    uint32_t mappings;
    UT_hash_handle hh;
};

struct mapping {
    struct entry entry; /* in a list for UDP only: a TCP mapping lives as long as its connections do */
    struct key key;
    struct key external;
    struct host *host;
    size_t pool; /* where its external port came from */
    uint32_t connections;
    UT_hash_handle hh;
    UT_hash_handle by_external;
};

/* "This internal endpoint has sent to that remote": what filtering asks. */
struct filter {
    struct entry entry; /* as above */
    struct key key;
    uint32_t connections;
    UT_hash_handle hh;
};

/* RFC 7857, section 2, figure 1. */
enum {
    SEEN_SYN_OUT = 1,
    SEEN_SYN_IN = 2,
    SEEN_FIN_OUT = 4,
    SEEN_FIN_IN = 8,
    SEEN_RST = 16,
};

struct connection {
    struct entry entry;
    struct key key; /* always with the whole remote address */
    struct mapping *mapping;
    struct filter *filter; /* NULL with EI filtering */
    uint8_t seen;
    UT_hash_handle hh;
};

struct nat {
    struct nat_config config;
    nanos timeouts[TIMERS];
    struct rng rng;
    struct entry *idle[TIMERS];
    nanos check_at; /* nothing ends before then */
    /* What the last packet used, or NULL: most packets are of the same flow as the one before. */
    struct mapping *recent_mapping;
    struct filter *recent_filter;
    struct mapping *mappings; /* by internal endpoint */
    struct mapping *externals;
    struct filter *filters;
    struct connection *connections;
    struct host *hosts;
    struct port_pool *pools;  /* for each external address, of UDP and of TCP */
    struct port_pool *blocks; /* for each external address: which blocks are owned, by number from 1 */
    uint16_t *last_ports;     /* for each pool: NAT_CONTIGUOUS's last */
    struct nat_counters counters;
    enum nat_drop last_drop;
    struct nat_observer observer;
};

/* --- keys ----------------------------------------------------------------------------------------------------------- */

static struct address masked(const struct address *a, enum nat_dependence dependence)
{
    struct address out = {0};
    if (dependence == NAT_ENDPOINT_INDEPENDENT)
        return out;
    out = *a;
    if (dependence == NAT_ADDRESS_DEPENDENT)
        out.port = 0;
    return out;
}

static struct key key_of(uint8_t protocol, const struct address *local, const struct address *remote,
                         enum nat_dependence dependence)
{
    return (struct key){.local = *local, .remote = masked(remote, dependence), .protocol = protocol};
}

static unsigned key_hash(const struct key *key)
{
    uint64_t h = address_hash(&key->local) + address_hash(&key->remote) * 0x9e3779b97f4a7c15u + key->protocol;
    return (unsigned)(h ^ (h >> 32));
}

/* Linux's tuple holds both ends: with overloading an external port alone says nothing. */
static struct key external_key(const struct nat *nat, uint8_t protocol, const struct address *external,
                               const struct address *remote)
{
    bool overload = nat->config.overload && external->family == ADDRESS_IPV4;
    return key_of(protocol, external, remote, overload ? NAT_ADDRESS_AND_PORT_DEPENDENT : NAT_ENDPOINT_INDEPENDENT);
}

static bool key_equal(const struct key *a, const struct key *b) { return memcmp(a, b, sizeof *a) == 0; }

static struct mapping *find_external(const struct nat *nat, const struct key *key)
{
    struct mapping *found;
    if (nat->recent_mapping != NULL && key_equal(&nat->recent_mapping->external, key))
        return nat->recent_mapping;
    HASH_FIND_BYHASHVALUE(by_external, nat->externals, key, sizeof *key, key_hash(key), found);
    return found;
}

/* --- what depends on the address family ------------------------------------------------------------------------------- */

static bool translates(const struct nat *nat, const struct address *internal)
{
    return internal->family == ADDRESS_IPV4 && !nat->config.translate_none;
}

static enum nat_dependence mapping_of(const struct nat *nat, const struct address *internal)
{
    return translates(nat, internal) ? nat->config.mapping : NAT_ENDPOINT_INDEPENDENT;
}

static enum nat_dependence filtering_of(const struct nat *nat, const struct address *internal)
{
    return internal->family == ADDRESS_IPV4 ? nat->config.filtering : nat->config.ipv6_filtering;
}

/* --- timers and ends -------------------------------------------------------------------------------------------------- */

static void set_timer(struct nat *nat, struct entry *entry, enum timer timer, nanos now)
{
    if (entry->timer != TIMER_NONE)
        DL_DELETE(nat->idle[entry->timer], entry);
    entry->timer = (uint8_t)timer;
    entry->used = now;
    if (timer == TIMER_NONE)
        return;
    DL_APPEND(nat->idle[timer], entry);
    nat->check_at = nanos_min(nat->check_at, now + nat->timeouts[timer]);
}

static void host_release(struct nat *nat, struct host *host)
{
    if (--host->mappings > 0)
        return;
    if (host->block != 0)
        port_pool_release(&nat->blocks[host->external], host->block / nat->config.block_size);
    HASH_DEL(nat->hosts, host);
    free(host);
}

static void mapping_end(struct nat *nat, struct mapping *mapping)
{
    set_timer(nat, &mapping->entry, TIMER_NONE, 0);
    if (nat->recent_mapping == mapping)
        nat->recent_mapping = NULL;
    if (mapping->hh.tbl != NULL)
        HASH_DEL(nat->mappings, mapping);
    if (mapping->by_external.tbl != NULL)
        HASH_DELETE(by_external, nat->externals, mapping);
    if (mapping->host != NULL) {
        if (nat->observer.ended != NULL)
            nat->observer.ended(nat->observer.user, (uint8_t)mapping->key.protocol, &mapping->external.local);
        if (!nat->config.overload)
            port_pool_release(&nat->pools[mapping->pool], mapping->external.local.port);
        host_release(nat, mapping->host);
    }
    nat->counters.mappings--;
    free(mapping);
}

static void filter_end(struct nat *nat, struct filter *filter)
{
    set_timer(nat, &filter->entry, TIMER_NONE, 0);
    if (nat->recent_filter == filter)
        nat->recent_filter = NULL;
    HASH_DEL(nat->filters, filter); // NOLINT(clang-analyzer-core.NullDereference): it is in there
    nat->counters.filters--;
    free(filter);
}

static void connection_end(struct nat *nat, struct connection *connection)
{
    set_timer(nat, &connection->entry, TIMER_NONE, 0);
    HASH_DEL(nat->connections, connection);
    if (--connection->mapping->connections == 0)
        mapping_end(nat, connection->mapping);
    if (connection->filter != NULL && --connection->filter->connections == 0)
        filter_end(nat, connection->filter);
    nat->counters.connections--;
    free(connection);
}

/* Each entry is the first member of what it belongs to. */
static void entry_end(struct nat *nat, struct entry *entry)
{
    switch ((enum entry_kind)entry->kind) {
    case ENTRY_MAPPING:
        mapping_end(nat, (struct mapping *)entry);
        break;
    case ENTRY_FILTER:
        filter_end(nat, (struct filter *)entry);
        break;
    case ENTRY_CONNECTION:
        connection_end(nat, (struct connection *)entry);
        break;
    }
}

/* Ends what has been idle too long by then; NANOS_NEVER: everything. */
static void expire(struct nat *nat, nanos now)
{
    if (now < nat->check_at)
        return;
    nat->check_at = NANOS_NEVER;
    for (int timer = 0; timer < TIMERS; timer++) {
        struct entry *next;
        for (struct entry *entry = nat->idle[timer]; entry != NULL; entry = next) {
            if (now - entry->used < nat->timeouts[timer]) {
                nat->check_at = nanos_min(nat->check_at, entry->used + nat->timeouts[timer]);
                break;
            }
            next = entry->next;
            entry_end(nat, entry);
        }
    }
}

/* --- external addresses and ports --------------------------------------------------------------------------------------- */

static size_t pool_index(size_t external, uint8_t protocol) { return 2 * external + (protocol == NAT_TCP); }

static uint32_t port_between(struct nat *nat, uint16_t min, uint16_t max)
{
    return min + (uint32_t)rng_below(&nat->rng, max - min + 1u);
}

/* Gives the host a block of ports on the external address it is paired with, or the next one that has a block left. */
static bool host_take_block(struct nat *nat, struct host *host)
{
    const struct nat_config *config = &nat->config;
    uint16_t first = (uint16_t)((config->port_min + config->block_size - 1u) / config->block_size);
    uint16_t last = (uint16_t)((config->port_max + 1u) / config->block_size - 1u);
    for (size_t i = 0; i < config->external_count; i++) {
        size_t external = (host->external + i) % config->external_count;
        uint16_t block = port_pool_find(&nat->blocks[external], first, first, last, PORT_ANY);
        if (block == 0 || !port_pool_take(&nat->blocks[external], block))
            continue;
        host->external = external;
        host->block = (uint16_t)(block * config->block_size);
        return true;
    }
    return false;
}

/* The record of an internal address, made when it isn't there. Its pairing follows from the seed and the address alone,
 * so that it comes back to the same external address after a silence. */
static struct host *host_for(struct nat *nat, const struct address *internal)
{
    struct address address = masked(internal, NAT_ADDRESS_DEPENDENT);
    struct host *host;
    HASH_FIND(hh, nat->hosts, &address, sizeof address, host);
    if (host != NULL || (host = calloc(1, sizeof *host)) == NULL)
        return host;
    host->address = address;
    struct rng rng = rng_of(nat->config.seed, "nat pairing", address_hash(&address));
    host->external = rng_below(&rng, nat->config.external_count);
    if (nat->config.allocation == NAT_BLOCK && !host_take_block(nat, host)) {
        free(host);
        return NULL;
    }
    HASH_ADD(hh, nat->hosts, address, sizeof host->address, host);
    if (host->hh.tbl == NULL) {
        if (host->block != 0)
            port_pool_release(&nat->blocks[host->external], host->block / nat->config.block_size);
        free(host);
        return NULL;
    }
    return host;
}

/* A port for an overloading NAT: one that no mapping to this very destination has. */
static uint16_t port_overloaded(struct nat *nat, uint8_t protocol, struct address external,
                                const struct address *internal, const struct address *remote, uint16_t min,
                                uint16_t max)
{
    uint32_t port = nat->config.allocation == NAT_PRESERVE && internal->port >= min && internal->port <= max
                        ? internal->port
                        : port_between(nat, min, max);
    for (int i = 0; i < OVERLOAD_TRIES; i++) {
        external.port = (uint16_t)port;
        struct key key = external_key(nat, protocol, &external, remote);
        if (find_external(nat, &key) == NULL)
            return external.port;
        port = i == 0 ? port_between(nat, min, max) : port + 1;
        if (port > max)
            port = min;
    }
    return 0;
}

static uint16_t port_for(struct nat *nat, const struct host *host, size_t external, const struct nat_packet *packet)
{
    const struct nat_config *config = &nat->config;
    const struct port_pool *pool = &nat->pools[pool_index(external, packet->protocol)];
    uint16_t *last = &nat->last_ports[pool_index(external, packet->protocol)];
    uint16_t internal = packet->source.port;
    bool low = internal < 1024;
    uint16_t min = low ? 1 : config->port_min;
    uint16_t max = low ? 1023 : config->port_max;
    if (config->overload)
        return port_overloaded(nat, packet->protocol, config->external[external], &packet->source, &packet->destination,
                               min, max);
    switch (config->allocation) {
    case NAT_PRESERVE:
        return port_pool_find(pool, internal, min, max, PORT_ANY);
    case NAT_PARITY:
        return port_pool_find(pool, (uint16_t)port_between(nat, min, max), min, max,
                              internal % 2 == 0 ? PORT_EVEN : PORT_ODD);
    case NAT_CONTIGUOUS:
        if (*last < min || *last > max)
            *last = (uint16_t)port_between(nat, min, max);
        return *last = port_pool_find(pool, *last == max ? min : *last + 1, min, max, PORT_ANY);
    case NAT_RANDOM:
        return port_pool_find(pool, (uint16_t)port_between(nat, min, max), min, max, PORT_ANY);
    case NAT_BLOCK:
        min = host->block;
        max = (uint16_t)(host->block + config->block_size - 1);
        return port_pool_find(pool, (uint16_t)port_between(nat, min, max), min, max, PORT_ANY);
    }
    return 0;
}

/* Fills the mapping's external endpoint and host; false when there is no port for it. */
static bool mapping_allocate(struct nat *nat, struct mapping *mapping, const struct nat_packet *packet)
{
    const struct nat_config *config = &nat->config;
    struct host *host = host_for(nat, &packet->source);
    if (host == NULL)
        return false;
    host->mappings++;
    size_t external = config->pooling == NAT_ARBITRARY && config->allocation != NAT_BLOCK
                          ? rng_below(&nat->rng, config->external_count)
                          : host->external;
    size_t pool = pool_index(external, packet->protocol);
    bool allowed = config->host_limit == 0 || host->mappings <= config->host_limit;
    uint16_t port = allowed ? port_for(nat, host, external, packet) : 0;
    if (port == 0 || (!config->overload && !port_pool_take(&nat->pools[pool], port))) {
        host_release(nat, host);
        return false;
    }
    struct address endpoint = config->external[external];
    endpoint.port = port;
    mapping->external = external_key(nat, packet->protocol, &endpoint, &packet->destination);
    mapping->host = host;
    mapping->pool = pool;
    return true;
}

/* --- finding and making entries ----------------------------------------------------------------------------------------- */

static struct mapping *mapping_for(struct nat *nat, const struct nat_packet *packet)
{
    struct key key = key_of(packet->protocol, &packet->source, &packet->destination, mapping_of(nat, &packet->source));
    if (nat->recent_mapping != NULL && key_equal(&nat->recent_mapping->key, &key))
        return nat->recent_mapping;
    unsigned hash = key_hash(&key);
    struct mapping *mapping;
    HASH_FIND_BYHASHVALUE(hh, nat->mappings, &key, sizeof key, hash, mapping);
    if (mapping != NULL)
        return nat->recent_mapping = mapping;
    if (nat->counters.mappings >= nat->config.mapping_limit || (mapping = calloc(1, sizeof *mapping)) == NULL)
        return NULL;
    mapping->entry = (struct entry){.kind = ENTRY_MAPPING, .timer = TIMER_NONE};
    mapping->key = key;
    if (!translates(nat, &packet->source)) {
        mapping->external = key; /* a firewall: outside it is what it is inside */
    } else if (!mapping_allocate(nat, mapping, packet)) {
        free(mapping);
        return NULL;
    }
    nat->counters.mappings++;
    if (mapping->host != NULL && nat->observer.began != NULL)
        nat->observer.began(nat->observer.user, packet->protocol, &mapping->external.local);
    HASH_ADD_BYHASHVALUE(hh, nat->mappings, key, sizeof mapping->key, hash, mapping);
    unsigned external_hash = key_hash(&mapping->external);
    HASH_ADD_BYHASHVALUE(by_external, nat->externals, external, sizeof mapping->external, external_hash, mapping);
    if (mapping->hh.tbl == NULL || mapping->by_external.tbl == NULL) {
        mapping_end(nat, mapping);
        return NULL;
    }
    return mapping;
}

static struct filter *filter_find(struct nat *nat, uint8_t protocol, const struct address *internal,
                                  const struct address *remote)
{
    struct key key = key_of(protocol, internal, remote, filtering_of(nat, internal));
    struct filter *filter;
    if (nat->recent_filter != NULL && key_equal(&nat->recent_filter->key, &key))
        return nat->recent_filter;
    HASH_FIND_BYHASHVALUE(hh, nat->filters, &key, sizeof key, key_hash(&key), filter);
    if (filter != NULL)
        nat->recent_filter = filter;
    return filter;
}

static struct filter *filter_for(struct nat *nat, const struct nat_packet *packet)
{
    struct filter *filter = filter_find(nat, packet->protocol, &packet->source, &packet->destination);
    if (filter != NULL)
        return filter;
    if (nat->counters.filters + nat->counters.connections >= nat->config.session_limit ||
        (filter = calloc(1, sizeof *filter)) == NULL)
        return NULL;
    filter->entry = (struct entry){.kind = ENTRY_FILTER, .timer = TIMER_NONE};
    filter->key = key_of(packet->protocol, &packet->source, &packet->destination, filtering_of(nat, &packet->source));
    HASH_ADD_BYHASHVALUE(hh, nat->filters, key, sizeof filter->key, key_hash(&filter->key), filter);
    if (filter->hh.tbl == NULL) {
        free(filter);
        return NULL;
    }
    nat->counters.filters++;
    return filter;
}

static struct connection *connection_find(const struct nat *nat, const struct address *internal,
                                          const struct address *remote)
{
    struct key key = key_of(NAT_TCP, internal, remote, NAT_ADDRESS_AND_PORT_DEPENDENT);
    struct connection *connection;
    HASH_FIND_BYHASHVALUE(hh, nat->connections, &key, sizeof key, key_hash(&key), connection);
    return connection;
}

/* `filter` may be NULL. */
static struct connection *connection_add(struct nat *nat, const struct address *internal, const struct address *remote,
                                         struct mapping *mapping, struct filter *filter)
{
    struct connection *connection;
    if (nat->counters.filters + nat->counters.connections >= nat->config.session_limit ||
        (connection = calloc(1, sizeof *connection)) == NULL)
        return NULL;
    connection->entry = (struct entry){.kind = ENTRY_CONNECTION, .timer = TIMER_NONE};
    connection->key = key_of(NAT_TCP, internal, remote, NAT_ADDRESS_AND_PORT_DEPENDENT);
    HASH_ADD_BYHASHVALUE(hh, nat->connections, key, sizeof connection->key, key_hash(&connection->key), connection);
    if (connection->hh.tbl == NULL) {
        free(connection);
        return NULL;
    }
    connection->mapping = mapping;
    connection->filter = filter;
    mapping->connections++;
    if (filter != NULL)
        filter->connections++;
    nat->counters.connections++;
    return connection;
}

/* The state machine of RFC 7857, section 2: which idle time applies after this packet. */
static void connection_track(struct nat *nat, struct connection *connection, uint8_t flags, bool outbound, nanos now)
{
    enum { BOTH_SYNS = SEEN_SYN_OUT | SEEN_SYN_IN, BOTH_FINS = SEEN_FIN_OUT | SEEN_FIN_IN };
    bool closing = (connection->seen & BOTH_FINS) == BOTH_FINS || (connection->seen & SEEN_RST) != 0;
    if ((flags & (NAT_TCP_SYN | NAT_TCP_ACK)) == NAT_TCP_SYN && closing)
        connection->seen = 0; /* the same ports again */
    if (flags & NAT_TCP_SYN)
        connection->seen |= outbound ? SEEN_SYN_OUT : SEEN_SYN_IN;
    if (flags & NAT_TCP_FIN)
        connection->seen |= outbound ? SEEN_FIN_OUT : SEEN_FIN_IN;
    if (flags & NAT_TCP_RST)
        connection->seen |= SEEN_RST;
    else if (connection->seen & SEEN_RST)
        connection->seen &= (uint8_t)~SEEN_RST; /* data goes on: that RST was forged or lost on its way (2.2) */
    enum timer timer = TIMER_TCP_SYN;
    if ((connection->seen & BOTH_FINS) == BOTH_FINS || (connection->seen & SEEN_RST) != 0)
        timer = TIMER_TCP_TRANSITORY;
    else if ((connection->seen & BOTH_SYNS) == BOTH_SYNS)
        timer = TIMER_TCP_ESTABLISHED;
    set_timer(nat, &connection->entry, timer, now);
}

/* --- packets -------------------------------------------------------------------------------------------------------------- */

static enum nat_verdict drop(struct nat *nat, enum nat_drop reason)
{
    nat->counters.dropped[reason]++;
    nat->last_drop = reason;
    return NAT_DROP;
}

static bool may_leave(const struct nat *nat, const struct nat_packet *packet)
{
    const struct nat_config *config = &nat->config;
    if (packet->source.family == ADDRESS_IPV6 && config->ipv6 == NAT_IPV6_NONE)
        return false;
    if (packet->protocol == NAT_UDP)
        return !config->udp_blocked;
    if (config->tcp_blocked)
        return false;
    bool any = true;
    for (int i = 0; i < NAT_ALLOWED_PORTS_MAX; i++) {
        uint16_t port = config->tcp_allowed_ports[i];
        if (port != 0 && port == packet->destination.port)
            return true;
        any = any && port == 0;
    }
    return any;
}

static bool stateless(const struct nat *nat, const struct address *internal)
{
    return internal->family == ADDRESS_IPV6 && nat->config.ipv6 == NAT_IPV6_OPEN;
}

static bool is_external(const struct nat *nat, const struct address *a)
{
    for (size_t i = 0; i < nat->config.external_count; i++)
        if (address_same_ip(&nat->config.external[i], a))
            return true;
    return false;
}

static struct mapping *outbound_udp(struct nat *nat, const struct nat_packet *packet, nanos now)
{
    bool refresh = nat->config.refresh != NAT_REFRESH_INBOUND;
    struct mapping *mapping = mapping_for(nat, packet);
    if (mapping == NULL)
        return NULL;
    if (refresh || mapping->entry.timer == TIMER_NONE)
        set_timer(nat, &mapping->entry, TIMER_UDP, now);
    if (filtering_of(nat, &packet->source) == NAT_ENDPOINT_INDEPENDENT)
        return mapping;
    struct filter *filter = filter_for(nat, packet);
    if (filter == NULL)
        return NULL;
    if (refresh || filter->entry.timer == TIMER_NONE)
        set_timer(nat, &filter->entry, TIMER_UDP, now);
    return mapping;
}

/* What an internal SYN opens. */
static struct connection *outbound_connection(struct nat *nat, const struct nat_packet *packet)
{
    struct mapping *mapping = mapping_for(nat, packet);
    if (mapping == NULL)
        return NULL;
    struct filter *filter = NULL;
    struct connection *connection = NULL;
    bool filters = filtering_of(nat, &packet->source) != NAT_ENDPOINT_INDEPENDENT;
    if (filters)
        filter = filter_for(nat, packet);
    if (filter != NULL || !filters)
        connection = connection_add(nat, &packet->source, &packet->destination, mapping, filter);
    if (connection == NULL) {
        if (filter != NULL && filter->connections == 0)
            filter_end(nat, filter);
        if (mapping->connections == 0)
            mapping_end(nat, mapping);
    }
    return connection;
}

static enum nat_verdict let_in(struct nat *nat, struct nat_packet *packet, nanos now)
{
    struct key key = external_key(nat, packet->protocol, &packet->destination, &packet->source);
    struct mapping *mapping = find_external(nat, &key);
    if (mapping == NULL)
        return drop(nat, NAT_DROP_UNMAPPED);
    const struct address *internal = &mapping->key.local;
    struct filter *filter = NULL;
    if (filtering_of(nat, internal) != NAT_ENDPOINT_INDEPENDENT) {
        filter = filter_find(nat, packet->protocol, internal, &packet->source);
        if (filter == NULL)
            return drop(nat, NAT_DROP_FILTERED);
    }
    if (packet->protocol == NAT_TCP) {
        struct connection *connection = connection_find(nat, internal, &packet->source);
        if (connection == NULL) {
            if ((packet->tcp_flags & (NAT_TCP_SYN | NAT_TCP_ACK)) != NAT_TCP_SYN)
                return drop(nat, NAT_DROP_STRAY);
            connection = connection_add(nat, internal, &packet->source, mapping, filter);
            if (connection == NULL)
                return drop(nat, NAT_DROP_EXHAUSTED);
        }
        if (connection->mapping != mapping) /* its answers would leave by another external endpoint */
            return drop(nat, NAT_DROP_STRAY);
        connection_track(nat, connection, packet->tcp_flags, false, now);
    } else if (nat->config.refresh != NAT_REFRESH_OUTBOUND) {
        set_timer(nat, &mapping->entry, TIMER_UDP, now);
        if (filter != NULL)
            set_timer(nat, &filter->entry, TIMER_UDP, now);
    }
    packet->destination = *internal;
    return NAT_FORWARD;
}

enum nat_verdict nat_outbound(struct nat *nat, struct nat_packet *packet, nanos now)
{
    expire(nat, now);
    if (!may_leave(nat, packet))
        return drop(nat, NAT_DROP_POLICY);
    if (stateless(nat, &packet->source)) {
        nat->counters.outbound++;
        return NAT_FORWARD;
    }
    bool hairpin = is_external(nat, &packet->destination);
    if (hairpin && nat->config.hairpin == NAT_HAIRPIN_NONE)
        return drop(nat, NAT_DROP_HAIRPIN);

    struct mapping *mapping;
    if (packet->protocol == NAT_TCP) {
        struct connection *connection = connection_find(nat, &packet->source, &packet->destination);
        if (connection == NULL) {
            if ((packet->tcp_flags & (NAT_TCP_SYN | NAT_TCP_ACK)) != NAT_TCP_SYN)
                return drop(nat, NAT_DROP_STRAY);
            connection = outbound_connection(nat, packet);
            if (connection == NULL)
                return drop(nat, NAT_DROP_EXHAUSTED);
        }
        connection_track(nat, connection, packet->tcp_flags, true, now);
        mapping = connection->mapping;
    } else {
        mapping = outbound_udp(nat, packet, now);
        if (mapping == NULL)
            return drop(nat, NAT_DROP_EXHAUSTED);
    }

    if (!hairpin) {
        packet->source = mapping->external.local;
        nat->counters.outbound++;
        return NAT_FORWARD;
    }
    /* Whose packets the other internal endpoint wants is decided on the external source, whatever it is shown. */
    struct nat_packet turned = *packet;
    turned.source = mapping->external.local;
    if (let_in(nat, &turned, now) == NAT_DROP)
        return NAT_DROP;
    if (nat->config.hairpin == NAT_HAIRPIN_EXTERNAL)
        packet->source = turned.source;
    packet->destination = turned.destination;
    nat->counters.hairpinned++;
    return NAT_HAIRPIN;
}

enum nat_verdict nat_inbound(struct nat *nat, struct nat_packet *packet, nanos now)
{
    expire(nat, now);
    if (packet->destination.family == ADDRESS_IPV6 && nat->config.ipv6 == NAT_IPV6_NONE)
        return drop(nat, NAT_DROP_POLICY);
    if (!stateless(nat, &packet->destination) && let_in(nat, packet, now) == NAT_DROP)
        return NAT_DROP;
    nat->counters.inbound++;
    return NAT_FORWARD;
}

/* --- making and looking ----------------------------------------------------------------------------------------------------- */

struct nat *nat_create(const struct nat_config *config, struct error *error)
{
    struct nat_config complete = *config;
    nat_config_complete(&complete);
    if (!nat_config_check(&complete, error))
        return NULL;
    struct nat *nat = calloc(1, sizeof *nat);
    if (nat == NULL) {
        error_set(error, ERROR_SYSTEM, "nat: out of memory");
        return NULL;
    }
    nat->config = complete;
    nat->rng = rng_of(config->seed, "nat", 0);
    nat->check_at = NANOS_NEVER;
    nat->timeouts[TIMER_UDP] = complete.udp_timeout;
    nat->timeouts[TIMER_TCP_SYN] = complete.tcp_syn_timeout;
    nat->timeouts[TIMER_TCP_ESTABLISHED] = complete.tcp_established_timeout;
    nat->timeouts[TIMER_TCP_TRANSITORY] = complete.tcp_transitory_timeout;
    size_t pools = 2 * complete.external_count;
    bool blocks = complete.allocation == NAT_BLOCK;
    if (pools > 0) {
        nat->pools = calloc(pools, sizeof *nat->pools);
        nat->last_ports = calloc(pools, sizeof *nat->last_ports);
        nat->blocks = blocks ? calloc(complete.external_count, sizeof *nat->blocks) : NULL;
        if (nat->pools == NULL || nat->last_ports == NULL || (blocks && nat->blocks == NULL)) {
            error_set(error, ERROR_SYSTEM, "nat: out of memory");
            nat_destroy(nat);
            return NULL;
        }
    }
    return nat;
}

void nat_destroy(struct nat *nat)
{
    if (nat == NULL)
        return;
    nat->check_at = 0;
    expire(nat, NANOS_NEVER);
    free(nat->pools);
    free(nat->blocks);
    free(nat->last_ports);
    free(nat);
}

struct nat_counters nat_counters(const struct nat *nat) { return nat->counters; }

void nat_observe(struct nat *nat, const struct nat_observer *observer) { nat->observer = *observer; }

nanos nat_deadline(const struct nat *nat) { return nat->check_at; }

void nat_expire(struct nat *nat, nanos now) { expire(nat, now); }

enum nat_drop nat_last_drop(const struct nat *nat) { return nat->last_drop; }

size_t nat_list(struct nat *nat, struct nat_entry *out, size_t cap, nanos now)
{
    expire(nat, now);
    size_t count = 0;
    for (const struct mapping *mapping = nat->mappings; mapping != NULL; mapping = mapping->hh.next, count++) {
        if (count < cap)
            out[count] = (struct nat_entry){.internal = mapping->key.local,
                                            .external = mapping->external.local,
                                            .remote = mapping->key.remote,
                                            .protocol = (uint8_t)mapping->key.protocol};
    }
    return count;
}
