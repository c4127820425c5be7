/* What a capture says against what the clients counted: the simulation writes both, and the analyzer, which knows nothing
 * of the clients, has to come to the same figures. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzers/analysis.h"
#include "analyzers/turn_allocation.h"
#include "loadgen/run.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

/* A mix in which pairs reach each other directly, by TURN over UDP and by TURN over TCP; everyone joins at once, so that
 * bitrates are over the whole run. */
static const char base[] = "name: agreement\n"
                           "seed: 1\n"
                           "duration: 5s\n"
                           "topologies: [mesh, sfu]\n"
                           "rooms: {count: 4, size: 3}\n"
                           "join: {spread: 0s}\n"
                           "population:\n"
                           "  nat: {home: 30, open: 15, symmetric: 30, udp-blocked-tcp: 25}\n"
                           "  access: {fibre: 100}\n"
                           "media:\n"
                           "  audio: {codec: opus, bitrate: 32kbps}\n"
                           "  video: {codec: vp8, layers: [{height: 180, fps: 15, bitrate: 150kbps}]}\n"
                           "captures: {servers: yes, rooms: 4, media_bytes: 64B}\n";

/* The run and what the captures show of it: from all clients, and from clients and SFU. */
struct both {
    struct result_run counted;
    struct analysis *clients;
    struct analysis *everywhere; /* where packets set out and arrive; in a mesh that is at the clients alone */
};

static struct analysis *analyze(const char *scratch, const char *first, const char *second)
{
    struct error error = {0};
    const char *const files[] = {scratch_path(scratch, first), second != NULL ? scratch_path(scratch, second) : NULL};
    struct analysis *analysis = analysis_of_files(files, second != NULL ? 2 : 1, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(analysis);
    return analysis;
}

/* Runs `base` with settings up to a NULL; both[0] is the mesh, both[1] the SFU. */
static void play(const char *const *settings, struct both both[2])
{
    char scratch[SCRATCH_CAP];
    struct error error = {0};
    struct result result;
    struct run_options options = {.settings = settings, .directory = scratch};
    scratch_make(scratch);
    options.file = scratch_path(scratch, "agreement.yaml");
    scratch_write(options.file, base, strlen(base));
    for (; settings[options.setting_count] != NULL; options.setting_count++) {
    }
    CU_ASSERT_EQUAL_FATAL(run_scenario(&options, &result, &error), RUN_DONE);
    CU_ASSERT_EQUAL_FATAL(result.run_count, 2);
    for (int i = 0; i < 2; i++) {
        both[i].counted = result.runs[i];
        CU_ASSERT_EQUAL(both[i].counted.streams_received, both[i].counted.streams_expected);
    }
    both[0].clients = both[0].everywhere = analyze(scratch, "mesh-clients.pcapng", NULL);
    both[1].clients = analyze(scratch, "sfu-clients.pcapng", NULL);
    both[1].everywhere = analyze(scratch, "sfu-clients.pcapng", "sfu-sfu-1.pcapng");
    result_free(&result);
    scratch_remove(scratch);
}

static void forget(struct both both[2])
{
    analysis_destroy(both[0].clients);
    analysis_destroy(both[1].clients);
    analysis_destroy(both[1].everywhere);
}

/* Sums over the streams that a capture at the clients shows. */
struct seen {
    uint64_t streams; /* of audio and video, each where it was seen first */
    uint64_t copies;  /* seen again at another client */
    uint64_t packets; /* of all kinds, at either end */
    uint64_t bytes;
    uint64_t unknown;
};

static struct seen look(const struct analysis *analysis)
{
    struct seen seen = {0};
    for (size_t i = 0; i < analysis->stream_count; i++) {
        const struct analysis_stream *stream = &analysis->streams[i];
        bool media = (stream->kind == ANALYSIS_AUDIO || stream->kind == ANALYSIS_VIDEO) && stream->moved_from < 0;
        seen.streams += media && stream->copy_of < 0;
        seen.copies += media && stream->copy_of >= 0;
        seen.packets += stream->packets;
        seen.bytes += stream->bytes;
        seen.unknown += stream->kind == ANALYSIS_UNKNOWN;
    }
    return seen;
}

static void check_media(const struct both *both, bool mesh)
{
    const struct result_run *counted = &both->counted;
    struct seen seen = look(both->clients);
    CU_ASSERT_EQUAL(seen.unknown, 0);
    if (mesh) { /* what arrives is what was sent */
        CU_ASSERT_EQUAL(seen.streams, counted->rtp.streams_sent);
        CU_ASSERT_EQUAL(seen.copies, counted->rtp.streams_received);
    } else { /* the SFU sends streams of its own, under keys of its own */
        CU_ASSERT_EQUAL(seen.streams, counted->rtp.streams_sent + counted->rtp.streams_received);
        CU_ASSERT_EQUAL(seen.copies, 0);
    }
    CU_ASSERT_EQUAL(counted->rtp.streams_received, counted->streams_received);
    CU_ASSERT_EQUAL(seen.packets, counted->rtp.packets_sent + counted->rtp.packets_received);
    CU_ASSERT_EQUAL(seen.bytes, counted->rtp.bytes_sent + counted->rtp.bytes_received);
}

/* Each client's bitrates. The capture of the clients has one interface for each of them. */
static void check_bitrates(const struct both *both, double seconds)
{
    enum { CLIENTS = 12 };
    double up[CLIENTS] = {0};
    double down[CLIENTS] = {0};
    double most[2] = {0};
    double least[2] = {INFINITY, INFINITY};
    double sum[2] = {0};
    for (size_t i = 0; i < both->clients->stream_count; i++) {
        const struct analysis_stream *stream = &both->clients->streams[i];
        CU_ASSERT_TRUE_FATAL(stream->interface < CLIENTS);
        /* An interface's traffic has its host's address at one end; servers and NATs outside have none of these. */
        bool own = address_scope(&stream->source) == ADDRESS_PRIVATE;
        bool other = address_scope(&stream->destination) == ADDRESS_PRIVATE;
        if (own != other && stream->duration_s > 0)
            (own ? up : down)[stream->interface] += stream->bitrate_mean_kbps * stream->duration_s / seconds;
    }
    size_t clients = 0;
    for (int i = 0; i < CLIENTS; i++) {
        double rates[2] = {up[i], down[i]};
        clients += up[i] > 0;
        for (int d = 0; d < 2; d++) {
            most[d] = fmax(most[d], rates[d]);
            least[d] = fmin(least[d], rates[d]);
            sum[d] += rates[d];
        }
    }
    CU_ASSERT_EQUAL(clients, CLIENTS);
    const struct result_summary *counted[2] = {&both->counted.client_up_kbps, &both->counted.client_down_kbps};
    for (int d = 0; d < 2; d++) {
        CU_ASSERT_DOUBLE_EQUAL(least[d], counted[d]->min, counted[d]->min / 100);
        CU_ASSERT_DOUBLE_EQUAL(sum[d] / CLIENTS, counted[d]->mean, counted[d]->mean / 100);
        CU_ASSERT_DOUBLE_EQUAL(most[d], counted[d]->max, counted[d]->max / 100);
    }
}

static void check_turn(const struct both *both)
{
    const struct result_connections *counted = &both->counted.connections;
    uint64_t by[TURN_SEEN_TLS + 1] = {0};
    uint64_t relayed = 0;
    for (size_t i = 0; i < both->clients->connection_count; i++) {
        by[both->clients->connections[i].turn]++;
        relayed += both->clients->connections[i].relayed;
    }
    CU_ASSERT_EQUAL(both->clients->connection_count, counted->connected);
    CU_ASSERT_DOUBLE_EQUAL(both->clients->turn_fallback_connections, both->counted.turn_fallback.connections, 1e-9);
    CU_ASSERT_EQUAL(relayed, counted->relay_udp + counted->relay_tcp + counted->relay_tls);
    CU_ASSERT_EQUAL(by[TURN_SEEN_UDP], counted->relay_udp);
    CU_ASSERT_EQUAL(by[TURN_SEEN_TCP], counted->relay_tcp);
    CU_ASSERT_EQUAL(by[TURN_SEEN_TLS], counted->relay_tls);
}

static void check_latency(const struct both *both)
{
    const struct result_summary *counted = &both->counted.network_latency_ms;
    const struct analysis_summary *seen = &both->everywhere->one_way_ms;
    CU_ASSERT_TRUE(counted->count > 3000);
    CU_ASSERT_DOUBLE_EQUAL((double)seen->count, (double)counted->count, (double)counted->count / 100);
    CU_ASSERT_DOUBLE_EQUAL(seen->min, counted->min, 1);
    CU_ASSERT_DOUBLE_EQUAL(seen->mean, counted->mean, 1);
    CU_ASSERT_DOUBLE_EQUAL(seen->p50, counted->p50, 1);
    CU_ASSERT_DOUBLE_EQUAL(seen->p95, counted->p95, 1);
}

static void check_topology(const struct both *both, enum analysis_topology topology)
{
    for (size_t i = 0; i < both->clients->connection_count; i++) {
        CU_ASSERT_EQUAL(both->clients->connections[i].topology, topology);
        CU_ASSERT_EQUAL(both->clients->connections[i].dtls_version, 0xfefd);
    }
}

static void check(const struct both both[2])
{
    for (int i = 0; i < 2; i++) {
        check_media(&both[i], i == 0);
        check_turn(&both[i]);
        check_latency(&both[i]);
        check_topology(&both[i], i == 0 ? ANALYSIS_MESH : ANALYSIS_SFU);
    }
}

static void captures_and_clients_agree(void)
{
    static const char *const settings[] = {NULL};
    struct both both[2];
    play(settings, both);
    CU_ASSERT_TRUE(both[0].counted.connections.relay_udp > 0);
    CU_ASSERT_TRUE(both[0].counted.connections.relay_tcp > 0);
    CU_ASSERT_TRUE(both[0].counted.connections.srflx > 0);
    CU_ASSERT_TRUE(both[1].counted.connections.relay_tcp > 0);
    check(both);
    forget(both);
}

static void bitrates_agree_client_by_client(void)
{
    static const char *const settings[] = {
        "population.nat={home: 50, symmetric: 25, udp-blocked-tcp: 25}", /* each with a private address */
        "seed=2", NULL};
    struct both both[2];
    play(settings, both);
    for (int i = 0; i < 2; i++)
        check_bitrates(&both[i], 5);
    forget(both);
}

static void so_do_whole_packets(void)
{
    static const char *const settings[] = {"captures.media_bytes=0B", "rooms.count=2", "captures.rooms=2", "seed=5",
                                           NULL};
    struct both both[2];
    play(settings, both);
    check(both);
    forget(both);
}

/* 4 % of the packets are lost, others late: retransmissions, and packets that set out but never arrive. */
static void so_they_do_on_bad_links(void)
{
    static const char *const settings[] = {"population={nat: {home: 1, symmetric: 1}, access: {congested: 1, wifi: 1}}",
                                           "duration=4s", NULL};
    struct both both[2];
    play(settings, both);
    CU_ASSERT_TRUE(both[0].counted.loss.rate > 0.01);
    check(both);
    forget(both);
}

/* TLS hides what is inside: the capture at a client that needs it shows a TLS connection and no more. At the other end of
 * a mesh's connection, all of it is there, and that it came from a TURN server. */
static void tls_shows_its_far_end_alone(void)
{
    static const char *const settings[] = {"population.nat={home: 1, tls-only: 1}", "rooms.size=2", "rooms.count=6",
                                           "captures.rooms=6", NULL};
    struct both both[2];
    play(settings, both);
    const struct result_run *mesh = &both[0].counted;
    uint64_t connections = both[0].clients->connection_count;
    uint64_t hidden = mesh->connections.connected - connections; /* TLS at both ends */
    CU_ASSERT_TRUE_FATAL(mesh->connections.relay_tls > hidden && hidden < mesh->connections.connected);
    uint64_t relayed = 0;
    for (size_t i = 0; i < connections; i++) {
        relayed += both[0].clients->connections[i].relayed;
        if (both[0].clients->connections[i].relayed)
            CU_ASSERT_EQUAL(both[0].clients->connections[i].turn, TURN_SEEN_TLS);
    }
    CU_ASSERT_EQUAL(relayed + hidden, mesh->connections.relay_tls);
    struct seen seen = look(both[0].clients);
    CU_ASSERT_EQUAL(seen.streams, 4 * connections);
    CU_ASSERT_EQUAL(seen.copies, 4 * (connections - relayed));
    CU_ASSERT_TRUE(both[0].clients->turn.tls_connections >= mesh->connections.relay_tls);
    /* To an SFU, nothing is left of such a client. */
    CU_ASSERT_EQUAL(both[1].clients->connection_count,
                    both[1].counted.connections.connected - both[1].counted.connections.relay_tls);
    CU_ASSERT_EQUAL(both[1].everywhere->connection_count, both[1].counted.connections.connected);
    forget(both);
}

void agreement_test(void)
{
    if (CONFAB_SIM)
        SUITE("agreement", {"captures and clients agree", captures_and_clients_agree},
              {"bitrates agree client by client", bitrates_agree_client_by_client},
              {"so do whole packets", so_do_whole_packets}, {"so they do on bad links", so_they_do_on_bad_links},
              {"TLS shows its far end alone", tls_shows_its_far_end_alone});
}
