#include "peer/video_source.h"

#include <math.h>

#include "peer/screen_source.h"
#include "tests/support/suite.h"

#define KBPS 1000

static struct video_source source_of(int64_t target_bps)
{
    struct video_source source;
    video_source_init(&source, &(struct video_source_config){.width = 1280,
                                                             .height = 720,
                                                             .fps = 30,
                                                             .min_bps = 150 * KBPS,
                                                             .max_bps = 1500 * KBPS,
                                                             .target_bps = target_bps,
                                                             .seed = 1});
    return source;
}

struct output {
    int frames;
    int keys;
    double bytes;
    size_t largest;
};

static struct output run(struct video_source *source, nanos until)
{
    struct output output = {0};
    struct video_frame frame;
    while (video_source_next(source, &frame, until)) {
        output.frames++;
        output.keys += frame.key;
        output.bytes += (double)frame.size;
        output.largest = frame.size > output.largest ? frame.size : output.largest;
    }
    return output;
}

static void keeps_the_rate(void)
{
    struct video_source source = source_of(1000 * KBPS);
    struct output output = run(&source, 600 * NANOS_PER_S);
    CU_ASSERT_DOUBLE_EQUAL(output.bytes * 8 / 600, 1e6, 1e4);
    CU_ASSERT_DOUBLE_EQUAL(output.frames / 600.0, 30, 0.3);
    CU_ASSERT_EQUAL(output.keys, 1);
}

/* RFC 8593, figure 2: deviations with scale 0.15, that is a mean absolute deviation of 15 %. */
static void varies_as_laplace(void)
{
    struct video_source source = source_of(1000 * KBPS);
    struct video_frame frame;
    double size_deviation = 0;
    double interval_deviation = 0;
    nanos last = 0;
    int frames = 0;
    run(&source, NANOS_PER_S);
    for (; video_source_next(&source, &frame, 601 * NANOS_PER_S); frames++) {
        if (frames > 0)
            interval_deviation += fabs((double)(frame.captured - last) / (1e9 / 30) - 1);
        size_deviation += fabs((double)frame.size / (1e6 / 8 / 30) - 1);
        CU_ASSERT_TRUE(frame.captured > last);
        last = frame.captured;
    }
    CU_ASSERT_DOUBLE_EQUAL(size_deviation / frames, 0.15, 0.005);
    CU_ASSERT_DOUBLE_EQUAL(interval_deviation / frames, 0.15, 0.005);
}

static void changes_in_a_transient(void)
{
    struct video_source source = source_of(500 * KBPS);
    run(&source, 10 * NANOS_PER_S);
    video_source_set_target(&source, 1000 * KBPS);
    struct video_frame frame;
    size_t sum = 0;
    for (int i = 0; i < VIDEO_TRANSIENT_FRAMES; i++) {
        CU_ASSERT_TRUE(video_source_next(&source, &frame, 11 * NANOS_PER_S));
        CU_ASSERT_FALSE(frame.key);
        sum += frame.size;
        /* K_B of figure 2, at its 1 Mbps and 30 frames a second; the others by the sum. */
        CU_ASSERT_DOUBLE_EQUAL((double)frame.size, i == 0 ? 13489 : 2835, 2);
    }
    CU_ASSERT_DOUBLE_EQUAL((double)sum, 1e6 * 8 / 8 / 30, 10); /* R * K_d / (8 * FPS) */

    /* Within tau of a change, another is not looked at; a small one makes no transient. */
    nanos at = frame.captured;
    source = source_of(500 * KBPS);
    run(&source, 10 * NANOS_PER_S);
    video_source_set_target(&source, 1000 * KBPS);
    CU_ASSERT_TRUE(video_source_next(&source, &frame, 11 * NANOS_PER_S));
    at = frame.captured;
    video_source_set_target(&source, 200 * KBPS);
    while (video_source_next(&source, &frame, 11 * NANOS_PER_S))
        CU_ASSERT_EQUAL(source.bps, frame.captured - at < VIDEO_REACTION ? 1000 * KBPS : 200 * KBPS);
    video_source_set_target(&source, 215 * KBPS);
    struct output output = run(&source, 21 * NANOS_PER_S);
    CU_ASSERT_EQUAL(source.bps, 215 * KBPS);
    CU_ASSERT_DOUBLE_EQUAL(output.bytes * 8 / 10, 215e3, 15e3);
}

static void clamps(void)
{
    struct video_source source = source_of(10 * KBPS);
    CU_ASSERT_DOUBLE_EQUAL(run(&source, 100 * NANOS_PER_S).bytes * 8 / 100, 150e3, 5e3);
    video_source_set_target(&source, 90000 * KBPS);
    CU_ASSERT_DOUBLE_EQUAL(run(&source, 200 * NANOS_PER_S).bytes * 8 / 100, 1500e3, 50e3);
}

static void makes_key_frames(void)
{
    struct video_source source = source_of(1000 * KBPS);
    struct video_frame frame;
    CU_ASSERT_TRUE(video_source_next(&source, &frame, 0));
    CU_ASSERT_TRUE(frame.key);
    CU_ASSERT_EQUAL(frame.width, 1280);
    CU_ASSERT_EQUAL(run(&source, 10 * NANOS_PER_S).keys, 0);
    video_source_request_key_frame(&source);
    CU_ASSERT_TRUE(video_source_next(&source, &frame, 11 * NANOS_PER_S));
    CU_ASSERT_TRUE(frame.key);
    CU_ASSERT_DOUBLE_EQUAL((double)frame.size, 13489, 2);
    CU_ASSERT_EQUAL(run(&source, 20 * NANOS_PER_S).keys, 0);

    video_source_set_target(&source, 0);
    CU_ASSERT_EQUAL(video_source_deadline(&source), NANOS_NEVER);
    CU_ASSERT_EQUAL(run(&source, 30 * NANOS_PER_S).frames, 0);
    video_source_set_target(&source, 1000 * KBPS);
    CU_ASSERT_TRUE(video_source_next(&source, &frame, 31 * NANOS_PER_S));
    CU_ASSERT_TRUE(frame.key);
    CU_ASSERT_TRUE(frame.captured > 29 * NANOS_PER_S);

    video_source_set_format(&source, 1280, 720, 15);
    CU_ASSERT_EQUAL(run(&source, 40 * NANOS_PER_S).keys, 0);
    video_source_set_format(&source, 640, 360, 15);
    CU_ASSERT_TRUE(video_source_next(&source, &frame, 41 * NANOS_PER_S));
    CU_ASSERT_TRUE(frame.key);
    CU_ASSERT_EQUAL(frame.height, 360);
    CU_ASSERT_DOUBLE_EQUAL(run(&source, 101 * NANOS_PER_S).frames / 60.0, 15, 0.5);
}

static void layers_capture_together(void)
{
    struct video_source low = source_of(150 * KBPS);
    struct video_source high = source_of(0);
    high.config.index = 1;
    video_source_init(&high, &high.config);
    run(&high, 5 * NANOS_PER_S);
    run(&low, 5 * NANOS_PER_S);
    video_source_set_target(&high, 1000 * KBPS);
    for (int i = 0; i < 100; i++) {
        struct video_frame a;
        struct video_frame b;
        CU_ASSERT_TRUE(video_source_next(&low, &a, 60 * NANOS_PER_S));
        CU_ASSERT_TRUE(video_source_next(&high, &b, 60 * NANOS_PER_S));
        CU_ASSERT_EQUAL(a.captured, b.captured);
        CU_ASSERT_EQUAL(a.timestamp, b.timestamp);
    }
}

static void shows_slides(void)
{
    struct screen_source source;
    screen_source_init(
        &source, &(struct screen_source_config){.width = 1920, .height = 1080, .target_bps = 1000 * KBPS, .seed = 1});
    struct video_frame frame;
    double small = 0;
    int smalls = 0;
    int slides = 0;
    nanos last_slide = -10 * NANOS_PER_S;
    nanos last = 0;
    size_t largest = 0;
    while (screen_source_next(&source, &frame, 1000 * NANOS_PER_S)) {
        CU_ASSERT_EQUAL(frame.key, frame.number == 0);
        if (frame.size > 20000) {
            slides++;
            last_slide = frame.captured;
            largest = frame.size > largest ? frame.size : largest;
        } else {
            small += (double)frame.size;
            smalls++;
            /* What a slide took has been paid for. */
            CU_ASSERT_TRUE(last != last_slide || frame.captured - last >= 300 * NANOS_PER_MS);
        }
        last = frame.captured;
    }
    CU_ASSERT_TRUE(slides > 30 && slides < 75); /* one in 20 s */
    CU_ASSERT_TRUE(largest <= 125000 && largest > 90000);
    CU_ASSERT_DOUBLE_EQUAL(small / smalls, 400, 30);
    CU_ASSERT_TRUE(smalls > 4500);
    screen_source_request_key_frame(&source);
    CU_ASSERT_TRUE(screen_source_next(&source, &frame, 1010 * NANOS_PER_S));
    CU_ASSERT_TRUE(frame.key && frame.size > 20000);
    screen_source_set_target(&source, 0);
    CU_ASSERT_EQUAL(screen_source_deadline(&source), NANOS_NEVER);
    CU_ASSERT_FALSE(screen_source_next(&source, &frame, 1020 * NANOS_PER_S));
}

void video_source_test(void)
{
    SUITE("video_source", {"keeps the rate", keeps_the_rate}, {"varies as Laplace", varies_as_laplace},
          {"changes in a transient", changes_in_a_transient}, {"clamps", clamps},
          {"makes key frames", makes_key_frames}, {"layers capture together", layers_capture_together},
          {"shows slides", shows_slides});
}
