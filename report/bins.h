/* Sparse counts as a short text: pairs of whole numbers, how far it is from the last position (the first: from 0), and the
 * count there: "12 3 1 5" is 3 at 12 and 5 at 13. */
#ifndef CONFAB_REPORT_BINS_H
#define CONFAB_REPORT_BINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bins_writer {
    char *text; /* NULL before anything is written */
    size_t len, cap;
    uint64_t last;
    bool failed; /* out of memory */
};

/* Positions rise. */
void bins_put(struct bins_writer *writer, uint64_t position, uint64_t count);

/* The text, to be freed; NULL when out of memory. */
char *bins_finish(struct bins_writer *writer);

/* Calls `visit` for each pair. False when the text is none of these: positions that don't rise or don't fit, counts of 0,
 * or when `visit` says so. */
bool bins_read(const char *text, bool (*visit)(void *user, uint64_t position, uint64_t count), void *user);

#endif
