#include "analyzers/capture.h"

#include <dirent.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/packet.h"
#include "tests/support/capture_builder.h"
#include "tests/support/suite.h"

/* Files are written out byte by byte, in both orders, as the formats' documents have them. */
struct bytes {
    uint8_t data[1024];
    size_t len;
    bool big;
};

static void put(struct bytes *b, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        b->data[b->len++] = (uint8_t)(value >> 8 * (b->big ? size - 1 - i : i));
}

static void pcap_header(struct bytes *b, uint32_t magic, uint32_t link_type)
{
    put(b, magic, 4);
    put(b, 2, 2);
    put(b, 4, 2);
    put(b, 0, 4);
    put(b, 0, 4);
    put(b, 262144, 4);
    put(b, link_type, 4);
}

static void reads_pcap_of_any_byte_order_and_resolution(void)
{
    static const struct {
        uint32_t magic;
        nanos expected;
        size_t extra;
    } cases[] = {
        {0xa1b2c3d4, 5 * NANOS_PER_S + 7000, 0},
        {0xa1b23c4d, 5 * NANOS_PER_S + 7, 0},
        {0xa1b2cd34, 5 * NANOS_PER_S + 7000, 8},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int big = 0; big < 2; big++) {
            struct bytes b = {.big = big};
            pcap_header(&b, cases[i].magic, 113);
            put(&b, 5, 4);
            put(&b, 7, 4);
            put(&b, 3, 4);
            put(&b, 1500, 4);
            for (size_t extra = 0; extra < cases[i].extra; extra++)
                put(&b, 0xaa, 1);
            put(&b, 0xc3, 1);
            put(&b, 0xc2, 1);
            put(&b, 0xc1, 1);
            struct capture *capture = capture_of_memory("x", b.data, b.len, NULL);
            CU_ASSERT_PTR_NOT_NULL_FATAL(capture);
            struct capture_packet packet;
            CU_ASSERT_TRUE(capture_next(capture, &packet));
            CU_ASSERT_EQUAL(packet.number, 1);
            CU_ASSERT_EQUAL(packet.time, cases[i].expected);
            CU_ASSERT_EQUAL(packet.link_type, LINK_LINUX_COOKED);
            CU_ASSERT_EQUAL(packet.captured_len, 3);
            CU_ASSERT_EQUAL(packet.original_len, 1500);
            CU_ASSERT_EQUAL(packet.data[0], 0xc3);
            CU_ASSERT_FALSE(capture_next(capture, &packet));
            CU_ASSERT_PTR_NULL(capture_damage(capture));
            capture_close(capture);
        }
    }
}

static void section(struct bytes *b)
{
    put(b, 0x0a0d0d0a, 4);
    put(b, 28, 4);
    put(b, 0x1a2b3c4d, 4);
    put(b, 1, 2);
    put(b, 0, 2);
    put(b, UINT64_MAX, 8);
    put(b, 28, 4);
}

/* An interface; `resolution` as in if_tsresol, `offset` in seconds. */
static void interface(struct bytes *b, uint16_t link_type, uint8_t resolution, int64_t offset)
{
    put(b, 1, 4);
    put(b, 20 + 8 + 12 + 4, 4);
    put(b, link_type, 2);
    put(b, 0, 2);
    put(b, 0, 4);
    put(b, 9, 2);
    put(b, 1, 2);
    put(b, resolution, 1);
    put(b, 0, 3);
    put(b, 14, 2);
    put(b, 8, 2);
    put(b, (uint64_t)offset, 8);
    put(b, 0, 4);
    put(b, 44, 4);
}

static void enhanced(struct bytes *b, uint32_t number, uint64_t ticks, uint8_t content)
{
    put(b, 6, 4);
    put(b, 36, 4);
    put(b, number, 4);
    put(b, ticks >> 32, 4);
    put(b, ticks & 0xffffffff, 4);
    put(b, 1, 4);
    put(b, 60, 4);
    put(b, content, 1);
    put(b, 0, 3);
    put(b, 36, 4);
}

static void reads_pcapng_with_sections_and_interfaces_of_their_own(void)
{
    struct bytes b = {0};
    section(&b);
    interface(&b, LINK_ETHERNET, 6, 0);     /* microseconds */
    interface(&b, LINK_RAW, 9, 1000);       /* nanoseconds, 1,000 s on */
    interface(&b, LINK_LOOP, 0x80 | 10, 0); /* 1/1024 s */
    enhanced(&b, 0, 3000001, 'a');
    put(&b, 5, 4); /* interface statistics: passed over */
    put(&b, 12, 4);
    put(&b, 12, 4);
    enhanced(&b, 1, 42, 'b');
    enhanced(&b, 2, 1024 + 512, 'c');
    b.big = true; /* the next section may be of another kind of machine */
    section(&b);
    interface(&b, LINK_IPV6, 3, 0); /* milliseconds */
    enhanced(&b, 0, 1, 'd');
    put(&b, 3, 4); /* a simple packet: no time */
    put(&b, 20, 4);
    put(&b, 2, 4);
    put(&b, 'e', 1);
    put(&b, 'f', 1);
    put(&b, 0, 2);
    put(&b, 20, 4);

    struct capture *capture = capture_of_memory("x", b.data, b.len, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(capture);
    static const struct {
        nanos time;
        uint32_t interface;
        uint16_t link_type;
        uint32_t captured_len, original_len;
        uint8_t content;
    } expected[] = {
        {3 * NANOS_PER_S + 1000, 0, LINK_ETHERNET, 1, 60, 'a'},
        {1000 * NANOS_PER_S + 42, 1, LINK_RAW, 1, 60, 'b'},
        {1500 * NANOS_PER_MS, 2, LINK_LOOP, 1, 60, 'c'},
        {1 * NANOS_PER_MS, 3, LINK_IPV6, 1, 60, 'd'},
        {0, 3, LINK_IPV6, 2, 2, 'e'},
    };
    struct capture_packet packet;
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        CU_ASSERT_TRUE_FATAL(capture_next(capture, &packet));
        CU_ASSERT_EQUAL(packet.number, i + 1);
        CU_ASSERT_EQUAL(packet.time, expected[i].time);
        CU_ASSERT_EQUAL(packet.interface, expected[i].interface);
        CU_ASSERT_EQUAL(packet.link_type, expected[i].link_type);
        CU_ASSERT_EQUAL(packet.captured_len, expected[i].captured_len);
        CU_ASSERT_EQUAL(packet.original_len, expected[i].original_len);
        CU_ASSERT_EQUAL(packet.data[0], expected[i].content);
    }
    CU_ASSERT_FALSE(capture_next(capture, &packet));
    CU_ASSERT_PTR_NULL(capture_damage(capture));
    capture_close(capture);
}

static void refuse(const void *data, size_t len, const char *because)
{
    struct error error = {0};
    CU_ASSERT_PTR_NULL(capture_of_memory("call.pcap", data, len, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "call.pcap: "));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, because));
    CU_ASSERT_PTR_NULL(strchr(error.text, '\n'));
}

static void refuses_what_is_no_capture_in_one_line(void)
{
    refuse("", 0, "empty");
    refuse("hello, world: this is no capture", 32, "neither pcap nor pcapng");
    refuse("\x1f\x8b\x08\x00", 4, "gzip");
    refuse("\xd4\xc3\xb2\xa1\x02\x00", 6, "cut off within the pcap file header");
    refuse("\x0a\x0d\x0d\x0a\x1c\x00\x00\x00", 8, "pcapng section header");
    struct error error = {0};
    CU_ASSERT_PTR_NULL(capture_open("no/such/file.pcap", &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no/such/file.pcap: can't be read: No such file"));
    CU_ASSERT_PTR_NULL(capture_open("tests", &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "tests: a directory"));
}

/* Reads what is left of a file cut after `len` bytes; returns the number of packets. */
static uint64_t read_cut(const uint8_t *data, size_t len, size_t whole)
{
    /* a copy of just that size, so that a sanitizer sees a read past the end */
    uint8_t *copy = malloc(len + 1);
    memcpy(copy, data, len);
    struct error error = {0};
    struct capture *capture = capture_of_memory("cut", copy, len, &error);
    uint64_t packets = 0;
    if (capture == NULL) {
        CU_ASSERT(error.text[0] != '\0');
    } else {
        struct capture_packet packet;
        while (capture_next(capture, &packet))
            packets++;
        const char *damage = capture_damage(capture);
        char number[32];
        snprintf(number, sizeof number, "packet %llu,", (unsigned long long)packets + 1);
        if (damage != NULL)
            CU_ASSERT_PTR_NOT_NULL(strstr(damage, number));
        if (len == whole)
            CU_ASSERT_PTR_NULL(damage);
        capture_close(capture);
    }
    free(copy);
    return packets;
}

static void survives_a_cut_at_every_byte(void)
{
    struct bytes b = {0};
    section(&b);
    interface(&b, LINK_ETHERNET, 6, 0);
    enhanced(&b, 0, 1, 'a');
    enhanced(&b, 0, 2, 'b');
    uint64_t before = 0;
    for (size_t len = 0; len <= b.len; len++) {
        uint64_t packets = read_cut(b.data, len, b.len);
        CU_ASSERT(packets >= before); /* never less for more */
        before = packets;
    }
    CU_ASSERT_EQUAL(before, 2);

    struct capture_builder builder = capture_builder_begin(LINK_RAW);
    uint8_t frame[40] = {0};
    capture_builder_frame(&builder, 1, frame, sizeof frame);
    capture_builder_frame(&builder, 2, frame, sizeof frame);
    before = 0;
    for (size_t len = 0; len <= builder.len; len++) {
        uint64_t packets = read_cut(builder.data, len, builder.len);
        CU_ASSERT(packets >= before);
        before = packets;
    }
    CU_ASSERT_EQUAL(before, 2);
    capture_builder_clear(&builder);
}

static void survives_lengths_that_lie(void)
{
    struct bytes whole = {0};
    section(&whole);
    interface(&whole, LINK_ETHERNET, 6, 0);
    enhanced(&whole, 0, 1, 'a');
    static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    for (size_t at = 0; at < whole.len; at++) {
        for (size_t i = 0; i < sizeof values; i++) {
            struct bytes b = whole;
            b.data[at] = values[i];
            uint8_t *copy = malloc(b.len);
            memcpy(copy, b.data, b.len);
            struct capture *capture = capture_of_memory("lies", copy, b.len, NULL);
            struct capture_packet packet;
            int packets = 0;
            while (capture != NULL && capture_next(capture, &packet)) {
                CU_ASSERT(packet.data >= copy && packet.data + packet.captured_len <= copy + b.len);
                CU_ASSERT(packet.original_len >= packet.captured_len);
                packets++;
            }
            CU_ASSERT(packets <= 1);
            capture_close(capture);
            free(copy);
        }
    }
}

/* --- libpcap as the oracle ----------------------------------------------------------------------------------------------- */

static uint64_t compare_with_libpcap(const char *path)
{
    char why[PCAP_ERRBUF_SIZE];
    pcap_t *oracle = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, why);
    if (oracle == NULL)
        return 0; /* it doesn't read what has several link types */
    struct capture *capture = capture_open(path, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(capture);
    struct pcap_pkthdr *header;
    const u_char *data;
    struct capture_packet packet;
    uint64_t compared = 0;
    while (pcap_next_ex(oracle, &header, &data) == 1) {
        CU_ASSERT_TRUE_FATAL(capture_next(capture, &packet));
        bool same = packet.captured_len == header->caplen && packet.original_len == header->len &&
                    memcmp(packet.data, data, header->caplen) == 0 &&
                    packet.time == (nanos)header->ts.tv_sec * NANOS_PER_S + header->ts.tv_usec;
        CU_ASSERT_TRUE(same);
        compared++;
    }
    CU_ASSERT_FALSE(capture_next(capture, &packet));
    capture_close(capture);
    pcap_close(oracle);
    return compared;
}

static void agrees_with_libpcap_packet_by_packet(void)
{
    const char *named = getenv("CONFAB_SHARED");
    char folder[300];
    snprintf(folder, sizeof folder, "%s/pcaps", named != NULL ? named : "../shared");
    DIR *directory = opendir(folder);
    if (directory == NULL) {
        printf("skipped: no captures in ../shared/pcaps (or CONFAB_SHARED) to read beside libpcap\n");
        return;
    }
    uint64_t compared = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (strstr(entry->d_name, ".pcap") != NULL)
            compared += compare_with_libpcap(path);
    }
    closedir(directory);
    CU_ASSERT(compared > 8000);
}

void capture_test(void);
void capture_test(void)
{
    SUITE("capture", {"reads pcap of any byte order and resolution", reads_pcap_of_any_byte_order_and_resolution},
          {"reads pcapng with sections and interfaces of their own",
           reads_pcapng_with_sections_and_interfaces_of_their_own},
          {"refuses what is no capture in one line", refuses_what_is_no_capture_in_one_line},
          {"survives a cut at every byte", survives_a_cut_at_every_byte},
          {"survives lengths that lie", survives_lengths_that_lie},
          {"agrees with libpcap packet by packet", agrees_with_libpcap_packet_by_packet});
}
