#include "rtc/turn_framing.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "rtc/stun.h"

/* An empty buffer larger than this is given back, since most streams carry packets one at a time. */
enum { KEPT_CAP = 4096 };

void turn_framing_clear(struct turn_framing *framing)
{
    free(framing->bytes);
    *framing = (struct turn_framing){.channel_max = framing->channel_max};
}

uint8_t *turn_framing_room(struct turn_framing *framing, size_t len)
{
    size_t used = framing->tail - framing->head;
    if (framing->head > 0) {
        memmove(framing->bytes, framing->bytes + framing->head, used);
        framing->head = 0;
        framing->tail = used;
    }
    if (used == 0 && framing->cap > KEPT_CAP)
        turn_framing_clear(framing);
    if (framing->bytes == NULL || framing->cap - used < len) {
        size_t cap = framing->cap == 0 ? 512 : framing->cap;
        while (cap - used < len)
            cap *= 2;
        uint8_t *bytes = realloc(framing->bytes, cap);
        if (bytes == NULL)
            return NULL;
        framing->bytes = bytes;
        framing->cap = cap;
    }
    return framing->bytes + framing->tail;
}

void turn_framing_added(struct turn_framing *framing, size_t len) { framing->tail += len; }

bool turn_framing_add(struct turn_framing *framing, const uint8_t *data, size_t len)
{
    uint8_t *room = turn_framing_room(framing, len);
    if (room == NULL)
        return false;
    if (len > 0)
        memcpy(room, data, len);
    turn_framing_added(framing, len);
    return true;
}

/*  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |0 0|     STUN Message Type     |  Length, without the header   |   a multiple of 4
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |0 1 0 0    Channel Number      | Length, without the header    |   padded to a multiple of 4
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
int turn_framing_next(struct turn_framing *framing, const uint8_t **message, size_t *len)
{
    size_t have = framing->tail - framing->head;
    if (have < TURN_CHANNEL_HEADER_LEN)
        return 0;
    const uint8_t *start = framing->bytes + framing->head;
    uint16_t channel_max = framing->channel_max != 0 ? framing->channel_max : TURN_CHANNEL_MAX;
    uint16_t type = bytes_get16(start);
    size_t body = bytes_get16(start + 2);
    size_t whole;
    size_t total;
    if (type < 0x4000) {
        if (body % 4 != 0 || (have >= 8 && bytes_get32(start + 4) != STUN_MAGIC_COOKIE))
            return -1;
        whole = total = STUN_HEADER_LEN + body;
    } else if (type <= channel_max) {
        whole = TURN_CHANNEL_HEADER_LEN + body;
        total = turn_channel_padded_len(body);
    } else {
        return -1;
    }
    if (have < total)
        return 0;
    framing->head += total;
    *message = start;
    *len = whole;
    return 1;
}
