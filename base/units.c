#include "base/units.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    double factor;
};

/* Reads "NUMBER UNIT" with one of `units` (the last has no name); `what` and `example` go into the error. */
static bool parse_quantity(const char *text, const struct unit *units, const char *what, const char *example,
                           double *out, struct error *error)
{
    char *end;
    bool number = isdigit((unsigned char)text[0]) || text[0] == '.';
    double value = number ? strtod(text, &end) : 0;
    if (!number || !isfinite(value) || strpbrk(text, "xX") != NULL)
        return error_set(error, ERROR_USAGE, "'%s' is not a %s: write it like %s", text, what, example);
    while (*end == ' ')
        end++;
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(end, unit->name) == 0) {
            *out = value * unit->factor;
            return true;
        }
    }
    if (*end == '\0' && value == 0) {
        *out = 0;
        return true;
    }
    if (*end == '\0')
        return error_set(error, ERROR_USAGE, "'%s' lacks its unit: a %s is written like %s", text, what, example);
    return error_set(error, ERROR_USAGE, "'%s' has the unknown unit '%s': a %s is written like %s", text, end, what,
                     example);
}

static bool parse_whole(const char *text, const struct unit *units, const char *what, const char *example, int64_t *out,
                        struct error *error)
{
    double value = 0;
    if (!parse_quantity(text, units, what, example, &value, error))
        return false;
    if (value > 4e18)
        return error_set(error, ERROR_USAGE, "'%s' is too large for a %s", text, what);
    *out = llround(value);
    return true;
}

bool units_parse_duration(const char *text, nanos *out, struct error *error)
{
    static const struct unit units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6}, {"s", 1e9},
                                        {"m", 60e9}, {"h", 3600e9}, {NULL, 0}};
    return parse_whole(text, units, "duration", "250ms, 30s or 5m", out, error);
}

bool units_parse_bitrate(const char *text, int64_t *bits_per_second, struct error *error)
{
    static const struct unit units[] = {{"bps", 1}, {"kbps", 1e3}, {"mbps", 1e6}, {"gbps", 1e9}, {NULL, 0}};
    return parse_whole(text, units, "bitrate", "500kbps or 20mbps", bits_per_second, error);
}

bool units_parse_size(const char *text, int64_t *bytes, struct error *error)
{
    static const struct unit units[] = {{"B", 1},      {"KB", 1e3},        {"MB", 1e6},           {"GB", 1e9},
                                        {"KiB", 1024}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {NULL, 0}};
    return parse_whole(text, units, "size", "1200B or 5MB", bytes, error);
}

bool units_parse_frequency(const char *text, double *per_second, struct error *error)
{
    static const struct unit units[] = {{"/s", 1}, {"/m", 1.0 / 60}, {"/h", 1.0 / 3600}, {NULL, 0}};
    return parse_quantity(text, units, "frequency", "10/s", per_second, error);
}

bool units_parse_ratio(const char *text, double *ratio, struct error *error)
{
    static const struct unit units[] = {{"%", 0.01}, {"", 1}, {NULL, 0}};
    double value = 0;
    if (!parse_quantity(text, units, "ratio", "0.02 or 2%", &value, error))
        return false;
    if (value > 1)
        return error_set(error, ERROR_USAGE, "'%s' is more than the whole: a ratio lies between 0 and 1 (or 100%%)",
                         text);
    *ratio = value;
    return true;
}
