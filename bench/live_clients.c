/* What emulated clients of the live world cost: memory of one behind a NAT and an access link, and the time of a packet
 * from it to a server and back, through both models and two real sockets.
 *
 *     live_clients [CLIENTS]      1,000 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "world/access.h"
#include "world/live_world.h"

enum { PACKETS_PER_S = 50, SECONDS = 2, PACKET_BYTES = 1200 };

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

static void must(bool well, const struct error *error)
{
    if (!well) {
        fprintf(stderr, "%s\n", error->text);
        exit(EXIT_FAILURE);
    }
}

struct client {
    struct world_udp *udp;
    struct world_timer *timer;
    struct address server;
    uint64_t received;
};

static void received(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    (void)udp, (void)batch, (void)now;
    ((struct client *)user)->received += count;
}

static void echo(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    (void)user, (void)now;
    world_udp_send(udp, batch, count);
}

static void tick(void *user, nanos now)
{
    static uint8_t bytes[PACKET_BYTES];
    struct client *client = user;
    world_udp_send(client->udp, &(struct datagram){.remote = client->server, .data = bytes, .len = sizeof bytes}, 1);
    world_timer_set(client->timer, now + NANOS_PER_S / PACKETS_PER_S);
}

int main(int argc, char **argv)
{
    struct error error;
    size_t count = argc > 1 ? (size_t)atol(argv[1]) : 1000;
    struct live_world *live =
        live_world_create(&(struct live_world_config){.core_delay = NANOS_PER_MS, .loopback_only = true}, &error);
    must(live != NULL, &error);
    must(live_world_check_sockets(live, count + 1, &error), &error);
    struct internet *internet = live_world_internet(live);
    struct world_host *server =
        internet_add_server(internet, &(struct internet_server_config){.name = "server"}, &error);
    must(server != NULL, &error);
    struct address at;
    world_host_addresses(server, &at, 1);
    at.port = 3478;
    must(world_udp_open(server, &at, echo, NULL, &error) != NULL, &error);
    struct client *clients = calloc(count, sizeof *clients);
    if (clients == NULL)
        return EXIT_FAILURE;
    double before = rss_bytes();
    double start = cpu_s();
    for (size_t i = 0; i < count; i++) {
        const struct access_preset *access = access_preset_find("cable");
        const struct internet_client_config config = {.name = "client",
                                                      .nats = nat_preset_find("home")->nats,
                                                      .nat_count = 1,
                                                      .up = access->up,
                                                      .down = access->down};
        struct world_host *host = internet_add_client(internet, &config, &error);
        must(host != NULL, &error);
        struct address local;
        world_host_addresses(host, &local, 1);
        clients[i].server = at;
        clients[i].udp = world_udp_open(host, &local, received, &clients[i], &error);
        must(clients[i].udp != NULL, &error);
        clients[i].timer = world_timer_open(host, tick, &clients[i]);
        world_timer_set(clients[i].timer, (nanos)i * NANOS_PER_S / PACKETS_PER_S / (nanos)count);
    }
    printf("%zu clients behind a NAT: %.1f us each to make\n", count, (cpu_s() - start) / (double)count * 1e6);
    start = cpu_s();
    live_world_run_until(live, world_now(live_world_of(live)) + SECONDS * NANOS_PER_S, 0, NULL, NULL, &error);
    double used = cpu_s() - start;
    uint64_t packets = 0;
    for (size_t i = 0; i < count; i++)
        packets += clients[i].received;
    const struct live_statistics *statistics = live_world_statistics(live);
    printf("%.1f KB a client, with its mapping's socket\n", (rss_bytes() - before) / (double)count / 1000);
    printf("%.2f us of CPU for a packet there and back (%llu packets, %.0f %% of a core)\n",
           used / (double)packets * 1e6, (unsigned long long)packets, used / SECONDS * 100);
    printf("%llu calls to send %llu datagrams, %llu to receive them; lost: %llu\n",
           (unsigned long long)statistics->udp_send_calls, (unsigned long long)statistics->udp_sent,
           (unsigned long long)statistics->udp_receive_calls,
           (unsigned long long)(statistics->udp_overflowed + statistics->udp_would_block + statistics->udp_refused));
    live_world_destroy(live);
    free(clients);
    return EXIT_SUCCESS;
}
