#include "sfu/reply_limit.h"

bool reply_limit_allow(struct reply_limit *limit, const struct address *source, nanos now)
{
    struct address network = *source;
    uint32_t second = (uint32_t)(now / NANOS_PER_S) + 1;
    network.port = 0;
    if (network.family == ADDRESS_IPV6)
        memset(network.ip + 8, 0, 8);
    uint64_t hash = (address_hash(&network) ^ limit->key) * 0x9e3779b97f4a7c15u;
    size_t slot = hash >> 52;
    if (limit->slots[slot].second != second) {
        limit->slots[slot].second = second;
        limit->slots[slot].count = 0;
    }
    if (limit->slots[slot].count >= limit->per_second)
        return false;
    limit->slots[slot].count++;
    return true;
}
