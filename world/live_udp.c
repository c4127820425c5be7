#include "world/live_internal.h"
struct world_udp *live_udp_open(struct world_host *host, const struct address *local, world_udp_received received,
                                void *user, struct error *error)
{
    (void)local;
    (void)received;
    (void)user;
    error_set(error, ERROR_UNSUPPORTED, "%s: no UDP", host->name);
    return NULL;
}
struct address live_udp_address(const struct world_udp *udp)
{
    (void)udp;
    return (struct address){0};
}
void live_udp_send(struct world_udp *udp, const struct datagram *batch, size_t count)
{
    (void)udp;
    (void)batch;
    (void)count;
}
void live_udp_close(struct world_udp *udp) { (void)udp; }
