#include "loadgen/load_client.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#include "base/rng.h"
#include "loadgen/adapter.h"
#include "peer/call_group.h"
#include "rtc/ice_server_url.h"
#include "world/internet.h"
#include "world/web.h"
#include "world/web_channel.h"

enum { NAME_CAP = 64, REASON_CAP = 160 };

/* A connection. */
struct client_call {
    struct adapter_client *client;
    struct call *call; /* NULL while it is being made */
    struct media_plan plan;
    struct call_count count;
    bool up;
    struct client_call *prev, *next;
};

/* What a call has to say to the adapter. It waits until whatever is going on has ended, so that nothing is called from
 * within itself. */
struct utterance {
    enum { DESCRIBES, CANDIDATE, STATE } type;
    struct client_call *by;
    bool offer;
    enum transport_state state;
    char *text; /* NULL: no more candidates */
    struct utterance *next;
};

struct client_request {
    struct load_common *common;
    struct adapter_client *client; /* NULL: it has left meanwhile */
    struct http_fetch *fetch;
    adapter_answered answered;
    bool any_status;
    struct client_request *prev, *next;
};

struct adapter_client {
    struct load_common *common;
    const struct client_profile *profile;
    const struct adapter *adapter;
    uint32_t index;
    uint32_t visits; /* how often it has joined */
    enum load_client_state state;
    char room[NAME_CAP], name[NAME_CAP];
    struct world_host *host; /* NULL until it first joins */
    struct world_timer *timer;
    struct adapter_session *session;
    struct world_channel *channel;
    struct client_request *requests;
    struct call_group *group;
    struct client_call *calls;
    struct utterance *utterances;
    struct media_plan plan;
    bool failing;
    enum failure failure;
    char reason[REASON_CAP];
    /* How far it got, this time. */
    nanos planned, joined_at;
    bool signalled, stages[LOAD_STAGES];
    bool relays;
    enum path_kind path;
    /* What it should receive. */
    bool adapter_expects;
    uint32_t expected_audio, expected_video;
    /* What it did. */
    uint32_t got_audio, got_video;
    struct track_loss loss;
    nanos frozen;
    struct load_sample seen; /* for its latencies alone */
};

static struct adapter_client *client_of(void *user) { return ((struct client_call *)user)->client; }

enum load_client_state load_client_state(const struct adapter_client *client) { return client->state; }
const struct client_profile *load_client_profile(const struct adapter_client *client) { return client->profile; }
bool load_client_relays(const struct adapter_client *client) { return client->relays; }

static void later(struct adapter_client *client)
{
    world_timer_set(client->timer, world_now(live_world_of(client->common->live)));
}

static void set_state(struct adapter_client *client, enum load_client_state state)
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

static void reach(struct adapter_client *client, enum load_figure stage, nanos now)
{
    if (client->stages[stage])
        return;
    client->stages[stage] = true;
    load_tally_stage(client->common->tally, stage, now - client->planned);
}

/* --- tracks ----------------------------------------------------------------------------------------------------------- */

static void on_track_added(void *user, struct call *call, struct remote_track *track, nanos now)
{
    struct track_count *count = calloc(1, sizeof *count);
    (void)user, (void)call;
    if (count != NULL)
        track_measure_begin(&count->measure, now);
    track->user = count;
}

static void on_frame(void *user, struct call *call, struct remote_track *track, const struct received_frame *frame,
                     nanos now)
{
    struct adapter_client *client = client_of(user);
    struct track_count *count = track->user;
    (void)call;
    if (count == NULL)
        return;
    if (!client->stages[LOAD_FIRST_FRAME]) {
        reach(client, LOAD_FIRST_PACKET, frame->first_arrival);
        reach(client, LOAD_FIRST_FRAME, now);
    }
    nanos latency = track_measure_frame(&count->measure, track, frame, now);
    if (latency < 0)
        return;
    load_tally_frame(client->common->tally, track->kind, latency);
    load_sample_latency(&client->seen, (uint64_t)latency, 1);
}

/* Its part in what the client has received; `is_last`: it is there until the client leaves. */
static void end_track(struct adapter_client *client, struct remote_track *track, bool is_last, nanos now)
{
    struct track_count *count = track->user;
    track->user = NULL;
    if (count == NULL)
        return;
    struct track_summary summary = load_tally_track_end(client->common->tally, count, track, now);
    client->loss.expected += count->loss.expected;
    client->loss.lost_after_repair += count->loss.lost_after_repair;
    client->frozen += summary.frozen;
    if (is_last && summary.received)
        (*(track->kind == TRACK_AUDIO ? &client->got_audio : &client->got_video))++;
    free(count);
}

static void on_track_removed(void *user, struct call *call, struct remote_track *track, nanos now)
{
    (void)call;
    end_track(client_of(user), track, false, now);
}

static void on_data(void *user, struct call *call, const struct data_report *report, nanos now)
{
    struct adapter_client *client = client_of(user);
    struct result_run *run = client->common->tally->run;
    struct result_data *data = &run->data;
    uint64_t others = client->common->plan->scenario->room_size - 1;
    (void)call, (void)now;
    switch (report->type) {
    case DATA_REPORT_MESSAGE_SENT:
        data->sent++;
        data->expected += others;
        break;
    case DATA_REPORT_MESSAGE:
        data->received++;
        data->corrupt += !report->intact;
        histogram_record(&run->load->figures[LOAD_DATA_LATENCY], (uint64_t)nanos_max(report->latency, 0));
        break;
    case DATA_REPORT_FILE_SENT:
        data->files.sent++;
        data->files.expected += others;
        break;
    case DATA_REPORT_FILE:
        data->files.received++;
        data->files.intact += report->intact;
        histogram_record(&run->load->figures[LOAD_FILE_TIME], (uint64_t)nanos_max(report->latency, 0));
        break;
    case DATA_REPORT_CLOSED:
        break;
    }
}

/* --- calls ------------------------------------------------------------------------------------------------------------ */

static void utter(struct client_call *by, struct utterance what, const char *text)
{
    struct utterance *utterance = malloc(sizeof *utterance);
    char *copy = text != NULL ? strdup(text) : NULL;
    if (utterance == NULL || (text != NULL && copy == NULL)) {
        free(utterance);
        free(copy);
        adapter_fail(by->client, FAILURE_LOCAL, "out of memory");
        return;
    }
    *utterance = what;
    utterance->by = by;
    utterance->text = copy;
    LL_APPEND(by->client->utterances, utterance);
    later(by->client);
}

static void on_say(void *user, struct call *call, const struct room_message *message)
{
    (void)call;
    if (message->type == ROOM_OFFER || message->type == ROOM_ANSWER)
        utter(user, (struct utterance){.type = DESCRIBES, .offer = message->type == ROOM_OFFER}, message->sdp);
    else
        utter(user, (struct utterance){.type = CANDIDATE}, message->candidate);
}

static void check_joined(struct adapter_client *client, nanos now)
{
    const struct client_call *call;
    bool all_up = client->calls != NULL;
    DL_FOREACH(client->calls, call) { all_up = all_up && call->up; }
    if (!client->signalled || !all_up || client->state != LOAD_CLIENT_JOINING || client->failing)
        return;
    reach(client, LOAD_DTLS, now);
    load_tally_stage(client->common->tally, LOAD_JOIN, now - client->planned);
    client->common->tally->sample.joins++;
    client->joined_at = now;
    set_state(client, LOAD_CLIENT_JOINED);
}

static void on_state(void *user, struct call *call, enum transport_state state, const char *reason, nanos now)
{
    struct client_call *by = user;
    struct adapter_client *client = by->client;
    struct transport_times times = transport_times(connection_transport(call_connection(call)));
    if (state == TRANSPORT_SECURING || state == TRANSPORT_CONNECTED)
        reach(client, LOAD_ICE, now);
    if (state == TRANSPORT_CONNECTED && !by->up) {
        by->up = true;
        load_tally_call(client->common->tally, &by->count, call_connection(call));
        check_joined(client, now);
    } else if (state == TRANSPORT_FAILED) {
        enum failure failure = by->up ? FAILURE_LOST : times.ice_connected != NANOS_NEVER ? FAILURE_DTLS : FAILURE_ICE;
        adapter_fail(client, failure, "%s", reason != NULL ? reason : "the connection failed");
    } else if (state == TRANSPORT_CLOSED) {
        adapter_fail(client, FAILURE_LOST, "the server closed the connection");
    }
    utter(by, (struct utterance){.type = STATE, .state = state}, NULL);
}

static const struct call_callbacks call_callbacks = {.say = on_say,
                                                     .state = on_state,
                                                     .track_added = on_track_added,
                                                     .track_removed = on_track_removed,
                                                     .frame = on_frame,
                                                     .data = on_data};

/* What of a plan goes over one connection. */
static struct media_plan plan_of(const struct adapter_client *client, const struct adapter_call_config *config)
{
    struct media_plan plan = client->plan;
    if (!config->sends)
        plan.audio = plan.video = plan.screen = false;
    plan.data.enabled = config->offers ? config->data : true;
    return plan;
}

/* One that names its host by name is told by address, if it has one. */
static void add_ice_server(const struct adapter_client *client, struct room_message *message, char (*text)[160],
                           const struct room_ice_server *server)
{
    struct ice_server_url url;
    if (message->ice_server_count == ROOM_ICE_SERVERS_MAX)
        return;
    struct room_ice_server *entry = &message->ice_servers[message->ice_server_count];
    *entry = *server;
    if (!ice_server_url_parse(&url, server->url)) {
        char host[WEB_HOST_CAP];
        char ip[ADDRESS_TEXT_CAP];
        struct address address;
        const char *colon = strchr(server->url, ':');
        size_t len = colon != NULL ? strcspn(colon + 1, ":?") : 0;
        if (len == 0 || len >= sizeof host)
            return;
        snprintf(host, sizeof host, "%.*s", (int)len, colon + 1);
        if (!web_resolve(client->common->web, host, 0, &address, NULL))
            return;
        address_format(&address, ip);
        *strrchr(ip, ':') = '\0';
        snprintf(*text, sizeof *text, "%.*s%s%.80s", (int)(colon - server->url + 1), server->url, ip, colon + 1 + len);
        entry->url = *text;
    }
    message->ice_server_count++;
}

static void name_ice_servers(const struct adapter_client *client, const struct adapter_call_config *config,
                             struct room_message *message, char (*texts)[160])
{
    const struct load_plan *plan = client->common->plan;
    for (size_t i = 0; i < plan->turn_count; i++) {
        const struct load_turn *turn = &plan->turn[i];
        const bool named = turn->username[0] != '\0';
        const struct room_ice_server server = {
            .url = turn->url, .username = named ? turn->username : NULL, .credential = named ? turn->password : NULL};
        add_ice_server(client, message, &texts[message->ice_server_count], &server);
    }
    for (size_t i = 0; i < config->ice_server_count && message->ice_server_count < ROOM_ICE_SERVERS_MAX; i++)
        add_ice_server(client, message, &texts[message->ice_server_count], &config->ice_servers[i]);
}

static void release_call(struct client_call *call)
{
    struct adapter_client *client = call->client;
    struct utterance *at;
    struct utterance *next;
    LL_FOREACH_SAFE(client->utterances, at, next)
    {
        if (at->by != call)
            continue;
        LL_DELETE(client->utterances, at);
        free(at->text);
        free(at);
    }
    DL_DELETE(client->calls, call);
    if (call->call != NULL) {
        call_group_remove(client->group, call->call);
        call_destroy(call->call);
    }
    free(call);
}

struct call *adapter_open_call(struct adapter_client *client, const struct adapter_call_config *config)
{
    struct error error;
    struct client_call *call = calloc(1, sizeof *call);
    struct room_message servers = {0};
    char texts[ROOM_ICE_SERVERS_MAX][160];
    struct load_common *common = client->common;
    nanos now = world_now(live_world_of(common->live));
    if (call == NULL) {
        adapter_fail(client, FAILURE_LOCAL, "out of memory");
        return NULL;
    }
    struct rng seeds =
        rng_of(common->plan->scenario->seed, "load call",
               (uint64_t)client->index << 32 | client->visits << 16 | common->tally->run->connections.planned);
    call->client = client;
    call->plan = plan_of(client, config);
    DL_APPEND(client->calls, call);
    name_ice_servers(client, config, &servers, texts);
    const struct call_config call_config = {
        .host = client->host,
        .shape = CALL_SFU,
        .offerer = config->offers,
        .holds_candidates = !config->trickle,
        .no_simulcast = config->no_simulcast,
        .receive_audio = config->receive_audio,
        .receive_video = config->receive_video,
        .own_name = client->name,
        .remote_name = "",
        .plan = &call->plan,
        .number = client->profile->number,
        .certificate = common->certificate,
        .tls = common->tls,
        .joined = &servers,
        .relay_only = common->plan->relay_only,
        .seed = rng_u64(&seeds),
        .ntp_origin = live_world_ntp_origin(common->live),
        .callbacks = &call_callbacks,
        .user = call,
    };
    call->call = call_create(&call_config, now, &error);
    if (call->call == NULL || !call_group_add(client->group, call->call)) {
        adapter_fail(client, FAILURE_LOCAL, "%s", call->call == NULL ? error.text : "out of memory");
        release_call(call);
        return NULL;
    }
    call_set_user(call->call, call);
    common->tally->run->connections.planned++;
    return call->call;
}

/* Counts a last time what the call carried, its tracks too. */
static void count_call(struct client_call *call, bool is_last, nanos now)
{
    struct adapter_client *client = call->client;
    struct load_tally *tally = client->common->tally;
    load_tally_call(tally, &call->count, call_connection(call->call));
    client->relays = client->relays || path_kind_relays(call->count.path);
    if (client->path == PATH_NONE)
        client->path = call->count.path;
    for (struct remote_track *track = call_tracks(call->call); track != NULL; track = track->next)
        end_track(client, track, is_last, now);
}

void adapter_close_call(struct adapter_client *client, struct call *call)
{
    nanos now = world_now(live_world_of(client->common->live));
    count_call(call_user(call), false, now);
    call_close(call, now);
    release_call(call_user(call));
}

static bool take(struct adapter_client *client, struct call *call, const struct room_message *message)
{
    struct error error;
    bool taken = call_handle(call, message, world_now(live_world_of(client->common->live)), &error);
    call_group_update(client->group);
    if (!taken && message->type != ROOM_CANDIDATE)
        adapter_fail(client, FAILURE_BAD_ANSWER, "%s", error.text);
    return taken;
}

bool adapter_take_description(struct adapter_client *client, struct call *call, bool offer, const char *sdp)
{
    return take(client, call, &(struct room_message){.type = offer ? ROOM_OFFER : ROOM_ANSWER, .sdp = sdp});
}

void adapter_take_candidate(struct adapter_client *client, struct call *call, const char *candidate)
{
    if (candidate != NULL && strncmp(candidate, "a=", 2) == 0)
        candidate += 2;
    bool any = candidate != NULL && candidate[0] != '\0';
    take(client, call,
         &(struct room_message){.type = any ? ROOM_CANDIDATE : ROOM_CANDIDATES_END, .candidate = candidate});
}

bool adapter_offer_more(struct adapter_client *client, struct call *call, uint32_t receive_audio,
                        uint32_t receive_video)
{
    return call_offer_more(call, receive_audio, receive_video, world_now(live_world_of(client->common->live)));
}

/* --- signalling ----------------------------------------------------------------------------------------------------------- */

static bool expand(struct adapter_client *client, struct web_url *url, struct error *error)
{
    const struct load_target_names names = {client->room, client->name, client->profile->number + 1};
    return load_target_expand(&client->common->plan->target, &names, url, error);
}

static void channel_opened(void *user, struct world_channel *channel, nanos now)
{
    struct adapter_client *client = user;
    (void)channel;
    if (!client->failing && client->adapter->opened != NULL)
        client->adapter->opened(client->session, now);
}

static void channel_received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct adapter_client *client = user;
    (void)channel;
    if (!client->failing && client->adapter->message != NULL)
        client->adapter->message(client->session, text, len, now);
}

static void channel_closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    struct adapter_client *client = user;
    (void)now;
    world_channel_close(channel);
    client->channel = NULL;
    adapter_fail(client, failure_of_reason(reason, FAILURE_CLOSED), "signalling: %s", reason);
}

bool adapter_connect(struct adapter_client *client, const char *url, struct error *error)
{
    static const struct world_channel_callbacks callbacks = {channel_opened, channel_received, channel_closed};
    struct web_url read;
    char authority[WEB_HOST_CAP + 8];
    if (url != NULL ? !web_url_parse(&read, url, error) : !expand(client, &read, error))
        return false;
    struct web_channel_target target = {
        .host = web_url_authority(&read, authority),
        .path = read.path,
        .subprotocol = client->adapter->subprotocol,
        .tls = read.tls,
        .binary = client->adapter->binary,
        .verify = client->common->plan->verify,
    };
    if (client->channel != NULL)
        return error_set(error, ERROR_USAGE, "the client has its WebSocket already");
    if (!web_resolve(client->common->web, read.host, read.port, &target.address, error))
        return false;
    client->channel = live_channel_open(client->host, &target, &callbacks, client, error);
    return client->channel != NULL;
}

void adapter_send(struct adapter_client *client, const char *text, size_t len)
{
    if (client->channel != NULL)
        world_channel_send(client->channel, text, len);
}

void adapter_send_json(struct adapter_client *client, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    if (text != NULL)
        adapter_send(client, text, strlen(text));
    else
        adapter_fail(client, FAILURE_LOCAL, "a message could not be made");
    free(text);
    json_decref(json);
}

/* What a server says with a status, on one line. */
static void first_line(char *out, size_t cap, const char *text)
{
    size_t len = 0;
    for (; *text != '\0' && *text != '\n' && len + 1 < cap; text++)
        out[len++] = isprint((unsigned char)*text) ? *text : ' ';
    out[len] = '\0';
}

static void on_answer(void *user, const struct http_fetch_response *response, const char *reason, nanos now)
{
    struct client_request *request = user;
    struct adapter_client *client = request->client;
    char said[90];
    if (client == NULL) {
        DL_DELETE(request->common->orphans, request);
        free(request);
        return;
    }
    DL_DELETE(client->requests, request);
    if (response == NULL) {
        adapter_fail(client, failure_of_reason(reason, FAILURE_BAD_ANSWER), "%s", reason);
    } else if (response->status >= 400 && !request->any_status) {
        first_line(said, sizeof said, response->body);
        adapter_fail(client, failure_of_status(response->status), "status %d%s%s", response->status,
                     said[0] != '\0' ? ": " : "", said);
    } else if (request->answered != NULL && !client->failing) {
        request->answered(client->session, response, now);
    }
    free(request);
}

void adapter_http(struct adapter_client *client, const struct http_fetch_request *given, bool any_status,
                  adapter_answered answered)
{
    struct error error;
    struct web_url url;
    char text[WEB_URL_CAP];
    struct http_fetch_request fetch = *given;
    struct client_request *request = calloc(1, sizeof *request);
    fetch.verify = client->common->plan->verify;
    if (fetch.url == NULL && expand(client, &url, &error))
        fetch.url = web_url_format(&url, text);
    if (request != NULL && fetch.url != NULL) {
        *request = (struct client_request){
            .common = client->common, .client = client, .answered = answered, .any_status = any_status};
        request->fetch = http_fetch(client->common->web, &fetch, on_answer, request, &error);
    }
    if (request == NULL || request->fetch == NULL) {
        adapter_fail(client, request != NULL ? failure_of_reason(error.text, FAILURE_LOCAL) : FAILURE_LOCAL, "%s",
                     request != NULL ? error.text : "out of memory");
        free(request);
        return;
    }
    DL_APPEND(client->requests, request);
}

json_t *adapter_read_json(struct adapter_client *client, const char *text, size_t len)
{
    json_error_t error;
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    if (json_is_object(json))
        return json;
    adapter_fail(client, FAILURE_BAD_ANSWER, "what the server said is no JSON object: %.80s",
                 json == NULL ? error.text : "it is something else");
    json_decref(json);
    return NULL;
}

/* --- what adapters ask and tell --------------------------------------------------------------------------------------------- */

const struct load_target *adapter_target(const struct adapter_client *client) { return &client->common->plan->target; }
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
    reach(client, LOAD_SIGNALLED, now);
    check_joined(client, now);
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
    later(client);
}

/* --- coming and going ------------------------------------------------------------------------------------------------------ */

/* Everything of this visit goes; requests that are on their way go on without us. */
static void part(struct adapter_client *client, bool politely, nanos now)
{
    struct client_call *call;
    DL_FOREACH(client->calls, call)
    {
        count_call(call, true, now);
        if (politely)
            call_close(call->call, now);
    }
    while (client->calls != NULL)
        release_call(client->calls);
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
    run->streams_expected += client->expected_audio + client->expected_video;
    run->streams_received += client->got_audio + client->got_video;
}

static void give_up(struct adapter_client *client, nanos now)
{
    load_tally_failure(client->common->tally, client->failure, client->reason);
    set_state(client, LOAD_CLIENT_FAILED);
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
    set_state(client, LOAD_CLIENT_JOINING);
    const struct conversation conversation = {
        .seed = scenario->seed, .room = client->profile->room, .people = adapter_publishers(client)};
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
    set_state(client, LOAD_CLIENT_IDLE);
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
        reach(client, LOAD_FIRST_PACKET, client->joined_at);
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
