/* The reference server in the live world: SFU, TURN and STUN, signalling and HTTP on one machine, wired together.
 *
 *     TCP port --- http_server --+-- /ws ---------- signalling_server --+
 *                                +-- /whip, /whep - whip ---------------+-- sfu --- UDP port
 *                                +-- /health, /metrics, pages
 *     TURN port, TURN TLS port --- turn_server (the SFU may be reached through it)
 */
#ifndef CONFAB_SFU_SERVER_H
#define CONFAB_SFU_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/error.h"
#include "base/log.h"
#include "base/nanos.h"
#include "sfu/server_config.h"

struct http_request;
struct http_response;
struct live_world;
struct server;

/* A file to be served as it is. */
struct server_page {
    const char *path; /* "/index.html", which is also at "/" */
    const unsigned char *data, *end;
};

struct server_options {
    struct live_world *live;
    const struct server_config *config; /* must outlive the server */
    struct log *log;                    /* likewise */
    const struct server_page *pages;    /* likewise */
    size_t page_count;
    /* Is asked about paths that the server doesn't know; false: it doesn't either. NULL: nobody is asked. */
    bool (*extend)(void *user, const struct http_request *request, struct http_response *response, nanos now);
    void *extend_user;
};

/* Opens everything and serves from then on. NULL and `error`: a port in use, a certificate that can't be read. */
struct server *server_create(const struct server_options *options, struct error *error);

/* Tells everyone that it ends and takes nobody any more; what is still to be sent goes out while the world runs on. */
void server_stop(struct server *server, const char *reason);

/* NULL is allowed. */
void server_destroy(struct server *server);

/* Where it can be reached: a few lines for a person. */
void server_print(const struct server *server, FILE *out);

/* Its addresses, port 0, the best known first: how many there are, of which at most `cap` are stored. */
size_t server_addresses(const struct server *server, struct address *out, size_t cap);

/* Where channels of the room protocol are accepted. */
struct address server_signalling_address(const struct server *server);

/* How many are in a room, and whether it is an SFU room; 0 when there is none of that name. */
size_t server_room(const struct server *server, const char *name, bool *sfu);

/* A line for the log. */
void server_log(const struct server *server, const char *event, const char *room, const char *peer, const char *detail);

#endif
