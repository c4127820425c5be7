/* The receiving half of a connection: finds the stream that a packet belongs to, undoes RTX, counts, notes what is
 * missing and when packets came, and writes the feedback that says so. */
#ifndef CONFAB_RTC_MEDIA_RECEIVER_H
#define CONFAB_RTC_MEDIA_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/nanos.h"
#include "rtc/receive_stream.h"
#include "rtc/rtcp.h"
#include "rtc/rtp.h"
#include "rtc/rtp_extensions.h"
#include "rtc/twcc.h"

enum { MEDIA_RECEIVER_STREAMS_MAX = 1024, MEDIA_RECEIVER_MEMORIES = 12 };

/* By which SSRCs a simulcast layer came that is no longer received. Browsers tell its RID only until a report has
 * acknowledged it (RFC 8852, section 3.3), so when the layer comes back nothing else says which it is. */
struct receive_memory {
    char mid[RTP_TOKEN_CAP];
    char rid[RTP_TOKEN_CAP];
    uint32_t ssrc, rtx_ssrc;
};

struct media_receiver {
    /* What each packet needs comes first. */
    struct rtp_extension_map extensions;
    struct receive_ssrc *recent;       /* of the last packet; NULL: look it up */
    struct twcc_recorder *recorder;    /* NULL until a packet has a transport-wide number */
    struct histogram *network_latency; /* of every packet with abs-send-time; NULL: not recorded */
    uint64_t feedback_bytes;           /* that came since its last feedback, at feedback_at */
    nanos nack_deadline;
    bool key_frame_due;             /* some stream has a PLI to send */
    struct receive_stream *streams; /* all, a list */
    struct receive_stream *last;
    size_t stream_count;
    struct receive_ssrc *ssrcs;      /* hash table: media and RTX SSRCs to streams */
    struct receive_memory *memories; /* MEDIA_RECEIVER_MEMORIES of them, or NULL */
    size_t next_memory;
    nanos feedback_at;
    nanos rtt;
    uint64_t ntp_origin;
};

void media_receiver_init(struct media_receiver *receiver, const struct rtp_extension_map *extensions,
                         uint64_t ntp_origin);
void media_receiver_clear(struct media_receiver *receiver);

/* As connection_add_receive_stream. */
struct receive_stream *media_receiver_add(struct media_receiver *receiver, const struct receive_stream_config *config);
void media_receiver_remove(struct media_receiver *receiver, struct receive_stream *stream);
struct receive_stream *media_receiver_find(const struct media_receiver *receiver, uint32_t ssrc);

/* What a packet came to. */
struct media_arrival {
    struct receive_stream *stream; /* NULL: of no stream, or nothing new in it: a duplicate, padding */
    struct rtp_packet packet;      /* of RTX: the original */
    struct rtp_extensions extensions;
    bool recovered;
    bool stuck; /* more is missing than can be mended: a key frame is needed */
};

/* Takes an authentic RTP packet; `data` may be changed. False when it isn't RTP. */
bool media_receiver_read(struct media_receiver *receiver, uint8_t *data, size_t len, nanos now,
                         struct media_arrival *arrival);

/* A sender report came. */
void media_receiver_sender_report(struct media_receiver *receiver, const struct rtcp_sender_info *info, nanos now);

void media_receiver_set_rtt(struct media_receiver *receiver, nanos rtt);

/* Asks for a key frame, unless that was done within the last 300 ms. */
void media_receiver_request_key_frame(struct media_receiver *receiver, struct receive_stream *stream, nanos now);

/* Appends what is to be said at once: transport-wide feedback, NACKs, PLIs. Nothing more when it writes nothing. */
void media_receiver_write_feedback(struct media_receiver *receiver, uint32_t ssrc, struct writer *writer, nanos now);

/* Report blocks of at most `cap` streams that have received something since the last report. */
size_t media_receiver_report(struct media_receiver *receiver, struct rtcp_report_block *blocks, size_t cap, nanos now);

nanos media_receiver_deadline(const struct media_receiver *receiver);

#endif
