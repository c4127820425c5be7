#include <stdlib.h>

#include "world/live_network.h"

enum {
    SMALL_BYTES = 1500,
    PACKETS_MAX = 1 << 18, /* on their way at a time: what a flood may take of memory */
};

/* What comes out of pipes at about the same time comes out in one turn of the loop, up to so much late. What a packet is
 * told is still the time at which it was due, so that lateness doesn't add up from pipe to pipe. */
#define GRAIN (250 * NANOS_PER_US)

/* --- packets --------------------------------------------------------------------------------------------------------------- */

struct live_packet *live_packet_create(struct live_world *live, const void *data, size_t len)
{
    struct live_packet *packet = NULL;
    bool small = len <= SMALL_BYTES;
    if (live->packet_count == PACKETS_MAX) {
        live->statistics.udp_would_block++;
        return NULL;
    }
    if (small && live->free_packets != NULL) {
        packet = live->free_packets;
        live->free_packets = packet->next;
    } else {
        packet = malloc(sizeof *packet + (small ? SMALL_BYTES : len));
    }
    if (packet == NULL)
        return NULL;
    live->packet_count++;
    *packet = (struct live_packet){.len = (uint32_t)len, .small = small};
    if (data != NULL && len > 0)
        memcpy(packet->bytes, data, len);
    return packet;
}

void live_packet_free(struct live_world *live, struct live_packet *packet)
{
    live->packet_count--;
    if (packet->small) {
        packet->next = live->free_packets;
        live->free_packets = packet;
    } else {
        free(packet);
    }
}

void live_packets_destroy(struct live_world *live)
{
    while (live->free_packets != NULL) {
        struct live_packet *packet = live->free_packets;
        live->free_packets = packet->next;
        free(packet);
    }
}

/* --- pipes ------------------------------------------------------------------------------------------------------------------ */

/* A datagram is gone; a segment's connection notices. */
static void lose(struct live_pipe *pipe, struct live_packet *packet)
{
    if (packet->tunnel != NULL)
        live_tunnel_lost(packet);
    else
        live_packet_free(pipe->live, packet);
}

static void append(struct live_pipe *pipe, struct live_packet *packet, nanos at)
{
    packet->at = at;
    packet->next = NULL;
    if (pipe->first == NULL)
        pipe->first = packet;
    else
        pipe->last->next = packet;
    pipe->last = packet;
}

static void schedule(struct live_pipe *pipe)
{
    nanos at = pipe->first != NULL ? pipe->first->at : NANOS_NEVER;
    at = nanos_min(at, link_deadline(&pipe->link));
    live_deadline_set(pipe->live, &pipe->due, at == NANOS_NEVER ? at : (at + GRAIN - 1) / GRAIN * GRAIN);
}

static void due(void *user, nanos now)
{
    struct live_pipe *pipe = user;
    struct link_departure departure;
    while (link_depart(&pipe->link, now, &departure)) {
        if (departure.fate == LINK_ARRIVES)
            append(pipe, departure.packet, departure.arrives_at);
        else
            lose(pipe, departure.packet);
    }
    while (pipe->first != NULL && pipe->first->at <= now) {
        struct live_packet *packet = pipe->first;
        pipe->first = packet->next;
        pipe->out(pipe->user, packet, packet->at);
    }
    schedule(pipe);
    live_inbox_flush(pipe->live);
}

bool live_pipe_init(struct live_pipe *pipe, struct live_world *live, const struct link_config *config, uint64_t index,
                    void (*out)(void *user, struct live_packet *packet, nanos now), void *user, struct error *error)
{
    *pipe = (struct live_pipe){.live = live, .out = out, .user = user};
    pipe->due = (struct live_deadline){.fired = due, .user = pipe};
    return link_init(&pipe->link, config, live->config.seed, index, error);
}

void live_pipe_clear(struct live_pipe *pipe)
{
    if (pipe->live == NULL)
        return;
    struct live_packet *packet;
    while ((packet = link_abandon(&pipe->link)) != NULL)
        lose(pipe, packet);
    while ((packet = pipe->first) != NULL) {
        pipe->first = packet->next;
        lose(pipe, packet);
    }
    live_deadline_set(pipe->live, &pipe->due, NANOS_NEVER);
    link_clear(&pipe->link);
}

bool live_pipe_configure(struct live_pipe *pipe, const struct link_config *config, struct error *error)
{
    nanos at;
    void **waiting;
    if (!link_configure(&pipe->link, config, live_now(pipe->live), error))
        return false;
    for (uint32_t i = 0; (waiting = link_waiting(&pipe->link, i, &at)) != NULL; i++)
        if (*waiting != NULL)
            ((struct live_packet *)*waiting)->at = at;
    schedule(pipe);
    return true;
}

bool live_pipe_is_ideal(const struct live_pipe *pipe)
{
    const struct link_config *config = &pipe->link.config;
    return config->rate_bps == 0 && config->delay == 0 && config->jitter == 0 && config->loss == 0 &&
           pipe->first == NULL;
}

void live_pipe_put(struct live_pipe *pipe, struct live_packet *packet, nanos now)
{
    nanos at;
    size_t len = packet->len + (packet->tunnel != NULL ? LIVE_IP_TCP_BYTES : LIVE_IP_UDP_BYTES);
    bool ideal = live_pipe_is_ideal(pipe);
    switch (link_transit(&pipe->link, packet, len, now, &at)) {
    case LINK_ARRIVES:
        if (ideal && at <= now) {
            pipe->out(pipe->user, packet, now);
            return;
        }
        append(pipe, packet, at);
        break;
    case LINK_QUEUED:
        break;
    case LINK_OVERFLOWED:
    case LINK_SHED:
    case LINK_LOST:
        lose(pipe, packet);
        break;
    }
    schedule(pipe);
}
