#include "loadgen/load_client_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/rng.h"
#include "world/internet.h"

#define SETTLING (2 * NANOS_PER_S)

enum load_client_state load_client_state(const struct adapter_client *client) { return client->state; }
const struct client_profile *load_client_profile(const struct adapter_client *client) { return client->profile; }
bool load_client_relays(const struct adapter_client *client) { return client->relays; }

void load_client_later(struct adapter_client *client)
{
    world_timer_set(client->timer, world_now(live_world_of(client->common->live)));
}

void load_client_set_state(struct adapter_client *client, enum load_client_state state)
{
    struct load_common *common = client->common;
    uint32_t *const counts[] = {[LOAD_CLIENT_IDLE] = NULL,
                                [LOAD_CLIENT_JOINING] = &common->joining,
                                [LOAD_CLIENT_JOINED] = &common->joined,
                                [LOAD_CLIENT_FAILED] = &common->failed};
    if (counts[client->state] != NULL)
        (*counts[client->state])--;
    if (counts[state] != NULL)
        (*counts[state])++;
    client->state = state;
}

void load_client_reach(struct adapter_client *client, enum load_figure stage, nanos now)
{
    if (client->stages[stage])
        return;
    client->stages[stage] = true;
    load_tally_stage(client->common->tally, stage, now - client->planned);
}

/* --- what adapters ask and tell --------------------------------------------------------------------------------------------- */

const struct load_target *adapter_target(const struct adapter_client *client) { return &client->common->plan->target; }
struct adapter_shared *adapter_shared(const struct adapter_client *client) { return client->common->shared; }
const char *adapter_room(const struct adapter_client *client) { return client->room; }
const char *adapter_name(const struct adapter_client *client) { return client->name; }
uint32_t adapter_room_number(const struct adapter_client *client) { return client->profile->room; }
uint32_t adapter_number(const struct adapter_client *client) { return client->profile->number; }
const struct media_plan *adapter_plan(const struct adapter_client *client) { return &client->plan; }
struct world_host *adapter_host(const struct adapter_client *client) { return client->host; }
struct live_world *adapter_live(const struct adapter_client *client) { return client->common->live; }

bool adapter_media_has(const struct adapter_client *client, enum track_kind kind)
{
    const struct scenario_media *media = &client->common->plan->scenario->media;
    return kind == TRACK_AUDIO ? media->has_audio : kind == TRACK_VIDEO ? media->has_video : media->has_screen;
}

bool adapter_needs_relays(const struct adapter_client *client)
{
    return client->common->plan->relay_only || (client->common->plan->emulated && client->profile->nat_count > 0);
}

uint64_t adapter_seed(const struct adapter_client *client)
{
    struct rng rng = rng_of(client->common->plan->scenario->seed, "load client",
                            (uint64_t)client->index << 16 | (client->visits & 0xffff));
    return rng_u64(&rng);
}

uint32_t adapter_publishers(const struct adapter_client *client)
{
    const struct scenario *scenario = client->common->plan->scenario;
    return scenario->publishers > 0 ? scenario->publishers : scenario->room_size;
}

const char *adapter_token(const struct adapter_client *client)
{
    const char *token = client->common->plan->target.token;
    return token[0] != '\0' ? token : NULL;
}

void adapter_signalled(struct adapter_client *client)
{
    nanos now = world_now(live_world_of(client->common->live));
    client->signalled = true;
    load_client_reach(client, LOAD_SIGNALLED, now);
    load_client_check_joined(client, now);
}

void adapter_expect(struct adapter_client *client, uint32_t audio, uint32_t video)
{
    client->adapter_expects = true;
    client->expected_audio = audio;
    client->expected_video = video;
}

static uint32_t layout_size(enum load_layout layout)
{
    static const uint32_t sizes[] = {[LOAD_LAYOUT_ALL] = UINT32_MAX,
                                     [LOAD_LAYOUT_SPEAKER] = 6,
                                     [LOAD_LAYOUT_3X3] = 9,
                                     [LOAD_LAYOUT_4X4] = 16,
                                     [LOAD_LAYOUT_5X5] = 25};
    return sizes[layout];
}

enum adapter_layer adapter_wanted_layer(const struct adapter_client *client, uint32_t index)
{
    enum load_layout layout = client->common->plan->layout;
    if (index >= layout_size(layout))
        return LAYER_NONE;
    switch (layout) {
    case LOAD_LAYOUT_SPEAKER:
        return index == 0 ? LAYER_HIGH : LAYER_LOW;
    case LOAD_LAYOUT_3X3:
        return LAYER_MEDIUM;
    case LOAD_LAYOUT_4X4:
    case LOAD_LAYOUT_5X5:
        return LAYER_LOW;
    default:
        return LAYER_HIGH;
    }
}

bool load_client_has_settled(const struct adapter_client *client, nanos now)
{
    nanos least = nanos_min(SETTLING, client->common->plan->scenario->duration / 2);
    return client->state == LOAD_CLIENT_JOINED && now - client->joined_at >= least;
}

void load_client_expect(struct adapter_client *client, uint32_t audio, uint32_t video, uint32_t screens)
{
    uint32_t most = layout_size(client->common->plan->layout);
    if (client->adapter_expects)
        return;
    client->expected_audio = audio;
    client->expected_video = (video < most ? video : most) + screens;
}

void adapter_fail(struct adapter_client *client, enum failure failure, const char *format, ...)
{
    va_list arguments;
    bool there = client->state == LOAD_CLIENT_JOINING || client->state == LOAD_CLIENT_JOINED;
    if (client->failing || !there)
        return;
    client->failing = true;
    client->failure = failure;
    va_start(arguments, format);
    vsnprintf(client->reason, sizeof client->reason, format, arguments);
    va_end(arguments);
    load_client_later(client);
}

/* --- coming and going ------------------------------------------------------------------------------------------------------ */

/* Everything of this visit goes; requests that are on their way go on without us. */
static void part(struct adapter_client *client, bool politely, nanos now)
{
    struct client_call *call;
    DL_FOREACH(client->calls, call)
    {
        load_client_count_call(call, true, now);
        if (politely)
            call_close(call->call, now);
    }
    while (client->calls != NULL)
        load_client_release_call(client->calls);
    if (client->session != NULL)
        client->adapter->destroy(client->session);
    client->session = NULL;
    call_group_destroy(client->group);
    client->group = NULL;
    if (client->channel != NULL)
        world_channel_close(client->channel);
    client->channel = NULL;
    while (client->requests != NULL) {
        struct client_request *request = client->requests;
        DL_DELETE(client->requests, request);
        request->client = NULL;
        DL_APPEND(client->common->orphans, request);
    }
}

void load_client_forget_requests(struct load_common *common)
{
    while (common->orphans != NULL) {
        struct client_request *request = common->orphans;
        DL_DELETE(common->orphans, request);
        http_fetch_cancel(request->fetch);
        free(request);
    }
}

static void judge(const struct adapter_client *client, nanos now)
{
    struct load_result *load = client->common->tally->run->load;
    double watched_ms = client->joined_at != NANOS_NEVER ? nanos_to_ms(now - client->joined_at) : 0;
    struct load_client judged = {
        .tracks_expected = client->expected_audio + client->expected_video,
        .tracks_got = client->got_audio + client->got_video,
        .join_ms = client->joined_at != NANOS_NEVER ? nanos_to_ms(client->joined_at - client->planned) : 0,
        .latency_ms_p95 = load_sample_quantile_ms(&client->seen, 0.95),
        .loss = client->loss.expected > 0 ? (double)client->loss.lost_after_repair / (double)client->loss.expected : 0,
        .frozen_ms = nanos_to_ms(client->frozen),
        .watched_ms = watched_ms,
    };
    snprintf(judged.name, sizeof judged.name, "%.47s", client->name);
    snprintf(judged.nat, sizeof judged.nat, "%.47s", client->common->plan->emulated ? client->profile->nat : "");
    snprintf(judged.access, sizeof judged.access, "%.47s",
             client->common->plan->emulated ? client->profile->access->name : "");
    if (client->path != PATH_NONE)
        snprintf(judged.path, sizeof judged.path, "%s", path_kind_name(client->path));
    if (client->state == LOAD_CLIENT_FAILED)
        snprintf(judged.why, sizeof judged.why, "%s: %.70s", failure_name(client->failure), client->reason);
    load_result_judge(load, &judged);
}

static void count_rates(const struct adapter_client *client, nanos now)
{
    struct load_result *load = client->common->tally->run->load;
    double seconds = client->joined_at != NANOS_NEVER ? nanos_to_s(now - client->joined_at) : 0;
    uint64_t up = 0;
    uint64_t down = 0;
    const struct client_call *call;
    DL_FOREACH(client->calls, call)
    {
        struct connection_statistics traffic = connection_statistics(call_connection(call->call));
        up += traffic.bytes_sent;
        down += traffic.bytes_received;
    }
    if (seconds <= 0)
        return;
    histogram_record(&load->figures[LOAD_CLIENT_UP], (uint64_t)((double)up * 8 / seconds));
    histogram_record(&load->figures[LOAD_CLIENT_DOWN], (uint64_t)((double)down * 8 / seconds));
}

static uint32_t at_most(uint32_t a, uint32_t b) { return a < b ? a : b; }

static void end_visit(struct adapter_client *client, bool politely, nanos now)
{
    struct result_run *run = client->common->tally->run;
    count_rates(client, now);
    part(client, politely, now);
    client->got_audio = at_most(client->got_audio, client->expected_audio);
    client->got_video = at_most(client->got_video, client->expected_video);
    const uint32_t expected = client->expected_audio + client->expected_video;
    const uint32_t got = client->got_audio + client->got_video;
    run->streams_expected += expected;
    run->streams_received += got;
    /* With churn it may be chance: whoever was to be seen had gone. */
    bool steady = client->common->plan->churn <= 0;
    if (got < expected && client->state == LOAD_CLIENT_JOINED && politely && steady) {
        char missing[64];
        snprintf(missing, sizeof missing, "%u of %u tracks arrived", got, expected);
        load_result_fail(run->load, "tracks", missing);
    }
}

static void give_up(struct adapter_client *client, nanos now)
{
    load_tally_failure(client->common->tally, client->failure, client->reason);
    load_client_set_state(client, LOAD_CLIENT_FAILED);
    /* What it has at the server may be given back all the same. */
    if (client->session != NULL)
        client->adapter->leave(client->session, now);
    end_visit(client, true, now);
    judge(client, now);
}

static void hear(struct adapter_client *client, const struct utterance *said, nanos now)
{
    const struct adapter *adapter = client->adapter;
    switch (said->type) {
    case DESCRIBES:
        adapter->described(client->session, said->by->call, said->offer, said->text, now);
        break;
    case CANDIDATE:
        if (adapter->candidate != NULL)
            adapter->candidate(client->session, said->by->call, said->text, now);
        break;
    case STATE:
        if (adapter->state != NULL)
            adapter->state(client->session, said->by->call, said->state, now);
        break;
    }
}

static void do_chores(void *user, nanos now)
{
    struct adapter_client *client = user;
    while (client->utterances != NULL && !client->failing && client->session != NULL) {
        struct utterance *said = client->utterances;
        LL_DELETE(client->utterances, said);
        hear(client, said, now);
        free(said->text);
        free(said);
    }
    if (client->failing && client->state != LOAD_CLIENT_FAILED)
        give_up(client, now);
}

static bool find_host(struct adapter_client *client, struct error *error)
{
    const struct client_profile *profile = client->profile;
    if (client->host != NULL)
        return true;
    if (client->common->plan->emulated) {
        const struct internet_client_config config = {.name = profile->name,
                                                      .site = profile->site,
                                                      .nats = profile->nats,
                                                      .nat_count = profile->nat_count,
                                                      .up = profile->access->up,
                                                      .down = profile->access->down,
                                                      .ipv6 = profile->ipv6};
        client->host = internet_add_client(live_world_internet(client->common->live), &config, error);
    } else {
        client->host = client->common->machine;
    }
    client->timer = client->host != NULL ? world_timer_open(client->host, do_chores, client) : NULL;
    return client->timer != NULL;
}

static void name_it(struct adapter_client *client)
{
    const struct load_plan *plan = client->common->plan;
    const struct client_profile *profile = client->profile;
    char visit[16] = "";
    if (client->visits > 1)
        snprintf(visit, sizeof visit, "-%u", client->visits);
    if (plan->scenario->rooms > 1)
        snprintf(client->room, sizeof client->room, "%s-%u", plan->room, profile->room + 1);
    else
        snprintf(client->room, sizeof client->room, "%s", plan->room);
    snprintf(client->name, sizeof client->name, "r%uc%u%s", profile->room + 1, profile->number + 1, visit);
}

static void start_anew(struct adapter_client *client, nanos planned)
{
    client->visits++;
    client->planned = planned;
    client->joined_at = NANOS_NEVER;
    client->signalled = client->failing = client->adapter_expects = client->relays = false;
    memset(client->stages, 0, sizeof client->stages);
    client->path = PATH_NONE;
    client->got_audio = client->got_video = client->expected_audio = client->expected_video = 0;
    client->loss = (struct track_loss){0};
    client->frozen = 0;
    memset(&client->seen, 0, sizeof client->seen);
    name_it(client);
}

void load_client_join(struct adapter_client *client, nanos planned, nanos now)
{
    struct error error = {0};
    struct load_common *common = client->common;
    const struct scenario *scenario = common->plan->scenario;
    common->tally->run->load->joins_planned++;
    start_anew(client, planned);
    load_client_set_state(client, LOAD_CLIENT_JOINING);
    const struct conversation conversation = {.seed = scenario->seed,
                                              .room = client->profile->room,
                                              .people = adapter_publishers(client),
                                              .start = common->start};
    if (find_host(client, &error)) {
        const struct call_group_config group = {.host = client->host,
                                                .plan = &client->plan,
                                                .conversation = conversation,
                                                .number = client->profile->number};
        client->group = call_group_create(&group, &error);
    }
    if (client->group != NULL) {
        call_group_talk(client->group, now);
        client->session = client->adapter->create(client, &error);
    }
    if (client->session != NULL)
        return;
    client->failing = true;
    client->failure = failure_of_reason(error.text, FAILURE_LOCAL);
    snprintf(client->reason, sizeof client->reason, "%.150s", error.text[0] != '\0' ? error.text : "out of memory");
    give_up(client, now);
}

void load_client_leave(struct adapter_client *client, nanos now)
{
    bool joined = client->state == LOAD_CLIENT_JOINED;
    if (client->state != LOAD_CLIENT_JOINING && !joined)
        return;
    if (!client->failing)
        client->adapter->leave(client->session, now);
    end_visit(client, true, now);
    if (joined)
        judge(client, now);
    load_client_set_state(client, LOAD_CLIENT_IDLE);
}

/* --- each second ------------------------------------------------------------------------------------------------------------- */

/* It has not joined, for whatever reason comes first. */
static void fail_to_join(struct adapter_client *client, const char *when)
{
    const struct client_call *call;
    bool securing = false;
    DL_FOREACH(client->calls, call)
    {
        securing = securing || transport_state(connection_transport(call_connection(call->call))) == TRANSPORT_SECURING;
    }
    if (!client->signalled)
        adapter_fail(client, FAILURE_TIMEOUT, "no answer: signalling was not done %s", when);
    else
        adapter_fail(client, securing ? FAILURE_DTLS : FAILURE_ICE, "the connection did not stand %s", when);
}

void load_client_sweep(struct adapter_client *client, nanos now)
{
    struct load_tally *tally = client->common->tally;
    struct client_call *call;
    uint64_t sent = 0;
    DL_FOREACH(client->calls, call)
    {
        load_tally_call(tally, &call->count, call_connection(call->call));
        sent += call->count.traffic.packets_sent;
        client->relays = client->relays || path_kind_relays(call->count.path);
        for (const struct remote_track *track = call_tracks(call->call); track != NULL; track = track->next) {
            if (track->user != NULL)
                load_tally_track(tally, track->user, track);
        }
    }
    /* Who only publishes sends as soon as it can. */
    if (sent > 0 && client->joined_at != NANOS_NEVER && client->adapter->pattern == ADAPTER_PUBLISH)
        load_client_reach(client, LOAD_FIRST_PACKET, client->joined_at);
    if (client->state == LOAD_CLIENT_JOINING && now - client->planned >= client->common->plan->join_timeout) {
        char when[32];
        snprintf(when, sizeof when, "within %g s", nanos_to_s(client->common->plan->join_timeout));
        fail_to_join(client, when);
    }
}

void load_client_finish(struct adapter_client *client, nanos now)
{
    if (client->state == LOAD_CLIENT_JOINING)
        fail_to_join(client, "when the load ended");
    if (client->failing && client->state != LOAD_CLIENT_FAILED)
        give_up(client, now);
    else if (client->state == LOAD_CLIENT_JOINED)
        load_client_leave(client, now);
}

/* --- life --------------------------------------------------------------------------------------------------------------------- */

struct adapter_client *load_client_create(struct load_common *common, const struct client_profile *profile,
                                          uint32_t index)
{
    struct adapter_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return NULL;
    client->common = common;
    client->profile = profile;
    client->index = index;
    client->adapter = common->plan->target.adapter;
    client->plan = population_media_plan(common->plan->scenario, profile);
    if (client->adapter->pattern == ADAPTER_PLAY)
        client->plan.audio = client->plan.video = client->plan.screen = false;
    return client;
}

void load_client_destroy(struct adapter_client *client)
{
    if (client == NULL)
        return;
    part(client, false, world_now(live_world_of(client->common->live)));
    if (client->timer != NULL)
        world_timer_close(client->timer);
    free(client);
}
