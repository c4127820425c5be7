#include "report/load_text.h"

#include <inttypes.h>

#include "report/load_result.h"
#include "report/result_text.h"

static void print_heading(const struct result *result, FILE *out)
{
    const struct result_run *run = &result->runs[0];
    fprintf(out, "%s  (%s, seed %" PRIu64 ")\n", run->load->server, run->load->adapter, result->seed);
}

static void print_generator(const struct result *result, bool color, FILE *out)
{
    const struct load_result *load = result->runs[result->run_count - 1].load;
    bool overloaded = result->generator.overloaded;
    fprintf(out, "\nGenerator: %.0f %% of the CPU, at most %.1f ms late, %" PRIu64 " datagrams lost",
            100 * result->generator.cpu, result->generator.max_lag_ms, result->generator.drops);
    if (load->clients_peak > 0)
        fprintf(out, "; a client takes %.0f kB and %.2f %% of a core", load_memory_per_client(load) / 1e3,
                100 * load_cores_per_client(load));
    if (overloaded)
        fprintf(out, "\n%sOVERLOADED%s%s: the figures say nothing about the server%s", color ? "\033[31m" : "",
                result->generator.why[0] != '\0' ? ", " : "", result->generator.why, color ? "\033[0m" : "");
    fputs("\n", out);
}

static void print_stage(const char *name, uint64_t count, uint64_t planned, const struct result_summary *after,
                        FILE *out)
{
    fprintf(out, "  %-14s %8" PRIu64 " %6.1f %%", name, count, planned > 0 ? 100 * (double)count / (double)planned : 0);
    if (after != NULL && after->count > 0)
        fprintf(out, " %8.0f %8.0f %8.0f %8.0f", after->p50, after->p95, after->p99, after->max);
    fputc('\n', out);
}

static void print_funnel(const struct load_result *load, FILE *out)
{
    static const char *const names[LOAD_STAGES] = {"signalled", "ICE", "DTLS", "first packet", "first frame"};
    fprintf(out, "\n%-14s %10s %8s %8s %8s %8s %8s\n", "Joining", "clients", "", "p50", "p95", "p99",
            "max ms after the planned instant");
    print_stage("planned", load->joins_planned, load->joins_planned, NULL, out);
    for (int stage = 0; stage < LOAD_STAGES; stage++)
        print_stage(names[stage], load->funnel[stage].count, load->joins_planned, &load->funnel[stage], out);
}

static void print_paths(const struct result_run *run, FILE *out)
{
    const struct result_connections *c = &run->connections;
    fprintf(out,
            "\nPaths: %" PRIu64 " of %" PRIu64 " connected: host %" PRIu64 ", srflx %" PRIu64 ", prflx %" PRIu64
            ", relay by UDP %" PRIu64 ", TCP %" PRIu64 ", TLS %" PRIu64 " (%.1f %% through TURN)\n",
            c->connected, c->planned, c->host, c->srflx, c->prflx, c->relay_udp, c->relay_tcp, c->relay_tls,
            100 * run->turn_fallback.connections);
}

static void print_latency(const char *name, const struct result_summary *s, FILE *out)
{
    if (s->count > 0)
        fprintf(out, "  %-14s %8.1f %8.1f %8.1f %8.1f\n", name, s->p50, s->p95, s->p99, s->max);
}

static void print_media(const struct result_run *run, FILE *out)
{
    fprintf(out, "\nMedia: %" PRIu64 " of %" PRIu64 " tracks; each client %.0f kbit/s up, %.0f down; loss %.2f %%",
            run->streams_received, run->streams_expected, run->client_up_kbps.mean, run->client_down_kbps.mean,
            100 * run->loss.rate);
    fprintf(out, ", after repair %.2f %%", 100 * run->loss.after_repair);
    if (run->video_kbps.count > 0)
        fprintf(out, "; a video %.0f kbit/s, %.0f lines, %.1f/s, frozen %.2f s of a minute", run->video_kbps.mean,
                run->video_height.mean, run->video_fps.mean, result_frozen_s_per_minute(run));
    if (run->mos_audio > 0)
        fprintf(out, "; audio MOS %.2f", run->mos_audio);
    fputc('\n', out);
    if (run->latency_ms.count == 0)
        return;
    fprintf(out, "\n%-16s %8s %8s %8s %8s\n", "Latency", "p50", "p95", "p99", "max ms, capture to arrival");
    print_latency("audio", &run->audio_latency_ms, out);
    print_latency("video", &run->video_latency_ms, out);
    print_latency("both", &run->latency_ms, out);
    print_latency("network, a leg", &run->network_latency_ms, out);
}

static void print_data(const struct result_run *run, FILE *out)
{
    const struct result_data *d = &run->data;
    if (d->planned)
        fprintf(out, "\nData channels: %" PRIu64 " of %" PRIu64 " messages, p95 %.0f ms\n", d->received, d->expected,
                d->latency_ms.p95);
}

static void print_worst(const struct load_result *load, FILE *out)
{
    if (load->worst_count == 0)
        return;
    fprintf(out, "\n%-20s %-12s %-10s %-10s %7s %8s %10s %6s %8s\n", "Worst clients", "NAT", "access", "path", "tracks",
            "join ms", "p95 ms", "loss", "frozen s");
    for (uint32_t i = 0; i < load->worst_count; i++) {
        const struct load_client *c = &load->worst[i];
        char tracks[48];
        snprintf(tracks, sizeof tracks, "%" PRIu64 "/%" PRIu64, c->tracks_got, c->tracks_expected);
        fprintf(out, "  %-18s %-12s %-10s %-10s %7s", c->name, c->nat, c->access, c->path[0] != '\0' ? c->path : "-",
                tracks);
        if (c->why[0] != '\0')
            fprintf(out, "  failed: %s\n", c->why);
        else
            fprintf(out, " %8.0f %10.0f %5.1f%% %8.1f\n", c->join_ms, c->latency_ms_p95, 100 * c->loss,
                    c->frozen_ms / 1e3);
    }
}

static void print_failures(const struct load_result *load, FILE *out)
{
    if (load->failure_count > 0)
        fputs("\nFailures\n", out);
    for (uint32_t i = 0; i < load->failure_count; i++)
        fprintf(out, "  %8" PRIu64 "  %-14s %s\n", load->failures[i].count, load->failures[i].class,
                load->failures[i].example);
}

void load_print(const struct result *result, bool color, FILE *out)
{
    print_heading(result, out);
    result_print_thresholds(result, color, out);
    result_print_verdict(result, color, out);
    print_generator(result, color, out);
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *run = &result->runs[i];
        if (run->sweep[0] != '\0')
            fprintf(out, "\n--- %s\n", run->sweep);
        print_funnel(run->load, out);
        print_paths(run, out);
        print_media(run, out);
        print_data(run, out);
        print_worst(run->load, out);
        print_failures(run->load, out);
    }
}
