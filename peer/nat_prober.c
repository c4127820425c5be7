#include "peer/nat_prober.h"

#include <stdlib.h>

enum { ADDRESSES_MAX = 16 };

struct nat_prober {
    struct nat_prober_config config;
    struct nat_probe *probe;
    struct world_udp *sockets[2];
    struct world_timer *timer;
};

/* Sends what is due and sets the timer; at the end reports, after which the prober may be gone. */
static void pump(struct nat_prober *prober, nanos now)
{
    uint8_t buf[256];
    struct datagram datagram = {.data = buf};
    int socket;
    ssize_t len;
    while ((len = nat_probe_write(prober->probe, &socket, &datagram.remote, buf, sizeof buf, now)) > 0) {
        datagram.len = (size_t)len;
        world_udp_send(prober->sockets[socket], &datagram, 1);
    }
    world_timer_set(prober->timer, nat_probe_deadline(prober->probe));
    struct nat_probe_event event;
    if (nat_probe_event(prober->probe, &event))
        prober->config.done(prober->config.user, &event.result, now);
}

static void received(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct nat_prober *prober = user;
    for (size_t i = 0; i < count; i++)
        nat_probe_read(prober->probe, udp == prober->sockets[1], &batch[i].remote, batch[i].data, batch[i].len, now);
    pump(prober, now);
}

static void fired(void *user, nanos now) { pump(user, now); }

static bool find_local(struct nat_prober_config *config, struct error *error)
{
    struct address addresses[ADDRESSES_MAX];
    if (config->local.family != ADDRESS_NONE)
        return true;
    size_t count = world_host_addresses(config->host, addresses, ADDRESSES_MAX);
    for (size_t i = 0; i < count && i < ADDRESSES_MAX; i++) {
        if (addresses[i].family == config->server.family) {
            config->local = addresses[i];
            return true;
        }
    }
    char text[ADDRESS_TEXT_CAP];
    return error_set(error, ERROR_USAGE, "no address of %s's family to probe from",
                     address_format(&config->server, text));
}

static bool open_all(struct nat_prober *prober, struct error *error)
{
    struct nat_prober_config *config = &prober->config;
    struct nat_probe_config probe = {
        .server = config->server, .rto = config->rto, .tries = config->tries, .seed = config->seed};
    if (!find_local(config, error))
        return false;
    for (int i = 0; i < 2; i++) {
        prober->sockets[i] = world_udp_open(config->host, &config->local, received, prober, error);
        if (prober->sockets[i] == NULL)
            return false;
        probe.local[i] = world_udp_address(prober->sockets[i]);
    }
    prober->timer = world_timer_open(config->host, fired, prober);
    prober->probe = nat_probe_create(&probe, error);
    if (prober->timer == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    return prober->probe != NULL;
}

struct nat_prober *nat_prober_create(const struct nat_prober_config *config, struct error *error)
{
    struct nat_prober *prober = calloc(1, sizeof *prober);
    if (prober == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    prober->config = *config;
    if (!open_all(prober, error)) {
        nat_prober_destroy(prober);
        return NULL;
    }
    pump(prober, world_now(world_of(config->host)));
    return prober;
}

void nat_prober_destroy(struct nat_prober *prober)
{
    if (prober == NULL)
        return;
    for (int i = 0; i < 2; i++) {
        if (prober->sockets[i] != NULL)
            world_udp_close(prober->sockets[i]);
    }
    if (prober->timer != NULL)
        world_timer_close(prober->timer);
    nat_probe_destroy(prober->probe);
    free(prober);
}
