/* Counts of independent trials: which counts a known probability makes, and which probabilities a count speaks for. No
 * normal approximation: everything comes from the binomial distribution itself. */
#ifndef CONFAB_BASE_BINOMIAL_H
#define CONFAB_BASE_BINOMIAL_H

#include <stdint.h>

/* P(X ≤ count), where X is the number of successes in `trials` trials that succeed with `probability` (0 to 1). */
double binomial_cumulative(uint64_t count, uint64_t trials, double probability);

struct binomial_counts {
    uint64_t low, high; /* both included */
};

/* The counts to be expected with that `confidence` (0.99): less than `low` and more than `high` each have a probability
 * of at most half of what is left. */
struct binomial_counts binomial_expect(uint64_t trials, double probability, double confidence);

struct binomial_share {
    double low, high; /* 0 to 1 */
};

/* The probabilities that `count` successes of `trials` are compatible with: Clopper and Pearson's interval. Without
 * trials it is 0 to 1. */
struct binomial_share binomial_estimate(uint64_t count, uint64_t trials, double confidence);

#endif
