#include "peer/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
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

static const char *const rids[MEDIA_LAYERS_MAX] = {"q", "h", "f"};
static const char *const track_ids[] = {[TRACK_AUDIO] = "audio", [TRACK_VIDEO] = "video", [TRACK_SCREEN] = "screen"};
enum { TRACKS = sizeof track_ids / sizeof track_ids[0] };

/* The SSRCs of what we send without simulcast: the same in every description of ours. */
struct own_ssrcs {
    uint32_t media, retransmission;
};

/* A section of our descriptions, as an offer of ours repeats it. */
struct call_section {
    enum session_kind kind;
    enum track_kind track;
    bool sends, receives;
    char mid[SESSION_MID_CAP]; /* "": its number */
};

struct call {
    struct call_config config;
    char stream_id[SESSION_ID_CAP]; /* our name, as SDP carries it */
    char remote_name[SESSION_ID_CAP];
    struct peer_connection *pc;
    struct session_capabilities capabilities;
    struct session_transport transport; /* ours, as descriptions carry it */
    struct session_description *offer;  /* ours, while unanswered */
    struct session_description *held;   /* ours, until all candidates are known: `offer`, or an answer */
    bool gathered;                      /* they are */
    struct call_section *sections;
    size_t section_count;
    uint64_t version;               /* of our last description, in o= */
    struct own_ssrcs ssrcs[TRACKS]; /* by enum track_kind */
    struct rng rng;
    bool has_remote;
    enum dtls_role role; /* once has_remote: it stays (RFC 8842, section 5.5) */

    struct send_stream *audio;
    uint16_t audio_sequence;
    uint32_t audio_timestamp_offset;
    struct video_sender video, screen;
    bool has_video, has_screen;
    int64_t target_bps;
    bool up;
    nanos tick;
    struct remote_track *tracks;
    struct data_exchange *data; /* NULL: no data channels */
    void *user;
};

static struct transport *transport_of(struct call *call)
{
    return connection_transport(peer_connection_connection(call->pc));
}

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

static enum track_kind kind_of(const struct session_media *media)
{
    if (media->kind == SESSION_AUDIO)
        return TRACK_AUDIO;
    return strcmp(media->track_id, track_ids[TRACK_SCREEN]) == 0 ? TRACK_SCREEN : TRACK_VIDEO;
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
    struct remote_track *track = remote_track_create(kind_of(media), publisher, media->mid);
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

static uint32_t draw_ssrc(struct call *call)
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
        uint32_t ssrc = local->ssrc_count > 0 ? local->ssrcs[0].ssrc : draw_ssrc(call);
        uint32_t rtx = local->ssrc_count > 0 ? local->ssrcs[0].retransmission : draw_ssrc(call);
        video_sender_set_stream(sender, i, add_stream(call, local, agreed, simulcast ? rids[i] : "", ssrc, rtx));
    }
}

/* Starts what a section that both sides agreed on lets us send. `local` is our side of it. */
static void start_sending(struct call *call, const struct session_media *local, const struct session_media *agreed,
                          nanos now)
{
    const struct media_plan *plan = call->config.plan;
    bool screen = strcmp(local->track_id, track_ids[TRACK_SCREEN]) == 0;
    if (local->kind == SESSION_AUDIO && plan->audio && call->audio == NULL) {
        uint32_t ssrc = local->ssrc_count > 0 ? local->ssrcs[0].ssrc : draw_ssrc(call);
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

/* --- negotiation ---------------------------------------------------------------------------------------------------------------- */

static void say(struct call *call, enum room_message_type type, const char *sdp, const char *candidate)
{
    const struct room_message message = {.type = type,
                                         .to = call->remote_name[0] != '\0' ? call->remote_name : NULL,
                                         .sdp = sdp,
                                         .candidate = candidate};
    call->config.callbacks->say(call->config.user, call, &message);
}

static void write_description(struct call *call, const struct session_description *description)
{
    char *sdp = session_description_write(description);
    if (sdp != NULL)
        say(call, description == call->offer ? ROOM_OFFER : ROOM_ANSWER, sdp, NULL);
    free(sdp);
}

static void forget_held(struct call *call)
{
    if (call->held != call->offer)
        session_description_destroy(call->held);
    call->held = NULL;
}

/* Takes an answer over, and leaves an offer where it is. */
static void say_description(struct call *call, struct session_description *description)
{
    description->version = ++call->version; /* RFC 3264, section 8 */
    forget_held(call);
    if (call->config.holds_candidates && !call->gathered) {
        call->held = description;
        return;
    }
    write_description(call, description);
    if (description != call->offer)
        session_description_destroy(description);
}

static void found_candidate(struct call *call, const struct ice_candidate *candidate)
{
    char text[256];
    if (call->config.holds_candidates)
        session_add_candidate(&call->transport, candidate);
    else if (ice_candidate_format(candidate, text, sizeof text) > 0)
        say(call, ROOM_CANDIDATE, NULL, text);
}

static void found_all_candidates(struct call *call)
{
    call->gathered = true;
    if (!call->config.holds_candidates) {
        say(call, ROOM_CANDIDATES_END, NULL, NULL);
        return;
    }
    call->transport.end_of_candidates = true;
    if (call->held == NULL)
        return;
    for (size_t i = 0; i < call->transport.candidate_count; i++)
        session_add_candidate(&call->held->transport, &call->transport.candidates[i]);
    call->held->transport.end_of_candidates = true;
    write_description(call, call->held);
    forget_held(call);
}

/* What our section sends is named, so the other end knows whose it is, and has its SSRCs unless it is simulcast. */
static void name_stream(struct call *call, struct session_media *media, enum track_kind kind)
{
    const struct own_ssrcs *ssrcs = &call->ssrcs[kind];
    memcpy(media->stream_id, call->stream_id, sizeof media->stream_id);
    snprintf(media->track_id, sizeof media->track_id, "%s", track_ids[kind]);
    if ((media->direction & SESSION_SENDONLY) == 0 || media->rid_count > 0)
        return;
    struct session_ssrc *ssrc = session_add_ssrc(media);
    if (ssrc == NULL)
        return;
    ssrc->ssrc = ssrcs->media;
    ssrc->has_retransmission = media->kind == SESSION_VIDEO;
    ssrc->retransmission = ssrc->has_retransmission ? ssrcs->retransmission : 0;
    memcpy(ssrc->cname, call->stream_id, sizeof ssrc->cname);
}

static struct call_section *add_section(struct call *call, enum session_kind kind, enum track_kind track, bool sends,
                                        bool receives)
{
    struct call_section *grown = realloc(call->sections, (call->section_count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    call->sections = grown;
    grown += call->section_count++;
    *grown = (struct call_section){.kind = kind, .track = track, .sends = sends, .receives = receives};
    return grown;
}

static void plan_sections(struct call *call, uint32_t receive_audio, uint32_t receive_video)
{
    for (uint32_t i = 0; i < receive_audio; i++)
        add_section(call, SESSION_AUDIO, TRACK_AUDIO, false, true);
    for (uint32_t i = 0; i < receive_video; i++)
        add_section(call, SESSION_VIDEO, TRACK_VIDEO, false, true);
}

static void plan_offer(struct call *call)
{
    const struct media_plan *plan = call->config.plan;
    bool mesh = call->config.shape == CALL_MESH;
    if (plan->audio || mesh)
        add_section(call, SESSION_AUDIO, TRACK_AUDIO, plan->audio, mesh);
    if (plan->video || mesh)
        add_section(call, SESSION_VIDEO, TRACK_VIDEO, plan->video, mesh);
    if (plan->screen || (mesh && call->config.room_has_screen))
        add_section(call, SESSION_VIDEO, TRACK_SCREEN, plan->screen, mesh);
    plan_sections(call, call->config.receive_audio, call->config.receive_video);
    /* Someone who only watches at an SFU still needs a section for the transport to hang on. */
    if (call->section_count == 0)
        add_section(call, SESSION_AUDIO, TRACK_AUDIO, false, false);
    if (plan->data.enabled)
        add_section(call, SESSION_DATA, TRACK_AUDIO, false, false);
}

static void offer_section(struct call *call, const struct call_section *section)
{
    uint8_t direction = (uint8_t)((section->sends ? SESSION_SENDONLY : 0) | (section->receives ? SESSION_RECVONLY : 0));
    struct session_media *media = session_offer_media(call->offer, &call->capabilities, section->kind, direction);
    if (media == NULL)
        return;
    if (section->mid[0] != '\0')
        memcpy(media->mid, section->mid, sizeof media->mid);
    if (section->kind == SESSION_DATA)
        return;
    bool simulcast = call->config.shape == CALL_SFU && section->track == TRACK_VIDEO && !call->config.no_simulcast &&
                     call->config.plan->layer_count > 1;
    if (simulcast && section->sends)
        session_offer_simulcast(media, rids, call->config.plan->layer_count);
    if (section->sends || call->config.shape == CALL_MESH)
        name_stream(call, media, section->track);
}

static void make_offer(struct call *call)
{
    call->offer = session_description_create();
    if (call->offer == NULL)
        return;
    if (call->section_count == 0)
        plan_offer(call);
    for (size_t i = 0; i < call->section_count; i++)
        offer_section(call, &call->sections[i]);
    say_description(call, call->offer);
}

bool call_offer_more(struct call *call, uint32_t receive_audio, uint32_t receive_video, nanos now)
{
    if (call->offer != NULL)
        return false;
    plan_sections(call, receive_audio, receive_video);
    make_offer(call);
    peer_connection_flush(call->pc, now);
    return call->offer != NULL;
}

static bool apply_transport(struct call *call, const struct session_transport *local,
                            const struct session_transport *remote, nanos now, struct error *error)
{
    if (!call->has_remote)
        call->role = session_is_dtls_client(local, remote) ? DTLS_CLIENT : DTLS_SERVER;
    struct transport_remote parameters = {
        .ufrag = remote->ufrag,
        .password = remote->password,
        .lite = remote->ice_lite,
        .role = call->role,
        .fingerprints = remote->fingerprints,
        .fingerprint_count = remote->fingerprint_count < TRANSPORT_FINGERPRINTS_MAX ? remote->fingerprint_count
                                                                                    : TRANSPORT_FINGERPRINTS_MAX,
    };
    if (!transport_set_remote(transport_of(call), &parameters, now, error))
        return false;
    for (size_t i = 0; i < remote->candidate_count; i++)
        transport_add_candidate(transport_of(call), &remote->candidates[i], now);
    if (remote->end_of_candidates)
        transport_end_of_candidates(transport_of(call), now);
    call->has_remote = true;
    return true;
}

/* Both sides' sections are known: sets extensions, adds and removes tracks, starts what we send. */
static void apply_media(struct call *call, const struct session_description *local,
                        const struct session_description *remote, const struct session_description *answer, nanos now)
{
    struct rtp_extension_map map = {0};
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

static bool handle_answer(struct call *call, const struct session_description *answer, nanos now, struct error *error)
{
    struct session_description *offer = call->offer;
    if (offer == NULL)
        return error_set(error, ERROR_PROTOCOL, "an answer to no offer");
    if (!session_check_answer(offer, answer, error) ||
        !apply_transport(call, &offer->transport, &answer->transport, now, error))
        return false;
    apply_media(call, offer, answer, answer, now);
    if (call->held == offer)
        call->held = NULL;
    session_description_destroy(offer);
    call->offer = NULL;
    return true;
}

static bool own_track_is_sent(const struct call *call, enum track_kind kind)
{
    const struct media_plan *plan = call->config.plan;
    return kind == TRACK_AUDIO ? plan->audio : kind == TRACK_VIDEO ? plan->video : plan->screen;
}

/* Does another section carry this already? */
static bool is_sent_elsewhere(const struct call *call, enum track_kind track, size_t index)
{
    for (size_t i = 0; i < call->section_count; i++) {
        if (i != index && call->sections[i].sends && call->sections[i].track == track)
            return true;
    }
    return false;
}

/* What we send goes into the first section that takes it; the rest only receive. */
static void answer_sections(struct call *call, const struct session_description *offer,
                            struct session_description *answer)
{
    for (size_t i = 0; i < answer->media_count; i++) {
        struct session_media *media = &answer->media[i];
        enum track_kind kind = kind_of(&offer->media[i]); /* a section carries the same both ways */
        bool sends = (media->direction & SESSION_SENDONLY) != 0 && own_track_is_sent(call, kind) &&
                     !is_sent_elsewhere(call, kind, i);
        if (!sends)
            media->direction &= (uint8_t)~SESSION_SENDONLY;
        else
            name_stream(call, media, kind);
        struct call_section *section =
            i < call->section_count ? &call->sections[i] : add_section(call, media->kind, kind, sends, true);
        if (section == NULL)
            continue;
        section->sends = sends;
        memcpy(section->mid, media->mid, sizeof section->mid);
    }
}

static bool handle_offer(struct call *call, const struct session_description *offer, nanos now, struct error *error)
{
    if (call->offer != NULL)
        return error_set(error, ERROR_PROTOCOL, "an offer while ours is unanswered");
    /* An ICE restart changes the other end's ufrag, which makes our agent restart too: learn that before answering. */
    if (!apply_transport(call, &call->transport, &offer->transport, now, error))
        return false;
    snprintf(call->transport.ufrag, sizeof call->transport.ufrag, "%s", transport_ufrag(transport_of(call)));
    snprintf(call->transport.password, sizeof call->transport.password, "%s", transport_password(transport_of(call)));
    call->transport.setup = call->role == DTLS_CLIENT ? SESSION_SETUP_ACTIVE : SESSION_SETUP_PASSIVE;
    struct session_description *answer = session_answer(offer, &call->capabilities, error);
    if (answer == NULL)
        return false;
    answer_sections(call, offer, answer);
    apply_media(call, answer, offer, answer, now);
    say_description(call, answer);
    return true;
}

static bool handle_description(struct call *call, const struct room_message *message, nanos now, struct error *error)
{
    struct session_description *description = session_description_parse(message->sdp, strlen(message->sdp), error);
    if (description == NULL)
        return false;
    bool handled = message->type == ROOM_OFFER ? handle_offer(call, description, now, error)
                                               : handle_answer(call, description, now, error);
    session_description_destroy(description);
    return handled;
}

bool call_handle(struct call *call, const struct room_message *message, nanos now, struct error *error)
{
    struct ice_candidate candidate;
    bool handled = true;
    switch (message->type) {
    case ROOM_OFFER:
    case ROOM_ANSWER:
        handled = handle_description(call, message, now, error);
        break;
    case ROOM_CANDIDATE:
        handled = ice_candidate_parse(&candidate, message->candidate, error);
        if (handled)
            transport_add_candidate(transport_of(call), &candidate, now);
        break;
    case ROOM_CANDIDATES_END:
        transport_end_of_candidates(transport_of(call), now);
        break;
    default:
        handled = error_set(error, ERROR_PROTOCOL, "a message that is not for a call");
        break;
    }
    peer_connection_flush(call->pc, now);
    return handled;
}

void call_restart_ice(struct call *call, nanos now)
{
    if (call->config.shape != CALL_MESH || call->offer != NULL)
        return;
    transport_restart(transport_of(call), now);
    snprintf(call->transport.ufrag, sizeof call->transport.ufrag, "%s", transport_ufrag(transport_of(call)));
    snprintf(call->transport.password, sizeof call->transport.password, "%s", transport_password(transport_of(call)));
    make_offer(call);
    peer_connection_flush(call->pc, now);
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
        found_candidate(call, &event->candidate);
        break;
    case TRANSPORT_EVENT_GATHERED:
        found_all_candidates(call);
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
                       .ssrc = draw_ssrc(call),
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

static void describe_ourselves(struct call *call)
{
    call->transport.trickle = !call->config.holds_candidates;
    call->transport.setup = call->config.offerer ? SESSION_SETUP_ACTPASS : SESSION_SETUP_ACTIVE;
    call->transport.fingerprint_count = 1;
    call->transport.fingerprints[0] = certificate_fingerprint(call->config.certificate, FINGERPRINT_SHA_256);
    snprintf(call->transport.ufrag, sizeof call->transport.ufrag, "%s", transport_ufrag(transport_of(call)));
    snprintf(call->transport.password, sizeof call->transport.password, "%s", transport_password(transport_of(call)));
    call->capabilities = session_capabilities_default();
    call->capabilities.transport = &call->transport;
    call->capabilities.data_channels = call->config.plan->data.enabled;
    call->capabilities.session_id = rng_u64(&call->rng) >> 1;
    for (size_t i = 0; i < TRACKS; i++)
        call->ssrcs[i] = (struct own_ssrcs){.media = draw_ssrc(call), .retransmission = draw_ssrc(call)};
    call->capabilities.audio = session_abilities_of_codec(&call->capabilities.audio, "opus");
    call->capabilities.video = session_abilities_of_codec(&call->capabilities.video, "VP8");
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
    describe_ourselves(call);
    if (config->offerer)
        make_offer(call);
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
    forget_held(call);
    session_description_destroy(call->offer);
    free(call->transport.candidates);
    free(call->sections);
    data_exchange_destroy(call->data);
    peer_connection_destroy(call->pc);
    free(call);
}

void call_close(struct call *call, nanos now) { peer_connection_close(call->pc, now); }
