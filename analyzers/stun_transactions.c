#include "analyzers/stun_transactions.h"

#include <string.h>

#include "analyzers/table.h"

static struct stun_transaction *slot_of(struct stun_transactions *transactions, const uint8_t *id, uint32_t vantage)
{
    uint64_t head;
    uint32_t tail;
    memcpy(&head, id, sizeof head);
    memcpy(&tail, id + sizeof head, sizeof tail);
    return &transactions
                ->slots[table_mix(head ^ ((uint64_t)tail << 16) ^ ((uint64_t)vantage << 48)) % STUN_TRANSACTIONS];
}

void stun_transactions_ask(struct stun_transactions *transactions, const struct stun_transaction *asked)
{
    struct stun_transaction *slot = slot_of(transactions, asked->id, asked->vantage);
    bool pending = slot->vantage == asked->vantage && memcmp(slot->id, asked->id, sizeof slot->id) == 0;
    if (!pending)
        *slot = *asked;
    else if (slot->path == asked->path)
        slot->repeated = true;
}

bool stun_transactions_answer(struct stun_transactions *transactions, const uint8_t id[STUN_TRANSACTION_ID_LEN],
                              uint32_t vantage, uint32_t path, struct stun_transaction *answered)
{
    struct stun_transaction *slot = slot_of(transactions, id, vantage);
    if (slot->vantage != vantage || slot->path != path || memcmp(slot->id, id, sizeof slot->id) != 0)
        return false;
    *answered = *slot;
    slot->vantage = 0;
    return true;
}
