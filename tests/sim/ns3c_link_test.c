/* Our link against ns-3's own devices. */
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "tests/support/network.h"
#include "tests/support/suite.h"

enum { PPP_HEADER = 2 }; /* ns-3's PointToPointNetDevice puts it before each packet */

struct sender {
    struct network *network;
    struct ns3c_udp *udp;
    struct ns3c_timer *timer;
    struct ns3c_address ours;
    struct ns3c_address theirs;
    struct rng rng;
    int64_t rate_bps;
    uint32_t number;
    uint32_t count;
    /* Whose rates change now and then, NULL when they don't. */
    struct ns3c_attachment *changing[2];
    struct ns3c_link links[2];
};

/* Both get the same other rate, a fifth to five times what it was at first. */
static void change_rates(struct sender *sender)
{
    int64_t rate_bps = (int64_t)((double)sender->rate_bps * (0.2 + 4.8 * rng_unit(&sender->rng)));
    for (size_t i = 0; i < 2 && sender->changing[i] != NULL; i++) {
        sender->links[i].rate_bps = rate_bps;
        CU_ASSERT_TRUE(
            sender->network->api->attachment_set_link(sender->changing[i], NS3C_DOWN, &sender->links[i], NULL));
    }
}

/* A burst of 1 to 12 packets of any size to both receivers, then a pause that makes for 50 to 200 % of the rate. */
static void send_burst(void *context, ns3c_nanos now)
{
    struct sender *sender = context;
    int64_t bits = 0;
    uint64_t burst = 1 + rng_below(&sender->rng, 12);
    for (uint64_t i = 0; i < burst && sender->number < sender->count; i++) {
        size_t len = 4 + rng_below(&sender->rng, rng_below(&sender->rng, 2) != 0 ? 1468 : 200);
        sender->number++;
        CU_ASSERT_TRUE(network_send(sender->network, sender->udp, &sender->ours, sender->number, len));
        CU_ASSERT_TRUE(network_send(sender->network, sender->udp, &sender->theirs, sender->number, len));
        bits += (int64_t)(len + 28) * 8;
    }
    if (sender->changing[0] != NULL && rng_below(&sender->rng, 4) == 0)
        change_rates(sender);
    if (sender->number == sender->count)
        return;
    double pause = (double)bits / (double)sender->rate_bps * 1e9 * (0.5 + 1.5 * rng_unit(&sender->rng));
    sender->network->api->timer_set(sender->timer, now + 1 + (ns3c_nanos)pause);
}

/* Two receivers behind one sender: one on our link, one on a pair of ns-3 devices with the same figures. What arrives,
 * and when, must be the same to the nanosecond. */
static size_t compare(int64_t rate_bps, ns3c_nanos delay, int64_t queue_bytes, bool changing, uint64_t seed)
{
    struct network network = network_open(seed);
    struct ns3c_error error = {0};
    struct ns3c_link link = {
        .rate_bps = rate_bps, .delay = delay, .queue_bytes = queue_bytes, .overhead_bytes = PPP_HEADER};
    struct ns3c_link plain = link;
    plain.overhead_bytes = 0;
    struct ns3c_host *from = network_host(&network, network.site, "192.0.2.1", NULL);
    struct ns3c_host *ours;
    struct ns3c_host *theirs = network.api->host_create(network.sim, "ns-3", &error);
    struct ns3c_address address = network_address("192.0.2.3");
    struct ns3c_attachment_config config = {
        .addresses = &address, .address_count = 1, .medium = NS3C_POINT_TO_POINT, .up = plain, .down = plain};
    struct ns3c_attachment *attachments[2] = {network_attach(&network, &ours, network.site, "192.0.2.2", &link),
                                              network.api->host_attach(theirs, network.site, &config, &error)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(attachments[1]);

    struct arrivals *a = arrivals_new(&network);
    struct arrivals *b = arrivals_new(&network);
    network_udp(&network, ours, "192.0.2.2:5000", a);
    network_udp(&network, theirs, "192.0.2.3:5000", b);
    struct sender sender = {.network = &network,
                            .ours = network_address("192.0.2.2:5000"),
                            .theirs = network_address("192.0.2.3:5000"),
                            .rng = rng_of(seed, "sender", 0),
                            .rate_bps = rate_bps,
                            .count = 1500,
                            .links = {link, plain}};
    if (changing)
        memcpy(sender.changing, attachments, sizeof attachments);
    sender.udp = network_udp(&network, from, "192.0.2.1:4000", NULL);
    sender.timer = network.api->timer_create(network.sim, send_burst, &sender);
    network.api->timer_set(sender.timer, 0);
    network_run(&network, 100000 * SECOND);

    CU_ASSERT_EQUAL(sender.number, sender.count);
    CU_ASSERT_EQUAL(a->count, b->count);
    size_t same = 0;
    while (same < a->count && same < b->count && a->list[same].at == b->list[same].at &&
           a->list[same].number == b->list[same].number && a->list[same].len == b->list[same].len)
        same++;
    CU_ASSERT_EQUAL(same, a->count);
    if (same < a->count && same < b->count)
        fprintf(stderr, "%lld bit/s: packet %zu: ours %u at %lld, ns-3's %u at %lld\n", (long long)rate_bps, same,
                a->list[same].number, (long long)a->list[same].at, b->list[same].number, (long long)b->list[same].at);
    size_t lost = sender.count - a->count;
    free(a);
    free(b);
    network_close(&network);
    return lost;
}

static void compare_all(bool changing)
{
    static const int64_t rates[] = {64000, 300000, 1000000, 2500001, 9999991, 100000000, 7777777777};
    static const int64_t queues[] = {1600, 9000, 64000};
    size_t lost = 0;
    size_t runs = 0;
    size_t runs_with_loss = 0;
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++)
        for (size_t q = 0; q < sizeof queues / sizeof queues[0]; q++, runs++) {
            size_t dropped = compare(rates[r], (ns3c_nanos)(r * 12345677), queues[q], changing, 1 + r * 10 + q);
            lost += dropped;
            runs_with_loss += dropped > 0;
        }
    /* The comparison must have been about full queues, too, and not about them alone. */
    CU_ASSERT_TRUE(lost > 1000);
    CU_ASSERT_TRUE(runs_with_loss < runs);
}

static void drop_tail_is_ns3_packet_by_packet_to_the_nanosecond(void) { compare_all(false); }
static void so_it_is_when_the_rate_changes(void) { compare_all(true); }

/* Ten packets of 1 ms each at once, on a link that is ten times slower after 2.5 ms, and as before after 14 ms. */
struct burst {
    struct network *network;
    struct ns3c_udp *udp;
    struct ns3c_timer *timer;
    struct ns3c_attachment *attachment;
    struct ns3c_link link;
    int step;
};

static void step(void *context, ns3c_nanos now)
{
    struct burst *burst = context;
    struct ns3c_address to = network_address("192.0.2.2:5000");
    (void)now;
    for (uint32_t i = 0; i < 10 && burst->step == 0; i++)
        network_send(burst->network, burst->udp, &to, i, 972);
    if (burst->step > 0) {
        burst->link.rate_bps = burst->step == 1 ? 800000 : 8000000;
        CU_ASSERT_TRUE(burst->network->api->attachment_set_link(burst->attachment, NS3C_UP, &burst->link, NULL));
    }
    if (burst->step++ < 2)
        burst->network->api->timer_set(burst->timer, burst->step == 1 ? 2500000 : 14 * MS);
}

static void what_waits_for_an_uplink_follows_its_rate(void)
{
    struct network network = network_open(1);
    struct burst burst = {.network = &network, .link = {.rate_bps = 8000000, .delay = 5 * MS, .queue_bytes = 100000}};
    struct ns3c_router *other = network.api->site_create(network.sim, "other", NULL);
    CU_ASSERT_TRUE(network.api->site_delay(network.site, other, 20 * MS, NULL));
    struct ns3c_host *from;
    burst.attachment = network_attach(&network, &from, network.site, "192.0.2.1", &burst.link);
    struct ns3c_host *to = network_host(&network, other, "192.0.2.2", NULL);
    struct arrivals *arrivals = arrivals_new(&network);
    network_udp(&network, to, "192.0.2.2:5000", arrivals);
    burst.udp = network_udp(&network, from, "192.0.2.1:4000", NULL);
    burst.timer = network.api->timer_create(network.sim, step, &burst);
    network.api->timer_set(burst.timer, 0);
    network_run(&network, SECOND);
    static const int done_ms[] = {1, 2, 3, 13, 23, 24, 25, 26, 27, 28};
    CU_ASSERT_EQUAL_FATAL(arrivals->count, 10);
    for (uint32_t i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(arrivals->list[i].number, i);
        CU_ASSERT_EQUAL(arrivals->list[i].len, 972);
        CU_ASSERT_EQUAL(arrivals->list[i].at, (done_ms[i] + 25) * MS);
    }
    free(arrivals);
    network_close(&network);
}

struct stream {
    struct network *network;
    struct ns3c_udp *udp;
    struct ns3c_timer *timer;
    struct ns3c_address to;
    ns3c_nanos sent[3000];
    uint32_t number;
    uint32_t count;
    ns3c_nanos interval;
};

static void send_one(void *context, ns3c_nanos now)
{
    struct stream *stream = context;
    stream->sent[stream->number] = now;
    network_send(stream->network, stream->udp, &stream->to, stream->number++, 1000);
    if (stream->number < stream->count)
        stream->network->api->timer_set(stream->timer, now + stream->interval);
}

/* 3,000 packets at 120 % of a 1 Mbit/s link with a queue of a second, whose root queue discipline is `name`; returns
 * the mean one-way delay of those that arrive, and how many do. */
static ns3c_nanos mean_delay(enum ns3c_medium medium, const char *name, size_t *arrived)
{
    struct network network = network_open(3);
    struct ns3c_error error = {0};
    struct ns3c_link link = {.rate_bps = 1000000, .delay = 10 * MS, .queue_bytes = 125000};
    struct ns3c_host *from = network_host(&network, network.site, "192.0.2.1", NULL);
    struct ns3c_host *to = network.api->host_create(network.sim, "to", &error);
    struct ns3c_address address = network_address("192.0.2.3");
    struct ns3c_attachment_config config = {
        .addresses = &address, .address_count = 1, .medium = medium, .up = link, .down = link, .queue_disc = name};
    CU_ASSERT_PTR_NOT_NULL_FATAL(network.api->host_attach(to, network.site, &config, &error));
    struct arrivals *arrivals = arrivals_new(&network);
    network_udp(&network, to, "192.0.2.3:5000", arrivals);
    struct stream stream = {.network = &network,
                            .to = network_address("192.0.2.3:5000"),
                            .count = 3000,
                            .interval = 1028 * 8 * 1000 / 12 * 10};
    stream.udp = network_udp(&network, from, "192.0.2.1:4000", NULL);
    stream.timer = network.api->timer_create(network.sim, send_one, &stream);
    network.api->timer_set(stream.timer, 0);
    network_run(&network, 60 * SECOND);
    ns3c_nanos sum = 0;
    for (size_t i = 0; i < arrivals->count; i++)
        sum += arrivals->list[i].at - stream.sent[arrivals->list[i].number];
    *arrived = arrivals->count;
    ns3c_nanos mean = arrivals->count > 0 ? sum / (ns3c_nanos)arrivals->count : NS3C_NEVER;
    free(arrivals);
    network_close(&network);
    return mean;
}

static void ns3_queue_disciplines_do_what_they_are_for(void)
{
    static const char *const active[] = {"CoDel", "FqCoDel", "Pie", "FqPie", "Cobalt", "FqCobalt", "Red"};
    static const char *const passive[] = {"Fifo", "PfifoFast"};
    size_t arrived;
    ns3c_nanos plain = mean_delay(NS3C_POINT_TO_POINT, NULL, &arrived);
    CU_ASSERT_TRUE(plain > 700 * MS && plain < 1020 * MS);
    CU_ASSERT_TRUE(arrived > 2500 && arrived < 2750);
    for (size_t i = 0; i < sizeof active / sizeof active[0]; i++) {
        CU_ASSERT_TRUE(mean_delay(NS3C_POINT_TO_POINT, active[i], &arrived) < 400 * MS);
        CU_ASSERT_TRUE(arrived > 2000);
    }
    for (size_t i = 0; i < sizeof passive / sizeof passive[0]; i++)
        CU_ASSERT_TRUE(mean_delay(NS3C_POINT_TO_POINT, passive[i], &arrived) > 600 * MS);
    CU_ASSERT_TRUE(mean_delay(NS3C_CSMA, NULL, &arrived) > 600 * MS);
    CU_ASSERT_TRUE(mean_delay(NS3C_CSMA, "FqCoDel", &arrived) < 400 * MS);
}

/* Our CoDel does in the network what link_test holds it to alone: the queue stays near the target of 5 ms. */
static void our_codel_keeps_a_queue_short(void)
{
    struct network network = network_open(4);
    struct ns3c_link link = {.rate_bps = 1000000, .delay = 10 * MS, .queue_bytes = 125000, .discipline = NS3C_CODEL};
    struct ns3c_host *from = network_host(&network, network.site, "192.0.2.1", NULL);
    struct ns3c_host *to;
    struct ns3c_attachment *attachment = network_attach(&network, &to, network.site, "192.0.2.2", &link);
    struct arrivals *arrivals = arrivals_new(&network);
    network_udp(&network, to, "192.0.2.2:5000", arrivals);
    struct stream stream = {
        .network = &network, .to = network_address("192.0.2.2:5000"), .count = 3000, .interval = 7800000};
    stream.udp = network_udp(&network, from, "192.0.2.1:4000", NULL);
    stream.timer = network.api->timer_create(network.sim, send_one, &stream);
    network.api->timer_set(stream.timer, 0);
    network_run(&network, 60 * SECOND);
    struct ns3c_link_counters counters;
    network.api->attachment_count(attachment, NS3C_DOWN, &counters);
    CU_ASSERT_EQUAL(counters.delivered, arrivals->count);
    CU_ASSERT_EQUAL(counters.offered, 3000);
    CU_ASSERT_EQUAL(counters.shed + counters.delivered, 3000);
    CU_ASSERT_TRUE(counters.shed > 50);
    ns3c_nanos most = 0;
    for (size_t i = 1; i < arrivals->count; i++) {
        CU_ASSERT_TRUE(arrivals->list[i].number > arrivals->list[i - 1].number);
        ns3c_nanos delay = arrivals->list[i].at - stream.sent[arrivals->list[i].number];
        if (i > arrivals->count / 2 && delay > most)
            most = delay;
    }
    /* 10 ms of wire and 8.2 ms of transmission, and an interval's worth of a queue that grows by 5 %, at most. */
    CU_ASSERT_TRUE(most < 50 * MS);
    /* A packet still waiting when the simulation goes must go with it. */
    network_send(&network, stream.udp, &stream.to, 0, 1000);
    network_send(&network, stream.udp, &stream.to, 0, 1000);
    network_run(&network, 60 * SECOND + 1);
    free(arrivals);
    network_close(&network);
}

struct flood {
    struct network *network;
    struct ns3c_udp *udp;
    struct ns3c_timer *timer;
    struct ns3c_address to;
    ns3c_nanos until;
};

static void send_flood(void *context, ns3c_nanos now)
{
    struct flood *flood = context;
    for (uint32_t i = 0; i < 10; i++)
        network_send(flood->network, flood->udp, &flood->to, i, 1400);
    if (now < flood->until)
        flood->network->api->timer_set(flood->timer, now + MS / 2); /* 224 Mbit/s */
}

/* A server floods `stations` hosts on one Wi-Fi cell, `distance_m` away, for a fifth of a second, or the first of them
 * floods it; returns what arrives, in Mbit/s. */
static double wifi_rate(enum ns3c_wifi_standard standard, double distance_m, int stations, bool up, uint64_t seed)
{
    struct network network = network_open(seed);
    const struct ns3c_api *api = network.api;
    struct ns3c_error error = {0};
    struct ns3c_attachment_config ideal = {0};
    struct ns3c_router *point = api->router_create(network.site, "access point", &ideal, NULL, NULL, &error);
    struct ns3c_host *server = network_host(&network, network.site, "192.0.2.1", NULL);
    struct arrivals *arrivals = arrivals_new(&network);
    struct flood floods[3];
    struct ns3c_udp *at_server = network_udp(&network, server, "192.0.2.1:1", up ? arrivals : NULL);
    for (int i = 0; i < stations; i++) {
        struct ns3c_address address = network_address("192.0.2.10");
        address.ip[3] = (uint8_t)(10 + i);
        struct ns3c_attachment_config config = {.addresses = &address,
                                                .address_count = 1,
                                                .medium = NS3C_WIFI,
                                                .wifi = {.standard = standard, .distance_m = distance_m}};
        struct ns3c_host *host = api->host_create(network.sim, "station", &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(api->host_attach(host, point, &config, &error));
        char text[32];
        snprintf(text, sizeof text, "192.0.2.%d:1", 10 + i);
        struct ns3c_udp *at_station = network_udp(&network, host, text, up ? NULL : arrivals);
        floods[i] = (struct flood){.network = &network,
                                   .udp = up ? at_station : at_server,
                                   .to = network_address(up ? "192.0.2.1:1" : text),
                                   .until = SECOND + 200 * MS};
        floods[i].timer = api->timer_create(network.sim, send_flood, &floods[i]);
        api->timer_set(floods[i].timer, SECOND);
    }
    network_run(&network, SECOND + 200 * MS);
    double rate = (double)arrivals->count * 1400 * 8 / 0.2e6;
    CU_ASSERT_TRUE(arrivals->count < ARRIVALS_CAP);
    free(arrivals);
    network_close(&network);
    return rate;
}

/* One antenna: 802.11n at 20 MHz is 65 or 72 Mbit/s on air, 802.11ax at 80 MHz is 600. */
static void wifi_is_as_fast_as_it_is_near(void)
{
    double near = wifi_rate(NS3C_WIFI_4, 5, 1, false, 1);
    double far = wifi_rate(NS3C_WIFI_4, 50, 1, false, 1);
    CU_ASSERT_TRUE(near > 40 && near < 72);
    CU_ASSERT_TRUE(far > 5 && far < near * 0.7);
    CU_ASSERT_EQUAL(wifi_rate(NS3C_WIFI_4, 300, 1, false, 1), 0);
    CU_ASSERT_TRUE(wifi_rate(NS3C_WIFI_6, 5, 1, false, 1) > 120);
    double up = wifi_rate(NS3C_WIFI_4, 5, 1, true, 1);
    CU_ASSERT_TRUE(up > 40 && up < 72);
    /* Three that send at once get no more than one does alone: they share the air. */
    double shared = wifi_rate(NS3C_WIFI_4, 5, 3, true, 1);
    CU_ASSERT_TRUE(shared > 10 && shared < up);
    CU_ASSERT_EQUAL(shared, wifi_rate(NS3C_WIFI_4, 5, 3, true, 1));
}

void ns3c_link_test(void)
{
    if (CONFAB_SIM)
        SUITE("ns3c_link",
              {"drop-tail is ns-3's, packet by packet, to the nanosecond",
               drop_tail_is_ns3_packet_by_packet_to_the_nanosecond},
              {"so it is when the rate changes", so_it_is_when_the_rate_changes},
              {"what waits for an uplink follows its rate", what_waits_for_an_uplink_follows_its_rate},
              {"ns-3's queue disciplines do what they are for", ns3_queue_disciplines_do_what_they_are_for},
              {"our CoDel keeps a queue short", our_codel_keeps_a_queue_short},
              {"Wi-Fi is as fast as it is near", wifi_is_as_fast_as_it_is_near});
}
