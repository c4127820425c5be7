/* A result as one HTML page that needs nothing else: its plots are SVG (report/chart.h), its script a few lines that show the
 * figures under the pointer. Dark and light, for a phone and for paper. */
#ifndef CONFAB_REPORT_RESULT_HTML_H
#define CONFAB_REPORT_RESULT_HTML_H

#include <stdbool.h>
#include <stdio.h>

#include "report/result.h"

/* False when `out` takes no more. */
bool result_write_html(const struct result *result, FILE *out);

#endif
