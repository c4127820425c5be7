/* NATs where they stand in the sim: what a client learns of its own by asking a server with two addresses and two ports,
 * as RFC 5780 does, must be what the preset says; and clients behind shared ones. */
#include "sim/sim_world.h"

#include "tests/support/suite.h"

#if CONFAB_SIM

#include <pcap/pcap.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/support/sim_fixture.h"

#define S NANOS_PER_S

enum { PRIMARY, OTHER_PORT, OTHER_ADDRESS, OTHER_BOTH, SOCKETS };

/* A request's first byte says from which of the server's sockets to answer; the answer tells where it came from. */
struct prober {
    struct world_udp *sockets[SOCKETS];
};

static void asked(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct prober *prober = user;
    (void)udp;
    (void)now;
    for (size_t i = 0; i < count; i++) {
        struct address mapped = batch[i].remote;
        struct datagram answer = {.remote = mapped, .data = (uint8_t *)&mapped, .len = sizeof mapped};
        world_udp_send(prober->sockets[batch[i].data[0] % SOCKETS], &answer, 1);
    }
}

static void prober_open(struct prober *prober, struct world_host *server)
{
    struct address addresses[8];
    struct error error;
    CU_ASSERT_EQUAL_FATAL(world_host_addresses(server, addresses, 8), 4);
    for (int i = 0; i < SOCKETS; i++) {
        struct address at = addresses[i / 2];
        at.port = (uint16_t)(3478 + i % 2);
        prober->sockets[i] = world_udp_open(server, &at, asked, prober, &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(prober->sockets[i]);
    }
}

/* Asks the server's socket `to` to answer from its socket `from`; where the client is seen at, family ADDRESS_NONE when
 * no answer comes. */
static struct address ask(struct sim_world *sim, struct sim_socket *socket, const struct prober *prober, int to,
                          int from)
{
    struct address at = world_udp_address(prober->sockets[to]);
    uint8_t request = (uint8_t)from;
    unsigned before = socket->received;
    sim_socket_send(socket, &at, &request, 1);
    sim_fixture_run(sim, world_now(sim_world_of(sim)) + S);
    struct address mapped = {0};
    if (socket->received > before)
        memcpy(&mapped, socket->last, sizeof mapped);
    return mapped;
}

static bool same(struct address a, struct address b) { return address_equal(&a, &b); }

/* RFC 5780, section 4.3. */
static enum nat_dependence find_mapping(struct sim_world *sim, struct world_host *client, const struct prober *prober)
{
    struct sim_socket socket = {0};
    struct address local = sim_fixture_address(client, 4, 0);
    sim_socket_open(&socket, client, &local);
    struct address first = ask(sim, &socket, prober, PRIMARY, PRIMARY);
    struct address second = ask(sim, &socket, prober, OTHER_ADDRESS, OTHER_ADDRESS);
    CU_ASSERT_TRUE(first.family == ADDRESS_IPV4 && second.family == ADDRESS_IPV4);
    if (same(first, second))
        return NAT_ENDPOINT_INDEPENDENT;
    return same(second, ask(sim, &socket, prober, OTHER_BOTH, OTHER_BOTH)) ? NAT_ADDRESS_DEPENDENT
                                                                           : NAT_ADDRESS_AND_PORT_DEPENDENT;
}

/* RFC 5780, section 4.4. */
static enum nat_dependence find_filtering(struct sim_world *sim, struct world_host *client, const struct prober *prober)
{
    struct sim_socket socket = {0};
    struct address local = sim_fixture_address(client, 4, 0);
    sim_socket_open(&socket, client, &local);
    if (ask(sim, &socket, prober, PRIMARY, OTHER_BOTH).family != ADDRESS_NONE)
        return NAT_ENDPOINT_INDEPENDENT;
    return ask(sim, &socket, prober, PRIMARY, OTHER_PORT).family != ADDRESS_NONE ? NAT_ADDRESS_DEPENDENT
                                                                                 : NAT_ADDRESS_AND_PORT_DEPENDENT;
}

static enum nat_allocation find_allocation(struct sim_world *sim, struct world_host *client,
                                           const struct prober *prober)
{
    uint16_t mapped[4];
    bool preserves = true;
    bool contiguous = true;
    for (uint16_t i = 0; i < 4; i++) {
        struct sim_socket socket = {0};
        struct address local = sim_fixture_address(client, 4, (uint16_t)(20000 + 100 * i));
        sim_socket_open(&socket, client, &local);
        mapped[i] = ask(sim, &socket, prober, PRIMARY, PRIMARY).port;
        world_udp_close(socket.udp);
        preserves = preserves && mapped[i] == local.port;
        contiguous = contiguous && (i == 0 || mapped[i] == mapped[i - 1] + 1);
    }
    return preserves ? NAT_PRESERVE : contiguous ? NAT_CONTIGUOUS : NAT_RANDOM;
}

static void the_27_types_show_what_they_are(void)
{
    struct sim_world *sim = sim_fixture(3);
    struct prober prober;
    prober_open(&prober, sim_fixture_server(sim, "stun", 2));
    int types = 0;
    for (size_t i = 0; nat_preset_at(i) != NULL; i++) {
        const struct nat_preset *preset = nat_preset_at(i);
        if (strncmp(preset->source, "RFC 4787 sections 4 and 5", 25) != 0)
            continue;
        struct world_host *client = sim_fixture_client(sim, preset->name, "fibre", 0, 0);
        CU_ASSERT_EQUAL(find_mapping(sim, client, &prober), preset->nats[0].mapping);
        CU_ASSERT_EQUAL(find_filtering(sim, client, &prober), preset->nats[0].filtering);
        CU_ASSERT_EQUAL(find_allocation(sim, client, &prober), preset->nats[0].allocation);
        types++;
    }
    CU_ASSERT_EQUAL(types, 27);
    /* Seen through the tests, Linux is what its overloaded ports make it look like; a CGN adds its own to the home's. */
    struct world_host *linux_client = sim_fixture_client(sim, "linux", "fibre", 0, 0);
    CU_ASSERT_EQUAL(find_mapping(sim, linux_client, &prober), NAT_ENDPOINT_INDEPENDENT);
    CU_ASSERT_EQUAL(find_filtering(sim, linux_client, &prober), NAT_ADDRESS_AND_PORT_DEPENDENT);
    struct world_host *cgn_client = sim_fixture_client(sim, "cgn", "fibre", 0, 0);
    CU_ASSERT_EQUAL(find_mapping(sim, cgn_client, &prober), NAT_ENDPOINT_INDEPENDENT);
    CU_ASSERT_EQUAL(find_filtering(sim, cgn_client, &prober), NAT_ADDRESS_AND_PORT_DEPENDENT);
    CU_ASSERT_EQUAL(find_allocation(sim, cgn_client, &prober), NAT_RANDOM);
    sim_world_destroy(sim);
}

/* Two clients punch towards each other's address as a server sees it; whether both hear the other. */
static bool punch(struct sim_world *sim, const struct prober *prober, struct world_host *a, struct world_host *b)
{
    struct world_host *hosts[2] = {a, b};
    struct sim_socket sockets[2] = {0};
    struct address mapped[2];
    for (int i = 0; i < 2; i++) {
        struct address local = sim_fixture_address(hosts[i], 4, 0);
        sim_socket_open(&sockets[i], hosts[i], &local);
        mapped[i] = ask(sim, &sockets[i], prober, PRIMARY, PRIMARY);
    }
    unsigned before[2] = {sockets[0].received, sockets[1].received};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++)
            sim_socket_send(&sockets[i], &mapped[1 - i], "punch", 5);
        sim_fixture_run(sim, world_now(sim_world_of(sim)) + S);
    }
    bool met = true;
    for (int i = 0; i < 2; i++) {
        met = met && sockets[i].received > before[i] && same(sockets[i].last_from, mapped[1 - i]);
        world_udp_close(sockets[i].udp);
    }
    return met;
}

static void neighbours(void)
{
    struct sim_world *sim = sim_fixture(3);
    struct prober prober;
    prober_open(&prober, sim_fixture_server(sim, "stun", 2));
    /* Apart. */
    struct world_host *home = sim_fixture_client(sim, "home", "cable", 0, 0);
    CU_ASSERT_TRUE(punch(sim, &prober, home, sim_fixture_client(sim, "home", "lte", 0, 0)));
    CU_ASSERT_FALSE(punch(sim, &prober, home, sim_fixture_client(sim, "symmetric", "lte", 0, 0)));
    /* On one LAN: by private addresses at once, by hairpin if the NAT does that. */
    struct world_host *lan[2] = {sim_fixture_client(sim, "home", "cable", 1, 0),
                                 sim_fixture_client(sim, "home", "cable", 1, 0)};
    struct world_host *hairpin[2] = {sim_fixture_client(sim, "rfc4787", "cable", 2, 0),
                                     sim_fixture_client(sim, "rfc4787", "cable", 2, 0)};
    CU_ASSERT_PTR_EQUAL(sim_world_nat(lan[0], 0), sim_world_nat(lan[1], 0));
    CU_ASSERT_FALSE(punch(sim, &prober, lan[0], lan[1]));
    CU_ASSERT_TRUE(punch(sim, &prober, hairpin[0], hairpin[1]));
    CU_ASSERT_EQUAL(nat_counters(sim_world_nat(lan[0], 0)).dropped[NAT_DROP_HAIRPIN], 6);
    CU_ASSERT_TRUE(nat_counters(sim_world_nat(hairpin[0], 0)).hairpinned >= 5);
    struct sim_socket pair[2] = {0};
    for (int i = 0; i < 2; i++) {
        struct address local = sim_fixture_address(lan[i], 4, 6000);
        sim_socket_open(&pair[i], lan[i], &local);
    }
    struct address neighbour = world_udp_address(pair[1].udp);
    nanos sent_at = world_now(sim_world_of(sim));
    sim_socket_send(&pair[0], &neighbour, "hi", 2);
    sim_fixture_run(sim, sent_at + S);
    CU_ASSERT_EQUAL(pair[1].received, 1);
    CU_ASSERT_EQUAL(pair[1].last_at, sent_at);
    CU_ASSERT_TRUE(same(pair[1].last_from, world_udp_address(pair[0].udp)));
    /* Behind one carrier, which hairpins between two homes; and behind two. */
    struct world_host *carried[3] = {sim_fixture_client(sim, "cgn", "cable", 0, 1),
                                     sim_fixture_client(sim, "cgn", "cable", 0, 1),
                                     sim_fixture_client(sim, "cgn", "cable", 0, 2)};
    CU_ASSERT_PTR_EQUAL(sim_world_nat(carried[0], 1), sim_world_nat(carried[1], 1));
    CU_ASSERT_PTR_NOT_EQUAL(sim_world_nat(carried[0], 0), sim_world_nat(carried[1], 0));
    CU_ASSERT_PTR_NOT_EQUAL(sim_world_nat(carried[0], 1), sim_world_nat(carried[2], 1));
    CU_ASSERT_PTR_NULL(sim_world_nat(carried[0], 2));
    CU_ASSERT_TRUE(punch(sim, &prober, carried[0], carried[1]));
    CU_ASSERT_TRUE(nat_counters(sim_world_nat(carried[0], 1)).hairpinned >= 5);
    CU_ASSERT_TRUE(punch(sim, &prober, carried[0], carried[2]));
    sim_world_destroy(sim);
}

static void a_lan_shares_its_link(void)
{
    struct sim_world *sim = sim_fixture(3);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct sim_socket sink = {0};
    struct address at = sim_fixture_address(server, 4, 9);
    sim_socket_open(&sink, server, &at);
    struct world_host *hosts[2] = {sim_fixture_client(sim, "open", "dsl", 5, 0),
                                   sim_fixture_client(sim, "open", "dsl", 5, 0)};
    uint8_t bytes[972] = {0};
    for (int i = 0; i < 2; i++) {
        struct sim_socket socket = {0};
        struct address local = sim_fixture_address(hosts[i], 4, 0);
        CU_ASSERT_EQUAL(address_scope(&local), ADDRESS_GLOBAL);
        sim_socket_open(&socket, hosts[i], &local);
        sim_socket_send(&socket, &at, bytes, sizeof bytes);
    }
    sim_fixture_run(sim, S);
    CU_ASSERT_EQUAL(sink.received, 2);
    /* The second waits for the first: 1,000 bytes of IP and 26 below it at 1 Mbit/s, twice. */
    CU_ASSERT_EQUAL(sink.last_at, 2 * 1026 * 8 * NANOS_PER_US + 32 * NANOS_PER_MS);
    struct internet_counters counters;
    sim_world_count(hosts[0], &counters);
    CU_ASSERT_EQUAL(counters.up.delivered, 2);
    CU_ASSERT_EQUAL(counters.udp_sent, 1);
    sim_world_destroy(sim);
}

/* A symmetric NAT forgets after two minutes: the same socket is then somebody else. */
static void mappings_time_out(void)
{
    struct sim_world *sim = sim_fixture(3);
    struct prober prober;
    prober_open(&prober, sim_fixture_server(sim, "stun", 2));
    struct world_host *client = sim_fixture_client(sim, "symmetric", "ideal", 0, 0);
    struct sim_socket socket = {0};
    struct address local = sim_fixture_address(client, 4, 0);
    sim_socket_open(&socket, client, &local);
    struct address first = ask(sim, &socket, &prober, PRIMARY, PRIMARY);
    sim_fixture_run(sim, 119 * S);
    CU_ASSERT_TRUE(same(first, ask(sim, &socket, &prober, PRIMARY, PRIMARY)));
    sim_fixture_run(sim, 240 * S);
    CU_ASSERT_FALSE(same(first, ask(sim, &socket, &prober, PRIMARY, PRIMARY)));
    sim_world_destroy(sim);
}

/* Packets in the file, and those among them that some address 31.x.x.x sent. */
static void read_capture(const char *path, int *packets, int *from_outside)
{
    char why[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_open_offline(path, why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pcap);
    struct pcap_pkthdr *header;
    const uint8_t *bytes;
    *packets = *from_outside = 0;
    while (pcap_next_ex(pcap, &header, &bytes) == 1) {
        ++*packets;
        *from_outside += bytes[14 + 12] == 31; /* Ethernet, then IPv4's source */
    }
    pcap_close(pcap);
}

/* Two hosts behind one NAT: two views from inside, one from outside, where each packet is seen once. */
static void captures_from_inside_and_outside(void)
{
    struct sim_world *sim = sim_fixture(3);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct sim_socket echo = {.echo = true};
    struct address at = sim_fixture_address(server, 4, 9);
    sim_socket_open(&echo, server, &at);
    struct world_host *hosts[2] = {sim_fixture_client(sim, "home", "fibre", 1, 0),
                                   sim_fixture_client(sim, "home", "fibre", 1, 0)};
    char paths[2][40];
    struct error error = {0};
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/confab-sim-XXXXXX");
        close(mkstemp(paths[i]));
        struct sim_capture_config config = {
            .hosts = hosts, .host_count = 2, .vantage = i == 0 ? SIM_AT_HOST : SIM_OUTSIDE_NAT, .comment = "seed 3"};
        CU_ASSERT_TRUE_FATAL(sim_world_capture(sim, paths[i], &config, &error));
    }
    struct sim_socket sockets[2] = {0};
    for (int i = 0; i < 2; i++) {
        struct address local = sim_fixture_address(hosts[i], 4, 6000);
        sim_socket_open(&sockets[i], hosts[i], &local);
        sim_socket_send(&sockets[i], &at, "hello", 5);
    }
    sim_fixture_run(sim, S);
    CU_ASSERT_TRUE(sim_world_finish_captures(sim, &error));
    int packets;
    int from_outside;
    read_capture(paths[0], &packets, &from_outside);
    CU_ASSERT_EQUAL(packets, 4);
    CU_ASSERT_EQUAL(from_outside, 0);
    read_capture(paths[1], &packets, &from_outside);
    CU_ASSERT_EQUAL(packets, 4);
    CU_ASSERT_EQUAL(from_outside, 2);
    for (int i = 0; i < 2; i++)
        unlink(paths[i]);
    struct sim_capture_config nowhere = {.hosts = hosts, .host_count = 1};
    CU_ASSERT_FALSE(sim_world_capture(sim, "/nonexistent/x.pcapng", &nowhere, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_SYSTEM);
    sim_world_destroy(sim);
}

void sim_nat_test(void)
{
    SUITE("sim_nat", {"captures from inside and outside", captures_from_inside_and_outside},
          {"the 27 types show what they are", the_27_types_show_what_they_are}, {"neighbours", neighbours},
          {"a LAN shares its link", a_lan_shares_its_link}, {"mappings time out", mappings_time_out});
}

#else

static void is_tested_in_world(void) { CU_ASSERT_PTR_NOT_NULL(nat_preset_find("home")); }

void sim_nat_test(void) { SUITE("sim_nat", {"is tested in world", is_tested_in_world}); }

#endif
