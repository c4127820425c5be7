/* HTTP requests from a libuv loop (HTTP/1.1, RFC 9112; plain or by TLS): one connection each, a deadline, a limit on what
 * comes back, redirects followed. Whatever the server does, `done` comes exactly once. */
#ifndef CONFAB_WORLD_HTTP_CLIENT_H
#define CONFAB_WORLD_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/nanos.h"
#include "world/http_message.h"
#include "world/web.h"
#include "world/web_url.h"

struct http_fetch;

enum {
    HTTP_FETCH_BODY_MAX_BYTES = 1024 * 1024, /* of an answer; a longer one is a failure */
    HTTP_FETCH_HEADERS_MAX = 8,              /* of a request, besides Host, Content-Length and what is here */
    HTTP_FETCH_REDIRECTS_MAX = 5,            /* followed */
    HTTP_FETCH_TIMEOUT_S = 10,               /* when the request names no other */
};

struct http_fetch_request {
    enum http_method method;
    const char *url; /* http:// or https:// */
    struct http_header headers[HTTP_FETCH_HEADERS_MAX];
    size_t header_count;
    const char *content_type; /* of the body; NULL: there is none */
    const char *body;
    size_t body_len;
    nanos timeout;          /* for all of it, redirects included; 0: HTTP_FETCH_TIMEOUT_S */
    nanos hold;             /* of an answer, on top of what it took: an emulated link's round trips */
    bool verify;            /* the server's certificate, against the system's authorities; else any will do */
    bool redirected_by_get; /* 301 and 302 are followed by GET, as browsers do; else the method stays (RFC 9725, section
                               4.5). 307 and 308 never change it, 303 always. Bodies go along with methods that stay,
                               the Authorization header only to the same host and port */
};

/* Texts are valid during the call. Headers: Location, ETag, Link (all of them, by commas), Content-Type, Retry-After,
 * WWW-Authenticate. */
struct http_fetch_response {
    int status;
    const struct web_url *url; /* that answered: what a relative Location means */
    const char *location, *etag, *link, *content_type, *retry_after, *authenticate; /* NULL when it has none */
    const char *body;                                                               /* terminated; "" for none */
    size_t body_len;
};

/* `response` is NULL when there was none, and then `reason` says why in one line: "connection refused", "no answer
 * within 10 s", "the answer is longer than 1048576 bytes". */
typedef void (*http_fetch_done)(void *user, const struct http_fetch_response *response, const char *reason, nanos now);

/* Starts a request; its texts are copied. NULL and `error` when the URL is none, its host has no address or there is no
 * memory; `done` is not called then, nor before this has returned. */
struct http_fetch *http_fetch(struct web *web, const struct http_fetch_request *request, http_fetch_done done,
                              void *user, struct error *error);

/* Ends it; `done` is not called any more. Not after or inside `done`. */
void http_fetch_cancel(struct http_fetch *fetch);

#endif
