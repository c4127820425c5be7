/* Several results as one: the shards of a load, whose histograms merge bin by bin and whose counts add up, so the figures
 * are those of one process that recorded it all; and runs that each result has alone (points of a sweep), side by side. */
#ifndef CONFAB_REPORT_RESULT_MERGE_H
#define CONFAB_REPORT_RESULT_MERGE_H

#include "base/error.h"
#include "report/result.h"

/* Fills `merged`, to be freed whatever the outcome. `names` are the parts' for errors. False when they don't belong
 * together (another scenario, seed or server, a shard twice, a run twice) or, unless `partial`, a shard is missing.
 * Thresholds of any part are held against the whole. */
bool result_merge(const struct result *parts, const char *const *names, size_t count, bool partial,
                  struct result *merged, struct error *error);

#endif
