/* Which protocol a datagram on a shared port belongs to, told by its first byte (RFC 7983, section 7, with the ranges
 * that RFC 9443 gave to QUIC), and RTP from RTCP by the second (RFC 5761, section 4).
 *
 *        [0..3] STUN     [16..19] ZRTP     [20..63] DTLS     [64..79] TURN channel (or QUIC, which we don't offer)
 *     [80..127] QUIC   [128..191] RTP, RTCP              [192..255] QUIC
 */
#ifndef CONFAB_RTC_PACKET_KIND_H
#define CONFAB_RTC_PACKET_KIND_H

#include <stddef.h>
#include <stdint.h>

enum packet_kind {
    PACKET_UNKNOWN,
    PACKET_STUN, /* by the first byte alone: stun_is also asks for the magic cookie */
    PACKET_ZRTP,
    PACKET_DTLS,
    PACKET_TURN_CHANNEL,
    PACKET_RTP,
    PACKET_RTCP,
    PACKET_QUIC,
};

/* RFC 5761, section 4: the second byte of RTCP is its packet type, 192 to 223, so RTP sharing a port with it avoids the
 * payload types 64 to 95. */
static inline enum packet_kind packet_kind(const uint8_t *data, size_t len)
{
    if (len == 0)
        return PACKET_UNKNOWN;
    uint8_t first = data[0];
    if (first <= 3)
        return PACKET_STUN;
    if (first < 16)
        return PACKET_UNKNOWN;
    if (first <= 19)
        return PACKET_ZRTP;
    if (first <= 63)
        return PACKET_DTLS;
    if (first <= 79)
        return PACKET_TURN_CHANNEL;
    if (first <= 127 || first >= 192)
        return PACKET_QUIC;
    if (len < 2)
        return PACKET_UNKNOWN;
    return data[1] >= 192 && data[1] <= 223 ? PACKET_RTCP : PACKET_RTP;
}

#endif
