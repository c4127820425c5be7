/* The part of a result's page that is about a load. */
#ifndef CONFAB_REPORT_LOAD_HTML_H
#define CONFAB_REPORT_LOAD_HTML_H

#include <stdio.h>

#include "report/result.h"

/* One run, whose `load` is set: the join funnel, paths, media, plots over time, the worst clients, failures. */
void load_write_html(const struct result_run *run, FILE *out);

#endif
