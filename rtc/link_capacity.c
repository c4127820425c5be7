#include "rtc/link_capacity.h"

#include <math.h>

#define WEIGHT 0.05
/* 0.4 is about 14 kbps at 500 kbps, 2.5 about 35 kbps. */
#define DEVIATION_START 0.4
#define DEVIATION_MIN 0.4
#define DEVIATION_MAX 2.5

void link_capacity_reset(struct link_capacity *capacity)
{
    *capacity = (struct link_capacity){.deviation = DEVIATION_START};
}

void link_capacity_overused(struct link_capacity *capacity, int64_t bps)
{
    double kbps = (double)bps / 1000;
    capacity->kbps = capacity->known ? (1 - WEIGHT) * capacity->kbps + WEIGHT * kbps : kbps;
    capacity->known = true;
    double error = capacity->kbps - kbps;
    double deviation = (1 - WEIGHT) * capacity->deviation + WEIGHT * error * error / fmax(capacity->kbps, 1.0);
    capacity->deviation = fmin(fmax(deviation, DEVIATION_MIN), DEVIATION_MAX);
}

static double three_deviations(const struct link_capacity *capacity)
{
    return 3 * sqrt(capacity->deviation * capacity->kbps);
}

int64_t link_capacity_lower(const struct link_capacity *capacity)
{
    return capacity->known ? (int64_t)(fmax(capacity->kbps - three_deviations(capacity), 0) * 1000) : 0;
}

int64_t link_capacity_upper(const struct link_capacity *capacity)
{
    return capacity->known ? (int64_t)((capacity->kbps + three_deviations(capacity)) * 1000) : INT64_MAX;
}
