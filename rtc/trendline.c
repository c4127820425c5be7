#include "rtc/trendline.h"

#include <math.h>
#include <string.h>

#define SMOOTHING 0.9
#define GAIN 4.0
#define DELTAS_THAT_COUNT 60
#define DELTAS_COUNTED 1000
#define OVERUSE_TIME (10 * NANOS_PER_MS)
#define THRESHOLD_START_MS 12.5
#define THRESHOLD_MIN_MS 6.0
#define THRESHOLD_MAX_MS 600.0
#define THRESHOLD_OUTLIER_MS 15.0 /* so far above, a value is a spike that says nothing about the noise */
#define THRESHOLD_UP 0.0087
#define THRESHOLD_DOWN 0.039
#define THRESHOLD_STEP_MAX_MS 100.0
#define NEVER_OVERUSING (-1)

void trendline_reset(struct trendline *trendline)
{
    *trendline =
        (struct trendline){.threshold_ms = THRESHOLD_START_MS, .overusing = NEVER_OVERUSING, .threshold_changed = -1};
}

/* The slope of the least-squares line; `previous` when all points have one abscissa. */
static double fit(const struct trendline *trendline, double previous)
{
    double mean_x = 0;
    double mean_y = 0;
    for (int i = 0; i < trendline->points; i++) {
        mean_x += trendline->window[i].arrival_ms;
        mean_y += trendline->window[i].delay_ms;
    }
    mean_x /= trendline->points;
    mean_y /= trendline->points;
    double covariance = 0;
    double variance = 0;
    for (int i = 0; i < trendline->points; i++) {
        double x = trendline->window[i].arrival_ms - mean_x;
        covariance += x * (trendline->window[i].delay_ms - mean_y);
        variance += x * x;
    }
    return variance == 0 ? previous : covariance / variance;
}

static void adapt_threshold(struct trendline *trendline, double magnitude, nanos now)
{
    nanos since = trendline->threshold_changed < 0 ? 0 : now - trendline->threshold_changed;
    trendline->threshold_changed = now;
    if (magnitude > trendline->threshold_ms + THRESHOLD_OUTLIER_MS)
        return;
    double gain = magnitude < trendline->threshold_ms ? THRESHOLD_DOWN : THRESHOLD_UP;
    double step_ms = fmin(nanos_to_ms(since), THRESHOLD_STEP_MAX_MS);
    double threshold = trendline->threshold_ms + gain * (magnitude - trendline->threshold_ms) * step_ms;
    trendline->threshold_ms = fmin(fmax(threshold, THRESHOLD_MIN_MS), THRESHOLD_MAX_MS);
}

static void detect(struct trendline *trendline, double slope, nanos sent_delta, nanos now)
{
    if (trendline->deltas < 2)
        return;
    int deltas = trendline->deltas < DELTAS_THAT_COUNT ? trendline->deltas : DELTAS_THAT_COUNT;
    double modified = deltas * slope * GAIN;
    if (modified > trendline->threshold_ms) {
        trendline->overusing =
            trendline->overusing == NEVER_OVERUSING ? sent_delta / 2 : trendline->overusing + sent_delta;
        trendline->overuses++;
        /* One steep point is not yet a trend, and a slope that already falls mends itself. */
        if (trendline->overusing > OVERUSE_TIME && trendline->overuses > 1 && slope >= trendline->slope) {
            trendline->overusing = 0;
            trendline->overuses = 0;
            trendline->usage = BANDWIDTH_OVERUSED;
        }
    } else {
        trendline->overusing = NEVER_OVERUSING;
        trendline->overuses = 0;
        trendline->usage = modified < -trendline->threshold_ms ? BANDWIDTH_UNDERUSED : BANDWIDTH_NORMAL;
    }
    trendline->slope = slope;
    adapt_threshold(trendline, fabs(modified), now);
}

void trendline_add(struct trendline *trendline, const struct arrival_delta *delta, nanos received)
{
    if (trendline->deltas == 0)
        trendline->origin = received;
    if (trendline->deltas < DELTAS_COUNTED)
        trendline->deltas++;
    trendline->delay_ms += nanos_to_ms(delta->received - delta->sent);
    trendline->smoothed_ms = SMOOTHING * trendline->smoothed_ms + (1 - SMOOTHING) * trendline->delay_ms;
    trendline->window[trendline->at].arrival_ms = nanos_to_ms(received - trendline->origin);
    trendline->window[trendline->at].delay_ms = trendline->smoothed_ms;
    trendline->at = (trendline->at + 1) % TRENDLINE_WINDOW;
    if (trendline->points < TRENDLINE_WINDOW)
        trendline->points++;
    double slope = trendline->slope;
    if (trendline->points == TRENDLINE_WINDOW)
        slope = fit(trendline, slope);
    detect(trendline, slope, delta->sent, received);
}
