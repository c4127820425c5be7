#include "rtc/target_rate.h"

#define LOW_LOSS 0.02
#define HIGH_LOSS 0.10
#define GROWTH 1.08
#define GROWTH_BPS 1000
#define DECREASE_INTERVAL (300 * NANOS_PER_MS)
#define REPORT_PACKETS_MIN 20
#define REPORT_VALID (6 * NANOS_PER_S)
#define START_PHASE (2 * NANOS_PER_S)
#define BUCKET (100 * NANOS_PER_MS)
#define BACKOFF_RTT (3 * NANOS_PER_S)
#define BACKOFF_FRACTION 0.8
#define BACKOFF_INTERVAL (1 * NANOS_PER_S)
#define BACKOFF_FLOOR_BPS 5000
#define LONG_AGO (-(1000 * NANOS_PER_S))

static int64_t least_of(int64_t a, int64_t b) { return a < b ? a : b; }

static void apply(struct target_rate *target, int64_t bps)
{
    bps = least_of(bps, least_of(target->delay_based_bps, target->max_bps));
    target->bps = bps > target->min_bps ? bps : target->min_bps;
}

static void forget_least(struct target_rate *target)
{
    for (int i = 0; i < TARGET_RATE_BUCKETS; i++)
        target->least[i] = INT64_MAX;
}

void target_rate_reset(struct target_rate *target, int64_t start_bps, int64_t min_bps, int64_t max_bps)
{
    *target = (struct target_rate){.min_bps = min_bps,
                                   .max_bps = max_bps,
                                   .delay_based_bps = INT64_MAX,
                                   .remb_bps = INT64_MAX,
                                   .first_report = NANOS_NEVER,
                                   .last_report = LONG_AGO,
                                   .decreased = LONG_AGO,
                                   .rtt_updated = NANOS_NEVER};
    forget_least(target);
    apply(target, start_bps);
    loss_control_reset(&target->loss_control, target->bps, min_bps, max_bps);
}

void target_rate_set_limits(struct target_rate *target, int64_t min_bps, int64_t max_bps)
{
    target->min_bps = target->loss_control.min_bps = min_bps;
    target->max_bps = target->loss_control.max_bps = max_bps;
    apply(target, target->bps);
}

void target_rate_set(struct target_rate *target, int64_t bps)
{
    target->delay_based_bps = bps;
    apply(target, bps);
    forget_least(target);
}

void target_rate_sent(struct target_rate *target, nanos now)
{
    if (target->rtt_updated == NANOS_NEVER)
        target->rtt_updated = now; /* as if feedback had come just now */
    target->last_sent = now;
}

void target_rate_propagation_rtt(struct target_rate *target, nanos rtt, nanos now)
{
    target->propagation_rtt = rtt;
    target->rtt_updated = now;
}

bool target_rate_backs_off(const struct target_rate *target)
{
    if (target->rtt_updated == NANOS_NEVER)
        return false;
    nanos unanswered = nanos_max(target->last_sent - target->rtt_updated, 0);
    return target->propagation_rtt + unanswered > BACKOFF_RTT;
}

void target_rate_lost(struct target_rate *target, int64_t lost, int64_t expected, nanos now)
{
    if (target->first_report == NANOS_NEVER)
        target->first_report = now;
    target->lost += lost;
    target->expected += expected;
    if (target->expected < REPORT_PACKETS_MIN)
        return;
    double loss = (double)target->lost / (double)target->expected;
    target->loss = loss < 0 ? 0 : loss > 1 ? 1 : loss;
    target->lost = 0;
    target->expected = 0;
    target->decreased_since_report = false;
    target->last_report = now;
    target_rate_update(target, now);
}

/* Notes the present target and returns the least of the last second. */
static int64_t least_in_a_second(struct target_rate *target, nanos now)
{
    int64_t bucket = now / BUCKET;
    if (bucket - target->bucket >= TARGET_RATE_BUCKETS)
        forget_least(target);
    for (int64_t b = target->bucket + 1; b <= bucket && bucket - target->bucket < TARGET_RATE_BUCKETS; b++)
        target->least[b % TARGET_RATE_BUCKETS] = INT64_MAX;
    target->bucket = bucket;
    int64_t *current = &target->least[bucket % TARGET_RATE_BUCKETS];
    *current = least_of(*current, target->bps);
    int64_t least = INT64_MAX;
    for (int i = 0; i < TARGET_RATE_BUCKETS; i++)
        least = least_of(least, target->least[i]);
    return least;
}

static void judge_reports(struct target_rate *target, int64_t least, nanos now)
{
    if (now - target->last_report >= REPORT_VALID) {
        apply(target, target->bps);
    } else if (target->loss <= LOW_LOSS) {
        /* From the least of the last second, so that a rise may start at once and still is 8 % a second. */
        apply(target, (int64_t)((double)least * GROWTH + 0.5) + GROWTH_BPS);
    } else if (target->loss > HIGH_LOSS && !target->decreased_since_report &&
               now - target->decreased >= DECREASE_INTERVAL + target->rtt) {
        target->decreased = now;
        target->decreased_since_report = true;
        apply(target, (int64_t)((double)target->bps * (1 - 0.5 * target->loss)));
    } else {
        apply(target, target->bps);
    }
}

void target_rate_update(struct target_rate *target, nanos now)
{
    if (target_rate_backs_off(target)) {
        if (now - target->decreased >= BACKOFF_INTERVAL && target->bps > BACKOFF_FLOOR_BPS) {
            target->decreased = now;
            int64_t bps = (int64_t)(BACKOFF_FRACTION * (double)target->bps);
            apply(target, bps > BACKOFF_FLOOR_BPS ? bps : BACKOFF_FLOOR_BPS);
        } else {
            apply(target, target->bps);
        }
        return;
    }
    /* At the start, as long as nothing is lost, probes and the delay-based estimate are trusted. */
    bool starting = target->first_report == NANOS_NEVER || now - target->first_report < START_PHASE;
    if (target->loss == 0 && starting) {
        int64_t bps = target->bps;
        if (target->remb_bps != INT64_MAX && target->remb_bps > bps)
            bps = target->remb_bps;
        if (target->delay_based_bps != INT64_MAX && target->delay_based_bps > bps)
            bps = target->delay_based_bps;
        loss_control_set(&target->loss_control, bps);
        if (bps != target->bps) {
            forget_least(target);
            apply(target, bps);
            return;
        }
    }
    int64_t least = least_in_a_second(target, now);
    if (loss_control_ready(&target->loss_control))
        apply(target, target->loss_control.bps);
    else if (target->last_report == LONG_AGO)
        apply(target, target->bps);
    else
        judge_reports(target, least, now);
}

int64_t target_rate_bps(const struct target_rate *target)
{
    int64_t bps = least_of(target->bps, target->remb_bps);
    return bps > target->min_bps ? bps : target->min_bps;
}
