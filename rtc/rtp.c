#include "rtc/rtp.h"

/*   0                   1                   2                   3
 *   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |V=2|P|X|  CC   |M|     PT      |       sequence number         |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                           timestamp                           |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                             SSRC                              |
 *  +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
 *  |                     CSRCs, CC of them                         |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |      defined by profile       |        length in words        |  when X
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                        extension words                        |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */
#define VERSION_2 0x80
#define VERSION_MASK 0xc0
#define PADDING_BIT 0x20
#define EXTENSION_BIT 0x10
#define CSRC_COUNT_MASK 0x0f
#define MARKER_BIT 0x80
#define EXTENSION_HEAD_LEN 4

bool rtp_parse(struct rtp_packet *packet, const uint8_t *data, size_t len, enum rtp_form form)
{
    if (len < RTP_HEADER_LEN || (data[0] & VERSION_MASK) != VERSION_2)
        return false;
    *packet = (struct rtp_packet){
        .data = data,
        .len = len,
        .payload_type = data[1] & 0x7f,
        .marker = (data[1] & MARKER_BIT) != 0,
        .padding = (data[0] & PADDING_BIT) != 0,
        .csrc_count = data[0] & CSRC_COUNT_MASK,
        .sequence = bytes_get16(data + 2),
        .timestamp = bytes_get32(data + 4),
        .ssrc = bytes_get32(data + 8),
    };
    size_t at = RTP_HEADER_LEN + (size_t)packet->csrc_count * 4;
    if ((data[0] & EXTENSION_BIT) != 0) {
        if (len < at + EXTENSION_HEAD_LEN)
            return false;
        packet->extension_profile = bytes_get16(data + at);
        packet->extension_len = (size_t)bytes_get16(data + at + 2) * 4;
        at += EXTENSION_HEAD_LEN;
        packet->extension_offset = at;
        at += packet->extension_len;
    }
    if (at > len)
        return false;
    if (packet->padding && form == RTP_CLEAR) {
        packet->padding_len = data[len - 1];
        if (packet->padding_len == 0 || packet->padding_len > len - at)
            return false;
    }
    packet->payload = data + at;
    packet->payload_offset = at;
    packet->payload_len = len - at - packet->padding_len;
    return true;
}

/* One-byte form (RFC 8285, 4.2)           Two-byte form (4.3)
 *   0 1 2 3 4 5 6 7                          0                   1
 *  +-+-+-+-+-+-+-+-+----- - -               0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
 *  |  ID   | len-1 | value                 +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+----- - -
 *  +-+-+-+-+-+-+-+-+----- - -              |      ID       |    length     | value
 *                                          +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+----- - -
 *  A zero byte where an ID is expected is padding, in both. */
bool rtp_extension_next(const struct rtp_packet *packet, size_t *cursor, struct rtp_extension *extension)
{
    bool one_byte = packet->extension_profile == RTP_EXTENSION_ONE_BYTE;
    bool two_byte = (packet->extension_profile & 0xfff0) == RTP_EXTENSION_TWO_BYTE;
    if (packet->extension_offset == 0 || (!one_byte && !two_byte))
        return false;
    const uint8_t *block = packet->data + packet->extension_offset;
    size_t end = packet->extension_len;
    size_t at = *cursor;
    while (at < end && block[at] == 0)
        at++;
    *cursor = end; /* unless all goes well, the walk is over */
    size_t head_len = one_byte ? 1 : 2;
    if (at >= end || end - at < head_len)
        return false;
    uint8_t id = one_byte ? block[at] >> 4 : block[at];
    uint8_t len = (uint8_t)(one_byte ? (block[at] & 0x0f) + 1 : block[at + 1]);
    if (id == 0 || (one_byte && id > RTP_EXTENSION_ONE_BYTE_ID_MAX))
        return false;
    at += head_len;
    if (end - at < len)
        return false;
    *extension = (struct rtp_extension){
        .id = id,
        .len = len,
        .head_len = (uint8_t)head_len,
        .offset = packet->extension_offset + at,
        .value = block + at,
    };
    *cursor = at + len;
    return true;
}

bool rtp_extension_find(const struct rtp_packet *packet, uint8_t id, struct rtp_extension *extension)
{
    size_t cursor = 0;
    while (rtp_extension_next(packet, &cursor, extension)) {
        if (extension->id == id)
            return true;
    }
    return false;
}

void rtp_extension_erase(uint8_t *data, const struct rtp_extension *extension)
{
    memset(data + extension->offset - extension->head_len, 0, (size_t)extension->head_len + extension->len);
}

bool rtp_extension_renumber(uint8_t *data, struct rtp_extension *extension, uint8_t id)
{
    bool one_byte = extension->head_len == 1;
    if (id == 0 || (one_byte && id > RTP_EXTENSION_ONE_BYTE_ID_MAX))
        return false;
    uint8_t *head = data + extension->offset - extension->head_len;
    *head = one_byte ? (uint8_t)(id << 4 | (*head & 0x0f)) : id;
    extension->id = id;
    return true;
}

static bool fits_one_byte_form(const struct rtp_extension *extensions, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (extensions[i].id > RTP_EXTENSION_ONE_BYTE_ID_MAX || extensions[i].len == 0 ||
            extensions[i].len > RTP_EXTENSION_ONE_BYTE_VALUE_MAX)
            return false;
    }
    return true;
}

static void write_extensions(struct writer *w, const struct rtp_extension *extensions, size_t count)
{
    bool one_byte = fits_one_byte_form(extensions, count);
    writer_u16(w, one_byte ? RTP_EXTENSION_ONE_BYTE : RTP_EXTENSION_TWO_BYTE);
    uint8_t *words = writer_room(w, 2);
    size_t start = w->len;
    for (size_t i = 0; i < count; i++) {
        const struct rtp_extension *extension = &extensions[i];
        if (extension->id == 0)
            w->failed = true;
        if (one_byte) {
            writer_u8(w, (uint8_t)(extension->id << 4 | (extension->len - 1)));
        } else {
            writer_u8(w, extension->id);
            writer_u8(w, extension->len);
        }
        uint8_t *value = writer_room(w, extension->len);
        if (value != NULL && extension->value != NULL)
            memcpy(value, extension->value, extension->len);
        else if (value != NULL)
            memset(value, 0, extension->len);
    }
    while (!w->failed && (w->len - start) % 4 != 0)
        writer_u8(w, 0);
    if (words != NULL && !w->failed)
        bytes_put16(words, (uint16_t)((w->len - start) / 4));
}

size_t rtp_write_header(uint8_t *buf, size_t cap, const struct rtp_header *header,
                        const struct rtp_extension *extensions, size_t extension_count)
{
    /* 255 elements of 257 bytes are less than the 65,535 words that the length can say. */
    if (header->csrc_count > RTP_CSRC_MAX || header->payload_type > 127 || extension_count > 255)
        return 0;
    struct writer w = writer_of(buf, cap);
    writer_u8(&w, (uint8_t)(VERSION_2 | (extension_count > 0 ? EXTENSION_BIT : 0) | header->csrc_count));
    writer_u8(&w, (uint8_t)((header->marker ? MARKER_BIT : 0) | header->payload_type));
    writer_u16(&w, header->sequence);
    writer_u32(&w, header->timestamp);
    writer_u32(&w, header->ssrc);
    for (uint8_t i = 0; i < header->csrc_count; i++)
        writer_u32(&w, header->csrcs[i]);
    if (extension_count > 0)
        write_extensions(&w, extensions, extension_count);
    return w.failed ? 0 : w.len;
}

size_t rtp_write_padding(uint8_t *data, size_t len, size_t cap, size_t padding_len)
{
    if (padding_len == 0 || padding_len > RTP_PADDING_MAX || len > cap || cap - len < padding_len)
        return 0;
    memset(data + len, 0, padding_len - 1);
    data[len + padding_len - 1] = (uint8_t)padding_len;
    data[0] |= PADDING_BIT;
    return len + padding_len;
}
