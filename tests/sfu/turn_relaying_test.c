/* Whom a TURN server relays to, and for how long: permissions, channels, dangerous peers. */
#include <string.h>

#include "tests/support/suite.h"
#include "tests/support/turn_stage.h"

/* --- permissions and channels ----------------------------------------------------------------------------------- */

static void permissions_last_five_minutes(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    stun_put_u32(stage_begin_allocate(alice), STUN_ATTR_LIFETIME, 3600);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    struct address relayed = asker_relayed(alice);
    witness_send(&stage.peer, &relayed, "knock", 5);
    asker_send_data(alice, "7.1.1.1:7000", "too early");
    CU_ASSERT_EQUAL(stage.peer.count, 0);
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->packets_dropped, 2);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:1"), 0); /* the port doesn't matter */
    unsigned before = alice->socket.count;
    wire_world_run_for(stage.wire, 298 * NANOS_PER_S);
    witness_send(&stage.peer, &relayed, "knock", 5);
    asker_send_data(alice, "7.1.1.1:7000", "just in time");
    CU_ASSERT_EQUAL(stage.peer.count, 1);
    CU_ASSERT_EQUAL(alice->socket.count, before + 1);
    wire_world_run_for(stage.wire, 2 * NANOS_PER_S);
    witness_send(&stage.peer, &relayed, "knock", 5);
    asker_send_data(alice, "7.1.1.1:7000", "too late");
    CU_ASSERT_EQUAL(stage.peer.count, 1);
    CU_ASSERT_EQUAL(alice->socket.count, before + 1);
    stage_close(&stage);
}

static void send_channel_data(struct asker *asker, uint16_t channel, const char *text)
{
    uint8_t message[64];
    size_t len = strlen(text);
    bytes_put16(message, channel);
    bytes_put16(message + 2, (uint16_t)len);
    memcpy(message + 4, text, len);
    witness_send(&asker->socket, &asker->server, message, len + 4);
    wire_world_run_for(asker->wire, 0);
}

static void channels_last_ten_minutes_but_need_permission(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    stun_put_u32(stage_begin_allocate(alice), STUN_ATTR_LIFETIME, 3600);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7000"), 0);
    send_channel_data(alice, 0x4000, "one");
    send_channel_data(alice, 0x4001, "unbound");
    CU_ASSERT_EQUAL(stage.peer.count, 1);
    wire_world_run_for(stage.wire, 301 * NANOS_PER_S);
    send_channel_data(alice, 0x4000, "without permission");
    CU_ASSERT_EQUAL(stage.peer.count, 1);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:1"), 0);
    send_channel_data(alice, 0x4000, "two");
    CU_ASSERT_EQUAL(stage.peer.count, 2);
    wire_world_run_for(stage.wire, 290 * NANOS_PER_S);
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:1"), 0);
    wire_world_run_for(stage.wire, 10 * NANOS_PER_S);
    send_channel_data(alice, 0x4000, "channel gone");
    CU_ASSERT_EQUAL(stage.peer.count, 2);
    /* Its number is free again. */
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7001"), 0);
    stage_close(&stage);
}

static void channel_numbers_and_peers_are_one_to_one(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7000"), 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7000"), 0); /* refreshes */
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7001"), 400);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4001, "7.1.1.1:7000"), 400);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4fff, "7.1.1.1:7001"), 0);
    /* Attack 7. */
    static const uint16_t outside[] = {0, 0x3fff, 0x5000, 0x7fff, 0x8000, 0xffff};
    for (size_t i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(asker_bind(alice, outside[i], "7.1.1.1:7002"), 400);
    struct address peer = address_of("7.1.1.1:7003");
    stun_put_xor_address(asker_begin(alice, STUN_REQUEST, STUN_CHANNEL_BIND), STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    stun_put_u16(asker_begin(alice, STUN_REQUEST, STUN_CHANNEL_BIND), STUN_ATTR_CHANNEL_NUMBER, 0x4003);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    asker_begin(alice, STUN_REQUEST, STUN_CREATE_PERMISSION);
    CU_ASSERT_EQUAL(asker_ask(alice), 400);
    stage_close(&stage);
}

static void channels_of_old(struct turn_server_config *config) { config->rfc5766_channels = true; }

static void channel_numbers_of_rfc_5766_are_taken_on_request(void)
{
    struct stage stage;
    stage_open(&stage, channels_of_old);
    CU_ASSERT_EQUAL(asker_allocate(&stage.alice), 0);
    CU_ASSERT_EQUAL(asker_bind(&stage.alice, 0x8000, "7.1.1.1:7000"), 400);
    CU_ASSERT_EQUAL(asker_bind(&stage.alice, 0x7fff, "7.1.1.1:7000"), 0);
    send_channel_data(&stage.alice, 0x7fff, "as in 2010");
    CU_ASSERT_EQUAL(stage.peer.len, 10);
    stage_close(&stage);
}

/* Attacks 2 and 6: what stands behind the integrity counts for nothing, and of two the first counts. */
static void added_and_doubled_attributes_change_nothing(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    struct address good = address_of("7.1.1.1:7000"), bad = address_of("8.8.8.8:53");
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    asker_begin(alice, STUN_REQUEST, STUN_CREATE_PERMISSION);
    stun_put_xor_address(&alice->builder, STUN_ATTR_XOR_PEER_ADDRESS, &good);
    asker_sign(alice);
    stun_put_xor_address(&alice->builder, STUN_ATTR_XOR_PEER_ADDRESS, &bad);
    CU_ASSERT_EQUAL(asker_send(alice), 0);
    asker_begin(alice, STUN_REQUEST, STUN_REFRESH);
    asker_sign(alice);
    stun_put_u32(&alice->builder, STUN_ATTR_LIFETIME, 0);
    CU_ASSERT_EQUAL(asker_send(alice), 0);
    uint32_t lifetime_s = 0;
    CU_ASSERT_TRUE(stun_get_u32(&alice->response, STUN_ATTR_LIFETIME, &lifetime_s));
    CU_ASSERT_EQUAL(lifetime_s, 600);
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->allocations[TURN_UDP], 1);
    uint64_t dropped = turn_server_statistics(stage.server)->packets_dropped;
    asker_send_data(alice, "8.8.8.8:53", "not permitted");
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->packets_dropped, dropped + 1);

    struct stun_builder *builder = asker_begin(alice, STUN_INDICATION, STUN_SEND);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &good);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &bad);
    stun_put_bytes(builder, STUN_ATTR_DATA, "first", 5);
    stun_put_bytes(builder, STUN_ATTR_DATA, "second", 6);
    asker_send(alice);
    CU_ASSERT_EQUAL(stage.peer.len, 5);
    builder = asker_begin(alice, STUN_REQUEST, STUN_CHANNEL_BIND);
    stun_put_u16(builder, STUN_ATTR_CHANNEL_NUMBER, 0x4000);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &good);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &bad);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    send_channel_data(alice, 0x4000, "to the first");
    CU_ASSERT_EQUAL(stage.peer.len, 12);
    /* DONT-FRAGMENT can't be obeyed, so the indication is as one with an unknown attribute. */
    builder = asker_begin(alice, STUN_INDICATION, STUN_SEND);
    stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &good);
    stun_put_flag(builder, STUN_ATTR_DONT_FRAGMENT);
    stun_put_bytes(builder, STUN_ATTR_DATA, "x", 1);
    unsigned before = stage.peer.count;
    asker_send(alice);
    CU_ASSERT_EQUAL(stage.peer.count, before);
    stage_close(&stage);
}

static void several_permissions_in_one_request_are_all_or_none(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    static const char *const second[] = {"127.0.0.1:1", "[2a07::1]:1", "7.1.1.2:1"};
    static const int codes[] = {403, 443, 0};
    for (int i = 0; i < 3; i++) {
        struct address peer = address_of("7.1.1.1:1");
        struct stun_builder *builder = asker_begin(alice, STUN_REQUEST, STUN_CREATE_PERMISSION);
        stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
        peer = address_of(second[i]);
        stun_put_xor_address(builder, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
        CU_ASSERT_EQUAL(asker_ask(alice), codes[i]);
        asker_send_data(alice, "7.1.1.1:7000", "?");
        CU_ASSERT_EQUAL(stage.peer.count, i < 2 ? 0 : 1);
    }
    stage_close(&stage);
}

static void the_number_of_permissions_is_bounded(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    int refused = 0;
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    for (int i = 0; i < 300; i++) {
        struct address peer = address_ipv4(8, 1, (uint8_t)(i >> 8), (uint8_t)i, 1);
        stun_put_xor_address(asker_begin(alice, STUN_REQUEST, STUN_CREATE_PERMISSION), STUN_ATTR_XOR_PEER_ADDRESS,
                             &peer);
        /* A second passes with each, so the first have not yet expired. */
        refused += asker_ask(alice) == 508;
    }
    CU_ASSERT_EQUAL(refused, 300 - 256);
    stage_close(&stage);
}

/* --- peers ------------------------------------------------------------------------------------------------------ */

/* Attacks 3 and 4. */
static void dangerous_peers_are_refused_everywhere(void)
{
    static const char *const ipv4[] = {"127.0.0.1",   "0.0.0.0",      "10.1.2.3",        "172.16.0.1", "192.168.1.1",
                                       "100.64.0.1",  "169.254.1.1",  "169.254.169.254", "224.0.0.1",  "239.1.1.1",
                                       "240.0.0.1",   "198.18.0.1",   "255.255.255.255", "192.0.2.1",  "127.255.0.1",
                                       "192.88.99.1", "5.1.1.1:3478", "5.1.1.1:80"};
    static const char *const ipv6[] = {"::1",
                                       "::",
                                       "::ffff:127.0.0.1",
                                       "::ffff:8.8.8.8",
                                       "::127.0.0.1",
                                       "64:ff9b::7f00:1",
                                       "2002:7f00:1::",
                                       "64:ff9b::a01:203",
                                       "fe80::1",
                                       "fc00::1",
                                       "fd12::1",
                                       "ff02::1",
                                       "2001:db8::1",
                                       "fec0::1",
                                       "[2a05::1]:3478",
                                       "64:ff9b::501:101"};
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    stun_put_family(stage_begin_allocate(alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    for (size_t i = 0; i < sizeof ipv4 / sizeof ipv4[0] + sizeof ipv6 / sizeof ipv6[0]; i++) {
        size_t first = sizeof ipv4 / sizeof ipv4[0];
        struct address peer = address_of(i < first ? ipv4[i] : ipv6[i - first]);
        bool own = peer.port != 0 && peer.port != 1;
        char text[ADDRESS_TEXT_CAP];
        peer.port = own ? peer.port : 7000;
        address_format(&peer, text);
        /* The relays' own address may be permitted, for the sake of other relays; but not its other ports. */
        CU_ASSERT_EQUAL(asker_permit(alice, text), own ? 0 : 403);
        CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, text), 403);
        uint64_t dropped = turn_server_statistics(stage.server)->packets_dropped;
        asker_send_data(alice, text, "evil");
        CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->packets_dropped, dropped + 1);
    }
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->packets_to_peers, 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:0"), 403); /* nothing can be sent to port 0 */
    CU_ASSERT_EQUAL(asker_permit(alice, "7.1.1.1:0"), 0);
    stage_close(&stage);
}

static struct turn_peer_range ranges[3];
static void with_ranges(struct turn_server_config *config)
{
    ranges[0] = (struct turn_peer_range){address_of("10.1.0.0"), address_of("10.1.0.255"), true};
    ranges[1] = (struct turn_peer_range){address_of("7.1.1.7"), address_of("7.1.2.9"), false};
    ranges[2] = (struct turn_peer_range){address_of("2a07::7"), address_of("2a07::1:9"), false};
    config->peer_ranges = ranges;
    config->peer_range_count = 3;
    config->allowed_scopes = 1u << ADDRESS_SPECIAL;
    config->deny_relay_to_relay = true;
}

static void the_operator_decides(void)
{
    struct stage stage;
    stage_open(&stage, with_ranges);
    struct asker *alice = &stage.alice;
    stun_put_family(stage_begin_allocate(alice), STUN_ATTR_ADDITIONAL_ADDRESS_FAMILY, ADDRESS_IPV6);
    CU_ASSERT_EQUAL(asker_ask(alice), 0);
    static const struct {
        const char *peer;
        int code;
    } cases[] = {{"10.1.0.1:1", 0},     {"10.1.1.0:1", 403},     {"7.1.1.6:1", 0},       {"7.1.1.7:1", 403},
                 {"7.1.1.255:1", 403},  {"7.1.2.9:1", 403},      {"7.1.2.10:1", 0},      {"[2a07::6]:1", 0},
                 {"[2a07::7]:1", 403},  {"[2a07::ffff]:1", 403}, {"[2a07::1:9]:1", 403}, {"[2a07::1:a]:1", 0},
                 {"198.51.100.1:1", 0}, {"127.0.0.1:1", 403},    {"5.1.1.1:50000", 403}, {"[64:ff9b::701:108]:1", 403}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        CU_ASSERT_EQUAL(asker_permit(alice, cases[i].peer), cases[i].code);
    stage_close(&stage);
}

/* Ports of the relays' own address lead to relays that stand at the moment, and to nothing else of that machine. */
static void only_relays_are_behind_the_relays_address(void)
{
    struct stage stage;
    struct asker bob;
    struct witness stranger;
    char bobs[ADDRESS_TEXT_CAP];
    char free_port[ADDRESS_TEXT_CAP];
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    asker_open(&bob, stage.wire, stage.client_host, "6.1.1.1:0", &stage.udp);
    CU_ASSERT_EQUAL(asker_challenge(&bob), 401);
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    struct address alices = asker_relayed(alice);
    CU_ASSERT_EQUAL(asker_allocate(&bob), 0);
    struct address relayed = asker_relayed(&bob);
    address_format(&relayed, bobs);
    CU_ASSERT_EQUAL(asker_permit(alice, bobs), 0);
    CU_ASSERT_EQUAL(asker_permit(&bob, bobs), 0);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, bobs), 0);
    const struct turn_server_statistics *statistics = turn_server_statistics(stage.server);
    unsigned heard = bob.socket.count;
    asker_send_data(alice, bobs, "hello");
    send_channel_data(alice, 0x4000, "hello");
    CU_ASSERT_EQUAL(bob.socket.count, heard + 2);
    CU_ASSERT_EQUAL(statistics->packets_dropped, 0);
    /* Some other program of the server's machine, on a port that could be a relay's. */
    struct address other = relayed;
    while (other.port == relayed.port || other.port == alices.port)
        other.port = other.port == UINT16_MAX ? 49152 : other.port + 1;
    address_format(&other, free_port);
    witness_open(&stranger, stage.server_host, free_port);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4001, free_port), 403);
    asker_send_data(alice, free_port, "evil");
    CU_ASSERT_EQUAL(stranger.count, 0);
    CU_ASSERT_EQUAL(statistics->packets_dropped, 1);
    heard = alice->socket.count;
    witness_send(&stranger, &alices, "evil", 4);
    wire_world_run_for(stage.wire, NANOS_PER_S);
    CU_ASSERT_EQUAL(alice->socket.count, heard);
    CU_ASSERT_EQUAL(statistics->packets_dropped, 2);
    /* A relay that is no more. */
    CU_ASSERT_EQUAL(asker_refresh(&bob, 0), 0);
    asker_send_data(alice, bobs, "hello");
    send_channel_data(alice, 0x4000, "hello");
    CU_ASSERT_EQUAL(statistics->packets_dropped, 4);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, bobs), 403);
    stage_close(&stage);
}

/* --- batches ---------------------------------------------------------------------------------------------------- */

static void batches_stay_together(void)
{
    struct stage stage;
    stage_open(&stage, NULL);
    struct asker *alice = &stage.alice;
    CU_ASSERT_EQUAL(asker_allocate(alice), 0);
    struct address relayed = asker_relayed(alice);
    CU_ASSERT_EQUAL(asker_bind(alice, 0x4000, "7.1.1.1:7000"), 0);
    struct datagram batch[50];
    uint8_t message[] = {0x40, 0x00, 0x00, 0x04, 'd', 'a', 't', 'a'};
    for (size_t i = 0; i < 50; i++)
        batch[i] = (struct datagram){.remote = stage.udp, .data = message, .len = sizeof message};
    world_udp_send(alice->socket.udp, batch, 50);
    wire_world_run_for(stage.wire, 0);
    CU_ASSERT_EQUAL(stage.peer.count, 50);
    CU_ASSERT_EQUAL(stage.peer.calls, 1);
    unsigned calls = alice->socket.calls;
    unsigned count = alice->socket.count;
    for (size_t i = 0; i < 50; i++)
        batch[i].remote = relayed;
    world_udp_send(stage.peer.udp, batch, 50);
    wire_world_run_for(stage.wire, 0);
    CU_ASSERT_EQUAL(alice->socket.count, count + 50);
    CU_ASSERT_EQUAL(alice->socket.calls, calls + 1);
    stage_close(&stage);
}

void turn_relaying_test(void)
{
    SUITE("turn_relaying", {"permissions last five minutes", permissions_last_five_minutes},
          {"channels last ten minutes but need permission", channels_last_ten_minutes_but_need_permission},
          {"channel numbers and peers are one to one", channel_numbers_and_peers_are_one_to_one},
          {"channel numbers of RFC 5766 are taken on request", channel_numbers_of_rfc_5766_are_taken_on_request},
          {"added and doubled attributes change nothing", added_and_doubled_attributes_change_nothing},
          {"several permissions in one request: all or none", several_permissions_in_one_request_are_all_or_none},
          {"the number of permissions is bounded", the_number_of_permissions_is_bounded},
          {"dangerous peers are refused everywhere", dangerous_peers_are_refused_everywhere},
          {"the operator decides", the_operator_decides},
          {"only relays are behind the relays' address", only_relays_are_behind_the_relays_address},
          {"batches stay together", batches_stay_together});
}
