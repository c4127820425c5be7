#include "analyzers/fragments.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 16
#define DATAGRAM_MAX 65536
#define BLOCK 8 /* fragments start at multiples of eight bytes */

struct slot {
    struct fragment key;
    uint64_t order;    /* when it was begun; 0 for a free slot */
    size_t len;        /* of the whole datagram, 0 until its last fragment is here */
    size_t received;   /* blocks that are here */
    size_t first_hole; /* where the first byte that was not captured lies */
    uint8_t present[DATAGRAM_MAX / BLOCK / 8];
    uint8_t data[DATAGRAM_MAX];
};

struct fragments {
    struct slot *slots[SLOTS]; /* each allocated when first needed */
    uint64_t order;
};

struct fragments *fragments_create(void) { return calloc(1, sizeof(struct fragments)); }

void fragments_destroy(struct fragments *fragments)
{
    for (size_t i = 0; fragments != NULL && i < SLOTS; i++)
        free(fragments->slots[i]);
    free(fragments);
}

static bool same_datagram(const struct fragment *a, const struct fragment *b)
{
    return a->identification == b->identification && a->vantage == b->vantage && a->protocol == b->protocol &&
           address_equal(&a->source, &b->source) && address_equal(&a->destination, &b->destination);
}

static struct slot *slot_of(struct fragments *fragments, const struct fragment *fragment)
{
    size_t victim = 0;
    for (size_t i = 0; i < SLOTS; i++) {
        struct slot *slot = fragments->slots[i];
        if (slot != NULL && slot->order > 0 && same_datagram(&slot->key, fragment))
            return slot;
        uint64_t order = slot == NULL ? 0 : slot->order;
        struct slot *worst = fragments->slots[victim];
        if (order < (worst == NULL ? 0 : worst->order))
            victim = i;
    }
    struct slot *slot = fragments->slots[victim];
    if (slot == NULL)
        slot = fragments->slots[victim] = malloc(sizeof *slot);
    if (slot == NULL)
        return NULL;
    memset(slot, 0, offsetof(struct slot, data));
    slot->key = *fragment;
    slot->order = ++fragments->order;
    slot->first_hole = DATAGRAM_MAX;
    return slot;
}

const uint8_t *fragments_add(struct fragments *fragments, const struct fragment *fragment, size_t *captured_len,
                             size_t *len)
{
    size_t end = fragment->offset + fragment->len;
    if (fragment->len == 0 || end > DATAGRAM_MAX || (fragment->more && fragment->len % BLOCK != 0))
        return NULL;
    struct slot *slot = slot_of(fragments, fragment);
    if (slot == NULL)
        return NULL;
    if (!fragment->more)
        slot->len = end;
    for (size_t at = fragment->offset; at < end; at += BLOCK) {
        size_t block = at / BLOCK;
        if (slot->present[block / 8] & (1u << (block % 8)))
            continue;
        slot->present[block / 8] |= (uint8_t)(1u << (block % 8));
        slot->received++;
        size_t from = at - fragment->offset;
        size_t want = end - at < BLOCK ? end - at : BLOCK;
        size_t have = from >= fragment->captured_len ? 0 : fragment->captured_len - from;
        if (have < want && at + have < slot->first_hole)
            slot->first_hole = at + have;
        if (have > 0)
            memcpy(slot->data + at, fragment->data + from, have < want ? have : want);
    }
    if (slot->len == 0 || slot->received < (slot->len + BLOCK - 1) / BLOCK)
        return NULL;
    slot->order = 0;
    *len = slot->len;
    *captured_len = slot->first_hole < slot->len ? slot->first_hole : slot->len;
    return slot->data;
}
