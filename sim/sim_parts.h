/* What the files of the sim world share. Nobody else includes this. */
#ifndef CONFAB_SIM_SIM_PARTS_H
#define CONFAB_SIM_SIM_PARTS_H

/* A table that can't grow leaves the new entry out: its handle's tbl is NULL. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include <uthash.h>

#include "sim/ns3c.h"
#include "sim/sim_world.h"

enum { SIM_NAME_CAP = 64, SIM_HOST_ADDRESSES_MAX = 4 };

/* A NAT in a router. */
struct sim_nat_box {
    struct sim_nat_box *next;
    struct nat *nat;
    struct ns3c_router *router;
    uint32_t carrier;  /* the number under which it is shared, 0 when it is not */
    UT_hash_handle hh; /* by that */
};

/* What lies between some hosts and their site: NATs, if any, and the access link. A server and a client without a NAT
 * have one to themselves. */
struct sim_lan {
    struct sim_lan *next;
    uint32_t id;     /* the scenario's number, 0 when nobody shares it */
    uint32_t number; /* ours, from which its addresses follow */
    uint32_t hosts;
    int site;
    struct sim_nat_box *boxes[NAT_CHAIN_MAX]; /* the nearest first */
    size_t box_count;
    bool translated; /* the nearest NAT gives its hosts private addresses */
    bool carries_ipv6;
    struct ns3c_router *router;         /* where hosts hang; NULL: at the site, by the access link itself */
    struct ns3c_attachment *attachment; /* the access link */
    struct link_config up;
    struct link_config down;
    UT_hash_handle hh; /* by id */
};

struct world_host {
    struct world *world;
    struct sim_world *sim;
    struct world_host *next;
    struct ns3c_host *ns3c;
    struct ns3c_attachment *attachment;
    struct sim_lan *lan;
    struct sim_handle *handles;
    struct address addresses[SIM_HOST_ADDRESSES_MAX];
    size_t address_count;
    struct internet_counters counters; /* the links' are read when asked for */
    bool cut;
    bool killed;
    char name[SIM_NAME_CAP];
};

struct sim_world {
    struct world world;
    struct internet internet;
    const struct ns3c_api *api;
    struct ns3c_sim *ns3c;
    struct sim_world_config config;
    struct ns3c_router *sites[INTERNET_SITES_MAX];
    nanos delays[INTERNET_SITES_MAX][INTERNET_SITES_MAX];
    int site_count;
    struct world_host *hosts;
    struct sim_lan *lans;
    struct sim_lan *lans_by_id;
    struct sim_nat_box *boxes;
    struct sim_nat_box *carriers;                     /* those that are shared */
    struct world_channel_listener *channel_listeners; /* by address */
    struct sim_capture *captures;
    uint32_t lan_count;
    uint32_t box_count;
    uint32_t servers; /* public IPv4 addresses given out in 5/8 */
    uint32_t publics; /* in 31/8 */
    uint32_t carried; /* in 100.64/10 */
};

/* --- handles: sockets, connections, channels, timers -------------------------------------------------------------------- */

/* The first member of each. It lives until it was closed and none of its callbacks is running. */
struct sim_handle {
    struct world *world;
    struct world_host *host;
    struct sim_handle *prev; /* among its host's */
    struct sim_handle *next;
    void (*release)(struct sim_handle *handle); /* gives back what is under it; once */
    uint16_t calls;                             /* callbacks that are running */
    bool closed;
    bool dead; /* released because its host was killed */
};

/* Whether the host runs; `error` when it was killed. */
bool sim_host_is_on(const struct world_host *host, struct error *error);

/* A zeroed handle of `size` bytes on the host's list, dead from the start when the host is off. NULL and `error` when out
 * of memory. */
void *sim_handle_create(struct world_host *host, size_t size, void (*release)(struct sim_handle *handle),
                        struct error *error);
void sim_handle_close(struct sim_handle *handle);
/* Around each callback: no callback when it is false; not to be touched after sim_handle_leave. */
bool sim_handle_enter(struct sim_handle *handle);
void sim_handle_leave(struct sim_handle *handle);
/* Releases it because its host is off or gone. */
void sim_handle_kill(struct sim_handle *handle);

/* --- between the two libraries ------------------------------------------------------------------------------------------ */

/* struct address and struct ns3c_address are the same bytes. */
static inline struct ns3c_address sim_to_ns3c(const struct address *address)
{
    struct ns3c_address out;
    _Static_assert(sizeof out == sizeof *address, "the two kinds of address must be alike");
    memcpy(&out, address, sizeof out);
    return out;
}

static inline struct address sim_from_ns3c(const struct ns3c_address *address)
{
    struct address out;
    memcpy(&out, address, sizeof out);
    return out;
}

/* Fills `error` from what ns3c said; false. */
bool sim_error(struct error *error, const struct ns3c_error *from);

struct ns3c_link sim_link(const struct link_config *config);
struct link_counters sim_link_counters(const struct sim_world *sim, const struct ns3c_attachment *attachment,
                                       enum ns3c_direction direction);

/* --- sim_lan, sim_nat_box ----------------------------------------------------------------------------------------------- */

/* The LAN that a client belongs to, made if it is the first. NULL and `error`. */
struct sim_lan *sim_lan_for(struct sim_world *sim, const struct internet_client_config *config, struct error *error);
/* A server's: no router, nothing shared. */
struct sim_lan *sim_lan_alone(struct sim_world *sim, int site, const struct link_config *up,
                              const struct link_config *down, struct error *error);
void sim_lans_destroy(struct sim_world *sim);

/* A router with a NAT in it, below `parent`, by an ideal link when `up` and `down` are NULL. `carried`: its external
 * addresses are a carrier's, not public. NULL and `error`. */
struct sim_nat_box *sim_nat_box_create(struct sim_world *sim, struct ns3c_router *parent,
                                       const struct nat_config *config, const struct link_config *up,
                                       const struct link_config *down, bool carried, struct error *error);
/* Makes an address of a host inside, which is not translated, reachable from outside. */
bool sim_nat_box_expose(struct sim_world *sim, struct sim_nat_box *box, const struct address *address,
                        struct error *error);
void sim_nat_boxes_destroy(struct sim_world *sim);

/* --- addresses: each call gives the next one ------------------------------------------------------------------------------ */

bool sim_address_server(struct sim_world *sim, struct address *out, struct error *error);
bool sim_address_public(struct sim_world *sim, struct address *out, struct error *error);
bool sim_address_carried(struct sim_world *sim, struct address *out, struct error *error);
/* Of the lan's newest host. */
bool sim_address_private(const struct sim_lan *lan, struct address *out, struct error *error);
struct address sim_address_ipv6(const struct sim_lan *lan, bool server, uint8_t number);

/* --- the calls of struct world_ops ---------------------------------------------------------------------------------------- */

extern const struct world_ops sim_world_ops;
extern const struct internet_ops sim_internet_ops;

struct world_udp *sim_udp_open(struct world_host *host, const struct address *local, world_udp_received callback,
                               void *user, struct error *error);
struct address sim_udp_address(const struct world_udp *udp);
void sim_udp_send(struct world_udp *udp, const struct datagram *batch, size_t count);
void sim_udp_close(struct world_udp *udp);

struct world_tcp_listener *sim_tcp_listen(struct world_host *host, const struct address *local,
                                          world_tcp_accepted callback, void *user, struct error *error);
void sim_tcp_listener_close(struct world_tcp_listener *listener);
struct world_tcp *sim_tcp_connect(struct world_host *host, const struct address *remote,
                                  const struct world_tcp_callbacks *callbacks, void *user, struct error *error);
void sim_tcp_adopt(struct world_tcp *tcp, const struct world_tcp_callbacks *callbacks, void *user);
struct address sim_tcp_local(const struct world_tcp *tcp);
struct address sim_tcp_remote(const struct world_tcp *tcp);
size_t sim_tcp_send(struct world_tcp *tcp, const uint8_t *data, size_t len);
void sim_tcp_close(struct world_tcp *tcp);

struct world_channel_listener *sim_channel_listen(struct world_host *host, const struct address *local,
                                                  world_channel_accepted accepted, void *user, struct error *error);
void sim_channel_listener_close(struct world_channel_listener *listener);
struct world_channel *sim_channel_connect(struct world_host *host, const struct address *server,
                                          const struct world_channel_callbacks *callbacks, void *user,
                                          struct error *error);
void sim_channel_adopt(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user);
void sim_channel_send(struct world_channel *channel, const char *text, size_t len);
void sim_channel_close(struct world_channel *channel);

struct world_timer *sim_timer_open(struct world_host *host, world_timer_fired callback, void *user);
void sim_timer_set(struct world_timer *timer, nanos at);
void sim_timer_close(struct world_timer *timer);

#endif
