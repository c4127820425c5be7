/* Retransmission packets (RFC 4588): an RTP packet sent again under another SSRC, payload type and sequence number, its
 * own sequence number in front of its payload. */
#ifndef CONFAB_RTC_RTX_H
#define CONFAB_RTC_RTX_H

#include <stddef.h>
#include <stdint.h>

#include "rtc/rtp.h"

#define RTX_OVERHEAD 2 /* RFC 4588, 4: the original sequence number */

/* The stream that carries retransmissions of one other. */
struct rtx_stream {
    uint32_t ssrc;
    uint8_t payload_type;
    uint16_t next_sequence; /* random at first (RFC 4588, section 4) */
};

/* Writes `packet` (parsed as RTP_CLEAR) as the stream's next retransmission into `buf`, its padding left out. Returns
 * its length, at most packet->len + RTX_OVERHEAD; 0 when it doesn't fit. */
size_t rtx_wrap(struct rtx_stream *stream, const struct rtp_packet *packet, uint8_t *buf, size_t cap);

/* Makes the original of the retransmission `packet`, which lies in the writable bytes that packet->data points to.
 * Returns where the original starts, a little behind the start of those, and its length; it has no padding. NULL when
 * there is no original in it: a retransmission stream of padding probes for bandwidth. */
uint8_t *rtx_unwrap(const struct rtp_packet *packet, uint32_t ssrc, uint8_t payload_type, size_t *len);

#endif
