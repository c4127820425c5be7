/* Access links by name: what lies between a client and the core of the network, in either direction. */
#ifndef CONFAB_WORLD_ACCESS_H
#define CONFAB_WORLD_ACCESS_H

#include <stddef.h>

#include "world/link.h"

struct access_preset {
    const char *name;
    const char *source; /* where its numbers are from */
    struct link_config up;
    struct link_config down;
};

/* NULL when there is none of that name. */
const struct access_preset *access_preset_find(const char *name);

/* The i-th of all presets, NULL past the last. */
const struct access_preset *access_preset_at(size_t i);

#endif
