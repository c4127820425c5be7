/* Small simulated networks for tests: a simulation with one site, hosts by their address, and logs of what arrives. */
#ifndef CONFAB_TESTS_NETWORK_H
#define CONFAB_TESTS_NETWORK_H

#include "sim/ns3c.h"

#define MS 1000000LL
#define SECOND 1000000000LL

struct network {
    const struct ns3c_api *api;
    struct ns3c_sim *sim;
    struct ns3c_router *site;
};

/* Aborts the test when there is no libns3c.so beside the test program. */
struct network network_open(uint64_t seed);
void network_close(struct network *network);
void network_run(struct network *network, ns3c_nanos until);

struct ns3c_address network_address(const char *text);

/* A host below `router` with one address and the same link in both directions; `link` NULL for an ideal one. */
struct ns3c_host *network_host(struct network *network, struct ns3c_router *router, const char *address,
                               const struct ns3c_link *link);
/* The same, with the attachment. */
struct ns3c_attachment *network_attach(struct network *network, struct ns3c_host **host, struct ns3c_router *router,
                                       const char *address, const struct ns3c_link *link);

/* What arrived at a socket, in order. */
struct arrival {
    ns3c_nanos at;
    uint32_t number; /* the first four bytes of the payload, big-endian; 0 when there are fewer */
    uint32_t len;
    struct ns3c_address remote;
};
enum { ARRIVALS_CAP = 20000 };
struct arrivals {
    struct network *network;
    size_t count;
    size_t calls; /* of the callback */
    struct arrival list[ARRIVALS_CAP];
};
struct arrivals *arrivals_new(struct network *network);

/* A socket that logs to `arrivals`; `address` as "192.0.2.1:5000". */
struct ns3c_udp *network_udp(struct network *network, struct ns3c_host *host, const char *address,
                             struct arrivals *arrivals);
/* Sends `len` ≥ 4 bytes that start with `number`; returns whether they went out. */
bool network_send(struct network *network, struct ns3c_udp *udp, const struct ns3c_address *remote, uint32_t number,
                  size_t len);

#endif
