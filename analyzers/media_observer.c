/* What RTP and RTCP tell an observer: streams, copies of streams, RTX, round trips between reports. */
#include <stdlib.h>

#include "analyzers/observer.h"
#include "base/bytes.h"
#include "rtc/rtcp.h"
#include "rtc/rtp.h"

#define FRAME_OWNERS TABLE_FIXED_SIZE(16384)
#define REPORTS TABLE_FIXED_SIZE(4096)
#define RTCP_HASH_BYTES 64  /* of a packet tell it from every other: SRTCP's are random, a report's times differ */
#define UNASSIGNED_FIRST 64 /* RFC 5761, section 4: payload types that RTP beside RTCP doesn't use */
#define UNASSIGNED_LAST 95

/* The stream that a frame's timestamp belongs to, on one path and direction. */
struct frame_owner {
    uint32_t path; /* times two, plus the direction, plus one; 0: a free place */
    uint32_t timestamp;
    uint32_t stream;
};

/* A sender report that receivers will refer to (RFC 3550, section 6.4.1). */
struct report_sent {
    uint32_t path; /* plus one; 0: a free place */
    uint32_t ssrc;
    uint32_t ntp_middle;
    uint8_t direction;
    nanos sent;
};

bool observer_create_media(struct observer *observer)
{
    observer->probation = calloc(1, sizeof *observer->probation);
    observer->sightings = calloc(1, sizeof *observer->sightings);
    observer->rtcp_sightings = calloc(1, sizeof *observer->rtcp_sightings);
    observer->frame_owners = calloc(FRAME_OWNERS, sizeof *observer->frame_owners);
    observer->reports = calloc(REPORTS, sizeof *observer->reports);
    return observer->probation != NULL && observer->sightings != NULL && observer->rtcp_sightings != NULL &&
           observer->frame_owners != NULL && observer->reports != NULL;
}

/* --- the same packet, seen again -------------------------------------------------------------------------------------- */

static void sighting_over(void *user, const struct sighting *sighting)
{
    struct observer *observer = user;
    if (sighting->elsewhere > 0)
        histogram_record(&observer->one_way, (uint64_t)sighting->elsewhere * SIGHTING_TICK);
    if (sighting->hop_out > 0)
        histogram_record(&observer->forwarding, (uint64_t)(sighting->hop_out - sighting->hop_in) * SIGHTING_TICK);
}

/* Where a stream's packets enter or leave the wire: the outer addresses when TURN wraps them. */
static const struct address *outer_end(const struct observer *observer, uint32_t stream, bool source)
{
    const struct media_stream *media = &observer->streams.streams[stream];
    const struct flow *flow = &observer->flows.flows[observer->paths.paths[media->path].flow];
    return &flow->ends[source ? media->direction : !media->direction];
}

static void count_copy(struct observer *observer, uint32_t stream, uint32_t first)
{
    struct media_stream *media = &observer->streams.streams[stream];
    if (media->copy_of == MEDIA_STREAM_NONE)
        media->copy_of = first;
    media->copies += media->copy_of == first;
}

/* What makes an RTP packet itself, whatever relays do to what is around it. */
static uint64_t packet_hash(uint32_t ssrc, const struct rtp_sample *sample)
{
    return table_mix(((uint64_t)(ssrc | sample->contents) << 32 | sample->timestamp) ^
                     ((uint64_t)sample->sequence << 48 | (uint64_t)sample->len << 16) * 0x9e3779b97f4a7c15u);
}

static void sight(struct observer *observer, uint32_t stream, uint32_t vantage, const struct rtp_sample *sample)
{
    uint64_t hash = packet_hash(observer->streams.streams[stream].ssrc, sample);
    struct sighting evicted;
    bool known;
    bool had_evicted;
    struct sighting *sighting = sightings_get(observer->sightings, hash, sample->time, &known, &evicted, &had_evicted);
    if (had_evicted)
        sighting_over(observer, &evicted);
    if (!known) {
        sighting->first_stream = sighting->latest_stream = stream;
        sighting->first_vantage = sighting->hop_vantage = (uint16_t)vantage;
        return;
    }
    if (stream == sighting->first_stream || stream == sighting->latest_stream)
        return; /* a duplicate */
    count_copy(observer, stream, sighting->first_stream);
    uint32_t ticks = sighting_ticks(sighting, sample->time);
    if (vantage != sighting->first_vantage)
        sighting->elsewhere = ticks;
    if (vantage != sighting->hop_vantage) {
        if (sighting->hop_out > 0)
            histogram_record(&observer->forwarding, (uint64_t)(sighting->hop_out - sighting->hop_in) * SIGHTING_TICK);
        sighting->hop_vantage = (uint16_t)vantage;
        sighting->hop_in = ticks;
        sighting->hop_out = 0;
    } else if (address_same_ip(outer_end(observer, sighting->latest_stream, false),
                               outer_end(observer, stream, true))) {
        sighting->hop_out = ticks;
    }
    sighting->latest_stream = stream;
}

/* --- RTP ------------------------------------------------------------------------------------------------------------------ */

static struct frame_owner *frame_owner_of(struct observer *observer, uint32_t path, uint32_t timestamp)
{
    return &observer->frame_owners[table_mix((uint64_t)path << 32 | timestamp) % FRAME_OWNERS];
}

/* RTX sends again what another stream of the same path sent, under the same timestamps (RFC 4588, section 4). */
static void own_frame(struct observer *observer, uint32_t stream, uint32_t timestamp)
{
    struct media_stream *media = &observer->streams.streams[stream];
    uint32_t path = media->path * 2 + media->direction + 1;
    struct frame_owner *owner = frame_owner_of(observer, path, timestamp);
    if (owner->path == path && owner->timestamp == timestamp && owner->stream != stream) {
        media->repeats_of = owner->stream;
        media->repeats++;
        return;
    }
    *owner = (struct frame_owner){.path = path, .timestamp = timestamp, .stream = stream};
}

static void stream_packet(struct observer *observer, uint32_t stream, uint32_t vantage, uint8_t encapsulation,
                          const struct rtp_sample *sample, uint8_t first_byte)
{
    struct media_stream *media = &observer->streams.streams[stream];
    struct path *path = &observer->paths.paths[media->path];
    path->first_media = nanos_min(path->first_media, sample->time);
    path->last_media = nanos_max(path->last_media, sample->time);
    path->rtp_packets++;
    media->encapsulated[encapsulation]++;
    media->payload_first_bytes[first_byte / 64] |= (uint64_t)1 << (first_byte % 64);
    rtp_stream_update(&media->rtp, sample);
    own_frame(observer, stream, sample->timestamp);
    sight(observer, stream, vantage, sample);
}

static enum rtp_trust trust_of(const struct observer *observer, uint32_t path)
{
    if (path == PATH_NONE)
        return RTP_TRUST_NONE;
    const struct path *known = &observer->paths.paths[path];
    if (known->checked[0] || known->checked[1] || known->dtls.server_hello)
        return RTP_TRUST_FULL;
    return known->stun || known->streams > 0 || known->dtls.seen ? RTP_TRUST_SOME : RTP_TRUST_NONE;
}

static bool type_is_known(const struct observer *observer, uint32_t path, uint8_t type)
{
    return path != PATH_NONE && (observer->paths.paths[path].known_types[type / 64] & (uint64_t)1 << (type % 64)) != 0;
}

/* Makes a stream of a candidate if it deserves it; `fresh` of its packets haven't been reported as not WebRTC yet. */
static void promote(struct observer *observer, struct rtp_candidate *candidate, uint8_t fresh)
{
    struct place place = {
        .now = candidate->samples[0].time,
        .vantage = candidate->vantage,
        .flow = FLOW_NONE,
        .path = candidate->path,
        .direction = candidate->direction,
        .protocol = candidate->protocol,
        .source = &candidate->source,
        .destination = &candidate->destination,
    };
    if (place.path == PATH_NONE) { /* not wrapped: its flow may be known by now */
        struct flow_key key =
            flow_key_of(place.source, place.destination, place.vantage, candidate->protocol, &place.direction);
        place.flow = flows_find(&observer->flows, &key);
        place.path = place.flow == FLOW_NONE ? PATH_NONE : observer->flows.flows[place.flow].path;
    }
    bool known_type = type_is_known(observer, place.path, candidate->samples[candidate->count - 1].payload_type);
    if (!rtp_probation_passed(candidate, trust_of(observer, place.path), known_type) ||
        !observer_need_path(observer, &place))
        return;
    uint32_t stream = media_streams_find(&observer->streams, place.path, candidate->direction, candidate->ssrc);
    if (stream == MEDIA_STREAM_NONE) {
        stream = media_streams_add(&observer->streams, place.path, candidate->direction, candidate->ssrc);
        if (stream == MEDIA_STREAM_NONE)
            return;
        observer->paths.paths[place.path].streams++;
    }
    for (uint8_t i = 0; i < candidate->count; i++) {
        const struct rtp_sample *sample = &candidate->samples[i];
        observer->paths.paths[place.path].known_types[sample->payload_type / 64] |= (uint64_t)1
                                                                                    << (sample->payload_type % 64);
        stream_packet(observer, stream, candidate->vantage, candidate->encapsulation, sample,
                      candidate->first_bytes[i]);
    }
    observer->vantages.vantages[candidate->vantage].redeemed += (uint64_t)candidate->count - fresh;
    candidate->count = 0;
}

/* Whoever probes for bandwidth does so under SSRC 0, with like numbers: then only the contents tell packets apart, which
 * SRTP makes different on each connection. */
static uint32_t hash_contents(const struct rtp_packet *packet, const uint8_t *data, size_t captured)
{
    enum { ENOUGH = 64 };
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t at = RTP_HEADER_LEN; packet->ssrc == 0 && at < captured && at < ENOUGH; at++)
        hash = (hash ^ data[at]) * 0x100000001b3u; /* FNV-1a */
    return packet->ssrc == 0 ? (uint32_t)(hash >> 32) : 0;
}

enum observed observer_rtp(struct observer *observer, struct place *place, const uint8_t *data, size_t captured,
                           size_t len)
{
    struct rtp_packet packet;
    if (!rtp_parse(&packet, data, captured, RTP_ENCRYPTED))
        return OBSERVED_NOT_WEBRTC;
    struct rtp_sample sample = {
        .time = place->now,
        .timestamp = packet.timestamp,
        .len = (uint32_t)len,
        .sequence = packet.sequence,
        .payload_type = packet.payload_type,
        .marker = packet.marker,
        .contents = hash_contents(&packet, data, captured),
    };
    /* Both will be looked at at the end, and are seldom in the cache. */
    sightings_prefetch(observer->sightings, packet_hash(packet.ssrc, &sample));
    __builtin_prefetch(frame_owner_of(observer, place->path * 2 + place->direction + 1, packet.timestamp), 1);
    uint8_t first_byte = packet.payload_len > 0 ? packet.payload[0] : 0;
    if (observer->decryptor != NULL && place->path != PATH_NONE && captured == len) {
        size_t inner_len = len;
        decryptor_rtp(observer->decryptor, &observer->paths, place->path, place->direction, data, &inner_len);
    }
    if (place->path != PATH_NONE) {
        uint32_t stream = media_streams_find(&observer->streams, place->path, place->direction, packet.ssrc);
        if (stream != MEDIA_STREAM_NONE) {
            stream_packet(observer, stream, place->vantage, place->encapsulation, &sample, first_byte);
            return OBSERVED;
        }
    }
    if (packet.payload_type >= UNASSIGNED_FIRST && packet.payload_type <= UNASSIGNED_LAST)
        return OBSERVED_NOT_WEBRTC;
    struct rtp_candidate key = {
        .source = *place->source,
        .destination = *place->destination,
        .vantage = place->vantage,
        .path = place->encapsulation == ENCAPSULATION_NONE ? PATH_NONE : place->path,
        .ssrc = packet.ssrc,
        .direction = place->direction,
        .protocol = place->protocol,
        .encapsulation = place->encapsulation,
    };
    struct rtp_candidate evicted;
    struct rtp_candidate *candidate = rtp_probation_add(observer->probation, &key, &sample, first_byte, &evicted);
    if (candidate == NULL)
        return OBSERVED_LIMIT;
    if (evicted.count > 0)
        promote(observer, &evicted, 0);
    promote(observer, candidate, 1);
    return candidate->count == 0 ? OBSERVED : OBSERVED_NOT_WEBRTC;
}

/* --- RTCP ----------------------------------------------------------------------------------------------------------------- */

static struct report_sent *report_place(struct observer *observer, uint32_t path, uint32_t ssrc, uint32_t ntp_middle)
{
    return &observer->reports[table_mix(((uint64_t)ssrc << 32 | ntp_middle) + path) % REPORTS];
}

static void note_sender_report(struct observer *observer, const struct place *place, const struct rtcp_packet *packet)
{
    struct rtcp_sender_info info;
    if (!rtcp_read_sender_report(packet, &info))
        return;
    uint32_t middle = (uint32_t)(info.ntp >> 16);
    struct report_sent *report = report_place(observer, place->path, info.ssrc, middle);
    *report = (struct report_sent){
        .path = place->path + 1,
        .ssrc = info.ssrc,
        .ntp_middle = middle,
        .direction = place->direction,
        .sent = place->now,
    };
}

/* Round trip (RFC 3550, section 6.4.1): from the sender report's passing here to that of the block that answers it, less
 * the time the receiver kept it. */
static void note_report_blocks(struct observer *observer, const struct place *place, const struct rtcp_packet *packet)
{
    struct rtcp_report_block block;
    for (size_t i = 0; rtcp_report_block(packet, i, &block); i++) {
        const struct report_sent *report = report_place(observer, place->path, block.ssrc, block.last_sr);
        if (block.last_sr == 0 || report->path != place->path + 1 || report->ssrc != block.ssrc ||
            report->ntp_middle != block.last_sr || report->direction == place->direction ||
            vantage_locality(&observer->vantages.vantages[place->vantage], place->destination) == VANTAGE_REMOTE)
            continue;
        nanos kept = (nanos)((double)block.delay_since_last_sr / 65536.0 * 1e9);
        nanos round_trip = place->now - report->sent - kept;
        if (round_trip >= 0)
            histogram_record(&observer->rtcp_rtt, (uint64_t)round_trip);
    }
}

static void count_packet(struct rtcp_counts *counts, const struct rtcp_packet *packet, bool plain)
{
    counts->types[packet->type - RTCP_TYPE_FIRST]++;
    if (packet->type == RTCP_TRANSPORT_FEEDBACK) {
        counts->nack += packet->count == RTCP_FORMAT_NACK;
        counts->twcc += packet->count == RTCP_FORMAT_TRANSPORT_WIDE;
    }
    if (packet->type == RTCP_PAYLOAD_FEEDBACK) {
        struct rtcp_remb remb;
        counts->pli += packet->count == RTCP_FORMAT_PLI;
        counts->fir += packet->count == RTCP_FORMAT_FIR;
        /* Encrypted application feedback can't say that it is REMB; nothing else is seen in its place. */
        counts->remb += packet->count == RTCP_FORMAT_APPLICATION && (!plain || rtcp_read_remb(packet, &remb));
    }
}

/* Is this datagram the copy of one that was seen on another path? */
static bool is_copy(struct observer *observer, const struct place *place, const uint8_t *data, size_t captured,
                    size_t len)
{
    uint64_t hash = len;
    size_t tail = captured > RTCP_HASH_BYTES ? captured - RTCP_HASH_BYTES : 0; /* where SRTCP has its index and tag */
    for (size_t at = tail; at < captured; at++)
        hash = (hash ^ data[at]) * 0x100000001b3u;
    hash = table_mix(hash);
    struct sighting evicted;
    bool known;
    bool had_evicted;
    struct sighting *sighting =
        sightings_get(observer->rtcp_sightings, hash, place->now, &known, &evicted, &had_evicted);
    if (!known)
        sighting->first_stream = place->path;
    return known && sighting->first_stream != place->path;
}

/* Do all parts of a compound packet add up, with nothing behind them? Then it isn't encrypted. */
static bool is_plain(const uint8_t *data, size_t captured, size_t len)
{
    struct rtcp_cursor cursor = rtcp_walk(data, captured);
    struct rtcp_packet packet;
    size_t packets = 0;
    while (rtcp_next(&cursor, &packet)) {
        if (packet.type < RTCP_TYPE_FIRST || packet.type >= RTCP_TYPE_FIRST + RTCP_TYPES)
            return false;
        packets++;
    }
    return packets > 0 && !cursor.failed && captured == len;
}

/* Is the first packet's length that of a report with as many blocks as it says (RFC 3550, sections 6.4.1 and 6.4.2)? Then
 * it can hardly be anything else, encrypted or not. */
static bool is_report(const uint8_t *data)
{
    size_t words = bytes_get16(data + 2);
    size_t blocks = (size_t)(data[0] & 0x1f) * 6;
    return (data[1] == RTCP_SENDER_REPORT && words == 6 + blocks) ||
           (data[1] == RTCP_RECEIVER_REPORT && words == 1 + blocks);
}

/* Types that RTCP uses (RFC 5761, section 4, and the IANA registry); what others use is something else. */
static bool is_assigned(uint8_t type) { return type <= 195 || (type >= 200 && type <= 213); }

enum observed observer_rtcp(struct observer *observer, struct place *place, const uint8_t *data, size_t captured,
                            size_t len)
{
    if (captured < 8 || !is_assigned(data[1]) || ((size_t)bytes_get16(data + 2) + 1) * 4 > len)
        return OBSERVED_NOT_WEBRTC;
    bool plain = is_plain(data, captured, len);
    if (trust_of(observer, place->path) == RTP_TRUST_NONE && !is_report(data))
        return OBSERVED_NOT_WEBRTC;
    if (!observer_need_path(observer, place))
        return OBSERVED_LIMIT;
    struct path *path = &observer->paths.paths[place->path];
    bool copy = is_copy(observer, place, data, captured, len);
    path->rtcp_plain |= plain;
    path->rtcp_encrypted |= !plain && captured == len;
    if (!plain && captured == len && observer->decryptor != NULL) {
        size_t inner_len = len;
        const uint8_t *inner =
            decryptor_rtcp(observer->decryptor, &observer->paths, place->path, place->direction, data, &inner_len);
        if (inner != NULL && is_plain(inner, inner_len, inner_len)) {
            data = inner;
            captured = inner_len;
            plain = true;
        }
    }
    struct rtcp_counts *counts = &observer->rtcp;
    counts->compounds += !copy;
    counts->encrypted += !copy && !plain;
    struct rtcp_cursor cursor = rtcp_walk(data, captured);
    struct rtcp_packet packet;
    if (!plain) { /* RFC 3711, section 3.4: the first packet's header and SSRC are in the clear */
        packet = (struct rtcp_packet){.type = data[1], .count = data[0] & 0x1f, .body = data + 4, .body_len = 4};
        if (!copy)
            count_packet(counts, &packet, false);
        return OBSERVED;
    }
    while (rtcp_next(&cursor, &packet)) {
        if (!copy)
            count_packet(counts, &packet, true);
        if (packet.type == RTCP_SENDER_REPORT && !copy) /* where it was seen first: nearest to its sender */
            note_sender_report(observer, place, &packet);
        if (packet.type == RTCP_SENDER_REPORT || packet.type == RTCP_RECEIVER_REPORT)
            note_report_blocks(observer, place, &packet);
    }
    return OBSERVED;
}

void observer_finish_media(struct observer *observer)
{
    for (size_t i = 0; i < RTP_PROBATION_SETS; i++) {
        for (size_t way = 0; way < RTP_PROBATION_WAYS; way++) {
            struct rtp_candidate *candidate = &observer->probation->candidates[i][way];
            if (candidate->count > 0)
                promote(observer, candidate, 0);
        }
    }
    sightings_visit(observer->sightings, sighting_over, observer);
}
