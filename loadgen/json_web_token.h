/* JSON Web Tokens (RFC 7519) that are signed with a shared secret: HS256 in compact form (RFC 7515, RFC 7518 section
 * 3.2), as LiveKit wants them. */
#ifndef CONFAB_LOADGEN_JSON_WEB_TOKEN_H
#define CONFAB_LOADGEN_JSON_WEB_TOKEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum { JSON_WEB_TOKEN_CAP = 1024 };

/* Base64 with the alphabet of URLs, without padding (RFC 4648, section 5); terminated. False when it doesn't fit. */
bool base64url_write(char *out, size_t cap, const void *data, size_t len);

/* Signs `claims`, whose reference it takes. False when they are NULL or too long. */
bool json_web_token_sign(char token[JSON_WEB_TOKEN_CAP], json_t *claims, const char *secret);

#endif
