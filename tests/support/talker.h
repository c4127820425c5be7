/* Someone who says what he likes to a meeting's signalling server, and keeps what he is told. */
#ifndef CONFAB_TESTS_SUPPORT_TALKER_H
#define CONFAB_TESTS_SUPPORT_TALKER_H

#include "rtc/session_negotiation.h"
#include "tests/support/meeting.h"

struct talker {
    struct meeting *meeting;
    struct world_channel *channel;
    unsigned count[ROOM_MESSAGE_TYPES]; /* of messages received */
    char reason[300];                   /* of the last error */
    struct session_description *answer; /* the last */
    struct session_description *offer;  /* the last */
};

/* Enters "room" by that name, from an address of its own. */
void talker_open(struct talker *talker, struct meeting *meeting, const char *name);
void talker_close(struct talker *talker);

/* Says it, and waits 100 ms for what comes back. */
void talker_say(struct talker *talker, const struct room_message *message);
void talker_say_description(struct talker *talker, enum room_message_type type,
                            const struct session_description *description);

#endif
