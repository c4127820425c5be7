/* Shares a subscriber's downlink among the videos that it watches: which simulcast layer of each is worth its bits.
 *
 * First everyone gets the lowest layer, then in rounds, in the order of importance, each the next one up, as long as
 * the rate carries it. Moving up asks for a little more than staying, so that an estimate that breathes doesn't make
 * layers flap. */
#ifndef CONFAB_SFU_LAYER_ALLOCATOR_H
#define CONFAB_SFU_LAYER_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAYERS_MAX = 3, LAYER_NONE = -1 };

/* One video, as one subscriber sees it. */
struct layer_demand {
    int64_t bitrate_bps[LAYERS_MAX]; /* lowest first; 0: the publisher doesn't send that layer now */
    int highest; /* the highest layer wanted: of a small tile, not the largest; LAYER_NONE: paused */
    int current; /* what is forwarded now, or LAYER_NONE */
    int chosen;  /* the answer; LAYER_NONE when not even the lowest fits */
};

/* Fills `chosen` of each of `count` demands, the most important first, so that their sum stays within `budget_bps`.
 * `keep_lowest`: nobody goes without the lowest layer, even if the budget doesn't carry it: right while the estimate is
 * young. Returns the sum. */
int64_t layer_allocate(struct layer_demand *demands, size_t count, int64_t budget_bps, bool keep_lowest);

/* What the demands would take if there were no limit. */
int64_t layer_wanted_bps(const struct layer_demand *demands, size_t count);

#endif
