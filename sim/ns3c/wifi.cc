#include "sim/ns3c/wifi.h"

#include <cmath>
#include <ns3/constant-position-mobility-model.h>
#include <ns3/net-device-container.h>
#include <ns3/ssid.h>
#include <ns3/string.h>
#include <ns3/wifi-mac-helper.h>

#include "sim/ns3c/router.h"

using namespace ns3c;
using ns3::Ptr;

enum { DISTANCE_MAX_M = 1000 };

static const struct {
    ns3::WifiStandard standard;
    const char *channel; /* number (any), width in MHz, band, primary 20 MHz channel */
} standards[] = {
    {ns3::WIFI_STANDARD_80211n, "{0, 20, BAND_2_4GHZ, 0}"},
    {ns3::WIFI_STANDARD_80211ac, "{0, 80, BAND_5GHZ, 0}"},
    {ns3::WIFI_STANDARD_80211ax, "{0, 80, BAND_5GHZ, 0}"},
};

WifiCell::WifiCell(ns3c_router *router, const ns3c_wifi &wifi) : standard(wifi.standard), router_(router)
{
    phy_.SetChannel(ns3::YansWifiChannelHelper::Default().Create());
    phy_.Set("ChannelSettings", ns3::StringValue(standards[standard].channel));
    port = add_device("ns3::ApWifiMac", 0);
    port.device->SetReceiveCallback(ns3::MakeCallback(&WifiCell::receive, this));
}

WifiCell::~WifiCell() { port.device->SetReceiveCallback(ns3::NetDevice::ReceiveCallback()); }

Port WifiCell::add_device(const char *mac_type, double distance_m)
{
    /* Spread around the access point by the golden angle, so that no two are in one place. */
    double angle = static_cast<double>(nodes_++) * 2.399963;
    Port added;
    added.node = ns3::CreateObject<ns3::Node>();
    Ptr<ns3::ConstantPositionMobilityModel> position = ns3::CreateObject<ns3::ConstantPositionMobilityModel>();
    position->SetPosition(ns3::Vector(distance_m * std::cos(angle), distance_m * std::sin(angle), 0));
    added.node->AggregateObject(position);
    ns3::WifiHelper helper;
    helper.SetStandard(standards[standard].standard);
    helper.SetRemoteStationManager("ns3::MinstrelHtWifiManager"); /* what Linux does */
    ns3::WifiMacHelper mac;
    mac.SetType(mac_type, "Ssid", ns3::SsidValue(ns3::Ssid("ns3c")));
    ns3::NetDeviceContainer devices = helper.Install(phy_, mac, added.node);
    enum { STREAMS = 64 }; /* more than a device has */
    helper.AssignStreams(devices, router_->sim->take_streams(STREAMS));
    added.device = devices.Get(0);
    return added;
}

bool WifiCell::receive(Ptr<ns3::NetDevice>, Ptr<const ns3::Packet> packet, uint16_t, const ns3::Address &from)
{
    auto at = below.find(ns3::Mac48Address::ConvertFrom(from));
    if (at != below.end())
        medium_deliver(at->second, Stage::AT_PARENT, packet);
    return true;
}

namespace
{

class WifiStation final : public Medium
{
  public:
    WifiStation(ns3c_attachment *attachment, const ns3c_wifi &wifi)
        : attachment_(attachment), cell_(attachment->parent->wifi.get()),
          port_(cell_->add_device("ns3::StaWifiMac", wifi.distance_m))
    {
        cell_->below[address()] = attachment;
        port_.device->SetReceiveCallback(ns3::MakeCallback(&WifiStation::receive, this));
    }

    ~WifiStation() override
    {
        cell_->below.erase(address());
        port_.device->SetReceiveCallback(ns3::NetDevice::ReceiveCallback());
    }

    void send(ns3c_direction direction, Packet *packet) override
    {
        if (direction == NS3C_UP)
            port_.send(attachment_->sim, packet, cell_->port.device->GetAddress());
        else
            cell_->port.send(attachment_->sim, packet, address());
    }

  private:
    ns3::Mac48Address address() const { return ns3::Mac48Address::ConvertFrom(port_.device->GetAddress()); }

    bool receive(Ptr<ns3::NetDevice>, Ptr<const ns3::Packet> packet, uint16_t, const ns3::Address &)
    {
        medium_deliver(attachment_, Stage::AT_CHILD, packet);
        return true;
    }

    ns3c_attachment *attachment_;
    WifiCell *cell_;
    Port port_;
};

} // namespace

std::unique_ptr<Medium> ns3c::wifi_create(ns3c_attachment *attachment, const ns3c_attachment_config *config,
                                          ns3c_error *error)
{
    static const ns3c_link none = {};
    const ns3c_wifi &wifi = config->wifi;
    const int standard = raw(wifi.standard);
    if (standard < NS3C_WIFI_4 || standard > NS3C_WIFI_6) {
        fail(error, NS3C_INVALID, "wifi.standard must be NS3C_WIFI_4, NS3C_WIFI_5 or NS3C_WIFI_6");
        return nullptr;
    }
    if (!(wifi.distance_m > 0 && wifi.distance_m <= DISTANCE_MAX_M)) {
        fail(error, NS3C_INVALID, "wifi.distance_m must be above 0 and at most %d", DISTANCE_MAX_M);
        return nullptr;
    }
    if (memcmp(&config->up, &none, sizeof none) != 0 || memcmp(&config->down, &none, sizeof none) != 0 ||
        config->queue_disc != nullptr) {
        fail(error, NS3C_UNSUPPORTED,
             "up, down and queue_disc: Wi-Fi decides rate and delay itself; they must be zero");
        return nullptr;
    }
    std::unique_ptr<WifiCell> &cell = attachment->parent->wifi;
    if (cell != nullptr && cell->standard != standard) {
        fail(error, NS3C_INVALID, "wifi.standard: all Wi-Fi attachments of a router share one");
        return nullptr;
    }
    if (cell == nullptr)
        cell = std::make_unique<WifiCell>(attachment->parent, wifi);
    return std::make_unique<WifiStation>(attachment, wifi);
}
