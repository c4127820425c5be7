/* Links made of ns-3's devices, for scenarios that ask for them: point-to-point and CSMA; Wi-Fi is in wifi.h. Packets enter ns-3 as bytes and
 * come out as bytes; in between they are ns-3's. */
#ifndef CONFAB_SIM_NS3C_MEDIUM_H
#define CONFAB_SIM_NS3C_MEDIUM_H

#include <map>
#include <memory>
#include <ns3/mac48-address.h>
#include <ns3/net-device.h>
#include <ns3/node.h>
#include <ns3/traffic-control-layer.h>

#include "sim/ns3c/attachment.h"

namespace ns3c
{

/* The link of one attachment. */
class Medium
{
  public:
    virtual ~Medium() = default;
    /* The packet is the medium's from here. */
    virtual void send(ns3c_direction direction, Packet *packet) = 0;
    /* Changes one direction. False and `error` for what can't change, by default anything. */
    virtual bool set_link(ns3c_direction direction, const ns3c_link &link, ns3c_error *error);
};

/* NULL and `error` when the config can't be had with that medium. */
std::unique_ptr<Medium> medium_create(ns3c_attachment *attachment, const ns3c_attachment_config *config,
                                      ns3c_error *error);

/* A packet came out of ns-3, for `attachment`, at its upper or lower end. */
void medium_deliver(ns3c_attachment *attachment, Stage stage, ns3::Ptr<const ns3::Packet> packet);

/* One end of a link: an ns-3 node with a device and perhaps a queue discipline. */
struct Port {
    ns3::Ptr<ns3::Node> node;
    ns3::Ptr<ns3::NetDevice> device;
    ns3::Ptr<ns3::TrafficControlLayer> control; /* NULL without a queue discipline */

    void send(ns3c_sim *sim, Packet *packet, const ns3::Address &to) const;
    /* Puts the queue discipline of that name in front of the device; it must be one that medium_create knows. */
    void add_queue_disc(ns3c_sim *sim, const char *name, const ns3c_link &link);
};

/* The Ethernet below a router, with the router's own end of it. */
class CsmaChannel
{
  public:
    CsmaChannel(ns3c_router *router, const ns3c_attachment_config *config);
    ~CsmaChannel();
    CsmaChannel(const CsmaChannel &) = delete;
    CsmaChannel &operator=(const CsmaChannel &) = delete;

    Port add_device(int64_t queue_bytes, bool with_queue_disc);

    Port port;
    int64_t rate_bps;
    ns3c_nanos delay;
    std::map<ns3::Mac48Address, ns3c_attachment *> below;

  private:
    bool receive(ns3::Ptr<ns3::NetDevice> device, ns3::Ptr<const ns3::Packet> packet, uint16_t protocol,
                 const ns3::Address &from);

    ns3::Ptr<ns3::Channel> channel_;
};

} // namespace ns3c

#endif
