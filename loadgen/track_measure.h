/* What is measured of one track that somebody receives: frames, latency, freezes, and in the end its quality. */
#ifndef CONFAB_LOADGEN_TRACK_MEASURE_H
#define CONFAB_LOADGEN_TRACK_MEASURE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "peer/remote_track.h"
#include "report/quality.h"

struct track_measure {
    struct freeze_detector freeze; /* of video */
    double latency_sum_ms;
    uint64_t frames;
    uint64_t bytes;
    nanos first, last;
};

/* RTP packets as RFC 3550 counts them; lost ones before and after NACK, RTX and late arrival have mended some. */
struct track_loss {
    uint64_t expected, lost, lost_after_repair;
};

/* What a track came to. */
struct track_summary {
    bool received;    /* anything at all; the rest is 0 otherwise */
    bool seen;        /* a camera, for a second or more: kbps, fps and mos say something of it */
    uint64_t freezes; /* and pauses */
    nanos frozen;
    double bps, fps;
    double mos; /* of audio by the E-model, of a camera by quality_video_score */
};

void track_measure_begin(struct track_measure *measure, nanos now);

/* A frame came. Returns its latency in nanos, from capture to its complete arrival; negative when it has none. */
nanos track_measure_frame(struct track_measure *measure, const struct remote_track *track,
                          const struct received_frame *frame, nanos now);

struct track_loss track_measure_loss(const struct remote_track *track);

/* Nobody watches it any longer. `fps`: as the camera should have it. */
struct track_summary track_measure_end(struct track_measure *measure, const struct remote_track *track, double fps,
                                       nanos now);

#endif
