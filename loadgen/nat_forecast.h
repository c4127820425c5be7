/* What a population's NATs alone make of its calls, computed and not simulated: the share of pairs, rooms and clients
 * that need a relay, and the counts that a run may show. Every client is drawn independently by the weights; IPv4 only,
 * each client behind NATs of its own (see loadgen/nat_oracle.h). */
#ifndef CONFAB_LOADGEN_NAT_FORECAST_H
#define CONFAB_LOADGEN_NAT_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/binomial.h"
#include "base/error.h"
#include "loadgen/nat_oracle.h"
#include "loadgen/scenario.h"

struct nat_forecast {
    uint32_t room_size;
    double share[NAT_KINDS]; /* of clients of each kind; sums to 1 */
    /* Probabilities. */
    double pair_relayed; /* the next two are its parts */
    double pair_relayed_by_nat;
    double pair_relayed_by_blocking; /* at least one of the two can't use UDP */
    double room_relayed;             /* a mesh of room_size has at least one relayed pair */
    double sfu_client_relayed;       /* to an SFU with a public address that is reached by UDP alone */
};

/* From shares of kinds (each ≥ 0, at least one > 0; they need not sum to 1). Exact for every room size: persons enter
 * one by one, and all that counts is which kinds are there already. */
struct nat_forecast nat_forecast_of_kinds(const double share[NAT_KINDS], uint32_t room_size);

/* From a scenario's NAT weights, its own presets among them, and its room size. False and `error` when a preset has no
 * closed form, or the scenario has a matrix, which draws nobody. */
bool nat_forecast_of(const struct scenario *scenario, struct nat_forecast *forecast, struct error *error);

/* The counts to be expected of `rooms` rooms with that confidence (0.99); outside, each side has at most half of what is
 * left. Rooms and clients of an SFU are independent: for those binomial_expect says it. Pairs of one room share
 * clients, so the number of relayed pairs spreads wider than a binomial one: here its own distribution is computed,
 * room by room. False and `error` where that is too much work: over 1,000,000 kinds of rooms or 20,000 pairs. */
bool nat_forecast_pairs(const struct nat_forecast *forecast, uint32_t rooms, double confidence,
                        struct binomial_counts *counts, struct error *error);

#endif
