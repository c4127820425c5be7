/* The Data Channel Establishment Protocol (RFC 8832): the two messages that open a channel on a pair of SCTP streams. */
#ifndef CONFAB_RTC_DCEP_H
#define CONFAB_RTC_DCEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* SCTP's payload protocol identifiers for data channels (RFC 8831, section 8). The empty ones carry one byte, as SCTP
 * has no empty messages. 52 and 54, pieces of long messages, are deprecated there; nobody sends them any more. */
enum data_channel_ppid {
    PPID_DCEP = 50,
    PPID_TEXT = 51,
    PPID_BINARY = 53,
    PPID_TEXT_EMPTY = 56,
    PPID_BINARY_EMPTY = 57,
};

/* Of a channel's label and protocol together, in bytes: more than anyone uses, less than does harm. */
enum { DCEP_TEXT_MAX = 1024, DCEP_OPEN_MAX = 12 + DCEP_TEXT_MAX };

/* Priorities that have a name in WebRTC (RFC 8831, section 6.4). */
enum { DCEP_PRIORITY_LOW = 128, DCEP_PRIORITY_NORMAL = 256, DCEP_PRIORITY_HIGH = 512 };

/* DATA_CHANNEL_OPEN. The texts are not terminated, and may hold anything. */
struct dcep_open {
    bool unordered;
    uint8_t reliability; /* enum sctp_reliability */
    uint32_t limit;      /* retransmissions, or milliseconds */
    uint16_t priority;
    const char *label, *protocol;
    size_t label_len, protocol_len;
};

/* Reads one; its texts are in `data`. False and `error` when it isn't one, or longer than DCEP_OPEN_MAX. */
bool dcep_read_open(struct dcep_open *open, const uint8_t *data, size_t len, struct error *error);

/* Its length; 0 when the texts are too long. */
size_t dcep_write_open(const struct dcep_open *open, uint8_t buf[DCEP_OPEN_MAX]);

/* DATA_CHANNEL_ACK is this one byte (RFC 8832, section 5.2). */
enum { DCEP_ACK = 0x02 };

#endif
