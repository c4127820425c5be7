/* The header extensions that WebRTC uses: their URIs, which numbers a session gave them, and what their values mean.
 * rtc/rtp.h has the elements themselves. */
#ifndef CONFAB_RTC_RTP_EXTENSIONS_H
#define CONFAB_RTC_RTP_EXTENSIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/rtp.h"

enum rtp_extension_kind {
    RTP_EXTENSION_MID,                /* RFC 9143 (was 8843), 15: text, which m= section */
    RTP_EXTENSION_RID,                /* RFC 8852, 3.3: text, which simulcast encoding */
    RTP_EXTENSION_REPAIRED_RID,       /* RFC 8852, 3.3: the same, on a retransmission stream */
    RTP_EXTENSION_AUDIO_LEVEL,        /* RFC 6464: loudness of this packet */
    RTP_EXTENSION_TRANSPORT_SEQUENCE, /* draft-holmer-rmcat-transport-wide-cc-extensions-01: 16-bit number */
    RTP_EXTENSION_ABS_SEND_TIME,      /* libwebrtc: 24-bit time of sending */
    RTP_EXTENSION_ABS_CAPTURE_TIME,   /* libwebrtc: NTP time of capture */
    RTP_EXTENSION_VIDEO_ORIENTATION,  /* 3GPP TS 26.114, 7.4.5: a forwarder passes it on as it is */
    RTP_EXTENSION_KINDS,
    RTP_EXTENSION_OTHER = RTP_EXTENSION_KINDS,
};

/* The extension's URI as SDP's a=extmap has it; NULL for RTP_EXTENSION_OTHER. */
const char *rtp_extension_uri(enum rtp_extension_kind kind);

/* Which one the `len` bytes at `uri` name. */
enum rtp_extension_kind rtp_extension_kind_of(const char *uri, size_t len);

/* The numbers that a session negotiated (a=extmap); 0: that extension isn't used. */
struct rtp_extension_map {
    uint8_t id[RTP_EXTENSION_KINDS];
};

/* Everything of interest in one packet: an element whose `id` is 0 isn't there. */
struct rtp_extensions {
    struct rtp_extension found[RTP_EXTENSION_KINDS];
};

/* Finds all mapped extensions of a packet in one walk. Of two elements with one ID the first counts. */
void rtp_extensions_read(const struct rtp_packet *packet, const struct rtp_extension_map *map,
                         struct rtp_extensions *extensions);

static inline const struct rtp_extension *rtp_extensions_get(const struct rtp_extensions *extensions,
                                                             enum rtp_extension_kind kind)
{
    return extensions->found[kind].id == 0 ? NULL : &extensions->found[kind];
}

/* --- values: each getter is false when the value hasn't the length its definition gives it --- */

/* MID, RID and repaired RID: a token of at most 16 (RID: letters and digits, RFC 8852, section 3.3) characters in our
 * use. Copies it with a terminator. */
#define RTP_TOKEN_CAP 17
bool rtp_get_token(const struct rtp_extension *extension, char text[RTP_TOKEN_CAP]);

struct rtp_audio_level {
    bool voice;        /* the sender believes that someone speaks */
    uint8_t below_max; /* -dBov: 0 is the loudest, 127 silence (RFC 6464, section 3) */
};
bool rtp_get_audio_level(const struct rtp_extension *extension, struct rtp_audio_level *level);
static inline uint8_t rtp_audio_level_byte(struct rtp_audio_level level)
{
    return (uint8_t)((level.voice ? 0x80 : 0) | (level.below_max > 127 ? 127 : level.below_max));
}

/* Also reads the longer form of transport-wide-cc-02, whose request for feedback is ignored. */
bool rtp_get_transport_sequence(const struct rtp_extension *extension, uint16_t *sequence);
static inline void rtp_put_transport_sequence(uint8_t value[2], uint16_t sequence) { bytes_put16(value, sequence); }

/* Abs-send-time: seconds in fixed point, 6 bits before and 18 behind the point, so it wraps every 64 s. */
#define RTP_ABS_SEND_TIME_LEN 3
bool rtp_get_abs_send_time(const struct rtp_extension *extension, uint32_t *send_time);
static inline uint32_t rtp_abs_send_time(nanos now)
{
    return (uint32_t)((((uint64_t)now % (64u * (uint64_t)NANOS_PER_S)) << 18) / (uint64_t)NANOS_PER_S);
}
/* The time from `b` to `a`, by the shorter way around. */
static inline nanos rtp_abs_send_time_difference(uint32_t a, uint32_t b)
{
    int32_t ticks = (int32_t)((a - b) << 8) / 256;
    return (nanos)ticks * NANOS_PER_S / (1 << 18);
}

/* Abs-capture-time: when the first frame of the packet was captured, and by how much an NTP clock of a mixer on the way
 * is ahead of the capturer's (only where the long form carries it). */
#define RTP_ABS_CAPTURE_TIME_LEN 8
#define RTP_ABS_CAPTURE_TIME_LONG_LEN 16
struct rtp_abs_capture_time {
    uint64_t ntp;
    bool has_offset;
    int64_t clock_offset; /* 32 bits of seconds, 32 of fraction */
};
bool rtp_get_abs_capture_time(const struct rtp_extension *extension, struct rtp_abs_capture_time *time);
/* Writes 8 bytes, or 16 with has_offset, and returns which. */
size_t rtp_put_abs_capture_time(uint8_t value[RTP_ABS_CAPTURE_TIME_LONG_LEN], const struct rtp_abs_capture_time *time);

#endif
