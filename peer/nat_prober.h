/* Finds out how the NATs before a host behave (rtc/nat_probe.h), with sockets and timers of whichever world the host
 * stands in. */
#ifndef CONFAB_PEER_NAT_PROBER_H
#define CONFAB_PEER_NAT_PROBER_H

#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"
#include "rtc/nat_probe.h"
#include "world/world.h"

struct nat_prober;

/* Called once; the prober may be destroyed in it. */
typedef void (*nat_prober_done)(void *user, const struct nat_probe_result *result, nanos now);

struct nat_prober_config {
    struct world_host *host;
    struct address server; /* a STUN server, with another address and port (RFC 5780) if all is to be found out */
    struct address local;  /* where to open the two sockets, port 0; ADDRESS_NONE: the host's first of that family */
    nanos rto;             /* as in struct nat_probe_config */
    unsigned tries;
    uint64_t seed;
    nat_prober_done done;
    void *user;
};

/* Starts probing. NULL and `error`: no address of the server's family, no socket, out of memory. */
struct nat_prober *nat_prober_create(const struct nat_prober_config *config, struct error *error);
/* NULL is allowed. */
void nat_prober_destroy(struct nat_prober *prober);

#endif
