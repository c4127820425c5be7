/* Our end of a data channel test with somebody else's software: real sockets on 127.0.0.1, SDP by standard input and
 * output.
 *
 *     data_peer answer    reads an offer, {"sdp": …} on one line, and writes its answer likewise
 *     data_peer offer     the other way round
 *
 * Then it writes a JSON line for whatever happens. It opens a channel "ours", greets on it in three ways, echoes what
 * comes on channels that it did not open, and closes one on which the text "close" comes. On a channel "count" it
 * echoes nothing, but says how many bytes came and their SHA-256 when the text "sum" does. It ends with the connection. */
#include <inttypes.h>
#include <jansson.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer/peer_connection.h"
#include "rtc/session_negotiation.h"
#include "world/live_world.h"

enum { LINE_CAP = 65536 };
#define LONGEST (60 * NANOS_PER_S)

struct peer {
    struct live_world *live;
    struct peer_connection *pc;
    struct certificate *certificate;
    struct session_transport transport;
    struct session_capabilities capabilities;
    struct session_description *offer; /* ours */
    bool gathered, over;
    SHA256_CTX sum;
    uint64_t summed;
};

static void die(const char *what, const char *why)
{
    fprintf(stderr, "data_peer: %s: %s\n", what, why);
    exit(1);
}

static void tell(json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT);
    printf("%s\n", text);
    fflush(stdout);
    free(text);
    json_decref(line);
}

static void digest_text(char out[2 * SHA256_DIGEST_LENGTH + 1], const uint8_t digest[SHA256_DIGEST_LENGTH])
{
    for (size_t i = 0; i < SHA256_DIGEST_LENGTH; i++)
        snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static void take_message(struct peer *peer, const struct data_channel_event *event, nanos now)
{
    const char *label = data_channel_label(event->channel);
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH + 1];
    bool sum = event->text && event->len == 3 && memcmp(event->data, "sum", 3) == 0;
    if (strcmp(label, "count") == 0 && !sum) {
        SHA256_Update(&peer->sum, event->data, event->len);
        peer->summed += event->len;
        return;
    }
    if (strcmp(label, "count") == 0) {
        SHA256_Final(digest, &peer->sum);
        digest_text(text, digest);
        tell(json_pack("{s:s, s:I, s:s}", "event", "sum", "bytes", (json_int_t)peer->summed, "sha256", text));
        return;
    }
    SHA256(event->data, event->len, digest);
    digest_text(text, digest);
    tell(json_pack("{s:s, s:s, s:b, s:I, s:s}", "event", "message", "label", label, "text", (int)event->text, "bytes",
                   (json_int_t)event->len, "sha256", text));
    if (event->text && event->len == 5 && memcmp(event->data, "close", 5) == 0)
        data_channel_close(event->channel, now);
    else if (strcmp(label, "ours") != 0)
        data_channel_send(event->channel, event->text, event->data, event->len, now);
}

static void on_data(void *user, const struct data_channel_event *event, nanos now)
{
    static const uint8_t bytes[] = {0, 1, 2, 255};
    struct peer *peer = user;
    const char *label = data_channel_label(event->channel);
    switch (event->type) {
    case DATA_CHANNEL_INCOMING: {
        struct data_channel_config config = data_channel_configuration(event->channel);
        tell(json_pack("{s:s, s:s, s:s, s:b, s:i, s:I, s:i}", "event", "incoming", "label", label, "protocol",
                       config.protocol, "unordered", (int)config.unordered, "reliability", config.reliability, "limit",
                       (json_int_t)config.limit, "id", data_channel_id(event->channel)));
        break;
    }
    case DATA_CHANNEL_OPEN:
        tell(json_pack("{s:s, s:s, s:i}", "event", "open", "label", label, "id", data_channel_id(event->channel)));
        data_channel_send(event->channel, true, "Grüße", strlen("Grüße"), now);
        data_channel_send(event->channel, true, "", 0, now);
        data_channel_send(event->channel, false, bytes, sizeof bytes, now);
        break;
    case DATA_CHANNEL_MESSAGE:
        take_message(peer, event, now);
        break;
    case DATA_CHANNEL_LOW:
        break;
    case DATA_CHANNEL_CLOSED:
        tell(json_pack("{s:s, s:s, s:s}", "event", "closed", "label", label, "reason",
                       event->reason != NULL ? event->reason : ""));
        break;
    }
}

static void on_event(void *user, struct peer_connection *pc, const struct transport_event *event, nanos now)
{
    struct peer *peer = user;
    (void)pc, (void)now;
    if (event->type == TRANSPORT_EVENT_CANDIDATE)
        session_add_candidate(&peer->transport, &event->candidate);
    peer->gathered = peer->gathered || event->type == TRANSPORT_EVENT_GATHERED;
    if (event->type == TRANSPORT_EVENT_STATE) {
        tell(json_pack("{s:s, s:i, s:s}", "event", "state", "state", (int)event->state, "reason",
                       event->reason != NULL ? event->reason : ""));
        peer->over = event->state == TRANSPORT_FAILED || event->state == TRANSPORT_CLOSED;
    }
}

static struct session_description *read_description(void)
{
    static char line[LINE_CAP];
    struct error error;
    json_t *json = fgets(line, sizeof line, stdin) != NULL ? json_loads(line, 0, NULL) : NULL;
    const char *sdp = json_string_value(json_object_get(json, "sdp"));
    if (sdp == NULL)
        die("standard input", "no description");
    struct session_description *description = session_description_parse(sdp, strlen(sdp), &error);
    if (description == NULL)
        die("their description", error.text);
    json_decref(json);
    return description;
}

static void say(const struct session_description *description, const char *type)
{
    char *sdp = session_description_write(description);
    tell(json_pack("{s:s, s:s}", "type", type, "sdp", sdp));
    free(sdp);
}

/* Once both descriptions are known. */
static void connect_to(struct peer *peer, const struct session_transport *local,
                       const struct session_description *remote, nanos now)
{
    struct error error;
    struct connection *connection = peer_connection_connection(peer->pc);
    const struct session_transport *theirs = &remote->transport;
    const struct transport_remote parameters = {.ufrag = theirs->ufrag,
                                                .password = theirs->password,
                                                .role =
                                                    session_is_dtls_client(local, theirs) ? DTLS_CLIENT : DTLS_SERVER,
                                                .fingerprints = theirs->fingerprints,
                                                .fingerprint_count = theirs->fingerprint_count};
    const struct data_channels_config data = {.remote_port = remote->media[0].sctp_port,
                                              .remote_message_max = remote->media[0].max_message_size};
    const struct data_channel_config ours = {
        .label = "ours", .protocol = "p1", .unordered = true, .reliability = SCTP_MAX_LIFETIME, .limit = 3000};
    if (remote->media_count != 1 || remote->media[0].kind != SESSION_DATA || remote->media[0].rejected)
        die("their description", "one section for data channels was expected");
    if (!connection_enable_data(connection, &data, &error) ||
        data_channel_open(connection_data(connection), &ours, now, &error) == NULL ||
        !transport_set_remote(connection_transport(connection), &parameters, now, &error))
        die("connecting", error.text);
    for (size_t i = 0; i < theirs->candidate_count; i++)
        transport_add_candidate(connection_transport(connection), &theirs->candidates[i], now);
    transport_end_of_candidates(connection_transport(connection), now);
    peer_connection_flush(peer->pc, now);
}

static void open_peer(struct peer *peer, bool offerer)
{
    struct error error;
    static const struct connection_callbacks callbacks = {.data = on_data};
    struct address loopback;
    address_parse(&loopback, "127.0.0.1:0");
    peer->live = live_world_create(&(struct live_world_config){.loopback_only = true}, &error);
    const struct live_host_config host = {.addresses = &loopback, .address_count = 1};
    struct world_host *own = peer->live != NULL ? live_world_add_host(peer->live, &host, &error) : NULL;
    peer->certificate = own != NULL ? certificate_create(&(struct certificate_config){0}, &error) : NULL;
    if (peer->certificate == NULL)
        die("opening", error.text);
    const struct peer_connection_config config = {
        .host = own,
        .connection = {.transport = {.controlling = offerer, .certificate = peer->certificate, .seed = 1},
                       .congestion = {.start_bps = 300000, .min_bps = 30000},
                       .callbacks = &callbacks,
                       .user = peer},
        .event = on_event,
        .user = peer};
    peer->pc = peer_connection_create(&config, &error);
    if (peer->pc == NULL)
        die("opening", error.text);
    const struct transport *transport = connection_transport(peer_connection_connection(peer->pc));
    peer->transport.setup = offerer ? SESSION_SETUP_ACTPASS : SESSION_SETUP_ACTIVE;
    peer->transport.fingerprint_count = 1;
    peer->transport.fingerprints[0] = certificate_fingerprint(peer->certificate, FINGERPRINT_SHA_256);
    snprintf(peer->transport.ufrag, sizeof peer->transport.ufrag, "%s", transport_ufrag(transport));
    snprintf(peer->transport.password, sizeof peer->transport.password, "%s", transport_password(transport));
    peer->capabilities = session_capabilities_default();
    peer->capabilities.transport = &peer->transport;
    peer->capabilities.session_id = 1;
    peer->capabilities.data_channels = true;
    SHA256_Init(&peer->sum);
}

static bool go_on_gathering(void *user, nanos now)
{
    (void)now;
    return !((struct peer *)user)->gathered;
}

static bool go_on(void *user, nanos now)
{
    (void)now;
    return !((struct peer *)user)->over;
}

int main(int count, char **arguments)
{
    static struct peer peer;
    struct error error;
    bool offerer = count > 1 && strcmp(arguments[1], "offer") == 0;
    open_peer(&peer, offerer);
    struct world *world = live_world_of(peer.live);
    peer_connection_flush(peer.pc, world_now(world));
    live_world_run_until(peer.live, LONGEST, 10 * NANOS_PER_MS, go_on_gathering, &peer, &error);
    peer.transport.end_of_candidates = true;
    if (offerer) {
        peer.offer = session_description_create();
        session_offer_media(peer.offer, &peer.capabilities, SESSION_DATA, SESSION_INACTIVE);
        say(peer.offer, "offer");
        struct session_description *answer = read_description();
        if (!session_check_answer(peer.offer, answer, &error))
            die("their answer", error.text);
        connect_to(&peer, &peer.offer->transport, answer, world_now(world));
        session_description_destroy(answer);
        session_description_destroy(peer.offer);
    } else {
        struct session_description *offer = read_description();
        struct session_description *answer = session_answer(offer, &peer.capabilities, &error);
        if (answer == NULL)
            die("our answer", error.text);
        say(answer, "answer");
        connect_to(&peer, &answer->transport, offer, world_now(world));
        session_description_destroy(answer);
        session_description_destroy(offer);
    }
    live_world_run_until(peer.live, LONGEST, 10 * NANOS_PER_MS, go_on, &peer, &error);
    peer_connection_destroy(peer.pc);
    free(peer.transport.candidates);
    certificate_destroy(peer.certificate);
    live_world_destroy(peer.live);
    return 0;
}
