#include "report/comparison.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/load_result.h"

#define SIZE_THAT_MATTERS 0.05 /* of the larger value */
#define ERRORS_THAT_MATTER 2   /* standard errors: one in twenty differs so much by chance */

/* --- what is compared -------------------------------------------------------------------------------------------------------- */

enum part { MEAN, P50, P95, P99 };

/* Either a part of a distribution, or a share of counts, or a plain number. */
struct figure {
    const char *name, *unit;
    int better; /* 1: the higher; −1: the lower; 0: neither */
    enum part part;
    double floor; /* what nobody would notice */
    size_t summary;
    double (*value)(const struct result_run *run);
    double (*of)(const struct result_run *run); /* a share of how many? NULL: no share */
};

static double joined(const struct result_run *run)
{
    return run->clients_planned > 0 ? (double)run->clients_joined / (double)run->clients_planned : 0;
}
static double clients(const struct result_run *run) { return (double)run->clients_planned; }
static double tracks(const struct result_run *run)
{
    return run->streams_expected > 0 ? (double)run->streams_received / (double)run->streams_expected : 0;
}
static double tracks_expected(const struct result_run *run) { return (double)run->streams_expected; }
static double loss(const struct result_run *run) { return run->loss.rate; }
static double loss_left(const struct result_run *run) { return run->loss.after_repair; }
static double packets(const struct result_run *run) { return (double)run->loss.sent; }
static double relayed(const struct result_run *run) { return run->turn_fallback.connections; }
static double connections(const struct result_run *run) { return (double)run->connections.connected; }
static double frozen(const struct result_run *run) { return result_frozen_s_per_minute(run); }
static double mos_audio(const struct result_run *run) { return run->mos_audio; }
static double mos_video(const struct result_run *run) { return run->mos_video; }
static double encodings(const struct result_run *run) { return run->encodings_per_client; }
static double sfu_egress(const struct result_run *run) { return run->sfu_egress_kbps; }
static double turn_egress(const struct result_run *run) { return run->turn_egress_kbps; }
static double cost(const struct result_run *run) { return run->cost.per_hour; }
static double messages(const struct result_run *run)
{
    return run->data.expected > 0 ? (double)run->data.received / (double)run->data.expected : 0;
}
static double messages_expected(const struct result_run *run) { return (double)run->data.expected; }
static double memory(const struct result_run *run)
{
    return run->load != NULL ? load_memory_per_client(run->load) / 1e3 : 0;
}
static double cores(const struct result_run *run)
{
    return run->load != NULL ? 100 * load_cores_per_client(run->load) : 0;
}

#define PART_OF(name, unit, better, floor, member, part)                                                               \
    {                                                                                                                  \
        name, unit, better, part, floor, offsetof(struct result_run, member), NULL, NULL                               \
    }
#define SHARE_OF(name, better, floor, value, of)                                                                       \
    {                                                                                                                  \
        name, "", better, MEAN, floor, 0, value, of                                                                    \
    }
#define PLAIN(name, unit, better, floor, value)                                                                        \
    {                                                                                                                  \
        name, unit, better, MEAN, floor, 0, value, NULL                                                                \
    }

static const struct figure figures[] = {
    SHARE_OF("clients.joined", 1, 0.001, joined, clients),
    SHARE_OF("streams.received", 1, 0.001, tracks, tracks_expected),
    PART_OF("join_ms.p50", "ms", -1, 5, join_ms, P50),
    PART_OF("join_ms.p95", "ms", -1, 5, join_ms, P95),
    PART_OF("latency_ms.p50", "ms", -1, 2, latency_ms, P50),
    PART_OF("latency_ms.p95", "ms", -1, 2, latency_ms, P95),
    PART_OF("latency_ms.p99", "ms", -1, 2, latency_ms, P99),
    PART_OF("video_received.kbps.mean", "kbit/s", 1, 5, video_kbps, MEAN),
    PART_OF("video_received.height.mean", "lines", 1, 5, video_height, MEAN),
    PART_OF("video_received.fps.mean", "/s", 1, 0.5, video_fps, MEAN),
    PART_OF("bitrate_kbps.client_up.mean", "kbit/s", 0, 5, client_up_kbps, MEAN),
    PART_OF("bitrate_kbps.client_down.mean", "kbit/s", 0, 5, client_down_kbps, MEAN),
    SHARE_OF("loss.rate", -1, 0.001, loss, packets),
    SHARE_OF("loss.after_repair", -1, 0.001, loss_left, packets),
    PLAIN("frozen, of a minute", "s", -1, 0.5, frozen),
    PLAIN("mos.audio", "", 1, 0.1, mos_audio),
    PLAIN("mos.video", "", 1, 0.1, mos_video),
    SHARE_OF("turn_fallback.connections", 0, 0.005, relayed, connections),
    SHARE_OF("data.received", 1, 0.001, messages, messages_expected),
    PART_OF("data.latency_ms.p95", "ms", -1, 2, data.latency_ms, P95),
    PART_OF("data.files.time_ms.p95", "ms", -1, 5, data.files.time_ms, P95),
    PLAIN("encodings_per_client", "", -1, 0.05, encodings),
    PLAIN("bitrate_kbps.sfu_egress", "kbit/s", 0, 5, sfu_egress),
    PLAIN("bitrate_kbps.turn_egress", "kbit/s", 0, 5, turn_egress),
    PLAIN("cost.per_hour", "", -1, 0.005, cost),
    PLAIN("resources.memory_kb_per_client", "kB", 0, 10, memory),
    PLAIN("resources.cpu_percent_per_client", "%", 0, 0.01, cores),
};
#define FIGURES (sizeof figures / sizeof figures[0])
_Static_assert(FIGURES <= COMPARISON_ROWS_MAX, "a row for each figure");

/* --- how they compare -------------------------------------------------------------------------------------------------------- */

static const struct result_summary *summary_of(const struct figure *figure, const struct result_run *run)
{
    return (const struct result_summary *)((const char *)run + figure->summary);
}

static double value_of(const struct figure *figure, const struct result_run *run)
{
    if (figure->value != NULL)
        return figure->value(run);
    const struct result_summary *s = summary_of(figure, run);
    const double parts[] = {[MEAN] = s->mean, [P50] = s->p50, [P95] = s->p95, [P99] = s->p99};
    return parts[figure->part];
}

/* The square of a figure's standard error. What one client sees is one sample, however many frames it is of: they share
 * their fate. Quantiles' errors are those of a normal distribution, its spread read off between median and 95 %. */
static double variance(const struct figure *figure, const struct result_run *run)
{
    static const double errors[] = {[MEAN] = 1, [P50] = 1.2533, [P95] = 2.1133, [P99] = 3.7334};
    if (figure->of != NULL) {
        double p = value_of(figure, run);
        double of = figure->of(run);
        /* Packets are lost in bursts: of each client no more than a hundred stand for themselves. */
        double n = figure->of == packets ? fmin(of, (double)run->clients_joined * 100) : of;
        return n > 0 ? fmax(p * (1 - p), 0) / n : 0;
    }
    if (figure->value != NULL)
        return 0;
    const struct result_summary *s = summary_of(figure, run);
    double n = fmin((double)s->count, (double)run->clients_joined);
    double spread = (s->p95 - s->p50) / 1.6449;
    return n > 0 ? pow(errors[figure->part] * spread, 2) / n : 0;
}

static enum comparison_difference judge(const struct figure *figure, const struct comparison_row *row)
{
    double difference = row->b - row->a;
    double size = figure->of != NULL ? 0 : SIZE_THAT_MATTERS * fmax(fabs(row->a), fabs(row->b));
    if (fabs(difference) <= figure->floor || fabs(difference) <= size ||
        fabs(difference) <= ERRORS_THAT_MATTER * row->noise)
        return DIFFERENCE_NONE;
    if (figure->better == 0)
        return DIFFERENCE_OTHER;
    return difference * figure->better > 0 ? DIFFERENCE_BETTER : DIFFERENCE_WORSE;
}

/* A figure that neither has, or that one lacks for want of samples, says nothing. */
static bool is_measured(const struct figure *figure, const struct result_run *run)
{
    if (figure->value == NULL)
        return summary_of(figure, run)->count > 0;
    return figure->of == NULL || figure->of(run) > 0;
}

static void compare_runs(struct comparison *comparison, struct comparison_run *run)
{
    for (size_t i = 0; i < FIGURES; i++) {
        const struct figure *figure = &figures[i];
        struct comparison_row *row = &run->rows[run->row_count];
        *row = (struct comparison_row){.figure = figure->name, .unit = figure->unit};
        row->a = value_of(figure, run->a);
        row->b = value_of(figure, run->b);
        if (!is_measured(figure, run->a) || !is_measured(figure, run->b) || (row->a == 0 && row->b == 0))
            continue;
        row->noise = sqrt(variance(figure, run->a) + variance(figure, run->b));
        row->difference = judge(figure, row);
        comparison->better += row->difference == DIFFERENCE_BETTER;
        comparison->worse += row->difference == DIFFERENCE_WORSE;
        comparison->other += row->difference == DIFFERENCE_OTHER;
        run->row_count++;
    }
}

static const struct result_run *find_partner(const struct result *result, const struct result_run *run, bool alone)
{
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *other = &result->runs[i];
        if (alone || (strcmp(other->topology, run->topology) == 0 && strcmp(other->sweep, run->sweep) == 0))
            return other;
    }
    return NULL;
}

bool comparison_make(struct comparison *comparison, const struct result *a, const struct result *b, struct error *error)
{
    bool alone = a->run_count == 1 && b->run_count == 1;
    size_t pairs = 0;
    memset(comparison, 0, sizeof *comparison);
    comparison->runs = calloc(a->run_count + b->run_count + 1, sizeof *comparison->runs);
    if (comparison->runs == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    for (size_t i = 0; i < a->run_count; i++) {
        struct comparison_run *run = &comparison->runs[comparison->run_count++];
        run->a = &a->runs[i];
        run->b = find_partner(b, run->a, alone);
        if (run->b == NULL)
            continue;
        compare_runs(comparison, run);
        pairs++;
    }
    for (size_t i = 0; i < b->run_count; i++) {
        if (find_partner(a, &b->runs[i], alone) == NULL)
            comparison->runs[comparison->run_count++].b = &b->runs[i];
    }
    if (pairs == 0)
        return error_set(error, ERROR_INPUT,
                         "no run of one has a partner in the other, of the same topology and sweep");
    return true;
}

void comparison_free(struct comparison *comparison)
{
    free(comparison->runs);
    memset(comparison, 0, sizeof *comparison);
}

/* --- views ------------------------------------------------------------------------------------------------------------------- */

static const char *const difference_names[] = {"none", "better", "worse", "other"};

static void print_heading(const struct comparison_run *run, FILE *out)
{
    const struct result_run *one = run->a != NULL ? run->a : run->b;
    fprintf(out, "\n%s%s%s", one->topology, one->sweep[0] != '\0' ? ", " : "", one->sweep);
    if (run->a == NULL || run->b == NULL)
        fprintf(out, ": only in %s\n", run->a != NULL ? "A" : "B");
    else
        fprintf(out, "\n%-34s %12s %12s %12s %9s\n", "", "A", "B", "B - A", "noise");
}

static void print_row(const struct comparison_row *row, bool color, FILE *out)
{
    static const char *const codes[] = {"", "\033[32m", "\033[31m", "\033[33m"};
    int decimals = fmax(fabs(row->a), fabs(row->b)) >= 100 ? 0 : fmax(fabs(row->a), fabs(row->b)) >= 10 ? 1 : 4;
    char noise[32] = "";
    if (row->noise > 0)
        snprintf(noise, sizeof noise, "± %.*f", decimals, ERRORS_THAT_MATTER * row->noise);
    /* "±" is two bytes. */
    fprintf(out, "%-34s %12.*f %12.*f %+12.*f %*s  %s%s%s\n", row->figure, decimals, row->a, decimals, row->b, decimals,
            row->b - row->a, noise[0] != '\0' ? 10 : 9, noise, color ? codes[row->difference] : "",
            row->difference == DIFFERENCE_NONE    ? ""
            : row->difference == DIFFERENCE_OTHER ? "differs"
                                                  : difference_names[row->difference],
            color && row->difference != DIFFERENCE_NONE ? "\033[0m" : "");
}

void comparison_print(const struct comparison *comparison, const char *name_a, const char *name_b, bool color,
                      FILE *out)
{
    fprintf(out, "A: %s\nB: %s\n", name_a, name_b);
    for (size_t i = 0; i < comparison->run_count; i++) {
        print_heading(&comparison->runs[i], out);
        for (size_t k = 0; k < comparison->runs[i].row_count; k++)
            print_row(&comparison->runs[i].rows[k], color, out);
    }
    fputs("\nDifferences that matter: ", out);
    if (comparison->better + comparison->worse + comparison->other == 0)
        fputs("none.\n", out);
    else
        fprintf(out, "B is worse in %zu, better in %zu, otherwise different in %zu.\n", comparison->worse,
                comparison->better, comparison->other);
}

static json_t *number(double value) { return json_real(isfinite(value) ? round(value * 1e6) / 1e6 : 0); }

json_t *comparison_json(const struct comparison *comparison, const char *name_a, const char *name_b)
{
    json_t *runs = json_array();
    for (size_t i = 0; i < comparison->run_count; i++) {
        const struct comparison_run *run = &comparison->runs[i];
        const struct result_run *one = run->a != NULL ? run->a : run->b;
        json_t *rows = json_array();
        for (size_t k = 0; k < run->row_count; k++) {
            const struct comparison_row *row = &run->rows[k];
            json_array_append_new(rows, json_pack("{s:s, s:o, s:o, s:o, s:s}", "figure", row->figure, "a",
                                                  number(row->a), "b", number(row->b), "noise", number(row->noise),
                                                  "difference", difference_names[row->difference]));
        }
        json_array_append_new(runs,
                              json_pack("{s:s, s:s, s:b, s:b, s:o}", "topology", one->topology, "sweep", one->sweep,
                                        "in_a", run->a != NULL, "in_b", run->b != NULL, "figures", rows));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:i, s:i, s:i}", "schema", "confab.comparison/1", "a", name_a, "b", name_b,
                     "runs", runs, "better", (int)comparison->better, "worse", (int)comparison->worse, "other",
                     (int)comparison->other);
}
