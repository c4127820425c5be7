/* Datagrams on their way from one thread to another, the oldest first: one thread puts them in, one takes them out, and
 * neither waits for the other. What doesn't fit is lost, as datagrams are.
 *
 *     +--------------------------------+-----------------+------ - - ------+
 *     | length, socket, remote address | the bytes, padded to a multiple of 8 | ...
 *     +--------------------------------+-----------------+------ - - ------+
 */
#ifndef CONFAB_SFU_DATAGRAM_RING_H
#define CONFAB_SFU_DATAGRAM_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "world/world.h"

struct datagram_ring;

/* With room for that many bytes, a power of two. NULL when out of memory. */
struct datagram_ring *datagram_ring_create(size_t bytes);
/* NULL is allowed. */
void datagram_ring_destroy(struct datagram_ring *ring);

/* By the one who puts: a copy of the datagram (without its `local`), which came to socket number `socket`. False when there
 * is no room. */
bool datagram_ring_put(struct datagram_ring *ring, int socket, const struct datagram *datagram);

/* By the one who takes: the oldest one, which may be changed in place, and is gone with the next call. False when there is
 * none. */
bool datagram_ring_take(struct datagram_ring *ring, int *socket, struct datagram *datagram);

#endif
