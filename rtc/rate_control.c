#include "rtc/rate_control.h"

#include <math.h>

#define BETA 0.85
#define GROWTH_PER_S 1.08
#define GROWTH_MIN_BPS 1000.0
#define ADDITIVE_MIN_BPS_PER_S 4000.0
#define ASSUMED_FPS 30
#define ASSUMED_PACKET_BITS (1200 * 8)
#define DETECTOR_DELAY (100 * NANOS_PER_MS)
#define RTT_START (200 * NANOS_PER_MS)
#define DECREASE_INTERVAL_MIN (10 * NANOS_PER_MS)
#define DECREASE_INTERVAL_MAX (200 * NANOS_PER_MS)
#define HEADROOM 1.5
#define HEADROOM_BPS 10000

void rate_control_reset(struct rate_control *control, int64_t start_bps, int64_t min_bps, nanos now)
{
    *control = (struct rate_control){.bps = start_bps,
                                     .min_bps = min_bps,
                                     .throughput_bps = start_bps,
                                     .changed = now,
                                     .rtt = RTT_START,
                                     .hold = true};
    link_capacity_reset(&control->capacity);
}

/* One packet of a 30-frames-a-second stream at this rate, in each response time. */
static double additive_bps_per_s(const struct rate_control *control)
{
    double frame_bits = (double)control->bps / ASSUMED_FPS;
    double packet_bits = frame_bits / ceil(fmax(frame_bits, 1) / ASSUMED_PACKET_BITS);
    double response_s = nanos_to_s(control->rtt + DETECTOR_DELAY);
    return fmax(packet_bits / response_s, ADDITIVE_MIN_BPS_PER_S);
}

static void increase(struct rate_control *control, nanos now)
{
    if (control->throughput_bps > link_capacity_upper(&control->capacity))
        link_capacity_reset(&control->capacity);
    int64_t limit = (int64_t)(HEADROOM * (double)control->throughput_bps) + HEADROOM_BPS;
    double elapsed_s = nanos_to_s(now - control->changed);
    if (control->bps < limit) {
        double more;
        if (control->capacity.known)
            more = elapsed_s * additive_bps_per_s(control);
        else
            more = fmax((double)control->bps * (pow(GROWTH_PER_S, fmin(elapsed_s, 1.0)) - 1), GROWTH_MIN_BPS);
        int64_t bps = control->bps + (int64_t)more;
        control->bps = bps < limit ? bps : limit;
    }
    control->changed = now;
}

static void decrease(struct rate_control *control, nanos now)
{
    int64_t throughput = control->throughput_bps;
    double bps = BETA * (double)throughput;
    /* More arrives than we aim for: a burst passed. Then the link's capacity is the better measure. */
    if (bps > (double)control->bps && control->capacity.known)
        bps = BETA * control->capacity.kbps * 1000;
    if (bps < (double)control->bps)
        control->bps = (int64_t)bps;
    if (throughput < link_capacity_lower(&control->capacity))
        link_capacity_reset(&control->capacity);
    link_capacity_overused(&control->capacity, throughput);
    control->hold = true;
    control->changed = now;
}

void rate_control_update(struct rate_control *control, enum bandwidth_usage usage, int64_t acknowledged_bps, nanos now)
{
    if (acknowledged_bps > 0)
        control->throughput_bps = acknowledged_bps;
    if (usage == BANDWIDTH_OVERUSED) {
        decrease(control, now);
    } else if (usage == BANDWIDTH_UNDERUSED) {
        control->hold = true;
    } else {
        if (control->hold)
            control->changed = now;
        control->hold = false;
        increase(control, now);
    }
    if (control->bps < control->min_bps)
        control->bps = control->min_bps;
}

void rate_control_set(struct rate_control *control, int64_t bps, nanos now)
{
    control->bps = bps > control->min_bps ? bps : control->min_bps;
    control->changed = now;
}

bool rate_control_may_decrease(const struct rate_control *control, int64_t acknowledged_bps, nanos now)
{
    nanos interval = nanos_min(nanos_max(control->rtt, DECREASE_INTERVAL_MIN), DECREASE_INTERVAL_MAX);
    return now - control->changed >= interval || acknowledged_bps < control->bps / 2;
}
