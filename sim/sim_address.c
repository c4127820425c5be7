/* The address plan: sim_world.h says why it is so. */
#include "sim/sim_parts.h"

/* Host numbers skip 0 and 255, which look like network and broadcast addresses. */
enum { HOSTS_IN_24 = 254, NETS_IN_8 = 1 << 16, NETS_IN_10 = 1 << 14 };

static bool next_in(uint32_t *count, struct address block, uint32_t nets, const char *name, struct address *out,
                    struct error *error)
{
    uint32_t net = *count / HOSTS_IN_24;
    if (net >= nets)
        return error_set(error, ERROR_USAGE, "no address is left in %s", name);
    *out = block;
    out->ip[1] = (uint8_t)(block.ip[1] + (net >> 8));
    out->ip[2] = (uint8_t)net;
    out->ip[3] = (uint8_t)(1 + *count % HOSTS_IN_24);
    (*count)++;
    return true;
}

bool sim_address_server(struct sim_world *sim, struct address *out, struct error *error)
{
    return next_in(&sim->servers, address_ipv4(5, 0, 0, 0, 0), NETS_IN_8, "5.0.0.0/8", out, error);
}

bool sim_address_public(struct sim_world *sim, struct address *out, struct error *error)
{
    return next_in(&sim->publics, address_ipv4(31, 0, 0, 0, 0), NETS_IN_8, "31.0.0.0/8", out, error);
}

bool sim_address_carried(struct sim_world *sim, struct address *out, struct error *error)
{
    return next_in(&sim->carried, address_ipv4(100, 64, 0, 0, 0), NETS_IN_10, "100.64.0.0/10", out, error);
}

bool sim_address_private(const struct sim_lan *lan, struct address *out, struct error *error)
{
    if (lan->number >= NETS_IN_8 || lan->hosts >= HOSTS_IN_24)
        return error_set(error, ERROR_USAGE, "no address is left in 10.0.0.0/8: %u LANs, %u hosts in this one",
                         lan->number + 1, lan->hosts);
    /* .1 would be the router */
    *out = address_ipv4(10, (uint8_t)(lan->number >> 8), (uint8_t)lan->number, (uint8_t)(1 + lan->hosts), 0);
    return true;
}

struct address sim_address_ipv6(const struct sim_lan *lan, bool server, uint8_t number)
{
    struct address out = {.family = ADDRESS_IPV6, .ip = {0x2a, server ? 1 : 2}};
    out.ip[4] = (uint8_t)(lan->number >> 24);
    out.ip[5] = (uint8_t)(lan->number >> 16);
    out.ip[6] = (uint8_t)(lan->number >> 8);
    out.ip[7] = (uint8_t)lan->number;
    out.ip[14] = (uint8_t)lan->hosts;
    out.ip[15] = (uint8_t)(number + 1);
    return out;
}
