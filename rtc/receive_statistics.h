/* What a receiver counts of one RTP stream: validity of sequence numbers (RFC 3550, A.1), loss (A.3), jitter (A.8), and
 * the report block that tells the sender (section 6.4.1). */
#ifndef CONFAB_RTC_RECEIVE_STATISTICS_H
#define CONFAB_RTC_RECEIVE_STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/rtcp.h"

#define RECEIVE_MAX_DROPOUT 3000 /* RFC 3550, A.1: a larger step ahead is a restart or a stray */
#define RECEIVE_MAX_MISORDER 100 /* RFC 3550, A.1: as is one further back than this */
#define RECEIVE_MIN_SEQUENTIAL 2 /* RFC 3550, A.1: so many in a row make a source of unknown origin valid */

struct receive_statistics {
    uint32_t ssrc;
    uint32_t clock_rate;
    bool started;
    uint8_t probation; /* packets in sequence until the source is valid */
    uint16_t highest_sequence;
    uint32_t cycles; /* multiples of 65536 */
    uint32_t base_sequence;
    uint32_t bad_sequence; /* what would follow a packet out of range; above 65535: none */
    uint64_t received;     /* duplicates and late ones included, as the RFC has it */
    uint64_t octets;       /* of payload */
    uint64_t expected_prior;
    uint64_t received_prior;
    bool has_transit;
    uint32_t transit;
    uint64_t jitter_16; /* sixteenfold, in timestamp units */
    uint32_t last_sr;
    nanos last_sr_at;
};

/* `probation`: 0 when the SSRC is known from signalling or authenticated, else RECEIVE_MIN_SEQUENTIAL. */
void receive_statistics_init(struct receive_statistics *statistics, uint32_t ssrc, uint32_t clock_rate,
                             uint8_t probation);

/* Counts a packet; false when it isn't valid (yet), and isn't counted. A jump that is confirmed by the packet after it
 * starts the counts anew. */
bool receive_statistics_packet(struct receive_statistics *statistics, uint16_t sequence, uint32_t timestamp,
                               size_t payload_len, nanos now);

/* A sender report of the same stream came. */
void receive_statistics_sender_report(struct receive_statistics *statistics, uint64_t ntp, nanos now);

uint32_t receive_statistics_extended_highest(const struct receive_statistics *statistics);
uint64_t receive_statistics_expected(const struct receive_statistics *statistics);
/* Negative when there are more duplicates than losses. */
int64_t receive_statistics_lost(const struct receive_statistics *statistics);
nanos receive_statistics_jitter(const struct receive_statistics *statistics);

/* Fills a report block for `now`; its fraction is of what was lost since the last call. False while there is nothing to
 * report. */
bool receive_statistics_report(struct receive_statistics *statistics, struct rtcp_report_block *block, nanos now);

#endif
