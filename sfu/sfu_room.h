/* Those who are in one room: each receives what the others publish, and nothing leaves the room. */
#ifndef CONFAB_SFU_SFU_ROOM_H
#define CONFAB_SFU_SFU_ROOM_H

#include <uthash.h>

#include "base/nanos.h"
#include "rtc/rtp_extensions.h"

struct data_topic;
struct publication;
struct sfu;
struct sfu_participant;

enum { SFU_NAME_CAP = 64 };

struct sfu_room {
    struct sfu *sfu;
    char name[SFU_NAME_CAP];
    struct sfu_participant *participants;
    struct data_topic *data_topics;  /* hash table by label */
    struct sfu_participant *speaker; /* whose video matters most: who is heard; NULL: nobody yet */
    nanos speaks_since;
    UT_hash_handle hh;
};

/* The room of that name, made if there is none. NULL when out of memory. */
struct sfu_room *sfu_room_enter(struct sfu *sfu, const char *name, struct sfu_participant *participant);
/* The last one out ends it. */
void sfu_room_leave(struct sfu_room *room, struct sfu_participant *participant);

/* Everyone else who can receive gets what is new. */
void sfu_room_publish(struct sfu_room *room, struct publication *publication, nanos now);
/* A participant that can receive from now on gets everything. */
void sfu_room_subscribe(struct sfu_room *room, struct sfu_participant *participant, nanos now);

/* A participant is the room's speaker from now on: everyone is told, and its tracks become the most important ones. */
void sfu_room_hear(struct sfu_room *room, struct sfu_participant *speaker, nanos now);

#endif
