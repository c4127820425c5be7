/* When to probe, and at which rates: at the start with 3 and 6 times the start rate, then twice what the last probe
 * found as long as it found 70 % of what it tried; when the maximum rises; when the application may use more while it
 * is limited; every 5 s in application-limited regions, if asked to; and after a drop by a third in such a region, back
 * to 85 % of what there was. Like libwebrtc's ProbeController. Beyond it, where
 * what is sent comes in steps: 5, 10, 20 and then each 40 s after a drop while the estimate is below what the application
 * could use. An SFU that had to stop videos sends too little for the estimate to grow by itself. */
#ifndef CONFAB_RTC_PROBE_CONTROLLER_H
#define CONFAB_RTC_PROBE_CONTROLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

/* A burst at a given rate, to learn whether the path carries that rate. */
struct probe_cluster {
    uint32_t id; /* 1, 2 … */
    int64_t bps;
    size_t min_bytes;     /* send at least so much … */
    uint32_t min_packets; /* … in at least so many packets */
};

/* What keeps the target where it is: growing delay or loss forbid probes. */
enum probe_limit {
    PROBE_LIMIT_NONE,
    PROBE_LIMIT_LOSS_RECOVERING, /* loss, but the estimate rises again: probe gently */
    PROBE_LIMIT_CONGESTED,       /* no probe now */
};

enum probe_state {
    PROBE_INITIAL,
    PROBE_WAITING, /* for a result, to probe further */
    PROBE_DONE,
};

#define PROBE_QUEUE_CAP 4

/* Starts by probe_controller_reset. */
struct probe_controller {
    enum probe_state state;
    enum probe_limit limit;
    bool periodic; /* kept by a reset, as is the next */
    bool layered;
    bool application_limited;
    nanos limited_since;
    nanos limited_until; /* end of the last application-limited region; -NANOS_NEVER for none */
    int64_t estimate_bps;
    int64_t max_bps; /* 0: unlimited */
    int64_t allocated_bps;
    int64_t further_bps; /* a result above this is followed up */
    int64_t before_drop_bps;
    nanos dropped;
    nanos patience; /* until the next probe while the estimate falls short */
    nanos drop_probed;
    nanos probed;
    uint32_t last_id;
    size_t queued;
    struct probe_cluster queue[PROBE_QUEUE_CAP];
};

/* `last_id` is kept, so that results of old probes are not taken for new ones. */
void probe_controller_reset(struct probe_controller *controller, int64_t start_bps, int64_t max_bps, nanos now);

/* The initial probes, once; later, timeouts and periodic probes. */
void probe_controller_process(struct probe_controller *controller, nanos now);

void probe_controller_set_max(struct probe_controller *controller, int64_t max_bps, nanos now);
void probe_controller_set_allocated(struct probe_controller *controller, int64_t bps, nanos now);

/* The application became limited, or stopped to be. */
void probe_controller_set_application_limited(struct probe_controller *controller, bool limited, nanos now);

/* A new target. */
void probe_controller_set_estimate(struct probe_controller *controller, int64_t bps, enum probe_limit limit, nanos now);

/* The queue on the path has drained after overuse. */
void probe_controller_recovered(struct probe_controller *controller, nanos now);

/* The next probe wanted; false when there is none. */
bool probe_controller_take(struct probe_controller *controller, struct probe_cluster *cluster);

/* When probe_controller_process has something to do; NANOS_NEVER if only events bring it. */
nanos probe_controller_deadline(const struct probe_controller *controller);

#endif
