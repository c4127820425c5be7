#include "tests/support/sim_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world/access.h"

static void *need(void *made, const struct error *error)
{
    if (made == NULL) {
        fprintf(stderr, "%s\n", error->text);
        abort();
    }
    return made;
}

struct sim_world *sim_fixture(uint64_t seed)
{
    struct error error = {0};
    struct sim_world_config config = {.seed = seed, .core_delay = 10 * NANOS_PER_MS};
    return need(sim_world_create(&config, &error), &error);
}

struct world_host *sim_fixture_server(struct sim_world *sim, const char *name, size_t addresses)
{
    struct error error = {0};
    struct internet_server_config config = {.name = name, .addresses = addresses, .ipv6 = true};
    return need(sim_world_add_server(sim, &config, &error), &error);
}

struct world_host *sim_fixture_client(struct sim_world *sim, const char *nat, const char *access, uint32_t lan,
                                      uint32_t carrier)
{
    struct error error = {0};
    error_set(&error, ERROR_USAGE, "no preset %s or %s", nat, access);
    const struct nat_preset *preset = need((void *)nat_preset_find(nat), &error);
    const struct access_preset *link = need((void *)access_preset_find(access), &error);
    struct internet_client_config config = {.name = nat,
                                            .nats = preset->nats,
                                            .nat_count = preset->count,
                                            .up = link->up,
                                            .down = link->down,
                                            .ipv6 = true,
                                            .lan = lan,
                                            .carrier = carrier};
    return need(sim_world_add_client(sim, &config, &error), &error);
}

struct address sim_fixture_address(const struct world_host *host, int family, uint16_t port)
{
    struct address addresses[8];
    size_t count = world_host_addresses(host, addresses, 8);
    for (size_t i = 0; i < count; i++) {
        if (addresses[i].family == family) {
            addresses[i].port = port;
            return addresses[i];
        }
    }
    fprintf(stderr, "%s has no address of IPv%d\n", sim_world_host_name(host), family);
    abort();
}

void sim_fixture_run(struct sim_world *sim, nanos until)
{
    struct error error = {0};
    if (!sim_world_run_until(sim, until, 0, NULL, NULL, &error))
        need(NULL, &error);
}

static void received(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct sim_socket *socket = user;
    for (size_t i = 0; i < count; i++) {
        socket->received++;
        socket->last_at = now;
        socket->last_from = batch[i].remote;
        socket->last_len = batch[i].len < sizeof socket->last ? batch[i].len : sizeof socket->last;
        memcpy(socket->last, batch[i].data, socket->last_len);
    }
    if (socket->echo)
        world_udp_send(udp, batch, count);
}

void sim_socket_open(struct sim_socket *socket, struct world_host *host, const struct address *local)
{
    struct error error = {0};
    socket->udp = need(world_udp_open(host, local, received, socket, &error), &error);
}

void sim_socket_send(struct sim_socket *socket, const struct address *to, const void *data, size_t len)
{
    uint8_t bytes[1500];
    memcpy(bytes, data, len);
    struct datagram datagram = {.remote = *to, .data = bytes, .len = len};
    world_udp_send(socket->udp, &datagram, 1);
}
