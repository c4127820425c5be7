/* A running number whose deliberate gaps are closed: numbers come in (sequence numbers, picture IDs), some are left out
 * on purpose, and the rest go out without a trace of those. What merely is missing keeps its place, so that a receiver
 * asks for it, and gets it when it comes after all.
 *
 *      in    7   8   9  10  11  12        9 was dropped, 11 was lost
 *      out  70  71   -  72 (73) 74
 *
 * Only a window of the newest numbers is remembered, one bit each, so both directions take a bounded few steps. */
#ifndef CONFAB_RTC_RENUMBERING_H
#define CONFAB_RTC_RENUMBERING_H

#include <stdbool.h>
#include <stdint.h>

#include "rtc/bit_ring.h"

#define RENUMBERING_WINDOW 512

struct renumbering {
    int64_t first_in; /* all are unwrapped */
    int64_t first_out;
    int64_t highest_in;  /* the newest that is accounted for */
    int64_t highest_out; /* the newest that is promised */
    uint64_t dropped[BIT_RING_WORDS(RENUMBERING_WINDOW)];
};

/* `first_in` will go out as `first_out`. */
void renumbering_start(struct renumbering *numbers, int64_t first_in, int64_t first_out);

/* What `in` goes out as. False when it was dropped, is from before the start or fell out of the window. */
bool renumbering_map(struct renumbering *numbers, int64_t in, int64_t *out);

/* Leaves `in` out. False when it is too late for that: numbers behind it have gone out already, so its own is promised
 * (renumbering_map tells which). */
bool renumbering_drop(struct renumbering *numbers, int64_t in);

/* What went, or was to go, out as `out`. False when nothing within the window. */
bool renumbering_find(const struct renumbering *numbers, int64_t out, int64_t *in);

#endif
