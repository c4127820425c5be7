#include "base/rng.h"

#include <math.h>
#include <string.h>

static uint64_t rotate_left(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

/* SplitMix64: spreads any seed, also 0, over the whole state. */
static uint64_t spread(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct rng rng_of(uint64_t seed, const char *name, uint64_t index)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a of the name */
    for (const char *c = name; *c != '\0'; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
    uint64_t state = seed;
    state = spread(&state) ^ hash;
    state = spread(&state) ^ index;
    struct rng rng;
    for (int i = 0; i < 4; i++)
        rng.state[i] = spread(&state);
    return rng;
}

uint64_t rng_u64(struct rng *rng)
{
    uint64_t *s = rng->state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint32_t rng_u32(struct rng *rng) { return (uint32_t)(rng_u64(rng) >> 32); }

uint64_t rng_below(struct rng *rng, uint64_t bound)
{
    /* Lemire's multiplication: the few values that would bias the result are drawn again. */
    __uint128_t product = (__uint128_t)rng_u64(rng) * bound;
    if ((uint64_t)product < bound) {
        uint64_t threshold = -bound % bound;
        while ((uint64_t)product < threshold)
            product = (__uint128_t)rng_u64(rng) * bound;
    }
    return (uint64_t)(product >> 64);
}

double rng_unit(struct rng *rng) { return (double)(rng_u64(rng) >> 11) * 0x1.0p-53; }

double rng_normal(struct rng *rng)
{
    /* Box and Muller; the second number is not kept, so that a stream's state is its four words alone. */
    double radius = sqrt(-2.0 * log(1.0 - rng_unit(rng)));
    return radius * cos(2.0 * M_PI * rng_unit(rng));
}

double rng_exponential(struct rng *rng, double mean) { return -mean * log(1.0 - rng_unit(rng)); }

double rng_laplace(struct rng *rng, double scale)
{
    double u = rng_unit(rng) - 0.5;
    double magnitude = -scale * log(1.0 - 2.0 * fabs(u));
    return u < 0 ? -magnitude : magnitude;
}

void rng_bytes(struct rng *rng, void *buf, size_t len)
{
    uint8_t *at = buf;
    while (len > 0) {
        uint64_t word = rng_u64(rng);
        size_t part = len < sizeof word ? len : sizeof word;
        memcpy(at, &word, part);
        at += part;
        len -= part;
    }
}

size_t rng_weighted(struct rng *rng, const double *weights, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += weights[i];
    double at = rng_unit(rng) * sum;
    size_t last = 0;
    for (size_t i = 0; i < count; i++) {
        if (weights[i] <= 0)
            continue;
        last = i;
        if (at < weights[i])
            return i;
        at -= weights[i];
    }
    return last;
}
