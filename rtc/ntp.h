/* NTP timestamps (RFC 3550, section 4): 32 bits of seconds since 1900 and 32 bits of fraction, as sender reports,
 * RTCP XR and header extensions carry them. A world's `nanos` have an origin of their own, so an engine's config names
 * the NTP time at which they were 0; in the sim world any fixed value does. */
#ifndef CONFAB_RTC_NTP_H
#define CONFAB_RTC_NTP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"

/* 1 January 1970 in NTP seconds (RFC 868). */
#define NTP_UNIX_EPOCH_S 2208988800u

/* The NTP timestamp of `now`, when `origin` is that of 0. */
static inline uint64_t ntp_from_nanos(nanos now, uint64_t origin)
{
    int64_t seconds = now / NANOS_PER_S;
    int64_t rest = now % NANOS_PER_S;
    if (rest < 0) {
        seconds--;
        rest += NANOS_PER_S;
    }
    /* Rounded up, so that the way back, which rounds down, returns the same nanosecond. */
    uint64_t fraction = (((uint64_t)rest << 32) + (NANOS_PER_S - 1)) / NANOS_PER_S;
    return origin + ((uint64_t)seconds << 32) + fraction;
}

/* An NTP timestamp as nanos since `origin`, by the shorter way around (68 years each way). */
static inline nanos ntp_to_nanos(uint64_t ntp, uint64_t origin)
{
    int64_t difference = (int64_t)(ntp - origin);
    int64_t seconds = difference >> 32;
    uint64_t fraction = (uint64_t)difference & 0xffffffffu;
    return seconds * NANOS_PER_S + (nanos)((fraction * (uint64_t)NANOS_PER_S) >> 32);
}

/* The middle 32 bits, in units of 1/65536 s: RFC 3550's LSR and DLSR, RFC 3611's LRR and DLRR. */
static inline uint32_t ntp_middle(uint64_t ntp) { return (uint32_t)(ntp >> 16); }
static inline nanos ntp_middle_to_nanos(uint32_t middle) { return (nanos)(((uint64_t)middle * 1000000000u) >> 16); }
static inline uint32_t ntp_middle_from_nanos(nanos duration)
{
    return duration <= 0 ? 0
                         : (uint32_t)(((uint64_t)(duration / NANOS_PER_S) << 16) +
                                      (((uint64_t)(duration % NANOS_PER_S) << 16) / NANOS_PER_S));
}

/* The round-trip time that a report tells which arrived at `now` and names our last report and how long that was held
 * (RFC 3550, section 6.4.1; RFC 3611, section 4.5; the middle 32 bits of NTP times). False when none of ours had arrived
 * there, or the figures can't be true. Clocks that differ a little can make it 0. */
static inline bool ntp_round_trip(uint64_t now, uint32_t last_report, uint32_t delay, nanos *rtt)
{
    int32_t difference = (int32_t)(ntp_middle(now) - last_report - delay);
    if (last_report == 0 || difference < -(1 << 16))
        return false;
    *rtt = difference <= 0 ? 0 : ntp_middle_to_nanos((uint32_t)difference);
    return true;
}

#endif
