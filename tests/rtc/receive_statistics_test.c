#include "rtc/receive_statistics.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS

static void counts_losses_over_the_wrap(void)
{
    struct receive_statistics statistics;
    struct rtcp_report_block block;
    receive_statistics_init(&statistics, 7, 90000, 0);
    CU_ASSERT_FALSE(receive_statistics_report(&statistics, &block, 0));
    for (int i = 0; i < 200; i++) {
        if (i % 4 != 3)
            CU_ASSERT_TRUE(receive_statistics_packet(&statistics, (uint16_t)(65500 + i), 0, 100, 0));
    }
    CU_ASSERT_EQUAL(receive_statistics_expected(&statistics), 199); /* the last one, lost, isn't known of */
    CU_ASSERT_EQUAL(receive_statistics_lost(&statistics), 49);
    CU_ASSERT_EQUAL(receive_statistics_extended_highest(&statistics), 65500 + 198);
    CU_ASSERT_TRUE(receive_statistics_report(&statistics, &block, 0));
    CU_ASSERT_TRUE(block.ssrc == 7 && block.fraction_lost == 49 * 256 / 199 && block.cumulative_lost == 49);
    CU_ASSERT_EQUAL(block.extended_highest, 0x10000 + 162);
    CU_ASSERT_EQUAL(statistics.octets, 15000);

    /* Nothing since: no fraction. More duplicates than losses: negative, and still no fraction. */
    CU_ASSERT_TRUE(receive_statistics_report(&statistics, &block, 0));
    CU_ASSERT_TRUE(block.fraction_lost == 0 && block.cumulative_lost == 49);
    for (int i = 0; i < 60; i++)
        receive_statistics_packet(&statistics, 162, 0, 100, 0);
    CU_ASSERT_TRUE(receive_statistics_report(&statistics, &block, 0));
    CU_ASSERT_TRUE(block.fraction_lost == 0 && block.cumulative_lost == -11);
}

/* RFC 3550, A.1: a stray is not counted; two in a row after a jump are a restart. */
static void tells_strays_from_restarts(void)
{
    struct receive_statistics statistics;
    receive_statistics_init(&statistics, 7, 90000, 0);
    for (uint16_t i = 0; i < 10; i++)
        CU_ASSERT_TRUE(receive_statistics_packet(&statistics, i, 0, 1, 0));
    CU_ASSERT_TRUE(receive_statistics_packet(&statistics, 9 + 2999, 0, 1, 0));
    CU_ASSERT_FALSE(receive_statistics_packet(&statistics, 30000, 0, 1, 0));
    CU_ASSERT_TRUE(receive_statistics_packet(&statistics, 3009, 0, 1, 0));
    CU_ASSERT_EQUAL(receive_statistics_extended_highest(&statistics), 3009);
    CU_ASSERT_FALSE(receive_statistics_packet(&statistics, 30000, 0, 1, 0));
    CU_ASSERT_TRUE(receive_statistics_packet(&statistics, 30001, 0, 1, 0));
    CU_ASSERT_EQUAL(receive_statistics_expected(&statistics), 1);
    CU_ASSERT_EQUAL(receive_statistics_lost(&statistics), 0);
    /* 99 back is late, 100 back is a stray. */
    CU_ASSERT_TRUE(receive_statistics_packet(&statistics, 30001 - 99, 0, 1, 0));
    CU_ASSERT_FALSE(receive_statistics_packet(&statistics, 30001 - 100, 0, 1, 0));

    receive_statistics_init(&statistics, 7, 90000, RECEIVE_MIN_SEQUENTIAL);
    CU_ASSERT_FALSE(receive_statistics_packet(&statistics, 5, 0, 1, 0));
    CU_ASSERT_FALSE(receive_statistics_packet(&statistics, 7, 0, 1, 0));
    CU_ASSERT_TRUE(receive_statistics_packet(&statistics, 8, 0, 1, 0));
    CU_ASSERT_EQUAL(receive_statistics_expected(&statistics), 1);
}

/* RFC 3550, A.8, in floating point, over random delays. */
static void measures_jitter(void)
{
    struct rng rng = rng_of(1, "jitter", 0);
    struct receive_statistics statistics;
    receive_statistics_init(&statistics, 7, 48000, 0);
    double jitter = 0;
    int64_t previous = 0;
    uint32_t timestamp = 0xfffff000; /* wraps */
    for (int i = 0; i < 5000; i++) {
        nanos now = 1000000 * NANOS_PER_S + i * 20 * MS + (nanos)rng_below(&rng, 15 * MS);
        receive_statistics_packet(&statistics, (uint16_t)i, timestamp, 1, now);
        int64_t transit = now * 6 / 125000 - (int64_t)i * 960; /* 48,000 a second */
        if (i > 0)
            jitter += ((double)llabs(transit - previous) - jitter) / 16;
        previous = transit;
        timestamp += 960;
        CU_ASSERT_DOUBLE_EQUAL((double)(statistics.jitter_16 >> 4), jitter, 2);
    }
    CU_ASSERT_DOUBLE_EQUAL(nanos_to_ms(receive_statistics_jitter(&statistics)), 5, 1.5);
    /* A timestamp that jumps by half its range doesn't overflow anything. */
    for (int i = 0; i < 100; i++)
        receive_statistics_packet(&statistics, (uint16_t)(5000 + i), i % 2 ? 0x80000000 : 0, 1, 0);
    struct rtcp_report_block block;
    CU_ASSERT_TRUE(receive_statistics_report(&statistics, &block, 0));
    CU_ASSERT_TRUE(block.jitter > 1u << 30);
}

static void says_when_the_report_came(void)
{
    struct receive_statistics statistics;
    struct rtcp_report_block block;
    receive_statistics_init(&statistics, 7, 90000, 0);
    receive_statistics_packet(&statistics, 1, 0, 1, 0);
    receive_statistics_report(&statistics, &block, 10 * MS);
    CU_ASSERT_TRUE(block.last_sr == 0 && block.delay_since_last_sr == 0);
    receive_statistics_sender_report(&statistics, 0x12345678b7052000, 0);
    receive_statistics_report(&statistics, &block, 5250 * MS);
    CU_ASSERT_TRUE(block.last_sr == 0x5678b705 && block.delay_since_last_sr == 0x00054000);
}

/* Random loss, reordering and duplicates against counting. */
static void agrees_with_counting(void)
{
    struct rng rng = rng_of(2, "statistics", 0);
    struct receive_statistics statistics;
    struct rtcp_report_block block;
    receive_statistics_init(&statistics, 7, 90000, 0);
    int64_t first = 40000, highest = first, received = 0, prior_expected = 0, prior_received = 0;
    for (int64_t i = 0; i < 200000; i++) {
        int64_t at =
            first + i - (rng_below(&rng, 20) == 0 ? (int64_t)rng_below(&rng, i < 50 ? (uint64_t)i + 1 : 50) : 0);
        if (i > 0 && rng_below(&rng, 10) == 0)
            continue;
        CU_ASSERT_TRUE(receive_statistics_packet(&statistics, (uint16_t)at, 0, 10, 0));
        highest = at > highest ? at : highest;
        received++;
        if (rng_below(&rng, 1000) != 0)
            continue;
        int64_t expected = highest - first + 1;
        CU_ASSERT_TRUE(receive_statistics_report(&statistics, &block, 0));
        CU_ASSERT_EQUAL(block.extended_highest, highest);
        CU_ASSERT_EQUAL(block.cumulative_lost, expected - received);
        int64_t interval = expected - prior_expected;
        int64_t lost = interval - (received - prior_received);
        CU_ASSERT_EQUAL(block.fraction_lost, interval > 0 && lost > 0 ? lost * 256 / interval : 0);
        prior_expected = expected;
        prior_received = received;
    }
}

void receive_statistics_test(void)
{
    SUITE("receive_statistics", {"counts losses over the wrap", counts_losses_over_the_wrap},
          {"tells strays from restarts", tells_strays_from_restarts}, {"measures jitter", measures_jitter},
          {"says when the report came", says_when_the_report_came}, {"agrees with counting", agrees_with_counting});
}
