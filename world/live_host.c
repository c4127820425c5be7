/* Hosts of the machine's own network. */
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "world/live_internal.h"

enum { MACHINE_ADDRESSES_MAX = 64 };

socklen_t live_to_sockaddr(const struct address *address, struct sockaddr_storage *out)
{
    if (address->family == ADDRESS_IPV6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        *in6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
        memcpy(&in6->sin6_addr, address->ip, 16);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    *in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(address->port)};
    memcpy(&in->sin_addr, address->ip, 4);
    return sizeof *in;
}

struct address live_from_sockaddr(const struct sockaddr *from)
{
    struct address out = {0};
    if (from->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)from;
        out.family = ADDRESS_IPV6;
        out.port = ntohs(in6->sin6_port);
        memcpy(out.ip, &in6->sin6_addr, 16);
    } else if (from->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)from;
        out.family = ADDRESS_IPV4;
        out.port = ntohs(in->sin_port);
        memcpy(out.ip, &in->sin_addr, 4);
    }
    return out;
}

size_t live_machine_addresses(struct address *out, size_t cap, bool loopback)
{
    struct ifaddrs *interfaces = NULL;
    size_t count = 0;
    if (getifaddrs(&interfaces) != 0)
        return 0;
    for (int pass = 0; pass < 4; pass++) { /* IPv4, its loopback, IPv6, its loopback */
        sa_family_t family = pass < 2 ? AF_INET : AF_INET6;
        bool local = pass % 2 == 1;
        for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next) {
            if (i->ifa_addr == NULL || i->ifa_addr->sa_family != family || (i->ifa_flags & IFF_UP) == 0)
                continue;
            struct address address = live_from_sockaddr(i->ifa_addr);
            enum address_scope scope = address_scope(&address);
            address.port = 0;
            if (scope == ADDRESS_LINK_LOCAL || (scope == ADDRESS_LOOPBACK) != local || (local && !loopback))
                continue;
            if (count < cap)
                out[count] = address;
            count++;
        }
    }
    freeifaddrs(interfaces);
    return count == 0 && !loopback ? live_machine_addresses(out, cap, true) : count;
}

struct world_host *live_host_create(struct live_world *live, const char *name, const struct address *addresses,
                                    size_t count, struct error *error)
{
    struct world_host *host = calloc(1, sizeof *host + count * sizeof *addresses);
    if (host == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    host->world = &live->world;
    host->live = live;
    snprintf(host->name, sizeof host->name, "%s", name);
    host->address_count = count;
    for (size_t i = 0; i < count; i++) {
        host->addresses[i] = addresses[i];
        host->addresses[i].port = 0;
    }
    DL_APPEND(live->hosts, host);
    return host;
}

struct world_host *live_world_add_host(struct live_world *live, const struct live_host_config *config,
                                       struct error *error)
{
    const char *name = config->name != NULL ? config->name : "host";
    struct address own[MACHINE_ADDRESSES_MAX];
    const struct address *addresses = config->address_count > 0 ? config->addresses : own;
    size_t count = config->address_count;
    if (count == 0)
        count = live_machine_addresses(own, MACHINE_ADDRESSES_MAX, false);
    if (count == 0) {
        error_set(error, ERROR_SYSTEM, "%s: this machine has no address", name);
        return NULL;
    }
    struct world_host *host =
        live_host_create(live, name, addresses, count < MACHINE_ADDRESSES_MAX ? count : MACHINE_ADDRESSES_MAX, error);
    if (host == NULL)
        return NULL;
    host->any_address = addresses == own;
    host->sharing = (uint8_t)config->sharing;
    return host;
}

void live_host_set_tap(struct world_host *host, live_tap tap, void *user)
{
    host->tap = tap;
    host->tap_user = user;
}
