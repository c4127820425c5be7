#include "world/live_world.h"

#include <netinet/in.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/suite.h"

#define MS NANOS_PER_MS

static struct live_world *open_world(void)
{
    struct error error = {0};
    struct live_world *live = live_world_create(&(struct live_world_config){.seed = 1, .loopback_only = true}, &error);
    if (live == NULL) {
        fprintf(stderr, "live world: %s\n", error.text);
        abort();
    }
    return live;
}

static struct world_host *open_host(struct live_world *live, const char *addresses)
{
    struct address list[4];
    size_t count = 0;
    char text[64];
    for (int at = 0, len = 0; count < 4 && sscanf(addresses + at, "%63s%n", text, &len) == 1; at += len) {
        if (!address_parse(&list[count++], text))
            abort();
    }
    struct world_host *host = live_world_add_host(
        live, &(struct live_host_config){.name = "host", .addresses = list, .address_count = count}, NULL);
    if (host == NULL)
        abort();
    return host;
}

static void run(struct live_world *live, nanos until)
{
    CU_ASSERT_TRUE(live_world_run_until(live, until, 0, NULL, NULL, NULL));
}

/* --- time and timers ------------------------------------------------------------------------------------------------ */

struct alarms {
    struct world *world;
    struct alarm {
        struct alarms *all;
        struct world_timer *timer;
        nanos at;
        nanos fired_at;
        int number;
    } each[1000];
    int order[1000];
    int count;
    bool early;
};

static void rang(void *user, nanos now)
{
    struct alarm *alarm = user;
    alarm->all->early = alarm->all->early || now < alarm->at || world_now(alarm->all->world) < now;
    alarm->fired_at = now;
    alarm->all->order[alarm->all->count++] = alarm->number;
}

static void timers_fire_in_order_and_not_early(void)
{
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1");
    struct alarms *alarms = calloc(1, sizeof *alarms);
    alarms->world = live_world_of(live);
    nanos start = world_now(alarms->world) + 5 * MS;
    for (int i = 0; i < 1000; i++) {
        struct alarm *alarm = &alarms->each[i];
        *alarm = (struct alarm){.all = alarms, .number = i, .at = start + (i * 7919 % 1000) * 20000};
        alarm->timer = world_timer_open(host, rang, alarm);
        world_timer_set(alarm->timer, alarm->at + 3600 * NANOS_PER_S);
        world_timer_set(alarm->timer, alarm->at);
    }
    world_timer_set(alarms->each[5].timer, NANOS_NEVER);
    run(live, start + 21 * MS);
    CU_ASSERT_EQUAL(alarms->count, 999);
    CU_ASSERT_FALSE(alarms->early);
    for (int i = 1; i < alarms->count; i++)
        CU_ASSERT_TRUE(alarms->each[alarms->order[i - 1]].at < alarms->each[alarms->order[i]].at);
    live_world_destroy(live);
    free(alarms);
}

struct closing {
    struct world_timer *timer;
    struct live_world *live;
    int fired;
};

static void close_in_callback(void *user, nanos now)
{
    struct closing *closing = user;
    (void)now;
    closing->fired++;
    world_timer_close(closing->timer);
    live_world_stop(closing->live);
}

static void a_timer_may_be_closed_in_its_callback(void)
{
    struct live_world *live = open_world();
    struct closing closing = {.live = live};
    closing.timer = world_timer_open(open_host(live, "127.0.0.1"), close_in_callback, &closing);
    world_timer_set(closing.timer, -5); /* long past: at once */
    run(live, NANOS_NEVER);
    CU_ASSERT_EQUAL(closing.fired, 1);
    live_world_destroy(live);
}

static bool count_three(void *user, nanos now)
{
    (void)now;
    return ++*(int *)user < 3;
}

static void progress_ends_a_run(void)
{
    struct live_world *live = open_world();
    int calls = 0;
    CU_ASSERT_TRUE(live_world_run_until(live, NANOS_NEVER, MS, count_three, &calls, NULL));
    CU_ASSERT_EQUAL(calls, 3);
    CU_ASSERT_TRUE(world_now(live_world_of(live)) >= 3 * MS);
    CU_ASSERT_TRUE(live_world_unix_origin_s(live) > 1700000000);
    CU_ASSERT_EQUAL((int64_t)(live_world_ntp_origin(live) >> 32) - 2208988800, live_world_unix_origin_s(live));
    live_world_destroy(live);
}

static void a_limit_on_descriptors_is_told(void)
{
    struct live_world *live = open_world();
    struct error error = {0};
    CU_ASSERT_TRUE(live_world_check_sockets(live, 1, &error));
    CU_ASSERT_FALSE(live_world_check_sockets(live, (size_t)1 << 40, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "open files"));
    live_world_destroy(live);
}

/* --- UDP ------------------------------------------------------------------------------------------------------------ */

enum { SEEN_MAX = 4096 };

struct socket {
    struct live_world *live;
    struct world_udp *udp;
    bool echo;
    size_t received, batches, expected;
    size_t lens[SEEN_MAX];
    uint32_t numbers[SEEN_MAX];
    struct address local, remote;
};

/* Each datagram of 4 bytes and more begins with its number and ends with its last byte. */
static void took(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct socket *socket = user;
    (void)now;
    socket->batches++;
    for (size_t i = 0; i < count; i++) {
        size_t at = socket->received++;
        if (at < SEEN_MAX) {
            socket->lens[at] = batch[i].len;
            socket->numbers[at] = 0;
            memcpy(&socket->numbers[at], batch[i].data, batch[i].len < 4 ? batch[i].len : 4);
        }
        socket->local = batch[i].local;
        socket->remote = batch[i].remote;
        if (batch[i].len > 4)
            CU_ASSERT_EQUAL(batch[i].data[batch[i].len - 1], (uint8_t)batch[i].len);
    }
    if (socket->echo) /* from where they came to */
        world_udp_send(udp, batch, count);
    if (socket->expected != 0 && socket->received >= socket->expected)
        live_world_stop(socket->live);
}

static struct socket *open_socket(struct world_host *host, struct address local)
{
    struct error error = {0};
    struct socket *socket = calloc(1, sizeof *socket);
    socket->live = (struct live_world *)world_of(host);
    socket->udp = world_udp_open(host, &local, took, socket, &error);
    if (socket->udp == NULL) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    return socket;
}

static void send_sizes(struct socket *socket, struct address to, const size_t *sizes, size_t count)
{
    static uint8_t bytes[64][2000];
    struct datagram batch[64];
    for (size_t i = 0; i < count; i++) {
        uint32_t number = (uint32_t)i;
        batch[i] = (struct datagram){.remote = to, .data = bytes[i], .len = sizes[i]};
        memcpy(bytes[i], &number, 4);
        if (sizes[i] > 4)
            bytes[i][sizes[i] - 1] = (uint8_t)sizes[i];
    }
    world_udp_send(socket->udp, batch, count);
}

static void end_after(struct live_world *live, nanos duration) { run(live, world_now(live_world_of(live)) + duration); }

/* Runs of equal sizes, a shorter one at the end of one, a longer one, an empty one: all arrive as they were, in order. */
static void check_sizes(const char *ip, bool no_offload)
{
    static const size_t sizes[] = {1200, 1200, 1200, 700, 700, 1300, 0, 0, 5, 1200, 1200, 1, 2, 3, 1472, 1472};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct live_world *live =
        live_world_create(&(struct live_world_config){.loopback_only = true, .no_offload = no_offload}, NULL);
    struct world_host *host = open_host(live, ip);
    struct address local;
    world_host_addresses(host, &local, 1);
    struct socket *a = open_socket(host, local), *b = open_socket(host, local);
    b->echo = true;
    a->expected = COUNT;
    send_sizes(a, world_udp_address(b->udp), sizes, COUNT);
    end_after(live, 2 * NANOS_PER_S);
    CU_ASSERT_EQUAL(b->received, COUNT);
    CU_ASSERT_EQUAL(a->received, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        CU_ASSERT_EQUAL(a->lens[i], sizes[i]);
        CU_ASSERT_EQUAL(a->numbers[i], sizes[i] == 0 ? 0 : i);
    }
    struct address from = world_udp_address(a->udp);
    CU_ASSERT_TRUE(address_equal(&b->remote, &from));
    const struct live_statistics *statistics = live_world_statistics(live);
    CU_ASSERT_EQUAL(statistics->udp_sent, 2 * COUNT);
    CU_ASSERT_EQUAL(statistics->udp_received, 2 * COUNT);
    CU_ASSERT_EQUAL(statistics->udp_sent_bytes, statistics->udp_received_bytes);
    CU_ASSERT_EQUAL(statistics->udp_would_block + statistics->udp_refused + statistics->udp_overflowed, 0);
    live_world_destroy(live);
    free(a);
    free(b);
}

static void udp_keeps_sizes_and_order(void)
{
    check_sizes("127.0.0.1", false);
    check_sizes("127.0.0.1", true);
    check_sizes("::1", false);
    check_sizes("::1", true);
}

/* Two clients in turns: one call carries both, each in one piece. */
static void udp_batches_by_destination(void)
{
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1");
    struct socket *server = open_socket(host, address_ipv4(127, 0, 0, 1, 0));
    struct socket *clients[2];
    uint8_t bytes[1200] = {0};
    bytes[sizeof bytes - 1] = (uint8_t)sizeof bytes;
    for (int i = 0; i < 2; i++)
        clients[i] = open_socket(host, address_ipv4(127, 0, 0, 1, 0));
    for (uint32_t i = 0; i < 80; i++) {
        struct datagram datagram = {
            .remote = world_udp_address(clients[i % 2]->udp), .data = bytes, .len = sizeof bytes};
        uint32_t number = i / 2;
        memcpy(bytes, &number, 4);
        world_udp_send(server->udp, &datagram, 1);
    }
    clients[0]->expected = clients[1]->expected = 40;
    end_after(live, 2 * NANOS_PER_S);
    if (clients[0]->received + clients[1]->received < 80)
        end_after(live, 2 * NANOS_PER_S);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(clients[i]->received, 40);
        CU_ASSERT_EQUAL(clients[i]->batches, 1);
        for (uint32_t n = 0; n < 40; n++)
            CU_ASSERT_EQUAL(clients[i]->numbers[n], n);
        free(clients[i]);
    }
    CU_ASSERT_EQUAL(live_world_statistics(live)->udp_send_calls, 1);
    CU_ASSERT_EQUAL(live_world_statistics(live)->udp_receive_calls, 2);
    live_world_destroy(live);
    free(server);
}

static void a_wildcard_socket_knows_its_addresses(void)
{
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1 127.3.2.1");
    struct socket *any = open_socket(host, address_ipv4(0, 0, 0, 0, 0));
    struct socket *client = open_socket(host, address_ipv4(127, 0, 0, 1, 0));
    struct address to = world_udp_address(any->udp);
    memcpy(to.ip, (uint8_t[]){127, 3, 2, 1}, 4);
    any->echo = true;
    client->expected = 2;
    send_sizes(client, to, (size_t[]){20, 20}, 2);
    end_after(live, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(address_equal(&any->local, &to));
    CU_ASSERT_EQUAL(client->received, 2);
    CU_ASSERT_TRUE(address_equal(&client->remote, &to));
    live_world_destroy(live);
    free(any);
    free(client);
}

/* IPv4 and IPv6 may have the same port: ::'s socket is for IPv6 alone. */
static void ipv6_is_for_itself(void)
{
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1 ::1");
    struct socket *six = open_socket(host, (struct address){.family = ADDRESS_IPV6});
    struct address same = address_ipv4(0, 0, 0, 0, world_udp_address(six->udp).port);
    struct socket *four = open_socket(host, same);
    struct socket *client = open_socket(host, (struct address){.family = ADDRESS_IPV6, .ip = {[15] = 1}});
    struct address to = {.family = ADDRESS_IPV6, .port = same.port, .ip = {[15] = 1}};
    six->echo = true;
    client->expected = 3;
    send_sizes(client, to, (size_t[]){20, 20, 9}, 3);
    end_after(live, 2 * NANOS_PER_S);
    CU_ASSERT_EQUAL(client->received, 3);
    CU_ASSERT_TRUE(address_equal(&six->local, &to));
    CU_ASSERT_TRUE(address_equal(&client->remote, &to));
    CU_ASSERT_EQUAL(four->received, 0);
    live_world_destroy(live);
    free(six);
    free(four);
    free(client);
}

static void udp_is_refused_where_it_must(void)
{
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1");
    struct error error = {0};
    CU_ASSERT_PTR_NULL(world_udp_open(host, &(struct address){.family = 4, .ip = {127, 0, 0, 2}}, took, NULL, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "127.0.0.2"));
    struct socket *socket = open_socket(host, address_ipv4(127, 0, 0, 1, 0));
    struct address taken = world_udp_address(socket->udp);
    CU_ASSERT_PTR_NULL(world_udp_open(host, &taken, took, NULL, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_SYSTEM);
    /* Never beyond loopback; and to where nobody listens, or to a port that can't be. */
    send_sizes(socket, address_ipv4(192, 0, 2, 1, 9), (size_t[]){10}, 1);
    send_sizes(socket, (struct address){.family = ADDRESS_IPV6, .port = 9, .ip = {[15] = 1}}, (size_t[]){10}, 1);
    send_sizes(socket, address_ipv4(127, 0, 0, 1, 0), (size_t[]){10}, 1);
    send_sizes(socket, address_ipv4(127, 0, 0, 9, 9), (size_t[]){10}, 1);
    end_after(live, 2 * MS);
    send_sizes(socket, world_udp_address(socket->udp), (size_t[]){10}, 1);
    socket->expected = 1;
    end_after(live, 2 * NANOS_PER_S);
    CU_ASSERT_EQUAL(socket->received, 1); /* after the ICMP error, all the same */
    CU_ASSERT_EQUAL(live_world_statistics(live)->unroutable, 1);
    CU_ASSERT_EQUAL(live_world_statistics(live)->udp_refused, 2);
    live_world_destroy(live);
    free(socket);
}

struct busy {
    struct socket *socket;
    struct live_world *live;
    uint64_t sent;
};

static void sends_one(void *user, nanos now)
{
    struct busy *busy = user;
    (void)now;
    send_sizes(busy->socket, world_udp_address(busy->socket->udp), (size_t[]){10}, 1);
    CU_ASSERT_EQUAL(live_world_statistics(busy->live)->udp_sent, 0);
}

static void takes_long(void *user, nanos now)
{
    const struct busy *busy = user;
    while (world_now(live_world_of(busy->live)) < now + MS)
        ;
}

static void looks(void *user, nanos now)
{
    struct busy *busy = user;
    (void)now;
    busy->sent = live_world_statistics(busy->live)->udp_sent;
    live_world_stop(busy->live);
}

/* Timers due together: what the first sends doesn't wait until the last is done. */
static void a_long_turn_holds_nothing_up(void)
{
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1");
    struct busy busy = {.socket = open_socket(host, address_ipv4(127, 0, 0, 1, 0)), .live = live};
    const world_timer_fired calls[] = {sends_one, takes_long, looks};
    for (int i = 0; i < 3; i++)
        world_timer_set(world_timer_open(host, calls[i], &busy), 1);
    run(live, NANOS_NEVER);
    CU_ASSERT_EQUAL(busy.sent, 1);
    live_world_destroy(live);
    free(busy.socket);
}

/* More than a socket's buffer holds: what is missing was counted, here or by the kernel. */
static void overflow_is_counted(void)
{
    enum { ROUNDS = 100 };
    struct live_world *live =
        live_world_create(&(struct live_world_config){.loopback_only = true, .no_offload = true}, NULL);
    struct world_host *host = open_host(live, "127.0.0.1");
    struct socket *a = open_socket(host, address_ipv4(127, 0, 0, 1, 0));
    struct socket *b = open_socket(host, address_ipv4(127, 0, 0, 1, 0));
    size_t sizes[64];
    for (int i = 0; i < 64; i++)
        sizes[i] = 1400;
    for (int i = 0; i < ROUNDS; i++)
        send_sizes(a, world_udp_address(b->udp), sizes, 64);
    end_after(live, 20 * MS);
    send_sizes(a, world_udp_address(b->udp), sizes, 1); /* with it comes the count */
    end_after(live, 20 * MS);
    const struct live_statistics *statistics = live_world_statistics(live);
    CU_ASSERT_TRUE(statistics->udp_overflowed + statistics->udp_would_block > 0);
    CU_ASSERT_EQUAL(b->received + statistics->udp_overflowed + statistics->udp_would_block, ROUNDS * 64 + 1);
    live_world_destroy(live);
    free(a);
    free(b);
}

/* --- TCP ------------------------------------------------------------------------------------------------------------ */

struct stream {
    struct live_world *live;
    struct world_tcp *tcp;
    bool connected, closed, echo, close_at_once;
    size_t received, expected;
    bool wrong; /* a byte that isn't its number's */
    char reason[100];
};

static void stream_connected(void *user, struct world_tcp *tcp, nanos now)
{
    struct stream *stream = user;
    (void)tcp;
    (void)now;
    stream->connected = true;
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
    (void)remote;
    (void)now;
    if (stream->close_at_once) {
        world_tcp_close(tcp);
        return;
    }
    stream->tcp = tcp;
    stream->connected = true;
    world_tcp_adopt(tcp, &stream_callbacks, stream);
}

/* A free port of that host. */
static struct world_tcp_listener *listen_at(struct world_host *host, struct address *address, struct stream *server)
{
    struct socket *probe = open_socket(host, *address);
    *address = world_udp_address(probe->udp);
    world_udp_close(probe->udp);
    free(probe);
    struct error error = {0};
    struct world_tcp_listener *listener = world_tcp_listen(host, address, stream_accepted, server, &error);
    if (listener == NULL) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    return listener;
}

static void tcp_carries_much_and_tells_what_waits(void)
{
    enum { BYTES = 12 << 20, PIECE = 100000 };
    static uint8_t bytes[BYTES];
    const char *hosts[] = {"127.0.0.1", "::1"};
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 31 >> 3);
    for (int which = 0; which < 2; which++) {
        struct live_world *live = open_world();
        struct world_host *host = open_host(live, hosts[which]);
        struct stream server = {.live = live, .echo = true}, client = {.live = live, .expected = BYTES};
        struct address at;
        size_t waiting = 0, sent = 0;
        world_host_addresses(host, &at, 1);
        listen_at(host, &at, &server);
        client.tcp = world_tcp_connect(host, &at, &stream_callbacks, &client, NULL);
        for (; sent < BYTES; sent += PIECE) { /* before it is connected: all of it waits */
            size_t len = BYTES - sent < PIECE ? BYTES - sent : PIECE;
            waiting = world_tcp_send(client.tcp, bytes + sent, len);
        }
        CU_ASSERT_EQUAL(waiting, BYTES);
        end_after(live, 20 * NANOS_PER_S);
        CU_ASSERT_TRUE(client.connected && server.connected);
        CU_ASSERT_EQUAL(client.received, BYTES);
        CU_ASSERT_EQUAL(server.received, BYTES);
        CU_ASSERT_FALSE(client.wrong || server.wrong);
        CU_ASSERT_EQUAL(world_tcp_send(client.tcp, NULL, 0), 0);
        struct address remote = world_tcp_remote(client.tcp), local = world_tcp_local(client.tcp);
        struct address seen = world_tcp_remote(server.tcp);
        CU_ASSERT_TRUE(address_equal(&remote, &at) && address_equal(&local, &seen));
        /* What waits at a close still comes. */
        server.expected = server.received + BYTES;
        server.echo = false;
        world_tcp_send(client.tcp, bytes, BYTES);
        world_tcp_close(client.tcp);
        server.received = 0;
        server.expected = BYTES;
        end_after(live, 20 * NANOS_PER_S);
        CU_ASSERT_EQUAL(server.received, BYTES);
        end_after(live, 20 * NANOS_PER_S);
        CU_ASSERT_TRUE(server.closed);
        CU_ASSERT_STRING_EQUAL(server.reason, "closed by the other side");
        live_world_destroy(live);
    }
}

/* Nobody listens; the other side closes at once; a reader that doesn't read. */
static void tcp_ends_are_told(void)
{
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1");
    struct stream client = {.live = live, .expected = 1}, server = {.live = live};
    struct address at = address_ipv4(127, 0, 0, 1, 0);
    struct world_tcp_listener *listener = listen_at(host, &at, &server);
    world_tcp_listener_close(listener);
    client.tcp = world_tcp_connect(host, &at, &stream_callbacks, &client, NULL);
    end_after(live, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(client.closed && !client.connected);
    CU_ASSERT_STRING_EQUAL(client.reason, "Connection refused");

    client = (struct stream){.live = live, .expected = 1};
    server.close_at_once = true;
    listener = listen_at(host, &at, &server);
    client.tcp = world_tcp_connect(host, &at, &stream_callbacks, &client, NULL);
    end_after(live, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(client.closed && client.connected);

    struct error error = {0};
    CU_ASSERT_PTR_NULL(world_tcp_connect(host, &(struct address){.family = 4, .port = 80, .ip = {192, 0, 2, 1}},
                                         &stream_callbacks, &client, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "loopback"));
    CU_ASSERT_PTR_NULL(world_tcp_listen(host, &at, stream_accepted, &server, &error));
    live_world_destroy(live);
}

/* A socket that accepts and never reads: first it is told that bytes wait, and when it goes on all the same, it ends. */
static void tcp_that_is_not_read_ends_in_time(void)
{
    enum { PIECE = 1 << 20 };
    static uint8_t bytes[PIECE];
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1");
    struct stream client = {.live = live};
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&name, len), 0);
    CU_ASSERT_EQUAL_FATAL(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&name, &len);
    struct address at = address_ipv4(127, 0, 0, 1, ntohs(name.sin_port));
    client.tcp = world_tcp_connect(host, &at, &stream_callbacks, &client, NULL);
    end_after(live, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(client.connected);
    size_t waiting = 0, most = 0;
    for (int i = 0; i < 100 && !client.closed; i++) {
        waiting = world_tcp_send(client.tcp, bytes, PIECE);
        most = waiting > most ? waiting : most;
    }
    CU_ASSERT_TRUE(most > 32 << 20 && most <= 64 << 20);
    CU_ASSERT_EQUAL(waiting, 0);
    end_after(live, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(client.closed);
    CU_ASSERT_PTR_NOT_NULL(strstr(client.reason, "too much"));
    /* A reset. */
    struct stream other = {.live = live};
    other.tcp = world_tcp_connect(host, &at, &stream_callbacks, &other, NULL);
    end_after(live, 2 * NANOS_PER_S);
    int first = accept(fd, NULL, NULL), second = accept(fd, NULL, NULL);
    struct linger hard = {.l_onoff = 1};
    setsockopt(second, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(second);
    end_after(live, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(other.closed);
    CU_ASSERT_STRING_EQUAL(other.reason, "Connection reset by peer");
    close(first);
    close(fd);
    live_world_destroy(live);
}

static void count_accepted(void *user, struct world_tcp *tcp, const struct address *remote, nanos now)
{
    (void)remote, (void)now;
    ++*(int *)user;
    world_tcp_adopt(tcp, &(struct world_tcp_callbacks){0}, NULL);
}

/* No descriptor is left: who comes waits, and the loop sleeps meanwhile; as soon as there are some, they are let in. */
static void accepting_survives_without_descriptors(void)
{
    enum { CLIENTS = 20, ROOM = 5 };
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1");
    struct address at = address_ipv4(127, 0, 0, 1, 0);
    struct stream unused = {.live = live};
    int accepted = 0;
    int clients[CLIENTS];
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    world_tcp_listener_close(listen_at(host, &at, &unused));
    name.sin_port = htons(at.port);
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_tcp_listen(host, &at, count_accepted, &accepted, NULL));
    end_after(live, MS);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        CU_ASSERT_EQUAL(connect(clients[i], (struct sockaddr *)&name, sizeof name), 0);
    }
    struct rlimit limit, little;
    getrlimit(RLIMIT_NOFILE, &limit);
    little = limit;
    little.rlim_cur = (rlim_t)clients[CLIENTS - 1] + 1 + ROOM;
    setrlimit(RLIMIT_NOFILE, &little);
    struct timespec before, after;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
    end_after(live, 60 * MS);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
    CU_ASSERT_EQUAL(accepted, ROOM);
    CU_ASSERT_TRUE((after.tv_sec - before.tv_sec) * NANOS_PER_S + after.tv_nsec - before.tv_nsec < 40 * MS);
    setrlimit(RLIMIT_NOFILE, &limit);
    end_after(live, 120 * MS);
    CU_ASSERT_EQUAL(accepted, CLIENTS);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    live_world_destroy(live);
}

void live_world_test(void)
{
    SUITE("live_world", {"timers fire in order and not early", timers_fire_in_order_and_not_early},
          {"a timer may be closed in its callback", a_timer_may_be_closed_in_its_callback},
          {"progress ends a run", progress_ends_a_run},
          {"a limit on descriptors is told", a_limit_on_descriptors_is_told},
          {"UDP keeps sizes and order", udp_keeps_sizes_and_order},
          {"UDP batches by destination", udp_batches_by_destination},
          {"a wildcard socket knows its addresses", a_wildcard_socket_knows_its_addresses},
          {"IPv6 is for itself", ipv6_is_for_itself}, {"UDP is refused where it must", udp_is_refused_where_it_must},
          {"overflow is counted", overflow_is_counted}, {"a long turn holds nothing up", a_long_turn_holds_nothing_up},
          {"TCP carries much and tells what waits", tcp_carries_much_and_tells_what_waits},
          {"TCP ends are told", tcp_ends_are_told},
          {"TCP that isn't read ends in time", tcp_that_is_not_read_ends_in_time},
          {"accepting survives without descriptors", accepting_survives_without_descriptors});
}
