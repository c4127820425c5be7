/* Which pairs of NATs a path is found through, and how: RFC 5128's and RFC 4787's terms, by the world's NAT model. */
#include "tests/support/ice_network.h"
#include "tests/support/suite.h"

/* The fixpoint of ICE's rules without port prediction: mapping/filter EI/EI, EI/AD, EI/APD, AD/EI … APD/APD by row and
 * column; '+' ends direct, 'r' relayed. */
static const char oracle[9][10] = {
    "+++++++++", "+++++++++", "+++rrrrrr", "++r++r++r", "++r++r++r", "++rrrrrrr", "++r++rrrr", "++r++rrrr", "++rrrrrrr",
};

struct conditions {
    double loss;
    nanos jitter;
    nanos candidate_lag;
    nanos answer_delay;
    bool vanilla;
};

static struct nat_config nat_of(int type, enum nat_allocation allocation)
{
    return (struct nat_config){.mapping = type / 3, .filtering = type % 3, .allocation = allocation};
}

/* Sets up a call, waits for its end, and says how it ended: '+', 'r', or '?' when the two sides don't agree. */
static char call(uint64_t seed, const struct nat_config *a, const struct nat_config *b, const struct conditions *with)
{
    struct ice_network net;
    ice_network_open(&net, seed, NULL, a, b);
    net.loss = with->loss;
    net.jitter = with->jitter;
    net.candidate_lag = with->candidate_lag;
    net.answer_delay = with->answer_delay;
    net.vanilla = with->vanilla;
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 40 * NANOS_PER_S);
    char end = ice_network_relayed(&net) ? 'r' : '+';
    if (!ice_network_agreed(&net))
        end = '?';
    ice_network_close(&net);
    return end;
}

static int mismatches(const struct conditions *with, uint64_t seed)
{
    int wrong = 0;
    for (int a = 0; a < 9; a++) {
        for (int b = 0; b < 9; b++) {
            struct nat_config nat_a = nat_of(a, NAT_RANDOM);
            struct nat_config nat_b = nat_of(b, NAT_RANDOM);
            wrong += call(seed + (uint64_t)(9 * a + b), &nat_a, &nat_b, with) != oracle[a][b];
        }
    }
    return wrong;
}

static void ends_as_the_oracle_says(void)
{
    struct conditions smooth = {0};
    struct conditions jittery = {.jitter = 30 * NANOS_PER_MS};
    CU_ASSERT_EQUAL(mismatches(&smooth, 0), 0);
    CU_ASSERT_EQUAL(mismatches(&jittery, 1000), 0);
}

static void whatever_the_order_of_signalling(void)
{
    struct conditions vanilla = {.vanilla = true, .jitter = 5 * NANOS_PER_MS};
    struct conditions late_candidates = {.candidate_lag = 400 * NANOS_PER_MS, .jitter = 5 * NANOS_PER_MS};
    struct conditions slow_answer = {.answer_delay = 3 * NANOS_PER_S, .jitter = 5 * NANOS_PER_MS};
    CU_ASSERT_EQUAL(mismatches(&vanilla, 2000), 0);
    CU_ASSERT_EQUAL(mismatches(&late_candidates, 3000), 0);
    CU_ASSERT_EQUAL(mismatches(&slow_answer, 4000), 0);
}

static void even_when_a_tenth_is_lost(void)
{
    struct conditions lossy = {.loss = 0.1, .jitter = 10 * NANOS_PER_MS};
    CU_ASSERT_EQUAL(mismatches(&lossy, 5000), 0);
}

/* NATCracker's figures: 27 types, 378 unordered pairs, 210 of them direct (Roverso et al. 2009). */
static void counts_378_pairs(void)
{
    static const enum nat_allocation allocations[] = {NAT_PRESERVE, NAT_CONTIGUOUS, NAT_RANDOM};
    struct conditions smooth = {0};
    int direct = 0;
    int relayed = 0;
    for (int a = 0; a < 27; a++) {
        for (int b = a; b < 27; b++) {
            struct nat_config nat_a = nat_of(a % 9, allocations[a / 9]);
            struct nat_config nat_b = nat_of(b % 9, allocations[b / 9]);
            char end = call((uint64_t)(27 * a + b), &nat_a, &nat_b, &smooth);
            direct += end == '+';
            relayed += end == 'r';
        }
    }
    CU_ASSERT_EQUAL(direct, 210);
    CU_ASSERT_EQUAL(relayed, 168);
}

static void types_are_told_at_both_ends(void)
{
    /* A NAT that maps by destination: the peer sees a port that nobody signalled. */
    struct nat_config symmetric = nat_of(8, NAT_RANDOM);
    struct nat_config cone = nat_of(0, NAT_RANDOM);
    struct ice_network net;
    ice_network_open(&net, 1, NULL, &symmetric, &cone);
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 20 * NANOS_PER_S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_EQUAL(net.sides[0].pair.local, ICE_PEER_REFLEXIVE);
    CU_ASSERT_EQUAL(net.sides[0].pair.remote, ICE_SERVER_REFLEXIVE);
    CU_ASSERT_EQUAL(net.sides[1].pair.local, ICE_SERVER_REFLEXIVE);
    CU_ASSERT_EQUAL(net.sides[1].pair.remote, ICE_PEER_REFLEXIVE);
    CU_ASSERT_EQUAL(net.sides[0].candidates[ICE_SERVER_REFLEXIVE], 2); /* one for each STUN server */
    CU_ASSERT_EQUAL(net.sides[1].candidates[ICE_SERVER_REFLEXIVE], 1);
    ice_network_close(&net);
}

static void blocked_udp_goes_through_the_relay(void)
{
    struct ice_network net;
    struct nat_config cone = nat_of(1, NAT_RANDOM);
    ice_network_open(&net, 2, NULL, &cone, &cone);
    net.sides[1].udp_direct = false;
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 40 * NANOS_PER_S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_EQUAL(net.sides[1].pair.local, ICE_RELAYED);
    CU_ASSERT_EQUAL(net.sides[1].pair.relay, ICE_RELAY_UDP);
    CU_ASSERT_EQUAL(net.sides[0].pair.remote, ICE_RELAYED);
    /* Its STUN servers never answered: gathering ended by its time limit. */
    CU_ASSERT_EQUAL(net.sides[1].candidates[ICE_SERVER_REFLEXIVE], 0);
    ice_network_close(&net);
}

static void behind_one_nat_the_lan_is_used(void)
{
    struct ice_network net;
    struct nat_config cone = nat_of(2, NAT_RANDOM);
    ice_network_open(&net, 3, NULL, &cone, NULL);
    net.sides[1].nat = net.sides[0].nat;
    net.sides[1].shares_nat = true;
    net.sides[1].host[0] = address_ipv4(10, 0, 1, 2, 5000);
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 40 * NANOS_PER_S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_EQUAL(net.sides[0].pair.local, ICE_HOST);
    CU_ASSERT_EQUAL(net.sides[0].pair.remote, ICE_HOST);
    ice_network_close(&net);
}

/* How long it takes is what a person waits for; the bounds are the protocol's: one way of signalling each, one round
 * trip of check and nomination each, the waits for better pairs. */
static void is_as_quick_as_its_waits(void)
{
    struct nat_config cone = nat_of(2, NAT_RANDOM);
    struct nat_config symmetric = nat_of(8, NAT_RANDOM);
    struct ice_network net;
    ice_network_open(&net, 4, NULL, &cone, &cone);
    nanos start = net.now;
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 40 * NANOS_PER_S);
    CU_ASSERT_FALSE(ice_network_relayed(&net));
    CU_ASSERT_TRUE(net.sides[0].connected_at - start < 600 * NANOS_PER_MS);
    ice_network_close(&net);

    ice_network_open(&net, 5, NULL, &symmetric, &symmetric);
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 40 * NANOS_PER_S);
    CU_ASSERT_TRUE(ice_network_relayed(&net));
    CU_ASSERT_TRUE(net.sides[0].connected_at - start > 400 * NANOS_PER_MS);
    CU_ASSERT_TRUE(net.sides[0].connected_at - start < NANOS_PER_S);
    ice_network_close(&net);
}

/* Two private addresses, say: nobody goes on asking there. */
static void what_relays_refuse_is_given_up(void)
{
    struct nat_config symmetric = nat_of(8, NAT_RANDOM);
    struct ice_network net;
    ice_network_open(&net, 5, NULL, &symmetric, &symmetric);
    net.relays_refuse = true;
    ice_network_call(&net);
    ice_network_run(&net, net.now + 60 * NANOS_PER_S);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(ice_agent_state(net.sides[i].agent), ICE_STATE_FAILED);
        CU_ASSERT_TRUE(net.sides[i].dropped_at_relay <= 4);
    }
    ice_network_close(&net);
}

static void a_third_lost_still_connects(void)
{
    int connected = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct nat_config cone = nat_of((int)(seed % 3), NAT_RANDOM);
        struct ice_network net;
        ice_network_open(&net, seed, NULL, &cone, &cone);
        net.loss = 0.3;
        net.jitter = 20 * NANOS_PER_MS;
        ice_network_call(&net);
        ice_network_run(&net, net.now + 25 * NANOS_PER_S);
        connected += ice_agent_may_send(net.sides[0].agent) && ice_agent_may_send(net.sides[1].agent) &&
                     !ice_network_relayed(&net);
        CU_ASSERT_TRUE(net.drops > 0);
        ice_network_close(&net);
    }
    CU_ASSERT_EQUAL(connected, 60);
}

void ice_traversal_test(void)
{
    SUITE("ice_traversal", {"each of 81 NAT pairs ends as the oracle says", ends_as_the_oracle_says},
          {"whatever the order of signalling", whatever_the_order_of_signalling},
          {"even when a tenth is lost", even_when_a_tenth_is_lost}, {"210 of 378 pairs end direct", counts_378_pairs},
          {"types are told at both ends", types_are_told_at_both_ends},
          {"blocked UDP goes through the relay", blocked_udp_goes_through_the_relay},
          {"behind one NAT the LAN is used", behind_one_nat_the_lan_is_used},
          {"is as quick as its waits", is_as_quick_as_its_waits},
          {"what relays refuse is given up", what_relays_refuse_is_given_up},
          {"a third lost still connects", a_third_lost_still_connects});
}
