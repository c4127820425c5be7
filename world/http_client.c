#include "world/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "world/web_internal.h"

/* Of an answer, in the order of the table below. */
enum answer_header { LOCATION, ETAG, LINK, CONTENT_TYPE, RETRY_AFTER, AUTHENTICATE, ANSWER_HEADERS };
static const enum lws_token_indexes tokens[ANSWER_HEADERS] = {
    [LOCATION] = WSI_TOKEN_HTTP_LOCATION,
    [ETAG] = WSI_TOKEN_HTTP_ETAG,
    [LINK] = WSI_TOKEN_HTTP_LINK,
    [CONTENT_TYPE] = WSI_TOKEN_HTTP_CONTENT_TYPE,
    [RETRY_AFTER] = WSI_TOKEN_HTTP_RETRY_AFTER,
    [AUTHENTICATE] = WSI_TOKEN_HTTP_WWW_AUTHENTICATE,
};

/* One request, over as many connections as there are redirects. */
struct http_fetch {
    struct web *web;
    struct web_connection *connection; /* the present one; NULL between and after them */
    http_fetch_done done;
    void *user;
    uv_timer_t timer; /* the request is freed when it is closed */
    nanos timeout;
    nanos hold;
    bool starting; /* in http_fetch */
    bool over;     /* `done` was called, or never will be */
    bool verify, redirected_by_get;
    enum http_method method;
    struct web_url url;
    struct http_header headers[HTTP_FETCH_HEADERS_MAX + 1]; /* both texts are ours */
    size_t header_count;
    char *body;
    size_t body_len;
    bool body_written;
    unsigned redirects;
    /* The answer, as far as it came. */
    int status;
    char *answer_headers[ANSWER_HEADERS];
    bool ends_by_close; /* it has neither length nor chunks */
    char *answer;
    size_t answer_len, answer_cap;
    char reason[160];
};

static const char *const methods[] = {
    [HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",      [HTTP_PUT] = "PUT",
    [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS"};

static void clear_answer(struct http_fetch *fetch)
{
    for (size_t i = 0; i < ANSWER_HEADERS; i++) {
        free(fetch->answer_headers[i]);
        fetch->answer_headers[i] = NULL;
    }
    free(fetch->answer);
    fetch->answer = NULL;
    fetch->answer_len = fetch->answer_cap = 0;
    fetch->status = 0;
}

static void drop_headers(struct http_fetch *fetch, const char *name)
{
    size_t kept = 0;
    for (size_t i = 0; i < fetch->header_count; i++) {
        if (name == NULL || strcasecmp(fetch->headers[i].name, name) == 0) {
            free((char *)fetch->headers[i].name);
            free((char *)fetch->headers[i].value);
        } else {
            fetch->headers[kept++] = fetch->headers[i];
        }
    }
    fetch->header_count = kept;
}

static void timer_closed(uv_handle_t *handle)
{
    struct http_fetch *fetch = handle->data;
    clear_answer(fetch);
    drop_headers(fetch, NULL);
    free(fetch->body);
    free(fetch);
}

/* Nothing is called back after this; the connection, if any, goes its way without us. */
static void end(struct http_fetch *fetch)
{
    if (fetch->over)
        return;
    fetch->over = true;
    if (fetch->connection != NULL) {
        fetch->connection->fetch = NULL;
        lws_set_timeout(fetch->connection->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
        fetch->connection = NULL;
    }
    uv_close((uv_handle_t *)&fetch->timer, timer_closed);
}

static void fail(struct http_fetch *fetch, const char *reason)
{
    snprintf(fetch->reason, sizeof fetch->reason, "%s", reason);
    if (fetch->over || fetch->starting)
        return; /* http_fetch says it itself */
    if (!fetch->web->closing)
        fetch->done(fetch->user, NULL, fetch->reason, web_now(fetch->web));
    end(fetch);
}

static void timed_out(uv_timer_t *timer)
{
    struct http_fetch *fetch = timer->data;
    char text[64];
    snprintf(text, sizeof text, "no answer within %.0f s", nanos_to_s(fetch->timeout));
    fail(fetch, text);
}

/* --- redirects ---------------------------------------------------------------------------------------------------------- */

static bool connect_to_server(struct http_fetch *fetch, struct error *error);

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void follow(struct http_fetch *fetch)
{
    struct error error;
    struct web_url next;
    const struct web_url *url = &fetch->url;
    if (!web_url_resolve(&next, url, fetch->answer_headers[LOCATION], &error) || next.websocket) {
        fail(fetch, "redirected to what is no URL");
        return;
    }
    if (next.port != url->port || next.tls != url->tls || strcasecmp(next.host, url->host) != 0)
        drop_headers(fetch, "Authorization");
    if (fetch->status == 303 || (fetch->redirected_by_get && fetch->status <= 302)) {
        fetch->method = HTTP_GET;
        free(fetch->body);
        fetch->body = NULL;
        fetch->body_len = 0;
        drop_headers(fetch, "Content-Type");
    }
    fetch->url = next;
    fetch->redirects++;
    fetch->body_written = false;
    clear_answer(fetch);
    if (!connect_to_server(fetch, &error))
        fail(fetch, error.text);
}

/* --- what libwebsockets says -------------------------------------------------------------------------------------------- */

static void tell(struct http_fetch *fetch)
{
    const struct http_fetch_response response = {
        .status = fetch->status,
        .url = &fetch->url,
        .location = fetch->answer_headers[LOCATION],
        .etag = fetch->answer_headers[ETAG],
        .link = fetch->answer_headers[LINK],
        .content_type = fetch->answer_headers[CONTENT_TYPE],
        .retry_after = fetch->answer_headers[RETRY_AFTER],
        .authenticate = fetch->answer_headers[AUTHENTICATE],
        .body = fetch->answer != NULL ? fetch->answer : "",
        .body_len = fetch->answer_len,
    };
    if (!fetch->web->closing)
        fetch->done(fetch->user, &response, NULL, web_now(fetch->web));
    end(fetch);
}

static void held_long_enough(uv_timer_t *timer) { tell(timer->data); }

/* The answer is here, all of it. */
static void complete(struct http_fetch *fetch)
{
    fetch->connection->fetch = NULL;
    fetch->connection = NULL;
    if (is_redirect(fetch->status) && fetch->answer_headers[LOCATION] != NULL) {
        if (fetch->redirects == HTTP_FETCH_REDIRECTS_MAX)
            fail(fetch, "redirected too often");
        else
            follow(fetch);
        return;
    }
    if (fetch->hold > 0)
        uv_timer_start(&fetch->timer, held_long_enough, (uint64_t)(fetch->hold / NANOS_PER_MS), 0);
    else
        tell(fetch);
}

static bool append_header(struct lws *wsi, const char *name, const char *value, unsigned char **at, unsigned char *end_)
{
    char field[80];
    snprintf(field, sizeof field, "%s:", name);
    return lws_add_http_header_by_name(wsi, (const unsigned char *)field, (const unsigned char *)value,
                                       (int)strlen(value), at, end_) == 0;
}

static int write_head(struct http_fetch *fetch, unsigned char **at, size_t cap)
{
    struct lws *wsi = fetch->connection->wsi;
    unsigned char *limit = *at + cap;
    char length[24];
    for (size_t i = 0; i < fetch->header_count; i++) {
        if (!append_header(wsi, fetch->headers[i].name, fetch->headers[i].value, at, limit))
            return -1;
    }
    if (fetch->body == NULL && fetch->method != HTTP_POST && fetch->method != HTTP_PUT && fetch->method != HTTP_PATCH)
        return 0;
    snprintf(length, sizeof length, "%zu", fetch->body_len);
    if (!append_header(wsi, "Content-Length", length, at, limit))
        return -1;
    if (fetch->body_len > 0) {
        lws_client_http_body_pending(wsi, 1);
        lws_callback_on_writable(wsi);
    }
    return 0;
}

/* `body` has LWS_PRE bytes before it. */
static int write_body(struct http_fetch *fetch)
{
    struct lws *wsi = fetch->connection->wsi;
    if (fetch->body_written || fetch->body_len == 0)
        return 0;
    fetch->body_written = true;
    lws_client_http_body_pending(wsi, 0);
    unsigned char *bytes = (unsigned char *)fetch->body + LWS_PRE;
    return lws_write(wsi, bytes, fetch->body_len, LWS_WRITE_HTTP_FINAL) < 0 ? -1 : 0;
}

static char *copy_header(struct lws *wsi, enum lws_token_indexes token)
{
    int len = lws_hdr_total_length(wsi, token);
    char *text = len > 0 ? malloc((size_t)len + 16) : NULL; /* several of one name are joined */
    if (text != NULL && lws_hdr_copy(wsi, text, len + 16, token) < 0)
        text[0] = '\0';
    return text;
}

static int head_arrived(struct http_fetch *fetch)
{
    struct lws *wsi = fetch->connection->wsi;
    fetch->status = (int)lws_http_client_http_response(wsi);
    for (size_t i = 0; i < ANSWER_HEADERS; i++)
        fetch->answer_headers[i] = copy_header(wsi, tokens[i]);
    fetch->ends_by_close = lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) == 0 &&
                           lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) == 0;
    char length[24] = "";
    lws_hdr_copy(wsi, length, sizeof length, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    bool is_empty = fetch->status == HTTP_NO_CONTENT || fetch->method == HTTP_HEAD || strcmp(length, "0") == 0;
    if (!is_empty)
        return 0;
    complete(fetch);
    return -1;
}

static int take_body(struct http_fetch *fetch, const char *data, size_t len)
{
    if (len > HTTP_FETCH_BODY_MAX_BYTES - fetch->answer_len) {
        char text[64];
        snprintf(text, sizeof text, "the answer is longer than %d bytes", HTTP_FETCH_BODY_MAX_BYTES);
        fail(fetch, text);
        return -1;
    }
    if (fetch->answer_len + len + 1 > fetch->answer_cap) {
        size_t cap = 2 * (fetch->answer_len + len) + 1;
        char *grown = realloc(fetch->answer, cap);
        if (grown == NULL) {
            fail(fetch, "out of memory");
            return -1;
        }
        fetch->answer = grown;
        fetch->answer_cap = cap;
    }
    memcpy(fetch->answer + fetch->answer_len, data, len);
    fetch->answer_len += len;
    fetch->answer[fetch->answer_len] = '\0';
    return 0;
}

static int read_more(struct lws *wsi)
{
    char buffer[LWS_PRE + 4096];
    char *at = buffer + LWS_PRE;
    int len = sizeof buffer - LWS_PRE;
    return lws_http_client_read(wsi, &at, &len) < 0 ? -1 : 0; /* it calls back with what it read */
}

/* The connection ended before all was there. */
static void lost(struct http_fetch *fetch)
{
    if (fetch->status != 0 && fetch->ends_by_close) {
        complete(fetch);
        return;
    }
    fetch->connection->fetch = NULL;
    fetch->connection = NULL;
    fail(fetch, fetch->status != 0 ? "the connection ended in the middle of the answer"
                                   : "the connection ended without an answer");
}

int http_client_event(struct web_connection *connection, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct http_fetch *fetch = connection->fetch;
    char text[128];
    if (fetch == NULL)
        return -1;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return write_head(fetch, in, len);
    case LWS_CALLBACK_CLIENT_HTTP_WRITEABLE:
        return write_body(fetch);
    case LWS_CALLBACK_ESTABLISHED_CLIENT_HTTP:
        return head_arrived(fetch);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP:
        return read_more(connection->wsi);
    case LWS_CALLBACK_RECEIVE_CLIENT_HTTP_READ:
        return take_body(fetch, in, len);
    case LWS_CALLBACK_COMPLETED_CLIENT_HTTP:
        complete(fetch);
        return -1;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        connection->fetch = NULL;
        fetch->connection = NULL;
        fail(fetch, web_connection_error(connection, in, len, text, sizeof text));
        return 0;
    case LWS_CALLBACK_CLOSED_CLIENT_HTTP:
    case LWS_CALLBACK_WSI_DESTROY:
        lost(fetch);
        return 0;
    default:
        return 0;
    }
}

/* --- starting ------------------------------------------------------------------------------------------------------------- */

static bool connect_to_server(struct http_fetch *fetch, struct error *error)
{
    struct address server;
    char address[ADDRESS_TEXT_CAP];
    char authority[WEB_HOST_CAP + 8];
    if (!web_resolve(fetch->web, fetch->url.host, fetch->url.port, &server, error))
        return false;
    struct web_connection *connection = calloc(1, sizeof *connection);
    struct lws_vhost *vhost = web_client_vhost(fetch->web);
    if (connection == NULL || vhost == NULL) {
        free(connection);
        return error_set(error, ERROR_SYSTEM, "out of memory");
    }
    connection->fetch = fetch;
    fetch->connection = connection;
    address_format_ip(&server, address);
    const struct lws_client_connect_info info = {
        .context = fetch->web->context,
        .vhost = vhost,
        .address = address,
        .port = server.port,
        .path = fetch->url.path,
        .host = web_url_authority(&fetch->url, authority),
        .method = methods[fetch->method],
        .local_protocol_name = "confab",
        .ssl_connection = (fetch->url.tls ? web_client_tls(fetch->verify) : 0) | LCCSCF_HTTP_NO_FOLLOW_REDIRECT,
        .alpn = "http/1.1",
        .opaque_user_data = connection,
    };
    bool was_starting = fetch->starting;
    fetch->starting = true;
    struct lws *wsi = lws_client_connect_via_info(&info);
    fetch->starting = was_starting;
    if (wsi != NULL && fetch->connection != NULL)
        return true;
    return error_set(error, ERROR_SYSTEM, "%s", fetch->reason[0] != '\0' ? fetch->reason : "no connection");
}

static bool add_header(struct http_fetch *fetch, const char *name, const char *value)
{
    struct http_header *header = &fetch->headers[fetch->header_count];
    if (fetch->header_count == HTTP_FETCH_HEADERS_MAX + 1)
        return false;
    header->name = strdup(name);
    header->value = strdup(value);
    fetch->header_count++;
    return header->name != NULL && header->value != NULL;
}

static bool copy_request(struct http_fetch *fetch, const struct http_fetch_request *request, struct error *error)
{
    bool copied = true;
    if (!web_url_parse(&fetch->url, request->url, error))
        return false;
    if (fetch->url.websocket)
        return error_set(error, ERROR_USAGE, "'%.200s' is no http:// or https:// URL", request->url);
    for (size_t i = 0; i < request->header_count && copied; i++)
        copied = add_header(fetch, request->headers[i].name, request->headers[i].value);
    if (request->content_type != NULL) {
        copied = copied && add_header(fetch, "Content-Type", request->content_type);
        fetch->body = malloc(LWS_PRE + request->body_len + 1);
        copied = copied && fetch->body != NULL;
        fetch->body_len = request->body_len;
    }
    if (!copied)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    if (fetch->body_len > 0)
        memcpy(fetch->body + LWS_PRE, request->body, request->body_len);
    return true;
}

struct http_fetch *http_fetch(struct web *web, const struct http_fetch_request *request, http_fetch_done done,
                              void *user, struct error *error)
{
    struct http_fetch *fetch = calloc(1, sizeof *fetch);
    if (fetch == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    fetch->web = web;
    fetch->done = done;
    fetch->user = user;
    fetch->method = request->method;
    fetch->verify = request->verify;
    fetch->hold = request->hold;
    fetch->redirected_by_get = request->redirected_by_get;
    fetch->timeout = request->timeout > 0 ? request->timeout : HTTP_FETCH_TIMEOUT_S * NANOS_PER_S;
    fetch->timer.data = fetch;
    uv_timer_init(web->loop, &fetch->timer);
    fetch->starting = true;
    bool started = copy_request(fetch, request, error) && connect_to_server(fetch, error);
    fetch->starting = false;
    if (!started) {
        end(fetch);
        return NULL;
    }
    uv_update_time(web->loop);
    uv_timer_start(&fetch->timer, timed_out, (uint64_t)(fetch->timeout / NANOS_PER_MS), 0);
    return fetch;
}

void http_fetch_cancel(struct http_fetch *fetch) { end(fetch); }
