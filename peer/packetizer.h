/* Turns frames into VP8 payloads for RTP (RFC 7741): equal parts of at most 1,160 bytes, the descriptor included, so
 * that with RTP header, extensions, SRTP, TURN and IPv6 a packet stays below 1,280 bytes. A frame without
 * data is made up: behind the frame header (RFC 6386, section 9.1) all bytes are zero, which a VP8 decoder decodes to a
 * grey picture of the right size. The last 24 bytes of any frame are the trailer (rtc/frame_trailer.h), and between data
 * and trailer it is filled up with zeros: decoders pay no heed to what is behind the last partition. */
#ifndef CONFAB_PEER_PACKETIZER_H
#define CONFAB_PEER_PACKETIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer/video_frame.h"

#define PACKETIZER_PAYLOAD_MAX 1160
#define PACKETIZER_TEMPORAL_MAX 3

struct packetizer {
    uint8_t temporal_layers; /* 1 to 3 */
    uint16_t picture_id;     /* 15 bits, of the next frame */
    uint8_t tl0_picture_index;
    uint32_t since_key; /* frames */
    /* The frame at hand. */
    struct video_frame frame;
    uint8_t temporal;
    bool non_reference;
    bool layer_sync;
    size_t packets_left;
    size_t done; /* bytes of the frame that were written */
};

/* `temporal_layers`: 1 to 3 (clamped), each frame rate twice that of the layer below, in the order 0 1 or 0 2 1 2. The
 * counters start where `seed` and `index` say. */
void packetizer_init(struct packetizer *packetizer, uint8_t temporal_layers, uint64_t seed, uint64_t index);

/* Takes a frame; returns how many packets it needs. The frame before is dropped if it wasn't written to its end. */
size_t packetizer_begin(struct packetizer *packetizer, const struct video_frame *frame);

/* Writes the next payload and returns its length, 0 behind the frame's last one or when `cap` is too small
 * (PACKETIZER_PAYLOAD_MAX always suffices). `*last` tells where RTP's marker goes. */
size_t packetizer_write(struct packetizer *packetizer, uint8_t *buf, size_t cap, bool *last);

#endif
