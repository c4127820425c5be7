/* What an analysis finds of TURN. */
#include "analyzers/analysis.h"

#include <string.h>

#include "analyzers/turn_allocation.h"
#include "tests/support/staged_call.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS

/* Captured at the client and at the server, where every packet is there twice more: one call, one allocation, and bytes
 * that count once. */
static void links_the_legs_of_a_relay(void)
{
    struct staged_turn turn = staged_turn_addresses();
    struct capture_builder builders[2] = {capture_builder_begin(101), capture_builder_begin(101)};
    struct capture_builder *client = &builders[0];
    struct capture_builder *server = &builders[1];
    staged_allocate(client, 0, &turn, true, 10);
    staged_allocate(server, 5 * MS, &turn, false, 10);
    staged_bind_channel(client, 50 * MS, &turn.client, &turn);
    staged_bind_channel(server, 55 * MS, &turn.mapped, &turn);
    uint64_t relayed_bytes = 0;
    for (int i = 0; i < 100; i++) {
        uint8_t inner[300];
        uint8_t outer[400];
        size_t len = capture_builder_rtp(inner, 111, 0, (uint16_t)i, (uint32_t)(i * 960), 0x55, 90);
        nanos sent = 100 * MS + i * 20 * MS;
        /* the first few while the channel isn't bound yet */
        size_t outer_len = i < 5 ? staged_indication(outer, sizeof outer, true, &turn.peer, inner, len)
                                 : staged_channel_data(outer, 0x4001, inner, len);
        staged_send(client, sent, &turn.client, &turn.server, outer, outer_len);
        staged_send(server, sent + 5 * MS, &turn.mapped, &turn.server, outer, outer_len);
        staged_send(server, sent + 6 * MS, &turn.relayed, &turn.peer, inner, len);
        relayed_bytes += len;
    }
    struct analysis *analysis = staged_analysis_of(builders, 2);
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
    struct staged_turn turn = staged_turn_addresses();
    struct capture_builder builder = capture_builder_begin(101);
    struct staged_message m;
    for (uint32_t client = 0; client < 3; client++) {
        struct address from = turn.client;
        from.port = (uint16_t)(5000 + client);
        for (uint32_t again = 0; again < 4; again++) { /* retransmissions are no further attempts */
            staged_begin(&m, STUN_REQUEST, STUN_ALLOCATE, 100 + client);
            staged_finish(&m);
            staged_send(&builder, again * 500 * MS, &from, &turn.server, m.data, m.len);
        }
        if (client > 0) { /* the first is never answered */
            staged_begin(&m, STUN_ERROR, STUN_ALLOCATE, 100 + client);
            stun_put_error_code(&m.builder, STUN_ALLOCATION_QUOTA_REACHED, NULL);
            staged_finish(&m);
            staged_send(&builder, 2000 * MS, &turn.server, &from, m.data, m.len);
        }
    }
    struct analysis *analysis = staged_analysis(&builder);
    CU_ASSERT_EQUAL(analysis->turn.allocations, 0);
    CU_ASSERT_EQUAL(analysis->turn.failed, 3);
    CU_ASSERT_EQUAL(analysis->connection_count, 0);
    analysis_destroy(analysis);
    capture_builder_clear(&builder);
}

/* TURN over TCP: frames across segments, one out of order. */
static void reads_turn_over_tcp(void)
{
    struct staged_turn turn = staged_turn_addresses();
    struct capture_builder builder = capture_builder_begin(101);
    uint8_t bytes[20000];
    size_t len = 0;
    struct staged_message m;
    staged_begin(&m, STUN_REQUEST, STUN_ALLOCATE, 1);
    stun_put_transport(&m.builder, STUN_TRANSPORT_UDP);
    staged_finish(&m);
    memcpy(bytes, m.data, m.len);
    len = m.len;
    staged_begin(&m, STUN_REQUEST, STUN_CHANNEL_BIND, 2);
    stun_put_u16(&m.builder, STUN_ATTR_CHANNEL_NUMBER, 0x4001);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_PEER_ADDRESS, &turn.peer);
    staged_finish(&m);
    memcpy(bytes + len, m.data, m.len);
    len += m.len;
    for (int i = 0; i < 100; i++) {
        uint8_t inner[300];
        size_t inner_len = capture_builder_rtp(inner, 111, 0, (uint16_t)i, (uint32_t)(i * 960), 0x55, 81);
        len += (staged_channel_data(bytes + len, 0x4001, inner, inner_len) + 3) & ~(size_t)3;
    }
    uint32_t sequence = 1000;
    capture_builder_tcp(&builder, STAGED_START, &turn.client, &turn.server, sequence++, 0x02, NULL, 0);
    size_t step = 333;
    for (size_t at_byte = 0; at_byte < len; at_byte += 2 * step) {
        size_t first = len - at_byte < step ? len - at_byte : step;
        size_t second = len - at_byte - first < step ? len - at_byte - first : step;
        nanos time = STAGED_START + (nanos)at_byte * 100000;
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
    struct analysis *analysis = staged_analysis(&builder);
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
    struct staged_turn turn = staged_turn_addresses();
    struct capture_builder builders[2] = {capture_builder_begin(101), capture_builder_begin(101)};
    struct staged_message m;
    staged_begin(&m, STUN_REQUEST, STUN_ALLOCATE, 1); /* UDP is blocked: nobody answers */
    staged_finish(&m);
    staged_send(&builders[0], 0, &turn.client, &turn.server, m.data, m.len);
    struct address tls = turn.server;
    tls.port = 443;
    uint8_t hello[60] = {22, 3, 1, 0, 55, 1, 0, 0, 51, 3, 3, 1, 2, 3, 4, 5, 6, 7, 8};
    capture_builder_tcp(&builders[0], STAGED_START + 500 * MS, &turn.client, &tls, 1, 0x10, hello, sizeof hello);
    uint8_t record[600] = {23, 3, 3, 2, 0x53};
    for (uint32_t i = 0; i < 50; i++)
        capture_builder_tcp(&builders[0], STAGED_START + 600 * MS + i * 20 * MS, &turn.client, &tls, 61 + i * 600, 0x10,
                            record, sizeof record);
    staged_check(&builders[1], 600 * MS, 40 * MS, &turn.relayed, &turn.peer, &turn.relayed, "pppp:cccc", true, 7);
    staged_check(&builders[1], 620 * MS, 40 * MS, &turn.peer, &turn.relayed, &turn.peer, "cccc:pppp", false, 8);
    for (int i = 0; i < 100; i++)
        staged_rtp(&builders[1], 800 * MS + i * 20 * MS, &turn.relayed, &turn.peer, 111, (uint16_t)i,
                   (uint32_t)(i * 960), 9, 90);
    struct analysis *analysis = staged_analysis_of(builders, 2);
    CU_ASSERT_EQUAL_FATAL(analysis->connection_count, 1);
    CU_ASSERT_TRUE(analysis->connections[0].relayed);
    CU_ASSERT_EQUAL(analysis->connections[0].turn, TURN_SEEN_TLS);
    CU_ASSERT_EQUAL(analysis->turn.tls_connections, 1);
    CU_ASSERT_EQUAL(analysis->turn.failed, 1);
    analysis_destroy(analysis);
    for (int i = 0; i < 2; i++)
        capture_builder_clear(&builders[i]);
}

void analysis_turn_test(void);
void analysis_turn_test(void)
{
    SUITE("analysis_turn", {"links the legs of a relay", links_the_legs_of_a_relay},
          {"counts allocations that fail", counts_allocations_that_fail}, {"reads TURN over TCP", reads_turn_over_tcp},
          {"knows TURN over TLS by its server", knows_turn_over_tls_by_its_server});
}
