#include "rtc/ice_agent.h"

#include <stdio.h>

#include "rtc/ice_internal.h"
#include "tests/support/ice_network.h"
#include "tests/support/suite.h"

#define S NANOS_PER_S
#define MS NANOS_PER_MS

static const struct nat_config home = {
    .mapping = NAT_ENDPOINT_INDEPENDENT, .filtering = NAT_ADDRESS_AND_PORT_DEPENDENT, .allocation = NAT_RANDOM};

static const struct nat_config symmetric = {
    .mapping = NAT_ADDRESS_AND_PORT_DEPENDENT, .filtering = NAT_ADDRESS_AND_PORT_DEPENDENT, .allocation = NAT_RANDOM};

static bool went_through(const struct ice_side *side, enum ice_state state)
{
    for (size_t i = 0; i < side->state_count; i++) {
        if (side->states[i] == state)
            return true;
    }
    return false;
}

static void connect(struct ice_network *net, uint64_t seed, const struct ice_config configs[2])
{
    ice_network_open(net, seed, configs, &home, &home);
    ice_network_call(net);
    ice_network_settle(net, net->now + 20 * S);
    CU_ASSERT_TRUE_FATAL(ice_network_agreed(net));
}

static void connects_host_to_host(void)
{
    struct ice_network net;
    ice_network_open(&net, 1, NULL, NULL, NULL);
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 20 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    for (int i = 0; i < 2; i++) {
        struct ice_side *side = &net.sides[i];
        CU_ASSERT_EQUAL(side->pair.local, ICE_HOST);
        CU_ASSERT_EQUAL(side->pair.remote, ICE_HOST);
        CU_ASSERT_EQUAL(side->selections, 1);
        CU_ASSERT_EQUAL(side->state_count, 3);
        CU_ASSERT_EQUAL(side->states[0], ICE_STATE_CHECKING);
        CU_ASSERT_EQUAL(side->states[1], ICE_STATE_CONNECTED);
        CU_ASSERT_EQUAL(side->states[2], ICE_STATE_COMPLETED);
        CU_ASSERT_TRUE(ice_agent_may_send(side->agent));
        CU_ASSERT_EQUAL(ice_agent_rtt(side->agent), 2 * net.delay);
        CU_ASSERT_EQUAL(side->candidates[ICE_SERVER_REFLEXIVE], 0); /* the same as the host's */
        CU_ASSERT_TRUE(ice_agent_valid_source(side->agent, 0, &net.sides[1 - i].host[0]));
        struct address other = net.sides[1 - i].host[0];
        other.port++;
        CU_ASSERT_FALSE(ice_agent_valid_source(side->agent, 0, &other));
        CU_ASSERT_FALSE(ice_agent_valid_source(side->agent, 2, &net.sides[1 - i].host[0]));
    }
    ice_network_close(&net);
}

static void role_conflicts_are_repaired(void)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct ice_config configs[2] = {{.controlling = seed % 2 == 0}, {.controlling = seed % 2 == 0}};
        struct ice_network net;
        connect(&net, seed, configs);
        CU_ASSERT_NOT_EQUAL(ice_agent_controlling(net.sides[0].agent), ice_agent_controlling(net.sides[1].agent));
        CU_ASSERT_EQUAL(ice_agent_state(net.sides[0].agent), ICE_STATE_COMPLETED);
        ice_network_close(&net);
    }
}

static void keeps_consent(void)
{
    struct ice_network net;
    connect(&net, 3, NULL);
    ice_network_run(&net, net.now + 3 * S);
    uint64_t before[2];
    for (int i = 0; i < 2; i++)
        before[i] = ice_agent_statistics(net.sides[i].agent).consent_sent;
    ice_network_run(&net, net.now + 600 * S);
    for (int i = 0; i < 2; i++) {
        uint64_t sent = ice_agent_statistics(net.sides[i].agent).consent_sent - before[i];
        CU_ASSERT_TRUE(sent >= 100 && sent <= 150); /* RFC 7675, section 5.1: every 4 to 6 s */
        CU_ASSERT_EQUAL(ice_agent_state(net.sides[i].agent), ICE_STATE_COMPLETED);
        CU_ASSERT_EQUAL(net.sides[i].selections, 1);
    }
    ice_network_close(&net);
}

static void loses_consent(void)
{
    struct ice_network net;
    connect(&net, 4, NULL);
    ice_network_run(&net, net.now + 5 * S);
    nanos cut_at = net.now;
    net.sides[1].cut = true;
    ice_network_run(&net, cut_at + 5 * S);
    CU_ASSERT_FALSE(went_through(&net.sides[0], ICE_STATE_DISCONNECTED));
    ice_network_run(&net, cut_at + 13 * S);
    CU_ASSERT_EQUAL(ice_agent_state(net.sides[0].agent), ICE_STATE_DISCONNECTED);
    CU_ASSERT_TRUE(ice_agent_may_send(net.sides[0].agent));
    /* The last answer came at most 6 s before the cut (RFC 7675, section 5.1: 30 s). */
    ice_network_run(&net, cut_at + 23 * S);
    CU_ASSERT_TRUE(ice_agent_may_send(net.sides[0].agent));
    ice_network_run(&net, cut_at + 31 * S);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(ice_agent_state(net.sides[i].agent), ICE_STATE_FAILED);
        CU_ASSERT_FALSE(ice_agent_may_send(net.sides[i].agent));
    }
    /* And then there is silence. */
    uint64_t sent = net.sides[0].sent;
    ice_network_run(&net, cut_at + 100 * S);
    CU_ASSERT_EQUAL(net.sides[0].sent, sent);

    /* A restart revives it. */
    net.sides[1].cut = false;
    ice_network_restart(&net, 0);
    ice_network_run(&net, net.now + 5 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_TRUE(ice_agent_may_send(net.sides[0].agent));
    CU_ASSERT_TRUE(ice_agent_may_send(net.sides[1].agent));
    ice_network_close(&net);
}

static void comes_back_after_an_outage(void)
{
    struct ice_network net;
    connect(&net, 5, NULL);
    net.sides[0].cut = true;
    ice_network_run(&net, net.now + 17 * S);
    CU_ASSERT_EQUAL(ice_agent_state(net.sides[0].agent), ICE_STATE_DISCONNECTED);
    CU_ASSERT_EQUAL(ice_agent_state(net.sides[1].agent), ICE_STATE_DISCONNECTED);
    net.sides[0].cut = false;
    ice_network_run(&net, net.now + 6 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_FALSE(ice_network_relayed(&net));
    for (int i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(ice_agent_state(net.sides[i].agent), ICE_STATE_COMPLETED);
    ice_network_close(&net);
}

static void falls_back_on_the_relay(void)
{
    struct ice_network net;
    connect(&net, 6, NULL);
    CU_ASSERT_FALSE(ice_network_relayed(&net));
    ice_network_run(&net, net.now + 3 * S);
    net.sides[1].udp_direct = false;
    ice_network_run(&net, net.now + 25 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_TRUE(ice_network_relayed(&net));
    CU_ASSERT_FALSE(went_through(&net.sides[0], ICE_STATE_FAILED));
    CU_ASSERT_TRUE(ice_agent_may_send(net.sides[0].agent));
    CU_ASSERT_TRUE(ice_agent_may_send(net.sides[1].agent));
    ice_network_close(&net);
}

static void restarts_without_a_gap(void)
{
    for (int from = 0; from < 2; from++) {
        struct ice_network net;
        connect(&net, 7 + (uint64_t)from, NULL);
        ice_network_run(&net, net.now + 2 * S);
        char ufrag[2][ICE_UFRAG_CAP];
        size_t selections[2];
        for (int i = 0; i < 2; i++) {
            snprintf(ufrag[i], sizeof ufrag[i], "%s", ice_agent_ufrag(net.sides[i].agent));
            selections[i] = net.sides[i].selections;
        }
        net.answer_delay = 8 * S; /* long enough for consent checks on the old pair */
        ice_network_restart(&net, from);
        nanos end = net.now + 8 * S;
        while (net.now < end) {
            ice_network_run(&net, net.now + 10 * MS);
            CU_ASSERT_TRUE(ice_agent_may_send(net.sides[0].agent) && ice_agent_may_send(net.sides[1].agent));
        }
        ice_network_run(&net, net.now + 4 * S);
        CU_ASSERT_TRUE(ice_network_agreed(&net));
        for (int i = 0; i < 2; i++) {
            CU_ASSERT_STRING_NOT_EQUAL(ice_agent_ufrag(net.sides[i].agent), ufrag[i]);
            CU_ASSERT_EQUAL(net.sides[i].selections, selections[i] + 1);
            CU_ASSERT_EQUAL(ice_agent_state(net.sides[i].agent), ICE_STATE_COMPLETED);
            CU_ASSERT_FALSE(went_through(&net.sides[i], ICE_STATE_DISCONNECTED));
        }
        /* And it lasts. */
        ice_network_run(&net, net.now + 100 * S);
        CU_ASSERT_TRUE(ice_agent_may_send(net.sides[0].agent) && ice_agent_may_send(net.sides[1].agent));
        ice_network_close(&net);
    }
}

static void restarts_onto_another_path(void)
{
    struct ice_network net;
    connect(&net, 9, NULL);
    /* Restarted twice before the peer hears of it, with the direct path gone. */
    net.sides[0].udp_direct = false;
    ice_agent_restart(net.sides[0].agent);
    ice_network_restart(&net, 0);
    ice_network_run(&net, net.now + 8 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_TRUE(ice_network_relayed(&net));
    ice_network_close(&net);
}

static void lite_answers_and_follows(void)
{
    struct ice_config configs[2] = {{.controlling = false}, {.lite = true}};
    struct ice_network net;
    ice_network_open(&net, 10, configs, &home, NULL);
    net.sides[1].relay.family = ADDRESS_NONE;
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 20 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_TRUE(ice_agent_controlling(net.sides[0].agent));
    CU_ASSERT_FALSE(ice_agent_controlling(net.sides[1].agent));
    CU_ASSERT_EQUAL(net.sides[1].pair.remote, ICE_SERVER_REFLEXIVE);
    ice_network_run(&net, net.now + 120 * S);
    CU_ASSERT_EQUAL(ice_agent_statistics(net.sides[1].agent).requests_sent, 0);
    CU_ASSERT_EQUAL(ice_agent_state(net.sides[1].agent), ICE_STATE_COMPLETED);
    CU_ASSERT_TRUE(ice_agent_may_send(net.sides[1].agent));
    /* The peer's checks are its consent. */
    net.sides[0].cut = true;
    ice_network_run(&net, net.now + 14 * S);
    CU_ASSERT_EQUAL(ice_agent_state(net.sides[1].agent), ICE_STATE_DISCONNECTED);
    ice_network_run(&net, net.now + 20 * S);
    CU_ASSERT_EQUAL(ice_agent_state(net.sides[1].agent), ICE_STATE_FAILED);
    ice_network_close(&net);

    struct ice_config lite = {.lite = true};
    struct ice_agent *agent = ice_agent_create(&lite, NULL);
    struct error error;
    CU_ASSERT_FALSE(ice_agent_set_remote(agent, "abcd", "0123456789012345678901", true, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "lite"));
    ice_agent_destroy(agent);
}

static void lite_is_small(void)
{
    struct ice_config config = {.lite = true};
    struct ice_agent *agent = ice_agent_create(&config, NULL);
    struct ice_base base = {.type = ICE_HOST, .address = address_ipv4(192, 0, 2, 1, 5000)};
    ice_agent_add_base(agent, &base);
    size_t size = sizeof *agent + agent->base_count * sizeof *agent->bases +
                  agent->local_count * sizeof *agent->locals + sizeof *agent->remotes + 4 * sizeof *agent->pairs;
    CU_ASSERT_TRUE(size <= 2048);
    printf("\n    sizeof agent %zu, base %zu, local %zu, remote %zu, pair %zu; lite with one base and a peer %zu ... ",
           sizeof *agent, sizeof *agent->bases, sizeof *agent->locals, sizeof *agent->remotes, sizeof *agent->pairs,
           size);
    ice_agent_destroy(agent);
}

static void learns_peers_nobody_signalled(void)
{
    for (int silent = 0; silent < 2; silent++) {
        struct ice_network net;
        ice_network_open(&net, 11, NULL, NULL, NULL);
        net.sides[silent].silent = true;
        ice_network_call(&net);
        ice_network_run(&net, net.now + 3 * S);
        CU_ASSERT_TRUE(ice_network_agreed(&net));
        CU_ASSERT_EQUAL(net.sides[1 - silent].pair.remote, ICE_PEER_REFLEXIVE);
        CU_ASSERT_EQUAL(net.sides[silent].pair.remote, ICE_HOST);
        ice_network_close(&net);
    }
}

static void late_signalling_names_the_type(void)
{
    struct ice_network net;
    ice_network_open(&net, 12, NULL, &home, NULL);
    net.candidate_lag = 2 * S;
    ice_network_call(&net);
    ice_network_run(&net, net.now + 10 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_EQUAL(net.sides[1].pair.remote, ICE_SERVER_REFLEXIVE);
    CU_ASSERT_EQUAL(net.sides[0].pair.remote, ICE_HOST);
    ice_network_close(&net);
}

static void checks_may_come_before_the_answer(void)
{
    struct ice_network net;
    ice_network_open(&net, 13, NULL, NULL, &home);
    net.answer_delay = 2 * S;
    nanos start = net.now;
    ice_network_call(&net);
    ice_network_run(&net, start + 2 * S);
    CU_ASSERT_TRUE(ice_agent_statistics(net.sides[0].agent).requests_received > 0);
    CU_ASSERT_TRUE(ice_agent_statistics(net.sides[0].agent).responses_sent > 0);
    CU_ASSERT_EQUAL(ice_agent_statistics(net.sides[0].agent).responses_received, 2); /* STUN's */
    CU_ASSERT_EQUAL(ice_agent_state(net.sides[0].agent), ICE_STATE_NEW);
    ice_network_run(&net, start + 3 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    /* The answer came at 2.08 s; the queued check and the nomination take a round trip each. */
    CU_ASSERT_TRUE(net.sides[0].connected_at - start < 2400 * MS);
    ice_network_close(&net);
}

static struct address ipv6(const char *text)
{
    struct address address;
    CU_ASSERT_TRUE_FATAL(address_parse(&address, text));
    return address;
}

static void prefers_ipv6_modestly(void)
{
    struct ice_network net;
    ice_network_open(&net, 14, NULL, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        net.sides[i].host[1] = ipv6(i == 0 ? "[2001:db8::1]:5000" : "[2001:db8::2]:5000");
        net.sides[i].host_count = 2;
    }
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 20 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_EQUAL(net.sides[0].pair.local_address.family, ADDRESS_IPV6);
    ice_network_close(&net);

    /* Link-local addresses pair among themselves only (RFC 8445, section 6.1.2.2). */
    ice_network_open(&net, 15, NULL, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        net.sides[i].host[0] = ipv6(i == 0 ? "[2001:db8::1]:5000" : "[fe80::2]:5000");
        net.sides[i].relay.family = ADDRESS_NONE;
    }
    ice_network_call(&net);
    ice_network_run(&net, net.now + 5 * S);
    CU_ASSERT_EQUAL(net.sides[0].agent->pair_count, 0);
    ice_network_run(&net, net.now + 30 * S);
    CU_ASSERT_EQUAL(ice_agent_state(net.sides[0].agent), ICE_STATE_FAILED);
    ice_network_close(&net);
}

static void fails_when_nothing_works(void)
{
    struct ice_network net;
    nanos failed[2];
    for (int trickle = 0; trickle < 2; trickle++) {
        ice_network_open(&net, 16, NULL, &home, &home);
        net.sides[0].cut = true;
        net.sides[0].silent = trickle == 1; /* then nobody says that there are no more candidates */
        net.sides[1].silent = trickle == 1;
        nanos start = net.now;
        ice_network_call(&net);
        ice_network_settle(&net, net.now + 60 * S);
        failed[trickle] = net.now - start;
        CU_ASSERT_TRUE(went_through(&net.sides[0], ICE_STATE_FAILED) || went_through(&net.sides[1], ICE_STATE_FAILED));
        CU_ASSERT_FALSE(ice_agent_may_send(net.sides[0].agent));
        ice_network_close(&net);
    }
    CU_ASSERT_TRUE(failed[0] > 15 * S && failed[0] < 30 * S); /* all checks have failed */
    CU_ASSERT_TRUE(failed[1] > 29 * S && failed[1] < 31 * S); /* the time limit */
}

static void gathers_even_if_stun_is_dead(void)
{
    struct ice_network net;
    ice_network_open(&net, 17, NULL, NULL, NULL);
    net.stun_dead = true;
    nanos start = net.now;
    ice_network_call(&net);
    ice_network_run(&net, start + 10 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_TRUE(net.sides[0].connected_at < start + S);
    CU_ASSERT_TRUE(net.sides[0].gathered_at > start + 5 * S - MS && net.sides[0].gathered_at < start + 5100 * MS);
    /* 0, 0.5, 1.5 and 3.5 s, to each of two servers. */
    CU_ASSERT_EQUAL(net.sides[0].agent->gather_count, 2);
    ice_network_close(&net);
}

struct transcript {
    uint64_t hash;
    nanos last_new;
    nanos least_gap;
    uint8_t seen[400][STUN_TRANSACTION_ID_LEN];
    size_t seen_count;
    size_t requests;
};

static void transcribe(struct ice_network *net, int side, int base, const struct address *remote, const uint8_t *data,
                       size_t len)
{
    struct transcript *transcript = net->tap_user;
    transcript->hash = transcript->hash * 31 + address_hash(remote) + (uint64_t)base + (uint64_t)net->now;
    for (size_t i = 0; i < len; i++)
        transcript->hash = (transcript->hash ^ data[i]) * 1099511628211u;
    struct stun_message message;
    CU_ASSERT_TRUE_FATAL(stun_parse(&message, data, len, NULL));
    CU_ASSERT_TRUE(stun_check_fingerprint(&message));
    if (side != 0 || message.class != STUN_REQUEST || !stun_has(&message, STUN_ATTR_PRIORITY))
        return;
    transcript->requests++;
    for (size_t i = 0; i < transcript->seen_count; i++) {
        if (memcmp(transcript->seen[i], message.transaction_id, STUN_TRANSACTION_ID_LEN) == 0)
            return;
    }
    if (stun_has(&message, STUN_ATTR_USE_CANDIDATE))
        return; /* nominations and consent are not paced */
    if (transcript->seen_count > 0)
        transcript->least_gap = nanos_min(transcript->least_gap, net->now - transcript->last_new);
    transcript->last_new = net->now;
    if (transcript->seen_count < 400)
        memcpy(transcript->seen[transcript->seen_count++], message.transaction_id, STUN_TRANSACTION_ID_LEN);
}

static void same_seed_same_bytes(void)
{
    uint64_t hash[3];
    for (int i = 0; i < 3; i++) {
        struct transcript transcript = {.least_gap = NANOS_NEVER};
        struct ice_network net;
        ice_network_open(&net, i == 2 ? 19 : 18, NULL, &symmetric, &symmetric);
        net.loss = 0.1;
        net.tap = transcribe;
        net.tap_user = &transcript;
        ice_network_call(&net);
        ice_network_run(&net, net.now + 40 * S);
        hash[i] = transcript.hash;
        CU_ASSERT_TRUE(transcript.seen_count >= 8);
        CU_ASSERT_TRUE(transcript.least_gap >= 50 * MS); /* RFC 8445, section 14.2 */
        ice_network_close(&net);
    }
    CU_ASSERT_EQUAL(hash[0], hash[1]);
    CU_ASSERT_NOT_EQUAL(hash[0], hash[2]);
}

static void loses_a_base(void)
{
    struct ice_network net;
    ice_network_open(&net, 20, NULL, NULL, NULL);
    for (int i = 0; i < 2; i++) {
        net.sides[i].host[1] = ipv6(i == 0 ? "[2001:db8::1]:5000" : "[2001:db8::2]:5000");
        net.sides[i].host_count = 2;
    }
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 20 * S);
    CU_ASSERT_EQUAL(net.sides[0].pair.base, 1);
    ice_agent_remove_base(net.sides[0].agent, 1);
    CU_ASSERT_FALSE(ice_agent_may_send(net.sides[0].agent));
    ice_network_run(&net, net.now + 15 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_EQUAL(net.sides[0].pair.base, 0);
    CU_ASSERT_EQUAL(net.sides[0].pair.remote, ICE_HOST);
    ice_network_close(&net);
}

static void a_relay_that_comes_late_is_used(void)
{
    struct ice_network net;
    ice_network_open(&net, 21, NULL, &symmetric, &symmetric);
    struct address relay = net.sides[0].relay;
    net.sides[0].relay.family = ADDRESS_NONE;
    net.sides[1].relay.family = ADDRESS_NONE;
    ice_network_call(&net);
    ice_network_run(&net, net.now + 4 * S);
    CU_ASSERT_FALSE(ice_agent_may_send(net.sides[0].agent));
    net.sides[0].relay = relay;
    ice_network_add_base(&net, 0, &relay, true);
    ice_network_run(&net, net.now + 5 * S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_EQUAL(net.sides[0].pair.local, ICE_RELAYED);
    ice_network_close(&net);
}

static void follows_its_own_mapping(void)
{
    /* The peer does not answer for minutes, and meanwhile the NAT forgets. */
    struct nat_config forgetful = home;
    forgetful.udp_timeout = 20 * S;
    struct ice_network net;
    ice_network_open(&net, 22, NULL, &forgetful, &home);
    net.answer_delay = 200 * S;
    ice_network_call(&net);
    ice_network_run(&net, net.now + 55 * S);
    CU_ASSERT_EQUAL(net.sides[0].candidates[ICE_SERVER_REFLEXIVE], 1); /* kept alive */
    net.sides[0].cut = true;
    ice_network_run(&net, net.now + 25 * S);
    net.sides[0].cut = false;
    ice_network_run(&net, net.now + 20 * S);
    CU_ASSERT_TRUE(net.sides[0].candidates[ICE_SERVER_REFLEXIVE] >= 2); /* another one since */
    ice_network_close(&net);
}

static void closed_is_silent(void)
{
    struct ice_network net;
    connect(&net, 23, NULL);
    ice_agent_close(net.sides[0].agent);
    uint64_t sent = net.sides[0].sent;
    ice_network_run(&net, net.now + 10 * S);
    CU_ASSERT_EQUAL(net.sides[0].sent, sent);
    CU_ASSERT_TRUE(went_through(&net.sides[0], ICE_STATE_CLOSED));
    CU_ASSERT_FALSE(ice_agent_may_send(net.sides[0].agent));
    ice_network_close(&net);
}

static void refuses_wrong_configurations(void)
{
    struct error error;
    struct address many[5] = {{0}};
    struct ice_config wrong[] = {
        {.ufrag = "abc"},
        {.ufrag = "ab:d"},
        {.ufrag = "012345678901234567890123456789012"},
        {.password = "tooshort"},
        {.stun_servers = many, .stun_server_count = 5},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_PTR_NULL(ice_agent_create(&wrong[i], &error));
    struct ice_config config = {.ufrag = "room1client7", .password = "0123456789012345678901"};
    struct ice_agent *agent = ice_agent_create(&config, &error);
    CU_ASSERT_STRING_EQUAL(ice_agent_ufrag(agent), "room1client7");
    CU_ASSERT_FALSE(ice_agent_set_remote(agent, "abc", "0123456789012345678901", false, &error));
    CU_ASSERT_FALSE(ice_agent_set_remote(agent, "abcd", "short", false, &error));
    CU_ASSERT_TRUE(ice_agent_set_remote(agent, "abcd", "0123456789012345678901", false, &error));
    ice_agent_destroy(agent);
}

static void takes_no_candidate_of_no_use(void)
{
    struct ice_config config = {.seed = 1};
    struct ice_agent *agent = ice_agent_create(&config, NULL);
    struct ice_base base = {.type = ICE_HOST, .address = address_ipv4(192, 0, 2, 1, 5000)};
    CU_ASSERT_EQUAL(ice_agent_add_base(agent, &base), 0);
    CU_ASSERT_EQUAL(ice_agent_add_base(agent, &base), -1);
    ice_agent_set_remote(agent, "abcd", "0123456789012345678901", false, NULL);
    static const char *const useless[] = {
        "candidate:1 1 tcp 1 192.0.2.2 9 typ host tcptype active",
        "candidate:1 2 udp 1 192.0.2.2 5 typ host",
        "candidate:1 1 udp 1 aaaa.local 5 typ host",
        "candidate:1 1 udp 1 192.0.2.2 0 typ host",
        "candidate:1 1 udp 1 0.0.0.0 5 typ host",
        "candidate:1 1 udp 1 224.0.0.1 5 typ host",
        "candidate:1 1 udp 1 192.0.2.2 5 typ host ufrag wxyz",
    };
    for (size_t i = 0; i < sizeof useless / sizeof useless[0]; i++) {
        struct ice_candidate candidate;
        CU_ASSERT_TRUE_FATAL(ice_candidate_parse(&candidate, useless[i], NULL));
        CU_ASSERT_FALSE(ice_agent_add_remote_candidate(agent, &candidate));
    }
    struct ice_candidate candidate;
    ice_candidate_parse(&candidate, "candidate:1 1 udp 1 127.0.0.1 5 typ host", NULL);
    CU_ASSERT_TRUE(ice_agent_add_remote_candidate(agent, &candidate));
    CU_ASSERT_EQUAL(agent->pair_count, 0); /* nobody is sent to a loopback from elsewhere */
    ice_candidate_parse(&candidate, "candidate:1 1 udp 1 192.0.2.2 5 typ host ufrag abcd", NULL);
    CU_ASSERT_TRUE(ice_agent_add_remote_candidate(agent, &candidate));
    CU_ASSERT_TRUE(ice_agent_add_remote_candidate(agent, &candidate));
    CU_ASSERT_EQUAL(agent->pair_count, 1);
    ice_agent_destroy(agent);
}

/* Behind an emulated NAT everyone else is on a loopback address, the STUN server first. */
static void goes_to_a_loopback_in_a_network_of_one_machine(void)
{
    const struct address stun = address_ipv4(127, 0, 0, 1, 3478);
    struct ice_config config = {.seed = 1, .stun_servers = &stun, .stun_server_count = 1};
    struct ice_agent *agent = ice_agent_create(&config, NULL);
    struct ice_base base = {.type = ICE_HOST, .address = address_ipv4(10, 0, 0, 2, 5000)};
    struct ice_candidate candidate;
    ice_agent_add_base(agent, &base);
    ice_agent_set_remote(agent, "abcd", "0123456789012345678901", false, NULL);
    ice_candidate_parse(&candidate, "candidate:1 1 udp 1 127.0.0.1 5 typ host", NULL);
    CU_ASSERT_TRUE(ice_agent_add_remote_candidate(agent, &candidate));
    CU_ASSERT_EQUAL(agent->pair_count, 1);
    ice_agent_destroy(agent);
}

static void keeps_the_hundred_best_pairs(void)
{
    struct ice_config config = {.seed = 2, .controlling = true};
    struct ice_agent *agent = ice_agent_create(&config, NULL);
    for (int i = 0; i < ICE_MAX_BASES; i++) {
        struct ice_base base = {.type = ICE_HOST, .address = address_ipv4(192, 0, 2, (uint8_t)(1 + i), 5000)};
        CU_ASSERT_EQUAL(ice_agent_add_base(agent, &base), i);
    }
    struct ice_base one_more = {.type = ICE_HOST, .address = address_ipv4(192, 0, 2, 99, 5000)};
    CU_ASSERT_EQUAL(ice_agent_add_base(agent, &one_more), -1);
    ice_agent_set_remote(agent, "abcd", "0123456789012345678901", false, NULL);
    int taken = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct ice_candidate candidate = {.address = address_ipv4(198, 51, 100, (uint8_t)(i & 127), (uint16_t)(1 + i)),
                                          .priority = 1000 + i,
                                          .component = 1,
                                          .foundation = "1"};
        taken += ice_agent_add_remote_candidate(agent, &candidate);
    }
    CU_ASSERT_EQUAL(taken, ICE_MAX_REMOTES);
    CU_ASSERT_EQUAL(agent->pair_count, ICE_MAX_PAIRS);
    /* 16 bases and the best 64 remotes make 1,024; the best 100 have remotes of the highest priorities. */
    for (size_t i = 0; i < agent->pair_count; i++)
        CU_ASSERT_TRUE(agent->remotes[agent->pairs[i].remote].priority >= 1000 + ICE_MAX_REMOTES - 7);
    ice_agent_destroy(agent);
}

void ice_agent_test(void)
{
    SUITE("ice_agent", {"connects host to host", connects_host_to_host},
          {"role conflicts are repaired", role_conflicts_are_repaired}, {"keeps consent", keeps_consent},
          {"loses consent", loses_consent}, {"comes back after an outage", comes_back_after_an_outage},
          {"falls back on the relay", falls_back_on_the_relay}, {"restarts without a gap", restarts_without_a_gap},
          {"restarts onto another path", restarts_onto_another_path},
          {"lite answers and follows", lite_answers_and_follows}, {"lite is small", lite_is_small},
          {"learns peers nobody signalled", learns_peers_nobody_signalled},
          {"late signalling names the type", late_signalling_names_the_type},
          {"checks may come before the answer", checks_may_come_before_the_answer},
          {"prefers IPv6 modestly", prefers_ipv6_modestly}, {"fails when nothing works", fails_when_nothing_works},
          {"gathers even if STUN is dead", gathers_even_if_stun_is_dead},
          {"same seed, same bytes, paced", same_seed_same_bytes}, {"loses a base", loses_a_base},
          {"a relay that comes late is used", a_relay_that_comes_late_is_used},
          {"follows its own mapping", follows_its_own_mapping}, {"closed is silent", closed_is_silent},
          {"refuses wrong configurations", refuses_wrong_configurations},
          {"takes no candidate of no use", takes_no_candidate_of_no_use},
          {"goes to a loopback in a network of one machine", goes_to_a_loopback_in_a_network_of_one_machine},
          {"keeps the hundred best pairs", keeps_the_hundred_best_pairs});
}
