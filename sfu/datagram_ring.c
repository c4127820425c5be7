#include "sfu/datagram_ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64 }; /* of the cache: each side's counter has one of its own */

struct entry {
    uint32_t len;
    int32_t socket; /* SKIP: the rest up to the end is empty */
    struct address remote;
};

enum { SKIP = -1, ALIGNMENT = 8, ENTRY_BYTES = (sizeof(struct entry) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };

struct datagram_ring {
    _Alignas(LINE) size_t size;
    _Alignas(LINE) atomic_size_t put; /* bytes ever, gaps included */
    size_t taken_seen;                /* what the one who puts knows of `taken` */
    _Alignas(LINE) atomic_size_t taken;
    size_t put_seen; /* likewise */
    size_t lent;     /* bytes of the datagram that was taken last */
    _Alignas(LINE) uint8_t bytes[];
};

struct datagram_ring *datagram_ring_create(size_t bytes)
{
    struct datagram_ring *ring = aligned_alloc(LINE, sizeof *ring + bytes);
    if (ring == NULL)
        return NULL;
    memset(ring, 0, sizeof *ring);
    ring->size = bytes;
    return ring;
}

void datagram_ring_destroy(struct datagram_ring *ring) { free(ring); }

static size_t entry_size(size_t len) { return ENTRY_BYTES + (len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

bool datagram_ring_put(struct datagram_ring *ring, int socket, const struct datagram *datagram)
{
    size_t put = atomic_load_explicit(&ring->put, memory_order_relaxed);
    size_t at = put & (ring->size - 1);
    size_t size = entry_size(datagram->len);
    size_t gap = size > ring->size - at ? ring->size - at : 0;
    if (datagram->len > ring->size / 2)
        return false;
    if (gap + size > ring->size - (put - ring->taken_seen)) {
        ring->taken_seen = atomic_load_explicit(&ring->taken, memory_order_acquire);
        if (gap + size > ring->size - (put - ring->taken_seen))
            return false;
    }
    if (gap >= ENTRY_BYTES)
        ((struct entry *)(void *)(ring->bytes + at))->socket = SKIP;
    at = (put + gap) & (ring->size - 1);
    struct entry *entry = (struct entry *)(void *)(ring->bytes + at);
    *entry = (struct entry){.len = (uint32_t)datagram->len, .socket = socket, .remote = datagram->remote};
    memcpy(ring->bytes + at + ENTRY_BYTES, datagram->data, datagram->len);
    atomic_store_explicit(&ring->put, put + gap + size, memory_order_release);
    return true;
}

bool datagram_ring_take(struct datagram_ring *ring, int *socket, struct datagram *datagram)
{
    size_t taken = atomic_load_explicit(&ring->taken, memory_order_relaxed);
    if (ring->lent > 0) {
        taken += ring->lent;
        ring->lent = 0;
        atomic_store_explicit(&ring->taken, taken, memory_order_release);
    }
    if (taken == ring->put_seen)
        ring->put_seen = atomic_load_explicit(&ring->put, memory_order_acquire);
    if (taken == ring->put_seen)
        return false;
    size_t at = taken & (ring->size - 1);
    const struct entry *entry = (const struct entry *)(const void *)(ring->bytes + at);
    if (ring->size - at < ENTRY_BYTES || entry->socket == SKIP) {
        ring->lent = ring->size - at;
        at = 0;
        entry = (const struct entry *)(const void *)ring->bytes;
    }
    ring->lent += entry_size(entry->len);
    *socket = entry->socket;
    *datagram = (struct datagram){.remote = entry->remote, .data = ring->bytes + at + ENTRY_BYTES, .len = entry->len};
    return true;
}
