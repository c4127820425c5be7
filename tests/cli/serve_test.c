/* The reference server, as a user would run it. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "peer/participant.h"
#include "rtc/certificate.h"
#include "tests/support/service.h"
#include "tests/support/suite.h"
#include "tests/support/text_file.h"
#include "world/live_world.h"

/* OpenMetrics 1.0: families whole and once, each with TYPE and HELP before its samples, counters ending in _total, and
 * the end marked. */
static void check_metrics(char *text)
{
    char family[128] = "";
    char type[32] = "";
    char seen[16384] = " ";
    size_t families = 0;
    bool ended = false;
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        CU_ASSERT_FALSE(ended);
        char marked[160];
        if (strcmp(line, "# EOF") == 0) {
            ended = true;
        } else if (sscanf(line, "# TYPE %127s %31s", family, type) == 2) {
            snprintf(marked, sizeof marked, " %s ", family);
            CU_ASSERT_PTR_NULL(strstr(seen, marked));
            strcat(seen, marked + 1);
            families++;
        } else if (line[0] == '#') {
            CU_ASSERT_TRUE(strncmp(line + 7, family, strlen(family)) == 0);
        } else {
            const char *suffix = strcmp(type, "counter") == 0 ? "_total" : strcmp(type, "info") == 0 ? "_info" : "";
            size_t len = strcspn(line, "{ ");
            snprintf(marked, sizeof marked, "%s%s", family, suffix);
            CU_ASSERT_EQUAL(len, strlen(marked));
            CU_ASSERT_EQUAL(strncmp(line, marked, len), 0);
            CU_ASSERT_PTR_NOT_NULL(strrchr(line, ' '));
        }
    }
    CU_ASSERT_TRUE(ended);
    CU_ASSERT_TRUE(families > 20);
}

static void it_tells_how_it_is(void)
{
    struct service service;
    service_start(&service, "turn: no\n");
    struct http_answer answer = service_get(&service, "/health");
    CU_ASSERT_EQUAL(answer.status, 200);
    json_t *health = json_loads(answer.body, 0, NULL);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(health, "status")), "ok");
    json_decref(health);
    http_answer_free(&answer);
    answer = service_get(&service, "/metrics");
    CU_ASSERT_EQUAL(answer.status, 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(http_answer_header(&answer, "content-type"), "application/openmetrics-text"));
    check_metrics((char *)answer.body);
    http_answer_free(&answer);
    answer = service_get(&service, "/");
    CU_ASSERT_EQUAL(answer.status, 200);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer.body, "<title>"));
    http_answer_free(&answer);
    answer = service_get(&service, "/nothing");
    CU_ASSERT_EQUAL(answer.status, 404);
    http_answer_free(&answer);
    answer = http_ask(service.port, "DELETE /health HTTP/1.1\r\n", "", 0);
    CU_ASSERT_EQUAL(answer.status, 405);
    http_answer_free(&answer);
    struct program program = service_stop(&service, SIGTERM);
    CU_ASSERT_EQUAL(program.status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(program.err, "event=start"));
    CU_ASSERT_PTR_NOT_NULL(strstr(program.err, "event=stop"));
    program_free(&program);
}

/* The status of a WebSocket's opening handshake; a close frame ends what comes of it. */
static int open_websocket(const struct service *service, const char *origin)
{
    char head[400];
    snprintf(head, sizeof head,
             "GET /ws HTTP/1.1\r\n%s%s%sUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
             origin != NULL ? "Origin: " : "", origin != NULL ? origin : "", origin != NULL ? "\r\n" : "");
    struct http_answer answer = http_ask(service->port, head, "\x88\x80\0\0\0\0", 6);
    int status = 0;
    sscanf(answer.text, "HTTP/%*s %d", &status); /* libwebsockets refuses by HTTP/1.0 */
    http_answer_free(&answer);
    return status;
}

static void browsers_from_elsewhere(void)
{
    struct service service;
    service_start(&service, "turn: no\norigins: ['https://good.example']\n");
    struct http_answer answer =
        http_ask(service.port, "OPTIONS /health HTTP/1.1\r\nOrigin: https://good.example\r\n", "", 0);
    CU_ASSERT_EQUAL(answer.status, 204);
    CU_ASSERT_STRING_EQUAL(http_answer_header(&answer, "Access-Control-Allow-Origin"), "https://good.example");
    CU_ASSERT_PTR_NOT_NULL(strstr(http_answer_header(&answer, "Access-Control-Allow-Methods"), "PATCH"));
    http_answer_free(&answer);
    answer = http_ask(service.port, "GET /health HTTP/1.1\r\nOrigin: https://bad.example\r\n", "", 0);
    CU_ASSERT_PTR_NULL(http_answer_header(&answer, "Access-Control-Allow-Origin"));
    CU_ASSERT_STRING_EQUAL(http_answer_header(&answer, "Vary"), "Origin");
    http_answer_free(&answer);
    CU_ASSERT_EQUAL(open_websocket(&service, "https://bad.example"), 403);
    CU_ASSERT_EQUAL(open_websocket(&service, "null"), 403);
    CU_ASSERT_EQUAL(open_websocket(&service, "https://good.example"), 101);
    CU_ASSERT_EQUAL(open_websocket(&service, "http://localhost"), 101); /* our own page: that is the Host asked for */
    CU_ASSERT_EQUAL(open_websocket(&service, NULL), 101);               /* no browser */
    struct program program = service_stop(&service, SIGINT);
    CU_ASSERT_EQUAL(program.status, 105);
    program_free(&program);
}

static void its_certificate_stays_the_same(void)
{
    struct service service;
    struct stat status;
    size_t len;
    service_start(&service, "turn: no\n");
    char *first = text_file_read(scratch_path(service.directory, "certificate.pem"), &len);
    CU_ASSERT_EQUAL(stat(scratch_path(service.directory, "key.pem"), &status), 0);
    CU_ASSERT_EQUAL(status.st_mode & 0777, 0600);
    free(service.said);
    struct program program = program_end(&service.program, SIGTERM);
    program_free(&program);
    service_start_in(&service, "turn: no\n");
    char *second = text_file_read(scratch_path(service.directory, "certificate.pem"), &len);
    CU_ASSERT_STRING_EQUAL(first, second);
    free(first);
    free(second);
    program = service_stop(&service, SIGTERM);
    program_free(&program);
}

static void what_it_refuses(void)
{
    struct service service;
    char port[16];
    service_start(&service, "turn: no\n");
    const char *const state = service.directory;
    snprintf(port, sizeof port, "%u", service.port);
    const char *bad = scratch_path(service.directory, "bad.yaml");
    const struct {
        const char *text; /* of a configuration */
        const char *arguments[8];
        const char *complaint;
    } cases[] = {
        {NULL, {"--port", port}, "in use"},
        {NULL, {"--port", "70000"}, "65535"},
        {NULL, {"--listen", "localhost"}, "not an IP address"},
        {NULL, {"--tls-cert", "x.pem"}, "belong together"},
        {NULL, {"--tls-cert", "/nowhere/c.pem", "--tls-key", "/nowhere/k.pem", "--port", "0"}, "/nowhere/c.pem"},
        {NULL, {"--color"}, "--color"},
        {NULL, {"extra"}, "extra"},
        {"turn: no\nprot: 80\n", {"--port", "0"}, "bad.yaml:2: prot: unknown key; did you mean 'port'?"},
        {"turn: {relay_ports: [2, 1]}\n", {"--port", "0"}, "bad.yaml:1: relay_ports"},
        {"turn:\n  allow: [10.0.0.0/33]\n", {"--port", "0"}, "bad.yaml:2"},
        {"listen: 300.1.1.1\n", {NULL}, "bad.yaml:1: listen"},
        {"tls: {certificate: a.pem}\n", {NULL}, "bad.yaml:1: tls"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *arguments[20] = {"serve", "--state", state};
        size_t count = 3;
        for (size_t k = 0; k < 8 && cases[i].arguments[k] != NULL; k++)
            arguments[count++] = cases[i].arguments[k];
        if (cases[i].complaint[0] != 'n') {
            arguments[count++] = "--listen";
            arguments[count++] = "127.0.0.1";
        }
        const char *config = cases[i].text != NULL ? cases[i].text : "turn: no\n";
        scratch_write(bad, config, strlen(config));
        arguments[count++] = "--config";
        arguments[count++] = bad;
        struct program program = program_run(arguments);
        CU_ASSERT_EQUAL(program.status, 2);
        CU_ASSERT_PTR_NOT_NULL(strstr(program.err, cases[i].complaint));
        if (strstr(program.err, cases[i].complaint) == NULL)
            fprintf(stderr, "\ncase %zu: %s\n", i, program.err);
        CU_ASSERT_EQUAL(strcspn(program.err, "\n") + 1, program.err_len);
        program_free(&program);
    }
    struct program program = service_stop(&service, SIGTERM);
    program_free(&program);
}

/* --- a room ----------------------------------------------------------------------------------------------------------------- */

struct visitor {
    struct participant *participant;
    size_t joined, frames[3], failed;
    char reason[200];
    bool relayed;
};

static void on_joined(void *user, struct participant *participant, nanos now)
{
    (void)participant, (void)now;
    ((struct visitor *)user)->joined++;
}

static void on_frame(void *user, struct participant *participant, struct remote_track *track,
                     const struct received_frame *frame, nanos now)
{
    (void)participant, (void)frame, (void)now;
    ((struct visitor *)user)->frames[track->kind]++;
}

static void on_failed(void *user, struct participant *participant, const char *reason, nanos now)
{
    struct visitor *visitor = user;
    (void)participant, (void)now;
    if (visitor->failed++ == 0) /* the word comes first, then the channel ends */
        snprintf(visitor->reason, sizeof visitor->reason, "%s", reason);
}

static const struct participant_callbacks callbacks = {.joined = on_joined, .frame = on_frame, .failed = on_failed};

static bool seen_enough(void *user, nanos now)
{
    const struct visitor *visitors = user;
    (void)now;
    return visitors[0].frames[0] < 20 || visitors[1].frames[0] < 20 || visitors[0].frames[1] < 5 ||
           visitors[1].frames[1] < 5;
}

static bool heard(void *user, nanos now)
{
    const struct visitor *visitors = user;
    (void)now;
    return visitors[0].failed == 0 || visitors[1].failed == 0;
}

static void a_room_is_live(enum call_shape shape, bool relay_only, const char *config)
{
    struct service service;
    struct error error;
    struct visitor visitors[2] = {{0}};
    service_start(&service, config);
    struct live_world *live = live_world_create(&(struct live_world_config){.loopback_only = true}, &error);
    const struct address own = address_ipv4(127, 0, 0, 1, 0);
    struct world_host *host = live_world_add_host(
        live, &(struct live_host_config){.name = "visitors", .addresses = &own, .address_count = 1}, &error);
    struct certificate *certificate = certificate_create(
        &(struct certificate_config){.not_before_unix_s = live_world_unix_origin_s(live) - 3600}, &error);
    struct world *world = live_world_of(live);
    for (size_t i = 0; i < 2; i++) {
        const struct participant_config participant = {
            .host = host,
            .server = address_ipv4(127, 0, 0, 1, service.port),
            .room = "standup",
            .name = i == 0 ? "alice" : "bob",
            .shape = shape,
            .plan = {.audio = true,
                     .video = true,
                     .audio_bps = 32000,
                     .layers = {{.height = 180, .fps = 15, .bps = 150000}},
                     .layer_count = 1},
            .number = (uint32_t)i,
            .certificate = certificate,
            .relay_only = relay_only,
            .seed = 7 + i,
            .ntp_origin = live_world_ntp_origin(live),
            .callbacks = &callbacks,
            .user = &visitors[i],
        };
        visitors[i].participant = participant_create(&participant, world_now(world), &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(visitors[i].participant);
    }
    live_world_run_until(live, world_now(world) + 10 * NANOS_PER_S, 10 * NANOS_PER_MS, seen_enough, visitors, &error);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_EQUAL(visitors[i].joined, 1);
        CU_ASSERT_EQUAL(visitors[i].failed, 0);
        CU_ASSERT_TRUE(visitors[i].frames[0] >= 20);
        CU_ASSERT_TRUE(visitors[i].frames[1] >= 5);
    }
    /* They are told when it ends. */
    kill(service.program.process, SIGTERM);
    live_world_run_until(live, world_now(world) + 5 * NANOS_PER_S, 10 * NANOS_PER_MS, heard, visitors, &error);
    for (size_t i = 0; i < 2; i++) {
        CU_ASSERT_TRUE(visitors[i].failed > 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(visitors[i].reason, "ends"));
        participant_destroy(visitors[i].participant);
    }
    live_world_destroy(live);
    certificate_destroy(certificate);
    struct program program = service_stop(&service, 0);
    CU_ASSERT_EQUAL(program.status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(program.err, "event=join room=standup peer=alice"));
    CU_ASSERT_PTR_NOT_NULL(strstr(program.err, "event=leave room=standup peer=bob"));
    program_free(&program);
}

static void an_sfu_room(void) { a_room_is_live(CALL_SFU, false, "turn: no\n"); }

static void an_sfu_room_through_turn(void)
{
    char config[100];
    uint16_t port = service_free_port();
    snprintf(config, sizeof config, "turn: {port: %u, tls_port: %u}\n", port, service_free_port());
    a_room_is_live(CALL_SFU, true, config);
}

/* What it captured, with its keys, is what `confab analyze` can read: three streams each way, decrypted. */
static void a_captured_room(void)
{
    char directory[SCRATCH_CAP];
    char config[300];
    scratch_make(directory);
    const char *capture = scratch_path(directory, "call.pcapng");
    const char *keylog = scratch_path(directory, "keys.log");
    snprintf(config, sizeof config, "turn: no\ncapture: %s\nkeylog: %s\n", capture, keylog);
    a_room_is_live(CALL_SFU, false, config);
    struct program program = PROGRAM("analyze", capture, "--keylog", keylog, "--format", "json");
    CU_ASSERT_EQUAL(program.status, 0);
    json_t *analysis = json_loads(program.out, 0, NULL);
    size_t video = 0, audio = 0, index;
    json_t *stream;
    json_array_foreach(json_object_get(analysis, "streams"), index, stream)
    {
        const char *kind = json_string_value(json_object_get(stream, "kind"));
        CU_ASSERT_EQUAL(json_integer_value(json_object_get(stream, "lost")), 0);
        video += kind != NULL && strcmp(kind, "video") == 0;
        audio += kind != NULL && strcmp(kind, "audio") == 0;
    }
    CU_ASSERT_EQUAL(audio, 4); /* two up, two down */
    CU_ASSERT_EQUAL(video, 4);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(analysis, "connections")), 2);
    CU_ASSERT_TRUE(json_integer_value(json_object_get(json_object_get(analysis, "rtcp"), "sr")) > 0);
    json_decref(analysis);
    program_free(&program);
    scratch_remove(directory);
}

static void a_mesh_room(void) { a_room_is_live(CALL_MESH, false, "turn: no\n"); }

void serve_test(void)
{
    SUITE("serve", {"it tells how it is", it_tells_how_it_is}, {"browsers from elsewhere", browsers_from_elsewhere},
          {"its certificate stays the same", its_certificate_stays_the_same}, {"what it refuses", what_it_refuses},
          {"an SFU room", an_sfu_room}, {"an SFU room through TURN", an_sfu_room_through_turn},
          {"a mesh room", a_mesh_room}, {"a captured room", a_captured_room});
}
