#include "sfu/sfu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "rtc/packet_kind.h"
#include "rtc/stun.h"
#include "sfu/publication.h"
#include "sfu/sfu_participant.h"
#include "sfu/sfu_state.h"
#include "sfu/sfu_stream.h"
#include "sfu/subscription.h"

/* A flush ends in the end: this is far beyond what a connection has to say at one instant. */
enum { FLUSH_MAX = 100000 };

/* --- out --------------------------------------------------------------------------------------------------------------- */

static void send_batch(struct sfu *sfu)
{
    if (sfu->batch_count > 0)
        world_udp_send(sfu->sockets[sfu->batch_socket], sfu->batch, sfu->batch_count);
    sfu->batch_count = 0;
}

/* Adds all that a connection has to send to the batch, which goes out when it is full. */
static void drain(struct sfu *sfu, struct connection *connection, nanos now)
{
    for (int round = 0; round < FLUSH_MAX && connection != NULL; round++) {
        struct transport_route route;
        uint8_t *buf = sfu->buffers[sfu->batch_count];
        ssize_t len = connection_write(connection, &route, buf, SFU_DATAGRAM_CAP, now);
        if (len <= 0)
            return;
        if (route.stream >= 0)
            continue; /* there are no relays */
        if (route.remote.tcp != 0) {
            sfu_streams_send(sfu->streams, &route.remote, buf, (size_t)len);
            continue;
        }
        if (sfu->batch_count > 0 && route.socket != sfu->batch_socket) {
            send_batch(sfu);
            memcpy(sfu->buffers[0], buf, (size_t)len);
        }
        sfu->batch_socket = route.socket;
        sfu->batch[sfu->batch_count] =
            (struct datagram){.remote = route.remote, .data = sfu->buffers[sfu->batch_count], .len = (size_t)len};
        if (++sfu->batch_count == SFU_BATCH)
            send_batch(sfu);
    }
}

/* Everyone to whom something was done does what is due and sends what there is; that may concern others in turn. */
void sfu_flush(struct sfu *sfu, nanos now)
{
    struct sfu_participant *p;
    while ((p = sfu->dirty) != NULL) {
        DL_DELETE2(sfu->dirty, p, in_dirty.prev, in_dirty.next);
        p->dirty = false;
        sfu_participant_run(p, now);
        drain(sfu, p->connection, now);
        sfu_participant_handle_events(p, now);
        if (p->dirty)
            continue;
        deadline_heap_set(&sfu->deadlines, &p->deadline, sfu_participant_deadline(p));
    }
    send_batch(sfu);
    nanos at = deadline_heap_at(&sfu->deadlines);
    if (at != sfu->timer_at) {
        sfu->timer_at = at;
        world_timer_set(sfu->timer, at);
    }
}

static void timer_fired(void *user, nanos now)
{
    struct sfu *sfu = user;
    struct deadline *due;
    sfu->timer_at = NANOS_NEVER;
    while ((due = deadline_heap_pop_due(&sfu->deadlines, now)) != NULL)
        sfu_participant_touch(due->owner);
    sfu_flush(sfu, now);
}

/* --- in ---------------------------------------------------------------------------------------------------------------- */

/* The ufrag that a STUN check names; "" when it is none. */
static void read_check(const struct datagram *datagram, char ufrag[ICE_UFRAG_CAP])
{
    struct stun_message message;
    ufrag[0] = '\0';
    if (packet_kind(datagram->data, datagram->len) == PACKET_STUN &&
        stun_parse(&message, datagram->data, datagram->len, NULL))
        ice_stun_local_ufrag(&message, ufrag);
}

void sfu_take(struct sfu *sfu, int socket, struct datagram *datagram, nanos now)
{
    struct sfu_source *source;
    struct sfu_participant *p = NULL;
    char ufrag[ICE_UFRAG_CAP];
    read_check(datagram, ufrag);
    if (ufrag[0] != '\0')
        HASH_FIND(hh, sfu->participants_by_ufrag, ufrag, strlen(ufrag), p);
    bool named = p != NULL;
    if (p == NULL) {
        HASH_FIND(hh, sfu->sources, &datagram->remote, sizeof datagram->remote, source);
        /* A check that names someone else's participant is theirs, whoever was at that address before. */
        if (sfu->siblings.count > 1 && (source == NULL || ufrag[0] != '\0') &&
            sfu_siblings_pass(sfu, socket, datagram, ufrag))
            return;
        p = source != NULL ? source->participant : NULL;
    }
    if (p == NULL || p->connection == NULL ||
        connection_read(p->connection, socket, &datagram->remote, datagram->data, datagram->len, now) < 0) {
        sfu->statistics.discarded++;
        return;
    }
    if (named)
        sfu_participant_note_source(p, &datagram->remote);
    sfu_participant_touch(p);
}

static void received(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct sfu *sfu = user;
    size_t socket = 0;
    while (socket + 1 < sfu->socket_count && sfu->sockets[socket] != udp)
        socket++;
    for (size_t i = 0; i < count; i++)
        sfu_take(sfu, (int)socket, &batch[i], now);
    sfu_siblings_passed(sfu);
    sfu_flush(sfu, now);
}

/* --- participants -------------------------------------------------------------------------------------------------------- */

struct sfu_participant *sfu_join(struct sfu *sfu, const char *room, const char *name,
                                 void (*say)(void *user, const struct room_message *message), void *user, nanos now)
{
    struct sfu_participant *p = calloc(1, sizeof *p);
    (void)now;
    if (p == NULL)
        return NULL;
    p->sfu = sfu;
    p->say = say;
    p->user = user;
    p->deadline.owner = p;
    p->allocate_due = p->allocated_at = p->connected_at = NANOS_NEVER;
    p->layout = layout_default();
    snprintf(p->name, sizeof p->name, "%s", name);
    session_stream_id(p->stream_id, name);
    negotiation_init(&p->negotiation, rng_u64(&sfu->rng) >> 1);
    p->room = sfu_room_enter(sfu, room, p);
    if (p->room == NULL) {
        free(p);
        return NULL;
    }
    sfu->statistics.participants++;
    return p;
}

static bool take_candidate(struct sfu_participant *p, const char *text, nanos now, struct error *error)
{
    struct ice_candidate candidate;
    if (!ice_candidate_parse(&candidate, text, error))
        return false;
    if (p->connection != NULL)
        transport_add_candidate(connection_transport(p->connection), &candidate, now);
    return true;
}

void sfu_message(struct sfu_participant *p, const struct room_message *message, nanos now)
{
    struct error error;
    bool sensible = true;
    switch (message->type) {
    case ROOM_OFFER:
        sensible = negotiation_take_offer(p, message->sdp, now, &error);
        break;
    case ROOM_ANSWER:
        sensible = negotiation_take_answer(p, message->sdp, now, &error);
        break;
    case ROOM_CANDIDATE:
        sensible = take_candidate(p, message->candidate, now, &error);
        break;
    case ROOM_CANDIDATES_END:
        break;
    case ROOM_LAYOUT:
        sensible = sfu_participant_set_layout(p, message, now, &error);
        break;
    case ROOM_WATCH:
        sfu_participant_watch(p, message->tracks, message->track_count, now);
        break;
    case ROOM_MUTE:
        sensible = sfu_participant_mute(p, message->track, message->muted, now, &error);
        break;
    default:
        sensible = error_set(&error, ERROR_PROTOCOL, "a message that is not for an SFU");
        break;
    }
    if (!sensible)
        sfu_participant_refuse(p, error.text);
    sfu_flush(p->sfu, now);
}

void sfu_add_candidates(struct sfu_participant *p, const struct ice_candidate *candidates, size_t count, nanos now)
{
    for (size_t i = 0; i < count && p->connection != NULL; i++)
        transport_add_candidate(connection_transport(p->connection), &candidates[i], now);
    sfu_participant_touch(p);
    sfu_flush(p->sfu, now);
}

bool sfu_restart(struct sfu_participant *p, const struct session_transport *remote, nanos now, struct error *error)
{
    bool restarted = negotiation_restart(p, remote, now, error);
    sfu_flush(p->sfu, now);
    return restarted;
}

void sfu_leave(struct sfu_participant *p, nanos now)
{
    struct sfu *sfu = p->sfu;
    if (p->connection != NULL) {
        connection_close(p->connection, now);
        drain(sfu, p->connection, now);
        send_batch(sfu);
    }
    sfu_participant_destroy(p, now);
    sfu_flush(sfu, now);
}

/* --- life ------------------------------------------------------------------------------------------------------------------ */

static bool open_sockets(struct sfu *sfu, const struct sfu_config *config, struct error *error)
{
    if (config->address_count == 0 || config->address_count > TRANSPORT_SOCKETS_MAX)
        return error_set(error, ERROR_USAGE, "an SFU listens on 1 to %d addresses", TRANSPORT_SOCKETS_MAX);
    for (size_t i = 0; i < config->address_count; i++) {
        struct world_udp *udp = world_udp_open(config->host, &config->addresses[i], received, sfu, error);
        if (udp == NULL)
            return false;
        sfu->sockets[i] = udp;
        sfu->addresses[i] = world_udp_address(udp);
        sfu->socket_count++;
        struct address announced = config->announced != NULL ? config->announced[i] : sfu->addresses[i];
        if (announced.port == 0)
            announced.port = sfu->addresses[i].port;
        if (address_scope(&announced) == ADDRESS_UNSPECIFIED)
            return error_set(error, ERROR_USAGE, "an SFU needs to know the address by which it is reached");
        struct ice_candidate *candidate = &sfu->candidates[sfu->candidate_count++];
        *candidate = (struct ice_candidate){.address = announced, .type = ICE_HOST, .transport = ICE_UDP};
        candidate->component = 1;
        candidate->priority = ice_candidate_priority(ICE_PREFERENCE_HOST, (uint16_t)(UINT16_MAX - i), 1);
        snprintf(candidate->foundation, sizeof candidate->foundation, "%zu", i + 1);
    }
    return true;
}

/* --- TCP ------------------------------------------------------------------------------------------------------------------- */

enum {
    TCP_PREFERENCE = 90, /* below any UDP candidate's of the same kind (RFC 6544, section 4.2), as browsers have it */
    TCP_PASSIVE_SHIFT = 13, /* section 4.2: the direction's preference goes before others */
    TCP_PASSIVE = 4,
    TCP_OTHER_MAX = (1 << TCP_PASSIVE_SHIFT) - 1,
};

void sfu_announce_tcp(struct sfu *sfu, uint16_t port)
{
    for (size_t i = 0; i < sfu->socket_count; i++) {
        struct ice_candidate *candidate = &sfu->candidates[sfu->candidate_count++];
        uint16_t preference = (uint16_t)(TCP_PASSIVE << TCP_PASSIVE_SHIFT | (TCP_OTHER_MAX - (int)i));
        *candidate = sfu->candidates[i];
        candidate->address.port = port;
        candidate->transport = ICE_TCP;
        candidate->tcp_type = ICE_TCP_PASSIVE;
        candidate->priority = ice_candidate_priority(TCP_PREFERENCE, preference, 1);
        snprintf(candidate->foundation, sizeof candidate->foundation, "%zu", sfu->candidate_count);
    }
}

void sfu_accept_tcp(struct sfu *sfu, struct world_tcp *tcp, nanos now) { sfu_streams_accept(sfu->streams, tcp, now); }

static void accepted(void *user, struct world_tcp *tcp, const struct address *remote, nanos now)
{
    struct sfu *sfu = user;
    (void)remote;
    sfu_accept_tcp(sfu, tcp, now);
}

static bool listen_by_tcp(struct sfu *sfu, struct error *error)
{
    for (size_t i = 0; i < sfu->socket_count; i++) {
        sfu->listeners[i] = world_tcp_listen(sfu->host, &sfu->addresses[i], accepted, sfu, error);
        if (sfu->listeners[i] == NULL)
            return false;
    }
    sfu_announce_tcp(sfu, sfu->addresses[0].port);
    return true;
}

struct sfu *sfu_create(const struct sfu_config *config, struct error *error)
{
    struct sfu *sfu = calloc(1, sizeof *sfu);
    if (sfu == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    sfu->host = config->host;
    sfu->certificate = config->certificate;
    sfu->always_show = config->always_show;
    sfu->ntp_origin = config->ntp_origin;
    sfu->network_latency = config->network_latency;
    sfu->keylog = config->keylog;
    sfu->note = config->note;
    sfu->user = config->user;
    if (config->siblings != NULL)
        sfu->siblings = *config->siblings;
    sfu->via = sfu->siblings.own;
    sfu->rng = rng_of(config->seed, "sfu", 0);
    sfu->timer_at = NANOS_NEVER;
    sfu->timer = world_timer_open(config->host, timer_fired, sfu);
    sfu->streams = sfu_streams_create(sfu);
    bool ready = sfu->timer != NULL && sfu->streams != NULL;
    if (!ready)
        error_set(error, ERROR_SYSTEM, "out of memory");
    if (!ready || !open_sockets(sfu, config, error) || (config->tcp && !listen_by_tcp(sfu, error))) {
        sfu_destroy(sfu);
        return NULL;
    }
    return sfu;
}

void sfu_destroy(struct sfu *sfu)
{
    if (sfu == NULL)
        return;
    nanos now = world_now(world_of(sfu->host));
    while (sfu->rooms != NULL)
        sfu_participant_destroy(sfu->rooms->participants, now);
    for (size_t i = 0; i < sfu->socket_count; i++) {
        world_udp_close(sfu->sockets[i]);
        if (sfu->listeners[i] != NULL)
            world_tcp_listener_close(sfu->listeners[i]);
    }
    sfu_streams_destroy(sfu->streams);
    sfu_siblings_clear(sfu);
    if (sfu->timer != NULL)
        world_timer_close(sfu->timer);
    deadline_heap_clear(&sfu->deadlines);
    free(sfu->demands);
    free(sfu->demanding);
    free(sfu);
}

struct address sfu_address(const struct sfu *sfu, size_t index) { return sfu->addresses[index]; }

/* Videos that the participant wants to see, and for which its downlink has no room. */
static uint64_t starved(const struct sfu_participant *p)
{
    const struct subscription *s;
    uint64_t count = 0;
    DL_FOREACH2(p->subscriptions, s, of_subscriber.next)
    {
        bool wants = s->stream != NULL && s->publication->kind != PUBLICATION_AUDIO && s->height > 0;
        count += wants && s->wanted == LAYER_NONE && s->publication->layers[0].last_packet != NANOS_NEVER;
    }
    return count;
}

struct sfu_statistics sfu_statistics(const struct sfu *sfu)
{
    struct sfu_statistics sum = sfu->statistics;
    sum.tcp_connections = sfu_streams_count(sfu->streams);
    for (const struct sfu_room *room = sfu->rooms; room != NULL; room = room->hh.next) {
        for (const struct sfu_participant *p = room->participants; p != NULL; p = p->in_room.next) {
            sum.starved += starved(p);
            if (p->connection == NULL)
                continue;
            struct connection_statistics statistics = connection_statistics(p->connection);
            sum.packets_received += statistics.packets_received;
            sum.bytes_received += statistics.bytes_received;
            sum.packets_sent += statistics.packets_sent;
            sum.bytes_sent += statistics.bytes_sent;
            sum.data_bytes_sent += statistics.data_bytes_sent;
        }
    }
    return sum;
}
