/* All deadlines of a world in one heap on one timerfd: libuv's own timers know milliseconds, and a pacer wants less. */
#include <string.h>
#include <sys/timerfd.h>

#include "world/live_internal.h"

#define TURN (2 * NANOS_PER_MS)

struct world_timer {
    struct live_handle handle;
    struct live_deadline deadline;
    world_timer_fired fired;
    void *user;
};

/* --- the timerfd ---------------------------------------------------------------------------------------------------------- */

static void set_timer_fd(struct live_world *live, nanos at)
{
    struct itimerspec spec = {0};
    if (at != NANOS_NEVER) {
        nanos monotonic = nanos_max(at + live->config.origin, 1); /* 0 would stop it */
        spec.it_value.tv_sec = monotonic / NANOS_PER_S;
        spec.it_value.tv_nsec = monotonic % NANOS_PER_S;
    }
    timerfd_settime(live->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    live->timer_armed = at;
    live->timer_due = nanos_max(at, live_now(live));
}

nanos live_timer_slacken(const struct live_world *live, nanos at)
{
    nanos slack = live->config.slack;
    if (slack == 0 || at <= 0 || at > NANOS_NEVER - slack)
        return at;
    return (at + slack - 1) / slack * slack;
}

/* One call to the kernel before a sleep, however many timers were set since the last one. A timer put off is left to
 * wake the loop in vain once. Setting it also takes back that it has fired. */
void live_timer_arm(struct live_world *live)
{
    nanos first = deadline_heap_at(&live->deadlines);
    if (live->config.lazy)
        first = live_timer_slacken(live, first);
    if (live->timer_fired || first < live->timer_armed)
        set_timer_fd(live, first);
    live->timer_fired = false;
}

/* What is set again for at once, and what is too much, waits for the next turn of the loop: sockets want theirs. */
static void due(void *user, int events)
{
    struct live_world *live = user;
    (void)events;
    live->timer_fired = true;
    live->lag_recent = nanos_max(live->lag_recent, live_now(live) - live->timer_due);
    live->statistics.timer_lag_max = nanos_max(live->statistics.timer_lag_max, live->lag_recent);
    nanos now = live_now(live);
    nanos end = now + TURN;
    for (size_t most = live->deadlines.count; most > 0 && now < end; most--) {
        const struct deadline *first = deadline_heap_pop_due(&live->deadlines, now);
        if (first == NULL)
            break;
        const struct live_deadline *deadline = (const struct live_deadline *)first;
        live->told = now;
        deadline->fired(deadline->user, now);
        now = live_now(live);
        live_egress_hurry(live, now);
    }
}

bool live_timer_start(struct live_world *live, struct error *error)
{
    live->timer_armed = NANOS_NEVER;
    live->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (live->timer_fd < 0)
        return error_set(error, ERROR_SYSTEM, "timerfd: %s", strerror(errno));
    live->timer_poll = live_poll_open(live, live->timer_fd, UV_READABLE, due, live, error);
    return live->timer_poll != NULL;
}

void live_deadline_set(struct live_world *live, struct live_deadline *deadline, nanos at)
{
    /* Out of memory: the caller's own timeouts have to make up for it, as for a lost datagram. */
    deadline_heap_set(&live->deadlines, &deadline->deadline, at);
}

/* --- the calls of world/world.h ------------------------------------------------------------------------------------------- */

static void release(struct live_handle *handle)
{
    struct world_timer *timer = (struct world_timer *)handle;
    live_deadline_set(handle->host->live, &timer->deadline, NANOS_NEVER);
}

static void fired(void *user, nanos now)
{
    struct world_timer *timer = user;
    if (!live_handle_enter(&timer->handle))
        return;
    timer->fired(timer->user, now);
    live_handle_leave(&timer->handle);
}

struct world_timer *live_timer_open(struct world_host *host, world_timer_fired callback, void *user)
{
    struct world_timer *timer = live_handle_create(host, sizeof *timer, release, NULL);
    if (timer == NULL)
        return NULL;
    timer->fired = callback;
    timer->user = user;
    timer->deadline.fired = fired;
    timer->deadline.user = timer;
    return timer;
}

void live_timer_set(struct world_timer *timer, nanos at)
{
    if (!timer->handle.dead)
        live_deadline_set(timer->handle.host->live, &timer->deadline, at);
}

void live_timer_close(struct world_timer *timer) { live_handle_close(&timer->handle); }
