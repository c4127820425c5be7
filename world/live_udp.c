/* The UDP sockets of hosts. Those of the machine's own network are nothing but real ones. */
#include "world/live_internal.h"

struct world_udp {
    struct live_handle handle;
    struct live_port *port;
    struct address address;
    world_udp_received received;
    void *user;
};

static void release(struct live_handle *handle)
{
    struct world_udp *udp = (struct world_udp *)handle;
    if (udp->port != NULL)
        live_port_close(udp->port);
    udp->port = NULL;
}

static size_t bytes_of(const struct datagram *batch, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += batch[i].len;
    return bytes;
}

static void deliver(struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct world_host *host = udp->handle.host;
    if (host->cut || !live_handle_enter(&udp->handle))
        return;
    host->counters.udp_received += count;
    host->counters.udp_received_bytes += bytes_of(batch, count);
    udp->received(udp->user, udp, batch, count, now);
    live_handle_leave(&udp->handle);
}

static void from_port(void *user, struct live_port *port, struct datagram *batch, size_t count, nanos now)
{
    (void)port;
    deliver(user, batch, count, now);
}

bool live_host_owns(const struct world_host *host, const struct address *local, struct error *error)
{
    char text[ADDRESS_TEXT_CAP];
    if (host->any_address || (host->lan == NULL && address_scope(local) == ADDRESS_UNSPECIFIED))
        return true;
    for (size_t i = 0; i < host->address_count; i++) {
        if (address_same_ip(&host->addresses[i], local))
            return true;
    }
    return error_set(error, ERROR_USAGE, "%s is not an address of %s", address_format(local, text), host->name);
}

struct world_udp *live_udp_open(struct world_host *host, const struct address *local, world_udp_received received,
                                void *user, struct error *error)
{
    if (!live_host_is_on(host, error) || !live_host_owns(host, local, error))
        return NULL;
    struct world_udp *udp = live_handle_create(host, sizeof *udp, release, error);
    if (udp == NULL)
        return NULL;
    udp->received = received;
    udp->user = user;
    udp->port = live_port_open(host->live, local, from_port, udp, error);
    if (udp->port == NULL) {
        error_prefix(error, "%s", host->name);
        live_handle_close(&udp->handle);
        return NULL;
    }
    udp->address = udp->port->address;
    return udp;
}

struct address live_udp_address(const struct world_udp *udp) { return udp->address; }

void live_udp_send(struct world_udp *udp, const struct datagram *batch, size_t count)
{
    struct world_host *host = udp->handle.host;
    if (udp->handle.dead)
        return;
    host->counters.udp_sent += count;
    host->counters.udp_sent_bytes += bytes_of(batch, count);
    for (size_t i = 0; i < count && !host->cut; i++)
        live_port_send(udp->port, &batch[i]);
}

void live_udp_close(struct world_udp *udp) { live_handle_close(&udp->handle); }
