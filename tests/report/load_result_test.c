#include "report/load_result.h"

#include <stdio.h>
#include <string.h>

#include "base/nanos.h"
#include "tests/support/suite.h"

static void sums_up_histograms_and_counts(void)
{
    struct result_run run = {.load = load_result_create(), .rooms = 4, .clients_joined = 10};
    for (uint64_t i = 1; i <= 100; i++)
        histogram_record(&run.load->figures[LOAD_LATENCY], i * NANOS_PER_MS);
    histogram_record(&run.load->figures[LOAD_SIGNALLED], 20 * NANOS_PER_MS);
    run.connections = (struct result_connections){.connected = 10, .relay_tcp = 1, .relay_tls = 1};
    run.load->clients_relayed = 2;
    run.load->rooms_relayed = 1;
    run.loss.sent = 1000;
    run.loss.lost = 20;
    run.load->packets_lost_after_repair = 5;
    load_result_sum_up(&run);
    CU_ASSERT_EQUAL(run.latency_ms.count, 100);
    CU_ASSERT_DOUBLE_EQUAL(run.latency_ms.p95, 95, 0.1);
    CU_ASSERT_DOUBLE_EQUAL(run.latency_ms.mean, 50.5, 1e-9);
    CU_ASSERT_EQUAL(run.load->funnel[LOAD_SIGNALLED].p50, 20);
    CU_ASSERT_EQUAL(run.load->funnel[LOAD_FIRST_FRAME].count, 0);
    CU_ASSERT_DOUBLE_EQUAL(run.turn_fallback.connections, 0.2, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(run.turn_fallback.clients, 0.2, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(run.turn_fallback.rooms, 0.25, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(run.loss.rate, 0.02, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(run.loss.after_repair, 0.005, 1e-9);
    load_result_destroy(run.load);
}

static void counts_failures_by_class(void)
{
    struct load_result *load = load_result_create();
    char class[24];
    load_result_fail(load, "refused", "connection refused by 127.0.0.1:1");
    load_result_fail(load, "refused", "another");
    CU_ASSERT_EQUAL(load->failures[0].count, 2);
    CU_ASSERT_STRING_EQUAL(load->failures[0].example, "connection refused by 127.0.0.1:1");
    for (int i = 0; i < 2 * LOAD_FAILURES_MAX; i++) {
        snprintf(class, sizeof class, "class %d", i);
        load_result_fail(load, class, "example");
    }
    CU_ASSERT_EQUAL(load->failure_count, LOAD_FAILURES_MAX);
    CU_ASSERT_STRING_EQUAL(load->failures[LOAD_FAILURES_MAX - 1].class, "other");
    CU_ASSERT_EQUAL(load->failures[LOAD_FAILURES_MAX - 1].count, LOAD_FAILURES_MAX + 2);
    load_result_destroy(load);
}

static void keeps_the_ten_worst(void)
{
    struct load_result *load = load_result_create();
    struct load_client client = {.tracks_expected = 4, .tracks_got = 4, .watched_ms = 10000};
    for (int i = 0; i < 50; i++) {
        snprintf(client.name, sizeof client.name, "late %d", i);
        client.latency_ms_p95 = i * 37 % 50 * 10.0; /* each of 0 to 490 once */
        load_result_judge(load, &client);
    }
    struct load_client one = {.name = "lossy", .tracks_expected = 4, .tracks_got = 4, .loss = 0.5, .latency_ms_p95 = 5};
    load_result_judge(load, &one);
    one = (struct load_client){.name = "incomplete", .tracks_expected = 4, .tracks_got = 3, .latency_ms_p95 = 5};
    load_result_judge(load, &one);
    one = (struct load_client){.name = "failed", .why = "refused", .tracks_expected = 4};
    load_result_judge(load, &one);
    one =
        (struct load_client){.name = "frozen", .tracks_expected = 4, .tracks_got = 4, .frozen_ms = 9, .watched_ms = 9};
    load_result_judge(load, &one);
    one = (struct load_client){.name = "well", .tracks_expected = 4, .tracks_got = 4, .latency_ms_p95 = 5};
    load_result_judge(load, &one);
    CU_ASSERT_EQUAL(load->worst_count, LOAD_WORST_MAX);
    static const char *const order[] = {"failed", "incomplete", "frozen", "lossy"};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        CU_ASSERT_STRING_EQUAL(load->worst[i].name, order[i]);
    for (uint32_t i = 4; i < LOAD_WORST_MAX; i++)
        CU_ASSERT_EQUAL(load->worst[i].latency_ms_p95, 490 - 10.0 * (i - 4));
    load_result_destroy(load);
}

static void latencies_of_a_sample_are_close(void)
{
    for (uint64_t us = 100; us < 60000000; us += 1 + us / 7) {
        struct load_sample sample = {0};
        load_sample_latency(&sample, us * 1000, 1);
        double ms = (double)us / 1000;
        CU_ASSERT_DOUBLE_EQUAL(load_sample_quantile_ms(&sample, 0.5), ms, ms < 1 ? 0.5 : ms * 0.0626);
    }
    struct load_sample sample = {0};
    CU_ASSERT_EQUAL(load_sample_quantile_ms(&sample, 0.5), 0);
    load_sample_latency(&sample, 10 * NANOS_PER_MS, 95);
    load_sample_latency(&sample, 900 * NANOS_PER_MS, 5);
    CU_ASSERT_DOUBLE_EQUAL(load_sample_quantile_ms(&sample, 0.95), 10, 1);
    CU_ASSERT_DOUBLE_EQUAL(load_sample_quantile_ms(&sample, 0.96), 900, 45);
}

static void neighbours_merge_when_the_series_is_full(void)
{
    struct load_result *load = load_result_create();
    uint64_t bytes = 0;
    for (uint32_t second = 0; second < 2 * LOAD_SAMPLES_MAX + 3; second++) {
        struct load_sample sample = {
            .seconds = 1, .clients = second, .joins = 1, .bytes_up = second, .cpu = second % 2};
        sample.lag_ms = second;
        load_sample_latency(&sample, 20 * NANOS_PER_MS, 1);
        load_series_add(&load->series, second, &sample);
        bytes += second;
    }
    struct load_series *series = &load->series;
    CU_ASSERT_EQUAL(series->span_s, 4);
    CU_ASSERT_EQUAL(series->count, (2 * LOAD_SAMPLES_MAX + 3 + 3) / 4);
    CU_ASSERT_EQUAL(series->samples[0].seconds, 4);
    CU_ASSERT_EQUAL(series->samples[0].clients, 3);
    CU_ASSERT_EQUAL(series->samples[0].lag_ms, 3);
    CU_ASSERT_DOUBLE_EQUAL(series->samples[0].cpu, 0.5, 1e-9);
    CU_ASSERT_EQUAL(series->samples[series->count - 1].seconds, 3);
    uint64_t joins = 0;
    for (uint32_t i = 0; i < series->count; i++) {
        joins += series->samples[i].joins;
        bytes -= series->samples[i].bytes_up;
    }
    CU_ASSERT_EQUAL(joins, 2 * LOAD_SAMPLES_MAX + 3);
    CU_ASSERT_EQUAL(bytes, 0);
    load_result_destroy(load);
}

void load_result_test(void)
{
    SUITE("load result", {"sums up histograms and counts", sums_up_histograms_and_counts},
          {"counts failures by class", counts_failures_by_class}, {"keeps the ten worst", keeps_the_ten_worst},
          {"latencies of a sample are close", latencies_of_a_sample_are_close},
          {"neighbours merge when the series is full", neighbours_merge_when_the_series_is_full});
}
