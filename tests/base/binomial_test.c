#include "base/binomial.h"

#include <math.h>

#include "tests/support/suite.h"

/* By adding up the terms themselves. */
static double added_up(uint64_t count, uint64_t trials, double p)
{
    double sum = 0;
    for (uint64_t k = 0; k <= count; k++)
        sum += exp(lgamma((double)trials + 1) - lgamma((double)k + 1) - lgamma((double)(trials - k) + 1) +
                   (double)k * log(p) + (double)(trials - k) * log1p(-p));
    return sum;
}

static void sums_of_terms(void)
{
    static const uint64_t trials[] = {1, 7, 100, 6000};
    static const double ps[] = {.001, .046, .22, .5, .97};
    for (size_t t = 0; t < 4; t++) {
        for (size_t i = 0; i < 5; i++) {
            for (uint64_t k = 0; k <= trials[t]; k += 1 + trials[t] / 20)
                CU_ASSERT_DOUBLE_EQUAL(binomial_cumulative(k, trials[t], ps[i]), added_up(k, trials[t], ps[i]), 1e-9);
        }
    }
    CU_ASSERT_EQUAL(binomial_cumulative(0, 10, 0), 1);
    CU_ASSERT_EQUAL(binomial_cumulative(9, 10, 1), 0);
    CU_ASSERT_EQUAL(binomial_cumulative(10, 10, 1), 1);
}

static void expected_counts_hold_exactly_enough(void)
{
    static const uint64_t trials[] = {1, 20, 378, 4000, 1000000};
    static const double ps[] = {0, .001, .046, .22, .5, .999, 1};
    for (size_t t = 0; t < 5; t++) {
        for (size_t i = 0; i < 7; i++) {
            uint64_t n = trials[t];
            struct binomial_counts counts = binomial_expect(n, ps[i], .99);
            double below = counts.low > 0 ? binomial_cumulative(counts.low - 1, n, ps[i]) : 0;
            double above = 1 - binomial_cumulative(counts.high, n, ps[i]);
            CU_ASSERT_TRUE(counts.low <= counts.high && counts.high <= n);
            CU_ASSERT_TRUE(below <= .005 && above <= .005 + 1e-9);
            /* And no narrower one would do. */
            CU_ASSERT_TRUE(binomial_cumulative(counts.low, n, ps[i]) >= .005);
            CU_ASSERT_TRUE(counts.high == 0 || 1 - binomial_cumulative(counts.high - 1, n, ps[i]) >= .005 - 1e-9);
        }
    }
    CU_ASSERT_EQUAL(binomial_expect(10, 0, .99).high, 0);
    CU_ASSERT_EQUAL(binomial_expect(10, 1, .99).low, 10);
}

/* Clopper and Pearson, Biometrika 26 (1934); closed forms at the ends, and what R's binom.test says. */
static void intervals(void)
{
    struct binomial_share none = binomial_estimate(0, 10, .95), all = binomial_estimate(10, 10, .95);
    CU_ASSERT_EQUAL(none.low, 0);
    CU_ASSERT_DOUBLE_EQUAL(none.high, 1 - pow(.025, .1), 1e-12);
    CU_ASSERT_DOUBLE_EQUAL(all.low, pow(.025, .1), 1e-12);
    CU_ASSERT_EQUAL(all.high, 1);
    struct binomial_share few = binomial_estimate(4, 20, .95);
    CU_ASSERT_DOUBLE_EQUAL(few.low, .0573340, 1e-7);
    CU_ASSERT_DOUBLE_EQUAL(few.high, .4366140, 1e-7);
    struct binomial_share nothing = binomial_estimate(0, 0, .99);
    CU_ASSERT_TRUE(nothing.low == 0 && nothing.high == 1);
    struct binomial_share many = binomial_estimate(184, 4000, .99);
    CU_ASSERT_DOUBLE_EQUAL(binomial_cumulative(184, 4000, many.high), .005, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(1 - binomial_cumulative(183, 4000, many.low), .005, 1e-9);
}

void binomial_test(void)
{
    SUITE("binomial", {"sums of terms", sums_of_terms},
          {"expected counts hold exactly enough", expected_counts_hold_exactly_enough}, {"intervals", intervals});
}
