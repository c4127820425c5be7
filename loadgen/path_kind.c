#include "loadgen/path_kind.h"

/* How far from the wire a candidate is. */
static int distance(enum ice_candidate_type type)
{
    switch (type) {
    case ICE_HOST:
        return 0;
    case ICE_SERVER_REFLEXIVE:
        return 1;
    case ICE_PEER_REFLEXIVE:
        return 2;
    default:
        return 3;
    }
}

enum path_kind path_kind_of(const struct transport_path_info *path, const struct transport_path_info *other)
{
    static const enum path_kind kinds[] = {PATH_HOST, PATH_SRFLX, PATH_PRFLX, PATH_RELAY_UDP};
    enum ice_relay_transport by = path->local == ICE_RELAYED ? path->local_relay : ICE_RELAY_NONE;
    if (other != NULL && other->local == ICE_RELAYED && other->local_relay > by)
        by = other->local_relay;
    if (path->local == ICE_RELAYED || path->remote == ICE_RELAYED)
        return by == ICE_RELAY_TLS ? PATH_RELAY_TLS : by == ICE_RELAY_TCP ? PATH_RELAY_TCP : PATH_RELAY_UDP;
    int local = distance(path->local);
    int remote = distance(path->remote);
    return kinds[local > remote ? local : remote];
}

const char *path_kind_name(enum path_kind kind)
{
    static const char *const names[] = {
        [PATH_NONE] = "none",          [PATH_HOST] = "host",           [PATH_SRFLX] = "srflx",
        [PATH_PRFLX] = "prflx",        [PATH_RELAY_UDP] = "relay-udp", [PATH_RELAY_TCP] = "relay-tcp",
        [PATH_RELAY_TLS] = "relay-tls"};
    return names[kind];
}

void path_kind_count(struct result_connections *connections, enum path_kind kind, int change)
{
    uint64_t *const counts[] = {[PATH_NONE] = NULL,
                                [PATH_HOST] = &connections->host,
                                [PATH_SRFLX] = &connections->srflx,
                                [PATH_PRFLX] = &connections->prflx,
                                [PATH_RELAY_UDP] = &connections->relay_udp,
                                [PATH_RELAY_TCP] = &connections->relay_tcp,
                                [PATH_RELAY_TLS] = &connections->relay_tls};
    if (counts[kind] != NULL)
        *counts[kind] += (uint64_t)change;
}
