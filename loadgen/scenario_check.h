/* What only a whole scenario can tell: whether what it names is there, and whether it fits together. */
#ifndef CONFAB_LOADGEN_SCENARIO_CHECK_H
#define CONFAB_LOADGEN_SCENARIO_CHECK_H

#include "loadgen/scenario.h"
#include "loadgen/schema.h"

/* False, with the schema's error set, when not. `root` is what the scenario was read from. */
bool scenario_check(const struct schema *schema, const struct yaml_node *root, const struct scenario *scenario);

#endif
