/* Datagrams on a TCP connection, as ICE-TCP has them (RFC 6544, section 3; RFC 4571): each has its length before it.
 * Bytes go in as they arrive, in pieces of any size; whole datagrams come out. */
#ifndef CONFAB_RTC_TCP_FRAMING_H
#define CONFAB_RTC_TCP_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define TCP_FRAME_HEADER_LEN 2 /* RFC 4571, section 2 */
#define TCP_FRAME_MAX 2048     /* what is longer would not fit into any datagram of WebRTC's: the stream is lost */

/* Begins as all zeros. Holds what has not been taken: less than one datagram, and the piece that was added last. */
struct tcp_framing {
    uint8_t *bytes;
    size_t head;
    size_t tail;
    size_t cap;
};

void tcp_framing_clear(struct tcp_framing *framing);

/* Adds a piece; datagrams taken before are gone. False when memory is out. */
bool tcp_framing_add(struct tcp_framing *framing, const uint8_t *data, size_t len);

/* Takes the next whole datagram. 1: `frame`, which may be changed in place, is valid until the next add; 0: more bytes
 * are needed; −1: it is longer than TCP_FRAME_MAX. */
int tcp_framing_next(struct tcp_framing *framing, uint8_t **frame, size_t *len);

/* What goes before `len` bytes of datagram. */
static inline void tcp_framing_header(uint8_t header[TCP_FRAME_HEADER_LEN], size_t len)
{
    bytes_put16(header, (uint16_t)len);
}

#endif
