#include "peer/peer_connection.h"

#include <stdlib.h>
#include <string.h>

enum {
    DATAGRAM_CAP = 2048,
    BATCH = 16,
    /* A flush ends in the end: this is far beyond what an engine has to say at one instant. */
    FLUSH_MAX = 100000,
};

struct stream {
    struct peer_connection *owner;
    struct world_tcp *tcp;
};

struct peer_connection {
    struct world_host *host;
    struct connection *connection;
    struct transport *transport; /* the connection's; whoever changes it here flushes */
    struct world_udp *sockets[TRANSPORT_SOCKETS_MAX];
    struct stream streams[TRANSPORT_RELAYS_MAX];
    struct world_timer *timer;
    nanos timer_at;
    void (*event)(void *user, struct peer_connection *peer_connection, const struct transport_event *event, nanos now);
    void *user;
};

static void set_timer(struct peer_connection *pc, nanos at)
{
    if (at == pc->timer_at)
        return;
    pc->timer_at = at;
    world_timer_set(pc->timer, at);
}

/* --- in ------------------------------------------------------------------------------------------------------------------ */

static void received(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct peer_connection *pc = user;
    int socket = 0;
    while (socket < TRANSPORT_SOCKETS_MAX - 1 && pc->sockets[socket] != udp)
        socket++;
    for (size_t i = 0; i < count; i++)
        connection_read(pc->connection, socket, &batch[i].remote, batch[i].data, batch[i].len, now);
    nanos deadline = connection_deadline(pc->connection);
    if (connection_is_calm(pc->connection) && deadline > now)
        set_timer(pc, deadline);
    else
        peer_connection_flush(pc, now);
}

static void timer_fired(void *user, nanos now)
{
    struct peer_connection *pc = user;
    pc->timer_at = NANOS_NEVER;
    peer_connection_flush(pc, now);
}

static int stream_index(const struct stream *stream) { return (int)(stream - stream->owner->streams); }

static void stream_connected(void *user, struct world_tcp *tcp, nanos now)
{
    struct stream *stream = user;
    (void)tcp;
    transport_stream_connected(stream->owner->transport, stream_index(stream), now);
    peer_connection_flush(stream->owner, now);
}

static void stream_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    struct stream *stream = user;
    (void)tcp;
    transport_stream_read(stream->owner->transport, stream_index(stream), data, len, now);
    peer_connection_flush(stream->owner, now);
}

static void close_stream(struct stream *stream)
{
    if (stream->tcp != NULL)
        world_tcp_close(stream->tcp);
    stream->tcp = NULL;
}

static void stream_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    struct stream *stream = user;
    (void)tcp;
    close_stream(stream);
    transport_stream_closed(stream->owner->transport, stream_index(stream), reason, now);
    peer_connection_flush(stream->owner, now);
}

static void open_stream(struct peer_connection *pc, int index, const struct address *server, nanos now)
{
    static const struct world_tcp_callbacks callbacks = {stream_connected, stream_received, stream_closed};
    struct error error;
    struct stream *stream = &pc->streams[index];
    close_stream(stream);
    stream->owner = pc;
    stream->tcp = world_tcp_connect(pc->host, server, &callbacks, stream, &error);
    if (stream->tcp == NULL)
        transport_stream_closed(pc->transport, index, error.text, now);
}

/* --- out ----------------------------------------------------------------------------------------------------------------- */

static bool handle_events(struct peer_connection *pc, nanos now)
{
    struct transport_event event;
    bool any = false;
    while (transport_event(pc->transport, &event)) {
        any = true;
        if (event.type == TRANSPORT_EVENT_OPEN_STREAM)
            open_stream(pc, event.stream, &event.server, now);
        else if (event.type == TRANSPORT_EVENT_CLOSE_STREAM)
            close_stream(&pc->streams[event.stream]);
        else if (pc->event != NULL)
            pc->event(pc->user, pc, &event, now);
    }
    return any;
}

static void send_stream_bytes(struct peer_connection *pc, int index, const uint8_t *data, size_t len)
{
    if (pc->streams[index].tcp == NULL)
        return;
    size_t waiting = world_tcp_send(pc->streams[index].tcp, data, len);
    transport_stream_waiting(pc->transport, index, waiting);
}

/* Sends all there is, datagrams of one socket in batches. */
static void drain(struct peer_connection *pc, nanos now)
{
    uint8_t buffers[BATCH][DATAGRAM_CAP];
    struct datagram batch[BATCH];
    size_t count = 0;
    int socket = -1;
    for (int round = 0; round < FLUSH_MAX; round++) {
        struct transport_route route;
        uint8_t *buffer = buffers[count];
        ssize_t len = connection_write(pc->connection, &route, buffer, DATAGRAM_CAP, now);
        if (len > 0 && route.stream >= 0)
            send_stream_bytes(pc, route.stream, buffer, (size_t)len);
        bool datagram = len > 0 && route.stream < 0;
        bool full = count == BATCH - 1;
        if (count > 0 && (len <= 0 || (datagram && (full || route.socket != socket)))) {
            world_udp_send(pc->sockets[socket], batch, count);
            if (datagram)
                memcpy(buffers[0], buffer, (size_t)len);
            count = 0;
        }
        if (len <= 0)
            return;
        if (!datagram)
            continue;
        socket = route.socket;
        batch[count] = (struct datagram){.remote = route.remote, .data = buffers[count], .len = (size_t)len};
        count++;
    }
}

/* What waited in a stream has gone meanwhile, perhaps: else media that was held back for it would be so for ever. */
static void look_at_streams(struct peer_connection *pc)
{
    for (int i = 0; i < TRANSPORT_RELAYS_MAX; i++)
        send_stream_bytes(pc, i, NULL, 0);
}

void peer_connection_flush(struct peer_connection *pc, nanos now)
{
    look_at_streams(pc);
    do
        drain(pc, now);
    while (handle_events(pc, now));
    set_timer(pc, connection_deadline(pc->connection));
}

/* --- life ---------------------------------------------------------------------------------------------------------------- */

static bool open_sockets(struct peer_connection *pc, struct error *error)
{
    struct address addresses[TRANSPORT_SOCKETS_MAX];
    size_t count = world_host_addresses(pc->host, addresses, TRANSPORT_SOCKETS_MAX);
    for (size_t i = 0; i < count && i < TRANSPORT_SOCKETS_MAX; i++) {
        pc->sockets[i] = world_udp_open(pc->host, &addresses[i], received, pc, error);
        if (pc->sockets[i] == NULL)
            return false;
        struct address local = world_udp_address(pc->sockets[i]);
        if (!transport_add_socket(pc->transport, (int)i, &local, error))
            return false;
    }
    return count > 0 || error_set(error, ERROR_SYSTEM, "the host has no address");
}

struct peer_connection *peer_connection_create(const struct peer_connection_config *config, struct error *error)
{
    struct peer_connection *pc = calloc(1, sizeof *pc);
    if (pc == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    pc->host = config->host;
    pc->event = config->event;
    pc->user = config->user;
    pc->timer_at = NANOS_NEVER;
    pc->timer = world_timer_open(pc->host, timer_fired, pc);
    pc->connection = connection_create(&config->connection, error);
    pc->transport = pc->connection != NULL ? connection_transport(pc->connection) : NULL;
    if (pc->timer == NULL || pc->connection == NULL || !open_sockets(pc, error)) {
        peer_connection_destroy(pc);
        return NULL;
    }
    return pc;
}

void peer_connection_destroy(struct peer_connection *pc)
{
    if (pc == NULL)
        return;
    for (size_t i = 0; i < TRANSPORT_SOCKETS_MAX; i++) {
        if (pc->sockets[i] != NULL)
            world_udp_close(pc->sockets[i]);
    }
    for (size_t i = 0; i < TRANSPORT_RELAYS_MAX; i++)
        close_stream(&pc->streams[i]);
    if (pc->timer != NULL)
        world_timer_close(pc->timer);
    connection_destroy(pc->connection);
    free(pc);
}

struct connection *peer_connection_connection(struct peer_connection *pc) { return pc->connection; }

void peer_connection_close(struct peer_connection *pc, nanos now)
{
    connection_close(pc->connection, now);
    drain(pc, now);
}
