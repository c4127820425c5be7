/* What the reference server answers by HTTP. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <uthash.h>

#include "sfu/server_state.h"

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

/* --- reports: the workers are asked first ------------------------------------------------------------------------------- */

/* One that is being made. */
struct server_report {
    uint64_t number;
    bool health;
    struct http_response response; /* what is in it already */
    UT_hash_handle hh;
};

static bool is_report(const char *path) { return strcmp(path, "/health") == 0 || strcmp(path, "/metrics") == 0; }

static void ask_workers(struct server *server, const struct http_request *request, struct http_response *response)
{
    struct server_report *report = calloc(1, sizeof *report);
    if (report == NULL) {
        http_response_refuse(response, HTTP_SERVICE_UNAVAILABLE, "out of memory");
        return;
    }
    report->health = strcmp(request->path, "/health") == 0;
    report->response = *response;
    *response = (struct http_response){0};
    report->number = http_server_defer(server->http, request);
    HASH_ADD(hh, server->reports, number, sizeof report->number, report);
    server_front_ask(server->front, report->number);
}

void server_report(void *user, uint64_t number, const struct server_statistics *workers, size_t count, nanos now)
{
    struct server *server = user;
    struct server_report *report;
    HASH_FIND(hh, server->reports, &number, sizeof number, report);
    if (report == NULL)
        return;
    if (report->health)
        server_report_health(server, workers, count, &report->response, now);
    else
        server_report_metrics(server, workers, count, &report->response, now);
    http_server_answer(server->http, number, &report->response);
    HASH_DELETE(hh, server->reports, report);
    free(report);
}

void server_forget_reports(struct server *server)
{
    struct server_report *report, *next;
    HASH_ITER(hh, server->reports, report, next)
    {
        HASH_DELETE(hh, server->reports, report);
        http_response_clear(&report->response);
        free(report);
    }
}

void server_handle(void *user, const struct http_request *request, struct http_response *response, nanos now)
{
    struct server *server = user;
    const struct server_page *page = find_page(server, request->path);
    add_cors(server, request, response);
    if (is_report(request->path)) {
        if (is_reading(request, response))
            ask_workers(server, request, response);
    } else if (server_front_handle(server->front, request, response)) {
        return;
    } else if (page != NULL) {
        if (is_reading(request, response))
            answer_page(page, response);
    } else if (server->options.extend != NULL) {
        server->options.extend(server->options.extend_user, request, response, now);
    }
}
