/* What a server tells those who run it: one line for each event, as logfmt ("time=… event=join room=standup peer=bob"),
 * so that people and programs can read it. Values are quoted when they need it, so that nobody's name can make a line
 * or a field of its own. More than LOG_LINES_PER_S lines within a second are counted, not written. */
#ifndef CONFAB_BASE_LOG_H
#define CONFAB_BASE_LOG_H

#include <stdint.h>
#include <stdio.h>

enum { LOG_LINES_PER_S = 200, LOG_LINE_MAX = 1024 };

struct log {
    FILE *file; /* NULL: nothing is written */
    int64_t second;
    uint32_t lines; /* in this second */
    uint64_t suppressed;
};

/* One event at `unix_ns`, with pairs of a key and a text value, ended by NULL; a NULL value leaves its key out. */
void log_event(struct log *log, int64_t unix_ns, const char *event, ...) __attribute__((sentinel));

#endif
