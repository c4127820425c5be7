#include "analyzers/path_joiner.h"

#include <stdlib.h>

#define COPY_SHARE 2 /* one in two packets */
#define MOVED_OVERLAP NANOS_PER_S
#define MOVED_GAP (30 * NANOS_PER_S)
#define MOVED_SEQUENCE_BEHIND 100
#define MOVED_SEQUENCE_AHEAD 3000 /* RFC 3550, A.1: MAX_DROPOUT */

/* Numbers by keys of three parts. */
struct key {
    uint64_t a, b, c;
};

struct index {
    struct key *keys;
    uint32_t *values;
    uint32_t count;
    struct table table;
};

static bool index_create(struct index *index, size_t cap)
{
    *index = (struct index){
        .keys = calloc(cap + 1, sizeof *index->keys),
        .values = calloc(cap + 1, sizeof *index->values),
    };
    return index->keys != NULL && index->values != NULL;
}

static void index_clear(struct index *index)
{
    free(index->keys);
    free(index->values);
    table_clear(&index->table);
}

static uint64_t hash_key(const struct key *key) { return table_mix(table_mix(table_mix(key->a) + key->b) + key->c); }
static uint64_t hash_number(const void *owner, uint32_t number)
{
    return hash_key(&((const struct index *)owner)->keys[number]);
}
static bool same_key(const void *owner, uint32_t number, const void *key)
{
    const struct key *have = &((const struct index *)owner)->keys[number];
    const struct key *wanted = key;
    return have->a == wanted->a && have->b == wanted->b && have->c == wanted->c;
}

/* The value under this key, where it stays changeable; NULL when there was none, and now there is `value`. */
static uint32_t *index_put(struct index *index, const struct key *key, uint32_t value, bool *ok)
{
    uint64_t hash = hash_key(key);
    uint32_t found = table_find(&index->table, hash, same_key, index, key);
    if (found != TABLE_NONE)
        return &index->values[found];
    index->keys[index->count] = *key;
    index->values[index->count] = value;
    *ok = table_add(&index->table, hash, index->count, hash_number, index);
    index->count += *ok;
    return NULL;
}

static bool carries_something(const struct path *path)
{
    return path->streams > 0 || path->dtls.seen || path->rtcp_plain || path->rtcp_encrypted || path->checked[0] ||
           path->checked[1];
}

static uint32_t participant(struct observer *observer, const struct path *path, int end)
{
    uint32_t vantage = observer->flows.flows[path->flow].vantage;
    uint32_t entry = address_book_get(&observer->book, &path->ends[end], vantage);
    return entry == ADDRESS_BOOK_NONE ? ADDRESS_BOOK_NONE : address_book_root(&observer->book, entry);
}

/* Paths between the same two participants, as the address book knows them. */
static bool join_by_addresses(struct observer *observer)
{
    struct paths *paths = &observer->paths;
    struct index pairs;
    bool ok = index_create(&pairs, paths->count);
    for (uint32_t i = 0; ok && i < paths->count; i++) {
        const struct path *path = &paths->paths[i];
        if (!carries_something(path) || path->ends[0].family == ADDRESS_NONE || path->ends[1].family == ADDRESS_NONE)
            continue;
        uint32_t low = participant(observer, path, 0);
        uint32_t high = participant(observer, path, 1);
        if (low == ADDRESS_BOOK_NONE || high == ADDRESS_BOOK_NONE)
            continue;
        struct key key = {.a = low < high ? low : high, .b = low < high ? high : low};
        const uint32_t *other = index_put(&pairs, &key, i, &ok);
        if (other != NULL)
            paths_join(paths, i, *other);
    }
    index_clear(&pairs);
    return ok;
}

/* Paths that carried the very same RTP packets: the legs of a TURN relay, and one leg seen at two vantage points. Not
 * those on which a server that is itself an end of the connection sends packets on. */
static void join_by_copies(struct observer *observer)
{
    for (uint32_t i = 0; i < observer->streams.count; i++) {
        const struct media_stream *copy = &observer->streams.streams[i];
        if (copy->copy_of == MEDIA_STREAM_NONE || copy->copies * COPY_SHARE < copy->rtp.packets)
            continue;
        const struct media_stream *first = &observer->streams.streams[copy->copy_of];
        const struct path *a = &observer->paths.paths[copy->path];
        const struct path *b = &observer->paths.paths[first->path];
        bool same_vantage = observer->flows.flows[a->flow].vantage == observer->flows.flows[b->flow].vantage;
        bool same_target = address_equal(&a->ends[!copy->direction], &b->ends[!first->direction]);
        bool same_source = address_equal(&a->ends[copy->direction], &b->ends[first->direction]);
        if (same_vantage ? a->wrapped || b->wrapped : same_target || same_source)
            paths_join(&observer->paths, copy->path, first->path);
    }
}

/* Does the later stream go on where the earlier one stops? */
static bool goes_on(const struct rtp_stream *earlier, const struct rtp_stream *later)
{
    int step = (int16_t)(uint16_t)(later->lowest - earlier->highest);
    nanos gap = later->first_time - earlier->last_time;
    return step >= -MOVED_SEQUENCE_BEHIND && step <= MOVED_SEQUENCE_AHEAD && gap >= -MOVED_OVERLAP && gap <= MOVED_GAP;
}

/* A stream that moves from one path to another, as when a relayed call finds a direct way: same SSRC, same socket at one
 * end, sequence numbers that go on. With ICE the user names have told already which paths are one connection's. */
static void note_move(struct observer *observer, uint32_t before, uint32_t after)
{
    struct media_stream *earlier = &observer->streams.streams[before];
    struct media_stream *later = &observer->streams.streams[after];
    if (earlier->path == later->path || !goes_on(&earlier->rtp, &later->rtp))
        return;
    const struct path *a = &observer->paths.paths[earlier->path];
    const struct path *b = &observer->paths.paths[later->path];
    bool checked = a->checked[0] || a->checked[1] || b->checked[0] || b->checked[1];
    bool joined = paths_root(&observer->paths, earlier->path) == paths_root(&observer->paths, later->path);
    if (checked && !joined)
        return;
    paths_join(&observer->paths, earlier->path, later->path);
    later->moved_from = before;
}

static bool join_by_moves(struct observer *observer)
{
    const struct media_streams *streams = &observer->streams;
    struct index ends;
    bool ok = index_create(&ends, (size_t)streams->count * 2);
    for (uint32_t i = 0; ok && i < streams->count; i++) {
        const struct media_stream *stream = &streams->streams[i];
        const struct path *path = &observer->paths.paths[stream->path];
        for (int end = 0; ok && end < 2; end++) {
            bool sends = end == stream->direction;
            struct key key = {
                .a = (uint64_t)observer->flows.flows[path->flow].vantage << 1 | sends,
                .b = address_hash(&path->ends[end]),
                .c = stream->ssrc,
            };
            uint32_t *other = index_put(&ends, &key, i, &ok);
            if (other == NULL)
                continue;
            bool earlier = streams->streams[*other].rtp.first_time <= stream->rtp.first_time;
            note_move(observer, earlier ? *other : i, earlier ? i : *other);
            if (earlier)
                *other = i;
        }
    }
    index_clear(&ends);
    return ok;
}

bool path_joiner_run(struct observer *observer)
{
    join_by_copies(observer);
    return join_by_addresses(observer) && join_by_moves(observer);
}
