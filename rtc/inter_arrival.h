/* Groups packets that were sent within 5 ms of each other and, when a group is complete, says how far apart it and the
 * one before it were sent and arrived: what the delay detector lives on. Packets that arrive bunched after having
 * waited together (a radio link's burst) belong to one group. Like libwebrtc's InterArrivalDelta. */
#ifndef CONFAB_RTC_INTER_ARRIVAL_H
#define CONFAB_RTC_INTER_ARRIVAL_H

#include <stdbool.h>

#include "base/nanos.h"

struct arrival_group {
    nanos first_sent;
    nanos last_sent;
    nanos first_received;
    nanos last_received;
    nanos last_reported; /* by the sender's clock */
};

/* Starts as all zeros. */
struct inter_arrival {
    struct arrival_group current;
    struct arrival_group previous;
    bool has_current;
    bool has_previous;
    int reordered; /* groups in a row that arrived before their predecessor */
};

struct arrival_delta {
    nanos sent;
    nanos received;
};

/* A packet sent at `sent` arrived at `received`, which the sender learnt at `now`. True when this completed a group:
 * then `delta` is the distance between the two groups before this packet. */
bool inter_arrival_add(struct inter_arrival *arrival, nanos sent, nanos received, nanos now,
                       struct arrival_delta *delta);

#endif
