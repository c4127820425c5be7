#include "sfu/turn_peer_rules.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static bool is_range(const struct turn_peer_range *range)
{
    size_t len = address_ip_len(&range->first);
    return range->first.family != ADDRESS_NONE && range->first.family == range->last.family &&
           memcmp(range->first.ip, range->last.ip, len) <= 0;
}

static bool in_range(const struct turn_peer_range *range, const struct address *peer)
{
    size_t len = address_ip_len(peer);
    return range->first.family == peer->family && memcmp(range->first.ip, peer->ip, len) <= 0 &&
           memcmp(peer->ip, range->last.ip, len) <= 0;
}

static void add_own(struct turn_peer_rules *rules, const struct address *addresses, size_t count)
{
    for (size_t i = 0; i < count && rules->own_count < TURN_OWN_ADDRESSES_MAX; i++) {
        if (addresses[i].family != ADDRESS_NONE)
            rules->own[rules->own_count++] = addresses[i];
    }
}

bool turn_peer_rules_init(struct turn_peer_rules *rules, const struct turn_server_config *config, struct error *error)
{
    struct address host[TURN_OWN_ADDRESSES_MAX / 2];
    memset(rules, 0, sizeof *rules);
    for (size_t i = 0; i < config->peer_range_count; i++) {
        if (!is_range(&config->peer_ranges[i]))
            return error_set(error, ERROR_USAGE, "peer_ranges[%zu]: not a range from a lower to a higher address", i);
    }
    if (config->peer_range_count > 0) {
        rules->ranges = calloc(config->peer_range_count, sizeof *rules->ranges);
        if (rules->ranges == NULL)
            return error_set(error, ERROR_SYSTEM, "TURN: out of memory");
        memcpy(rules->ranges, config->peer_ranges, config->peer_range_count * sizeof *rules->ranges);
        rules->range_count = config->peer_range_count;
    }
    rules->service_count = config->service_count < TURN_SERVICES_MAX ? config->service_count : TURN_SERVICES_MAX;
    for (size_t i = 0; i < rules->service_count; i++)
        rules->services[i] = config->services[i];
    rules->allowed_scopes = config->allowed_scopes | 1u << ADDRESS_GLOBAL;
    rules->relays[0] = config->relay_ipv4;
    rules->relays[1] = config->relay_ipv6;
    rules->relays[2] = config->external_ipv4;
    rules->relay_to_relay = !config->deny_relay_to_relay;
    rules->relay_port_min = config->relay_port_min;
    rules->relay_port_max = config->relay_port_max;
    add_own(rules, rules->relays, 3);
    add_own(rules, config->udp, config->udp_count);
    add_own(rules, config->tcp, config->tcp_count);
    add_own(rules, config->tls, config->tls_count);
    add_own(rules, config->alternate, config->alternate_count);
    size_t host_count = world_host_addresses(config->host, host, sizeof host / sizeof host[0]);
    if (host_count > sizeof host / sizeof host[0])
        host_count = sizeof host / sizeof host[0];
    add_own(rules, host, host_count);
    return true;
}

void turn_peer_rules_clear(struct turn_peer_rules *rules)
{
    free(rules->ranges);
    rules->ranges = NULL;
    rules->range_count = 0;
}

/* The IPv4 address that an IPv6 one leads to through a translator on the way: NAT64 (RFC 6052) or 6to4 (RFC 3056). */
static bool embedded_ipv4(const struct address *peer, struct address *inner)
{
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    const uint8_t *at = NULL;
    if (peer->family != ADDRESS_IPV6)
        return false;
    if (memcmp(peer->ip, nat64, sizeof nat64) == 0)
        at = peer->ip + 12;
    else if (peer->ip[0] == 0x20 && peer->ip[1] == 0x02)
        at = peer->ip + 2;
    if (at == NULL)
        return false;
    *inner = address_ipv4(at[0], at[1], at[2], at[3], peer->port);
    return true;
}

/* ::ffff:a.b.c.d and ::a.b.c.d stand for IPv4 on some hosts and are nobody's address on the wire; but :: and ::1 are what
 * they are. */
static bool is_disguised_ipv4(const struct address *peer)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t compatible[12] = {0};
    if (peer->family != ADDRESS_IPV6)
        return false;
    return memcmp(peer->ip, mapped, 12) == 0 ||
           (memcmp(peer->ip, compatible, 12) == 0 && bytes_get32(peer->ip + 12) > 1);
}

static bool is_own(const struct turn_peer_rules *rules, const struct address *peer)
{
    for (size_t i = 0; i < rules->own_count; i++) {
        if (address_same_ip(&rules->own[i], peer))
            return true;
    }
    return false;
}

static bool is_service(const struct turn_peer_rules *rules, const struct address *peer, bool with_port)
{
    for (size_t i = 0; i < rules->service_count; i++) {
        const struct address *service = &rules->services[i];
        if (with_port ? address_equal(service, peer) : address_same_ip(service, peer))
            return true;
    }
    return false;
}

static bool is_relay_address(const struct turn_peer_rules *rules, const struct address *peer)
{
    for (size_t i = 0; i < 3; i++) {
        if (address_same_ip(&rules->relays[i], peer))
            return true;
    }
    return false;
}

bool turn_peer_rules_only_relays(const struct turn_peer_rules *rules, const struct address *peer)
{
    for (size_t i = 0; i < rules->range_count; i++) {
        if (in_range(&rules->ranges[i], peer))
            return false; /* the operator has decided */
    }
    return is_relay_address(rules, peer) && !is_service(rules, peer, true);
}

static bool allowed(const struct turn_peer_rules *rules, const struct address *peer, bool with_port)
{
    if (is_disguised_ipv4(peer) || (with_port && peer->port == 0))
        return false;
    for (size_t i = 0; i < rules->range_count; i++) {
        if (in_range(&rules->ranges[i], peer))
            return rules->ranges[i].allow;
    }
    if (is_service(rules, peer, with_port))
        return true;
    if (is_own(rules, peer)) {
        bool relay_port = peer->port >= rules->relay_port_min && peer->port <= rules->relay_port_max;
        return rules->relay_to_relay && is_relay_address(rules, peer) && (!with_port || relay_port);
    }
    return (rules->allowed_scopes & 1u << address_scope(peer)) != 0;
}

static bool allowed_inside_and_out(const struct turn_peer_rules *rules, const struct address *peer, bool with_port)
{
    struct address inner;
    if (!allowed(rules, peer, with_port))
        return false;
    /* Nobody has a reason to reach this server itself by way of a translator. */
    return !embedded_ipv4(peer, &inner) || (!is_own(rules, &inner) && allowed(rules, &inner, with_port));
}

bool turn_peer_rules_permit(const struct turn_peer_rules *rules, const struct address *peer)
{
    return allowed_inside_and_out(rules, peer, false);
}

bool turn_peer_rules_send(const struct turn_peer_rules *rules, const struct address *peer)
{
    return allowed_inside_and_out(rules, peer, true);
}
