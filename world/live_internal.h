/* What the files of the live world share. Nobody else includes this. */
#ifndef CONFAB_WORLD_LIVE_INTERNAL_H
#define CONFAB_WORLD_LIVE_INTERNAL_H

#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

/* A table that can't grow leaves the new entry out: its handle's tbl is NULL. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(entry) ((void)(entry))
#include <uthash.h>
#include <uv.h>

#include "base/deadline_heap.h"
#include "world/live_world.h"

enum { LIVE_NAME_CAP = 64, LIVE_NONE = UINT16_MAX };

struct live_channels; /* live_channel.c's own */

/* Calls `fired` once at `at`; set it again (also in `fired`) to be called again, NANOS_NEVER to stop it. Its memory is
 * the owner's: all zeros before it is first set, and stopped before it goes. */
struct live_deadline {
    struct deadline deadline;
    void (*fired)(void *user, nanos now);
    void *user;
};

struct world_host {
    struct world *world;
    struct live_world *live;
    struct world_host *prev, *next;
    struct live_handle *handles;
    struct live_lan *lan;              /* where an emulated host stands; NULL for a host of the machine's own network */
    struct internet_counters counters; /* the links' are read when asked for */
    live_tap tap;                      /* NULL: nobody listens in */
    void *tap_user;
    uint8_t sharing;  /* enum live_sharing */
    bool any_address; /* its sockets may have any address that the kernel allows */
    bool cut;
    bool killed;
    uint16_t last_port; /* of an emulated one's, the last that was chosen for it */
    char name[LIVE_NAME_CAP];
    size_t address_count;
    struct address addresses[];
};

struct live_world {
    struct world world;
    struct internet internet;
    struct live_world_config config;
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_async_t stop;
    struct deadline_heap deadlines;
    int timer_fd;
    struct live_poll *timer_poll;
    nanos timer_armed; /* when timer_fd fires; NANOS_NEVER: it doesn't */
    nanos timer_due;   /* the same, or when it was armed if that was later */
    bool timer_fired;  /* since it was last set */
    nanos lag_recent;  /* the largest since live_world_take_lag */
    nanos told;        /* the time that the last timer was told */
    uint64_t ntp_origin;
    int64_t unix_origin_s;
    bool stopped;
    struct world_host *hosts;
    size_t polls; /* descriptors on the loop */
    struct live_stream *streams;
    struct live_tunnel *tunnels;
    struct live_receiver *receiver;
    struct live_port *reading;
    struct live_egress *egress;
    struct live_channels *channels;
    struct live_statistics statistics;

    /* The emulated network: see live_network.h. */
    int claim_fd; /* holds the block 127.BLOCK.0.0/16; -1 until an address of it is needed */
    uint8_t block;
    uint32_t publics; /* addresses given out of it */
    uint32_t carried; /* of 100.64/10 */
    uint32_t lan_count;
    uint32_t box_count;
    int site_count;
    nanos delays[INTERNET_SITES_MAX][INTERNET_SITES_MAX];
    struct live_pipe *wires[INTERNET_SITES_MAX * INTERNET_SITES_MAX];
    struct live_lan *lans;
    struct live_lan *lans_by_id;
    struct live_box *boxes;
    struct live_box *carriers; /* those that are shared */
    struct live_place *places; /* by IP address */
    struct live_port *ports;   /* real sockets of emulated hosts and NATs, by address */
    struct world_udp *udps;    /* emulated hosts' sockets, by their own address */
    struct live_packet *free_packets;
    size_t packet_count;
    struct live_packet *inbox, *inbox_last; /* for inbox_udp */
    struct world_udp *inbox_udp;
    size_t inbox_count;
    struct live_packet *soon, *soon_last; /* for hosts of a LAN, from it */
    struct live_deadline soon_due;
};

static inline struct live_world *live_of(const struct world *world) { return (struct live_world *)world; }

nanos live_now(const struct live_world *live);

/* On the world's list. NULL and `error`. */
struct world_host *live_host_create(struct live_world *live, const char *name, const struct address *addresses,
                                    size_t count, struct error *error);

/* Whether its sockets may be bound there. */
bool live_host_owns(const struct world_host *host, const struct address *local, struct error *error);

/* --- handles: sockets, connections, channels, timers -------------------------------------------------------------------- */

/* The first member of each. It lives until it was closed and none of its callbacks is running. */
struct live_handle {
    struct world *world;
    struct world_host *host;
    struct live_handle *prev, *next;             /* among its host's */
    void (*release)(struct live_handle *handle); /* gives back what is under it; once */
    uint16_t calls;                              /* callbacks that are running */
    bool closed;
    bool dead; /* released because its host was killed, or closed */
};

/* Whether the host runs; `error` when it was killed. */
bool live_host_is_on(const struct world_host *host, struct error *error);

/* A zeroed handle of `size` bytes on the host's list, dead from the start when the host is off. NULL and `error` when out
 * of memory. */
void *live_handle_create(struct world_host *host, size_t size, void (*release)(struct live_handle *handle),
                         struct error *error);
void live_handle_close(struct live_handle *handle);
/* Around each callback: no callback when it is false; not to be touched after live_handle_leave. */
bool live_handle_enter(struct live_handle *handle);
void live_handle_leave(struct live_handle *handle);
/* Releases it because its host is off or gone. */
void live_handle_kill(struct live_handle *handle);

/* --- descriptors and deadlines ------------------------------------------------------------------------------------------ */

/* A descriptor on the loop. */
struct live_poll {
    uv_poll_t uv;
    struct live_world *live;
    void (*ready)(void *user, int events); /* UV_READABLE, UV_WRITABLE */
    void *user;
    int fd;
};

/* Takes `fd` over. NULL and `error`: then `fd` is closed. */
struct live_poll *live_poll_open(struct live_world *live, int fd, int events, void (*ready)(void *user, int events),
                                 void *user, struct error *error);
void live_poll_set(struct live_poll *poll, int events);
/* Closes the descriptor, too. NULL is allowed. */
void live_poll_close(struct live_poll *poll);

void live_deadline_set(struct live_world *live, struct live_deadline *deadline, nanos at);

bool live_timer_start(struct live_world *live, struct error *error);
/* `at`, or so much later as the world's slack allows. */
nanos live_timer_slacken(const struct live_world *live, nanos at);
/* Before the loop sleeps. */
void live_timer_arm(struct live_world *live);

/* --- addresses ---------------------------------------------------------------------------------------------------------- */

socklen_t live_to_sockaddr(const struct address *address, struct sockaddr_storage *out);
struct address live_from_sockaddr(const struct sockaddr *from);

/* --- real UDP sockets (live_port.c, live_egress.c) ------------------------------------------------------------------------ */

struct live_port;

typedef void (*live_port_received)(void *user, struct live_port *port, struct datagram *batch, size_t count, nanos now);

struct live_port {
    struct live_world *live;
    live_port_received received;
    void *user;
    int fd;
    bool wildcard;       /* bound to the unspecified address */
    bool is_busy;        /* has several messages at a time */
    uint8_t had;         /* datagrams, up to LIVE_CALM: then it waits for the world's slack */
    nanos told;          /* the time of the last message */
    uint32_t overflowed; /* the kernel's count so far */
    struct address address;
    /* What waits to be sent. */
    struct live_port *next_sending;
    uint16_t flows;
    uint16_t last_flow;
    uint32_t mappings; /* of a NAT that it is the external endpoint of */
    UT_hash_handle hh; /* of emulated hosts and NATs: by address */
};

/* Where a socket that the emulated network wants at `address` is really bound: see live_world_config's `outside`. */
struct address live_outside(const struct live_world *live, const struct address *address);

/* NULL and `error`. It may be closed in its callback. */
struct live_port *live_port_open(struct live_world *live, const struct address *local, enum live_sharing sharing,
                                 live_port_received received, void *user, struct error *error);
void live_port_close(struct live_port *port);

/* Copies the datagram, to be sent when the loop sleeps, at the latest. */
void live_port_send(struct live_port *port, const struct datagram *datagram);
void live_egress_flush(struct live_world *live);
/* Between two callbacks of the same turn of the loop: nothing shall wait for long. */
void live_egress_hurry(struct live_world *live, nanos now);

bool live_receiver_create(struct live_world *live, struct error *error);
/* After all ports were closed. */
void live_receiver_close(struct live_world *live);
bool live_egress_create(struct live_world *live, struct error *error);

/* 64 KiB for what a socket gives, until the next socket is read. */
uint8_t *live_receive_buffer(struct live_world *live);

/* --- real TCP connections (live_stream.c) ----------------------------------------------------------------------------------- */

struct live_stream;

struct live_stream_callbacks {
    void (*connected)(void *user, nanos now); /* may be NULL */
    void (*received)(void *user, const uint8_t *data, size_t len, nanos now);
    void (*ended)(void *user, const char *reason, nanos now);
};

/* `local`: what to bind to; family ADDRESS_NONE: nothing. NULL and `error`. */
struct live_stream *live_stream_connect(struct live_world *live, const struct address *local,
                                        const struct address *remote, const struct live_stream_callbacks *callbacks,
                                        void *user, struct error *error);
/* Takes an accepted descriptor over. */
struct live_stream *live_stream_adopt(struct live_world *live, int fd, const struct live_stream_callbacks *callbacks,
                                      void *user, struct error *error);
struct address live_stream_local(const struct live_stream *stream);
/* As world_tcp_send. A connection on which too much waits ends. */
size_t live_stream_send(struct live_stream *stream, const uint8_t *data, size_t len);
/* While paused nothing is read: the other side fills its buffers and notices. */
void live_stream_pause(struct live_stream *stream, bool paused);
/* What waits is still sent, for a while. Nothing calls back any more. */
void live_stream_close(struct live_stream *stream);
/* As a host that was switched off: it says nothing more, not even goodbye, until the world goes. */
void live_stream_mute(struct live_stream *stream);
void live_streams_destroy(struct live_world *live);

/* --- channels (live_channel.c) ------------------------------------------------------------------------------------------ */

/* When the world goes: after all handles were closed, and after the loop has run empty. */
void live_channels_close(struct live_world *live);
void live_channels_destroy(struct live_world *live);

struct world_channel_listener *live_channel_listen(struct world_host *host, const struct address *local,
                                                   world_channel_accepted accepted, void *user, struct error *error);
void live_channel_listener_close(struct world_channel_listener *listener);
struct world_channel *live_channel_connect(struct world_host *host, const struct address *server,
                                           const struct world_channel_callbacks *callbacks, void *user,
                                           struct error *error);
void live_channel_adopt(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user);
void live_channel_send(struct world_channel *channel, const char *text, size_t len);
void live_channel_close(struct world_channel *channel);

/* --- the emulated network (live_internet.c) --------------------------------------------------------------------------------- */

void live_internet_start(struct live_world *live);
/* After all handles were closed. */
void live_internet_destroy(struct live_world *live);

/* --- the other calls of struct world_ops ---------------------------------------------------------------------------------- */

struct world_udp *live_udp_open(struct world_host *host, const struct address *local, world_udp_received received,
                                void *user, struct error *error);
struct address live_udp_address(const struct world_udp *udp);
void live_udp_send(struct world_udp *udp, const struct datagram *batch, size_t count);
void live_udp_close(struct world_udp *udp);

struct world_tcp_listener *live_tcp_listen(struct world_host *host, const struct address *local,
                                           world_tcp_accepted callback, void *user, struct error *error);
void live_tcp_listener_close(struct world_tcp_listener *listener);
struct world_tcp *live_tcp_connect(struct world_host *host, const struct address *remote,
                                   const struct world_tcp_callbacks *callbacks, void *user, struct error *error);
void live_tcp_adopt(struct world_tcp *tcp, const struct world_tcp_callbacks *callbacks, void *user);
struct address live_tcp_local(const struct world_tcp *tcp);
struct address live_tcp_remote(const struct world_tcp *tcp);
size_t live_tcp_send(struct world_tcp *tcp, const uint8_t *data, size_t len);
void live_tcp_close(struct world_tcp *tcp);

struct world_timer *live_timer_open(struct world_host *host, world_timer_fired fired, void *user);
void live_timer_set(struct world_timer *timer, nanos at);
void live_timer_close(struct world_timer *timer);

#endif
