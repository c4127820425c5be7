/* What a call says to the other end: offers, answers, candidates (RFC 8829, RFC 8838). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer/call_state.h"

const char *const call_rids[MEDIA_LAYERS_MAX] = {"q", "h", "f"};
const char *const call_track_ids[CALL_TRACKS] = {
    [TRACK_AUDIO] = "audio", [TRACK_VIDEO] = "video", [TRACK_SCREEN] = "screen"};

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

void call_negotiation_candidate(struct call *call, const struct ice_candidate *candidate)
{
    char text[256];
    if (call->config.holds_candidates)
        session_add_candidate(&call->transport, candidate);
    else if (ice_candidate_format(candidate, text, sizeof text) > 0)
        say(call, ROOM_CANDIDATE, NULL, text);
}

void call_negotiation_gathered(struct call *call)
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
    snprintf(media->track_id, sizeof media->track_id, "%s", call_track_ids[kind]);
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
        session_offer_simulcast(media, call_rids, call->config.plan->layer_count);
    if (section->sends || call->config.shape == CALL_MESH)
        name_stream(call, media, section->track);
}

void call_negotiation_offer(struct call *call)
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
    call_negotiation_offer(call);
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
    if (!transport_set_remote(call_transport(call), &parameters, now, error))
        return false;
    for (size_t i = 0; i < remote->candidate_count; i++)
        transport_add_candidate(call_transport(call), &remote->candidates[i], now);
    if (remote->end_of_candidates)
        transport_end_of_candidates(call_transport(call), now);
    call->has_remote = true;
    return true;
}

static bool handle_answer(struct call *call, const struct session_description *answer, nanos now, struct error *error)
{
    struct session_description *offer = call->offer;
    if (offer == NULL)
        return error_set(error, ERROR_PROTOCOL, "an answer to no offer");
    if (!session_check_answer(offer, answer, error) ||
        !apply_transport(call, &offer->transport, &answer->transport, now, error))
        return false;
    call_apply_media(call, offer, answer, answer, now);
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
        enum track_kind kind = call_track_kind(&offer->media[i]); /* a section carries the same both ways */
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
    snprintf(call->transport.ufrag, sizeof call->transport.ufrag, "%s", transport_ufrag(call_transport(call)));
    snprintf(call->transport.password, sizeof call->transport.password, "%s", transport_password(call_transport(call)));
    call->transport.setup = call->role == DTLS_CLIENT ? SESSION_SETUP_ACTIVE : SESSION_SETUP_PASSIVE;
    struct session_description *answer = session_answer(offer, &call->capabilities, error);
    if (answer == NULL)
        return false;
    answer_sections(call, offer, answer);
    call_apply_media(call, answer, offer, answer, now);
    say_description(call, answer);
    return true;
}

static bool handle_description(struct call *call, const struct room_message *message, nanos now, struct error *error)
{
    struct session_description *description = session_description_parse(message->sdp, strlen(message->sdp), error);
    if (description == NULL)
        return false;
    call->remote_session = description->session_id;
    bool handled = message->type == ROOM_OFFER ? handle_offer(call, description, now, error)
                                               : handle_answer(call, description, now, error);
    session_description_destroy(description);
    return handled;
}

bool call_is_continued_by(const struct call *call, const struct room_message *offer)
{
    struct session_description *description = session_description_parse(offer->sdp, strlen(offer->sdp), NULL);
    bool same = description == NULL || description->session_id == call->remote_session;
    session_description_destroy(description);
    return same;
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
            transport_add_candidate(call_transport(call), &candidate, now);
        break;
    case ROOM_CANDIDATES_END:
        transport_end_of_candidates(call_transport(call), now);
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
    transport_restart(call_transport(call), now);
    snprintf(call->transport.ufrag, sizeof call->transport.ufrag, "%s", transport_ufrag(call_transport(call)));
    snprintf(call->transport.password, sizeof call->transport.password, "%s", transport_password(call_transport(call)));
    call_negotiation_offer(call);
    peer_connection_flush(call->pc, now);
}

/* --- life ---------------------------------------------------------------------------------------------------------------- */

void call_negotiation_begin(struct call *call)
{
    call->transport.trickle = !call->config.holds_candidates;
    call->transport.setup = call->config.offerer ? SESSION_SETUP_ACTPASS : SESSION_SETUP_ACTIVE;
    call->transport.fingerprint_count = 1;
    call->transport.fingerprints[0] = certificate_fingerprint(call->config.certificate, FINGERPRINT_SHA_256);
    snprintf(call->transport.ufrag, sizeof call->transport.ufrag, "%s", transport_ufrag(call_transport(call)));
    snprintf(call->transport.password, sizeof call->transport.password, "%s", transport_password(call_transport(call)));
    call->capabilities = session_capabilities_default();
    call->capabilities.transport = &call->transport;
    call->capabilities.data_channels = call->config.plan->data.enabled;
    call->capabilities.session_id = rng_u64(&call->rng) >> 1;
    for (size_t i = 0; i < CALL_TRACKS; i++)
        call->ssrcs[i] = (struct own_ssrcs){.media = call_draw_ssrc(call), .retransmission = call_draw_ssrc(call)};
    call->capabilities.audio = session_abilities_of_codec(&call->capabilities.audio, "opus");
    call->capabilities.video = session_abilities_of_codec(&call->capabilities.video, "VP8");
}

void call_negotiation_clear(struct call *call)
{
    forget_held(call);
    session_description_destroy(call->offer);
    free(call->transport.candidates);
    free(call->sections);
}
