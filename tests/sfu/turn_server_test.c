/* The server's answers, one by one: RFC 8656, sections 7 to 12, and RFC 8489, section 9.2. */
#include "sfu/turn_server.h"

#include <string.h>

#include "tests/support/suite.h"
#include "tests/support/turn_asker.h"

static const struct turn_user USERS[] = {{"alice", "wonderland"}, {"bob", "builder"}, {"100%n%s", "percent"}};

struct stage {
    struct wire_world *wire;
    struct world_host *server_host, *client_host, *peer_host;
    struct turn_server *server;
    struct address udp, tcp;
    struct turn_server_config config;
    struct asker alice;
    struct witness peer;
};

static void stage_open(struct stage *stage, void (*change)(struct turn_server_config *config))
{
    *stage = (struct stage){0};
    stage->wire = wire_world_create(&(struct wire_world_config){.start = 1000 * NANOS_PER_S});
    stage->server_host = wire_world_host(stage->wire, "5.1.1.1 2a05::1");
    stage->client_host = wire_world_host(stage->wire, "6.1.1.1 2a06::1");
    stage->peer_host = wire_world_host(stage->wire, "7.1.1.1 2a07::1");
    stage->udp = stage->tcp = address_of("5.1.1.1:3478");
    stage->config = (struct turn_server_config){
        .host = stage->server_host,
        .udp = &stage->udp,
        .udp_count = 1,
        .tcp = &stage->tcp,
        .tcp_count = 1,
        .relay_ipv4 = address_of("5.1.1.1"),
        .relay_ipv6 = address_of("2a05::1"),
        .users = USERS,
        .user_count = 3,
        .seed = 7,
    };
    if (change != NULL)
        change(&stage->config);
    stage->server = turn_server_create(&stage->config, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stage->server);
    asker_open(&stage->alice, stage->wire, stage->client_host, "6.1.1.1:0", &stage->udp);
    witness_open(&stage->peer, stage->peer_host, "7.1.1.1:7000");
    CU_ASSERT_EQUAL(asker_challenge(&stage->alice), 401);
}

static void stage_close(struct stage *stage)
{
    turn_server_destroy(stage->server);
    wire_world_destroy(stage->wire);
}

static uint64_t allocations(const struct stage *stage)
{
    return turn_server_statistics(stage->server)->allocations[TURN_UDP];
}

static uint32_t lifetime_s(const struct asker *asker)
{
    uint32_t value = UINT32_MAX;
    stun_get_u32(&asker->response, STUN_ATTR_LIFETIME, &value);
    return value;
}

static struct stun_builder *begin_allocate(struct asker *asker)
{
    struct stun_builder *builder = asker_begin(asker, STUN_REQUEST, STUN_ALLOCATE);
    stun_put_transport(builder, STUN_TRANSPORT_UDP);
    return builder;
}

/* --- Allocate --------------------------------------------------------------------------------------------------- */

static void allocate_answers_with_everything(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    struct address mapped = {0}, mine = world_udp_address(alice->socket.udp);
    uint8_t key[STUN_KEY_CAP];
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    CU_ASSERT_EQUAL(lifetime_s(alice), 600);
    CU_ASSERT_TRUE(stun_get_mapped_address(&alice->response, &mapped));
    CU_ASSERT_TRUE(address_equal(&mapped, &mine));
    struct address relayed = asker_relayed(alice);
    CU_ASSERT_TRUE(address_same_ip(&relayed, &stage.config.relay_ipv4));
    CU_ASSERT_TRUE(relayed.port >= 49152);
    CU_ASSERT_TRUE(stun_has(&alice->response, STUN_ATTR_SOFTWARE));
    /* RFC 8489, section 9.2.4: signed as it was asked, and without REALM and NONCE. */
    CU_ASSERT_EQUAL(stun_integrity_of(&alice->response), STUN_INTEGRITY_SHA256);
    size_t key_len = stun_long_term_key(STUN_PASSWORD_SHA256, "alice", alice->realm, "wonderland", key);
    CU_ASSERT_TRUE(stun_check_integrity(&alice->response, key, key_len));
    CU_ASSERT_FALSE(stun_has(&alice->response, STUN_ATTR_NONCE));
    stage_close(&stage);
}

static void a_client_of_old_gets_sha1(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    uint8_t key[STUN_KEY_CAP];
    stage.alice.md5 = true;
    CU_ASSERT_EQUAL(asker_allocate(&stage.alice), 0);
    CU_ASSERT_EQUAL(stun_integrity_of(&stage.alice.response), STUN_INTEGRITY_SHA1);
    size_t key_len = stun_long_term_key(STUN_PASSWORD_MD5, "alice", stage.alice.realm, "wonderland", key);
    CU_ASSERT_TRUE(stun_check_integrity(&stage.alice.response, key, key_len));
    stage_close(&stage);
}

static void a_repeated_allocate_gets_the_same_answer(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    stun_put_u8(begin_allocate(alice), STUN_ATTR_EVEN_PORT, 0x80);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    struct address relayed = asker_relayed(alice);
    uint64_t token = 0, again = 1;
    stun_get_u64(&alice->response, STUN_ATTR_RESERVATION_TOKEN, &token);
    CU_ASSERT_EQUAL(asker_repeat(alice), 0);
    struct address repeated = asker_relayed(alice);
    stun_get_u64(&alice->response, STUN_ATTR_RESERVATION_TOKEN, &again);
    CU_ASSERT_TRUE(address_equal(&relayed, &repeated));
    CU_ASSERT_EQUAL(token, again);
    CU_ASSERT_EQUAL(allocations(&stage), 1);
    CU_ASSERT_EQUAL(asker_allocate(alice), 437); /* another request on the same 5-tuple */
    stage_close(&stage);
}

static void lifetimes_have_limits(void)
{
    static const uint32_t asked[] = {0, 100, 600, 1800, 3600, 99999, UINT32_MAX};
    static const uint32_t given[] = {600, 600, 600, 1800, 3600, 3600, 3600};
    for (size_t i = 0; i < 7; i++) {
        struct stage stage;
        stage_open(&stage, NULL);
        struct asker *alice = &stage.alice;
        stun_put_u32(begin_allocate(alice), STUN_ATTR_LIFETIME, asked[i]);
        CU_ASSERT_EQUAL(asker_ask(alice), 0);
        CU_ASSERT_EQUAL(lifetime_s(alice), given[i]);
        wire_world_run_for(stage.wire, (given[i] - 2) * NANOS_PER_S);
        CU_ASSERT_EQUAL(allocations(&stage), 1);
        wire_world_run_for(stage.wire, 2 * NANOS_PER_S);
        CU_ASSERT_EQUAL(allocations(&stage), 0);
        stage_close(&stage);
    }
}

static void wrong_allocates_get_their_codes(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    asker_begin(alice, STUN_REQUEST, STUN_ALLOCATE);
    CU_ASSERT_EQUAL(asker_ask(alice), 400); /* REQUESTED-TRANSPORT is missing */
    stun_put_u8(asker_begin(alice, STUN_REQUEST, STUN_ALLOCATE), STUN_ATTR_REQUESTED_TRANSPORT, 17);
    CU_ASSERT_EQUAL(asker_ask(alice), 400); /* or one byte long */
    stun_put_transport(asker_begin(alice, STUN_REQUEST, STUN_ALLOCATE), STUN_TRANSPORT_TCP);
    CU_ASSERT_EQUAL(asker_ask(alice), 442);
    stun_put_u32(begin_allocate(alice), STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 0x03000000);
    CU_ASSERT_EQUAL(asker_ask(alice), 440);

    struct stun_builder *builder = begin_allocate(alice);
    stun_put_family(builder, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV4);
    stun_put_family(builder, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    stun_put_family(begin_allocate(alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV4);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    builder = begin_allocate(alice);
    stun_put_u8(builder, STUN_ATTR_EVEN_PORT, 0x80);
    stun_put_family(builder, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);

    stun_put_u64(begin_allocate(alice), STUN_ATTR_RESERVATION_TOKEN, 12345);
    CU_ASSERT_EQUAL(asker_ask(alice), 508);
    stun_put_u64(begin_allocate(alice), STUN_ATTR_RESERVATION_TOKEN, 0);
    CU_ASSERT_EQUAL(asker_ask(alice), 508);
    stun_put_u32(begin_allocate(alice), STUN_ATTR_RESERVATION_TOKEN, 1);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    builder = begin_allocate(alice);
    stun_put_u64(builder, STUN_ATTR_RESERVATION_TOKEN, 12345);
    stun_put_u8(builder, STUN_ATTR_EVEN_PORT, 0);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);

    /* What the server doesn't know or can't do is listed. */
    builder = begin_allocate(alice);
    stun_put_flag(builder, STUN_ATTR_DONT_FRAGMENT);
    stun_put_u32(builder, 0x7abc, 1);
    stun_put_u32(builder, 0xfabc, 1); /* comprehension-optional */
    CU_ASSERT_EQUAL(asker_ask(alice), 420);
    struct stun_attribute unknown;
    CU_ASSERT_TRUE_FATAL(stun_find(&alice->response, STUN_ATTR_UNKNOWN_ATTRIBUTES, &unknown));
    CU_ASSERT_EQUAL(unknown.len, 4);
    CU_ASSERT_EQUAL(bytes_get16(unknown.value), STUN_ATTR_DONT_FRAGMENT);
    CU_ASSERT_EQUAL(bytes_get16(unknown.value + 2), 0x7abc);
    CU_ASSERT_EQUAL(allocations(&stage), 0);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:7000"), 437); /* there is no allocation */
    CU_ASSERT_EQUAL(asker_refresh(alice, 600), 437);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7000"), 437);
    asker_begin(alice, STUN_REQUEST, STUN_CONNECT);
    CU_ASSERT_EQUAL(asker_ask(alice), -1); /* RFC 6062 isn't served: RFC 8489, section 6.3, drops the method */
    stage_close(&stage);
}

static void ipv4_alone(struct turn_server_config *config) { config->relay_ipv6 = (struct address){0}; }
static void ipv6_alone(struct turn_server_config *config) { config->relay_ipv4 = (struct address){0}; }

static void families_are_given_as_asked(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    struct address ipv6 = {0};
    stun_put_family(begin_allocate(alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    CU_ASSERT_EQUAL(asker_relayed(alice).family, ADDRESS_IPV4);
    struct stun_attribute attribute = {0};
    unsigned relayed = 0;
    while (stun_next(&alice->response, &attribute))
        relayed += attribute.type == STUN_ATTR_XOR_RELAYED_ADDRESS;
    CU_ASSERT_EQUAL(relayed, 2);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:1"), 0);
    CU_ASSERT_EQUAL(asker_permit(alice, "[2a07::1]:1"), 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4001, "[2a07::1]:7000"), 0);

    /* One of the two goes, with what belongs to it; the other stays (section 8.1). */
    struct stun_builder *builder = asker_begin(alice, STUN_REQUEST, STUN_REFRESH);
    stun_put_u32(builder, STUN_ATTR_LIFETIME, 0);
    stun_put_family(builder, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    CU_ASSERT_EQUAL(allocations(&stage), 1);
    CU_ASSERT_EQUAL(asker_permit(alice, "[2a07::1]:1"), 443);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4002, "[2a07::1]:7000"), 443);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:1"), 0);
    stun_put_family(asker_begin(alice, STUN_REQUEST, STUN_REFRESH), STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 443);
    CU_ASSERT_EQUAL(asker_refresh(alice, 0), 0);
    CU_ASSERT_EQUAL(allocations(&stage), 0);
    stage_close(&stage);

    stage_open(&stage, ipv4_alone);
    uint8_t family = 0;
    unsigned code = 0;
    stun_put_family(begin_allocate(&stage.alice), STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(&stage.alice), 440);
    stun_put_family(begin_allocate(&stage.alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(&stage.alice), 0);
    CU_ASSERT_TRUE(stun_get_address_error_code(&stage.alice.response, &family, &code));
    CU_ASSERT_EQUAL(family, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(code, 440);
    stage_close(&stage);

    stage_open(&stage, ipv6_alone);
    CU_ASSERT_EQUAL(asker_allocate(&stage.alice), 440);
    stun_put_family(begin_allocate(&stage.alice), STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(&stage.alice), 0);
    ipv6 = asker_relayed(&stage.alice);
    CU_ASSERT_EQUAL(ipv6.family, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_permit(&stage.alice, "7.1.1.1:1"), 443);
    stage_close(&stage);
}

static void few_ports(struct turn_server_config *config)
{
    config->relay_port_min = 50000;
    config->relay_port_max = 50003;
}

static void even_ports_pairs_and_reservations(void)
{
    struct stage stage;
    stage_open(&stage, few_ports);
    struct asker *alice = &stage.alice, bob;
    asker_open(&bob, stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
    bob.username = "bob";
    bob.password = "builder";
    asker_challenge(&bob);
    stun_put_u8(begin_allocate(alice), STUN_ATTR_EVEN_PORT, 0x80);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    struct address even = asker_relayed(alice);
    uint64_t token = 0;
    CU_ASSERT_EQUAL(even.port % 2, 0);
    CU_ASSERT_TRUE(stun_get_u64(&alice->response, STUN_ATTR_RESERVATION_TOKEN, &token));

    /* The server-wide token: another client may use it, once. */
    stun_put_u64(begin_allocate(&bob), STUN_ATTR_RESERVATION_TOKEN, token);
    CU_ASSERT_EQUAL(asker_ask(&bob), 0);
    CU_ASSERT_EQUAL(asker_relayed(&bob).port, even.port + 1);
    CU_ASSERT_EQUAL(asker_refresh(&bob, 0), 0);
    stun_put_u64(begin_allocate(&bob), STUN_ATTR_RESERVATION_TOKEN, token);
    CU_ASSERT_EQUAL(asker_ask(&bob), 508);

    /* Four ports: one pair is left, of which the reserved half comes back after 30 s. */
    CU_ASSERT_EQUAL(asker_refresh(alice, 0), 0);
    stun_put_u8(begin_allocate(alice), STUN_ATTR_EVEN_PORT, 0x80);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    stun_put_u8(begin_allocate(&bob), STUN_ATTR_EVEN_PORT, 0x80);
    CU_ASSERT_EQUAL(asker_ask(&bob), 0);
    struct asker more[3];
    for (int i = 0; i < 3; i++) {
        asker_open(&more[i], stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
        asker_challenge(&more[i]);
    }
    CU_ASSERT_EQUAL(asker_allocate(&more[0]), 508);
    wire_world_run_for(stage.wire, 31 * NANOS_PER_S);
    CU_ASSERT_EQUAL(asker_allocate(&more[0]), 0);
    CU_ASSERT_EQUAL(asker_relayed(&more[0]).port % 2, 1);
    stun_put_u8(begin_allocate(&more[1]), STUN_ATTR_EVEN_PORT, 0);
    CU_ASSERT_EQUAL(asker_ask(&more[1]), 508); /* an odd one is left, but no even one */
    CU_ASSERT_EQUAL(asker_allocate(&more[1]), 0);
    CU_ASSERT_EQUAL(asker_allocate(&more[2]), 508);
    stage_close(&stage);
}

/* Attack 5: coturn once lost a port with each. */
static void even_port_leaks_none(void)
{
    struct stage stage;
    stage_open(&stage, few_ports);
    for (int i = 0; i < 10000; i++) {
        stun_put_u8(begin_allocate(&stage.alice), STUN_ATTR_EVEN_PORT, 0);
        int allocated = asker_ask(&stage.alice);
        int released = asker_refresh(&stage.alice, 0);
        if (allocated == 438 || released == 438) {
            asker_refresh(&stage.alice, 0); /* the nonce grew old; the rejection brought a new one */
            continue;
        }
        if (allocated != 0 || released != 0) {
            CU_FAIL("a port was lost");
            break;
        }
    }
    CU_ASSERT_EQUAL(allocations(&stage), 0);
    stage_close(&stage);
}

static void one_each(struct turn_server_config *config) { config->user_quota = 1; }
static void two_in_all(struct turn_server_config *config) { config->total_quota = 2; }

static void quotas_hold(void)
{
    struct stage stage;
    stage_open(&stage, one_each);
    struct asker second, bob;
    asker_open(&second, stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
    asker_open(&bob, stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
    bob.username = "bob";
    bob.password = "builder";
    asker_challenge(&second);
    asker_challenge(&bob);
    stun_put_u8(begin_allocate(&stage.alice), STUN_ATTR_EVEN_PORT, 0x80);
    CU_ASSERT_EQUAL(asker_ask(&stage.alice), 486); /* a reservation counts */
    CU_ASSERT_EQUAL(asker_allocate(&stage.alice), 0);
    CU_ASSERT_EQUAL(asker_allocate(&second), 486);
    CU_ASSERT_EQUAL(asker_allocate(&bob), 0);
    CU_ASSERT_EQUAL(asker_refresh(&stage.alice, 0), 0);
    CU_ASSERT_EQUAL(asker_allocate(&second), 0);
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->allocations_refused, 2);
    stage_close(&stage);

    stage_open(&stage, two_in_all);
    asker_open(&second, stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
    asker_open(&bob, stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
    asker_challenge(&second);
    asker_challenge(&bob);
    CU_ASSERT_EQUAL(asker_allocate(&stage.alice), 0);
    CU_ASSERT_EQUAL(asker_allocate(&second), 0);
    CU_ASSERT_EQUAL(asker_allocate(&bob), 508);
    stage_close(&stage);
}

/* Attack 8: closing the connection and allocating anew doesn't get past the quota, nor lock one out. */
static void reconnecting_counts_once(void)
{
    struct stage stage;
    stage_open(&stage, one_each);
    struct turn_client_config config = {.server = stage.tcp, .username = "alice", .password = "wonderland"};
    config.transport = TURN_TCP;
    for (int i = 0; i < 20; i++) {
        struct turn_party party, too_many;
        turn_party_start(&party, stage.client_host, &config);
        wire_world_run_for(stage.wire, NANOS_PER_S);
        CU_ASSERT_EQUAL(party.allocated, 1);
        turn_party_start(&too_many, stage.client_host, &config);
        wire_world_run_for(stage.wire, NANOS_PER_S);
        CU_ASSERT_EQUAL(too_many.failed, 1);
        CU_ASSERT_EQUAL(too_many.code, 486);
        turn_party_stop(&too_many);
        turn_party_stop(&party); /* without goodbye */
        wire_world_run_for(stage.wire, NANOS_PER_S);
    }
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->connections, 0);
    stage_close(&stage);
}

/* --- credentials ------------------------------------------------------------------------------------------------ */

static void challenges_as_rfc_8489_wants(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice, other;
    uint16_t algorithms[3];
    CU_ASSERT_STRING_EQUAL(alice->realm, "confab");
    CU_ASSERT_EQUAL(stun_nonce_features(alice->nonce), STUN_FEATURE_PASSWORD_ALGORITHMS);
    CU_ASSERT_EQUAL(stun_get_password_algorithms(&alice->response, STUN_ATTR_PASSWORD_ALGORITHMS, algorithms, 3), 2);
    CU_ASSERT_EQUAL(algorithms[0], STUN_PASSWORD_SHA256);
    CU_ASSERT_EQUAL(stun_integrity_of(&alice->response), STUN_INTEGRITY_NONE);
    /* 9.2.4: never the same nonce for two ports. */
    asker_open(&other, stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
    CU_ASSERT_EQUAL(asker_challenge(&other), 401);
    CU_ASSERT_STRING_NOT_EQUAL(other.nonce, alice->nonce);

    /* Integrity without who, where or when: 400, which tells nothing. */
    static const uint16_t required[] = {STUN_ATTR_USERNAME, STUN_ATTR_REALM, STUN_ATTR_NONCE};
    for (int missing = 0; missing < 3; missing++) {
        struct stun_builder *builder = begin_allocate(alice);
        for (int i = 0; i < 3; i++) {
            if (i != missing)
                stun_put_text(builder, required[i], "x");
        }
        stun_put_integrity(builder, STUN_INTEGRITY_SHA1, "key", 3);
        CU_ASSERT_EQUAL(asker_send(alice), 400);
        CU_ASSERT_FALSE(stun_has(&alice->response, STUN_ATTR_NONCE));
    }

    /* Wrong password, unknown user: the same 401 with a new challenge. */
    alice->password = "wrong";
    CU_ASSERT_EQUAL(asker_allocate(alice), 401);
    CU_ASSERT_TRUE(stun_has(&alice->response, STUN_ATTR_NONCE));
    size_t len = alice->response.len;
    alice->username = "mallory";
    CU_ASSERT_EQUAL(asker_allocate(alice), 401);
    CU_ASSERT_EQUAL(alice->response.len, len);
    stage_close(&stage);
}

/* Attack 12: a list of algorithms other than the one the nonce came with. */
static void a_changed_list_of_algorithms_is_refused(void)
{
    static const uint16_t changed[][2] = {{STUN_PASSWORD_MD5, STUN_PASSWORD_SHA256},
                                          {STUN_PASSWORD_MD5, 0},
                                          {STUN_PASSWORD_SHA256, STUN_PASSWORD_SHA256}};
    struct stage stage;
    uint8_t key[STUN_KEY_CAP];
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    size_t key_len = stun_long_term_key(STUN_PASSWORD_MD5, "alice", alice->realm, "wonderland", key);
    for (int i = 0; i < 5; i++) {
        struct stun_builder *builder = begin_allocate(alice);
        stun_put_text(builder, STUN_ATTR_USERNAME, "alice");
        stun_put_text(builder, STUN_ATTR_REALM, alice->realm);
        stun_put_text(builder, STUN_ATTR_NONCE, alice->nonce);
        if (i != 3)
            stun_put_password_algorithms(builder, STUN_ATTR_PASSWORD_ALGORITHMS, changed[i % 3],
                                         i < 3 && changed[i][1] != 0 ? 2 : 1);
        if (i != 4)
            stun_put_password_algorithms(builder, STUN_ATTR_PASSWORD_ALGORITHM, changed[0], 1);
        stun_put_integrity(builder, STUN_INTEGRITY_SHA1, key, key_len);
        CU_ASSERT_EQUAL(asker_send(alice), 400);
    }
    /* The cookie's feature bits taken off: not a nonce of this server any more. */
    char nonce[sizeof alice->nonce];
    strcpy(nonce, alice->nonce);
    memcpy(alice->nonce + 9, "AAAA", 4);
    alice->md5 = true;
    CU_ASSERT_EQUAL(asker_allocate(alice), 438);
    CU_ASSERT_EQUAL(stun_nonce_features(alice->nonce), STUN_FEATURE_PASSWORD_ALGORITHMS);
    stage_close(&stage);
}

static void short_nonces(struct turn_server_config *config) { config->nonce_lifetime_s = 60; }

/* Attack 9. */
static void nonces_age_and_travel_badly(void)
{
    struct stage stage;
    stage_open(&stage, short_nonces);
    struct asker *alice = &stage.alice, other;
    asker_open(&other, stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
    strcpy(other.realm, alice->realm);
    strcpy(other.nonce, alice->nonce);
    CU_ASSERT_EQUAL(asker_allocate(&other), 438); /* somebody else's */
    CU_ASSERT_EQUAL(asker_allocate(&other), 0);   /* the one it brought */
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    wire_world_run_for(stage.wire, 70 * NANOS_PER_S);
    char stale[sizeof alice->nonce];
    strcpy(stale, alice->nonce);
    CU_ASSERT_EQUAL(asker_refresh(alice, 600), 438);
    CU_ASSERT_STRING_NOT_EQUAL(alice->nonce, stale);
    CU_ASSERT_EQUAL(asker_refresh(alice, 600), 0);
    /* From the future, shorter, longer, not base64. */
    static const char *const wrong[] = {"obMatJos2gAAA", "x", "obMatJos2gAAA////////////////////",
                                        "obMatJos2gAAA!!!!!!!!!!!!!!!!!!!!"};
    for (size_t i = 0; i < 4; i++) {
        strcpy(alice->nonce, wrong[i]);
        CU_ASSERT_EQUAL(asker_refresh(alice, 600), 438);
    }
    memset(alice->nonce, 'n', sizeof alice->nonce - 1);
    alice->nonce[sizeof alice->nonce - 1] = '\0';
    CU_ASSERT_EQUAL(asker_refresh(alice, 600), 438);
    stage_close(&stage);
}

static void an_allocation_belongs_to_who_made_it(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    alice->username = "bob";
    alice->password = "builder";
    CU_ASSERT_EQUAL(asker_refresh(alice, 0), 441);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:1"), 441);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:1"), 441);
    CU_ASSERT_EQUAL(allocations(&stage), 1);
    alice->username = "alice";
    CU_ASSERT_EQUAL(asker_refresh(alice, 0), 401);
    alice->password = "wonderland";
    CU_ASSERT_EQUAL(asker_refresh(alice, 0), 0);
    stage_close(&stage);
}

/* Attacks 13 and 15: names that are formats, that hold a NUL, and texts longer than any buffer. */
static void odd_names_are_just_names(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    struct stun_builder *builder;
    uint8_t key[STUN_KEY_CAP];
    char long_text[1201];
    memset(long_text, 'r', 1200);
    long_text[1200] = '\0';
    size_t key_len = stun_long_term_key(STUN_PASSWORD_MD5, "alice", "confab", "wonderland", key);
    for (int i = 0; i < 4; i++) {
        builder = begin_allocate(alice);
        if (i == 0)
            stun_put_bytes(builder, STUN_ATTR_USERNAME, "alice\0admin", 11);
        else
            stun_put_text(builder, STUN_ATTR_USERNAME, i == 1 ? long_text : "alice");
        stun_put_text(builder, STUN_ATTR_REALM, i == 2 ? long_text : "confab");
        stun_put_text(builder, STUN_ATTR_NONCE, i == 3 ? long_text : alice->nonce);
        stun_put_integrity(builder, STUN_INTEGRITY_SHA1, key, key_len);
        int code = asker_send(alice);
        /* The realm is no part of the proof beyond what the key holds; all else must be right. */
        CU_ASSERT_EQUAL(code, i == 3 ? 438 : i == 2 ? 0 : 401);
    }
    CU_ASSERT_EQUAL(asker_refresh(alice, 0), 0);
    alice->username = "100%n%s";
    alice->password = "percent";
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    stage_close(&stage);
}

static void time_limited(struct turn_server_config *config)
{
    config->shared_secret = "north";
    config->unix_time_at_zero_s = 1700000000;
    config->user_quota = 1;
}

static void time_limited_passwords(void)
{
    struct stage stage;
    char password[TURN_REST_PASSWORD_CAP];
    stage_open(&stage, time_limited);
    struct asker *alice = &stage.alice, second;
    alice->password = password;
    /* HMAC-SHA1("north", "1433895918:ninefingers"), by `openssl dgst -sha1 -hmac north -binary | base64`. */
    turn_rest_password("north", "1433895918:ninefingers", password);
    CU_ASSERT_STRING_EQUAL(password, "jy8hTxmOO7UtEKXqSkSlvakPVYA=");
    alice->username = "1433895918:ninefingers";
    CU_ASSERT_EQUAL(asker_allocate(alice), 401); /* expired in 2015 */
    alice->username = "1700002000:carol";
    CU_ASSERT_EQUAL(asker_allocate(alice), 401); /* the password is for another */
    turn_rest_password("south", alice->username, password);
    CU_ASSERT_EQUAL(asker_allocate(alice), 401); /* made with another secret */
    turn_rest_password("north", alice->username, password);
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);

    /* Another expiry is another username, but the same carol: the quota knows her. */
    asker_open(&second, stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
    asker_challenge(&second);
    second.username = "1700002001:carol";
    second.password = password;
    turn_rest_password("north", second.username, password);
    CU_ASSERT_EQUAL(asker_allocate(&second), 486);
    second.username = "1700002001";
    turn_rest_password("north", second.username, password);
    CU_ASSERT_EQUAL(asker_allocate(&second), 0);

    static const char *const no_expiry[] = {"carol", ":carol", "17x:carol", "-1:carol", "99999999999999999999:carol"};
    for (size_t i = 0; i < 5; i++) {
        second.username = no_expiry[i];
        turn_rest_password("north", second.username, password);
        CU_ASSERT_EQUAL(asker_permit(&second, "7.1.1.1:1"), 401);
    }
    stage_close(&stage);
}

static void anonymous(struct turn_server_config *config) { config->username_anonymity = true; }

static void a_hashed_name_will_do(void)
{
    struct stage stage;
    uint8_t key[STUN_KEY_CAP], hash[STUN_USERHASH_LEN];
    stage_open(&stage, anonymous);
    struct asker *alice = &stage.alice;
    CU_ASSERT_EQUAL(stun_nonce_features(alice->nonce),
                    STUN_FEATURE_PASSWORD_ALGORITHMS | STUN_FEATURE_USERNAME_ANONYMITY);
    for (int i = 0; i < 2; i++) {
        struct stun_builder *builder = begin_allocate(alice);
        size_t key_len = stun_long_term_key(STUN_PASSWORD_MD5, "alice", alice->realm, "wonderland", key);
        stun_userhash(i == 0 ? "nobody" : "alice", alice->realm, hash);
        stun_put_bytes(builder, STUN_ATTR_USERHASH, hash, sizeof hash);
        stun_put_text(builder, STUN_ATTR_REALM, alice->realm);
        stun_put_text(builder, STUN_ATTR_NONCE, alice->nonce);
        stun_put_integrity(builder, STUN_INTEGRITY_SHA1, key, key_len);
        CU_ASSERT_EQUAL(asker_send(alice), i == 0 ? 401 : 0);
    }
    CU_ASSERT_EQUAL(asker_refresh(alice, 0), 0); /* by name: the same user */
    stage_close(&stage);
}

/* --- permissions and channels ----------------------------------------------------------------------------------- */

static void permissions_last_five_minutes(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    stun_put_u32(begin_allocate(alice), STUN_ATTR_LIFETIME, 3600);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    struct address relayed = asker_relayed(alice);
    witness_send(&stage.peer, &relayed, "knock", 5);
    asker_send_data(alice, "7.1.1.1:7000", "too early");
    CU_ASSERT_EQUAL(stage.peer.count, 0);
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->packets_dropped, 2);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:1"), 0); /* the port doesn't matter */
    unsigned before = alice->socket.count;
    wire_world_run_for(stage.wire, 298 * NANOS_PER_S);
    witness_send(&stage.peer, &relayed, "knock", 5);
    asker_send_data(alice, "7.1.1.1:7000", "just in time");
    CU_ASSERT_EQUAL(stage.peer.count, 1);
    CU_ASSERT_EQUAL(alice->socket.count, before + 1);
    wire_world_run_for(stage.wire, 2 * NANOS_PER_S);
    witness_send(&stage.peer, &relayed, "knock", 5);
    asker_send_data(alice, "7.1.1.1:7000", "too late");
    CU_ASSERT_EQUAL(stage.peer.count, 1);
    CU_ASSERT_EQUAL(alice->socket.count, before + 1);
    stage_close(&stage);
}

static void send_channel_data(struct asker *asker, uint16_t channel, const char *text)
{
    uint8_t message[64];
    size_t len = strlen(text);
    bytes_put16(message, channel);
    bytes_put16(message + 2, (uint16_t)len);
    memcpy(message + 4, text, len);
    witness_send(&asker->socket, &asker->server, message, len + 4);
    wire_world_run_for(asker->wire, 0);
}

static void channels_last_ten_minutes_but_need_permission(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    stun_put_u32(begin_allocate(alice), STUN_ATTR_LIFETIME, 3600);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7000"), 0);
    send_channel_data(alice, 0x4000, "one");
    send_channel_data(alice, 0x4001, "unbound");
    CU_ASSERT_EQUAL(stage.peer.count, 1);
    wire_world_run_for(stage.wire, 301 * NANOS_PER_S);
    send_channel_data(alice, 0x4000, "without permission");
    CU_ASSERT_EQUAL(stage.peer.count, 1);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:1"), 0);
    send_channel_data(alice, 0x4000, "two");
    CU_ASSERT_EQUAL(stage.peer.count, 2);
    wire_world_run_for(stage.wire, 290 * NANOS_PER_S);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:1"), 0);
    wire_world_run_for(stage.wire, 10 * NANOS_PER_S);
    send_channel_data(alice, 0x4000, "channel gone");
    CU_ASSERT_EQUAL(stage.peer.count, 2);
    /* Its number is free again. */
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7001"), 0);
    stage_close(&stage);
}

static void channel_numbers_and_peers_are_one_to_one(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7000"), 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7000"), 0); /* refreshes */
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7001"), 400);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4001, "7.1.1.1:7000"), 400);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4fff, "7.1.1.1:7001"), 0);
    /* Attack 7. */
    static const uint16_t outside[] = {0, 0x3fff, 0x5000, 0x7fff, 0x8000, 0xffff};
    for (size_t i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(asker_bind(alice, outside[i], "7.1.1.1:7002"), 400);
    struct address peer = address_of("7.1.1.1:7003");
    stun_put_xor_address(asker_begin(alice, STUN_REQUEST, STUN_CHANNEL_BIND), STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    stun_put_u16(asker_begin(alice, STUN_REQUEST, STUN_CHANNEL_BIND), STUN_ATTR_CHANNEL_NUMBER, 0x4003);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    asker_begin(alice, STUN_REQUEST, STUN_CREATE_PERMISSION);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    stage_close(&stage);
}

static void channels_of_old(struct turn_server_config *config) { config->rfc5766_channels = true; }

static void channel_numbers_of_rfc_5766_are_taken_on_request(void)
{
    struct stage stage;
    stage_open(&stage, channels_of_old);
    CU_ASSERT_EQUAL(asker_allocate(&stage.alice), 0);
    CU_ASSERT_EQUAL(asker_bind(&stage.alice, 0x8000, "7.1.1.1:7000"), 400);
    CU_ASSERT_EQUAL(asker_bind(&stage.alice, 0x7fff, "7.1.1.1:7000"), 0);
    send_channel_data(&stage.alice, 0x7fff, "as in 2010");
    CU_ASSERT_EQUAL(stage.peer.len, 10);
    stage_close(&stage);
}

/* Attacks 2 and 6: what stands behind the integrity counts for nothing, and of two the first counts. */
static void added_and_doubled_attributes_change_nothing(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    struct address good = address_of("7.1.1.1:7000"), bad = address_of("8.8.8.8:53");
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    asker_begin(alice, STUN_REQUEST, STUN_CREATE_PERMISSION);
    stun_put_xor_address(&alice->builder, STUN_ATTR_XOR_PEER_ADDRESS, &good);
    asker_sign(alice);
    stun_put_xor_address(&alice->builder, STUN_ATTR_XOR_PEER_ADDRESS, &bad);
    CU_ASSERT_EQUAL(asker_send(alice), 0);
    asker_begin(alice, STUN_REQUEST, STUN_REFRESH);
    asker_sign(alice);
    stun_put_u32(&alice->builder, STUN_ATTR_LIFETIME, 0);
    CU_ASSERT_EQUAL(asker_send(alice), 0);
    CU_ASSERT_EQUAL(lifetime_s(alice), 600);
    CU_ASSERT_EQUAL(allocations(&stage), 1);
    uint64_t dropped = turn_server_statistics(stage.server)->packets_dropped;
    asker_send_data(alice, "8.8.8.8:53", "not permitted");
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->packets_dropped, dropped + 1);

    struct stun_builder *builder = asker_begin(alice, STUN_INDICATION, STUN_SEND);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &good);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &bad);
    stun_put_bytes(builder, STUN_ATTR_DATA, "first", 5);
    stun_put_bytes(builder, STUN_ATTR_DATA, "second", 6);
    asker_send(alice);
    CU_ASSERT_EQUAL(stage.peer.len, 5);
    builder = asker_begin(alice, STUN_REQUEST, STUN_CHANNEL_BIND);
    stun_put_u16(builder, STUN_ATTR_CHANNEL_NUMBER, 0x4000);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &good);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &bad);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    send_channel_data(alice, 0x4000, "to the first");
    CU_ASSERT_EQUAL(stage.peer.len, 12);
    /* DONT-FRAGMENT can't be obeyed, so the indication is as one with an unknown attribute. */
    builder = asker_begin(alice, STUN_INDICATION, STUN_SEND);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &good);
    stun_put_flag(builder, STUN_ATTR_DONT_FRAGMENT);
    stun_put_bytes(builder, STUN_ATTR_DATA, "x", 1);
    unsigned before = stage.peer.count;
    asker_send(alice);
    CU_ASSERT_EQUAL(stage.peer.count, before);
    stage_close(&stage);
}

static void several_permissions_in_one_request_are_all_or_none(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    static const char *const second[] = {"127.0.0.1:1", "[2a07::1]:1", "7.1.1.2:1"};
    static const int codes[] = {403, 443, 0};
    for (int i = 0; i < 3; i++) {
        struct address peer = address_of("7.1.1.1:1");
        struct stun_builder *builder = asker_begin(alice, STUN_REQUEST, STUN_CREATE_PERMISSION);
        stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
        peer = address_of(second[i]);
        stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
        CU_ASSERT_EQUAL(asker_ask(alice), codes[i]);
        asker_send_data(alice, "7.1.1.1:7000", "?");
        CU_ASSERT_EQUAL(stage.peer.count, i < 2 ? 0 : 1);
    }
    stage_close(&stage);
}

static void the_number_of_permissions_is_bounded(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    int refused = 0;
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    for (int i = 0; i < 300; i++) {
        struct address peer = address_ipv4(8, 1, (uint8_t)(i >> 8), (uint8_t)i, 1);
        stun_put_xor_address(asker_begin(alice, STUN_REQUEST, STUN_CREATE_PERMISSION), STUN_ATTR_XOR_PEER_ADDRESS,
                             &peer);
        /* A second passes with each, so the first have not yet expired. */
        refused += asker_ask(alice) == 508;
    }
    CU_ASSERT_EQUAL(refused, 300 - 256);
    stage_close(&stage);
}

/* --- peers ------------------------------------------------------------------------------------------------------ */

/* Attacks 3 and 4. */
static void dangerous_peers_are_refused_everywhere(void)
{
    static const char *const ipv4[] = {"127.0.0.1",   "0.0.0.0",      "10.1.2.3",        "172.16.0.1", "192.168.1.1",
                                       "100.64.0.1",  "169.254.1.1",  "169.254.169.254", "224.0.0.1",  "239.1.1.1",
                                       "240.0.0.1",   "198.18.0.1",   "255.255.255.255", "192.0.2.1",  "127.255.0.1",
                                       "192.88.99.1", "5.1.1.1:3478", "5.1.1.1:80"};
    static const char *const ipv6[] = {"::1",
                                       "::",
                                       "::ffff:127.0.0.1",
                                       "::ffff:8.8.8.8",
                                       "::127.0.0.1",
                                       "64:ff9b::7f00:1",
                                       "2002:7f00:1::",
                                       "64:ff9b::a01:203",
                                       "fe80::1",
                                       "fc00::1",
                                       "fd12::1",
                                       "ff02::1",
                                       "2001:db8::1",
                                       "fec0::1",
                                       "[2a05::1]:3478",
                                       "64:ff9b::501:101"};
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    stun_put_family(begin_allocate(alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    for (size_t i = 0; i < sizeof ipv4 / sizeof ipv4[0] + sizeof ipv6 / sizeof ipv6[0]; i++) {
        size_t first = sizeof ipv4 / sizeof ipv4[0];
        struct address peer = address_of(i < first ? ipv4[i] : ipv6[i - first]);
        bool own = peer.port != 0 && peer.port != 1;
        char text[ADDRESS_TEXT_CAP];
        peer.port = own ? peer.port : 7000;
        address_format(&peer, text);
        /* The relays' own address may be permitted, for the sake of other relays; but not its other ports. */
        CU_ASSERT_EQUAL(asker_permit(alice, text), own ? 0 : 403);
        CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, text), 403);
        uint64_t dropped = turn_server_statistics(stage.server)->packets_dropped;
        asker_send_data(alice, text, "evil");
        CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->packets_dropped, dropped + 1);
    }
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->packets_to_peers, 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:0"), 403); /* nothing can be sent to port 0 */
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:0"), 0);
    stage_close(&stage);
}

static struct turn_peer_range ranges[3];
static void with_ranges(struct turn_server_config *config)
{
    ranges[0] = (struct turn_peer_range){address_of("10.1.0.0"), address_of("10.1.0.255"), true};
    ranges[1] = (struct turn_peer_range){address_of("7.1.1.7"), address_of("7.1.2.9"), false};
    ranges[2] = (struct turn_peer_range){address_of("2a07::7"), address_of("2a07::1:9"), false};
    config->peer_ranges = ranges;
    config->peer_range_count = 3;
    config->allowed_scopes = 1u << ADDRESS_SPECIAL;
    config->deny_relay_to_relay = true;
}

static void the_operator_decides(void)
{
    struct stage stage;
    stage_open(&stage, with_ranges);
    struct asker *alice = &stage.alice;
    stun_put_family(begin_allocate(alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    static const struct {
        const char *peer;
        int code;
    } cases[] = {{"10.1.0.1:1", 0},     {"10.1.1.0:1", 403},     {"7.1.1.6:1", 0},       {"7.1.1.7:1", 403},
                 {"7.1.1.255:1", 403},  {"7.1.2.9:1", 403},      {"7.1.2.10:1", 0},      {"[2a07::6]:1", 0},
                 {"[2a07::7]:1", 403},  {"[2a07::ffff]:1", 403}, {"[2a07::1:9]:1", 403}, {"[2a07::1:a]:1", 0},
                 {"198.51.100.1:1", 0}, {"127.0.0.1:1", 403},    {"5.1.1.1:50000", 403}, {"[64:ff9b::701:108]:1", 403}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(asker_permit(alice, cases[i].peer), cases[i].code);
    stage_close(&stage);
}

/* --- batches ---------------------------------------------------------------------------------------------------- */

static void batches_stay_together(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    struct address relayed = asker_relayed(alice);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7000"), 0);
    struct datagram batch[50];
    uint8_t message[] = {0x40, 0x00, 0x00, 0x04, 'd', 'a', 't', 'a'};
    for (size_t i = 0; i < 50; i++)
        batch[i] = (struct datagram){.remote = stage.udp, .data = message, .len = sizeof message};
    world_udp_send(alice->socket.udp, batch, 50);
    wire_world_run_for(stage.wire, 0);
    CU_ASSERT_EQUAL(stage.peer.count, 50);
    CU_ASSERT_EQUAL(stage.peer.calls, 1);
    unsigned calls = alice->socket.calls;
    unsigned count = alice->socket.count;
    for (size_t i = 0; i < 50; i++)
        batch[i].remote = relayed;
    world_udp_send(stage.peer.udp, batch, 50);
    wire_world_run_for(stage.wire, 0);
    CU_ASSERT_EQUAL(alice->socket.count, count + 50);
    CU_ASSERT_EQUAL(alice->socket.calls, calls + 1);
    stage_close(&stage);
}

static void senseless_configurations_are_refused(void)
{
    struct stage stage;
    struct error error = {0};
    stage_open(&stage, NULL);
    struct turn_server_config good = stage.config, config;
    turn_server_destroy(stage.server);
    static const struct turn_user twice[] = {{"a", "b"}, {"a", "c"}}, control[] = {{"a\n", "b"}}, empty[] = {{"a", ""}};
    struct turn_peer_range backwards = {address_of("7.1.1.2"), address_of("7.1.1.1"), true};
    struct address alternate = address_of("5.1.1.1:3479"), foreign = address_of("9.9.9.9:3478");
    for (int i = 0; i < 12; i++) {
        config = good;
        if (i == 0)
            config.udp_count = config.tcp_count = 0;
        else if (i == 1)
            config.relay_ipv4 = address_of("2a05::1");
        else if (i == 2)
            config.relay_port_min = 80;
        else if (i == 3)
            config.users = twice, config.user_count = 2;
        else if (i == 4)
            config.users = control, config.user_count = 1;
        else if (i == 5)
            config.users = empty, config.user_count = 1;
        else if (i == 6)
            config.shared_secret = "s", config.username_anonymity = true;
        else if (i == 7)
            config.realm = "";
        else if (i == 8)
            config.peer_ranges = &backwards, config.peer_range_count = 1;
        else if (i == 9)
            config.alternate = &alternate, config.alternate_count = 1;
        else if (i == 10)
            config.udp = &foreign;
        else
            config.tls = &stage.tcp, config.tls_count = 1;
        CU_ASSERT_PTR_NULL(turn_server_create(&config, &error));
        CU_ASSERT_NOT_EQUAL(error.code, ERROR_NONE);
        error.code = ERROR_NONE;
    }
    stage.server = turn_server_create(&good, &error); /* every socket was given back */
    CU_ASSERT_PTR_NOT_NULL(stage.server);
    stage_close(&stage);
}

void turn_server_test(void)
{
    SUITE("turn_server", {"Allocate answers with everything", allocate_answers_with_everything},
          {"a client of old gets SHA-1", a_client_of_old_gets_sha1},
          {"a repeated Allocate gets the same answer", a_repeated_allocate_gets_the_same_answer},
          {"lifetimes have limits", lifetimes_have_limits},
          {"wrong Allocates get their codes", wrong_allocates_get_their_codes},
          {"families are given as asked", families_are_given_as_asked},
          {"even ports, pairs and reservations", even_ports_pairs_and_reservations},
          {"EVEN-PORT leaks no port", even_port_leaks_none}, {"quotas hold", quotas_hold},
          {"reconnecting counts once", reconnecting_counts_once},
          {"challenges as RFC 8489 wants", challenges_as_rfc_8489_wants},
          {"a changed list of algorithms is refused", a_changed_list_of_algorithms_is_refused},
          {"nonces age and travel badly", nonces_age_and_travel_badly},
          {"an allocation belongs to who made it", an_allocation_belongs_to_who_made_it},
          {"odd names are just names", odd_names_are_just_names}, {"time-limited passwords", time_limited_passwords},
          {"a hashed name will do", a_hashed_name_will_do},
          {"permissions last five minutes", permissions_last_five_minutes},
          {"channels last ten minutes but need permission", channels_last_ten_minutes_but_need_permission},
          {"channel numbers and peers are one to one", channel_numbers_and_peers_are_one_to_one},
          {"channel numbers of RFC 5766 are taken on request", channel_numbers_of_rfc_5766_are_taken_on_request},
          {"added and doubled attributes change nothing", added_and_doubled_attributes_change_nothing},
          {"several permissions in one request: all or none", several_permissions_in_one_request_are_all_or_none},
          {"the number of permissions is bounded", the_number_of_permissions_is_bounded},
          {"dangerous peers are refused everywhere", dangerous_peers_are_refused_everywhere},
          {"the operator decides", the_operator_decides}, {"batches stay together", batches_stay_together},
          {"senseless configurations are refused", senseless_configurations_are_refused});
}
