/* Galene's protocol, version 2 (galene-protocol.md in its repository).
 *
 *     GET <the group's location>/.status                            its WebSocket, its name
 *     handshake, join                                               joined: permissions, ICE servers
 *     request audio and video of everyone
 *     offer of the stream that we send                              answer, ice
 *                                                                   offer of each stream that others send, ice
 *     answer                                                        close
 *
 * Each stream has a connection of its own, and its sender offers it. */
#include <stdlib.h>
#include <string.h>

#include "loadgen/adapter.h"
#include "loadgen/adapters/ice_servers.h"

enum { ID_CAP = 128, STREAMS_MAX = 2048, OPTION_CAP = 256 };

/* Somebody's stream that we receive. */
struct stream {
    char id[ID_CAP];
    struct call *call;
    enum adapter_layer layer; /* that we asked for */
};

struct adapter_session {
    struct adapter_client *client;
    char id[ID_CAP]; /* our own, and that of the stream we send */
    char group[ID_CAP];
    json_t *ice_servers;
    struct call *sending;
    struct stream *streams;
    size_t stream_count;
    bool joined;
};

/* --- streams ---------------------------------------------------------------------------------------------------------------- */

static struct stream *stream_of_id(const struct adapter_session *session, const char *id)
{
    for (size_t i = 0; id != NULL && i < session->stream_count; i++) {
        if (strcmp(session->streams[i].id, id) == 0)
            return &session->streams[i];
    }
    return NULL;
}

static struct stream *add_stream(struct adapter_session *session, const char *id, struct call *call)
{
    struct stream *streams = session->stream_count < STREAMS_MAX
                                 ? realloc(session->streams, (session->stream_count + 1) * sizeof *streams)
                                 : NULL;
    if (streams == NULL || strlen(id) >= ID_CAP)
        return NULL;
    session->streams = streams;
    streams[session->stream_count] = (struct stream){.call = call, .layer = LAYER_HIGH};
    memcpy(streams[session->stream_count].id, id, strlen(id) + 1);
    return &streams[session->stream_count++];
}

static void close_stream(struct adapter_session *session, const char *id)
{
    struct stream *stream = stream_of_id(session, id);
    if (stream == NULL)
        return;
    adapter_close_call(session->client, stream->call);
    *stream = session->streams[--session->stream_count];
}

static struct call *open_call(struct adapter_session *session, bool sends)
{
    struct room_ice_server servers[ROOM_ICE_SERVERS_MAX];
    /* Of several encodings Galene takes the one whose packets come first for the highest: one it is. */
    struct adapter_call_config config = {.offers = sends, .sends = sends, .no_simulcast = true, .ice_servers = servers};
    config.ice_server_count = ice_servers_read(session->ice_servers, servers);
    return adapter_open_call(session->client, &config);
}

static struct call *call_of_id(const struct adapter_session *session, const char *id)
{
    const struct stream *stream = stream_of_id(session, id);
    return stream != NULL ? stream->call : id != NULL && strcmp(id, session->id) == 0 ? session->sending : NULL;
}

/* --- what we say -------------------------------------------------------------------------------------------------------------- */

static void put_option(const struct adapter_session *session, json_t *json, const char *option)
{
    char value[OPTION_CAP];
    if (web_url_query(&adapter_target(session->client)->url, option, value, sizeof value))
        json_object_set_new(json, option, json_string(value));
}

static void join(struct adapter_session *session)
{
    adapter_send_json(session->client,
                      json_pack("{ss s[s] ss}", "type", "handshake", "version", "2", "id", session->id));
    json_t *request = json_pack("{ss ss ss}", "type", "join", "kind", "join", "group", session->group);
    if (adapter_token(session->client) != NULL) {
        json_object_set_new(request, "token", json_string(adapter_token(session->client)));
    } else {
        json_object_set_new(request, "username", json_string(adapter_name(session->client)));
        json_object_set_new(request, "password", json_string(""));
        put_option(session, request, "username");
        put_option(session, request, "password");
    }
    adapter_send_json(session->client, request);
}

static void ask_layers(struct adapter_session *session)
{
    for (size_t i = 0; i < session->stream_count; i++) {
        struct stream *stream = &session->streams[i];
        enum adapter_layer layer = adapter_wanted_layer(session->client, (uint32_t)i);
        if (layer == stream->layer)
            continue;
        stream->layer = layer;
        json_t *wanted = json_pack("[s]", "audio");
        if (layer != LAYER_NONE)
            json_array_append_new(wanted, json_string(layer == LAYER_LOW ? "video-low" : "video"));
        adapter_send_json(session->client,
                          json_pack("{ss ss so}", "type", "requestStream", "id", stream->id, "request", wanted));
    }
}

/* --- what we are told --------------------------------------------------------------------------------------------------------- */

static const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}

static void refused(struct adapter_session *session, const json_t *json)
{
    const char *why = text_of(json, "value");
    why = why != NULL ? why : "no reason given";
    enum failure failure = strstr(why, "too many users") != NULL   ? FAILURE_FULL
                           : strstr(why, "not authorised") != NULL ? FAILURE_UNAUTHORIZED
                           : strstr(why, "does not exist") != NULL ? FAILURE_NOT_FOUND
                           : strstr(why, "internal") != NULL       ? FAILURE_SERVER
                                                                   : FAILURE_REJECTED;
    adapter_fail(session->client, failure, "Galene refuses: %.200s", why);
}

static bool may_present(const json_t *joined)
{
    const json_t *permissions = json_object_get(joined, "permissions"), *permission;
    size_t i;
    json_array_foreach(permissions, i, permission)
    {
        if (json_string_value(permission) != NULL && strcmp(json_string_value(permission), "present") == 0)
            return true;
    }
    return false;
}

static void take_joined(struct adapter_session *session, const json_t *json)
{
    const struct media_plan *plan = adapter_plan(session->client);
    const char *kind = text_of(json, "kind");
    bool sends = plan->audio || plan->video || plan->screen;
    if (kind == NULL || strcmp(kind, "fail") == 0 || strcmp(kind, "redirect") == 0) {
        refused(session, json);
    } else if (strcmp(kind, "leave") == 0) {
        adapter_fail(session->client, FAILURE_CLOSED, "Galene put us out of the group");
    } else if (strcmp(kind, "join") == 0 && !session->joined) {
        session->joined = true;
        session->ice_servers = json_incref(json_object_get(json_object_get(json, "rtcConfiguration"), "iceServers"));
        if (sends && !may_present(json)) {
            adapter_fail(session->client, FAILURE_UNAUTHORIZED, "Galene does not let us present in this group");
            return;
        }
        adapter_send_json(session->client,
                          json_pack("{ss s{s[ss]}}", "type", "request", "request", "", "audio", "video"));
        if (sends)
            session->sending = open_call(session, true);
        else
            adapter_signalled(session->client);
    }
}

static void take_offer(struct adapter_session *session, const json_t *json)
{
    const char *id = text_of(json, "id"), *sdp = text_of(json, "sdp");
    if (id == NULL || sdp == NULL || !session->joined)
        return;
    close_stream(session, text_of(json, "replace"));
    struct stream *stream = stream_of_id(session, id);
    if (stream == NULL) {
        struct call *call = open_call(session, false);
        stream = call != NULL ? add_stream(session, id, call) : NULL;
        if (call != NULL && stream == NULL)
            adapter_fail(session->client, FAILURE_LOCAL, "more than %d streams, or memory is short", STREAMS_MAX);
    }
    if (stream != NULL)
        adapter_take_description(session->client, stream->call, true, sdp);
}

static void take_answer(struct adapter_session *session, const json_t *json)
{
    const char *id = text_of(json, "id"), *sdp = text_of(json, "sdp");
    if (id != NULL && sdp != NULL && session->sending != NULL && strcmp(id, session->id) == 0 &&
        adapter_take_description(session->client, session->sending, false, sdp))
        adapter_signalled(session->client);
}

static void take_candidate(struct adapter_session *session, const json_t *json)
{
    struct call *call = call_of_id(session, text_of(json, "id"));
    const char *candidate = text_of(json_object_get(json, "candidate"), "candidate");
    if (call != NULL && candidate != NULL)
        adapter_take_candidate(session->client, call, candidate);
}

/* Our stream isn't wanted; why is said in a message of its own. */
static void take_abort(struct adapter_session *session, const json_t *json)
{
    const char *id = text_of(json, "id");
    if (id != NULL && strcmp(id, session->id) == 0)
        adapter_fail(session->client, FAILURE_REJECTED, "Galene does not take our stream");
}

static void message(struct adapter_session *session, const char *text, size_t len, nanos now)
{
    (void)now;
    json_t *json = adapter_read_json(session->client, text, len);
    if (json == NULL)
        return;
    const char *type = text_of(json, "type"), *kind = text_of(json, "kind");
    if (type == NULL)
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "Galene sent a message without a type");
    else if (strcmp(type, "joined") == 0)
        take_joined(session, json);
    else if (strcmp(type, "offer") == 0)
        take_offer(session, json);
    else if (strcmp(type, "answer") == 0)
        take_answer(session, json);
    else if (strcmp(type, "ice") == 0)
        take_candidate(session, json);
    else if (strcmp(type, "close") == 0)
        close_stream(session, text_of(json, "id"));
    else if (strcmp(type, "abort") == 0)
        take_abort(session, json);
    else if (strcmp(type, "ping") == 0)
        adapter_send_json(session->client, json_pack("{ss}", "type", "pong"));
    else if (strcmp(type, "usermessage") == 0 && kind != NULL && strcmp(kind, "error") == 0)
        refused(session, json);
    json_decref(json);
}

/* The group's status: where to connect to, and what it is called there. */
static void found_group(struct adapter_session *session, const struct http_fetch_response *response, nanos now)
{
    struct error error;
    (void)now;
    json_t *status = adapter_read_json(session->client, response->body, response->body_len);
    const char *endpoint = text_of(status, "endpoint"), *name = text_of(status, "name");
    if (status == NULL)
        return;
    if (endpoint == NULL || name == NULL || strlen(name) >= sizeof session->group) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "the group's status names no endpoint and group");
    } else {
        memcpy(session->group, name, strlen(name) + 1);
        if (!adapter_connect(session->client, endpoint, &error))
            adapter_fail(session->client, FAILURE_BAD_ANSWER, "the group's endpoint: %.200s", error.text);
    }
    json_decref(status);
}

/* --- the interface ------------------------------------------------------------------------------------------------------------- */

/* The group's location: the URL's path, or /group/ROOM/ when there is none. */
static bool status_url(const struct adapter_client *client, char text[WEB_URL_CAP], struct error *error)
{
    struct load_target target = *adapter_target(client);
    struct load_target_names names = {.room = adapter_room(client),
                                      .name = adapter_name(client),
                                      .number = (unsigned)adapter_room_number(client) + 1};
    struct web_url url;
    static const char rooms[] = "/group/{room}", file[] = "/.status";
    size_t len = strcspn(target.url.path, "?");
    if (len <= 1) {
        memcpy(target.url.path, rooms, sizeof rooms);
        len = sizeof rooms - 1;
    }
    while (target.url.path[len - 1] == '/')
        len--;
    if (len + sizeof file > sizeof target.url.path)
        return error_set(error, ERROR_USAGE, "the URL is too long");
    memcpy(target.url.path + len, file, sizeof file);
    target.url.websocket = false;
    if (!load_target_expand(&target, &names, &url, error))
        return false;
    web_url_format(&url, text);
    return true;
}

static void destroy(struct adapter_session *session)
{
    json_decref(session->ice_servers);
    free(session->streams);
    free(session);
}

static struct adapter_session *create(struct adapter_client *client, struct error *error)
{
    char url[WEB_URL_CAP];
    struct adapter_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    session->client = client;
    snprintf(session->id, sizeof session->id, "%.64s-%016llx", adapter_name(client),
             (unsigned long long)adapter_seed(client));
    if (!status_url(client, url, error)) {
        destroy(session);
        return NULL;
    }
    adapter_http(client, &(struct http_fetch_request){.method = HTTP_GET, .url = url}, false, found_group);
    return session;
}

static void opened(struct adapter_session *session, nanos now)
{
    (void)now;
    join(session);
}

static void described(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now)
{
    (void)now;
    if (offer) {
        adapter_send_json(session->client, json_pack("{ss ss ss ss ss}", "type", "offer", "id", session->id, "label",
                                                     "camera", "source", session->id, "sdp", sdp));
        return;
    }
    for (size_t i = 0; i < session->stream_count; i++) {
        if (session->streams[i].call == call)
            adapter_send_json(session->client,
                              json_pack("{ss ss ss}", "type", "answer", "id", session->streams[i].id, "sdp", sdp));
    }
    ask_layers(session);
}

static void layout(struct adapter_session *session, nanos now)
{
    (void)now;
    ask_layers(session);
}

/* The end of the WebSocket says the rest. (A `join` of kind `leave` would, too, but Galene as of July 2026 falls over when
 * something for the group is still on its way to one that has left.) */
static void leave(struct adapter_session *session, nanos now)
{
    (void)now;
    if (session->sending != NULL)
        adapter_send_json(session->client, json_pack("{ss ss}", "type", "close", "id", session->id));
}

const struct adapter adapter_galene = {
    .scheme = "galene",
    .form = "galene+ws(s)://HOST:8443/group/{room}/",
    .summary = "Galene; the groups must exist, {room} stands for the room's name (?username=, ?password=)",
    .websocket = true,
    .pattern = ADAPTER_ROOM,
    .create = create,
    .opened = opened,
    .message = message,
    .described = described,
    .layout = layout,
    .leave = leave,
    .destroy = destroy,
};
