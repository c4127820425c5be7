#include "world/http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "base/bytes.h"
#include "world/live_internal.h"
#include "world/web_channel.h"
#include "world/web_internal.h"

enum {
    CONNECTIONS_DEFAULT = 10000,
    BACKLOG = 1024,
    REQUESTS_MAX = 1000, /* who are in a request, or between two: a TLS handshake takes 50 KB */
    ACCEPT_MAX = 64,     /* in one go: others have their turn in between */
    SWEEP_MS = 1000,
    USER_TIMEOUT_MS = 30000,       /* of bytes that the other side doesn't acknowledge */
    SWALLOW_MAX = 8 * 1024 * 1024, /* of a body that is too large: who sends so much gets to read why */
    RESPONSE_PIECE = 16384,
    TLS_HANDSHAKE = 22, /* the first byte of a ClientHello (RFC 8446, section 5.1) */
    ICE_TCP_MAX = 3,    /* of a STUN message's length, which is below 1,024 */
    FRAME_HEADER = 2,   /* RFC 4571, section 2 */
    ICE_TCP_CAP = FRAME_HEADER + (ICE_TCP_MAX + 1) * 256,
};

/* A connection that has said nothing yet: libwebsockets doesn't know of it. */
struct visitor {
    uv_poll_t poll;
    struct http_server *server;
    int fd;
    struct address remote;
    nanos since;
    int awaited; /* bytes of ICE-TCP's first frame; 0: none yet */
    struct visitor *prev, *next;
};

struct door {
    uv_poll_t poll;
    struct http_server *server;
    int fd;
    struct address address;
};

struct http_server {
    struct web *web;
    struct http_server_config config;
    struct door doors[HTTP_SERVER_ADDRESSES_MAX];
    size_t door_count;
    int spare_fd; /* given up to accept and refuse a connection when there are no descriptors left */
    struct lws_vhost *plain, *tls;
    uv_timer_t sweeper;
    struct visitor *visitors;          /* oldest first */
    struct web_connection *requesting; /* likewise */
    size_t requesting_count;
    struct web_channel_listener *channels;
    struct web_exchange *deferred; /* hash table by number */
    uint64_t numbers;              /* given out so far */
    struct http_server_statistics statistics;
    size_t references; /* of its handles and connections, which end later than it does */
    bool closing;
    struct http_server *prev, *next;
};

static void release(struct http_server *server)
{
    if (--server->references == 0)
        free(server);
}

/* --- those who wait ------------------------------------------------------------------------------------------------------- */

void http_server_let_be(struct web_connection *connection)
{
    if (!connection->waiting)
        return;
    DL_DELETE(connection->server->requesting, connection);
    connection->server->requesting_count--;
    connection->waiting = false;
}

static void hurry(struct web_connection *connection)
{
    struct http_server *server = connection->server;
    http_server_let_be(connection);
    connection->waiting = true;
    server->requesting_count++;
    connection->since = web_now(server->web);
    DL_APPEND(server->requesting, connection);
}

static void visitor_closed(uv_handle_t *handle)
{
    struct visitor *visitor = handle->data;
    release(visitor->server);
    free(visitor);
}

/* Ends the visit; the socket is the caller's then. */
static int dismiss(struct visitor *visitor)
{
    struct http_server *server = visitor->server;
    DL_DELETE(server->visitors, visitor);
    server->statistics.silent--;
    uv_close((uv_handle_t *)&visitor->poll, visitor_closed);
    return visitor->fd;
}

static void turn_away(struct visitor *visitor)
{
    visitor->server->statistics.connections--;
    close(dismiss(visitor));
}

/* Not from inside one of its own callbacks. */
static void kill_slow(struct web_connection *connection)
{
    http_server_let_be(connection);
    lws_set_timeout(connection->wsi, PENDING_TIMEOUT_HTTP_CONTENT, LWS_TO_KILL_SYNC);
}

static void sweep(uv_timer_t *timer)
{
    struct http_server *server = timer->data;
    nanos late = web_now(server->web) - HTTP_SERVER_TIMEOUT_S * NANOS_PER_S;
    while (server->visitors != NULL && server->visitors->since <= late) {
        server->statistics.timed_out++;
        turn_away(server->visitors);
    }
    while (server->requesting != NULL && server->requesting->since <= late) {
        server->statistics.timed_out++;
        kill_slow(server->requesting);
    }
}

/* --- the door ------------------------------------------------------------------------------------------------------------- */

static void admit(struct http_server *server, int fd, const struct address *remote, bool tls)
{
    struct web_connection *connection = calloc(1, sizeof *connection);
    struct lws *wsi = NULL;
    if (connection == NULL)
        close(fd);
    else
        wsi = lws_adopt_socket_vhost(tls ? server->tls : server->plain, fd); /* which closes it when it can't */
    if (wsi == NULL) {
        free(connection);
        server->statistics.connections--;
        return;
    }
    connection->server = server;
    connection->wsi = wsi;
    connection->remote = *remote;
    connection->secure = tls;
    server->references++;
    lws_set_opaque_user_data(wsi, connection);
    hurry(connection);
}

/* May another one begin to ask? Whoever has been at it for longest makes room, and that takes effect once the loop comes
 * round: what is killed has its memory until then. */
static bool may_enter(struct http_server *server)
{
    const struct http_server_statistics *statistics = &server->statistics;
    if (statistics->connections - statistics->silent - statistics->channels < REQUESTS_MAX)
        return true;
    if (server->requesting_count > REQUESTS_MAX / 2) {
        server->statistics.displaced++;
        kill_slow(server->requesting);
    }
    return false;
}

static void set_awaited(struct visitor *visitor, int bytes)
{
    visitor->awaited = bytes;
    setsockopt(visitor->fd, SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
}

/* Once the whole first frame is there; until then the kernel needn't tell us. */
static void take_ice_tcp(struct visitor *visitor, const uint8_t *bytes, int got)
{
    struct http_server *server = visitor->server;
    int needed = got < FRAME_HEADER ? FRAME_HEADER : FRAME_HEADER + bytes_get16(bytes);
    if (got < needed && visitor->awaited == needed) { /* nothing more comes */
        turn_away(visitor);
    } else if (got < needed) {
        set_awaited(visitor, needed);
    } else {
        set_awaited(visitor, 1);
        server->statistics.connections--;
        server->config.ice_tcp(server->config.user, dismiss(visitor), bytes + FRAME_HEADER,
                               (size_t)(needed - FRAME_HEADER));
    }
}

static void on_first_byte(uv_poll_t *poll, int status, int events)
{
    struct visitor *visitor = poll->data;
    struct http_server *server = visitor->server;
    uint8_t bytes[ICE_TCP_CAP];
    (void)events;
    ssize_t got = status < 0 ? 0 : recv(visitor->fd, bytes, sizeof bytes, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    bool tls = got > 0 && bytes[0] == TLS_HANDSHAKE && server->tls != NULL;
    if (got > 0 && bytes[0] <= ICE_TCP_MAX && server->config.ice_tcp != NULL) {
        take_ice_tcp(visitor, bytes, (int)got);
        return;
    }
    if (got <= 0 || (!tls && server->config.tls_only)) {
        turn_away(visitor);
        return;
    }
    if (!may_enter(server))
        return; /* its byte is still there, and we are told again */
    struct address remote = visitor->remote;
    admit(server, dismiss(visitor), &remote, tls);
}

/* Is there room for one more, if need be that of the one who has been silent, or asking, for longest? */
static bool make_room(struct http_server *server)
{
    uint32_t limit = server->config.connection_limit != 0 ? server->config.connection_limit : CONNECTIONS_DEFAULT;
    if (server->statistics.connections < limit)
        return true;
    if (server->visitors == NULL && server->requesting == NULL)
        return false;
    server->statistics.displaced++;
    if (server->visitors != NULL)
        turn_away(server->visitors);
    else
        kill_slow(server->requesting);
    return true;
}

static void visit(struct http_server *server, int fd, const struct sockaddr_storage *from)
{
    int on = 1;
    int user_timeout = USER_TIMEOUT_MS;
    struct visitor *visitor = make_room(server) ? calloc(1, sizeof *visitor) : NULL;
    if (visitor == NULL || uv_poll_init(server->web->loop, &visitor->poll, fd) != 0) {
        server->statistics.refused++;
        free(visitor);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout, sizeof user_timeout);
    visitor->server = server;
    visitor->fd = fd;
    visitor->remote = live_from_sockaddr((const struct sockaddr *)from);
    visitor->since = web_now(server->web);
    visitor->poll.data = visitor;
    server->references++;
    server->statistics.accepted++;
    server->statistics.connections++;
    server->statistics.silent++;
    DL_APPEND(server->visitors, visitor);
    uv_poll_start(&visitor->poll, UV_READABLE, on_first_byte);
}

/* Without a descriptor left the connection would wait at the door for ever, and we with it. */
static void refuse_one(struct http_server *server, int listening)
{
    close(server->spare_fd);
    int fd = accept(listening, NULL, NULL);
    if (fd >= 0)
        close(fd);
    server->statistics.refused++;
    server->spare_fd = dup(listening);
}

static void on_connections(uv_poll_t *poll, int status, int events)
{
    struct door *door = poll->data;
    (void)events;
    for (int i = 0; i < ACCEPT_MAX && status >= 0; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        int fd = accept4(door->fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            visit(door->server, fd, &from);
        else if (errno == EMFILE || errno == ENFILE)
            refuse_one(door->server, door->fd);
        else if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

static bool open_door(struct http_server *server, struct door *door, const struct address *address, struct error *error)
{
    struct sockaddr_storage storage;
    char text[ADDRESS_TEXT_CAP];
    int on = 1;
    socklen_t len = live_to_sockaddr(address, &storage);
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0;
    if (ok && address->family == ADDRESS_IPV6)
        ok = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    ok = ok && bind(fd, (const struct sockaddr *)&storage, len) == 0 && listen(fd, BACKLOG) == 0;
    len = sizeof storage;
    ok = ok && getsockname(fd, (struct sockaddr *)&storage, &len) == 0;
    ok = ok && uv_poll_init(server->web->loop, &door->poll, fd) == 0;
    if (!ok) {
        error_set(error, ERROR_SYSTEM, "can't listen on %s (TCP): %s", address_format(address, text), strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    *door = (struct door){.poll = door->poll,
                          .server = server,
                          .fd = fd,
                          .address = live_from_sockaddr((const struct sockaddr *)&storage)};
    door->poll.data = door;
    server->references++;
    server->door_count++;
    uv_poll_start(&door->poll, UV_READABLE, on_connections);
    return true;
}

/* --- requests ------------------------------------------------------------------------------------------------------------- */

static const struct {
    enum lws_token_indexes token;
    enum http_method method;
} methods[] = {
    {WSI_TOKEN_GET_URI, HTTP_GET},   {WSI_TOKEN_POST_URI, HTTP_POST},   {WSI_TOKEN_OPTIONS_URI, HTTP_OPTIONS},
    {WSI_TOKEN_PUT_URI, HTTP_PUT},   {WSI_TOKEN_PATCH_URI, HTTP_PATCH}, {WSI_TOKEN_DELETE_URI, HTTP_DELETE},
    {WSI_TOKEN_HEAD_URI, HTTP_HEAD},
};

/* What handlers can ask for. */
static const struct {
    enum lws_token_indexes token;
    const char *name;
} tokens[] = {
    {WSI_TOKEN_HOST, "Host"},
    {WSI_TOKEN_ORIGIN, "Origin"},
    {WSI_TOKEN_HTTP_ACCEPT, "Accept"},
    {WSI_TOKEN_HTTP_AUTHORIZATION, "Authorization"},
    {WSI_TOKEN_HTTP_CONTENT_TYPE, "Content-Type"},
    {WSI_TOKEN_HTTP_IF_MATCH, "If-Match"},
    {WSI_TOKEN_HTTP_IF_NONE_MATCH, "If-None-Match"},
    {WSI_TOKEN_HTTP_AC_REQUEST_HEADERS, "Access-Control-Request-Headers"},
    {WSI_TOKEN_HTTP_USER_AGENT, "User-Agent"},
};

static char *copy_token(struct lws *wsi, enum lws_token_indexes token)
{
    int len = lws_hdr_total_length(wsi, token);
    char *text = calloc(1, (size_t)len + 8);
    if (text != NULL && len > 0 && lws_hdr_copy(wsi, text, len + 8, token) < 0)
        text[0] = '\0';
    return text;
}

/* libwebsockets has it in pieces. */
static char *copy_query(struct lws *wsi)
{
    char query[HTTP_HEADERS_MAX_BYTES] = "";
    size_t len = 0;
    for (int i = 0; len + 2 < sizeof query; i++) {
        int got = lws_hdr_copy_fragment(wsi, query + len + (i > 0), (int)(sizeof query - len) - 1,
                                        WSI_TOKEN_HTTP_URI_ARGS, i);
        if (got < 0)
            break;
        if (i > 0)
            query[len++] = '&';
        len += (size_t)got;
    }
    query[len] = '\0';
    return strdup(query);
}

static void end_exchange(struct web_connection *connection)
{
    struct web_exchange *exchange = connection->exchange;
    if (exchange == NULL)
        return;
    if (exchange->number != 0)
        HASH_DELETE(hh, connection->server->deferred, exchange);
    for (size_t i = 0; i < exchange->header_count; i++)
        free((char *)exchange->headers[i].value);
    free(exchange->path);
    free(exchange->query);
    free(exchange->body);
    http_response_clear(&exchange->response);
    free(exchange);
    connection->exchange = NULL;
}

static bool begin_exchange(struct web_connection *connection, const char *path)
{
    struct web_exchange *exchange = calloc(1, sizeof *exchange);
    end_exchange(connection);
    connection->exchange = exchange;
    if (exchange == NULL)
        return false;
    exchange->keep_alive = true;
    exchange->connection = connection;
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        if (lws_hdr_total_length(connection->wsi, methods[i].token) > 0)
            exchange->method = methods[i].method;
    }
    for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++) {
        char *value = lws_hdr_total_length(connection->wsi, tokens[i].token) > 0
                          ? copy_token(connection->wsi, tokens[i].token)
                          : NULL;
        if (value != NULL)
            exchange->headers[exchange->header_count++] = (struct http_header){tokens[i].name, value};
    }
    exchange->path = strdup(path);
    exchange->query = copy_query(connection->wsi);
    return exchange->path != NULL && exchange->query != NULL;
}

static bool write_header(struct lws *wsi, const struct http_header *header, uint8_t **at, uint8_t *end)
{
    char name[64];
    snprintf(name, sizeof name, "%s:", header->name); /* as libwebsockets wants it */
    return lws_add_http_header_by_name(wsi, (const uint8_t *)name, (const uint8_t *)header->value,
                                       (int)strlen(header->value), at, end) == 0;
}

static int write_head(struct web_connection *connection)
{
    struct web_exchange *exchange = connection->exchange;
    struct http_response *response = &exchange->response;
    uint8_t buf[LWS_PRE + HTTP_HEADERS_MAX_BYTES];
    uint8_t *start = buf + LWS_PRE;
    uint8_t *at = start;
    uint8_t *end = buf + sizeof buf - 1;
    struct lws *wsi = connection->wsi;
    bool has_length = response->status != HTTP_NO_CONTENT;
    exchange->begun = true;
    if (lws_add_http_header_status(wsi, (unsigned)response->status, &at, end) != 0)
        return -1;
    for (size_t i = 0; i < response->header_count; i++) {
        if (!write_header(wsi, &response->headers[i], &at, end))
            return -1;
    }
    if (!exchange->keep_alive && !write_header(wsi, &(struct http_header){"Connection", "close"}, &at, end))
        return -1;
    if ((has_length && lws_add_http_header_content_length(wsi, response->body_len, &at, end) != 0) ||
        lws_finalize_http_header(wsi, &at, end) != 0)
        return -1;
    bool bare = exchange->method == HTTP_HEAD || response->body_len == 0 || !has_length;
    if (bare)
        exchange->written = response->body_len;
    if (lws_write(wsi, start, (size_t)(at - start), LWS_WRITE_HTTP_HEADERS) < 0)
        return -1;
    lws_callback_on_writable(wsi);
    return 0;
}

/* The next piece of the body, then the end of the exchange. */
static int write_body(struct web_connection *connection)
{
    struct web_exchange *exchange = connection->exchange;
    uint8_t piece[LWS_PRE + RESPONSE_PIECE];
    if (exchange == NULL || exchange->number != 0 || exchange->response.status == 0)
        return 0;
    if (!exchange->begun)
        return write_head(connection);
    size_t len = exchange->response.body_len - exchange->written;
    len = len < RESPONSE_PIECE ? len : RESPONSE_PIECE;
    if (len > 0) {
        memcpy(piece + LWS_PRE, exchange->response.body + exchange->written, len);
        exchange->written += len;
        bool last = exchange->written == exchange->response.body_len;
        if (lws_write(connection->wsi, piece + LWS_PRE, len, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP) < 0)
            return -1;
    }
    if (exchange->written < exchange->response.body_len) {
        lws_callback_on_writable(connection->wsi);
        return 0;
    }
    bool keep_alive = exchange->keep_alive;
    end_exchange(connection);
    hurry(connection);
    return lws_http_transaction_completed(connection->wsi) != 0 || !keep_alive ? -1 : 0;
}

/* Nobody had an answer. */
static void complete(struct web_exchange *exchange)
{
    if (exchange->response.status == 0)
        http_response_refuse(&exchange->response, HTTP_NOT_FOUND, "there is nothing at %s", exchange->path);
}

static int respond(struct web_connection *connection)
{
    struct http_server *server = connection->server;
    struct web_exchange *exchange = connection->exchange;
    struct http_response *response = &exchange->response;
    const struct http_request request = {
        .method = exchange->method,
        .path = exchange->path,
        .query = exchange->query,
        .headers = exchange->headers,
        .header_count = exchange->header_count,
        .body = exchange->body != NULL ? exchange->body : "",
        .body_len = exchange->body_len,
        .remote = connection->remote,
        .secure = connection->secure,
        .exchange = exchange,
    };
    server->statistics.requests++;
    if (exchange->body_too_large)
        http_response_refuse(response, HTTP_CONTENT_TOO_LARGE, "a request's body is at most %d bytes",
                             HTTP_BODY_MAX_BYTES);
    else if (server->config.handle != NULL && !server->closing)
        server->config.handle(server->config.user, &request, response, web_now(server->web));
    if (exchange->number != 0)
        return 0;
    complete(exchange);
    return write_head(connection);
}

uint64_t http_server_defer(struct http_server *server, const struct http_request *request)
{
    struct web_exchange *exchange = request->exchange;
    exchange->number = ++server->numbers;
    HASH_ADD(hh, server->deferred, number, sizeof exchange->number, exchange);
    return exchange->number;
}

void http_server_answer(struct http_server *server, uint64_t number, struct http_response *response)
{
    struct web_exchange *exchange;
    HASH_FIND(hh, server->deferred, &number, sizeof number, exchange);
    if (exchange == NULL) {
        http_response_clear(response);
        return;
    }
    HASH_DELETE(hh, server->deferred, exchange);
    exchange->number = 0;
    http_response_clear(&exchange->response);
    exchange->response = *response;
    complete(exchange);
    lws_callback_on_writable(exchange->connection->wsi);
}

static int refuse(struct web_connection *connection, int status, const char *reason)
{
    connection->exchange->keep_alive = false;
    http_response_refuse(&connection->exchange->response, status, "%s", reason);
    connection->server->statistics.requests++;
    return write_head(connection);
}

static int take_head(struct web_connection *connection, const char *path)
{
    char text[24];
    struct lws *wsi = connection->wsi;
    if (!begin_exchange(connection, path))
        return -1;
    hurry(connection);
    struct web_exchange *exchange = connection->exchange;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
        return refuse(connection, HTTP_LENGTH_REQUIRED, "a request's body needs a Content-Length");
    bool has_length = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0;
    if (!has_length || strcmp(text, "0") == 0) {
        /* Of such a POST libwebsockets would wait for a body. */
        exchange->keep_alive = has_length || (exchange->method != HTTP_POST && exchange->method != HTTP_PUT &&
                                              exchange->method != HTTP_PATCH);
        return respond(connection);
    }
    char *end;
    errno = 0;
    unsigned long long len = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return refuse(connection, HTTP_BAD_REQUEST, "Content-Length is a number");
    if (len > SWALLOW_MAX)
        return refuse(connection, HTTP_CONTENT_TOO_LARGE, "that is too long by far");
    exchange->body_too_large = len > HTTP_BODY_MAX_BYTES;
    exchange->body_cap = exchange->body_too_large ? 0 : (size_t)len;
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_EXPECT) > 0 && !exchange->body_too_large) {
        static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
        uint8_t buf[LWS_PRE + sizeof go_on];
        memcpy(buf + LWS_PRE, go_on, sizeof go_on - 1);
        return lws_write(wsi, buf + LWS_PRE, sizeof go_on - 1, LWS_WRITE_HTTP_HEADERS) < 0 ? -1 : 0;
    }
    return 0;
}

/* The body's memory grows with what has come, not with what was announced. */
static int take_body(struct web_exchange *exchange, const void *data, size_t len)
{
    if (exchange == NULL || exchange->response.status != 0 || exchange->body_too_large)
        return 0;
    if (len > exchange->body_cap - exchange->body_len)
        return -1;
    char *grown = realloc(exchange->body, exchange->body_len + len + 1);
    if (grown == NULL)
        return -1;
    memcpy(grown + exchange->body_len, data, len);
    exchange->body = grown;
    exchange->body_len += len;
    exchange->body[exchange->body_len] = '\0';
    return 0;
}

/* A page may open WebSockets to anywhere: it is for the server to ask where it comes from (RFC 6455, section 10.2). */
static bool may_connect(const struct web_connection *connection)
{
    const struct http_server_config *config = &connection->server->config;
    char *origin = copy_token(connection->wsi, WSI_TOKEN_ORIGIN);
    char *host = copy_token(connection->wsi, WSI_TOKEN_HOST);
    bool may = origin != NULL && host != NULL &&
               (config->may_connect == NULL || origin[0] == '\0' || config->may_connect(config->user, origin, host));
    free(origin);
    free(host);
    return may;
}

/* Only a WebSocket at the place for it; 1: the answer was given. */
static int confirm_upgrade(const struct web_connection *connection, const char *protocol)
{
    char path[sizeof WEB_CHANNEL_PATH + 1];
    bool taken = connection->server->channels != NULL && !connection->server->closing &&
                 strcasecmp(protocol, "websocket") == 0 &&
                 lws_hdr_copy(connection->wsi, path, sizeof path, WSI_TOKEN_GET_URI) > 0 &&
                 strcmp(path, WEB_CHANNEL_PATH) == 0;
    if (taken && may_connect(connection))
        return 0;
    lws_return_http_status(connection->wsi, taken ? HTTP_FORBIDDEN : HTTP_NOT_FOUND, NULL);
    return 1;
}

/* All of its body has come, and it has neither been answered nor deferred. */
static bool is_complete(const struct web_exchange *exchange)
{
    return exchange != NULL && exchange->response.status == 0 && exchange->number == 0 && !exchange->begun;
}

int http_server_event(struct web_connection *connection, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct http_server *server = connection->server;
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return confirm_upgrade(connection, in);
    case LWS_CALLBACK_HTTP:
        return take_head(connection, in);
    case LWS_CALLBACK_HTTP_BODY:
        return take_body(connection->exchange, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return is_complete(connection->exchange) ? respond(connection) : 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return write_body(connection);
    case LWS_CALLBACK_WSI_DESTROY:
        end_exchange(connection);
        http_server_let_be(connection);
        server->statistics.connections--;
        release(server);
        return 0;
    default:
        return 0;
    }
}

/* --- for channels ----------------------------------------------------------------------------------------------------------- */

struct http_server *http_server_at(struct web *web, const struct address *address)
{
    struct http_server *server;
    DL_FOREACH(web->servers, server)
    {
        for (size_t i = 0; i < server->door_count; i++) {
            if (address_equal(&server->doors[i].address, address))
                return server;
        }
    }
    return NULL;
}

void http_server_set_channels(struct http_server *server, struct web_channel_listener *listener)
{
    server->channels = listener;
}

struct web_channel_listener *http_server_channels(const struct http_server *server) { return server->channels; }
struct web *http_server_web(const struct http_server *server) { return server->web; }
bool http_server_is_closing(const struct http_server *server) { return server->closing; }

void http_server_count_channel(struct http_server *server, int change)
{
    server->statistics.channels += (uint64_t)(int64_t)change;
}

/* --- life ------------------------------------------------------------------------------------------------------------------- */

static void door_closed(uv_handle_t *handle) { release(((struct door *)handle->data)->server); }
static void sweeper_closed(uv_handle_t *handle) { release(handle->data); }

static bool open_all(struct http_server *server, struct error *error)
{
    const struct http_server_config *config = &server->config;
    if (config->address_count == 0 || config->address_count > HTTP_SERVER_ADDRESSES_MAX)
        return error_set(error, ERROR_USAGE, "an HTTP server listens on 1 to %d addresses", HTTP_SERVER_ADDRESSES_MAX);
    server->plain = web_vhost(server->web, "plain", NULL, NULL, server);
    if (server->plain == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    if (config->certificate_file != NULL) {
        server->tls = web_vhost(server->web, "tls", config->certificate_file, config->key_file, server);
        if (server->tls == NULL)
            return error_set(error, ERROR_INPUT, "%s and %s are no certificate and key that fit together",
                             config->certificate_file, config->key_file);
    }
    for (size_t i = 0; i < config->address_count; i++) {
        struct address address = config->addresses[i];
        if (address.port == 0 && i > 0)
            address.port = server->doors[0].address.port;
        if (!open_door(server, &server->doors[i], &address, error))
            return false;
    }
    return true;
}

struct http_server *http_server_create(struct web *web, const struct http_server_config *config, struct error *error)
{
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    server->web = web;
    server->config = *config;
    server->spare_fd = dup(STDERR_FILENO);
    server->references = 2; /* its owner's, and the timer's */
    uv_timer_init(web->loop, &server->sweeper);
    server->sweeper.data = server;
    uv_timer_start(&server->sweeper, sweep, SWEEP_MS, SWEEP_MS);
    DL_APPEND(web->servers, server);
    if (!open_all(server, error)) {
        http_server_destroy(server);
        return NULL;
    }
    return server;
}

void http_server_destroy(struct http_server *server)
{
    if (server == NULL || server->closing)
        return;
    server->closing = true;
    if (server->channels != NULL)
        web_channel_listener_orphan(server->channels);
    server->channels = NULL;
    DL_DELETE(server->web->servers, server);
    while (server->visitors != NULL)
        turn_away(server->visitors);
    for (size_t i = 0; i < server->door_count; i++) {
        uv_close((uv_handle_t *)&server->doors[i].poll, door_closed);
        close(server->doors[i].fd);
    }
    if (server->spare_fd >= 0)
        close(server->spare_fd);
    uv_close((uv_handle_t *)&server->sweeper, sweeper_closed);
    if (server->plain != NULL)
        lws_vhost_destroy(server->plain);
    if (server->tls != NULL)
        lws_vhost_destroy(server->tls);
    release(server);
}

struct address http_server_address(const struct http_server *server, size_t index)
{
    return server->doors[index].address;
}

struct http_server_statistics http_server_statistics(const struct http_server *server) { return server->statistics; }
