#include "sim/sim_parts.h"

/* Datagrams that change libraries at once, on the stack. */
enum { BATCH = 32 };

struct world_udp {
    struct sim_handle handle;
    struct ns3c_udp *ns3c;
    struct address address;
    world_udp_received received;
    void *user;
};

static void release(struct sim_handle *handle)
{
    struct world_udp *udp = (struct world_udp *)handle;
    if (udp->ns3c != NULL)
        handle->host->sim->api->udp_close(udp->ns3c);
}

static void received(void *context, struct ns3c_udp *ns3c, struct ns3c_datagram *batch, size_t count, ns3c_nanos now)
{
    (void)ns3c;
    struct world_udp *udp = context;
    struct internet_counters *counters = &udp->handle.host->counters;
    if (!sim_handle_enter(&udp->handle))
        return;
    for (size_t done = 0; done < count && !udp->handle.dead;) {
        struct datagram part[BATCH];
        size_t n = 0;
        for (; n < BATCH && done < count; n++, done++) {
            part[n] = (struct datagram){.local = sim_from_ns3c(&batch[done].local),
                                        .remote = sim_from_ns3c(&batch[done].remote),
                                        .data = batch[done].data,
                                        .len = batch[done].len};
            counters->udp_received++;
            counters->udp_received_bytes += batch[done].len;
        }
        udp->received(udp->user, udp, part, n, now);
    }
    sim_handle_leave(&udp->handle);
}

struct world_udp *sim_udp_open(struct world_host *host, const struct address *local, world_udp_received callback,
                               void *user, struct error *error)
{
    struct world_udp *udp = sim_host_is_on(host, error) ? sim_handle_create(host, sizeof *udp, release, error) : NULL;
    if (udp == NULL)
        return NULL;
    udp->received = callback;
    udp->user = user;
    struct ns3c_address address = sim_to_ns3c(local);
    struct ns3c_error why;
    udp->ns3c = host->sim->api->udp_open(host->ns3c, &address, received, udp, &why);
    if (udp->ns3c == NULL) {
        sim_error(error, &why);
        sim_handle_close(&udp->handle);
        return NULL;
    }
    address = host->sim->api->udp_address(udp->ns3c);
    udp->address = sim_from_ns3c(&address);
    return udp;
}

struct address sim_udp_address(const struct world_udp *udp) { return udp->address; }

void sim_udp_send(struct world_udp *udp, const struct datagram *batch, size_t count)
{
    struct internet_counters *counters = &udp->handle.host->counters;
    struct ns3c_address local = sim_to_ns3c(&udp->address);
    for (size_t done = 0; done < count && !udp->handle.dead;) {
        struct ns3c_datagram part[BATCH];
        size_t n = 0;
        for (; n < BATCH && done < count; n++, done++) {
            part[n] = (struct ns3c_datagram){.local = local,
                                             .remote = sim_to_ns3c(&batch[done].remote),
                                             .data = batch[done].data,
                                             .len = batch[done].len};
            counters->udp_sent++;
            counters->udp_sent_bytes += batch[done].len;
        }
        udp->handle.host->sim->api->udp_send(udp->ns3c, part, n);
    }
}

void sim_udp_close(struct world_udp *udp) { sim_handle_close(&udp->handle); }
