#include "analyzers/analysis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/connection.h"
#include "analyzers/observer.h"

/* Share of a stream's packets whose timestamps another stream must have had before, for it to be RTX: padding that probes
 * for bandwidth has timestamps of its own. */
#define RTX_SHARE_MIN 0.25
#define COPY_SHARE_MIN 0.5

/* --- reading several captures as one --------------------------------------------------------------------------------------- */

struct source {
    struct capture *capture;
    struct capture_packet packet; /* the next one */
    bool waiting;                 /* there is one */
    nanos earliest;
    nanos latest;
};

struct reading {
    struct source *sources;
    size_t count;
    size_t *heap; /* sources with a packet, the earliest on top */
    size_t heap_count;
};

static bool earlier(const struct reading *reading, size_t a, size_t b)
{
    nanos time_a = reading->sources[a].packet.time;
    nanos time_b = reading->sources[b].packet.time;
    return time_a != time_b ? time_a < time_b : a < b;
}

static void sift_down(struct reading *reading, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < reading->heap_count; child++) {
            if (earlier(reading, reading->heap[child], reading->heap[least]))
                least = child;
        }
        if (least == at)
            return;
        size_t swapped = reading->heap[at];
        reading->heap[at] = reading->heap[least];
        reading->heap[least] = swapped;
        at = least;
    }
}

static bool advance(struct source *source)
{
    source->waiting = capture_next(source->capture, &source->packet);
    return source->waiting;
}

/* Takes the heap's top packet's successor into the heap. */
static void next_top(struct reading *reading)
{
    if (!advance(&reading->sources[reading->heap[0]]))
        reading->heap[0] = reading->heap[--reading->heap_count];
    sift_down(reading, 0);
}

static void take_packet(struct observer *observer, struct analysis_capture *result, uint32_t capture,
                        const struct capture_packet *frame)
{
    result->packets++;
    result->bytes += frame->original_len;
    struct packet packet;
    uint32_t vantage = vantages_get(&observer->vantages, capture, frame->interface, 0);
    enum packet_skip skip = packet_decode(frame, vantage, observer->fragments, &packet);
    result->skipped[skip] += skip != PACKET_TAKEN;
    if (skip != PACKET_TAKEN)
        return;
    if (packet.device != 0)
        vantage = vantages_get(&observer->vantages, capture, frame->interface, packet.device);
    enum observed observed = vantage == VANTAGE_NONE ? OBSERVED_LIMIT : observer_packet(observer, vantage, &packet);
    result->not_webrtc += observed == OBSERVED_NOT_WEBRTC;
    result->limited += observed == OBSERVED_LIMIT;
}

static void read_all(struct reading *reading, struct observer *observer, struct analysis *analysis)
{
    for (size_t i = 0; i < reading->count; i++) {
        reading->sources[i].earliest = NANOS_NEVER;
        reading->sources[i].latest = -1;
        if (advance(&reading->sources[i]))
            reading->heap[reading->heap_count++] = i;
    }
    for (size_t i = reading->heap_count; i-- > 0;)
        sift_down(reading, i);
    while (reading->heap_count > 0) {
        size_t top = reading->heap[0];
        struct source *source = &reading->sources[top];
        source->earliest = nanos_min(source->earliest, source->packet.time);
        source->latest = nanos_max(source->latest, source->packet.time);
        take_packet(observer, &analysis->captures[top], (uint32_t)top, &source->packet);
        next_top(reading);
    }
    for (size_t i = 0; i < reading->count; i++) {
        const struct source *source = &reading->sources[i];
        if (source->latest >= 0)
            analysis->captures[i].duration_s = nanos_to_s(source->latest - source->earliest);
        const char *damage = capture_damage(source->capture);
        if (damage != NULL)
            analysis->captures[i].damage = strdup(damage);
    }
}

/* --- the result ------------------------------------------------------------------------------------------------------------- */

static struct analysis_summary summary_of(const struct histogram *histogram)
{
    struct analysis_summary summary = {histogram->count, NAN, NAN, NAN, NAN, NAN, NAN};
    if (histogram->count == 0)
        return summary;
    summary.min = (double)histogram->min / 1e6;
    summary.mean = histogram_mean(histogram) / 1e6;
    summary.p50 = histogram_quantile(histogram, 0.50) / 1e6;
    summary.p95 = histogram_quantile(histogram, 0.95) / 1e6;
    summary.p99 = histogram_quantile(histogram, 0.99) / 1e6;
    summary.max = (double)histogram->max / 1e6;
    return summary;
}

/* Where each payload type's clock rate is known from some stream of the same capture, and all agree: for streams too short
 * to tell by themselves. */
struct type_clocks {
    int clocks[128]; /* index of the rate; -1: unknown; -2: several */
    bool rtx[128];   /* some stream of this type is RTX */
};

static int stream_clock(const struct media_stream *media)
{
    uint8_t type = rtp_stream_payload_type(&media->rtp);
    int clock = rtp_stream_static_clock(type);
    return clock >= 0 ? clock : rtp_stream_guess_clock(&media->rtp);
}

static bool is_rtx(const struct observer *observer, const struct media_stream *media)
{
    /* Padding that probes for bandwidth before there is media: libwebrtc sends it under SSRC 0, others under the RTX
     * stream's with timestamp 0. */
    if (media->ssrc == 0 || (media->rtp.frames == 1 && media->rtp.recent_timestamps[0] == 0))
        return true;
    if (media->repeats_of == MEDIA_STREAM_NONE || (double)media->repeats < RTX_SHARE_MIN * (double)media->rtp.packets)
        return false;
    const struct media_stream *original = &observer->streams.streams[media->repeats_of];
    return rtp_stream_payload_type(&original->rtp) != rtp_stream_payload_type(&media->rtp);
}

/* WebRTC encrypts always (RFC 8827, section 6.5), so what is in the clear has to prove it: by plain RTCP beside it, or a
 * static payload type, which SIP phones send in the clear and WebRTC hardly ever. */
static bool is_encrypted(const struct observer *observer, const struct media_stream *media,
                         const struct analysis_connection *connection)
{
    const struct path *path = &observer->paths.paths[media->path];
    bool proven =
        path->dtls.server_hello || path->rtcp_encrypted || (connection != NULL && connection->dtls_version != 0);
    return proven || (!path->rtcp_plain && rtp_stream_payload_type(&media->rtp) >= 64);
}

static void fill_stream(const struct observer *observer, const struct analysis *analysis, uint32_t number,
                        int64_t connection, struct analysis_stream *stream)
{
    const struct media_stream *media = &observer->streams.streams[number];
    const struct rtp_stream *rtp = &media->rtp;
    const struct path *path = &observer->paths.paths[media->path];
    const struct flow *flow = &observer->flows.flows[path->flow];
    const struct vantage *vantage = &observer->vantages.vantages[flow->vantage];
    struct rtp_stream_bitrate bitrate = rtp_stream_bitrate(rtp);
    *stream = (struct analysis_stream){
        .source = flow->ends[media->direction],
        .destination = flow->ends[!media->direction],
        .capture = vantage->capture,
        .interface = vantage->interface,
        .ssrc = media->ssrc,
        .payload_type = rtp_stream_payload_type(rtp),
        .connection = connection,
        .copy_of = -1,
        .moved_from = -1,
        .repeats = -1,
        .first_time = rtp->first_time,
        .last_time = rtp->last_time,
        .packets = rtp->packets,
        .expected = rtp_stream_expected(rtp),
        .lost = rtp_stream_lost(rtp),
        .duplicates = rtp->duplicates,
        .reordered = rtp->reordered,
        .bytes = rtp->bytes,
        .duration_s = rtp_stream_duration_s(rtp),
        .bitrate_mean_kbps = bitrate.mean_kbps,
        .bitrate_p95_kbps = bitrate.p95_kbps,
        .bitrate_max_kbps = bitrate.max_kbps,
        .clock_rate = -1,
        .jitter_mean_ms = NAN,
        .jitter_max_ms = NAN,
        .jitter_last_ms = NAN,
        .delta_min_ms = rtp->regular == 0 ? NAN : rtp->delta_min_ms,
        .delta_mean_ms = rtp->regular == 0 ? NAN : rtp->delta_mean_ms,
        .delta_max_ms = rtp->regular == 0 ? NAN : rtp->delta_max_ms,
        .frames = -1,
        .fps = NAN,
    };
    if (path->wrapped)
        stream->peer = path->ends[!path->client];
    if (media->encapsulated[ENCAPSULATION_CHANNEL] > 0 || media->encapsulated[ENCAPSULATION_SEND] > 0)
        stream->via = media->encapsulated[ENCAPSULATION_CHANNEL] >= media->encapsulated[ENCAPSULATION_SEND]
                          ? ANALYSIS_TURN_CHANNEL
                          : ANALYSIS_TURN_SEND;
    if (rtp->window_count > 0)
        stream->windows = malloc(rtp->window_count * sizeof *stream->windows);
    if (stream->windows != NULL) {
        memcpy(stream->windows, rtp->windows, rtp->window_count * sizeof *stream->windows);
        stream->window_count = rtp->window_count;
        stream->window_stride = rtp->window_stride;
    }
    stream->encrypted = is_encrypted(observer, media, connection < 0 ? NULL : &analysis->connections[connection]);
}

static void fill_media(struct analysis_stream *stream, const struct media_stream *media, int clock)
{
    if (stream->kind == ANALYSIS_RTX || clock < 0)
        return;
    stream->clock_rate = rtp_stream_clock_rates[clock];
    stream->kind = stream->clock_rate == 90000 ? ANALYSIS_VIDEO : ANALYSIS_AUDIO;
    if (media->rtp.packets > 1)
        stream->jitter_last_ms = media->rtp.jitter_ms[clock];
    if (media->rtp.regular > 0) {
        stream->jitter_mean_ms = media->rtp.jitter_mean_ms[clock];
        stream->jitter_max_ms = media->rtp.jitter_max_ms[clock];
    }
    if (stream->kind == ANALYSIS_VIDEO) {
        stream->frames = (int64_t)media->rtp.frames;
        stream->fps = rtp_stream_frame_rate(&media->rtp);
    }
}

struct order {
    const struct observer *observer;
    uint32_t number;
};

static int compare_order(const void *a, const void *b)
{
    const struct order *left = a;
    const struct order *right = b;
    const struct observer *observer = left->observer;
    const struct media_stream *x = &observer->streams.streams[left->number];
    const struct media_stream *y = &observer->streams.streams[right->number];
    uint32_t capture_x =
        observer->vantages.vantages[observer->flows.flows[observer->paths.paths[x->path].flow].vantage].capture;
    uint32_t capture_y =
        observer->vantages.vantages[observer->flows.flows[observer->paths.paths[y->path].flow].vantage].capture;
    if (capture_x != capture_y)
        return capture_x < capture_y ? -1 : 1;
    if (x->rtp.first_time != y->rtp.first_time)
        return x->rtp.first_time < y->rtp.first_time ? -1 : 1;
    return left->number < right->number ? -1 : left->number > right->number;
}

static bool make_streams(const struct observer *observer, const struct connections *connections,
                         struct analysis *analysis)
{
    uint32_t count = observer->streams.count;
    struct order *orders = calloc(count + 1u, sizeof *orders);
    int64_t *places = calloc(count + 1u, sizeof *places);
    struct type_clocks *clocks = malloc(analysis->capture_count * sizeof *clocks);
    analysis->streams = calloc(count + 1u, sizeof *analysis->streams);
    bool ok = orders != NULL && places != NULL && clocks != NULL && analysis->streams != NULL;
    for (size_t i = 0; ok && i < analysis->capture_count; i++) {
        clocks[i] = (struct type_clocks){0};
        for (int type = 0; type < 128; type++)
            clocks[i].clocks[type] = -1;
    }
    for (uint32_t i = 0; ok && i < count; i++)
        orders[i] = (struct order){.observer = observer, .number = i};
    if (ok)
        qsort(orders, count, sizeof *orders, compare_order);
    for (uint32_t i = 0; ok && i < count; i++) {
        const struct media_stream *media = &observer->streams.streams[orders[i].number];
        places[orders[i].number] = i;
        struct analysis_stream *stream = &analysis->streams[i];
        fill_stream(observer, analysis, orders[i].number, connections->of_path[media->path], stream);
        if (is_rtx(observer, media)) {
            stream->kind = ANALYSIS_RTX;
            clocks[stream->capture].rtx[stream->payload_type] = true;
            continue;
        }
        int clock = stream_clock(media);
        int *known = &clocks[stream->capture].clocks[stream->payload_type];
        if (clock >= 0)
            *known = *known == -1 || *known == clock ? clock : -2;
    }
    for (uint32_t i = 0; ok && i < count; i++) {
        const struct media_stream *media = &observer->streams.streams[orders[i].number];
        struct analysis_stream *stream = &analysis->streams[i];
        int clock = stream_clock(media);
        const struct type_clocks *known = &clocks[stream->capture];
        if (clock < 0 && known->clocks[stream->payload_type] == -1 && known->rtx[stream->payload_type])
            stream->kind = ANALYSIS_RTX;
        fill_media(stream, media, clock >= 0 ? clock : known->clocks[stream->payload_type]);
        if (media->copy_of != MEDIA_STREAM_NONE && (double)media->copies >= COPY_SHARE_MIN * (double)media->rtp.packets)
            stream->copy_of = places[media->copy_of];
        if (media->moved_from != MEDIA_STREAM_NONE)
            stream->moved_from = places[media->moved_from];
        if (stream->kind == ANALYSIS_RTX && media->repeats_of != MEDIA_STREAM_NONE)
            stream->repeats = places[media->repeats_of];
        if (stream->connection >= 0) {
            struct analysis_connection *connection = &analysis->connections[stream->connection];
            connection->streams += stream->copy_of < 0 && stream->moved_from < 0;
            connection->rtp_packets += stream->copy_of < 0 ? stream->packets : 0;
        }
    }
    analysis->stream_count = ok ? count : 0;
    free(orders);
    free(places);
    free(clocks);
    return ok;
}

static bool add_server(struct analysis_turn *turn, const struct address *server)
{
    for (size_t i = 0; i < turn->server_count; i++) {
        if (address_equal(&turn->servers[i], server))
            return true;
    }
    size_t count = turn->server_count;
    if ((count & (count - 1)) == 0) { /* full at each power of two */
        struct address *grown = realloc(turn->servers, (count == 0 ? 1 : count * 2) * sizeof *grown);
        if (grown == NULL)
            return false;
        turn->servers = grown;
    }
    turn->servers[turn->server_count++] = *server;
    return true;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* An allocation counts once, with the most bytes that any vantage point saw of it. */
static bool make_turn(const struct observer *observer, struct analysis *analysis)
{
    struct analysis_turn *turn = &analysis->turn;
    uint32_t count = observer->allocations.count;
    uint64_t *bytes = calloc(count + 1u, sizeof *bytes);
    uint64_t *failed = calloc(observer->flows.count + 1u, sizeof *failed);
    size_t failures = 0;
    bool ok = bytes != NULL && failed != NULL;
    for (uint32_t i = 0; ok && i < observer->flows.count; i++) {
        const struct flow *flow = &observer->flows.flows[i];
        if (!flow->turn)
            continue;
        if (flow->allocation == ALLOCATION_NONE)
            turn->relayed_bytes += flow->relayed_bytes;
        else if (flow->relayed_bytes > bytes[flow->allocation])
            bytes[flow->allocation] = flow->relayed_bytes;
        if (flow->allocate_asked || flow->allocation != ALLOCATION_NONE || flow->relayed_bytes > 0)
            ok = add_server(turn, &flow->ends[!flow->client]);
        if (flow->allocate_asked && flow->allocation == ALLOCATION_NONE)
            failed[failures++] = flow->first_id;
    }
    if (ok) {
        for (uint32_t i = 0; i < count; i++)
            turn->relayed_bytes += bytes[i];
        qsort(failed, failures, sizeof *failed, compare_ids);
        for (size_t i = 0; i < failures; i++)
            turn->failed += i == 0 || failed[i] != failed[i - 1];
        turn->allocations = count;
        turn->ms_turn_frames = observer->ms_turn_frames;
    }
    free(bytes);
    free(failed);
    return ok;
}

static void make_rtcp(const struct rtcp_counts *counts, struct analysis_rtcp *rtcp)
{
    const uint64_t *types = counts->types;
    *rtcp = (struct analysis_rtcp){
        .sr = types[200 - RTCP_TYPE_FIRST],
        .rr = types[201 - RTCP_TYPE_FIRST],
        .sdes = types[202 - RTCP_TYPE_FIRST],
        .bye = types[203 - RTCP_TYPE_FIRST],
        .xr = types[207 - RTCP_TYPE_FIRST],
        .nack = counts->nack,
        .pli = counts->pli,
        .fir = counts->fir,
        .remb = counts->remb,
        .twcc = counts->twcc,
        .datagrams = counts->compounds,
        .encrypted = counts->encrypted,
    };
}

static bool make_result(struct observer *observer, struct analysis *analysis)
{
    observer_finish(observer);
    analysis->stun_rtt_ms = summary_of(&observer->stun_rtt);
    analysis->rtcp_rtt_ms = summary_of(&observer->rtcp_rtt);
    analysis->one_way_ms = summary_of(&observer->one_way);
    analysis->forwarding_ms = summary_of(&observer->forwarding);
    analysis->stun_messages = observer->stun_messages;
    analysis->stun_classic = observer->stun_classic;
    analysis->dtls_datagrams = observer->dtls_datagrams;
    analysis->understood = observer_understood(observer);
    for (uint32_t i = 0; i < observer->vantages.count; i++)
        analysis->captures[observer->vantages.vantages[i].capture].not_webrtc -=
            observer->vantages.vantages[i].redeemed;
    make_rtcp(&observer->rtcp, &analysis->rtcp);
    struct connections connections;
    bool ok = connections_make(observer, analysis, &connections) && make_streams(observer, &connections, analysis) &&
              connections_guess_topology(observer, &connections, analysis) && make_turn(observer, analysis);
    connections_clear(&connections);
    return ok;
}

/* --- the calls ---------------------------------------------------------------------------------------------------------------- */

static struct analysis *analyze(struct capture **captures, size_t count, struct decryptor *decryptor,
                                struct error *error)
{
    struct analysis *analysis = calloc(1, sizeof *analysis);
    struct observer *observer = observer_create();
    struct reading reading = {
        .sources = calloc(count + 1, sizeof *reading.sources),
        .heap = calloc(count + 1, sizeof *reading.heap),
        .count = count,
    };
    bool ok = analysis != NULL && observer != NULL && reading.sources != NULL && reading.heap != NULL;
    if (ok)
        analysis->captures = calloc(count + 1, sizeof *analysis->captures);
    ok = ok && analysis->captures != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        reading.sources[i].capture = captures[i];
        analysis->captures[i].file = strdup(capture_name(captures[i]));
        ok = analysis->captures[i].file != NULL;
        analysis->capture_count++;
    }
    if (ok) {
        observer->decryptor = decryptor;
        read_all(&reading, observer, analysis);
        ok = make_result(observer, analysis);
    }
    if (ok && decryptor != NULL) {
        struct decryptor_counts counts = decryptor_counts(decryptor);
        analysis->decrypted = true;
        analysis->decrypted_paths = counts.paths;
        analysis->decrypted_srtp = counts.srtp;
        analysis->decrypted_srtcp = counts.srtcp;
        analysis->decryption_failures = counts.failed;
    }
    observer_destroy(observer);
    free(reading.sources);
    free(reading.heap);
    if (!ok) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        analysis_destroy(analysis);
        return NULL;
    }
    return analysis;
}

struct analysis *analysis_of_files_with(const char *const *paths, size_t count, const struct analysis_options *options,
                                        struct error *error)
{
    struct capture **captures = calloc(count + 1, sizeof(struct capture *));
    if (captures == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    struct keylog *keylog = NULL;
    struct decryptor *decryptor = NULL;
    bool ok = true;
    if (options->keylog != NULL) {
        keylog = keylog_open(options->keylog, error);
        ok = keylog != NULL;
        decryptor = ok ? decryptor_create(keylog) : NULL;
        if (ok && decryptor == NULL)
            ok = error_set(error, ERROR_SYSTEM, "out of memory");
    }
    for (size_t i = 0; ok && i < count; i++) {
        captures[i] = capture_open(paths[i], error);
        ok = captures[i] != NULL;
    }
    struct analysis *analysis = ok ? analyze(captures, count, decryptor, error) : NULL;
    decryptor_destroy(decryptor);
    keylog_close(keylog);
    for (size_t i = 0; i < count; i++)
        capture_close(captures[i]);
    free(captures);
    return analysis;
}

struct analysis *analysis_of_files(const char *const *paths, size_t count, struct error *error)
{
    struct analysis_options options = {0};
    return analysis_of_files_with(paths, count, &options, error);
}

struct analysis *analysis_of_memory(const char *name, const uint8_t *data, size_t len, struct error *error)
{
    struct capture *capture = capture_of_memory(name, data, len, error);
    struct analysis *analysis = capture != NULL ? analyze(&capture, 1, NULL, error) : NULL;
    capture_close(capture);
    return analysis;
}

void analysis_destroy(struct analysis *analysis)
{
    if (analysis == NULL)
        return;
    for (size_t i = 0; i < analysis->capture_count; i++) {
        free(analysis->captures[i].file);
        free(analysis->captures[i].damage);
    }
    for (size_t i = 0; i < analysis->stream_count; i++)
        free(analysis->streams[i].windows);
    free(analysis->captures);
    free(analysis->streams);
    free(analysis->connections);
    free(analysis->turn.servers);
    free(analysis);
}

const char *analysis_kind_name(enum analysis_kind kind)
{
    static const char *const names[] = {"unknown", "audio", "video", "rtx"};
    return names[kind];
}

const char *analysis_via_name(enum analysis_via via)
{
    static const char *const names[] = {"direct", "turn-channel", "turn-send"};
    return names[via];
}

const char *analysis_topology_name(enum analysis_topology topology)
{
    static const char *const names[] = {"unknown", "mesh", "sfu"};
    return names[topology];
}

const char *analysis_turn_name(uint8_t transport)
{
    static const char *const names[] = {NULL, "udp", "tcp", "tls"};
    return names[transport];
}

const char *analysis_dtls_name(uint16_t version)
{
    switch (version) {
    case DTLS_VERSION_1_0:
        return "1.0";
    case DTLS_VERSION_1_2:
        return "1.2";
    case DTLS_VERSION_1_3:
        return "1.3";
    default:
        return NULL;
    }
}

const char *analysis_srtp_name(uint16_t profile)
{
    switch (profile) { /* RFC 5764, section 4.1.2, and RFC 7714, section 14.2 */
    case 0x0001:
        return "SRTP_AES128_CM_SHA1_80";
    case 0x0002:
        return "SRTP_AES128_CM_SHA1_32";
    case 0x0005:
        return "SRTP_NULL_SHA1_80";
    case 0x0006:
        return "SRTP_NULL_SHA1_32";
    case 0x0007:
        return "SRTP_AEAD_AES_128_GCM";
    case 0x0008:
        return "SRTP_AEAD_AES_256_GCM";
    default:
        return NULL;
    }
}
