#include "sim/ns3c/packet.h"

#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/mman.h>

#include "sim/ns3c/simulation.h"

extern "C" {
#include "base/bytes.h"
}

namespace ns3c
{

/* --- the pool ---------------------------------------------------------------------------------------------------- */

enum { SMALL = 320, SLAB_BYTES = 2 << 20 };

static size_t stride(bool small) { return sizeof(Packet) + (small ? size_t{SMALL} : size_t{MTU_MAX + 4}); }
static_assert(sizeof(Packet) % 8 == 0 && SMALL % 8 == 0 && (MTU_MAX + 4) % 8 == 0, "packets in a slab must be aligned");

bool PacketPool::grow(bool small)
{
    /* A huge page at a time, if the system has them: packets in flight are the largest part of a simulation by far. */
    auto *slab = static_cast<uint8_t *>(aligned_alloc(SLAB_BYTES, SLAB_BYTES));
    if (slab == nullptr)
        return false;
    madvise(slab, SLAB_BYTES, MADV_HUGEPAGE);
    slabs_[small].push_back(slab);
    size_t count = SLAB_BYTES / stride(small);
    for (size_t i = count; i-- > 0;)
        give(new (slab + i * stride(small)) Packet(sim_, small));
    count_ += count;
    return true;
}

Packet *PacketPool::take(size_t len)
{
    bool small = len <= SMALL;
    if (free_[small] == nullptr && !grow(small))
        return nullptr;
    Packet *packet = free_[small];
    free_[small] = packet->next;
    packet->next = nullptr;
    fetch(free_[small], LINE);
    return packet;
}

PacketPool::~PacketPool()
{
    for (bool small : {false, true})
        for (uint8_t *slab : slabs_[small]) {
            for (size_t i = 0; i < SLAB_BYTES / stride(small); i++)
                reinterpret_cast<Packet *>(slab + i * stride(small))->~Packet();
            free(slab);
        }
}

Packet *Packet::move()
{
    Packet *copy = sim->packets.take(view.len);
    if (copy == nullptr)
        return nullptr;
    std::memcpy(copy->bytes(), bytes(), view.len);
    copy->ip_header_len = ip_header_len;
    copy->view = view;
    copy->view.payload = copy->bytes() + (view.payload - bytes());
    copy->where = where;
    copy->stage = stage;
    stage = Stage::NOWHERE;
    return copy;
}

/* --- checksums (RFC 1071, RFC 1624) ---------------------------------------------------------------------------------
 * Sums are of 16-bit words as the machine reads them: one's complement addition does not mind the byte order, as long as
 * the result is stored the way the words were read. */

static uint64_t sum_bytes(const uint8_t *data, size_t len, uint64_t sum)
{
    uint64_t high = 0;
    for (; len >= 8; data += 8, len -= 8) {
        uint64_t word;
        std::memcpy(&word, data, sizeof word);
        sum += word & 0xffffffff;
        high += word >> 32;
    }
    uint64_t word = 0;
    std::memcpy(&word, data, len);
    sum += (word & 0xffffffff) + (word >> 32) + (high & 0xffffffff) + (high >> 32);
    return sum;
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    auto half = static_cast<uint32_t>((sum & 0xffff) + (sum >> 16));
    half = (half & 0xffff) + (half >> 16);
    return static_cast<uint16_t>((half & 0xffff) + (half >> 16));
}

static uint16_t read16(const uint8_t *at)
{
    uint16_t v;
    std::memcpy(&v, at, sizeof v);
    return v;
}

static void write16(uint8_t *at, uint16_t v) { std::memcpy(at, &v, sizeof v); }

static uint16_t swapped(uint16_t v) { return static_cast<uint16_t>(v << 8 | v >> 8); }

/* RFC 1624, equation 3, for `len` bytes that changed; `field` is where the checksum is. */
static void update_checksum(uint8_t *field, const uint8_t *old, const uint8_t *now, size_t len)
{
    uint64_t sum = static_cast<uint16_t>(~read16(field));
    sum += static_cast<uint16_t>(~fold(sum_bytes(old, len, 0)));
    sum += fold(sum_bytes(now, len, 0));
    write16(field, static_cast<uint16_t>(~fold(sum)));
}

/* --- headers ------------------------------------------------------------------------------------------------------- */

static size_t ip_len(uint8_t family) { return family == 6 ? 16 : 4; }
size_t ip_header_len(uint8_t family) { return family == 6 ? IPV6_HEADER : IPV4_HEADER; }

size_t udp_packet_len(uint8_t family, size_t len) { return ip_header_len(family) + UDP_HEADER + len; }

/*  IPv4 (RFC 791)                                            IPv6 (RFC 8200)
 *  0        1        2        3                              0        1        2        3
 *  +--------+--------+--------+--------+                     +--------+--------+--------+--------+
 *  |4 | IHL | TOS    | total length    |                     |6 | class  | flow label            |
 *  | identification  | flags, fragment |                     | payload length  | next   | hops   |
 *  | TTL    | proto  | header checksum |                     | source address, 16 bytes          |
 *  | source address                    |                     | destination address, 16 bytes     |
 *  | destination address               |                     +--------+--------+--------+--------+
 *  +--------+--------+--------+--------+
 *  Datagrams are atomic: "don't fragment" is set, and the identification is 0 (RFC 6864). */
void packet_build_ip(Packet *packet, const ns3c_address &src, const ns3c_address &dst, uint8_t protocol, size_t len)
{
    uint8_t *p = packet->bytes();
    size_t header_len = ip_header_len(src.family);
    packet->ip_header_len = static_cast<uint16_t>(header_len);
    packet->view.src = src;
    packet->view.dst = dst;
    packet->view.protocol = protocol;
    packet->view.tcp_flags = 0;
    packet->view.len = static_cast<uint16_t>(header_len + len);
    if (src.family == 4) {
        static const uint8_t start[10] = {0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 0};
        std::memcpy(p, start, sizeof start);
        bytes_put16(p + 2, packet->view.len);
        p[9] = protocol;
        write16(p + 10, 0);
        std::memcpy(p + 12, src.ip, 4);
        std::memcpy(p + 16, dst.ip, 4);
        write16(p + 10, static_cast<uint16_t>(~fold(sum_bytes(p, IPV4_HEADER, 0))));
    } else {
        bytes_put32(p, 0x60000000);
        bytes_put16(p + 4, static_cast<uint16_t>(len));
        p[6] = protocol;
        p[7] = 64;
        std::memcpy(p + 8, src.ip, 16);
        std::memcpy(p + 24, dst.ip, 16);
    }
}

/* Of the pseudo-header (RFC 9293, section 3.1; RFC 8200, section 8.1) and the `len` bytes behind the IP header. */
static uint16_t transport_checksum(const Packet &packet, size_t len)
{
    const ns3c_packet &view = packet.view;
    uint64_t sum = swapped(static_cast<uint16_t>(len)) + swapped(view.protocol);
    sum = sum_bytes(view.src.ip, ip_len(view.src.family), sum);
    sum = sum_bytes(view.dst.ip, ip_len(view.dst.family), sum);
    return static_cast<uint16_t>(~fold(sum_bytes(packet.bytes() + packet.ip_header_len, len, sum)));
}

bool packet_checksum_ok(const Packet &packet)
{
    return transport_checksum(packet, size_t{packet.view.len} - packet.ip_header_len) == 0;
}

void packet_build_udp(Packet *packet, const ns3c_address &src, const ns3c_address &dst, const uint8_t *data, size_t len)
{
    packet_build_ip(packet, src, dst, PROTOCOL_UDP, UDP_HEADER + len);
    uint8_t *udp = packet->bytes() + packet->ip_header_len;
    bytes_put16(udp, src.port);
    bytes_put16(udp + 2, dst.port);
    bytes_put16(udp + 4, static_cast<uint16_t>(UDP_HEADER + len));
    write16(udp + 6, 0);
    if (len > 0)
        std::memcpy(udp + UDP_HEADER, data, len);
    packet->view.payload = udp + UDP_HEADER;
    packet->view.payload_len = len;
    uint16_t checksum = transport_checksum(*packet, UDP_HEADER + len);
    write16(udp + 6, checksum != 0 ? checksum : 0xffff);
}

bool packet_build_rst(Packet *rst, const Packet &segment)
{
    const uint8_t *from = segment.bytes() + segment.ip_header_len;
    uint8_t flags = segment.view.tcp_flags;
    if ((flags & TCP_RST) != 0)
        return false;
    packet_build_ip(rst, segment.view.dst, segment.view.src, PROTOCOL_TCP, TCP_HEADER);
    uint8_t *tcp = rst->bytes() + rst->ip_header_len;
    std::memset(tcp, 0, TCP_HEADER);
    bytes_put16(tcp, rst->view.src.port);
    bytes_put16(tcp + 2, rst->view.dst.port);
    tcp[12] = TCP_HEADER / 4 << 4;
    if ((flags & TCP_ACK) != 0) {
        std::memcpy(tcp + 4, from + 8, 4);
        tcp[13] = TCP_RST;
    } else {
        uint32_t taken = static_cast<uint32_t>(segment.view.payload_len) + ((flags & TCP_SYN) != 0 ? 1 : 0) +
                         ((flags & TCP_FIN) != 0 ? 1 : 0);
        bytes_put32(tcp + 8, bytes_get32(from + 4) + taken);
        tcp[13] = TCP_RST | TCP_ACK;
    }
    rst->view.tcp_flags = tcp[13];
    rst->view.payload = tcp + TCP_HEADER;
    rst->view.payload_len = 0;
    write16(tcp + 16, transport_checksum(*rst, TCP_HEADER));
    return true;
}

bool packet_parse(Packet *packet, size_t len)
{
    uint8_t *p = packet->bytes();
    ns3c_packet &view = packet->view;
    view = ns3c_packet{};
    size_t header_len;
    if (len >= IPV4_HEADER && p[0] >> 4 == 4) {
        header_len = size_t{4} * (p[0] & 15);
        if (header_len < IPV4_HEADER || header_len > len || bytes_get16(p + 2) != len)
            return false;
        view.src.family = view.dst.family = 4;
        view.protocol = p[9];
        std::memcpy(view.src.ip, p + 12, 4);
        std::memcpy(view.dst.ip, p + 16, 4);
    } else if (len >= IPV6_HEADER && p[0] >> 4 == 6) {
        header_len = IPV6_HEADER;
        if (bytes_get16(p + 4) + header_len != len)
            return false;
        view.src.family = view.dst.family = 6;
        view.protocol = p[6];
        std::memcpy(view.src.ip, p + 8, 16);
        std::memcpy(view.dst.ip, p + 24, 16);
    } else {
        return false;
    }
    const uint8_t *transport = p + header_len;
    size_t left = len - header_len;
    size_t transport_len = 0;
    if (view.protocol == PROTOCOL_TCP)
        transport_len = left >= TCP_HEADER ? size_t{4} * (transport[12] >> 4) : SIZE_MAX;
    else if (view.protocol == PROTOCOL_UDP)
        transport_len = UDP_HEADER;
    if (transport_len > left)
        return false;
    if (transport_len > 0) {
        view.src.port = bytes_get16(transport);
        view.dst.port = bytes_get16(transport + 2);
    }
    if (view.protocol == PROTOCOL_TCP)
        view.tcp_flags = transport[13] & 0x3f;
    packet->ip_header_len = static_cast<uint16_t>(header_len);
    view.len = static_cast<uint16_t>(len);
    view.payload = transport + transport_len;
    view.payload_len = left - transport_len;
    return true;
}

/* What a checksum over the pseudo-header covers of the two addresses and ports. */
static size_t covered(uint8_t out[36], const ns3c_address &src, const ns3c_address &dst)
{
    size_t len = ip_len(src.family);
    std::memcpy(out, src.ip, len);
    std::memcpy(out + len, dst.ip, len);
    bytes_put16(out + 2 * len, src.port);
    bytes_put16(out + 2 * len + 2, dst.port);
    return 2 * len + 4;
}

void packet_rewrite(Packet *packet, const ns3c_address &old_src, const ns3c_address &old_dst)
{
    uint8_t *p = packet->bytes();
    const ns3c_packet &view = packet->view;
    uint8_t old[36];
    uint8_t now[36];
    size_t len = covered(old, old_src, old_dst);
    covered(now, view.src, view.dst);
    size_t addresses = len - 4;
    if (view.src.family == 4)
        update_checksum(p + 10, old, now, addresses);
    std::memcpy(p + (view.src.family == 4 ? 12 : 8), now, addresses);
    if (view.protocol != PROTOCOL_UDP && view.protocol != PROTOCOL_TCP)
        return;
    uint8_t *transport = p + packet->ip_header_len;
    std::memcpy(transport, now + addresses, 4);
    if (view.protocol == PROTOCOL_TCP) {
        update_checksum(transport + 16, old, now, len);
    } else if (read16(transport + 6) != 0) {
        update_checksum(transport + 6, old, now, len);
        if (read16(transport + 6) == 0)
            write16(transport + 6, 0xffff);
    }
}

void packet_clear_ack(Packet *packet)
{
    uint8_t *tcp = packet->bytes() + packet->ip_header_len;
    uint8_t old[2] = {tcp[12], tcp[13]};
    tcp[13] &= static_cast<uint8_t>(~TCP_ACK);
    packet->view.tcp_flags &= static_cast<uint8_t>(~TCP_ACK);
    update_checksum(tcp + 16, old, tcp + 12, 2);
}

bool packet_decrement_ttl(Packet *packet)
{
    uint8_t *p = packet->bytes();
    uint8_t *ttl = p + (p[0] >> 4 == 4 ? 8 : 7);
    if (*ttl <= 1)
        return false;
    if (ttl == p + 8) {
        uint8_t old[2] = {p[8], p[9]};
        uint8_t now[2] = {static_cast<uint8_t>(p[8] - 1), p[9]};
        update_checksum(p + 10, old, now, 2);
    }
    --*ttl;
    return true;
}

} // namespace ns3c
