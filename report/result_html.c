#include "report/result_html.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/chart.h"
#include "report/html.h"
#include "report/load_html.h"
#include "report/load_result.h"

static const char STYLE[] =
    ":root{color-scheme:light dark;--text:#1c1f24;--soft:#5a6270;--back:#fff;--card:#f5f6f8;--line:#d9dde3;--good:#1d7a43;"
    "--bad:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--text:#e4e7ec;--soft:#a2abb8;--back:#14171c;--card:#1e232a;--line:#363d47;"
    "--good:#6fd195;--bad:#ff8a80}}\n"
    "body{font:16px/1.45 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:76em;margin:0 auto;"
    "padding:1em}\n"
    "h1{font-size:1.35em;overflow-wrap:anywhere;margin:.2em 0}h2{font-size:1.1em;margin:1.6em 0 .4em}\n"
    ".note{color:var(--soft);font-size:.9em;margin:.3em 0}.verdict{font-size:1.1em;margin:.6em 0}\n"
    ".thresholds{list-style:none;padding:0}.good{color:var(--good)}.bad{color:var(--bad);font-weight:600}\n"
    ".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(10.5em,1fr));gap:.6em;margin:1em 0}\n"
    ".cards div{background:var(--card);border-radius:6px;padding:.5em .8em}.cards b{display:block;font-size:1.3em}\n"
    ".cards span{color:var(--soft);font-size:.9em}\n"
    ".charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24em),1fr));gap:.8em}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\n"
    "th,td{padding:.2em .6em;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}\n"
    "th{font-weight:600}.t{text-align:left}td.bar{width:10em;min-width:5em}\n"
    "td.bar i{display:block;height:.8em;background:var(--c1);border-radius:2px;min-width:1px}\n"
    "@media print{.charts{grid-template-columns:1fr 1fr}figure{break-inside:avoid}}\n";

/* --- what comes first ------------------------------------------------------------------------------------------------------------- */

static void put_head(const struct result *result, FILE *out)
{
    const struct load_result *load = result->runs[0].load;
    const char *name = load != NULL ? load->server : result->scenario;
    fputs("<!doctype html>\n<html lang=en><head><meta charset=utf-8><meta name=viewport "
          "content='width=device-width,initial-scale=1'>\n<title>confab: ",
          out);
    html_text(out, name);
    fprintf(out, "</title>\n<style>\n%s%s</style></head>\n<body>\n<h1>", STYLE, CHART_STYLE);
    html_text(out, name);
    fprintf(out, "</h1>\n<p class=note>%s, seed %" PRIu64 ", ", load != NULL ? "a load" : "a scenario", result->seed);
    html_text(out, load != NULL ? load->adapter : result->world);
    fputs(", by confab " CONFAB_VERSION "</p>\n", out);
}

static void put_verdict(const struct result *result, FILE *out)
{
    if (result->verdict[0] != '\0') {
        fputs("<p class=verdict>", out);
        html_text(out, result->verdict);
        fputs("</p>\n", out);
    }
    if (result->threshold_count > 0)
        fputs("<ul class=thresholds>\n", out);
    for (size_t i = 0; i < result->threshold_count; i++) {
        const struct result_threshold *t = &result->thresholds[i];
        fprintf(out, "<li class=%s>%s ", t->passed ? "good" : "bad", t->passed ? "✓" : "✗ breached:");
        html_text(out, t->expr);
        if (t->measured)
            fprintf(out, " (%g)</li>\n", t->value);
        else
            fputs(" (not measured)</li>\n", out);
    }
    fputs(result->threshold_count > 0 ? "</ul>\n" : "", out);
}

static void put_card(const char *name, const char *value, bool bad, FILE *out)
{
    fprintf(out, "<div><b%s>%s</b><span>%s</span></div>\n", bad ? " class=bad" : "", value, name);
}

static void put_load_cards(const struct result *result, const struct result_run *run, FILE *out)
{
    char text[64];
    fputs("<div class=cards>\n", out);
    snprintf(text, sizeof text, "%" PRIu64 "/%" PRIu64, run->clients_joined, run->clients_planned);
    put_card("clients joined", text, run->clients_failed > 0, out);
    snprintf(text, sizeof text, "%" PRIu64 "/%" PRIu64, run->streams_received, run->streams_expected);
    put_card("tracks got/expected", text, run->streams_received < run->streams_expected, out);
    snprintf(text, sizeof text, "%.0f ms", run->latency_ms.p95);
    put_card("latency p95", text, false, out);
    snprintf(text, sizeof text, "%.2f %%", 100 * run->loss.after_repair);
    put_card("loss after repair", text, false, out);
    snprintf(text, sizeof text, "%.0f %%", 100 * result->generator.cpu);
    put_card("generator's CPU", text, result->generator.overloaded, out);
    snprintf(text, sizeof text, "%.1f ms", result->generator.max_lag_ms);
    put_card("generator's lag at most", text, result->generator.overloaded, out);
    snprintf(text, sizeof text, "%" PRIu64, result->generator.drops);
    put_card("datagrams lost by the generator", text, result->generator.drops > 0, out);
    snprintf(text, sizeof text, "%.0f kB, %.2f %%", load_memory_per_client(run->load) / 1e3,
             100 * load_cores_per_client(run->load));
    put_card("memory and core for a client", text, false, out);
    fputs("</div>\n", out);
    if (result->generator.overloaded) {
        fputs("<p class=bad>The generator was overloaded", out);
        fputs(result->generator.why[0] != '\0' ? ": " : "", out);
        html_text(out, result->generator.why);
        fputs(". The figures say nothing about the server.</p>\n", out);
    }
}

/* --- runs of a scenario ------------------------------------------------------------------------------------------------------------- */

static double join_p95(const struct result_run *run) { return run->join_ms.p95; }
static double latency_p50(const struct result_run *run) { return run->latency_ms.p50; }
static double latency_p95(const struct result_run *run) { return run->latency_ms.p95; }
static double video_kbps(const struct result_run *run) { return run->video_kbps.mean; }
static double up(const struct result_run *run) { return run->client_up_kbps.mean; }
static double down(const struct result_run *run) { return run->client_down_kbps.mean; }
static double cost(const struct result_run *run) { return run->cost.per_hour; }
static double egress(const struct result_run *run)
{
    return run->cost.sfu_egress_gb_per_hour + run->cost.turn_egress_gb_per_hour;
}
static double relayed(const struct result_run *run) { return 100 * run->turn_fallback.connections; }
static double loss_left(const struct result_run *run) { return 100 * run->loss.after_repair; }
static double frozen(const struct result_run *run) { return result_frozen_s_per_minute(run); }
static double encodings(const struct result_run *run) { return run->encodings_per_client; }

static const struct {
    const char *title, *unit;
    double (*value)(const struct result_run *run);
} plots[] = {
    {"Latency, median", "ms", latency_p50},
    {"Latency, p95", "ms", latency_p95},
    {"Bitrate of a received video", "kbit/s", video_kbps},
    {"A client sends", "kbit/s", up},
    {"A client receives", "kbit/s", down},
    {"Encodings that a client runs", "", encodings},
    {"Cost of all rooms", "an hour", cost},
    {"Egress of SFU and TURN", "GB an hour", egress},
    {"Connections through TURN", "%", relayed},
    {"Joining, p95", "ms", join_p95},
    {"Frozen video", "s of a minute", frozen},
    {"Loss after repair", "%", loss_left},
};

struct axes {
    size_t point_count, line_count;
    char (*names)[CHART_NAME_CAP]; /* of the sweep's points */
    const char *topologies[CHART_LINES_MAX];
    const struct result_run **runs; /* [line][point]; NULL: not run */
};

/* "rooms.size=4" is the point "4" on the axis. */
static size_t find_point(struct axes *axes, const struct result_run *run)
{
    const char *equals = strchr(run->sweep, '=');
    char name[CHART_NAME_CAP];
    size_t i = 0;
    if (equals != NULL)
        snprintf(name, sizeof name, "%.*s", CHART_NAME_CAP - 1, equals + 1);
    else
        snprintf(name, sizeof name, "%" PRIu32 " in a room", run->room_size);
    while (i < axes->point_count && strcmp(axes->names[i], name) != 0)
        i++;
    if (i == axes->point_count)
        memcpy(axes->names[axes->point_count++], name, sizeof name);
    return i;
}

static size_t find_line(struct axes *axes, const struct result_run *run)
{
    size_t i = 0;
    while (i < axes->line_count && strcmp(axes->topologies[i], run->topology) != 0)
        i++;
    if (i == axes->line_count && i < CHART_LINES_MAX)
        axes->topologies[axes->line_count++] = run->topology;
    return i;
}

static void put_sweep_plot(const struct axes *axes, size_t stride, size_t plot, double *values, FILE *out)
{
    struct chart chart = {.title = plots[plot].title,
                          .unit = plots[plot].unit,
                          .bars = axes->point_count < 3,
                          .count = axes->point_count,
                          .names = (const char(*)[CHART_NAME_CAP])axes->names};
    for (size_t l = 0; l < axes->line_count; l++) {
        double *y = &values[l * stride];
        for (size_t i = 0; i < axes->point_count; i++)
            y[i] = axes->runs[l * stride + i] != NULL ? plots[plot].value(axes->runs[l * stride + i]) : NAN;
        chart.lines[chart.line_count++] = (struct chart_line){axes->topologies[l], y};
    }
    chart_write(&chart, out);
}

static void put_sweep(const struct result *result, FILE *out)
{
    size_t stride = result->run_count;
    struct axes axes = {.names = calloc(stride, sizeof *axes.names),
                        .runs = calloc(CHART_LINES_MAX * stride, sizeof(const struct result_run *))};
    double *values = calloc(CHART_LINES_MAX * stride, sizeof *values);
    if (axes.names != NULL && axes.runs != NULL && values != NULL) {
        for (size_t i = 0; i < result->run_count; i++) {
            size_t line = find_line(&axes, &result->runs[i]);
            size_t point = find_point(&axes, &result->runs[i]);
            if (line < CHART_LINES_MAX)
                axes.runs[line * stride + point] = &result->runs[i];
        }
        const char *sweep = result->runs[0].sweep;
        fputs("<h2>", out);
        if (sweep[0] != '\0') {
            char name[sizeof result->runs[0].sweep];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(sweep, "="), sweep);
            fputs("By ", out);
            html_text(out, name);
        } else {
            fputs("At a glance", out);
        }
        fputs("</h2>\n<div class=charts>\n", out);
        for (size_t i = 0; i < sizeof plots / sizeof plots[0]; i++)
            put_sweep_plot(&axes, stride, i, values, out);
        fputs("</div>\n", out);
    }
    free(axes.names);
    free(axes.runs);
    free(values);
}

static void put_runs(const struct result *result, FILE *out)
{
    fputs(
        "<h2>Runs</h2>\n<div class=scroll><table><tr><th class=t>topology<th class=t>sweep<th>room size<th>joined<th>TURN: "
        "links<th>rooms<th>join p95 ms<th>latency p50 ms<th>p95<th>video kbit/s<th>lines<th>fps<th>client up "
        "kbit/s<th>down<th>loss<th>left<th>frozen s/min<th>audio MOS<th>encodings<th>cost/h</tr>\n",
        out);
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *run = &result->runs[i];
        fputs("<tr><td class=t>", out);
        html_text(out, run->topology);
        fputs("<td class=t>", out);
        html_text(out, run->sweep);
        fprintf(
            out,
            "<td>%" PRIu32 "<td%s>%" PRIu64 "/%" PRIu64
            "<td>%.1f %%<td>%.1f %%<td>%.0f<td>%.0f<td>%.0f<td>%.0f<td>%.0f<td>%.1f<td>%.0f<td>%.0f<td>%.2f %%<td>%.2f "
            "%%<td>%.2f<td>%.2f<td>%.1f<td>%.2f</tr>\n",
            run->room_size, run->clients_failed > 0 ? " class=bad" : "", run->clients_joined, run->clients_planned,
            100 * run->turn_fallback.connections, 100 * run->turn_fallback.rooms, run->join_ms.p95, run->latency_ms.p50,
            run->latency_ms.p95, run->video_kbps.mean, run->video_height.mean, run->video_fps.mean,
            run->client_up_kbps.mean, run->client_down_kbps.mean, 100 * run->loss.rate, 100 * run->loss.after_repair,
            result_frozen_s_per_minute(run), run->mos_audio, run->encodings_per_client, run->cost.per_hour);
    }
    fputs("</table></div>\n", out);
}

static void put_faults(const struct result *result, FILE *out)
{
    bool any = false;
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *run = &result->runs[i];
        for (uint32_t k = 0; k < run->fault_count; k++) {
            const struct result_fault *f = &run->faults[k];
            fputs(any ? ""
                      : "<h2>Faults</h2>\n<div class=scroll><table><tr><th class=t>topology<th>at s<th class=t>what"
                        "<th>clients hit<th>recovered<th>after ms (median)</tr>\n",
                  out);
            any = true;
            fputs("<tr><td class=t>", out);
            html_text(out, run->topology);
            fprintf(out, "<td>%.1f<td class=t>", f->at_s);
            html_text(out, f->what);
            fprintf(out, "<td>%" PRIu64 "<td>%" PRIu64 "<td>%.0f</tr>\n", f->clients_hit, f->clients_recovered,
                    f->media_gap_ms_p50);
        }
    }
    fputs(any ? "</table></div>\n" : "", out);
}

static void put_matrix(const struct result_matrix *m, FILE *out)
{
    static const char *const letters[] = {"·", "direct", "relayed", "failed"};
    if (m->count == 0)
        return;
    fprintf(out,
            "<h2>Pairs of NAT types</h2>\n<p>%" PRIu32 " of %" PRIu32
            " as RFC 4787's terms imply; what differs is red.</p>\n<div class=scroll><table><tr><th>",
            m->as_expected, m->pairs);
    for (uint32_t j = 0; j < m->count; j++) {
        fputs("<th>", out);
        html_text(out, m->types[j]);
    }
    for (uint32_t i = 0; i < m->count; i++) {
        fputs("</tr>\n<tr><th class=t scope=row>", out);
        html_text(out, m->types[i]);
        for (uint32_t j = 0; j < m->count; j++) {
            uint32_t row = i < j ? i : j;
            uint32_t column = i < j ? j : i;
            bool differs = m->outcome[row][column] != m->expected[row][column];
            fprintf(out, "<td%s>%s", differs ? " class=bad" : "", letters[m->outcome[row][column]]);
        }
    }
    fputs("</tr></table></div>\n", out);
}

static void put_errors(const struct result *result, FILE *out)
{
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *run = &result->runs[i];
        if (run->errors == 0 || run->load != NULL)
            continue;
        fprintf(out, "<p class=bad>%" PRIu64 " errors in a run of ", run->errors);
        html_text(out, run->topology);
        fputs("; the first: ", out);
        html_text(out, run->first_error);
        fputs("</p>\n", out);
    }
}

bool result_write_html(const struct result *result, FILE *out)
{
    if (result->run_count == 0)
        return fputs("<!doctype html><title>confab</title>Nothing was run.\n", out) != EOF;
    put_head(result, out);
    put_verdict(result, out);
    if (result->runs[0].load == NULL || result->run_count > 1) {
        put_sweep(result, out);
        put_runs(result, out);
        put_faults(result, out);
        put_errors(result, out);
    }
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *run = &result->runs[i];
        put_matrix(&run->matrix, out);
        if (run->load == NULL)
            continue;
        if (run->sweep[0] != '\0') {
            fputs("<h2>With ", out);
            html_text(out, run->sweep);
            fputs("</h2>\n", out);
        }
        put_load_cards(result, run, out);
        load_write_html(run, out);
    }
    fprintf(out, "<script>\n%s</script>\n</body></html>\n", CHART_SCRIPT);
    return ferror(out) == 0;
}
