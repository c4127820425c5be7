#include "loadgen/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/presets.h"
#include "loadgen/scenario_check.h"
#include "loadgen/schema.h"
#include "peer/data_exchange.h"
#include "report/threshold.h"

#define FIELD(type, member, key_name, reader)                                                                          \
    {                                                                                                                  \
        .key = (key_name), .read = (reader), .offset = offsetof(type, member)                                          \
    }
#define FIELDS(table) (table), sizeof(table) / sizeof((table)[0])

/* --- single words ----------------------------------------------------------------------------------------------------- */

static bool one_of(const struct schema *schema, const struct yaml_node *node, const char *const *words, size_t count,
                   size_t *which)
{
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    char list[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(node->text, words[i]) == 0) {
            *which = i;
            return true;
        }
        int wrote = snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", words[i]);
        used += wrote > 0 && (size_t)wrote < sizeof list - used ? (size_t)wrote : 0;
    }
    return schema_error(schema, node, "'%s' is not one of: %s", node->text, list);
}

static bool read_world(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const char *const words[] = {"sim", "live"};
    size_t which = 0;
    if (!one_of(schema, node, words, 2, &which))
        return false;
    *(enum scenario_world *)out = which == 0 ? SCENARIO_SIM : SCENARIO_LIVE;
    return true;
}

static bool read_topologies(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const char *const words[] = {"mesh", "sfu"};
    struct scenario *scenario = out;
    if (!schema_expect(schema, node, YAML_SEQUENCE))
        return false;
    if (node->count < 1 || node->count > 2)
        return schema_error(schema, node, "one or both of mesh and sfu, as in [mesh, sfu]");
    scenario->topology_count = 0;
    for (size_t i = 0; i < node->count; i++) {
        size_t which = 0;
        if (!one_of(schema, &node->children[i], words, 2, &which))
            return false;
        scenario->topologies[scenario->topology_count++] = which == 0 ? SCENARIO_MESH : SCENARIO_SFU;
    }
    if (node->count == 2 && scenario->topologies[0] == scenario->topologies[1])
        return schema_error(schema, node, "'%s' is there twice", node->children[0].text);
    return true;
}

/* --- population ------------------------------------------------------------------------------------------------------- */

static bool read_weights(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario_weights *weights = out;
    if (!schema_expect(schema, node, YAML_MAPPING))
        return false;
    if (node->count == 0 || node->count > SCENARIO_WEIGHTS_MAX)
        return schema_error(schema, node, "1 to %d presets with a weight each, as in {home: 60, open: 40}",
                            SCENARIO_WEIGHTS_MAX);
    double sum = 0;
    weights->count = 0;
    for (size_t i = 0; i < node->count; i++) {
        struct scenario_weight *entry = &weights->entries[weights->count++];
        if (strlen(node->children[i].key) >= sizeof entry->name)
            return schema_error(schema, &node->children[i], "this name is too long");
        snprintf(entry->name, sizeof entry->name, "%s", node->children[i].key);
        if (!schema_amount(schema, &node->children[i], &entry->weight))
            return false;
        sum += entry->weight;
    }
    return sum > 0 || schema_error(schema, node, "all weights are 0, so nobody could be drawn");
}

static bool read_population(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario, nat, "nat", read_weights),
        FIELD(struct scenario, access, "access", read_weights),
        FIELD(struct scenario, site, "site", read_weights),
        FIELD(struct scenario, ipv6, "ipv6", schema_ratio),
    };
    return schema_mapping(schema, node, FIELDS(fields), out);
}

static bool read_rooms(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario, rooms, "count", schema_count),
        FIELD(struct scenario, room_size, "size", schema_count),
        FIELD(struct scenario, publishers, "publishers", schema_count),
    };
    return schema_mapping(schema, node, FIELDS(fields), out);
}

static bool read_join(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {FIELD(struct scenario, join_spread, "spread", schema_duration)};
    return schema_mapping(schema, node, FIELDS(fields), out);
}

/* --- media ------------------------------------------------------------------------------------------------------------ */

static bool read_codec(const struct schema *schema, const struct yaml_node *node, const char *only, char *out)
{
    if (!schema_text(schema, node, out))
        return false;
    return strcmp(out, only) == 0 ||
           schema_error(schema, node, "'%s' is not a codec that confab sends: only %s here", out, only);
}

static bool read_audio_codec(const struct schema *schema, const struct yaml_node *node, void *out)
{
    return read_codec(schema, node, "opus", out);
}

static bool read_video_codec(const struct schema *schema, const struct yaml_node *node, void *out)
{
    return read_codec(schema, node, "vp8", out);
}

static bool read_layer(const struct schema *schema, const struct yaml_node *node, struct scenario_layer *layer)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_layer, height, "height", schema_count),
        FIELD(struct scenario_layer, fps, "fps", schema_count),
        FIELD(struct scenario_layer, bitrate, "bitrate", schema_bitrate),
    };
    *layer = (struct scenario_layer){.fps = 30};
    if (!schema_mapping(schema, node, FIELDS(fields), layer))
        return false;
    if (layer->height < 16 || layer->height > 4320 || layer->fps < 1 || layer->fps > 120 || layer->bitrate < 30000)
        return schema_error(schema, node,
                            "a layer has a height (16 to 4320), fps (1 to 120) and a bitrate of 30kbps or more");
    return true;
}

static bool read_layers(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario_media *media = out;
    if (!schema_expect(schema, node, YAML_SEQUENCE))
        return false;
    if (node->count < 1 || node->count > SCENARIO_LAYERS_MAX)
        return schema_error(schema, node, "1 to %d layers, lowest first", SCENARIO_LAYERS_MAX);
    media->layer_count = node->count;
    for (size_t i = 0; i < node->count; i++) {
        if (!read_layer(schema, &node->children[i], &media->layers[i]))
            return false;
        if (i > 0 && (media->layers[i].bitrate <= media->layers[i - 1].bitrate ||
                      media->layers[i].height < media->layers[i - 1].height))
            return schema_error(schema, &node->children[i], "layers go from the lowest to the highest");
    }
    return true;
}

static bool read_audio(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_media, audio_codec, "codec", read_audio_codec),
        FIELD(struct scenario_media, audio_bitrate, "bitrate", schema_bitrate),
    };
    struct scenario_media *media = out;
    media->has_audio = true;
    if (!schema_mapping(schema, node, FIELDS(fields), media))
        return false;
    return (media->audio_bitrate >= 6000 && media->audio_bitrate <= 510000) ||
           schema_error(schema, node, "Opus speaks between 6kbps and 510kbps (RFC 7587)");
}

static bool read_video(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_media, video_codec, "codec", read_video_codec),
        {.key = "layers", .read = read_layers, .offset = 0},
    };
    struct scenario_media *media = out;
    media->has_video = true;
    return schema_mapping(schema, node, FIELDS(fields), media);
}

static bool read_screen(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_media, screen_sharers, "sharers", schema_count),
        FIELD(struct scenario_media, screen_bitrate, "bitrate", schema_bitrate),
    };
    struct scenario_media *media = out;
    media->has_screen = true;
    return schema_mapping(schema, node, FIELDS(fields), media);
}

static bool read_data(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_media, data_messages, "messages", schema_frequency),
        FIELD(struct scenario_media, data_size, "size", schema_size),
        FIELD(struct scenario_media, data_file, "file", schema_size),
        FIELD(struct scenario_media, data_at, "at", schema_duration),
    };
    struct scenario_media *media = out;
    media->has_data = true;
    if (!schema_mapping(schema, node, FIELDS(fields), media))
        return false;
    if (media->data_messages <= 0 && media->data_file <= 0)
        return schema_error(schema, node,
                            "say what is sent: {messages: 1/s, size: 200B}, {file: 5MB, at: 10s} or both");
    if (media->data_messages > 1000 || media->data_size < DATA_HEADER_LEN || media->data_size > DATA_MESSAGE_MAX)
        return schema_error(schema, node, "at most 1000 messages a second, each %dB to %dB", DATA_HEADER_LEN,
                            DATA_MESSAGE_MAX);
    return media->data_file <= 1000000000 || schema_error(schema, node, "a file has at most 1GB");
}

static bool read_source(const struct schema *schema, const struct yaml_node *node, void *out)
{
    char text[SCENARIO_NAME_CAP];
    enum scenario_source *source = out;
    if (!schema_text(schema, node, text))
        return false;
    *source = strcmp(text, "clip") == 0 ? SCENARIO_CLIP : SCENARIO_MODEL;
    return *source == SCENARIO_CLIP || strcmp(text, "model") == 0 ||
           schema_error(schema, node, "'%s' is not a source of media: model or clip", text);
}

static bool read_media(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_media, source, "source", read_source),
        {.key = "audio", .read = read_audio, .offset = 0},
        {.key = "video", .read = read_video, .offset = 0},
        {.key = "screen", .read = read_screen, .offset = 0},
        {.key = "data", .read = read_data, .offset = 0},
    };
    struct scenario_media *media = out;
    if (node->kind == YAML_MAPPING && node->count == 1 && yaml_node_get(node, "source") != NULL)
        return schema_mapping(schema, node, FIELDS(fields), media); /* names nothing, so all is as without */
    media->has_audio = media->has_video = media->has_screen = media->has_data =
        false; /* what is named is what there is */
    if (!schema_mapping(schema, node, FIELDS(fields), media))
        return false;
    return media->has_audio || media->has_video || media->has_screen || media->has_data ||
           schema_error(schema, node, "a call needs audio, video, a screen or data");
}

/* --- servers and the network between ---------------------------------------------------------------------------------- */

static bool read_server_list(const struct schema *schema, const struct yaml_node *node, const char *kind,
                             struct scenario_servers *servers)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_server, name, "name", schema_text),
        FIELD(struct scenario_server, site, "site", schema_text),
    };
    uint32_t count = (uint32_t)node->count;
    memset(servers, 0, sizeof *servers);
    if (node->kind == YAML_SCALAR && !schema_count(schema, node, &count))
        return false;
    if (node->kind == YAML_MAPPING)
        return schema_error(schema, node, "a number, or a list like [{name: %s-1, site: eu}]", kind);
    if (count > SCENARIO_SERVERS_MAX)
        return schema_error(schema, node, "at most %d of them", SCENARIO_SERVERS_MAX);
    servers->count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct scenario_server *server = &servers->entries[i];
        snprintf(server->name, sizeof server->name, "%s-%u", kind, i + 1);
        if (node->kind == YAML_SEQUENCE && !schema_mapping(schema, &node->children[i], FIELDS(fields), server))
            return false;
    }
    return true;
}

static bool read_sfus(const struct schema *schema, const struct yaml_node *node, void *out)
{
    return read_server_list(schema, node, "sfu", out);
}

static bool read_turns(const struct schema *schema, const struct yaml_node *node, void *out)
{
    return read_server_list(schema, node, "turn", out);
}

static bool read_stuns(const struct schema *schema, const struct yaml_node *node, void *out)
{
    return read_server_list(schema, node, "stun", out);
}

static bool read_servers(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario, sfu, "sfu", read_sfus),
        FIELD(struct scenario, turn, "turn", read_turns),
        FIELD(struct scenario, stun, "stun", read_stuns),
    };
    return schema_mapping(schema, node, FIELDS(fields), out);
}

static size_t site_index(const struct scenario_sites *sites, const char *name)
{
    size_t i = 0;
    while (i < sites->count && strcmp(sites->names[i], name) != 0)
        i++;
    return i;
}

/* sites: {eu: {us: 40ms, asia: 120ms}, us: {asia: 90ms}, asia: {}}: each pair once; to itself 1 ms unless given. */
static bool read_sites(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario_sites *sites = out;
    if (!schema_expect(schema, node, YAML_MAPPING))
        return false;
    if (node->count > SCENARIO_SITES_MAX)
        return schema_error(schema, node, "at most %d sites", SCENARIO_SITES_MAX);
    for (size_t i = 0; i < node->count; i++)
        snprintf(sites->names[sites->count++], SCENARIO_NAME_CAP, "%s", node->children[i].key);
    for (size_t i = 0; i < sites->count; i++) {
        for (size_t j = 0; j < sites->count; j++)
            sites->delay[i][j] = i == j ? NANOS_PER_MS : -1;
    }
    for (size_t i = 0; i < sites->count; i++) {
        const struct yaml_node *row = &node->children[i];
        if (row->kind == YAML_SCALAR && *row->text == '\0')
            continue;
        if (!schema_expect(schema, row, YAML_MAPPING))
            return false;
        for (size_t k = 0; k < row->count; k++) {
            size_t j = site_index(sites, row->children[k].key);
            nanos delay;
            if (j == sites->count)
                return schema_error(schema, &row->children[k], "there is no such site");
            if (!schema_duration(schema, &row->children[k], &delay))
                return false;
            sites->delay[i][j] = sites->delay[j][i] = delay;
        }
    }
    for (size_t i = 0; i < sites->count; i++) {
        for (size_t j = 0; j < sites->count; j++) {
            if (sites->delay[i][j] < 0)
                return schema_error(schema, node, "the delay between %s and %s is missing", sites->names[i],
                                    sites->names[j]);
        }
    }
    return true;
}

static bool read_network(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario, core_delay, "core_delay", schema_duration),
        FIELD(struct scenario, sites, "sites", read_sites),
    };
    return schema_mapping(schema, node, FIELDS(fields), out);
}

static bool read_prices(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario, egress_per_gb, "egress_per_gb", schema_amount),
        FIELD(struct scenario, server_per_hour, "server_per_hour", schema_amount),
    };
    ((struct scenario *)out)->price_given = true;
    return schema_mapping(schema, node, FIELDS(fields), out);
}

static bool read_captures(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_captures, servers, "servers", schema_flag),
        FIELD(struct scenario_captures, rooms, "rooms", schema_count),
        FIELD(struct scenario_captures, media_bytes, "media_bytes", schema_size),
    };
    return schema_mapping(schema, node, FIELDS(fields), out);
}

/* --- faults ----------------------------------------------------------------------------------------------------------- */

static bool read_set(const struct schema *schema, const struct yaml_node *node, void *out)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_fault, up, "up", schema_bitrate),
        FIELD(struct scenario_fault, down, "down", schema_bitrate),
        FIELD(struct scenario_fault, delay, "delay", schema_duration),
        FIELD(struct scenario_fault, loss, "loss", schema_ratio),
    };
    ((struct scenario_fault *)out)->kind = SCENARIO_SET;
    return schema_mapping(schema, node, FIELDS(fields), out);
}

static bool read_client(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario_fault *fault = out;
    char rest;
    if (!schema_expect(schema, node, YAML_SCALAR))
        return false;
    if (sscanf(node->text, "room%u/%u%c", &fault->room, &fault->client, &rest) != 2 || fault->room == 0 ||
        fault->client == 0)
        return schema_error(schema, node, "'%s' is no client: write room1/2 for the second client of the first room",
                            node->text);
    return true;
}

static bool read_kill(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario_fault *fault = out;
    fault->kind = SCENARIO_KILL;
    return schema_text(schema, node, fault->server);
}

static bool read_cut(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario_fault *fault = out;
    bool cut;
    if (!schema_flag(schema, node, &cut))
        return false;
    if (!cut)
        return schema_error(schema, node, "cut: yes, or leave it out");
    fault->kind = SCENARIO_CUT;
    return true;
}

static bool read_fault(const struct schema *schema, const struct yaml_node *node, struct scenario_fault *fault)
{
    static const struct schema_field fields[] = {
        FIELD(struct scenario_fault, at, "at", schema_duration),
        FIELD(struct scenario_fault, lasts, "for", schema_duration),
        {.key = "kill", .read = read_kill, .offset = 0},
        {.key = "client", .read = read_client, .offset = 0},
        {.key = "set", .read = read_set, .offset = 0},
        {.key = "cut", .read = read_cut, .offset = 0},
    };
    *fault = (struct scenario_fault){.at = -1, .up = -1, .down = -1, .delay = -1, .loss = -1};
    if (!schema_mapping(schema, node, FIELDS(fields), fault))
        return false;
    int what = (yaml_node_get(node, "kill") != NULL) + (yaml_node_get(node, "set") != NULL) +
               (yaml_node_get(node, "cut") != NULL);
    bool of_client = yaml_node_get(node, "kill") == NULL;
    if (fault->at < 0 || what != 1 || of_client != (fault->client > 0))
        return schema_error(schema, node,
                            "a fault is {at: 8s, kill: sfu-1}, {at: 5s, client: room1/2, set: {up: 300kbps}, for: 5s} "
                            "or {at: 5s, client: room1/2, cut: yes, for: 2s}");
    return true;
}

static bool read_faults(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario *scenario = out;
    if (!schema_expect(schema, node, YAML_SEQUENCE))
        return false;
    if (node->count > SCENARIO_FAULTS_MAX)
        return schema_error(schema, node, "at most %d faults", SCENARIO_FAULTS_MAX);
    for (size_t i = 0; i < node->count; i++) {
        if (!read_fault(schema, &node->children[i], &scenario->faults[scenario->fault_count++]))
            return false;
    }
    return true;
}

/* --- thresholds, presets, matrix, sweep --------------------------------------------------------------------------------- */

static bool read_thresholds(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario *scenario = out;
    if (!schema_expect(schema, node, YAML_SEQUENCE))
        return false;
    if (node->count > SCENARIO_THRESHOLDS_MAX)
        return schema_error(schema, node, "at most %d thresholds", SCENARIO_THRESHOLDS_MAX);
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *entry = &node->children[i];
        struct error why;
        if (!schema_expect(schema, entry, YAML_SCALAR))
            return false;
        if (strlen(entry->text) >= sizeof scenario->thresholds[0] || !threshold_check(entry->text, &why))
            return schema_error(schema, entry, "%s",
                                strlen(entry->text) < sizeof scenario->thresholds[0] ? why.text : "too long");
        snprintf(scenario->thresholds[scenario->threshold_count++], sizeof scenario->thresholds[0], "%s", entry->text);
    }
    return true;
}

static bool read_custom_nats(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario *scenario = out;
    if (!schema_expect(schema, node, YAML_MAPPING))
        return false;
    if (node->count > SCENARIO_PRESETS_MAX)
        return schema_error(schema, node, "at most %d presets", SCENARIO_PRESETS_MAX);
    for (size_t i = 0; i < node->count; i++) {
        struct scenario_custom_nat *nat = &scenario->nats[scenario->nat_count++];
        snprintf(nat->name, sizeof nat->name, "%.63s", node->children[i].key);
        if (!presets_read_nat(schema, &node->children[i], &nat->config))
            return false;
    }
    return true;
}

static bool read_custom_accesses(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario *scenario = out;
    if (!schema_expect(schema, node, YAML_MAPPING))
        return false;
    if (node->count > SCENARIO_PRESETS_MAX)
        return schema_error(schema, node, "at most %d presets", SCENARIO_PRESETS_MAX);
    for (size_t i = 0; i < node->count; i++) {
        struct scenario_custom_access *access = &scenario->accesses[scenario->access_count++];
        snprintf(access->name, sizeof access->name, "%.63s", node->children[i].key);
        if (!presets_read_access(schema, &node->children[i], &access->preset))
            return false;
        access->preset.name = access->name;
    }
    return true;
}

static bool read_matrix(const struct schema *schema, const struct yaml_node *node, void *out)
{
    struct scenario *scenario = out;
    const struct yaml_node *nat = yaml_node_get(node, "nat");
    if (nat == NULL || node->count != 1)
        return schema_error(schema, node, "write {nat: rfc4787} for the 27 types, or {nat: [home, symmetric]}");
    if (nat->kind == YAML_SCALAR && strcmp(nat->text, "rfc4787") == 0) {
        scenario->matrix_count = presets_rfc4787(scenario->matrix, SCENARIO_MATRIX_MAX);
        return true;
    }
    if (nat->kind != YAML_SEQUENCE || nat->count < 1 || nat->count > SCENARIO_MATRIX_MAX)
        return schema_error(schema, nat, "rfc4787, or a list of 1 to %d presets", SCENARIO_MATRIX_MAX);
    for (size_t i = 0; i < nat->count; i++) {
        if (!schema_text(schema, &nat->children[i], scenario->matrix[scenario->matrix_count++]))
            return false;
    }
    return true;
}

static bool read_nothing(const struct schema *schema, const struct yaml_node *node, void *out)
{
    (void)schema, (void)node, (void)out; /* `sweep` is read by scenario_sweep, before a scenario is */
    return true;
}

static const struct schema_field top_fields[] = {
    FIELD(struct scenario, name, "name", schema_text),
    FIELD(struct scenario, seed, "seed", schema_seed),
    FIELD(struct scenario, duration, "duration", schema_duration),
    FIELD(struct scenario, world, "world", read_world),
    FIELD(struct scenario, media, "media", read_media),
    FIELD(struct scenario, captures, "captures", read_captures),
    {.key = "topologies", .read = read_topologies, .offset = 0},
    {.key = "rooms", .read = read_rooms, .offset = 0},
    {.key = "sweep", .read = read_nothing, .offset = 0},
    {.key = "join", .read = read_join, .offset = 0},
    {.key = "population", .read = read_population, .offset = 0},
    {.key = "servers", .read = read_servers, .offset = 0},
    {.key = "prices", .read = read_prices, .offset = 0},
    {.key = "network", .read = read_network, .offset = 0},
    {.key = "faults", .read = read_faults, .offset = 0},
    {.key = "thresholds", .read = read_thresholds, .offset = 0},
    {.key = "nats", .read = read_custom_nats, .offset = 0},
    {.key = "accesses", .read = read_custom_accesses, .offset = 0},
    {.key = "matrix", .read = read_matrix, .offset = 0},
};

static void set_defaults(struct scenario *scenario, const char *file)
{
    const char *slash = strrchr(file, '/');
    snprintf(scenario->name, sizeof scenario->name, "%.63s", slash != NULL ? slash + 1 : file);
    scenario->name[strcspn(scenario->name, ".")] = '\0';
    scenario->seed = 1;
    scenario->duration = 20 * NANOS_PER_S;
    scenario->topologies[0] = SCENARIO_MESH;
    scenario->topologies[1] = SCENARIO_SFU;
    scenario->topology_count = 2;
    scenario->rooms = 1;
    scenario->room_size = 2;
    scenario->join_spread = 2 * NANOS_PER_S;
    scenario->nat = (struct scenario_weights){.count = 1, .entries = {{.name = "home", .weight = 1}}};
    scenario->access = (struct scenario_weights){.count = 1, .entries = {{.name = "cable", .weight = 1}}};
    scenario->media = (struct scenario_media){.has_audio = true,
                                              .has_video = true,
                                              .audio_bitrate = 32000,
                                              .audio_codec = "opus",
                                              .video_codec = "vp8",
                                              .layers = {{180, 15, 150000}, {360, 30, 500000}, {720, 30, 1700000}},
                                              .layer_count = 3,
                                              .screen_sharers = 1,
                                              .screen_bitrate = 1000000,
                                              .data_size = 200,
                                              .data_at = -1};
    scenario->sfu = (struct scenario_servers){.count = 1, .entries = {{.name = "sfu-1"}}};
    scenario->turn = (struct scenario_servers){.count = 1, .entries = {{.name = "turn-1"}}};
    scenario->stun = (struct scenario_servers){.count = 1, .entries = {{.name = "stun-1"}}};
    scenario->core_delay = 10 * NANOS_PER_MS;
    scenario->captures = (struct scenario_captures){.servers = true, .rooms = 1, .media_bytes = 64};
}

struct scenario *scenario_read(const char *file, const struct yaml_node *root, struct error *error)
{
    struct schema schema = {.file = file, .error = error};
    struct scenario *scenario = calloc(1, sizeof *scenario);
    if (scenario == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    set_defaults(scenario, file);
    if (!schema_mapping(&schema, root, FIELDS(top_fields), scenario)) {
        free(scenario);
        return NULL;
    }
    if (scenario->matrix_count > 0) {
        scenario->rooms = (uint32_t)(scenario->matrix_count * (scenario->matrix_count + 1) / 2);
        scenario->room_size = 2;
    }
    if (scenario->media.source == SCENARIO_SOURCE_DEFAULT)
        scenario->media.source = scenario->world == SCENARIO_LIVE ? SCENARIO_CLIP : SCENARIO_MODEL;
    if (scenario->media.data_at < 0)
        scenario->media.data_at = scenario->join_spread + (scenario->duration > 2 * NANOS_PER_S ? NANOS_PER_S : 0);
    if (!scenario_check(&schema, root, scenario)) {
        free(scenario);
        return NULL;
    }
    return scenario;
}

bool scenario_sweep(const char *file, const struct yaml_node *root, struct scenario_point *points, size_t cap,
                    size_t *count, struct error *error)
{
    struct schema schema = {.file = file, .error = error};
    const struct yaml_node *sweep = yaml_node_get(root, "sweep");
    *count = 1;
    points[0] = (struct scenario_point){0};
    if (sweep == NULL)
        return true;
    if (sweep->kind != YAML_MAPPING || sweep->count != 1 || sweep->children[0].kind != YAML_SEQUENCE ||
        sweep->children[0].count == 0)
        return schema_error(&schema, sweep, "a sweep names one value and what it takes, as in {rooms.size: [2, 4, 8]}");
    const struct yaml_node *values = &sweep->children[0];
    if (values->count > cap)
        return schema_error(&schema, sweep, "at most %zu values", cap);
    *count = values->count;
    for (size_t i = 0; i < values->count; i++) {
        struct scenario_point *point = &points[i];
        if (!schema_expect(&schema, &values->children[i], YAML_SCALAR))
            return false;
        if (strlen(values->key) >= sizeof point->path || strlen(values->children[i].text) >= sizeof point->value)
            return schema_error(&schema, sweep, "too long");
        snprintf(point->path, sizeof point->path, "%s", values->key);
        snprintf(point->value, sizeof point->value, "%s", values->children[i].text);
        snprintf(point->text, sizeof point->text, "%.62s=%.31s", point->path, point->value);
    }
    return true;
}
