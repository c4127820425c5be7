/* confab load itself, at `confab serve` and at servers that are worse, on free ports of the loopback address. What this
 * machine makes of being busy (exit status 3) is never asked. */
#include <arpa/inet.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/service.h"
#include "tests/support/suite.h"

enum { STATUS_OVERLOADED = 3, ARGUMENTS_MAX = 32 };

static void stop(struct service *service, int number)
{
    struct program program = service_stop(service, number);
    program_free(&program);
}

/* --- loads -------------------------------------------------------------------------------------------------------------- */

struct outcome {
    int status;
    json_t *result; /* NULL when it printed none */
    char *said;     /* on standard error */
};

/* `options` are separated by blanks. */
static size_t split(char *options, const char **arguments, const char *url)
{
    size_t count = 0;
    arguments[count++] = "load";
    arguments[count++] = url;
    arguments[count++] = "--format";
    arguments[count++] = "json";
    for (char *word = strtok(options, " "); word != NULL && count < ARGUMENTS_MAX - 1; word = strtok(NULL, " "))
        arguments[count++] = word;
    arguments[count] = NULL;
    return count;
}

static struct outcome outcome_of(struct program program)
{
    struct outcome outcome = {.status = program.status, .result = json_loads(program.out, 0, NULL)};
    outcome.said = strdup(program.err);
    program_free(&program);
    return outcome;
}

static struct running_program begin(const char *url, const char *options)
{
    const char *arguments[ARGUMENTS_MAX];
    char words[512];
    snprintf(words, sizeof words, "%s", options);
    split(words, arguments, url);
    return program_start(arguments);
}

/* It ends by itself, or by the signal. */
static struct outcome finish(struct running_program *running, int number)
{
    return outcome_of(program_end(running, number));
}

static struct outcome load(const char *url, const char *options)
{
    struct running_program running = begin(url, options);
    return finish(&running, 0);
}

static void outcome_free(struct outcome *outcome)
{
    json_decref(outcome->result);
    free(outcome->said);
}

static const char *url_of(const struct service *service, const char *scheme, const char *path)
{
    static char url[128];
    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", scheme, service->port, path);
    return url;
}

static json_t *run_of(const struct outcome *outcome)
{
    json_t *run = json_array_get(json_object_get(outcome->result, "runs"), 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(run);
    return run;
}

static long long figure(const struct outcome *outcome, const char *group, const char *name)
{
    return json_integer_value(json_object_get(json_object_get(run_of(outcome), group), name));
}

static const char *first_failure(const struct outcome *outcome, long long *count)
{
    json_t *failure = json_array_get(json_object_get(run_of(outcome), "failures"), 0);
    *count = json_integer_value(json_object_get(failure, "count"));
    const char *class = json_string_value(json_object_get(failure, "class"));
    return class != NULL ? class : "";
}

static bool is_well(const struct outcome *outcome)
{
    return outcome->status == 0 || outcome->status == STATUS_OVERLOADED;
}

static bool has_failed(const struct outcome *outcome)
{
    return outcome->status == 1 || outcome->status == STATUS_OVERLOADED;
}

/* What a machine that keeps up must find. */
static bool is_figure(const struct outcome *outcome, const char *group, const char *name, long long expected)
{
    return outcome->status == STATUS_OVERLOADED || figure(outcome, group, name) == expected;
}

static void rooms_at_the_reference_server(void)
{
    struct service service;
    service_start(&service, "turn: no\n");
    struct outcome outcome =
        load(url_of(&service, "confab+ws", "/ws"), "--rooms 3 --clients 8 --ramp all --duration 2s");
    CU_ASSERT_TRUE(is_well(&outcome));
    CU_ASSERT_EQUAL(figure(&outcome, "clients", "planned"), 8);
    CU_ASSERT_TRUE(is_figure(&outcome, "clients", "joined", 8));
    CU_ASSERT_TRUE(is_figure(&outcome, "connections", "host", 8));
    CU_ASSERT_TRUE(is_figure(&outcome, "streams", "expected", 2 * (6 + 6 + 2))); /* rooms of 3, 3 and 2 */
    CU_ASSERT_TRUE(is_figure(&outcome, "streams", "received", 2 * (6 + 6 + 2)));
    outcome_free(&outcome);
    stop(&service, SIGTERM);
}

static void publishers_and_players_by_http(void)
{
    struct service service;
    service_start(&service, "turn: no\ntokens: {publish: [pub], play: [play]}\n");
    struct running_program publishes =
        begin(url_of(&service, "whip+http", "/whip/{room}?token=pub"), "--room studio --clients 1 --duration 4s");
    const char *url = url_of(&service, "whep+http", "/whep/studio");
    struct running_program plays = begin(url, "--clients 3 --ramp all --duration 3s --token play");
    struct running_program is_denied = begin(url, "--clients 2 --duration 1s --token no");
    struct outcome denied = finish(&is_denied, 0);
    long long count;
    CU_ASSERT_TRUE(has_failed(&denied));
    CU_ASSERT_STRING_EQUAL(first_failure(&denied, &count), "unauthorized");
    CU_ASSERT_EQUAL(count, 2);
    outcome_free(&denied);
    struct outcome played = finish(&plays, 0);
    CU_ASSERT_TRUE(is_well(&played));
    CU_ASSERT_TRUE(is_figure(&played, "clients", "joined", 3));
    CU_ASSERT_TRUE(is_figure(&played, "streams", "expected", 6));
    CU_ASSERT_TRUE(is_figure(&played, "streams", "received", 6));
    outcome_free(&played);
    struct outcome published = finish(&publishes, 0);
    CU_ASSERT_TRUE(is_well(&published));
    CU_ASSERT_TRUE(is_figure(&published, "clients", "joined", 1));
    outcome_free(&published);
    stop(&service, SIGTERM);
}

static void behind_nats(void)
{
    struct service service;
    char config[64];
    snprintf(config, sizeof config, "turn: {port: %u, tls_port: %u}\n", service_free_port(), service_free_port());
    service_start(&service, config);
    const char *url = url_of(&service, "confab+ws", "/ws");
    struct running_program blocked =
        begin(url, "--room a --clients 3 --ramp all --duration 2s --audio-only --nat udp-blocked-tcp");
    struct running_program home = begin(url, "--room b --clients 2 --ramp all --duration 2s --audio-only --nat home");
    struct running_program relayed =
        begin(url, "--room c --clients 2 --ramp all --duration 2s --audio-only --relay-only");
    struct outcome outcome = finish(&blocked, 0);
    CU_ASSERT_TRUE(is_well(&outcome));
    CU_ASSERT_TRUE(is_figure(&outcome, "connections", "relay_tcp", 3));
    outcome_free(&outcome);
    outcome = finish(&home, 0);
    CU_ASSERT_TRUE(is_figure(&outcome, "connections", "connected", 2));
    CU_ASSERT_TRUE(is_figure(&outcome, "connections", "host", 0));
    outcome_free(&outcome);
    outcome = finish(&relayed, 0);
    CU_ASSERT_TRUE(is_figure(&outcome, "connections", "relay_udp", 2));
    outcome_free(&outcome);
    stop(&service, SIGTERM);
}

static void too_small_a_room(void)
{
    struct service service;
    long long count;
    service_start(&service, "turn: no\nlimits: {room: 3}\n");
    struct outcome outcome =
        load(url_of(&service, "confab+ws", "/ws"), "--clients 5 --ramp all --duration 1s --audio-only");
    CU_ASSERT_TRUE(has_failed(&outcome));
    CU_ASSERT_TRUE(is_figure(&outcome, "clients", "joined", 3));
    CU_ASSERT_EQUAL(figure(&outcome, "clients", "failed"), 2);
    CU_ASSERT_STRING_EQUAL(first_failure(&outcome, &count), "full");
    CU_ASSERT_EQUAL(count, 2);
    outcome_free(&outcome);
    stop(&service, SIGTERM);
}

static void thresholds(void)
{
    struct service service;
    service_start(&service, "turn: no\n");
    const char *const url = url_of(&service, "confab+ws", "/ws");
    const char *const held[] = {"load",   url, "--clients",    "2",       "--duration",  "1s",
                                "--room", "a", "--audio-only", "--quiet", "--threshold", "load.clients.failed < 1",
                                NULL};
    const char *const breached[] = {"load",   url, "--clients",    "2",       "--duration",  "1s",
                                    "--room", "b", "--audio-only", "--quiet", "--threshold", "load.clients.joined < 1",
                                    NULL};
    struct running_program running[2] = {program_start(held), program_start(breached)};
    struct program program = program_end(&running[0], 0);
    CU_ASSERT_TRUE(program.status == 0 || program.status == STATUS_OVERLOADED);
    CU_ASSERT_STRING_EQUAL(program.out, "");
    program_free(&program);
    program = program_end(&running[1], 0);
    CU_ASSERT_TRUE(program.status == 99 || program.status == STATUS_OVERLOADED);
    program_free(&program);
    stop(&service, SIGTERM);
}

static void interrupted(void)
{
    struct service service;
    service_start(&service, "turn: no\n");
    struct running_program running =
        begin(url_of(&service, "confab+ws", "/ws"), "--clients 4 --audio-only --duration 60s");
    usleep(2000000);
    struct outcome outcome = finish(&running, SIGINT);
    CU_ASSERT_EQUAL(outcome.status, 105);
    CU_ASSERT_EQUAL(figure(&outcome, "clients", "planned"), 4);
    CU_ASSERT_EQUAL(figure(&outcome, "clients", "failed"), 0);
    outcome_free(&outcome);
    stop(&service, SIGTERM);
}

static void the_server_is_killed(void)
{
    struct service service;
    long long count;
    service_start(&service, "turn: no\n");
    struct running_program running =
        begin(url_of(&service, "confab+ws", "/ws"), "--clients 4 --ramp all --audio-only --duration 60s");
    usleep(2000000);
    stop(&service, SIGKILL);
    struct outcome outcome = finish(&running, 0); /* it ends by itself */
    CU_ASSERT_TRUE(has_failed(&outcome));
    CU_ASSERT_EQUAL(figure(&outcome, "clients", "failed"), 4);
    CU_ASSERT_STRING_EQUAL(first_failure(&outcome, &count), "closed");
    CU_ASSERT_TRUE(count > 0);
    outcome_free(&outcome);
}

/* It stands still, whatever the machine: its timers are late by that much, and it must say so. */
static void the_generator_is_held_up(void)
{
    struct service service;
    service_start(&service, "turn: no\n");
    struct running_program running =
        begin(url_of(&service, "confab+ws", "/ws"), "--clients 2 --ramp all --audio-only --duration 6s");
    usleep(1500000);
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(kill(running.process, SIGSTOP), 0);
        usleep(500000);
        CU_ASSERT_EQUAL(kill(running.process, SIGCONT), 0);
        usleep(700000);
    }
    struct outcome outcome = finish(&running, 0);
    CU_ASSERT_EQUAL(outcome.status, STATUS_OVERLOADED);
    json_t *generator = json_object_get(outcome.result, "generator");
    CU_ASSERT_TRUE(json_is_true(json_object_get(generator, "overloaded")));
    CU_ASSERT_TRUE(json_number_value(json_object_get(generator, "max_lag_ms")) > 400);
    outcome_free(&outcome);
    stop(&service, SIGTERM);
}

/* All have joined, and nothing comes: that is a failure with a name. */
static void tracks_are_missing(void)
{
    struct service service;
    long long count;
    service_start(&service, "turn: no\n");
    struct running_program publishes =
        begin(url_of(&service, "whip+http", "/whip/studio"), "--clients 1 --audio-only --duration 60s");
    usleep(2000000);
    CU_ASSERT_EQUAL(kill(publishes.process, SIGSTOP), 0);
    struct outcome outcome =
        load(url_of(&service, "whep+http", "/whep/studio"), "--clients 2 --ramp all --audio-only --duration 2s");
    CU_ASSERT_EQUAL(kill(publishes.process, SIGKILL), 0);
    CU_ASSERT_TRUE(has_failed(&outcome));
    CU_ASSERT_TRUE(is_figure(&outcome, "clients", "joined", 2));
    CU_ASSERT_TRUE(is_figure(&outcome, "clients", "failed", 0));
    CU_ASSERT_TRUE(is_figure(&outcome, "streams", "expected", 2));
    CU_ASSERT_TRUE(is_figure(&outcome, "streams", "received", 0));
    CU_ASSERT_STRING_EQUAL(first_failure(&outcome, &count), "tracks");
    CU_ASSERT_EQUAL(count, 2);
    outcome_free(&outcome);
    outcome = finish(&publishes, 0);
    outcome_free(&outcome);
    stop(&service, SIGTERM);
}

static void shards(void)
{
    struct service service;
    char directory[SCRATCH_CAP];
    service_start(&service, "turn: no\n");
    scratch_make(directory);
    const char *first = scratch_path(directory, "1");
    const char *second = scratch_path(directory, "2");
    char options[2][200];
    for (int i = 0; i < 2; i++)
        snprintf(options[i], sizeof options[i],
                 "--rooms 2 --clients 6 --audio-only --duration 2s --shard %d/2 --out %s", i + 1,
                 i == 0 ? first : second);
    struct running_program running = begin(url_of(&service, "confab+ws", "/ws"), options[0]);
    struct outcome outcome = load(url_of(&service, "confab+ws", "/ws"), options[1]);
    CU_ASSERT_EQUAL(figure(&outcome, "clients", "planned"), 3);
    outcome_free(&outcome);
    outcome = finish(&running, 0);
    CU_ASSERT_TRUE(is_figure(&outcome, "clients", "joined", 3));
    outcome_free(&outcome);
    outcome = outcome_of(PROGRAM("merge", scratch_path(directory, "1/result.json"),
                                 scratch_path(directory, "2/result.json"), "--format", "json"));
    CU_ASSERT_EQUAL(figure(&outcome, "clients", "planned"), 6);
    CU_ASSERT_TRUE(is_figure(&outcome, "clients", "joined", 6));
    CU_ASSERT_TRUE(is_figure(&outcome, "streams", "expected", 12));
    outcome_free(&outcome);
    scratch_remove(directory);
    stop(&service, SIGTERM);
}

/* --- bad servers -------------------------------------------------------------------------------------------------------- */

/* Answers every connection's first bytes with `says`, and closes unless `holds`. */
struct bad_server {
    pthread_t thread;
    int fd, stop[2];
    unsigned port;
    const char *says;
    bool holds;
};

static void *be_bad(void *user)
{
    struct bad_server *server = user;
    int held[64];
    size_t held_count = 0;
    struct pollfd waits[2] = {{.fd = server->fd, .events = POLLIN}, {.fd = server->stop[0], .events = POLLIN}};
    while (poll(waits, 2, -1) > 0 && waits[1].revents == 0) {
        char asked[4096];
        int fd = accept(server->fd, NULL, NULL);
        struct pollfd asks = {.fd = fd, .events = POLLIN};
        if (fd < 0)
            continue;
        if (poll(&asks, 1, 5000) > 0 && recv(fd, asked, sizeof asked, 0) > 0)
            send(fd, server->says, strlen(server->says), MSG_NOSIGNAL);
        /* What is unread at the end would make it a reset, and the answer be lost. */
        if (!server->holds && shutdown(fd, SHUT_WR) == 0) {
            while (poll(&asks, 1, 100) > 0 && recv(fd, asked, sizeof asked, 0) > 0)
                ;
        }
        if (server->holds && held_count < sizeof held / sizeof held[0])
            held[held_count++] = fd;
        else
            close(fd);
    }
    while (held_count > 0)
        close(held[--held_count]);
    return NULL;
}

static void bad_start(struct bad_server *server, const char *says, bool holds)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    *server = (struct bad_server){.says = says, .holds = holds, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    CU_ASSERT_EQUAL(bind(server->fd, (struct sockaddr *)&at, sizeof at), 0);
    CU_ASSERT_EQUAL(listen(server->fd, 64), 0);
    CU_ASSERT_EQUAL(getsockname(server->fd, (struct sockaddr *)&at, &len), 0);
    server->port = ntohs(at.sin_port);
    CU_ASSERT_EQUAL(pipe(server->stop), 0);
    CU_ASSERT_EQUAL(pthread_create(&server->thread, NULL, be_bad, server), 0);
}

static void bad_stop(struct bad_server *server)
{
    CU_ASSERT_EQUAL(write(server->stop[1], "", 1), 1);
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->stop[1]);
    close(server->fd);
}

static void bad_servers(void)
{
    static const struct {
        const char *scheme, *says, *failure;
        bool holds;
    } servers[] = {
        {"whip+http", "", "bad-answer", false},
        {"whip+http", "what?\r\n\r\n", "bad-answer", false},
        {"whip+http", "", "timeout", true},
        {"whip+http", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "unauthorized", false},
        {"whip+http", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "not-found", false},
        {"whip+http", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\nfull\n", "full", false},
        {"whip+http", "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", "server-error", false},
        {"whip+http", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "bad-answer", false},
        {"whip+http", "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nContent-Length: 0\r\n\r\n",
         "bad-answer", false},
        {"whep+http",
         "HTTP/1.1 201 Created\r\nContent-Type: application/sdp\r\nLocation: /x\r\nContent-Length: 7\r\n\r\nv=0\r\nx\n",
         "bad-answer", false},
        {"confab+ws", "", "closed", false},
        {"confab+ws", "what?\r\n\r\n", "closed", false},
        {"confab+ws", "", "timeout", true},
        {"confab+ws", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "unauthorized", false},
        {"confab+ws", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "not-found", false},
        {"confab+ws", "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "full", false},
    };
    enum { COUNT = sizeof servers / sizeof servers[0] };
    struct bad_server bad[COUNT];
    struct running_program running[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        char url[64];
        bad_start(&bad[i], servers[i].says, servers[i].holds);
        snprintf(url, sizeof url, "%s://127.0.0.1:%u/x", servers[i].scheme, bad[i].port);
        running[i] = begin(url, servers[i].holds ? "--clients 3 --ramp all --timeout 1s" : "--clients 3 --ramp all");
    }
    for (size_t i = 0; i < COUNT; i++) {
        long long count = 0;
        struct outcome outcome = finish(&running[i], 0);
        CU_ASSERT_TRUE(has_failed(&outcome));
        CU_ASSERT_STRING_EQUAL(first_failure(&outcome, &count), servers[i].failure);
        CU_ASSERT_EQUAL(count, 3);
        CU_ASSERT_EQUAL(figure(&outcome, "clients", "failed"), 3);
        outcome_free(&outcome);
        bad_stop(&bad[i]);
    }
}

static void nobody_is_there(void)
{
    static const char *const urls[] = {"confab+ws://127.0.0.1:1/ws", "whip+http://127.0.0.1:1/x",
                                       "whep+https://127.0.0.1:1/x"};
    struct running_program running[sizeof urls / sizeof urls[0]];
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
        running[i] = begin(urls[i], "--clients 2 --ramp all");
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        long long count;
        struct outcome outcome = finish(&running[i], 0);
        CU_ASSERT_TRUE(has_failed(&outcome));
        CU_ASSERT_STRING_EQUAL(first_failure(&outcome, &count), "refused");
        CU_ASSERT_EQUAL(count, 2);
        outcome_free(&outcome);
    }
}

static void what_it_refuses(void)
{
    static const char *const wrong[][4] = {
        {"load"},
        {"load", "ws://127.0.0.1/"},
        {"load", "confab+ws://127.0.0.1/", "--nonsense"},
        {"load", "confab+ws://127.0.0.1/", "--clients"},
        {"load", "confab+ws://127.0.0.1/", "--clients", "none"},
        {"load", "confab+ws://127.0.0.1/", "--format", "xml"},
        {"load", "confab+ws://127.0.0.1/", "--nat", "nowhere"},
        {"load", "confab+ws://127.0.0.1/", "--threshold", "load.nothing < 1"},
        {"load", "confab+ws://127.0.0.1/", "--scenario", "no-such-file.yaml"},
        {"load", "confab+ws://127.0.0.1/", "confab+ws://127.0.0.1/"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const char *arguments[5] = {wrong[i][0], wrong[i][1], wrong[i][2], wrong[i][3], NULL};
        struct program program = program_run(arguments);
        CU_ASSERT_EQUAL(program.status, 2);
        CU_ASSERT_PTR_EQUAL(strchr(program.err, '\n'), program.err + program.err_len - 1); /* one line */
        CU_ASSERT_STRING_EQUAL(program.out, "");
        program_free(&program);
    }
    struct program help = PROGRAM("help", "load");
    CU_ASSERT_EQUAL(help.status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(help.out, "whip+http(s)://"));
    program_free(&help);
}

void load_test(void);
void load_test(void)
{
    SUITE("load", {"rooms at the reference server", rooms_at_the_reference_server},
          {"publishers and players by HTTP", publishers_and_players_by_http}, {"behind NATs", behind_nats},
          {"too small a room", too_small_a_room}, {"thresholds", thresholds}, {"interrupted", interrupted},
          {"the server is killed", the_server_is_killed}, {"the generator is held up", the_generator_is_held_up},
          {"tracks are missing", tracks_are_missing}, {"shards", shards}, {"bad servers", bad_servers},
          {"nobody is there", nobody_is_there}, {"what it refuses", what_it_refuses});
}
