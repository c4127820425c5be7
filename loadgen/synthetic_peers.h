/* confab's own participants in the rooms of a server of the same world: company for somebody who looks at a room with a
 * browser. They join by the same signalling as anyone, and go when only they are left.
 *
 *     GET    /rooms/ROOM/peers             who of them is there, and how many frames each has of whom: JSON
 *     POST   /rooms/ROOM/peers?count=5     that many more come, with pictures up to &height=720; 201
 *     DELETE /rooms/ROOM/peers             they all go; 204
 */
#ifndef CONFAB_LOADGEN_SYNTHETIC_PEERS_H
#define CONFAB_LOADGEN_SYNTHETIC_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/nanos.h"

struct http_request;
struct http_response;
struct live_world;
struct server;
struct synthetic_peers;

enum {
    SYNTHETIC_ROOM_MAX = 20, /* of them in a room */
    SYNTHETIC_MAX = 100,     /* in all */
};

/* `server` is one of this world, and must outlive them. NULL and `error`. */
struct synthetic_peers *synthetic_peers_create(struct live_world *live, const struct server *server,
                                               struct error *error);

/* They are gone without a word. NULL is allowed. */
void synthetic_peers_destroy(struct synthetic_peers *peers);

/* Answers a request for one of the paths above; false, with nothing done, when it is for another. */
bool synthetic_peers_handle(struct synthetic_peers *peers, const struct http_request *request,
                            struct http_response *response, nanos now);

#endif
