#include "loadgen/scenario_check.h"

#include <stdio.h>
#include <string.h>

#include "loadgen/presets.h"

static bool check_weights(const struct schema *schema, const struct yaml_node *population, const char *key,
                          const struct scenario_weights *weights, const struct scenario *scenario,
                          bool (*known)(const struct scenario *, const char *name),
                          size_t (*names)(const struct scenario *, const char **out, size_t cap))
{
    const struct yaml_node *node = population == NULL ? NULL : yaml_node_get(population, key);
    for (size_t i = 0; node != NULL && i < weights->count; i++) {
        const char *name = weights->entries[i].name;
        if (known(scenario, name))
            continue;
        const char *all[2 * SCENARIO_PRESETS_MAX];
        size_t count = names(scenario, all, 2 * SCENARIO_PRESETS_MAX);
        const char *nearest = schema_nearest(name, all, count);
        if (nearest != NULL)
            return schema_error(schema, &node->children[i], "unknown %s preset; did you mean '%s'?", key, nearest);
        char list[300] = "";
        size_t len = 0;
        for (size_t n = 0; n < count && len + strlen(all[n]) + 6 < sizeof list; n++)
            len += (size_t)sprintf(list + len, "%s%s", n > 0 ? ", " : "", all[n]);
        return schema_error(schema, &node->children[i], "unknown %s preset; there are: %s", key, list);
    }
    return true;
}

static bool site_known(const struct scenario *scenario, const char *name)
{
    size_t i = 0;
    while (i < scenario->sites.count && strcmp(scenario->sites.names[i], name) != 0)
        i++;
    return i < scenario->sites.count;
}

static size_t site_names(const struct scenario *scenario, const char **out, size_t cap)
{
    size_t i = 0;
    for (; i < scenario->sites.count && i < cap; i++)
        out[i] = scenario->sites.names[i];
    return i;
}

static bool check_server_sites(const struct schema *schema, const struct yaml_node *root,
                               const struct scenario *scenario)
{
    const struct scenario_servers *lists[] = {&scenario->sfu, &scenario->turn, &scenario->stun};
    const struct yaml_node *servers = yaml_node_get(root, "servers");
    for (size_t l = 0; servers != NULL && l < 3; l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            const char *site = lists[l]->entries[i].site;
            if (*site != '\0' && !site_known(scenario, site))
                return schema_error(schema, servers, "%s stands at '%s', which network.sites doesn't have",
                                    lists[l]->entries[i].name, site);
        }
    }
    return true;
}

static bool check_faults(const struct schema *schema, const struct yaml_node *root, const struct scenario *scenario)
{
    const struct yaml_node *faults = yaml_node_get(root, "faults");
    for (size_t i = 0; faults != NULL && i < scenario->fault_count; i++) {
        const struct scenario_fault *fault = &scenario->faults[i];
        bool found = fault->kind != SCENARIO_KILL;
        const struct scenario_servers *lists[] = {&scenario->sfu, &scenario->turn, &scenario->stun};
        for (size_t l = 0; l < 3 && !found; l++) {
            for (size_t s = 0; s < lists[l]->count; s++)
                found = found || strcmp(lists[l]->entries[s].name, fault->server) == 0;
        }
        if (!found)
            return schema_error(schema, &faults->children[i], "there is no server '%s'", fault->server);
        if (fault->kind != SCENARIO_KILL && (fault->room > scenario->rooms || fault->client > scenario->room_size))
            return schema_error(schema, &faults->children[i], "room%u/%u: there are %u rooms of %u", fault->room,
                                fault->client, scenario->rooms, scenario->room_size);
        if (fault->at >= scenario->duration + scenario->join_spread)
            return schema_error(schema, &faults->children[i], "this is after the end");
    }
    return true;
}

static bool check_sizes(const struct schema *schema, const struct yaml_node *root, const struct scenario *scenario)
{
    const struct yaml_node *rooms = yaml_node_get(root, "rooms");
    const struct yaml_node *at = rooms != NULL ? rooms : root;
    if (scenario->rooms < 1 || scenario->room_size < 1)
        return schema_error(schema, at, "there must be at least one room with at least one participant");
    if ((uint64_t)scenario->rooms * scenario->room_size > 100000)
        return schema_error(schema, at, "%u rooms of %u are too many clients: at most 100,000", scenario->rooms,
                            scenario->room_size);
    if (scenario->publishers > scenario->room_size)
        return schema_error(schema, at, "%u publishers don't fit into a room of %u", scenario->publishers,
                            scenario->room_size);
    for (size_t i = 0; i < scenario->topology_count; i++) {
        if (scenario->topologies[i] == SCENARIO_MESH && scenario->room_size > 64)
            return schema_error(schema, at, "a mesh of %u is beyond what any client can do: at most 64",
                                scenario->room_size);
        if (scenario->topologies[i] == SCENARIO_SFU && scenario->sfu.count == 0)
            return schema_error(schema, at, "the topology sfu needs a server: servers: {sfu: 1}");
    }
    if (scenario->media.data_file > 0 && scenario->media.data_at >= scenario->duration + scenario->join_spread)
        return schema_error(schema, yaml_node_get(root, "media"), "data: the file begins after the end");
    if (scenario->duration <= 0 || scenario->duration > 24 * 3600 * NANOS_PER_S)
        return schema_error(schema, root, "duration: between a moment and 24h");
    return true;
}

static bool check_world(const struct schema *schema, const struct yaml_node *root, const struct scenario *scenario)
{
    const struct yaml_node *population = yaml_node_get(root, "population");
    const struct yaml_node *node = population != NULL ? yaml_node_get(population, "ipv6") : NULL;
    if (scenario->world == SCENARIO_LIVE && scenario->ipv6 > 0)
        return schema_error(schema, node != NULL ? node : root,
                            "the live world has no IPv6 to give: leave it out, or run it with --world sim");
    return true;
}

bool scenario_check(const struct schema *schema, const struct yaml_node *root, const struct scenario *scenario)
{
    const struct yaml_node *population = yaml_node_get(root, "population");
    for (size_t i = 0; i < scenario->matrix_count; i++) {
        if (!presets_nat_known(scenario, scenario->matrix[i]))
            return schema_error(schema, yaml_node_get(root, "matrix"), "unknown nat preset '%s'", scenario->matrix[i]);
    }
    return check_weights(schema, population, "nat", &scenario->nat, scenario, presets_nat_known, presets_nat_names) &&
           check_weights(schema, population, "access", &scenario->access, scenario, presets_access_known,
                         presets_access_names) &&
           check_weights(schema, population, "site", &scenario->site, scenario, site_known, site_names) &&
           check_server_sites(schema, root, scenario) && check_faults(schema, root, scenario) &&
           check_sizes(schema, root, scenario) && check_world(schema, root, scenario);
}
