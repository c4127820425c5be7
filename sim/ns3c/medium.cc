#include "sim/ns3c/medium.h"

#include <cstring>
#include <ns3/cobalt-queue-disc.h>
#include <ns3/csma-channel.h>
#include <ns3/csma-net-device.h>
#include <ns3/data-rate.h>
#include <ns3/drop-tail-queue.h>
#include <ns3/net-device-queue-interface.h>
#include <ns3/pie-queue-disc.h>
#include <ns3/point-to-point-channel.h>
#include <ns3/point-to-point-net-device.h>
#include <ns3/queue-item.h>
#include <ns3/queue-size.h>
#include <ns3/red-queue-disc.h>
#include <ns3/traffic-control-helper.h>

#include "sim/ns3c/router.h"
#include "sim/ns3c/wifi.h"

using namespace ns3c;
using ns3::Ptr;

/* --- configs --------------------------------------------------------------------------------------------------------- */

static bool check_link(const ns3c_link &link, const char *which, ns3c_error *error)
{
    if (link.rate_bps <= 0 || link.rate_bps > 10000000000000)
        return fail(error, NS3C_INVALID, "%s: an ns-3 device needs a rate_bps of 1 to 10 Tbit/s", which);
    if (link.delay < 0 || link.delay > 3600 * NANOS_PER_S)
        return fail(error, NS3C_INVALID, "%s: delay must be 0 to 1 hour", which);
    if (link.queue_bytes <= 0 || link.queue_bytes > UINT32_MAX)
        return fail(error, NS3C_INVALID, "%s: queue_bytes must be 1 to 2^32 - 1", which);
    if (link.jitter != 0 || link.loss != 0 || link.loss_burst != 0 || raw(link.discipline) != NS3C_DROP_TAIL ||
        link.overhead_bytes != 0)
        return fail(error, NS3C_UNSUPPORTED,
                    "%s: an ns-3 device has only rate_bps, delay and queue_bytes; the rest must be zero", which);
    return true;
}

bool Medium::set_link(ns3c_direction, const ns3c_link &, ns3c_error *error)
{
    return fail(error, NS3C_UNSUPPORTED,
                "only links of medium NS3C_MODEL and the rate of NS3C_POINT_TO_POINT can change");
}

/* --- queue disciplines --------------------------------------------------------------------------------------------- */

/* Those whose limit is in packets can't be told one in bytes. */
static const struct QueueDiscType {
    const char *name;
    const char *type;
    bool limit_in_packets;
} queue_discs[] = {
    {"CoDel", "ns3::CoDelQueueDisc", false},
    {"FqCoDel", "ns3::FqCoDelQueueDisc", true},
    {"Pie", "ns3::PieQueueDisc", false},
    {"FqPie", "ns3::FqPieQueueDisc", true},
    {"Red", "ns3::RedQueueDisc", false},
    {"Cobalt", "ns3::CobaltQueueDisc", false},
    {"FqCobalt", "ns3::FqCobaltQueueDisc", true},
    {"Fifo", "ns3::FifoQueueDisc", false},
    {"PfifoFast", "ns3::PfifoFastQueueDisc", true},
};

static const QueueDiscType *queue_disc_of(const char *name)
{
    for (const QueueDiscType &type : queue_discs)
        if (strcmp(type.name, name) == 0)
            return &type;
    return nullptr;
}

/* A packet that holds its headers as bytes already, so a discipline need add none. */
class RawItem final : public ns3::QueueDiscItem
{
  public:
    RawItem(Ptr<ns3::Packet> packet, const ns3::Address &to, uint16_t protocol, uint32_t flow)
        : QueueDiscItem(packet, to, protocol), flow_(flow)
    {
    }
    void AddHeader() override {}
    bool Mark() override { return false; } /* what we send is not capable of ECN */
    uint32_t Hash(uint32_t perturbation) const override { return flow_ ^ perturbation * 0x9e3779b1u; }

  private:
    uint32_t flow_;
};

/* The same for all packets of a flow: protocol, addresses, ports (FNV-1a). */
static uint32_t flow_of(const ns3c_packet &view)
{
    uint32_t hash = 2166136261u ^ view.protocol;
    for (const ns3c_address *address : {&view.src, &view.dst}) {
        const auto *bytes = reinterpret_cast<const uint8_t *>(address);
        for (size_t i = 0; i < sizeof *address; i++)
            hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

void Port::add_queue_disc(ns3c_sim *sim, const char *name, const ns3c_link &link)
{
    const QueueDiscType *type = queue_disc_of(name);
    ns3::QueueSize limit(ns3::QueueSizeUnit::BYTES, static_cast<uint32_t>(link.queue_bytes));
    if (type->limit_in_packets)
        limit = ns3::QueueSize(ns3::QueueSizeUnit::PACKETS,
                               std::max<uint32_t>(1, static_cast<uint32_t>(link.queue_bytes / MTU_MAX)));
    ns3::TrafficControlHelper helper;
    if (strcmp(name, "Red") == 0)
        helper.SetRootQueueDisc(type->type, "MaxSize", ns3::QueueSizeValue(limit), "LinkBandwidth",
                                ns3::DataRateValue(ns3::DataRate(static_cast<uint64_t>(link.rate_bps))), "LinkDelay",
                                ns3::TimeValue(ns3::Time(link.delay)));
    else
        helper.SetRootQueueDisc(type->type, "MaxSize", ns3::QueueSizeValue(limit));
    control = ns3::CreateObject<ns3::TrafficControlLayer>();
    node->AggregateObject(control);
    ns3::QueueDiscContainer discs = helper.Install(device);
    node->Initialize();
    for (uint32_t i = 0; i < discs.GetN(); i++) {
        /* The three that draw random numbers. */
        if (auto pie = ns3::DynamicCast<ns3::PieQueueDisc>(discs.Get(i)))
            pie->AssignStreams(sim->take_streams(1));
        else if (auto red = ns3::DynamicCast<ns3::RedQueueDisc>(discs.Get(i)))
            red->AssignStreams(sim->take_streams(1));
        else if (auto cobalt = ns3::DynamicCast<ns3::CobaltQueueDisc>(discs.Get(i)))
            cobalt->AssignStreams(sim->take_streams(1));
    }
}

/* --- bytes in, bytes out ---------------------------------------------------------------------------------------------- */

void Port::send(ns3c_sim *sim, Packet *packet, const ns3::Address &to) const
{
    Ptr<ns3::Packet> copy = ns3::Create<ns3::Packet>(packet->bytes(), packet->view.len);
    uint16_t protocol = packet->view.src.family == 6 ? 0x86dd : 0x0800;
    if (control != nullptr)
        control->Send(device, ns3::Create<RawItem>(copy, to, protocol, flow_of(packet->view)));
    else
        device->Send(copy, to, protocol);
    sim->packets.give(packet);
}

void ns3c::medium_deliver(ns3c_attachment *attachment, Stage stage, Ptr<const ns3::Packet> from)
{
    ns3c_sim *sim = attachment->sim;
    uint8_t start[6] = {};
    from->CopyData(start, sizeof start);
    /* Ethernet pads short frames. */
    size_t len =
        start[0] >> 4 == 6 ? size_t{IPV6_HEADER} + (start[4] << 8 | start[5]) : size_t(start[2] << 8 | start[3]);
    Packet *packet = len <= MTU_MAX && len <= from->GetSize() ? sim->packets.take(len) : nullptr;
    if (packet == nullptr)
        return;
    from->CopyData(packet->bytes(), static_cast<uint32_t>(len));
    if (!packet_parse(packet, len)) {
        sim->packets.give(packet);
        return;
    }
    packet->stage = stage;
    packet->where = attachment;
    attachment->arrived(packet);
}

template <typename Device> static Ptr<Device> make_device(const Port &port, int64_t queue_bytes, bool with_queue_disc)
{
    Ptr<Device> device = ns3::CreateObject<Device>();
    device->SetAddress(ns3::Mac48Address::Allocate());
    port.node->AddDevice(device);
    /* Behind a queue discipline the device keeps two packets, so that the discipline decides. */
    ns3::QueueSize limit = with_queue_disc
                               ? ns3::QueueSize(ns3::QueueSizeUnit::PACKETS, 2)
                               : ns3::QueueSize(ns3::QueueSizeUnit::BYTES, static_cast<uint32_t>(queue_bytes));
    Ptr<ns3::Queue<ns3::Packet>> queue =
        ns3::CreateObjectWithAttributes<ns3::DropTailQueue<ns3::Packet>>("MaxSize", ns3::QueueSizeValue(limit));
    device->SetQueue(queue);
    if (with_queue_disc) {
        Ptr<ns3::NetDeviceQueueInterface> interface = ns3::CreateObject<ns3::NetDeviceQueueInterface>();
        interface->GetTxQueue(0)->ConnectQueueTraces(queue);
        device->AggregateObject(interface);
    }
    return device;
}

/* --- point-to-point ------------------------------------------------------------------------------------------------ */

namespace
{

class PointToPoint final : public Medium
{
  public:
    PointToPoint(ns3c_attachment *attachment, const ns3c_attachment_config *config) : attachment_(attachment)
    {
        Ptr<ns3::PointToPointChannel> channel = ns3::CreateObject<ns3::PointToPointChannel>();
        channel->SetAttribute("Delay", ns3::TimeValue(ns3::Time(config->up.delay)));
        bool with_queue_disc = config->queue_disc != nullptr;
        for (ns3c_direction direction : {NS3C_UP, NS3C_DOWN}) {
            const ns3c_link &link = direction == NS3C_UP ? config->up : config->down;
            Port &port = ports_[direction];
            port.node = ns3::CreateObject<ns3::Node>();
            Ptr<ns3::PointToPointNetDevice> device =
                make_device<ns3::PointToPointNetDevice>(port, link.queue_bytes, with_queue_disc);
            device->SetDataRate(ns3::DataRate(static_cast<uint64_t>(link.rate_bps)));
            device->Attach(channel);
            port.device = device;
            links_[direction] = link;
            if (with_queue_disc)
                port.add_queue_disc(attachment->sim, config->queue_disc, link);
        }
        ports_[NS3C_UP].device->SetReceiveCallback(ns3::MakeCallback(&PointToPoint::receive_below, this));
        ports_[NS3C_DOWN].device->SetReceiveCallback(ns3::MakeCallback(&PointToPoint::receive_above, this));
    }

    ~PointToPoint() override
    {
        for (Port &port : ports_)
            port.device->SetReceiveCallback(ns3::NetDevice::ReceiveCallback());
    }

    void send(ns3c_direction direction, Packet *packet) override
    {
        ports_[direction].send(attachment_->sim, packet, ports_[direction].device->GetBroadcast());
    }

    bool set_link(ns3c_direction direction, const ns3c_link &link, ns3c_error *error) override
    {
        if (!check_link(link, direction == NS3C_UP ? "up" : "down", error))
            return false;
        if (link.delay != links_[direction].delay || link.queue_bytes != links_[direction].queue_bytes)
            return Medium::set_link(direction, link, error);
        ns3::DynamicCast<ns3::PointToPointNetDevice>(ports_[direction].device)
            ->SetDataRate(ns3::DataRate(static_cast<uint64_t>(link.rate_bps)));
        return true;
    }

  private:
    bool receive_below(Ptr<ns3::NetDevice>, Ptr<const ns3::Packet> packet, uint16_t, const ns3::Address &)
    {
        medium_deliver(attachment_, Stage::AT_CHILD, packet);
        return true;
    }
    bool receive_above(Ptr<ns3::NetDevice>, Ptr<const ns3::Packet> packet, uint16_t, const ns3::Address &)
    {
        medium_deliver(attachment_, Stage::AT_PARENT, packet);
        return true;
    }

    ns3c_attachment *attachment_;
    Port ports_[2]; /* by the direction in which they send */
    ns3c_link links_[2];
};

/* --- CSMA ---------------------------------------------------------------------------------------------------------- */

class Csma final : public Medium
{
  public:
    Csma(ns3c_attachment *attachment, const ns3c_attachment_config *config)
        : attachment_(attachment), channel_(attachment->parent->csma.get())
    {
        port_ = channel_->add_device(config->up.queue_bytes, config->queue_disc != nullptr);
        if (config->queue_disc != nullptr)
            port_.add_queue_disc(attachment->sim, config->queue_disc, config->up);
        ns3::DynamicCast<ns3::CsmaNetDevice>(port_.device)->AssignStreams(attachment->sim->take_streams(1));
        channel_->below[address()] = attachment;
        port_.device->SetReceiveCallback(ns3::MakeCallback(&Csma::receive, this));
    }

    ~Csma() override
    {
        channel_->below.erase(address());
        port_.device->SetReceiveCallback(ns3::NetDevice::ReceiveCallback());
    }

    void send(ns3c_direction direction, Packet *packet) override
    {
        if (direction == NS3C_UP)
            port_.send(attachment_->sim, packet, channel_->port.device->GetAddress());
        else
            channel_->port.send(attachment_->sim, packet, address());
    }

  private:
    ns3::Mac48Address address() const { return ns3::Mac48Address::ConvertFrom(port_.device->GetAddress()); }

    bool receive(Ptr<ns3::NetDevice>, Ptr<const ns3::Packet> packet, uint16_t, const ns3::Address &)
    {
        medium_deliver(attachment_, Stage::AT_CHILD, packet);
        return true;
    }

    ns3c_attachment *attachment_;
    CsmaChannel *channel_;
    Port port_;
};

} // namespace

CsmaChannel::CsmaChannel(ns3c_router *router, const ns3c_attachment_config *config)
    : rate_bps(config->up.rate_bps), delay(config->up.delay)
{
    Ptr<ns3::CsmaChannel> channel = ns3::CreateObject<ns3::CsmaChannel>();
    channel->SetAttribute("DataRate", ns3::DataRateValue(ns3::DataRate(static_cast<uint64_t>(rate_bps))));
    channel->SetAttribute("Delay", ns3::TimeValue(ns3::Time(delay)));
    channel_ = channel;
    port = add_device(config->down.queue_bytes, config->queue_disc != nullptr);
    if (config->queue_disc != nullptr)
        port.add_queue_disc(router->sim, config->queue_disc, config->down);
    ns3::DynamicCast<ns3::CsmaNetDevice>(port.device)->AssignStreams(router->sim->take_streams(1));
    port.device->SetReceiveCallback(ns3::MakeCallback(&CsmaChannel::receive, this));
}

CsmaChannel::~CsmaChannel() { port.device->SetReceiveCallback(ns3::NetDevice::ReceiveCallback()); }

Port CsmaChannel::add_device(int64_t queue_bytes, bool with_queue_disc)
{
    Port added;
    added.node = ns3::CreateObject<ns3::Node>();
    Ptr<ns3::CsmaNetDevice> device = make_device<ns3::CsmaNetDevice>(added, queue_bytes, with_queue_disc);
    device->Attach(ns3::DynamicCast<ns3::CsmaChannel>(channel_));
    added.device = device;
    return added;
}

bool CsmaChannel::receive(Ptr<ns3::NetDevice>, Ptr<const ns3::Packet> packet, uint16_t, const ns3::Address &from)
{
    auto at = below.find(ns3::Mac48Address::ConvertFrom(from));
    if (at != below.end())
        medium_deliver(at->second, Stage::AT_PARENT, packet);
    return true;
}

/* --- making them ----------------------------------------------------------------------------------------------------- */

std::unique_ptr<Medium> ns3c::medium_create(ns3c_attachment *attachment, const ns3c_attachment_config *config,
                                            ns3c_error *error)
{
    if (raw(config->medium) == NS3C_WIFI)
        return wifi_create(attachment, config, error);
    if (raw(config->medium) != NS3C_POINT_TO_POINT && raw(config->medium) != NS3C_CSMA) {
        fail(error, NS3C_UNSUPPORTED,
             "medium: there are NS3C_MODEL, NS3C_POINT_TO_POINT, NS3C_CSMA and NS3C_WIFI, and no LTE");
        return nullptr;
    }
    if (!check_link(config->up, "up", error) || !check_link(config->down, "down", error))
        return nullptr;
    if (config->up.delay != config->down.delay) {
        fail(error, NS3C_UNSUPPORTED, "up and down: an ns-3 channel has one delay for both directions");
        return nullptr;
    }
    if (config->queue_disc != nullptr && queue_disc_of(config->queue_disc) == nullptr) {
        fail(error, NS3C_INVALID,
             "queue_disc: '%.40s' is not one of CoDel, FqCoDel, Pie, FqPie, Red, Cobalt, FqCobalt, "
             "Fifo, PfifoFast",
             config->queue_disc);
        return nullptr;
    }
    if (config->medium == NS3C_POINT_TO_POINT)
        return std::make_unique<PointToPoint>(attachment, config);

    std::unique_ptr<CsmaChannel> &channel = attachment->parent->csma;
    if (config->up.rate_bps != config->down.rate_bps ||
        (channel != nullptr && (channel->rate_bps != config->up.rate_bps || channel->delay != config->up.delay))) {
        fail(error, NS3C_INVALID, "up and down: all CSMA attachments of a router share one rate and one delay");
        return nullptr;
    }
    if (channel == nullptr)
        channel = std::make_unique<CsmaChannel>(attachment->parent, config);
    return std::make_unique<Csma>(attachment, config);
}
