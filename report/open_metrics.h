/* A load while it runs, as OpenMetrics 1.0 text: what Prometheus and its kin scrape. */
#ifndef CONFAB_REPORT_OPEN_METRICS_H
#define CONFAB_REPORT_OPEN_METRICS_H

#include <stdbool.h>
#include <stdio.h>

#include "report/load_status.h"

#define OPEN_METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* The whole of it, to its "# EOF". False when `out` takes no more. */
bool open_metrics_write(const struct load_status *status, FILE *out);

#endif
