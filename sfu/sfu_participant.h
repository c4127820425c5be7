/* One participant: its connection, what it publishes and what it receives. */
#ifndef CONFAB_SFU_SFU_PARTICIPANT_H
#define CONFAB_SFU_SFU_PARTICIPANT_H

#include <stdbool.h>
#include <stdint.h>

#include <uthash.h>

#include "base/deadline_heap.h"
#include "rtc/connection.h"
#include "sfu/layout.h"
#include "sfu/sfu.h"
#include "sfu/sfu_negotiation.h"
#include "sfu/sfu_room.h"

struct data_member;
struct sfu_source;

enum { SFU_SOURCES_MAX = 8 }; /* addresses of one participant, remembered */

/* Who offers what. */
enum sfu_role {
    SFU_MEMBER,    /* offers what it publishes; what others publish is offered to it */
    SFU_PUBLISHER, /* by WHIP: offers what it publishes, and that is all */
    SFU_VIEWER,    /* by WHEP: offers sections to receive in, which are filled as others publish, without a new offer */
};

struct sfu_participant_links {
    struct sfu_participant *prev, *next;
};

struct sfu_participant {
    struct sfu *sfu;
    struct sfu_room *room;
    char name[SFU_NAME_CAP];
    char stream_id[SESSION_ID_CAP]; /* its name, as SDP carries it */
    void (*say)(void *user, const struct room_message *message);
    void (*ended)(void *user, nanos now); /* its connection is over, and it has only signalling left; may be NULL */
    void *user;

    struct connection *connection; /* NULL before the first offer */
    char ufrag[ICE_UFRAG_CAP];     /* our half of its connection, by which its first checks are recognised */
    struct sfu_source *sources[SFU_SOURCES_MAX];
    size_t source_count;
    nanos connected_at;

    struct negotiation negotiation;
    struct publication *publications;
    struct subscription *subscriptions;
    struct data_member *data_members; /* its data channels, a list */

    nanos allocate_due; /* when layers are chosen next */
    nanos allocated_at;
    int64_t wanted_bps; /* as congestion control knows it */
    double loudness;    /* of its audio, smoothed */
    nanos heard_at;
    uint8_t muted;        /* what it said is off: a bit for each publication_kind */
    struct layout layout; /* of what it receives */

    bool receives; /* subscriptions may be offered to it */
    uint8_t role;  /* enum sfu_role; set before its first offer */
    bool dirty;
    bool data_held; /* nothing is read from its data channels, until others have room for it */
    struct deadline deadline;
    struct sfu_participant_links in_room, in_dirty;
    UT_hash_handle hh; /* by ufrag */
};

/* The connection for a first offer, or a new one for the next after the old one is over. */
bool sfu_participant_connect(struct sfu_participant *participant, struct error *error);

/* Our ufrag may have changed. */
void sfu_participant_note_ufrag(struct sfu_participant *participant);

/* Its STUN came from there. */
void sfu_participant_note_source(struct sfu_participant *participant, const struct address *address);

/* Nobody's STUN comes from there any more. */
void sfu_participant_forget_source(struct sfu *sfu, const struct address *address);

/* Something was done to it that may make it send: it is flushed at the end of the batch. */
void sfu_participant_touch(struct sfu_participant *participant);

/* Layers are to be chosen anew, soon. */
void sfu_participant_reallocate(struct sfu_participant *participant, nanos now);

/* Audio of it came, so loud. */
void sfu_participant_speaks(struct sfu_participant *participant, struct rtp_audio_level level, nanos now);

/* How it shows what it receives, all of it or some. False and `error` when that makes no sense. */
bool sfu_participant_set_layout(struct sfu_participant *participant, const struct room_message *message, nanos now,
                                struct error *error);
void sfu_participant_watch(struct sfu_participant *participant, const struct room_track *tracks, size_t count,
                           nanos now);

/* A track of its own is off, or on again. False and `error` when it has no such kind of track. */
bool sfu_participant_mute(struct sfu_participant *participant, const char *track, bool muted, nanos now,
                          struct error *error);

/* Tells the participant what is wrong. */
void sfu_participant_refuse(struct sfu_participant *participant, const char *reason);

/* Takes back all that it publishes and receives. */
void sfu_participant_withdraw(struct sfu_participant *participant, nanos now);

/* What is due, then all events. */
void sfu_participant_run(struct sfu_participant *participant, nanos now);
void sfu_participant_handle_events(struct sfu_participant *participant, nanos now);
nanos sfu_participant_deadline(const struct sfu_participant *participant);

/* Without a word. */
void sfu_participant_destroy(struct sfu_participant *participant, nanos now);

#endif
