/* The client against the server, in a world in memory. */
#include "rtc/turn_client.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rtc/stun.h"
#include "rtc/tls_stream.h"
#include "tests/support/suite.h"
#include "tests/support/turn_scene.h"

/* Allocates, sends and receives both ways: first by indications, then on a channel. */
static void relay_both_ways(struct scene *scene, const struct turn_client_config *config)
{
    struct turn_party party;
    turn_party_start(&party, scene->client_host, config);
    scene_run(scene, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    CU_ASSERT_EQUAL(party.failed, 0);
    CU_ASSERT_EQUAL(party.lifetime_s, 600);
    uint8_t family = config->family == ADDRESS_NONE ? ADDRESS_IPV4 : config->family;
    CU_ASSERT_EQUAL(party.relayed.family, family);
    CU_ASSERT_TRUE(party.relayed.port >= 49152);
    struct address mine = party.udp != NULL ? world_udp_address(party.udp) : world_tcp_local(party.tcp);
    CU_ASSERT_TRUE(address_equal(&party.mapped, &mine));

    /* The first data asks for permission and channel on its way. */
    CU_ASSERT_TRUE(turn_party_send(&party, &scene->peer_address, "hello, peer", 11));
    scene_run(scene, 0.1);
    CU_ASSERT_EQUAL(scene->peer.count, 1);
    CU_ASSERT_EQUAL(scene->peer.len, 11);
    CU_ASSERT_EQUAL(memcmp(scene->peer.data, "hello, peer", 11), 0);
    CU_ASSERT_TRUE(address_equal(&scene->peer.remote, &party.relayed));
    CU_ASSERT_EQUAL(party.permitted, 1);
    CU_ASSERT_EQUAL(party.bound, 1);

    /* Every length, so every padding; on the channel now. */
    uint8_t payload[1400];
    for (size_t len = 0; len < sizeof payload; len += len < 12 ? 1 : 271) {
        memset(payload, (int)len, len);
        CU_ASSERT_TRUE(turn_party_send(&party, &scene->peer_address, payload, len));
        scene_run(scene, 0.1);
        CU_ASSERT_EQUAL(scene->peer.len, len);
        CU_ASSERT_EQUAL(memcmp(scene->peer.data, payload, len), 0);
        witness_send(&scene->peer, &party.relayed, payload, len);
        scene_run(scene, 0.1);
        CU_ASSERT_EQUAL(party.data_len, len);
        CU_ASSERT_EQUAL(memcmp(party.data, payload, len), 0);
        CU_ASSERT_TRUE(address_equal(&party.data_peer, &scene->peer_address));
    }

    /* Another port of the same peer: permitted, but without a channel, so a Data indication. */
    struct witness other;
    struct address other_address = scene->peer_address;
    other_address.port = 4444;
    char text[ADDRESS_TEXT_CAP];
    witness_open(&other, scene->peer_host, address_format(&other_address, text));
    witness_send(&other, &party.relayed, "from elsewhere", 14);
    scene_run(scene, 0.1);
    CU_ASSERT_EQUAL(party.data_len, 14);
    CU_ASSERT_TRUE(address_equal(&party.data_peer, &other_address));

    turn_party_release(&party);
    scene_run(scene, 1);
    CU_ASSERT_EQUAL(party.released, 1);
    CU_ASSERT_EQUAL(turn_server_statistics(scene->server)->allocations[config->transport], 0);
    CU_ASSERT_EQUAL(turn_server_statistics(scene->server)->allocations_total[config->transport], 1);
    turn_party_stop(&party);
    world_udp_close(other.udp);
}

static void relays_over_udp(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    relay_both_ways(&scene, &config);
    const struct turn_server_statistics *statistics = turn_server_statistics(scene.server);
    CU_ASSERT_EQUAL(statistics->bytes_to_peers, scene.peer.bytes);
    CU_ASSERT_EQUAL(statistics->packets_to_peers, scene.peer.count);
    CU_ASSERT_EQUAL(statistics->packets_to_clients, scene.peer.count);
    scene_close(&scene);
}

static void relays_over_tcp(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct turn_client_config config = scene_client_config(&scene, TURN_TCP);
    relay_both_ways(&scene, &config);
    scene_close(&scene);
}

static void relays_over_tls(void)
{
    struct scene scene;
    scene_open_tls(&scene);
    struct turn_client_config config = scene_client_config(&scene, TURN_TLS);
    config.tls_server_name = "turn.example";
    relay_both_ways(&scene, &config);
    scene_close(&scene);
}

static void relays_ipv6(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    world_udp_close(scene.peer.udp);
    witness_open(&scene.peer, scene.peer_host, "[2a07::1]:9999");
    scene.peer_address = address_of("[2a07::1]:9999");
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    config.server = scene.udp[1];
    config.family = ADDRESS_IPV6;
    relay_both_ways(&scene, &config);
    scene_close(&scene);
}

/* RFC 8656, section 5: IPv4 to the server and IPv6 behind it. */
static void relays_from_ipv4_to_ipv6(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    world_udp_close(scene.peer.udp);
    witness_open(&scene.peer, scene.peer_host, "[2a07::1]:9999");
    scene.peer_address = address_of("[2a07::1]:9999");
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    config.family = ADDRESS_IPV6;
    relay_both_ways(&scene, &config);
    scene_close(&scene);
}

/* Two clients of one server, each relayed: what two symmetric NATs need. */
static void two_relays_of_one_server_reach_each_other(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct turn_party alice, bob;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&alice, scene.client_host, &config);
    config = scene_client_config(&scene, TURN_TCP);
    config.username = "bob";
    config.password = "builder";
    config.seed = 2;
    turn_party_start(&bob, scene.peer_host, &config);
    scene_run(&scene, 1);
    turn_party_permit(&alice, &bob.relayed);
    turn_party_permit(&bob, &alice.relayed);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(alice.permitted, 1);
    CU_ASSERT_EQUAL(bob.permitted, 1);
    for (int i = 0; i < 3; i++) {
        turn_party_send(&alice, &bob.relayed, "to bob", 6);
        turn_party_send(&bob, &alice.relayed, "to alice", 8);
        scene_run(&scene, 1);
    }
    CU_ASSERT_EQUAL(bob.data_count, 3);
    CU_ASSERT_EQUAL(alice.data_count, 3);
    CU_ASSERT_TRUE(address_equal(&alice.data_peer, &bob.relayed));
    turn_party_stop(&alice);
    turn_party_stop(&bob);
    scene_close(&scene);
}

/* STUN goes by Send indication and binds no channel, so connectivity checks to many candidates leave none behind. */
static void connectivity_checks_bind_no_channel(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    uint8_t check[64];
    struct stun_builder builder;
    stun_begin(&builder, check, sizeof check, STUN_REQUEST, STUN_BINDING, (const uint8_t *)"0123456789ab");
    size_t len = stun_finish(&builder);
    turn_party_send(&party, &scene.peer_address, check, len);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(scene.peer.count, 1);
    CU_ASSERT_EQUAL(scene.peer.len, len);
    CU_ASSERT_EQUAL(party.bound, 0);
    CU_ASSERT_EQUAL(party.permitted, 1);
    turn_party_stop(&party);
    scene_close(&scene);
}

/* Allocation, permission and channel live on for hours while the client is there, and die with it. */
static void keeps_everything_alive_for_hours(void)
{
    static const enum turn_transport transports[] = {TURN_UDP, TURN_TCP};
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        scene_open(&scene, NULL);
        struct turn_party party;
        struct turn_client_config config = scene_client_config(&scene, transports[i]);
        turn_party_start(&party, scene.client_host, &config);
        scene_run(&scene, 1);
        turn_party_send(&party, &scene.peer_address, "begin", 5);
        scene_run(&scene, 1);
        for (int hour = 0; hour < 5; hour++) {
            scene_run(&scene, 3599);
            unsigned before = party.data_count;
            witness_send(&scene.peer, &party.relayed, "still there?", 12);
            turn_party_send(&party, &scene.peer_address, "still here", 10);
            scene_run(&scene, 1);
            CU_ASSERT_EQUAL(party.data_count, before + 1);
            CU_ASSERT_EQUAL(scene.peer.len, 10);
        }
        CU_ASSERT_EQUAL(party.failed, 0);
        CU_ASSERT_EQUAL(party.allocated, 1);
        CU_ASSERT_EQUAL(party.bound, 1);
        turn_party_stop(&party);
        /* On TCP the server notices; over UDP it waits for the lifetime (RFC 8656, section 6). */
        scene_run(&scene, 1);
        CU_ASSERT_EQUAL(turn_server_statistics(scene.server)->allocations[transports[i]], i == 0 ? 1 : 0);
        scene_run(&scene, 600);
        CU_ASSERT_EQUAL(turn_server_statistics(scene.server)->allocations[transports[i]], 0);
        scene_close(&scene);
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
    struct scene scene;
    scene_open(&scene, NULL);
    struct loss loss = {.drop_first = 3};
    wire_world_set_hook(scene.wire, lossy, &loss);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 3.45); /* sent at 0, 0.5, 1.5, 3.5 s: RFC 8489, section 6.2.1 */
    CU_ASSERT_EQUAL(party.allocated, 0);
    scene_run(&scene, 0.2);
    CU_ASSERT_EQUAL(party.allocated, 1);
    turn_party_stop(&party);
    scene_close(&scene);
}

static void survives_loss_for_hours(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct loss loss = {.every = 3};
    wire_world_set_hook(scene.wire, lossy, &loss);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&party, scene.client_host, &config);
    turn_party_permit(&party, &scene.peer_address);
    scene_run(&scene, 3 * 3600);
    CU_ASSERT_EQUAL(party.allocated, 1);
    CU_ASSERT_EQUAL(party.permitted, 1);
    CU_ASSERT_EQUAL(party.failed + party.refused, 0);
    CU_ASSERT_EQUAL(turn_server_statistics(scene.server)->allocations[TURN_UDP], 1);
    turn_party_stop(&party);
    scene_close(&scene);
}

static void gives_up_on_a_silent_server(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct loss loss = {.drop_first = 1000};
    wire_world_set_hook(scene.wire, lossy, &loss);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 39.4);
    CU_ASSERT_EQUAL(party.failed, 0);
    scene_run(&scene, 0.2);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_EQUAL(party.code, 0);
    CU_ASSERT_STRING_EQUAL(party.reason, "no answer from 5.1.1.1:3478");
    CU_ASSERT_EQUAL(loss.seen, 7); /* Rc */
    scene_run(&scene, 3600);
    CU_ASSERT_EQUAL(loss.seen, 7);
    CU_ASSERT_EQUAL(party.failed, 1);
    turn_party_stop(&party);

    /* And on a server that goes away later: the Refresh at 540 s fails. */
    loss = (struct loss){0};
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    loss.drop_first = 1000;
    scene_run(&scene, 570);
    CU_ASSERT_EQUAL(party.failed, 0);
    scene_run(&scene, 20);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_FALSE(turn_party_send(&party, &scene.peer_address, "x", 1));
    turn_party_stop(&party);
    scene_close(&scene);
}

static void says_why_it_failed(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    config.password = "wrong";
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_EQUAL(party.code, 401);
    turn_party_stop(&party);

    config = scene_client_config(&scene, TURN_TCP);
    config.server.port = 1;
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_EQUAL(party.code, 0);
    CU_ASSERT_STRING_EQUAL(party.reason, "connection refused");
    turn_party_stop(&party);

    /* The server goes while the connection stands. */
    config = scene_client_config(&scene, TURN_TCP);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    turn_server_destroy(scene.server);
    scene.server = NULL;
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    turn_party_stop(&party);
    scene_close(&scene);
}

static void tls_to_the_wrong_server_fails(void)
{
    struct scene scene;
    scene_open_tls(&scene);
    struct certificate *other =
        certificate_create(&(struct certificate_config){.not_before_unix_s = time(NULL) - 60}, NULL);
    struct tls_context_config pinned = {.trust = TLS_TRUST_PINNED};
    pinned.pinned = certificate_fingerprint(other, FINGERPRINT_SHA_256);
    struct tls_context *context = tls_context_create(&pinned, NULL);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_TLS);
    config.tls = context;
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(party.reason, "certificate"));
    turn_party_stop(&party);

    /* A server that accepts and says nothing. */
    config = scene_client_config(&scene, TURN_TLS);
    wire_world_stall_tcp(scene.wire, true);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 41);
    CU_ASSERT_EQUAL(party.failed, 1);
    turn_party_stop(&party);
    scene_close(&scene);
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
    struct scene scene;
    scene_open(&scene, deny_peers);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&party, scene.client_host, &config);
    turn_party_permit(&party, &scene.peer_address); /* before there is an allocation */
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    CU_ASSERT_EQUAL(party.refused, 1);
    CU_ASSERT_EQUAL(party.code, 403);
    CU_ASSERT_FALSE(turn_party_send(&party, &scene.peer_address, "x", 1));
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.refused, 1);
    CU_ASSERT_EQUAL(party.failed, 0);
    turn_party_permit(&party, &scene.peer_address); /* asks again */
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.refused, 2);
    turn_party_stop(&party);
    scene_close(&scene);
}

static void the_number_of_peers_is_bounded(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    struct address peer = address_of("8.1.1.0:5000");
    for (int i = 0; i < 64; i++) {
        peer.ip[3] = (uint8_t)i;
        CU_ASSERT_TRUE(turn_client_permit(party.client, &peer));
    }
    peer.ip[3] = 100;
    CU_ASSERT_FALSE(turn_client_permit(party.client, &peer));
    turn_party_permit(&party, &scene.peer_address);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.permitted, 64);
    turn_party_stop(&party);
    scene_close(&scene);
}

static void redirect_to_second(struct turn_server_config *config) { config->redirect = address_of("5.1.1.9:3478"); }

static void follows_a_redirection(void)
{
    static const enum turn_transport transports[] = {TURN_UDP, TURN_TCP};
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        scene_open(&scene, redirect_to_second);
        struct world_host *second_host = wire_world_host(scene.wire, "5.1.1.9");
        struct turn_server_config second = scene.config;
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
        struct turn_client_config config = scene_client_config(&scene, transports[i]);
        turn_party_start(&party, scene.client_host, &config);
        scene_run(&scene, 1);
        CU_ASSERT_EQUAL(party.redirected, 1);
        CU_ASSERT_EQUAL(party.allocated, 1);
        struct address expected = address_of("5.1.1.9");
        CU_ASSERT_TRUE(address_same_ip(&party.relayed, &expected));
        turn_party_stop(&party);

        /* And back to the first: a circle (RFC 8489, section 10). */
        turn_server_destroy(second_server);
        second.redirect = scene.udp[0];
        second_server = turn_server_create(&second, NULL);
        turn_party_start(&party, scene.client_host, &config);
        scene_run(&scene, 1);
        CU_ASSERT_EQUAL(party.failed, 1);
        CU_ASSERT_EQUAL(party.code, 300);
        turn_party_stop(&party);
        turn_server_destroy(second_server);
        scene_close(&scene);
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
    struct scene scene;
    struct turn_party party;
    scene_open(&scene, short_nonces);
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&party, scene.client_host, &config);
    turn_party_permit(&party, &scene.peer_address);
    scene_run(&scene, 3 * 3600);
    CU_ASSERT_EQUAL(party.failed + party.refused, 0);
    CU_ASSERT_EQUAL(turn_server_statistics(scene.server)->allocations[TURN_UDP], 1);
    CU_ASSERT_TRUE(turn_server_statistics(scene.server)->challenges > 10); /* 438s */
    turn_party_stop(&party);
    scene_close(&scene);

    scene_open(&scene, anonymous);
    config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.allocated, 1);
    turn_party_stop(&party);
    scene_close(&scene);
}

/* Whoever allocated in time stays when the password runs out; a newcomer doesn't get in any more. */
static void time_limited_passwords_are_for_newcomers(void)
{
    struct scene scene;
    struct turn_party party, late;
    char password[TURN_REST_PASSWORD_CAP];
    scene_open(&scene, time_limited);
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_rest_password("north", "1700000300:carol", password);
    config.username = "1700000300:carol";
    config.password = password;
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 3600);
    CU_ASSERT_EQUAL(party.allocated, 1);
    CU_ASSERT_EQUAL(party.failed, 0);
    turn_party_start(&late, scene.client_host, &config);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(late.failed, 1);
    CU_ASSERT_EQUAL(late.code, 401);
    turn_party_stop(&party);
    turn_party_stop(&late);
    scene_close(&scene);
}

static void media_is_dropped_while_the_stream_is_behind(void)
{
    static const enum turn_transport transports[] = {TURN_TCP, TURN_TLS};
    for (size_t i = 0; i < 2; i++) {
        struct scene scene;
        scene_open_tls(&scene);
        struct turn_party party;
        struct turn_client_config config = scene_client_config(&scene, transports[i]);
        config.backlog_bytes = 20000;
        turn_party_start(&party, scene.client_host, &config);
        scene_run(&scene, 1);
        turn_party_send(&party, &scene.peer_address, "begin", 5);
        scene_run(&scene, 1);
        CU_ASSERT_EQUAL(party.bound, 1);
        wire_world_stall_tcp(scene.wire, true);
        uint8_t media[1000] = {0x80};
        unsigned sent = 0;
        for (int j = 0; j < 100; j++)
            sent += turn_party_send(&party, &scene.peer_address, media, sizeof media);
        CU_ASSERT_TRUE(sent >= 19 && sent <= 21);
        CU_ASSERT_EQUAL(turn_client_dropped(party.client), 100 - sent);
        wire_world_stall_tcp(scene.wire, false);
        turn_client_set_waiting(party.client, 0);
        scene_run(&scene, 1);
        CU_ASSERT_EQUAL(scene.peer.count, 1 + sent);
        CU_ASSERT_TRUE(turn_party_send(&party, &scene.peer_address, media, sizeof media));
        /* The server's side of it: 256 KiB for a client that doesn't read. */
        wire_world_stall_tcp(scene.wire, true);
        for (int j = 0; j < 400; j++) {
            witness_send(&scene.peer, &party.relayed, media, sizeof media);
            scene_run(&scene, 0.02);
        }
        CU_ASSERT_TRUE(turn_server_statistics(scene.server)->packets_dropped > 100);
        wire_world_stall_tcp(scene.wire, false);
        scene_run(&scene, 1);
        CU_ASSERT_TRUE(party.data_count > 250 && party.data_count < 300);
        turn_party_stop(&party);
        scene_close(&scene);
    }
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
          {"senseless configurations are refused", senseless_configurations_are_refused},
          {"the seed decides the bytes", the_seed_decides_the_bytes});
}
