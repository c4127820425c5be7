#include "base/message_queue.h"

#include <stdlib.h>
#include <string.h>

#define REVIEW 256 /* the queue's memory is looked at when it has been emptied so often */

struct header {
    struct message_tag tag;
    size_t len;
};

static size_t stored_len(size_t len) { return sizeof(struct header) + ((len + 7) & ~(size_t)7); }

void message_queue_clear(struct message_queue *queue)
{
    free(queue->bytes);
    size_t limit = queue->limit;
    memset(queue, 0, sizeof *queue);
    queue->limit = limit;
}

static bool make_room(struct message_queue *queue, size_t needed)
{
    if (queue->cap - queue->tail >= needed)
        return true;
    size_t used = queue->tail - queue->head;
    if (queue->head > 0) {
        memmove(queue->bytes, queue->bytes + queue->head, used);
        queue->head = 0;
        queue->tail = used;
    }
    if (queue->cap - used >= needed)
        return true;
    size_t cap = queue->cap == 0 ? 256 : queue->cap;
    while (cap - used < needed)
        cap *= 2;
    uint8_t *bytes = realloc(queue->bytes, cap);
    if (bytes == NULL)
        return false;
    queue->bytes = bytes;
    queue->cap = cap;
    return true;
}

/* A burst long ago is no reason to hold its memory. */
static void shrink(struct message_queue *queue)
{
    uint8_t *bytes = queue->cap >= 4 * queue->peak ? realloc(queue->bytes, queue->peak) : NULL;
    if (bytes != NULL) {
        queue->bytes = bytes;
        queue->cap = queue->peak;
    }
    queue->peak = 0;
    queue->emptied = 0;
}

uint8_t *message_queue_room(struct message_queue *queue, const struct message_tag *tag, size_t len)
{
    size_t needed = stored_len(len);
    if (queue->limit != 0 && queue->tail - queue->head + needed > queue->limit)
        return NULL;
    if (queue->emptied >= REVIEW && queue->count == 0)
        shrink(queue);
    if (!make_room(queue, needed))
        return NULL;
    struct header header = {.tag = *tag, .len = len};
    memcpy(queue->bytes + queue->tail, &header, sizeof header);
    uint8_t *room = queue->bytes + queue->tail + sizeof header;
    queue->tail += needed;
    queue->count++;
    return room;
}

bool message_queue_push(struct message_queue *queue, const struct message_tag *tag, const void *data, size_t len)
{
    uint8_t *room = message_queue_room(queue, tag, len);
    if (room == NULL)
        return false;
    if (len > 0)
        memcpy(room, data, len);
    return true;
}

const uint8_t *message_queue_first(const struct message_queue *queue, struct message_tag *tag, size_t *len)
{
    if (queue->count == 0)
        return NULL;
    struct header header;
    memcpy(&header, queue->bytes + queue->head, sizeof header);
    if (tag != NULL)
        *tag = header.tag;
    *len = header.len;
    return queue->bytes + queue->head + sizeof header;
}

void message_queue_drop_first(struct message_queue *queue)
{
    if (queue->count == 0)
        return;
    struct header header;
    memcpy(&header, queue->bytes + queue->head, sizeof header);
    queue->head += stored_len(header.len);
    if (--queue->count > 0)
        return;
    queue->peak = queue->tail > queue->peak ? queue->tail : queue->peak;
    queue->head = queue->tail = 0;
    queue->emptied++;
}
