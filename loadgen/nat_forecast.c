#include "loadgen/nat_forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/presets.h"

enum { SETS = 1 << NAT_KINDS, ROOM_KINDS_MAX = 1000000, PAIRS_MAX = 20000 };

/* --- shares ------------------------------------------------------------------------------------------------------------- */

/* May one of this kind enter a room where the kinds of `present` (bits) are, and still reach all of them directly? */
static bool reaches_all(int kind, unsigned present)
{
    for (int other = 0; other < NAT_KINDS; other++) {
        if ((present & 1u << other) != 0 && !nat_kinds_direct(kind, other))
            return false;
    }
    return true;
}

static double room_direct(const double share[NAT_KINDS], uint32_t room_size)
{
    double now[SETS] = {[0] = 1}; /* probability that nobody relays and these kinds are there */
    for (uint32_t person = 0; person < room_size; person++) {
        double next[SETS] = {0};
        for (unsigned present = 0; present < SETS; present++) {
            for (int kind = 0; now[present] > 0 && kind < NAT_KINDS; kind++) {
                if (share[kind] > 0 && reaches_all(kind, present))
                    next[present | 1u << kind] += now[present] * share[kind];
            }
        }
        memcpy(now, next, sizeof now);
    }
    double sum = 0;
    for (unsigned present = 0; present < SETS; present++)
        sum += now[present];
    return sum;
}

struct nat_forecast nat_forecast_of_kinds(const double share[NAT_KINDS], uint32_t room_size)
{
    struct nat_forecast forecast = {.room_size = room_size};
    double sum = 0;
    for (int kind = 0; kind < NAT_KINDS; kind++)
        sum += share[kind];
    for (int kind = 0; kind < NAT_KINDS; kind++)
        forecast.share[kind] = share[kind] / sum;
    for (int a = 0; a < NAT_KINDS; a++) {
        for (int b = 0; b < NAT_KINDS; b++) {
            double both = nat_kinds_direct(a, b) ? 0 : forecast.share[a] * forecast.share[b];
            if (a == NAT_KIND_UDP_BLOCKED || b == NAT_KIND_UDP_BLOCKED)
                forecast.pair_relayed_by_blocking += both;
            else
                forecast.pair_relayed_by_nat += both;
        }
    }
    forecast.pair_relayed = forecast.pair_relayed_by_nat + forecast.pair_relayed_by_blocking;
    forecast.room_relayed = fmax(0, 1 - room_direct(forecast.share, room_size));
    forecast.sfu_client_relayed = forecast.share[NAT_KIND_UDP_BLOCKED];
    return forecast;
}

/* Adds a preset's clients; alternatives count each as its own kind. */
static bool add_preset(double share[NAT_KINDS], const struct nat_preset *preset, double weight, struct error *error)
{
    double sum = 0;
    for (size_t i = 0; i < NAT_ALTERNATIVES_MAX; i++)
        sum += preset->alternatives[i].weight;
    for (size_t i = 0; sum > 0 && i < NAT_ALTERNATIVES_MAX; i++) {
        double part = preset->alternatives[i].weight / sum;
        if (part > 0 && !add_preset(share, nat_preset_find(preset->alternatives[i].name), weight * part, error))
            return false;
    }
    if (sum > 0)
        return true;
    int kind = nat_kind_of(preset, error);
    if (kind >= 0)
        share[kind] += weight;
    return kind >= 0;
}

bool nat_forecast_of(const struct scenario *scenario, struct nat_forecast *forecast, struct error *error)
{
    double share[NAT_KINDS] = {0};
    if (scenario->matrix_count > 0)
        return error_set(error, ERROR_UNSUPPORTED, "a matrix pairs its types itself: there is nothing to forecast");
    for (size_t i = 0; i < scenario->nat.count; i++) {
        const struct scenario_weight *entry = &scenario->nat.entries[i];
        struct nat_preset room;
        const struct nat_preset *preset = presets_nat(scenario, entry->name, &room);
        if (preset == NULL)
            return error_set(error, ERROR_USAGE, "unknown nat preset '%s'", entry->name);
        if (entry->weight > 0 && !add_preset(share, preset, entry->weight, error))
            return false;
    }
    *forecast = nat_forecast_of_kinds(share, scenario->room_size);
    return true;
}

/* --- the distribution of relayed pairs ------------------------------------------------------------------------------------ */

/* All rooms by how many of each kind are in them. */
struct room_walk {
    const struct nat_forecast *forecast;
    uint32_t members[NAT_KINDS];
    double *by_relayed; /* probability of each number of relayed pairs */
};

/* `left` more members of the kinds from `kind` on; `relayed` pairs so far; `probability` of what is there, with its
 * number of orders, but for left!. */
static void walk(struct room_walk *w, int kind, uint32_t left, uint32_t relayed, double probability)
{
    if (left == 0) {
        w->by_relayed[relayed] += probability;
        return;
    }
    if (kind == NAT_KINDS)
        return;
    uint32_t with_others = 0;
    for (int other = 0; other < kind; other++)
        with_others += nat_kinds_direct(kind, other) ? 0 : w->members[other];
    for (uint32_t n = 0; n <= left && probability > 0; n++) {
        uint32_t among = nat_kinds_direct(kind, kind) || n == 0 ? 0 : n * (n - 1) / 2;
        w->members[kind] = n;
        walk(w, kind + 1, left - n, relayed + n * with_others + among, probability);
        probability *= w->forecast->share[kind] * (left - n) / (n + 1);
    }
    w->members[kind] = 0;
}

static double multisets(uint32_t size)
{
    double count = 1;
    for (uint32_t i = 1; i < NAT_KINDS; i++)
        count = count * (size + i) / i;
    return count;
}

/* A distribution over 0 … count. */
struct distribution {
    double *p;
    size_t count;
};

/* Of the sum of two; `out` must not be one of them. */
static void convolve(struct distribution *out, const struct distribution *a, const struct distribution *b)
{
    out->count = a->count + b->count;
    memset(out->p, 0, (out->count + 1) * sizeof *out->p);
    for (size_t i = 0; i <= a->count; i++) {
        for (size_t j = 0; a->p[i] > 0 && j <= b->count; j++)
            out->p[i + j] += a->p[i] * b->p[j];
    }
}

/* Of the sum of `rooms` rooms, by doubling: from the highest bit of `rooms` on. The result is in sum[0]. */
static void sum_rooms(struct distribution sum[2], const struct distribution *room, uint32_t rooms)
{
    sum[0].count = 0;
    sum[0].p[0] = 1;
    for (int bit = 31; bit >= 0; bit--) {
        convolve(&sum[1], &sum[0], &sum[0]);
        if ((rooms >> bit & 1) != 0) {
            convolve(&sum[0], &sum[1], room);
            continue;
        }
        struct distribution swap = sum[0];
        sum[0] = sum[1];
        sum[1] = swap;
    }
}

static struct binomial_counts middle(const struct distribution *d, double tail)
{
    struct binomial_counts counts = {.low = 0, .high = d->count};
    for (double below = d->p[0]; below < tail && counts.low < d->count; below += d->p[counts.low])
        counts.low++;
    for (double above = d->p[d->count]; above < tail && counts.high > 0; above += d->p[counts.high])
        counts.high--;
    return counts;
}

bool nat_forecast_pairs(const struct nat_forecast *forecast, uint32_t rooms, double confidence,
                        struct binomial_counts *counts, struct error *error)
{
    size_t room_pairs = (size_t)forecast->room_size * (forecast->room_size - (forecast->room_size > 0)) / 2;
    size_t pairs = rooms * room_pairs;
    if (multisets(forecast->room_size) > ROOM_KINDS_MAX || pairs > PAIRS_MAX)
        return error_set(error, ERROR_UNSUPPORTED,
                         "%u rooms of %u are too many or too large for an exact interval of relayed pairs", rooms,
                         forecast->room_size);
    double *p = calloc(room_pairs + 1 + 2 * (pairs + 1), sizeof *p);
    if (p == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    struct distribution room = {.p = p, .count = room_pairs};
    struct distribution sum[2] = {{.p = p + room_pairs + 1}, {.p = p + room_pairs + 1 + pairs + 1}};
    struct room_walk w = {.forecast = forecast, .by_relayed = room.p};
    walk(&w, 0, forecast->room_size, 0, 1);
    sum_rooms(sum, &room, rooms);
    *counts = middle(&sum[0], (1 - confidence) / 2);
    free(p);
    return true;
}
