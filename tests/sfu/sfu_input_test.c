/* What the SFU makes of messages and datagrams that it should never see. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/stun.h"
#include "sfu/sfu_negotiation.h"
#include "sfu/sfu_state.h"
#include "tests/support/meeting.h"
#include "tests/support/suite.h"
#include "tests/support/talker.h"

#define DELAY (10 * NANOS_PER_MS)

/* --- someone who says what he likes ----------------------------------------------------------------------------------- */

/* True when the SFU said `expected` about it, and nothing else. */
static bool refused(struct talker *talker, enum room_message_type type, const char *sdp, const char *expected)
{
    unsigned errors = talker->count[ROOM_ERROR];
    unsigned answers = talker->count[ROOM_ANSWER];
    talker_say(talker, &(struct room_message){.type = type, .sdp = sdp, .candidate = sdp});
    bool as_expected = talker->count[ROOM_ERROR] == errors + 1 && talker->count[ROOM_ANSWER] == answers &&
                       strstr(talker->reason, expected) != NULL;
    if (!as_expected)
        fprintf(stderr, "said: %s\n", talker->reason);
    return as_expected;
}

/* An offer of so many audio sections and one of simulcast video, with what a test changes about it. */
static struct session_description *describe(size_t audios, size_t rids)
{
    static const char *const names[] = {"q", "h", "f", "x", "y"};
    struct session_transport transport = {.ufrag = "abcd",
                                          .password = "abcdefghijklmnopqrstuvwx",
                                          .setup = SESSION_SETUP_ACTPASS,
                                          .fingerprint_count = 1,
                                          .fingerprints = {{.hash = FINGERPRINT_SHA_256, .len = 32}}};
    struct session_capabilities ours = session_capabilities_default();
    ours.transport = &transport;
    struct session_description *offer = session_description_create();
    for (size_t i = 0; i < audios; i++)
        CU_ASSERT_PTR_NOT_NULL(session_offer_media(offer, &ours, SESSION_AUDIO, SESSION_SENDONLY));
    struct session_media *video = session_offer_media(offer, &ours, SESSION_VIDEO, SESSION_SENDONLY);
    CU_ASSERT_TRUE(session_offer_simulcast(video, names, rids));
    return offer;
}

static char *text_of(struct session_description *description)
{
    char *text = session_description_write(description);
    session_description_destroy(description);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    return text;
}

static void nonsense_is_answered_with_reasons(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct talker talker;
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    talker_open(&talker, meeting, "p2");
    CU_ASSERT_TRUE(refused(&talker, ROOM_ANSWER, "v=0\r\n", "an answer to no offer"));
    CU_ASSERT_TRUE(refused(&talker, ROOM_OFFER, "hello", "SDP"));
    CU_ASSERT_TRUE(refused(&talker, ROOM_OFFER, "", "SDP"));
    CU_ASSERT_TRUE(refused(&talker, ROOM_CANDIDATE, "candidate:what", "candidate"));
    char *text = text_of(describe(SFU_SECTIONS_MAX, 3));
    CU_ASSERT_TRUE(refused(&talker, ROOM_OFFER, text, "more than 64 sections"));
    free(text);
    struct session_description *offer = describe(1, 3);
    offer->transport.setup = SESSION_SETUP_PASSIVE;
    CU_ASSERT_TRUE(refused(&talker, ROOM_OFFER, text = text_of(offer), "DTLS server"));
    free(text);
    offer = describe(1, 3);
    offer->transport.ice_lite = true;
    CU_ASSERT_TRUE(refused(&talker, ROOM_OFFER, text = text_of(offer), "lite"));
    free(text);
    offer = describe(1, 3);
    offer->transport.fingerprint_count = 0;
    CU_ASSERT_TRUE(refused(&talker, ROOM_OFFER, text = text_of(offer), "fingerprint"));
    free(text);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 2);
    talker_close(&talker);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).participants, 1);
    meeting_close(meeting);
}

/* Two sections with one SSRC: the second can't be told from the first, and isn't received. */
static void an_ssrc_is_one_streams(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct talker talker;
    talker_open(&talker, meeting, "p2");
    struct session_description *offer = describe(3, 3);
    for (size_t i = 0; i < 2; i++)
        session_add_ssrc(&offer->media[i])->ssrc = 1234;
    talker_say_description(&talker, ROOM_OFFER, offer);
    session_description_destroy(offer);
    CU_ASSERT_PTR_NOT_NULL(strstr(talker.reason, "an SSRC is taken"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(talker.answer);
    CU_ASSERT_EQUAL(talker.answer->media[0].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(talker.answer->media[1].direction, SESSION_INACTIVE);
    CU_ASSERT_EQUAL(talker.answer->media[2].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 3);
    talker_close(&talker);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 0);
    meeting_close(meeting);
}

static void odd_offers_are_answered_as_far_as_they_go(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct talker talker;
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    talker_open(&talker, meeting, "evil \r\na=name");
    /* Five layers, of which three are taken; a codec that we don't forward; a data channel. */
    struct session_description *offer = describe(1, 5);
    struct session_media *data = session_add_media(offer);
    data->kind = SESSION_DATA;
    snprintf(data->kind_name, sizeof data->kind_name, "application");
    snprintf(data->protocol, sizeof data->protocol, "UDP/DTLS/SCTP");
    snprintf(data->mid, sizeof data->mid, "data");
    data->bundled = true;
    data->sctp_port = 5000;
    char *text = text_of(offer);
    talker_say(&talker, &(struct room_message){.type = ROOM_OFFER, .sdp = text});
    CU_ASSERT_STRING_EQUAL(talker.reason, "");
    const struct session_description *answer = talker.answer;
    CU_ASSERT_PTR_NOT_NULL_FATAL(answer);
    CU_ASSERT_EQUAL_FATAL(answer->media_count, 3);
    CU_ASSERT_TRUE(answer->transport.ice_lite && answer->transport.end_of_candidates);
    CU_ASSERT_EQUAL(answer->transport.setup, SESSION_SETUP_PASSIVE);
    CU_ASSERT_EQUAL(answer->transport.candidate_count, 2);
    CU_ASSERT_EQUAL(answer->media[0].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(answer->media[1].rid_count, 3);
    CU_ASSERT_EQUAL(answer->media[1].codec_count, 2); /* VP8 and its RTX */
    CU_ASSERT_FALSE(answer->media[2].rejected);
    CU_ASSERT_EQUAL(answer->media[2].max_message_size, SCTP_MESSAGE_MAX);
    CU_ASSERT_EQUAL(talker.count[ROOM_OFFER], 1);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 4);
    CU_ASSERT_TRUE(refused(&talker, ROOM_ANSWER, text, "SDP"));
    free(text);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 4);
    /* The other one is offered nothing that breaks its SDP. */
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_STRING_EQUAL(meeting->people[1].failure, "");
    talker_close(&talker);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 2);
    meeting_close(meeting);
}

/* --- datagrams ---------------------------------------------------------------------------------------------------------- */

enum { KEPT = 400 };

struct wiretap {
    uint8_t data[KEPT][1500]; /* of what person 0 sent last */
    size_t len[KEPT];
    size_t count;
    bool impersonate; /* the attacker's datagrams seem to come from person 0 */
    struct address attacker, victim;
};

static bool tap(struct meeting *meeting, struct datagram *datagram, nanos now)
{
    struct wiretap *wiretap = meeting->spy_user;
    (void)now;
    if (address_equal(&datagram->local, &wiretap->attacker)) {
        if (wiretap->impersonate)
            datagram->local = wiretap->victim;
        return true;
    }
    if (datagram->local.ip[2] == 1 && datagram->local.ip[3] == 0 && datagram->len <= sizeof wiretap->data[0]) {
        size_t slot = wiretap->count++ % KEPT;
        wiretap->victim = datagram->local;
        memcpy(wiretap->data[slot], datagram->data, datagram->len);
        wiretap->len[slot] = datagram->len;
    }
    return true;
}

static void nothing(void *user, struct world_udp *udp, struct datagram *batch, size_t count, nanos now)
{
    (void)udp, (void)batch, (void)now;
    *(size_t *)user += count;
}

static void send_to_sfu(struct meeting *meeting, struct world_udp *udp, uint8_t *data, size_t len)
{
    struct datagram datagram = {.remote = meeting->sfu_address, .data = data, .len = len};
    world_udp_send(udp, &datagram, 1);
}

static void strangers_are_not_heard(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct wiretap *wiretap = calloc(1, sizeof *wiretap);
    size_t answers = 0;
    struct rng rng = rng_of(7, "stranger", 0);
    uint8_t data[1500];
    CU_ASSERT_PTR_NOT_NULL_FATAL(wiretap);
    meeting->spy = tap;
    meeting->spy_user = wiretap;
    meeting_enter(meeting, 0, "room", MEETING_ALL);
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    meeting_run(meeting, 3 * NANOS_PER_S);
    struct address local = address_ipv4(5, 0, 3, 1, 0);
    struct world_udp *udp = world_udp_open(wire_world_host(meeting->wire, "5.0.3.1"), &local, nothing, &answers, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(udp);
    wiretap->attacker = world_udp_address(udp);
    unsigned known = HASH_COUNT(meeting->sfu->sources);
    uint64_t discarded = sfu_statistics(meeting->sfu).discarded;
    CU_ASSERT_EQUAL(discarded, 0);
    /* Noise of each kind (RFC 7983), from an address that nobody knows. */
    for (size_t i = 0; i < 2000; i++) {
        size_t len = rng_below(&rng, sizeof data + 1);
        rng_bytes(&rng, data, len);
        if (i % 2 == 0 && len > 0)
            data[0] = (uint8_t)(i % 4 == 0 ? 0x80 : 22);
        send_to_sfu(meeting, udp, data, len);
    }
    /* Checks of users whom there isn't, and everything that person 0 sent, STUN included, with its ufrag. */
    for (size_t i = 0; i < 100; i++) {
        struct stun_builder builder;
        uint8_t id[STUN_TRANSACTION_ID_LEN];
        rng_bytes(&rng, id, sizeof id);
        stun_begin(&builder, data, sizeof data, STUN_REQUEST, STUN_BINDING, id);
        stun_put_text(&builder, STUN_ATTR_USERNAME, "nobody:else");
        send_to_sfu(meeting, udp, data, stun_finish(&builder));
    }
    for (size_t i = 0; i < KEPT; i++)
        send_to_sfu(meeting, udp, wiretap->data[i], wiretap->len[i]);
    uint64_t before = sfu_statistics(meeting->sfu).packets_received;
    meeting_run(meeting, DELAY);
    CU_ASSERT_TRUE(sfu_statistics(meeting->sfu).discarded - discarded >= 2100 + KEPT - 5);
    CU_ASSERT_TRUE(sfu_statistics(meeting->sfu).packets_received - before < 20);
    CU_ASSERT_TRUE(HASH_COUNT(meeting->sfu->sources) <= known + 1); /* a check that is replayed is authentic */
    CU_ASSERT_TRUE(answers <= 5);
    meeting_look_anew(meeting);
    meeting_run(meeting, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(meeting_seen(meeting, 1, 0, TRACK_VIDEO)->longest_gap < 150 * NANOS_PER_MS);
    CU_ASSERT_TRUE(meeting_seen(meeting, 0, 1, TRACK_VIDEO)->longest_gap < 150 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(meeting_seen(meeting, 1, 0, TRACK_VIDEO)->nacks, 0);
    meeting_close(meeting);
    free(wiretap);
}

static void replays_and_forgeries_change_nothing(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct wiretap *wiretap = calloc(1, sizeof *wiretap);
    size_t answers = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(wiretap);
    meeting->spy = tap;
    meeting->spy_user = wiretap;
    meeting_enter(meeting, 0, "room", MEETING_ALL);
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    meeting_run(meeting, 5 * NANOS_PER_S);
    struct address local = address_ipv4(5, 0, 3, 1, 0);
    struct world_udp *udp = world_udp_open(wire_world_host(meeting->wire, "5.0.3.1"), &local, nothing, &answers, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(udp);
    wiretap->attacker = world_udp_address(udp);
    wiretap->impersonate = true;
    struct sfu_statistics before = sfu_statistics(meeting->sfu);
    for (size_t i = 0; i < KEPT; i++) {
        size_t len = wiretap->len[i];
        if (wiretap->data[i][0] < 128)
            continue;
        if (i % 2 == 0)
            wiretap->data[i][len - 1] ^= 1; /* a forged tag; the others are replayed as they were */
        if (i % 4 == 0)
            bytes_put16(wiretap->data[i] + 2, (uint16_t)(bytes_get16(wiretap->data[i] + 2) + 3000));
        send_to_sfu(meeting, udp, wiretap->data[i], len);
    }
    meeting_run(meeting, DELAY);
    struct sfu_statistics after = sfu_statistics(meeting->sfu);
    CU_ASSERT_TRUE(after.discarded - before.discarded > KEPT * 9 / 10);
    CU_ASSERT_TRUE(after.packets_received - before.packets_received < 20);
    meeting_look_anew(meeting);
    meeting_run(meeting, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(meeting_seen(meeting, 1, 0, TRACK_VIDEO)->longest_gap < 150 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(meeting_seen(meeting, 1, 0, TRACK_VIDEO)->nacks, 0);
    meeting_close(meeting);
    free(wiretap);
}

/* One who talks without end is shown the door, and nobody else notices. */
static void chatterboxes_are_sent_away(void)
{
    static const char text[] = "{\"type\":\"mute\",\"track\":\"audio\",\"muted\":true}";
    struct meeting *meeting = meeting_open(DELAY);
    struct talker talker;
    talker_open(&talker, meeting, "p2");
    for (int i = 0; i < 3990; i++)
        world_channel_send(talker.channel, text, sizeof text - 1);
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_EQUAL(talker.count[ROOM_ERROR], 0);
    for (int i = 0; i < 300; i++)
        world_channel_send(talker.channel, text, sizeof text - 1);
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_STRING_EQUAL(talker.reason, "too many messages");
    CU_ASSERT_EQUAL(signalling_server_statistics(meeting->signalling).members, 0);
    talker_close(&talker);
    meeting_close(meeting);
}

void sfu_input_test(void)
{
    SUITE("sfu_input", {"nonsense is answered with reasons", nonsense_is_answered_with_reasons},
          {"an SSRC is one stream's", an_ssrc_is_one_streams},
          {"odd offers are answered as far as they go", odd_offers_are_answered_as_far_as_they_go},
          {"strangers are not heard", strangers_are_not_heard},
          {"replays and forgeries change nothing", replays_and_forgeries_change_nothing},
          {"chatterboxes are sent away", chatterboxes_are_sent_away});
}
