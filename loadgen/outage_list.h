/* Who got no media after a fault, and for how long, as a CSV file beside the result. */
#ifndef CONFAB_LOADGEN_OUTAGE_LIST_H
#define CONFAB_LOADGEN_OUTAGE_LIST_H

#include <stdbool.h>

#include "base/error.h"
#include "loadgen/measurement.h"

/* After measurement_finish. Columns: fault, at_s, client, gap_ms (from the fault until media flowed again; empty when it
 * did not until the end), in the order in which they ended. False and `error` when the file can't be written. */
bool outage_list_write(const struct measurement *measurement, const char *path, struct error *error);

#endif
