/* What an onlooker learns of a DTLS handshake (RFC 6347, RFC 9147) from what is sent in the clear: when it began and
 * ended, the version, and the SRTP profile that DTLS 1.2's ServerHello names (RFC 5764, section 4.1.1; DTLS 1.3
 * encrypts it). */
#ifndef CONFAB_ANALYZERS_DTLS_OBSERVER_H
#define CONFAB_ANALYZERS_DTLS_OBSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

enum dtls_version {
    DTLS_VERSION_UNKNOWN = 0,
    DTLS_VERSION_1_0 = 0xfeff,
    DTLS_VERSION_1_2 = 0xfefd,
    DTLS_VERSION_1_3 = 0xfefc,
};

struct dtls_observer {
    bool seen;         /* any DTLS record */
    bool server_hello; /* the handshake got as far as an answer */
    uint16_t version;  /* enum dtls_version, as the ServerHello selects it */
    uint16_t cipher_suite;
    uint8_t client_random[32]; /* of the hellos */
    uint8_t server_random[32];
    uint16_t srtp_profile; /* the number of RFC 5764, section 4.1.2; 0 when unknown */
    nanos first_hello;     /* the first ClientHello; NANOS_NEVER before it */
    nanos finished[2];     /* the first encrypted handshake record of each direction */
};

#define DTLS_OBSERVER_START                                                                                            \
    (struct dtls_observer)                                                                                             \
    {                                                                                                                  \
        .first_hello = NANOS_NEVER, .finished = { NANOS_NEVER, NANOS_NEVER }                                           \
    }

/* Looks at a datagram from `direction` (0 or 1), of which `captured` bytes of `len` are at hand. False, nothing noted,
 * when it isn't DTLS. */
bool dtls_observer_read(struct dtls_observer *observer, uint8_t direction, const uint8_t *data, size_t captured,
                        size_t len, nanos now);

/* When both sides had sent their last flight; NANOS_NEVER before. */
nanos dtls_observer_completed(const struct dtls_observer *observer);

#endif
