/* Whole scenarios in the sim world, small ones: that everyone connects the way their NATs allow, that faults do what they
 * say, and that figures are what geometry and arithmetic say they must be. */
#include "loadgen/simulation.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/run.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

/* A fibre line's delay each way, and the core between two of them: world/access.c, loadgen/scenario.h. */
#define LINE_MS 8.5
#define CORE_MS 10.0

static const char base[] = "name: small\n"
                           "seed: 3\n"
                           "duration: 4s\n"
                           "topologies: [mesh, sfu]\n"
                           "rooms: {count: 1, size: 2}\n"
                           "join: {spread: 200ms}\n"
                           "population: {nat: {home: 1}, access: {fibre: 1}}\n"
                           "media:\n"
                           "  audio: {codec: opus, bitrate: 32kbps}\n"
                           "  video: {codec: vp8, layers: [{height: 180, fps: 15, bitrate: 150kbps}]}\n";

/* Runs `base` with settings like "rooms.size=3", up to a NULL. */
static struct result_run play(enum scenario_topology topology, ...)
{
    struct error error = {0};
    struct result_run run = {0};
    struct venue_health health;
    const struct simulation_options options = {.topology = topology, .label = "test"};
    struct yaml_node *root = yaml_node_parse("base.yaml", base, strlen(base), &error);
    va_list settings;
    const char *setting;
    bool right = root != NULL;
    va_start(settings, topology);
    while (right && (setting = va_arg(settings, const char *)) != NULL) {
        char path[100];
        snprintf(path, sizeof path, "%.*s", (int)strcspn(setting, "="), setting);
        right = yaml_node_set(root, path, strchr(setting, '=') + 1, &error);
    }
    va_end(settings);
    struct scenario *scenario = right ? scenario_read("base.yaml", root, &error) : NULL;
    bool done = scenario != NULL && simulate(scenario, &options, &run, &health, &error);
    CU_ASSERT_TRUE(done);
    if (!done)
        printf("\n    %s", error.text);
    free(scenario);
    yaml_node_free(root);
    return run;
}

static void check_complete(const struct result_run *run)
{
    CU_ASSERT_EQUAL(run->clients_joined, run->clients_planned);
    CU_ASSERT_EQUAL(run->clients_failed, 0);
    CU_ASSERT_EQUAL(run->connections.connected, run->connections.planned);
    CU_ASSERT_EQUAL(run->connections.failed, 0);
    CU_ASSERT_TRUE(run->streams_expected > 0);
    CU_ASSERT_EQUAL(run->streams_received, run->streams_expected);
    CU_ASSERT_EQUAL(run->errors, 0);
}

static void everyone_hears_everyone(void)
{
    for (enum scenario_topology topology = SCENARIO_MESH; topology <= SCENARIO_SFU; topology++) {
        bool mesh = topology == SCENARIO_MESH;
        struct result_run run = play(topology, "rooms={count: 2, size: 3}", NULL);
        check_complete(&run);
        CU_ASSERT_EQUAL(run.clients_planned, 6);
        CU_ASSERT_EQUAL(run.connections.planned, 6);
        CU_ASSERT_EQUAL(run.streams_expected, 2 * 3 * 2 * 2);
        /* Between two homes there are two lines and the core; to a server one line. Nothing is queued on them for
         * long. */
        double leg = CORE_MS + (mesh ? 2 : 1) * LINE_MS;
        CU_ASSERT_DOUBLE_EQUAL(run.network_latency_ms.min, leg, 0.1);
        CU_ASSERT_DOUBLE_EQUAL(run.network_latency_ms.p50, leg, 0.5);
        /* A packet of audio is captured for 20 ms before it is sent; video goes at once. */
        double path = mesh ? leg : 2 * leg;
        CU_ASSERT_DOUBLE_EQUAL(run.audio_latency_ms.min, path + 20, 0.2);
        CU_ASSERT_TRUE(run.video_latency_ms.min >= path && run.video_latency_ms.min < path + 5);
        CU_ASSERT_TRUE(run.loss.after_repair < 0.005);
        CU_ASSERT_TRUE(run.mos_audio > 4.2);
        CU_ASSERT_DOUBLE_EQUAL(run.video_fps.p50, 15, 1.5);
        CU_ASSERT_EQUAL(run.video_height.min, 180);
        CU_ASSERT_TRUE(run.turn_egress_kbps < 20); /* checks of ways that weren't taken */
        CU_ASSERT_TRUE(mesh ? run.sfu_egress_kbps == 0 : run.sfu_egress_kbps > 6 * run.client_up_kbps.mean);
        CU_ASSERT_DOUBLE_EQUAL(run.encodings_per_client, mesh ? 2 : 1, 1e-9);
    }
}

struct way {
    const char *nat;
    size_t mesh, sfu; /* which of result_connections is to have them all */
    bool mesh_relayed, sfu_relayed;
};

static void nats_decide_the_way(void)
{
#define WAY(name) offsetof(struct result_connections, name)
    static const struct way ways[] = {
        {"population.nat={open: 1}", WAY(host), WAY(host), false, false},
        {"population.nat={home: 1}", WAY(srflx), WAY(srflx), false, false},
        {"population.nat={symmetric: 1}", WAY(relay_udp), WAY(prflx), true, false},
        {"population.nat={udp-blocked-tcp: 1}", WAY(relay_tcp), WAY(relay_tcp), true, true},
        {"population.nat={tls-only: 1}", WAY(relay_tls), WAY(relay_tls), true, true},
    };
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (enum scenario_topology topology = SCENARIO_MESH; topology <= SCENARIO_SFU; topology++) {
            bool mesh = topology == SCENARIO_MESH;
            struct result_run run = play(topology, ways[i].nat, NULL);
            check_complete(&run);
            const char *counts = (const char *)&run.connections;
            CU_ASSERT_EQUAL(*(const uint64_t *)(counts + (mesh ? ways[i].mesh : ways[i].sfu)),
                            run.connections.connected);
            double relayed = mesh ? ways[i].mesh_relayed : ways[i].sfu_relayed;
            CU_ASSERT_EQUAL(run.turn_fallback.connections, relayed);
            CU_ASSERT_EQUAL(run.turn_fallback.clients, relayed);
            CU_ASSERT_EQUAL(run.turn_fallback.rooms, relayed);
            CU_ASSERT_TRUE(relayed > 0 ? run.turn_egress_kbps > 200 : run.turn_egress_kbps < 20);
        }
    }
}

static void without_a_relay_they_fail(void)
{
    struct result_run run = play(SCENARIO_MESH, "population.nat={symmetric: 1}", "servers.turn=0", NULL);
    CU_ASSERT_EQUAL(run.connections.planned, 1);
    CU_ASSERT_EQUAL(run.connections.connected, 0);
    CU_ASSERT_EQUAL(run.connections.failed, 1);
    CU_ASSERT_EQUAL(run.clients_failed, 2);
    CU_ASSERT_EQUAL(run.streams_received, 0);
    CU_ASSERT_EQUAL(run.latency_ms.count, 0);
}

static void a_killed_sfu_sends_no_more(void)
{
    struct result_run run = play(SCENARIO_SFU, "faults=[{at: 2s, kill: sfu-1}]", NULL);
    CU_ASSERT_EQUAL(run.fault_count, 1);
    CU_ASSERT_STRING_EQUAL(run.faults[0].what, "sfu-1 killed");
    CU_ASSERT_EQUAL(run.faults[0].at_s, 2);
    CU_ASSERT_EQUAL(run.faults[0].clients_hit, 2);
    CU_ASSERT_EQUAL(run.faults[0].clients_recovered, 0);
    CU_ASSERT_TRUE(run.freeze.total_ms > 2 * 1900);
    struct result_run whole = play(SCENARIO_SFU, NULL);
    CU_ASSERT_EQUAL(whole.fault_count, 0);
    CU_ASSERT_TRUE(run.rtp.packets_received < whole.rtp.packets_received * 6 / 10);
    /* A mesh has no SFU: nothing happens to it, to the last byte. */
    struct result_run mesh = play(SCENARIO_MESH, "faults=[{at: 2s, kill: sfu-1}]", NULL);
    struct result_run same = play(SCENARIO_MESH, NULL);
    CU_ASSERT_EQUAL(mesh.fault_count, 0);
    CU_ASSERT_EQUAL(memcmp(&mesh, &same, sizeof mesh), 0);
}

static void a_cut_ends_when_it_says(void)
{
    for (enum scenario_topology topology = SCENARIO_MESH; topology <= SCENARIO_SFU; topology++) {
        struct result_run run =
            play(topology, "faults=[{at: 2s, client: room1/2, cut: yes, for: 2s}]", "duration=6s", NULL);
        CU_ASSERT_EQUAL(run.faults[0].clients_hit, 2);
        CU_ASSERT_EQUAL(run.faults[0].clients_recovered, 2);
        CU_ASSERT_TRUE(run.faults[0].media_gap_ms_p50 >= 2000 && run.faults[0].media_gap_ms_p50 < 2500);
        CU_ASSERT_TRUE(run.loss.rate > 0.2);
        struct result_run forever = play(topology, "faults=[{at: 2s, client: room1/2, cut: yes}]", "duration=6s", NULL);
        CU_ASSERT_EQUAL(forever.faults[0].clients_hit, 2);
        CU_ASSERT_EQUAL(forever.faults[0].clients_recovered, 0);
    }
}

/* Two rooms at two SFUs: who loses the first goes to the second, all of the room, and is heard again. */
static void a_killed_sfu_is_replaced(void)
{
    struct result_run run = play(SCENARIO_SFU, "faults=[{at: 2s, kill: sfu-1}]", "servers.sfu=2",
                                 "rooms={count: 2, size: 3}", "duration=10s", NULL);
    CU_ASSERT_EQUAL(run.faults[0].clients_hit, 3);
    CU_ASSERT_EQUAL(run.faults[0].clients_recovered, 3);
    /* Half to one and a half times 0.5 s, 3 s until the dead one is taken for dead, as long again, and to join. */
    CU_ASSERT_TRUE(run.faults[0].media_gap_ms_p50 > 3500 && run.faults[0].media_gap_ms_max < 5500);
    CU_ASSERT_TRUE(run.freeze.total_ms > 6 * 3500 && run.freeze.total_ms < 6 * 6000);
    CU_ASSERT_EQUAL(run.streams_received, run.streams_expected);
    CU_ASSERT_EQUAL(run.clients_joined, 6);
    CU_ASSERT_EQUAL(run.errors, 0);
    /* Both of them: nobody comes back, and nobody is counted as well. */
    run = play(SCENARIO_SFU, "faults=[{at: 2s, kill: sfu-1}, {at: 2s, kill: sfu-2}]", "servers.sfu=2",
               "rooms={count: 2, size: 3}", "duration=10s", NULL);
    CU_ASSERT_EQUAL(run.faults[0].clients_hit + run.faults[1].clients_hit, 6);
    CU_ASSERT_EQUAL(run.faults[0].clients_recovered + run.faults[1].clients_recovered, 0);
    CU_ASSERT_EQUAL(run.errors, 6);
}

/* Longer than consent lasts (RFC 7675): in a mesh ICE is restarted, at an SFU the client joins again. */
static void who_was_away_for_long_comes_back(void)
{
    for (enum scenario_topology topology = SCENARIO_MESH; topology <= SCENARIO_SFU; topology++) {
        struct result_run run = play(topology, "faults=[{at: 2s, client: room1/2, cut: yes, for: 40s}]",
                                     "rooms={count: 1, size: 3}", "duration=60s", NULL);
        CU_ASSERT_EQUAL(run.faults[0].clients_hit, 1);
        CU_ASSERT_EQUAL(run.faults[0].clients_recovered, 1);
        CU_ASSERT_TRUE(run.faults[0].media_gap_ms_max >= 40000 && run.faults[0].media_gap_ms_max < 55000);
        CU_ASSERT_EQUAL(run.streams_received, run.streams_expected);
    }
}

static void a_link_changes(void)
{
    struct result_run run = play(SCENARIO_MESH, "faults=[{at: 1s, client: room1/1, set: {delay: 200ms}}]", NULL);
    /* One line of the two is slower, whichever way a packet goes; before, it is as fast as ever. */
    CU_ASSERT_DOUBLE_EQUAL(run.network_latency_ms.p50, CORE_MS + LINE_MS + 200, 0.5);
    CU_ASSERT_DOUBLE_EQUAL(run.network_latency_ms.min, CORE_MS + 2 * LINE_MS, 0.1);
    CU_ASSERT_EQUAL(run.faults[0].clients_hit, 0);
    struct result_run lossy =
        play(SCENARIO_MESH, "faults=[{at: 0s, client: room1/1, set: {loss: 0.1}}]", "duration=5s", NULL);
    CU_ASSERT_TRUE(lossy.loss.rate > 0.05 && lossy.loss.rate < 0.15);
    CU_ASSERT_TRUE(lossy.loss.after_repair < lossy.loss.rate);
    /* 64 kbit/s carry its audio and a poor video at best. */
    struct result_run thin = play(SCENARIO_MESH, "faults=[{at: 0s, client: room1/1, set: {up: 64kbps}}]", NULL);
    CU_ASSERT_TRUE(thin.client_up_kbps.min < 70);
    CU_ASSERT_TRUE(thin.client_up_kbps.max > 100);
}

static void one_shares_a_screen(void)
{
    for (enum scenario_topology topology = SCENARIO_MESH; topology <= SCENARIO_SFU; topology++) {
        struct result_run run =
            play(topology, "rooms.size=3", "media.screen={sharers: 1, bitrate: 300kbps}", "duration=5s", NULL);
        check_complete(&run);
        CU_ASSERT_EQUAL(run.streams_expected, 3 * 2 * 2 + 2);
    }
}

/* Messages take as long as the way is; files are what they were, also when all must go through TURN over TCP. */
static void data_arrives(void)
{
    static const char *const nats[] = {"population.nat={home: 1}", "population.nat={udp-blocked-tcp: 1}"};
    for (size_t i = 0; i < 4; i++) {
        enum scenario_topology topology = i % 2 == 0 ? SCENARIO_MESH : SCENARIO_SFU;
        bool mesh = topology == SCENARIO_MESH;
        struct result_run run = play(topology, nats[i / 2], "rooms={count: 2, size: 3}",
                                     "media.data={messages: 5/s, size: 200B, file: 300KB, at: 1s}", NULL);
        check_complete(&run);
        CU_ASSERT_EQUAL(run.data.expected, run.data.sent * (mesh ? 1 : 2));
        CU_ASSERT_EQUAL(run.data.corrupt, 0);
        CU_ASSERT_EQUAL(run.data.files.expected, 2 * 2);
        CU_ASSERT_EQUAL(run.data.files.intact, 2 * 2);
        CU_ASSERT_TRUE(run.data.received > 0 && run.data.received <= run.data.expected);
        if (i / 2 == 0) { /* who needs TCP is there a second later, and misses some */
            CU_ASSERT_TRUE(run.data.expected >= 2 * 6 * 9 && run.data.expected <= 2 * 6 * 11); /* in 2 s */
            CU_ASSERT_EQUAL(run.data.received, run.data.expected);
            double leg = CORE_MS + (mesh ? 2 : 1) * LINE_MS;
            CU_ASSERT_DOUBLE_EQUAL(run.data.latency_ms.min, mesh ? leg : 2 * leg, 1);
        }
    }
}

static void data_is_enough_for_a_call(void)
{
    for (enum scenario_topology topology = SCENARIO_MESH; topology <= SCENARIO_SFU; topology++) {
        struct result_run run = play(topology, "media={data: {messages: 2/s}}", NULL);
        CU_ASSERT_EQUAL(run.clients_joined, 2);
        CU_ASSERT_EQUAL(run.streams_received, 0);
        CU_ASSERT_TRUE(run.data.sent > 0);
        CU_ASSERT_EQUAL(run.data.received, run.data.expected);
    }
}

static void viewers_only_watch(void)
{
    for (enum scenario_topology topology = SCENARIO_MESH; topology <= SCENARIO_SFU; topology++) {
        struct result_run run = play(topology, "rooms={size: 4, publishers: 1}", NULL);
        check_complete(&run);
        CU_ASSERT_EQUAL(run.streams_expected, 2 * 3);
        CU_ASSERT_EQUAL(run.client_up_kbps.min, 0);
        CU_ASSERT_EQUAL(run.rtp.streams_sent, topology == SCENARIO_MESH ? 6 : 2);
        CU_ASSERT_EQUAL(run.rtp.streams_received, 6);
    }
}

static void sites_are_apart(void)
{
    static const char network[] = "network={sites: {eu: {us: 40ms}, us: }}";
    static const char servers[] = "servers={sfu: [{name: sfu-1, site: eu}], turn: 1, stun: 1}";
    struct result_run near =
        play(SCENARIO_SFU, network, servers, "population.site={eu: 1}", "population.nat={open: 1}", NULL);
    struct result_run far =
        play(SCENARIO_SFU, network, servers, "population.site={us: 1}", "population.nat={open: 1}", NULL);
    check_complete(&near);
    check_complete(&far);
    CU_ASSERT_DOUBLE_EQUAL(far.network_latency_ms.min, LINE_MS + 40, 0.1);
    CU_ASSERT_TRUE(near.network_latency_ms.min >= LINE_MS && near.network_latency_ms.min < LINE_MS + 5);
    CU_ASSERT_TRUE(far.join_ms.min > near.join_ms.min);
}

static void ipv6_needs_no_nat(void)
{
    for (enum scenario_topology topology = SCENARIO_MESH; topology <= SCENARIO_SFU; topology++) {
        struct result_run run = play(topology, "population.ipv6=1", "population.nat={symmetric: 1}", NULL);
        check_complete(&run);
        CU_ASSERT_EQUAL(run.connections.host, run.connections.connected);
    }
}

/* In a mesh everything is sent to each other one; to an SFU, once. */
static void a_mesh_grows_with_its_size(void)
{
    double mesh[5], sfu[5], down[5];
    for (int size = 2; size <= 4; size++) {
        char setting[32];
        snprintf(setting, sizeof setting, "rooms.size=%d", size);
        mesh[size] = play(SCENARIO_MESH, setting, "join.spread=0s", NULL).client_up_kbps.mean;
        struct result_run run = play(SCENARIO_SFU, setting, "join.spread=0s", NULL);
        sfu[size] = run.client_up_kbps.mean;
        down[size] = run.client_down_kbps.mean;
    }
    for (int size = 3; size <= 4; size++) {
        CU_ASSERT_DOUBLE_EQUAL(mesh[size] / mesh[2], size - 1, 0.1 * (size - 1));
        CU_ASSERT_DOUBLE_EQUAL(sfu[size] / sfu[2], 1, 0.1);
        CU_ASSERT_DOUBLE_EQUAL(down[size] / down[2], size - 1,
                               0.2 * (size - 1)); /* the SFU probes each downlink, too */
    }
}

/* --- run_scenario: processes, sweeps, thresholds ---------------------------------------------------------------------- */

static enum run_outcome run(const char *const *settings, bool (*progress)(void *, double), struct result *result)
{
    char scratch[SCRATCH_CAP];
    struct error error = {0};
    struct run_options options = {.settings = settings, .progress = progress};
    scratch_make(scratch);
    options.file = scratch_path(scratch, "base.yaml");
    scratch_write(options.file, base, strlen(base));
    for (; settings[options.setting_count] != NULL; options.setting_count++) {
    }
    enum run_outcome outcome = run_scenario(&options, result, &error);
    if (outcome == RUN_FAILED)
        printf("\n    %s", error.text);
    scratch_remove(scratch);
    return outcome;
}

static void a_sweep_keeps_its_order(void)
{
    static const char *const settings[] = {"sweep={rooms.size: [3, 2]}",
                                           "thresholds=[mesh.latency_ms.p95 < 200, "
                                           "sfu.latency_ms.p50 < 30, "
                                           "any.connections.failed == 0]",
                                           NULL};
    static const char *const order[] = {"mesh", "sfu", "mesh", "sfu"};
    struct result result;
    CU_ASSERT_EQUAL_FATAL(run(settings, NULL, &result), RUN_DONE);
    CU_ASSERT_EQUAL_FATAL(result.run_count, 4);
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_STRING_EQUAL(result.runs[i].topology, order[i]);
        CU_ASSERT_STRING_EQUAL(result.runs[i].sweep, i < 2 ? "rooms.size=3" : "rooms.size=2");
        CU_ASSERT_EQUAL(result.runs[i].room_size, i < 2 ? 3 : 2);
        check_complete(&result.runs[i]);
    }
    CU_ASSERT_EQUAL_FATAL(result.threshold_count, 3);
    CU_ASSERT_TRUE(result.thresholds[0].passed);
    CU_ASSERT_FALSE(result.thresholds[1].passed); /* two legs of 18.5 ms */
    CU_ASSERT_TRUE(result.thresholds[1].value > 37);
    CU_ASSERT_TRUE(result.thresholds[2].passed);
    CU_ASSERT_TRUE(strlen(result.verdict) > 0);
    /* What ran in a process of its own is what runs in this one, to the last byte. */
    struct result_run here = play(SCENARIO_SFU, "rooms.size=3", NULL);
    snprintf(here.sweep, sizeof here.sweep, "rooms.size=3");
    CU_ASSERT_EQUAL(memcmp(&here, &result.runs[1], sizeof here), 0);
    result_free(&result);
}

static bool enough(void *user, double share)
{
    (void)user;
    return share < 0.1;
}

static void an_interrupt_keeps_what_is_done(void)
{
    static const char *const settings[] = {"duration=20m", NULL};
    struct result result;
    CU_ASSERT_EQUAL(run(settings, enough, &result), RUN_INTERRUPTED);
    CU_ASSERT_TRUE(result.run_count < 2);
    CU_ASSERT_STRING_EQUAL(result.scenario, "small");
    result_free(&result);
}

void simulation_test(void)
{
    if (CONFAB_SIM)
        SUITE("simulation", {"everyone hears everyone", everyone_hears_everyone}, {"data arrives", data_arrives},
              {"data is enough for a call", data_is_enough_for_a_call}, {"NATs decide the way", nats_decide_the_way},
              {"without a relay they fail", without_a_relay_they_fail},
              {"a killed SFU sends no more", a_killed_sfu_sends_no_more},
              {"a cut ends when it says", a_cut_ends_when_it_says},
              {"a killed SFU is replaced", a_killed_sfu_is_replaced},
              {"who was away for long comes back", who_was_away_for_long_comes_back},
              {"a link changes", a_link_changes}, {"one shares a screen", one_shares_a_screen},
              {"viewers only watch", viewers_only_watch}, {"sites are apart", sites_are_apart},
              {"IPv6 needs no NAT", ipv6_needs_no_nat}, {"a mesh grows with its size", a_mesh_grows_with_its_size},
              {"a sweep keeps its order", a_sweep_keeps_its_order},
              {"an interrupt keeps what is done", an_interrupt_keeps_what_is_done});
}
