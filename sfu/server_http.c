/* What the reference server answers by HTTP. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sfu/server_state.h"
#include "sfu/whip.h"

enum { PREFLIGHT_MAX_AGE_S = 7200 };

/* --- who may ask (the Fetch standard's CORS protocol) ------------------------------------------------------------------ */

static bool may_come_from(const struct server_texts *origins, const char *origin)
{
    for (size_t i = 0; i < origins->count; i++) {
        if (strcasecmp(origins->text[i], origin) == 0)
            return true;
    }
    return origins->count == 0;
}

/* Our own page may, whatever the list is. */
bool server_may_connect(void *user, const char *origin, const char *host)
{
    const struct server *server = user;
    const char *authority = strstr(origin, "://");
    bool own = authority != NULL && host[0] != '\0' && strcasecmp(authority + 3, host) == 0;
    return own || may_come_from(&server->config->origins, origin);
}

static void add_cors(const struct server *server, const struct http_request *request, struct http_response *response)
{
    const struct server_texts *origins = &server->config->origins;
    const char *origin = http_request_header(request, "Origin");
    if (origins->count > 0)
        http_response_add(response, "Vary", "Origin");
    if (origin == NULL || !may_come_from(origins, origin))
        return;
    http_response_add(response, "Access-Control-Allow-Origin", "%s", origins->count > 0 ? origin : "*");
    http_response_add(response, "Access-Control-Expose-Headers", "Location, ETag, Link, Accept-Patch, Retry-After");
    if (request->method != HTTP_OPTIONS)
        return;
    http_response_add(response, "Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE, OPTIONS");
    http_response_add(response, "Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match, If-None-Match");
    http_response_add(response, "Access-Control-Max-Age", "%d", PREFLIGHT_MAX_AGE_S);
}

/* --- pages -------------------------------------------------------------------------------------------------------------- */

static const char *content_type(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".mjs", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".json", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".txt", "text/plain; charset=utf-8"},
        {".woff2", "font/woff2"},
        {".wasm", "application/wasm"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot != NULL && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(dot, types[i][0]) == 0)
            return types[i][1];
    }
    return "application/octet-stream";
}

static const struct server_page *find_page(const struct server *server, const char *path)
{
    const char *wanted = strcmp(path, "/") == 0 ? "/index.html" : path;
    for (size_t i = 0; i < server->options.page_count; i++) {
        if (strcmp(server->options.pages[i].path, wanted) == 0)
            return &server->options.pages[i];
    }
    return NULL;
}

static void answer_page(const struct server_page *page, struct http_response *response)
{
    http_response_set(response, HTTP_OK, content_type(page->path), (const char *)page->data,
                      (size_t)(page->end - page->data));
    http_response_add(response, "Cache-Control", "no-cache");
    http_response_add(response, "X-Content-Type-Options", "nosniff");
}

/* --- routes ------------------------------------------------------------------------------------------------------------- */

/* Only for reading. False, answered, when the request wants more. */
static bool is_reading(const struct http_request *request, struct http_response *response)
{
    if (request->method == HTTP_GET || request->method == HTTP_HEAD)
        return true;
    http_response_add(response, "Allow", "GET, HEAD, OPTIONS");
    if (request->method == HTTP_OPTIONS)
        response->status = HTTP_NO_CONTENT;
    else
        http_response_refuse(response, HTTP_METHOD_NOT_ALLOWED, "this is for reading");
    return false;
}

void server_handle(void *user, const struct http_request *request, struct http_response *response, nanos now)
{
    struct server *server = user;
    const struct server_page *page = find_page(server, request->path);
    add_cors(server, request, response);
    if (strcmp(request->path, "/health") == 0) {
        if (is_reading(request, response))
            server_report_health(server, response, now);
    } else if (strcmp(request->path, "/metrics") == 0) {
        if (is_reading(request, response))
            server_report_metrics(server, response, now);
    } else if (whip_handle(server->whip, request, response, now)) {
        return;
    } else if (page != NULL) {
        if (is_reading(request, response))
            answer_page(page, response);
    } else if (server->options.extend != NULL) {
        server->options.extend(server->options.extend_user, request, response, now);
    }
}
