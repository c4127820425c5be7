/* Which transport addresses belong to one participant: a host's own address, what NATs made of it (XOR-MAPPED-ADDRESS)
 * and what TURN servers lent it (XOR-RELAYED-ADDRESS). A private address means something only at the vantage point where
 * it was seen, so there it is a participant of its own until a mapping ties it to others. */
#ifndef CONFAB_ANALYZERS_ADDRESS_BOOK_H
#define CONFAB_ANALYZERS_ADDRESS_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/table.h"
#include "base/address.h"

#define ADDRESS_BOOK_NONE UINT32_MAX
#define ADDRESS_BOOK_LIMIT ((uint32_t)1 << 18)

struct address_entry {
    struct address address;
    uint32_t vantage; /* 0 for an address that is the same everywhere, else the vantage point plus one */
    uint32_t joined;
    bool relayed;
    uint8_t transport; /* enum turn_transport_seen: how the client reaches the server, when relayed */
    struct address server;
};

struct address_book {
    struct address_entry *entries;
    uint32_t count;
    uint32_t cap;
    struct table table;
};

/* Finds or makes the entry. ADDRESS_BOOK_NONE when full or out of memory. */
uint32_t address_book_get(struct address_book *book, const struct address *address, uint32_t vantage);

/* Only finds it. */
uint32_t address_book_find(const struct address_book *book, const struct address *address, uint32_t vantage);

/* Both are the same participant's. Either may be ADDRESS_BOOK_NONE. */
void address_book_join(struct address_book *book, uint32_t a, uint32_t b);

/* The entry that stands for the participant. */
uint32_t address_book_root(const struct address_book *book, uint32_t entry);

void address_book_clear(struct address_book *book);

#endif
