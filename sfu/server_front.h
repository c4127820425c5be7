/* The part of a reference server that clients talk to, and that knows which worker has which room: a room is the worker's
 * that had the fewest participants when its first one came, until its last one has gone.
 *
 * It hands each client's messages and requests to the worker that has the room, and the answers back. What of the room
 * protocol it understands itself is who joins which room, and leaves. */
#ifndef CONFAB_SFU_SERVER_FRONT_H
#define CONFAB_SFU_SERVER_FRONT_H

#include <stdbool.h>
#include <stddef.h>

#include "sfu/server_letter.h"
#include "world/http_server.h"

struct server_front;
struct server_worker;

struct server_front_config {
    struct live_world *live;
    struct world_host *host;
    uint32_t limit; /* of channels, and of WHIP and WHEP sessions; 0: those of signalling_server.h and whip.h */
    /* A line for the log. */
    void (*note)(void *user, const char *event, const char *room, const char *peer, const char *detail, nanos now);
    /* Each worker's statistics, `count` of them, for the request that was deferred as `number`. */
    void (*report)(void *user, uint64_t number, const struct server_statistics *all, size_t count, nanos now);
    void *user;
};

/* NULL and `error` when out of memory. */
struct server_front *server_front_create(const struct server_front_config *config, struct error *error);
/* Not before the workers have gone. NULL is allowed. */
void server_front_destroy(struct server_front *front);

/* Where workers send their letters. */
struct live_mailbox *server_front_mailbox(struct server_front *front);

/* Takes channels of the room protocol, and answers for `http`; the workers are there by now. */
bool server_front_open(struct server_front *front, struct http_server *http, struct server_worker *const *workers,
                       unsigned count, struct error *error);

/* Everyone is told to use these; copied. */
void server_front_set_ice_servers(struct server_front *front, const struct room_ice_server *servers, size_t count);

/* Hands a request for WHIP or WHEP to the worker that has the room; false, and nothing is done, for any other. */
bool server_front_handle(struct server_front *front, const struct http_request *request,
                         struct http_response *response);

/* Hands over an ICE-TCP connection that begins with this STUN message. */
void server_front_take_tcp(struct server_front *front, int fd, const uint8_t *first, size_t len);

/* Asks all workers how they are. */
void server_front_ask(struct server_front *front, uint64_t number);

/* Everyone is told why, and goes; nobody is taken any more. */
void server_front_dismiss(struct server_front *front, const char *reason);

/* How many are in a room by the room protocol, and whether it is an SFU room; 0 when there is none of that name. */
size_t server_front_room(const struct server_front *front, const char *name, bool *sfu);

#endif
