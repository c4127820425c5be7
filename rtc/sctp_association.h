/* An SCTP association over DTLS (RFC 8261, with RFC 9260's protocol, RFC 3758's partial reliability and RFC 6525's
 * stream resets), as data channels use it (RFC 8831, section 6). usrsctp speaks the protocol; this is its engine shape:
 * packets go in and out, one packet to a DTLS record.
 *
 * Both sides start it at once, as browsers do (RFC 8831, section 6.1); SCTP makes one association of the two beginnings.
 * Ended is ended: what follows needs a new one. After each call that takes `now`, drain sctp_association_write and
 * sctp_association_event.
 *
 * An idle association sets no deadline: ICE's consent checks tell whether the peer lives, so there are no heartbeats of
 * ours. While data is under way it asks to be called every 10 ms, as usrsctp doesn't tell when its next timer is due. */
#ifndef CONFAB_RTC_SCTP_ASSOCIATION_H
#define CONFAB_RTC_SCTP_ASSOCIATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/nanos.h"

struct sctp_association;

enum {
    /* That either side can send on. RFC 8831, section 6.2, would like 65,535; each costs memory from the beginning. */
    SCTP_STREAMS = 64,
    SCTP_PORT_DEFAULT = 5000,
    /* The largest message that we take, and say so (a=max-message-size, RFC 8841, section 6). */
    SCTP_MESSAGE_MAX = 262144,
};

struct sctp_association_config {
    uint16_t local_port, remote_port; /* 0: SCTP_PORT_DEFAULT */
    uint16_t mtu;                     /* bytes of a packet at most, 524 and up */
    uint32_t message_max;             /* bytes of a message that we take; 0: SCTP_MESSAGE_MAX */
};

/* How much is done for a message that was lost (RFC 3758, RFC 7496). */
enum sctp_reliability {
    SCTP_RELIABLE,
    SCTP_MAX_RETRANSMITS, /* it is sent again so often */
    SCTP_MAX_LIFETIME,    /* for so many milliseconds */
};

struct sctp_message {
    uint16_t stream;
    uint32_t ppid; /* payload protocol identifier */
    bool unordered;
    uint8_t reliability; /* enum sctp_reliability */
    uint32_t limit;      /* times, or milliseconds */
};

enum sctp_association_event_type {
    SCTP_ASSOCIATION_UP,
    SCTP_ASSOCIATION_MESSAGE,
    SCTP_ASSOCIATION_RESET_IN,  /* the peer sends no more on `streams`: their numbers begin again */
    SCTP_ASSOCIATION_RESET_OUT, /* nor do we, as we asked; also when the peer denied it */
    SCTP_ASSOCIATION_DOWN,      /* the end; see reason */
};

struct sctp_association_event {
    enum sctp_association_event_type type;
    uint16_t stream; /* MESSAGE */
    uint32_t ppid;
    const uint8_t *data; /* valid until the next call, as are `streams` */
    size_t len;
    const uint16_t *streams; /* RESET_…; in the order of this machine's bytes */
    size_t stream_count;     /* 0: all of them */
    const char *reason;      /* DOWN: one line */
};

/* Starts at once. NULL and `error` for an MTU that is too small, or when out of memory. */
struct sctp_association *sctp_association_create(const struct sctp_association_config *config, nanos now,
                                                 struct error *error);

/* Without a word: see sctp_association_abort. NULL is allowed. */
void sctp_association_destroy(struct sctp_association *association);

/* A packet arrived. Always 0: whether it was any good only usrsctp knows. */
int sctp_association_read(struct sctp_association *association, const uint8_t *data, size_t len, nanos now);

/* The next packet to send, 0 when there is none; `cap` at least the MTU. */
ssize_t sctp_association_write(struct sctp_association *association, uint8_t *buf, size_t cap, nanos now);
nanos sctp_association_deadline(const struct sctp_association *association);
bool sctp_association_event(struct sctp_association *association, struct sctp_association_event *event);

/* While held back, no message is taken from the peer: it may send as much as our window has room for, then waits. */
void sctp_association_hold(struct sctp_association *association, bool hold);

/* Sends a message, `len` ≥ 1 bytes, or the rest of one of which a part was taken. How many bytes were taken: fewer than
 * `len` when the window or buffer is full, to be continued before any other message; -1: it can't be sent, because the
 * association is not up or the stream does not exist. */
ssize_t sctp_association_send(struct sctp_association *association, const struct sctp_message *message,
                              const uint8_t *data, size_t len, nanos now);

/* Ends what we send on a stream, once all of it has arrived (RFC 6525). False when the association isn't up. */
bool sctp_association_reset(struct sctp_association *association, uint16_t stream, nanos now);

/* Streams that we may send on; 0 until it is up. */
uint16_t sctp_association_streams(const struct sctp_association *association);

/* Ends it at once and says so; then drain sctp_association_write a last time. */
void sctp_association_abort(struct sctp_association *association, nanos now);

#endif
