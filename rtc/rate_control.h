/* The delay-based rate: additive increase, multiplicative decrease. While nothing is known of the link it rises by 8 %
 * a second; near the link's known capacity by about one packet per response time (RTT + 100 ms); it never rises beyond 1.5
 * times what arrives plus 10 kbps; on overuse it falls to 85 % of what arrives, then holds until the queue has drained.
 * Like libwebrtc's AimdRateControl. */
#ifndef CONFAB_RTC_RATE_CONTROL_H
#define CONFAB_RTC_RATE_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/link_capacity.h"
#include "rtc/trendline.h"

/* Starts by rate_control_reset. */
struct rate_control {
    bool hold; /* wait until the queue has drained */
    int64_t bps;
    int64_t min_bps;
    int64_t throughput_bps; /* acknowledged last */
    nanos changed;          /* when bps last changed, or could have */
    nanos rtt;
    struct link_capacity capacity;
};

void rate_control_reset(struct rate_control *control, int64_t start_bps, int64_t min_bps, nanos now);

/* The detector says `usage`, `acknowledged_bps` arrive (0: unknown). The outcome is in `bps`. */
void rate_control_update(struct rate_control *control, enum bandwidth_usage usage, int64_t acknowledged_bps, nanos now);

/* A probe measured the path. */
void rate_control_set(struct rate_control *control, int64_t bps, nanos now);

/* During overuse: is it time to decrease again? That is once in a round trip (10 to 200 ms), or at once when less than
 * half of the rate arrives. */
bool rate_control_may_decrease(const struct rate_control *control, int64_t acknowledged_bps, nanos now);

#endif
