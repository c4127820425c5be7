#include "world/nat_presets.h"

#include <string.h>

#define EI NAT_ENDPOINT_INDEPENDENT
#define AD NAT_ADDRESS_DEPENDENT
#define APD NAT_ADDRESS_AND_PORT_DEPENDENT

/* The shortest that RFC 4787, REQ-5, allows, and Linux's for a flow with answers (nf_conntrack_udp_timeout_stream). */
#define TWO_MINUTES (120 * NANOS_PER_S)

/* A home router: EI mapping, APD filtering, ports preserved while they are free; no hairpinning, which 76 % of those
 * that Ford, Srisuresh and Kegel tested (USENIX ATC 2005, table 1) don't do. IPv6 behind its firewall. */
#define HOME                                                                                                           \
    {                                                                                                                  \
        .mapping = EI, .filtering = APD, .allocation = NAT_PRESERVE, .udp_timeout = TWO_MINUTES,                       \
        .refresh = NAT_REFRESH_BOTH, .ipv6_filtering = APD,                                                            \
    }

/* APD mapping with random ports: nobody can guess where its next packet comes from. */
#define SYMMETRIC                                                                                                      \
    .mapping = APD, .filtering = APD, .allocation = NAT_RANDOM, .udp_timeout = TWO_MINUTES, .ipv6_filtering = APD

/* The 27 types: no overloading, a hairpin as REQ-9 wants it, RFC timeouts. */
#define TYPE(type_name, m, f, a)                                                                                       \
    {                                                                                                                  \
        .name = (type_name), .source = "RFC 4787 sections 4 and 5; NATCracker (Roverso et al. 2009)", .count = 1,      \
        .nats = {                                                                                                      \
            {.mapping = (m),                                                                                           \
             .filtering = (f),                                                                                         \
             .allocation = (a),                                                                                        \
             .hairpin = NAT_HAIRPIN_EXTERNAL,                                                                          \
             .ipv6_filtering = (f)}                                                                                    \
        }                                                                                                              \
    }
#define TYPES(prefix, m, f)                                                                                            \
    TYPE(prefix "-preserve", m, f, NAT_PRESERVE), TYPE(prefix "-contiguous", m, f, NAT_CONTIGUOUS),                    \
        TYPE(prefix "-random", m, f, NAT_RANDOM)

static const struct nat_preset presets[] = {
    {.name = "open", .source = "public addresses, nothing in between"},
    {.name = "home",
     .source = "the usual home router (RFC 5128 section 3; Ford et al. 2005)",
     .count = 1,
     .nats = {HOME}},
    {.name = "symmetric",
     .source = "RFC 3489 section 5: each destination another mapping, and only it may answer",
     .count = 1,
     .nats = {{SYMMETRIC}}},
    {.name = "udp-blocked",
     .source = "no UDP: for 78 % of clients all TCP works, for 22 % TLS on 443 alone (callstats.io 2016: TURN/TCP 7, "
               "TURN/TLS 2 of 100 calls)",
     .alternatives = {{"udp-blocked-tcp", 0.78}, {"tls-only", 0.22}}},
    {.name = "udp-blocked-tcp",
     .source = "a home router in a network that drops UDP (RFC 8835 section 3.4: TURN over TCP is for those)",
     .count = 1,
     .nats = {{.mapping = EI, .filtering = APD, .udp_blocked = true, .ipv6_filtering = APD}}},
    {.name = "tls-only",
     .source = "a firewall that lets out TCP to port 443 and nothing else (the TURN/TLS share of callstats.io 2016)",
     .count = 1,
     .nats = {{SYMMETRIC, .udp_blocked = true, .tcp_allowed_ports = {443}}}},
    {.name = "corporate-443",
     .source = "an enterprise firewall: TCP to the web's ports only (RFC 8835 section 3.4)",
     .count = 1,
     .nats = {{SYMMETRIC, .udp_blocked = true, .tcp_allowed_ports = {443, 80}}}},
    {.name = "full-cone",
     .source = "RFC 3489 section 5",
     .count = 1,
     .nats = {{.mapping = EI, .filtering = EI, .ipv6_filtering = EI}}},
    {.name = "restricted-cone",
     .source = "RFC 3489 section 5",
     .count = 1,
     .nats = {{.mapping = EI, .filtering = AD, .ipv6_filtering = AD}}},
    {.name = "port-restricted",
     .source = "RFC 3489 section 5",
     .count = 1,
     .nats = {{.mapping = EI, .filtering = APD, .ipv6_filtering = APD}}},
    {.name = "rfc4787",
     .source = "RFC 4787 section 11 in full: every REQ, parity and hairpinning included",
     .count = 1,
     .nats = {{.mapping = EI,
               .filtering = AD,
               .allocation = NAT_PARITY,
               .hairpin = NAT_HAIRPIN_EXTERNAL,
               .ipv6_filtering = AD}}},
    {.name = "linux",
     .source = "Linux conntrack with MASQUERADE: overloaded ports; nf_conntrack-sysctl: UDP stream 120 s, SYN 120 s, "
               "established 5 days, FIN and TIME_WAIT 120 s",
     .count = 1,
     .nats = {{.mapping = APD,
               .filtering = APD,
               .allocation = NAT_PRESERVE,
               .overload = true,
               .refresh = NAT_REFRESH_BOTH,
               .ipv6_filtering = APD,
               .udp_timeout = TWO_MINUTES,
               .tcp_syn_timeout = TWO_MINUTES,
               .tcp_established_timeout = 432000 * NANOS_PER_S,
               .tcp_transitory_timeout = TWO_MINUTES}}},
    {.name = "cgn",
     .source = "a home router behind a carrier-grade NAT as RFC 6888 wants it: EI both ways, paired, a port block for "
               "each subscriber, hairpinning (RFC 6888 REQ-1, 2, 7, 14)",
     .count = 2,
     .nats = {HOME,
              {.mapping = EI,
               .filtering = EI,
               .allocation = NAT_BLOCK,
               .hairpin = NAT_HAIRPIN_EXTERNAL,
               .ipv6 = NAT_IPV6_OPEN}}},
    {.name = "cgn-symmetric",
     .source = "a home router behind a symmetric carrier-grade NAT (Richter et al., IMC 2016, section 6)",
     .count = 2,
     .nats = {HOME, {SYMMETRIC, .ipv6 = NAT_IPV6_OPEN}}},
    {.name = "mobile",
     .source = "a phone right behind its carrier's NAT: over 90 % of cellular networks have one (Richter et al., IMC "
               "2016); RFC 6888 behaviour with APD filtering (REQ-7b)",
     .count = 1,
     .nats = {{.mapping = EI, .filtering = APD, .allocation = NAT_BLOCK, .ipv6_filtering = APD}}},
    {.name = "firewall",
     .source = "public addresses behind a stateful firewall (RFC 3489 section 5: symmetric UDP firewall)",
     .count = 1,
     .nats = {{.translate_none = true, .filtering = APD, .ipv6_filtering = APD, .udp_timeout = TWO_MINUTES}}},
    {.name = "ipv6-firewall",
     .source = "a home router for IPv4; for IPv6 the simple security of RFC 6092 section 3.2.2: AD filtering",
     .count = 1,
     .nats = {{.mapping = EI, .filtering = APD, .ipv6_filtering = AD, .udp_timeout = TWO_MINUTES}}},
    TYPES("ei-ei", EI, EI),
    TYPES("ei-ad", EI, AD),
    TYPES("ei-apd", EI, APD),
    TYPES("ad-ei", AD, EI),
    TYPES("ad-ad", AD, AD),
    TYPES("ad-apd", AD, APD),
    TYPES("apd-ei", APD, EI),
    TYPES("apd-ad", APD, AD),
    TYPES("apd-apd", APD, APD),
};

enum { PRESETS = sizeof presets / sizeof presets[0] };

const struct nat_preset *nat_preset_at(size_t i) { return i < PRESETS ? &presets[i] : NULL; }

const struct nat_preset *nat_preset_find(const char *name)
{
    for (size_t i = 0; i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

const struct nat_preset *nat_preset_draw(const struct nat_preset *preset, struct rng *rng)
{
    if (preset->alternatives[0].name == NULL)
        return preset;
    double weights[NAT_ALTERNATIVES_MAX];
    for (size_t i = 0; i < NAT_ALTERNATIVES_MAX; i++)
        weights[i] = preset->alternatives[i].weight;
    return nat_preset_find(preset->alternatives[rng_weighted(rng, weights, NAT_ALTERNATIVES_MAX)].name);
}
