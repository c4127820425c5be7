/* The receiver's side of retransmission: which packets of a stream are missing, and when to ask for each (RFC 4585,
 * section 6.2.1). */
#ifndef CONFAB_RTC_NACK_H
#define CONFAB_RTC_NACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

#define NACK_TRIES_MAX 10     /* as libwebrtc: then the packet is given up */
#define NACK_MISSING_MAX 1000 /* as libwebrtc: more than this, and a key frame is cheaper */
#define NACK_RTT_DEFAULT (100 * NANOS_PER_MS)
#define NACK_INTERVAL_MIN (20 * NANOS_PER_MS) /* between two requests for one packet, however short the round trip */

struct nack_config {
    size_t missing_max;       /* at most this many at a time; 0: NACK_MISSING_MAX */
    nanos reorder_delay;      /* a packet is asked for when it has been missing this long … */
    uint16_t reorder_packets; /* … or when so many later ones have come; with both 0 at once */
};

struct nack_missing;

struct nack_generator {
    struct nack_config config;
    nanos rtt;
    nanos due;                    /* no request is due before */
    int64_t highest;              /* unwrapped; 0 before the first packet */
    struct nack_missing *missing; /* rising; 16 bytes each */
    size_t count;
    size_t cap;
    bool wants_key_frame;
    uint64_t requested; /* sequence numbers sent in NACKs */
    uint64_t recovered; /* packets that came after they were asked for */
    uint64_t given_up;
};

/* What a packet was to the generator. */
enum nack_arrival {
    NACK_IN_ORDER,  /* the newest so far */
    NACK_REORDERED, /* missing until now, but not asked for yet */
    NACK_RECOVERED, /* missing, and asked for */
    NACK_UNKNOWN,   /* old: a duplicate, or given up */
};

void nack_generator_init(struct nack_generator *generator, const struct nack_config *config);
void nack_generator_clear(struct nack_generator *generator);

void nack_generator_set_rtt(struct nack_generator *generator, nanos rtt);

/* A packet came, as itself or in a retransmission. */
enum nack_arrival nack_generator_received(struct nack_generator *generator, uint16_t sequence, nanos now);

/* Nothing before `sequence` is of use any more: a key frame starts there, or the player has moved on. */
void nack_generator_forget_before(struct nack_generator *generator, uint16_t sequence);

/* When to ask next; NANOS_NEVER when nothing is missing. */
static inline nanos nack_generator_deadline(const struct nack_generator *generator) { return generator->due; }

/* Up to `cap` numbers to ask for now, rising, for rtcp_write_nack; call until it returns 0. */
size_t nack_generator_write(struct nack_generator *generator, uint16_t *sequences, size_t cap, nanos now);

/* Once after each time that more was missing than may be, and all of it was forgotten. */
bool nack_generator_take_key_frame_wish(struct nack_generator *generator);

#endif
