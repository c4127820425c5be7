/* TCP of emulated clients. The connection itself is a real one, made from the outermost NAT's external endpoint; between
 * it and the client its bytes take the client's links in segments, each as a packet among others, in a window that grows
 * and shrinks as RFC 5681 has it. What a link loses is sent again a round trip later, and what came meanwhile waits. */
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "world/live_network.h"

enum kind { SYN, SYN_ACK, DATA, FIN };

enum segment_state { WAITING, FLYING, LOST, ARRIVED };

enum {
    WINDOW_FIRST = 10, /* segments (RFC 6928) */
    WINDOW_MAX = 1024,
    BACKLOG_BYTES = 256 << 10, /* past that the real connection isn't read, or not written to */
    WAITING_MAX = 64 << 20,
};

#define CONNECT_TIMEOUT (20 * NANOS_PER_S) /* as a channel's in sim */
#define LINGER (30 * NANOS_PER_S)
#define SYN_RETRY NANOS_PER_S /* RFC 6298, section 2 */
#define BACKLOG_RETRY (10 * NANOS_PER_MS)

/* One direction. */
struct lane {
    struct live_tunnel *tunnel;
    struct live_packet *first, *last; /* in order; those that arrived early among them */
    struct live_packet *unsent;       /* the first that was never offered to the link */
    size_t bytes;                     /* in all of them */
    unsigned flying;
    unsigned lost;
    double window, threshold; /* segments */
    nanos shrunk_at;
    struct live_deadline retry;
    bool pumping;
};

struct live_tunnel {
    struct live_tunnel *prev, *next;
    struct live_world *live;
    struct world_host *host;
    struct live_lan *lan;
    int far_site; /* of the real connection's other end */
    const struct live_stream_callbacks *callbacks;
    void *user;
    struct live_stream *stream;
    struct address local, external, remote;
    struct lane up, down;
    nanos round_trip;
    struct live_deadline limit;
    bool established;
    bool ended;    /* the client was told so */
    bool closed;   /* by the client */
    bool finished; /* what still flies is forgotten as it lands */
    int busy;
    char reason[96];
};

static struct lane *lane_of(const struct live_packet *packet)
{
    return packet->destination.family == ADDRESS_NONE ? &packet->tunnel->down : &packet->tunnel->up;
}

/* --- the end ----------------------------------------------------------------------------------------------------------------- */

static void drop_grounded(struct live_world *live, struct lane *lane)
{
    struct live_packet *packet = lane->first;
    while (packet != NULL) {
        struct live_packet *after = packet->after;
        if (packet->state != FLYING)
            live_packet_free(live, packet);
        packet = after;
    }
    lane->first = lane->last = lane->unsent = NULL;
    lane->bytes = 0;
    lane->lost = 0;
    live_deadline_set(live, &lane->retry, NANOS_NEVER);
}

static void free_if_done(struct live_tunnel *tunnel)
{
    if (!tunnel->finished || tunnel->busy > 0 || tunnel->up.flying + tunnel->down.flying > 0)
        return;
    DL_DELETE(tunnel->live->tunnels, tunnel);
    free(tunnel);
}

/* Tells the NATs of a segment that they would see. */
static void tell_nats(struct live_tunnel *tunnel, bool outbound, uint8_t flags)
{
    struct live_lan *lan = tunnel->lan;
    struct nat_packet packet = {.protocol = NAT_TCP, .tcp_flags = flags};
    nanos now = live_now(tunnel->live);
    packet.source = outbound ? tunnel->local : tunnel->remote;
    packet.destination = outbound ? tunnel->remote : tunnel->external;
    for (size_t i = 0; i < lan->box_count && outbound; i++)
        nat_outbound(lan->boxes[i]->nat, &packet, now);
    for (size_t i = lan->box_count; i > 0 && !outbound; i--)
        nat_inbound(lan->boxes[i - 1]->nat, &packet, now);
}

static void finish(struct live_tunnel *tunnel)
{
    if (tunnel->finished)
        return;
    tunnel->finished = true;
    tell_nats(tunnel, true, NAT_TCP_FIN | NAT_TCP_ACK);
    if (tunnel->stream != NULL)
        live_stream_close(tunnel->stream);
    tunnel->stream = NULL;
    live_deadline_set(tunnel->live, &tunnel->limit, NANOS_NEVER);
    drop_grounded(tunnel->live, &tunnel->up);
    drop_grounded(tunnel->live, &tunnel->down);
    free_if_done(tunnel);
}

static void leave(struct live_tunnel *tunnel)
{
    tunnel->busy--;
    free_if_done(tunnel);
}

static bool has_listener(const struct live_tunnel *tunnel) { return !tunnel->closed && !tunnel->ended; }

static void end(struct live_tunnel *tunnel, const char *reason, nanos now)
{
    bool tell = has_listener(tunnel);
    tunnel->ended = true;
    live_deadline_set(tunnel->live, &tunnel->limit, NANOS_NEVER);
    if (tunnel->closed)
        finish(tunnel);
    else if (tell)
        tunnel->callbacks->ended(tunnel->user, reason, now);
}

/* --- lanes ------------------------------------------------------------------------------------------------------------------- */

/* At the end of the lane, marked as the lane's. NULL: out of memory. */
static struct live_packet *append(struct lane *lane, enum kind kind, const uint8_t *data, size_t len)
{
    struct live_packet *packet = live_packet_create(lane->tunnel->live, data, len);
    if (packet == NULL)
        return NULL;
    packet->tunnel = lane->tunnel;
    packet->kind = (uint8_t)kind;
    packet->state = WAITING;
    if (lane == &lane->tunnel->up)
        packet->destination = lane->tunnel->remote;
    if (lane->first == NULL)
        lane->first = packet;
    else
        lane->last->after = packet;
    lane->last = packet;
    if (lane->unsent == NULL)
        lane->unsent = packet;
    lane->bytes += len;
    return packet;
}

/* Bytes in segments; the last one that still waits is filled up first. */
static bool append_bytes(struct lane *lane, const uint8_t *data, size_t len)
{
    struct live_packet *last = lane->last;
    if (lane->unsent != NULL && last->kind == DATA && last->len < LIVE_MSS && last->small) {
        size_t room = LIVE_MSS - last->len;
        size_t part = len < room ? len : room;
        memcpy(last->bytes + last->len, data, part);
        last->len += (uint32_t)part;
        lane->bytes += part;
        data += part;
        len -= part;
    }
    while (len > 0) {
        size_t part = len < LIVE_MSS ? len : LIVE_MSS;
        if (append(lane, DATA, data, part) == NULL)
            return false;
        data += part;
        len -= part;
    }
    return true;
}

static void offer(struct lane *lane, struct live_packet *packet, nanos now)
{
    struct live_tunnel *tunnel = lane->tunnel;
    packet->state = FLYING;
    lane->flying++;
    if (tunnel->host->cut) {
        live_tunnel_lost(packet);
    } else if (lane == &tunnel->up) {
        live_pipe_put(&tunnel->lan->up, packet, now);
    } else {
        struct live_pipe *wire = live_path_wire(tunnel->live, tunnel->far_site, tunnel->lan->site);
        if (wire != NULL)
            live_pipe_put(wire, packet, now);
        else
            live_tunnel_through(packet, now);
    }
}

/* The lost ones whose time has come. Each may arrive as it is offered, and others with it: the search begins anew. */
static void offer_again(struct lane *lane, nanos now)
{
    nanos retry;
    struct live_packet *due;
    do {
        retry = NANOS_NEVER;
        due = NULL;
        for (struct live_packet *packet = lane->first; packet != NULL && due == NULL && lane->lost > 0;
             packet = packet->after) {
            if (packet->state == LOST && packet->at <= now)
                due = packet;
            else if (packet->state == LOST)
                retry = nanos_min(retry, packet->at);
        }
        if (due != NULL) {
            lane->lost--;
            offer(lane, due, now);
        }
    } while (due != NULL);
    live_deadline_set(lane->tunnel->live, &lane->retry, retry);
}

/* The real connection's other end doesn't read what it has. */
static bool held_up(const struct lane *lane)
{
    const struct live_tunnel *tunnel = lane->tunnel;
    return lane == &tunnel->up && tunnel->stream != NULL && live_stream_send(tunnel->stream, NULL, 0) > BACKLOG_BYTES;
}

static void pump(struct lane *lane, nanos now)
{
    struct live_tunnel *tunnel = lane->tunnel;
    if (lane->pumping || tunnel->finished)
        return;
    lane->pumping = true;
    tunnel->busy++;
    if (lane->lost > 0)
        offer_again(lane, now);
    while (lane->unsent != NULL && lane->flying < lane->window && !tunnel->finished) {
        struct live_packet *packet = lane->unsent;
        if (packet->kind != SYN && packet->kind != SYN_ACK && !tunnel->established)
            break;
        if (held_up(lane)) {
            live_deadline_set(tunnel->live, &lane->retry, now + BACKLOG_RETRY);
            break;
        }
        lane->unsent = packet->after;
        offer(lane, packet, now);
    }
    lane->pumping = false;
    leave(tunnel);
}

static void retry(void *user, nanos now) { pump(user, now); }

void live_tunnel_lost(struct live_packet *packet)
{
    struct live_tunnel *tunnel = packet->tunnel;
    struct lane *lane = lane_of(packet);
    nanos now = live_now(tunnel->live);
    nanos wait = packet->kind == DATA ? tunnel->round_trip * 3 / 2 : SYN_RETRY;
    lane->flying--;
    if (tunnel->finished) {
        live_packet_free(tunnel->live, packet);
        free_if_done(tunnel);
        return;
    }
    packet->state = LOST;
    packet->at = now + wait;
    lane->lost++;
    if (now - lane->shrunk_at >= tunnel->round_trip) { /* once for all losses of one window */
        lane->window = lane->window / 2 < 2 ? 2 : lane->window / 2;
        lane->threshold = lane->window;
        lane->shrunk_at = now;
    }
    live_deadline_set(tunnel->live, &lane->retry,
                      lane->retry.deadline.slot == 0 ? packet->at : nanos_min(packet->at, lane->retry.deadline.at));
}

/* --- at the ends ------------------------------------------------------------------------------------------------------------- */

static void end_comes_down(struct live_tunnel *tunnel, const char *reason, nanos now)
{
    snprintf(tunnel->reason, sizeof tunnel->reason, "%s", reason);
    tunnel->established = true; /* or never will be: the lane is free for this */
    if (append(&tunnel->down, FIN, NULL, 0) == NULL)
        end(tunnel, "out of memory", now);
    else
        pump(&tunnel->down, now);
}

static void stream_connected(void *user, nanos now)
{
    struct live_tunnel *tunnel = user;
    tell_nats(tunnel, false, NAT_TCP_SYN | NAT_TCP_ACK);
    if (append(&tunnel->down, SYN_ACK, NULL, 0) != NULL)
        pump(&tunnel->down, now);
}

static void stream_received(void *user, const uint8_t *data, size_t len, nanos now)
{
    struct live_tunnel *tunnel = user;
    tunnel->busy++;
    if (!append_bytes(&tunnel->down, data, len))
        end(tunnel, "out of memory", now);
    else
        pump(&tunnel->down, now);
    if (tunnel->stream != NULL)
        live_stream_pause(tunnel->stream, tunnel->down.bytes > BACKLOG_BYTES);
    leave(tunnel);
}

static void stream_ended(void *user, const char *reason, nanos now)
{
    struct live_tunnel *tunnel = user;
    live_stream_close(tunnel->stream);
    tunnel->stream = NULL;
    tell_nats(tunnel, false, NAT_TCP_FIN | NAT_TCP_ACK);
    end_comes_down(tunnel, reason, now);
}

static const struct live_stream_callbacks stream_callbacks = {
    .connected = stream_connected, .received = stream_received, .ended = stream_ended};

/* At the real connection. */
static void take_up(struct live_tunnel *tunnel, const struct live_packet *packet, nanos now)
{
    struct error error;
    switch ((enum kind)packet->kind) {
    case SYN:
        tunnel->stream =
            live_stream_connect(tunnel->live, &tunnel->external, &tunnel->remote, &stream_callbacks, tunnel, &error);
        if (tunnel->stream == NULL)
            end_comes_down(tunnel, error.text, now);
        break;
    case DATA:
        if (tunnel->stream != NULL)
            live_stream_send(tunnel->stream, packet->bytes, packet->len);
        break;
    case FIN:
        finish(tunnel);
        break;
    case SYN_ACK:
        break;
    }
}

/* At the client. */
static void take_down(struct live_tunnel *tunnel, const struct live_packet *packet, nanos now)
{
    switch ((enum kind)packet->kind) {
    case SYN_ACK:
        tunnel->established = true;
        live_deadline_set(tunnel->live, &tunnel->limit, NANOS_NEVER);
        if (has_listener(tunnel))
            tunnel->callbacks->connected(tunnel->user, now);
        pump(&tunnel->up, now);
        break;
    case DATA:
        if (has_listener(tunnel))
            tunnel->callbacks->received(tunnel->user, packet->bytes, packet->len, now);
        break;
    case FIN:
        end(tunnel, tunnel->reason, now);
        break;
    case SYN:
        break;
    }
}

static void landed(struct live_packet *packet, nanos now)
{
    struct live_tunnel *tunnel = packet->tunnel;
    struct lane *lane = lane_of(packet);
    bool up = lane == &tunnel->up;
    if (tunnel->finished || tunnel->host->cut) {
        live_tunnel_lost(packet);
        return;
    }
    lane->flying--;
    lane->window += lane->window < lane->threshold ? 1 : 1 / lane->window;
    if (lane->window > WINDOW_MAX)
        lane->window = WINDOW_MAX;
    packet->state = ARRIVED;
    tunnel->busy++;
    while (lane->first != NULL && lane->first->state == ARRIVED) {
        struct live_packet *first = lane->first;
        lane->first = first->after;
        if (lane->first == NULL)
            lane->last = NULL;
        lane->bytes -= first->len;
        (up ? take_up : take_down)(tunnel, first, now);
        live_packet_free(tunnel->live, first);
    }
    if (!up && tunnel->stream != NULL)
        live_stream_pause(tunnel->stream, lane->bytes > BACKLOG_BYTES);
    pump(lane, now);
    leave(tunnel);
}

void live_tunnel_beyond(struct live_packet *packet, nanos now)
{
    struct live_tunnel *tunnel = packet->tunnel;
    struct live_pipe *wire = live_path_wire(tunnel->live, tunnel->lan->site, tunnel->far_site);
    if (wire != NULL)
        live_pipe_put(wire, packet, now);
    else
        live_tunnel_through(packet, now);
}

void live_tunnel_through(struct live_packet *packet, nanos now)
{
    struct live_tunnel *tunnel = packet->tunnel;
    if (lane_of(packet) == &tunnel->up)
        landed(packet, now);
    else
        live_pipe_put(&tunnel->lan->down, packet, now);
}

void live_tunnel_arrived(struct live_packet *packet, nanos now) { landed(packet, now); }

/* --- what live_tcp.c calls ----------------------------------------------------------------------------------------------------- */

static void limit_reached(void *user, nanos now)
{
    struct live_tunnel *tunnel = user;
    end(tunnel, "no answer", now);
}

/* The way out through the NATs; false when there is none, and the SYN is lost without a word. */
static bool find_way(struct live_tunnel *tunnel)
{
    struct live_world *live = tunnel->live;
    const struct live_lan *lan = tunnel->lan;
    const struct live_place *place = live_place_find(live, &tunnel->remote);
    struct nat_packet packet = {
        .source = tunnel->local, .destination = tunnel->remote, .protocol = NAT_TCP, .tcp_flags = NAT_TCP_SYN};
    if (!live_path_leads_out(live, &tunnel->remote, place)) {
        live->statistics.unroutable++;
        return false;
    }
    for (size_t i = 0; i < lan->box_count; i++) {
        if (nat_outbound(lan->boxes[i]->nat, &packet, live_now(live)) != NAT_FORWARD)
            return false;
    }
    tunnel->external = packet.source;
    tunnel->far_site = place != NULL ? place->site : lan->site;
    if (lan->box_count == 0)
        tunnel->external.port = 0; /* the kernel's choice: nobody else has to know */
    const struct live_pipe *out = live_path_wire(live, lan->site, tunnel->far_site);
    tunnel->round_trip = lan->up.link.config.delay + lan->down.link.config.delay + 20 * NANOS_PER_MS +
                         (out != NULL ? 2 * out->link.config.delay : 0);
    return true;
}

static void lane_init(struct lane *lane, struct live_tunnel *tunnel)
{
    *lane = (struct lane){.tunnel = tunnel, .window = WINDOW_FIRST, .threshold = WINDOW_MAX, .shrunk_at = -NANOS_PER_S};
    lane->retry = (struct live_deadline){.fired = retry, .user = lane};
}

struct live_tunnel *live_tunnel_connect(struct world_host *host, const struct address *local,
                                        const struct address *remote, const struct live_stream_callbacks *callbacks,
                                        void *user, struct error *error)
{
    struct live_world *live = host->live;
    struct live_tunnel *tunnel = calloc(1, sizeof *tunnel);
    if (tunnel == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    *tunnel = (struct live_tunnel){.live = live,
                                   .host = host,
                                   .lan = host->lan,
                                   .callbacks = callbacks,
                                   .user = user,
                                   .local = *local,
                                   .remote = *remote};
    lane_init(&tunnel->up, tunnel);
    lane_init(&tunnel->down, tunnel);
    tunnel->limit = (struct live_deadline){.fired = limit_reached, .user = tunnel};
    DL_APPEND(live->tunnels, tunnel);
    live_deadline_set(live, &tunnel->limit, live_now(live) + CONNECT_TIMEOUT);
    if (find_way(tunnel) && append(&tunnel->up, SYN, NULL, 0) != NULL)
        pump(&tunnel->up, live_now(live));
    return tunnel;
}

size_t live_tunnel_send(struct live_tunnel *tunnel, const uint8_t *data, size_t len)
{
    struct lane *up = &tunnel->up;
    if (len > 0 && tunnel->reason[0] == '\0') {
        if (up->bytes + len > WAITING_MAX || !append_bytes(up, data, len)) {
            /* Told from the loop, not from here. */
            end_comes_down(tunnel, "too much waits to be sent", live_now(tunnel->live));
        } else {
            pump(up, live_now(tunnel->live));
        }
    }
    return up->bytes + (tunnel->stream != NULL ? live_stream_send(tunnel->stream, NULL, 0) : 0);
}

void live_tunnel_close(struct live_tunnel *tunnel)
{
    tunnel->closed = true;
    if (tunnel->stream == NULL || tunnel->ended || tunnel->reason[0] != '\0' ||
        append(&tunnel->up, FIN, NULL, 0) == NULL) {
        finish(tunnel);
        return;
    }
    live_deadline_set(tunnel->live, &tunnel->limit, live_now(tunnel->live) + LINGER);
    pump(&tunnel->up, live_now(tunnel->live));
}

void live_tunnel_mute(struct live_tunnel *tunnel)
{
    if (tunnel->stream != NULL)
        live_stream_mute(tunnel->stream);
    tunnel->stream = NULL;
    tunnel->closed = true;
    finish(tunnel);
}

struct address live_tunnel_local(const struct live_tunnel *tunnel) { return tunnel->local; }

void live_tunnels_destroy(struct live_world *live)
{
    struct live_tunnel *next;
    for (struct live_tunnel *tunnel = live->tunnels; tunnel != NULL; tunnel = next) {
        next = tunnel->next;
        finish(tunnel);
    }
}
