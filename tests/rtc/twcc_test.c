#include "rtc/twcc.h"

#include <string.h>

#include "base/rng.h"
#include "rtc/twcc_history.h"
#include "tests/support/suite.h"

static struct twcc_recorder recorder;
static uint8_t buf[1500];

static struct rtcp_packet packet_of(size_t len)
{
    struct rtcp_packet packet = {0};
    struct rtcp_cursor cursor = rtcp_walk(buf, len);
    CU_ASSERT_TRUE_FATAL(rtcp_next(&cursor, &packet));
    CU_ASSERT_EQUAL(cursor.at, len);
    return packet;
}

/* A feedback as bytes: reference time 0x000102, base 65534, five packets: three small deltas, one lost, one negative. */
static void writes_the_format(void)
{
    nanos base = 0x102 * 64 * NANOS_PER_MS;
    twcc_recorder_init(&recorder, 50 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(twcc_recorder_deadline(&recorder), NANOS_NEVER);
    twcc_recorder_add(&recorder, 0xaabbccdd, 65534, base + 1 * NANOS_PER_MS);
    twcc_recorder_add(&recorder, 0xaabbccdd, 65535, base + 2 * NANOS_PER_MS);
    twcc_recorder_add(&recorder, 0xaabbccdd, 0, base + 30 * NANOS_PER_MS);
    twcc_recorder_add(&recorder, 0xaabbccdd, 0, base + 31 * NANOS_PER_MS); /* a duplicate: the first counts */
    twcc_recorder_add(&recorder, 0xaabbccdd, 2, base + 29 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(twcc_recorder_deadline(&recorder), base + 51 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(twcc_recorder_write(&recorder, 1, buf, sizeof buf, base + 51 * NANOS_PER_MS - 1), 0);
    size_t len = twcc_recorder_write(&recorder, 0x11223344, buf, sizeof buf, base + 51 * NANOS_PER_MS);
    const uint8_t expected[] = {
        0x8f, 205,  0,    6,    0x11, 0x22, 0x33, 0x44, 0xaa, 0xbb, 0xcc,
        0xdd, 0xff, 0xfe, 0,    5,    0,    1,    2,    0,    0xd5, 0x20, /* two bits each: 01 01 01 00 10 00 00 */
        4,    4,    112,  0xff, 0xfc, 0};
    CU_ASSERT_EQUAL_FATAL(len, sizeof expected);
    CU_ASSERT_EQUAL(memcmp(buf, expected, len), 0);
    CU_ASSERT_EQUAL(twcc_recorder_write(&recorder, 1, buf, sizeof buf, NANOS_NEVER - 1), 0);
    CU_ASSERT_EQUAL(twcc_recorder_deadline(&recorder), NANOS_NEVER);
}

/* One run-length chunk, one 14-symbol and one 7-symbol vector, from hand. */
static void reads_the_format(void)
{
    const uint8_t data[] = {0x8f, 205,  0,    8,    0,    0,    0,    1,    0, 0,    0,
                            2,    0x00, 0x05, 0,    20,   0xff, 0xff, 0xff, 7, 0x00, 0x04, /* run of 4 not received */
                            0xa0, 0x02, /* 1000000000 0010: sequences 9 and 21 … */
                            0xd8, 0x00, /* 01 10: sequences 23 and 24 */
                            0x0a, 0x01, 0xff, 0x80, 0x00, 0,    0,    0,    0, 0};
    memcpy(buf, data, sizeof data);
    struct rtcp_packet packet = packet_of(sizeof data);
    struct twcc_reader reader;
    CU_ASSERT_TRUE_FATAL(twcc_read(&reader, &packet));
    CU_ASSERT_TRUE(reader.sender_ssrc == 1 && reader.media_ssrc == 2 && reader.base_sequence == 5 &&
                   reader.status_count == 20 && reader.reference_time == 0xffffff && reader.feedback_count == 7);
    const struct {
        uint16_t sequence;
        uint32_t ticks;
    } expected[] = {{9, 0xffffff0a}, {21, 0xffffff0b}, {23, 0xffffff0b + 0xff}, {24, 0xffffff0b + 0xff - 0x8000}};
    struct twcc_status status;
    size_t received = 0;
    uint16_t sequence = 5;
    while (twcc_next(&reader, &status)) {
        CU_ASSERT_EQUAL(status.sequence, sequence);
        sequence += status.count;
        if (status.received) {
            CU_ASSERT_TRUE_FATAL(received < 4);
            CU_ASSERT_EQUAL(status.sequence, expected[received].sequence);
            CU_ASSERT_EQUAL(status.ticks, expected[received].ticks);
            received++;
        }
    }
    CU_ASSERT_EQUAL(received, 4);
    CU_ASSERT_EQUAL(sequence, 25);
}

/* Attack 22: run lengths, counts and deltas that don't belong together. */
static void refuses_what_does_not_add_up(void)
{
    uint8_t control[16 + 6] = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0};
    struct rtcp_packet packet = {
        .type = RTCP_TRANSPORT_FEEDBACK, .count = RTCP_FORMAT_TRANSPORT_WIDE, .body = control, .body_len = 20};
    struct twcc_reader reader;
    const struct {
        uint16_t statuses, chunk;
        bool good;
    } cases[] = {
        {0, 0x2001, false},                          /* says nothing */
        {1, 0x2001, true},                           /* one small delta, and two bytes for it */
        {2, 0x2002, true},     {3, 0x2003, false},   /* a delta too many */
        {1, 0x4001, true},     {2, 0x4002, false},   /* two bytes each */
        {8191, 0x3fff, false}, {8191, 0x1fff, true}, /* nothing received needs no deltas */
        {8192, 0x1fff, false},                       /* a chunk is missing: the next would be the deltas */
        {1, 0x2000, false},                          /* a run of none */
        {1, 0x6001, false},                          /* the reserved symbol */
        {1, 0xf000, false},    {2, 0x3fff, true},    /* a run longer than the count is cut */
        {7, 0xd503, true},                           /* the reserved symbol in a vector, behind the count … */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bytes_put16(control + 10, cases[i].statuses);
        bytes_put16(control + 16, cases[i].chunk);
        bool good = cases[i].good;
        if (cases[i].chunk == 0xd503) {
            good = false; /* … and within it */
            CU_ASSERT_FALSE(twcc_read(&reader, &packet));
            bytes_put16(control + 10, 2);
            good = true;
        }
        CU_ASSERT_EQUAL(twcc_read(&reader, &packet), good);
    }
    for (size_t len = 0; len < 18; len++) {
        packet.body_len = len;
        bytes_put16(control + 10, 1);
        CU_ASSERT_FALSE(twcc_read(&reader, &packet));
    }
}

/* Records random arrivals with loss, reordering and long gaps; whatever the size of a feedback, put together they say
 * exactly what came when. */
static void round_trips(void)
{
    struct rng rng = rng_of(1, "twcc", 0);
    static nanos arrivals[1 << 17]; /* by unwrapped number; 0: lost */
    for (int round = 0; round < 40; round++) {
        memset(arrivals, 0, sizeof arrivals);
        double loss = round % 4 * 0.2;
        size_t cap = TWCC_FEEDBACK_CAP_MIN + rng_below(&rng, round % 2 ? 40 : 1200);
        int64_t sequence = (int64_t)rng_below(&rng, 1 << 16) + 0x4000;
        nanos now = (nanos)rng_below(&rng, (uint64_t)1 << 50);
        int64_t first = 0, highest = 0;
        twcc_recorder_init(&recorder, TWCC_FEEDBACK_INTERVAL);
        uint64_t reports = 0, received = 0;
        for (int i = 0; i < 3000; i++) {
            now += (nanos)rng_below(&rng, i % 500 == 0 ? 30u * NANOS_PER_S : 5u * NANOS_PER_MS);
            sequence += 1 + (rng_below(&rng, 200) == 0 ? (int64_t)rng_below(&rng, 300) : 0);
            /* One in ten comes up to 20 numbers late. */
            int64_t at = sequence - (rng_below(&rng, 10) == 0 ? (int64_t)rng_below(&rng, 20) : 0);
            if (rng_unit(&rng) >= loss && (at >= first || first == 0) && arrivals[at] == 0) {
                if (first == 0)
                    first = highest = at;
                highest = at > highest ? at : highest;
                arrivals[at] = now;
                received++;
                twcc_recorder_add(&recorder, 7, (uint16_t)at, now);
            }
            if (now < twcc_recorder_deadline(&recorder))
                continue;
            for (size_t len; (len = twcc_recorder_write(&recorder, 1, buf, cap, now)) > 0;) {
                CU_ASSERT_TRUE(len <= cap && len % 4 == 0);
                struct rtcp_packet packet = packet_of(len);
                struct twcc_reader reader;
                struct twcc_status status;
                CU_ASSERT_TRUE_FATAL(twcc_read(&reader, &packet));
                CU_ASSERT_EQUAL(reader.feedback_count, (uint8_t)reports++);
                int64_t expected = highest + (int16_t)(uint16_t)(reader.base_sequence - (uint16_t)highest);
                while (twcc_next(&reader, &status)) {
                    CU_ASSERT_EQUAL(status.sequence, (uint16_t)expected);
                    for (uint16_t k = 0; k < status.count; k++, expected++) {
                        CU_ASSERT_EQUAL(status.received, arrivals[expected] != 0);
                        if (status.received)
                            CU_ASSERT_EQUAL(status.ticks, (uint32_t)(arrivals[expected] / TWCC_TICK));
                    }
                }
                CU_ASSERT_TRUE(expected <= highest + 1);
            }
            CU_ASSERT_EQUAL(twcc_recorder_deadline(&recorder), NANOS_NEVER);
        }
        CU_ASSERT_TRUE(received > 500 && reports > 10);
    }
}

/* Losses cost a run, not a byte each: 1,000 packets in a row that came take 20 bytes, a chunk, and a byte each. */
static void is_compact(void)
{
    twcc_recorder_init(&recorder, 0);
    for (int i = 0; i < 1000; i++)
        twcc_recorder_add(&recorder, 1, (uint16_t)i, i * NANOS_PER_MS);
    CU_ASSERT_EQUAL(twcc_recorder_write(&recorder, 1, buf, sizeof buf, 5 * NANOS_PER_S), 20 + 2 + 1000 + 2);
    twcc_recorder_init(&recorder, 0);
    twcc_recorder_add(&recorder, 1, 1, 0);
    twcc_recorder_add(&recorder, 1, 1000, 0);
    CU_ASSERT_EQUAL(twcc_recorder_write(&recorder, 1, buf, sizeof buf, 0), 20 + 3 * 2 + 2);
}

static void survives_jumps(void)
{
    twcc_recorder_init(&recorder, 0);
    struct rng rng = rng_of(2, "jumps", 0);
    for (int i = 0; i < 5000; i++) {
        twcc_recorder_add(&recorder, 1, (uint16_t)rng_u32(&rng), (nanos)rng_below(&rng, NANOS_PER_S));
        if (i % 7 == 0) {
            for (size_t len; (len = twcc_recorder_write(&recorder, 1, buf, 400, NANOS_PER_S)) > 0;) {
                struct rtcp_packet packet = packet_of(len);
                struct twcc_reader reader;
                CU_ASSERT_TRUE_FATAL(twcc_read(&reader, &packet));
                CU_ASSERT_TRUE(reader.status_count <= TWCC_WINDOW);
            }
        }
    }
}

static void tells_what_became_of_packets(void)
{
    struct twcc_history history;
    struct twcc_result results[64];
    struct twcc_reader reader;
    CU_ASSERT_TRUE_FATAL(twcc_history_init(&history, 64));
    twcc_recorder_init(&recorder, 0);
    nanos skew = 12345 * NANOS_PER_S;
    for (int i = 0; i < 10; i++) {
        uint64_t sequence = twcc_history_send(&history, 1000 + (size_t)i, i * NANOS_PER_MS);
        CU_ASSERT_EQUAL((uint16_t)sequence, i);
        if (i != 3 && i != 9)
            twcc_recorder_add(&recorder, 1, (uint16_t)sequence, skew + (i + 20) * NANOS_PER_MS);
    }
    CU_ASSERT_EQUAL(twcc_history_in_flight(&history), 10045);
    struct rtcp_packet packet = packet_of(twcc_recorder_write(&recorder, 1, buf, sizeof buf, skew * 2));
    CU_ASSERT_TRUE_FATAL(twcc_read(&reader, &packet));
    CU_ASSERT_EQUAL(twcc_history_results(&history, &reader, results, 5), 5); /* in pieces */
    CU_ASSERT_EQUAL(twcc_history_results(&history, &reader, results + 5, 5), 4);
    CU_ASSERT_EQUAL(twcc_history_results(&history, &reader, results, 5), 0);
    for (int i = 0; i < 9; i++) {
        CU_ASSERT_EQUAL(results[i].sequence, 65536u + (uint64_t)i);
        CU_ASSERT_EQUAL(results[i].sent, i * NANOS_PER_MS);
        CU_ASSERT_EQUAL(results[i].size, 1000u + (size_t)i);
        nanos expected = i == 3 ? NANOS_NEVER : results[0].received + i * NANOS_PER_MS;
        CU_ASSERT_EQUAL(results[i].received, expected);
    }
    CU_ASSERT_EQUAL(twcc_history_in_flight(&history), 1009);

    /* The same once more says nothing new; a packet that was late comes in after all, with what is around it. */
    CU_ASSERT_TRUE_FATAL(twcc_read(&reader, &packet));
    CU_ASSERT_EQUAL(twcc_history_results(&history, &reader, results, 64), 0);
    twcc_recorder_add(&recorder, 1, 3, skew + 30 * NANOS_PER_MS);
    packet = packet_of(twcc_recorder_write(&recorder, 1, buf, sizeof buf, skew * 2));
    CU_ASSERT_TRUE_FATAL(twcc_read(&reader, &packet));
    CU_ASSERT_EQUAL(reader.status_count, 6);
    nanos first = 0;
    CU_ASSERT_EQUAL(twcc_history_results(&history, &reader, results, 64), 1);
    CU_ASSERT_EQUAL(results[0].sequence, 65539);
    first = results[0].received;
    CU_ASSERT_TRUE(first > 0 && first != NANOS_NEVER);
    twcc_history_clear(&history);
}

/* Feedback about packets that were never sent, or were long ago, and runs over everything: no results, little work. */
static void ignores_what_it_never_sent(void)
{
    struct twcc_history history;
    CU_ASSERT_TRUE_FATAL(twcc_history_init(&history, 64));
    for (int i = 0; i < 70000; i++)
        twcc_history_send(&history, 100, i);
    CU_ASSERT_EQUAL(twcc_history_in_flight(&history), 6400);
    uint16_t next = (uint16_t)history.next;
    uint8_t control[32] = {0};
    struct rtcp_packet packet = {
        .type = RTCP_TRANSPORT_FEEDBACK, .count = RTCP_FORMAT_TRANSPORT_WIDE, .body = control, .body_len = 32};
    bytes_put16(control + 10, 65535);
    for (size_t i = 0; i < 8; i++)
        bytes_put16(control + 16 + 2 * i, 0x1fff);
    const struct {
        uint16_t base;
        size_t results;
    } cases[] = {{next, 0}, {(uint16_t)(next - 100), 64}, {(uint16_t)(next + 1000), 0}, {(uint16_t)(next - 64), 0}};
    struct twcc_result results[128];
    for (size_t i = 0; i < 4; i++) {
        bytes_put16(control + 8, cases[i].base);
        bytes_put16(control + 10, 65528);
        struct twcc_reader reader;
        CU_ASSERT_TRUE_FATAL(twcc_read(&reader, &packet));
        CU_ASSERT_EQUAL(twcc_history_results(&history, &reader, results, 128), cases[i].results);
    }
    CU_ASSERT_EQUAL(twcc_history_in_flight(&history), 0);
    twcc_history_clear(&history);
}

/* A receiver may claim any time: half its clock's range forward in each feedback, or backward. */
static void keeps_a_lying_clock_in_bounds(void)
{
    struct twcc_history history;
    CU_ASSERT_TRUE_FATAL(twcc_history_init(&history, 64));
    uint8_t body[20] = {0};
    struct rtcp_packet packet = {
        .type = RTCP_TRANSPORT_FEEDBACK, .count = RTCP_FORMAT_TRANSPORT_WIDE, .body = body, .body_len = sizeof body};
    uint32_t reference = 0;
    bytes_put16(body + 10, 1);
    bytes_put16(body + 16, 0x2001); /* one received, small delta */
    nanos most = 0;
    nanos least = 0;
    for (uint32_t i = 0; i < 80000; i++) {
        reference += i < 40000 ? 0x7fffff : 0x800001; /* of 64 ms */
        struct twcc_reader reader;
        struct twcc_result result;
        bytes_put16(body + 8, (uint16_t)twcc_history_send(&history, 100, i));
        bytes_put32(body + 12, reference << 8);
        CU_ASSERT_TRUE_FATAL(twcc_read(&reader, &packet));
        CU_ASSERT_EQUAL_FATAL(twcc_history_results(&history, &reader, &result, 1), 1);
        most = result.received > most ? result.received : most;
        least = result.received < least ? result.received : least;
    }
    CU_ASSERT_TRUE(least >= 0 && most < NANOS_NEVER / 16);
    twcc_history_clear(&history);
}

/* Random loss both ways against a plain table: what is told last about a packet is what happened to it. */
static void agrees_with_a_table(void)
{
    struct rng rng = rng_of(3, "twcc history", 0);
    static nanos arrival[40000], told[40000];
    struct twcc_history history;
    CU_ASSERT_TRUE_FATAL(twcc_history_init(&history, 1024));
    twcc_recorder_init(&recorder, TWCC_FEEDBACK_INTERVAL);
    nanos now = 0, origin = -1;
    memset(told, 0, sizeof told);
    for (int i = 0; i < 40000; i++) {
        now += (nanos)rng_below(&rng, 4 * NANOS_PER_MS);
        uint64_t sequence = twcc_history_send(&history, 500, now);
        arrival[i] = rng_below(&rng, 10) == 0 ? NANOS_NEVER : now;
        if (arrival[i] != NANOS_NEVER)
            twcc_recorder_add(&recorder, 1, (uint16_t)sequence, now);
        for (size_t len; (len = twcc_recorder_write(&recorder, 1, buf, 300, now)) > 0;) {
            if (rng_below(&rng, 5) == 0)
                continue; /* the feedback is lost */
            struct rtcp_packet packet = packet_of(len);
            struct twcc_reader reader;
            struct twcc_result results[16];
            CU_ASSERT_TRUE_FATAL(twcc_read(&reader, &packet));
            for (size_t count; (count = twcc_history_results(&history, &reader, results, 16)) > 0;) {
                for (size_t k = 0; k < count; k++) {
                    size_t index = (size_t)results[k].sequence - 65536;
                    CU_ASSERT_EQUAL(told[index], 0);
                    told[index] = 1;
                    CU_ASSERT_EQUAL(results[k].received == NANOS_NEVER, arrival[index] == NANOS_NEVER);
                    if (arrival[index] == NANOS_NEVER)
                        continue;
                    nanos offset = results[k].received - arrival[index] / TWCC_TICK * TWCC_TICK;
                    CU_ASSERT_TRUE(origin == -1 || origin == offset);
                    origin = offset;
                }
            }
        }
    }
    size_t count = 0;
    for (int i = 0; i < 40000; i++)
        count += told[i] != 0;
    CU_ASSERT_TRUE(count > 30000 && count < 34000);
    twcc_history_clear(&history);
}

void twcc_test(void)
{
    SUITE("twcc", {"writes the format", writes_the_format}, {"reads the format", reads_the_format},
          {"refuses what does not add up", refuses_what_does_not_add_up}, {"round trips", round_trips},
          {"is compact", is_compact}, {"survives jumps", survives_jumps},
          {"tells what became of packets", tells_what_became_of_packets},
          {"ignores what it never sent", ignores_what_it_never_sent},
          {"keeps a lying clock in bounds", keeps_a_lying_clock_in_bounds},
          {"agrees with a table", agrees_with_a_table});
}
