/* Wi-Fi as a link: ns-3's, an access point at the router and a station at each host below it. */
#ifndef CONFAB_SIM_NS3C_WIFI_H
#define CONFAB_SIM_NS3C_WIFI_H

#include <ns3/yans-wifi-helper.h>

#include "sim/ns3c/medium.h"

namespace ns3c
{

/* The cell of a router: a channel of its own, which no other cell disturbs, and the access point. */
class WifiCell
{
  public:
    WifiCell(ns3c_router *router, const ns3c_wifi &wifi);
    ~WifiCell();
    WifiCell(const WifiCell &) = delete;
    WifiCell &operator=(const WifiCell &) = delete;

    /* A node of the cell, `distance_m` from its middle; "ns3::ApWifiMac" or "ns3::StaWifiMac". */
    Port add_device(const char *mac_type, double distance_m);

    Port port;
    ns3c_wifi_standard standard;
    std::map<ns3::Mac48Address, ns3c_attachment *> below;

  private:
    bool receive(ns3::Ptr<ns3::NetDevice> device, ns3::Ptr<const ns3::Packet> packet, uint16_t protocol,
                 const ns3::Address &from);

    ns3c_router *router_;
    ns3::YansWifiPhyHelper phy_;
    size_t nodes_ = 0;
};

/* NULL and `error` when the config can't be had. */
std::unique_ptr<Medium> wifi_create(ns3c_attachment *attachment, const ns3c_attachment_config *config,
                                    ns3c_error *error);

} // namespace ns3c

#endif
