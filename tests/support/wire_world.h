/* A world in memory, for tests: hosts that all reach one another over a wire with one fixed delay and nothing lost,
 * under a clock that only the test moves. What a test wants besides (loss, a NAT, a stalled TCP connection) it does in
 * the hook, which sees every datagram, or with the calls below. */
#ifndef CONFAB_TESTS_SUPPORT_WIRE_WORLD_H
#define CONFAB_TESTS_SUPPORT_WIRE_WORLD_H

#include "world/world.h"

struct wire_world;

struct wire_world_config {
    nanos start;        /* the time at which the world begins */
    nanos delay;        /* one way, everywhere; 0 is allowed */
    size_t tcp_segment; /* TCP bytes arrive in pieces of at most this size; 0: each send arrives whole */
};

/* Never NULL: a test without memory is aborted. `config` may be NULL: all zeros. */
struct wire_world *wire_world_create(const struct wire_world_config *config);

/* Frees the world and every handle that is still open in it; nothing calls back. */
void wire_world_destroy(struct wire_world *wire);

struct world *wire_world_of(struct wire_world *wire);

/* A host with the given addresses, separated by spaces ("192.0.2.1 2001:db8::1"), at most 8 and each on one host
 * alone; aborts when one is not an address. */
struct world_host *wire_world_host(struct wire_world *wire, const char *addresses);

nanos wire_world_now(const struct wire_world *wire);

/* Lets everything happen that is due up to and at `until`, in order, and leaves the clock there. */
void wire_world_run_until(struct wire_world *wire, nanos until);
void wire_world_run_for(struct wire_world *wire, nanos duration);

/* The next thing alone; false when nothing is to come. */
bool wire_world_step(struct wire_world *wire);

/* Sees each datagram as it is sent: `local` is its source and `remote` its destination, and both may be changed, as a
 * NAT would. False drops it. */
typedef bool (*wire_world_hook)(void *user, struct datagram *datagram, nanos now);
void wire_world_set_hook(struct wire_world *wire, wire_world_hook hook, void *user);

/* While stalled, what TCP connections send waits at its sender (and world_tcp_send counts it). */
void wire_world_stall_tcp(struct wire_world *wire, bool stalled);

/* Datagrams handed to sockets and those for which there was none. */
uint64_t wire_world_delivered(const struct wire_world *wire);
uint64_t wire_world_undelivered(const struct wire_world *wire);

#endif
