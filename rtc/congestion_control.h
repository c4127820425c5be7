/* How fast to send: Google's send-side congestion control (GCC), which every browser runs.
 *
 * It follows libwebrtc's GoogCcNetworkController with its default settings (2022 to 2024): trendline delay detector, AIMD
 * rate control around a link capacity estimate, acknowledged bitrate by Bayesian windows, probing at 3 and 6 times the
 * start rate and on from there, recovery probes after a drop while application-limited, periodic probes in
 * application-limited regions, the maximum-likelihood loss controller ("loss-based BWE v2"), back-off when feedback
 * stops. Without transport-wide feedback (receiver reports or REMB only) it falls back to the 2 % / 10 % loss rule, as
 * libwebrtc does. draft-ietf-rmcat-gcc-02 describes an older form.
 * Different: the additive increase is one packet per response time (libwebrtc has since halved it), loss in a full
 * tail-drop queue counts as overuse (rtc/full_queue.h), and bursts that arrive speak for more (rtc/loss_control.c). Left
 * out: congestion window, remote capacity reports, the "stable" estimate.
 *
 * One instance is one path: an ICE transport with everything bundled on it. It owns no packets. The owner
 *   - tells it each packet sent (`…_sent`) and what feedback says became of them (`…_feedback`),
 *   - sets encoders and pacer to `…_rates` and hands clusters from `…_probe` to the pacer, both after any call,
 *   - calls `…_process` when `…_deadline` comes. */
#ifndef CONFAB_RTC_CONGESTION_CONTROL_H
#define CONFAB_RTC_CONGESTION_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "rtc/probe_controller.h"
#include "rtc/twcc_result.h"

/* libwebrtc's defaults. */
#define CONGESTION_CONTROL_START_BPS 300000
#define CONGESTION_CONTROL_MIN_BPS 5000
#define CONGESTION_CONTROL_PACING_FACTOR 2.5

struct congestion_control_config {
    int64_t start_bps;       /* 0: 300 kbps */
    int64_t min_bps;         /* the target never goes below; at least 5 kbps */
    int64_t max_bps;         /* nor above; 0: unlimited, then probes stop at 5 Mbps */
    int64_t max_padding_bps; /* padding that fills up to the target, for instance to reach the next layer; 0: none */
    double pacing_factor;    /* pacing rate as a multiple of the target; 0: 2.5 */
    bool alr_probing;        /* probe every 5 s while the application sends much less than the target */
    bool layered; /* the application's rate goes in steps, as an SFU's, and may exceed the target for a while:
                                what has arrived without congestion is believed */
};

struct congestion_rates {
    int64_t target_bps;  /* for all media together, retransmissions and headers included */
    int64_t pacing_bps;  /* for the pacer's queue */
    int64_t padding_bps; /* fill up with padding to this rate */
};

struct congestion_control;

/* Errors: ERROR_USAGE for min > max > 0 or negative rates, ERROR_SYSTEM when out of memory. */
struct congestion_control *congestion_control_create(const struct congestion_control_config *config,
                                                     struct error *error);
void congestion_control_destroy(struct congestion_control *control);

/* A packet of `size` bytes left at `now` with transport-wide sequence number `sequence` (unwrapped, rising), as part of
 * probe cluster `probe` (0: none). Sizes are as on the wire, IP and UDP headers included if the caller wants the
 * target to include them; the same size must come back in the result. */
void congestion_control_sent(struct congestion_control *control, uint64_t sequence, size_t size, uint32_t probe,
                             nanos now);

/* One feedback message arrived at `now`: what became of `count` packets, in rising order of sequence. A packet that was
 * reported lost may be reported again as received. */
void congestion_control_feedback(struct congestion_control *control, const struct twcc_result *results, size_t count,
                                 nanos now);

/* A receiver report arrived: since the last one, `lost` packets of `expected` (RFC 3550, section 6.4.1). Used only
 * until there is transport-wide feedback. */
void congestion_control_loss_report(struct congestion_control *control, int64_t lost, int64_t expected, nanos now);

/* A round-trip time measured otherwise (RTCP LSR/DLSR, ICE consent). Transport-wide feedback gives its own. */
void congestion_control_rtt(struct congestion_control *control, nanos rtt, nanos now);

/* The receiver said how much it wants at most (REMB); 0 lifts the limit. */
void congestion_control_remb(struct congestion_control *control, int64_t bps, nanos now);

/* The application's limits changed; as in the configuration. A new maximum above the estimate is probed for. */
void congestion_control_set_limits(struct congestion_control *control, int64_t min_bps, int64_t max_bps, nanos now);

/* What the encoders could use at most, all layers on: probes never exceed twice this, and a rise while
 * application-limited is probed for. 0: unknown. */
void congestion_control_set_allocated(struct congestion_control *control, int64_t bps, nanos now);

/* Padding wanted at most, as in the configuration. */
void congestion_control_set_padding(struct congestion_control *control, int64_t max_padding_bps);

/* The path changed (another candidate pair): everything learnt is forgotten, the start rate is the configured one or
 * what was acknowledged on the old path if that was less. */
void congestion_control_route_changed(struct congestion_control *control, nanos now);

struct congestion_rates congestion_control_rates(const struct congestion_control *control);

/* The next probe to send, to be handed to the pacer. False when there is none. */
bool congestion_control_probe(struct congestion_control *control, struct probe_cluster *cluster);

/* Timeouts: probes, back-off. The first call starts the initial probes, so call it when the path is up. */
void congestion_control_process(struct congestion_control *control, nanos now);
nanos congestion_control_deadline(const struct congestion_control *control);

/* For statistics and tests. */
struct congestion_stats {
    nanos rtt;                /* 0 while unknown */
    double loss;              /* of the last report or observation, 0 to 1 */
    int64_t delay_based_bps;  /* what the delay controller alone would allow */
    int64_t loss_based_bps;   /* and the loss controller; INT64_MAX while it doesn't limit */
    int64_t acknowledged_bps; /* arriving at the other end; 0 while unknown */
    bool application_limited;
};
struct congestion_stats congestion_control_stats(const struct congestion_control *control);

#endif
