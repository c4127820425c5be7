/* TCP connections of participants whom UDP doesn't reach: ICE-TCP, passive (RFC 6544). Each carries datagrams, framed as
 * RFC 4571 has it, and to everyone else is no more than an address, whose `tcp` is set.
 *
 *     accepted --- STUN check that belongs to somebody ---> known --- his connection ends ---> closed
 *        |                                                    |
 *        15 s; a thousand at a time, the oldest makes room     as long as the participant has that address */
#ifndef CONFAB_SFU_SFU_STREAM_H
#define CONFAB_SFU_SFU_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/nanos.h"

struct sfu;
struct sfu_streams;
struct world_tcp;

enum {
    SFU_STREAMS_MAX = 10000,
    SFU_STREAMS_UNKNOWN_MAX = 1000,
    SFU_STREAM_TIMEOUT_S = 15,          /* of who doesn't say who he is */
    SFU_STREAM_WAITING_MAX = 96 * 1024, /* while more bytes wait than this, datagrams are dropped */
};

/* NULL when out of memory. */
struct sfu_streams *sfu_streams_create(struct sfu *sfu);
/* Closes all. NULL is allowed. */
void sfu_streams_destroy(struct sfu_streams *streams);

/* A connection was accepted; it is the SFU's from now on. */
void sfu_streams_accept(struct sfu_streams *streams, struct world_tcp *tcp, nanos now);

/* It belongs to a participant: that is known. */
void sfu_streams_know(struct sfu_streams *streams, const struct address *remote);

void sfu_streams_send(struct sfu_streams *streams, const struct address *remote, const uint8_t *data, size_t len);
void sfu_streams_close(struct sfu_streams *streams, const struct address *remote);

size_t sfu_streams_count(const struct sfu_streams *streams);

#endif
