#include "base/deadline_heap.h"

#include <stdlib.h>
#include <string.h>

static bool before(const struct deadline *a, const struct deadline *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void place(struct deadline_heap *heap, size_t slot, struct deadline *deadline)
{
    heap->entries[slot] = deadline;
    deadline->slot = slot + 1;
}

static void sift_up(struct deadline_heap *heap, size_t slot)
{
    struct deadline *moving = heap->entries[slot];
    while (slot > 0 && before(moving, heap->entries[(slot - 1) / 2])) {
        place(heap, slot, heap->entries[(slot - 1) / 2]);
        slot = (slot - 1) / 2;
    }
    place(heap, slot, moving);
}

static void sift_down(struct deadline_heap *heap, size_t slot)
{
    struct deadline *moving = heap->entries[slot];
    for (;;) {
        size_t child = 2 * slot + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(heap->entries[child + 1], heap->entries[child]))
            child++;
        if (!before(heap->entries[child], moving))
            break;
        place(heap, slot, heap->entries[child]);
        slot = child;
    }
    place(heap, slot, moving);
}

void deadline_heap_clear(struct deadline_heap *heap)
{
    for (size_t i = 0; i < heap->count; i++)
        heap->entries[i]->slot = 0;
    free(heap->entries);
    memset(heap, 0, sizeof *heap);
}

bool deadline_heap_set(struct deadline_heap *heap, struct deadline *deadline, nanos at)
{
    if (at == NANOS_NEVER) {
        deadline_heap_remove(heap, deadline);
        return true;
    }
    if (deadline->slot != 0) {
        if (deadline->at == at)
            return true;
        deadline->at = at;
        deadline->order = heap->next_order++;
        sift_up(heap, deadline->slot - 1);
        sift_down(heap, deadline->slot - 1);
        return true;
    }
    if (heap->count == heap->cap) {
        size_t cap = heap->cap == 0 ? 16 : 2 * heap->cap;
        struct deadline **entries = realloc(heap->entries, cap * sizeof *entries);
        if (entries == NULL)
            return false;
        heap->entries = entries;
        heap->cap = cap;
    }
    deadline->at = at;
    deadline->order = heap->next_order++;
    heap->entries[heap->count] = deadline;
    sift_up(heap, heap->count++);
    return true;
}

void deadline_heap_remove(struct deadline_heap *heap, struct deadline *deadline)
{
    if (deadline->slot == 0)
        return;
    size_t slot = deadline->slot - 1;
    deadline->slot = 0;
    struct deadline *last = heap->entries[--heap->count];
    if (last == deadline)
        return;
    place(heap, slot, last);
    sift_up(heap, slot);
    sift_down(heap, last->slot - 1);
}

struct deadline *deadline_heap_pop_due(struct deadline_heap *heap, nanos now)
{
    struct deadline *first = deadline_heap_first(heap);
    if (first == NULL || first->at > now)
        return NULL;
    deadline_heap_remove(heap, first);
    return first;
}
