/* Big-endian (network order) integers in byte buffers, and two cursors that can't run past an end.
 *
 * A cursor that is asked for more than there is sets `failed` and from then on reads zeros or writes nothing, so a
 * parser may read a whole header and ask once whether all of it was there. */
#ifndef CONFAB_BASE_BYTES_H
#define CONFAB_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t bytes_get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline uint32_t bytes_get24(const uint8_t *p) { return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]; }
static inline uint32_t bytes_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint64_t bytes_get64(const uint8_t *p) { return (uint64_t)bytes_get32(p) << 32 | bytes_get32(p + 4); }

static inline void bytes_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void bytes_put24(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 16);
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)v;
}
static inline void bytes_put32(uint8_t *p, uint32_t v)
{
    bytes_put16(p, (uint16_t)(v >> 16));
    bytes_put16(p + 2, (uint16_t)v);
}
static inline void bytes_put64(uint8_t *p, uint64_t v)
{
    bytes_put32(p, (uint32_t)(v >> 32));
    bytes_put32(p + 4, (uint32_t)v);
}

struct reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static inline struct reader reader_of(const uint8_t *data, size_t len)
{
    return (struct reader){.at = data, .left = len, .failed = false};
}

/* The next `len` bytes, NULL (and `failed`) when there are fewer. */
static inline const uint8_t *reader_take(struct reader *r, size_t len)
{
    if (r->failed || r->left < len) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *taken = r->at;
    r->at += len;
    r->left -= len;
    return taken;
}
static inline uint8_t reader_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);
    return p ? p[0] : 0;
}
static inline uint16_t reader_u16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);
    return p ? bytes_get16(p) : 0;
}
static inline uint32_t reader_u24(struct reader *r)
{
    const uint8_t *p = reader_take(r, 3);
    return p ? bytes_get24(p) : 0;
}
static inline uint32_t reader_u32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    return p ? bytes_get32(p) : 0;
}
static inline uint64_t reader_u64(struct reader *r)
{
    const uint8_t *p = reader_take(r, 8);
    return p ? bytes_get64(p) : 0;
}

struct writer {
    uint8_t *start;
    size_t len; /* written so far */
    size_t cap;
    bool failed;
};

static inline struct writer writer_of(uint8_t *buf, size_t cap)
{
    return (struct writer){.start = buf, .len = 0, .cap = cap, .failed = false};
}

/* Room for `len` bytes, which then count as written; NULL (and `failed`) when there is less. */
static inline uint8_t *writer_room(struct writer *w, size_t len)
{
    if (w->failed || w->cap - w->len < len) {
        w->failed = true;
        return NULL;
    }
    uint8_t *room = w->start + w->len;
    w->len += len;
    return room;
}
static inline void writer_u8(struct writer *w, uint8_t v)
{
    uint8_t *p = writer_room(w, 1);
    if (p)
        *p = v;
}
static inline void writer_u16(struct writer *w, uint16_t v)
{
    uint8_t *p = writer_room(w, 2);
    if (p)
        bytes_put16(p, v);
}
static inline void writer_u24(struct writer *w, uint32_t v)
{
    uint8_t *p = writer_room(w, 3);
    if (p)
        bytes_put24(p, v);
}
static inline void writer_u32(struct writer *w, uint32_t v)
{
    uint8_t *p = writer_room(w, 4);
    if (p)
        bytes_put32(p, v);
}
static inline void writer_u64(struct writer *w, uint64_t v)
{
    uint8_t *p = writer_room(w, 8);
    if (p)
        bytes_put64(p, v);
}
static inline void writer_bytes(struct writer *w, const void *data, size_t len)
{
    uint8_t *p = writer_room(w, len);
    if (p && len > 0)
        memcpy(p, data, len);
}

#endif
