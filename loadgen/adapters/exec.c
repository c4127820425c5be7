/* Any other signalling: a program of the user's does it, and speaks with us in JSON, an object a line (docs/exec.md). One
 * program serves all clients of a load; each line names its client.
 *
 *     program                           confab
 *        | <------------- start, join        |
 *        | open --------------------------> |   a peer connection
 *        | <------------------------ offer   |   or the program's offer, and our answer
 *        | answer ------------------------> |
 *        | signalled ---------------------> |
 *        | <------------------------ state   |
 *        | <------------------------ leave   | */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "loadgen/adapter.h"
#include "loadgen/adapters/exec_message.h"
#include "loadgen/adapters/ice_servers.h"
#include "world/line_process.h"

enum { PROTOCOL = 1, NAME_CAP = 64, CONNECTIONS_MAX = 1000, OVER_CAP = 200, LAYERS_MAX = 25 };

#define GRACE (3 * NANOS_PER_S) /* for the program's goodbyes */

struct adapter_shared {
    struct line_process *process;
    struct adapter_session *sessions; /* by name */
    /* It has ended, or said what makes no sense: why nobody can go on, or come. "": all is well. */
    char over[OVER_CAP];
    enum failure failure;
};

struct connection {
    char name[NAME_CAP];
    struct call *call;
    struct connection *prev, *next;
};

struct adapter_session {
    struct adapter_client *client;
    struct adapter_shared *shared;
    const char *name;
    struct connection *connections;
    size_t connection_count;
    UT_hash_handle hh;
};

/* --- what the program is told ------------------------------------------------------------------------------------------------ */

/* Takes the reference. */
static bool send_line(struct adapter_shared *shared, json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    bool sent = text != NULL && line_process_send(shared->process, text, strlen(text));
    free(text);
    json_decref(json);
    return sent;
}

static void say(struct adapter_session *session, json_t *json)
{
    if (!send_line(session->shared, json) && session->shared->over[0] == '\0')
        adapter_fail(session->client, FAILURE_TIMEOUT, "the program does not read what it is told");
}

static json_t *layers_of(const struct adapter_client *client)
{
    static const char *const names[] = {[LAYER_LOW] = "low", [LAYER_MEDIUM] = "medium", [LAYER_HIGH] = "high"};
    json_t *layers = json_array();
    for (uint32_t i = 0; i <= LAYERS_MAX; i++) {
        enum adapter_layer layer = adapter_wanted_layer(client, i);
        if (layer == LAYER_NONE)
            return layers;
        json_array_append_new(layers, json_string(names[layer]));
    }
    json_decref(layers);
    return json_null(); /* all, as large as they come */
}

static json_t *media_of(bool audio, bool video, bool screen, bool data)
{
    return json_pack("{sb sb sb sb}", "audio", audio, "video", video, "screen", screen, "data", data);
}

static void join(struct adapter_session *session)
{
    const struct adapter_client *client = session->client;
    const struct media_plan *plan = adapter_plan(client);
    say(session, json_pack("{ss ss ss si si si so so so ss? sb}", "type", "join", "client", session->name, "room",
                           adapter_room(client), "room_number", (int)adapter_room_number(client) + 1, "number",
                           (int)adapter_number(client) + 1, "publishers", (int)adapter_publishers(client), "sends",
                           media_of(plan->audio, plan->video, plan->screen, plan->data.enabled), "others_send",
                           media_of(adapter_media_has(client, TRACK_AUDIO), adapter_media_has(client, TRACK_VIDEO),
                                    adapter_media_has(client, TRACK_SCREEN), plan->data.enabled),
                           "layers", layers_of(client), "token", adapter_token(client), "needs_relays",
                           adapter_needs_relays(client)));
}

/* --- connections ------------------------------------------------------------------------------------------------------------- */

static struct connection *connection_of(const struct adapter_session *session, const char *name)
{
    struct connection *connection;
    DL_FOREACH(session->connections, connection)
    {
        if (strcmp(connection->name, name) == 0)
            return connection;
    }
    return NULL;
}

static const char *name_of(const struct adapter_session *session, const struct call *call)
{
    const struct connection *connection;
    DL_FOREACH(session->connections, connection)
    {
        if (connection->call == call)
            return connection->name;
    }
    return "";
}

static void open_connection(struct adapter_session *session, const struct exec_message *message)
{
    struct room_ice_server servers[ROOM_ICE_SERVERS_MAX];
    const struct adapter_call_config config = {.offers = message->offers,
                                               .trickle = message->trickle,
                                               .sends = message->sends,
                                               .receive_audio = message->audio,
                                               .receive_video = message->video,
                                               .data = message->data,
                                               .no_simulcast = !message->simulcast,
                                               .ice_servers = servers,
                                               .ice_server_count = ice_servers_read(message->ice_servers, servers)};
    if (strlen(message->connection) >= NAME_CAP || connection_of(session, message->connection) != NULL ||
        session->connection_count == CONNECTIONS_MAX) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "the program opens too many connections, or '%.40s' twice",
                     message->connection);
        return;
    }
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) {
        adapter_fail(session->client, FAILURE_LOCAL, "out of memory");
        return;
    }
    memcpy(connection->name, message->connection, strlen(message->connection) + 1);
    connection->call = adapter_open_call(session->client, &config);
    if (connection->call == NULL) {
        free(connection);
        return;
    }
    DL_APPEND(session->connections, connection);
    session->connection_count++;
}

static void forget_connection(struct adapter_session *session, struct connection *connection)
{
    DL_DELETE(session->connections, connection);
    session->connection_count--;
    free(connection);
}

/* --- what the program says ----------------------------------------------------------------------------------------------------- */

static void handle_connection(struct adapter_session *session, const struct exec_message *message)
{
    struct adapter_client *client = session->client;
    struct connection *connection = connection_of(session, message->connection);
    if (connection == NULL) {
        adapter_fail(client, FAILURE_BAD_ANSWER, "the program speaks of a connection '%.40s' that it has not opened",
                     message->connection);
        return;
    }
    switch (message->type) {
    case EXEC_OFFER:
    case EXEC_ANSWER:
        adapter_take_description(client, connection->call, message->type == EXEC_OFFER, message->sdp);
        break;
    case EXEC_CANDIDATE:
        adapter_take_candidate(client, connection->call, message->candidate);
        break;
    case EXEC_MORE:
        if (!adapter_offer_more(client, connection->call, message->audio, message->video))
            adapter_fail(client, FAILURE_BAD_ANSWER, "the program wants more before it has answered");
        break;
    default:
        adapter_close_call(client, connection->call);
        forget_connection(session, connection);
        break;
    }
}

static void handle(struct adapter_session *session, const struct exec_message *message)
{
    switch (message->type) {
    case EXEC_OPEN:
        open_connection(session, message);
        break;
    case EXEC_SIGNALLED:
        adapter_signalled(session->client);
        break;
    case EXEC_EXPECT:
        adapter_expect(session->client, message->audio, message->video);
        break;
    case EXEC_FAILED:
        adapter_fail(session->client, message->failure, "%.150s", message->reason);
        break;
    default:
        handle_connection(session, message);
        break;
    }
}

static void __attribute__((format(printf, 3, 4)))
give_up(struct adapter_shared *shared, enum failure failure, const char *format, ...)
{
    va_list arguments;
    if (shared->over[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(shared->over, sizeof shared->over, format, arguments);
    va_end(arguments);
    shared->failure = failure;
    for (struct adapter_session *at = shared->sessions; at != NULL; at = at->hh.next)
        adapter_fail(at->client, failure, "%s", shared->over);
}

static void on_line(void *user, const char *text, size_t len, nanos now)
{
    struct adapter_shared *shared = user;
    struct adapter_session *session;
    struct exec_message message;
    struct error error;
    (void)now;
    if (!exec_message_read(&message, text, len, &error)) {
        give_up(shared, FAILURE_BAD_ANSWER, "the program says '%.40s': %.100s", text, error.text);
        return;
    }
    HASH_FIND_STR(shared->sessions, message.client, session);
    if (session != NULL) /* else it has left */
        handle(session, &message);
    exec_message_clear(&message);
}

static void on_complaint(void *user, const char *text)
{
    (void)user;
    fprintf(stderr, "exec: %s\n", text);
}

static void on_ended(void *user, const char *how, nanos now)
{
    (void)now;
    give_up(user, FAILURE_CLOSED, "the program ended: %s", how);
}

/* --- the interface --------------------------------------------------------------------------------------------------------------- */

static struct adapter_shared *open_program(struct live_world *live, const struct load_target *target,
                                           struct error *error)
{
    static const struct line_process_callbacks callbacks = {on_line, on_complaint, on_ended};
    struct adapter_shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    shared->process = line_process_start(live, target->command, &callbacks, shared, error);
    if (shared->process != NULL && send_line(shared, json_pack("{ss si}", "type", "start", "protocol", (int)PROTOCOL)))
        return shared;
    line_process_stop(shared->process, GRACE);
    free(shared);
    return NULL;
}

static void close_program(struct adapter_shared *shared)
{
    line_process_stop(shared->process, GRACE);
    free(shared);
}

static struct adapter_session *create(struct adapter_client *client, struct error *error)
{
    struct adapter_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    session->client = client;
    session->shared = adapter_shared(client);
    session->name = adapter_name(client);
    HASH_ADD_KEYPTR(hh, session->shared->sessions, session->name, strlen(session->name), session);
    if (session->shared->over[0] != '\0')
        adapter_fail(client, session->shared->failure, "%s", session->shared->over);
    else
        join(session);
    return session;
}

static void described(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now)
{
    (void)now;
    say(session, json_pack("{ss ss ss ss}", "type", offer ? "offer" : "answer", "client", session->name, "connection",
                           name_of(session, call), "sdp", sdp));
}

static void candidate(struct adapter_session *session, struct call *call, const char *text, nanos now)
{
    (void)now;
    say(session, json_pack("{ss ss ss ss?}", "type", "candidate", "client", session->name, "connection",
                           name_of(session, call), "candidate", text));
}

static void state(struct adapter_session *session, struct call *call, enum transport_state now_in, nanos now)
{
    static const char *const names[] = {[TRANSPORT_NEW] = "new",
                                        [TRANSPORT_CHECKING] = "checking",
                                        [TRANSPORT_SECURING] = "securing",
                                        [TRANSPORT_CONNECTED] = "connected",
                                        [TRANSPORT_DISCONNECTED] = "disconnected",
                                        [TRANSPORT_FAILED] = "failed",
                                        [TRANSPORT_CLOSED] = "closed"};
    (void)now;
    say(session, json_pack("{ss ss ss ss}", "type", "state", "client", session->name, "connection",
                           name_of(session, call), "state", names[now_in]));
}

static void leave(struct adapter_session *session, nanos now)
{
    (void)now;
    say(session, json_pack("{ss ss}", "type", "leave", "client", session->name));
}

static void destroy(struct adapter_session *session)
{
    HASH_DEL(session->shared->sessions, session);
    while (session->connections != NULL)
        forget_connection(session, session->connections);
    free(session);
}

const struct adapter adapter_exec = {
    .scheme = "exec",
    .form = "exec:COMMAND",
    .summary = "any other signalling, by a program that speaks JSON lines (docs/exec.md)",
    .pattern = ADAPTER_ROOM,
    .open = open_program,
    .close = close_program,
    .create = create,
    .described = described,
    .candidate = candidate,
    .state = state,
    .leave = leave,
    .destroy = destroy,
};
