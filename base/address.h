/* A transport address: an IPv4 or IPv6 address and a UDP or TCP port. Unused bytes are zero, so two are equal when
 * their bytes are, and one can be a hash key as it is. Where datagrams come by UDP and on TCP connections both (ICE-TCP),
 * `tcp` tells them apart; elsewhere it is 0. */
#ifndef CONFAB_BASE_ADDRESS_H
#define CONFAB_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum address_family {
    ADDRESS_NONE = 0,
    ADDRESS_IPV4 = 4,
    ADDRESS_IPV6 = 6,
};

struct address {
    uint8_t family; /* enum address_family */
    uint8_t tcp;    /* 1: the end of a TCP connection that carries datagrams */
    uint16_t port;  /* host order */
    uint8_t ip[16]; /* network order; IPv4 uses the first 4 */
};

/* Room for "[ipv6]:port" and its terminator. */
#define ADDRESS_TEXT_CAP 56

static inline struct address address_ipv4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct address){.family = ADDRESS_IPV4, .port = port, .ip = {a, b, c, d}};
}

static inline bool address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* The same address whatever the ports are. */
static inline bool address_same_ip(const struct address *a, const struct address *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static inline size_t address_ip_len(const struct address *a) { return a->family == ADDRESS_IPV6 ? 16 : 4; }

/* A well-mixed hash of address and port, for tables keyed by it. */
uint64_t address_hash(const struct address *a);

/* "192.0.2.1:3478" or "[2001:db8::1]:3478"; returns `text`. */
const char *address_format(const struct address *a, char text[ADDRESS_TEXT_CAP]);

/* The address alone, without brackets and port, as SDP and candidates write it; returns `text`. */
const char *address_format_ip(const struct address *a, char text[ADDRESS_TEXT_CAP]);

/* Reads an address literal (no names), "1.2.3.4", "1.2.3.4:5", "2001:db8::1" or "[2001:db8::1]:5"; without a port,
 * port is 0. False when the text is not one, `out` untouched. */
bool address_parse(struct address *out, const char *text);

/* What kind of place it is (RFC 6890 and its updates); an IPv4-mapped, 6to4 or NAT64 IPv6 address is judged by the
 * IPv4 address inside. */
enum address_scope {
    ADDRESS_GLOBAL,
    ADDRESS_UNSPECIFIED, /* 0.0.0.0/8, :: */
    ADDRESS_LOOPBACK,
    ADDRESS_LINK_LOCAL, /* 169.254/16, fe80::/10 */
    ADDRESS_PRIVATE,    /* 10/8, 172.16/12, 192.168/16, 100.64/10 (shared), fc00::/7 */
    ADDRESS_MULTICAST,
    ADDRESS_SPECIAL, /* broadcast, documentation, benchmarking, reserved */
};
enum address_scope address_scope(const struct address *a);

#endif
