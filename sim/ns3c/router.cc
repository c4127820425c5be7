#include "sim/ns3c/router.h"

#include "sim/ns3c/wifi.h"

using namespace ns3c;

enum { SITES_MAX = 1024 };

ns3c_router::ns3c_router(ns3c_sim *sim, const char *name) : sim(sim), name(name) {}
ns3c_router::~ns3c_router() = default;

/* --- forwarding ---------------------------------------------------------------------------------------------------- */

void ns3c_router::drop(Packet *packet, uint64_t *counter)
{
    ++*counter;
    sim->packets.give(packet);
}

ns3c_attachment *ns3c_router::across_core(Packet *packet, ns3c_nanos *delay)
{
    ns3c_attachment *below = sim->core.find(key_of_ip(packet->view.dst));
    if (below == nullptr || !packet_decrement_ttl(packet)) {
        drop(packet, &sim->counters.no_route);
        return nullptr;
    }
    *delay = core_delay(below);
    return below;
}

ns3c_nanos ns3c_router::core_delay(const ns3c_attachment *below) const
{
    size_t sites = sim->sites.size();
    return sim->site_delays[sites > 1 ? site * sites + below->parent->site : 0];
}

/* Lets the hook see the packet and applies what it changed. False when it goes no further. */
bool ns3c_router::ask_hook(ns3c_direction direction, Packet *packet, bool *hairpin)
{
    const ns3c_packet before = packet->view;
    ns3c_verdict verdict = hook(hook_context, direction, &packet->view, sim->now());
    ns3c_address src = packet->view.src;
    ns3c_address dst = packet->view.dst;
    packet->view = before; /* a hook changes nothing but addresses */
    *hairpin = raw(verdict) == NS3C_HAIRPIN && direction == NS3C_UP;
    if ((raw(verdict) != NS3C_PASS && !*hairpin) || src.family != before.src.family || dst.family != before.dst.family)
        return false;
    if (memcmp(&src, &before.src, sizeof src) != 0 || memcmp(&dst, &before.dst, sizeof dst) != 0) {
        packet->view.src = src;
        packet->view.dst = dst;
        packet_rewrite(packet, before.src, before.dst);
    }
    return true;
}

void ns3c_router::down_to(ns3c_attachment *below, Packet *packet, bool from_outside)
{
    /* What goes from one inside to another was seen when it came in. */
    if (from_outside)
        inside_taps.see(packet, true, sim->now());
    below->send(NS3C_DOWN, packet);
}

void ns3c_router::from_below(Packet *packet)
{
    inside_taps.see(packet, false, sim->now());
    if (!packet_decrement_ttl(packet))
        return drop(packet, &sim->counters.no_route);
    ns3c_attachment *below = inside.find(key_of_ip(packet->view.dst));
    if (below != nullptr)
        return down_to(below, packet, false);
    if (hook != nullptr) {
        bool hairpin;
        if (!ask_hook(NS3C_UP, packet, &hairpin))
            return drop(packet, &sim->counters.refused_by_hook);
        if (hairpin) {
            below = inside.find(key_of_ip(packet->view.dst));
            return below != nullptr ? down_to(below, packet, true) : drop(packet, &sim->counters.no_route);
        }
    }
    outside_taps.see(packet, true, sim->now());
    uplink->send(NS3C_UP, packet);
}

void ns3c_router::from_above(Packet *packet)
{
    outside_taps.see(packet, false, sim->now());
    if (!packet_decrement_ttl(packet))
        return drop(packet, &sim->counters.no_route);
    bool hairpin;
    if (hook != nullptr && !ask_hook(NS3C_DOWN, packet, &hairpin))
        return drop(packet, &sim->counters.refused_by_hook);
    ns3c_attachment *below = inside.find(key_of_ip(packet->view.dst));
    if (below == nullptr)
        return drop(packet, &sim->counters.no_route);
    down_to(below, packet, true);
}

/* --- making them ---------------------------------------------------------------------------------------------------- */

extern "C" struct ns3c_router *ns3c_site_create(struct ns3c_sim *sim, const char *name, struct ns3c_error *error)
{
    if (sim == nullptr) {
        fail(error, NS3C_INVALID, "no simulation given");
        return nullptr;
    }
    if (!check_name(name, error))
        return nullptr;
    if (sim->sites.size() == SITES_MAX) {
        fail(error, NS3C_UNSUPPORTED, "there can be at most %d sites", SITES_MAX);
        return nullptr;
    }
    return guarded(error, static_cast<ns3c_router *>(nullptr), [&] {
        auto site = std::make_unique<ns3c_router>(sim, name);
        size_t count = sim->sites.size();
        std::vector<ns3c_nanos> delays((count + 1) * (count + 1), 0);
        for (size_t a = 0; a < count; a++)
            std::copy_n(&sim->site_delays[a * count], count, &delays[a * (count + 1)]);
        sim->sites.reserve(count + 1);
        sim->routers.push_back(std::move(site));
        ns3c_router *made = sim->routers.back().get();
        made->site = count;
        sim->sites.push_back(made);
        sim->site_delays = std::move(delays);
        return made;
    });
}

extern "C" bool ns3c_site_delay(struct ns3c_router *a, struct ns3c_router *b, ns3c_nanos one_way,
                                struct ns3c_error *error)
{
    if (a == nullptr || b == nullptr || a->sim != b->sim || !a->is_site() || !b->is_site())
        return fail(error, NS3C_INVALID, "needs two sites of one simulation");
    if (one_way < 0 || one_way > 3600 * NANOS_PER_S)
        return fail(error, NS3C_INVALID, "a site delay must be 0 to 1 hour");
    size_t count = a->sim->sites.size();
    a->sim->site_delays[a->site * count + b->site] = one_way;
    a->sim->site_delays[b->site * count + a->site] = one_way;
    return true;
}

extern "C" struct ns3c_router *ns3c_router_create(struct ns3c_router *parent, const char *name,
                                                  const struct ns3c_attachment_config *config, ns3c_hook hook,
                                                  void *context, struct ns3c_error *error)
{
    if (parent == nullptr || config == nullptr) {
        fail(error, NS3C_INVALID, "a router needs a parent and a config");
        return nullptr;
    }
    if (!check_name(name, error))
        return nullptr;
    return guarded(error, static_cast<ns3c_router *>(nullptr), [&]() -> ns3c_router * {
        ns3c_sim *sim = parent->sim;
        auto router = std::make_unique<ns3c_router>(sim, name);
        auto uplink = std::make_unique<ns3c_attachment>(sim, parent);
        uplink->router = router.get();
        router->uplink = uplink.get();
        router->hook = hook;
        router->hook_context = context;
        if (!uplink->configure(config, error) || !uplink->add_addresses(config, error))
            return nullptr;
        sim->attachments.push_back(std::move(uplink));
        sim->routers.push_back(std::move(router));
        return sim->routers.back().get();
    });
}

extern "C" struct ns3c_attachment *ns3c_router_attachment(struct ns3c_router *router)
{
    return router != nullptr ? router->uplink : nullptr;
}
