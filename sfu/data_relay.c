#include "sfu/data_relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "sfu/sfu_participant.h"
#include "sfu/sfu_room.h"
#include "sfu/sfu_state.h"

/* --- topics --------------------------------------------------------------------------------------------------------------- */

static struct data_topic *find_topic(struct sfu_room *room, const char *label)
{
    struct data_topic *topic;
    size_t len = strlen(label);
    HASH_FIND(hh, room->data_topics, label, len, topic);
    if (topic != NULL || HASH_COUNT(room->data_topics) == DATA_RELAY_LABELS_MAX)
        return topic;
    topic = calloc(1, sizeof *topic + len + 1);
    if (topic == NULL)
        return NULL;
    topic->room = room;
    memcpy(topic->label, label, len + 1);
    HASH_ADD_KEYPTR(hh, room->data_topics, topic->label, len, topic);
    return topic;
}

/* --- holding back ---------------------------------------------------------------------------------------------------------- */

static void hold(struct sfu_participant *p, bool held)
{
    if (p->connection == NULL || connection_data(p->connection) == NULL || p->data_held == held)
        return;
    p->data_held = held;
    data_channels_hold(connection_data(p->connection), held);
    if (!held)
        sfu_participant_touch(p);
}

/* Is there anyone to wait for, in what this one may send to? */
static bool waits(const struct sfu_participant *p)
{
    const struct data_member *own;
    const struct data_member *other;
    DL_FOREACH2(p->data_members, own, of_participant.next)
    {
        DL_FOREACH2(own->topic->members, other, in_topic.next)
        {
            if (other->full && other->participant != p)
                return true;
        }
    }
    return false;
}

static void let_go(struct sfu_room *room)
{
    struct sfu_participant *p;
    DL_FOREACH2(room->participants, p, in_room.next)
    {
        if (p->data_held && !waits(p))
            hold(p, false);
    }
}

/* --- members --------------------------------------------------------------------------------------------------------------- */

static void join(struct sfu_participant *p, struct data_channel *channel, nanos now)
{
    struct data_topic *topic = find_topic(p->room, data_channel_label(channel));
    struct data_member *member = topic != NULL ? calloc(1, sizeof *member) : NULL;
    if (member == NULL) {
        data_channel_close(channel, now);
        return;
    }
    member->participant = p;
    member->topic = topic;
    member->channel = channel;
    member->droppable = data_channel_configuration(channel).reliability != SCTP_RELIABLE;
    data_channel_set_low(channel, DATA_RELAY_QUEUE_LOW);
    data_channel_set_user(channel, member);
    DL_APPEND2(topic->members, member, in_topic.prev, in_topic.next);
    DL_APPEND2(p->data_members, member, of_participant.prev, of_participant.next);
}

static void leave(struct data_member *member)
{
    struct data_topic *topic = member->topic;
    struct sfu_room *room = topic->room;
    data_channel_set_user(member->channel, NULL);
    DL_DELETE2(topic->members, member, in_topic.prev, in_topic.next);
    DL_DELETE2(member->participant->data_members, member, of_participant.prev, of_participant.next);
    if (topic->members == NULL) {
        HASH_DELETE(hh, room->data_topics, topic);
        free(topic);
    }
    free(member);
    let_go(room);
}

void data_relay_leave(struct sfu_participant *p, nanos now)
{
    (void)now;
    while (p->data_members != NULL)
        leave(p->data_members);
    p->data_held = false;
}

/* Closes the channel of someone who doesn't read. */
static void give_up(struct data_member *member, nanos now)
{
    struct sfu_participant *p = member->participant;
    char reason[160];
    snprintf(reason, sizeof reason, "data channel '%.64s' was closed: more was sent to it than it takes",
             data_channel_label(member->channel));
    data_channel_drop(member->channel, now);
    leave(member);
    p->sfu->statistics.data_channels_given_up++;
    sfu_participant_touch(p);
    sfu_participant_refuse(p, reason);
}

/* --- messages -------------------------------------------------------------------------------------------------------------- */

static void pass(struct data_member *to, const struct data_channel_event *event, nanos now)
{
    struct sfu_statistics *statistics = &to->participant->sfu->statistics;
    bool fits = data_channel_takes(to->channel, event->len);
    bool crowded = to->droppable && data_channel_buffered(to->channel) > DATA_RELAY_QUEUE_HIGH;
    if (!fits || crowded || !data_channel_send(to->channel, event->text, event->data, event->len, now)) {
        statistics->data_messages_dropped++;
        if (fits && !to->droppable)
            give_up(to, now);
        return;
    }
    statistics->data_messages_sent++;
    sfu_participant_touch(to->participant);
    if (to->full || to->droppable || data_channel_buffered(to->channel) <= DATA_RELAY_QUEUE_HIGH)
        return;
    to->full = true;
    to->patience = now + DATA_RELAY_PATIENCE;
}

static void relay(struct data_member *from, const struct data_channel_event *event, nanos now)
{
    struct sfu_participant *sender = from->participant;
    struct data_member *to;
    struct data_member *next;
    bool full = false;
    sender->sfu->statistics.data_messages_received++;
    DL_FOREACH_SAFE2(from->topic->members, to, next, in_topic.next)
    {
        if (to != from)
            pass(to, event, now);
    }
    DL_FOREACH2(from->topic->members, to, in_topic.next) { full = full || (to != from && to->full); }
    if (full)
        hold(sender, true);
}

void data_relay_event(struct sfu_participant *p, const struct data_channel_event *event, nanos now)
{
    struct data_member *member = data_channel_user(event->channel);
    switch (event->type) {
    case DATA_CHANNEL_INCOMING:
        join(p, event->channel, now);
        break;
    case DATA_CHANNEL_MESSAGE:
        if (member != NULL)
            relay(member, event, now);
        break;
    case DATA_CHANNEL_LOW:
        if (member != NULL && member->full) {
            member->full = false;
            let_go(member->topic->room);
        }
        break;
    case DATA_CHANNEL_CLOSED:
        if (member != NULL)
            leave(member);
        break;
    case DATA_CHANNEL_OPEN:
        break; /* we open none */
    }
}

void data_relay_run(struct sfu_participant *p, nanos now)
{
    struct data_member *member;
    struct data_member *next;
    DL_FOREACH_SAFE2(p->data_members, member, next, of_participant.next)
    {
        if (member->full && member->patience <= now)
            give_up(member, now);
    }
}

nanos data_relay_deadline(const struct sfu_participant *p)
{
    nanos deadline = NANOS_NEVER;
    const struct data_member *member;
    DL_FOREACH2(p->data_members, member, of_participant.next)
    {
        if (member->full)
            deadline = nanos_min(deadline, member->patience);
    }
    return deadline;
}
