/* A chart as SVG in an HTML page: lines or bars over equal steps, with axes, a legend, and a text for those who can't see
 * it. CHART_SCRIPT, once in the page, shows the figures under the pointer, or by the arrow keys; without it the chart is
 * whole. CHART_STYLE gives it its colours, dark and light. */
#ifndef CONFAB_REPORT_CHART_H
#define CONFAB_REPORT_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CHART_LINES_MAX = 4, CHART_NAME_CAP = 24 };

struct chart_line {
    const char *name; /* for the legend */
    const double *y;  /* `count` of the chart; NAN: a gap */
};

struct chart {
    const char *title;
    const char *unit; /* of all lines: "ms" */
    bool bars;
    size_t count;                        /* of steps */
    const char (*names)[CHART_NAME_CAP]; /* of the steps, for the axis below */
    size_t line_count;
    struct chart_line lines[CHART_LINES_MAX];
};

/* Nothing when there are no steps or no figures. */
void chart_write(const struct chart *chart, FILE *out);

extern const char CHART_STYLE[], CHART_SCRIPT[];

#endif
