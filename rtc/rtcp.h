/* RTCP (RFC 3550, section 6; feedback: RFC 4585, 5104; extended reports: RFC 3611): a walk over the packets of a
 * datagram, compound or reduced-size (RFC 5506), typed readers, and writers for all that is read.
 *
 * A reader takes a packet that rtcp_next gave; it is false when the packet is of another type or format, or its length
 * doesn't match what its fields say. Nothing is allocated and nothing copied but numbers. */
#ifndef CONFAB_RTC_RTCP_H
#define CONFAB_RTC_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define RTCP_HEADER_LEN 4 /* RFC 3550, 6.4.1 */
#define RTCP_COUNT_MAX 31 /* RFC 3550, 6.4.1: five bits */
#define RTCP_TEXT_MAX 255 /* RFC 3550, 6.5: SDES items; 6.6: the reason for a BYE */

enum rtcp_type {
    RTCP_SENDER_REPORT = 200, /* RFC 3550, 12.1 */
    RTCP_RECEIVER_REPORT = 201,
    RTCP_SOURCE_DESCRIPTION = 202,
    RTCP_BYE = 203,
    RTCP_APPLICATION = 204,
    RTCP_TRANSPORT_FEEDBACK = 205, /* RFC 4585, 6.1 */
    RTCP_PAYLOAD_FEEDBACK = 206,
    RTCP_EXTENDED_REPORT = 207, /* RFC 3611, 2 */
};

enum rtcp_transport_feedback_format {
    RTCP_FORMAT_NACK = 1,            /* RFC 4585, 6.2.1 */
    RTCP_FORMAT_TRANSPORT_WIDE = 15, /* draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1 */
};

enum rtcp_payload_feedback_format {
    RTCP_FORMAT_PLI = 1,          /* RFC 4585, 6.3.1 */
    RTCP_FORMAT_FIR = 4,          /* RFC 5104, 4.3.1 */
    RTCP_FORMAT_APPLICATION = 15, /* RFC 4585, 6.4: REMB is one */
};

/* Does this look like RTCP? Version 2 and a packet type of 192 to 223 (RFC 5761, section 4). */
static inline bool rtcp_is(const uint8_t *data, size_t len)
{
    return len >= RTCP_HEADER_LEN && (data[0] & 0xc0) == 0x80 && data[1] >= 192 && data[1] <= 223;
}

struct rtcp_packet {
    uint8_t type;        /* enum rtcp_type, or one we don't know: pass over it */
    uint8_t count;       /* five bits: the report or source count, the feedback format, or a subtype */
    const uint8_t *body; /* behind the four-byte header, without padding */
    size_t body_len;
};

/* A walk over one datagram. `failed` tells after it whether it ended because of something malformed. */
struct rtcp_cursor {
    const uint8_t *data;
    size_t len;
    size_t at;
    bool failed;
};

static inline struct rtcp_cursor rtcp_walk(const uint8_t *data, size_t len)
{
    return (struct rtcp_cursor){.data = data, .len = len};
}

/* The next packet; false at the end, and at a packet that isn't version 2, is longer than what is left, or has a
 * padding that doesn't fit. */
bool rtcp_next(struct rtcp_cursor *cursor, struct rtcp_packet *packet);

/* --- reports (RFC 3550, section 6.4) --- */

struct rtcp_sender_info {
    uint32_t ssrc;
    uint64_t ntp;
    uint32_t rtp_timestamp; /* the same instant on the stream's media clock */
    uint32_t packet_count;
    uint32_t octet_count; /* of payload */
};

struct rtcp_report_block {
    uint32_t ssrc;
    uint8_t fraction_lost;        /* in 1/256, since the previous report */
    int32_t cumulative_lost;      /* 24 bits, signed: duplicates can make it negative */
    uint32_t extended_highest;    /* cycles and highest sequence number */
    uint32_t jitter;              /* in units of the media clock */
    uint32_t last_sr;             /* middle 32 bits of the last SR's NTP time; 0 before one came */
    uint32_t delay_since_last_sr; /* in 1/65536 s */
};

/* A sender report's own part; its report blocks by rtcp_report_block. */
bool rtcp_read_sender_report(const struct rtcp_packet *packet, struct rtcp_sender_info *info);

/* A receiver report's sender; its report blocks by rtcp_report_block. */
bool rtcp_read_receiver_report(const struct rtcp_packet *packet, uint32_t *sender_ssrc);

/* Report block number `index` of a sender or receiver report; false when it has no such. */
bool rtcp_report_block(const struct rtcp_packet *packet, size_t index, struct rtcp_report_block *block);

/* --- SDES and BYE (RFC 3550, sections 6.5 and 6.6) --- */

#define RTCP_SDES_CNAME 1 /* RFC 3550, 6.5.1 */

struct rtcp_sdes_item {
    uint32_t ssrc; /* of its chunk */
    uint8_t type;
    uint8_t len;
    const char *text; /* UTF-8, not terminated */
};

/* The item that follows the one at `*cursor` (0 to begin with), through all chunks; false behind the last, or at
 * something malformed. */
bool rtcp_sdes_next(const struct rtcp_packet *packet, uint64_t *cursor, struct rtcp_sdes_item *item);

/* The source at `index` that says good-bye; false when there is no such. */
bool rtcp_bye_source(const struct rtcp_packet *packet, size_t index, uint32_t *ssrc);

/* --- feedback (RFC 4585, section 6.1): all start with who sends it, and about which stream --- */

struct rtcp_feedback {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;
    const uint8_t *control; /* the feedback control information */
    size_t control_len;
};

/* Any packet of type 205 or 206. */
bool rtcp_read_feedback(const struct rtcp_packet *packet, struct rtcp_feedback *feedback);

/* Generic NACK (RFC 4585, section 6.2.1). Calls `visit` with each sequence number asked for, in the order of the packet;
 * returns how many, 0 when it is no NACK. At most 17 per four bytes; what one datagram may cost is the visitor's to
 * limit. */
size_t rtcp_read_nack(const struct rtcp_packet *packet, struct rtcp_feedback *feedback,
                      void (*visit)(void *user, uint16_t sequence), void *user);

/* Picture loss indication: a key frame is wanted (RFC 4585, section 6.3.1). */
bool rtcp_read_pli(const struct rtcp_packet *packet, struct rtcp_feedback *feedback);

/* Full intra request (RFC 5104, section 4.3.1): entry `index`; false when there is no such. The media SSRC of the
 * feedback is 0; the stream is in the entry. The same number twice is the same request. */
struct rtcp_fir {
    uint32_t ssrc;
    uint8_t number;
};
bool rtcp_fir_entry(const struct rtcp_packet *packet, size_t index, struct rtcp_fir *entry);

/* Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03, section 2.2). */
struct rtcp_remb {
    uint32_t sender_ssrc;
    uint64_t bitrate_bps; /* saturates at UINT64_MAX */
    uint8_t ssrc_count;
    const uint8_t *ssrcs; /* four bytes each: bytes_get32 */
};
bool rtcp_read_remb(const struct rtcp_packet *packet, struct rtcp_remb *remb);

/* --- extended reports (RFC 3611): how a pure receiver learns its round-trip time --- */

struct rtcp_dlrr {
    uint32_t ssrc;    /* of the receiver that this answers */
    uint32_t last_rr; /* middle 32 bits of its reference time report */
    uint32_t delay;   /* since then, in 1/65536 s */
};

struct rtcp_extended_report {
    uint32_t ssrc;
    bool has_reference_time; /* RFC 3611, 4.4 */
    uint64_t ntp;
    size_t dlrr_count; /* RFC 3611, 4.5 */
    const uint8_t *dlrr;
};

/* The blocks we know; others are passed over. Of two blocks of a kind the last counts. */
bool rtcp_read_extended_report(const struct rtcp_packet *packet, struct rtcp_extended_report *report);
/* `index` < dlrr_count. */
struct rtcp_dlrr rtcp_dlrr_entry(const struct rtcp_extended_report *report, size_t index);

/* --- writers: each appends one packet; false when it doesn't fit or can't be expressed, and then the writer is as it
 * was. A compound packet starts with an SR or RR, and has an SDES with a CNAME (RFC 3550, section 6.1), unless
 * a=rtcp-rsize was negotiated. --- */

bool rtcp_write_sender_report(struct writer *writer, const struct rtcp_sender_info *info,
                              const struct rtcp_report_block *blocks, size_t block_count);
bool rtcp_write_receiver_report(struct writer *writer, uint32_t sender_ssrc, const struct rtcp_report_block *blocks,
                                size_t block_count);
bool rtcp_write_sdes_cname(struct writer *writer, uint32_t ssrc, const char *cname);
/* `reason` may be NULL. */
bool rtcp_write_bye(struct writer *writer, const uint32_t *ssrcs, size_t ssrc_count, const char *reason);
/* Packs up to 17 neighbouring numbers into each four bytes; they have to come in rising order (with wrap). */
bool rtcp_write_nack(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc, const uint16_t *sequences,
                     size_t count);
bool rtcp_write_pli(struct writer *writer, uint32_t sender_ssrc, uint32_t media_ssrc);
bool rtcp_write_fir(struct writer *writer, uint32_t sender_ssrc, const struct rtcp_fir *entries, size_t count);
/* The bitrate is rounded down to 18 significant bits. */
bool rtcp_write_remb(struct writer *writer, uint32_t sender_ssrc, uint64_t bitrate_bps, const uint32_t *ssrcs,
                     size_t ssrc_count);
bool rtcp_write_reference_time(struct writer *writer, uint32_t sender_ssrc, uint64_t ntp);
bool rtcp_write_dlrr(struct writer *writer, uint32_t sender_ssrc, const struct rtcp_dlrr *entries, size_t count);

#endif
