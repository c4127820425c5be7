/* A camera with an encoder behind it, for one layer: RFC 8593's statistical model (section 5) of when there are frames of
 * which size, with the pictures of a clip in them (peer/clip_camera.h) or without any.
 * Frame sizes and intervals vary by a Laplace distribution around what rate and frame rate ask for. A new target takes
 * effect at once, but not within tau = 0.2 s of the one before; if it differs by more than 10 % (section 7), eight
 * frames are transient: one large, the others the smaller for it, so that together they keep the new rate. A key frame
 * is such a large frame too. */
#ifndef CONFAB_PEER_VIDEO_SOURCE_H
#define CONFAB_PEER_VIDEO_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "base/rng.h"
#include "peer/clip_camera.h"
#include "peer/video_frame.h"

/* RFC 8593, section 5, figure 2. */
#define VIDEO_REACTION (200 * NANOS_PER_MS)
#define VIDEO_TRANSIENT_FRAMES 8
#define VIDEO_BURST_RATIO (13.5 / 4.17) /* K_B / B0: the burst frame in mean frames, so that it fits any rate */
#define VIDEO_SCALE 0.15                /* of both deviations */

struct video_source_config {
    uint16_t width;
    uint16_t height;
    double fps;      /* above 0 */
    int64_t min_bps; /* R_min and R_max; 0: none */
    int64_t max_bps;
    int64_t target_bps; /* to begin with; 0: paused */
    uint64_t seed;
    uint64_t index; /* which source of this seed; layers of one camera share `seed` and differ in this, so they vary
                     * in size on their own, but (at one frame rate) capture at the same times */
    bool plays_clip;
    uint32_t person; /* whose clip */
    nanos start;
};

struct video_source {
    struct video_source_config config;
    struct rng sizes;
    struct rng intervals;
    int64_t wanted_bps; /* what was asked for */
    int64_t bps;        /* what is encoded */
    nanos changed;      /* when bps last changed */
    int transient;      /* frames left of the transient */
    bool key_wanted;
    nanos next;
    uint32_t made;
    struct clip_camera clip;
};

void video_source_init(struct video_source *source, const struct video_source_config *config);

/* What the encoder should produce; 0 pauses it, and it begins again with a key frame. */
void video_source_set_target(struct video_source *source, int64_t bps);

/* Another resolution or frame rate. A new resolution begins with a key frame. */
void video_source_set_format(struct video_source *source, uint16_t width, uint16_t height, double fps);

/* The next frame is a key frame (PLI, FIR, a new subscriber). */
void video_source_request_key_frame(struct video_source *source);

/* The next frame that was captured by `now`; false when there is none. While paused, time passes without frames. */
bool video_source_next(struct video_source *source, struct video_frame *frame, nanos now);

/* When there may be one; NANOS_NEVER while paused. */
nanos video_source_deadline(const struct video_source *source);

#endif
