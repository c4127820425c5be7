/* Routers: those of the core (sites) and those below, with a hook or without. */
#ifndef CONFAB_SIM_NS3C_ROUTER_H
#define CONFAB_SIM_NS3C_ROUTER_H

#include <string>

#include "sim/ns3c/attachment.h"
#include "sim/ns3c/capture.h"

namespace ns3c
{
class CsmaChannel;
class WifiCell;
} // namespace ns3c

struct ns3c_router {
    ns3c_router(ns3c_sim *sim, const char *name);
    ~ns3c_router();

    bool is_site() const { return uplink == nullptr; }
    ns3c::AddressMap<ns3c_attachment> &below() { return is_site() ? sim->core : inside; }

    /* A packet came up the link of one that hangs below. */
    void from_below(ns3c::Packet *packet);
    /* A packet came down the uplink. */
    void from_above(ns3c::Packet *packet);
    /* For sites: where in the core a packet goes, and with what delay; NULL, and the packet is gone, when nowhere. */
    ns3c_attachment *across_core(ns3c::Packet *packet, ns3c_nanos *delay);
    /* How far it is to another site's attachment. */
    ns3c_nanos core_delay(const ns3c_attachment *below) const;

    ns3c_sim *sim;
    std::string name;
    size_t site = 0; /* its number, if it is one */
    ns3c_attachment *uplink = nullptr;
    ns3c_hook hook = nullptr;
    void *hook_context = nullptr;
    ns3c::AddressMap<ns3c_attachment> inside;
    ns3c::Taps inside_taps;
    ns3c::Taps outside_taps;
    std::unique_ptr<ns3c::CsmaChannel> csma; /* of the CSMA attachments below */
    std::unique_ptr<ns3c::WifiCell> wifi;    /* of the Wi-Fi attachments below */

  private:
    bool ask_hook(ns3c_direction direction, ns3c::Packet *packet, bool *hairpin);
    void down_to(ns3c_attachment *below, ns3c::Packet *packet, bool from_outside);
    void drop(ns3c::Packet *packet, uint64_t *counter);
};

#endif
