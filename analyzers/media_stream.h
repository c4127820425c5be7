/* The RTP streams that were recognised, each on one path, in one direction; the same SSRC on the other leg of a relay is
 * another one, marked as a copy. */
#ifndef CONFAB_ANALYZERS_MEDIA_STREAM_H
#define CONFAB_ANALYZERS_MEDIA_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/rtp_stream.h"
#include "analyzers/table.h"

#define MEDIA_STREAM_NONE UINT32_MAX
#define MEDIA_STREAM_LIMIT ((uint32_t)1 << 18)

/* How a packet was wrapped at the place where it was captured. */
enum encapsulation {
    ENCAPSULATION_NONE,
    ENCAPSULATION_CHANNEL, /* ChannelData: RFC 8656, section 12.4 */
    ENCAPSULATION_SEND,    /* Send and Data indications: section 11 */
    ENCAPSULATIONS,
};

struct media_stream {
    uint32_t path;
    uint32_t ssrc;
    uint8_t direction;
    uint64_t encapsulated[ENCAPSULATIONS]; /* packets */

    uint32_t copy_of; /* the stream that its packets were first seen in, MEDIA_STREAM_NONE */
    uint64_t copies;  /* how many of them */

    uint32_t moved_from; /* the stream that it goes on from, on another path of the same connection */

    uint32_t repeats_of; /* another stream on the path that had the same timestamps before, as with RTX */
    uint64_t repeats;    /* for how many packets */

    uint64_t payload_first_bytes[4]; /* which values the payloads' first bytes took */

    struct rtp_stream rtp;
};

struct media_streams {
    struct media_stream *streams;
    uint32_t count;
    uint32_t cap;
    struct table table;
};

uint32_t media_streams_find(const struct media_streams *streams, uint32_t path, uint8_t direction, uint32_t ssrc);

/* A new one, which must not exist. MEDIA_STREAM_NONE when full or out of memory. */
uint32_t media_streams_add(struct media_streams *streams, uint32_t path, uint8_t direction, uint32_t ssrc);

void media_streams_clear(struct media_streams *streams);

#endif
