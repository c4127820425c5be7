/* First in, first out: byte strings of any length with a small tag each, in one buffer that grows to what is in flight
 * at most, is reused, and shrinks when that was long ago. Engines keep what they have yet to send in one. */
#ifndef CONFAB_BASE_MESSAGE_QUEUE_H
#define CONFAB_BASE_MESSAGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct message_tag {
    struct address remote; /* where to or from, if that matters to the owner */
    uint32_t channel;      /* the owner's own number: which socket, which candidate */
    uint32_t kind;         /* the owner's own */
};

struct message_queue {
    uint8_t *bytes;
    size_t head; /* of the oldest message */
    size_t tail; /* behind the newest */
    size_t cap;
    size_t count;
    size_t limit;     /* at most this many bytes, headers included; 0 for no limit */
    size_t peak;      /* the most that was in it lately */
    uint32_t emptied; /* so many times since then */
};

void message_queue_clear(struct message_queue *queue);

/* Room for a message of `len` bytes at the end, to be filled before the next call. NULL when out of memory or past the
 * limit: then nothing was added. */
uint8_t *message_queue_room(struct message_queue *queue, const struct message_tag *tag, size_t len);

/* Copies a message in. False as above. */
bool message_queue_push(struct message_queue *queue, const struct message_tag *tag, const void *data, size_t len);

/* The oldest message, which stays there, valid until the next push; NULL when there is none. `tag` may be NULL. */
const uint8_t *message_queue_first(const struct message_queue *queue, struct message_tag *tag, size_t *len);

void message_queue_drop_first(struct message_queue *queue);

#endif
