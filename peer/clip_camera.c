#include "peer/clip_camera.h"

#include <math.h>

#include "rtc/frame_trailer.h"

#define HYSTERESIS 1.2 /* before it gets better */
#define DEBT_MAX_S 1.0 /* more is forgiven */

/* What there is to play, best first: the mean bitrate it takes, key frames and trailers included. */
static const struct rung {
    uint8_t size, step;
    int64_t bps;
} rungs[] = {{2, 1, 215000}, {2, 2, 125000}, {1, 1, 105000}, {1, 2, 62000},
             {0, 1, 55000},  {0, 2, 32000},  {0, 4, 20000}};

enum { RUNGS = sizeof rungs / sizeof rungs[0] };

void clip_camera_init(struct clip_camera *camera, uint32_t person)
{
    *camera = (struct clip_camera){.person = person, .rung = RUNGS - 1, .step = 1};
}

static size_t choose(const struct clip_camera *camera, const struct clip_demand *demand)
{
    for (size_t i = 0; i < RUNGS; i++) {
        bool better = camera->open && i < camera->rung;
        bool fits = rungs[i].size == 0 || clip_height(rungs[i].size) <= demand->height;
        if (fits && (double)demand->bps >= (double)rungs[i].bps * (better ? HYSTERESIS : 1))
            return i;
    }
    return RUNGS - 1;
}

static bool next_picture(struct clip_player *player, bool key, double fps, struct clip_frame *picture)
{
    uint32_t pace = fps > 20 ? 1 : fps > 10 ? 2 : 4;
    do {
        if (!clip_next(player, key, picture))
            return false;
    } while (picture->number % pace != 0);
    return true;
}

/* Whether another size can begin with the next frame: for a smaller one it has to, a larger one waits for a key frame
 * that comes anyway. */
static bool changes_size(const struct clip_camera *camera, size_t rung, double fps, bool key)
{
    if (!camera->open)
        return true;
    if (rungs[rung].size <= rungs[camera->rung].size)
        return rungs[rung].size < rungs[camera->rung].size;
    struct clip_player ahead = camera->player;
    struct clip_frame next;
    return key || (next_picture(&ahead, false, fps, &next) && next.key);
}

bool clip_camera_take(struct clip_camera *camera, const struct clip_demand *demand, struct video_frame *frame)
{
    size_t rung = choose(camera, demand);
    bool key = frame->key;
    if (changes_size(camera, rung, demand->fps, key)) {
        key = clip_open(&camera->player, clip_picture(camera->person, rungs[rung].size), camera->player.number);
        camera->open = key;
        camera->rung = rung;
    } else {
        while (rungs[rung].size > rungs[camera->rung].size) /* meanwhile all frames of this size */
            rung++;
        camera->rung = rung;
    }
    struct clip_frame picture;
    if (!next_picture(&camera->player, key, demand->fps, &picture))
        return false;

    /* More frames than before only from layer 0 on: what the others refer to is there then. */
    uint8_t step = rungs[camera->rung].step;
    if (step > camera->step || picture.number % CLIP_PERIOD == 0)
        camera->step = step;
    if (picture.number % camera->step != 0) {
        camera->debt -= (double)frame->size;
        return false;
    }
    double wanted = (double)frame->size - camera->debt;
    double least = (double)(picture.len + FRAME_TRAILER_LEN);
    camera->debt = fmin(fmax(least - wanted, 0), DEBT_MAX_S * (double)demand->bps / 8);
    frame->size = (size_t)fmax(wanted, least);
    frame->key = picture.key;
    frame->data = picture.data;
    frame->data_len = picture.len;
    frame->height = clip_height(rungs[camera->rung].size);
    frame->width = (uint16_t)(frame->height * 16 / 9);
    return true;
}
