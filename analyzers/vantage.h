/* A vantage point: where packets were captured, which is an interface of a capture file. When all its traffic has one
 * address in common, that is the capturing host's own. */
#ifndef CONFAB_ANALYZERS_VANTAGE_H
#define CONFAB_ANALYZERS_VANTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/table.h"
#include "base/address.h"

#define VANTAGE_LIMIT 65535 /* numbers fit 16 bits */
#define VANTAGE_NONE UINT32_MAX

struct vantage {
    uint32_t capture;
    uint32_t interface;
    uint32_t device;
    /* Per address family (IPv4, IPv6): the addresses that all packets so far had, at most two, none once they differ */
    struct address common[2][2];
    uint8_t common_count[2];
    bool seen[2];
};

struct vantages {
    struct vantage *vantages;
    uint32_t count;
    uint32_t cap;
    uint32_t latest; /* packets come in runs */
    struct table table;
};

/* Finds or makes it; VANTAGE_NONE when full or out of memory. */
uint32_t vantages_get(struct vantages *vantages, uint32_t capture, uint32_t interface, uint32_t device);

/* Takes note of a packet's addresses. */
void vantage_note(struct vantage *vantage, const struct address *source, const struct address *destination);

/* Is this known not to be the capturing host's address, as far as the packets so far tell? */
bool vantage_is_remote(const struct vantage *vantage, const struct address *address);

void vantages_clear(struct vantages *vantages);

#endif
