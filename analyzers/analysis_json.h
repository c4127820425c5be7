/* The analysis as JSON, schema "confab.analysis/1" (docs/analyze.md): what scripts rely on. */
#ifndef CONFAB_ANALYZERS_ANALYSIS_JSON_H
#define CONFAB_ANALYZERS_ANALYSIS_JSON_H

#include <stdbool.h>
#include <stdio.h>

#include "analyzers/analysis.h"

/* False when out of memory or `out` takes no more. */
bool analysis_write_json(const struct analysis *analysis, FILE *out);

#endif
