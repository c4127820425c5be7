/* Clips as other people's decoders see them: libvpx and libopus. */
#include "peer/clip.h"

#include <math.h>
#include <string.h>

#include <opus/opus.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>

#include "base/rng.h"
#include "peer/audio_source.h"
#include "peer/packetizer.h"
#include "peer/screen_source.h"
#include "peer/video_source.h"
#include "rtc/frame_buffer.h"
#include "rtc/frame_trailer.h"
#include "tests/support/suite.h"

enum { SLIDES = 4, FRAMES = 120, FPS = 30, KEY_INTERVAL = 60, VOICE_FRAMES = 200, FRAME_CAP = 200000, BLUE = 2 };

/* --- pictures -------------------------------------------------------------------------------------------------------------- */

static vpx_codec_ctx_t decoder_open(void)
{
    vpx_codec_ctx_t decoder;
    CU_ASSERT_EQUAL_FATAL(vpx_codec_dec_init(&decoder, vpx_codec_vp8_dx(), NULL, 0), VPX_CODEC_OK);
    return decoder;
}

static uint64_t hash_plane(uint64_t hash, const uint8_t *at, int stride, unsigned width, unsigned height)
{
    for (unsigned y = 0; y < height; y++, at += stride) {
        for (unsigned x = 0; x + 8 <= width; x += 8) {
            uint64_t word;
            memcpy(&word, at + x, sizeof word);
            hash = (hash ^ word) * 0x9e3779b97f4a7c15;
            hash ^= hash >> 29;
        }
    }
    return hash;
}

/* Decodes a frame and returns a hash of the picture; 0 when there is none, or a decoder's complaint. */
static uint64_t decode(vpx_codec_ctx_t *decoder, const uint8_t *data, size_t len, unsigned *height)
{
    vpx_codec_iter_t iter = NULL;
    int corrupted = 1;
    if (vpx_codec_decode(decoder, data, (unsigned)len, NULL, 0) != VPX_CODEC_OK)
        return 0;
    const vpx_image_t *image = vpx_codec_get_frame(decoder, &iter);
    if (image == NULL || vpx_codec_control(decoder, VP8D_GET_FRAME_CORRUPTED, &corrupted) != VPX_CODEC_OK || corrupted)
        return 0;
    *height = image->d_h;
    uint64_t hash = hash_plane(1, image->planes[0], image->stride[0], image->d_w, image->d_h);
    hash = hash_plane(hash, image->planes[1], image->stride[1], image->d_w / 2, image->d_h / 2);
    return hash_plane(hash, image->planes[2], image->stride[2], image->d_w / 2, image->d_h / 2);
}

static void plays_in_a_loop(void)
{
    for (uint32_t person = 0; person < CLIP_PEOPLE; person++) {
        for (size_t size = 0; size < CLIP_SIZES; size++) {
            struct clip_player player;
            struct clip_frame frame;
            struct clip_frame first = {0};
            CU_ASSERT_TRUE_FATAL(clip_open(&player, clip_picture(person, size), 0));
            for (uint32_t i = 0; i <= FRAMES; i++) {
                CU_ASSERT_TRUE_FATAL(clip_next(&player, false, &frame));
                CU_ASSERT_EQUAL(frame.number, i % FRAMES);
                CU_ASSERT_EQUAL(frame.key, i % KEY_INTERVAL == 0);
                if (i == 0)
                    first = frame;
            }
            CU_ASSERT_PTR_EQUAL(frame.data, first.data);
            CU_ASSERT_TRUE(clip_next(&player, true, &frame) && frame.key && frame.number == KEY_INTERVAL);
            CU_ASSERT_TRUE(clip_next(&player, true, &frame) && frame.key && frame.number == 0);
            CU_ASSERT_TRUE(clip_open(&player, clip_picture(person, size), 61));
            CU_ASSERT_TRUE(clip_next(&player, false, &frame) && frame.number == 61 && !frame.key);
            CU_ASSERT_TRUE(clip_open(&player, clip_picture(person, size), 500));
            CU_ASSERT_TRUE(clip_next(&player, false, &frame) && frame.number == 0);
        }
        CU_ASSERT_PTR_EQUAL(clip_picture(person, 0).data, clip_picture(person + CLIP_PEOPLE, 0).data);
    }
}

/* Five people look different, and each moves: the mean of the color and what changes from frame to frame. */
static void shows_people(void)
{
    double hue[CLIP_PEOPLE][2];
    for (uint32_t person = 0; person < CLIP_PEOPLE; person++) {
        vpx_codec_ctx_t decoder = decoder_open();
        struct clip_player player;
        struct clip_frame frame;
        uint64_t before = 0;
        unsigned height = 0;
        CU_ASSERT_TRUE_FATAL(clip_open(&player, clip_picture(person, 0), 0));
        for (int i = 0; i < FRAMES; i++) {
            CU_ASSERT_TRUE_FATAL(clip_next(&player, false, &frame));
            uint64_t picture = decode(&decoder, frame.data, frame.len, &height);
            CU_ASSERT_TRUE(picture != 0 && picture != before && height == 180);
            before = picture;
        }
        vpx_codec_iter_t iter = NULL;
        CU_ASSERT_TRUE_FATAL(clip_next(&player, true, &frame));
        CU_ASSERT_EQUAL(vpx_codec_decode(&decoder, frame.data, (unsigned)frame.len, NULL, 0), VPX_CODEC_OK);
        const vpx_image_t *image = vpx_codec_get_frame(&decoder, &iter);
        CU_ASSERT_PTR_NOT_NULL_FATAL(image);
        double sum = 0;
        double squares = 0;
        for (unsigned y = 0; y < image->d_h; y++) {
            for (unsigned x = 0; x < image->d_w; x++) {
                double value = image->planes[0][y * (unsigned)image->stride[0] + x];
                sum += value;
                squares += value * value;
            }
        }
        double pixels = (double)image->d_w * image->d_h;
        CU_ASSERT_TRUE(sqrt(squares / pixels - pow(sum / pixels, 2)) > 20);
        for (int plane = 1; plane <= 2; plane++)
            hue[person][plane - 1] = image->planes[plane][10 * (size_t)image->stride[plane] + 10];
        for (uint32_t other = 0; other < person; other++)
            CU_ASSERT_TRUE(hypot(hue[person][0] - hue[other][0], hue[person][1] - hue[other][1]) > 20);
        vpx_codec_destroy(&decoder);
    }
}

static struct video_source source_of(uint16_t height, double fps, int64_t target_bps, uint64_t seed)
{
    struct video_source source;
    video_source_init(&source, &(struct video_source_config){.width = (uint16_t)(height * 16 / 9),
                                                             .height = height,
                                                             .fps = fps,
                                                             .target_bps = target_bps,
                                                             .plays_clip = true,
                                                             .person = BLUE,
                                                             .seed = seed});
    return source;
}

/* Every picture of a clip, as it should look. */
static void look_up(uint64_t pictures[CLIP_SIZES][FRAMES])
{
    for (size_t size = 0; size < CLIP_SIZES; size++) {
        vpx_codec_ctx_t decoder = decoder_open();
        struct clip_player player;
        struct clip_frame frame;
        unsigned height;
        CU_ASSERT_TRUE_FATAL(clip_open(&player, clip_picture(BLUE, size), 0));
        for (int i = 0; i < FRAMES; i++) {
            CU_ASSERT_TRUE_FATAL(clip_next(&player, false, &frame));
            pictures[size][i] = decode(&decoder, frame.data, frame.len, &height);
            CU_ASSERT_TRUE(pictures[size][i] != 0 && height == clip_height(size));
        }
        vpx_codec_destroy(&decoder);
    }
}

/* Sends a frame in packets through a frame buffer; what came through is in `data`. */
static size_t carry(struct packetizer *packetizer, struct frame_buffer *buffer, uint16_t *sequence,
                    const struct video_frame *frame, uint8_t *data)
{
    uint8_t payload[PACKETIZER_PAYLOAD_MAX];
    size_t len;
    size_t sum = 0;
    bool last = false;
    packetizer_begin(packetizer, frame);
    while ((len = packetizer_write(packetizer, payload, sizeof payload, &last)) > 0) {
        const struct rtp_packet rtp = {.sequence = (*sequence)++,
                                       .timestamp = frame->timestamp,
                                       .marker = last,
                                       .payload = payload,
                                       .payload_len = len};
        struct frame_packet packet;
        CU_ASSERT_TRUE_FATAL(frame_packet_from_vp8(&packet, &rtp, false));
        CU_ASSERT_TRUE(frame_buffer_insert(buffer, &packet, frame->captured));
        CU_ASSERT_TRUE_FATAL(sum + packet.payload_len <= FRAME_CAP);
        memcpy(data + sum, packet.payload, packet.payload_len);
        sum += packet.payload_len;
    }
    CU_ASSERT_TRUE(last);
    struct received_frame received;
    CU_ASSERT_TRUE_FATAL(frame_buffer_next(buffer, &received, frame->captured));
    CU_ASSERT_TRUE(received.has_trailer && received.captured == frame->captured &&
                   received.frame_number == frame->number && received.key == frame->key);
    CU_ASSERT_FALSE(frame_buffer_wants_key_frame(buffer, frame->captured));
    return sum;
}

/* Whatever congestion control and receivers ask for, each frame decodes to the picture of the clip, bit by bit. */
static void decodes_without_a_flaw(void)
{
    static uint64_t pictures[CLIP_SIZES][FRAMES];
    static uint8_t data[FRAME_CAP];
    static const int64_t targets[] = {0, 10000, 25000, 40000, 58000, 70000, 80000, 110000, 150000, 240000, 1700000};
    struct rng rng = rng_of(1, "clip test", 0);
    struct video_source source = source_of(720, 30, 300000, 1);
    struct packetizer packetizer;
    struct frame_buffer buffer;
    struct video_frame frame;
    vpx_codec_ctx_t decoder = decoder_open();
    uint16_t sequence = 65000;
    size_t sizes_seen[CLIP_SIZES] = {0};
    size_t asked = 0;
    look_up(pictures);
    packetizer_init(&packetizer, 1, 1, 1);
    frame_buffer_init(&buffer, &(struct frame_buffer_config){0});
    for (nanos now = 0; now < 100 * NANOS_PER_S; now += 10 * NANOS_PER_MS) {
        if (rng_below(&rng, 60) == 0)
            video_source_set_target(&source, targets[rng_below(&rng, sizeof targets / sizeof targets[0])]);
        if (rng_below(&rng, 400) == 0)
            video_source_set_format(&source, 1280, 720, rng_below(&rng, 3) == 0 ? 15 : 30);
        if (rng_below(&rng, 800) == 0)
            video_source_set_format(&source, 640, 360, rng_below(&rng, 3) == 0 ? 8 : 30);
        bool wants = rng_below(&rng, 100) == 0;
        if (wants)
            video_source_request_key_frame(&source);
        asked += wants;
        wants |= source.key_wanted;
        while (video_source_next(&source, &frame, now)) {
            CU_ASSERT_TRUE(frame.key || !wants);
            wants = false;
            size_t size = frame.height == 180 ? 0 : frame.height == 360 ? 1 : 2;
            uint32_t number = (source.clip.player.number + FRAMES - 1) % FRAMES;
            size_t len = carry(&packetizer, &buffer, &sequence, &frame, data);
            unsigned height = 0;
            CU_ASSERT_EQUAL(len, frame.size);
            CU_ASSERT_EQUAL(decode(&decoder, data, len, &height), pictures[size][number]);
            CU_ASSERT_EQUAL(height, frame.height);
            sizes_seen[size]++;
        }
    }
    CU_ASSERT_TRUE(asked > 50 && sizes_seen[0] > 200 && sizes_seen[1] > 200 && sizes_seen[2] > 200);
    vpx_codec_destroy(&decoder);
    frame_buffer_clear(&buffer);
}

/* What a layer is given is what it sends, at any bitrate, with pictures of the size that it is worth. */
static void keeps_the_rate(void)
{
    static const struct {
        uint16_t height;
        double fps;
        int64_t bps;
        uint16_t shown;
        double frames_per_s;
    } cases[] = {
        {720, 30, 1700000, 720, 30}, {720, 30, 215000, 720, 30},  {720, 30, 125000, 720, 15},
        {720, 30, 105000, 360, 30},  {720, 30, 62000, 360, 15},   {720, 30, 55000, 180, 30},
        {720, 30, 32000, 180, 15},   {720, 30, 20000, 180, 7.5},  {360, 30, 500000, 360, 30},
        {180, 15, 150000, 180, 15},  {1080, 60, 900000, 720, 60}, {90, 10, 60000, 180, 10},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct video_source source = source_of(cases[i].height, cases[i].fps, cases[i].bps, i);
        struct video_frame frame;
        double bytes = 0;
        double frames = 0;
        while (video_source_next(&source, &frame, 40 * NANOS_PER_S)) {
            bytes += (double)frame.size;
            CU_ASSERT_EQUAL(frame.number, frames);
            frames++;
            CU_ASSERT_EQUAL(frame.height, cases[i].shown);
            CU_ASSERT_TRUE(frame.data != NULL && frame.data_len + FRAME_TRAILER_LEN <= frame.size);
        }
        CU_ASSERT_DOUBLE_EQUAL(bytes * 8 / 40 / (double)cases[i].bps, 1, 0.05);
        CU_ASSERT_DOUBLE_EQUAL(frames / 40 / cases[i].frames_per_s, 1, 0.05);
    }
}

/* Slide after slide, however long each stands and whenever somebody asks for a key frame. */
static void shows_slides(void)
{
    static uint8_t data[FRAME_CAP];
    uint64_t slides[SLIDES][2];
    struct rng rng = rng_of(1, "slides test", 0);
    struct packetizer packetizer;
    struct frame_buffer buffer;
    struct screen_source source;
    struct clip_player player;
    struct clip_frame picture;
    struct video_frame frame;
    vpx_codec_ctx_t decoder = decoder_open();
    unsigned height;
    CU_ASSERT_TRUE_FATAL(clip_open(&player, clip_screen(), 0));
    for (int i = 0; i < 2 * SLIDES; i++) {
        CU_ASSERT_TRUE_FATAL(clip_next(&player, false, &picture));
        CU_ASSERT_EQUAL(picture.key, i % 2 == 0);
        slides[i / 2][i % 2] = decode(&decoder, picture.data, picture.len, &height);
        CU_ASSERT_EQUAL(height, 1080);
    }
    packetizer_init(&packetizer, 1, 1, 1);
    frame_buffer_init(&buffer, &(struct frame_buffer_config){0});
    screen_source_init(&source, &(struct screen_source_config){.width = 1920,
                                                               .height = 1080,
                                                               .slide_mean = NANOS_PER_S,
                                                               .target_bps = 1000000,
                                                               .plays_clip = true,
                                                               .seed = 1});
    uint16_t sequence = 0;
    int slide = 0;
    int changes = 0;
    int asked = 0;
    double bytes = 0;
    for (nanos now = 0; now < 40 * NANOS_PER_S; now += 20 * NANOS_PER_MS) {
        bool wants = rng_below(&rng, 60) == 0;
        if (wants)
            screen_source_request_key_frame(&source);
        asked += wants;
        while (screen_source_next(&source, &frame, now)) {
            size_t len = carry(&packetizer, &buffer, &sequence, &frame, data);
            uint64_t seen = decode(&decoder, data, len, &height);
            int next = (slide + 1) % SLIDES;
            if (frame.number > 0 && seen == slides[next][0]) {
                slide = next;
                changes++;
            }
            CU_ASSERT_EQUAL(seen, slides[slide][!frame.key]);
            bytes += (double)frame.size;
        }
    }
    CU_ASSERT_TRUE(changes > 10 && asked > 15);
    CU_ASSERT_TRUE(bytes * 8 / 40 < 1050000);
    vpx_codec_destroy(&decoder);
    frame_buffer_clear(&buffer);
}

/* --- voices ------------------------------------------------------------------------------------------------------------------- */

/* The padding and trailer of our packets change nothing of what is heard: speech where there is speech, else silence. */
static void is_heard(void)
{
    for (uint32_t person = 0; person < CLIP_PEOPLE; person++) {
        int status;
        OpusDecoder *ours = opus_decoder_create(48000, 1, &status);
        OpusDecoder *plain = opus_decoder_create(48000, 1, &status);
        CU_ASSERT_TRUE_FATAL(ours != NULL && plain != NULL);
        struct audio_source source;
        struct audio_frame frame;
        audio_source_init(&source, &(struct audio_source_config){.bitrate_bps = 32000,
                                                                 .vbr = true,
                                                                 .plays_clip = true,
                                                                 .conversation = {.seed = 1, .people = CLIP_PEOPLE},
                                                                 .who = person});
        double loudness[2] = {0};
        double count[2] = {0};
        double bytes = 0;
        while (audio_source_next(&source, &frame, 30 * NANOS_PER_S)) {
            static const uint8_t silence[] = {0xf8, 0xff, 0xfe};
            uint8_t payload[AUDIO_PAYLOAD_MAX];
            opus_int16 heard[960];
            opus_int16 expected[960];
            size_t len = audio_frame_write(&frame, payload, sizeof payload);
            CU_ASSERT_TRUE_FATAL(len > 0 && len == frame.len);
            CU_ASSERT_EQUAL(frame.voice != NULL, frame.talking);
            struct frame_trailer trailer;
            CU_ASSERT_TRUE(frame_trailer_read(&trailer, payload, len) && trailer.captured == frame.captured);
            CU_ASSERT_EQUAL(opus_decode(ours, payload, (opus_int32)len, heard, 960, 0), 960);
            const uint8_t *packet = frame.talking ? frame.voice : silence;
            opus_int32 packet_len = frame.talking ? (opus_int32)frame.voice_len : (opus_int32)sizeof silence;
            CU_ASSERT_EQUAL(opus_decode(plain, packet, packet_len, expected, 960, 0), 960);
            CU_ASSERT_EQUAL(memcmp(heard, expected, sizeof heard), 0);
            double squares = 0;
            for (size_t i = 0; i < 960; i++)
                squares += (double)heard[i] * heard[i];
            loudness[frame.talking] += sqrt(squares / 960);
            count[frame.talking]++;
            bytes += frame.talking ? (double)len : 0;
        }
        CU_ASSERT_TRUE(count[0] > 500 && count[1] > 50);
        CU_ASSERT_TRUE(loudness[1] / count[1] > 1000);
        CU_ASSERT_TRUE(loudness[0] / count[0] < 200);
        CU_ASSERT_DOUBLE_EQUAL(bytes / count[1], 82, 3); /* 32 kbit/s, but none below 30 */
        opus_decoder_destroy(ours);
        opus_decoder_destroy(plain);
    }
}

static void loops_voices(void)
{
    for (uint32_t person = 0; person < CLIP_PEOPLE; person++) {
        struct clip_player player;
        struct clip_frame frame;
        CU_ASSERT_TRUE_FATAL(clip_open(&player, clip_voice(person), 0));
        for (uint32_t i = 0; i < 2 * VOICE_FRAMES; i++) {
            CU_ASSERT_TRUE_FATAL(clip_next(&player, false, &frame));
            CU_ASSERT_EQUAL(frame.number, i % VOICE_FRAMES);
            CU_ASSERT_EQUAL(opus_packet_get_nb_frames(frame.data, (opus_int32)frame.len), 1);
            CU_ASSERT_EQUAL(opus_packet_get_samples_per_frame(frame.data, 48000), 960);
        }
    }
}

static void refuses_what_is_no_clip(void)
{
    uint8_t data[32 + 12 + 5] = "DKIF\0\0\40";
    struct clip_player player;
    struct clip_frame frame;
    data[32] = 5;
    data[44] = 1; /* no key frame */
    const struct clip clip = {data, sizeof data};
    CU_ASSERT_TRUE(clip_open(&player, clip, 0));
    CU_ASSERT_TRUE(clip_next(&player, false, &frame) && frame.len == 5);
    CU_ASSERT_FALSE(clip_next(&player, true, &frame));
    CU_ASSERT_FALSE(clip_open(&player, (struct clip){data, 43}, 0));
    const uint8_t lengths[] = {0, 4, 6, 255};
    for (size_t i = 0; i < sizeof lengths; i++) {
        data[32] = lengths[i];
        CU_ASSERT_TRUE(clip_open(&player, clip, 0));
        bool first = clip_next(&player, false, &frame);
        CU_ASSERT_EQUAL(first, lengths[i] == 4);
        CU_ASSERT_FALSE(clip_next(&player, false, &frame));
    }
    data[0] = 'd';
    CU_ASSERT_FALSE(clip_open(&player, clip, 0));
}

void clip_test(void)
{
    SUITE("clip", {"plays in a loop", plays_in_a_loop}, {"shows people", shows_people},
          {"decodes without a flaw", decodes_without_a_flaw}, {"keeps the rate", keeps_the_rate},
          {"shows slides", shows_slides}, {"is heard", is_heard}, {"loops voices", loops_voices},
          {"refuses what is no clip", refuses_what_is_no_clip});
}
