#include "analyzers/keylog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/table.h"

#define LABEL "CLIENT_RANDOM "
#define LINES_MAX (1u << 20)

struct entry {
    uint8_t random[KEYLOG_RANDOM_LEN];
    uint8_t secret[KEYLOG_SECRET_LEN];
};

struct keylog {
    struct entry *entries;
    uint32_t count;
    uint32_t cap;
    struct table table;
};

static uint64_t hash_random(const uint8_t *random)
{
    uint64_t head;
    memcpy(&head, random, sizeof head);
    return table_mix(head);
}
static uint64_t hash_entry(const void *owner, uint32_t number)
{
    return hash_random(((const struct keylog *)owner)->entries[number].random);
}
static bool same_entry(const void *owner, uint32_t number, const void *key)
{
    return memcmp(((const struct keylog *)owner)->entries[number].random, key, KEYLOG_RANDOM_LEN) == 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads 2 * len digits; returns where they end, NULL when there are fewer. */
static const char *read_hex(const char *text, uint8_t *out, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text[2 * i]);
        int low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
        if (low < 0)
            return NULL;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return text + 2 * len;
}

static bool add(struct keylog *keylog, const struct entry *entry)
{
    uint64_t hash = hash_random(entry->random);
    if (table_find(&keylog->table, hash, same_entry, keylog, entry->random) != TABLE_NONE)
        return true; /* both ends wrote it */
    if (keylog->count == keylog->cap) {
        uint32_t cap = keylog->cap == 0 ? 64 : keylog->cap * 2;
        struct entry *grown = realloc(keylog->entries, cap * sizeof *grown);
        if (grown == NULL)
            return false;
        keylog->entries = grown;
        keylog->cap = cap;
    }
    keylog->entries[keylog->count] = *entry;
    if (!table_add(&keylog->table, hash, keylog->count, hash_entry, keylog))
        return false;
    keylog->count++;
    return true;
}

static bool read_lines(struct keylog *keylog, const char *path, FILE *file, struct error *error)
{
    char line[512];
    for (unsigned number = 1; number <= LINES_MAX && fgets(line, sizeof line, file) != NULL; number++) {
        if (strncmp(line, LABEL, strlen(LABEL)) != 0)
            continue;
        struct entry entry;
        const char *at = read_hex(line + strlen(LABEL), entry.random, sizeof entry.random);
        at = at != NULL && *at == ' ' ? read_hex(at + 1, entry.secret, sizeof entry.secret) : NULL;
        if (at == NULL || (*at != '\0' && *at != '\r' && *at != '\n'))
            return error_set(error, ERROR_INPUT,
                             "%s, line %u: not 'CLIENT_RANDOM', 64 hex digits and 96 hex digits, with a blank between",
                             path, number);
        if (!add(keylog, &entry))
            return error_set(error, ERROR_SYSTEM, "%s: out of memory", path);
    }
    if (ferror(file))
        return error_set(error, ERROR_INPUT, "%s: can't be read: %s", path, strerror(errno));
    if (keylog->count == 0)
        return error_set(error, ERROR_INPUT, "%s: no CLIENT_RANDOM line in it, so no key of DTLS 1.2", path);
    return true;
}

struct keylog *keylog_read(FILE *file, const char *name, struct error *error)
{
    struct keylog *keylog = calloc(1, sizeof *keylog);
    if (keylog == NULL) {
        error_set(error, ERROR_SYSTEM, "%s: out of memory", name);
        return NULL;
    }
    if (!read_lines(keylog, name, file, error)) {
        keylog_close(keylog);
        return NULL;
    }
    return keylog;
}

struct keylog *keylog_open(const char *path, struct error *error)
{
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        error_set(error, ERROR_INPUT, "%s: can't be read: %s", path, strerror(errno));
        return NULL;
    }
    struct keylog *keylog = keylog_read(file, path, error);
    fclose(file);
    return keylog;
}

void keylog_close(struct keylog *keylog)
{
    if (keylog == NULL)
        return;
    free(keylog->entries);
    table_clear(&keylog->table);
    free(keylog);
}

const uint8_t *keylog_find(const struct keylog *keylog, const uint8_t client_random[KEYLOG_RANDOM_LEN])
{
    uint32_t found = table_find(&keylog->table, hash_random(client_random), same_entry, keylog, client_random);
    return found == TABLE_NONE ? NULL : keylog->entries[found].secret;
}
