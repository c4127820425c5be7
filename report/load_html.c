#include "report/load_html.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "report/chart.h"
#include "report/html.h"
#include "report/load_result.h"

enum { POINTS_MAX = 300 }; /* of a plot; more than that no screen shows */

static void put_text(FILE *out, const char *text)
{
    fputs("<td class=t>", out);
    html_text(out, text);
    fputs("</td>", out);
}

/* --- joining and paths --------------------------------------------------------------------------------------------------------- */

static void put_stage(const char *name, uint64_t count, uint64_t planned, const struct result_summary *after, FILE *out)
{
    double share = planned > 0 ? 100 * (double)count / (double)planned : 0;
    fprintf(out, "<tr><th class=t scope=row>%s<td class=bar><i style='width:%.1f%%'></i><td>%" PRIu64 "<td>%.1f %%",
            name, fmin(share, 100), count, share);
    if (after != NULL && after->count > 0)
        fprintf(out, "<td>%.0f<td>%.0f<td>%.0f<td>%.0f", after->p50, after->p95, after->p99, after->max);
    else
        fputs("<td><td><td><td>", out);
    fputs("</tr>\n", out);
}

static void put_funnel(const struct load_result *load, FILE *out)
{
    static const char *const names[LOAD_STAGES] = {"signalled", "ICE", "DTLS", "first packet", "first frame"};
    fputs(
        "<h2>Joining</h2>\n<div class=scroll><table><tr><th class=t>until<th class=bar><th>clients<th>of planned<th>p50 "
        "ms<th>p95 ms<th>p99 ms<th>max ms</tr>\n",
        out);
    put_stage("planned", load->joins_planned, load->joins_planned, NULL, out);
    for (int i = 0; i < LOAD_STAGES; i++)
        put_stage(names[i], load->funnel[i].count, load->joins_planned, &load->funnel[i], out);
    fputs("</table></div>\n<p class=note>Times are from the instant for which each client was planned.</p>\n", out);
}

static void put_paths(const struct result_run *run, FILE *out)
{
    const struct result_connections *c = &run->connections;
    const struct {
        const char *name;
        uint64_t count;
    } kinds[] = {{"host", c->host},
                 {"server-reflexive", c->srflx},
                 {"peer-reflexive", c->prflx},
                 {"relayed by UDP", c->relay_udp},
                 {"relayed by TCP", c->relay_tcp},
                 {"relayed by TLS", c->relay_tls},
                 {"failed", c->failed}};
    fprintf(out,
            "<h2>Paths</h2>\n<p>%" PRIu64 " of %" PRIu64 " connections came up, %.1f %% of them through TURN.</p>\n"
            "<div class=scroll><table>\n",
            c->connected, c->planned, 100 * run->turn_fallback.connections);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        fprintf(out, "<tr><th class=t scope=row>%s<td class=bar><i style='width:%.1f%%'></i><td>%" PRIu64 "</tr>\n",
                kinds[i].name, c->planned > 0 ? fmin(100 * (double)kinds[i].count / (double)c->planned, 100) : 0,
                kinds[i].count);
    fputs("</table></div>\n", out);
}

/* --- media ----------------------------------------------------------------------------------------------------------------------- */

static void put_distribution(const char *name, const struct result_summary *s, int decimals, FILE *out)
{
    const double values[] = {s->min, s->mean, s->p50, s->p95, s->p99, s->max};
    if (s->count == 0)
        return;
    fprintf(out, "<tr><th class=t scope=row>%s<td>%" PRIu64, name, s->count);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        fprintf(out, "<td>%.*f", decimals, values[i]);
    fputs("</tr>\n", out);
}

static void put_media(const struct result_run *run, FILE *out)
{
    fprintf(out,
            "<h2>Media</h2>\n<p>%" PRIu64 " of %" PRIu64
            " tracks arrived; %.2f %% of the packets were lost on the network, "
            "%.2f %% after repair; %" PRIu64 " freezes",
            run->streams_received, run->streams_expected, 100 * run->loss.rate, 100 * run->loss.after_repair,
            run->freeze.count);
    if (run->mos_audio > 0)
        fprintf(out, "; audio MOS %.2f", run->mos_audio);
    fputs(".</p>\n<div class=scroll><table><tr><th class=t><th>count<th>min<th>mean<th>p50<th>p95<th>p99<th>max</tr>\n",
          out);
    put_distribution("latency, ms", &run->latency_ms, 1, out);
    put_distribution("audio latency, ms", &run->audio_latency_ms, 1, out);
    put_distribution("video latency, ms", &run->video_latency_ms, 1, out);
    put_distribution("network latency, ms", &run->network_latency_ms, 1, out);
    put_distribution("client up, kbit/s", &run->client_up_kbps, 0, out);
    put_distribution("client down, kbit/s", &run->client_down_kbps, 0, out);
    put_distribution("a video, kbit/s", &run->video_kbps, 0, out);
    put_distribution("its height, lines", &run->video_height, 0, out);
    put_distribution("its frames a second", &run->video_fps, 1, out);
    put_distribution("data channel latency, ms", &run->data.latency_ms, 1, out);
    fputs("</table></div>\n", out);
}

/* --- over time ------------------------------------------------------------------------------------------------------------------- */

/* What a sample gives to a plot. */
static double clients_of(const struct load_sample *s) { return (double)s->clients; }
static double joins_of(const struct load_sample *s) { return (double)s->joins; }
static double failures_of(const struct load_sample *s) { return (double)s->failures; }
static double up_of(const struct load_sample *s)
{
    return s->seconds > 0 ? (double)s->bytes_up * 8 / 1e6 / s->seconds : NAN;
}
static double down_of(const struct load_sample *s)
{
    return s->seconds > 0 ? (double)s->bytes_down * 8 / 1e6 / s->seconds : NAN;
}
static double loss_of(const struct load_sample *s)
{
    return s->packets_expected > 0 ? 100 * (double)s->packets_lost / (double)s->packets_expected : NAN;
}
static double or_gap(double value) { return value > 0 ? value : NAN; }
static double p50_of(const struct load_sample *s) { return or_gap(load_sample_quantile_ms(s, 0.50)); }
static double p95_of(const struct load_sample *s) { return or_gap(load_sample_quantile_ms(s, 0.95)); }
static double cpu_of(const struct load_sample *s) { return 100 * s->cpu; }
static double lag_of(const struct load_sample *s) { return s->lag_ms; }

struct plot {
    const char *title, *unit;
    struct {
        const char *name;
        double (*value)(const struct load_sample *sample);
    } lines[CHART_LINES_MAX];
};

static const struct plot plots[] = {
    {"Clients", "", {{"in the call", clients_of}}},
    {"Joins and failures", "", {{"joins", joins_of}, {"failures", failures_of}}},
    {"Latency", "ms", {{"p50", p50_of}, {"p95", p95_of}}},
    {"Bitrate of all clients", "Mbit/s", {{"down", down_of}, {"up", up_of}}},
    {"Loss before repair", "%", {{"lost", loss_of}}},
    {"The generator's CPU", "%", {{"of all cores", cpu_of}}},
    {"The generator's timers", "ms late", {{"latest", lag_of}}},
};

static void put_plot(const struct plot *plot, const struct load_series *series, FILE *out)
{
    char(*names)[CHART_NAME_CAP] = calloc(series->count + 1, sizeof *names);
    double *values = calloc((size_t)CHART_LINES_MAX * series->count + 1, sizeof *values);
    struct chart chart = {.title = plot->title,
                          .unit = plot->unit,
                          .count = series->count,
                          .names = (const char(*)[CHART_NAME_CAP])names};
    for (uint32_t i = 0; names != NULL && i < series->count; i++) {
        uint64_t second = (uint64_t)i * series->span_s;
        snprintf(names[i], sizeof names[i], "%" PRIu64 ":%02" PRIu64, second / 60, second % 60);
    }
    for (size_t l = 0; names != NULL && values != NULL && l < CHART_LINES_MAX && plot->lines[l].name != NULL; l++) {
        double *y = &values[l * series->count];
        for (uint32_t i = 0; i < series->count; i++)
            y[i] = plot->lines[l].value(&series->samples[i]);
        chart.lines[chart.line_count++] = (struct chart_line){plot->lines[l].name, y};
    }
    chart_write(&chart, out);
    free(names);
    free(values);
}

/* How many frames were how late, in bins of an eighth of an octave: equally wide on a logarithmic axis. */
enum { DISTRIBUTION_BINS = 200, DISTRIBUTION_ZERO = 40 };

static void add_bin(void *user, uint64_t lowest, uint64_t count)
{
    double *bins = user;
    double bin = 8 * log2(fmax((double)lowest, 1) / 1e6) + DISTRIBUTION_ZERO;
    bins[(int)fmin(fmax(bin, 0), DISTRIBUTION_BINS - 1)] += (double)count;
}

static void put_distribution_plot(const struct load_result *load, FILE *out)
{
    double share[DISTRIBUTION_BINS] = {0};
    char names[DISTRIBUTION_BINS][CHART_NAME_CAP];
    size_t first = DISTRIBUTION_BINS;
    size_t last = 0;
    histogram_visit(&load->figures[LOAD_LATENCY], add_bin, share);
    for (size_t i = 0; i < DISTRIBUTION_BINS; i++) {
        first = i < first && share[i] > 0 ? i : first;
        last = share[i] > 0 ? i : last;
        share[i] *= 100 / fmax((double)load->figures[LOAD_LATENCY].count, 1);
        snprintf(names[i], sizeof names[i], "%.3g ms", exp2(((double)i + 0.5 - DISTRIBUTION_ZERO) / 8));
    }
    if (first > last)
        return;
    const struct chart chart = {.title = "Latency, distribution",
                                .unit = "% of frames",
                                .bars = true,
                                .count = last - first + 1,
                                .names = (const char(*)[CHART_NAME_CAP]) & names[first],
                                .line_count = 1,
                                .lines = {{"frames", &share[first]}}};
    chart_write(&chart, out);
}

static void put_plots(const struct load_result *load, FILE *out)
{
    struct load_series *series = malloc(sizeof *series);
    if (series == NULL)
        return;
    *series = load->series;
    while (series->count > POINTS_MAX)
        load_series_coarsen(series);
    fputs("<h2>Over time</h2>\n<div class=charts>\n", out);
    for (size_t i = 0; i < sizeof plots / sizeof plots[0]; i++)
        put_plot(&plots[i], series, out);
    put_distribution_plot(load, out);
    fputs("</div>\n", out);
    free(series);
}

/* --- who fared worst, and why ------------------------------------------------------------------------------------------------------ */

static void put_worst(const struct load_result *load, FILE *out)
{
    if (load->worst_count == 0)
        return;
    fputs(
        "<h2>The worst clients</h2>\n<div class=scroll><table><tr><th class=t>client<th class=t>NAT<th class=t>access<th "
        "class=t>path<th>tracks<th>join ms<th>latency p95 ms<th>loss<th>frozen s<th class=t>failed</tr>\n",
        out);
    for (uint32_t i = 0; i < load->worst_count; i++) {
        const struct load_client *c = &load->worst[i];
        fputs("<tr>", out);
        put_text(out, c->name);
        put_text(out, c->nat);
        put_text(out, c->access);
        put_text(out, c->path);
        fprintf(out, "<td%s>%" PRIu64 "/%" PRIu64 "<td>%.0f<td>%.0f<td>%.1f %%<td>%.1f",
                c->tracks_got < c->tracks_expected ? " class=bad" : "", c->tracks_got, c->tracks_expected, c->join_ms,
                c->latency_ms_p95, 100 * c->loss, c->frozen_ms / 1e3);
        put_text(out, c->why);
        fputs("</tr>\n", out);
    }
    fputs("</table></div>\n", out);
}

static void put_failures(const struct load_result *load, FILE *out)
{
    if (load->failure_count == 0)
        return;
    fputs("<h2>Failures</h2>\n<div class=scroll><table><tr><th>count<th class=t>class<th class=t>for example</tr>\n",
          out);
    for (uint32_t i = 0; i < load->failure_count; i++) {
        fprintf(out, "<tr><td>%" PRIu64, load->failures[i].count);
        put_text(out, load->failures[i].class);
        put_text(out, load->failures[i].example);
        fputs("</tr>\n", out);
    }
    fputs("</table></div>\n", out);
}

void load_write_html(const struct result_run *run, FILE *out)
{
    put_funnel(run->load, out);
    put_plots(run->load, out);
    put_paths(run, out);
    put_media(run, out);
    put_worst(run->load, out);
    put_failures(run->load, out);
}
