/* Quantities as people write them: a number and a unit, "250ms", "1.7mbps", "1200B", "10/s". */
#ifndef CONFAB_BASE_UNITS_H
#define CONFAB_BASE_UNITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"

/* "250us", "250ms", "30s", "5m", "1h"; "0" needs no unit. Not negative. */
bool units_parse_duration(const char *text, nanos *out, struct error *error);

/* "32kbps", "1.5mbps", "1gbps", "800bps", in bits a second. */
bool units_parse_bitrate(const char *text, int64_t *bits_per_second, struct error *error);

/* "1200B", "64KB", "5MB", "1GB" (powers of 1,000) and "64KiB", "5MiB" (of 1,024). */
bool units_parse_size(const char *text, int64_t *bytes, struct error *error);

/* "10/s", "0.5/s", "6/m", in events a second. */
bool units_parse_frequency(const char *text, double *per_second, struct error *error);

/* "1.5 %" has its sign or not: "0.015" and "1.5%" are the same ratio. Between 0 and 1. */
bool units_parse_ratio(const char *text, double *ratio, struct error *error);

#endif
