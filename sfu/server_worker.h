/* One of the threads among which the rooms of a reference server are divided: it has whole rooms, with their signalling,
 * their SFU and its sockets, in a live world of its own, and shares nothing with others but letters and, between SFUs,
 * datagrams that came to the wrong socket. A lone one has no thread: it lives in the front's world.
 *
 * All calls are the front's. What is said below to be the worker's own must not be touched while it runs. */
#ifndef CONFAB_SFU_SERVER_WORKER_H
#define CONFAB_SFU_SERVER_WORKER_H

#include <stdbool.h>

#include "sfu/server_config.h"
#include "sfu/server_letter.h"

struct certificate;

enum { SERVER_WORKER_HEARS = 32 * 1024 }; /* after so many bytes it tells the front that it heard what a client said */
struct server_worker;

struct server_worker_config {
    unsigned number, count;
    struct live_world *live; /* the front's */
    const struct server_config *config;
    const struct address *addresses; /* of the SFU, with ports */
    const struct address *announced; /* likewise, as participants are told */
    size_t address_count;
    const struct certificate *certificate;        /* of DTLS */
    void (*keylog)(void *user, const char *line); /* from any thread; NULL: nobody is told */
    void *keylog_user;
    struct live_mailbox *front; /* for letters to it */
};

/* NULL and `error` when a socket can't be opened. */
struct server_worker *server_worker_create(const struct server_worker_config *config, struct error *error);

/* Tells it of the others, itself among them, all `count`. False when out of memory. */
bool server_worker_meet(struct server_worker *worker, struct server_worker *const *all, struct error *error);

/* Has it run, in its thread. */
bool server_worker_start(struct server_worker *worker, struct error *error);
/* And no more. */
void server_worker_stop(struct server_worker *worker);

/* Stopped before. NULL is allowed. */
void server_worker_destroy(struct server_worker *worker);

struct live_mailbox *server_worker_mailbox(struct server_worker *worker);

/* Where its SFU listens; does not change. */
struct address server_worker_address(const struct server_worker *worker, size_t index);

/* Its own. */
struct world_host *server_worker_host(struct server_worker *worker);
struct sfu *server_worker_sfu(struct server_worker *worker);

#endif
