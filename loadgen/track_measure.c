#include "loadgen/track_measure.h"

#include <string.h>

/* More is no latency: the sender has another clock. */
#define CLOCKS_APART (60 * NANOS_PER_S)

void track_measure_begin(struct track_measure *measure, nanos now)
{
    memset(measure, 0, sizeof *measure);
    measure->first = measure->last = now;
}

nanos track_measure_frame(struct track_measure *measure, const struct remote_track *track,
                          const struct received_frame *frame, nanos now)
{
    if (measure->frames == 0)
        measure->first = now;
    measure->last = now;
    measure->frames++;
    measure->bytes += frame->size;
    if (track->kind != TRACK_AUDIO)
        freeze_detector_frame(&measure->freeze, now);
    nanos latency = frame->completed - frame->captured;
    if (!frame->has_trailer || latency < 0 || latency > CLOCKS_APART)
        return -1;
    measure->latency_sum_ms += nanos_to_ms(latency);
    return latency;
}

struct track_loss track_measure_loss(const struct remote_track *track)
{
    const struct receive_stream *stream = track->stream;
    uint64_t expected = receive_statistics_expected(&stream->statistics);
    uint64_t first_time = stream->packets - stream->recovered;
    return (struct track_loss){
        .expected = expected,
        .lost = expected > first_time ? expected - first_time : 0,
        .lost_after_repair = expected > stream->packets ? expected - stream->packets : 0,
    };
}

static double audio_mos(const struct track_measure *measure, const struct remote_track *track)
{
    struct track_loss loss = track_measure_loss(track);
    const struct audio_impairment impairment = {
        .delay_ms = measure->latency_sum_ms / (double)measure->frames,
        .loss = loss.expected > 0 ? (double)loss.lost_after_repair / (double)loss.expected : 0,
    };
    return quality_mos(quality_audio_rating(&impairment));
}

static void see_video(struct track_summary *summary, const struct track_measure *measure,
                      const struct remote_track *track, double fps)
{
    double seconds = nanos_to_s(measure->last - measure->first);
    if (seconds < 1 || track->kind != TRACK_VIDEO)
        return;
    summary->seen = true;
    summary->bps = (double)measure->bytes * 8 / seconds;
    summary->fps = (double)measure->frames / seconds;
    const struct video_impairment impairment = {
        .bps = summary->bps,
        .width = track->height * 16.0 / 9,
        .height = track->height,
        .fps = summary->fps,
        .expected_fps = fps,
        .frozen = nanos_to_s(summary->frozen) / seconds,
    };
    summary->mos = quality_video_score(&impairment);
}

struct track_summary track_measure_end(struct track_measure *measure, const struct remote_track *track, double fps,
                                       nanos now)
{
    struct track_summary summary = {.received = measure->frames > 0};
    if (!summary.received)
        return summary;
    if (track->kind == TRACK_AUDIO) {
        summary.mos = audio_mos(measure, track);
        return summary;
    }
    freeze_detector_end(&measure->freeze, now);
    summary.freezes = measure->freeze.freezes + measure->freeze.pauses;
    summary.frozen = measure->freeze.frozen + measure->freeze.paused;
    see_video(&summary, measure, track, fps);
    return summary;
}
