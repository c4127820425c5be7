/* URLs of HTTP and WebSocket servers (RFC 3986, RFC 9110 section 4.2, RFC 6455 section 3), absolute or as a server's
 * answer names another resource of its own. */
#ifndef CONFAB_WORLD_WEB_URL_H
#define CONFAB_WORLD_WEB_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { WEB_HOST_CAP = 254, WEB_PATH_CAP = 2048, WEB_URL_CAP = WEB_HOST_CAP + WEB_PATH_CAP + 32 };

struct web_url {
    bool websocket; /* ws and wss; else http and https */
    bool tls;
    uint16_t port;
    char host[WEB_HOST_CAP]; /* without the brackets of an IPv6 address */
    char path[WEB_PATH_CAP]; /* begins with '/', with its query; without a fragment */
};

/* An absolute URL. False and `error` (ERROR_USAGE) when it is none, is too long, or has a user's name in it. */
bool web_url_parse(struct web_url *url, const char *text, struct error *error);

/* What `reference` means in an answer from `base` (RFC 3986, section 5.2): an absolute URL, or relative in any of its
 * forms. False and `error` as web_url_parse. */
bool web_url_resolve(struct web_url *url, const struct web_url *base, const char *reference, struct error *error);

/* "host:port" as the Host header has it, the port left out when it is the scheme's own; returns `text`. */
const char *web_url_authority(const struct web_url *url, char text[WEB_HOST_CAP + 8]);

/* The whole as text; returns `text`. */
const char *web_url_format(const struct web_url *url, char text[WEB_URL_CAP]);

/* The value of `key` in the URL's query, percent-decoded. False, with "" in `value`, when it isn't there or too long. */
bool web_url_query(const struct web_url *url, const char *key, char *value, size_t cap);

#endif
