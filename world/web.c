#include "world/web_internal.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "world/http_server.h"
#include "world/web_channel.h"

/* One callback for everything: channels and requests have their own parts. */
static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    (void)user;
    struct web_connection *connection = wsi != NULL ? lws_get_opaque_user_data(wsi) : NULL;
    if (connection == NULL)
        return 0;
    connection->wsi = wsi;
    connection->greeted = connection->greeted || reason == LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER;
    if (connection->fetch != NULL && reason != LWS_CALLBACK_WSI_DESTROY)
        return http_client_event(connection, reason, in, len);
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
    case LWS_CALLBACK_CLIENT_RECEIVE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        return web_channel_event(connection, reason, in, len);
    case LWS_CALLBACK_WSI_DESTROY:
        lws_set_opaque_user_data(wsi, NULL);
        web_channel_event(connection, reason, in, len);
        if (connection->fetch != NULL)
            http_client_event(connection, reason, in, len);
        if (connection->server != NULL)
            http_server_event(connection, reason, in, len);
        free(connection);
        return 0;
    default:
        return connection->server != NULL ? http_server_event(connection, reason, in, len) : 0;
    }
}

static const struct lws_protocols protocols[] = {{.name = "confab", .callback = on_event}, {.name = NULL}};

/* Both directions are asked for a sign of life, so that a half-open connection ends. */
static const lws_retry_bo_t idle_policy = {.secs_since_valid_ping = WEB_CHANNEL_PING_S,
                                           .secs_since_valid_hangup = WEB_CHANNEL_HANGUP_S};

struct lws_vhost *web_vhost(struct web *web, const char *name, const char *certificate_file, const char *key_file,
                            void *user)
{
    struct lws_context_creation_info info = {0};
    info.port = user != NULL ? CONTEXT_PORT_NO_LISTEN_SERVER : CONTEXT_PORT_NO_LISTEN;
    info.vhost_name = name;
    info.protocols = protocols;
    info.user = user;
    info.server_string = "confab";
    info.keepalive_timeout = HTTP_SERVER_TIMEOUT_S;
    info.timeout_secs = HTTP_SERVER_TIMEOUT_S;
    info.timeout_secs_ah_idle = HTTP_SERVER_TIMEOUT_S;
    info.retry_and_idle_policy = &idle_policy;
    info.alpn = "http/1.1";
    info.ssl_cert_filepath = certificate_file;
    info.ssl_private_key_filepath = key_file;
    if (certificate_file != NULL || user == NULL)
        info.options |= LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT;
    return lws_create_vhost(web->context, &info);
}

/* --- what we connect to -------------------------------------------------------------------------------------------------- */

struct lws_vhost *web_client_vhost(struct web *web)
{
    if (web->client == NULL)
        web->client = web_vhost(web, "client", NULL, NULL, NULL);
    return web->client;
}

int web_client_tls(bool verify)
{
    int any =
        LCCSCF_ALLOW_SELFSIGNED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK | LCCSCF_ALLOW_EXPIRED | LCCSCF_ALLOW_INSECURE;
    return LCCSCF_USE_SSL | (verify ? 0 : any);
}

static bool look_up(const char *host, struct address *address, struct error *error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int status = getaddrinfo(host, NULL, &hints, &found);
    *address = (struct address){0};
    for (const struct addrinfo *at = found; at != NULL && address->family != ADDRESS_IPV4; at = at->ai_next) {
        char text[NI_MAXHOST];
        struct address one;
        bool wanted = at->ai_family == AF_INET || (at->ai_family == AF_INET6 && address->family == ADDRESS_NONE);
        if (wanted && getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0 &&
            address_parse(&one, text))
            *address = one;
    }
    if (found != NULL)
        freeaddrinfo(found);
    return address->family != ADDRESS_NONE || error_set(error, ERROR_SYSTEM, "there is no address of %s: %s", host,
                                                        status != 0 ? gai_strerror(status) : "none of IPv4 or IPv6");
}

bool web_resolve(struct web *web, const char *host, uint16_t port, struct address *address, struct error *error)
{
    size_t i = 0;
    if (!address_parse(address, host)) {
        while (i < web->name_count && strcasecmp(web->names[i].host, host) != 0)
            i++;
        if (i == web->name_count) {
            i = i < WEB_NAMES_MAX ? i : 0;
            struct web_name *name = &web->names[i];
            if (!look_up(host, &name->address, error))
                return false;
            snprintf(name->host, sizeof name->host, "%s", host);
            web->name_count += i == web->name_count;
        }
        *address = web->names[i].address;
    }
    address->port = port;
    return true;
}

const char *web_connection_error(const struct web_connection *connection, const char *said, size_t len, char *text,
                                 size_t cap)
{
    static const char by_errno[] = "conn fail: "; /* with the number behind it */
    unsigned status = connection->wsi != NULL ? lws_http_client_http_response(connection->wsi) : 0;
    if (said == NULL)
        len = 0;
    char copy[100];
    snprintf(copy, sizeof copy, "%.*s", (int)strnlen(said != NULL ? said : "", len), said != NULL ? said : "");
    const char *number = strstr(copy, by_errno);
    int code = number != NULL ? atoi(number + sizeof by_errno - 1) : 0;
    if (status >= 100)
        snprintf(text, cap, "status %u", status);
    else if (code > 0)
        snprintf(text, cap, "%s", strerror(code));
    else if (strcmp(copy, "closed before established") == 0 && !connection->greeted)
        snprintf(text, cap, "connection refused");
    else if (strcmp(copy, "read failed") == 0 || strcmp(copy, "closed before established") == 0)
        snprintf(text, cap, "the connection ended without an answer");
    else
        snprintf(text, cap, "%s", copy[0] != '\0' ? copy : "no connection");
    return text;
}

struct web *web_create(struct uv_loop_s *loop, struct world *world, struct error *error)
{
    struct lws_context_creation_info info = {0};
    struct web *web = calloc(1, sizeof *web);
    void *loops[] = {loop};
    if (web == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    web->world = world;
    web->loop = loop;
    lws_set_log_level(0, NULL); /* what matters comes as errors */
    info.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
                   LWS_SERVER_OPTION_VALIDATE_UTF8;
    info.foreign_loops = loops;
    info.pcontext = &web->context;
    info.max_http_header_data = HTTP_HEADERS_MAX_BYTES;
    info.pt_serv_buf_size = 16384;
    info.timeout_secs = HTTP_SERVER_TIMEOUT_S;
    web->context = lws_create_context(&info);
    if (web->context == NULL) {
        error_set(error, ERROR_SYSTEM, "libwebsockets can't start; is its part for libuv installed?");
        free(web);
        return NULL;
    }
    return web;
}

void web_close(struct web *web)
{
    if (web == NULL || web->closing)
        return;
    web->closing = true;
    while (web->servers != NULL)
        http_server_destroy(web->servers);
    if (web->context != NULL)
        lws_context_destroy(web->context);
}

void web_destroy(struct web *web)
{
    if (web == NULL)
        return;
    web_close(web);
    if (web->context != NULL)
        lws_context_destroy(web->context); /* the second half, now that its handles are closed */
    free(web);
}
