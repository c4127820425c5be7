#include "sim/sim_world.h"

#include "tests/support/suite.h"

#if CONFAB_SIM

#include <stdio.h>

#include "tests/support/sim_fixture.h"

#define MS NANOS_PER_MS
#define S NANOS_PER_S

enum { TEXTS_MAX = 64 };

struct end {
    struct world_channel *channel;
    nanos opened_at;
    nanos closed_at;
    char reason[64];
    char texts[TEXTS_MAX][32];
    nanos at[TEXTS_MAX];
    int count;
    bool close_on_message;
    bool echo;
};

static void opened(void *user, struct world_channel *channel, nanos now)
{
    struct end *end = user;
    end->opened_at = now;
    CU_ASSERT_PTR_EQUAL(channel, end->channel);
}

static void received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct end *end = user;
    CU_ASSERT_TRUE_FATAL(end->count < TEXTS_MAX);
    snprintf(end->texts[end->count], sizeof end->texts[0], "%.*s", (int)len, text);
    end->at[end->count++] = now;
    if (end->echo)
        world_channel_send(channel, text, len);
    if (end->close_on_message) {
        world_channel_close(channel);
        end->channel = NULL;
    }
}

static void closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    struct end *end = user;
    snprintf(end->reason, sizeof end->reason, "%s", reason);
    end->closed_at = now;
    end->channel = NULL;
    world_channel_close(channel);
}

static const struct world_channel_callbacks callbacks = {.opened = opened, .received = received, .closed = closed};

static void accepted(void *user, struct world_channel *channel, nanos now)
{
    struct end *end = user;
    end->channel = channel;
    end->opened_at = now;
    world_channel_adopt(channel, &callbacks, end);
}

/* A server that listens and a client on its way to it; one way takes 14 ms of cable and 10 ms of core. */
struct scene {
    struct sim_world *sim;
    struct world_host *server;
    struct world_host *client;
    struct world_channel_listener *listener;
    struct address at;
    struct end ours;
    struct end theirs;
};

enum { ONE_WAY_MS = 24 };

static void scene_open(struct scene *scene, const char *nat)
{
    struct error error = {0};
    *scene = (struct scene){.sim = sim_fixture(1)};
    scene->server = sim_fixture_server(scene->sim, "server", 1);
    scene->client = sim_fixture_client(scene->sim, nat, "cable", 0, 0);
    scene->at = sim_fixture_address(scene->server, 4, 443);
    scene->listener = world_channel_listen(scene->server, &scene->at, accepted, &scene->theirs, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scene->listener);
    scene->ours.channel = world_channel_connect(scene->client, &scene->at, &callbacks, &scene->ours, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scene->ours.channel);
}

static void opens_after_three_round_trips(void)
{
    static const char *const nats[] = {"open", "home", "tls-only", "cgn"};
    for (int i = 0; i < 4; i++) {
        struct scene scene;
        scene_open(&scene, nats[i]);
        sim_fixture_run(scene.sim, S);
        CU_ASSERT_EQUAL(scene.theirs.opened_at, 5 * ONE_WAY_MS * MS);
        CU_ASSERT_EQUAL(scene.ours.opened_at, 6 * ONE_WAY_MS * MS);
        sim_world_destroy(scene.sim);
    }
}

static void keeps_order_and_takes_its_time(void)
{
    struct scene scene;
    scene_open(&scene, "home");
    sim_fixture_run(scene.sim, S);
    /* 250 kB take 100 ms up at 20 Mbit/s, so the short one behind it would overtake if it could. */
    static char big[250000];
    memset(big, 'b', sizeof big);
    world_channel_send(scene.ours.channel, big, sizeof big);
    for (int i = 0; i < 10; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        world_channel_send(scene.ours.channel, text, strlen(text));
    }
    scene.theirs.echo = true;
    sim_fixture_run(scene.sim, 2 * S);
    CU_ASSERT_EQUAL(scene.theirs.count, 11);
    CU_ASSERT_EQUAL(scene.theirs.at[0], S + (100 + ONE_WAY_MS) * MS);
    for (int i = 0; i < 10; i++) {
        CU_ASSERT_EQUAL(atoi(scene.theirs.texts[i + 1]), i);
        CU_ASSERT_EQUAL(scene.theirs.at[i + 1], scene.theirs.at[0]);
    }
    CU_ASSERT_EQUAL(scene.ours.count, 11);
    CU_ASSERT_EQUAL(scene.ours.at[10], scene.theirs.at[0] + (20 + ONE_WAY_MS) * MS);
    sim_world_destroy(scene.sim);
}

static void closes_behind_the_last_message(void)
{
    struct scene scene;
    scene_open(&scene, "home");
    sim_fixture_run(scene.sim, S);
    world_channel_send(scene.theirs.channel, "last", 4);
    world_channel_close(scene.theirs.channel);
    world_channel_send(scene.ours.channel, "too late", 8);
    sim_fixture_run(scene.sim, 2 * S);
    CU_ASSERT_EQUAL(scene.ours.count, 1);
    CU_ASSERT_STRING_EQUAL(scene.ours.texts[0], "last");
    CU_ASSERT_STRING_EQUAL(scene.ours.reason, "closed by the other side");
    CU_ASSERT_TRUE(scene.ours.closed_at >= scene.ours.at[0]);
    CU_ASSERT_EQUAL(scene.theirs.count, 0);
    CU_ASSERT_EQUAL(scene.theirs.closed_at, 0); /* who closes hears nothing more */
    sim_world_destroy(scene.sim);
}

static void closes_inside_a_callback(void)
{
    struct scene scene;
    scene_open(&scene, "home");
    sim_fixture_run(scene.sim, S);
    scene.theirs.close_on_message = true;
    world_channel_send(scene.ours.channel, "1", 1);
    world_channel_send(scene.ours.channel, "2", 1);
    sim_fixture_run(scene.sim, 2 * S);
    CU_ASSERT_EQUAL(scene.theirs.count, 1);
    CU_ASSERT_EQUAL(scene.ours.closed_at, S + 2 * ONE_WAY_MS * MS + (nanos)1 * 8 * NANOS_PER_US / 20);
    sim_world_destroy(scene.sim);
}

static void waits_while_a_cable_is_pulled(void)
{
    struct scene scene;
    scene_open(&scene, "home");
    sim_fixture_run(scene.sim, S);
    sim_world_cut(scene.client);
    world_channel_send(scene.theirs.channel, "1", 1);
    world_channel_send(scene.theirs.channel, "2", 1);
    world_channel_send(scene.ours.channel, "up", 2);
    sim_fixture_run(scene.sim, 5 * S);
    CU_ASSERT_EQUAL(scene.ours.count, 0);
    CU_ASSERT_EQUAL(scene.theirs.count, 0);
    sim_world_restore(scene.client);
    sim_fixture_run(scene.sim, 7 * S);
    CU_ASSERT_EQUAL(scene.ours.count, 2);
    CU_ASSERT_STRING_EQUAL(scene.ours.texts[1], "2");
    CU_ASSERT_TRUE(scene.ours.at[0] <= 6100 * MS);
    CU_ASSERT_EQUAL(scene.theirs.count, 1);
    sim_world_destroy(scene.sim);
}

static void ends_when_the_server_dies(void)
{
    struct scene scene;
    scene_open(&scene, "home");
    sim_fixture_run(scene.sim, S);
    sim_world_kill(scene.server);
    sim_fixture_run(scene.sim, 2 * S);
    CU_ASSERT_STRING_EQUAL(scene.ours.reason, "the other side does not answer");
    CU_ASSERT_EQUAL(scene.ours.closed_at, S + ONE_WAY_MS * MS);
    CU_ASSERT_EQUAL(scene.theirs.closed_at, 0);
    /* Nobody there: tried for 20 s. A listener that comes back within them is found. */
    struct error error;
    scene.ours.channel = world_channel_connect(scene.client, &scene.at, &callbacks, &scene.ours, &error);
    sim_fixture_run(scene.sim, 30 * S);
    CU_ASSERT_STRING_EQUAL(scene.ours.reason, "no answer");
    CU_ASSERT_EQUAL(scene.ours.closed_at, 22 * S);
    scene.ours.channel = world_channel_connect(scene.client, &scene.at, &callbacks, &scene.ours, &error);
    sim_fixture_run(scene.sim, 35 * S);
    sim_world_restore(scene.server);
    CU_ASSERT_PTR_NOT_NULL(world_channel_listen(scene.server, &scene.at, accepted, &scene.theirs, &error));
    sim_fixture_run(scene.sim, 40 * S);
    CU_ASSERT_TRUE(scene.ours.opened_at > 35 * S && scene.ours.opened_at < 36 * S + 200 * MS);
    sim_world_destroy(scene.sim);
}

static void refuses_what_can_not_be(void)
{
    struct scene scene;
    scene_open(&scene, "home");
    struct error error;
    CU_ASSERT_PTR_NULL(world_channel_listen(scene.server, &scene.at, accepted, &scene.theirs, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_SYSTEM);
    struct address private = sim_fixture_address(scene.client, 4, 80);
    CU_ASSERT_PTR_NULL(world_channel_listen(scene.client, &private, accepted, &scene.theirs, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    world_channel_listener_close(scene.listener);
    scene.listener = world_channel_listen(scene.server, &scene.at, accepted, &scene.theirs, &error);
    CU_ASSERT_PTR_NOT_NULL(scene.listener);
    /* More than 16 MiB on their way: neither side can be helped. */
    sim_fixture_run(scene.sim, S);
    static char megabyte[1 << 20];
    for (int i = 0; i < 17; i++)
        world_channel_send(scene.ours.channel, megabyte, sizeof megabyte);
    sim_fixture_run(scene.sim, 60 * S);
    CU_ASSERT_STRING_EQUAL(scene.ours.reason, "too much on its way");
    CU_ASSERT_EQUAL(scene.theirs.count, 16);
    CU_ASSERT_STRING_EQUAL(scene.theirs.reason, "too much on its way");
    sim_world_destroy(scene.sim);
}

void sim_channel_test(void)
{
    SUITE("sim_channel", {"opens after three round trips", opens_after_three_round_trips},
          {"keeps order and takes its time", keeps_order_and_takes_its_time},
          {"closes behind the last message", closes_behind_the_last_message},
          {"closes inside a callback", closes_inside_a_callback},
          {"waits while a cable is pulled", waits_while_a_cable_is_pulled},
          {"ends when the server dies", ends_when_the_server_dies},
          {"refuses what can not be", refuses_what_can_not_be});
}

#else

static void has_no_world(void) { CU_ASSERT_PTR_NULL(sim_world_create(&(struct sim_world_config){0}, NULL)); }

void sim_channel_test(void) { SUITE("sim_channel", {"has no world", has_no_world}); }

#endif
