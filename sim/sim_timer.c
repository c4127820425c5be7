#include "sim/sim_parts.h"

struct world_timer {
    struct sim_handle handle;
    struct ns3c_timer *ns3c;
    world_timer_fired fired;
    void *user;
};

static void release(struct sim_handle *handle)
{
    struct world_timer *timer = (struct world_timer *)handle;
    if (timer->ns3c != NULL)
        handle->host->sim->api->timer_destroy(timer->ns3c);
}

static void fired(void *context, ns3c_nanos now)
{
    struct world_timer *timer = context;
    if (!sim_handle_enter(&timer->handle))
        return;
    timer->fired(timer->user, now);
    sim_handle_leave(&timer->handle);
}

struct world_timer *sim_timer_open(struct world_host *host, world_timer_fired callback, void *user)
{
    struct world_timer *timer = sim_handle_create(host, sizeof *timer, release, NULL);
    if (timer == NULL)
        return NULL;
    timer->fired = callback;
    timer->user = user;
    timer->ns3c = host->sim->api->timer_create(host->sim->ns3c, fired, timer);
    if (timer->ns3c == NULL) {
        sim_handle_close(&timer->handle);
        return NULL;
    }
    return timer;
}

void sim_timer_set(struct world_timer *timer, nanos at)
{
    if (!timer->handle.dead)
        timer->handle.host->sim->api->timer_set(timer->ns3c, at);
}

void sim_timer_close(struct world_timer *timer) { sim_handle_close(&timer->handle); }
