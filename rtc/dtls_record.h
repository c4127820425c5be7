/* The records of a DTLS 1.2 datagram (RFC 6347, section 4.1), looked at before the library sees them.
 *
 * Anyone on the path can send records that are invalid. RFC 6347, section 4.1.2.7, has them discarded silently; OpenSSL
 * ends the connection over some: over a sealed record too short for its tag (until 3.0.20), unknown content types,
 * application data in the clear, handshake fragments that contradict themselves.
 *
 *     0      1         3       5                 11       13
 *     | type | version | epoch | sequence number | length | fragment … */
#ifndef CONFAB_RTC_DTLS_RECORD_H
#define CONFAB_RTC_DTLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DTLS_RECORD_HEADER_LEN 13
#define DTLS_PLAINTEXT_MAX 16384 /* RFC 6347, section 4.1 */

struct dtls_record {
    const uint8_t *bytes; /* header included */
    size_t len;
    uint16_t epoch;
};

/* The record at the start of `data`, which it is taken off; false when there is no whole one. */
bool dtls_record_next(const uint8_t **data, size_t *len, struct dtls_record *record);

/* May it be handed on? `overhead` is what the cipher adds to each sealed fragment in bytes, 0 when no cipher is agreed
 * yet, and so nothing that is sealed can be of use. Nothing is said about tags, order or replay. */
bool dtls_record_is_sane(const struct dtls_record *record, size_t overhead);

#endif
