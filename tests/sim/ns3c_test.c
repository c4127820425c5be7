/* The C interface to the simulation: what it refuses, timers, UDP, routers, hooks, and that it repeats. */
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "tests/support/network.h"
#include "tests/support/suite.h"

/* --- refusals ------------------------------------------------------------------------------------------------------ */

static bool says(const struct ns3c_error *error, enum ns3c_code code, const char *part)
{
    return error->code == code && strstr(error->text, part) != NULL;
}

static void there_is_one_simulation_at_a_time(void)
{
    struct network network = network_open(1);
    struct ns3c_error error = {0};
    CU_ASSERT_PTR_NULL(network.api->create(2, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_BUSY, "one at a time"));
    network_close(&network);
    network = network_open(2);
    network_close(&network);
}

static void a_bad_config_is_refused(void)
{
    static const struct {
        const char *part;
        enum ns3c_code code;
        struct ns3c_attachment_config config;
    } cases[] = {
        {"up: link: rate_bps", NS3C_INVALID, {.up = {.rate_bps = -5}}},
        {"down: link: rate_bps", NS3C_INVALID, {.down = {.rate_bps = INT64_MAX}}},
        {"queue_bytes", NS3C_INVALID, {.up = {.rate_bps = 1000}}},
        {"delay", NS3C_INVALID, {.up = {.delay = -1}}},
        {"jitter", NS3C_INVALID, {.up = {.jitter = INT64_MIN}}},
        {"loss", NS3C_INVALID, {.down = {.loss = 1.5}}},
        {"loss", NS3C_INVALID, {.down = {.loss = 0.9, .loss_burst = 3}}},
        {"discipline", NS3C_INVALID, {.down = {.discipline = (enum ns3c_discipline)9}}},
        {"mtu", NS3C_INVALID, {.mtu = 9000}},
        {"mtu", NS3C_INVALID, {.mtu = 500}},
        {"queue_disc", NS3C_INVALID, {.queue_disc = "CoDel"}},
        {"medium", NS3C_UNSUPPORTED, {.medium = (enum ns3c_medium)77}},
        {"rate_bps", NS3C_INVALID, {.medium = NS3C_POINT_TO_POINT}},
        {"the rest must be zero",
         NS3C_UNSUPPORTED,
         {.medium = NS3C_POINT_TO_POINT,
          .up = {.rate_bps = 1000, .queue_bytes = 1000, .loss = 0.1},
          .down = {.rate_bps = 1000, .queue_bytes = 1000}}},
        {"one delay",
         NS3C_UNSUPPORTED,
         {.medium = NS3C_POINT_TO_POINT,
          .up = {.rate_bps = 1000, .queue_bytes = 1000, .delay = 1},
          .down = {.rate_bps = 1000, .queue_bytes = 1000}}},
        {"no such discipline",
         NS3C_INVALID,
         {.medium = NS3C_POINT_TO_POINT,
          .queue_disc = "no such discipline",
          .up = {.rate_bps = 1000, .queue_bytes = 1000},
          .down = {.rate_bps = 1000, .queue_bytes = 1000}}},
        {"wifi.distance_m", NS3C_INVALID, {.medium = NS3C_WIFI}},
        {"wifi.standard",
         NS3C_INVALID,
         {.medium = NS3C_WIFI, .wifi = {.standard = (enum ns3c_wifi_standard)5, .distance_m = 1}}},
        {"must be zero", NS3C_UNSUPPORTED, {.medium = NS3C_WIFI, .wifi.distance_m = 1, .up.delay = 1}},
        {"share one rate",
         NS3C_INVALID,
         {.medium = NS3C_CSMA,
          .up = {.rate_bps = 1000, .queue_bytes = 1000},
          .down = {.rate_bps = 2000, .queue_bytes = 1000}}},
    };
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ns3c_host *host = api->host_create(network.sim, "host", NULL);
    struct ns3c_address address = network_address("192.0.2.1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ns3c_attachment_config config = cases[i].config;
        struct ns3c_error error = {0};
        config.addresses = &address;
        config.address_count = 1;
        CU_ASSERT_PTR_NULL(api->host_attach(host, network.site, &config, &error));
        CU_ASSERT_TRUE(says(&error, cases[i].code, cases[i].part));
        CU_ASSERT_PTR_NULL(api->router_create(network.site, "router", &config, NULL, NULL, &error));
    }
    /* None of them left anything behind. */
    struct ns3c_attachment_config config = {.addresses = &address, .address_count = 1};
    struct ns3c_attachment *attachment = api->host_attach(host, network.site, &config, NULL);
    CU_ASSERT_PTR_NOT_NULL(attachment);
    struct ns3c_error error = {0};
    struct ns3c_link link = {.rate_bps = 5};
    CU_ASSERT_FALSE(api->attachment_set_link(attachment, NS3C_UP, &link, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "queue_bytes"));
    link = (struct ns3c_link){.discipline = NS3C_CODEL};
    CU_ASSERT_FALSE(api->attachment_set_link(attachment, NS3C_UP, &link, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "discipline"));
    CU_ASSERT_FALSE(api->attachment_set_link(attachment, (enum ns3c_direction)5, &link, &error));
    network_close(&network);
}

static void a_bad_address_or_name_is_refused(void)
{
    static const char *const bad[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "192.0.2.1:5",
                                      "::",      "::1",       "ff02::1",   "::ffff:1.2.3.4"};
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ns3c_error error = {0};
    struct ns3c_host *host = api->host_create(network.sim, "host", NULL);
    struct ns3c_address address;
    struct ns3c_attachment_config config = {.addresses = &address, .address_count = 1};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_TRUE(api->address_parse(&address, bad[i], &error));
        CU_ASSERT_PTR_NULL(api->host_attach(host, network.site, &config, &error));
        CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "addresses"));
    }
    address = (struct ns3c_address){.family = 5};
    CU_ASSERT_PTR_NULL(api->host_attach(host, network.site, &config, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "family"));
    config.address_count = 0;
    CU_ASSERT_PTR_NULL(api->host_attach(host, network.site, &config, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "at least one"));
    CU_ASSERT_FALSE(api->address_parse(&address, "12parsecs", &error));
    CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "12parsecs"));
    static const char *const names[] = {"", "caf\xc3\xa9",
                                        "1234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        CU_ASSERT_PTR_NULL(api->host_create(network.sim, names[i], &error));
        CU_ASSERT_PTR_NULL(api->site_create(network.sim, names[i], &error));
        CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "name"));
    }
    CU_ASSERT_PTR_NULL(api->host_create(network.sim, NULL, &error));
    /* Taken: on the same host, on another, and through a router without a hook. */
    network_host(&network, network.site, "192.0.2.1", NULL);
    address = network_address("192.0.2.1");
    config.address_count = 1;
    CU_ASSERT_PTR_NULL(api->host_attach(host, network.site, &config, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_BUSY, "taken"));
    struct ns3c_attachment_config none = {0};
    struct ns3c_router *router = api->router_create(network.site, "router", &none, NULL, NULL, &error);
    CU_ASSERT_PTR_NULL(api->host_attach(host, router, &config, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_BUSY, "taken"));
    /* Refused half-way, the first address is free again. */
    struct ns3c_address two[2] = {network_address("192.0.2.7"), network_address("192.0.2.1")};
    struct ns3c_attachment_config both = {.addresses = two, .address_count = 2};
    CU_ASSERT_PTR_NULL(api->host_attach(host, router, &both, &error));
    both.address_count = 1;
    CU_ASSERT_PTR_NOT_NULL(api->host_attach(host, router, &both, &error));
    network_close(&network);
}

static void no_callback(void *context, struct ns3c_udp *udp, struct ns3c_datagram *batch, size_t count, ns3c_nanos now)
{
    (void)context, (void)udp, (void)batch, (void)count, (void)now;
}

static void nothing_and_nonsense_are_refused(void)
{
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ns3c_error error = {0};
    struct ns3c_host *host = network_host(&network, network.site, "192.0.2.1", NULL);
    struct ns3c_address own = network_address("192.0.2.1:5000");
    struct ns3c_address other = network_address("192.0.2.2:5000");
    CU_ASSERT_PTR_NULL(api->udp_open(host, &other, no_callback, NULL, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "not an address of"));
    CU_ASSERT_PTR_NOT_NULL(api->udp_open(host, &own, no_callback, NULL, &error));
    CU_ASSERT_PTR_NULL(api->udp_open(host, &own, no_callback, NULL, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_BUSY, "5000"));
    CU_ASSERT_PTR_NULL(api->udp_open(host, &own, NULL, NULL, &error));
    CU_ASSERT_PTR_NULL(api->udp_open(NULL, &own, no_callback, NULL, &error));
    CU_ASSERT_PTR_NULL(api->udp_open(host, NULL, no_callback, NULL, &error));

    network_run(&network, 5 * SECOND);
    CU_ASSERT_FALSE(api->run_until(network.sim, 4 * SECOND, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "can't run until"));
    CU_ASSERT_FALSE(api->run_until(network.sim, INT64_MAX, &error));
    CU_ASSERT_EQUAL(api->now(network.sim), 5 * SECOND);

    CU_ASSERT_FALSE(api->site_delay(network.site, network.site, -1, &error));
    CU_ASSERT_FALSE(api->site_delay(network.site, NULL, 1, &error));
    struct ns3c_attachment_config none = {0};
    struct ns3c_router *router = api->router_create(network.site, "router", &none, NULL, NULL, &error);
    CU_ASSERT_FALSE(api->site_delay(network.site, router, 1, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "two sites"));

    CU_ASSERT_PTR_NULL(api->capture_create(network.sim, "/nonexistent/x.pcapng", 0, NULL, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_SYSTEM, "/nonexistent/x.pcapng"));
    struct ns3c_capture *capture = api->capture_create(network.sim, "/dev/full", 0, NULL, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(capture);
    CU_ASSERT_FALSE(api->capture_router(capture, network.site, NS3C_OUTSIDE, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_INVALID, "no outside"));
    CU_ASSERT_FALSE(api->capture_host(capture, NULL, &error));
    CU_ASSERT_FALSE(api->capture_close(capture, &error));
    CU_ASSERT_TRUE(says(&error, NS3C_SYSTEM, "/dev/full"));

    api->destroy(NULL);
    api->stop(NULL);
    api->stop(network.sim); /* it isn't running */
    api->timer_set(NULL, 1);
    api->timer_destroy(NULL);
    api->udp_close(NULL);
    api->tcp_close(NULL);
    api->tcp_reset(NULL);
    api->tcp_listener_close(NULL);
    api->attachment_enable(NULL, true);
    CU_ASSERT_EQUAL(api->udp_send(NULL, NULL, 1), 0);
    CU_ASSERT_EQUAL(api->tcp_send(NULL, NULL, 1), 0);
    CU_ASSERT_EQUAL(api->udp_address(NULL).family, 0);
    CU_ASSERT_PTR_NULL(api->timer_create(network.sim, NULL, NULL));
    CU_ASSERT_PTR_NULL(api->router_create(NULL, "x", &none, NULL, NULL, NULL));
    CU_ASSERT_PTR_NULL(api->host_attach(host, NULL, &none, NULL));
    CU_ASSERT_PTR_NULL(api->tcp_connect(host, NULL, &other, NULL, NULL, NULL));
    CU_ASSERT_PTR_NULL(api->tcp_listen(host, &own, NULL, NULL, NULL));
    network_close(&network);
}

/* --- timers -------------------------------------------------------------------------------------------------------- */

struct ticker {
    struct network *network;
    struct ns3c_timer *timer;
    struct ns3c_timer *victim; /* destroyed when this fires */
    ns3c_nanos set_to;
    ns3c_nanos fired_at;
    int *order;
    int place;
    int fired;
    bool stops;
};

static void tick(void *context, ns3c_nanos now)
{
    struct ticker *ticker = context;
    ticker->fired++;
    ticker->fired_at = now;
    if (ticker->order != NULL)
        ticker->place = (*ticker->order)++;
    if (ticker->victim != NULL)
        ticker->network->api->timer_destroy(ticker->victim);
    if (ticker->stops)
        ticker->network->api->stop(ticker->network->sim);
}

static struct ticker ticker(struct network *network, int *order)
{
    return (struct ticker){.network = network, .order = order};
}

static void timers_fire_when_and_in_the_order_they_are_set(void)
{
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    int order = 0;
    struct ticker t[6];
    static const ns3c_nanos at[6] = {50, 20, 20, 30, NS3C_NEVER, 10};
    for (int i = 0; i < 6; i++) {
        t[i] = ticker(&network, &order);
        t[i].timer = api->timer_create(network.sim, tick, &t[i]);
        api->timer_set(t[i].timer, at[i]);
    }
    api->timer_set(t[0].timer, 20);   /* now the last of three at 20 */
    t[2].victim = t[3].timer;         /* will not fire */
    api->timer_set(t[4].timer, -100); /* past: at once */
    network_run(&network, 10);
    CU_ASSERT_EQUAL(t[5].fired, 1); /* up to and including */
    network_run(&network, 19);
    CU_ASSERT_TRUE(t[4].fired == 1 && t[4].fired_at == 0 && t[5].fired == 1 && t[5].fired_at == 10);
    CU_ASSERT_EQUAL(api->now(network.sim), 19);
    network_run(&network, 100);
    CU_ASSERT_TRUE(t[1].fired == 1 && t[2].fired == 1 && t[0].fired == 1 && t[3].fired == 0);
    CU_ASSERT_TRUE(t[4].place == 0 && t[5].place == 1 && t[1].place == 2 && t[2].place == 3 && t[0].place == 4);
    CU_ASSERT_EQUAL(t[0].fired_at, 20);
    network_close(&network);
}

static void stop_returns_and_the_rest_comes_later(void)
{
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ticker t[3];
    for (int i = 0; i < 3; i++) {
        t[i] = ticker(&network, NULL);
        t[i].timer = api->timer_create(network.sim, tick, &t[i]);
        t[i].stops = i == 1;
        api->timer_set(t[i].timer, i == 2 ? 5 : 5 + 0 * i);
    }
    network_run(&network, 10);
    CU_ASSERT_EQUAL(api->now(network.sim), 5);
    CU_ASSERT_TRUE(t[0].fired == 1 && t[1].fired == 1 && t[2].fired == 0);
    network_run(&network, 30);
    CU_ASSERT_EQUAL(api->now(network.sim), 30);
    CU_ASSERT_TRUE(t[2].fired == 1 && t[2].fired_at == 5);
    network_close(&network);
}

/* A hundred thousand timers, each put off twenty times over: what is put off must cost no event. */
static void many_timers_put_off_cost_no_events(void)
{
    enum { COUNT = 100000 };
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ticker shared = ticker(&network, NULL);
    struct ns3c_timer **timers = malloc(COUNT * sizeof(struct ns3c_timer *));
    CU_ASSERT_PTR_NOT_NULL_FATAL(timers);
    for (size_t i = 0; i < COUNT; i++)
        timers[i] = api->timer_create(network.sim, tick, &shared);
    for (int round = 1; round <= 20; round++)
        for (size_t i = 0; i < COUNT; i++)
            api->timer_set(timers[i], round * SECOND + (ns3c_nanos)(i % 10) * MS);
    network_run(&network, 30 * SECOND);
    CU_ASSERT_EQUAL(shared.fired, COUNT);
    struct ns3c_counters counters;
    api->count(network.sim, &counters);
    CU_ASSERT_TRUE(counters.events < 100);
    free(timers);
    network_close(&network);
}

/* --- UDP ----------------------------------------------------------------------------------------------------------- */

/* 972 bytes and 28 of headers at 8 Mbit/s are 1 ms. */
static void a_datagram_takes_its_time(void)
{
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ns3c_link fast = {.rate_bps = 8000000, .delay = 10 * MS, .queue_bytes = 100000};
    struct ns3c_link slow = {.rate_bps = 4000000, .delay = 5 * MS, .queue_bytes = 100000};
    struct ns3c_router *site = api->site_create(network.sim, "far", NULL);
    CU_ASSERT_TRUE(api->site_delay(network.site, site, 40 * MS, NULL));
    struct ns3c_udp *from =
        network_udp(&network, network_host(&network, network.site, "192.0.2.1", &fast), "192.0.2.1", NULL);
    struct arrivals *near = arrivals_new(&network);
    struct arrivals *far = arrivals_new(&network);
    network_udp(&network, network_host(&network, network.site, "192.0.2.2", &slow), "192.0.2.2:9", near);
    network_udp(&network, network_host(&network, site, "192.0.2.3", &slow), "192.0.2.3:9", far);
    struct ns3c_address to_near = network_address("192.0.2.2:9");
    struct ns3c_address to_far = network_address("192.0.2.3:9");
    CU_ASSERT_TRUE(api->udp_address(from).port >= 49152);
    network_send(&network, from, &to_near, 1, 972);
    network_send(&network, from, &to_far, 2, 972);
    network_send(&network, from, &to_near, 3, 972);
    network_run(&network, SECOND);
    CU_ASSERT_EQUAL_FATAL(near->count, 2);
    CU_ASSERT_EQUAL_FATAL(far->count, 1);
    CU_ASSERT_EQUAL(near->list[0].at, (1 + 10 + 2 + 5) * MS);
    CU_ASSERT_EQUAL(near->list[1].at, (3 + 10 + 2 + 5) * MS);
    CU_ASSERT_EQUAL(far->list[0].at, (2 + 10 + 40 + 2 + 5) * MS);
    CU_ASSERT_EQUAL(near->list[0].remote.port, api->udp_address(from).port);
    /* The sites' delay is the same the other way. */
    free(near);
    free(far);
    network_close(&network);
}

static void datagrams_of_one_instant_come_as_one_batch(void)
{
    struct network network = network_open(1);
    struct ns3c_link link = {.delay = 3 * MS};
    struct arrivals *arrivals = arrivals_new(&network);
    struct ns3c_udp *from =
        network_udp(&network, network_host(&network, network.site, "192.0.2.1", &link), "192.0.2.1:1", NULL);
    network_udp(&network, network_host(&network, network.site, "192.0.2.2", &link), "192.0.2.2:9", arrivals);
    struct ns3c_address to = network_address("192.0.2.2:9");
    for (uint32_t i = 0; i < 40; i++)
        network_send(&network, from, &to, i, 100);
    network_run(&network, SECOND);
    CU_ASSERT_EQUAL(arrivals->count, 40);
    CU_ASSERT_EQUAL(arrivals->calls, 1);
    for (uint32_t i = 0; i < 40; i++)
        CU_ASSERT_TRUE(arrivals->list[i].number == i && arrivals->list[i].at == 6 * MS);
    struct ns3c_counters counters;
    network.api->count(network.sim, &counters);
    CU_ASSERT_TRUE(counters.events <= 4);
    free(arrivals);
    network_close(&network);
}

static void what_cannot_be_sent_or_received_is_counted(void)
{
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ns3c_error error = {0};
    struct arrivals *arrivals = arrivals_new(&network);
    struct ns3c_udp *from =
        network_udp(&network, network_host(&network, network.site, "192.0.2.1", NULL), "192.0.2.1:1", NULL);
    struct ns3c_host *narrow = api->host_create(network.sim, "narrow", NULL);
    struct ns3c_address address = network_address("192.0.2.2");
    struct ns3c_attachment_config config = {.addresses = &address, .address_count = 1, .mtu = 1400};
    struct ns3c_attachment *attachment = api->host_attach(narrow, network.site, &config, &error);
    network_udp(&network, narrow, "192.0.2.2:9", arrivals);
    struct ns3c_address to = network_address("192.0.2.2:9");
    struct ns3c_address nobody = network_address("192.0.2.9:9");
    struct ns3c_address closed = network_address("192.0.2.2:10");
    struct ns3c_address ipv6 = network_address("[2001:db8::1]:9");
    CU_ASSERT_FALSE(network_send(&network, from, &to, 1, 1473)); /* our own MTU of 1500 */
    CU_ASSERT_TRUE(network_send(&network, from, &to, 2, 1472));  /* the receiver's of 1400 */
    CU_ASSERT_TRUE(network_send(&network, from, &to, 3, 1372));
    CU_ASSERT_TRUE(network_send(&network, from, &nobody, 4, 10));
    CU_ASSERT_TRUE(network_send(&network, from, &closed, 5, 10));
    CU_ASSERT_FALSE(network_send(&network, from, &ipv6, 6, 10));
    network_run(&network, 1);
    CU_ASSERT_TRUE(arrivals->count == 1 && arrivals->list[0].number == 3);
    api->attachment_enable(attachment, false);
    network_send(&network, from, &to, 7, 10);
    network_run(&network, 2);
    api->attachment_enable(attachment, true);
    network_send(&network, from, &to, 8, 10);
    network_run(&network, 3);
    CU_ASSERT_TRUE(arrivals->count == 2 && arrivals->list[1].number == 8);
    struct ns3c_counters counters;
    api->count(network.sim, &counters);
    CU_ASSERT_EQUAL(counters.too_big, 2);
    CU_ASSERT_EQUAL(counters.no_route, 1);
    CU_ASSERT_EQUAL(counters.no_socket, 1);
    CU_ASSERT_EQUAL(counters.disabled, 1);
    CU_ASSERT_EQUAL(counters.sent, 6);
    CU_ASSERT_EQUAL(counters.received, 2);
    free(arrivals);
    network_close(&network);
}

static void a_host_may_have_many_addresses_and_attachments(void)
{
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ns3c_link slow = {.delay = 100 * MS};
    struct ns3c_host *host = api->host_create(network.sim, "multihomed", NULL);
    struct ns3c_address wired[2] = {network_address("192.0.2.1"), network_address("2001:db8::1")};
    struct ns3c_address mobile = network_address("198.51.100.1");
    struct ns3c_address later = network_address("198.51.100.2");
    struct ns3c_attachment_config a = {.addresses = wired, .address_count = 2};
    struct ns3c_attachment_config b = {.addresses = &mobile, .address_count = 1, .up = slow, .down = slow};
    CU_ASSERT_PTR_NOT_NULL(api->host_attach(host, network.site, &a, NULL));
    struct ns3c_attachment *second = api->host_attach(host, network.site, &b, NULL);
    CU_ASSERT_TRUE(api->attachment_add_address(second, &later, NULL));
    CU_ASSERT_FALSE(api->attachment_add_address(second, &wired[0], NULL));
    struct ns3c_address all[8];
    CU_ASSERT_EQUAL(api->host_addresses(host, all, 8), 4);
    CU_ASSERT_EQUAL(memcmp(&all[3], &later, sizeof later), 0);

    struct arrivals *arrivals = arrivals_new(&network);
    struct ns3c_host *peer = network_host(&network, network.site, "192.0.2.9", NULL);
    struct ns3c_udp *from = network_udp(&network, peer, "192.0.2.9:1", arrivals);
    static const char *const locals[] = {"192.0.2.1:7", "198.51.100.1:7", "198.51.100.2:7"};
    struct ns3c_address to_peer = network_address("192.0.2.9:1");
    for (uint32_t i = 0; i < 3; i++) {
        struct ns3c_udp *udp = network_udp(&network, host, locals[i], arrivals);
        network_send(&network, udp, &to_peer, i, 100);
        struct ns3c_address to = network_address(locals[i]);
        network_send(&network, from, &to, 10 + i, 100);
    }
    network_run(&network, SECOND);
    CU_ASSERT_EQUAL_FATAL(arrivals->count, 6);
    CU_ASSERT_TRUE(arrivals->list[0].at == 0 && arrivals->list[1].at == 0);
    for (size_t i = 2; i < 6; i++)
        CU_ASSERT_EQUAL(arrivals->list[i].at, 100 * MS);

    /* To itself: at once, without a link. */
    arrivals->count = 0;
    struct ns3c_udp *self = network_udp(&network, host, "198.51.100.1:8", arrivals);
    struct ns3c_address to_self = network_address("192.0.2.1:7");
    network_send(&network, self, &to_self, 99, 100);
    network_run(&network, 2 * SECOND);
    CU_ASSERT_TRUE(arrivals->count == 1 && arrivals->list[0].at == SECOND && arrivals->list[0].number == 99);
    free(arrivals);
    network_close(&network);
}

struct closer {
    const struct ns3c_api *api;
    int calls;
};

static void close_itself(void *context, struct ns3c_udp *udp, struct ns3c_datagram *batch, size_t count, ns3c_nanos now)
{
    struct closer *closer = context;
    (void)batch, (void)count, (void)now;
    closer->calls++;
    closer->api->udp_close(udp);
}

static void a_socket_may_be_closed_in_its_own_callback(void)
{
    struct network network = network_open(1);
    struct closer closer = {.api = network.api};
    struct ns3c_host *host = network_host(&network, network.site, "192.0.2.2", NULL);
    struct ns3c_address to = network_address("192.0.2.2:9");
    CU_ASSERT_PTR_NOT_NULL(network.api->udp_open(host, &to, close_itself, &closer, NULL));
    struct ns3c_udp *from =
        network_udp(&network, network_host(&network, network.site, "192.0.2.1", NULL), "192.0.2.1:1", NULL);
    /* More than one batch holds. */
    for (uint32_t i = 0; i < 200; i++)
        network_send(&network, from, &to, i, 10);
    network_run(&network, 1);
    CU_ASSERT_EQUAL(closer.calls, 1);
    struct ns3c_counters counters;
    network.api->count(network.sim, &counters);
    CU_ASSERT_EQUAL(counters.received + counters.no_socket, 200);
    CU_ASSERT_TRUE(counters.no_socket > 0);
    CU_ASSERT_PTR_NOT_NULL(network.api->udp_open(host, &to, close_itself, &closer, NULL));
    network_close(&network);
}

/* --- routers and hooks --------------------------------------------------------------------------------------------- */

/* Two hosts share an uplink of 8 Mbit/s: their packets queue behind each other there. */
static void a_router_makes_hosts_share_a_link(void)
{
    struct network network = network_open(1);
    const struct ns3c_api *api = network.api;
    struct ns3c_attachment_config config = {.up = {.rate_bps = 8000000, .delay = 10 * MS, .queue_bytes = 2000}};
    struct ns3c_router *router = api->router_create(network.site, "home", &config, NULL, NULL, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(router);
    struct arrivals *arrivals = arrivals_new(&network);
    struct ns3c_udp *server =
        network_udp(&network, network_host(&network, network.site, "192.0.2.9", NULL), "192.0.2.9:9", arrivals);
    struct ns3c_udp *a = network_udp(&network, network_host(&network, router, "192.0.2.1", NULL), "192.0.2.1:1", NULL);
    struct ns3c_udp *b =
        network_udp(&network, network_host(&network, router, "192.0.2.2", NULL), "192.0.2.2:1", arrivals);
    struct ns3c_address to = network_address("192.0.2.9:9");
    network_send(&network, a, &to, 1, 972);
    network_send(&network, b, &to, 2, 972);
    network_send(&network, a, &to, 3, 972);
    network_send(&network, b, &to, 4, 972); /* the queue holds two, and one is being sent */
    network_run(&network, SECOND);
    CU_ASSERT_EQUAL_FATAL(arrivals->count, 3);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(arrivals->list[i].at, (ns3c_nanos)(11 + i) * MS);
    struct ns3c_link_counters counters;
    api->attachment_count(api->router_attachment(router), NS3C_UP, &counters);
    CU_ASSERT_TRUE(counters.offered == 4 && counters.overflowed == 1 && counters.delivered == 3);
    CU_ASSERT_PTR_NULL(api->router_attachment(network.site));
    /* From outside, straight to the host behind it; and between the two, without leaving. */
    arrivals->count = 0;
    to = network_address("192.0.2.2:1");
    network_send(&network, server, &to, 5, 100);
    network_send(&network, a, &to, 6, 100);
    network_run(&network, 2 * SECOND);
    CU_ASSERT_EQUAL(arrivals->count, 2);
    api->attachment_count(api->router_attachment(router), NS3C_UP, &counters);
    CU_ASSERT_EQUAL(counters.offered, 4);
    free(arrivals);
    network_close(&network);
}

/* A full-cone NAT of one inside address: its port shows outside as port + 1000. */
struct box {
    struct ns3c_address inside;
    struct ns3c_address outside;
    int up;
    int down;
    uint8_t last_tcp_flags;
    size_t last_payload_len;
    bool drop;
};

static enum ns3c_verdict translate(void *context, enum ns3c_direction direction, struct ns3c_packet *packet,
                                   ns3c_nanos now)
{
    struct box *box = context;
    (void)now;
    box->last_tcp_flags = packet->tcp_flags;
    box->last_payload_len = packet->payload_len;
    if (box->drop)
        return NS3C_DROP;
    if (direction == NS3C_DOWN) {
        box->down++;
        uint16_t port = packet->dst.port;
        packet->dst = box->inside;
        packet->dst.port = (uint16_t)(port - 1000);
        return NS3C_PASS;
    }
    box->up++;
    uint16_t port = packet->src.port;
    packet->src = box->outside;
    packet->src.port = (uint16_t)(port + 1000);
    if (memcmp(packet->dst.ip, box->outside.ip, sizeof packet->dst.ip) != 0)
        return NS3C_PASS;
    port = packet->dst.port;
    packet->dst = box->inside;
    packet->dst.port = (uint16_t)(port - 1000);
    return NS3C_HAIRPIN;
}

static struct ns3c_router *nat(struct network *network, struct ns3c_router *parent, struct box *box, const char *inside,
                               const char *outside)
{
    *box = (struct box){.inside = network_address(inside), .outside = network_address(outside)};
    struct ns3c_attachment_config config = {
        .addresses = &box->outside, .address_count = 1, .up = {.delay = MS}, .down = {.delay = MS}};
    struct ns3c_router *router = network->api->router_create(parent, "nat", &config, translate, box, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(router);
    return router;
}

static void hooks_rewrite_in_chains_and_realms_may_overlap(void)
{
    struct network network = network_open(1);
    struct box outer;
    struct box inner;
    struct box other;
    /* host 192.168.1.2 - inner 10.0.0.1 - outer 203.0.113.1 - core - other 203.0.113.2 - host 192.168.1.2 */
    struct ns3c_router *outer_router = nat(&network, network.site, &outer, "10.0.0.1", "203.0.113.1");
    struct ns3c_router *inner_router = nat(&network, outer_router, &inner, "192.168.1.2", "10.0.0.1");
    struct ns3c_router *other_router = nat(&network, network.site, &other, "192.168.1.2", "203.0.113.2");
    struct arrivals *here = arrivals_new(&network);
    struct arrivals *there = arrivals_new(&network);
    struct ns3c_udp *a =
        network_udp(&network, network_host(&network, inner_router, "192.168.1.2", NULL), "192.168.1.2:5000", here);
    struct ns3c_udp *b =
        network_udp(&network, network_host(&network, other_router, "192.168.1.2", NULL), "192.168.1.2:6000", there);
    struct ns3c_address to_b = network_address("203.0.113.2:7000");
    struct ns3c_address to_a = network_address("203.0.113.1:7000");
    struct ns3c_address from_a = network_address("203.0.113.1:7000");
    struct ns3c_address from_b = network_address("203.0.113.2:7000");
    network_send(&network, a, &to_b, 1, 100);
    network_run(&network, SECOND);
    network_send(&network, b, &to_a, 2, 100);
    network_run(&network, 2 * SECOND);
    CU_ASSERT_EQUAL_FATAL(there->count, 1);
    CU_ASSERT_EQUAL_FATAL(here->count, 1);
    CU_ASSERT_EQUAL(memcmp(&there->list[0].remote, &from_a, sizeof from_a), 0);
    CU_ASSERT_EQUAL(memcmp(&here->list[0].remote, &from_b, sizeof from_b), 0);
    CU_ASSERT_EQUAL(there->list[0].at, 3 * MS);
    CU_ASSERT_TRUE(inner.up == 1 && inner.down == 1 && outer.up == 1 && outer.down == 1 && other.down == 1);
    CU_ASSERT_EQUAL(outer.last_payload_len, 100);

    /* An address inside is not one outside. */
    struct ns3c_counters counters;
    struct ns3c_address private = network_address("10.0.0.1:6000");
    network_send(&network, b, &private, 3, 100);
    network_run(&network, 3 * SECOND);
    network.api->count(network.sim, &counters);
    CU_ASSERT_EQUAL(counters.no_route, 1);

    other.drop = true;
    network_send(&network, a, &to_b, 4, 100);
    network_run(&network, 4 * SECOND);
    CU_ASSERT_EQUAL(there->count, 1);
    network.api->count(network.sim, &counters);
    CU_ASSERT_EQUAL(counters.refused_by_hook, 1);
    free(here);
    free(there);
    network_close(&network);
}

static void a_hook_may_hairpin(void)
{
    struct network network = network_open(1);
    struct box box;
    struct ns3c_router *router = nat(&network, network.site, &box, "192.168.1.3", "203.0.113.1");
    struct arrivals *arrivals = arrivals_new(&network);
    struct ns3c_udp *a =
        network_udp(&network, network_host(&network, router, "192.168.1.2", NULL), "192.168.1.2:5000", NULL);
    network_udp(&network, network_host(&network, router, "192.168.1.3", NULL), "192.168.1.3:5000", arrivals);
    struct ns3c_address to = network_address("203.0.113.1:6000");
    struct ns3c_address local = network_address("192.168.1.3:5000");
    network_send(&network, a, &to, 1, 100);
    network_send(&network, a, &local, 2, 100); /* inside: the hook is not asked */
    network_run(&network, SECOND);
    CU_ASSERT_EQUAL_FATAL(arrivals->count, 2);
    CU_ASSERT_EQUAL(box.up, 1);
    CU_ASSERT_EQUAL(arrivals->list[0].at, 0);
    CU_ASSERT_EQUAL(arrivals->list[0].remote.port, 6000); /* with its external source, as RFC 4787's REQ-9 wants */
    CU_ASSERT_EQUAL(arrivals->list[1].remote.port, 5000);
    free(arrivals);
    network_close(&network);
}

/* --- repetition ---------------------------------------------------------------------------------------------------- */

struct talker {
    struct network *network;
    struct ns3c_udp *udp;
    struct ns3c_timer *timer;
    struct rng rng;
    size_t host;
    size_t hosts;
};

static void talk(void *context, ns3c_nanos now)
{
    struct talker *talker = context;
    char text[32];
    snprintf(text, sizeof text, "192.0.2.%u:9", 1 + (unsigned)rng_below(&talker->rng, talker->hosts));
    struct ns3c_address to = network_address(text);
    network_send(talker->network, talker->udp, &to, rng_u32(&talker->rng), 4 + rng_below(&talker->rng, 1400));
    talker->network->api->timer_set(talker->timer, now + (ns3c_nanos)rng_below(&talker->rng, 5 * MS));
}

/* Twenty hosts that talk at random over links with everything that is random; returns a hash of all that arrived, and
 * captures it. */
static uint64_t babble(uint64_t seed, const char *capture_path, struct ns3c_counters *counters, uint64_t *buffers)
{
    enum { HOSTS = 20 };
    struct network network = network_open(seed);
    const struct ns3c_api *api = network.api;
    struct ns3c_capture *capture = api->capture_create(network.sim, capture_path, 0, "babble", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(capture);
    struct arrivals *arrivals = arrivals_new(&network);
    struct talker talkers[HOSTS];
    for (size_t i = 0; i < HOSTS; i++) {
        struct ns3c_link link = {.rate_bps = 1000000 + (int64_t)i * 100000,
                                 .delay = 10 * MS,
                                 .jitter = MS,
                                 .loss = 0.02,
                                 .loss_burst = i % 2 == 0 ? 3 : 0,
                                 .queue_bytes = 20000,
                                 .discipline = i % 3 == 0 ? NS3C_CODEL : NS3C_DROP_TAIL};
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%zu", i + 1);
        struct ns3c_host *host = network_host(&network, network.site, text, &link);
        if (i < 4)
            CU_ASSERT_TRUE(api->capture_host(capture, host, NULL));
        strcat(text, ":9");
        talkers[i] = (struct talker){
            &network, network_udp(&network, host, text, arrivals), NULL, rng_of(seed, "talker", i), i, HOSTS};
        talkers[i].timer = api->timer_create(network.sim, talk, &talkers[i]);
        api->timer_set(talkers[i].timer, (ns3c_nanos)i * 100);
    }
    network_run(&network, SECOND);
    api->count(network.sim, counters);
    *buffers = counters->packet_buffers;
    network_run(&network, 3 * SECOND / 2);
    api->count(network.sim, counters);
    CU_ASSERT_TRUE(api->capture_close(capture, NULL));
    uint64_t hash = arrivals->count;
    for (size_t i = 0; i < arrivals->count; i++) {
        const struct arrival *a = &arrivals->list[i];
        hash = (hash ^ (uint64_t)a->at ^ (uint64_t)a->number << 20 ^ a->len ^ a->remote.port) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 31;
    }
    CU_ASSERT_TRUE(arrivals->count > 2000);
    free(arrivals);
    network_close(&network);
    return hash;
}

static uint64_t hash_of_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    uint64_t hash = 0xcbf29ce484222325u;
    for (int c; (c = getc(file)) != EOF;)
        hash = (hash ^ (uint64_t)c) * 0x100000001b3u;
    fclose(file);
    remove(path);
    return hash;
}

static void the_same_seed_repeats_to_the_byte(void)
{
    static const uint64_t seeds[] = {7, 8, 7, UINT64_MAX};
    uint64_t traffic[4];
    uint64_t capture[4];
    struct ns3c_counters counters[4];
    for (size_t i = 0; i < 4; i++) {
        char path[] = "/tmp/confab-ns3c-XXXXXX";
        int fd = mkstemp(path);
        CU_ASSERT_TRUE_FATAL(fd >= 0);
        close(fd);
        uint64_t buffers;
        traffic[i] = babble(seeds[i], path, &counters[i], &buffers);
        capture[i] = hash_of_file(path);
        /* In steady state nothing is allocated. */
        CU_ASSERT_EQUAL(buffers, counters[i].packet_buffers);
    }
    CU_ASSERT_EQUAL(traffic[0], traffic[2]);
    CU_ASSERT_EQUAL(capture[0], capture[2]);
    CU_ASSERT_EQUAL(memcmp(&counters[0], &counters[2], sizeof counters[0]), 0);
    CU_ASSERT_NOT_EQUAL(traffic[0], traffic[1]);
    CU_ASSERT_NOT_EQUAL(capture[0], capture[1]);
    CU_ASSERT_NOT_EQUAL(traffic[0], traffic[3]);
}

void ns3c_test(void)
{
    if (CONFAB_SIM)
        SUITE("ns3c", {"there is one simulation at a time", there_is_one_simulation_at_a_time},
              {"a bad config is refused", a_bad_config_is_refused},
              {"a bad address or name is refused", a_bad_address_or_name_is_refused},
              {"nothing and nonsense are refused", nothing_and_nonsense_are_refused},
              {"timers fire when and in the order they are set", timers_fire_when_and_in_the_order_they_are_set},
              {"stop returns, and the rest comes later", stop_returns_and_the_rest_comes_later},
              {"many timers put off cost no events", many_timers_put_off_cost_no_events},
              {"a datagram takes its time", a_datagram_takes_its_time},
              {"datagrams of one instant come as one batch", datagrams_of_one_instant_come_as_one_batch},
              {"what can't be sent or received is counted", what_cannot_be_sent_or_received_is_counted},
              {"a host may have many addresses and attachments", a_host_may_have_many_addresses_and_attachments},
              {"a socket may be closed in its own callback", a_socket_may_be_closed_in_its_own_callback},
              {"a router makes hosts share a link", a_router_makes_hosts_share_a_link},
              {"hooks rewrite in chains, and realms may overlap", hooks_rewrite_in_chains_and_realms_may_overlap},
              {"a hook may hairpin", a_hook_may_hairpin},
              {"the same seed repeats to the byte", the_same_seed_repeats_to_the_byte});
}
