#include "sfu/signalling_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "sfu/message_allowance.h"
#include "sfu/sfu.h"

enum { NAME_CAP = ROOM_NAME_CAP };

static const char *const tracks[] = {"audio", "video", "screen"};
enum { TRACKS = sizeof tracks / sizeof tracks[0] };

struct room {
    char name[NAME_CAP];
    bool sfu;
    struct member *members; /* hash table by name, in the order in which they joined */
    UT_hash_handle hh;
};

/* Someone with an open channel; in a room once they have joined. */
struct member {
    struct signalling_server *server;
    struct world_channel *channel;
    struct room *room;
    char name[NAME_CAP];
    struct sfu_participant *participant; /* in an SFU room */
    uint8_t muted;                       /* a bit for each of `tracks` */
    struct message_allowance allowance;
    struct member *previous, *next; /* of the server's list */
    UT_hash_handle hh;
};

struct signalling_server {
    struct signalling_server_config config;
    char *texts[3 * ROOM_ICE_SERVERS_MAX]; /* of the ICE servers */
    size_t text_count;
    struct world_channel_listener *listener; /* NULL: others bring channels */
    bool dismissed;
    struct room *rooms;
    struct member *members;
    size_t member_count;
    uint64_t joins, refusals;
};

static void send_message(struct member *member, const struct room_message *message)
{
    size_t len;
    char *text = room_message_write(message, &len);
    if (text != NULL)
        world_channel_send(member->channel, text, len);
    free(text);
}

static void refuse(struct member *member, const char *reason)
{
    member->server->refusals++;
    send_message(member, &(struct room_message){.type = ROOM_ERROR, .reason = reason});
}

static void note(const struct member *member, const char *event, nanos now)
{
    const struct signalling_server_config *config = &member->server->config;
    if (config->note != NULL)
        config->note(config->user, event, member->room->name, member->name, member->room->sfu ? "sfu" : "mesh", now);
}

static void tell_others(const struct member *about, enum room_message_type type)
{
    struct member *other, *next;
    HASH_ITER(hh, about->room->members, other, next)
    {
        if (other != about)
            send_message(other, &(struct room_message){.type = type, .peer = about->name});
    }
}

/* --- what is muted --------------------------------------------------------------------------------------------------------- */

static void tell_muted(struct member *to, const struct member *about, size_t track)
{
    send_message(to, &(struct room_message){.type = ROOM_MUTE,
                                            .peer = about->name,
                                            .track = tracks[track],
                                            .muted = (about->muted & 1u << track) != 0});
}

/* A newcomer hears what is off. */
static void tell_all_muted(struct member *member)
{
    struct member *other, *next;
    HASH_ITER(hh, member->room->members, other, next)
    {
        for (size_t track = 0; track < TRACKS && other != member; track++) {
            if ((other->muted & 1u << track) != 0)
                tell_muted(member, other, track);
        }
    }
}

static void mute(struct member *member, const struct room_message *message, nanos now)
{
    struct member *other, *next;
    size_t track = 0;
    while (track < TRACKS && strcmp(tracks[track], message->track) != 0)
        track++;
    if (track == TRACKS) {
        refuse(member, "track is audio, video or screen");
        return;
    }
    member->muted = (uint8_t)(message->muted ? member->muted | 1u << track : member->muted & ~(1u << track));
    HASH_ITER(hh, member->room->members, other, next)
    {
        if (other != member)
            tell_muted(other, member, track);
    }
    if (member->participant != NULL)
        sfu_message(member->participant, message, now);
}

/* --- joining and leaving --------------------------------------------------------------------------------------------------- */

static void sfu_says(void *user, const struct room_message *message) { send_message(user, message); }

static void leave_room(struct member *member, nanos now)
{
    struct room *room = member->room;
    if (room == NULL)
        return;
    if (member->participant != NULL)
        sfu_leave(member->participant, now);
    member->participant = NULL;
    note(member, "leave", now);
    tell_others(member, ROOM_PEER_LEFT);
    HASH_DELETE(hh, room->members, member);
    member->room = NULL;
    member->muted = 0;
    if (room->members == NULL) {
        HASH_DELETE(hh, member->server->rooms, room);
        free(room);
    }
}

static struct room *room_named(struct signalling_server *server, const char *name, bool sfu)
{
    struct room *room;
    HASH_FIND_STR(server->rooms, name, room);
    if (room != NULL || (room = calloc(1, sizeof *room)) == NULL)
        return room;
    snprintf(room->name, sizeof room->name, "%s", name);
    room->sfu = sfu;
    HASH_ADD_STR(server->rooms, name, room);
    return room;
}

/* Why this join can't be; NULL when it can. */
static const char *join_refusal(const struct member *member, const struct room_message *message)
{
    struct signalling_server *server = member->server;
    struct room *room;
    struct member *namesake;
    uint32_t limit = server->config.room_limit != 0 ? server->config.room_limit : ROOM_PEERS_MAX;
    bool sfu = strcmp(message->topology, "sfu") == 0;
    if (member->room != NULL)
        return "already in a room";
    if (message->room[0] == '\0' || strlen(message->room) >= NAME_CAP || message->peer[0] == '\0' ||
        strlen(message->peer) >= NAME_CAP)
        return "room and peer are names of 1 to 63 bytes";
    if (!sfu && strcmp(message->topology, "mesh") != 0)
        return "topology is mesh or sfu";
    if (sfu && server->config.sfu == NULL)
        return "this server has no SFU";
    HASH_FIND_STR(server->rooms, message->room, room);
    if (room == NULL)
        return NULL;
    if (room->sfu != sfu)
        return "the room has the other topology";
    HASH_FIND_STR(room->members, message->peer, namesake);
    if (namesake != NULL)
        return "someone of that name is in the room";
    return HASH_COUNT(room->members) >= limit ? "the room is full" : NULL;
}

static void join(struct member *member, const struct room_message *message, nanos now)
{
    struct signalling_server *server = member->server;
    const char *refusal = join_refusal(member, message);
    struct room *room =
        refusal == NULL ? room_named(server, message->room, strcmp(message->topology, "sfu") == 0) : NULL;
    if (room == NULL) {
        refuse(member, refusal != NULL ? refusal : "out of memory");
        return;
    }
    size_t count = HASH_COUNT(room->members);
    const char **peers = calloc(count + 1, sizeof *peers);
    size_t i = 0;
    for (struct member *other = room->members; peers != NULL && other != NULL; other = other->hh.next)
        peers[i++] = other->name;
    struct room_message joined = {
        .type = ROOM_JOINED, .peers = peers, .peer_count = i, .ice_server_count = server->config.ice_server_count};
    memcpy(joined.ice_servers, server->config.ice_servers, sizeof joined.ice_servers);
    send_message(member, &joined);
    free(peers);
    snprintf(member->name, sizeof member->name, "%s", message->peer);
    member->room = room;
    HASH_ADD_STR(room->members, name, member);
    server->joins++;
    note(member, "join", now);
    tell_others(member, ROOM_PEER_JOINED);
    tell_all_muted(member);
    if (room->sfu)
        member->participant = sfu_join(server->config.sfu, room->name, member->name, sfu_says, member, now);
}

/* --- messages -------------------------------------------------------------------------------------------------------------- */

static void pass_on(struct member *member, struct room_message *message)
{
    struct member *recipient = NULL;
    if (message->to != NULL)
        HASH_FIND_STR(member->room->members, message->to, recipient);
    if (recipient == NULL) {
        refuse(member, "'to' names nobody in the room");
        return;
    }
    message->from = member->name;
    message->to = NULL;
    send_message(recipient, message);
}

static void tell_seat(const struct member *member)
{
    const struct signalling_server_config *config = &member->server->config;
    if (config->seated != NULL)
        config->seated(config->user, member->channel, member->room != NULL);
}

static void handle(struct member *member, struct room_message *message, nanos now)
{
    switch (message->type) {
    case ROOM_JOIN:
        join(member, message, now);
        tell_seat(member);
        break;
    case ROOM_LEAVE:
        leave_room(member, now);
        tell_seat(member);
        break;
    case ROOM_OFFER:
    case ROOM_ANSWER:
    case ROOM_CANDIDATE:
    case ROOM_CANDIDATES_END:
        if (member->room == NULL)
            refuse(member, "join a room first");
        else if (member->participant != NULL)
            sfu_message(member->participant, message, now);
        else if (!member->room->sfu)
            pass_on(member, message);
        break;
    case ROOM_LAYOUT:
    case ROOM_WATCH:
        if (member->room == NULL)
            refuse(member, "join a room first");
        else if (member->participant != NULL)
            sfu_message(member->participant, message, now);
        else if (!member->room->sfu)
            refuse(member, "in a mesh everything is sent");
        break;
    case ROOM_MUTE:
        if (member->room == NULL)
            refuse(member, "join a room first");
        else
            mute(member, message, now);
        break;
    default:
        refuse(member, "only the server says this");
        break;
    }
}

static void forget(struct member *member, nanos now);

static void received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct member *member = user;
    struct room_message message;
    struct error error;
    (void)channel;
    if (!message_allowance_take(&member->allowance, now)) {
        refuse(member, "too many messages");
        forget(member, now);
        return;
    }
    if (!room_message_read(&message, text, len, &error)) {
        refuse(member, error.text);
        return;
    }
    handle(member, &message, now);
    room_message_clear(&message);
}

static void forget(struct member *member, nanos now)
{
    struct signalling_server *server = member->server;
    leave_room(member, now);
    world_channel_close(member->channel);
    *(member->previous != NULL ? &member->previous->next : &server->members) = member->next;
    if (member->next != NULL)
        member->next->previous = member->previous;
    server->member_count--;
    free(member);
}

static void closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    (void)channel, (void)reason;
    forget(user, now);
}

void signalling_server_accept(struct signalling_server *server, struct world_channel *channel, nanos now)
{
    static const struct world_channel_callbacks callbacks = {.received = received, .closed = closed};
    uint32_t limit = server->config.server_limit != 0 ? server->config.server_limit : SIGNALLING_SERVER_LIMIT;
    struct member *member = server->member_count < limit && !server->dismissed ? calloc(1, sizeof *member) : NULL;
    if (member == NULL) {
        world_channel_close(channel);
        return;
    }
    member->server = server;
    member->channel = channel;
    member->allowance = message_allowance_full(now);
    member->next = server->members;
    if (member->next != NULL)
        member->next->previous = member;
    server->members = member;
    server->member_count++;
    world_channel_adopt(channel, &callbacks, member);
}

static void accepted(void *user, struct world_channel *channel, nanos now)
{
    signalling_server_accept(user, channel, now);
}

/* --- life ---------------------------------------------------------------------------------------------------------------- */

static void forget_ice_servers(struct signalling_server *server)
{
    for (size_t i = 0; i < server->text_count; i++)
        free(server->texts[i]);
    server->text_count = 0;
    server->config.ice_server_count = 0;
}

static const char *keep(struct signalling_server *server, const char *text)
{
    if (text == NULL)
        return NULL;
    server->texts[server->text_count] = strdup(text);
    return server->texts[server->text_count++];
}

bool signalling_server_set_ice_servers(struct signalling_server *server, const struct room_ice_server *ice_servers,
                                       size_t count)
{
    forget_ice_servers(server);
    for (size_t i = 0; i < count && i < ROOM_ICE_SERVERS_MAX; i++) {
        struct room_ice_server *own = &server->config.ice_servers[i];
        own->url = keep(server, ice_servers[i].url);
        own->username = keep(server, ice_servers[i].username);
        own->credential = keep(server, ice_servers[i].credential);
        if (own->url == NULL)
            return false;
        server->config.ice_server_count++;
    }
    return true;
}

struct signalling_server *signalling_server_create(const struct signalling_server_config *config, struct error *error)
{
    struct signalling_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    server->config = *config;
    bool listens = config->address.family != ADDRESS_NONE;
    if (listens)
        server->listener = world_channel_listen(config->host, &config->address, accepted, server, error);
    bool ready = !listens || server->listener != NULL;
    if (ready && !signalling_server_set_ice_servers(server, config->ice_servers, config->ice_server_count))
        ready = error_set(error, ERROR_SYSTEM, "out of memory");
    if (!ready) {
        signalling_server_destroy(server);
        return NULL;
    }
    return server;
}

void signalling_server_destroy(struct signalling_server *server)
{
    if (server == NULL)
        return;
    nanos now = world_now(world_of(server->config.host));
    while (server->members != NULL)
        forget(server->members, now);
    if (server->listener != NULL)
        world_channel_listener_close(server->listener);
    forget_ice_servers(server);
    free(server);
}

void signalling_server_dismiss(struct signalling_server *server, const char *reason)
{
    nanos now = world_now(world_of(server->config.host));
    if (server->listener != NULL)
        world_channel_listener_close(server->listener);
    server->listener = NULL;
    server->dismissed = true;
    /* First the word to all, so that nobody hears of the others' leaving. */
    for (struct member *member = server->members; member != NULL; member = member->next)
        send_message(member, &(struct room_message){.type = ROOM_ERROR, .reason = reason});
    while (server->members != NULL)
        forget(server->members, now);
}

size_t signalling_server_room(const struct signalling_server *server, const char *name, bool *sfu)
{
    struct room *room;
    HASH_FIND_STR(server->rooms, name, room);
    *sfu = room != NULL && room->sfu;
    return room != NULL ? HASH_COUNT(room->members) : 0;
}

struct signalling_statistics signalling_server_statistics(const struct signalling_server *server)
{
    return (struct signalling_statistics){.rooms = HASH_COUNT(server->rooms),
                                          .members = server->member_count,
                                          .joins = server->joins,
                                          .refusals = server->refusals};
}
