/* How many messages someone may say: a mesh of a hundred takes so many at once, and who goes on like this keeps everyone
 * else waiting. */
#ifndef CONFAB_SFU_MESSAGE_ALLOWANCE_H
#define CONFAB_SFU_MESSAGE_ALLOWANCE_H

#include <stdbool.h>

#include "base/nanos.h"

enum { MESSAGE_ALLOWANCE_BURST = 4000, MESSAGE_ALLOWANCE_PER_S = 100 };

struct message_allowance {
    double tokens;
    nanos refilled;
};

static inline struct message_allowance message_allowance_full(nanos now)
{
    return (struct message_allowance){.tokens = MESSAGE_ALLOWANCE_BURST, .refilled = now};
}

/* One more: may it be? */
static inline bool message_allowance_take(struct message_allowance *allowance, nanos now)
{
    allowance->tokens += nanos_to_s(now - allowance->refilled) * MESSAGE_ALLOWANCE_PER_S;
    allowance->refilled = now;
    if (allowance->tokens > MESSAGE_ALLOWANCE_BURST)
        allowance->tokens = MESSAGE_ALLOWANCE_BURST;
    allowance->tokens -= 1;
    return allowance->tokens >= 0;
}

#endif
