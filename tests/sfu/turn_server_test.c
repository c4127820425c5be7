/* The server's answers, one by one: RFC 8656, sections 7 to 12, and RFC 8489, section 9.2. */
#include "sfu/turn_server.h"

#include <string.h>

#include "tests/support/suite.h"
#include "tests/support/turn_stage.h"

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
    stun_put_u8(stage_begin_allocate(alice), STUN_ATTR_EVEN_PORT, 0x80);
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
        stun_put_u32(stage_begin_allocate(alice), STUN_ATTR_LIFETIME, asked[i]);
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
    stun_put_u32(stage_begin_allocate(alice), STUN_ATTR_REQUESTED_ADDRESS_FAMILY, 0x03000000);
    CU_ASSERT_EQUAL(asker_ask(alice), 440);

    struct stun_builder *builder = stage_begin_allocate(alice);
    stun_put_family(builder, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV4);
    stun_put_family(builder, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    stun_put_family(stage_begin_allocate(alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV4);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    builder = stage_begin_allocate(alice);
    stun_put_u8(builder, STUN_ATTR_EVEN_PORT, 0x80);
    stun_put_family(builder, STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);

    stun_put_u64(stage_begin_allocate(alice), STUN_ATTR_RESERVATION_TOKEN, 12345);
    CU_ASSERT_EQUAL(asker_ask(alice), 508);
    stun_put_u64(stage_begin_allocate(alice), STUN_ATTR_RESERVATION_TOKEN, 0);
    CU_ASSERT_EQUAL(asker_ask(alice), 508);
    stun_put_u32(stage_begin_allocate(alice), STUN_ATTR_RESERVATION_TOKEN, 1);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    builder = stage_begin_allocate(alice);
    stun_put_u64(builder, STUN_ATTR_RESERVATION_TOKEN, 12345);
    stun_put_u8(builder, STUN_ATTR_EVEN_PORT, 0);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);

    /* What the server doesn't know or can't do is listed. */
    builder = stage_begin_allocate(alice);
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
    stun_put_family(stage_begin_allocate(alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
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
    stun_put_family(stage_begin_allocate(&stage.alice), STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(&stage.alice), 440);
    stun_put_family(stage_begin_allocate(&stage.alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(&stage.alice), 0);
    CU_ASSERT_TRUE(stun_get_address_error_code(&stage.alice.response, &family, &code));
    CU_ASSERT_EQUAL(family, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(code, 440);
    stage_close(&stage);

    stage_open(&stage, ipv6_alone);
    CU_ASSERT_EQUAL(asker_allocate(&stage.alice), 440);
    stun_put_family(stage_begin_allocate(&stage.alice), STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV6);
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
    stun_put_u8(stage_begin_allocate(alice), STUN_ATTR_EVEN_PORT, 0x80);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    struct address even = asker_relayed(alice);
    uint64_t token = 0;
    CU_ASSERT_EQUAL(even.port % 2, 0);
    CU_ASSERT_TRUE(stun_get_u64(&alice->response, STUN_ATTR_RESERVATION_TOKEN, &token));

    /* The server-wide token: another client may use it, once. */
    stun_put_u64(stage_begin_allocate(&bob), STUN_ATTR_RESERVATION_TOKEN, token);
    CU_ASSERT_EQUAL(asker_ask(&bob), 0);
    CU_ASSERT_EQUAL(asker_relayed(&bob).port, even.port + 1);
    CU_ASSERT_EQUAL(asker_refresh(&bob, 0), 0);
    stun_put_u64(stage_begin_allocate(&bob), STUN_ATTR_RESERVATION_TOKEN, token);
    CU_ASSERT_EQUAL(asker_ask(&bob), 508);

    /* Four ports: one pair is left, of which the reserved half comes back after 30 s. */
    CU_ASSERT_EQUAL(asker_refresh(alice, 0), 0);
    stun_put_u8(stage_begin_allocate(alice), STUN_ATTR_EVEN_PORT, 0x80);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    stun_put_u8(stage_begin_allocate(&bob), STUN_ATTR_EVEN_PORT, 0x80);
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
    stun_put_u8(stage_begin_allocate(&more[1]), STUN_ATTR_EVEN_PORT, 0);
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
        stun_put_u8(stage_begin_allocate(&stage.alice), STUN_ATTR_EVEN_PORT, 0);
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
    stun_put_u8(stage_begin_allocate(&stage.alice), STUN_ATTR_EVEN_PORT, 0x80);
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
        struct stun_builder *builder = stage_begin_allocate(alice);
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
        struct stun_builder *builder = stage_begin_allocate(alice);
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
        builder = stage_begin_allocate(alice);
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
        struct stun_builder *builder = stage_begin_allocate(alice);
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

/* --- configurations ------------------------------------------------------------------------------------------------- */

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
          {"senseless configurations are refused", senseless_configurations_are_refused});
}
