#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "loadgen/nat_survey.h"
#include "tests/support/suite.h"
#include "world/access.h"
#include "world/live_world.h"

#define MS NANOS_PER_MS
#define S NANOS_PER_S

static struct live_world *open_world(nanos core_delay)
{
    struct error error = {0};
    struct live_world *live = live_world_create(
        &(struct live_world_config){.seed = 7, .core_delay = core_delay, .loopback_only = true}, &error);
    if (live == NULL) {
        fprintf(stderr, "live world: %s\n", error.text);
        abort();
    }
    return live;
}

static struct world_host *need(struct world_host *host, const struct error *error)
{
    if (host == NULL) {
        fprintf(stderr, "%s\n", error->text);
        abort();
    }
    return host;
}

static struct world_host *add_server(struct live_world *live, size_t addresses)
{
    struct error error = {0};
    const struct internet_server_config config = {.name = "server", .addresses = addresses};
    return need(internet_add_server(live_world_internet(live), &config, &error), &error);
}

static struct world_host *add_client(struct live_world *live, const char *nat, const struct link_config *link,
                                     uint32_t lan, uint32_t carrier)
{
    struct error error = {0};
    const struct nat_preset *preset = nat_preset_find(nat);
    struct internet_client_config config = {
        .name = nat, .nats = preset->nats, .nat_count = preset->count, .lan = lan, .carrier = carrier};
    if (link != NULL)
        config.up = config.down = *link;
    return need(internet_add_client(live_world_internet(live), &config, &error), &error);
}

static struct address address_of(const struct world_host *host, uint16_t port)
{
    struct address address;
    world_host_addresses(host, &address, 1);
    address.port = port;
    return address;
}

static void run_for(struct live_world *live, nanos duration)
{
    struct error error = {0};
    nanos until = world_now(live_world_of(live)) + duration;
    CU_ASSERT_TRUE(internet_run_until(live_world_internet(live), until, 0, NULL, NULL, &error));
}

/* A UDP socket that counts, and remembers the last datagram; `echo`: sends each back to where it came from. */
struct socket {
    struct live_world *live;
    struct world_udp *udp;
    bool echo;
    size_t received, expected;
    size_t bytes;
    uint32_t last; /* number in it */
    bool disordered;
    nanos first_at, last_at;
    struct address from, to;
};

static void took(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct socket *socket = user;
    for (size_t i = 0; i < count; i++) {
        uint32_t number = 0;
        memcpy(&number, batch[i].data, batch[i].len < 4 ? batch[i].len : 4);
        socket->disordered = socket->disordered || (socket->received > 0 && number <= socket->last);
        socket->last = number;
        if (socket->received++ == 0)
            socket->first_at = now;
        socket->bytes += batch[i].len;
        socket->from = batch[i].remote;
        socket->to = batch[i].local;
    }
    socket->last_at = now;
    if (socket->echo)
        world_udp_send(udp, batch, count);
    if (socket->expected != 0 && socket->received >= socket->expected)
        live_world_stop(socket->live);
}

static void open_socket(struct socket *socket, struct world_host *host, uint16_t port)
{
    struct error error = {0};
    struct address local = address_of(host, port);
    socket->live = (struct live_world *)world_of(host);
    socket->udp = world_udp_open(host, &local, took, socket, &error);
    if (socket->udp == NULL) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
}

static void send_number(struct socket *socket, const struct address *to, uint32_t number, size_t len)
{
    uint8_t bytes[1500] = {0};
    memcpy(bytes, &number, 4);
    world_udp_send(socket->udp, &(struct datagram){.remote = *to, .data = bytes, .len = len}, 1);
}

/* With an address outside, what leaves a NAT comes from there, and answers find their way back in. */
static void sends_from_outside(void)
{
    static const char *const nats[] = {"home", "symmetric", "open"};
    const struct address here = address_ipv4(127, 0, 0, 1, 0);
    struct error error = {0};
    struct live_world *live =
        live_world_create(&(struct live_world_config){.seed = 7, .loopback_only = true, .outside = here}, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(live);
    const struct live_host_config config = {.name = "server", .addresses = &here, .address_count = 1};
    struct socket server = {.echo = true};
    open_socket(&server, need(live_world_add_host(live, &config, &error), &error), 0);
    struct address server_address = world_udp_address(server.udp);
    uint16_t last_port = 0;
    for (size_t i = 0; i < sizeof nats / sizeof nats[0]; i++) {
        struct socket client = {0};
        open_socket(&client, add_client(live, nats[i], NULL, 0, 0), 0);
        client.expected = 1;
        send_number(&client, &server_address, 1, 100);
        run_for(live, 5 * S);
        CU_ASSERT_EQUAL(server.received, i + 1);
        CU_ASSERT_TRUE(address_same_ip(&server.from, &here));
        CU_ASSERT_NOT_EQUAL(server.from.port, last_port);
        CU_ASSERT_EQUAL(client.received, 1);
        CU_ASSERT_TRUE(address_equal(&client.from, &server_address));
        last_port = server.from.port;
        world_udp_close(client.udp);
    }
    live_world_destroy(live);
}

/* --- NATs ----------------------------------------------------------------------------------------------------------- */

/* RFC 5780's tests, from inside, by our own prober against our own server: what is configured, which is what they say in
 * sim (tests/loadgen/nat_survey_test.c). */
static void every_nat_is_found_out(void)
{
    enum { CAP = 128 };
    const struct nat_preset *presets[CAP];
    static struct nat_survey_entry entries[CAP];
    struct live_world *live = open_world(0);
    struct error error = {0};
    size_t count = 0;
    while (count < CAP && (presets[count] = nat_preset_at(count)) != NULL)
        count++;
    CU_ASSERT_TRUE(count > 27 + 10 && count < CAP);
    CU_ASSERT_TRUE_FATAL(nat_survey_in(live_world_internet(live), 100 * MS, 2, presets, count, 7, entries, &error));
    for (size_t i = 0; i < count; i++) {
        const struct nat_probe_result *found = &entries[i].found;
        CU_ASSERT_TRUE(entries[i].as_configured);
        if (!entries[i].as_configured)
            fprintf(stderr, "%s: blocked %d translated %d mapping %s filtering %s port %d hairpin %d\n",
                    presets[i]->name, found->blocked, found->translated, nat_behavior_name(found->mapping),
                    nat_behavior_name(found->filtering), found->port_preserved, (int)found->hairpin);
    }
    CU_ASSERT_EQUAL(live_world_statistics(live)->sockets_refused, 0);
    live_world_destroy(live);
}

/* A symmetric NAT opens a socket for each destination and an endpoint-independent one does not; both close them when
 * the mapping has been idle for long enough. */
static void mappings_are_sockets(void)
{
    static const char *const names[] = {"ei-ei-preserve", "apd-apd-random"};
    for (int which = 0; which < 2; which++) {
        struct live_world *live = open_world(0);
        struct nat_config nat = nat_preset_find(names[which])->nats[0];
        nat.udp_timeout = 30 * MS;
        struct internet_client_config config = {.name = "client", .nats = &nat, .nat_count = 1};
        struct error error = {0};
        struct world_host *client = need(internet_add_client(live_world_internet(live), &config, &error), &error);
        struct world_host *server = add_server(live, 2);
        struct address at[2];
        struct socket a = {0}, b = {.echo = true}, c = {.echo = true};
        world_host_addresses(server, at, 2);
        open_socket(&a, client, 0);
        open_socket(&b, server, 4000);
        c.live = live;
        at[0].port = at[1].port = 4000;
        c.udp = world_udp_open(server, &at[1], took, &c, &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(c.udp);
        CU_ASSERT_EQUAL(live_world_statistics(live)->sockets, 2);
        a.expected = 2;
        send_number(&a, &at[0], 1, 100);
        send_number(&a, &at[1], 2, 100);
        CU_ASSERT_EQUAL(live_world_statistics(live)->sockets, which == 0 ? 3 : 4);
        run_for(live, 2 * S);
        CU_ASSERT_EQUAL(a.received, 2);
        CU_ASSERT_EQUAL(address_same_ip(&b.from, &c.from), true);
        CU_ASSERT_EQUAL(address_equal(&b.from, &c.from), which == 0);
        struct address own = world_udp_address(a.udp);
        CU_ASSERT_EQUAL(address_scope(&own), ADDRESS_PRIVATE);
        CU_ASSERT_EQUAL(address_scope(&b.from), ADDRESS_LOOPBACK);
        CU_ASSERT_TRUE(address_equal(&a.to, &own));
        a.expected = 0;
        run_for(live, 100 * MS);
        CU_ASSERT_EQUAL(live_world_statistics(live)->sockets, 2);
        live_world_destroy(live);
    }
}

/* The limit of descriptors: what needs another socket is lost and counted, what has one goes on. */
static void a_limit_of_sockets_is_kept(void)
{
    struct live_world *live = open_world(0);
    struct world_host *client = add_client(live, "symmetric", NULL, 0, 0);
    struct socket a = {0}, b = {.echo = true}, c = {0};
    struct world_host *server = add_server(live, 1);
    open_socket(&a, client, 0);
    open_socket(&b, server, 4000);
    open_socket(&c, server, 4001);
    struct address to_b = world_udp_address(b.udp), to_c = world_udp_address(c.udp);
    struct rlimit limit, little;
    getrlimit(RLIMIT_NOFILE, &limit);
    little = limit;
    send_number(&a, &to_b, 1, 10);
    little.rlim_cur = 60;
    setrlimit(RLIMIT_NOFILE, &little);
    send_number(&a, &to_c, 2, 10);
    a.expected = 2;
    send_number(&a, &to_b, 3, 10);
    run_for(live, 2 * S);
    struct error error = {0};
    CU_ASSERT_PTR_NULL(
        world_udp_open(server, &(struct address){.family = 4, .ip = {127, to_b.ip[1], 0, 1}}, took, &a, &error));
    setrlimit(RLIMIT_NOFILE, &limit);
    CU_ASSERT_EQUAL(a.received, 2);
    CU_ASSERT_EQUAL(c.received, 0);
    CU_ASSERT_EQUAL(live_world_statistics(live)->sockets_refused, 1);
    live_world_destroy(live);
}

/* Nothing private leaves: neighbours of one LAN reach each other, strangers don't, and it is counted. */
static void private_addresses_stay_inside(void)
{
    struct live_world *live = open_world(0);
    struct socket a = {.echo = true}, b = {0}, c = {0};
    struct world_host *first = add_client(live, "home", NULL, 5, 0);
    struct world_host *second = add_client(live, "home", NULL, 5, 0);
    struct world_host *third = add_client(live, "home", NULL, 6, 0);
    open_socket(&a, first, 5000);
    open_socket(&b, second, 5000);
    open_socket(&c, third, 5000);
    struct address to = world_udp_address(a.udp);
    b.expected = 1;
    send_number(&b, &to, 1, 10);
    run_for(live, 2 * S);
    CU_ASSERT_EQUAL(b.received, 1);
    CU_ASSERT_TRUE(address_equal(&b.from, &to));
    send_number(&c, &to, 1, 10);
    send_number(&c, &(struct address){.family = 4, .port = 9, .ip = {192, 168, 1, 1}}, 1, 10);
    send_number(&c, &(struct address){.family = 4, .port = 9, .ip = {100, 64, 0, 77}}, 1, 10);
    send_number(&c, &(struct address){.family = 4, .port = 9, .ip = {192, 0, 2, 1}}, 1, 10);
    run_for(live, 5 * MS);
    CU_ASSERT_EQUAL(a.received, 1);
    CU_ASSERT_EQUAL(live_world_statistics(live)->unroutable, 4);
    CU_ASSERT_EQUAL(live_world_statistics(live)->udp_sent, 0);
    live_world_destroy(live);
}

/* Two homes behind one carrier's NAT: by their external addresses, and by the addresses between the NATs. */
static void carriers_join_homes(void)
{
    struct live_world *live = open_world(0);
    struct socket a = {0}, b = {.echo = true}, server = {.echo = true};
    struct world_host *first = add_client(live, "cgn", NULL, 0, 3);
    struct world_host *second = add_client(live, "cgn", NULL, 0, 3);
    open_socket(&a, first, 5000);
    open_socket(&b, second, 5001);
    open_socket(&server, add_server(live, 1), 4000);
    struct address at = world_udp_address(server.udp);
    a.expected = b.expected = 1;
    send_number(&a, &at, 1, 10);
    run_for(live, 2 * S);
    struct address outside = server.from;
    b.echo = false;
    send_number(&b, &at, 1, 10);
    run_for(live, 2 * S);
    CU_ASSERT_EQUAL(a.received, 1);
    CU_ASSERT_EQUAL(b.received, 1);
    CU_ASSERT_TRUE(address_same_ip(&outside, &server.from));
    CU_ASSERT_FALSE(address_equal(&outside, &server.from));
    CU_ASSERT_EQUAL(nat_counters(internet_nat(live_world_internet(live), first, 1)).mappings, 2);
    /* Hairpin at the carrier's: home filters want both to send. */
    struct address other = server.from;
    a.expected = b.expected = 0;
    send_number(&b, &outside, 2, 10);
    send_number(&a, &other, 2, 10);
    run_for(live, 20 * MS);
    send_number(&b, &outside, 3, 10);
    run_for(live, 20 * MS);
    CU_ASSERT_TRUE(a.received >= 2);
    CU_ASSERT_TRUE(nat_counters(internet_nat(live_world_internet(live), first, 1)).hairpinned > 0);
    live_world_destroy(live);
}

/* --- links ---------------------------------------------------------------------------------------------------------- */

static void links_delay_and_lose(void)
{
    enum { PACKETS = 2000 };
    const struct link_config link = {.delay = 20 * MS, .jitter = 2 * MS, .loss = 0.25};
    struct live_world *live = open_world(5 * MS);
    struct socket a = {0}, b = {.echo = true};
    struct world_host *client = add_client(live, "home", &link, 0, 0);
    struct internet_counters counters;
    open_socket(&a, client, 0);
    open_socket(&b, add_server(live, 1), 4000);
    struct address to = world_udp_address(b.udp);
    nanos start = world_now(live_world_of(live));
    for (uint32_t i = 0; i < PACKETS; i++)
        send_number(&a, &to, i, 200);
    run_for(live, 200 * MS);
    /* Not before the links let it: up, core, core, down. */
    CU_ASSERT_TRUE(b.first_at - start >= 25 * MS);
    CU_ASSERT_TRUE(a.first_at - start >= 50 * MS);
    internet_count(live_world_internet(live), client, &counters);
    CU_ASSERT_EQUAL(counters.udp_sent, PACKETS);
    CU_ASSERT_EQUAL(counters.up.offered, PACKETS);
    CU_ASSERT_EQUAL(counters.up.lost + counters.up.delivered, PACKETS);
    CU_ASSERT_TRUE(counters.up.lost > PACKETS / 5 && counters.up.lost < PACKETS * 3 / 10);
    CU_ASSERT_EQUAL(b.received, counters.up.delivered);
    CU_ASSERT_EQUAL(counters.down.offered, b.received);
    CU_ASSERT_EQUAL(a.received, counters.down.delivered);
    CU_ASSERT_EQUAL(counters.udp_received, a.received);
    CU_ASSERT_FALSE(a.disordered || b.disordered);
    live_world_destroy(live);
}

static void a_rate_and_a_queue_hold(enum link_discipline discipline)
{
    /* 1 Mbit/s: a packet of 1,228 bytes takes 9.8 ms, and five wait. */
    const struct link_config link = {.rate_bps = 1000000, .queue_bytes = 6200, .discipline = discipline};
    struct live_world *live = open_world(0);
    struct socket a = {0}, b = {0};
    struct world_host *client = add_client(live, "home", &link, 0, 0);
    struct internet_counters counters;
    open_socket(&a, client, 0);
    open_socket(&b, add_server(live, 1), 4000);
    struct address to = world_udp_address(b.udp);
    nanos start = world_now(live_world_of(live));
    for (uint32_t i = 0; i < 20; i++)
        send_number(&a, &to, i, 1200);
    run_for(live, 150 * MS);
    internet_count(live_world_internet(live), client, &counters);
    CU_ASSERT_EQUAL(counters.up.delivered, 6);
    CU_ASSERT_EQUAL(counters.up.overflowed, 14);
    CU_ASSERT_EQUAL(b.received, 6);
    CU_ASSERT_TRUE(b.last_at - start >= 6 * link_serialization(1000000, 1228));
    /* Twice as fast from now on; cut; and whole again. */
    struct link_config faster = link;
    faster.rate_bps = 2000000;
    CU_ASSERT_TRUE(internet_set_link(live_world_internet(live), client, &faster, NULL, NULL));
    internet_get_link(live_world_internet(live), client, &faster, NULL);
    CU_ASSERT_EQUAL(faster.rate_bps, 2000000);
    internet_cut(live_world_internet(live), client);
    send_number(&a, &to, 100, 1200);
    run_for(live, 20 * MS);
    CU_ASSERT_EQUAL(b.received, 6);
    internet_restore(live_world_internet(live), client);
    b.expected = 7;
    send_number(&a, &to, 101, 1200);
    run_for(live, 2 * S);
    CU_ASSERT_EQUAL(b.received, 7);
    internet_kill(live_world_internet(live), client);
    send_number(&a, &to, 102, 1200);
    CU_ASSERT_PTR_NULL(world_udp_open(client, &(struct address){0}, took, &a, NULL));
    world_udp_close(a.udp);
    live_world_destroy(live);
}

static void rates_and_queues_hold(void)
{
    a_rate_and_a_queue_hold(LINK_DROP_TAIL);
    a_rate_and_a_queue_hold(LINK_CODEL);
}

/* --- TCP ------------------------------------------------------------------------------------------------------------ */

struct stream {
    struct live_world *live;
    struct world_tcp *tcp;
    bool connected, closed, echo, wrong;
    nanos connected_at;
    size_t received, expected;
    struct address remote;
    char reason[100];
};

static void stream_connected(void *user, struct world_tcp *tcp, nanos now)
{
    struct stream *stream = user;
    (void)tcp;
    stream->connected = true;
    stream->connected_at = now;
    if (stream->expected == 0)
        live_world_stop(stream->live);
}

static void stream_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    struct stream *stream = user;
    (void)now;
    for (size_t i = 0; i < len; i++)
        stream->wrong = stream->wrong || data[i] != (uint8_t)((stream->received + i) * 31 >> 3);
    stream->received += len;
    if (stream->echo)
        world_tcp_send(tcp, data, len);
    if (stream->expected != 0 && stream->received >= stream->expected)
        live_world_stop(stream->live);
}

static void stream_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    struct stream *stream = user;
    (void)now;
    stream->closed = true;
    snprintf(stream->reason, sizeof stream->reason, "%s", reason);
    world_tcp_close(tcp);
    stream->tcp = NULL;
    live_world_stop(stream->live);
}

static const struct world_tcp_callbacks stream_callbacks = {
    .connected = stream_connected, .received = stream_received, .closed = stream_closed};

static void stream_accepted(void *user, struct world_tcp *tcp, const struct address *remote, nanos now)
{
    struct stream *stream = user;
    (void)now;
    stream->tcp = tcp;
    stream->remote = *remote;
    world_tcp_adopt(tcp, &stream_callbacks, stream);
}

/* Through a NAT, over links that delay, queue and lose: whole, in order, both ways. */
static void tcp_takes_the_links(void)
{
    enum { BYTES = 300000 };
    static uint8_t bytes[BYTES];
    const struct link_config links[] = {
        {.delay = 0},
        {.delay = 5 * MS, .rate_bps = 50000000, .queue_bytes = 40000},
        {.delay = 2 * MS, .loss = 0.02, .rate_bps = 50000000, .queue_bytes = 40000, .discipline = LINK_CODEL},
    };
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    for (size_t which = 0; which < sizeof links / sizeof links[0]; which++) {
        struct live_world *live = open_world(MS);
        struct world_host *host = add_server(live, 1);
        struct stream server = {.live = live, .echo = true}, client = {.live = live, .expected = BYTES};
        struct address at = address_of(host, 443);
        CU_ASSERT_PTR_NOT_NULL_FATAL(world_tcp_listen(host, &at, stream_accepted, &server, NULL));
        struct world_host *inside = add_client(live, which == 0 ? "cgn" : "home", &links[which], 0, 0);
        nanos start = world_now(live_world_of(live));
        client.tcp = world_tcp_connect(inside, &at, &stream_callbacks, &client, NULL);
        for (size_t sent = 0; sent < BYTES; sent += 1000)
            world_tcp_send(client.tcp, bytes + sent, 1000);
        run_for(live, 20 * S);
        CU_ASSERT_TRUE(client.connected);
        CU_ASSERT_TRUE(client.connected_at - start >= 2 * (links[which].delay + MS));
        CU_ASSERT_EQUAL(client.received, BYTES);
        CU_ASSERT_FALSE(client.wrong || server.wrong);
        CU_ASSERT_EQUAL(world_tcp_send(client.tcp, NULL, 0), 0);
        struct address own = world_tcp_local(client.tcp);
        CU_ASSERT_EQUAL(address_scope(&own), ADDRESS_PRIVATE);
        CU_ASSERT_EQUAL(address_scope(&server.remote), ADDRESS_LOOPBACK);
        CU_ASSERT_EQUAL(nat_counters(internet_nat(live_world_internet(live), inside, 0)).connections, 1);
        /* What waits at a close still comes, and then the end. */
        server.echo = false;
        server.received = 0;
        world_tcp_send(client.tcp, bytes, BYTES);
        world_tcp_close(client.tcp);
        run_for(live, 20 * S);
        CU_ASSERT_EQUAL(server.received, BYTES);
        CU_ASSERT_TRUE(server.closed);
        live_world_destroy(live);
    }
}

static void tcp_ends_come_down(void)
{
    struct live_world *live = open_world(0);
    struct world_host *host = add_server(live, 1);
    struct stream server = {.live = live}, client = {.live = live, .expected = 1};
    struct address at = address_of(host, 443), nowhere = address_of(host, 444);
    struct world_host *inside = add_client(live, "home", &(struct link_config){.delay = MS}, 0, 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_tcp_listen(host, &at, stream_accepted, &server, NULL));
    client.tcp = world_tcp_connect(inside, &nowhere, &stream_callbacks, &client, NULL);
    run_for(live, 2 * S);
    CU_ASSERT_TRUE(client.closed && !client.connected);
    CU_ASSERT_STRING_EQUAL(client.reason, "Connection refused");
    client = (struct stream){.live = live};
    client.tcp = world_tcp_connect(inside, &at, &stream_callbacks, &client, NULL);
    run_for(live, 2 * S);
    CU_ASSERT_TRUE(client.connected);
    world_tcp_close(server.tcp);
    run_for(live, 2 * S);
    CU_ASSERT_TRUE(client.closed);
    CU_ASSERT_STRING_EQUAL(client.reason, "closed by the other side");
    /* A policy that lets only 443 out; a host that is switched off says nothing. */
    struct world_host *strict = add_client(live, "tls-only", NULL, 0, 0);
    client = (struct stream){.live = live};
    client.tcp = world_tcp_connect(strict, &nowhere, &stream_callbacks, &client, NULL);
    run_for(live, 20 * MS);
    CU_ASSERT_FALSE(client.connected || client.closed);
    world_tcp_close(client.tcp);
    server = (struct stream){.live = live};
    client.tcp = world_tcp_connect(strict, &at, &stream_callbacks, &client, NULL);
    run_for(live, 2 * S);
    CU_ASSERT_TRUE(client.connected);
    internet_kill(live_world_internet(live), strict);
    run_for(live, 20 * MS);
    CU_ASSERT_FALSE(server.closed);
    CU_ASSERT_PTR_NULL(world_tcp_listen(inside, &(struct address){0}, stream_accepted, &server, NULL));
    live_world_destroy(live);
}

/* --- threads -------------------------------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    uint8_t block;
    bool well;
};

static void *work(void *user)
{
    struct worker *worker = user;
    struct live_world *live = open_world(MS);
    struct socket a = {.expected = 200}, b = {.echo = true};
    open_socket(&a, add_client(live, "home", &(struct link_config){.delay = MS}, 0, 0), 0);
    open_socket(&b, add_server(live, 1), 4000);
    struct address to = world_udp_address(b.udp);
    for (uint32_t i = 0; i < 200; i++)
        send_number(&a, &to, i, 500);
    live_world_run_until(live, 5 * S, 0, NULL, NULL, NULL);
    worker->block = to.ip[1];
    worker->well = a.received == 200 && !a.disordered;
    live_world_destroy(live);
    return NULL;
}

/* A world for each thread, nothing shared: each has a block of addresses of its own. */
static void worlds_run_side_by_side(void)
{
    enum { WORKERS = 4 };
    struct worker workers[WORKERS] = {0};
    struct live_world *here = open_world(0);
    struct address address = address_of(add_server(here, 1), 0);
    for (int i = 0; i < WORKERS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        CU_ASSERT_TRUE(workers[i].well);
        CU_ASSERT_NOT_EQUAL(workers[i].block, address.ip[1]);
    }
    live_world_destroy(here);
}

void live_internet_test(void)
{
    SUITE("live_internet", {"sends from outside", sends_from_outside},
          {"every NAT is found out", every_nat_is_found_out}, {"mappings are sockets", mappings_are_sockets},
          {"a limit of sockets is kept", a_limit_of_sockets_is_kept},
          {"private addresses stay inside", private_addresses_stay_inside},
          {"carriers join homes", carriers_join_homes}, {"links delay and lose", links_delay_and_lose},
          {"rates and queues hold", rates_and_queues_hold}, {"TCP takes the links", tcp_takes_the_links},
          {"TCP ends come down", tcp_ends_come_down}, {"worlds run side by side", worlds_run_side_by_side});
}
