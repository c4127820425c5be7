/* A real TCP connection with a buffer of its own for what the kernel doesn't take. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <utlist.h>

#include "world/live_internal.h"

enum {
    READ_BYTES = 1 << 16,
    /* Unsent bytes in the kernel: few, so that world_tcp_send tells the truth about what waits. */
    KERNEL_UNSENT_BYTES = 128 << 10,
    WAITING_MAX = 64 << 20,
    /* A peer that is gone without a word is noticed after about a minute. */
    KEEP_ALIVE_IDLE_S = 30,
    KEEP_ALIVE_INTERVAL_S = 10,
    KEEP_ALIVE_COUNT = 3,
    UNACKNOWLEDGED_MS = 60000,
};

#define LINGER (30 * NANOS_PER_S) /* what was queued before a close may take so long */

enum state { CONNECTING, OPEN, FAILING, ENDED };

struct live_stream {
    struct live_world *live;
    struct live_stream *prev, *next;
    struct live_poll *poll;
    struct live_deadline deadline;                 /* of lingering, or to tell of a failure */
    const struct live_stream_callbacks *callbacks; /* NULL once it is closed */
    void *user;
    uint8_t *bytes; /* from head to tail wait to be sent */
    size_t head, tail, cap;
    enum state state;
    int busy; /* callbacks that are running */
    bool paused;
    bool gone;
    char reason[96];
};

static void destroy(struct live_stream *stream)
{
    live_deadline_set(stream->live, &stream->deadline, NANOS_NEVER);
    live_poll_close(stream->poll);
    stream->poll = NULL;
    stream->gone = true;
    if (stream->busy > 0)
        return;
    DL_DELETE(stream->live->streams, stream);
    free(stream->bytes);
    free(stream);
}

static void leave(struct live_stream *stream)
{
    if (--stream->busy == 0 && stream->gone)
        destroy(stream);
}

static void watch(struct live_stream *stream)
{
    int events = 0;
    if (stream->state == CONNECTING || (stream->state == OPEN && stream->head < stream->tail))
        events |= UV_WRITABLE;
    if (stream->state == OPEN && !stream->paused && stream->callbacks != NULL)
        events |= UV_READABLE;
    live_poll_set(stream->poll, events);
}

static void end(struct live_stream *stream, const char *reason, nanos now)
{
    stream->state = ENDED;
    stream->head = stream->tail = 0;
    if (stream->callbacks == NULL) {
        destroy(stream);
        return;
    }
    watch(stream);
    stream->callbacks->ended(stream->user, reason, now);
}

/* It has failed while its owner was calling: it is told of that from the loop. */
static void fail(struct live_stream *stream, const char *reason)
{
    stream->state = FAILING;
    stream->head = stream->tail = 0;
    snprintf(stream->reason, sizeof stream->reason, "%s", reason);
    watch(stream);
    live_deadline_set(stream->live, &stream->deadline, 0);
}

static void due(void *user, nanos now)
{
    struct live_stream *stream = user;
    stream->busy++;
    if (stream->callbacks == NULL)
        destroy(stream);
    else if (stream->state == FAILING)
        end(stream, stream->reason, now);
    leave(stream);
}

/* False when the connection has failed. */
static bool flush(struct live_stream *stream)
{
    while (stream->head < stream->tail) {
        ssize_t sent = send(stream->poll->fd, stream->bytes + stream->head, stream->tail - stream->head, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN;
        stream->head += (size_t)sent;
    }
    stream->head = stream->tail = 0;
    return true;
}

static void read_some(struct live_stream *stream)
{
    uint8_t *buffer = live_receive_buffer(stream->live);
    ssize_t len = recv(stream->poll->fd, buffer, READ_BYTES, 0);
    nanos now = live_now(stream->live);
    if (len > 0)
        stream->callbacks->received(stream->user, buffer, (size_t)len, now);
    else if (len == 0)
        end(stream, "closed by the other side", now);
    else if (errno != EAGAIN && errno != EINTR)
        end(stream, strerror(errno), now);
}

static void finish_connecting(struct live_stream *stream)
{
    int error = 0;
    socklen_t len = sizeof error;
    nanos now = live_now(stream->live);
    getsockopt(stream->poll->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error != 0) {
        end(stream, strerror(error), now);
        return;
    }
    stream->state = OPEN;
    watch(stream);
    if (stream->callbacks != NULL && stream->callbacks->connected != NULL)
        stream->callbacks->connected(stream->user, now);
}

static void ready(void *user, int events)
{
    struct live_stream *stream = user;
    stream->busy++;
    if (stream->state == CONNECTING) {
        finish_connecting(stream);
    } else if (stream->state == OPEN && (events & UV_WRITABLE) != 0) {
        if (!flush(stream)) {
            end(stream, strerror(errno), live_now(stream->live));
        } else if (stream->head == stream->tail) {
            if (stream->callbacks == NULL)
                destroy(stream); /* it lingered for this */
            else
                watch(stream);
        }
    }
    if (!stream->gone && stream->state == OPEN && (events & UV_READABLE) != 0 && !stream->paused &&
        stream->callbacks != NULL)
        read_some(stream);
    leave(stream);
}

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value);
}

struct live_stream *live_stream_adopt(struct live_world *live, int fd, const struct live_stream_callbacks *callbacks,
                                      void *user, struct error *error)
{
    struct live_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        close(fd);
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, KERNEL_UNSENT_BYTES);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_ALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_ALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_ALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS);
    *stream = (struct live_stream){.live = live, .callbacks = callbacks, .user = user, .state = OPEN};
    stream->deadline = (struct live_deadline){.fired = due, .user = stream};
    stream->poll = live_poll_open(live, fd, UV_READABLE, ready, stream, error);
    if (stream->poll == NULL) {
        free(stream);
        return NULL;
    }
    DL_APPEND(live->streams, stream);
    return stream;
}

static int open_connecting(const struct address *local, const struct address *remote)
{
    struct sockaddr_storage name;
    socklen_t len = live_to_sockaddr(remote, &name);
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (local->family != ADDRESS_NONE) {
        struct sockaddr_storage own;
        socklen_t own_len = live_to_sockaddr(local, &own);
        if (local->port == 0)
            set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
        else
            set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1); /* one external port of a NAT, several destinations */
        if (bind(fd, (struct sockaddr *)&own, own_len) != 0) {
            close(fd);
            return -1;
        }
    }
    if (connect(fd, (struct sockaddr *)&name, len) != 0 && errno != EINPROGRESS) {
        close(fd);
        return -1;
    }
    return fd;
}

struct live_stream *live_stream_connect(struct live_world *live, const struct address *local,
                                        const struct address *remote, const struct live_stream_callbacks *callbacks,
                                        void *user, struct error *error)
{
    char text[ADDRESS_TEXT_CAP];
    if (live->config.loopback_only && address_scope(remote) != ADDRESS_LOOPBACK) {
        error_set(error, ERROR_SYSTEM, "%s: only loopback is allowed in this world", address_format(remote, text));
        return NULL;
    }
    struct address own = live_outside(live, local);
    int fd = open_connecting(&own, remote);
    if (fd < 0) {
        error_set(error, ERROR_SYSTEM, "connection to %s: %s", address_format(remote, text), strerror(errno));
        return NULL;
    }
    struct live_stream *stream = live_stream_adopt(live, fd, callbacks, user, error);
    if (stream != NULL) {
        stream->state = CONNECTING;
        watch(stream);
    }
    return stream;
}

struct address live_stream_local(const struct live_stream *stream)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    getsockname(stream->poll->fd, (struct sockaddr *)&name, &len);
    return live_from_sockaddr((struct sockaddr *)&name);
}

/* Room for `len` bytes behind the tail. */
static bool make_room(struct live_stream *stream, size_t len)
{
    size_t waiting = stream->tail - stream->head;
    if (stream->cap - stream->tail >= len)
        return true;
    if (stream->head > 0) {
        memmove(stream->bytes, stream->bytes + stream->head, waiting);
        stream->head = 0;
        stream->tail = waiting;
    }
    if (stream->cap - stream->tail >= len)
        return true;
    size_t cap = waiting + len > 2 * stream->cap ? waiting + len : 2 * stream->cap;
    uint8_t *bytes = realloc(stream->bytes, cap);
    if (bytes == NULL)
        return false;
    stream->bytes = bytes;
    stream->cap = cap;
    return true;
}

size_t live_stream_send(struct live_stream *stream, const uint8_t *data, size_t len)
{
    size_t waiting = stream->tail - stream->head;
    if (len == 0 || stream->state > OPEN)
        return waiting;
    if (waiting == 0 && stream->state == OPEN) {
        ssize_t sent = send(stream->poll->fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            fail(stream, strerror(errno));
            return 0;
        }
        data += sent > 0 ? sent : 0;
        len -= sent > 0 ? (size_t)sent : 0;
        if (len == 0)
            return 0;
    }
    if (waiting + len > WAITING_MAX || !make_room(stream, len)) {
        fail(stream, "too much waits to be sent");
        return 0;
    }
    memcpy(stream->bytes + stream->tail, data, len);
    stream->tail += len;
    watch(stream);
    return stream->tail - stream->head;
}

void live_stream_pause(struct live_stream *stream, bool paused)
{
    if (stream->paused == paused)
        return;
    stream->paused = paused;
    watch(stream);
}

void live_stream_close(struct live_stream *stream)
{
    stream->callbacks = NULL;
    if (stream->state == OPEN && stream->head < stream->tail) {
        watch(stream);
        live_deadline_set(stream->live, &stream->deadline, live_now(stream->live) + LINGER);
    } else {
        destroy(stream);
    }
}

void live_stream_mute(struct live_stream *stream)
{
    stream->callbacks = NULL;
    stream->state = ENDED;
    watch(stream);
}

void live_streams_destroy(struct live_world *live)
{
    while (live->streams != NULL)
        destroy(live->streams);
}
