#include "rtc/rtcp.h"

#include <string.h>

#include "base/rng.h"
#include "tests/support/suite.h"

static uint8_t buf[4096];

/* Parses the only packet of what `w` wrote. */
static struct rtcp_packet only_packet(const struct writer *w)
{
    struct rtcp_packet packet = {0};
    struct rtcp_cursor cursor = rtcp_walk(w->start, w->len);
    CU_ASSERT_TRUE(rtcp_is(w->start, w->len));
    CU_ASSERT_TRUE_FATAL(rtcp_next(&cursor, &packet));
    struct rtcp_packet more;
    CU_ASSERT_FALSE(rtcp_next(&cursor, &more));
    CU_ASSERT_FALSE(cursor.failed);
    return packet;
}

static void walks_a_compound(void)
{
    struct writer w = writer_of(buf, sizeof buf);
    const struct rtcp_sender_info info = {
        .ssrc = 1, .ntp = 0x0102030405060708, .rtp_timestamp = 90000, .packet_count = 7, .octet_count = 8};
    const struct rtcp_report_block blocks[2] = {
        {.ssrc = 2,
         .fraction_lost = 64,
         .cumulative_lost = -3,
         .extended_highest = 0x10005,
         .jitter = 11,
         .last_sr = 0x7e808000,
         .delay_since_last_sr = 0x00054000},
        {.ssrc = 3, .cumulative_lost = 0x7fffff},
    };
    CU_ASSERT_TRUE(rtcp_write_sender_report(&w, &info, blocks, 2));
    CU_ASSERT_TRUE(rtcp_write_sdes_cname(&w, 1, "a@b"));
    CU_ASSERT_TRUE(rtcp_write_bye(&w, (const uint32_t[]){1, 9}, 2, "off"));
    CU_ASSERT_EQUAL(w.len, 28 + 48 + 16 + 16);

    struct rtcp_cursor cursor = rtcp_walk(buf, w.len);
    struct rtcp_packet packet;
    CU_ASSERT_TRUE_FATAL(rtcp_next(&cursor, &packet));
    struct rtcp_sender_info read;
    struct rtcp_report_block block;
    CU_ASSERT_TRUE(rtcp_read_sender_report(&packet, &read));
    CU_ASSERT_TRUE(read.ssrc == 1 && read.ntp == info.ntp && read.rtp_timestamp == 90000 && read.packet_count == 7 &&
                   read.octet_count == 8);
    CU_ASSERT_TRUE(rtcp_report_block(&packet, 0, &block));
    CU_ASSERT_TRUE(block.ssrc == 2 && block.fraction_lost == 64 && block.cumulative_lost == -3 &&
                   block.extended_highest == 0x10005 && block.jitter == 11 && block.last_sr == 0x7e808000 &&
                   block.delay_since_last_sr == 0x00054000);
    CU_ASSERT_TRUE(rtcp_report_block(&packet, 1, &block));
    CU_ASSERT_TRUE(block.ssrc == 3 && block.cumulative_lost == 0x7fffff);
    CU_ASSERT_FALSE(rtcp_report_block(&packet, 2, &block));
    uint32_t ssrc;
    CU_ASSERT_FALSE(rtcp_read_receiver_report(&packet, &ssrc));

    CU_ASSERT_TRUE_FATAL(rtcp_next(&cursor, &packet));
    struct rtcp_sdes_item item;
    uint64_t at = 0;
    CU_ASSERT_TRUE(rtcp_sdes_next(&packet, &at, &item));
    CU_ASSERT_TRUE(item.ssrc == 1 && item.type == RTCP_SDES_CNAME && item.len == 3);
    CU_ASSERT_EQUAL(memcmp(item.text, "a@b", 3), 0);
    CU_ASSERT_FALSE(rtcp_sdes_next(&packet, &at, &item));

    CU_ASSERT_TRUE_FATAL(rtcp_next(&cursor, &packet));
    CU_ASSERT_TRUE(rtcp_bye_source(&packet, 1, &ssrc));
    CU_ASSERT_EQUAL(ssrc, 9);
    CU_ASSERT_FALSE(rtcp_bye_source(&packet, 2, &ssrc));
    CU_ASSERT_FALSE(rtcp_next(&cursor, &packet));
    CU_ASSERT_FALSE(cursor.failed);
}

static void reads_sdes_of_several_chunks(void)
{
    const uint8_t data[] = {0x82, 202, 0, 7,                                   /* two chunks */
                            0,    0,   0, 1, 1, 2, 'x', 'y', 6,   1,   't', 0, /* CNAME and TOOL, one zero */
                            0,    0,   0, 2, 1, 5, 'a', 'b', 'c', 'd', 'e', 0, 0, 0, 0, 0};
    struct rtcp_cursor cursor = rtcp_walk(data, sizeof data);
    struct rtcp_packet packet;
    CU_ASSERT_TRUE_FATAL(rtcp_next(&cursor, &packet));
    const struct {
        uint32_t ssrc;
        uint8_t type, len;
    } expected[] = {{1, 1, 2}, {1, 6, 1}, {2, 1, 5}};
    uint64_t at = 0;
    struct rtcp_sdes_item item;
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_TRUE_FATAL(rtcp_sdes_next(&packet, &at, &item));
        CU_ASSERT_TRUE(item.ssrc == expected[i].ssrc && item.type == expected[i].type && item.len == expected[i].len);
    }
    CU_ASSERT_FALSE(rtcp_sdes_next(&packet, &at, &item));
    /* Item lengths that run past the packet, and a chunk cut short. */
    for (size_t len = 0; len < packet.body_len; len++) {
        struct rtcp_packet cut = packet;
        cut.body_len = len;
        at = 0;
        size_t items = 0;
        while (rtcp_sdes_next(&cut, &at, &item)) {
            CU_ASSERT_TRUE((const uint8_t *)item.text + item.len <= cut.body + len);
            items++;
        }
        CU_ASSERT_TRUE(items < 3 || len >= 23);
    }
}

struct numbers {
    uint16_t at[512];
    size_t count;
};

static void collect(void *user, uint16_t sequence)
{
    struct numbers *numbers = user;
    if (numbers->count < 512)
        numbers->at[numbers->count] = sequence;
    numbers->count++;
}

static void packs_nacks(void)
{
    const uint16_t lost[] = {65530, 65531, 65535, 0, 10, 11, 500};
    struct writer w = writer_of(buf, sizeof buf);
    CU_ASSERT_TRUE(rtcp_write_nack(&w, 5, 6, lost, 7));
    CU_ASSERT_EQUAL(w.len, 12 + 2 * 4 + 4); /* 65530 … 10; 11; 500 */
    struct rtcp_packet packet = only_packet(&w);
    struct rtcp_feedback feedback;
    struct numbers numbers = {.count = 0};
    CU_ASSERT_EQUAL(rtcp_read_nack(&packet, &feedback, collect, &numbers), 7);
    CU_ASSERT_TRUE(feedback.sender_ssrc == 5 && feedback.media_ssrc == 6);
    CU_ASSERT_EQUAL(memcmp(numbers.at, lost, sizeof lost), 0);
    CU_ASSERT_FALSE(rtcp_write_nack(&w, 5, 6, lost, 0));

    /* Any rising set of numbers comes back as it was. */
    struct rng rng = rng_of(4, "nack", 0);
    for (int round = 0; round < 500; round++) {
        uint16_t wanted[200];
        size_t count = 1 + rng_below(&rng, 200);
        wanted[0] = (uint16_t)rng_u32(&rng);
        for (size_t i = 1; i < count; i++)
            wanted[i] = (uint16_t)(wanted[i - 1] + 1 + rng_below(&rng, 20));
        w = writer_of(buf, sizeof buf);
        CU_ASSERT_TRUE_FATAL(rtcp_write_nack(&w, 1, 2, wanted, count));
        packet = only_packet(&w);
        numbers.count = 0;
        CU_ASSERT_EQUAL(rtcp_read_nack(&packet, &feedback, collect, &numbers), count);
        CU_ASSERT_EQUAL(memcmp(numbers.at, wanted, count * sizeof wanted[0]), 0);
    }
}

static void asks_for_key_frames(void)
{
    struct writer w = writer_of(buf, sizeof buf);
    struct rtcp_feedback feedback;
    CU_ASSERT_TRUE(rtcp_write_pli(&w, 1, 2));
    const uint8_t pli[] = {0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2};
    CU_ASSERT_TRUE(w.len == sizeof pli && memcmp(buf, pli, sizeof pli) == 0);
    struct rtcp_packet packet = only_packet(&w);
    CU_ASSERT_TRUE(rtcp_read_pli(&packet, &feedback));
    CU_ASSERT_EQUAL(feedback.media_ssrc, 2);
    struct rtcp_fir entry;
    CU_ASSERT_FALSE(rtcp_fir_entry(&packet, 0, &entry));

    w = writer_of(buf, sizeof buf);
    CU_ASSERT_TRUE(rtcp_write_fir(&w, 1, (const struct rtcp_fir[]){{3, 4}, {5, 255}}, 2));
    packet = only_packet(&w);
    CU_ASSERT_FALSE(rtcp_read_pli(&packet, &feedback));
    CU_ASSERT_TRUE(rtcp_fir_entry(&packet, 1, &entry));
    CU_ASSERT_TRUE(entry.ssrc == 5 && entry.number == 255);
    CU_ASSERT_FALSE(rtcp_fir_entry(&packet, 2, &entry));
}

static void says_the_bitrate(void)
{
    struct writer w = writer_of(buf, sizeof buf);
    /* Exponent and mantissa of the draft: 2,500,000 = 156,250 * 2^4. */
    CU_ASSERT_TRUE(rtcp_write_remb(&w, 1, 2500000, (const uint32_t[]){7, 8}, 2));
    const uint8_t expected[] = {0x8f, 206, 0, 6,    0,    0,    0, 1, 0, 0, 0, 0, 'R', 'E',
                                'M',  'B', 2, 0x12, 0x62, 0x5a, 0, 0, 0, 7, 0, 0, 0,   8};
    CU_ASSERT_TRUE(w.len == sizeof expected && memcmp(buf, expected, sizeof expected) == 0);
    struct rtcp_packet packet = only_packet(&w);
    struct rtcp_remb remb;
    CU_ASSERT_TRUE(rtcp_read_remb(&packet, &remb));
    CU_ASSERT_TRUE(remb.bitrate_bps == 2500000 && remb.ssrc_count == 2 && bytes_get32(remb.ssrcs + 4) == 8);

    buf[16] = 3; /* Attack 22: one SSRC more than there is */
    CU_ASSERT_FALSE(rtcp_read_remb(&packet, &remb));
    buf[16] = 255;
    CU_ASSERT_FALSE(rtcp_read_remb(&packet, &remb));
    buf[16] = 0;
    buf[17] = 0xff; /* 2^63 times a large mantissa */
    CU_ASSERT_TRUE(rtcp_read_remb(&packet, &remb));
    CU_ASSERT_EQUAL(remb.bitrate_bps, UINT64_MAX);

    const uint64_t rates[] = {0, 1, 262143, 262144, 262145, 12345678901, UINT64_MAX};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        w = writer_of(buf, sizeof buf);
        CU_ASSERT_TRUE(rtcp_write_remb(&w, 1, rates[i], NULL, 0));
        packet = only_packet(&w);
        CU_ASSERT_TRUE_FATAL(rtcp_read_remb(&packet, &remb));
        CU_ASSERT_TRUE(remb.bitrate_bps <= rates[i] && rates[i] - remb.bitrate_bps <= rates[i] >> 17);
    }
}

static void reports_times(void)
{
    struct writer w = writer_of(buf, sizeof buf);
    struct rtcp_extended_report report;
    CU_ASSERT_TRUE(rtcp_write_reference_time(&w, 1, 0x1122334455667788));
    struct rtcp_packet packet = only_packet(&w);
    CU_ASSERT_TRUE(rtcp_read_extended_report(&packet, &report));
    CU_ASSERT_TRUE(report.ssrc == 1 && report.has_reference_time && report.ntp == 0x1122334455667788);
    CU_ASSERT_EQUAL(report.dlrr_count, 0);

    w = writer_of(buf, sizeof buf);
    CU_ASSERT_TRUE(rtcp_write_dlrr(&w, 1, (const struct rtcp_dlrr[]){{2, 3, 4}, {5, 6, 7}}, 2));
    packet = only_packet(&w);
    CU_ASSERT_TRUE(rtcp_read_extended_report(&packet, &report));
    CU_ASSERT_EQUAL_FATAL(report.dlrr_count, 2);
    struct rtcp_dlrr entry = rtcp_dlrr_entry(&report, 1);
    CU_ASSERT_TRUE(entry.ssrc == 5 && entry.last_rr == 6 && entry.delay == 7);
    buf[11] = 7; /* a block longer than the packet */
    CU_ASSERT_FALSE(rtcp_read_extended_report(&packet, &report));
    buf[11] = 5; /* no multiple of three words, and a cut block behind it */
    CU_ASSERT_FALSE(rtcp_read_extended_report(&packet, &report));
}

/* Attack 22: lengths of 0 and 65535, counts that lie, padding that lies. */
static void refuses_lying_lengths(void)
{
    uint8_t data[64] = {0x80, 200, 0, 0};
    struct rtcp_packet packet;
    struct rtcp_cursor cursor = rtcp_walk(data, 4);
    struct rtcp_sender_info info;
    struct rtcp_report_block block;
    CU_ASSERT_TRUE_FATAL(rtcp_next(&cursor, &packet)); /* an SR of no body: a packet, but no report */
    CU_ASSERT_FALSE(rtcp_read_sender_report(&packet, &info));
    bytes_put16(data + 2, 65535);
    cursor = rtcp_walk(data, sizeof data);
    CU_ASSERT_FALSE(rtcp_next(&cursor, &packet));
    CU_ASSERT_TRUE(cursor.failed);
    CU_ASSERT_FALSE(rtcp_next(&cursor, &packet));

    /* One that says 16 words of 16: exact. One more: too long. */
    bytes_put16(data + 2, 15);
    cursor = rtcp_walk(data, sizeof data);
    CU_ASSERT_TRUE_FATAL(rtcp_next(&cursor, &packet));
    CU_ASSERT_EQUAL(packet.body_len, 60);
    for (uint8_t count = 0; count <= 31; count++) { /* 60 bytes hold the sender's 24 and one block */
        packet.count = count;
        CU_ASSERT_EQUAL(rtcp_read_sender_report(&packet, &info), count <= 1);
        CU_ASSERT_EQUAL(rtcp_report_block(&packet, 0, &block), count == 1);
    }
    bytes_put16(data + 2, 16);
    cursor = rtcp_walk(data, sizeof data);
    CU_ASSERT_FALSE(rtcp_next(&cursor, &packet));

    /* Trailing bytes that make no header. */
    bytes_put16(data + 2, 14);
    cursor = rtcp_walk(data, sizeof data - 1);
    CU_ASSERT_TRUE(rtcp_next(&cursor, &packet));
    CU_ASSERT_FALSE(rtcp_next(&cursor, &packet));
    CU_ASSERT_TRUE(cursor.failed);

    data[0] = 0xa0;
    bytes_put16(data + 2, 15);
    const struct {
        uint8_t padding;
        bool good;
    } paddings[] = {{0, false}, {1, true}, {4, true}, {60, true}, {61, false}, {255, false}};
    for (size_t i = 0; i < sizeof paddings / sizeof paddings[0]; i++) {
        data[63] = paddings[i].padding;
        cursor = rtcp_walk(data, sizeof data);
        CU_ASSERT_EQUAL(rtcp_next(&cursor, &packet), paddings[i].good);
        CU_ASSERT_EQUAL(cursor.failed, !paddings[i].good);
        if (paddings[i].good)
            CU_ASSERT_EQUAL(packet.body_len, 60u - paddings[i].padding);
    }
    uint32_t ssrc;
    packet = (struct rtcp_packet){.type = RTCP_BYE, .count = 2, .body = data, .body_len = 4};
    CU_ASSERT_FALSE(rtcp_bye_source(&packet, 0, &ssrc));
    /* A NACK whose last entry is cut gives none for it. */
    struct numbers numbers = {.count = 0};
    struct rtcp_feedback feedback;
    packet = (struct rtcp_packet){.type = RTCP_TRANSPORT_FEEDBACK, .count = 1, .body = data, .body_len = 8 + 3};
    CU_ASSERT_EQUAL(rtcp_read_nack(&packet, &feedback, collect, &numbers), 0);
}

static void leaves_the_writer_as_it_was(void)
{
    struct writer w = writer_of(buf, 40);
    CU_ASSERT_TRUE(rtcp_write_pli(&w, 1, 2));
    CU_ASSERT_FALSE(
        rtcp_write_sender_report(&w, &(struct rtcp_sender_info){.ssrc = 1}, &(struct rtcp_report_block){.ssrc = 2}, 1));
    CU_ASSERT_FALSE(w.failed);
    CU_ASSERT_EQUAL(w.len, 12);
    CU_ASSERT_TRUE(rtcp_write_sender_report(&w, &(struct rtcp_sender_info){.ssrc = 1}, NULL, 0));
    CU_ASSERT_EQUAL(w.len, 40);
    w = writer_of(buf, sizeof buf);
    char text[257];
    memset(text, 'x', 256);
    text[256] = '\0';
    CU_ASSERT_FALSE(rtcp_write_sdes_cname(&w, 1, text));
    CU_ASSERT_FALSE(rtcp_write_bye(&w, NULL, 0, text));
    struct rtcp_report_block blocks[32] = {0};
    CU_ASSERT_FALSE(rtcp_write_receiver_report(&w, 1, blocks, 32));
    CU_ASSERT_TRUE(rtcp_write_receiver_report(&w, 1, blocks, 31));
    CU_ASSERT_EQUAL(w.len, 8 + 31 * 24);
}

void rtcp_test(void)
{
    SUITE("rtcp", {"walks a compound", walks_a_compound},
          {"reads SDES of several chunks", reads_sdes_of_several_chunks}, {"packs NACKs", packs_nacks},
          {"asks for key frames", asks_for_key_frames}, {"says the bitrate", says_the_bitrate},
          {"reports times", reports_times}, {"refuses lying lengths", refuses_lying_lengths},
          {"leaves the writer as it was", leaves_the_writer_as_it_was});
}
