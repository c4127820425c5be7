/* What a participant says on the data channels of one call, and what it hears there: messages at a steady pace, and a
 * file. Two channels carry them, both reliable and in order; the offerer of the call opens them.
 *
 * A message tells who sent it, its number and when, so that whoever receives it, through an SFU or not, knows its time
 * under way and whether its bytes are right. A file goes in pieces, as fast as the channel takes them, and its SHA-256
 * last. */
#ifndef CONFAB_PEER_DATA_EXCHANGE_H
#define CONFAB_PEER_DATA_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "peer/media_plan.h"
#include "rtc/connection.h"

/* The channels' labels. */
#define DATA_MESSAGES_LABEL "confab-messages"
#define DATA_FILE_LABEL "confab-file"

enum {
    DATA_HEADER_LEN = 32, /* of a message: it can't be shorter */
    DATA_MESSAGE_MAX = 65536,
};

enum data_report_type {
    DATA_REPORT_MESSAGE_SENT,
    DATA_REPORT_MESSAGE,   /* received; latency */
    DATA_REPORT_FILE_SENT, /* its first piece */
    DATA_REPORT_FILE,      /* received whole; latency since its sender began */
    DATA_REPORT_CLOSED,    /* a channel, not by us; reason, or NULL */
};

struct data_report {
    enum data_report_type type;
    uint32_t sender; /* its number in the room */
    size_t bytes;    /* of the message or file */
    bool intact;     /* its bytes are those that were sent */
    nanos latency;   /* one way; the clocks of both ends must be one */
    const char *reason;
};

struct data_exchange;

struct data_exchange_config {
    struct connection *connection; /* with data channels enabled */
    const struct data_plan *plan;  /* must outlive the exchange */
    uint32_t number;               /* our own in the room */
    bool opens;                    /* the channels */
    uint64_t seed;
    void (*report)(void *user, const struct data_report *report, nanos now);
    void *user;
};

/* NULL when out of memory. */
struct data_exchange *data_exchange_create(const struct data_exchange_config *config, nanos now);
/* NULL is allowed. */
void data_exchange_destroy(struct data_exchange *exchange);

/* An event of the connection's data channels. */
void data_exchange_event(struct data_exchange *exchange, const struct data_channel_event *event, nanos now);

/* Sends what is due. */
void data_exchange_run(struct data_exchange *exchange, nanos now);
nanos data_exchange_deadline(const struct data_exchange *exchange);

#endif
