#include "report/threshold.h"

#include <string.h>

#include "tests/support/suite.h"

static void holds_the_worst_run_against_the_bound(void)
{
    struct result_run runs[3] = {
        {.topology = "sfu", .latency_ms = {.count = 9, .p95 = 100}},
        {.topology = "sfu", .latency_ms = {.count = 9, .p95 = 200}},
        {.topology = "mesh", .latency_ms = {.count = 9, .p95 = 900}},
    };
    const struct result result = {.runs = runs, .run_count = 3};
    struct result_threshold t = threshold_apply("sfu.latency_ms.p95 < 250", &result);
    CU_ASSERT_TRUE(t.passed);
    CU_ASSERT_EQUAL(t.value, 200);
    t = threshold_apply("sfu.latency_ms.p95 < 200", &result);
    CU_ASSERT_FALSE(t.passed);
    CU_ASSERT_TRUE(threshold_apply("sfu.latency_ms.p95 <= 200", &result).passed);
    t = threshold_apply("sfu.latency_ms.p95 > 150", &result);
    CU_ASSERT_FALSE(t.passed);
    CU_ASSERT_EQUAL(t.value, 100);
    t = threshold_apply("any.latency_ms.p95 < 800", &result);
    CU_ASSERT_FALSE(t.passed);
    CU_ASSERT_EQUAL(t.value, 900);
    t = threshold_apply("sfu.freeze.count == 0", &result);
    CU_ASSERT_TRUE(t.passed);
}

static void fails_what_was_not_measured(void)
{
    const struct result result = {0};
    struct result_threshold t = threshold_apply("mesh.loss.rate < 0.5", &result);
    CU_ASSERT_FALSE(t.measured);
    CU_ASSERT_FALSE(t.passed);
}

static void checks_form_and_figure(void)
{
    struct error error;
    CU_ASSERT_TRUE(threshold_check("mesh.turn_fallback.connections < 0.30", &error));
    CU_ASSERT_TRUE(threshold_check("sfu.bitrate_kbps.client_up.mean>=1e3", &error));
    const char *const wrong[] = {
        "sfu.latency_ms.p95 ! 5",  "sfu.latency_ms.p95 < many", "sfu.latency_ms < 5", "sfu.no.such < 5",
        "ring.latency_ms.p95 < 5", "sfu.latency_ms.p95 < 5 6",  "sfu.captures < 1",   "",
        "sfu.latency_ms.p95 <> 5"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        error.text[0] = '\0';
        CU_ASSERT_FALSE(threshold_check(wrong[i], &error));
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "threshold"));
    }
}

void threshold_test(void)
{
    SUITE("threshold", {"holds the worst run against the bound", holds_the_worst_run_against_the_bound},
          {"fails what was not measured", fails_what_was_not_measured},
          {"checks form and figure", checks_form_and_figure});
}
