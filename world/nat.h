/* The NAT model: one box, between an internal and an external side, that takes a packet's addresses and the time and
 * says what becomes of it. Sans-IO, deterministic from its seed, one for the sim and the live world. Two in a row are
 * two of these, each given what the other let through.
 *
 * Terms are RFC 4787's (UDP) and RFC 5382's (TCP), with RFC 7857's updates:
 *
 *     internal endpoint -> [ mapping: which external address and port ] -> external endpoint
 *                       <- [ filtering: whose packets may come back   ] <-
 *
 * Mapping and filtering are endpoint-independent (EI), address-dependent (AD) or address-and-port-dependent (APD).
 * Filtering is judged per internal endpoint (RFC 4787, section 5): AD lets in whom that endpoint has sent to before,
 * whatever the port, through whichever of its mappings; APD also wants the port to be the same.
 *
 * IPv4 is translated. IPv6 never is: the same box then is a stateful firewall (RFC 6092), and so it is for IPv4 when
 * `translate_none` is set. ICMP and fragments are not modelled. */
#ifndef CONFAB_WORLD_NAT_H
#define CONFAB_WORLD_NAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"

struct nat;

enum { NAT_EXTERNAL_MAX = 16, NAT_ALLOWED_PORTS_MAX = 4 };

/* What a mapping or a filter depends on (RFC 4787, sections 4.1 and 5). */
enum nat_dependence {
    NAT_ENDPOINT_INDEPENDENT,
    NAT_ADDRESS_DEPENDENT,
    NAT_ADDRESS_AND_PORT_DEPENDENT,
};

/* Which external port a new mapping gets (RFC 4787, section 4.2). Internal ports below 1024 get external ones below
 * 1024, others stay in [port_min, port_max] (REQ-3), but for NAT_BLOCK. */
enum nat_allocation {
    NAT_PRESERVE,   /* the internal one, the next free one when it is taken */
    NAT_PARITY,     /* a random one that is even or odd as the internal one is (REQ-4) */
    NAT_CONTIGUOUS, /* the one after the last that was given out */
    NAT_RANDOM,     /* any, all as likely (RFC 6056) */
    NAT_BLOCK,      /* any of a block of `block_size` that the internal address owns (RFC 7422, RFC 6888 REQ-14) */
};

/* Which of several external addresses an internal one gets (RFC 4787, section 4.1, REQ-2). */
enum nat_pooling {
    NAT_PAIRED,    /* always the same */
    NAT_ARBITRARY, /* any, for each mapping */
};

/* A packet from inside to an external address of this very box (RFC 4787, section 6). */
enum nat_hairpin {
    NAT_HAIRPIN_NONE,     /* dropped */
    NAT_HAIRPIN_EXTERNAL, /* turned round, seen to come from the sender's external endpoint (REQ-9a) */
    NAT_HAIRPIN_INTERNAL, /* turned round, seen to come from the sender's internal endpoint */
};

/* Which packets keep a UDP mapping and its filters alive (RFC 4787, section 4.3). TCP's are kept alive by both. */
enum nat_refresh { NAT_REFRESH_OUTBOUND, NAT_REFRESH_INBOUND, NAT_REFRESH_BOTH };

/* What happens to IPv6. */
enum nat_ipv6 {
    NAT_IPV6_FIREWALL, /* out freely, in by `ipv6_filtering` (RFC 6092) */
    NAT_IPV6_OPEN,     /* in and out freely */
    NAT_IPV6_NONE,     /* not carried at all */
};

/* Used where the configuration has 0. */
#define NAT_UDP_TIMEOUT (300 * NANOS_PER_S)              /* RFC 4787, REQ-5c: 5 minutes recommended */
#define NAT_TCP_SYN_TIMEOUT (240 * NANOS_PER_S)          /* RFC 5382, REQ-5, RFC 7857, 2.1: 4 minutes */
#define NAT_TCP_ESTABLISHED_TIMEOUT (7440 * NANOS_PER_S) /* RFC 5382, REQ-5: 2 hours 4 minutes */
#define NAT_TCP_TRANSITORY_TIMEOUT (240 * NANOS_PER_S)   /* RFC 5382, REQ-5: 4 minutes */
#define NAT_PORT_MIN 1024
#define NAT_PORT_MAX 65535
#define NAT_BLOCK_SIZE 512
#define NAT_MAPPING_LIMIT 65536
#define NAT_SESSION_LIMIT 262144

/* All zeros but for an external address is a NAT as RFC 4787 wants it with EI filtering and without hairpinning. */
struct nat_config {
    uint64_t seed;
    struct address external[NAT_EXTERNAL_MAX]; /* IPv4; ports are ignored */
    size_t external_count;                     /* 1 … 16; 0 with translate_none */
    bool translate_none;                       /* a firewall with public addresses behind it */

    enum nat_dependence mapping;
    enum nat_dependence filtering;
    enum nat_allocation allocation;
    enum nat_pooling pooling;
    enum nat_hairpin hairpin;
    enum nat_refresh refresh;
    /* One external port for mappings to different destinations, as long as no two have the same destination (RFC 4787,
     * section 4.2.1; RFC 7857, section 3; Linux). Wants APD mapping and filtering and NAT_PRESERVE or NAT_RANDOM. */
    bool overload;

    enum nat_ipv6 ipv6;
    enum nat_dependence ipv6_filtering;

    nanos udp_timeout;
    nanos tcp_syn_timeout;         /* a SYN went out, none came back */
    nanos tcp_established_timeout; /* both SYNs were seen */
    nanos tcp_transitory_timeout;  /* both FINs, or a RST, were seen */

    /* What may leave at all, in both families. */
    bool udp_blocked;
    bool tcp_blocked;
    uint16_t tcp_allowed_ports[NAT_ALLOWED_PORTS_MAX]; /* destination ports; all zeros: every one */

    uint16_t port_min, port_max;
    uint16_t block_size;    /* ports in a block of NAT_BLOCK */
    uint32_t host_limit;    /* mappings of one internal address (RFC 6888, REQ-4); 0: no limit of its own */
    uint32_t mapping_limit; /* mappings in all */
    uint32_t session_limit; /* filter entries and TCP connections in all */
};

/* As in the IP header. */
enum nat_protocol { NAT_TCP = 6, NAT_UDP = 17 };

/* As in the TCP header. */
enum nat_tcp_flag { NAT_TCP_FIN = 0x01, NAT_TCP_SYN = 0x02, NAT_TCP_RST = 0x04, NAT_TCP_ACK = 0x10 };

/* What the box looks at and rewrites. */
struct nat_packet {
    struct address source;
    struct address destination;
    uint8_t protocol;  /* enum nat_protocol */
    uint8_t tcp_flags; /* enum nat_tcp_flag; others are ignored, and all for UDP */
};

enum nat_verdict {
    NAT_DROP,    /* silently; the packet is unchanged */
    NAT_FORWARD, /* on to the other side */
    NAT_HAIRPIN, /* back to the side it came from */
};

/* Why a packet was dropped. */
enum nat_drop {
    NAT_DROP_POLICY,    /* blocked protocol, destination port, or IPv6 */
    NAT_DROP_UNMAPPED,  /* from outside, to a port that is no mapping's */
    NAT_DROP_FILTERED,  /* from outside, from one that the filter does not let in */
    NAT_DROP_EXHAUSTED, /* no free port, table or host limit reached, out of memory */
    NAT_DROP_STRAY,     /* TCP that belongs to no known connection and is no SYN */
    NAT_DROP_HAIRPIN,   /* hairpinning is not done */
    NAT_DROP_REASONS,
};

struct nat_counters {
    uint64_t outbound;   /* packets that left */
    uint64_t inbound;    /* that were let in */
    uint64_t hairpinned; /* that were turned round */
    uint64_t dropped[NAT_DROP_REASONS];
    size_t mappings; /* that exist now, as all below */
    size_t filters;
    size_t connections; /* TCP */
};

/* Puts the defaults where there is 0. */
void nat_config_complete(struct nat_config *config);
/* False, with the field at fault in `error`, for a complete config that can't be. */
bool nat_config_check(const struct nat_config *config, struct error *error);

/* NULL and `error` (ERROR_USAGE: a configuration that contradicts itself; ERROR_SYSTEM: out of memory). */
struct nat *nat_create(const struct nat_config *config, struct error *error);
void nat_destroy(struct nat *nat);

/* A packet from inside. NAT_FORWARD: its source is now external. NAT_HAIRPIN: its destination is now internal, and its
 * source as the configuration says. `now` never goes back. */
enum nat_verdict nat_outbound(struct nat *nat, struct nat_packet *packet, nanos now);

/* A packet from outside. NAT_FORWARD: its destination is now internal. */
enum nat_verdict nat_inbound(struct nat *nat, struct nat_packet *packet, nanos now);

struct nat_counters nat_counters(const struct nat *nat);

/* For a box that has a real socket for each external endpoint: told when a mapping begins and when it ends. With
 * overloading several mappings may have one endpoint. Not for firewalls, and not to call the NAT back. */
struct nat_observer {
    void (*began)(void *user, uint8_t protocol, const struct address *external);
    void (*ended)(void *user, uint8_t protocol, const struct address *external);
    void *user;
};
/* Before the first packet. */
void nat_observe(struct nat *nat, const struct nat_observer *observer);

/* Nothing ends before then; NANOS_NEVER when there is nothing. */
nanos nat_deadline(const struct nat *nat);

/* Ends what has been idle too long at `now`, as the next packet would. */
void nat_expire(struct nat *nat, nanos now);

/* Why the last packet that got NAT_DROP was dropped. */
enum nat_drop nat_last_drop(const struct nat *nat);

struct nat_entry {
    struct address internal;
    struct address external;
    struct address remote; /* family ADDRESS_NONE for EI mappings, port 0 for AD ones */
    uint8_t protocol;
};

/* The mappings that exist at `now`, oldest first; returns how many there are, of which at most `cap` are stored. */
size_t nat_list(struct nat *nat, struct nat_entry *out, size_t cap, nanos now);

#endif
