/* The UDP sockets of hosts. Those of the machine's own network are nothing but real ones; an emulated host's is found by
 * its address, and has a real one, too, if that is public. */
#include "world/live_network.h"

/* As Linux chooses ports. */
enum { PORT_FIRST = 32768, PORT_COUNT = 28232 };

struct world_udp {
    struct live_handle handle;
    struct live_port *port;
    struct address address;
    world_udp_received received;
    void *user;
    UT_hash_handle hh; /* an emulated host's: by address */
};

static void release(struct live_handle *handle)
{
    struct world_udp *udp = (struct world_udp *)handle;
    struct live_world *live = handle->host->live;
    if (udp->hh.tbl != NULL)
        HASH_DEL(live->udps, udp);
    udp->hh.tbl = NULL;
    if (udp->port != NULL && udp->port->hh.tbl != NULL)
        HASH_DEL(live->ports, udp->port);
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

void live_udp_deliver(struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct world_host *host = udp->handle.host;
    if (host->cut || !live_handle_enter(&udp->handle))
        return;
    host->counters.udp_received += count;
    host->counters.udp_received_bytes += bytes_of(batch, count);
    if (host->tap != NULL)
        host->tap(host->tap_user, false, &udp->address, batch, count, now);
    udp->received(udp->user, udp, batch, count, now);
    live_handle_leave(&udp->handle);
}

static void from_port(void *user, struct live_port *port, struct datagram *batch, size_t count, nanos now)
{
    struct world_udp *udp = user;
    (void)port;
    if (udp->handle.host->lan == NULL)
        live_udp_deliver(udp, batch, count, now);
    else
        live_path_to_host(udp, batch, count, now);
}

struct world_udp *live_udp_find(const struct live_world *live, const struct address *address)
{
    struct world_udp *udp;
    HASH_FIND(hh, live->udps, address, sizeof *address, udp);
    return udp;
}

struct world_host *live_udp_host(const struct world_udp *udp) { return udp->handle.host; }

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

static bool open_port(struct world_udp *udp, const struct address *local, struct error *error)
{
    struct live_world *live = udp->handle.host->live;
    udp->port = live_port_open(live, local, udp->handle.host->sharing, from_port, udp, error);
    if (udp->port == NULL)
        return false;
    udp->address = udp->port->address;
    if (udp->handle.host->lan == NULL)
        return true;
    HASH_ADD(hh, live->ports, address, sizeof udp->port->address, udp->port);
    return udp->port->hh.tbl != NULL || error_set(error, ERROR_SYSTEM, "out of memory");
}

/* An address of an emulated host, and a free port if none is named. */
static bool choose_address(struct world_udp *udp, const struct address *local, struct error *error)
{
    struct world_host *host = udp->handle.host;
    char text[ADDRESS_TEXT_CAP];
    udp->address = *local;
    for (int i = 0; local->port == 0 && i < PORT_COUNT; i++) {
        udp->address.port = (uint16_t)(PORT_FIRST + host->last_port++ % PORT_COUNT);
        if (live_udp_find(host->live, &udp->address) == NULL)
            return true;
    }
    return (local->port != 0 && live_udp_find(host->live, local) == NULL) ||
           error_set(error, ERROR_SYSTEM, "%s is taken", address_format(local, text));
}

static bool attach(struct world_udp *udp, const struct address *local, struct error *error)
{
    const struct world_host *host = udp->handle.host;
    struct live_world *live = host->live;
    bool hidden = host->lan != NULL && host->lan->translated;
    if (hidden ? !choose_address(udp, local, error) : !open_port(udp, local, error))
        return false;
    if (host->lan == NULL)
        return true;
    HASH_ADD(hh, live->udps, address, sizeof udp->address, udp);
    return udp->hh.tbl != NULL || error_set(error, ERROR_SYSTEM, "out of memory");
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
    if (!attach(udp, local, error)) {
        error_prefix(error, "%s", host->name);
        live_handle_close(&udp->handle);
        return NULL;
    }
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
    if (host->cut)
        return;
    if (host->tap != NULL)
        host->tap(host->tap_user, true, &udp->address, batch, count, live_now(host->live));
    nanos now = host->lan == NULL ? 0 : live_now(host->live);
    for (size_t i = 0; i < count; i++) {
        if (host->lan == NULL)
            live_port_send(udp->port, &batch[i]);
        else
            live_path_send(host, &udp->address, udp->port, &batch[i], now);
    }
}

void live_udp_close(struct world_udp *udp) { live_handle_close(&udp->handle); }
