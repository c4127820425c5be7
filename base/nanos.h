/* Time, as every engine sees it: a signed count of nanoseconds since the world's start (sim) or an arbitrary steady
 * origin (live). Engines never read a clock; `now` is an argument. */
#ifndef CONFAB_BASE_NANOS_H
#define CONFAB_BASE_NANOS_H

#include <stdint.h>

typedef int64_t nanos;

#define NANOS_PER_US ((nanos)1000)
#define NANOS_PER_MS ((nanos)1000000)
#define NANOS_PER_S ((nanos)1000000000)

/* A deadline that never comes. */
#define NANOS_NEVER INT64_MAX

static inline nanos nanos_min(nanos a, nanos b) { return a < b ? a : b; }
static inline nanos nanos_max(nanos a, nanos b) { return a > b ? a : b; }
static inline double nanos_to_ms(nanos t) { return (double)t / 1e6; }
static inline double nanos_to_s(nanos t) { return (double)t / 1e9; }

#endif
