/* A packet: its IP bytes in a pooled buffer, what a hook sees of them, and the ns-3 event by which it arrives somewhere.
 * It is made once, at the sending host, and travels without being copied; while it waits for its time it *is* the event in
 * ns-3's queue, so a hop allocates nothing. */
#ifndef CONFAB_SIM_NS3C_PACKET_H
#define CONFAB_SIM_NS3C_PACKET_H

#include <cstdint>
#include <ns3/event-impl.h>
#include <vector>

#include "sim/ns3c.h"

namespace ns3c
{

enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };
enum { IPV4_HEADER = 20, IPV6_HEADER = 40, UDP_HEADER = 8, TCP_HEADER = 20 };
enum { MTU_MAX = 1500 };
enum { TCP_RST = 4, TCP_SYN = 2, TCP_FIN = 1, TCP_ACK = 16 };

struct Pipe;

enum { LINE = 64 };

/* Has `len` bytes from `from` on brought into the cache: they will be needed soon. */
inline void fetch(const void *from, size_t len)
{
    for (size_t at = 0; at < len; at += LINE)
        __builtin_prefetch(static_cast<const char *>(from) + at);
}

/* What a packet does when its time comes. */
enum class Stage : uint8_t {
    ENTER_DOWN, /* it has crossed the core and is offered to the downlink of `where` */
    AT_PARENT,  /* it has come up the link of `where` */
    AT_CHILD,   /* it has come down the link of `where` */
    NOWHERE,    /* it has become another packet, due at another time, and is but an event that can't be taken back */
};

struct Packet final : ns3::EventImpl {
    ns3c_sim *sim;
    Packet *next = nullptr; /* the one behind it: in a chain that arrives as one event, or in the pool */
    Pipe *pipe = nullptr;   /* whose latest event this is, if it is one */
    ns3c_attachment *where = nullptr;
    Stage stage = Stage::AT_CHILD;
    bool small; /* which pool it is from */
    uint16_t ip_header_len = 0;
    ns3c_packet view; /* kept in step with the bytes */

    Packet(ns3c_sim *sim, bool small) : sim(sim), small(small), view() {}

    /* The bytes lie behind the object. */
    uint8_t *bytes() { return reinterpret_cast<uint8_t *>(this + 1); }
    const uint8_t *bytes() const { return reinterpret_cast<const uint8_t *>(this + 1); }

    /* The same packet in a buffer of its own, which this one stops being; NULL when out of memory. */
    Packet *move();

  protected:
    void Notify() override;
};

/* Buffers are of two sizes, so that a population that speaks audio does not pay for video. */
class PacketPool
{
  public:
    explicit PacketPool(ns3c_sim *sim) : sim_(sim) {}
    PacketPool(const PacketPool &) = delete;
    PacketPool &operator=(const PacketPool &) = delete;
    /* ns-3's queue must not hold any of them any more. */
    ~PacketPool();

    /* A packet of `len` bytes, at most MTU_MAX, IP header included; NULL when out of memory. */
    Packet *take(size_t len);
    void give(Packet *packet)
    {
        Packet *&free = free_[packet->small];
        packet->next = free;
        free = packet;
    }
    uint64_t count() const { return count_; }

  private:
    bool grow(bool small);

    ns3c_sim *sim_;
    Packet *free_[2] = {nullptr, nullptr};
    std::vector<uint8_t *> slabs_[2];
    uint64_t count_ = 0;
};

/* Builds a UDP datagram with correct checksums: `len` bytes of `data` from `src` to `dst`, of the same family. The buffer
 * must have been taken for udp_packet_len. */
size_t udp_packet_len(uint8_t family, size_t len);
void packet_build_udp(Packet *packet, const ns3c_address &src, const ns3c_address &dst, const uint8_t *data,
                      size_t len);

/* Puts an IP header before `len` bytes of `protocol` that are to follow it, at once or later. */
void packet_build_ip(Packet *packet, const ns3c_address &src, const ns3c_address &dst, uint8_t protocol, size_t len);
size_t ip_header_len(uint8_t family);

/* Whether the UDP or TCP checksum is right. */
bool packet_checksum_ok(const Packet &packet);

/* The answer to a TCP segment that nobody wants (RFC 9293, section 3.10.7.1): a RST, in a buffer of 60 bytes. False when
 * it is a RST itself. */
enum { RST_PACKET_LEN = IPV6_HEADER + TCP_HEADER };
bool packet_build_rst(Packet *rst, const Packet &segment);

/* Fills in the rest of a packet whose first `len` bytes are an IP packet from elsewhere. False when it is not one whose
 * headers can be read: then it must go no further. */
bool packet_parse(Packet *packet, size_t len);

/* Writes changed addresses and ports in `packet->view` into the bytes; `old_src` and `old_dst` are what they were. */
void packet_rewrite(Packet *packet, const ns3c_address &old_src, const ns3c_address &old_dst);

/* Takes the ACK flag off a TCP segment. */
void packet_clear_ack(Packet *packet);

/* One router further. False when it has come to its last. */
bool packet_decrement_ttl(Packet *packet);

} // namespace ns3c

#endif
