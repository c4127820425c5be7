#include "rtc/tcp_framing.h"

#include <stdlib.h>
#include <string.h>

/* An empty buffer larger than this is given back, since most streams carry packets one at a time. */
enum { KEPT_CAP = 4096, CAP_MIN = 512 };

void tcp_framing_clear(struct tcp_framing *framing)
{
    free(framing->bytes);
    *framing = (struct tcp_framing){0};
}

bool tcp_framing_add(struct tcp_framing *framing, const uint8_t *data, size_t len)
{
    size_t used = framing->tail - framing->head;
    if (used == 0 && framing->cap > KEPT_CAP)
        tcp_framing_clear(framing);
    if (used > 0 && framing->head > 0)
        memmove(framing->bytes, framing->bytes + framing->head, used);
    framing->head = 0;
    framing->tail = used;
    if (framing->cap - used < len) {
        size_t cap = framing->cap == 0 ? CAP_MIN : framing->cap;
        while (cap - used < len)
            cap *= 2;
        uint8_t *bytes = realloc(framing->bytes, cap);
        if (bytes == NULL)
            return false;
        framing->bytes = bytes;
        framing->cap = cap;
    }
    if (len > 0)
        memcpy(framing->bytes + used, data, len);
    framing->tail += len;
    return true;
}

/*  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |            LENGTH             |  STUN, DTLS or SRTP packet ...
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
int tcp_framing_next(struct tcp_framing *framing, uint8_t **frame, size_t *len)
{
    size_t have = framing->tail - framing->head;
    if (have < TCP_FRAME_HEADER_LEN)
        return 0;
    uint8_t *start = framing->bytes + framing->head;
    size_t body = bytes_get16(start);
    if (body > TCP_FRAME_MAX)
        return -1;
    if (have < TCP_FRAME_HEADER_LEN + body)
        return 0;
    framing->head += TCP_FRAME_HEADER_LEN + body;
    *frame = start + TCP_FRAME_HEADER_LEN;
    *len = body;
    return 1;
}
