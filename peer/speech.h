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
 * The conversation follows from its seed, so each participant of a room runs a copy and they all agree. */
#ifndef CONFAB_PEER_SPEECH_H
#define CONFAB_PEER_SPEECH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "base/rng.h"

struct speech {
    struct rng rng;
    uint32_t participants;
    uint32_t talkers; /* 0 to 2 */
    uint32_t who[2];
    nanos until; /* when the present state ends */
};

/* `seed` and `room` determine the conversation of `participants` ≥ 1 people, which starts at `now` in silence. */
void speech_init(struct speech *speech, uint64_t seed, uint64_t room, uint32_t participants, nanos now);

/* Does participant `who` (from 0) talk at `now`? `now` never goes back. */
bool speech_talks(struct speech *speech, uint32_t who, nanos now);

#endif
