#include "analyzers/address_book.h"

#include <stdlib.h>

static uint32_t scope_vantage(const struct address *address, uint32_t vantage)
{
    switch (address_scope(address)) {
    case ADDRESS_PRIVATE:
    case ADDRESS_LINK_LOCAL:
    case ADDRESS_LOOPBACK:
        return vantage + 1;
    default:
        return 0;
    }
}

static uint64_t hash_of(const struct address *address, uint32_t vantage)
{
    return table_mix(address_hash(address) + (uint64_t)vantage * 0x9e3779b97f4a7c15u);
}

static uint64_t hash_entry(const void *owner, uint32_t number)
{
    const struct address_entry *entry = &((const struct address_book *)owner)->entries[number];
    return hash_of(&entry->address, entry->vantage);
}

static bool same_entry(const void *owner, uint32_t number, const void *key)
{
    const struct address_entry *entry = &((const struct address_book *)owner)->entries[number];
    const struct address_entry *wanted = key;
    return entry->vantage == wanted->vantage && address_equal(&entry->address, &wanted->address);
}

uint32_t address_book_find(const struct address_book *book, const struct address *address, uint32_t vantage)
{
    struct address_entry key = {.address = *address, .vantage = scope_vantage(address, vantage)};
    return table_find(&book->table, hash_of(address, key.vantage), same_entry, book, &key);
}

uint32_t address_book_get(struct address_book *book, const struct address *address, uint32_t vantage)
{
    uint32_t found = address_book_find(book, address, vantage);
    if (found != TABLE_NONE || book->count == ADDRESS_BOOK_LIMIT)
        return found;
    if (book->count == book->cap) {
        uint32_t cap = book->cap == 0 ? 64 : book->cap * 2;
        struct address_entry *grown = realloc(book->entries, cap * sizeof *grown);
        if (grown == NULL)
            return ADDRESS_BOOK_NONE;
        book->entries = grown;
        book->cap = cap;
    }
    uint32_t number = book->count;
    uint32_t scoped = scope_vantage(address, vantage);
    book->entries[number] = (struct address_entry){.address = *address, .vantage = scoped, .joined = number};
    if (!table_add(&book->table, hash_of(address, scoped), number, hash_entry, book))
        return ADDRESS_BOOK_NONE;
    book->count++;
    return number;
}

uint32_t address_book_root(const struct address_book *book, uint32_t entry)
{
    while (book->entries[entry].joined != entry)
        entry = book->entries[entry].joined;
    return entry;
}

void address_book_join(struct address_book *book, uint32_t a, uint32_t b)
{
    if (a == ADDRESS_BOOK_NONE || b == ADDRESS_BOOK_NONE)
        return;
    uint32_t root_a = address_book_root(book, a);
    uint32_t root_b = address_book_root(book, b);
    uint32_t root = root_a < root_b ? root_a : root_b;
    book->entries[root_a].joined = root;
    book->entries[root_b].joined = root;
    book->entries[a].joined = root;
    book->entries[b].joined = root;
}

void address_book_clear(struct address_book *book)
{
    free(book->entries);
    table_clear(&book->table);
    *book = (struct address_book){0};
}
