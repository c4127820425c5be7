/* Jitsi Videobridge by its Colibri 2 REST interface (doc/rest-colibri2.md in its repository): what Jicofo and a browser do
 * together, without XMPP.
 *
 *     POST …/conferences {meeting-id, create, endpoints: [ours]}    the first of a room
 *     PATCH …/conferences/MEETING {endpoints: [ours]}               the others; 404: there is none yet, POST
 *                                                                   its ICE and DTLS parameters, its WebSocket
 *     WebSocket: ReceiverVideoConstraints                           AudioSourcesMap, VideoSourcesMap: whose is which SSRC
 *     PATCH … {endpoints: [{id, expire: true}]}
 *
 * Our endpoint has the capability "ssrc-rewriting": the bridge itself says what it sends, so clients needn't know of each
 * other. There is no SDP: our offers never leave us, and the bridge's answers are made here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/adapter.h"
#include "loadgen/adapters/translation.h"

enum { ID_CAP = 16, PATH_CAP = WEB_URL_CAP + 80, ATTEMPTS_MAX = 4, STREAMS_MAX = 400 };

/* What the bridge sends us. The n-th of a kind has the n-th section of that kind in which we receive. */
struct stream {
    bool is_video;
    uint32_t ssrc, rtx;
    char source[64];
};

struct adapter_session {
    struct adapter_client *client;
    char id[ID_CAP]; /* of our endpoint */
    char conferences[PATH_CAP], meeting[PATH_CAP];
    struct call *call;
    struct session_description *offer; /* our last one */
    struct session_transport remote;   /* the bridge's */
    uint32_t audio_sections, video_sections;
    struct stream *streams;
    size_t stream_count, answered; /* so many were in the last answer */
    int attempts;
    bool there; /* the bridge has our endpoint */
};

/* --- our endpoint ---------------------------------------------------------------------------------------------------------- */

static json_t *media_of(const struct session_media *media)
{
    return json_pack("{ss so so sb}", "type", media->kind == SESSION_AUDIO ? "audio" : "video", "payload-types",
                     translation_codecs(media, &translation_colibri, false), "rtp-hdrexts",
                     translation_extensions(media, NULL), "extmap-allow-mixed", true);
}

static json_t *source_of(const struct adapter_session *session, const struct session_media *media, int number)
{
    char name[ID_CAP + 16];
    const struct session_ssrc *ssrc = &media->ssrcs[0];
    bool is_audio = media->kind == SESSION_AUDIO;
    snprintf(name, sizeof name, "%s-%c%d", session->id, is_audio ? 'a' : 'v', number);
    json_t *sources = json_pack("[{sI ss}]", "ssrc", (json_int_t)ssrc->ssrc, "name", name);
    json_t *source = json_pack("{ss ss so}", "type", is_audio ? "audio" : "video", "id", name, "sources", sources);
    if (ssrc->has_retransmission) {
        json_array_append_new(sources, json_pack("{sI ss}", "ssrc", (json_int_t)ssrc->retransmission, "name", name));
        json_object_set_new(source, "ssrc-groups",
                            json_pack("[{ss s[II]}]", "semantics", "FID", "sources", (json_int_t)ssrc->ssrc,
                                      (json_int_t)ssrc->retransmission));
    }
    return source;
}

/* The bridge could find them out by our checks, but then two that come at once may make it forget us (ice4j takes them
 * for two pairs, of which one fails). */
static json_t *candidates_of(const struct session_transport *ours)
{
    json_t *candidates = json_array();
    for (size_t i = 0; i < ours->candidate_count; i++) {
        const struct ice_candidate *candidate = &ours->candidates[i];
        char ip[ADDRESS_TEXT_CAP], port[8], priority[12], id[24];
        if (candidate->transport != ICE_UDP || candidate->address.family == ADDRESS_NONE)
            continue;
        snprintf(port, sizeof port, "%u", candidate->address.port);
        snprintf(priority, sizeof priority, "%u", candidate->priority);
        snprintf(id, sizeof id, "%zu", i);
        address_format_ip(&candidate->address, ip);
        json_array_append_new(candidates, json_pack("{ss ss ss ss ss ss ss ss ss}", "generation", "0", "component", "1",
                                                    "protocol", "udp", "port", port, "ip", ip, "foundation",
                                                    candidate->foundation, "id", id, "priority", priority, "type",
                                                    ice_candidate_type_name((enum ice_candidate_type)candidate->type)));
    }
    return candidates;
}

static json_t *transport_of(const struct session_transport *ours)
{
    char hash[16], value[FINGERPRINT_TEXT_CAP];
    translation_fingerprint(ours, hash, value);
    return json_pack("{sb s{ss so ss ss sb s[{ss ss ss}]}}", "ice-controlling", false, "transport", "xmlns",
                     "urn:xmpp:jingle:transports:ice-udp:1", "candidates", candidates_of(ours), "ufrag", ours->ufrag,
                     "pwd", ours->password, "rtcp-mux", true, "fingerprints", "fingerprint", value, "hash", hash,
                     "setup", "active");
}

static json_t *endpoint_of(const struct adapter_session *session)
{
    const struct session_description *offer = session->offer;
    json_t *medias = json_array(), *sources = json_array();
    int numbers[2] = {0};
    for (size_t i = 0; i < offer->media_count; i++) {
        const struct session_media *media = &offer->media[i];
        bool is_video = media->kind == SESSION_VIDEO;
        if (media->kind != SESSION_AUDIO && !is_video)
            continue;
        if (numbers[is_video] == 0)
            json_array_append_new(medias, media_of(media));
        if ((media->direction & SESSION_SENDONLY) != 0 && media->ssrc_count > 0)
            json_array_append_new(sources, source_of(session, media, numbers[is_video]));
        numbers[is_video]++;
    }
    return json_pack("{ss sb ss so so so s[ss]}", "id", session->id, "create", true, "stats-id",
                     adapter_name(session->client), "medias", medias, "sources", sources, "transport",
                     transport_of(&offer->transport), "capabilities", "source-names", "ssrc-rewriting");
}

/* --- the bridge's REST interface --------------------------------------------------------------------------------------------- */

/* Takes the reference. */
static void ask(struct adapter_session *session, bool create, json_t *body, adapter_answered answered)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (text == NULL) {
        adapter_fail(session->client, FAILURE_LOCAL, "a request could not be made");
        return;
    }
    adapter_http(session->client,
                 &(struct http_fetch_request){.method = create ? HTTP_POST : HTTP_PATCH,
                                              .url = create ? session->conferences : session->meeting,
                                              .content_type = "application/json",
                                              .body = text,
                                              .body_len = strlen(text)},
                 true, answered);
    free(text);
}

static void joined(struct adapter_session *session, const struct http_fetch_response *response, nanos now);

static void join(struct adapter_session *session, bool create)
{
    char meeting[PATH_CAP], name[PATH_CAP];
    snprintf(meeting, sizeof meeting, "confab-%s", adapter_room(session->client));
    snprintf(name, sizeof name, "%s@confab.invalid", adapter_room(session->client));
    session->attempts++;
    json_t *body = json_pack("{s[o]}", "endpoints", endpoint_of(session));
    if (create && body != NULL)
        json_object_update_new(body, json_pack("{ss ss sb}", "meeting-id", meeting, "name", name, "create", true));
    ask(session, create, body, joined);
}

/* --- descriptions -------------------------------------------------------------------------------------------------------------- */

static const struct stream *stream_of(const struct adapter_session *session, bool is_video, size_t number)
{
    for (size_t i = 0; i < session->stream_count; i++) {
        if (session->streams[i].is_video == is_video && number-- == 0)
            return &session->streams[i];
    }
    return NULL;
}

/* The bridge's answer to our last offer. */
static void answer_offer(struct adapter_session *session)
{
    struct session_description *answer = translation_answer(session->offer, &session->remote);
    size_t numbers[2] = {0};
    char *sdp = NULL;
    for (size_t i = 0; answer != NULL && i < answer->media_count; i++) {
        struct session_media *media = &answer->media[i];
        bool is_video = media->kind == SESSION_VIDEO;
        if (session->offer->media[i].direction != SESSION_RECVONLY)
            continue;
        const struct stream *stream = stream_of(session, is_video, numbers[is_video]++);
        if (stream != NULL)
            translation_add_stream(media, stream->source, stream->source, stream->ssrc, stream->rtx, stream->source);
    }
    session->answered = session->stream_count;
    if (answer != NULL)
        sdp = session_description_write(answer);
    session_description_destroy(answer);
    session_description_destroy(session->offer);
    session->offer = NULL;
    if (sdp == NULL)
        adapter_fail(session->client, FAILURE_LOCAL, "our offer could not be translated");
    else
        adapter_take_description(session->client, session->call, false, sdp);
    free(sdp);
}

/* More sections when there are streams without one. */
static void offer_streams(struct adapter_session *session)
{
    uint32_t audio = 0, video = 0;
    if (session->offer != NULL || session->answered == session->stream_count)
        return; /* an offer is on its way, or all is well */
    for (size_t i = 0; i < session->stream_count; i++)
        (*(session->streams[i].is_video ? &video : &audio))++;
    audio = audio > session->audio_sections ? audio - session->audio_sections : 0;
    video = video > session->video_sections ? video - session->video_sections : 0;
    if (adapter_offer_more(session->client, session->call, audio, video)) {
        session->audio_sections += audio;
        session->video_sections += video;
    }
}

static void described(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now)
{
    struct error error;
    (void)call, (void)offer, (void)now;
    session_description_destroy(session->offer);
    session->offer = session_description_parse(sdp, strlen(sdp), &error);
    if (session->offer == NULL) {
        adapter_fail(session->client, FAILURE_LOCAL, "our offer could not be read: %.100s", error.text);
    } else if (!session->there) {
        /* Who comes first makes the room, usually. */
        join(session, adapter_number(session->client) == 0);
    } else {
        answer_offer(session);
        offer_streams(session);
    }
}

/* --- what the bridge says ------------------------------------------------------------------------------------------------------ */

static bool read_transport(struct session_transport *remote, const json_t *transport)
{
    const json_t *one;
    size_t i;
    if (!translation_read_credentials(remote, json_string_value(json_object_get(transport, "ufrag")),
                                      json_string_value(json_object_get(transport, "pwd"))))
        return false;
    remote->setup = SESSION_SETUP_PASSIVE;
    remote->end_of_candidates = true;
    json_array_foreach(json_object_get(transport, "candidates"), i, one) { translation_add_candidate(remote, one); }
    json_array_foreach(json_object_get(transport, "fingerprints"), i, one)
    {
        translation_add_fingerprint(remote, json_string_value(json_object_get(one, "hash")),
                                    json_string_value(json_object_get(one, "fingerprint")));
    }
    return remote->fingerprint_count > 0 && remote->candidate_count > 0;
}

static void take_endpoint(struct adapter_session *session, const json_t *answer)
{
    struct error error;
    const json_t *endpoint = json_array_get(json_object_get(answer, "endpoints"), 0);
    const json_t *transport = json_object_get(json_object_get(endpoint, "transport"), "transport");
    const char *channel = json_string_value(json_array_get(json_object_get(transport, "web-sockets"), 0));
    session->there = true;
    if (session->offer == NULL || !read_transport(&session->remote, transport)) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "the bridge made an endpoint that makes no sense");
    } else if (channel == NULL) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER,
                     "the bridge offers no WebSocket: videobridge.websockets.enabled");
    } else if (!adapter_connect(session->client, channel, &error)) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "the bridge's WebSocket: %.100s", error.text);
    } else {
        answer_offer(session);
        adapter_signalled(session->client);
    }
}

static void joined(struct adapter_session *session, const struct http_fetch_response *response, nanos now)
{
    (void)now;
    /* Two made the room at once, or it has ended meanwhile: the other way. */
    bool none = response->status == HTTP_NOT_FOUND && session->attempts < ATTEMPTS_MAX;
    bool taken = response->status == HTTP_BAD_REQUEST && session->attempts < ATTEMPTS_MAX &&
                 strstr(response->body, "already exists") != NULL;
    if (session->there || session->offer == NULL)
        return;
    if (none || taken) {
        join(session, none);
    } else if (response->status != HTTP_OK) {
        adapter_fail(session->client, failure_of_status(response->status), "status %d: %.100s", response->status,
                     response->body);
    } else {
        json_t *answer = adapter_read_json(session->client, response->body, response->body_len);
        if (answer != NULL)
            take_endpoint(session, answer);
        json_decref(answer);
    }
}

static bool knows(const struct adapter_session *session, uint32_t ssrc)
{
    for (size_t i = 0; i < session->stream_count; i++) {
        if (session->streams[i].ssrc == ssrc)
            return true;
    }
    return false;
}

/* The bridge has a fixed set of SSRCs for us, and moves sources among them when there are more. */
static void take_sources(struct adapter_session *session, const json_t *sources, bool is_video)
{
    const json_t *one;
    size_t i;
    json_array_foreach(sources, i, one)
    {
        const char *source = json_string_value(json_object_get(one, "source"));
        json_int_t ssrc = json_integer_value(json_object_get(one, "ssrc"));
        json_int_t rtx = json_integer_value(json_object_get(one, "rtx"));
        if (ssrc <= 0 || ssrc > UINT32_MAX || knows(session, (uint32_t)ssrc))
            continue;
        struct stream *streams = session->stream_count < STREAMS_MAX
                                     ? realloc(session->streams, (session->stream_count + 1) * sizeof *streams)
                                     : NULL;
        if (streams == NULL) {
            adapter_fail(session->client, FAILURE_BAD_ANSWER, "the bridge names too many streams");
            return;
        }
        session->streams = streams;
        struct stream *stream = &streams[session->stream_count++];
        *stream = (struct stream){
            .is_video = is_video, .ssrc = (uint32_t)ssrc, .rtx = rtx > 0 && rtx <= UINT32_MAX ? (uint32_t)rtx : 0};
        snprintf(stream->source, sizeof stream->source, "%s", source != NULL ? source : "");
    }
    offer_streams(session);
}

static void message(struct adapter_session *session, const char *text, size_t len, nanos now)
{
    (void)now;
    json_t *json = adapter_read_json(session->client, text, len);
    if (json == NULL)
        return;
    const char *type = json_string_value(json_object_get(json, "colibriClass"));
    bool is_video = type != NULL && strcmp(type, "VideoSourcesMap") == 0;
    if (is_video || (type != NULL && strcmp(type, "AudioSourcesMap") == 0))
        take_sources(session, json_object_get(json, "mappedSources"), is_video);
    json_decref(json);
}

/* How high pictures are wanted, and how many: the bridge chooses whose. */
static void opened(struct adapter_session *session, nanos now)
{
    static const int heights[] = {[LAYER_NONE] = 0, [LAYER_LOW] = 180, [LAYER_MEDIUM] = 360, [LAYER_HIGH] = 720};
    int videos = 0;
    (void)now;
    while (videos < STREAMS_MAX && adapter_wanted_layer(session->client, (uint32_t)videos) != LAYER_NONE)
        videos++;
    adapter_send_json(
        session->client,
        json_pack("{ss si s{si}}", "colibriClass", "ReceiverVideoConstraints", "lastN",
                  videos == STREAMS_MAX ? -1 : videos, "defaultConstraints", "maxHeight",
                  heights[adapter_wanted_layer(session->client, videos > 1 && videos < STREAMS_MAX ? 1 : 0)]));
}

/* --- the interface ---------------------------------------------------------------------------------------------------------------- */

static void destroy(struct adapter_session *session)
{
    session_description_destroy(session->offer);
    free(session->remote.candidates);
    free(session->streams);
    free(session);
}

static struct adapter_session *create(struct adapter_client *client, struct error *error)
{
    char text[WEB_URL_CAP];
    const struct media_plan *plan = adapter_plan(client);
    struct adapter_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    session->client = client;
    /* An endpoint's id is eight hexadecimal digits. */
    snprintf(session->id, sizeof session->id, "%08x", (unsigned)(adapter_seed(client) >> 32));
    web_url_format(&adapter_target(client)->url, text);
    text[strcspn(text, "?")] = '\0';
    snprintf(session->conferences, sizeof session->conferences, "%s", text);
    snprintf(session->meeting, sizeof session->meeting, "%s%sconfab-%s", text, text[strlen(text) - 1] == '/' ? "" : "/",
             adapter_room(client));
    /* Our offer names the codecs of all that we may receive. */
    session->audio_sections = plan->audio ? 0 : 1;
    session->video_sections = !plan->video && adapter_media_has(client, TRACK_VIDEO) ? 1 : 0;
    session->call = adapter_open_call(client, &(struct adapter_call_config){.offers = true,
                                                                            .sends = true,
                                                                            .no_simulcast = true,
                                                                            .receive_audio = session->audio_sections,
                                                                            .receive_video = session->video_sections});
    return session;
}

static void layout(struct adapter_session *session, nanos now) { opened(session, now); }

static void leave(struct adapter_session *session, nanos now)
{
    (void)now;
    if (session->there)
        ask(session, false, json_pack("{s[{ss sb}]}", "endpoints", "id", session->id, "expire", true), NULL);
}

const struct adapter adapter_jitsi = {
    .scheme = "jitsi",
    .form = "jitsi+http(s)://HOST:8080",
    .path = "/colibri/v2/conferences",
    .summary = "Jitsi Videobridge, by its Colibri 2 REST interface",
    .http = true,
    .pattern = ADAPTER_ROOM,
    .create = create,
    .opened = opened,
    .message = message,
    .described = described,
    .layout = layout,
    .leave = leave,
    .destroy = destroy,
};
