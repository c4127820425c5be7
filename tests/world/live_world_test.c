#include "world/live_world.h"

#include <stdio.h>

#include "tests/support/suite.h"

#define MS NANOS_PER_MS

static struct live_world *open_world(void)
{
    struct error error = {0};
    struct live_world *live = live_world_create(&(struct live_world_config){.seed = 1, .loopback_only = true}, &error);
    if (live == NULL) {
        fprintf(stderr, "live world: %s\n", error.text);
        abort();
    }
    return live;
}

static struct world_host *open_host(struct live_world *live, const char *addresses)
{
    struct address list[4];
    size_t count = 0;
    char text[64];
    for (int at = 0, len = 0; count < 4 && sscanf(addresses + at, "%63s%n", text, &len) == 1; at += len) {
        if (!address_parse(&list[count++], text))
            abort();
    }
    struct world_host *host = live_world_add_host(
        live, &(struct live_host_config){.name = "host", .addresses = list, .address_count = count}, NULL);
    if (host == NULL)
        abort();
    return host;
}

static void run(struct live_world *live, nanos until)
{
    CU_ASSERT_TRUE(live_world_run_until(live, until, 0, NULL, NULL, NULL));
}

/* --- time and timers ------------------------------------------------------------------------------------------------ */

struct alarms {
    struct world *world;
    struct alarm {
        struct alarms *all;
        struct world_timer *timer;
        nanos at;
        nanos fired_at;
        int number;
    } each[1000];
    int order[1000];
    int count;
    bool early;
};

static void rang(void *user, nanos now)
{
    struct alarm *alarm = user;
    alarm->all->early = alarm->all->early || now < alarm->at || world_now(alarm->all->world) < now;
    alarm->fired_at = now;
    alarm->all->order[alarm->all->count++] = alarm->number;
}

static void timers_fire_in_order_and_not_early(void)
{
    struct live_world *live = open_world();
    struct world_host *host = open_host(live, "127.0.0.1");
    struct alarms *alarms = calloc(1, sizeof *alarms);
    alarms->world = live_world_of(live);
    nanos start = world_now(alarms->world) + 5 * MS;
    for (int i = 0; i < 1000; i++) {
        struct alarm *alarm = &alarms->each[i];
        *alarm = (struct alarm){.all = alarms, .number = i, .at = start + (i * 7919 % 1000) * 20000};
        alarm->timer = world_timer_open(host, rang, alarm);
        world_timer_set(alarm->timer, alarm->at + 3600 * NANOS_PER_S);
        world_timer_set(alarm->timer, alarm->at);
    }
    world_timer_set(alarms->each[5].timer, NANOS_NEVER);
    run(live, start + 21 * MS);
    CU_ASSERT_EQUAL(alarms->count, 999);
    CU_ASSERT_FALSE(alarms->early);
    for (int i = 1; i < alarms->count; i++)
        CU_ASSERT_TRUE(alarms->each[alarms->order[i - 1]].at < alarms->each[alarms->order[i]].at);
    live_world_destroy(live);
    free(alarms);
}

struct closing {
    struct world_timer *timer;
    struct live_world *live;
    int fired;
};

static void close_in_callback(void *user, nanos now)
{
    struct closing *closing = user;
    (void)now;
    closing->fired++;
    world_timer_close(closing->timer);
    live_world_stop(closing->live);
}

static void a_timer_may_be_closed_in_its_callback(void)
{
    struct live_world *live = open_world();
    struct closing closing = {.live = live};
    closing.timer = world_timer_open(open_host(live, "127.0.0.1"), close_in_callback, &closing);
    world_timer_set(closing.timer, -5); /* long past: at once */
    run(live, NANOS_NEVER);
    CU_ASSERT_EQUAL(closing.fired, 1);
    live_world_destroy(live);
}

static bool count_three(void *user, nanos now)
{
    (void)now;
    return ++*(int *)user < 3;
}

static void progress_ends_a_run(void)
{
    struct live_world *live = open_world();
    int calls = 0;
    CU_ASSERT_TRUE(live_world_run_until(live, NANOS_NEVER, MS, count_three, &calls, NULL));
    CU_ASSERT_EQUAL(calls, 3);
    CU_ASSERT_TRUE(world_now(live_world_of(live)) >= 3 * MS);
    CU_ASSERT_TRUE(live_world_unix_origin_s(live) > 1700000000);
    CU_ASSERT_EQUAL((int64_t)(live_world_ntp_origin(live) >> 32) - 2208988800, live_world_unix_origin_s(live));
    live_world_destroy(live);
}

static void a_limit_on_descriptors_is_told(void)
{
    struct live_world *live = open_world();
    struct error error = {0};
    CU_ASSERT_TRUE(live_world_check_sockets(live, 1, &error));
    CU_ASSERT_FALSE(live_world_check_sockets(live, (size_t)1 << 40, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "open files"));
    live_world_destroy(live);
}

void live_world_test(void)
{
    SUITE("live_world", {"timers fire in order and not early", timers_fire_in_order_and_not_early},
          {"a timer may be closed in its callback", a_timer_may_be_closed_in_its_callback},
          {"progress ends a run", progress_ends_a_run},
          {"a limit on descriptors is told", a_limit_on_descriptors_is_told});
}
