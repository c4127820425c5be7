#include "sfu/layout.h"

#include <string.h>
#include <utlist.h>

#include "sfu/publication.h"
#include "sfu/sfu_participant.h"
#include "sfu/subscription.h"

enum {
    HEIGHT_DEFAULT = 720,
    SMALL_SHARE = 4, /* beside the speaker the others are so much smaller */
};

struct layout layout_default(void)
{
    return (struct layout){.mode = LAYOUT_ALL, .height = HEIGHT_DEFAULT, .videos = -1};
}

bool layout_read(struct layout *layout, const struct room_message *message)
{
    static const char *const names[] = {[LAYOUT_ALL] = "all", [LAYOUT_GRID] = "grid", [LAYOUT_SPEAKER] = "speaker"};
    for (int mode = LAYOUT_ALL; mode <= LAYOUT_SPEAKER; mode++) {
        if (strcmp(names[mode], message->layout) != 0)
            continue;
        *layout = (struct layout){.mode = (enum layout_mode)mode,
                                  .height = message->height >= 0 ? message->height : HEIGHT_DEFAULT,
                                  .videos = message->videos};
        return true;
    }
    return false;
}

static bool is_picture(const struct subscription *s) { return s->publication->kind != PUBLICATION_AUDIO; }

/* Has it a place in the layout? A camera that is off has none, nor what the subscriber has itself decided on. */
static bool takes_part(const struct subscription *s)
{
    return is_picture(s) && s->wish < 0 && !publication_is_muted(s->publication);
}

/* The least number whose square has room for `count`. */
static int32_t rows_of(int32_t count)
{
    int32_t rows = 1;
    while (rows * rows < count)
        rows++;
    return rows;
}

/* Which one is large. */
static const struct subscription *large_one(const struct sfu_participant *p)
{
    const struct subscription *s;
    const struct subscription *camera = NULL;
    DL_FOREACH2(p->subscriptions, s, of_subscriber.next)
    {
        if (takes_part(s) && s->publication->kind == PUBLICATION_SCREEN)
            return s;
        if (takes_part(s) && camera == NULL)
            camera = s;
    }
    return camera;
}

void layout_apply(struct sfu_participant *p)
{
    const struct layout *layout = &p->layout;
    const struct subscription *large = layout->mode == LAYOUT_SPEAKER ? large_one(p) : NULL;
    struct subscription *s;
    int32_t cameras = 0;
    int32_t shown = 0;
    DL_FOREACH2(p->subscriptions, s, of_subscriber.next)
    {
        bool camera = s->publication->kind == PUBLICATION_VIDEO;
        s->height = s->wish >= 0 ? s->wish : LAYOUT_HEIGHT_ANY;
        if (!is_picture(s) || s->wish >= 0)
            continue;
        if (layout->mode != LAYOUT_ALL && publication_is_muted(s->publication))
            s->height = 0;
        else if (camera && layout->videos >= 0 && cameras >= layout->videos)
            s->height = 0;
        else if (takes_part(s))
            cameras += camera;
        shown += s->height > 0;
    }
    if (layout->mode == LAYOUT_ALL)
        return;
    int32_t small = layout->mode == LAYOUT_SPEAKER ? layout->height / SMALL_SHARE : layout->height / rows_of(shown);
    DL_FOREACH2(p->subscriptions, s, of_subscriber.next)
    {
        if (is_picture(s) && s->wish < 0 && s->height > 0)
            s->height = s == large ? layout->height : small;
    }
}
