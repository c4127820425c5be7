#include "report/load_status.h"

#include <stdio.h>
#include <string.h>

void load_status_of(struct load_status *status, const struct result *result)
{
    const struct result_run *run = &result->runs[result->run_count - 1];
    const struct load_result *load = run->load;
    const struct load_series *series = &load->series;
    const struct load_sample *last = series->count > 0 ? &series->samples[series->count - 1] : NULL;
    memset(status, 0, sizeof *status);
    snprintf(status->server, sizeof status->server, "%s", load->server);
    status->join = &load->figures[LOAD_JOIN];
    status->latency = &load->figures[LOAD_LATENCY];
    status->load = load;
    struct load_counts *counts = &status->counts;
    *counts = (struct load_counts){.processes = 1,
                                   .planned = run->clients_planned,
                                   .joined = run->clients_joined,
                                   .failed = run->clients_failed,
                                   .joins_planned = load->joins_planned,
                                   .connected = run->connections.connected,
                                   .host = run->connections.host,
                                   .srflx = run->connections.srflx,
                                   .prflx = run->connections.prflx,
                                   .relay_udp = run->connections.relay_udp,
                                   .relay_tcp = run->connections.relay_tcp,
                                   .relay_tls = run->connections.relay_tls,
                                   .tracks_expected = run->streams_expected,
                                   .tracks_got = run->streams_received,
                                   .drops = result->generator.drops};
    for (int i = 0; i < LOAD_STAGES; i++)
        counts->stages[i] = load->figures[i].count;
    for (uint32_t i = 0; i < load->failure_count; i++)
        counts->failures += load->failures[i].count;
    status->peaks.overloaded = result->generator.overloaded;
    if (last == NULL || last->seconds == 0)
        return;
    counts->bytes_up = last->bytes_up / last->seconds;
    counts->bytes_down = last->bytes_down / last->seconds;
    counts->packets_expected = last->packets_expected;
    counts->packets_lost = last->packets_lost;
    status->peaks.cpu_ppm = (uint64_t)(last->cpu * 1e6);
    status->peaks.lag_us = (uint64_t)(last->lag_ms * 1e3);
}
