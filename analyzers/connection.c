#include "analyzers/connection.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/path_joiner.h"
#include "rtc/stun.h"

/* A relayed leg that was used until this close to the end is the way the connection took. */
#define SELECTED_SPAN (500 * NANOS_PER_MS)

/* An end that sends so many streams of a kind (RTX apart) sends what others gave it: a server. */
#define SERVER_VIDEOS 3
#define SERVER_AUDIOS 2

/* What the paths of one connection say together. */
struct gathering {
    nanos first_check, nominated, first_media, last_media;
    nanos first_hello, dtls_completed;
    uint16_t dtls_version, srtp_profile;
    uint32_t main_path;
    uint64_t main_score;
    bool connected;
    bool relayed;
    uint8_t relay_transport; /* TURN_SEEN_NONE when not known */
};

struct gatherer {
    const struct observer *observer;
    struct address *servers; /* addresses of TURN servers, ports 0, in order */
    size_t server_count;
    struct address *tls_servers; /* those that somebody speaks TLS with */
    size_t tls_server_count;
};

/* --- TURN servers --------------------------------------------------------------------------------------------------------- */

static int compare_addresses(const void *a, const void *b) { return memcmp(a, b, sizeof(struct address)); }

static bool is_among(const struct address *addresses, size_t count, struct address address)
{
    address.port = 0;
    return count > 0 && bsearch(&address, addresses, count, sizeof address, compare_addresses) != NULL;
}

static bool is_turn_port(uint16_t port) { return port == STUN_PORT || port == STUN_TLS_PORT; }

struct tls_session {
    uint64_t id;
    struct address server;
};

static int compare_sessions(const void *a, const void *b)
{
    const struct tls_session *left = a;
    const struct tls_session *right = b;
    if (left->id != right->id)
        return left->id < right->id ? -1 : 1;
    return compare_addresses(&left->server, &right->server);
}

/* Who serves TURN, and with whom TLS is spoken there: TLS hides everything else. */
static bool find_servers(struct gatherer *gatherer, struct analysis_turn *turn)
{
    const struct flows *flows = &gatherer->observer->flows;
    struct tls_session *sessions = calloc(flows->count + 1u, sizeof *sessions);
    gatherer->servers = calloc(flows->count + 1u, sizeof *gatherer->servers);
    gatherer->tls_servers = calloc(flows->count + 1u, sizeof *gatherer->tls_servers);
    if (sessions == NULL || gatherer->servers == NULL || gatherer->tls_servers == NULL) {
        free(sessions);
        return false;
    }
    for (uint32_t i = 0; i < flows->count; i++) {
        const struct flow *flow = &flows->flows[i];
        const struct address *server = &flow->ends[!flow->client];
        bool turn_flow = flow->turn && (flow->allocate_asked || flow->allocation != ALLOCATION_NONE);
        if (turn_flow || (flow->framing == FLOW_TLS && is_turn_port(server->port))) {
            gatherer->servers[gatherer->server_count] = *server;
            gatherer->servers[gatherer->server_count++].port = 0;
        }
    }
    qsort(gatherer->servers, gatherer->server_count, sizeof(struct address), compare_addresses);
    size_t session_count = 0;
    for (uint32_t i = 0; i < flows->count; i++) {
        const struct flow *flow = &flows->flows[i];
        const struct address *server = &flow->ends[!flow->client];
        if (flow->framing != FLOW_TLS || !is_among(gatherer->servers, gatherer->server_count, *server))
            continue;
        sessions[session_count++] = (struct tls_session){.id = flow->first_id, .server = *server};
        gatherer->tls_servers[gatherer->tls_server_count] = *server;
        gatherer->tls_servers[gatherer->tls_server_count++].port = 0;
    }
    qsort(gatherer->tls_servers, gatherer->tls_server_count, sizeof(struct address), compare_addresses);
    qsort(sessions, session_count, sizeof *sessions, compare_sessions);
    for (size_t i = 0; i < session_count; i++) /* each once, at however many vantage points */
        turn->tls_connections += i == 0 || compare_sessions(&sessions[i - 1], &sessions[i]) != 0;
    free(sessions);
    return true;
}

/* --- which paths are relayed ------------------------------------------------------------------------------------------------ */

/* Can this end be an address that a TURN server lent, though the Allocate wasn't seen, because TLS hides it or because
 * nobody captured at that client? It is on a TURN server, isn't where that serves, and checks like a full ICE agent. */
static bool looks_relayed(const struct gatherer *gatherer, const struct path *path, int end)
{
    const struct flow *flow = &gatherer->observer->flows.flows[path->flow];
    return !flow->turn && path->checked[end] && !is_turn_port(path->ends[end].port) &&
           !address_same_ip(&path->ends[0], &path->ends[1]) &&
           is_among(gatherer->servers, gatherer->server_count, path->ends[end]);
}

/* Is the path relayed by TURN, and how does the client reach the server (TURN_SEEN_NONE when that isn't known)? */
static bool is_relayed(const struct gatherer *gatherer, const struct path *path, uint8_t *transport)
{
    const struct observer *observer = gatherer->observer;
    const struct flow *flow = &observer->flows.flows[path->flow];
    *transport = flow->protocol == PACKET_TCP ? TURN_SEEN_TCP : TURN_SEEN_UDP;
    /* The second: media straight to a relay that granted an allocation, as WhatsApp's clients do. */
    if (path->wrapped || flow->allocation != ALLOCATION_NONE)
        return true;
    for (int end = 0; end < 2; end++) {
        uint32_t entry = address_book_find(&observer->book, &path->ends[end], flow->vantage);
        if (entry != ADDRESS_BOOK_NONE && observer->book.entries[entry].relayed) {
            *transport = observer->book.entries[entry].transport;
            return true;
        }
    }
    for (int end = 0; end < 2; end++) {
        if (looks_relayed(gatherer, path, end)) {
            bool tls = is_among(gatherer->tls_servers, gatherer->tls_server_count, path->ends[end]);
            *transport = tls ? TURN_SEEN_TLS : TURN_SEEN_NONE;
            return true;
        }
    }
    return false;
}

/* --- putting them together ---------------------------------------------------------------------------------------------------- */

static const struct gathering NOTHING_YET = {
    .first_check = NANOS_NEVER,
    .nominated = NANOS_NEVER,
    .first_media = NANOS_NEVER,
    .last_media = -1,
    .first_hello = NANOS_NEVER,
    .dtls_completed = NANOS_NEVER,
};

static void gather(const struct gatherer *gatherer, struct gathering *g, uint32_t number)
{
    const struct path *path = &gatherer->observer->paths.paths[number];
    g->first_check = nanos_min(g->first_check, path->first_check);
    g->nominated = nanos_min(g->nominated, path->nominated);
    g->first_media = nanos_min(g->first_media, path->first_media);
    g->last_media = nanos_max(g->last_media, path->last_media);
    g->first_hello = nanos_min(g->first_hello, path->dtls.first_hello);
    g->dtls_completed = nanos_min(g->dtls_completed, dtls_observer_completed(&path->dtls));
    if (path->dtls.version != DTLS_VERSION_UNKNOWN)
        g->dtls_version = path->dtls.version;
    if (path->dtls.srtp_profile != 0)
        g->srtp_profile = path->dtls.srtp_profile;
    g->connected |= path->nominated != NANOS_NEVER || path->streams > 0 || path->dtls.server_hello;
}

/* Was the path in use at the end? Without any media, what ICE nominated counts. */
static bool in_use_at_end(const struct gathering *g, const struct path *path)
{
    if (g->last_media < 0)
        return path->nominated != NANOS_NEVER || path->dtls.server_hello;
    return path->last_media >= 0 && path->last_media + SELECTED_SPAN >= g->last_media;
}

/* Of the paths that were in use at the end, the one with the most media; without media, the one that got furthest. And
 * whether any of them is relayed: one leg of a relay may look direct where its allocation wasn't seen. */
static void select_path(const struct gatherer *gatherer, struct gathering *g, uint32_t number)
{
    const struct path *path = &gatherer->observer->paths.paths[number];
    bool in_use = in_use_at_end(g, path);
    uint8_t transport;
    if (in_use && is_relayed(gatherer, path, &transport)) {
        g->relayed = true;
        g->relay_transport = transport > g->relay_transport ? transport : g->relay_transport;
    }
    uint64_t score = 1 + (in_use ? path->rtp_packets * 8 : 0) + (path->dtls.server_hello ? 4u : 0) +
                     (path->nominated != NANOS_NEVER ? 2u : 0) + (path->first_success != NANOS_NEVER ? 1u : 0);
    if (score > g->main_score) {
        g->main_score = score;
        g->main_path = number;
    }
}

static double between_ms(nanos from, nanos to)
{
    return from == NANOS_NEVER || to == NANOS_NEVER || to < from ? NAN : nanos_to_ms(to - from);
}

/* The end to name first: TURN's client, else the one with a private address, else the one that was heard first. */
static int near_end(const struct path *path)
{
    if (path->wrapped)
        return path->client;
    bool private_0 = address_scope(&path->ends[0]) == ADDRESS_PRIVATE;
    bool private_1 = address_scope(&path->ends[1]) == ADDRESS_PRIVATE;
    return private_0 != private_1 ? private_1 : path->opener;
}

static void conclude(const struct gatherer *gatherer, const struct gathering *g, struct analysis_connection *connection)
{
    const struct path *path = &gatherer->observer->paths.paths[g->main_path];
    int near = near_end(path);
    connection->a = path->ends[near];
    connection->b = path->ends[!near];
    connection->relayed = g->relayed;
    connection->turn = g->relay_transport;
    connection->dtls_version = g->dtls_version;
    connection->srtp_profile = g->srtp_profile;
    nanos selected = g->nominated != NANOS_NEVER ? g->nominated : nanos_min(g->first_hello, g->first_media);
    connection->ice_ms = between_ms(g->first_check, selected);
    connection->dtls_ms = between_ms(g->first_hello, g->dtls_completed);
}

static bool conclude_all(const struct gatherer *gatherer, struct gathering *gatherings, struct analysis *analysis,
                         struct connections *connections)
{
    struct paths *paths = (struct paths *)&gatherer->observer->paths;
    uint32_t count = paths->count;
    for (uint32_t i = 0; i < count; i++)
        gatherings[i] = NOTHING_YET;
    for (uint32_t i = 0; i < count; i++)
        gather(gatherer, &gatherings[paths_root(paths, i)], i);
    for (uint32_t i = 0; i < count; i++)
        select_path(gatherer, &gatherings[paths_root(paths, i)], i);
    uint32_t connected = 0;
    for (uint32_t i = 0; i < count; i++)
        connected += gatherings[i].connected;
    analysis->connections = calloc(connected + 1u, sizeof *analysis->connections);
    connections->main_path = calloc(connected + 1u, sizeof *connections->main_path);
    if (analysis->connections == NULL || connections->main_path == NULL)
        return false;
    uint64_t relayed = 0;
    for (uint32_t i = 0; i < count; i++) {
        connections->of_path[i] = -1;
        if (!gatherings[i].connected)
            continue;
        size_t index = analysis->connection_count++;
        connections->of_path[i] = (int64_t)index;
        connections->main_path[index] = gatherings[i].main_path;
        conclude(gatherer, &gatherings[i], &analysis->connections[index]);
        relayed += analysis->connections[index].relayed;
    }
    for (uint32_t i = 0; i < count; i++)
        connections->of_path[i] = connections->of_path[paths_root(paths, i)];
    analysis->turn_fallback_connections = connected > 0 ? (double)relayed / connected : NAN;
    return true;
}

bool connections_make(struct observer *observer, struct analysis *analysis, struct connections *connections)
{
    *connections = (struct connections){.of_path = calloc(observer->paths.count + 1u, sizeof *connections->of_path)};
    struct gathering *gatherings = calloc(observer->paths.count + 1u, sizeof *gatherings);
    struct gatherer gatherer = {.observer = observer};
    bool ok = connections->of_path != NULL && gatherings != NULL && path_joiner_run(observer) &&
              find_servers(&gatherer, &analysis->turn) && conclude_all(&gatherer, gatherings, analysis, connections);
    free(gatherings);
    free(gatherer.servers);
    free(gatherer.tls_servers);
    if (!ok)
        connections_clear(connections);
    return ok;
}

void connections_clear(struct connections *connections)
{
    free(connections->of_path);
    free(connections->main_path);
    *connections = (struct connections){0};
}

/* --- topology ------------------------------------------------------------------------------------------------------------------ */

/* What speaks for or against a server at one end. */
struct evidence {
    uint32_t ends[2]; /* address book entries of the main path's ends */
    bool both_check;  /* on one path, so that both are full ICE agents */
    bool one_checks;
    uint32_t videos[2];
    uint32_t audios[2];
};

static uint32_t end_of(const struct observer *observer, const struct path *path, int end)
{
    uint32_t vantage = observer->flows.flows[path->flow].vantage;
    uint32_t entry = address_book_find(&observer->book, &path->ends[end], vantage);
    return entry == ADDRESS_BOOK_NONE ? ADDRESS_BOOK_NONE : address_book_root(&observer->book, entry);
}

static enum analysis_topology topology_of(const struct evidence *e, const uint32_t *connections_at)
{
    for (int end = 0; end < 2; end++) {
        bool shared = e->ends[end] != ADDRESS_BOOK_NONE && connections_at[e->ends[end]] > 1;
        if (shared || e->videos[end] >= SERVER_VIDEOS || e->audios[end] >= SERVER_AUDIOS)
            return ANALYSIS_SFU;
    }
    if (e->both_check)
        return ANALYSIS_MESH;
    return e->one_checks ? ANALYSIS_SFU : ANALYSIS_TOPOLOGY_UNKNOWN; /* an ICE-lite end: RFC 8445, section 2.5 */
}

bool connections_guess_topology(const struct observer *observer, const struct connections *connections,
                                struct analysis *analysis)
{
    size_t count = analysis->connection_count;
    struct evidence *evidence = calloc(count + 1, sizeof *evidence);
    uint32_t *connections_at = calloc(observer->book.count + 1u, sizeof *connections_at);
    bool ok = evidence != NULL && connections_at != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        const struct path *path = &observer->paths.paths[connections->main_path[i]];
        for (int end = 0; end < 2; end++) {
            evidence[i].ends[end] = end_of(observer, path, end);
            if (evidence[i].ends[end] != ADDRESS_BOOK_NONE)
                connections_at[evidence[i].ends[end]]++;
        }
    }
    for (uint32_t i = 0; ok && i < observer->paths.count; i++) {
        const struct path *path = &observer->paths.paths[i];
        if (connections->of_path[i] < 0)
            continue;
        struct evidence *e = &evidence[connections->of_path[i]];
        e->both_check |= path->checked[0] && path->checked[1];
        e->one_checks |= path->checked[0] != path->checked[1];
    }
    for (size_t i = 0; ok && i < analysis->stream_count; i++) {
        const struct analysis_stream *stream = &analysis->streams[i];
        if (stream->connection < 0 || stream->copy_of >= 0 || stream->moved_from >= 0)
            continue;
        /* Which end sends: told by the main path's flow, or not at all. */
        const struct path *path = &observer->paths.paths[connections->main_path[stream->connection]];
        const struct flow *flow = &observer->flows.flows[path->flow];
        for (int end = 0; end < 2; end++) {
            bool sends = address_equal(&flow->ends[end], &stream->source);
            evidence[stream->connection].videos[end] += sends && stream->kind == ANALYSIS_VIDEO;
            evidence[stream->connection].audios[end] += sends && stream->kind == ANALYSIS_AUDIO;
        }
    }
    for (size_t i = 0; ok && i < count; i++)
        analysis->connections[i].topology = topology_of(&evidence[i], connections_at);
    free(evidence);
    free(connections_at);
    return ok;
}
