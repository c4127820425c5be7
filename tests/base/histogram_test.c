#include "base/histogram.h"

#include <math.h>

#include "base/rng.h"
#include "tests/support/suite.h"

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void quantiles_are_within_a_thousandth(void)
{
    enum { COUNT = 20000 };
    static uint64_t values[COUNT];
    struct rng rng = rng_of(7, "histogram", 0);
    struct histogram h = {0};
    for (size_t i = 0; i < COUNT; i++) {
        values[i] = (uint64_t)rng_exponential(&rng, 80e6);
        CU_ASSERT_TRUE_FATAL(histogram_record(&h, values[i]));
    }
    qsort(values, COUNT, sizeof values[0], compare);
    const double quantiles[] = {0.01, 0.5, 0.95, 0.99, 0.999};
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++) {
        double exact = (double)values[(size_t)ceil(quantiles[i] * COUNT) - 1];
        CU_ASSERT_DOUBLE_EQUAL(histogram_quantile(&h, quantiles[i]), exact, exact * 0.001);
    }
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0), (double)values[0]);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 1), (double)values[COUNT - 1]);
    histogram_clear(&h);
}

static void extremes_fit(void)
{
    struct histogram h = {0};
    CU_ASSERT_TRUE(histogram_record(&h, 0));
    CU_ASSERT_TRUE(histogram_record(&h, UINT64_MAX));
    CU_ASSERT_TRUE(histogram_record(&h, 1023));
    CU_ASSERT_TRUE(histogram_record(&h, 1024));
    CU_ASSERT_EQUAL(h.count, 4);
    CU_ASSERT_EQUAL(h.max, UINT64_MAX);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0.5), 1023);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0.75), 1024);
    histogram_clear(&h);
    CU_ASSERT_EQUAL(histogram_quantile(&h, 0.5), 0);
}

static void merging_equals_recording_all_in_one(void)
{
    struct rng rng = rng_of(9, "merge", 0);
    struct histogram all = {0};
    struct histogram parts[2] = {{0}, {0}};
    for (int i = 0; i < 5000; i++) {
        uint64_t value = rng_u64(&rng) >> rng_below(&rng, 60);
        histogram_record(&all, value);
        histogram_record(&parts[i & 1], value);
    }
    CU_ASSERT_TRUE(histogram_merge(&parts[0], &parts[1]));
    for (double q = 0; q <= 1; q += 0.01)
        CU_ASSERT_EQUAL(histogram_quantile(&parts[0], q), histogram_quantile(&all, q));
    CU_ASSERT_EQUAL(parts[0].count, all.count);
    histogram_clear(&all);
    histogram_clear(&parts[0]);
    histogram_clear(&parts[1]);
}

static void a_bucket_is_where_its_lowest_value_is(void)
{
    for (uint64_t bucket = 0; bucket < (uint64_t)HISTOGRAM_STEPS * HISTOGRAM_OCTAVES; bucket++) {
        CU_ASSERT_EQUAL(histogram_bucket(histogram_lowest(bucket)), bucket);
        CU_ASSERT_TRUE(bucket == 0 || histogram_bucket(histogram_lowest(bucket) - 1) == bucket - 1);
    }
    CU_ASSERT_EQUAL(histogram_bucket(UINT64_MAX), (uint64_t)HISTOGRAM_STEPS * HISTOGRAM_OCTAVES - 1);
}

void histogram_test(void)
{
    SUITE("histogram", {"quantiles are within a thousandth", quantiles_are_within_a_thousandth},
          {"extremes fit", extremes_fit},
          {"a bucket is where its lowest value is", a_bucket_is_where_its_lowest_value_is},
          {"merging equals recording all in one", merging_equals_recording_all_in_one});
}
