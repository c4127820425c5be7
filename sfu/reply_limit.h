/* How many answers a source address gets that has not shown that it is there: whoever forges that address must not be
 * able to make the server flood it. A table of fixed size counts by address (IPv6: by /64) and second; two sources that
 * share a slot share its allowance, which matters only during a flood. */
#ifndef CONFAB_SFU_REPLY_LIMIT_H
#define CONFAB_SFU_REPLY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/nanos.h"

enum { REPLY_LIMIT_SLOTS = 4096 };

struct reply_limit {
    uint32_t per_second;
    uint64_t key; /* secret, so that nobody can choose whose slot to fill */
    struct {
        uint32_t second;
        uint32_t count;
    } slots[REPLY_LIMIT_SLOTS];
};

/* Begins as all zeros with `per_second` and `key` set. May this source have another answer now? Counts it when so. */
bool reply_limit_allow(struct reply_limit *limit, const struct address *source, nanos now);

#endif
