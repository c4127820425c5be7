#include "rtc/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/packet_kind.h"
#include "rtc/stun.h"

/* Relays that the chosen path doesn't need are given back this long after ICE has completed. */
#define RELAY_SPARE_TIME (2 * NANOS_PER_S)

/* Relays are tried as cheaply as they can be had: by TCP when none has come about by UDP this long after the start, by
 * TLS when none by TCP either after twice that. A client that UDP reaches then costs its server one allocation. */
#define RELAY_STAGE (300 * NANOS_PER_MS)

enum { NO_BASE = -1, NO_SOCKET = -1, REASON_CAP = 160 };

/* A TURN server seen through one of our sockets, or through a stream of its own. */
struct relay {
    struct turn_client *client; /* NULL: given back, or failed */
    const struct transport_turn_server *server;
    int socket;    /* NO_SOCKET: a stream, whose number is the relay's */
    int base;      /* in ICE; NO_BASE before the allocation stands */
    nanos open_at; /* NANOS_NEVER once that was decided */
    nanos heard;   /* data of the peer's, when last; NANOS_NEVER: never */
    bool settled;
};

struct transport {
    /* What each packet needs comes first. */
    struct relay *relays;
    int relay_count;
    int socket_base[TRANSPORT_SOCKETS_MAX];
    enum srtp_profile profile;
    struct srtp_session *inbound;
    struct srtp_session *outbound;
    /* The selected pair, kept here so that a packet asks nobody. */
    bool has_path;
    bool started;
    bool bases_done;
    bool expects_data;
    bool secured; /* DTLS stands, and SRTP if it was agreed on */
    int path_base;
    struct address path_remote;
    struct ice_agent *ice;
    struct dtls *dtls;
    nanos release_at;
    nanos relays_due; /* when one of them may have to be opened */
    enum transport_state state;
    enum dtls_role role;
    struct transport_config config;
    struct transport_event *events; /* those from `event_head` on are yet to be told */
    size_t event_head, event_count, event_cap;

    struct address sockets[TRANSPORT_SOCKETS_MAX]; /* family ADDRESS_NONE: no such socket */
    int base_relay[ICE_MAX_BASES];                 /* −1: a socket's */
    int base_socket[ICE_MAX_BASES];
    struct transport_turn_server turn_servers[TRANSPORT_TURN_SERVERS_MAX];
    struct fingerprint fingerprints[TRANSPORT_FINGERPRINTS_MAX];
    size_t fingerprint_count;
    struct ice_pair_info pair;
    char reason[REASON_CAP];
    struct transport_times times;
};

/* --- events out --------------------------------------------------------------------------------------------------------- */

static void tell(struct transport *t, const struct transport_event *event)
{
    if (t->event_count == t->event_cap) {
        size_t cap = t->event_cap == 0 ? 4 : 2 * t->event_cap;
        struct transport_event *grown = realloc(t->events, cap * sizeof *grown);
        if (grown == NULL)
            return; /* out of memory: what isn't told will show in the state */
        t->events = grown;
        t->event_cap = cap;
    }
    t->events[t->event_count++] = *event;
}

bool transport_event(struct transport *t, struct transport_event *event)
{
    if (t->event_head == t->event_count) {
        /* Events come in a burst at the start and hardly ever after: don't hold memory for them. */
        free(t->events);
        t->events = NULL;
        t->event_head = t->event_count = t->event_cap = 0;
        return false;
    }
    *event = t->events[t->event_head++];
    return true;
}

static void enter(struct transport *t, enum transport_state state, const char *reason)
{
    bool over = t->state == TRANSPORT_CLOSED || t->state == TRANSPORT_FAILED;
    if (t->state == state || (over && state != TRANSPORT_CHECKING))
        return;
    t->state = state;
    snprintf(t->reason, sizeof t->reason, "%.159s", reason != NULL ? reason : "");
    tell(t, &(struct transport_event){
                .type = TRANSPORT_EVENT_STATE, .state = state, .reason = reason != NULL ? t->reason : NULL});
}

/* --- life --------------------------------------------------------------------------------------------------------------- */

struct transport *transport_create(const struct transport_config *config, struct error *error)
{
    struct transport *t = calloc(1, sizeof *t);
    if (t == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    t->config = *config;
    if (t->config.turn_server_count > TRANSPORT_TURN_SERVERS_MAX)
        t->config.turn_server_count = TRANSPORT_TURN_SERVERS_MAX;
    for (size_t i = 0; i < t->config.turn_server_count; i++)
        t->turn_servers[i] = config->turn_servers[i];
    for (int i = 0; i < TRANSPORT_SOCKETS_MAX; i++)
        t->socket_base[i] = NO_BASE;
    struct ice_config ice = {.lite = config->lite,
                             .controlling = config->controlling,
                             .seed = config->seed,
                             .ufrag_mark = config->ufrag_mark,
                             .stun_servers = config->relay_only ? NULL : config->stun_servers,
                             .stun_server_count = config->relay_only ? 0 : config->stun_server_count};
    t->ice = ice_agent_create(&ice, error);
    t->release_at = t->relays_due = NANOS_NEVER;
    t->times = (struct transport_times){NANOS_NEVER, NANOS_NEVER, NANOS_NEVER};
    if (t->ice == NULL) {
        free(t);
        return NULL;
    }
    t->config.turn_servers = NULL; /* copied, the caller's may go */
    t->config.stun_servers = NULL;
    return t;
}

void transport_destroy(struct transport *t)
{
    if (t == NULL)
        return;
    for (int i = 0; i < t->relay_count; i++)
        turn_client_destroy(t->relays[i].client);
    free(t->relays);
    srtp_session_destroy(t->outbound);
    srtp_session_destroy(t->inbound);
    dtls_destroy(t->dtls);
    ice_agent_destroy(t->ice);
    free(t->events);
    free(t);
}

bool transport_add_socket(struct transport *t, int socket, const struct address *local, struct error *error)
{
    if (socket < 0 || socket >= TRANSPORT_SOCKETS_MAX)
        return error_set(error, ERROR_USAGE, "a transport has at most %d sockets", TRANSPORT_SOCKETS_MAX);
    t->sockets[socket] = *local;
    if (t->config.relay_only)
        return true;
    int base = ice_agent_add_base(t->ice, &(struct ice_base){.type = ICE_HOST, .address = *local});
    if (base < 0)
        return error_set(error, ERROR_USAGE, "the socket's address is there already");
    t->socket_base[socket] = base;
    t->base_socket[base] = socket;
    t->base_relay[base] = -1;
    return true;
}

const char *transport_ufrag(const struct transport *t) { return ice_agent_ufrag(t->ice); }
const char *transport_password(const struct transport *t) { return ice_agent_password(t->ice); }
enum transport_state transport_state(const struct transport *t) { return t->state; }
struct transport_times transport_times(const struct transport *t) { return t->times; }
enum srtp_profile transport_profile(const struct transport *t) { return t->profile; }
enum dtls_role transport_role(const struct transport *t) { return t->role; }
bool transport_has_relays(const struct transport *t) { return t->relay_count > 0; }
void transport_expect_data(struct transport *t) { t->expects_data = true; }

/* --- relays ------------------------------------------------------------------------------------------------------------- */

static void open_relay(struct transport *t, int index)
{
    struct relay *relay = &t->relays[index];
    struct turn_client_config config = {
        .server = relay->server->address,
        .transport = relay->server->transport,
        .username = relay->server->username,
        .password = relay->server->password,
        .seed = t->config.seed ^ (0x7475726e00000000u + (uint64_t)(index + 1)),
        .tls = t->config.tls,
    };
    relay->open_at = NANOS_NEVER;
    relay->client = turn_client_create(&config, NULL);
    relay->settled = relay->client == NULL;
    if (relay->client != NULL && relay->socket == NO_SOCKET)
        tell(t, &(struct transport_event){
                    .type = TRANSPORT_EVENT_OPEN_STREAM, .stream = index, .server = relay->server->address});
}

/* Its turn comes after those that are cheaper. */
static void schedule_relay(struct transport *t, int index, nanos now)
{
    struct relay *relay = &t->relays[index];
    relay->open_at = now + (nanos)relay->server->transport * RELAY_STAGE;
    relay->settled = false;
    relay->base = NO_BASE;
    relay->heard = NANOS_NEVER;
    t->bases_done = false;
}

static void add_relay(struct transport *t, const struct transport_turn_server *server, int socket, nanos now)
{
    if (t->relay_count == TRANSPORT_RELAYS_MAX)
        return;
    t->relays[t->relay_count] = (struct relay){.server = server, .socket = socket};
    schedule_relay(t, t->relay_count++, now);
}

static void plan_relays(struct transport *t, nanos now)
{
    if (t->config.turn_server_count == 0)
        return;
    t->relays = calloc(TRANSPORT_RELAYS_MAX, sizeof *t->relays);
    if (t->relays == NULL)
        return;
    for (size_t i = 0; i < t->config.turn_server_count; i++) {
        const struct transport_turn_server *server = &t->turn_servers[i];
        if (server->transport != TURN_UDP) {
            add_relay(t, server, NO_SOCKET, now);
            continue;
        }
        for (int s = 0; s < TRANSPORT_SOCKETS_MAX; s++) {
            if (t->sockets[s].family == server->address.family)
                add_relay(t, server, s, now);
        }
    }
}

/* ICE is told once that no base will follow: when each relay stands or has failed. */
static void note_bases_done(struct transport *t)
{
    for (int i = 0; i < t->relay_count; i++) {
        if (!t->relays[i].settled)
            return;
    }
    if (!t->bases_done)
        ice_agent_bases_done(t->ice);
    t->bases_done = true;
}

/* Opens those whose turn it is, unless one that is as good or better stands by then. */
static void open_due_relays(struct transport *t, nanos now)
{
    bool stands[TURN_TLS + 1] = {false};
    for (int i = 0; i < t->relay_count; i++) {
        if (t->relays[i].base != NO_BASE)
            stands[t->relays[i].server->transport] = true;
    }
    t->relays_due = NANOS_NEVER;
    for (int i = 0; i < t->relay_count; i++) {
        struct relay *relay = &t->relays[i];
        enum turn_transport transport = relay->server->transport;
        bool better = transport > TURN_UDP && (stands[TURN_UDP] || (transport == TURN_TLS && stands[TURN_TCP]));
        if (relay->open_at > now) {
            t->relays_due = nanos_min(t->relays_due, relay->open_at);
        } else if (better) {
            relay->open_at = NANOS_NEVER;
            relay->settled = true;
        } else {
            open_relay(t, i);
        }
    }
    note_bases_done(t);
}

static void close_relay(struct transport *t, int index)
{
    struct relay *relay = &t->relays[index];
    if (relay->client == NULL)
        return;
    if (relay->socket == NO_SOCKET)
        tell(t, &(struct transport_event){.type = TRANSPORT_EVENT_CLOSE_STREAM, .stream = index});
    turn_client_destroy(relay->client);
    relay->client = NULL;
    relay->settled = true;
    if (relay->base != NO_BASE)
        ice_agent_remove_base(t->ice, relay->base);
    relay->base = NO_BASE;
}

/* Those that the path doesn't use: an allocation is given back (it closes when the server has confirmed), what never
 * came about is dropped. */
static void release_spare_relays(struct transport *t, nanos now)
{
    t->release_at = t->relays_due = NANOS_NEVER;
    for (int i = 0; i < t->relay_count; i++) {
        struct relay *relay = &t->relays[i];
        if (relay->open_at != NANOS_NEVER) {
            relay->open_at = NANOS_NEVER;
            relay->settled = true;
        }
        if (relay->client == NULL || (t->has_path && relay->base == t->path_base))
            continue;
        /* The peer may see things otherwise, and still send this way. */
        if (relay->heard != NANOS_NEVER && now - relay->heard < RELAY_SPARE_TIME) {
            t->release_at = now + RELAY_SPARE_TIME;
            continue;
        }
        if (relay->base == NO_BASE) {
            close_relay(t, i);
        } else {
            turn_client_release(relay->client);
            ice_agent_remove_base(t->ice, relay->base);
            relay->base = NO_BASE;
        }
    }
    note_bases_done(t);
}

static int handle_packet(struct transport *t, int base, const struct address *remote, uint8_t *data, size_t len,
                         nanos now);

static void allocated(struct transport *t, int index, const struct turn_client_event *event)
{
    static const enum ice_relay_transport transports[] = {
        [TURN_UDP] = ICE_RELAY_UDP, [TURN_TCP] = ICE_RELAY_TCP, [TURN_TLS] = ICE_RELAY_TLS};
    struct relay *relay = &t->relays[index];
    relay->settled = true;
    relay->base = ice_agent_add_base(t->ice, &(struct ice_base){.type = ICE_RELAYED,
                                                                .address = event->relayed,
                                                                .related = event->mapped,
                                                                .relay = transports[relay->server->transport]});
    if (relay->base == NO_BASE) {
        turn_client_release(relay->client);
        return;
    }
    t->base_relay[relay->base] = index;
    t->base_socket[relay->base] = NO_SOCKET;
}

static void handle_relay_events(struct transport *t, int index, nanos now)
{
    struct relay *relay = &t->relays[index];
    struct turn_client_event event;
    while (relay->client != NULL && turn_client_event(relay->client, &event)) {
        switch (event.type) {
        case TURN_CLIENT_ALLOCATED:
            allocated(t, index, &event);
            break;
        case TURN_CLIENT_DATA:
            /* The client has no more use for these bytes, so they may be decrypted where they lie. */
            relay->heard = now;
            if (relay->base != NO_BASE)
                handle_packet(t, relay->base, &event.peer, (uint8_t *)(uintptr_t)event.data, event.len, now);
            break;
        case TURN_CLIENT_REDIRECTED:
            if (relay->socket == NO_SOCKET) {
                tell(t, &(struct transport_event){.type = TRANSPORT_EVENT_CLOSE_STREAM, .stream = index});
                tell(t, &(struct transport_event){
                            .type = TRANSPORT_EVENT_OPEN_STREAM, .stream = index, .server = event.server});
            }
            break;
        case TURN_CLIENT_FAILED:
        case TURN_CLIENT_RELEASED:
            close_relay(t, index);
            break;
        case TURN_CLIENT_REFUSED:
            if (relay->base != NO_BASE)
                ice_agent_refused(t->ice, relay->base, &event.peer);
            break;
        case TURN_CLIENT_PERMITTED:
        case TURN_CLIENT_CHANNEL_BOUND:
            break;
        }
    }
    note_bases_done(t);
}

/* --- DTLS and SRTP ------------------------------------------------------------------------------------------------------ */

static void start_dtls(struct transport *t)
{
    struct error error;
    /* As Chromium has them. Whoever looks at captures is served better by the first: Wireshark takes SRTCP under AES-GCM
     * for clear RTCP, and finds it malformed (it looks for the E flag where only RFC 3711 has it). */
    static const enum srtp_profile profiles[] = {SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_256_GCM,
                                                 SRTP_PROFILE_AEAD_AES_128_GCM};
    struct dtls_config config = {
        .profiles = profiles,
        .profile_count = sizeof profiles / sizeof profiles[0],
        .certificate = t->config.certificate,
        .role = t->role,
        .fingerprints = t->fingerprints,
        .fingerprint_count = t->fingerprint_count,
        .keylog = t->config.keylog,
        .keylog_user = t->config.keylog_user,
    };
    t->dtls = dtls_create(&config, &error);
    if (t->dtls == NULL)
        enter(t, TRANSPORT_FAILED, error.text);
    else
        enter(t, TRANSPORT_SECURING, NULL);
}

static void start_srtp(struct transport *t, nanos now)
{
    struct error error;
    struct srtp_keys keys;
    const struct srtp_session_config outbound = {.direction = SRTP_OUTBOUND};
    const struct srtp_session_config inbound = {.direction = SRTP_INBOUND};
    bool exported = dtls_export_srtp(t->dtls, &keys, &error);
    bool media = exported || !t->expects_data || error.code != ERROR_PROTOCOL;
    bool ready = !media || (exported && (t->outbound = srtp_session_create(&keys, &outbound, &error)) != NULL &&
                            (t->inbound = srtp_session_create(&keys, &inbound, &error)) != NULL);
    if (!ready) {
        enter(t, TRANSPORT_FAILED, error.text);
        return;
    }
    if (media)
        t->profile = keys.profile;
    memset(&keys, 0, sizeof keys);
    t->secured = true;
    t->times.dtls_connected = now;
    enter(t, TRANSPORT_CONNECTED, NULL);
}

static void handle_dtls_events(struct transport *t, nanos now)
{
    struct dtls_event event;
    while (t->dtls != NULL && dtls_event(t->dtls, &event)) {
        switch (event.type) {
        case DTLS_EVENT_CONNECTED:
            start_srtp(t, now);
            break;
        case DTLS_EVENT_FAILED:
            enter(t, TRANSPORT_FAILED, event.reason);
            break;
        case DTLS_EVENT_CLOSED:
            enter(t, TRANSPORT_CLOSED, NULL);
            break;
        case DTLS_EVENT_DATA:
            if (t->config.data != NULL)
                t->config.data(t->config.data_user, event.data, event.len, now);
            break;
        }
    }
}

/* --- ICE ------------------------------------------------------------------------------------------------------------------ */

static void ice_state_changed(struct transport *t, enum ice_state state, nanos now)
{
    switch (state) {
    case ICE_STATE_COMPLETED:
        if (t->relay_count > 0)
            t->release_at = now + RELAY_SPARE_TIME;
        /* fall through */
    case ICE_STATE_CONNECTED:
        if (t->times.ice_connected == NANOS_NEVER)
            t->times.ice_connected = now;
        if (t->dtls == NULL)
            start_dtls(t);
        else if (t->secured)
            enter(t, TRANSPORT_CONNECTED, NULL);
        break;
    case ICE_STATE_DISCONNECTED:
        if (t->state == TRANSPORT_CONNECTED)
            enter(t, TRANSPORT_DISCONNECTED, NULL);
        break;
    case ICE_STATE_FAILED:
        enter(t, TRANSPORT_FAILED,
              t->has_path ? "the peer has been silent for too long (RFC 7675)" : "ICE found no path to the peer");
        break;
    case ICE_STATE_NEW:
    case ICE_STATE_CHECKING:
    case ICE_STATE_CLOSED:
        break;
    }
}

static void handle_ice_events(struct transport *t, nanos now)
{
    struct ice_event event;
    while (ice_agent_event(t->ice, &event)) {
        switch (event.type) {
        case ICE_EVENT_CANDIDATE:
            tell(t, &(struct transport_event){.type = TRANSPORT_EVENT_CANDIDATE, .candidate = event.candidate});
            break;
        case ICE_EVENT_GATHERED:
            tell(t, &(struct transport_event){.type = TRANSPORT_EVENT_GATHERED});
            break;
        case ICE_EVENT_STATE:
            ice_state_changed(t, event.state, now);
            break;
        case ICE_EVENT_SELECTED:
            t->has_path = ice_agent_selected(t->ice, &t->path_base, &t->path_remote, &t->pair);
            tell(t, &(struct transport_event){.type = TRANSPORT_EVENT_PATH});
            break;
        case ICE_EVENT_PERMISSION: {
            int relay = t->base_relay[event.permission.base];
            if (relay >= 0 && t->relays[relay].client != NULL)
                turn_client_permit(t->relays[relay].client, &event.permission.remote);
            break;
        }
        }
    }
}

/* ICE has been restarted. */
static void begin_again(struct transport *t, nanos now)
{
    if (t->state == TRANSPORT_FAILED)
        enter(t, TRANSPORT_CHECKING, NULL);
    /* Relays given back are needed again. */
    for (int i = 0; i < t->relay_count; i++) {
        if (t->relays[i].client == NULL)
            schedule_relay(t, i, now);
    }
    t->relays_due = now;
}

bool transport_set_remote(struct transport *t, const struct transport_remote *remote, nanos now, struct error *error)
{
    char ufrag[ICE_UFRAG_CAP];
    if (remote->fingerprint_count == 0 || remote->fingerprint_count > TRANSPORT_FINGERPRINTS_MAX)
        return error_set(error, ERROR_PROTOCOL, "the description has %zu fingerprints: 1 to %d are understood",
                         remote->fingerprint_count, TRANSPORT_FINGERPRINTS_MAX);
    snprintf(ufrag, sizeof ufrag, "%s", ice_agent_ufrag(t->ice));
    if (!ice_agent_set_remote(t->ice, remote->ufrag, remote->password, remote->lite, error))
        return false;
    if (strcmp(ufrag, ice_agent_ufrag(t->ice)) != 0)
        begin_again(t, now);
    if (t->dtls == NULL) {
        t->role = remote->role;
        t->fingerprint_count = remote->fingerprint_count;
        memcpy(t->fingerprints, remote->fingerprints, remote->fingerprint_count * sizeof *remote->fingerprints);
    }
    if (t->state == TRANSPORT_NEW)
        enter(t, TRANSPORT_CHECKING, NULL);
    handle_ice_events(t, now);
    return true;
}

void transport_add_candidate(struct transport *t, const struct ice_candidate *candidate, nanos now)
{
    ice_agent_add_remote_candidate(t->ice, candidate);
    handle_ice_events(t, now);
}

void transport_end_of_candidates(struct transport *t, nanos now)
{
    ice_agent_end_of_candidates(t->ice);
    handle_ice_events(t, now);
}

void transport_restart(struct transport *t, nanos now)
{
    if (t->state == TRANSPORT_FAILED && t->dtls != NULL && !t->secured)
        return; /* the peer was not who it should be: another path wouldn't help */
    ice_agent_restart(t->ice);
    begin_again(t, now);
    handle_ice_events(t, now);
}

bool transport_path(const struct transport *t, struct transport_path_info *info)
{
    if (!t->has_path)
        return false;
    *info = (struct transport_path_info){.local = t->pair.local,
                                         .remote = t->pair.remote,
                                         .local_relay = t->pair.relay,
                                         .local_address = t->pair.local_address,
                                         .remote_address = t->pair.remote_address,
                                         .rtt = ice_agent_rtt(t->ice)};
    return true;
}

/* --- in ------------------------------------------------------------------------------------------------------------------- */

static int handle_media(struct transport *t, enum transport_media kind, uint8_t *data, size_t len, nanos now)
{
    if (t->inbound == NULL)
        return -1;
    enum srtp_status status = kind == TRANSPORT_RTP ? srtp_session_unprotect_rtp(t->inbound, data, &len)
                                                    : srtp_session_unprotect_rtcp(t->inbound, data, &len);
    if (status != SRTP_STATUS_OK)
        return -1;
    t->config.media(t->config.media_user, kind, data, len, now);
    return 0;
}

/* A packet from the other end, whichever way it came. */
static int handle_packet(struct transport *t, int base, const struct address *remote, uint8_t *data, size_t len,
                         nanos now)
{
    enum packet_kind kind = packet_kind(data, len);
    int taken = -1;
    if (kind == PACKET_STUN) {
        taken = ice_agent_read(t->ice, base, remote, data, len, now);
        handle_ice_events(t, now);
        return taken;
    }
    /* The path in use is known to be good; others are asked for. */
    bool on_path = t->has_path && base == t->path_base && address_equal(remote, &t->path_remote);
    if (!on_path && !ice_agent_valid_source(t->ice, base, remote))
        return -1;
    if (kind == PACKET_RTP)
        return handle_media(t, TRANSPORT_RTP, data, len, now);
    if (kind == PACKET_RTCP)
        return handle_media(t, TRANSPORT_RTCP, data, len, now);
    if (kind == PACKET_DTLS && t->dtls != NULL) {
        taken = dtls_read(t->dtls, data, len, now);
        handle_dtls_events(t, now);
    }
    return taken;
}

int transport_read(struct transport *t, int socket, const struct address *remote, uint8_t *data, size_t len, nanos now)
{
    for (int i = 0; i < t->relay_count; i++) {
        struct relay *relay = &t->relays[i];
        if (relay->socket != socket || relay->client == NULL)
            continue;
        struct address server = turn_client_server(relay->client);
        if (!address_equal(&server, remote) || turn_client_read(relay->client, data, len, now) < 0)
            continue;
        handle_relay_events(t, i, now);
        handle_ice_events(t, now);
        return 0;
    }
    int base = socket >= 0 && socket < TRANSPORT_SOCKETS_MAX ? t->socket_base[socket] : NO_BASE;
    return base == NO_BASE ? -1 : handle_packet(t, base, remote, data, len, now);
}

static struct relay *stream_relay(struct transport *t, int stream)
{
    bool exists = stream >= 0 && stream < t->relay_count && t->relays[stream].socket == NO_SOCKET;
    return exists && t->relays[stream].client != NULL ? &t->relays[stream] : NULL;
}

void transport_stream_connected(struct transport *t, int stream, nanos now)
{
    struct relay *relay = stream_relay(t, stream);
    if (relay != NULL)
        turn_client_connected(relay->client, now);
}

void transport_stream_read(struct transport *t, int stream, const uint8_t *data, size_t len, nanos now)
{
    struct relay *relay = stream_relay(t, stream);
    if (relay == NULL)
        return;
    turn_client_read(relay->client, data, len, now);
    handle_relay_events(t, stream, now);
    handle_ice_events(t, now);
}

void transport_stream_closed(struct transport *t, int stream, const char *reason, nanos now)
{
    struct relay *relay = stream_relay(t, stream);
    if (relay == NULL)
        return;
    turn_client_disconnected(relay->client, reason, now);
    handle_relay_events(t, stream, now);
    handle_ice_events(t, now);
}

void transport_stream_waiting(struct transport *t, int stream, size_t waiting)
{
    struct relay *relay = stream_relay(t, stream);
    if (relay != NULL)
        turn_client_set_waiting(relay->client, waiting);
}

/* --- out ------------------------------------------------------------------------------------------------------------------ */

static ssize_t write_relays(struct transport *t, struct transport_route *route, uint8_t *buf, size_t cap, nanos now)
{
    for (int i = 0; i < t->relay_count; i++) {
        struct relay *relay = &t->relays[i];
        if (relay->client == NULL || turn_client_deadline(relay->client) > now)
            continue;
        *route = (struct transport_route){.stream = relay->socket == NO_SOCKET ? i : -1,
                                          .socket = relay->socket,
                                          .remote = turn_client_server(relay->client)};
        ssize_t len = turn_client_write(relay->client, buf, cap, now);
        handle_relay_events(t, i, now);
        if (len > 0)
            return len;
    }
    return 0;
}

/* SENT: `buf` is to be sent by `route`. */
static enum transport_seal route_packet(struct transport *t, int base, const struct address *remote, const uint8_t *buf,
                                        size_t len, struct transport_route *route, nanos now)
{
    int relay = t->base_relay[base];
    if (relay < 0) {
        *route = (struct transport_route){.stream = -1, .socket = t->base_socket[base], .remote = *remote};
        return TRANSPORT_SENT;
    }
    struct turn_client *client = t->relays[relay].client;
    return client != NULL && turn_client_send(client, remote, buf, len, now) ? TRANSPORT_RELAYED : TRANSPORT_DROPPED;
}

static void start(struct transport *t, nanos now)
{
    t->started = true;
    t->times.started = now;
    plan_relays(t, now);
    open_due_relays(t, now);
}

ssize_t transport_write(struct transport *t, struct transport_route *route, uint8_t *buf, size_t cap, nanos now)
{
    if (!t->started)
        start(t, now);
    if (now >= t->relays_due)
        open_due_relays(t, now);
    if (now >= t->release_at)
        release_spare_relays(t, now);
    /* What goes through a relay comes out of it in the next round. Each engine has but so much to say at one time. */
    enum { ROUNDS_MAX = 64 };
    for (int round = 0; round < ROUNDS_MAX; round++) {
        int base;
        struct address remote;
        ssize_t len = write_relays(t, route, buf, cap, now);
        if (len > 0)
            return len;
        len = ice_agent_write(t->ice, &base, &remote, buf, cap, now);
        if (len == 0 && t->dtls != NULL && t->has_path) {
            len = dtls_write(t->dtls, buf, cap, now);
            handle_dtls_events(t, now);
            base = t->path_base;
            remote = t->path_remote;
        }
        handle_ice_events(t, now);
        if (len <= 0)
            return 0;
        if (route_packet(t, base, &remote, buf, (size_t)len, route, now) == TRANSPORT_SENT)
            return len;
    }
    return 0;
}

enum transport_seal transport_seal(struct transport *t, enum transport_media kind, uint8_t *buf, size_t *len,
                                   size_t cap, struct transport_route *route, nanos now)
{
    if (t->outbound == NULL || !t->has_path || !ice_agent_may_send(t->ice))
        return TRANSPORT_DROPPED;
    enum srtp_status status = kind == TRANSPORT_RTP ? srtp_session_protect_rtp(t->outbound, buf, len, cap)
                                                    : srtp_session_protect_rtcp(t->outbound, buf, len, cap);
    if (status != SRTP_STATUS_OK)
        return TRANSPORT_DROPPED;
    return route_packet(t, t->path_base, &t->path_remote, buf, *len, route, now);
}

bool transport_send_data(struct transport *t, const uint8_t *data, size_t len, nanos now)
{
    return t->secured && t->has_path && ice_agent_may_send(t->ice) && dtls_send(t->dtls, data, len, now);
}

size_t transport_data_max(const struct transport *t) { return t->secured ? dtls_payload_max(t->dtls) : 0; }

nanos transport_deadline(const struct transport *t)
{
    if (!t->started)
        return 0;
    nanos deadline = nanos_min(ice_agent_deadline(t->ice), nanos_min(t->release_at, t->relays_due));
    for (int i = 0; i < t->relay_count; i++) {
        if (t->relays[i].client != NULL)
            deadline = nanos_min(deadline, turn_client_deadline(t->relays[i].client));
    }
    if (t->dtls != NULL && t->has_path)
        deadline = nanos_min(deadline, dtls_deadline(t->dtls));
    return deadline;
}

void transport_close(struct transport *t, nanos now)
{
    if (t->dtls != NULL)
        dtls_close(t->dtls, now);
    for (int i = 0; i < t->relay_count; i++) {
        if (t->relays[i].client != NULL)
            turn_client_release(t->relays[i].client);
    }
    enter(t, TRANSPORT_CLOSED, NULL);
}
