#include "rtc/probe_estimator.h"

#include "tests/support/suite.h"

/* Packets of 1,000 bytes in a cluster of four packets and 4,000 bytes at least; returns the last estimate. */
static int64_t estimate(const int *sent_ms, const int *received_ms, int count)
{
    struct probe_estimator estimator = {0};
    probe_estimator_expect(&estimator, &(struct probe_cluster){.id = 3, .min_bytes = 4000, .min_packets = 4});
    int64_t last = 0;
    for (int i = 0; i < count; i++)
        probe_estimator_sent(&estimator, 3, (uint64_t)(100 + i));
    for (int i = 0; i < count; i++) {
        int64_t bps = probe_estimator_received(
            &estimator, &(struct twcc_result){.sequence = (uint64_t)(100 + i),
                                              .sent = sent_ms[i] * NANOS_PER_MS,
                                              .received = received_ms[i] * NANOS_PER_MS + 5 * NANOS_PER_S,
                                              .size = 1000});
        last = bps > 0 ? bps : last;
    }
    return last;
}

/* The cases of libwebrtc's ProbeBitrateEstimator tests. */
static void estimates(void)
{
    /* At 800 kbps, and arrived so. */
    CU_ASSERT_EQUAL(estimate((int[]){0, 10, 20, 30}, (int[]){10, 20, 30, 40}, 4), 800000);
    /* Too few packets. */
    CU_ASSERT_EQUAL(estimate((int[]){0, 10}, (int[]){20, 30}, 2), 0);
    /* Arrived faster: what was sent counts. */
    CU_ASSERT_EQUAL(estimate((int[]){0, 10, 20, 30}, (int[]){15, 20, 30, 35}, 4), 800000);
    /* Arrived more than twice as fast: bunched. */
    CU_ASSERT_EQUAL(estimate((int[]){0, 10, 20, 30}, (int[]){19, 22, 25, 28}, 4), 0);
    /* Arrived slower, at 320 kbps: the link's capacity, and 95 % of it. */
    CU_ASSERT_EQUAL(estimate((int[]){0, 10, 20, 30}, (int[]){10, 40, 70, 85}, 4), 304000);
    /* In one burst each way: nothing to measure. */
    CU_ASSERT_EQUAL(estimate((int[]){0, 0, 0, 0}, (int[]){10, 20, 30, 40}, 4), 0);
    CU_ASSERT_EQUAL(estimate((int[]){0, 10, 20, 30}, (int[]){50, 50, 50, 50}, 4), 0);
}

static void tells_clusters_apart(void)
{
    struct probe_estimator estimator = {0};
    for (uint32_t id = 1; id <= 20; id++) {
        probe_estimator_expect(&estimator, &(struct probe_cluster){.id = id, .min_bytes = 4000, .min_packets = 4});
        for (uint64_t i = 0; i < 4; i++)
            probe_estimator_sent(&estimator, id, id * 10 + i);
        probe_estimator_sent(&estimator, 0, id * 10 + 5);
    }
    for (uint32_t id = 1; id <= 20; id++) {
        int64_t bps = 0;
        for (int i = 0; i < 6; i++) {
            struct twcc_result result = {.sequence = id * 10 + (uint64_t)i,
                                         .sent = (id * 100 + 5 * i) * NANOS_PER_MS,
                                         .received = (id * 100 + 5 * i) * NANOS_PER_MS,
                                         .size = 1000};
            int64_t got = probe_estimator_received(&estimator, &result);
            CU_ASSERT_TRUE(i < 4 || got == 0);
            bps = got > 0 ? got : bps;
        }
        /* The oldest were forgotten. */
        CU_ASSERT_EQUAL(bps, id > 20 - PROBE_CLUSTERS ? 1600000 : 0);
    }
}

void probe_estimator_test(void)
{
    SUITE("probe_estimator", {"estimates", estimates}, {"tells clusters apart", tells_clusters_apart});
}
