#include "analyzers/rtp_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/rtp.h"

/* Static payload types of RFC 3551, section 6, with other rates than 8,000 */
#define PT_DVI4_16000 6
#define PT_L16_STEREO 10
#define PT_L16_MONO 11
#define PT_COMFORT_NOISE 13
#define PT_MPEG_AUDIO 14
#define PT_DVI4_11025 16
#define PT_DVI4_22050 17
#define PT_COMFORT_NOISE_OLD 19
#define PT_VIDEO_FIRST 24
#define PT_VIDEO_LAST 34

/* Rates that are guessed from arrival times; the others only count when a payload type says so. */
#define GUESS_PACKETS_MIN 8
#define GUESS_SPAN_MIN (60 * NANOS_PER_MS)
#define GUESS_TOLERANCE 0.25

const uint32_t rtp_stream_clock_rates[RTP_STREAM_CLOCKS] = {8000, 16000, 24000, 32000, 48000, 90000, 44100, 11025};
#define GUESSED_CLOCKS 6

static const double TICK_MS[RTP_STREAM_CLOCKS] = {1e3 / 8000,  1e3 / 16000, 1e3 / 24000, 1e3 / 32000,
                                                  1e3 / 48000, 1e3 / 90000, 1e3 / 44100, 1e3 / 11025};

int rtp_stream_clock_index(uint32_t rate)
{
    for (int i = 0; i < RTP_STREAM_CLOCKS; i++) {
        if (rtp_stream_clock_rates[i] == rate)
            return i;
    }
    return -1;
}

int rtp_stream_static_clock(uint8_t payload_type)
{
    switch (payload_type) {
    case PT_DVI4_16000:
        return rtp_stream_clock_index(16000);
    case PT_L16_STEREO:
    case PT_L16_MONO:
        return rtp_stream_clock_index(44100);
    case PT_DVI4_11025:
        return rtp_stream_clock_index(11025);
    case PT_DVI4_22050:
        return -1;
    case PT_MPEG_AUDIO:
        return rtp_stream_clock_index(90000);
    default:
        if (payload_type <= PT_COMFORT_NOISE_OLD)
            return rtp_stream_clock_index(8000);
        if (payload_type >= PT_VIDEO_FIRST && payload_type <= PT_VIDEO_LAST)
            return rtp_stream_clock_index(90000);
        return -1;
    }
}

static void count_payload_type(struct rtp_stream *stream, uint8_t payload_type)
{
    for (uint8_t i = 0; i < stream->payload_type_count; i++) {
        if (stream->payload_types[i] == payload_type) {
            stream->payload_type_packets[i]++;
            return;
        }
    }
    if (stream->payload_type_count == RTP_STREAM_PAYLOAD_TYPES)
        return;
    stream->payload_types[stream->payload_type_count] = payload_type;
    stream->payload_type_packets[stream->payload_type_count++] = 1;
}

uint8_t rtp_stream_payload_type(const struct rtp_stream *stream)
{
    uint8_t best = 0;
    for (uint8_t i = 1; i < stream->payload_type_count; i++) {
        if (stream->payload_type_packets[i] > stream->payload_type_packets[best])
            best = i;
    }
    return stream->payload_types[best];
}

/* Slides the bits of `seen` by `by` places, towards older. */
static void slide(uint64_t *seen, uint64_t by)
{
    enum { WORDS = RTP_STREAM_DUPLICATE_WINDOW / 64 };
    size_t words = by / 64 < WORDS ? (size_t)(by / 64) : WORDS;
    unsigned bits = by % 64;
    for (size_t i = WORDS; i-- > 0;) {
        uint64_t word = i >= words ? seen[i - words] << bits : 0;
        if (bits > 0 && i > words)
            word |= seen[i - words - 1] >> (64 - bits);
        seen[i] = word;
    }
}

static void count_sequence(struct rtp_stream *stream, uint16_t sequence)
{
    int64_t number = rtp_unwrap_sequence(stream->highest, sequence);
    if (number > stream->highest) {
        slide(stream->seen, (uint64_t)(number - stream->highest));
        stream->seen[0] |= 1;
        stream->highest = number;
        return;
    }
    uint64_t behind = (uint64_t)(stream->highest - number);
    bool in_window = behind < RTP_STREAM_DUPLICATE_WINDOW;
    uint64_t bit = in_window ? (uint64_t)1 << (behind % 64) : 0;
    if (in_window && (stream->seen[behind / 64] & bit)) {
        stream->duplicates++;
        return;
    }
    if (in_window)
        stream->seen[behind / 64] |= bit;
    stream->reordered++;
    if (number < stream->lowest)
        stream->lowest = number;
}

/* Keeps a window that is over, if its turn has come; when they fill up, every other one goes. */
static void keep_window(struct rtp_stream *stream, uint64_t number, uint64_t bytes)
{
    if (bytes > stream->window_max_bytes)
        stream->window_max_bytes = bytes;
    if (stream->window_stride == 0)
        stream->window_stride = 1;
    if (number % stream->window_stride != 0)
        return;
    uint32_t count = stream->window_count;
    if (count == RTP_STREAM_WINDOWS) {
        for (uint32_t i = 0; i < RTP_STREAM_WINDOWS / 2; i++)
            stream->windows[i] = stream->windows[2 * i];
        stream->window_count = count = RTP_STREAM_WINDOWS / 2;
        stream->window_stride *= 2;
        if (number % stream->window_stride != 0)
            return;
    }
    if (count == 0 || (count >= 16 && (count & (count - 1)) == 0 && count < RTP_STREAM_WINDOWS)) {
        uint32_t cap = count == 0 ? 16 : count * 2;
        uint32_t *grown = realloc(stream->windows, cap * sizeof *grown);
        if (grown == NULL)
            return;
        stream->windows = grown;
    }
    stream->windows[stream->window_count++] = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
}

static void count_window(struct rtp_stream *stream, nanos time, uint32_t len)
{
    uint64_t number = time > stream->first_time ? (uint64_t)((time - stream->first_time) / NANOS_PER_S) : 0;
    if (number > stream->window_number) {
        keep_window(stream, stream->window_number, stream->window_bytes);
        /* Seconds without a packet are windows too; after a long silence only as many as can matter. */
        uint64_t empty = number - stream->window_number - 1;
        uint64_t first = empty > RTP_STREAM_WINDOWS ? number - RTP_STREAM_WINDOWS : stream->window_number + 1;
        for (uint64_t i = first; i < number; i++)
            keep_window(stream, i, 0);
        stream->window_number = number;
        stream->window_bytes = 0;
    }
    stream->window_bytes += len;
}

static bool is_new_frame(struct rtp_stream *stream, uint32_t timestamp)
{
    enum { RECENT = sizeof stream->recent_timestamps / sizeof stream->recent_timestamps[0] };
    uint8_t known = stream->recent_count < RECENT ? stream->recent_count : RECENT;
    for (uint8_t i = 0; i < known; i++) {
        if (stream->recent_timestamps[i] == timestamp)
            return false;
    }
    stream->recent_timestamps[stream->frames % RECENT] = timestamp;
    stream->recent_count = known < RECENT ? known + 1 : RECENT;
    stream->frames++;
    return true;
}

static bool is_comfort_noise(uint8_t payload_type)
{
    return payload_type == PT_COMFORT_NOISE || payload_type == PT_COMFORT_NOISE_OLD;
}

/* Gaps and jitter, as Wireshark has them: each packet against the last one whose timestamp was in order; averages leave
 * out packets with the marker, comfort noise and what follows it, and those whose timestamp goes back, but count them in
 * their weights. */
static void count_arrival(struct rtp_stream *stream, const struct rtp_sample *sample)
{
    int64_t timestamp = rtp_unwrap_timestamp(stream->reference_timestamp, sample->timestamp);
    bool in_order = timestamp >= stream->reference_timestamp;
    double arrival_ms = nanos_to_ms(sample->time - stream->reference_time);
    double ticks = (double)(timestamp - stream->reference_timestamp);
    bool regular = in_order && !sample->marker && !is_comfort_noise(sample->payload_type) &&
                   !is_comfort_noise(stream->previous_payload_type);
    double share = 1.0 / (double)stream->packets; /* of this gap among all so far */
    for (int i = 0; i < RTP_STREAM_CLOCKS; i++) {
        double deviation = fabs(arrival_ms - ticks * TICK_MS[i]);
        stream->deviation_ms[i] += deviation;
        stream->jitter_ms[i] += (deviation - stream->jitter_ms[i]) * (1.0 / 16.0);
    }
    for (int i = 0; regular && i < RTP_STREAM_CLOCKS; i++) {
        double jitter = stream->jitter_ms[i];
        stream->jitter_mean_ms[i] += (jitter - stream->jitter_mean_ms[i]) * share;
        stream->jitter_max_ms[i] = jitter > stream->jitter_max_ms[i] ? jitter : stream->jitter_max_ms[i];
    }
    if (regular) {
        stream->delta_mean_ms += (arrival_ms - stream->delta_mean_ms) * share;
        if (stream->regular == 0 || arrival_ms < stream->delta_min_ms)
            stream->delta_min_ms = arrival_ms;
        if (arrival_ms > stream->delta_max_ms)
            stream->delta_max_ms = arrival_ms;
        stream->regular++;
    }
    if (in_order) {
        stream->reference_time = sample->time;
        stream->reference_timestamp = timestamp;
    }
}

void rtp_stream_update(struct rtp_stream *stream, const struct rtp_sample *sample)
{
    if (stream->packets == 0) {
        stream->first_time = stream->last_time = stream->reference_time = sample->time;
        stream->lowest = stream->highest = 65536 + (int64_t)sample->sequence;
        stream->seen[0] = 1;
        stream->reference_timestamp = stream->first_timestamp = ((int64_t)1 << 32) + sample->timestamp;
    } else {
        count_arrival(stream, sample);
        count_sequence(stream, sample->sequence);
    }
    stream->packets++;
    stream->bytes += sample->len;
    if (sample->time > stream->last_time)
        stream->last_time = sample->time;
    count_payload_type(stream, sample->payload_type);
    stream->previous_payload_type = sample->payload_type;
    count_window(stream, sample->time, sample->len);
    if (is_new_frame(stream, sample->timestamp))
        stream->last_frame_time = sample->time;
}

void rtp_stream_clear(struct rtp_stream *stream)
{
    free(stream->windows);
    *stream = (struct rtp_stream){0};
}

uint64_t rtp_stream_expected(const struct rtp_stream *stream)
{
    return (uint64_t)(stream->highest - stream->lowest) + 1;
}

uint64_t rtp_stream_lost(const struct rtp_stream *stream)
{
    uint64_t expected = rtp_stream_expected(stream);
    uint64_t unique = stream->packets - stream->duplicates;
    /* A duplicate that comes too late to be known as one makes it look as if more came than were sent. */
    return expected > unique ? expected - unique : 0;
}

double rtp_stream_duration_s(const struct rtp_stream *stream)
{
    return nanos_to_s(stream->last_time - stream->first_time);
}

double rtp_stream_frame_rate(const struct rtp_stream *stream)
{
    nanos span = stream->last_frame_time - stream->first_time;
    return stream->frames < 2 || span <= 0 ? NAN : (double)(stream->frames - 1) / nanos_to_s(span);
}

static int compare_windows(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

struct rtp_stream_bitrate rtp_stream_bitrate(const struct rtp_stream *stream)
{
    struct rtp_stream_bitrate bitrate = {NAN, NAN, NAN};
    double duration = rtp_stream_duration_s(stream);
    if (duration > 0)
        bitrate.mean_kbps = (double)stream->bytes * 8.0 / 1000.0 / duration;
    if (stream->window_count > 0) {
        uint32_t sorted[RTP_STREAM_WINDOWS];
        memcpy(sorted, stream->windows, stream->window_count * sizeof sorted[0]);
        qsort(sorted, stream->window_count, sizeof sorted[0], compare_windows);
        size_t rank = (size_t)ceil(0.95 * stream->window_count);
        bitrate.p95_kbps = sorted[rank > 0 ? rank - 1 : 0] * 8.0 / 1000.0;
        bitrate.max_kbps = (double)stream->window_max_bytes * 8.0 / 1000.0;
    }
    return bitrate;
}

int rtp_stream_guess_clock(const struct rtp_stream *stream)
{
    nanos span = stream->reference_time - stream->first_time;
    int64_t ticks = stream->reference_timestamp - stream->first_timestamp;
    if (stream->packets < GUESS_PACKETS_MIN || span < GUESS_SPAN_MIN || ticks <= 0)
        return -1;
    int best = 0;
    for (int i = 1; i < GUESSED_CLOCKS; i++) {
        if (stream->deviation_ms[i] < stream->deviation_ms[best])
            best = i;
    }
    double rate = (double)ticks / nanos_to_s(span);
    return fabs(rate / rtp_stream_clock_rates[best] - 1.0) < GUESS_TOLERANCE ? best : -1;
}
