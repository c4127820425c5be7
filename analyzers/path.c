#include "analyzers/path.h"

#include <stdlib.h>
#include <string.h>

static uint32_t append(struct paths *paths, uint32_t flow, const struct address ends[2], uint8_t opener)
{
    if (paths->count == PATH_LIMIT)
        return PATH_NONE;
    if (paths->count == paths->cap) {
        uint32_t cap = paths->cap == 0 ? 64 : paths->cap * 2;
        struct path *grown = realloc(paths->paths, cap * sizeof *grown);
        if (grown == NULL)
            return PATH_NONE;
        paths->paths = grown;
        paths->cap = cap;
    }
    uint32_t number = paths->count++;
    paths->paths[number] = (struct path){
        .flow = flow,
        .opener = opener,
        .ends = {ends[0], ends[1]},
        .joined = number,
        .first_check = NANOS_NEVER,
        .first_success = NANOS_NEVER,
        .nominated = NANOS_NEVER,
        .first_media = NANOS_NEVER,
        .last_media = -1,
        .dtls = DTLS_OBSERVER_START,
        .handshake = PATH_NONE,
    };
    return number;
}

uint32_t paths_add_direct(struct paths *paths, uint32_t flow, const struct address ends[2], uint8_t opener)
{
    return append(paths, flow, ends, opener);
}

struct wrapped_key {
    const struct address *peer;
    uint32_t flow;
    uint16_t channel;
};

static uint64_t hash_wrapped_key(const struct wrapped_key *key)
{
    return table_mix(address_hash(key->peer) + (uint64_t)key->flow * 0x9e3779b97f4a7c15u + key->channel);
}

static struct wrapped_key wrapped_key_of(const struct path *path)
{
    return (struct wrapped_key){.peer = &path->ends[!path->client], .flow = path->flow, .channel = path->channel};
}

static uint64_t hash_wrapped(const void *owner, uint32_t number)
{
    struct wrapped_key key = wrapped_key_of(&((const struct paths *)owner)->paths[number]);
    return hash_wrapped_key(&key);
}

static bool same_wrapped(const void *owner, uint32_t number, const void *key)
{
    struct wrapped_key have = wrapped_key_of(&((const struct paths *)owner)->paths[number]);
    const struct wrapped_key *wanted = key;
    return have.flow == wanted->flow && have.channel == wanted->channel && address_equal(have.peer, wanted->peer);
}

uint32_t paths_get_wrapped(struct paths *paths, uint32_t flow, const struct address ends[2], uint8_t client,
                           const struct address *peer, uint16_t channel, uint8_t opener)
{
    struct wrapped_key key = {.peer = peer, .flow = flow, .channel = channel};
    uint64_t hash = hash_wrapped_key(&key);
    uint32_t found = table_find(&paths->wrapped, hash, same_wrapped, paths, &key);
    if (found != TABLE_NONE)
        return found;
    struct address both[2];
    both[client] = ends[client];
    both[!client] = *peer;
    uint32_t number = append(paths, flow, both, opener);
    if (number == PATH_NONE)
        return PATH_NONE;
    struct path *path = &paths->paths[number];
    path->wrapped = true;
    path->client = client;
    path->channel = channel;
    if (!table_add(&paths->wrapped, hash, number, hash_wrapped, paths)) {
        paths->count--;
        return PATH_NONE;
    }
    return number;
}

static uint64_t hash_channel_key(const struct channel_binding *key)
{
    return table_mix((uint64_t)key->flow << 16 | key->channel);
}

static uint64_t hash_channel(const void *owner, uint32_t number)
{
    return hash_channel_key(&((const struct paths *)owner)->bindings[number]);
}

static bool same_channel(const void *owner, uint32_t number, const void *key)
{
    const struct channel_binding *have = &((const struct paths *)owner)->bindings[number];
    const struct channel_binding *wanted = key;
    return have->flow == wanted->flow && have->channel == wanted->channel;
}

void paths_bind_channel(struct paths *paths, uint32_t flow, uint16_t channel, uint32_t path)
{
    if (path == PATH_NONE)
        return;
    struct channel_binding binding = {.flow = flow, .path = path, .channel = channel};
    uint64_t hash = hash_channel_key(&binding);
    uint32_t found = table_find(&paths->channels, hash, same_channel, paths, &binding);
    if (found != TABLE_NONE) {
        paths->bindings[found].path = path;
        return;
    }
    if (paths->binding_count == PATH_LIMIT)
        return;
    if (paths->binding_count == paths->binding_cap) {
        uint32_t cap = paths->binding_cap == 0 ? 64 : paths->binding_cap * 2;
        struct channel_binding *grown = realloc(paths->bindings, cap * sizeof *grown);
        if (grown == NULL)
            return;
        paths->bindings = grown;
        paths->binding_cap = cap;
    }
    paths->bindings[paths->binding_count] = binding;
    if (table_add(&paths->channels, hash, paths->binding_count, hash_channel, paths))
        paths->binding_count++;
}

uint32_t paths_find_channel(const struct paths *paths, uint32_t flow, uint16_t channel)
{
    struct channel_binding key = {.flow = flow, .channel = channel};
    uint32_t found = table_find(&paths->channels, hash_channel_key(&key), same_channel, paths, &key);
    return found == TABLE_NONE ? PATH_NONE : paths->bindings[found].path;
}

uint32_t paths_root(struct paths *paths, uint32_t path)
{
    while (paths->paths[path].joined != path) {
        uint32_t above = paths->paths[path].joined;
        paths->paths[path].joined = paths->paths[above].joined; /* halves the way for the next one */
        path = above;
    }
    return path;
}

void paths_join(struct paths *paths, uint32_t a, uint32_t b)
{
    a = paths_root(paths, a);
    b = paths_root(paths, b);
    uint32_t root = a < b ? a : b;
    uint32_t other = a < b ? b : a;
    paths->paths[other].joined = root;
    if (paths->paths[root].handshake == PATH_NONE)
        paths->paths[root].handshake = paths->paths[other].handshake;
}

void paths_note_handshake(struct paths *paths, uint32_t path)
{
    paths->paths[paths_root(paths, path)].handshake = path;
}

static uint64_t hash_bytes(const uint8_t *data, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ data[i]) * 0x100000001b3u;
    return table_mix(hash);
}

static uint64_t hash_name(const void *owner, uint32_t number)
{
    return ((const struct paths *)owner)->name_hashes[number];
}

static bool same_name(const void *owner, uint32_t number, const void *key)
{
    return hash_name(owner, number) == *(const uint64_t *)key;
}

bool paths_join_by_name(struct paths *paths, uint32_t path, const uint8_t *name, uint16_t len)
{
    const uint8_t *colon = len > 0 ? memchr(name, ':', len) : NULL;
    if (colon == NULL || colon == name || colon == name + len - 1)
        return false;
    /* The sum is the same for both orders of the halves. */
    uint64_t hash =
        table_mix(hash_bytes(name, (size_t)(colon - name)) + hash_bytes(colon + 1, len - 1 - (size_t)(colon - name)));
    uint32_t found = table_find(&paths->names, hash, same_name, paths, &hash);
    if (found != TABLE_NONE) {
        paths_join(paths, path, paths->name_paths[found]);
        return true;
    }
    if (paths->name_count == PATH_LIMIT)
        return true;
    if (paths->name_count == paths->name_cap) {
        uint32_t cap = paths->name_cap == 0 ? 64 : paths->name_cap * 2;
        uint64_t *hashes = realloc(paths->name_hashes, cap * sizeof *hashes);
        if (hashes != NULL)
            paths->name_hashes = hashes;
        uint32_t *numbers = realloc(paths->name_paths, cap * sizeof *numbers);
        if (numbers != NULL)
            paths->name_paths = numbers;
        if (hashes == NULL || numbers == NULL)
            return true;
        paths->name_cap = cap;
    }
    uint32_t number = paths->name_count;
    paths->name_hashes[number] = hash;
    paths->name_paths[number] = path;
    if (table_add(&paths->names, hash, number, hash_name, paths))
        paths->name_count++;
    return true;
}

void paths_clear(struct paths *paths)
{
    free(paths->paths);
    free(paths->bindings);
    free(paths->name_hashes);
    free(paths->name_paths);
    table_clear(&paths->wrapped);
    table_clear(&paths->channels);
    table_clear(&paths->names);
    *paths = (struct paths){0};
}
