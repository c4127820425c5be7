/* Every adapter of `confab load` told anything, in any order. The first byte names the adapter and whether its client
 * sends; then records:
 *
 *     | what | length (2) | bytes … |
 *
 * what: its low three bits are a message (of exec:, a line of its program), the answer to the oldest HTTP request, our own offer or answer, a candidate of
 * ours, another layout, time that passes, the WebSocket opening, a goodbye. The others say of which call, which HTTP
 * status, how much time. The services that adapters have of a client are the functions below: they accept everything. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "loadgen/adapter.h"
/* The rule for fuzz targets links the floors alone. */
#include "tests/support/wire_world.c"
#include "world/line_process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CALLS_MAX = 32, REQUESTS_MAX = 32 };

struct adapter_client {
    struct load_target target;
    struct wire_world *wire;
    struct world_host *host;
    struct media_plan plan;
    char calls[CALLS_MAX]; /* what stands for them are addresses */
    size_t call_count;
    adapter_answered answered[REQUESTS_MAX];
    size_t request_count, answered_count;
    struct adapter_shared *shared; /* of exec: whose program is this file, too */
    bool connected, failed;
};

static const char offer[] =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-ufrag:abcd\r\n"
    "a=ice-pwd:abcdefghijklmnopqrstuv\r\na=fingerprint:sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:"
    "12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F\r\na=setup:actpass\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
    "a=msid:a b\r\na=ssrc:1 cname:x\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\n"
    "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=msid:a c\r\na=rid:q send\r\na=rid:h send\r\na=simulcast:send q;h\r\n";

/* --- what adapters may ask of a client -------------------------------------------------------------------------------------- */

const struct load_target *adapter_target(const struct adapter_client *client) { return &client->target; }

struct adapter_shared *adapter_shared(const struct adapter_client *client) { return client->shared; }

const char *adapter_room(const struct adapter_client *client) { return client->plan.audio ? "1234" : "room-1"; }

const char *adapter_name(const struct adapter_client *client)
{
    (void)client;
    return "client-1";
}

uint32_t adapter_room_number(const struct adapter_client *client)
{
    (void)client;
    return 0;
}

uint32_t adapter_number(const struct adapter_client *client)
{
    (void)client;
    return 0;
}

uint64_t adapter_seed(const struct adapter_client *client)
{
    (void)client;
    return 1;
}

const struct media_plan *adapter_plan(const struct adapter_client *client) { return &client->plan; }

bool adapter_media_has(const struct adapter_client *client, enum track_kind kind)
{
    (void)client;
    return kind != TRACK_SCREEN;
}

bool adapter_needs_relays(const struct adapter_client *client) { return client->plan.audio; }

uint32_t adapter_publishers(const struct adapter_client *client)
{
    (void)client;
    return 4;
}

const char *adapter_token(const struct adapter_client *client) { return client->plan.audio ? "token" : NULL; }

struct world_host *adapter_host(const struct adapter_client *client) { return client->host; }

struct live_world *adapter_live(const struct adapter_client *client)
{
    (void)client;
    return NULL;
}

bool adapter_connect(struct adapter_client *client, const char *url, struct error *error)
{
    struct web_url parsed;
    client->connected = url == NULL || web_url_parse(&parsed, url, error);
    return client->connected;
}

void adapter_send(struct adapter_client *client, const char *text, size_t len)
{
    (void)client;
    if (len > 0 && text[0] == '\0')
        abort(); /* nobody sends that */
}

void adapter_send_json(struct adapter_client *client, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    if (text == NULL)
        client->failed = true;
    free(text);
    json_decref(json);
}

void adapter_http(struct adapter_client *client, const struct http_fetch_request *request, bool any_status,
                  adapter_answered answered)
{
    struct web_url url;
    struct error error;
    (void)any_status;
    if (request->url != NULL && !web_url_parse(&url, request->url, &error))
        client->failed = true;
    else if (client->request_count < REQUESTS_MAX)
        client->answered[client->request_count++] = answered;
}

json_t *adapter_read_json(struct adapter_client *client, const char *text, size_t len)
{
    json_t *json = json_loadb(text, len, 0, NULL);
    if (json_is_object(json))
        return json;
    json_decref(json);
    client->failed = true;
    return NULL;
}

struct call *adapter_open_call(struct adapter_client *client, const struct adapter_call_config *config)
{
    size_t len = 0;
    for (size_t i = 0; i < config->ice_server_count; i++)
        len += strlen(config->ice_servers[i].url);
    if (client->call_count == CALLS_MAX || len > (size_t)1024 * 1024) {
        client->failed = true;
        return NULL;
    }
    return (struct call *)(void *)&client->calls[client->call_count++];
}

void adapter_close_call(struct adapter_client *client, struct call *call)
{
    (void)client;
    if (call == NULL)
        abort();
}

bool adapter_take_description(struct adapter_client *client, struct call *call, bool is_offer, const char *sdp)
{
    (void)is_offer;
    if (call == NULL)
        abort();
    if (sdp[0] == 'x')
        client->failed = true;
    return !client->failed;
}

void adapter_take_candidate(struct adapter_client *client, struct call *call, const char *candidate)
{
    (void)client;
    if (call == NULL || (candidate != NULL && candidate[0] == '\x7f'))
        abort();
}

bool adapter_offer_more(struct adapter_client *client, struct call *call, uint32_t receive_audio,
                        uint32_t receive_video)
{
    (void)client;
    return call != NULL && receive_audio + receive_video > 0;
}

void adapter_signalled(struct adapter_client *client) { (void)client; }

void adapter_expect(struct adapter_client *client, uint32_t audio, uint32_t video)
{
    (void)client;
    (void)audio;
    (void)video;
}

void adapter_fail(struct adapter_client *client, enum failure failure, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (failure >= FAILURES)
        abort();
    client->failed = true;
}

enum adapter_layer adapter_wanted_layer(const struct adapter_client *client, uint32_t index)
{
    return (enum adapter_layer)((index + (uint64_t)wire_world_now(client->wire) / NANOS_PER_S) % 4);
}

/* --- the program behind exec: --------------------------------------------------------------------------------------------------- */

struct line_process {
    const struct line_process_callbacks *callbacks;
    void *user;
};

static struct line_process program;

struct line_process *line_process_start(struct live_world *live, const char *command,
                                        const struct line_process_callbacks *callbacks, void *user, struct error *error)
{
    (void)live;
    (void)command;
    (void)error;
    program = (struct line_process){callbacks, user};
    return &program;
}

bool line_process_send(struct line_process *process, const char *text, size_t len)
{
    if (process != &program || memchr(text, '\n', len) != NULL)
        abort(); /* it would be two lines */
    return true;
}

void line_process_stop(struct line_process *process, nanos grace)
{
    (void)process;
    (void)grace;
}

/* --- what an adapter is told ------------------------------------------------------------------------------------------------- */

static void tell(struct adapter_client *client, struct adapter_session *session, uint8_t what, const char *text,
                 size_t len)
{
    static const int statuses[] = {200, 201, 204, 404};
    const struct adapter *adapter = client->target.adapter;
    nanos now = wire_world_now(client->wire);
    struct call *call =
        client->call_count > 0 ? (struct call *)(void *)&client->calls[(what >> 4) % client->call_count] : NULL;
    switch (what & 7) {
    case 0:
        if (client->shared != NULL)
            program.callbacks->line(program.user, text, len, now);
        else if (client->connected)
            adapter->message(session, text, len, now);
        break;
    case 1:
        if (client->answered_count < client->request_count) {
            struct http_fetch_response response = {.status = statuses[what >> 3 & 3],
                                                   .url = &client->target.url,
                                                   .location = len > 0 && text[0] != '{' ? text : "/resource/1",
                                                   .etag = "\"1\"",
                                                   .content_type = "application/sdp",
                                                   .link = text,
                                                   .body = text,
                                                   .body_len = len};
            client->answered[client->answered_count++](session, &response, now);
        }
        break;
    case 2:
        if (call != NULL)
            adapter->described(session, call, (what & 8) != 0, len > 0 ? text : offer, now);
        break;
    case 3:
        if (call != NULL && adapter->candidate != NULL)
            adapter->candidate(session, call, len > 0 ? text : NULL, now);
        break;
    case 4:
        if (adapter->layout != NULL)
            adapter->layout(session, now);
        break;
    case 5:
        wire_world_run_for(client->wire, (what >> 3) * NANOS_PER_S);
        break;
    case 6:
        if (client->connected && adapter->opened != NULL)
            adapter->opened(session, now);
        break;
    default:
        adapter->leave(session, now);
        client->failed = true; /* the end of it */
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct adapter_client client = {.failed = false};
    size_t count = 0;
    struct error error;
    if (size < 1)
        return 0;
    while (adapters[count] != NULL)
        count++;
    client.target.adapter = adapters[(data[0] & 127) % count];
    if (!client.target.adapter->websocket && !client.target.adapter->http)
        client.shared = client.target.adapter->open(NULL, &client.target, &error);
    client.plan.audio = client.plan.video = data[0] > 127;
    client.plan.layer_count = 2;
    web_url_parse(&client.target.url,
                  client.target.adapter->http ? "http://192.0.2.2:80/x/{room}?api_key=k&api_secret=s&secret=s"
                                              : "ws://192.0.2.2:80/x/{room}?api_key=k&api_secret=s&secret=s",
                  &error);
    client.wire = wire_world_create(NULL);
    client.host = wire_world_host(client.wire, "192.0.2.1");
    struct adapter_session *session = client.target.adapter->create(&client, &error);
    data++;
    size--;
    while (session != NULL && size >= 3 && !client.failed) {
        size_t len = bytes_get16(data + 1);
        len = len < size - 3 ? len : size - 3;
        char *text = malloc(len + 1);
        memcpy(text, data + 3, len);
        text[len] = '\0';
        tell(&client, session, data[0], text, len);
        free(text);
        data += 3 + len;
        size -= 3 + len;
    }
    if (session != NULL)
        client.target.adapter->destroy(session);
    if (client.shared != NULL)
        client.target.adapter->close(client.shared);
    wire_world_destroy(client.wire);
    return 0;
}
