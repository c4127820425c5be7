/* An open-addressing hash index from a key to a 32-bit number: the number is a place in an array that the owner keeps,
 * where the key is too. One cache line touched for most look-ups; nothing is ever removed. */
#ifndef CONFAB_ANALYZERS_TABLE_H
#define CONFAB_ANALYZERS_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define TABLE_NONE UINT32_MAX

/* The size of a table that never grows. Fuzzers get small ones: they are faster to clear, and overflow sooner. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define TABLE_FIXED_SIZE(size) ((size) / 256)
#else
#define TABLE_FIXED_SIZE(size) (size)
#endif

/* All zeros is an empty one. */
struct table {
    uint64_t *slots; /* high half: of the hash; low half: the number plus one, 0 for a free slot */
    uint32_t cap;    /* a power of two, or 0 */
    uint32_t count;
};

static inline void table_clear(struct table *table)
{
    free(table->slots);
    *table = (struct table){0};
}

/* Mixes 64 bits well enough for the low bits to be an index. */
static inline uint64_t table_mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53u;
    return h ^ (h >> 33);
}

/* The number whose key is the one looked for: `same(owner, number, key)` compares. TABLE_NONE when there is none. */
static inline uint32_t table_find(const struct table *table, uint64_t hash,
                                  bool (*same)(const void *owner, uint32_t number, const void *key), const void *owner,
                                  const void *key)
{
    if (table->cap == 0)
        return TABLE_NONE;
    uint32_t mask = table->cap - 1;
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        uint64_t slot = table->slots[at];
        if ((uint32_t)slot == 0)
            return TABLE_NONE;
        if (slot >> 32 == hash >> 32 && same(owner, (uint32_t)slot - 1, key))
            return (uint32_t)slot - 1;
    }
}

static inline void table_place(uint64_t *slots, uint32_t mask, uint64_t hash_low, uint64_t slot)
{
    uint32_t at = (uint32_t)hash_low & mask;
    while ((uint32_t)slots[at] != 0)
        at = (at + 1) & mask;
    slots[at] = slot;
}

/* Adds a number under a hash that isn't there yet; `hash_of(owner, number)` gives the hash again when the table grows.
 * False when out of memory. */
static inline bool table_add(struct table *table, uint64_t hash, uint32_t number,
                             uint64_t (*hash_of)(const void *owner, uint32_t number), const void *owner)
{
    if (table->count >= table->cap / 2) {
        uint32_t cap = table->cap == 0 ? 64 : table->cap * 2;
        uint64_t *slots = calloc(cap, sizeof *slots);
        if (slots == NULL)
            return false;
        for (uint32_t i = 0; i < table->cap; i++) {
            if ((uint32_t)table->slots[i] != 0)
                table_place(slots, cap - 1, hash_of(owner, (uint32_t)table->slots[i] - 1), table->slots[i]);
        }
        free(table->slots);
        table->slots = slots;
        table->cap = cap;
    }
    table_place(table->slots, table->cap - 1, hash, hash >> 32 << 32 | (number + 1));
    table->count++;
    return true;
}

#endif
