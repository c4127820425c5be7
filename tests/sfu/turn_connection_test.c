/* The server's TCP and TLS side: who may connect, for how long, and what ends a connection. */
#include <string.h>
#include <time.h>

#include "rtc/certificate.h"
#include "rtc/tls_stream.h"
#include "sfu/turn_server.h"
#include "tests/support/suite.h"
#include "tests/support/turn_asker.h"

static const struct turn_user USERS[] = {{"alice", "wonderland"}};

struct stage {
    struct wire_world *wire;
    struct world_host *client_host;
    struct turn_server *server;
    struct address tcp, tls;
    struct certificate *certificate;
    struct tls_context *server_tls, *client_tls;
};

static void stage_open(struct stage *stage, uint32_t connection_limit)
{
    *stage = (struct stage){0};
    stage->wire = wire_world_create(NULL);
    stage->client_host = wire_world_host(stage->wire, "6.1.1.1");
    stage->tcp = address_of("5.1.1.1:3478");
    stage->tls = address_of("5.1.1.1:5349");
    stage->certificate = certificate_create(&(struct certificate_config){.not_before_unix_s = time(NULL) - 60}, NULL);
    stage->server_tls =
        tls_context_create(&(struct tls_context_config){.server = true, .certificate = stage->certificate}, NULL);
    stage->client_tls = tls_context_create(&(struct tls_context_config){0}, NULL);
    struct turn_server_config config = {.host = wire_world_host(stage->wire, "5.1.1.1"),
                                        .tcp = &stage->tcp,
                                        .tcp_count = 1,
                                        .tls = &stage->tls,
                                        .tls_count = 1,
                                        .tls_context = stage->server_tls,
                                        .relay_ipv4 = address_of("5.1.1.1"),
                                        .users = USERS,
                                        .user_count = 1,
                                        .connection_limit = connection_limit};
    stage->server = turn_server_create(&config, NULL);
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

/* A bare connection that remembers what it got. */
struct bare {
    struct world_tcp *tcp;
    uint8_t data[4096];
    size_t len;
    bool connected, closed;
};

static void on_connected(void *user, struct world_tcp *tcp, nanos now)
{
    (void)tcp;
    (void)now;
    ((struct bare *)user)->connected = true;
}
static void on_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    struct bare *bare = user;
    (void)tcp;
    (void)now;
    if (bare->len + len <= sizeof bare->data) {
        memcpy(bare->data + bare->len, data, len);
        bare->len += len;
    }
}
static void on_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    (void)reason;
    (void)now;
    ((struct bare *)user)->closed = true;
    world_tcp_close(tcp);
}

static void bare_connect(struct bare *bare, struct stage *stage, const struct address *server)
{
    static const struct world_tcp_callbacks CALLBACKS = {
        .connected = on_connected, .received = on_received, .closed = on_closed};
    *bare = (struct bare){0};
    bare->tcp = world_tcp_connect(stage->client_host, server, &CALLBACKS, bare, NULL);
    wire_world_run_for(stage->wire, NANOS_PER_MS);
}

static uint64_t connections(const struct stage *stage) { return turn_server_statistics(stage->server)->connections; }

static void binding_over_tcp_in_any_pieces(void)
{
    struct stage stage;
    struct bare bare;
    stage_open(&stage, 0);
    bare_connect(&bare, &stage, &stage.tcp);
    uint8_t requests[60];
    struct stun_builder builder;
    for (size_t i = 0; i < 3; i++) {
        stun_begin(&builder, requests + 20 * i, 20, STUN_REQUEST, STUN_BINDING, (const uint8_t *)"0123456789ab");
        CU_ASSERT_EQUAL(stun_finish(&builder), 20);
    }
    for (size_t i = 0; i < sizeof requests; i += 7)
        world_tcp_send(bare.tcp, requests + i, sizeof requests - i < 7 ? sizeof requests - i : 7);
    wire_world_run_for(stage.wire, NANOS_PER_MS);
    struct stun_message response;
    struct address mapped = {0}, mine = world_tcp_local(bare.tcp);
    CU_ASSERT_EQUAL(bare.len, 96);
    CU_ASSERT_TRUE_FATAL(stun_parse(&response, bare.data, 32, NULL));
    CU_ASSERT_TRUE(stun_get_mapped_address(&response, &mapped));
    CU_ASSERT_TRUE(address_equal(&mapped, &mine));
    stage_close(&stage);
}

static void what_is_not_turn_ends_the_connection(void)
{
    static const char *const garbage[] = {"\x80\x60garbage garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
                                          "POST / HTTP/1.1\r\n\r\n", "\x01\x02\x03\x05 not a multiple of four"};
    struct stage stage;
    struct bare bare;
    stage_open(&stage, 0);
    for (size_t i = 0; i < 4; i++) {
        bare_connect(&bare, &stage, &stage.tcp);
        world_tcp_send(bare.tcp, (const uint8_t *)garbage[i], strlen(garbage[i]));
        wire_world_run_for(stage.wire, NANOS_PER_MS);
        CU_ASSERT_TRUE(bare.connected);
        CU_ASSERT_TRUE(bare.closed);
    }
    bare_connect(&bare, &stage, &stage.tls);
    world_tcp_send(bare.tcp, (const uint8_t *)"GET / HTTP/1.0\r\n\r\n", 18);
    wire_world_run_for(stage.wire, NANOS_PER_MS);
    CU_ASSERT_TRUE(bare.closed);
    CU_ASSERT_EQUAL(connections(&stage), 0);
    stage_close(&stage);
}

static void idle_connections_are_closed_and_busy_ones_are_not(void)
{
    struct stage stage;
    struct bare silent, half, chatty;
    struct turn_party party;
    stage_open(&stage, 0);
    bare_connect(&silent, &stage, &stage.tcp);
    bare_connect(&half, &stage, &stage.tls);
    bare_connect(&chatty, &stage, &stage.tcp);
    world_tcp_send(half.tcp, (const uint8_t *)"\x16\x03\x01", 3); /* a handshake that goes no further */
    struct turn_client_config config = {
        .server = stage.tls, .transport = TURN_TLS, .username = "alice", .password = "wonderland"};
    config.tls = stage.client_tls;
    turn_party_start(&party, stage.client_host, &config);
    for (int i = 0; i < 29; i++) { /* saying something doesn't help: only an allocation does */
        uint8_t request[20];
        struct stun_builder builder;
        stun_begin(&builder, request, 20, STUN_REQUEST, STUN_BINDING, (const uint8_t *)"0123456789ab");
        world_tcp_send(chatty.tcp, request, stun_finish(&builder));
        wire_world_run_for(stage.wire, NANOS_PER_S);
    }
    CU_ASSERT_EQUAL(chatty.len, 29 * 32);
    CU_ASSERT_FALSE(silent.closed);
    CU_ASSERT_EQUAL(connections(&stage), 4);
    wire_world_run_for(stage.wire, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(silent.closed && half.closed && chatty.closed);
    CU_ASSERT_EQUAL(connections(&stage), 1);
    wire_world_run_for(stage.wire, 7200 * NANOS_PER_S);
    CU_ASSERT_EQUAL(party.allocated, 1);
    CU_ASSERT_EQUAL(party.failed, 0);
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->allocations[TURN_TLS], 1);
    /* Given back, the connection is idle again. */
    turn_party_release(&party);
    wire_world_run_for(stage.wire, NANOS_PER_S);
    CU_ASSERT_EQUAL(party.released, 1);
    wire_world_run_for(stage.wire, 31 * NANOS_PER_S);
    CU_ASSERT_EQUAL(connections(&stage), 0);
    turn_party_stop(&party);
    stage_close(&stage);
}

static void the_number_of_connections_is_bounded(void)
{
    enum { LIMIT = 40, IDLE = LIMIT / 4 + 1, MANY = 100 };
    static struct bare many[MANY];
    struct stage stage;
    unsigned closed = 0;
    stage_open(&stage, LIMIT);
    for (int i = 0; i < MANY; i++) {
        bare_connect(&many[i], &stage, i % 2 ? &stage.tcp : &stage.tls);
        closed += many[i].closed;
    }
    CU_ASSERT_EQUAL(closed, MANY - IDLE);
    CU_ASSERT_EQUAL(connections(&stage), IDLE);
    /* Once they are gone others get in, and those with allocations don't count as idle. */
    wire_world_run_for(stage.wire, 31 * NANOS_PER_S);
    static struct turn_party parties[LIMIT + 2];
    unsigned allocated = 0;
    for (int i = 0; i < LIMIT + 2; i++) {
        struct turn_client_config config = {
            .server = stage.tcp, .transport = TURN_TCP, .username = "alice", .password = "wonderland"};
        config.seed = (uint64_t)i;
        turn_party_start(&parties[i], stage.client_host, &config);
        wire_world_run_for(stage.wire, NANOS_PER_S);
        allocated += parties[i].allocated;
    }
    CU_ASSERT_EQUAL(allocated, LIMIT);
    for (int i = 0; i < LIMIT + 2; i++)
        turn_party_stop(&parties[i]);
    wire_world_run_for(stage.wire, NANOS_PER_S);
    CU_ASSERT_EQUAL(connections(&stage), 0);
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->allocations[TURN_TCP], 0);
    stage_close(&stage);
}

void turn_connection_test(void)
{
    SUITE("turn_connection", {"Binding over TCP in any pieces", binding_over_tcp_in_any_pieces},
          {"what is not TURN ends the connection", what_is_not_turn_ends_the_connection},
          {"idle connections are closed, busy ones not", idle_connections_are_closed_and_busy_ones_are_not},
          {"the number of connections is bounded", the_number_of_connections_is_bounded});
}
