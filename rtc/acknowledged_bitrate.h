/* How much arrives: bytes over windows of 150 ms (the first 500 ms), smoothed by a Bayesian estimate that believes a
 * window the less the further it is from what it thought. Like libwebrtc's BitrateEstimator. */
#ifndef CONFAB_RTC_ACKNOWLEDGED_BITRATE_H
#define CONFAB_RTC_ACKNOWLEDGED_BITRATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

/* Starts by acknowledged_bitrate_reset. */
struct acknowledged_bitrate {
    bool started;
    bool expect_change;
    nanos change_sent; /* packets sent after this may show another rate */
    nanos last;        /* arrival */
    nanos window;      /* filled so far */
    size_t bytes;      /* in it */
    double kbps;       /* estimate; negative while there is none */
    double variance;
};

void acknowledged_bitrate_reset(struct acknowledged_bitrate *rate);

/* `size` bytes that were sent at `sent` arrived at `received` (the receiver's clock). */
void acknowledged_bitrate_add(struct acknowledged_bitrate *rate, nanos sent, nanos received, size_t size);

/* The application, which had been sending little, sends more from `now` on: the estimate may move fast. */
void acknowledged_bitrate_expect_change(struct acknowledged_bitrate *rate, nanos now);

/* Bits a second; 0 while there is no estimate. */
int64_t acknowledged_bitrate_bps(const struct acknowledged_bitrate *rate);

#endif
