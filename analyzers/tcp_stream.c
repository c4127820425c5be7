#include "analyzers/tcp_stream.h"

#include <stdlib.h>
#include <string.h>

#include "analyzers/table.h"
#include "base/bytes.h"
#include "rtc/stun.h"

#define TURN_HEADER_LEN 4 /* enough of a frame to know its length */
#define LENGTH_PREFIX_LEN 2
#define TLS_HEADER_LEN 5
#define TLS_HANDSHAKE 22
#define TLS_CLIENT_HELLO 1

struct reading {
    struct tcp_streams *streams;
    struct tcp_direction *direction;
    enum flow_framing framing;
    tcp_stream_frame frame;
    void *user;
};

uint32_t tcp_streams_add(struct tcp_streams *streams)
{
    if (streams->memory + sizeof(struct tcp_stream) > TCP_STREAMS_MEMORY)
        return TABLE_NONE;
    if (streams->count == streams->cap) {
        uint32_t cap = streams->cap == 0 ? 16 : streams->cap * 2;
        struct tcp_stream **grown = realloc(streams->streams, cap * sizeof(struct tcp_stream *));
        if (grown == NULL)
            return TABLE_NONE;
        streams->streams = grown;
        streams->cap = cap;
    }
    struct tcp_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return TABLE_NONE;
    streams->memory += sizeof *stream;
    streams->streams[streams->count] = stream;
    return streams->count++;
}

void tcp_streams_clear(struct tcp_streams *streams)
{
    for (uint32_t i = 0; i < streams->count; i++) {
        for (int d = 0; d < 2; d++) {
            struct tcp_direction *direction = &streams->streams[i]->directions[d];
            for (uint32_t p = 0; p < direction->pending_count; p++)
                free(direction->pending[p].data);
            free(direction->pending);
            free(direction->frame);
        }
        free(streams->streams[i]);
    }
    free(streams->streams);
    *streams = (struct tcp_streams){0};
}

enum flow_framing tcp_stream_framing(const uint8_t *data, size_t len)
{
    if (stun_is(data, len))
        return FLOW_TURN;
    if (len > LENGTH_PREFIX_LEN && stun_is(data + LENGTH_PREFIX_LEN, len - LENGTH_PREFIX_LEN) &&
        bytes_get16(data) == stun_claimed_len(data + LENGTH_PREFIX_LEN))
        return FLOW_LENGTH_PREFIX;
    /* RFC 8446, section 5.1: type, version, length; then the handshake's type */
    if (len > TLS_HEADER_LEN && data[0] == TLS_HANDSHAKE && data[1] == 3 && data[2] <= 4 &&
        data[TLS_HEADER_LEN] == TLS_CLIENT_HELLO)
        return FLOW_TLS;
    return FLOW_OTHER;
}

static size_t header_len(enum flow_framing framing)
{
    return framing == FLOW_LENGTH_PREFIX ? LENGTH_PREFIX_LEN : TURN_HEADER_LEN;
}

/* The frame's whole length on the wire by its header; 0 when no frame starts like this. */
static size_t frame_len(enum flow_framing framing, const uint8_t *header)
{
    if (framing == FLOW_LENGTH_PREFIX)
        return LENGTH_PREFIX_LEN + (size_t)bytes_get16(header);
    switch (header[0] >> 6) {
    case 0: /* STUN: its length is a multiple of four */
        return header[3] % 4 == 0 ? stun_claimed_len(header) : 0;
    case 1: /* ChannelData, padded to a multiple of four on streams: RFC 8656, section 12.5 */
        return (TURN_HEADER_LEN + (size_t)bytes_get16(header + 2) + 3) & ~(size_t)3;
    default:
        return 0;
    }
}

static void deliver(const struct reading *reading, const uint8_t *data, size_t captured, size_t len)
{
    if (reading->framing == FLOW_LENGTH_PREFIX) {
        if (captured > LENGTH_PREFIX_LEN)
            reading->frame(reading->user, data + LENGTH_PREFIX_LEN, captured - LENGTH_PREFIX_LEN,
                           len - LENGTH_PREFIX_LEN);
        return;
    }
    if (data[0] >> 6 == 1) { /* without the padding */
        len = TURN_HEADER_LEN + (size_t)bytes_get16(data + 2);
        captured = captured < len ? captured : len;
    }
    reading->frame(reading->user, data, captured, len);
}

/* Could the bytes at the start of a segment be a frame's? Asked after a gap, so ChannelData has to fit the segment. */
static bool starts_frame(const struct reading *reading, const uint8_t *data, size_t captured, size_t len)
{
    if (captured < header_len(reading->framing))
        return false;
    size_t frame = frame_len(reading->framing, data);
    if (reading->framing == FLOW_TURN && data[0] < 4)
        return stun_is(data, captured);
    return frame > 0 && frame <= len;
}

static bool frame_room(const struct reading *reading, size_t need)
{
    struct tcp_direction *direction = reading->direction;
    if (direction->frame_cap >= need)
        return true;
    size_t cap = direction->frame_cap == 0 ? 2048 : direction->frame_cap;
    while (cap < need)
        cap *= 2;
    if (reading->streams->memory + cap - direction->frame_cap > TCP_STREAMS_MEMORY)
        return false;
    uint8_t *grown = realloc(direction->frame, cap);
    if (grown == NULL)
        return false;
    reading->streams->memory += cap - direction->frame_cap;
    direction->frame = grown;
    direction->frame_cap = cap;
    return true;
}

/* Adds bytes to the frame at hand, of which `captured` are there. False when they can't be kept. */
static bool frame_append(const struct reading *reading, const uint8_t *data, size_t captured, size_t len)
{
    struct tcp_direction *direction = reading->direction;
    bool whole = direction->frame_captured == direction->frame_have;
    if (whole && captured > 0) {
        if (!frame_room(reading, direction->frame_have + captured))
            return false;
        memcpy(direction->frame + direction->frame_have, data, captured);
        direction->frame_captured += captured;
    }
    direction->frame_have += len;
    return true;
}

/* The next bytes in order: `captured` of `len`. */
static void feed(const struct reading *reading, const uint8_t *data, size_t captured, size_t len)
{
    struct tcp_direction *direction = reading->direction;
    size_t header = header_len(reading->framing);
    if (direction->lost && !starts_frame(reading, data, captured, len))
        return;
    direction->lost = false;
    while (len > 0) {
        size_t take;
        if (direction->frame_have == 0 && captured >= header) {
            size_t frame = frame_len(reading->framing, data);
            if (frame > 0 && frame <= len) { /* the usual case: a whole frame, read in place */
                size_t have = captured < frame ? captured : frame;
                deliver(reading, data, have, frame);
                data += have;
                captured -= have;
                len -= frame;
                continue;
            }
        }
        if (direction->frame_have < header) {
            take = header - direction->frame_have;
        } else {
            size_t frame = frame_len(reading->framing, direction->frame);
            take = frame > direction->frame_have ? frame - direction->frame_have : 0;
            direction->lost = frame == 0;
        }
        take = take < len ? take : len;
        size_t have = captured < take ? captured : take;
        if (direction->frame_have < header && have < take) /* a header that wasn't captured */
            direction->lost = true;
        if (direction->lost || !frame_append(reading, data, have, take)) {
            direction->lost = true;
            direction->frame_have = direction->frame_captured = 0;
            return;
        }
        data += have;
        captured -= have;
        len -= take;
        if (direction->frame_have < header)
            continue;
        size_t frame = frame_len(reading->framing, direction->frame);
        if (frame > 0 && direction->frame_have >= frame) {
            deliver(reading, direction->frame, direction->frame_captured, frame);
            direction->frame_have = direction->frame_captured = 0;
        }
    }
}

static void pending_drop(const struct reading *reading, uint32_t index)
{
    struct tcp_direction *direction = reading->direction;
    reading->streams->memory -= direction->pending[index].captured_len;
    free(direction->pending[index].data);
    direction->pending[index] = direction->pending[--direction->pending_count];
}

/* Feeds what is new in a segment that doesn't lie in the future. */
static void feed_segment(const struct reading *reading, uint32_t sequence, const uint8_t *data, size_t captured,
                         size_t len)
{
    uint32_t old = reading->direction->next - sequence;
    if (old >= len)
        return;
    size_t skip = old < captured ? old : captured;
    reading->direction->next = sequence + (uint32_t)len;
    feed(reading, data + skip, captured - skip, len - old);
}

/* Feeds the waiting segments whose turn has come. */
static void feed_pending(const struct reading *reading)
{
    struct tcp_direction *direction = reading->direction;
    uint32_t i = 0;
    while (i < direction->pending_count) {
        struct tcp_segment *segment = &direction->pending[i];
        if ((int32_t)(segment->sequence - direction->next) > 0) {
            i++;
            continue;
        }
        struct tcp_segment taken = *segment;
        direction->pending[i] = direction->pending[--direction->pending_count];
        direction->pending[direction->pending_count].data = NULL;
        feed_segment(reading, taken.sequence, taken.data, taken.captured_len, taken.len);
        reading->streams->memory -= taken.captured_len;
        free(taken.data);
        i = 0;
    }
}

/* Gives up waiting: goes on with the earliest segment that is here. */
static void skip_gap(const struct reading *reading)
{
    struct tcp_direction *direction = reading->direction;
    uint32_t earliest = direction->pending[0].sequence;
    for (uint32_t i = 1; i < direction->pending_count; i++) {
        if ((int32_t)(direction->pending[i].sequence - earliest) < 0)
            earliest = direction->pending[i].sequence;
    }
    direction->next = earliest;
    direction->lost = true;
    direction->frame_have = direction->frame_captured = 0;
    feed_pending(reading);
}

static bool pending_room(const struct reading *reading, size_t captured)
{
    struct tcp_direction *direction = reading->direction;
    struct tcp_streams *streams = reading->streams;
    if (direction->pending_count < direction->pending_cap)
        return streams->memory + captured <= TCP_STREAMS_MEMORY;
    uint32_t cap = direction->pending_cap == 0 ? 8 : direction->pending_cap * 2;
    size_t more = (cap - direction->pending_cap) * sizeof *direction->pending;
    if (cap > TCP_STREAM_PENDING || streams->memory + more + captured > TCP_STREAMS_MEMORY)
        return false;
    struct tcp_segment *grown = realloc(direction->pending, cap * sizeof *grown);
    if (grown == NULL)
        return false;
    streams->memory += more;
    direction->pending = grown;
    direction->pending_cap = cap;
    return true;
}

static void wait(const struct reading *reading, const struct packet *packet)
{
    struct tcp_direction *direction = reading->direction;
    uint32_t i = 0;
    while (i < direction->pending_count) {
        const struct tcp_segment *segment = &direction->pending[i];
        int32_t starts_before = (int32_t)(packet->sequence - segment->sequence);
        int32_t ends_after = (int32_t)(segment->sequence + segment->len - packet->sequence - (uint32_t)packet->len);
        if (starts_before >= 0 && ends_after >= 0)
            return; /* nothing new */
        if (starts_before <= 0 && ends_after <= 0)
            pending_drop(reading, i);
        else
            i++;
    }
    uint8_t *copy = pending_room(reading, packet->captured_len) ? malloc(packet->captured_len + 1) : NULL;
    if (copy == NULL)
        return;
    memcpy(copy, packet->data, packet->captured_len);
    reading->streams->memory += packet->captured_len;
    direction->pending[direction->pending_count++] = (struct tcp_segment){
        .sequence = packet->sequence,
        .len = (uint32_t)packet->len,
        .captured_len = (uint32_t)packet->captured_len,
        .data = copy,
    };
}

void tcp_streams_read(struct tcp_streams *streams, uint32_t stream, uint8_t direction, enum flow_framing framing,
                      const struct packet *packet, tcp_stream_frame frame, void *user)
{
    struct reading reading = {
        .streams = streams,
        .direction = &streams->streams[stream]->directions[direction],
        .framing = framing,
        .frame = frame,
        .user = user,
    };
    struct tcp_direction *at = reading.direction;
    if (packet->syn) { /* a new connection, perhaps on a used port */
        while (at->pending_count > 0)
            pending_drop(&reading, 0);
        at->frame_have = at->frame_captured = 0;
        at->started = at->lost = true;
        at->next = packet->sequence + 1;
        return;
    }
    if (packet->len == 0)
        return;
    if (!at->started) {
        at->started = at->lost = true;
        at->next = packet->sequence;
    }
    if ((int32_t)(packet->sequence - at->next) > 0 && at->pending_count == TCP_STREAM_PENDING)
        skip_gap(&reading);
    if ((int32_t)(packet->sequence - at->next) > 0) {
        wait(&reading, packet);
        return;
    }
    feed_segment(&reading, packet->sequence, packet->data, packet->captured_len, packet->len);
    feed_pending(&reading);
}
