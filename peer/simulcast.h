/* How a total bitrate is spent on the layers of one camera, and what picture a single encoder makes of little.
 *
 * Simulcast as libwebrtc's SimulcastRateAllocator: from the lowest layer up, each gets its target if its minimum fits,
 * the first whose minimum doesn't ends it; what is left then goes to the highest layer that is on, up to its maximum. A
 * layer that is off comes on only at 20 % above its minimum (35 % for a shared screen). */
#ifndef CONFAB_PEER_SIMULCAST_H
#define CONFAB_PEER_SIMULCAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMULCAST_LAYERS 4

struct simulcast_layer {
    uint16_t width;
    uint16_t height;
    double fps;
    int64_t min_bps;
    int64_t target_bps; /* at most max_bps */
    int64_t max_bps;
    bool off; /* switched off by the application or the server */
};

struct simulcast {
    size_t count;
    bool screen;
    struct simulcast_layer layers[SIMULCAST_LAYERS]; /* lowest first */
    int64_t bps[SIMULCAST_LAYERS];                   /* the allocation; 0: off */
};

/* A layer as a scenario names it: 16:9 of that height, sent at `bps` when there is room. Its minimum is in proportion to
 * what libwebrtc takes for a picture of this size (30 of 200 kbps at 180 lines, 600 of 2,500 at 720 …). */
struct simulcast_layer simulcast_layer_of(uint16_t height, double fps, int64_t bps);

/* Spends `total_bps` and leaves the outcome in `bps`. The lowest layer that isn't switched off gets its minimum even
 * where there is less, as libwebrtc does; 0 switches all off. */
void simulcast_allocate(struct simulcast *simulcast, int64_t total_bps);

/* The most that could be spent: for congestion_control_set_allocated. */
int64_t simulcast_max_bps(const struct simulcast *simulcast);

/* A picture's size and rate. */
struct picture_format {
    uint16_t width;
    uint16_t height;
    double fps;
};

/* What a single encoder, set up for `full` size, should make at `bps`, when it makes `present` now ({0} to begin with):
 * the largest of the common sizes (180, 270, 360, 540, 720, 1080 lines) that `bps` is worth, by the same minimums; below
 * the least of them half the frame rate. Goes up only 20 % above a minimum. */
struct picture_format picture_format_choose(const struct picture_format *full, const struct picture_format *present,
                                            int64_t bps);

#endif
