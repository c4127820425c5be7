/* What STUN and TURN messages tell an observer: connectivity checks, addresses behind addresses, allocations, channels,
 * and what is wrapped in Send and Data indications and ChannelData. */
#include <string.h>

#include "analyzers/observer.h"
#include "base/bytes.h"

#define CHANNEL_FIRST 0x4000 /* RFC 8656, section 12 */
#define CHANNEL_LAST 0x4fff
#define CHANNEL_DATA_HEADER_LEN 4 /* section 12.4 */
#define ATTRIBUTE_HEADER_LEN 4
#define REPADDED_CAP 2048

/* Microsoft's TURN ([MS-TURN], section 2.2.2) */
#define ATTR_MS_MAGIC_COOKIE 0x000f
#define ATTR_MS_XOR_MAPPED_ADDRESS 0x8020

static uint8_t transport_of(const struct flow *flow)
{
    return flow->protocol == PACKET_TCP ? TURN_SEEN_TCP : TURN_SEEN_UDP;
}

/* Notes which end of the flow is a TURN client. */
static void note_client(struct flow *flow, uint8_t client)
{
    flow->turn = true;
    flow->client = client;
}

/* A relayed address and who has it. */
static void note_relayed(struct observer *observer, const struct flow *flow, const struct address *relayed)
{
    uint32_t entry = address_book_get(&observer->book, relayed, flow->vantage);
    if (entry == ADDRESS_BOOK_NONE)
        return;
    observer->book.entries[entry].relayed = true;
    observer->book.entries[entry].transport = transport_of(flow);
    observer->book.entries[entry].server = flow->ends[!flow->client];
    address_book_join(&observer->book, entry,
                      address_book_get(&observer->book, &flow->ends[flow->client], flow->vantage));
}

static void note_mapped(struct observer *observer, uint32_t vantage, const struct address *own,
                        const struct address *mapped)
{
    if (!address_equal(own, mapped))
        address_book_join(&observer->book, address_book_get(&observer->book, own, vantage),
                          address_book_get(&observer->book, mapped, vantage));
}

static void ask(struct observer *observer, const struct place *place, const struct stun_message *message, bool check)
{
    struct stun_transaction asked = {
        .vantage = place->vantage + 1,
        .path = place->path,
        .asked = place->now,
        .check = check,
        .nominating = stun_has(message, STUN_ATTR_USE_CANDIDATE),
    };
    memcpy(asked.id, message->data + 8, sizeof asked.id);
    stun_transactions_ask(observer->transactions, &asked);
}

/* The time from a request to its answer, unless the far side asked: that is how fast the near side answers, and no round
 * trip. Which side is near may take a few packets to find out. */
static void count_round_trip(struct observer *observer, const struct place *place, const struct address *asker,
                             const struct stun_transaction *answered)
{
    struct vantage *vantage = &observer->vantages.vantages[place->vantage];
    enum vantage_locality locality = vantage_locality(vantage, asker);
    if (answered->repeated || place->now < answered->asked || locality == VANTAGE_REMOTE)
        return;
    uint32_t entry = address_book_find(&observer->book, asker, place->vantage);
    if (entry != ADDRESS_BOOK_NONE && observer->book.entries[entry].relayed)
        return; /* a relay passes on what someone else asked */
    nanos round_trip = place->now - answered->asked;
    if (locality == VANTAGE_EITHER && vantage->undecided_count < VANTAGE_UNDECIDED)
        vantage->undecided[vantage->undecided_count++] = (struct vantage_sample){*asker, round_trip};
    else
        histogram_record(&observer->stun_rtt, (uint64_t)round_trip);
}

void observer_finish_stun(struct observer *observer)
{
    for (uint32_t i = 0; i < observer->vantages.count; i++) {
        const struct vantage *vantage = &observer->vantages.vantages[i];
        for (uint8_t s = 0; s < vantage->undecided_count; s++) {
            if (vantage_locality(vantage, &vantage->undecided[s].asker) != VANTAGE_REMOTE)
                histogram_record(&observer->stun_rtt, (uint64_t)vantage->undecided[s].round_trip);
        }
    }
}

static void binding_response(struct observer *observer, const struct place *place, const struct stun_message *message)
{
    struct stun_transaction answered;
    if (!stun_transactions_answer(observer->transactions, message->data + 8, place->vantage + 1, place->path,
                                  &answered))
        return;
    struct path *path = &observer->paths.paths[place->path];
    uint8_t asker = !place->direction;
    struct address asker_address = path->ends[asker];
    bool relayed = path->wrapped && asker == path->client;
    count_round_trip(observer, place, &asker_address, &answered);
    if (message->class != STUN_SUCCESS)
        return;
    if (answered.check) {
        path->first_success = nanos_min(path->first_success, place->now);
        if (answered.nominating)
            path->nominated = nanos_min(path->nominated, place->now);
    }
    struct address mapped;
    if (!stun_get_mapped_address(message, &mapped))
        return;
    if (relayed)
        note_relayed(observer, &observer->flows.flows[place->flow], &mapped);
    else if (!path->wrapped)
        note_mapped(observer, place->vantage, &asker_address, &mapped);
}

static void binding(struct observer *observer, const struct place *place, const struct stun_message *message)
{
    struct path *path = &observer->paths.paths[place->path];
    if (message->class == STUN_REQUEST) {
        struct stun_attribute name;
        bool check = stun_find(message, STUN_ATTR_USERNAME, &name) &&
                     paths_join_by_name(&observer->paths, place->path, name.value, name.len);
        if (check) {
            path->checked[place->direction] = true;
            path->first_check = nanos_min(path->first_check, place->now);
        }
        ask(observer, place, message, check);
    } else if (message->class != STUN_INDICATION) {
        binding_response(observer, place, message);
    }
}

static void allocate(struct observer *observer, const struct place *place, const struct stun_message *message)
{
    struct flow *flow = &observer->flows.flows[place->flow];
    unsigned code;
    if (message->class == STUN_REQUEST) {
        if (!flow->allocate_asked)
            flow->first_id = bytes_get64(message->data + 8);
        flow->allocate_asked = true;
    } else if (message->class == STUN_ERROR && stun_get_error_code(message, &code, NULL, 0)) {
        if (code != STUN_UNAUTHENTICATED && code != STUN_STALE_NONCE)
            flow->allocate_error = (uint16_t)code;
    } else if (message->class == STUN_SUCCESS) {
        struct turn_allocation allocation = {
            .server = flow->ends[!flow->client],
            .mapped = flow->ends[flow->client],
            .transport = transport_of(flow),
        };
        stun_get_mapped_address(message, &allocation.mapped);
        bool relayed = stun_get_xor_address(message, STUN_ATTR_XOR_RELAYED_ADDRESS, &allocation.relayed);
        if (stun_has(message, ATTR_MS_MAGIC_COOKIE)) { /* there MAPPED-ADDRESS is the relayed one */
            relayed = stun_get_address(message, STUN_ATTR_MAPPED_ADDRESS, &allocation.relayed);
            stun_get_xor_address(message, ATTR_MS_XOR_MAPPED_ADDRESS, &allocation.mapped);
        }
        flow->allocation = turn_allocations_get(&observer->allocations, &allocation);
        flow->allocate_error = 0;
        if (relayed)
            note_relayed(observer, flow, &allocation.relayed);
        note_mapped(observer, flow->vantage, &flow->ends[flow->client], &allocation.mapped);
    }
}

/* Which path a channel stands for (RFC 8656, section 12); told by the request, because data may follow at once. */
static void channel_bind(struct observer *observer, const struct place *place, const struct stun_message *message)
{
    uint16_t channel;
    struct address peer;
    const struct flow *flow = &observer->flows.flows[place->flow];
    if (message->class == STUN_REQUEST && stun_get_u16(message, STUN_ATTR_CHANNEL_NUMBER, &channel) &&
        stun_get_xor_address(message, STUN_ATTR_XOR_PEER_ADDRESS, &peer)) {
        uint32_t path =
            paths_get_wrapped(&observer->paths, place->flow, flow->ends, flow->client, &peer, 0, place->direction);
        paths_bind_channel(&observer->paths, place->flow, channel, path);
    }
}

static void unwrap(struct observer *observer, const struct place *place, const struct address *peer, uint16_t channel,
                   const uint8_t *data, size_t captured, size_t len)
{
    struct flow *flow = &observer->flows.flows[place->flow];
    flow->relayed_bytes += len;
    struct place inside = *place;
    inside.encapsulation = channel != 0 ? ENCAPSULATION_CHANNEL : ENCAPSULATION_SEND;
    inside.path = channel != 0 ? paths_find_channel(&observer->paths, place->flow, channel) : PATH_NONE;
    if (inside.path == PATH_NONE) {
        struct address nobody = {0};
        inside.path = paths_get_wrapped(&observer->paths, place->flow, flow->ends, flow->client,
                                        channel != 0 ? &nobody : peer, channel, place->direction);
    }
    if (inside.path != PATH_NONE)
        observer_datagram(observer, &inside, data, captured, len);
}

/* A Send or Data indication, which may have been captured only in part: everything in front of DATA must be there. */
static bool indication(struct observer *observer, struct place *place, const uint8_t *data, size_t captured, size_t len)
{
    size_t at = STUN_HEADER_LEN;
    while (captured - at >= ATTRIBUTE_HEADER_LEN) {
        uint16_t type = bytes_get16(data + at);
        size_t value_len = bytes_get16(data + at + 2);
        size_t value_at = at + ATTRIBUTE_HEADER_LEN;
        if (value_len > len - value_at)
            return false;
        if (type == STUN_ATTR_DATA) {
            struct stun_message message = {.data = data, .len = at};
            struct address peer;
            if (!stun_get_xor_address(&message, STUN_ATTR_XOR_PEER_ADDRESS, &peer)) {
                /* DATA came first; the peer is behind it */
                if (captured < len || !stun_parse(&message, data, len, NULL) ||
                    !stun_get_xor_address(&message, STUN_ATTR_XOR_PEER_ADDRESS, &peer))
                    return false;
            }
            size_t have = captured - value_at < value_len ? captured - value_at : value_len;
            unwrap(observer, place, &peer, 0, data + value_at, have, value_len);
            return true;
        }
        size_t padded = (value_len + 3) & ~(size_t)3;
        if (padded > captured - value_at)
            return false;
        at = value_at + padded;
    }
    return false;
}

/* TURN's own messages mean what they say only on the outside. */
static void turn_message(struct observer *observer, struct place *place, const struct stun_message *message)
{
    uint8_t client = message->class == STUN_REQUEST ? place->direction : !place->direction;
    note_client(&observer->flows.flows[place->flow], client);
    struct stun_transaction answered;
    if (message->class == STUN_REQUEST)
        ask(observer, place, message, false);
    else if (stun_transactions_answer(observer->transactions, message->data + 8, place->vantage + 1, place->path,
                                      &answered))
        count_round_trip(observer, place, &observer->flows.flows[place->flow].ends[client], &answered);
    if (message->method == STUN_ALLOCATE)
        allocate(observer, place, message);
    if (message->method == STUN_CHANNEL_BIND)
        channel_bind(observer, place, message);
}

static enum observed observe_message(struct observer *observer, struct place *place, const struct stun_message *message)
{
    if (!observer_need_path(observer, place))
        return OBSERVED_LIMIT;
    observer->paths.paths[place->path].stun = true;
    switch (message->method) {
    case STUN_BINDING:
        binding(observer, place, message);
        break;
    case STUN_ALLOCATE:
    case STUN_REFRESH:
    case STUN_CREATE_PERMISSION:
    case STUN_CHANNEL_BIND:
        if (place->encapsulation == ENCAPSULATION_NONE && message->class != STUN_INDICATION)
            turn_message(observer, place, message);
        break;
    default:
        break;
    }
    return OBSERVED;
}

/* Microsoft's attributes aren't padded: makes a message that is. 0 when it isn't that kind either. */
static size_t repad(const uint8_t *data, size_t len, uint8_t out[REPADDED_CAP])
{
    struct writer writer = writer_of(out, REPADDED_CAP);
    writer_bytes(&writer, data, STUN_HEADER_LEN);
    struct reader reader = reader_of(data + STUN_HEADER_LEN, len - STUN_HEADER_LEN);
    while (reader.left > 0) {
        uint16_t type = reader_u16(&reader);
        uint16_t value_len = reader_u16(&reader);
        const uint8_t *value = reader_take(&reader, value_len);
        if (reader.failed)
            return 0;
        writer_u16(&writer, type);
        writer_u16(&writer, value_len);
        writer_bytes(&writer, value, value_len);
        writer_bytes(&writer, "\0\0\0", -(unsigned)value_len % 4);
    }
    if (writer.failed)
        return 0;
    bytes_put16(out + 2, (uint16_t)(writer.len - STUN_HEADER_LEN));
    return writer.len;
}

enum observed observer_stun(struct observer *observer, struct place *place, const uint8_t *data, size_t captured,
                            size_t len)
{
    struct stun_message message;
    if (!stun_is(data, captured)) {
        if (captured < len || !stun_parse_classic(&message, data, len, NULL))
            return OBSERVED_NOT_WEBRTC;
        observer->stun_classic++;
        return observe_message(observer, place, &message);
    }
    size_t claimed = stun_claimed_len(data);
    if (claimed > len)
        return OBSERVED_NOT_WEBRTC;
    uint16_t type = bytes_get16(data);
    bool send = type == (STUN_SEND | 0x10);
    if ((send || type == (STUN_DATA | 0x10)) && place->encapsulation == ENCAPSULATION_NONE) {
        if (!observer_need_flow(observer, place))
            return OBSERVED_LIMIT;
        observer->stun_messages++;
        note_client(&observer->flows.flows[place->flow], send ? place->direction : !place->direction);
        indication(observer, place, data, captured < claimed ? captured : claimed, claimed);
        return OBSERVED;
    }
    if (captured < claimed)
        return OBSERVED_NOT_WEBRTC;
    uint8_t repadded[REPADDED_CAP];
    if (!stun_parse(&message, data, claimed, NULL)) {
        size_t repadded_len = repad(data, claimed, repadded);
        if (repadded_len == 0 || !stun_parse(&message, repadded, repadded_len, NULL))
            return OBSERVED_NOT_WEBRTC;
    }
    observer->stun_messages++;
    return observe_message(observer, place, &message);
}

/* ChannelData: RFC 8656, section 12.4
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   +-------------------------------+-------------------------------+
 *   |         channel number        |            length             |
 *   +-------------------------------+-------------------------------+
 *   |                             data …                            |
 */
enum observed observer_channel_data(struct observer *observer, struct place *place, const uint8_t *data,
                                    size_t captured, size_t len)
{
    if (captured < CHANNEL_DATA_HEADER_LEN || place->encapsulation != ENCAPSULATION_NONE)
        return OBSERVED_NOT_WEBRTC;
    uint16_t channel = bytes_get16(data);
    size_t payload = bytes_get16(data + 2);
    if (channel < CHANNEL_FIRST || channel > CHANNEL_LAST || payload > len - CHANNEL_DATA_HEADER_LEN ||
        payload + CHANNEL_DATA_HEADER_LEN + 3 < len)
        return OBSERVED_NOT_WEBRTC;
    bool known = place->flow != FLOW_NONE && observer->flows.flows[place->flow].turn;
    if (!known) {
        /* The capture began after the allocation: then the well-known port has to tell, and which end is the server. */
        bool to_server = place->destination->port == STUN_PORT;
        if (!to_server && place->source->port != STUN_PORT)
            return OBSERVED_NOT_WEBRTC;
        if (!observer_need_flow(observer, place))
            return OBSERVED_LIMIT;
        note_client(&observer->flows.flows[place->flow], to_server ? place->direction : !place->direction);
    }
    size_t have = captured - CHANNEL_DATA_HEADER_LEN;
    unwrap(observer, place, NULL, channel, data + CHANNEL_DATA_HEADER_LEN, have < payload ? have : payload, payload);
    return OBSERVED;
}
