/* VP8 in RTP: the payload descriptor (RFC 7741, section 4.2) and what a forwarder or receiver wants to know of the
 * payload header behind it (section 4.3). */
#ifndef CONFAB_RTC_VP8_H
#define CONFAB_RTC_VP8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VP8_CLOCK_RATE 90000    /* RFC 7741, 4.1 */
#define VP8_DESCRIPTOR_MAX 6    /* RFC 7741, 4.2: with a 15-bit picture ID */
#define VP8_KEY_FRAME_HEADER 10 /* RFC 6386, 9.1: frame tag, start code, dimensions */

struct vp8_descriptor {
    bool non_reference; /* N: no other frame needs this one */
    bool start;         /* S: a partition starts here */
    uint8_t partition;  /* PID, 0 to 7; start of partition 0 is the start of the frame */

    uint8_t picture_id_bits; /* 0: there is none, 7 or 15 */
    uint16_t picture_id;
    bool has_tl0;
    uint8_t tl0_picture_index; /* TL0PICIDX: counts the frames of the lowest temporal layer */
    bool has_temporal;
    uint8_t temporal; /* TID, 0 to 3 */
    bool layer_sync;  /* Y: needs only the lowest layer */
    bool has_key_index;
    uint8_t key_index; /* KEYIDX, 5 bits */

    /* vp8_parse sets these, vp8_write ignores them. */
    uint8_t len;               /* of the descriptor: the payload header or data follows */
    uint8_t picture_id_offset; /* in the payload; 0: there is none */
    uint8_t tl0_offset;
    uint8_t layer_offset; /* of the byte with TID, Y and KEYIDX */
    bool frame_start;     /* start of partition 0 */
    bool key_frame;       /* known only where frame_start is set: false elsewhere */
    uint16_t width;       /* of a key frame, 0 when unknown */
    uint16_t height;
};

/* Reads what is at the start of an RTP payload. False when it is cut off, or nothing follows the descriptor. */
bool vp8_parse(struct vp8_descriptor *descriptor, const uint8_t *payload, size_t len);

/* Writes a descriptor in its shortest form; the picture ID in 7 or 15 bits as told. Returns its length, 0 when it
 * doesn't fit into `cap`. */
size_t vp8_write(uint8_t *buf, size_t cap, const struct vp8_descriptor *descriptor);

/* The running numbers that whoever splices streams has to keep running (RFC 7741, section 4.2, at its end). */
struct vp8_numbers {
    uint16_t picture_id; /* 15 bits */
    uint8_t tl0_picture_index;
    uint8_t key_index; /* 5 bits */
};

/* Overwrites those of the numbers that a payload, read by vp8_parse, has. Each keeps its width: of the picture ID as
 * many bits as there is room for. */
void vp8_rewrite(uint8_t *payload, const struct vp8_descriptor *descriptor, const struct vp8_numbers *numbers);

#endif
