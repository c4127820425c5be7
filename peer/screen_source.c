#include "peer/screen_source.h"

#include <math.h>

#include "rtc/frame_trailer.h"

#define FPS_DEFAULT 5
#define SLIDE_MEAN_DEFAULT (20 * NANOS_PER_S)
#define BYTES_PER_PIXEL_DEFAULT 0.05
#define SLIDE_TIME_MAX_S 1.0
#define STILL_MIN 60.0   /* a frame in which nothing moved */
#define STILL_MEAN 400.0 /* or a pointer did */

void screen_source_init(struct screen_source *source, const struct screen_source_config *config)
{
    *source = (struct screen_source){.config = *config,
                                     .rng = rng_of(config->seed, "screen", config->index),
                                     .next = config->start,
                                     .paid = config->start,
                                     .key_wanted = true};
    struct screen_source_config *own = &source->config;
    own->fps = own->fps > 0 ? own->fps : FPS_DEFAULT;
    own->slide_mean = own->slide_mean > 0 ? own->slide_mean : SLIDE_MEAN_DEFAULT;
    own->bytes_per_pixel = own->bytes_per_pixel > 0 ? own->bytes_per_pixel : BYTES_PER_PIXEL_DEFAULT;
    own->plays_clip = own->plays_clip && clip_open(&source->clip, clip_screen(), 0);
    source->shown = source->clip;
    source->slide = config->start + (nanos)rng_exponential(&source->rng, (double)own->slide_mean);
    screen_source_set_target(source, config->target_bps);
}

void screen_source_set_target(struct screen_source *source, int64_t bps)
{
    if (source->config.max_bps > 0 && bps > source->config.max_bps)
        bps = source->config.max_bps;
    if (bps > 0 && source->bps <= 0)
        source->key_wanted = true;
    source->bps = bps;
}

void screen_source_request_key_frame(struct screen_source *source) { source->key_wanted = true; }

static double slide_size(struct screen_source *source)
{
    double pixels = (double)source->config.width * source->config.height;
    double size = pixels * source->config.bytes_per_pixel * (0.5 + rng_unit(&source->rng));
    return fmin(size, (double)source->bps / 8 * SLIDE_TIME_MAX_S);
}

/* Makes `frame`, that has its key and size, one of the clip. */
static void show(struct screen_source *source, bool slide, struct video_frame *frame)
{
    struct clip_frame picture;
    struct clip_player still = source->clip;
    bool found;
    if (slide) /* the next one */
        source->shown = source->clip;
    if (slide || frame->key)
        source->clip = source->shown;
    found = slide || frame->key ? clip_next(&source->clip, true, &picture) : clip_next(&still, false, &picture);
    if (!found)
        return;
    frame->key = picture.key;
    frame->data = picture.data;
    frame->data_len = picture.len;
    if (frame->size < picture.len + FRAME_TRAILER_LEN)
        frame->size = picture.len + FRAME_TRAILER_LEN;
}

bool screen_source_next(struct screen_source *source, struct video_frame *frame, nanos now)
{
    while (source->next <= now) {
        nanos captured = source->next;
        source->next += (nanos)(1e9 / source->config.fps);
        source->debt = fmax(source->debt - (double)source->bps / 8 * nanos_to_s(captured - source->paid), 0);
        source->paid = captured;
        if (source->bps <= 0 || source->debt > 0)
            continue;
        bool slide = captured >= source->slide;
        if (slide)
            source->slide = captured + (nanos)rng_exponential(&source->rng, (double)source->config.slide_mean);
        double size = slide || source->key_wanted
                          ? slide_size(source)
                          : fmin(STILL_MIN + rng_exponential(&source->rng, STILL_MEAN - STILL_MIN),
                                 (double)source->bps / 8 / source->config.fps);
        *frame = (struct video_frame){
            .captured = captured,
            .number = source->made++,
            .timestamp = (uint32_t)((double)(captured - source->config.start) * 90e3 / 1e9),
            .size = (size_t)fmax(size, VIDEO_FRAME_MIN),
            .key = source->key_wanted,
            .width = source->config.width,
            .height = source->config.height,
        };
        if (source->config.plays_clip) {
            show(source, slide, frame);
            size = (double)frame->size;
        }
        source->debt = fmax(size - (double)source->bps / 8 / source->config.fps, 0);
        source->key_wanted = false;
        return true;
    }
    return false;
}

nanos screen_source_deadline(const struct screen_source *source)
{
    return source->bps > 0 ? source->next : NANOS_NEVER;
}
