/* Clients on TCP and TLS (RFC 8656, section 3.1; RFC 8489, section 6.2.2). */
#include <stdlib.h>
#include <string.h>

#include "rtc/tls_stream.h"
#include "rtc/turn_framing.h"
#include "sfu/turn_server_state.h"

/* How long a connection may go on without an allocation, whatever it says: enough for a handshake and a Binding. */
#define IDLE_MAX (30 * NANOS_PER_S)

/* Of the connections allowed, this part may be without an allocation: each can cost a TLS handshake's memory. */
#define IDLE_SHARE 4

enum { PIECE = 4096 };

struct turn_connection {
    struct turn_server *server;
    struct world_tcp *tcp;
    struct tls_stream *tls; /* NULL on TCP */
    struct turn_framing framing;
    struct turn_tuple tuple;
    struct turn_allocation *allocation;
    struct deadline idle;
    struct turn_connection *previous, *next;
};

static void connection_end(struct turn_connection *connection)
{
    struct turn_server *server = connection->server;
    if (connection->allocation != NULL)
        turn_allocation_end(connection->allocation); /* RFC 8489, section 6.2.2: it is of no use any more */
    deadline_heap_remove(&server->connection_heap, &connection->idle);
    server->idle_connections--;
    server->statistics.connections--;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        server->connections = connection->next;
    world_tcp_close(connection->tcp);
    turn_framing_clear(&connection->framing);
    tls_stream_destroy(connection->tls);
    free(connection);
}

/* What TLS has to say goes to the connection. */
static void flush_tls(struct turn_connection *connection)
{
    uint8_t buf[PIECE];
    size_t len;
    while ((len = tls_stream_write(connection->tls, buf, sizeof buf)) > 0)
        world_tcp_send(connection->tcp, buf, len);
}

bool turn_connection_send(struct turn_connection *connection, const uint8_t *data, size_t len, bool media)
{
    if (media && world_tcp_send(connection->tcp, NULL, 0) > connection->server->backlog_bytes)
        return false;
    if (connection->tls == NULL) {
        world_tcp_send(connection->tcp, data, len);
        return true;
    }
    bool sent = tls_stream_send(connection->tls, data, len);
    flush_tls(connection);
    return sent;
}

static void set_idle_deadline(struct turn_connection *connection, nanos at)
{
    deadline_heap_set(&connection->server->connection_heap, &connection->idle, at);
    turn_server_set_timer(connection->server);
}

void turn_connection_hold(struct turn_connection *connection, struct turn_allocation *allocation, nanos now)
{
    struct turn_server *server = connection->server;
    server->idle_connections += (connection->allocation != NULL) - (allocation != NULL);
    connection->allocation = allocation;
    set_idle_deadline(connection, allocation != NULL ? NANOS_NEVER : now + IDLE_MAX);
}

/* All whole messages there are. False when the stream is not TURN. */
static bool take_messages(struct turn_connection *connection, nanos now)
{
    struct turn_server *server = connection->server;
    struct turn_path path = {.tuple = connection->tuple, .connection = connection};
    const uint8_t *message;
    size_t len;
    int got = 0;
    while ((got = turn_framing_next(&connection->framing, &message, &len)) > 0)
        turn_server_take(server, &path, message, len, now);
    turn_egress_flush(&server->egress); /* before the buffer moves */
    return got >= 0;
}

static bool take_plain(struct turn_connection *connection, const uint8_t *data, size_t len, nanos now)
{
    for (size_t at = 0, part; at < len; at += part) {
        part = len - at < PIECE ? len - at : PIECE;
        if (!turn_framing_add(&connection->framing, data + at, part) || !take_messages(connection, now))
            return false;
    }
    return true;
}

static bool take_tls(struct turn_connection *connection, const uint8_t *data, size_t len, nanos now)
{
    tls_stream_read(connection->tls, data, len);
    for (;;) {
        uint8_t *room = turn_framing_room(&connection->framing, PIECE);
        size_t received = room != NULL ? tls_stream_receive(connection->tls, room, PIECE) : 0;
        if (received == 0)
            break;
        turn_framing_added(&connection->framing, received);
        if (!take_messages(connection, now))
            return false;
    }
    flush_tls(connection);
    return tls_stream_state(connection->tls) < TLS_STREAM_CLOSED;
}

static void on_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    struct turn_connection *connection = user;
    struct turn_server *server = connection->server;
    (void)tcp;
    bool fine = connection->tls != NULL ? take_tls(connection, data, len, now) : take_plain(connection, data, len, now);
    if (!fine)
        connection_end(connection);
    turn_server_set_timer(server);
}

static void on_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    struct turn_connection *connection = user;
    (void)tcp;
    (void)reason;
    (void)now;
    connection_end(connection);
}

void turn_connection_accept(void *user, struct world_tcp *tcp, const struct address *remote, nanos now)
{
    static const struct world_tcp_callbacks CALLBACKS = {.received = on_received, .closed = on_closed};
    const struct turn_stream_listener *listener = user;
    struct turn_server *server = listener->server;
    bool full = server->statistics.connections >= server->connection_limit ||
                server->idle_connections >= server->connection_limit / IDLE_SHARE + 1;
    struct turn_connection *connection = full ? NULL : calloc(1, sizeof *connection);
    if (connection != NULL && listener->transport == TURN_TLS) {
        connection->tls = tls_stream_create(server->tls_context, NULL, NULL);
        if (connection->tls == NULL) {
            free(connection);
            connection = NULL;
        }
    }
    if (connection == NULL) {
        world_tcp_close(tcp);
        return;
    }
    connection->server = server;
    connection->framing.channel_max = server->channel_max;
    connection->tcp = tcp;
    connection->tuple =
        (struct turn_tuple){.client = *remote, .server = world_tcp_local(tcp), .transport = listener->transport};
    connection->idle.owner = connection;
    connection->next = server->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    server->connections = connection;
    server->statistics.connections++;
    server->idle_connections++;
    world_tcp_adopt(tcp, &CALLBACKS, connection);
    set_idle_deadline(connection, now + IDLE_MAX);
}

void turn_connections_expire(struct turn_server *server, nanos now)
{
    for (struct deadline *due; (due = deadline_heap_pop_due(&server->connection_heap, now)) != NULL;)
        connection_end(due->owner);
}

void turn_connections_close(struct turn_server *server)
{
    struct turn_connection *next;
    for (struct turn_connection *connection = server->connections; connection != NULL; connection = next) {
        next = connection->next;
        connection_end(connection);
    }
    deadline_heap_clear(&server->connection_heap);
}
