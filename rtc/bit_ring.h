/* A window of bits over a numbering that only grows, such as unwrapped sequence numbers: bit `i` lives at i modulo the
 * ring's size, so only the newest `size` numbers have one, and whoever moves on clears what it moves over. The ring is
 * an array of BIT_RING_WORDS(size) words of its owner's; the size is a power of two from 64. */
#ifndef CONFAB_RTC_BIT_RING_H
#define CONFAB_RTC_BIT_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BIT_RING_WORDS(size) ((size) / 64)

static inline size_t bit_ring_word(size_t size, int64_t i) { return ((uint64_t)i & (size - 1)) / 64; }

static inline bool bit_ring_get(const uint64_t *ring, size_t size, int64_t i)
{
    return (ring[bit_ring_word(size, i)] >> (i & 63) & 1) != 0;
}

static inline void bit_ring_set(uint64_t *ring, size_t size, int64_t i)
{
    ring[bit_ring_word(size, i)] |= (uint64_t)1 << (i & 63);
}

/* The bits of `first`'s word from it up to `end` at most; how many there are goes to `*count`. */
static inline uint64_t bit_ring_mask(int64_t first, int64_t end, int64_t *count)
{
    int64_t shift = first & 63;
    *count = end - first < 64 - shift ? end - first : 64 - shift;
    return (*count == 64 ? ~(uint64_t)0 : ((uint64_t)1 << *count) - 1) << shift;
}

/* Clears the bits of [first, end), all of them when that is more than there are. */
static inline void bit_ring_clear(uint64_t *ring, size_t size, int64_t first, int64_t end)
{
    if (end - first >= (int64_t)size) {
        memset(ring, 0, size / 8);
        return;
    }
    for (int64_t count = 0; first < end; first += count)
        ring[bit_ring_word(size, first)] &= ~bit_ring_mask(first, end, &count);
}

/* How many bits of [first, end) are set; at most `size` of them. */
static inline int64_t bit_ring_count(const uint64_t *ring, size_t size, int64_t first, int64_t end)
{
    int64_t set = 0;
    for (int64_t count = 0; first < end; first += count) {
        uint64_t mask = bit_ring_mask(first, end, &count);
        set += __builtin_popcountll(ring[bit_ring_word(size, first)] & mask);
    }
    return set;
}

#endif
