/* What an analysis finds in calls: streams, latency, connections. */
#include "analyzers/analysis.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "rtc/rtcp.h"
#include "tests/support/staged_call.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS

/* --- streams ------------------------------------------------------------------------------------------------------------------- */

static void recognises_rtp_without_signalling_but_not_noise(void)
{
    struct address a = staged_at("192.0.2.1:4000");
    struct address b = staged_at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    struct rng rng = rng_of(3, "noise", 0);
    uint8_t noise[200];
    for (int i = 0; i < 20000; i++) { /* everything that the first byte allows, from many ports */
        rng_bytes(&rng, noise, sizeof noise);
        struct address from = a;
        from.port = (uint16_t)(1024 + rng_below(&rng, 3000));
        staged_send(&builder, i * MS, &from, &b, noise, 20 + rng_below(&rng, 180));
    }
    for (int i = 0; i < 3; i++) /* three in a row prove nothing */
        staged_rtp(&builder, i * 20 * MS, &a, &b, 111, (uint16_t)(10 + i), (uint32_t)(i * 960), 0xabcd, 100);
    struct analysis *analysis = staged_analysis(&builder);
    CU_ASSERT_EQUAL(analysis->stream_count, 0);
    CU_ASSERT_EQUAL(analysis->connection_count, 0);
    CU_ASSERT_FALSE(analysis->understood);
    CU_ASSERT_EQUAL(analysis->captures[0].not_webrtc, 20003);
    CU_ASSERT(isnan(analysis->turn_fallback_connections));
    analysis_destroy(analysis);

    for (int i = 3; i < 60; i++)
        staged_rtp(&builder, i * 20 * MS, &a, &b, 111, (uint16_t)(10 + i), (uint32_t)(i * 960), 0xabcd, 100);
    staged_rtp(&builder, 2000 * MS, &b, &a, 111, 1, 1, 0xef01,
               50); /* one packet back, of the type that is known here */
    analysis = staged_analysis(&builder);
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
            staged_rtp(&builder, round * 20 * MS + i * 1000, &a, &b, 111, (uint16_t)round, (uint32_t)(round * 960),
                       i + 1, 10);
        }
    }
    struct analysis *analysis = staged_analysis(&builder);
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
    struct address a = staged_at("192.0.2.1:4000");
    struct address b = staged_at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    builder.snap = 20 + 8 + 12 + 4;
    for (int i = 0; i < 50; i++)
        staged_rtp(&builder, i * 20 * MS, &a, &b, 0, (uint16_t)i, (uint32_t)(i * 160), 7, 1000);
    struct analysis *analysis = staged_analysis(&builder);
    CU_ASSERT_EQUAL_FATAL(analysis->stream_count, 1);
    CU_ASSERT_EQUAL(analysis->streams[0].bytes, 50 * 1012);
    CU_ASSERT_EQUAL(analysis->captures[0].bytes, 50 * 1040);
    CU_ASSERT_FALSE(analysis->streams[0].encrypted); /* PCMU: nobody encrypts under a static type */
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

static void tells_rtx_from_the_stream_it_repeats(void)
{
    struct address a = staged_at("192.0.2.1:4000");
    struct address b = staged_at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    staged_check(&builder, 0, 10 * MS, &a, &b, &a, "bbbb:aaaa", true, 1);
    for (int i = 0; i < 90; i++) {
        staged_rtp(&builder, 100 * MS + i * 33 * MS, &a, &b, 96, (uint16_t)i, (uint32_t)(i * 3000), 0x11, 900);
        if (i % 10 == 5)
            staged_rtp(&builder, 150 * MS + i * 33 * MS, &a, &b, 97, (uint16_t)(500 + i / 10), (uint32_t)(i * 3000),
                       0x22, 902);
    }
    struct analysis *analysis = staged_analysis(&builder);
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
    struct address host = staged_at("10.0.0.2:5000");
    struct address mapped = staged_at("203.0.113.5:6000");
    struct address peer = staged_at("198.51.100.9:7000");
    struct capture_builder builders[2] = {capture_builder_begin(101), capture_builder_begin(101)};
    staged_check(&builders[0], 0, 50 * MS, &host, &peer, &mapped, "pppp:hhhh", true, 1);
    staged_check(&builders[1], 25 * MS, 1 * MS, &mapped, &peer, &mapped, "pppp:hhhh", true, 1);
    for (int i = 0; i < 200; i++) {
        nanos sent = 100 * MS + i * 20 * MS;
        nanos arrived = sent + (i < 190 ? 25 : 60) * MS;
        staged_rtp(&builders[0], sent, &host, &peer, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
        if (i != 50)
            staged_rtp(&builders[1], arrived, &mapped, &peer, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
    }
    struct analysis *analysis = staged_analysis_of(builders, 2);
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
    struct address host = staged_at("10.0.0.2:5000");
    struct address mapped = staged_at("203.0.113.5:6000");
    struct address peer = staged_at("198.51.100.9:7000");
    struct capture_builder builders[2] = {capture_builder_begin(101), capture_builder_begin(101)};
    for (int i = 0; i < 100; i++) {
        staged_rtp(&builders[0], i * 20 * MS, &host, &peer, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
        staged_rtp(&builders[1], i * 20 * MS + 10 * MS, &mapped, &peer, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77,
                   90);
    }
    struct analysis *analysis = staged_analysis_of(builders, 2);
    CU_ASSERT_EQUAL(analysis->connection_count, 1);
    CU_ASSERT_EQUAL(analysis->one_way_ms.count, 100);
    analysis_destroy(analysis);
    for (int i = 0; i < 2; i++)
        capture_builder_clear(&builders[i]);
}

static void measures_what_a_server_takes_to_forward(void)
{
    struct address a = staged_at("192.0.2.1:4000");
    struct address b = staged_at("192.0.2.2:4002");
    struct address sfu = staged_at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    for (int i = 0; i < 300; i++) {
        staged_rtp(&builder, i * 20 * MS, &a, &sfu, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
        staged_rtp(&builder, i * 20 * MS + 3 * MS, &sfu, &b, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
        if (i % 50 == 0) /* a doubled packet isn't forwarded twice */
            staged_rtp(&builder, i * 20 * MS + 4 * MS, &sfu, &b, 111, (uint16_t)i, (uint32_t)(i * 960), 0x77, 90);
    }
    struct analysis *analysis = staged_analysis(&builder);
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
    struct address server = staged_at("198.51.100.1:3478");
    struct address a = staged_at("192.0.2.1:4000");
    struct address b = staged_at("192.0.2.2:4000");
    struct capture_builder builder = capture_builder_begin(101);
    for (uint32_t i = 0; i < 40; i++)
        staged_check(&builder, i * 100 * MS, 1 * MS, i % 2 == 0 ? &a : &b, &server, i % 2 == 0 ? &a : &b, "s:c", false,
                     i);
    for (uint32_t i = 0; i < 10; i++)
        staged_check(&builder, 5000 * MS + i * 100 * MS, 40 * MS, &server, &a, &server, "c:s", false, 100 + i);
    struct analysis *analysis = staged_analysis(&builder);
    CU_ASSERT_EQUAL(analysis->stun_rtt_ms.count, 10);
    CU_ASSERT_DOUBLE_EQUAL(analysis->stun_rtt_ms.p50, 40, 0.05);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

static void takes_round_trips_from_receiver_reports(void)
{
    struct address a = staged_at("192.0.2.1:4000");
    struct address b = staged_at("198.51.100.1:5000");
    struct capture_builder builder = capture_builder_begin(101);
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t data[200];
        struct writer writer = writer_of(data, sizeof data);
        struct rtcp_sender_info info = {.ssrc = 1, .ntp = 0x123456789abcdef0u + ((uint64_t)i << 32)};
        rtcp_write_sender_report(&writer, &info, NULL, 0);
        rtcp_write_sdes_cname(&writer, 1, "me");
        staged_send(&builder, i * 1000 * MS, &a, &b, data, writer.len);
        writer = writer_of(data, sizeof data);
        /* kept for 20 ms there, on the way for 30 */
        struct rtcp_report_block block = {
            .ssrc = 1, .last_sr = (uint32_t)(info.ntp >> 16), .delay_since_last_sr = 65536 / 50};
        rtcp_write_receiver_report(&writer, 2, &block, 1);
        staged_send(&builder, i * 1000 * MS + 50 * MS, &b, &a, data, writer.len);
    }
    struct analysis *analysis = staged_analysis(&builder);
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
    struct address lan_a = staged_at("10.0.0.2:5000");
    struct address wan_a = staged_at("203.0.113.5:6000");
    struct address lan_b = staged_at("10.9.9.9:7000");
    struct address wan_b = staged_at("198.51.100.9:7777");
    struct capture_builder builder = capture_builder_begin(101);
    struct staged_message m;
    staged_begin(&m, STUN_REQUEST, STUN_BINDING, 900); /* to a host candidate that isn't there */
    stun_put_text(&m.builder, STUN_ATTR_USERNAME, "bbbb:aaaa");
    staged_finish(&m);
    staged_send(&builder, 0, &lan_a, &lan_b, m.data, m.len);
    staged_check(&builder, 40 * MS, 30 * MS, &lan_a, &wan_b, &wan_a, "bbbb:aaaa", false, 1);
    staged_check(&builder, 60 * MS, 1 * MS, &wan_b, &lan_a, &wan_b, "aaaa:bbbb", false, 2);
    staged_check(&builder, 100 * MS, 30 * MS, &lan_a, &wan_b, &wan_a, "bbbb:aaaa", true, 3);
    staged_rtp(&builder, 150 * MS, &lan_a, &wan_b, 111, 1, 0, 0x99, 90);
    /* another call from the same address to an ICE-lite server */
    struct address server = staged_at("198.51.100.50:443");
    staged_check(&builder, 200 * MS, 20 * MS, &lan_a, &server, &wan_a, "SSSS:cccc", true, 4);
    staged_rtp(&builder, 300 * MS, &lan_a, &server, 111, 1, 0, 0x98, 90);
    struct analysis *analysis = staged_analysis(&builder);
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
    struct address a = staged_at("192.0.2.1:4000");
    struct address b = staged_at("192.0.2.2:4000");
    struct address server = staged_at("198.51.100.1:443");
    struct capture_builder builder = capture_builder_begin(101);
    staged_check(&builder, 0, 10 * MS, &a, &b, &a, "bbbb:aaaa", true, 1);
    staged_check(&builder, 5 * MS, 10 * MS, &b, &a, &b, "aaaa:bbbb", false, 2);
    struct address other = staged_at("192.0.2.3:4000");
    staged_check(&builder, 50 * MS, 10 * MS, &other, &server, &other, "ssss:cccc", true, 3);
    struct analysis *analysis = staged_analysis(&builder);
    CU_ASSERT_EQUAL_FATAL(analysis->connection_count, 2);
    CU_ASSERT_EQUAL(analysis->connections[0].topology, ANALYSIS_MESH); /* both ends check */
    CU_ASSERT_EQUAL(analysis->connections[1].topology, ANALYSIS_SFU);  /* one only answers: ICE-lite */
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
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
          {"guesses the topology", guesses_the_topology});
}
