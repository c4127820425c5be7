/* The sending half of a connection: its streams, the pacer that spaces their packets, the history of what was sent with
 * which transport-wide number, and the congestion control that feedback about it drives. It makes plain RTP; whoever
 * owns it protects and sends that.
 *
 *     media_sender_send, _resend --> [ pacer ] --> media_sender_write --> SRTP
 *     feedback from the peer: media_sender_transport_feedback, _report, _nack, _remb */
#ifndef CONFAB_RTC_MEDIA_SENDER_H
#define CONFAB_RTC_MEDIA_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "base/rng.h"
#include "rtc/congestion_control.h"
#include "rtc/pacer.h"
#include "rtc/rtcp.h"
#include "rtc/rtp_extensions.h"
#include "rtc/send_stream.h"
#include "rtc/twcc_history.h"

/* A packet to send, without its header. */
struct media_packet {
    uint16_t sequence;
    uint32_t timestamp;
    nanos captured; /* the instant of `timestamp`, for sender reports */
    bool marker;
    bool has_audio_level;
    struct rtp_audio_level audio_level;
    const uint8_t *payload;
    size_t payload_len;
};

struct media_sender {
    struct congestion_control *congestion;
    struct pacer *pacer;
    struct twcc_history history;
    struct rtp_extension_map extensions;
    struct send_stream *streams; /* hash table by SSRC (uthash), in the order in which they were added */
    struct send_stream *padding; /* a stream whose payload type for RTX padding can have; NULL: no padding */
    uint16_t padding_sequence;
    struct rng rng;
    int64_t target_bps;
    nanos rtt;
    uint64_t ntp_origin;
    uint64_t padding_bytes, retransmitted_packets, retransmitted_bytes, dropped;
};

bool media_sender_init(struct media_sender *sender, const struct congestion_control_config *congestion,
                       const struct rtp_extension_map *extensions, uint64_t ntp_origin, uint64_t seed,
                       struct error *error);
void media_sender_clear(struct media_sender *sender);

/* The path is up: from now on there is something to probe. */
void media_sender_start(struct media_sender *sender, nanos now);

struct send_stream *media_sender_add(struct media_sender *sender, const struct send_stream_config *config);
void media_sender_remove(struct media_sender *sender, struct send_stream *stream);
struct send_stream *media_sender_find(struct media_sender *sender, uint32_t ssrc);

/* Queues a packet. False: dropped, because too much is queued or it doesn't fit into a datagram. */
bool media_sender_send(struct media_sender *sender, struct send_stream *stream, const struct media_packet *packet,
                       nanos now);

/* Queues one that was sent before, as RTX if the stream has it, when the guard allows it. */
bool media_sender_resend(struct media_sender *sender, struct send_stream *stream, const struct media_packet *packet,
                         nanos now);

/* The next RTP packet that is due, ready to be protected: its length, 0 when there is none. */
size_t media_sender_write(struct media_sender *sender, uint8_t *buf, size_t cap, nanos now);
nanos media_sender_deadline(const struct media_sender *sender);

/* --- what the peer says. Each returns true when the target rate has changed. --- */

bool media_sender_transport_feedback(struct media_sender *sender, const struct rtcp_packet *packet, nanos now);
bool media_sender_report_block(struct media_sender *sender, const struct rtcp_report_block *block, nanos now);
bool media_sender_remb(struct media_sender *sender, int64_t bps, nanos now);

/* Answers a request for one packet from the stream's own buffer. False when the stream keeps none. */
bool media_sender_answer_nack(struct media_sender *sender, struct send_stream *stream, uint16_t sequence, nanos now);

/* Timeouts of congestion control; called by media_sender_write as well. */
bool media_sender_process(struct media_sender *sender, nanos now);

#endif
