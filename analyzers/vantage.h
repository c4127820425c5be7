/* A vantage point: where packets were captured, which is an interface of a capture file. When all its traffic has one
 * address in common, that is the capturing host's own. */
#ifndef CONFAB_ANALYZERS_VANTAGE_H
#define CONFAB_ANALYZERS_VANTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/table.h"
#include "base/address.h"
#include "base/nanos.h"

#define VANTAGE_LIMIT 65535 /* numbers fit 16 bits */
#define VANTAGE_NONE UINT32_MAX
#define VANTAGE_UNDECIDED 16

/* A round trip that was measured before it was clear whose host this is. */
struct vantage_sample {
    struct address asker;
    nanos round_trip;
};

struct vantage {
    uint32_t capture;
    uint32_t interface;
    uint32_t device;
    /* Per address family (IPv4, IPv6): the addresses that all packets so far had, at most two, none once they differ */
    struct address common[2][2];
    uint8_t common_count[2];
    bool seen[2];
    uint64_t redeemed; /* packets that were reported as not WebRTC before they proved to be */
    uint8_t undecided_count;
    struct vantage_sample undecided[VANTAGE_UNDECIDED];
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

/* Is this the capturing host's own address, as far as the packets so far tell? */
enum vantage_locality {
    VANTAGE_LOCAL, /* or no host is in all packets, as where a network is captured */
    VANTAGE_REMOTE,
    VANTAGE_EITHER, /* all packets so far were between it and one other */
};
enum vantage_locality vantage_locality(const struct vantage *vantage, const struct address *address);

void vantages_clear(struct vantages *vantages);

#endif
