/* From a captured frame to the UDP datagram or TCP segment in it: link layers, VLAN tags, PPP, IPv4 and IPv6 with their
 * extension headers and fragments, and tunnels (GTP-U, IP in IP). Nothing is copied except fragments. */
#ifndef CONFAB_ANALYZERS_PACKET_H
#define CONFAB_ANALYZERS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/capture.h"
#include "base/address.h"
#include "base/nanos.h"

/* https://www.tcpdump.org/linktypes.html */
enum link_type {
    LINK_NULL = 0,
    LINK_ETHERNET = 1,
    LINK_PPP = 9,
    LINK_RAW_BSD = 12,
    LINK_RAW_OPENBSD = 14,
    LINK_PPP_HDLC = 50,
    LINK_RAW = 101,
    LINK_LOOP = 108,
    LINK_LINUX_COOKED = 113,
    LINK_IPV4 = 228,
    LINK_IPV6 = 229,
    LINK_LINUX_COOKED_2 = 276,
};

enum packet_protocol {
    PACKET_TCP = 6,
    PACKET_UDP = 17,
};

/* Why a packet was put aside. */
enum packet_skip {
    PACKET_TAKEN,
    PACKET_LINK_TYPE,    /* a link layer that isn't read here */
    PACKET_NOT_IP,       /* ARP, LLC, … */
    PACKET_NOT_UDP_TCP,  /* SCTP, ESP, IGMP, … */
    PACKET_ICMP,         /* whose quoted packet must not be counted again */
    PACKET_FRAGMENT,     /* taken together with its others, or one of them is missing */
    PACKET_SHORT,        /* captured too short to hold its headers */
    PACKET_MALFORMED,    /* headers that contradict themselves */
    PACKET_SKIP_REASONS, /* how many there are */
};

/* The name of a reason as the result shows it, "not_ip" for instance. */
const char *packet_skip_name(enum packet_skip skip);

struct packet {
    nanos time;
    struct address source;
    struct address destination;
    uint8_t protocol;    /* enum packet_protocol */
    bool syn, fin, rst;  /* TCP */
    uint32_t sequence;   /* TCP */
    uint32_t device;     /* the interface number that Linux cooked captures of version 2 carry, else 0 */
    const uint8_t *data; /* the payload, as far as it was captured */
    size_t captured_len;
    size_t len; /* of the payload on the wire, never less than captured_len */
};

struct fragments; /* fragments.h */

/* Decodes `frame`; `packet` is filled when PACKET_TAKEN comes back, and points into the frame or, until the next call
 * with the same `fragments`, into a reassembled datagram. `vantage` tells fragments of different captures apart. */
enum packet_skip packet_decode(const struct capture_packet *frame, uint32_t vantage, struct fragments *fragments,
                               struct packet *packet);

#endif
