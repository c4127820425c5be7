#include "rtc/probe_controller.h"

#include "tests/support/suite.h"

#define START 300000

static struct probe_controller started(void)
{
    struct probe_controller controller = {0};
    struct probe_cluster cluster;
    probe_controller_reset(&controller, START, 0, 0);
    probe_controller_process(&controller, 0);
    while (probe_controller_take(&controller, &cluster))
        ;
    return controller;
}

static int64_t taken(struct probe_controller *controller)
{
    struct probe_cluster cluster;
    return probe_controller_take(controller, &cluster) ? cluster.bps : 0;
}

static void probes_further(void)
{
    struct probe_controller controller = started();
    /* 6 * 300 kbps were tried: below 70 % of that it stops, above it goes on with twice what was found. */
    probe_controller_set_estimate(&controller, 1200000, PROBE_LIMIT_NONE, 100 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(taken(&controller), 0);
    probe_controller_set_estimate(&controller, 1800000, PROBE_LIMIT_NONE, 200 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(taken(&controller), 3600000);
    probe_controller_set_estimate(&controller, 3000000, PROBE_LIMIT_NONE, 300 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(taken(&controller), 5000000); /* the most when no maximum is known */
    probe_controller_set_estimate(&controller, 4900000, PROBE_LIMIT_NONE, 400 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(taken(&controller), 0);
}

static void stops_waiting(void)
{
    struct probe_controller controller = started();
    nanos deadline = probe_controller_deadline(&controller);
    CU_ASSERT_TRUE(deadline > NANOS_PER_S && deadline < 1100 * NANOS_PER_MS);
    probe_controller_process(&controller, deadline);
    CU_ASSERT_EQUAL(probe_controller_deadline(&controller), NANOS_NEVER);
    probe_controller_set_estimate(&controller, 1800000, PROBE_LIMIT_NONE, deadline);
    CU_ASSERT_EQUAL(taken(&controller), 0);
}

static void probes_periodically(void)
{
    struct probe_controller controller = started();
    controller.periodic = true;
    probe_controller_process(&controller, 2 * NANOS_PER_S);
    CU_ASSERT_EQUAL(probe_controller_deadline(&controller), NANOS_NEVER);
    probe_controller_set_application_limited(&controller, true, 3 * NANOS_PER_S);
    CU_ASSERT_EQUAL(probe_controller_deadline(&controller), 8 * NANOS_PER_S);
    probe_controller_process(&controller, 8 * NANOS_PER_S);
    CU_ASSERT_EQUAL(taken(&controller), 2 * START);
    probe_controller_process(&controller, 10 * NANOS_PER_S);
    /* While the path is congested the interval passes without. */
    probe_controller_set_estimate(&controller, START, PROBE_LIMIT_CONGESTED, 12 * NANOS_PER_S);
    probe_controller_process(&controller, 13 * NANOS_PER_S);
    CU_ASSERT_EQUAL(taken(&controller), 0);
    CU_ASSERT_EQUAL(probe_controller_deadline(&controller), 18 * NANOS_PER_S);
    probe_controller_set_estimate(&controller, START, PROBE_LIMIT_LOSS_RECOVERING, 14 * NANOS_PER_S);
    probe_controller_process(&controller, 18 * NANOS_PER_S);
    CU_ASSERT_EQUAL(taken(&controller), START * 3 / 2);
}

static void probes_after_a_drop(void)
{
    for (int limited = 0; limited < 2; limited++) {
        struct probe_controller controller = started();
        probe_controller_process(&controller, 6 * NANOS_PER_S);
        probe_controller_set_application_limited(&controller, limited == 1, 6 * NANOS_PER_S);
        probe_controller_set_estimate(&controller, 1000000, PROBE_LIMIT_NONE, 7 * NANOS_PER_S);
        probe_controller_set_estimate(&controller, 500000, PROBE_LIMIT_NONE, 8 * NANOS_PER_S);
        probe_controller_recovered(&controller, 9 * NANOS_PER_S);
        CU_ASSERT_EQUAL(taken(&controller), limited ? 850000 : 0);
        probe_controller_recovered(&controller, 10 * NANOS_PER_S);
        CU_ASSERT_EQUAL(taken(&controller), 0);
    }
}

static void probes_while_there_is_too_little_for_a_step(void)
{
    struct probe_controller controller = started();
    nanos step = 5 * NANOS_PER_S;
    controller.layered = true;
    probe_controller_process(&controller, 2 * NANOS_PER_S); /* the first probes found nothing */
    probe_controller_set_allocated(&controller, 4 * START, 3 * NANOS_PER_S);
    probe_controller_set_estimate(&controller, START / 3, PROBE_LIMIT_NONE, 4 * NANOS_PER_S); /* a drop */
    CU_ASSERT_EQUAL(probe_controller_deadline(&controller), 4 * NANOS_PER_S + step);
    probe_controller_process(&controller, 4 * NANOS_PER_S + step);
    CU_ASSERT_EQUAL(taken(&controller), 2 * (START / 3));
    probe_controller_set_estimate(&controller, 2 * (START / 3), PROBE_LIMIT_NONE, 10 * NANOS_PER_S);
    CU_ASSERT_EQUAL(taken(&controller), 4 * (START / 3)); /* there was more: on at once */
    probe_controller_process(&controller, 12 * NANOS_PER_S);
    CU_ASSERT_EQUAL(probe_controller_deadline(&controller), 10 * NANOS_PER_S + 2 * step); /* less often each time */
    probe_controller_set_estimate(&controller, 4 * START, PROBE_LIMIT_NONE, 12 * NANOS_PER_S);
    CU_ASSERT_EQUAL(probe_controller_deadline(&controller), NANOS_NEVER); /* enough for all */
}

static void probes_for_allocation(void)
{
    struct probe_controller controller = started();
    probe_controller_process(&controller, 2 * NANOS_PER_S);
    probe_controller_set_application_limited(&controller, true, 2 * NANOS_PER_S);
    probe_controller_set_allocated(&controller, 1700000, 3 * NANOS_PER_S);
    CU_ASSERT_EQUAL(taken(&controller), 1700000);
    CU_ASSERT_EQUAL(taken(&controller), 3400000);
    probe_controller_set_allocated(&controller, 1700000, 4 * NANOS_PER_S);
    CU_ASSERT_EQUAL(taken(&controller), 0);
}

void probe_controller_test(void)
{
    SUITE("probe_controller", {"probes further", probes_further}, {"stops waiting", stops_waiting},
          {"probes periodically", probes_periodically}, {"probes after a drop", probes_after_a_drop},
          {"probes while there is too little for a step", probes_while_there_is_too_little_for_a_step},
          {"probes for allocation", probes_for_allocation});
}
