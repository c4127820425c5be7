/* confab serve with its rooms divided among threads. Clients come from `confab load`; what this machine makes of being busy
 * (exit status 3) is never asked. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/service.h"
#include "tests/support/suite.h"
#include "world/live_world.h"

enum { WORKERS = 3, STATUS_OVERLOADED = 3 };

static json_t *health_of(const struct service *service)
{
    struct http_answer answer = service_get(service, "/health");
    CU_ASSERT_EQUAL(answer.status, 200);
    json_t *health = json_loads(answer.body, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(health);
    http_answer_free(&answer);
    return health;
}

static json_int_t number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

/* Waits until so many are there, but not for ever; the health then, to be given back. */
static json_t *await_participants(const struct service *service, json_int_t count)
{
    json_t *health = health_of(service);
    for (int i = 0; i < 300 && number(health, "participants") != count; i++) {
        json_decref(health);
        usleep(50000);
        health = health_of(service);
    }
    CU_ASSERT_EQUAL(number(health, "participants"), count);
    return health;
}

static struct running_program begin(const struct service *service, const char *scheme, const char *path,
                                    const char *rooms, const char *clients)
{
    char url[128];
    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", scheme, service->port, path);
    const char *const arguments[] = {"load",   url,        "--rooms", rooms,        "--clients", clients, "--rate",
                                     "1000/s", "--format", "json",    "--duration", "4s",        NULL};
    return program_start(arguments);
}

/* The load ends; everyone came in and received all that there was. */
static void check(struct running_program *running, json_int_t clients, json_int_t tracks)
{
    struct program program = program_end(running, 0);
    json_t *result = json_loads(program.out, 0, NULL);
    const json_t *run = json_array_get(json_object_get(result, "runs"), 0);
    const json_t *streams = json_object_get(run, "streams");
    if (program.status != STATUS_OVERLOADED) {
        CU_ASSERT_EQUAL(program.status, 0);
        CU_ASSERT_EQUAL(number(json_object_get(run, "clients"), "joined"), clients);
        CU_ASSERT_EQUAL(number(streams, "expected"), tracks);
        CU_ASSERT_EQUAL(number(streams, "received"), tracks);
    }
    json_decref(result);
    program_free(&program);
}

/* Rooms of three: a worker that had a room in part would have fewer participants than three for each. */
static void each_room_is_one_workers(void)
{
    enum { ROOMS = 8, SIZE = 3 };
    struct service service;
    service_start(&service, "turn: no\nworkers: 3\n");
    struct running_program load = begin(&service, "confab+ws", "/ws", "8", "24");
    json_t *health = await_participants(&service, ROOMS * SIZE);
    const json_t *workers = json_object_get(health, "workers");
    CU_ASSERT_EQUAL(number(health, "rooms"), ROOMS);
    CU_ASSERT_EQUAL_FATAL(json_array_size(workers), WORKERS);
    for (size_t i = 0; i < WORKERS; i++) {
        const json_t *worker = json_array_get(workers, i);
        CU_ASSERT_TRUE(number(worker, "rooms") > 0);
        CU_ASSERT_EQUAL(number(worker, "participants"), number(worker, "rooms") * SIZE);
    }
    json_decref(health);
    check(&load, ROOMS * SIZE, 2 * ROOMS * SIZE * (SIZE - 1));
    health = await_participants(&service, 0);
    CU_ASSERT_EQUAL(number(health, "rooms"), 0);
    json_decref(health);
    struct program program = service_stop(&service, SIGTERM);
    CU_ASSERT_EQUAL(program.status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(program.err, "event=join"));
    CU_ASSERT_PTR_NOT_NULL(strstr(program.err, "event=leave"));
    program_free(&program);
}

/* Who plays finds the worker that has who publishes. */
static void publishers_and_players(void)
{
    struct service service;
    service_start(&service, "turn: no\nworkers: 3\n");
    struct running_program publishes = begin(&service, "whip+http", "/whip/{room}", "5", "5");
    json_t *health = await_participants(&service, 5);
    json_decref(health);
    struct running_program plays = begin(&service, "whep+http", "/whep/{room}", "5", "10");
    check(&plays, 10, 20);
    check(&publishes, 5, 0);
    struct program program = service_stop(&service, SIGTERM);
    CU_ASSERT_EQUAL(program.status, 0);
    program_free(&program);
}

/* --- one who goes from room to room ------------------------------------------------------------------------------------- */

struct wanderer {
    struct world_channel *channel;
    char heard[4096];
    size_t expected; /* messages */
    size_t messages;
    bool closed;
};

static void opened(void *user, struct world_channel *channel, nanos now) { (void)user, (void)channel, (void)now; }

static void received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct wanderer *wanderer = user;
    (void)channel, (void)now;
    json_t *message = json_loadb(text, len, 0, NULL);
    const char *type = json_string_value(json_object_get(message, "type"));
    const char *reason = json_string_value(json_object_get(message, "reason"));
    size_t used = strlen(wanderer->heard);
    snprintf(wanderer->heard + used, sizeof wanderer->heard - used, "%s\n", reason != NULL ? reason : type);
    wanderer->messages++;
    json_decref(message);
}

static void closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    struct wanderer *wanderer = user;
    (void)channel, (void)reason, (void)now;
    wanderer->closed = true;
}

static bool heard_less(void *user, nanos now)
{
    const struct wanderer *wanderer = user;
    (void)now;
    return wanderer->messages < wanderer->expected && !wanderer->closed;
}

static void say(struct wanderer *wanderer, const char *text)
{
    world_channel_send(wanderer->channel, text, strlen(text));
}

static void listen_for(struct wanderer *wanderer, struct live_world *live, size_t messages)
{
    struct error error;
    wanderer->expected = messages;
    live_world_run_until(live, world_now(live_world_of(live)) + 20 * NANOS_PER_S, 5 * NANOS_PER_MS, heard_less,
                         wanderer, &error);
    CU_ASSERT_EQUAL(wanderer->messages, messages);
}

/* All said at once, before any answer: it is answered in order whichever worker has the room. */
static void from_room_to_room(void)
{
    static const struct world_channel_callbacks callbacks = {.opened = opened, .received = received, .closed = closed};
    static const char answers[] = "the room has the other topology\njoined\nalready in a room\njoined\njoined\nnot a ";
    struct service service;
    struct error error;
    struct wanderer wanderers[WORKERS] = {{0}};
    const struct address own = address_ipv4(127, 0, 0, 1, 0);
    service_start(&service, "turn: no\nworkers: 3\n");
    struct live_world *live = live_world_create(&(struct live_world_config){.loopback_only = true}, &error);
    struct world_host *host = live_world_add_host(
        live, &(struct live_host_config){.name = "wanderer", .addresses = &own, .address_count = 1}, &error);
    const struct address server = address_ipv4(127, 0, 0, 1, service.port);
    for (size_t i = 0; i < WORKERS; i++) {
        wanderers[i].channel = world_channel_connect(host, &server, &callbacks, &wanderers[i], &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(wanderers[i].channel);
    }
    /* The first two settle: each worker but one has a room then. */
    for (size_t i = 0; i + 1 < WORKERS; i++) {
        char join[128];
        snprintf(join, sizeof join, "{\"type\":\"join\",\"room\":\"room%zu\",\"peer\":\"settler\",\"topology\":\"%s\"}",
                 i, i == 0 ? "sfu" : "mesh");
        say(&wanderers[i], join);
        listen_for(&wanderers[i], live, 1);
    }
    struct wanderer *wanderer = &wanderers[WORKERS - 1];
    say(wanderer, "{\"type\":\"leave\"}");
    say(wanderer, "{\"type\":\"mute\",\"track\":\"audio\",\"muted\":true}");
    say(wanderer, "{\"type\":\"join\",\"room\":\"room0\",\"peer\":\"wanderer\",\"topology\":\"mesh\"}");
    say(wanderer, "{\"type\":\"join\",\"room\":\"room0\",\"peer\":\"wanderer\",\"topology\":\"sfu\"}");
    say(wanderer, "{\"type\":\"join\",\"room\":\"room1\",\"peer\":\"wanderer\",\"topology\":\"mesh\"}");
    say(wanderer, "{\"type\":\"leave\"}");
    say(wanderer, "{\"type\":\"\\u006aoin\",\"room\":\"room1\",\"peer\":\"wanderer\",\"topology\":\"mesh\"}");
    say(wanderer, "{\"type\":\"offer\",\"to\":\"settler\",\"sdp\":\"join or leave\"}");
    say(wanderer, "{\"type\":\"leave\"}");
    say(wanderer, "{\"type\":\"join\",\"room\":\"room2\",\"peer\":\"wanderer\",\"topology\":\"sfu\"}");
    say(wanderer, "nonsense about join");
    listen_for(wanderer, live, 7);
    /* What a worker says last may come after the next one's first word. */
    char *early = strstr(wanderer->heard, "join a room first\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(early);
    memmove(early, early + 18, strlen(early + 18) + 1);
    CU_ASSERT_EQUAL(strncmp(wanderer->heard, answers, sizeof answers - 1), 0);
    CU_ASSERT_FALSE(wanderer->closed);
    listen_for(&wanderers[0], live, 3); /* joined, peer-joined, peer-left */
    CU_ASSERT_STRING_EQUAL(wanderers[0].heard, "joined\npeer-joined\npeer-left\n");
    listen_for(&wanderers[1], live, 4);
    CU_ASSERT_STRING_EQUAL(wanderers[1].heard, "joined\npeer-joined\noffer\npeer-left\n");
    json_t *health = NULL;
    for (size_t i = 0; i < WORKERS; i++)
        world_channel_close(wanderers[i].channel);
    live_world_destroy(live);
    for (int i = 0; i < 200 && (health == NULL || number(health, "rooms") > 0); i++) {
        json_decref(health);
        health = health_of(&service);
    }
    CU_ASSERT_EQUAL(number(health, "rooms"), 0);
    json_decref(health);
    struct program program = service_stop(&service, SIGINT);
    CU_ASSERT_EQUAL(program.status, 105);
    program_free(&program);
}

/* Packets of all threads, in the order of time. */
static void one_capture(void)
{
    char directory[SCRATCH_CAP];
    char config[300];
    struct service service;
    scratch_make(directory);
    const char *capture = scratch_path(directory, "call.pcapng");
    const char *keylog = scratch_path(directory, "keys.log");
    snprintf(config, sizeof config, "turn: no\nworkers: 3\ncapture: %s\nkeylog: %s\n", capture, keylog);
    service_start(&service, config);
    struct running_program load = begin(&service, "confab+ws", "/ws", "3", "6");
    check(&load, 6, 12);
    struct program served = service_stop(&service, SIGTERM);
    CU_ASSERT_EQUAL(served.status, 0);
    program_free(&served);
    struct program program = PROGRAM("analyze", capture, "--keylog", keylog, "--format", "json");
    CU_ASSERT_EQUAL(program.status, 0);
    json_t *analysis = json_loads(program.out, 0, NULL);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(analysis, "connections")), 6);
    json_decref(analysis);
    program_free(&program);
    scratch_remove(directory);
}

void workers_test(void);
void workers_test(void)
{
    SUITE("workers", {"each room is one worker's", each_room_is_one_workers},
          {"publishers and players", publishers_and_players}, {"from room to room", from_room_to_room},
          {"one capture", one_capture});
}
