#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *error, enum error_code code, const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        error->code = code;
        vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
    }
    return false;
}

bool error_prefix(struct error *error, const char *format, ...)
{
    if (error != NULL) {
        char tail[sizeof error->text];
        memcpy(tail, error->text, sizeof tail);
        va_list arguments;
        va_start(arguments, format);
        int used = vsnprintf(error->text, sizeof error->text, format, arguments);
        va_end(arguments);
        size_t left = used >= 0 && (size_t)used < sizeof error->text ? sizeof error->text - (size_t)used : 0;
        if (left > 3) /* what doesn't fit is cut off */
            snprintf(error->text + used, left, ": %.*s", (int)left - 3, tail);
    }
    return false;
}
