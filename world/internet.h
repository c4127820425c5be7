/* The emulated network that a scenario is built on, whichever world it is in: sites with delays between them, servers
 * with public addresses, clients behind NATs and access links, and what can go wrong with them. The sim world and the
 * live world implement it, so that one piece of code builds the same population in both.
 *
 *      server ---link--- site ...core delay... site ---link--- [ NAT ] --- client
 *                                               |               |    `--- client     one LAN
 *                                               |
 *                                               `--- [ carrier's NAT ] ---link--- [ NAT ] --- client
 */
#ifndef CONFAB_WORLD_INTERNET_H
#define CONFAB_WORLD_INTERNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "world/link.h"
#include "world/nat_presets.h"
#include "world/world.h"

enum { INTERNET_SITES_MAX = 32, INTERNET_SERVER_ADDRESSES_MAX = 2 };

struct internet_server_config {
    const char *name; /* for messages and captures: up to 63 printable ASCII characters */
    int site;
    size_t addresses; /* of each family, 1 or 2: RFC 5780 wants two; 0 is 1 */
    bool ipv6;        /* IPv6 addresses, too, where the world has any to give */
    struct link_config up;
    struct link_config down;
};

struct internet_client_config {
    const char *name;
    int site;
    /* The client's NATs, the nearest first; none: a public address. Seeds and external addresses are filled in by the
     * world; external_count says how many of these a NAT has (0 is 1). */
    const struct nat_config *nats;
    size_t nat_count;      /* 0 … NAT_CHAIN_MAX */
    struct link_config up; /* the access link, between the nearest NAT and what is beyond it */
    struct link_config down;
    bool ipv6; /* a public IPv6 address, too, if the nearest NAT carries IPv6 and the world has any to give */
    /* Clients with the same number here are on one LAN: they share NATs and access link, those of the first of them.
     * 0: a LAN of its own. */
    uint32_t lan;
    /* Clients of two NATs with the same number here share the outer one, the first one's. 0: one of its own. */
    uint32_t carrier;
};

struct internet_counters {
    struct link_counters up; /* of the access link: packets and bytes with IP headers, queue drops and losses apart */
    struct link_counters down;
    uint64_t udp_sent; /* datagrams of this host's sockets, and their payload bytes */
    uint64_t udp_sent_bytes;
    uint64_t udp_received;
    uint64_t udp_received_bytes;
};

/* Called now and then; false ends the run early. */
typedef bool (*internet_progress)(void *user, nanos now);

struct internet {
    const struct internet_ops *ops;
};

/* For those who build a world: can these NATs stand in a row? False and `error` when not. */
bool internet_check_nats(const struct internet_client_config *config, struct error *error);

/* For those who build a world. What each does is said below. */
struct internet_ops {
    struct world *(*world)(struct internet *internet);
    int (*add_site)(struct internet *internet, const char *name, struct error *error);
    bool (*set_site_delay)(struct internet *internet, int a, int b, nanos one_way, struct error *error);
    struct world_host *(*add_server)(struct internet *internet, const struct internet_server_config *config,
                                     struct error *error);
    struct world_host *(*add_client)(struct internet *internet, const struct internet_client_config *config,
                                     struct error *error);
    const char *(*host_name)(const struct world_host *host);
    struct nat *(*nat)(const struct world_host *host, size_t i);
    bool (*run_until)(struct internet *internet, nanos until, nanos every, internet_progress progress, void *user,
                      struct error *error);
    bool (*set_link)(struct world_host *host, const struct link_config *up, const struct link_config *down,
                     struct error *error);
    void (*get_link)(const struct world_host *host, struct link_config *up, struct link_config *down);
    void (*cut)(struct world_host *host);
    void (*kill)(struct world_host *host);
    void (*restore)(struct world_host *host);
    void (*count)(const struct world_host *host, struct internet_counters *counters);
};

/* What peer/ and sfu/ are given. */
struct world *internet_world(struct internet *internet);

/* Site 0 is always there. The number of a further one; < 0 and `error` when there are too many. */
int internet_add_site(struct internet *internet, const char *name, struct error *error);

/* One way, between two sites (a != b) or two links of one (a == b). 0 between sites until it is set. */
bool internet_set_site_delay(struct internet *internet, int a, int b, nanos one_way, struct error *error);

/* A host with public addresses. NULL and `error`. */
struct world_host *internet_add_server(struct internet *internet, const struct internet_server_config *config,
                                       struct error *error);

/* NULL and `error`. */
struct world_host *internet_add_client(struct internet *internet, const struct internet_client_config *config,
                                       struct error *error);

/* Runs what is due up to and including `until`, and calls `progress`, unless it is NULL, each `every`. False and `error`
 * only when the world can't go on. */
bool internet_run_until(struct internet *internet, nanos until, nanos every, internet_progress progress, void *user,
                        struct error *error);

const char *internet_host_name(struct internet *internet, const struct world_host *host);

/* The host's i-th NAT, the nearest first; NULL past the last. For listings and counters. */
struct nat *internet_nat(struct internet *internet, const struct world_host *host, size_t i);

/* Changes the host's access link (its whole LAN's) from now on; NULL leaves a direction as it is. */
bool internet_set_link(struct internet *internet, struct world_host *host, const struct link_config *up,
                       const struct link_config *down, struct error *error);

/* The access link as it is now; either pointer may be NULL. */
void internet_get_link(struct internet *internet, const struct world_host *host, struct link_config *up,
                       struct link_config *down);

/* The host's cable is pulled: nothing comes or goes; what it does itself goes on. Channels wait. */
void internet_cut(struct internet *internet, struct world_host *host);

/* The host is off: nothing comes or goes, none of its handles calls back ever again (they still have to be closed), and
 * its ports are free. Other hosts hear nothing, but for channels, which close as if the signalling's own keep-alive had
 * noticed. */
void internet_kill(struct internet *internet, struct world_host *host);

/* Ends a cut, or lets a killed host start anew, with new handles. */
void internet_restore(struct internet *internet, struct world_host *host);

void internet_count(struct internet *internet, const struct world_host *host, struct internet_counters *counters);

#endif
