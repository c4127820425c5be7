/* ns-3's TCP over our links: what is sent arrives, whole and in order, or its end is told. */
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "tests/support/network.h"
#include "tests/support/suite.h"

/* One end of a connection. It sends `to_send` bytes of a stream that its seed determines, and checks what it receives
 * against the other side's. */
struct end {
    struct network *network;
    struct ns3c_tcp *tcp;
    struct rng sending;
    struct rng expected;
    size_t to_send;
    size_t sent;
    size_t received;
    size_t wrong;
    bool closes_when_sent;
    bool closes_when_ended;
    int connected;
    int ended;
    enum ns3c_tcp_end how;
    ns3c_nanos ended_at;
    size_t waiting_most;
    ns3c_nanos first_at;
};

static void feed(struct end *end)
{
    uint8_t chunk[10000];
    size_t waiting = 0;
    while (end->sent < end->to_send && waiting < 100000) {
        size_t len = end->to_send - end->sent < sizeof chunk ? end->to_send - end->sent : sizeof chunk;
        for (size_t i = 0; i < len; i++)
            chunk[i] = (uint8_t)rng_u64(&end->sending);
        waiting = end->network->api->tcp_send(end->tcp, chunk, len);
        end->sent += len;
        if (waiting > end->waiting_most)
            end->waiting_most = waiting;
    }
    if (end->sent == end->to_send && end->closes_when_sent) {
        end->closes_when_sent = false;
        end->network->api->tcp_close(end->tcp);
    }
}

static void on_connected(void *context, struct ns3c_tcp *tcp, ns3c_nanos now)
{
    struct end *end = context;
    (void)now;
    end->connected++;
    end->tcp = tcp;
    feed(end);
}

static void on_received(void *context, struct ns3c_tcp *tcp, const uint8_t *data, size_t len, ns3c_nanos now)
{
    struct end *end = context;
    (void)tcp;
    if (end->received == 0)
        end->first_at = now;
    for (size_t i = 0; i < len; i++)
        end->wrong += data[i] != (uint8_t)rng_u64(&end->expected);
    end->received += len;
}

static void on_drained(void *context, struct ns3c_tcp *tcp, size_t waiting, ns3c_nanos now)
{
    (void)tcp, (void)now;
    if (waiting < 50000)
        feed(context);
}

static void on_ended(void *context, struct ns3c_tcp *tcp, enum ns3c_tcp_end how, ns3c_nanos now)
{
    struct end *end = context;
    end->ended++;
    end->how = how;
    end->ended_at = now;
    if (end->closes_when_ended)
        end->network->api->tcp_close(tcp);
}

static const struct ns3c_tcp_callbacks callbacks = {on_connected, on_received, on_drained, on_ended};

static void on_accepted(void *context, struct ns3c_tcp *tcp, ns3c_nanos now)
{
    struct end *end = context;
    end->network->api->tcp_adopt(tcp, &callbacks, end);
    on_connected(end, tcp, now);
}

static struct end end_of(struct network *network, uint64_t seed, uint64_t other)
{
    return (struct end){.network = network,
                        .sending = rng_of(seed, "end", 0),
                        .expected = rng_of(other, "end", 0),
                        .closes_when_ended = true};
}

/* 1 MB each way over links that lose 2 % of the packets and reorder none. */
static void transfer(const char *client, const char *server)
{
    struct network network = network_open(5);
    struct ns3c_link link = {
        .rate_bps = 10000000, .delay = 10 * MS, .jitter = MS, .loss = 0.01, .loss_burst = 2, .queue_bytes = 60000};
    struct ns3c_host *a = network_host(&network, network.site, client, &link);
    struct ns3c_host *b = network_host(&network, network.site, server, &link);
    struct end ends[2] = {end_of(&network, 1, 2), end_of(&network, 2, 1)};
    char text[64];
    snprintf(text, sizeof text, strchr(server, ':') != NULL ? "[%s]:443" : "%s:443", server);
    struct ns3c_address at = network_address(text);
    ends[0].to_send = ends[1].to_send = 1000000;
    ends[0].closes_when_sent = true;
    struct ns3c_error error = {0};
    CU_ASSERT_PTR_NOT_NULL_FATAL(network.api->tcp_listen(b, &at, on_accepted, &ends[1], &error));
    CU_ASSERT_PTR_NULL(network.api->tcp_listen(b, &at, on_accepted, &ends[1], &error));
    CU_ASSERT_EQUAL(error.code, NS3C_BUSY);
    struct ns3c_tcp *tcp = network.api->tcp_connect(a, NULL, &at, &callbacks, &ends[0], &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(tcp);
    CU_ASSERT_EQUAL(network.api->tcp_local(tcp).family, at.family);
    CU_ASSERT_TRUE(network.api->tcp_local(tcp).port >= 49152);
    CU_ASSERT_EQUAL(network.api->tcp_remote(tcp).port, 443);
    network_run(&network, 60 * SECOND);
    CU_ASSERT_EQUAL(ends[1].received, 1000000);
    CU_ASSERT_EQUAL(ends[1].wrong, 0);
    CU_ASSERT_EQUAL(ends[0].wrong, 0);
    CU_ASSERT_TRUE(ends[1].ended == 1 && ends[1].how == NS3C_TCP_CLOSED);
    CU_ASSERT_TRUE(ends[0].waiting_most >= 100000 && ends[0].waiting_most < 120000);
    network_close(&network);
}

static void bytes_arrive_whole_over_lossy_ipv4(void) { transfer("192.0.2.1", "192.0.2.2"); }
static void bytes_arrive_whole_over_lossy_ipv6(void) { transfer("2001:db8::1", "2001:db8::2"); }

/* Both ends send and then both close, so all of it must have come by then: through a hook that rewrites addresses, whose
 * checksums ns-3 checks. */
static enum ns3c_verdict masquerade(void *context, enum ns3c_direction direction, struct ns3c_packet *packet,
                                    ns3c_nanos now)
{
    struct ns3c_address *inside_and_outside = context;
    (void)now;
    uint16_t port;
    if (direction == NS3C_UP) {
        port = packet->src.port;
        packet->src = inside_and_outside[1];
        packet->src.port = (uint16_t)(port - 40000);
    } else {
        port = packet->dst.port;
        packet->dst = inside_and_outside[0];
        packet->dst.port = (uint16_t)(port + 40000);
    }
    return packet->protocol == 6 && packet->tcp_flags != 0 ? NS3C_PASS : NS3C_DROP;
}

static void connect_through_nat(const char *inside, const char *outside, const char *server)
{
    struct network network = network_open(6);
    struct ns3c_address box[2] = {network_address(inside), network_address(outside)};
    struct ns3c_attachment_config config = {.addresses = &box[1],
                                            .address_count = 1,
                                            .up = {.rate_bps = 5000000, .delay = 5 * MS, .queue_bytes = 100000},
                                            .down = {.rate_bps = 5000000, .delay = 5 * MS, .queue_bytes = 100000}};
    struct ns3c_router *nat = network.api->router_create(network.site, "nat", &config, masquerade, box, NULL);
    struct ns3c_host *a = network_host(&network, nat, inside, NULL);
    char text[64];
    snprintf(text, sizeof text, strchr(server, ':') != NULL ? "[%s]:80" : "%s:80", server);
    struct ns3c_host *b = network_host(&network, network.site, server, NULL);
    struct ns3c_address at = network_address(text);
    struct end ends[2] = {end_of(&network, 1, 2), end_of(&network, 2, 1)};
    ends[0].to_send = ends[1].to_send = 200000;
    CU_ASSERT_PTR_NOT_NULL_FATAL(network.api->tcp_listen(b, &at, on_accepted, &ends[1], NULL));
    CU_ASSERT_PTR_NOT_NULL_FATAL(network.api->tcp_connect(a, NULL, &at, &callbacks, &ends[0], NULL));
    network_run(&network, 10 * SECOND);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(ends[i].received, 200000);
        CU_ASSERT_EQUAL(ends[i].wrong, 0);
        CU_ASSERT_EQUAL(ends[i].ended, 0);
    }
    struct ns3c_address seen = network.api->tcp_remote(ends[1].tcp);
    CU_ASSERT_EQUAL(memcmp(seen.ip, box[1].ip, 16), 0);
    CU_ASSERT_EQUAL(seen.port, network.api->tcp_local(ends[0].tcp).port - 40000);
    network.api->tcp_close(ends[0].tcp);
    network_run(&network, 11 * SECOND);
    CU_ASSERT_TRUE(ends[1].ended == 1 && ends[1].how == NS3C_TCP_CLOSED);
    network_close(&network);
}

static void it_works_through_a_nat(void)
{
    connect_through_nat("192.168.1.2", "203.0.113.1", "192.0.2.2");
    connect_through_nat("fd00::2", "2001:db8::1", "2001:db8::2");
}

static void its_end_is_told(void)
{
    struct network network = network_open(7);
    const struct ns3c_api *api = network.api;
    struct ns3c_link link = {.delay = 10 * MS};
    struct ns3c_host *a = network_host(&network, network.site, "192.0.2.1", &link);
    struct ns3c_host *b;
    struct ns3c_attachment *cable = network_attach(&network, &b, network.site, "192.0.2.2", &link);
    network_host(&network, network.site, "192.0.2.3", &link); /* knows no TCP */
    struct ns3c_address open = network_address("192.0.2.2:80");
    struct ns3c_address closed = network_address("192.0.2.2:81");
    struct ns3c_address without = network_address("192.0.2.3:80");
    struct ns3c_address nowhere = network_address("192.0.2.4:80");
    struct end server = end_of(&network, 2, 1);
    struct end refused = end_of(&network, 1, 2);
    struct end refused_by_host = end_of(&network, 1, 2);
    struct end unanswered = end_of(&network, 1, 2);
    CU_ASSERT_PTR_NOT_NULL(api->tcp_listen(b, &open, on_accepted, &server, NULL));
    CU_ASSERT_PTR_NOT_NULL(api->tcp_connect(a, NULL, &closed, &callbacks, &refused, NULL));
    CU_ASSERT_PTR_NOT_NULL(api->tcp_connect(a, NULL, &without, &callbacks, &refused_by_host, NULL));
    CU_ASSERT_PTR_NOT_NULL(api->tcp_connect(a, NULL, &nowhere, &callbacks, &unanswered, NULL));
    network_run(&network, 5 * SECOND);
    CU_ASSERT_TRUE(refused.ended == 1 && refused.how == NS3C_TCP_RESET && refused.ended_at == 40 * MS);
    CU_ASSERT_TRUE(refused_by_host.ended == 1 && refused_by_host.how == NS3C_TCP_RESET);
    CU_ASSERT_EQUAL(refused_by_host.ended_at, 40 * MS);
    CU_ASSERT_EQUAL(unanswered.ended, 0);
    network_run(&network, 100 * SECOND);
    CU_ASSERT_TRUE(unanswered.ended == 1 && unanswered.how == NS3C_TCP_TIMEOUT && unanswered.connected == 0);

    /* Reset by the client, with data on the way; then by the server. */
    struct end client = end_of(&network, 1, 2);
    client.to_send = 1000;
    struct ns3c_tcp *tcp = api->tcp_connect(a, NULL, &open, &callbacks, &client, NULL);
    network_run(&network, 101 * SECOND);
    CU_ASSERT_TRUE(client.connected == 1 && server.connected == 1 && server.received == 1000);
    api->tcp_reset(tcp);
    CU_ASSERT_EQUAL(api->tcp_send(tcp, (const uint8_t *)"x", 1), 0);
    network_run(&network, 102 * SECOND);
    CU_ASSERT_TRUE(server.ended == 1 && server.how == NS3C_TCP_RESET && client.ended == 0);
    server = end_of(&network, 2, 1);
    client = end_of(&network, 1, 2);
    api->tcp_connect(a, NULL, &open, &callbacks, &client, NULL);
    network_run(&network, 103 * SECOND);
    api->tcp_reset(server.tcp);
    network_run(&network, 104 * SECOND);
    CU_ASSERT_TRUE(client.ended == 1 && client.how == NS3C_TCP_RESET);

    /* The cable is pulled while data waits. */
    server = end_of(&network, 2, 1);
    client = end_of(&network, 1, 2);
    tcp = api->tcp_connect(a, NULL, &open, &callbacks, &client, NULL);
    network_run(&network, 105 * SECOND);
    api->attachment_enable(cable, false);
    CU_ASSERT_EQUAL(api->tcp_send(tcp, (const uint8_t *)"hello", 5), 5);
    network_run(&network, 1200 * SECOND);
    CU_ASSERT_TRUE(client.ended == 1 && client.how == NS3C_TCP_TIMEOUT);
    network_close(&network);
}

/* What was sent before the close still arrives, and a listener that closed takes no more. */
static void closing_sends_what_waits(void)
{
    struct network network = network_open(8);
    const struct ns3c_api *api = network.api;
    struct ns3c_link link = {.rate_bps = 1000000, .delay = 10 * MS, .queue_bytes = 20000};
    struct ns3c_host *a = network_host(&network, network.site, "192.0.2.1", &link);
    struct ns3c_host *b = network_host(&network, network.site, "192.0.2.2", &link);
    struct ns3c_address at = network_address("192.0.2.2:80");
    struct end server = end_of(&network, 2, 1);
    struct end client = end_of(&network, 1, 2);
    client.to_send = 90000;
    client.closes_when_sent = true;
    struct ns3c_tcp_listener *listener = api->tcp_listen(b, &at, on_accepted, &server, NULL);
    /* Bytes may be queued before there is a connection; the callbacks only say when there is one. */
    struct ns3c_tcp *tcp = api->tcp_connect(a, NULL, &at, &callbacks, &client, NULL);
    uint8_t first[10];
    for (size_t i = 0; i < sizeof first; i++)
        first[i] = (uint8_t)rng_u64(&client.sending);
    CU_ASSERT_EQUAL(api->tcp_send(tcp, first, sizeof first), sizeof first);
    network_run(&network, 10 * SECOND);
    CU_ASSERT_EQUAL(server.received, 90010);
    CU_ASSERT_EQUAL(server.wrong, 0);
    CU_ASSERT_TRUE(server.ended == 1 && server.how == NS3C_TCP_CLOSED);
    CU_ASSERT_EQUAL(client.ended, 0);
    api->tcp_listener_close(listener);
    client = end_of(&network, 1, 2);
    api->tcp_connect(a, NULL, &at, &callbacks, &client, NULL);
    network_run(&network, 11 * SECOND);
    CU_ASSERT_TRUE(client.connected == 0 && client.ended == 1 && client.how == NS3C_TCP_RESET);
    network_close(&network);
}

/* With several addresses a connection comes from the one that was asked for. */
static void the_local_address_can_be_chosen(void)
{
    struct network network = network_open(9);
    const struct ns3c_api *api = network.api;
    struct ns3c_address own[3] = {network_address("192.0.2.1"), network_address("192.0.2.2"),
                                  network_address("2001:db8::1")};
    struct ns3c_attachment_config config = {.addresses = own, .address_count = 3};
    struct ns3c_host *a = api->host_create(network.sim, "a", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(api->host_attach(a, network.site, &config, NULL));
    struct ns3c_host *b = network_host(&network, network.site, "192.0.2.9", NULL);
    struct ns3c_address at = network_address("192.0.2.9:80");
    struct end server = end_of(&network, 2, 1);
    struct end client = end_of(&network, 1, 2);
    api->tcp_listen(b, &at, on_accepted, &server, NULL);
    struct ns3c_address local = network_address("192.0.2.2:1234");
    struct ns3c_error error = {0};
    CU_ASSERT_PTR_NULL(api->tcp_connect(a, &own[2], &at, &callbacks, &client, &error));
    CU_ASSERT_EQUAL(error.code, NS3C_INVALID);
    CU_ASSERT_PTR_NOT_NULL(api->tcp_connect(a, &local, &at, &callbacks, &client, NULL));
    network_run(&network, SECOND);
    struct ns3c_address seen = api->tcp_remote(server.tcp);
    CU_ASSERT_EQUAL(memcmp(&seen, &local, sizeof local), 0);
    /* To itself, too. */
    struct end self = end_of(&network, 2, 1);
    struct end again = end_of(&network, 1, 2);
    struct ns3c_address own_at = network_address("192.0.2.1:90");
    again.to_send = 5000;
    api->tcp_listen(a, &own_at, on_accepted, &self, NULL);
    api->tcp_connect(a, NULL, &own_at, &callbacks, &again, NULL);
    network_run(&network, 2 * SECOND);
    CU_ASSERT_TRUE(self.received == 5000 && self.wrong == 0);
    network_close(&network);
}

static void it_repeats(void)
{
    ns3c_nanos first[3];
    uint64_t events[3];
    for (int i = 0; i < 3; i++) {
        struct network network = network_open(i == 1 ? 99 : 10);
        struct ns3c_link link = {.rate_bps = 3000000, .delay = 10 * MS, .loss = 0.03, .queue_bytes = 60000};
        struct ns3c_host *a = network_host(&network, network.site, "192.0.2.1", &link);
        struct ns3c_host *b = network_host(&network, network.site, "192.0.2.2", &link);
        struct ns3c_address at = network_address("192.0.2.2:80");
        struct end server = end_of(&network, 2, 1);
        struct end client = end_of(&network, 1, 2);
        client.to_send = 200000;
        client.closes_when_sent = true;
        network.api->tcp_listen(b, &at, on_accepted, &server, NULL);
        network.api->tcp_connect(a, NULL, &at, &callbacks, &client, NULL);
        network_run(&network, 30 * SECOND);
        CU_ASSERT_TRUE(server.received == 200000 && server.wrong == 0);
        first[i] = server.ended_at;
        struct ns3c_counters counters;
        network.api->count(network.sim, &counters);
        events[i] = counters.events;
        network_close(&network);
    }
    CU_ASSERT_EQUAL(first[0], first[2]);
    CU_ASSERT_EQUAL(events[0], events[2]);
    CU_ASSERT_NOT_EQUAL(first[0], first[1]);
}

/* --- live media ------------------------------------------------------------------------------------------------------------ */

enum { MESSAGE_SMALL = 60, MESSAGE_LARGE = 1100, MESSAGES = 200, BURST = 6 };

/* Sends a message every 10 ms, small and large ones in turns, which begin with the time; the other end notes how old the
 * oldest was when it came. */
struct voice {
    struct network *network;
    struct ns3c_tcp *tcp;
    struct ns3c_timer *timer;
    size_t sent;
    uint8_t read[MESSAGE_LARGE];
    size_t read_len;
    size_t received;
    ns3c_nanos oldest;
};

static size_t message_len(size_t number) { return number % 2 == 0 ? MESSAGE_SMALL : MESSAGE_LARGE; }

static void speak(void *context, ns3c_nanos now)
{
    struct voice *voice = context;
    uint8_t message[MESSAGE_LARGE] = {0};
    memcpy(message, &now, sizeof now);
    voice->network->api->tcp_send(voice->tcp, message, message_len(voice->sent++));
    if (voice->sent < MESSAGES)
        voice->network->api->timer_set(voice->timer, now + 10 * MS);
}

static void voice_connected(void *context, struct ns3c_tcp *tcp, ns3c_nanos now)
{
    struct voice *voice = context;
    (void)tcp;
    voice->network->api->timer_set(voice->timer, now);
}

static void voice_received(void *context, struct ns3c_tcp *tcp, const uint8_t *data, size_t len, ns3c_nanos now)
{
    struct voice *voice = context;
    (void)tcp;
    for (size_t i = 0; i < len; i++) {
        voice->read[voice->read_len++] = data[i];
        if (voice->read_len < message_len(voice->received))
            continue;
        ns3c_nanos at;
        memcpy(&at, voice->read, sizeof at);
        voice->oldest = now - at > voice->oldest ? now - at : voice->oldest;
        voice->received++;
        voice->read_len = 0;
    }
}

static void voice_ended(void *context, struct ns3c_tcp *tcp, enum ns3c_tcp_end how, ns3c_nanos now)
{
    (void)context, (void)tcp, (void)how, (void)now;
}

static const struct ns3c_tcp_callbacks voice_callbacks = {voice_connected, voice_received, NULL, voice_ended};

static void voice_accepted(void *context, struct ns3c_tcp *tcp, ns3c_nanos now)
{
    struct voice *voice = context;
    (void)now;
    voice->network->api->tcp_adopt(tcp, &voice_callbacks, voice);
}

/* Loses the 50th to 55th segment that carries bytes upwards, and counts those. */
static enum ns3c_verdict lose_a_burst(void *context, enum ns3c_direction direction, struct ns3c_packet *packet,
                                      ns3c_nanos now)
{
    unsigned *segments = context;
    (void)now;
    if (direction == NS3C_DOWN || packet->payload_len == 0)
        return NS3C_PASS;
    ++*segments;
    return *segments >= 50 && *segments < 50 + BURST ? NS3C_DROP : NS3C_PASS;
}

/* What was lost in a row is sent again in one round trip of 60 ms, not one piece in each; and nothing else is. */
static void a_burst_costs_one_round_trip(void)
{
    struct network network = network_open(11);
    unsigned segments = 0;
    struct ns3c_address own = network_address("192.0.2.1");
    struct ns3c_attachment_config config = {.addresses = &own, .address_count = 1};
    struct ns3c_link link = {.delay = 30 * MS};
    struct ns3c_router *box = network.api->router_create(network.site, "box", &config, lose_a_burst, &segments, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(box);
    struct ns3c_host *a = network_host(&network, box, "192.0.2.1", NULL);
    struct ns3c_host *b = network_host(&network, network.site, "192.0.2.2", &link);
    struct ns3c_address at = network_address("192.0.2.2:80");
    struct voice ends[2] = {{.network = &network}, {.network = &network}};
    ends[0].timer = network.api->timer_create(network.sim, speak, &ends[0]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(network.api->tcp_listen(b, &at, voice_accepted, &ends[1], NULL));
    ends[0].tcp = network.api->tcp_connect(a, NULL, &at, &voice_callbacks, &ends[0], NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ends[0].tcp);
    network_run(&network, 5 * SECOND);
    CU_ASSERT_EQUAL(ends[1].received, MESSAGES);
    CU_ASSERT_EQUAL(segments, MESSAGES + BURST);
    /* Six messages of 10 ms and three more that tell of them; their way there, back and there again. */
    CU_ASSERT_TRUE(ends[1].oldest >= (60 + 30) * MS);
    CU_ASSERT_TRUE(ends[1].oldest <= (60 + 30 + 90 + 10) * MS);
    network_close(&network);
}

void ns3c_tcp_test(void)
{
    if (CONFAB_SIM)
        SUITE("ns3c_tcp", {"bytes arrive whole over lossy IPv4", bytes_arrive_whole_over_lossy_ipv4},
              {"bytes arrive whole over lossy IPv6", bytes_arrive_whole_over_lossy_ipv6},
              {"it works through a NAT", it_works_through_a_nat}, {"its end is told", its_end_is_told},
              {"closing sends what waits", closing_sends_what_waits},
              {"the local address can be chosen", the_local_address_can_be_chosen}, {"it repeats", it_repeats},
              {"a burst of losses costs one round trip", a_burst_costs_one_round_trip});
}
