/* What the verbs that have a result do with it: files, standard output, exit status. */
#ifndef CONFAB_CLI_OUTCOME_H
#define CONFAB_CLI_OUTCOME_H

#include <stdbool.h>

#include "report/result.h"

/* EXIT_OVERLOADED, EXIT_THRESHOLD, EXIT_FAILED or EXIT_WELL, the first that holds. */
int outcome_status(const struct result *result);

struct outcome_form {
    const char *verb;      /* for what goes wrong */
    const char *directory; /* result.json and what goes with it; NULL: none */
    bool json;             /* on standard output, instead of text */
    bool quiet;            /* nothing on standard output */
};

/* False after a line on standard error. */
bool outcome_write(const struct result *result, const struct outcome_form *form);

/* "text" or "json" into form->json; false after a line on standard error. */
bool outcome_read_format(struct outcome_form *form, const char *word);

#endif
