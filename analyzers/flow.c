#include "analyzers/flow.h"

#include <stdlib.h>
#include <string.h>

#include "analyzers/packet.h"
#include "analyzers/path.h"
#include "analyzers/turn_allocation.h"

struct flow_key flow_key_of(const struct address *source, const struct address *destination, uint32_t vantage,
                            uint8_t protocol, uint8_t *direction)
{
    bool turned = memcmp(source, destination, sizeof *source) > 0;
    *direction = turned;
    return (struct flow_key){.ends = {turned ? *destination : *source, turned ? *source : *destination},
                             .vantage = vantage,
                             .protocol = protocol};
}

static uint64_t hash_key(const struct address ends[2], uint32_t vantage, uint8_t protocol)
{
    uint64_t a = address_hash(&ends[0]);
    uint64_t b = address_hash(&ends[1]);
    return table_mix(a * 31 + (b << 7 | b >> 57) + ((uint64_t)vantage << 8 | protocol));
}

static uint64_t hash_flow(const void *owner, uint32_t number)
{
    const struct flow *flow = &((const struct flows *)owner)->flows[number];
    return hash_key(flow->ends, flow->vantage, flow->protocol);
}

static bool same_flow(const void *owner, uint32_t number, const void *key)
{
    const struct flow *flow = &((const struct flows *)owner)->flows[number];
    const struct flow_key *wanted = key;
    return flow->vantage == wanted->vantage && flow->protocol == wanted->protocol &&
           memcmp(flow->ends, wanted->ends, sizeof flow->ends) == 0;
}

uint32_t flows_find(const struct flows *flows, const struct flow_key *key)
{
    return table_find(&flows->table, hash_key(key->ends, key->vantage, key->protocol), same_flow, flows, key);
}

uint32_t flows_get(struct flows *flows, const struct flow_key *key)
{
    uint32_t found = flows_find(flows, key);
    if (found != TABLE_NONE || flows->count == FLOW_LIMIT)
        return found;
    if (flows->count == flows->cap) {
        uint32_t cap = flows->cap == 0 ? 64 : flows->cap * 2;
        struct flow *grown = realloc(flows->flows, cap * sizeof *grown);
        if (grown == NULL)
            return FLOW_NONE;
        flows->flows = grown;
        flows->cap = cap;
    }
    uint32_t number = flows->count;
    flows->flows[number] = (struct flow){
        .ends = {key->ends[0], key->ends[1]},
        .vantage = key->vantage,
        .protocol = key->protocol,
        .framing = key->protocol == PACKET_UDP ? FLOW_DATAGRAMS : FLOW_OTHER,
        .path = PATH_NONE,
        .allocation = ALLOCATION_NONE,
        .tcp = TABLE_NONE,
    };
    if (!table_add(&flows->table, hash_key(key->ends, key->vantage, key->protocol), number, hash_flow, flows))
        return FLOW_NONE;
    flows->count++;
    return number;
}

void flows_clear(struct flows *flows)
{
    free(flows->flows);
    table_clear(&flows->table);
    *flows = (struct flows){0};
}
