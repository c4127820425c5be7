/* A shared screen with an encoder behind it: slides that stand still for a while, so most frames are tiny, and now and
 * then (at exponential intervals) another slide, which takes a large frame at once. A large frame that the target can't
 * carry within a second is encoded the coarser, and the frames after it wait until the target has paid for it, as
 * encoders drop frames rather than delay them. With a clip, slides are those of peer/clip.h, each a key frame. */
#ifndef CONFAB_PEER_SCREEN_SOURCE_H
#define CONFAB_PEER_SCREEN_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "base/rng.h"
#include "peer/clip.h"
#include "peer/video_frame.h"

struct screen_source_config {
    uint16_t width;
    uint16_t height;
    double fps;             /* 0: 5, as browsers do for slides */
    nanos slide_mean;       /* between slides; 0: 20 s */
    double bytes_per_pixel; /* of a slide; 0: 0.05, that is 100 KB at 1080p */
    int64_t max_bps;        /* 0: none */
    int64_t target_bps;     /* to begin with; 0: paused */
    uint64_t seed;
    uint64_t index;
    bool plays_clip; /* of 1920 by 1080 */
    nanos start;
};

struct screen_source {
    struct screen_source_config config;
    struct rng rng;
    int64_t bps;
    nanos slide; /* when the next one comes */
    nanos next;
    double debt; /* bytes that were sent ahead of the target */
    nanos paid;  /* up to when the target has been counted against it */
    bool key_wanted;
    uint32_t made;
    struct clip_player clip;  /* behind the key frame of the slide that is shown */
    struct clip_player shown; /* before it */
};

void screen_source_init(struct screen_source *source, const struct screen_source_config *config);

/* These four as in peer/video_source.h. */
void screen_source_set_target(struct screen_source *source, int64_t bps);
void screen_source_request_key_frame(struct screen_source *source);
bool screen_source_next(struct screen_source *source, struct video_frame *frame, nanos now);
nanos screen_source_deadline(const struct screen_source *source);

#endif
