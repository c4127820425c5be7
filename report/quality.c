#include "report/quality.h"

#include <math.h>

#define FREEZE_FACTOR 3
#define FREEZE_EXTRA (150 * NANOS_PER_MS)

/* What an interval without frames was. */
static void judge(struct freeze_detector *detector, nanos interval)
{
    if (interval > FREEZE_PAUSE) {
        detector->pauses++;
        detector->paused += interval;
        return;
    }
    nanos count = detector->intervals < FREEZE_WINDOW ? detector->intervals : FREEZE_WINDOW;
    if (count < FREEZE_INTERVALS_MIN)
        return;
    nanos mean = detector->sum / count;
    if (interval >= nanos_max(FREEZE_FACTOR * mean, mean + FREEZE_EXTRA)) {
        detector->freezes++;
        detector->frozen += interval;
    }
}

void freeze_detector_frame(struct freeze_detector *detector, nanos now)
{
    if (detector->frames++ > 0) {
        nanos interval = now - detector->last;
        judge(detector, interval);
        if (interval <= FREEZE_PAUSE) {
            nanos *slot = &detector->window[detector->intervals++ % FREEZE_WINDOW];
            detector->sum += interval - *slot;
            *slot = interval;
        }
    }
    detector->last = now;
}

void freeze_detector_end(struct freeze_detector *detector, nanos now)
{
    if (detector->frames > 0)
        judge(detector, now - detector->last);
}

double quality_audio_rating(const struct audio_impairment *impairment)
{
    double burst = impairment->burst > 0 ? impairment->burst : 1;
    double robustness = impairment->robustness > 0 ? impairment->robustness : 4.3;
    double percent = impairment->loss * 100;
    double equipment = impairment->equipment + (95 - impairment->equipment) * percent / (percent / burst + robustness);
    double delay = 0.024 * impairment->delay_ms + 0.11 * fmax(impairment->delay_ms - 177.3, 0);
    return 93.2 - delay - equipment;
}

double quality_mos(double rating)
{
    if (rating < 0)
        return 1;
    if (rating > 100)
        return 4.5;
    return fmax(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 1);
}

double quality_video_score(const struct video_impairment *impairment)
{
    double codec = impairment->codec > 0 ? impairment->codec : 1;
    double bits = codec * impairment->bps / (impairment->width * impairment->height) / impairment->fps;
    if (!(bits > 0) || !isfinite(bits))
        return 1;
    double score = fmin(fmax(0.56 * log(bits) + 5.36, 1), 5);
    if (impairment->expected_fps > impairment->fps)
        score -= 1.9 * log(impairment->expected_fps / impairment->fps);
    score -= 4 * impairment->frozen;
    return fmin(fmax(score, 1), 5);
}
