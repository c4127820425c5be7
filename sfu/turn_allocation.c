#include "sfu/turn_allocation.h"

#include <stdlib.h>
#include <string.h>

/* Sockets tried before a port pool counts as used up: others on the host may have taken some of its ports. */
enum { OPEN_TRIES = 16 };

/* --- the table -------------------------------------------------------------------------------------------------- */

bool turn_table_init(struct turn_table *table, uint16_t port_min, uint16_t port_max, uint64_t seed)
{
    table->rng = rng_of(seed, "turn_table", 0);
    for (size_t i = 0; i < 2; i++) {
        table->pools[i] = malloc(sizeof *table->pools[i]);
        if (table->pools[i] == NULL)
            return false;
        turn_port_pool_init(table->pools[i], port_min, port_max, seed, i);
        table->live[i] = calloc((UINT16_MAX + 1) / 64, sizeof *table->live[i]);
        if (table->live[i] == NULL)
            return false;
    }
    return true;
}

static bool expire_at(struct turn_table *table, struct turn_expiry *expiry, enum turn_expiry_kind kind, void *owner,
                      nanos at)
{
    expiry->kind = kind;
    expiry->deadline.owner = owner;
    return deadline_heap_set(&table->heap, &expiry->deadline, at);
}

/* --- accounts --------------------------------------------------------------------------------------------------- */

static struct turn_account *account_of(struct turn_table *table, const char *name)
{
    struct turn_account *account;
    size_t len = strlen(name);
    HASH_FIND(hh, table->accounts, name, len, account);
    if (account == NULL) {
        account = calloc(1, sizeof *account + len + 1);
        if (account == NULL)
            return NULL;
        memcpy(account->name, name, len);
        HASH_ADD(hh, table->accounts, name[0], len, account);
    }
    return account;
}

static void account_release(struct turn_table *table, struct turn_account *account)
{
    if (account->count > 0)
        account->count--;
    if (account->count > 0)
        return;
    HASH_DEL(table->accounts, account);
    free(account);
}

/* --- relays and reservations ------------------------------------------------------------------------------------ */

static void set_live(struct turn_relay *relay, bool live)
{
    uint64_t *word =
        &relay->allocation->table->live[turn_family_index(relay->address.family)][relay->address.port / 64];
    uint64_t bit = (uint64_t)1 << relay->address.port % 64;
    *word = live ? *word | bit : *word & ~bit;
}

bool turn_table_has_relay(const struct turn_table *table, uint8_t family, uint16_t port)
{
    return (table->live[turn_family_index(family)][port / 64] >> port % 64 & 1) != 0;
}

static void close_relay_socket(struct turn_table *table, struct world_udp *udp, const struct address *address)
{
    table->closing(table->owner);
    world_udp_close(udp);
    turn_port_pool_give_back(table->pools[turn_family_index(address->family)], address->port);
}

static void ignore_datagrams(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    (void)user;
    (void)udp;
    (void)batch;
    (void)count;
    (void)now;
}

/* Opens a relay's socket and, for a pair, that of its odd neighbour, which nobody listens to until it is claimed. */
static bool open_sockets(struct turn_table *table, struct turn_relay *relay, uint8_t family, enum turn_port_wish wish,
                         struct turn_reservation *neighbour)
{
    struct turn_port_pool *pool = table->pools[turn_family_index(family)];
    struct address address = table->relay_address[turn_family_index(family)];
    for (int i = 0; i < OPEN_TRIES; i++) {
        address.port = turn_port_pool_take(pool, wish);
        if (address.port == 0)
            return false;
        relay->address = address;
        relay->udp = world_udp_open(table->host, &address, table->received, relay, NULL);
        if (neighbour == NULL && relay->udp != NULL)
            return true;
        if (neighbour != NULL && relay->udp != NULL) {
            neighbour->address = address;
            neighbour->address.port++;
            neighbour->udp = world_udp_open(table->host, &neighbour->address, ignore_datagrams, NULL, NULL);
            if (neighbour->udp != NULL)
                return true;
            world_udp_close(relay->udp);
            relay->udp = NULL;
        }
        turn_port_pool_give_back(pool, address.port);
        if (neighbour != NULL)
            turn_port_pool_give_back(pool, address.port + 1);
    }
    return false;
}

static void reservation_end(struct turn_reservation *reservation)
{
    struct turn_table *table = reservation->table;
    deadline_heap_remove(&table->heap, &reservation->expiry.deadline);
    HASH_DEL(table->reservations, reservation);
    account_release(table, reservation->account);
    free(reservation);
}

static void reservation_expire(struct turn_reservation *reservation)
{
    close_relay_socket(reservation->table, reservation->udp, &reservation->address);
    reservation_end(reservation);
}

static struct turn_reservation *reservation_create(struct turn_table *table, struct turn_account *account, nanos now)
{
    struct turn_reservation *reservation = calloc(1, sizeof *reservation);
    if (reservation == NULL)
        return NULL;
    if (!expire_at(table, &reservation->expiry, TURN_EXPIRY_RESERVATION, reservation,
                   now + TURN_RESERVATION_LIFETIME)) {
        free(reservation);
        return NULL;
    }
    reservation->table = table;
    reservation->account = account;
    reservation->token = rng_u64(&table->rng) | 1;
    account->count++;
    HASH_ADD(hh, table->reservations, token, sizeof reservation->token, reservation);
    return reservation;
}

static struct turn_reservation *find_reservation(struct turn_table *table, uint64_t token)
{
    struct turn_reservation *reservation;
    HASH_FIND(hh, table->reservations, &token, sizeof token, reservation);
    return reservation;
}

/* Gives the allocation the address that was held for `token`: the same port, on a socket of its own. */
static unsigned claim_reservation(struct turn_allocation *allocation, uint64_t token)
{
    struct turn_table *table = allocation->table;
    struct turn_reservation *reservation = find_reservation(table, token);
    if (reservation == NULL)
        return STUN_INSUFFICIENT_CAPACITY;
    struct turn_relay *relay = &allocation->relays[turn_family_index(reservation->address.family)];
    relay->address = reservation->address;
    world_udp_close(reservation->udp);
    relay->udp = world_udp_open(table->host, &relay->address, table->received, relay, NULL);
    reservation_end(reservation);
    if (relay->udp != NULL)
        return 0;
    turn_port_pool_give_back(table->pools[turn_family_index(relay->address.family)], relay->address.port);
    return STUN_INSUFFICIENT_CAPACITY;
}

static unsigned open_relay(struct turn_allocation *allocation, uint8_t family, enum turn_port_wish wish, nanos now)
{
    struct turn_table *table = allocation->table;
    struct turn_relay *relay = &allocation->relays[turn_family_index(family)];
    struct turn_reservation *neighbour = NULL;
    if (table->relay_address[turn_family_index(family)].family == ADDRESS_NONE)
        return STUN_ADDRESS_FAMILY_NOT_SUPPORTED;
    if (wish == TURN_PORT_PAIR && (neighbour = reservation_create(table, allocation->account, now)) == NULL)
        return STUN_INSUFFICIENT_CAPACITY;
    if (open_sockets(table, relay, family, wish, neighbour)) {
        allocation->token = neighbour != NULL ? neighbour->token : 0;
        return 0;
    }
    if (neighbour != NULL)
        reservation_end(neighbour);
    return STUN_INSUFFICIENT_CAPACITY;
}

/* --- allocations ------------------------------------------------------------------------------------------------ */

static unsigned open_relays(struct turn_allocation *allocation, const struct turn_wish *wish, nanos now)
{
    if (wish->token != 0)
        return claim_reservation(allocation, wish->token);
    if (!wish->dual)
        return open_relay(allocation, wish->family, wish->port, now);
    unsigned ipv4 = open_relay(allocation, ADDRESS_IPV4, wish->port, now);
    unsigned ipv6 = open_relay(allocation, ADDRESS_IPV6, wish->port, now);
    if (ipv4 != 0 && ipv6 != 0)
        return STUN_INSUFFICIENT_CAPACITY;
    /* One of the two is a success that says what is missing (RFC 8656, section 7.2, step 9). */
    if (ipv4 != 0 || ipv6 != 0) {
        allocation->refused_family = ipv4 != 0 ? ADDRESS_IPV4 : ADDRESS_IPV6;
        allocation->refused_code = (uint16_t)(ipv4 != 0 ? ipv4 : ipv6);
    }
    return 0;
}

/* Would another allocation like this one be too many? A reservation that is claimed was counted when it was made. */
static unsigned check_quotas(struct turn_table *table, const struct turn_account *account, const struct turn_wish *wish)
{
    const struct turn_reservation *claimed = find_reservation(table, wish->token);
    uint32_t count = account->count + (wish->port == TURN_PORT_PAIR ? 2 : 1);
    if (table->total_quota != 0 && table->count >= table->total_quota)
        return STUN_INSUFFICIENT_CAPACITY;
    if (claimed != NULL && claimed->account == account)
        count--;
    return table->user_quota != 0 && count > table->user_quota ? STUN_ALLOCATION_QUOTA_REACHED : 0;
}

unsigned turn_allocation_create(struct turn_table *table, const struct turn_tuple *tuple, const char *account_name,
                                const struct turn_identity *identity, const struct turn_wish *wish, nanos now,
                                struct turn_allocation **out)
{
    struct turn_account *account = account_of(table, account_name);
    struct turn_allocation *allocation = calloc(1, sizeof *allocation);
    struct turn_identity *kept = malloc(sizeof *kept);
    unsigned code = STUN_INSUFFICIENT_CAPACITY;
    if (account != NULL && allocation != NULL && kept != NULL)
        code = check_quotas(table, account, wish);
    if (code != 0) {
        if (account != NULL && account->count == 0)
            account_release(table, account);
        free(allocation);
        free(kept);
        return code;
    }
    *kept = *identity;
    *allocation = (struct turn_allocation){
        .tuple = *tuple, .id = ++table->last_id, .table = table, .account = account, .identity = kept};
    account->count++;
    table->count++;
    HASH_ADD(hh, table->by_tuple, tuple, sizeof allocation->tuple, allocation);
    for (size_t i = 0; i < 2; i++)
        allocation->relays[i].allocation = allocation;
    code = open_relays(allocation, wish, now);
    for (size_t i = 0; code == 0 && i < 2; i++) {
        struct turn_relay *relay = &allocation->relays[i];
        if (relay->udp == NULL)
            continue;
        set_live(relay, true);
        if (!expire_at(table, &relay->expiry, TURN_EXPIRY_RELAY, relay, now + wish->lifetime))
            code = STUN_INSUFFICIENT_CAPACITY;
    }
    if (code != 0) {
        turn_allocation_end(allocation);
        return code;
    }
    *out = allocation;
    return 0;
}

struct turn_allocation *turn_table_find(struct turn_table *table, const struct turn_tuple *tuple)
{
    struct turn_allocation *allocation;
    HASH_FIND(hh, table->by_tuple, tuple, sizeof *tuple, allocation);
    return allocation;
}

void turn_allocation_refresh(struct turn_allocation *allocation, uint8_t family, nanos until)
{
    for (size_t i = 0; i < 2; i++) {
        struct turn_relay *relay = &allocation->relays[i];
        if (relay->udp != NULL && (family == ADDRESS_NONE || family == relay->address.family))
            deadline_heap_set(&allocation->table->heap, &relay->expiry.deadline, until);
    }
}

/* --- permissions ------------------------------------------------------------------------------------------------ */

static struct turn_permission_key permission_key(const struct turn_allocation *allocation, const struct address *peer)
{
    struct turn_permission_key key = {.allocation = allocation->id, .ip = *peer};
    key.ip.port = 0;
    return key;
}

static struct turn_permission *find_permission(struct turn_allocation *allocation, const struct address *peer)
{
    struct turn_permission_key key = permission_key(allocation, peer);
    struct turn_permission *permission;
    HASH_FIND(hh, allocation->table->permissions, &key, sizeof key, permission);
    return permission;
}

bool turn_allocation_is_permitted(struct turn_allocation *allocation, const struct address *peer)
{
    return find_permission(allocation, peer) != NULL;
}

bool turn_allocation_permit(struct turn_allocation *allocation, const struct address *peer, nanos now)
{
    struct turn_table *table = allocation->table;
    struct turn_permission *permission = find_permission(allocation, peer);
    if (permission != NULL)
        return deadline_heap_set(&table->heap, &permission->expiry.deadline, now + TURN_PERMISSION_LIFETIME);
    if (allocation->permission_count == TURN_PERMISSIONS_MAX)
        return false;
    permission = calloc(1, sizeof *permission);
    if (permission == NULL ||
        !expire_at(table, &permission->expiry, TURN_EXPIRY_PERMISSION, permission, now + TURN_PERMISSION_LIFETIME)) {
        free(permission);
        return false;
    }
    permission->allocation = allocation;
    permission->key = permission_key(allocation, peer);
    permission->next = allocation->permissions;
    if (permission->next != NULL)
        permission->next->previous = permission;
    allocation->permissions = permission;
    allocation->permission_count++;
    HASH_ADD(hh, table->permissions, key, sizeof permission->key, permission);
    return true;
}

static void permission_end(struct turn_permission *permission)
{
    struct turn_allocation *allocation = permission->allocation;
    deadline_heap_remove(&allocation->table->heap, &permission->expiry.deadline);
    HASH_DEL(allocation->table->permissions, permission);
    if (permission->next != NULL)
        permission->next->previous = permission->previous;
    if (permission->previous != NULL)
        permission->previous->next = permission->next;
    else
        allocation->permissions = permission->next;
    allocation->permission_count--;
    free(permission);
}

/* --- channels --------------------------------------------------------------------------------------------------- */

struct turn_channel *turn_allocation_channel(struct turn_allocation *allocation, uint16_t number)
{
    struct turn_channel_number key = {.allocation = allocation->id, .number = number};
    struct turn_channel *channel;
    HASH_FIND(hh, allocation->table->by_number, &key, sizeof key, channel); // NOLINT: the key is not garbage
    return channel;
}

struct turn_channel *turn_allocation_channel_of(struct turn_allocation *allocation, const struct address *peer)
{
    struct turn_channel_peer key = {.allocation = allocation->id, .peer = *peer};
    struct turn_channel *channel;
    HASH_FIND(by_peer, allocation->table->by_peer, &key, sizeof key, channel); // NOLINT: nor this one
    return channel;
}

static struct turn_channel *channel_create(struct turn_allocation *allocation, uint16_t number,
                                           const struct address *peer, nanos now)
{
    struct turn_table *table = allocation->table;
    struct turn_channel *channel = calloc(1, sizeof *channel);
    if (channel == NULL ||
        !expire_at(table, &channel->expiry, TURN_EXPIRY_CHANNEL, channel, now + TURN_CHANNEL_LIFETIME)) {
        free(channel);
        return NULL;
    }
    channel->allocation = allocation;
    channel->number = (struct turn_channel_number){.allocation = allocation->id, .number = number};
    channel->peer = (struct turn_channel_peer){.allocation = allocation->id, .peer = *peer};
    channel->next = allocation->channels;
    if (channel->next != NULL)
        channel->next->previous = channel;
    allocation->channels = channel;
    allocation->channel_count++;
    HASH_ADD(hh, table->by_number, number, sizeof channel->number, channel);
    HASH_ADD(by_peer, table->by_peer, peer, sizeof channel->peer, channel);
    return channel;
}

static void channel_end(struct turn_channel *channel)
{
    struct turn_allocation *allocation = channel->allocation;
    struct turn_table *table = allocation->table;
    deadline_heap_remove(&table->heap, &channel->expiry.deadline);
    HASH_DELETE(hh, table->by_number, channel);
    HASH_DELETE(by_peer, table->by_peer, channel);
    if (channel->next != NULL)
        channel->next->previous = channel->previous;
    if (channel->previous != NULL)
        channel->previous->next = channel->next;
    else
        allocation->channels = channel->next;
    allocation->channel_count--;
    free(channel);
}

unsigned turn_allocation_bind(struct turn_allocation *allocation, uint16_t number, const struct address *peer,
                              nanos now)
{
    struct turn_channel *channel = turn_allocation_channel(allocation, number);
    if (channel != turn_allocation_channel_of(allocation, peer))
        return STUN_BAD_REQUEST;
    if (channel == NULL && allocation->channel_count == TURN_CHANNELS_MAX)
        return STUN_INSUFFICIENT_CAPACITY;
    if (!turn_allocation_permit(allocation, peer, now))
        return STUN_INSUFFICIENT_CAPACITY;
    if (channel == NULL)
        return channel_create(allocation, number, peer, now) != NULL ? 0 : STUN_INSUFFICIENT_CAPACITY;
    deadline_heap_set(&allocation->table->heap, &channel->expiry.deadline, now + TURN_CHANNEL_LIFETIME);
    return 0;
}

/* --- endings ---------------------------------------------------------------------------------------------------- */

static void end_peers(struct turn_allocation *allocation, uint8_t family)
{
    struct turn_channel *next_channel;
    struct turn_permission *next_permission;
    for (struct turn_channel *channel = allocation->channels; channel != NULL; channel = next_channel) {
        next_channel = channel->next;
        if (channel->peer.peer.family == family)
            channel_end(channel);
    }
    for (struct turn_permission *permission = allocation->permissions; permission != NULL;
         permission = next_permission) {
        next_permission = permission->next;
        if (permission->key.ip.family == family)
            permission_end(permission);
    }
}

static void relay_end(struct turn_relay *relay)
{
    struct turn_table *table = relay->allocation->table;
    if (relay->udp == NULL)
        return;
    set_live(relay, false);
    end_peers(relay->allocation, relay->address.family);
    deadline_heap_remove(&table->heap, &relay->expiry.deadline);
    close_relay_socket(table, relay->udp, &relay->address);
    relay->udp = NULL;
}

void turn_allocation_end(struct turn_allocation *allocation)
{
    struct turn_table *table = allocation->table;
    relay_end(&allocation->relays[0]);
    relay_end(&allocation->relays[1]);
    HASH_DELETE(hh, table->by_tuple, allocation);
    table->ended(table->owner, allocation);
    account_release(table, allocation->account);
    table->count--;
    free(allocation->identity);
    free(allocation);
}

void turn_allocation_end_relay(struct turn_allocation *allocation, uint8_t family)
{
    relay_end(&allocation->relays[turn_family_index(family)]);
    if (allocation->relays[0].udp == NULL && allocation->relays[1].udp == NULL)
        turn_allocation_end(allocation);
}

void turn_table_expire(struct turn_table *table, nanos now)
{
    for (struct deadline *due; (due = deadline_heap_pop_due(&table->heap, now)) != NULL;) {
        struct turn_expiry *expiry =
            (struct turn_expiry *)(void *)((char *)due - offsetof(struct turn_expiry, deadline));
        struct turn_relay *relay = due->owner;
        switch (expiry->kind) {
        case TURN_EXPIRY_RELAY:
            turn_allocation_end_relay(relay->allocation, relay->address.family);
            break;
        case TURN_EXPIRY_PERMISSION:
            permission_end(due->owner);
            break;
        case TURN_EXPIRY_CHANNEL:
            channel_end(due->owner);
            break;
        case TURN_EXPIRY_RESERVATION:
            reservation_expire(due->owner);
            break;
        }
    }
}

void turn_table_clear(struct turn_table *table)
{
    while (table->by_tuple != NULL)
        turn_allocation_end(table->by_tuple); // NOLINT: the head moves on as its first entry goes
    while (table->reservations != NULL)
        reservation_expire(table->reservations); // NOLINT: likewise
    deadline_heap_clear(&table->heap);
    for (size_t i = 0; i < 2; i++) {
        free(table->pools[i]);
        free(table->live[i]);
    }
}
