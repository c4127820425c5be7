#include "loadgen/venue.h"

#include <stdlib.h>
#include <unistd.h>

#include "loadgen/process_time.h"
#include "rtc/ntp.h"
#include "sim/sim_world.h"
#include "sim/virtual_clock.h"
#include "world/live_world.h"

struct venue {
    struct sim_world *sim;
    struct live_world *live; /* the one or the other */
    nanos opened;            /* CLOCK_MONOTONIC */
    nanos cpu_before;
};

struct venue *venue_open(const struct venue_config *config, struct error *error)
{
    struct venue *venue = calloc(1, sizeof *venue);
    if (venue == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    venue->opened = process_time_now();
    venue->cpu_before = process_time_cpu();
    if (config->world == SCENARIO_SIM) {
        const struct sim_world_config sim = {.seed = config->seed, .core_delay = config->core_delay};
        venue->sim = sim_world_create(&sim, error);
    } else {
        const struct live_world_config live = {.seed = config->seed,
                                               .core_delay = config->core_delay,
                                               .origin = venue->opened + config->lead,
                                               .loopback_only = true};
        venue->live = live_world_create(&live, error);
    }
    if (venue->sim != NULL || venue->live != NULL)
        return venue;
    free(venue);
    return NULL;
}

void venue_close(struct venue *venue)
{
    if (venue == NULL)
        return;
    sim_world_destroy(venue->sim);
    live_world_destroy(venue->live);
    free(venue);
}

struct internet *venue_internet(struct venue *venue)
{
    return venue->sim != NULL ? sim_world_internet(venue->sim) : live_world_internet(venue->live);
}

int64_t venue_unix_origin_s(const struct venue *venue)
{
    return venue->sim != NULL ? VIRTUAL_CLOCK_EPOCH_UNIX_S : live_world_unix_origin_s(venue->live);
}

uint64_t venue_ntp_origin(const struct venue *venue)
{
    return venue->sim != NULL ? ((uint64_t)VIRTUAL_CLOCK_EPOCH_UNIX_S + NTP_UNIX_EPOCH_S) << 32
                              : live_world_ntp_origin(venue->live);
}

bool venue_capture(struct venue *venue, const char *path, struct world_host *const *hosts, size_t count,
                   size_t media_snap, struct error *error)
{
    if (venue->sim == NULL)
        return error_set(error, ERROR_UNSUPPORTED, "the live world makes no captures; tcpdump does, on interface lo");
    const struct sim_capture_config config = {
        .hosts = hosts, .host_count = count, .vantage = SIM_AT_HOST, .media_snap = media_snap};
    return sim_world_capture(venue->sim, path, &config, error);
}

bool venue_finish_captures(struct venue *venue, struct error *error)
{
    return venue->sim == NULL || sim_world_finish_captures(venue->sim, error);
}

struct venue_health venue_health(const struct venue *venue)
{
    if (venue->live == NULL)
        return (struct venue_health){0};
    const struct live_statistics *statistics = live_world_statistics(venue->live);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    double whole = nanos_to_s(process_time_now() - venue->opened) * (double)(cores > 0 ? cores : 1);
    return (struct venue_health){.cpu = nanos_to_s(process_time_cpu() - venue->cpu_before) / whole,
                                 .lag_max = statistics->timer_lag_max,
                                 .drops = statistics->udp_overflowed + statistics->udp_would_block +
                                          statistics->sockets_refused};
}
