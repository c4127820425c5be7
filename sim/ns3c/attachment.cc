#include "sim/ns3c/attachment.h"

#include <algorithm>

#include "sim/ns3c/host.h"
#include "sim/ns3c/medium.h"
#include "sim/ns3c/router.h"

using namespace ns3c;

/* --- our own link -------------------------------------------------------------------------------------------------- */

static bool link_config_of(link_config *out, const ns3c_link *link, const char *which, ns3c_error *error)
{
    if (raw(link->discipline) != NS3C_DROP_TAIL && raw(link->discipline) != NS3C_CODEL)
        return fail(error, NS3C_INVALID, "%s: discipline must be NS3C_DROP_TAIL or NS3C_CODEL", which);
    *out = link_config{};
    out->rate_bps = link->rate_bps;
    out->delay = link->delay;
    out->jitter = link->jitter;
    out->loss = link->loss;
    out->loss_burst = link->loss_burst;
    out->queue_bytes = link->queue_bytes;
    out->discipline = link->discipline == NS3C_CODEL ? LINK_CODEL : LINK_DROP_TAIL;
    out->overhead_bytes = link->overhead_bytes;
    struct error why = {};
    return link_config_check(out, &why) || fail(error, NS3C_INVALID, "%s: %.200s", which, why.text);
}

void Pipe::schedule(Packet *packet, ns3c_nanos at, Stage stage, ns3c_attachment *where)
{
    packet->next = nullptr;
    if (latest != nullptr && latest_at == at && latest->stage == stage && latest->where == where) {
        latest_end->next = packet;
        latest_end = packet;
        return;
    }
    if (latest != nullptr)
        latest->pipe = nullptr;
    packet->stage = stage;
    packet->where = where;
    packet->pipe = this;
    latest = latest_end = packet;
    latest_at = at;
    attachment->sim->schedule(at, packet);
}

/* A chain without those that have moved on; NULL when nothing is left. */
static Packet *still_here(Packet *chain)
{
    Packet *first = nullptr;
    Packet **end = &first;
    for (Packet *packet = chain, *behind; packet != nullptr; packet = behind) {
        behind = packet->next;
        if (packet->stage == Stage::NOWHERE) {
            packet->sim->packets.give(packet);
            continue;
        }
        *end = packet;
        end = &packet->next;
    }
    *end = nullptr;
    return first;
}

void Packet::Notify()
{
    if (pipe != nullptr) {
        pipe->latest = nullptr;
        pipe = nullptr;
    }
    Packet *first = next != nullptr || stage == Stage::NOWHERE ? still_here(this) : this;
    if (first == nullptr)
        return;
    ns3c_attachment *below = first->where;
    if (first->stage != Stage::ENTER_DOWN)
        return below->arrived(first);
    for (Packet *packet = first, *behind; packet != nullptr; packet = behind) {
        behind = packet->next;
        below->parent->inside_taps.see(packet, true, packet->sim->now());
        below->send(NS3C_DOWN, packet);
    }
}

void Pipe::arrive(Packet *packet, ns3c_nanos at)
{
    if (direction == NS3C_DOWN) {
        schedule(packet, at, Stage::AT_CHILD, attachment);
    } else if (attachment->parent->is_site()) {
        /* What a site does depends on nothing that could change until then, so it is done now: the packet goes straight to
         * the downlink at the other side of the core, by one event. */
        ns3c_nanos delay;
        ns3c_attachment *below = attachment->parent->across_core(packet, &delay);
        if (below != nullptr)
            schedule(packet, at + delay, Stage::ENTER_DOWN, below);
        else
            link_forget(&link);
    } else {
        schedule(packet, at, Stage::AT_PARENT, attachment);
    }
}

void Pipe::offer(Packet *packet)
{
    ns3c_nanos at;
    switch (link_transit(&link, packet, packet->view.len, attachment->sim->now(), &at)) {
    case LINK_ARRIVES:
        arrive(packet, at);
        break;
    case LINK_QUEUED:
        if (!departure_scheduled) {
            departure_scheduled = true;
            attachment->sim->schedule(link_deadline(&link), &departure);
        }
        break;
    case LINK_OVERFLOWED:
    case LINK_SHED:
    case LINK_LOST:
        attachment->sim->packets.give(packet);
        break;
    }
}

void Pipe::depart()
{
    departure_scheduled = false;
    struct link_departure departed;
    while (link_depart(&link, attachment->sim->now(), &departed)) {
        auto *packet = static_cast<Packet *>(departed.packet);
        if (departed.fate == LINK_ARRIVES)
            arrive(packet, departed.arrives_at);
        else
            attachment->sim->packets.give(packet);
    }
    if (link_deadline(&link) != NANOS_NEVER) {
        departure_scheduled = true;
        attachment->sim->schedule(link_deadline(&link), &departure);
    }
}

bool Pipe::configure(const link_config &config, struct error *error)
{
    if (!link_configure(&link, &config, attachment->sim->now(), error))
        return false;
    ns3c_nanos at;
    for (uint32_t i = 0; void **waiting = link_waiting(&link, i, &at); i++) {
        auto *packet = static_cast<Packet *>(*waiting);
        Packet *moved = packet != nullptr ? packet->move() : nullptr;
        if (moved == nullptr)
            continue;
        *waiting = moved;
        if (moved->stage == Stage::ENTER_DOWN)
            at += attachment->parent->core_delay(moved->where);
        schedule(moved, at, moved->stage, moved->where);
    }
    return true;
}

/* --- attachments --------------------------------------------------------------------------------------------------- */

ns3c_attachment::ns3c_attachment(ns3c_sim *sim, ns3c_router *parent)
    : sim(sim), parent(parent), up(this, NS3C_UP), down(this, NS3C_DOWN)
{
}

ns3c_attachment::~ns3c_attachment() = default;

void ns3c_attachment::detach() { medium.reset(); }

bool ns3c_attachment::configure(const ns3c_attachment_config *config, ns3c_error *error)
{
    bool ipv6 = false;
    if (config->address_count > 0 && config->addresses == nullptr)
        return fail(error, NS3C_INVALID, "addresses: address_count is not 0, but there are none");
    if (config->address_count > 65536)
        return fail(error, NS3C_INVALID, "address_count must be 0 to 65536");
    for (size_t i = 0; i < config->address_count; i++) {
        if (!check_address(&config->addresses[i], false, "addresses", error))
            return false;
        ipv6 = ipv6 || config->addresses[i].family == 6;
    }
    uint32_t mtu_min = ipv6 ? 1280 : 576;
    mtu = config->mtu != 0 ? config->mtu : uint32_t{MTU_MAX};
    if (mtu < mtu_min || mtu > MTU_MAX)
        return fail(error, NS3C_INVALID, "mtu must be %u to %d", mtu_min, MTU_MAX);
    sim->mtu_min = std::min(sim->mtu_min, mtu);
    if (raw(config->medium) != NS3C_MODEL) {
        medium = medium_create(this, config, error);
        return medium != nullptr;
    }
    if (config->queue_disc != nullptr)
        return fail(error, NS3C_INVALID, "queue_disc needs an ns-3 medium: NS3C_POINT_TO_POINT or NS3C_CSMA");
    link_config up_config;
    link_config down_config;
    if (!link_config_of(&up_config, &config->up, "up", error) ||
        !link_config_of(&down_config, &config->down, "down", error))
        return false;
    link_init(&up.link, &up_config, sim->seed, sim->links++, nullptr);
    link_init(&down.link, &down_config, sim->seed, sim->links++, nullptr);
    return true;
}

bool ns3c_attachment::add_address(const ns3c_address *address, ns3c_error *error)
{
    AddressKey key = key_of_ip(*address);
    addresses.reserve(addresses.size() + 1);
    for (ns3c_attachment *at = this;; at = at->parent->uplink) {
        if (!at->parent->below().insert(key, at)) {
            for (ns3c_attachment *undo = this; undo != at; undo = undo->parent->uplink)
                undo->parent->below().erase(key);
            return fail(error, NS3C_BUSY, "an address given is taken already below or beside '%s'",
                        at->parent->name.c_str());
        }
        if (at->parent->is_site() || at->parent->hook != nullptr)
            break;
    }
    addresses.push_back(*address);
    return host == nullptr || host->adopt_address(this, *address, error);
}

bool ns3c_attachment::add_addresses(const ns3c_attachment_config *config, ns3c_error *error)
{
    for (size_t i = 0; i < config->address_count; i++) {
        if (add_address(&config->addresses[i], error))
            continue;
        for (const ns3c_address &address : addresses)
            for (ns3c_attachment *at = this;; at = at->parent->uplink) {
                at->parent->below().erase(key_of_ip(address));
                if (at->parent->is_site() || at->parent->hook != nullptr)
                    break;
            }
        return false;
    }
    return true;
}

void ns3c_attachment::send(ns3c_direction direction, Packet *packet)
{
    if (!enabled || packet->view.len > mtu) {
        ++*(enabled ? &sim->counters.too_big : &sim->counters.disabled);
        sim->packets.give(packet);
        return;
    }
    sim->counters.hops++;
    if (medium != nullptr)
        medium->send(direction, packet);
    else
        (direction == NS3C_UP ? up : down).offer(packet);
}

void ns3c_attachment::arrived(Packet *chain)
{
    bool to_child = chain->stage == Stage::AT_CHILD;
    if (enabled && to_child && host != nullptr) {
        host->receive(chain);
        return;
    }
    for (Packet *packet = chain; packet != nullptr;) {
        Packet *behind = packet->next;
        if (!enabled) {
            sim->counters.disabled++;
            sim->packets.give(packet);
        } else if (to_child) {
            router->from_above(packet);
        } else if (parent->is_site()) {
            up.arrive(packet, sim->now()); /* only from an ns-3 medium */
        } else {
            parent->from_below(packet);
        }
        packet = behind;
    }
}

extern "C" bool ns3c_attachment_set_link(struct ns3c_attachment *attachment, enum ns3c_direction direction,
                                         const struct ns3c_link *link, struct ns3c_error *error)
{
    if (attachment == nullptr || link == nullptr)
        return fail(error, NS3C_INVALID, "needs an attachment and a link");
    if (raw(direction) != NS3C_UP && raw(direction) != NS3C_DOWN)
        return fail(error, NS3C_INVALID, "the direction must be NS3C_UP or NS3C_DOWN");
    if (attachment->medium != nullptr)
        return guarded(error, false, [&] { return attachment->medium->set_link(direction, *link, error); });
    link_config config;
    if (!link_config_of(&config, link, direction == NS3C_UP ? "up" : "down", error))
        return false;
    struct error why = {};
    Pipe &pipe = direction == NS3C_UP ? attachment->up : attachment->down;
    return pipe.configure(config, &why) || fail(error, NS3C_INVALID, "%.200s", why.text);
}

extern "C" void ns3c_attachment_count(const struct ns3c_attachment *attachment, enum ns3c_direction direction,
                                      struct ns3c_link_counters *out)
{
    if (out == nullptr)
        return;
    *out = ns3c_link_counters{};
    if (attachment == nullptr)
        return;
    const link_counters &in = (raw(direction) == NS3C_UP ? attachment->up : attachment->down).link.counters;
    out->offered = in.offered;
    out->offered_bytes = in.offered_bytes;
    out->delivered = in.delivered;
    out->delivered_bytes = in.delivered_bytes;
    out->overflowed = in.overflowed;
    out->shed = in.shed;
    out->lost = in.lost;
    out->queue_delay_max = in.queue_delay_max;
    out->queue_delay_sum = in.queue_delay_sum;
}

extern "C" void ns3c_attachment_enable(struct ns3c_attachment *attachment, bool enabled)
{
    if (attachment != nullptr)
        attachment->enabled = enabled;
}

extern "C" bool ns3c_attachment_add_address(struct ns3c_attachment *attachment, const struct ns3c_address *address,
                                            struct ns3c_error *error)
{
    if (attachment == nullptr)
        return fail(error, NS3C_INVALID, "no attachment given");
    if (!check_address(address, false, "address", error))
        return false;
    if (address->family == 6 && attachment->mtu < 1280)
        return fail(error, NS3C_INVALID, "IPv6 needs an MTU of at least 1280");
    if (attachment->host != nullptr && attachment->host->find(*address) != nullptr)
        return fail(error, NS3C_BUSY, "'%s' has that address already", attachment->host->name.c_str());
    return guarded(error, false, [&] { return attachment->add_address(address, error); });
}
