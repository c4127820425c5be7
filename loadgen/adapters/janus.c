/* Janus VideoRoom by WebSocket (https://janus.conf.meetecho.com/docs/videoroom).
 *
 *     create, attach, join (as a publisher, who may be silent)      the session and its first handle
 *         joined: who publishes                                     no such room: create it, join again
 *     publish with our offer                                        configured with the answer
 *     attach, join (as a subscriber) to all who publish             attached with an offer; start with our answer
 *     subscribe to those who come later                             updated with an offer; start with our answer
 *
 * One connection sends and one receives everything. Transactions carry the name of what was asked. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/adapter.h"

enum {
    KEEPALIVE_S = 25, /* a session ends after 60 s without a message */
    RETRY_S = 1,      /* when somebody left while we subscribed */
    FEEDS_MAX = 4096,
    VIDEOS_MAX = 4096,
    ROOM_PUBLISHERS_MIN = 3, /* VideoRoom's own default */
    OPTION_CAP = 256,
};

/* Error codes of janus.c and janus_videoroom.c. */
enum {
    JANUS_UNAUTHORIZED = 403,
    JANUS_UNAUTHORIZED_PLUGIN = 405,
    JANUS_NO_SUCH_ROOM = 426,
    JANUS_ROOM_EXISTS = 427,
    JANUS_NO_SUCH_FEED = 428,
    JANUS_INVALID_ELEMENT = 430,
    JANUS_PUBLISHERS_FULL = 432,
    JANUS_ROOM_UNAUTHORIZED = 433,
    JANUS_NO_SUCH_PLUGIN = 460,
    JANUS_TOKEN_NOT_FOUND = 470,
    JANUS_TAKES_NO_SESSIONS = 472,
    JANUS_UNKNOWN = 490,
    JANUS_ROOM_UNKNOWN = 499,
};

static const char plugin[] = "janus.plugin.videoroom";

/* Somebody who publishes. */
struct feed {
    json_t *id;
    enum { FEED_NEW, FEED_ASKED, FEED_HELD } state; /* not subscribed to, on the way, subscribed to */
};

/* A picture that we receive. */
struct video {
    char mid[SESSION_MID_CAP];
    enum adapter_layer layer; /* that we asked for */
};

struct adapter_session {
    struct adapter_client *client;
    struct world_timer *timer;
    json_int_t session, publisher, subscriber; /* Janus's numbers; 0: not yet */
    json_t *room;
    struct call *sending, *receiving;
    struct feed *feeds;
    struct video *videos;
    size_t feed_count, video_count;
    bool subscribing; /* an offer is on its way */
};

/* --- what we say --------------------------------------------------------------------------------------------------------- */

static void put_option(const struct adapter_session *session, json_t *json, const char *option)
{
    char value[OPTION_CAP];
    if (web_url_query(&adapter_target(session->client)->url, option, value, sizeof value))
        json_object_set_new(json, option, json_string(value));
}

static void ask(struct adapter_session *session, json_t *request)
{
    if (session->session != 0)
        json_object_set_new(request, "session_id", json_integer(session->session));
    if (adapter_token(session->client) != NULL)
        json_object_set_new(request, "token", json_string(adapter_token(session->client)));
    put_option(session, request, "apisecret");
    adapter_send_json(session->client, request);
}

static void attach(struct adapter_session *session, const char *transaction)
{
    ask(session, json_pack("{ss ss ss}", "janus", "attach", "plugin", plugin, "transaction", transaction));
}

/* Takes the references of `body` and `jsep` (NULL: none). */
static void ask_plugin(struct adapter_session *session, json_int_t handle, const char *transaction, json_t *body,
                       json_t *jsep)
{
    ask(session, json_pack("{ss ss sI so so*}", "janus", "message", "transaction", transaction, "handle_id", handle,
                           "body", body, "jsep", jsep));
}

static void join(struct adapter_session *session)
{
    json_t *body = json_pack("{ss ss sO ss}", "request", "join", "ptype", "publisher", "room", session->room, "display",
                             adapter_name(session->client));
    put_option(session, body, "pin");
    ask_plugin(session, session->publisher, "join", body, NULL);
}

static void create_room(struct adapter_session *session)
{
    uint32_t publishers = adapter_publishers(session->client);
    json_t *body =
        json_pack("{ss sO si sb}", "request", "create", "room", session->room, "publishers",
                  publishers > ROOM_PUBLISHERS_MIN ? (int)publishers : ROOM_PUBLISHERS_MIN, "notify_joining", false);
    put_option(session, body, "admin_key");
    put_option(session, body, "pin");
    ask_plugin(session, session->publisher, "create", body, NULL);
}

static void subscribe(struct adapter_session *session)
{
    json_t *streams = json_array();
    for (size_t i = 0; i < session->feed_count; i++) {
        if (session->feeds[i].state != FEED_NEW)
            continue;
        json_array_append_new(streams, json_pack("{sO}", "feed", session->feeds[i].id));
        session->feeds[i].state = FEED_ASKED;
    }
    json_t *body = session->receiving != NULL ? json_pack("{ss so}", "request", "subscribe", "streams", streams)
                                              : json_pack("{ss ss sO so}", "request", "join", "ptype", "subscriber",
                                                          "room", session->room, "streams", streams);
    if (session->receiving == NULL)
        put_option(session, body, "pin");
    ask_plugin(session, session->subscriber, "subscribe", body, NULL);
}

/* What became of those that were asked for. */
static void subscribed(struct adapter_session *session, bool held)
{
    for (size_t i = 0; i < session->feed_count; i++) {
        if (session->feeds[i].state == FEED_ASKED)
            session->feeds[i].state = held ? FEED_HELD : FEED_NEW;
    }
}

static void subscribe_to_new(struct adapter_session *session)
{
    size_t i = 0;
    while (i < session->feed_count && session->feeds[i].state != FEED_NEW)
        i++;
    if (i == session->feed_count || session->subscribing)
        return;
    session->subscribing = true;
    if (session->subscriber == 0)
        attach(session, "attach-subscriber");
    else
        subscribe(session);
}

static void ask_layers(struct adapter_session *session)
{
    json_t *streams = json_array();
    for (size_t i = 0; i < session->video_count; i++) {
        struct video *video = &session->videos[i];
        enum adapter_layer layer = adapter_wanted_layer(session->client, (uint32_t)i);
        if (layer == video->layer)
            continue;
        json_t *stream = json_pack("{ss sb}", "mid", video->mid, "send", layer != LAYER_NONE);
        if (layer != LAYER_NONE)
            json_object_set_new(stream, "substream", json_integer(layer - LAYER_LOW));
        json_array_append_new(streams, stream);
        video->layer = layer;
    }
    if (json_array_size(streams) > 0)
        ask_plugin(session, session->subscriber, "configure",
                   json_pack("{ss sO}", "request", "configure", "streams", streams), NULL);
    json_decref(streams);
}

/* --- what we are told ---------------------------------------------------------------------------------------------------- */

static size_t find_feed(const struct adapter_session *session, const json_t *id)
{
    size_t i = 0;
    while (i < session->feed_count && !json_equal(session->feeds[i].id, id))
        i++;
    return i;
}

static void add_feed(struct adapter_session *session, json_t *id)
{
    if (id == NULL || find_feed(session, id) < session->feed_count || session->feed_count == FEEDS_MAX)
        return;
    struct feed *feeds = realloc(session->feeds, (session->feed_count + 1) * sizeof *feeds);
    if (feeds == NULL)
        return;
    session->feeds = feeds;
    session->feeds[session->feed_count++] = (struct feed){.id = json_incref(id)};
}

static void remove_feed(struct adapter_session *session, const json_t *id)
{
    size_t i = find_feed(session, id);
    if (i == session->feed_count)
        return;
    json_decref(session->feeds[i].id);
    session->feeds[i] = session->feeds[--session->feed_count];
}

static void take_publishers(struct adapter_session *session, const json_t *data)
{
    const json_t *publishers = json_object_get(data, "publishers"), *publisher;
    size_t i;
    json_array_foreach(publishers, i, publisher) { add_feed(session, json_object_get(publisher, "id")); }
    remove_feed(session, json_object_get(data, "unpublished"));
    remove_feed(session, json_object_get(data, "leaving"));
    subscribe_to_new(session);
}

/* The streams of our subscription, each section of the offer one. */
static void take_streams(struct adapter_session *session, const json_t *streams)
{
    const json_t *stream;
    size_t i, count = 0;
    if (json_array_size(streams) > VIDEOS_MAX || json_array_size(streams) == 0)
        return;
    struct video *videos = realloc(session->videos, json_array_size(streams) * sizeof *videos);
    if (videos == NULL)
        return;
    session->videos = videos;
    json_array_foreach(streams, i, stream)
    {
        const char *type = json_string_value(json_object_get(stream, "type"));
        const char *mid = json_string_value(json_object_get(stream, "mid"));
        if (type == NULL || mid == NULL || strcmp(type, "video") != 0 || strlen(mid) >= sizeof videos->mid)
            continue;
        if (count >= session->video_count || strcmp(videos[count].mid, mid) != 0)
            videos[count].layer = LAYER_HIGH; /* what Janus sends unasked */
        memcpy(videos[count++].mid, mid, strlen(mid) + 1);
    }
    session->video_count = count;
}

static void take_description(struct adapter_session *session, json_int_t sender, const json_t *jsep)
{
    const char *type = json_string_value(json_object_get(jsep, "type"));
    const char *sdp = json_string_value(json_object_get(jsep, "sdp"));
    if (type == NULL || sdp == NULL)
        return;
    if (sender == session->publisher && session->sending != NULL && strcmp(type, "answer") == 0) {
        if (adapter_take_description(session->client, session->sending, false, sdp))
            adapter_signalled(session->client);
    } else if (sender == session->subscriber && strcmp(type, "offer") == 0) {
        static const struct adapter_call_config receives = {.trickle = true};
        if (session->receiving == NULL)
            session->receiving = adapter_open_call(session->client, &receives);
        if (session->receiving != NULL)
            adapter_take_description(session->client, session->receiving, true, sdp);
    }
}

static void joined(struct adapter_session *session)
{
    const struct media_plan *plan = adapter_plan(session->client);
    if (plan->audio || plan->video || plan->screen) {
        session->sending = adapter_open_call(
            session->client, &(struct adapter_call_config){.offers = true, .trickle = true, .sends = true});
    } else {
        adapter_signalled(session->client);
    }
}

static enum failure failure_of(json_int_t code)
{
    switch (code) {
    case JANUS_UNAUTHORIZED:
    case JANUS_UNAUTHORIZED_PLUGIN:
    case JANUS_ROOM_UNAUTHORIZED:
    case JANUS_TOKEN_NOT_FOUND:
        return FAILURE_UNAUTHORIZED;
    case JANUS_NO_SUCH_ROOM:
    case JANUS_NO_SUCH_PLUGIN:
        return FAILURE_NOT_FOUND;
    case JANUS_PUBLISHERS_FULL:
    case JANUS_TAKES_NO_SESSIONS:
        return FAILURE_FULL;
    case JANUS_UNKNOWN:
    case JANUS_ROOM_UNKNOWN:
        return FAILURE_SERVER;
    default:
        return FAILURE_REJECTED;
    }
}

static void refused(struct adapter_session *session, const char *asked, json_int_t code, const char *reason, nanos now)
{
    if (strcmp(asked, "join") == 0 && code == JANUS_NO_SUCH_ROOM) {
        create_room(session);
    } else if (strcmp(asked, "create") == 0 && code == JANUS_ROOM_EXISTS) {
        join(session); /* somebody else was faster */
    } else if (strcmp(asked, "join") == 0 && code == JANUS_INVALID_ELEMENT && json_is_integer(session->room)) {
        json_decref(session->room); /* its rooms have names: string_ids */
        session->room = json_string(adapter_room(session->client));
        join(session);
    } else if (strcmp(asked, "subscribe") == 0 && code == JANUS_NO_SUCH_FEED) {
        session->subscribing = false; /* left meanwhile: we are told soon, then the others are asked for again */
        subscribed(session, false);
        world_timer_set(session->timer, now + NANOS_PER_S * RETRY_S);
    } else if (strcmp(asked, "configure") != 0 && strcmp(asked, "keepalive") != 0 && strcmp(asked, "trickle") != 0) {
        adapter_fail(session->client, failure_of(code), "Janus refuses to %s: %.200s (%d)", asked,
                     reason != NULL ? reason : "", (int)code);
    }
}

/* What a plugin says, asked or not. */
static void take_data(struct adapter_session *session, const char *asked, const json_t *message, nanos now)
{
    const json_t *data = json_object_get(json_object_get(message, "plugindata"), "data");
    const char *what = json_string_value(json_object_get(data, "videoroom"));
    const json_t *code = json_object_get(data, "error_code");
    if (code != NULL) {
        refused(session, asked, json_integer_value(code), json_string_value(json_object_get(data, "error")), now);
        return;
    }
    if (what == NULL)
        return;
    if (strcmp(asked, "subscribe") == 0)
        subscribed(session, true);
    if (strcmp(what, "created") == 0)
        join(session);
    else if (strcmp(what, "joined") == 0)
        joined(session);
    else if (strcmp(what, "attached") == 0 || strcmp(what, "updated") == 0)
        take_streams(session, json_object_get(data, "streams"));
    else if (strcmp(what, "destroyed") == 0)
        adapter_fail(session->client, FAILURE_CLOSED, "Janus has destroyed the room");
    const json_t *jsep = json_object_get(message, "jsep");
    if (jsep != NULL)
        take_description(session, json_integer_value(json_object_get(message, "sender")), jsep);
    else if (strcmp(what, "updating") == 0 || strcmp(what, "updated") == 0)
        session->subscribing = false;
    take_publishers(session, data);
}

/* Something of the core was done. */
static void take_success(struct adapter_session *session, const char *asked, const json_t *message, nanos now)
{
    json_int_t id = json_integer_value(json_object_get(json_object_get(message, "data"), "id"));
    if (json_object_get(message, "plugindata") != NULL) {
        take_data(session, asked, message, now);
    } else if (strcmp(asked, "create-session") == 0) {
        session->session = id;
        world_timer_set(session->timer, now + NANOS_PER_S * KEEPALIVE_S);
        attach(session, "attach");
    } else if (strcmp(asked, "attach") == 0) {
        session->publisher = id;
        join(session);
    } else if (strcmp(asked, "attach-subscriber") == 0) {
        session->subscriber = id;
        subscribe(session);
    }
}

static void take_trickle(struct adapter_session *session, const json_t *message)
{
    json_int_t sender = json_integer_value(json_object_get(message, "sender"));
    const json_t *candidate = json_object_get(message, "candidate");
    struct call *call = sender == session->publisher    ? session->sending
                        : sender == session->subscriber ? session->receiving
                                                        : NULL;
    if (call != NULL)
        adapter_take_candidate(session->client, call, json_string_value(json_object_get(candidate, "candidate")));
}

static void message(struct adapter_session *session, const char *text, size_t len, nanos now)
{
    json_t *json = adapter_read_json(session->client, text, len);
    if (json == NULL)
        return;
    const char *kind = json_string_value(json_object_get(json, "janus"));
    const char *asked = json_string_value(json_object_get(json, "transaction"));
    const char *reason = json_string_value(json_object_get(json, "reason"));
    const json_t *error = json_object_get(json, "error");
    asked = asked != NULL ? asked : "";
    if (kind == NULL)
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "Janus sent a message without a kind");
    else if (strcmp(kind, "success") == 0)
        take_success(session, asked, json, now);
    else if (strcmp(kind, "event") == 0)
        take_data(session, asked, json, now);
    else if (strcmp(kind, "error") == 0)
        refused(session, asked, json_integer_value(json_object_get(error, "code")),
                json_string_value(json_object_get(error, "reason")), now);
    else if (strcmp(kind, "trickle") == 0)
        take_trickle(session, json);
    else if (strcmp(kind, "hangup") == 0)
        adapter_fail(session->client, FAILURE_LOST, "Janus hung up: %.200s",
                     reason != NULL ? reason : "no reason given");
    else if (strcmp(kind, "timeout") == 0)
        adapter_fail(session->client, FAILURE_CLOSED, "Janus ended the session: it heard nothing of us");
    json_decref(json);
}

/* --- the interface -------------------------------------------------------------------------------------------------------- */

/* Rooms have numbers: that of --room and those behind it, or a hash (FNV-1a) of the room's name. */
static json_int_t room_number(const struct adapter_client *client)
{
    const char *name = adapter_room(client);
    if (isdigit((unsigned char)name[0]))
        return (json_int_t)(strtoull(name, NULL, 10) % UINT32_MAX) + adapter_room_number(client);
    uint32_t hash = 2166136261U;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619U;
    return (json_int_t)hash + 1;
}

static void fire(void *user, nanos now)
{
    struct adapter_session *session = user;
    ask(session, json_pack("{ss ss}", "janus", "keepalive", "transaction", "keepalive"));
    world_timer_set(session->timer, now + NANOS_PER_S * KEEPALIVE_S);
    subscribe_to_new(session);
}

static void destroy(struct adapter_session *session)
{
    for (size_t i = 0; i < session->feed_count; i++)
        json_decref(session->feeds[i].id);
    if (session->timer != NULL)
        world_timer_close(session->timer);
    json_decref(session->room);
    free(session->feeds);
    free(session->videos);
    free(session);
}

static struct adapter_session *create(struct adapter_client *client, struct error *error)
{
    struct adapter_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    session->client = client;
    session->room = json_integer(room_number(client));
    session->timer = world_timer_open(adapter_host(client), fire, session);
    if (session->room != NULL && session->timer != NULL && adapter_connect(client, NULL, error))
        return session;
    destroy(session);
    return NULL;
}

static void opened(struct adapter_session *session, nanos now)
{
    (void)now;
    ask(session, json_pack("{ss ss}", "janus", "create", "transaction", "create-session"));
}

static void described(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now)
{
    (void)call;
    (void)now;
    json_t *jsep = json_pack("{ss ss}", "type", offer ? "offer" : "answer", "sdp", sdp);
    if (offer) {
        json_object_set_new(jsep, "rid_order", json_string("lmh")); /* else the first is taken for the highest */
        ask_plugin(session, session->publisher, "publish", json_pack("{ss}", "request", "publish"), jsep);
        return;
    }
    ask_plugin(session, session->subscriber, "start", json_pack("{ss}", "request", "start"), jsep);
    session->subscribing = false;
    ask_layers(session);
    subscribe_to_new(session);
}

static void candidate(struct adapter_session *session, struct call *call, const char *candidate, nanos now)
{
    (void)now;
    json_t *value = candidate != NULL
                        ? json_pack("{ss ss si}", "candidate", candidate, "sdpMid", "0", "sdpMLineIndex", 0)
                        : json_pack("{sb}", "completed", true);
    ask(session, json_pack("{ss ss sI so}", "janus", "trickle", "transaction", "trickle", "handle_id",
                           call == session->sending ? session->publisher : session->subscriber, "candidate", value));
}

static void layout(struct adapter_session *session, nanos now)
{
    (void)now;
    ask_layers(session);
}

static void leave(struct adapter_session *session, nanos now)
{
    (void)now;
    if (session->publisher != 0)
        ask_plugin(session, session->publisher, "leave", json_pack("{ss}", "request", "leave"), NULL);
    if (session->session != 0)
        ask(session, json_pack("{ss ss}", "janus", "destroy", "transaction", "destroy"));
}

const struct adapter adapter_janus = {
    .scheme = "janus",
    .form = "janus+ws(s)://HOST:8188/",
    .summary = "Janus VideoRoom by WebSocket; rooms that don't exist are made (?apisecret=, ?admin_key=, ?pin=)",
    .websocket = true,
    .subprotocol = "janus-protocol",
    .pattern = ADAPTER_ROOM,
    .create = create,
    .opened = opened,
    .message = message,
    .described = described,
    .candidate = candidate,
    .layout = layout,
    .leave = leave,
    .destroy = destroy,
};
