/* The target rate: what delay, loss, receiver and application allow, whichever is least. Backs off when feedback stops:
 * once the round-trip time, counted on while nothing comes back, passes 3 s, by a fifth each second. Where there is no
 * transport-wide feedback, loss is judged by receiver reports: below 2 % up by 8 % a second, above 10 % down by half
 * the loss. Like libwebrtc's SendSideBandwidthEstimation. */
#ifndef CONFAB_RTC_TARGET_RATE_H
#define CONFAB_RTC_TARGET_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/loss_control.h"

#define TARGET_RATE_BUCKETS 10

/* Starts by target_rate_reset. */
struct target_rate {
    int64_t bps;
    int64_t min_bps;
    int64_t max_bps;         /* INT64_MAX: none */
    int64_t delay_based_bps; /* INT64_MAX: none */
    int64_t remb_bps;        /* INT64_MAX: none */
    struct loss_control loss_control;

    double loss; /* of the last report */
    int64_t lost;
    int64_t expected; /* not yet in a report: too few to be judged */
    nanos first_report;
    nanos last_report; /* with a loss figure */
    nanos decreased;
    bool decreased_since_report;
    nanos rtt;

    /* The least target in each of the last ten tenths of a second. */
    int64_t least[TARGET_RATE_BUCKETS];
    int64_t bucket;

    nanos rtt_updated; /* NANOS_NEVER until the first packet */
    nanos propagation_rtt;
    nanos last_sent;
};

void target_rate_reset(struct target_rate *target, int64_t start_bps, int64_t min_bps, int64_t max_bps);
void target_rate_set_limits(struct target_rate *target, int64_t min_bps, int64_t max_bps);

/* Start again from here: a probe's result. */
void target_rate_set(struct target_rate *target, int64_t bps);

void target_rate_sent(struct target_rate *target, nanos now);

/* Feedback came; without queueing at the far end, a packet and its feedback took `rtt`. */
void target_rate_propagation_rtt(struct target_rate *target, nanos rtt, nanos now);

/* `lost` of `expected` packets. */
void target_rate_lost(struct target_rate *target, int64_t lost, int64_t expected, nanos now);

/* Recomputes `bps`. */
void target_rate_update(struct target_rate *target, nanos now);

/* What may be used: `bps`, or less if the receiver wants less. */
int64_t target_rate_bps(const struct target_rate *target);

/* Has feedback been missing for so long that the target backs off? */
bool target_rate_backs_off(const struct target_rate *target);

#endif
