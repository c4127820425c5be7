#include "loadgen/load_plan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "loadgen/adapter.h"
#include "loadgen/yaml.h"
#include "report/threshold.h"
#include "rtc/ice_server_url.h"

/* A load has one topology, in the live world; without --nat and --access nothing is emulated. */
static const char defaults[] = "population: {nat: {open: 1}, access: {ideal: 1}}\nduration: 30s\n";

#define RATE_DEFAULT 20.0

void load_plan_init(struct load_plan *plan)
{
    memset(plan, 0, sizeof *plan);
    snprintf(plan->room, sizeof plan->room, "load");
    plan->rate = RATE_DEFAULT;
    plan->join_timeout = LOAD_JOIN_TIMEOUT_S * NANOS_PER_S;
    plan->shard_index = plan->shard_count = 1;
}

void load_plan_clear(struct load_plan *plan)
{
    free(plan->scenario);
    plan->scenario = NULL;
}

/* --- options ------------------------------------------------------------------------------------------------------------ */

static bool read_count(const char *value, uint32_t max, uint32_t *out, struct error *error)
{
    char *end;
    unsigned long long number = isdigit((unsigned char)value[0]) ? strtoull(value, &end, 10) : 0;
    if (number < 1 || number > max || *end != '\0')
        return error_set(error, ERROR_USAGE, "'%.40s': a number from 1 to %u", value, max);
    *out = (uint32_t)number;
    return true;
}

static bool set(struct load_plan *plan, const char *path, const char *value, struct error *error)
{
    if (plan->setting_count == LOAD_SETTINGS_MAX)
        return error_set(error, ERROR_USAGE, "too many options");
    if (strlen(value) >= sizeof plan->settings[0].value)
        return error_set(error, ERROR_USAGE, "'%.40s…' is too long", value);
    plan->settings[plan->setting_count].path = path;
    snprintf(plan->settings[plan->setting_count++].value, sizeof plan->settings[0].value, "%s", value);
    return true;
}

/* "home:60,open:25" as the mapping {home: 60, open: 25}; a preset without a weight has 1. */
static bool set_weights(struct load_plan *plan, const char *path, const char *value, struct error *error)
{
    char text[512] = "{";
    size_t len = 1;
    for (const char *at = value; *at != '\0';) {
        size_t name = strcspn(at, ":,");
        size_t entry = strcspn(at, ",");
        const char *weight = name < entry ? at + name + 1 : "1";
        int weight_len = name < entry ? (int)(entry - name - 1) : 1;
        if (len + entry + 6 >= sizeof text)
            return error_set(error, ERROR_USAGE, "'%.40s…' is too long", value);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%.*s: %.*s", len > 1 ? ", " : "", (int)name, at,
                                weight_len, weight);
        at += entry + (at[entry] == ',');
    }
    plan->emulated = true;
    snprintf(text + len, sizeof text - len, "}");
    return set(plan, path, text, error);
}

static bool set_clients(struct load_plan *plan, const char *value, struct error *error)
{
    return read_count(value, LOAD_CLIENTS_MAX, &plan->clients, error);
}

static bool set_room(struct load_plan *plan, const char *value, struct error *error)
{
    size_t len = strlen(value);
    bool fits = len > 0 && len < sizeof plan->room;
    for (size_t i = 0; i < len && fits; i++)
        fits = isalnum((unsigned char)value[i]) || strchr("-_.~", value[i]) != NULL;
    if (!fits)
        return error_set(error, ERROR_USAGE, "'%.80s': 1 to %d letters, digits, '-', '_', '.' and '~'", value,
                         LOAD_ROOM_CAP - 1);
    memcpy(plan->room, value, len + 1);
    return true;
}

static bool set_layout(struct load_plan *plan, const char *value, struct error *error)
{
    static const char *const names[] = {[LOAD_LAYOUT_ALL] = "all",
                                        [LOAD_LAYOUT_SPEAKER] = "speaker",
                                        [LOAD_LAYOUT_3X3] = "3x3",
                                        [LOAD_LAYOUT_4X4] = "4x4",
                                        [LOAD_LAYOUT_5X5] = "5x5"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(value, names[i]) == 0) {
            plan->layout = (enum load_layout)i;
            return true;
        }
    }
    return error_set(error, ERROR_USAGE, "'%.40s': all, speaker, 3x3, 4x4 or 5x5", value);
}

static bool set_rate(struct load_plan *plan, const char *value, struct error *error)
{
    plan->rate_given = true;
    if (!units_parse_frequency(value, &plan->rate, error))
        return false;
    return plan->rate > 0 || error_set(error, ERROR_USAGE, "'%.40s': above 0; --ramp all lets all join at once", value);
}

/* "all", "60s" for all of them, or "50/10s": 50 at once, each 10 s. */
static bool set_ramp(struct load_plan *plan, const char *value, struct error *error)
{
    char count[16];
    const char *slash = strchr(value, '/');
    plan->rate_given = true;
    plan->rate = 0;
    if (strcmp(value, "all") == 0)
        return true;
    if (slash == NULL || (size_t)(slash - value) >= sizeof count)
        return error_set(error, ERROR_USAGE, "'%.40s': all, or a step as in 50/10s", value);
    snprintf(count, sizeof count, "%.*s", (int)(slash - value), value);
    if (!read_count(count, LOAD_CLIENTS_MAX, &plan->step, error) ||
        !units_parse_duration(slash + 1, &plan->step_every, error))
        return false;
    return plan->step_every > 0 || error_set(error, ERROR_USAGE, "'%.40s': a step takes some time", value);
}

static bool set_churn(struct load_plan *plan, const char *value, struct error *error)
{
    return units_parse_frequency(value, &plan->churn, error);
}

static bool set_timeout(struct load_plan *plan, const char *value, struct error *error)
{
    return units_parse_duration(value, &plan->join_timeout, error) &&
           (plan->join_timeout > 0 || error_set(error, ERROR_USAGE, "'%.40s': above 0", value));
}

/* "turn:HOST:PORT?transport=udp", the username and password before it: "turn:user:password@HOST:PORT". */
static bool set_turn(struct load_plan *plan, const char *value, struct error *error)
{
    struct ice_server_url url;
    const char *colon = strchr(value, ':');
    const char *at = strrchr(value, '@');
    if (plan->turn_count == LOAD_TURN_MAX)
        return error_set(error, ERROR_USAGE, "at most %d of them", LOAD_TURN_MAX);
    struct load_turn *turn = &plan->turn[plan->turn_count];
    if (colon != NULL && at != NULL && at > colon) {
        const char *separator = memchr(colon + 1, ':', (size_t)(at - colon - 1));
        if (separator == NULL || (size_t)(separator - colon) > sizeof turn->username ||
            (size_t)(at - separator) > sizeof turn->password)
            return error_set(error, ERROR_USAGE, "credentials as in turn:USER:PASSWORD@HOST:PORT");
        snprintf(turn->username, sizeof turn->username, "%.*s", (int)(separator - colon - 1), colon + 1);
        snprintf(turn->password, sizeof turn->password, "%.*s", (int)(at - separator - 1), separator + 1);
        snprintf(turn->url, sizeof turn->url, "%.*s%.80s", (int)(colon - value + 1 < 8 ? colon - value + 1 : 8), value,
                 at + 1);
    } else {
        snprintf(turn->url, sizeof turn->url, "%s", value);
    }
    if (strlen(value) >= 256 || !ice_server_url_parse(&url, turn->url))
        return error_set(error, ERROR_USAGE,
                         "'%.80s': stun:, turn: or turns: with an address, as in turn:192.0.2.1:3478?transport=tcp",
                         turn->url);
    plan->turn_count++;
    return true;
}

static bool set_turn_user(struct load_plan *plan, const char *value, struct error *error)
{
    const char *colon = strchr(value, ':');
    if (colon == NULL || (size_t)(colon - value) >= sizeof plan->turn_username ||
        strlen(colon + 1) >= sizeof plan->turn_password)
        return error_set(error, ERROR_USAGE, "USER:PASSWORD");
    snprintf(plan->turn_username, sizeof plan->turn_username, "%.*s", (int)(colon - value), value);
    snprintf(plan->turn_password, sizeof plan->turn_password, "%s", colon + 1);
    return true;
}

static bool set_bind(struct load_plan *plan, const char *value, struct error *error)
{
    return (address_parse(&plan->bind, value) && plan->bind.port == 0) ||
           error_set(error, ERROR_USAGE, "'%.80s': an address of this machine", value);
}

static bool set_token(struct load_plan *plan, const char *value, struct error *error)
{
    if (strlen(value) >= sizeof plan->target.token)
        return error_set(error, ERROR_USAGE, "at most %d bytes", LOAD_TOKEN_CAP - 1);
    snprintf(plan->target.token, sizeof plan->target.token, "%s", value);
    return true;
}

static bool set_shard(struct load_plan *plan, const char *value, struct error *error)
{
    char end;
    if (sscanf(value, "%u/%u%c", &plan->shard_index, &plan->shard_count, &end) == 2 && plan->shard_index >= 1 &&
        plan->shard_index <= plan->shard_count && plan->shard_count <= 4096)
        return true;
    return error_set(error, ERROR_USAGE, "'%.40s': I/N, as in 1/4", value);
}

static bool add_threshold(struct load_plan *plan, const char *value, struct error *error)
{
    if (plan->threshold_count == SCENARIO_THRESHOLDS_MAX || strlen(value) >= sizeof plan->thresholds[0])
        return error_set(error, ERROR_USAGE, "at most %d of them, of at most %zu bytes", SCENARIO_THRESHOLDS_MAX,
                         sizeof plan->thresholds[0] - 1);
    snprintf(plan->thresholds[plan->threshold_count++], sizeof plan->thresholds[0], "%s", value);
    return threshold_check(value, error);
}

static bool set_scenario(struct load_plan *plan, const char *value, struct error *error)
{
    (void)error;
    plan->file = value;
    return true;
}

static bool set_flag(bool *flag)
{
    *flag = true;
    return true;
}

static bool set_relay_only(struct load_plan *plan, const char *value, struct error *error)
{
    (void)value, (void)error;
    return set_flag(&plan->relay_only);
}

static bool set_verify(struct load_plan *plan, const char *value, struct error *error)
{
    (void)value, (void)error;
    return set_flag(&plan->verify);
}

static bool set_audio_only(struct load_plan *plan, const char *value, struct error *error)
{
    (void)value, (void)error;
    return set_flag(&plan->no_video);
}

static bool set_video_only(struct load_plan *plan, const char *value, struct error *error)
{
    (void)value, (void)error;
    return set_flag(&plan->no_audio);
}

static bool set_find_limit(struct load_plan *plan, const char *value, struct error *error)
{
    (void)value, (void)error;
    return set_flag(&plan->find_limit);
}

static bool set_screens(struct load_plan *plan, const char *value, struct error *error)
{
    return read_count(value, LOAD_CLIENTS_MAX, &plan->screens, error);
}

/* Either a path in the scenario, or a function of its own. */
static const struct plan_option {
    const char *name, *path;
    bool (*set)(struct load_plan *plan, const char *value, struct error *error);
} options[] = {
    {"room", NULL, set_room},
    {"rooms", "rooms.count", NULL},
    {"clients", NULL, set_clients},
    {"publishers", "rooms.publishers", NULL},
    {"layout", NULL, set_layout},
    {"rate", NULL, set_rate},
    {"ramp", NULL, set_ramp},
    {"churn", NULL, set_churn},
    {"duration", "duration", NULL},
    {"timeout", NULL, set_timeout},
    {"seed", "seed", NULL},
    {"audio-only", NULL, set_audio_only},
    {"video-only", NULL, set_video_only},
    {"screens", NULL, set_screens},
    {"relay-only", NULL, set_relay_only},
    {"turn", NULL, set_turn},
    {"turn-user", NULL, set_turn_user},
    {"bind", NULL, set_bind},
    {"token", NULL, set_token},
    {"verify", NULL, set_verify},
    {"scenario", NULL, set_scenario},
    {"threshold", NULL, add_threshold},
    {"find-limit", NULL, set_find_limit},
    {"shard", NULL, set_shard},
};

bool load_plan_option(struct load_plan *plan, const char *name, const char *value, struct error *error)
{
    bool taken = false;
    bool found = false;
    if (strcmp(name, "nat") == 0)
        return set_weights(plan, "population.nat", value, error) || error_prefix(error, "--nat");
    if (strcmp(name, "access") == 0)
        return set_weights(plan, "population.access", value, error) || error_prefix(error, "--access");
    for (size_t i = 0; i < sizeof options / sizeof options[0] && !found; i++) {
        found = strcmp(name, options[i].name) == 0;
        if (found)
            taken =
                options[i].set != NULL ? options[i].set(plan, value, error) : set(plan, options[i].path, value, error);
    }
    if (!found)
        return error_set(error, ERROR_USAGE, "there is no option '--%s'", name);
    return taken || error_prefix(error, "--%s", name);
}

/* --- all together --------------------------------------------------------------------------------------------------------- */

static bool read_scenario(struct load_plan *plan, struct error *error)
{
    const char *name = plan->file != NULL ? plan->file : "load";
    struct yaml_node *root = plan->file != NULL ? yaml_node_load(plan->file, error)
                                                : yaml_node_parse(name, defaults, sizeof defaults - 1, error);
    bool well = root != NULL && yaml_node_set(root, "world", "live", error) &&
                yaml_node_set(root, "topologies", "[sfu]", error);
    for (size_t i = 0; well && i < plan->setting_count; i++)
        well = yaml_node_set(root, plan->settings[i].path, plan->settings[i].value, error);
    if (well && plan->emulated && plan->file == NULL && yaml_node_get(root, "network") == NULL)
        well = yaml_node_set(root, "network.core_delay", "0ms", error);
    if (well && plan->file != NULL)
        plan->emulated = plan->emulated || yaml_node_get(root, "population") != NULL;
    /* The size of the rooms follows from --clients. */
    if (well && plan->clients > 0) {
        const struct yaml_node *rooms = yaml_node_get(root, "rooms");
        const struct yaml_node *count = rooms != NULL ? yaml_node_get(rooms, "count") : NULL;
        char *end;
        unsigned long number = count != NULL && count->text != NULL ? strtoul(count->text, &end, 10) : 1;
        char size[24];
        snprintf(size, sizeof size, "%lu", number > 0 ? (plan->clients + number - 1) / number : 1);
        well = yaml_node_set(root, "rooms.size", size, error);
    }
    if (well)
        plan->scenario = scenario_read(name, root, error);
    yaml_node_free(root);
    return plan->scenario != NULL;
}

static void finish_media(struct load_plan *plan)
{
    struct scenario_media *media = &plan->scenario->media;
    media->has_audio = media->has_audio && !plan->no_audio;
    media->has_video = media->has_video && !plan->no_video;
    if (plan->screens > 0) {
        media->has_screen = true;
        media->screen_sharers = plan->screens;
    }
}

static bool finish_thresholds(struct load_plan *plan, struct error *error)
{
    struct scenario *scenario = plan->scenario;
    for (size_t i = 0; i < plan->threshold_count; i++) {
        if (scenario->threshold_count == SCENARIO_THRESHOLDS_MAX)
            return error_set(error, ERROR_USAGE, "at most %d thresholds", SCENARIO_THRESHOLDS_MAX);
        memcpy(scenario->thresholds[scenario->threshold_count++], plan->thresholds[i], sizeof plan->thresholds[i]);
    }
    return true;
}

bool load_plan_finish(struct load_plan *plan, const char *url, struct error *error)
{
    char token[LOAD_TOKEN_CAP];
    memcpy(token, plan->target.token, sizeof token);
    if (!load_target_parse(&plan->target, url, error) || !read_scenario(plan, error) || !finish_thresholds(plan, error))
        return false;
    if (token[0] != '\0')
        memcpy(plan->target.token, token, sizeof token);
    finish_media(plan);
    struct scenario *scenario = plan->scenario;
    if (plan->clients == 0)
        plan->clients = scenario->rooms * scenario->room_size;
    if (plan->clients < scenario->rooms)
        return error_set(error, ERROR_USAGE, "%u clients don't fill %u rooms", plan->clients, scenario->rooms);
    if (!scenario->media.has_audio && !scenario->media.has_video && !scenario->media.has_screen &&
        !scenario->media.has_data)
        return error_set(error, ERROR_USAGE, "--audio-only and --video-only together leave nothing to send");
    if (!plan->rate_given && plan->file != NULL && scenario->join_spread > 0)
        plan->rate = plan->clients / nanos_to_s(scenario->join_spread);
    for (size_t i = 0; i < plan->turn_count; i++) {
        if (plan->turn[i].username[0] == '\0') {
            memcpy(plan->turn[i].username, plan->turn_username, sizeof plan->turn_username);
            memcpy(plan->turn[i].password, plan->turn_password, sizeof plan->turn_password);
        }
    }
    if (plan->find_limit && scenario->threshold_count == 0)
        return error_set(error, ERROR_USAGE, "--find-limit needs a --threshold to break");
    return true;
}

nanos load_plan_joins_at(const struct load_plan *plan, uint32_t index)
{
    if (plan->step > 0)
        return (nanos)(index / plan->step) * plan->step_every;
    return plan->rate > 0 ? (nanos)((double)index * 1e9 / plan->rate) : 0;
}

nanos load_plan_ramp(const struct load_plan *plan) { return load_plan_joins_at(plan, plan->clients - 1); }
