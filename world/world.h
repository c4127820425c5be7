/* What a world offers to the people who live in it: hosts with addresses, UDP, TCP, reliable message channels for
 * signalling, timers and the time. The sim world (sim/) and the live world implement it; peer/ and sfu/ are written
 * against it and don't know which one they are in.
 *
 * One thread: a world calls back only from its own loop, and everything it calls back with is valid during the call.
 * Handles are given back with the matching _close; closing inside a callback of the same handle is allowed, and after a
 * close nothing calls back any more. */
#ifndef CONFAB_WORLD_WORLD_H
#define CONFAB_WORLD_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"

struct world;
struct world_host;
struct world_udp;
struct world_tcp;
struct world_tcp_listener;
struct world_channel;
struct world_channel_listener;
struct world_timer;

/* A datagram on its way in or out. `local` is the address of the receiving or sending socket as its host sees it. */
struct datagram {
    struct address local;
    struct address remote;
    uint8_t *data; /* incoming ones may be changed in place: SRTP is decrypted there */
    size_t len;
};

/* A run of datagrams for one socket, oldest first. */
typedef void (*world_udp_received)(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now);

struct world_tcp_callbacks {
    void (*connected)(void *user, struct world_tcp *tcp, nanos now);
    void (*received)(void *user, struct world_tcp *tcp, const uint8_t *data, size_t len, nanos now);
    /* The other side closed, reset, or could not be reached (`reason`, one line). The handle still has to be closed. */
    void (*closed)(void *user, struct world_tcp *tcp, const char *reason, nanos now);
};

/* A new connection; the callee sets its callbacks with world_tcp_adopt, or closes it. */
typedef void (*world_tcp_accepted)(void *user, struct world_tcp *tcp, const struct address *remote, nanos now);

struct world_channel_callbacks {
    void (*opened)(void *user, struct world_channel *channel, nanos now);
    void (*received)(void *user, struct world_channel *channel, const char *text, size_t len, nanos now);
    void (*closed)(void *user, struct world_channel *channel, const char *reason, nanos now);
};
typedef void (*world_channel_accepted)(void *user, struct world_channel *channel, nanos now);

typedef void (*world_timer_fired)(void *user, nanos now);

/* The current time. */
nanos world_now(const struct world *world);

/* The world that a host stands in. */
struct world *world_of(const struct world_host *host);

/* A host's own addresses (port 0), IPv4 before IPv6; returns how many there are, of which at most `cap` are stored. */
size_t world_host_addresses(const struct world_host *host, struct address *out, size_t cap);

/* A UDP socket at `local`; port 0 picks a free one. NULL and `error` when the address is not the host's or is taken. */
struct world_udp *world_udp_open(struct world_host *host, const struct address *local, world_udp_received received,
                                 void *user, struct error *error);
struct address world_udp_address(const struct world_udp *udp);
/* Sends `count` datagrams from this socket to each one's `remote`. The bytes are copied or gone when it returns. Like
 * UDP itself it may lose them without a word. */
void world_udp_send(struct world_udp *udp, const struct datagram *batch, size_t count);
void world_udp_close(struct world_udp *udp);

struct world_tcp_listener *world_tcp_listen(struct world_host *host, const struct address *local,
                                            world_tcp_accepted accepted, void *user, struct error *error);
void world_tcp_listener_close(struct world_tcp_listener *listener);
struct world_tcp *world_tcp_connect(struct world_host *host, const struct address *remote,
                                    const struct world_tcp_callbacks *callbacks, void *user, struct error *error);
void world_tcp_adopt(struct world_tcp *tcp, const struct world_tcp_callbacks *callbacks, void *user);
struct address world_tcp_local(const struct world_tcp *tcp);
struct address world_tcp_remote(const struct world_tcp *tcp);
/* Queues bytes; what the connection can't take yet is kept and sent later. Returns the number of bytes still waiting,
 * by which a sender of media decides to drop rather than to add; with `len` 0 it does nothing but that. */
size_t world_tcp_send(struct world_tcp *tcp, const uint8_t *data, size_t len);
void world_tcp_close(struct world_tcp *tcp);

/* Signalling: whole text messages, in order, none lost while the channel is open. WebSocket in the live world; in sim
 * a channel with the network's delay. */
struct world_channel_listener *world_channel_listen(struct world_host *host, const struct address *local,
                                                    world_channel_accepted accepted, void *user, struct error *error);
void world_channel_listener_close(struct world_channel_listener *listener);
struct world_channel *world_channel_connect(struct world_host *host, const struct address *server,
                                            const struct world_channel_callbacks *callbacks, void *user,
                                            struct error *error);
void world_channel_adopt(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user);
void world_channel_send(struct world_channel *channel, const char *text, size_t len);
void world_channel_close(struct world_channel *channel);

struct world_timer *world_timer_open(struct world_host *host, world_timer_fired fired, void *user);
/* Fires once at `at` (at once when that is past), replacing what was set before; NANOS_NEVER stops it. */
void world_timer_set(struct world_timer *timer, nanos at);
void world_timer_close(struct world_timer *timer);

/* --- For those who build a world: each handle starts with its world, and the calls above go through this table. --- */

struct world_ops {
    nanos (*now)(const struct world *world);
    size_t (*host_addresses)(const struct world_host *host, struct address *out, size_t cap);
    struct world_udp *(*udp_open)(struct world_host *host, const struct address *local, world_udp_received received,
                                  void *user, struct error *error);
    struct address (*udp_address)(const struct world_udp *udp);
    void (*udp_send)(struct world_udp *udp, const struct datagram *batch, size_t count);
    void (*udp_close)(struct world_udp *udp);
    struct world_tcp_listener *(*tcp_listen)(struct world_host *host, const struct address *local,
                                             world_tcp_accepted accepted, void *user, struct error *error);
    void (*tcp_listener_close)(struct world_tcp_listener *listener);
    struct world_tcp *(*tcp_connect)(struct world_host *host, const struct address *remote,
                                     const struct world_tcp_callbacks *callbacks, void *user, struct error *error);
    void (*tcp_adopt)(struct world_tcp *tcp, const struct world_tcp_callbacks *callbacks, void *user);
    struct address (*tcp_local)(const struct world_tcp *tcp);
    struct address (*tcp_remote)(const struct world_tcp *tcp);
    size_t (*tcp_send)(struct world_tcp *tcp, const uint8_t *data, size_t len);
    void (*tcp_close)(struct world_tcp *tcp);
    struct world_channel_listener *(*channel_listen)(struct world_host *host, const struct address *local,
                                                     world_channel_accepted accepted, void *user, struct error *error);
    void (*channel_listener_close)(struct world_channel_listener *listener);
    struct world_channel *(*channel_connect)(struct world_host *host, const struct address *server,
                                             const struct world_channel_callbacks *callbacks, void *user,
                                             struct error *error);
    void (*channel_adopt)(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user);
    void (*channel_send)(struct world_channel *channel, const char *text, size_t len);
    void (*channel_close)(struct world_channel *channel);
    struct world_timer *(*timer_open)(struct world_host *host, world_timer_fired fired, void *user);
    void (*timer_set)(struct world_timer *timer, nanos at);
    void (*timer_close)(struct world_timer *timer);
};

struct world {
    const struct world_ops *ops;
};

#endif
