/* Counts of values, from which any percentile can be read, in memory that follows the spread of the values and not
 * their number. Buckets are logarithmic with 1,024 steps to an octave, so a percentile is within 0.1 % of the value
 * recorded; count, sum, minimum and maximum are exact. Two of them merge exactly. */
#ifndef CONFAB_BASE_HISTOGRAM_H
#define CONFAB_BASE_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define HISTOGRAM_STEPS 1024
#define HISTOGRAM_OCTAVES 55

struct histogram {
    uint64_t count;
    uint64_t min; /* meaningless while count is 0 */
    uint64_t max;
    double sum;
    uint64_t *octaves[HISTOGRAM_OCTAVES]; /* each NULL until a value falls into it */
};

/* A histogram starts as all zeros; this gives back what it holds and makes it so again. */
void histogram_clear(struct histogram *h);

/* False only when memory is out: then the value is not counted. */
bool histogram_record(struct histogram *h, uint64_t value);

bool histogram_merge(struct histogram *into, const struct histogram *from);

/* The value at or below which the fraction `q` (0 to 1) of the values lies: nearest rank. 0 when empty. */
double histogram_quantile(const struct histogram *h, double q);

/* 0 when empty. */
double histogram_mean(const struct histogram *h);

/* Calls `visit` for each bucket that holds something, in rising order, with the bucket's lowest value: what a merge
 * over files or machines needs, with histogram_record_many at the other end. */
void histogram_visit(const struct histogram *h, void (*visit)(void *user, uint64_t lowest, uint64_t count), void *user);
bool histogram_record_many(struct histogram *h, uint64_t value, uint64_t count);

/* The number of a value's bucket: octave × HISTOGRAM_STEPS + step, as they lie in `octaves`; and a bucket's lowest value. */
uint64_t histogram_bucket(uint64_t value);
uint64_t histogram_lowest(uint64_t bucket);

#endif
