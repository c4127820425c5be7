/* What a participant sends: the same words as a scenario's `media`. */
#ifndef CONFAB_PEER_MEDIA_PLAN_H
#define CONFAB_PEER_MEDIA_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MEDIA_LAYERS_MAX = 3 };

struct media_layer {
    uint16_t height;
    double fps;
    int64_t bps;
};

struct media_plan {
    bool audio, video, screen;
    int64_t audio_bps;
    struct media_layer layers[MEDIA_LAYERS_MAX]; /* lowest first; without simulcast the highest alone counts */
    size_t layer_count;
    int64_t screen_bps;
};

#endif
