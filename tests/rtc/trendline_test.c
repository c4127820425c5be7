#include "rtc/trendline.h"

#include "tests/support/suite.h"

/* Packets sent every 20 ms that arrive every `apart`. Returns how many groups it took to see `usage`, -1 if it never
 * was. */
static int groups_until(enum bandwidth_usage usage, nanos apart, int packets)
{
    struct inter_arrival arrival = {0};
    struct trendline trendline;
    trendline_reset(&trendline);
    int groups = 0;
    for (int i = 0; i < packets; i++) {
        struct arrival_delta delta;
        nanos sent = i * 20 * NANOS_PER_MS;
        nanos received = 1000 * NANOS_PER_S + i * apart;
        if (inter_arrival_add(&arrival, sent, received, sent + 100 * NANOS_PER_MS, &delta)) {
            CU_ASSERT_EQUAL(delta.sent, 20 * NANOS_PER_MS);
            CU_ASSERT_EQUAL(delta.received, apart);
            trendline_add(&trendline, &delta, received);
            groups++;
        }
        if (trendline.usage == usage)
            return groups;
    }
    return -1;
}

static void sees_slopes(void)
{
    CU_ASSERT_EQUAL(groups_until(BANDWIDTH_OVERUSED, 20 * NANOS_PER_MS, 1000), -1);
    CU_ASSERT_EQUAL(groups_until(BANDWIDTH_UNDERUSED, 20 * NANOS_PER_MS, 1000), -1);
    /* 10 % too fast: seen as soon as the window is full. */
    int over = groups_until(BANDWIDTH_OVERUSED, 22 * NANOS_PER_MS, 1000);
    CU_ASSERT_TRUE(over >= TRENDLINE_WINDOW && over <= TRENDLINE_WINDOW + 5);
    int under = groups_until(BANDWIDTH_UNDERUSED, 17 * NANOS_PER_MS, 1000);
    CU_ASSERT_TRUE(under >= TRENDLINE_WINDOW && under <= TRENDLINE_WINDOW + 5);
}

static void adapts_to_noise(void)
{
    /* A delay that swings up and down by 132 ms: the threshold rises with the slopes. */
    struct trendline trendline;
    trendline_reset(&trendline);
    double highest_ms = 0;
    for (int i = 0; i < 2000; i++) {
        nanos swing = (i / 44 % 2 == 0 ? 1 : -1) * 3 * NANOS_PER_MS;
        struct arrival_delta delta = {.sent = 20 * NANOS_PER_MS, .received = 20 * NANOS_PER_MS + swing};
        trendline_add(&trendline, &delta, i * 20 * NANOS_PER_MS);
        highest_ms = trendline.threshold_ms > highest_ms ? trendline.threshold_ms : highest_ms;
    }
    CU_ASSERT_TRUE(highest_ms > 30 && highest_ms < 40);
    /* And falls again, to its least. */
    for (int i = 2000; i < 3000; i++) {
        struct arrival_delta delta = {.sent = 20 * NANOS_PER_MS, .received = 20 * NANOS_PER_MS};
        trendline_add(&trendline, &delta, i * 20 * NANOS_PER_MS);
    }
    CU_ASSERT_DOUBLE_EQUAL(trendline.threshold_ms, 6.0, 0.01);
}

static void groups_packets(void)
{
    struct inter_arrival arrival = {0};
    struct arrival_delta delta;
    const struct {
        nanos sent_ms;
        nanos received_ms;
        bool completes;
        nanos sent_delta_ms;
        nanos received_delta_ms;
    } packets[] = {
        {0, 100, false, 0, 0},    {3, 103, false, 0, 0},  {5, 105, false, 0, 0}, /* one group: within 5 ms */
        {20, 120, false, 0, 0},   {24, 126, false, 0, 0},                        /* the second */
        {40, 150, true, 19, 21},                                                 /* completes the second */
        {60, 151, false, 0, 0},  /* bunched: same group as the one before */
        {80, 190, true, 36, 25}, /* sent 60 - 24, received 151 - 126 */
        {70, 191, false, 0, 0},  /* reordered: ignored */
        {100, 210, true, 20, 39},
    };
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++) {
        bool completed =
            inter_arrival_add(&arrival, packets[i].sent_ms * NANOS_PER_MS, packets[i].received_ms * NANOS_PER_MS,
                              packets[i].received_ms * NANOS_PER_MS, &delta);
        CU_ASSERT_EQUAL(completed, packets[i].completes);
        if (completed) {
            CU_ASSERT_EQUAL(delta.sent, packets[i].sent_delta_ms * NANOS_PER_MS);
            CU_ASSERT_EQUAL(delta.received, packets[i].received_delta_ms * NANOS_PER_MS);
        }
    }
}

static void survives_clock_jumps(void)
{
    struct inter_arrival arrival = {0};
    struct arrival_delta delta;
    nanos offset = 0;
    int completed = 0;
    for (int i = 0; i < 100; i++) {
        if (i == 50)
            offset = 10 * NANOS_PER_S;
        nanos sent = i * 20 * NANOS_PER_MS;
        if (inter_arrival_add(&arrival, sent, sent + offset, sent, &delta)) {
            CU_ASSERT_EQUAL(delta.received, 20 * NANOS_PER_MS);
            completed++;
        }
    }
    CU_ASSERT_TRUE(completed > 90);
}

void trendline_test(void)
{
    SUITE("trendline", {"sees slopes", sees_slopes}, {"adapts to noise", adapts_to_noise},
          {"groups packets", groups_packets}, {"survives clock jumps", survives_clock_jumps});
}
