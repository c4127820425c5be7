/* Reads a result back from its JSON form. What isn't there counts as 0, since results by older versions lack some fields;
 * what is there must be of the right type. Unknown fields are left alone. */
#ifndef CONFAB_REPORT_RESULT_READER_H
#define CONFAB_REPORT_RESULT_READER_H

#include "base/error.h"
#include "report/result.h"

enum {
    RESULT_RUNS_MAX = 256, /* that are read */
    RESULT_THRESHOLDS_MAX = 256,
    RESULT_FILE_MAX_BYTES = 256 << 20,
};

/* Fills `result`, which is to be freed whatever the outcome. False and an error that begins with `name` and the line or
 * the field at fault. */
bool result_parse(struct result *result, const char *name, const char *text, size_t len, struct error *error);

/* The same from a file. */
bool result_read(struct result *result, const char *path, struct error *error);

#endif
