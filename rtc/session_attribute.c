#include "rtc/session_attribute.h"

#include <stdio.h>
#include <string.h>

#include "rtc/sdp_word.h"

static bool wrong(const struct session_reader *reader, const char *needs)
{
    return error_set(reader->error, ERROR_INPUT, "SDP line %u: a=%s needs %s, not '%.80s'", reader->line->number,
                     reader->line->name, needs, reader->line->value != NULL ? reader->line->value : "");
}

/* --- transport attributes, of the session or of one section --------------------------------------------------------------- */

static bool take_ufrag(struct session_reader *reader, const char *value)
{
    if (!ice_ufrag_valid(value))
        return wrong(reader, "4 to 256 letters, digits, '+' and '/'");
    return sdp_word_copy(sdp_word_of(value), reader->transport->ufrag, sizeof reader->transport->ufrag);
}

static bool take_password(struct session_reader *reader, const char *value)
{
    if (!ice_password_valid(value))
        return wrong(reader, "22 to 256 letters, digits, '+' and '/'");
    return sdp_word_copy(sdp_word_of(value), reader->transport->password, sizeof reader->transport->password);
}

static bool take_ice_options(struct session_reader *reader, const char *value)
{
    for (struct sdp_word word = sdp_next_word(&value, " "); word.len > 0; word = sdp_next_word(&value, " "))
        reader->transport->trickle |= sdp_word_is(word, "trickle");
    return true;
}

static bool take_fingerprint(struct session_reader *reader, const char *value)
{
    struct session_transport *transport = reader->transport;
    struct fingerprint fingerprint;
    struct error error = {0};
    if (!fingerprint_parse(&fingerprint, value, &error)) {
        *reader->rejects_fingerprints = true;
        return error.code == ERROR_UNSUPPORTED || /* another may do */
               error_set(reader->error, error.code, "SDP line %u: %s", reader->line->number, error.text);
    }
    if (transport->fingerprint_count < SESSION_FINGERPRINTS_MAX)
        transport->fingerprints[transport->fingerprint_count++] = fingerprint;
    return true;
}

static bool take_setup(struct session_reader *reader, const char *value)
{
    static const char *const names[] = {
        [SESSION_SETUP_ACTPASS] = "actpass", [SESSION_SETUP_ACTIVE] = "active", [SESSION_SETUP_PASSIVE] = "passive"};
    for (unsigned setup = SESSION_SETUP_ACTPASS; setup <= SESSION_SETUP_PASSIVE; setup++) {
        if (sdp_word_is(sdp_word_of(value), names[setup])) {
            reader->transport->setup = (uint8_t)setup;
            return true;
        }
    }
    return wrong(reader, "actpass, active or passive");
}

static bool take_candidate(struct session_reader *reader, const char *value)
{
    struct ice_candidate candidate;
    struct error error = {0};
    char text[ICE_CANDIDATE_TEXT_CAP];
    if (snprintf(text, sizeof text, "candidate:%s", value) >= (int)sizeof text)
        return wrong(reader, "a candidate of at most 1,000 bytes");
    if (!ice_candidate_parse(&candidate, text, &error))
        return error_set(reader->error, error.code, "SDP line %u: %s", reader->line->number, error.text);
    /* Component 2 would be RTCP's, which has no port of its own; unknown transports are ignored (RFC 8839, 5.1). */
    if (candidate.component == 1 && candidate.transport != ICE_OTHER_TRANSPORT)
        session_add_candidate(reader->transport, &candidate);
    return true;
}

static bool take_end_of_candidates(struct session_reader *reader, const char *value)
{
    (void)value;
    reader->transport->end_of_candidates = true;
    return true;
}

static bool take_ice_lite(struct session_reader *reader, const char *value)
{
    (void)value;
    reader->transport->ice_lite = true;
    return true;
}

/* --- attributes of a section ------------------------------------------------------------------------------------------------ */

static bool take_mid(struct session_reader *reader, const char *value)
{
    if (value[0] == '\0' || !sdp_word_copy(sdp_word_of(value), reader->media->mid, sizeof reader->media->mid))
        return wrong(reader, "1 to 32 characters");
    const struct session_media *first = session_media_of_mid(reader->description, value);
    return first == NULL || first == reader->media ||
           error_set(reader->error, ERROR_INPUT, "SDP line %u: a=mid:%s is there already", reader->line->number, value);
}

static bool take_direction(struct session_reader *reader, uint8_t direction)
{
    *reader->direction = direction;
    return true;
}
static bool take_sendrecv(struct session_reader *reader, const char *value)
{
    (void)value;
    return take_direction(reader, SESSION_SENDRECV);
}
static bool take_sendonly(struct session_reader *reader, const char *value)
{
    (void)value;
    return take_direction(reader, SESSION_SENDONLY);
}
static bool take_recvonly(struct session_reader *reader, const char *value)
{
    (void)value;
    return take_direction(reader, SESSION_RECVONLY);
}
static bool take_inactive(struct session_reader *reader, const char *value)
{
    (void)value;
    return take_direction(reader, SESSION_INACTIVE);
}

static bool take_rtcp_mux(struct session_reader *reader, const char *value)
{
    (void)value;
    reader->media->rtcp_mux = true;
    return true;
}

static bool take_rtcp_rsize(struct session_reader *reader, const char *value)
{
    (void)value;
    reader->media->rtcp_reduced_size = true;
    return true;
}

static bool take_bundle_only(struct session_reader *reader, const char *value)
{
    (void)value;
    reader->media->bundle_only = true;
    return true;
}

static bool take_rtcp_xr(struct session_reader *reader, const char *value)
{
    for (struct sdp_word word = sdp_next_word(&value, " "); word.len > 0; word = sdp_next_word(&value, " "))
        reader->media->rtcp_receiver_rtt |= sdp_word_starts(word, "rcvr-rtt");
    return true;
}

/* The codec that the payload type at the start of `*value` names, NULL when m= has no such one: then the line speaks of
 * nothing. */
static struct session_codec *codec_of(const struct session_reader *reader, const char **value, bool *ok)
{
    uint64_t payload_type = 0;
    *ok = sdp_word_number(sdp_next_word(value, " "), 127, &payload_type) ||
          wrong(reader, "a payload type from 0 to 127 first");
    return *ok ? (struct session_codec *)session_codec_of(reader->media, (uint8_t)payload_type) : NULL;
}

/* a=rtpmap:PAYLOAD-TYPE NAME/CLOCK-RATE[/CHANNELS] (RFC 8866, section 6.6) */
static bool take_rtpmap(struct session_reader *reader, const char *value)
{
    bool ok;
    struct session_codec *codec = codec_of(reader, &value, &ok);
    if (codec == NULL)
        return ok;
    struct sdp_word name = sdp_next_word(&value, " /");
    uint64_t clock_rate;
    uint64_t channels = 1;
    if (!sdp_word_copy(name, codec->name, sizeof codec->name) || name.len == 0 ||
        !sdp_word_number(sdp_next_word(&value, "/"), UINT32_MAX, &clock_rate) || clock_rate == 0)
        return wrong(reader, "a name of at most 31 characters and a clock rate");
    struct sdp_word last = sdp_next_word(&value, "/ ");
    if (last.len > 0 && (!sdp_word_number(last, 255, &channels) || channels == 0))
        return wrong(reader, "1 to 255 channels");
    codec->clock_rate = (uint32_t)clock_rate;
    codec->channels = (uint8_t)channels;
    return true;
}

static bool take_fmtp(struct session_reader *reader, const char *value)
{
    bool ok;
    struct session_codec *codec = codec_of(reader, &value, &ok);
    if (codec == NULL)
        return ok;
    value += strspn(value, " ");
    if (!sdp_word_copy(sdp_word_of(value), codec->fmtp, sizeof codec->fmtp))
        return wrong(reader, "at most 399 characters");
    for (struct sdp_word word = sdp_next_word(&value, "; "); word.len > 0; word = sdp_next_word(&value, "; ")) {
        uint64_t repairs;
        if (sdp_word_starts(word, "apt=") &&
            sdp_word_number((struct sdp_word){word.at + 4, word.len - 4}, 127, &repairs))
            codec->repairs = (uint8_t)repairs;
    }
    return true;
}

static const struct {
    uint8_t bit;
    const char *text;
} feedbacks[] = {
    {SESSION_FEEDBACK_NACK, "nack"},
    {SESSION_FEEDBACK_NACK_PLI, "nack pli"},
    {SESSION_FEEDBACK_CCM_FIR, "ccm fir"},
    {SESSION_FEEDBACK_GOOG_REMB, "goog-remb"},
    {SESSION_FEEDBACK_TRANSPORT_CC, "transport-cc"},
};

/* a=rtcp-fb:PAYLOAD-TYPE|* KIND [PARAMETER] (RFC 4585, section 4.2) */
static bool take_rtcp_fb(struct session_reader *reader, const char *value)
{
    bool ok = true;
    bool to_all = value[0] == '*';
    struct session_codec *codec = to_all ? NULL : codec_of(reader, &value, &ok);
    if (codec == NULL && !to_all)
        return ok;
    value += to_all ? 1 : 0;
    value += strspn(value, " ");
    size_t len = strlen(value);
    while (len > 0 && value[len - 1] == ' ')
        len--;
    for (size_t i = 0; i < sizeof feedbacks / sizeof feedbacks[0]; i++) {
        if (!sdp_word_is((struct sdp_word){value, len}, feedbacks[i].text))
            continue;
        if (codec != NULL)
            codec->feedback |= feedbacks[i].bit;
        for (size_t j = 0; to_all && j < reader->media->codec_count; j++)
            reader->media->codecs[j].feedback |= feedbacks[i].bit;
    }
    return true;
}

/* a=extmap:ID[/DIRECTION] URI [ATTRIBUTES] (RFC 8285, section 8) */
static bool take_extmap(struct session_reader *reader, const char *value)
{
    struct sdp_word entry = sdp_next_word(&value, " ");
    struct sdp_word uri = sdp_next_word(&value, " ");
    const char *slash = memchr(entry.at, '/', entry.len);
    struct sdp_word id = {entry.at, slash != NULL ? (size_t)(slash - entry.at) : entry.len};
    uint64_t number;
    uint8_t direction = SESSION_SENDRECV;
    if (slash != NULL) {
        struct sdp_word way = {slash + 1, entry.len - id.len - 1};
        direction = sdp_word_is(way, "sendonly")   ? SESSION_SENDONLY
                    : sdp_word_is(way, "recvonly") ? SESSION_RECVONLY
                    : sdp_word_is(way, "inactive") ? SESSION_INACTIVE
                                                   : SESSION_SENDRECV;
    }
    if (!sdp_word_number(id, 65535, &number) || number == 0 || uri.len == 0)
        return wrong(reader, "a number from 1 and a URI");
    if (number > 255 || uri.len >= sizeof reader->media->extensions->uri)
        return true; /* 4096 and up are offers to choose from (section 7): nobody needs that many */
    struct session_extension *extension = session_add_extension(reader->media);
    if (extension == NULL)
        return true;
    extension->id = (uint8_t)number;
    extension->direction = direction;
    extension->kind = (uint8_t)rtp_extension_kind_of(uri.at, uri.len);
    return sdp_word_copy(uri, extension->uri, sizeof extension->uri);
}

/* "STREAM [TRACK]" (RFC 8830, section 2); what is too long for us is told apart by its beginning. */
static void copy_msid(const char *value, char *stream, char *track)
{
    struct sdp_word words[2];
    for (int i = 0; i < 2; i++) {
        words[i] = sdp_next_word(&value, " ");
        words[i].len = words[i].len < SESSION_ID_CAP ? words[i].len : SESSION_ID_CAP - 1;
    }
    sdp_word_copy(words[0], stream, SESSION_ID_CAP);
    sdp_word_copy(words[1], track, SESSION_ID_CAP);
}

static bool take_msid(struct session_reader *reader, const char *value)
{
    if (reader->media->stream_id[0] == '\0') /* the first, when a track is in several streams */
        copy_msid(value, reader->media->stream_id, reader->media->track_id);
    return true;
}

static struct session_ssrc *ssrc_of(struct session_media *media, uint32_t number)
{
    for (size_t i = 0; i < media->ssrc_count; i++) {
        if (media->ssrcs[i].ssrc == number)
            return &media->ssrcs[i];
    }
    struct session_ssrc *ssrc = session_add_ssrc(media);
    if (ssrc != NULL)
        ssrc->ssrc = number;
    return ssrc;
}

/* a=ssrc:NUMBER NAME[:VALUE] (RFC 5576, section 4.1) */
static bool take_ssrc(struct session_reader *reader, const char *value)
{
    uint64_t number;
    if (!sdp_word_number(sdp_next_word(&value, " "), UINT32_MAX, &number))
        return wrong(reader, "a number of 32 bits first");
    struct session_ssrc *ssrc = ssrc_of(reader->media, (uint32_t)number);
    if (ssrc == NULL)
        return true;
    value += strspn(value, " ");
    if (strncmp(value, "cname:", 6) == 0) {
        struct sdp_word cname = sdp_word_of(value + 6);
        cname.len = cname.len < sizeof ssrc->cname ? cname.len : sizeof ssrc->cname - 1;
        sdp_word_copy(cname, ssrc->cname, sizeof ssrc->cname);
    } else if (strncmp(value, "msid:", 5) == 0) {
        copy_msid(value + 5, ssrc->stream_id, ssrc->track_id);
    }
    return true;
}

/* a=ssrc-group:FID SSRC RETRANSMISSION-SSRC (RFC 5576, section 4.2; RFC 4588) */
static bool take_ssrc_group(struct session_reader *reader, const char *value)
{
    if (!sdp_word_is(sdp_next_word(&value, " "), "FID"))
        return true;
    uint64_t first;
    uint64_t second;
    if (!sdp_word_number(sdp_next_word(&value, " "), UINT32_MAX, &first) ||
        !sdp_word_number(sdp_next_word(&value, " "), UINT32_MAX, &second))
        return wrong(reader, "two SSRCs");
    struct session_ssrc *ssrc = ssrc_of(reader->media, (uint32_t)first);
    if (ssrc != NULL) {
        ssrc->has_retransmission = true;
        ssrc->retransmission = (uint32_t)second;
    }
    return true;
}

/* a=rid:ID send|recv [LIMIT;…] (RFC 8851, section 4) */
static bool take_rid(struct session_reader *reader, const char *value)
{
    struct sdp_word id = sdp_next_word(&value, " ");
    struct sdp_word way = sdp_next_word(&value, " ");
    bool is_send = sdp_word_is(way, "send");
    if (id.len == 0 || id.len >= RTP_TOKEN_CAP || (!is_send && !sdp_word_is(way, "recv")))
        return wrong(reader, "a name of 1 to 16 characters, and send or recv");
    struct session_rid *rid = session_add_rid(reader->media);
    if (rid == NULL)
        return true;
    sdp_word_copy(id, rid->id, sizeof rid->id);
    rid->direction = is_send ? SESSION_SENDONLY : SESSION_RECVONLY;
    const struct {
        const char *name;
        uint32_t *limit;
    } limits[] = {{"max-width=", &rid->max_width},
                  {"max-height=", &rid->max_height},
                  {"max-fps=", &rid->max_fps},
                  {"max-br=", &rid->max_bitrate_bps}};
    for (struct sdp_word word = sdp_next_word(&value, "; "); word.len > 0; word = sdp_next_word(&value, "; ")) {
        for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
            size_t name_len = strlen(limits[i].name);
            uint64_t limit;
            if (sdp_word_starts(word, limits[i].name) &&
                sdp_word_number((struct sdp_word){word.at + name_len, word.len - name_len}, UINT32_MAX, &limit))
                *limits[i].limit = (uint32_t)limit;
        }
    }
    return true;
}

/* Moves the rid to where simulcast has it. Of alternatives ("1,2") the first is taken. */
static void order_rid(struct session_media *media, size_t *place, struct sdp_word alternatives, uint8_t direction)
{
    struct sdp_word id = {alternatives.at, strcspn(alternatives.at, ",; ")};
    bool paused = id.len > 0 && id.at[0] == '~';
    id.at += paused ? 1 : 0;
    id.len -= paused ? 1 : 0;
    for (size_t i = *place; i < media->rid_count; i++) {
        if (media->rids[i].direction != direction || !sdp_word_is(id, media->rids[i].id))
            continue;
        struct session_rid rid = media->rids[i];
        memmove(&media->rids[*place + 1], &media->rids[*place], (i - *place) * sizeof rid);
        rid.simulcast = true;
        rid.paused = paused;
        media->rids[(*place)++] = rid;
        return;
    }
}

/* a=simulcast:send 1;2;~3 recv 4 (RFC 8853, section 5.1), read when all rids are known. */
void session_read_simulcast(struct session_media *media, const char *value)
{
    size_t place = 0;
    uint8_t direction = SESSION_INACTIVE;
    for (struct sdp_word word = sdp_next_word(&value, " "); word.len > 0; word = sdp_next_word(&value, " ")) {
        if (sdp_word_is(word, "send") || sdp_word_is(word, "recv")) {
            direction = sdp_word_is(word, "send") ? SESSION_SENDONLY : SESSION_RECVONLY;
            continue;
        }
        const char *at = word.at;
        while (at < word.at + word.len) {
            struct sdp_word alternatives = sdp_next_word(&at, "; ");
            if (alternatives.at < word.at + word.len)
                order_rid(media, &place, alternatives, direction);
        }
    }
}

static bool take_sctp_port(struct session_reader *reader, const char *value)
{
    uint64_t port;
    if (!sdp_word_number(sdp_word_of(value), UINT16_MAX, &port) || port == 0)
        return wrong(reader, "a port from 1 to 65535");
    reader->media->sctp_port = (uint16_t)port;
    return true;
}

/* a=sctpmap:5000 webrtc-datachannel 1024, from drafts before RFC 8841; some servers still write it. */
static bool take_sctpmap(struct session_reader *reader, const char *value)
{
    uint64_t port;
    if (!sdp_word_number(sdp_next_word(&value, " "), UINT16_MAX, &port) || port == 0)
        return wrong(reader, "a port from 1 to 65535");
    reader->media->sctp_port = (uint16_t)port;
    return true;
}

static bool take_max_message_size(struct session_reader *reader, const char *value)
{
    uint64_t size;
    if (!sdp_word_number(sdp_word_of(value), UINT64_MAX, &size))
        return wrong(reader, "a number of bytes");
    reader->media->max_message_size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    return true;
}

static bool take_extmap_allow_mixed(struct session_reader *reader, const char *value)
{
    (void)value;
    reader->description->extmap_allow_mixed = true;
    return true;
}

/* --- which attribute is whose --------------------------------------------------------------------------------------------- */

enum { NEEDS_VALUE = 8 }; /* beside enum session_place */

static const struct attribute {
    const char *name;
    bool (*take)(struct session_reader *reader, const char *value);
    unsigned where;
} attributes[] = {
    {"rtcp-fb", take_rtcp_fb, PLACE_MEDIA | NEEDS_VALUE},
    {"rtpmap", take_rtpmap, PLACE_MEDIA | NEEDS_VALUE},
    {"fmtp", take_fmtp, PLACE_MEDIA | NEEDS_VALUE},
    {"extmap", take_extmap, PLACE_MEDIA | NEEDS_VALUE},
    {"ssrc", take_ssrc, PLACE_MEDIA | NEEDS_VALUE},
    {"candidate", take_candidate, PLACE_MEDIA | PLACE_FRAGMENT | NEEDS_VALUE},
    {"ssrc-group", take_ssrc_group, PLACE_MEDIA | NEEDS_VALUE},
    {"rid", take_rid, PLACE_MEDIA | NEEDS_VALUE},
    {"mid", take_mid, PLACE_MEDIA | PLACE_FRAGMENT | NEEDS_VALUE},
    {"msid", take_msid, PLACE_MEDIA | NEEDS_VALUE},
    {"sendrecv", take_sendrecv, PLACE_SESSION | PLACE_MEDIA},
    {"sendonly", take_sendonly, PLACE_SESSION | PLACE_MEDIA},
    {"recvonly", take_recvonly, PLACE_SESSION | PLACE_MEDIA},
    {"inactive", take_inactive, PLACE_SESSION | PLACE_MEDIA},
    {"rtcp-mux", take_rtcp_mux, PLACE_MEDIA},
    {"rtcp-rsize", take_rtcp_rsize, PLACE_MEDIA},
    {"rtcp-xr", take_rtcp_xr, PLACE_MEDIA | NEEDS_VALUE},
    {"bundle-only", take_bundle_only, PLACE_MEDIA},
    {"ice-ufrag", take_ufrag, PLACE_SESSION | PLACE_MEDIA | PLACE_FRAGMENT | NEEDS_VALUE},
    {"ice-pwd", take_password, PLACE_SESSION | PLACE_MEDIA | PLACE_FRAGMENT | NEEDS_VALUE},
    {"ice-options", take_ice_options, PLACE_SESSION | PLACE_MEDIA | NEEDS_VALUE},
    {"ice-lite", take_ice_lite, PLACE_SESSION | PLACE_MEDIA},
    {"end-of-candidates", take_end_of_candidates, PLACE_SESSION | PLACE_MEDIA | PLACE_FRAGMENT},
    {"fingerprint", take_fingerprint, PLACE_SESSION | PLACE_MEDIA | NEEDS_VALUE},
    {"setup", take_setup, PLACE_SESSION | PLACE_MEDIA | NEEDS_VALUE},
    {"extmap-allow-mixed", take_extmap_allow_mixed, PLACE_SESSION | PLACE_MEDIA},
    {"sctp-port", take_sctp_port, PLACE_MEDIA | NEEDS_VALUE},
    {"sctpmap", take_sctpmap, PLACE_MEDIA | NEEDS_VALUE},
    {"max-message-size", take_max_message_size, PLACE_MEDIA | NEEDS_VALUE},
};

static bool take_attribute(struct session_reader *reader)
{
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        const struct attribute *attribute = &attributes[i];
        if (strcmp(attribute->name, reader->line->name) != 0)
            continue;
        if ((attribute->where & reader->where) == 0)
            return true;
        if (attribute->where & NEEDS_VALUE && reader->line->value == NULL)
            return wrong(reader, "a value");
        return attribute->take(reader, reader->line->value != NULL ? reader->line->value : "");
    }
    return true; /* unknown attributes are ignored (RFC 8866, section 5.13) */
}

bool session_read_attributes(struct session_reader *reader, const struct sdp_section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        reader->line = &section->lines[i];
        if (reader->line->type == 'a' && !take_attribute(reader))
            return false;
        uint64_t limit;
        const char *value = reader->line->value;
        if (reader->line->type == 'b' && reader->media != NULL) {
            /* b=TIAS:bits a second (RFC 3890), b=AS:kilobits a second (RFC 8866, section 5.8) */
            if (strncmp(value, "TIAS:", 5) == 0 && sdp_word_number(sdp_word_of(value + 5), UINT32_MAX, &limit))
                reader->media->max_bitrate_bps = (uint32_t)limit;
            else if (strncmp(value, "AS:", 3) == 0 &&
                     sdp_word_number(sdp_word_of(value + 3), UINT32_MAX / 1000, &limit) &&
                     reader->media->max_bitrate_bps == 0)
                reader->media->max_bitrate_bps = (uint32_t)limit * 1000;
        }
    }
    return true;
}

bool session_read_extmap(struct session_reader *reader)
{
    return reader->line->value != NULL ? take_extmap(reader, reader->line->value) : wrong(reader, "a value");
}
