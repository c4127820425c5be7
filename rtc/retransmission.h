/* The sender's side of retransmission: a buffer of the packets that were sent lately, and a guard that keeps requests
 * for them from becoming an amplifier.
 *
 * They are two because a forwarder keeps one buffer for a stream that comes in, and one guard for each subscriber. */
#ifndef CONFAB_RTC_RETRANSMISSION_H
#define CONFAB_RTC_RETRANSMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

/* --- buffer --- */

#define RETRANSMISSION_ROUND_TRIPS 3                   /* a packet is lost, and repeated, and that is lost too */
#define RETRANSMISSION_WINDOW_MIN (200 * NANOS_PER_MS) /* its turn in the pacer; reordering, requests in batches */

struct retransmission_buffer {
    nanos window;     /* older packets are gone */
    nanos window_max; /* what it is while the round trip is unknown, and at most */
    size_t bytes_max; /* … and what would not fit into this */
    uint8_t *bytes;   /* a ring of records; grows and shrinks with what is in it */
    size_t cap;
    size_t head; /* of the oldest record */
    size_t tail; /* behind the newest */
    size_t used; /* bytes between them */
    size_t count;
    uint32_t *index;   /* by sequence number modulo index_size: where the record is, plus 1 */
    size_t index_size; /* a power of two */
};

/* Costs no memory until something is stored. Then a packet takes its own bytes, 8 of header, 5 to 11 of index, and the
 * ring is mostly less than a third larger (and some 8 KiB) than what was in it. */
void retransmission_buffer_init(struct retransmission_buffer *buffer, nanos window_max, size_t bytes_max);
void retransmission_buffer_clear(struct retransmission_buffer *buffer);

/* Fits the window to the round trip, up to window_max: what nobody will ask for any more takes no memory. */
void retransmission_buffer_set_rtt(struct retransmission_buffer *buffer, nanos rtt);

/* Keeps a copy of an RTP packet in clear (it goes by the sequence number in its header) sent or received at `now`, and
 * drops what is too old. False when it doesn't fit, or memory is out: then it can't be asked for. */
bool retransmission_buffer_store(struct retransmission_buffer *buffer, const uint8_t *data, size_t len, nanos now);

/* The stored packet with that number, valid until the next store; NULL when it isn't there or older than the window. */
const uint8_t *retransmission_buffer_find(const struct retransmission_buffer *buffer, uint16_t sequence, nanos now,
                                          size_t *len);

/* --- guard --- */

#define RETRANSMISSION_GUARD_SLOTS 128

#define RETRANSMISSION_TICK (100 * NANOS_PER_US)

struct retransmission_repeated {
    uint32_t at; /* in ticks */
    uint16_t sequence;
    bool used;
};

/* A token bucket of bytes, and a table of what was repeated last. 1 KiB. */
struct retransmission_guard {
    int64_t rate_bps;
    int64_t burst_bytes;
    double budget_bytes;
    nanos refilled;
    struct retransmission_repeated repeated[RETRANSMISSION_GUARD_SLOTS];
};

/* At most `rate_bps` of retransmissions over time, `burst_bytes` at once. */
void retransmission_guard_init(struct retransmission_guard *guard, int64_t rate_bps, int64_t burst_bytes, nanos now);
void retransmission_guard_set_rate(struct retransmission_guard *guard, int64_t rate_bps, nanos now);

/* May a packet of `size` bytes be repeated at `now`? Then that is accounted for. No when the budget is used up, or the
 * same was repeated less than `rtt` ago: the asker can't have seen the answer yet. */
bool retransmission_guard_allow(struct retransmission_guard *guard, uint16_t sequence, size_t size, nanos rtt,
                                nanos now);

#endif
