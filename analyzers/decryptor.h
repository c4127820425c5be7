/* Takes SRTP and SRTCP apart whose DTLS 1.2 handshake was seen and whose secret is in a key log: the keys are what RFC
 * 5764, section 4.2, exports from it. Each path has sessions of its own, so that the legs of a relay aren't replays of one
 * another. */
#ifndef CONFAB_ANALYZERS_DECRYPTOR_H
#define CONFAB_ANALYZERS_DECRYPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzers/keylog.h"
#include "analyzers/path.h"

#define DECRYPTOR_LIMIT 4096 /* paths */
#define DECRYPTOR_PACKET_MAX 65535

struct decryptor_counts {
    uint64_t paths; /* whose keys were found */
    uint64_t srtp;
    uint64_t srtcp;
    uint64_t failed; /* captured whole, and yet the tag is wrong */
};

struct decryptor;

/* The key log must outlive it. NULL when out of memory. */
struct decryptor *decryptor_create(const struct keylog *keylog);
void decryptor_destroy(struct decryptor *decryptor);

struct decryptor_counts decryptor_counts(const struct decryptor *decryptor);

/* The RTCP or RTP inside a packet that was captured whole, valid until the next call; NULL when its keys aren't known or it
 * fails. `len` is the packet's length and becomes that of what is inside. */
const uint8_t *decryptor_rtcp(struct decryptor *decryptor, struct paths *paths, uint32_t path, uint8_t direction,
                              const uint8_t *data, size_t *len);
const uint8_t *decryptor_rtp(struct decryptor *decryptor, struct paths *paths, uint32_t path, uint8_t direction,
                             const uint8_t *data, size_t *len);

#endif
