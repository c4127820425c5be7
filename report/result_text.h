/* The text view of a result: the table that a person reads. */
#ifndef CONFAB_REPORT_RESULT_TEXT_H
#define CONFAB_REPORT_RESULT_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "report/result.h"

void result_print(const struct result *result, bool color, FILE *out);

#endif
