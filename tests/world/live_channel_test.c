/* Signalling of emulated clients takes their access links' time. */
#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"
#include "world/live_world.h"

#define MS NANOS_PER_MS
#define S NANOS_PER_S

enum { DELAY_MS = 40, SERVER_DELAY_MS = 10, CORE_MS = 5, WAY_MS = DELAY_MS + SERVER_DELAY_MS + CORE_MS };

struct side {
    struct live_world *live;
    struct world_channel *channel;
    bool echo;
    char texts[16];
    nanos opened_at, first_at, last_at, closed_at;
    char reason[64];
};

static void on_opened(void *user, struct world_channel *channel, nanos now)
{
    (void)channel;
    struct side *side = user;
    side->opened_at = now;
    live_world_stop(side->live);
}

static void on_received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct side *side = user;
    size_t had = strlen(side->texts);
    snprintf(side->texts + had, sizeof side->texts - had, "%.*s", (int)len, text);
    side->first_at = side->first_at == 0 ? now : side->first_at;
    side->last_at = now;
    if (side->echo)
        world_channel_send(channel, text, len);
    else if (memchr(text, '!', len) != NULL)
        live_world_stop(side->live);
}

static void on_closed(void *user, struct world_channel *channel, const char *reason, nanos now)
{
    struct side *side = user;
    (void)channel;
    side->closed_at = now;
    snprintf(side->reason, sizeof side->reason, "%s", reason);
    live_world_stop(side->live);
}

static const struct world_channel_callbacks callbacks = {on_opened, on_received, on_closed};

static void on_accepted(void *user, struct world_channel *channel, nanos now)
{
    struct side *side = user;
    (void)now;
    side->channel = channel;
    world_channel_adopt(channel, &callbacks, side);
}

/* A client behind DELAY_MS, its server behind SERVER_DELAY_MS, CORE_MS between them. */
struct scene {
    struct live_world *live;
    struct world_host *inside;
    struct side client, server;
};

static void set_up(struct scene *scene)
{
    struct error error = {0};
    const struct link_config far = {.delay = SERVER_DELAY_MS * MS};
    const struct link_config near = {.delay = DELAY_MS * MS, .rate_bps = 1000000, .queue_bytes = 60000};
    *scene = (struct scene){
        .live = live_world_create(
            &(struct live_world_config){.seed = 7, .core_delay = CORE_MS * MS, .loopback_only = true}, &error)};
    CU_ASSERT_PTR_NOT_NULL_FATAL(scene->live);
    struct internet *internet = live_world_internet(scene->live);
    struct world_host *server = internet_add_server(
        internet, &(struct internet_server_config){.name = "server", .up = far, .down = far}, &error);
    scene->inside = internet_add_client(
        internet, &(struct internet_client_config){.name = "client", .up = near, .down = near}, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(server);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scene->inside);
    scene->client.live = scene->server.live = scene->live;
    scene->server.echo = true;
    struct address at;
    world_host_addresses(server, &at, 1);
    at.port = 8080;
    CU_ASSERT_PTR_NOT_NULL_FATAL(world_channel_listen(server, &at, on_accepted, &scene->server, &error));
    scene->client.channel = world_channel_connect(scene->inside, &at, &callbacks, &scene->client, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(scene->client.channel);
}

/* Until something that stops the world comes, or for long. */
static void wait_for(struct scene *scene)
{
    nanos until = world_now(live_world_of(scene->live)) + 30 * S;
    CU_ASSERT_TRUE(live_world_run_until(scene->live, until, 0, NULL, NULL, NULL));
}

static void both_ways_take_their_time(void)
{
    struct scene scene;
    set_up(&scene);
    wait_for(&scene);
    CU_ASSERT_TRUE(scene.client.opened_at >= 3 * 2 * WAY_MS * MS); /* TCP, TLS and the upgrade */
    CU_ASSERT_TRUE(scene.client.opened_at < 10 * S);
    nanos sent_at = world_now(live_world_of(scene.live));
    char longest[10000];
    memset(longest, 'c', sizeof longest);
    world_channel_send(scene.client.channel, "a", 1);
    world_channel_send(scene.client.channel, "b", 1);
    world_channel_send(scene.client.channel, longest, sizeof longest);
    world_channel_send(scene.client.channel, "!", 1);
    wait_for(&scene);
    CU_ASSERT_TRUE(scene.server.first_at >= sent_at + WAY_MS * MS);
    CU_ASSERT_TRUE(scene.client.first_at >= sent_at + 2 * WAY_MS * MS);
    CU_ASSERT_TRUE(scene.client.last_at >= sent_at + 2 * (WAY_MS + 80) * MS); /* 10 kB at 1 Mbit/s, twice */
    CU_ASSERT_NSTRING_EQUAL(scene.client.texts, "abcccc", 6);
    live_world_destroy(scene.live);
}

static void what_was_sent_comes_before_the_end(void)
{
    struct scene scene;
    set_up(&scene);
    wait_for(&scene);
    world_channel_send(scene.server.channel, "late", 4);
    world_channel_close(scene.server.channel);
    wait_for(&scene);
    CU_ASSERT_STRING_EQUAL(scene.client.texts, "late");
    CU_ASSERT_TRUE(scene.client.closed_at >= scene.client.last_at && scene.client.last_at > 0);
    CU_ASSERT_TRUE(scene.client.reason[0] != '\0');
    world_channel_close(scene.client.channel);
    live_world_destroy(scene.live);
}

/* What is said on the way out is still heard, but not from a host that was killed. */
static void leavers_are_heard(void)
{
    for (int killed = 0; killed < 2; killed++) {
        struct scene scene;
        set_up(&scene);
        wait_for(&scene);
        scene.server.echo = false;
        world_channel_send(scene.client.channel, "bye!", 4);
        if (killed)
            internet_kill(live_world_internet(scene.live), scene.inside);
        else
            world_channel_close(scene.client.channel);
        wait_for(&scene);
        CU_ASSERT_STRING_EQUAL(scene.server.texts, killed ? "" : "bye!");
        live_world_destroy(scene.live);
    }
}

/* While the cable is out nothing comes through; afterwards everything does. */
static void a_cut_link_holds_it_back(void)
{
    struct scene scene;
    set_up(&scene);
    wait_for(&scene);
    internet_cut(live_world_internet(scene.live), scene.inside);
    world_channel_send(scene.client.channel, "held!", 5);
    nanos restored_at = world_now(live_world_of(scene.live)) + 3 * WAY_MS * MS;
    live_world_run_until(scene.live, restored_at, 0, NULL, NULL, NULL);
    CU_ASSERT_STRING_EQUAL(scene.server.texts, "");
    internet_restore(live_world_internet(scene.live), scene.inside);
    wait_for(&scene);
    CU_ASSERT_STRING_EQUAL(scene.server.texts, "held!");
    CU_ASSERT_STRING_EQUAL(scene.client.texts, "held!");
    CU_ASSERT_TRUE(scene.server.first_at >= restored_at);
    live_world_destroy(scene.live);
}

void live_channel_test(void);
void live_channel_test(void)
{
    SUITE("live_channel", {"both ways take their time", both_ways_take_their_time},
          {"what was sent comes before the end", what_was_sent_comes_before_the_end},
          {"leavers are heard", leavers_are_heard}, {"a cut link holds it back", a_cut_link_holds_it_back});
}
