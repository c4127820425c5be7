/* An HTTP/1.1 server on one or more addresses, plain and by TLS on the same port: the first byte of a connection tells.
 * It also takes the WebSocket connections of channels (world/web_channel.h), at WEB_CHANNEL_PATH.
 *
 *     accepted --- first byte ---> request ... response ---> idle --> next request
 *        |                            |                        |
 *        each for 15 s at most; at the limit those who have said nothing yet make room for others, then those who ask slowly
 */
#ifndef CONFAB_WORLD_HTTP_SERVER_H
#define CONFAB_WORLD_HTTP_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"
#include "world/http_message.h"
#include "world/web.h"

struct http_server;

enum {
    HTTP_SERVER_ADDRESSES_MAX = 8,
    HTTP_SERVER_TIMEOUT_S = 15, /* of a silent connection, of a request from its first byte to its last */
    HTTP_HEADERS_MAX_BYTES = 8192,
    HTTP_BODY_MAX_BYTES = 256 * 1024, /* what is longer is answered with 413 */
};

struct http_server_config {
    const struct address *addresses; /* to listen on; port 0: any, the first one's for those after it */
    size_t address_count;
    const char *certificate_file; /* PEM, with its chain; NULL: no TLS */
    const char *key_file;
    bool tls_only;
    uint32_t connection_limit; /* open at a time, WebSocket included; 0: 10,000 */
    /* Fills in the response, or defers it; NULL: every answer is 404. */
    void (*handle)(void *user, const struct http_request *request, struct http_response *response, nanos now);
    /* May a page of this origin open a WebSocket? `host` is what it was asked for as; "" when the request didn't say.
     * Browsers alone tell an origin, and who tells none is not asked about. NULL: any may. */
    bool (*may_connect)(void *user, const char *origin, const char *host);
    /* Takes over a connection whose first byte is 0 to 3: ICE-TCP's, which begins with a STUN message in a frame
     * (RFC 4571). That message is there, but has not been read yet. NULL: there is none. */
    void (*ice_tcp)(void *user, int fd, const uint8_t *first, size_t len);
    void *user;
};

/* NULL and `error` when an address can't be listened on or the certificate can't be used. */
struct http_server *http_server_create(struct web *web, const struct http_server_config *config, struct error *error);

/* Stops listening and ends its connections, channels included, without calling back. NULL is allowed. */
void http_server_destroy(struct http_server *server);

/* Within `handle`: the response will come later. By the number that is returned it is given then, once. */
uint64_t http_server_defer(struct http_server *server, const struct http_request *request);
/* What is in the response is the server's from now on. Whoever has asked may have gone: then it is cleared. */
void http_server_answer(struct http_server *server, uint64_t number, struct http_response *response);

/* Where it really listens. */
struct address http_server_address(const struct http_server *server, size_t index);

struct http_server_statistics {
    uint64_t connections; /* now, those included that have said nothing yet */
    uint64_t silent;      /* now */
    uint64_t accepted, refused, timed_out, displaced;
    uint64_t requests;
    uint64_t channels; /* now */
};
struct http_server_statistics http_server_statistics(const struct http_server *server);

#endif
