/* What threads say to each other: each live world that is run by a thread of its own has a mailbox, into which any thread
 * puts letters, and which its own loop empties.
 *
 *     any thread -- post --> [ letters, in order ] -- wake --> the world's loop -- taken, one by one
 */
#ifndef CONFAB_WORLD_LIVE_MAILBOX_H
#define CONFAB_WORLD_LIVE_MAILBOX_H

#include <stddef.h>

#include "base/error.h"
#include "base/nanos.h"

struct live_mailbox;
struct live_world;

/* The first member of whatever is sent. */
struct live_letter {
    struct live_letter *next;
    size_t size; /* bytes that it counts for, with all that hangs on it */
};

struct live_mailbox_config {
    struct live_world *live;
    size_t bytes_max; /* that wait at a time */
    /* A letter, which is the callee's from now on. The mailbox must not be destroyed here. */
    void (*take)(void *user, struct live_letter *letter, nanos now);
    /* Someone woke us, and all letters have been taken; NULL: nobody wants to know. */
    void (*woken)(void *user, nanos now);
    void *user;
};

/* NULL and `error` when out of memory. */
struct live_mailbox *live_mailbox_create(const struct live_mailbox_config *config, struct error *error);

/* By the thread that runs the world, or when none does; the letters that are left are taken first. NULL is allowed. */
void live_mailbox_destroy(struct live_mailbox *mailbox);

/* From any thread. False when too much waits: the letter stays the caller's. */
bool live_mailbox_post(struct live_mailbox *mailbox, struct live_letter *letter);

/* Likewise, however much waits: for letters whose number is bounded otherwise. */
void live_mailbox_press(struct live_mailbox *mailbox, struct live_letter *letter);

/* Has `woken` called, soon. From any thread. */
void live_mailbox_wake(struct live_mailbox *mailbox);

#endif
