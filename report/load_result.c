#include "report/load_result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nanos.h"
#include "report/quality.h"

/* A figure's name, unit and summary: the stages' are the load's own, the others' the run's. */
static const struct figure {
    const char *name;
    double unit;
    size_t summary; /* offset in a result_run; 0: a stage of the funnel */
} figures[LOAD_FIGURES] = {
    [LOAD_SIGNALLED] = {"signalled", 1e6, 0},
    [LOAD_ICE] = {"ice", 1e6, 0},
    [LOAD_DTLS] = {"dtls", 1e6, 0},
    [LOAD_FIRST_PACKET] = {"first_packet", 1e6, 0},
    [LOAD_FIRST_FRAME] = {"first_frame", 1e6, 0},
    [LOAD_JOIN] = {"join_ms", 1e6, offsetof(struct result_run, join_ms)},
    [LOAD_LATENCY] = {"latency_ms", 1e6, offsetof(struct result_run, latency_ms)},
    [LOAD_AUDIO_LATENCY] = {"audio_latency_ms", 1e6, offsetof(struct result_run, audio_latency_ms)},
    [LOAD_VIDEO_LATENCY] = {"video_latency_ms", 1e6, offsetof(struct result_run, video_latency_ms)},
    [LOAD_NETWORK_LATENCY] = {"network_latency_ms", 1e6, offsetof(struct result_run, network_latency_ms)},
    [LOAD_CLIENT_UP] = {"client_up_kbps", 1e3, offsetof(struct result_run, client_up_kbps)},
    [LOAD_CLIENT_DOWN] = {"client_down_kbps", 1e3, offsetof(struct result_run, client_down_kbps)},
    [LOAD_VIDEO_RATE] = {"video_kbps", 1e3, offsetof(struct result_run, video_kbps)},
    [LOAD_VIDEO_HEIGHT] = {"video_height", 1, offsetof(struct result_run, video_height)},
    [LOAD_VIDEO_FPS] = {"video_fps", 1e3, offsetof(struct result_run, video_fps)},
    [LOAD_DATA_LATENCY] = {"data_latency_ms", 1e6, offsetof(struct result_run, data.latency_ms)},
    [LOAD_FILE_TIME] = {"file_time_ms", 1e6, offsetof(struct result_run, data.files.time_ms)},
};

const char *load_figure_name(enum load_figure figure) { return figures[figure].name; }

double load_figure_unit(enum load_figure figure) { return figures[figure].unit; }

struct load_result *load_result_create(void)
{
    struct load_result *load = calloc(1, sizeof *load);
    if (load != NULL) {
        load->shard_index = load->shard_count = 1;
        load->series.span_s = 1;
    }
    return load;
}

void load_result_destroy(struct load_result *load)
{
    for (size_t i = 0; load != NULL && i < LOAD_FIGURES; i++)
        histogram_clear(&load->figures[i]);
    free(load);
}

static double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

/* The most frequent first. */
static int compare_failures(const void *a, const void *b)
{
    const struct load_failure *x = a;
    const struct load_failure *y = b;
    return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->class, y->class);
}

void load_result_sum_up(struct result_run *run)
{
    struct load_result *load = run->load;
    const struct result_connections *c = &run->connections;
    for (size_t i = 0; i < LOAD_FIGURES; i++) {
        struct result_summary *summary =
            i < LOAD_STAGES ? &load->funnel[i] : (struct result_summary *)((char *)run + figures[i].summary);
        *summary = result_summarize(&load->figures[i], figures[i].unit);
    }
    qsort(load->failures, load->failure_count, sizeof load->failures[0], compare_failures);
    run->turn_fallback.connections = share((double)(c->relay_udp + c->relay_tcp + c->relay_tls), (double)c->connected);
    run->turn_fallback.clients = share((double)load->clients_relayed, (double)run->clients_joined);
    run->turn_fallback.rooms = share((double)load->rooms_relayed, run->rooms);
    run->loss.rate = share((double)run->loss.lost, (double)run->loss.sent);
    run->loss.after_repair = share((double)load->packets_lost_after_repair, (double)run->loss.sent);
    run->mos_audio = share(load->mos_audio_sum, (double)load->mos_audio_count);
    run->mos_video = share(load->mos_video_sum, (double)load->mos_video_count);
}

double load_memory_per_client(const struct load_result *load)
{
    return share((double)load->memory_bytes, (double)load->clients_peak);
}

double load_cores_per_client(const struct load_result *load)
{
    return share(share(load->cpu_seconds, load->seconds), (double)load->clients_peak);
}

/* --- failures and the worst clients ------------------------------------------------------------------------------------ */

void load_result_fail(struct load_result *load, const char *class, const char *example)
{
    load_result_fail_many(load, class, example, 1);
}

static struct load_failure *find_failure(struct load_result *load, const char *class)
{
    for (uint32_t i = 0; i < load->failure_count; i++) {
        if (strcmp(load->failures[i].class, class) == 0)
            return &load->failures[i];
    }
    return NULL;
}

void load_result_fail_many(struct load_result *load, const char *class, const char *example, uint64_t count)
{
    struct load_failure *failure = find_failure(load, class);
    if (failure == NULL && load->failure_count == LOAD_FAILURES_MAX)
        failure = &load->failures[LOAD_FAILURES_MAX - 1];
    if (failure == NULL) {
        failure = &load->failures[load->failure_count++];
        snprintf(failure->class, sizeof failure->class, "%s",
                 load->failure_count == LOAD_FAILURES_MAX ? "other" : class);
        snprintf(failure->example, sizeof failure->example, "%s", example);
        for (char *c = failure->example; *c != '\0'; c++)
            *c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
    }
    failure->count += count;
}

/* The lower the worse. The E-model's rating is above −100 (all is lost) and below 100; missing tracks outweigh it. */
static double fortune(const struct load_client *client)
{
    const struct audio_impairment impairment = {.delay_ms = client->latency_ms_p95, .loss = client->loss};
    if (client->why[0] != '\0')
        return -1e6;
    double got =
        client->tracks_expected > client->tracks_got ? (double)client->tracks_got / (double)client->tracks_expected : 1;
    return 1000 * got + quality_audio_rating(&impairment) - 100 * share(client->frozen_ms, client->watched_ms);
}

/* Names decide between equals, so that the order in which clients are judged doesn't. */
static bool is_worse(const struct load_client *a, const struct load_client *b)
{
    double difference = fortune(a) - fortune(b);
    return difference < 0 || (difference == 0 && strcmp(a->name, b->name) < 0);
}

void load_result_judge(struct load_result *load, const struct load_client *client)
{
    uint32_t place = load->worst_count;
    while (place > 0 && is_worse(client, &load->worst[place - 1]))
        place--;
    if (place == LOAD_WORST_MAX)
        return;
    uint32_t moved = load->worst_count - place - (load->worst_count == LOAD_WORST_MAX);
    memmove(&load->worst[place + 1], &load->worst[place], moved * sizeof load->worst[0]);
    load->worst[place] = *client;
    load->worst_count += load->worst_count < LOAD_WORST_MAX;
}

/* --- over time ----------------------------------------------------------------------------------------------------------- */

/* Bin 0 is below 1 ms; the others have eight to an octave, in equal steps. */
static uint32_t bin_of(uint64_t latency_ns)
{
    uint64_t eighths = latency_ns / (NANOS_PER_MS / 8); /* of a millisecond */
    if (eighths < 8)
        return 0;
    unsigned octave = 60 - (unsigned)__builtin_clzll(eighths);
    uint64_t bin = 1 + 8 * octave + ((eighths >> octave) - 8);
    return bin < LOAD_LATENCY_BINS ? (uint32_t)bin : LOAD_LATENCY_BINS - 1;
}

/* Where a bin begins. */
static double begin_ms_of(uint32_t bin) { return bin == 0 ? 0 : ldexp((bin - 1) % 8 + 8, (int)(bin - 1) / 8) / 8; }

void load_sample_latency(struct load_sample *sample, uint64_t latency_ns, uint64_t count)
{
    sample->latency[bin_of(latency_ns)] += (uint32_t)count;
}

double load_sample_quantile_ms(const struct load_sample *sample, double q)
{
    double count = 0;
    double before = 0;
    for (uint32_t i = 0; i < LOAD_LATENCY_BINS; i++)
        count += sample->latency[i];
    for (uint32_t i = 0; i < LOAD_LATENCY_BINS; i++) {
        double here = sample->latency[i];
        if (here > 0 && before + here >= q * count) /* as if they were spread evenly within the bin */
            return begin_ms_of(i) + (begin_ms_of(i + 1) - begin_ms_of(i)) * fmax(q * count - before, 0) / here;
        before += here;
    }
    return 0;
}

/* What follows upon `sample` becomes part of it. */
static void append(struct load_sample *sample, const struct load_sample *next)
{
    uint32_t seconds = sample->seconds + next->seconds;
    if (next->seconds == 0)
        return;
    sample->clients = next->clients;
    sample->joins += next->joins;
    sample->failures += next->failures;
    sample->bytes_up += next->bytes_up;
    sample->bytes_down += next->bytes_down;
    sample->packets_expected += next->packets_expected;
    sample->packets_lost += next->packets_lost;
    sample->cpu = (sample->cpu * sample->seconds + next->cpu * next->seconds) / seconds;
    sample->lag_ms = fmax(sample->lag_ms, next->lag_ms);
    for (uint32_t i = 0; i < LOAD_LATENCY_BINS; i++)
        sample->latency[i] += next->latency[i];
    sample->seconds = seconds;
}

void load_series_coarsen(struct load_series *series)
{
    uint32_t count = (series->count + 1) / 2;
    for (uint32_t i = 0; i < count; i++) {
        series->samples[i] = series->samples[2 * i];
        if (2 * i + 1 < series->count)
            append(&series->samples[i], &series->samples[2 * i + 1]);
    }
    memset(&series->samples[count], 0, (series->count - count) * sizeof series->samples[0]);
    series->count = count;
    series->span_s *= 2;
}

void load_series_add(struct load_series *series, uint32_t second, const struct load_sample *sample)
{
    while (second / series->span_s >= LOAD_SAMPLES_MAX)
        load_series_coarsen(series);
    uint32_t index = second / series->span_s;
    append(&series->samples[index], sample);
    series->count = index >= series->count ? index + 1 : series->count;
}
