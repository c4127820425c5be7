/* The reference server's room protocol (docs/room-protocol.md), in an SFU room: WebSocket, one connection, which both
 * sides renegotiate. */
#include <stdlib.h>
#include <string.h>

#include "loadgen/adapter.h"
#include "world/web_channel.h"

struct adapter_session {
    struct adapter_client *client;
    struct call *call; /* NULL until the server has let us in */
};

static void send_message(struct adapter_session *session, const struct room_message *message)
{
    size_t len;
    char *text = room_message_write(message, &len);
    if (text != NULL)
        adapter_send(session->client, text, len);
    free(text);
}

static struct adapter_session *create(struct adapter_client *client, struct error *error)
{
    struct adapter_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    session->client = client;
    if (adapter_connect(client, NULL, error))
        return session;
    free(session);
    return NULL;
}

static void opened(struct adapter_session *session, nanos now)
{
    (void)now;
    send_message(session, &(struct room_message){.type = ROOM_JOIN,
                                                 .room = adapter_room(session->client),
                                                 .peer = adapter_name(session->client),
                                                 .topology = "sfu"});
}

/* The tiles of a grid are as high as a square of them allows: so high it has to be for the layer that is wanted. */
static void send_layout(struct adapter_session *session)
{
    static const int32_t heights[] = {[LAYER_NONE] = 0, [LAYER_LOW] = 180, [LAYER_MEDIUM] = 360, [LAYER_HIGH] = 720};
    enum adapter_layer first = adapter_wanted_layer(session->client, 0);
    enum adapter_layer second = adapter_wanted_layer(session->client, 1);
    int32_t rows = 1;
    int32_t videos = 0;
    while (videos < ROOM_TRACKS_MAX && adapter_wanted_layer(session->client, (uint32_t)videos) != LAYER_NONE)
        videos++;
    if (videos == ROOM_TRACKS_MAX)
        return; /* all, as large as they come: that is so without a word */
    while (rows * rows < videos)
        rows++;
    bool speaker = first != second;
    send_message(session, &(struct room_message){.type = ROOM_LAYOUT,
                                                 .layout = speaker ? "speaker" : "grid",
                                                 .height = heights[first] * (speaker ? 1 : rows),
                                                 .videos = videos});
}

static void joined(struct adapter_session *session, const struct room_message *message)
{
    const struct adapter_call_config config = {.offers = true,
                                               .trickle = true,
                                               .sends = true,
                                               .data = adapter_plan(session->client)->data.enabled,
                                               .ice_servers = message->ice_servers,
                                               .ice_server_count = message->ice_server_count};
    send_layout(session);
    session->call = adapter_open_call(session->client, &config);
}

static enum failure failure_of(const char *reason)
{
    if (strstr(reason, "full") != NULL)
        return FAILURE_FULL;
    return strstr(reason, "token") != NULL ? FAILURE_UNAUTHORIZED : FAILURE_REJECTED;
}

static void negotiate(struct adapter_session *session, const struct room_message *message)
{
    if (session->call == NULL)
        return;
    if (message->type == ROOM_CANDIDATE || message->type == ROOM_CANDIDATES_END)
        adapter_take_candidate(session->client, session->call, message->candidate);
    else if (adapter_take_description(session->client, session->call, message->type == ROOM_OFFER, message->sdp) &&
             message->type == ROOM_ANSWER)
        adapter_signalled(session->client);
}

static void received(struct adapter_session *session, const char *text, size_t len, nanos now)
{
    struct room_message message;
    struct error error;
    (void)now;
    if (!room_message_read(&message, text, len, &error)) {
        adapter_fail(session->client, FAILURE_BAD_ANSWER, "%.100s", error.text);
        return;
    }
    switch (message.type) {
    case ROOM_JOINED:
        if (session->call == NULL)
            joined(session, &message);
        break;
    case ROOM_OFFER:
    case ROOM_ANSWER:
    case ROOM_CANDIDATE:
    case ROOM_CANDIDATES_END:
        negotiate(session, &message);
        break;
    case ROOM_ERROR:
        adapter_fail(session->client, failure_of(message.reason), "%.100s", message.reason);
        break;
    default:
        break; /* who came, went, spoke or is mute: offers say what follows from it */
    }
    room_message_clear(&message);
}

static void described(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now)
{
    (void)call, (void)now;
    send_message(session, &(struct room_message){.type = offer ? ROOM_OFFER : ROOM_ANSWER, .sdp = sdp});
}

static void candidate(struct adapter_session *session, struct call *call, const char *text, nanos now)
{
    (void)call, (void)now;
    send_message(session, &(struct room_message){.type = text != NULL ? ROOM_CANDIDATE : ROOM_CANDIDATES_END,
                                                 .candidate = text});
}

static void layout(struct adapter_session *session, nanos now)
{
    (void)now;
    if (session->call != NULL)
        send_layout(session);
}

static void leave(struct adapter_session *session, nanos now)
{
    (void)now;
    send_message(session, &(struct room_message){.type = ROOM_LEAVE});
}

static void destroy(struct adapter_session *session) { free(session); }

const struct adapter adapter_confab = {
    .scheme = "confab",
    .form = "confab+ws(s)://HOST[:PORT]",
    .path = WEB_CHANNEL_PATH,
    .summary = "the reference server, confab serve",
    .websocket = true,
    .pattern = ADAPTER_ROOM,
    .create = create,
    .opened = opened,
    .message = received,
    .described = described,
    .candidate = candidate,
    .layout = layout,
    .leave = leave,
    .destroy = destroy,
};
