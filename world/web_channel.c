#include "world/web_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world/http_server.h"
#include "world/web_internal.h"

struct outgoing {
    struct outgoing *next;
    size_t len;
    uint8_t bytes[]; /* LWS_PRE for libwebsockets' own use, then the text */
};

struct web_channel {
    struct web *web;
    struct web_connection *connection; /* NULL once that is gone */
    const struct web_channel_callbacks *callbacks;
    void *user;
    bool takes_binary;
    bool starting; /* inside web_channel_connect */
    bool open;
    bool released; /* its owner closed it: nothing is called back */
    bool ended;    /* no more is sent or received */
    char reason[128];
    char *incoming; /* of a message in several pieces */
    size_t incoming_len;
    struct outgoing *first, *last;
    size_t queued_bytes;
};

struct web_channel_listener {
    struct web *web;
    struct http_server *server; /* NULL once that is gone */
    bool own;                   /* the server was made for it */
    web_channel_accepted accepted;
    void *user;
};

static void drop_queue(struct web_channel *channel)
{
    while (channel->first != NULL) {
        struct outgoing *next = channel->first->next;
        free(channel->first);
        channel->first = next;
    }
    channel->last = NULL;
    channel->queued_bytes = 0;
    free(channel->incoming);
    channel->incoming = NULL;
    channel->incoming_len = 0;
}

static void destroy(struct web_channel *channel)
{
    drop_queue(channel);
    free(channel);
}

/* The connection is to end; `closed` is called from libwebsockets' own callback, later. */
static void cut_off(struct web_channel *channel, const char *reason)
{
    if (channel->ended)
        return;
    channel->ended = true;
    snprintf(channel->reason, sizeof channel->reason, "%s", reason);
    drop_queue(channel);
    lws_set_timeout(channel->connection->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_ASYNC);
}

/* --- what libwebsockets says ------------------------------------------------------------------------------------------------ */

static int established(struct web_connection *connection)
{
    struct http_server *server = connection->server;
    struct web_channel_listener *listener = http_server_channels(server);
    struct web_channel *channel = listener != NULL ? calloc(1, sizeof *channel) : NULL;
    if (channel == NULL)
        return -1;
    struct web *web = http_server_web(server);
    http_server_let_be(connection);
    http_server_count_channel(server, 1);
    *channel = (struct web_channel){.web = web, .connection = connection, .open = true};
    connection->channel = channel;
    listener->accepted(listener->user, channel, web_now(web));
    return 0;
}

static void opened(struct web_channel *channel)
{
    channel->open = true;
    if (channel->first != NULL)
        lws_callback_on_writable(channel->connection->wsi);
    if (!channel->released && channel->callbacks->opened != NULL)
        channel->callbacks->opened(channel->user, web_now(channel->web));
}

static int refuse_message(struct web_channel *channel, enum lws_close_status status, const char *reason)
{
    snprintf(channel->reason, sizeof channel->reason, "%s", reason);
    channel->ended = true;
    lws_close_reason(channel->connection->wsi, status, (unsigned char *)channel->reason, strlen(channel->reason));
    return -1;
}

static int take_piece(struct web_channel *channel, const char *data, size_t len)
{
    struct lws *wsi = channel->connection->wsi;
    bool last = lws_is_final_fragment(wsi) != 0 && lws_remaining_packet_payload(wsi) == 0;
    if (channel->ended || channel->released)
        return 0;
    if (lws_frame_is_binary(wsi) != 0 && !channel->takes_binary)
        return refuse_message(channel, LWS_CLOSE_STATUS_UNACCEPTABLE_OPCODE, "messages are text");
    if (len > WEB_CHANNEL_MESSAGE_MAX - channel->incoming_len)
        return refuse_message(channel, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "the message is too long");
    if (last && channel->incoming == NULL) {
        if (channel->callbacks != NULL)
            channel->callbacks->received(channel->user, data, len, web_now(channel->web));
        return 0;
    }
    char *grown = realloc(channel->incoming, channel->incoming_len + len + 1);
    if (grown == NULL)
        return refuse_message(channel, LWS_CLOSE_STATUS_UNEXPECTED_CONDITION, "out of memory");
    memcpy(grown + channel->incoming_len, data, len);
    channel->incoming = grown;
    channel->incoming_len += len;
    if (!last)
        return 0;
    size_t whole = channel->incoming_len;
    channel->incoming = NULL;
    channel->incoming_len = 0;
    if (channel->callbacks != NULL)
        channel->callbacks->received(channel->user, grown, whole, web_now(channel->web));
    free(grown);
    return 0;
}

static int write_next(struct web_channel *channel)
{
    struct lws *wsi = channel->connection->wsi;
    struct outgoing *next = channel->first;
    if (next != NULL) {
        channel->first = next->next;
        if (channel->first == NULL)
            channel->last = NULL;
        channel->queued_bytes -= next->len;
        int wrote = lws_write(wsi, next->bytes + LWS_PRE, next->len, LWS_WRITE_TEXT);
        free(next);
        if (wrote < 0)
            return -1;
    }
    if (channel->first != NULL) {
        lws_callback_on_writable(wsi);
    } else if (channel->released) {
        lws_close_reason(wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
        return -1;
    }
    return 0;
}

static void note_reason(struct web_channel *channel, const char *text, size_t len)
{
    if (channel->reason[0] == '\0' && len > 0)
        snprintf(channel->reason, sizeof channel->reason, "%.*s", (int)len, text);
}

/* The connection is gone. */
static void closed(struct web_channel *channel)
{
    struct web_connection *connection = channel->connection;
    const struct web_channel_callbacks *callbacks = channel->callbacks;
    bool silent = channel->released || channel->web->closing ||
                  (connection->server != NULL && http_server_is_closing(connection->server));
    if (connection->server != NULL)
        http_server_count_channel(connection->server, -1);
    connection->channel = NULL;
    channel->connection = NULL;
    channel->ended = true;
    drop_queue(channel);
    if (channel->starting)
        return; /* web_channel_connect says it itself */
    if (silent) {
        destroy(channel);
        return;
    }
    note_reason(channel, "the connection ended", sizeof "the connection ended" - 1);
    if (callbacks != NULL && callbacks->closed != NULL)
        callbacks->closed(channel->user, channel->reason, web_now(channel->web));
}

int web_channel_event(struct web_connection *connection, enum lws_callback_reasons reason, void *in, size_t len)
{
    struct web_channel *channel = connection->channel;
    char text[128];
    if (reason == LWS_CALLBACK_ESTABLISHED)
        return established(connection);
    if (channel == NULL)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        opened(channel);
        return 0;
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return take_piece(channel, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return write_next(channel);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        web_connection_error(connection, in, len, text, sizeof text);
        note_reason(channel, text, strlen(text));
        closed(channel);
        return 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        if (len > 2) /* a status comes first */
            note_reason(channel, (const char *)in + 2, len - 2);
        return 0;
    case LWS_CALLBACK_CLOSED:
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY:
        closed(channel);
        return 0;
    default:
        return 0;
    }
}

/* --- calls ------------------------------------------------------------------------------------------------------------------ */

struct web_channel_listener *web_channel_listen(struct web *web, const struct address *local,
                                                web_channel_accepted accepted, void *user, struct error *error)
{
    struct web_channel_listener *listener = calloc(1, sizeof *listener);
    struct http_server *server = http_server_at(web, local);
    char text[ADDRESS_TEXT_CAP];
    if (listener == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    if (server == NULL) {
        const struct http_server_config config = {.addresses = local, .address_count = 1};
        server = http_server_create(web, &config, error);
        listener->own = true;
    } else if (http_server_channels(server) != NULL) {
        error_set(error, ERROR_SYSTEM, "channels at %s are taken already", address_format(local, text));
        server = NULL;
    }
    if (server == NULL) {
        free(listener);
        return NULL;
    }
    listener->web = web;
    listener->accepted = accepted;
    listener->user = user;
    listener->server = server;
    http_server_set_channels(server, listener);
    return listener;
}

void web_channel_listener_orphan(struct web_channel_listener *listener) { listener->server = NULL; }

void web_channel_listener_close(struct web_channel_listener *listener)
{
    struct http_server *server = listener->server;
    if (server != NULL)
        http_server_set_channels(server, NULL);
    if (server != NULL && listener->own)
        http_server_destroy(server);
    free(listener);
}

struct web_channel *web_channel_connect(struct web *web, const struct web_channel_target *target,
                                        const struct web_channel_callbacks *callbacks, void *user, struct error *error)
{
    char address[ADDRESS_TEXT_CAP];
    char host[ADDRESS_TEXT_CAP];
    struct web_channel *channel = calloc(1, sizeof *channel);
    struct web_connection *connection = calloc(1, sizeof *connection);
    struct lws_vhost *vhost = web_client_vhost(web);
    if (channel == NULL || connection == NULL || vhost == NULL) {
        free(channel);
        free(connection);
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    *channel = (struct web_channel){.web = web, .connection = connection, .callbacks = callbacks, .user = user};
    channel->starting = true;
    channel->takes_binary = target->binary;
    connection->channel = channel;
    address_format_ip(&target->address, address);
    address_format(&target->address, host);
    const struct lws_client_connect_info info = {
        .context = web->context,
        .vhost = vhost,
        .address = address,
        .port = target->address.port,
        .path = target->path != NULL ? target->path : WEB_CHANNEL_PATH,
        .host = target->host != NULL ? target->host : host,
        .protocol = target->subprotocol,
        .local_protocol_name = "confab",
        .ssl_connection = target->tls ? web_client_tls(target->verify) : 0,
        .alpn = "http/1.1",
        .opaque_user_data = connection,
    };
    struct lws *wsi = lws_client_connect_via_info(&info);
    channel->starting = false;
    if (wsi == NULL || channel->connection == NULL) {
        error_set(error, ERROR_SYSTEM, "can't connect to %s: %s", host,
                  channel->reason[0] != '\0' ? channel->reason : "no connection");
        destroy(channel);
        return NULL;
    }
    return channel;
}

void web_channel_adopt(struct web_channel *channel, const struct web_channel_callbacks *callbacks, void *user)
{
    channel->callbacks = callbacks;
    channel->user = user;
}

void web_channel_send(struct web_channel *channel, const char *text, size_t len)
{
    if (channel->ended || channel->released)
        return;
    if (channel->queued_bytes + len > WEB_CHANNEL_QUEUE_MAX) {
        cut_off(channel, "the other side reads too slowly");
        return;
    }
    struct outgoing *outgoing = malloc(sizeof *outgoing + LWS_PRE + len);
    if (outgoing == NULL) {
        cut_off(channel, "out of memory");
        return;
    }
    outgoing->next = NULL;
    outgoing->len = len;
    memcpy(outgoing->bytes + LWS_PRE, text, len);
    if (channel->last != NULL)
        channel->last->next = outgoing;
    else
        channel->first = outgoing;
    channel->last = outgoing;
    channel->queued_bytes += len;
    if (channel->open)
        lws_callback_on_writable(channel->connection->wsi);
}

void web_channel_pause(struct web_channel *channel, bool paused)
{
    if (channel->connection != NULL && !channel->ended)
        lws_rx_flow_control(channel->connection->wsi, paused ? 0 : 1);
}

void web_channel_close(struct web_channel *channel)
{
    if (channel->connection == NULL) {
        destroy(channel);
        return;
    }
    channel->released = true;
    if (channel->ended)
        return; /* on its way out */
    struct lws *wsi = channel->connection->wsi;
    if (channel->open) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_CLOSE_SEND, WEB_CHANNEL_CLOSING_S);
        lws_callback_on_writable(wsi);
    } else {
        cut_off(channel, "closed while connecting");
    }
}
