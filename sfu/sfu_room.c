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

/* --- speakers ------------------------------------------------------------------------------------------------------------ */

/* Only who talks in our protocol is told; WHIP and WHEP have no words for it. */
static void tell_speaker(const struct sfu_room *room, const struct sfu_participant *participant)
{
    if (participant->role == SFU_MEMBER)
        participant->say(participant->user, &(struct room_message){.type = ROOM_SPEAKER, .peer = room->speaker->name});
}

static void put_first(struct publication *publication, nanos now)
{
    struct subscription *s;
    DL_FOREACH2(publication->subscriptions, s, of_publication.next)
    {
        struct sfu_participant *subscriber = s->subscriber;
        DL_DELETE2(subscriber->subscriptions, s, of_subscriber.prev, of_subscriber.next);
        DL_PREPEND2(subscriber->subscriptions, s, of_subscriber.prev, of_subscriber.next);
        sfu_participant_reallocate(subscriber, now);
    }
}

/* Its tracks come first for whoever receives them, and stay in their order. */
static void put_all_first(const struct sfu_participant *speaker, nanos now)
{
    struct publication *first = speaker->publications;
    struct publication *publication = first != NULL ? first->previous : NULL; /* the last one */
    while (publication != NULL) {
        put_first(publication, now);
        publication = publication != first ? publication->previous : NULL;
    }
}

void sfu_room_hear(struct sfu_room *room, struct sfu_participant *speaker, nanos now)
{
    struct sfu_participant *p;
    room->speaker = speaker;
    room->speaks_since = now;
    put_all_first(speaker, now);
    DL_FOREACH2(room->participants, p, in_room.next) { tell_speaker(room, p); }
}

/* --- publications ---------------------------------------------------------------------------------------------------------- */

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
    if (room->speaker == NULL)
        return;
    put_all_first(room->speaker, now);
    tell_speaker(room, participant);
}
