#include "loadgen/simulation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/connection_list.h"
#include "loadgen/measurement.h"
#include "loadgen/nat_matrix.h"
#include "loadgen/outage_list.h"
#include "loadgen/population.h"
#include "loadgen/venue.h"
#include "rtc/certificate.h"
#include "rtc/stun.h"
#include "rtc/tls_stream.h"
#include "sfu/sfu.h"
#include "sfu/signalling_server.h"
#include "sfu/turn_server.h"

enum {
    SIGNALLING_PORT = 443,
    MEDIA_PORT = 3478, /* the SFU's */
    TURN_TLS_PORT = 443,
    ACTIONS_MAX = 2 * SCENARIO_FAULTS_MAX + 2,
    TURN_SERVERS_TOLD = 2, /* a client tries three ways to each */
};

/* A live world's time to be built in, before anyone joins. */
#define LIVE_LEAD (200 * NANOS_PER_MS)
#define LIVE_LEAD_CLIENT NANOS_PER_MS

static const char turn_username[] = "confab";
static const char turn_password[] = "in the clear, as every web page has it";

struct server {
    char name[SCENARIO_NAME_CAP];
    struct world_host *host;
    struct address address; /* port 0 */
    struct turn_server *turn;
    struct sfu *sfu;
    struct signalling_server *signalling;
};

struct simulation;

struct client {
    struct simulation *simulation;
    struct world_host *host;
    struct world_timer *timer; /* until it joins */
    struct participant *participant;
};

enum action_kind { ACTION_FAULT, ACTION_UNDO, ACTION_WINDOW, ACTION_END };

struct action {
    nanos at;
    enum action_kind kind;
    size_t fault;
};

struct simulation {
    const struct scenario *scenario;
    const struct simulation_options *options;
    struct venue *venue;
    struct internet *internet; /* the venue's */
    struct population population;
    struct measurement measurement;
    struct certificate *certificate; /* everyone's: what differs is the connections */
    struct tls_context *tls_server, *tls_client;
    struct server servers[3 * SCENARIO_SERVERS_MAX + 1];
    size_t server_count;
    struct server *signalling; /* of mesh rooms */
    struct client *clients;
    struct link_config before[SCENARIO_FAULTS_MAX][2]; /* links as they were before a fault, up and down */
    uint64_t ntp_origin;
    FILE *keylog;
    /* Counters at the start of the media window. */
    uint64_t sfu_bytes, turn_bytes;
};

/* --- servers ---------------------------------------------------------------------------------------------------------- */

static int site_of(const struct scenario *scenario, const char *name)
{
    for (size_t i = 0; i < scenario->sites.count; i++) {
        if (strcmp(scenario->sites.names[i], name) == 0)
            return (int)i;
    }
    return 0;
}

static struct server *add_server(struct simulation *s, const char *name, const char *site, size_t addresses,
                                 struct error *error)
{
    struct server *server = &s->servers[s->server_count];
    /* A server's own link is not what these scenarios ask about: as fast as it takes. */
    const struct internet_server_config config = {
        .name = name, .site = site_of(s->scenario, site), .addresses = addresses, .ipv6 = s->scenario->ipv6 > 0};
    server->host = internet_add_server(s->internet, &config, error);
    if (server->host == NULL)
        return NULL;
    s->server_count++;
    snprintf(server->name, sizeof server->name, "%s", name);
    world_host_addresses(server->host, &server->address, 1);
    return server;
}

static struct address with_port(struct address address, uint16_t port)
{
    address.port = port;
    return address;
}

/* All that is public in a live world is on the loopback interface. */
static uint32_t allowed_scopes(const struct scenario *scenario)
{
    return scenario->world == SCENARIO_LIVE ? 1u << ADDRESS_LOOPBACK : 0;
}

/* STUN, and TURN if `relays`; with the host's second address, RFC 5780. */
static bool start_turn(struct simulation *s, struct server *server, bool relays, struct error *error)
{
    struct address own[8];
    struct address udp[8];
    struct address tls[8];
    struct address alternate[2];
    size_t count = world_host_addresses(server->host, own, 8);
    const struct turn_user user = {turn_username, turn_password};
    struct turn_server_config config = {.host = server->host,
                                        .udp = udp,
                                        .tcp = relays ? udp : NULL,
                                        .tls = relays ? tls : NULL,
                                        .tls_context = relays ? s->tls_server : NULL,
                                        .users = relays ? &user : NULL,
                                        .user_count = relays,
                                        .alternate = alternate,
                                        .unix_time_at_zero_s = venue_unix_origin_s(s->venue),
                                        .allowed_scopes = allowed_scopes(s->scenario),
                                        .seed = s->scenario->seed ^ 0x7475726e};
    bool seen[7] = {false};
    for (size_t i = 0; i < count; i++) {
        if (seen[own[i].family]) {
            alternate[config.alternate_count++] = with_port(own[i], STUN_PORT + 1);
            continue;
        }
        seen[own[i].family] = true;
        udp[config.udp_count] = with_port(own[i], STUN_PORT);
        tls[config.udp_count++] = with_port(own[i], TURN_TLS_PORT);
        if (relays && own[i].family == ADDRESS_IPV4)
            config.relay_ipv4 = own[i];
        else if (relays)
            config.relay_ipv6 = own[i];
    }
    config.tcp_count = config.tls_count = relays ? config.udp_count : 0;
    server->turn = turn_server_create(&config, error);
    return server->turn != NULL || error_prefix(error, "%s", server->name);
}

static void add_url(struct signalling_server_config *config, char (*texts)[96], const struct server *server,
                    const char *scheme, uint16_t port, const char *query)
{
    char address[ADDRESS_TEXT_CAP];
    struct address at = with_port(server->address, port);
    if (config->ice_server_count == ROOM_ICE_SERVERS_MAX)
        return;
    struct room_ice_server *entry = &config->ice_servers[config->ice_server_count];
    char *text = texts[config->ice_server_count++];
    snprintf(text, sizeof *texts, "%s:%s%s", scheme, address_format(&at, address), query);
    *entry = (struct room_ice_server){.url = text};
    if (strncmp(scheme, "turn", 4) == 0) {
        entry->username = turn_username;
        entry->credential = turn_password;
    }
}

static bool start_signalling(struct simulation *s, struct server *server, struct error *error)
{
    char texts[ROOM_ICE_SERVERS_MAX][96];
    struct signalling_server_config config = {
        .host = server->host, .address = with_port(server->address, SIGNALLING_PORT), .sfu = server->sfu};
    size_t told = 0;
    for (size_t i = 0; i < s->server_count && config.ice_server_count == 0; i++) {
        if (s->servers[i].turn != NULL && strncmp(s->servers[i].name, "turn", 4) != 0)
            add_url(&config, texts, &s->servers[i], "stun", STUN_PORT, "");
    }
    for (size_t i = 0; i < s->server_count && told < TURN_SERVERS_TOLD; i++) {
        if (s->servers[i].turn == NULL || i >= s->scenario->turn.count)
            continue;
        add_url(&config, texts, &s->servers[i], "turn", STUN_PORT, "?transport=udp");
        add_url(&config, texts, &s->servers[i], "turn", STUN_PORT, "?transport=tcp");
        add_url(&config, texts, &s->servers[i], "turns", TURN_TLS_PORT, "?transport=tcp");
        told++;
    }
    server->signalling = signalling_server_create(&config, error);
    return server->signalling != NULL;
}

static bool start_sfu(struct simulation *s, struct server *server, struct error *error)
{
    struct address addresses[TRANSPORT_SOCKETS_MAX];
    size_t count = world_host_addresses(server->host, addresses, TRANSPORT_SOCKETS_MAX);
    for (size_t i = 0; i < count; i++)
        addresses[i].port = MEDIA_PORT;
    const struct sfu_config config = {.host = server->host,
                                      .addresses = addresses,
                                      .address_count = count,
                                      .certificate = s->certificate,
                                      .seed = s->scenario->seed ^ 0x736675,
                                      .ntp_origin = s->ntp_origin,
                                      .network_latency = &s->measurement.network_latency};
    server->sfu = sfu_create(&config, error);
    return server->sfu != NULL && start_signalling(s, server, error);
}

/* TURN servers first, then STUN servers, then SFUs or the signalling of mesh rooms: each knows those before it. */
static bool start_servers(struct simulation *s, struct error *error)
{
    const struct scenario *scenario = s->scenario;
    for (size_t i = 0; i < scenario->turn.count; i++) {
        struct server *server = add_server(s, scenario->turn.entries[i].name, scenario->turn.entries[i].site, 1, error);
        if (server == NULL || !start_turn(s, server, true, error))
            return false;
    }
    for (size_t i = 0; i < scenario->stun.count; i++) {
        struct server *server = add_server(s, scenario->stun.entries[i].name, scenario->stun.entries[i].site, 2, error);
        if (server == NULL || !start_turn(s, server, false, error))
            return false;
    }
    for (size_t i = 0; s->options->topology == SCENARIO_SFU && i < scenario->sfu.count; i++) {
        struct server *server = add_server(s, scenario->sfu.entries[i].name, scenario->sfu.entries[i].site, 1, error);
        if (server == NULL || !start_sfu(s, server, error))
            return false;
    }
    if (s->options->topology == SCENARIO_MESH) {
        s->signalling = add_server(s, "signalling", scenario->stun.entries[0].site, 1, error);
        return s->signalling != NULL && start_signalling(s, s->signalling, error);
    }
    return true;
}

static struct server *server_named(struct simulation *s, const char *name)
{
    for (size_t i = 0; i < s->server_count; i++) {
        if (strcmp(s->servers[i].name, name) == 0)
            return &s->servers[i];
    }
    return NULL;
}

/* Where a room meets: rooms are spread over the SFUs, and when one is gone, over those that are left. */
static size_t servers_of_room(struct simulation *s, uint32_t room, struct address *servers)
{
    const struct scenario_servers *sfu = &s->scenario->sfu;
    if (s->options->topology == SCENARIO_MESH) {
        servers[0] = with_port(s->signalling->address, SIGNALLING_PORT);
        return 1;
    }
    for (size_t i = 0; i < sfu->count; i++)
        servers[i] = with_port(server_named(s, sfu->entries[(room + i) % sfu->count].name)->address, SIGNALLING_PORT);
    return sfu->count;
}

/* --- clients ---------------------------------------------------------------------------------------------------------- */

static void log_key(void *user, const char *line) { fprintf(user, "%s\n", line); }

static void join(void *user, nanos now)
{
    struct client *client = user;
    struct simulation *s = client->simulation;
    struct error error;
    size_t index = (size_t)(client - s->clients);
    const struct client_profile *profile = &s->population.clients[index];
    char room[32];
    struct address servers[SCENARIO_SERVERS_MAX];
    size_t server_count = servers_of_room(s, profile->room, servers);
    bool mesh = s->options->topology == SCENARIO_MESH;
    snprintf(room, sizeof room, "room%u", profile->room + 1);
    const struct participant_config config = {
        .host = client->host,
        .server = servers[0],
        .meeting_places = servers,
        .meeting_place_count = server_count,
        .room = room,
        .name = profile->name,
        .shape = mesh ? CALL_MESH : CALL_SFU,
        .plan = population_media_plan(s->scenario, profile),
        .room_has_screen = s->scenario->media.has_screen,
        .conversation = {.seed = s->scenario->seed,
                         .room = profile->room,
                         .people = s->scenario->publishers > 0 ? s->scenario->publishers : s->scenario->room_size},
        .number = profile->number,
        .certificate = s->certificate,
        .tls = s->tls_client,
        .seed = s->scenario->seed * 0x9e3779b97f4a7c15u + index,
        .ntp_origin = s->ntp_origin,
        .keylog = s->keylog != NULL ? log_key : NULL,
        .keylog_user = s->keylog,
        .network_latency = &s->measurement.network_latency,
        .callbacks = &measurement_callbacks,
        .user = &s->measurement.clients[index],
    };
    world_timer_close(client->timer);
    client->timer = NULL;
    client->participant = participant_create(&config, now, &error);
    if (client->participant == NULL)
        measurement_callbacks.failed(config.user, NULL, error.text, now);
}

static bool add_clients(struct simulation *s, struct error *error)
{
    s->clients = calloc(s->population.count, sizeof *s->clients);
    if (s->clients == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    for (size_t i = 0; i < s->population.count; i++) {
        const struct client_profile *profile = &s->population.clients[i];
        struct client *client = &s->clients[i];
        const struct internet_client_config config = {.name = profile->name,
                                                      .site = profile->site,
                                                      .nats = profile->nats,
                                                      .nat_count = profile->nat_count,
                                                      .up = profile->access->up,
                                                      .down = profile->access->down,
                                                      .ipv6 = profile->ipv6};
        client->simulation = s;
        client->host = internet_add_client(s->internet, &config, error);
        if (client->host == NULL)
            return error_prefix(error, "%s", profile->name);
        client->timer = world_timer_open(client->host, join, client);
        world_timer_set(client->timer, profile->joins_at);
    }
    return true;
}

/* --- captures ---------------------------------------------------------------------------------------------------------- */

static bool capture(struct simulation *s, const char *name, struct world_host *const *hosts, size_t count,
                    struct result_run *run, struct error *error)
{
    char path[1024];
    if (count == 0 || run->capture_count == RESULT_CAPTURES_MAX)
        return true;
    char *file = run->captures[run->capture_count++];
    snprintf(file, RESULT_PATH_CAP, "%.100s-%.63s.pcapng", s->options->label, name);
    snprintf(path, sizeof path, "%s/%s", s->options->directory, file);
    return venue_capture(s->venue, path, hosts, count, (size_t)s->scenario->captures.media_bytes, error);
}

static bool start_captures(struct simulation *s, struct result_run *run, struct error *error)
{
    const struct scenario_captures *wanted = &s->scenario->captures;
    if (s->options->directory == NULL || s->scenario->world == SCENARIO_LIVE)
        return true;
    for (size_t i = 0; wanted->servers && i < s->server_count; i++) {
        struct server *server = &s->servers[i];
        if ((server->turn != NULL || server->sfu != NULL) && !capture(s, server->name, &server->host, 1, run, error))
            return false;
    }
    size_t rooms = wanted->rooms < s->scenario->rooms ? wanted->rooms : s->scenario->rooms;
    size_t count = rooms * s->scenario->room_size;
    struct world_host **hosts = calloc(count + 1, sizeof(struct world_host *));
    if (hosts == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        hosts[i] = s->clients[i].host;
    bool captured = capture(s, "clients", hosts, count, run, error);
    free(hosts);
    return captured;
}

/* --- faults ------------------------------------------------------------------------------------------------------------ */

static struct client *client_of(struct simulation *s, const struct scenario_fault *fault)
{
    return &s->clients[(size_t)(fault->room - 1) * s->scenario->room_size + fault->client - 1];
}

static void change_link(struct link_config *link, int64_t bps, const struct scenario_fault *fault)
{
    if (bps >= 0) {
        link->rate_bps = bps;
        if (link->queue_bytes == 0)
            link->queue_bytes = bps / 8 * 3 / 10 + 1500;
    }
    if (fault->delay >= 0)
        link->delay = fault->delay;
    if (fault->loss >= 0)
        link->loss = fault->loss;
}

static bool strike(struct simulation *s, size_t index, nanos now, struct error *error)
{
    const struct scenario_fault *fault = &s->scenario->faults[index];
    char what[RESULT_NAME_CAP];
    struct link_config up, down;
    struct server *server;
    switch (fault->kind) {
    case SCENARIO_KILL:
        server = server_named(s, fault->server);
        if (server == NULL)
            return true; /* an SFU, in a mesh */
        snprintf(what, sizeof what, "%.38s killed", fault->server);
        internet_kill(s->internet, server->host);
        break;
    case SCENARIO_CUT:
        snprintf(what, sizeof what, "room%u/%u cut off", fault->room, fault->client);
        internet_cut(s->internet, client_of(s, fault)->host);
        break;
    case SCENARIO_SET:
        snprintf(what, sizeof what, "room%u/%u's link changed", fault->room, fault->client);
        internet_get_link(s->internet, client_of(s, fault)->host, &up, &down);
        s->before[index][0] = up;
        s->before[index][1] = down;
        change_link(&up, fault->up, fault);
        change_link(&down, fault->down, fault);
        if (!internet_set_link(s->internet, client_of(s, fault)->host, &up, &down, error))
            return false;
        break;
    }
    measurement_fault(&s->measurement, what, now);
    return true;
}

static bool undo(struct simulation *s, size_t index, struct error *error)
{
    const struct scenario_fault *fault = &s->scenario->faults[index];
    if (fault->kind == SCENARIO_KILL)
        return true; /* what was killed starts anew only with new servers on it */
    if (fault->kind == SCENARIO_CUT) {
        internet_restore(s->internet, client_of(s, fault)->host);
        return true;
    }
    return internet_set_link(s->internet, client_of(s, fault)->host, &s->before[index][0], &s->before[index][1], error);
}

/* --- running ----------------------------------------------------------------------------------------------------------- */

static void count_egress(const struct simulation *s, uint64_t *sfu, uint64_t *turn)
{
    *sfu = *turn = 0;
    for (size_t i = 0; i < s->server_count; i++) {
        if (s->servers[i].sfu != NULL)
            *sfu += sfu_statistics(s->servers[i].sfu).bytes_sent + sfu_statistics(s->servers[i].sfu).data_bytes_sent;
        if (s->servers[i].turn != NULL)
            *turn += turn_server_statistics(s->servers[i].turn)->bytes_to_peers +
                     turn_server_statistics(s->servers[i].turn)->bytes_to_clients;
    }
}

static int compare_actions(const void *a, const void *b)
{
    const struct action *x = a;
    const struct action *y = b;
    if (x->at != y->at)
        return x->at < y->at ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

static size_t plan_actions(const struct scenario *scenario, struct action *actions)
{
    size_t count = 0;
    nanos end = scenario->join_spread + scenario->duration;
    for (size_t i = 0; i < scenario->fault_count; i++) {
        const struct scenario_fault *fault = &scenario->faults[i];
        actions[count++] = (struct action){.at = fault->at, .kind = ACTION_FAULT, .fault = i};
        if (fault->lasts > 0 && fault->at + fault->lasts < end)
            actions[count++] = (struct action){.at = fault->at + fault->lasts, .kind = ACTION_UNDO, .fault = i};
    }
    actions[count++] = (struct action){.at = scenario->join_spread, .kind = ACTION_WINDOW};
    actions[count++] = (struct action){.at = end, .kind = ACTION_END};
    qsort(actions, count, sizeof actions[0], compare_actions);
    return count;
}

static bool tell_progress(void *user, nanos now)
{
    struct simulation *s = user;
    double whole = nanos_to_s(s->scenario->join_spread + s->scenario->duration);
    if (s->options->progress != NULL)
        s->options->progress(s->options->user, nanos_to_s(now) / whole);
    return true;
}

static bool run_actions(struct simulation *s, struct error *error)
{
    struct action actions[ACTIONS_MAX];
    size_t count = plan_actions(s->scenario, actions);
    for (size_t i = 0; i < count; i++) {
        const struct action *action = &actions[i];
        if (!internet_run_until(s->internet, action->at, NANOS_PER_S / 5, tell_progress, s, error))
            return false;
        bool done = true;
        if (action->kind == ACTION_FAULT)
            done = strike(s, action->fault, action->at, error);
        else if (action->kind == ACTION_UNDO)
            done = undo(s, action->fault, error);
        else if (action->kind == ACTION_WINDOW) {
            measurement_begin_window(&s->measurement);
            count_egress(s, &s->sfu_bytes, &s->turn_bytes);
        }
        if (!done)
            return false;
    }
    return true;
}

static void sum_up(struct simulation *s, struct result_run *run)
{
    const struct scenario *scenario = s->scenario;
    double seconds = nanos_to_s(scenario->duration);
    uint64_t sfu_bytes, turn_bytes;
    measurement_finish(&s->measurement, scenario->join_spread + scenario->duration, run);
    count_egress(s, &sfu_bytes, &turn_bytes);
    run->sfu_egress_kbps = (double)(sfu_bytes - s->sfu_bytes) * 8 / 1e3 / seconds;
    run->turn_egress_kbps = (double)(turn_bytes - s->turn_bytes) * 8 / 1e3 / seconds;
    run->cost.sfu_egress_gb_per_hour = run->sfu_egress_kbps * 3600 / 8 / 1e6;
    run->cost.turn_egress_gb_per_hour = run->turn_egress_kbps * 3600 / 8 / 1e6;
    size_t servers = scenario->turn.count + (s->options->topology == SCENARIO_SFU ? scenario->sfu.count : 0);
    run->cost.per_hour =
        (run->cost.sfu_egress_gb_per_hour + run->cost.turn_egress_gb_per_hour) * scenario->egress_per_gb +
        (double)servers * scenario->server_per_hour;
}

typedef bool (*write_list)(const struct measurement *measurement, const char *path, struct error *error);

static bool list(const struct simulation *s, const char *name, write_list write, struct error *error)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s-%s.csv", s->options->directory, s->options->label, name);
    return write(&s->measurement, path, error);
}

static bool write_lists(const struct simulation *s, struct error *error)
{
    return s->options->directory == NULL ||
           (list(s, "connections", connection_list_write, error) &&
            (s->measurement.fault_count == 0 || list(s, "outages", outage_list_write, error)));
}

static bool build(struct simulation *s, struct result_run *run, struct error *error)
{
    const struct scenario *scenario = s->scenario;
    const struct venue_config venue = {.world = scenario->world,
                                       .seed = scenario->seed,
                                       .core_delay = scenario->core_delay,
                                       .lead = LIVE_LEAD + (nanos)s->population.count * LIVE_LEAD_CLIENT};
    s->venue = venue_open(&venue, error);
    if (s->venue == NULL)
        return false;
    s->internet = venue_internet(s->venue);
    s->ntp_origin = venue_ntp_origin(s->venue);
    const struct certificate_config certificate = {.not_before_unix_s = venue_unix_origin_s(s->venue) - 86400};
    for (size_t i = 0; i < scenario->sites.count; i++) {
        if (i > 0 && internet_add_site(s->internet, scenario->sites.names[i], error) != (int)i)
            return false;
        for (size_t j = 0; j <= i; j++) {
            if (!internet_set_site_delay(s->internet, (int)i, (int)j, scenario->sites.delay[i][j], error))
                return false;
        }
    }
    s->certificate = certificate_create(&certificate, error);
    if (s->certificate == NULL)
        return false;
    const struct tls_context_config server = {.server = true, .certificate = s->certificate};
    const struct tls_context_config client = {.trust = TLS_TRUST_PINNED,
                                              .pinned = certificate_fingerprint(s->certificate, FINGERPRINT_SHA_256)};
    s->tls_server = tls_context_create(&server, error);
    s->tls_client = s->tls_server != NULL ? tls_context_create(&client, error) : NULL;
    return s->tls_client != NULL && start_servers(s, error) && add_clients(s, error) && start_captures(s, run, error);
}

static void tear_down(struct simulation *s)
{
    for (size_t i = 0; s->clients != NULL && i < s->population.count; i++) {
        participant_destroy(s->clients[i].participant);
        if (s->clients[i].timer != NULL)
            world_timer_close(s->clients[i].timer);
    }
    for (size_t i = 0; i < s->server_count; i++) {
        signalling_server_destroy(s->servers[i].signalling);
        sfu_destroy(s->servers[i].sfu);
        turn_server_destroy(s->servers[i].turn);
    }
    tls_context_destroy(s->tls_client);
    tls_context_destroy(s->tls_server);
    venue_close(s->venue);
    certificate_destroy(s->certificate);
    measurement_clear(&s->measurement);
    population_clear(&s->population);
    free(s->clients);
    if (s->keylog != NULL)
        fclose(s->keylog);
}

bool simulate(const struct scenario *scenario, const struct simulation_options *options, struct result_run *run,
              struct venue_health *health, struct error *error)
{
    bool mesh = options->topology == SCENARIO_MESH;
    struct simulation *s = calloc(1, sizeof *s);
    if (s == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    s->scenario = scenario;
    s->options = options;
    memset(run, 0, sizeof *run);
    snprintf(run->topology, sizeof run->topology, "%s", mesh ? "mesh" : "sfu");
    run->rooms = scenario->rooms;
    run->room_size = scenario->room_size;
    if (options->keylog != NULL)
        s->keylog = fopen(options->keylog, "we");
    bool done = (scenario->matrix_count == 0 || nat_matrix_expect(scenario, &run->matrix, error)) &&
                population_draw(&s->population, scenario, error) &&
                measurement_init(&s->measurement, scenario, &s->population, mesh, error) && build(s, run, error) &&
                run_actions(s, error);
    if (done) {
        sum_up(s, run);
        *health = venue_health(s->venue);
        done = venue_finish_captures(s->venue, error) && write_lists(s, error);
    }
    tear_down(s);
    free(s);
    return done;
}
