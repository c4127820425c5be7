/* The probe against the server through the NAT model: what it finds must be what the model was told to be. */
#include "rtc/nat_probe.h"

#include "rtc/stun.h"
#include "sfu/turn_server.h"
#include "tests/support/suite.h"
#include "tests/support/turn_party.h"
#include "tests/support/wire_world.h"
#include "world/nat.h"

/* A host at 10.0.0.2, behind a NAT at 6.6.6.6 if there is one, and a server at 5.1.1.1 and 5.1.1.2. */
struct stage {
    struct wire_world *wire;
    struct turn_server *server;
    struct nat *nat;
    struct world_udp *sockets[2];
    struct nat_probe *probe;
    struct nat_probe_result result;
    unsigned done;
    unsigned sent;
    bool rewrite_payload;
};

/* What a generic ALG does (RFC 5780, section 3.6): replaces its own address wherever it sees it. */
static void rewrite(struct datagram *datagram, const struct address *from, const struct address *to)
{
    for (size_t i = 0; i + 4 <= datagram->len; i++) {
        if (memcmp(datagram->data + i, from->ip, 4) == 0)
            memcpy(datagram->data + i, to->ip, 4);
    }
}

static bool through_nat(void *user, struct datagram *datagram, nanos now)
{
    struct stage *stage = user;
    struct nat_packet packet = {.source = datagram->local, .destination = datagram->remote, .protocol = NAT_UDP};
    bool inside = datagram->local.ip[0] == 10;
    enum nat_verdict verdict = NAT_FORWARD;
    if (inside || datagram->remote.ip[0] == 6 || datagram->remote.ip[0] == 10)
        verdict = inside ? nat_outbound(stage->nat, &packet, now) : nat_inbound(stage->nat, &packet, now);
    if (!inside && stage->rewrite_payload)
        rewrite(datagram, &datagram->remote, &packet.destination);
    datagram->local = packet.source;
    datagram->remote = packet.destination;
    return verdict != NAT_DROP;
}

static void pump(struct stage *stage)
{
    struct nat_probe_event event;
    struct datagram datagram;
    uint8_t buf[256];
    int socket;
    ssize_t len;
    while ((len = nat_probe_write(stage->probe, &socket, &datagram.remote, buf, sizeof buf,
                                  wire_world_now(stage->wire))) > 0) {
        datagram.data = buf;
        datagram.len = (size_t)len;
        world_udp_send(stage->sockets[socket], &datagram, 1);
        stage->sent++;
    }
    while (nat_probe_event(stage->probe, &event)) {
        stage->result = event.result;
        stage->done++;
    }
}

static void received(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct stage *stage = user;
    int socket = udp == stage->sockets[1];
    for (size_t i = 0; i < count; i++)
        nat_probe_read(stage->probe, socket, &batch[i].remote, batch[i].data, batch[i].len, now);
}

/* Runs the probe to its end. `config` NULL: no NAT at all. */
static struct stage probe_through(const struct nat_config *config, bool server_has_alternate, bool alg)
{
    struct stage stage = {.rewrite_payload = alg};
    struct address udp = address_of("5.1.1.1:3478"), alternate = address_of("5.1.1.2:3479");
    struct address local = address_of("10.0.0.2:0");
    stage.wire = wire_world_create(&(struct wire_world_config){.delay = 15 * NANOS_PER_MS});
    struct world_host *server_host = wire_world_host(stage.wire, "5.1.1.1 5.1.1.2");
    struct world_host *host = wire_world_host(stage.wire, "10.0.0.2");
    stage.server = turn_server_create(&(struct turn_server_config){.host = server_host,
                                                                   .udp = &udp,
                                                                   .udp_count = 1,
                                                                   .alternate = &alternate,
                                                                   .alternate_count = server_has_alternate},
                                      NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stage.server);
    struct nat_probe_config probe_config = {.server = udp, .seed = 1};
    for (int i = 0; i < 2; i++) {
        stage.sockets[i] = world_udp_open(host, &local, received, &stage, NULL);
        probe_config.local[i] = world_udp_address(stage.sockets[i]);
    }
    if (config != NULL) {
        stage.nat = nat_create(config, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(stage.nat);
        wire_world_set_hook(stage.wire, through_nat, &stage);
    }
    stage.probe = nat_probe_create(&probe_config, NULL);
    pump(&stage);
    for (int i = 0; i < 10000 && stage.done == 0; i++) {
        nanos due = nat_probe_deadline(stage.probe);
        wire_world_run_until(stage.wire, nanos_min(due, wire_world_now(stage.wire) + 5 * NANOS_PER_MS));
        pump(&stage);
    }
    CU_ASSERT_EQUAL(stage.done, 1);
    CU_ASSERT_EQUAL(nat_probe_deadline(stage.probe), NANOS_NEVER);
    nat_probe_destroy(stage.probe);
    nat_destroy(stage.nat);
    turn_server_destroy(stage.server);
    wire_world_destroy(stage.wire);
    return stage;
}

static struct nat_config nat_of(enum nat_dependence mapping, enum nat_dependence filtering)
{
    struct nat_config config = {.seed = 3, .external_count = 1, .mapping = mapping, .filtering = filtering};
    config.external[0] = address_of("6.6.6.6");
    return config;
}

static enum nat_behavior behavior_of(enum nat_dependence dependence)
{
    return NAT_BEHAVIOR_ENDPOINT_INDEPENDENT + (enum nat_behavior)dependence;
}

static void every_type_is_found_out(void)
{
    for (int mapping = 0; mapping < 3; mapping++) {
        for (int filtering = 0; filtering < 3; filtering++) {
            for (int allocation = NAT_PRESERVE; allocation <= NAT_BLOCK; allocation++) {
                struct nat_config config = nat_of((enum nat_dependence)mapping, (enum nat_dependence)filtering);
                config.allocation = (enum nat_allocation)allocation;
                struct nat_probe_result found = probe_through(&config, true, false).result;
                CU_ASSERT_FALSE(found.blocked);
                CU_ASSERT_TRUE(found.translated);
                CU_ASSERT_EQUAL(found.mapping, behavior_of((enum nat_dependence)mapping));
                CU_ASSERT_EQUAL(found.filtering, behavior_of((enum nat_dependence)filtering));
                CU_ASSERT_EQUAL(found.hairpin, NAT_PROBE_HAIRPIN_NO);
                CU_ASSERT_FALSE(found.alg);
                if (allocation == NAT_PRESERVE)
                    CU_ASSERT_TRUE(found.port_preserved);
            }
        }
    }
}

static void hairpinning_is_found_out(void)
{
    for (int filtering = 0; filtering < 3; filtering++) {
        struct nat_config config = nat_of(NAT_ENDPOINT_INDEPENDENT, (enum nat_dependence)filtering);
        config.hairpin = NAT_HAIRPIN_EXTERNAL;
        CU_ASSERT_EQUAL(probe_through(&config, true, false).result.hairpin, NAT_PROBE_HAIRPIN_YES);
        CU_ASSERT_EQUAL(probe_through(&config, false, false).result.hairpin, NAT_PROBE_HAIRPIN_YES);
    }
}

static void the_open_network_and_the_firewall(void)
{
    struct stage stage = probe_through(NULL, true, false);
    CU_ASSERT_FALSE(stage.result.translated);
    CU_ASSERT_TRUE(stage.result.port_preserved);
    CU_ASSERT_EQUAL(stage.result.mapping, NAT_BEHAVIOR_ENDPOINT_INDEPENDENT);
    CU_ASSERT_EQUAL(stage.result.filtering, NAT_BEHAVIOR_ENDPOINT_INDEPENDENT);
    CU_ASSERT_EQUAL(stage.result.hairpin, NAT_PROBE_HAIRPIN_UNKNOWN);
    CU_ASSERT_EQUAL(stage.sent, 3);

    struct nat_config firewall = {.translate_none = true, .filtering = NAT_ADDRESS_AND_PORT_DEPENDENT};
    struct nat_probe_result found = probe_through(&firewall, true, false).result;
    CU_ASSERT_FALSE(found.translated);
    CU_ASSERT_EQUAL(found.filtering, NAT_BEHAVIOR_ADDRESS_AND_PORT_DEPENDENT);

    struct nat_config closed = nat_of(NAT_ENDPOINT_INDEPENDENT, NAT_ENDPOINT_INDEPENDENT);
    closed.udp_blocked = true;
    stage = probe_through(&closed, true, false);
    CU_ASSERT_TRUE(stage.result.blocked);
    CU_ASSERT_EQUAL(stage.sent, 4);
    CU_ASSERT_EQUAL(stage.result.mapping, NAT_BEHAVIOR_UNKNOWN);
}

static void a_server_with_one_address_tells_little(void)
{
    struct nat_config config = nat_of(NAT_ENDPOINT_INDEPENDENT, NAT_ENDPOINT_INDEPENDENT);
    struct nat_probe_result found = probe_through(&config, false, false).result;
    CU_ASSERT_TRUE(found.translated);
    CU_ASSERT_EQUAL(found.mapping, NAT_BEHAVIOR_UNKNOWN);
    CU_ASSERT_EQUAL(found.filtering, NAT_BEHAVIOR_UNKNOWN);
}

static void an_alg_is_found_out(void)
{
    struct nat_config config = nat_of(NAT_ENDPOINT_INDEPENDENT, NAT_ADDRESS_DEPENDENT);
    struct nat_probe_result found = probe_through(&config, true, true).result;
    CU_ASSERT_TRUE(found.alg);
    CU_ASSERT_TRUE(found.translated);
    CU_ASSERT_EQUAL(found.mapping, NAT_BEHAVIOR_ENDPOINT_INDEPENDENT);
}

static void strangers_change_nothing(void)
{
    struct nat_probe_config config = {.server = address_of("5.1.1.1:3478"), .local = {address_of("6.1.1.1:5000")}};
    struct nat_probe *probe = nat_probe_create(&config, NULL);
    struct address remote, stranger = address_of("5.1.1.9:3478");
    uint8_t buf[256], answer[256];
    int socket;
    struct stun_message request;
    struct stun_builder builder;
    ssize_t len = nat_probe_write(probe, &socket, &remote, buf, sizeof buf, 0);
    CU_ASSERT_TRUE_FATAL(stun_parse(&request, buf, (size_t)len, NULL));
    CU_ASSERT_TRUE(stun_check_fingerprint(&request));
    stun_begin_response(&builder, answer, sizeof answer, STUN_SUCCESS, &request);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &stranger);
    size_t answer_len = stun_finish(&builder);
    CU_ASSERT_EQUAL(nat_probe_read(probe, 0, &stranger, answer, answer_len, 1), -1); /* not where it was sent */
    CU_ASSERT_EQUAL(nat_probe_read(probe, 1, &remote, answer, answer_len, 1), -1);   /* not the socket */
    CU_ASSERT_EQUAL(nat_probe_read(probe, 0, &remote, buf, (size_t)len, 1), -1);     /* a request */
    CU_ASSERT_EQUAL(nat_probe_read(probe, 0, &remote, answer, answer_len - 1, 1), -1);
    answer[8] ^= 1;
    CU_ASSERT_EQUAL(nat_probe_read(probe, 0, &remote, answer, answer_len, 1), -1); /* not the transaction */
    answer[8] ^= 1;
    CU_ASSERT_EQUAL(nat_probe_read(probe, 0, &remote, answer, answer_len, 1), 0);
    nat_probe_destroy(probe);
    config.local[0] = address_of("[2a06::1]:5000");
    CU_ASSERT_PTR_NULL(nat_probe_create(&config, NULL));
}

void nat_probe_test(void)
{
    SUITE("nat_probe", {"every type is found out", every_type_is_found_out},
          {"hairpinning is found out", hairpinning_is_found_out},
          {"the open network and the firewall", the_open_network_and_the_firewall},
          {"a server with one address tells little", a_server_with_one_address_tells_little},
          {"an ALG is found out", an_alg_is_found_out}, {"strangers change nothing", strangers_change_nothing});
}
