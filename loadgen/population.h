/* The people of a scenario: which NAT, access link and site each client gets, drawn from the seed alone, so that every
 * topology and every run meets the very same ones. */
#ifndef CONFAB_LOADGEN_POPULATION_H
#define CONFAB_LOADGEN_POPULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "loadgen/scenario.h"
#include "peer/media_plan.h"
#include "world/nat_presets.h"

struct client_profile {
    uint32_t room, number; /* both from 0 */
    char name[32];         /* "room1/2", as faults name it */
    const char *nat;       /* the preset's name, as drawn; valid as long as the scenario */
    struct nat_config nats[NAT_CHAIN_MAX];
    size_t nat_count;
    const struct access_preset *access;
    int site; /* index into the scenario's sites; 0 when it has none */
    bool ipv6;
    bool publishes;
    bool shares_screen;
    nanos joins_at;
};

struct population {
    struct client_profile *clients; /* room by room */
    size_t count;
};

/* False and `error` when out of memory. */
bool population_draw(struct population *population, const struct scenario *scenario, struct error *error);
void population_clear(struct population *population);

/* What a client sends: nothing if it only watches. */
struct media_plan population_media_plan(const struct scenario *scenario, const struct client_profile *profile);

#endif
