/* Two results side by side, with the differences that matter: those larger than what chance makes of so few clients, and large
 * enough that a person would care. docs/results.md has the rule. */
#ifndef CONFAB_REPORT_COMPARISON_H
#define CONFAB_REPORT_COMPARISON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"
#include "report/result.h"

enum comparison_difference {
    DIFFERENCE_NONE, /* none that matters */
    DIFFERENCE_BETTER,
    DIFFERENCE_WORSE,
    DIFFERENCE_OTHER, /* it matters, but neither is better for it */
};

struct comparison_row {
    const char *figure; /* "latency_ms.p95" */
    const char *unit;   /* "ms"; "" for pure numbers */
    double a, b;
    double noise; /* the standard error of b − a; 0: not known */
    enum comparison_difference difference;
};

enum { COMPARISON_ROWS_MAX = 32 };

struct comparison_run {
    const struct result_run *a, *b; /* NULL: only the other result has it, and there are no rows */
    size_t row_count;
    struct comparison_row rows[COMPARISON_ROWS_MAX];
};

struct comparison {
    size_t run_count;
    struct comparison_run *runs;
    size_t better, worse, other; /* rows, of all runs */
};

/* Pairs runs by topology and sweep; when each result has but one run, those two. Both results must outlive it. False when
 * no run has a partner. */
bool comparison_make(struct comparison *comparison, const struct result *a, const struct result *b,
                     struct error *error);
void comparison_free(struct comparison *comparison);

/* A table for people: every figure that either has, the differences that matter marked. */
void comparison_print(const struct comparison *comparison, const char *name_a, const char *name_b, bool color,
                      FILE *out);

/* Schema "confab.comparison/1"; a new reference. */
json_t *comparison_json(const struct comparison *comparison, const char *name_a, const char *name_b);

#endif
