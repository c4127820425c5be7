/* What the path carried whenever its queue began to grow: mean and deviation of the throughput at overuse. Near it, the
 * rate is raised carefully. Like libwebrtc's LinkCapacityEstimator. */
#ifndef CONFAB_RTC_LINK_CAPACITY_H
#define CONFAB_RTC_LINK_CAPACITY_H

#include <stdbool.h>
#include <stdint.h>

/* Starts by link_capacity_reset. */
struct link_capacity {
    bool known;
    double kbps;
    double deviation; /* variance divided by the mean */
};

void link_capacity_reset(struct link_capacity *capacity);

/* So much arrived when overuse was detected. */
void link_capacity_overused(struct link_capacity *capacity, int64_t bps);

/* Three standard deviations away from the mean; 0 and INT64_MAX while unknown. */
int64_t link_capacity_lower(const struct link_capacity *capacity);
int64_t link_capacity_upper(const struct link_capacity *capacity);

#endif
