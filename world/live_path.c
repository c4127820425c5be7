/* The way of a packet of an emulated host: out through its NATs and uplink to a real socket, and from a real socket
 * through downlink and NATs in.
 *
 *     socket -> [ NAT ] -> uplink -> [ carrier's NAT ] -> core delay -> real socket
 *     socket <- [ NAT ] <- downlink <- [ carrier's NAT ] <------------- real socket
 *
 * The core's delay is on the sender's side of the real sockets, so that each path has it once. */
#include <stdlib.h>

#include "world/live_network.h"

enum { INBOX = 64 };

/* --- real sockets, by their address ------------------------------------------------------------------------------------------ */

static struct live_port *port_find(const struct live_world *live, const struct address *address)
{
    struct live_port *port;
    HASH_FIND(hh, live->ports, address, sizeof *address, port);
    return port;
}

void live_path_open(struct live_box *box, const struct address *external)
{
    struct live_world *live = box->live;
    struct live_port *port = port_find(live, external);
    if (port != NULL) {
        port->mappings++;
        return;
    }
    port = live_port_open(live, external, LIVE_ALONE, live_path_received, box, NULL);
    if (port == NULL) {
        live->statistics.sockets_refused++;
        return;
    }
    port->mappings = 1;
    HASH_ADD(hh, live->ports, address, sizeof port->address, port);
    if (port->hh.tbl == NULL) {
        live->statistics.sockets_refused++;
        live_port_close(port);
    }
}

void live_path_close(struct live_box *box, const struct address *external)
{
    struct live_port *port = port_find(box->live, external);
    if (port == NULL || --port->mappings > 0)
        return;
    HASH_DEL(box->live->ports, port);
    live_port_close(port);
}

/* --- NATs ------------------------------------------------------------------------------------------------------------------ */

static enum nat_verdict translate(struct live_box *box, bool outbound, struct live_packet *packet)
{
    struct nat_packet seen = {.source = packet->source, .destination = packet->destination, .protocol = NAT_UDP};
    nanos now = live_now(box->live);
    enum nat_verdict verdict = outbound ? nat_outbound(box->nat, &seen, now) : nat_inbound(box->nat, &seen, now);
    packet->source = seen.source;
    packet->destination = seen.destination;
    if (box->expiry.deadline.slot == 0)
        live_deadline_set(box->live, &box->expiry, nat_deadline(box->nat));
    return verdict;
}

/* --- handing over ------------------------------------------------------------------------------------------------------------- */

void live_inbox_flush(struct live_world *live)
{
    struct datagram batch[INBOX];
    struct live_packet *packet = live->inbox;
    struct world_udp *udp = live->inbox_udp;
    size_t count = 0;
    for (; packet != NULL; packet = packet->next)
        batch[count++] = (struct datagram){
            .local = packet->destination, .remote = packet->source, .data = packet->bytes, .len = packet->len};
    packet = live->inbox;
    live->inbox = NULL;
    live->inbox_udp = NULL;
    live->inbox_count = 0;
    if (count > 0)
        live_udp_deliver(udp, batch, count, live_now(live));
    while (packet != NULL) {
        struct live_packet *next = packet->next;
        live_packet_free(live, packet);
        packet = next;
    }
}

void live_inbox_add(struct live_world *live, struct world_udp *udp, struct live_packet *packet)
{
    if (live->inbox_udp != udp || live->inbox_count == INBOX)
        live_inbox_flush(live);
    packet->next = NULL;
    if (live->inbox == NULL)
        live->inbox = packet;
    else
        live->inbox_last->next = packet;
    live->inbox_last = packet;
    live->inbox_udp = udp;
    live->inbox_count++;
}

/* To a host of this LAN. */
static void deliver(struct live_lan *lan, struct live_packet *packet)
{
    struct live_world *live = lan->live;
    /* What waits may close this one when it is handed over. */
    if (live->inbox_udp != live_udp_find(live, &packet->destination))
        live_inbox_flush(live);
    struct world_udp *udp = live_udp_find(live, &packet->destination);
    if (udp == NULL || live_udp_host(udp)->lan != lan)
        live_packet_free(live, packet);
    else
        live_inbox_add(live, udp, packet);
}

/* Not before the sender has returned: nobody is called back while it calls. */
static void go_soon(struct live_world *live, struct live_packet *packet, nanos now)
{
    packet->next = NULL;
    if (live->soon == NULL)
        live->soon = packet;
    else
        live->soon_last->next = packet;
    live->soon_last = packet;
    live_deadline_set(live, &live->soon_due, now);
}

void live_path_soon(void *user, nanos now)
{
    struct live_world *live = user;
    struct live_packet *packet = live->soon;
    live->soon = NULL;
    while (packet != NULL) {
        struct live_packet *next = packet->next;
        const struct live_place *place = live_place_find(live, &packet->destination);
        if (place == NULL || place->lan == NULL)
            live_packet_free(live, packet);
        else if (place->carrier != NULL)
            live_pipe_put(&place->lan->down, packet, now);
        else
            deliver(place->lan, packet);
        packet = next;
    }
    live_inbox_flush(live);
}

/* --- out ---------------------------------------------------------------------------------------------------------------------- */

bool live_path_leads_out(const struct live_world *live, const struct address *destination,
                         const struct live_place *place)
{
    enum address_scope scope = address_scope(destination);
    if (place != NULL)
        return !place->hidden;
    bool local = scope == ADDRESS_PRIVATE || scope == ADDRESS_SPECIAL || scope == ADDRESS_LINK_LOCAL;
    bool outside = scope == ADDRESS_GLOBAL || (local && live->config.private_network);
    return scope == ADDRESS_LOOPBACK || (outside && !live->config.loopback_only);
}

struct live_pipe *live_path_wire(struct live_world *live, int from, int to)
{
    struct live_pipe **wire = &live->wires[from * INTERNET_SITES_MAX + to];
    if (*wire == NULL && live->delays[from][to] > 0) {
        *wire = calloc(1, sizeof **wire);
        if (*wire != NULL && !live_pipe_init(*wire, live, &(struct link_config){.delay = live->delays[from][to]}, 0,
                                             live_path_through, live, NULL)) {
            free(*wire);
            *wire = NULL;
        }
    }
    return *wire;
}

/* Out of the core: of a datagram to the real socket; a segment is at one end or the other. */
void live_path_through(void *user, struct live_packet *packet, nanos now)
{
    struct live_world *live = user;
    if (packet->tunnel != NULL) {
        live_tunnel_through(packet, now);
        return;
    }
    struct live_port *port = port_find(live, &packet->source);
    if (port != NULL)
        live_port_send(port,
                       &(struct datagram){.remote = packet->destination, .data = packet->bytes, .len = packet->len});
    live_packet_free(live, packet);
}

static void through_core(struct live_lan *lan, struct live_packet *packet, nanos now)
{
    struct live_world *live = lan->live;
    const struct live_place *place = live_place_find(live, &packet->destination);
    if (!live_path_leads_out(live, &packet->destination, place)) {
        live->statistics.unroutable++;
        live_packet_free(live, packet);
        return;
    }
    struct live_pipe *wire = place != NULL ? live_path_wire(live, lan->site, place->site) : NULL;
    if (wire != NULL)
        live_pipe_put(wire, packet, now);
    else
        live_path_through(live, packet, now);
}

/* To a home behind the same carrier's NAT; false when there is none at that address. */
static bool to_neighbour(struct live_lan *lan, struct live_packet *packet, nanos now)
{
    const struct live_place *place = live_place_find(lan->live, &packet->destination);
    if (place == NULL || place->carrier == NULL || place->carrier != lan->boxes[1])
        return false;
    go_soon(lan->live, packet, now);
    return true;
}

void live_path_beyond(void *user, struct live_packet *packet, nanos now)
{
    struct live_lan *lan = user;
    if (packet->tunnel != NULL) {
        live_tunnel_beyond(packet, now);
        return;
    }
    if (lan->box_count > 1 && !to_neighbour(lan, packet, now)) {
        enum nat_verdict verdict = translate(lan->boxes[1], true, packet);
        if (verdict == NAT_FORWARD)
            through_core(lan, packet, now);
        else if (verdict == NAT_DROP || !to_neighbour(lan, packet, now))
            live_packet_free(lan->live, packet);
    } else if (lan->box_count <= 1) {
        through_core(lan, packet, now);
    }
}

/* Nothing delays it: a server's datagrams take no detour. */
static bool is_straight(const struct live_lan *lan, const struct live_port *port, const struct live_place *place)
{
    struct live_world *live = lan->live;
    return port != NULL && lan->box_count == 0 && live_pipe_is_ideal(&lan->up) &&
           (place == NULL || (!place->hidden && live->delays[lan->site][place->site] == 0));
}

void live_path_send(struct world_host *host, const struct address *source, struct live_port *port,
                    const struct datagram *datagram, nanos now)
{
    struct live_lan *lan = host->lan;
    struct live_world *live = host->live;
    const struct live_place *place = live_place_find(live, &datagram->remote);
    if (datagram->remote.family != ADDRESS_IPV4 || datagram->remote.port == 0) {
        live->statistics.udp_refused++;
        return;
    }
    if (is_straight(lan, port, place)) {
        if (live_path_leads_out(live, &datagram->remote, place))
            live_port_send(port, datagram);
        else
            live->statistics.unroutable++;
        return;
    }
    struct live_packet *packet = live_packet_create(live, datagram->data, datagram->len);
    if (packet == NULL)
        return;
    packet->source = *source;
    packet->destination = datagram->remote;
    bool own = place != NULL && place->lan == lan && place->host;
    enum nat_verdict verdict = own || lan->box_count == 0 ? NAT_FORWARD : translate(lan->boxes[0], true, packet);
    if (own || verdict == NAT_HAIRPIN)
        go_soon(live, packet, now);
    else if (verdict == NAT_FORWARD)
        live_pipe_put(&lan->up, packet, now);
    else
        live_packet_free(live, packet);
}

/* --- in ------------------------------------------------------------------------------------------------------------------------ */

void live_path_arrived(void *user, struct live_packet *packet, nanos now)
{
    struct live_lan *lan = user;
    if (packet->tunnel != NULL)
        live_tunnel_arrived(packet, now);
    else if (lan->box_count > 0 && translate(lan->boxes[0], false, packet) == NAT_DROP)
        live_packet_free(lan->live, packet);
    else
        deliver(lan, packet);
}

/* `user` is the box whose external endpoint it is. */
void live_path_received(void *user, struct live_port *port, struct datagram *batch, size_t count, nanos now)
{
    struct live_box *box = user;
    struct live_world *live = box->live;
    (void)port; /* what is handed over may end the mapping: it may be gone after the first one */
    for (size_t i = 0; i < count; i++) {
        struct live_packet *packet = live_packet_create(live, batch[i].data, batch[i].len);
        if (packet == NULL)
            continue;
        packet->source = batch[i].remote;
        packet->destination = batch[i].local;
        struct live_lan *lan = box->lan;
        if (lan == NULL && translate(box, false, packet) == NAT_FORWARD) {
            const struct live_place *place = live_place_find(live, &packet->destination);
            lan = place != NULL ? place->lan : NULL;
        }
        if (lan == NULL)
            live_packet_free(live, packet);
        else
            live_pipe_put(&lan->down, packet, now);
    }
    live_inbox_flush(live);
}

void live_path_to_host(struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    struct live_lan *lan = live_udp_host(udp)->lan;
    struct live_world *live = lan->live;
    if (lan->box_count == 0 && live_pipe_is_ideal(&lan->down)) {
        live_udp_deliver(udp, batch, count, now);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct live_packet *packet = live_packet_create(live, batch[i].data, batch[i].len);
        if (packet == NULL)
            continue;
        packet->source = batch[i].remote;
        packet->destination = batch[i].local;
        live_pipe_put(&lan->down, packet, now);
    }
    live_inbox_flush(live);
}
