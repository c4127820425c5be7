#include "rtc/ice_agent.h"

#include "tests/support/ice_network.h"
#include "tests/support/suite.h"

static void connects_host_to_host(void)
{
    struct ice_network net;
    ice_network_open(&net, 1, NULL, NULL, NULL);
    ice_network_call(&net);
    ice_network_settle(&net, net.now + 20 * NANOS_PER_S);
    CU_ASSERT_TRUE(ice_network_agreed(&net));
    CU_ASSERT_EQUAL(net.sides[0].pair.local, ICE_HOST);
    CU_ASSERT_EQUAL(net.sides[0].pair.remote, ICE_HOST);
    CU_ASSERT_EQUAL(ice_agent_state(net.sides[0].agent), ICE_STATE_COMPLETED);
    ice_network_close(&net);
}

/* Mapping/filter in the order of the oracle's rows and columns; '+' direct, 'r' relayed. */
static const char oracle[9][10] = {
    "+++++++++", "+++++++++", "+++rrrrrr", "++r++r++r", "++r++r++r", "++rrrrrrr", "++r++rrrr", "++r++rrrr", "++rrrrrrr",
};

static void every_nat_ends_as_the_oracle_says(void)
{
    for (int a = 0; a < 9; a++) {
        for (int b = 0; b < 9; b++) {
            struct nat_config nat[2] = {
                {.mapping = a / 3, .filtering = a % 3, .allocation = NAT_RANDOM},
                {.mapping = b / 3, .filtering = b % 3, .allocation = NAT_RANDOM},
            };
            struct ice_network net;
            ice_network_open(&net, (uint64_t)(9 * a + b), NULL, &nat[0], &nat[1]);
            net.jitter = 10 * NANOS_PER_MS;
            ice_network_call(&net);
            ice_network_settle(&net, net.now + 40 * NANOS_PER_S);
            bool agreed = ice_network_agreed(&net);
            CU_ASSERT_TRUE(agreed);
            char end = ice_network_relayed(&net) ? 'r' : '+';
            CU_ASSERT_EQUAL(end, oracle[a][b]);
            ice_network_close(&net);
        }
    }
}

void ice_agent_test(void)
{
    SUITE("ice_agent", {"connects host to host", connects_host_to_host},
          {"every NAT ends as the oracle says", every_nat_ends_as_the_oracle_says});
}
