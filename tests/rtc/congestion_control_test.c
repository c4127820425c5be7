#include "rtc/congestion_control.h"

#include "tests/support/bottleneck.h"
#include "tests/support/suite.h"

#define SEEDS 3

static struct link_config path(int64_t kbps, int delay_ms, int queue_ms, double loss)
{
    return (struct link_config){
        .rate_bps = kbps * 1000, .delay = delay_ms * NANOS_PER_MS, .loss = loss, .queue_bytes = kbps * queue_ms / 8};
}

static void run_s(struct bottleneck *bottleneck, int until_s) { bottleneck_run(bottleneck, until_s * NANOS_PER_S); }

static void assert_near(int64_t value, int64_t expected, int64_t distance)
{
    CU_ASSERT_TRUE(value >= expected - distance);
    CU_ASSERT_TRUE(value <= expected + distance);
}

/* --- the scenarios of libwebrtc's goog_cc unit tests, with its bounds ------------------------------------------- */

static void follows_link_capacity(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct link_config forward = path(500, 100, 1000, 0);
        struct link_config backward = path(0, 100, 0, 0);
        struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, seed);
        int flow = bottleneck_add_media(
            bottleneck, &(struct media_config){.control = {.start_bps = 300000, .min_bps = 10000, .max_bps = 1500000}});
        run_s(bottleneck, 25);
        assert_near(bottleneck_target_kbps(bottleneck, flow), 450, 100);

        forward = path(800, 100, 1000, 0);
        bottleneck_configure(bottleneck, &forward, &backward);
        run_s(bottleneck, 45);
        assert_near(bottleneck_target_kbps(bottleneck, flow), 750, 150);

        forward = path(100, 200, 1000, 0);
        backward = path(0, 200, 0, 0);
        bottleneck_configure(bottleneck, &forward, &backward);
        run_s(bottleneck, 95);
        assert_near(bottleneck_target_kbps(bottleneck, flow), 90, 25);
        bottleneck_destroy(bottleneck);
    }
}

static void bears_random_loss(void)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct link_config forward = path(2000, 200, 1000, 0.1);
        struct link_config backward = path(0, 200, 0, 0);
        struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, seed);
        int flow = bottleneck_add_media(
            bottleneck, &(struct media_config){.control = {.start_bps = 300000, .min_bps = 10000, .max_bps = 1500000}});
        run_s(bottleneck, 120);
        CU_ASSERT_TRUE(bottleneck_target_kbps(bottleneck, flow) > 100);
        CU_ASSERT_TRUE(bottleneck_received_kbps(bottleneck, flow, 60, 120) > 100);
        bottleneck_destroy(bottleneck);
    }
}

static void yields_to_tcp(void)
{
    const int queues_ms[] = {300, 1000, 5000};
    for (size_t i = 0; i < 3; i++) {
        struct link_config forward = path(1000, 50, queues_ms[i], 0);
        struct link_config backward = path(1000, 50, 1000, 0);
        struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, 1);
        int flow = bottleneck_add_media(
            bottleneck, &(struct media_config){.control = {.start_bps = 1000000}, .encoder_max_bps = 1700000});
        bottleneck_add_tcp(bottleneck, 0, 0);
        run_s(bottleneck, 10);
        CU_ASSERT_TRUE(bottleneck_target_kbps(bottleneck, flow) < 750);
        bottleneck_destroy(bottleneck);
    }
}

static void paces_a_high_start(void)
{
    struct link_config forward = path(1000, 50, 1000, 0);
    struct link_config backward = path(0, 50, 0, 0);
    struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, 1);
    int flow = bottleneck_add_media(
        bottleneck, &(struct media_config){.control = {.start_bps = 5000000}, .encoder_max_bps = 5000000});
    run_s(bottleneck, 10);
    CU_ASSERT_TRUE(bottleneck_figures(bottleneck, flow)->pacer_delay_max < 150 * NANOS_PER_MS);
    CU_ASSERT_TRUE(bottleneck_target_kbps(bottleneck, flow) < 1100);
    bottleneck_destroy(bottleneck);
}

/* --- what a mesh asks for --------------------------------------------------------------------------------------- */

struct share {
    double received_kbps; /* all flows, over the second half */
    double loss;          /* likewise */
    double ratio;         /* of the least to the most received, likewise */
    double queue_ms;      /* mean */
};

#define SHARE_S 60

static struct share share_uplink(int flows, int64_t kbps, int queue_ms, uint64_t seed)
{
    struct link_config forward = path(kbps, 25, queue_ms, 0);
    struct link_config backward = path(0, 25, 0, 0);
    struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, seed);
    for (int i = 0; i < flows; i++)
        bottleneck_add_media(bottleneck, &(struct media_config){.control = {.start_bps = 300000, .max_bps = 1700000},
                                                                .start = i * 200 * NANOS_PER_MS});
    run_s(bottleneck, SHARE_S / 2);
    uint64_t sent = 0;
    uint64_t lost = 0;
    for (int i = 0; i < flows; i++) {
        sent -= bottleneck_figures(bottleneck, i)->sent_packets;
        lost -= bottleneck_figures(bottleneck, i)->lost_packets;
    }
    run_s(bottleneck, SHARE_S);
    struct share share = {0};
    double least = 1e12;
    double most = 0;
    for (int i = 0; i < flows; i++) {
        sent += bottleneck_figures(bottleneck, i)->sent_packets;
        lost += bottleneck_figures(bottleneck, i)->lost_packets;
        double received = bottleneck_received_kbps(bottleneck, i, SHARE_S / 2, SHARE_S);
        share.received_kbps += received;
        least = received < least ? received : least;
        most = received > most ? received : most;
    }
    const struct link_counters *counters = &bottleneck_link(bottleneck)->counters;
    share.loss = (double)lost / (double)sent;
    share.ratio = least / most;
    share.queue_ms = nanos_to_ms(counters->queue_delay_sum) / (double)counters->delivered;
    bottleneck_destroy(bottleneck);
    return share;
}

static void shares_an_uplink(void)
{
    const int queues_ms[] = {100, 300, 1000};
    for (int flows = 1; flows <= 7; flows++) {
        for (int64_t kbps = 2000; kbps <= 10000; kbps += 4000) {
            for (int i = 0; i < 3; i++) {
                struct share share = share_uplink(flows, kbps, queues_ms[i], 1);
                double wanted = flows * 1700.0 < (double)kbps ? flows * 1700.0 : (double)kbps;
                CU_ASSERT_TRUE(share.loss < 0.02);
                CU_ASSERT_TRUE(share.ratio > 0.333);
                CU_ASSERT_TRUE(share.received_kbps > 0.8 * wanted);
                CU_ASSERT_TRUE(share.queue_ms < 100);
            }
        }
    }
}

static void leaves_a_full_queue(void)
{
    /* Seven senders that start into 100 ms of queue once filled it for good, each at 12 % loss. */
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        CU_ASSERT_TRUE(share_uplink(7, 5000, 100, seed).loss < 0.02);
}

static void takes_what_another_leaves(void)
{
    struct link_config forward = path(1500, 50, 300, 0);
    struct link_config backward = path(0, 50, 0, 0);
    struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, 1);
    struct media_config media = {.control = {.start_bps = 300000, .max_bps = 1700000}};
    int stays = bottleneck_add_media(bottleneck, &media);
    media.stop = 40 * NANOS_PER_S;
    int leaves = bottleneck_add_media(bottleneck, &media);
    run_s(bottleneck, 80);
    double before = bottleneck_received_kbps(bottleneck, stays, 20, 40);
    CU_ASSERT_TRUE(before < 1000);
    CU_ASSERT_TRUE(bottleneck_received_kbps(bottleneck, leaves, 20, 40) > 400);
    CU_ASSERT_TRUE(bottleneck_received_kbps(bottleneck, stays, 70, 80) > 1200);
    bottleneck_destroy(bottleneck);
}

static void recovers_from_tcp(void)
{
    struct link_config forward = path(2000, 50, 300, 0);
    struct link_config backward = path(0, 50, 0, 0);
    struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, 1);
    int flow =
        bottleneck_add_media(bottleneck, &(struct media_config){.control = {.start_bps = 300000, .max_bps = 2500000}});
    bottleneck_add_tcp(bottleneck, 10 * NANOS_PER_S, 30 * NANOS_PER_S);
    run_s(bottleneck, 60);
    CU_ASSERT_TRUE(bottleneck_received_kbps(bottleneck, flow, 5, 10) > 1500);
    CU_ASSERT_TRUE(bottleneck_received_kbps(bottleneck, flow, 50, 60) > 1500);
    bottleneck_destroy(bottleneck);
}

/* --- one behaviour at a time ------------------------------------------------------------------------------------ */

static void ramps_up_by_probes(void)
{
    struct link_config forward = path(4000, 50, 300, 0);
    struct link_config backward = path(0, 50, 0, 0);
    struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, 1);
    int flow = bottleneck_add_media(bottleneck, &(struct media_config){.control = {.start_bps = 300000}});
    run_s(bottleneck, 2);
    /* At 8 % a second it would be at 350 kbps. */
    CU_ASSERT_TRUE(bottleneck_target_kbps(bottleneck, flow) > 1800);
    bottleneck_destroy(bottleneck);
}

static void does_not_grow_unused(void)
{
    struct link_config forward = path(10000, 20, 300, 0);
    struct link_config backward = path(0, 20, 0, 0);
    struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, 1);
    int flow = bottleneck_add_media(
        bottleneck, &(struct media_config){.control = {.start_bps = 300000}, .encoder_max_bps = 200000});
    congestion_control_set_allocated(bottleneck_control(bottleneck, flow), 200000, 0);
    run_s(bottleneck, 60);
    struct congestion_stats stats = congestion_control_stats(bottleneck_control(bottleneck, flow));
    CU_ASSERT_TRUE(stats.application_limited);
    /* Probes to twice what is allocated; growth to 1.5 times what arrives, plus 10 kbps. */
    CU_ASSERT_TRUE(bottleneck_target_kbps(bottleneck, flow) <= 450);
    bottleneck_destroy(bottleneck);
}

static void probes_while_application_limited(void)
{
    for (int probing = 0; probing < 2; probing++) {
        struct link_config forward = path(600, 20, 300, 0);
        struct link_config backward = path(0, 20, 0, 0);
        struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, 1);
        int flow = bottleneck_add_media(bottleneck,
                                        &(struct media_config){.control = {.start_bps = 600000, .alr_probing = probing},
                                                               .encoder_max_bps = 200000});
        run_s(bottleneck, 10);
        forward = path(6000, 20, 300, 0);
        bottleneck_configure(bottleneck, &forward, &backward);
        run_s(bottleneck, 25);
        CU_ASSERT_EQUAL(bottleneck_target_kbps(bottleneck, flow) > 1000, probing);
        bottleneck_destroy(bottleneck);
    }
}

/* An SFU may send more than the target for a while: nobody sees nothing at first. If that arrives in good time, then the
 * path carries it. */
static void believes_what_arrives(void)
{
    for (int layered = 0; layered < 2; layered++) {
        struct congestion_control *control = congestion_control_create(
            &(struct congestion_control_config){.start_bps = 1000000, .layered = layered}, NULL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(control);
        struct twcc_result results[20];
        uint64_t sequence = 1;
        for (nanos now = 0; now < 2 * NANOS_PER_S; now += 50 * NANOS_PER_MS) {
            congestion_control_process(control, now);
            for (int i = 0; i < 20; i++, sequence++) { /* 3.2 Mbit/s */
                nanos sent = now + i * 50 * NANOS_PER_MS / 20;
                results[i] = (struct twcc_result){sequence, sent, sent + 30 * NANOS_PER_MS, 1000};
                congestion_control_sent(control, sequence, 1000, 0, sent);
            }
            congestion_control_feedback(control, results, 20, now + 80 * NANOS_PER_MS);
        }
        int64_t target = congestion_control_rates(control).target_bps;
        CU_ASSERT_EQUAL(target > 2500000, layered);
        CU_ASSERT_TRUE(target < 3500000);
        congestion_control_destroy(control);
    }
}

static void backs_off_without_feedback(void)
{
    struct link_config forward = path(2000, 50, 300, 0);
    struct link_config backward = path(0, 50, 0, 0);
    struct bottleneck *bottleneck = bottleneck_create(&forward, &backward, 1);
    int flow = bottleneck_add_media(
        bottleneck, &(struct media_config){.control = {.start_bps = 1000000, .max_bps = 1000000, .min_bps = 50000}});
    run_s(bottleneck, 10);
    int64_t before = bottleneck_target_kbps(bottleneck, flow);
    CU_ASSERT_TRUE(before > 800);
    backward.loss = 1;
    bottleneck_configure(bottleneck, &forward, &backward);
    run_s(bottleneck, 12);
    CU_ASSERT_EQUAL(bottleneck_target_kbps(bottleneck, flow), before);
    /* From 3 s of silence on, a fifth less each second. */
    run_s(bottleneck, 18);
    CU_ASSERT_TRUE(bottleneck_target_kbps(bottleneck, flow) < before / 2);
    run_s(bottleneck, 40);
    CU_ASSERT_EQUAL(bottleneck_target_kbps(bottleneck, flow), 50);
    backward.loss = 0;
    bottleneck_configure(bottleneck, &forward, &backward);
    run_s(bottleneck, 80);
    CU_ASSERT_TRUE(bottleneck_target_kbps(bottleneck, flow) > 500);
    bottleneck_destroy(bottleneck);
}

static void falls_back_to_receiver_reports(void)
{
    struct congestion_control *control =
        congestion_control_create(&(struct congestion_control_config){.start_bps = 1000000}, NULL);
    nanos now = 0;
    congestion_control_process(control, now);
    for (int s = 1; s <= 20; s++) {
        now = s * NANOS_PER_S;
        congestion_control_loss_report(control, 0, 100, now);
        CU_ASSERT_TRUE(congestion_control_deadline(control) > now - NANOS_PER_S);
        congestion_control_process(control, now);
    }
    int64_t high = congestion_control_rates(control).target_bps;
    /* 8 % a second for 20 s would be 4.6 times. */
    CU_ASSERT_TRUE(high > 3000000);
    CU_ASSERT_TRUE(high < 5000000);
    for (int s = 21; s <= 40; s++) {
        now = s * NANOS_PER_S;
        congestion_control_loss_report(control, 5, 100, now);
        congestion_control_process(control, now);
    }
    CU_ASSERT_EQUAL(congestion_control_rates(control).target_bps, high);
    now += NANOS_PER_S;
    congestion_control_loss_report(control, 20, 100, now);
    assert_near(congestion_control_rates(control).target_bps, high * 9 / 10, high / 1000);
    congestion_control_remb(control, 500000, now);
    CU_ASSERT_EQUAL(congestion_control_rates(control).target_bps, 500000);
    CU_ASSERT_EQUAL(congestion_control_rates(control).pacing_bps, 1250000);
    congestion_control_remb(control, 0, now);
    CU_ASSERT_TRUE(congestion_control_rates(control).target_bps > 2000000);
    congestion_control_destroy(control);
}

static void starts_with_two_probes(void)
{
    struct congestion_control *control =
        congestion_control_create(&(struct congestion_control_config){.start_bps = 100000, .max_bps = 500000}, NULL);
    struct probe_cluster first;
    struct probe_cluster second;
    struct probe_cluster third;
    CU_ASSERT_FALSE(congestion_control_probe(control, &first));
    congestion_control_process(control, 123);
    CU_ASSERT_TRUE(congestion_control_probe(control, &first));
    CU_ASSERT_TRUE(congestion_control_probe(control, &second));
    CU_ASSERT_FALSE(congestion_control_probe(control, &third));
    CU_ASSERT_EQUAL(first.bps, 300000);
    CU_ASSERT_EQUAL(first.min_packets, 5);
    CU_ASSERT_EQUAL(first.min_bytes, 562); /* 15 ms */
    CU_ASSERT_EQUAL(second.bps, 500000);
    congestion_control_process(control, NANOS_PER_S);
    CU_ASSERT_FALSE(congestion_control_probe(control, &third));
    /* A higher maximum is probed for. */
    congestion_control_set_limits(control, 0, 2000000, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(congestion_control_probe(control, &third));
    CU_ASSERT_EQUAL(third.bps, 2000000);
    /* A new path starts over. */
    congestion_control_route_changed(control, 3 * NANOS_PER_S);
    CU_ASSERT_TRUE(congestion_control_probe(control, &third));
    CU_ASSERT_EQUAL(third.bps, 300000);
    congestion_control_destroy(control);
}

static void refuses_bad_limits(void)
{
    struct error error;
    CU_ASSERT_PTR_NULL(
        congestion_control_create(&(struct congestion_control_config){.min_bps = 2000, .max_bps = 1000}, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    CU_ASSERT_PTR_NULL(congestion_control_create(&(struct congestion_control_config){.start_bps = -1}, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
}

/* A peer that sends nonsense as feedback harms itself alone. */
static void survives_nonsense(void)
{
    struct rng rng = rng_of(1, "nonsense", 0);
    for (int round = 0; round < 20; round++) {
        struct congestion_control *control = congestion_control_create(
            &(struct congestion_control_config){.min_bps = 50000, .max_bps = 3000000, .alr_probing = true}, NULL);
        uint64_t sequence = 0;
        nanos now = 0;
        for (int i = 0; i < 500; i++) {
            struct twcc_result results[50];
            size_t count = rng_below(&rng, 51);
            for (size_t r = 0; r < count; r++) {
                size_t size = rng_below(&rng, 1500);
                now += (nanos)rng_below(&rng, 10 * NANOS_PER_MS);
                congestion_control_sent(control, sequence, size, (uint32_t)rng_below(&rng, 12), now);
                nanos received = (nanos)(rng_u64(&rng) >> (2 + rng_below(&rng, 60)));
                received = rng_below(&rng, 2) == 0 ? received : -received;
                received = rng_below(&rng, 4) == 0 ? NANOS_NEVER : received;
                uint64_t reported = rng_below(&rng, 8) == 0 ? rng_u64(&rng) : sequence;
                results[r] = (struct twcc_result){reported, now, received, size};
                sequence++;
            }
            congestion_control_feedback(control, results, count, now);
            if (rng_below(&rng, 10) == 0)
                congestion_control_remb(control, (int64_t)(rng_u64(&rng) >> 1), now);
            congestion_control_process(control, now);
            struct probe_cluster probe;
            while (congestion_control_probe(control, &probe))
                CU_ASSERT_TRUE(probe.bps > 0 && probe.bps <= 3000000);
            struct congestion_rates rates = congestion_control_rates(control);
            CU_ASSERT_TRUE(rates.target_bps >= 50000 && rates.target_bps <= 3000000);
            CU_ASSERT_TRUE(congestion_control_deadline(control) > 0);
        }
        congestion_control_destroy(control);
    }
}

static void repeats_itself(void)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct share first = share_uplink(3, 2000, 300, seed);
        struct share second = share_uplink(3, 2000, 300, seed);
        CU_ASSERT_EQUAL(first.received_kbps, second.received_kbps);
        CU_ASSERT_EQUAL(first.ratio, second.ratio);
    }
}

void congestion_control_test(void)
{
    SUITE("congestion_control", {"500, then 800, then 100 kbps", follows_link_capacity},
          {"10 % random loss", bears_random_loss}, {"yields to TCP", yields_to_tcp},
          {"paces a high start", paces_a_high_start}, {"shares an uplink", shares_an_uplink},
          {"leaves a full queue", leaves_a_full_queue}, {"takes what another leaves", takes_what_another_leaves},
          {"recovers from TCP", recovers_from_tcp}, {"ramps up by probes", ramps_up_by_probes},
          {"does not grow unused", does_not_grow_unused},
          {"probes while application-limited", probes_while_application_limited},
          {"believes what arrives", believes_what_arrives}, {"backs off without feedback", backs_off_without_feedback},
          {"falls back to receiver reports", falls_back_to_receiver_reports},
          {"starts with two probes", starts_with_two_probes}, {"refuses bad limits", refuses_bad_limits},
          {"survives nonsense", survives_nonsense}, {"repeats itself", repeats_itself});
}
