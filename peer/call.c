#include "peer/call_state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/ice_server_url.h"

enum {
    START_BPS = 300000, /* as browsers */
    MIN_BPS = 30000,
    AUDIO_OVERHEAD_BPS = 50 * 8 * 36, /* RTP header and extensions, 50 times a second */
    STUN_SERVERS_MAX = 2,
    BUFFER_BYTES = 200000,
};
#define BUFFER_WINDOW (600 * NANOS_PER_MS) /* two round trips of a bad path */
#define TICK (50 * NANOS_PER_MS)
/* Of what video may take, so much is for a shared screen while there is one. */
#define SCREEN_SHARE 0.6

struct connection *call_connection(struct call *call) { return peer_connection_connection(call->pc); }
const char *call_remote_name(const struct call *call) { return call->remote_name; }
struct remote_track *call_tracks(const struct call *call) { return call->tracks; }
bool call_is_offerer(const struct call *call) { return call->config.offerer; }
void call_set_user(struct call *call, void *user) { call->user = user; }
void *call_user(const struct call *call) { return call->user; }

size_t call_video_encodings(const struct call *call)
{
    return (call->has_video ? video_sender_active(&call->video) : 0) +
           (call->has_screen ? video_sender_active(&call->screen) : 0);
}

/* --- rates ---------------------------------------------------------------------------------------------------------------- */

static int64_t audio_cost(const struct call *call)
{
    return call->audio != NULL ? call->config.plan->audio_bps + AUDIO_OVERHEAD_BPS : 0;
}

static void share_rate(struct call *call)
{
    int64_t left = call->up ? call->target_bps - audio_cost(call) : 0;
    int64_t screen = 0;
    if (left < 0)
        left = 0;
    if (call->has_screen) {
        int64_t max = video_sender_max_bps(&call->screen);
        screen = call->has_video ? (int64_t)((double)left * SCREEN_SHARE) : left;
        screen = screen < max ? screen : max;
        video_sender_set_target(&call->screen, screen);
    }
    if (call->has_video)
        video_sender_set_target(&call->video, left - screen);
}

static void tell_wanted_rate(struct call *call, nanos now)
{
    int64_t wanted = audio_cost(call);
    if (call->has_video)
        wanted += video_sender_max_bps(&call->video);
    if (call->has_screen)
        wanted += video_sender_max_bps(&call->screen);
    connection_set_allocated(call_connection(call), wanted, now);
}

static void on_rate(void *user, int64_t target_bps, nanos now)
{
    struct call *call = user;
    (void)now;
    call->target_bps = target_bps;
    share_rate(call);
}

/* --- media in --------------------------------------------------------------------------------------------------------------- */

static void on_frame(void *user, struct remote_track *track, const struct received_frame *frame, nanos now)
{
    struct call *call = user;
    call->config.callbacks->frame(call->config.user, call, track, frame, now);
}

static void on_packet(void *user, struct receive_stream *stream, const struct rtp_packet *packet,
                      const struct rtp_extensions *extensions, bool recovered, nanos now)
{
    struct call *call = user;
    (void)extensions;
    if (remote_track_packet(stream->config.user, packet, recovered, now, on_frame, call))
        connection_request_key_frame(call_connection(call), stream, now);
}

static void on_key_frame_wanted(void *user, struct send_stream *stream, nanos now)
{
    struct call *call = user;
    (void)now;
    if (call->has_video && video_sender_want_key_frame(&call->video, stream))
        return;
    if (call->has_screen)
        video_sender_want_key_frame(&call->screen, stream);
}

static void on_stuck(void *user, struct receive_stream *stream, nanos now)
{
    connection_request_key_frame(call_connection(user), stream, now);
}

static void on_data(void *user, const struct data_channel_event *event, nanos now)
{
    struct call *call = user;
    if (call->data != NULL)
        data_exchange_event(call->data, event, now);
}

static const struct connection_callbacks connection_callbacks = {
    .packet = on_packet, .key_frame_wanted = on_key_frame_wanted, .rate = on_rate, .stuck = on_stuck, .data = on_data};

/* --- tracks ------------------------------------------------------------------------------------------------------------------ */

static struct remote_track *track_of_mid(const struct call *call, const char *mid)
{
    struct remote_track *track = call->tracks;
    while (track != NULL && strcmp(track->mid, mid) != 0)
        track = track->next;
    return track;
}

enum track_kind call_track_kind(const struct session_media *media)
{
    if (media->kind == SESSION_AUDIO)
        return TRACK_AUDIO;
    return strcmp(media->track_id, call_track_ids[TRACK_SCREEN]) == 0 ? TRACK_SCREEN : TRACK_VIDEO;
}

static void remove_track(struct call *call, struct remote_track *track, nanos now)
{
    struct remote_track **at = &call->tracks;
    while (*at != track)
        at = &(*at)->next;
    *at = track->next;
    call->config.callbacks->track_removed(call->config.user, call, track, now);
    connection_remove_receive_stream(call_connection(call), track->stream);
    remote_track_destroy(track);
}

/* `media` is the other end's section, `codec` what it sends. */
static void add_track(struct call *call, const struct session_media *media, const struct session_codec *codec,
                      nanos now)
{
    const char *publisher = media->stream_id[0] != '\0' ? media->stream_id : call->remote_name;
    struct remote_track *track = remote_track_create(call_track_kind(media), publisher, media->mid);
    if (track == NULL)
        return;
    const struct session_codec *rtx = session_retransmission_of(media, codec->payload_type);
    struct receive_stream_config stream = {
        .payload_type = codec->payload_type,
        .rtx_payload_type = rtx != NULL ? rtx->payload_type : 0,
        .clock_rate = codec->clock_rate,
        .nack = (codec->feedback & SESSION_FEEDBACK_NACK) != 0 && media->kind == SESSION_VIDEO,
        .user = track,
    };
    if (strlen(media->mid) < sizeof stream.mid)
        snprintf(stream.mid, sizeof stream.mid, "%.16s", media->mid);
    if (media->ssrc_count > 0) {
        stream.ssrc = media->ssrcs[0].ssrc;
        stream.rtx_ssrc = media->ssrcs[0].has_retransmission ? media->ssrcs[0].retransmission : 0;
    }
    track->stream = connection_add_receive_stream(call_connection(call), &stream);
    if (track->stream == NULL) {
        remote_track_destroy(track);
        return;
    }
    struct remote_track **end = &call->tracks;
    while (*end != NULL)
        end = &(*end)->next;
    *end = track;
    call->config.callbacks->track_added(call->config.user, call, track, now);
}

/* --- streams that we send ------------------------------------------------------------------------------------------------------ */

uint32_t call_draw_ssrc(struct call *call)
{
    uint32_t ssrc = rng_u32(&call->rng);
    return ssrc != 0 ? ssrc : 1;
}

/* `agreed` is what the answer has of our section `local`. */
static struct send_stream *add_stream(struct call *call, const struct session_media *local,
                                      const struct session_media *agreed, const char *rid, uint32_t ssrc,
                                      uint32_t rtx_ssrc)
{
    const struct session_codec *codec = &agreed->codecs[0];
    const struct rtp_extension_map extensions = session_extension_map(agreed, SESSION_SENDRECV);
    bool audio = local->kind == SESSION_AUDIO;
    const struct session_codec *rtx = session_retransmission_of(local, codec->payload_type);
    struct send_stream_config config = {
        .ssrc = ssrc,
        .rtx_ssrc = rtx != NULL ? rtx_ssrc : 0,
        .payload_type = codec->payload_type,
        .rtx_payload_type = rtx != NULL ? rtx->payload_type : 0,
        .clock_rate = codec->clock_rate,
        .audio = audio,
        .buffer_window = audio ? 0 : BUFFER_WINDOW,
        .buffer_bytes = audio ? 0 : BUFFER_BYTES,
        .user = call,
    };
    for (size_t i = 0; i < RTP_EXTENSION_KINDS; i++)
        config.without |= extensions.id[i] == 0 ? (uint8_t)(1U << i) : 0;
    snprintf(config.mid, sizeof config.mid, "%.16s", local->mid);
    snprintf(config.rid, sizeof config.rid, "%s", rid);
    return connection_add_send_stream(call_connection(call), &config);
}

static void start_video(struct call *call, struct video_sender *sender, bool is_screen,
                        const struct session_media *local, const struct session_media *agreed, nanos now)
{
    bool simulcast = !is_screen && local->rid_count > 1;
    const struct video_sender_config config = {.connection = call_connection(call),
                                               .plan = call->config.plan,
                                               .is_screen = is_screen,
                                               .simulcast = simulcast,
                                               .person = call->config.number,
                                               .seed = call->config.seed ^ (is_screen ? 0x73637265u : 0x76696465u),
                                               .start = now};
    video_sender_init(sender, &config);
    for (size_t i = 0; i < sender->count; i++) {
        uint32_t ssrc = local->ssrc_count > 0 ? local->ssrcs[0].ssrc : call_draw_ssrc(call);
        uint32_t rtx = local->ssrc_count > 0 ? local->ssrcs[0].retransmission : call_draw_ssrc(call);
        video_sender_set_stream(sender, i, add_stream(call, local, agreed, simulcast ? call_rids[i] : "", ssrc, rtx));
    }
}

/* Starts what a section that both sides agreed on lets us send. `local` is our side of it. */
static void start_sending(struct call *call, const struct session_media *local, const struct session_media *agreed,
                          nanos now)
{
    const struct media_plan *plan = call->config.plan;
    bool screen = strcmp(local->track_id, call_track_ids[TRACK_SCREEN]) == 0;
    if (local->kind == SESSION_AUDIO && plan->audio && call->audio == NULL) {
        uint32_t ssrc = local->ssrc_count > 0 ? local->ssrcs[0].ssrc : call_draw_ssrc(call);
        call->audio = add_stream(call, local, agreed, "", ssrc, 0);
    } else if (local->kind == SESSION_VIDEO && screen && plan->screen && !call->has_screen) {
        start_video(call, &call->screen, true, local, agreed, now);
        call->has_screen = true;
    } else if (local->kind == SESSION_VIDEO && !screen && plan->video && !call->has_video) {
        start_video(call, &call->video, false, local, agreed, now);
        call->has_video = true;
    }
}

/* --- data channels --------------------------------------------------------------------------------------------------------- */

static void on_report(void *user, const struct data_report *report, nanos now)
{
    struct call *call = user;
    if (call->config.callbacks->data != NULL)
        call->config.callbacks->data(call->config.user, call, report, now);
}

/* Both sides have a section for them, `remote` is the other's. */
static void start_data(struct call *call, const struct session_media *remote, nanos now)
{
    const struct data_channels_config channels = {.remote_port = remote->sctp_port,
                                                  .remote_message_max = remote->max_message_size};
    if (call->data != NULL || !connection_enable_data(call_connection(call), &channels, NULL))
        return;
    const struct data_exchange_config config = {.connection = call_connection(call),
                                                .plan = &call->config.plan->data,
                                                .number = call->config.number,
                                                .opens = call->config.offerer,
                                                .seed = call->config.seed,
                                                .report = on_report,
                                                .user = call};
    call->data = data_exchange_create(&config, now);
}

/* --- all of it ----------------------------------------------------------------------------------------------------------------- */

/* Packets may overtake the answer that says which section their SSRC belongs to, and then they were taken for a section
 * that had none yet. What is said is right: such a track begins anew. */
static void remove_mistaken_tracks(struct call *call, const struct session_description *remote, nanos now)
{
    for (size_t i = 0; i < remote->media_count; i++) {
        const struct session_media *theirs = &remote->media[i];
        struct remote_track *track = theirs->ssrc_count > 0 ? track_of_mid(call, theirs->mid) : NULL;
        if (track != NULL && track->stream->config.ssrc != theirs->ssrcs[0].ssrc)
            remove_track(call, track, now);
    }
}

void call_apply_media(struct call *call, const struct session_description *local,
                      const struct session_description *remote, const struct session_description *answer, nanos now)
{
    struct rtp_extension_map map = {0};
    remove_mistaken_tracks(call, remote, now);
    for (size_t i = 0; i < answer->media_count && i < local->media_count && i < remote->media_count; i++) {
        const struct session_media *ours = &local->media[i];
        const struct session_media *theirs = &remote->media[i];
        const struct session_media *agreed = &answer->media[i];
        struct remote_track *track = track_of_mid(call, theirs->mid);
        if (agreed->kind == SESSION_DATA && !agreed->rejected)
            start_data(call, theirs, now);
        bool rejected = agreed->rejected || agreed->codec_count == 0;
        bool receives =
            !rejected && (theirs->direction & SESSION_SENDONLY) != 0 && (ours->direction & SESSION_RECVONLY) != 0;
        bool sends =
            !rejected && (ours->direction & SESSION_SENDONLY) != 0 && (theirs->direction & SESSION_RECVONLY) != 0;
        const struct rtp_extension_map section = session_extension_map(agreed, SESSION_SENDRECV);
        for (size_t k = 0; k < RTP_EXTENSION_KINDS && !rejected; k++) {
            if (map.id[k] == 0)
                map.id[k] = section.id[k];
        }
        if (track != NULL && !receives)
            remove_track(call, track, now);
        if (track == NULL && receives)
            add_track(call, theirs, &agreed->codecs[0], now);
        if (sends) {
            connection_set_extensions(call_connection(call), &map);
            start_sending(call, ours, agreed, now);
        }
    }
    connection_set_extensions(call_connection(call), &map);
    tell_wanted_rate(call, now);
    share_rate(call);
}

/* --- media out -------------------------------------------------------------------------------------------------------------------- */

void call_send_audio(struct call *call, const struct audio_frame *frame, const uint8_t *payload, size_t len, nanos now)
{
    if (call->audio == NULL)
        return;
    const struct media_packet packet = {
        .sequence = call->audio_sequence++,
        .timestamp = frame->timestamp + call->audio_timestamp_offset,
        .captured = frame->captured,
        .marker = frame->marker,
        .has_audio_level = true,
        .audio_level = {.voice = frame->talking, .below_max = frame->level},
        .payload = payload,
        .payload_len = len,
    };
    connection_send(call_connection(call), call->audio, &packet, now);
    peer_connection_flush(call->pc, now);
}

void call_run(struct call *call, nanos now)
{
    if (call->has_video)
        video_sender_run(&call->video, now);
    if (call->has_screen)
        video_sender_run(&call->screen, now);
    if (call->data != NULL)
        data_exchange_run(call->data, now);
    if (call->tick <= now) {
        call->tick = now + TICK;
        for (struct remote_track *track = call->tracks; track != NULL; track = track->next) {
            if (remote_track_run(track, now, on_frame, call))
                connection_request_key_frame(call_connection(call), track->stream, now);
        }
    }
    peer_connection_flush(call->pc, now);
}

nanos call_deadline(const struct call *call)
{
    nanos deadline = NANOS_NEVER;
    bool watches = false;
    for (const struct remote_track *track = call->tracks; track != NULL && !watches; track = track->next)
        watches = track->frames != NULL;
    if (watches)
        deadline = call->tick;
    if (call->has_video)
        deadline = nanos_min(deadline, video_sender_deadline(&call->video));
    if (call->has_screen)
        deadline = nanos_min(deadline, video_sender_deadline(&call->screen));
    if (call->data != NULL)
        deadline = nanos_min(deadline, data_exchange_deadline(call->data));
    return deadline;
}

/* --- life --------------------------------------------------------------------------------------------------------------------------- */

static void on_event(void *user, struct peer_connection *pc, const struct transport_event *event, nanos now)
{
    struct call *call = user;
    (void)pc;
    switch (event->type) {
    case TRANSPORT_EVENT_CANDIDATE:
        call_negotiation_candidate(call, &event->candidate);
        break;
    case TRANSPORT_EVENT_GATHERED:
        call_negotiation_gathered(call);
        break;
    case TRANSPORT_EVENT_STATE:
        call->up = event->state == TRANSPORT_CONNECTED || event->state == TRANSPORT_DISCONNECTED;
        share_rate(call);
        call->config.callbacks->state(call->config.user, call, event->state, event->reason, now);
        break;
    default:
        break;
    }
}

static void use_ice_servers(const struct room_message *joined, struct address *stun, struct transport_turn_server *turn,
                            struct transport_config *transport)
{
    transport->stun_servers = stun;
    transport->turn_servers = turn;
    for (size_t i = 0; joined != NULL && i < joined->ice_server_count; i++) {
        const struct room_ice_server *server = &joined->ice_servers[i];
        struct ice_server_url url;
        if (!ice_server_url_parse(&url, server->url))
            continue;
        if (!url.turn && transport->stun_server_count < STUN_SERVERS_MAX) {
            stun[transport->stun_server_count++] = url.address;
        } else if (url.turn && transport->turn_server_count < TRANSPORT_TURN_SERVERS_MAX) {
            struct transport_turn_server *entry = &turn[transport->turn_server_count++];
            *entry = (struct transport_turn_server){.address = url.address, .transport = url.transport};
            snprintf(entry->username, sizeof entry->username, "%s", server->username != NULL ? server->username : "");
            snprintf(entry->password, sizeof entry->password, "%s",
                     server->credential != NULL ? server->credential : "");
        }
    }
}

static bool open_connection(struct call *call, struct error *error)
{
    const struct call_config *config = &call->config;
    struct address stun[STUN_SERVERS_MAX];
    struct transport_turn_server turn[TRANSPORT_TURN_SERVERS_MAX];
    struct peer_connection_config pc = {
        .host = config->host,
        .connection = {.transport = {.controlling = config->offerer,
                                     .relay_only = config->relay_only,
                                     .certificate = config->certificate,
                                     .tls = config->tls,
                                     .seed = config->seed,
                                     .keylog = config->keylog,
                                     .keylog_user = config->keylog_user},
                       .congestion = {.start_bps = START_BPS, .min_bps = MIN_BPS, .alr_probing = true},
                       .cname = call->stream_id,
                       .ssrc = call_draw_ssrc(call),
                       .ntp_origin = config->ntp_origin,
                       .seed = config->seed,
                       .callbacks = &connection_callbacks,
                       .user = call,
                       .network_latency = config->network_latency},
        .event = on_event,
        .user = call,
    };
    use_ice_servers(config->joined, stun, turn, &pc.connection.transport);
    call->pc = peer_connection_create(&pc, error);
    return call->pc != NULL;
}

struct call *call_create(const struct call_config *config, nanos now, struct error *error)
{
    struct call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    call->config = *config;
    call->rng = rng_of(config->seed, "call", 0);
    call->audio_sequence = (uint16_t)rng_below(&call->rng, 0x8000);
    call->audio_timestamp_offset = rng_u32(&call->rng);
    session_stream_id(call->stream_id, config->own_name);
    snprintf(call->remote_name, sizeof call->remote_name, "%s", config->remote_name);
    if (!open_connection(call, error)) {
        free(call);
        return NULL;
    }
    call->config.joined = NULL; /* its texts were copied, and may go */
    call_negotiation_begin(call);
    if (config->offerer)
        call_negotiation_offer(call);
    peer_connection_flush(call->pc, now);
    return call;
}

void call_destroy(struct call *call)
{
    if (call == NULL)
        return;
    for (struct remote_track *track = call->tracks; track != NULL;) {
        struct remote_track *next = track->next;
        remote_track_destroy(track);
        track = next;
    }
    call_negotiation_clear(call);
    data_exchange_destroy(call->data);
    peer_connection_destroy(call->pc);
    free(call);
}

void call_close(struct call *call, nanos now) { peer_connection_close(call->pc, now); }
