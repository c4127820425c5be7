#include "peer/simulcast.h"

#include "tests/support/suite.h"

#define KBPS 1000

/* libwebrtc's layers of a 720p camera. */
static struct simulcast camera(void)
{
    return (struct simulcast){
        .count = 3,
        .layers = {{.height = 180, .min_bps = 30 * KBPS, .target_bps = 150 * KBPS, .max_bps = 200 * KBPS},
                   {.height = 360, .min_bps = 150 * KBPS, .target_bps = 500 * KBPS, .max_bps = 700 * KBPS},
                   {.height = 720, .min_bps = 600 * KBPS, .target_bps = 2500 * KBPS, .max_bps = 2500 * KBPS}}};
}

static void assert_kbps(const struct simulcast *simulcast, int64_t low, int64_t middle, int64_t high)
{
    CU_ASSERT_EQUAL(simulcast->bps[0], low * KBPS);
    CU_ASSERT_EQUAL(simulcast->bps[1], middle * KBPS);
    CU_ASSERT_EQUAL(simulcast->bps[2], high * KBPS);
}

static void fills_from_below(void)
{
    struct simulcast simulcast = camera();
    const int64_t cases[][4] = {
        {10, 30, 0, 0},         /* the least gets its minimum anyhow */
        {100, 100, 0, 0},       /* less than its target */
        {200, 200, 0, 0},       /* the top one that is on takes the rest, to its maximum */
        {300, 200, 0, 0},       /* 150 left, but it takes 180 to bring up the next */
        {330, 150, 180, 0},     /* now */
        {650, 150, 500, 0},     /* its target */
        {850, 150, 700, 0},     /* and its maximum */
        {1369, 150, 700, 0},    /* 719 left */
        {1370, 150, 500, 720},  /* 720, that is 20 % above 600 */
        {1250, 150, 500, 600},  /* it stays on down to its minimum */
        {1249, 150, 700, 0},    /* and goes off below */
        {300, 150, 150, 0},     /* likewise the next */
        {299, 200, 0, 0},       /* and off */
        {9000, 150, 500, 2500}, /* enough for all */
        {0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        simulcast_allocate(&simulcast, cases[i][0] * KBPS);
        assert_kbps(&simulcast, cases[i][1], cases[i][2], cases[i][3]);
    }
    CU_ASSERT_EQUAL(simulcast_max_bps(&simulcast), 3150 * KBPS);
}

static void skips_what_is_off(void)
{
    struct simulcast simulcast = camera();
    simulcast.layers[1].off = true;
    simulcast_allocate(&simulcast, 1000 * KBPS);
    assert_kbps(&simulcast, 150, 0, 850);
    simulcast.layers[0].off = true;
    simulcast_allocate(&simulcast, 100 * KBPS);
    assert_kbps(&simulcast, 0, 0, 600);
    CU_ASSERT_EQUAL(simulcast_max_bps(&simulcast), 2500 * KBPS);
    simulcast.layers[2].off = true;
    simulcast_allocate(&simulcast, 1000 * KBPS);
    assert_kbps(&simulcast, 0, 0, 0);
    CU_ASSERT_EQUAL(simulcast_max_bps(&simulcast), 0);
}

static void hesitates_more_for_screens(void)
{
    struct simulcast simulcast = camera();
    simulcast.screen = true;
    simulcast_allocate(&simulcast, 350 * KBPS);
    assert_kbps(&simulcast, 200, 0, 0);
    simulcast_allocate(&simulcast, 353 * KBPS);
    assert_kbps(&simulcast, 150, 203, 0);
}

static void derives_layers(void)
{
    struct simulcast_layer layer = simulcast_layer_of(720, 30, 1700 * KBPS);
    CU_ASSERT_EQUAL(layer.width, 1280);
    CU_ASSERT_EQUAL(layer.min_bps, 408 * KBPS);
    CU_ASSERT_EQUAL(layer.max_bps, 1700 * KBPS);
    layer = simulcast_layer_of(180, 15, 150 * KBPS);
    CU_ASSERT_EQUAL(layer.width, 320);
    CU_ASSERT_EQUAL(layer.min_bps, 22500);
    CU_ASSERT_EQUAL(simulcast_layer_of(2160, 30, 8000 * KBPS).min_bps, 1280 * KBPS);
}

static void degrades_a_single_encoding(void)
{
    const struct picture_format full = {1280, 720, 30};
    struct picture_format present = {0};
    const struct {
        int64_t kbps;
        uint16_t width;
        uint16_t height;
        double fps;
    } cases[] = {
        {2000, 1280, 720, 30}, {600, 1280, 720, 30}, {599, 960, 540, 30}, {700, 960, 540, 30},
        {720, 1280, 720, 30},  {349, 640, 360, 30},  {149, 320, 180, 30}, {29, 320, 180, 15},
        {35, 320, 180, 30},    {175, 320, 180, 30},  {180, 640, 360, 30},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        present = picture_format_choose(&full, &present, cases[i].kbps * KBPS);
        CU_ASSERT_EQUAL(present.width, cases[i].width);
        CU_ASSERT_EQUAL(present.height, cases[i].height);
        CU_ASSERT_EQUAL(present.fps, cases[i].fps);
    }
    /* Never more than it was set up for, whatever that is. */
    const struct picture_format odd = {400, 300, 24};
    present = picture_format_choose(&odd, &(struct picture_format){0}, 9000 * KBPS);
    CU_ASSERT_EQUAL(present.width, 400);
    CU_ASSERT_EQUAL(present.height, 300);
    present = picture_format_choose(&odd, &present, 140 * KBPS);
    CU_ASSERT_EQUAL(present.width, 240);
    CU_ASSERT_EQUAL(present.height, 180);
}

void simulcast_test(void)
{
    SUITE("simulcast", {"fills from below", fills_from_below}, {"skips what is off", skips_what_is_off},
          {"hesitates more for screens", hesitates_more_for_screens}, {"derives layers", derives_layers},
          {"degrades a single encoding", degrades_a_single_encoding});
}
