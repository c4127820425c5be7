/* A load over time as a table for spreadsheets and plotting: RFC 4180, a line of column names, then one for each sample. */
#ifndef CONFAB_REPORT_SERIES_CSV_H
#define CONFAB_REPORT_SERIES_CSV_H

#include <stdbool.h>
#include <stdio.h>

#include "report/result.h"

/* The last run's, whose `load` must be set. What a sample can't tell is left empty. False when `out` takes no more. */
bool series_write_csv(const struct result *result, FILE *out);

#endif
