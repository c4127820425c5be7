/* A client's connections: what they say to the adapter, what they carry. */
#include "loadgen/load_client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "base/rng.h"
#include "rtc/ice_server_url.h"
#include "world/web.h"

static struct adapter_client *client_of(void *user) { return ((struct client_call *)user)->client; }

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
        load_client_reach(client, LOAD_FIRST_PACKET, frame->first_arrival);
        load_client_reach(client, LOAD_FIRST_FRAME, now);
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
    load_client_later(by->client);
}

static void on_say(void *user, struct call *call, const struct room_message *message)
{
    (void)call;
    if (message->type == ROOM_OFFER || message->type == ROOM_ANSWER)
        utter(user, (struct utterance){.type = DESCRIBES, .offer = message->type == ROOM_OFFER}, message->sdp);
    else
        utter(user, (struct utterance){.type = CANDIDATE}, message->candidate);
}

void load_client_check_joined(struct adapter_client *client, nanos now)
{
    const struct client_call *call;
    bool all_up = client->calls != NULL;
    DL_FOREACH(client->calls, call) { all_up = all_up && call->up; }
    if (!client->signalled || !all_up || client->state != LOAD_CLIENT_JOINING || client->failing)
        return;
    load_client_reach(client, LOAD_DTLS, now);
    load_tally_stage(client->common->tally, LOAD_JOIN, now - client->planned);
    client->common->tally->sample.joins++;
    client->joined_at = now;
    load_client_set_state(client, LOAD_CLIENT_JOINED);
}

static void on_state(void *user, struct call *call, enum transport_state state, const char *reason, nanos now)
{
    struct client_call *by = user;
    struct adapter_client *client = by->client;
    struct transport_times times = transport_times(connection_transport(call_connection(call)));
    if (state == TRANSPORT_SECURING || state == TRANSPORT_CONNECTED)
        load_client_reach(client, LOAD_ICE, now);
    if (state == TRANSPORT_CONNECTED && !by->up) {
        by->up = true;
        load_tally_call(client->common->tally, &by->count, call_connection(call));
        load_client_check_joined(client, now);
    } else if (state == TRANSPORT_FAILED) {
        enum failure failure = by->up ? FAILURE_LOST : times.ice_connected != NANOS_NEVER ? FAILURE_DTLS : FAILURE_ICE;
        adapter_fail(client, failure, "%s", reason != NULL ? reason : "the connection failed");
    } else if (state == TRANSPORT_CLOSED) {
        adapter_fail(client, FAILURE_LOST, "the server closed the connection");
    }
    call_group_update(client->group); /* video has its time now */
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

void load_client_release_call(struct client_call *call)
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
        load_client_release_call(call);
        return NULL;
    }
    call_set_user(call->call, call);
    common->tally->run->connections.planned++;
    return call->call;
}

void load_client_count_call(struct client_call *call, bool is_last, nanos now)
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
    load_client_count_call(call_user(call), false, now);
    call_close(call, now);
    load_client_release_call(call_user(call));
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
