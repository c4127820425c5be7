#include "base/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

uint64_t address_hash(const struct address *a)
{
    uint64_t high;
    uint64_t low;
    uint32_t head;
    memcpy(&head, a, sizeof head);
    memcpy(&high, a->ip, sizeof high);
    memcpy(&low, a->ip + 8, sizeof low);
    uint64_t h = high * 0x9e3779b97f4a7c15u ^ (low + head) * 0xc2b2ae3d27d4eb4fu;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u;
    return h ^ (h >> 32);
}

const char *address_format_ip(const struct address *a, char text[ADDRESS_TEXT_CAP])
{
    int family = a->family == ADDRESS_IPV6 ? AF_INET6 : AF_INET;
    if (a->family == ADDRESS_NONE || inet_ntop(family, a->ip, text, ADDRESS_TEXT_CAP) == NULL)
        snprintf(text, ADDRESS_TEXT_CAP, "none");
    return text;
}

const char *address_format(const struct address *a, char text[ADDRESS_TEXT_CAP])
{
    char ip[ADDRESS_TEXT_CAP];
    address_format_ip(a, ip);
    snprintf(text, ADDRESS_TEXT_CAP, a->family == ADDRESS_IPV6 ? "[%.45s]:%u" : "%.45s:%u", ip, a->port);
    return text;
}

static bool parse_port(const char *text, uint16_t *port)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || value > UINT16_MAX)
        return false;
    *port = (uint16_t)value;
    return true;
}

bool address_parse(struct address *out, const char *text)
{
    struct address parsed = {0};
    char ip[ADDRESS_TEXT_CAP];
    const char *port = NULL;
    size_t len = strlen(text);
    if (len >= sizeof ip)
        return false;
    memcpy(ip, text, len + 1);
    if (ip[0] == '[') {
        char *close = strchr(ip, ']');
        if (close == NULL || (close[1] != '\0' && close[1] != ':'))
            return false;
        port = close[1] == ':' ? close + 2 : NULL;
        *close = '\0';
        memmove(ip, ip + 1, (size_t)(close - ip));
        parsed.family = ADDRESS_IPV6;
    } else {
        char *colon = strchr(ip, ':');
        if (colon != NULL && strchr(colon + 1, ':') != NULL) {
            parsed.family = ADDRESS_IPV6;
        } else {
            parsed.family = ADDRESS_IPV4;
            if (colon != NULL) {
                *colon = '\0';
                port = colon + 1;
            }
        }
    }
    if (port != NULL && !parse_port(port, &parsed.port))
        return false;
    if (inet_pton(parsed.family == ADDRESS_IPV6 ? AF_INET6 : AF_INET, ip, parsed.ip) != 1)
        return false;
    *out = parsed;
    return true;
}

static enum address_scope scope_ipv4(const uint8_t *ip)
{
    if (ip[0] == 0)
        return ADDRESS_UNSPECIFIED;
    if (ip[0] == 127)
        return ADDRESS_LOOPBACK;
    if (ip[0] == 169 && ip[1] == 254)
        return ADDRESS_LINK_LOCAL;
    if (ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) || (ip[0] == 192 && ip[1] == 168) ||
        (ip[0] == 100 && (ip[1] & 0xc0) == 64))
        return ADDRESS_PRIVATE;
    if ((ip[0] & 0xf0) == 224)
        return ADDRESS_MULTICAST;
    bool documentation = (ip[0] == 192 && ip[1] == 0 && ip[2] == 2) || (ip[0] == 198 && ip[1] == 51 && ip[2] == 100) ||
                         (ip[0] == 203 && ip[1] == 0 && ip[2] == 113);
    bool protocol = ip[0] == 192 && ip[1] == 0 && ip[2] == 0;
    bool benchmarking = ip[0] == 198 && (ip[1] & 0xfe) == 18;
    bool relay_anycast = ip[0] == 192 && ip[1] == 88 && ip[2] == 99;
    if (ip[0] >= 240 || documentation || protocol || benchmarking || relay_anycast)
        return ADDRESS_SPECIAL;
    return ADDRESS_GLOBAL;
}

static enum address_scope scope_ipv6(const uint8_t *ip)
{
    static const uint8_t zeros[16];
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
    if (memcmp(ip, zeros, 16) == 0)
        return ADDRESS_UNSPECIFIED;
    if (memcmp(ip, zeros, 15) == 0 && ip[15] == 1)
        return ADDRESS_LOOPBACK;
    if (memcmp(ip, mapped, 12) == 0 || memcmp(ip, nat64, 12) == 0 || memcmp(ip, zeros, 12) == 0)
        return scope_ipv4(ip + 12);
    if (ip[0] == 0x20 && ip[1] == 0x02)
        return scope_ipv4(ip + 2);
    if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80)
        return ADDRESS_LINK_LOCAL;
    if ((ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0xc0))
        return ADDRESS_PRIVATE;
    if (ip[0] == 0xff)
        return ADDRESS_MULTICAST;
    bool documentation = ip[0] == 0x20 && ip[1] == 0x01 && ip[2] == 0x0d && ip[3] == 0xb8;
    bool local_nat64 = ip[0] == 0x00 && ip[1] == 0x64 && ip[2] == 0xff && ip[3] == 0x9b;
    bool discard = ip[0] == 0x01 && memcmp(ip + 1, zeros, 7) == 0;
    bool teredo_and_protocols = ip[0] == 0x20 && ip[1] == 0x01 && (ip[2] & 0xfe) == 0;
    if (documentation || local_nat64 || discard || teredo_and_protocols)
        return ADDRESS_SPECIAL;
    return ADDRESS_GLOBAL;
}

enum address_scope address_scope(const struct address *a)
{
    if (a->family == ADDRESS_IPV4)
        return scope_ipv4(a->ip);
    if (a->family == ADDRESS_IPV6)
        return scope_ipv6(a->ip);
    return ADDRESS_UNSPECIFIED;
}
