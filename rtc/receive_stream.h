/* An RTP stream that arrives: its statistics and what is missing of it. */
#ifndef CONFAB_RTC_RECEIVE_STREAM_H
#define CONFAB_RTC_RECEIVE_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/nack.h"
#include "rtc/receive_statistics.h"
#include "rtc/rtp_extensions.h"

struct receive_stream_config {
    uint32_t ssrc;     /* 0: learnt from the first packet with this MID and RID */
    uint32_t rtx_ssrc; /* 0: none, or learnt from the repaired RID */
    uint8_t payload_type;
    uint8_t rtx_payload_type; /* 0: no RTX */
    uint32_t clock_rate;
    bool nack; /* ask for what is missing */
    char mid[RTP_TOKEN_CAP];
    char rid[RTP_TOKEN_CAP];
    void *user;
};

struct receive_stream {
    struct receive_stream_config config; /* the SSRCs as learnt */
    struct receive_statistics statistics;
    struct nack_generator nack;
    uint64_t report_ntp; /* of the last sender report: an instant, and the timestamp then; 0: there was none */
    uint32_t report_timestamp;
    nanos key_frame_requested; /* when last; NANOS_NEVER: never */
    bool key_frame_due;
    uint64_t packets, bytes; /* RTP with headers, first arrivals only, recovered ones included */
    uint64_t recovered;      /* that came by retransmission */
    uint64_t duplicates;
    struct receive_stream *previous, *next; /* in the receiver's list */
};

#endif
