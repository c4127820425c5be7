/* Is the queue on the path full? A full tail-drop queue delays evenly, so the trendline sees nothing, and several senders
 * may share it for good at 10 % loss. What tells is loss while even the fastest packets take longer than they once did.
 * libwebrtc has nothing like it. */
#ifndef CONFAB_RTC_FULL_QUEUE_H
#define CONFAB_RTC_FULL_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "rtc/twcc_result.h"

/* Starts as all zeros. */
struct full_queue {
    bool has_baseline;
    nanos baseline; /* least delay known; the two clocks differ, so only differences count */
    nanos least[2]; /* of this and of the previous half minute */
    nanos turned;   /* when this half minute began */
    nanos since;    /* packets sent from here on count */
    uint32_t packets;
    uint32_t lost;
    nanos delay; /* least of those that arrived */
    int in_a_row;
};

/* Takes what became of one packet; true when enough is known to say that the queue is full. The sender is then
 * expected to send less, and only what it sends from `now` on counts towards the next verdict. */
bool full_queue_add(struct full_queue *queue, const struct twcc_result *result, nanos now);

#endif
