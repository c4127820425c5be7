/* Clips: pictures (VP8) and voices (Opus) that decode, made once by peer/clips/make.c and part of the program, so that
 * any number of clients plays them from the same bytes. There are five people, so that those in a room can be told apart,
 * and a shared screen.
 *
 * A clip is an IVF file. Those of people have 30 frames a second in temporal layers 0 2 1 2, and each key frame's
 * number is a multiple of four:
 *
 *     number % 4     0       1       2       3       0       1
 *     layer 2                f <-+           f               f        nothing refers to these,
 *     layer 1               /    |   f <----/|              /         only its right neighbour to this,
 *     layer 0        f <---+-----+--+--------+------ f <---+          and everything to these
 *
 * So every second frame may be left out, or three of four, and the rest decodes as it did with them. */
#ifndef CONFAB_PEER_CLIP_H
#define CONFAB_PEER_CLIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CLIP_PEOPLE = 5, CLIP_SIZES = 3, CLIP_PERIOD = 4 };

#define CLIP_FRAME_MAX (1u << 20) /* bytes; a longer one is malformed */

struct clip {
    const uint8_t *data;
    size_t len;
};

/* Of a person, by any number: 16:9 pictures of 180, 360 or 720 lines by `size` 0 to 2, and what they say. */
struct clip clip_picture(uint32_t person, size_t size);
struct clip clip_voice(uint32_t person);
uint16_t clip_height(size_t size);

/* A shared screen of 1920 by 1080: slides, each a key frame and then one that changes nothing, to which nothing refers. */
struct clip clip_screen(void);

struct clip_frame {
    const uint8_t *data; /* in the clip */
    size_t len;          /* above 0 */
    uint32_t number;     /* in the clip */
    bool key;            /* of VP8; Opus frames need no other */
};

struct clip_player {
    struct clip clip;
    size_t next; /* the offset of a frame */
    uint32_t number;
};

/* Stands before frame `number`, or before the first one if there are not so many. False when the clip is malformed. */
bool clip_open(struct clip_player *player, struct clip clip, uint32_t number);

/* The next frame, behind the last the first; `key`: passes over all up to a key frame. False when the clip is malformed
 * or has no such frame. */
bool clip_next(struct clip_player *player, bool key, struct clip_frame *frame);

#endif
