#include "loadgen/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"
#include "loadgen/adapter.h"
#include "loadgen/generator.h"
#include "loadgen/load_client.h"
#include "report/load_verdict.h"
#include "report/threshold.h"
#include "rtc/certificate.h"
#include "rtc/tls_stream.h"
#include "world/web.h"

/* What a turn of the loop starts at most, so that those who are there don't wait for those who come. */
enum { JOINS_AT_ONCE = 20 };
#define SECOND NANOS_PER_S
#define SLACK (5 * NANOS_PER_MS)       /* a browser's pacer is no finer */
#define AWAY (2 * NANOS_PER_S)         /* of a client that leaves to come back */
#define FAREWELL_MAX (3 * NANOS_PER_S) /* for goodbyes on their way */
#define CERTIFICATE_AGE_S (24 * 3600)  /* of the certificate: clocks differ */

struct returning {
    uint32_t client;
    nanos at;
};

struct load {
    const struct load_plan *plan;
    const struct load_options *options;
    struct result *result;
    struct load_tally tally;
    struct load_common common;
    struct generator generator;
    struct certificate *certificate;
    struct population population;
    struct adapter_client **clients; /* NULL: another shard's */
    uint32_t planned;                /* of this shard */
    struct world_timer *timer;
    nanos start; /* when the first is to join */
    uint32_t next;
    nanos next_at; /* its planned instant; NANOS_NEVER: nobody is left */
    nanos until;   /* when all leave */
    double rate;   /* as it is now; 0: the plan's steps, or all at once */
    bool steered;  /* the rate was changed while it ran, so `next_at` no longer follows the plan */
    bool paused;
    nanos paused_at;
    struct rng churn;
    nanos churn_at;
    struct returning *away; /* by time */
    size_t away_count;
    uint32_t seconds;
    nanos second_at;
    nanos late;       /* how late something was done in this second, at most */
    bool settled;     /* all have joined, or failed to: only then the duration begins */
    bool over;        /* the time is up, or one of these: */
    bool interrupted; /* by the owner */
    bool broken;      /* the limit was found */
};

const struct load_plan *load_plan_of(const struct load *load) { return load->plan; }
struct live_world *load_world(struct load *load) { return load->common.live; }
struct world_host *load_machine(struct load *load) { return load->common.machine; }
struct result *load_result_of(struct load *load) { return load->result; }

static nanos now_of(const struct load *load) { return world_now(live_world_of(load->common.live)); }

nanos load_elapsed(const struct load *load) { return now_of(load) - load->start; }
nanos load_remaining(const struct load *load) { return nanos_max(load->until - now_of(load), 0); }

struct load_clients load_count(const struct load *load)
{
    const struct load_common *common = &load->common;
    return (struct load_clients){.planned = load->planned,
                                 .idle = load->planned - common->joining - common->joined - common->failed,
                                 .joining = common->joining,
                                 .joined = common->joined,
                                 .failed = common->failed};
}

/* --- who comes next --------------------------------------------------------------------------------------------------- */

/* Rooms go to shards as wholes as long as there are enough of them. */
static bool is_ours(const struct load_plan *plan, const struct client_profile *profile, uint32_t index)
{
    uint32_t number = plan->scenario->rooms >= plan->shard_count ? profile->room : index;
    return number % plan->shard_count == plan->shard_index - 1;
}

static bool rooms_are_split(const struct load_plan *plan) { return plan->scenario->rooms < plan->shard_count; }

static void wake(struct load *load)
{
    nanos at = nanos_min(load->second_at, load->churn_at);
    if (!load->paused && load->next_at != NANOS_NEVER)
        at = nanos_min(at, load->next_at);
    if (load->away_count > 0)
        at = nanos_min(at, load->away[0].at);
    world_timer_set(load->timer, at);
}

static nanos ramp_end(const struct load *load)
{
    double left = load->plan->clients - load->next;
    if (load->next_at == NANOS_NEVER)
        return 0;
    if (!load->steered)
        return load->start + load_plan_ramp(load->plan);
    return load->next_at + (load->rate > 0 ? (nanos)(left * 1e9 / load->rate) : 0);
}

static void plan_end(struct load *load)
{
    load->until = nanos_max(load->until, ramp_end(load) + load->plan->scenario->duration);
}

/* The next one of ours, and when. */
static void find_next(struct load *load, nanos now)
{
    while (load->next < load->plan->clients && load->clients[load->next] == NULL)
        load->next++;
    if (load->next == load->plan->clients)
        load->next_at = NANOS_NEVER;
    else if (!load->steered)
        load->next_at = load->start + load_plan_joins_at(load->plan, load->next);
    else
        load->next_at = load->rate > 0 ? nanos_max(load->next_at, now - SECOND) + (nanos)(1e9 / load->rate) : now;
}

static void join_due(struct load *load, nanos now)
{
    if (!load->paused && load->next_at <= now)
        load->late = nanos_max(load->late, now - load->next_at);
    for (int i = 0; i < JOINS_AT_ONCE && !load->paused && load->next_at <= now; i++) {
        load_client_join(load->clients[load->next++], load->next_at, now);
        find_next(load, now);
    }
    uint32_t present = load->common.joining + load->common.joined;
    if (present > load->tally.run->load->clients_peak)
        load->tally.run->load->clients_peak = present;
}

void load_set_rate(struct load *load, double rate)
{
    nanos now = now_of(load);
    load->rate = rate;
    load->steered = true;
    if (load->next_at != NANOS_NEVER)
        load->next_at = rate > 0 ? now + (nanos)(1e9 / rate) : now;
    plan_end(load);
    wake(load);
}

void load_pause(struct load *load, bool paused)
{
    nanos now = now_of(load);
    if (paused == load->paused)
        return;
    load->paused = paused;
    if (paused) {
        load->paused_at = now;
    } else if (load->next_at != NANOS_NEVER) {
        /* What was planned for meanwhile is planned for later. */
        load->start += now - load->paused_at;
        load->until += now - load->paused_at;
        load->next_at += now - load->paused_at;
    }
    wake(load);
}

/* --- who should receive what ------------------------------------------------------------------------------------------ */

/* Whether anyone, by the plan or in fact, sends to the others of a room. */
struct senders {
    uint32_t audio, video, screens;
};

static void count_sender(const struct load *load, const struct client_profile *profile, struct senders *senders,
                         int change)
{
    const struct media_plan plan = population_media_plan(load->plan->scenario, profile);
    senders->audio += (uint32_t)(plan.audio ? change : 0);
    senders->video += (uint32_t)(plan.video ? change : 0);
    senders->screens += (uint32_t)(plan.screen ? change : 0);
}

static bool sends(const struct load *load, size_t index, nanos now)
{
    const struct adapter_client *client = load->clients[index];
    if (client == NULL || rooms_are_split(load->plan))
        return rooms_are_split(load->plan);
    return load_client_has_settled(client, now);
}

/* What each should receive, of those who are there now. */
static void expect_in_room(const struct load *load, uint32_t room, nanos now)
{
    const struct load_plan *plan = load->plan;
    const struct scenario_media *media = &plan->scenario->media;
    struct senders all = {0};
    size_t first = (size_t)room * plan->scenario->room_size;
    size_t end = first + plan->scenario->room_size;
    if (end > plan->clients)
        end = plan->clients;
    for (size_t i = first; i < end; i++) {
        if (sends(load, i, now))
            count_sender(load, &load->population.clients[i], &all, 1);
    }
    for (size_t i = first; i < end; i++) {
        struct senders others = all;
        if (load->clients[i] == NULL || !load_client_has_settled(load->clients[i], now))
            continue;
        if (sends(load, i, now))
            count_sender(load, &load->population.clients[i], &others, -1);
        if (plan->target.adapter->pattern == ADAPTER_PUBLISH)
            others = (struct senders){0};
        else if (plan->target.adapter->pattern == ADAPTER_PLAY)
            others = (struct senders){.audio = media->has_audio, .video = media->has_video};
        load_client_expect(load->clients[i], others.audio, others.video, others.screens);
    }
}

/* --- coming and going --------------------------------------------------------------------------------------------------- */

static void let_one_leave(struct load *load, nanos now)
{
    uint32_t at = (uint32_t)rng_below(&load->churn, load->plan->clients);
    for (uint32_t i = 0; i < load->plan->clients; i++, at = (at + 1) % load->plan->clients) {
        struct adapter_client *client = load->clients[at];
        if (client == NULL || load_client_state(client) != LOAD_CLIENT_JOINED)
            continue;
        expect_in_room(load, load_client_profile(client)->room, now);
        load_client_leave(client, now);
        load->away[load->away_count++] = (struct returning){.client = at, .at = now + AWAY};
        return;
    }
}

static void churn_due(struct load *load, nanos now)
{
    for (; load->churn_at <= now; load->churn_at += (nanos)rng_exponential(&load->churn, 1e9 / load->plan->churn))
        let_one_leave(load, now);
    size_t back = 0;
    while (back < load->away_count && load->away[back].at <= now) {
        load_client_join(load->clients[load->away[back].client], load->away[back].at, now);
        back++;
    }
    load->away_count -= back;
    memmove(load->away, load->away + back, load->away_count * sizeof *load->away);
}

/* --- each second -------------------------------------------------------------------------------------------------------- */

static void count_clients(struct load *load)
{
    struct result_run *run = load->tally.run;
    struct load_result *figures = run->load;
    uint32_t last_room = UINT32_MAX;
    run->clients_planned = load->planned;
    run->clients_failed = load->common.failed;
    run->clients_joined = load->common.joined + load->away_count;
    run->connections.failed = run->connections.planned - run->connections.connected;
    figures->clients_relayed = figures->rooms_relayed = 0;
    for (uint32_t i = 0; i < load->plan->clients; i++) {
        if (load->clients[i] == NULL || !load_client_relays(load->clients[i]))
            continue;
        figures->clients_relayed++;
        figures->rooms_relayed += load->population.clients[i].room != last_room;
        last_room = load->population.clients[i].room;
    }
}

static void sum_up_second(struct load *load, nanos now)
{
    struct load_tally *tally = &load->tally;
    for (uint32_t i = 0; i < load->plan->clients; i++) {
        if (load->clients[i] != NULL)
            load_client_sweep(load->clients[i], now);
    }
    count_clients(load);
    tally->run->media_seconds = nanos_to_s(now - load->start);
    tally->sample.clients = load->common.joined;
    generator_second(&load->generator, nanos_max(load->late, now - load->second_at), &tally->sample, load->result,
                     tally->run->load);
    load->late = 0;
    load_series_add(&tally->run->load->series, load->seconds++, &tally->sample);
    memset(&tally->sample, 0, sizeof tally->sample);
}

static void apply_thresholds(struct load *load)
{
    const struct scenario *scenario = load->plan->scenario;
    struct result *result = load->result;
    load_result_sum_up(load->tally.run);
    for (size_t i = 0; i < scenario->threshold_count; i++)
        result->thresholds[i] = threshold_apply(scenario->thresholds[i], result);
    result->threshold_count = scenario->threshold_count;
}

/* More than this is not held: a threshold breaks, clients fail, or this machine can't. */
static bool has_broken(struct load *load)
{
    struct load_result *figures = load->tally.run->load;
    bool broken = load->result->generator.overloaded || load->common.failed > 0;
    apply_thresholds(load);
    for (size_t i = 0; i < load->result->threshold_count && !broken; i++) {
        const struct result_threshold *threshold = &load->result->thresholds[i];
        broken = threshold->measured && !threshold->passed;
        if (broken)
            snprintf(figures->limit_why, sizeof figures->limit_why, "%s", threshold->expr);
    }
    if (!broken) {
        figures->limit_clients = load->common.joined;
        return false;
    }
    if (load->result->generator.overloaded)
        snprintf(figures->limit_why, sizeof figures->limit_why, "the generator was overloaded");
    else if (load->common.failed > 0)
        snprintf(figures->limit_why, sizeof figures->limit_why, "clients failed");
    return true;
}

static void second_due(struct load *load, nanos now)
{
    const struct load_options *options = load->options;
    uint32_t there = load->common.joining + load->common.joined;
    sum_up_second(load, now);
    if (options->second != NULL && !options->second(options->user, load))
        load->over = load->interrupted = true;
    if (load->plan->find_limit && has_broken(load))
        load->over = load->broken = true;
    load->settled = load->settled || (load->next_at == NANOS_NEVER && load->common.joining == 0);
    if (!load->settled)
        load->until = nanos_max(load->until, now + load->plan->scenario->duration);
    /* When all have failed nothing more will come of it. */
    bool all_failed = load->next_at == NANOS_NEVER && there == 0 && load->away_count == 0;
    if (now >= load->until || all_failed)
        load->over = true;
    if (load->paused)
        load->until = nanos_max(load->until, now + SECOND);
    load->second_at += SECOND;
    if (load->second_at <= now)
        load->second_at = now + SECOND;
}

static void due(void *user, nanos now)
{
    struct load *load = user;
    if (load->over)
        return;
    if (load->second_at <= now)
        second_due(load, now);
    if (load->over) {
        live_world_stop(load->common.live);
        return;
    }
    churn_due(load, now);
    join_due(load, now);
    wake(load);
}

/* --- setting up --------------------------------------------------------------------------------------------------------- */

/* Ours, as the kernel would choose it on the way to the server. */
static struct address local_address(const struct address *server)
{
    struct sockaddr_storage name = {0};
    struct address own = {0};
    char text[INET6_ADDRSTRLEN] = "";
    bool ipv6 = server->family == ADDRESS_IPV6;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&name;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&name;
    socklen_t len = ipv6 ? sizeof *v6 : sizeof *v4;
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return own;
    name.ss_family = ipv6 ? AF_INET6 : AF_INET;
    v4->sin_port = htons(server->port != 0 ? server->port : 9);
    memcpy(ipv6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr, server->ip, address_ip_len(server));
    /* Nothing is sent by that. */
    if (connect(fd, (struct sockaddr *)&name, len) == 0 && getsockname(fd, (struct sockaddr *)&name, &len) == 0 &&
        inet_ntop(name.ss_family, ipv6 ? (void *)&v6->sin6_addr : (void *)&v4->sin_addr, text, sizeof text) != NULL)
        address_parse(&own, text);
    close(fd);
    return own;
}

static bool open_world(struct load *load, struct error *error)
{
    const struct load_plan *plan = load->plan;
    struct address server = {0};
    struct address own = plan->bind;
    /* First who the server is: whether it is on this machine's loopback decides where anything may go. */
    struct live_world_config config = {
        .seed = plan->scenario->seed, .core_delay = plan->scenario->core_delay, .loopback_only = true};
    /* Where a program goes nobody knows: beyond the loopback when it has another address to start from. */
    bool remote = own.family != ADDRESS_NONE && address_scope(&own) != ADDRESS_LOOPBACK;
    if (plan->target.url.host[0] != '\0') {
        struct live_world *probe = live_world_create(&config, error);
        struct web *web = probe != NULL ? live_world_web(probe, error) : NULL;
        bool found = web != NULL && web_resolve(web, plan->target.url.host, plan->target.url.port, &server, error);
        live_world_destroy(probe);
        if (!found)
            return false;
        remote = address_scope(&server) != ADDRESS_LOOPBACK;
        if (own.family == ADDRESS_NONE)
            own = local_address(&server);
    }
    if (own.family == ADDRESS_NONE)
        own = address_ipv4(127, 0, 0, 1, 0);
    own.port = 0;
    config.loopback_only = !remote;
    /* Frames say when they were captured, and may come from another process. */
    config.unix_time = true;
    /* Emulated links count in less. */
    config.slack = plan->emulated ? 0 : SLACK;
    config.lazy = plan->target.adapter->pattern == ADAPTER_PLAY;
    if (remote)
        config.outside = own;
    /* A server of a laboratory, or of a company's network, has its addresses there. */
    config.private_network = remote && address_scope(&server) != ADDRESS_GLOBAL;
    config.server = server;
    load->common.live = live_world_create(&config, error);
    if (load->common.live == NULL)
        return false;
    load->common.web = live_world_web(load->common.live, error);
    const struct live_host_config host = {.name = "load", .addresses = &own, .address_count = 1};
    load->common.machine = load->common.web != NULL ? live_world_add_host(load->common.live, &host, error) : NULL;
    return load->common.machine != NULL;
}

static bool make_keys(struct load *load, struct error *error)
{
    const struct certificate_config certificate = {.serial = load->plan->scenario->seed >> 1,
                                                   .not_before_unix_s = live_world_unix_origin_s(load->common.live) +
                                                                        now_of(load) / NANOS_PER_S - CERTIFICATE_AGE_S};
    const struct tls_context_config tls = {.trust = load->plan->verify ? TLS_TRUST_CA : TLS_TRUST_ANY};
    load->common.certificate = load->certificate = certificate_create(&certificate, error);
    load->common.tls = load->certificate != NULL ? tls_context_create(&tls, error) : NULL;
    return load->common.tls != NULL;
}

static bool make_clients(struct load *load, struct error *error)
{
    const struct load_plan *plan = load->plan;
    load->clients = calloc(plan->clients, sizeof(struct adapter_client *));
    load->away = calloc(plan->clients, sizeof *load->away);
    if (load->clients == NULL || load->away == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    if (!population_draw(&load->population, plan->scenario, error))
        return false;
    for (uint32_t i = 0; i < plan->clients; i++) {
        const struct client_profile *profile = &load->population.clients[i];
        if (!is_ours(plan, profile, i))
            continue;
        load->clients[i] = load_client_create(&load->common, profile, i);
        if (load->clients[i] == NULL)
            return error_set(error, ERROR_SYSTEM, "out of memory");
        load->planned++;
    }
    return true;
}

static bool make_result(struct load *load, struct error *error)
{
    const struct load_plan *plan = load->plan;
    struct result *result = load->result;
    char url[WEB_URL_CAP];
    result->runs = calloc(1, sizeof *result->runs);
    result->thresholds = calloc(SCENARIO_THRESHOLDS_MAX, sizeof *result->thresholds);
    if (result->runs == NULL || result->thresholds == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    result->run_count = 1;
    struct result_run *run = load->tally.run = result->runs;
    run->load = load_result_create();
    if (run->load == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    snprintf(result->scenario, sizeof result->scenario, "%s", plan->scenario->name);
    snprintf(result->world, sizeof result->world, "live");
    result->seed = plan->scenario->seed;
    snprintf(run->topology, sizeof run->topology, "load");
    run->rooms = plan->scenario->rooms;
    run->room_size = plan->scenario->room_size;
    run->data.planned = plan->scenario->media.has_data;
    run->data.files.bytes = (uint64_t)plan->scenario->media.data_file;
    snprintf(run->load->adapter, sizeof run->load->adapter, "%s", plan->target.adapter->scheme);
    if (plan->target.url.host[0] != '\0')
        web_url_format(&plan->target.url, url);
    else
        snprintf(url, sizeof url, "%s", plan->target.command);
    url[strcspn(url, "?")] = '\0'; /* secrets are behind it */
    snprintf(run->load->server, sizeof run->load->server, "%.255s", url);
    run->load->shard_index = plan->shard_index;
    run->load->shard_count = plan->shard_count;
    load->tally.camera_fps = plan->scenario->media.layers[plan->scenario->media.layer_count - 1].fps;
    return true;
}

static bool open_adapter(struct load *load, struct error *error)
{
    const struct load_target *target = &load->plan->target;
    if (target->adapter->open == NULL)
        return true;
    load->common.shared = target->adapter->open(load->common.live, target, error);
    return load->common.shared != NULL;
}

static bool open_load(struct load *load, struct error *error)
{
    if (!make_result(load, error) || !open_world(load, error) || !make_keys(load, error) ||
        !make_clients(load, error) || !open_adapter(load, error))
        return false;
    load->timer = world_timer_open(load->common.machine, due, load);
    if (load->timer == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    return load->options->started == NULL || load->options->started(load->options->user, load, error);
}

/* --- running ------------------------------------------------------------------------------------------------------------- */

static bool goodbyes_wait(void *user, nanos now)
{
    const struct load *load = user;
    (void)now;
    return load->common.orphans != NULL;
}

/* Whoever has not joined had no time to. */
static bool cut_short(const struct load *load) { return load->interrupted || load->broken; }

/* Those whose time has come, but not their turn. */
static void give_up_the_rest(struct load *load)
{
    for (; load->next < load->plan->clients; load->next++) {
        if (load->clients[load->next] == NULL)
            continue;
        load->common.failed++;
        load_tally_failure(&load->tally, FAILURE_LOCAL, "the generator was too slow to start it");
    }
}

static void end(struct load *load)
{
    struct load_common *common = &load->common;
    nanos now = now_of(load);
    for (uint32_t room = 0; room < load->plan->scenario->rooms; room++)
        expect_in_room(load, room, now);
    for (uint32_t i = 0; i < load->plan->clients; i++) {
        if (load->clients[i] != NULL && !cut_short(load))
            load_client_finish(load->clients[i], now);
        else if (load->clients[i] != NULL)
            load_client_leave(load->clients[i], now);
    }
    /* At least a turn for what was said last, and as long as it takes for requests. */
    live_world_run_until(common->live, now + 100 * NANOS_PER_MS, 0, NULL, NULL, NULL);
    live_world_run_until(common->live, now + FAREWELL_MAX, 10 * NANOS_PER_MS, goodbyes_wait, load, NULL);
}

static void run(struct load *load)
{
    nanos now = now_of(load);
    load->rate = load->plan->rate;
    load->start = now;
    load->common.start = now - now % (60 * SECOND);
    load->second_at = now + SECOND;
    load->churn = rng_of(load->plan->scenario->seed, "load churn", load->plan->shard_index);
    load->churn_at =
        load->plan->churn > 0 ? now + (nanos)rng_exponential(&load->churn, 1e9 / load->plan->churn) : NANOS_NEVER;
    generator_begin(&load->generator, load->common.live);
    find_next(load, now);
    plan_end(load);
    wake(load);
    live_world_run_until(load->common.live, NANOS_NEVER, 0, NULL, NULL, NULL);
    nanos over = now_of(load);
    uint32_t joined = load->common.joined;
    if (!cut_short(load))
        give_up_the_rest(load);
    uint32_t failed = load->common.failed;
    end(load);
    /* The last counts are of the clients as they were, not as they are now that all have left. */
    count_clients(load);
    load->tally.run->clients_failed = load->common.failed > failed ? load->common.failed : failed;
    load->tally.run->clients_joined = joined + load->away_count;
    load->tally.run->media_seconds = nanos_to_s(over - load->start);
    apply_thresholds(load);
    load_verdict_write(load->result);
}

static void close_load(struct load *load)
{
    for (uint32_t i = 0; load->clients != NULL && i < load->plan->clients; i++)
        load_client_destroy(load->clients[i]);
    load_client_forget_requests(&load->common);
    if (load->common.shared != NULL)
        load->plan->target.adapter->close(load->common.shared);
    if (load->timer != NULL)
        world_timer_close(load->timer);
    tls_context_destroy(load->common.tls);
    live_world_destroy(load->common.live);
    certificate_destroy(load->certificate);
    population_clear(&load->population);
    free(load->clients);
    free(load->away);
    free(load);
}

enum load_outcome load_run(const struct load_plan *plan, const struct load_options *options, struct result *result,
                           struct error *error)
{
    struct load *load = calloc(1, sizeof *load);
    if (load == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return LOAD_FAILED;
    }
    load->plan = plan;
    load->options = options;
    load->result = result;
    load->common.plan = plan;
    load->common.tally = &load->tally;
    load->next_at = NANOS_NEVER;
    bool opened = open_load(load, error);
    if (opened)
        run(load);
    enum load_outcome outcome = !opened ? LOAD_FAILED : load->interrupted ? LOAD_INTERRUPTED : LOAD_DONE;
    close_load(load);
    return outcome;
}
