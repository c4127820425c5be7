#include "analyzers/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PCAP_MAGIC_MICROSECONDS 0xa1b2c3d4u
#define PCAP_MAGIC_NANOSECONDS 0xa1b23c4du
#define PCAP_MAGIC_MODIFIED 0xa1b2cd34u /* Kuznetzov's patched tcpdump: eight more bytes in each packet's header */
#define PCAP_HEADER_LEN 24
#define PCAP_PACKET_HEADER_LEN 16
#define PCAP_MODIFIED_PACKET_HEADER_LEN 24

/* draft-ietf-opsawg-pcapng, section 4 */
#define PCAPNG_SECTION_HEADER 0x0a0d0d0au
#define PCAPNG_INTERFACE 1u
#define PCAPNG_PACKET_OBSOLETE 2u
#define PCAPNG_PACKET_SIMPLE 3u
#define PCAPNG_PACKET_ENHANCED 6u
#define PCAPNG_BYTE_ORDER_MAGIC 0x1a2b3c4du
#define PCAPNG_OPTION_END 0
#define PCAPNG_OPTION_TSRESOL 9
#define PCAPNG_OPTION_TSOFFSET 14
#define PCAPNG_INTERFACE_MAX 65536

#define GZIP_MAGIC 0x1f8bu

/* Larger than any packet: a length beyond it means that the file is not what it seems (libpcap's own bound). */
#define PACKET_LEN_MAX 262144u

/* A mapped file is taken into memory and given back in steps of this size. */
#define STEP ((size_t)1 << 20)
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; older ones fault the pages in one by one */
#endif

struct capture_interface {
    uint16_t link_type;
    uint32_t snap_len;
    uint64_t ticks_per_second;
    int64_t offset_s;
};

struct capture {
    char *name;
    const uint8_t *data;
    size_t len;
    size_t at;
    size_t populated; /* up to here the mapping was asked for … */
    size_t released;  /* … and up to here given back */
    void *mapping;    /* NULL when the caller owns the bytes */
    bool pcapng;
    bool swapped;
    size_t packet_header_len; /* pcap */
    struct capture_interface *interfaces;
    uint32_t interface_count;
    uint32_t section_first; /* the current section's first interface */
    uint64_t packets;
    char damage[256];
};

static uint32_t get32(const struct capture *capture, const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return capture->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t get16(const struct capture *capture, const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return capture->swapped ? __builtin_bswap16(v) : v;
}

static uint64_t get64(const struct capture *capture, const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return capture->swapped ? __builtin_bswap64(v) : v;
}

/* Notes what is wrong with the packet (or block) after the last good one. Always false. */
static bool damaged(struct capture *capture, const char *what)
{
    snprintf(capture->damage, sizeof capture->damage, "packet %llu, byte %zu of %zu: %s",
             (unsigned long long)capture->packets + 1, capture->at, capture->len, what);
    capture->at = capture->len;
    return false;
}

static bool interface_add(struct capture *capture, struct capture_interface interface)
{
    uint32_t count = capture->interface_count;
    if (count == PCAPNG_INTERFACE_MAX)
        return false;
    if ((count & (count - 1)) == 0) { /* full at each power of two */
        size_t cap = count == 0 ? 1 : (size_t)count * 2;
        struct capture_interface *grown = realloc(capture->interfaces, cap * sizeof *grown);
        if (grown == NULL)
            return false;
        capture->interfaces = grown;
    }
    capture->interfaces[capture->interface_count++] = interface;
    return true;
}

/* A time in ticks since 1970 to nanoseconds; one that a 64-bit count of nanoseconds can't hold becomes 0. */
static nanos to_nanos(const struct capture_interface *interface, uint64_t ticks)
{
    uint64_t per_second = interface->ticks_per_second;
    uint64_t whole = ticks / per_second;
    uint64_t rest = ticks % per_second;
    int64_t seconds;
    if (whole > INT64_MAX || __builtin_add_overflow((int64_t)whole, interface->offset_s, &seconds) || seconds < 0 ||
        seconds > INT64_MAX / NANOS_PER_S - 1)
        return 0;
    uint64_t fraction = per_second <= 1000000000u ? rest * 1000000000u / per_second
                                                  : (uint64_t)((double)rest * 1e9 / (double)per_second);
    return seconds * NANOS_PER_S + (nanos)fraction;
}

/* --- pcap -----------------------------------------------------------------------------------------------------------
 *
 * file:    magic(4) major(2) minor(2) zone(4) accuracy(4) snap length(4) link type(4)
 * packet:  seconds(4) fraction(4) captured length(4) original length(4) data…
 */

static bool pcap_start(struct capture *capture, struct error *error)
{
    if (capture->len < PCAP_HEADER_LEN)
        return error_set(error, ERROR_INPUT, "cut off within the pcap file header: %zu of %d bytes", capture->len,
                         PCAP_HEADER_LEN);
    uint32_t magic = get32(capture, capture->data);
    struct capture_interface interface = {
        .link_type = (uint16_t)get32(capture, capture->data + 20),
        .ticks_per_second = magic == PCAP_MAGIC_NANOSECONDS ? 1000000000u : 1000000u,
    };
    capture->packet_header_len =
        magic == PCAP_MAGIC_MODIFIED ? PCAP_MODIFIED_PACKET_HEADER_LEN : PCAP_PACKET_HEADER_LEN;
    capture->at = PCAP_HEADER_LEN;
    if (!interface_add(capture, interface))
        return error_set(error, ERROR_SYSTEM, "out of memory");
    return true;
}

static bool pcap_next(struct capture *capture, struct capture_packet *packet)
{
    size_t left = capture->len - capture->at;
    if (left == 0)
        return false;
    if (left < capture->packet_header_len)
        return damaged(capture, "the file is cut off within the packet's header");
    const uint8_t *header = capture->data + capture->at;
    uint32_t captured = get32(capture, header + 8);
    uint32_t original = get32(capture, header + 12);
    if (captured > PACKET_LEN_MAX)
        return damaged(capture, "a captured length that no packet has: the file is corrupt");
    if (captured > left - capture->packet_header_len)
        return damaged(capture, "the file is cut off within the packet");
    uint64_t seconds = get32(capture, header);
    uint64_t fraction = get32(capture, header + 4);
    const struct capture_interface *interface = &capture->interfaces[0];
    *packet = (struct capture_packet){
        .number = ++capture->packets,
        .time = to_nanos(interface, seconds * interface->ticks_per_second + fraction),
        .link_type = interface->link_type,
        .data = header + capture->packet_header_len,
        .captured_len = captured,
        .original_len = original < captured ? captured : original,
    };
    capture->at += capture->packet_header_len + captured;
    return true;
}

/* --- pcapng ---------------------------------------------------------------------------------------------------------
 *
 * block:      type(4) total length(4) body… total length(4)                         padded to 4 bytes
 * section:    byte-order magic(4) major(2) minor(2) section length(8) options…
 * interface:  link type(2) reserved(2) snap length(4) options…
 * enhanced:   interface(4) time high(4) time low(4) captured length(4) original length(4) data… options…
 * simple:     original length(4) data…
 * obsolete:   interface(2) drops(2) time high(4) time low(4) captured length(4) original length(4) data… options…
 */

static bool section_start(struct capture *capture, const uint8_t *block, size_t left)
{
    if (left < 28)
        return false;
    capture->swapped = false;
    if (get32(capture, block + 8) != PCAPNG_BYTE_ORDER_MAGIC) {
        capture->swapped = true;
        if (get32(capture, block + 8) != PCAPNG_BYTE_ORDER_MAGIC)
            return false;
    }
    capture->section_first = capture->interface_count;
    return true;
}

static uint64_t ticks_of_resolution(uint8_t resolution)
{
    uint8_t exponent = resolution & 0x7f;
    if (resolution & 0x80)
        return exponent < 64 ? (uint64_t)1 << exponent : 0;
    uint64_t ticks = 1;
    for (uint8_t i = 0; i < exponent && exponent < 20; i++)
        ticks *= 10;
    return exponent < 20 ? ticks : 0;
}

static bool interface_read(struct capture *capture, const uint8_t *body, size_t len)
{
    if (len < 8)
        return damaged(capture, "an interface block that is too short: the file is corrupt");
    struct capture_interface interface = {
        .link_type = get16(capture, body),
        .snap_len = get32(capture, body + 4),
        .ticks_per_second = 1000000u,
    };
    size_t at = 8;
    while (len - at >= 4) {
        uint16_t code = get16(capture, body + at);
        uint16_t option_len = get16(capture, body + at + 2);
        at += 4;
        if (code == PCAPNG_OPTION_END || option_len > len - at)
            break;
        if (code == PCAPNG_OPTION_TSRESOL && option_len >= 1)
            interface.ticks_per_second = ticks_of_resolution(body[at]);
        if (code == PCAPNG_OPTION_TSOFFSET && option_len >= 8)
            interface.offset_s = (int64_t)get64(capture, body + at);
        size_t padded = ((size_t)option_len + 3) & ~(size_t)3;
        at = padded > len - at ? len : at + padded;
    }
    if (interface.ticks_per_second == 0)
        return damaged(capture, "an interface whose time resolution can't be represented");
    if (!interface_add(capture, interface))
        return damaged(capture, "more interfaces than can be held");
    return true;
}

static bool packet_read(struct capture *capture, uint32_t type, const uint8_t *body, size_t len,
                        struct capture_packet *packet)
{
    size_t header_len = type == PCAPNG_PACKET_SIMPLE ? 4 : 20;
    if (len < header_len)
        return damaged(capture, "a packet block that is too short: the file is corrupt");
    uint32_t interface_number = 0;
    uint32_t original = 0;
    uint64_t captured = 0;
    uint64_t ticks = 0;
    if (type == PCAPNG_PACKET_SIMPLE) {
        original = get32(capture, body);
        captured = original;
    } else {
        interface_number = type == PCAPNG_PACKET_ENHANCED ? get32(capture, body) : get16(capture, body);
        ticks = (uint64_t)get32(capture, body + 4) << 32 | get32(capture, body + 8);
        captured = get32(capture, body + 12);
        original = get32(capture, body + 16);
    }
    if (interface_number >= capture->interface_count - capture->section_first)
        return damaged(capture, "it belongs to an interface that the file has not described: the file is corrupt");
    const struct capture_interface *interface = &capture->interfaces[capture->section_first + interface_number];
    if (type == PCAPNG_PACKET_SIMPLE) {
        if (interface->snap_len > 0 && captured > interface->snap_len)
            captured = interface->snap_len;
        if (captured > len - header_len)
            captured = len - header_len;
    }
    if (captured > len - header_len)
        return damaged(capture, "a captured length beyond its block: the file is corrupt");
    *packet = (struct capture_packet){
        .number = ++capture->packets,
        .time = to_nanos(interface, ticks),
        .interface = capture->section_first + interface_number,
        .link_type = interface->link_type,
        .data = body + header_len,
        .captured_len = (uint32_t)captured,
        .original_len = original < captured ? (uint32_t)captured : original,
    };
    return true;
}

static bool pcapng_next(struct capture *capture, struct capture_packet *packet)
{
    for (;;) {
        size_t left = capture->len - capture->at;
        if (left == 0)
            return false;
        if (left < 12)
            return damaged(capture, "the file is cut off within a block's header");
        const uint8_t *block = capture->data + capture->at;
        uint32_t type = get32(capture, block);
        if (type == PCAPNG_SECTION_HEADER && !section_start(capture, block, left))
            return damaged(capture, "a section header that is cut off or not one: the file is corrupt");
        uint32_t total = get32(capture, block + 4);
        if (total < 12)
            return damaged(capture, "a block length that can't be: the file is corrupt");
        /* Some writers leave the padding out of the length. */
        size_t padded = ((size_t)total + 3) & ~(size_t)3;
        if (total > left)
            return damaged(capture, "the file is cut off within the block");
        const uint8_t *body = block + 8;
        size_t body_len = total - 12;
        bool is_packet =
            type == PCAPNG_PACKET_ENHANCED || type == PCAPNG_PACKET_SIMPLE || type == PCAPNG_PACKET_OBSOLETE;
        if (type == PCAPNG_INTERFACE && !interface_read(capture, body, body_len))
            return false;
        if (is_packet && !packet_read(capture, type, body, body_len, packet))
            return false;
        capture->at += padded < left ? padded : left;
        if (is_packet)
            return true;
    }
}

/* --- opening --------------------------------------------------------------------------------------------------------- */

static bool start(struct capture *capture, struct error *error)
{
    if (capture->len == 0)
        return error_set(error, ERROR_INPUT, "the file is empty; expected a pcap or pcapng capture");
    uint8_t magic_bytes[4] = {0};
    memcpy(magic_bytes, capture->data, capture->len < 4 ? capture->len : 4);
    for (int swapped = 0; swapped < 2; swapped++) {
        capture->swapped = swapped != 0;
        uint32_t magic = get32(capture, magic_bytes);
        if (magic == PCAP_MAGIC_MICROSECONDS || magic == PCAP_MAGIC_NANOSECONDS || magic == PCAP_MAGIC_MODIFIED)
            return pcap_start(capture, error);
        if (magic == PCAPNG_SECTION_HEADER) {
            capture->pcapng = true;
            if (!section_start(capture, capture->data, capture->len))
                return error_set(error, ERROR_INPUT, "cut off within the pcapng section header, or not one");
            return true;
        }
    }
    if ((magic_bytes[0] << 8 | magic_bytes[1]) == GZIP_MAGIC)
        return error_set(error, ERROR_INPUT,
                         "compressed with gzip; unpack it first: gunzip -c FILE | confab analyze -");
    return error_set(error, ERROR_INPUT,
                     "neither pcap nor pcapng: the file starts with %02x %02x %02x %02x, expected d4 c3 b2 a1 or "
                     "0a 0d 0d 0a, for instance",
                     magic_bytes[0], magic_bytes[1], magic_bytes[2], magic_bytes[3]);
}

static struct capture *create(const char *name)
{
    struct capture *capture = calloc(1, sizeof *capture);
    if (capture == NULL)
        return NULL;
    capture->name = strdup(name);
    if (capture->name == NULL) {
        free(capture);
        return NULL;
    }
    return capture;
}

struct capture *capture_of_memory(const char *name, const uint8_t *data, size_t len, struct error *error)
{
    struct capture *capture = create(name);
    if (capture == NULL) {
        error_set(error, ERROR_SYSTEM, "%s: out of memory", name);
        return NULL;
    }
    capture->data = data;
    capture->len = len;
    if (!start(capture, error)) {
        error_prefix(error, "%s", name);
        capture_close(capture);
        return NULL;
    }
    return capture;
}

/* Copies what `fd` gives into a temporary file without a name; -1 and errno on failure. */
static int spool(int fd)
{
    FILE *file = tmpfile();
    if (file == NULL)
        return -1;
    static const size_t step = 1 << 16;
    char *buffer = malloc(step);
    int copy = -1;
    ssize_t got = -1;
    while (buffer != NULL && (got = read(fd, buffer, step)) > 0) {
        if (fwrite(buffer, 1, (size_t)got, file) != (size_t)got) {
            got = -1;
            break;
        }
    }
    free(buffer);
    if (got == 0 && fflush(file) == 0)
        copy = dup(fileno(file));
    int saved = errno;
    fclose(file);
    errno = saved;
    return copy;
}

static bool map(struct capture *capture, int fd, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set(error, ERROR_INPUT, "%s", strerror(errno));
    if (S_ISDIR(status.st_mode))
        return error_set(error, ERROR_INPUT, "a directory; expected a pcap or pcapng capture");
    capture->len = (size_t)status.st_size;
    if (capture->len == 0)
        return true;
    void *mapping = mmap(NULL, capture->len, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapping == MAP_FAILED) {
        error_set(error, ERROR_INPUT, "can't be mapped into memory: %s", strerror(errno));
        return false;
    }
    madvise(mapping, capture->len, MADV_SEQUENTIAL);
    capture->mapping = mapping;
    capture->data = mapping;
    return true;
}

struct capture *capture_open(const char *path, struct error *error)
{
    bool standard_input = strcmp(path, "-") == 0;
    struct capture *capture = create(path);
    if (capture == NULL) {
        error_set(error, ERROR_SYSTEM, "%s: out of memory", path);
        return NULL;
    }
    int fd = standard_input ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
        int copy = spool(fd);
        close(fd);
        fd = copy;
    }
    bool opened = false;
    if (fd < 0)
        error_set(error, ERROR_INPUT, "can't be read: %s", strerror(errno));
    else
        opened = map(capture, fd, error) && start(capture, error);
    if (fd >= 0)
        close(fd);
    if (!opened) {
        error_prefix(error, "%s", standard_input ? "standard input" : path);
        capture_close(capture);
        return NULL;
    }
    return capture;
}

void capture_close(struct capture *capture)
{
    if (capture == NULL)
        return;
    if (capture->mapping != NULL)
        munmap(capture->mapping, capture->len);
    free(capture->interfaces);
    free(capture->name);
    free(capture);
}

bool capture_next(struct capture *capture, struct capture_packet *packet)
{
    if (capture->mapping != NULL && capture->at + STEP > capture->populated && capture->populated < capture->len) {
        size_t left = capture->len - capture->populated;
        madvise((uint8_t *)capture->mapping + capture->populated, left < STEP ? left : STEP, MADV_POPULATE_READ);
        capture->populated += STEP;
        /* The packets handed out last may still be in use, hence some distance; what is asked for again comes back. */
        if (capture->populated - capture->released > 4 * STEP) {
            madvise((uint8_t *)capture->mapping + capture->released, STEP, MADV_DONTNEED);
            capture->released += STEP;
        }
    }
    return capture->pcapng ? pcapng_next(capture, packet) : pcap_next(capture, packet);
}

const char *capture_name(const struct capture *capture) { return capture->name; }

const char *capture_damage(const struct capture *capture)
{
    return capture->damage[0] != '\0' ? capture->damage : NULL;
}
