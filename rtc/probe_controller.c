#include "rtc/probe_controller.h"

#include <string.h>

#define FIRST_SCALE 3
#define SECOND_SCALE 6
#define FURTHER_SCALE 2
#define FURTHER_THRESHOLD 0.7
#define PERIODIC_SCALE 2
#define PERIODIC_INTERVAL (5 * NANOS_PER_S)
#define PATIENCE_MAX (40 * NANOS_PER_S)
#define ALLOCATED_SCALE 2
#define RECOVERING_SCALE 1.5
#define RESULT_TIMEOUT (1 * NANOS_PER_S)
#define DROP_THRESHOLD 0.66
#define DROP_TIMEOUT (5 * NANOS_PER_S)
#define DROP_PROBE_FRACTION 0.85
#define DROP_PROBE_INTERVAL (5 * NANOS_PER_S)
#define RESULT_UNCERTAINTY 0.05
#define LIMITED_ENDED_TIMEOUT (3 * NANOS_PER_S)
#define MAX_BPS_DEFAULT 5000000
#define CLUSTER_DURATION (15 * NANOS_PER_MS)
#define CLUSTER_PACKETS 5
#define LONG_AGO (-(1000 * NANOS_PER_S))

void probe_controller_reset(struct probe_controller *controller, int64_t start_bps, int64_t max_bps, nanos now)
{
    *controller = (struct probe_controller){.last_id = controller->last_id,
                                            .periodic = controller->periodic,
                                            .layered = controller->layered,
                                            .estimate_bps = start_bps,
                                            .max_bps = max_bps,
                                            .further_bps = INT64_MAX,
                                            .patience = PERIODIC_INTERVAL,
                                            .limited_until = LONG_AGO,
                                            .dropped = now,
                                            .drop_probed = now,
                                            .probed = now};
}

static int64_t probe_cap(const struct probe_controller *controller)
{
    int64_t cap = controller->max_bps > 0 ? controller->max_bps : MAX_BPS_DEFAULT;
    if (controller->allocated_bps > 0 && ALLOCATED_SCALE * controller->allocated_bps < cap)
        cap = ALLOCATED_SCALE * controller->allocated_bps;
    if (controller->limit == PROBE_LIMIT_LOSS_RECOVERING) {
        int64_t gentle = (int64_t)(RECOVERING_SCALE * (double)controller->estimate_bps);
        cap = gentle < cap ? gentle : cap;
    }
    return cap;
}

/* Probes at `first_bps` and, unless 0, `second_bps`; with `further`, on from the result of the last. */
static void probe(struct probe_controller *controller, int64_t first_bps, int64_t second_bps, bool further, nanos now)
{
    if (controller->limit == PROBE_LIMIT_CONGESTED || controller->queued == PROBE_QUEUE_CAP) {
        if (controller->state == PROBE_INITIAL)
            controller->state = PROBE_DONE;
        return;
    }
    const int64_t cap = probe_cap(controller);
    const int64_t wanted[] = {first_bps, second_bps};
    int64_t last = 0;
    for (size_t i = 0; i < 2 && wanted[i] > 0 && controller->queued < PROBE_QUEUE_CAP; i++) {
        last = wanted[i];
        int64_t bps = wanted[i] < cap ? wanted[i] : cap;
        further = further && bps == wanted[i];
        controller->queue[controller->queued++] =
            (struct probe_cluster){.id = ++controller->last_id,
                                   .bps = bps,
                                   .min_bytes = (size_t)((double)bps / 8 * nanos_to_s(CLUSTER_DURATION)),
                                   .min_packets = CLUSTER_PACKETS};
    }
    controller->probed = now;
    controller->state = further ? PROBE_WAITING : PROBE_DONE;
    controller->further_bps = further ? (int64_t)(FURTHER_THRESHOLD * (double)last) : INT64_MAX;
}

/* Too little for the next step? */
static bool falls_short(const struct probe_controller *controller)
{
    return controller->layered && controller->estimate_bps < controller->allocated_bps;
}

/* Less is sent than could be: the estimate can't grow by itself, as it rests on what has arrived. */
static nanos periodic_at(const struct probe_controller *controller)
{
    if (falls_short(controller) && !controller->application_limited)
        return nanos_max(controller->dropped, controller->probed) + controller->patience;
    if (controller->periodic && controller->application_limited)
        return nanos_max(controller->limited_since, controller->probed) + PERIODIC_INTERVAL;
    return NANOS_NEVER;
}

void probe_controller_process(struct probe_controller *controller, nanos now)
{
    if (controller->state == PROBE_INITIAL) {
        probe(controller, FIRST_SCALE * controller->estimate_bps, SECOND_SCALE * controller->estimate_bps, true, now);
    } else if (controller->state == PROBE_WAITING && now - controller->probed > RESULT_TIMEOUT) {
        controller->state = PROBE_DONE;
        controller->further_bps = INT64_MAX;
    }
    if (controller->state == PROBE_DONE && now >= periodic_at(controller)) {
        if (falls_short(controller))
            controller->patience = nanos_min(2 * controller->patience, PATIENCE_MAX);
        probe(controller, PERIODIC_SCALE * controller->estimate_bps, 0, true, now);
        controller->probed = now; /* also when it was no time for it: ask again in one interval */
    }
}

void probe_controller_set_max(struct probe_controller *controller, int64_t max_bps, nanos now)
{
    int64_t old = controller->max_bps > 0 ? controller->max_bps : MAX_BPS_DEFAULT;
    controller->max_bps = max_bps;
    int64_t new = max_bps > 0 ? max_bps : MAX_BPS_DEFAULT;
    if (controller->state == PROBE_DONE && old < new && controller->estimate_bps < new)
        probe(controller, new, 0, false, now);
}

void probe_controller_set_allocated(struct probe_controller *controller, int64_t bps, nanos now)
{
    bool changed = bps != controller->allocated_bps;
    controller->allocated_bps = bps;
    int64_t max = controller->max_bps > 0 ? controller->max_bps : MAX_BPS_DEFAULT;
    if (changed && controller->state == PROBE_DONE && controller->application_limited &&
        controller->estimate_bps < max && controller->estimate_bps < bps)
        probe(controller, bps, ALLOCATED_SCALE * bps, false, now);
}

void probe_controller_set_application_limited(struct probe_controller *controller, bool limited, nanos now)
{
    if (limited && !controller->application_limited)
        controller->limited_since = now;
    if (!limited && controller->application_limited)
        controller->limited_until = now;
    controller->application_limited = limited;
}

void probe_controller_set_estimate(struct probe_controller *controller, int64_t bps, enum probe_limit limit, nanos now)
{
    controller->limit = limit;
    if ((double)bps < DROP_THRESHOLD * (double)controller->estimate_bps) {
        controller->dropped = now;
        controller->patience = PERIODIC_INTERVAL;
        controller->before_drop_bps = controller->estimate_bps;
    }
    controller->estimate_bps = bps;
    if (controller->state == PROBE_WAITING && bps > controller->further_bps)
        probe(controller, FURTHER_SCALE * bps, 0, true, now);
}

void probe_controller_recovered(struct probe_controller *controller, nanos now)
{
    bool limited = controller->application_limited || now - controller->limited_until < LIMITED_ENDED_TIMEOUT;
    if (!limited || controller->state != PROBE_DONE)
        return;
    double suggested = DROP_PROBE_FRACTION * (double)controller->before_drop_bps;
    if ((1 - RESULT_UNCERTAINTY) * suggested > (double)controller->estimate_bps &&
        now - controller->dropped < DROP_TIMEOUT && now - controller->drop_probed > DROP_PROBE_INTERVAL) {
        controller->drop_probed = now;
        probe(controller, (int64_t)suggested, 0, false, now);
    }
}

bool probe_controller_take(struct probe_controller *controller, struct probe_cluster *cluster)
{
    if (controller->queued == 0)
        return false;
    *cluster = controller->queue[0];
    memmove(controller->queue, controller->queue + 1, --controller->queued * sizeof controller->queue[0]);
    return true;
}

nanos probe_controller_deadline(const struct probe_controller *controller)
{
    if (controller->state == PROBE_INITIAL)
        return controller->probed;
    if (controller->state == PROBE_WAITING)
        return controller->probed + RESULT_TIMEOUT + 1;
    return periodic_at(controller);
}
