#include "world/http_message.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *http_request_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    }
    return NULL;
}

static size_t text_size(const char *text) { return strlen(text) + 1; }

/* Puts `len` bytes at `*at`, which moves on. */
static const char *put(char **at, const char *text, size_t len)
{
    const char *copy = memcpy(*at, text, len);
    *at += len;
    return copy;
}

struct http_request *http_request_copy(const struct http_request *request)
{
    size_t headers = request->header_count * sizeof *request->headers;
    size_t size =
        sizeof *request + headers + text_size(request->path) + text_size(request->query) + request->body_len + 1;
    for (size_t i = 0; i < request->header_count; i++)
        size += text_size(request->headers[i].name) + text_size(request->headers[i].value);
    struct http_request *copy = malloc(size);
    if (copy == NULL)
        return NULL;
    struct http_header *header = (struct http_header *)(copy + 1);
    char *at = (char *)copy + sizeof *copy + headers;
    *copy = *request;
    copy->exchange = NULL;
    copy->headers = header;
    copy->path = put(&at, request->path, text_size(request->path));
    copy->query = put(&at, request->query, text_size(request->query));
    copy->body = put(&at, request->body, request->body_len + 1);
    for (size_t i = 0; i < request->header_count; i++) {
        header[i].name = put(&at, request->headers[i].name, text_size(request->headers[i].name));
        header[i].value = put(&at, request->headers[i].value, text_size(request->headers[i].value));
    }
    return copy;
}

bool http_media_type_is(const char *value, const char *type)
{
    size_t len = strlen(type);
    if (value == NULL || strncasecmp(value, type, len) != 0)
        return false;
    value += len;
    value += strspn(value, " \t");
    return *value == '\0' || *value == ';';
}

const char *http_response_header(const struct http_response *response, const char *name)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) == 0)
            return response->headers[i].value;
    }
    return NULL;
}

void http_response_add(struct http_response *response, const char *name, const char *format, ...)
{
    va_list arguments;
    char *value;
    if (response->header_count == HTTP_RESPONSE_HEADERS_MAX)
        return;
    va_start(arguments, format);
    int len = vasprintf(&value, format, arguments);
    va_end(arguments);
    if (len < 0)
        return;
    /* Nobody's text may begin another header. */
    for (char *at = value; *at != '\0'; at++) {
        if (*at == '\r' || *at == '\n')
            *at = ' ';
    }
    response->headers[response->header_count++] = (struct http_header){name, value};
}

void http_response_set(struct http_response *response, int status, const char *content_type, const char *body,
                       size_t len)
{
    free(response->body);
    response->body_len = 0;
    response->status = status;
    response->body = malloc(len + 1);
    if (response->body == NULL)
        return;
    memcpy(response->body, body, len);
    response->body[len] = '\0';
    response->body_len = len;
    http_response_add(response, "Content-Type", "%s", content_type);
}

void http_response_refuse(struct http_response *response, int status, const char *format, ...)
{
    char reason[600];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    for (unsigned char *at = (unsigned char *)reason; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~')
            *at = '?'; /* it may quote what came in, in any bytes */
    }
    json_t *problem =
        json_pack("{s:s, s:i, s:s}", "title", http_status_text(status), "status", status, "detail", reason);
    char *text = problem != NULL ? json_dumps(problem, 0) : NULL;
    http_response_set(response, status, "application/problem+json", text != NULL ? text : "",
                      text != NULL ? strlen(text) : 0);
    free(text);
    json_decref(problem);
}

void http_response_clear(struct http_response *response)
{
    for (size_t i = 0; i < response->header_count; i++)
        free((char *)response->headers[i].value); /* ours, by http_response_add */
    free(response->body);
    *response = (struct http_response){0};
}

const char *http_status_text(int status)
{
    switch ((enum http_status_code)status) {
    case HTTP_OK:
        return "OK";
    case HTTP_CREATED:
        return "Created";
    case HTTP_NO_CONTENT:
        return "No Content";
    case HTTP_BAD_REQUEST:
        return "Bad Request";
    case HTTP_UNAUTHORIZED:
        return "Unauthorized";
    case HTTP_FORBIDDEN:
        return "Forbidden";
    case HTTP_NOT_FOUND:
        return "Not Found";
    case HTTP_METHOD_NOT_ALLOWED:
        return "Method Not Allowed";
    case HTTP_NOT_ACCEPTABLE:
        return "Not Acceptable";
    case HTTP_CONFLICT:
        return "Conflict";
    case HTTP_LENGTH_REQUIRED:
        return "Length Required";
    case HTTP_PRECONDITION_FAILED:
        return "Precondition Failed";
    case HTTP_CONTENT_TOO_LARGE:
        return "Content Too Large";
    case HTTP_UNSUPPORTED_MEDIA_TYPE:
        return "Unsupported Media Type";
    case HTTP_UNPROCESSABLE_CONTENT:
        return "Unprocessable Content";
    case HTTP_PRECONDITION_REQUIRED:
        return "Precondition Required";
    case HTTP_INTERNAL_SERVER_ERROR:
        return "Internal Server Error";
    case HTTP_SERVICE_UNAVAILABLE:
        return "Service Unavailable";
    }
    return "Unknown";
}
