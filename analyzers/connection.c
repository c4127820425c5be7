#include "analyzers/connection.h"

#include <math.h>
#include <stdlib.h>

#include "rtc/stun.h"

/* A relayed leg that was used until this close to the end is the way the connection took. */
#define SELECTED_SPAN NANOS_PER_S

/* What is known of the paths of one connection while it is put together. */
struct gathering {
    uint32_t first_path; /* by time */
    nanos first;
    nanos first_check, nominated, first_success, first_media, last_media, relay_last;
    nanos first_hello, dtls_completed;
    bool checked_by_a, checked_by_b;
    bool relay_nominated;
    uint8_t relay_transport;
    uint64_t rtp_packets;
    uint16_t dtls_version, srtp_profile;
    bool connected;
};

struct gatherer {
    struct observer *observer;
    uint8_t *tls_servers; /* for each flow: 1 when it is TLS to a TURN server */
};

/* --- which paths belong together --------------------------------------------------------------------------------------- */

struct pair_key {
    uint32_t low, high; /* roots in the address book */
};

struct pairs {
    struct pair_key *keys;
    uint32_t *paths;
    uint32_t count;
    struct table table;
};

static uint64_t hash_pair_key(const struct pair_key *key) { return table_mix((uint64_t)key->low << 32 | key->high); }
static uint64_t hash_pair(const void *owner, uint32_t number)
{
    return hash_pair_key(&((const struct pairs *)owner)->keys[number]);
}
static bool same_pair(const void *owner, uint32_t number, const void *key)
{
    const struct pair_key *have = &((const struct pairs *)owner)->keys[number];
    const struct pair_key *wanted = key;
    return have->low == wanted->low && have->high == wanted->high;
}

static bool carries_something(const struct path *path)
{
    return path->streams > 0 || path->dtls.seen || path->rtcp_plain || path->rtcp_encrypted;
}

/* Paths between the same two participants, as the address book knows them. Paths with connectivity checks have their
 * user names for that, which are never ambiguous. */
static bool join_by_addresses(struct observer *observer)
{
    struct paths *paths = &observer->paths;
    struct pairs pairs = {
        .keys = calloc(paths->count + 1u, sizeof *pairs.keys),
        .paths = calloc(paths->count + 1u, sizeof *pairs.paths),
    };
    bool ok = pairs.keys != NULL && pairs.paths != NULL;
    for (uint32_t i = 0; ok && i < paths->count; i++) {
        const struct path *path = &paths->paths[i];
        if (!carries_something(path) && !path->checked[0] && !path->checked[1])
            continue;
        if (path->ends[0].family == ADDRESS_NONE || path->ends[1].family == ADDRESS_NONE)
            continue;
        uint32_t vantage = observer->flows.flows[path->flow].vantage;
        uint32_t ends[2];
        for (int end = 0; end < 2; end++)
            ends[end] = address_book_get(&observer->book, &path->ends[end], vantage);
        if (ends[0] == ADDRESS_BOOK_NONE || ends[1] == ADDRESS_BOOK_NONE)
            continue;
        for (int end = 0; end < 2; end++)
            ends[end] = address_book_root(&observer->book, ends[end]);
        struct pair_key key = {
            .low = ends[0] < ends[1] ? ends[0] : ends[1],
            .high = ends[0] < ends[1] ? ends[1] : ends[0],
        };
        uint64_t hash = hash_pair_key(&key);
        uint32_t found = table_find(&pairs.table, hash, same_pair, &pairs, &key);
        if (found != TABLE_NONE) {
            paths_join(paths, i, pairs.paths[found]);
            continue;
        }
        pairs.keys[pairs.count] = key;
        pairs.paths[pairs.count] = i;
        ok = table_add(&pairs.table, hash, pairs.count, hash_pair, &pairs);
        pairs.count += ok;
    }
    free(pairs.keys);
    free(pairs.paths);
    table_clear(&pairs.table);
    return ok;
}

/* Paths that carried the very same RTP packets: the legs of a TURN relay, and one leg seen at two vantage points. Not
 * those on which a server that is itself an end of the connection sends packets on. */
static void join_by_copies(struct observer *observer)
{
    for (uint32_t i = 0; i < observer->streams.count; i++) {
        const struct media_stream *copy = &observer->streams.streams[i];
        if (copy->copy_of == MEDIA_STREAM_NONE || copy->copies * 2 < copy->rtp.packets)
            continue;
        const struct media_stream *first = &observer->streams.streams[copy->copy_of];
        const struct path *a = &observer->paths.paths[copy->path];
        const struct path *b = &observer->paths.paths[first->path];
        bool same_vantage = observer->flows.flows[a->flow].vantage == observer->flows.flows[b->flow].vantage;
        bool same_target = address_equal(&a->ends[!copy->direction], &b->ends[!first->direction]);
        bool same_source = address_equal(&a->ends[copy->direction], &b->ends[first->direction]);
        if (same_vantage ? a->wrapped || b->wrapped : same_target || same_source)
            paths_join(&observer->paths, copy->path, copy->copy_of == i ? copy->path : first->path);
    }
}

/* --- which of them are relayed ------------------------------------------------------------------------------------------ */

/* How a path is relayed by TURN; TURN_SEEN_NONE when it isn't. */
static uint8_t relay_of(const struct gatherer *gatherer, const struct path *path)
{
    const struct observer *observer = gatherer->observer;
    const struct flow *flow = &observer->flows.flows[path->flow];
    if (path->wrapped)
        return flow->protocol == PACKET_TCP ? TURN_SEEN_TCP : TURN_SEEN_UDP;
    if (flow->allocation != ALLOCATION_NONE) /* media straight to a relay that granted it, as WhatsApp does */
        return flow->protocol == PACKET_TCP ? TURN_SEEN_TCP : TURN_SEEN_UDP;
    for (int end = 0; end < 2; end++) {
        uint32_t entry = address_book_find(&observer->book, &path->ends[end], flow->vantage);
        if (entry != ADDRESS_BOOK_NONE && observer->book.entries[entry].relayed)
            return observer->book.entries[entry].transport;
    }
    return TURN_SEEN_NONE;
}

/* --- putting them together ------------------------------------------------------------------------------------------------ */

static void gather(const struct gatherer *gatherer, struct gathering *g, uint32_t number)
{
    const struct path *path = &gatherer->observer->paths.paths[number];
    nanos first = nanos_min(nanos_min(path->first_check, path->dtls.first_hello), path->first_media);
    if (first < g->first) {
        g->first = first;
        g->first_path = number;
    }
    g->first_check = nanos_min(g->first_check, path->first_check);
    g->first_success = nanos_min(g->first_success, path->first_success);
    g->nominated = nanos_min(g->nominated, path->nominated);
    g->first_media = nanos_min(g->first_media, path->first_media);
    g->last_media = nanos_max(g->last_media, path->last_media);
    g->first_hello = nanos_min(g->first_hello, path->dtls.first_hello);
    nanos completed = dtls_observer_completed(&path->dtls);
    g->dtls_completed = nanos_min(g->dtls_completed, completed);
    if (path->dtls.version != DTLS_VERSION_UNKNOWN)
        g->dtls_version = path->dtls.version;
    if (path->dtls.srtp_profile != 0)
        g->srtp_profile = path->dtls.srtp_profile;
    g->connected |= path->first_success != NANOS_NEVER || path->streams > 0 || path->dtls.server_hello;
    uint8_t relay = relay_of(gatherer, path);
    if (relay != TURN_SEEN_NONE) {
        g->relay_last = nanos_max(g->relay_last, path->last_media);
        g->relay_nominated |= path->nominated != NANOS_NEVER;
        g->relay_transport = relay > g->relay_transport ? relay : g->relay_transport;
    }
}

static double between_ms(nanos from, nanos to)
{
    return from == NANOS_NEVER || to == NANOS_NEVER || to < from ? NAN : nanos_to_ms(to - from);
}

static void finish(const struct gatherer *gatherer, const struct gathering *g, struct analysis_connection *connection)
{
    const struct path *path = &gatherer->observer->paths.paths[g->first_path];
    connection->a = path->ends[path->opener];
    connection->b = path->ends[!path->opener];
    bool media = g->last_media >= 0;
    connection->relayed =
        media ? g->relay_last >= 0 && g->relay_last + SELECTED_SPAN >= g->last_media : g->relay_nominated;
    connection->turn = connection->relayed ? g->relay_transport : TURN_SEEN_NONE;
    connection->dtls_version = g->dtls_version;
    connection->srtp_profile = g->srtp_profile;
    nanos selected = g->nominated != NANOS_NEVER ? g->nominated : nanos_min(g->first_hello, g->first_media);
    connection->ice_ms = between_ms(g->first_check, selected);
    connection->dtls_ms = between_ms(g->first_hello, g->dtls_completed);
}

/* Joins what belongs together, then one pass over the paths that fills a gathering for each root. */
int64_t *connections_make(struct observer *observer, struct analysis *analysis)
{
    if (!join_by_addresses(observer))
        return NULL;
    join_by_copies(observer);
    uint32_t count = observer->paths.count;
    int64_t *connection_of = calloc(count + 1u, sizeof *connection_of);
    struct gathering *gatherings = calloc(count + 1u, sizeof *gatherings);
    uint32_t connected = 0;
    if (connection_of == NULL || gatherings == NULL)
        goto failed;
    struct gatherer gatherer = {.observer = observer};
    for (uint32_t i = 0; i < count; i++) {
        gatherings[i] = (struct gathering){
            .first_path = i,
            .first = NANOS_NEVER,
            .first_check = NANOS_NEVER,
            .nominated = NANOS_NEVER,
            .first_success = NANOS_NEVER,
            .first_media = NANOS_NEVER,
            .last_media = -1,
            .relay_last = -1,
            .first_hello = NANOS_NEVER,
            .dtls_completed = NANOS_NEVER,
        };
    }
    for (uint32_t i = 0; i < count; i++)
        gather(&gatherer, &gatherings[paths_root(&observer->paths, i)], i);
    for (uint32_t i = 0; i < count; i++)
        connected += gatherings[i].connected;
    analysis->connections = calloc(connected + 1u, sizeof *analysis->connections);
    if (analysis->connections == NULL)
        goto failed;
    uint64_t relayed = 0;
    for (uint32_t i = 0; i < count; i++) {
        connection_of[i] = -1;
        if (!gatherings[i].connected)
            continue;
        connection_of[i] = (int64_t)analysis->connection_count;
        struct analysis_connection *connection = &analysis->connections[analysis->connection_count++];
        finish(&gatherer, &gatherings[i], connection);
        relayed += connection->relayed;
    }
    for (uint32_t i = 0; i < count; i++)
        connection_of[i] = connection_of[paths_root(&observer->paths, i)];
    analysis->turn_fallback_connections = connected > 0 ? (double)relayed / connected : NAN;
    free(gatherings);
    return connection_of;

failed:
    free(connection_of);
    free(gatherings);
    return NULL;
}
