/* The live world: real sockets and real time on a libuv loop. It implements world/world.h for two kinds of hosts in one
 * process:
 *
 *     host    has real addresses and the machine's own network: a server that others reach, a client that is nothing
 *             but itself. Nothing stands between it and its sockets.
 *     server, client
 *             stand in an emulated network as the sim's do: NATs (world/nat.h), access links (world/link.h), delays
 *             between sites. What leaves the outermost NAT is a real datagram from a real socket; each NAT mapping has
 *             one of its own, bound to the external endpoint that the model chose, as long as the mapping lasts.
 *
 *     client 10.x -- [ NAT ] -- link -- core delay -- socket 127.n.x.y ~~~~ kernel ~~~~ socket -- server or anyone else
 *
 * A world takes 127.n.0.0/16 for its servers' and NATs' public addresses, with an n that no other live world of this
 * machine has. Behind NATs are 10/8, each LAN its own subnet, and 100.64/10 between a home's NAT and its carrier's:
 * those exist inside the process alone, and what is sent to such an address from inside the emulated network never
 * reaches a real socket.
 *
 * A world and all in it belong to the thread that runs it; several worlds may run in several threads, sharing nothing. */
#ifndef CONFAB_WORLD_LIVE_WORLD_H
#define CONFAB_WORLD_LIVE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"
#include "world/internet.h"
#include "world/world.h"

struct live_world;
struct uv_loop_s;
struct web;
struct web_channel_target;

enum { LIVE_CALM = 64 };

struct live_world_config {
    uint64_t seed;    /* of NATs and links */
    nanos core_delay; /* one way, between any two emulated hosts of one site */
    nanos origin;     /* of the clock: the CLOCK_MONOTONIC time that is 0 here. 0: when the world was made */
    bool unix_time;   /* the origin is the Unix epoch instead: what several processes say of time agrees */
    /* Sockets that have had LIVE_CALM datagrams may wait so long, so that the loop wakes for many at a time; the kernel keeps
     * the time of what arrives, and callbacks are told that. 0: they don't wait. */
    nanos slack;
    bool lazy; /* timers may wait as long: for hosts that send no media */
    /* Nothing is sent or connected to anything but 127/8 and ::1, whatever address a peer names. */
    bool loopback_only;
    /* For servers that 127/8 can't reach: what emulated hosts and NATs have of public addresses stays as it is inside, but
     * their sockets are this machine's own at this address, at ports that the kernel chooses. NONE: no. */
    struct address outside;
    /* Private addresses, and those that are kept for documentation or tests, are of this machine's network unless an
     * emulated host has them; without it they lead nowhere, as on the Internet. */
    bool private_network;
    struct address server; /* no emulated LAN has its addresses; family NONE: none */
    bool no_offload;       /* without UDP GSO and GRO, as on an old kernel */
};

struct live_statistics {
    uint64_t udp_sent; /* datagrams and their payload bytes, of real sockets */
    uint64_t udp_sent_bytes;
    uint64_t udp_send_calls; /* system calls that it took */
    uint64_t udp_received;
    uint64_t udp_received_bytes;
    uint64_t udp_receive_calls;
    uint64_t udp_overflowed; /* lost in a full receive buffer of the kernel (SO_RXQ_OVFL); it counts a GRO run as one */
    uint64_t udp_would_block; /* dropped: the send buffer was full */
    uint64_t udp_refused;     /* dropped: the kernel had no way to send them */
    uint64_t unroutable;      /* dropped: to an address that only exists inside, or beyond what may be sent to */
    uint64_t sockets_refused; /* a NAT's external endpoint could not be opened: taken, or no descriptor was left */
    size_t sockets;           /* real UDP sockets, now */
    nanos timer_lag_max;      /* how much later than asked for timers were served: the loop had other things to do */
};

/* Raises the soft limit of open files to the hard one. NULL and `error`. */
struct live_world *live_world_create(const struct live_world_config *config, struct error *error);

/* Another world with the same configuration and the same clock, to be run by another thread. NULL and `error`. */
struct live_world *live_world_create_beside(const struct live_world *live, struct error *error);

/* Frees the world with every handle that is still open in it; nothing calls back. */
void live_world_destroy(struct live_world *live);

/* What peer/ and sfu/ are given. */
struct world *live_world_of(struct live_world *live);

/* The loop, for those who bring other libraries to it. Run the world, not the loop. */
struct uv_loop_s *live_world_loop(struct live_world *live);

/* HTTP and WebSocket on it (world/web.h), which its channels use; made when first asked for. NULL and `error`. */
struct web *live_world_web(struct live_world *live, struct error *error);

/* As world_channel_connect, to any WebSocket server (world/web_channel.h). */
struct world_channel *live_channel_open(struct world_host *host, const struct web_channel_target *target,
                                        const struct world_channel_callbacks *callbacks, void *user,
                                        struct error *error);

/* While a channel that was accepted is paused, nothing is read but what has come already. */
void live_channel_pause(struct world_channel *channel, bool paused);

/* What an emulated host's idle access link adds to a request of HTTP that it sends to a server outside: a round trip each
 * for TCP, TLS and the request. 0 for a host of the machine's own network. */
nanos live_host_request_delay(const struct world_host *host);

/* RFC 5905's 32.32 timestamp of the world's time 0, and the same in Unix seconds. */
uint64_t live_world_ntp_origin(const struct live_world *live);
int64_t live_world_unix_origin_s(const struct live_world *live);

const struct live_statistics *live_world_statistics(const struct live_world *live);

/* How much later than asked for timers were served, or datagrams read that came to a world with slack, at most, since
 * this was last called. */
nanos live_world_take_lag(struct live_world *live);

/* Whether that many more sockets can be opened; otherwise false and an `error` that names the limit. */
bool live_world_check_sockets(const struct live_world *live, size_t sockets, struct error *error);

/* --- hosts ------------------------------------------------------------------------------------------------------------ */

/* May hosts of other worlds have a UDP socket at the very address and port of one of this host? The kernel then gives each
 * datagram to one of them, by its remote address (SO_REUSEPORT). */
enum live_sharing {
    LIVE_ALONE,
    LIVE_SHARES, /* yes, those who join; nobody else may be there before */
    LIVE_JOINS,  /* this is one of those */
};

struct live_host_config {
    const char *name;                /* for messages; NULL: "host" */
    const struct address *addresses; /* its own, port 0 */
    size_t address_count;            /* 0: the machine's, see live_machine_addresses */
    enum live_sharing sharing;
};

/* A host with real addresses. Its sockets may also be bound to the unspecified address, then each datagram's `local` is
 * the address that it came to. NULL and `error`. */
struct world_host *live_world_add_host(struct live_world *live, const struct live_host_config *config,
                                       struct error *error);

/* Sees every datagram that a host sends or receives, `count` of one socket at `local`, with the payload as on the wire.
 * NULL: nobody does. */
typedef void (*live_tap)(void *user, bool sent, const struct address *local, const struct datagram *batch, size_t count,
                         nanos now);
void live_host_set_tap(struct world_host *host, live_tap tap, void *user);

/* A TCP connection that came to the machine by another door becomes the host's: `fd`, which is non-blocking, is its own
 * from now on. NULL when there is no memory, and `fd` is closed. Adopt it with world_tcp_adopt. */
struct world_tcp *live_host_adopt_tcp(struct world_host *host, int fd);

/* The addresses of this machine's interfaces that are up, IPv4 before IPv6, without link-local ones; those of the
 * loopback interface (127.0.0.1, ::1) only when there are no others or `loopback`. Returns how many there are, of which
 * at most `cap` are stored. */
size_t live_machine_addresses(struct address *out, size_t cap, bool loopback);

/* --- running ---------------------------------------------------------------------------------------------------------- */

/* Runs until the world's time is `until` (NANOS_NEVER: until stopped), and calls `progress`, unless it is NULL, about
 * each `every`; it returns false to stop. False and `error` only when the loop can't go on. */
bool live_world_run_until(struct live_world *live, nanos until, nanos every, internet_progress progress, void *user,
                          struct error *error);

/* Makes live_world_run_until return. From any thread, and from a signal handler. */
void live_world_stop(struct live_world *live);

/* --- the emulated network: what a scenario is built on, in this world or in sim --------------------------------------- */

struct internet *live_world_internet(struct live_world *live);

#endif
