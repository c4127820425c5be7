/* LiveKit's signalling with one peer connection for each participant (/rtc/v1), and so OpenVidu 3's.
 *
 *     WebSocket, with a token and a join request in its URL        join: who is there, ICE servers
 *     addTrack for each track, then our offer                      answer, trickle
 *         mediaSectionsRequirement: so many more to receive
 *     our offer with those sections                                answer
 *     pingReq every few seconds
 *
 * Messages are protobuf's SignalRequest and SignalResponse (livekit_rtc.proto). We send JSON, and the server then answers
 * in JSON; what it sends before it has heard us is binary. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "loadgen/adapter.h"
#include "loadgen/adapters/ice_servers.h"
#include "loadgen/json_web_token.h"
#include "loadgen/protobuf.h"
#include "rtc/session_description.h"

enum {
    KEY_CAP = 256,
    PING_S = 5, /* when the server names no other interval */
    TOKEN_LIFE_S = 6 * 60 * 60,
    SID_CAP = 64,
    VIDEOS_MAX = 4096,
    SECTIONS_MAX = 1024,
};

/* --- messages before JSON -------------------------------------------------------------------------------------------------- */

static const char *const track_types[] = {"AUDIO", "VIDEO", "DATA", NULL};
static const char *const participant_states[] = {"JOINING", "JOINED", "ACTIVE", "DISCONNECTED", NULL};
static const char *const leave_reasons[] = {"UNKNOWN_REASON",  "CLIENT_INITIATED",    "DUPLICATE_IDENTITY",
                                            "SERVER_SHUTDOWN", "PARTICIPANT_REMOVED", "ROOM_DELETED",
                                            "STATE_MISMATCH",  "JOIN_FAILURE",        "MIGRATION",
                                            "SIGNAL_CLOSE",    "ROOM_CLOSED",         NULL};
static const char *const request_reasons[] = {"OK", "NOT_FOUND", "NOT_ALLOWED", "LIMIT_EXCEEDED", "QUEUED", NULL};

static const struct protobuf_field track_fields[] = {
    {.number = 1, .name = "sid"}, {.number = 2, .name = "type", .kind = PROTOBUF_ENUM, .names = track_types}, {0}};
static const struct protobuf_field participant_fields[] = {
    {.number = 1, .name = "sid"},
    {.number = 3, .name = "state", .kind = PROTOBUF_ENUM, .names = participant_states},
    {.number = 4, .name = "tracks", .kind = PROTOBUF_MESSAGE, .repeated = true, .message = track_fields},
    {0}};
static const struct protobuf_field ice_server_fields[] = {{.number = 1, .name = "urls", .repeated = true},
                                                          {.number = 2, .name = "username"},
                                                          {.number = 3, .name = "credential"},
                                                          {0}};
static const struct protobuf_field join_fields[] = {
    {.number = 2, .name = "participant", .kind = PROTOBUF_MESSAGE, .message = participant_fields},
    {.number = 3,
     .name = "otherParticipants",
     .kind = PROTOBUF_MESSAGE,
     .repeated = true,
     .message = participant_fields},
    {.number = 5, .name = "iceServers", .kind = PROTOBUF_MESSAGE, .repeated = true, .message = ice_server_fields},
    {.number = 11, .name = "pingInterval", .kind = PROTOBUF_INTEGER},
    {0}};
static const struct protobuf_field description_fields[] = {
    {.number = 1, .name = "type"}, {.number = 2, .name = "sdp"}, {0}};
static const struct protobuf_field trickle_fields[] = {
    {.number = 1, .name = "candidateInit"}, {.number = 3, .name = "final", .kind = PROTOBUF_BOOLEAN}, {0}};
static const struct protobuf_field update_fields[] = {
    {.number = 1, .name = "participants", .kind = PROTOBUF_MESSAGE, .repeated = true, .message = participant_fields},
    {0}};
static const struct protobuf_field leave_fields[] = {
    {.number = 2, .name = "reason", .kind = PROTOBUF_ENUM, .names = leave_reasons}, {0}};
static const struct protobuf_field request_fields[] = {
    {.number = 2, .name = "reason", .kind = PROTOBUF_ENUM, .names = request_reasons},
    {.number = 3, .name = "message"},
    {0}};
static const struct protobuf_field sections_fields[] = {{.number = 1, .name = "numAudios", .kind = PROTOBUF_INTEGER},
                                                        {.number = 2, .name = "numVideos", .kind = PROTOBUF_INTEGER},
                                                        {0}};
static const struct protobuf_field response_fields[] = {
    {.number = 1, .name = "join", .kind = PROTOBUF_MESSAGE, .message = join_fields},
    {.number = 2, .name = "answer", .kind = PROTOBUF_MESSAGE, .message = description_fields},
    {.number = 4, .name = "trickle", .kind = PROTOBUF_MESSAGE, .message = trickle_fields},
    {.number = 5, .name = "update", .kind = PROTOBUF_MESSAGE, .message = update_fields},
    {.number = 8, .name = "leave", .kind = PROTOBUF_MESSAGE, .message = leave_fields},
    {.number = 22, .name = "requestResponse", .kind = PROTOBUF_MESSAGE, .message = request_fields},
    {.number = 25, .name = "mediaSectionsRequirement", .kind = PROTOBUF_MESSAGE, .message = sections_fields},
    {0}};

/* WrappedJoinRequest {join_request: JoinRequest {client_info {sdk: CPP, protocol: 16}, connection_settings
 * {auto_subscribe: true}}}. */
static const uint8_t join_request[] = {0x12, 10, 0x0a, 4, 0x08, 10, 0x18, 16, 0x12, 2, 0x08, 1};

/* --- a participant --------------------------------------------------------------------------------------------------------- */

/* Somebody's picture that we receive. */
struct video {
    char sid[SID_CAP];
    enum adapter_layer layer; /* that we asked for */
};

struct adapter_session {
    struct adapter_client *client;
    struct world_timer *timer;
    nanos ping_interval;
    char sid[SID_CAP]; /* our own */
    json_t *ice_servers;
    struct call *call;
    struct video *videos;
    size_t video_count;
    uint32_t more_audio, more_video; /* sections to receive in that the next offer gets */
    int64_t offers;
    size_t room_limit;
    bool sends, joined, signalled;
    bool offering; /* ours is unanswered */
    bool wanted;   /* another is */
};

/* Takes the reference of `value`. */
static void say(struct adapter_session *session, const char *what, json_t *value)
{
    adapter_send_json(session->client, json_pack("{so}", what, value));
}

static void ping(struct adapter_session *session, nanos now)
{
    say(session, "pingReq", json_pack("{sI}", "timestamp", (json_int_t)(now / NANOS_PER_MS)));
    world_timer_set(session->timer, now + session->ping_interval);
}

static void open_call(struct adapter_session *session)
{
    struct room_ice_server servers[ROOM_ICE_SERVERS_MAX];
    struct adapter_call_config config = {.offers = true,
                                         .trickle = true,
                                         .sends = session->sends,
                                         .receive_audio = session->more_audio,
                                         .receive_video = session->more_video,
                                         .ice_servers = servers};
    config.ice_server_count = ice_servers_read(session->ice_servers, servers);
    session->more_audio = session->more_video = 0;
    session->offering = true;
    session->call = adapter_open_call(session->client, &config);
}

/* The offer that the server wants, with the sections that our last one didn't have, if any. */
static void offer_more(struct adapter_session *session)
{
    if (!session->wanted || session->offering || session->call == NULL ||
        !adapter_offer_more(session->client, session->call, session->more_audio, session->more_video))
        return;
    session->more_audio = session->more_video = 0;
    session->wanted = false;
    session->offering = true;
}

static void ask_layers(struct adapter_session *session)
{
    static const char *const qualities[] = {NULL, "LOW", "MEDIUM", "HIGH"};
    for (size_t i = 0; i < session->video_count; i++) {
        struct video *video = &session->videos[i];
        enum adapter_layer layer = adapter_wanted_layer(session->client, (uint32_t)i);
        if (layer == video->layer)
            continue;
        video->layer = layer;
        say(session, "trackSetting",
            json_pack("{s[s] sb ss*}", "trackSids", video->sid, "disabled", layer == LAYER_NONE, "quality",
                      qualities[layer]));
    }
}

static json_t *layers_of(const struct media_plan *plan)
{
    static const char *const qualities[MEDIA_LAYERS_MAX] = {"LOW", "MEDIUM", "HIGH"};
    json_t *layers = json_array();
    for (size_t i = 0; i < plan->layer_count; i++) {
        int height = plan->layers[i].height;
        /* One alone is the best there is. */
        json_array_append_new(layers,
                              json_pack("{ss si si sI}", "quality", qualities[plan->layer_count == 1 ? 2 : i], "width",
                                        height * 16 / 9, "height", height, "bitrate", (json_int_t)plan->layers[i].bps));
    }
    return layers;
}

/* Announces the tracks of our first offer, which the server knows by the ids of their msid. */
static void add_tracks(struct adapter_session *session, const char *sdp)
{
    const struct media_plan *plan = adapter_plan(session->client);
    struct error error;
    struct session_description *offer = session_description_parse(sdp, strlen(sdp), &error);
    uint32_t videos = 0;
    for (size_t i = 0; offer != NULL && i < offer->media_count; i++) {
        const struct session_media *media = &offer->media[i];
        if (media->track_id[0] == '\0' || (media->direction & SESSION_SENDONLY) == 0)
            continue;
        if (media->kind == SESSION_AUDIO) {
            say(session, "addTrack",
                json_pack("{ss ss ss ss}", "cid", media->track_id, "name", "microphone", "type", "AUDIO", "source",
                          "MICROPHONE"));
        } else if (media->kind == SESSION_VIDEO) {
            bool camera = plan->video && videos++ == 0;
            int height = plan->layer_count > 0 ? plan->layers[plan->layer_count - 1].height : 0;
            say(session, "addTrack",
                json_pack("{ss ss ss ss si si so*}", "cid", media->track_id, "name", camera ? "camera" : "screen",
                          "type", "VIDEO", "source", camera ? "CAMERA" : "SCREEN_SHARE", "width", height * 16 / 9,
                          "height", height, "layers", camera ? layers_of(plan) : NULL));
        }
    }
    session_description_destroy(offer);
}

/* --- what we are told ------------------------------------------------------------------------------------------------------- */

static void take_tracks(struct adapter_session *session, const json_t *participant)
{
    const json_t *tracks = json_object_get(participant, "tracks"), *track;
    const char *owner = json_string_value(json_object_get(participant, "sid"));
    size_t i, at;
    if (owner == NULL || strcmp(owner, session->sid) == 0)
        return;
    json_array_foreach(tracks, i, track)
    {
        const char *type = json_string_value(json_object_get(track, "type"));
        const char *sid = json_string_value(json_object_get(track, "sid"));
        if (sid == NULL || strlen(sid) >= SID_CAP || type == NULL || strcmp(type, "VIDEO") != 0)
            continue;
        for (at = 0; at < session->video_count && strcmp(session->videos[at].sid, sid) != 0;)
            at++;
        if (at < session->video_count || at == VIDEOS_MAX)
            continue;
        struct video *videos = realloc(session->videos, (at + 1) * sizeof *videos);
        if (videos == NULL)
            return;
        session->videos = videos;
        videos[session->video_count++].layer = LAYER_HIGH; /* what the server sends unasked */
        memcpy(videos[at].sid, sid, strlen(sid) + 1);
    }
}

static void take_participants(struct adapter_session *session, const json_t *participants)
{
    const json_t *participant;
    size_t i;
    json_array_foreach(participants, i, participant) { take_tracks(session, participant); }
    ask_layers(session);
}

static void take_join(struct adapter_session *session, const json_t *join, nanos now)
{
    const char *sid = json_string_value(json_object_get(json_object_get(join, "participant"), "sid"));
    json_int_t interval = json_integer_value(json_object_get(join, "pingInterval"));
    if (session->joined)
        return; /* the second of its kind */
    session->joined = true;
    if (sid != NULL && strlen(sid) < sizeof session->sid)
        memcpy(session->sid, sid, strlen(sid) + 1);
    session->ice_servers = json_incref(json_object_get(join, "iceServers"));
    session->ping_interval = NANOS_PER_S * (interval > 0 && interval < 60 ? interval : PING_S);
    world_timer_set(session->timer, now + session->ping_interval);
    take_participants(session, json_object_get(join, "otherParticipants"));
    /* Nobody is subscribed to anything before he is connected, so who only watches offers a place of each kind. */
    session->more_audio = !session->sends && adapter_media_has(session->client, TRACK_AUDIO);
    session->more_video = !session->sends && adapter_media_has(session->client, TRACK_VIDEO);
    open_call(session);
}

static void take_answer(struct adapter_session *session, const json_t *answer)
{
    const char *sdp = json_string_value(json_object_get(answer, "sdp"));
    if (sdp == NULL || session->call == NULL || !session->offering ||
        !adapter_take_description(session->client, session->call, false, sdp))
        return;
    session->offering = false;
    if (!session->signalled)
        adapter_signalled(session->client);
    session->signalled = true;
    offer_more(session);
}

static void take_trickle(struct adapter_session *session, const json_t *trickle)
{
    const char *text = json_string_value(json_object_get(trickle, "candidateInit"));
    json_t *init = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const char *candidate = json_string_value(json_object_get(init, "candidate"));
    if (session->call != NULL && candidate != NULL)
        adapter_take_candidate(session->client, session->call, candidate);
    if (session->call != NULL && json_is_true(json_object_get(trickle, "final")))
        adapter_take_candidate(session->client, session->call, NULL);
    json_decref(init);
}

static void take_sections(struct adapter_session *session, const json_t *sections)
{
    json_int_t audio = json_integer_value(json_object_get(sections, "numAudios"));
    json_int_t video = json_integer_value(json_object_get(sections, "numVideos"));
    if (audio < 0 || video < 0 || session->more_audio + audio > SECTIONS_MAX ||
        session->more_video + video > SECTIONS_MAX)
        return;
    session->more_audio += (uint32_t)audio; /* since the last time it asked */
    session->more_video += (uint32_t)video;
    session->wanted = true;
    offer_more(session);
}

static void take_leave(struct adapter_session *session, const json_t *leave)
{
    const char *reason = json_string_value(json_object_get(leave, "reason"));
    bool rejected =
        reason != NULL && (strcmp(reason, "DUPLICATE_IDENTITY") == 0 || strcmp(reason, "JOIN_FAILURE") == 0);
    adapter_fail(session->client, rejected ? FAILURE_REJECTED : FAILURE_CLOSED, "LiveKit told us to leave: %.60s",
                 reason != NULL ? reason : "no reason given");
}

/* The server says no more than this of a request that it refuses. */
static void take_refusal(struct adapter_session *session, const json_t *response)
{
    const char *reason = json_string_value(json_object_get(response, "reason"));
    const char *text = json_string_value(json_object_get(response, "message"));
    if (reason == NULL || strcmp(reason, "OK") == 0 || strcmp(reason, "QUEUED") == 0)
        return;
    enum failure failure = strcmp(reason, "NOT_ALLOWED") == 0      ? FAILURE_UNAUTHORIZED
                           : strcmp(reason, "LIMIT_EXCEEDED") == 0 ? FAILURE_FULL
                                                                   : FAILURE_REJECTED;
    adapter_fail(session->client, failure, "LiveKit refuses: %.60s %.200s", reason, text != NULL ? text : "");
}

static void message(struct adapter_session *session, const char *text, size_t len, nanos now)
{
    /* No message of theirs begins as JSON does: there is no field 15 that is a group. */
    json_t *json = len > 0 && text[0] == '{' ? adapter_read_json(session->client, text, len)
                                             : protobuf_read(response_fields, (const uint8_t *)text, len);
    const json_t *value;
    if (json == NULL && (len == 0 || text[0] != '{'))
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "LiveKit sent a message that is no protobuf");
    if ((value = json_object_get(json, "join")) != NULL)
        take_join(session, value, now);
    else if ((value = json_object_get(json, "answer")) != NULL)
        take_answer(session, value);
    else if ((value = json_object_get(json, "trickle")) != NULL)
        take_trickle(session, value);
    else if ((value = json_object_get(json, "update")) != NULL)
        take_participants(session, json_object_get(value, "participants"));
    else if ((value = json_object_get(json, "mediaSectionsRequirement")) != NULL)
        take_sections(session, value);
    else if ((value = json_object_get(json, "requestResponse")) != NULL)
        take_refusal(session, value);
    else if ((value = json_object_get(json, "leave")) != NULL)
        take_leave(session, value);
    json_decref(json);
}

/* --- the interface ---------------------------------------------------------------------------------------------------------- */

static bool check(const struct load_target *target, struct error *error)
{
    char key[KEY_CAP], secret[KEY_CAP];
    return target->token[0] != '\0' ||
           (web_url_query(&target->url, "api_key", key, sizeof key) &&
            web_url_query(&target->url, "api_secret", secret, sizeof secret)) ||
           error_set(error, ERROR_USAGE,
                     "LiveKit wants ?api_key=…&api_secret=… in the URL (or one token, for one client)");
}

/* With that grant, for our room; the clock is read because the server compares it with its own. Takes the reference. */
static bool make_token(const struct adapter_client *client, json_t *grant, char token[JSON_WEB_TOKEN_CAP])
{
    char key[KEY_CAP], secret[KEY_CAP];
    const struct web_url *url = &adapter_target(client)->url;
    web_url_query(url, "api_key", key, sizeof key);
    web_url_query(url, "api_secret", secret, sizeof secret);
    return json_web_token_sign(token,
                               json_pack("{ss ss sI so}", "iss", key, "sub", adapter_name(client), "exp",
                                         (json_int_t)time(NULL) + TOKEN_LIFE_S, "video", grant),
                               secret);
}

/* Lets the client into its room. */
static json_t *grant_to_join(const struct adapter_client *client)
{
    return json_pack("{sb ss sb sb}", "roomJoin", true, "room", adapter_room(client), "canPublish", true,
                     "canSubscribe", true);
}

static bool make_url(const struct adapter_client *client, char text[WEB_URL_CAP], struct error *error)
{
    struct web_url url = adapter_target(client)->url;
    char token[JSON_WEB_TOKEN_CAP], request[2 * sizeof join_request];
    const char *given = adapter_token(client);
    if (given == NULL && !make_token(client, grant_to_join(client), token))
        return error_set(error, ERROR_USAGE, "the names of rooms and participants are too long for a token");
    base64url_write(request, sizeof request, join_request, sizeof join_request);
    size_t len = strcspn(url.path, "?");
    while (len > 0 && url.path[len - 1] == '/')
        len--;
    int wrote = snprintf(url.path + len, sizeof url.path - len, "/rtc/v1?access_token=%s&join_request=%s",
                         given != NULL ? given : token, request);
    if (wrote < 0 || (size_t)wrote >= sizeof url.path - len)
        return error_set(error, ERROR_USAGE, "the URL is too long with its token");
    url.websocket = true; /* OpenVidu's are named by their pages */
    web_url_format(&url, text);
    return true;
}

static void fire(void *user, nanos now) { ping(user, now); }

static void destroy(struct adapter_session *session)
{
    if (session->timer != NULL)
        world_timer_close(session->timer);
    json_decref(session->ice_servers);
    free(session->videos);
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
    const struct media_plan *plan = adapter_plan(client);
    session->client = client;
    session->ping_interval = NANOS_PER_S * PING_S;
    session->sends = plan->audio || plan->video || plan->screen;
    session->timer = world_timer_open(adapter_host(client), fire, session);
    if (session->timer != NULL && make_url(client, url, error) && adapter_connect(client, url, error))
        return session;
    destroy(session);
    return NULL;
}

/* Asks LiveKit's RoomService, by Twirp. Takes the references. */
static bool ask_service(struct adapter_session *session, const char *method, json_t *grant, json_t *body,
                        adapter_answered answered)
{
    char url[WEB_URL_CAP], token[JSON_WEB_TOKEN_CAP], bearer[JSON_WEB_TOKEN_CAP + 8];
    struct web_url service = adapter_target(session->client)->url;
    char *text = json_dumps(body, JSON_COMPACT);
    bool asks = make_token(session->client, grant, token) && text != NULL;
    service.websocket = false;
    snprintf(service.path, sizeof service.path, "/twirp/livekit.RoomService/%s", method);
    snprintf(bearer, sizeof bearer, "Bearer %s", token);
    if (asks)
        adapter_http(session->client,
                     &(struct http_fetch_request){.method = HTTP_POST,
                                                  .url = web_url_format(&service, url),
                                                  .headers = {{"Authorization", bearer}},
                                                  .header_count = 1,
                                                  .content_type = "application/json",
                                                  .body = text,
                                                  .body_len = strlen(text)},
                     true, answered);
    free(text);
    json_decref(body);
    return asks;
}

static const char refused_unsaid[] = "signalling: status 500";

static void participants_listed(struct adapter_session *session, const struct http_fetch_response *response, nanos now)
{
    json_t *list = response->status == HTTP_OK ? json_loadb(response->body, response->body_len, 0, NULL) : NULL;
    size_t count = json_array_size(json_object_get(list, "participants"));
    (void)now;
    if (count >= session->room_limit)
        adapter_fail(session->client, FAILURE_FULL, "status 500, and the room has its %zu participants",
                     session->room_limit);
    else
        adapter_fail(session->client, FAILURE_SERVER, "%s", refused_unsaid);
    json_decref(list);
}

static void rooms_listed(struct adapter_session *session, const struct http_fetch_response *response, nanos now)
{
    json_t *list = response->status == HTTP_OK ? json_loadb(response->body, response->body_len, 0, NULL) : NULL;
    const json_t *room = json_array_get(json_object_get(list, "rooms"), 0);
    json_int_t limit = json_integer_value(json_object_get(room, "max_participants"));
    const char *name = adapter_room(session->client);
    (void)now;
    session->room_limit = limit > 0 ? (size_t)limit : SIZE_MAX;
    /* Its own count of participants, in the same answer, comes seconds late. */
    if (limit <= 0 || !ask_service(session, "ListParticipants", json_pack("{sb ss}", "roomAdmin", true, "room", name),
                                   json_pack("{ss}", "room", name), participants_listed))
        adapter_fail(session->client, FAILURE_SERVER, "%s", refused_unsaid);
    json_decref(list);
}

/* LiveKit refuses participants who are too many in the words by which it says that something is wrong with it ("connection
 * closed by media"), so we look whether the room is full. */
static bool closed(struct adapter_session *session, const char *reason, nanos now)
{
    (void)now;
    return !session->joined && strstr(reason, "status 500") != NULL && adapter_token(session->client) == NULL &&
           ask_service(session, "ListRooms", json_pack("{sb}", "roomList", true),
                       json_pack("{s[s]}", "names", adapter_room(session->client)), rooms_listed);
}

/* The server answers in JSON from now on. */
static void opened(struct adapter_session *session, nanos now) { ping(session, now); }

static void described(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now)
{
    (void)call;
    (void)now;
    if (!offer)
        return;
    if (session->offers++ == 0)
        add_tracks(session, sdp);
    say(session, "offer", json_pack("{ss ss sI}", "type", "offer", "sdp", sdp, "id", (json_int_t)session->offers));
}

static void candidate(struct adapter_session *session, struct call *call, const char *candidate, nanos now)
{
    (void)call;
    (void)now;
    json_t *init =
        json_pack("{ss ss si}", "candidate", candidate != NULL ? candidate : "", "sdpMid", "0", "sdpMLineIndex", 0);
    char *text = json_dumps(init, JSON_COMPACT);
    say(session, "trickle",
        json_pack("{ss ss sb}", "candidateInit", text, "target", "PUBLISHER", "final", candidate == NULL));
    free(text);
    json_decref(init);
}

static void layout(struct adapter_session *session, nanos now)
{
    (void)now;
    ask_layers(session);
}

static void leave(struct adapter_session *session, nanos now)
{
    (void)now;
    say(session, "leave", json_pack("{ss ss}", "reason", "CLIENT_INITIATED", "action", "DISCONNECT"));
}

const struct adapter adapter_livekit = {
    .scheme = "livekit",
    .form = "livekit+ws(s)://HOST:7880/?api_key=KEY&api_secret=SECRET",
    .summary = "LiveKit, one peer connection for each participant (/rtc/v1)",
    .websocket = true,
    .binary = true,
    .pattern = ADAPTER_ROOM,
    .check = check,
    .create = create,
    .opened = opened,
    .message = message,
    .closed = closed,
    .described = described,
    .candidate = candidate,
    .layout = layout,
    .leave = leave,
    .destroy = destroy,
};

const struct adapter adapter_openvidu = {
    .scheme = "openvidu",
    .form = "openvidu+http(s)://HOST:7880/?api_key=KEY&api_secret=SECRET",
    .summary = "OpenVidu 3, by LiveKit's signalling",
    .http = true,
    .websocket = true,
    .binary = true,
    .unverified = true,
    .pattern = ADAPTER_ROOM,
    .check = check,
    .create = create,
    .opened = opened,
    .message = message,
    .closed = closed,
    .described = described,
    .candidate = candidate,
    .layout = layout,
    .leave = leave,
    .destroy = destroy,
};
