#include "base/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Octave 0 holds 0 to 1,023 one by one; octave k holds [1,024 · 2^(k−1), 1,024 · 2^k) in steps of 2^(k−1). */
static unsigned octave_of(uint64_t value)
{
    return value < HISTOGRAM_STEPS ? 0 : (unsigned)(63 - __builtin_clzll(value)) - 9;
}

static uint64_t step_of(uint64_t value, unsigned octave)
{
    return octave == 0 ? value : (value >> (octave - 1)) - HISTOGRAM_STEPS;
}

static uint64_t lowest_in(unsigned octave, uint64_t step)
{
    return octave == 0 ? step : (step + HISTOGRAM_STEPS) << (octave - 1);
}

uint64_t histogram_bucket(uint64_t value)
{
    unsigned octave = octave_of(value);
    return octave * (uint64_t)HISTOGRAM_STEPS + step_of(value, octave);
}

uint64_t histogram_lowest(uint64_t bucket)
{
    return lowest_in((unsigned)(bucket / HISTOGRAM_STEPS), bucket % HISTOGRAM_STEPS);
}

void histogram_clear(struct histogram *h)
{
    for (unsigned o = 0; o < HISTOGRAM_OCTAVES; o++)
        free(h->octaves[o]);
    memset(h, 0, sizeof *h);
}

static bool add_to_bucket(struct histogram *h, uint64_t value, uint64_t count)
{
    unsigned octave = octave_of(value);
    if (h->octaves[octave] == NULL) {
        h->octaves[octave] = calloc(HISTOGRAM_STEPS, sizeof *h->octaves[octave]);
        if (h->octaves[octave] == NULL)
            return false;
    }
    h->octaves[octave][step_of(value, octave)] += count;
    return true;
}

bool histogram_record_many(struct histogram *h, uint64_t value, uint64_t count)
{
    if (count == 0)
        return true;
    if (!add_to_bucket(h, value, count))
        return false;
    if (h->count == 0 || value < h->min)
        h->min = value;
    if (h->count == 0 || value > h->max)
        h->max = value;
    h->count += count;
    h->sum += (double)value * (double)count;
    return true;
}

bool histogram_record(struct histogram *h, uint64_t value) { return histogram_record_many(h, value, 1); }

bool histogram_merge(struct histogram *into, const struct histogram *from)
{
    if (from->count == 0)
        return true;
    for (unsigned o = 0; o < HISTOGRAM_OCTAVES; o++) {
        if (from->octaves[o] == NULL)
            continue;
        for (uint64_t s = 0; s < HISTOGRAM_STEPS; s++) {
            if (from->octaves[o][s] > 0 && !add_to_bucket(into, lowest_in(o, s), from->octaves[o][s]))
                return false;
        }
    }
    if (into->count == 0 || from->min < into->min)
        into->min = from->min;
    if (into->count == 0 || from->max > into->max)
        into->max = from->max;
    into->count += from->count;
    into->sum += from->sum;
    return true;
}

double histogram_quantile(const struct histogram *h, double q)
{
    if (h->count == 0)
        return 0;
    uint64_t rank = (uint64_t)ceil(q * (double)h->count);
    if (rank <= 1)
        return (double)h->min;
    if (rank >= h->count)
        return (double)h->max;
    uint64_t seen = 0;
    for (unsigned o = 0; o < HISTOGRAM_OCTAVES; o++) {
        if (h->octaves[o] == NULL)
            continue;
        for (uint64_t s = 0; s < HISTOGRAM_STEPS; s++) {
            seen += h->octaves[o][s];
            if (seen < rank)
                continue;
            double middle = o < 2 ? (double)lowest_in(o, s) : (double)lowest_in(o, s) + (double)(1ull << (o - 1)) / 2;
            return fmin(fmax(middle, (double)h->min), (double)h->max);
        }
    }
    return (double)h->max;
}

double histogram_mean(const struct histogram *h) { return h->count == 0 ? 0 : h->sum / (double)h->count; }

void histogram_visit(const struct histogram *h, void (*visit)(void *user, uint64_t lowest, uint64_t count), void *user)
{
    for (unsigned o = 0; o < HISTOGRAM_OCTAVES; o++) {
        for (uint64_t s = 0; h->octaves[o] != NULL && s < HISTOGRAM_STEPS; s++) {
            if (h->octaves[o][s] > 0)
                visit(user, lowest_in(o, s), h->octaves[o][s]);
        }
    }
}
