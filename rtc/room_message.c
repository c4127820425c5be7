#include "rtc/room_message.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[ROOM_MESSAGE_TYPES] = {
    "join",           "joined", "peer-joined", "peer-left", "offer", "answer", "candidate",
    "candidates-end", "leave",  "error",       "layout",    "watch", "mute",   "speaker",
};

/* The texts that each type must have. */
enum {
    HAS_ROOM = 1,
    HAS_PEER = 2,
    HAS_TOPOLOGY = 4,
    HAS_SDP = 8,
    HAS_CANDIDATE = 16,
    HAS_REASON = 32,
    HAS_LAYOUT = 64,
    HAS_TRACK = 128,
};
static const int required[ROOM_MESSAGE_TYPES] = {
    [ROOM_JOIN] = HAS_ROOM | HAS_PEER | HAS_TOPOLOGY,
    [ROOM_PEER_JOINED] = HAS_PEER,
    [ROOM_PEER_LEFT] = HAS_PEER,
    [ROOM_OFFER] = HAS_SDP,
    [ROOM_ANSWER] = HAS_SDP,
    [ROOM_CANDIDATE] = HAS_CANDIDATE,
    [ROOM_ERROR] = HAS_REASON,
    [ROOM_LAYOUT] = HAS_LAYOUT,
    [ROOM_MUTE] = HAS_TRACK,
    [ROOM_SPEAKER] = HAS_PEER,
};

static bool refuse(struct room_message *message, struct error *error, const char *what)
{
    room_message_clear(message);
    return error_set(error, ERROR_PROTOCOL, "not a room message: %s", what);
}

static bool read_type(struct room_message *message, const char *name)
{
    for (int i = 0; name != NULL && i < ROOM_MESSAGE_TYPES; i++) {
        if (strcmp(name, type_names[i]) == 0) {
            message->type = (enum room_message_type)i;
            return true;
        }
    }
    return false;
}

static bool read_peers(struct room_message *message, const json_t *list)
{
    size_t count = json_array_size(list);
    if (count == 0)
        return true;
    if (count > ROOM_PEERS_MAX || (message->peers = calloc(count, sizeof *message->peers)) == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const char *peer = json_string_value(json_array_get(list, i));
        if (peer == NULL)
            return false;
        message->peers[message->peer_count++] = peer;
    }
    return true;
}

static bool read_ice_servers(struct room_message *message, const json_t *list)
{
    size_t count = json_array_size(list);
    if (count > ROOM_ICE_SERVERS_MAX)
        return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        struct room_ice_server *server = &message->ice_servers[message->ice_server_count++];
        server->url = json_string_value(json_object_get(entry, "url"));
        server->username = json_string_value(json_object_get(entry, "username"));
        server->credential = json_string_value(json_object_get(entry, "credential"));
        if (server->url == NULL)
            return false;
    }
    return true;
}

/* A number from 0 to `max`; −1 when there is none. False when it is something else. */
static bool read_number(const json_t *json, const char *key, int32_t max, int32_t *out)
{
    const json_t *value = json_object_get(json, key);
    *out = -1;
    if (value == NULL || json_is_null(value))
        return true;
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || number > max)
        return false;
    *out = (int32_t)number;
    return true;
}

static bool read_tracks(struct room_message *message, const json_t *list)
{
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count > ROOM_TRACKS_MAX)
        return false;
    message->tracks = calloc(count > 0 ? count : 1, sizeof *message->tracks);
    for (size_t i = 0; message->tracks != NULL && i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        struct room_track *track = &message->tracks[message->track_count++];
        track->peer = json_string_value(json_object_get(entry, "peer"));
        track->track = json_string_value(json_object_get(entry, "track"));
        if (track->peer == NULL || track->track == NULL ||
            !read_number(entry, "height", ROOM_HEIGHT_MAX, &track->height))
            return false;
    }
    return message->tracks != NULL;
}

bool room_message_read(struct room_message *message, const char *text, size_t len, struct error *error)
{
    json_error_t why;
    memset(message, 0, sizeof *message);
    json_t *json = json_loadb(text, len, 0, &why);
    message->owner = json;
    if (json == NULL)
        return refuse(message, error, why.text);
    if (!read_type(message, json_string_value(json_object_get(json, "type"))))
        return refuse(message, error, "unknown type");
    const struct {
        const char *key;
        const char **value;
        int flag;
    } texts[] = {
        {"room", &message->room, HAS_ROOM},
        {"peer", &message->peer, HAS_PEER},
        {"topology", &message->topology, HAS_TOPOLOGY},
        {"from", &message->from, 0},
        {"to", &message->to, 0},
        {"sdp", &message->sdp, HAS_SDP},
        {"candidate", &message->candidate, HAS_CANDIDATE},
        {"reason", &message->reason, HAS_REASON},
        {"layout", &message->layout, HAS_LAYOUT},
        {"track", &message->track, HAS_TRACK},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i].value = json_string_value(json_object_get(json, texts[i].key));
        if (*texts[i].value == NULL && (required[message->type] & texts[i].flag) != 0)
            return refuse(message, error, texts[i].key);
    }
    if (!read_peers(message, json_object_get(json, "peers")))
        return refuse(message, error, "peers");
    if (!read_ice_servers(message, json_object_get(json, "ice_servers")))
        return refuse(message, error, "ice_servers");
    if (!read_number(json, "height", ROOM_HEIGHT_MAX, &message->height))
        return refuse(message, error, "height");
    if (!read_number(json, "videos", ROOM_PEERS_MAX, &message->videos))
        return refuse(message, error, "videos");
    message->muted = json_is_true(json_object_get(json, "muted"));
    if (message->type == ROOM_MUTE && !json_is_boolean(json_object_get(json, "muted")))
        return refuse(message, error, "muted");
    if (message->type == ROOM_WATCH && !read_tracks(message, json_object_get(json, "tracks")))
        return refuse(message, error, "tracks");
    return true;
}

void room_message_clear(struct room_message *message)
{
    json_decref(message->owner);
    free(message->peers);
    free(message->tracks);
    memset(message, 0, sizeof *message);
}

static void put(json_t *json, const char *key, const char *value)
{
    if (value != NULL)
        json_object_set_new(json, key, json_string(value));
}

static void put_number(json_t *json, const char *key, int32_t value)
{
    if (value >= 0)
        json_object_set_new(json, key, json_integer(value));
}

static void put_tracks(json_t *json, const struct room_message *message)
{
    json_t *list = json_array();
    for (size_t i = 0; i < message->track_count; i++) {
        json_t *entry = json_object();
        put(entry, "peer", message->tracks[i].peer);
        put(entry, "track", message->tracks[i].track);
        put_number(entry, "height", message->tracks[i].height);
        json_array_append_new(list, entry);
    }
    json_object_set_new(json, "tracks", list);
}

char *room_message_write(const struct room_message *message, size_t *len)
{
    json_t *json = json_object();
    put(json, "type", type_names[message->type]);
    put(json, "room", message->room);
    put(json, "peer", message->peer);
    put(json, "topology", message->topology);
    put(json, "from", message->from);
    put(json, "to", message->to);
    put(json, "sdp", message->sdp);
    put(json, "candidate", message->candidate);
    put(json, "reason", message->reason);
    put(json, "layout", message->layout);
    put(json, "track", message->track);
    if (message->type == ROOM_LAYOUT) {
        put_number(json, "height", message->height);
        put_number(json, "videos", message->videos);
    }
    if (message->type == ROOM_WATCH)
        put_tracks(json, message);
    if (message->type == ROOM_MUTE)
        json_object_set_new(json, "muted", json_boolean(message->muted));
    if (message->type == ROOM_JOINED) {
        json_t *peers = json_array();
        for (size_t i = 0; i < message->peer_count; i++)
            json_array_append_new(peers, json_string(message->peers[i]));
        json_object_set_new(json, "peers", peers);
        json_t *servers = json_array();
        for (size_t i = 0; i < message->ice_server_count; i++) {
            json_t *entry = json_object();
            put(entry, "url", message->ice_servers[i].url);
            put(entry, "username", message->ice_servers[i].username);
            put(entry, "credential", message->ice_servers[i].credential);
            json_array_append_new(servers, entry);
        }
        json_object_set_new(json, "ice_servers", servers);
    }
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    if (text != NULL)
        *len = strlen(text);
    return text;
}
