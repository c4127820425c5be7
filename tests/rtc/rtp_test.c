#include "rtc/rtp.h"

#include <string.h>

#include "base/rng.h"
#include "rtc/ntp.h"
#include "rtc/packet_kind.h"
#include "rtc/rtp_extensions.h"
#include "tests/support/suite.h"

static void reads_a_plain_packet(void)
{
    const uint8_t data[] = {0x80, 0xe0, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0x01, 0x02, 0x03, 0x04, 'a', 'b', 'c'};
    struct rtp_packet packet;
    CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, sizeof data, RTP_CLEAR));
    CU_ASSERT_EQUAL(packet.payload_type, 96);
    CU_ASSERT_TRUE(packet.marker);
    CU_ASSERT_EQUAL(packet.sequence, 0x1234);
    CU_ASSERT_EQUAL(packet.timestamp, 0xdeadbeef);
    CU_ASSERT_EQUAL(packet.ssrc, 0x01020304);
    CU_ASSERT_EQUAL(packet.extension_offset, 0);
    CU_ASSERT_EQUAL(packet.payload_offset, 12);
    CU_ASSERT_EQUAL(packet.payload_len, 3);
    CU_ASSERT_EQUAL(packet.padding_len, 0);
    for (size_t len = 0; len < RTP_HEADER_LEN; len++)
        CU_ASSERT_FALSE(rtp_parse(&packet, data, len, RTP_CLEAR));
    CU_ASSERT_TRUE(rtp_parse(&packet, data, RTP_HEADER_LEN, RTP_CLEAR));
}

/* Attack 21: padding, extension and CSRC counts that lie. */
static void refuses_lying_lengths(void)
{
    uint8_t data[64] = {0xa0, 96};
    struct rtp_packet packet;
    const struct {
        uint8_t padding;
        size_t len;
        bool good;
    } paddings[] = {{0, 20, false}, {1, 20, true}, {8, 20, true}, {9, 20, false}, {255, 20, false}, {1, 13, true}};
    for (size_t i = 0; i < sizeof paddings / sizeof paddings[0]; i++) {
        data[paddings[i].len - 1] = paddings[i].padding;
        CU_ASSERT_EQUAL(rtp_parse(&packet, data, paddings[i].len, RTP_CLEAR), paddings[i].good);
        if (paddings[i].good)
            CU_ASSERT_EQUAL(packet.payload_len + packet.padding_len, paddings[i].len - RTP_HEADER_LEN);
        /* Encrypted, the last byte is the authentication tag's: nothing is known, nothing refused. */
        CU_ASSERT_TRUE(rtp_parse(&packet, data, paddings[i].len, RTP_ENCRYPTED));
        CU_ASSERT_TRUE(packet.padding);
        CU_ASSERT_EQUAL(packet.payload_len, paddings[i].len - RTP_HEADER_LEN);
    }
    /* P set on a bare header: there is no byte for the count. */
    memset(data, 0, sizeof data);
    data[0] = 0xa0;
    CU_ASSERT_FALSE(rtp_parse(&packet, data, 12, RTP_CLEAR));

    data[0] = 0x8f; /* 15 CSRCs need 72 bytes */
    CU_ASSERT_FALSE(rtp_parse(&packet, data, sizeof data, RTP_CLEAR));
    data[0] = 0x8d; /* 13 are all there is room for */
    bytes_put32(data + 60, 77);
    CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, sizeof data, RTP_CLEAR));
    CU_ASSERT_EQUAL(rtp_csrc(&packet, 12), 77);
    CU_ASSERT_EQUAL(packet.payload_len, 0);

    data[0] = 0x90;
    bytes_put16(data + 12, 0xbede);
    for (uint32_t words = 0; words <= 0xffff; words += words < 16 ? 1 : 4369) {
        bytes_put16(data + 14, (uint16_t)words);
        CU_ASSERT_EQUAL(rtp_parse(&packet, data, sizeof data, RTP_CLEAR), words <= 12);
        CU_ASSERT_FALSE(rtp_parse(&packet, data, 15, RTP_CLEAR));
    }
    bytes_put16(data + 14, 0); /* X with no words is right */
    CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, 16, RTP_CLEAR));
    CU_ASSERT_EQUAL(packet.extension_offset, 16);
    CU_ASSERT_EQUAL(packet.payload_offset, 16);
    struct rtp_extension extension;
    CU_ASSERT_FALSE(rtp_extension_find(&packet, 1, &extension));

    data[0] = 0x40; /* version 1 */
    CU_ASSERT_FALSE(rtp_parse(&packet, data, sizeof data, RTP_CLEAR));
}

/* RFC 8285, section 4.2: the example of three elements with padding between them. */
static void reads_one_byte_extensions(void)
{
    uint8_t data[12 + 4 + 12] = {0x90, 96};
    const uint8_t block[] = {0xbe, 0xde, 0, 3, 0x10, 0xaa, 0x21, 0xbb, 0xbc, 0, 0, 0x33, 0xcc, 0xcd, 0xce, 0xcf};
    memcpy(data + 12, block, sizeof block);
    struct rtp_packet packet;
    struct rtp_extension extension;
    CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, sizeof data, RTP_CLEAR));
    size_t cursor = 0;
    const uint8_t lens[] = {1, 2, 4};
    for (uint8_t i = 0; i < 3; i++) {
        CU_ASSERT_TRUE_FATAL(rtp_extension_next(&packet, &cursor, &extension));
        CU_ASSERT_EQUAL(extension.id, i + 1);
        CU_ASSERT_EQUAL(extension.len, lens[i]);
        CU_ASSERT_EQUAL(extension.value[0], 0xaa + i * 0x11);
        CU_ASSERT_PTR_EQUAL(extension.value, data + extension.offset);
    }
    CU_ASSERT_FALSE(rtp_extension_next(&packet, &cursor, &extension));
    CU_ASSERT_FALSE(rtp_extension_next(&packet, &cursor, &extension));

    /* ID 15, or ID 0 with a length, ends the reading: what came before counts (4.1.2, 4.2). */
    const uint8_t enders[] = {0xf0, 0x01};
    for (size_t i = 0; i < 2; i++) {
        data[18] = enders[i];
        CU_ASSERT_TRUE(rtp_extension_find(&packet, 1, &extension));
        CU_ASSERT_FALSE(rtp_extension_find(&packet, 2, &extension));
        CU_ASSERT_FALSE(rtp_extension_find(&packet, 3, &extension));
    }
    /* A value that runs past the block. */
    data[18] = 0x21;
    data[23] = 0x34;
    CU_ASSERT_TRUE(rtp_extension_find(&packet, 2, &extension));
    CU_ASSERT_FALSE(rtp_extension_find(&packet, 3, &extension));
}

/* RFC 8285, section 4.3: a zero-length element, one of one byte, one of four. */
static void reads_two_byte_extensions(void)
{
    uint8_t data[12 + 4 + 12] = {0x90, 96};
    const uint8_t block[] = {0x10, 0x07, 0, 3, 1, 0, 200, 1, 0xaa, 0, 15, 4, 1, 2, 3, 4};
    memcpy(data + 12, block, sizeof block);
    struct rtp_packet packet;
    struct rtp_extension extension;
    CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, sizeof data, RTP_CLEAR));
    CU_ASSERT_TRUE(rtp_extension_find(&packet, 1, &extension));
    CU_ASSERT_EQUAL(extension.len, 0);
    CU_ASSERT_TRUE(rtp_extension_find(&packet, 200, &extension));
    CU_ASSERT_EQUAL(extension.value[0], 0xaa);
    CU_ASSERT_TRUE(rtp_extension_find(&packet, 15, &extension));
    CU_ASSERT_EQUAL(extension.offset, 24);
    CU_ASSERT_EQUAL(bytes_get32(extension.value), 0x01020304);
    data[23] = 5; /* one byte too many */
    CU_ASSERT_FALSE(rtp_extension_find(&packet, 15, &extension));
    /* Of another profile nothing is known. */
    data[12] = 0x20;
    CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, sizeof data, RTP_CLEAR));
    CU_ASSERT_FALSE(rtp_extension_find(&packet, 1, &extension));
}

static void rewrites_extensions_in_place(void)
{
    uint8_t data[128];
    const struct rtp_header header = {.payload_type = 111, .sequence = 5, .timestamp = 960, .ssrc = 9};
    const struct rtp_extension wanted[] = {
        {.id = 4, .len = 1, .value = (const uint8_t *)"0"},
        {.id = 3, .len = 2},
        {.id = 1, .len = 1, .value = (const uint8_t *)"\x85"},
    };
    for (int two_byte = 0; two_byte < 2; two_byte++) {
        struct rtp_extension elements[4];
        memcpy(elements, wanted, sizeof wanted);
        elements[3] = (struct rtp_extension){.id = two_byte ? 20 : 14, .len = 3};
        size_t len = rtp_write_header(data, sizeof data, &header, elements, 4);
        CU_ASSERT_EQUAL_FATAL(len, (size_t)(two_byte ? 32 : 28));
        struct rtp_packet packet;
        struct rtp_extension extension;
        CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, len, RTP_CLEAR));
        CU_ASSERT_TRUE_FATAL(rtp_extension_find(&packet, 3, &extension));
        CU_ASSERT_EQUAL(extension.head_len, two_byte ? 2 : 1);
        CU_ASSERT_EQUAL(bytes_get16(extension.value), 0);
        rtp_put_transport_sequence(data + extension.offset, 0xfffe);
        CU_ASSERT_EQUAL(bytes_get16(extension.value), 0xfffe);

        CU_ASSERT_EQUAL(rtp_extension_renumber(data, &extension, 15), two_byte);
        CU_ASSERT_FALSE(rtp_extension_renumber(data, &extension, 0));
        CU_ASSERT_TRUE(rtp_extension_renumber(data, &extension, 9));
        CU_ASSERT_FALSE(rtp_extension_find(&packet, 3, &extension));
        CU_ASSERT_TRUE_FATAL(rtp_extension_find(&packet, 9, &extension));
        CU_ASSERT_EQUAL(bytes_get16(extension.value), 0xfffe);

        rtp_extension_erase(data, &extension);
        CU_ASSERT_FALSE(rtp_extension_find(&packet, 9, &extension));
        CU_ASSERT_TRUE(rtp_extension_find(&packet, 4, &extension));
        CU_ASSERT_TRUE(rtp_extension_find(&packet, 1, &extension));
        struct rtp_audio_level level;
        CU_ASSERT_TRUE(rtp_get_audio_level(&extension, &level));
        CU_ASSERT_TRUE(level.voice);
        CU_ASSERT_EQUAL(level.below_max, 5);

        rtp_set_sequence(data, 65535);
        rtp_set_timestamp(data, 1);
        rtp_set_ssrc(data, 2);
        rtp_set_payload_type(data, 0x63);
        rtp_set_marker(data, true);
        CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, len, RTP_CLEAR));
        CU_ASSERT_TRUE(packet.sequence == 65535 && packet.timestamp == 1 && packet.ssrc == 2);
        CU_ASSERT_TRUE(packet.payload_type == 0x63 && packet.marker);
    }
}

/* What the writer writes, the reader reads: random headers against what was asked for. */
static void writes_what_it_reads(void)
{
    struct rng rng = rng_of(1, "rtp", 0);
    for (int round = 0; round < 2000; round++) {
        uint8_t data[700], values[8][24];
        struct rtp_extension elements[8];
        uint32_t csrcs[RTP_CSRC_MAX];
        size_t count = rng_below(&rng, 9);
        for (size_t i = 0; i < count; i++) {
            rng_bytes(&rng, values[i], sizeof values[i]);
            elements[i] = (struct rtp_extension){
                .id = (uint8_t)(1 + i + rng_below(&rng, 2) * (round % 2) * 100),
                .len = (uint8_t)(round % 3 ? 1 + rng_below(&rng, 16) : rng_below(&rng, 25)),
                .value = values[i],
            };
        }
        for (size_t i = 0; i < RTP_CSRC_MAX; i++)
            csrcs[i] = rng_u32(&rng);
        struct rtp_header header = {
            .payload_type = (uint8_t)rng_below(&rng, 128),
            .marker = rng_below(&rng, 2) != 0,
            .csrc_count = (uint8_t)rng_below(&rng, 16),
            .sequence = (uint16_t)rng_u32(&rng),
            .timestamp = rng_u32(&rng),
            .ssrc = rng_u32(&rng),
            .csrcs = csrcs,
        };
        size_t cap = rng_below(&rng, sizeof data + 1);
        size_t len = rtp_write_header(data, cap, &header, elements, count);
        if (len == 0) {
            size_t needed = rtp_write_header(data, sizeof data, &header, elements, count);
            CU_ASSERT_TRUE(needed > cap);
            continue;
        }
        CU_ASSERT_EQUAL(len % 4, 0);
        size_t padding = rng_below(&rng, 256);
        size_t whole = rtp_write_padding(data, len, sizeof data, padding);
        struct rtp_packet packet;
        if (whole == 0)
            CU_ASSERT_TRUE(padding == 0 || len + padding > sizeof data);
        CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, whole ? whole : len, RTP_CLEAR));
        CU_ASSERT_EQUAL(packet.padding_len, whole ? padding : 0);
        CU_ASSERT_EQUAL(packet.payload_offset, len);
        CU_ASSERT_EQUAL(packet.payload_len, 0);
        CU_ASSERT_TRUE(packet.payload_type == header.payload_type && packet.marker == header.marker &&
                       packet.sequence == header.sequence && packet.timestamp == header.timestamp &&
                       packet.ssrc == header.ssrc && packet.csrc_count == header.csrc_count);
        for (uint8_t i = 0; i < packet.csrc_count; i++)
            CU_ASSERT_EQUAL(rtp_csrc(&packet, i), csrcs[i]);
        size_t cursor = 0;
        struct rtp_extension read;
        for (size_t i = 0; i < count; i++) {
            CU_ASSERT_TRUE_FATAL(rtp_extension_next(&packet, &cursor, &read));
            CU_ASSERT_TRUE(read.id == elements[i].id && read.len == elements[i].len);
            CU_ASSERT_EQUAL(memcmp(read.value, values[i], read.len), 0);
        }
        CU_ASSERT_FALSE(rtp_extension_next(&packet, &cursor, &read));
    }
    uint8_t data[64];
    CU_ASSERT_EQUAL(rtp_write_header(data, 64, &(struct rtp_header){.payload_type = 128}, NULL, 0), 0);
    CU_ASSERT_EQUAL(rtp_write_header(data, 64, &(struct rtp_header){.csrc_count = 16}, NULL, 0), 0);
    CU_ASSERT_EQUAL(rtp_write_header(data, 64, &(struct rtp_header){0}, &(struct rtp_extension){.len = 1}, 1), 0);
}

static void reads_all_extensions_in_one_walk(void)
{
    struct rtp_extension_map map = {0};
    for (int kind = 0; kind < RTP_EXTENSION_KINDS; kind++) {
        const char *uri = rtp_extension_uri((enum rtp_extension_kind)kind);
        CU_ASSERT_EQUAL(rtp_extension_kind_of(uri, strlen(uri)), kind);
        CU_ASSERT_EQUAL(rtp_extension_kind_of(uri, strlen(uri) - 1), RTP_EXTENSION_OTHER);
    }
    map.id[RTP_EXTENSION_MID] = 4;
    map.id[RTP_EXTENSION_RID] = 10;
    map.id[RTP_EXTENSION_ABS_SEND_TIME] = 2;
    map.id[RTP_EXTENSION_ABS_CAPTURE_TIME] = 5;
    map.id[RTP_EXTENSION_TRANSPORT_SEQUENCE] = 3;

    uint8_t send_time[3], capture_time[16];
    bytes_put24(send_time, rtp_abs_send_time(65 * NANOS_PER_S + NANOS_PER_S / 2));
    const struct rtp_abs_capture_time captured = {.ntp = 0x123456789abcdef0, .has_offset = true, .clock_offset = -7};
    CU_ASSERT_EQUAL(rtp_put_abs_capture_time(capture_time, &captured), 16);
    const struct rtp_extension elements[] = {
        {.id = 10, .len = 2, .value = (const uint8_t *)"hi"},
        {.id = 2, .len = 3, .value = send_time},
        {.id = 5, .len = 16, .value = capture_time},
        {.id = 10, .len = 2, .value = (const uint8_t *)"no"}, /* the second of an ID doesn't count */
        {.id = 7, .len = 1, .value = (const uint8_t *)"?"},   /* not mapped */
        {.id = 3, .len = 4, .value = (const uint8_t *)"\x12\x34\x80\x05"},
    };
    uint8_t data[96];
    size_t len = rtp_write_header(data, sizeof data, &(struct rtp_header){.payload_type = 96}, elements, 6);
    struct rtp_packet packet;
    CU_ASSERT_TRUE_FATAL(rtp_parse(&packet, data, len, RTP_CLEAR));
    struct rtp_extensions extensions;
    rtp_extensions_read(&packet, &map, &extensions);
    CU_ASSERT_PTR_NULL(rtp_extensions_get(&extensions, RTP_EXTENSION_MID));
    CU_ASSERT_PTR_NULL(rtp_extensions_get(&extensions, RTP_EXTENSION_VIDEO_ORIENTATION));
    char text[RTP_TOKEN_CAP];
    CU_ASSERT_TRUE(rtp_get_token(rtp_extensions_get(&extensions, RTP_EXTENSION_RID), text));
    CU_ASSERT_STRING_EQUAL(text, "hi");
    uint32_t time;
    CU_ASSERT_TRUE(rtp_get_abs_send_time(rtp_extensions_get(&extensions, RTP_EXTENSION_ABS_SEND_TIME), &time));
    CU_ASSERT_EQUAL(time, 3u << 17); /* 1.5 s after the wrap at 64 s */
    struct rtp_abs_capture_time read;
    CU_ASSERT_TRUE(rtp_get_abs_capture_time(rtp_extensions_get(&extensions, RTP_EXTENSION_ABS_CAPTURE_TIME), &read));
    CU_ASSERT_TRUE(read.ntp == captured.ntp && read.has_offset && read.clock_offset == -7);
    uint16_t sequence;
    CU_ASSERT_TRUE(
        rtp_get_transport_sequence(rtp_extensions_get(&extensions, RTP_EXTENSION_TRANSPORT_SEQUENCE), &sequence));
    CU_ASSERT_EQUAL(sequence, 0x1234);
    CU_ASSERT_FALSE(rtp_get_abs_send_time(rtp_extensions_get(&extensions, RTP_EXTENSION_RID), &time));
    CU_ASSERT_FALSE(rtp_get_token(rtp_extensions_get(&extensions, RTP_EXTENSION_ABS_SEND_TIME), text));
}

static void send_times_wrap(void)
{
    uint32_t before = rtp_abs_send_time(64 * NANOS_PER_S - 10 * NANOS_PER_MS);
    uint32_t after = rtp_abs_send_time(64 * NANOS_PER_S + 10 * NANOS_PER_MS);
    CU_ASSERT_DOUBLE_EQUAL(nanos_to_ms(rtp_abs_send_time_difference(after, before)), 20, 0.01);
    CU_ASSERT_DOUBLE_EQUAL(nanos_to_ms(rtp_abs_send_time_difference(before, after)), -20, 0.01);
}

static void unwraps(void)
{
    CU_ASSERT_TRUE(rtp_sequence_after(0, 65535));
    CU_ASSERT_FALSE(rtp_sequence_after(65535, 0));
    CU_ASSERT_FALSE(rtp_sequence_after(7, 7));
    CU_ASSERT_TRUE(rtp_timestamp_after(5, 0xfffffff0));
    struct rng rng = rng_of(2, "unwrap", 0);
    int64_t highest = 1 << 20;
    for (int i = 0; i < 20000; i++) {
        int64_t truth = highest + (int64_t)rng_below(&rng, 65535) - 32767;
        CU_ASSERT_EQUAL(rtp_unwrap_sequence(highest, (uint16_t)truth), truth);
        truth = highest + (int64_t)rng_below(&rng, UINT32_MAX) - INT32_MAX;
        CU_ASSERT_EQUAL(rtp_unwrap_timestamp(highest, (uint32_t)truth), truth);
        highest += (int64_t)rng_below(&rng, 30000);
    }
}

static void ntp_round_trips(void)
{
    uint64_t origin = ((uint64_t)NTP_UNIX_EPOCH_S << 32) + 12345;
    struct rng rng = rng_of(3, "ntp", 0);
    for (int i = 0; i < 2000; i++) {
        nanos t = (nanos)rng_below(&rng, (uint64_t)1 << 60) - ((nanos)1 << 59);
        CU_ASSERT_EQUAL(ntp_to_nanos(ntp_from_nanos(t, origin), origin), t);
    }
    /* RFC 868's figure: 1 January 1970 is 2,208,988,800 s into the era. */
    CU_ASSERT_EQUAL(ntp_from_nanos(NANOS_PER_S / 2, (uint64_t)NTP_UNIX_EPOCH_S << 32), 0x83aa7e8080000000);
    CU_ASSERT_EQUAL(ntp_middle(0x83aa7e8080000000), 0x7e808000);
    CU_ASSERT_EQUAL(ntp_middle_from_nanos(5250 * NANOS_PER_MS), 0x00054000); /* RFC 3550, figure 2 */
    CU_ASSERT_EQUAL(ntp_middle_to_nanos(0x00054000), 5250 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(ntp_middle_from_nanos(-1), 0);
}

static void tells_protocols_apart(void)
{
    const struct {
        int first, last;
        enum packet_kind kind;
    } ranges[] = {{0, 3, PACKET_STUN},    {4, 15, PACKET_UNKNOWN},       {16, 19, PACKET_ZRTP},
                  {20, 63, PACKET_DTLS},  {64, 79, PACKET_TURN_CHANNEL}, {80, 127, PACKET_QUIC},
                  {128, 191, PACKET_RTP}, {192, 255, PACKET_QUIC}};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        for (int first = ranges[i].first; first <= ranges[i].last; first++) {
            uint8_t data[2] = {(uint8_t)first, 96};
            CU_ASSERT_EQUAL(packet_kind(data, 2), ranges[i].kind);
        }
    }
    for (int type = 0; type < 256; type++) {
        uint8_t data[2] = {0x80, (uint8_t)type};
        CU_ASSERT_EQUAL(packet_kind(data, 2), type >= 192 && type <= 223 ? PACKET_RTCP : PACKET_RTP);
    }
    CU_ASSERT_EQUAL(packet_kind((const uint8_t *)"\x80", 1), PACKET_UNKNOWN);
    CU_ASSERT_EQUAL(packet_kind(NULL, 0), PACKET_UNKNOWN);
}

void rtp_test(void)
{
    SUITE("rtp", {"reads a plain packet", reads_a_plain_packet}, {"refuses lying lengths", refuses_lying_lengths},
          {"reads one-byte extensions", reads_one_byte_extensions},
          {"reads two-byte extensions", reads_two_byte_extensions},
          {"rewrites extensions in place", rewrites_extensions_in_place},
          {"writes what it reads", writes_what_it_reads},
          {"reads all extensions in one walk", reads_all_extensions_in_one_walk}, {"send times wrap", send_times_wrap},
          {"unwraps", unwraps}, {"NTP round trips", ntp_round_trips}, {"tells protocols apart", tells_protocols_apart});
}
