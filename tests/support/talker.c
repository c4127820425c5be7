#include "tests/support/talker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

static void keep(struct session_description **description, const char *sdp)
{
    session_description_destroy(*description);
    *description = session_description_parse(sdp, strlen(sdp), NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(*description);
}

static void received(void *user, struct world_channel *channel, const char *text, size_t len, nanos now)
{
    struct talker *talker = user;
    struct room_message message;
    (void)channel, (void)now;
    CU_ASSERT_TRUE_FATAL(room_message_read(&message, text, len, NULL));
    talker->count[message.type]++;
    if (message.type == ROOM_ERROR)
        snprintf(talker->reason, sizeof talker->reason, "%.299s", message.reason);
    if (message.type == ROOM_ANSWER)
        keep(&talker->answer, message.sdp);
    if (message.type == ROOM_OFFER)
        keep(&talker->offer, message.sdp);
    room_message_clear(&message);
}

void talker_say(struct talker *talker, const struct room_message *message)
{
    size_t len;
    char *text = room_message_write(message, &len);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    world_channel_send(talker->channel, text, len);
    free(text);
    meeting_run(talker->meeting, 100 * NANOS_PER_MS);
}

void talker_say_description(struct talker *talker, enum room_message_type type,
                            const struct session_description *description)
{
    char *sdp = session_description_write(description);
    CU_ASSERT_PTR_NOT_NULL_FATAL(sdp);
    talker_say(talker, &(struct room_message){.type = type, .sdp = sdp});
    free(sdp);
}

void talker_open(struct talker *talker, struct meeting *meeting, const char *name)
{
    static const struct world_channel_callbacks callbacks = {.received = received};
    *talker = (struct talker){.meeting = meeting};
    struct world_host *host = wire_world_host(meeting->wire, "5.0.2.1");
    talker->channel = world_channel_connect(host, &meeting->signalling_address, &callbacks, talker, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(talker->channel);
    meeting_run(meeting, 100 * NANOS_PER_MS);
    talker_say(talker, &(struct room_message){.type = ROOM_JOIN, .room = "room", .peer = name, .topology = "sfu"});
    CU_ASSERT_EQUAL(talker->count[ROOM_JOINED], 1);
}

void talker_close(struct talker *talker)
{
    world_channel_close(talker->channel);
    session_description_destroy(talker->answer);
    session_description_destroy(talker->offer);
    meeting_run(talker->meeting, 100 * NANOS_PER_MS);
}
