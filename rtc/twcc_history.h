/* What a sender remembers of the packets that it sent with transport-wide sequence numbers, to make sense of the
 * feedback about them. */
#ifndef CONFAB_RTC_TWCC_HISTORY_H
#define CONFAB_RTC_TWCC_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/twcc.h"
#include "rtc/twcc_result.h"

struct twcc_sent;

struct twcc_history {
    struct twcc_sent *sent; /* a ring, 16 bytes each */
    size_t capacity;
    size_t capacity_max;
    uint64_t next;    /* the number that the next packet gets; starts at 65536, so its low bits at 0 */
    uint64_t first;   /* nothing before it is remembered */
    uint64_t settled; /* the first number that no feedback has gone past */
    size_t in_flight_bytes;
    int64_t remote_ticks; /* the receiver's clock, unwrapped, as of the last feedback; 0 before the first */
};

/* Remembers twice the packets that wait for feedback: those of a round trip and a feedback interval. `capacity_max`: how
 * many at most, a power of two from 64 to 32768. False when out of memory. */
bool twcc_history_init(struct twcc_history *history, size_t capacity_max);
void twcc_history_clear(struct twcc_history *history);

/* A packet of `size` bytes leaves at `now`. Returns its number, of which the low 16 bits go into the packet. */
uint64_t twcc_history_send(struct twcc_history *history, size_t size, nanos now);

/* Turns a feedback (begun by twcc_read) into results, at most `cap` for each call; call until it returns 0. Rising
 * sequence. Only packets that are remembered are in it, each once, except that one reported lost may come again as
 * received. Results' `received` is on the receiver's clock, with an origin that stays the same throughout. */
size_t twcc_history_results(struct twcc_history *history, struct twcc_reader *reader, struct twcc_result *results,
                            size_t cap);

/* Bytes sent and not yet covered by feedback. */
static inline size_t twcc_history_in_flight(const struct twcc_history *history) { return history->in_flight_bytes; }

#endif
