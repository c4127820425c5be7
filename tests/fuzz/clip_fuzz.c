/* A clip of any bytes: what the player gives lies in it, and it comes to an end. */
#include <stdlib.h>

#include "peer/clip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct clip_player player;
    struct clip_frame frame;
    if (!clip_open(&player, (struct clip){.data = data, .len = len}, len > 0 ? data[len - 1] : 0))
        return 0;
    for (int i = 0; i < 40; i++) {
        if (!clip_next(&player, i % 8 == 7, &frame))
            break;
        if (frame.data < data || frame.len == 0 || frame.len > len || frame.data + frame.len > data + len)
            abort();
        if (i % 8 == 7 && !frame.key)
            abort();
    }
    return 0;
}
