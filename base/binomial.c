#include "base/binomial.h"

#include <math.h>

/* The regularized incomplete beta function I_x(a, b) by its continued fraction (DLMF 8.17.22), which converges fast
 * where x < (a + 1) / (a + b + 2); evaluated from the front (Lentz's method, DLMF 3.10(iii)). */
static double beta_fraction(double x, double a, double b)
{
    double c = 1;
    double d = 1 / (1 - (a + b) * x / (a + 1));
    double f = d;
    double change = 0;
    for (double m = 1; fabs(change - 1) > 1e-15 && m < 1e6; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / (1 + even * d);
        c = 1 + even / c;
        f *= d * c;
        d = 1 / (1 + odd * d);
        c = 1 + odd / c;
        change = d * c;
        f *= change;
    }
    return f;
}

static double beta_regularized(double x, double a, double b)
{
    int sign;
    if (x <= 0 || x >= 1)
        return x <= 0 ? 0 : 1;
    double scale = exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return scale * beta_fraction(x, a, b) / a;
    return 1 - scale * beta_fraction(1 - x, b, a) / b;
}

double binomial_cumulative(uint64_t count, uint64_t trials, double probability)
{
    if (count >= trials)
        return 1;
    return beta_regularized(1 - probability, (double)(trials - count), (double)count + 1);
}

/* The smallest count with P(X ≤ count) ≥ level. */
static uint64_t quantile(uint64_t trials, double probability, double level)
{
    uint64_t low = 0;
    uint64_t high = trials;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (binomial_cumulative(middle, trials, probability) >= level)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

struct binomial_counts binomial_expect(uint64_t trials, double probability, double confidence)
{
    /* The upper end is the lower one of the failures. */
    double tail = (1 - confidence) / 2;
    return (struct binomial_counts){.low = quantile(trials, probability, tail),
                                    .high = trials - quantile(trials, 1 - probability, tail)};
}

/* The probability at which P(X ≤ count) comes down to `level`. */
static double root(uint64_t count, uint64_t trials, double level)
{
    double low = 0;
    double high = 1;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (binomial_cumulative(count, trials, middle) > level)
            low = middle;
        else
            high = middle;
    }
    return (low + high) / 2;
}

struct binomial_share binomial_estimate(uint64_t count, uint64_t trials, double confidence)
{
    double tail = (1 - confidence) / 2;
    struct binomial_share share = {.low = 0, .high = 1};
    if (count > 0)
        share.low = root(count - 1, trials, 1 - tail);
    if (count < trials)
        share.high = root(count, trials, tail);
    return share;
}
