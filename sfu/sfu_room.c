#include "sfu/sfu_room.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "sfu/publication.h"
#include "sfu/sfu_negotiation.h"
#include "sfu/sfu_participant.h"
#include "sfu/sfu_state.h"
#include "sfu/subscription.h"

struct sfu_room *sfu_room_enter(struct sfu *sfu, const char *name, struct sfu_participant *participant)
{
    struct sfu_room *room;
    HASH_FIND_STR(sfu->rooms, name, room);
    if (room == NULL) {
        room = calloc(1, sizeof *room);
        if (room == NULL)
            return NULL;
        room->sfu = sfu;
        snprintf(room->name, sizeof room->name, "%s", name);
        HASH_ADD_STR(sfu->rooms, name, room);
    }
    DL_APPEND2(room->participants, participant, in_room.prev, in_room.next);
    return room;
}

void sfu_room_leave(struct sfu_room *room, struct sfu_participant *participant)
{
    DL_DELETE2(room->participants, participant, in_room.prev, in_room.next);
    if (room->speaker == participant)
        room->speaker = NULL;
    if (room->participants != NULL)
        return;
    HASH_DELETE(hh, room->sfu->rooms, room);
    free(room);
}

static void subscribe(struct publication *publication, struct sfu_participant *participant, nanos now)
{
    if (subscription_create(publication, participant) != NULL)
        negotiation_want(participant, now);
}

void sfu_room_publish(struct sfu_room *room, struct publication *publication, nanos now)
{
    struct sfu_participant *other;
    DL_FOREACH2(room->participants, other, in_room.next)
    {
        if (other != publication->publisher && other->receives)
            subscribe(publication, other, now);
    }
}

void sfu_room_subscribe(struct sfu_room *room, struct sfu_participant *participant, nanos now)
{
    struct sfu_participant *other;
    struct publication *publication;
    DL_FOREACH2(room->participants, other, in_room.next)
    {
        if (other == participant)
            continue;
        DL_FOREACH2(other->publications, publication, next) { subscribe(publication, participant, now); }
    }
}
