#include "peer/participant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/rng.h"
#include "peer/call_group.h"
#include "peer/rejoin.h"

enum { NAME_CAP = 64, REASON_CAP = 160 };

/* Between two tries to find new paths for calls of a mesh. */
#define REPAIR_INTERVAL (5 * NANOS_PER_S)

/* Someone else in a mesh, as the server says. */
struct other {
    char name[NAME_CAP];
    UT_hash_handle hh;
};

struct participant {
    struct participant_config config;
    char room[NAME_CAP];
    char name[NAME_CAP];
    struct world_channel *channel;
    struct room_message joined; /* kept for its ICE servers */
    bool is_joined;
    struct other *others; /* hash table by name, of a mesh; those whom we knew while we are out */
    struct call_group *calls;
    uint64_t calls_made;               /* each gets a seed of its own */
    struct connection_statistics past; /* of ended calls */
    struct world_timer *timer;         /* for what is due: */
    nanos repair_at;                   /* a call has failed */
    nanos rejoin_at;                   /* somewhere: see rejoin */
    nanos give_up_at;                  /* unless the server has let us in */
    nanos scout_at;                    /* for a server that the room should be at, or until it has answered */
    struct rejoin rejoin;
    struct world_channel *scout; /* to that server */
    char trouble[REASON_CAP];    /* why we are out */
    bool has_left;               /* said goodbye */
};

const char *participant_name(const struct participant *p) { return p->name; }

struct call *participant_call(const struct participant *p, size_t index) { return call_group_at(p->calls, index); }

const char *participant_trouble(const struct participant *p) { return p->trouble[0] != '\0' ? p->trouble : NULL; }

static void add_traffic(struct connection_statistics *sum, struct call *call)
{
    struct connection_statistics statistics = connection_statistics(call_connection(call));
    sum->packets_sent += statistics.packets_sent;
    sum->bytes_sent += statistics.bytes_sent;
    sum->packets_received += statistics.packets_received;
    sum->bytes_received += statistics.bytes_received;
    sum->streams_sent += statistics.streams_sent;
    sum->streams_received += statistics.streams_received;
    sum->padding_sent += statistics.padding_sent;
    sum->retransmitted_packets += statistics.retransmitted_packets;
    sum->retransmitted_bytes += statistics.retransmitted_bytes;
    sum->packets_dropped += statistics.packets_dropped;
    sum->data_bytes_sent += statistics.data_bytes_sent;
    sum->data_bytes_received += statistics.data_bytes_received;
}

struct connection_statistics participant_traffic(const struct participant *p)
{
    struct connection_statistics sum = p->past;
    struct call *call;
    for (size_t i = 0; (call = call_group_at(p->calls, i)) != NULL; i++)
        add_traffic(&sum, call);
    return sum;
}

size_t participant_calls_made(const struct participant *p)
{
    return p->config.shape == CALL_MESH ? p->joined.peer_count : 1;
}

/* --- calls ---------------------------------------------------------------------------------------------------------------- */

static void send_message(struct participant *p, const struct room_message *message)
{
    size_t len;
    char *text = p->channel != NULL ? room_message_write(message, &len) : NULL;
    if (text != NULL)
        world_channel_send(p->channel, text, len);
    free(text);
}

static void set_timer(struct participant *p)
{
    nanos repair_or_scout = nanos_min(p->repair_at, p->scout_at);
    world_timer_set(p->timer, nanos_min(repair_or_scout, nanos_min(p->rejoin_at, p->give_up_at)));
}

/* --- who is there ----------------------------------------------------------------------------------------------------------- */

static bool is_there(const struct participant *p, const char *name)
{
    struct other *other;
    HASH_FIND_STR(p->others, name, other);
    return other != NULL;
}

static void note_other(struct participant *p, const char *name)
{
    struct other *other = is_there(p, name) ? NULL : calloc(1, sizeof *other);
    if (other == NULL)
        return;
    snprintf(other->name, sizeof other->name, "%s", name);
    HASH_ADD_STR(p->others, name, other);
}

static void forget_other(struct participant *p, const char *name)
{
    struct other *other;
    HASH_FIND_STR(p->others, name, other);
    if (other != NULL)
        HASH_DEL(p->others, other);
    free(other);
}

static void forget_others(struct participant *p)
{
    while (p->others != NULL)
        forget_other(p, p->others->name);
}

static void call_says(void *user, struct call *call, const struct room_message *message)
{
    struct participant *p = user;
    /* While either is out nobody would hear it. What was not agreed on then is begun anew. */
    if (p->is_joined && (p->config.shape == CALL_SFU || is_there(p, call_remote_name(call))))
        send_message(p, message);
}

/* --- how calls are ---------------------------------------------------------------------------------------------------------- */

static bool stands(struct call *call)
{
    return transport_state(connection_transport(call_connection(call))) == TRANSPORT_CONNECTED;
}

/* It stood, and has failed. */
static bool has_broken(struct call *call)
{
    const struct transport *transport = connection_transport(call_connection(call));
    return transport_state(transport) == TRANSPORT_FAILED && transport_times(transport).dtls_connected != NANOS_NEVER;
}

/* Nobody is there any more to mend it with. */
static bool is_over(const struct participant *p, struct call *call)
{
    return p->config.shape == CALL_MESH && p->is_joined && !is_there(p, call_remote_name(call)) && !stands(call);
}

static void call_state(void *user, struct call *call, enum transport_state state, const char *reason, nanos now)
{
    struct participant *p = user;
    if (p->config.callbacks->call_state != NULL)
        p->config.callbacks->call_state(p->config.user, p, call, state, reason, now);
    /* Later, since the call is in the middle of something. */
    bool to_mend = has_broken(call) && (p->config.shape == CALL_MESH || p->rejoin.count > 0);
    if (!p->has_left && (to_mend || is_over(p, call))) {
        p->repair_at = nanos_min(p->repair_at, now);
        set_timer(p);
    }
}

static void track_added(void *user, struct call *call, struct remote_track *track, nanos now)
{
    struct participant *p = user;
    (void)call;
    if (p->config.callbacks->track_added != NULL)
        p->config.callbacks->track_added(p->config.user, p, track, now);
}

static void track_removed(void *user, struct call *call, struct remote_track *track, nanos now)
{
    struct participant *p = user;
    (void)call;
    if (p->config.callbacks->track_removed != NULL)
        p->config.callbacks->track_removed(p->config.user, p, track, now);
}

static void frame_received(void *user, struct call *call, struct remote_track *track,
                           const struct received_frame *frame, nanos now)
{
    struct participant *p = user;
    (void)call;
    if (p->config.callbacks->frame != NULL)
        p->config.callbacks->frame(p->config.user, p, track, frame, now);
}

static void data_reported(void *user, struct call *call, const struct data_report *report, nanos now)
{
    struct participant *p = user;
    (void)call;
    if (p->config.callbacks->data != NULL)
        p->config.callbacks->data(p->config.user, p, report, now);
}

static const struct call_callbacks call_callbacks = {.say = call_says,
                                                     .state = call_state,
                                                     .track_added = track_added,
                                                     .track_removed = track_removed,
                                                     .frame = frame_received,
                                                     .data = data_reported};

static void fail(struct participant *p, const char *reason, nanos now)
{
    if (p->config.callbacks->failed != NULL)
        p->config.callbacks->failed(p->config.user, p, reason, now);
}

static struct call *call_with(const struct participant *p, const char *remote_name)
{
    struct call *call;
    for (size_t i = 0; (call = call_group_at(p->calls, i)) != NULL; i++) {
        if (strcmp(call_remote_name(call), remote_name) == 0)
            return call;
    }
    return NULL;
}

static struct call *start_call(struct participant *p, const char *remote_name, bool offerer, nanos now)
{
    struct error error;
    struct rng seeds = rng_of(p->config.seed, "calls", p->calls_made++);
    const struct call_config config = {
        .host = p->config.host,
        .shape = p->config.shape,
        .offerer = offerer,
        .own_name = p->name,
        .remote_name = remote_name,
        .plan = &p->config.plan,
        .number = p->config.number,
        .room_has_screen = p->config.room_has_screen,
        .certificate = p->config.certificate,
        .tls = p->config.tls,
        .joined = &p->joined,
        .relay_only = p->config.relay_only,
        .seed = rng_u64(&seeds),
        .ntp_origin = p->config.ntp_origin,
        .keylog = p->config.keylog,
        .keylog_user = p->config.keylog_user,
        .network_latency = p->config.network_latency,
        .callbacks = &call_callbacks,
        .user = p,
    };
    struct call *call = call_create(&config, now, &error);
    if (call != NULL && !call_group_add(p->calls, call)) {
        error_set(&error, ERROR_SYSTEM, "out of memory");
        call_destroy(call);
        call = NULL;
    }
    if (call == NULL)
        fail(p, error.text, now);
    return call;
}

static void end_call(struct participant *p, struct call *call, nanos now)
{
    call_group_remove(p->calls, call);
    add_traffic(&p->past, call);
    for (struct remote_track *track = call_tracks(call); track != NULL; track = track->next)
        track_removed(p, call, track, now);
    call_destroy(call);
}

/* --- signalling ------------------------------------------------------------------------------------------------------------ */

/* In a mesh: who comes makes the offers, but calls of before that still stand go on. */
static void call_others(struct participant *p, nanos now)
{
    for (size_t i = 0; i < p->joined.peer_count; i++)
        note_other(p, p->joined.peers[i]);
    for (size_t i = 0; i < p->joined.peer_count; i++) {
        struct call *call = call_with(p, p->joined.peers[i]);
        if (call != NULL && stands(call))
            continue;
        if (call != NULL)
            end_call(p, call, now);
        start_call(p, p->joined.peers[i], true, now);
    }
    p->repair_at = now; /* those who have left meanwhile */
}

static void on_joined(struct participant *p, struct room_message *message, nanos now)
{
    room_message_clear(&p->joined);
    p->joined = *message;
    memset(message, 0, sizeof *message); /* ours now */
    p->is_joined = true;
    p->give_up_at = NANOS_NEVER;
    p->scout_at = rejoin_is_away(&p->rejoin) ? now + rejoin_scout_delay(&p->rejoin) : NANOS_NEVER;
    p->trouble[0] = '\0';
    rejoin_done(&p->rejoin);
    if (p->calls_made == 0)
        call_group_talk(p->calls, now);
    if (p->config.callbacks->joined != NULL)
        p->config.callbacks->joined(p->config.user, p, now);
    if (p->config.shape == CALL_SFU)
        start_call(p, "", true, now);
    else
        call_others(p, now);
    set_timer(p);
}

static void hear(struct participant *p, const struct room_message *message, nanos now)
{
    bool joined = message->type == ROOM_PEER_JOINED;
    bool left = message->type == ROOM_PEER_LEFT;
    bool about_room = joined || left || message->type == ROOM_MUTE || message->type == ROOM_SPEAKER;
    bool mesh = p->config.shape == CALL_MESH;
    if (mesh && joined)
        note_other(p, message->peer);
    if (mesh && left) {
        /* It may have lost the server alone: a call that stands goes on until it is silent, or says goodbye. */
        forget_other(p, message->peer);
        struct call *call = call_with(p, message->peer);
        if (call != NULL && is_over(p, call))
            end_call(p, call, now);
    }
    if (left && rejoin_is_away(&p->rejoin) && p->scout == NULL && p->is_joined) {
        p->scout_at = nanos_min(p->scout_at, now); /* perhaps to where we should be */
        set_timer(p);
    }
    if (about_room && p->config.callbacks->told != NULL)
        p->config.callbacks->told(p->config.user, p, message, now);
}

static void call_back(struct participant *p)
{
    if (p->scout != NULL)
        world_channel_close(p->scout);
    p->scout = NULL;
    p->scout_at = NANOS_NEVER;
}

/* Out of the room. With an SFU everything goes; the calls of a mesh go on, as nobody else is in them. */
static void drop_out(struct participant *p, const char *reason, nanos now)
{
    struct call *call;
    bool mesh = p->config.shape == CALL_MESH;
    if (p->is_joined && !mesh && p->config.callbacks->lost != NULL)
        p->config.callbacks->lost(p->config.user, p, reason, now);
    while (!mesh && (call = call_group_at(p->calls, 0)) != NULL) {
        call_close(call, now); /* its allocation on a TURN server is not to stay */
        end_call(p, call, now);
    }
    forget_others(p);
    snprintf(p->trouble, sizeof p->trouble, "%s", reason);
    p->repair_at = p->give_up_at = NANOS_NEVER;
    p->is_joined = false;
}

/* ... and if there is another place to meet, that is tried in a while. */
static void lose(struct participant *p, const char *reason, nanos now)
{
    struct world_channel *channel = p->channel;
    p->channel = NULL;
    call_back(p);
    if (!p->has_left && p->rejoin.count == 0) {
        fail(p, reason, now);
    } else if (!p->has_left) {
        drop_out(p, reason, now);
        p->rejoin_at = now + rejoin_delay(&p->rejoin);
        set_timer(p);
    }
    if (channel != NULL)
        world_channel_close(channel); /* last: the reason may be the channel's */
}

/* The first time that is for good. Later the server may still take us for the one whom it has lost. */
static void refused(struct participant *p, const char *reason, nanos now)
{
    if (p->is_joined || p->trouble[0] == '\0')
        fail(p, reason, now);
    else
        lose(p, reason, now);
}

static void for_a_call(struct participant *p, const struct room_message *message, nanos now)
{
    struct error error;
    const char *remote_name = message->from != NULL ? message->from : "";
    struct call *call = call_with(p, remote_name);
    bool mesh_offer = message->type == ROOM_OFFER && p->config.shape == CALL_MESH;
    if (call != NULL && mesh_offer && !call_is_continued_by(call, message)) {
        end_call(p, call, now);
        call = NULL;
    }
    if (call == NULL && mesh_offer)
        call = start_call(p, remote_name, false, now);
    if (call == NULL)
        return; /* someone who has left meanwhile */
    if (!call_handle(call, message, now, &error))
        fail(p, error.text, now);
}

static void received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct participant *p = user;
    struct room_message message;
    struct error error;
    (void)channel;
    if (!room_message_read(&message, text, len, &error)) {
        fail(p, error.text, now);
        return;
    }
    if (message.type == ROOM_JOINED && !p->is_joined)
        on_joined(p, &message, now);
    else if (message.type == ROOM_ERROR)
        refused(p, message.reason, now);
    else if (p->is_joined && (message.type == ROOM_OFFER || message.type == ROOM_ANSWER ||
                              message.type == ROOM_CANDIDATE || message.type == ROOM_CANDIDATES_END))
        for_a_call(p, &message, now);
    else
        hear(p, &message, now);
    room_message_clear(&message);
    call_group_update(p->calls);
}

static void opened(void *user, struct world_channel *channel, nanos now)
{
    struct participant *p = user;
    (void)channel, (void)now;
    send_message(p, &(struct room_message){.type = ROOM_JOIN,
                                           .room = p->room,
                                           .peer = p->name,
                                           .topology = p->config.shape == CALL_MESH ? "mesh" : "sfu"});
}

static void closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    (void)channel;
    lose(user, reason, now);
}

static const struct world_channel_callbacks channel_callbacks = {opened, received, closed};

/* --- back to where the room should be ------------------------------------------------------------------------------------- */

static void scout_opened(void *user, struct world_channel *channel, nanos now)
{
    struct participant *p = user;
    struct world_channel *old = p->channel;
    p->scout = NULL;
    call_back(p);
    rejoin_return(&p->rejoin);
    drop_out(p, "a server of before is back", now);
    p->channel = channel;
    p->give_up_at = now + rejoin_patience(&p->rejoin);
    set_timer(p);
    world_channel_adopt(channel, &channel_callbacks, p);
    if (old != NULL)
        world_channel_close(old);
    opened(p, channel, now);
}

static void scout_closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    struct participant *p = user;
    (void)channel, (void)reason;
    call_back(p);
    p->scout_at = now + rejoin_scout_delay(&p->rejoin);
    set_timer(p);
}

/* It is time to look for that server, or it hasn't answered. */
static void scout(struct participant *p, nanos now)
{
    static const struct world_channel_callbacks callbacks = {.opened = scout_opened, .closed = scout_closed};
    struct error error;
    bool silent = p->scout != NULL;
    call_back(p);
    if (!silent)
        p->scout = world_channel_connect(p->config.host, rejoin_scout(&p->rejoin), &callbacks, p, &error);
    p->scout_at = now + (p->scout != NULL ? rejoin_patience(&p->rejoin) : rejoin_scout_delay(&p->rejoin));
}

/* --- what is due -------------------------------------------------------------------------------------------------------- */

static void rejoin(struct participant *p, nanos now)
{
    struct error error;
    p->rejoin_at = NANOS_NEVER;
    p->give_up_at = now + rejoin_patience(&p->rejoin);
    p->channel = world_channel_connect(p->config.host, rejoin_server(&p->rejoin), &channel_callbacks, p, &error);
    if (p->channel == NULL)
        lose(p, error.text, now);
}

/* A call has been without consent for too long. The SFU's is all there is; in a mesh each finds another path by itself
 * (RFC 8445, section 9), and who made the offer makes the next. */
static void repair(struct participant *p, nanos now)
{
    p->repair_at = NANOS_NEVER;
    if (p->config.shape == CALL_SFU) {
        lose(p, "the SFU has been silent for too long", now);
        return;
    }
    struct call *call;
    for (size_t i = 0; p->is_joined && (call = call_group_at(p->calls, i)) != NULL;) {
        if (is_over(p, call)) {
            end_call(p, call, now);
            continue;
        }
        i++;
        if (!has_broken(call))
            continue;
        p->repair_at = now + REPAIR_INTERVAL;
        if (call_is_offerer(call))
            call_restart_ice(call, now);
    }
}

static void timer_fired(void *user, nanos now)
{
    struct participant *p = user;
    if (p->repair_at <= now)
        repair(p, now);
    if (p->give_up_at <= now)
        lose(p, "the server doesn't answer", now);
    if (p->rejoin_at <= now)
        rejoin(p, now);
    if (p->scout_at <= now)
        scout(p, now);
    set_timer(p);
}

/* --- life ------------------------------------------------------------------------------------------------------------------- */

struct participant *participant_create(const struct participant_config *config, nanos now, struct error *error)
{
    struct participant *p = calloc(1, sizeof *p);
    (void)now;
    if (p == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    p->config = *config;
    snprintf(p->room, sizeof p->room, "%s", config->room);
    snprintf(p->name, sizeof p->name, "%s", config->name);
    const struct call_group_config calls = {
        .host = config->host, .plan = &p->config.plan, .conversation = config->conversation, .number = config->number};
    rejoin_init(&p->rejoin, config->meeting_places, config->meeting_place_count, config->seed);
    p->repair_at = p->rejoin_at = p->give_up_at = p->scout_at = NANOS_NEVER;
    p->calls = call_group_create(&calls, error);
    p->timer = p->calls != NULL ? world_timer_open(config->host, timer_fired, p) : NULL;
    const struct address *server = p->rejoin.count > 0 ? rejoin_server(&p->rejoin) : &config->server;
    if (p->timer != NULL)
        p->channel = world_channel_connect(config->host, server, &channel_callbacks, p, error);
    if (p->channel == NULL) {
        participant_destroy(p);
        return NULL;
    }
    return p;
}

void participant_destroy(struct participant *p)
{
    if (p == NULL)
        return;
    call_group_destroy(p->calls);
    call_back(p);
    forget_others(p);
    if (p->channel != NULL)
        world_channel_close(p->channel);
    if (p->timer != NULL)
        world_timer_close(p->timer);
    room_message_clear(&p->joined);
    free(p);
}

void participant_say(struct participant *p, const struct room_message *message) { send_message(p, message); }

void participant_leave(struct participant *p, nanos now)
{
    struct call *call;
    p->has_left = true;
    for (size_t i = 0; (call = call_group_at(p->calls, i)) != NULL; i++)
        call_close(call, now);
    send_message(p, &(struct room_message){.type = ROOM_LEAVE});
}
