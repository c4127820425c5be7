#include "rtc/pacer.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/suite.h"

#define PACKET 1000

static struct pacer *pacer_of(int64_t bps)
{
    struct pacer *pacer = pacer_create(&(struct pacer_config){.pacing_bps = bps}, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pacer);
    return pacer;
}

static void push(struct pacer *pacer, enum pacer_priority priority, uint32_t tag, nanos now)
{
    uint8_t bytes[PACKET];
    memset(bytes, (int)tag, sizeof bytes);
    CU_ASSERT_TRUE(pacer_push(pacer, priority, tag, bytes, sizeof bytes, now));
}

static void push_many(struct pacer *pacer, int count, nanos now)
{
    for (int i = 0; i < count; i++)
        push(pacer, PACER_VIDEO, (uint32_t)i, now);
}

struct sent {
    int packets;
    size_t bytes;
    size_t padding;
    nanos last;
    int probe_packets;
    size_t probe_bytes;
    nanos probe_first;
    nanos probe_last;
};

/* Wakes at deadlines only, until `end`, and sends all that is asked for. */
static struct sent run(struct pacer *pacer, nanos from, nanos end)
{
    struct sent sent = {0};
    nanos now = from;
    while (now < end) {
        struct pacer_packet packet;
        enum pacer_action action;
        while ((action = pacer_next(pacer, &packet, now)) != PACER_WAIT) {
            pacer_done(pacer, packet.len, now);
            sent.packets++;
            sent.bytes += packet.len;
            sent.padding += action == PACER_PAD ? packet.len : 0;
            sent.last = now;
            if (packet.probe != 0) {
                if (sent.probe_packets++ == 0)
                    sent.probe_first = now;
                sent.probe_bytes += packet.len;
                sent.probe_last = now;
            }
        }
        nanos deadline = pacer_deadline(pacer);
        /* A deadline that has come must have been of use. */
        CU_ASSERT_TRUE_FATAL(deadline > now);
        now = deadline;
    }
    return sent;
}

static void keeps_the_rate(void)
{
    struct pacer *pacer = pacer_of(800000); /* 100 packets a second */
    push_many(pacer, 150, 0);
    struct sent sent = run(pacer, 0, NANOS_PER_S);
    CU_ASSERT_TRUE(sent.packets >= 100 && sent.packets <= 102);
    pacer_set_rates(pacer, 400000, 0, NANOS_PER_S);
    int left = 150 - sent.packets;
    sent = run(pacer, NANOS_PER_S, 2 * NANOS_PER_S);
    CU_ASSERT_EQUAL(sent.packets, left);
    CU_ASSERT_TRUE(sent.last > 1900 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(pacer_stats(pacer).queued_packets, 0);
    pacer_destroy(pacer);
}

static void orders_by_priority(void)
{
    struct pacer *pacer = pacer_of(8000000);
    push(pacer, PACER_PADDING, 4, 0);
    push(pacer, PACER_VIDEO, 3, 0);
    push(pacer, PACER_RETRANSMISSION, 2, 0);
    push(pacer, PACER_AUDIO, 1, 0);
    push(pacer, PACER_VIDEO, 5, 0);
    const uint32_t order[] = {1, 2, 3, 5, 4};
    nanos now = 0;
    for (int i = 0; i < 5; i++) {
        struct pacer_packet packet;
        while (pacer_next(pacer, &packet, now) == PACER_WAIT)
            now = pacer_deadline(pacer);
        CU_ASSERT_EQUAL(packet.tag, order[i]);
        CU_ASSERT_EQUAL(packet.data[PACKET - 1], order[i]);
        CU_ASSERT_EQUAL(packet.len, PACKET);
        CU_ASSERT_EQUAL(packet.queued, 0);
        pacer_done(pacer, packet.len, now);
    }
    CU_ASSERT_EQUAL(pacer_deadline(pacer), NANOS_NEVER);
    pacer_destroy(pacer);
}

static void lets_audio_pass(void)
{
    for (int paced = 0; paced < 2; paced++) {
        struct pacer *pacer = pacer_create(&(struct pacer_config){.pacing_bps = 80000, .pace_audio = paced == 1}, NULL);
        push_many(pacer, 3, 0);
        run(pacer, 0, 10 * NANOS_PER_MS);
        push(pacer, PACER_AUDIO, 9, 10 * NANOS_PER_MS);
        struct pacer_packet packet;
        CU_ASSERT_EQUAL(pacer_next(pacer, &packet, 10 * NANOS_PER_MS), paced ? PACER_WAIT : PACER_SEND);
        if (!paced) {
            CU_ASSERT_EQUAL(packet.tag, 9);
            nanos before = pacer_deadline(pacer);
            pacer_done(pacer, packet.len, 10 * NANOS_PER_MS);
            /* It counts: video waits for it. */
            CU_ASSERT_EQUAL(before, 10 * NANOS_PER_MS);
            CU_ASSERT_TRUE(pacer_deadline(pacer) > 190 * NANOS_PER_MS);
        }
        pacer_destroy(pacer);
    }
}

static void drains_within_two_seconds(void)
{
    struct pacer *pacer = pacer_of(80000);
    push_many(pacer, 200, 0); /* 20 s at this rate */
    struct sent sent = run(pacer, 0, 5 * NANOS_PER_S);
    CU_ASSERT_EQUAL(sent.packets, 200);
    CU_ASSERT_TRUE(sent.last <= 2100 * NANOS_PER_MS);
    CU_ASSERT_TRUE(sent.last >= 1500 * NANOS_PER_MS);
    pacer_destroy(pacer);
}

static void probes_in_bursts(void)
{
    struct pacer *pacer = pacer_of(300000);
    const struct probe_cluster clusters[] = {{.id = 7, .bps = 900000, .min_bytes = 1687, .min_packets = 5},
                                             {.id = 8, .bps = 1800000, .min_bytes = 3375, .min_packets = 5}};
    CU_ASSERT_TRUE(pacer_probe(pacer, &clusters[0], 0));
    CU_ASSERT_TRUE(pacer_probe(pacer, &clusters[1], 0));
    CU_ASSERT_TRUE(pacer_deadline(pacer) > 0);
    struct pacer_packet packet;
    CU_ASSERT_EQUAL(pacer_next(pacer, &packet, 0), PACER_WAIT);
    push(pacer, PACER_VIDEO, 0, NANOS_PER_S);
    struct sent sent = run(pacer, NANOS_PER_S, 2 * NANOS_PER_S);
    /* One packet of media, and padding until both have five. */
    CU_ASSERT_EQUAL(sent.probe_packets, 10);
    CU_ASSERT_EQUAL(sent.padding, sent.probe_bytes - PACKET);
    CU_ASSERT_TRUE(sent.probe_bytes >= 1687 + 3375);
    CU_ASSERT_TRUE(sent.probe_last - sent.probe_first < 40 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(pacer_deadline(pacer), NANOS_NEVER);
    pacer_destroy(pacer);
}

static void probes_at_their_rate(void)
{
    struct pacer *pacer = pacer_of(300000);
    const struct probe_cluster cluster = {.id = 1, .bps = 2000000, .min_bytes = 20000, .min_packets = 5};
    push_many(pacer, 30, 0);
    CU_ASSERT_TRUE(pacer_probe(pacer, &cluster, 0));
    nanos first = -1;
    nanos now = 0;
    for (int i = 0; i < 20; i++) {
        struct pacer_packet packet;
        while (pacer_next(pacer, &packet, now) == PACER_WAIT)
            now = pacer_deadline(pacer);
        CU_ASSERT_EQUAL(packet.probe, 1);
        first = first < 0 ? now : first;
        pacer_done(pacer, packet.len, now);
    }
    /* 19 intervals of 1,000 bytes. */
    CU_ASSERT_TRUE(now - first >= 75 * NANOS_PER_MS && now - first <= 77 * NANOS_PER_MS);
    struct pacer_packet packet;
    while (pacer_next(pacer, &packet, now) == PACER_WAIT)
        now = pacer_deadline(pacer);
    CU_ASSERT_EQUAL(packet.probe, 0);
    CU_ASSERT_TRUE(now - first > 100 * NANOS_PER_MS);
    pacer_destroy(pacer);
}

static void gives_up_on_probes(void)
{
    struct pacer *pacer = pacer_of(300000);
    const struct probe_cluster cluster = {.id = 1, .bps = 900000, .min_bytes = 1687, .min_packets = 5};
    for (int i = 0; i < 5; i++)
        CU_ASSERT_TRUE(pacer_probe(pacer, &cluster, 0));
    CU_ASSERT_FALSE(pacer_probe(pacer, &cluster, 0));
    push(pacer, PACER_VIDEO, 0, 6 * NANOS_PER_S);
    struct sent sent = run(pacer, 6 * NANOS_PER_S, 7 * NANOS_PER_S);
    CU_ASSERT_EQUAL(sent.packets, 1);
    CU_ASSERT_EQUAL(sent.probe_packets, 0);

    /* No padding to be had: media goes on, and asks again for padding each time. */
    CU_ASSERT_TRUE(pacer_probe(pacer, &cluster, 7 * NANOS_PER_S));
    int asked = 0;
    nanos now = 7 * NANOS_PER_S;
    for (int i = 0; i < 3; i++, now += 100 * NANOS_PER_MS) {
        push(pacer, PACER_VIDEO, 0, now);
        struct pacer_packet packet;
        enum pacer_action action;
        while ((action = pacer_next(pacer, &packet, now)) != PACER_WAIT || pacer_deadline(pacer) < now + 90000000) {
            if (action == PACER_WAIT) {
                now = pacer_deadline(pacer);
                continue;
            }
            asked += action == PACER_PAD;
            pacer_done(pacer, action == PACER_PAD ? 0 : packet.len, now);
        }
    }
    CU_ASSERT_EQUAL(asked, 3);
    CU_ASSERT_EQUAL(pacer_stats(pacer).queued_packets, 0);
    pacer_destroy(pacer);
}

static void pads_to_its_rate(void)
{
    struct pacer *pacer = pacer_of(1000000);
    pacer_set_rates(pacer, 1000000, 400000, 0);
    push(pacer, PACER_VIDEO, 0, 0);
    struct sent sent = run(pacer, 0, 2 * NANOS_PER_S);
    CU_ASSERT_EQUAL(sent.bytes, sent.padding + PACKET);
    CU_ASSERT_TRUE(sent.bytes > 98000 && sent.bytes < 102000);
    pacer_destroy(pacer);
}

static void keeps_its_limit(void)
{
    struct pacer *pacer = pacer_create(&(struct pacer_config){.pacing_bps = 1000, .limit_bytes = 10000}, NULL);
    const uint8_t bytes[PACKET] = {0};
    int taken = 0;
    while (taken < 100 && pacer_push(pacer, PACER_VIDEO, 0, bytes, sizeof bytes, 0))
        taken++;
    CU_ASSERT_TRUE(taken >= 8 && taken <= 10);
    CU_ASSERT_EQUAL(pacer_stats(pacer).queued_bytes, (size_t)taken * PACKET);
    pacer_destroy(pacer);
    CU_ASSERT_PTR_NULL(pacer_create(&(struct pacer_config){0}, NULL));
}

void pacer_test(void)
{
    SUITE("pacer", {"keeps the rate", keeps_the_rate}, {"orders by priority", orders_by_priority},
          {"lets audio pass", lets_audio_pass}, {"drains within two seconds", drains_within_two_seconds},
          {"probes in bursts", probes_in_bursts}, {"probes at their rate", probes_at_their_rate},
          {"gives up on probes", gives_up_on_probes}, {"pads to its rate", pads_to_its_rate},
          {"keeps its limit", keeps_its_limit});
}
