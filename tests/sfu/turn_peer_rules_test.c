/* Services beside a TURN server may be reached through it, and nothing else of its machine. */
#include "sfu/turn_peer_rules.h"

#include "tests/support/suite.h"
#include "tests/support/wire_world.h"

static void a_service_of_this_machine(void)
{
    struct wire_world *wire = wire_world_create(NULL);
    const struct address turn = address_ipv4(10, 0, 0, 1, 3478);
    const struct address services[] = {address_ipv4(10, 0, 0, 1, 8080), address_ipv4(127, 0, 0, 1, 8080)};
    const struct turn_server_config config = {.host = wire_world_host(wire, "10.0.0.1"),
                                              .udp = &turn,
                                              .udp_count = 1,
                                              .relay_ipv4 = address_ipv4(10, 0, 0, 1, 0),
                                              .relay_port_min = 49152,
                                              .relay_port_max = 65535,
                                              .services = services,
                                              .service_count = 2};
    const struct {
        struct address peer;
        bool permitted, sent;
    } cases[] = {
        {address_ipv4(10, 0, 0, 1, 8080), true, true},    {address_ipv4(127, 0, 0, 1, 8080), true, true},
        {address_ipv4(10, 0, 0, 1, 8081), true, false},   {address_ipv4(10, 0, 0, 1, 3478), true, false},
        {address_ipv4(127, 0, 0, 1, 22), true, false},    {address_ipv4(127, 0, 0, 1, 50000), true, false},
        {address_ipv4(10, 0, 0, 1, 50000), true, true}, /* another client's relay */
        {address_ipv4(127, 0, 0, 2, 8080), false, false}, {address_ipv4(10, 0, 0, 2, 8080), false, false},
    };
    struct turn_peer_rules rules;
    struct error error;
    CU_ASSERT_TRUE_FATAL(turn_peer_rules_init(&rules, &config, &error));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(turn_peer_rules_permit(&rules, &cases[i].peer), cases[i].permitted);
        CU_ASSERT_EQUAL(turn_peer_rules_send(&rules, &cases[i].peer), cases[i].sent);
    }
    const struct address port_of_relays = address_ipv4(10, 0, 0, 1, 50000);
    CU_ASSERT_TRUE(turn_peer_rules_only_relays(&rules, &port_of_relays));
    CU_ASSERT_FALSE(turn_peer_rules_only_relays(&rules, &services[0]));
    turn_peer_rules_clear(&rules);
    /* Who allows the server's own addresses means all of their ports. */
    const struct turn_peer_range range = {address_ipv4(10, 0, 0, 0, 0), address_ipv4(10, 0, 0, 255, 0), true};
    struct turn_server_config open = config;
    open.peer_ranges = &range;
    open.peer_range_count = 1;
    CU_ASSERT_TRUE_FATAL(turn_peer_rules_init(&rules, &open, &error));
    CU_ASSERT_FALSE(turn_peer_rules_only_relays(&rules, &port_of_relays));
    CU_ASSERT_TRUE(turn_peer_rules_send(&rules, &port_of_relays));
    turn_peer_rules_clear(&rules);
    wire_world_destroy(wire);
}

void turn_peer_rules_test(void) { SUITE("turn peer rules", {"a service of this machine", a_service_of_this_machine}); }
