/* The analysis as one HTML page that needs nothing else: no script, no network. Tables as in the text view, and each
 * stream's bit rate over time as a small SVG. */
#ifndef CONFAB_ANALYZERS_ANALYSIS_HTML_H
#define CONFAB_ANALYZERS_ANALYSIS_HTML_H

#include <stdbool.h>
#include <stdio.h>

#include "analyzers/analysis.h"
#include "base/error.h"

/* False when `out` takes no more. */
bool analysis_write_html(const struct analysis *analysis, FILE *out);

/* The same into a file, over what was there. */
bool analysis_save_html(const struct analysis *analysis, const char *path, struct error *error);

#endif
