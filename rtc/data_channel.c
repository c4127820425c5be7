#include "rtc/data_channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

enum {
    REASON_CAP = 100,
    TURN_BYTES = 16384, /* a channel may give SCTP so much, then it's the others' turn */
    MESSAGE_COST = 64,  /* a queue of many small messages takes more than their bytes */
};

/* Waits to be taken by SCTP. */
struct outgoing {
    struct outgoing *next;
    uint32_t ppid;
    size_t len, taken;
    uint8_t data[];
};

enum channel_state {
    CHANNEL_WAITING, /* for the association */
    CHANNEL_OPENING, /* the peer is told, or will be */
    CHANNEL_OPEN,
    CHANNEL_CLOSING,
    CHANNEL_CLOSED,
};

/* Events to be told, in this order. */
enum {
    TELL_INCOMING = 1,
    TELL_OPEN = 2,
    TELL_LOW = 4,
    TELL_CLOSED = 8,
};

struct links {
    struct data_channel *prev, *next;
};

struct data_channel {
    struct data_channels *owner;
    struct data_channel_config config; /* its texts are behind the structure */
    int id;
    uint8_t state;
    uint8_t tell;
    bool acknowledged; /* what is sent before must be in order (RFC 8832, section 6) */
    bool reset_in, reset_out;
    bool above_low;
    bool sends; /* is in `sending` */
    bool in_order;
    struct outgoing *first, *last;
    size_t buffered, low;
    size_t turn; /* bytes given in this one */
    void *user;
    struct links in_all, in_sending, in_telling;
    UT_hash_handle hh; /* by id */
};

struct data_channels {
    struct data_channels_config config;
    struct sctp_association *association; /* NULL before the start */
    struct data_channel *all;             /* list */
    size_t count;
    size_t buffered;              /* of all */
    struct data_channel *by_id;   /* hash table */
    struct data_channel *sending; /* list of those with something in their queues; the first is next */
    struct data_channel *telling; /* list of those with events */
    struct data_channel *gone;    /* was told to be closed */
    bool dtls_client;
    bool up, over;
    bool blocked; /* SCTP takes nothing for now */
    bool held;
    bool resumed; /* there may be messages that nobody has been told of */
    char reason[REASON_CAP];
};

static void take_end(struct data_channels *channels, const char *reason);

/* --- life ---------------------------------------------------------------------------------------------------------------- */

struct data_channels *data_channels_create(const struct data_channels_config *config, struct error *error)
{
    struct data_channels *channels = calloc(1, sizeof *channels);
    if (channels == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    channels->config = *config;
    if (channels->config.queue_max == 0)
        channels->config.queue_max = DATA_CHANNEL_QUEUE_DEFAULT;
    return channels;
}

static size_t cost_of(size_t len) { return len > MESSAGE_COST ? len : MESSAGE_COST; }

static void set_buffered(struct data_channel *channel, size_t bytes)
{
    channel->owner->buffered += bytes - channel->buffered;
    channel->buffered = bytes;
}

static void drop_queue(struct data_channel *channel)
{
    while (channel->first != NULL) {
        struct outgoing *next = channel->first->next;
        free(channel->first);
        channel->first = next;
    }
    channel->last = NULL;
    set_buffered(channel, 0);
    if (channel->sends)
        DL_DELETE2(channel->owner->sending, channel, in_sending.prev, in_sending.next);
    channel->sends = false;
}

static void free_channel(struct data_channel *channel)
{
    drop_queue(channel);
    free(channel);
}

void data_channels_destroy(struct data_channels *channels)
{
    if (channels == NULL)
        return;
    struct data_channel *channel;
    struct data_channel *next;
    HASH_CLEAR(hh, channels->by_id);
    DL_FOREACH_SAFE2(channels->all, channel, next, in_all.next) { free_channel(channel); }
    if (channels->gone != NULL)
        free_channel(channels->gone);
    sctp_association_destroy(channels->association);
    free(channels);
}

bool data_channels_start(struct data_channels *channels, bool dtls_client, size_t mtu, nanos now, struct error *error)
{
    const struct sctp_association_config config = {.local_port = channels->config.local_port,
                                                   .remote_port = channels->config.remote_port,
                                                   .mtu = (uint16_t)mtu,
                                                   .message_max = channels->config.message_max};
    channels->dtls_client = dtls_client;
    channels->association = sctp_association_create(&config, now, error);
    if (channels->association == NULL) {
        take_end(channels, "no SCTP association can be made");
        return false;
    }
    sctp_association_hold(channels->association, channels->held);
    return true;
}

bool data_channels_started(const struct data_channels *channels)
{
    return channels->association != NULL || channels->over;
}

void data_channels_abort(struct data_channels *channels, nanos now)
{
    if (channels->association != NULL)
        sctp_association_abort(channels->association, now);
}

void data_channels_hold(struct data_channels *channels, bool hold)
{
    channels->resumed = channels->held && !hold;
    channels->held = hold;
    if (channels->association != NULL)
        sctp_association_hold(channels->association, hold);
}

bool data_channels_held(const struct data_channels *channels) { return channels->held; }

/* --- what is told ---------------------------------------------------------------------------------------------------------- */

static void tell(struct data_channel *channel, uint8_t what)
{
    struct data_channels *channels = channel->owner;
    if (channel->tell == 0)
        DL_APPEND2(channels->telling, channel, in_telling.prev, in_telling.next);
    channel->tell |= what;
}

static bool next_told(struct data_channels *channels, struct data_channel_event *event)
{
    static const enum data_channel_event_type types[] = {[TELL_INCOMING] = DATA_CHANNEL_INCOMING,
                                                         [TELL_OPEN] = DATA_CHANNEL_OPEN,
                                                         [TELL_LOW] = DATA_CHANNEL_LOW,
                                                         [TELL_CLOSED] = DATA_CHANNEL_CLOSED};
    struct data_channel *channel = channels->telling;
    if (channel == NULL)
        return false;
    uint8_t what = (uint8_t)(channel->tell & -channel->tell); /* the lowest bit */
    channel->tell &= (uint8_t)~what;
    *event = (struct data_channel_event){.type = types[what], .channel = channel};
    if (channel->tell == 0)
        DL_DELETE2(channels->telling, channel, in_telling.prev, in_telling.next);
    if (what == TELL_CLOSED) {
        event->reason = channel->in_order ? NULL : channels->reason;
        DL_DELETE2(channels->all, channel, in_all.prev, in_all.next);
        channels->count--;
        channels->gone = channel;
    }
    return true;
}

/* --- queues ---------------------------------------------------------------------------------------------------------------- */

static bool queue(struct data_channel *channel, uint32_t ppid, const void *data, size_t len)
{
    struct outgoing *message = malloc(sizeof *message + len);
    if (message == NULL)
        return false;
    *message = (struct outgoing){.ppid = ppid, .len = len};
    memcpy(message->data, data, len);
    if (channel->first == NULL)
        channel->first = message;
    else
        channel->last->next = message;
    channel->last = message;
    if (!channel->sends && channel->state != CHANNEL_WAITING)
        DL_APPEND2(channel->owner->sending, channel, in_sending.prev, in_sending.next);
    channel->sends = channel->state != CHANNEL_WAITING;
    if (ppid != PPID_DCEP)
        set_buffered(channel, channel->buffered + cost_of(len));
    channel->above_low = channel->buffered > channel->low;
    return true;
}

static void finish_if_reset(struct data_channel *channel)
{
    struct data_channels *channels = channel->owner;
    if (!channel->reset_in || !channel->reset_out || channel->state == CHANNEL_CLOSED)
        return;
    channel->state = CHANNEL_CLOSED;
    channel->in_order = true;
    HASH_DELETE(hh, channels->by_id, channel);
    tell(channel, TELL_CLOSED);
}

/* Nothing more will be sent: says so to the peer (RFC 8831, section 6.7). */
static void reset(struct data_channel *channel, nanos now)
{
    if (!sctp_association_reset(channel->owner->association, (uint16_t)channel->id, now))
        channel->reset_out = true; /* the peer can't, or it is over: then that's that */
    finish_if_reset(channel);
}

static void drop_first(struct data_channel *channel, nanos now)
{
    struct data_channels *channels = channel->owner;
    struct outgoing *message = channel->first;
    channel->first = message->next;
    if (message->ppid != PPID_DCEP)
        set_buffered(channel, channel->buffered - cost_of(message->len));
    channel->turn += message->len;
    free(message);
    if (channel->above_low && channel->buffered <= channel->low) {
        channel->above_low = false;
        tell(channel, TELL_LOW);
    }
    channel->sends = channel->first != NULL;
    if (!channel->sends || channel->turn >= TURN_BYTES) {
        channel->turn = 0;
        DL_DELETE2(channels->sending, channel, in_sending.prev, in_sending.next);
        if (channel->sends)
            DL_APPEND2(channels->sending, channel, in_sending.prev, in_sending.next);
    }
    if (!channel->sends)
        channel->last = NULL;
    if (!channel->sends && channel->state == CHANNEL_CLOSING)
        reset(channel, now);
}

/* Gives SCTP as much as it takes, of each channel in turn. */
static void send_queues(struct data_channels *channels, nanos now)
{
    while (channels->up && !channels->blocked && channels->sending != NULL) {
        struct data_channel *channel = channels->sending;
        struct outgoing *message = channel->first;
        bool control = message->ppid == PPID_DCEP;
        const struct sctp_message info = {.stream = (uint16_t)channel->id,
                                          .ppid = message->ppid,
                                          .unordered = channel->config.unordered && channel->acknowledged && !control,
                                          .reliability = control ? SCTP_RELIABLE : channel->config.reliability,
                                          .limit = channel->config.limit};
        ssize_t taken = sctp_association_send(channels->association, &info, message->data + message->taken,
                                              message->len - message->taken, now);
        if (taken < 0) {
            channels->blocked = true; /* it is over: the event will follow */
            return;
        }
        message->taken += (size_t)taken;
        if (message->taken < message->len)
            channels->blocked = true;
        else
            drop_first(channel, now);
    }
}

/* --- opening --------------------------------------------------------------------------------------------------------------- */

static struct data_channel *find(const struct data_channels *channels, int id)
{
    struct data_channel *channel;
    HASH_FIND_INT(channels->by_id, &id, channel);
    return channel;
}

static struct data_channel *add_channel(struct data_channels *channels, const struct dcep_open *texts,
                                        struct error *error)
{
    if (channels->count == DATA_CHANNELS_MAX) {
        error_set(error, ERROR_UNSUPPORTED, "a connection has at most %d data channels", DATA_CHANNELS_MAX);
        return NULL;
    }
    struct data_channel *channel = calloc(1, sizeof *channel + texts->label_len + texts->protocol_len + 2);
    if (channel == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    char *label = (char *)(channel + 1);
    char *protocol = label + texts->label_len + 1;
    memcpy(label, texts->label, texts->label_len);
    memcpy(protocol, texts->protocol, texts->protocol_len);
    channel->owner = channels;
    channel->id = -1;
    channel->low = SIZE_MAX;
    channel->config = (struct data_channel_config){.label = label,
                                                   .protocol = protocol,
                                                   .unordered = texts->unordered,
                                                   .reliability = texts->reliability,
                                                   .limit = texts->limit,
                                                   .priority = texts->priority};
    DL_APPEND2(channels->all, channel, in_all.prev, in_all.next);
    channels->count++;
    return channel;
}

static void set_id(struct data_channel *channel, int id)
{
    channel->id = id;
    HASH_ADD_INT(channel->owner->by_id, id, channel);
}

static bool draw_id(struct data_channel *channel)
{
    struct data_channels *channels = channel->owner;
    for (int id = channels->dtls_client ? 0 : 1; id < sctp_association_streams(channels->association); id += 2) {
        if (find(channels, id) != NULL)
            continue;
        set_id(channel, id);
        return true;
    }
    return false;
}

static struct dcep_open open_of(const struct data_channel_config *config)
{
    const char *label = config->label != NULL ? config->label : "";
    const char *protocol = config->protocol != NULL ? config->protocol : "";
    return (struct dcep_open){.unordered = config->unordered,
                              .reliability = config->reliability,
                              .limit = config->limit,
                              .priority = config->priority != 0 ? config->priority : DCEP_PRIORITY_NORMAL,
                              .label = label,
                              .protocol = protocol,
                              .label_len = strlen(label),
                              .protocol_len = strlen(protocol)};
}

static void close_now(struct data_channel *channel)
{
    if (channel->state == CHANNEL_CLOSED)
        return;
    drop_queue(channel);
    if (channel->id >= 0)
        HASH_DELETE(hh, channel->owner->by_id, channel);
    channel->state = CHANNEL_CLOSED;
    tell(channel, TELL_CLOSED);
}

/* The association stands. Whatever was queued before goes behind the word that opens the channel. */
static void begin(struct data_channel *channel)
{
    struct data_channels *channels = channel->owner;
    uint8_t text[DCEP_OPEN_MAX];
    const struct dcep_open open = open_of(&channel->config);
    struct outgoing *queued = channel->first;
    struct outgoing *last = channel->last;
    size_t len = dcep_write_open(&open, text);
    bool fits =
        channel->config.negotiated ? channel->id < sctp_association_streams(channels->association) : draw_id(channel);
    if (!fits) {
        snprintf(channels->reason, sizeof channels->reason, "the peer has no stream left for it");
        close_now(channel);
        return;
    }
    channel->state = channel->config.negotiated ? CHANNEL_OPEN : CHANNEL_OPENING;
    channel->acknowledged = channel->config.negotiated;
    if (channel->config.negotiated) {
        tell(channel, TELL_OPEN);
        channel->sends = channel->first != NULL;
        if (channel->sends)
            DL_APPEND2(channels->sending, channel, in_sending.prev, in_sending.next);
        return;
    }
    channel->first = channel->last = NULL;
    if (!queue(channel, PPID_DCEP, text, len)) {
        channel->first = queued;
        channel->last = last;
        close_now(channel);
        return;
    }
    channel->first->next = queued;
    if (queued != NULL)
        channel->last = last;
}

struct data_channel *data_channel_open(struct data_channels *channels, const struct data_channel_config *config,
                                       nanos now, struct error *error)
{
    const struct dcep_open open = open_of(config);
    if (open.label_len + open.protocol_len > DCEP_TEXT_MAX) {
        error_set(error, ERROR_USAGE, "a data channel's label and protocol have at most %d bytes", DCEP_TEXT_MAX);
        return NULL;
    }
    if (channels->over || (config->negotiated && (config->id >= SCTP_STREAMS || find(channels, config->id) != NULL))) {
        error_set(error, ERROR_USAGE,
                  channels->over ? "the association is over" : "the data channel's id is taken, or too large");
        return NULL;
    }
    struct data_channel *channel = add_channel(channels, &open, error);
    if (channel == NULL)
        return NULL;
    channel->config.negotiated = config->negotiated;
    if (config->negotiated)
        set_id(channel, config->id);
    if (channels->up) {
        begin(channel);
        send_queues(channels, now);
    }
    return channel;
}

static void accept_open(struct data_channels *channels, uint16_t stream, const uint8_t *data, size_t len, nanos now)
{
    static const uint8_t ack = DCEP_ACK;
    struct dcep_open open;
    struct data_channel *channel = NULL;
    bool its_id = (stream & 1) == (channels->dtls_client ? 1 : 0);
    if (find(channels, stream) != NULL)
        return; /* it has been opened already */
    if (its_id && dcep_read_open(&open, data, len, NULL))
        channel = add_channel(channels, &open, NULL);
    if (channel == NULL) {
        sctp_association_reset(channels->association, stream, now); /* no, thanks */
        return;
    }
    channel->state = CHANNEL_OPEN;
    channel->acknowledged = true;
    set_id(channel, stream);
    queue(channel, PPID_DCEP, &ack, sizeof ack);
    tell(channel, TELL_INCOMING);
}

/* --- closing --------------------------------------------------------------------------------------------------------------- */

static void start_closing(struct data_channel *channel, nanos now)
{
    if (channel->state == CHANNEL_CLOSING || channel->state == CHANNEL_CLOSED)
        return;
    if (channel->state == CHANNEL_WAITING) {
        channel->in_order = true;
        close_now(channel);
        return;
    }
    channel->state = CHANNEL_CLOSING;
    if (channel->first == NULL)
        reset(channel, now);
}

/* A message of which SCTP has a part must be completed, or nothing could follow it. */
static void drop_waiting(struct data_channel *channel)
{
    struct outgoing *message = channel->first;
    if (message == NULL)
        return;
    if (message->taken == 0) {
        drop_queue(channel);
        return;
    }
    while (message->next != NULL) {
        struct outgoing *next = message->next;
        message->next = next->next;
        free(next);
    }
    channel->last = message;
    set_buffered(channel, message->ppid != PPID_DCEP ? cost_of(message->len) : 0);
}

void data_channel_close(struct data_channel *channel, nanos now)
{
    start_closing(channel, now);
    send_queues(channel->owner, now);
}

void data_channel_drop(struct data_channel *channel, nanos now)
{
    drop_waiting(channel);
    start_closing(channel, now);
}

static void take_reset(struct data_channel *channel, bool in, nanos now)
{
    if (channel == NULL)
        return;
    if (in) {
        channel->reset_in = true;
        drop_waiting(channel);
        start_closing(channel, now);
    } else if (channel->state == CHANNEL_CLOSING) {
        channel->reset_out = true;
    }
    finish_if_reset(channel);
}

static void take_resets(struct data_channels *channels, const struct sctp_association_event *event, nanos now)
{
    bool in = event->type == SCTP_ASSOCIATION_RESET_IN;
    for (size_t i = 0; i < event->stream_count; i++)
        take_reset(find(channels, event->streams[i]), in, now);
    for (int id = 0; event->stream_count == 0 && id < SCTP_STREAMS; id++)
        take_reset(find(channels, id), in, now);
}

static void take_end(struct data_channels *channels, const char *reason)
{
    struct data_channel *channel;
    struct data_channel *next;
    channels->up = false;
    channels->over = true;
    snprintf(channels->reason, sizeof channels->reason, "%s", reason);
    DL_FOREACH_SAFE2(channels->all, channel, next, in_all.next) { close_now(channel); }
}

/* --- in and out ------------------------------------------------------------------------------------------------------------ */

int data_channels_read(struct data_channels *channels, const uint8_t *data, size_t len, nanos now)
{
    if (channels->association == NULL)
        return -1;
    channels->blocked = false;
    return sctp_association_read(channels->association, data, len, now);
}

ssize_t data_channels_write(struct data_channels *channels, uint8_t *buf, size_t cap, nanos now)
{
    if (channels->association == NULL)
        return 0;
    send_queues(channels, now);
    return sctp_association_write(channels->association, buf, cap, now);
}

nanos data_channels_deadline(const struct data_channels *channels)
{
    bool sends = channels->up && !channels->blocked && channels->sending != NULL;
    if (sends || channels->telling != NULL || channels->resumed)
        return 0;
    return channels->association != NULL ? sctp_association_deadline(channels->association) : NANOS_NEVER;
}

/* True when there is a message to tell. */
static bool take_message(struct data_channels *channels, const struct sctp_association_event *arrived,
                         struct data_channel_event *event, nanos now)
{
    struct data_channel *channel = find(channels, arrived->stream);
    if (arrived->ppid == PPID_DCEP) {
        if (arrived->len != 1 || arrived->data[0] != DCEP_ACK) {
            accept_open(channels, arrived->stream, arrived->data, arrived->len, now);
        } else if (channel != NULL && channel->state == CHANNEL_OPENING) {
            channel->state = CHANNEL_OPEN;
            channel->acknowledged = true;
            tell(channel, TELL_OPEN);
        }
        return false;
    }
    bool text = arrived->ppid == PPID_TEXT || arrived->ppid == PPID_TEXT_EMPTY;
    bool empty = arrived->ppid == PPID_TEXT_EMPTY || arrived->ppid == PPID_BINARY_EMPTY;
    bool known = text || empty || arrived->ppid == PPID_BINARY;
    if (channel == NULL || !known || channel->state == CHANNEL_CLOSING || channel->state == CHANNEL_CLOSED)
        return false;
    *event = (struct data_channel_event){.type = DATA_CHANNEL_MESSAGE,
                                         .channel = channel,
                                         .text = text,
                                         .data = arrived->data,
                                         .len = empty ? 0 : arrived->len};
    return true;
}

static void take_up(struct data_channels *channels)
{
    struct data_channel *channel;
    struct data_channel *next;
    channels->up = true;
    DL_FOREACH_SAFE2(channels->all, channel, next, in_all.next)
    {
        if (channel->state == CHANNEL_WAITING)
            begin(channel);
    }
}

bool data_channels_event(struct data_channels *channels, struct data_channel_event *event, nanos now)
{
    struct sctp_association_event arrived;
    if (channels->gone != NULL)
        free_channel(channels->gone);
    channels->gone = NULL;
    while (!next_told(channels, event)) {
        if (channels->association == NULL || !sctp_association_event(channels->association, &arrived)) {
            channels->resumed = false;
            send_queues(channels, now);
            return next_told(channels, event);
        }
        switch (arrived.type) {
        case SCTP_ASSOCIATION_UP:
            take_up(channels);
            break;
        case SCTP_ASSOCIATION_MESSAGE:
            if (take_message(channels, &arrived, event, now))
                return true;
            break;
        case SCTP_ASSOCIATION_RESET_IN:
        case SCTP_ASSOCIATION_RESET_OUT:
            take_resets(channels, &arrived, now);
            break;
        case SCTP_ASSOCIATION_DOWN:
            take_end(channels, arrived.reason);
            break;
        }
    }
    return true;
}

/* --- channels --------------------------------------------------------------------------------------------------------------- */

bool data_channel_takes(const struct data_channel *channel, size_t len)
{
    uint32_t max = channel->owner->config.remote_message_max;
    return max == 0 || len <= max;
}

bool data_channel_send(struct data_channel *channel, bool text, const void *data, size_t len, nanos now)
{
    static const uint8_t nothing = 0;
    struct data_channels *channels = channel->owner;
    if (channel->state >= CHANNEL_CLOSING || !data_channel_takes(channel, len) ||
        channels->buffered + cost_of(len) > channels->config.queue_max)
        return false;
    uint32_t ppid = text ? PPID_TEXT : PPID_BINARY;
    if (len == 0)
        ppid = text ? PPID_TEXT_EMPTY : PPID_BINARY_EMPTY;
    if (!queue(channel, ppid, len > 0 ? data : &nothing, len > 0 ? len : 1))
        return false;
    send_queues(channels, now);
    return true;
}

size_t data_channel_buffered(const struct data_channel *channel) { return channel->buffered; }

void data_channel_set_low(struct data_channel *channel, size_t bytes)
{
    channel->low = bytes;
    channel->above_low = channel->buffered > bytes;
}

const char *data_channel_label(const struct data_channel *channel) { return channel->config.label; }
const char *data_channel_protocol(const struct data_channel *channel) { return channel->config.protocol; }
struct data_channel_config data_channel_configuration(const struct data_channel *channel) { return channel->config; }
int data_channel_id(const struct data_channel *channel) { return channel->id; }
void data_channel_set_user(struct data_channel *channel, void *user) { channel->user = user; }
void *data_channel_user(const struct data_channel *channel) { return channel->user; }
