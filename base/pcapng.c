#include "base/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Section numbers are those of draft-ietf-opsawg-pcapng. */
#define SECTION_HEADER 0x0a0d0d0au /* 4.1 */
#define INTERFACE_DESCRIPTION 1u   /* 4.2 */
#define ENHANCED_PACKET 6u         /* 4.3 */
#define BYTE_ORDER_MAGIC 0x1a2b3c4du

#define OPTION_END 0              /* 3.5 */
#define OPTION_COMMENT 1          /* 3.5 */
#define OPTION_USER_APPLICATION 4 /* of a section header */
#define OPTION_NAME 2             /* of an interface */
#define OPTION_TIME_RESOLUTION 9  /* of an interface: 10^-n seconds */

#define BUFFER_CAP (256 * 1024)

struct pcapng {
    int file;
    int failed; /* errno of the first write that failed; then nothing is written any more */
    uint32_t interfaces;
    size_t len;
    char path[256];
    uint8_t buffer[BUFFER_CAP];
};

static void flush(struct pcapng *pcapng)
{
    const uint8_t *at = pcapng->buffer;
    while (pcapng->len > 0 && pcapng->failed == 0) {
        ssize_t written = write(pcapng->file, at, pcapng->len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            pcapng->failed = written < 0 ? errno : ENOSPC;
            break;
        }
        at += written;
        pcapng->len -= (size_t)written;
    }
    pcapng->len = 0;
}

static void put(struct pcapng *pcapng, const void *data, size_t len)
{
    const uint8_t *from = data;
    while (len > 0) {
        if (pcapng->len == BUFFER_CAP)
            flush(pcapng);
        size_t part = len < BUFFER_CAP - pcapng->len ? len : BUFFER_CAP - pcapng->len;
        memcpy(pcapng->buffer + pcapng->len, from, part);
        pcapng->len += part;
        from += part;
        len -= part;
    }
}

/* Little-endian whatever the machine is, so that a file's bytes depend on what is in it alone. */
static void put16(struct pcapng *pcapng, uint16_t v)
{
    put(pcapng, (const uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8)}, 2);
}

static void put32(struct pcapng *pcapng, uint32_t v)
{
    put16(pcapng, (uint16_t)v);
    put16(pcapng, (uint16_t)(v >> 16));
}

static void put_padded(struct pcapng *pcapng, const void *data, size_t len)
{
    static const uint8_t zeros[3];
    put(pcapng, data, len);
    put(pcapng, zeros, -len & 3);
}

static uint32_t padded(size_t len) { return (uint32_t)(len + 3) & ~3u; }

static size_t text_len(const char *text) { return text != NULL ? strnlen(text, 32767) : 0; }

static uint32_t option_len(size_t len) { return len > 0 ? 4 + padded(len) : 0; }

static void put_option(struct pcapng *pcapng, uint16_t code, const void *value, size_t len)
{
    if (len > 0) {
        put16(pcapng, code);
        put16(pcapng, (uint16_t)len);
        put_padded(pcapng, value, len);
    }
}

/*  Every block (section 3.1):
 *   +------+--------------+------ … ------+--------------+
 *   | type | total length | body, padded  | total length |
 *   +------+--------------+------ … ------+--------------+  */
static void put_section_header(struct pcapng *pcapng, const char *comment)
{
    static const char application[] = "confab";
    size_t comment_len = text_len(comment);
    uint32_t len = 12 + 16 + option_len(comment_len) + option_len(strlen(application)) + 4;
    put32(pcapng, SECTION_HEADER);
    put32(pcapng, len);
    put32(pcapng, BYTE_ORDER_MAGIC);
    put16(pcapng, 1); /* version 1.0 */
    put16(pcapng, 0);
    put32(pcapng, UINT32_MAX); /* section length: not given */
    put32(pcapng, UINT32_MAX);
    put_option(pcapng, OPTION_COMMENT, comment, comment_len);
    put_option(pcapng, OPTION_USER_APPLICATION, application, strlen(application));
    put32(pcapng, OPTION_END);
    put32(pcapng, len);
}

struct pcapng *pcapng_create(const char *path, const char *comment, struct error *error)
{
    struct pcapng *pcapng = malloc(sizeof *pcapng);
    if (pcapng == NULL) {
        error_set(error, ERROR_SYSTEM, "%s: out of memory", path);
        return NULL;
    }
    pcapng->failed = 0;
    pcapng->interfaces = 0;
    pcapng->len = 0;
    strncpy(pcapng->path, path, sizeof pcapng->path - 1);
    pcapng->path[sizeof pcapng->path - 1] = '\0';
    pcapng->file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (pcapng->file < 0) {
        error_set(error, ERROR_SYSTEM, "%s: can't be created: %s", path, strerror(errno));
        free(pcapng);
        return NULL;
    }
    put_section_header(pcapng, comment);
    return pcapng;
}

uint32_t pcapng_add_interface(struct pcapng *pcapng, const char *name, uint16_t link_type, uint32_t snap_len)
{
    static const uint8_t nanoseconds = 9;
    size_t name_len = text_len(name);
    uint32_t len = 12 + 8 + option_len(name_len) + option_len(1) + 4;
    put32(pcapng, INTERFACE_DESCRIPTION);
    put32(pcapng, len);
    put16(pcapng, link_type);
    put16(pcapng, 0);
    put32(pcapng, snap_len);
    put_option(pcapng, OPTION_NAME, name, name_len);
    put_option(pcapng, OPTION_TIME_RESOLUTION, &nanoseconds, 1);
    put32(pcapng, OPTION_END);
    put32(pcapng, len);
    return pcapng->interfaces++;
}

void pcapng_write(struct pcapng *pcapng, uint32_t interface, uint64_t time_ns, const uint8_t *data, size_t len,
                  size_t original_len)
{
    uint32_t total = 12 + 20 + padded(len);
    put32(pcapng, ENHANCED_PACKET);
    put32(pcapng, total);
    put32(pcapng, interface);
    put32(pcapng, (uint32_t)(time_ns >> 32));
    put32(pcapng, (uint32_t)time_ns);
    put32(pcapng, (uint32_t)len);
    put32(pcapng, (uint32_t)original_len);
    put_padded(pcapng, data, len);
    put32(pcapng, total);
}

bool pcapng_close(struct pcapng *pcapng, struct error *error)
{
    flush(pcapng);
    if (close(pcapng->file) != 0 && pcapng->failed == 0)
        pcapng->failed = errno;
    bool ok = pcapng->failed == 0;
    if (!ok)
        error_set(error, ERROR_SYSTEM, "%s: can't be written: %s", pcapng->path, strerror(pcapng->failed));
    free(pcapng);
    return ok;
}
