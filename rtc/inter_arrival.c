#include "rtc/inter_arrival.h"

#include <string.h>

#define GROUP_LENGTH (5 * NANOS_PER_MS)
#define BURST_GAP (5 * NANOS_PER_MS)
#define BURST_LENGTH (100 * NANOS_PER_MS)
#define CLOCK_JUMP (3 * NANOS_PER_S)
#define REORDERED_LIMIT 3

static bool in_burst(const struct arrival_group *group, nanos sent, nanos received)
{
    nanos sent_delta = sent - group->last_sent;
    nanos received_delta = received - group->last_received;
    if (sent_delta == 0)
        return true;
    return received_delta < sent_delta && received_delta <= BURST_GAP &&
           received - group->first_received < BURST_LENGTH;
}

/* False when the groups say nothing: the receiver's clock jumped, or the network reordered them. */
static bool measure(struct inter_arrival *arrival, struct arrival_delta *delta)
{
    const struct arrival_group *current = &arrival->current;
    const struct arrival_group *previous = &arrival->previous;
    delta->sent = current->last_sent - previous->last_sent;
    delta->received = current->last_received - previous->last_received;
    nanos reported = current->last_reported - previous->last_reported;
    bool reset = delta->received - reported >= CLOCK_JUMP;
    if (!reset && delta->received < 0)
        reset = ++arrival->reordered >= REORDERED_LIMIT;
    else if (!reset)
        arrival->reordered = 0;
    if (reset)
        memset(arrival, 0, sizeof *arrival);
    return !reset && delta->received >= 0;
}

bool inter_arrival_add(struct inter_arrival *arrival, nanos sent, nanos received, nanos now,
                       struct arrival_delta *delta)
{
    struct arrival_group *current = &arrival->current;
    bool measured = false;
    if (arrival->has_current && sent < current->first_sent)
        return false;
    if (arrival->has_current && sent - current->first_sent > GROUP_LENGTH && !in_burst(current, sent, received)) {
        if (arrival->has_previous) {
            measured = measure(arrival, delta);
            if (!measured)
                return false;
        }
        arrival->previous = *current;
        arrival->has_previous = true;
        arrival->has_current = false;
    }
    if (!arrival->has_current) {
        *current = (struct arrival_group){.first_sent = sent, .last_sent = sent, .first_received = received};
        arrival->has_current = true;
    }
    current->last_sent = nanos_max(current->last_sent, sent);
    current->last_received = received;
    current->last_reported = now;
    return measured;
}
