/* Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01): the receiver's side,
 * which records when packets came and reports it, and a reader of such reports. rtc/twcc_history.h is the sender's.
 *
 * Times are in ticks of 250 µs on the receiver's clock, modulo 2^32: the upper 24 bits are what the message calls the
 * reference time (64 ms). */
#ifndef CONFAB_RTC_TWCC_H
#define CONFAB_RTC_TWCC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/bit_ring.h"
#include "rtc/rtcp.h"

#define TWCC_TICK (250 * NANOS_PER_US)
#define TWCC_FEEDBACK_INTERVAL (100 * NANOS_PER_MS) /* what libwebrtc starts with */
#define TWCC_WINDOW 1024 /* packets that the recorder remembers: 100 ms at 80 Mbit/s of 1,000-byte packets */
#define TWCC_FEEDBACK_CAP_MIN 64

/* --- recorder --- */

struct twcc_recorder {
    nanos interval;
    nanos due;       /* of the next feedback; NANOS_NEVER while nothing is to be told */
    int64_t highest; /* unwrapped; 0 before the first packet */
    int64_t next;    /* the first that isn't reported */
    uint32_t media_ssrc;
    uint8_t feedback_count;
    uint64_t received[BIT_RING_WORDS(TWCC_WINDOW)];
    uint32_t ticks[TWCC_WINDOW];
};

/* `interval`: from the first unreported packet to its feedback, 50 to 250 ms; it may be changed. */
void twcc_recorder_init(struct twcc_recorder *recorder, nanos interval);

/* A packet of stream `media_ssrc` with transport-wide number `sequence` came at `now`. One that comes late, after those
 * around it were reported, makes the next feedback start with it. Duplicates, and packets older than TWCC_WINDOW, count
 * for nothing. */
void twcc_recorder_add(struct twcc_recorder *recorder, uint32_t media_ssrc, uint16_t sequence, nanos now);

static inline nanos twcc_recorder_deadline(const struct twcc_recorder *recorder) { return recorder->due; }

/* Once the deadline has passed: writes one feedback packet into `buf` and returns its length; call until it returns 0.
 * What doesn't fit into `cap` (at least TWCC_FEEDBACK_CAP_MIN, else 0) or into the format's 16-bit time steps goes into
 * the next. */
size_t twcc_recorder_write(struct twcc_recorder *recorder, uint32_t sender_ssrc, uint8_t *buf, size_t cap, nanos now);

/* --- reader --- */

/* A run of packets with one status. */
struct twcc_status {
    uint16_t sequence; /* of the first */
    uint16_t count;    /* 1 when received */
    bool received;
    uint32_t ticks; /* when it was received */
};

struct twcc_reader {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;
    uint16_t base_sequence;
    uint16_t status_count;
    uint32_t reference_time; /* 24 bits, in units of 64 ms */
    uint8_t feedback_count;

    /* The walk's own. */
    const uint8_t *chunk; /* the next */
    const uint8_t *delta; /* the next */
    uint32_t ticks;
    uint16_t sequence;
    uint16_t left;          /* statuses from `sequence` on */
    uint16_t chunk_bits;    /* the current chunk */
    uint16_t chunk_left;    /* statuses left in it */
    struct twcc_status run; /* what rtc/twcc_history.h has yet to look at */
};

/* Starts to read a feedback packet. False when it is something else, says nothing (a status count of 0), or its chunks
 * and deltas aren't all there; then nothing of it should be used. Work is linear in the bytes, not in the counts. */
bool twcc_read(struct twcc_reader *reader, const struct rtcp_packet *packet);

/* The next run of statuses, in the order of sequence; false behind the last. */
bool twcc_next(struct twcc_reader *reader, struct twcc_status *status);

#endif
