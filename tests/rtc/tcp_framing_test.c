#include "rtc/tcp_framing.h"

#include <string.h>

#include "tests/support/suite.h"

static size_t put(uint8_t *at, size_t len, int fill)
{
    tcp_framing_header(at, len);
    memset(at + TCP_FRAME_HEADER_LEN, fill, len);
    return TCP_FRAME_HEADER_LEN + len;
}

static void whole_datagrams_come_out_of_any_pieces(void)
{
    static const size_t lengths[] = {20, 0, 1, 1200, TCP_FRAME_MAX, 3};
    enum { COUNT = sizeof lengths / sizeof lengths[0] };
    uint8_t stream[5000];
    size_t len = 0;
    for (size_t i = 0; i < COUNT; i++)
        len += put(stream + len, lengths[i], (int)('a' + i));
    for (size_t piece = 1; piece <= len; piece = piece * 3 / 2 + 1) {
        struct tcp_framing framing = {0};
        size_t seen = 0;
        for (size_t at = 0; at < len; at += piece) {
            uint8_t *frame;
            size_t frame_len;
            CU_ASSERT_TRUE_FATAL(tcp_framing_add(&framing, stream + at, len - at < piece ? len - at : piece));
            while (tcp_framing_next(&framing, &frame, &frame_len) == 1) {
                CU_ASSERT_TRUE_FATAL(seen < COUNT);
                CU_ASSERT_EQUAL(frame_len, lengths[seen]);
                CU_ASSERT_TRUE(frame_len == 0 || (frame[0] == 'a' + seen && frame[frame_len - 1] == 'a' + seen));
                seen++;
            }
            CU_ASSERT_TRUE(framing.tail - framing.head < TCP_FRAME_HEADER_LEN + TCP_FRAME_MAX);
        }
        CU_ASSERT_EQUAL(seen, COUNT);
        tcp_framing_clear(&framing);
    }
}

static void what_is_too_long_ends_the_stream(void)
{
    struct tcp_framing framing = {0};
    uint8_t *frame;
    size_t len;
    uint8_t header[TCP_FRAME_HEADER_LEN];
    tcp_framing_header(header, TCP_FRAME_MAX + 1);
    CU_ASSERT_TRUE(tcp_framing_add(&framing, header, 1));
    CU_ASSERT_EQUAL(tcp_framing_next(&framing, &frame, &len), 0);
    CU_ASSERT_TRUE(tcp_framing_add(&framing, header + 1, 1));
    CU_ASSERT_EQUAL(tcp_framing_next(&framing, &frame, &len), -1);
    tcp_framing_clear(&framing);
}

static void memory_is_given_back(void)
{
    static uint8_t stream[65536];
    struct tcp_framing framing = {0};
    uint8_t *frame;
    size_t len = 0, frame_len;
    while (len + 1002 <= sizeof stream)
        len += put(stream + len, 1000, 'x');
    CU_ASSERT_TRUE(tcp_framing_add(&framing, stream, len));
    CU_ASSERT_TRUE(framing.cap >= len);
    while (tcp_framing_next(&framing, &frame, &frame_len) == 1)
        CU_ASSERT_EQUAL(frame_len, 1000);
    CU_ASSERT_TRUE(tcp_framing_add(&framing, stream, 10));
    CU_ASSERT_TRUE(framing.cap <= 512);
    tcp_framing_clear(&framing);
}

void tcp_framing_test(void)
{
    SUITE("tcp_framing", {"whole datagrams come out of any pieces", whole_datagrams_come_out_of_any_pieces},
          {"what is too long ends the stream", what_is_too_long_ends_the_stream},
          {"memory is given back", memory_is_given_back});
}
