/* Held against what OpenH264 and x264 write, in packets of GStreamer's rtph264pay. */
#include "rtc/h264.h"

#include <string.h>

#include "tests/support/suite.h"

/* "09 f0" and so on; returns how many bytes. */
static size_t bytes_of(const char *hex, uint8_t *out)
{
    size_t len = 0;
    for (const char *at = hex; at[0] != '\0' && at[1] != '\0'; at += 2) {
        unsigned byte = 0;
        for (int i = 0; i < 2; i++)
            byte = byte << 4 | (unsigned)(at[i] <= '9' ? at[i] - '0' : at[i] - 'a' + 10);
        out[len++] = (uint8_t)byte;
    }
    return len;
}

static struct h264_payload parsed(const char *hex)
{
    uint8_t bytes[200];
    struct h264_payload payload;
    CU_ASSERT_TRUE(h264_parse(&payload, bytes, bytes_of(hex, bytes)));
    return payload;
}

static bool refused(const char *hex)
{
    uint8_t bytes[200];
    struct h264_payload payload;
    return !h264_parse(&payload, bytes, bytes_of(hex, bytes));
}

static void pictures_have_a_size(void)
{
    static const struct {
        const char *sps;
        uint16_t width, height;
    } sets[] = {
        {"6742c01e8c8d405017fcb00f08846a", 640, 360}, /* OpenH264, constrained baseline, cropped */
        {"6742c00d8c8d40a0cbcf00f08846a0", 320, 180},
        {"6742c01f8c8d402802dd00f08846a0", 1280, 720},
        {"6764001facd9405005bb011000000300100000030300f1831960", 1280, 720}, /* x264, high */
    };
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        uint8_t sps[64];
        uint16_t width = 0, height = 0;
        size_t len = bytes_of(sets[i].sps, sps);
        CU_ASSERT_TRUE(h264_parse_sps(sps, len, &width, &height));
        CU_ASSERT_EQUAL(width, sets[i].width);
        CU_ASSERT_EQUAL(height, sets[i].height);
        for (size_t cut = 0; cut < 9; cut++)
            CU_ASSERT_FALSE(h264_parse_sps(sps, cut, &width, &height));
    }
}

static void key_frames_are_told(void)
{
    /* STAP-A: access unit delimiter, sequence and picture parameter sets; then an IDR picture in FU-As. */
    struct h264_payload payload = parsed("78000209f0000f6742c01e8c8d405017fcb00f08846a000468ce3c80");
    CU_ASSERT_TRUE(payload.starts_key_frame);
    CU_ASSERT_EQUAL(payload.height, 360);
    CU_ASSERT_EQUAL(payload.width, 640);
    CU_ASSERT_FALSE(parsed("7c85b800040000053ffffe1e8a00053c").starts_key_frame);
    CU_ASSERT_FALSE(parsed("7c0575d74f5d75d75d75d75d74f5d75d").starts_key_frame);
    /* Single units: a parameter set alone, a picture that isn't a key frame, a delimiter. */
    payload = parsed("6742c00d8c8d40a0cbcf00f08846a0");
    CU_ASSERT_TRUE(payload.starts_key_frame && payload.height == 180);
    CU_ASSERT_FALSE(parsed("61e0004000be4053").starts_key_frame);
    CU_ASSERT_FALSE(parsed("09f0").starts_key_frame);
    /* A set that makes no sense still starts one; its size isn't known. */
    payload = parsed("6742c00d00");
    CU_ASSERT_TRUE(payload.starts_key_frame && payload.height == 0);
}

static void what_is_none_is_refused(void)
{
    CU_ASSERT_TRUE(refused(""));
    CU_ASSERT_TRUE(refused("67"));
    CU_ASSERT_TRUE(refused("e742c01e"));   /* the forbidden bit */
    CU_ASSERT_TRUE(refused("78000309f0")); /* a unit longer than what there is */
    CU_ASSERT_TRUE(refused("780000"));     /* an empty one */
    CU_ASSERT_TRUE(refused("78000209f000"));
    CU_ASSERT_TRUE(refused("7c80"));       /* FU-A of no type */
    CU_ASSERT_TRUE(refused("79000009f0")); /* STAP-B, MTAP, FU-B: packetization mode 2 */
    CU_ASSERT_TRUE(refused("7a0000"));
    CU_ASSERT_TRUE(refused("7d8500"));
    CU_ASSERT_TRUE(refused("7f00"));
}

void h264_test(void)
{
    SUITE("h264", {"pictures have a size", pictures_have_a_size}, {"key frames are told", key_frames_are_told},
          {"what is none is refused", what_is_none_is_refused});
}
