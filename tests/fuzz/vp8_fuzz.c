/* VP8 payload descriptors: what is read can be rewritten in place and written again. */
#include <stdlib.h>
#include <string.h>

#include "rtc/vp8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool good)
{
    if (!good)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    check(copy != NULL);
    memcpy(copy, data, len);
    struct vp8_descriptor descriptor, again;
    if (vp8_parse(&descriptor, copy, len)) {
        check(descriptor.len < len && descriptor.len <= VP8_DESCRIPTOR_MAX);
        const struct vp8_numbers numbers = {.picture_id = 0x5a5a, .tl0_picture_index = 0xa5, .key_index = 21};
        vp8_rewrite(copy, &descriptor, &numbers);
        check(vp8_parse(&again, copy, len) && again.len == descriptor.len && again.start == descriptor.start);
        check(again.picture_id_bits != 15 || again.picture_id == 0x5a5a);
        uint8_t written[VP8_DESCRIPTOR_MAX];
        check(vp8_write(written, sizeof written, &descriptor) <= descriptor.len);
    }
    free(copy);
    return 0;
}
