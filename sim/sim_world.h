/* The sim world: hosts, NATs and access links in virtual time, deterministic from one seed. It implements
 * world/world.h on top of ns-3 (sim/ns3c.h).
 *
 *      server ---link--- site ...core delay... site ---link--- [ NAT ] --- client
 *                                               |               |    `--- client     one LAN
 *                                               |
 *                                               `--- [ carrier's NAT ] ---link--- [ NAT ] --- client
 *
 * Addresses follow from the order in which things are added alone. Public ones are from blocks that anyone's
 * address_scope calls global (5/8, 31/8, 2a00::/12) and not from the documentation ranges, because a TURN server refuses
 * to relay to those, and ICE agents and analyzers judge addresses as in the wild; nothing of it ever leaves the process.
 * LANs have 10/8, each its own subnet so that captures tell them apart; between a home's NAT and its carrier's it is
 * 100.64/10 (RFC 6598).
 *
 * There is one sim world at a time in a process. While it exists, OpenSSL and gettimeofday live in it, too: virtual
 * time, randomness from the seed. */
#ifndef CONFAB_SIM_SIM_WORLD_H
#define CONFAB_SIM_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"
#include "world/internet.h"
#include "world/link.h"
#include "world/nat_presets.h"
#include "world/world.h"

struct sim_world;

/* --- building ------------------------------------------------------------------------------------------------------- */

struct sim_world_config {
    uint64_t seed;
    nanos core_delay; /* one way, between any two links of one site */
};

/* NULL and `error`: no libns3c.so (see ns3c_load), a second sim world, out of memory. */
struct sim_world *sim_world_create(const struct sim_world_config *config, struct error *error);

/* Frees the world with every handle that is still open in it; nothing calls back. What is still captured is finished. */
void sim_world_destroy(struct sim_world *sim);

/* What peer/ and sfu/ are given. */
struct world *sim_world_of(struct sim_world *sim);

/* The same world for those who build in either: its calls are the ones below. */
struct internet *sim_world_internet(struct sim_world *sim);

/* Site 0 is always there. The number of a further one; < 0 and `error` when there are too many. */
int sim_world_add_site(struct sim_world *sim, const char *name, struct error *error);

/* One way, between two sites (a != b) or two links of one (a == b). 0 between sites until it is set. */
bool sim_world_set_site_delay(struct sim_world *sim, int a, int b, nanos one_way, struct error *error);

/* A host with public IPv4 addresses. NULL and `error`. */
struct world_host *sim_world_add_server(struct sim_world *sim, const struct internet_server_config *config,
                                        struct error *error);

/* NULL and `error`. */
struct world_host *sim_world_add_client(struct sim_world *sim, const struct internet_client_config *config,
                                        struct error *error);

const char *sim_world_host_name(const struct world_host *host);

/* The host's i-th NAT, the nearest first; NULL past the last. For listings and counters. */
struct nat *sim_world_nat(const struct world_host *host, size_t i);

/* --- running ---------------------------------------------------------------------------------------------------------- */

/* Runs what is due up to and including `until`, and calls `progress`, unless it is NULL, each `every` of virtual time.
 * False and `error` only when the simulation can't go on. */
bool sim_world_run_until(struct sim_world *sim, nanos until, nanos every, internet_progress progress, void *user,
                         struct error *error);

/* Events that have been run, for figures of cost. */
uint64_t sim_world_events(const struct sim_world *sim);

/* --- faults ----------------------------------------------------------------------------------------------------------- */

/* Changes the host's access link (its whole LAN's) from now on; NULL leaves a direction as it is. */
bool sim_world_set_link(struct world_host *host, const struct link_config *up, const struct link_config *down,
                        struct error *error);

/* The access link as it is now; either pointer may be NULL. */
void sim_world_get_link(const struct world_host *host, struct link_config *up, struct link_config *down);

/* The host's cable is pulled: nothing comes or goes; what it does itself goes on. Channels wait. */
void sim_world_cut(struct world_host *host);

/* The host is off: nothing comes or goes, none of its handles calls back ever again (they still have to be closed), and
 * its ports are free. Other hosts hear nothing, but for channels, which close after the network's delay, as if the
 * signalling's own keep-alive had noticed. */
void sim_world_kill(struct world_host *host);

/* Ends a cut, or lets a killed host start anew, with new handles. */
void sim_world_restore(struct world_host *host);

/* --- looking ---------------------------------------------------------------------------------------------------------- */

void sim_world_count(const struct world_host *host, struct internet_counters *counters);

enum sim_vantage {
    SIM_AT_HOST,     /* what the host sends and receives */
    SIM_OUTSIDE_NAT, /* what passes outside its outermost NAT; at the host itself when it has none */
};

struct sim_capture_config {
    struct world_host *const *hosts; /* one interface of the file each */
    size_t host_count;
    enum sim_vantage vantage;
    size_t media_snap;   /* > 0: keep that many bytes of RTP packets, everything of others */
    const char *comment; /* into the file's header; may be NULL */
};

/* Captures into a new pcapng file from now on, until sim_world_finish_captures or the world's end. */
bool sim_world_capture(struct sim_world *sim, const char *path, const struct sim_capture_config *config,
                       struct error *error);

/* Finishes all captures. False when any of them could not be written whole. */
bool sim_world_finish_captures(struct sim_world *sim, struct error *error);

#endif
