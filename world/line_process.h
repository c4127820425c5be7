/* A program of the user's beside a live world, spoken with in lines: what it is told goes to its standard input, what it
 * says comes from its standard output, its complaints from its standard error. It runs in a session of its own, so that
 * a terminal's ^C is not for it; that its standard input ends tells it that all is over. */
#ifndef CONFAB_WORLD_LINE_PROCESS_H
#define CONFAB_WORLD_LINE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/nanos.h"

enum {
    LINE_PROCESS_LINE_MAX = 1 << 20,     /* bytes in a line of its standard output */
    LINE_PROCESS_WAITING_MAX = 16 << 20, /* bytes it has not read yet */
};

struct line_process;
struct live_world;

struct line_process_callbacks {
    /* A line without its end, with a terminator; a line may have further zeros in it. */
    void (*line)(void *user, const char *text, size_t len, nanos now);
    /* One of its standard error, cut where it is too long, with blanks for control characters. */
    void (*complaint)(void *user, const char *text);
    /* It has ended, closed its standard output, or said a line that is too long: nothing more comes, nothing more can be
     * sent. `how` is for people. Not called after line_process_stop. */
    void (*ended)(void *user, const char *how, nanos now);
};

/* Runs `command` by /bin/sh. This process ignores SIGPIPE from then on: the program may end while it is being written to.
 * NULL and `error` (ERROR_SYSTEM). */
struct line_process *line_process_start(struct live_world *live, const char *command,
                                        const struct line_process_callbacks *callbacks, void *user,
                                        struct error *error);

/* Sends a line, whose end is added. False, and nothing is sent, when too much waits already, it has ended, or memory is
 * short. */
bool line_process_send(struct line_process *process, const char *text, size_t len);

/* No callback comes after this. Its standard input ends when all has been read; if it has not ended by itself after
 * `grace` its process group gets SIGTERM, and SIGKILL a second later. Everything is freed while the loop runs, or by
 * live_world_destroy, which waits for that. NULL is allowed. */
void line_process_stop(struct line_process *process, nanos grace);

#endif
