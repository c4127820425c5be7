/* Data channels through the SFU: who gets what, and who is waited for. */
#include "sfu/data_relay.h"

#include "sim/virtual_clock.h"
#include "tests/support/meeting.h"
#include "tests/support/suite.h"

static nanos read_now(void *user) { return wire_world_now(user); }

static struct meeting *open_meeting(struct data_plan data)
{
    struct meeting *meeting = meeting_open(10 * NANOS_PER_MS);
    virtual_clock_install(read_now, meeting->wire);
    meeting->data = data;
    return meeting;
}

static void close_meeting(struct meeting *meeting)
{
    meeting_close(meeting);
    virtual_clock_remove();
}

static void the_room_gets_it(void)
{
    struct meeting *meeting = open_meeting((struct data_plan){.messages_per_s = 5,
                                                              .message_bytes = 300,
                                                              .from = 2 * NANOS_PER_S,
                                                              .until = 5 * NANOS_PER_S,
                                                              .file_bytes = 500000,
                                                              .file_at = 2 * NANOS_PER_S});
    for (int i = 0; i < 3; i++)
        meeting_enter(meeting, i, "one", MEETING_AUDIO | MEETING_DATA);
    meeting_enter(meeting, 3, "two", MEETING_AUDIO | MEETING_DATA);
    meeting_enter(meeting, 4, "one", MEETING_AUDIO); /* has no data channels */
    meeting_run(meeting, 8 * NANOS_PER_S);
    const struct person *people = meeting->people;
    uint32_t sent = people[0].data.sent + people[1].data.sent + people[2].data.sent;
    CU_ASSERT_TRUE(people[0].data.sent >= 14 && people[0].data.sent <= 16);
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(people[i].data.received, sent - people[i].data.sent);
        CU_ASSERT_EQUAL(people[i].data.files, i == 0 ? 0 : 1);
        CU_ASSERT_EQUAL(people[i].data.damaged, 0);
        CU_ASSERT_EQUAL(people[i].data.closed, 0);
    }
    CU_ASSERT_EQUAL(people[3].data.received + people[3].data.files, 0);
    CU_ASSERT_EQUAL(people[4].data.received + people[4].data.files, 0);
    CU_ASSERT_TRUE(meeting_seen(meeting, 4, 0, TRACK_AUDIO)->frames > 100); /* but hears them */
    struct sfu_statistics statistics = sfu_statistics(meeting->sfu);
    CU_ASSERT_EQUAL(statistics.data_messages_dropped, 0);
    CU_ASSERT_EQUAL(statistics.data_channels_given_up, 0);
    CU_ASSERT_TRUE(statistics.data_messages_sent > 2 * sent);
    close_meeting(meeting);
}

/* A file goes as fast as the slowest takes it, without loss: its sender waits, and so do the others. */
static void a_slow_reader_is_waited_for(void)
{
    struct meeting *meeting = open_meeting((struct data_plan){.file_bytes = 2000000, .file_at = 2 * NANOS_PER_S});
    for (int i = 0; i < 3; i++)
        meeting_enter(meeting, i, "one", MEETING_DATA);
    meeting_run(meeting, 2 * NANOS_PER_S);
    meeting->people[2].down.rate_bps = 1500000;
    meeting_run(meeting, 58 * NANOS_PER_S);
    for (int i = 1; i < 3; i++) {
        CU_ASSERT_EQUAL(meeting->people[i].data.files, 1);
        CU_ASSERT_EQUAL(meeting->people[i].data.damaged, 0);
    }
    /* 2 MB at 1.5 Mbit/s are 10.7 s at best; the fast one has it earlier by no more than what may wait. */
    nanos fast = meeting->people[1].data.file_at;
    nanos slow = meeting->people[2].data.file_at;
    CU_ASSERT_TRUE(slow > 12 * NANOS_PER_S);
    CU_ASSERT_TRUE(fast > slow / 2 && fast < slow);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).data_channels_given_up, 0);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).data_messages_dropped, 0);
    close_meeting(meeting);
}

/* Someone who takes nothing more is waited for so long, and no longer; then the others go on. */
static void a_dead_reader_is_given_up(void)
{
    struct meeting *meeting = open_meeting((struct data_plan){.file_bytes = 5000000, .file_at = 2 * NANOS_PER_S});
    for (int i = 0; i < 3; i++)
        meeting_enter(meeting, i, "one", MEETING_DATA);
    meeting_run(meeting, 2500 * NANOS_PER_MS);
    meeting->people[2].down.drop_percent = 100; /* it still sends, so that ICE finds it alive */
    meeting_run(meeting, 10 * NANOS_PER_S);
    CU_ASSERT_EQUAL(meeting->people[1].data.files, 0); /* held back */
    meeting_run(meeting, 30 * NANOS_PER_S);
    CU_ASSERT_EQUAL(meeting->people[1].data.files, 1);
    CU_ASSERT_EQUAL(meeting->people[1].data.damaged, 0);
    CU_ASSERT_TRUE(meeting->people[1].data.file_at < 22 * NANOS_PER_S);
    CU_ASSERT_EQUAL(sfu_statistics(meeting->sfu).data_channels_given_up, 1);
    CU_ASSERT_STRING_EQUAL(meeting->people[2].failure,
                           "data channel 'confab-file' was closed: more was sent to it than it takes");
    close_meeting(meeting);
}

/* A participant goes in the middle, one without a word: the rest is undisturbed, and nobody waits for the gone. */
static void leaving_lets_the_others_go(void)
{
    struct meeting *meeting = open_meeting((struct data_plan){.file_bytes = 3000000, .file_at = 2 * NANOS_PER_S});
    for (int i = 0; i < 4; i++)
        meeting_enter(meeting, i, "one", MEETING_DATA);
    meeting_run(meeting, 2 * NANOS_PER_S);
    meeting->people[2].down.rate_bps = 300000;
    meeting_run(meeting, 2 * NANOS_PER_S);
    meeting_leave(meeting, 2);
    meeting_vanish(meeting, 3);
    meeting_run(meeting, 25 * NANOS_PER_S);
    CU_ASSERT_EQUAL(meeting->people[1].data.files, 1);
    CU_ASSERT_EQUAL(meeting->people[1].data.damaged, 0);
    close_meeting(meeting);
}

void data_relay_test(void)
{
    SUITE("data_relay", {"the room gets it", the_room_gets_it},
          {"a slow reader is waited for", a_slow_reader_is_waited_for},
          {"a dead reader is given up", a_dead_reader_is_given_up},
          {"leaving lets the others go", leaving_lets_the_others_go});
}
