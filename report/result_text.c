#include "report/result_text.h"

#include <inttypes.h>
#include <string.h>

#include "report/load_text.h"

static const char *paint(bool color, const char *code) { return color ? code : ""; }

static void print_heading(const struct result *result, FILE *out)
{
    const struct result_run *first = &result->runs[0];
    fprintf(out, "%s  (seed %" PRIu64 ", %s, %u room%s)\n\n", result->scenario, result->seed, result->world,
            first->rooms, first->rooms == 1 ? "" : "s");
    fprintf(out, "%5s %-5s %11s %15s %8s %12s %19s %15s %11s %11s %6s %10s %8s\n", "", "", "", "relayed via TURN",
            "join ms", "latency ms", "video per stream", "client kbit/s", "loss %", "freezes", "audio", "encodings",
            "cost");
    fprintf(out, "%5s %-5s %11s %8s %7s %7s %6s %6s %6s %6s %5s %7s %7s %5s %5s %11s %6s %10s %8s\n", "size", "",
            "joined", "links", "rooms", "p95", "p50", "p95", "kbit/s", "height", "fps", "up", "down", "net", "left",
            "s/video-min", "MOS", "per client", "per hour");
}

static void print_share(double share, bool known, int width, FILE *out)
{
    if (known)
        fprintf(out, " %*.1f%%", width - 1, 100 * share);
    else
        fprintf(out, " %*s", width, "-");
}

static void print_run(const struct result_run *run, FILE *out)
{
    char joined[32];
    snprintf(joined, sizeof joined, "%" PRIu64 "/%" PRIu64, run->clients_joined, run->clients_planned);
    fprintf(out, "%5u %-5s %11s", run->room_size, run->topology, joined);
    print_share(run->turn_fallback.connections, run->connections.connected > 0, 8, out);
    print_share(run->turn_fallback.rooms, run->connections.connected > 0, 7, out);
    fprintf(out, " %7.0f %6.0f %6.0f", run->join_ms.p95, run->latency_ms.p50, run->latency_ms.p95);
    if (run->video_kbps.count > 0)
        fprintf(out, " %6.0f %6.0f %5.1f", run->video_kbps.mean, run->video_height.mean, run->video_fps.mean);
    else
        fprintf(out, " %6s %6s %5s", "-", "-", "-");
    fprintf(out, " %7.0f %7.0f %5.2f %5.2f %11.2f %6.2f %10.1f %8.2f\n", run->client_up_kbps.mean,
            run->client_down_kbps.mean, 100 * run->loss.rate, 100 * run->loss.after_repair,
            result_frozen_s_per_minute(run), run->mos_audio, run->encodings_per_client, run->cost.per_hour);
}

static void print_matrix(const struct result_matrix *matrix, FILE *out)
{
    static const char letters[] = ".drX";
    fprintf(out, "\nEach pair of NAT types: d direct, r relayed, X failed; an upper-case letter differs from what "
                 "RFC 4787's terms imply.\n\n");
    for (uint32_t i = 0; i < matrix->count; i++) {
        fprintf(out, "%20s ", matrix->types[i]);
        for (uint32_t j = 0; j < matrix->count; j++) {
            uint32_t row = i < j ? i : j;
            uint32_t column = i < j ? j : i;
            char letter = letters[matrix->outcome[row][column]];
            bool differs = matrix->outcome[row][column] != matrix->expected[row][column];
            fprintf(out, " %c", differs && letter >= 'a' ? letter - 'a' + 'A' : letter);
        }
        fputc('\n', out);
    }
    fprintf(out, "\n%u of %u pairs as expected", matrix->as_expected, matrix->pairs);
    if (matrix->probed > 0)
        fprintf(out, "; %u of %u types as expected when probed from inside (RFC 5780)", matrix->probes_as_expected,
                matrix->probed);
    fputs("\n", out);
}

static void print_faults(const struct result_run *run, FILE *out)
{
    for (uint32_t i = 0; i < run->fault_count; i++) {
        const struct result_fault *fault = &run->faults[i];
        fprintf(out, "%5u %-5s at %.1f s: %s: %" PRIu64 " clients without media for over a second", run->room_size,
                run->topology, fault->at_s, fault->what, fault->clients_hit);
        if (fault->clients_hit > 0 && fault->clients_recovered > 0)
            fprintf(out, ", %" PRIu64 " of them recovered after %.0f ms (median; at most %.0f)",
                    fault->clients_recovered, fault->media_gap_ms_p50, fault->media_gap_ms_max);
        else if (fault->clients_hit > 0)
            fputs(", none recovered", out);
        fputc('\n', out);
    }
}

static void print_data(const struct result_run *run, FILE *out)
{
    const struct result_data *d = &run->data;
    fprintf(out, "%5u %-5s data channels:", run->room_size, run->topology);
    if (d->expected > 0)
        fprintf(out, " %" PRIu64 "/%" PRIu64 " messages, %.0f ms (median), %.0f ms (p95)", d->received, d->expected,
                d->latency_ms.p50, d->latency_ms.p95);
    if (d->corrupt > 0)
        fprintf(out, ", %" PRIu64 " corrupt", d->corrupt);
    if (d->files.expected > 0)
        fprintf(out, "%s %" PRIu64 "/%" PRIu64 " files of %.3g MB intact, in %.1f s (median), %.1f s (slowest)",
                d->expected > 0 ? ";" : "", d->files.intact, d->files.expected, (double)d->files.bytes / 1e6,
                d->files.time_ms.p50 / 1e3, d->files.time_ms.max / 1e3);
    fputc('\n', out);
}

void result_print_thresholds(const struct result *result, bool color, FILE *out)
{
    if (result->threshold_count > 0)
        fputc('\n', out);
    for (size_t i = 0; i < result->threshold_count; i++) {
        const struct result_threshold *t = &result->thresholds[i];
        fprintf(out, "%s%s%s %s", paint(color, t->passed ? "\033[32m" : "\033[31m"), t->passed ? "✓" : "✗",
                paint(color, "\033[0m"), t->expr);
        if (t->measured)
            fprintf(out, "  (%g)\n", t->value);
        else
            fputs("  (not measured)\n", out);
    }
}

void result_print_verdict(const struct result *result, bool color, FILE *out)
{
    if (result->verdict[0] != '\0')
        fprintf(out, "\n%s%s%s\n", paint(color, "\033[1m"), result->verdict, paint(color, "\033[0m"));
}

void result_print(const struct result *result, bool color, FILE *out)
{
    if (result->run_count == 0)
        return;
    if (result->runs[0].load != NULL) {
        load_print(result, color, out);
        return;
    }
    print_heading(result, out);
    for (size_t i = 0; i < result->run_count; i++) {
        bool new_point = i > 0 && strcmp(result->runs[i].sweep, result->runs[i - 1].sweep) != 0;
        if (new_point)
            fputc('\n', out);
        print_run(&result->runs[i], out);
    }
    bool data = false;
    for (size_t i = 0; i < result->run_count; i++) {
        if (!result->runs[i].data.planned)
            continue;
        if (!data)
            fputc('\n', out);
        data = true;
        print_data(&result->runs[i], out);
    }
    bool faults = false;
    for (size_t i = 0; i < result->run_count; i++)
        faults = faults || result->runs[i].fault_count > 0;
    if (faults)
        fputc('\n', out);
    for (size_t i = 0; i < result->run_count; i++)
        print_faults(&result->runs[i], out);
    for (size_t i = 0; i < result->run_count; i++) {
        if (result->runs[i].matrix.count > 0)
            print_matrix(&result->runs[i].matrix, out);
        if (result->runs[i].errors > 0)
            fprintf(out, "\n%u %s: %" PRIu64 " clients had errors; the first: %s\n", result->runs[i].room_size,
                    result->runs[i].topology, result->runs[i].errors, result->runs[i].first_error);
    }
    result_print_thresholds(result, color, out);
    result_print_verdict(result, color, out);
}
