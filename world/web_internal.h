/* How web.c, http_server.c and web_channel.c share libwebsockets' connections. */
#ifndef CONFAB_WORLD_WEB_INTERNAL_H
#define CONFAB_WORLD_WEB_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libwebsockets.h>
#include <uthash.h>
#include <uv.h>

#include "base/nanos.h"
#include "world/http_message.h"
#include "world/web.h"
#include "world/web_url.h"
#include "world/world.h"

struct http_fetch;
struct http_server;
struct web_channel;
struct web_channel_listener;

enum { WEB_NAMES_MAX = 16 };

/* A host's name and its address, once looked up. */
struct web_name {
    char host[WEB_HOST_CAP];
    struct address address;
};

struct web {
    struct world *world;
    uv_loop_t *loop;
    struct lws_context *context; /* libwebsockets sets it to NULL when it is gone */
    struct lws_vhost *client;    /* for what we connect to; NULL until needed */
    struct http_server *servers;
    bool closing;
    struct web_name names[WEB_NAMES_MAX];
    size_t name_count;
};

enum { WEB_REQUEST_HEADERS_MAX = 16 };

/* A request on its way in, then its response on its way out. */
struct web_exchange {
    enum http_method method;
    char *path, *query;
    struct http_header headers[WEB_REQUEST_HEADERS_MAX];
    size_t header_count;
    char *body;
    size_t body_len, body_cap;
    bool body_too_large, keep_alive;
    struct http_response response;
    size_t written;  /* of the response's body */
    bool begun;      /* its head is written */
    uint64_t number; /* of one whose response is deferred; 0: it isn't */
    struct web_connection *connection;
    UT_hash_handle hh; /* by number */
};

/* One of libwebsockets' connections: its opaque user data. */
struct web_connection {
    struct http_server *server; /* that took it; NULL: we connected */
    struct lws *wsi;
    struct address remote;
    bool secure;
    struct web_exchange *exchange;
    struct web_channel *channel; /* once it is a WebSocket */
    struct http_fetch *fetch;    /* that we ask by it */
    bool greeted;                /* of one that we made: our request is on its way */
    nanos since;                 /* when it began to wait or to ask */
    bool waiting;                /* in the server's list of those that must hurry */
    struct web_connection *prev, *next;
};

static inline nanos web_now(const struct web *web) { return world_now(web->world); }

/* A virtual host of libwebsockets. NULL and `error` when its certificate can't be used. */
struct lws_vhost *web_vhost(struct web *web, const char *name, const char *certificate_file, const char *key_file,
                            void *user);

/* The one for what we connect to; NULL when out of memory. */
struct lws_vhost *web_client_vhost(struct web *web);

/* What libwebsockets calls ssl_connection: TLS, whose certificate is looked at or not. */
int web_client_tls(bool verify);

/* Why libwebsockets could not connect, by what came with its CLIENT_CONNECTION_ERROR; returns `text`. */
const char *web_connection_error(const struct web_connection *connection, const char *said, size_t len, char *text,
                                 size_t cap);

/* What libwebsockets says; the result is for it. A connection for which they say −1 is closed. */
int http_server_event(struct web_connection *connection, enum lws_callback_reasons reason, void *in, size_t len);
int web_channel_event(struct web_connection *connection, enum lws_callback_reasons reason, void *in, size_t len);
int http_client_event(struct web_connection *connection, enum lws_callback_reasons reason, void *in, size_t len);

/* Its server is gone. */
void web_channel_listener_orphan(struct web_channel_listener *listener);

/* --- of http_server.c, for channels ------------------------------------------------------------------------------------- */

struct http_server *http_server_at(struct web *web, const struct address *address);
/* NULL takes no channels (any more). */
void http_server_set_channels(struct http_server *server, struct web_channel_listener *listener);
struct web_channel_listener *http_server_channels(const struct http_server *server);
struct web *http_server_web(const struct http_server *server);
bool http_server_is_closing(const struct http_server *server);
/* The connection is a WebSocket from now on, or no longer. */
void http_server_count_channel(struct http_server *server, int change);
/* It needn't hurry any more. */
void http_server_let_be(struct web_connection *connection);

#endif
