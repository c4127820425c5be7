#include "sfu/sfu_stream.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "rtc/tcp_framing.h"
#include "sfu/sfu_state.h"

struct stream {
    struct sfu_streams *owner;
    struct world_tcp *tcp;
    struct address remote;
    int socket; /* whose number it has, as the address that it came to is the same */
    nanos since;
    struct tcp_framing framing;
    bool known;
    bool busy;                  /* its bytes are being taken */
    bool over;                  /* to be freed after that */
    struct stream *prev, *next; /* of those who are unknown, the oldest first */
    UT_hash_handle hh;
};

struct sfu_streams {
    struct sfu *sfu;
    struct world_timer *timer;
    struct stream *all; /* hash table by remote address */
    struct stream *unknown;
    size_t unknown_count;
};

static void schedule(struct sfu_streams *streams)
{
    const struct stream *oldest = streams->unknown;
    world_timer_set(streams->timer, oldest != NULL ? oldest->since + SFU_STREAM_TIMEOUT_S * NANOS_PER_S : NANOS_NEVER);
}

static struct stream *find(const struct sfu_streams *streams, const struct address *remote)
{
    struct stream *stream;
    HASH_FIND(hh, streams->all, remote, sizeof *remote, stream);
    return stream;
}

static void note_known(struct stream *stream)
{
    if (stream->known)
        return;
    DL_DELETE(stream->owner->unknown, stream);
    stream->owner->unknown_count--;
    stream->known = true;
}

static void end(struct stream *stream)
{
    if (!stream->over) {
        note_known(stream);
        HASH_DELETE(hh, stream->owner->all, stream);
        world_tcp_close(stream->tcp);
    }
    stream->over = true;
    if (stream->busy)
        return;
    tcp_framing_clear(&stream->framing);
    free(stream);
}

/* --- in ---------------------------------------------------------------------------------------------------------------- */

static void received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    struct stream *stream = user;
    struct sfu *sfu = stream->owner->sfu;
    uint8_t *frame;
    size_t frame_len;
    (void)tcp;
    int got = tcp_framing_add(&stream->framing, data, len) ? 1 : -1;
    stream->busy = true;
    while (got > 0 && !stream->over && (got = tcp_framing_next(&stream->framing, &frame, &frame_len)) > 0) {
        struct datagram datagram = {
            .local = sfu->addresses[stream->socket], .remote = stream->remote, .data = frame, .len = frame_len};
        sfu_take(sfu, stream->socket, &datagram, now);
    }
    sfu_flush(sfu, now);
    stream->busy = false;
    if (stream->over || got < 0)
        end(stream);
}

static void closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    (void)tcp, (void)reason, (void)now;
    end(user);
}

static int socket_at(const struct sfu *sfu, const struct address *local)
{
    for (size_t i = 0; i < sfu->socket_count; i++) {
        if (address_same_ip(&sfu->addresses[i], local))
            return (int)i;
    }
    return 0;
}

void sfu_streams_accept(struct sfu_streams *streams, struct world_tcp *tcp, nanos now)
{
    static const struct world_tcp_callbacks callbacks = {.received = received, .closed = closed};
    struct address local = world_tcp_local(tcp);
    struct stream *stream = HASH_COUNT(streams->all) < SFU_STREAMS_MAX ? calloc(1, sizeof *stream) : NULL;
    if (stream == NULL) {
        world_tcp_close(tcp);
        return;
    }
    *stream = (struct stream){.owner = streams, .tcp = tcp, .remote = world_tcp_remote(tcp), .since = now};
    stream->remote.tcp = 1;
    stream->socket = socket_at(streams->sfu, &local);
    struct stream *before = find(streams, &stream->remote);
    if (before != NULL)
        end(before); /* which the other side has forgotten, or its port would not be free */
    HASH_ADD(hh, streams->all, remote, sizeof stream->remote, stream);
    DL_APPEND(streams->unknown, stream);
    if (++streams->unknown_count > SFU_STREAMS_UNKNOWN_MAX)
        end(streams->unknown);
    world_tcp_adopt(tcp, &callbacks, stream);
    schedule(streams);
}

void sfu_streams_know(struct sfu_streams *streams, const struct address *remote)
{
    struct stream *stream = find(streams, remote);
    if (stream == NULL)
        return;
    note_known(stream);
    schedule(streams);
}

static void sweep(void *user, nanos now)
{
    struct sfu_streams *streams = user;
    while (streams->unknown != NULL && now - streams->unknown->since >= SFU_STREAM_TIMEOUT_S * NANOS_PER_S)
        end(streams->unknown);
    schedule(streams);
}

/* --- out --------------------------------------------------------------------------------------------------------------- */

void sfu_streams_send(struct sfu_streams *streams, const struct address *remote, const uint8_t *data, size_t len)
{
    uint8_t framed[TCP_FRAME_HEADER_LEN + SFU_DATAGRAM_CAP];
    struct stream *stream = find(streams, remote);
    if (stream == NULL || len > SFU_DATAGRAM_CAP || world_tcp_send(stream->tcp, NULL, 0) > SFU_STREAM_WAITING_MAX)
        return;
    tcp_framing_header(framed, len);
    memcpy(framed + TCP_FRAME_HEADER_LEN, data, len);
    world_tcp_send(stream->tcp, framed, TCP_FRAME_HEADER_LEN + len);
}

/* --- life -------------------------------------------------------------------------------------------------------------- */

void sfu_streams_close(struct sfu_streams *streams, const struct address *remote)
{
    struct stream *stream = find(streams, remote);
    if (stream != NULL)
        end(stream);
}

struct sfu_streams *sfu_streams_create(struct sfu *sfu)
{
    struct sfu_streams *streams = calloc(1, sizeof *streams);
    if (streams == NULL)
        return NULL;
    streams->sfu = sfu;
    streams->timer = world_timer_open(sfu->host, sweep, streams);
    if (streams->timer == NULL) {
        free(streams);
        return NULL;
    }
    return streams;
}

void sfu_streams_destroy(struct sfu_streams *streams)
{
    if (streams == NULL)
        return;
    while (streams->all != NULL)
        end(streams->all);
    world_timer_close(streams->timer);
    free(streams);
}

size_t sfu_streams_count(const struct sfu_streams *streams) { return HASH_COUNT(streams->all); }
