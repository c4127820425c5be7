#include "rtc/session_negotiation.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "rtc/session_codec.h"

#define SCTP_PORT_DEFAULT 5000
#define MAX_MESSAGE_SIZE_DEFAULT 262144

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* --- what we can do --------------------------------------------------------------------------------------------------- */

#define VIDEO_FEEDBACK                                                                                                 \
    (SESSION_FEEDBACK_NACK | SESSION_FEEDBACK_NACK_PLI | SESSION_FEEDBACK_CCM_FIR | SESSION_FEEDBACK_GOOG_REMB |       \
     SESSION_FEEDBACK_TRANSPORT_CC)
#define VIDEO_CODEC(type, name_text, fmtp_text)                                                                        \
    {.payload_type = (type),                                                                                           \
     .repairs = SESSION_NO_PAYLOAD_TYPE,                                                                               \
     .channels = 1,                                                                                                    \
     .feedback = VIDEO_FEEDBACK,                                                                                       \
     .clock_rate = 90000,                                                                                              \
     .name = (name_text),                                                                                              \
     .fmtp = (fmtp_text)},                                                                                             \
    {                                                                                                                  \
        .payload_type = (type) + 1, .repairs = (type), .channels = 1, .clock_rate = 90000, .name = "rtx",              \
        .fmtp = "apt=" #type                                                                                           \
    }
#define EXTENSION(number, which, uri_text)                                                                             \
    {                                                                                                                  \
        .id = (number), .kind = (which), .direction = SESSION_SENDRECV, .uri = (uri_text)                              \
    }

static const struct session_codec audio_codecs[] = {{.payload_type = 111,
                                                     .repairs = SESSION_NO_PAYLOAD_TYPE,
                                                     .channels = 2,
                                                     .feedback = SESSION_FEEDBACK_TRANSPORT_CC,
                                                     .clock_rate = 48000,
                                                     .name = "opus",
                                                     .fmtp = "minptime=10;useinbandfec=1"}};

static const struct session_codec video_codecs[] = {
    VIDEO_CODEC(96, "VP8", ""),
    VIDEO_CODEC(102, "H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    VIDEO_CODEC(98, "VP9", "profile-id=0"),
    VIDEO_CODEC(45, "AV1", ""),
};

#define COMMON_EXTENSIONS                                                                                              \
    EXTENSION(2, RTP_EXTENSION_ABS_SEND_TIME, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),           \
        EXTENSION(3, RTP_EXTENSION_TRANSPORT_SEQUENCE,                                                                 \
                  "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"),                        \
        EXTENSION(4, RTP_EXTENSION_MID, "urn:ietf:params:rtp-hdrext:sdes:mid"),                                        \
        EXTENSION(12, RTP_EXTENSION_ABS_CAPTURE_TIME, "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time")

static const struct session_extension audio_extensions[] = {
    EXTENSION(1, RTP_EXTENSION_AUDIO_LEVEL, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
    COMMON_EXTENSIONS,
};

static const struct session_extension video_extensions[] = {
    COMMON_EXTENSIONS,
    EXTENSION(10, RTP_EXTENSION_RID, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    EXTENSION(11, RTP_EXTENSION_REPAIRED_RID, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
    EXTENSION(13, RTP_EXTENSION_VIDEO_ORIENTATION, "urn:3gpp:video-orientation"),
};

struct session_capabilities session_capabilities_default(void)
{
    return (struct session_capabilities){
        .audio = {.codecs = audio_codecs,
                  .codec_count = COUNT(audio_codecs),
                  .extensions = audio_extensions,
                  .extension_count = COUNT(audio_extensions),
                  .direction = SESSION_SENDRECV},
        .video = {.codecs = video_codecs,
                  .codec_count = COUNT(video_codecs),
                  .extensions = video_extensions,
                  .extension_count = COUNT(video_extensions),
                  .direction = SESSION_SENDRECV,
                  .simulcast_received = 3,
                  .simulcast_sent = 3},
    };
}

struct session_abilities session_abilities_of_codec(const struct session_abilities *abilities, const char *name)
{
    struct session_abilities one = *abilities;
    one.codec_count = 0;
    for (size_t i = 0; i < abilities->codec_count && one.codec_count == 0; i++) {
        if (strcasecmp(abilities->codecs[i].name, name) != 0)
            continue;
        one.codecs = &abilities->codecs[i];
        one.codec_count = 1;
        while (i + one.codec_count < abilities->codec_count &&
               one.codecs[one.codec_count].repairs == one.codecs[0].payload_type)
            one.codec_count++;
    }
    return one;
}

static const struct session_abilities *abilities_for(const struct session_capabilities *ours, uint8_t kind)
{
    return kind == SESSION_AUDIO ? &ours->audio : kind == SESSION_VIDEO ? &ours->video : NULL;
}

static bool copy_transport(struct session_transport *out, const struct session_transport *transport)
{
    *out = *transport;
    out->candidates = NULL;
    out->candidate_count = 0;
    for (size_t i = 0; i < transport->candidate_count; i++) {
        if (!session_add_candidate(out, &transport->candidates[i]))
            return false;
    }
    return true;
}

static void set_data_channels(struct session_media *media, const struct session_capabilities *ours)
{
    media->sctp_port = ours->sctp_port != 0 ? ours->sctp_port : SCTP_PORT_DEFAULT;
    media->max_message_size = ours->max_message_size != 0 ? ours->max_message_size : MAX_MESSAGE_SIZE_DEFAULT;
}

/* --- offers ------------------------------------------------------------------------------------------------------------ */

static bool copy_abilities(struct session_media *media, const struct session_abilities *abilities)
{
    for (size_t i = 0; i < abilities->codec_count; i++) {
        struct session_codec *codec = session_add_codec(media);
        if (codec == NULL)
            return false;
        *codec = abilities->codecs[i];
    }
    for (size_t i = 0; i < abilities->extension_count; i++) {
        struct session_extension *extension = session_add_extension(media);
        if (extension == NULL)
            return false;
        *extension = abilities->extensions[i];
    }
    return true;
}

struct session_media *session_offer_media(struct session_description *offer, const struct session_capabilities *ours,
                                          enum session_kind kind, uint8_t direction)
{
    if (offer->media_count == 0 && offer->transport.ufrag[0] == '\0') {
        if (!copy_transport(&offer->transport, ours->transport))
            return NULL;
        offer->transport.setup = SESSION_SETUP_ACTPASS;
        offer->session_id = ours->session_id;
        offer->version = 1;
        offer->extmap_allow_mixed = true;
    }
    struct session_media *media = session_add_media(offer);
    if (media == NULL)
        return NULL;
    static const char *const kinds[] = {"audio", "video", "application", "application"};
    media->kind = (uint8_t)kind;
    media->bundled = true;
    snprintf(media->mid, sizeof media->mid, "%zu", offer->media_count - 1);
    snprintf(media->kind_name, sizeof media->kind_name, "%s", kinds[kind]);
    bool is_rtp = kind == SESSION_AUDIO || kind == SESSION_VIDEO;
    snprintf(media->protocol, sizeof media->protocol, "%s", is_rtp ? "UDP/TLS/RTP/SAVPF" : "UDP/DTLS/SCTP");
    if (!is_rtp) {
        set_data_channels(media, ours);
        return media;
    }
    const struct session_abilities *abilities = kind == SESSION_AUDIO ? &ours->audio : &ours->video;
    media->direction = direction & abilities->direction;
    media->rtcp_mux = media->rtcp_reduced_size = media->rtcp_receiver_rtt = true;
    return copy_abilities(media, abilities) ? media : NULL;
}

bool session_offer_simulcast(struct session_media *media, const char *const *rids, size_t rid_count)
{
    for (size_t i = 0; i < rid_count; i++) {
        struct session_rid *rid = session_add_rid(media);
        if (rid == NULL)
            return false;
        snprintf(rid->id, sizeof rid->id, "%s", rids[i]);
        rid->direction = SESSION_SENDONLY;
        rid->simulcast = true;
    }
    return true;
}

/* --- answers ----------------------------------------------------------------------------------------------------------- */

static const struct session_codec *ours_for(const struct session_abilities *abilities,
                                            const struct session_codec *offered)
{
    for (size_t i = 0; i < abilities->codec_count; i++) {
        if (abilities->codecs[i].repairs == SESSION_NO_PAYLOAD_TYPE &&
            session_codec_matches(&abilities->codecs[i], offered))
            return &abilities->codecs[i];
    }
    return NULL;
}

/* Do we retransmit this codec too? */
static bool repairs_codec(const struct session_abilities *abilities, const struct session_codec *ours)
{
    for (size_t i = 0; i < abilities->codec_count; i++) {
        if (abilities->codecs[i].repairs == ours->payload_type)
            return true;
    }
    return false;
}

/* Codecs stay in the order of the offer (RFC 3264, section 6.1), with its payload types. */
static bool answer_codecs(struct session_media *answer, const struct session_media *offer,
                          const struct session_abilities *abilities)
{
    for (size_t i = 0; i < offer->codec_count; i++) {
        const struct session_codec *offered = &offer->codecs[i];
        bool repairs = offered->repairs != SESSION_NO_PAYLOAD_TYPE && strcasecmp(offered->name, "rtx") == 0;
        const struct session_codec *base = repairs ? session_codec_of(offer, offered->repairs) : offered;
        const struct session_codec *ours = base != NULL ? ours_for(abilities, base) : NULL;
        if (ours == NULL || (repairs && !repairs_codec(abilities, ours)))
            continue;
        struct session_codec *codec = session_add_codec(answer);
        if (codec == NULL)
            return false;
        *codec = *offered;
        if (!repairs) {
            codec->feedback &= ours->feedback;
            session_codec_answer_fmtp(offered, ours, codec->fmtp);
        }
    }
    return true;
}

static bool answer_extensions(struct session_media *answer, const struct session_media *offer,
                              const struct session_abilities *abilities)
{
    for (size_t i = 0; i < offer->extension_count; i++) {
        const struct session_extension *offered = &offer->extensions[i];
        for (size_t j = 0; j < abilities->extension_count; j++) {
            uint8_t direction = session_direction_reverse(offered->direction) & abilities->extensions[j].direction;
            if (direction == SESSION_INACTIVE || strcmp(abilities->extensions[j].uri, offered->uri) != 0)
                continue;
            struct session_extension *extension = session_add_extension(answer);
            if (extension == NULL)
                return false;
            *extension = *offered;
            extension->direction = direction;
            break;
        }
    }
    return true;
}

/* RFC 8853, section 5.3.2: the same rids with the directions turned, as many as we take. Without the RID extension
 * nobody could tell the streams apart. */
static bool answer_simulcast(struct session_media *answer, const struct session_media *offer,
                             const struct session_abilities *abilities)
{
    size_t left[] = {
        [SESSION_SENDONLY] = abilities->simulcast_received, [SESSION_RECVONLY] = abilities->simulcast_sent};
    for (size_t i = 0; i < offer->rid_count; i++) {
        const struct session_rid *offered = &offer->rids[i];
        uint8_t direction = session_direction_reverse(offered->direction);
        struct rtp_extension_map map = session_extension_map(answer, direction);
        if (left[offered->direction] == 0 || map.id[RTP_EXTENSION_RID] == 0 || (answer->direction & direction) == 0)
            continue;
        left[offered->direction]--;
        struct session_rid *rid = session_add_rid(answer);
        if (rid == NULL)
            return false;
        *rid = *offered;
        rid->direction = direction;
    }
    return true;
}

static bool answer_rtp(struct session_media *answer, const struct session_media *offer,
                       const struct session_abilities *abilities)
{
    answer->rtcp_mux = offer->rtcp_mux;
    answer->rtcp_reduced_size = offer->rtcp_reduced_size;
    answer->rtcp_receiver_rtt = offer->rtcp_receiver_rtt;
    answer->direction = session_direction_reverse(offer->direction) & abilities->direction;
    if (!offer->rtcp_mux || !answer_codecs(answer, offer, abilities)) {
        answer->rejected = true;
        return !offer->rtcp_mux;
    }
    answer->rejected = answer->codec_count == 0;
    return answer->rejected ||
           (answer_extensions(answer, offer, abilities) && answer_simulcast(answer, offer, abilities));
}

static bool answer_media(struct session_media *answer, const struct session_media *offer,
                         const struct session_capabilities *ours)
{
    answer->kind = offer->kind;
    memcpy(answer->mid, offer->mid, sizeof answer->mid);
    memcpy(answer->kind_name, offer->kind_name, sizeof answer->kind_name);
    memcpy(answer->protocol, offer->protocol, sizeof answer->protocol);
    memcpy(answer->format, offer->format, sizeof answer->format);
    answer->rejected = offer->rejected || !offer->bundled;
    const struct session_abilities *abilities = abilities_for(ours, offer->kind);
    if (offer->kind == SESSION_DATA) {
        answer->rejected |= !ours->data_channels;
        set_data_channels(answer, ours);
    } else if (abilities == NULL) {
        answer->rejected = true;
    } else if (!answer->rejected && !answer_rtp(answer, offer, abilities)) {
        return false;
    }
    if (answer->rejected)
        answer->direction = SESSION_INACTIVE;
    answer->bundled = !answer->rejected;
    return true;
}

static uint8_t answer_setup(uint8_t offered, uint8_t wanted)
{
    if (offered == SESSION_SETUP_ACTIVE)
        return SESSION_SETUP_PASSIVE;
    if (offered == SESSION_SETUP_PASSIVE)
        return SESSION_SETUP_ACTIVE;
    return wanted == SESSION_SETUP_PASSIVE ? SESSION_SETUP_PASSIVE : SESSION_SETUP_ACTIVE;
}

struct session_description *session_answer(const struct session_description *offer,
                                           const struct session_capabilities *ours, struct error *error)
{
    struct session_description *answer = session_description_create();
    bool ok = answer != NULL && copy_transport(&answer->transport, ours->transport);
    for (size_t i = 0; i < offer->media_count && ok; i++) {
        struct session_media *media = session_add_media(answer);
        ok = media != NULL && answer_media(media, &offer->media[i], ours);
    }
    if (!ok) {
        error_set(error, ERROR_SYSTEM, "SDP answer: out of memory");
        session_description_destroy(answer);
        return NULL;
    }
    answer->session_id = ours->session_id;
    answer->version = 1;
    answer->extmap_allow_mixed = offer->extmap_allow_mixed;
    answer->transport.setup = answer_setup(offer->transport.setup, ours->transport->setup);
    return answer;
}

/* --- answers to us ------------------------------------------------------------------------------------------------------- */

static bool check_media(const struct session_media *offer, const struct session_media *answer, size_t number,
                        struct error *error)
{
    if (strcmp(offer->kind_name, answer->kind_name) != 0 ||
        (answer->mid[0] != '\0' && strcmp(offer->mid, answer->mid) != 0))
        return error_set(error, ERROR_PROTOCOL, "SDP answer: section %zu is %s with mid '%s', offered was %s with '%s'",
                         number, answer->kind_name, answer->mid, offer->kind_name, offer->mid);
    if (answer->rejected)
        return true;
    if (offer->rejected)
        return error_set(error, ERROR_PROTOCOL, "SDP answer: section %zu accepts what was not offered", number);
    if (!answer->bundled)
        return error_set(error, ERROR_UNSUPPORTED, "SDP answer: section %zu is accepted, but not bundled", number);
    if (offer->kind == SESSION_DATA)
        return true;
    if (!answer->rtcp_mux)
        return error_set(error, ERROR_UNSUPPORTED, "SDP answer: section %zu has no rtcp-mux", number);
    if (answer->direction & ~session_direction_reverse(offer->direction))
        return error_set(error, ERROR_PROTOCOL, "SDP answer: section %zu sends or receives what was not offered",
                         number);
    size_t common = 0;
    for (size_t i = 0; i < answer->codec_count; i++) {
        const struct session_codec *offered = session_codec_of(offer, answer->codecs[i].payload_type);
        common += offered != NULL && strcasecmp(offered->name, answer->codecs[i].name) == 0;
    }
    return common > 0 ||
           error_set(error, ERROR_PROTOCOL, "SDP answer: section %zu has none of the offered codecs", number);
}

bool session_check_answer(const struct session_description *offer, const struct session_description *answer,
                          struct error *error)
{
    if (answer->media_count != offer->media_count)
        return error_set(error, ERROR_PROTOCOL, "SDP answer: has %zu m= sections, %zu were offered",
                         answer->media_count, offer->media_count);
    bool any = false;
    for (size_t i = 0; i < offer->media_count; i++) {
        if (!check_media(&offer->media[i], &answer->media[i], i, error))
            return false;
        any |= !answer->media[i].rejected;
    }
    if (any && answer->transport.setup == SESSION_SETUP_ACTPASS)
        return error_set(error, ERROR_PROTOCOL, "SDP answer: setup is actpass, which is for offers alone");
    return true;
}

bool session_is_dtls_client(const struct session_transport *local, const struct session_transport *remote)
{
    if (local->setup == SESSION_SETUP_ACTIVE || local->setup == SESSION_SETUP_PASSIVE)
        return local->setup == SESSION_SETUP_ACTIVE;
    return remote->setup == SESSION_SETUP_PASSIVE;
}
