#include "rtc/send_statistics.h"

#include "rtc/ntp.h"
#include "rtc/opus.h"
#include "rtc/receive_statistics.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS

/* RFC 3550, figure 2: LSR 0xb705:2000, DLSR 5.250 s, arrival 0xb710:8000, round trip 6.125 s. */
static void measures_the_round_trip_of_the_rfc(void)
{
    nanos rtt;
    CU_ASSERT_TRUE(ntp_round_trip((uint64_t)0xb7108000 << 16, 0xb7052000, 0x00054000, &rtt));
    CU_ASSERT_EQUAL(rtt, 6125 * MS);
    CU_ASSERT_FALSE(ntp_round_trip((uint64_t)0xb7108000 << 16, 0, 0x00054000, &rtt));
    CU_ASSERT_TRUE(ntp_round_trip((uint64_t)0xb7108000 << 16, 0xb7108000, 0x00000100, &rtt)); /* clocks differ */
    CU_ASSERT_EQUAL(rtt, 0);
    CU_ASSERT_FALSE(ntp_round_trip((uint64_t)0xb7108000 << 16, 0xb7108000, 0x00054000, &rtt)); /* a lie */
}

static void maps_time_to_timestamps(void)
{
    struct send_statistics statistics;
    struct rtcp_sender_info info;
    uint64_t origin = (uint64_t)NTP_UNIX_EPOCH_S << 32;
    send_statistics_init(&statistics, 5, 90000, origin);
    CU_ASSERT_FALSE(send_statistics_report(&statistics, &info, 0));
    send_statistics_sent(&statistics, 0xffffffff, 100 * MS, 1000);
    send_statistics_sent(&statistics, 0xffffffff, 100 * MS, 234);
    CU_ASSERT_TRUE(send_statistics_report(&statistics, &info, 1100 * MS));
    CU_ASSERT_TRUE(info.ssrc == 5 && info.packet_count == 2 && info.octet_count == 1234);
    CU_ASSERT_EQUAL(info.rtp_timestamp, 89999);
    CU_ASSERT_EQUAL(info.ntp, ntp_from_nanos(1100 * MS, origin));
    CU_ASSERT_TRUE(send_statistics_report(&statistics, &info, 50 * MS)); /* captured in the future */
    CU_ASSERT_EQUAL(info.rtp_timestamp, 0xffffffff - 4500);
}

/* Both ends together, 40 ms there and 30 ms back, the receiver's clock some hours off. */
static void learns_from_reports(void)
{
    struct send_statistics sender;
    struct receive_statistics receiver;
    struct rtcp_sender_info info;
    struct rtcp_report_block block;
    send_statistics_init(&sender, 5, 90000, (uint64_t)NTP_UNIX_EPOCH_S << 32);
    receive_statistics_init(&receiver, 5, 90000, 0);
    nanos skew = 12345678 * MS;
    for (int i = 0; i < 100; i++) {
        send_statistics_sent(&sender, (uint32_t)i * 900, i * 10 * MS, 100);
        if (i % 10 != 5)
            receive_statistics_packet(&receiver, (uint16_t)i, (uint32_t)i * 900, 100, skew + i * 10 * MS + 40 * MS);
        if (i % 50 != 49)
            continue;
        nanos now = i * 10 * MS;
        CU_ASSERT_TRUE(send_statistics_report(&sender, &info, now));
        receive_statistics_sender_report(&receiver, info.ntp, skew + now + 40 * MS);
        CU_ASSERT_TRUE(receive_statistics_report(&receiver, &block, skew + now + 340 * MS));
        struct send_loss loss = send_statistics_block(&sender, &block, now + 370 * MS);
        CU_ASSERT_DOUBLE_EQUAL(nanos_to_ms(sender.rtt), 70, 0.05);
        CU_ASSERT_EQUAL(loss.expected, i == 99 ? 50 : 0);
        CU_ASSERT_EQUAL(loss.lost, i == 99 ? 5 : 0);
    }
    block.extended_highest -= 10; /* reports overtook each other */
    block.cumulative_lost = 0;
    struct send_loss loss = send_statistics_block(&sender, &block, 2000 * MS);
    CU_ASSERT_TRUE(loss.expected == 0 && loss.lost == 0 && sender.block.cumulative_lost == 10);
}

/* RFC 6716, table 2 and section 3.2. */
static void knows_how_long_opus_plays(void)
{
    const struct {
        uint8_t bytes[2];
        size_t len;
        double ms;
    } cases[] = {
        {{0 << 3}, 1, 10},
        {{3 << 3}, 1, 60},
        {{11 << 3}, 1, 60},
        {{12 << 3}, 1, 10},
        {{13 << 3}, 1, 20},
        {{15 << 3}, 1, 20},
        {{16 << 3}, 1, 2.5},
        {{31 << 3}, 1, 20},
        {{31 << 3 | 1}, 1, 40},
        {{31 << 3 | 2}, 1, 40},
        {{31 << 3 | 3, 3}, 2, 60},
        {{31 << 3 | 3, 0x83}, 2, 60},
        {{31 << 3 | 3, 6}, 2, 120},
        {{31 << 3 | 3, 7}, 2, 0},
        {{31 << 3 | 3, 3}, 1, 0},
        {{16 << 3 | 3, 48}, 2, 120},
        {{0}, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_DOUBLE_EQUAL(nanos_to_ms(opus_duration(cases[i].bytes, cases[i].len)), cases[i].ms, 1e-9);
}

void send_statistics_test(void)
{
    SUITE("send_statistics", {"measures the round trip of the RFC", measures_the_round_trip_of_the_rfc},
          {"maps time to timestamps", maps_time_to_timestamps}, {"learns from reports", learns_from_reports},
          {"knows how long Opus plays", knows_how_long_opus_plays});
}
