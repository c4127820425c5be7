/* What a dishonest network may try with the client. */
#include "rtc/turn_client.h"

#include <string.h>

#include "rtc/stun.h"
#include "tests/support/suite.h"
#include "tests/support/turn_scene.h"

/* Changes answers on their way: strips what it is told to, or forges. */
static bool strip_algorithms(void *user, struct datagram *datagram, nanos now)
{
    (void)now;
    (void)user;
    for (size_t at = STUN_HEADER_LEN; at + 4 <= datagram->len && datagram->local.port == 3478;) {
        size_t len = (bytes_get16(datagram->data + at + 2) + 3u) & ~3u;
        if (bytes_get16(datagram->data + at) == STUN_ATTR_PASSWORD_ALGORITHMS)
            bytes_put16(datagram->data + at, 0x8777); /* nobody knows it, so it is ignored */
        at += 4 + len;
    }
    return true;
}

static void does_not_fall_for_a_bid_down(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    wire_world_set_hook(scene.wire, strip_algorithms, NULL);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(party.reason, "bid-down"));
    turn_party_stop(&party);
    scene_close(&scene);
}

static bool corrupt_success(void *user, struct datagram *datagram, nanos now)
{
    (void)now;
    (void)user;
    if (datagram->local.port == 3478 && datagram->len > 30 && (datagram->data[0] & 1) != 0 &&
        (datagram->data[1] & 0x10) == 0)
        datagram->data[27] ^= 1; /* a bit of the first attribute, the relayed address */
    return true;
}

static void forged_answers_are_dropped_and_named(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    wire_world_set_hook(scene.wire, corrupt_success, NULL);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 45);
    CU_ASSERT_EQUAL(party.allocated, 0);
    CU_ASSERT_EQUAL(party.failed, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(party.reason, "integrity")); /* RFC 8489, section 9.2.5 */
    turn_party_stop(&party);
    scene_close(&scene);
}

/* Data that claims to come from peers nobody let in, on channels nobody bound, and answers to nothing. */
static void what_was_not_asked_for_is_dropped(void)
{
    struct scene scene;
    scene_open(&scene, NULL);
    struct turn_party party;
    struct turn_client_config config = scene_client_config(&scene, TURN_UDP);
    turn_party_start(&party, scene.client_host, &config);
    scene_run(&scene, 1);
    uint8_t buf[200];
    struct stun_builder builder;
    struct address stranger = address_of("9.9.9.9:9");
    nanos now = wire_world_now(scene.wire);
    stun_begin(&builder, buf, sizeof buf, STUN_INDICATION, STUN_DATA, (const uint8_t *)"0123456789ab");
    stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, &stranger);
    stun_put_bytes(&builder, STUN_ATTR_DATA, "boo", 3);
    size_t len = stun_finish(&builder);
    CU_ASSERT_EQUAL(turn_client_read(party.client, buf, len, now), -1);
    CU_ASSERT_EQUAL(turn_client_read(party.client, (const uint8_t *)"\x40\x00\x00\x01x", 5, now), -1);
    CU_ASSERT_EQUAL(turn_client_read(party.client, (const uint8_t *)"\x40\x00\x00\x09x", 5, now), -1);
    CU_ASSERT_EQUAL(turn_client_read(party.client, (const uint8_t *)"\x40", 1, now), -1);
    CU_ASSERT_EQUAL(turn_client_read(party.client, buf, 0, now), -1);
    stun_begin(&builder, buf, sizeof buf, STUN_SUCCESS, STUN_REFRESH, (const uint8_t *)"0123456789ab");
    len = stun_finish(&builder);
    CU_ASSERT_EQUAL(turn_client_read(party.client, buf, len, now), -1);
    struct turn_client_event event;
    CU_ASSERT_FALSE(turn_client_event(party.client, &event));
    turn_party_stop(&party);
    scene_close(&scene);
}

void turn_client_attack_test(void)
{
    SUITE("turn_client_attack", {"does not fall for a bid-down", does_not_fall_for_a_bid_down},
          {"forged answers are dropped and named", forged_answers_are_dropped_and_named},
          {"what was not asked for is dropped", what_was_not_asked_for_is_dropped});
}
