#include "rtc/acknowledged_bitrate.h"

#include <math.h>

#define WINDOW_FIRST (500 * NANOS_PER_MS)
#define WINDOW (150 * NANOS_PER_MS)
#define VARIANCE_START 50.0
#define VARIANCE_GROWTH 5.0        /* with each window: the rate changes over time */
#define VARIANCE_FAST_CHANGE 200.0 /* when a change is expected */
#define UNCERTAINTY_SCALE 10.0

void acknowledged_bitrate_reset(struct acknowledged_bitrate *rate)
{
    *rate = (struct acknowledged_bitrate){.kbps = -1, .variance = VARIANCE_START};
}

static void update(struct acknowledged_bitrate *rate, double sample_kbps)
{
    if (rate->kbps < 0) {
        rate->kbps = sample_kbps;
        return;
    }
    double uncertainty = rate->kbps > 0 ? UNCERTAINTY_SCALE * fabs(rate->kbps - sample_kbps) / rate->kbps : 0;
    double sample_variance = uncertainty * uncertainty;
    double variance = rate->variance + VARIANCE_GROWTH;
    rate->kbps = (sample_variance * rate->kbps + variance * sample_kbps) / (sample_variance + variance);
    rate->variance = sample_variance * variance / (sample_variance + variance);
}

void acknowledged_bitrate_add(struct acknowledged_bitrate *rate, nanos sent, nanos received, size_t size)
{
    if (rate->expect_change && sent > rate->change_sent) {
        rate->variance += VARIANCE_FAST_CHANGE;
        rate->expect_change = false;
    }
    nanos window = rate->kbps < 0 ? WINDOW_FIRST : WINDOW;
    if (rate->started && received > rate->last) {
        rate->window += received - rate->last;
        /* After a silence of more than a window, what was collected before it is of another time. */
        if (received - rate->last > window) {
            rate->bytes = 0;
            rate->window %= window;
        }
    }
    /* Packets are reordered by less than a window; what goes back further is a clock that was set. */
    if (!rate->started || rate->last - received > window) {
        rate->bytes = 0;
        rate->window = 0;
        rate->last = received;
    }
    rate->last = nanos_max(rate->last, received);
    rate->started = true;
    if (rate->window >= window) {
        update(rate, 8.0 * (double)rate->bytes / nanos_to_ms(window));
        rate->window -= window;
        rate->bytes = 0;
    }
    rate->bytes += size;
}

void acknowledged_bitrate_expect_change(struct acknowledged_bitrate *rate, nanos now)
{
    rate->expect_change = true;
    rate->change_sent = now;
}

int64_t acknowledged_bitrate_bps(const struct acknowledged_bitrate *rate)
{
    return rate->kbps > 0 ? (int64_t)(rate->kbps * 1000) : 0;
}
