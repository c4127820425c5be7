/* What a sender counts of one RTP stream and tells in sender reports (RFC 3550, section 6.4.1), and what it learns of
 * its reception from the report blocks that come back. */
#ifndef CONFAB_RTC_SEND_STATISTICS_H
#define CONFAB_RTC_SEND_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/rtcp.h"

struct send_statistics {
    uint32_t ssrc;
    uint32_t clock_rate;
    uint64_t ntp_origin; /* rtc/ntp.h */
    uint64_t packets;
    uint64_t octets;    /* of payload */
    uint32_t timestamp; /* of the newest frame, and when that was captured */
    nanos captured;

    /* The last report block about it. */
    bool has_block;
    struct rtcp_report_block block;
    nanos rtt; /* 0: not known yet */
};

void send_statistics_init(struct send_statistics *statistics, uint32_t ssrc, uint32_t clock_rate, uint64_t ntp_origin);

/* A packet with `payload_len` bytes of payload was sent (for the first time: not a retransmission), of a frame with
 * that timestamp, captured then. */
void send_statistics_sent(struct send_statistics *statistics, uint32_t timestamp, nanos captured, size_t payload_len);

/* What a sender report says at `now`; false before the first packet. */
bool send_statistics_report(const struct send_statistics *statistics, struct rtcp_sender_info *info, nanos now);

/* Since the block before. */
struct send_loss {
    int64_t lost;
    int64_t expected;
};

/* A report block about this stream came at `now`. Returns the loss that it tells of; zeros with the first block and with
 * one that is older than the last. */
struct send_loss send_statistics_block(struct send_statistics *statistics, const struct rtcp_report_block *block,
                                       nanos now);

#endif
