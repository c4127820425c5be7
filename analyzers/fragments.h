/* IP fragments put back together (RFC 791, section 3.2; RFC 8200, section 4.5): a few datagrams at a time, in memory
 * that never grows. Overlapping fragments keep the bytes that came first (RFC 5722 would drop the datagram; here it is
 * only looked at). */
#ifndef CONFAB_ANALYZERS_FRAGMENTS_H
#define CONFAB_ANALYZERS_FRAGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct fragments;
struct fragments *fragments_create(void); /* NULL when out of memory */
void fragments_destroy(struct fragments *fragments);

struct fragment {
    struct address source; /* ports 0 */
    struct address destination;
    uint32_t identification;
    uint32_t vantage;
    uint8_t protocol;
    bool more; /* others follow */
    size_t offset;
    const uint8_t *data;
    size_t captured_len;
    size_t len;
};

/* Adds one. When it completes its datagram: that, valid until the next call, with its length and how much of it from
 * its start was captured. NULL while some are missing, or when the fragment makes no sense. */
const uint8_t *fragments_add(struct fragments *fragments, const struct fragment *fragment, size_t *captured_len,
                             size_t *len);

#endif
