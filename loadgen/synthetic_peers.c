#include "loadgen/synthetic_peers.h"

#include <jansson.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "peer/participant.h"
#include "rtc/certificate.h"
#include "sfu/server.h"
#include "world/http_message.h"
#include "world/live_world.h"

#define SWEEP NANOS_PER_S

enum { NAME_CAP = 64, COUNT_DEFAULT = 5, HEIGHT_DEFAULT = 720 };

struct synthetic {
    struct synthetic_peers *all;
    struct participant *participant;
    struct synthetic *prev, *next;
    uint32_t number; /* in its room, from 1 */
    bool done;
    char room[NAME_CAP];
    char name[NAME_CAP];
};

struct synthetic_peers {
    struct live_world *live;
    const struct server *server;
    struct world_host *host;
    struct certificate *certificate;
    struct world_timer *timer;
    struct synthetic *list;
    uint64_t seed;
};

/* --- one of them -------------------------------------------------------------------------------------------------------- */

/* Within its own callbacks it can't be destroyed: the next sweep does that. */
static void failed(void *user, struct participant *participant, const char *reason, nanos now)
{
    struct synthetic *peer = user;
    (void)participant, (void)now;
    server_log(peer->all->server, "synthetic", peer->room, peer->name, reason);
    peer->done = true;
}

struct wanted {
    const char *room;
    bool sfu;
    unsigned height; /* of pictures at most */
    uint32_t people;
};

static bool add(struct synthetic_peers *all, const struct wanted *wanted, uint32_t number, nanos now,
                struct error *error)
{
    static const struct participant_callbacks callbacks = {.failed = failed};
    struct synthetic *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    peer->all = all;
    peer->number = number;
    snprintf(peer->room, sizeof peer->room, "%s", wanted->room);
    snprintf(peer->name, sizeof peer->name, "synthetic-%u", number);
    const struct participant_config config = {
        .host = all->host,
        .server = server_signalling_address(all->server),
        .room = peer->room,
        .name = peer->name,
        .shape = wanted->sfu ? CALL_SFU : CALL_MESH,
        .plan = {.audio = true,
                 .video = true,
                 .clips = true,
                 .audio_bps = 32000,
                 .layers = {{180, 15, 150000}, {360, 30, 500000}, {720, 30, 1700000}},
                 .layer_count = wanted->height < 360   ? 1
                                : wanted->height < 720 ? 2
                                                       : 3,
                 .data.enabled = true},
        .conversation = {.seed = all->seed, .people = wanted->people, .start = now},
        .number = number - 1,
        .certificate = all->certificate,
        .seed = all->seed += 2,
        .ntp_origin = live_world_ntp_origin(all->live),
        .callbacks = &callbacks,
        .user = peer,
    };
    peer->participant = participant_create(&config, now, error);
    if (peer->participant == NULL) {
        free(peer);
        return false;
    }
    DL_APPEND(all->list, peer);
    return true;
}

static void dismiss(struct synthetic *peer, nanos now)
{
    DL_DELETE(peer->all->list, peer);
    participant_leave(peer->participant, now);
    participant_destroy(peer->participant);
    free(peer);
}

/* --- all of them -------------------------------------------------------------------------------------------------------- */

static size_t count_in(const struct synthetic_peers *all, const char *room)
{
    const struct synthetic *peer;
    size_t count = 0;
    DL_FOREACH(all->list, peer) { count += strcmp(peer->room, room) == 0; }
    return count;
}

static void sweep(void *user, nanos now)
{
    struct synthetic_peers *all = user;
    struct synthetic *peer;
    struct synthetic *next;
    /* That somebody has left the server hears later: first look, then dismiss. */
    DL_FOREACH(all->list, peer)
    {
        bool sfu;
        peer->done = peer->done || server_room(all->server, peer->room, &sfu) <= count_in(all, peer->room);
    }
    DL_FOREACH_SAFE(all->list, peer, next)
    {
        if (peer->done)
            dismiss(peer, now);
    }
    world_timer_set(all->timer, all->list != NULL ? now + SWEEP : NANOS_NEVER);
}

/* The lowest number that none of them has in the room. */
static uint32_t free_number(const struct synthetic_peers *all, const char *room)
{
    for (uint32_t number = 1;; number++) {
        const struct synthetic *peer;
        DL_FOREACH(all->list, peer)
        {
            if (peer->number == number && strcmp(peer->room, room) == 0)
                break;
        }
        if (peer == NULL)
            return number;
    }
}

/* --- requests ------------------------------------------------------------------------------------------------------------- */

/* A page from elsewhere may not fill rooms here, whatever CORS lets it read: browsers name the page's origin. */
static bool is_foreign(const struct http_request *request)
{
    const char *origin = http_request_header(request, "Origin");
    const char *host = http_request_header(request, "Host");
    const char *authority = origin != NULL ? strstr(origin, "://") : NULL;
    return origin != NULL && (authority == NULL || host == NULL || strcmp(authority + 3, host) != 0);
}

static unsigned number_of(const char *query, const char *key, unsigned otherwise)
{
    size_t len = strlen(key);
    for (const char *at = query; at != NULL; at = strchr(at, '&')) {
        at += *at == '&';
        if (strncmp(at, key, len) == 0 && at[len] == '=')
            return (unsigned)strtoul(at + len + 1, NULL, 10);
    }
    return otherwise;
}

static void post(struct synthetic_peers *all, const char *room, const struct http_request *request,
                 struct http_response *response, nanos now)
{
    struct error error = {0};
    bool sfu = false;
    unsigned count = number_of(request->query, "count", COUNT_DEFAULT);
    size_t present = count_in(all, room);
    size_t total;
    const struct synthetic *peer;
    DL_COUNT(all->list, peer, total);
    if (count == 0 || count > SYNTHETIC_ROOM_MAX) {
        http_response_refuse(response, HTTP_BAD_REQUEST, "count is a number from 1 to %d", SYNTHETIC_ROOM_MAX);
    } else if (server_room(all->server, room, &sfu) <= present) {
        http_response_refuse(response, HTTP_CONFLICT, "somebody else has to be in the room first");
    } else if (present + count > SYNTHETIC_ROOM_MAX || total + count > SYNTHETIC_MAX) {
        http_response_refuse(response, HTTP_CONFLICT, "there are enough synthetic peers: %d in a room, %d in all",
                             SYNTHETIC_ROOM_MAX, SYNTHETIC_MAX);
    } else {
        bool well = true;
        const struct wanted wanted = {.room = room,
                                      .sfu = sfu,
                                      .height = number_of(request->query, "height", HEIGHT_DEFAULT),
                                      .people = (uint32_t)(present + count)};
        for (unsigned i = 0; i < count && well; i++)
            well = add(all, &wanted, free_number(all, room), now, &error);
        world_timer_set(all->timer, now + SWEEP);
        response->status = HTTP_CREATED;
        if (!well)
            http_response_refuse(response, HTTP_SERVICE_UNAVAILABLE, "%s", error.text);
    }
}

/* [{"name": "synthetic-1", "tracks": [{"peer": "alice", "kind": "video", "frames": 70, "height": 360}, …]}, …] */
static json_t *describe_tracks(const struct synthetic *peer)
{
    static const char *const kinds[] = {[TRACK_AUDIO] = "audio", [TRACK_VIDEO] = "video", [TRACK_SCREEN] = "screen"};
    json_t *tracks = json_array();
    const struct call *call;
    for (size_t i = 0; (call = participant_call(peer->participant, i)) != NULL; i++) {
        for (const struct remote_track *track = call_tracks(call); track != NULL; track = track->next)
            json_array_append_new(tracks, json_pack("{s:s, s:s, s:I, s:i}", "peer", track->publisher, "kind",
                                                    kinds[track->kind], "frames", (json_int_t)track->frame_count,
                                                    "height", (int)track->height));
    }
    return tracks;
}

static void get(const struct synthetic_peers *all, const char *room, struct http_response *response)
{
    json_t *list = json_array();
    const struct synthetic *peer;
    DL_FOREACH(all->list, peer)
    {
        if (strcmp(peer->room, room) == 0)
            json_array_append_new(list, json_pack("{s:s, s:o}", "name", peer->name, "tracks", describe_tracks(peer)));
    }
    char *text = json_dumps(list, 0);
    if (text != NULL)
        http_response_set(response, HTTP_OK, "application/json", text, strlen(text));
    http_response_add(response, "Cache-Control", "no-store");
    free(text);
    json_decref(list);
}

static void delete_all(struct synthetic_peers *all, const char *room, struct http_response *response, nanos now)
{
    struct synthetic *peer;
    struct synthetic *next;
    DL_FOREACH_SAFE(all->list, peer, next)
    {
        if (strcmp(peer->room, room) == 0)
            dismiss(peer, now);
    }
    response->status = HTTP_NO_CONTENT;
}

bool synthetic_peers_handle(struct synthetic_peers *all, const struct http_request *request,
                            struct http_response *response, nanos now)
{
    static const char prefix[] = "/rooms/";
    static const char suffix[] = "/peers";
    char room[NAME_CAP];
    size_t len = strlen(request->path);
    size_t around = strlen(prefix) + strlen(suffix);
    if (len <= around || len - around >= sizeof room || strncmp(request->path, prefix, strlen(prefix)) != 0 ||
        strcmp(request->path + len - strlen(suffix), suffix) != 0)
        return false;
    snprintf(room, sizeof room, "%.*s", (int)(len - around), request->path + strlen(prefix));
    bool reads = request->method == HTTP_GET || request->method == HTTP_HEAD;
    if (reads) {
        get(all, room, response);
    } else if (request->method != HTTP_POST && request->method != HTTP_DELETE) {
        http_response_refuse(response, HTTP_METHOD_NOT_ALLOWED, "GET, POST and DELETE");
        http_response_add(response, "Allow", "GET, HEAD, POST, DELETE");
    } else if (is_foreign(request)) {
        http_response_refuse(response, HTTP_FORBIDDEN, "only from pages of this server");
    } else if (request->method == HTTP_POST) {
        post(all, room, request, response, now);
    } else {
        delete_all(all, room, response, now);
    }
    return true;
}

/* --- life ------------------------------------------------------------------------------------------------------------------- */

struct synthetic_peers *synthetic_peers_create(struct live_world *live, const struct server *server,
                                               struct error *error)
{
    struct synthetic_peers *all = calloc(1, sizeof *all);
    if (all == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    all->live = live;
    all->server = server;
    RAND_bytes((unsigned char *)&all->seed, sizeof all->seed);
    struct address addresses[SERVER_LISTEN_MAX];
    const struct live_host_config host = {.name = "synthetic peers",
                                          .addresses = addresses,
                                          .address_count = server_addresses(server, addresses, SERVER_LISTEN_MAX)};
    const struct certificate_config dtls = {.serial = all->seed >> 1,
                                            .not_before_unix_s = live_world_unix_origin_s(live) - 24 * 3600};
    all->certificate = certificate_create(&dtls, error);
    if (all->certificate != NULL)
        all->host = live_world_add_host(live, &host, error);
    all->timer = all->host != NULL ? world_timer_open(all->host, sweep, all) : NULL;
    if (all->timer == NULL) {
        synthetic_peers_destroy(all);
        return NULL;
    }
    return all;
}

void synthetic_peers_destroy(struct synthetic_peers *all)
{
    if (all == NULL)
        return;
    while (all->list != NULL) {
        struct synthetic *peer = all->list;
        DL_DELETE(all->list, peer);
        participant_destroy(peer->participant);
        free(peer);
    }
    if (all->timer != NULL)
        world_timer_close(all->timer);
    certificate_destroy(all->certificate);
    free(all);
}
