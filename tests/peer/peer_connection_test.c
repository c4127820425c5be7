#include "peer/peer_connection.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "rtc/tls_stream.h"
#include "sfu/turn_server.h"
#include "tests/support/suite.h"
#include "tests/support/wire_world.h"

enum { SSRC = 0x1001, RTX_SSRC = 0x1002, PAYLOAD_TYPE = 96, RTX_PAYLOAD_TYPE = 97, SERVER_PORT = 3478, TLS_PORT = 443 };

static const struct rtp_extension_map extensions = {.id = {[RTP_EXTENSION_MID] = 4,
                                                           [RTP_EXTENSION_RID] = 5,
                                                           [RTP_EXTENSION_REPAIRED_RID] = 6,
                                                           [RTP_EXTENSION_TRANSPORT_SEQUENCE] = 3,
                                                           [RTP_EXTENSION_ABS_SEND_TIME] = 2}};

struct side {
    struct peer_connection *pc;
    struct side *other;
    struct send_stream *stream;
    enum transport_state state;
    char reason[100];
    uint32_t packets, recovered, key_frames_wanted;
    uint32_t bad; /* with another payload than was sent */
    int64_t rate;
};

struct call {
    struct wire_world *wire;
    struct certificate *certificate;
    struct tls_context *tls, *tls_server;
    struct turn_server *turn;
    struct side sides[2];
    struct rng rng;
    unsigned lose_percent;
    int stall_from, stall_until; /* packets of talk() during which TCP stands still */
};

static struct transport *transport_of(struct side *side)
{
    return connection_transport(peer_connection_connection(side->pc));
}

static void on_event(void *user, struct peer_connection *pc, const struct transport_event *event, nanos now)
{
    struct side *side = user;
    (void)pc;
    if (event->type == TRANSPORT_EVENT_STATE) {
        side->state = event->state;
        snprintf(side->reason, sizeof side->reason, "%.99s", event->reason != NULL ? event->reason : "");
    } else if (event->type == TRANSPORT_EVENT_CANDIDATE && side->other->pc != NULL) {
        transport_add_candidate(transport_of(side->other), &event->candidate, now);
        peer_connection_flush(side->other->pc, now);
    } else if (event->type == TRANSPORT_EVENT_GATHERED) {
        transport_end_of_candidates(transport_of(side->other), now);
        peer_connection_flush(side->other->pc, now);
    }
}

static void on_packet(void *user, struct receive_stream *stream, const struct rtp_packet *packet,
                      const struct rtp_extensions *found, bool recovered, nanos now)
{
    struct side *side = user;
    (void)now, (void)found;
    side->packets++;
    side->recovered += recovered;
    side->bad += packet->payload_len != 500 || packet->payload[0] != (uint8_t)packet->sequence ||
                 packet->ssrc != SSRC || packet->payload_type != PAYLOAD_TYPE || stream->config.ssrc != SSRC;
}

static void on_key_frame_wanted(void *user, struct send_stream *stream, nanos now)
{
    struct side *side = user;
    (void)now;
    side->key_frames_wanted += stream == side->stream;
}

static void on_rate(void *user, int64_t target_bps, nanos now)
{
    (void)now;
    ((struct side *)user)->rate = target_bps;
}

static const struct connection_callbacks callbacks = {
    .packet = on_packet, .key_frame_wanted = on_key_frame_wanted, .rate = on_rate};

static void set_remote(struct side *side, struct side *other, enum dtls_role role,
                       const struct fingerprint *fingerprint)
{
    struct error error;
    const struct transport_remote remote = {.ufrag = transport_ufrag(transport_of(other)),
                                            .password = transport_password(transport_of(other)),
                                            .role = role,
                                            .fingerprints = fingerprint,
                                            .fingerprint_count = 1};
    CU_ASSERT_TRUE(transport_set_remote(transport_of(side), &remote, 0, &error));
}

static bool lossy(void *user, struct datagram *datagram, nanos now)
{
    struct call *call = user;
    (void)datagram, (void)now;
    return rng_below(&call->rng, 100) >= call->lose_percent;
}

static void start_turn(struct call *call, struct world_host *host)
{
    struct error error;
    struct address udp, tls;
    CU_ASSERT_TRUE(address_parse(&udp, "5.0.0.9:3478"));
    CU_ASSERT_TRUE(address_parse(&tls, "5.0.0.9:443"));
    const struct turn_user user = {"user", "secret"};
    const struct tls_context_config server_tls = {.server = true, .certificate = call->certificate};
    const struct tls_context_config client_tls = {.trust = TLS_TRUST_ANY};
    call->tls_server = tls_context_create(&server_tls, &error);
    call->tls = tls_context_create(&client_tls, &error);
    struct address relay = udp;
    relay.port = 0;
    struct turn_server_config config = {.host = host,
                                        .udp = &udp,
                                        .udp_count = 1,
                                        .tcp = &udp,
                                        .tcp_count = 1,
                                        .tls = &tls,
                                        .tls_count = 1,
                                        .tls_context = call->tls_server,
                                        .relay_ipv4 = relay,
                                        .users = &user,
                                        .user_count = 1,
                                        .seed = 5};
    call->turn = turn_server_create(&config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(call->turn);
}

static struct call *start_call(int relay_only_by, bool wrong_fingerprint, unsigned lose_percent)
{
    static struct call call;
    struct error error;
    memset(&call, 0, sizeof call);
    call.rng = rng_of(4, "loss", 0);
    call.lose_percent = lose_percent;
    call.wire = wire_world_create(&(struct wire_world_config){.delay = 20 * NANOS_PER_MS});
    wire_world_set_hook(call.wire, lossy, &call);
    call.certificate = certificate_create(&(struct certificate_config){.not_before_unix_s = 1700000000}, &error);
    start_turn(&call, wire_world_host(call.wire, "5.0.0.9"));
    for (int i = 0; i < 2; i++) {
        struct side *side = &call.sides[i];
        struct transport_turn_server server = {.username = "user", .password = "secret"};
        server.transport = relay_only_by >= 0 ? (enum turn_transport)relay_only_by : TURN_UDP;
        CU_ASSERT_TRUE(address_parse(&server.address, server.transport == TURN_TLS ? "5.0.0.9:443" : "5.0.0.9:3478"));
        struct address stun = server.address;
        stun.port = SERVER_PORT;
        side->other = &call.sides[1 - i];
        struct peer_connection_config config = {
            .host = wire_world_host(call.wire, i == 0 ? "5.0.0.1 2a00::1" : "5.0.0.2 2a00::2"),
            .connection = {.transport = {.controlling = i == 0,
                                         .relay_only = relay_only_by >= 0,
                                         .certificate = call.certificate,
                                         .stun_servers = &stun,
                                         .stun_server_count = 1,
                                         .turn_servers = &server,
                                         .turn_server_count = 1,
                                         .tls = call.tls,
                                         .seed = (uint64_t)i + 1},
                           .congestion = {.start_bps = 300000, .min_bps = 30000, .max_bps = 3000000},
                           .extensions = extensions,
                           .cname = "test",
                           .ssrc = 77 + (uint32_t)i,
                           .seed = (uint64_t)i + 1,
                           .callbacks = &callbacks,
                           .user = side},
            .event = on_event,
            .user = side};
        side->pc = peer_connection_create(&config, &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(side->pc);
    }
    struct fingerprint fingerprint = certificate_fingerprint(call.certificate, FINGERPRINT_SHA_256);
    set_remote(&call.sides[1], &call.sides[0], DTLS_CLIENT, &fingerprint);
    if (wrong_fingerprint)
        fingerprint.bytes[3] ^= 1;
    set_remote(&call.sides[0], &call.sides[1], DTLS_SERVER, &fingerprint);
    peer_connection_flush(call.sides[0].pc, 0);
    peer_connection_flush(call.sides[1].pc, 0);
    return &call;
}

static void end_call(struct call *call)
{
    for (int i = 0; i < 2; i++)
        peer_connection_destroy(call->sides[i].pc);
    turn_server_destroy(call->turn);
    tls_context_destroy(call->tls);
    tls_context_destroy(call->tls_server);
    wire_world_destroy(call->wire);
    certificate_destroy(call->certificate);
}

/* Side 0 sends 100 packets a second of 500 bytes for a while. */
static uint32_t talk(struct call *call, int count)
{
    struct side *from = &call->sides[0];
    struct side *to = &call->sides[1];
    struct connection *sender = peer_connection_connection(from->pc);
    struct connection *receiver = peer_connection_connection(to->pc);
    const struct send_stream_config out = {.ssrc = SSRC,
                                           .rtx_ssrc = RTX_SSRC,
                                           .payload_type = PAYLOAD_TYPE,
                                           .rtx_payload_type = RTX_PAYLOAD_TYPE,
                                           .clock_rate = 90000,
                                           .mid = "1",
                                           .rid = "h",
                                           .buffer_window = NANOS_PER_S,
                                           .buffer_bytes = 100000};
    const struct receive_stream_config in = {.payload_type = PAYLOAD_TYPE,
                                             .rtx_payload_type = RTX_PAYLOAD_TYPE,
                                             .clock_rate = 90000,
                                             .nack = true,
                                             .mid = "1",
                                             .rid = "h"};
    from->stream = connection_add_send_stream(sender, &out);
    struct receive_stream *stream = connection_add_receive_stream(receiver, &in);
    CU_ASSERT_PTR_NOT_NULL_FATAL(from->stream);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
    for (int i = 0; i < count; i++) {
        uint8_t payload[500];
        nanos now = wire_world_now(call->wire);
        if (i == call->stall_from || i == call->stall_until)
            wire_world_stall_tcp(call->wire, i < call->stall_until);
        memset(payload, i & 0xff, sizeof payload);
        const struct media_packet packet = {.sequence = (uint16_t)i,
                                            .timestamp = (uint32_t)i * 900,
                                            .captured = now,
                                            .marker = true,
                                            .payload = payload,
                                            .payload_len = sizeof payload};
        connection_send(sender, from->stream, &packet, now);
        if (i == count / 2) {
            connection_request_key_frame(receiver, stream, now);
            peer_connection_flush(to->pc, now);
        }
        peer_connection_flush(from->pc, now);
        wire_world_run_for(call->wire, 10 * NANOS_PER_MS);
    }
    wire_world_run_for(call->wire, NANOS_PER_S);
    return to->packets;
}

static void connects_directly_and_carries_media(void)
{
    struct call *call = start_call(-1, false, 0);
    wire_world_run_for(call->wire, 3 * NANOS_PER_S);
    CU_ASSERT_EQUAL(call->sides[0].state, TRANSPORT_CONNECTED);
    CU_ASSERT_EQUAL(call->sides[1].state, TRANSPORT_CONNECTED);
    struct transport_path_info path;
    CU_ASSERT_TRUE(transport_path(transport_of(&call->sides[0]), &path));
    CU_ASSERT_EQUAL(path.local, ICE_HOST);
    CU_ASSERT_EQUAL(path.local_address.family, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(talk(call, 1000), 1000);
    CU_ASSERT_EQUAL(call->sides[1].bad, 0);
    CU_ASSERT_EQUAL(call->sides[1].recovered, 0);
    CU_ASSERT_EQUAL(call->sides[0].key_frames_wanted, 1);
    /* 40 ms there and back, known from report blocks, and a target that feedback has moved off its start. */
    struct connection_statistics s = connection_statistics(peer_connection_connection(call->sides[0].pc));
    CU_ASSERT_DOUBLE_EQUAL(nanos_to_ms(s.rtt), 40, 2);
    CU_ASSERT_TRUE(call->sides[0].rate > 400000);
    /* Relays that were only gathered are given back. */
    CU_ASSERT_EQUAL(turn_server_statistics(call->turn)->allocations[TURN_UDP], 0);
    peer_connection_close(call->sides[0].pc, wire_world_now(call->wire));
    wire_world_run_for(call->wire, NANOS_PER_S);
    CU_ASSERT_EQUAL(call->sides[1].state, TRANSPORT_CLOSED);
    end_call(call);
}

static void connects_through_turn_by(enum turn_transport transport, enum ice_relay_transport relay)
{
    struct call *call = start_call((int)transport, false, 0);
    wire_world_run_for(call->wire, 5 * NANOS_PER_S);
    struct transport_path_info path;
    CU_ASSERT_EQUAL(call->sides[0].state, TRANSPORT_CONNECTED);
    CU_ASSERT_TRUE(transport_path(transport_of(&call->sides[0]), &path));
    CU_ASSERT_EQUAL(path.local, ICE_RELAYED);
    CU_ASSERT_EQUAL(path.local_relay, relay);
    CU_ASSERT_EQUAL(talk(call, 300), 300);
    CU_ASSERT_EQUAL(call->sides[1].bad, 0);
    CU_ASSERT_EQUAL(turn_server_statistics(call->turn)->allocations[transport], 2);
    CU_ASSERT_TRUE(turn_server_statistics(call->turn)->bytes_to_peers > 300 * 500);
    end_call(call);
}

static void relays_by_udp(void) { connects_through_turn_by(TURN_UDP, ICE_RELAY_UDP); }
static void relays_by_tcp(void) { connects_through_turn_by(TURN_TCP, ICE_RELAY_TCP); }
static void relays_by_tls(void) { connects_through_turn_by(TURN_TLS, ICE_RELAY_TLS); }

/* While the relay's TCP connection stands still media is dropped rather than queued; after that it flows again. */
static void goes_on_after_a_stall_of_tcp(void)
{
    struct call *call = start_call((int)TURN_TCP, false, 0);
    wire_world_run_for(call->wire, 5 * NANOS_PER_S);
    CU_ASSERT_EQUAL(call->sides[0].state, TRANSPORT_CONNECTED);
    call->stall_from = 100;
    call->stall_until = 400;
    uint32_t received = talk(call, 1000);
    CU_ASSERT_TRUE(received > 650 && received < 950);
    CU_ASSERT_EQUAL(call->sides[1].bad, 0);
    end_call(call);
}

static void mends_loss_by_retransmission(void)
{
    struct call *call = start_call(-1, false, 5);
    wire_world_run_for(call->wire, 8 * NANOS_PER_S);
    CU_ASSERT_EQUAL(call->sides[1].state, TRANSPORT_CONNECTED);
    uint32_t received = talk(call, 1000);
    CU_ASSERT_TRUE(received >= 999);
    CU_ASSERT_TRUE(call->sides[1].recovered >= 20);
    CU_ASSERT_EQUAL(call->sides[1].bad, 0);
    end_call(call);
}

static void refuses_a_wrong_fingerprint(void)
{
    struct call *call = start_call(-1, true, 0);
    wire_world_run_for(call->wire, 3 * NANOS_PER_S);
    CU_ASSERT_EQUAL(call->sides[0].state, TRANSPORT_FAILED);
    CU_ASSERT_PTR_NOT_NULL(strstr(call->sides[0].reason, "the peer's certificate is sha-256"));
    CU_ASSERT_NOT_EQUAL(call->sides[1].state, TRANSPORT_CONNECTED);
    CU_ASSERT_EQUAL(talk(call, 10), 0);
    end_call(call);
}

void peer_connection_test(void)
{
    SUITE("peer_connection", {"connects directly and carries media", connects_directly_and_carries_media},
          {"relays by UDP", relays_by_udp}, {"relays by TCP", relays_by_tcp}, {"relays by TLS", relays_by_tls},
          {"goes on after a stall of TCP", goes_on_after_a_stall_of_tcp},
          {"mends loss by retransmission", mends_loss_by_retransmission},
          {"refuses a wrong fingerprint", refuses_a_wrong_fingerprint});
}
