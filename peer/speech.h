/* Who talks when: a conversation after ITU-T P.59's four-state model, for two people or more. Exactly one talks for 0.854 s
 * on average, then with 40 % another joins in (0.226 s), or all are silent (0.456 s); after that each is equally likely
 * to go on. All times are exponential.
 *
 *                  60 %  +----------------+
 *            +---------->| mutual silence |-----+ anyone
 *            |           +----------------+     v
 *     +-------------+                        +-------------+
 *     | one talks   |                        | one talks   |
 *     +-------------+                        +-------------+
 *            |           +----------------+     ^
 *            +---------->|  double talk   |-----+ one of the two
 *                  40 %  +----------------+
 *
 * The conversation follows from its seed and runs from its start, so each participant of a room, whenever it comes, runs
 * a copy and they all agree. The turn of someone who isn't there (yet) is a silence more. */
#ifndef CONFAB_PEER_SPEECH_H
#define CONFAB_PEER_SPEECH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "base/rng.h"

/* A room's conversation: whoever is in the room is told the same. */
struct conversation {
    uint64_t seed;
    uint64_t room;
    uint32_t people; /* who talk, the first to come; at least 1 */
    nanos start;     /* in silence */
};

struct speech {
    struct rng rng;
    uint32_t people;
    uint32_t talkers; /* 0 to 2 */
    uint32_t who[2];
    nanos until; /* when the present state ends */
};

void speech_init(struct speech *speech, const struct conversation *conversation);

/* Does participant `who` (from 0) talk at `now`? `now` never goes back. One who is none of the `people` never does. */
bool speech_talks(struct speech *speech, uint32_t who, nanos now);

#endif
