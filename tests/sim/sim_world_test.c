#include "sim/sim_world.h"

#include "sim/ns3c_loader.h"
#include "tests/support/suite.h"

#if CONFAB_SIM

#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/support/sim_fixture.h"
#include "world/access.h"

#define MS NANOS_PER_MS
#define S NANOS_PER_S

/* A socket at the host's first address of the family. */
static void open_at(struct sim_socket *socket, struct world_host *host, int family, uint16_t port)
{
    struct address local = sim_fixture_address(host, family, port);
    sim_socket_open(socket, host, &local);
}

/* --- UDP -------------------------------------------------------------------------------------------------------------- */

static void udp_takes_the_path_it_should(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct world_host *client = sim_fixture_client(sim, "open", "cable", 0, 0);
    struct sim_socket a = {0};
    struct sim_socket b = {.echo = true};
    open_at(&a, client, 4, 5000);
    open_at(&b, server, 4, 3478);
    CU_ASSERT_EQUAL(world_udp_address(a.udp).port, 5000);
    struct address to = world_udp_address(b.udp);
    struct address from = world_udp_address(a.udp);
    CU_ASSERT_EQUAL(address_scope(&to), ADDRESS_GLOBAL);
    CU_ASSERT_EQUAL(address_scope(&from), ADDRESS_GLOBAL);
    sim_socket_send(&a, &to, "hello", 5);
    sim_fixture_run(sim, S);
    CU_ASSERT_EQUAL(b.received, 1);
    CU_ASSERT_EQUAL(a.received, 1);
    CU_ASSERT_EQUAL(a.last_len, 5);
    CU_ASSERT_NSTRING_EQUAL(a.last, "hello", 5);
    CU_ASSERT_TRUE(address_equal(&a.last_from, &to));
    CU_ASSERT_TRUE(address_equal(&b.last_from, &from));
    /* Up: 33 + 24 bytes at 20 Mbit/s, 14 ms and up to 6 ms of jitter, 10 ms of core. Down: at 100 Mbit/s, no jitter. */
    nanos there = 14 * MS + 10 * MS + 57 * 8 * NANOS_PER_US / 20;
    CU_ASSERT_TRUE(b.last_at >= there && b.last_at <= there + 6 * MS);
    CU_ASSERT_EQUAL(a.last_at - b.last_at, 14 * MS + 10 * MS + 57 * 8 * NANOS_PER_US / 100);
    struct internet_counters counters;
    sim_world_count(client, &counters);
    CU_ASSERT_EQUAL(counters.udp_sent, 1);
    CU_ASSERT_EQUAL(counters.udp_received_bytes, 5);
    CU_ASSERT_EQUAL(counters.up.delivered, 1);
    CU_ASSERT_EQUAL(counters.up.delivered_bytes, 33);
    CU_ASSERT_EQUAL(counters.down.delivered, 1);
    sim_world_destroy(sim);
}

static void udp_through_every_preset(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct sim_socket echo4 = {.echo = true};
    struct sim_socket echo6 = {.echo = true};
    open_at(&echo4, server, 4, 3478);
    open_at(&echo6, server, 6, 3478);
    static struct sim_socket sockets[128];
    memset(sockets, 0, sizeof sockets);
    size_t count = 0;
    for (; nat_preset_at(count) != NULL; count++) {
        const struct nat_preset *preset = nat_preset_at(count);
        if (preset->alternatives[0].name != NULL)
            preset = nat_preset_find(preset->alternatives[0].name);
        struct world_host *client = sim_fixture_client(sim, preset->name, "fibre", 0, 0);
        open_at(&sockets[2 * count], client, 4, 5000);
        open_at(&sockets[2 * count + 1], client, 6, 5000);
        struct address to4 = world_udp_address(echo4.udp);
        struct address to6 = world_udp_address(echo6.udp);
        sim_socket_send(&sockets[2 * count], &to4, "4", 1);
        sim_socket_send(&sockets[2 * count + 1], &to6, "6", 1);
        sim_fixture_run(sim, (nanos)(count + 1) * S);
        bool blocked = preset->count > 0 && preset->nats[0].udp_blocked;
        CU_ASSERT_EQUAL(sockets[2 * count].received, !blocked);
        CU_ASSERT_EQUAL(sockets[2 * count + 1].received, !blocked);
        bool translated = preset->count > 0 && !preset->nats[0].translate_none;
        struct address local = world_udp_address(sockets[2 * count].udp);
        CU_ASSERT_EQUAL(address_scope(&local), translated ? ADDRESS_PRIVATE : ADDRESS_GLOBAL);
        if (!blocked) {
            CU_ASSERT_EQUAL(address_equal(&local, &echo4.last_from), !translated);
            CU_ASSERT_EQUAL(address_scope(&echo4.last_from), ADDRESS_GLOBAL);
            CU_ASSERT_EQUAL(echo6.last_from.port, 5000);
        }
    }
    CU_ASSERT_TRUE(count < 64);
    sim_world_destroy(sim);
}

static struct world_udp *closing;
static unsigned closed_calls;

static void close_at_once(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    (void)user;
    (void)batch;
    (void)count;
    (void)now;
    closed_calls++;
    CU_ASSERT_PTR_EQUAL(udp, closing);
    world_udp_close(udp);
}

static void a_socket_may_close_while_it_is_called(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct world_host *client = sim_fixture_client(sim, "open", "ideal", 0, 0);
    struct sim_socket a = {0};
    open_at(&a, client, 4, 0);
    struct error error;
    struct address local = sim_fixture_address(server, 4, 7);
    closed_calls = 0;
    closing = world_udp_open(server, &local, close_at_once, NULL, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(closing);
    for (int i = 0; i < 100; i++)
        sim_socket_send(&a, &local, "x", 1);
    sim_fixture_run(sim, S);
    CU_ASSERT_EQUAL(closed_calls, 1);
    /* The port is free again, a taken one and a foreign address are refused. */
    struct world_udp *again = world_udp_open(server, &local, close_at_once, NULL, &error);
    CU_ASSERT_PTR_NOT_NULL(again);
    CU_ASSERT_PTR_NULL(world_udp_open(server, &local, close_at_once, NULL, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_SYSTEM);
    CU_ASSERT_PTR_NULL(world_udp_open(client, &local, close_at_once, NULL, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    sim_world_destroy(sim);
}

/* --- timers ------------------------------------------------------------------------------------------------------------- */

struct alarm {
    struct world_timer *timer;
    nanos fired[4];
    int count;
    nanos again;
};

static void ring(void *user, nanos now)
{
    struct alarm *alarm = user;
    alarm->fired[alarm->count++] = now;
    if (alarm->count < 3)
        world_timer_set(alarm->timer, alarm->again);
    else
        world_timer_close(alarm->timer);
}

static void timers(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct world_host *host = sim_fixture_server(sim, "server", 1);
    struct alarm alarm = {.again = 0};
    struct alarm stopped = {.again = 0};
    alarm.timer = world_timer_open(host, ring, &alarm);
    stopped.timer = world_timer_open(host, ring, &stopped);
    world_timer_set(alarm.timer, 9 * S);
    world_timer_set(alarm.timer, 2 * S);
    world_timer_set(stopped.timer, S);
    world_timer_set(stopped.timer, NANOS_NEVER);
    sim_fixture_run(sim, 10 * S);
    CU_ASSERT_EQUAL(alarm.count, 3);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(alarm.fired[i], 2 * S); /* set to the past: at once */
    CU_ASSERT_EQUAL(stopped.count, 0);
    CU_ASSERT_EQUAL(world_now(sim_world_of(sim)), 10 * S);
    sim_world_destroy(sim);
}

/* --- TCP ------------------------------------------------------------------------------------------------------------------ */

enum { TCP_BYTES = 100000 };

struct stream {
    struct world_tcp *tcp;
    bool connected;
    size_t received;
    bool intact;
    const char *reason;
    nanos ended_at;
    struct address remote;
};

static void tcp_connected(void *user, struct world_tcp *tcp, nanos now)
{
    (void)tcp;
    (void)now;
    ((struct stream *)user)->connected = true;
}

static void tcp_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    struct stream *stream = user;
    (void)now;
    for (size_t i = 0; i < len; i++)
        stream->intact = stream->intact && data[i] == (uint8_t)((stream->received + i) % 251);
    stream->received += len;
    if (stream->reason == NULL && stream->remote.family != ADDRESS_NONE)
        world_tcp_send(tcp, data, len); /* the server's: back to where it came from */
}

static void tcp_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    struct stream *stream = user;
    stream->reason = reason;
    stream->ended_at = now;
    stream->tcp = NULL;
    world_tcp_close(tcp);
}

static const struct world_tcp_callbacks tcp_callbacks = {
    .connected = tcp_connected, .received = tcp_received, .closed = tcp_closed};

static void tcp_accepted(void *user, struct world_tcp *tcp, const struct address *remote, nanos now)
{
    struct stream *stream = user;
    (void)now;
    *stream = (struct stream){.tcp = tcp, .intact = true, .remote = *remote};
    world_tcp_adopt(tcp, &tcp_callbacks, stream);
}

static void tcp_through(const char *nat, int family, uint16_t port, bool reaches)
{
    struct sim_world *sim = sim_fixture(1);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct world_host *client = sim_fixture_client(sim, nat, "cable", 0, 0);
    struct stream ours = {.intact = true};
    struct stream theirs = {0};
    struct error error;
    struct address at = sim_fixture_address(server, family, port);
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_tcp_listen(server, &at, tcp_accepted, &theirs, &error));
    ours.tcp = world_tcp_connect(client, &at, &tcp_callbacks, &ours, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ours.tcp);
    static uint8_t bytes[TCP_BYTES];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i % 251);
    CU_ASSERT_EQUAL(world_tcp_send(ours.tcp, bytes, sizeof bytes), sizeof bytes);
    sim_fixture_run(sim, 10 * S);
    CU_ASSERT_EQUAL(ours.connected, reaches);
    CU_ASSERT_EQUAL(ours.received, reaches ? TCP_BYTES : 0);
    CU_ASSERT_TRUE(ours.intact);
    if (reaches) {
        struct address remote = world_tcp_remote(ours.tcp);
        CU_ASSERT_TRUE(address_equal(&remote, &at));
        CU_ASSERT_EQUAL(address_scope(&theirs.remote), ADDRESS_GLOBAL);
        CU_ASSERT_EQUAL(world_tcp_send(ours.tcp, bytes, 0), 0); /* nothing waits any more */
        world_tcp_close(ours.tcp);
        sim_fixture_run(sim, 20 * S);
        CU_ASSERT_PTR_NOT_NULL(theirs.reason);
    }
    sim_world_destroy(sim);
}

static void tcp_through_nats(void)
{
    tcp_through("open", 4, 3478, true);
    tcp_through("open", 6, 3478, true);
    tcp_through("home", 4, 3478, true);
    tcp_through("home", 6, 3478, true);
    tcp_through("symmetric", 4, 3478, true);
    tcp_through("linux", 4, 3478, true);
    tcp_through("cgn", 4, 3478, true);
    tcp_through("firewall", 6, 3478, true);
    tcp_through("udp-blocked-tcp", 4, 3478, true);
    tcp_through("tls-only", 4, 443, true);
    tcp_through("tls-only", 4, 3478, false);
    tcp_through("corporate-443", 6, 443, true);
    tcp_through("corporate-443", 6, 3478, false);
}

static void tcp_to_nobody_is_refused(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct world_host *client = sim_fixture_client(sim, "home", "ideal", 0, 0);
    struct stream stream = {0};
    struct error error;
    struct address at = sim_fixture_address(server, 4, 80);
    stream.tcp = world_tcp_connect(client, &at, &tcp_callbacks, &stream, &error);
    sim_fixture_run(sim, S);
    CU_ASSERT_FALSE(stream.connected);
    CU_ASSERT_STRING_EQUAL(stream.reason, "connection refused or reset");
    CU_ASSERT_EQUAL(stream.ended_at, 20 * MS);
    sim_world_destroy(sim);
}

/* --- faults ----------------------------------------------------------------------------------------------------------------- */

static void links_change(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct world_host *client = sim_fixture_client(sim, "home", "ideal", 0, 0);
    struct sim_socket a = {0};
    struct sim_socket b = {0};
    open_at(&a, client, 4, 0);
    open_at(&b, server, 4, 9);
    struct address to = world_udp_address(b.udp);
    sim_socket_send(&a, &to, "1", 1);
    sim_fixture_run(sim, S);
    CU_ASSERT_EQUAL(b.last_at, 10 * MS);
    struct link_config slow = {.rate_bps = 8000, .delay = 100 * MS, .queue_bytes = 60};
    struct error error;
    CU_ASSERT_TRUE(sim_world_set_link(client, &slow, NULL, &error));
    uint8_t payload[72] = {0};
    for (int i = 0; i < 3; i++)
        sim_socket_send(&a, &to, payload, 22); /* 50 bytes of IP: one is sent, one waits, one does not fit */
    sim_fixture_run(sim, 2 * S);
    CU_ASSERT_EQUAL(b.received, 3);
    CU_ASSERT_EQUAL(b.last_at, S + 2 * 50 * MS + 100 * MS + 10 * MS);
    struct internet_counters counters;
    sim_world_count(client, &counters);
    CU_ASSERT_EQUAL(counters.up.overflowed, 1);
    CU_ASSERT_EQUAL(counters.up.lost, 0);
    CU_ASSERT_EQUAL(counters.up.delivered_bytes, 29 + 2 * 50);
    slow.loss = 2;
    CU_ASSERT_FALSE(sim_world_set_link(client, &slow, NULL, &error));
    struct link_config now;
    sim_world_get_link(client, &now, NULL);
    CU_ASSERT_EQUAL(now.rate_bps, 8000);
    sim_world_destroy(sim);
}

static void a_cut_ends_and_a_death_does_not(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct world_host *client = sim_fixture_client(sim, "home", "ideal", 0, 0);
    struct sim_socket a = {0};
    struct sim_socket b = {.echo = true};
    struct alarm alarm = {.again = 5 * S};
    open_at(&a, client, 4, 0);
    open_at(&b, server, 4, 9);
    alarm.timer = world_timer_open(server, ring, &alarm);
    world_timer_set(alarm.timer, 4 * S);
    struct address to = world_udp_address(b.udp);
    sim_world_cut(server);
    sim_socket_send(&a, &to, "1", 1);
    sim_fixture_run(sim, S);
    CU_ASSERT_EQUAL(b.received, 0);
    sim_world_restore(server);
    sim_socket_send(&a, &to, "2", 1);
    sim_fixture_run(sim, 2 * S);
    CU_ASSERT_EQUAL(b.received, 1);
    CU_ASSERT_EQUAL(a.received, 1);

    struct stream listened = {0};
    struct stream stream = {0};
    struct error error;
    struct address tcp_at = sim_fixture_address(server, 4, 80);
    world_tcp_listen(server, &tcp_at, tcp_accepted, &listened, &error);
    stream.tcp = world_tcp_connect(client, &tcp_at, &tcp_callbacks, &stream, &error);
    sim_fixture_run(sim, 3 * S);
    CU_ASSERT_TRUE(stream.connected);
    sim_world_kill(server);
    sim_socket_send(&a, &to, "3", 1);
    sim_fixture_run(sim, 10 * S);
    CU_ASSERT_EQUAL(b.received, 1);
    CU_ASSERT_EQUAL(alarm.count, 0);
    CU_ASSERT_TRUE(stream.reason == NULL && listened.reason == NULL); /* TCP has no way to know */
    CU_ASSERT_PTR_NULL(world_udp_open(server, &to, NULL, NULL, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_SYSTEM);
    world_udp_send(b.udp, NULL, 0);
    world_tcp_close(listened.tcp);

    /* It starts anew: old handles stay dead, its ports are free. */
    sim_world_restore(server);
    struct sim_socket reborn = {.echo = true};
    open_at(&reborn, server, 4, 9);
    sim_socket_send(&a, &to, "4", 1);
    sim_fixture_run(sim, 11 * S);
    CU_ASSERT_EQUAL(reborn.received, 1);
    CU_ASSERT_EQUAL(b.received, 1);
    CU_ASSERT_EQUAL(a.received, 2);
    world_udp_close(b.udp);
    world_timer_close(alarm.timer);
    sim_world_destroy(sim);
}

/* --- sites, one world at a time, errors --------------------------------------------------------------------------------------- */

static void sites_are_apart(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct error error;
    int far = sim_world_add_site(sim, "far", &error);
    CU_ASSERT_EQUAL(far, 1);
    CU_ASSERT_TRUE(sim_world_set_site_delay(sim, 0, far, 80 * MS, &error));
    CU_ASSERT_FALSE(sim_world_set_site_delay(sim, 0, 2, 80 * MS, &error));
    struct world_host *near = sim_fixture_server(sim, "near", 1);
    struct internet_server_config config = {.name = "distant", .site = far};
    struct world_host *distant = sim_world_add_server(sim, &config, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(distant);
    config.site = 7;
    CU_ASSERT_PTR_NULL(sim_world_add_server(sim, &config, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    struct sim_socket a = {0};
    struct sim_socket b = {0};
    open_at(&a, near, 4, 0);
    open_at(&b, distant, 4, 9);
    struct address to = world_udp_address(b.udp);
    sim_socket_send(&a, &to, "x", 1);
    sim_fixture_run(sim, S);
    CU_ASSERT_EQUAL(b.last_at, 80 * MS);

    struct sim_world_config second = {.seed = 2};
    CU_ASSERT_PTR_NULL(sim_world_create(&second, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_SYSTEM);
    sim_world_destroy(sim);
}

static bool stop_at_third(void *user, nanos now)
{
    (void)now;
    return ++*(int *)user < 3;
}

static void progress_is_called_and_may_stop(void)
{
    struct sim_world *sim = sim_fixture(1);
    int calls = 0;
    struct error error;
    CU_ASSERT_TRUE(sim_world_run_until(sim, 10 * S, 250 * MS, stop_at_third, &calls, &error));
    CU_ASSERT_EQUAL(calls, 3);
    CU_ASSERT_EQUAL(world_now(sim_world_of(sim)), 750 * MS);
    sim_world_destroy(sim);
}

/* --- the same seed gives the same bytes ------------------------------------------------------------------------------------------ */

struct trace {
    uint64_t hash;
    unsigned events;
};

static void note(struct trace *trace, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++)
        trace->hash = (trace->hash ^ bytes[i]) * 0x100000001b3u;
    trace->events++;
}

static void traced(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct trace *trace = user;
    for (size_t i = 0; i < count; i++) {
        note(trace, &now, sizeof now);
        note(trace, &batch[i].remote, sizeof batch[i].remote);
        note(trace, batch[i].data, batch[i].len);
        if (batch[i].len < 900) { /* back and forth, growing, until it is long or lost */
            uint8_t longer[1000] = {0};
            memcpy(longer, batch[i].data, batch[i].len);
            struct datagram answer = {.remote = batch[i].remote, .data = longer, .len = batch[i].len + 7};
            world_udp_send(udp, &answer, 1);
        }
    }
}

static struct trace run_traced(uint64_t seed, const char *path)
{
    static const char *const nats[] = {"symmetric", "home", "cgn", "open", "apd-ad-random", "mobile"};
    static const char *const links[] = {"wifi", "lte", "3g", "congested", "satellite", "dsl"};
    struct sim_world *sim = sim_fixture(seed);
    struct trace trace = {0};
    struct error error = {0};
    struct world_host *hosts[13];
    hosts[12] = sim_fixture_server(sim, "server", 1);
    struct address at = sim_fixture_address(hosts[12], 4, 3478);
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_udp_open(hosts[12], &at, traced, &trace, &error));
    for (int i = 0; i < 12; i++)
        hosts[i] = sim_fixture_client(sim, nats[i % 6], links[i / 2], 0, 0);
    struct sim_capture_config config = {.hosts = hosts, .host_count = 13};
    CU_ASSERT_TRUE_FATAL(sim_world_capture(sim, path, &config, &error));
    for (int i = 0; i < 12; i++) {
        struct address local = sim_fixture_address(hosts[i], 4, 0);
        struct world_udp *udp = world_udp_open(hosts[i], &local, traced, &trace, &error);
        uint8_t byte = (uint8_t)i;
        for (int k = 0; k < 5; k++)
            world_udp_send(udp, &(struct datagram){.remote = at, .data = &byte, .len = 1}, 1);
    }
    sim_fixture_run(sim, 20 * S);
    uint64_t events = sim_world_events(sim);
    note(&trace, &events, sizeof events);
    CU_ASSERT_TRUE(sim_world_finish_captures(sim, &error));
    sim_world_destroy(sim);
    return trace;
}

/* Libraries read the time that captures have. */
static void one_wall_clock(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct error error;
    struct timeval at;
    char command[200];
    char out[64] = "";
    struct trace trace = {0};
    struct world_host *hosts[] = {sim_fixture_server(sim, "a", 1), sim_fixture_server(sim, "b", 1)};
    const struct sim_capture_config config = {.hosts = hosts, .host_count = 1};
    char path[] = "/tmp/confab-clock-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    close(fd);
    CU_ASSERT_TRUE_FATAL(sim_world_capture(sim, path, &config, &error));
    struct address local = sim_fixture_address(hosts[0], 4, 4000);
    struct address remote = sim_fixture_address(hosts[1], 4, 4000);
    struct world_udp *udp = world_udp_open(hosts[0], &local, traced, &trace, &error);
    sim_fixture_run(sim, 3 * S + 250 * MS);
    CU_ASSERT_EQUAL(gettimeofday(&at, NULL), 0);
    world_udp_send(udp, &(struct datagram){.remote = remote, .data = (uint8_t *)"x", .len = 1}, 1);
    sim_fixture_run(sim, 4 * S);
    CU_ASSERT_TRUE(sim_world_finish_captures(sim, &error));
    sim_world_destroy(sim);
    snprintf(command, sizeof command, "tshark -r %s -T fields -e frame.time_epoch 2>/dev/null", path);
    FILE *pipe = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    CU_ASSERT_PTR_NOT_NULL(fgets(out, sizeof out, pipe));
    CU_ASSERT_EQUAL(pclose(pipe), 0);
    CU_ASSERT_DOUBLE_EQUAL(strtod(out, NULL), (double)at.tv_sec + (double)at.tv_usec / 1e6, 0.001);
    remove(path);
}

static bool same_bytes(const char *a, const char *b, size_t *len)
{
    FILE *files[2] = {fopen(a, "rb"), fopen(b, "rb")};
    bool same = files[0] != NULL && files[1] != NULL;
    for (*len = 0; same; ++*len) {
        int byte = getc(files[0]);
        same = byte == getc(files[1]);
        if (byte == EOF)
            break;
    }
    for (int i = 0; i < 2; i++)
        if (files[i] != NULL)
            fclose(files[i]);
    return same;
}

static void same_seed_same_bytes(void)
{
    char paths[3][40];
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/confab-sim-XXXXXX");
        int fd = mkstemp(paths[i]);
        CU_ASSERT_TRUE_FATAL(fd >= 0);
        close(fd);
    }
    struct trace first = run_traced(7, paths[0]);
    struct trace second = run_traced(7, paths[1]);
    struct trace other = run_traced(8, paths[2]);
    size_t len;
    CU_ASSERT_TRUE(first.events > 5000);
    CU_ASSERT_EQUAL(first.events, second.events);
    CU_ASSERT_EQUAL(first.hash, second.hash);
    CU_ASSERT_NOT_EQUAL(first.hash, other.hash);
    CU_ASSERT_TRUE(same_bytes(paths[0], paths[1], &len));
    CU_ASSERT_TRUE(len > 100000);
    CU_ASSERT_FALSE(same_bytes(paths[0], paths[2], &len));
    for (int i = 0; i < 3; i++)
        unlink(paths[i]);
}

static void a_thousand_clients(void)
{
    struct sim_world *sim = sim_fixture(1);
    struct world_host *server = sim_fixture_server(sim, "server", 1);
    struct sim_socket echo = {.echo = true};
    open_at(&echo, server, 4, 3478);
    static struct sim_socket sockets[1000];
    memset(sockets, 0, sizeof sockets);
    struct address to = world_udp_address(echo.udp);
    for (int i = 0; i < 1000; i++) {
        struct world_host *client = sim_fixture_client(sim, i % 4 == 0 ? "cgn" : "home", "fibre", 0, 1);
        struct address local = sim_fixture_address(client, 4, 0);
        sim_socket_open(&sockets[i], client, &local);
        sim_socket_send(&sockets[i], &to, &i, sizeof i);
    }
    sim_fixture_run(sim, S);
    unsigned answered = 0;
    for (int i = 0; i < 1000; i++) {
        int echoed = -1;
        memcpy(&echoed, sockets[i].last, sizeof echoed);
        answered += sockets[i].received == 1 && echoed == i;
    }
    /* Behind the one carrier's NAT, 126 of 250 homes get a block of ports, the others find it exhausted. */
    CU_ASSERT_TRUE(answered >= 750 + 126 - 5 && answered <= 750 + 126);
    sim_world_destroy(sim);
}

void sim_world_test(void)
{
    SUITE("sim_world", {"UDP takes the path it should", udp_takes_the_path_it_should},
          {"UDP through every preset, both families", udp_through_every_preset},
          {"a socket may close while it is called", a_socket_may_close_while_it_is_called}, {"timers", timers},
          {"TCP through NATs, both families", tcp_through_nats}, {"TCP to nobody is refused", tcp_to_nobody_is_refused},
          {"links change", links_change}, {"a cut ends and a death does not", a_cut_ends_and_a_death_does_not},
          {"sites are apart", sites_are_apart}, {"progress is called and may stop", progress_is_called_and_may_stop},
          {"one wall clock", one_wall_clock}, {"same seed, same events and captures", same_seed_same_bytes},
          {"a thousand clients", a_thousand_clients});
}

#else

static void is_refused(void)
{
    struct error error;
    CU_ASSERT_PTR_NULL(sim_world_create(&(struct sim_world_config){0}, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_UNSUPPORTED);
}

void sim_world_test(void) { SUITE("sim_world", {"is refused without the simulation", is_refused}); }

#endif
