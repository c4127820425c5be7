/* Seeded random numbers (xoshiro256**). Everything random in a run follows from one seed: each consumer forks its own
 * stream by name and number, so adding a consumer changes nobody else's numbers. Not for secrets. */
#ifndef CONFAB_BASE_RNG_H
#define CONFAB_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state[4];
};

/* The stream that `seed`, `name` (what it is for) and `index` (which one of them) determine. */
struct rng rng_of(uint64_t seed, const char *name, uint64_t index);

uint64_t rng_u64(struct rng *rng);
uint32_t rng_u32(struct rng *rng);

/* Uniform in [0, bound), without bias; bound > 0. */
uint64_t rng_below(struct rng *rng, uint64_t bound);

/* Uniform in [0, 1). */
double rng_unit(struct rng *rng);

/* Mean 0, standard deviation 1. */
double rng_normal(struct rng *rng);

/* Mean `mean`. */
double rng_exponential(struct rng *rng, double mean);

/* Mean 0, scale `scale` (RFC 8593, section 6.1.1, uses it for frame sizes and intervals). */
double rng_laplace(struct rng *rng, double scale);

void rng_bytes(struct rng *rng, void *buf, size_t len);

/* An index drawn with the given weights (each ≥ 0, at least one > 0). */
size_t rng_weighted(struct rng *rng, const double *weights, size_t count);

#endif
