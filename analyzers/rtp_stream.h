/* One RTP stream as a capture shows it: counts, loss, jitter and gaps by the definitions of Wireshark's RTP stream
 * analysis (its users' guide, "RTP Analysis"), bit rate in one-second windows, frames. Only headers are looked at, so
 * SRTP is as good as RTP. docs/analyze.md defines every figure. */
#ifndef CONFAB_ANALYZERS_RTP_STREAM_H
#define CONFAB_ANALYZERS_RTP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

/* What of an RTP packet the figures are made from. */
struct rtp_sample {
    nanos time;
    uint32_t timestamp;
    uint32_t len; /* of the whole RTP packet on the wire */
    uint16_t sequence;
    uint8_t payload_type;
    bool marker;
    uint32_t contents; /* of SSRC 0, which is no one's: a hash of what the packet holds; of others 0 */
};

/* Jitter needs the media clock's rate, which no header tells: it is kept for all of these, and chosen at the end. */
#define RTP_STREAM_CLOCKS 8
extern const uint32_t rtp_stream_clock_rates[RTP_STREAM_CLOCKS];

#define RTP_STREAM_PAYLOAD_TYPES 4
#define RTP_STREAM_WINDOWS 128 /* a power of two */
#define RTP_STREAM_DUPLICATE_WINDOW 256

struct rtp_stream {
    uint64_t packets;
    uint64_t bytes;
    uint64_t duplicates;
    uint64_t reordered;
    nanos first_time;
    nanos last_time;

    /* sequence numbers, unwrapped */
    int64_t lowest;
    int64_t highest;
    uint64_t seen[RTP_STREAM_DUPLICATE_WINDOW / 64]; /* bit n: highest - n arrived */

    /* the last packet whose timestamp was not behind the one before it */
    nanos reference_time;
    int64_t reference_timestamp;
    int64_t first_timestamp;

    uint64_t regular; /* packets that count in the figures below; they mean nothing while it is 0 */
    double delta_min_ms;
    double delta_mean_ms;
    double delta_max_ms;
    double jitter_ms[RTP_STREAM_CLOCKS];
    double jitter_mean_ms[RTP_STREAM_CLOCKS];
    double jitter_max_ms[RTP_STREAM_CLOCKS];
    double deviation_ms[RTP_STREAM_CLOCKS]; /* sum of |D|: least for the right clock */

    uint64_t frames; /* distinct timestamps, marker or not */
    nanos last_frame_time;
    uint32_t recent_timestamps[8];
    uint8_t recent_count;

    uint8_t previous_payload_type;
    uint8_t payload_type_count;
    uint8_t payload_types[RTP_STREAM_PAYLOAD_TYPES];
    uint32_t payload_type_packets[RTP_STREAM_PAYLOAD_TYPES];

    /* one-second windows from the first packet on: at most RTP_STREAM_WINDOWS kept, every `window_stride`th one */
    uint32_t *windows;
    uint32_t window_count;
    uint32_t window_stride;
    uint64_t window_number;
    uint64_t window_bytes;
    uint64_t window_max_bytes;
};

/* `stream` is all zeros before its first packet. Packets come in the order of the capture. */
void rtp_stream_update(struct rtp_stream *stream, const struct rtp_sample *sample);
void rtp_stream_clear(struct rtp_stream *stream);

/* Highest minus lowest sequence number, plus one. */
uint64_t rtp_stream_expected(const struct rtp_stream *stream);

/* Expected minus those that came, each counted once. Wireshark's figure subtracts duplicates as well. */
uint64_t rtp_stream_lost(const struct rtp_stream *stream);

/* The payload type that most packets have. */
uint8_t rtp_stream_payload_type(const struct rtp_stream *stream);

double rtp_stream_duration_s(const struct rtp_stream *stream);

/* Frames per second from the first packet of the first frame to the first packet of the last; NAN below two frames. */
double rtp_stream_frame_rate(const struct rtp_stream *stream);

struct rtp_stream_bitrate {
    double mean_kbps; /* over the duration; NAN when that is 0 */
    double p95_kbps;  /* of the windows; NAN when none is full */
    double max_kbps;
};
struct rtp_stream_bitrate rtp_stream_bitrate(const struct rtp_stream *stream);

/* The index in rtp_stream_clock_rates of the rate that RFC 3551 fixes for a static payload type; -1 for others. */
int rtp_stream_static_clock(uint8_t payload_type);

/* The index of the rate that fits the arrival times; -1 when there are too few packets, or none of them fits. */
int rtp_stream_guess_clock(const struct rtp_stream *stream);

/* The index of a rate, -1 when it isn't kept. */
int rtp_stream_clock_index(uint32_t rate);

#endif
