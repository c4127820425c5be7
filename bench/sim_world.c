/* What the sim world costs: time and memory of a host behind a NAT, time of a packet through it, and of the NAT alone.
 *
 *     sim_world [CLIENTS]      1,000 */
#include "sim/sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "world/access.h"

enum { PACKETS_PER_S = 50, SECONDS = 2, PACKET_BYTES = 1200, NAT_PACKETS = 2000000 };

static double cpu_s(void)
{
    struct timespec at;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static double rss_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file != NULL) {
        if (fscanf(file, "%*d %ld", &pages) != 1)
            pages = 0;
        fclose(file);
    }
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static void fail(const struct error *error)
{
    fprintf(stderr, "%s\n", error->text);
    exit(EXIT_FAILURE);
}

struct client {
    struct world_udp *udp;
    struct world_timer *timer;
    struct address server;
    uint64_t received;
};

static void received(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    (void)udp;
    (void)batch;
    (void)now;
    ((struct client *)user)->received += count;
}

static void echo(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    (void)user;
    (void)now;
    world_udp_send(udp, batch, count);
}

static void tick(void *user, nanos now)
{
    static uint8_t bytes[PACKET_BYTES];
    struct client *client = user;
    world_udp_send(client->udp, &(struct datagram){.remote = client->server, .data = bytes, .len = sizeof bytes}, 1);
    world_timer_set(client->timer, now + NANOS_PER_S / PACKETS_PER_S);
}

static void nat_alone(void)
{
    struct nat_config config = nat_preset_find("home")->nats[0];
    config.external_count = 1;
    config.external[0] = address_ipv4(31, 0, 0, 1, 0);
    struct nat *nat = nat_create(&config, NULL);
    if (nat == NULL)
        abort();
    double start = cpu_s();
    for (int i = 0; i < NAT_PACKETS; i++) {
        struct nat_packet packet = {.source = address_ipv4(10, 0, 0, 2, (uint16_t)(5000 + i % 64)),
                                    .destination = address_ipv4(5, 0, 0, 1, 3478),
                                    .protocol = NAT_UDP};
        nat_outbound(nat, &packet, i);
        struct nat_packet back = {.source = packet.destination, .destination = packet.source, .protocol = NAT_UDP};
        nat_inbound(nat, &back, i);
    }
    printf("NAT alone, 64 mappings: %.0f ns a packet\n", (cpu_s() - start) * 1e9 / (2.0 * NAT_PACKETS));
    nat_destroy(nat);
}

int main(int argc, char **argv)
{
    int count = argc > 1 ? atoi(argv[1]) : 1000;
    struct client *clients = calloc((size_t)count, sizeof *clients);
    struct error error = {0};
    struct sim_world *sim =
        sim_world_create(&(struct sim_world_config){.seed = 1, .core_delay = 10 * NANOS_PER_MS}, &error);
    if (sim == NULL || clients == NULL)
        fail(&error);
    struct internet_server_config config = {.name = "server"};
    struct world_host *server = sim_world_add_server(sim, &config, &error);
    if (server == NULL)
        fail(&error);
    struct address at;
    world_host_addresses(server, &at, 1);
    at.port = 3478;
    if (world_udp_open(server, &at, echo, NULL, &error) == NULL)
        fail(&error);

    const struct nat_preset *nat = nat_preset_find("home");
    const struct access_preset *access = access_preset_find("fibre");
    double start = cpu_s();
    double memory = rss_bytes();
    for (int i = 0; i < count; i++) {
        struct internet_client_config client = {
            .name = "client", .nats = nat->nats, .nat_count = nat->count, .up = access->up, .down = access->down};
        struct world_host *host = sim_world_add_client(sim, &client, &error);
        if (host == NULL)
            fail(&error);
        struct address local;
        world_host_addresses(host, &local, 1);
        clients[i].server = at;
        clients[i].udp = world_udp_open(host, &local, received, &clients[i], &error);
        clients[i].timer = world_timer_open(host, tick, &clients[i]);
        if (clients[i].udp == NULL || clients[i].timer == NULL)
            fail(&error);
        world_timer_set(clients[i].timer, (nanos)i * NANOS_PER_S / PACKETS_PER_S / count);
    }
    printf("%d clients behind NATs: %.1f us and %.1f KiB each to set up\n", count, (cpu_s() - start) * 1e6 / count,
           (rss_bytes() - memory) / 1024 / count);

    start = cpu_s();
    uint64_t events = sim_world_events(sim);
    if (!sim_world_run_until(sim, SECONDS * NANOS_PER_S, 0, NULL, NULL, &error))
        fail(&error);
    uint64_t packets = 0;
    for (int i = 0; i < count; i++)
        packets += 2 * clients[i].received;
    printf("%.2f us and %.1f events a packet (client, NAT, access link, server, or back); %.1f KiB a client in use\n",
           (cpu_s() - start) * 1e6 / (double)packets, (double)(sim_world_events(sim) - events) / (double)packets,
           (rss_bytes() - memory) / 1024 / count);
    sim_world_destroy(sim);
    free(clients);
    nat_alone();
    return EXIT_SUCCESS;
}
