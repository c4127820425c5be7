/* Reading a session description: SDP's lines become rtc/session_description.h's structures. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rtc/session_description.h"

/* Where an attribute may stand. */
enum {
    AT_SESSION = 1,
    AT_MEDIA = 2,
    AT_FRAGMENT = 4,
    NEEDS_VALUE = 8,
};

struct parse {
    unsigned where;
    const struct sdp_line *line; /* being read */
    struct session_media *media; /* NULL at session level */
    struct session_transport *transport;
    uint8_t *direction;
    bool *rejects_fingerprints; /* there was one, with a hash function that we don't know */
    struct session_description *description;
    struct error *error;
};

static bool wrong(const struct parse *parse, const char *needs)
{
    return error_set(parse->error, ERROR_INPUT, "SDP line %u: a=%s needs %s, not '%.80s'", parse->line->number,
                     parse->line->name, needs, parse->line->value != NULL ? parse->line->value : "");
}

static bool no_memory(const struct parse *parse)
{
    return error_set(parse->error, ERROR_SYSTEM, "SDP line %u: out of memory", parse->line->number);
}

/* --- words and numbers -------------------------------------------------------------------------------------------------- */

struct word {
    const char *at;
    size_t len;
};

/* The next run of characters other than those in `separators`; length 0 at the end. */
static struct word next_word(const char **at, const char *separators)
{
    *at += strspn(*at, separators);
    struct word word = {*at, strcspn(*at, separators)};
    *at += word.len;
    return word;
}

static bool word_is(struct word word, const char *text)
{
    return strlen(text) == word.len && strncasecmp(word.at, text, word.len) == 0;
}

static bool word_starts(struct word word, const char *text)
{
    return word.len >= strlen(text) && strncasecmp(word.at, text, strlen(text)) == 0;
}

/* False when it doesn't fit. */
static bool word_copy(struct word word, char *out, size_t cap)
{
    if (word.len >= cap)
        return false;
    memcpy(out, word.at, word.len);
    out[word.len] = '\0';
    return true;
}

static struct word word_of(const char *text) { return (struct word){text, strlen(text)}; }

static bool word_number(struct word word, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (word.len == 0 || word.len > 19)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        value = 10 * value + (uint64_t)(word.at[i] - '0');
    }
    *out = value;
    return value <= max;
}

/* --- transport attributes, of the session or of one section --------------------------------------------------------------- */

static bool take_ufrag(struct parse *parse, const char *value)
{
    if (!ice_ufrag_valid(value))
        return wrong(parse, "4 to 256 letters, digits, '+' and '/'");
    return word_copy(word_of(value), parse->transport->ufrag, sizeof parse->transport->ufrag);
}

static bool take_password(struct parse *parse, const char *value)
{
    if (!ice_password_valid(value))
        return wrong(parse, "22 to 256 letters, digits, '+' and '/'");
    return word_copy(word_of(value), parse->transport->password, sizeof parse->transport->password);
}

static bool take_ice_options(struct parse *parse, const char *value)
{
    for (struct word word = next_word(&value, " "); word.len > 0; word = next_word(&value, " "))
        parse->transport->trickle |= word_is(word, "trickle");
    return true;
}

static bool take_fingerprint(struct parse *parse, const char *value)
{
    struct session_transport *transport = parse->transport;
    struct fingerprint fingerprint;
    struct error error = {0};
    if (!fingerprint_parse(&fingerprint, value, &error)) {
        *parse->rejects_fingerprints = true;
        return error.code == ERROR_UNSUPPORTED || /* another may do */
               error_set(parse->error, error.code, "SDP line %u: %s", parse->line->number, error.text);
    }
    if (transport->fingerprint_count < SESSION_FINGERPRINTS_MAX)
        transport->fingerprints[transport->fingerprint_count++] = fingerprint;
    return true;
}

static bool take_setup(struct parse *parse, const char *value)
{
    static const char *const names[] = {
        [SESSION_SETUP_ACTPASS] = "actpass", [SESSION_SETUP_ACTIVE] = "active", [SESSION_SETUP_PASSIVE] = "passive"};
    for (uint8_t setup = SESSION_SETUP_ACTPASS; setup <= SESSION_SETUP_PASSIVE; setup++) {
        if (word_is(word_of(value), names[setup])) {
            parse->transport->setup = setup;
            return true;
        }
    }
    return wrong(parse, "actpass, active or passive");
}

static bool take_candidate(struct parse *parse, const char *value)
{
    struct ice_candidate candidate;
    struct error error = {0};
    char text[ICE_CANDIDATE_TEXT_CAP];
    if (!word_copy(word_of(value), text + strlen("candidate:"), sizeof text - strlen("candidate:")))
        return wrong(parse, "a candidate of at most 1,000 bytes");
    memcpy(text, "candidate:", strlen("candidate:"));
    if (!ice_candidate_parse(&candidate, text, &error))
        return error_set(parse->error, error.code, "SDP line %u: %s", parse->line->number, error.text);
    if (candidate.component == 1) /* of RTP; with RTCP on the same port there is no other */
        session_add_candidate(parse->transport, &candidate);
    return true;
}

static bool take_end_of_candidates(struct parse *parse, const char *value)
{
    (void)value;
    parse->transport->end_of_candidates = true;
    return true;
}

static bool take_ice_lite(struct parse *parse, const char *value)
{
    (void)value;
    parse->transport->ice_lite = true;
    return true;
}

/* --- attributes of a section ------------------------------------------------------------------------------------------------ */

static bool take_mid(struct parse *parse, const char *value)
{
    if (value[0] == '\0' || !word_copy(word_of(value), parse->media->mid, sizeof parse->media->mid))
        return wrong(parse, "1 to 32 characters");
    const struct session_media *first = session_media_of_mid(parse->description, value);
    return first == NULL || first == parse->media ||
           error_set(parse->error, ERROR_INPUT, "SDP line %u: a=mid:%s is there already", parse->line->number, value);
}

static bool take_direction(struct parse *parse, uint8_t direction)
{
    *parse->direction = direction;
    return true;
}
static bool take_sendrecv(struct parse *parse, const char *value)
{
    (void)value;
    return take_direction(parse, SESSION_SENDRECV);
}
static bool take_sendonly(struct parse *parse, const char *value)
{
    (void)value;
    return take_direction(parse, SESSION_SENDONLY);
}
static bool take_recvonly(struct parse *parse, const char *value)
{
    (void)value;
    return take_direction(parse, SESSION_RECVONLY);
}
static bool take_inactive(struct parse *parse, const char *value)
{
    (void)value;
    return take_direction(parse, SESSION_INACTIVE);
}

static bool take_rtcp_mux(struct parse *parse, const char *value)
{
    (void)value;
    parse->media->rtcp_mux = true;
    return true;
}

static bool take_rtcp_rsize(struct parse *parse, const char *value)
{
    (void)value;
    parse->media->rtcp_reduced_size = true;
    return true;
}

static bool take_bundle_only(struct parse *parse, const char *value)
{
    (void)value;
    parse->media->bundle_only = true;
    return true;
}

static bool take_rtcp_xr(struct parse *parse, const char *value)
{
    for (struct word word = next_word(&value, " "); word.len > 0; word = next_word(&value, " "))
        parse->media->rtcp_receiver_rtt |= word_starts(word, "rcvr-rtt");
    return true;
}

/* The codec that the payload type at the start of `*value` names, NULL when m= has no such one: then the line speaks of
 * nothing. */
static struct session_codec *codec_of(const struct parse *parse, const char **value, bool *ok)
{
    uint64_t payload_type = 0;
    *ok = word_number(next_word(value, " "), 127, &payload_type) || wrong(parse, "a payload type from 0 to 127 first");
    return *ok ? (struct session_codec *)session_codec_of(parse->media, (uint8_t)payload_type) : NULL;
}

/* a=rtpmap:PAYLOAD-TYPE NAME/CLOCK-RATE[/CHANNELS] (RFC 8866, section 6.6) */
static bool take_rtpmap(struct parse *parse, const char *value)
{
    bool ok;
    struct session_codec *codec = codec_of(parse, &value, &ok);
    if (codec == NULL)
        return ok;
    struct word name = next_word(&value, " /");
    uint64_t clock_rate;
    uint64_t channels = 1;
    if (!word_copy(name, codec->name, sizeof codec->name) || name.len == 0 ||
        !word_number(next_word(&value, "/"), UINT32_MAX, &clock_rate) || clock_rate == 0)
        return wrong(parse, "a name of at most 31 characters and a clock rate");
    struct word last = next_word(&value, "/ ");
    if (last.len > 0 && (!word_number(last, 255, &channels) || channels == 0))
        return wrong(parse, "1 to 255 channels");
    codec->clock_rate = (uint32_t)clock_rate;
    codec->channels = (uint8_t)channels;
    return true;
}

static bool take_fmtp(struct parse *parse, const char *value)
{
    bool ok;
    struct session_codec *codec = codec_of(parse, &value, &ok);
    if (codec == NULL)
        return ok;
    value += strspn(value, " ");
    if (!word_copy(word_of(value), codec->fmtp, sizeof codec->fmtp))
        return wrong(parse, "at most 399 characters");
    for (struct word word = next_word(&value, "; "); word.len > 0; word = next_word(&value, "; ")) {
        uint64_t repairs;
        if (word_starts(word, "apt=") && word_number((struct word){word.at + 4, word.len - 4}, 127, &repairs))
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
static bool take_rtcp_fb(struct parse *parse, const char *value)
{
    bool ok = true;
    bool to_all = value[0] == '*';
    struct session_codec *codec = to_all ? NULL : codec_of(parse, &value, &ok);
    if (codec == NULL && !to_all)
        return ok;
    value += to_all ? 1 : 0;
    value += strspn(value, " ");
    size_t len = strlen(value);
    while (len > 0 && value[len - 1] == ' ')
        len--;
    for (size_t i = 0; i < sizeof feedbacks / sizeof feedbacks[0]; i++) {
        if (!word_is((struct word){value, len}, feedbacks[i].text))
            continue;
        if (codec != NULL)
            codec->feedback |= feedbacks[i].bit;
        for (size_t j = 0; to_all && j < parse->media->codec_count; j++)
            parse->media->codecs[j].feedback |= feedbacks[i].bit;
    }
    return true;
}

/* a=extmap:ID[/DIRECTION] URI [ATTRIBUTES] (RFC 8285, section 8) */
static bool take_extmap(struct parse *parse, const char *value)
{
    struct word entry = next_word(&value, " ");
    struct word uri = next_word(&value, " ");
    const char *slash = memchr(entry.at, '/', entry.len);
    struct word id = {entry.at, slash != NULL ? (size_t)(slash - entry.at) : entry.len};
    uint64_t number;
    uint8_t direction = SESSION_SENDRECV;
    if (slash != NULL) {
        struct word way = {slash + 1, entry.len - id.len - 1};
        direction = word_is(way, "sendonly")   ? SESSION_SENDONLY
                    : word_is(way, "recvonly") ? SESSION_RECVONLY
                    : word_is(way, "inactive") ? SESSION_INACTIVE
                                               : SESSION_SENDRECV;
    }
    if (!word_number(id, 65535, &number) || number == 0 || uri.len == 0)
        return wrong(parse, "a number from 1 and a URI");
    if (number > 255 || uri.len >= sizeof parse->media->extensions->uri)
        return true; /* 4096 and up are offers to choose from (section 7): nobody needs that many */
    struct session_extension *extension = session_add_extension(parse->media);
    if (extension == NULL)
        return true;
    extension->id = (uint8_t)number;
    extension->direction = direction;
    extension->kind = (uint8_t)rtp_extension_kind_of(uri.at, uri.len);
    return word_copy(uri, extension->uri, sizeof extension->uri);
}

/* "STREAM [TRACK]" (RFC 8830, section 2); what is too long for us is told apart by its beginning. */
static void copy_msid(const char *value, char *stream, char *track)
{
    struct word words[2];
    for (int i = 0; i < 2; i++) {
        words[i] = next_word(&value, " ");
        words[i].len = words[i].len < SESSION_ID_CAP ? words[i].len : SESSION_ID_CAP - 1;
    }
    word_copy(words[0], stream, SESSION_ID_CAP);
    word_copy(words[1], track, SESSION_ID_CAP);
}

static bool take_msid(struct parse *parse, const char *value)
{
    if (parse->media->stream_id[0] == '\0') /* the first, when a track is in several streams */
        copy_msid(value, parse->media->stream_id, parse->media->track_id);
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
static bool take_ssrc(struct parse *parse, const char *value)
{
    uint64_t number;
    if (!word_number(next_word(&value, " "), UINT32_MAX, &number))
        return wrong(parse, "a number of 32 bits first");
    struct session_ssrc *ssrc = ssrc_of(parse->media, (uint32_t)number);
    if (ssrc == NULL)
        return true;
    value += strspn(value, " ");
    if (strncmp(value, "cname:", 6) == 0) {
        struct word cname = word_of(value + 6);
        cname.len = cname.len < sizeof ssrc->cname ? cname.len : sizeof ssrc->cname - 1;
        word_copy(cname, ssrc->cname, sizeof ssrc->cname);
    } else if (strncmp(value, "msid:", 5) == 0) {
        copy_msid(value + 5, ssrc->stream_id, ssrc->track_id);
    }
    return true;
}

/* a=ssrc-group:FID SSRC RETRANSMISSION-SSRC (RFC 5576, section 4.2; RFC 4588) */
static bool take_ssrc_group(struct parse *parse, const char *value)
{
    if (!word_is(next_word(&value, " "), "FID"))
        return true;
    uint64_t first;
    uint64_t second;
    if (!word_number(next_word(&value, " "), UINT32_MAX, &first) ||
        !word_number(next_word(&value, " "), UINT32_MAX, &second))
        return wrong(parse, "two SSRCs");
    struct session_ssrc *ssrc = ssrc_of(parse->media, (uint32_t)first);
    if (ssrc != NULL) {
        ssrc->has_retransmission = true;
        ssrc->retransmission = (uint32_t)second;
    }
    return true;
}

/* a=rid:ID send|recv [LIMIT;…] (RFC 8851, section 4) */
static bool take_rid(struct parse *parse, const char *value)
{
    struct word id = next_word(&value, " ");
    struct word way = next_word(&value, " ");
    bool is_send = word_is(way, "send");
    if (id.len == 0 || id.len >= RTP_TOKEN_CAP || (!is_send && !word_is(way, "recv")))
        return wrong(parse, "a name of 1 to 16 characters, and send or recv");
    struct session_rid *rid = session_add_rid(parse->media);
    if (rid == NULL)
        return true;
    word_copy(id, rid->id, sizeof rid->id);
    rid->direction = is_send ? SESSION_SENDONLY : SESSION_RECVONLY;
    const struct {
        const char *name;
        uint32_t *limit;
    } limits[] = {{"max-width=", &rid->max_width},
                  {"max-height=", &rid->max_height},
                  {"max-fps=", &rid->max_fps},
                  {"max-br=", &rid->max_bitrate_bps}};
    for (struct word word = next_word(&value, "; "); word.len > 0; word = next_word(&value, "; ")) {
        for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
            size_t name_len = strlen(limits[i].name);
            uint64_t limit;
            if (word_starts(word, limits[i].name) &&
                word_number((struct word){word.at + name_len, word.len - name_len}, UINT32_MAX, &limit))
                *limits[i].limit = (uint32_t)limit;
        }
    }
    return true;
}

/* Moves the rid to where simulcast has it. Of alternatives ("1,2") the first is taken. */
static void order_rid(struct session_media *media, size_t *place, struct word alternatives, uint8_t direction)
{
    struct word id = {alternatives.at, strcspn(alternatives.at, ",; ")};
    bool paused = id.len > 0 && id.at[0] == '~';
    id.at += paused ? 1 : 0;
    id.len -= paused ? 1 : 0;
    for (size_t i = *place; i < media->rid_count; i++) {
        if (media->rids[i].direction != direction || !word_is(id, media->rids[i].id))
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
static void take_simulcast(struct session_media *media, const char *value)
{
    size_t place = 0;
    uint8_t direction = SESSION_INACTIVE;
    for (struct word word = next_word(&value, " "); word.len > 0; word = next_word(&value, " ")) {
        if (word_is(word, "send") || word_is(word, "recv")) {
            direction = word_is(word, "send") ? SESSION_SENDONLY : SESSION_RECVONLY;
            continue;
        }
        const char *at = word.at;
        while (at < word.at + word.len) {
            struct word alternatives = next_word(&at, "; ");
            if (alternatives.at < word.at + word.len)
                order_rid(media, &place, alternatives, direction);
        }
    }
}

static bool take_sctp_port(struct parse *parse, const char *value)
{
    uint64_t port;
    if (!word_number(word_of(value), UINT16_MAX, &port) || port == 0)
        return wrong(parse, "a port from 1 to 65535");
    parse->media->sctp_port = (uint16_t)port;
    return true;
}

/* a=sctpmap:5000 webrtc-datachannel 1024, from drafts before RFC 8841; some servers still write it. */
static bool take_sctpmap(struct parse *parse, const char *value)
{
    uint64_t port;
    if (!word_number(next_word(&value, " "), UINT16_MAX, &port) || port == 0)
        return wrong(parse, "a port from 1 to 65535");
    parse->media->sctp_port = (uint16_t)port;
    return true;
}

static bool take_max_message_size(struct parse *parse, const char *value)
{
    uint64_t size;
    if (!word_number(word_of(value), UINT64_MAX, &size))
        return wrong(parse, "a number of bytes");
    parse->media->max_message_size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
    return true;
}

static bool take_extmap_allow_mixed(struct parse *parse, const char *value)
{
    (void)value;
    parse->description->extmap_allow_mixed = true;
    return true;
}

/* --- which attribute is whose --------------------------------------------------------------------------------------------- */

static const struct attribute {
    const char *name;
    bool (*take)(struct parse *parse, const char *value);
    unsigned where;
} attributes[] = {
    {"rtcp-fb", take_rtcp_fb, AT_MEDIA | NEEDS_VALUE},
    {"rtpmap", take_rtpmap, AT_MEDIA | NEEDS_VALUE},
    {"fmtp", take_fmtp, AT_MEDIA | NEEDS_VALUE},
    {"extmap", take_extmap, AT_MEDIA | NEEDS_VALUE},
    {"ssrc", take_ssrc, AT_MEDIA | NEEDS_VALUE},
    {"candidate", take_candidate, AT_MEDIA | AT_FRAGMENT | NEEDS_VALUE},
    {"ssrc-group", take_ssrc_group, AT_MEDIA | NEEDS_VALUE},
    {"rid", take_rid, AT_MEDIA | NEEDS_VALUE},
    {"mid", take_mid, AT_MEDIA | AT_FRAGMENT | NEEDS_VALUE},
    {"msid", take_msid, AT_MEDIA | NEEDS_VALUE},
    {"sendrecv", take_sendrecv, AT_SESSION | AT_MEDIA},
    {"sendonly", take_sendonly, AT_SESSION | AT_MEDIA},
    {"recvonly", take_recvonly, AT_SESSION | AT_MEDIA},
    {"inactive", take_inactive, AT_SESSION | AT_MEDIA},
    {"rtcp-mux", take_rtcp_mux, AT_MEDIA},
    {"rtcp-rsize", take_rtcp_rsize, AT_MEDIA},
    {"rtcp-xr", take_rtcp_xr, AT_MEDIA | NEEDS_VALUE},
    {"bundle-only", take_bundle_only, AT_MEDIA},
    {"ice-ufrag", take_ufrag, AT_SESSION | AT_MEDIA | AT_FRAGMENT | NEEDS_VALUE},
    {"ice-pwd", take_password, AT_SESSION | AT_MEDIA | AT_FRAGMENT | NEEDS_VALUE},
    {"ice-options", take_ice_options, AT_SESSION | AT_MEDIA | NEEDS_VALUE},
    {"ice-lite", take_ice_lite, AT_SESSION | AT_MEDIA},
    {"end-of-candidates", take_end_of_candidates, AT_SESSION | AT_MEDIA | AT_FRAGMENT},
    {"fingerprint", take_fingerprint, AT_SESSION | AT_MEDIA | NEEDS_VALUE},
    {"setup", take_setup, AT_SESSION | AT_MEDIA | NEEDS_VALUE},
    {"extmap-allow-mixed", take_extmap_allow_mixed, AT_SESSION | AT_MEDIA},
    {"sctp-port", take_sctp_port, AT_MEDIA | NEEDS_VALUE},
    {"sctpmap", take_sctpmap, AT_MEDIA | NEEDS_VALUE},
    {"max-message-size", take_max_message_size, AT_MEDIA | NEEDS_VALUE},
};

static bool take_attribute(struct parse *parse)
{
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        const struct attribute *attribute = &attributes[i];
        if (strcmp(attribute->name, parse->line->name) != 0)
            continue;
        if ((attribute->where & parse->where) == 0)
            return true;
        if (attribute->where & NEEDS_VALUE && parse->line->value == NULL)
            return wrong(parse, "a value");
        return attribute->take(parse, parse->line->value != NULL ? parse->line->value : "");
    }
    return true; /* unknown attributes are ignored (RFC 8866, section 5.13) */
}

static bool take_section(struct parse *parse, const struct sdp_section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        parse->line = &section->lines[i];
        if (parse->line->type == 'a' && !take_attribute(parse))
            return false;
        uint64_t limit;
        const char *value = parse->line->value;
        if (parse->line->type == 'b' && parse->media != NULL) {
            /* b=TIAS:bits a second (RFC 3890), b=AS:kilobits a second (RFC 8866, section 5.8) */
            if (strncmp(value, "TIAS:", 5) == 0 && word_number(word_of(value + 5), UINT32_MAX, &limit))
                parse->media->max_bitrate_bps = (uint32_t)limit;
            else if (strncmp(value, "AS:", 3) == 0 && word_number(word_of(value + 3), UINT32_MAX / 1000, &limit) &&
                     parse->media->max_bitrate_bps == 0)
                parse->media->max_bitrate_bps = (uint32_t)limit * 1000;
        }
    }
    return true;
}

/* --- sections -------------------------------------------------------------------------------------------------------------- */

/* Payload types that need no a=rtpmap (RFC 3551, section 6). */
static const struct {
    uint8_t payload_type;
    const char *name;
} static_types[] = {{0, "PCMU"}, {8, "PCMA"}, {9, "G722"}, {13, "CN"}};

static bool add_formats(struct parse *parse, const struct sdp_media *line)
{
    for (size_t i = 0; i < line->format_count; i++) {
        uint64_t payload_type;
        if (!word_number(word_of(line->formats[i]), 127, &payload_type))
            return error_set(parse->error, ERROR_INPUT,
                             "SDP line %u: m= needs payload types from 0 to 127, not '%.40s'", line->number,
                             line->formats[i]);
        if (session_codec_of(parse->media, (uint8_t)payload_type) != NULL)
            continue;
        struct session_codec *codec = session_add_codec(parse->media);
        if (codec == NULL)
            return no_memory(parse);
        codec->payload_type = (uint8_t)payload_type;
        for (size_t j = 0; j < sizeof static_types / sizeof static_types[0]; j++) {
            if (static_types[j].payload_type == payload_type) {
                word_copy(word_of(static_types[j].name), codec->name, sizeof codec->name);
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

static bool take_media(struct parse *parse, const struct sdp_media *line, const struct sdp_section *session)
{
    struct session_media *media = parse->media;
    media->kind = kind_of(line);
    media->direction = *parse->direction;
    parse->direction = &media->direction;
    if (!word_copy(word_of(line->kind), media->kind_name, sizeof media->kind_name) ||
        !word_copy(word_of(line->protocol), media->protocol, sizeof media->protocol) ||
        !word_copy(word_of(line->formats[0]), media->format, sizeof media->format))
        return error_set(parse->error, ERROR_INPUT, "SDP line %u: m= has a word of more than 31 characters",
                         line->number);
    bool is_rtp = media->kind == SESSION_AUDIO || media->kind == SESSION_VIDEO;
    if (media->kind == SESSION_DATA)
        media->max_message_size = 65536;
    if (is_rtp && !add_formats(parse, line))
        return false;
    for (size_t i = 0; i < session->count && is_rtp; i++) { /* a=extmap of the session is every section's */
        parse->line = &session->lines[i];
        if (parse->line->type == 'a' && strcmp(parse->line->name, "extmap") == 0 &&
            (parse->line->value == NULL || !take_extmap(parse, parse->line->value)))
            return wrong(parse, "a number from 1 and a URI");
    }
    if (!take_section(parse, &line->section))
        return false;
    media->rejected = line->port == 0 && !media->bundle_only;
    const struct sdp_line *simulcast = sdp_find(&line->section, "simulcast");
    if (simulcast != NULL && simulcast->value != NULL)
        take_simulcast(media, simulcast->value);
    drop_nameless_codecs(media);
    drop_retransmission_ssrcs(media);
    return true;
}

/* --- the whole -------------------------------------------------------------------------------------------------------------- */

/* Marks who is in the BUNDLE group; the index of the section whose transport it is: the first of the group, or the first
 * of all (RFC 8843, section 7.2). */
static size_t find_bundle(struct session_description *description, const struct sdp_section *session)
{
    const char *mids = NULL;
    for (size_t i = 0; i < session->count && mids == NULL; i++) {
        const struct sdp_line *line = &session->lines[i];
        if (line->type == 'a' && strcmp(line->name, "group") == 0 && line->value != NULL &&
            strncmp(line->value, "BUNDLE", 6) == 0 && (line->value[6] == ' ' || line->value[6] == '\0'))
            mids = line->value + 6;
    }
    size_t first = 0;
    bool any = false;
    for (struct word mid; mids != NULL && (mid = next_word(&mids, " ")).len > 0;) {
        for (size_t i = 0; i < description->media_count; i++) {
            struct session_media *media = &description->media[i];
            if (media->mid[0] == '\0' || strlen(media->mid) != mid.len || memcmp(media->mid, mid.at, mid.len) != 0)
                continue;
            media->bundled = true;
            first = any ? first : i;
            any = true;
            break;
        }
    }
    if (!any && description->media_count == 1)
        description->media[0].bundled = true;
    return first;
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
    struct parse at_session = {.where = AT_SESSION,
                               .transport = session,
                               .direction = &direction,
                               .rejects_fingerprints = &rejects_fingerprints,
                               .description = description,
                               .error = error};
    if (!take_section(&at_session, &sdp->session))
        return false;
    for (size_t i = 0; i < sdp->media_count; i++) {
        struct parse parse = at_session;
        parse.where = AT_MEDIA;
        parse.transport = &transports[i];
        parse.media = session_add_media(description);
        if (parse.media == NULL)
            return error_set(error, ERROR_SYSTEM, "SDP line %u: out of memory", sdp->media[i].number);
        if (!take_media(&parse, &sdp->media[i], &sdp->session))
            return false;
    }
    if (sdp->media_count == 0)
        return true;
    size_t tagged = find_bundle(description, &sdp->session);
    description->media[tagged].bundled |= !description->media[tagged].rejected;
    inherit(&transports[tagged], session);
    description->transport = transports[tagged];
    transports[tagged].candidates = NULL;
    return description->media[tagged].rejected ||
           check_transport(&description->transport, rejects_fingerprints, &sdp->media[tagged], error);
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
    struct parse parse = {
        .where = AT_FRAGMENT, .transport = transport, .media = &media, .description = &description, .error = error};
    /* All sections are bundled, so that of the first is the transport's. */
    bool ok =
        take_section(&parse, &sdp->session) && (sdp->media_count == 0 || take_section(&parse, &sdp->media[0].section));
    memcpy(mid, media.mid, SESSION_MID_CAP);
    sdp_destroy(sdp);
    if (!ok) {
        free(transport->candidates);
        memset(transport, 0, sizeof *transport);
    }
    return ok;
}
