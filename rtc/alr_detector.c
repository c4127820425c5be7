#include "rtc/alr_detector.h"

#include <math.h>

#define USAGE 0.65
#define START_LEVEL 0.80
#define STOP_LEVEL 0.50
#define BUDGET_S 0.5 /* the budget holds at most this much time's worth, either way */

static double clamp(double value, double limit) { return fmin(fmax(value, -limit), limit); }

void alr_detector_set_target(struct alr_detector *detector, int64_t target_bps)
{
    detector->bytes_per_s = USAGE * (double)target_bps / 8;
    detector->budget = clamp(detector->budget, detector->bytes_per_s * BUDGET_S);
}

void alr_detector_sent(struct alr_detector *detector, size_t size, nanos now)
{
    double capacity = detector->bytes_per_s * BUDGET_S;
    /* How long the very first packet took is not known, so it doesn't count. */
    if (detector->sent_before) {
        detector->budget = clamp(detector->budget - (double)size, capacity);
        detector->budget = clamp(detector->budget + detector->bytes_per_s * nanos_to_s(now - detector->last), capacity);
        if (!detector->limited && detector->budget > START_LEVEL * capacity) {
            detector->limited = true;
            detector->since = now;
        } else if (detector->limited && detector->budget < STOP_LEVEL * capacity) {
            detector->limited = false;
        }
    }
    detector->sent_before = true;
    detector->last = now;
}
