#include "rtc/rtx.h"

/*  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                         RTP Header                            |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |            OSN                |                               |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               |
 *  |                  Original RTP Packet Payload                  |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
#define PADDING_BIT 0x20

size_t rtx_wrap(struct rtx_stream *stream, const struct rtp_packet *packet, uint8_t *buf, size_t cap)
{
    struct writer w = writer_of(buf, cap);
    writer_bytes(&w, packet->data, packet->payload_offset);
    writer_u16(&w, packet->sequence);
    writer_bytes(&w, packet->payload, packet->payload_len);
    if (w.failed)
        return 0;
    buf[0] &= (uint8_t)~PADDING_BIT;
    rtp_set_payload_type(buf, stream->payload_type);
    rtp_set_sequence(buf, stream->next_sequence++);
    rtp_set_ssrc(buf, stream->ssrc);
    return w.len;
}

uint8_t *rtx_unwrap(const struct rtp_packet *packet, uint32_t ssrc, uint8_t payload_type, size_t *len)
{
    if (packet->payload_len <= RTX_OVERHEAD)
        return NULL;
    uint16_t original_sequence = bytes_get16(packet->payload);
    uint8_t *original = (uint8_t *)packet->data + RTX_OVERHEAD; /* the header moves: it is shorter than the payload */
    memmove(original, packet->data, packet->payload_offset);
    original[0] &= (uint8_t)~PADDING_BIT;
    rtp_set_payload_type(original, payload_type);
    rtp_set_sequence(original, original_sequence);
    rtp_set_ssrc(original, ssrc);
    *len = packet->payload_offset + packet->payload_len - RTX_OVERHEAD;
    return original;
}
