#include "tests/support/wire_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/deadline_heap.h"

enum { HOST_ADDRESSES_MAX = 8, FIRST_FREE_PORT = 49152 };

/* What every handle starts with. Things on their way hold a reference, so that closing a handle in a callback is safe
 * and touching it later is found by the address sanitizer. */
struct handle {
    struct world *world;
    struct wire_world *wire;
    struct handle *previous, *next;
    unsigned refs;
    bool closed;
    bool is_tcp; /* a struct world_tcp, which may have bytes waiting */
};

struct world_host {
    struct handle handle;
    struct address addresses[HOST_ADDRESSES_MAX];
    size_t address_count;
};

struct world_udp {
    struct handle handle;
    struct address local;
    world_udp_received received;
    void *user;
    UT_hash_handle hh;
};

/* One end of a connection: TCP or a channel. */
struct stream {
    struct handle handle;
    struct stream *other; /* NULL once either end is closed, or before the connection stands */
    struct address local, remote;
    void *user;
    uint8_t *waiting; /* what a stalled connection has yet to send */
    size_t waiting_len;
};
struct world_tcp {
    struct stream stream;
    struct world_tcp_callbacks callbacks;
};
struct world_channel {
    struct stream stream;
    struct world_channel_callbacks callbacks;
};

struct listener {
    struct handle handle;
    struct address local;
    void *user;
    UT_hash_handle hh;
};
struct world_tcp_listener {
    struct listener listener;
    world_tcp_accepted accepted;
};
struct world_channel_listener {
    struct listener listener;
    world_channel_accepted accepted;
};

struct world_timer {
    struct handle handle;
    struct deadline deadline;
    world_timer_fired fired;
    void *user;
};

/* Something that will happen to `target`, or (datagrams) to whoever has their destination's socket by then. */
struct event {
    struct deadline deadline;
    struct wire_world *wire;
    struct handle *target;
    void (*run)(struct event *event, nanos now);
    struct datagram *batch;
    size_t count;
    uint8_t *data;
    size_t len;
    const char *reason;
};

struct wire_world {
    struct world world;
    struct wire_world_config config;
    nanos now;
    struct deadline_heap heap; /* of events and of timers, whose deadlines have no owner */
    struct world_udp *udps;
    struct listener *tcp_listeners;
    struct listener *channel_listeners;
    struct handle handles; /* head of the ring of all */
    wire_world_hook hook;
    void *hook_user;
    uint16_t next_port;
    bool tcp_stalled;
    uint64_t delivered, undelivered;
};

/* --- handles and events ----------------------------------------------------------------------------------------- */

static void *must(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void *handle_new(struct wire_world *wire, size_t size)
{
    struct handle *handle = must(calloc(1, size));
    handle->world = &wire->world;
    handle->wire = wire;
    handle->refs = 1;
    handle->next = &wire->handles;
    handle->previous = wire->handles.previous;
    handle->previous->next = handle;
    wire->handles.previous = handle;
    return handle;
}

static void handle_release(struct handle *handle)
{
    if (--handle->refs > 0)
        return;
    handle->previous->next = handle->next;
    handle->next->previous = handle->previous;
    free(handle);
}

static void handle_close(struct handle *handle)
{
    handle->closed = true;
    handle_release(handle);
}

static void deadline_set(struct wire_world *wire, struct deadline *deadline, nanos at)
{
    if (!deadline_heap_set(&wire->heap, deadline, at))
        abort();
}

static struct event *event_after(struct wire_world *wire, nanos delay, struct handle *target,
                                 void (*run)(struct event *event, nanos now))
{
    struct event *event = must(calloc(1, sizeof *event));
    event->deadline.owner = event;
    event->wire = wire;
    event->target = target;
    event->run = run;
    if (target != NULL)
        target->refs++;
    deadline_set(wire, &event->deadline, wire->now + delay);
    return event;
}

static void event_free(struct event *event)
{
    if (event->target != NULL)
        handle_release(event->target);
    free(event->batch);
    free(event->data);
    free(event);
}

static struct world_timer *timer_of(struct deadline *deadline)
{
    return (struct world_timer *)(void *)((char *)deadline - offsetof(struct world_timer, deadline));
}

/* --- hosts ------------------------------------------------------------------------------------------------------ */

static size_t host_addresses(const struct world_host *host, struct address *out, size_t cap)
{
    for (size_t i = 0; i < host->address_count && i < cap; i++)
        out[i] = host->addresses[i];
    return host->address_count;
}

static bool host_owns(const struct world_host *host, const struct address *local)
{
    for (size_t i = 0; i < host->address_count; i++) {
        if (address_same_ip(&host->addresses[i], local))
            return true;
    }
    return false;
}

static uint16_t free_port(struct wire_world *wire)
{
    if (wire->next_port < FIRST_FREE_PORT)
        wire->next_port = FIRST_FREE_PORT;
    return wire->next_port++;
}

/* A host's address of the family of `remote`, with a port of its own. */
static bool host_pick_local(struct world_host *host, const struct address *remote, struct address *local)
{
    for (size_t i = 0; i < host->address_count; i++) {
        if (host->addresses[i].family != remote->family)
            continue;
        *local = host->addresses[i];
        local->port = free_port(host->handle.wire);
        return true;
    }
    return false;
}

static bool check_local(struct world_host *host, const struct address *local, struct error *error)
{
    char text[ADDRESS_TEXT_CAP];
    if (host_owns(host, local))
        return true;
    return error_set(error, ERROR_SYSTEM, "%s: not an address of this host", address_format(local, text));
}

/* --- UDP -------------------------------------------------------------------------------------------------------- */

static struct world_udp *udp_find(struct wire_world *wire, const struct address *local)
{
    struct world_udp *udp;
    HASH_FIND(hh, wire->udps, local, sizeof *local, udp);
    return udp;
}

static struct world_udp *udp_open(struct world_host *host, const struct address *local, world_udp_received received,
                                  void *user, struct error *error)
{
    struct wire_world *wire = host->handle.wire;
    struct address at = *local;
    char text[ADDRESS_TEXT_CAP];
    if (!check_local(host, local, error))
        return NULL;
    while (local->port == 0 && (at.port == 0 || udp_find(wire, &at) != NULL))
        at.port = free_port(wire);
    if (udp_find(wire, &at) != NULL) {
        error_set(error, ERROR_SYSTEM, "%s: address in use", address_format(&at, text));
        return NULL;
    }
    struct world_udp *udp = handle_new(wire, sizeof *udp);
    udp->local = at;
    udp->received = received;
    udp->user = user;
    HASH_ADD(hh, wire->udps, local, sizeof udp->local, udp);
    return udp;
}

static struct address udp_address(const struct world_udp *udp) { return udp->local; }

static void datagrams_arrive(struct event *event, nanos now)
{
    struct world_udp *udp = udp_find(event->wire, &event->batch[0].local);
    if (udp == NULL) {
        event->wire->undelivered += event->count;
        return;
    }
    event->wire->delivered += event->count;
    udp->received(udp->user, udp, event->batch, event->count, now);
}

/* One event carries the whole run of datagrams from one socket to another, so that receivers see batches. */
static void send_run(struct wire_world *wire, const struct datagram *run, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += run[i].len;
    struct event *event = event_after(wire, wire->config.delay, NULL, datagrams_arrive);
    event->batch = must(calloc(count, sizeof *event->batch));
    event->count = count;
    event->data = must(malloc(total + 1));
    uint8_t *at = event->data;
    for (size_t i = 0; i < count; i++) {
        if (run[i].len > 0)
            memcpy(at, run[i].data, run[i].len);
        event->batch[i] =
            (struct datagram){.local = run[i].remote, .remote = run[i].local, .data = at, .len = run[i].len};
        at += run[i].len;
    }
}

static void udp_send(struct world_udp *udp, const struct datagram *batch, size_t count)
{
    struct wire_world *wire = udp->handle.wire;
    struct datagram *kept = must(calloc(count + 1, sizeof *kept));
    size_t kept_count = 0;
    for (size_t i = 0; i < count; i++) {
        struct datagram datagram = batch[i];
        datagram.local = udp->local;
        if (datagram.len <= 65507 && datagram.remote.family == udp->local.family &&
            (wire->hook == NULL || wire->hook(wire->hook_user, &datagram, wire->now)))
            kept[kept_count++] = datagram;
    }
    for (size_t i = 0, next; i < kept_count; i = next) {
        for (next = i + 1; next < kept_count; next++) {
            if (!address_equal(&kept[next].remote, &kept[i].remote))
                break;
        }
        send_run(wire, kept + i, next - i);
    }
    free(kept);
}

static void udp_close(struct world_udp *udp)
{
    HASH_DEL(udp->handle.wire->udps, udp);
    handle_close(&udp->handle);
}

/* --- streams: what TCP and channels have in common -------------------------------------------------------------- */

static struct listener *listener_find(struct listener *listeners, const struct address *local)
{
    struct listener *found;
    HASH_FIND(hh, listeners, local, sizeof *local, found);
    return found;
}

static struct listener *listener_new(struct world_host *host, struct listener **listeners, const struct address *local,
                                     size_t size, void *user, struct error *error)
{
    char text[ADDRESS_TEXT_CAP];
    if (!check_local(host, local, error))
        return NULL;
    if (listener_find(*listeners, local) != NULL) {
        error_set(error, ERROR_SYSTEM, "%s: address in use", address_format(local, text));
        return NULL;
    }
    struct listener *listener = handle_new(host->handle.wire, size);
    listener->local = *local;
    listener->user = user;
    HASH_ADD(hh, *listeners, local, sizeof listener->local, listener);
    return listener;
}

static struct stream *stream_connect(struct world_host *host, const struct address *remote, size_t size, void *user,
                                     void (*syn)(struct event *event, nanos now), struct error *error)
{
    struct wire_world *wire = host->handle.wire;
    struct address local;
    char text[ADDRESS_TEXT_CAP];
    if (!host_pick_local(host, remote, &local)) {
        error_set(error, ERROR_SYSTEM, "%s: no address of its family here", address_format(remote, text));
        return NULL;
    }
    struct stream *stream = handle_new(wire, size);
    stream->local = local;
    stream->remote = *remote;
    stream->user = user;
    event_after(wire, wire->config.delay, &stream->handle, syn);
    return stream;
}

static struct stream *stream_pair(struct stream *client, size_t size)
{
    struct stream *server = handle_new(client->handle.wire, size);
    server->local = client->remote;
    server->remote = client->local;
    server->other = client;
    client->other = server;
    return server;
}

static void stream_end(struct stream *stream, void (*closed)(struct event *event, nanos now))
{
    struct wire_world *wire = stream->handle.wire;
    if (stream->other != NULL) {
        event_after(wire, wire->config.delay, &stream->other->handle, closed)->reason = "closed by the other side";
        stream->other->other = NULL;
    }
    stream->other = NULL;
    free(stream->waiting);
    stream->waiting = NULL;
    handle_close(&stream->handle);
}

/* --- TCP -------------------------------------------------------------------------------------------------------- */

static struct world_tcp_listener *tcp_listen(struct world_host *host, const struct address *local,
                                             world_tcp_accepted accepted, void *user, struct error *error)
{
    struct world_tcp_listener *listener = (struct world_tcp_listener *)listener_new(
        host, &host->handle.wire->tcp_listeners, local, sizeof *listener, user, error);
    if (listener != NULL)
        listener->accepted = accepted;
    return listener;
}

static void tcp_listener_close(struct world_tcp_listener *listener)
{
    struct listener *base = &listener->listener;
    HASH_DEL(base->handle.wire->tcp_listeners, base);
    handle_close(&base->handle);
}

static void tcp_closed_arrives(struct event *event, nanos now)
{
    struct world_tcp *tcp = (struct world_tcp *)(void *)event->target;
    if (!tcp->stream.handle.closed && tcp->callbacks.closed != NULL)
        tcp->callbacks.closed(tcp->stream.user, tcp, event->reason, now);
}

static void tcp_connected_arrives(struct event *event, nanos now)
{
    struct world_tcp *tcp = (struct world_tcp *)(void *)event->target;
    if (!tcp->stream.handle.closed && tcp->callbacks.connected != NULL)
        tcp->callbacks.connected(tcp->stream.user, tcp, now);
}

static void tcp_syn_arrives(struct event *event, nanos now)
{
    struct wire_world *wire = event->wire;
    struct stream *client = (struct stream *)(void *)event->target;
    if (client->handle.closed)
        return;
    struct listener *listener = listener_find(wire->tcp_listeners, &client->remote);
    if (listener == NULL) {
        event_after(wire, wire->config.delay, &client->handle, tcp_closed_arrives)->reason = "connection refused";
        return;
    }
    struct stream *server = stream_pair(client, sizeof(struct world_tcp));
    server->handle.is_tcp = true;
    event_after(wire, wire->config.delay, &client->handle, tcp_connected_arrives);
    ((struct world_tcp_listener *)listener)->accepted(listener->user, (struct world_tcp *)server, &client->local, now);
}

static struct world_tcp *tcp_connect(struct world_host *host, const struct address *remote,
                                     const struct world_tcp_callbacks *callbacks, void *user, struct error *error)
{
    struct world_tcp *tcp = (struct world_tcp *)stream_connect(host, remote, sizeof *tcp, user, tcp_syn_arrives, error);
    if (tcp != NULL) {
        tcp->callbacks = *callbacks;
        tcp->stream.handle.is_tcp = true;
    }
    return tcp;
}

static void tcp_adopt(struct world_tcp *tcp, const struct world_tcp_callbacks *callbacks, void *user)
{
    tcp->callbacks = *callbacks;
    tcp->stream.user = user;
}

static struct address tcp_local(const struct world_tcp *tcp) { return tcp->stream.local; }
static struct address tcp_remote(const struct world_tcp *tcp) { return tcp->stream.remote; }

static void tcp_bytes_arrive(struct event *event, nanos now)
{
    struct world_tcp *tcp = (struct world_tcp *)(void *)event->target;
    if (!tcp->stream.handle.closed && tcp->callbacks.received != NULL)
        tcp->callbacks.received(tcp->stream.user, tcp, event->data, event->len, now);
}

static void tcp_put_on_wire(struct stream *stream, const uint8_t *data, size_t len)
{
    struct wire_world *wire = stream->handle.wire;
    size_t segment = wire->config.tcp_segment == 0 ? len : wire->config.tcp_segment;
    for (size_t done = 0, part; stream->other != NULL && done < len; done += part) {
        part = len - done < segment ? len - done : segment;
        struct event *event = event_after(wire, wire->config.delay, &stream->other->handle, tcp_bytes_arrive);
        event->data = must(malloc(part));
        event->len = part;
        memcpy(event->data, data + done, part);
    }
}

static size_t tcp_send(struct world_tcp *tcp, const uint8_t *data, size_t len)
{
    struct stream *stream = &tcp->stream;
    if (len == 0)
        return stream->waiting_len;
    if (!stream->handle.wire->tcp_stalled) {
        tcp_put_on_wire(stream, data, len);
        return 0;
    }
    stream->waiting = must(realloc(stream->waiting, stream->waiting_len + len));
    memcpy(stream->waiting + stream->waiting_len, data, len);
    return stream->waiting_len += len;
}

static void tcp_close(struct world_tcp *tcp) { stream_end(&tcp->stream, tcp_closed_arrives); }

/* --- channels --------------------------------------------------------------------------------------------------- */

static struct world_channel_listener *channel_listen(struct world_host *host, const struct address *local,
                                                     world_channel_accepted accepted, void *user, struct error *error)
{
    struct world_channel_listener *listener = (struct world_channel_listener *)listener_new(
        host, &host->handle.wire->channel_listeners, local, sizeof *listener, user, error);
    if (listener != NULL)
        listener->accepted = accepted;
    return listener;
}

static void channel_listener_close(struct world_channel_listener *listener)
{
    struct listener *base = &listener->listener;
    HASH_DEL(base->handle.wire->channel_listeners, base);
    handle_close(&base->handle);
}

static void channel_closed_arrives(struct event *event, nanos now)
{
    struct world_channel *channel = (struct world_channel *)(void *)event->target;
    if (!channel->stream.handle.closed && channel->callbacks.closed != NULL)
        channel->callbacks.closed(channel->stream.user, channel, event->reason, now);
}

static void channel_opened_arrives(struct event *event, nanos now)
{
    struct world_channel *channel = (struct world_channel *)(void *)event->target;
    if (!channel->stream.handle.closed && channel->callbacks.opened != NULL)
        channel->callbacks.opened(channel->stream.user, channel, now);
}

static void channel_syn_arrives(struct event *event, nanos now)
{
    struct wire_world *wire = event->wire;
    struct stream *client = (struct stream *)(void *)event->target;
    if (client->handle.closed)
        return;
    struct listener *listener = listener_find(wire->channel_listeners, &client->remote);
    if (listener == NULL) {
        event_after(wire, wire->config.delay, &client->handle, channel_closed_arrives)->reason = "connection refused";
        return;
    }
    struct stream *server = stream_pair(client, sizeof(struct world_channel));
    event_after(wire, wire->config.delay, &client->handle, channel_opened_arrives);
    ((struct world_channel_listener *)listener)->accepted(listener->user, (struct world_channel *)server, now);
}

static struct world_channel *channel_connect(struct world_host *host, const struct address *server,
                                             const struct world_channel_callbacks *callbacks, void *user,
                                             struct error *error)
{
    struct world_channel *channel =
        (struct world_channel *)stream_connect(host, server, sizeof *channel, user, channel_syn_arrives, error);
    if (channel != NULL)
        channel->callbacks = *callbacks;
    return channel;
}

static void channel_adopt(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user)
{
    channel->callbacks = *callbacks;
    channel->stream.user = user;
}

static void channel_text_arrives(struct event *event, nanos now)
{
    struct world_channel *channel = (struct world_channel *)(void *)event->target;
    if (!channel->stream.handle.closed && channel->callbacks.received != NULL)
        channel->callbacks.received(channel->stream.user, channel, (const char *)event->data, event->len, now);
}

static void channel_send(struct world_channel *channel, const char *text, size_t len)
{
    struct wire_world *wire = channel->stream.handle.wire;
    if (channel->stream.other == NULL)
        return;
    struct event *event = event_after(wire, wire->config.delay, &channel->stream.other->handle, channel_text_arrives);
    event->data = must(calloc(1, len + 1));
    event->len = len;
    memcpy(event->data, text, len);
}

static void channel_close(struct world_channel *channel) { stream_end(&channel->stream, channel_closed_arrives); }

/* --- timers and the clock --------------------------------------------------------------------------------------- */

static struct world_timer *timer_open(struct world_host *host, world_timer_fired fired, void *user)
{
    struct world_timer *timer = handle_new(host->handle.wire, sizeof *timer);
    timer->fired = fired;
    timer->user = user;
    return timer;
}

static void timer_set(struct world_timer *timer, nanos at)
{
    struct wire_world *wire = timer->handle.wire;
    deadline_set(wire, &timer->deadline, nanos_max(at, wire->now));
}

static void timer_close(struct world_timer *timer)
{
    deadline_heap_remove(&timer->handle.wire->heap, &timer->deadline);
    handle_close(&timer->handle);
}

static nanos now_of(const struct world *world) { return ((const struct wire_world *)(const void *)world)->now; }

static const struct world_ops OPS = {
    .now = now_of,
    .host_addresses = host_addresses,
    .udp_open = udp_open,
    .udp_address = udp_address,
    .udp_send = udp_send,
    .udp_close = udp_close,
    .tcp_listen = tcp_listen,
    .tcp_listener_close = tcp_listener_close,
    .tcp_connect = tcp_connect,
    .tcp_adopt = tcp_adopt,
    .tcp_local = tcp_local,
    .tcp_remote = tcp_remote,
    .tcp_send = tcp_send,
    .tcp_close = tcp_close,
    .channel_listen = channel_listen,
    .channel_listener_close = channel_listener_close,
    .channel_connect = channel_connect,
    .channel_adopt = channel_adopt,
    .channel_send = channel_send,
    .channel_close = channel_close,
    .timer_open = timer_open,
    .timer_set = timer_set,
    .timer_close = timer_close,
};

static bool run_next(struct wire_world *wire, nanos until)
{
    nanos at = deadline_heap_at(&wire->heap);
    struct deadline *deadline = deadline_heap_pop_due(&wire->heap, until);
    if (deadline == NULL)
        return false;
    wire->now = nanos_max(wire->now, at);
    if (deadline->owner == NULL) {
        struct world_timer *timer = timer_of(deadline);
        timer->fired(timer->user, wire->now);
        return true;
    }
    struct event *event = deadline->owner;
    event->run(event, wire->now);
    event_free(event);
    return true;
}

bool wire_world_step(struct wire_world *wire) { return run_next(wire, NANOS_NEVER - 1); }

void wire_world_run_until(struct wire_world *wire, nanos until)
{
    while (run_next(wire, until))
        continue;
    wire->now = nanos_max(wire->now, until);
}

void wire_world_run_for(struct wire_world *wire, nanos duration) { wire_world_run_until(wire, wire->now + duration); }

nanos wire_world_now(const struct wire_world *wire) { return wire->now; }

/* --- the world itself ------------------------------------------------------------------------------------------- */

struct wire_world *wire_world_create(const struct wire_world_config *config)
{
    struct wire_world *wire = must(calloc(1, sizeof *wire));
    wire->world.ops = &OPS;
    if (config != NULL)
        wire->config = *config;
    wire->now = wire->config.start;
    wire->handles.next = wire->handles.previous = &wire->handles;
    return wire;
}

void wire_world_destroy(struct wire_world *wire)
{
    if (wire == NULL)
        return;
    for (struct deadline *deadline; (deadline = deadline_heap_pop_due(&wire->heap, NANOS_NEVER)) != NULL;) {
        if (deadline->owner != NULL)
            event_free(deadline->owner);
    }
    HASH_CLEAR(hh, wire->udps);
    HASH_CLEAR(hh, wire->tcp_listeners);
    HASH_CLEAR(hh, wire->channel_listeners);
    for (struct handle *handle = wire->handles.next, *next; handle != &wire->handles; handle = next) {
        next = handle->next;
        if (handle->is_tcp)
            free(((struct stream *)(void *)handle)->waiting);
        free(handle);
    }
    deadline_heap_clear(&wire->heap);
    free(wire);
}

struct world *wire_world_of(struct wire_world *wire) { return &wire->world; }

struct world_host *wire_world_host(struct wire_world *wire, const char *addresses)
{
    struct world_host *host = handle_new(wire, sizeof *host);
    char word[ADDRESS_TEXT_CAP];
    int used;
    /* Two rounds, since a host lists its IPv4 addresses first. */
    for (int family = ADDRESS_IPV4; family <= ADDRESS_IPV6; family += ADDRESS_IPV6 - ADDRESS_IPV4) {
        for (const char *at = addresses; sscanf(at, " %55s%n", word, &used) == 1; at += used) {
            struct address address;
            if (!address_parse(&address, word) || host->address_count == HOST_ADDRESSES_MAX)
                abort();
            if (address.family == family)
                host->addresses[host->address_count++] = address;
        }
    }
    return host;
}

void wire_world_set_hook(struct wire_world *wire, wire_world_hook hook, void *user)
{
    wire->hook = hook;
    wire->hook_user = user;
}

void wire_world_stall_tcp(struct wire_world *wire, bool stalled)
{
    wire->tcp_stalled = stalled;
    if (stalled)
        return;
    for (struct handle *handle = wire->handles.next; handle != &wire->handles; handle = handle->next) {
        if (!handle->is_tcp || handle->closed)
            continue;
        struct stream *stream = (struct stream *)(void *)handle;
        tcp_put_on_wire(stream, stream->waiting, stream->waiting_len);
        free(stream->waiting);
        stream->waiting = NULL;
        stream->waiting_len = 0;
    }
}

uint64_t wire_world_delivered(const struct wire_world *wire) { return wire->delivered; }
uint64_t wire_world_undelivered(const struct wire_world *wire) { return wire->undelivered; }
