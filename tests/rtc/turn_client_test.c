/* The client against the server, in a world in memory. */
#include "rtc/turn_client.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rtc/certificate.h"
#include "rtc/stun.h"
#include "rtc/tls_stream.h"
#include "sfu/turn_server.h"
#include "tests/support/suite.h"
#include "tests/support/turn_party.h"
#include "tests/support/wire_world.h"

static const struct turn_user USERS[] = {{"alice", "wonderland"}, {"bob", "builder"}};

struct stage {
    struct wire_world *wire;
    struct world_host *server_host, *client_host, *peer_host;
    struct turn_server *server;
    struct address udp[2], tcp[2], tls[2];
    struct certificate *certificate;
    struct tls_context *server_tls, *client_tls;
    struct turn_server_config config;
    struct witness peer;
    struct address peer_address;
};

/* A stage with a server at 5.1.1.1 and 2a05::1 that serves alice and bob; `config` may change what it likes. */
static void stage_open(struct stage *stage, void (*change)(struct turn_server_config *config))
{
    struct error error = {0};
    *stage = (struct stage){0};
    stage->wire = wire_world_create(&(struct wire_world_config){.delay = 10 * NANOS_PER_MS, .tcp_segment = 700});
    stage->server_host = wire_world_host(stage->wire, "5.1.1.1 2a05::1");
    stage->client_host = wire_world_host(stage->wire, "6.1.1.1 2a06::1");
    stage->peer_host = wire_world_host(stage->wire, "7.1.1.1 2a07::1");
    stage->udp[0] = address_of("5.1.1.1:3478");
    stage->udp[1] = address_of("[2a05::1]:3478");
    stage->tcp[0] = stage->udp[0];
    stage->tcp[1] = stage->udp[1];
    stage->tls[0] = address_of("5.1.1.1:5349");
    stage->tls[1] = address_of("[2a05::1]:5349");
    stage->config = (struct turn_server_config){
        .host = stage->server_host,
        .udp = stage->udp,
        .udp_count = 2,
        .tcp = stage->tcp,
        .tcp_count = 2,
        .relay_ipv4 = address_of("5.1.1.1"),
        .relay_ipv6 = address_of("2a05::1"),
        .users = USERS,
        .user_count = 2,
        .seed = 7,
    };
    if (change != NULL)
        change(&stage->config);
    stage->server = turn_server_create(&stage->config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stage->server);
    witness_open(&stage->peer, stage->peer_host, "7.1.1.1:9999");
    stage->peer_address = address_of("7.1.1.1:9999");
}

static void stage_open_tls(struct stage *stage)
{
    struct error error = {0};
    stage_open(stage, NULL);
    turn_server_destroy(stage->server);
    stage->certificate = certificate_create(
        &(struct certificate_config){.common_name = "turn.example", .not_before_unix_s = time(NULL) - 60}, NULL);
    stage->server_tls =
        tls_context_create(&(struct tls_context_config){.server = true, .certificate = stage->certificate}, &error);
    struct tls_context_config pinned = {.trust = TLS_TRUST_PINNED};
    pinned.pinned = certificate_fingerprint(stage->certificate, FINGERPRINT_SHA_256);
    stage->client_tls = tls_context_create(&pinned, &error);
    stage->config.tls = stage->tls;
    stage->config.tls_count = 2;
    stage->config.tls_context = stage->server_tls;
    stage->server = turn_server_create(&stage->config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stage->server);
}

static void stage_close(struct stage *stage)
{
    turn_server_destroy(stage->server);
    wire_world_destroy(stage->wire);
    tls_context_destroy(stage->client_tls);
    tls_context_destroy(stage->server_tls);
    certificate_destroy(stage->certificate);
}

static struct turn_client_config client_config(const struct stage *stage, enum turn_transport transport)
{
    const struct address *by_transport[] = {stage->udp, stage->tcp, stage->tls};
    return (struct turn_client_config){.server = by_transport[transport][0],
                                       .transport = transport,
                                       .username = "alice",
                                       .password = "wonderland",
                                       .seed = 1,
                                       .tls = stage->client_tls};
}

static void seconds(struct stage *stage, double s) { wire_world_run_for(stage->wire, (nanos)(s * 1e9)); }

/* Allocates, sends and receives both ways: first by indications, then on a channel. */
static void relay_both_ways(struct stage *stage, const struct turn_client_config *config)
{
    struct turn_party party;
    turn_party_start(&party, stage->client_host, config);
    seconds(stage, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    CU_ASSERT_EQUAL(party.failed, 0);
    CU_ASSERT_EQUAL(party.lifetime_s, 600);
    uint8_t family = config->family == ADDRESS_NONE ? ADDRESS_IPV4 : config->family;
    CU_ASSERT_EQUAL(party.relayed.family, family);
    CU_ASSERT_TRUE(party.relayed.port >= 49152);
    struct address mine = party.udp != NULL ? world_udp_address(party.udp) : world_tcp_local(party.tcp);
    CU_ASSERT_TRUE(address_equal(&party.mapped, &mine));

    /* The first data asks for permission and channel on its way. */
    CU_ASSERT_TRUE(turn_party_send(&party, &stage->peer_address, "hello, peer", 11));
    seconds(stage, 0.1);
    CU_ASSERT_EQUAL(stage->peer.count, 1);
    CU_ASSERT_EQUAL(stage->peer.len, 11);
    CU_ASSERT_EQUAL(memcmp(stage->peer.data, "hello, peer", 11), 0);
    CU_ASSERT_TRUE(address_equal(&stage->peer.remote, &party.relayed));
    CU_ASSERT_EQUAL(party.permitted, 1);
    CU_ASSERT_EQUAL(party.bound, 1);

    /* Every length, so every padding; on the channel now. */
    uint8_t payload[1400];
    for (size_t len = 0; len < sizeof payload; len += len < 12 ? 1 : 271) {
        memset(payload, (int)len, len);
        CU_ASSERT_TRUE(turn_party_send(&party, &stage->peer_address, payload, len));
        seconds(stage, 0.1);
        CU_ASSERT_EQUAL(stage->peer.len, len);
        CU_ASSERT_EQUAL(memcmp(stage->peer.data, payload, len), 0);
        witness_send(&stage->peer, &party.relayed, payload, len);
        seconds(stage, 0.1);
        CU_ASSERT_EQUAL(party.data_len, len);
        CU_ASSERT_EQUAL(memcmp(party.data, payload, len), 0);
        CU_ASSERT_TRUE(address_equal(&party.data_peer, &stage->peer_address));
    }

    /* Another port of the same peer: permitted, but without a channel, so a Data indication. */
    struct witness other;
    struct address other_address = stage->peer_address;
    other_address.port = 4444;
    char text[ADDRESS_TEXT_CAP];
    witness_open(&other, stage->peer_host, address_format(&other_address, text));
    witness_send(&other, &party.relayed, "from elsewhere", 14);
    seconds(stage, 0.1);
    CU_ASSERT_EQUAL(party.data_len, 14);
    CU_ASSERT_TRUE(address_equal(&party.data_peer, &other_address));

    turn_party_release(&party);
    seconds(stage, 1);
    CU_ASSERT_EQUAL(party.released, 1);
    CU_ASSERT_EQUAL(turn_server_statistics(stage->server)->allocations[config->transport], 0);
    CU_ASSERT_EQUAL(turn_server_statistics(stage->server)->allocations_total[config->transport], 1);
    turn_party_stop(&party);
    world_udp_close(other.udp);
}

static void relays_over_udp(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    relay_both_ways(&stage, &config);
    const struct turn_server_statistics *statistics = turn_server_statistics(stage.server);
    CU_ASSERT_EQUAL(statistics->bytes_to_peers, stage.peer.bytes);
    CU_ASSERT_EQUAL(statistics->packets_to_peers, stage.peer.count);
    CU_ASSERT_EQUAL(statistics->packets_to_clients, stage.peer.count);
    stage_close(&stage);
}

static void relays_over_tcp(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct turn_client_config config = client_config(&stage, TURN_TCP);
    relay_both_ways(&stage, &config);
    stage_close(&stage);
}

static void relays_over_tls(void)
{
    struct stage stage;
    stage_open_tls(&stage);
    struct turn_client_config config = client_config(&stage, TURN_TLS);
    config.tls_server_name = "turn.example";
    relay_both_ways(&stage, &config);
    stage_close(&stage);
}

static void relays_ipv6(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    world_udp_close(stage.peer.udp);
    witness_open(&stage.peer, stage.peer_host, "[2a07::1]:9999");
    stage.peer_address = address_of("[2a07::1]:9999");
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    config.server = stage.udp[1];
    config.family = ADDRESS_IPV6;
    relay_both_ways(&stage, &config);
    stage_close(&stage);
}

/* RFC 8656, section 5: IPv4 to the server and IPv6 behind it. */
static void relays_from_ipv4_to_ipv6(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    world_udp_close(stage.peer.udp);
    witness_open(&stage.peer, stage.peer_host, "[2a07::1]:9999");
    stage.peer_address = address_of("[2a07::1]:9999");
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    config.family = ADDRESS_IPV6;
    relay_both_ways(&stage, &config);
    stage_close(&stage);
}

/* Two clients of one server, each relayed: what two symmetric NATs need. */
static void two_relays_of_one_server_reach_each_other(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct turn_party alice, bob;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_party_start(&alice, stage.client_host, &config);
    config = client_config(&stage, TURN_TCP);
    config.username = "bob";
    config.password = "builder";
    config.seed = 2;
    turn_party_start(&bob, stage.peer_host, &config);
    seconds(&stage, 1);
    turn_party_permit(&alice, &bob.relayed);
    turn_party_permit(&bob, &alice.relayed);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(alice.permitted, 1);
    CU_ASSERT_EQUAL(bob.permitted, 1);
    for (int i = 0; i < 3; i++) {
        turn_party_send(&alice, &bob.relayed, "to bob", 6);
        turn_party_send(&bob, &alice.relayed, "to alice", 8);
        seconds(&stage, 1);
    }
    CU_ASSERT_EQUAL(bob.data_count, 3);
    CU_ASSERT_EQUAL(alice.data_count, 3);
    CU_ASSERT_TRUE(address_equal(&alice.data_peer, &bob.relayed));
    turn_party_stop(&alice);
    turn_party_stop(&bob);
    stage_close(&stage);
}

/* STUN goes by Send indication and binds no channel, so connectivity checks to many candidates leave none behind. */
static void connectivity_checks_bind_no_channel(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    uint8_t check[64];
    struct stun_builder builder;
    stun_begin(&builder, check, sizeof check, STUN_REQUEST, STUN_BINDING, (const uint8_t *)"0123456789ab");
    size_t len = stun_finish(&builder);
    turn_party_send(&party, &stage.peer_address, check, len);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(stage.peer.count, 1);
    CU_ASSERT_EQUAL(stage.peer.len, len);
    CU_ASSERT_EQUAL(party.bound, 0);
    CU_ASSERT_EQUAL(party.permitted, 1);
    turn_party_stop(&party);
    stage_close(&stage);
}

/* Allocation, permission and channel live on for hours while the client is there, and die with it. */
static void keeps_everything_alive_for_hours(void)
{
    static const enum turn_transport transports[] = {TURN_UDP, TURN_TCP};
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        stage_open(&stage, NULL);
        struct turn_party party;
        struct turn_client_config config = client_config(&stage, transports[i]);
        turn_party_start(&party, stage.client_host, &config);
        seconds(&stage, 1);
        turn_party_send(&party, &stage.peer_address, "begin", 5);
        seconds(&stage, 1);
        for (int hour = 0; hour < 5; hour++) {
            seconds(&stage, 3599);
            unsigned before = party.data_count;
            witness_send(&stage.peer, &party.relayed, "still there?", 12);
            turn_party_send(&party, &stage.peer_address, "still here", 10);
            seconds(&stage, 1);
            CU_ASSERT_EQUAL(party.data_count, before + 1);
            CU_ASSERT_EQUAL(stage.peer.len, 10);
        }
        CU_ASSERT_EQUAL(party.failed, 0);
        CU_ASSERT_EQUAL(party.allocated, 1);
        CU_ASSERT_EQUAL(party.bound, 1);
        turn_party_stop(&party);
        /* On TCP the server notices; over UDP it waits for the lifetime (RFC 8656, section 6). */
        seconds(&stage, 1);
        CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->allocations[transports[i]], i == 0 ? 1 : 0);
        seconds(&stage, 600);
        CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->allocations[transports[i]], 0);
        stage_close(&stage);
    }
}

/* Drops the first `count` datagrams of each direction, then every n-th. */
struct loss {
    int drop_first;
    unsigned seen;
    unsigned every;
};
static bool lossy(void *user, struct datagram *datagram, nanos now)
{
    struct loss *loss = user;
    (void)datagram;
    (void)now;
    loss->seen++;
    return loss->drop_first-- <= 0 && (loss->every == 0 || loss->seen % loss->every != 0);
}

static void retransmits_until_an_answer_comes(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct loss loss = {.drop_first = 3};
    wire_world_set_hook(stage.wire, lossy, &loss);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 3.45); /* sent at 0, 0.5, 1.5, 3.5 s: RFC 8489, section 6.2.1 */
    CU_ASSERT_EQUAL(party.allocated, 0);
    seconds(&stage, 0.2);
    CU_ASSERT_EQUAL(party.allocated, 1);
    turn_party_stop(&party);
    stage_close(&stage);
}

static void survives_loss_for_hours(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct loss loss = {.every = 3};
    wire_world_set_hook(stage.wire, lossy, &loss);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_party_start(&party, stage.client_host, &config);
    turn_party_permit(&party, &stage.peer_address);
    seconds(&stage, 3 * 3600);
    CU_ASSERT_EQUAL(party.allocated, 1);
    CU_ASSERT_EQUAL(party.permitted, 1);
    CU_ASSERT_EQUAL(party.failed + party.refused, 0);
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->allocations[TURN_UDP], 1);
    turn_party_stop(&party);
    stage_close(&stage);
}

static void gives_up_on_a_silent_server(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct loss loss = {.drop_first = 1000};
    wire_world_set_hook(stage.wire, lossy, &loss);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 39.4);
    CU_ASSERT_EQUAL(party.failed, 0);
    seconds(&stage, 0.2);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_EQUAL(party.code, 0);
    CU_ASSERT_STRING_EQUAL(party.reason, "no answer from 5.1.1.1:3478");
    CU_ASSERT_EQUAL(loss.seen, 7); /* Rc */
    seconds(&stage, 3600);
    CU_ASSERT_EQUAL(loss.seen, 7);
    CU_ASSERT_EQUAL(party.failed, 1);
    turn_party_stop(&party);

    /* And on a server that goes away later: the Refresh at 540 s fails. */
    loss = (struct loss){0};
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    loss.drop_first = 1000;
    seconds(&stage, 570);
    CU_ASSERT_EQUAL(party.failed, 0);
    seconds(&stage, 20);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_FALSE(turn_party_send(&party, &stage.peer_address, "x", 1));
    turn_party_stop(&party);
    stage_close(&stage);
}

static void says_why_it_failed(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    config.password = "wrong";
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_EQUAL(party.code, 401);
    turn_party_stop(&party);

    config = client_config(&stage, TURN_TCP);
    config.server.port = 1;
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_EQUAL(party.code, 0);
    CU_ASSERT_STRING_EQUAL(party.reason, "connection refused");
    turn_party_stop(&party);

    /* The server goes while the connection stands. */
    config = client_config(&stage, TURN_TCP);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    turn_server_destroy(stage.server);
    stage.server = NULL;
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    turn_party_stop(&party);
    stage_close(&stage);
}

static void tls_to_the_wrong_server_fails(void)
{
    struct stage stage;
    stage_open_tls(&stage);
    struct certificate *other =
        certificate_create(&(struct certificate_config){.not_before_unix_s = time(NULL) - 60}, NULL);
    struct tls_context_config pinned = {.trust = TLS_TRUST_PINNED};
    pinned.pinned = certificate_fingerprint(other, FINGERPRINT_SHA_256);
    struct tls_context *context = tls_context_create(&pinned, NULL);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_TLS);
    config.tls = context;
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(party.reason, "certificate"));
    turn_party_stop(&party);

    /* A server that accepts and says nothing. */
    config = client_config(&stage, TURN_TLS);
    wire_world_stall_tcp(stage.wire, true);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 41);
    CU_ASSERT_EQUAL(party.failed, 1);
    turn_party_stop(&party);
    stage_close(&stage);
    tls_context_destroy(context);
    certificate_destroy(other);
}

static void deny_peers(struct turn_server_config *config)
{
    static struct turn_peer_range range;
    range.first = address_of("7.1.1.0");
    range.last = address_of("7.1.1.255");
    config->peer_ranges = &range;
    config->peer_range_count = 1;
}

static void a_refused_peer_is_reported_once(void)
{
    struct stage stage;
    stage_open(&stage, deny_peers);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_party_start(&party, stage.client_host, &config);
    turn_party_permit(&party, &stage.peer_address); /* before there is an allocation */
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    CU_ASSERT_EQUAL(party.refused, 1);
    CU_ASSERT_EQUAL(party.code, 403);
    CU_ASSERT_FALSE(turn_party_send(&party, &stage.peer_address, "x", 1));
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.refused, 1);
    CU_ASSERT_EQUAL(party.failed, 0);
    turn_party_permit(&party, &stage.peer_address); /* asks again */
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.refused, 2);
    turn_party_stop(&party);
    stage_close(&stage);
}

static void the_number_of_peers_is_bounded(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    struct address peer = address_of("8.1.1.0:5000");
    for (int i = 0; i < 64; i++) {
        peer.ip[3] = (uint8_t)i;
        CU_ASSERT_TRUE(turn_client_permit(party.client, &peer));
    }
    peer.ip[3] = 100;
    CU_ASSERT_FALSE(turn_client_permit(party.client, &peer));
    turn_party_permit(&party, &stage.peer_address);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.permitted, 64);
    turn_party_stop(&party);
    stage_close(&stage);
}

static void redirect_to_second(struct turn_server_config *config) { config->redirect = address_of("5.1.1.9:3478"); }

static void follows_a_redirection(void)
{
    static const enum turn_transport transports[] = {TURN_UDP, TURN_TCP};
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        stage_open(&stage, redirect_to_second);
        struct world_host *second_host = wire_world_host(stage.wire, "5.1.1.9");
        struct turn_server_config second = stage.config;
        struct address local = address_of("5.1.1.9:3478");
        second.host = second_host;
        second.udp = second.tcp = &local;
        second.udp_count = second.tcp_count = 1;
        second.relay_ipv4 = address_of("5.1.1.9");
        second.relay_ipv6 = (struct address){0};
        second.redirect = (struct address){0};
        struct turn_server *second_server = turn_server_create(&second, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(second_server);
        struct turn_party party;
        struct turn_client_config config = client_config(&stage, transports[i]);
        turn_party_start(&party, stage.client_host, &config);
        seconds(&stage, 1);
        CU_ASSERT_EQUAL(party.redirected, 1);
        CU_ASSERT_EQUAL(party.allocated, 1);
        struct address expected = address_of("5.1.1.9");
        CU_ASSERT_TRUE(address_same_ip(&party.relayed, &expected));
        turn_party_stop(&party);

        /* And back to the first: a circle (RFC 8489, section 10). */
        turn_server_destroy(second_server);
        second.redirect = stage.udp[0];
        second_server = turn_server_create(&second, NULL);
        turn_party_start(&party, stage.client_host, &config);
        seconds(&stage, 1);
        CU_ASSERT_EQUAL(party.failed, 1);
        CU_ASSERT_EQUAL(party.code, 300);
        turn_party_stop(&party);
        turn_server_destroy(second_server);
        stage_close(&stage);
    }
}

static void short_nonces(struct turn_server_config *config) { config->nonce_lifetime_s = 100; }
static void anonymous(struct turn_server_config *config) { config->username_anonymity = true; }
static void time_limited(struct turn_server_config *config)
{
    config->shared_secret = "north";
    config->unix_time_at_zero_s = 1700000000;
}

static void answers_stale_nonces_and_hides_its_name(void)
{
    struct stage stage;
    struct turn_party party;
    stage_open(&stage, short_nonces);
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_party_start(&party, stage.client_host, &config);
    turn_party_permit(&party, &stage.peer_address);
    seconds(&stage, 3 * 3600);
    CU_ASSERT_EQUAL(party.failed + party.refused, 0);
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->allocations[TURN_UDP], 1);
    CU_ASSERT_TRUE(turn_server_statistics(stage.server)->challenges > 10); /* 438s */
    turn_party_stop(&party);
    stage_close(&stage);

    stage_open(&stage, anonymous);
    config = client_config(&stage, TURN_UDP);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    turn_party_stop(&party);
    stage_close(&stage);
}

/* Whoever allocated in time stays when the password runs out; a newcomer doesn't get in any more. */
static void time_limited_passwords_are_for_newcomers(void)
{
    struct stage stage;
    struct turn_party party, late;
    char password[TURN_REST_PASSWORD_CAP];
    stage_open(&stage, time_limited);
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_rest_password("north", "1700000300:carol", password);
    config.username = "1700000300:carol";
    config.password = password;
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 3600);
    CU_ASSERT_EQUAL(party.allocated, 1);
    CU_ASSERT_EQUAL(party.failed, 0);
    turn_party_start(&late, stage.client_host, &config);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(late.failed, 1);
    CU_ASSERT_EQUAL(late.code, 401);
    turn_party_stop(&party);
    turn_party_stop(&late);
    stage_close(&stage);
}

static void media_is_dropped_while_the_stream_is_behind(void)
{
    static const enum turn_transport transports[] = {TURN_TCP, TURN_TLS};
    for (size_t i = 0; i < 2; i++) {
        struct stage stage;
        stage_open_tls(&stage);
        struct turn_party party;
        struct turn_client_config config = client_config(&stage, transports[i]);
        config.backlog_bytes = 20000;
        turn_party_start(&party, stage.client_host, &config);
        seconds(&stage, 1);
        turn_party_send(&party, &stage.peer_address, "begin", 5);
        seconds(&stage, 1);
        CU_ASSERT_EQUAL(party.bound, 1);
        wire_world_stall_tcp(stage.wire, true);
        uint8_t media[1000] = {0x80};
        unsigned sent = 0;
        for (int j = 0; j < 100; j++)
            sent += turn_party_send(&party, &stage.peer_address, media, sizeof media);
        CU_ASSERT_TRUE(sent >= 19 && sent <= 21);
        CU_ASSERT_EQUAL(turn_client_dropped(party.client), 100 - sent);
        wire_world_stall_tcp(stage.wire, false);
        turn_client_set_waiting(party.client, 0);
        seconds(&stage, 1);
        CU_ASSERT_EQUAL(stage.peer.count, 1 + sent);
        CU_ASSERT_TRUE(turn_party_send(&party, &stage.peer_address, media, sizeof media));
        /* The server's side of it: 256 KiB for a client that doesn't read. */
        wire_world_stall_tcp(stage.wire, true);
        for (int j = 0; j < 400; j++) {
            witness_send(&stage.peer, &party.relayed, media, sizeof media);
            seconds(&stage, 0.02);
        }
        CU_ASSERT_TRUE(turn_server_statistics(stage.server)->packets_dropped > 100);
        wire_world_stall_tcp(stage.wire, false);
        seconds(&stage, 1);
        CU_ASSERT_TRUE(party.data_count > 250 && party.data_count < 300);
        turn_party_stop(&party);
        stage_close(&stage);
    }
}

/* --- what a dishonest network may try --------------------------------------------------------------------------- */

/* Changes answers on their way: strips what it is told to, or forges. */
static bool strip_algorithms(void *user, struct datagram *datagram, nanos now)
{
    (void)now;
    (void)user;
    for (size_t at = STUN_HEADER_LEN; at + 4 <= datagram->len && datagram->local.port == 3478;) {
        size_t len = (bytes_get16(datagram->data + at + 2) + 3u) & ~3u;
        if (bytes_get16(datagram->data + at) == STUN_ATTR_PASSWORD_ALGORITHMS)
            bytes_put16(datagram->data + at, 0x8777); /* nobody knows it, so it is ignored */
        at += 4 + len;
    }
    return true;
}

static void does_not_fall_for_a_bid_down(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    wire_world_set_hook(stage.wire, strip_algorithms, NULL);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(party.reason, "bid-down"));
    turn_party_stop(&party);
    stage_close(&stage);
}

static bool corrupt_success(void *user, struct datagram *datagram, nanos now)
{
    (void)now;
    (void)user;
    if (datagram->local.port == 3478 && datagram->len > 30 && (datagram->data[0] & 1) != 0 &&
        (datagram->data[1] & 0x10) == 0)
        datagram->data[27] ^= 1; /* a bit of the first attribute, the relayed address */
    return true;
}

static void forged_answers_are_dropped_and_named(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    wire_world_set_hook(stage.wire, corrupt_success, NULL);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 45);
    CU_ASSERT_EQUAL(party.allocated, 0);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(party.reason, "integrity")); /* RFC 8489, section 9.2.5 */
    turn_party_stop(&party);
    stage_close(&stage);
}

/* Data that claims to come from peers nobody let in, on channels nobody bound, and answers to nothing. */
static void what_was_not_asked_for_is_dropped(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct turn_party party;
    struct turn_client_config config = client_config(&stage, TURN_UDP);
    turn_party_start(&party, stage.client_host, &config);
    seconds(&stage, 1);
    uint8_t buf[200];
    struct stun_builder builder;
    struct address stranger = address_of("9.9.9.9:9");
    nanos now = wire_world_now(stage.wire);
    stun_begin(&builder, buf, sizeof buf, STUN_INDICATION, STUN_DATA, (const uint8_t *)"0123456789ab");
    stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, &stranger);
    stun_put_bytes(&builder, STUN_ATTR_DATA, "boo", 3);
    size_t len = stun_finish(&builder);
    CU_ASSERT_EQUAL(turn_client_read(party.client, buf, len, now), -1);
    CU_ASSERT_EQUAL(turn_client_read(party.client, (const uint8_t *)"\x40\x00\x00\x01x", 5, now), -1);
    CU_ASSERT_EQUAL(turn_client_read(party.client, (const uint8_t *)"\x40\x00\x00\x09x", 5, now), -1);
    CU_ASSERT_EQUAL(turn_client_read(party.client, (const uint8_t *)"\x40", 1, now), -1);
    CU_ASSERT_EQUAL(turn_client_read(party.client, buf, 0, now), -1);
    stun_begin(&builder, buf, sizeof buf, STUN_SUCCESS, STUN_REFRESH, (const uint8_t *)"0123456789ab");
    len = stun_finish(&builder);
    CU_ASSERT_EQUAL(turn_client_read(party.client, buf, len, now), -1);
    struct turn_client_event event;
    CU_ASSERT_FALSE(turn_client_event(party.client, &event));
    turn_party_stop(&party);
    stage_close(&stage);
}

static void senseless_configurations_are_refused(void)
{
    struct error error = {0};
    struct turn_client_config good = {.server = address_of("5.1.1.1:3478"), .username = "u", .password = "p"};
    struct turn_client_config config = good;
    config.server.port = 0;
    CU_ASSERT_PTR_NULL(turn_client_create(&config, &error));
    config = good;
    config.username = "";
    CU_ASSERT_PTR_NULL(turn_client_create(&config, &error));
    config = good;
    config.password = NULL;
    CU_ASSERT_PTR_NULL(turn_client_create(&config, &error));
    config = good;
    config.transport = TURN_TLS;
    CU_ASSERT_PTR_NULL(turn_client_create(&config, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    struct turn_client *client = turn_client_create(&good, &error);
    CU_ASSERT_PTR_NOT_NULL(client);
    /* Released before anything was sent: nothing needs to be. */
    struct turn_client_event event;
    uint8_t buf[2048];
    turn_client_release(client);
    CU_ASSERT_EQUAL(turn_client_write(client, buf, sizeof buf, 0), 0);
    CU_ASSERT_TRUE(turn_client_event(client, &event));
    CU_ASSERT_EQUAL(event.type, TURN_CLIENT_RELEASED);
    CU_ASSERT_EQUAL(turn_client_deadline(client), NANOS_NEVER);
    turn_client_destroy(client);
}

/* The same seed gives the same bytes. */
static void the_seed_decides_the_bytes(void)
{
    struct turn_client_config config = {.server = address_of("5.1.1.1:3478"), .username = "u", .password = "p"};
    uint8_t first[3][2048];
    ssize_t len[3];
    for (uint64_t i = 0; i < 3; i++) {
        config.seed = i / 2; /* 0, 0, 1 */
        struct turn_client *client = turn_client_create(&config, NULL);
        len[i] = turn_client_write(client, first[i], sizeof first[i], 0);
        turn_client_destroy(client);
    }
    CU_ASSERT_TRUE(len[0] > 20 && len[0] == len[1] && len[1] == len[2]);
    CU_ASSERT_EQUAL(memcmp(first[0], first[1], (size_t)len[0]), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(first[0], first[2], (size_t)len[0]), 0);
}

void turn_client_test(void)
{
    SUITE("turn_client", {"relays over UDP", relays_over_udp}, {"relays over TCP", relays_over_tcp},
          {"relays over TLS", relays_over_tls}, {"relays IPv6", relays_ipv6},
          {"relays from IPv4 to IPv6", relays_from_ipv4_to_ipv6},
          {"two relays of one server reach each other", two_relays_of_one_server_reach_each_other},
          {"connectivity checks bind no channel", connectivity_checks_bind_no_channel},
          {"keeps everything alive for hours", keeps_everything_alive_for_hours},
          {"retransmits until an answer comes", retransmits_until_an_answer_comes},
          {"survives loss for hours", survives_loss_for_hours},
          {"gives up on a silent server", gives_up_on_a_silent_server}, {"says why it failed", says_why_it_failed},
          {"TLS to the wrong server fails", tls_to_the_wrong_server_fails},
          {"a refused peer is reported once", a_refused_peer_is_reported_once},
          {"the number of peers is bounded", the_number_of_peers_is_bounded},
          {"follows a redirection", follows_a_redirection},
          {"answers stale nonces and hides its name", answers_stale_nonces_and_hides_its_name},
          {"time-limited passwords are for newcomers", time_limited_passwords_are_for_newcomers},
          {"media is dropped while the stream is behind", media_is_dropped_while_the_stream_is_behind},
          {"does not fall for a bid-down", does_not_fall_for_a_bid_down},
          {"forged answers are dropped and named", forged_answers_are_dropped_and_named},
          {"what was not asked for is dropped", what_was_not_asked_for_is_dropped},
          {"senseless configurations are refused", senseless_configurations_are_refused},
          {"the seed decides the bytes", the_seed_decides_the_bytes});
}
