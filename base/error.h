/* Errors are values: a code that decides the exit status, and one line that names the file, line, packet or field at
 * fault, what is wrong and what would be right. */
#ifndef CONFAB_BASE_ERROR_H
#define CONFAB_BASE_ERROR_H

#include <stdbool.h>

enum error_code {
    ERROR_NONE = 0,
    ERROR_USAGE,       /* a wrong command line or scenario */
    ERROR_INPUT,       /* a file, capture or message that can't be read */
    ERROR_SYSTEM,      /* the operating system said no: out of memory, address in use, disk full */
    ERROR_PROTOCOL,    /* a peer broke a protocol */
    ERROR_UNSUPPORTED, /* right, but not something this build does */
};

struct error {
    enum error_code code;
    char text[512];
};

/* Fills `error` (which may be NULL) and returns false, so that a failing function can `return error_set(…)`. */
bool error_set(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " before the text already there, as a caller that knows more than its callee does. Returns false. */
bool error_prefix(struct error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
