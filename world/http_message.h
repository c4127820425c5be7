/* An HTTP request, read, and the response to it, to be written: values, so that whoever answers needs no socket. */
#ifndef CONFAB_WORLD_HTTP_MESSAGE_H
#define CONFAB_WORLD_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"

struct web_exchange;

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
};

/* RFC 9110, section 15; those that confab says, 428 and 429 by RFC 6585. */
enum http_status_code {
    HTTP_OK = 200,
    HTTP_CREATED = 201,
    HTTP_NO_CONTENT = 204,
    HTTP_BAD_REQUEST = 400,
    HTTP_UNAUTHORIZED = 401,
    HTTP_FORBIDDEN = 403,
    HTTP_NOT_FOUND = 404,
    HTTP_METHOD_NOT_ALLOWED = 405,
    HTTP_NOT_ACCEPTABLE = 406,
    HTTP_CONFLICT = 409,
    HTTP_LENGTH_REQUIRED = 411,
    HTTP_PRECONDITION_FAILED = 412,
    HTTP_CONTENT_TOO_LARGE = 413,
    HTTP_UNSUPPORTED_MEDIA_TYPE = 415,
    HTTP_UNPROCESSABLE_CONTENT = 422,
    HTTP_PRECONDITION_REQUIRED = 428,
    HTTP_INTERNAL_SERVER_ERROR = 500,
    HTTP_SERVICE_UNAVAILABLE = 503,
};

struct http_header {
    const char *name;
    const char *value;
};

/* All texts are valid during the call that has the request. */
struct http_request {
    enum http_method method;
    const char *path;  /* decoded, begins with '/' */
    const char *query; /* what is behind '?', decoded; "" when there is nothing */
    const struct http_header *headers;
    size_t header_count;
    const char *body; /* "" when there is none; terminated, but may have zeros inside */
    size_t body_len;
    struct address remote;
    bool secure;                   /* by TLS */
    struct web_exchange *exchange; /* the server's own */
};

/* A copy with all its texts, to be freed; NULL when out of memory. */
struct http_request *http_request_copy(const struct http_request *request);

/* The value of a header, by its name in any case; NULL when the request doesn't have it. */
const char *http_request_header(const struct http_request *request, const char *name);

/* Is a header's media type this one, whatever its parameters are (RFC 9110, section 8.3.1)? `value` may be NULL. */
bool http_media_type_is(const char *value, const char *type);

enum { HTTP_RESPONSE_HEADERS_MAX = 24 };

/* Begins as {0}; 0 for `status` is 404. */
struct http_response {
    int status;
    struct http_header
        headers[HTTP_RESPONSE_HEADERS_MAX]; /* values are the response's own; Content-Length isn't here */
    size_t header_count;
    char *body; /* the response's own; NULL for none */
    size_t body_len;
};

/* Adds a header; `name` is a literal. What is beyond the 24th, or out of memory, is left out. */
void http_response_add(struct http_response *response, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The value of a header that was added; NULL when it wasn't. */
const char *http_response_header(const struct http_response *response, const char *name);

/* Sets status, Content-Type and body (copied). */
void http_response_set(struct http_response *response, int status, const char *content_type, const char *body,
                       size_t len);

/* Refuses: a JSON problem (RFC 9457) with a reason for people. */
void http_response_refuse(struct http_response *response, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void http_response_clear(struct http_response *response);

/* "Not Found" for 404. */
const char *http_status_text(int status);

#endif
