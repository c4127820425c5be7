#include "peer/clip.h"

#include <string.h>

/*  IVF, numbers with the low byte first:
 *
 *      "DKIF" | version, 16 bits | length of this header, 16 | codec, 4 letters | width, 16 | height, 16
 *             | rate, 32 | scale, 32 | frames, 32 | unused, 32
 *      and for each frame: its length, 32 | its time, 64 | the frame */
#define HEADER_LEN 32
#define FRAME_HEADER_LEN 12

/* The files as they are. */
#define EMBED(name, file)                                                                                              \
    __asm__(".section .rodata\n"                                                                                       \
            ".global clip_" name ", clip_" name "_end\n"                                                               \
            "clip_" name ": .incbin \"peer/clips/" file ".ivf\"\n"                                                     \
            "clip_" name "_end: .byte 0\n"                                                                             \
            ".previous")

#define PERSON(name)                                                                                                   \
    EMBED(#name "_180", #name "-180");                                                                                 \
    EMBED(#name "_360", #name "-360");                                                                                 \
    EMBED(#name "_720", #name "-720");                                                                                 \
    EMBED(#name "_voice", #name ".opus");                                                                              \
    extern const uint8_t clip_##name##_180[], clip_##name##_180_end[], clip_##name##_360[], clip_##name##_360_end[],   \
        clip_##name##_720[], clip_##name##_720_end[], clip_##name##_voice[], clip_##name##_voice_end[]

PERSON(red);
PERSON(green);
PERSON(blue);
PERSON(yellow);
PERSON(violet);
EMBED("slides", "screen");
extern const uint8_t clip_slides[], clip_slides_end[];

struct extent {
    const uint8_t *start, *end;
};

#define EXTENT(name)                                                                                                   \
    {                                                                                                                  \
        clip_##name, clip_##name##_end                                                                                 \
    }
#define EXTENTS(name)                                                                                                  \
    {                                                                                                                  \
        EXTENT(name##_180), EXTENT(name##_360), EXTENT(name##_720), EXTENT(name##_voice)                               \
    }

static const struct extent extents[CLIP_PEOPLE][CLIP_SIZES + 1] = {EXTENTS(red), EXTENTS(green), EXTENTS(blue),
                                                                   EXTENTS(yellow), EXTENTS(violet)};

static const struct extent screen = EXTENT(slides);

static struct clip clip_of(const struct extent *extent)
{
    return (struct clip){.data = extent->start, .len = (size_t)(extent->end - extent->start)};
}

struct clip clip_picture(uint32_t person, size_t size) { return clip_of(&extents[person % CLIP_PEOPLE][size]); }
struct clip clip_voice(uint32_t person) { return clip_of(&extents[person % CLIP_PEOPLE][CLIP_SIZES]); }
struct clip clip_screen(void) { return clip_of(&screen); }

uint16_t clip_height(size_t size)
{
    static const uint16_t heights[CLIP_SIZES] = {180, 360, 720};
    return heights[size];
}

static uint32_t low_first32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static bool read_frame(struct clip_player *player, struct clip_frame *frame)
{
    const struct clip *clip = &player->clip;
    if (clip->len - player->next < FRAME_HEADER_LEN)
        return false;
    uint32_t len = low_first32(clip->data + player->next);
    if (len == 0 || len > CLIP_FRAME_MAX || len > clip->len - player->next - FRAME_HEADER_LEN)
        return false;
    const uint8_t *data = clip->data + player->next + FRAME_HEADER_LEN;
    *frame = (struct clip_frame){.data = data, .len = len, .number = player->number, .key = (data[0] & 1) == 0};
    player->next += FRAME_HEADER_LEN + len;
    player->number++;
    if (player->next == clip->len) {
        player->next = HEADER_LEN;
        player->number = 0;
    }
    return true;
}

bool clip_open(struct clip_player *player, struct clip clip, uint32_t number)
{
    struct clip_frame frame;
    if (clip.len < HEADER_LEN + FRAME_HEADER_LEN || memcmp(clip.data, "DKIF", 4) != 0 || clip.data[6] != HEADER_LEN ||
        clip.data[7] != 0)
        return false;
    *player = (struct clip_player){.clip = clip, .next = HEADER_LEN};
    while (player->number < number) {
        if (!read_frame(player, &frame))
            return false;
        if (player->number == 0)
            break;
    }
    return true;
}

bool clip_next(struct clip_player *player, bool key, struct clip_frame *frame)
{
    size_t from = player->next;
    do {
        if (!read_frame(player, frame))
            return false;
        if (!key || frame->key)
            return true;
    } while (player->next != from);
    return false;
}
