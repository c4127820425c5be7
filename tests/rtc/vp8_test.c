#include "rtc/vp8.h"

#include <string.h>

#include "base/rng.h"
#include "tests/support/suite.h"

/* RFC 7741, section 4.6: the examples. */
static void reads_the_examples(void)
{
    struct vp8_descriptor descriptor;
    const uint8_t key_frame[] = {0x90, 0x80, 17, 0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x01};
    CU_ASSERT_TRUE_FATAL(vp8_parse(&descriptor, key_frame, sizeof key_frame));
    CU_ASSERT_TRUE(descriptor.start && descriptor.frame_start && descriptor.key_frame);
    CU_ASSERT_TRUE(descriptor.picture_id_bits == 7 && descriptor.picture_id == 17);
    CU_ASSERT_EQUAL(descriptor.len, 3);
    CU_ASSERT_TRUE(descriptor.width == 0x280 && descriptor.height == 480); /* the scale's bits aren't the width's */

    const uint8_t interframe[] = {0x10, 0x11, 0, 0};
    CU_ASSERT_TRUE_FATAL(vp8_parse(&descriptor, interframe, sizeof interframe));
    CU_ASSERT_TRUE(descriptor.frame_start && !descriptor.key_frame && descriptor.picture_id_bits == 0);
    CU_ASSERT_EQUAL(descriptor.len, 1);

    const uint8_t second_partition[] = {0x91, 0x80, 17, 0x10};
    CU_ASSERT_TRUE_FATAL(vp8_parse(&descriptor, second_partition, sizeof second_partition));
    CU_ASSERT_TRUE(descriptor.start && !descriptor.frame_start && !descriptor.key_frame && descriptor.partition == 1);

    const uint8_t long_id[] = {0x90, 0x80, 0x92, 0x34, 0x11}; /* 15 bits */
    CU_ASSERT_TRUE_FATAL(vp8_parse(&descriptor, long_id, sizeof long_id));
    CU_ASSERT_TRUE(descriptor.picture_id_bits == 15 && descriptor.picture_id == 0x1234 && descriptor.len == 4);
}

static void refuses_what_is_cut_off(void)
{
    const uint8_t data[] = {0xb3, 0xf0, 0x81, 0x02, 0x55, 0xa7, 0x01};
    struct vp8_descriptor descriptor;
    for (size_t len = 0; len < sizeof data; len++)
        CU_ASSERT_FALSE(vp8_parse(&descriptor, data, len));
    CU_ASSERT_TRUE_FATAL(vp8_parse(&descriptor, data, sizeof data));
    CU_ASSERT_TRUE(descriptor.non_reference && descriptor.partition == 3 && descriptor.picture_id == 0x102);
    CU_ASSERT_TRUE(descriptor.has_tl0 && descriptor.tl0_picture_index == 0x55);
    CU_ASSERT_TRUE(descriptor.has_temporal && descriptor.temporal == 2 && descriptor.layer_sync);
    CU_ASSERT_TRUE(descriptor.has_key_index && descriptor.key_index == 7);
}

static bool same_numbers(const struct vp8_descriptor *a, const struct vp8_descriptor *b)
{
    return a->non_reference == b->non_reference && a->start == b->start && a->partition == b->partition &&
           a->picture_id_bits == b->picture_id_bits && a->picture_id == b->picture_id && a->has_tl0 == b->has_tl0 &&
           a->tl0_picture_index == b->tl0_picture_index && a->has_temporal == b->has_temporal &&
           a->temporal == b->temporal && a->layer_sync == b->layer_sync && a->has_key_index == b->has_key_index &&
           a->key_index == b->key_index;
}

/* Every combination of fields comes back, and can be rewritten without anything else changing. */
static void writes_and_rewrites(void)
{
    struct rng rng = rng_of(1, "vp8", 0);
    for (int round = 0; round < 3000; round++) {
        const uint8_t widths[] = {0, 7, 15};
        struct vp8_descriptor wanted = {
            .non_reference = rng_below(&rng, 2) != 0,
            .start = rng_below(&rng, 2) != 0,
            .partition = (uint8_t)rng_below(&rng, 8),
            .picture_id_bits = widths[rng_below(&rng, 3)],
            .has_tl0 = rng_below(&rng, 2) != 0,
            .has_temporal = rng_below(&rng, 2) != 0,
            .has_key_index = rng_below(&rng, 2) != 0,
        };
        wanted.picture_id = (uint16_t)rng_below(&rng, 1u << wanted.picture_id_bits);
        wanted.tl0_picture_index = wanted.has_tl0 ? (uint8_t)rng_u32(&rng) : 0;
        wanted.temporal = wanted.has_temporal ? (uint8_t)rng_below(&rng, 4) : 0;
        wanted.layer_sync = wanted.has_temporal && rng_below(&rng, 2) != 0;
        wanted.key_index = wanted.has_key_index ? (uint8_t)rng_below(&rng, 32) : 0;
        uint8_t payload[VP8_DESCRIPTOR_MAX + 1];
        size_t len = vp8_write(payload, VP8_DESCRIPTOR_MAX, &wanted);
        CU_ASSERT_TRUE_FATAL(len > 0 && len <= VP8_DESCRIPTOR_MAX);
        CU_ASSERT_EQUAL(vp8_write(payload, len - 1, &wanted), 0);
        vp8_write(payload, len, &wanted);
        payload[len] = 0x11;
        struct vp8_descriptor read;
        CU_ASSERT_TRUE_FATAL(vp8_parse(&read, payload, len + 1));
        CU_ASSERT_EQUAL(read.len, len);
        CU_ASSERT_TRUE(same_numbers(&read, &wanted));

        const struct vp8_numbers numbers = {
            .picture_id = (uint16_t)rng_below(&rng, 1u << 15),
            .tl0_picture_index = (uint8_t)rng_u32(&rng),
            .key_index = (uint8_t)rng_below(&rng, 32),
        };
        vp8_rewrite(payload, &read, &numbers);
        wanted.picture_id = numbers.picture_id & (uint16_t)((1u << wanted.picture_id_bits) - 1);
        wanted.tl0_picture_index = wanted.has_tl0 ? numbers.tl0_picture_index : 0;
        wanted.key_index = wanted.has_key_index ? numbers.key_index : 0;
        CU_ASSERT_TRUE_FATAL(vp8_parse(&read, payload, len + 1));
        CU_ASSERT_EQUAL(read.len, len);
        CU_ASSERT_TRUE(same_numbers(&read, &wanted));
        CU_ASSERT_EQUAL(payload[len], 0x11);
    }
}

void vp8_test(void)
{
    SUITE("vp8", {"reads the examples", reads_the_examples}, {"refuses what is cut off", refuses_what_is_cut_off},
          {"writes and rewrites", writes_and_rewrites});
}
