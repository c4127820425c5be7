#include "sfu/sfu.h"

#include <string.h>

#include "sfu/sfu_state.h"
#include "tests/support/meeting.h"
#include "tests/support/suite.h"

#define DELAY (10 * NANOS_PER_MS)

static const struct sighting *seen(struct meeting *meeting, int viewer, int publisher, enum track_kind kind)
{
    return meeting_seen(meeting, viewer, publisher, kind);
}

static struct meeting *meet(int people)
{
    struct meeting *meeting = meeting_open(DELAY);
    for (int i = 0; i < people; i++)
        meeting_enter(meeting, i, "room", MEETING_ALL);
    return meeting;
}

static void everyone_sees_everyone(void)
{
    struct meeting *meeting = meet(3);
    meeting_run(meeting, 8 * NANOS_PER_S);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(meeting->people[i].connected, 1);
        CU_ASSERT_STRING_EQUAL(meeting->people[i].failure, "");
        for (int j = 0; j < 3; j++) {
            const struct sighting *audio = seen(meeting, i, j, TRACK_AUDIO);
            const struct sighting *video = seen(meeting, i, j, TRACK_VIDEO);
            if (i == j) {
                CU_ASSERT_EQUAL(audio->added + video->added, 0);
                continue;
            }
            CU_ASSERT_TRUE(audio->frames > 50 * 7);
            CU_ASSERT_TRUE(video->frames > 25 * 7);
            CU_ASSERT_TRUE(video->first < NANOS_PER_S);
            CU_ASSERT_EQUAL(video->height, 720); /* having gone through all layers … */
            CU_ASSERT_TRUE(video->key_frames <= 4);
            CU_ASSERT_EQUAL(video->nacks, 0); /* … without a trace of that in the sequence numbers */
            CU_ASSERT_TRUE(video->longest_gap < 150 * NANOS_PER_MS);
            CU_ASSERT_TRUE(audio->longest_gap < 25 * NANOS_PER_MS);
            CU_ASSERT_TRUE(video->worst_latency_ms >= 20 && video->worst_latency_ms < 120);
        }
    }
    struct sfu_statistics statistics = sfu_statistics(meeting->sfu);
    CU_ASSERT_EQUAL(statistics.participants, 3);
    CU_ASSERT_EQUAL(statistics.publications, 6);
    CU_ASSERT_EQUAL(statistics.subscriptions, 12);
    CU_ASSERT_EQUAL(statistics.discarded, 0);
    CU_ASSERT_TRUE(statistics.key_frames_requested <= 3 * 4);
    CU_ASSERT_TRUE(statistics.bytes_sent > statistics.bytes_received);
    CU_ASSERT_TRUE(meeting->bytes_from_sfu > statistics.bytes_sent);
    meeting_close(meeting);
}

static void the_same_seed_gives_the_same_bytes(void)
{
    struct sfu_statistics runs[2];
    for (int run = 0; run < 2; run++) {
        struct meeting *meeting = meet(3);
        meeting_run(meeting, 500 * NANOS_PER_MS);
        meeting->people[1].down.drop_percent = 3;
        meeting_run(meeting, 3 * NANOS_PER_S);
        runs[run] = sfu_statistics(meeting->sfu);
        meeting_close(meeting);
    }
    CU_ASSERT_EQUAL(memcmp(&runs[0], &runs[1], sizeof runs[0]), 0);
    CU_ASSERT_TRUE(runs[0].packets_sent > 1000);
}

static void a_narrow_downlink_gets_lower_layers_and_recovers(void)
{
    struct meeting *meeting = meet(3);
    meeting_run(meeting, 8 * NANOS_PER_S);
    meeting->people[0].down.rate_bps = 700000;
    meeting_run(meeting, 8 * NANOS_PER_S);
    /* Two videos of 150 kbps, or one of 500, and two voices are what fits. */
    CU_ASSERT_TRUE(seen(meeting, 0, 1, TRACK_VIDEO)->height <= 360);
    CU_ASSERT_TRUE(seen(meeting, 0, 2, TRACK_VIDEO)->height <= 360);
    CU_ASSERT_TRUE(seen(meeting, 0, 1, TRACK_AUDIO)->frames > 50 * 14);
    /* The others have no part in that. */
    CU_ASSERT_EQUAL(seen(meeting, 1, 2, TRACK_VIDEO)->height, 720);
    CU_ASSERT_EQUAL(seen(meeting, 1, 2, TRACK_VIDEO)->nacks, 0);
    CU_ASSERT_TRUE(seen(meeting, 1, 2, TRACK_VIDEO)->longest_gap < 150 * NANOS_PER_MS);
    meeting->people[0].down.rate_bps = 0;
    meeting_run(meeting, 12 * NANOS_PER_S);
    CU_ASSERT_EQUAL(seen(meeting, 0, 1, TRACK_VIDEO)->height, 720);
    CU_ASSERT_EQUAL(seen(meeting, 0, 2, TRACK_VIDEO)->height, 720);
    meeting_look_anew(meeting);
    meeting_run(meeting, 2 * NANOS_PER_S);
    CU_ASSERT_TRUE(seen(meeting, 0, 1, TRACK_VIDEO)->longest_gap < 150 * NANOS_PER_MS);
    CU_ASSERT_TRUE(seen(meeting, 0, 1, TRACK_VIDEO)->worst_latency_ms < 120);
    meeting_close(meeting);
}

/* Two videos of 150 kbps at least don't fit; unless everyone is to be shown all the same. */
static void who_goes_without_is_counted(void)
{
    struct meeting *meeting = meet(3);
    meeting_run(meeting, 8 * NANOS_PER_S);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).starved, 0);
    meeting->people[0].down.rate_bps = 200000;
    meeting_run(meeting, 10 * NANOS_PER_S);
    CU_ASSERT_TRUE(sfu_statistics(meeting->sfu).starved >= 1);
    CU_ASSERT_TRUE(sfu_statistics(meeting->sfu).starved <= 2);
    meeting->sfu->always_show = true;
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).starved, 0);
    meeting_close(meeting);
}

/* At the same time, each by its own downlink; audio and headers take 50 kbit/s of it. */
static void each_gets_the_best_layer_that_fits(void)
{
    static const struct {
        int64_t down_bps;
        uint16_t height; /* of layers of 150, 500 and 1500 kbit/s */
    } viewers[] = {{300000, 180}, {500000, 180}, {900000, 360}, {1500000, 360}, {2600000, 720}, {0, 720}};
    enum { VIEWERS = sizeof viewers / sizeof viewers[0] };
    struct meeting *meeting = meet(1);
    for (int i = 0; i < VIEWERS; i++)
        meeting_enter(meeting, i + 1, "room", 0)->down.rate_bps = viewers[i].down_bps;
    meeting_run(meeting, 12 * NANOS_PER_S);
    meeting_look_anew(meeting);
    meeting_run(meeting, 4 * NANOS_PER_S);
    for (int i = 0; i < VIEWERS; i++) {
        const struct sighting *video = seen(meeting, i + 1, 0, TRACK_VIDEO);
        CU_ASSERT_EQUAL(video->height, viewers[i].height);
        /* A policer lets bursts pass, probes too, so an estimate may be too high for a moment. */
        CU_ASSERT_TRUE(video->longest_gap < (viewers[i].down_bps == 0 ? 150 * NANOS_PER_MS : 4 * NANOS_PER_S));
        CU_ASSERT_TRUE(seen(meeting, i + 1, 0, TRACK_AUDIO)->frames > 50 * 14);
    }
    meeting_close(meeting);
}

static void loss_is_mended_on_each_leg_by_itself(void)
{
    struct meeting *meeting = meet(3);
    meeting_run(meeting, 500 * NANOS_PER_MS);
    meeting->people[0].down.drop_percent = 5;
    meeting->people[1].up.drop_percent = 5;
    meeting_run(meeting, 10 * NANOS_PER_S);
    const struct sighting *both = seen(meeting, 0, 1, TRACK_VIDEO);
    const struct sighting *down = seen(meeting, 0, 2, TRACK_VIDEO);
    const struct sighting *up = seen(meeting, 2, 1, TRACK_VIDEO);
    const struct sighting *clean = seen(meeting, 2, 0, TRACK_VIDEO);
    CU_ASSERT_TRUE(both->recovered > 50 && down->recovered > 50 && up->recovered > 50);
    CU_ASSERT_EQUAL(clean->nacks, 0);
    CU_ASSERT_TRUE(both->frames > 25 * 8 && down->frames > 25 * 8 && up->frames > 25 * 8);
    /* What the publisher loses says nothing about its subscribers' downlinks. */
    CU_ASSERT_EQUAL(up->height, 720);
    CU_ASSERT_TRUE(both->longest_gap < 300 * NANOS_PER_MS && up->longest_gap < 300 * NANOS_PER_MS);
    meeting_close(meeting);
}

static void a_late_comer_sees_video_at_once(void)
{
    struct meeting *meeting = meet(2);
    meeting_run(meeting, 6 * NANOS_PER_S);
    nanos entered = wire_world_now(meeting->wire);
    uint64_t before = sfu_statistics(meeting->sfu).key_frames_requested;
    meeting_enter(meeting, 2, "room", 0);
    meeting_run(meeting, NANOS_PER_S);
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_TRUE(seen(meeting, 2, i, TRACK_VIDEO)->frames > 0);
        CU_ASSERT_TRUE(seen(meeting, 2, i, TRACK_VIDEO)->first - entered < 500 * NANOS_PER_MS);
        CU_ASSERT_TRUE(seen(meeting, 2, i, TRACK_AUDIO)->frames > 25);
    }
    CU_ASSERT_TRUE(sfu_statistics(meeting->sfu).key_frames_requested - before <= 2 * 2);
    meeting_close(meeting);
}

static void who_leaves_takes_his_tracks_along_and_may_come_back(void)
{
    struct meeting *meeting = meet(3);
    for (int round = 1; round <= 3; round++) {
        meeting_run(meeting, 2 * NANOS_PER_S);
        meeting_leave(meeting, 1);
        meeting_run(meeting, NANOS_PER_S);
        for (int i = 0; i < 3; i += 2) {
            CU_ASSERT_EQUAL(seen(meeting, i, 1, TRACK_AUDIO)->removed, round);
            CU_ASSERT_EQUAL(seen(meeting, i, 1, TRACK_VIDEO)->removed, round);
        }
        CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 4);
        CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).subscriptions, 4);
        uint32_t frames = seen(meeting, 0, 1, TRACK_VIDEO)->frames;
        meeting_enter(meeting, 1, "room", MEETING_ALL);
        meeting_run(meeting, NANOS_PER_S);
        CU_ASSERT_EQUAL(seen(meeting, 2, 1, TRACK_VIDEO)->added, round + 1);
        CU_ASSERT_TRUE(seen(meeting, 0, 1, TRACK_VIDEO)->frames > frames + 10);
        CU_ASSERT_STRING_EQUAL(meeting->people[0].failure, "");
        CU_ASSERT_STRING_EQUAL(meeting->people[1].failure, "");
    }
    meeting_close(meeting);
}

static void screens_and_viewers(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    meeting_enter(meeting, 0, "room", MEETING_AUDIO | MEETING_SCREEN);
    meeting_enter(meeting, 1, "room", MEETING_AUDIO | MEETING_VIDEO);
    meeting_enter(meeting, 2, "room", 0);
    meeting_run(meeting, 6 * NANOS_PER_S);
    for (int i = 1; i < 3; i++) {
        CU_ASSERT_EQUAL(seen(meeting, i, 0, TRACK_SCREEN)->height, 1080);
        CU_ASSERT_TRUE(seen(meeting, i, 0, TRACK_SCREEN)->frames > 15);
        CU_ASSERT_EQUAL(seen(meeting, i, 0, TRACK_SCREEN)->key_frames, 1);
        CU_ASSERT_EQUAL(seen(meeting, i, 0, TRACK_VIDEO)->added, 0);
    }
    CU_ASSERT_TRUE(seen(meeting, 2, 1, TRACK_VIDEO)->frames > 15 * 5);
    CU_ASSERT_TRUE(seen(meeting, 0, 1, TRACK_VIDEO)->frames > 15 * 5);
    CU_ASSERT_EQUAL(seen(meeting, 0, 2, TRACK_AUDIO)->added, 0);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 4);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).subscriptions, 8);
    meeting_close(meeting);
}

static void rooms_are_apart(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    for (int i = 0; i < 4; i++)
        meeting_enter(meeting, i, i % 2 == 0 ? "even" : "odd", MEETING_ALL);
    meeting_run(meeting, 3 * NANOS_PER_S);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++) {
            bool together = i != j && i % 2 == j % 2;
            CU_ASSERT_EQUAL(seen(meeting, i, j, TRACK_AUDIO)->added, together);
            CU_ASSERT_EQUAL(seen(meeting, i, j, TRACK_VIDEO)->frames > 0, together);
        }
    }
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).subscriptions, 8);
    meeting_close(meeting);
}

static void who_falls_silent_is_given_up(void)
{
    struct meeting *meeting = meet(3);
    meeting_run(meeting, 3 * NANOS_PER_S);
    meeting->people[1].silenced = true;
    /* Consent lasts 30 s (RFC 7675, section 5.1); its signalling stays as it is all the while. */
    meeting_run(meeting, 32 * NANOS_PER_S);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).participants, 3);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).publications, 4);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).subscriptions, 4);
    CU_ASSERT_EQUAL(seen(meeting, 0, 1, TRACK_VIDEO)->removed, 1);
    uint64_t sent = sfu_statistics(meeting->sfu).packets_sent;
    meeting_vanish(meeting, 0);
    meeting_vanish(meeting, 2);
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).participants, 1);
    CU_ASSERT_TRUE(sfu_statistics(meeting->sfu).packets_sent - sent < 100);
    meeting_close(meeting);
}

static void a_dead_layer_is_left(void)
{
    struct meeting *meeting = meet(2);
    meeting_run(meeting, 8 * NANOS_PER_S);
    CU_ASSERT_EQUAL(seen(meeting, 1, 0, TRACK_VIDEO)->height, 720);
    meeting->people[0].up.rate_bps = 500000; /* the publisher turns its upper layers off */
    meeting_run(meeting, 6 * NANOS_PER_S);
    CU_ASSERT_TRUE(seen(meeting, 1, 0, TRACK_VIDEO)->height <= 360);
    meeting_look_anew(meeting);
    meeting_run(meeting, 3 * NANOS_PER_S);
    CU_ASSERT_TRUE(seen(meeting, 1, 0, TRACK_VIDEO)->longest_gap < 500 * NANOS_PER_MS);
    /* Its own downlink was never in question. */
    meeting->people[0].up.rate_bps = 0;
    meeting_run(meeting, 40 * NANOS_PER_S);
    CU_ASSERT_EQUAL(seen(meeting, 1, 0, TRACK_VIDEO)->height, 720);
    meeting_close(meeting);
}

static void many_viewers_ask_for_few_key_frames(void)
{
    enum { VIEWERS = 30 };
    struct meeting *meeting = meet(1);
    meeting_run(meeting, 5 * NANOS_PER_S);
    uint64_t before = sfu_statistics(meeting->sfu).key_frames_requested;
    for (int i = 1; i <= VIEWERS; i++) {
        meeting_enter(meeting, i, "room", 0);
        meeting_run(meeting, 50 * NANOS_PER_MS);
        if (i > 6) /* is connected; now it loses so much that not all can be mended */
            meeting->people[i - 6].down.drop_percent = 15;
    }
    meeting_run(meeting, 1500 * NANOS_PER_MS);
    for (int i = 1; i <= VIEWERS; i++)
        CU_ASSERT_TRUE(seen(meeting, i, 0, TRACK_VIDEO)->frames > 0);
    /* Of each of three layers at most three in a second, for three seconds. */
    CU_ASSERT_TRUE(sfu_statistics(meeting->sfu).key_frames_requested - before <= 3 * (3 * 3 + 1));
    meeting_close(meeting);
}

void sfu_test(void)
{
    SUITE("sfu", {"everyone sees everyone", everyone_sees_everyone},
          {"the same seed gives the same bytes", the_same_seed_gives_the_same_bytes},
          {"a narrow downlink gets lower layers and recovers", a_narrow_downlink_gets_lower_layers_and_recovers},
          {"who goes without is counted", who_goes_without_is_counted},
          {"each gets the best layer that fits", each_gets_the_best_layer_that_fits},
          {"loss is mended on each leg by itself", loss_is_mended_on_each_leg_by_itself},
          {"a late comer sees video at once", a_late_comer_sees_video_at_once},
          {"who leaves takes his tracks along and may come back", who_leaves_takes_his_tracks_along_and_may_come_back},
          {"screens and viewers", screens_and_viewers}, {"rooms are apart", rooms_are_apart},
          {"who falls silent is given up", who_falls_silent_is_given_up},
          {"a dead layer is left", a_dead_layer_is_left},
          {"many viewers ask for few key frames", many_viewers_ask_for_few_key_frames});
}
