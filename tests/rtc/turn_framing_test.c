#include "rtc/turn_framing.h"

#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "rtc/stun.h"
#include "tests/support/suite.h"

static const uint8_t ID[STUN_TRANSACTION_ID_LEN] = "abcdefghijk";

static size_t put_stun(uint8_t *at, size_t cap, size_t text_len)
{
    struct stun_builder builder;
    stun_begin(&builder, at, cap, STUN_INDICATION, STUN_DATA, ID);
    memset(stun_put_room(&builder, STUN_ATTR_DATA, text_len), 's', text_len);
    return stun_finish(&builder);
}

static size_t put_channel(uint8_t *at, uint16_t channel, size_t len)
{
    bytes_put16(at, channel);
    bytes_put16(at + 2, (uint16_t)len);
    memset(at + 4, 'c', len);
    memset(at + 4 + len, 0, 3);
    return turn_channel_padded_len(len);
}

static void whole_messages_come_out_of_any_pieces(void)
{
    static uint8_t stream[70000];
    size_t len = 0;
    len += put_stun(stream + len, 200, 5);
    len += put_channel(stream + len, 0x4000, 7);
    len += put_channel(stream + len, 0x4fff, 0);
    len += put_stun(stream + len, 2000, 1200);
    len += put_channel(stream + len, 0x4001, 1000);
    for (size_t piece = 1; piece < 2400; piece = piece * 3 / 2 + 1) {
        struct turn_framing framing = {0};
        size_t expected[] = {32, 11, 4, 1224, 1004};
        size_t seen = 0;
        for (size_t at = 0; at < len; at += piece) {
            const uint8_t *message;
            size_t message_len;
            CU_ASSERT_TRUE_FATAL(turn_framing_add(&framing, stream + at, len - at < piece ? len - at : piece));
            while (turn_framing_next(&framing, &message, &message_len) == 1) {
                CU_ASSERT_TRUE_FATAL(seen < 5);
                CU_ASSERT_EQUAL(message_len, expected[seen]);
                struct stun_message stun;
                CU_ASSERT_EQUAL(stun_parse(&stun, message, message_len, NULL), seen == 0 || seen == 3);
                seen++;
            }
        }
        CU_ASSERT_EQUAL(seen, 5);
        turn_framing_clear(&framing);
    }
}

static void the_longest_messages_pass(void)
{
    static uint8_t stream[140000];
    size_t len = put_channel(stream, 0x4abc, 65535);
    size_t second = put_stun(stream + len, 66000, 65000);
    struct turn_framing framing = {0};
    const uint8_t *message;
    size_t message_len;
    CU_ASSERT_TRUE(turn_framing_add(&framing, stream, len + second));
    CU_ASSERT_EQUAL(turn_framing_next(&framing, &message, &message_len), 1);
    CU_ASSERT_EQUAL(message_len, 65539);
    CU_ASSERT_EQUAL(turn_framing_next(&framing, &message, &message_len), 1);
    CU_ASSERT_EQUAL(message_len, second);
    CU_ASSERT_EQUAL(turn_framing_next(&framing, &message, &message_len), 0);
    /* A buffer that a burst made large is not kept. */
    CU_ASSERT_PTR_NOT_NULL(turn_framing_room(&framing, 100));
    CU_ASSERT_TRUE(framing.cap <= 4096);
    turn_framing_clear(&framing);
}

static void old_channel_numbers_pass_where_they_are_wanted(void)
{
    struct turn_framing framing = {.channel_max = TURN_CHANNEL_MAX_RFC5766};
    const uint8_t *message;
    size_t len;
    CU_ASSERT_TRUE(turn_framing_add(&framing, (const uint8_t *)"\x7f\xff\x00\x00\x80\x00\x00\x00", 8));
    CU_ASSERT_EQUAL(turn_framing_next(&framing, &message, &len), 1);
    CU_ASSERT_EQUAL(turn_framing_next(&framing, &message, &len), -1);
    turn_framing_clear(&framing);
    CU_ASSERT_EQUAL(framing.channel_max, TURN_CHANNEL_MAX_RFC5766);
}

static int first_verdict(const uint8_t *data, size_t len)
{
    struct turn_framing framing = {0};
    const uint8_t *message;
    size_t message_len;
    turn_framing_add(&framing, data, len);
    int verdict = turn_framing_next(&framing, &message, &message_len);
    turn_framing_clear(&framing);
    return verdict;
}

static void what_is_neither_ends_the_stream(void)
{
    CU_ASSERT_EQUAL(first_verdict((const uint8_t *)"GET / HTTP/1.1\r\n", 16), 0); /* 'G' is a channel's first byte */
    CU_ASSERT_EQUAL(first_verdict((const uint8_t *)"\x50\x00\x00\x00", 4), -1);   /* reserved: RFC 8656, section 12 */
    CU_ASSERT_EQUAL(first_verdict((const uint8_t *)"\x16\x03\x01\x00\xf4\x01\x00\x00", 8), -1); /* TLS */
    CU_ASSERT_EQUAL(first_verdict((const uint8_t *)"\x00\x01\x00\x02", 4), -1); /* length not a multiple of 4 */
    CU_ASSERT_EQUAL(first_verdict((const uint8_t *)"\x00\x01\x00\x04\x21\x12\xa4\x43", 8), -1); /* cookie */
    CU_ASSERT_EQUAL(first_verdict((const uint8_t *)"\x00\x01\xff\xfd", 4), -1);
    CU_ASSERT_EQUAL(first_verdict((const uint8_t *)"\x00\x01", 2), 0);
}

void turn_framing_test(void)
{
    SUITE("turn_framing", {"whole messages come out of any pieces", whole_messages_come_out_of_any_pieces},
          {"the longest messages pass", the_longest_messages_pass},
          {"old channel numbers pass where they are wanted", old_channel_numbers_pass_where_they_are_wanted},
          {"what is neither ends the stream", what_is_neither_ends_the_stream});
}
