/* The analysis as tables for spreadsheets and plotting: RFC 4180, with a line of column names. What the capture can't tell
 * is left empty. */
#ifndef CONFAB_ANALYZERS_ANALYSIS_CSV_H
#define CONFAB_ANALYZERS_ANALYSIS_CSV_H

#include <stdbool.h>

#include "analyzers/analysis.h"
#include "base/error.h"

/* Writes captures.csv, streams.csv, connections.csv and latency.csv into `directory`, which is made if it isn't there
 * (its parents aren't), over what was there. */
bool analysis_write_csv(const struct analysis *analysis, const char *directory, struct error *error);

#endif
