/* RTP packets (RFC 3550, section 5.1) and their header extensions (RFC 8285): a bounds-checked view of one that
 * arrived, a writer for one that leaves, and changes in place for one that is forwarded. */
#ifndef CONFAB_RTC_RTP_H
#define CONFAB_RTC_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define RTP_HEADER_LEN 12                   /* RFC 3550, 5.1: without CSRCs and extensions */
#define RTP_CSRC_MAX 15                     /* RFC 3550, 5.1 */
#define RTP_PADDING_MAX 255                 /* RFC 3550, 5.1: the count is one byte */
#define RTP_EXTENSION_ONE_BYTE 0xbede       /* RFC 8285, 4.2 */
#define RTP_EXTENSION_TWO_BYTE 0x1000       /* RFC 8285, 4.3: the low four bits are the application's */
#define RTP_EXTENSION_ONE_BYTE_ID_MAX 14    /* RFC 8285, 4.2: 15 ends the reading */
#define RTP_EXTENSION_ONE_BYTE_VALUE_MAX 16 /* RFC 8285, 4.2 */

/* In what form the packet's payload is. In an SRTP packet the padding and its count are encrypted and an
 * authentication tag follows (RFC 3711, section 3.1), so the last byte says nothing about padding. */
enum rtp_form {
    RTP_CLEAR,
    RTP_ENCRYPTED,
};

/* A view: pointers into the packet that was parsed, valid as long as it is. Offsets are from its first byte. */
struct rtp_packet {
    const uint8_t *data;
    size_t len;

    uint8_t payload_type; /* 0 to 127 */
    bool marker;
    bool padding; /* the P bit */
    uint8_t csrc_count;
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;

    uint16_t extension_profile; /* meaningless unless extension_offset > 0 */
    size_t extension_offset;    /* of the extension's words, behind its four-byte head; 0 without an extension */
    size_t extension_len;

    const uint8_t *payload; /* behind the header; RTP_CLEAR: without the padding; RTP_ENCRYPTED: all that is left */
    size_t payload_offset;  /* = the header's length */
    size_t payload_len;     /* 0 is fine: a packet of padding alone probes for bandwidth */
    size_t padding_len;     /* RTP_ENCRYPTED: always 0, whatever `padding` says */
};

/* Reads the packet in `data`. False when it isn't version 2, or its CSRCs, extension or padding don't fit into `len`
 * (RFC 3550, A.1); a padding count of 0 is refused too. */
bool rtp_parse(struct rtp_packet *packet, const uint8_t *data, size_t len, enum rtp_form form);

/* The contributing source at `index` < csrc_count. */
static inline uint32_t rtp_csrc(const struct rtp_packet *packet, uint8_t index)
{
    return bytes_get32(packet->data + RTP_HEADER_LEN + (size_t)index * 4);
}

/* --- header extension elements --- */

struct rtp_extension {
    uint8_t id;       /* 1 to 14 (one-byte form) or 1 to 255 */
    uint8_t len;      /* of the value in bytes: 1 to 16 (one-byte form) or 0 to 255 */
    uint8_t head_len; /* bytes of ID and length before the value: 1 or 2. Writers ignore it */
    size_t offset;    /* of the value in the packet: where to rewrite it. Writers ignore it */
    const uint8_t *value;
};

/* The element that follows the one at `*cursor` (0 to begin with), false behind the last. Both forms; padding is passed
 * over; what is malformed ends the walk, as RFC 8285, sections 4.1.2 and 4.2, asks: what came before it counts. */
bool rtp_extension_next(const struct rtp_packet *packet, size_t *cursor, struct rtp_extension *extension);

/* The first element with `id`; false when there is none. Work is linear in the extension's bytes: to look for several,
 * use rtp_extensions_read of rtc/rtp_extensions.h, one walk for all. */
bool rtp_extension_find(const struct rtp_packet *packet, uint8_t id, struct rtp_extension *extension);

/* Turns an element of the packet in `data` into padding, in place, so that a receiver sees none. */
void rtp_extension_erase(uint8_t *data, const struct rtp_extension *extension);

/* Gives an element another ID, in place. False, and nothing changed, when the form can't hold it. */
bool rtp_extension_renumber(uint8_t *data, struct rtp_extension *extension, uint8_t id);

/* --- writing --- */

struct rtp_header {
    uint8_t payload_type;
    bool marker;
    uint8_t csrc_count;
    uint16_t sequence;
    uint32_t timestamp;
    uint32_t ssrc;
    const uint32_t *csrcs;
};

/* Writes a header with the given extension elements into `buf` and returns its length, a multiple of 4: where the
 * payload goes. An element whose `value` is NULL gets zeros, to be filled in place later. Takes the one-byte form when
 * every element fits it, else the two-byte form. 0 when `cap` is too small or something can't be expressed (an ID 0,
 * more than 15 CSRCs, a payload type above 127). */
size_t rtp_write_header(uint8_t *buf, size_t cap, const struct rtp_header *header,
                        const struct rtp_extension *extensions, size_t extension_count);

/* Appends `padding_len` bytes of padding (1 to 255) to the unpadded packet of `len` bytes and sets its P bit. Returns
 * the new length, 0 when it doesn't fit into `cap` or the length is out of range. */
size_t rtp_write_padding(uint8_t *data, size_t len, size_t cap, size_t padding_len);

/* --- changes in place, for packets that rtp_parse has accepted or rtp_write_header has written --- */

static inline void rtp_set_payload_type(uint8_t *data, uint8_t payload_type)
{
    data[1] = (uint8_t)((data[1] & 0x80) | (payload_type & 0x7f));
}
static inline void rtp_set_marker(uint8_t *data, bool marker)
{
    data[1] = (uint8_t)((data[1] & 0x7f) | (marker ? 0x80 : 0));
}
static inline void rtp_set_sequence(uint8_t *data, uint16_t sequence) { bytes_put16(data + 2, sequence); }
static inline void rtp_set_timestamp(uint8_t *data, uint32_t timestamp) { bytes_put32(data + 4, timestamp); }
static inline void rtp_set_ssrc(uint8_t *data, uint32_t ssrc) { bytes_put32(data + 8, ssrc); }

/* --- numbers that wrap --- */

/* `a` comes after `b`, by the shorter way around the circle (RFC 1982, section 3.2; at exactly half way, neither does). */
static inline bool rtp_sequence_after(uint16_t a, uint16_t b) { return (int16_t)(uint16_t)(a - b) > 0; }
static inline bool rtp_timestamp_after(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }

/* The 64-bit number nearest to `near` whose low bits are `value`: keeps a count that never wraps from one that does.
 * Feed it the largest number seen so far. May be negative when `near` is close to 0: start from 65536 or more. */
static inline int64_t rtp_unwrap_sequence(int64_t near, uint16_t value)
{
    return near + (int16_t)(uint16_t)(value - (uint16_t)near);
}
static inline int64_t rtp_unwrap_timestamp(int64_t near, uint32_t value)
{
    return near + (int32_t)(value - (uint32_t)near);
}

#endif
