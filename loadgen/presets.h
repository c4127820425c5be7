/* The presets that a scenario may name: those that ship (world/nat_presets.h, world/access.h) and those that its own
 * `nats:` and `accesses:` sections define, with every knob of the models. A scenario's own go first. */
#ifndef CONFAB_LOADGEN_PRESETS_H
#define CONFAB_LOADGEN_PRESETS_H

#include <stdbool.h>
#include <stddef.h>

#include "loadgen/scenario.h"
#include "loadgen/schema.h"
#include "world/access.h"
#include "world/nat_presets.h"

/* One entry of `nats:`; the values not given are those of RFC 4787's well-behaved NAT with EI filtering. */
bool presets_read_nat(const struct schema *schema, const struct yaml_node *node, struct nat_config *config);

/* One entry of `accesses:`, {up: {rate: 5mbps, …}, down: {…}} or with the same values for both ways. */
bool presets_read_access(const struct schema *schema, const struct yaml_node *node, struct access_preset *preset);

/* NULL when there is none; an own NAT is returned in `room`. */
const struct nat_preset *presets_nat(const struct scenario *scenario, const char *name, struct nat_preset *room);
const struct access_preset *presets_access(const struct scenario *scenario, const char *name);

bool presets_nat_known(const struct scenario *scenario, const char *name);
bool presets_access_known(const struct scenario *scenario, const char *name);

/* All names; returns how many were stored. */
size_t presets_nat_names(const struct scenario *scenario, const char **out, size_t cap);
size_t presets_access_names(const struct scenario *scenario, const char **out, size_t cap);

/* The names of the 27 types that mapping, filtering and port allocation make; returns how many were stored. */
size_t presets_rfc4787(char names[][SCENARIO_NAME_CAP], size_t cap);

#endif
