/* Data between clients and peers: RFC 8656, sections 11 and 12. */
#include "rtc/turn_framing.h"
#include "sfu/turn_server_state.h"

/* A Data indication around a datagram: header, XOR-PEER-ADDRESS, DATA. */
enum { INDICATION_OVERHEAD = STUN_HEADER_LEN + 24 + 4 + 3 };

bool turn_relaying_is_astray(const struct turn_server *server, const struct address *peer)
{
    return turn_peer_rules_only_relays(&server->rules, peer) &&
           !turn_table_has_relay(&server->table, peer->family, peer->port);
}

static void to_peer(struct turn_server *server, struct turn_allocation *allocation, const struct address *peer,
                    const uint8_t *data, size_t len)
{
    struct turn_relay *relay = turn_allocation_relay(allocation, peer->family);
    if (relay == NULL || turn_relaying_is_astray(server, peer)) {
        server->statistics.packets_dropped++;
        return;
    }
    turn_egress_add(&server->egress, relay->udp, peer, data, len);
    server->statistics.packets_to_peers++;
    server->statistics.bytes_to_peers += len;
}

void turn_relaying_send(struct turn_server *server, const struct turn_path *path, const struct stun_message *indication)
{
    /* DONT-FRAGMENT is not among them: a world's sockets can't set the bit (RFC 8656, section 11.2). */
    static const uint16_t KNOWN[] = {STUN_ATTR_XOR_PEER_ADDRESS, STUN_ATTR_DATA};
    struct turn_allocation *allocation = turn_table_find(&server->table, &path->tuple);
    struct address peer;
    struct stun_attribute data;
    uint16_t unknown;
    if (allocation == NULL)
        return;
    if (stun_unknown_attributes(indication, KNOWN, sizeof KNOWN / sizeof KNOWN[0], &unknown, 1) > 0 ||
        !stun_get_xor_address(indication, STUN_ATTR_XOR_PEER_ADDRESS, &peer) ||
        !stun_find(indication, STUN_ATTR_DATA, &data) || !turn_peer_rules_send(&server->rules, &peer) ||
        !turn_allocation_is_permitted(allocation, &peer)) {
        server->statistics.packets_dropped++;
        return;
    }
    to_peer(server, allocation, &peer, data.value, data.len);
}

void turn_relaying_channel_data(struct turn_server *server, const struct turn_path *path, const uint8_t *data,
                                size_t len)
{
    size_t body = len >= TURN_CHANNEL_HEADER_LEN ? bytes_get16(data + 2) : 0;
    if (len < TURN_CHANNEL_HEADER_LEN || body > len - TURN_CHANNEL_HEADER_LEN)
        return;
    struct turn_allocation *allocation = turn_table_find(&server->table, &path->tuple);
    if (allocation == NULL)
        return;
    struct turn_channel *channel = turn_allocation_channel(allocation, bytes_get16(data));
    /* A channel outlives its permission when that is not refreshed: then nothing passes. */
    if (channel == NULL || !turn_allocation_is_permitted(allocation, &channel->peer.peer)) {
        server->statistics.packets_dropped++;
        return;
    }
    to_peer(server, allocation, &channel->peer.peer, data + TURN_CHANNEL_HEADER_LEN, body);
}

static size_t put_channel_data(uint8_t *at, uint16_t number, const struct datagram *datagram, bool padded)
{
    size_t len = TURN_CHANNEL_HEADER_LEN + datagram->len;
    bytes_put16(at, number);
    bytes_put16(at + 2, (uint16_t)datagram->len);
    if (datagram->len > 0)
        memcpy(at + TURN_CHANNEL_HEADER_LEN, datagram->data, datagram->len);
    while (padded && len % 4 != 0)
        at[len++] = 0;
    return len;
}

static size_t put_data_indication(struct turn_server *server, uint8_t *at, size_t cap, const struct datagram *datagram)
{
    struct stun_builder builder;
    uint8_t id[STUN_TRANSACTION_ID_LEN];
    rng_bytes(&server->table.rng, id, sizeof id);
    stun_begin(&builder, at, cap, STUN_INDICATION, STUN_DATA, id);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, &datagram->remote);
    stun_put_bytes(&builder, STUN_ATTR_DATA, datagram->data, datagram->len);
    return stun_finish(&builder);
}

static bool to_client(struct turn_server *server, struct turn_allocation *allocation, const struct datagram *datagram)
{
    struct turn_connection *connection = allocation->connection;
    if (datagram->len > UINT16_MAX || !turn_allocation_is_permitted(allocation, &datagram->remote) ||
        turn_relaying_is_astray(server, &datagram->remote))
        return false;
    size_t cap = datagram->len + INDICATION_OVERHEAD;
    uint8_t *room = turn_egress_room(&server->egress, cap);
    const struct turn_channel *channel = turn_allocation_channel_of(allocation, &datagram->remote);
    size_t len = channel != NULL
                     ? put_channel_data(room, (uint16_t)channel->number.number, datagram, connection != NULL)
                     : put_data_indication(server, room, cap, datagram);
    if (len == 0)
        return false; /* too long for an indication */
    if (connection != NULL)
        return turn_connection_send(connection, room, len, true);
    turn_egress_add(&server->egress, allocation->udp, &allocation->tuple.client, room, len);
    return true;
}

void turn_relaying_from_peers(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct turn_relay *relay = user;
    struct turn_server *server = relay->allocation->table->owner;
    (void)udp;
    (void)now;
    for (size_t i = 0; i < count; i++) {
        if (to_client(server, relay->allocation, &batch[i])) {
            server->statistics.packets_to_clients++;
            server->statistics.bytes_to_clients += batch[i].len;
        } else {
            server->statistics.packets_dropped++;
        }
    }
    turn_egress_flush(&server->egress);
}
