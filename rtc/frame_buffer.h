/* Puts the frames of a video stream together from its RTP packets, and gives out each as soon as a decoder could decode
 * it: all its packets are there, and all that it refers to has been given out. It keeps no payloads, only what it needs
 * to tell: some 5 KiB for each stream, whatever its rate.
 *
 * What refers to what is read from VP8's descriptors (RFC 7741, section 4.2): without temporal layers each frame needs
 * the one before; with them a frame of the lowest layer needs the one before of that layer, a layer-sync frame only
 * that, and others everything since. A codec whose packets say less (H.264) is taken as one without layers. */
#ifndef CONFAB_RTC_FRAME_BUFFER_H
#define CONFAB_RTC_FRAME_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/bit_ring.h"
#include "rtc/rtp.h"

#define FRAME_BUFFER_FRAMES 64              /* two seconds at 30 frames/s */
#define FRAME_BUFFER_SEQUENCES 2048         /* how far back duplicates are told */
#define FRAME_BUFFER_WAIT (3 * NANOS_PER_S) /* as libwebrtc: for a frame, before a key frame is asked for */
#define FRAME_BUFFER_IDLE (5 * NANOS_PER_S) /* as libwebrtc: without packets, no key frame is asked for */
#define FRAME_BUFFER_KEY_FRAME_WAIT                                                                                    \
    (200 * NANOS_PER_MS) /* as libwebrtc: for a key frame, before it is asked for again */

/* A packet, as far as this needs to know it. */
struct frame_packet {
    uint16_t sequence;
    uint32_t timestamp; /* packets of one frame share it */
    bool marker;        /* the last packet of its frame */
    bool start;         /* known to be the first one; else that is inferred from the end of the frame before */
    bool key;           /* of a key frame, as far as this packet tells */
    bool recovered;     /* came in a retransmission */
    bool non_reference;
    uint8_t picture_id_bits; /* 0: none */
    uint16_t picture_id;
    bool has_layers; /* the next three are there: TL0PICIDX and TID */
    uint8_t tl0_picture_index;
    uint8_t temporal;
    bool layer_sync;
    uint8_t spatial;
    const uint8_t *payload; /* without the codec's descriptor; looked at for a frame trailer, not kept; may be NULL */
    size_t payload_len;
};

/* Fills it from an RTP packet with VP8. False when its descriptor is malformed; a packet of padding alone isn't one:
 * tell it to frame_buffer_skip. */
bool frame_packet_from_vp8(struct frame_packet *packet, const struct rtp_packet *rtp, bool recovered);

/* A frame, complete and decodable. */
struct received_frame {
    uint32_t timestamp;
    bool key;
    bool has_trailer; /* the next two are there */
    nanos captured;   /* on the sender's clock */
    uint32_t frame_number;
    nanos first_arrival; /* of a packet of it */
    nanos completed;     /* when its last missing packet came */
    nanos decodable;     /* when also what it refers to was there; the time of frame_buffer_next */
    uint32_t size;       /* bytes of payload, without descriptors */
    uint16_t packets;
    uint16_t recovered; /* of those */
    uint8_t temporal;
    uint8_t spatial;
    uint16_t first_sequence;
    uint16_t last_sequence;
};

struct frame_buffer_config {
    nanos wait;           /* for the oldest frame to become decodable, from its first packet on; 0: FRAME_BUFFER_WAIT */
    nanos key_frame_wait; /* between two requests; 0: FRAME_BUFFER_KEY_FRAME_WAIT */
    nanos patience;       /* how long a decodable frame is held back for older ones that it doesn't need; may be 0 */
};

/* One that isn't given out yet. */
struct pending_frame {
    int64_t first; /* unwrapped sequence numbers: the lowest and the highest that came */
    int64_t last;
    nanos first_arrival;
    nanos last_arrival;
    nanos captured;
    uint32_t frame_number;
    uint32_t timestamp;
    uint32_t size;
    uint16_t packets;
    uint16_t recovered;
    uint16_t picture_id;
    uint8_t picture_id_bits;
    uint8_t tl0_picture_index;
    uint8_t temporal : 2;
    uint8_t spatial : 3;
    uint8_t has_start : 1;
    uint8_t has_end : 1;
    uint8_t key : 1;
    uint8_t has_layers : 1;
    uint8_t layer_sync : 1;
    uint8_t non_reference : 1;
    uint8_t has_trailer : 1;
};

/* What a decoder has seen, as far as later frames depend on it. */
struct decoded_state {
    bool has_layers;
    uint8_t tl0_picture_index;
    uint8_t broken_layers;   /* bit n: something that frames of temporal layer n may refer to is missing */
    uint8_t picture_id_bits; /* of the last frame; 0: it had none */
    uint16_t picture_id;
    int64_t end; /* its last sequence number */
};

struct frame_buffer {
    struct frame_buffer_config config;
    int64_t highest; /* unwrapped sequence number; 0 before the first packet */
    nanos last_packet;

    bool has_floor; /* frames up to this timestamp are done with */
    uint32_t floor;
    int64_t floor_end; /* the last sequence number of the newest such frame; 0: unknown */

    struct decoded_state decoded;
    bool waits_for_key_frame;
    bool asked;        /* for that one */
    bool changed;      /* something may be decodable that wasn't */
    nanos request_at;  /* a key frame is wanted then */
    nanos give_out_at; /* a frame that `patience` holds back is due then */

    uint64_t given_out;
    uint64_t dropped;      /* frames of which something came, but which were never given out */
    uint64_t late_packets; /* for frames that are done with */
    uint64_t duplicate_packets;

    size_t head; /* frames are a ring, by rising timestamp */
    size_t count;
    uint64_t arrived[BIT_RING_WORDS(FRAME_BUFFER_SEQUENCES)];
    struct pending_frame *frames; /* a ring of `capacity`, a power of two up to FRAME_BUFFER_FRAMES */
    size_t capacity;
};

/* Costs no memory until a packet comes. */
void frame_buffer_init(struct frame_buffer *buffer, const struct frame_buffer_config *config);
void frame_buffer_clear(struct frame_buffer *buffer);

/* Takes a packet. False when it was a duplicate or too late to be of use. After it, call frame_buffer_next until that is
 * false, then frame_buffer_wants_key_frame. */
bool frame_buffer_insert(struct frame_buffer *buffer, const struct frame_packet *packet, nanos now);

/* A packet came that belongs to no frame: padding. */
void frame_buffer_skip(struct frame_buffer *buffer, uint16_t sequence);

/* The next frame, in decoding order; false when none is decodable yet. Gives up what has been waited for too long. */
bool frame_buffer_next(struct frame_buffer *buffer, struct received_frame *frame, nanos now);

/* Should a key frame be asked for (PLI) now? True once, then again after each key_frame_wait in which none began to
 * arrive, as long as the stream is alive at all. */
bool frame_buffer_wants_key_frame(struct frame_buffer *buffer, nanos now);

/* When to call the two above again if no packet comes; NANOS_NEVER: not at all. */
nanos frame_buffer_deadline(const struct frame_buffer *buffer);

#endif
