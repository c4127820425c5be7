#include "rtc/retransmission.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define CAP_FIRST 8192
#define INDEX_FIRST 32
#define INDEX_MAX 32768

/* --- buffer ---
 *
 * Records lie one behind the other, four bytes aligned. One that doesn't fit before the end of the ring starts over at
 * 0; a filler marks the place, if there is room for a header. Every entry of the index is a record that is there. */
struct record {
    uint32_t at_ms;
    uint16_t len; /* 0: a filler, the next record is at 0 */
    uint16_t sequence;
};

void retransmission_buffer_init(struct retransmission_buffer *buffer, nanos window_max, size_t bytes_max)
{
    *buffer = (struct retransmission_buffer){
        .window = window_max, .window_max = window_max, .bytes_max = bytes_max & ~(size_t)3};
}

void retransmission_buffer_set_rtt(struct retransmission_buffer *buffer, nanos rtt)
{
    nanos window = RETRANSMISSION_WINDOW_MIN + RETRANSMISSION_ROUND_TRIPS * rtt;
    buffer->window = window < buffer->window_max ? window : buffer->window_max;
}

void retransmission_buffer_clear(struct retransmission_buffer *buffer)
{
    free(buffer->bytes);
    free(buffer->index);
    retransmission_buffer_init(buffer, buffer->window_max, buffer->bytes_max);
}

static size_t record_size(size_t len) { return sizeof(struct record) + ((len + 3) & ~(size_t)3); }

static struct record record_at(const struct retransmission_buffer *buffer, size_t at)
{
    struct record record;
    memcpy(&record, buffer->bytes + at, sizeof record);
    return record;
}

static void put_record(struct retransmission_buffer *buffer, size_t at, struct record record)
{
    memcpy(buffer->bytes + at, &record, sizeof record);
}

static uint32_t *index_of(const struct retransmission_buffer *buffer, uint16_t sequence)
{
    return &buffer->index[sequence & (buffer->index_size - 1)];
}

/* Where the oldest record is; there has to be one. */
static size_t oldest_at(struct retransmission_buffer *buffer)
{
    if (buffer->cap - buffer->head < sizeof(struct record) || record_at(buffer, buffer->head).len == 0)
        buffer->head = 0;
    return buffer->head;
}

static void drop_oldest(struct retransmission_buffer *buffer)
{
    size_t at = oldest_at(buffer);
    struct record record = record_at(buffer, at);
    uint32_t *entry = index_of(buffer, record.sequence);
    if (*entry == at + 1)
        *entry = 0;
    buffer->head += record_size(record.len);
    buffer->used -= record_size(record.len);
    if (--buffer->count == 0)
        buffer->head = buffer->tail = 0;
}

/* Where a record of `size` bytes would go without overwriting one; SIZE_MAX when nowhere. */
static size_t place_for(const struct retransmission_buffer *buffer, size_t size)
{
    bool wrapped = buffer->count > 0 && buffer->tail <= buffer->head;
    if (wrapped)
        return size <= buffer->head - buffer->tail ? buffer->tail : SIZE_MAX;
    if (size <= buffer->cap - buffer->tail)
        return buffer->tail;
    return size <= buffer->head ? 0 : SIZE_MAX;
}

static void append(struct retransmission_buffer *buffer, size_t at, struct record record, const uint8_t *data)
{
    if (at != buffer->tail && buffer->cap - buffer->tail >= sizeof record)
        put_record(buffer, buffer->tail, (struct record){.len = 0});
    put_record(buffer, at, record);
    memcpy(buffer->bytes + at + sizeof record, data, record.len);
    *index_of(buffer, record.sequence) = (uint32_t)at + 1;
    buffer->tail = at + record_size(record.len);
    buffer->used += record_size(record.len);
    buffer->count++;
}

/* Moves everything into a ring and an index of other sizes; when memory is out, all stays as it is. */
static void resize(struct retransmission_buffer *buffer, size_t cap, size_t index_size)
{
    struct retransmission_buffer resized = {.window = buffer->window,
                                            .window_max = buffer->window_max,
                                            .bytes_max = buffer->bytes_max,
                                            .bytes = malloc(cap),
                                            .cap = cap,
                                            .index = calloc(index_size, sizeof *buffer->index),
                                            .index_size = index_size};
    if (resized.bytes == NULL || resized.index == NULL) {
        free(resized.bytes);
        free(resized.index);
        return;
    }
    while (buffer->count > 0) {
        size_t at = oldest_at(buffer);
        append(&resized, resized.tail, record_at(buffer, at), buffer->bytes + at + sizeof(struct record));
        drop_oldest(buffer);
    }
    struct retransmission_buffer old = *buffer;
    *buffer = resized;
    free(old.bytes);
    free(old.index);
}

static bool is_old(const struct retransmission_buffer *buffer, struct record record, uint32_t now_ms)
{
    return now_ms - record.at_ms > (uint32_t)(buffer->window / NANOS_PER_MS);
}

/* Fits the memory to what is stored, with `size` bytes more to come. */
static void make_room(struct retransmission_buffer *buffer, size_t size)
{
    size_t index_size = buffer->index_size > 0 ? buffer->index_size : INDEX_FIRST;
    if ((buffer->count + 1) * 4 > index_size * 3 && index_size < INDEX_MAX)
        index_size *= 2; /* a stream with gaps needs more places than it has packets */
    size_t cap = buffer->cap;
    if (buffer->used + size < cap - cap / 3 && cap > CAP_FIRST) {
        cap = (cap - cap / 6) & ~(size_t)3;
        index_size = index_size > INDEX_FIRST && buffer->count * 4 < index_size ? index_size / 2 : index_size;
    } else if (place_for(buffer, size) == SIZE_MAX && cap < buffer->bytes_max) {
        size_t grown = cap + cap / 4 > CAP_FIRST ? (cap + cap / 8) & ~(size_t)3 : CAP_FIRST;
        cap = grown < buffer->used + size ? buffer->used + size : grown;
        cap = cap < buffer->bytes_max ? cap : buffer->bytes_max;
    }
    if (cap != buffer->cap || index_size != buffer->index_size)
        resize(buffer, cap, index_size);
}

bool retransmission_buffer_store(struct retransmission_buffer *buffer, const uint8_t *data, size_t len, nanos now)
{
    uint32_t now_ms = (uint32_t)(now / NANOS_PER_MS);
    size_t size = record_size(len);
    if (len < 4 || len > UINT16_MAX || size > buffer->bytes_max)
        return false;
    while (buffer->count > 0 && is_old(buffer, record_at(buffer, oldest_at(buffer)), now_ms))
        drop_oldest(buffer);
    make_room(buffer, size); /* without memory for more, older packets go */
    size_t at;
    while ((at = place_for(buffer, size)) == SIZE_MAX && buffer->count > 0)
        drop_oldest(buffer);
    if (at == SIZE_MAX)
        return false;
    append(buffer, at, (struct record){.at_ms = now_ms, .len = (uint16_t)len, .sequence = bytes_get16(data + 2)}, data);
    return true;
}

const uint8_t *retransmission_buffer_find(const struct retransmission_buffer *buffer, uint16_t sequence, nanos now,
                                          size_t *len)
{
    uint32_t at = buffer->count > 0 ? *index_of(buffer, sequence) : 0;
    if (at == 0)
        return NULL;
    struct record record = record_at(buffer, at - 1);
    if (record.sequence != sequence || is_old(buffer, record, (uint32_t)(now / NANOS_PER_MS)))
        return NULL;
    *len = record.len;
    return buffer->bytes + at - 1 + sizeof record;
}

/* --- guard --- */

#define BITS_PER_BYTE 8

void retransmission_guard_init(struct retransmission_guard *guard, int64_t rate_bps, int64_t burst_bytes, nanos now)
{
    *guard = (struct retransmission_guard){
        .rate_bps = rate_bps, .burst_bytes = burst_bytes, .budget_bytes = (double)burst_bytes, .refilled = now};
}

static void refill(struct retransmission_guard *guard, nanos now)
{
    guard->budget_bytes += (double)guard->rate_bps / BITS_PER_BYTE * nanos_to_s(now - guard->refilled);
    if (guard->budget_bytes > (double)guard->burst_bytes)
        guard->budget_bytes = (double)guard->burst_bytes;
    guard->refilled = now;
}

void retransmission_guard_set_rate(struct retransmission_guard *guard, int64_t rate_bps, nanos now)
{
    refill(guard, now);
    guard->rate_bps = rate_bps;
}

bool retransmission_guard_allow(struct retransmission_guard *guard, uint16_t sequence, size_t size, nanos rtt,
                                nanos now)
{
    struct retransmission_repeated *repeated = &guard->repeated[sequence % RETRANSMISSION_GUARD_SLOTS];
    uint32_t ticks = (uint32_t)(now / RETRANSMISSION_TICK);
    if (repeated->used && repeated->sequence == sequence &&
        ticks - repeated->at < (uint64_t)(rtt / RETRANSMISSION_TICK))
        return false;
    refill(guard, now);
    if (guard->budget_bytes < (double)size)
        return false;
    guard->budget_bytes -= (double)size;
    *repeated = (struct retransmission_repeated){.at = ticks, .sequence = sequence, .used = true};
    return true;
}
