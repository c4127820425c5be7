/* Who is sent which picture, by layouts, wishes and speech: real participants at a real SFU. */
#include "sfu/layout.h"

#include <string.h>

#include "tests/support/meeting.h"
#include "tests/support/suite.h"
#include "tests/support/talker.h"

#define DELAY (10 * NANOS_PER_MS)

enum { PUBLISHERS = 5, VIEWER = 5 };

static struct meeting *meet(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    for (int i = 0; i < PUBLISHERS; i++)
        meeting_enter(meeting, i, "room", MEETING_ALL);
    meeting_enter(meeting, VIEWER, "room", 0);
    meeting_run(meeting, 8 * NANOS_PER_S);
    return meeting;
}

static void say(struct meeting *meeting, int who, const struct room_message *message)
{
    participant_say(meeting->people[who].participant, message);
}

static void choose(struct meeting *meeting, const char *layout, int32_t height, int32_t videos)
{
    say(meeting, VIEWER,
        &(struct room_message){.type = ROOM_LAYOUT, .layout = layout, .height = height, .videos = videos});
    meeting_run(meeting, 3 * NANOS_PER_S);
}

static void watch(struct meeting *meeting, const char *peer, const char *track, int32_t height)
{
    struct room_track wish = {.peer = peer, .track = track, .height = height};
    say(meeting, VIEWER, &(struct room_message){.type = ROOM_WATCH, .tracks = &wish, .track_count = 1});
    meeting_run(meeting, 3 * NANOS_PER_S);
}

/* What the viewer gets within a second. */
struct view {
    uint32_t videos, audios;      /* of how many people */
    uint32_t video[PUBLISHERS];   /* frames */
    uint16_t heights[PUBLISHERS]; /* of those who are shown; else 0 */
    uint32_t large, small;        /* 720 and 180 pixels high */
};

static struct view look(struct meeting *meeting)
{
    struct view view = {0};
    uint32_t before[PUBLISHERS][2];
    for (int i = 0; i < PUBLISHERS; i++) {
        before[i][0] = meeting_seen(meeting, VIEWER, i, TRACK_VIDEO)->frames;
        before[i][1] = meeting_seen(meeting, VIEWER, i, TRACK_AUDIO)->frames;
    }
    meeting_run(meeting, NANOS_PER_S);
    for (int i = 0; i < PUBLISHERS; i++) {
        const struct sighting *video = meeting_seen(meeting, VIEWER, i, TRACK_VIDEO);
        view.video[i] = video->frames - before[i][0];
        view.heights[i] = view.video[i] > 0 ? video->height : 0;
        view.videos += view.video[i] > 0;
        view.audios += meeting_seen(meeting, VIEWER, i, TRACK_AUDIO)->frames > before[i][1];
        view.large += view.heights[i] == 720;
        view.small += view.heights[i] == 180;
    }
    return view;
}

static int speaker_of(const struct meeting *meeting) { return meeting->people[VIEWER].speaker[1] - '0'; }

static void a_grid_is_sent_small_pictures(void)
{
    struct meeting *meeting = meet();
    struct view view = look(meeting);
    CU_ASSERT_EQUAL(view.large, PUBLISHERS); /* as long as nothing is said */
    choose(meeting, "grid", 720, -1);        /* three rows of 240 */
    view = look(meeting);
    CU_ASSERT_EQUAL(view.videos, PUBLISHERS);
    CU_ASSERT_EQUAL(view.small, PUBLISHERS);
    choose(meeting, "grid", 1080, -1); /* of 360 */
    view = look(meeting);
    for (int i = 0; i < PUBLISHERS; i++)
        CU_ASSERT_EQUAL(view.heights[i], 360);
    choose(meeting, "all", -1, -1);
    meeting_run(meeting, 5 * NANOS_PER_S); /* the estimate had fallen with the need */
    CU_ASSERT_EQUAL(look(meeting).large, PUBLISHERS);
    CU_ASSERT_STRING_EQUAL(meeting->people[VIEWER].failure, "");
    meeting_close(meeting);
}

static void whoever_speaks_is_large(void)
{
    struct meeting *meeting = meet();
    choose(meeting, "speaker", 720, -1);
    unsigned before = meeting->people[VIEWER].speakers;
    unsigned right = 0;
    for (int second = 0; second < 12; second++) {
        struct view view = look(meeting);
        int speaker = speaker_of(meeting);
        CU_ASSERT_TRUE(speaker >= 0 && speaker < 3); /* the conversation is theirs */
        CU_ASSERT_EQUAL(view.videos, PUBLISHERS);
        right += view.large == 1 && view.small == PUBLISHERS - 1 && view.heights[speaker] == 720;
    }
    /* But for the moments in which another one has just begun, and until the next key frame. */
    CU_ASSERT_TRUE(right >= 5);
    CU_ASSERT_TRUE(meeting->people[VIEWER].speakers >= before + 2);
    /* Everyone hears of the same one, and nobody more often than twice a second. */
    for (int i = 0; i < PUBLISHERS; i++)
        CU_ASSERT_STRING_EQUAL(meeting->people[i].speaker, meeting->people[VIEWER].speaker);
    CU_ASSERT_TRUE(meeting->people[VIEWER].speakers <= 2 * 23);
    meeting_close(meeting);
}

static void a_shared_screen_is_larger_than_a_speaker(void)
{
    struct meeting *meeting = meet();
    meeting_enter(meeting, 6, "room", MEETING_SCREEN);
    choose(meeting, "speaker", 720, 1);
    struct view view = look(meeting);
    CU_ASSERT_EQUAL(meeting_seen(meeting, VIEWER, 6, TRACK_SCREEN)->height, 1080);
    CU_ASSERT_EQUAL(view.small, 1);
    CU_ASSERT_EQUAL(view.videos, 1);
    meeting_close(meeting);
}

static void the_last_n_are_those_who_spoke_last(void)
{
    struct meeting *meeting = meet();
    choose(meeting, "grid", 720, 2);
    unsigned shown = 0;
    for (int second = 0; second < 12; second++) {
        int speaker = speaker_of(meeting);
        struct view view = look(meeting);
        CU_ASSERT_TRUE(view.videos >= 1 && view.videos <= 3); /* three while they change */
        CU_ASSERT_EQUAL(view.audios, PUBLISHERS);
        shown += view.videos == 2 && view.video[speaker] > 0;
    }
    CU_ASSERT_TRUE(shown >= 6);
    choose(meeting, "grid", 720, 0);
    struct view view = look(meeting);
    CU_ASSERT_TRUE(view.videos == 0 && view.audios == PUBLISHERS);
    choose(meeting, "all", -1, 3);
    view = look(meeting);
    CU_ASSERT_TRUE(view.videos >= 3 && view.videos <= 4);
    meeting_close(meeting);
}

static void each_track_is_watched_as_it_is_shown(void)
{
    struct meeting *meeting = meet();
    watch(meeting, "p1", "video", 180);
    watch(meeting, "p2", "video", 0);
    watch(meeting, "p3", "audio", 0);
    watch(meeting, "nobody", "video", 0);
    watch(meeting, "p4", "hologram", 0);
    struct view view = look(meeting);
    CU_ASSERT_EQUAL(view.heights[0], 720);
    CU_ASSERT_EQUAL(view.heights[1], 180);
    CU_ASSERT_EQUAL(view.heights[2], 0);
    CU_ASSERT_EQUAL(view.heights[3], 720);
    CU_ASSERT_EQUAL(view.audios, PUBLISHERS - 1);
    /* What is said of one goes before what is said of all. */
    choose(meeting, "grid", 720, 3); /* two rows */
    view = look(meeting);
    CU_ASSERT_EQUAL(view.heights[1], 180);
    CU_ASSERT_EQUAL(view.heights[2], 0);
    CU_ASSERT_TRUE(view.heights[0] == 360 && view.heights[3] == 360 && view.heights[4] == 360);
    meeting_look_anew(meeting);
    watch(meeting, "p1", "video", -1);
    watch(meeting, "p2", "video", 720);
    watch(meeting, "p3", "audio", -1);
    view = look(meeting);
    CU_ASSERT_EQUAL(view.heights[2], 720);
    CU_ASSERT_EQUAL(view.videos, 4);
    CU_ASSERT_EQUAL(view.audios, PUBLISHERS);
    /* Nothing of the pauses is to be seen in sequence numbers. */
    CU_ASSERT_EQUAL(meeting_seen(meeting, VIEWER, 2, TRACK_VIDEO)->nacks, 0);
    CU_ASSERT_EQUAL(meeting_seen(meeting, VIEWER, 3, TRACK_AUDIO)->nacks, 0);
    CU_ASSERT_STRING_EQUAL(meeting->people[VIEWER].failure, "");
    meeting_close(meeting);
}

static void everyone_hears_who_is_muted(void)
{
    struct meeting *meeting = meet();
    say(meeting, 1, &(struct room_message){.type = ROOM_MUTE, .track = "video", .muted = true});
    choose(meeting, "grid", 720, 4);
    CU_ASSERT_STRING_EQUAL(meeting->people[VIEWER].muted, "p1 video off");
    CU_ASSERT_STRING_EQUAL(meeting->people[1].muted, "");
    struct view view = look(meeting);
    CU_ASSERT_EQUAL(view.heights[1], 0);
    CU_ASSERT_EQUAL(view.videos, 4);
    meeting_enter(meeting, 6, "room", MEETING_AUDIO);
    meeting_enter(meeting, 7, "another", MEETING_AUDIO);
    meeting_run(meeting, NANOS_PER_S);
    CU_ASSERT_STRING_EQUAL(meeting->people[6].muted, "p1 video off");
    CU_ASSERT_STRING_EQUAL(meeting->people[7].muted, "");
    say(meeting, 1, &(struct room_message){.type = ROOM_MUTE, .track = "video"});
    choose(meeting, "grid", 720, -1);
    CU_ASSERT_STRING_EQUAL(meeting->people[6].muted, "p1 video on");
    CU_ASSERT_EQUAL(look(meeting).heights[1], 180);
    meeting_close(meeting);
}

static void nonsense_is_refused(void)
{
    struct meeting *meeting = meeting_open(DELAY);
    struct talker talker;
    talker_open(&talker, meeting, "p1");
    talker_say(&talker, &(struct room_message){.type = ROOM_LAYOUT, .layout = "mosaic"});
    CU_ASSERT_STRING_EQUAL(talker.reason, "layout is all, grid or speaker");
    talker_say(&talker, &(struct room_message){.type = ROOM_MUTE, .track = "smell", .muted = true});
    CU_ASSERT_STRING_EQUAL(talker.reason, "track is audio, video or screen");
    talker_say(&talker, &(struct room_message){.type = ROOM_SPEAKER, .peer = "p1"});
    CU_ASSERT_STRING_EQUAL(talker.reason, "only the server says this");
    talker_say(&talker, &(struct room_message){.type = ROOM_WATCH});
    CU_ASSERT_EQUAL(talker.count[ROOM_ERROR], 3);
    talker_close(&talker);
    meeting_close(meeting);
}

void layout_test(void)
{
    SUITE("layout", {"a grid is sent small pictures", a_grid_is_sent_small_pictures},
          {"whoever speaks is large", whoever_speaks_is_large},
          {"a shared screen is larger than a speaker", a_shared_screen_is_larger_than_a_speaker},
          {"the last n are those who spoke last", the_last_n_are_those_who_spoke_last},
          {"each track is watched as it is shown", each_track_is_watched_as_it_is_shown},
          {"everyone hears who is muted", everyone_hears_who_is_muted}, {"nonsense is refused", nonsense_is_refused});
}
