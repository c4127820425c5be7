#include "rtc/loss_control.h"

#include "base/rng.h"
#include "rtc/full_queue.h"
#include "tests/support/suite.h"

#define INTERVAL (250 * NANOS_PER_MS)

/* A sender that follows the outcome, over a link that carries `capacity_kbps` and loses the excess, and `loss` of
 * everything. */
struct channel {
    struct loss_control control;
    struct rng rng;
    nanos now;
    int64_t delay_based_bps;
};

static struct channel channel_of(int64_t start_bps, int64_t delay_based_bps)
{
    struct channel channel = {.rng = rng_of(1, "loss", 0), .delay_based_bps = delay_based_bps};
    loss_control_reset(&channel.control, start_bps, 5000, INT64_MAX);
    return channel;
}

static void run(struct channel *channel, double capacity_kbps, double loss, int intervals)
{
    for (int i = 0; i < intervals; i++) {
        int64_t bps = channel->control.bps < channel->delay_based_bps ? channel->control.bps : channel->delay_based_bps;
        uint32_t packets = (uint32_t)((double)bps * nanos_to_s(INTERVAL) / 8 / 1000) + 1;
        struct loss_report report = {.packets = packets,
                                     .bytes = packets * (size_t)1000,
                                     .first_sent = channel->now + 1,
                                     .last_sent = channel->now + INTERVAL};
        double excess = (double)bps / 1000 > capacity_kbps ? 1 - capacity_kbps / ((double)bps / 1000) : 0;
        for (uint32_t p = 0; p < packets; p++)
            report.lost += rng_unit(&channel->rng) < excess + (1 - excess) * loss;
        channel->now += INTERVAL;
        int64_t acknowledged = (int64_t)((double)(packets - report.lost) * 8000 / nanos_to_s(INTERVAL));
        loss_control_update(&channel->control, &report, acknowledged, channel->delay_based_bps, false);
    }
}

static void leaves_a_clean_link_alone(void)
{
    struct channel channel = channel_of(500000, 2000000);
    run(&channel, 1e9, 0, 40);
    CU_ASSERT_EQUAL(channel.control.state, LOSS_UNLIMITED);
    CU_ASSERT_EQUAL(channel.control.bps, 2000000);
}

/* A sender in bursts, through wireless loss: what it sent beyond the estimate and didn't lose speaks for more. */
static void bursts_speak_for_more(void)
{
    struct channel channel = channel_of(2000000, 3000000);
    channel.control.state = LOSS_INCREASING;
    for (uint32_t i = 0; i < 80; i++) {
        uint32_t packets = i % 4 == 0 ? 140 : 50; /* of 1,000 bytes: 4.5 and 1.6 Mbit/s */
        struct loss_report report = {.packets = packets,
                                     .lost = i % 3 == 0, /* 0.5 % */
                                     .bytes = packets * (size_t)1000,
                                     .first_sent = channel.now + 1,
                                     .last_sent = channel.now + INTERVAL};
        channel.now += INTERVAL;
        loss_control_update(&channel.control, &report, 1600000, channel.delay_based_bps, false);
    }
    CU_ASSERT_EQUAL(channel.control.state, LOSS_UNLIMITED);
    CU_ASSERT_EQUAL(channel.control.bps, 3000000);
}

static void finds_the_capacity(void)
{
    struct channel channel = channel_of(2000000, 2000000);
    run(&channel, 600, 0, 40);
    CU_ASSERT_NOT_EQUAL(channel.control.state, LOSS_UNLIMITED);
    CU_ASSERT_TRUE(channel.control.bps > 500000);
    CU_ASSERT_TRUE(channel.control.bps < 750000);
    /* And rises when it does. */
    run(&channel, 1e9, 0, 120);
    CU_ASSERT_EQUAL(channel.control.bps, 2000000);
}

static void bears_random_loss(void)
{
    const double losses[] = {0.02, 0.05, 0.1, 0.3};
    const int64_t least[] = {2000000, 1000000, 500000, 5000};
    const int64_t most[] = {2000000, 2000000, 2000000, 700000};
    for (int i = 0; i < 4; i++) {
        struct channel channel = channel_of(2000000, 2000000);
        run(&channel, 1e9, losses[i], 200);
        CU_ASSERT_TRUE(channel.control.bps >= least[i]);
        CU_ASSERT_TRUE(channel.control.bps <= most[i]);
        CU_ASSERT_DOUBLE_EQUAL(channel.control.average_loss, losses[i], 0.1);
    }
}

static void forgives_reordering(void)
{
    struct loss_control control;
    loss_control_reset(&control, 1000000, 5000, INT64_MAX);
    nanos now = 0;
    for (int i = 0; i < 100; i++) {
        /* Every tenth packet comes after the feedback that missed it. */
        struct loss_report report = {.packets = 10,
                                     .lost = 1,
                                     .late = i > 0,
                                     .bytes = 10000,
                                     .first_sent = now,
                                     .last_sent = now + 100 * NANOS_PER_MS};
        now += 100 * NANOS_PER_MS;
        loss_control_update(&control, &report, 800000, 1000000, false);
    }
    CU_ASSERT_TRUE(control.average_loss < 0.02);
    CU_ASSERT_EQUAL(control.bps, 1000000);
}

static struct twcc_result packet_at(nanos sent, nanos delay, bool lost)
{
    return (struct twcc_result){.sent = sent, .received = lost ? NANOS_NEVER : sent + delay - 100 * NANOS_PER_S};
}

static int verdicts(struct full_queue *queue, nanos from, int packets, nanos delay, int lost_of_10)
{
    int count = 0;
    for (int i = 0; i < packets; i++) {
        nanos sent = from + i * 10 * NANOS_PER_MS;
        struct twcc_result result = packet_at(sent, delay, i % 10 < lost_of_10);
        count += full_queue_add(queue, &result, sent + 2 * delay);
    }
    return count;
}

static void tells_a_full_queue(void)
{
    struct full_queue queue = {0};
    CU_ASSERT_EQUAL(verdicts(&queue, 1, 200, 50 * NANOS_PER_MS, 0), 0);
    CU_ASSERT_EQUAL(verdicts(&queue, 2 * NANOS_PER_S, 200, 50 * NANOS_PER_MS, 1), 0);  /* loss without delay */
    CU_ASSERT_EQUAL(verdicts(&queue, 4 * NANOS_PER_S, 200, 150 * NANOS_PER_MS, 0), 0); /* delay without loss */
    CU_ASSERT_TRUE(verdicts(&queue, 6 * NANOS_PER_S, 100, 150 * NANOS_PER_MS, 1) > 0);
    /* If it stands whatever we do, it is the path. */
    int more = verdicts(&queue, 7 * NANOS_PER_S, 2000, 150 * NANOS_PER_MS, 1);
    CU_ASSERT_TRUE(more > 0 && more <= 5);
}

void loss_control_test(void)
{
    SUITE("loss_control", {"leaves a clean link alone", leaves_a_clean_link_alone},
          {"bursts speak for more", bursts_speak_for_more}, {"finds the capacity", finds_the_capacity},
          {"bears random loss", bears_random_loss}, {"forgives reordering", forgives_reordering},
          {"tells a full queue", tells_a_full_queue});
}
