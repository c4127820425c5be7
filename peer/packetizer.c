#include "peer/packetizer.h"

#include <string.h>

#include "base/rng.h"
#include "rtc/frame_trailer.h"
#include "rtc/vp8.h"

#define PART_MAX (PACKETIZER_PAYLOAD_MAX - VP8_DESCRIPTOR_MAX)
#define FRAME_TAG_LEN 3

void packetizer_init(struct packetizer *packetizer, uint8_t temporal_layers, uint64_t seed, uint64_t index)
{
    struct rng rng = rng_of(seed, "packetizer", index);
    if (temporal_layers < 1)
        temporal_layers = 1;
    if (temporal_layers > PACKETIZER_TEMPORAL_MAX)
        temporal_layers = PACKETIZER_TEMPORAL_MAX;
    *packetizer = (struct packetizer){.temporal_layers = temporal_layers,
                                      .picture_id = (uint16_t)(rng_u32(&rng) & 0x7fff),
                                      .tl0_picture_index = (uint8_t)rng_u32(&rng)};
}

/* Which layer the frame is of and what it refers to: layer 1 to layer 0 only; layer 2 to the frame before it, which is
 * of layer 0 or 1; nothing refers to the highest layer. */
static void choose_layer(struct packetizer *packetizer)
{
    static const uint8_t layers[PACKETIZER_TEMPORAL_MAX + 1][4] = {{0}, {0, 0, 0, 0}, {0, 1, 0, 1}, {0, 2, 1, 2}};
    uint32_t phase = packetizer->since_key++ % 4;
    packetizer->temporal = layers[packetizer->temporal_layers][phase];
    packetizer->non_reference = packetizer->temporal > 0 && packetizer->temporal == packetizer->temporal_layers - 1;
    packetizer->layer_sync = packetizer->temporal > 0 && phase < 3;
    if (packetizer->temporal_layers == 2)
        packetizer->layer_sync = packetizer->temporal > 0;
    if (packetizer->temporal == 0)
        packetizer->tl0_picture_index++;
}

size_t packetizer_begin(struct packetizer *packetizer, const struct video_frame *frame)
{
    packetizer->frame = *frame;
    if (packetizer->frame.size < VIDEO_FRAME_MIN)
        packetizer->frame.size = VIDEO_FRAME_MIN;
    if (frame->key)
        packetizer->since_key = 0;
    choose_layer(packetizer);
    packetizer->picture_id = (packetizer->picture_id + 1) & 0x7fff;
    packetizer->done = 0;
    packetizer->packets_left = (packetizer->frame.size + PART_MAX - 1) / PART_MAX;
    return packetizer->packets_left;
}

/* RFC 6386, section 9.1: the frame tag, and for a key frame the start code and the dimensions.
 *
 *     size0:3 | show_frame:1 | version:3 | not key frame:1 | size1:8 | size2:8   (the tag, size of the first partition)
 */
static void write_frame_header(uint8_t *at, const struct video_frame *frame)
{
    size_t header = frame->key ? VP8_KEY_FRAME_HEADER : FRAME_TAG_LEN;
    size_t partition = (frame->size - header) / 2;
    if (partition > 0x7ffff)
        partition = 0x7ffff;
    uint32_t tag = (uint32_t)partition << 5 | 1u << 4 | (frame->key ? 0 : 1);
    at[0] = (uint8_t)tag;
    at[1] = (uint8_t)(tag >> 8);
    at[2] = (uint8_t)(tag >> 16);
    if (!frame->key)
        return;
    static const uint8_t start_code[] = {0x9d, 0x01, 0x2a};
    memcpy(at + FRAME_TAG_LEN, start_code, sizeof start_code);
    at[6] = (uint8_t)frame->width;
    at[7] = (uint8_t)(frame->width >> 8 & 0x3f);
    at[8] = (uint8_t)frame->height;
    at[9] = (uint8_t)(frame->height >> 8 & 0x3f);
}

size_t packetizer_write(struct packetizer *packetizer, uint8_t *buf, size_t cap, bool *last)
{
    const struct video_frame *frame = &packetizer->frame;
    if (packetizer->packets_left == 0)
        return 0;
    size_t part = (frame->size - packetizer->done) / packetizer->packets_left;
    const bool layered = packetizer->temporal_layers > 1;
    const struct vp8_descriptor descriptor = {.non_reference = packetizer->non_reference,
                                              .start = packetizer->done == 0,
                                              .picture_id_bits = 15,
                                              .picture_id = packetizer->picture_id,
                                              .has_tl0 = layered,
                                              .tl0_picture_index = packetizer->tl0_picture_index,
                                              .has_temporal = layered,
                                              .temporal = packetizer->temporal,
                                              .layer_sync = packetizer->layer_sync};
    size_t len = vp8_write(buf, cap, &descriptor);
    if (len == 0 || len + part > cap)
        return 0;
    size_t data = packetizer->done < frame->data_len ? frame->data_len - packetizer->done : 0;
    if (data > part)
        data = part;
    if (data > 0)
        memcpy(buf + len, frame->data + packetizer->done, data);
    memset(buf + len + data, 0, part - data);
    if (packetizer->done == 0 && frame->data == NULL)
        write_frame_header(buf + len, frame);
    packetizer->done += part;
    *last = --packetizer->packets_left == 0;
    /* A last part of several is at least half a full one, so the trailer is always whole. */
    if (*last)
        frame_trailer_write(buf + len + part - FRAME_TRAILER_LEN,
                            &(struct frame_trailer){.captured = frame->captured, .frame_number = frame->number});
    return len + part;
}
