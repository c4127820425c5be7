/* The SFU's offers and answers, held against someone who isn't one of our own participants: other numbers, offers of his
 * own at any time. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/support/suite.h"
#include "tests/support/talker.h"

#define DELAY (10 * NANOS_PER_MS)

/* What Firefox calls them. */
enum { OPUS = 109, VP8 = 120, RTX = 124, MID = 3, TRANSPORT_SEQUENCE = 7, RID = 5, REPAIRED_RID = 6, LEVEL = 1 };

struct browser {
    struct talker talker;
    struct session_transport transport;
    struct session_capabilities ours;
    struct session_codec opus, vp8[2];
    struct session_extension extensions[5];
};

static struct session_extension extension(uint8_t id, enum rtp_extension_kind kind)
{
    struct session_extension out = {.id = id, .kind = (uint8_t)kind, .direction = SESSION_SENDRECV};
    snprintf(out.uri, sizeof out.uri, "%s", rtp_extension_uri(kind));
    return out;
}

static void open_browser(struct browser *browser, struct meeting *meeting)
{
    struct session_capabilities *ours = &browser->ours;
    talker_open(&browser->talker, meeting, "browser");
    browser->transport = (struct session_transport){.ufrag = "abcd",
                                                    .password = "abcdefghijklmnopqrstuvwx",
                                                    .setup = SESSION_SETUP_ACTPASS,
                                                    .fingerprint_count = 1,
                                                    .fingerprints = {{.hash = FINGERPRINT_SHA_256, .len = 32}}};
    *ours = session_capabilities_default();
    ours->transport = &browser->transport;
    ours->audio = session_abilities_of_codec(&ours->audio, "opus");
    ours->video = session_abilities_of_codec(&ours->video, "VP8");
    browser->opus = ours->audio.codecs[0];
    browser->vp8[0] = ours->video.codecs[0];
    browser->vp8[1] = ours->video.codecs[1];
    browser->opus.payload_type = OPUS;
    browser->vp8[0].payload_type = browser->vp8[1].repairs = VP8;
    browser->vp8[1].payload_type = RTX;
    snprintf(browser->vp8[1].fmtp, sizeof browser->vp8[1].fmtp, "apt=%d", VP8);
    browser->extensions[0] = extension(MID, RTP_EXTENSION_MID);
    browser->extensions[1] = extension(TRANSPORT_SEQUENCE, RTP_EXTENSION_TRANSPORT_SEQUENCE);
    browser->extensions[2] = extension(LEVEL, RTP_EXTENSION_AUDIO_LEVEL);
    browser->extensions[3] = extension(RID, RTP_EXTENSION_RID);
    browser->extensions[4] = extension(REPAIRED_RID, RTP_EXTENSION_REPAIRED_RID);
    ours->audio.codecs = &browser->opus;
    ours->video.codecs = browser->vp8;
    ours->audio.extensions = browser->extensions;
    ours->audio.extension_count = 3;
    ours->video.extensions = browser->extensions;
    ours->video.extension_count = 5;
}

/* Its first offer: audio and simulcast video, both sendrecv as browsers have it when told nothing. */
static struct session_description *first_offer(struct browser *browser)
{
    static const char *const rids[] = {"low", "mid", "high"};
    struct session_description *offer = session_description_create();
    CU_ASSERT_PTR_NOT_NULL(session_offer_media(offer, &browser->ours, SESSION_AUDIO, SESSION_SENDRECV));
    struct session_media *video = session_offer_media(offer, &browser->ours, SESSION_VIDEO, SESSION_SENDRECV);
    CU_ASSERT_PTR_NOT_NULL_FATAL(video);
    CU_ASSERT_TRUE(session_offer_simulcast(video, rids, 3));
    return offer;
}

/* A later one: everything that the SFU's last offer had, seen from the other side. */
static struct session_description *later_offer(struct browser *browser)
{
    struct session_description *offer = first_offer(browser);
    const struct session_description *last = browser->talker.offer;
    for (size_t i = 2; i < last->media_count; i++) {
        uint8_t direction = session_direction_reverse(last->media[i].direction);
        struct session_media *media = session_offer_media(offer, &browser->ours, last->media[i].kind, direction);
        memcpy(media->mid, last->media[i].mid, sizeof media->mid);
    }
    return offer;
}

static void say_and_free(struct browser *browser, enum room_message_type type, struct session_description *description)
{
    talker_say_description(&browser->talker, type, description);
    session_description_destroy(description);
}

/* Accepts the SFU's last offer, but for one section. */
static void answer(struct browser *browser, size_t but)
{
    struct error error;
    struct session_description *description = session_answer(browser->talker.offer, &browser->ours, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(description);
    if (but < description->media_count)
        description->media[but].direction = SESSION_INACTIVE;
    say_and_free(browser, ROOM_ANSWER, description);
}

static const struct session_media *offered(const struct browser *browser, size_t index)
{
    return &browser->talker.offer->media[index];
}

static void it_speaks_the_others_numbers(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct browser browser;
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    meeting_run(meeting, NANOS_PER_S);
    open_browser(&browser, meeting);
    say_and_free(&browser, ROOM_OFFER, first_offer(&browser));
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_ERROR], 0);
    CU_ASSERT_PTR_NOT_NULL_FATAL(browser.talker.answer);
    CU_ASSERT_EQUAL(browser.talker.answer->media[0].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(browser.talker.answer->media[1].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(browser.talker.answer->media[1].rid_count, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(browser.talker.offer);
    CU_ASSERT_EQUAL_FATAL(browser.talker.offer->media_count, 4);
    /* Its own sections go on as they were, simulcast included. */
    CU_ASSERT_EQUAL(offered(&browser, 1)->direction, SESSION_RECVONLY);
    CU_ASSERT_STRING_EQUAL(offered(&browser, 1)->mid, "1");
    CU_ASSERT_EQUAL_FATAL(offered(&browser, 1)->rid_count, 3);
    CU_ASSERT_STRING_EQUAL(offered(&browser, 1)->rids[0].id, "low");
    CU_ASSERT_EQUAL(offered(&browser, 1)->rids[0].direction, SESSION_RECVONLY);
    /* What it is to receive comes in its own numbers. */
    for (size_t i = 2; i < 4; i++) {
        const struct session_media *media = offered(&browser, i);
        struct rtp_extension_map map = session_extension_map(media, SESSION_SENDONLY);
        CU_ASSERT_EQUAL(media->direction, SESSION_SENDONLY);
        CU_ASSERT_STRING_EQUAL(media->stream_id, "p1");
        CU_ASSERT_STRING_EQUAL(media->track_id, i == 2 ? "audio" : "video");
        CU_ASSERT_EQUAL(media->codecs[0].payload_type, i == 2 ? OPUS : VP8);
        CU_ASSERT_EQUAL_FATAL(media->ssrc_count, 1);
        CU_ASSERT_EQUAL(media->ssrcs[0].has_retransmission, i == 3);
        CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_MID], MID);
        CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_TRANSPORT_SEQUENCE], TRANSPORT_SEQUENCE);
        CU_ASSERT_EQUAL(map.id[RTP_EXTENSION_ABS_SEND_TIME], 0);
    }
    CU_ASSERT_EQUAL(offered(&browser, 3)->codecs[1].payload_type, RTX);
    answer(&browser, SIZE_MAX);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_ERROR], 0);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_OFFER], 1);
    talker_close(&browser.talker);
    meeting_close(meeting);
}

static void sections_are_used_again(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct browser browser;
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    meeting_run(meeting, NANOS_PER_S);
    open_browser(&browser, meeting);
    say_and_free(&browser, ROOM_OFFER, first_offer(&browser));
    answer(&browser, SIZE_MAX);
    uint32_t ssrc = offered(&browser, 2)->ssrcs[0].ssrc;
    meeting_leave(meeting, 1);
    meeting_run(meeting, 200 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_OFFER], 2);
    CU_ASSERT_EQUAL(offered(&browser, 2)->direction, SESSION_INACTIVE);
    CU_ASSERT_EQUAL(offered(&browser, 3)->direction, SESSION_INACTIVE);
    /* Someone comes before that is answered: he has to wait, and then gets the sections that have become free. */
    meeting_enter(meeting, 2, "room", MEETING_ALL | MEETING_SCREEN);
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_OFFER], 2);
    answer(&browser, SIZE_MAX);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_OFFER], 3);
    CU_ASSERT_EQUAL_FATAL(browser.talker.offer->media_count, 5);
    CU_ASSERT_STRING_EQUAL(offered(&browser, 2)->stream_id, "p2");
    CU_ASSERT_STRING_EQUAL(offered(&browser, 2)->mid, "s2");
    CU_ASSERT_NOT_EQUAL(offered(&browser, 2)->ssrcs[0].ssrc, ssrc);
    CU_ASSERT_STRING_EQUAL(offered(&browser, 4)->track_id, "screen");
    answer(&browser, SIZE_MAX);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_ERROR], 0);
    talker_close(&browser.talker);
    meeting_close(meeting);
}

static void what_is_refused_is_not_offered_again(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct browser browser;
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    meeting_run(meeting, NANOS_PER_S);
    open_browser(&browser, meeting);
    say_and_free(&browser, ROOM_OFFER, first_offer(&browser));
    answer(&browser, 3);
    meeting_enter(meeting, 2, "room", MEETING_AUDIO);
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_OFFER], 2);
    CU_ASSERT_EQUAL_FATAL(browser.talker.offer->media_count, 5);
    CU_ASSERT_EQUAL(offered(&browser, 3)->direction, SESSION_INACTIVE);
    CU_ASSERT_STRING_EQUAL(offered(&browser, 4)->stream_id, "p2");
    talker_close(&browser.talker);
    meeting_close(meeting);
}

static void it_takes_offers_at_any_time(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct browser browser;
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    meeting_run(meeting, NANOS_PER_S);
    open_browser(&browser, meeting);
    say_and_free(&browser, ROOM_OFFER, first_offer(&browser));
    char ufrag[ICE_UFRAG_CAP];
    memcpy(ufrag, browser.talker.answer->transport.ufrag, sizeof ufrag);
    /* At once with the SFU's own, of which the browser knows nothing yet: that is taken back, and made again behind the
     * section that is new. */
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_OFFER], 1);
    struct session_description *more = first_offer(&browser);
    CU_ASSERT_PTR_NOT_NULL(session_offer_media(more, &browser.ours, SESSION_VIDEO, SESSION_SENDRECV));
    say_and_free(&browser, ROOM_OFFER, more);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_ANSWER], 2);
    CU_ASSERT_EQUAL(browser.talker.answer->media_count, 3);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_OFFER], 2);
    CU_ASSERT_EQUAL_FATAL(browser.talker.offer->media_count, 5);
    CU_ASSERT_EQUAL(offered(&browser, 2)->direction, SESSION_RECVONLY);
    CU_ASSERT_STRING_EQUAL(offered(&browser, 3)->mid, "s3");
    CU_ASSERT_STRING_EQUAL(offered(&browser, 3)->stream_id, "p1");
    answer(&browser, SIZE_MAX);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_ERROR], 0);
    /* From now on nothing may be left out. */
    say_and_free(&browser, ROOM_OFFER, first_offer(&browser));
    CU_ASSERT_STRING_EQUAL(browser.talker.reason, "the offer has 2 sections, 5 were agreed before");
    /* ICE restarts (RFC 8839, section 4.4.3): new credentials on both sides, everything else stays. */
    CU_ASSERT_STRING_EQUAL(browser.talker.answer->transport.ufrag, ufrag);
    uint32_t ssrc = offered(&browser, 4)->ssrcs[0].ssrc;
    snprintf(browser.transport.ufrag, sizeof browser.transport.ufrag, "efgh");
    say_and_free(&browser, ROOM_OFFER, later_offer(&browser));
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_ANSWER], 3);
    CU_ASSERT_STRING_NOT_EQUAL(browser.talker.answer->transport.ufrag, ufrag);
    CU_ASSERT_EQUAL(browser.talker.answer->media[0].direction, SESSION_RECVONLY);
    CU_ASSERT_EQUAL(browser.talker.answer->media[4].direction, SESSION_SENDONLY);
    CU_ASSERT_EQUAL_FATAL(browser.talker.answer->media[4].ssrc_count, 1);
    CU_ASSERT_EQUAL(browser.talker.answer->media[4].ssrcs[0].ssrc, ssrc);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 5);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).subscriptions, 5);
    /* It stops to send: that ends for the other one. */
    struct session_description *silent = later_offer(&browser);
    for (size_t i = 0; i < 3; i++)
        silent->media[i].direction = SESSION_INACTIVE;
    say_and_free(&browser, ROOM_OFFER, silent);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 2);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).subscriptions, 2);
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_STRING_EQUAL(meeting->people[1].failure, "");
    talker_close(&browser.talker);
    meeting_close(meeting);
}

/* It likes H.264 better, under numbers of its own. */
static void a_section_has_the_codec_that_is_preferred(void)
{
    enum { H264 = 126, H264_RTX = 127 };
    struct meeting *meeting = meeting_open(DELAY);
    struct browser browser;
    meeting_enter(meeting, 1, "room", MEETING_ALL);
    meeting_run(meeting, NANOS_PER_S);
    open_browser(&browser, meeting);
    const struct session_capabilities all = session_capabilities_default();
    const struct session_abilities h264 = session_abilities_of_codec(&all.video, "H264");
    struct session_codec codecs[4] = {h264.codecs[0], h264.codecs[1], browser.vp8[0], browser.vp8[1]};
    codecs[0].payload_type = codecs[1].repairs = H264;
    codecs[1].payload_type = H264_RTX;
    snprintf(codecs[1].fmtp, sizeof codecs[1].fmtp, "apt=%d", H264);
    browser.ours.video.codecs = codecs;
    browser.ours.video.codec_count = 4;
    say_and_free(&browser, ROOM_OFFER, first_offer(&browser));
    const struct session_media *video = &browser.talker.answer->media[1];
    CU_ASSERT_EQUAL_FATAL(video->codec_count, 2);
    CU_ASSERT_STRING_EQUAL(video->codecs[0].name, "H264");
    CU_ASSERT_EQUAL(video->codecs[0].payload_type, H264);
    CU_ASSERT_EQUAL(video->codecs[1].payload_type, H264_RTX);
    /* What the other one sends is VP8, and offered as that; its own section goes on as it is. */
    CU_ASSERT_EQUAL_FATAL(browser.talker.offer->media_count, 4);
    CU_ASSERT_EQUAL(offered(&browser, 1)->codecs[0].payload_type, H264);
    CU_ASSERT_EQUAL(offered(&browser, 3)->codec_count, 2);
    CU_ASSERT_EQUAL(offered(&browser, 3)->codecs[0].payload_type, VP8);
    CU_ASSERT_EQUAL(offered(&browser, 3)->codecs[1].payload_type, RTX);
    answer(&browser, SIZE_MAX);
    /* The other one, who knows VP8 alone, does without the picture. */
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_STRING_EQUAL(meeting->people[1].failure, "");
    CU_ASSERT_EQUAL(meeting_seen(meeting, 1, 0, TRACK_VIDEO)->added, 0);
    CU_ASSERT_EQUAL(browser.talker.count[ROOM_ERROR], 0);
    /* The section keeps its codec when the order changes. */
    struct session_codec vp8_first[4] = {codecs[2], codecs[3], codecs[0], codecs[1]};
    browser.ours.video.codecs = vp8_first;
    say_and_free(&browser, ROOM_OFFER, later_offer(&browser));
    CU_ASSERT_EQUAL_FATAL(browser.talker.answer->media[1].codec_count, 2);
    CU_ASSERT_EQUAL(browser.talker.answer->media[1].codecs[0].payload_type, H264);
    talker_close(&browser.talker);
    meeting_close(meeting);
}

void sfu_negotiation_test(void)
{
    SUITE("sfu_negotiation", {"it speaks the other's numbers", it_speaks_the_others_numbers},
          {"sections are used again", sections_are_used_again},
          {"what is refused is not offered again", what_is_refused_is_not_offered_again},
          {"it takes offers at any time", it_takes_offers_at_any_time},
          {"a section has the codec that is preferred", a_section_has_the_codec_that_is_preferred});
}
