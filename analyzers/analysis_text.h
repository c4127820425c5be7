/* The analysis for people to read: one screen for a call, its largest streams first when there are very many. */
#ifndef CONFAB_ANALYZERS_ANALYSIS_TEXT_H
#define CONFAB_ANALYZERS_ANALYSIS_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "analyzers/analysis.h"

/* False when `out` takes no more. */
bool analysis_write_text(const struct analysis *analysis, FILE *out);

#endif
