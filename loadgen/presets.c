#include "loadgen/presets.h"

#include <stdio.h>
#include <string.h>

#define FIELD(type, member, reader)                                                                                    \
    {                                                                                                                  \
        .key = #member, .read = (reader), .offset = offsetof(type, member)                                             \
    }
#define FIELDS(table) (table), sizeof(table) / sizeof((table)[0])

/* --- NATs --------------------------------------------------------------------------------------------------------------- */

static const char *const dependences[] = {"ei", "ad", "apd"};
static const char *const allocations[] = {"preserve", "parity", "contiguous", "random", "block"};
static const char *const poolings[] = {"paired", "arbitrary"};
static const char *const hairpins[] = {"none", "external", "internal"};
static const char *const refreshes[] = {"outbound", "inbound", "both"};
static const char *const ipv6s[] = {"firewall", "open", "none"};

static bool read_word(const struct schema *schema, const struct yaml_node *node, const char *const *words, size_t count,
                      int *out)
{
    char list[100] = "";
    size_t used = 0;
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(node->text, words[i]) == 0) {
            *out = (int)i;
            return true;
        }
        int wrote = snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", words[i]);
        used += wrote > 0 && (size_t)wrote < sizeof list - used ? (size_t)wrote : 0;
    }
    return schema_error(schema, node, "'%s' is not one of: %s", node->text, list);
}

#define WORD_READER(name, type, words)                                                                                 \
    static bool name(const struct schema *schema, const struct yaml_node *node, void *out)                             \
    {                                                                                                                  \
        int which = 0;                                                                                                 \
        if (!read_word(schema, node, words, sizeof(words) / sizeof((words)[0]), &which))                               \
            return false;                                                                                              \
        *(type *)out = (type)which;                                                                                    \
        return true;                                                                                                   \
    }
WORD_READER(read_dependence, enum nat_dependence, dependences)
WORD_READER(read_allocation, enum nat_allocation, allocations)
WORD_READER(read_pooling, enum nat_pooling, poolings)
WORD_READER(read_hairpin, enum nat_hairpin, hairpins)
WORD_READER(read_refresh, enum nat_refresh, refreshes)
WORD_READER(read_ipv6, enum nat_ipv6, ipv6s)

static bool read_port(const struct schema *schema, const struct yaml_node *node, void *out)
{
    uint32_t port = 0;
    if (!schema_count(schema, node, &port))
        return false;
    if (port == 0 || port > UINT16_MAX)
        return schema_error(schema, node, "'%s' is no port: 1 to 65535", node->text);
    *(uint16_t *)out = (uint16_t)port;
    return true;
}

static bool read_ports(const struct schema *schema, const struct yaml_node *node, void *out)
{
    uint16_t *ports = out;
    if (!schema_expect(schema, node, YAML_SEQUENCE))
        return false;
    if (node->count > NAT_ALLOWED_PORTS_MAX)
        return schema_error(schema, node, "at most %d ports", NAT_ALLOWED_PORTS_MAX);
    for (size_t i = 0; i < node->count; i++) {
        if (!read_port(schema, &node->children[i], &ports[i]))
            return false;
    }
    return true;
}

bool presets_read_nat(const struct schema *schema, const struct yaml_node *node, struct nat_config *config)
{
    static const struct schema_field fields[] = {
        FIELD(struct nat_config, mapping, read_dependence),
        FIELD(struct nat_config, filtering, read_dependence),
        FIELD(struct nat_config, allocation, read_allocation),
        FIELD(struct nat_config, pooling, read_pooling),
        FIELD(struct nat_config, hairpin, read_hairpin),
        FIELD(struct nat_config, refresh, read_refresh),
        FIELD(struct nat_config, overload, schema_flag),
        FIELD(struct nat_config, ipv6, read_ipv6),
        FIELD(struct nat_config, ipv6_filtering, read_dependence),
        FIELD(struct nat_config, udp_timeout, schema_duration),
        FIELD(struct nat_config, tcp_syn_timeout, schema_duration),
        FIELD(struct nat_config, tcp_established_timeout, schema_duration),
        FIELD(struct nat_config, tcp_transitory_timeout, schema_duration),
        FIELD(struct nat_config, udp_blocked, schema_flag),
        FIELD(struct nat_config, tcp_blocked, schema_flag),
        FIELD(struct nat_config, tcp_allowed_ports, read_ports),
        FIELD(struct nat_config, port_min, read_port),
        FIELD(struct nat_config, port_max, read_port),
        FIELD(struct nat_config, block_size, read_port),
        FIELD(struct nat_config, host_limit, schema_count),
        FIELD(struct nat_config, mapping_limit, schema_count),
        FIELD(struct nat_config, session_limit, schema_count),
    };
    if (!schema_mapping(schema, node, FIELDS(fields), config))
        return false;
    /* The model itself knows which knobs contradict each other: let it look at this one now, not at the run's start. */
    struct nat_config trial = *config;
    trial.external[0] = address_ipv4(192, 0, 2, 1, 0);
    trial.external_count = 1;
    struct error why;
    struct nat *nat = nat_create(&trial, &why);
    if (nat == NULL)
        return schema_error(schema, node, "%s", why.text);
    nat_destroy(nat);
    return true;
}

const struct nat_preset *presets_nat(const struct scenario *scenario, const char *name, struct nat_preset *room)
{
    for (size_t i = 0; i < scenario->nat_count; i++) {
        if (strcmp(scenario->nats[i].name, name) == 0) {
            *room = (struct nat_preset){.name = scenario->nats[i].name, .count = 1, .nats = {scenario->nats[i].config}};
            return room;
        }
    }
    return nat_preset_find(name);
}

bool presets_nat_known(const struct scenario *scenario, const char *name)
{
    struct nat_preset room;
    return presets_nat(scenario, name, &room) != NULL;
}

size_t presets_nat_names(const struct scenario *scenario, const char **out, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < scenario->nat_count && count < cap; i++)
        out[count++] = scenario->nats[i].name;
    const struct nat_preset *preset;
    for (size_t i = 0; count < cap && (preset = nat_preset_at(i)) != NULL; i++)
        out[count++] = preset->name;
    return count;
}

size_t presets_rfc4787(char names[][SCENARIO_NAME_CAP], size_t cap)
{
    static const char *const three_allocations[] = {"preserve", "contiguous", "random"};
    size_t count = 0;
    for (size_t m = 0; m < 3; m++) {
        for (size_t f = 0; f < 3; f++) {
            for (size_t a = 0; a < 3 && count < cap; a++)
                snprintf(names[count++], SCENARIO_NAME_CAP, "%s-%s-%s", dependences[m], dependences[f],
                         three_allocations[a]);
        }
    }
    return count;
}

/* --- access links --------------------------------------------------------------------------------------------------------- */

static bool read_discipline(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const char *const words[] = {"drop-tail", "codel"};
    int which = 0;
    if (!read_word(schema, node, words, 2, &which))
        return false;
    *(enum link_discipline *)out = which == 0 ? LINK_DROP_TAIL : LINK_CODEL;
    return true;
}

static const struct schema_field link_fields[] = {
    {.key = "rate", .read = schema_bitrate, .offset = offsetof(struct link_config, rate_bps)},
    {.key = "delay", .read = schema_duration, .offset = offsetof(struct link_config, delay)},
    {.key = "jitter", .read = schema_duration, .offset = offsetof(struct link_config, jitter)},
    {.key = "loss", .read = schema_ratio, .offset = offsetof(struct link_config, loss)},
    {.key = "loss_burst", .read = schema_amount, .offset = offsetof(struct link_config, loss_burst)},
    {.key = "queue", .read = schema_size, .offset = offsetof(struct link_config, queue_bytes)},
    {.key = "discipline", .read = read_discipline, .offset = offsetof(struct link_config, discipline)},
    {.key = "overhead", .read = schema_count, .offset = offsetof(struct link_config, overhead_bytes)},
};

static bool read_link(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct link_config *link = out;
    if (!schema_mapping(schema, node, FIELDS(link_fields), link))
        return false;
    if (link->rate_bps > 0 && link->queue_bytes == 0)
        link->queue_bytes = link->rate_bps / 8 * 3 / 10; /* 300 ms, RFC 8867's default */
    if (link->queue_bytes > 0 && link->queue_bytes < 1500)
        link->queue_bytes = 1500;
    return true;
}

bool presets_read_access(const struct schema *schema, const struct yaml_node *node, struct access_preset *preset)
{
    static const struct schema_field fields[] = {
        FIELD(struct access_preset, up, read_link),
        FIELD(struct access_preset, down, read_link),
    };
    *preset = (struct access_preset){.source = "the scenario"};
    if (yaml_node_get(node, "up") != NULL && yaml_node_get(node, "down") != NULL)
        return schema_mapping(schema, node, FIELDS(fields), preset);
    if (yaml_node_get(node, "rate") == NULL)
        return schema_error(schema, node, "an access is {up: {rate: 5mbps, …}, down: {…}}, or {rate: …} for both ways");
    return read_link(schema, node, &preset->up) && read_link(schema, node, &preset->down);
}

const struct access_preset *presets_access(const struct scenario *scenario, const char *name)
{
    for (size_t i = 0; i < scenario->access_count; i++) {
        if (strcmp(scenario->accesses[i].name, name) == 0)
            return &scenario->accesses[i].preset;
    }
    return access_preset_find(name);
}

bool presets_access_known(const struct scenario *scenario, const char *name)
{
    return presets_access(scenario, name) != NULL;
}

size_t presets_access_names(const struct scenario *scenario, const char **out, size_t cap)
{
    size_t count = 0;
    for (size_t i = 0; i < scenario->access_count && count < cap; i++)
        out[count++] = scenario->accesses[i].name;
    const struct access_preset *preset;
    for (size_t i = 0; count < cap && (preset = access_preset_at(i)) != NULL; i++)
        out[count++] = preset->name;
    return count;
}
