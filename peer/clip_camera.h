/* Puts a clip's pictures into the frames of a video source: the source says when there is a frame and how large it should
 * be, this says which bytes it begins with; what is left of its size is filled up. So bitrates are those of the source,
 * and what is sent decodes without a flaw at any bitrate: where there is too little for a picture, it is a smaller one,
 * from a key frame on, or every second or fourth that no other needs is left out. A frame that takes more than its share
 * is paid for by those after it, as far as these are filled up. */
#ifndef CONFAB_PEER_CLIP_CAMERA_H
#define CONFAB_PEER_CLIP_CAMERA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer/clip.h"
#include "peer/video_frame.h"

struct clip_camera {
    uint32_t person;
    bool open;
    struct clip_player player;
    size_t rung;  /* what is played now: an index of the table in clip_camera.c, best first */
    uint8_t step; /* of the numbers in the clip, those are sent that this divides */
    double debt;  /* bytes sent beyond what the source gave; below 0: saved */
};

/* What the source is set to. */
struct clip_demand {
    uint16_t height;
    double fps; /* a clip has 30: for a source of 20 or less every second is taken, of 10 or less every fourth */
    int64_t bps;
};

void clip_camera_init(struct clip_camera *camera, uint32_t person);

/* Completes a frame that has its key and size: gives it data, the picture's size, and room for the data and the trailer,
 * and makes it a key frame where the clip has one. False: there is no frame this time, to save bitrate; a wanted key
 * frame is never left out. */
bool clip_camera_take(struct clip_camera *camera, const struct clip_demand *demand, struct video_frame *frame);

#endif
