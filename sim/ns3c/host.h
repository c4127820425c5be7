/* Hosts and their UDP sockets. */
#ifndef CONFAB_SIM_NS3C_HOST_H
#define CONFAB_SIM_NS3C_HOST_H

#include <string>

#include "sim/ns3c/attachment.h"
#include "sim/ns3c/capture.h"

extern "C" {
#include "base/rng.h"
}

namespace ns3c
{
class TcpStack;

enum { PORT_FIRST = 49152, PORT_COUNT = 65536 - PORT_FIRST, PORT_TRIES = 1000 };
} // namespace ns3c

struct alignas(64) ns3c_udp {
    ns3c_host *host;
    ns3c_attachment *attachment; /* that has the address */
    ns3c_address local;
    ns3c_udp_received received;
    void *context;
    ns3c_udp *previous; /* in the host's list */
    ns3c_udp *next;
};

struct ns3c_host {
    ns3c_host(ns3c_sim *sim, const char *name);
    ~ns3c_host();

    /* `attachment` has got one more address. */
    bool adopt_address(ns3c_attachment *attachment, const ns3c_address &address, ns3c_error *error);
    /* The attachment that has the address, NULL when none of this host's has. */
    ns3c_attachment *find(const ns3c_address &address) const
    {
        ns3c::AddressKey key = ns3c::key_of_ip(address);
        return (own_bits & bit_of(key)) != 0 ? own.find(key) : nullptr;
    }

    /* Sends a packet built in `packet`, its source one of the host's addresses. */
    void send(ns3c_attachment *attachment, ns3c::Packet *packet);
    void receive(ns3c::Packet *chain);
    /* It is about to receive something. */
    void expect() const
    {
        if (recent != nullptr)
            ns3c::fetch(recent, sizeof *recent);
    }

    ns3c_udp *open_udp(const ns3c_address &local, ns3c_udp_received received, void *context, ns3c_error *error);
    void close_udp(ns3c_udp *udp);
    void close_all();

    /* One of the ports that are picked from, taken or not. */
    uint16_t draw_port() { return static_cast<uint16_t>(ns3c::PORT_FIRST + rng_below(&ports, ns3c::PORT_COUNT)); }

    /* Its TCP, made when first asked for: most hosts never need it, and it is by far the largest part. */
    ns3c::TcpStack *tcp();

    ns3c_sim *sim;
    ns3c::Taps taps;

  private:
    ns3c::Packet *receive_udp(ns3c::Packet *first);
    void receive_tcp(ns3c::Packet *packet);
    static uint64_t bit_of(const ns3c::AddressKey &key)
    {
        return uint64_t{1} << ((key.high ^ key.low) * 0x9e3779b97f4a7c15u >> 58);
    }

    ns3c_udp *recent = nullptr; /* the socket that received last */
    uint64_t own_bits = 0;      /* tells at once of most addresses that they aren't its own: each packet asks */
    ns3c::AddressMap<ns3c_udp> sockets;
    ns3c::AddressMap<ns3c_attachment> own;

  public:
    std::string name;
    std::vector<ns3c_address> addresses;

  private:
    ns3c_udp *first_socket = nullptr;
    struct rng ports;
    /* What it sends to itself: joins events as on a link. */
    ns3c::Pipe loopback;
    std::unique_ptr<ns3c::TcpStack> tcp_;
};

#endif
