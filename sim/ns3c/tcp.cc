#include "sim/ns3c/tcp.h"

#include <algorithm>
#include <cstring>
#include <ns3/boolean.h>
#include <ns3/double.h>
#include <ns3/icmpv6-l4-protocol.h>
#include <ns3/inet-socket-address.h>
#include <ns3/inet6-socket-address.h>
#include <ns3/internet-stack-helper.h>
#include <ns3/ipv4-interface.h>
#include <ns3/ipv4-static-routing-helper.h>
#include <ns3/ipv4-static-routing.h>
#include <ns3/ipv6-interface.h>
#include <ns3/ipv6-static-routing-helper.h>
#include <ns3/ipv6-static-routing.h>
#include <ns3/mac48-address.h>
#include <ns3/node-container.h>
#include <ns3/rtt-estimator.h>
#include <ns3/simulator.h>
#include <ns3/tcp-cubic.h>
#include <ns3/tcp-l4-protocol.h>
#include <ns3/tcp-tx-buffer.h>

#include "sim/ns3c/tcp_recovery.h"

using namespace ns3c;
using ns3::Ptr;

/* As Linux has them, where ns-3's own values are from older days. */
static const ns3c_nanos SYN_TIMEOUT = NANOS_PER_S; /* RFC 6298, section 2.1 */
static const ns3c_nanos RTO_MIN = 200 * NANOS_PER_MS;
static const ns3c_nanos DELAYED_ACK = 40 * NANOS_PER_MS;
static const double SEGMENT_LIFETIME_S = 30; /* half of TIME_WAIT */
enum { RETRIES = 15 };                       /* of data, each after twice as long */
enum { RECEIVE_BUFFER = 6 * 1024 * 1024 };
/* What the other side can't take yet waits in ns-3's buffer, so that must be large; it is no more than a limit. */
enum { SEND_BUFFER = 1 << 30 };
/* IP and TCP headers with all options; ns-3 counts options on top of its segment size. */
enum { HEADERS_IPV4 = 20 + 60, HEADERS_IPV6 = 40 + 60 };
/* How long a closed connection may go without progress before it is reset, and how often that is looked at. */
static const ns3c_nanos LINGER = 60 * NANOS_PER_S;
static const ns3c_nanos LINGER_STEP = NANOS_PER_S;

/* --- addresses ------------------------------------------------------------------------------------------------------- */

static ns3::Address to_ns3(const ns3c_address &address)
{
    if (address.family == 6)
        return ns3::Inet6SocketAddress(ns3::Ipv6Address::Deserialize(address.ip), address.port);
    return ns3::InetSocketAddress(ns3::Ipv4Address::Deserialize(address.ip), address.port);
}

static ns3c_address from_ns3(const ns3::Address &from)
{
    ns3c_address address{};
    if (ns3::InetSocketAddress::IsMatchingType(from)) {
        ns3::InetSocketAddress ipv4 = ns3::InetSocketAddress::ConvertFrom(from);
        address.family = 4;
        address.port = ipv4.GetPort();
        ipv4.GetIpv4().Serialize(address.ip);
    } else if (ns3::Inet6SocketAddress::IsMatchingType(from)) {
        ns3::Inet6SocketAddress ipv6 = ns3::Inet6SocketAddress::ConvertFrom(from);
        address.family = 6;
        address.port = ipv6.GetPort();
        ipv6.GetIpv6().Serialize(address.ip);
    }
    return address;
}

/* --- ns-3's socket ----------------------------------------------------------------------------------------------------- */

ns3::TypeId Socket::GetTypeId()
{
    static const ns3::TypeId type =
        ns3::TypeId("ns3c::Socket").SetParent<ns3::TcpSocketBase>().AddConstructor<Socket>();
    return type;
}

Socket::Socket() { m_txBuffer->SetRWndCallback(ns3::MakeCallback(&Socket::send_window, this)); }

Socket::Socket(const Socket &other) : TcpSocketBase(other), stack(other.stack)
{
    m_txBuffer->SetRWndCallback(ns3::MakeCallback(&Socket::send_window, this));
}

/* With the other side's window exactly full, ns-3 3.37 sends a segment of no bytes and crashes on it (its issue 991). */
uint32_t Socket::send_window() const
{
    uint32_t window = m_rWnd.Get();
    auto sent = static_cast<uint32_t>(m_tcb->m_highTxMark.Get() - m_txBuffer->HeadSequence());
    return window > 0 && window == sent ? window - 1 : window;
}

/* The probe of a closed window sends the next byte, and ns-3 does not ask whether there is one. */
void Socket::PersistTimeout()
{
    if (m_txBuffer->SizeFromSequence(m_tcb->m_nextTxSequence) > 0)
        TcpSocketBase::PersistTimeout();
    else
        m_persistEvent = ns3::Simulator::Schedule(m_persistTimeout, [this] { PersistTimeout(); });
}

int Socket::Send(Ptr<ns3::Packet> data, uint32_t flags)
{
    ns3::SequenceNumber32 end = m_txBuffer->TailSequence() + data->GetSize();
    int sent = TcpSocketBase::Send(data, flags);
    if (sent > 0)
        message_ends_.push_back(end);
    return sent;
}

/* For ns-3, bytes that came before their turn are unread as well, though nobody could have read them: it would reset the
 * connection, and what is still on its way to the other side would be lost. */
int Socket::Close()
{
    if (m_tcb->m_rxBuffer->Size() == 0 || m_tcb->m_rxBuffer->Available() > 0)
        return TcpSocketBase::Close();
    m_closeOnEmpty = m_txBuffer->SizeFromSequence(m_tcb->m_nextTxSequence) > 0;
    return m_closeOnEmpty ? 0 : DoClose();
}

/* Each acknowledgement of something new restarts the timer (RFC 6298, section 5.3). ns-3 has only the first one in a
 * recovery do so. */
void Socket::NewAck(const ns3::SequenceNumber32 &ack, bool) { TcpSocketBase::NewAck(ack, true); }

/* Whoever reads a capture message by message, as tshark does, finds messages malformed when what was sent twice was cut
 * differently, or when what overtook a lost segment begins within a message. So a segment has whole messages, if they fit,
 * as Linux has it with MSG_EOR, and what is sent again is cut where it was, as Linux does; ns-3 joins a segment with the
 * beginning of the next. How much of `max` bytes from `seq` on the next segment takes. */
uint32_t Socket::cut(ns3::SequenceNumber32 seq, uint32_t max) const
{
    if (!segment_ends_.empty() && seq < segment_ends_.back())
        return std::min(
            max, static_cast<uint32_t>(*std::upper_bound(segment_ends_.begin(), segment_ends_.end(), seq) - seq));
    auto beyond = std::upper_bound(message_ends_.begin(), message_ends_.end(), seq + max);
    return beyond != message_ends_.begin() && *std::prev(beyond) > seq ? static_cast<uint32_t>(*std::prev(beyond) - seq)
                                                                       : max;
}

uint32_t Socket::SendDataPacket(ns3::SequenceNumber32 seq, uint32_t maxSize, bool withAck)
{
    while (!segment_ends_.empty() && segment_ends_.front() <= m_txBuffer->HeadSequence())
        segment_ends_.pop_front();
    /* Whenever a recovery has moved on by a segment, ns-3 sends the next one, though it may be on its way already. */
    if (m_tcb->m_congState == ns3::TcpSocketState::CA_RECOVERY && seq == m_txBuffer->HeadSequence() &&
        m_txBuffer->IsHeadRetransmitted())
        return cut(seq, maxSize);
    uint32_t sent = TcpSocketBase::SendDataPacket(seq, cut(seq, maxSize), withAck);
    if (sent > 0 && (segment_ends_.empty() || segment_ends_.back() < seq + sent))
        segment_ends_.push_back(seq + sent);
    while (!message_ends_.empty() && message_ends_.front() <= seq + sent)
        message_ends_.pop_front();
    return sent;
}

/* ns-3 sends nothing more into less than a whole segment's room, but what is next may be smaller: after a time-out, when
 * there is room for one segment alone, a voice's few bytes would go out once in a round trip. And with nothing lost or new
 * to send, it would send again what is on its way. */
uint32_t Socket::AvailableWindow() const
{
    const uint32_t room = TcpSocketBase::AvailableWindow();
    const uint32_t segment = m_tcb->m_segmentSize;
    const bool recovers = m_tcb->m_congState == ns3::TcpSocketState::CA_RECOVERY;
    ns3::SequenceNumber32 next, end;
    if (room == 0 || (room >= segment && !recovers))
        return room;
    if (!m_txBuffer->NextSeg(&next, &end, false))
        return 0;
    bool fits = cut(next, std::min(segment, m_txBuffer->SizeFromSequence(next))) <= room;
    return fits ? std::max(room, segment) : room;
}

void Socket::CompleteFork(Ptr<ns3::Packet> packet, const ns3::TcpHeader &header, const ns3::Address &from,
                          const ns3::Address &to)
{
    TcpSocketBase::CompleteFork(packet, header, from, to);
    stack->route(from_ns3(to), from_ns3(from), this);
}

void Socket::deliver(const Packet *packet)
{
    const uint8_t *tcp = packet->bytes() + packet->ip_header_len;
    Ptr<ns3::Packet> segment =
        ns3::Create<ns3::Packet>(tcp, static_cast<uint32_t>(packet->view.len - packet->ip_header_len));
    if (m_endPoint != nullptr) {
        ns3::Ipv4Header header;
        header.SetSource(ns3::Ipv4Address::Deserialize(packet->view.src.ip));
        header.SetDestination(ns3::Ipv4Address::Deserialize(packet->view.dst.ip));
        ForwardUp(segment, header, packet->view.src.port, nullptr);
    } else if (m_endPoint6 != nullptr) {
        ns3::Ipv6Header header;
        header.SetSource(ns3::Ipv6Address::Deserialize(packet->view.src.ip));
        header.SetDestination(ns3::Ipv6Address::Deserialize(packet->view.dst.ip));
        ForwardUp6(segment, header, packet->view.src.port, nullptr);
    }
}

void Socket::reset()
{
    if (m_state == CLOSED)
        return;
    SendRST();
    m_state = CLOSED;
}

size_t Socket::waiting() const { return m_txBuffer->Size(); }

/* --- the stack --------------------------------------------------------------------------------------------------------- */

TcpStack::TcpStack(ns3c_host *host) : host_(host), node_(ns3::CreateObject<ns3::Node>())
{
    ns3::InternetStackHelper helper;
    helper.SetRoutingHelper(ns3::Ipv4StaticRoutingHelper());
    helper.Install(node_);
    enum { STREAMS = 16 };
    helper.AssignStreams(ns3::NodeContainer(node_), host->sim->take_streams(STREAMS));
    /* Nobody else is on the wire: no duplicate addresses to detect. */
    node_->GetObject<ns3::Icmpv6L4Protocol>()->SetAttribute("DAD", ns3::BooleanValue(false));
    Ptr<ns3::TcpL4Protocol> tcp = node_->GetObject<ns3::TcpL4Protocol>();
    tcp->SetDownTarget(ns3::MakeCallback(&TcpStack::send_ipv4, this));
    tcp->SetDownTarget6(ns3::MakeCallback(&TcpStack::send_ipv6, this));
}

TcpStack::~TcpStack()
{
    while (connections_ != nullptr)
        connections_->remove();
    while (listeners_ != nullptr) {
        ns3c_tcp_listener *listener = listeners_;
        disown(listener);
        delete listener;
    }
    Ptr<ns3::TcpL4Protocol> tcp = node_->GetObject<ns3::TcpL4Protocol>();
    tcp->SetDownTarget(ns3::IpL4Protocol::DownTargetCallback());
    tcp->SetDownTarget6(ns3::IpL4Protocol::DownTargetCallback6());
}

/* ns-3's own messages, such as router solicitations, end here. */
static bool swallow(Ptr<ns3::Packet>, const ns3::Address &, const ns3::Address &, uint16_t) { return true; }

void TcpStack::add_address(const ns3c_address &address)
{
    Ptr<ns3::VirtualNetDevice> device = ns3::CreateObject<ns3::VirtualNetDevice>();
    device->SetAddress(ns3::Mac48Address::Allocate());
    device->SetIsPointToPoint(true);
    device->SetMtu(MTU_MAX);
    device->SetSendCallback(ns3::MakeCallback(&swallow));
    node_->AddDevice(device);
    if (address.family == 4) {
        Ptr<ns3::Ipv4> ipv4 = node_->GetObject<ns3::Ipv4>();
        uint32_t number = ipv4->AddInterface(device);
        ipv4->AddAddress(number, {ns3::Ipv4Address::Deserialize(address.ip), ns3::Ipv4Mask::GetOnes()});
        ipv4->SetUp(number);
        ns3::Ipv4StaticRoutingHelper().GetStaticRouting(ipv4)->AddNetworkRouteTo(ns3::Ipv4Address::GetZero(),
                                                                                 ns3::Ipv4Mask::GetZero(), number);
    } else {
        Ptr<ns3::Ipv6> ipv6 = node_->GetObject<ns3::Ipv6>();
        uint32_t number = ipv6->AddInterface(device);
        /* A router as far as ns-3 is concerned, lest it solicits others. */
        ipv6->SetForwarding(number, true);
        ipv6->AddAddress(number,
                         ns3::Ipv6InterfaceAddress(ns3::Ipv6Address::Deserialize(address.ip), ns3::Ipv6Prefix(128)));
        ipv6->SetUp(number);
        ns3::Ipv6StaticRoutingHelper().GetStaticRouting(ipv6)->AddNetworkRouteTo(ns3::Ipv6Address::GetZero(),
                                                                                 ns3::Ipv6Prefix::GetZero(), number);
    }
    devices_.insert(key_of_ip(address), ns3::PeekPointer(device)); /* the node keeps it alive */
}

void TcpStack::send_ipv4(Ptr<ns3::Packet> segment, ns3::Ipv4Address from, ns3::Ipv4Address to, uint8_t,
                         Ptr<ns3::Ipv4Route>)
{
    ns3c_address src{4};
    ns3c_address dst{4};
    from.Serialize(src.ip);
    to.Serialize(dst.ip);
    send(segment, src, dst);
}

void TcpStack::send_ipv6(Ptr<ns3::Packet> segment, ns3::Ipv6Address from, ns3::Ipv6Address to, uint8_t,
                         Ptr<ns3::Ipv6Route>)
{
    ns3c_address src{6};
    ns3c_address dst{6};
    from.Serialize(src.ip);
    to.Serialize(dst.ip);
    send(segment, src, dst);
}

/* A segment, with its checksum, leaves ns-3. */
void TcpStack::send(Ptr<ns3::Packet> segment, const ns3c_address &from, const ns3c_address &to)
{
    ns3c_sim *sim = host_->sim;
    size_t header_len = ip_header_len(from.family);
    size_t len = header_len + segment->GetSize();
    ns3c_attachment *attachment = host_->find(from);
    Packet *packet = attachment != nullptr && len <= MTU_MAX ? sim->packets.take(len) : nullptr;
    if (packet == nullptr)
        return;
    packet_build_ip(packet, from, to, PROTOCOL_TCP, segment->GetSize());
    segment->CopyData(packet->bytes() + header_len, segment->GetSize());
    if (packet_parse(packet, len))
        host_->send(attachment, packet);
    else
        sim->packets.give(packet);
}

void TcpStack::route(const ns3c_address &local, const ns3c_address &remote, Socket *socket)
{
    if (flows_.size() >= sweep_at_) {
        for (auto at = flows_.begin(); at != flows_.end();)
            at = at->second->is_gone() ? flows_.erase(at) : std::next(at);
        sweep_at_ = 64 + 2 * flows_.size();
    }
    flows_[{key_of_socket(local), key_of_socket(remote)}] = socket;
}

bool TcpStack::receive(Packet *packet)
{
    const uint8_t flags = packet->view.tcp_flags;
    Socket *socket = nullptr;
    auto flow = flows_.find({key_of_socket(packet->view.dst), key_of_socket(packet->view.src)});
    if (flow != flows_.end() && !flow->second->is_gone())
        socket = ns3::PeekPointer(flow->second);
    if (socket == nullptr && (flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN) {
        ns3c_tcp_listener *listener = listening_.find(key_of_socket(packet->view.dst));
        socket = listener != nullptr ? ns3::PeekPointer(listener->socket) : nullptr;
    }
    if (socket == nullptr)
        return false;
    if (!packet_checksum_ok(*packet))
        return true;
    /* ns-3 knows a RST only when it comes without an ACK. */
    receiving_rst = (flags & TCP_RST) != 0;
    if (receiving_rst && (flags & TCP_ACK) != 0)
        packet_clear_ack(packet);
    Ptr<Socket> keep(socket);
    socket->deliver(packet);
    receiving_rst = false;
    return true;
}

uint32_t TcpStack::segment_size(uint8_t family) const
{
    return host_->sim->mtu_min - (family == 6 ? HEADERS_IPV6 : HEADERS_IPV4);
}

Ptr<Socket> TcpStack::make_socket(const ns3c_address &local, ns3c_error *error)
{
    ns3::VirtualNetDevice *device = devices_.find(key_of_ip(local));
    if (device == nullptr) {
        fail(error, NS3C_INVALID, "local: not an address of '%s'", host_->name.c_str());
        return nullptr;
    }
    Ptr<ns3::TcpL4Protocol> tcp = node_->GetObject<ns3::TcpL4Protocol>();
    Ptr<Socket> socket = ns3::CreateObject<Socket>();
    socket->stack = this;
    socket->SetNode(node_);
    socket->SetTcp(tcp);
    socket->SetRtt(ns3::CreateObject<ns3::RttMeanDeviation>());
    socket->SetCongestionControlAlgorithm(ns3::CreateObject<ns3::TcpCubic>());
    socket->SetRecoveryAlgorithm(ns3::CreateObject<Recovery>());
    socket->SetAttribute("SegmentSize", ns3::UintegerValue(segment_size(local.family)));
    socket->SetAttribute("SndBufSize", ns3::UintegerValue(SEND_BUFFER));
    socket->SetAttribute("RcvBufSize", ns3::UintegerValue(RECEIVE_BUFFER));
    socket->SetAttribute("ConnTimeout", ns3::TimeValue(ns3::Time(SYN_TIMEOUT)));
    socket->SetAttribute("DelAckTimeout", ns3::TimeValue(ns3::Time(DELAYED_ACK)));
    socket->SetAttribute("MinRto", ns3::TimeValue(ns3::Time(RTO_MIN)));
    socket->SetAttribute("DataRetries", ns3::UintegerValue(RETRIES));
    socket->SetAttribute("MaxSegLifetime", ns3::DoubleValue(SEGMENT_LIFETIME_S));
    tcp->AddSocket(socket);
    /* First the device, then the port: only so does ns-3 see that a port is taken, and it aborts when two have it. */
    socket->BindToNetDevice(device);
    /* ns-3 would take one port after the other, the same on every host. */
    ns3c_address at = local;
    bool bound = false;
    for (int tries = 0; !bound && tries < (local.port == 0 ? PORT_TRIES : 1); tries++) {
        if (local.port == 0)
            at.port = host_->draw_port();
        bound = socket->Bind(to_ns3(at)) == 0;
    }
    if (!bound) {
        tcp->RemoveSocket(socket);
        fail(error, NS3C_BUSY, "port %u of '%s' is taken", local.port, host_->name.c_str());
        return nullptr;
    }
    return socket;
}

template <typename T> static void link_in(T **first, T *item)
{
    item->next = *first;
    if (*first != nullptr)
        (*first)->previous = item;
    *first = item;
}

template <typename T> static void link_out(T **first, T *item)
{
    (item->previous != nullptr ? item->previous->next : *first) = item->next;
    if (item->next != nullptr)
        item->next->previous = item->previous;
}

void TcpStack::own(ns3c_tcp *tcp) { link_in(&connections_, tcp); }
void TcpStack::disown(ns3c_tcp *tcp) { link_out(&connections_, tcp); }
void TcpStack::own(ns3c_tcp_listener *listener)
{
    link_in(&listeners_, listener);
    listening_.insert(key_of_socket(listener->local), listener);
}
void TcpStack::stop_listening(ns3c_tcp_listener *listener) { listening_.erase(key_of_socket(listener->local)); }
void TcpStack::disown(ns3c_tcp_listener *listener) { link_out(&listeners_, listener); }

/* --- connections --------------------------------------------------------------------------------------------------------- */

/* ns-3 may be in the midst of calling us, so what is closed is taken down later, from here. */
static void linger_on(void *context, ns3c_nanos now)
{
    auto *tcp = static_cast<ns3c_tcp *>(context);
    size_t waiting = tcp->socket->waiting();
    if (waiting < tcp->linger_waiting)
        tcp->linger_until = now + LINGER;
    tcp->linger_waiting = waiting;
    if (now >= tcp->linger_until)
        tcp->socket->reset();
    if (tcp->broken || tcp->socket->is_over())
        tcp->remove();
    else
        ns3c_timer_set(tcp->linger, now + LINGER_STEP);
}

ns3c_tcp::ns3c_tcp(ns3c_host *host, TcpStack *stack, Ptr<Socket> socket)
    : host(host), stack(stack), socket(socket), linger(ns3c_timer_create(host->sim, linger_on, this))
{
    learn_addresses();
    stack->own(this);
    socket->SetConnectCallback(ns3::MakeCallback(&ns3c_tcp::on_connected, this),
                               ns3::MakeCallback(&ns3c_tcp::on_failed, this));
    socket->SetRecvCallback(ns3::MakeCallback(&ns3c_tcp::on_received, this));
    socket->SetSendCallback(ns3::MakeCallback(&ns3c_tcp::on_drained, this));
    socket->SetCloseCallbacks(ns3::MakeCallback(&ns3c_tcp::on_ended, this),
                              ns3::MakeCallback(&ns3c_tcp::on_ended, this));
}

/* Until Connect, or for a listener's, the remote one is not known. */
void ns3c_tcp::learn_addresses()
{
    ns3::Address name;
    socket->GetSockName(name);
    local = from_ns3(name);
    if (socket->GetPeerName(name) == 0)
        remote = from_ns3(name);
}

void ns3c_tcp::on_connected(Ptr<ns3::Socket>)
{
    connected = true;
    if (!closed && !ended && callbacks.connected != nullptr)
        callbacks.connected(context, this, host->sim->now());
}

void ns3c_tcp::on_failed(Ptr<ns3::Socket>) { end(NS3C_TCP_TIMEOUT); }

void ns3c_tcp::on_received(Ptr<ns3::Socket>)
{
    /* Before it is adopted, what comes has to wait; after it was closed, nobody wants it. */
    while (closed || callbacks.received != nullptr) {
        Ptr<ns3::Packet> packet = socket->Recv(UINT32_MAX, 0);
        if (packet == nullptr || packet->GetSize() == 0)
            break;
        if (closed)
            continue;
        std::vector<uint8_t> &bytes = host->sim->tcp_bytes;
        bytes.resize(packet->GetSize());
        packet->CopyData(bytes.data(), packet->GetSize());
        callbacks.received(context, this, bytes.data(), bytes.size(), host->sim->now());
    }
}

void ns3c_tcp::on_drained(Ptr<ns3::Socket>, uint32_t)
{
    if (connected && !closed && !ended && callbacks.drained != nullptr)
        callbacks.drained(context, this, socket->waiting(), host->sim->now());
}

/* ns-3 says "normal" for a reset, too, and for a refused connection. */
void ns3c_tcp::on_ended(Ptr<ns3::Socket>)
{
    if (stack->receiving_rst)
        end(NS3C_TCP_RESET);
    else
        end(socket->is_peer_done() ? NS3C_TCP_CLOSED : NS3C_TCP_TIMEOUT);
}

void ns3c_tcp::end(ns3c_tcp_end how)
{
    if (ended)
        return;
    ended = true;
    broken = how != NS3C_TCP_CLOSED;
    if (!closed && callbacks.ended != nullptr)
        callbacks.ended(context, this, how, host->sim->now());
}

void ns3c_tcp::close(bool by_reset)
{
    if (closed)
        return;
    closed = true;
    ns3c_nanos now = host->sim->now();
    linger_until = now + LINGER;
    linger_waiting = socket->waiting();
    if (by_reset && !broken) {
        socket->reset();
    } else if (!broken) {
        on_received(nullptr); /* with data unread, ns-3 would reset it */
        socket->Close();
    }
    ns3c_timer_set(linger, now);
}

void ns3c_tcp::remove()
{
    socket->SetConnectCallback(ns3::MakeNullCallback<void, Ptr<ns3::Socket>>(),
                               ns3::MakeNullCallback<void, Ptr<ns3::Socket>>());
    socket->SetRecvCallback(ns3::MakeNullCallback<void, Ptr<ns3::Socket>>());
    socket->SetSendCallback(ns3::MakeNullCallback<void, Ptr<ns3::Socket>, uint32_t>());
    socket->SetCloseCallbacks(ns3::MakeNullCallback<void, Ptr<ns3::Socket>>(),
                              ns3::MakeNullCallback<void, Ptr<ns3::Socket>>());
    ns3c_timer_destroy(linger);
    stack->disown(this);
    delete this;
}

/* --- listeners ----------------------------------------------------------------------------------------------------------- */

void ns3c_tcp_listener::watch()
{
    socket->SetAcceptCallback(ns3::MakeCallback(&ns3c_tcp_listener::on_request, this),
                              ns3::MakeCallback(&ns3c_tcp_listener::on_accepted, this));
}

bool ns3c_tcp_listener::on_request(Ptr<ns3::Socket>, const ns3::Address &) { return !closed; }

void ns3c_tcp_listener::on_accepted(Ptr<ns3::Socket> from, const ns3::Address &)
{
    Ptr<Socket> accepted_socket = ns3::DynamicCast<Socket>(from);
    ns3c_tcp *tcp = new ns3c_tcp(host, host->tcp(), accepted_socket);
    tcp->connected = true;
    if (closed || tcp->linger == nullptr)
        tcp->close(true);
    else
        accepted(context, tcp, host->sim->now());
}

/* --- the C interface --------------------------------------------------------------------------------------------------- */

extern "C" struct ns3c_tcp_listener *ns3c_tcp_listen(struct ns3c_host *host, const struct ns3c_address *local,
                                                     ns3c_tcp_accepted accepted, void *context,
                                                     struct ns3c_error *error)
{
    if (host == nullptr || accepted == nullptr) {
        fail(error, NS3C_INVALID, "a listener needs a host and a callback");
        return nullptr;
    }
    if (!check_address(local, true, "local", error))
        return nullptr;
    if (host->find(*local) == nullptr) {
        fail(error, NS3C_INVALID, "local: not an address of '%s'", host->name.c_str());
        return nullptr;
    }
    return guarded(error, static_cast<ns3c_tcp_listener *>(nullptr), [&]() -> ns3c_tcp_listener * {
        Ptr<Socket> socket = host->tcp()->make_socket(*local, error);
        if (socket == nullptr)
            return nullptr;
        ns3::Address name;
        socket->GetSockName(name);
        auto *listener = new ns3c_tcp_listener(host, from_ns3(name), socket);
        listener->accepted = accepted;
        listener->context = context;
        host->tcp()->own(listener);
        listener->watch();
        socket->Listen();
        return listener;
    });
}

extern "C" void ns3c_tcp_listener_close(struct ns3c_tcp_listener *listener)
{
    if (listener == nullptr || listener->closed)
        return;
    /* Half-open connections still refer to it, so the object stays until the host goes. */
    listener->closed = true;
    listener->host->tcp()->stop_listening(listener);
    guarded(nullptr, 0, [&] { return listener->socket->Close(); });
}

extern "C" struct ns3c_tcp *ns3c_tcp_connect(struct ns3c_host *host, const struct ns3c_address *local,
                                             const struct ns3c_address *remote,
                                             const struct ns3c_tcp_callbacks *callbacks, void *context,
                                             struct ns3c_error *error)
{
    if (host == nullptr || callbacks == nullptr || callbacks->received == nullptr || callbacks->ended == nullptr) {
        fail(error, NS3C_INVALID, "a connection needs a host and callbacks, received and ended among them");
        return nullptr;
    }
    if (!check_address(remote, true, "remote", error))
        return nullptr;
    if (remote->port == 0) {
        fail(error, NS3C_INVALID, "remote: the port must not be 0");
        return nullptr;
    }
    ns3c_address from{};
    if (local != nullptr) {
        from = *local;
        if (!check_address(local, true, "local", error))
            return nullptr;
    }
    for (size_t i = 0; local == nullptr && from.family == 0 && i < host->addresses.size(); i++)
        if (host->addresses[i].family == remote->family)
            from = host->addresses[i];
    if (from.family != remote->family || host->find(from) == nullptr) {
        fail(error, NS3C_INVALID, "local: '%s' has no such address of the remote one's family", host->name.c_str());
        return nullptr;
    }
    return guarded(error, static_cast<ns3c_tcp *>(nullptr), [&]() -> ns3c_tcp * {
        Ptr<Socket> socket = host->tcp()->make_socket(from, error);
        if (socket == nullptr)
            return nullptr;
        auto *tcp = new ns3c_tcp(host, host->tcp(), socket);
        host->tcp()->route(tcp->local, *remote, ns3::PeekPointer(socket));
        if (tcp->linger == nullptr || socket->Connect(to_ns3(*remote)) != 0) {
            tcp->remove();
            fail(error, NS3C_SYSTEM, "ns-3 could not start the connection");
            return nullptr;
        }
        tcp->learn_addresses();
        tcp->callbacks = *callbacks;
        tcp->context = context;
        return tcp;
    });
}

extern "C" void ns3c_tcp_adopt(struct ns3c_tcp *tcp, const struct ns3c_tcp_callbacks *callbacks, void *context)
{
    if (tcp == nullptr || tcp->closed || callbacks == nullptr)
        return;
    tcp->callbacks = *callbacks;
    tcp->context = context;
}

extern "C" struct ns3c_address ns3c_tcp_local(const struct ns3c_tcp *tcp)
{
    return tcp != nullptr ? tcp->local : ns3c_address{};
}

extern "C" struct ns3c_address ns3c_tcp_remote(const struct ns3c_tcp *tcp)
{
    return tcp != nullptr ? tcp->remote : ns3c_address{};
}

extern "C" size_t ns3c_tcp_send(struct ns3c_tcp *tcp, const uint8_t *data, size_t len)
{
    if (tcp == nullptr || tcp->closed || tcp->broken)
        return 0;
    return guarded(nullptr, size_t{0}, [&] {
        if (data != nullptr && len > 0 && len <= SEND_BUFFER)
            tcp->socket->Send(ns3::Create<ns3::Packet>(data, static_cast<uint32_t>(len)), 0);
        return tcp->socket->waiting();
    });
}

extern "C" void ns3c_tcp_close(struct ns3c_tcp *tcp)
{
    if (tcp != nullptr)
        guarded(nullptr, 0, [&] { return tcp->close(false), 0; });
}

extern "C" void ns3c_tcp_reset(struct ns3c_tcp *tcp)
{
    if (tcp != nullptr)
        guarded(nullptr, 0, [&] { return tcp->close(true), 0; });
}
