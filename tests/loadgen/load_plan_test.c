/* What the options of a load come to. */
#include <string.h>

#include "loadgen/adapter.h"
#include "loadgen/load_plan.h"
#include "tests/support/suite.h"

#define URL "confab+ws://127.0.0.1:1/ws"

static bool set(struct load_plan *plan, const char *name, const char *value)
{
    struct error error;
    return load_plan_option(plan, name, value, &error);
}

static bool finish(struct load_plan *plan, const char *url)
{
    struct error error;
    return load_plan_finish(plan, url, &error);
}

static void test_has_defaults(void)
{
    struct load_plan plan;
    load_plan_init(&plan);
    CU_ASSERT_TRUE_FATAL(finish(&plan, URL));
    CU_ASSERT_EQUAL(plan.clients, 2);
    CU_ASSERT_EQUAL(plan.scenario->rooms, 1);
    CU_ASSERT_EQUAL(plan.scenario->duration, 30 * NANOS_PER_S);
    CU_ASSERT_FALSE(plan.emulated);
    CU_ASSERT_STRING_EQUAL(plan.target.adapter->scheme, "confab");
    load_plan_clear(&plan);
}

static void test_completes_urls(void)
{
    static const char *const cases[][2] = {
        {"confab+ws://127.0.0.1:1", "/ws"},
        {"confab+ws://127.0.0.1:1/?token=t&x=1", "/ws?x=1"},
        {"confab+ws://127.0.0.1:1/elsewhere", "/elsewhere"},
        {"whip+http://127.0.0.1:1/", "/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct load_plan plan;
        load_plan_init(&plan);
        CU_ASSERT_TRUE_FATAL(finish(&plan, cases[i][0]));
        CU_ASSERT_STRING_EQUAL(plan.target.url.path, cases[i][1]);
        load_plan_clear(&plan);
    }
}

static void test_takes_options(void)
{
    struct load_plan plan;
    load_plan_init(&plan);
    CU_ASSERT_TRUE(set(&plan, "rooms", "4"));
    CU_ASSERT_TRUE(set(&plan, "clients", "10"));
    CU_ASSERT_TRUE(set(&plan, "publishers", "2"));
    CU_ASSERT_TRUE(set(&plan, "duration", "90s"));
    CU_ASSERT_TRUE(set(&plan, "seed", "7"));
    CU_ASSERT_TRUE(set(&plan, "layout", "3x3"));
    CU_ASSERT_TRUE(set(&plan, "audio-only", ""));
    CU_ASSERT_TRUE(set(&plan, "screens", "1"));
    CU_ASSERT_TRUE(set(&plan, "nat", "home:60,open:25,symmetric"));
    CU_ASSERT_TRUE(set(&plan, "access", "cable:3,dsl:1"));
    CU_ASSERT_TRUE(set(&plan, "turn", "turn:user:pass:word@192.0.2.1:3478?transport=tcp"));
    CU_ASSERT_TRUE(set(&plan, "turn", "turns:192.0.2.2:443?transport=tcp"));
    CU_ASSERT_TRUE(set(&plan, "turn-user", "u:p"));
    CU_ASSERT_TRUE(set(&plan, "threshold", "load.latency_ms.p95 < 200"));
    CU_ASSERT_TRUE(set(&plan, "token", "secret"));
    CU_ASSERT_TRUE(set(&plan, "shard", "2/3"));
    CU_ASSERT_TRUE_FATAL(finish(&plan, URL "?token=other"));
    CU_ASSERT_EQUAL(plan.scenario->rooms, 4);
    CU_ASSERT_EQUAL(plan.scenario->room_size, 3); /* so many that all fit */
    CU_ASSERT_EQUAL(plan.scenario->publishers, 2);
    CU_ASSERT_EQUAL(plan.scenario->seed, 7);
    CU_ASSERT_FALSE(plan.scenario->media.has_video);
    CU_ASSERT_TRUE(plan.scenario->media.has_screen);
    CU_ASSERT_EQUAL(plan.scenario->nat.count, 3);
    CU_ASSERT_EQUAL(plan.scenario->nat.entries[2].weight, 1);
    CU_ASSERT_EQUAL(plan.scenario->access.count, 2);
    CU_ASSERT_TRUE(plan.emulated);
    CU_ASSERT_STRING_EQUAL(plan.turn[0].url, "turn:192.0.2.1:3478?transport=tcp");
    CU_ASSERT_STRING_EQUAL(plan.turn[0].username, "user");
    CU_ASSERT_STRING_EQUAL(plan.turn[0].password, "pass:word");
    CU_ASSERT_STRING_EQUAL(plan.turn[1].username, "u");
    CU_ASSERT_STRING_EQUAL(plan.target.token, "secret");
    CU_ASSERT_STRING_EQUAL(plan.target.url.path, "/ws");
    CU_ASSERT_EQUAL(plan.scenario->threshold_count, 1);
    load_plan_clear(&plan);
}

static void test_refuses_what_makes_no_sense(void)
{
    static const char *const wrong[][2] = {
        {"clients", "0"},      {"clients", "-1"},     {"clients", "many"},    {"clients", "100001"},
        {"room", "a b"},       {"room", ""},          {"layout", "2x2"},      {"rate", "10"},
        {"rate", "0/s"},       {"ramp", "10"},        {"ramp", "0/1s"},       {"ramp", "5/0s"},
        {"churn", "fast"},     {"timeout", "0s"},     {"turn", "192.0.2.1"},  {"turn", "turn:user@192.0.2.1"},
        {"turn", "turn:h:1"},  {"turn-user", "user"}, {"bind", "here"},       {"bind", "127.0.0.1:80"},
        {"shard", "0/2"},      {"shard", "3/2"},      {"shard", "1"},         {"shard", "1/2x"},
        {"threshold", "fast"}, {"screens", "-1"},     {"no-such-option", ""},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct load_plan plan;
        struct error error = {0};
        load_plan_init(&plan);
        CU_ASSERT_FALSE(load_plan_option(&plan, wrong[i][0], wrong[i][1], &error));
        CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
        CU_ASSERT_PTR_NOT_NULL(strstr(error.text, wrong[i][0]));
        CU_ASSERT_PTR_NULL(strchr(error.text, '\n'));
    }
}

static void test_refuses_what_does_not_go_together(void)
{
    static const char *const wrong[][4] = {
        {"rooms", "5", "clients", "3"},    {"audio-only", "", "video-only", ""}, {"find-limit", "", "seed", "1"},
        {"nat", "nowhere:1", "seed", "1"}, {"publishers", "9", "clients", "3"},  {"duration", "0s", "seed", "1"},
        {"rooms", "x", "seed", "1"},       {"access", "cable:-1", "seed", "1"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct load_plan plan;
        load_plan_init(&plan);
        CU_ASSERT_TRUE(set(&plan, wrong[i][0], wrong[i][1]));
        CU_ASSERT_TRUE(set(&plan, wrong[i][2], wrong[i][3]));
        CU_ASSERT_FALSE(finish(&plan, URL));
        load_plan_clear(&plan);
    }
}

static void test_refuses_wrong_urls(void)
{
    static const char *const wrong[] = {"",
                                        "ws://127.0.0.1/",
                                        "nothing+ws://127.0.0.1/",
                                        "confab+http://127.0.0.1/",
                                        "whip+ws://127.0.0.1/",
                                        "confab+ws://",
                                        "confab+127.0.0.1",
                                        "exec:"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct load_plan plan;
        load_plan_init(&plan);
        CU_ASSERT_FALSE(finish(&plan, wrong[i]));
        load_plan_clear(&plan);
    }
}

static void test_plans_joins(void)
{
    struct load_plan plan;
    load_plan_init(&plan);
    set(&plan, "clients", "100");
    set(&plan, "rate", "50/s");
    CU_ASSERT_TRUE(finish(&plan, URL));
    CU_ASSERT_EQUAL(load_plan_joins_at(&plan, 0), 0);
    CU_ASSERT_EQUAL(load_plan_joins_at(&plan, 25), NANOS_PER_S / 2);
    CU_ASSERT_EQUAL(load_plan_ramp(&plan), 99 * NANOS_PER_S / 50);
    load_plan_clear(&plan);
    load_plan_init(&plan);
    set(&plan, "clients", "100");
    set(&plan, "ramp", "30/10s");
    CU_ASSERT_TRUE(finish(&plan, URL));
    CU_ASSERT_EQUAL(load_plan_joins_at(&plan, 29), 0);
    CU_ASSERT_EQUAL(load_plan_joins_at(&plan, 30), 10 * NANOS_PER_S);
    CU_ASSERT_EQUAL(load_plan_ramp(&plan), 30 * NANOS_PER_S);
    load_plan_clear(&plan);
    load_plan_init(&plan);
    set(&plan, "clients", "100");
    set(&plan, "ramp", "all");
    CU_ASSERT_TRUE(finish(&plan, URL));
    CU_ASSERT_EQUAL(load_plan_ramp(&plan), 0);
    load_plan_clear(&plan);
}

static void test_expands_urls(void)
{
    struct load_target target;
    struct web_url url;
    struct error error;
    const struct load_target_names names = {"my room", "r1c2", 2};
    CU_ASSERT_TRUE_FATAL(
        load_target_parse(&target, "whip+http://127.0.0.1/{room}/{name}?n={number}&token=x&k={else}", &error));
    CU_ASSERT_STRING_EQUAL(target.token, "x");
    CU_ASSERT_TRUE(load_target_expand(&target, &names, &url, &error));
    CU_ASSERT_STRING_EQUAL(url.path, "/my%20room/r1c2?n=2&k={else}");
    CU_ASSERT_TRUE_FATAL(load_target_parse(&target, "whip+http://127.0.0.1/x?token=y&a=b", &error));
    CU_ASSERT_STRING_EQUAL(target.token, "y");
    CU_ASSERT_STRING_EQUAL(target.url.path, "/x?a=b");
}

static void test_names_failures(void)
{
    CU_ASSERT_EQUAL(failure_of_status(401), FAILURE_UNAUTHORIZED);
    CU_ASSERT_EQUAL(failure_of_status(404), FAILURE_NOT_FOUND);
    CU_ASSERT_EQUAL(failure_of_status(500), FAILURE_SERVER);
    CU_ASSERT_EQUAL(failure_of_status(503), FAILURE_FULL);
    CU_ASSERT_EQUAL(failure_of_status(418), FAILURE_REJECTED);
    CU_ASSERT_EQUAL(failure_of_reason("Connection refused", FAILURE_CLOSED), FAILURE_REFUSED);
    CU_ASSERT_EQUAL(failure_of_reason("no answer within 10 s", FAILURE_CLOSED), FAILURE_TIMEOUT);
    CU_ASSERT_EQUAL(failure_of_reason("status 403", FAILURE_CLOSED), FAILURE_UNAUTHORIZED);
    CU_ASSERT_EQUAL(failure_of_reason("the server ends", FAILURE_CLOSED), FAILURE_CLOSED);
    for (int i = 0; i < FAILURES; i++)
        CU_ASSERT_PTR_NOT_NULL(failure_name((enum failure)i));
}

void load_plan_test(void);
void load_plan_test(void)
{
    SUITE("load_plan", {"has defaults", test_has_defaults}, {"takes options", test_takes_options},
          {"completes URLs", test_completes_urls}, {"refuses what makes no sense", test_refuses_what_makes_no_sense},
          {"refuses what does not go together", test_refuses_what_does_not_go_together},
          {"refuses wrong URLs", test_refuses_wrong_urls}, {"plans joins", test_plans_joins},
          {"expands URLs", test_expands_urls}, {"names failures", test_names_failures});
}
