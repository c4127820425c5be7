/* The loss-based rate: which bandwidth and which loss that has nothing to do with our rate explain best what was lost?
 * Observations of at least 250 ms each, the last 20, are weighed against a few candidate bandwidths: above its
 * bandwidth a link loses the excess, below it only its inherent loss; the likeliest wins, with a slight preference for
 * more. So 10 % random loss on a wide link costs little, and a full tail-drop queue a lot. Like libwebrtc's
 * LossBasedBweV2 with its default settings. */
#ifndef CONFAB_RTC_LOSS_CONTROL_H
#define CONFAB_RTC_LOSS_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

#define LOSS_OBSERVATIONS 20

enum loss_state {
    LOSS_UNLIMITED, /* the delay-based estimate is the lower one */
    LOSS_DECREASING,
    LOSS_INCREASING,
};

/* What one feedback message said. */
struct loss_report {
    uint32_t packets; /* reported for the first time */
    uint32_t lost;    /* of these */
    uint32_t late;    /* reported lost before, now received */
    size_t bytes;     /* of `packets` */
    nanos first_sent;
    nanos last_sent;
};

struct loss_observation {
    double sent_kbps;
    uint32_t packets;
    uint32_t lost;
};

/* Starts by loss_control_reset. */
struct loss_control {
    enum loss_state state;
    bool started;
    int64_t min_bps;
    int64_t max_bps;
    int64_t bps; /* the outcome */
    double bandwidth_kbps;
    double inherent_loss;
    double average_loss;
    double window_limit_kbps; /* while recovering, not above this … */
    nanos recovering_since;   /* … for 300 ms */
    nanos observed;           /* sending time of the last packet in the last observation */
    uint64_t count;           /* observations so far */
    struct loss_report partial;
    struct loss_observation observations[LOSS_OBSERVATIONS];
};

void loss_control_reset(struct loss_control *control, int64_t start_bps, int64_t min_bps, int64_t max_bps);

/* In the start phase the delay-based estimate is trusted: begin from it. */
void loss_control_set(struct loss_control *control, int64_t bps);

/* Takes a report. `acknowledged_bps` is 0 while unknown; while `application_limited` it is no candidate. */
void loss_control_update(struct loss_control *control, const struct loss_report *report, int64_t acknowledged_bps,
                         int64_t delay_based_bps, bool application_limited);

/* Enough observations to be used. */
bool loss_control_ready(const struct loss_control *control);

#endif
