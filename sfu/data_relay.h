/* Data channels at the SFU: what a participant sends on a channel goes to the others' channels of the same label in its
 * room, as text or binary as it came. Whoever wants to take part opens a channel of that label; how reliable and whether
 * in order is each one's own choice for its way from and to the SFU.
 *
 * Memory is bounded. What a subscriber can't take yet waits in its channel's queue. When that is long, the SFU reads no
 * more from those who send to it (rtc/data_channel.h: data_channels_hold), so a file goes as fast as the slowest reader
 * takes it, and its sender's queue tells the application. A reader that takes nothing, or next to nothing, for too long
 * is not waited for: its channel is closed, and it is told why. On channels without full reliability nobody is waited
 * for: messages that don't fit are dropped. */
#ifndef CONFAB_SFU_DATA_RELAY_H
#define CONFAB_SFU_DATA_RELAY_H

#include <stdbool.h>

#include <uthash.h>

#include "base/nanos.h"
#include "rtc/data_channel.h"

struct sfu_participant;
struct sfu_room;

enum {
    DATA_RELAY_QUEUE_HIGH = 262144, /* bytes that wait for a subscriber: its senders are held back from here on */
    DATA_RELAY_QUEUE_LOW = 65536,   /* and let go again */
    DATA_RELAY_QUEUE_MAX = 2097152, /* of all its channels, with messages of several senders that came at once */
    DATA_RELAY_LABELS_MAX = 256,    /* of a room */
};
#define DATA_RELAY_PATIENCE (15 * NANOS_PER_S)

struct data_relay_links {
    struct data_member *prev, *next;
};

/* All channels of one label in a room. */
struct data_topic {
    struct sfu_room *room;
    struct data_member *members; /* list */
    UT_hash_handle hh;           /* in the room, by label */
    char label[];
};

/* A participant's channel. */
struct data_member {
    struct sfu_participant *participant;
    struct data_topic *topic;
    struct data_channel *channel;
    bool droppable; /* its messages: it isn't reliable */
    bool full;
    nanos patience; /* while full: until then */
    struct data_relay_links in_topic, of_participant;
};

/* An event of a participant's data channels. */
void data_relay_event(struct sfu_participant *participant, const struct data_channel_event *event, nanos now);

/* Patience has an end. */
void data_relay_run(struct sfu_participant *participant, nanos now);
nanos data_relay_deadline(const struct sfu_participant *participant);

/* The participant's connection ends: its channels are no more. */
void data_relay_leave(struct sfu_participant *participant, nanos now);

#endif
