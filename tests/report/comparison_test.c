#include "report/comparison.h"

#include <string.h>

#include "tests/support/suite.h"

static const struct comparison_row *find_row(const struct comparison_run *run, const char *figure)
{
    for (size_t i = 0; i < run->row_count; i++) {
        if (strcmp(run->rows[i].figure, figure) == 0)
            return &run->rows[i];
    }
    return NULL;
}

static struct result_run sfu_run(uint64_t clients, double p50, double p95)
{
    return (struct result_run){
        .topology = "sfu",
        .clients_planned = clients,
        .clients_joined = clients,
        .latency_ms = {.count = clients * 1000, .mean = p50, .p50 = p50, .p95 = p95, .p99 = p95}};
}

static enum comparison_difference difference_of_p95(struct result_run a, struct result_run b)
{
    const struct result one = {.runs = &a, .run_count = 1};
    const struct result other = {.runs = &b, .run_count = 1};
    struct comparison comparison;
    struct error error;
    CU_ASSERT_TRUE_FATAL(comparison_make(&comparison, &one, &other, &error));
    const struct comparison_row *row = find_row(&comparison.runs[0], "latency_ms.p95");
    CU_ASSERT_PTR_NOT_NULL_FATAL(row);
    enum comparison_difference difference = row->difference;
    comparison_free(&comparison);
    return difference;
}

static void what_chance_makes_does_not_matter(void)
{
    /* The spread between median and 95 % is 33 ms, so sigma is 20; of 16 clients the error of p95 is 10.6 on each side. */
    CU_ASSERT_EQUAL(difference_of_p95(sfu_run(16, 50, 83), sfu_run(16, 50, 105)), DIFFERENCE_NONE);
    CU_ASSERT_EQUAL(difference_of_p95(sfu_run(1600, 50, 83), sfu_run(1600, 50, 105)), DIFFERENCE_WORSE);
    CU_ASSERT_EQUAL(difference_of_p95(sfu_run(1600, 50, 105), sfu_run(1600, 50, 83)), DIFFERENCE_BETTER);
}

static void what_is_too_small_to_notice_does_not_matter(void)
{
    CU_ASSERT_EQUAL(difference_of_p95(sfu_run(1000000, 50, 83), sfu_run(1000000, 50, 86)), DIFFERENCE_NONE); /* 3.5 % */
    CU_ASSERT_EQUAL(difference_of_p95(sfu_run(1000000, 1, 2), sfu_run(1000000, 1, 3.5)), DIFFERENCE_NONE); /* 1.5 ms */
}

static void shares_have_the_noise_of_their_counts(void)
{
    struct result_run a = sfu_run(100, 50, 60);
    struct result_run b = sfu_run(100, 50, 60);
    const struct result one = {.runs = &a, .run_count = 1};
    const struct result other = {.runs = &b, .run_count = 1};
    struct comparison comparison;
    struct error error;
    b.clients_joined = 97; /* 3 ± 1.7 % */
    CU_ASSERT_TRUE_FATAL(comparison_make(&comparison, &one, &other, &error));
    CU_ASSERT_EQUAL(find_row(&comparison.runs[0], "clients.joined")->difference, DIFFERENCE_NONE);
    comparison_free(&comparison);
    b.clients_joined = 80; /* 20 ± 4 % */
    CU_ASSERT_TRUE_FATAL(comparison_make(&comparison, &one, &other, &error));
    CU_ASSERT_EQUAL(find_row(&comparison.runs[0], "clients.joined")->difference, DIFFERENCE_WORSE);
    CU_ASSERT_EQUAL(comparison.worse, 1);
    CU_ASSERT_PTR_NULL(find_row(&comparison.runs[0], "data.received")); /* there was none */
    comparison_free(&comparison);
}

static void runs_are_paired_by_topology_and_sweep(void)
{
    struct result_run a[] = {{.topology = "mesh", .sweep = "rooms.size=2"},
                             {.topology = "sfu", .sweep = "rooms.size=2"}};
    struct result_run b[] = {{.topology = "sfu", .sweep = "rooms.size=2"},
                             {.topology = "sfu", .sweep = "rooms.size=4"}};
    const struct result one = {.runs = a, .run_count = 2};
    const struct result other = {.runs = b, .run_count = 2};
    struct comparison comparison;
    struct error error;
    CU_ASSERT_TRUE_FATAL(comparison_make(&comparison, &one, &other, &error));
    CU_ASSERT_EQUAL(comparison.run_count, 3);
    CU_ASSERT_PTR_NULL(comparison.runs[0].b);
    CU_ASSERT_PTR_EQUAL(comparison.runs[1].a, &a[1]);
    CU_ASSERT_PTR_EQUAL(comparison.runs[1].b, &b[0]);
    CU_ASSERT_PTR_NULL(comparison.runs[2].a);
    comparison_free(&comparison);
    b[0].sweep[0] = b[1].sweep[0] = 'x';
    CU_ASSERT_FALSE(comparison_make(&comparison, &one, &other, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no run"));
    comparison_free(&comparison);
}

void comparison_test(void)
{
    SUITE("comparison", {"what chance makes does not matter", what_chance_makes_does_not_matter},
          {"what is too small to notice does not matter", what_is_too_small_to_notice_does_not_matter},
          {"shares have the noise of their counts", shares_have_the_noise_of_their_counts},
          {"runs are paired by topology and sweep", runs_are_paired_by_topology_and_sweep});
}
