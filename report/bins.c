#include "report/bins.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAIR_CAP = 44 }; /* two numbers of 20 digits, spaces, and the end */

void bins_put(struct bins_writer *writer, uint64_t position, uint64_t count)
{
    if (writer->len + PAIR_CAP > writer->cap) {
        size_t cap = 2 * writer->cap + 16 * (size_t)PAIR_CAP;
        char *text = realloc(writer->text, cap);
        if (text == NULL) {
            writer->failed = true;
            return;
        }
        writer->text = text;
        writer->cap = cap;
    }
    writer->len += (size_t)snprintf(writer->text + writer->len, PAIR_CAP, "%s%" PRIu64 " %" PRIu64,
                                    writer->len > 0 ? " " : "", position - writer->last, count);
    writer->last = position;
}

char *bins_finish(struct bins_writer *writer)
{
    if (!writer->failed)
        return writer->text != NULL ? writer->text : strdup("");
    free(writer->text);
    return NULL;
}

/* Digits, up to 2^63 − 1, with the space after them. */
static bool read_number(const char **text, uint64_t *value)
{
    const char *at = *text;
    for (*value = 0; *at >= '0' && *at <= '9'; at++) {
        if (*value > (INT64_MAX - 9) / 10)
            return false;
        *value = *value * 10 + (uint64_t)(*at - '0');
    }
    bool any = at > *text;
    *text = at + (*at == ' ');
    return any;
}

bool bins_read(const char *text, bool (*visit)(void *user, uint64_t position, uint64_t count), void *user)
{
    uint64_t position = 0;
    bool any = false;
    for (const char *at = text; *at != '\0';) {
        uint64_t step, count;
        if (!read_number(&at, &step) || !read_number(&at, &count) || count == 0 || (step == 0 && any) ||
            step > INT64_MAX - position)
            return false;
        position += step;
        any = true;
        if (!visit(user, position, count))
            return false;
    }
    return true;
}
