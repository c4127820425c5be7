/* What a packet costs in the simulation, ours and ns-3's own Internet stack side by side: hosts around one router, each
 * sending datagrams over two links to the host half-way round. Ours carries real payloads with real checksums; the stock
 * stack is spared both.
 *
 *     sim [ROUNDS]      3; each figure is the median of them */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/stock_network.h"
#include "sim/ns3c_loader.h"

enum { ROUNDS_MAX = 15 };

static double cpu_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(EXIT_FAILURE);
}

struct run {
    const struct ns3c_api *api;
    const struct star *star;
    uint64_t left;
    uint64_t received;
};

struct host {
    struct run *run;
    struct ns3c_udp *udp;
    struct ns3c_timer *timer;
    struct ns3c_address to;
};

static void received(void *context, struct ns3c_udp *udp, struct ns3c_datagram *batch, size_t count, ns3c_nanos now)
{
    struct host *host = context;
    (void)udp;
    (void)batch;
    (void)now;
    host->run->received += count;
}

static void send_one(void *context, ns3c_nanos now)
{
    static uint8_t payload[1500];
    struct host *host = context;
    if (host->run->left == 0)
        return;
    host->run->left--;
    struct ns3c_datagram datagram = {.remote = host->to, .data = payload, .len = host->run->star->datagram_bytes};
    host->run->api->udp_send(host->udp, &datagram, 1);
    host->run->api->timer_set(host->timer, now + host->run->star->interval_ns);
}

static struct ns3c_address address_of(size_t i, uint16_t port)
{
    return (struct ns3c_address){
        .family = 4, .port = port, .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
}

static struct star_cost our_network_run(const struct ns3c_api *api, const struct star *star)
{
    struct ns3c_error error = {0};
    struct run run = {.api = api, .star = star, .left = star->datagrams};
    struct ns3c_sim *sim = api->create(1, &error);
    struct ns3c_router *site = sim != NULL ? api->site_create(sim, "core", &error) : NULL;
    struct host *hosts = calloc(star->hosts, sizeof *hosts);
    if (site == NULL || hosts == NULL)
        fail(error.text);
    for (size_t i = 0; i < star->hosts; i++) {
        struct ns3c_address own = address_of(1 + i, 0);
        struct ns3c_link link = {.rate_bps = star->rate_bps, .delay = star->delay_ns, .queue_bytes = star->queue_bytes};
        struct ns3c_attachment_config config = {.addresses = &own, .address_count = 1, .up = link, .down = link};
        struct ns3c_host *host = api->host_create(sim, "host", &error);
        if (host == NULL || api->host_attach(host, site, &config, &error) == NULL)
            fail(error.text);
        hosts[i].run = &run;
        own.port = 9;
        hosts[i].udp = api->udp_open(host, &own, received, &hosts[i], &error);
        hosts[i].timer = api->timer_create(sim, send_one, &hosts[i]);
        hosts[i].to = address_of(1 + (i + star->hosts / 2) % star->hosts, 9);
        if (hosts[i].udp == NULL || hosts[i].timer == NULL)
            fail(error.text);
        api->timer_set(hosts[i].timer, star->interval_ns * (int64_t)i / (int64_t)star->hosts);
    }
    ns3c_nanos duration = star->interval_ns * (int64_t)(star->datagrams / star->hosts + 2) + 4 * star->delay_ns;
    double start = cpu_s();
    if (!api->run_until(sim, duration, &error))
        fail(error.text);
    struct star_cost cost = {.cpu_s = cpu_s() - start, .received = run.received};
    api->destroy(sim);
    free(hosts);
    return cost;
}

static int by_value(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference > 0 ? 1 : difference < 0 ? -1 : 0;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

int main(int argc, char **argv)
{
    static const struct {
        size_t hosts;
        uint64_t ours;
        uint64_t stock;
    } sizes[] = {{10, 1000000, 100000}, {100, 1000000, 50000}, {1000, 1000000, 20000}, {4000, 1000000, 8000}};
    long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 3;
    if (rounds < 1 || rounds > ROUNDS_MAX)
        fail("usage: sim [ROUNDS], 1 to 15");
    struct error error = {0};
    const struct ns3c_api *api = ns3c_load(&error);
    if (api == NULL)
        fail(error.text);
    printf("packets/s of CPU time, 1200-byte datagrams over two links, median of %ld\n\n", rounds);
    printf("%8s %14s %14s %8s\n", "hosts", "ns3c", "stock ns-3", "ratio");
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        struct star star = {.hosts = sizes[s].hosts,
                            .rate_bps = 100000000,
                            .delay_ns = 20000000,
                            .queue_bytes = 100000,
                            .datagram_bytes = 1200,
                            .interval_ns = 10000000};
        double ours[ROUNDS_MAX];
        double stock[ROUNDS_MAX];
        for (long i = 0; i < rounds; i++) {
            star.datagrams = sizes[s].ours;
            struct star_cost cost = our_network_run(api, &star);
            if (cost.received != star.datagrams)
                fail("not every packet arrived");
            ours[i] = (double)cost.received / cost.cpu_s;
            star.datagrams = sizes[s].stock;
            cost = stock_network_run(&star);
            if (cost.received != star.datagrams)
                fail("not every packet of the stock network arrived");
            stock[i] = (double)cost.received / cost.cpu_s;
        }
        double a = median(ours, (size_t)rounds);
        double b = median(stock, (size_t)rounds);
        printf("%8zu %14.0f %14.0f %7.1fx\n", star.hosts, a, b, a / b);
        fflush(stdout);
    }
    return EXIT_SUCCESS;
}
