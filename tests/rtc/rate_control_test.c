#include "rtc/rate_control.h"

#include "rtc/acknowledged_bitrate.h"
#include "rtc/alr_detector.h"
#include "tests/support/suite.h"

#define STEP (50 * NANOS_PER_MS)

/* Holds the usage for some time, with so much arriving (0: all that is sent). */
static nanos hold(struct rate_control *control, enum bandwidth_usage usage, int64_t acknowledged, nanos from,
                  nanos duration)
{
    for (nanos now = from + STEP; now <= from + duration; now += STEP)
        rate_control_update(control, usage, acknowledged > 0 ? acknowledged : control->bps, now);
    return from + duration;
}

static void rises_by_eight_percent(void)
{
    struct rate_control control;
    rate_control_reset(&control, 1000000, 5000, 0);
    hold(&control, BANDWIDTH_NORMAL, 0, 0, 5 * NANOS_PER_S);
    CU_ASSERT_DOUBLE_EQUAL((double)control.bps, 1469000, 15000); /* 1.08^5, less the first step's hold */
}

static void rises_by_a_packet_near_capacity(void)
{
    struct rate_control control;
    rate_control_reset(&control, 600000, 5000, 0);
    rate_control_update(&control, BANDWIDTH_OVERUSED, 600000, STEP);
    CU_ASSERT_EQUAL(control.bps, 510000);
    rate_control_update(&control, BANDWIDTH_UNDERUSED, 600000, 2 * STEP);
    CU_ASSERT_EQUAL(control.bps, 510000);
    control.rtt = 100 * NANOS_PER_MS;
    nanos now = hold(&control, BANDWIDTH_NORMAL, 0, NANOS_PER_S, NANOS_PER_S);
    /* Frames of 17,000 to 18,500 bits in two packets; five of these a second, in response times of 200 ms. The first
     * step only ends the hold. */
    CU_ASSERT_DOUBLE_EQUAL((double)control.bps, 510000 + 0.95 * 5 * 8850, 1000);
    /* Far above what was thought to be the capacity: on by 8 % a second. */
    int64_t before = control.bps;
    hold(&control, BANDWIDTH_NORMAL, 1500000, now, NANOS_PER_S);
    CU_ASSERT_DOUBLE_EQUAL((double)control.bps, 1.08 * (double)before, 10000);
}

static void is_bound_by_what_arrives(void)
{
    struct rate_control control;
    rate_control_reset(&control, 300000, 5000, 0);
    hold(&control, BANDWIDTH_NORMAL, 200000, 0, 60 * NANOS_PER_S);
    CU_ASSERT_EQUAL(control.bps, 310000);
    hold(&control, BANDWIDTH_NORMAL, 100000, 60 * NANOS_PER_S, 60 * NANOS_PER_S);
    CU_ASSERT_EQUAL(control.bps, 310000); /* it doesn't fall for that */
    rate_control_update(&control, BANDWIDTH_OVERUSED, 1000, 121 * NANOS_PER_S);
    CU_ASSERT_EQUAL(control.bps, 5000);
}

static void decreases_once_a_round_trip(void)
{
    struct rate_control control;
    rate_control_reset(&control, 300000, 5000, 0);
    control.rtt = 100 * NANOS_PER_MS;
    CU_ASSERT_FALSE(rate_control_may_decrease(&control, 300000, 99 * NANOS_PER_MS));
    CU_ASSERT_TRUE(rate_control_may_decrease(&control, 300000, 100 * NANOS_PER_MS));
    CU_ASSERT_TRUE(rate_control_may_decrease(&control, 149999, 1));
    control.rtt = 5 * NANOS_PER_S;
    CU_ASSERT_TRUE(rate_control_may_decrease(&control, 300000, 200 * NANOS_PER_MS));
}

static void measures_what_arrives(void)
{
    struct acknowledged_bitrate rate;
    acknowledged_bitrate_reset(&rate);
    nanos now = 0;
    for (; now < 499 * NANOS_PER_MS; now += 10 * NANOS_PER_MS) {
        acknowledged_bitrate_add(&rate, now, now, 1250);
        CU_ASSERT_EQUAL(acknowledged_bitrate_bps(&rate), 0);
    }
    for (; now < 2 * NANOS_PER_S; now += 10 * NANOS_PER_MS)
        acknowledged_bitrate_add(&rate, now, now, now / NANOS_PER_MS % 40 == 0 ? 1400 : 1200);
    CU_ASSERT_DOUBLE_EQUAL((double)acknowledged_bitrate_bps(&rate), 1e6, 2e4);
    acknowledged_bitrate_add(&rate, now, now, 2500); /* ends a window of old packets */
    now += 10 * NANOS_PER_MS;
    /* A change is believed slowly, unless one is expected. */
    struct acknowledged_bitrate expecting = rate;
    acknowledged_bitrate_expect_change(&expecting, now);
    for (nanos end = now + 160 * NANOS_PER_MS; now < end; now += 10 * NANOS_PER_MS) {
        acknowledged_bitrate_add(&rate, now, now, 2500);
        acknowledged_bitrate_add(&expecting, now + 1, now, 2500);
    }
    CU_ASSERT_TRUE(acknowledged_bitrate_bps(&expecting) > acknowledged_bitrate_bps(&rate));
    for (nanos end = now + 5 * NANOS_PER_S; now < end; now += 10 * NANOS_PER_MS)
        acknowledged_bitrate_add(&rate, now, now, 2500);
    CU_ASSERT_DOUBLE_EQUAL((double)acknowledged_bitrate_bps(&rate), 2e6, 2e4);
    /* The receiver's clock was set back. */
    nanos back = 1000 * NANOS_PER_S;
    for (nanos end = now + 5 * NANOS_PER_S; now < end; now += 10 * NANOS_PER_MS)
        acknowledged_bitrate_add(&rate, now, now - back, 1250);
    CU_ASSERT_DOUBLE_EQUAL((double)acknowledged_bitrate_bps(&rate), 1e6, 1e4);
}

static bool limited_at(struct alr_detector *detector, int percent, nanos *now, nanos duration)
{
    for (nanos end = *now + duration; *now < end;) {
        *now += 10 * NANOS_PER_MS;
        alr_detector_sent(detector, (size_t)(300000 / 8 / 100 * percent / 100), *now);
    }
    return detector->limited;
}

/* As libwebrtc's AlrDetector tests. */
static void detects_application_limits(void)
{
    struct alr_detector detector = {0};
    nanos now = 0;
    alr_detector_set_target(&detector, 300000);
    CU_ASSERT_FALSE(limited_at(&detector, 90, &now, 1 * NANOS_PER_S));
    CU_ASSERT_TRUE(limited_at(&detector, 20, &now, 1500 * NANOS_PER_MS));
    nanos since = detector.since;
    CU_ASSERT_TRUE(limited_at(&detector, 100, &now, 50 * NANOS_PER_MS)); /* a spike */
    CU_ASSERT_EQUAL(detector.since, since);
    CU_ASSERT_FALSE(limited_at(&detector, 100, &now, 500 * NANOS_PER_MS));
}

void rate_control_test(void)
{
    SUITE("rate_control", {"rises by 8 % a second", rises_by_eight_percent},
          {"rises by a packet near capacity", rises_by_a_packet_near_capacity},
          {"is bound by what arrives", is_bound_by_what_arrives},
          {"decreases once a round trip", decreases_once_a_round_trip},
          {"measures what arrives", measures_what_arrives}, {"detects application limits", detects_application_limits});
}
