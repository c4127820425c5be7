#include "rtc/congestion_control.h"

#include <stdlib.h>

#include "rtc/acknowledged_bitrate.h"
#include "rtc/alr_detector.h"
#include "rtc/full_queue.h"
#include "rtc/inter_arrival.h"
#include "rtc/probe_estimator.h"
#include "rtc/rate_control.h"
#include "rtc/target_rate.h"
#include "rtc/trendline.h"

#define STREAM_TIMEOUT (2 * NANOS_PER_S)
#define LOSS_INTERVAL (1 * NANOS_PER_S)
#define PROCESS_INTERVAL (200 * NANOS_PER_MS)
#define PROBE_DROP_FRACTION 0.85 /* a probe's result doesn't take the rate below this much of what arrives */
#define RTT_WEIGHT (1.0 / 16)

struct congestion_control {
    struct congestion_control_config config;
    nanos processed;

    struct inter_arrival inter_arrival;
    struct trendline trendline;
    struct full_queue full_queue;
    struct rate_control rate_control;
    struct acknowledged_bitrate acknowledged;
    struct alr_detector alr;
    struct probe_controller probe_controller;
    struct probe_estimator probe_estimator;
    struct target_rate target;

    bool has_feedback;
    nanos last_feedback;
    uint64_t newest_reported; /* sequence */
    int64_t lost;             /* since the last time that the target was told */
    int64_t expected;
    nanos loss_due;
    double rtt; /* nanoseconds, averaged */
};

static int64_t max_or_unlimited(int64_t max_bps) { return max_bps > 0 ? max_bps : INT64_MAX; }

static void start(struct congestion_control *control, int64_t start_bps, nanos now)
{
    const struct congestion_control_config *config = &control->config;
    control->inter_arrival = (struct inter_arrival){0};
    trendline_reset(&control->trendline);
    control->full_queue = (struct full_queue){0};
    target_rate_reset(&control->target, start_bps, config->min_bps, max_or_unlimited(config->max_bps));
    rate_control_reset(&control->rate_control, control->target.bps, config->min_bps, now);
    acknowledged_bitrate_reset(&control->acknowledged);
    control->alr = (struct alr_detector){0};
    alr_detector_set_target(&control->alr, control->target.bps);
    probe_controller_reset(&control->probe_controller, control->target.bps, config->max_bps, now);
    control->probe_estimator = (struct probe_estimator){0};
    control->has_feedback = false;
    control->lost = control->expected = 0;
    control->loss_due = now + LOSS_INTERVAL;
    control->rtt = 0;
    control->processed = now;
}

struct congestion_control *congestion_control_create(const struct congestion_control_config *config,
                                                     struct error *error)
{
    struct congestion_control_config checked = *config;
    if (config->start_bps < 0 || config->min_bps < 0 || config->max_bps < 0 || config->max_padding_bps < 0 ||
        config->pacing_factor < 0) {
        error_set(error, ERROR_USAGE, "congestion control: rates must not be negative");
        return NULL;
    }
    if (config->max_bps > 0 && config->min_bps > config->max_bps) {
        error_set(error, ERROR_USAGE, "congestion control: the minimum of %lld bps is above the maximum of %lld bps",
                  (long long)config->min_bps, (long long)config->max_bps);
        return NULL;
    }
    if (checked.start_bps == 0)
        checked.start_bps = CONGESTION_CONTROL_START_BPS;
    if (checked.min_bps < CONGESTION_CONTROL_MIN_BPS)
        checked.min_bps = CONGESTION_CONTROL_MIN_BPS;
    if (checked.max_bps > 0 && checked.max_bps < checked.min_bps)
        checked.max_bps = checked.min_bps;
    if (checked.pacing_factor == 0)
        checked.pacing_factor = CONGESTION_CONTROL_PACING_FACTOR;
    struct congestion_control *control = calloc(1, sizeof *control);
    if (control == NULL) {
        error_set(error, ERROR_SYSTEM, "congestion control: out of memory");
        return NULL;
    }
    control->config = checked;
    control->probe_controller.periodic = checked.alr_probing;
    control->probe_controller.layered = checked.layered;
    start(control, checked.start_bps, 0);
    return control;
}

void congestion_control_destroy(struct congestion_control *control) { free(control); }

static enum probe_limit probe_limit(const struct congestion_control *control)
{
    if (control->trendline.usage != BANDWIDTH_NORMAL || target_rate_backs_off(&control->target))
        return PROBE_LIMIT_CONGESTED;
    if (control->target.loss_control.state == LOSS_DECREASING)
        return PROBE_LIMIT_CONGESTED;
    return control->target.loss_control.state == LOSS_INCREASING ? PROBE_LIMIT_LOSS_RECOVERING : PROBE_LIMIT_NONE;
}

/* The target may have changed: those who depend on it learn it. */
static void publish(struct congestion_control *control, nanos now)
{
    int64_t bps = target_rate_bps(&control->target);
    alr_detector_set_target(&control->alr, bps);
    probe_controller_set_estimate(&control->probe_controller, bps, probe_limit(control), now);
}

void congestion_control_sent(struct congestion_control *control, uint64_t sequence, size_t size, uint32_t probe,
                             nanos now)
{
    alr_detector_sent(&control->alr, size, now);
    target_rate_sent(&control->target, now);
    probe_estimator_sent(&control->probe_estimator, probe, sequence);
}

static void observe_application_limit(struct congestion_control *control, nanos now)
{
    if (control->probe_controller.application_limited && !control->alr.limited)
        acknowledged_bitrate_expect_change(&control->acknowledged, now);
    probe_controller_set_application_limited(&control->probe_controller, control->alr.limited, now);
}

/* Round-trip times: the longest of the message, for the rate of increase; and without the time that packets had to
 * wait for later ones to be reported, which is the path's own. */
static void measure_rtt(struct congestion_control *control, const struct twcc_result *results, size_t count, nanos now)
{
    nanos newest = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        if (results[i].received != NANOS_NEVER)
            newest = nanos_max(newest, results[i].received);
    }
    if (newest == INT64_MIN)
        return;
    nanos longest = 0;
    nanos propagation = NANOS_NEVER;
    for (size_t i = 0; i < count; i++) {
        if (results[i].received == NANOS_NEVER)
            continue;
        nanos rtt = now - results[i].sent;
        longest = nanos_max(longest, rtt);
        propagation = nanos_min(propagation, rtt - (newest - results[i].received));
    }
    propagation = nanos_max(propagation, 0);
    control->rtt = control->rtt == 0 ? (double)longest : control->rtt + RTT_WEIGHT * ((double)longest - control->rtt);
    control->rate_control.rtt = (nanos)control->rtt;
    control->target.rtt = propagation;
    target_rate_propagation_rtt(&control->target, propagation, now);
}

/* What the message says of losses. Packets below the newest sequence reported before were called lost then. */
static struct loss_report count_losses(struct congestion_control *control, const struct twcc_result *results,
                                       size_t count)
{
    struct loss_report report = {.first_sent = NANOS_NEVER, .last_sent = INT64_MIN};
    for (size_t i = 0; i < count; i++) {
        const struct twcc_result *result = &results[i];
        bool lost = result->received == NANOS_NEVER;
        if (control->has_feedback && result->sequence <= control->newest_reported) {
            report.late += !lost;
            continue;
        }
        control->newest_reported = result->sequence;
        control->has_feedback = true;
        report.packets++;
        report.lost += lost;
        report.bytes += result->size;
        report.first_sent = nanos_min(report.first_sent, result->sent);
        report.last_sent = nanos_max(report.last_sent, result->sent);
    }
    return report;
}

struct delay_outcome {
    bool updated;
    bool recovered; /* the queue has drained */
    bool full;      /* the queue can't grow further */
    int64_t probe_bps;
};

static struct delay_outcome take_arrivals(struct congestion_control *control, const struct twcc_result *results,
                                          size_t count, nanos now)
{
    struct delay_outcome outcome = {0};
    if (now - control->last_feedback > STREAM_TIMEOUT) {
        control->inter_arrival = (struct inter_arrival){0};
        trendline_reset(&control->trendline);
    }
    control->last_feedback = now;
    for (size_t i = 0; i < count; i++) {
        const struct twcc_result *result = &results[i];
        if (full_queue_add(&control->full_queue, result, now))
            outcome.full = true;
        if (result->received == NANOS_NEVER)
            continue;
        acknowledged_bitrate_add(&control->acknowledged, result->sent, result->received, result->size);
        int64_t probe_bps = probe_estimator_received(&control->probe_estimator, result);
        if (probe_bps > 0)
            outcome.probe_bps = probe_bps;
        struct arrival_delta delta;
        enum bandwidth_usage before = control->trendline.usage;
        if (inter_arrival_add(&control->inter_arrival, result->sent, result->received, now, &delta))
            trendline_add(&control->trendline, &delta, result->received);
        if (before == BANDWIDTH_UNDERUSED && control->trendline.usage == BANDWIDTH_NORMAL)
            outcome.recovered = true;
    }
    return outcome;
}

static void update_delay_based(struct congestion_control *control, struct delay_outcome *outcome, nanos now)
{
    struct rate_control *rate = &control->rate_control;
    int64_t acknowledged = acknowledged_bitrate_bps(&control->acknowledged);
    enum bandwidth_usage usage = outcome->full ? BANDWIDTH_OVERUSED : control->trendline.usage;
    /* What is sent confirms the rate as it is: a probe may only raise it. */
    if (control->config.layered && !control->alr.limited && outcome->probe_bps < rate->bps)
        outcome->probe_bps = 0;
    if (usage == BANDWIDTH_OVERUSED) {
        outcome->probe_bps = 0;
        outcome->recovered = false;
        /* Before anything is known of what arrives: halve. */
        if (!outcome->full && !rate_control_may_decrease(rate, acknowledged > 0 ? acknowledged : rate->bps, now))
            return;
        if (acknowledged > 0)
            rate_control_update(rate, usage, acknowledged, now);
        else
            rate_control_set(rate, rate->bps / 2, now);
    } else if (outcome->probe_bps > 0) {
        double floor = PROBE_DROP_FRACTION * (double)acknowledged;
        floor = floor < (double)rate->bps ? floor : (double)rate->bps;
        if ((double)outcome->probe_bps < floor)
            outcome->probe_bps = (int64_t)floor;
        rate_control_set(rate, outcome->probe_bps, now);
        outcome->recovered = false;
    } else {
        rate_control_update(rate, usage, acknowledged, now);
        int64_t proven = (int64_t)(PROBE_DROP_FRACTION * (double)acknowledged);
        if (control->config.layered && usage == BANDWIDTH_NORMAL && proven > rate->bps)
            rate_control_set(rate, proven, now);
    }
    outcome->updated = true;
}

void congestion_control_feedback(struct congestion_control *control, const struct twcc_result *results, size_t count,
                                 nanos now)
{
    if (count == 0)
        return;
    measure_rtt(control, results, count, now);
    struct loss_report report = count_losses(control, results, count);
    control->lost += (int64_t)report.lost - report.late;
    control->expected += report.packets;
    if (now >= control->loss_due) {
        control->loss_due = now + LOSS_INTERVAL;
        target_rate_lost(&control->target, control->lost, control->expected, now);
        control->lost = control->expected = 0;
    }
    observe_application_limit(control, now);
    struct delay_outcome outcome = take_arrivals(control, results, count, now);
    update_delay_based(control, &outcome, now);
    if (outcome.probe_bps > 0)
        target_rate_set(&control->target, control->rate_control.bps);
    control->target.delay_based_bps = control->rate_control.bps;
    loss_control_update(&control->target.loss_control, &report, acknowledged_bitrate_bps(&control->acknowledged),
                        control->rate_control.bps, control->alr.limited);
    target_rate_update(&control->target, now);
    publish(control, now);
    if (outcome.recovered)
        probe_controller_recovered(&control->probe_controller, now);
}

void congestion_control_loss_report(struct congestion_control *control, int64_t lost, int64_t expected, nanos now)
{
    if (control->has_feedback || expected <= 0)
        return;
    target_rate_lost(&control->target, lost, expected, now);
    publish(control, now);
}

void congestion_control_rtt(struct congestion_control *control, nanos rtt, nanos now)
{
    (void)now;
    if (control->has_feedback || rtt <= 0)
        return;
    control->target.rtt = rtt;
    control->rate_control.rtt = rtt;
}

void congestion_control_remb(struct congestion_control *control, int64_t bps, nanos now)
{
    control->target.remb_bps = max_or_unlimited(bps);
    target_rate_update(&control->target, now);
    publish(control, now);
}

void congestion_control_set_limits(struct congestion_control *control, int64_t min_bps, int64_t max_bps, nanos now)
{
    min_bps = min_bps > CONGESTION_CONTROL_MIN_BPS ? min_bps : CONGESTION_CONTROL_MIN_BPS;
    if (max_bps > 0 && max_bps < min_bps)
        max_bps = min_bps;
    control->config.min_bps = min_bps;
    control->config.max_bps = max_bps;
    control->rate_control.min_bps = min_bps;
    target_rate_set_limits(&control->target, min_bps, max_or_unlimited(max_bps));
    publish(control, now);
    probe_controller_set_max(&control->probe_controller, max_bps, now);
}

void congestion_control_set_allocated(struct congestion_control *control, int64_t bps, nanos now)
{
    probe_controller_set_allocated(&control->probe_controller, bps, now);
}

void congestion_control_set_padding(struct congestion_control *control, int64_t max_padding_bps)
{
    control->config.max_padding_bps = max_padding_bps;
}

void congestion_control_route_changed(struct congestion_control *control, nanos now)
{
    int64_t acknowledged = acknowledged_bitrate_bps(&control->acknowledged);
    int64_t start_bps = control->config.start_bps;
    if (acknowledged > 0 && acknowledged < start_bps)
        start_bps = acknowledged;
    int64_t allocated = control->probe_controller.allocated_bps;
    start(control, start_bps, now);
    control->probe_controller.allocated_bps = allocated;
    congestion_control_process(control, now);
}

struct congestion_rates congestion_control_rates(const struct congestion_control *control)
{
    int64_t target = target_rate_bps(&control->target);
    int64_t padding = control->config.max_padding_bps;
    return (struct congestion_rates){.target_bps = target,
                                     .pacing_bps = (int64_t)(control->config.pacing_factor * (double)target),
                                     .padding_bps = padding < target ? padding : target};
}

bool congestion_control_probe(struct congestion_control *control, struct probe_cluster *cluster)
{
    if (!probe_controller_take(&control->probe_controller, cluster))
        return false;
    probe_estimator_expect(&control->probe_estimator, cluster);
    return true;
}

void congestion_control_process(struct congestion_control *control, nanos now)
{
    if (control->probe_controller.state == PROBE_INITIAL) {
        /* Time starts now: the path came up. */
        control->rate_control.changed = now;
        control->probe_controller.dropped = control->probe_controller.drop_probed = now;
        control->loss_due = now + LOSS_INTERVAL;
        control->last_feedback = now;
    }
    control->processed = now;
    target_rate_update(&control->target, now);
    observe_application_limit(control, now);
    publish(control, now);
    probe_controller_process(&control->probe_controller, now);
}

nanos congestion_control_deadline(const struct congestion_control *control)
{
    return nanos_min(control->processed + PROCESS_INTERVAL, probe_controller_deadline(&control->probe_controller));
}

struct congestion_stats congestion_control_stats(const struct congestion_control *control)
{
    const struct target_rate *target = &control->target;
    bool loss_limited = target->loss_control.state != LOSS_UNLIMITED;
    return (struct congestion_stats){.rtt = target->rtt,
                                     .loss = target->loss,
                                     .delay_based_bps = control->rate_control.bps,
                                     .loss_based_bps = loss_limited ? target->loss_control.bps : INT64_MAX,
                                     .acknowledged_bps = acknowledged_bitrate_bps(&control->acknowledged),
                                     .application_limited = control->alr.limited};
}
