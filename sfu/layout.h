/* What a subscriber wants to see: how large each picture is on its screen, from which follows what layer it needs, if
 * any. A layout says it for all at once, and for each at a time the subscriber may say it itself. */
#ifndef CONFAB_SFU_LAYOUT_H
#define CONFAB_SFU_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "rtc/room_message.h"

struct sfu_participant;

enum { LAYOUT_HEIGHT_ANY = INT32_MAX }; /* as large as it comes */

enum layout_mode {
    LAYOUT_ALL,     /* everything as large as it comes */
    LAYOUT_GRID,    /* everything equally large */
    LAYOUT_SPEAKER, /* a shared screen, or whoever speaks, large, and the others small */
};

struct layout {
    enum layout_mode mode;
    int32_t height; /* of all that is shown, in pixels */
    int32_t videos; /* at most so many cameras, of those who spoke last; negative: all */
};

/* That of someone who has said nothing: all. */
struct layout layout_default(void);

/* A layout as a message has it. False when there is none of that name. */
bool layout_read(struct layout *layout, const struct room_message *message);

/* Sets the height of each of the participant's subscriptions. They are in the order of importance: who spoke last comes
 * first. */
void layout_apply(struct sfu_participant *participant);

#endif
