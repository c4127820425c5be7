#include "tests/support/wire_world.h"

#include <string.h>

#include "tests/support/suite.h"

struct seen {
    char text[256];
    size_t calls;
    size_t datagrams;
    nanos at;
    struct address remote;
    bool connected, closed;
    struct world_tcp *tcp;
    struct world_channel *channel;
};

static struct address at(const char *text)
{
    struct address address = {0};
    if (!address_parse(&address, text))
        abort();
    return address;
}

static void append(struct seen *seen, const void *data, size_t len)
{
    size_t have = strlen(seen->text);
    if (have + len < sizeof seen->text)
        memcpy(seen->text + have, data, len);
}

static void received(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct seen *seen = user;
    struct address local = world_udp_address(udp);
    seen->calls++;
    seen->datagrams += count;
    seen->at = now;
    for (size_t i = 0; i < count; i++) {
        CU_ASSERT_TRUE(address_equal(&batch[i].local, &local));
        seen->remote = batch[i].remote;
        append(seen, batch[i].data, batch[i].len);
    }
}

static void send_text(struct world_udp *udp, const char *to, const char *text)
{
    struct datagram datagram = {.remote = at(to), .data = (uint8_t *)(uintptr_t)text, .len = strlen(text)};
    world_udp_send(udp, &datagram, 1);
}

static void datagrams_arrive_after_the_delay_in_batches(void)
{
    struct wire_world *wire = wire_world_create(&(struct wire_world_config){.start = 5, .delay = 10});
    struct world_host *alice = wire_world_host(wire, "2001:db8::1 192.0.2.1");
    struct world_host *bob = wire_world_host(wire, "192.0.2.2");
    struct seen seen = {0};
    struct error error;
    struct address any = at("192.0.2.1"), taken = at("192.0.2.2:7");
    struct world_udp *from = world_udp_open(alice, &any, received, &seen, &error);
    struct world_udp *to = world_udp_open(bob, &taken, received, &seen, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(from);
    CU_ASSERT_PTR_NOT_NULL_FATAL(to);
    CU_ASSERT_PTR_NULL(world_udp_open(bob, &taken, received, &seen, &error));
    CU_ASSERT_PTR_NULL(world_udp_open(bob, &any, received, &seen, &error));
    struct address addresses[2];
    CU_ASSERT_EQUAL(world_host_addresses(alice, addresses, 2), 2);
    CU_ASSERT_EQUAL(addresses[0].family, ADDRESS_IPV4);

    struct datagram pair[] = {{.remote = taken, .data = (uint8_t *)"ab", .len = 2},
                              {.remote = taken, .data = (uint8_t *)"cd", .len = 2}};
    world_udp_send(from, pair, 2);
    wire_world_run_until(wire, 14);
    CU_ASSERT_EQUAL(seen.calls, 0);
    wire_world_run_until(wire, 100);
    CU_ASSERT_STRING_EQUAL(seen.text, "abcd");
    CU_ASSERT_EQUAL(seen.calls, 1);
    CU_ASSERT_EQUAL(seen.datagrams, 2);
    CU_ASSERT_EQUAL(seen.at, 15);
    struct address source = world_udp_address(from);
    CU_ASSERT_TRUE(address_equal(&seen.remote, &source));
    CU_ASSERT_EQUAL(world_now(world_of(alice)), 100);

    send_text(from, "192.0.2.9:7", "nobody");
    world_udp_close(to);
    send_text(from, "192.0.2.2:7", "closed");
    wire_world_run_for(wire, 100);
    CU_ASSERT_EQUAL(wire_world_delivered(wire), 2);
    CU_ASSERT_EQUAL(wire_world_undelivered(wire), 2);
    wire_world_destroy(wire);
}

static bool translate(void *user, struct datagram *datagram, nanos now)
{
    (void)now;
    ++*(size_t *)user;
    if (datagram->len == 4)
        return false;
    datagram->local = at("203.0.113.1:999");
    return true;
}

static void the_hook_drops_and_translates(void)
{
    struct wire_world *wire = wire_world_create(NULL);
    struct world_host *host = wire_world_host(wire, "192.0.2.1");
    struct seen seen = {0};
    size_t hooked = 0;
    struct address local = at("192.0.2.1:7");
    struct world_udp *udp = world_udp_open(host, &local, received, &seen, NULL);
    wire_world_set_hook(wire, translate, &hooked);
    send_text(udp, "192.0.2.1:7", "drop");
    send_text(udp, "192.0.2.1:7", "keep!");
    wire_world_run_for(wire, 0);
    CU_ASSERT_STRING_EQUAL(seen.text, "keep!");
    CU_ASSERT_EQUAL(seen.remote.port, 999);
    CU_ASSERT_EQUAL(hooked, 2);
    wire_world_destroy(wire);
}

static void tcp_connected(void *user, struct world_tcp *tcp, nanos now)
{
    struct seen *seen = user;
    seen->connected = true;
    seen->at = now;
    world_tcp_send(tcp, (const uint8_t *)"hello", 5);
}
static void tcp_received(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now)
{
    (void)tcp;
    (void)now;
    ((struct seen *)user)->calls++;
    append(user, data, len);
}
static void tcp_closed(void *user, struct world_tcp *tcp, const char *reason, nanos now)
{
    (void)now;
    (void)reason;
    ((struct seen *)user)->closed = true;
    world_tcp_close(tcp);
}
static const struct world_tcp_callbacks TCP = {
    .connected = tcp_connected, .received = tcp_received, .closed = tcp_closed};

static void tcp_accepted(void *user, struct world_tcp *tcp, const struct address *remote, nanos now)
{
    (void)now;
    struct seen *seen = user;
    seen->tcp = tcp;
    seen->remote = *remote;
    world_tcp_adopt(tcp, &TCP, user);
}

static void tcp_connects_segments_stalls_and_closes(void)
{
    struct wire_world *wire = wire_world_create(&(struct wire_world_config){.delay = 10, .tcp_segment = 2});
    struct world_host *alice = wire_world_host(wire, "192.0.2.1 2001:db8::1");
    struct world_host *bob = wire_world_host(wire, "2001:db8::2");
    struct seen client = {0}, server = {0};
    struct address local = at("[2001:db8::2]:80"), closed = at("[2001:db8::2]:81");
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_tcp_listen(bob, &local, tcp_accepted, &server, NULL));
    struct world_tcp *tcp = world_tcp_connect(alice, &local, &TCP, &client, NULL);
    wire_world_run_for(wire, 1000);
    CU_ASSERT_TRUE(client.connected);
    CU_ASSERT_EQUAL(client.at, 20);
    CU_ASSERT_STRING_EQUAL(server.text, "hello");
    CU_ASSERT_EQUAL(server.calls, 3);
    struct address mine = world_tcp_local(tcp);
    CU_ASSERT_TRUE(address_equal(&server.remote, &mine));

    wire_world_stall_tcp(wire, true);
    CU_ASSERT_EQUAL(world_tcp_send(server.tcp, (const uint8_t *)"wait", 4), 4);
    CU_ASSERT_EQUAL(world_tcp_send(server.tcp, (const uint8_t *)"ing", 3), 7);
    wire_world_run_for(wire, 1000);
    CU_ASSERT_STRING_EQUAL(client.text, "");
    wire_world_stall_tcp(wire, false);
    world_tcp_close(server.tcp);
    wire_world_run_for(wire, 1000);
    CU_ASSERT_STRING_EQUAL(client.text, "waiting");
    CU_ASSERT_TRUE(client.closed);
    CU_ASSERT_FALSE(server.closed);

    struct seen refused = {0};
    CU_ASSERT_PTR_NOT_NULL(world_tcp_connect(alice, &closed, &TCP, &refused, NULL));
    wire_world_run_for(wire, 1000);
    CU_ASSERT_TRUE(refused.closed);
    CU_ASSERT_FALSE(refused.connected);
    wire_world_destroy(wire);
}

static void channel_opened(void *user, struct world_channel *channel, nanos now)
{
    (void)now;
    ((struct seen *)user)->connected = true;
    world_channel_send(channel, "{}", 2);
}
static void channel_received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    (void)now;
    append(user, text, len);
    if (len == 2)
        world_channel_close(channel);
}
static void channel_closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    (void)now;
    (void)reason;
    ((struct seen *)user)->closed = true;
    world_channel_close(channel);
}
static const struct world_channel_callbacks CHANNEL = {
    .opened = channel_opened, .received = channel_received, .closed = channel_closed};

static void channel_accepted(void *user, struct world_channel *channel, nanos now)
{
    (void)now;
    world_channel_adopt(channel, &CHANNEL, user);
}

static void channels_carry_whole_messages(void)
{
    struct wire_world *wire = wire_world_create(NULL);
    struct world_host *host = wire_world_host(wire, "192.0.2.1");
    struct seen client = {0}, server = {0};
    struct address local = at("192.0.2.1:443");
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_channel_listen(host, &local, channel_accepted, &server, NULL));
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_channel_connect(host, &local, &CHANNEL, &client, NULL));
    wire_world_run_for(wire, 0);
    CU_ASSERT_TRUE(client.connected);
    CU_ASSERT_STRING_EQUAL(server.text, "{}");
    CU_ASSERT_TRUE(client.closed);
    wire_world_destroy(wire);
}

static void fired(void *user, nanos now)
{
    struct seen *seen = user;
    seen->calls++;
    seen->at = now;
}

static void timers_fire_once_at_their_time(void)
{
    struct wire_world *wire = wire_world_create(NULL);
    struct world_host *host = wire_world_host(wire, "192.0.2.1");
    struct seen seen = {0};
    struct world_timer *timer = world_timer_open(host, fired, &seen);
    world_timer_set(timer, 100 * NANOS_PER_S);
    world_timer_set(timer, 7200 * NANOS_PER_S);
    wire_world_run_until(wire, 7199 * NANOS_PER_S);
    CU_ASSERT_EQUAL(seen.calls, 0);
    CU_ASSERT_TRUE(wire_world_step(wire));
    CU_ASSERT_EQUAL(seen.at, 7200 * NANOS_PER_S);
    CU_ASSERT_FALSE(wire_world_step(wire));
    world_timer_set(timer, 1);
    wire_world_run_for(wire, 0);
    CU_ASSERT_EQUAL(seen.calls, 2);
    world_timer_set(timer, 8000 * NANOS_PER_S);
    world_timer_set(timer, NANOS_NEVER);
    CU_ASSERT_FALSE(wire_world_step(wire));
    world_timer_close(timer);
    wire_world_destroy(wire);
}

void wire_world_test(void)
{
    SUITE("wire_world", {"datagrams arrive after the delay, in batches", datagrams_arrive_after_the_delay_in_batches},
          {"the hook drops and translates", the_hook_drops_and_translates},
          {"TCP connects, segments, stalls and closes", tcp_connects_segments_stalls_and_closes},
          {"channels carry whole messages", channels_carry_whole_messages},
          {"timers fire once, at their time", timers_fire_once_at_their_time});
}
