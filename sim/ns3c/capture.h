/* Captures: which hosts and routers write the packets they see into which file. */
#ifndef CONFAB_SIM_NS3C_CAPTURE_H
#define CONFAB_SIM_NS3C_CAPTURE_H

#include <vector>

#include "sim/ns3c/simulation.h"

extern "C" {
#include "base/pcapng.h"
}

namespace ns3c
{

/* The captures that one vantage point writes to; mostly none. */
class Taps
{
  public:
    /* `outgoing`: sent by the one who is captured. */
    void see(const Packet *packet, bool outgoing, ns3c_nanos now) const
    {
        if (!taps_.empty())
            write(packet, outgoing, now);
    }
    void add(ns3c_capture *capture, const char *name);
    void remove(const ns3c_capture *capture);

  private:
    void write(const Packet *packet, bool outgoing, ns3c_nanos now) const;

    struct Tap {
        ns3c_capture *capture;
        uint32_t interface;
    };
    std::vector<Tap> taps_;
};

} // namespace ns3c

struct ns3c_capture {
    ns3c_sim *sim;
    struct pcapng *file;
    size_t media_snap;
    std::vector<ns3c::Taps *> vantage_points;
};

#endif
