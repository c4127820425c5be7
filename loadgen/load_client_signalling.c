/* A client's signalling: its WebSocket and its HTTP requests. */
#include "loadgen/load_client_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "world/web.h"
#include "world/web_channel.h"

static bool expand(struct adapter_client *client, struct web_url *url, struct error *error)
{
    const struct load_target_names names = {client->room, client->name, client->profile->number + 1};
    return load_target_expand(&client->common->plan->target, &names, url, error);
}

static void channel_opened(void *user, struct world_channel *channel, nanos now)
{
    struct adapter_client *client = user;
    (void)channel;
    if (!client->failing && client->adapter->opened != NULL)
        client->adapter->opened(client->session, now);
}

static void channel_received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct adapter_client *client = user;
    (void)channel;
    if (!client->failing && client->adapter->message != NULL)
        client->adapter->message(client->session, text, len, now);
}

static void channel_closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    struct adapter_client *client = user;
    client->channel = NULL;
    if (client->failing || client->adapter->closed == NULL || !client->adapter->closed(client->session, reason, now))
        adapter_fail(client, failure_of_reason(reason, FAILURE_CLOSED), "signalling: %s", reason);
    world_channel_close(channel); /* last: the reason is the channel's */
}

bool adapter_connect(struct adapter_client *client, const char *url, struct error *error)
{
    static const struct world_channel_callbacks callbacks = {channel_opened, channel_received, channel_closed};
    struct web_url read;
    char authority[WEB_HOST_CAP + 8];
    if (url != NULL ? !web_url_parse(&read, url, error) : !expand(client, &read, error))
        return false;
    struct web_channel_target target = {
        .host = web_url_authority(&read, authority),
        .path = read.path,
        .subprotocol = client->adapter->subprotocol,
        .tls = read.tls,
        .binary = client->adapter->binary,
        .verify = client->common->plan->verify,
    };
    if (client->channel != NULL)
        return error_set(error, ERROR_USAGE, "the client has its WebSocket already");
    if (!web_resolve(client->common->web, read.host, read.port, &target.address, error))
        return false;
    client->channel = live_channel_open(client->host, &target, &callbacks, client, error);
    return client->channel != NULL;
}

void adapter_send(struct adapter_client *client, const char *text, size_t len)
{
    if (client->channel != NULL)
        world_channel_send(client->channel, text, len);
}

void adapter_send_json(struct adapter_client *client, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text != NULL)
        adapter_send(client, text, strlen(text));
    else
        adapter_fail(client, FAILURE_LOCAL, "a message could not be made");
    free(text);
    json_decref(json);
}

/* What a server says with a status, on one line. */
static void first_line(char *out, size_t cap, const char *text)
{
    size_t len = 0;
    for (; *text != '\0' && *text != '\n' && len + 1 < cap; text++)
        out[len++] = isprint((unsigned char)*text) ? *text : ' ';
    out[len] = '\0';
}

static void on_answer(void *user, const struct http_fetch_response *response, const char *reason, nanos now)
{
    struct client_request *request = user;
    struct adapter_client *client = request->client;
    char said[90];
    if (client == NULL) {
        DL_DELETE(request->common->orphans, request);
        free(request);
        return;
    }
    DL_DELETE(client->requests, request);
    if (response == NULL) {
        adapter_fail(client, failure_of_reason(reason, FAILURE_BAD_ANSWER), "%s", reason);
    } else if (response->status >= 400 && !request->any_status) {
        first_line(said, sizeof said, response->body);
        adapter_fail(client, failure_of_status(response->status), "status %d%s%s", response->status,
                     said[0] != '\0' ? ": " : "", said);
    } else if (request->answered != NULL && !client->failing) {
        request->answered(client->session, response, now);
    }
    free(request);
}

void adapter_http(struct adapter_client *client, const struct http_fetch_request *given, bool any_status,
                  adapter_answered answered)
{
    struct error error;
    struct web_url url;
    char text[WEB_URL_CAP];
    struct http_fetch_request fetch = *given;
    struct client_request *request = calloc(1, sizeof *request);
    fetch.verify = client->common->plan->verify;
    fetch.hold = live_host_request_delay(client->host);
    if (fetch.url == NULL && expand(client, &url, &error))
        fetch.url = web_url_format(&url, text);
    if (request != NULL && fetch.url != NULL) {
        *request = (struct client_request){
            .common = client->common, .client = client, .answered = answered, .any_status = any_status};
        request->fetch = http_fetch(client->common->web, &fetch, on_answer, request, &error);
    }
    if (request == NULL || request->fetch == NULL) {
        adapter_fail(client, request != NULL ? failure_of_reason(error.text, FAILURE_LOCAL) : FAILURE_LOCAL, "%s",
                     request != NULL ? error.text : "out of memory");
        free(request);
        return;
    }
    DL_APPEND(client->requests, request);
}

json_t *adapter_read_json(struct adapter_client *client, const char *text, size_t len)
{
    json_error_t error;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(json))
        return json;
    adapter_fail(client, FAILURE_BAD_ANSWER, "what the server said is no JSON object: %.80s",
                 json == NULL ? error.text : "it is something else");
    json_decref(json);
    return NULL;
}
