/* Where a host or an inner router hangs on a router, and the link in between. */
#ifndef CONFAB_SIM_NS3C_ATTACHMENT_H
#define CONFAB_SIM_NS3C_ATTACHMENT_H

#include <memory>
#include <string>
#include <vector>

#include "sim/ns3c/simulation.h"

extern "C" {
#include "world/link.h"
}

namespace ns3c
{

class Medium;

/* One direction of a link of our own model. What each packet touches is together. */
struct alignas(LINE) Pipe {
    Pipe(ns3c_attachment *attachment, ns3c_direction direction)
        : attachment(attachment), direction(direction), departure(this)
    {
    }
    ~Pipe() { link_clear(&link); }
    Pipe(const Pipe &) = delete;
    Pipe &operator=(const Pipe &) = delete;

    void offer(Packet *packet);
    /* Another config from now on, also for what waits. */
    bool configure(const link_config &config, struct error *error);
    /* The wire is crossed at `at`: what next? */
    void arrive(Packet *packet, ns3c_nanos at);
    /* CoDel's queue lets something go. */
    void depart();
    void schedule(Packet *packet, ns3c_nanos at, Stage stage, ns3c_attachment *where);
    /* It is about to be offered something. */
    void expect() const { fetch(this, 4 * LINE); }

    ns3c_attachment *attachment;
    ns3c_direction direction;
    bool departure_scheduled = false;
    /* The event scheduled last. What arrives in the same place at the same instant joins it: one event then carries a
     * whole batch. */
    Packet *latest = nullptr;
    Packet *latest_end = nullptr;
    ns3c_nanos latest_at = 0;
    struct link link = {};
    MemberEvent<Pipe, &Pipe::depart> departure;
};

} // namespace ns3c

struct ns3c_attachment {
    ns3c_attachment(ns3c_sim *sim, ns3c_router *parent);
    ~ns3c_attachment();

    /* Checks the config and takes it over, addresses aside. */
    bool configure(const ns3c_attachment_config *config, ns3c_error *error);
    /* Makes an address reachable from above, all the way to the next hook or the core. */
    bool add_address(const ns3c_address *address, ns3c_error *error);
    bool add_addresses(const ns3c_attachment_config *config, ns3c_error *error);
    void detach();

    /* A packet sets out on the link; it is the attachment's from here. */
    void send(ns3c_direction direction, ns3c::Packet *packet);
    /* It has crossed it. */
    void arrived(ns3c::Packet *chain);

    ns3c_sim *sim;
    ns3c_router *parent;
    ns3c_host *host = nullptr;            /* one of these */
    ns3c_router *router = nullptr;        /* is below */
    std::unique_ptr<ns3c::Medium> medium; /* NULL for our own model */
    uint32_t mtu = ns3c::MTU_MAX;
    bool enabled = true;
    ns3c::Pipe up;
    ns3c::Pipe down;
    std::vector<ns3c_address> addresses;
};

#endif
