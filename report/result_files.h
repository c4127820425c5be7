/* A result in a directory: result.json, and its views for people and spreadsheets. */
#ifndef CONFAB_REPORT_RESULT_FILES_H
#define CONFAB_REPORT_RESULT_FILES_H

#include <stdio.h>

#include "base/error.h"
#include "report/result.h"

/* The JSON form as it is in result.json. False when `out` takes no more. */
bool result_write_json(const struct result *result, FILE *out);

/* Makes the directory with its parents. */
bool result_make_directory(const char *directory, struct error *error);

/* Writes result.json, report.html and, of a load, series.csv over what was there. The directory must be there. */
bool result_save(const struct result *result, const char *directory, struct error *error);

#endif
