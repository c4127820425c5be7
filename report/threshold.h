/* Conditions on a result's figures: "sfu.latency_ms.p95 < 250", "mesh.turn_fallback.connections < 0.30". The first word
 * names a topology ("mesh", "sfu", "load", or "any" of them), the rest is a path into the JSON form of a run, the operator is one of < <= > >= ==. */
#ifndef CONFAB_REPORT_THRESHOLD_H
#define CONFAB_REPORT_THRESHOLD_H

#include "base/error.h"
#include "report/result.h"

/* Is `expr` well formed, and does the figure that it names exist? */
bool threshold_check(const char *expr, struct error *error);

/* Holds every run of the named topology against `expr`: `value` is the worst of them (the one that decides). Without
 * such a run it is not measured and not passed. */
struct result_threshold threshold_apply(const char *expr, const struct result *result);

#endif
