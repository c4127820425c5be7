#include "sfu/sfu_negotiation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "rtc/session_negotiation.h"
#include "sfu/data_relay.h"
#include "sfu/publication.h"
#include "sfu/sfu_participant.h"
#include "sfu/sfu_state.h"
#include "sfu/subscription.h"

#define GATHERING (50 * NANOS_PER_MS) /* of changes, before they are offered */

enum { EXTENSIONS_MAX = 16, EXTENSION_ID_MAX = 14 /* RFC 8285, section 4.2 */ };

/* What we can do, in the numbers that this participant uses. */
struct own_abilities {
    struct session_capabilities capabilities;
    struct session_transport transport;
    struct session_codec opus, codec[2]; /* of a section: audio's, video's and its retransmission */
    struct session_extension audio[EXTENSIONS_MAX], video[EXTENSIONS_MAX];
};

void negotiation_init(struct negotiation *n, uint64_t session_id)
{
    *n = (struct negotiation){.due = NANOS_NEVER, .session_id = session_id, .codecs = codec_numbers_default()};
}

void negotiation_clear(struct negotiation *n)
{
    for (size_t i = 0; i < n->count; i++)
        free(n->sections[i].rejected);
    free(n->sections);
    session_description_destroy(n->offer);
    negotiation_init(n, n->session_id + 1);
}

/* --- what we can do ---------------------------------------------------------------------------------------------------- */

static bool number_is_taken(const struct rtp_extension_map *map, unsigned id)
{
    for (size_t i = 0; i < RTP_EXTENSION_KINDS; i++) {
        if (map->id[i] == id)
            return true;
    }
    return false;
}

/* Has the participant offered such a section? Then it has told which extensions it knows. */
static bool has_offered(const struct negotiation *n, enum session_kind kind)
{
    for (size_t i = 0; i < n->count; i++) {
        if (!n->sections[i].ours && n->sections[i].kind == kind)
            return true;
    }
    return false;
}

/* Our extensions in the participant's numbers; those that it doesn't know are left out. Before that is known, all are
 * offered, by the highest numbers that are free: Chromium never again offers an extension, such as RIDs, that a section
 * of ours did without. */
static size_t renumber_extensions(const struct negotiation *n, enum session_kind kind,
                                  const struct session_abilities *abilities, struct rtp_extension_map *map,
                                  struct session_extension *out)
{
    bool known = has_offered(n, kind);
    size_t count = 0;
    for (size_t i = 0; i < abilities->extension_count && count < EXTENSIONS_MAX; i++) {
        const struct session_extension *extension = &abilities->extensions[i];
        if (extension->kind >= RTP_EXTENSION_KINDS)
            continue;
        unsigned id = map->id[extension->kind];
        for (unsigned free = EXTENSION_ID_MAX; !known && id == 0 && free > 0; free--)
            id = number_is_taken(map, free) ? 0 : free;
        if (id == 0)
            continue;
        map->id[extension->kind] = (uint8_t)id;
        out[count] = *extension;
        out[count++].id = (uint8_t)id;
    }
    return count;
}

void negotiation_describe_transport(const struct sfu_participant *p, struct session_transport *out)
{
    struct sfu *sfu = p->sfu;
    const struct transport *transport = connection_transport(p->connection);
    *out = (struct session_transport){.ice_lite = true,
                                      .setup = SESSION_SETUP_PASSIVE,
                                      .fingerprint_count = 1,
                                      .candidates = sfu->candidates,
                                      .candidate_count = sfu->candidate_count,
                                      .end_of_candidates = true};
    out->fingerprints[0] = certificate_fingerprint(sfu->certificate, FINGERPRINT_SHA_256);
    snprintf(out->ufrag, sizeof out->ufrag, "%s", transport_ufrag(transport));
    snprintf(out->password, sizeof out->password, "%s", transport_password(transport));
}

/* For an answer: everything as it is by default, since an answer takes its numbers from the offer. */
static void describe_abilities(const struct sfu_participant *p, struct own_abilities *own)
{
    struct session_capabilities *ours = &own->capabilities;
    *ours = session_capabilities_default();
    ours->audio = session_abilities_of_codec(&ours->audio, "opus");
    ours->video = codec_abilities();
    ours->data_channels = true;
    ours->session_id = p->negotiation.session_id;
    negotiation_describe_transport(p, &own->transport);
    ours->transport = &own->transport;
}

/* For an offer: in the numbers that are agreed. */
static void describe_agreed(const struct sfu_participant *p, struct own_abilities *own)
{
    const struct negotiation *n = &p->negotiation;
    struct session_capabilities *ours = &own->capabilities;
    describe_abilities(p, own);
    own->opus = ours->audio.codecs[0];
    own->opus.payload_type = n->codecs.opus;
    struct rtp_extension_map map = n->extensions;
    ours->audio.extension_count = renumber_extensions(n, SESSION_AUDIO, &ours->audio, &map, own->audio);
    ours->video.extension_count = renumber_extensions(n, SESSION_VIDEO, &ours->video, &map, own->video);
    ours->audio.extensions = own->audio;
    ours->video.extensions = own->video;
    ours->audio.codecs = &own->opus;
    ours->video.codecs = own->codec;
}

/* --- what is agreed ------------------------------------------------------------------------------------------------------ */

/* In a BUNDLE group one number means one extension (RFC 8843, section 9.2). aiortc has one for two all the same, one in
 * audio and one in video; what it would take ours for depends on the packet, so it gets neither. */
static void drop_ambiguous(struct rtp_extension_map *map)
{
    for (size_t i = 0; i < RTP_EXTENSION_KINDS; i++) {
        bool ambiguous = false;
        for (size_t k = i + 1; k < RTP_EXTENSION_KINDS && map->id[i] != 0; k++) {
            if (map->id[k] != map->id[i])
                continue;
            map->id[k] = 0;
            ambiguous = true;
        }
        if (ambiguous)
            map->id[i] = 0;
    }
}

static void note_extensions(struct sfu_participant *p, const struct session_description *answer)
{
    struct rtp_extension_map *map = &p->negotiation.extensions;
    for (size_t i = 0; i < answer->media_count; i++) {
        const struct rtp_extension_map section = session_extension_map(&answer->media[i], SESSION_SENDRECV);
        for (size_t k = 0; k < RTP_EXTENSION_KINDS && !answer->media[i].rejected; k++) {
            if (map->id[k] == 0)
                map->id[k] = section.id[k];
        }
    }
    drop_ambiguous(map);
    connection_set_extensions(p->connection, map);
}

static bool apply_transport(struct sfu_participant *p, const struct session_transport *remote, nanos now,
                            struct error *error)
{
    const struct transport_remote parameters = {
        .ufrag = remote->ufrag,
        .password = remote->password,
        .lite = remote->ice_lite,
        .role = DTLS_SERVER,
        .fingerprints = remote->fingerprints,
        .fingerprint_count = remote->fingerprint_count < TRANSPORT_FINGERPRINTS_MAX ? remote->fingerprint_count
                                                                                    : TRANSPORT_FINGERPRINTS_MAX,
    };
    struct transport *transport = connection_transport(p->connection);
    if (!transport_set_remote(transport, &parameters, now, error))
        return false;
    for (size_t i = 0; i < remote->candidate_count; i++)
        transport_add_candidate(transport, &remote->candidates[i], now);
    sfu_participant_note_ufrag(p);
    return true;
}

/* --- sections -------------------------------------------------------------------------------------------------------------- */

static struct sfu_section *add_section(struct negotiation *n)
{
    struct sfu_section *grown = realloc(n->sections, (n->count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    n->sections = grown;
    grown[n->count] = (struct sfu_section){.kind = SESSION_OTHER};
    return &grown[n->count++];
}

static uint8_t kind_of(const struct publication *publication)
{
    return publication->kind == PUBLICATION_AUDIO ? SESSION_AUDIO : SESSION_VIDEO;
}

/* A section of ours that has been inactive, or a new one. */
static bool give_section(struct sfu_participant *p, struct subscription *subscription)
{
    struct negotiation *n = &p->negotiation;
    uint8_t kind = kind_of(subscription->publication);
    struct sfu_section *section = NULL;
    for (size_t i = 0; i < n->count && section == NULL; i++) {
        struct sfu_section *old = &n->sections[i];
        if (old->ours && !old->live && old->subscription == NULL && old->kind == kind)
            section = old;
    }
    if (section == NULL) {
        if (n->count == SDP_MEDIA_MAX || (section = add_section(n)) == NULL)
            return false;
        section->ours = true;
        section->kind = kind;
        /* The participant's own MIDs are its own business; browsers number theirs. */
        snprintf(section->mid, sizeof section->mid, "s%zu", n->count - 1);
    }
    section->subscription = subscription;
    section->codec = (uint8_t)subscription->publication->codec;
    subscription->has_section = true;
    do {
        subscription->ssrc = rng_u32(&p->sfu->rng);
        subscription->rtx_ssrc = kind == SESSION_VIDEO ? rng_u32(&p->sfu->rng) : 0;
    } while (subscription->ssrc == 0 || (kind == SESSION_VIDEO && subscription->rtx_ssrc == 0));
    return true;
}

/* What it takes to send on a section of ours, as agreed. */
static void start(const struct sfu_participant *p, const struct sfu_section *section, nanos now)
{
    const struct negotiation *n = &p->negotiation;
    struct subscription *subscription = section->subscription;
    bool audio = section->kind == SESSION_AUDIO;
    const struct video_numbers *video = codec_numbers_of(&n->codecs, subscription->publication->codec);
    struct send_stream_config stream = {
        .ssrc = subscription->ssrc,
        .rtx_ssrc = audio || video->retransmission == 0 ? 0 : subscription->rtx_ssrc,
        .payload_type = audio ? n->codecs.opus : video->media,
        .rtx_payload_type = audio ? 0 : video->retransmission,
        .clock_rate = audio ? 48000 : VP8_CLOCK_RATE,
        .audio = audio,
    };
    if (strlen(section->mid) < sizeof stream.mid)
        memcpy(stream.mid, section->mid, strlen(section->mid) + 1);
    subscription_start(subscription, &stream, section->continues ? &section->numbers : NULL, now);
}

/* A viewer's section that is free. */
static bool fill_slot(struct sfu_participant *p, struct subscription *subscription, nanos now)
{
    struct negotiation *n = &p->negotiation;
    for (size_t i = 0; i < n->count; i++) {
        struct sfu_section *section = &n->sections[i];
        if (!section->slot || section->subscription != NULL || section->kind != kind_of(subscription->publication) ||
            (section->codecs & 1u << subscription->publication->codec) == 0)
            continue;
        section->subscription = subscription;
        subscription->has_section = true;
        subscription->ssrc = section->ssrc;
        subscription->rtx_ssrc = section->rtx_ssrc;
        start(p, section, now);
        return true;
    }
    return false;
}

/* What goes on in this section after the subscription is to be one stream with it. */
static void empty_slot(struct sfu_section *section, nanos now)
{
    if (section->slot && section->subscription->rewriter.epoch_count > 0) {
        section->numbers = sequence_rewriter_continuation(&section->subscription->rewriter, now);
        section->continues = true;
    }
    section->subscription = NULL;
}

static bool add_layer(struct publication *publication, const struct session_media *agreed, const char *rid,
                      const struct session_ssrc *ssrc)
{
    const struct session_codec *codec = &agreed->codecs[0];
    const struct session_codec *rtx = session_retransmission_of(agreed, codec->payload_type);
    struct receive_stream_config stream = {
        .ssrc = ssrc != NULL ? ssrc->ssrc : 0,
        .rtx_ssrc = ssrc != NULL && ssrc->has_retransmission && rtx != NULL ? ssrc->retransmission : 0,
        .payload_type = codec->payload_type,
        .rtx_payload_type = rtx != NULL ? rtx->payload_type : 0,
        .clock_rate = codec->clock_rate,
        .nack = agreed->kind == SESSION_VIDEO && (codec->feedback & SESSION_FEEDBACK_NACK) != 0,
    };
    if (strlen(agreed->mid) < sizeof stream.mid)
        memcpy(stream.mid, agreed->mid, strlen(agreed->mid) + 1);
    snprintf(stream.rid, sizeof stream.rid, "%s", rid);
    return publication_add_layer(publication, &stream);
}

/* A section in which the participant may send from now on: what will come? */
static bool publish(struct sfu_participant *p, struct sfu_section *section, const struct session_media *offer,
                    const struct session_media *agreed, nanos now, struct error *error)
{
    enum publication_kind kind = offer->kind == SESSION_AUDIO             ? PUBLICATION_AUDIO
                                 : strcmp(offer->track_id, "screen") == 0 ? PUBLICATION_SCREEN
                                                                          : PUBLICATION_VIDEO;
    struct publication *publication = publication_create(p, kind, sfu_codec_of(&agreed->codecs[0]));
    bool added = publication != NULL;
    size_t layers = 0;
    for (size_t i = 0; i < agreed->rid_count && added && offer->kind == SESSION_VIDEO; i++) {
        if (agreed->rids[i].direction != SESSION_RECVONLY)
            continue;
        added = add_layer(publication, agreed, agreed->rids[i].id, NULL);
        layers++;
    }
    if (added && layers == 0)
        added = add_layer(publication, agreed, "", offer->ssrc_count > 0 ? &offer->ssrcs[0] : NULL);
    if (!added) {
        if (publication != NULL)
            publication_destroy(publication, now);
        return error_set(error, ERROR_PROTOCOL, "section '%s' can't be received: an SSRC is taken, or memory is short",
                         offer->mid);
    }
    section->publication = publication;
    section->codec = (uint8_t)publication->codec;
    sfu_room_publish(p->room, publication, now);
    return true;
}

static void unpublish(struct sfu_section *section, nanos now)
{
    if (section->publication != NULL)
        publication_destroy(section->publication, now);
    section->publication = NULL;
}

/* --- descriptions ------------------------------------------------------------------------------------------------------------ */

static void say_description(struct sfu_participant *p, enum room_message_type type,
                            struct session_description *description)
{
    description->version = ++p->negotiation.version;
    char *sdp = session_description_write(description);
    if (sdp != NULL)
        p->say(p->user, &(struct room_message){.type = type, .sdp = sdp});
    free(sdp);
}

static bool has_retransmission(const struct session_media *media)
{
    for (size_t i = 0; i < media->codec_count; i++) {
        if (media->codecs[i].repairs != SESSION_NO_PAYLOAD_TYPE)
            return true;
    }
    return false;
}

/* Says whose track it is, and by which SSRCs. */
static void name_stream(const struct subscription *subscription, struct session_media *media)
{
    const struct publication *publication = subscription->publication;
    snprintf(media->stream_id, sizeof media->stream_id, "%s", publication->publisher->stream_id);
    snprintf(media->track_id, sizeof media->track_id, "%s", publication_track_id(publication));
    struct session_ssrc *ssrc = session_add_ssrc(media);
    if (ssrc == NULL)
        return;
    ssrc->ssrc = subscription->ssrc;
    ssrc->has_retransmission = subscription->rtx_ssrc != 0 && has_retransmission(media);
    ssrc->retransmission = ssrc->has_retransmission ? subscription->rtx_ssrc : 0;
    snprintf(ssrc->cname, sizeof ssrc->cname, "%s", publication->publisher->stream_id);
}

/* In an offer of ours: a section of theirs goes on as it is. */
static bool repeat_theirs(struct session_media *media, const struct sfu_section *section)
{
    if (section->rejected != NULL) {
        const struct session_media *line = section->rejected;
        memcpy(media->kind_name, line->kind_name, sizeof media->kind_name);
        memcpy(media->protocol, line->protocol, sizeof media->protocol);
        memcpy(media->format, line->format, sizeof media->format);
        media->rejected = true;
        media->bundled = false;
        media->direction = SESSION_INACTIVE;
        return true;
    }
    const struct publication *publication = section->publication;
    for (size_t i = 0; publication != NULL && i < publication->layer_count; i++) {
        const char *id = publication->layers[i].stream->config.rid;
        struct session_rid *rid = id[0] != '\0' ? session_add_rid(media) : NULL;
        if (id[0] != '\0' && rid == NULL)
            return false;
        if (rid == NULL)
            continue;
        snprintf(rid->id, sizeof rid->id, "%s", id);
        rid->direction = SESSION_RECVONLY;
        rid->simulcast = true;
    }
    return true;
}

static struct session_description *describe_offer(struct sfu_participant *p)
{
    struct own_abilities own;
    struct negotiation *n = &p->negotiation;
    struct session_description *offer = session_description_create();
    describe_agreed(p, &own);
    for (size_t i = 0; i < n->count && offer != NULL; i++) {
        struct sfu_section *section = &n->sections[i];
        bool sends = section->ours && section->subscription != NULL;
        uint8_t direction = sends                          ? SESSION_SENDONLY
                            : section->publication != NULL ? SESSION_RECVONLY
                                                           : SESSION_INACTIVE;
        own.capabilities.video.codec_count = codec_numbers_offer(&n->codecs, (enum sfu_codec)section->codec, own.codec);
        struct session_media *media =
            session_offer_media(offer, &own.capabilities, (enum session_kind)section->kind, direction);
        bool whole = media != NULL && (section->ours || repeat_theirs(media, section));
        if (!whole) {
            session_description_destroy(offer);
            return NULL;
        }
        memcpy(media->mid, section->mid, sizeof media->mid);
        if (sends)
            name_stream(section->subscription, media);
    }
    return offer;
}

/* --- our offers ---------------------------------------------------------------------------------------------------------------- */

void negotiation_want(struct sfu_participant *p, nanos now)
{
    struct negotiation *n = &p->negotiation;
    n->changed = true;
    n->due = nanos_min(n->due, now + GATHERING);
    sfu_participant_touch(p);
}

nanos negotiation_deadline(const struct negotiation *n)
{
    return n->changed && n->offer == NULL ? n->due : NANOS_NEVER;
}

void negotiation_unsubscribe(struct sfu_participant *p, struct subscription *subscription, nanos now)
{
    struct negotiation *n = &p->negotiation;
    if (!subscription->has_section)
        return;
    for (size_t i = 0; i < n->count; i++) {
        if (n->sections[i].subscription == subscription)
            empty_slot(&n->sections[i], now);
    }
    negotiation_want(p, now);
}

void negotiation_offer(struct sfu_participant *p, nanos now)
{
    struct negotiation *n = &p->negotiation;
    struct subscription *subscription;
    n->changed = false;
    n->due = NANOS_NEVER;
    if (!p->receives || p->connection == NULL)
        return;
    DL_FOREACH2(p->subscriptions, subscription, of_subscriber.next)
    {
        if (subscription->has_section || subscription->refused)
            continue;
        if (p->role == SFU_VIEWER)
            fill_slot(p, subscription, now);
        else
            give_section(p, subscription);
    }
    if (p->role == SFU_VIEWER)
        return;
    n->offer = describe_offer(p);
    if (n->offer == NULL)
        return; /* out of memory: the next change tries again */
    for (size_t i = 0; i < n->count; i++)
        n->sections[i].offered = n->sections[i].ours && n->sections[i].subscription != NULL;
    say_description(p, ROOM_OFFER, n->offer);
}

/* The offer is neither accepted nor refused any more, and its new sections were never there. */
static void take_back_offer(struct sfu_participant *p, nanos now)
{
    struct negotiation *n = &p->negotiation;
    if (n->offer == NULL && n->count == n->agreed)
        return;
    session_description_destroy(n->offer);
    n->offer = NULL;
    while (n->count > n->agreed) {
        struct subscription *subscription = n->sections[--n->count].subscription;
        if (subscription != NULL)
            subscription->has_section = false;
    }
    for (size_t i = 0; i < n->count; i++)
        n->sections[i].offered = false;
    negotiation_want(p, now);
}

static void apply_answer(struct sfu_participant *p, const struct session_description *answer, nanos now)
{
    struct negotiation *n = &p->negotiation;
    for (size_t i = 0; i < n->count && i < answer->media_count; i++) {
        struct sfu_section *section = &n->sections[i];
        const struct session_media *media = &answer->media[i];
        struct subscription *subscription = section->subscription;
        if (!section->ours)
            continue;
        bool accepted = !media->rejected && (media->direction & SESSION_RECVONLY) != 0;
        section->live = section->offered && accepted;
        if (subscription == NULL || !section->offered)
            continue;
        section->offered = false;
        if (accepted) {
            start(p, section, now);
        } else {
            subscription_stop(subscription);
            subscription->refused = true;
            subscription->has_section = false;
            section->subscription = NULL;
        }
    }
}

bool negotiation_take_answer(struct sfu_participant *p, const char *sdp, nanos now, struct error *error)
{
    struct negotiation *n = &p->negotiation;
    if (n->offer == NULL)
        return error_set(error, ERROR_PROTOCOL, "an answer to no offer");
    struct session_description *answer = session_description_parse(sdp, strlen(sdp), error);
    bool ok = answer != NULL && session_check_answer(n->offer, answer, error);
    if (ok) {
        note_extensions(p, answer);
        apply_answer(p, answer, now);
        n->agreed = n->count;
        session_description_destroy(n->offer);
        n->offer = NULL;
    }
    session_description_destroy(answer);
    sfu_participant_touch(p);
    return ok;
}

/* --- their offers ---------------------------------------------------------------------------------------------------------------- */

/* Does the offer go on from what was agreed? */
static bool check_offer(const struct negotiation *n, const struct session_description *offer, struct error *error)
{
    size_t theirs = 0;
    if (offer->transport.setup == SESSION_SETUP_PASSIVE)
        return error_set(error, ERROR_UNSUPPORTED, "the SFU is DTLS server always: offer setup actpass or active");
    if (offer->media_count < n->agreed)
        return error_set(error, ERROR_PROTOCOL, "the offer has %zu sections, %zu were agreed before",
                         offer->media_count, n->agreed);
    for (size_t i = 0; i < offer->media_count; i++) {
        const struct session_media *media = &offer->media[i];
        theirs += i >= n->agreed || !n->sections[i].ours;
        if (theirs > SFU_SECTIONS_MAX)
            return error_set(error, ERROR_UNSUPPORTED, "the offer has more than %d sections", SFU_SECTIONS_MAX);
        if (i >= n->agreed)
            continue;
        const struct sfu_section *section = &n->sections[i];
        if (section->rejected == NULL && (strcmp(media->mid, section->mid) != 0 || media->kind != section->kind))
            return error_set(error, ERROR_PROTOCOL, "section %zu of the offer is %s '%s', before it was '%s'", i,
                             media->kind_name, media->mid, section->mid);
    }
    return true;
}

/* Sets the answer for a section of ours, which the participant's offer merely repeats. */
static void answer_ours(struct sfu_section *section, struct session_media *answer)
{
    if (answer->rejected || !section->live || section->subscription == NULL)
        answer->direction = SESSION_INACTIVE;
    else
        answer->direction &= SESSION_SENDONLY;
    if (answer->direction == SESSION_SENDONLY)
        name_stream(section->subscription, answer);
}

static bool reject(struct sfu_section *section, const struct session_media *answer)
{
    if (section->rejected == NULL)
        section->rejected = calloc(1, sizeof *section->rejected);
    if (section->rejected == NULL)
        return false;
    memcpy(section->rejected->kind_name, answer->kind_name, sizeof answer->kind_name);
    memcpy(section->rejected->protocol, answer->protocol, sizeof answer->protocol);
    memcpy(section->rejected->format, answer->format, sizeof answer->format);
    return true;
}

static bool enable_data(struct sfu_participant *p, const struct session_media *offer, struct error *error)
{
    const struct data_channels_config config = {.remote_port = offer->sctp_port,
                                                .remote_message_max = offer->max_message_size,
                                                .queue_max = DATA_RELAY_QUEUE_MAX};
    return connection_enable_data(p->connection, &config, error);
}

/* A section in which a viewer receives. Whose track it will be isn't known yet. */
static void open_slot(struct sfu_participant *p, struct sfu_section *section, struct session_media *answer)
{
    section->ours = section->slot = section->live = true;
    for (size_t i = 0; i < answer->codec_count; i++)
        section->codecs |= (uint8_t)(1u << sfu_codec_of(&answer->codecs[i]));
    while (section->ssrc == 0)
        section->ssrc = rng_u32(&p->sfu->rng);
    while (section->rtx_ssrc == 0)
        section->rtx_ssrc = rng_u32(&p->sfu->rng);
    snprintf(answer->stream_id, sizeof answer->stream_id, "room");
    snprintf(answer->track_id, sizeof answer->track_id, "%s-%s", section->kind == SESSION_AUDIO ? "audio" : "video",
             section->mid);
    struct session_ssrc *ssrc = session_add_ssrc(answer);
    if (ssrc == NULL)
        return;
    ssrc->ssrc = section->ssrc;
    ssrc->has_retransmission = has_retransmission(answer);
    ssrc->retransmission = ssrc->has_retransmission ? section->rtx_ssrc : 0;
    snprintf(ssrc->cname, sizeof ssrc->cname, "sfu");
}

/* Brings our sections into line with the answer that is about to be given. Of what goes wrong the last is told; the rest
 * is done. */
static bool apply_offer(struct sfu_participant *p, const struct session_description *offer,
                        struct session_description *answer, nanos now, struct error *error)
{
    struct negotiation *n = &p->negotiation;
    bool whole = true;
    for (size_t i = 0; i < answer->media_count; i++) {
        struct session_media *agreed = &answer->media[i];
        struct sfu_section *section = i < n->count ? &n->sections[i] : add_section(n);
        if (section == NULL)
            return error_set(error, ERROR_SYSTEM, "out of memory");
        memcpy(section->mid, agreed->mid, sizeof section->mid);
        section->kind = agreed->kind;
        if (section->ours)
            continue;
        if (!agreed->rejected)
            codec_numbers_note(&n->codecs, &offer->media[i], agreed);
        if (p->role == SFU_VIEWER && agreed->direction == SESSION_SENDONLY && !agreed->rejected) {
            open_slot(p, section, agreed);
            continue;
        }
        if (agreed->rejected && !reject(section, agreed))
            return error_set(error, ERROR_SYSTEM, "out of memory");
        if (!agreed->rejected) {
            free(section->rejected);
            section->rejected = NULL;
            codec_keep_one(agreed, section->publication != NULL ? section->publication->codec : SFU_OPUS);
        }
        if (agreed->kind == SESSION_DATA) {
            whole = (agreed->rejected || enable_data(p, &offer->media[i], error)) && whole;
            continue;
        }
        if (agreed->rejected || (agreed->direction & SESSION_RECVONLY) == 0) {
            unpublish(section, now);
        } else if (section->publication == NULL && !publish(p, section, &offer->media[i], agreed, now, error)) {
            agreed->direction = SESSION_INACTIVE;
            whole = false;
        }
    }
    return whole;
}

static bool answer_offer(struct sfu_participant *p, const struct session_description *offer, nanos now,
                         struct error *error)
{
    struct own_abilities own;
    struct negotiation *n = &p->negotiation;
    if (!check_offer(n, offer, error))
        return false;
    if (p->connection == NULL && !sfu_participant_connect(p, error))
        return false;
    if (!apply_transport(p, &offer->transport, now, error))
        return false;
    describe_abilities(p, &own);
    struct session_description *answer = session_answer(offer, &own.capabilities, error);
    if (answer == NULL)
        return false;
    take_back_offer(p, now);
    for (size_t i = 0; i < answer->media_count; i++) {
        if (i < n->count && n->sections[i].ours)
            answer_ours(&n->sections[i], &answer->media[i]);
        else
            answer->media[i].direction &= p->role == SFU_VIEWER ? SESSION_SENDONLY : SESSION_RECVONLY;
    }
    note_extensions(p, answer);
    bool applied = apply_offer(p, offer, answer, now, error);
    n->agreed = n->count;
    say_description(p, ROOM_ANSWER, answer);
    session_description_destroy(answer);
    if (!p->receives && p->role != SFU_PUBLISHER) {
        p->receives = true;
        sfu_room_subscribe(p->room, p, now);
        n->due = n->changed ? now : n->due; /* a newcomer needn't wait */
    }
    return applied;
}

bool negotiation_restart(struct sfu_participant *p, const struct session_transport *remote, nanos now,
                         struct error *error)
{
    if (p->connection == NULL)
        return error_set(error, ERROR_PROTOCOL, "there is no connection to restart");
    bool restarted = apply_transport(p, remote, now, error);
    sfu_participant_touch(p);
    return restarted;
}

bool negotiation_take_offer(struct sfu_participant *p, const char *sdp, nanos now, struct error *error)
{
    struct session_description *offer = session_description_parse(sdp, strlen(sdp), error);
    if (offer == NULL)
        return false;
    bool answered = answer_offer(p, offer, now, error);
    session_description_destroy(offer);
    sfu_participant_touch(p);
    return answered;
}
