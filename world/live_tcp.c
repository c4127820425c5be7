#include <netinet/in.h>
#include <stdlib.h>

#include "world/live_network.h"

/* Ports of emulated clients: as Linux chooses them. */
enum { PORT_FIRST = 32768, PORT_COUNT = 28232 };

enum { BACKLOG = 4096, ACCEPTS_AT_ONCE = 64 };

/* Without a free descriptor a new connection stays where it is, and the loop must not turn for it all the time. */
#define ACCEPT_PAUSE (100 * NANOS_PER_MS)

struct world_tcp {
    struct live_handle handle;
    struct live_stream *stream; /* one or the other, NULL when dead */
    struct live_tunnel *tunnel;
    struct address local;
    struct address remote;
    struct world_tcp_callbacks callbacks;
    void *user;
};

struct world_tcp_listener {
    struct live_handle handle;
    struct live_poll *poll;
    struct live_deadline again;
    world_tcp_accepted accepted;
    void *user;
};

/* --- connections ------------------------------------------------------------------------------------------------------ */

static void connected(void *user, nanos now)
{
    struct world_tcp *tcp = user;
    if (!live_handle_enter(&tcp->handle))
        return;
    if (tcp->stream != NULL)
        tcp->local = live_stream_local(tcp->stream);
    if (tcp->callbacks.connected != NULL)
        tcp->callbacks.connected(tcp->user, tcp, now);
    live_handle_leave(&tcp->handle);
}

static void received(void *user, const uint8_t *data, size_t len, nanos now)
{
    struct world_tcp *tcp = user;
    if (!live_handle_enter(&tcp->handle))
        return;
    if (tcp->callbacks.received != NULL)
        tcp->callbacks.received(tcp->user, tcp, data, len, now);
    live_handle_leave(&tcp->handle);
}

static void ended(void *user, const char *reason, nanos now)
{
    struct world_tcp *tcp = user;
    if (!live_handle_enter(&tcp->handle))
        return;
    if (tcp->callbacks.closed != NULL)
        tcp->callbacks.closed(tcp->user, tcp, reason, now);
    live_handle_leave(&tcp->handle);
}

static const struct live_stream_callbacks callbacks_of_stream = {
    .connected = connected, .received = received, .ended = ended};

static void release(struct live_handle *handle)
{
    struct world_tcp *tcp = (struct world_tcp *)handle;
    bool killed = handle->host->killed;
    if (tcp->stream != NULL)
        (killed ? live_stream_mute : live_stream_close)(tcp->stream);
    if (tcp->tunnel != NULL)
        (killed ? live_tunnel_mute : live_tunnel_close)(tcp->tunnel);
    tcp->stream = NULL;
    tcp->tunnel = NULL;
}

/* What a connection of this host comes from; ADDRESS_NONE: what the kernel chooses. */
static struct address source_for(const struct world_host *host, const struct address *remote)
{
    for (size_t i = 0; i < host->address_count && !host->any_address; i++) {
        if (host->addresses[i].family == remote->family)
            return host->addresses[i];
    }
    return (struct address){0};
}

struct world_tcp *live_tcp_connect(struct world_host *host, const struct address *remote,
                                   const struct world_tcp_callbacks *callbacks, void *user, struct error *error)
{
    struct world_tcp *tcp = live_host_is_on(host, error) ? live_handle_create(host, sizeof *tcp, release, error) : NULL;
    if (tcp == NULL)
        return NULL;
    live_tcp_adopt(tcp, callbacks, user);
    tcp->remote = *remote;
    tcp->local = source_for(host, remote);
    if (host->lan != NULL && !host->lan->server) {
        tcp->local.port = (uint16_t)(PORT_FIRST + host->last_port++ % PORT_COUNT);
        tcp->tunnel = live_tunnel_connect(host, &tcp->local, remote, &callbacks_of_stream, tcp, error);
    } else {
        tcp->stream = live_stream_connect(host->live, &tcp->local, remote, &callbacks_of_stream, tcp, error);
    }
    if (tcp->stream == NULL && tcp->tunnel == NULL) {
        live_handle_close(&tcp->handle);
        return NULL;
    }
    return tcp;
}

void live_tcp_adopt(struct world_tcp *tcp, const struct world_tcp_callbacks *callbacks, void *user)
{
    tcp->callbacks = *callbacks;
    tcp->user = user;
}

struct address live_tcp_local(const struct world_tcp *tcp) { return tcp->local; }

struct address live_tcp_remote(const struct world_tcp *tcp) { return tcp->remote; }

size_t live_tcp_send(struct world_tcp *tcp, const uint8_t *data, size_t len)
{
    if (tcp->handle.dead)
        return 0;
    return tcp->tunnel != NULL ? live_tunnel_send(tcp->tunnel, data, len) : live_stream_send(tcp->stream, data, len);
}

void live_tcp_close(struct world_tcp *tcp) { live_handle_close(&tcp->handle); }

struct world_tcp *live_host_adopt_tcp(struct world_host *host, int fd)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    struct world_tcp *tcp = live_handle_create(host, sizeof *tcp, release, NULL);
    if (tcp == NULL) {
        close(fd);
        return NULL;
    }
    getpeername(fd, (struct sockaddr *)&name, &len);
    tcp->remote = live_from_sockaddr((struct sockaddr *)&name);
    tcp->stream = live_stream_adopt(host->live, fd, &callbacks_of_stream, tcp, NULL);
    if (tcp->stream == NULL) {
        live_handle_close(&tcp->handle);
        return NULL;
    }
    tcp->local = live_stream_local(tcp->stream);
    return tcp;
}

/* --- listening -------------------------------------------------------------------------------------------------------- */

static bool accept_one(struct world_tcp_listener *listener)
{
    struct world_host *host = listener->handle.host;
    int fd = accept4(listener->poll->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
        live_poll_set(listener->poll, 0);
        live_deadline_set(host->live, &listener->again, live_now(host->live) + ACCEPT_PAUSE);
    }
    if (fd < 0)
        return errno == ECONNABORTED || errno == EINTR;
    struct world_tcp *tcp = live_host_adopt_tcp(host, fd);
    if (tcp == NULL)
        return true;
    struct address remote = tcp->remote;
    listener->accepted(listener->user, tcp, &remote, live_now(host->live));
    return true;
}

static void pending(void *user, int events)
{
    struct world_tcp_listener *listener = user;
    (void)events;
    if (!live_handle_enter(&listener->handle))
        return;
    for (int i = 0; i < ACCEPTS_AT_ONCE && !listener->handle.dead; i++) {
        if (!accept_one(listener))
            break;
    }
    live_handle_leave(&listener->handle);
}

static void accept_again(void *user, nanos now)
{
    struct world_tcp_listener *listener = user;
    (void)now;
    live_poll_set(listener->poll, UV_READABLE);
}

static void listener_release(struct live_handle *handle)
{
    struct world_tcp_listener *listener = (struct world_tcp_listener *)handle;
    live_deadline_set(handle->host->live, &listener->again, NANOS_NEVER);
    live_poll_close(listener->poll);
    listener->poll = NULL;
}

static int open_listening(const struct address *local)
{
    struct sockaddr_storage name;
    socklen_t len = live_to_sockaddr(local, &name);
    int yes = 1;
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (local->family == ADDRESS_IPV6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&name, len) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    close(fd);
    return -1;
}

struct world_tcp_listener *live_tcp_listen(struct world_host *host, const struct address *local,
                                           world_tcp_accepted callback, void *user, struct error *error)
{
    char text[ADDRESS_TEXT_CAP];
    if (!live_host_is_on(host, error) || !live_host_owns(host, local, error))
        return NULL;
    if (host->lan != NULL && host->lan->translated) {
        error_set(error, ERROR_UNSUPPORTED, "%s: no TCP connections come in through a NAT in the live world",
                  host->name);
        return NULL;
    }
    int fd = open_listening(local);
    if (fd < 0) {
        error_set(error, ERROR_SYSTEM, "%s: TCP at %s: %s", host->name, address_format(local, text), strerror(errno));
        return NULL;
    }
    struct world_tcp_listener *listener = live_handle_create(host, sizeof *listener, listener_release, error);
    if (listener == NULL) {
        close(fd);
        return NULL;
    }
    listener->accepted = callback;
    listener->user = user;
    listener->again = (struct live_deadline){.fired = accept_again, .user = listener};
    listener->poll = live_poll_open(host->live, fd, UV_READABLE, pending, listener, error);
    if (listener->poll == NULL) {
        live_handle_close(&listener->handle);
        return NULL;
    }
    return listener;
}

void live_tcp_listener_close(struct world_tcp_listener *listener) { live_handle_close(&listener->handle); }
