#include "sim/ns3c/host.h"

#include <new>

#include "sim/ns3c/router.h"
#include "sim/ns3c/tcp.h"
#include "sim/ns3c/wifi.h"

using namespace ns3c;

enum { BATCH = 64 };

ns3c_host::ns3c_host(ns3c_sim *sim, const char *name)
    : sim(sim), name(name), ports(rng_of(sim->seed, "ports", sim->hosts.size())), loopback(nullptr, NS3C_DOWN)
{
}

ns3c_host::~ns3c_host() = default;

void ns3c_host::close_all()
{
    while (first_socket != nullptr)
        close_udp(first_socket);
    tcp_.reset();
}

bool ns3c_host::adopt_address(ns3c_attachment *attachment, const ns3c_address &address, ns3c_error *error)
{
    if (!own.insert(key_of_ip(address), attachment))
        return fail(error, NS3C_BUSY, "'%s' has that address already", name.c_str());
    own_bits |= bit_of(key_of_ip(address));
    addresses.push_back(address);
    if (tcp_ != nullptr)
        tcp_->add_address(address);
    return true;
}

TcpStack *ns3c_host::tcp()
{
    if (tcp_ == nullptr) {
        auto stack = std::make_unique<TcpStack>(this);
        for (const ns3c_address &address : addresses)
            stack->add_address(address);
        tcp_ = std::move(stack);
    }
    return tcp_.get();
}

/* --- packets --------------------------------------------------------------------------------------------------------- */

void ns3c_host::send(ns3c_attachment *attachment, Packet *packet)
{
    sim->counters.sent++;
    taps.see(packet, true, sim->now());
    if (find(packet->view.dst) == nullptr) {
        attachment->send(NS3C_UP, packet);
    } else {
        loopback.attachment = attachment;
        loopback.schedule(packet, sim->now(), Stage::AT_CHILD, attachment);
    }
}

/* Hands the run of datagrams for one socket that starts the chain to it; returns what is behind. */
Packet *ns3c_host::receive_udp(Packet *first)
{
    ns3c_udp *udp = recent;
    if (udp == nullptr || memcmp(&udp->local, &first->view.dst, sizeof udp->local) != 0)
        udp = sockets.find(key_of_socket(first->view.dst));
    recent = udp;
    ns3c_datagram batch[BATCH];
    size_t count = 0;
    Packet *end = first;
    do {
        taps.see(end, false, sim->now());
        batch[count++] = {end->view.dst, end->view.src, const_cast<uint8_t *>(end->view.payload),
                          end->view.payload_len};
        end = end->next;
    } while (end != nullptr && count < BATCH && end->view.protocol == PROTOCOL_UDP &&
             memcmp(&end->view.dst, &first->view.dst, sizeof end->view.dst) == 0);
    if (udp != nullptr) {
        sim->counters.received += count;
        udp->received(udp->context, udp, batch, count, sim->now());
    } else {
        sim->counters.no_socket += count;
    }
    while (first != end) {
        Packet *behind = first->next;
        sim->packets.give(first);
        first = behind;
    }
    return end;
}

void ns3c_host::receive_tcp(Packet *packet)
{
    taps.see(packet, false, sim->now());
    if (tcp_ != nullptr && tcp_->receive(packet)) {
        sim->counters.received++;
        return;
    }
    sim->counters.no_socket++;
    Packet *rst = sim->packets.take(RST_PACKET_LEN);
    ns3c_attachment *from = find(packet->view.dst);
    if (rst != nullptr && from != nullptr && packet_build_rst(rst, *packet))
        send(from, rst);
    else if (rst != nullptr)
        sim->packets.give(rst);
}

void ns3c_host::receive(Packet *chain)
{
    while (chain != nullptr) {
        if (chain->view.protocol == PROTOCOL_UDP) {
            chain = receive_udp(chain);
            continue;
        }
        Packet *behind = chain->next;
        if (chain->view.protocol == PROTOCOL_TCP)
            receive_tcp(chain);
        else
            sim->counters.no_socket++;
        sim->packets.give(chain);
        chain = behind;
    }
}

/* --- UDP ------------------------------------------------------------------------------------------------------------- */

ns3c_udp *ns3c_host::open_udp(const ns3c_address &local, ns3c_udp_received received, void *context, ns3c_error *error)
{
    ns3c_attachment *attachment = find(local);
    if (attachment == nullptr) {
        fail(error, NS3C_INVALID, "local: not an address of '%s'", name.c_str());
        return nullptr;
    }
    ns3c_address address = local;
    for (int tries = 0; local.port == 0; tries++) {
        if (tries == PORT_TRIES) {
            fail(error, NS3C_BUSY, "'%s' has no free port", name.c_str());
            return nullptr;
        }
        address.port = draw_port();
        if (sockets.find(key_of_socket(address)) == nullptr)
            break;
    }
    auto udp = std::make_unique<ns3c_udp>();
    *udp = {this, attachment, address, received, context, nullptr, first_socket};
    if (!sockets.insert(key_of_socket(address), udp.get())) {
        fail(error, NS3C_BUSY, "port %u of '%s' is taken", address.port, name.c_str());
        return nullptr;
    }
    if (first_socket != nullptr)
        first_socket->previous = udp.get();
    first_socket = udp.get();
    return udp.release();
}

void ns3c_host::close_udp(ns3c_udp *udp)
{
    sockets.erase(key_of_socket(udp->local));
    recent = recent == udp ? nullptr : recent;
    (udp->previous != nullptr ? udp->previous->next : first_socket) = udp->next;
    if (udp->next != nullptr)
        udp->next->previous = udp->previous;
    delete udp;
}

extern "C" struct ns3c_udp *ns3c_udp_open(struct ns3c_host *host, const struct ns3c_address *local,
                                          ns3c_udp_received received, void *context, struct ns3c_error *error)
{
    if (host == nullptr || received == nullptr) {
        fail(error, NS3C_INVALID, "a UDP socket needs a host and a callback");
        return nullptr;
    }
    if (!check_address(local, true, "local", error))
        return nullptr;
    return guarded(error, static_cast<ns3c_udp *>(nullptr),
                   [&] { return host->open_udp(*local, received, context, error); });
}

extern "C" struct ns3c_address ns3c_udp_address(const struct ns3c_udp *udp)
{
    return udp != nullptr ? udp->local : ns3c_address{};
}

extern "C" size_t ns3c_udp_send(struct ns3c_udp *udp, const struct ns3c_datagram *batch, size_t count)
{
    if (udp == nullptr || batch == nullptr)
        return 0;
    ns3c_host *host = udp->host;
    ns3c_sim *sim = host->sim;
    size_t sent = 0;
    for (size_t i = 0; i < count; i++) {
        const ns3c_datagram &datagram = batch[i];
        if (datagram.remote.family != udp->local.family)
            continue;
        /* The subtraction can't wrap: headers are far smaller than any MTU. */
        if (datagram.len > udp->attachment->mtu - udp_packet_len(udp->local.family, 0)) {
            sim->counters.too_big++;
            continue;
        }
        Packet *packet = sim->packets.take(udp_packet_len(udp->local.family, datagram.len));
        if (packet == nullptr)
            break;
        /* What it needs next comes while the packet is built. */
        udp->attachment->up.expect();
        sim->core.expect(key_of_ip(datagram.remote));
        packet_build_udp(packet, udp->local, datagram.remote, datagram.data, datagram.len);
        host->send(udp->attachment, packet);
        sent++;
    }
    return sent;
}

extern "C" void ns3c_udp_close(struct ns3c_udp *udp)
{
    if (udp != nullptr)
        udp->host->close_udp(udp);
}

/* --- hosts ----------------------------------------------------------------------------------------------------------- */

extern "C" struct ns3c_host *ns3c_host_create(struct ns3c_sim *sim, const char *name, struct ns3c_error *error)
{
    if (sim == nullptr) {
        fail(error, NS3C_INVALID, "no simulation given");
        return nullptr;
    }
    if (!check_name(name, error))
        return nullptr;
    return guarded(error, static_cast<ns3c_host *>(nullptr), [&] {
        sim->hosts.push_back(std::make_unique<ns3c_host>(sim, name));
        return sim->hosts.back().get();
    });
}

extern "C" struct ns3c_attachment *ns3c_host_attach(struct ns3c_host *host, struct ns3c_router *router,
                                                    const struct ns3c_attachment_config *config,
                                                    struct ns3c_error *error)
{
    if (host == nullptr || router == nullptr || config == nullptr || host->sim != router->sim) {
        fail(error, NS3C_INVALID, "needs a host and a router of one simulation, and a config");
        return nullptr;
    }
    if (config->address_count == 0) {
        fail(error, NS3C_INVALID, "addresses: a host needs at least one");
        return nullptr;
    }
    return guarded(error, static_cast<ns3c_attachment *>(nullptr), [&]() -> ns3c_attachment * {
        auto attachment = std::make_unique<ns3c_attachment>(host->sim, router);
        if (!attachment->configure(config, error))
            return nullptr;
        for (size_t i = 0; i < config->address_count; i++)
            if (host->find(config->addresses[i]) != nullptr) {
                fail(error, NS3C_BUSY, "'%s' has that address already", host->name.c_str());
                return nullptr;
            }
        if (!attachment->add_addresses(config, error))
            return nullptr;
        attachment->host = host;
        for (const ns3c_address &address : attachment->addresses)
            host->adopt_address(attachment.get(), address, error);
        host->sim->attachments.push_back(std::move(attachment));
        return host->sim->attachments.back().get();
    });
}

extern "C" size_t ns3c_host_addresses(const struct ns3c_host *host, struct ns3c_address *out, size_t cap)
{
    if (host == nullptr)
        return 0;
    for (size_t i = 0; out != nullptr && i < cap && i < host->addresses.size(); i++)
        out[i] = host->addresses[i];
    return host->addresses.size();
}
