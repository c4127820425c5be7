#include "analyzers/packet.h"

#include <string.h>

#include "analyzers/fragments.h"
#include "base/bytes.h"

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define ETHERTYPE_QINQ 0x88a8
#define ETHERTYPE_QINQ_OLD 0x9100
#define ETHERTYPE_PPPOE_SESSION 0x8864

#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057

/* https://www.iana.org/assignments/protocol-numbers */
#define IP_HOP_BY_HOP 0
#define IP_ICMP 1
#define IP_IPV4 4
#define IP_IPV6 41
#define IP_ROUTING 43
#define IP_FRAGMENT 44
#define IP_AUTHENTICATION 51
#define IP_ICMPV6 58
#define IP_DESTINATION_OPTIONS 60
#define IP_MOBILITY 135

#define GTP_U_PORT 2152
#define TUNNEL_DEPTH_MAX 4
#define EXTENSION_HEADERS_MAX 8

struct decoding {
    struct fragments *fragments;
    uint32_t vantage;
    struct packet *packet;
    int depth;
};

const char *packet_skip_name(enum packet_skip skip)
{
    static const char *const names[PACKET_SKIP_REASONS] = {
        [PACKET_TAKEN] = "taken",   [PACKET_LINK_TYPE] = "link_type",
        [PACKET_NOT_IP] = "not_ip", [PACKET_NOT_UDP_TCP] = "not_udp_tcp",
        [PACKET_ICMP] = "icmp",     [PACKET_FRAGMENT] = "fragment",
        [PACKET_SHORT] = "short",   [PACKET_MALFORMED] = "malformed",
    };
    return names[skip];
}

static enum packet_skip decode_ip(struct decoding *decoding, const uint8_t *data, size_t captured, size_t len);

/* GTP-U (3GPP TS 29.281, section 5.1):
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-----+-+-+-+-+-+---------------+-------------------------------+
 *   | Ver |P|0|E|S|N| type 255      | length                        |
 *   +-----+-+-+-+-+-+---------------+-------------------------------+
 *   | tunnel endpoint identifier                                    |
 *   +-------------------------------+---------------+---------------+
 *   | sequence number, if E, S or N | N-PDU number  | next extension|
 *   +-------------------------------+---------------+---------------+
 *
 * Returns the offset of the inner packet, 0 when it is not GTP-U. */
static size_t gtp_inner(const uint8_t *data, size_t len)
{
    if (len < 9 || (data[0] & 0xf0) != 0x30 || data[1] != 255)
        return 0;
    size_t at = 8;
    if (data[0] & 0x07) {
        if (len < 12)
            return 0;
        uint8_t next = data[11];
        at = 12;
        while (next != 0) {
            if (at >= len || data[at] == 0 || (size_t)data[at] * 4 > len - at)
                return 0;
            size_t extension = (size_t)data[at] * 4;
            next = data[at + extension - 1];
            at += extension;
        }
    }
    if (at >= len)
        return 0;
    uint8_t version = data[at] >> 4;
    return version == 4 || version == 6 ? at : 0;
}

static enum packet_skip decode_udp(struct decoding *decoding, const uint8_t *data, size_t captured, size_t len)
{
    struct packet *packet = decoding->packet;
    if (captured < 8)
        return PACKET_SHORT;
    size_t udp_len = bytes_get16(data + 4);
    if (udp_len == 0) /* a jumbogram, or a sender whose hardware fills it in later */
        udp_len = len;
    if (udp_len < 8 || udp_len > len)
        return PACKET_MALFORMED;
    packet->source.port = bytes_get16(data);
    packet->destination.port = bytes_get16(data + 2);
    packet->protocol = PACKET_UDP;
    packet->data = data + 8;
    packet->len = udp_len - 8;
    packet->captured_len = captured - 8 < packet->len ? captured - 8 : packet->len;
    if (packet->destination.port == GTP_U_PORT && decoding->depth < TUNNEL_DEPTH_MAX) {
        size_t inner = gtp_inner(packet->data, packet->captured_len);
        if (inner > 0) {
            decoding->depth++;
            return decode_ip(decoding, packet->data + inner, packet->captured_len - inner, packet->len - inner);
        }
    }
    return PACKET_TAKEN;
}

static enum packet_skip decode_tcp(struct decoding *decoding, const uint8_t *data, size_t captured, size_t len)
{
    struct packet *packet = decoding->packet;
    if (captured < 20)
        return PACKET_SHORT;
    size_t header_len = (size_t)(data[12] >> 4) * 4;
    if (header_len < 20 || header_len > len)
        return PACKET_MALFORMED;
    if (header_len > captured)
        return PACKET_SHORT;
    packet->source.port = bytes_get16(data);
    packet->destination.port = bytes_get16(data + 2);
    packet->protocol = PACKET_TCP;
    packet->sequence = bytes_get32(data + 4);
    packet->fin = data[13] & 0x01;
    packet->syn = data[13] & 0x02;
    packet->rst = data[13] & 0x04;
    packet->data = data + header_len;
    packet->captured_len = captured - header_len;
    packet->len = len - header_len;
    return PACKET_TAKEN;
}

static enum packet_skip decode_transport(struct decoding *decoding, uint8_t protocol, const uint8_t *data,
                                         size_t captured, size_t len)
{
    switch (protocol) {
    case PACKET_UDP:
        return decode_udp(decoding, data, captured, len);
    case PACKET_TCP:
        return decode_tcp(decoding, data, captured, len);
    case IP_ICMP:
    case IP_ICMPV6:
        return PACKET_ICMP;
    case IP_IPV4:
    case IP_IPV6:
        if (decoding->depth >= TUNNEL_DEPTH_MAX)
            return PACKET_NOT_UDP_TCP;
        decoding->depth++;
        return decode_ip(decoding, data, captured, len);
    default:
        return PACKET_NOT_UDP_TCP;
    }
}

static enum packet_skip decode_fragment(struct decoding *decoding, const struct fragment *fragment, uint8_t protocol)
{
    size_t captured;
    size_t len;
    const uint8_t *whole = fragments_add(decoding->fragments, fragment, &captured, &len);
    return whole == NULL ? PACKET_FRAGMENT : decode_transport(decoding, protocol, whole, captured, len);
}

/* RFC 791, section 3.1 */
static enum packet_skip decode_ipv4(struct decoding *decoding, const uint8_t *data, size_t captured, size_t len)
{
    if (captured < 20)
        return PACKET_SHORT;
    size_t header_len = (size_t)(data[0] & 0x0f) * 4;
    size_t total_len = bytes_get16(data + 2);
    if (total_len == 0) /* segmentation offload: the length is filled in by the card */
        total_len = len;
    if (header_len < 20 || total_len < header_len || total_len > len)
        return PACKET_MALFORMED;
    if (header_len > captured)
        return PACKET_SHORT;
    struct packet *packet = decoding->packet;
    packet->source = (struct address){.family = ADDRESS_IPV4};
    packet->destination = (struct address){.family = ADDRESS_IPV4};
    memcpy(packet->source.ip, data + 12, 4);
    memcpy(packet->destination.ip, data + 16, 4);
    size_t payload_len = total_len - header_len;
    size_t payload_captured = (captured < total_len ? captured : total_len) - header_len;
    uint16_t flags_offset = bytes_get16(data + 6);
    bool more = flags_offset & 0x2000;
    size_t offset = (size_t)(flags_offset & 0x1fff) * 8;
    if (!more && offset == 0)
        return decode_transport(decoding, data[9], data + header_len, payload_captured, payload_len);
    struct fragment fragment = {
        .source = packet->source,
        .destination = packet->destination,
        .identification = bytes_get16(data + 4),
        .vantage = decoding->vantage,
        .protocol = data[9],
        .more = more,
        .offset = offset,
        .data = data + header_len,
        .captured_len = payload_captured,
        .len = payload_len,
    };
    return decode_fragment(decoding, &fragment, data[9]);
}

/* RFC 8200, sections 3 and 4 */
static enum packet_skip decode_ipv6(struct decoding *decoding, const uint8_t *data, size_t captured, size_t len)
{
    if (captured < 40)
        return PACKET_SHORT;
    struct packet *packet = decoding->packet;
    packet->source = (struct address){.family = ADDRESS_IPV6};
    packet->destination = (struct address){.family = ADDRESS_IPV6};
    memcpy(packet->source.ip, data + 8, 16);
    memcpy(packet->destination.ip, data + 24, 16);
    size_t left = bytes_get16(data + 4);
    if (left == 0)
        left = len - 40;
    if (left > len - 40)
        return PACKET_MALFORMED;
    size_t have = captured - 40 < left ? captured - 40 : left;
    const uint8_t *at = data + 40;
    uint8_t next = data[6];
    for (int headers = 0; headers < EXTENSION_HEADERS_MAX; headers++) {
        size_t header_len;
        if (next == IP_FRAGMENT) {
            if (have < 8)
                return PACKET_SHORT;
            struct fragment fragment = {
                .source = packet->source,
                .destination = packet->destination,
                .identification = bytes_get32(at + 4),
                .vantage = decoding->vantage,
                .protocol = at[0],
                .more = at[3] & 1,
                .offset = (size_t)(bytes_get16(at + 2) & 0xfff8u),
                .data = at + 8,
                .captured_len = have - 8,
                .len = left - 8,
            };
            if (!fragment.more && fragment.offset == 0) /* an atomic fragment, RFC 6946 */
                return decode_transport(decoding, at[0], at + 8, have - 8, left - 8);
            return decode_fragment(decoding, &fragment, at[0]);
        }
        if (next != IP_HOP_BY_HOP && next != IP_ROUTING && next != IP_DESTINATION_OPTIONS && next != IP_MOBILITY &&
            next != IP_AUTHENTICATION)
            return decode_transport(decoding, next, at, have, left);
        if (have < 2)
            return PACKET_SHORT;
        header_len = next == IP_AUTHENTICATION ? ((size_t)at[1] + 2) * 4 : ((size_t)at[1] + 1) * 8;
        if (header_len > left)
            return PACKET_MALFORMED;
        if (header_len > have)
            return PACKET_SHORT;
        next = at[0];
        at += header_len;
        have -= header_len;
        left -= header_len;
    }
    return PACKET_MALFORMED;
}

static enum packet_skip decode_ip(struct decoding *decoding, const uint8_t *data, size_t captured, size_t len)
{
    if (captured < 1)
        return PACKET_SHORT;
    switch (data[0] >> 4) {
    case 4:
        return decode_ipv4(decoding, data, captured, len);
    case 6:
        return decode_ipv6(decoding, data, captured, len);
    default:
        return PACKET_NOT_IP;
    }
}

/* The payload of an Ethernet frame or what names its payload in the same way, after any VLAN tags. */
static enum packet_skip decode_ethertype(struct decoding *decoding, uint16_t type, const uint8_t *data, size_t captured,
                                         size_t len)
{
    while (type == ETHERTYPE_VLAN || type == ETHERTYPE_QINQ || type == ETHERTYPE_QINQ_OLD) {
        if (captured < 4)
            return PACKET_SHORT;
        type = bytes_get16(data + 2);
        data += 4;
        captured -= 4;
        len -= 4;
    }
    if (type == ETHERTYPE_PPPOE_SESSION) { /* RFC 2516, section 4: version, code, session, length; then PPP */
        if (captured < 8)
            return PACKET_SHORT;
        uint16_t ppp = bytes_get16(data + 6);
        if (ppp != PPP_IPV4 && ppp != PPP_IPV6)
            return PACKET_NOT_IP;
        return decode_ip(decoding, data + 8, captured - 8, len - 8);
    }
    if (type != ETHERTYPE_IPV4 && type != ETHERTYPE_IPV6)
        return PACKET_NOT_IP;
    return decode_ip(decoding, data, captured, len);
}

static enum packet_skip decode_ppp(struct decoding *decoding, const uint8_t *data, size_t captured, size_t len)
{
    size_t at = captured >= 2 && data[0] == 0xff && data[1] == 0x03 ? 2 : 0; /* RFC 1662: address and control */
    if (captured < at + 2)
        return PACKET_SHORT;
    /* RFC 1661, section 2: an odd first byte is a protocol of one byte */
    bool compressed = data[at] & 1;
    uint16_t protocol = compressed ? data[at] : bytes_get16(data + at);
    at += compressed ? 1 : 2;
    if (protocol != PPP_IPV4 && protocol != PPP_IPV6)
        return PACKET_NOT_IP;
    return decode_ip(decoding, data + at, captured - at, len - at);
}

enum packet_skip packet_decode(const struct capture_packet *frame, uint32_t vantage, struct fragments *fragments,
                               struct packet *packet)
{
    struct decoding decoding = {.fragments = fragments, .vantage = vantage, .packet = packet};
    const uint8_t *data = frame->data;
    size_t captured = frame->captured_len;
    size_t len = frame->original_len;
    packet->time = frame->time;
    packet->device = 0;
    size_t header_len;
    switch (frame->link_type) {
    case LINK_ETHERNET:
        header_len = 14;
        break;
    case LINK_LINUX_COOKED:
        header_len = 16;
        break;
    case LINK_LINUX_COOKED_2:
        header_len = 20;
        break;
    case LINK_NULL:
    case LINK_LOOP: /* the address family differs from system to system; the IP version says the same */
        header_len = 4;
        break;
    case LINK_PPP:
    case LINK_PPP_HDLC:
        return decode_ppp(&decoding, data, captured, len);
    case LINK_RAW:
    case LINK_RAW_BSD:
    case LINK_RAW_OPENBSD:
    case LINK_IPV4:
    case LINK_IPV6:
        return decode_ip(&decoding, data, captured, len);
    default:
        return PACKET_LINK_TYPE;
    }
    if (captured < header_len)
        return PACKET_SHORT;
    const uint8_t *inner = data + header_len;
    size_t inner_captured = captured - header_len;
    size_t inner_len = len - header_len;
    if (frame->link_type == LINK_NULL || frame->link_type == LINK_LOOP)
        return decode_ip(&decoding, inner, inner_captured, inner_len);
    size_t type_at = frame->link_type == LINK_LINUX_COOKED_2 ? 0 : header_len - 2;
    if (frame->link_type == LINK_LINUX_COOKED_2)
        packet->device = bytes_get32(data + 4);
    return decode_ethertype(&decoding, bytes_get16(data + type_at), inner, inner_captured, inner_len);
}
