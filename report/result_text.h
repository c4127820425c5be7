/* The text view of a result: the table that a person reads; of a load (report/load_text.h) its own. */
#ifndef CONFAB_REPORT_RESULT_TEXT_H
#define CONFAB_REPORT_RESULT_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "report/result.h"

void result_print(const struct result *result, bool color, FILE *out);

/* Parts of it: a line for each threshold, the verdict. Nothing when there is none. */
void result_print_thresholds(const struct result *result, bool color, FILE *out);
void result_print_verdict(const struct result *result, bool color, FILE *out);

#endif
