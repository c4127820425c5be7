/* The messages in a TCP connection: segments put in order and cut into TURN frames (RFC 8656, section 3.1) or frames with
 * a length in front (RFC 4571). What was captured short or not at all is passed over; after a gap the reading starts again
 * with the next segment that begins like a frame. All connections together hold at most TCP_STREAMS_MEMORY. */
#ifndef CONFAB_ANALYZERS_TCP_STREAM_H
#define CONFAB_ANALYZERS_TCP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/flow.h"
#include "analyzers/packet.h"

#define TCP_STREAMS_MEMORY ((size_t)8 << 20)
/* Segments that wait for an earlier one, in each direction: while TCP takes a second to repeat what was lost, a call's
 * packets go on coming, each in a segment of its own. */
#define TCP_STREAM_PENDING 512

struct tcp_segment {
    uint32_t sequence;
    uint32_t len;
    uint32_t captured_len;
    uint8_t *data;
};

struct tcp_direction {
    bool started;
    bool lost; /* where frames begin: until a segment starts like one */
    uint32_t next;
    uint8_t *frame; /* a frame that isn't whole yet */
    size_t frame_cap;
    size_t frame_have;     /* bytes of it that went by */
    size_t frame_captured; /* of which the first so many are in `frame` */
    uint32_t pending_count, pending_cap;
    struct tcp_segment *pending;
};

struct tcp_stream {
    struct tcp_direction directions[2];
};

struct tcp_streams {
    struct tcp_stream **streams;
    uint32_t count;
    uint32_t cap;
    size_t memory;
};

/* A new one's place; TABLE_NONE past the memory limit. */
uint32_t tcp_streams_add(struct tcp_streams *streams);
void tcp_streams_clear(struct tcp_streams *streams);

/* What a connection's first bytes, all in one segment, say it carries: FLOW_TURN, FLOW_LENGTH_PREFIX, FLOW_TLS, or
 * FLOW_OTHER. */
enum flow_framing tcp_stream_framing(const uint8_t *data, size_t len);

typedef void (*tcp_stream_frame)(void *user, const uint8_t *data, size_t captured_len, size_t len);

/* Takes a segment from `direction` and calls back with each frame that it completes. */
void tcp_streams_read(struct tcp_streams *streams, uint32_t stream, uint8_t direction, enum flow_framing framing,
                      const struct packet *packet, tcp_stream_frame frame, void *user);

#endif
