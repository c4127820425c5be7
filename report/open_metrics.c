#include "report/open_metrics.h"

#include <inttypes.h>

static void begin(const char *name, const char *type, const char *unit, const char *help, FILE *out)
{
    fprintf(out, "# TYPE confab_load_%s %s\n", name, type);
    if (unit != NULL)
        fprintf(out, "# UNIT confab_load_%s %s\n", name, unit);
    fprintf(out, "# HELP confab_load_%s %s\n", name, help);
}

static void gauge(const char *name, const char *unit, const char *help, double value, FILE *out)
{
    begin(name, "gauge", unit, help, out);
    fprintf(out, "confab_load_%s %.10g\n", name, value);
}

static void counter(const char *name, const char *help, uint64_t value, FILE *out)
{
    begin(name, "counter", NULL, help, out);
    fprintf(out, "confab_load_%s_total %" PRIu64 "\n", name, value);
}

/* OpenMetrics' label values: backslash, quote and newline are escaped. */
static void put_label(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
}

static void put_stages(const struct load_counts *counts, FILE *out)
{
    static const char *const names[LOAD_STAGES] = {"signalled", "ice", "dtls", "first_packet", "first_frame"};
    begin("joins", "counter", NULL, "Joins by how far they got.", out);
    fprintf(out, "confab_load_joins_total{stage=\"planned\"} %" PRIu64 "\n", counts->joins_planned);
    for (int i = 0; i < LOAD_STAGES; i++)
        fprintf(out, "confab_load_joins_total{stage=\"%s\"} %" PRIu64 "\n", names[i], counts->stages[i]);
}

static void put_clients(const struct load_counts *counts, FILE *out)
{
    begin("clients", "gauge", NULL, "Clients by state; planned: all of them.", out);
    fprintf(out, "confab_load_clients{state=\"planned\"} %" PRIu64 "\n", counts->planned);
    fprintf(out, "confab_load_clients{state=\"joining\"} %" PRIu64 "\n", counts->joining);
    fprintf(out, "confab_load_clients{state=\"joined\"} %" PRIu64 "\n", counts->joined);
    fprintf(out, "confab_load_clients{state=\"failed\"} %" PRIu64 "\n", counts->failed);
}

static void put_connections(const struct load_counts *c, FILE *out)
{
    const struct {
        const char *name;
        uint64_t count;
    } paths[] = {{"host", c->host},           {"srflx", c->srflx},         {"prflx", c->prflx},
                 {"relay_udp", c->relay_udp}, {"relay_tcp", c->relay_tcp}, {"relay_tls", c->relay_tls}};
    begin("connections", "gauge", NULL, "Connections by their path.", out);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        fprintf(out, "confab_load_connections{path=\"%s\"} %" PRIu64 "\n", paths[i].name, paths[i].count);
}

static void put_failures(const struct load_result *load, FILE *out)
{
    begin("failures", "counter", NULL, "Failures by class, of the process that is asked.", out);
    for (uint32_t i = 0; i < load->failure_count; i++) {
        fputs("confab_load_failures_total{class=\"", out);
        put_label(load->failures[i].class, out);
        fprintf(out, "\"} %" PRIu64 "\n", load->failures[i].count);
    }
}

/* A summary, since the start, in seconds as the convention has it. */
static void put_summary(const char *name, const char *help, const struct histogram *h, FILE *out)
{
    static const double quantiles[] = {0.5, 0.95, 0.99};
    begin(name, "summary", "seconds", help, out);
    for (size_t i = 0; h->count > 0 && i < sizeof quantiles / sizeof quantiles[0]; i++)
        fprintf(out, "confab_load_%s{quantile=\"%g\"} %.9g\n", name, quantiles[i],
                histogram_quantile(h, quantiles[i]) / 1e9);
    fprintf(out, "confab_load_%s_sum %.9g\nconfab_load_%s_count %" PRIu64 "\n", name, h->sum / 1e9, name, h->count);
}

bool open_metrics_write(const struct load_status *status, FILE *out)
{
    const struct load_counts *counts = &status->counts;
    const struct load_peaks *peaks = &status->peaks;
    begin("target", "info", NULL, "What is under load.", out);
    fputs("confab_load_target_info{server=\"", out);
    put_label(status->server, out);
    fprintf(out, "\",version=\"%s\"} 1\n", CONFAB_VERSION);
    gauge("elapsed_seconds", "seconds", "Since the first client was to join.", (double)peaks->elapsed_ms / 1e3, out);
    gauge("remaining_seconds", "seconds", "Until all leave.", (double)peaks->remaining_ms / 1e3, out);
    gauge("processes", NULL, "Processes that make the load.", (double)counts->processes, out);
    put_clients(counts, out);
    put_stages(counts, out);
    put_connections(counts, out);
    put_failures(status->load, out);
    if (counts->tracks_expected > 0) {
        gauge("tracks_expected", NULL, "Tracks that should arrive.", (double)counts->tracks_expected, out);
        gauge("tracks_got", NULL, "Tracks that do.", (double)counts->tracks_got, out);
    }
    gauge("sent_bytes_per_second", NULL, "RTP sent by all clients, in the last second.", (double)counts->bytes_up, out);
    gauge("received_bytes_per_second", NULL, "RTP received by all clients, in the last second.",
          (double)counts->bytes_down, out);
    gauge("loss_ratio", "ratio", "Packets lost before repair, in the last second.",
          counts->packets_expected > 0 ? (double)counts->packets_lost / (double)counts->packets_expected : 0, out);
    put_summary("join_seconds", "From the planned instant until connected.", status->join, out);
    put_summary("latency_seconds", "From a frame's capture until it arrived.", status->latency, out);
    gauge("generator_cpu_ratio", "ratio", "Of all cores of the busiest machine, in the last second.",
          (double)peaks->cpu_ppm / 1e6, out);
    gauge("generator_lag_seconds", "seconds", "How late the generator's timers are at most, in the last second.",
          (double)peaks->lag_us / 1e6, out);
    counter("generator_dropped_datagrams", "Datagrams that the generator's machines lost.", counts->drops, out);
    gauge("generator_overloaded", NULL, "1: the figures say nothing about the server.", (double)peaks->overloaded, out);
    fputs("# EOF\n", out);
    return ferror(out) == 0;
}
