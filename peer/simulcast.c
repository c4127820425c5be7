#include "peer/simulcast.h"

#define HYSTERESIS 1.20
#define HYSTERESIS_SCREEN 1.35
#define LEAST_SIZES 6

/* libwebrtc's simulcast formats for VP8: what a layer of this size takes at least and at most. */
static const struct {
    uint16_t width;
    uint16_t height;
    int64_t min_bps;
    int64_t max_bps;
} sizes[LEAST_SIZES] = {{320, 180, 30000, 200000},   {480, 270, 150000, 450000},   {640, 360, 150000, 700000},
                        {960, 540, 350000, 1200000}, {1280, 720, 600000, 2500000}, {1920, 1080, 800000, 5000000}};

struct simulcast_layer simulcast_layer_of(uint16_t height, double fps, int64_t bps)
{
    size_t i = 0;
    while (i + 1 < LEAST_SIZES && sizes[i].height < height)
        i++;
    double least = (double)bps * (double)sizes[i].min_bps / (double)sizes[i].max_bps;
    return (struct simulcast_layer){.width = (uint16_t)((uint32_t)height * 16 / 9 & ~1u),
                                    .height = height,
                                    .fps = fps,
                                    .min_bps = (int64_t)least,
                                    .target_bps = bps,
                                    .max_bps = bps};
}

void simulcast_allocate(struct simulcast *simulcast, int64_t total_bps)
{
    const double hysteresis = simulcast->screen ? HYSTERESIS_SCREEN : HYSTERESIS;
    int64_t left = total_bps;
    size_t top = SIMULCAST_LAYERS;
    bool enough = total_bps > 0;
    for (size_t i = 0; i < simulcast->count; i++) {
        const struct simulcast_layer *layer = &simulcast->layers[i];
        int64_t least = layer->min_bps;
        bool was_on = simulcast->bps[i] > 0;
        simulcast->bps[i] = 0;
        if (layer->off || !enough)
            continue;
        if (top == SIMULCAST_LAYERS) {
            left = left > least ? left : least;
        } else if (!was_on) {
            least = (int64_t)((double)least * hysteresis);
            least = least < layer->target_bps ? least : layer->target_bps;
        }
        enough = left >= least;
        if (!enough)
            continue;
        simulcast->bps[i] = left < layer->target_bps ? left : layer->target_bps;
        left -= simulcast->bps[i];
        top = i;
    }
    if (top < SIMULCAST_LAYERS) {
        int64_t more = simulcast->layers[top].max_bps - simulcast->bps[top];
        simulcast->bps[top] += more < left ? more : left;
    }
}

int64_t simulcast_max_bps(const struct simulcast *simulcast)
{
    int64_t sum = 0;
    size_t top = SIMULCAST_LAYERS;
    for (size_t i = 0; i < simulcast->count; i++) {
        if (simulcast->layers[i].off)
            continue;
        sum += simulcast->layers[i].target_bps;
        top = i;
    }
    return top < SIMULCAST_LAYERS ? sum - simulcast->layers[top].target_bps + simulcast->layers[top].max_bps : 0;
}

struct picture_format picture_format_choose(const struct picture_format *full, const struct picture_format *present,
                                            int64_t bps)
{
    /* The full size is on the list even if it isn't a common one, with the minimum of the next larger. */
    size_t full_at = 0;
    while (full_at + 1 < LEAST_SIZES && sizes[full_at].height < full->height)
        full_at++;
    for (size_t i = full_at + 1; i-- > 0;) {
        uint16_t height = i == full_at ? full->height : sizes[i].height;
        bool upwards = present->height > 0 && height > present->height;
        double least = (double)sizes[i].min_bps * (upwards ? HYSTERESIS : 1);
        if ((double)bps < least)
            continue;
        struct picture_format format = {.width = (uint16_t)((uint32_t)full->width * height / full->height & ~1u),
                                        .height = height,
                                        .fps = full->fps};
        return format;
    }
    uint16_t height = full->height < sizes[0].height ? full->height : sizes[0].height;
    return (struct picture_format){.width = (uint16_t)((uint32_t)full->width * height / full->height & ~1u),
                                   .height = height,
                                   .fps = full->fps / 2};
}
