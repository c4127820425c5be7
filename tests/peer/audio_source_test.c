#include "peer/audio_source.h"

#include <string.h>

#include "rtc/frame_trailer.h"
#include "tests/support/suite.h"

static struct audio_source source_of(struct audio_source_config config)
{
    struct audio_source source;
    config.bitrate_bps = config.bitrate_bps > 0 ? config.bitrate_bps : 32000;
    config.conversation = (struct conversation){.seed = 1, .people = 2, .start = config.start};
    audio_source_init(&source, &config);
    return source;
}

/* RFC 6716, section 3.2.5: returns how many bytes the one frame of a code 3 packet has, 0 for a bad packet. */
static size_t opus_frame(const uint8_t *payload, size_t len, const uint8_t **frame)
{
    if (len < 2 || (payload[0] & 3) != 3 || payload[1] != (0x40 | 1))
        return 0;
    size_t at = 2;
    size_t padding = 0;
    uint8_t byte;
    do {
        if (at >= len)
            return 0;
        byte = payload[at++];
        padding += byte == 255 ? 254 : byte;
    } while (byte == 255);
    if (at + padding > len)
        return 0;
    *frame = payload + at;
    return len - padding - at;
}

static void writes_valid_opus(void)
{
    for (size_t len = AUDIO_PAYLOAD_MIN; len <= AUDIO_PAYLOAD_MAX; len++) {
        struct audio_frame audio = {.captured = 123456789, .number = (uint32_t)len, .len = len};
        uint8_t payload[AUDIO_PAYLOAD_MAX];
        CU_ASSERT_EQUAL(audio_frame_write(&audio, payload, len - 1), 0);
        CU_ASSERT_EQUAL_FATAL(audio_frame_write(&audio, payload, sizeof payload), len);
        CU_ASSERT_EQUAL(payload[0] >> 3, 31); /* CELT, full band, 20 ms */
        const uint8_t *frame = payload;
        CU_ASSERT_EQUAL_FATAL(opus_frame(payload, len, &frame), 2);
        CU_ASSERT_EQUAL(memcmp(frame, "\xff\xfe", 2), 0);
        CU_ASSERT_TRUE(frame + 2 <= payload + len - FRAME_TRAILER_LEN);
        struct frame_trailer trailer = {0};
        CU_ASSERT_TRUE(frame_trailer_read(&trailer, payload, len));
        CU_ASSERT_EQUAL(trailer.captured, 123456789);
        CU_ASSERT_EQUAL(trailer.frame_number, len);
    }
}

static void keeps_time_and_rate(void)
{
    struct audio_source source = source_of((struct audio_source_config){.start = 5 * NANOS_PER_MS});
    struct audio_frame frame;
    CU_ASSERT_FALSE(audio_source_next(&source, &frame, 5 * NANOS_PER_MS));
    CU_ASSERT_EQUAL(audio_source_deadline(&source), 25 * NANOS_PER_MS);
    for (uint32_t i = 0; i < 500; i++) {
        CU_ASSERT_TRUE_FATAL(audio_source_next(&source, &frame, 10 * NANOS_PER_S + 5 * NANOS_PER_MS));
        CU_ASSERT_EQUAL(frame.number, i);
        CU_ASSERT_EQUAL(frame.timestamp, i * 960);
        CU_ASSERT_EQUAL(frame.captured, 5 * NANOS_PER_MS + i * AUDIO_FRAME);
        CU_ASSERT_EQUAL(frame.len, 80);
        CU_ASSERT_EQUAL(frame.level == AUDIO_LEVEL_SILENCE, !frame.talking);
        CU_ASSERT_FALSE(frame.marker);
    }
    CU_ASSERT_FALSE(audio_source_next(&source, &frame, 10 * NANOS_PER_S + 5 * NANOS_PER_MS));
    audio_source_set_bitrate(&source, 64000);
    CU_ASSERT_TRUE(audio_source_next(&source, &frame, 11 * NANOS_PER_S));
    CU_ASSERT_EQUAL(frame.len, 160);
}

static void varies(void)
{
    struct audio_source source = source_of((struct audio_source_config){.vbr = true});
    struct audio_frame frame;
    double talking[2] = {0};
    double silent[2] = {0};
    while (audio_source_next(&source, &frame, 300 * NANOS_PER_S)) {
        double *sums = frame.talking ? talking : silent;
        sums[0] += (double)frame.len;
        sums[1]++;
        CU_ASSERT_TRUE(frame.level <= 127);
    }
    CU_ASSERT_EQUAL(talking[1] + silent[1], 15000);
    CU_ASSERT_DOUBLE_EQUAL(talking[0] / talking[1], 80, 1);
    CU_ASSERT_DOUBLE_EQUAL(silent[0] / silent[1], 32, 0.01);
}

static void stops_in_silence(void)
{
    struct audio_source source = source_of((struct audio_source_config){.dtx = true});
    struct audio_frame frame;
    int sent = 0;
    int talking = 0;
    int marked = 0;
    nanos last = 0;
    while (audio_source_next(&source, &frame, 300 * NANOS_PER_S)) {
        nanos gap = frame.captured - last;
        CU_ASSERT_TRUE(gap <= AUDIO_DTX_INTERVAL);
        CU_ASSERT_TRUE(frame.talking || gap == AUDIO_DTX_INTERVAL);
        CU_ASSERT_EQUAL(frame.marker, frame.talking && gap > AUDIO_FRAME);
        CU_ASSERT_EQUAL(frame.timestamp, frame.captured / AUDIO_FRAME * 960);
        CU_ASSERT_EQUAL(frame.number, sent);
        sent++;
        talking += frame.talking;
        marked += frame.marker;
        last = frame.captured;
    }
    CU_ASSERT_TRUE(talking > 5000 && talking < 8000); /* 42 % of 15,000 */
    CU_ASSERT_TRUE(sent < talking + 15000 / 20);
    CU_ASSERT_TRUE(marked > 100);
}

void audio_source_test(void)
{
    SUITE("audio_source", {"writes valid Opus", writes_valid_opus}, {"keeps time and rate", keeps_time_and_rate},
          {"varies", varies}, {"stops in silence", stops_in_silence});
}
