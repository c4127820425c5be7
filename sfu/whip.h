/* WHIP and WHEP at the SFU (RFC 9725; draft-ietf-wish-whep-03): publishing and playing by HTTP alone. docs/whip.md has
 * the URLs and statuses.
 *
 *     POST   /whip/ROOM      an offer: 201, the answer, and in Location the session: /whip/ROOM/ID
 *     POST   /whep/ROOM      likewise, with sections to receive in
 *     PATCH  …/ROOM/ID       candidates (If-Match: the session's ETag), or an ICE restart (If-Match: *)
 *     DELETE …/ROOM/ID       ends it, as does a connection that falls silent
 *
 * A request comes in, a response goes out: nothing here knows of a socket. */
#ifndef CONFAB_SFU_WHIP_H
#define CONFAB_SFU_WHIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "rtc/room_message.h"
#include "world/http_message.h"
#include "world/world.h"

struct sfu;
struct whip;

enum {
    WHIP_TOKEN_CAP = 64,
    WHIP_CONNECT_TIMEOUT_S = 30, /* from the offer until the connection stands */
    WHIP_RETRY_AFTER_S = 5,
    WHIP_SESSIONS = 10000,
};

/* Tokens that may be used; none: everyone may. */
struct whip_tokens {
    const char (*tokens)[WHIP_TOKEN_CAP];
    size_t count;
};

struct whip_config {
    struct world_host *host; /* for its timer */
    struct sfu *sfu;
    struct whip_tokens publish, play;
    uint32_t session_limit; /* 0: WHIP_SESSIONS; beyond it 503 */
    /* A session that was made has ended. NULL: nobody is told. */
    void (*over)(void *user, const char *room);
    void *user;
};

/* NULL and `error` when out of memory. */
struct whip *whip_create(const struct whip_config *config, struct error *error);
/* Ends all sessions. NULL is allowed. */
void whip_destroy(struct whip *whip);

/* Told to clients by Link headers; the list must stay until the next call. */
void whip_set_ice_servers(struct whip *whip, const struct room_ice_server *ice_servers, size_t count);

/* What a path means. */
struct whip_path {
    bool plays;
    char room[ROOM_NAME_CAP]; /* "": what is there in its place is no room's name */
    const char *id;           /* of a session; NULL: none is named */
};
/* False when it is not below /whip or /whep. */
bool whip_path_read(struct whip_path *out, const char *path);

/* Refuses for now: 503. */
void whip_refuse(struct http_response *response, const char *reason);

/* Answers a request whose path is below /whip or /whep; false, and nothing is done, for any other. */
bool whip_handle(struct whip *whip, const struct http_request *request, struct http_response *response, nanos now);

/* Ends all sessions, and takes none any more (503). */
void whip_dismiss(struct whip *whip, nanos now);

struct whip_statistics {
    uint64_t publishers, viewers; /* now */
    uint64_t sessions, refused;   /* in all: made, POSTs that weren't answered with 201 */
    uint64_t expired;             /* in all: whose connection failed or never came */
};
struct whip_statistics whip_statistics(const struct whip *whip);

#endif
