/* TURN on a byte stream: STUN messages and ChannelData messages one after the other, told apart and measured by their
 * own first four bytes (RFC 8656, sections 3.5, 12.4 and 12.5; RFC 8489, section 6.2.2). Bytes go in as they arrive, in
 * pieces of any size; whole messages come out. */
#ifndef CONFAB_RTC_TURN_FRAMING_H
#define CONFAB_RTC_TURN_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TURN_CHANNEL_HEADER_LEN 4 /* RFC 8656, section 12.4 */
#define TURN_CHANNEL_MIN 0x4000   /* section 12 */
#define TURN_CHANNEL_MAX 0x4fff
#define TURN_CHANNEL_MAX_RFC5766 0x7fff /* RFC 5766, section 11: before DTLS shared the port */

/* Begins as all zeros, but for `channel_max`. Holds what has not been taken: less than one message (of at most 65,555 bytes) and the piece
 * that was added last. */
struct turn_framing {
    uint8_t *bytes;
    size_t head;
    size_t tail;
    size_t cap;
    uint16_t channel_max; /* the owner's to set; 0: TURN_CHANNEL_MAX */
};

void turn_framing_clear(struct turn_framing *framing);

/* Room for `len` more bytes behind those there are, of which turn_framing_added then says how many were filled; NULL
 * when memory is out. Messages taken before are gone. */
uint8_t *turn_framing_room(struct turn_framing *framing, size_t len);
void turn_framing_added(struct turn_framing *framing, size_t len);

/* Both in one, with a copy. */
bool turn_framing_add(struct turn_framing *framing, const uint8_t *data, size_t len);

/* Takes the next whole message. 1: `message` is a STUN message, or a ChannelData message without its padding, valid
 * until the next room or add; 0: more bytes are needed; -1: what comes next is neither, so the stream is lost. */
int turn_framing_next(struct turn_framing *framing, const uint8_t **message, size_t *len);

/* How long a ChannelData message with `len` bytes of data is on a stream: header and padding included. */
static inline size_t turn_channel_padded_len(size_t len) { return TURN_CHANNEL_HEADER_LEN + ((len + 3) & ~(size_t)3); }

#endif
