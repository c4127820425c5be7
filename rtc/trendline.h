/* Is the queue on the path growing? A line is fitted through the smoothed one-way delay variation of the last 20 packet
 * groups; its slope, compared with a threshold that adapts to the path's own noise, tells overuse, normal use and
 * underuse. Like libwebrtc's TrendlineEstimator; the adaptive threshold is that of Carlucci et al., "Analysis and
 * Design of the Google Congestion Control for WebRTC" (MMSys 2016), with libwebrtc's gains. */
#ifndef CONFAB_RTC_TRENDLINE_H
#define CONFAB_RTC_TRENDLINE_H

#include "base/nanos.h"
#include "rtc/inter_arrival.h"

#define TRENDLINE_WINDOW 20

enum bandwidth_usage {
    BANDWIDTH_NORMAL,
    BANDWIDTH_UNDERUSED, /* queues drain */
    BANDWIDTH_OVERUSED,  /* queues grow */
};

/* Starts by trendline_reset. */
struct trendline {
    enum bandwidth_usage usage;
    int deltas;      /* groups seen, up to 1,000 */
    int at;          /* where the next point goes */
    int points;      /* in the window */
    int overuses;    /* in a row */
    nanos overusing; /* for how long */
    nanos origin;    /* arrival of the first group */
    nanos threshold_changed;
    double delay_ms; /* accumulated variation */
    double smoothed_ms;
    double slope;
    double threshold_ms;
    struct {
        double arrival_ms; /* since origin */
        double delay_ms;
    } window[TRENDLINE_WINDOW];
};

void trendline_reset(struct trendline *trendline);

/* A group's distance from its predecessor, and when it arrived, by the receiver's clock. The outcome is in `usage`. */
void trendline_add(struct trendline *trendline, const struct arrival_delta *delta, nanos received);

#endif
