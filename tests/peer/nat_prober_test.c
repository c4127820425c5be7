/* The prober in a world in memory; tests/loadgen/nat_survey_test.c has it behind NATs in the sim world. */
#include "peer/nat_prober.h"

#include "sfu/turn_server.h"
#include "tests/support/suite.h"
#include "tests/support/turn_party.h"
#include "tests/support/wire_world.h"

struct outcome {
    struct nat_prober *prober;
    struct nat_probe_result result;
    unsigned calls;
};

static void done_and_gone(void *user, const struct nat_probe_result *result, nanos now)
{
    struct outcome *outcome = user;
    (void)now;
    outcome->result = *result;
    outcome->calls++;
    nat_prober_destroy(outcome->prober);
}

static struct outcome probe(bool server_is_there)
{
    struct outcome outcome = {0};
    struct wire_world *wire = wire_world_create(&(struct wire_world_config){.delay = 5 * NANOS_PER_MS});
    struct world_host *server_host = wire_world_host(wire, "5.1.1.1 5.1.1.2");
    struct world_host *host = wire_world_host(wire, "6.1.1.1 2a00::1");
    struct address at = address_of("5.1.1.1:3478"), alternate = address_of("5.1.1.2:3479");
    struct turn_server *server = NULL;
    if (server_is_there)
        server = turn_server_create(
            &(struct turn_server_config){
                .host = server_host, .udp = &at, .udp_count = 1, .alternate = &alternate, .alternate_count = 1},
            NULL);
    const struct nat_prober_config config = {
        .host = host, .server = at, .rto = 100 * NANOS_PER_MS, .tries = 2, .done = done_and_gone, .user = &outcome};
    outcome.prober = nat_prober_create(&config, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(outcome.prober);
    CU_ASSERT_EQUAL(outcome.calls, 0);
    wire_world_run_until(wire, 10 * NANOS_PER_S);
    CU_ASSERT_EQUAL(outcome.calls, 1);
    turn_server_destroy(server);
    wire_world_destroy(wire);
    return outcome;
}

static void tells_once_and_may_be_destroyed_then(void)
{
    struct nat_probe_result open = probe(true).result;
    CU_ASSERT_FALSE(open.blocked || open.translated);
    CU_ASSERT_EQUAL(open.mapping, NAT_BEHAVIOR_ENDPOINT_INDEPENDENT);
    CU_ASSERT_EQUAL(open.filtering, NAT_BEHAVIOR_ENDPOINT_INDEPENDENT);
    CU_ASSERT_TRUE(open.mapped[0].family == ADDRESS_IPV4 && open.mapped[0].ip[0] == 6);
    CU_ASSERT_TRUE(probe(false).result.blocked);
}

static void a_family_that_the_host_lacks(void)
{
    struct error error = {0};
    struct wire_world *wire = wire_world_create(NULL);
    struct outcome outcome = {0};
    const struct nat_prober_config config = {.host = wire_world_host(wire, "6.1.1.1"),
                                             .server = address_of("[2a00::5]:3478"),
                                             .done = done_and_gone,
                                             .user = &outcome};
    CU_ASSERT_PTR_NULL(nat_prober_create(&config, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    wire_world_run_until(wire, NANOS_PER_S);
    CU_ASSERT_EQUAL(outcome.calls, 0);
    wire_world_destroy(wire);
}

void nat_prober_test(void)
{
    SUITE("nat_prober", {"tells once, and may be destroyed then", tells_once_and_may_be_destroyed_then},
          {"a family that the host lacks", a_family_that_the_host_lacks});
}
