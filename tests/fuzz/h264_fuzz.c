/* Sizes make sense, and a key frame is one whatever is said behind it. */
#include <stdint.h>
#include <stdlib.h>

#include "rtc/h264.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h264_payload payload;
    uint16_t width = 0, height = 0;
    if (h264_parse(&payload, data, size) && payload.height > 0 && (!payload.starts_key_frame || payload.width == 0))
        abort();
    if (h264_parse_sps(data, size, &width, &height) && (width == 0 || height == 0))
        abort();
    return 0;
}
