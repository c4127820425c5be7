/* A host's TCP: ns-3's sockets, on a node of its own. Their segments come to them from us and go from them to us directly:
 * ns-3's way there leads through its IP and through a list of all sockets, which with a thousand connections costs 40 us a
 * segment. */
#ifndef CONFAB_SIM_NS3C_TCP_H
#define CONFAB_SIM_NS3C_TCP_H

#include <deque>
#include <ns3/ipv4-route.h>
#include <ns3/ipv6-route.h>
#include <ns3/node.h>
#include <ns3/tcp-socket-base.h>
#include <ns3/virtual-net-device.h>
#include <unordered_map>

#include "sim/ns3c/host.h"

namespace ns3c
{

/* ns-3's socket, with a reset, which its own sends only when it is closed with data unread, and with two ways to crash
 * taken out. */
class Socket final : public ns3::TcpSocketBase
{
  public:
    static ns3::TypeId GetTypeId();
    Socket();
    Socket(const Socket &other);

    int Send(ns3::Ptr<ns3::Packet> data, uint32_t flags) override;
    int Close() override;
    void reset();
    /* A segment for it, IP header and all; the packet stays the caller's. */
    void deliver(const Packet *packet);

    /* It has no address any more: ns-3 has let go of it. */
    bool is_gone() const { return m_endPoint == nullptr && m_endPoint6 == nullptr; }
    /* Nothing of it is left but, perhaps, the wait for stragglers. */
    bool is_over() const { return m_state == CLOSED || m_state == TIME_WAIT; }
    /* The other side has sent its FIN, and everything before it has arrived. */
    bool is_peer_done() const { return m_state == CLOSE_WAIT; }
    /* Bytes given to it that the other side has not acknowledged. */
    size_t waiting() const;

  protected:
    ns3::Ptr<ns3::TcpSocketBase> Fork() override { return ns3::CopyObject<Socket>(this); }
    void CompleteFork(ns3::Ptr<ns3::Packet> packet, const ns3::TcpHeader &header, const ns3::Address &from,
                      const ns3::Address &to) override;
    void PersistTimeout() override;
    uint32_t SendDataPacket(ns3::SequenceNumber32 seq, uint32_t maxSize, bool withAck) override;
    void NewAck(const ns3::SequenceNumber32 &ack, bool resetRTO) override;
    uint32_t AvailableWindow() const override;

  private:
    uint32_t send_window() const;
    uint32_t cut(ns3::SequenceNumber32 seq, uint32_t max) const;

    /* In order: where what was given to Send ended, of what is not sent yet; and where the segments that are not
     * acknowledged ended when they were first sent. */
    std::deque<ns3::SequenceNumber32> message_ends_, segment_ends_;

  public:
    TcpStack *stack = nullptr;
};

/* A connection's two ends. */
struct FlowKey {
    AddressKey local;
    AddressKey remote;
    bool operator==(const FlowKey &other) const { return local == other.local && remote == other.remote; }
};
struct FlowHash {
    size_t operator()(const FlowKey &key) const
    {
        uint64_t h = (key.remote.high ^ key.local.high) * 0x9e3779b97f4a7c15u ^ key.remote.low * 0xc2b2ae3d27d4eb4fu;
        h ^= (key.local.low ^ uint64_t{key.remote.port} << 16 ^ key.local.port) * 0xbf58476d1ce4e5b9u;
        return h ^ h >> 29;
    }
};

class TcpStack
{
  public:
    explicit TcpStack(ns3c_host *host);
    ~TcpStack();
    TcpStack(const TcpStack &) = delete;
    TcpStack &operator=(const TcpStack &) = delete;

    void add_address(const ns3c_address &address);
    /* A TCP packet for one of the host's addresses; it stays the caller's. False when nobody wants it. */
    bool receive(Packet *packet);

    /* A socket bound to `local`, one of the host's addresses; port 0: any. NULL and `error` when the port is taken. */
    ns3::Ptr<Socket> make_socket(const ns3c_address &local, ns3c_error *error);

    /* Segments between these two are the socket's from now on, until it is gone. */
    void route(const ns3c_address &local, const ns3c_address &remote, Socket *socket);

    void own(ns3c_tcp *tcp);
    void disown(ns3c_tcp *tcp);
    void own(ns3c_tcp_listener *listener);
    void disown(ns3c_tcp_listener *listener);
    void stop_listening(ns3c_tcp_listener *listener);

    /* Whether what ns-3 is doing just now is to digest a RST: it doesn't tell its sockets' owners. */
    bool receiving_rst = false;

  private:
    void send(ns3::Ptr<ns3::Packet> segment, const ns3c_address &from, const ns3c_address &to);
    void send_ipv4(ns3::Ptr<ns3::Packet> segment, ns3::Ipv4Address from, ns3::Ipv4Address to, uint8_t protocol,
                   ns3::Ptr<ns3::Ipv4Route> route);
    void send_ipv6(ns3::Ptr<ns3::Packet> segment, ns3::Ipv6Address from, ns3::Ipv6Address to, uint8_t protocol,
                   ns3::Ptr<ns3::Ipv6Route> route);
    uint32_t segment_size(uint8_t family) const;

    ns3c_host *host_;
    ns3::Ptr<ns3::Node> node_;
    /* One for each address, because ns-3 chooses a connection's local address by the device it is bound to. Nothing goes
     * through them. */
    AddressMap<ns3::VirtualNetDevice> devices_;
    std::unordered_map<FlowKey, ns3::Ptr<Socket>, FlowHash> flows_;
    size_t sweep_at_ = 64; /* when there are so many flows, those that are gone are looked for */
    AddressMap<ns3c_tcp_listener> listening_;
    ns3c_tcp *connections_ = nullptr;
    ns3c_tcp_listener *listeners_ = nullptr;
};

} // namespace ns3c

/* A connection. After ns3c_tcp_close it lives on, unknown to its user, until ns-3 is done with it or its time is up. */
struct ns3c_tcp {
    ns3c_tcp(ns3c_host *host, ns3c::TcpStack *stack, ns3::Ptr<ns3c::Socket> socket);

    void learn_addresses();
    void close(bool by_reset);
    void remove();

    ns3c_host *host;
    ns3c::TcpStack *stack;
    ns3::Ptr<ns3c::Socket> socket;
    ns3c_address local{};
    ns3c_address remote{};
    ns3c_tcp_callbacks callbacks{};
    void *context = nullptr;
    bool connected = false;
    bool ended = false;
    bool broken = false; /* ended, and not by the other side's closing */
    bool closed = false; /* by its user */
    ns3c_timer *linger;  /* from then on; NULL when out of memory */
    ns3c_nanos linger_until = 0;
    size_t linger_waiting = 0;
    ns3c_tcp *previous = nullptr;
    ns3c_tcp *next = nullptr;

  private:
    void on_connected(ns3::Ptr<ns3::Socket> socket);
    void on_failed(ns3::Ptr<ns3::Socket> socket);
    void on_received(ns3::Ptr<ns3::Socket> socket);
    void on_drained(ns3::Ptr<ns3::Socket> socket, uint32_t room);
    void on_ended(ns3::Ptr<ns3::Socket> socket);
    void end(ns3c_tcp_end how);
};

struct ns3c_tcp_listener {
    ns3c_tcp_listener(ns3c_host *host, const ns3c_address &local, ns3::Ptr<ns3c::Socket> socket)
        : host(host), local(local), socket(socket)
    {
    }

    void watch();

    ns3c_host *host;
    ns3c_address local;
    ns3::Ptr<ns3c::Socket> socket;
    ns3c_tcp_accepted accepted = nullptr;
    void *context = nullptr;
    bool closed = false;
    ns3c_tcp_listener *previous = nullptr;
    ns3c_tcp_listener *next = nullptr;

  private:
    bool on_request(ns3::Ptr<ns3::Socket> socket, const ns3::Address &from);
    void on_accepted(ns3::Ptr<ns3::Socket> socket, const ns3::Address &from);
};

#endif
