#include "sfu/turn_server.h"

#include <stdlib.h>
#include <string.h>

#include "rtc/turn_framing.h"
#include "sfu/turn_server_state.h"

#define LIFETIME_DEFAULT_S 600 /* RFC 8656, section 6 */
#define LIFETIME_MAX_S 3600    /* section 7.2: no more than an hour */
#define CONNECTION_LIMIT 16384
#define REPLIES_PER_S 1000
#define BACKLOG_BYTES (256 * 1024)
#define RELAY_PORT_MIN 49152 /* section 7.2: the dynamic range */
#define RELAY_PORT_MAX 65535

/* --- messages in and out ---------------------------------------------------------------------------------------- */

void turn_server_answer(struct turn_server *server, const struct turn_path *path, const uint8_t *data, size_t len)
{
    if (len == 0)
        return;
    if (path->connection != NULL) {
        turn_connection_send(path->connection, data, len, false);
        return;
    }
    uint8_t *room = turn_egress_room(&server->egress, len);
    if (room == NULL)
        return;
    memcpy(room, data, len);
    turn_egress_add(&server->egress, path->listener->udp, &path->tuple.client, room, len);
}

void turn_server_take(struct turn_server *server, struct turn_path *path, const uint8_t *data, size_t len, nanos now)
{
    struct stun_message message;
    if (len >= TURN_CHANNEL_HEADER_LEN && data[0] >= TURN_CHANNEL_MIN >> 8 && data[0] <= server->channel_max >> 8) {
        turn_relaying_channel_data(server, path, data, len);
        return;
    }
    if (!stun_is(data, len) || !stun_parse(&message, data, len, NULL) ||
        (message.fingerprint != 0 && !stun_check_fingerprint(&message)))
        return;
    if (message.class == STUN_REQUEST && message.method == STUN_BINDING)
        stun_behavior_take(server, path, &message, now);
    else if (message.class == STUN_REQUEST)
        turn_request_take(server, path, &message, now);
    else if (message.class == STUN_INDICATION && message.method == STUN_SEND)
        turn_relaying_send(server, path, &message);
}

static void on_datagrams(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct turn_listener *listener = user;
    struct turn_server *server = listener->server;
    (void)udp;
    for (size_t i = 0; i < count; i++) {
        struct turn_path path = {
            .tuple = {.client = batch[i].remote, .server = listener->local, .transport = TURN_UDP},
            .listener = listener,
        };
        turn_server_take(server, &path, batch[i].data, batch[i].len, now);
    }
    turn_egress_flush(&server->egress);
    turn_server_set_timer(server);
}

/* --- what expires ----------------------------------------------------------------------------------------------- */

void turn_server_set_timer(struct turn_server *server)
{
    nanos at = nanos_min(deadline_heap_at(&server->table.heap), deadline_heap_at(&server->connection_heap));
    if (at == server->timer_at || server->timer == NULL)
        return;
    server->timer_at = at;
    world_timer_set(server->timer, at);
}

static void on_timer(void *user, nanos now)
{
    struct turn_server *server = user;
    server->timer_at = NANOS_NEVER;
    turn_table_expire(&server->table, now);
    turn_connections_expire(server, now);
    turn_egress_flush(&server->egress);
    turn_server_set_timer(server);
}

static void on_relay_closing(void *owner) { turn_egress_flush(&((struct turn_server *)owner)->egress); }

static void on_allocation_ended(void *owner, struct turn_allocation *allocation)
{
    struct turn_server *server = owner;
    if (allocation->udp == NULL && allocation->connection == NULL)
        return; /* it never came about */
    server->statistics.allocations[allocation->tuple.transport]--;
    if (allocation->connection != NULL)
        turn_connection_hold(allocation->connection, NULL, world_now(world_of(server->host)));
}

/* --- sockets ---------------------------------------------------------------------------------------------------- */

static struct turn_listener *open_listener(struct turn_server *server, const struct address *local, struct error *error)
{
    struct turn_listener *listener = &server->listeners[server->listener_count];
    listener->server = server;
    listener->local = *local;
    listener->udp = world_udp_open(server->host, local, on_datagrams, listener, error);
    if (listener->udp == NULL)
        return NULL;
    server->listener_count++;
    return listener;
}

/* RFC 5780, section 6: the primary address and its alternate, and the two that mix them. */
static bool open_alternate(struct turn_server *server, const struct address *alternate, struct error *error)
{
    char text[ADDRESS_TEXT_CAP];
    struct turn_listener *primary = NULL;
    for (size_t i = server->listener_count; i-- > 0;) {
        if (server->listeners[i].local.family == alternate->family)
            primary = &server->listeners[i];
    }
    address_format(alternate, text);
    if (primary == NULL || primary->other_both != NULL)
        return error_set(error, ERROR_USAGE, "alternate %s: there must be one for each family that `udp` has", text);
    if (address_same_ip(alternate, &primary->local) || alternate->port == primary->local.port || alternate->port == 0)
        return error_set(error, ERROR_USAGE, "alternate %s: both address and port must differ from the primary ones",
                         text);
    struct address same_ip = primary->local;
    struct address same_port = *alternate;
    same_ip.port = alternate->port;
    same_port.port = primary->local.port;
    struct turn_listener *other_port = open_listener(server, &same_ip, error);
    struct turn_listener *other_ip = other_port != NULL ? open_listener(server, &same_port, error) : NULL;
    struct turn_listener *other_both = other_ip != NULL ? open_listener(server, alternate, error) : NULL;
    if (other_both == NULL)
        return error_prefix(error, "alternate");
    struct turn_listener *const square[2][2] = {{primary, other_port}, {other_ip, other_both}};
    for (int ip = 0; ip < 2; ip++) {
        for (int port = 0; port < 2; port++) {
            square[ip][port]->other_port = square[ip][!port];
            square[ip][port]->other_ip = square[!ip][port];
            square[ip][port]->other_both = square[!ip][!port];
        }
    }
    return true;
}

static bool open_stream_listeners(struct turn_server *server, enum turn_transport transport,
                                  const struct address *addresses, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        struct turn_stream_listener *listener = &server->stream_listeners[server->stream_listener_count];
        listener->server = server;
        listener->transport = transport;
        listener->tcp = world_tcp_listen(server->host, &addresses[i], turn_connection_accept, listener, error);
        if (listener->tcp == NULL)
            return error_prefix(error, "%s", turn_transport_name(transport));
        server->stream_listener_count++;
    }
    return true;
}

static bool open_all(struct turn_server *server, const struct turn_server_config *config, struct error *error)
{
    server->listeners = calloc(config->udp_count + 3 * config->alternate_count + 1, sizeof *server->listeners);
    server->stream_listeners = calloc(config->tcp_count + config->tls_count + 1, sizeof *server->stream_listeners);
    server->timer = world_timer_open(server->host, on_timer, server);
    if (server->listeners == NULL || server->stream_listeners == NULL || server->timer == NULL)
        return error_set(error, ERROR_SYSTEM, "TURN: out of memory");
    for (size_t i = 0; i < config->udp_count; i++) {
        if (open_listener(server, &config->udp[i], error) == NULL)
            return error_prefix(error, "udp");
    }
    for (size_t i = 0; i < config->alternate_count; i++) {
        if (!open_alternate(server, &config->alternate[i], error))
            return false;
    }
    return open_stream_listeners(server, TURN_TCP, config->tcp, config->tcp_count, error) &&
           open_stream_listeners(server, TURN_TLS, config->tls, config->tls_count, error);
}

/* --- making and ending ------------------------------------------------------------------------------------------ */

static bool check_config(const struct turn_server_config *config, struct error *error)
{
    if (config->udp_count + config->tcp_count + config->tls_count == 0)
        return error_set(error, ERROR_USAGE, "a TURN server needs an address to listen on: `udp`, `tcp` or `tls`");
    if (config->tls_count > 0 && config->tls_context == NULL)
        return error_set(error, ERROR_USAGE, "tls: there is no certificate for it");
    if ((config->relay_ipv4.family != ADDRESS_NONE && config->relay_ipv4.family != ADDRESS_IPV4) ||
        (config->relay_ipv6.family != ADDRESS_NONE && config->relay_ipv6.family != ADDRESS_IPV6) ||
        (config->external_ipv4.family != ADDRESS_NONE && config->external_ipv4.family != ADDRESS_IPV4))
        return error_set(error, ERROR_USAGE, "relay_ipv4, relay_ipv6, external_ipv4: an address of the other family");
    if (config->relay_port_min > config->relay_port_max || config->relay_port_min < 1024)
        return error_set(error, ERROR_USAGE, "relay_port_min and _max: must be a range above 1023 (RFC 8656, 7.2)");
    return true;
}

/* The configuration with its defaults filled in. */
static struct turn_server_config complete(const struct turn_server_config *given)
{
    struct turn_server_config config = *given;
    config.relay_port_min = config.relay_port_min != 0 ? config.relay_port_min : RELAY_PORT_MIN;
    config.relay_port_max = config.relay_port_max != 0 ? config.relay_port_max : RELAY_PORT_MAX;
    config.lifetime_default_s = config.lifetime_default_s != 0 ? config.lifetime_default_s : LIFETIME_DEFAULT_S;
    config.lifetime_max_s = config.lifetime_max_s != 0 ? config.lifetime_max_s : LIFETIME_MAX_S;
    config.connection_limit = config.connection_limit != 0 ? config.connection_limit : CONNECTION_LIMIT;
    config.backlog_bytes = config.backlog_bytes != 0 ? config.backlog_bytes : BACKLOG_BYTES;
    if (config.unauthenticated_replies_per_s == 0)
        config.unauthenticated_replies_per_s = REPLIES_PER_S;
    return config;
}

static bool init_table(struct turn_server *server, const struct turn_server_config *config, struct error *error)
{
    struct turn_table *table = &server->table;
    table->host = config->host;
    table->relay_address[0] = config->relay_ipv4;
    table->relay_address[1] = config->relay_ipv6;
    table->received = turn_relaying_from_peers;
    table->closing = on_relay_closing;
    table->ended = on_allocation_ended;
    table->owner = server;
    table->user_quota = config->user_quota;
    table->total_quota = config->total_quota;
    return turn_table_init(table, config->relay_port_min, config->relay_port_max, config->seed) ||
           error_set(error, ERROR_SYSTEM, "TURN: out of memory");
}

struct turn_server *turn_server_create(const struct turn_server_config *config, struct error *error)
{
    struct turn_server_config whole = complete(config);
    if (!check_config(&whole, error))
        return NULL;
    struct turn_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        error_set(error, ERROR_SYSTEM, "TURN: out of memory");
        return NULL;
    }
    struct rng rng = rng_of(whole.seed, "turn_server", 0);
    server->host = whole.host;
    server->tls_context = whole.tls_context;
    server->external_ipv4 = whole.external_ipv4;
    server->redirect = whole.redirect;
    server->channel_max = whole.rfc5766_channels ? TURN_CHANNEL_MAX_RFC5766 : TURN_CHANNEL_MAX;
    server->lifetime_default_s = whole.lifetime_default_s;
    server->lifetime_max_s = whole.lifetime_max_s;
    server->connection_limit = whole.connection_limit;
    server->backlog_bytes = whole.backlog_bytes;
    server->reply_limit.per_second = whole.unauthenticated_replies_per_s;
    server->reply_limit.key = rng_u64(&rng);
    server->timer_at = NANOS_NEVER;
    server->credentials = turn_credentials_create(&whole, error);
    if (server->credentials != NULL && turn_peer_rules_init(&server->rules, &whole, error) &&
        init_table(server, &whole, error) && open_all(server, &whole, error))
        return server;
    turn_server_destroy(server);
    return NULL;
}

void turn_server_destroy(struct turn_server *server)
{
    if (server == NULL)
        return;
    for (size_t i = 0; i < server->stream_listener_count; i++)
        world_tcp_listener_close(server->stream_listeners[i].tcp);
    turn_connections_close(server);
    turn_table_clear(&server->table);
    for (size_t i = 0; i < server->listener_count; i++)
        world_udp_close(server->listeners[i].udp);
    if (server->timer != NULL)
        world_timer_close(server->timer);
    turn_peer_rules_clear(&server->rules);
    turn_credentials_destroy(server->credentials);
    free(server->listeners);
    free(server->stream_listeners);
    free(server);
}

const struct turn_server_statistics *turn_server_statistics(const struct turn_server *server)
{
    return &server->statistics;
}
