/* Every connection of a run as a line of CSV: who, behind which NATs, by which path. */
#ifndef CONFAB_LOADGEN_CONNECTION_LIST_H
#define CONFAB_LOADGEN_CONNECTION_LIST_H

#include <stdbool.h>

#include "base/error.h"
#include "loadgen/measurement.h"

/* After measurement_finish. False and `error` when it can't be written. */
bool connection_list_write(const struct measurement *measurement, const char *path, struct error *error);

#endif
