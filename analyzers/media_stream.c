#include "analyzers/media_stream.h"

#include <stdlib.h>

struct stream_key {
    uint32_t path;
    uint32_t ssrc;
    uint8_t direction;
};

static uint64_t hash_key(const struct stream_key *key)
{
    return table_mix(((uint64_t)key->path << 33 | (uint64_t)key->direction << 32 | key->ssrc) ^ 0x9e3779b97f4a7c15u);
}

static struct stream_key key_of(const struct media_stream *stream)
{
    return (struct stream_key){.path = stream->path, .ssrc = stream->ssrc, .direction = stream->direction};
}

static uint64_t hash_stream(const void *owner, uint32_t number)
{
    struct stream_key key = key_of(&((const struct media_streams *)owner)->streams[number]);
    return hash_key(&key);
}

static bool same_stream(const void *owner, uint32_t number, const void *key)
{
    const struct media_stream *have = &((const struct media_streams *)owner)->streams[number];
    const struct stream_key *wanted = key;
    return have->ssrc == wanted->ssrc && have->path == wanted->path && have->direction == wanted->direction;
}

uint32_t media_streams_find(const struct media_streams *streams, uint32_t path, uint8_t direction, uint32_t ssrc)
{
    struct stream_key key = {.path = path, .ssrc = ssrc, .direction = direction};
    return table_find(&streams->table, hash_key(&key), same_stream, streams, &key);
}

uint32_t media_streams_add(struct media_streams *streams, uint32_t path, uint8_t direction, uint32_t ssrc)
{
    if (streams->count == MEDIA_STREAM_LIMIT)
        return MEDIA_STREAM_NONE;
    if (streams->count == streams->cap) {
        uint32_t cap = streams->cap == 0 ? 16 : streams->cap * 2;
        struct media_stream *grown = realloc(streams->streams, cap * sizeof *grown);
        if (grown == NULL)
            return MEDIA_STREAM_NONE;
        streams->streams = grown;
        streams->cap = cap;
    }
    uint32_t number = streams->count;
    streams->streams[number] = (struct media_stream){
        .path = path,
        .ssrc = ssrc,
        .direction = direction,
        .copy_of = MEDIA_STREAM_NONE,
        .moved_from = MEDIA_STREAM_NONE,
        .repeats_of = MEDIA_STREAM_NONE,
    };
    struct stream_key key = {.path = path, .ssrc = ssrc, .direction = direction};
    if (!table_add(&streams->table, hash_key(&key), number, hash_stream, streams))
        return MEDIA_STREAM_NONE;
    streams->count++;
    return number;
}

void media_streams_clear(struct media_streams *streams)
{
    for (uint32_t i = 0; i < streams->count; i++)
        rtp_stream_clear(&streams->streams[i].rtp);
    free(streams->streams);
    table_clear(&streams->table);
    *streams = (struct media_streams){0};
}
