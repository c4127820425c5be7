/* The JSON view of a result: schema "confab.result/1", the form that scripts rely on. Numbers are rounded to six
 * significant decimals, so the same result is the same bytes everywhere. */
#ifndef CONFAB_REPORT_RESULT_JSON_H
#define CONFAB_REPORT_RESULT_JSON_H

#include <jansson.h>

#include "report/result.h"

/* A new reference; NULL when out of memory. */
json_t *result_json(const struct result *result);

/* One run alone: an element of "runs". */
json_t *result_run_json(const struct result_run *run);

#endif
