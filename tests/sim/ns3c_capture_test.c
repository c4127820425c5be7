/* Captures, read by tshark: every checksum right, nothing malformed, the right interfaces, times and lengths. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "tests/support/network.h"
#include "tests/support/suite.h"

static void temporary(char path[64])
{
    strcpy(path, "/tmp/confab-capture-XXXXXX");
    int fd = mkstemp(path);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    close(fd);
}

/* tshark's output, one line for each packet, its fields apart by tabs. */
static char *dissect(const char *path, const char *fields)
{
    enum { CAP = 1 << 20 };
    char command[1024];
    snprintf(command, sizeof command,
             "tshark -r %s -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -o tcp.check_checksum:TRUE "
             "-o tcp.relative_sequence_numbers:FALSE -T fields %s 2>/dev/null",
             path, fields);
    char *out = calloc(1, CAP);
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    FILE *pipe = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    out[fread(out, 1, CAP - 1, pipe)] = '\0';
    CU_ASSERT_EQUAL(pclose(pipe), 0);
    return out;
}

static size_t lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

/* A NAT for both families, ports left alone. */
struct realm {
    struct ns3c_address inside[2];
    struct ns3c_address outside[2];
};

static enum ns3c_verdict translate(void *context, enum ns3c_direction direction, struct ns3c_packet *packet,
                                   ns3c_nanos now)
{
    const struct realm *realm = context;
    int family = packet->src.family == 6;
    struct ns3c_address *changes = direction == NS3C_UP ? &packet->src : &packet->dst;
    uint16_t port = changes->port;
    (void)now;
    *changes = direction == NS3C_UP ? realm->outside[family] : realm->inside[family];
    changes->port = port;
    return NS3C_PASS;
}

static void on_received(void *context, struct ns3c_tcp *tcp, const uint8_t *data, size_t len, ns3c_nanos now)
{
    struct network *network = context;
    (void)now;
    network->api->tcp_send(tcp, data, len); /* an echo */
}

static void on_ended(void *context, struct ns3c_tcp *tcp, enum ns3c_tcp_end how, ns3c_nanos now)
{
    struct network *network = context;
    (void)how, (void)now;
    network->api->tcp_close(tcp);
}

static const struct ns3c_tcp_callbacks echo = {.received = on_received, .ended = on_ended};
static void sink(void *context, struct ns3c_tcp *tcp, const uint8_t *data, size_t len, ns3c_nanos now)
{
    (void)context, (void)tcp, (void)data, (void)len, (void)now;
}
static const struct ns3c_tcp_callbacks quiet = {.received = sink, .ended = on_ended};

static void on_accepted(void *context, struct ns3c_tcp *tcp, ns3c_nanos now)
{
    struct network *network = context;
    (void)now;
    network->api->tcp_adopt(tcp, &echo, network);
}

static void tshark_finds_nothing_wrong(void)
{
    char path[64];
    temporary(path);
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct realm realm = {{network_address("192.168.1.2"), network_address("fd00::2")},
                          {network_address("203.0.113.1"), network_address("2001:db8:1::1")}};
    struct ns3c_link link = {.rate_bps = 5000000, .delay = 10 * MS, .queue_bytes = 50000, .loss = 0.02};
    struct ns3c_attachment_config outside = {.addresses = realm.outside, .address_count = 2, .up = link, .down = link};
    struct ns3c_router *nat = api->router_create(network.site, "nat", &outside, translate, &realm, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(nat);
    struct ns3c_host *client = api->host_create(network.sim, "client", NULL);
    struct ns3c_attachment_config inside = {.addresses = realm.inside, .address_count = 2};
    CU_ASSERT_PTR_NOT_NULL_FATAL(api->host_attach(client, nat, &inside, NULL));
    struct ns3c_address at[2] = {network_address("192.0.2.9"), network_address("2001:db8:2::9")};
    struct ns3c_attachment_config config = {.addresses = at, .address_count = 2};
    struct ns3c_host *server = api->host_create(network.sim, "server", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(api->host_attach(server, network.site, &config, NULL));

    struct ns3c_capture *capture = api->capture_create(network.sim, path, 0, "made by a test", NULL);
    CU_ASSERT_TRUE(api->capture_host(capture, client, NULL));
    CU_ASSERT_TRUE(api->capture_router(capture, nat, NS3C_INSIDE, NULL));
    CU_ASSERT_TRUE(api->capture_router(capture, nat, NS3C_OUTSIDE, NULL));
    CU_ASSERT_TRUE(api->capture_host(capture, server, NULL));

    static const char *const from[2] = {"192.168.1.2:1000", "[fd00::2]:1000"};
    static const char *const to[2] = {"192.0.2.9:2000", "[2001:db8:2::9]:2000"};
    for (int family = 0; family < 2; family++) {
        struct ns3c_udp *a = network_udp(&network, client, from[family], NULL);
        network_udp(&network, server, to[family], NULL);
        struct ns3c_address remote = network_address(to[family]);
        /* Every length modulo 8, and payloads whose checksum may turn out 0. */
        for (uint32_t i = 0; i < 40; i++)
            network_send(&network, a, &remote, i * 0x01010101, 4 + i * 31);
        at[family].port = 2000;
        CU_ASSERT_PTR_NOT_NULL(api->tcp_listen(server, &at[family], on_accepted, &network, NULL));
        struct ns3c_tcp *tcp = api->tcp_connect(client, NULL, &at[family], &quiet, &network, NULL);
        static const uint8_t bytes[50000] = {1, 2, 3};
        api->tcp_send(tcp, bytes, sizeof bytes);
        at[family].port = 2001; /* nobody listens: a RST comes back */
        CU_ASSERT_PTR_NOT_NULL(api->tcp_connect(client, NULL, &at[family], &quiet, &network, NULL));
    }
    network_run(&network, 10 * SECOND);
    CU_ASSERT_TRUE(api->capture_close(capture, NULL));
    network_close(&network);

    char *out = dissect(path, "-e frame.interface_name -e _ws.expert.message -e frame.protocols -e ip.checksum.status "
                              "-e udp.checksum.status -e tcp.checksum.status -e ip.src -e ipv6.src");
    size_t packets = lines(out);
    CU_ASSERT_TRUE(packets > 500);
    CU_ASSERT_EQUAL(occurrences(out, "alformed"), 0);
    CU_ASSERT_EQUAL(occurrences(out, "Bad checksum"), 0);
    /* tshark's status is 1 where it checked and found the checksum good: of IPv4, and of UDP or TCP. */
    char *line_end;
    for (char *line = out; (line_end = strchr(line, '\n')) != NULL; line = line_end + 1) {
        *line_end = '\0';
        bool ipv6 = strstr(line, "ethertype:ipv6") != NULL;
        bool udp = strstr(line, ":udp") != NULL;
        const char *wanted = ipv6 ? (udp ? "\t\t1\t\t" : "\t\t\t1\t") : (udp ? "\t1\t1\t\t" : "\t1\t\t1\t");
        if (strstr(line, wanted) == NULL)
            CU_FAIL("a checksum is not right");
        *line_end = '\n';
    }
    static const char *const names[] = {"client\t", "nat:inside\t", "nat:outside\t", "server\t"};
    size_t named = 0;
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_TRUE(occurrences(out, names[i]) > 100);
        named += occurrences(out, names[i]);
    }
    CU_ASSERT_EQUAL(named, packets);
    CU_ASSERT_TRUE(occurrences(out, "203.0.113.1") > 100);
    CU_ASSERT_TRUE(occurrences(out, "2001:db8:1::1") > 100);
    free(out);
    remove(path);
}

/* What is kept of each packet when media is cut to 12 bytes. */
static void media_may_be_cut_short_and_nothing_else(void)
{
    char path[64];
    temporary(path);
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ns3c_host *a = network_host(&network, network.site, "192.0.2.1", NULL);
    struct ns3c_capture *capture = api->capture_create(network.sim, path, 12, NULL, NULL);
    CU_ASSERT_TRUE(api->capture_host(capture, a, NULL));
    struct ns3c_udp *udp = network_udp(&network, a, "192.0.2.1:1000", NULL);
    struct ns3c_address to = network_address("192.0.2.2:2000");
    /* Each: first four bytes, length sent, length kept of it. */
    static const uint32_t cases[][3] = {
        {0x80600001, 1000, 12},   /* RTP */
        {0xbfe00001, 1000, 12},   /* RTCP's range, up to 191 */
        {0xc0000001, 1000, 1000}, /* QUIC's */
        {0x00010000, 500, 500},   /* STUN */
        {0x16fefd00, 800, 800},   /* DTLS */
        {0x40000100, 900, 16},    /* ChannelData with RTP: its header and 12 bytes */
        {0x7fff0100, 900, 900},   /* no channel's number */
        {0x80600001, 8, 8},       /* shorter than the cut */
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    for (size_t i = 0; i < CASES; i++) {
        uint8_t data[1000] = {0};
        bytes_put32(data, cases[i][0]);
        data[4] = cases[i][0] >> 24 == 0x40 ? 0x80 : 0;
        struct ns3c_datagram datagram = {.remote = to, .data = data, .len = cases[i][1]};
        CU_ASSERT_EQUAL(api->udp_send(udp, &datagram, 1), 1);
        network_run(&network, (ns3c_nanos)(i + 1) * 1000000001);
    }
    CU_ASSERT_TRUE(api->capture_close(capture, NULL));
    network_close(&network);
    char *out = dissect(path, "-e frame.cap_len -e frame.len -e frame.time_epoch -e eth.dst");
    CU_ASSERT_EQUAL(lines(out), CASES);
    const char *line = out;
    for (size_t i = 0; i < CASES; i++) {
        char expected[128];
        /* 14 + 20 + 8 bytes of headers; 2026-01-01T00:00:00Z. */
        snprintf(expected, sizeof expected, "%u\t%u\t%llu.%09zu\t02:ff:ff:ff:ff:ff\n", 42 + cases[i][2],
                 42 + cases[i][1], (unsigned long long)NS3C_EPOCH_UNIX_S + i, i);
        CU_ASSERT_EQUAL(strncmp(line, expected, strlen(expected)), 0);
        line = strchr(line, '\n') + 1;
    }
    free(out);
    remove(path);
}

void ns3c_capture_test(void)
{
    if (CONFAB_SIM)
        SUITE("ns3c_capture", {"tshark finds nothing wrong", tshark_finds_nothing_wrong},
              {"media may be cut short, and nothing else", media_may_be_cut_short_and_nothing_else});
}
