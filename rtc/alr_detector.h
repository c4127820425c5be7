/* Does the application send much less than it may (an application-limited region)? Then what arrives says little about
 * what the path could carry. A budget fills at 65 % of the target and is spent by what is sent; the region starts when
 * it is over 80 % full and ends below 50 %. Like libwebrtc's AlrDetector. */
#ifndef CONFAB_RTC_ALR_DETECTOR_H
#define CONFAB_RTC_ALR_DETECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

/* Starts as all zeros. */
struct alr_detector {
    bool sent_before;
    bool limited;
    nanos since; /* when the region started */
    nanos last;
    double bytes_per_s;
    double budget; /* bytes */
};

void alr_detector_set_target(struct alr_detector *detector, int64_t target_bps);
void alr_detector_sent(struct alr_detector *detector, size_t size, nanos now);

#endif
