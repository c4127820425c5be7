#include "peer/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"
#include "tests/support/wire_world.h"

/* A call whose other end is this test. */
struct talk {
    struct wire_world *wire;
    struct certificate *certificate;
    struct call *call;
    struct session_description *said[8]; /* by the call, in order */
    size_t count;
    struct session_transport transport; /* ours */
    struct session_capabilities ours;
};

static void hear(void *user, struct call *call, const struct room_message *message)
{
    struct talk *talk = user;
    struct error error;
    (void)call;
    if (message->type != ROOM_OFFER && message->type != ROOM_ANSWER)
        return;
    CU_ASSERT_FATAL(talk->count < sizeof talk->said / sizeof talk->said[0]);
    talk->said[talk->count] = session_description_parse(message->sdp, strlen(message->sdp), &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(talk->said[talk->count]);
    talk->count++;
}

static void ignore_state(void *user, struct call *call, enum transport_state state, const char *reason, nanos now)
{
    (void)user, (void)call, (void)state, (void)reason, (void)now;
}

static void ignore_track(void *user, struct call *call, struct remote_track *track, nanos now)
{
    (void)user, (void)call, (void)track, (void)now;
}

static const struct call_callbacks callbacks = {
    .say = hear, .state = ignore_state, .track_added = ignore_track, .track_removed = ignore_track};

static void begin(struct talk *talk, enum call_shape shape, bool offerer)
{
    static const struct media_plan plan = {.audio = true,
                                           .video = true,
                                           .screen = true,
                                           .audio_bps = 32000,
                                           .layers = {{180, 15, 150000}},
                                           .layer_count = 1,
                                           .screen_bps = 500000};
    struct error error;
    memset(talk, 0, sizeof *talk);
    talk->wire = wire_world_create(NULL);
    talk->certificate = certificate_create(&(struct certificate_config){.not_before_unix_s = 1700000000}, &error);
    const struct call_config config = {.host = wire_world_host(talk->wire, "5.0.0.1"),
                                       .shape = shape,
                                       .offerer = offerer,
                                       .own_name = "room1/2 (me)",
                                       .remote_name = shape == CALL_MESH ? "room1/1" : "",
                                       .plan = &plan,
                                       .room_has_screen = true,
                                       .certificate = talk->certificate,
                                       .seed = 5,
                                       .callbacks = &callbacks,
                                       .user = talk};
    talk->call = call_create(&config, 0, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(talk->call);
    talk->transport = (struct session_transport){.ufrag = "abcd",
                                                 .password = "abcdefghijklmnopqrstuvwx",
                                                 .setup = SESSION_SETUP_PASSIVE,
                                                 .fingerprint_count = 1,
                                                 .fingerprints = {{.hash = FINGERPRINT_SHA_256, .len = 32}}};
    talk->ours = session_capabilities_default();
    talk->ours.transport = &talk->transport;
}

static void end(struct talk *talk)
{
    call_destroy(talk->call);
    for (size_t i = 0; i < talk->count; i++)
        session_description_destroy(talk->said[i]);
    certificate_destroy(talk->certificate);
    wire_world_destroy(talk->wire);
}

static void tell(struct talk *talk, enum room_message_type type, struct session_description *description)
{
    struct error error;
    char *sdp = session_description_write(description);
    CU_ASSERT_TRUE(call_handle(talk->call, &(struct room_message){.type = type, .sdp = sdp}, 0, &error));
    free(sdp);
    session_description_destroy(description);
}

static void answer_last(struct talk *talk)
{
    struct error error;
    tell(talk, ROOM_ANSWER, session_answer(talk->said[talk->count - 1], &talk->ours, &error));
}

/* The three sections of the call once more, and one for another's camera. */
static void offer_again(struct talk *talk)
{
    static const enum session_kind kinds[] = {SESSION_AUDIO, SESSION_VIDEO, SESSION_VIDEO};
    struct session_description *offer = session_description_create();
    for (size_t i = 0; i < 3; i++) {
        struct session_media *media = session_offer_media(offer, &talk->ours, kinds[i], SESSION_RECVONLY);
        if (i == 2)
            snprintf(media->track_id, sizeof media->track_id, "screen");
        snprintf(media->stream_id, sizeof media->stream_id, "%s", i == 2 ? "-" : "");
    }
    session_offer_media(offer, &talk->ours, SESSION_VIDEO, SESSION_SENDONLY);
    tell(talk, ROOM_OFFER, offer);
}

/* RFC 3264, section 8: a changed description has the next version, of the same session. */
static void expect_next_version(const struct talk *talk)
{
    const struct session_description *last = talk->said[talk->count - 1];
    const struct session_description *before = talk->said[talk->count - 2];
    CU_ASSERT_EQUAL(last->session_id, before->session_id);
    CU_ASSERT_EQUAL(last->version, before->version + 1);
}

static void expect_same_streams(const struct session_description *before, const struct session_description *after)
{
    for (size_t i = 0; i < 3; i++) {
        const struct session_media *a = &before->media[i];
        const struct session_media *b = &after->media[i];
        CU_ASSERT_EQUAL_FATAL(a->ssrc_count, 1);
        CU_ASSERT_EQUAL_FATAL(b->ssrc_count, 1);
        CU_ASSERT_EQUAL(a->ssrcs[0].ssrc, b->ssrcs[0].ssrc);
        CU_ASSERT_EQUAL(a->ssrcs[0].retransmission, b->ssrcs[0].retransmission);
        CU_ASSERT_STRING_EQUAL(a->ssrcs[0].cname, b->ssrcs[0].cname);
        CU_ASSERT_STRING_EQUAL(a->stream_id, b->stream_id);
        CU_ASSERT_STRING_EQUAL(a->track_id, b->track_id);
    }
}

static void an_answer_repeats_what_the_offer_said(void)
{
    struct talk talk;
    begin(&talk, CALL_SFU, true);
    answer_last(&talk);
    for (size_t round = 1; round < 4; round++) {
        offer_again(&talk);
        CU_ASSERT_EQUAL_FATAL(talk.count, round + 1);
        CU_ASSERT_EQUAL_FATAL(talk.said[round]->media_count, 4);
        expect_same_streams(talk.said[0], talk.said[round]);
        CU_ASSERT_EQUAL(talk.said[round]->media[3].direction, SESSION_RECVONLY);
        CU_ASSERT_EQUAL(talk.said[round]->media[3].ssrc_count, 0);
        expect_next_version(&talk);
    }
    end(&talk);
}

static void a_restart_goes_on_with_the_same_streams(void)
{
    struct talk talk;
    begin(&talk, CALL_MESH, true);
    answer_last(&talk);
    call_restart_ice(talk.call, 0);
    CU_ASSERT_EQUAL_FATAL(talk.count, 2);
    CU_ASSERT_STRING_NOT_EQUAL(talk.said[0]->transport.ufrag, talk.said[1]->transport.ufrag);
    expect_same_streams(talk.said[0], talk.said[1]);
    expect_next_version(&talk);
    end(&talk);
}

static uint32_t received_ssrc(const struct talk *talk, const char *mid)
{
    for (const struct remote_track *track = call_tracks(talk->call); track != NULL; track = track->next) {
        if (strcmp(track->mid, mid) == 0)
            return track->stream->config.ssrc;
    }
    return 0;
}

/* A server answers a section to receive in, and says only by a later answer whose stream comes in it. */
static void an_ssrc_that_is_said_late_is_right(void)
{
    struct talk talk;
    struct error error;
    begin(&talk, CALL_SFU, true);
    answer_last(&talk);
    CU_ASSERT_TRUE(call_offer_more(talk.call, 1, 0, 0));
    answer_last(&talk);
    const char *mid = talk.said[1]->media[3].mid;
    CU_ASSERT_EQUAL(received_ssrc(&talk, mid), 0);
    for (uint32_t ssrc = 7; ssrc < 9; ssrc++) {
        CU_ASSERT_TRUE(call_offer_more(talk.call, 0, 0, 0));
        struct session_description *answer = session_answer(talk.said[talk.count - 1], &talk.ours, &error);
        session_add_ssrc(&answer->media[3])->ssrc = ssrc;
        tell(&talk, ROOM_ANSWER, answer);
        CU_ASSERT_EQUAL(received_ssrc(&talk, mid), ssrc);
    }
    end(&talk);
}

static void names_become_tokens(void)
{
    char id[SESSION_ID_CAP];
    struct talk talk;
    begin(&talk, CALL_SFU, true);
    CU_ASSERT_STRING_EQUAL(talk.said[0]->media[0].stream_id, "room1_2__me_");
    CU_ASSERT_STRING_EQUAL(talk.said[0]->media[0].track_id, "audio");
    end(&talk);
    /* RFC 4566, section 9: token-char = %x21 / %x23-27 / %x2A-2B / %x2D-2E / %x30-39 / %x41-5A / %x5E-7E */
    for (int c = 1; c < 256; c++) {
        bool token = c == 0x21 || (c >= 0x23 && c <= 0x27) || c == 0x2a || c == 0x2b || c == 0x2d || c == 0x2e ||
                     (c >= 0x30 && c <= 0x39) || (c >= 0x41 && c <= 0x5a) || (c >= 0x5e && c <= 0x7e);
        session_stream_id(id, (char[]){(char)c, '\0'});
        CU_ASSERT_EQUAL((unsigned char)id[0], token ? c : '_');
    }
}

void call_test(void)
{
    SUITE("call", {"an answer repeats what the offer said", an_answer_repeats_what_the_offer_said},
          {"a restart goes on with the same streams", a_restart_goes_on_with_the_same_streams},
          {"an SSRC that is said late is right", an_ssrc_that_is_said_late_is_right},
          {"names become tokens", names_become_tokens});
}
