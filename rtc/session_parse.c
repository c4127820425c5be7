/* Reading a session description: SDP's lines become rtc/session_description.h's structures. */
#include <stdlib.h>
#include <string.h>

#include "rtc/sdp_word.h"
#include "rtc/session_attribute.h"

/* --- sections -------------------------------------------------------------------------------------------------------------- */

/* Payload types that need no a=rtpmap (RFC 3551, section 6). */
static const struct {
    uint8_t payload_type;
    const char *name;
} static_types[] = {{0, "PCMU"}, {8, "PCMA"}, {9, "G722"}, {13, "CN"}};

static bool add_formats(struct session_reader *reader, const struct sdp_media *line)
{
    for (size_t i = 0; i < line->format_count; i++) {
        uint64_t payload_type;
        if (!sdp_word_number(sdp_word_of(line->formats[i]), 127, &payload_type))
            return error_set(reader->error, ERROR_INPUT,
                             "SDP line %u: m= needs payload types from 0 to 127, not '%.40s'", line->number,
                             line->formats[i]);
        if (session_codec_of(reader->media, (uint8_t)payload_type) != NULL)
            continue;
        struct session_codec *codec = session_add_codec(reader->media);
        if (codec == NULL)
            return error_set(reader->error, ERROR_SYSTEM, "SDP line %u: out of memory", line->number);
        codec->payload_type = (uint8_t)payload_type;
        for (size_t j = 0; j < sizeof static_types / sizeof static_types[0]; j++) {
            if (static_types[j].payload_type == payload_type) {
                sdp_word_copy(sdp_word_of(static_types[j].name), codec->name, sizeof codec->name);
                codec->clock_rate = 8000;
            }
        }
    }
    return true;
}

/* Formats that no a=rtpmap explains are nothing to anyone. */
static void drop_nameless_codecs(struct session_media *media)
{
    size_t kept = 0;
    for (size_t i = 0; i < media->codec_count; i++) {
        if (media->codecs[i].name[0] != '\0')
            media->codecs[kept++] = media->codecs[i];
    }
    media->codec_count = kept;
}

/* An SSRC that retransmits another is named there; its own entry goes. */
static void drop_retransmission_ssrcs(struct session_media *media)
{
    size_t kept = 0;
    for (size_t i = 0; i < media->ssrc_count; i++) {
        bool repairs = false;
        for (size_t j = 0; j < media->ssrc_count && !repairs; j++)
            repairs = media->ssrcs[j].has_retransmission && media->ssrcs[j].retransmission == media->ssrcs[i].ssrc;
        if (!repairs)
            media->ssrcs[kept++] = media->ssrcs[i];
    }
    media->ssrc_count = kept;
}

static uint8_t kind_of(const struct sdp_media *line)
{
    bool is_rtp = strcmp(line->protocol, "UDP/TLS/RTP/SAVPF") == 0 || strcmp(line->protocol, "RTP/SAVPF") == 0 ||
                  strcmp(line->protocol, "TCP/TLS/RTP/SAVPF") == 0 || strcmp(line->protocol, "UDP/TLS/RTP/SAVP") == 0;
    bool is_sctp = strcmp(line->protocol, "UDP/DTLS/SCTP") == 0 || strcmp(line->protocol, "TCP/DTLS/SCTP") == 0 ||
                   strcmp(line->protocol, "DTLS/SCTP") == 0;
    if (is_rtp && strcmp(line->kind, "audio") == 0)
        return SESSION_AUDIO;
    if (is_rtp && strcmp(line->kind, "video") == 0)
        return SESSION_VIDEO;
    return is_sctp && strcmp(line->kind, "application") == 0 ? SESSION_DATA : SESSION_OTHER;
}

static bool take_media(struct session_reader *reader, const struct sdp_media *line, const struct sdp_section *session)
{
    struct session_media *media = reader->media;
    media->kind = kind_of(line);
    media->direction = *reader->direction;
    reader->direction = &media->direction;
    if (!sdp_word_copy(sdp_word_of(line->kind), media->kind_name, sizeof media->kind_name) ||
        !sdp_word_copy(sdp_word_of(line->protocol), media->protocol, sizeof media->protocol) ||
        !sdp_word_copy(sdp_word_of(line->formats[0]), media->format, sizeof media->format))
        return error_set(reader->error, ERROR_INPUT, "SDP line %u: m= has a word of more than 31 characters",
                         line->number);
    bool is_rtp = media->kind == SESSION_AUDIO || media->kind == SESSION_VIDEO;
    if (media->kind == SESSION_DATA) {
        /* RFC 8841 has no default, browsers have 5000; before it, the format was the port. */
        unsigned long port = strtoul(media->format, NULL, 10);
        media->sctp_port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : 5000;
        media->max_message_size = 65536;
    }
    if (is_rtp && !add_formats(reader, line))
        return false;
    for (size_t i = 0; i < session->count && is_rtp; i++) { /* a=extmap of the session is every section's */
        reader->line = &session->lines[i];
        if (reader->line->type == 'a' && strcmp(reader->line->name, "extmap") == 0 && !session_read_extmap(reader))
            return false;
    }
    if (!session_read_attributes(reader, &line->section))
        return false;
    media->rejected = line->port == 0 && !media->bundle_only;
    const struct sdp_line *simulcast = sdp_find(&line->section, "simulcast");
    if (simulcast != NULL && simulcast->value != NULL)
        session_read_simulcast(media, simulcast->value);
    drop_nameless_codecs(media);
    drop_retransmission_ssrcs(media);
    return true;
}

/* --- the whole -------------------------------------------------------------------------------------------------------------- */

static const char *bundle_group(const struct sdp_section *session)
{
    for (size_t i = 0; i < session->count; i++) {
        const struct sdp_line *line = &session->lines[i];
        if (line->type == 'a' && strcmp(line->name, "group") == 0 && line->value != NULL &&
            strncmp(line->value, "BUNDLE", 6) == 0 && (line->value[6] == ' ' || line->value[6] == '\0'))
            return line->value + 6;
    }
    return "";
}

/* Marks who is in the BUNDLE group. The index of the section whose transport it is: of those not rejected the first of
 * the group (RFC 8843, section 7.2), or of all when there is no group; media_count when there is none. */
static size_t find_bundle(struct session_description *description, const char *mids)
{
    size_t tagged = description->media_count;
    for (size_t n = 0; n < SDP_MEDIA_MAX; n++) {
        struct sdp_word mid = sdp_next_word(&mids, " ");
        char text[SESSION_MID_CAP];
        if (mid.len == 0 || !sdp_word_copy(mid, text, sizeof text))
            continue;
        const struct session_media *found = session_media_of_mid(description, text);
        if (found == NULL || found->rejected)
            continue;
        size_t index = (size_t)(found - description->media);
        description->media[index].bundled = true;
        tagged = tagged == description->media_count ? index : tagged;
    }
    for (size_t i = 0; i < description->media_count && tagged == description->media_count; i++) {
        description->media[i].bundled = !description->media[i].rejected;
        tagged = description->media[i].bundled ? i : tagged;
    }
    return tagged;
}

static void inherit(struct session_transport *transport, const struct session_transport *session)
{
    if (transport->ufrag[0] == '\0')
        memcpy(transport->ufrag, session->ufrag, sizeof transport->ufrag);
    if (transport->password[0] == '\0')
        memcpy(transport->password, session->password, sizeof transport->password);
    if (transport->setup == SESSION_SETUP_NONE)
        transport->setup = session->setup;
    if (transport->fingerprint_count == 0) {
        memcpy(transport->fingerprints, session->fingerprints, sizeof transport->fingerprints);
        transport->fingerprint_count = session->fingerprint_count;
    }
    transport->ice_lite |= session->ice_lite;
    transport->trickle |= session->trickle;
    transport->end_of_candidates |= session->end_of_candidates;
}

static bool check_transport(const struct session_transport *transport, bool rejects_fingerprints,
                            const struct sdp_media *line, struct error *error)
{
    if (transport->ufrag[0] == '\0' || transport->password[0] == '\0')
        return error_set(error, ERROR_INPUT, "SDP line %u: the m= section has no a=%s, nor has the session",
                         line->number, transport->ufrag[0] == '\0' ? "ice-ufrag" : "ice-pwd");
    if (transport->fingerprint_count == 0 && rejects_fingerprints)
        return error_set(error, ERROR_UNSUPPORTED,
                         "SDP line %u: the m= section has fingerprints of unknown hash functions alone", line->number);
    if (transport->fingerprint_count == 0)
        return error_set(error, ERROR_UNSUPPORTED,
                         "SDP line %u: the m= section has no a=fingerprint, and nothing but DTLS is spoken",
                         line->number);
    return true;
}

/* Reads each section with a transport of its own, since only at the end it is clear whose counts. */
static bool take_all(struct session_description *description, const struct sdp *sdp,
                     struct session_transport *transports, struct error *error)
{
    struct session_transport *session = &transports[sdp->media_count];
    uint8_t direction = SESSION_SENDRECV;
    bool rejects_fingerprints = false;
    struct session_reader at_session = {.where = PLACE_SESSION,
                                        .transport = session,
                                        .direction = &direction,
                                        .rejects_fingerprints = &rejects_fingerprints,
                                        .description = description,
                                        .error = error};
    if (!session_read_attributes(&at_session, &sdp->session))
        return false;
    for (size_t i = 0; i < sdp->media_count; i++) {
        struct session_reader reader = at_session;
        reader.where = PLACE_MEDIA;
        reader.transport = &transports[i];
        reader.media = session_add_media(description);
        if (reader.media == NULL)
            return error_set(error, ERROR_SYSTEM, "SDP line %u: out of memory", sdp->media[i].number);
        if (!take_media(&reader, &sdp->media[i], &sdp->session))
            return false;
    }
    size_t tagged = find_bundle(description, bundle_group(&sdp->session));
    if (tagged == description->media_count)
        return true; /* nothing is wanted, so nothing to reach anyone by is needed */
    inherit(&transports[tagged], session);
    description->transport = transports[tagged];
    transports[tagged].candidates = NULL;
    return check_transport(&description->transport, rejects_fingerprints, &sdp->media[tagged], error);
}

struct session_description *session_description_parse(const char *text, size_t len, struct error *error)
{
    struct sdp *sdp = sdp_parse(text, len, SDP_WHOLE, error);
    if (sdp == NULL)
        return NULL;
    struct session_description *description = session_description_create();
    struct session_transport *transports = calloc(sdp->media_count + 1, sizeof *transports);
    bool ok = false;
    if (description == NULL || transports == NULL) {
        error_set(error, ERROR_SYSTEM, "SDP: out of memory");
    } else {
        description->session_id = strtoull(sdp->origin.session_id, NULL, 10);
        description->version = strtoull(sdp->origin.version, NULL, 10);
        ok = take_all(description, sdp, transports, error);
    }
    for (size_t i = 0; transports != NULL && i <= sdp->media_count; i++)
        free(transports[i].candidates);
    free(transports);
    sdp_destroy(sdp);
    if (!ok) {
        session_description_destroy(description);
        return NULL;
    }
    return description;
}

bool session_fragment_parse(const char *text, size_t len, struct session_transport *transport,
                            char mid[SESSION_MID_CAP], struct error *error)
{
    struct sdp *sdp = sdp_parse(text, len, SDP_FRAGMENT, error);
    if (sdp == NULL)
        return false;
    memset(transport, 0, sizeof *transport);
    struct session_description description = {0};
    struct session_media media = {0};
    struct session_reader reader = {
        .where = PLACE_FRAGMENT, .transport = transport, .media = &media, .description = &description, .error = error};
    /* All sections are bundled, so that of the first is the transport's. */
    bool ok = session_read_attributes(&reader, &sdp->session) &&
              (sdp->media_count == 0 || session_read_attributes(&reader, &sdp->media[0].section));
    memcpy(mid, media.mid, SESSION_MID_CAP);
    sdp_destroy(sdp);
    if (!ok) {
        free(transport->candidates);
        memset(transport, 0, sizeof *transport);
    }
    return ok;
}
