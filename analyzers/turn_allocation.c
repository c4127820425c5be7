#include "analyzers/turn_allocation.h"

#include <stdlib.h>

static uint64_t hash_of(const struct turn_allocation *a)
{
    return table_mix(address_hash(&a->relayed) * 3 + address_hash(&a->mapped) * 5 + address_hash(&a->server));
}

static uint64_t hash_allocation(const void *owner, uint32_t number)
{
    return hash_of(&((const struct turn_allocations *)owner)->allocations[number]);
}

static bool same_allocation(const void *owner, uint32_t number, const void *key)
{
    const struct turn_allocation *have = &((const struct turn_allocations *)owner)->allocations[number];
    const struct turn_allocation *wanted = key;
    return address_equal(&have->relayed, &wanted->relayed) && address_equal(&have->mapped, &wanted->mapped) &&
           address_equal(&have->server, &wanted->server);
}

uint32_t turn_allocations_get(struct turn_allocations *allocations, const struct turn_allocation *allocation)
{
    uint64_t hash = hash_of(allocation);
    uint32_t found = table_find(&allocations->table, hash, same_allocation, allocations, allocation);
    if (found != TABLE_NONE || allocations->count == ALLOCATION_LIMIT)
        return found;
    if (allocations->count == allocations->cap) {
        uint32_t cap = allocations->cap == 0 ? 16 : allocations->cap * 2;
        struct turn_allocation *grown = realloc(allocations->allocations, cap * sizeof *grown);
        if (grown == NULL)
            return ALLOCATION_NONE;
        allocations->allocations = grown;
        allocations->cap = cap;
    }
    uint32_t number = allocations->count;
    allocations->allocations[number] = *allocation;
    if (!table_add(&allocations->table, hash, number, hash_allocation, allocations))
        return ALLOCATION_NONE;
    allocations->count++;
    return number;
}

void turn_allocations_clear(struct turn_allocations *allocations)
{
    free(allocations->allocations);
    table_clear(&allocations->table);
    *allocations = (struct turn_allocations){0};
}
