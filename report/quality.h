/* How well a call was seen and heard: freezes and pauses, an E-model MOS for audio, an estimate for video. */
#ifndef CONFAB_REPORT_QUALITY_H
#define CONFAB_REPORT_QUALITY_H

#include <stdint.h>

#include "base/nanos.h"

/* --- freezes and pauses, as W3C's webrtc-stats defines freezeCount, pauseCount and their durations ------------------ */

#define FREEZE_WINDOW 30 /* frame intervals that are averaged */
#define FREEZE_PAUSE (5 * NANOS_PER_S)
#define FREEZE_INTERVALS_MIN 5 /* before there are so many, nothing is called a freeze; as libwebrtc */

/* Starts as all zeros. */
struct freeze_detector {
    uint64_t frames;
    uint32_t freezes;
    uint32_t pauses;
    nanos frozen; /* in total: the intervals that were freezes */
    nanos paused;
    nanos last;
    nanos sum; /* of the window */
    uint32_t intervals;
    nanos window[FREEZE_WINDOW];
};

/* A frame was rendered (or, where nothing is decoded, was complete and decodable) at `now`. An interval of at least
 * max(3 * mean, mean + 150 ms) over the last 30 is a freeze, one of more than 5 s a pause instead. */
void freeze_detector_frame(struct freeze_detector *detector, nanos now);

/* The stream was still wanted at `now`, when observation ended: what has passed since the last frame may be a freeze or a
 * pause, too. */
void freeze_detector_end(struct freeze_detector *detector, nanos now);

/* --- audio: the E-model, ITU-T G.107, with loss and one-way delay as its only impairments -------------------------- */

struct audio_impairment {
    double delay_ms;   /* from mouth to ear, one way */
    double loss;       /* after repair, 0 to 1 */
    double burst;      /* BurstR: mean run of losses, compared with random loss; 0: 1, random */
    double equipment;  /* Ie of the codec */
    double robustness; /* Bpl of the codec; 0: 4.3. ITU has no figure for Opus, so this is assumed */
};

/* The rating R, up to 93.2. */
double quality_audio_rating(const struct audio_impairment *impairment);

/* R as a mean opinion score, 1 to 4.5 (ITU-T G.107, annex B). */
double quality_mos(double rating);

/* --- video: an estimate from bits per pixel and frame; no standard stands behind it -------------------------------- */

struct video_impairment {
    double bps;
    double width;
    double height;
    double fps;          /* received */
    double expected_fps; /* captured */
    double codec;        /* 1 for VP8 and H.264, 1.2 for VP9; 0: 1 */
    double frozen;       /* share of the time, 0 to 1 */
};

/* 1 to 5. Each quarter of the time frozen costs a point. 1 when nothing was received. */
double quality_video_score(const struct video_impairment *impairment);

#endif
