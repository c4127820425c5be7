/* Any text as a scenario: read, or refused with a line. */
#include <stdint.h>
#include <stdlib.h>

#include "loadgen/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    struct yaml_node *root = yaml_node_parse("fuzz", (const char *)data, size, &error);
    if (root != NULL) {
        struct scenario_point points[SCENARIO_SWEEP_MAX];
        size_t count;
        scenario_sweep("fuzz", root, points, SCENARIO_SWEEP_MAX, &count, &error);
        free(scenario_read("fuzz", root, &error));
    }
    yaml_node_free(root);
    return 0;
}
