/* STUN requests that wait for their answers: a fixed number of them, a new one in the place of an old one when two fall
 * together. */
#ifndef CONFAB_ANALYZERS_STUN_TRANSACTIONS_H
#define CONFAB_ANALYZERS_STUN_TRANSACTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/table.h"
#include "base/nanos.h"
#include "rtc/stun.h"

#define STUN_TRANSACTIONS TABLE_FIXED_SIZE(8192)

struct stun_transaction {
    uint8_t id[STUN_TRANSACTION_ID_LEN];
    uint32_t vantage; /* plus one; 0 for a free place */
    uint32_t path;    /* where the request was seen first */
    nanos asked;
    bool repeated; /* sent more than once, so that an answer's round-trip time is ambiguous (Karn) */
    bool check;    /* a connectivity check of ICE */
    bool nominating;
};

struct stun_transactions {
    struct stun_transaction slots[STUN_TRANSACTIONS];
};

/* Notes a request. One that is pending on another path of the same vantage point is a relayed copy: ignored. */
void stun_transactions_ask(struct stun_transactions *transactions, const struct stun_transaction *asked);

/* The request that a response on the same path answers, taken out; false when there is none. */
bool stun_transactions_answer(struct stun_transactions *transactions, const uint8_t id[STUN_TRANSACTION_ID_LEN],
                              uint32_t vantage, uint32_t path, struct stun_transaction *answered);

#endif
