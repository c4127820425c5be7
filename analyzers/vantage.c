#include "analyzers/vantage.h"

#include <stdlib.h>

static uint64_t hash_key(const struct vantage *key)
{
    return table_mix(((uint64_t)key->capture << 40) ^ ((uint64_t)key->interface << 20) ^ key->device);
}

static uint64_t hash_vantage(const void *owner, uint32_t number)
{
    return hash_key(&((const struct vantages *)owner)->vantages[number]);
}

static bool same_vantage(const void *owner, uint32_t number, const void *key)
{
    const struct vantage *have = &((const struct vantages *)owner)->vantages[number];
    const struct vantage *wanted = key;
    return have->capture == wanted->capture && have->interface == wanted->interface && have->device == wanted->device;
}

uint32_t vantages_get(struct vantages *vantages, uint32_t capture, uint32_t interface, uint32_t device)
{
    struct vantage key = {.capture = capture, .interface = interface, .device = device};
    if (vantages->latest < vantages->count && same_vantage(vantages, vantages->latest, &key))
        return vantages->latest;
    uint32_t found = table_find(&vantages->table, hash_key(&key), same_vantage, vantages, &key);
    if (found != TABLE_NONE) {
        vantages->latest = found;
        return found;
    }
    if (vantages->count == VANTAGE_LIMIT)
        return VANTAGE_NONE;
    if (vantages->count == vantages->cap) {
        uint32_t cap = vantages->cap == 0 ? 16 : vantages->cap * 2;
        struct vantage *grown = realloc(vantages->vantages, cap * sizeof *grown);
        if (grown == NULL)
            return VANTAGE_NONE;
        vantages->vantages = grown;
        vantages->cap = cap;
    }
    uint32_t number = vantages->count;
    vantages->vantages[number] = key;
    if (!table_add(&vantages->table, hash_key(&key), number, hash_vantage, vantages))
        return VANTAGE_NONE;
    vantages->latest = vantages->count++;
    return number;
}

void vantage_note(struct vantage *vantage, const struct address *source, const struct address *destination)
{
    int family = source->family == ADDRESS_IPV6;
    struct address *common = vantage->common[family];
    if (!vantage->seen[family]) {
        vantage->seen[family] = true;
        common[0] = *source;
        common[1] = *destination;
        vantage->common_count[family] = address_same_ip(source, destination) ? 1 : 2;
        return;
    }
    uint8_t kept = 0;
    for (uint8_t i = 0; i < vantage->common_count[family]; i++) {
        if (address_same_ip(&common[i], source) || address_same_ip(&common[i], destination))
            common[kept++] = common[i];
    }
    vantage->common_count[family] = kept;
}

enum vantage_locality vantage_locality(const struct vantage *vantage, const struct address *address)
{
    int family = address->family == ADDRESS_IPV6;
    uint8_t count = vantage->common_count[family];
    if (count == 2)
        return VANTAGE_EITHER;
    return count == 1 && !address_same_ip(&vantage->common[family][0], address) ? VANTAGE_REMOTE : VANTAGE_LOCAL;
}

void vantages_clear(struct vantages *vantages)
{
    free(vantages->vantages);
    table_clear(&vantages->table);
    *vantages = (struct vantages){0};
}
