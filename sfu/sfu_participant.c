#include "sfu/sfu_participant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "rtc/rtp_extensions.h"
#include "sfu/data_relay.h"
#include "sfu/downlink.h"
#include "sfu/publication.h"
#include "sfu/sfu_state.h"
#include "sfu/sfu_stream.h"
#include "sfu/subscription.h"

enum {
    /* A server has no reason to begin as low as a browser: of a narrower downlink the first probe tells. */
    START_BPS = 1000000,
    MIN_BPS = 30000,
    REALLOCATE_MS = 100,
};
#define SPEECH_MIN (500 * NANOS_PER_MS) /* who speaks is the speaker for so long at least */

/* --- callbacks of the connection --------------------------------------------------------------------------------------- */

static void on_packet(void *user, struct receive_stream *stream, const struct rtp_packet *packet,
                      const struct rtp_extensions *extensions, bool recovered, nanos now)
{
    (void)user;
    publication_packet(stream->config.user, packet, extensions, recovered, now);
}

static void on_key_frame_wanted(void *user, struct send_stream *stream, nanos now)
{
    (void)user;
    subscription_key_frame_wanted(stream->config.user, now);
}

static void on_packet_wanted(void *user, struct send_stream *stream, uint16_t sequence, nanos now)
{
    (void)user;
    subscription_repair(stream->config.user, sequence, now);
}

static void on_rate(void *user, int64_t target_bps, nanos now)
{
    (void)target_bps;
    sfu_participant_reallocate(user, now);
}

static void on_stuck(void *user, struct receive_stream *stream, nanos now)
{
    struct publication_layer *layer = stream->config.user;
    (void)user;
    publication_request_key_frame(layer->publication, (int)(layer - layer->publication->layers), false, now);
}

static void on_data(void *user, const struct data_channel_event *event, nanos now)
{
    data_relay_event(user, event, now);
}

static const struct connection_callbacks connection_callbacks = {.packet = on_packet,
                                                                 .key_frame_wanted = on_key_frame_wanted,
                                                                 .packet_wanted = on_packet_wanted,
                                                                 .rate = on_rate,
                                                                 .stuck = on_stuck,
                                                                 .data = on_data};

/* --- connection ---------------------------------------------------------------------------------------------------------- */

static void forget_source(struct sfu *sfu, struct sfu_source *source)
{
    if (source->address.tcp != 0)
        sfu_streams_close(sfu->streams, &source->address);
    sfu_siblings_claim(sfu, source->via, &source->address, false);
    HASH_DELETE(hh, sfu->sources, source); // NOLINT(clang-analyzer-core.NullDereference): it is in there
}

static void disconnect(struct sfu_participant *p)
{
    if (p->ufrag[0] != '\0')
        HASH_DELETE(hh, p->sfu->participants_by_ufrag, p);
    p->ufrag[0] = '\0';
    while (p->source_count > 0) {
        struct sfu_source *source = p->sources[--p->source_count];
        forget_source(p->sfu, source);
        free(source);
    }
    if (p->connection != NULL) {
        struct connection_statistics statistics = connection_statistics(p->connection);
        struct sfu_statistics *sum = &p->sfu->statistics;
        sum->packets_received += statistics.packets_received;
        sum->bytes_received += statistics.bytes_received;
        sum->packets_sent += statistics.packets_sent;
        sum->bytes_sent += statistics.bytes_sent;
        sum->data_bytes_sent += statistics.data_bytes_sent;
    }
    connection_destroy(p->connection);
    p->connection = NULL;
}

static struct sfu_participant *participant_of_ufrag(const struct sfu *sfu, const char *ufrag)
{
    struct sfu_participant *other;
    HASH_FIND(hh, sfu->participants_by_ufrag, ufrag, strlen(ufrag), other);
    return other;
}

bool sfu_participant_connect(struct sfu_participant *p, struct error *error)
{
    struct sfu *sfu = p->sfu;
    const struct connection_config config = {
        .transport = {.lite = true,
                      .certificate = sfu->certificate,
                      .seed = rng_u64(&sfu->rng),
                      .ufrag_mark = sfu_siblings_mark(sfu),
                      .keylog = sfu->keylog,
                      .keylog_user = sfu->user},
        .congestion = {.start_bps = START_BPS, .min_bps = MIN_BPS, .alr_probing = true, .layered = true},
        .cname = "sfu",
        .ssrc = rng_u32(&sfu->rng),
        .ntp_origin = sfu->ntp_origin,
        .network_latency = sfu->network_latency,
        .seed = rng_u64(&sfu->rng),
        .callbacks = &connection_callbacks,
        .user = p,
    };
    disconnect(p);
    p->connection = connection_create(&config, error);
    for (size_t i = 0; i < sfu->socket_count && p->connection != NULL; i++) {
        if (!transport_add_socket(connection_transport(p->connection), (int)i, &sfu->addresses[i], error))
            disconnect(p);
    }
    if (p->connection == NULL)
        return false;
    p->connected_at = NANOS_NEVER;
    p->wanted_bps = 0;
    sfu_participant_note_ufrag(p);
    sfu_participant_touch(p);
    return true;
}

void sfu_participant_note_ufrag(struct sfu_participant *p)
{
    const char *ufrag = transport_ufrag(connection_transport(p->connection));
    if (strcmp(ufrag, p->ufrag) == 0)
        return;
    if (p->ufrag[0] != '\0')
        HASH_DELETE(hh, p->sfu->participants_by_ufrag, p);
    p->ufrag[0] = '\0';
    if (participant_of_ufrag(p->sfu, ufrag) != NULL)
        return; /* with 48 bits of chance this doesn't happen; if it does, this one can't connect */
    snprintf(p->ufrag, sizeof p->ufrag, "%s", ufrag);
    HASH_ADD_KEYPTR(hh, p->sfu->participants_by_ufrag, p->ufrag, strlen(p->ufrag), p);
}

/* Where the participant's address is noted, or may be: the place that isn't the path in use. */
static size_t source_slot(const struct sfu_participant *p)
{
    struct transport_path_info path;
    if (p->source_count < SFU_SOURCES_MAX)
        return p->source_count;
    bool has_path = transport_path(connection_transport(p->connection), &path);
    return has_path && address_equal(&p->sources[0]->address, &path.remote_address) ? 1 : 0;
}

/* Out of the list of whoever was there. */
static void take_from(struct sfu_source *source)
{
    struct sfu_participant *before = source->participant;
    for (size_t i = 0; i < before->source_count; i++) {
        if (before->sources[i] == source)
            before->sources[i--] = before->sources[--before->source_count];
    }
}

void sfu_participant_forget_source(struct sfu *sfu, const struct address *address)
{
    struct sfu_source *source;
    HASH_FIND(hh, sfu->sources, address, sizeof *address, source);
    if (source == NULL)
        return;
    take_from(source);
    forget_source(sfu, source);
    free(source);
}

void sfu_participant_note_source(struct sfu_participant *p, const struct address *address)
{
    struct sfu_source *source;
    HASH_FIND(hh, p->sfu->sources, address, sizeof *address, source);
    if (source != NULL && source->participant == p) {
        if (source->via != p->sfu->via)
            sfu_siblings_claim(p->sfu, p->sfu->via, address, true);
        source->via = p->sfu->via;
        return;
    }
    if (source != NULL) { /* whoever was there before has gone: a NAT gave the address to somebody else */
        take_from(source);
        HASH_DELETE(hh, p->sfu->sources, source);
        free(source);
    }
    size_t slot = source_slot(p);
    if (slot < p->source_count) {
        source = p->sources[slot];
        forget_source(p->sfu, source);
    } else {
        source = malloc(sizeof *source);
        if (source == NULL)
            return;
        p->sources[p->source_count++] = source;
    }
    *source = (struct sfu_source){.address = *address, .participant = p, .via = p->sfu->via};
    sfu_siblings_claim(p->sfu, source->via, address, true);
    HASH_ADD(hh, p->sfu->sources, address, sizeof source->address, source);
    if (address->tcp != 0)
        sfu_streams_know(p->sfu->streams, address);
}

/* --- what is to be done ---------------------------------------------------------------------------------------------------- */

void sfu_participant_touch(struct sfu_participant *p)
{
    if (p->dirty)
        return;
    p->dirty = true;
    DL_APPEND2(p->sfu->dirty, p, in_dirty.prev, in_dirty.next);
}

void sfu_participant_reallocate(struct sfu_participant *p, nanos now)
{
    nanos due = p->allocated_at == NANOS_NEVER ? now : nanos_max(now, p->allocated_at + REALLOCATE_MS * NANOS_PER_MS);
    p->allocate_due = nanos_min(p->allocate_due, due);
    sfu_participant_touch(p);
}

void sfu_participant_refuse(struct sfu_participant *p, const char *reason)
{
    p->say(p->user, &(struct room_message){.type = ROOM_ERROR, .reason = reason});
}

/* The loudest voice becomes the room's speaker, when it is clearly louder than the present one or that fell silent. */
void sfu_participant_speaks(struct sfu_participant *p, struct rtp_audio_level level, nanos now)
{
    enum { SILENCE_DBOV = 127, AUDIBLE = 60, CLEARLY = 6 };
    struct sfu_participant *speaker = p->room->speaker;
    p->loudness += ((double)(SILENCE_DBOV - level.below_max) - p->loudness) / 16;
    p->heard_at = now;
    if (speaker == p || p->loudness < AUDIBLE)
        return;
    bool quiet = speaker == NULL || now - speaker->heard_at > NANOS_PER_S;
    bool spoken = speaker != NULL && now - p->room->speaks_since > SPEECH_MIN;
    if (quiet || (spoken && p->loudness > speaker->loudness + CLEARLY))
        sfu_room_hear(p->room, p, now);
}

/* --- what it wants to see ---------------------------------------------------------------------------------------------------- */

bool sfu_participant_set_layout(struct sfu_participant *p, const struct room_message *message, nanos now,
                                struct error *error)
{
    if (!layout_read(&p->layout, message))
        return error_set(error, ERROR_PROTOCOL, "layout is all, grid or speaker");
    sfu_participant_reallocate(p, now);
    return true;
}

/* One of what a participant may be told to watch, by the name that the subscription's descriptions have. */
struct wish {
    char stream_id[SESSION_ID_CAP];
    const char *track;
    int32_t height;
};

static bool is_wished(const struct subscription *s, const struct wish *wish)
{
    return strcmp(s->publication->publisher->stream_id, wish->stream_id) == 0 &&
           strcmp(publication_track_id(s->publication), wish->track) == 0;
}

void sfu_participant_watch(struct sfu_participant *p, const struct room_track *tracks, size_t count, nanos now)
{
    struct subscription *s;
    for (size_t i = 0; i < count; i++) {
        struct wish wish = {.track = tracks[i].track, .height = tracks[i].height};
        session_stream_id(wish.stream_id, tracks[i].peer);
        DL_FOREACH2(p->subscriptions, s, of_subscriber.next)
        {
            if (is_wished(s, &wish))
                subscription_wish(s, wish.height, now);
        }
    }
}

bool sfu_participant_mute(struct sfu_participant *p, const char *track, bool muted, nanos now, struct error *error)
{
    struct publication *publication;
    struct subscription *s;
    int kind = publication_kind_of(track);
    if (kind < 0)
        return error_set(error, ERROR_PROTOCOL, "track is audio, video or screen");
    p->muted = (uint8_t)(muted ? p->muted | 1u << kind : p->muted & ~(1u << kind));
    DL_FOREACH2(p->publications, publication, next)
    {
        DL_FOREACH2(publication->subscriptions, s, of_publication.next)
        {
            sfu_participant_reallocate(s->subscriber, now);
        }
    }
    return true;
}

void sfu_participant_withdraw(struct sfu_participant *p, nanos now)
{
    p->receives = false;
    while (p->publications != NULL)
        publication_destroy(p->publications, now);
    while (p->subscriptions != NULL)
        subscription_destroy(p->subscriptions, now);
    negotiation_clear(&p->negotiation);
    data_relay_leave(p, now);
}

void sfu_participant_run(struct sfu_participant *p, nanos now)
{
    struct publication *publication;
    DL_FOREACH2(p->publications, publication, next)
    {
        if (publication_deadline(publication) <= now)
            publication_run(publication, now);
    }
    if (p->allocate_due <= now) {
        p->allocated_at = now;
        p->allocate_due = downlink_share(p, now);
    }
    if (negotiation_deadline(&p->negotiation) <= now)
        negotiation_offer(p, now);
    if (data_relay_deadline(p) <= now)
        data_relay_run(p, now);
}

static void note(const struct sfu_participant *p, const char *event, const char *detail, nanos now)
{
    if (p->sfu->note != NULL)
        p->sfu->note(p->sfu->user, event, p->room->name, p->stream_id, detail, now);
}

void sfu_participant_handle_events(struct sfu_participant *p, nanos now)
{
    struct transport_event event;
    while (p->connection != NULL && transport_event(connection_transport(p->connection), &event)) {
        if (event.type != TRANSPORT_EVENT_STATE)
            continue; /* our candidates are in our descriptions */
        if (event.state == TRANSPORT_CONNECTED && p->connected_at == NANOS_NEVER) {
            p->connected_at = now;
            note(p, "connected", NULL, now);
            sfu_participant_reallocate(p, now);
        } else if (event.state == TRANSPORT_FAILED || event.state == TRANSPORT_CLOSED) {
            /* The participant may still be there, and offer anew. */
            note(p, event.state == TRANSPORT_FAILED ? "failed" : "closed", event.reason, now);
            sfu_participant_withdraw(p, now);
            disconnect(p);
            if (p->ended != NULL)
                p->ended(p->user, now);
        }
    }
}

nanos sfu_participant_deadline(const struct sfu_participant *p)
{
    struct publication *publication;
    nanos deadline = nanos_min(p->allocate_due, negotiation_deadline(&p->negotiation));
    deadline = nanos_min(deadline, data_relay_deadline(p));
    if (p->connection != NULL)
        deadline = nanos_min(deadline, connection_deadline(p->connection));
    DL_FOREACH2(p->publications, publication, next)
    {
        deadline = nanos_min(deadline, publication_deadline(publication));
    }
    return deadline;
}

void sfu_participant_destroy(struct sfu_participant *p, nanos now)
{
    sfu_participant_withdraw(p, now);
    disconnect(p);
    sfu_room_leave(p->room, p);
    deadline_heap_remove(&p->sfu->deadlines, &p->deadline);
    if (p->dirty)
        DL_DELETE2(p->sfu->dirty, p, in_dirty.prev, in_dirty.next);
    p->sfu->statistics.participants--;
    free(p);
}
