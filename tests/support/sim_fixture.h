/* A sim world for tests, and hosts in it by the names of presets. What can't be made aborts the test. */
#ifndef CONFAB_TESTS_SUPPORT_SIM_FIXTURE_H
#define CONFAB_TESTS_SUPPORT_SIM_FIXTURE_H

#include "sim/sim_world.h"

/* Core delay 10 ms. */
struct sim_world *sim_fixture(uint64_t seed);

/* A server with an ideal link, `addresses` of either family. */
struct world_host *sim_fixture_server(struct sim_world *sim, const char *name, size_t addresses);

/* A dual-stack client behind the NAT and access link of these names, on a LAN or behind a carrier of these numbers. */
struct world_host *sim_fixture_client(struct sim_world *sim, const char *nat, const char *access, uint32_t lan,
                                      uint32_t carrier);

/* The host's first address of the family (4 or 6) with that port. */
struct address sim_fixture_address(const struct world_host *host, int family, uint16_t port);

void sim_fixture_run(struct sim_world *sim, nanos until);

/* A UDP socket that keeps the last datagram and counts all; `echo`: and sends each back to where it came from. */
struct sim_socket {
    struct world_udp *udp;
    bool echo;
    unsigned received;
    nanos last_at;
    struct address last_from;
    size_t last_len;
    uint8_t last[1500];
};
void sim_socket_open(struct sim_socket *socket, struct world_host *host, const struct address *local);
void sim_socket_send(struct sim_socket *socket, const struct address *to, const void *data, size_t len);

#endif
