/* Many deadlines, the earliest at hand: a binary heap whose entries live inside their owners, so that setting, moving
 * and removing one is O(log n) and allocates nothing but, now and then, the array of pointers. Entries that fall due at
 * the same instant come out in the order in which they were set. */
#ifndef CONFAB_BASE_DEADLINE_HEAP_H
#define CONFAB_BASE_DEADLINE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

struct deadline {
    nanos at;
    uint64_t order; /* breaks ties */
    size_t slot;    /* 1-based place in the heap; 0 while not in one */
    void *owner;
};

struct deadline_heap {
    struct deadline **entries;
    size_t count;
    size_t cap;
    uint64_t next_order;
};

void deadline_heap_clear(struct deadline_heap *heap);

/* Puts `deadline` at time `at`, moving it if it is already there; NANOS_NEVER removes it. False when out of memory. */
bool deadline_heap_set(struct deadline_heap *heap, struct deadline *deadline, nanos at);

void deadline_heap_remove(struct deadline_heap *heap, struct deadline *deadline);

/* The earliest, NULL when there is none. It stays in the heap. */
static inline struct deadline *deadline_heap_first(const struct deadline_heap *heap)
{
    return heap->count > 0 ? heap->entries[0] : NULL;
}

static inline nanos deadline_heap_at(const struct deadline_heap *heap)
{
    return heap->count > 0 ? heap->entries[0]->at : NANOS_NEVER;
}

/* Takes out and returns the earliest that is due at `now`, NULL when none is. */
struct deadline *deadline_heap_pop_due(struct deadline_heap *heap, nanos now);

#endif
