#include "rtc/rtx.h"

#include <string.h>

#include "base/rng.h"
#include "tests/support/suite.h"

static void wraps_and_unwraps(void)
{
    struct rng rng = rng_of(1, "rtx", 0);
    struct rtx_stream stream = {.ssrc = 0xfeed, .payload_type = 97, .next_sequence = 65530};
    for (int round = 0; round < 200; round++) {
        uint8_t original[1400], wrapped[1500], payload[1000];
        const struct rtp_extension extension = {.id = 3, .len = 2, .value = (const uint8_t *)"xy"};
        const uint32_t csrcs[] = {1, 2};
        const struct rtp_header header = {.payload_type = 96,
                                          .marker = round % 2 != 0,
                                          .sequence = (uint16_t)rng_u32(&rng),
                                          .timestamp = rng_u32(&rng),
                                          .ssrc = 0xbeef,
                                          .csrc_count = (uint8_t)(round % 3),
                                          .csrcs = csrcs};
        size_t head_len = rtp_write_header(original, sizeof original, &header, &extension, (size_t)(round % 5 != 0));
        size_t payload_len = 1 + rng_below(&rng, sizeof payload);
        rng_bytes(&rng, payload, payload_len);
        memcpy(original + head_len, payload, payload_len);
        size_t len = head_len + payload_len;
        size_t padded = round % 4 == 0 ? rtp_write_padding(original, len, sizeof original, 7) : len;
        struct rtp_packet packet;
        CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, original, padded, RTP_CLEAR));
        uint16_t sequence = stream.next_sequence;
        size_t wrapped_len = rtx_wrap(&stream, &packet, wrapped, sizeof wrapped);
        CU_ASSERT_EQUAL_FATAL(wrapped_len, len + 2); /* RFC 4588, section 4: padding is removed */
        CU_ASSERT_EQUAL(stream.next_sequence, (uint16_t)(sequence + 1));
        CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, wrapped, wrapped_len, RTP_CLEAR));
        CU_ASSERT_TRUE(packet.ssrc == 0xfeed && packet.payload_type == 97 && packet.sequence == sequence);
        CU_ASSERT_TRUE(packet.timestamp == header.timestamp && packet.marker == header.marker);
        CU_ASSERT_EQUAL(bytes_get16(packet.payload), header.sequence);

        size_t unwrapped_len;
        uint8_t *unwrapped = rtx_unwrap(&packet, 0xbeef, 96, &unwrapped_len);
        CU_ASSERT_PTR_NOT_NULL_FATAL(unwrapped);
        CU_ASSERT_EQUAL_FATAL(unwrapped_len, len);
        original[0] &= 0xdf; /* without the P bit the original is back, byte by byte */
        CU_ASSERT_EQUAL(memcmp(unwrapped, original, len), 0);
    }
}

static void refuses_what_holds_no_original(void)
{
    uint8_t data[64];
    struct rtx_stream stream = {.ssrc = 1, .payload_type = 97};
    struct rtp_packet packet;
    size_t len = rtp_write_header(data, sizeof data, &(struct rtp_header){.payload_type = 97, .ssrc = 1}, NULL, 0);
    size_t unwrapped_len;
    for (size_t payload_len = 0; payload_len <= 3; payload_len++) {
        memset(data + len, 0, 4);
        CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, len + payload_len, RTP_CLEAR));
        CU_ASSERT_EQUAL(rtx_unwrap(&packet, 2, 96, &unwrapped_len) != NULL, payload_len == 3);
        data[0] = 0x80;
    }
    uint8_t small[15];
    CU_ASSERT_EQUAL(rtx_wrap(&stream, &packet, small, sizeof small), 0);
    CU_ASSERT_EQUAL(stream.next_sequence, 0);
}

void rtx_test(void)
{
    SUITE("rtx", {"wraps and unwraps", wraps_and_unwraps},
          {"refuses what holds no original", refuses_what_holds_no_original});
}
