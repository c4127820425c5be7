#include "peer/video_source.h"

#include <math.h>

#define CHANGE_MIN 0.10   /* RFC 8593, section 7: less than this needs no transient */
#define DEVIATION_MAX 0.9 /* the Laplace distribution has no bounds, frames and intervals have */

void video_source_init(struct video_source *source, const struct video_source_config *config)
{
    *source = (struct video_source){.config = *config,
                                    .sizes = rng_of(config->seed, "frame sizes", config->index),
                                    .intervals = rng_of(config->seed, "frame intervals", 0),
                                    .changed = config->start - VIDEO_REACTION,
                                    .key_wanted = true,
                                    .next = config->start};
    clip_camera_init(&source->clip, config->person);
    video_source_set_target(source, config->target_bps);
    source->bps = source->wanted_bps;
}

void video_source_set_target(struct video_source *source, int64_t bps)
{
    const struct video_source_config *config = &source->config;
    if (bps > 0 && bps < config->min_bps)
        bps = config->min_bps;
    if (config->max_bps > 0 && bps > config->max_bps)
        bps = config->max_bps;
    if (bps > 0 && source->wanted_bps <= 0)
        source->key_wanted = true;
    source->wanted_bps = bps;
}

void video_source_set_format(struct video_source *source, uint16_t width, uint16_t height, double fps)
{
    if (width != source->config.width || height != source->config.height)
        source->key_wanted = true;
    source->config.width = width;
    source->config.height = height;
    source->config.fps = fps;
}

void video_source_request_key_frame(struct video_source *source) { source->key_wanted = true; }

static double deviation(struct rng *rng)
{
    return fmax(fmin(rng_laplace(rng, VIDEO_SCALE), DEVIATION_MAX), -DEVIATION_MAX);
}

/* Sections 5.1 and 7. */
static void react(struct video_source *source, nanos now)
{
    if (source->wanted_bps == source->bps || now - source->changed < VIDEO_REACTION)
        return;
    double change = fabs((double)(source->wanted_bps - source->bps));
    if (change > CHANGE_MIN * (double)source->bps) {
        source->changed = now;
        source->transient = VIDEO_TRANSIENT_FRAMES;
    }
    source->bps = source->wanted_bps;
}

static size_t frame_size(struct video_source *source)
{
    double mean = (double)source->bps / 8 / source->config.fps;
    double size = mean * (1 + deviation(&source->sizes));
    if (source->key_wanted)
        source->transient = VIDEO_TRANSIENT_FRAMES;
    if (source->transient == VIDEO_TRANSIENT_FRAMES)
        size = mean * VIDEO_BURST_RATIO;
    else if (source->transient > 0)
        size = mean * (VIDEO_TRANSIENT_FRAMES - VIDEO_BURST_RATIO) / (VIDEO_TRANSIENT_FRAMES - 1);
    if (source->transient > 0)
        source->transient--;
    return (size_t)fmax(size, VIDEO_FRAME_MIN);
}

bool video_source_next(struct video_source *source, struct video_frame *frame, nanos now)
{
    while (source->next <= now) {
        nanos captured = source->next;
        source->next += (nanos)(1e9 / source->config.fps * (1 + deviation(&source->intervals)));
        if (source->wanted_bps <= 0)
            continue;
        react(source, captured);
        *frame = (struct video_frame){
            .captured = captured,
            .timestamp = (uint32_t)((double)(captured - source->config.start) * 90e3 / 1e9),
            .key = source->key_wanted,
            .width = source->config.width,
            .height = source->config.height,
        };
        frame->size = frame_size(source);
        source->key_wanted = false;
        const struct clip_demand demand = {
            .height = source->config.height, .fps = source->config.fps, .bps = source->bps};
        if (source->config.plays_clip && !clip_camera_take(&source->clip, &demand, frame))
            continue;
        frame->number = source->made++;
        return true;
    }
    return false;
}

nanos video_source_deadline(const struct video_source *source)
{
    return source->wanted_bps > 0 ? source->next : NANOS_NEVER;
}
