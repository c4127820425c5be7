/* Whole calls, made up packet by packet so that every figure is known beforehand. */
#include "analyzers/analysis.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "analyzers/analysis_csv.h"
#include "analyzers/analysis_html.h"
#include "analyzers/analysis_json.h"
#include "analyzers/analysis_text.h"
#include "analyzers/dtls_observer.h"
#include "analyzers/turn_allocation.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "rtc/rtcp.h"
#include "rtc/stun.h"
#include "tests/support/capture_builder.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS
#define START (1700000000 * NANOS_PER_S)

static struct address at(const char *text)
{
    struct address address = {0};
    CU_ASSERT_TRUE_FATAL(address_parse(&address, text));
    return address;
}

static struct analysis *analyze(const struct capture_builder *builder)
{
    struct error error = {0};
    struct analysis *analysis = analysis_of_memory("made-up.pcap", builder->data, builder->len, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(analysis);
    CU_ASSERT_PTR_NULL(analysis->captures[0].damage);
    return analysis;
}

/* Several captures, which only files can be. */
static struct analysis *analyze_files(const struct capture_builder *builders, size_t count)
{
    char paths[4][40];
    const char *names[4] = {0};
    for (size_t i = 0; i < count; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/confab-analysis-XXXXXX");
        int fd = mkstemp(paths[i]);
        CU_ASSERT_FATAL(fd >= 0);
        CU_ASSERT_EQUAL(write(fd, builders[i].data, builders[i].len), (ssize_t)builders[i].len);
        close(fd);
        names[i] = paths[i];
    }
    struct error error = {0};
    struct analysis *analysis = analysis_of_files(names, count, &error);
    for (size_t i = 0; i < count; i++)
        unlink(paths[i]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(analysis);
    return analysis;
}

static void send(struct capture_builder *b, nanos time, const struct address *from, const struct address *to,
                 const void *data, size_t len)
{
    capture_builder_udp(b, START + time, from, to, data, len);
}

static void rtp(struct capture_builder *b, nanos time, const struct address *from, const struct address *to,
                uint8_t type, uint16_t sequence, uint32_t timestamp, uint32_t ssrc, size_t payload)
{
    uint8_t packet[1500];
    size_t len = capture_builder_rtp(packet, type, 0, sequence, timestamp, ssrc, payload);
    send(b, time, from, to, packet, len);
}

struct message {
    uint8_t data[1500];
    size_t len;
    struct stun_builder builder;
};

static void begin(struct message *m, enum stun_class class, uint16_t method, uint32_t id)
{
    uint8_t transaction[STUN_TRANSACTION_ID_LEN] = {0};
    bytes_put32(transaction, id);
    stun_begin(&m->builder, m->data, sizeof m->data, class, method, transaction);
}

static void finish(struct message *m)
{
    m->len = stun_finish(&m->builder);
    CU_ASSERT_FATAL(m->len > 0);
}

/* A connectivity check and its answer `rtt` later. */
static void check(struct capture_builder *b, nanos time, nanos rtt, const struct address *from,
                  const struct address *to, const struct address *mapped, const char *name, bool nominate, uint32_t id)
{
    struct message m;
    begin(&m, STUN_REQUEST, STUN_BINDING, id);
    stun_put_text(&m.builder, STUN_ATTR_USERNAME, name);
    if (nominate)
        stun_put_flag(&m.builder, STUN_ATTR_USE_CANDIDATE);
    finish(&m);
    send(b, time, from, to, m.data, m.len);
    begin(&m, STUN_SUCCESS, STUN_BINDING, id);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_MAPPED_ADDRESS, mapped);
    finish(&m);
    send(b, time + rtt, to, from, m.data, m.len);
}

/* --- streams ------------------------------------------------------------------------------------------------------------------- */

static void recognises_rtp_without_signalling_but_not_noise(void)
{
    struct address a = at("192.0.2.1:4000");
    struct address b = at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    struct rng rng = rng_of(3, "noise", 0);
    uint8_t noise[200];
    for (int i = 0; i < 20000; i++) { /* everything that the first byte allows, from many ports */
        rng_bytes(&rng, noise, sizeof noise);
        struct address from = a;
        from.port = (uint16_t)(1024 + rng_below(&rng, 3000));
        send(&builder, i * MS, &from, &b, noise, 20 + rng_below(&rng, 180));
    }
    for (int i = 0; i < 3; i++) /* three in a row prove nothing */
        rtp(&builder, i * 20 * MS, &a, &b, 111, (uint16_t)(10 + i), (uint32_t)(i * 960), 0xabcd, 100);
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL(analysis->stream_count, 0);
    CU_ASSERT_EQUAL(analysis->connection_count, 0);
    CU_ASSERT_FALSE(analysis->understood);
    CU_ASSERT_EQUAL(analysis->captures[0].not_webrtc, 20003);
    CU_ASSERT(isnan(analysis->turn_fallback_connections));
    analysis_destroy(analysis);

    for (int i = 3; i < 60; i++)
        rtp(&builder, i * 20 * MS, &a, &b, 111, (uint16_t)(10 + i), (uint32_t)(i * 960), 0xabcd, 100);
    rtp(&builder, 2000 * MS, &b, &a, 111, 1, 1, 0xef01, 50); /* one packet back, of the type that is known here */
    analysis = analyze(&builder);
    CU_ASSERT_EQUAL_FATAL(analysis->stream_count, 2);
    const struct analysis_stream *stream = &analysis->streams[0];
    CU_ASSERT_EQUAL(stream->packets, 60); /* those that were on probation included */
    CU_ASSERT_EQUAL(stream->lost, 0);
    CU_ASSERT_EQUAL(stream->bytes, 60 * 112);
    CU_ASSERT_EQUAL(stream->kind, ANALYSIS_AUDIO);
    CU_ASSERT_EQUAL(stream->clock_rate, 48000);
    CU_ASSERT_DOUBLE_EQUAL(stream->jitter_max_ms, 0, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(stream->delta_mean_ms, 20, 1e-6);
    CU_ASSERT_TRUE(stream->encrypted); /* nothing proves that it is not */
    CU_ASSERT_EQUAL(analysis->streams[1].packets, 1);
    CU_ASSERT_EQUAL(analysis->captures[0].not_webrtc, 20000); /* the first three aren't that any more */
    CU_ASSERT_EQUAL(analysis->connection_count, 1);
    CU_ASSERT_EQUAL(analysis->connections[0].streams, 2);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* Very many streams that begin at once: all are found, and what couldn't be kept of their beginnings is owned up to. */
static void recognises_very_many_streams_at_once(void)
{
    struct capture_builder builder = capture_builder_begin(101);
    enum { STREAMS = 12000, ROUNDS = 30 };
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < STREAMS; i++) {
            struct address a = address_ipv4(10, 1, (uint8_t)(i >> 8), (uint8_t)i, 5000);
            struct address b = address_ipv4(10, 2, 0, 1, 6000);
            rtp(&builder, round * 20 * MS + i * 1000, &a, &b, 111, (uint16_t)round, (uint32_t)(round * 960), i + 1, 10);
        }
    }
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL(analysis->stream_count, STREAMS);
    uint64_t packets = analysis->captures[0].limited;
    for (size_t i = 0; i < analysis->stream_count; i++) {
        CU_ASSERT_EQUAL(analysis->streams[i].lost, 0);
        packets += analysis->streams[i].packets;
    }
    CU_ASSERT_EQUAL(packets, STREAMS * ROUNDS);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

static void counts_lengths_on_the_wire_when_captured_short(void)
{
    struct address a = at("192.0.2.1:4000");
    struct address b = at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    builder.snap = 20 + 8 + 12 + 4;
    for (int i = 0; i < 50; i++)
        rtp(&builder, i * 20 * MS, &a, &b, 0, (uint16_t)i, (uint32_t)(i * 160), 7, 1000);
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL_FATAL(analysis->stream_count, 1);
    CU_ASSERT_EQUAL(analysis->streams[0].bytes, 50 * 1012);
    CU_ASSERT_EQUAL(analysis->captures[0].bytes, 50 * 1040);
    CU_ASSERT_FALSE(analysis->streams[0].encrypted); /* PCMU: nobody encrypts under a static type */
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

static void tells_rtx_from_the_stream_it_repeats(void)
{
    struct address a = at("192.0.2.1:4000");
    struct address b = at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    check(&builder, 0, 10 * MS, &a, &b, &a, "bbbb:aaaa", true, 1);
    for (int i = 0; i < 90; i++) {
        rtp(&builder, 100 * MS + i * 33 * MS, &a, &b, 96, (uint16_t)i, (uint32_t)(i * 3000), 0x11, 900);
        if (i % 10 == 5)
            rtp(&builder, 150 * MS + i * 33 * MS, &a, &b, 97, (uint16_t)(500 + i / 10), (uint32_t)(i * 3000), 0x22,
                902);
    }
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL_FATAL(analysis->stream_count, 2);
    CU_ASSERT_EQUAL(analysis->streams[0].kind, ANALYSIS_VIDEO);
    CU_ASSERT_EQUAL(analysis->streams[0].frames, 90);
    CU_ASSERT_DOUBLE_EQUAL(analysis->streams[0].fps, 1000.0 / 33, 0.01);
    CU_ASSERT_EQUAL(analysis->streams[1].kind, ANALYSIS_RTX);
    CU_ASSERT_EQUAL(analysis->streams[1].repeats, 0);
    CU_ASSERT_EQUAL(analysis->streams[1].frames, -1);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* --- latency --------------------------------------------------------------------------------------------------------------------- */

/* A client behind a NAT and its peer, each captured at home: the same packets under two addresses. */
static void measures_one_way_between_two_captures(void)
{
    struct address host = at("10.0.0.2:5000");
    struct address mapped = at("203.0.113.5:6000");
    struct address peer = at("198.51.100.9:7000");
    struct capture_builder builders[2] = {capture_builder_begin(101), capture_builder_begin(101)};
    check(&builders[0], 0, 50 * MS, &host, &peer, &mapped, "pppp:hhhh", true, 1);
    check(&builders[1], 25 * MS, 1 * MS, &mapped, &peer, &mapped, "pppp:hhhh", true, 1);
    for (int i = 0; i < 200; i++) {
        nanos sent = 100 * MS + i * 20 * MS;
        nanos arrived = sent + (i < 190 ? 25 : 60) * MS;
        rtp(&builders[0], sent, &host, &peer, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
        if (i != 50)
            rtp(&builders[1], arrived, &mapped, &peer, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
    }
    struct analysis *analysis = analyze_files(builders, 2);
    CU_ASSERT_EQUAL(analysis->one_way_ms.count, 199);
    CU_ASSERT_DOUBLE_EQUAL(analysis->one_way_ms.min, 25, 1e-3);
    CU_ASSERT_DOUBLE_EQUAL(analysis->one_way_ms.p50, 25, 0.03);
    CU_ASSERT_DOUBLE_EQUAL(analysis->one_way_ms.max, 60, 1e-3);
    CU_ASSERT_EQUAL(analysis->forwarding_ms.count, 0);
    CU_ASSERT_EQUAL_FATAL(analysis->stream_count, 2);
    CU_ASSERT_EQUAL(analysis->streams[0].capture, 0);
    CU_ASSERT_EQUAL(analysis->streams[1].capture, 1);
    CU_ASSERT_EQUAL(analysis->streams[1].copy_of, 0);
    CU_ASSERT_EQUAL(analysis->streams[0].lost, 0);
    CU_ASSERT_EQUAL(analysis->streams[1].lost, 1);
    CU_ASSERT_EQUAL_FATAL(analysis->connection_count, 1);
    CU_ASSERT_TRUE(address_equal(&analysis->connections[0].a, &host));
    CU_ASSERT_DOUBLE_EQUAL(analysis->connections[0].ice_ms, 26, 1e-6); /* the answer was first seen where it was sent */
    CU_ASSERT_EQUAL(analysis->connections[0].streams, 1);
    /* the peer's capture has two hosts only, so its host can't be told; the client's too */
    analysis_destroy(analysis);
    for (int i = 0; i < 2; i++)
        capture_builder_clear(&builders[i]);
}

/* Without ICE, a private address in one capture and its mapped one in the other are joined by the packets themselves. */
static void joins_two_captures_by_their_packets_alone(void)
{
    struct address host = at("10.0.0.2:5000");
    struct address mapped = at("203.0.113.5:6000");
    struct address peer = at("198.51.100.9:7000");
    struct capture_builder builders[2] = {capture_builder_begin(101), capture_builder_begin(101)};
    for (int i = 0; i < 100; i++) {
        rtp(&builders[0], i * 20 * MS, &host, &peer, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
        rtp(&builders[1], i * 20 * MS + 10 * MS, &mapped, &peer, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
    }
    struct analysis *analysis = analyze_files(builders, 2);
    CU_ASSERT_EQUAL(analysis->connection_count, 1);
    CU_ASSERT_EQUAL(analysis->one_way_ms.count, 100);
    analysis_destroy(analysis);
    for (int i = 0; i < 2; i++)
        capture_builder_clear(&builders[i]);
}

static void measures_what_a_server_takes_to_forward(void)
{
    struct address a = at("192.0.2.1:4000");
    struct address b = at("192.0.2.2:4002");
    struct address sfu = at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    for (int i = 0; i < 300; i++) {
        rtp(&builder, i * 20 * MS, &a, &sfu, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
        rtp(&builder, i * 20 * MS + 3 * MS, &sfu, &b, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
        if (i % 50 == 0) /* a doubled packet isn't forwarded twice */
            rtp(&builder, i * 20 * MS + 4 * MS, &sfu, &b, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
    }
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL(analysis->forwarding_ms.count, 300);
    CU_ASSERT_DOUBLE_EQUAL(analysis->forwarding_ms.min, 3, 1e-6);
    CU_ASSERT_DOUBLE_EQUAL(analysis->forwarding_ms.max, 3, 1e-6);
    CU_ASSERT_EQUAL(analysis->one_way_ms.count, 0);
    /* two connections, not one: the server is an end of both, and so they make a star */
    CU_ASSERT_EQUAL_FATAL(analysis->connection_count, 2);
    CU_ASSERT_EQUAL(analysis->connections[0].topology, ANALYSIS_SFU);
    CU_ASSERT_EQUAL(analysis->connections[1].topology, ANALYSIS_SFU);
    CU_ASSERT_EQUAL(analysis->turn_fallback_connections, 0.0);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* At a server that answers in 1 ms, only what the server itself asks is a round trip. */
static void takes_round_trips_from_the_asking_side(void)
{
    struct address server = at("198.51.100.1:3478");
    struct address a = at("192.0.2.1:4000");
    struct address b = at("192.0.2.2:4000");
    struct capture_builder builder = capture_builder_begin(101);
    for (uint32_t i = 0; i < 40; i++)
        check(&builder, i * 100 * MS, 1 * MS, i % 2 == 0 ? &a : &b, &server, i % 2 == 0 ? &a : &b, "s:c", false, i);
    for (uint32_t i = 0; i < 10; i++)
        check(&builder, 5000 * MS + i * 100 * MS, 40 * MS, &server, &a, &server, "c:s", false, 100 + i);
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL(analysis->stun_rtt_ms.count, 10);
    CU_ASSERT_DOUBLE_EQUAL(analysis->stun_rtt_ms.p50, 40, 0.05);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

static void takes_round_trips_from_receiver_reports(void)
{
    struct address a = at("192.0.2.1:4000");
    struct address b = at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t data[200];
        struct writer writer = writer_of(data, sizeof data);
        struct rtcp_sender_info info = {.ssrc = 1, .ntp = 0x123456789abcdef0u + ((uint64_t)i << 32)};
        rtcp_write_sender_report(&writer, &info, NULL, 0);
        rtcp_write_sdes_cname(&writer, 1, "me");
        send(&builder, i * 1000 * MS, &a, &b, data, writer.len);
        writer = writer_of(data, sizeof data);
        /* kept for 20 ms there, on the way for 30 */
        struct rtcp_report_block block = {
            .ssrc = 1, .last_sr = (uint32_t)(info.ntp >> 16), .delay_since_last_sr = 65536 / 50};
        rtcp_write_receiver_report(&writer, 2, &block, 1);
        send(&builder, i * 1000 * MS + 50 * MS, &b, &a, data, writer.len);
    }
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL(analysis->rtcp_rtt_ms.count, 20);
    CU_ASSERT_DOUBLE_EQUAL(analysis->rtcp_rtt_ms.p50, 30, 0.05);
    CU_ASSERT_EQUAL(analysis->rtcp.sr, 20);
    CU_ASSERT_EQUAL(analysis->rtcp.rr, 20);
    CU_ASSERT_EQUAL(analysis->rtcp.sdes, 20);
    CU_ASSERT_EQUAL(analysis->rtcp.encrypted, 0);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* --- connections ----------------------------------------------------------------------------------------------------------------- */

static void joins_candidate_pairs_by_their_user_names(void)
{
    struct address lan_a = at("10.0.0.2:5000");
    struct address wan_a = at("203.0.113.5:6000");
    struct address lan_b = at("10.9.9.9:7000");
    struct address wan_b = at("198.51.100.9:7777");
    struct capture_builder builder = capture_builder_begin(101);
    struct message m;
    begin(&m, STUN_REQUEST, STUN_BINDING, 900); /* to a host candidate that isn't there */
    stun_put_text(&m.builder, STUN_ATTR_USERNAME, "bbbb:aaaa");
    finish(&m);
    send(&builder, 0, &lan_a, &lan_b, m.data, m.len);
    check(&builder, 40 * MS, 30 * MS, &lan_a, &wan_b, &wan_a, "bbbb:aaaa", false, 1);
    check(&builder, 60 * MS, 1 * MS, &wan_b, &lan_a, &wan_b, "aaaa:bbbb", false, 2);
    check(&builder, 100 * MS, 30 * MS, &lan_a, &wan_b, &wan_a, "bbbb:aaaa", true, 3);
    rtp(&builder, 150 * MS, &lan_a, &wan_b, 111, 1, 0, 0x99, 90);
    /* another call from the same address to an ICE-lite server */
    struct address server = at("198.51.100.50:443");
    check(&builder, 200 * MS, 20 * MS, &lan_a, &server, &wan_a, "SSSS:cccc", true, 4);
    rtp(&builder, 300 * MS, &lan_a, &server, 111, 1, 0, 0x98, 90);
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL_FATAL(analysis->connection_count, 2);
    const struct analysis_connection *mesh = &analysis->connections[0];
    CU_ASSERT_TRUE(address_equal(&mesh->a, &lan_a));
    CU_ASSERT_TRUE(address_equal(&mesh->b, &wan_b));
    CU_ASSERT_DOUBLE_EQUAL(mesh->ice_ms, 130, 1e-6);
    CU_ASSERT_EQUAL(mesh->streams, 1);
    CU_ASSERT_FALSE(mesh->relayed);
    const struct analysis_connection *lite = &analysis->connections[1];
    CU_ASSERT_DOUBLE_EQUAL(lite->ice_ms, 20, 1e-6);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

static void guesses_the_topology(void)
{
    struct address a = at("192.0.2.1:4000");
    struct address b = at("192.0.2.2:4000");
    struct address server = at("198.51.100.1:443");
    struct capture_builder builder = capture_builder_begin(101);
    check(&builder, 0, 10 * MS, &a, &b, &a, "bbbb:aaaa", true, 1);
    check(&builder, 5 * MS, 10 * MS, &b, &a, &b, "aaaa:bbbb", false, 2);
    struct address other = at("192.0.2.3:4000");
    check(&builder, 50 * MS, 10 * MS, &other, &server, &other, "ssss:cccc", true, 3);
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL_FATAL(analysis->connection_count, 2);
    CU_ASSERT_EQUAL(analysis->connections[0].topology, ANALYSIS_MESH); /* both ends check */
    CU_ASSERT_EQUAL(analysis->connections[1].topology, ANALYSIS_SFU);  /* one only answers: ICE-lite */
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* --- TURN ---------------------------------------------------------------------------------------------------------------------------- */

struct turn {
    struct address client, mapped, server, relayed, peer;
};

static struct turn turn_addresses(void)
{
    return (struct turn){
        .client = at("10.0.0.2:5000"),
        .mapped = at("203.0.113.5:6000"),
        .server = at("198.51.100.1:3478"),
        .relayed = at("198.51.100.1:55555"),
        .peer = at("192.0.2.77:7000"),
    };
}

/* An allocation after one 401, as the client's side (`inside` true) or the server's sees it, over UDP. */
static void allocate(struct capture_builder *b, nanos time, const struct turn *turn, bool inside, uint32_t id)
{
    const struct address *client = inside ? &turn->client : &turn->mapped;
    struct message m;
    begin(&m, STUN_REQUEST, STUN_ALLOCATE, id);
    stun_put_transport(&m.builder, STUN_TRANSPORT_UDP);
    finish(&m);
    send(b, time, client, &turn->server, m.data, m.len);
    begin(&m, STUN_ERROR, STUN_ALLOCATE, id);
    stun_put_error_code(&m.builder, STUN_UNAUTHENTICATED, NULL);
    finish(&m);
    send(b, time + 10 * MS, &turn->server, client, m.data, m.len);
    begin(&m, STUN_REQUEST, STUN_ALLOCATE, id + 1);
    stun_put_transport(&m.builder, STUN_TRANSPORT_UDP);
    stun_put_text(&m.builder, STUN_ATTR_USERNAME, "alice");
    finish(&m);
    send(b, time + 11 * MS, client, &turn->server, m.data, m.len);
    begin(&m, STUN_SUCCESS, STUN_ALLOCATE, id + 1);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_RELAYED_ADDRESS, &turn->relayed);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &turn->mapped);
    finish(&m);
    send(b, time + 21 * MS, &turn->server, client, m.data, m.len);
}

static size_t channel_data(uint8_t *out, uint16_t channel, const uint8_t *data, size_t len)
{
    bytes_put16(out, channel);
    bytes_put16(out + 2, (uint16_t)len);
    memcpy(out + 4, data, len);
    return len + 4;
}

static size_t indication(uint8_t *out, size_t cap, bool send_it, const struct address *peer, const void *data,
                         size_t len)
{
    static const uint8_t id[STUN_TRANSACTION_ID_LEN] = "indication";
    struct stun_builder builder;
    stun_begin(&builder, out, cap, STUN_INDICATION, send_it ? STUN_SEND : STUN_DATA, id);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, peer);
    stun_put_bytes(&builder, STUN_ATTR_DATA, data, len);
    return stun_finish(&builder);
}

static void bind_channel(struct capture_builder *b, nanos time, const struct address *client, const struct turn *turn)
{
    struct message m;
    begin(&m, STUN_REQUEST, STUN_CHANNEL_BIND, 50);
    stun_put_u16(&m.builder, STUN_ATTR_CHANNEL_NUMBER, 0x4001);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_PEER_ADDRESS, &turn->peer);
    finish(&m);
    send(b, time, client, &turn->server, m.data, m.len);
}

/* Captured at the client and at the server, where every packet is there twice more: one call, one allocation, and bytes
 * that count once. */
static void links_the_legs_of_a_relay(void)
{
    struct turn turn = turn_addresses();
    struct capture_builder builders[2] = {capture_builder_begin(101), capture_builder_begin(101)};
    struct capture_builder *client = &builders[0];
    struct capture_builder *server = &builders[1];
    allocate(client, 0, &turn, true, 10);
    allocate(server, 5 * MS, &turn, false, 10);
    bind_channel(client, 50 * MS, &turn.client, &turn);
    bind_channel(server, 55 * MS, &turn.mapped, &turn);
    uint64_t relayed_bytes = 0;
    for (int i = 0; i < 100; i++) {
        uint8_t inner[300];
        uint8_t outer[400];
        size_t len = capture_builder_rtp(inner, 111, 0, (uint16_t)i, (uint32_t)(i * 960), 0x55, 90);
        nanos sent = 100 * MS + i * 20 * MS;
        /* the first few while the channel isn't bound yet */
        size_t outer_len = i < 5 ? indication(outer, sizeof outer, true, &turn.peer, inner, len)
                                 : channel_data(outer, 0x4001, inner, len);
        send(client, sent, &turn.client, &turn.server, outer, outer_len);
        send(server, sent + 5 * MS, &turn.mapped, &turn.server, outer, outer_len);
        send(server, sent + 6 * MS, &turn.relayed, &turn.peer, inner, len);
        relayed_bytes += len;
    }
    struct analysis *analysis = analyze_files(builders, 2);
    CU_ASSERT_EQUAL(analysis->turn.allocations, 1);
    CU_ASSERT_EQUAL(analysis->turn.failed, 0);
    CU_ASSERT_EQUAL(analysis->turn.relayed_bytes, relayed_bytes);
    CU_ASSERT_EQUAL(analysis->turn.server_count, 1);
    CU_ASSERT_TRUE(address_equal(&analysis->turn.servers[0], &turn.server));
    CU_ASSERT_EQUAL_FATAL(analysis->stream_count, 3);
    size_t copies = 0;
    for (size_t i = 0; i < 3; i++) {
        const struct analysis_stream *stream = &analysis->streams[i];
        CU_ASSERT_EQUAL(stream->packets, 100);
        CU_ASSERT_EQUAL(stream->connection, 0);
        copies += stream->copy_of >= 0;
        bool wrapped = address_equal(&stream->destination, &turn.server);
        CU_ASSERT_EQUAL(stream->via, wrapped ? ANALYSIS_TURN_CHANNEL : ANALYSIS_DIRECT);
        CU_ASSERT_EQUAL(address_equal(&stream->peer, &turn.peer), wrapped);
    }
    CU_ASSERT_EQUAL(copies, 2);
    CU_ASSERT_EQUAL_FATAL(analysis->connection_count, 1);
    CU_ASSERT_TRUE(analysis->connections[0].relayed);
    CU_ASSERT_EQUAL(analysis->connections[0].turn, TURN_SEEN_UDP);
    CU_ASSERT_EQUAL(analysis->connections[0].streams, 1);
    CU_ASSERT_EQUAL(analysis->turn_fallback_connections, 1.0);
    CU_ASSERT_EQUAL(analysis->forwarding_ms.count, 100);
    CU_ASSERT_DOUBLE_EQUAL(analysis->forwarding_ms.p50, 1, 0.002);
    CU_ASSERT_EQUAL(analysis->one_way_ms.count, 100);
    CU_ASSERT_DOUBLE_EQUAL(analysis->one_way_ms.p50, 6, 0.01); /* up to the last sight of it */
    analysis_destroy(analysis);
    for (int i = 0; i < 2; i++)
        capture_builder_clear(&builders[i]);
}

static void counts_allocations_that_fail(void)
{
    struct turn turn = turn_addresses();
    struct capture_builder builder = capture_builder_begin(101);
    struct message m;
    for (uint32_t client = 0; client < 3; client++) {
        struct address from = turn.client;
        from.port = (uint16_t)(5000 + client);
        for (uint32_t again = 0; again < 4; again++) { /* retransmissions are no further attempts */
            begin(&m, STUN_REQUEST, STUN_ALLOCATE, 100 + client);
            finish(&m);
            send(&builder, again * 500 * MS, &from, &turn.server, m.data, m.len);
        }
        if (client > 0) { /* the first is never answered */
            begin(&m, STUN_ERROR, STUN_ALLOCATE, 100 + client);
            stun_put_error_code(&m.builder, STUN_ALLOCATION_QUOTA_REACHED, NULL);
            finish(&m);
            send(&builder, 2000 * MS, &turn.server, &from, m.data, m.len);
        }
    }
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL(analysis->turn.allocations, 0);
    CU_ASSERT_EQUAL(analysis->turn.failed, 3);
    CU_ASSERT_EQUAL(analysis->connection_count, 0);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* TURN over TCP: frames across segments, one out of order. */
static void reads_turn_over_tcp(void)
{
    struct turn turn = turn_addresses();
    struct capture_builder builder = capture_builder_begin(101);
    uint8_t bytes[20000];
    size_t len = 0;
    struct message m;
    begin(&m, STUN_REQUEST, STUN_ALLOCATE, 1);
    stun_put_transport(&m.builder, STUN_TRANSPORT_UDP);
    finish(&m);
    memcpy(bytes, m.data, m.len);
    len = m.len;
    begin(&m, STUN_REQUEST, STUN_CHANNEL_BIND, 2);
    stun_put_u16(&m.builder, STUN_ATTR_CHANNEL_NUMBER, 0x4001);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_PEER_ADDRESS, &turn.peer);
    finish(&m);
    memcpy(bytes + len, m.data, m.len);
    len += m.len;
    for (int i = 0; i < 100; i++) {
        uint8_t inner[300];
        size_t inner_len = capture_builder_rtp(inner, 111, 0, (uint16_t)i, (uint32_t)(i * 960), 0x55, 81);
        len += (channel_data(bytes + len, 0x4001, inner, inner_len) + 3) & ~(size_t)3;
    }
    uint32_t sequence = 1000;
    capture_builder_tcp(&builder, START, &turn.client, &turn.server, sequence++, 0x02, NULL, 0);
    size_t step = 333;
    for (size_t at_byte = 0; at_byte < len; at_byte += 2 * step) {
        size_t first = len - at_byte < step ? len - at_byte : step;
        size_t second = len - at_byte - first < step ? len - at_byte - first : step;
        nanos time = START + (nanos)at_byte * 100000;
        bool swapped = at_byte > 0 && second > 0;
        if (swapped)
            capture_builder_tcp(&builder, time, &turn.client, &turn.server, sequence + (uint32_t)(at_byte + first),
                                0x10, bytes + at_byte + first, second);
        capture_builder_tcp(&builder, time + 1, &turn.client, &turn.server, sequence + (uint32_t)at_byte, 0x10,
                            bytes + at_byte, first);
        if (!swapped && second > 0)
            capture_builder_tcp(&builder, time + 2, &turn.client, &turn.server, sequence + (uint32_t)(at_byte + first),
                                0x10, bytes + at_byte + first, second);
    }
    struct analysis *analysis = analyze(&builder);
    CU_ASSERT_EQUAL_FATAL(analysis->stream_count, 1);
    CU_ASSERT_EQUAL(analysis->streams[0].packets, 100);
    CU_ASSERT_EQUAL(analysis->streams[0].lost, 0);
    CU_ASSERT_EQUAL(analysis->streams[0].via, ANALYSIS_TURN_CHANNEL);
    CU_ASSERT_EQUAL_FATAL(analysis->connection_count, 1);
    CU_ASSERT_EQUAL(analysis->connections[0].turn, TURN_SEEN_TCP);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* TURN over TLS shows nothing but itself at the client; at the peer, an address of the TURN server that checks. */
static void knows_turn_over_tls_by_its_server(void)
{
    struct turn turn = turn_addresses();
    struct capture_builder builders[2] = {capture_builder_begin(101), capture_builder_begin(101)};
    struct message m;
    begin(&m, STUN_REQUEST, STUN_ALLOCATE, 1); /* UDP is blocked: nobody answers */
    finish(&m);
    send(&builders[0], 0, &turn.client, &turn.server, m.data, m.len);
    struct address tls = turn.server;
    tls.port = 443;
    uint8_t hello[60] = {22, 3, 1, 0, 55, 1, 0, 0, 51, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8};
    capture_builder_tcp(&builders[0], START + 500 * MS, &turn.client, &tls, 1, 0x10, hello, sizeof hello);
    uint8_t record[600] = {23, 3, 3, 2, 0x53};
    for (uint32_t i = 0; i < 50; i++)
        capture_builder_tcp(&builders[0], START + 600 * MS + i * 20 * MS, &turn.client, &tls, 61 + i * 600, 0x10,
                            record, sizeof record);
    check(&builders[1], 600 * MS, 40 * MS, &turn.relayed, &turn.peer, &turn.relayed, "pppp:cccc", true, 7);
    check(&builders[1], 620 * MS, 40 * MS, &turn.peer, &turn.relayed, &turn.peer, "cccc:pppp", false, 8);
    for (int i = 0; i < 100; i++)
        rtp(&builders[1], 800 * MS + i * 20 * MS, &turn.relayed, &turn.peer, 111, (uint16_t)i, (uint32_t)(i * 960), 9,
            90);
    struct analysis *analysis = analyze_files(builders, 2);
    CU_ASSERT_EQUAL_FATAL(analysis->connection_count, 1);
    CU_ASSERT_TRUE(analysis->connections[0].relayed);
    CU_ASSERT_EQUAL(analysis->connections[0].turn, TURN_SEEN_TLS);
    CU_ASSERT_EQUAL(analysis->turn.tls_connections, 1);
    CU_ASSERT_EQUAL(analysis->turn.failed, 1);
    analysis_destroy(analysis);
    for (int i = 0; i < 2; i++)
        capture_builder_clear(&builders[i]);
}

/* --- views, and what must not hurt ------------------------------------------------------------------------------------------------- */

static struct capture_builder a_bit_of_everything(void)
{
    struct turn turn = turn_addresses();
    struct capture_builder builder = capture_builder_begin(101);
    allocate(&builder, 0, &turn, true, 10);
    bind_channel(&builder, 50 * MS, &turn.client, &turn);
    check(&builder, 60 * MS, 20 * MS, &turn.peer, &turn.client, &turn.peer, "aaaa:bbbb", true, 9);
    for (int i = 0; i < 6; i++) {
        uint8_t inner[100];
        uint8_t outer[200];
        size_t len = capture_builder_rtp(inner, 111, 0, (uint16_t)i, (uint32_t)(i * 960), 0x55, 30);
        len = i < 3 ? indication(outer, sizeof outer, true, &turn.peer, inner, len)
                    : channel_data(outer, 0x4001, inner, len);
        send(&builder, 100 * MS + i * 20 * MS, &turn.client, &turn.server, outer, len);
        rtp(&builder, 100 * MS + i * 20 * MS, &turn.peer, &turn.client, 96, (uint16_t)i, (uint32_t)(i * 3000), 0x66,
            40);
    }
    uint8_t report[60];
    struct writer writer = writer_of(report, sizeof report);
    rtcp_write_receiver_report(&writer, 2, NULL, 0);
    rtcp_write_pli(&writer, 2, 0x66);
    send(&builder, 300 * MS, &turn.client, &turn.peer, report, writer.len);
    static const uint8_t dtls[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    send(&builder, 310 * MS, &turn.client, &turn.peer, dtls, sizeof dtls);
    return builder;
}

static void survives_a_cut_at_every_byte(void)
{
    struct capture_builder builder = a_bit_of_everything();
    for (size_t len = 0; len <= builder.len; len += len < 2000 ? 1 : 7) {
        uint8_t *exact = malloc(len + 1);
        memcpy(exact, builder.data, len);
        struct error error = {0};
        struct analysis *analysis = analysis_of_memory("cut.pcap", exact, len, &error);
        if (analysis == NULL)
            CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "cut.pcap: "));
        analysis_destroy(analysis);
        free(exact);
    }
    capture_builder_clear(&builder);
}

static void survives_bits_that_flip(void)
{
    struct capture_builder builder = a_bit_of_everything();
    struct rng rng = rng_of(5, "flips", 0);
    uint8_t *copy = malloc(builder.len);
    for (int round = 0; round < 300; round++) {
        memcpy(copy, builder.data, builder.len);
        for (int flips = 0; flips < 8; flips++)
            copy[24 + rng_below(&rng, builder.len - 24)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        struct analysis *analysis = analysis_of_memory("flipped.pcap", copy, builder.len, NULL);
        CU_ASSERT_PTR_NOT_NULL(analysis);
        analysis_destroy(analysis);
    }
    free(copy);
    capture_builder_clear(&builder);
}

static bool has(const json_t *object, const char *keys)
{
    char list[300];
    snprintf(list, sizeof list, "%s", keys);
    char *rest = NULL;
    for (char *key = strtok_r(list, " ", &rest); key != NULL; key = strtok_r(NULL, " ", &rest)) {
        if (json_object_get(object, key) == NULL) {
            printf("no key '%s'\n", key);
            return false;
        }
    }
    return true;
}

/* Every key that the contract names, with null where the capture can't tell. */
static void writes_the_json_that_scripts_rely_on(void)
{
    struct capture_builder builder = a_bit_of_everything();
    struct analysis *analysis = analyze(&builder);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    CU_ASSERT_TRUE(analysis_write_json(analysis, out));
    fclose(out);
    json_t *root = json_loads(text, 0, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(root, "schema")), "confab.analysis/1");
    CU_ASSERT_TRUE(has(root, "captures streams latency_ms connections turn turn_fallback rtcp"));
    CU_ASSERT_TRUE(has(json_array_get(json_object_get(root, "captures"), 0), "file packets bytes duration_s skipped"));
    json_t *streams = json_object_get(root, "streams");
    CU_ASSERT_EQUAL(json_array_size(streams), 2);
    for (size_t i = 0; i < json_array_size(streams); i++) {
        json_t *stream = json_array_get(streams, i);
        CU_ASSERT_TRUE(has(stream,
                           "src dst ssrc payload_type kind via encrypted packets expected lost duplicates reordered "
                           "bytes duration_s bitrate_kbps jitter_ms delta_ms frames fps"));
        CU_ASSERT_TRUE(has(json_object_get(stream, "bitrate_kbps"), "mean p95 max"));
        CU_ASSERT_TRUE(has(json_object_get(stream, "jitter_ms"), "mean max"));
        CU_ASSERT_TRUE(has(json_object_get(stream, "delta_ms"), "min mean max"));
        CU_ASSERT_TRUE(
            json_is_null(json_object_get(json_object_get(stream, "bitrate_kbps"), "max"))); /* no full second */
        CU_ASSERT_TRUE(json_is_null(json_object_get(stream, "fps")));
    }
    json_t *latency = json_object_get(root, "latency_ms");
    CU_ASSERT_TRUE(has(latency, "stun_rtt rtcp_rtt one_way forwarding"));
    CU_ASSERT_TRUE(has(json_object_get(latency, "one_way"), "count min mean p50 p95 p99 max"));
    CU_ASSERT_TRUE(json_is_null(json_object_get(json_object_get(latency, "one_way"), "p50")));
    json_t *connection = json_array_get(json_object_get(root, "connections"), 0);
    CU_ASSERT_TRUE(has(connection, "a b path turn dtls srtp_profile ice_ms dtls_ms topology"));
    CU_ASSERT_TRUE(has(json_object_get(root, "turn"), "allocations failed servers relayed_bytes"));
    CU_ASSERT_TRUE(has(json_object_get(root, "turn_fallback"), "connections"));
    CU_ASSERT_TRUE(has(json_object_get(root, "rtcp"), "sr rr nack pli fir remb twcc"));
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(json_object_get(root, "rtcp"), "pli")), 1);
    json_decref(root);
    free(text);

    out = open_memstream(&text, &len);
    CU_ASSERT_TRUE(analysis_write_text(analysis, out));
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "CONNECTIONS"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "turn-channel"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "TURN: 1 allocation,"));
    CU_ASSERT_PTR_NULL(strstr(text, "nan"));
    free(text);

    out = open_memstream(&text, &len);
    CU_ASSERT_TRUE(analysis_write_html(analysis, out));
    fclose(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "<td>00000066</td>"));
    CU_ASSERT_PTR_NULL(strstr(text, "nan"));
    free(text);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* Each row has as many cells as there are column names. */
static void writes_tables(void)
{
    struct capture_builder builder = a_bit_of_everything();
    struct analysis *analysis = analyze(&builder);
    char directory[] = "/tmp/confab-csv-XXXXXX";
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(directory));
    struct error error = {0};
    CU_ASSERT_TRUE(analysis_write_csv(analysis, directory, &error));
    const struct {
        const char *name;
        size_t rows;
    } tables[] = {{"captures.csv", 1},
                  {"streams.csv", analysis->stream_count},
                  {"connections.csv", analysis->connection_count},
                  {"latency.csv", 4}};
    for (size_t i = 0; i < 4; i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/%s", directory, tables[i].name);
        FILE *file = fopen(path, "r");
        CU_ASSERT_PTR_NOT_NULL_FATAL(file);
        char line[1000];
        size_t lines = 0;
        int columns = 0;
        while (fgets(line, sizeof line, file) != NULL) {
            int cells = 1;
            for (const char *at_char = line; *at_char != '\0'; at_char++)
                cells += *at_char == ',';
            columns = lines == 0 ? cells : columns;
            CU_ASSERT_EQUAL(cells, columns);
            lines++;
        }
        CU_ASSERT_EQUAL(lines, tables[i].rows + 1);
        fclose(file);
        unlink(path);
    }
    rmdir(directory);
    CU_ASSERT_FALSE(analysis_write_csv(analysis, "no/such/directory", &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no/such/directory"));
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

static void names_the_capture_that_it_cannot_read(void)
{
    const char *paths[] = {"no/such/capture.pcap"};
    struct error error = {0};
    CU_ASSERT_PTR_NULL(analysis_of_files(paths, 1, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_INPUT);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "no/such/capture.pcap"));
}

void analysis_test(void);
void analysis_test(void)
{
    SUITE("analysis",
          {"recognises RTP without signalling, but not noise", recognises_rtp_without_signalling_but_not_noise},
          {"recognises very many streams at once", recognises_very_many_streams_at_once},
          {"counts lengths on the wire when captured short", counts_lengths_on_the_wire_when_captured_short},
          {"tells RTX from the stream it repeats", tells_rtx_from_the_stream_it_repeats},
          {"measures one way between two captures", measures_one_way_between_two_captures},
          {"joins two captures by their packets alone", joins_two_captures_by_their_packets_alone},
          {"measures what a server takes to forward", measures_what_a_server_takes_to_forward},
          {"takes round trips from the asking side", takes_round_trips_from_the_asking_side},
          {"takes round trips from receiver reports", takes_round_trips_from_receiver_reports},
          {"joins candidate pairs by their user names", joins_candidate_pairs_by_their_user_names},
          {"guesses the topology", guesses_the_topology}, {"links the legs of a relay", links_the_legs_of_a_relay},
          {"counts allocations that fail", counts_allocations_that_fail}, {"reads TURN over TCP", reads_turn_over_tcp},
          {"knows TURN over TLS by its server", knows_turn_over_tls_by_its_server},
          {"survives a cut at every byte", survives_a_cut_at_every_byte},
          {"survives bits that flip", survives_bits_that_flip},
          {"writes the JSON that scripts rely on", writes_the_json_that_scripts_rely_on},
          {"writes tables", writes_tables},
          {"names the capture that it cannot read", names_the_capture_that_it_cannot_read});
}
