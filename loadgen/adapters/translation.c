#include "loadgen/adapters/translation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "rtc/rtp_extensions.h"
#include "rtc/session_codec.h"
#include "rtc/session_negotiation.h"

const struct translation_words translation_ortc = {.codec = "mimeType",
                                                   .codec_has_kind = true,
                                                   .payload_type = "payloadType",
                                                   .clock_rate = "clockRate",
                                                   .feedback = "rtcpFeedback",
                                                   .feedback_value = "parameter"};
const struct translation_words translation_colibri = {.codec = "name",
                                                      .payload_type = "id",
                                                      .clock_rate = "clockrate",
                                                      .feedback = "rtcp-fbs",
                                                      .feedback_value = "subtype"};

static const struct {
    enum session_feedback bit;
    const char *type, *value;
} feedbacks[] = {
    {SESSION_FEEDBACK_NACK, "nack", ""},
    {SESSION_FEEDBACK_NACK_PLI, "nack", "pli"},
    {SESSION_FEEDBACK_CCM_FIR, "ccm", "fir"},
    {SESSION_FEEDBACK_GOOG_REMB, "goog-remb", ""},
    {SESSION_FEEDBACK_TRANSPORT_CC, "transport-cc", ""},
};
enum { FEEDBACKS = sizeof feedbacks / sizeof feedbacks[0] };

static const char *text_of(const json_t *json, const char *key)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL ? text : "";
}

/* Numbers that some servers write as text. */
static json_int_t number_of(const json_t *json, const char *key)
{
    const json_t *value = json_object_get(json, key);
    return json_is_string(value) ? atoll(json_string_value(value)) : json_integer_value(value);
}

/* --- transports -------------------------------------------------------------------------------------------------------------- */

void translation_add_candidate(struct session_transport *transport, const json_t *json)
{
    char text[ICE_CANDIDATE_TEXT_CAP];
    struct ice_candidate candidate;
    struct error error;
    const char *address = text_of(json, "ip")[0] != '\0' ? text_of(json, "ip") : text_of(json, "address");
    int len = snprintf(text, sizeof text, "candidate:%s 1 %s %lld %s %lld typ %s%s", text_of(json, "foundation"),
                       text_of(json, "protocol"), (long long)number_of(json, "priority"), address,
                       (long long)number_of(json, "port"), text_of(json, "type"),
                       strcasecmp(text_of(json, "protocol"), "tcp") == 0 ? " tcptype passive" : "");
    if (len > 0 && (size_t)len < sizeof text && ice_candidate_parse(&candidate, text, &error))
        session_add_candidate(transport, &candidate);
}

void translation_add_fingerprint(struct session_transport *transport, const char *hash, const char *value)
{
    char text[FINGERPRINT_TEXT_CAP];
    struct error error;
    if (hash == NULL || value == NULL || transport->fingerprint_count == SESSION_FINGERPRINTS_MAX)
        return;
    int len = snprintf(text, sizeof text, "%s %s", hash, value);
    if (len > 0 && (size_t)len < sizeof text &&
        fingerprint_parse(&transport->fingerprints[transport->fingerprint_count], text, &error))
        transport->fingerprint_count++;
}

void translation_fingerprint(const struct session_transport *transport, char hash[16], char *value)
{
    char text[FINGERPRINT_TEXT_CAP] = "";
    hash[0] = value[0] = '\0';
    if (transport->fingerprint_count == 0)
        return;
    fingerprint_format(&transport->fingerprints[0], text);
    size_t len = strcspn(text, " ");
    snprintf(hash, 16, "%.*s", (int)len, text);
    snprintf(value, FINGERPRINT_TEXT_CAP, "%s", text[len] == ' ' ? text + len + 1 : "");
}

bool translation_read_credentials(struct session_transport *transport, const char *ufrag, const char *password)
{
    if (ufrag == NULL || strlen(ufrag) >= sizeof transport->ufrag || password == NULL ||
        strlen(password) >= sizeof transport->password)
        return false;
    memcpy(transport->ufrag, ufrag, strlen(ufrag) + 1);
    memcpy(transport->password, password, strlen(password) + 1);
    return true;
}

struct session_description *translation_answer(const struct session_description *offer,
                                               const struct session_transport *theirs)
{
    struct error error;
    struct session_capabilities capabilities = session_capabilities_default();
    capabilities.transport = theirs;
    capabilities.session_id = offer->session_id;
    return session_answer(offer, &capabilities, &error);
}

/* --- streams ------------------------------------------------------------------------------------------------------------------- */

/* "a=1;b=2" as an object. */
static json_t *parameters_of(const char *fmtp)
{
    char copy[SESSION_FMTP_CAP], *rest = NULL;
    json_t *parameters = json_object();
    snprintf(copy, sizeof copy, "%s", fmtp);
    for (char *pair = strtok_r(copy, "; ", &rest); pair != NULL; pair = strtok_r(NULL, "; ", &rest)) {
        char *value = strchr(pair, '='), *end;
        if (value == NULL)
            continue;
        *value++ = '\0';
        long number = strtol(value, &end, 10);
        /* "42001f" is no number, and "0d" none either. */
        bool is_number = *value != '\0' && *end == '\0' && (value[0] != '0' || value[1] == '\0');
        json_object_set_new(parameters, pair, is_number ? json_integer(number) : json_string(value));
    }
    return parameters;
}

static json_t *codec_of(const struct session_media *media, const struct session_codec *codec,
                        const struct translation_words *words)
{
    char name[64];
    json_t *feedback = json_array(), *parameters = parameters_of(codec->fmtp);
    snprintf(name, sizeof name, "%s%s",
             !words->codec_has_kind         ? ""
             : media->kind == SESSION_AUDIO ? "audio/"
                                            : "video/",
             codec->name);
    for (size_t i = 0; i < FEEDBACKS; i++) {
        if ((codec->feedback & feedbacks[i].bit) == 0)
            continue;
        json_t *one = json_pack("{ss}", "type", feedbacks[i].type);
        if (feedbacks[i].value[0] != '\0')
            json_object_set_new(one, words->feedback_value, json_string(feedbacks[i].value));
        json_array_append_new(feedback, one);
    }
    if (codec->repairs != SESSION_NO_PAYLOAD_TYPE)
        json_object_set_new(parameters, "apt", json_integer(codec->repairs));
    json_t *json = json_pack("{ss si sI so so}", words->codec, name, words->payload_type, (int)codec->payload_type,
                             words->clock_rate, (json_int_t)codec->clock_rate, words->feedback, feedback, "parameters",
                             parameters);
    if (media->kind == SESSION_AUDIO)
        json_object_set_new(json, "channels", json_integer(codec->channels));
    return json;
}

json_t *translation_codecs(const struct session_media *media, const struct translation_words *words, bool first_only)
{
    json_t *codecs = json_array();
    for (size_t i = 0; i < media->codec_count; i++) {
        const struct session_codec *codec = &media->codecs[i];
        if (!first_only || i == 0 || codec->repairs == media->codecs[0].payload_type)
            json_array_append_new(codecs, codec_of(media, codec, words));
    }
    return codecs;
}

static bool is_known(const json_t *known, const char *uri)
{
    const json_t *one;
    size_t i;
    json_array_foreach(known, i, one)
    {
        if (strcmp(text_of(one, "uri"), uri) == 0)
            return true;
    }
    return false;
}

json_t *translation_extensions(const struct session_media *media, const json_t *known)
{
    json_t *extensions = json_array();
    for (size_t i = 0; i < media->extension_count; i++) {
        const struct session_extension *extension = &media->extensions[i];
        if (extension->kind != RTP_EXTENSION_OTHER && (known == NULL || is_known(known, extension->uri)))
            json_array_append_new(extensions, json_pack("{ss si}", "uri", extension->uri, "id", (int)extension->id));
    }
    return extensions;
}

bool translation_add_stream(struct session_media *media, const char *peer, const char *track, uint32_t ssrc,
                            uint32_t rtx, const char *cname)
{
    session_stream_id(media->stream_id, peer != NULL ? peer : "");
    session_stream_id(media->track_id, track != NULL ? track : "");
    struct session_ssrc *stream = session_add_ssrc(media);
    if (stream == NULL)
        return false;
    stream->ssrc = ssrc;
    stream->has_retransmission = rtx != 0;
    stream->retransmission = rtx;
    snprintf(stream->cname, sizeof stream->cname, "%.60s", cname != NULL ? cname : "");
    return true;
}

static void read_parameters(struct session_codec *codec, const json_t *parameters)
{
    const char *key;
    const json_t *value;
    size_t len = 0;
    json_object_foreach((json_t *)parameters, key, value)
    {
        char text[128];
        if (strcmp(key, "apt") == 0) {
            codec->repairs = (uint8_t)number_of(parameters, "apt");
            continue;
        }
        int wrote = json_is_string(value)
                        ? snprintf(text, sizeof text, "%s%s=%s", len > 0 ? ";" : "", key, json_string_value(value))
                        : snprintf(text, sizeof text, "%s%s=%lld", len > 0 ? ";" : "", key,
                                   (long long)json_integer_value(value));
        if (wrote <= 0 || (size_t)wrote >= sizeof text || len + (size_t)wrote >= sizeof codec->fmtp)
            continue;
        memcpy(codec->fmtp + len, text, (size_t)wrote + 1);
        len += (size_t)wrote;
    }
}

static uint8_t feedback_of(const json_t *list, const struct translation_words *words)
{
    const json_t *one;
    size_t i;
    uint8_t bits = 0;
    json_array_foreach(list, i, one)
    {
        for (size_t j = 0; j < FEEDBACKS; j++) {
            if (strcmp(text_of(one, "type"), feedbacks[j].type) == 0 &&
                strcmp(text_of(one, words->feedback_value), feedbacks[j].value) == 0)
                bits |= (uint8_t)feedbacks[j].bit;
        }
    }
    return bits;
}

bool translation_read_codecs(struct session_media *media, const json_t *codecs, const struct translation_words *words)
{
    const json_t *one;
    size_t i;
    json_array_foreach(codecs, i, one)
    {
        const char *name = text_of(one, words->codec);
        const char *slash = words->codec_has_kind ? strchr(name, '/') : NULL;
        json_int_t payload_type = number_of(one, words->payload_type), rate = number_of(one, words->clock_rate);
        json_int_t channels = number_of(one, "channels");
        name = slash != NULL ? slash + 1 : name;
        struct session_codec *codec = session_add_codec(media);
        if (codec == NULL || name[0] == '\0' || strlen(name) >= sizeof codec->name || payload_type < 0 ||
            payload_type > 127 || rate <= 0 || rate > UINT32_MAX)
            return false;
        memcpy(codec->name, name, strlen(name) + 1);
        codec->payload_type = (uint8_t)payload_type;
        codec->clock_rate = (uint32_t)rate;
        codec->channels = channels > 0 && channels < 256 ? (uint8_t)channels : 1;
        codec->repairs = SESSION_NO_PAYLOAD_TYPE;
        codec->feedback = feedback_of(json_object_get(one, words->feedback), words);
        read_parameters(codec, json_object_get(one, "parameters"));
    }
    return media->codec_count > 0;
}

void translation_read_extensions(struct session_media *media, const json_t *extensions)
{
    const json_t *one;
    size_t i;
    json_array_foreach(extensions, i, one)
    {
        const char *uri = text_of(one, "uri");
        json_int_t id = number_of(one, "id");
        struct session_extension *extension =
            id > 0 && id < 256 && strlen(uri) < sizeof extension->uri ? session_add_extension(media) : NULL;
        if (extension == NULL)
            continue;
        extension->id = (uint8_t)id;
        extension->kind = (uint8_t)rtp_extension_kind_of(uri, strlen(uri));
        extension->direction = SESSION_SENDRECV;
        memcpy(extension->uri, uri, strlen(uri) + 1);
    }
}
