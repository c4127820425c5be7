/* What became of one packet that was sent with a transport-wide sequence number: the sender's history
 * (rtc/twcc_history.h) makes these from feedback, congestion control takes them. */
#ifndef CONFAB_RTC_TWCC_RESULT_H
#define CONFAB_RTC_TWCC_RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

struct twcc_result {
    uint64_t sequence; /* unwrapped */
    nanos sent;        /* by the sender's clock */
    nanos received;    /* by the receiver's clock, whose origin is its own; NANOS_NEVER: lost */
    size_t size;       /* bytes, as told when it was sent */
};

#endif
