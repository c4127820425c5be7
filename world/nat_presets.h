/* NATs by name: those that people are behind, those that the standards describe, and the 27 types that mapping,
 * filtering and port allocation make ("ei-apd-preserve": the mapping's, then the filter's dependence). */
#ifndef CONFAB_WORLD_NAT_PRESETS_H
#define CONFAB_WORLD_NAT_PRESETS_H

#include <stddef.h>

#include "base/rng.h"
#include "world/nat.h"

enum { NAT_CHAIN_MAX = 2, NAT_ALTERNATIVES_MAX = 2 };

struct nat_preset {
    const char *name;
    const char *source; /* what it describes, and who says so */
    size_t count;       /* NATs in a row: none, one or two */
    /* The one next to the client first. Seeds and external addresses are the world's to fill in. */
    struct nat_config nats[NAT_CHAIN_MAX];
    /* Instead of NATs, other presets, of which each client gets one: the first has a name when it is so. */
    struct {
        const char *name;
        double weight;
    } alternatives[NAT_ALTERNATIVES_MAX];
};

/* NULL when there is none of that name. */
const struct nat_preset *nat_preset_find(const char *name);

/* The i-th of all presets, NULL past the last. */
const struct nat_preset *nat_preset_at(size_t i);

/* The preset itself, or the one of its alternatives that falls to this client. */
const struct nat_preset *nat_preset_draw(const struct nat_preset *preset, struct rng *rng);

#endif
