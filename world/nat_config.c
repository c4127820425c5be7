#include "world/nat.h"

bool nat_config_check(const struct nat_config *config, struct error *error)
{
    if (config->external_count > NAT_EXTERNAL_MAX || (config->external_count == 0) != config->translate_none)
        return error_set(error, ERROR_USAGE, "nat: %zu external addresses, where a NAT has 1 to %d and a firewall none",
                         config->external_count, NAT_EXTERNAL_MAX);
    for (size_t i = 0; i < config->external_count; i++)
        if (config->external[i].family != ADDRESS_IPV4)
            return error_set(error, ERROR_USAGE, "nat: external address %zu is not IPv4", i);
    if (config->port_min > config->port_max)
        return error_set(error, ERROR_USAGE, "nat: port range %u to %u is empty", config->port_min, config->port_max);
    bool overloads = config->mapping == NAT_ADDRESS_AND_PORT_DEPENDENT &&
                     config->filtering == NAT_ADDRESS_AND_PORT_DEPENDENT &&
                     (config->allocation == NAT_PRESERVE || config->allocation == NAT_RANDOM);
    if (config->overload && !overloads)
        return error_set(error, ERROR_USAGE,
                         "nat: port overloading wants address-and-port-dependent mapping and filtering and "
                         "allocation preserve or random");
    uint32_t first_block = (config->port_min + config->block_size - 1u) / config->block_size;
    if (config->allocation == NAT_BLOCK && first_block + 1 > (config->port_max + 1u) / config->block_size)
        return error_set(error, ERROR_USAGE, "nat: no block of %u ports fits between %u and %u", config->block_size,
                         config->port_min, config->port_max);
    return true;
}

static nanos or_default(nanos value, nanos fallback) { return value != 0 ? value : fallback; }

void nat_config_complete(struct nat_config *config)
{
    config->udp_timeout = or_default(config->udp_timeout, NAT_UDP_TIMEOUT);
    config->tcp_syn_timeout = or_default(config->tcp_syn_timeout, NAT_TCP_SYN_TIMEOUT);
    config->tcp_established_timeout = or_default(config->tcp_established_timeout, NAT_TCP_ESTABLISHED_TIMEOUT);
    config->tcp_transitory_timeout = or_default(config->tcp_transitory_timeout, NAT_TCP_TRANSITORY_TIMEOUT);
    config->port_min = (uint16_t)or_default(config->port_min, NAT_PORT_MIN);
    config->port_max = (uint16_t)or_default(config->port_max, NAT_PORT_MAX);
    config->block_size = (uint16_t)or_default(config->block_size, NAT_BLOCK_SIZE);
    config->mapping_limit = (uint32_t)or_default(config->mapping_limit, NAT_MAPPING_LIMIT);
    config->session_limit = (uint32_t)or_default(config->session_limit, NAT_SESSION_LIMIT);
    for (size_t i = 0; i < config->external_count && i < NAT_EXTERNAL_MAX; i++)
        config->external[i].port = 0;
}
