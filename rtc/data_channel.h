/* The data channels of one connection (RFC 8831): messages, text or binary, over the streams of an SCTP association.
 *
 *     data_channel_send -> queue of each channel -- in turns --> association -> data_channels_write -> DTLS
 *     data_channels_event <----- messages, openings, closings ------ association <- data_channels_read <- DTLS
 *
 * Channels may be opened before there is a connection; data_channels_start begins the association once DTLS stands.
 * After each call that takes `now`, drain data_channels_write and data_channels_event. */
#ifndef CONFAB_RTC_DATA_CHANNEL_H
#define CONFAB_RTC_DATA_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/nanos.h"
#include "rtc/dcep.h"
#include "rtc/sctp_association.h"

struct data_channels;
struct data_channel;

enum {
    DATA_CHANNELS_MAX = 32, /* of one connection, whoever opened them */
    /* What waits in the channels' queues at most, all together, in bytes, unless configured otherwise. */
    DATA_CHANNEL_QUEUE_DEFAULT = 16 * 1024 * 1024,
};

struct data_channels_config {
    uint16_t local_port, remote_port; /* a=sctp-port of either side; 0: 5000 */
    uint32_t message_max;             /* that we take: our a=max-message-size; 0: SCTP_MESSAGE_MAX */
    uint32_t remote_message_max;      /* the peer's; 0: any (RFC 8841, section 6.1) */
    size_t queue_max;                 /* 0: DATA_CHANNEL_QUEUE_DEFAULT */
};

struct data_channel_config {
    const char *label, *protocol; /* NULL is "" */
    bool unordered;
    uint8_t reliability; /* enum sctp_reliability */
    uint32_t limit;      /* retransmissions, or milliseconds */
    uint16_t priority;   /* told to the peer; 0: DCEP_PRIORITY_NORMAL */
    bool negotiated;     /* both sides open it, with this id and without a word */
    uint16_t id;
};

enum data_channel_event_type {
    DATA_CHANNEL_INCOMING, /* the peer opened it */
    DATA_CHANNEL_OPEN,     /* ours: the peer knows of it */
    DATA_CHANNEL_MESSAGE,
    DATA_CHANNEL_LOW,    /* what waits has fallen to the threshold, or below */
    DATA_CHANNEL_CLOSED, /* the channel is gone with the next call */
};

struct data_channel_event {
    enum data_channel_event_type type;
    struct data_channel *channel;
    bool text;           /* MESSAGE: UTF-8, else binary */
    const uint8_t *data; /* valid until the next call */
    size_t len;
    const char *reason; /* CLOSED: one line; NULL when it was closed in order */
};

struct data_channels *data_channels_create(const struct data_channels_config *config, struct error *error);
/* NULL is allowed. */
void data_channels_destroy(struct data_channels *channels);

/* DTLS stands. Its client takes even ids, its server odd ones (RFC 8832, section 6); `mtu`: of its payload. When no
 * association can be made, false and `error`: all channels end. */
bool data_channels_start(struct data_channels *channels, bool dtls_client, size_t mtu, nanos now, struct error *error);
bool data_channels_started(const struct data_channels *channels);

int data_channels_read(struct data_channels *channels, const uint8_t *data, size_t len, nanos now);
ssize_t data_channels_write(struct data_channels *channels, uint8_t *buf, size_t cap, nanos now);
nanos data_channels_deadline(const struct data_channels *channels);
bool data_channels_event(struct data_channels *channels, struct data_channel_event *event, nanos now);

/* While held back, no message is taken, and the peer waits once its window is full. */
void data_channels_hold(struct data_channels *channels, bool hold);
bool data_channels_held(const struct data_channels *channels);

/* Ends them all and says so; then drain data_channels_write a last time. */
void data_channels_abort(struct data_channels *channels, nanos now);

/* NULL and `error`: texts too long, too many channels, an id that is taken. */
struct data_channel *data_channel_open(struct data_channels *channels, const struct data_channel_config *config,
                                       nanos now, struct error *error);

/* Queues a message. False when it is longer than the peer takes, when too much waits, or the channel is closing. */
bool data_channel_send(struct data_channel *channel, bool text, const void *data, size_t len, nanos now);

/* Is a message of this length short enough for the peer? */
bool data_channel_takes(const struct data_channel *channel, size_t len);

/* Bytes of messages that SCTP hasn't taken yet; of each at least 64, since that is what it costs. */
size_t data_channel_buffered(const struct data_channel *channel);
/* DATA_CHANNEL_LOW comes when the buffered bytes fall from above this to it or below; never, before this is called. */
void data_channel_set_low(struct data_channel *channel, size_t bytes);

/* What was sent still arrives; then the event CLOSED. */
void data_channel_close(struct data_channel *channel, nanos now);

/* Closes at once for the owner: what waits is dropped. The event CLOSED comes all the same. */
void data_channel_drop(struct data_channel *channel, nanos now);

const char *data_channel_label(const struct data_channel *channel);
const char *data_channel_protocol(const struct data_channel *channel);
/* Its configuration; the id is −1 while it has none. The texts are the channel's. */
struct data_channel_config data_channel_configuration(const struct data_channel *channel);
int data_channel_id(const struct data_channel *channel);
void data_channel_set_user(struct data_channel *channel, void *user);
void *data_channel_user(const struct data_channel *channel);

#endif
