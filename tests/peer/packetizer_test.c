#include "peer/packetizer.h"

#include "rtc/frame_trailer.h"
#include "rtc/vp8.h"
#include "tests/support/suite.h"

static void splits_evenly(void)
{
    struct packetizer packetizer;
    packetizer_init(&packetizer, 1, 1, 1);
    const size_t sizes[] = {0, 40, 41, 1153, 1154, 1155, 1200, 2308, 2309, 13500, 100001, 2000000};
    uint16_t picture_id = 0;
    for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct video_frame frame = {.captured = 1000 + i, .number = i, .size = sizes[i], .key = i % 3 == 0};
        frame.width = 1280;
        frame.height = 720;
        size_t expected = frame.size > VIDEO_FRAME_MIN ? frame.size : VIDEO_FRAME_MIN;
        size_t packets = packetizer_begin(&packetizer, &frame);
        size_t least = SIZE_MAX;
        size_t most = 0;
        size_t sum = 0;
        for (size_t p = 0; p < packets; p++) {
            uint8_t payload[PACKETIZER_PAYLOAD_MAX];
            bool last = false;
            size_t len = packetizer_write(&packetizer, payload, sizeof payload, &last);
            CU_ASSERT_TRUE_FATAL(len > 0 && len <= PACKETIZER_PAYLOAD_MAX);
            CU_ASSERT_EQUAL(last, p == packets - 1);
            struct vp8_descriptor descriptor;
            CU_ASSERT_TRUE_FATAL(vp8_parse(&descriptor, payload, len));
            CU_ASSERT_EQUAL(descriptor.picture_id_bits, 15);
            CU_ASSERT_EQUAL(descriptor.frame_start, p == 0);
            if (p == 0) {
                CU_ASSERT_EQUAL(descriptor.key_frame, frame.key);
                CU_ASSERT_EQUAL(descriptor.width, frame.key ? 1280 : 0);
                CU_ASSERT_EQUAL(descriptor.height, frame.key ? 720 : 0);
                CU_ASSERT_TRUE(i == 0 || descriptor.picture_id == ((picture_id + 1) & 0x7fff));
                picture_id = descriptor.picture_id;
            }
            CU_ASSERT_EQUAL(descriptor.picture_id, picture_id);
            CU_ASSERT_FALSE(descriptor.has_tl0 || descriptor.has_temporal || descriptor.non_reference);
            size_t part = len - descriptor.len;
            least = part < least ? part : least;
            most = part > most ? part : most;
            sum += part;
            struct frame_trailer trailer = {0};
            CU_ASSERT_EQUAL(frame_trailer_read(&trailer, payload, len), last);
            if (last) {
                CU_ASSERT_EQUAL(trailer.captured, frame.captured);
                CU_ASSERT_EQUAL(trailer.frame_number, i);
            }
        }
        CU_ASSERT_EQUAL(sum, expected);
        CU_ASSERT_TRUE(most - least <= 1);
        bool last;
        uint8_t byte;
        CU_ASSERT_EQUAL(packetizer_write(&packetizer, &byte, 1, &last), 0);
    }
}

static void wraps_picture_ids(void)
{
    struct packetizer packetizer;
    packetizer_init(&packetizer, 1, 1, 1);
    packetizer.picture_id = 0x7ffe;
    for (uint16_t i = 0; i < 4; i++) {
        const uint16_t ids[] = {0x7fff, 0, 1, 2};
        uint8_t payload[PACKETIZER_PAYLOAD_MAX];
        bool last;
        struct vp8_descriptor descriptor;
        packetizer_begin(&packetizer, &(struct video_frame){.size = 500});
        size_t len = packetizer_write(&packetizer, payload, sizeof payload, &last);
        CU_ASSERT_TRUE(vp8_parse(&descriptor, payload, len));
        CU_ASSERT_EQUAL(descriptor.picture_id, ids[i]);
    }
}

static void layers_in_time(void)
{
    const uint8_t patterns[][4] = {{0, 1, 0, 1}, {0, 2, 1, 2}};
    const bool syncs[][4] = {{false, true, false, true}, {false, true, true, false}};
    for (uint8_t layers = 2; layers <= 3; layers++) {
        struct packetizer packetizer;
        packetizer_init(&packetizer, layers, 1, 1);
        uint8_t tl0 = packetizer.tl0_picture_index;
        for (int i = 0; i < 42; i++) {
            /* A key frame begins the pattern anew. */
            int phase = i < 21 ? i % 4 : (i - 21) % 4;
            uint8_t payload[PACKETIZER_PAYLOAD_MAX];
            bool last;
            struct vp8_descriptor descriptor;
            packetizer_begin(&packetizer, &(struct video_frame){.size = 500, .key = i % 21 == 0});
            size_t len = packetizer_write(&packetizer, payload, sizeof payload, &last);
            CU_ASSERT_TRUE_FATAL(vp8_parse(&descriptor, payload, len));
            uint8_t temporal = patterns[layers - 2][phase];
            tl0 = (uint8_t)(tl0 + (temporal == 0));
            CU_ASSERT_EQUAL(descriptor.temporal, temporal);
            CU_ASSERT_EQUAL(descriptor.tl0_picture_index, tl0);
            CU_ASSERT_EQUAL(descriptor.layer_sync, syncs[layers - 2][phase]);
            CU_ASSERT_EQUAL(descriptor.non_reference, temporal == layers - 1);
        }
    }
}

void packetizer_test(void)
{
    SUITE("packetizer", {"splits evenly", splits_evenly}, {"wraps picture IDs", wraps_picture_ids},
          {"layers in time", layers_in_time});
}
