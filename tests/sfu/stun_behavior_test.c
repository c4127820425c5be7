/* Binding, and RFC 5780's attributes. */
#include <malloc.h>
#include <string.h>

#include "sfu/reply_limit.h"
#include "sfu/turn_server.h"
#include "tests/support/suite.h"
#include "tests/support/turn_asker.h"

struct stage {
    struct wire_world *wire;
    struct world_host *server_host, *client_host;
    struct turn_server *server;
    struct address udp[2], alternate;
    struct asker asker;
};

static void stage_open(struct stage *stage, bool behavior)
{
    *stage = (struct stage){0};
    stage->wire = wire_world_create(NULL);
    stage->server_host = wire_world_host(stage->wire, "5.1.1.1 5.1.1.2 2a05::1");
    stage->client_host = wire_world_host(stage->wire, "6.1.1.1 2a06::1");
    stage->udp[0] = address_of("5.1.1.1:3478");
    stage->udp[1] = address_of("[2a05::1]:3478");
    stage->alternate = address_of("5.1.1.2:3479");
    struct turn_server_config config = {.host = stage->server_host,
                                        .udp = stage->udp,
                                        .udp_count = 2,
                                        .tcp = stage->udp,
                                        .tcp_count = 1,
                                        .alternate = &stage->alternate,
                                        .alternate_count = behavior};
    stage->server = turn_server_create(&config, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(stage->server);
    asker_open(&stage->asker, stage->wire, stage->client_host, "6.1.1.1:0", &stage->udp[0]);
}

static void stage_close(struct stage *stage)
{
    turn_server_destroy(stage->server);
    wire_world_destroy(stage->wire);
}

static struct address got(const struct asker *asker, uint16_t type)
{
    struct address address = {0};
    stun_get_address(&asker->response, type, &address);
    return address;
}

static void binding_tells_the_mapped_address(void)
{
    static const char *const locals[] = {"6.1.1.1:1234", "[2a06::1]:1234"};
    struct stage stage;
    stage_open(&stage, false);
    for (int i = 0; i < 2; i++) {
        struct asker asker;
        struct address mapped = {0}, mine = address_of(locals[i]);
        asker_open(&asker, stage.wire, stage.client_host, locals[i], &stage.udp[i]);
        asker_begin(&asker, STUN_REQUEST, STUN_BINDING);
        CU_ASSERT_EQUAL(asker_send(&asker), 0);
        CU_ASSERT_TRUE(stun_get_xor_address(&asker.response, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped));
        CU_ASSERT_TRUE(address_equal(&mapped, &mine));
        CU_ASSERT_FALSE(stun_has(&asker.response, STUN_ATTR_FINGERPRINT));
        CU_ASSERT_FALSE(stun_has(&asker.response, STUN_ATTR_OTHER_ADDRESS));
        CU_ASSERT_EQUAL(asker.response.len, i == 0 ? 32 : 44); /* nothing that isn't needed */

        asker_begin(&asker, STUN_REQUEST, STUN_BINDING);
        stun_put_fingerprint(&asker.builder);
        CU_ASSERT_EQUAL(asker_send(&asker), 0);
        CU_ASSERT_TRUE(stun_check_fingerprint(&asker.response));
        asker.request[asker.request_len - 1] ^= 1;
        CU_ASSERT_EQUAL(asker_repeat(&asker), -1); /* a wrong one: not STUN at all */
    }
    asker_begin(&stage.asker, STUN_INDICATION, STUN_BINDING);
    CU_ASSERT_EQUAL(asker_send(&stage.asker), -1);
    asker_begin(&stage.asker, STUN_SUCCESS, STUN_BINDING);
    CU_ASSERT_EQUAL(asker_send(&stage.asker), -1);
    stun_put_u32(asker_begin(&stage.asker, STUN_REQUEST, STUN_BINDING), 0x7777, 0);
    CU_ASSERT_EQUAL(asker_send(&stage.asker), 420);
    CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->bindings, 4);
    stage_close(&stage);
}

/* RFC 5780, section 6.1, table 1: from each of the four addresses, with each of the four wishes. */
static void answers_come_from_where_they_are_wanted(void)
{
    static const char *const local[2][2] = {{"5.1.1.1:3478", "5.1.1.1:3479"}, {"5.1.1.2:3478", "5.1.1.2:3479"}};
    struct stage stage;
    stage_open(&stage, true);
    struct asker *asker = &stage.asker;
    for (int from = 0; from < 4; from++) {
        for (int change = 0; change < 4; change++) {
            int ip = from / 2, port = from % 2, change_ip = change / 2, change_port = change % 2;
            struct address expected = address_of(local[ip ^ change_ip][port ^ change_port]);
            struct address other = address_of(local[!ip][!port]);
            asker->server = address_of(local[ip][port]);
            struct stun_builder *builder = asker_begin(asker, STUN_REQUEST, STUN_BINDING);
            if (change != 0)
                stun_put_u32(builder, STUN_ATTR_CHANGE_REQUEST,
                             (change_ip ? STUN_CHANGE_IP : 0) | (change_port ? STUN_CHANGE_PORT : 0));
            CU_ASSERT_EQUAL(asker_send(asker), 0);
            CU_ASSERT_TRUE(address_equal(&asker->socket.remote, &expected));
            struct address origin = got(asker, STUN_ATTR_RESPONSE_ORIGIN);
            CU_ASSERT_TRUE(address_equal(&origin, &expected));
            struct address told = got(asker, STUN_ATTR_OTHER_ADDRESS);
            CU_ASSERT_TRUE(address_equal(&told, &other));
            struct address mapped = got(asker, STUN_ATTR_MAPPED_ADDRESS);
            struct address mine = world_udp_address(asker->socket.udp);
            CU_ASSERT_TRUE(address_equal(&mapped, &mine));
        }
    }
    stage_close(&stage);
}

static void change_request_needs_other_addresses(void)
{
    struct stage stage;
    stage_open(&stage, false);
    stun_put_u32(asker_begin(&stage.asker, STUN_REQUEST, STUN_BINDING), STUN_ATTR_CHANGE_REQUEST, STUN_CHANGE_IP);
    CU_ASSERT_EQUAL(asker_send(&stage.asker), 420);
    struct stun_attribute unknown;
    CU_ASSERT_TRUE_FATAL(stun_find(&stage.asker.response, STUN_ATTR_UNKNOWN_ATTRIBUTES, &unknown));
    CU_ASSERT_EQUAL(bytes_get16(unknown.value), STUN_ATTR_CHANGE_REQUEST);
    stage_close(&stage);
}

static void response_port_and_padding(void)
{
    struct stage stage;
    struct witness other;
    stage_open(&stage, true);
    witness_open(&other, stage.client_host, "6.1.1.1:4321");
    struct stun_builder *builder = asker_begin(&stage.asker, STUN_REQUEST, STUN_BINDING);
    stun_put_u16(builder, STUN_ATTR_RESPONSE_PORT, 4321);
    CU_ASSERT_EQUAL(asker_send(&stage.asker), -1); /* it went to the other port */
    CU_ASSERT_EQUAL(other.count, 1);
    struct address mapped = {0}, mine = world_udp_address(stage.asker.socket.udp);
    struct stun_message message;
    CU_ASSERT_TRUE_FATAL(stun_parse(&message, other.data, other.len, NULL));
    stun_get_mapped_address(&message, &mapped);
    CU_ASSERT_TRUE(address_equal(&mapped, &mine));

    uint8_t padding[1800] = {0};
    static const size_t lens[] = {4, 500, 1500, 1800};
    for (int i = 0; i < 4; i++) {
        stun_put_bytes(asker_begin(&stage.asker, STUN_REQUEST, STUN_BINDING), STUN_ATTR_PADDING, padding, lens[i]);
        CU_ASSERT_EQUAL(asker_send(&stage.asker), 0);
        struct stun_attribute attribute = {0};
        CU_ASSERT_TRUE(stun_find(&stage.asker.response, STUN_ATTR_PADDING, &attribute));
        CU_ASSERT_EQUAL(attribute.len, lens[i] < 1500 ? lens[i] : 1500); /* no more than it was given */
    }
    builder = asker_begin(&stage.asker, STUN_REQUEST, STUN_BINDING);
    stun_put_u16(builder, STUN_ATTR_RESPONSE_PORT, 4321);
    stun_put_bytes(builder, STUN_ATTR_PADDING, padding, 4);
    CU_ASSERT_EQUAL(asker_send(&stage.asker), 400);
    stun_put_u16(asker_begin(&stage.asker, STUN_REQUEST, STUN_BINDING), STUN_ATTR_RESPONSE_PORT, 0);
    CU_ASSERT_EQUAL(asker_send(&stage.asker), 400);
    stun_put_flag(asker_begin(&stage.asker, STUN_REQUEST, STUN_BINDING), STUN_ATTR_CHANGE_REQUEST);
    CU_ASSERT_EQUAL(asker_send(&stage.asker), 400);
    stage_close(&stage);
}

/* Attack 1: nothing malformed is answered, and nothing breaks. */
static void malformed_messages_are_dropped(void)
{
    struct stage stage;
    stage_open(&stage, true);
    static const uint8_t head[] = {0x00, 0x01, 0x00, 0x08, 0x21, 0x12, 0xa4, 0x42, 1,  2,
                                   3,    4,    5,    6,    7,    8,    9,    10,   11, 12};
    static const struct {
        uint8_t length[2];
        uint8_t attribute[8];
        size_t attribute_len;
    } cases[] = {
        {{0x00, 0x08}, {0x00, 0x24, 0x00, 0x05, 0, 0, 0, 1}, 8}, /* past the end */
        {{0x00, 0x06}, {0x00, 0x24, 0x00, 0x02, 0, 0}, 6},       /* no multiple of 4 */
        {{0xff, 0xfc}, {0x00, 0x24, 0x00, 0x04, 0, 0, 0, 1}, 8}, /* 65532 to 65535 */
        {{0xff, 0xfd}, {0x00, 0x24, 0x00, 0x04, 0, 0, 0, 1}, 8},
        {{0xff, 0xff}, {0x00, 0x24, 0xff, 0xff, 0, 0, 0, 1}, 8},
        {{0x00, 0x04}, {0x00, 0x24, 0x00, 0x04, 0, 0, 0, 1}, 8}, /* bytes behind the end */
        {{0x00, 0x08}, {0x00, 0x24, 0x00, 0x04, 0, 0, 0, 1}, 4}, /* cut short */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct asker *asker = &stage.asker;
        memcpy(asker->request, head, sizeof head);
        memcpy(asker->request + 2, cases[i].length, 2);
        memcpy(asker->request + sizeof head, cases[i].attribute, cases[i].attribute_len);
        asker->request_len = sizeof head + cases[i].attribute_len;
        CU_ASSERT_EQUAL(asker_repeat(asker), -1);
    }
    for (size_t len = 0; len < sizeof head; len++) {
        memcpy(stage.asker.request, head, sizeof head);
        stage.asker.request_len = len;
        CU_ASSERT_EQUAL(asker_repeat(&stage.asker), -1);
    }
    CU_ASSERT_EQUAL(stage.asker.socket.count, 0);
    stage_close(&stage);
}

/* --- attack 10: floods with forged sources ---------------------------------------------------------------------- */

struct forger {
    struct address victim;
    uint32_t sources; /* 1: always the victim; else that many addresses in turn */
    uint32_t sent;
    uint64_t bytes_in, bytes_out, replies;
};

static bool forge(void *user, struct datagram *datagram, nanos now)
{
    struct forger *forger = user;
    (void)now;
    if (datagram->remote.ip[0] != 5) {
        forger->replies++;
        forger->bytes_out += datagram->len;
        return false; /* nobody is there */
    }
    forger->bytes_in += datagram->len;
    datagram->local = forger->victim;
    datagram->local.port = (uint16_t)(1024 + forger->sent % 50000);
    if (forger->sources > 1) {
        uint32_t number = forger->sent % forger->sources;
        datagram->local.ip[1] = (uint8_t)(number >> 16);
        datagram->local.ip[2] = (uint8_t)(number >> 8);
        datagram->local.ip[3] = (uint8_t)number;
    }
    forger->sent++;
    return true;
}

static size_t memory_in_use(void) { return mallinfo2().uordblks; }

static void flood(struct stage *stage, struct forger *forger, uint16_t method, int count)
{
    asker_begin(&stage->asker, STUN_REQUEST, method);
    stage->asker.request_len = stun_finish(&stage->asker.builder);
    for (int i = 0; i < count; i++) {
        witness_send(&stage->asker.socket, &stage->asker.server, stage->asker.request, stage->asker.request_len);
        if (i % 100 == 99)
            wire_world_run_for(stage->wire, 10 * NANOS_PER_MS); /* 10,000 a second */
    }
    wire_world_run_for(stage->wire, 0);
    CU_ASSERT_EQUAL(forger->sent, (uint32_t)count);
}

static void floods_are_not_amplified_and_leave_nothing(void)
{
    static const uint16_t methods[] = {STUN_ALLOCATE, STUN_REFRESH, STUN_BINDING};
    for (int i = 0; i < 3; i++) {
        struct stage stage;
        struct forger forger = {.victim = address_of("9.1.1.1"), .sources = 1};
        stage_open(&stage, true);
        wire_world_set_hook(stage.wire, forge, &forger);
        flood(&stage, &forger, methods[i], 20000);
        /* 1,000 answers for one source in each of two seconds, or three that they touch. */
        CU_ASSERT_TRUE(forger.replies >= 2000 && forger.replies <= 3000);
        CU_ASSERT_TRUE(forger.bytes_out <= forger.bytes_in);
        CU_ASSERT_EQUAL(turn_server_statistics(stage.server)->replies_suppressed, 20000 - forger.replies);
        stage_close(&stage);

        /* From a million sources: all are answered, and nothing is remembered. */
        stage_open(&stage, true);
        forger = (struct forger){.victim = address_of("9.0.0.0"), .sources = 1000000};
        wire_world_set_hook(stage.wire, forge, &forger);
        size_t before = memory_in_use();
        flood(&stage, &forger, methods[i], 20000);
        CU_ASSERT_EQUAL(forger.replies, 20000);
        CU_ASSERT_TRUE(memory_in_use() < before + 4096);
        stage_close(&stage);
    }
}

static void the_limit_counts_by_source_and_second(void)
{
    static struct reply_limit limit;
    struct address one = address_of("9.1.1.1:1"), two = address_of("9.1.1.2:1");
    struct address six = address_of("[2a09::1]:1"), same_network = address_of("[2a09::ffff:1]:2");
    limit = (struct reply_limit){.per_second = 3, .key = 99};
    for (int i = 0; i < 5; i++) {
        one.port++;
        CU_ASSERT_EQUAL(reply_limit_allow(&limit, &one, 0), i < 3);
        CU_ASSERT_EQUAL(reply_limit_allow(&limit, i % 2 ? &six : &same_network, 0), i < 3);
    }
    CU_ASSERT_TRUE(reply_limit_allow(&limit, &two, NANOS_PER_S - 1));
    CU_ASSERT_FALSE(reply_limit_allow(&limit, &one, NANOS_PER_S - 1));
    CU_ASSERT_TRUE(reply_limit_allow(&limit, &one, NANOS_PER_S));
}

void stun_behavior_test(void)
{
    SUITE("stun_behavior", {"Binding tells the mapped address", binding_tells_the_mapped_address},
          {"answers come from where they are wanted", answers_come_from_where_they_are_wanted},
          {"CHANGE-REQUEST needs other addresses", change_request_needs_other_addresses},
          {"RESPONSE-PORT and PADDING", response_port_and_padding},
          {"malformed messages are dropped", malformed_messages_are_dropped},
          {"floods are not amplified and leave nothing", floods_are_not_amplified_and_leave_nothing},
          {"the limit counts by source and second", the_limit_counts_by_source_and_second});
}
