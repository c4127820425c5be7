/* 24 bytes at the end of a frame, in its last packet, that say when it was captured: how confab measures latency from
 * end to end, through any forwarder that leaves payloads alone. VP8 and H.264 decoders pay no heed to bytes behind the
 * last partition or NAL unit.
 *
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                    magic: "confab" 0x9e 0x01                  |
 *  |                                                               |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |         capture time in nanoseconds, on the sender's          |
 *  |                  clock, signed 64 bits                        |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |                         frame number                          |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *  |           checksum: FNV-1a of the 20 bytes above              |
 *  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
#ifndef CONFAB_RTC_FRAME_TRAILER_H
#define CONFAB_RTC_FRAME_TRAILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/nanos.h"

#define FRAME_TRAILER_LEN 24
#define FRAME_TRAILER_MAGIC 0x636f6e6661629e01

struct frame_trailer {
    nanos captured;
    uint32_t frame_number;
};

static inline uint32_t frame_trailer_checksum(const uint8_t *trailer)
{
    uint32_t hash = 0x811c9dc5; /* FNV-1a, 32 bits */
    for (size_t i = 0; i < FRAME_TRAILER_LEN - 4; i++)
        hash = (hash ^ trailer[i]) * 0x01000193;
    return hash;
}

static inline void frame_trailer_write(uint8_t buf[FRAME_TRAILER_LEN], const struct frame_trailer *trailer)
{
    bytes_put64(buf, FRAME_TRAILER_MAGIC);
    bytes_put64(buf + 8, (uint64_t)trailer->captured);
    bytes_put32(buf + 16, trailer->frame_number);
    bytes_put32(buf + 20, frame_trailer_checksum(buf));
}

/* Reads the trailer at the end of `payload`; false when there is none. */
static inline bool frame_trailer_read(struct frame_trailer *trailer, const uint8_t *payload, size_t len)
{
    if (len < FRAME_TRAILER_LEN)
        return false;
    const uint8_t *at = payload + len - FRAME_TRAILER_LEN;
    if (bytes_get64(at) != FRAME_TRAILER_MAGIC || bytes_get32(at + 20) != frame_trailer_checksum(at))
        return false;
    *trailer = (struct frame_trailer){.captured = (nanos)bytes_get64(at + 8), .frame_number = bytes_get32(at + 16)};
    return true;
}

#endif
