/* The emulated network of the live world: what its files share. Nobody else includes this. */
#ifndef CONFAB_WORLD_LIVE_NETWORK_H
#define CONFAB_WORLD_LIVE_NETWORK_H

#include "world/live_internal.h"

struct live_tunnel;

/* --- packets and pipes (live_pipe.c) -------------------------------------------------------------------------------------- */

enum { LIVE_IP_UDP_BYTES = 28, LIVE_IP_TCP_BYTES = 40, LIVE_MSS = 1448 };

/* A datagram, or a segment of an emulated host's TCP connection, on its way inside. */
struct live_packet {
    struct live_packet *next;   /* in its pipe, or free */
    struct live_packet *after;  /* of the same connection and direction */
    struct live_tunnel *tunnel; /* NULL for a datagram */
    nanos at;
    struct address source;
    struct address destination;
    uint32_t len;
    uint8_t kind; /* live_tunnel.c's own */
    uint8_t state;
    bool small; /* one of the world's small ones */
    uint8_t bytes[];
};

/* With a copy of `len` bytes, `data` NULL: without. NULL: none is to be had. */
struct live_packet *live_packet_create(struct live_world *live, const void *data, size_t len);
void live_packet_free(struct live_world *live, struct live_packet *packet);
void live_packets_destroy(struct live_world *live);

/* A link (world/link.h) with the packets that are on it. */
struct live_pipe {
    struct live_world *live;
    struct link link;
    struct live_packet *first, *last;
    struct live_deadline due;
    void (*out)(void *user, struct live_packet *packet, nanos now);
    void *user;
};

bool live_pipe_init(struct live_pipe *pipe, struct live_world *live, const struct link_config *config, uint64_t index,
                    void (*out)(void *user, struct live_packet *packet, nanos now), void *user, struct error *error);
void live_pipe_clear(struct live_pipe *pipe);
/* As link_configure, from now on. */
bool live_pipe_configure(struct live_pipe *pipe, const struct link_config *config, struct error *error);
/* Nothing but a wire without a length: what goes in comes out. */
bool live_pipe_is_ideal(const struct live_pipe *pipe);
/* Takes the packet over. It may come out before this returns. */
void live_pipe_put(struct live_pipe *pipe, struct live_packet *packet, nanos now);

/* --- who is where (live_lan.c) ---------------------------------------------------------------------------------------------- */

struct live_lan;

/* A NAT. */
struct live_box {
    struct live_box *next;
    struct live_world *live;
    struct nat *nat;
    struct live_lan *lan; /* its own one; NULL: a carrier's */
    struct live_deadline expiry;
    uint32_t carrier;  /* the number under which it is shared, 0 when it is not */
    UT_hash_handle hh; /* by that */
};

/* What lies between some hosts and their site: NATs, if any, and the access link. */
struct live_lan {
    struct live_lan *next;
    struct live_world *live;
    uint32_t id;     /* the scenario's number, 0 when nobody shares it */
    uint32_t number; /* ours, from which its addresses follow */
    uint32_t hosts;
    int site;
    struct live_box *boxes[NAT_CHAIN_MAX]; /* the nearest first */
    size_t box_count;
    bool translated; /* the nearest NAT gives its hosts private addresses */
    bool server;
    struct live_pipe up;
    struct live_pipe down;
    UT_hash_handle hh; /* by id */
};

/* An IP address of the emulated network. */
struct live_place {
    struct address ip; /* port 0 */
    bool hidden;       /* private, or carried: it only exists inside */
    bool host;         /* a host's own; otherwise a NAT's */
    int site;
    struct live_lan *lan;     /* whose host has it, or whose NAT; NULL: a carrier's NAT */
    struct live_box *carrier; /* behind which it is, for a carried one */
    UT_hash_handle hh;
};

struct live_place *live_place_find(const struct live_world *live, const struct address *address);

/* The LAN that a client belongs to, made if it is the first. NULL and `error`. */
struct live_lan *live_lan_for(struct live_world *live, const struct internet_client_config *config,
                              struct error *error);
/* A server's. */
struct live_lan *live_lan_alone(struct live_world *live, const struct internet_server_config *config,
                                struct error *error);
/* An address for the LAN's next host, private or public as it has them. */
bool live_lan_address(struct live_lan *lan, struct address *out, struct error *error);
void live_lans_destroy(struct live_world *live);

/* --- a packet's way (live_path.c) -------------------------------------------------------------------------------------------- */

/* From a socket of an emulated host at `source`; `port` is its real one, NULL when its address only exists inside. */
void live_path_send(struct world_host *host, const struct address *source, struct live_port *port,
                    const struct datagram *datagram, nanos now);
/* From the real socket of an emulated host. */
void live_path_to_host(struct world_udp *udp, struct datagram *batch, size_t count, nanos now);
/* From a NAT's real socket, whose address is the packet's destination. */
void live_path_received(void *user, struct live_port *port, struct datagram *batch, size_t count, nanos now);
/* Out of the uplink. */
void live_path_beyond(void *lan, struct live_packet *packet, nanos now);
/* Out of the downlink. */
void live_path_arrived(void *lan, struct live_packet *packet, nanos now);
/* Out of the core. */
void live_path_through(void *live, struct live_packet *packet, nanos now);
/* What was sent to a host of the same LAN, or by the same carrier. */
void live_path_soon(void *live, nanos now);
/* Whether anything may be sent there from inside. */
bool live_path_leads_out(const struct live_world *live, const struct address *destination,
                         const struct live_place *place);
/* The wire between two sites; NULL: it has no length. */
struct live_pipe *live_path_wire(struct live_world *live, int from, int to);

/* An external endpoint of a NAT begins and ends. */
void live_path_open(struct live_box *box, const struct address *external);
void live_path_close(struct live_box *box, const struct address *external);

/* Datagrams that wait to be handed over together. */
void live_inbox_add(struct live_world *live, struct world_udp *udp, struct live_packet *packet);
void live_inbox_flush(struct live_world *live);

/* --- emulated hosts' UDP and TCP --------------------------------------------------------------------------------------------- */

/* Hands over what came for a socket. */
void live_udp_deliver(struct world_udp *udp, struct datagram *batch, size_t count, nanos now);
/* The emulated host's socket at this address. */
struct world_udp *live_udp_find(const struct live_world *live, const struct address *address);
struct world_host *live_udp_host(const struct world_udp *udp);

/* --- TCP of emulated clients (live_tunnel.c) ---------------------------------------------------------------------------------- */

/* As the calls of live_stream.c. `local`: the client's own address and port. */
struct live_tunnel *live_tunnel_connect(struct world_host *host, const struct address *local,
                                        const struct address *remote, const struct live_stream_callbacks *callbacks,
                                        void *user, struct error *error);
size_t live_tunnel_send(struct live_tunnel *tunnel, const uint8_t *data, size_t len);
void live_tunnel_close(struct live_tunnel *tunnel);
void live_tunnel_mute(struct live_tunnel *tunnel);
void live_tunnels_destroy(struct live_world *live);

/* A segment came out of the uplink, the core, the downlink; or was lost on a link. */
void live_tunnel_beyond(struct live_packet *packet, nanos now);
void live_tunnel_through(struct live_packet *packet, nanos now);
void live_tunnel_arrived(struct live_packet *packet, nanos now);
void live_tunnel_lost(struct live_packet *packet);

#endif
