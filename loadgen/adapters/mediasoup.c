/* mediasoup-demo, whose clients have its protoo protocol over WebSocket.
 *
 *     getRouterRtpCapabilities, createWebRtcTransport twice         what it can do; ICE and DTLS parameters
 *     join                                                          then a newConsumer request for each producer
 *     produce for each track that we send                           its id
 *     accept each newConsumer                                       the consumer is resumed
 *
 * There is no SDP: our connections get it by loadgen/adapters/translation.h. One connection sends, one receives. */
#include <stdlib.h>
#include <string.h>

#include "loadgen/adapter.h"
#include "loadgen/adapters/translation.h"

enum { ID_CAP = 64, CONSUMERS_MAX = 1000 };

/* One of the server's transports, and our end of it. */
struct transport {
    char id[ID_CAP];
    struct session_transport remote;
    struct call *call;
    bool connected; /* it knows our fingerprint */
};

/* A track that we receive, in a section of its own. */
struct consumer {
    char id[ID_CAP];
    json_t *data;     /* of its newConsumer */
    json_int_t asked; /* the request, which is accepted when we have answered; 0: it is */
    bool closed;
    enum adapter_layer layer; /* that we asked for */
};

struct adapter_session {
    struct adapter_client *client;
    json_t *capabilities;
    struct transport sending, receiving;
    struct consumer *consumers;
    size_t consumer_count, offered; /* so many were in the last offer */
    json_int_t requests;
    bool unanswered, joined, signalled;
};

/* --- what we say --------------------------------------------------------------------------------------------------------------- */

/* What each request is for, in the order in which numbers are given: an id is its place × 16 + what it is. */
enum request { REQUEST_CAPABILITIES, REQUEST_SENDING, REQUEST_RECEIVING, REQUEST_JOIN, REQUEST_PRODUCE, REQUEST_OTHER };
enum { REQUEST_KINDS = 16 };

/* Takes the reference of `data`. */
static void ask(struct adapter_session *session, enum request request, const char *method, json_t *data)
{
    adapter_send_json(session->client,
                      json_pack("{sb sI ss so}", "request", true, "id", ++session->requests * REQUEST_KINDS + request,
                                "method", method, "data", data));
}

static void accept(struct adapter_session *session, json_int_t id)
{
    adapter_send_json(session->client, json_pack("{sb sI sb s{}}", "response", true, "id", id, "ok", true, "data"));
}

static bool sends(const struct adapter_session *session)
{
    const struct media_plan *plan = adapter_plan(session->client);
    return plan->audio || plan->video || plan->screen;
}

/* Once: the fingerprint of ours that `ours` has. We are the DTLS client. */
static void connect_transport(struct adapter_session *session, struct transport *transport,
                              const struct session_description *ours)
{
    char hash[16], value[FINGERPRINT_TEXT_CAP];
    if (transport->connected)
        return;
    transport->connected = true;
    translation_fingerprint(&ours->transport, hash, value);
    ask(session, REQUEST_OTHER, "connectWebRtcTransport",
        json_pack("{ss s{ss s[{ss ss}]}}", "transportId", transport->id, "dtlsParameters", "role", "client",
                  "fingerprints", "algorithm", hash, "value", value));
}

static json_t *encodings_of(const struct session_media *media)
{
    json_t *encodings = json_array();
    for (size_t i = 0; i < media->rid_count; i++)
        json_array_append_new(encodings, json_pack("{ss}", "rid", media->rids[i].id));
    if (media->rid_count == 0 && media->ssrc_count > 0) {
        const struct session_ssrc *ssrc = &media->ssrcs[0];
        json_t *encoding = json_pack("{sI}", "ssrc", (json_int_t)ssrc->ssrc);
        if (ssrc->has_retransmission)
            json_object_set_new(encoding, "rtx", json_pack("{sI}", "ssrc", (json_int_t)ssrc->retransmission));
        json_array_append_new(encodings, encoding);
    }
    return encodings;
}

static void produce(struct adapter_session *session, const struct session_media *media)
{
    const char *cname = media->ssrc_count > 0 ? media->ssrcs[0].cname : adapter_name(session->client);
    json_t *parameters = json_pack(
        "{ss so so so s{ss sb}}", "mid", media->mid, "codecs", translation_codecs(media, &translation_ortc, true),
        "headerExtensions", translation_extensions(media, json_object_get(session->capabilities, "headerExtensions")),
        "encodings", encodings_of(media), "rtcp", "cname", cname, "reducedSize", true);
    ask(session, REQUEST_PRODUCE, "produce",
        json_pack("{ss ss so s{}}", "transportId", session->sending.id, "kind",
                  media->kind == SESSION_AUDIO ? "audio" : "video", "rtpParameters", parameters, "appData"));
}

/* Our offer: the server takes all of it. */
static void send_tracks(struct adapter_session *session, struct call *call, const char *sdp)
{
    struct error error;
    struct session_description *offer = session_description_parse(sdp, strlen(sdp), &error);
    struct session_description *theirs = offer != NULL ? translation_answer(offer, &session->sending.remote) : NULL;
    char *answer = theirs != NULL ? session_description_write(theirs) : NULL;
    session_description_destroy(theirs);
    if (answer == NULL) {
        adapter_fail(session->client, FAILURE_LOCAL, "our offer could not be translated");
    } else if (adapter_take_description(session->client, call, false, answer)) {
        connect_transport(session, &session->sending, offer);
        for (size_t i = 0; i < offer->media_count; i++) {
            const struct session_media *media = &offer->media[i];
            if (media->kind == SESSION_AUDIO || media->kind == SESSION_VIDEO)
                produce(session, media);
        }
        adapter_signalled(session->client);
        session->signalled = true;
    }
    free(answer);
    session_description_destroy(offer);
}

/* --- what we receive ------------------------------------------------------------------------------------------------------------ */

static bool add_section(struct session_description *offer, const struct consumer *consumer)
{
    struct session_capabilities none = {0};
    const json_t *parameters = json_object_get(consumer->data, "rtpParameters");
    const json_t *encoding = json_array_get(json_object_get(parameters, "encodings"), 0);
    const char *kind = json_string_value(json_object_get(consumer->data, "kind"));
    const char *peer = json_string_value(json_object_get(consumer->data, "peerId"));
    const char *cname = json_string_value(json_object_get(json_object_get(parameters, "rtcp"), "cname"));
    bool is_audio = kind != NULL && strcmp(kind, "audio") == 0;
    none.audio.direction = none.video.direction = SESSION_SENDRECV;
    struct session_media *media = session_offer_media(offer, &none, is_audio ? SESSION_AUDIO : SESSION_VIDEO,
                                                      consumer->closed ? SESSION_INACTIVE : SESSION_SENDONLY);
    if (media == NULL || !translation_read_codecs(media, json_object_get(parameters, "codecs"), &translation_ortc))
        return false;
    translation_read_extensions(media, json_object_get(parameters, "headerExtensions"));
    if (consumer->closed)
        return true;
    return translation_add_stream(
        media, peer, consumer->id, (uint32_t)json_integer_value(json_object_get(encoding, "ssrc")),
        (uint32_t)json_integer_value(json_object_get(json_object_get(encoding, "rtx"), "ssrc")), cname);
}

/* The server's offer of all consumers there are. */
static void offer_consumers(struct adapter_session *session)
{
    if (session->unanswered || session->offered == session->consumer_count || session->receiving.id[0] == '\0')
        return;
    struct session_description *offer = session_description_create();
    bool good = offer != NULL;
    char *sdp = NULL;
    if (good) {
        struct session_transport *transport = &offer->transport;
        *transport = session->receiving.remote;
        transport->setup = SESSION_SETUP_ACTPASS;
        transport->candidates = NULL;
        transport->candidate_count = 0;
        offer->session_id = adapter_seed(session->client) >> 2;
        for (size_t i = 0; i < session->receiving.remote.candidate_count; i++)
            session_add_candidate(transport, &session->receiving.remote.candidates[i]);
    }
    for (size_t i = 0; i < session->consumer_count && good; i++)
        good = add_section(offer, &session->consumers[i]);
    if (good)
        sdp = session_description_write(offer);
    session_description_destroy(offer);
    if (sdp == NULL) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "mediasoup offers a consumer that makes no sense");
        return;
    }
    session->offered = session->consumer_count;
    session->unanswered = true;
    if (session->receiving.call == NULL)
        session->receiving.call = adapter_open_call(session->client, &(struct adapter_call_config){0});
    if (session->receiving.call != NULL)
        adapter_take_description(session->client, session->receiving.call, true, sdp);
    free(sdp);
}

static void ask_layers(struct adapter_session *session)
{
    uint32_t video = 0;
    for (size_t i = 0; i < session->consumer_count; i++) {
        struct consumer *consumer = &session->consumers[i];
        const char *kind = json_string_value(json_object_get(consumer->data, "kind"));
        if (kind == NULL || strcmp(kind, "video") != 0)
            continue;
        enum adapter_layer layer = adapter_wanted_layer(session->client, video++);
        if (consumer->asked != 0 || consumer->closed || layer == consumer->layer)
            continue;
        if (layer == LAYER_NONE || consumer->layer == LAYER_NONE)
            ask(session, REQUEST_OTHER, layer == LAYER_NONE ? "pauseConsumer" : "resumeConsumer",
                json_pack("{ss}", "consumerId", consumer->id));
        if (layer != LAYER_NONE)
            ask(session, REQUEST_OTHER, "setConsumerPreferredLayers",
                json_pack("{ss si si}", "consumerId", consumer->id, "spatialLayer", (int)layer - LAYER_LOW,
                          "temporalLayer", 2));
        consumer->layer = layer;
    }
}

static void take_consumer(struct adapter_session *session, json_int_t request, json_t *data)
{
    const char *id = json_string_value(json_object_get(data, "id"));
    struct consumer *consumers = id != NULL && strlen(id) < ID_CAP && session->consumer_count < CONSUMERS_MAX
                                     ? realloc(session->consumers, (session->consumer_count + 1) * sizeof *consumers)
                                     : NULL;
    if (consumers == NULL) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "mediasoup offers a consumer without an id, or too many");
        return;
    }
    session->consumers = consumers;
    struct consumer *consumer = &consumers[session->consumer_count++];
    *consumer = (struct consumer){.data = json_incref(data), .asked = request, .layer = LAYER_HIGH};
    memcpy(consumer->id, id, strlen(id) + 1);
    offer_consumers(session);
}

static void close_consumer(struct adapter_session *session, const char *id)
{
    for (size_t i = 0; id != NULL && i < session->consumer_count; i++) {
        if (strcmp(session->consumers[i].id, id) == 0)
            session->consumers[i].closed = true; /* its section says so in the next offer */
    }
}

/* Our answer to their offer: now packets may come. */
static void answered(struct adapter_session *session, const char *sdp)
{
    struct error error;
    struct session_description *answer = session_description_parse(sdp, strlen(sdp), &error);
    if (answer != NULL)
        connect_transport(session, &session->receiving, answer);
    session_description_destroy(answer);
    for (size_t i = 0; i < session->offered; i++) {
        if (session->consumers[i].asked != 0)
            accept(session, session->consumers[i].asked);
        session->consumers[i].asked = 0;
    }
    session->unanswered = false;
    ask_layers(session);
    offer_consumers(session);
}

/* --- what we are told ------------------------------------------------------------------------------------------------------------ */

static bool take_transport(struct transport *transport, const json_t *data)
{
    const json_t *ice = json_object_get(data, "iceParameters"), *dtls = json_object_get(data, "dtlsParameters"), *one;
    const json_t *candidates = json_object_get(data, "iceCandidates");
    const char *id = json_string_value(json_object_get(data, "id"));
    const char *ufrag = json_string_value(json_object_get(ice, "usernameFragment"));
    const char *password = json_string_value(json_object_get(ice, "password"));
    struct session_transport *remote = &transport->remote;
    size_t i;
    if (id == NULL || strlen(id) >= ID_CAP || transport->id[0] != '\0' ||
        !translation_read_credentials(remote, ufrag, password))
        return false;
    memcpy(transport->id, id, strlen(id) + 1);
    remote->ice_lite = json_is_true(json_object_get(ice, "iceLite"));
    remote->setup = SESSION_SETUP_PASSIVE;
    remote->end_of_candidates = true;
    json_array_foreach(candidates, i, one) { translation_add_candidate(remote, one); }
    json_array_foreach(json_object_get(dtls, "fingerprints"), i, one)
    {
        translation_add_fingerprint(remote, json_string_value(json_object_get(one, "algorithm")),
                                    json_string_value(json_object_get(one, "value")));
    }
    return remote->fingerprint_count > 0 && remote->candidate_count > 0;
}

static void create_transport(struct adapter_session *session, bool sending)
{
    ask(session, sending ? REQUEST_SENDING : REQUEST_RECEIVING, "createWebRtcTransport",
        json_pack("{sb sb sb}", "forceTcp", false, "producing", sending, "consuming", !sending));
}

/* What we can do is what the server can: our connections take what they know of each offer. */
static void join(struct adapter_session *session)
{
    ask(session, REQUEST_JOIN, "join",
        json_pack("{ss s{ss ss ss} sO}", "displayName", adapter_name(session->client), "device", "flag", "confab",
                  "name", "confab", "version", "1", "rtpCapabilities", session->capabilities));
}

static void take_response(struct adapter_session *session, enum request request, const json_t *data)
{
    switch (request) {
    case REQUEST_CAPABILITIES:
        json_decref(session->capabilities);
        session->capabilities = json_deep_copy(data);
        if (sends(session))
            create_transport(session, true);
        create_transport(session, false);
        break;
    case REQUEST_SENDING:
    case REQUEST_RECEIVING:
        if (!take_transport(request == REQUEST_SENDING ? &session->sending : &session->receiving, data))
            adapter_fail(session->client, FAILURE_BAD_ANSWER, "mediasoup made a transport that makes no sense");
        else if (request == REQUEST_RECEIVING)
            join(session);
        break;
    case REQUEST_JOIN:
        if (session->joined)
            break;
        session->joined = true;
        if (session->sending.id[0] != '\0')
            session->sending.call =
                adapter_open_call(session->client, &(struct adapter_call_config){.offers = true, .sends = true});
        else
            adapter_signalled(session->client);
        break;
    default:
        break;
    }
}

static void message(struct adapter_session *session, const char *text, size_t len, nanos now)
{
    (void)now;
    json_t *json = adapter_read_json(session->client, text, len);
    if (json == NULL)
        return;
    const char *method = json_string_value(json_object_get(json, "method"));
    json_t *data = json_object_get(json, "data");
    json_int_t id = json_integer_value(json_object_get(json, "id"));
    if (json_is_true(json_object_get(json, "response")) && json_is_true(json_object_get(json, "ok"))) {
        take_response(session, (enum request)(id & (REQUEST_KINDS - 1)), data);
    } else if (json_is_true(json_object_get(json, "response"))) {
        const char *reason = json_string_value(json_object_get(json, "errorReason"));
        if ((id & (REQUEST_KINDS - 1)) != REQUEST_OTHER)
            adapter_fail(session->client, FAILURE_REJECTED, "mediasoup refuses: %.200s", reason != NULL ? reason : "");
    } else if (json_is_true(json_object_get(json, "request")) && method != NULL) {
        if (strcmp(method, "newConsumer") == 0)
            take_consumer(session, id, data);
        else
            accept(session, id);
    } else if (method != NULL && strcmp(method, "consumerClosed") == 0) {
        close_consumer(session, json_string_value(json_object_get(data, "consumerId")));
    }
    json_decref(json);
}

/* --- the interface --------------------------------------------------------------------------------------------------------------- */

static void destroy(struct adapter_session *session)
{
    for (size_t i = 0; i < session->consumer_count; i++)
        json_decref(session->consumers[i].data);
    free(session->sending.remote.candidates);
    free(session->receiving.remote.candidates);
    json_decref(session->capabilities);
    free(session->consumers);
    free(session);
}

static struct adapter_session *create(struct adapter_client *client, struct error *error)
{
    char text[WEB_URL_CAP];
    struct web_url url = adapter_target(client)->url;
    struct adapter_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    session->client = client;
    url.websocket = true;
    size_t len = strcspn(url.path, "?");
    int wrote = snprintf(url.path + len, sizeof url.path - len, "?roomId=%s&peerId=%s", adapter_room(client),
                         adapter_name(client));
    if (wrote > 0 && (size_t)wrote < sizeof url.path - len &&
        adapter_connect(client, web_url_format(&url, text), error))
        return session;
    destroy(session);
    return NULL;
}

static void opened(struct adapter_session *session, nanos now)
{
    (void)now;
    ask(session, REQUEST_CAPABILITIES, "getRouterRtpCapabilities", json_object());
}

static void described(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now)
{
    (void)now;
    if (offer)
        send_tracks(session, call, sdp);
    else
        answered(session, sdp);
}

static void layout(struct adapter_session *session, nanos now)
{
    (void)now;
    ask_layers(session);
}

/* The server takes the end of the WebSocket for it. */
static void leave(struct adapter_session *session, nanos now)
{
    (void)session;
    (void)now;
}

const struct adapter adapter_mediasoup = {
    .scheme = "mediasoup",
    .form = "mediasoup+https://HOST:4443/ (or +wss)",
    .summary = "mediasoup-demo, as its browsers do: protoo over WebSocket",
    .http = true,
    .websocket = true,
    .pattern = ADAPTER_ROOM,
    .subprotocol = "protoo",
    .create = create,
    .opened = opened,
    .message = message,
    .described = described,
    .layout = layout,
    .leave = leave,
    .destroy = destroy,
};
