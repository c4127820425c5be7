/* One agent, and a peer whose every message is made by hand. */
#include "rtc/ice_agent.h"

#include <stdio.h>

#include "rtc/ice_internal.h"
#include "tests/support/suite.h"

static const char peer_ufrag[] = "peer";
static const char right_password[] = "peers0password0is0long";

static const struct address here = {.family = ADDRESS_IPV4, .port = 5000, .ip = {192, 0, 2, 1}};

struct peer {
    struct ice_agent *agent;
    nanos now;
    struct address at;
    uint8_t counter; /* makes transaction ids unlike */
};

/* What the agent wrote last. */
struct written {
    uint8_t buf[ICE_DATAGRAM_CAP];
    ssize_t len;
    int base;
    struct address remote;
    struct stun_message message;
};

static struct peer meet(const struct ice_config *config, bool introduced)
{
    static const struct ice_base base = {.type = ICE_HOST, .address = here};
    struct peer peer = {.now = NANOS_PER_S, .at = address_ipv4(198, 51, 100, 7, 7000)};
    peer.agent = ice_agent_create(config, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(peer.agent);
    CU_ASSERT_EQUAL(ice_agent_add_base(peer.agent, &base), 0);
    ice_agent_bases_done(peer.agent);
    if (introduced)
        CU_ASSERT_TRUE(ice_agent_set_remote(peer.agent, peer_ufrag, right_password, false, NULL));
    return peer;
}

static bool next(struct peer *peer, struct written *out)
{
    out->len = ice_agent_write(peer->agent, &out->base, &out->remote, out->buf, sizeof out->buf, peer->now);
    return out->len > 0 && stun_parse(&out->message, out->buf, (size_t)out->len, NULL);
}

/* The next datagram that is an answer; checks in between are dropped. */
static bool next_answer(struct peer *peer, struct written *out)
{
    while (next(peer, out)) {
        if (out->message.class != STUN_REQUEST)
            return true;
    }
    return false;
}

static bool next_check(struct peer *peer, struct written *out)
{
    for (int i = 0; i < 40; i++, peer->now += 10 * NANOS_PER_MS) {
        while (next(peer, out)) {
            if (out->message.class == STUN_REQUEST)
                return true;
        }
    }
    return false;
}

struct request {
    const char *username; /* NULL: the right one */
    const char *password; /* NULL: the right one; "": none */
    bool use_candidate;
    bool controlled; /* claims to be */
    bool without_fingerprint;
    uint16_t extra_attribute;
    uint64_t tie_breaker;
    uint32_t priority;
};

static int check_from(struct peer *peer, const struct address *from, struct request request)
{
    uint8_t buf[512];
    uint8_t id[STUN_TRANSACTION_ID_LEN] = {++peer->counter};
    char username[2 * ICE_UFRAG_CAP];
    struct stun_builder builder;
    snprintf(username, sizeof username, "%s:%s", ice_agent_ufrag(peer->agent), peer_ufrag);
    const char *password = request.password != NULL ? request.password : ice_agent_password(peer->agent);
    stun_begin(&builder, buf, sizeof buf, STUN_REQUEST, STUN_BINDING, id);
    stun_put_text(&builder, STUN_ATTR_USERNAME, request.username != NULL ? request.username : username);
    stun_put_u32(&builder, STUN_ATTR_PRIORITY, request.priority != 0 ? request.priority : 0x6e0001ff);
    stun_put_u64(&builder, request.controlled ? STUN_ATTR_ICE_CONTROLLED : STUN_ATTR_ICE_CONTROLLING,
                 request.tie_breaker);
    if (request.use_candidate)
        stun_put_flag(&builder, STUN_ATTR_USE_CANDIDATE);
    if (request.extra_attribute != 0)
        stun_put_u32(&builder, request.extra_attribute, 1);
    if (password[0] != '\0')
        stun_put_integrity(&builder, STUN_INTEGRITY_SHA1, password, strlen(password));
    if (!request.without_fingerprint)
        stun_put_fingerprint(&builder);
    return ice_agent_read(peer->agent, 0, from, buf, stun_finish(&builder), peer->now);
}

static int check(struct peer *peer, struct request request) { return check_from(peer, &peer->at, request); }

/* Answers a check of the agent's, as seen from `from`. */
static int answer(struct peer *peer, const struct written *check, const struct address *from, unsigned code,
                  const char *password)
{
    uint8_t buf[256];
    struct stun_builder builder;
    stun_begin_response(&builder, buf, sizeof buf, code == 0 ? STUN_SUCCESS : STUN_ERROR, &check->message);
    if (code == 0)
        stun_put_xor_address(&builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &here);
    else
        stun_put_error_code(&builder, code, NULL);
    if (password != NULL)
        stun_put_integrity(&builder, STUN_INTEGRITY_SHA1, password, strlen(password));
    stun_put_fingerprint(&builder);
    return ice_agent_read(peer->agent, 0, from, buf, stun_finish(&builder), peer->now);
}

static void answers_as_rfc_8489_says(void)
{
    struct ice_config config = {.seed = 1};
    struct peer peer = meet(&config, false);
    struct written out;
    static const struct {
        struct request request;
        int taken;
        unsigned code; /* 0: success; 1: silence */
    } cases[] = {
        {{0}, 0, 0},
        {{.password = "wrong-password-of-no-use"}, -1, STUN_UNAUTHENTICATED},
        {{.password = ""}, -1, STUN_BAD_REQUEST},
        {{.username = "else:peer"}, -1, STUN_UNAUTHENTICATED},
        {{.username = "nocolon"}, -1, STUN_UNAUTHENTICATED},
        {{.username = ":"}, -1, STUN_UNAUTHENTICATED},
        {{.extra_attribute = 0x7777}, 0, STUN_UNKNOWN_ATTRIBUTE},
        {{.extra_attribute = 0xc057}, 0, 0}, /* comprehension-optional */
        {{.without_fingerprint = true}, -1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(check(&peer, cases[i].request), cases[i].taken);
        unsigned code = 0;
        bool answered = next_answer(&peer, &out);
        CU_ASSERT_EQUAL(answered, cases[i].code != 1);
        if (!answered)
            continue;
        stun_get_error_code(&out.message, &code, NULL, 0);
        CU_ASSERT_EQUAL(code, cases[i].code);
        CU_ASSERT_TRUE(address_equal(&out.remote, &peer.at));
        CU_ASSERT_EQUAL(out.message.transaction_id[0], peer.counter);
        CU_ASSERT_TRUE(stun_check_fingerprint(&out.message));
        const char *password = ice_agent_password(peer.agent);
        CU_ASSERT_EQUAL(stun_check_integrity(&out.message, password, strlen(password)), cases[i].taken == 0);
        struct address mapped;
        CU_ASSERT_EQUAL(stun_get_xor_address(&out.message, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped), code == 0);
    }
    ice_agent_destroy(peer.agent);
}

static void takes_only_binding(void)
{
    struct ice_config config = {.seed = 2};
    struct peer peer = meet(&config, true);
    uint8_t buf[128] = {0};
    uint8_t id[STUN_TRANSACTION_ID_LEN] = {0};
    struct stun_builder builder;
    CU_ASSERT_EQUAL(ice_agent_read(peer.agent, 0, &peer.at, buf, sizeof buf, peer.now), -1);
    CU_ASSERT_EQUAL(ice_agent_read(peer.agent, 0, &peer.at, buf, 0, peer.now), -1);
    stun_begin(&builder, buf, sizeof buf, STUN_REQUEST, STUN_ALLOCATE, id);
    stun_put_fingerprint(&builder);
    CU_ASSERT_EQUAL(ice_agent_read(peer.agent, 0, &peer.at, buf, stun_finish(&builder), peer.now), -1);
    stun_begin(&builder, buf, sizeof buf, STUN_INDICATION, STUN_BINDING, id);
    stun_put_fingerprint(&builder);
    CU_ASSERT_EQUAL(ice_agent_read(peer.agent, 0, &peer.at, buf, stun_finish(&builder), peer.now), 0);
    CU_ASSERT_EQUAL(ice_agent_read(peer.agent, 7, &peer.at, buf, stun_finish(&builder), peer.now), -1);
    CU_ASSERT_EQUAL(ice_agent_read(peer.agent, -1, &peer.at, buf, stun_finish(&builder), peer.now), -1);
    CU_ASSERT_EQUAL(ice_agent_statistics(peer.agent).discarded, 5);
    ice_agent_destroy(peer.agent);
}

static void answers_nobody_it_did_not_ask(void)
{
    struct ice_config config = {.seed = 3};
    struct peer peer = meet(&config, true);
    struct written out;
    CU_ASSERT_EQUAL(check(&peer, (struct request){0}), 0);
    CU_ASSERT_TRUE_FATAL(next_check(&peer, &out));
    CU_ASSERT_TRUE(stun_check_integrity(&out.message, right_password, strlen(right_password)));
    CU_ASSERT_EQUAL(answer(&peer, &out, &peer.at, 0, NULL), -1);
    CU_ASSERT_EQUAL(answer(&peer, &out, &peer.at, 0, "another-password-entirely"), -1);
    CU_ASSERT_FALSE(peer.agent->pairs[0].valid);
    CU_ASSERT_EQUAL(answer(&peer, &out, &peer.at, STUN_UNAUTHENTICATED, NULL), -1); /* anyone could say so */
    CU_ASSERT_EQUAL(peer.agent->pairs[0].state, ICE_PAIR_IN_PROGRESS);
    CU_ASSERT_EQUAL(answer(&peer, &out, &peer.at, 0, right_password), 0);
    CU_ASSERT_TRUE(peer.agent->pairs[0].valid);
    CU_ASSERT_EQUAL(answer(&peer, &out, &peer.at, 0, right_password), -1); /* once is enough */
    ice_agent_destroy(peer.agent);
}

/* RFC 8445, section 7.2.5.2.1. */
static void an_answer_from_elsewhere_fails_the_pair(void)
{
    struct ice_config config = {.seed = 4};
    struct peer peer = meet(&config, true);
    struct written out;
    check(&peer, (struct request){0});
    CU_ASSERT_TRUE_FATAL(next_check(&peer, &out));
    struct address elsewhere = peer.at;
    elsewhere.port++;
    CU_ASSERT_EQUAL(answer(&peer, &out, &elsewhere, 0, right_password), 0);
    CU_ASSERT_EQUAL(peer.agent->pairs[0].state, ICE_PAIR_FAILED);
    CU_ASSERT_FALSE(peer.agent->pairs[0].valid);
    ice_agent_destroy(peer.agent);
}

/* RFC 8445, section 7.3.1.1, its four cases by tie-breaker; and section 7.2.5.1, the other end of it. */
static void resolves_role_conflicts(void)
{
    for (int i = 0; i < 4; i++) {
        bool controlling = i < 2;
        bool wins = i % 2 == 0;
        struct ice_config config = {.seed = 5, .controlling = controlling};
        struct peer peer = meet(&config, true);
        struct written out;
        uint64_t tie_breaker = peer.agent->tie_breaker + (wins ? -1 : 1);
        check(&peer, (struct request){.controlled = !controlling, .tie_breaker = tie_breaker});
        CU_ASSERT_TRUE_FATAL(next_answer(&peer, &out));
        unsigned code = 0;
        stun_get_error_code(&out.message, &code, NULL, 0);
        CU_ASSERT_EQUAL(code, controlling == wins ? STUN_ROLE_CONFLICT : 0);
        CU_ASSERT_EQUAL(ice_agent_controlling(peer.agent), wins);
        ice_agent_destroy(peer.agent);
    }
    struct ice_config config = {.seed = 6, .controlling = true};
    struct peer peer = meet(&config, true);
    struct written out;
    check(&peer, (struct request){.controlled = true});
    CU_ASSERT_TRUE_FATAL(next_check(&peer, &out));
    CU_ASSERT_TRUE(stun_has(&out.message, STUN_ATTR_ICE_CONTROLLING));
    uint64_t before = peer.agent->tie_breaker;
    CU_ASSERT_EQUAL(answer(&peer, &out, &peer.at, STUN_ROLE_CONFLICT, NULL), -1);
    CU_ASSERT_EQUAL(answer(&peer, &out, &peer.at, STUN_ROLE_CONFLICT, right_password), 0);
    CU_ASSERT_FALSE(ice_agent_controlling(peer.agent));
    CU_ASSERT_NOT_EQUAL(peer.agent->tie_breaker, before);
    CU_ASSERT_TRUE_FATAL(next_check(&peer, &out)); /* at once again, in the other role */
    CU_ASSERT_TRUE(stun_has(&out.message, STUN_ATTR_ICE_CONTROLLED));
    ice_agent_destroy(peer.agent);
}

/* Checks as RFC 8445, section 7.2.2, wants them. */
static void checks_carry_what_they_must(void)
{
    struct ice_config config = {.seed = 7, .controlling = true};
    struct peer peer = meet(&config, true);
    struct written out;
    check(&peer, (struct request){.controlled = true});
    CU_ASSERT_TRUE_FATAL(next_check(&peer, &out));
    char username[64];
    char expected[64];
    uint32_t priority;
    uint64_t tie_breaker;
    snprintf(expected, sizeof expected, "%s:%s", peer_ufrag, ice_agent_ufrag(peer.agent));
    CU_ASSERT_TRUE(stun_get_text(&out.message, STUN_ATTR_USERNAME, username, sizeof username));
    CU_ASSERT_STRING_EQUAL(username, expected);
    CU_ASSERT_TRUE(stun_get_u32(&out.message, STUN_ATTR_PRIORITY, &priority));
    CU_ASSERT_EQUAL(priority >> 24, ICE_PREFERENCE_PEER_REFLEXIVE);
    CU_ASSERT_EQUAL(priority & 0xff, 255);
    CU_ASSERT_TRUE(stun_get_u64(&out.message, STUN_ATTR_ICE_CONTROLLING, &tie_breaker));
    CU_ASSERT_EQUAL(tie_breaker, peer.agent->tie_breaker);
    CU_ASSERT_FALSE(stun_has(&out.message, STUN_ATTR_USE_CANDIDATE)); /* regular nomination: not yet */
    CU_ASSERT_EQUAL(answer(&peer, &out, &peer.at, 0, right_password), 0);
    peer.now += 2 * NANOS_PER_S; /* nothing else could come: the peer's candidate was not signalled */
    CU_ASSERT_TRUE_FATAL(next_check(&peer, &out));
    CU_ASSERT_TRUE(stun_has(&out.message, STUN_ATTR_USE_CANDIDATE));
    CU_ASSERT_EQUAL(ice_agent_state(peer.agent), ICE_STATE_CHECKING);
    answer(&peer, &out, &peer.at, 0, right_password);
    CU_ASSERT_TRUE(ice_agent_may_send(peer.agent));
    /* RFC 7675, section 5.2. */
    peer.now += 7 * NANOS_PER_S;
    CU_ASSERT_TRUE_FATAL(next_check(&peer, &out));
    answer(&peer, &out, &peer.at, STUN_FORBIDDEN, right_password);
    CU_ASSERT_FALSE(ice_agent_may_send(peer.agent));
    CU_ASSERT_EQUAL(ice_agent_state(peer.agent), ICE_STATE_FAILED);
    ice_agent_destroy(peer.agent);
}

/* Aggressive nomination (RFC 5245) settles on the highest; a peer that moves is followed. */
static void lite_follows_nominations(void)
{
    struct ice_config config = {.seed = 8, .lite = true};
    struct peer peer = meet(&config, true);
    struct address low = address_ipv4(198, 51, 100, 8, 1);
    struct address high = address_ipv4(198, 51, 100, 9, 2);
    struct request nominate_low = {.use_candidate = true, .priority = 0x01000000};
    struct request nominate_high = {.use_candidate = true, .priority = 0x6e000000};
    struct address remote;
    struct written out;
    int base;
    check_from(&peer, &low, (struct request){.priority = 0x01000000});
    CU_ASSERT_FALSE(ice_agent_selected(peer.agent, &base, &remote, NULL));
    check_from(&peer, &low, nominate_low);
    CU_ASSERT_TRUE_FATAL(ice_agent_selected(peer.agent, &base, &remote, NULL));
    CU_ASSERT_TRUE(address_equal(&remote, &low));
    for (int i = 0; i < 5; i++) {
        check_from(&peer, &high, nominate_high);
        check_from(&peer, &low, nominate_low);
        while (next(&peer, &out)) {
        }
        ice_agent_selected(peer.agent, &base, &remote, NULL);
        CU_ASSERT_TRUE(address_equal(&remote, &high));
    }
    check_from(&peer, &low, nominate_low); /* twice in a row: it means it */
    while (next(&peer, &out)) {
    }
    ice_agent_selected(peer.agent, &base, &remote, NULL);
    CU_ASSERT_TRUE(address_equal(&remote, &low));
    CU_ASSERT_TRUE(ice_agent_valid_source(peer.agent, 0, &high));
    ice_agent_destroy(peer.agent);
}

/* After a restart Chromium nominates a new pair, yet may go back to the one of before, which it finds better, and check
 * that alone. */
static void lite_follows_back_behind_a_restart(void)
{
    struct ice_config config = {.seed = 8, .lite = true};
    struct peer peer = meet(&config, true);
    struct address before = address_ipv4(198, 51, 100, 8, 1);
    struct address after = address_ipv4(198, 51, 100, 8, 2);
    char username[2 * ICE_UFRAG_CAP];
    char password[ICE_PASSWORD_CAP];
    struct address remote;
    struct written out;
    int base;
    snprintf(username, sizeof username, "%s:%s", ice_agent_ufrag(peer.agent), peer_ufrag);
    snprintf(password, sizeof password, "%s", ice_agent_password(peer.agent));
    check_from(&peer, &before, (struct request){.use_candidate = true});
    ice_agent_restart(peer.agent);
    CU_ASSERT_TRUE(ice_agent_set_remote(peer.agent, "anew", right_password, false, NULL));
    check_from(&peer, &after, (struct request){.use_candidate = true});
    CU_ASSERT_TRUE_FATAL(ice_agent_selected(peer.agent, &base, &remote, NULL));
    CU_ASSERT_TRUE(address_equal(&remote, &after));
    for (int i = 0; i < 30; i++, peer.now += 2 * NANOS_PER_S) {
        check_from(&peer, &before, (struct request){.use_candidate = true, .username = username, .password = password});
        CU_ASSERT_TRUE(next_answer(&peer, &out) && out.message.class == STUN_SUCCESS);
        while (next(&peer, &out)) {
        }
        CU_ASSERT_TRUE(ice_agent_may_send(peer.agent));
    }
    ice_agent_selected(peer.agent, &base, &remote, NULL);
    CU_ASSERT_TRUE(address_equal(&remote, &before));
    check_from(&peer, &after, (struct request){.use_candidate = true}); /* and forth again */
    ice_agent_selected(peer.agent, &base, &remote, NULL);
    CU_ASSERT_TRUE(address_equal(&remote, &after));
    ice_agent_destroy(peer.agent);
}

static void grows_no_further_than_its_limits(void)
{
    for (int lite = 0; lite < 2; lite++) {
        struct ice_config config = {.seed = 9, .lite = lite == 1, .controlling = lite == 0};
        struct peer peer = meet(&config, true);
        struct written out;
        struct address selected;
        int base;
        check(&peer, (struct request){.use_candidate = lite == 1, .controlled = lite == 0});
        if (lite == 0 && next_check(&peer, &out))
            answer(&peer, &out, &peer.at, 0, right_password);
        for (uint32_t i = 0; i < 3000; i++) {
            struct address from = address_ipv4(198, 51, (uint8_t)(i >> 8), (uint8_t)i, 9);
            check_from(&peer, &from, (struct request){.controlled = lite == 0});
            peer.now += NANOS_PER_MS;
            if (i % 3 == 0)
                next(&peer, &out);
        }
        CU_ASSERT_TRUE(peer.agent->remote_count <= ICE_MAX_REMOTES);
        CU_ASSERT_TRUE(peer.agent->pair_count <= ICE_MAX_PAIRS);
        CU_ASSERT_TRUE(peer.agent->response_count <= ICE_MAX_RESPONSES);
        if (lite == 1) {
            CU_ASSERT_TRUE(ice_agent_selected(peer.agent, &base, &selected, NULL));
            CU_ASSERT_TRUE(address_equal(&selected, &peer.at));
        }
        ice_agent_destroy(peer.agent);
    }
}

/* An endless chase between two NATs that map by port and filter nothing ends after a few steps. */
static void gives_up_a_chase(void)
{
    struct ice_config config = {.seed = 10};
    struct peer peer = meet(&config, true);
    struct written out;
    for (uint16_t i = 0; i < 40; i++) {
        struct address from = peer.at;
        from.port = 10000 + i;
        check_from(&peer, &from, (struct request){0});
        if (!next_check(&peer, &out))
            continue;
        struct address answering = peer.at;
        answering.port = 20000 + i;
        answer(&peer, &out, &answering, 0, right_password);
    }
    CU_ASSERT_EQUAL(peer.agent->pair_count, ICE_MAX_STRAYS);
    ice_agent_destroy(peer.agent);
}

static void finds_the_agent_by_ufrag(void)
{
    uint8_t buf[128];
    uint8_t id[STUN_TRANSACTION_ID_LEN] = {0};
    char ufrag[ICE_UFRAG_CAP];
    static const struct {
        const char *username;
        const char *ufrag; /* NULL: none */
    } cases[] = {{"room1:abcd", "room1"}, {"a:b:c", "a"}, {":x", NULL}, {"none", NULL}, {"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stun_builder builder;
        struct stun_message message;
        stun_begin(&builder, buf, sizeof buf, STUN_REQUEST, STUN_BINDING, id);
        stun_put_text(&builder, STUN_ATTR_USERNAME, cases[i].username);
        CU_ASSERT_TRUE_FATAL(stun_parse(&message, buf, stun_finish(&builder), NULL));
        CU_ASSERT_EQUAL(ice_stun_local_ufrag(&message, ufrag), cases[i].ufrag != NULL);
        if (cases[i].ufrag != NULL)
            CU_ASSERT_STRING_EQUAL(ufrag, cases[i].ufrag);
    }
}

void ice_check_test(void)
{
    SUITE("ice_check", {"answers as RFC 8489 says", answers_as_rfc_8489_says},
          {"takes only Binding", takes_only_binding}, {"believes only answers", answers_nobody_it_did_not_ask},
          {"an answer from elsewhere fails the pair", an_answer_from_elsewhere_fails_the_pair},
          {"resolves role conflicts", resolves_role_conflicts},
          {"checks carry what they must", checks_carry_what_they_must},
          {"lite follows nominations", lite_follows_nominations},
          {"lite follows back behind a restart", lite_follows_back_behind_a_restart},
          {"grows no further than its limits", grows_no_further_than_its_limits},
          {"gives up a chase", gives_up_a_chase}, {"finds the agent by ufrag", finds_the_agent_by_ufrag});
}
