/* OpenVidu 2, by the protocol of its server and of openvidu-browser 2.32: REST for a session and a token, then JSON-RPC 2.0
 * over WebSocket. Never run against a real one.
 *
 *     POST /openvidu/api/sessions {customSessionId}                 409: there is one
 *     POST /openvidu/api/sessions/ID/connection {role}              token
 *     joinRoom {token, session …}                                   id, value: who is there, with their streams
 *     publishVideo {sdpOffer …}                                     sdpAnswer
 *     prepareReceiveVideoFrom {sender}                              sdpOffer
 *     receiveVideoFrom {sender, sdpAnswer}
 *                                                                   participantPublished, participantLeft, iceCandidate
 *     ping each 5 s; leaveRoom
 *
 * Each stream has a connection of its own. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/adapter.h"
#include "loadgen/adapters/ice_servers.h"

enum { ID_CAP = 128, TOKEN_CAP = 512, STREAMS_MAX = 1000, SECRET_CAP = 256, PING_S = 5 };

/* What a request is for: its id is its place × 16 + this. */
enum request { REQUEST_JOIN, REQUEST_PUBLISH, REQUEST_PREPARE, REQUEST_RECEIVE, REQUEST_OTHER, REQUEST_KINDS = 16 };

/* Somebody's stream that we receive. */
struct stream {
    char id[ID_CAP], owner[ID_CAP];
    json_int_t asked; /* its prepareReceiveVideoFrom */
    struct call *call;
};

struct adapter_session {
    struct adapter_client *client;
    struct world_timer *timer;
    char id[ID_CAP]; /* of our connection */
    char token[TOKEN_CAP];
    json_t *ice_servers;
    struct call *sending;
    struct stream *streams;
    size_t stream_count;
    json_int_t requests;
    bool joined;
};

static bool sends(const struct adapter_session *session)
{
    const struct media_plan *plan = adapter_plan(session->client);
    return plan->audio || plan->video || plan->screen;
}

/* --- JSON-RPC --------------------------------------------------------------------------------------------------------------- */

/* Takes the reference of `parameters`; returns the request's id. */
static json_int_t ask(struct adapter_session *session, enum request request, const char *method, json_t *parameters)
{
    json_int_t id = ++session->requests * REQUEST_KINDS + request;
    adapter_send_json(session->client,
                      json_pack("{ss sI ss so}", "jsonrpc", "2.0", "id", id, "method", method, "params", parameters));
    return id;
}

static void ping(struct adapter_session *session, nanos now)
{
    ask(session, REQUEST_OTHER, "ping", json_pack("{si}", "interval", PING_S * 1000));
    world_timer_set(session->timer, now + PING_S * NANOS_PER_S);
}

/* --- streams ------------------------------------------------------------------------------------------------------------------ */

static struct call *open_call(struct adapter_session *session, bool offers)
{
    struct room_ice_server servers[ROOM_ICE_SERVERS_MAX];
    struct adapter_call_config config = {
        .offers = offers, .sends = offers, .no_simulcast = true, .ice_servers = servers};
    config.ice_server_count = ice_servers_read(session->ice_servers, servers);
    return adapter_open_call(session->client, &config);
}

static void take_stream(struct adapter_session *session, const char *owner, const char *id)
{
    struct stream *streams = session->stream_count < STREAMS_MAX
                                 ? realloc(session->streams, (session->stream_count + 1) * sizeof *streams)
                                 : NULL;
    if (streams != NULL)
        session->streams = streams;
    if (streams == NULL || strlen(owner) >= ID_CAP || strlen(id) >= ID_CAP) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "OpenVidu names too many streams, or too long a one");
        return;
    }
    struct stream *stream = &streams[session->stream_count++];
    *stream = (struct stream){.call = NULL};
    memcpy(stream->id, id, strlen(id) + 1);
    memcpy(stream->owner, owner, strlen(owner) + 1);
    stream->asked = ask(session, REQUEST_PREPARE, "prepareReceiveVideoFrom",
                        json_pack("{ss sb}", "sender", id, "reconnect", false));
}

/* {id, streams: [{id}]} of somebody. */
static void take_participant(struct adapter_session *session, const json_t *participant)
{
    const char *owner = json_string_value(json_object_get(participant, "id"));
    const json_t *one;
    size_t i;
    if (owner == NULL || strcmp(owner, session->id) == 0)
        return;
    json_array_foreach(json_object_get(participant, "streams"), i, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));
        if (id != NULL)
            take_stream(session, owner, id);
    }
}

static void drop_streams(struct adapter_session *session, const char *owner)
{
    for (size_t i = session->stream_count; owner != NULL && i-- > 0;) {
        struct stream *stream = &session->streams[i];
        if (strcmp(stream->owner, owner) != 0)
            continue;
        if (stream->call != NULL)
            adapter_close_call(session->client, stream->call);
        *stream = session->streams[--session->stream_count];
    }
}

static void take_candidate(struct adapter_session *session, const json_t *parameters)
{
    const char *owner = json_string_value(json_object_get(parameters, "senderConnectionId"));
    const char *candidate = json_string_value(json_object_get(parameters, "candidate"));
    if (owner == NULL || candidate == NULL)
        return;
    if (strcmp(owner, session->id) == 0 && session->sending != NULL)
        adapter_take_candidate(session->client, session->sending, candidate);
    for (size_t i = 0; i < session->stream_count; i++) {
        if (session->streams[i].call != NULL && strcmp(session->streams[i].owner, owner) == 0)
            adapter_take_candidate(session->client, session->streams[i].call, candidate);
    }
}

/* --- what we are told ----------------------------------------------------------------------------------------------------------- */

static void take_join(struct adapter_session *session, const json_t *result)
{
    const char *id = json_string_value(json_object_get(result, "id"));
    const json_t *one;
    size_t i;
    if (id == NULL || strlen(id) >= ID_CAP || session->joined) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "joinRoom was answered without an id");
        return;
    }
    session->joined = true;
    memcpy(session->id, id, strlen(id) + 1);
    session->ice_servers = json_incref(json_object_get(result, "customIceServers"));
    json_array_foreach(json_object_get(result, "value"), i, one) { take_participant(session, one); }
    if (sends(session))
        session->sending = open_call(session, true);
    else
        adapter_signalled(session->client);
}

static void take_result(struct adapter_session *session, json_int_t id, const json_t *result)
{
    const char *answer = json_string_value(json_object_get(result, "sdpAnswer"));
    const char *offer = json_string_value(json_object_get(result, "sdpOffer"));
    switch ((enum request)(id & (REQUEST_KINDS - 1))) {
    case REQUEST_JOIN:
        take_join(session, result);
        break;
    case REQUEST_PUBLISH:
        if (answer != NULL && session->sending != NULL &&
            adapter_take_description(session->client, session->sending, false, answer))
            adapter_signalled(session->client);
        break;
    case REQUEST_PREPARE:
        for (size_t i = 0; i < session->stream_count && offer != NULL; i++) {
            struct stream *stream = &session->streams[i];
            if (stream->asked != id || stream->call != NULL)
                continue;
            stream->call = open_call(session, false);
            if (stream->call != NULL)
                adapter_take_description(session->client, stream->call, true, offer);
        }
        break;
    default:
        break;
    }
}

static void take_error(struct adapter_session *session, json_int_t id, const json_t *error)
{
    const char *text = json_string_value(json_object_get(error, "message"));
    if ((id & (REQUEST_KINDS - 1)) != REQUEST_OTHER)
        adapter_fail(session->client, FAILURE_REJECTED, "OpenVidu refuses (%lld): %.100s",
                     (long long)json_integer_value(json_object_get(error, "code")), text != NULL ? text : "");
}

static void message(struct adapter_session *session, const char *text, size_t len, nanos now)
{
    (void)now;
    json_t *json = adapter_read_json(session->client, text, len);
    if (json == NULL)
        return;
    const char *method = json_string_value(json_object_get(json, "method"));
    const json_t *parameters = json_object_get(json, "params"), *error = json_object_get(json, "error");
    json_int_t id = json_integer_value(json_object_get(json, "id"));
    if (method == NULL && error != NULL)
        take_error(session, id, error);
    else if (method == NULL)
        take_result(session, id, json_object_get(json, "result"));
    else if (strcmp(method, "participantPublished") == 0)
        take_participant(session, parameters);
    else if (strcmp(method, "participantLeft") == 0 || strcmp(method, "participantUnpublished") == 0)
        drop_streams(session, json_string_value(json_object_get(parameters, "connectionId")));
    else if (strcmp(method, "iceCandidate") == 0)
        take_candidate(session, parameters);
    else if (strcmp(method, "participantEvicted") == 0)
        adapter_fail(session->client, FAILURE_CLOSED, "OpenVidu has evicted the participant");
    json_decref(json);
}

/* --- the REST interface ------------------------------------------------------------------------------------------------------- */

/* Takes the reference of `body`. */
static void post(struct adapter_session *session, const char *path, json_t *body, adapter_answered answered)
{
    char secret[SECRET_CAP], pair[SECRET_CAP + 16], header[2 * sizeof pair], url[WEB_URL_CAP];
    struct web_url target = adapter_target(session->client)->url;
    web_url_query(&target, "secret", secret, sizeof secret);
    int len = snprintf(pair, sizeof pair, "OPENVIDUAPP:%s", secret);
    snprintf(header, sizeof header, "Basic ");
    EVP_EncodeBlock((unsigned char *)header + strlen(header), (const unsigned char *)pair, len);
    snprintf(target.path, sizeof target.path, "/openvidu/api/sessions%s", path);
    target.websocket = false;
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    if (text == NULL) {
        adapter_fail(session->client, FAILURE_LOCAL, "a request could not be made");
        return;
    }
    adapter_http(session->client,
                 &(struct http_fetch_request){.method = HTTP_POST,
                                              .url = web_url_format(&target, url),
                                              .headers = {{"Authorization", header}},
                                              .header_count = 1,
                                              .content_type = "application/json",
                                              .body = text,
                                              .body_len = strlen(text)},
                 true, answered);
    free(text);
}

static bool is_good(struct adapter_session *session, const struct http_fetch_response *response, int also)
{
    if (response->status < 400 || response->status == also)
        return true;
    adapter_fail(session->client, failure_of_status(response->status), "status %d: %.80s", response->status,
                 response->body);
    return false;
}

static void connected(struct adapter_session *session, const struct http_fetch_response *response, nanos now)
{
    char url[WEB_URL_CAP];
    struct error error;
    struct web_url target = adapter_target(session->client)->url;
    (void)now;
    json_t *json =
        is_good(session, response, 0) ? adapter_read_json(session->client, response->body, response->body_len) : NULL;
    const char *token = json_string_value(json_object_get(json, "token"));
    if (json != NULL && (token == NULL || strlen(token) >= TOKEN_CAP))
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "OpenVidu gave no token");
    else if (json != NULL) {
        memcpy(session->token, token, strlen(token) + 1);
        target.websocket = true;
        snprintf(target.path, sizeof target.path, "/openvidu?sessionId=%s", adapter_room(session->client));
        if (!adapter_connect(session->client, web_url_format(&target, url), &error))
            adapter_fail(session->client, FAILURE_LOCAL, "%.100s", error.text);
    }
    json_decref(json);
}

static void made(struct adapter_session *session, const struct http_fetch_response *response, nanos now)
{
    char path[ID_CAP + 16];
    (void)now;
    if (!is_good(session, response, 409)) /* there is one of that name */
        return;
    snprintf(path, sizeof path, "/%.100s/connection", adapter_room(session->client));
    post(session, path, json_pack("{ss ss}", "type", "WEBRTC", "role", sends(session) ? "PUBLISHER" : "SUBSCRIBER"),
         connected);
}

/* --- the interface -------------------------------------------------------------------------------------------------------------- */

static bool check(const struct load_target *target, struct error *error)
{
    char secret[SECRET_CAP];
    return web_url_query(&target->url, "secret", secret, sizeof secret) ||
           error_set(error, ERROR_USAGE, "OpenVidu 2 wants ?secret=… in the URL");
}

static void fire(void *user, nanos now) { ping(user, now); }

static void destroy(struct adapter_session *session)
{
    if (session->timer != NULL)
        world_timer_close(session->timer);
    json_decref(session->ice_servers);
    free(session->streams);
    free(session);
}

static struct adapter_session *create(struct adapter_client *client, struct error *error)
{
    struct adapter_session *session = calloc(1, sizeof *session);
    if (session != NULL)
        session->timer = world_timer_open(adapter_host(client), fire, session);
    if (session == NULL || session->timer == NULL) {
        free(session);
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    session->client = client;
    post(session, "", json_pack("{ss}", "customSessionId", adapter_room(client)), made);
    return session;
}

static void opened(struct adapter_session *session, nanos now)
{
    char metadata[ID_CAP];
    ping(session, now);
    snprintf(metadata, sizeof metadata, "{\"clientData\":\"%.100s\"}", adapter_name(session->client));
    ask(session, REQUEST_JOIN, "joinRoom",
        json_pack("{ss ss ss ss ss ss sb}", "token", session->token, "session", adapter_room(session->client),
                  "platform", "confab", "sdkVersion", "2.32.1", "metadata", metadata, "secret", "", "recorder", false));
}

static void described(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now)
{
    const struct media_plan *plan = adapter_plan(session->client);
    char size[64];
    (void)now;
    if (offer) {
        int height = plan->layer_count > 0 ? plan->layers[plan->layer_count - 1].height : 0;
        snprintf(size, sizeof size, "{\"width\":%d,\"height\":%d}", height * 16 / 9, height);
        ask(session, REQUEST_PUBLISH, "publishVideo",
            json_pack("{ss sb sb sb sb sb ss si ss}", "sdpOffer", sdp, "doLoopback", false, "hasAudio", plan->audio,
                      "hasVideo", plan->video, "audioActive", plan->audio, "videoActive", plan->video, "typeOfVideo",
                      "CAMERA", "frameRate", 30, "videoDimensions", size));
        return;
    }
    for (size_t i = 0; i < session->stream_count; i++) {
        if (session->streams[i].call == call)
            ask(session, REQUEST_RECEIVE, "receiveVideoFrom",
                json_pack("{ss ss}", "sender", session->streams[i].id, "sdpAnswer", sdp));
    }
}

static void leave(struct adapter_session *session, nanos now)
{
    (void)now;
    if (session->joined)
        ask(session, REQUEST_OTHER, "leaveRoom", json_object());
}

const struct adapter adapter_openvidu2 = {
    .scheme = "openvidu2",
    .form = "openvidu2+https://HOST:4443/?secret=SECRET",
    .summary = "OpenVidu 2, by its JSON-RPC over WebSocket",
    .http = true,
    .unverified = true,
    .pattern = ADAPTER_ROOM,
    .check = check,
    .create = create,
    .opened = opened,
    .message = message,
    .described = described,
    .leave = leave,
    .destroy = destroy,
};
