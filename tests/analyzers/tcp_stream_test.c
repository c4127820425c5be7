#include "analyzers/tcp_stream.h"

#include <string.h>

#include "analyzers/table.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "rtc/stun.h"
#include "tests/support/suite.h"

#define FRAMES_MAX (4 * TCP_STREAM_PENDING)

/* What came out: each frame's length and the sum of its bytes. */
struct frames {
    size_t count;
    size_t len[FRAMES_MAX];
    size_t captured[FRAMES_MAX];
    uint32_t sum[FRAMES_MAX];
};

static void take(void *user, const uint8_t *data, size_t captured, size_t len)
{
    struct frames *frames = user;
    CU_ASSERT_FATAL(frames->count < FRAMES_MAX);
    frames->len[frames->count] = len;
    frames->captured[frames->count] = captured;
    frames->sum[frames->count] = 0;
    for (size_t i = 0; i < captured; i++)
        frames->sum[frames->count] += data[i] * (uint32_t)(i + 1);
    frames->count++;
}

static uint32_t sum_of(const uint8_t *data, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += data[i] * (uint32_t)(i + 1);
    return sum;
}

/* STUN, ChannelData of every padding, STUN again; returns the length, and the frames as they should come out. */
static size_t turn_bytes(uint8_t *out, struct frames *expected)
{
    static const uint8_t id[STUN_TRANSACTION_ID_LEN] = "transaction";
    *expected = (struct frames){0};
    size_t at = 0;
    for (int i = 0; i < 10; i++) {
        size_t len;
        if (i % 5 == 0) {
            struct stun_builder builder;
            stun_begin(&builder, out + at, 200, STUN_REQUEST, STUN_REFRESH, id);
            stun_put_u32(&builder, STUN_ATTR_LIFETIME, 600);
            len = stun_finish(&builder);
        } else {
            size_t payload = (size_t)(20 + i);
            bytes_put16(out + at, 0x4000);
            bytes_put16(out + at + 2, (uint16_t)payload);
            for (size_t b = 0; b < payload + 3; b++)
                out[at + 4 + b] = (uint8_t)(i * 16 + (int)b);
            len = 4 + payload;
        }
        expected->len[expected->count] = len;
        expected->sum[expected->count++] = sum_of(out + at, len);
        at += (len + 3) & ~(size_t)3;
    }
    return at;
}

static void feed(struct tcp_streams *streams, uint32_t stream, enum flow_framing framing, const uint8_t *data,
                 uint32_t sequence, size_t captured, size_t len, struct frames *frames)
{
    uint8_t *exact = malloc(captured + 1);
    memcpy(exact, data, captured);
    struct packet packet = {.sequence = sequence, .data = exact, .captured_len = captured, .len = len};
    tcp_streams_read(streams, stream, 0, framing, &packet, take, frames);
    free(exact);
}

static void expect_same(const struct frames *got, const struct frames *expected)
{
    CU_ASSERT_EQUAL_FATAL(got->count, expected->count);
    for (size_t i = 0; i < got->count; i++) {
        CU_ASSERT_EQUAL(got->len[i], expected->len[i]);
        CU_ASSERT_EQUAL(got->captured[i], expected->len[i]);
        CU_ASSERT_EQUAL(got->sum[i], expected->sum[i]);
    }
}

static void cuts_frames_out_of_any_segments(void)
{
    uint8_t bytes[1000];
    struct frames expected;
    size_t len = turn_bytes(bytes, &expected);
    for (size_t step = 1; step <= len; step++) {
        struct tcp_streams streams = {0};
        uint32_t stream = tcp_streams_add(&streams);
        struct frames frames = {0};
        uint32_t start = 0xffffff00; /* sequence numbers wrap on the way */
        /* the first segment is long enough to be recognised, as tcp_stream_framing asks */
        size_t first = step > 28 ? step : 28;
        feed(&streams, stream, FLOW_TURN, bytes, start, first, first, &frames);
        for (size_t at = first; at < len; at += step) {
            size_t take_len = len - at < step ? len - at : step;
            feed(&streams, stream, FLOW_TURN, bytes + at, start + (uint32_t)at, take_len, take_len, &frames);
        }
        expect_same(&frames, &expected);
        tcp_streams_clear(&streams);
    }
}

static void takes_segments_in_any_order_and_more_than_once(void)
{
    uint8_t bytes[1000];
    struct frames expected;
    size_t len = turn_bytes(bytes, &expected);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct rng rng = rng_of(seed, "segments", 0);
        struct tcp_streams streams = {0};
        uint32_t stream = tcp_streams_add(&streams);
        struct frames frames = {0};
        feed(&streams, stream, FLOW_TURN, bytes, 100, 30, 30, &frames);
        bool sent[12] = {0};
        size_t segments = 12;
        size_t size = (len - 30 + segments - 1) / segments;
        for (size_t left = segments; left > 0;) {
            size_t which = (size_t)rng_below(&rng, segments);
            left -= !sent[which];
            sent[which] = true;
            size_t from = 30 + which * size;
            size_t to = from + size < len ? from + size : len;
            /* reaching a little into what was sent before it */
            size_t overlap = (size_t)rng_below(&rng, 10);
            feed(&streams, stream, FLOW_TURN, bytes + from - overlap, (uint32_t)(100 + from - overlap),
                 to - from + overlap, to - from + overlap, &frames);
        }
        expect_same(&frames, &expected);
        tcp_streams_clear(&streams);
        CU_ASSERT_EQUAL(streams.memory, 0);
    }
}

static void finds_its_way_after_a_gap(void)
{
    uint8_t bytes[1000];
    struct frames expected;
    size_t len = turn_bytes(bytes, &expected);
    struct tcp_streams streams = {0};
    uint32_t stream = tcp_streams_add(&streams);
    struct frames frames = {0};
    feed(&streams, stream, FLOW_TURN, bytes, 0, 40, 40, &frames);
    CU_ASSERT_EQUAL(frames.count, 1);
    /* the rest of the second frame never comes; later segments are held, and then the gap is given up */
    uint32_t at = 5000;
    for (int i = 0; i < 3 * TCP_STREAM_PENDING; i++) {
        feed(&streams, stream, FLOW_TURN, bytes, at, 28, 28, &frames);
        at += 28;
    }
    CU_ASSERT_EQUAL(frames.count, 1 + 3 * TCP_STREAM_PENDING);
    CU_ASSERT_EQUAL(frames.sum[20], expected.sum[0]);
    tcp_streams_clear(&streams);

    /* what was captured short: the frame comes with what there is of it, and the next one is found */
    stream = tcp_streams_add(&streams);
    frames = (struct frames){0};
    feed(&streams, stream, FLOW_TURN, bytes, 0, 40, len, &frames);
    feed(&streams, stream, FLOW_TURN, bytes, (uint32_t)len, 28, 28, &frames);
    CU_ASSERT(frames.count >= 2);
    CU_ASSERT_EQUAL(frames.sum[0], expected.sum[0]);
    CU_ASSERT_EQUAL(frames.len[1], expected.len[1]);
    CU_ASSERT_EQUAL(frames.captured[1], 12);
    CU_ASSERT_EQUAL(frames.sum[frames.count - 1], expected.sum[0]);
    tcp_streams_clear(&streams);
}

static void reads_frames_with_a_length_in_front(void)
{
    uint8_t bytes[400];
    size_t len = 0;
    struct frames expected = {0};
    for (int i = 0; i < 12; i++) {
        size_t payload = (size_t)(i * 3 + 1);
        bytes_put16(bytes + len, (uint16_t)payload);
        memset(bytes + len + 2, i + 1, payload);
        expected.len[expected.count] = payload;
        expected.sum[expected.count++] = sum_of(bytes + len + 2, payload);
        len += 2 + payload;
    }
    for (size_t step = 1; step < len; step++) {
        struct tcp_streams streams = {0};
        uint32_t stream = tcp_streams_add(&streams);
        struct frames frames = {0};
        size_t first = step > 3 ? step : 3;
        feed(&streams, stream, FLOW_LENGTH_PREFIX, bytes, 1, first, first, &frames);
        for (size_t at = first; at < len; at += step) {
            size_t take_len = len - at < step ? len - at : step;
            feed(&streams, stream, FLOW_LENGTH_PREFIX, bytes + at, (uint32_t)(1 + at), take_len, take_len, &frames);
        }
        expect_same(&frames, &expected);
        tcp_streams_clear(&streams);
    }
}

static void keeps_within_its_memory(void)
{
    uint8_t bytes[1000];
    struct frames expected;
    turn_bytes(bytes, &expected);
    static uint8_t filler[60000];
    struct tcp_streams streams = {0};
    struct frames frames = {0};
    uint32_t added = 0;
    for (int i = 0; i < 20000; i++) { /* connections with a gap each, and much behind it */
        uint32_t stream = tcp_streams_add(&streams);
        CU_ASSERT(streams.memory <= TCP_STREAMS_MEMORY);
        if (stream == TABLE_NONE)
            break;
        added++;
        feed(&streams, stream, FLOW_TURN, bytes, 0, 40, 40, &frames);
        frames.count = 0;
        feed(&streams, stream, FLOW_TURN, filler, 1000, sizeof filler, sizeof filler, &frames);
    }
    CU_ASSERT(added > 100);
    CU_ASSERT(streams.memory <= TCP_STREAMS_MEMORY);
    tcp_streams_clear(&streams);
    CU_ASSERT_EQUAL(streams.memory, 0);
}

static void tells_what_a_connection_carries(void)
{
    uint8_t bytes[1000];
    struct frames expected;
    turn_bytes(bytes, &expected);
    CU_ASSERT_EQUAL(tcp_stream_framing(bytes, 28), FLOW_TURN);
    uint8_t prefixed[100];
    bytes_put16(prefixed, 28);
    memcpy(prefixed + 2, bytes, 28);
    CU_ASSERT_EQUAL(tcp_stream_framing(prefixed, 30), FLOW_LENGTH_PREFIX);
    static const uint8_t hello[] = {22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    CU_ASSERT_EQUAL(tcp_stream_framing(hello, sizeof hello), FLOW_TLS);
    CU_ASSERT_EQUAL(tcp_stream_framing((const uint8_t *)"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", 37), FLOW_OTHER);
    CU_ASSERT_EQUAL(tcp_stream_framing(bytes, 3), FLOW_OTHER);
}

void tcp_stream_test(void);
void tcp_stream_test(void)
{
    SUITE("tcp_stream", {"cuts frames out of any segments", cuts_frames_out_of_any_segments},
          {"takes segments in any order and more than once", takes_segments_in_any_order_and_more_than_once},
          {"finds its way after a gap", finds_its_way_after_a_gap},
          {"reads frames with a length in front", reads_frames_with_a_length_in_front},
          {"keeps within its memory", keeps_within_its_memory},
          {"tells what a connection carries", tells_what_a_connection_carries});
}
