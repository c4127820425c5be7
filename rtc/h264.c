#include "rtc/h264.h"

#include "base/bytes.h"

/* NAL unit types: H.264, table 7-1; RFC 6184, table 1. */
enum {
    NAL_SPS = 7,
    NAL_LAST = 23,
    NAL_STAP_A = 24,
    NAL_FU_A = 28,
    NAL_TYPE_MASK = 0x1f,
    NAL_FORBIDDEN = 0x80,
};

/* --- sequence parameter sets ------------------------------------------------------------------------------------------- */

/* Bits, without the bytes that keep start codes from appearing (section 7.4.1.1). */
struct bits {
    const uint8_t *bytes;
    size_t len;
    size_t at;     /* byte */
    unsigned used; /* bits of it */
    unsigned zeros;
    bool failed;
};

static unsigned read_bit(struct bits *bits)
{
    if (bits->used == 0 && bits->zeros >= 2 && bits->at < bits->len && bits->bytes[bits->at] == 3) {
        bits->at++;
        bits->zeros = 0;
    }
    if (bits->at >= bits->len) {
        bits->failed = true;
        return 0;
    }
    uint8_t byte = bits->bytes[bits->at];
    unsigned bit = byte >> (7 - bits->used) & 1;
    if (++bits->used == 8) {
        bits->used = 0;
        bits->at++;
        bits->zeros = byte == 0 ? bits->zeros + 1 : 0;
    }
    return bit;
}

static uint32_t read_bits(struct bits *bits, unsigned count)
{
    uint32_t value = 0;
    while (count-- > 0)
        value = value << 1 | read_bit(bits);
    return value;
}

/* Exp-Golomb, ue(v) (section 9.1). */
static uint32_t read_unsigned(struct bits *bits)
{
    unsigned zeros = 0;
    while (!bits->failed && read_bit(bits) == 0 && zeros < 32)
        zeros++;
    if (zeros >= 32)
        bits->failed = true;
    return bits->failed ? 0 : (uint32_t)((1u << zeros) - 1 + read_bits(bits, zeros));
}

/* se(v) (section 9.1.1). */
static int32_t read_signed(struct bits *bits)
{
    uint32_t code = read_unsigned(bits);
    return code % 2 == 1 ? (int32_t)(code / 2 + 1) : -(int32_t)(code / 2);
}

/* Section 7.3.2.1.1.1: read over. */
static void skip_scaling_list(struct bits *bits, int size)
{
    int last = 8;
    int next = 8;
    for (int i = 0; i < size && !bits->failed; i++) {
        if (next != 0)
            next = (last + (read_signed(bits) & 0xff)) & 0xff;
        last = next == 0 ? last : next;
    }
}

static bool has_chroma_format(uint8_t profile)
{
    static const uint8_t profiles[] = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135};
    for (size_t i = 0; i < sizeof profiles; i++) {
        if (profiles[i] == profile)
            return true;
    }
    return false;
}

/* Gives chroma_format_idc, and reads over what the high profiles have behind it. */
static uint32_t read_chroma_format(struct bits *bits)
{
    uint32_t format = read_unsigned(bits);
    if (format == 3)
        read_bit(bits);  /* separate_colour_plane_flag */
    read_unsigned(bits); /* bit depths */
    read_unsigned(bits);
    read_bit(bits);
    if (read_bit(bits) == 0)
        return format;
    for (int i = 0; i < (format == 3 ? 12 : 8); i++) {
        if (read_bit(bits) != 0)
            skip_scaling_list(bits, i < 6 ? 16 : 64);
    }
    return format;
}

static void skip_picture_order(struct bits *bits)
{
    uint32_t type = read_unsigned(bits);
    if (type == 0)
        read_unsigned(bits);
    if (type != 1)
        return;
    read_bit(bits);
    read_signed(bits);
    read_signed(bits);
    uint32_t count = read_unsigned(bits);
    if (count > 255)
        bits->failed = true;
    for (uint32_t i = 0; i < count && !bits->failed; i++)
        read_signed(bits);
}

bool h264_parse_sps(const uint8_t *sps, size_t len, uint16_t *width, uint16_t *height)
{
    enum { HEADER_LEN = 4, MACROBLOCK = 16, MACROBLOCKS_MAX = 1024 };
    uint32_t crop[4] = {0};
    if (len < HEADER_LEN || (sps[0] & NAL_TYPE_MASK) != NAL_SPS)
        return false;
    struct bits bits = {.bytes = sps + HEADER_LEN, .len = len - HEADER_LEN};
    read_unsigned(&bits); /* seq_parameter_set_id */
    uint32_t chroma = has_chroma_format(sps[1]) ? read_chroma_format(&bits) : 1;
    read_unsigned(&bits); /* log2_max_frame_num_minus4 */
    skip_picture_order(&bits);
    read_unsigned(&bits); /* max_num_ref_frames */
    read_bit(&bits);
    uint32_t columns = read_unsigned(&bits) + 1;
    uint32_t rows = read_unsigned(&bits) + 1;
    uint32_t fields = read_bit(&bits) == 0 ? 2 : 1; /* frame_mbs_only_flag */
    if (fields == 2)
        read_bit(&bits);
    read_bit(&bits);
    if (read_bit(&bits) != 0) {
        for (int i = 0; i < 4; i++)
            crop[i] = read_unsigned(&bits);
    }
    if (bits.failed || columns > MACROBLOCKS_MAX || rows > MACROBLOCKS_MAX)
        return false;
    uint64_t crop_x = (uint64_t)(chroma == 1 || chroma == 2 ? 2 : 1) * ((uint64_t)crop[0] + crop[1]);
    uint64_t crop_y = (uint64_t)(chroma == 1 ? 2 : 1) * fields * ((uint64_t)crop[2] + crop[3]);
    uint32_t whole_x = columns * MACROBLOCK;
    uint32_t whole_y = rows * fields * MACROBLOCK;
    if (crop_x >= whole_x || crop_y >= whole_y)
        return false;
    *width = (uint16_t)(whole_x - crop_x);
    *height = (uint16_t)(whole_y - crop_y);
    return true;
}

/* --- payloads ---------------------------------------------------------------------------------------------------------- */

static void look_at(struct h264_payload *out, const uint8_t *unit, size_t len)
{
    if ((unit[0] & NAL_TYPE_MASK) != NAL_SPS)
        return;
    out->starts_key_frame = true;
    h264_parse_sps(unit, len, &out->width, &out->height);
}

/*   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |F|NRI| 1 - 23 |  the rest of a NAL unit ...                        single (RFC 6184, section 5.6)
 *  |F|NRI|   24   |  size of the 1st  |  NAL unit ... | size ...       STAP-A (section 5.7.1)
 *  |F|NRI|   28   |S|E|R|  type  |  a piece of a NAL unit ...          FU-A (section 5.8) */
bool h264_parse(struct h264_payload *out, const uint8_t *payload, size_t len)
{
    *out = (struct h264_payload){0};
    if (len < 2 || (payload[0] & NAL_FORBIDDEN) != 0)
        return false;
    unsigned type = payload[0] & NAL_TYPE_MASK;
    if (type >= 1 && type <= NAL_LAST) {
        look_at(out, payload, len);
        return true;
    }
    if (type == NAL_FU_A)
        return (payload[1] & NAL_TYPE_MASK) >= 1 && (payload[1] & NAL_TYPE_MASK) <= NAL_LAST;
    if (type != NAL_STAP_A)
        return false;
    struct reader units = reader_of(payload + 1, len - 1);
    while (units.left > 0) {
        size_t size = reader_u16(&units);
        const uint8_t *unit = reader_take(&units, size);
        if (unit == NULL || size == 0)
            return false;
        look_at(out, unit, size);
    }
    return true;
}
