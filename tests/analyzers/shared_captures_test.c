/* Captures of real calls, when they lie beside the project (README.md says where): what confab makes of them against what
 * is known of them, which is Chromium's own statistics and tshark's stream lists. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/analysis.h"
#include "analyzers/turn_allocation.h"
#include "tests/support/suite.h"

static const char *shared_directory(void)
{
    const char *named = getenv("CONFAB_SHARED");
    const char *directory = named != NULL ? named : "../shared";
    return access(directory, R_OK) == 0 ? directory : NULL;
}

/* NULL, and a loud line, when the captures aren't here. */
static struct analysis *analyze(const char *name)
{
    const char *directory = shared_directory();
    if (directory == NULL) {
        printf("skipped: no captures in ../shared (or CONFAB_SHARED) to compare %s with\n", name);
        return NULL;
    }
    char path[512];
    snprintf(path, sizeof path, "%s/pcaps/%s", directory, name);
    const char *paths[] = {path};
    struct error error = {0};
    struct analysis *analysis = analysis_of_files(paths, 1, &error);
    CU_ASSERT_PTR_NOT_NULL(analysis);
    if (analysis == NULL)
        printf("%s\n", error.text);
    return analysis;
}

static json_t *load(const char *name)
{
    char path[512];
    const char *directory = shared_directory();
    if (directory == NULL)
        return NULL;
    snprintf(path, sizeof path, "%s/pcaps/%s", directory, name);
    return json_load_file(path, 0, NULL);
}

/* "10.0.0.1:2152,…" for tunnels: the last of each list is the inner one. */
static struct address ground_address(const char *text)
{
    char ip[128];
    char port[64];
    const char *colon = strrchr(text, ':');
    snprintf(ip, sizeof ip, "%.*s", (int)(colon - text), text);
    snprintf(port, sizeof port, "%s", colon + 1);
    const char *inner_ip = strrchr(ip, ',') != NULL ? strrchr(ip, ',') + 1 : ip;
    const char *inner_port = strrchr(port, ',') != NULL ? strrchr(port, ',') + 1 : port;
    struct address address = {0};
    CU_ASSERT_TRUE(address_parse(&address, inner_ip));
    address.port = (uint16_t)atoi(inner_port);
    return address;
}

static const struct analysis_stream *find_stream(const struct analysis *analysis, const struct address *source,
                                                 const struct address *destination, uint32_t ssrc)
{
    for (size_t i = 0; i < analysis->stream_count; i++) {
        const struct analysis_stream *stream = &analysis->streams[i];
        if (stream->ssrc == ssrc && address_equal(&stream->source, source) &&
            address_equal(&stream->destination, destination))
            return stream;
    }
    return NULL;
}

/* tshark drops SRTP packets with the padding bit, because it takes the tag's last byte for the padding's length: in these
 * streams it finds fewer packets than there are, and calls them lost. docs/analyze.md has the list. */
struct padded_stream {
    const char *file;
    uint32_t ssrc;
    uint64_t packets;
    uint64_t tshark_packets;
};
static const struct padded_stream padded_streams[] = {
    {"stun_google_meet.pcapng", 0, 31, 25},
    {"stun_google_meet.pcapng", 0, 104, 93},
    {"stun_signal.pcapng", 0x7dd, 12, 11},
};

static bool is_padded(const char *file, const struct analysis_stream *stream, uint64_t tshark_packets)
{
    for (size_t i = 0; i < sizeof padded_streams / sizeof padded_streams[0]; i++) {
        const struct padded_stream *padded = &padded_streams[i];
        if (strcmp(padded->file, file) == 0 && padded->ssrc == stream->ssrc && padded->packets == stream->packets &&
            padded->tshark_packets == tshark_packets)
            return stream->lost == 0;
    }
    return false;
}

static void compare_stream(const char *file, const struct analysis *analysis, json_t *truth)
{
    struct address source = ground_address(json_string_value(json_object_get(truth, "src")));
    struct address destination = ground_address(json_string_value(json_object_get(truth, "dst")));
    uint32_t ssrc = (uint32_t)strtoul(json_string_value(json_object_get(truth, "ssrc")), NULL, 16);
    const struct analysis_stream *stream = find_stream(analysis, &source, &destination, ssrc);
    CU_ASSERT_PTR_NOT_NULL(stream);
    if (stream == NULL) {
        printf("%s: stream 0x%08x is missing\n", file, ssrc);
        return;
    }
    uint64_t packets = (uint64_t)json_integer_value(json_object_get(truth, "pkts"));
    if (is_padded(file, stream, packets))
        return;
    CU_ASSERT_EQUAL(stream->packets, packets);
    CU_ASSERT_EQUAL(stream->expected, (uint64_t)json_integer_value(json_object_get(truth, "expected")));
    CU_ASSERT_EQUAL(stream->lost, (uint64_t)json_integer_value(json_object_get(truth, "lost")));
    CU_ASSERT_EQUAL(stream->duplicates, (uint64_t)json_integer_value(json_object_get(truth, "dup")));
    CU_ASSERT_DOUBLE_EQUAL(stream->duration_s, json_number_value(json_object_get(truth, "dur")), 0.0006);
    json_t *clock = json_object_get(truth, "est_clock");
    /* 12 packets within 81 ms, which belong to a handful of frames: we don't guess from so little */
    bool too_short = strcmp(file, "rtp.pcapng") == 0 && ssrc == 0x001a759f;
    if (json_is_integer(clock) && !too_short && stream->kind != ANALYSIS_RTX)
        CU_ASSERT_EQUAL(stream->clock_rate, json_integer_value(clock));
    if (packets != stream->packets)
        printf("%s: stream 0x%08x has %llu packets, tshark says %llu\n", file, ssrc,
               (unsigned long long)stream->packets, (unsigned long long)packets);
}

static void finds_the_streams_that_tshark_finds(void)
{
    json_t *truth = load("ground_truth_tshark.json");
    if (truth == NULL) {
        printf("skipped: no ground_truth_tshark.json in ../shared/pcaps (or CONFAB_SHARED)\n");
        return;
    }
    const char *file;
    json_t *entry;
    size_t files = 0;
    json_object_foreach(truth, file, entry)
    {
        struct analysis *analysis = analyze(file);
        if (analysis == NULL)
            continue;
        files++;
        CU_ASSERT_EQUAL(analysis->captures[0].packets, (uint64_t)json_integer_value(json_object_get(entry, "packets")));
        CU_ASSERT_EQUAL(analysis->captures[0].bytes,
                        (uint64_t)json_integer_value(json_object_get(entry, "wire_bytes")));
        json_t *streams = json_object_get(entry, "streams");
        CU_ASSERT_EQUAL(analysis->stream_count, json_array_size(streams)); /* none missing, and no false ones */
        for (size_t i = 0; i < json_array_size(streams); i++)
            compare_stream(file, analysis, json_array_get(streams, i));
        analysis_destroy(analysis);
    }
    CU_ASSERT(files >= 16);
    json_decref(truth);
}

/* --- Chromium's own statistics --------------------------------------------------------------------------------------------- */

/* The last getStats of a recording: one JSON object a line. */
static json_t *last_stats(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/pcaps/chrome/%s", shared_directory(), name);
    FILE *file = fopen(path, "r");
    json_t *last = NULL;
    char *line = NULL;
    size_t cap = 0;
    while (file != NULL && getline(&line, &cap, file) > 0) {
        json_t *entry = json_loads(line, 0, NULL);
        const char *kind = json_string_value(json_object_get(entry, "k"));
        if (kind != NULL && strcmp(kind, "stats") == 0) {
            json_decref(last);
            last = json_incref(json_object_get(entry, "v"));
        }
        json_decref(entry);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return last;
}

/* What passed the first leg: streams that aren't copies. */
static const struct analysis_stream *original(const struct analysis *analysis, uint32_t ssrc)
{
    for (size_t i = 0; i < analysis->stream_count; i++) {
        if (analysis->streams[i].ssrc == ssrc && analysis->streams[i].copy_of < 0)
            return &analysis->streams[i];
    }
    return NULL;
}

/* Each outbound-rtp of either side: its packets, those of its RTX stream included, as getStats counts them. The statistics
 * are from a moment before the call ended, so a frame more may have been sent. */
static size_t compare_outbound(const struct analysis *analysis, json_t *side, uint64_t after)
{
    size_t compared = 0;
    for (size_t i = 0; i < json_array_size(side); i++) {
        json_t *stat = json_array_get(side, i);
        if (strcmp(json_string_value(json_object_get(stat, "type")), "outbound-rtp") != 0)
            continue;
        uint32_t ssrc = (uint32_t)json_integer_value(json_object_get(stat, "ssrc"));
        const struct analysis_stream *stream = original(analysis, ssrc);
        CU_ASSERT_PTR_NOT_NULL_FATAL(stream);
        uint64_t packets = stream->packets;
        json_t *rtx = json_object_get(stat, "rtxSsrc");
        const struct analysis_stream *repeats =
            rtx == NULL ? NULL : original(analysis, (uint32_t)json_integer_value(rtx));
        if (repeats != NULL) {
            packets += repeats->packets;
            CU_ASSERT_EQUAL(repeats->kind, ANALYSIS_RTX);
            CU_ASSERT_EQUAL(&analysis->streams[repeats->repeats], stream);
        }
        uint64_t sent = (uint64_t)json_integer_value(json_object_get(stat, "packetsSent"));
        CU_ASSERT(packets == sent || (packets > sent && packets <= sent + after));
        CU_ASSERT_EQUAL(stream->lost, 0);
        const char *kind = json_string_value(json_object_get(stat, "kind"));
        CU_ASSERT_STRING_EQUAL(analysis_kind_name(stream->kind), kind);
        if (strcmp(kind, "video") == 0) {
            int64_t frames = json_integer_value(json_object_get(stat, "framesSent"));
            CU_ASSERT(stream->frames == frames || stream->frames == frames + 1);
            CU_ASSERT_DOUBLE_EQUAL(stream->fps, json_number_value(json_object_get(stat, "framesPerSecond")), 1.0);
        }
        compared++;
    }
    return compared;
}

static void agrees_with_chromium_on_a_direct_call(void)
{
    struct analysis *analysis = analyze("chrome/chrome156_p2p.pcap");
    if (analysis == NULL)
        return;
    json_t *stats = last_stats("chrome156_p2p.getstats.jsonl");
    CU_ASSERT_EQUAL(compare_outbound(analysis, json_object_get(stats, "A"), 0), 2);
    CU_ASSERT_EQUAL(compare_outbound(analysis, json_object_get(stats, "B"), 0), 1);
    CU_ASSERT_EQUAL(analysis->connection_count, 1);
    CU_ASSERT_FALSE(analysis->connections[0].relayed);
    CU_ASSERT_STRING_EQUAL(analysis_dtls_name(analysis->connections[0].dtls_version), "1.3");
    CU_ASSERT(analysis->connections[0].ice_ms > 0);
    CU_ASSERT(analysis->connections[0].dtls_ms > 0);
    CU_ASSERT_EQUAL(analysis->turn_fallback_connections, 0.0);
    for (size_t i = 0; i < analysis->stream_count; i++)
        CU_ASSERT_TRUE(analysis->streams[i].encrypted);
    json_decref(stats);
    analysis_destroy(analysis);
}

static void agrees_with_chromium_on_a_relayed_call(void)
{
    struct analysis *analysis = analyze("chrome/chrome156_relay_udp.pcap");
    if (analysis == NULL)
        return;
    json_t *stats = last_stats("chrome156_relay_udp.getstats.jsonl");
    CU_ASSERT_EQUAL(compare_outbound(analysis, json_object_get(stats, "A"), 1), 2);
    CU_ASSERT_EQUAL(compare_outbound(analysis, json_object_get(stats, "B"), 1), 1);
    /* one call, though every packet passes three legs */
    CU_ASSERT_EQUAL(analysis->stream_count, 12);
    size_t copies = 0;
    for (size_t i = 0; i < analysis->stream_count; i++)
        copies += analysis->streams[i].copy_of >= 0;
    CU_ASSERT_EQUAL(copies, 8);
    CU_ASSERT_EQUAL(analysis->forwarding_ms.count, 2710);
    CU_ASSERT_DOUBLE_EQUAL(analysis->forwarding_ms.p50, 0.174, 0.0005);
    CU_ASSERT_DOUBLE_EQUAL(analysis->forwarding_ms.p99, 2.48, 0.01);
    CU_ASSERT_EQUAL(analysis->one_way_ms.count, 0); /* there is but one vantage point */
    CU_ASSERT_EQUAL(analysis->connection_count, 1);
    CU_ASSERT_TRUE(analysis->connections[0].relayed);
    CU_ASSERT_EQUAL(analysis->connections[0].turn, TURN_SEEN_UDP);
    CU_ASSERT_EQUAL(analysis->connections[0].streams, 4);
    CU_ASSERT_EQUAL(analysis->turn.allocations, 3);
    CU_ASSERT_EQUAL(analysis->turn.failed, 0);
    CU_ASSERT_EQUAL(analysis->turn.server_count, 1);
    CU_ASSERT_EQUAL(analysis->turn_fallback_connections, 1.0);
    json_decref(stats);
    analysis_destroy(analysis);
}

/* --- what else is known of some of them -------------------------------------------------------------------------------------- */

static void matches_both_legs_of_a_relayed_voice_call(void)
{
    struct analysis *analysis = analyze("KakaoTalk_talk.pcap");
    if (analysis == NULL)
        return;
    CU_ASSERT_EQUAL(analysis->forwarding_ms.count, 746 + 742);
    size_t copies = 0;
    for (size_t i = 0; i < analysis->stream_count; i++) {
        const struct analysis_stream *stream = &analysis->streams[i];
        copies += stream->copy_of >= 0;
        if (stream->copy_of >= 0)
            CU_ASSERT_EQUAL(analysis->streams[stream->copy_of].ssrc, stream->ssrc);
    }
    CU_ASSERT_EQUAL(copies, 2);
    CU_ASSERT(analysis->forwarding_ms.p50 > 540 && analysis->forwarding_ms.p50 < 575);
    CU_ASSERT(analysis->forwarding_ms.p95 > 3100 && analysis->forwarding_ms.p95 < 3200);
    analysis_destroy(analysis);
}

static void does_not_count_what_icmp_quotes(void)
{
    struct analysis *analysis = analyze("stun_signal.pcapng");
    if (analysis == NULL)
        return;
    CU_ASSERT_EQUAL(analysis->captures[0].skipped[PACKET_ICMP], 53);
    CU_ASSERT_EQUAL(analysis->turn.allocations, 6);
    CU_ASSERT_EQUAL(analysis->rtcp.rr, 69);
    analysis_destroy(analysis);
}

static void sees_turn_over_tcp(void)
{
    struct analysis *analysis = analyze("stun_dtls_rtp.pcapng");
    if (analysis == NULL)
        return;
    CU_ASSERT_EQUAL(analysis->connection_count, 2);
    CU_ASSERT_EQUAL(analysis->turn_fallback_connections, 0.5);
    CU_ASSERT_EQUAL(analysis->turn.allocations, 1);
    size_t wrapped = 0;
    for (size_t i = 0; i < analysis->stream_count; i++)
        wrapped += analysis->streams[i].via == ANALYSIS_TURN_SEND;
    CU_ASSERT_EQUAL(wrapped, 2);
    for (size_t i = 0; i < analysis->connection_count; i++) {
        const struct analysis_connection *connection = &analysis->connections[i];
        CU_ASSERT_EQUAL(connection->turn, connection->relayed ? TURN_SEEN_TCP : TURN_SEEN_NONE);
        CU_ASSERT_STRING_EQUAL(analysis_dtls_name(connection->dtls_version), "1.2");
        CU_ASSERT_STRING_EQUAL(analysis_srtp_name(connection->srtp_profile),
                               connection->relayed ? "SRTP_AES128_CM_SHA1_80" : "SRTP_AEAD_AES_256_GCM");
    }
    analysis_destroy(analysis);
}

static void reads_compound_rtcp(void)
{
    struct analysis *analysis = analyze("rtcp_multiple_pkts_in_the_same_datagram.pcap");
    if (analysis == NULL)
        return;
    CU_ASSERT_EQUAL(analysis->rtcp.sr, 3);
    CU_ASSERT_EQUAL(analysis->rtcp.rr, 2);
    CU_ASSERT_EQUAL(analysis->rtcp.sdes, 5);
    CU_ASSERT_EQUAL(analysis->rtcp.encrypted, 0);
    CU_ASSERT_EQUAL(analysis->stream_count, 0);
    analysis_destroy(analysis);
}

void shared_captures_test(void);
void shared_captures_test(void)
{
    SUITE("shared_captures", {"finds the streams that tshark finds", finds_the_streams_that_tshark_finds},
          {"agrees with Chromium on a direct call", agrees_with_chromium_on_a_direct_call},
          {"agrees with Chromium on a relayed call", agrees_with_chromium_on_a_relayed_call},
          {"matches both legs of a relayed voice call", matches_both_legs_of_a_relayed_voice_call},
          {"does not count what ICMP quotes", does_not_count_what_icmp_quotes},
          {"sees TURN over TCP", sees_turn_over_tcp}, {"reads compound RTCP", reads_compound_rtcp});
}
