#include "analyzers/observer.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "rtc/packet_kind.h"

/* The multiplexed TURN of Microsoft's media relays ([MS-TURN], section 2.2.3): 0xff10, length, then the data. */
#define MS_TURN_CHANNEL 0xff10
#define MS_TURN_HEADER_LEN 4

/* In a ClientHello: behind the record's header (5), the handshake's (4) and the version (2); RFC 8446, section 4.1.2. */
#define TLS_RANDOM_AT 11

struct observer *observer_create(void)
{
    struct observer *observer = calloc(1, sizeof *observer);
    if (observer == NULL)
        return NULL;
    observer->fragments = fragments_create();
    observer->transactions = calloc(1, sizeof *observer->transactions);
    if (observer->fragments == NULL || observer->transactions == NULL || !observer_create_media(observer)) {
        observer_destroy(observer);
        return NULL;
    }
    return observer;
}

void observer_destroy(struct observer *observer)
{
    if (observer == NULL)
        return;
    vantages_clear(&observer->vantages);
    flows_clear(&observer->flows);
    paths_clear(&observer->paths);
    media_streams_clear(&observer->streams);
    turn_allocations_clear(&observer->allocations);
    address_book_clear(&observer->book);
    tcp_streams_clear(&observer->tcp);
    fragments_destroy(observer->fragments);
    free(observer->transactions);
    free(observer->probation);
    free(observer->sightings);
    free(observer->rtcp_sightings);
    free(observer->frame_owners);
    free(observer->reports);
    histogram_clear(&observer->stun_rtt);
    histogram_clear(&observer->rtcp_rtt);
    histogram_clear(&observer->one_way);
    histogram_clear(&observer->forwarding);
    free(observer);
}

bool observer_need_flow(struct observer *observer, struct place *place)
{
    if (place->flow != FLOW_NONE)
        return true;
    uint8_t direction;
    struct flow_key key = flow_key_of(place->source, place->destination, place->vantage, place->protocol, &direction);
    place->flow = flows_get(&observer->flows, &key);
    if (place->flow == FLOW_NONE)
        return false;
    observer->flows.flows[place->flow].first_time = place->now;
    return true;
}

bool observer_need_path(struct observer *observer, struct place *place)
{
    if (place->path != PATH_NONE)
        return true;
    if (!observer_need_flow(observer, place))
        return false;
    struct flow *flow = &observer->flows.flows[place->flow];
    if (flow->path == PATH_NONE)
        flow->path = paths_add_direct(&observer->paths, place->flow, flow->ends, place->direction);
    place->path = flow->path;
    return place->path != PATH_NONE;
}

static enum observed observe_dtls(struct observer *observer, struct place *place, const uint8_t *data, size_t captured,
                                  size_t len)
{
    struct dtls_observer fresh = DTLS_OBSERVER_START;
    if (place->path == PATH_NONE) { /* is it worth one? */
        if (!dtls_observer_read(&fresh, place->direction, data, captured, len, place->now))
            return OBSERVED_NOT_WEBRTC;
        if (!observer_need_path(observer, place))
            return OBSERVED_LIMIT;
    }
    struct path *path = &observer->paths.paths[place->path];
    if (!dtls_observer_read(&path->dtls, place->direction, data, captured, len, place->now))
        return OBSERVED_NOT_WEBRTC;
    observer->dtls_datagrams++;
    if (path->dtls.server_hello)
        paths_note_handshake(&observer->paths, place->path);
    return OBSERVED;
}

static enum observed observe_ms_turn(struct observer *observer, const struct place *place, const uint8_t *data,
                                     size_t captured, size_t len)
{
    bool known = place->flow != FLOW_NONE && observer->flows.flows[place->flow].turn;
    if (!known || captured < MS_TURN_HEADER_LEN || bytes_get16(data) != MS_TURN_CHANNEL ||
        MS_TURN_HEADER_LEN + (size_t)bytes_get16(data + 2) > len)
        return OBSERVED_NOT_WEBRTC;
    observer->ms_turn_frames++;
    return OBSERVED;
}

enum observed observer_datagram(struct observer *observer, struct place *place, const uint8_t *data, size_t captured,
                                size_t len)
{
    switch (packet_kind(data, captured)) {
    case PACKET_STUN:
        return observer_stun(observer, place, data, captured, len);
    case PACKET_DTLS:
        return observe_dtls(observer, place, data, captured, len);
    case PACKET_TURN_CHANNEL:
        return observer_channel_data(observer, place, data, captured, len);
    case PACKET_RTP:
        return observer_rtp(observer, place, data, captured, len);
    case PACKET_RTCP:
        return observer_rtcp(observer, place, data, captured, len);
    case PACKET_QUIC:
        return observe_ms_turn(observer, place, data, captured, len);
    default:
        return OBSERVED_NOT_WEBRTC;
    }
}

struct frame_context {
    struct observer *observer;
    struct place place;
};

static void observe_frame(void *user, const uint8_t *data, size_t captured, size_t len)
{
    struct frame_context *context = user;
    struct place place = context->place;
    observer_datagram(context->observer, &place, data, captured, len);
}

static enum observed observe_tcp(struct observer *observer, struct place *place, const struct packet *packet)
{
    uint8_t direction;
    struct flow_key key = flow_key_of(&packet->source, &packet->destination, place->vantage, PACKET_TCP, &direction);
    place->direction = direction;
    place->flow = flows_find(&observer->flows, &key);
    if (place->flow == FLOW_NONE) {
        enum flow_framing framing = tcp_stream_framing(packet->data, packet->captured_len);
        if (framing == FLOW_OTHER)
            return OBSERVED_NOT_WEBRTC;
        place->flow = flows_get(&observer->flows, &key);
        if (place->flow == FLOW_NONE)
            return OBSERVED_LIMIT;
        struct flow *flow = &observer->flows.flows[place->flow];
        flow->framing = (uint8_t)framing;
        flow->first_time = packet->time;
        if (framing == FLOW_TLS) {
            flow->client = direction;
            if (packet->captured_len >= TLS_RANDOM_AT + 8)
                flow->first_id = bytes_get64(packet->data + TLS_RANDOM_AT);
        }
        if (framing != FLOW_TLS)
            flow->tcp = tcp_streams_add(&observer->tcp);
    }
    struct flow *flow = &observer->flows.flows[place->flow];
    flow->last_time = packet->time;
    flow->bytes += packet->len;
    if (flow->framing == FLOW_TLS)
        return OBSERVED_NOT_WEBRTC; /* it may be anything: connection.c decides */
    if (flow->tcp == TABLE_NONE)
        return OBSERVED_LIMIT;
    struct frame_context context = {.observer = observer, .place = *place};
    context.place.path = flow->path;
    tcp_streams_read(&observer->tcp, flow->tcp, direction, flow->framing, packet, observe_frame, &context);
    return OBSERVED;
}

enum observed observer_packet(struct observer *observer, uint32_t vantage, const struct packet *packet)
{
    struct place place = {
        .now = packet->time,
        .vantage = vantage,
        .flow = FLOW_NONE,
        .path = PATH_NONE,
        .protocol = packet->protocol,
        .source = &packet->source,
        .destination = &packet->destination,
    };
    vantage_note(&observer->vantages.vantages[vantage], &packet->source, &packet->destination);
    enum observed observed;
    if (packet->protocol == PACKET_TCP) {
        observed = observe_tcp(observer, &place, packet);
    } else {
        struct flow_key key = flow_key_of(&packet->source, &packet->destination, vantage, PACKET_UDP, &place.direction);
        place.flow = flows_find(&observer->flows, &key);
        if (place.flow != FLOW_NONE)
            place.path = observer->flows.flows[place.flow].path;
        observed = observer_datagram(observer, &place, packet->data, packet->captured_len, packet->len);
        if (place.flow != FLOW_NONE) {
            struct flow *flow = &observer->flows.flows[place.flow];
            flow->last_time = packet->time;
            flow->bytes += packet->len;
        }
    }
    observer->limited += observed == OBSERVED_LIMIT;
    return observed;
}

void observer_finish(struct observer *observer)
{
    observer_finish_media(observer);
    observer_finish_stun(observer);
}

bool observer_understood(const struct observer *observer)
{
    return observer->stun_messages > 0 || observer->stun_classic > 0 || observer->dtls_datagrams > 0 ||
           observer->streams.count > 0 || observer->rtcp.compounds > 0;
}
