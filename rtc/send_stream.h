/* An RTP stream that leaves: what every packet of it has in common, and what is remembered of those sent. */
#ifndef CONFAB_RTC_SEND_STREAM_H
#define CONFAB_RTC_SEND_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "base/nanos.h"
#include "rtc/retransmission.h"
#include "rtc/rtp_extensions.h"
#include "rtc/send_statistics.h"

struct send_stream_config {
    uint32_t ssrc;
    uint32_t rtx_ssrc; /* 0: no RTX */
    uint8_t payload_type;
    uint8_t rtx_payload_type;
    uint32_t clock_rate;
    bool audio;
    uint8_t without; /* header extensions that its section hasn't though others have: bits 1 << rtp_extension_kind */
    char mid[RTP_TOKEN_CAP]; /* sent with every packet, as is `rid`; "" for none */
    char rid[RTP_TOKEN_CAP];
    nanos buffer_window;   /* packets are kept so long to answer NACKs; 0: not at all, see packet_wanted */
    uint32_t buffer_bytes; /* at most so much of them */
    void *user;
};

struct send_stream {
    struct send_stream_config config;
    struct send_statistics statistics;
    struct retransmission_buffer buffer;
    struct retransmission_guard *guard; /* NULL until something is to be repeated */
    uint16_t rtx_sequence;
    int fir_number;          /* of the last FIR heeded; −1 before the first */
    uint64_t packets, bytes; /* RTP with headers, without retransmissions */
    UT_hash_handle hh;       /* in the sender's table, by config.ssrc */
};

#endif
