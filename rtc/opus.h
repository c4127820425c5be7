/* How long an Opus packet plays, told by its first bytes (RFC 6716, section 3.1), and the RTP figures of RFC 7587. */
#ifndef CONFAB_RTC_OPUS_H
#define CONFAB_RTC_OPUS_H

#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

#define OPUS_CLOCK_RATE 48000 /* RFC 7587, 4.1: whatever the sampling rate */

/*   0 1 2 3 4 5 6 7
 *  +-+-+-+-+-+-+-+-+
 *  | config  |s| c |   config: mode and frame duration; c: 0 one frame, 1 or 2 two, 3 as many as the next byte says
 *  +-+-+-+-+-+-+-+-+
 *
 * 0 when the packet is malformed: empty, cut off, or longer than 120 ms. */
static inline nanos opus_duration(const uint8_t *payload, size_t len)
{
    static const uint16_t silk_us_100[4] = {100, 200, 400, 600};
    static const uint16_t celt_us_100[4] = {25, 50, 100, 200};
    if (len == 0)
        return 0;
    uint8_t config = payload[0] >> 3;
    nanos frame = config < 12   ? silk_us_100[config & 3]
                  : config < 16 ? silk_us_100[config & 1]
                                : celt_us_100[config & 3];
    uint8_t code = payload[0] & 3;
    if (code == 3 && len < 2)
        return 0;
    nanos count = code == 0 ? 1 : code < 3 ? 2 : payload[1] & 0x3f;
    nanos duration = frame * count * 100 * NANOS_PER_US;
    return duration > 120 * NANOS_PER_MS ? 0 : duration;
}

#endif
