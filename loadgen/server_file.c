#include "loadgen/server_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/schema.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool read_path(const struct schema *schema, const struct yaml_node *node, void *out)
{
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    if (node->text[0] == '\0' || strlen(node->text) >= SERVER_PATH_CAP)
        return schema_error(schema, node, "this is not the name of a file");
    snprintf(out, SERVER_PATH_CAP, "%s", node->text);
    return true;
}

static bool read_ip(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct address address;
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    if (!address_parse(&address, node->text) || address.port != 0)
        return schema_error(schema, node, "'%s' is not an IP address, such as 192.0.2.1 or 2001:db8::1", node->text);
    *(struct address *)out = address;
    return true;
}

static bool read_port(const struct schema *schema, const struct yaml_node *node, void *out)
{
    uint64_t port = 0;
    if (!schema_seed(schema, node, &port))
        return false;
    if (port > UINT16_MAX)
        return schema_error(schema, node, "'%s' is not a port: at most 65535", node->text);
    *(uint16_t *)out = (uint16_t)port;
    return true;
}

/* One value or a list of them. */
static bool read_each(const struct schema *schema, const struct yaml_node *node, schema_reader read, void *first,
                      size_t size, size_t cap, size_t *count)
{
    bool list = node->kind == YAML_SEQUENCE;
    size_t values = list ? node->count : 1;
    if (values > cap)
        return schema_error(schema, node, "at most %zu of them", cap);
    for (size_t i = 0; i < values; i++) {
        if (!read(schema, list ? &node->children[i] : node, (char *)first + i * size))
            return false;
    }
    *count = values;
    return true;
}

static bool read_listen(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct server_config *config = out;
    return read_each(schema, node, read_ip, config->listen, sizeof config->listen[0], SERVER_LISTEN_MAX,
                     &config->listen_count);
}

static bool read_main_port(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct server_config *config = out;
    config->port_given = true;
    return read_port(schema, node, &config->port);
}

static bool read_texts(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct server_texts *texts = out;
    return read_each(schema, node, schema_text, texts->text, sizeof texts->text[0], SERVER_TOKENS_MAX, &texts->count);
}

static bool read_tls(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        {"certificate", read_path, offsetof(struct server_config, certificate)},
        {"key", read_path, offsetof(struct server_config, key)},
        {"only", schema_flag, offsetof(struct server_config, tls_only)},
    };
    struct server_config *config = out;
    if (!schema_mapping(schema, node, fields, COUNT(fields), out))
        return false;
    if ((config->certificate[0] == '\0') != (config->key[0] == '\0'))
        return schema_error(schema, node, "certificate and key belong together");
    return true;
}

static bool read_turn_port(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct server_turn_config *turn = out;
    turn->port_given = true;
    return read_port(schema, node, &turn->port);
}

static bool read_turn_tls_port(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct server_turn_config *turn = out;
    turn->tls_port_given = true;
    return read_port(schema, node, &turn->tls_port);
}

static bool read_users(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct server_turn_config *turn = out;
    if (!schema_expect(schema, node, YAML_MAPPING))
        return false;
    if (node->count > SERVER_USERS_MAX)
        return schema_error(schema, node, "at most %d of them", SERVER_USERS_MAX);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *user = &node->children[i];
        if (strlen(user->key) >= SERVER_TEXT_CAP)
            return schema_error(schema, user, "that name is too long");
        snprintf(turn->users[i].name, SERVER_TEXT_CAP, "%s", user->key);
        if (!schema_text(schema, user, turn->users[i].password))
            return false;
    }
    turn->user_count = node->count;
    return true;
}

static bool read_relay_ports(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct server_turn_config *turn = out;
    uint16_t ports[2];
    size_t count = 0;
    if (!schema_expect(schema, node, YAML_SEQUENCE) ||
        !read_each(schema, node, read_port, ports, sizeof ports[0], 2, &count))
        return false;
    if (count != 2 || ports[0] == 0 || ports[0] > ports[1])
        return schema_error(schema, node, "this is [lowest, highest]");
    turn->relay_port_min = ports[0];
    turn->relay_port_max = ports[1];
    return true;
}

/* "10.0.0.0/8", or an address alone. */
static bool read_range(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct turn_peer_range *range = out;
    char text[ADDRESS_TEXT_CAP];
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    const char *slash = strchr(node->text, '/');
    size_t len = slash != NULL ? (size_t)(slash - node->text) : strlen(node->text);
    snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text - 1), node->text);
    if (len >= sizeof text || !address_parse(&range->first, text) || range->first.port != 0)
        return schema_error(schema, node, "'%s' is not a range of addresses, such as 10.0.0.0/8", node->text);
    size_t bits = address_ip_len(&range->first) * 8;
    char *end = NULL;
    unsigned long prefix = slash != NULL ? strtoul(slash + 1, &end, 10) : bits;
    if (prefix > bits || (end != NULL && (*end != '\0' || end == slash + 1)))
        return schema_error(schema, node, "'%s' is not a range of addresses: the prefix is 0 to %zu", node->text, bits);
    range->last = range->first;
    for (size_t bit = prefix; bit < bits; bit++) {
        range->first.ip[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
        range->last.ip[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    return true;
}

static bool read_ranges(const struct schema *schema, const struct yaml_node *node, struct server_turn_config *turn,
                        bool allow)
{
    size_t count = 0;
    struct turn_peer_range *first = &turn->ranges[turn->range_count];
    if (!read_each(schema, node, read_range, first, sizeof *first, SERVER_RANGES_MAX - turn->range_count, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        first[i].allow = allow;
    turn->range_count += count;
    return true;
}

static bool read_allow(const struct schema *schema, const struct yaml_node *node, void *out)
{
    return read_ranges(schema, node, out, true);
}

static bool read_deny(const struct schema *schema, const struct yaml_node *node, void *out)
{
    return read_ranges(schema, node, out, false);
}

static bool read_turn(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        {"port", read_turn_port, 0},
        {"tls_port", read_turn_tls_port, 0},
        {"secret", schema_text, offsetof(struct server_turn_config, secret)},
        {"realm", schema_text, offsetof(struct server_turn_config, realm)},
        {"users", read_users, 0},
        {"relay_ports", read_relay_ports, 0},
        {"user_quota", schema_count, offsetof(struct server_turn_config, user_quota)},
        {"total_quota", schema_count, offsetof(struct server_turn_config, total_quota)},
        {"rfc5766_channels", schema_flag, offsetof(struct server_turn_config, rfc5766_channels)},
        {"allow", read_allow, 0},
        {"deny", read_deny, 0},
    };
    struct server_turn_config *turn = out;
    bool on = true;
    if (node->kind != YAML_SCALAR)
        return schema_mapping(schema, node, fields, COUNT(fields), out);
    if (!schema_flag(schema, node, &on))
        return false;
    turn->off = !on;
    return true;
}

static bool read_tokens(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        {"publish", read_texts, offsetof(struct server_config, publish_tokens)},
        {"play", read_texts, offsetof(struct server_config, play_tokens)},
    };
    return schema_mapping(schema, node, fields, COUNT(fields), out);
}

static bool read_limits(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        {"room", schema_count, offsetof(struct server_config, room_limit)},
        {"participants", schema_count, offsetof(struct server_config, participant_limit)},
        {"connections", schema_count, offsetof(struct server_config, connection_limit)},
    };
    return schema_mapping(schema, node, fields, COUNT(fields), out);
}

static bool read_workers(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct server_config *config = out;
    if (!schema_count(schema, node, &config->workers))
        return false;
    return (config->workers > 0 && config->workers <= SERVER_WORKERS_MAX) ||
           schema_error(schema, node, "'%s' is not a number of threads from 1 to %d", node->text, SERVER_WORKERS_MAX);
}

static bool read_config(const char *file, const struct yaml_node *root, struct server_config *config,
                        struct error *error)
{
    static const struct schema_field fields[] = {
        {"listen", read_listen, 0},
        {"port", read_main_port, 0},
        {"public_address", read_ip, offsetof(struct server_config, public_address)},
        {"tls", read_tls, 0},
        {"state", read_path, offsetof(struct server_config, state)},
        {"turn", read_turn, offsetof(struct server_config, turn)},
        {"origins", read_texts, offsetof(struct server_config, origins)},
        {"tokens", read_tokens, 0},
        {"limits", read_limits, 0},
        {"workers", read_workers, 0},
        {"always_show", schema_flag, offsetof(struct server_config, always_show)},
        {"capture", read_path, offsetof(struct server_config, capture)},
        {"keylog", read_path, offsetof(struct server_config, keylog)},
    };
    const struct schema schema = {.file = file, .error = error};
    return schema_mapping(&schema, root, fields, COUNT(fields), config);
}

static bool read_root(const char *name, struct yaml_node *root, struct server_config *config, struct error *error)
{
    bool read = root != NULL && read_config(name, root, config, error);
    yaml_node_free(root);
    return read;
}

bool server_file_read(const char *path, struct server_config *config, struct error *error)
{
    return read_root(path, yaml_node_load(path, error), config, error);
}

bool server_file_parse(const char *name, const char *text, size_t len, struct server_config *config,
                       struct error *error)
{
    return read_root(name, yaml_node_parse(name, text, len, error), config, error);
}
