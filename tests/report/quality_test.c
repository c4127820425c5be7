#include "report/quality.h"

#include "tests/support/suite.h"

static nanos play(struct freeze_detector *detector, nanos from, nanos interval, int frames)
{
    for (int i = 0; i < frames; i++, from += interval)
        freeze_detector_frame(detector, from);
    return from;
}

static void tells_freezes(void)
{
    /* At 33 ms: max(99, 183). At 100 ms: max(300, 250). */
    const struct {
        nanos interval_ms;
        nanos least_ms;
    } cases[] = {{33, 183}, {100, 300}, {75, 225}, {500, 1500}};
    for (size_t i = 0; i < 4; i++) {
        for (nanos less_ms = 0; less_ms < 2; less_ms++) {
            struct freeze_detector detector = {0};
            nanos interval = cases[i].interval_ms * NANOS_PER_MS;
            nanos next = play(&detector, NANOS_PER_S, interval, 40);
            nanos stall = (cases[i].least_ms - less_ms) * NANOS_PER_MS;
            next = play(&detector, next - interval + stall, interval, 40);
            freeze_detector_end(&detector, next);
            CU_ASSERT_EQUAL(detector.freezes, less_ms == 0);
            CU_ASSERT_EQUAL(detector.frozen, less_ms == 0 ? stall : 0);
            CU_ASSERT_EQUAL(detector.pauses, 0);
        }
    }
}

static void tells_pauses(void)
{
    struct freeze_detector detector = {0};
    const nanos interval = 33 * NANOS_PER_MS;
    nanos next = play(&detector, 0, interval, 40) - interval;
    next = play(&detector, next + 5 * NANOS_PER_S, interval, 40) - interval;
    CU_ASSERT_EQUAL(detector.freezes, 1);
    CU_ASSERT_EQUAL(detector.frozen, 5 * NANOS_PER_S);
    next = play(&detector, next + 5 * NANOS_PER_S + 1, interval, 40) - interval;
    CU_ASSERT_EQUAL(detector.freezes, 1);
    CU_ASSERT_EQUAL(detector.pauses, 1);
    CU_ASSERT_EQUAL(detector.paused, 5 * NANOS_PER_S + 1);
    /* A pause doesn't count in the mean. */
    CU_ASSERT_EQUAL(detector.sum / FREEZE_WINDOW, interval);
    freeze_detector_end(&detector, next + 7 * NANOS_PER_S);
    CU_ASSERT_EQUAL(detector.pauses, 2);
    CU_ASSERT_EQUAL(detector.paused, 12 * NANOS_PER_S + 1);
}

static void needs_a_few_frames(void)
{
    struct freeze_detector detector = {0};
    freeze_detector_end(&detector, 100 * NANOS_PER_S);
    CU_ASSERT_EQUAL(detector.pauses, 0);
    nanos next = play(&detector, 0, 33 * NANOS_PER_MS, 5);
    play(&detector, next + 2 * NANOS_PER_S, 33 * NANOS_PER_MS, 1);
    CU_ASSERT_EQUAL(detector.freezes, 0);
}

static void rates_audio(void)
{
    const struct {
        double delay_ms;
        double loss;
        double rating;
        double mos;
    } cases[] = {{0, 0, 93.2, 4.41}, {150, 0.01, 71.7, 3.68}, {300, 0, 72.5, 3.71}};
    for (size_t i = 0; i < 3; i++) {
        double rating =
            quality_audio_rating(&(struct audio_impairment){.delay_ms = cases[i].delay_ms, .loss = cases[i].loss});
        CU_ASSERT_DOUBLE_EQUAL(rating, cases[i].rating, 0.05);
        CU_ASSERT_DOUBLE_EQUAL(quality_mos(cases[i].rating), cases[i].mos, 0.005);
        CU_ASSERT_DOUBLE_EQUAL(quality_mos(rating), cases[i].mos, 0.01);
    }
    CU_ASSERT_EQUAL(quality_mos(-3), 1);
    CU_ASSERT_EQUAL(quality_mos(101), 4.5);
    for (double rating = 0; rating < 100; rating += 0.5)
        CU_ASSERT_TRUE(quality_mos(rating) >= 1 && quality_mos(rating) <= 4.5);
    /* Lost in runs, the same loss does more harm (G.107). */
    struct audio_impairment random = {.loss = 0.03};
    struct audio_impairment bursty = {.loss = 0.03, .burst = 2};
    CU_ASSERT_TRUE(quality_audio_rating(&bursty) < quality_audio_rating(&random));
}

static void scores_video(void)
{
    struct video_impairment video = {.bps = 1.7e6, .width = 1280, .height = 720, .fps = 30, .expected_fps = 30};
    /* ln(1.7e6 / 921600 / 30) = -2.789 */
    CU_ASSERT_DOUBLE_EQUAL(quality_video_score(&video), 3.80, 0.005);
    video.codec = 1.2;
    CU_ASSERT_DOUBLE_EQUAL(quality_video_score(&video), 3.90, 0.005);
    video.codec = 0;
    video.frozen = 0.25;
    CU_ASSERT_DOUBLE_EQUAL(quality_video_score(&video), 2.80, 0.005);
    /* Half the frames: each has twice the bits, +0.388; 1.9 ln 2 off. */
    video.frozen = 0;
    video.fps = 15;
    CU_ASSERT_DOUBLE_EQUAL(quality_video_score(&video), 3.80 + 0.388 - 1.317, 0.005);
    video.bps = 1e12;
    video.fps = 30;
    CU_ASSERT_EQUAL(quality_video_score(&video), 5);
    video.bps = 0;
    CU_ASSERT_EQUAL(quality_video_score(&video), 1);
    CU_ASSERT_EQUAL(quality_video_score(&(struct video_impairment){0}), 1);
}

void quality_test(void)
{
    SUITE("quality", {"tells freezes", tells_freezes}, {"tells pauses", tells_pauses},
          {"needs a few frames", needs_a_few_frames}, {"rates audio", rates_audio}, {"scores video", scores_video});
}
