#include "world/live_world.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <utlist.h>

#include "world/live_internal.h"

#define NTP_UNIX_OFFSET_S 2208988800u /* RFC 868: seconds from 1900 to 1970 */

enum { DESCRIPTORS_BESIDES = 64 }; /* files, the loop's own, listening sockets */

static nanos clock_now(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    return (nanos)at.tv_sec * NANOS_PER_S + at.tv_nsec;
}

nanos live_now(const struct live_world *live) { return clock_now(CLOCK_MONOTONIC) - live->config.origin; }

/* --- the table ---------------------------------------------------------------------------------------------------------- */

static nanos now_of(const struct world *world) { return live_now((const struct live_world *)world); }

static size_t host_addresses(const struct world_host *host, struct address *out, size_t cap)
{
    for (size_t i = 0; i < host->address_count && i < cap; i++)
        out[i] = host->addresses[i];
    return host->address_count;
}

static const struct world_ops ops = {
    .now = now_of,
    .host_addresses = host_addresses,
    .udp_open = live_udp_open,
    .udp_address = live_udp_address,
    .udp_send = live_udp_send,
    .udp_close = live_udp_close,
    .tcp_listen = live_tcp_listen,
    .tcp_listener_close = live_tcp_listener_close,
    .tcp_connect = live_tcp_connect,
    .tcp_adopt = live_tcp_adopt,
    .tcp_local = live_tcp_local,
    .tcp_remote = live_tcp_remote,
    .tcp_send = live_tcp_send,
    .tcp_close = live_tcp_close,
    .channel_listen = live_channel_listen,
    .channel_listener_close = live_channel_listener_close,
    .channel_connect = live_channel_connect,
    .channel_adopt = live_channel_adopt,
    .channel_send = live_channel_send,
    .channel_close = live_channel_close,
    .timer_open = live_timer_open,
    .timer_set = live_timer_set,
    .timer_close = live_timer_close,
};

/* --- the world ---------------------------------------------------------------------------------------------------------- */

static void before_sleep(uv_prepare_t *prepare)
{
    struct live_world *live = prepare->data;
    live_egress_flush(live);
    live_timer_arm(live);
}

static void stop_asked(uv_async_t *async)
{
    struct live_world *live = async->data;
    live->stopped = true;
    uv_stop(&live->loop);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

nanos live_world_take_lag(struct live_world *live)
{
    nanos lag = live->lag_recent;
    live->lag_recent = 0;
    return lag;
}

bool live_world_check_sockets(const struct live_world *live, size_t sockets, struct error *error)
{
    struct rlimit limit;
    size_t needed = live->polls + live->statistics.sockets + sockets + DESCRIPTORS_BESIDES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed)
        return true;
    return error_set(error, ERROR_SYSTEM,
                     "%zu open files are needed, and the limit is %llu: raise it (ulimit -Hn, LimitNOFILE=), or use "
                     "fewer clients in each process",
                     needed, (unsigned long long)limit.rlim_cur);
}

static void set_origins(struct live_world *live)
{
    nanos monotonic = clock_now(CLOCK_MONOTONIC);
    nanos unix_time = clock_now(CLOCK_REALTIME);
    if (live->config.unix_time)
        live->config.origin = monotonic - unix_time;
    else if (live->config.origin == 0)
        live->config.origin = monotonic;
    nanos zero = unix_time - (monotonic - live->config.origin);
    live->unix_origin_s = zero / NANOS_PER_S;
    uint64_t fraction = ((uint64_t)(zero % NANOS_PER_S) << 32) / (uint64_t)NANOS_PER_S;
    live->ntp_origin = (((uint64_t)live->unix_origin_s + NTP_UNIX_OFFSET_S) << 32) + fraction;
}

struct live_world *live_world_create(const struct live_world_config *config, struct error *error)
{
    struct live_world *live = calloc(1, sizeof *live);
    int status = live == NULL ? UV_ENOMEM : uv_loop_init(&live->loop);
    if (status < 0) {
        error_set(error, ERROR_SYSTEM, "event loop: %s", uv_strerror(status));
        free(live);
        return NULL;
    }
    raise_descriptor_limit();
    live->world.ops = &ops;
    live->config = *config;
    live->claim_fd = -1;
    set_origins(live);
    live_internet_start(live);
    uv_prepare_init(&live->loop, &live->prepare);
    live->prepare.data = live;
    uv_prepare_start(&live->prepare, before_sleep);
    status = uv_async_init(&live->loop, &live->stop, stop_asked);
    live->stop.data = live;
    if (status < 0)
        error_set(error, ERROR_SYSTEM, "event loop: %s", uv_strerror(status));
    if (status < 0 || !live_timer_start(live, error) || !live_receiver_create(live, error) ||
        !live_egress_create(live, error)) {
        live_world_destroy(live);
        return NULL;
    }
    return live;
}

struct live_world *live_world_create_beside(const struct live_world *live, struct error *error)
{
    return live_world_create(&live->config, error);
}

void live_world_destroy(struct live_world *live)
{
    if (live == NULL)
        return;
    for (struct world_host *host = live->hosts; host != NULL; host = host->next) {
        while (host->handles != NULL)
            live_handle_close(host->handles);
    }
    live_channels_close(live);
    live_internet_destroy(live);
    live_streams_destroy(live);
    while (live->hosts != NULL) {
        struct world_host *host = live->hosts;
        DL_DELETE(live->hosts, host);
        free(host);
    }
    live_poll_close(live->timer_poll);
    live_receiver_close(live);
    deadline_heap_clear(&live->deadlines);
    uv_close((uv_handle_t *)&live->prepare, NULL);
    if (live->stop.type == UV_ASYNC)
        uv_close((uv_handle_t *)&live->stop, NULL);
    uv_run(&live->loop, UV_RUN_DEFAULT);
    live_channels_destroy(live);
    uv_loop_close(&live->loop);
    free(live->receiver);
    free(live->egress);
    free(live);
}

struct internet *live_world_internet(struct live_world *live) { return &live->internet; }
struct world *live_world_of(struct live_world *live) { return &live->world; }
struct uv_loop_s *live_world_loop(struct live_world *live) { return &live->loop; }
uint64_t live_world_ntp_origin(const struct live_world *live) { return live->ntp_origin; }
int64_t live_world_unix_origin_s(const struct live_world *live) { return live->unix_origin_s; }
const struct live_statistics *live_world_statistics(const struct live_world *live) { return &live->statistics; }

/* --- running -------------------------------------------------------------------------------------------------------------- */

struct run {
    struct live_world *live;
    struct live_deadline end;
    struct live_deadline tick;
    nanos every;
    internet_progress progress;
    void *user;
};

static void ended(void *user, nanos now)
{
    struct run *run = user;
    (void)now;
    run->live->stopped = true;
    uv_stop(&run->live->loop);
}

static void ticked(void *user, nanos now)
{
    struct run *run = user;
    if (run->progress(run->user, now))
        live_deadline_set(run->live, &run->tick, now + run->every);
    else
        ended(run, now);
}

bool live_world_run_until(struct live_world *live, nanos until, nanos every, internet_progress progress, void *user,
                          struct error *error)
{
    struct run run = {.live = live, .every = every, .progress = progress, .user = user};
    run.end = (struct live_deadline){.fired = ended, .user = &run};
    run.tick = (struct live_deadline){.fired = ticked, .user = &run};
    live->stopped = false;
    live_deadline_set(live, &run.end, until);
    if (progress != NULL && every > 0)
        live_deadline_set(live, &run.tick, live_now(live) + every);
    uv_run(&live->loop, UV_RUN_DEFAULT);
    live_egress_flush(live);
    live_deadline_set(live, &run.end, NANOS_NEVER);
    live_deadline_set(live, &run.tick, NANOS_NEVER);
    return live->stopped || error_set(error, ERROR_SYSTEM, "the event loop has stopped");
}

void live_world_stop(struct live_world *live) { uv_async_send(&live->stop); }
