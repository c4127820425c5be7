#include "rtc/vp8.h"

#include "base/bytes.h"

/*       0 1 2 3 4 5 6 7
 *      +-+-+-+-+-+-+-+-+
 *      |X|R|N|S|R| PID |  required
 *      +-+-+-+-+-+-+-+-+
 *   X: |I|L|T|K| RSV   |
 *      +-+-+-+-+-+-+-+-+
 *   I: |M| PictureID   |  M: seven bits and the next eight, else seven
 *      +-+-+-+-+-+-+-+-+
 *      |   PictureID   |
 *      +-+-+-+-+-+-+-+-+
 *   L: |   TL0PICIDX   |
 *      +-+-+-+-+-+-+-+-+
 * T/K: |TID|Y| KEYIDX  |
 *      +-+-+-+-+-+-+-+-+ */
#define EXTENDED 0x80
#define NON_REFERENCE 0x20
#define START 0x10
#define PARTITION_MASK 0x07
#define HAS_PICTURE_ID 0x80
#define HAS_TL0 0x40
#define HAS_TEMPORAL 0x20
#define HAS_KEY_INDEX 0x10
#define LONG_PICTURE_ID 0x80
#define LAYER_SYNC 0x20
#define KEY_INDEX_MASK 0x1f

/* The payload header (RFC 7741, 4.3) is the frame tag of RFC 6386, 9.1:
 *
 *       0 1 2 3 4 5 6 7                          in a key frame further on: the start code and
 *      +-+-+-+-+-+-+-+-+                         14 bits each of width and height, two of scale
 *      |Size0|H| VER |P|  P = 0: key frame
 *      +-+-+-+-+-+-+-+-+ */
static void read_payload_header(struct vp8_descriptor *descriptor, const uint8_t *header, size_t len)
{
    descriptor->frame_start = true;
    descriptor->key_frame = (header[0] & 1) == 0;
    if (descriptor->key_frame && len >= VP8_KEY_FRAME_HEADER && header[3] == 0x9d && header[4] == 0x01 &&
        header[5] == 0x2a) {
        descriptor->width = (uint16_t)((header[7] << 8 | header[6]) & 0x3fff);
        descriptor->height = (uint16_t)((header[9] << 8 | header[8]) & 0x3fff);
    }
}

bool vp8_parse(struct vp8_descriptor *descriptor, const uint8_t *payload, size_t len)
{
    struct reader r = reader_of(payload, len);
    uint8_t first = reader_u8(&r);
    *descriptor = (struct vp8_descriptor){
        .non_reference = (first & NON_REFERENCE) != 0,
        .start = (first & START) != 0,
        .partition = first & PARTITION_MASK,
    };
    uint8_t has = (first & EXTENDED) != 0 ? reader_u8(&r) : 0;
    if ((has & HAS_PICTURE_ID) != 0) {
        descriptor->picture_id_offset = (uint8_t)(r.at - payload);
        uint8_t id = reader_u8(&r);
        descriptor->picture_id_bits = 7;
        descriptor->picture_id = id & 0x7f;
        if ((id & LONG_PICTURE_ID) != 0) {
            descriptor->picture_id_bits = 15;
            descriptor->picture_id = (uint16_t)(descriptor->picture_id << 8 | reader_u8(&r));
        }
    }
    if ((has & HAS_TL0) != 0) {
        descriptor->has_tl0 = true;
        descriptor->tl0_offset = (uint8_t)(r.at - payload);
        descriptor->tl0_picture_index = reader_u8(&r);
    }
    if ((has & (HAS_TEMPORAL | HAS_KEY_INDEX)) != 0) {
        descriptor->layer_offset = (uint8_t)(r.at - payload);
        uint8_t layer = reader_u8(&r);
        descriptor->has_temporal = (has & HAS_TEMPORAL) != 0;
        if (descriptor->has_temporal) {
            descriptor->temporal = layer >> 6;
            descriptor->layer_sync = (layer & LAYER_SYNC) != 0;
        }
        descriptor->has_key_index = (has & HAS_KEY_INDEX) != 0;
        if (descriptor->has_key_index)
            descriptor->key_index = layer & KEY_INDEX_MASK;
    }
    if (r.failed || r.left == 0)
        return false;
    descriptor->len = (uint8_t)(r.at - payload);
    if (descriptor->start && descriptor->partition == 0)
        read_payload_header(descriptor, r.at, r.left);
    return true;
}

size_t vp8_write(uint8_t *buf, size_t cap, const struct vp8_descriptor *descriptor)
{
    bool has_picture_id = descriptor->picture_id_bits > 0;
    bool has_layer = descriptor->has_temporal || descriptor->has_key_index;
    bool extended = has_picture_id || descriptor->has_tl0 || has_layer;
    struct writer w = writer_of(buf, cap);
    writer_u8(&w, (uint8_t)((extended ? EXTENDED : 0) | (descriptor->non_reference ? NON_REFERENCE : 0) |
                            (descriptor->start ? START : 0) | (descriptor->partition & PARTITION_MASK)));
    if (extended)
        writer_u8(&w, (uint8_t)((has_picture_id ? HAS_PICTURE_ID : 0) | (descriptor->has_tl0 ? HAS_TL0 : 0) |
                                (descriptor->has_temporal ? HAS_TEMPORAL : 0) |
                                (descriptor->has_key_index ? HAS_KEY_INDEX : 0)));
    if (descriptor->picture_id_bits == 15)
        writer_u16(&w, (uint16_t)(0x8000 | descriptor->picture_id));
    else if (has_picture_id)
        writer_u8(&w, descriptor->picture_id & 0x7f);
    if (descriptor->has_tl0)
        writer_u8(&w, descriptor->tl0_picture_index);
    if (has_layer)
        writer_u8(&w, (uint8_t)((descriptor->temporal & 3) << 6 | (descriptor->layer_sync ? LAYER_SYNC : 0) |
                                (descriptor->key_index & KEY_INDEX_MASK)));
    return w.failed ? 0 : w.len;
}

void vp8_rewrite(uint8_t *payload, const struct vp8_descriptor *descriptor, const struct vp8_numbers *numbers)
{
    if (descriptor->picture_id_bits == 15)
        bytes_put16(payload + descriptor->picture_id_offset, (uint16_t)(0x8000 | numbers->picture_id));
    else if (descriptor->picture_id_bits == 7)
        payload[descriptor->picture_id_offset] = numbers->picture_id & 0x7f;
    if (descriptor->has_tl0)
        payload[descriptor->tl0_offset] = numbers->tl0_picture_index;
    if (descriptor->has_key_index) {
        uint8_t *layer = payload + descriptor->layer_offset;
        *layer = (uint8_t)((*layer & ~KEY_INDEX_MASK) | (numbers->key_index & KEY_INDEX_MASK));
    }
}
