#include "rtc/rtcp.h"

#define VERSION_2 0x80
#define VERSION_MASK 0xc0
#define PADDING_BIT 0x20
#define COUNT_MASK 0x1f
#define SENDER_INFO_LEN 24  /* RFC 3550, 6.4.1, with the SSRC */
#define REPORT_BLOCK_LEN 24 /* RFC 3550, 6.4.1 */
#define FEEDBACK_LEN 8      /* RFC 4585, 6.1: the two SSRCs */
#define NACK_LEN 4          /* RFC 4585, 6.2.1 */
#define FIR_LEN 8           /* RFC 5104, 4.3.1.1 */
#define REMB_LEN 8          /* draft-alvestrand-rmcat-remb-03, 2.2: "REMB", count, bitrate */
#define REMB_MANTISSA_BITS 18
#define XR_HEAD_LEN 4 /* RFC 3611, 3 */
#define XR_REFERENCE_TIME 4
#define XR_DLRR 5
#define XR_DLRR_LEN 12

static const uint8_t remb_name[4] = {'R', 'E', 'M', 'B'};

/*   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |V=2|P|  count  |      PT       |    length in words, minus 1   |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
bool rtcp_next(struct rtcp_cursor *cursor, struct rtcp_packet *packet)
{
    const uint8_t *data = cursor->data + cursor->at;
    size_t left = cursor->len - cursor->at;
    if (cursor->failed || left == 0)
        return false;
    cursor->failed = true; /* unless all goes well */
    if (left < RTCP_HEADER_LEN || (data[0] & VERSION_MASK) != VERSION_2)
        return false;
    size_t body_len = (size_t)bytes_get16(data + 2) * 4;
    if (body_len > left - RTCP_HEADER_LEN)
        return false;
    cursor->at += RTCP_HEADER_LEN + body_len;
    *packet = (struct rtcp_packet){
        .type = data[1],
        .count = data[0] & COUNT_MASK,
        .body = data + RTCP_HEADER_LEN,
        .body_len = body_len,
    };
    if ((data[0] & PADDING_BIT) != 0) {
        /* RFC 3550, 6.4.1, wants a multiple of four, in the last packet alone. libwebrtc pads its transport-wide
         * feedback by one to three bytes wherever it stands, so only the bounds are held. */
        uint8_t padding = body_len > 0 ? packet->body[body_len - 1] : 0;
        if (padding == 0 || padding > body_len)
            return false;
        packet->body_len -= padding;
    }
    cursor->failed = false;
    return true;
}

/* --- reports --- */

/* Where the report blocks start; what follows the last is a profile's own extension (RFC 3550, 6.4.3). */
static size_t report_blocks_offset(const struct rtcp_packet *packet)
{
    return packet->type == RTCP_SENDER_REPORT ? SENDER_INFO_LEN : 4;
}

static bool is_report(const struct rtcp_packet *packet, uint8_t type)
{
    return packet->type == type &&
           packet->body_len >= report_blocks_offset(packet) + (size_t)packet->count * REPORT_BLOCK_LEN;
}

bool rtcp_read_sender_report(const struct rtcp_packet *packet, struct rtcp_sender_info *info)
{
    if (!is_report(packet, RTCP_SENDER_REPORT))
        return false;
    *info = (struct rtcp_sender_info){
        .ssrc = bytes_get32(packet->body),
        .ntp = bytes_get64(packet->body + 4),
        .rtp_timestamp = bytes_get32(packet->body + 12),
        .packet_count = bytes_get32(packet->body + 16),
        .octet_count = bytes_get32(packet->body + 20),
    };
    return true;
}

bool rtcp_read_receiver_report(const struct rtcp_packet *packet, uint32_t *sender_ssrc)
{
    if (!is_report(packet, RTCP_RECEIVER_REPORT))
        return false;
    *sender_ssrc = bytes_get32(packet->body);
    return true;
}

/*  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                             SSRC                              |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  | fraction lost |       cumulative number of packets lost       |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |           extended highest sequence number received           |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                      interarrival jitter                      |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                         last SR (LSR)                         |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                   delay since last SR (DLSR)                  |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
bool rtcp_report_block(const struct rtcp_packet *packet, size_t index, struct rtcp_report_block *block)
{
    if ((!is_report(packet, RTCP_SENDER_REPORT) && !is_report(packet, RTCP_RECEIVER_REPORT)) || index >= packet->count)
        return false;
    const uint8_t *at = packet->body + report_blocks_offset(packet) + index * REPORT_BLOCK_LEN;
    uint32_t lost = bytes_get24(at + 5);
    *block = (struct rtcp_report_block){
        .ssrc = bytes_get32(at),
        .fraction_lost = at[4],
        .cumulative_lost = (int32_t)lost - ((lost & 0x800000) != 0 ? 0x1000000 : 0),
        .extended_highest = bytes_get32(at + 8),
        .jitter = bytes_get32(at + 12),
        .last_sr = bytes_get32(at + 16),
        .delay_since_last_sr = bytes_get32(at + 20),
    };
    return true;
}

/* --- SDES and BYE --- */

/* A chunk: SSRC, items of type, length and text, a zero byte, then zeros up to a multiple of four (RFC 3550, 6.5). The
 * SSRC is only known at a chunk's start, so the cursor keeps that too: chunk start in the high half, position in the
 * low half. A packet has at most 262,144 bytes. */
bool rtcp_sdes_next(const struct rtcp_packet *packet, uint64_t *cursor, struct rtcp_sdes_item *item)
{
    if (packet->type != RTCP_SOURCE_DESCRIPTION)
        return false;
    size_t chunk = (size_t)(*cursor >> 32);
    size_t at = (size_t)(*cursor & 0xffffffffu);
    while (at < packet->body_len) {
        if (at == chunk) { /* a chunk begins */
            if (packet->body_len - at < 8)
                break;
            at += 4;
        }
        if (packet->body[at] == 0) { /* and ends */
            at = (at + 4) & ~(size_t)3;
            chunk = at;
            continue;
        }
        if (packet->body_len - at < 2 || packet->body_len - at - 2 < packet->body[at + 1])
            break;
        *item = (struct rtcp_sdes_item){
            .ssrc = bytes_get32(packet->body + chunk),
            .type = packet->body[at],
            .len = packet->body[at + 1],
            .text = (const char *)packet->body + at + 2,
        };
        *cursor = (uint64_t)chunk << 32 | (at + 2 + item->len);
        return true;
    }
    *cursor = packet->body_len;
    return false;
}

bool rtcp_bye_source(const struct rtcp_packet *packet, size_t index, uint32_t *ssrc)
{
    if (packet->type != RTCP_BYE || index >= packet->count || packet->body_len < (size_t)packet->count * 4)
        return false;
    *ssrc = bytes_get32(packet->body + index * 4);
    return true;
}

/* --- feedback --- */

bool rtcp_read_feedback(const struct rtcp_packet *packet, struct rtcp_feedback *feedback)
{
    if ((packet->type != RTCP_TRANSPORT_FEEDBACK && packet->type != RTCP_PAYLOAD_FEEDBACK) ||
        packet->body_len < FEEDBACK_LEN)
        return false;
    *feedback = (struct rtcp_feedback){
        .sender_ssrc = bytes_get32(packet->body),
        .media_ssrc = bytes_get32(packet->body + 4),
        .control = packet->body + FEEDBACK_LEN,
        .control_len = packet->body_len - FEEDBACK_LEN,
    };
    return true;
}

static bool read_format(const struct rtcp_packet *packet, uint8_t type, uint8_t format, struct rtcp_feedback *feedback)
{
    return packet->type == type && packet->count == format && rtcp_read_feedback(packet, feedback);
}

/*  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |            PID                |             BLP               |   bit i of BLP: PID + i + 1 is lost too
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
size_t rtcp_read_nack(const struct rtcp_packet *packet, struct rtcp_feedback *feedback,
                      void (*visit)(void *user, uint16_t sequence), void *user)
{
    if (!read_format(packet, RTCP_TRANSPORT_FEEDBACK, RTCP_FORMAT_NACK, feedback))
        return 0;
    size_t count = 0;
    for (size_t at = 0; at + NACK_LEN <= feedback->control_len; at += NACK_LEN) {
        uint16_t first = bytes_get16(feedback->control + at);
        uint16_t more = bytes_get16(feedback->control + at + 2);
        visit(user, first);
        count++;
        for (uint16_t i = 1; more != 0; i++, more >>= 1) {
            if ((more & 1) != 0) {
                visit(user, (uint16_t)(first + i));
                count++;
            }
        }
    }
    return count;
}

bool rtcp_read_pli(const struct rtcp_packet *packet, struct rtcp_feedback *feedback)
{
    return read_format(packet, RTCP_PAYLOAD_FEEDBACK, RTCP_FORMAT_PLI, feedback);
}

bool rtcp_fir_entry(const struct rtcp_packet *packet, size_t index, struct rtcp_fir *entry)
{
    struct rtcp_feedback feedback;
    if (!read_format(packet, RTCP_PAYLOAD_FEEDBACK, RTCP_FORMAT_FIR, &feedback) ||
        index >= feedback.control_len / FIR_LEN)
        return false;
    const uint8_t *at = feedback.control + index * FIR_LEN;
    *entry = (struct rtcp_fir){.ssrc = bytes_get32(at), .number = at[4]};
    return true;
}

/*  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |  Unique identifier 'R' 'E' 'M' 'B'                            |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |  Num SSRC     | BR Exp    |  BR Mantissa                      |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |   SSRC feedback, Num SSRC of them                             |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
bool rtcp_read_remb(const struct rtcp_packet *packet, struct rtcp_remb *remb)
{
    struct rtcp_feedback feedback;
    if (!read_format(packet, RTCP_PAYLOAD_FEEDBACK, RTCP_FORMAT_APPLICATION, &feedback) ||
        feedback.control_len < REMB_LEN || memcmp(feedback.control, remb_name, sizeof remb_name) != 0)
        return false;
    uint8_t ssrc_count = feedback.control[4];
    if (feedback.control_len - REMB_LEN < (size_t)ssrc_count * 4)
        return false;
    uint8_t exponent = feedback.control[5] >> 2;
    uint64_t mantissa = bytes_get24(feedback.control + 5) & 0x3ffff;
    bool fits = mantissa <= UINT64_MAX >> exponent;
    *remb = (struct rtcp_remb){
        .sender_ssrc = feedback.sender_ssrc,
        .bitrate_bps = fits ? mantissa << exponent : UINT64_MAX,
        .ssrc_count = ssrc_count,
        .ssrcs = feedback.control + REMB_LEN,
    };
    return true;
}

/* --- extended reports --- */

/*  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |      BT       | type-specific |         length in words       |   RFC 3611, section 3
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
bool rtcp_read_extended_report(const struct rtcp_packet *packet, struct rtcp_extended_report *report)
{
    if (packet->type != RTCP_EXTENDED_REPORT || packet->body_len < 4)
        return false;
    *report = (struct rtcp_extended_report){.ssrc = bytes_get32(packet->body)};
    for (size_t at = 4; at < packet->body_len;) {
        const uint8_t *block = packet->body + at;
        if (packet->body_len - at < XR_HEAD_LEN)
            return false;
        size_t len = (size_t)bytes_get16(block + 2) * 4;
        if (packet->body_len - at - XR_HEAD_LEN < len)
            return false;
        if (block[0] == XR_REFERENCE_TIME) {
            if (len != 8)
                return false;
            report->has_reference_time = true;
            report->ntp = bytes_get64(block + XR_HEAD_LEN);
        } else if (block[0] == XR_DLRR) {
            if (len % XR_DLRR_LEN != 0)
                return false;
            report->dlrr_count = len / XR_DLRR_LEN;
            report->dlrr = block + XR_HEAD_LEN;
        }
        at += XR_HEAD_LEN + len;
    }
    return true;
}

struct rtcp_dlrr rtcp_dlrr_entry(const struct rtcp_extended_report *report, size_t index)
{
    const uint8_t *at = report->dlrr + index * XR_DLRR_LEN;
    return (struct rtcp_dlrr){.ssrc = bytes_get32(at), .last_rr = bytes_get32(at + 4), .delay = bytes_get32(at + 8)};
}

/* --- writers --- */

/* Starts a packet in what `writer` has left. Nothing counts as written there until finish. */
static struct writer start(const struct writer *writer, uint8_t type, size_t count)
{
    struct writer w = writer_of(writer->start + writer->len, writer->cap - writer->len);
    w.failed = writer->failed || count > RTCP_COUNT_MAX;
    writer_u8(&w, (uint8_t)(VERSION_2 | count));
    writer_u8(&w, type);
    writer_u16(&w, 0);
    return w;
}

static bool finish(struct writer *writer, struct writer *w)
{
    while (!w->failed && w->len % 4 != 0)
        writer_u8(w, 0);
    if (w->failed || w->len / 4 - 1 > UINT16_MAX)
        return false;
    bytes_put16(w->start + 2, (uint16_t)(w->len / 4 - 1));
    writer->len += w->len;
    return true;
}

static void write_blocks(struct writer *w, const struct rtcp_report_block *blocks, size_t count)
{
    for (size_t i = 0; i < count && !w->failed; i++) {
        const struct rtcp_report_block *block = &blocks[i];
        int32_t lost = block->cumulative_lost; /* clamped to 24 bits, not wrapped (RFC 3550, A.3) */
        lost = lost > 0x7fffff ? 0x7fffff : lost < -0x800000 ? -0x800000 : lost;
        writer_u32(w, block->ssrc);
        writer_u8(w, block->fraction_lost);
        writer_u24(w, (uint32_t)lost & 0xffffff);
        writer_u32(w, block->extended_highest);
        writer_u32(w, block->jitter);
        writer_u32(w, block->last_sr);
        writer_u32(w, block->delay_since_last_sr);
    }
}

bool rtcp_write_sender_report(struct writer *writer, const struct rtcp_sender_info *info,
                              const struct rtcp_report_block *blocks, size_t block_count)
{
    struct writer w = start(writer, RTCP_SENDER_REPORT, block_count);
    writer_u32(&w, info->ssrc);
    writer_u64(&w, info->ntp);
    writer_u32(&w, info->rtp_timestamp);
    writer_u32(&w, info->packet_count);
    writer_u32(&w, info->octet_count);
    write_blocks(&w, blocks, block_count);
    return finish(writer, &w);
}

bool rtcp_write_receiver_report(struct writer *writer, uint32_t sender_ssrc, const struct rtcp_report_block *blocks,
                                size_t block_count)
{
    struct writer w = start(writer, RTCP_RECEIVER_REPORT, block_count);
    writer_u32(&w, sender_ssrc);
    write_blocks(&w, blocks, block_count);
    return finish(writer, &w);
}

bool rtcp_write_sdes_cname(struct writer *writer, uint32_t ssrc, const char *cname)
{
    size_t len = strlen(cname);
    struct writer w = start(writer, RTCP_SOURCE_DESCRIPTION, 1);
    if (len > RTCP_TEXT_MAX)
        w.failed = true;
    writer_u32(&w, ssrc);
    writer_u8(&w, RTCP_SDES_CNAME);
    writer_u8(&w, (uint8_t)len);
    writer_bytes(&w, cname, len);
    writer_u8(&w, 0); /* ends the chunk */
    return finish(writer, &w);
}

bool rtcp_write_bye(struct writer *writer, const uint32_t *ssrcs, size_t ssrc_count, const char *reason)
{
    struct writer w = start(writer, RTCP_BYE, ssrc_count);
    for (size_t i = 0; i < ssrc_count && !w.failed; i++)
        writer_u32(&w, ssrcs[i]);
    if (reason != NULL) {
        size_t len = strlen(reason);
        if (len > RTCP_TEXT_MAX)
            w.failed = true;
        writer_u8(&w, (uint8_t)len);
        writer_bytes(&w, reason, len);
    }
    return finish(writer, &w);
}

static struct writer start_feedback(const struct writer *writer, uint8_t type, uint8_t format, uint32_t sender_ssrc,
                                    uint32_t media_ssrc)
{
    struct writer w = start(writer, type, format);
    writer_u32(&w, sender_ssrc);
    writer_u32(&w, media_ssrc);
    return w;
}

bool rtcp_write_nack(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t *sequences,
                     size_t count)
{
    struct writer w = start_feedback(writer, RTCP_TRANSPORT_FEEDBACK, RTCP_FORMAT_NACK, sender_ssrc, media_ssrc);
    if (count == 0)
        w.failed = true; /* RFC 4585, 6.2.1: at least one */
    for (size_t i = 0; i < count && !w.failed;) {
        uint16_t first = sequences[i++];
        uint16_t more = 0;
        for (; i < count; i++) {
            uint16_t distance = (uint16_t)(sequences[i] - first);
            if (distance > 16)
                break;
            if (distance > 0)
                more |= (uint16_t)(1u << (distance - 1));
        }
        writer_u16(&w, first);
        writer_u16(&w, more);
    }
    return finish(writer, &w);
}

bool rtcp_write_pli(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc)
{
    struct writer w = start_feedback(writer, RTCP_PAYLOAD_FEEDBACK, RTCP_FORMAT_PLI, sender_ssrc, media_ssrc);
    return finish(writer, &w);
}

bool rtcp_write_fir(struct writer *writer, uint32_t sender_ssrc, const struct rtcp_fir *entries, size_t count)
{
    struct writer w = start_feedback(writer, RTCP_PAYLOAD_FEEDBACK, RTCP_FORMAT_FIR, sender_ssrc, 0);
    for (size_t i = 0; i < count && !w.failed; i++) {
        writer_u32(&w, entries[i].ssrc);
        writer_u8(&w, entries[i].number);
        writer_u24(&w, 0);
    }
    return finish(writer, &w);
}

bool rtcp_write_remb(struct writer *writer, uint32_t sender_ssrc, uint64_t bitrate_bps, const uint32_t *ssrcs,
                     size_t ssrc_count)
{
    struct writer w = start_feedback(writer, RTCP_PAYLOAD_FEEDBACK, RTCP_FORMAT_APPLICATION, sender_ssrc, 0);
    uint8_t exponent = 0;
    while (bitrate_bps >> exponent >= 1u << REMB_MANTISSA_BITS)
        exponent++;
    if (ssrc_count > UINT8_MAX)
        w.failed = true;
    writer_bytes(&w, remb_name, sizeof remb_name);
    writer_u8(&w, (uint8_t)ssrc_count);
    writer_u24(&w, (uint32_t)exponent << REMB_MANTISSA_BITS | (uint32_t)(bitrate_bps >> exponent));
    for (size_t i = 0; i < ssrc_count && !w.failed; i++)
        writer_u32(&w, ssrcs[i]);
    return finish(writer, &w);
}

bool rtcp_write_reference_time(struct writer *writer, uint32_t sender_ssrc, uint64_t ntp)
{
    struct writer w = start(writer, RTCP_EXTENDED_REPORT, 0);
    writer_u32(&w, sender_ssrc);
    writer_u8(&w, XR_REFERENCE_TIME);
    writer_u8(&w, 0);
    writer_u16(&w, 2);
    writer_u64(&w, ntp);
    return finish(writer, &w);
}

bool rtcp_write_dlrr(struct writer *writer, uint32_t sender_ssrc, const struct rtcp_dlrr *entries, size_t count)
{
    struct writer w = start(writer, RTCP_EXTENDED_REPORT, 0);
    writer_u32(&w, sender_ssrc);
    writer_u8(&w, XR_DLRR);
    writer_u8(&w, 0);
    writer_u16(&w, (uint16_t)(count * XR_DLRR_LEN / 4));
    for (size_t i = 0; i < count && !w.failed; i++) {
        writer_u32(&w, entries[i].ssrc);
        writer_u32(&w, entries[i].last_rr);
        writer_u32(&w, entries[i].delay);
    }
    return finish(writer, &w);
}
