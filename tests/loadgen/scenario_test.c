#include "loadgen/scenario.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

static struct scenario *read_text(const char *text, struct error *error)
{
    struct yaml_node *root = yaml_node_parse("s.yaml", text, strlen(text), error);
    struct scenario *scenario = root != NULL ? scenario_read("s.yaml", root, error) : NULL;
    yaml_node_free(root);
    return scenario;
}

static void refuses(const char *text, const char *line, const char *what)
{
    struct error error = {0};
    struct scenario *scenario = read_text(text, &error);
    CU_ASSERT_PTR_NULL(scenario);
    CU_ASSERT_EQUAL(error.code, ERROR_USAGE);
    bool found = strstr(error.text, line) != NULL && strstr(error.text, what) != NULL;
    CU_ASSERT_TRUE(found);
    if (!found)
        printf("\n    '%s' lacks '%s' or '%s'", error.text, line, what);
    free(scenario);
}

/* The example of the scenario format's documentation, with every section. */
static const char *const example =
    "name: mesh-vs-sfu\n"
    "seed: 7\n"
    "duration: 20s\n"
    "world: sim\n"
    "topologies: [mesh, sfu]\n"
    "rooms: {count: 25, size: 4}\n"
    "sweep: {rooms.size: [2, 4, 6, 8]}\n"
    "join: {spread: 2s}\n"
    "population:\n"
    "  nat: {home: 60, open: 25.4, symmetric: 10, udp-blocked: 4.6}\n"
    "  access: {cable: 50, dsl: 20, wifi: 20, lte: 10}\n"
    "media:\n"
    "  audio: {codec: opus, bitrate: 32kbps}\n"
    "  video: {codec: vp8, layers: [{height: 180, fps: 15, bitrate: 150kbps}, {height: 360, fps: 30, bitrate: 500kbps}]}\n"
    "  screen: {sharers: 1, bitrate: 1mbps}\n"
    "servers: {sfu: 1, turn: [{name: far, site: us}], stun: 1}\n"
    "prices: {egress_per_gb: 0.05, server_per_hour: 0.20}\n"
    "network: {core_delay: 10ms, sites: {eu: {us: 40ms}, us: }}\n"
    "faults:\n"
    "  - {at: 8s, kill: sfu-1}\n"
    "  - {at: 5s, client: room1/2, set: {up: 300kbps}, for: 5s}\n"
    "thresholds:\n"
    "  - sfu.latency_ms.p95 < 250\n"
    "  - mesh.turn_fallback.connections < 0.30\n";

static void reads_every_section(void)
{
    struct error error = {0};
    struct scenario *s = read_text(example, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_STRING_EQUAL(s->name, "mesh-vs-sfu");
    CU_ASSERT_EQUAL(s->seed, 7);
    CU_ASSERT_EQUAL(s->duration, 20 * NANOS_PER_S);
    CU_ASSERT_EQUAL(s->rooms, 25);
    CU_ASSERT_EQUAL(s->room_size, 4);
    CU_ASSERT_EQUAL(s->nat.count, 4);
    CU_ASSERT_STRING_EQUAL(s->nat.entries[3].name, "udp-blocked");
    CU_ASSERT_DOUBLE_EQUAL(s->nat.entries[3].weight, 4.6, 1e-12);
    CU_ASSERT_EQUAL(s->media.layer_count, 2);
    CU_ASSERT_EQUAL(s->media.layers[1].bitrate, 500000);
    CU_ASSERT_TRUE(s->media.has_screen);
    CU_ASSERT_STRING_EQUAL(s->turn.entries[0].name, "far");
    CU_ASSERT_STRING_EQUAL(s->sfu.entries[0].name, "sfu-1");
    CU_ASSERT_EQUAL(s->sites.delay[1][0], 40 * NANOS_PER_MS);
    CU_ASSERT_EQUAL(s->fault_count, 2);
    CU_ASSERT_EQUAL(s->faults[1].kind, SCENARIO_SET);
    CU_ASSERT_EQUAL(s->faults[1].up, 300000);
    CU_ASSERT_EQUAL(s->faults[1].down, -1);
    CU_ASSERT_EQUAL(s->threshold_count, 2);
    free(s);
}

static void chooses_a_source(void)
{
    static const struct {
        const char *text;
        enum scenario_source source;
        bool video;
    } cases[] = {
        {"name: a\n", SCENARIO_MODEL, true},
        {"world: live\n", SCENARIO_CLIP, true},
        {"media: {source: clip}\n", SCENARIO_CLIP, true},
        {"world: live\nmedia: {audio: {}, source: model}\n", SCENARIO_MODEL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        struct yaml_node *root = yaml_node_parse("s.yaml", cases[i].text, strlen(cases[i].text), &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(root);
        struct scenario *s = scenario_read("s.yaml", root, &error);
        CU_ASSERT_PTR_NOT_NULL_FATAL(s);
        CU_ASSERT_EQUAL(s->media.source, cases[i].source);
        CU_ASSERT_TRUE(s->media.has_audio);
        CU_ASSERT_EQUAL(s->media.has_video, cases[i].video);
        free(s);
        yaml_node_free(root);
    }
}

static void sweeps_and_sets_values(void)
{
    struct error error = {0};
    struct scenario_point points[SCENARIO_SWEEP_MAX];
    size_t count;
    struct yaml_node *root = yaml_node_parse("s.yaml", example, strlen(example), &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(root);
    CU_ASSERT_TRUE(scenario_sweep("s.yaml", root, points, SCENARIO_SWEEP_MAX, &count, &error));
    CU_ASSERT_EQUAL(count, 4);
    CU_ASSERT_STRING_EQUAL(points[2].text, "rooms.size=6");
    CU_ASSERT_TRUE(yaml_node_set(root, points[2].path, points[2].value, &error));
    CU_ASSERT_TRUE(yaml_node_set(root, "media.video.layers.1.bitrate", "600kbps", &error));
    CU_ASSERT_TRUE(yaml_node_set(root, "population.ipv6", "0.5", &error));
    struct scenario *s = scenario_read("s.yaml", root, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(s->room_size, 6);
    CU_ASSERT_EQUAL(s->media.layers[1].bitrate, 600000);
    CU_ASSERT_DOUBLE_EQUAL(s->ipv6, 0.5, 1e-12);
    free(s);
    CU_ASSERT_FALSE(yaml_node_set(root, "media.video.layers.7.bitrate", "1", &error));
    CU_ASSERT_FALSE(yaml_node_set(root, "name.of", "1", &error));
    CU_ASSERT_FALSE(yaml_node_set(root, "rooms..size", "1", &error));
    CU_ASSERT_TRUE(yaml_node_set(root, "rooms.size", "many", &error));
    CU_ASSERT_PTR_NULL(scenario_read("s.yaml", root, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "--set: size"));
    yaml_node_free(root);
}

static void reads_own_presets(void)
{
    struct error error = {0};
    struct scenario *s = read_text("nats:\n"
                                   "  office: {mapping: apd, filtering: apd, allocation: random, udp_timeout: 30s}\n"
                                   "accesses:\n"
                                   "  thin: {up: {rate: 512kbps, delay: 20ms}, down: {rate: 2mbps, loss: 1%}}\n"
                                   "population: {nat: {office: 1}, access: {thin: 2, cable: 1}}\n",
                                   &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(s->nats[0].config.mapping, NAT_ADDRESS_AND_PORT_DEPENDENT);
    CU_ASSERT_EQUAL(s->nats[0].config.udp_timeout, 30 * NANOS_PER_S);
    CU_ASSERT_EQUAL(s->accesses[0].preset.up.rate_bps, 512000);
    CU_ASSERT_EQUAL(s->accesses[0].preset.up.queue_bytes, 19200);
    CU_ASSERT_DOUBLE_EQUAL(s->accesses[0].preset.down.loss, 0.01, 1e-12);
    free(s);
}

static void makes_a_room_of_each_pair(void)
{
    struct error error = {0};
    struct scenario *s = read_text("matrix: {nat: rfc4787}\ntopologies: [mesh]\n", &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(s);
    CU_ASSERT_EQUAL(s->matrix_count, 27);
    CU_ASSERT_EQUAL(s->rooms, 378);
    CU_ASSERT_EQUAL(s->room_size, 2);
    free(s);
}

static void says_line_and_remedy(void)
{
    refuses("seed: 1\nduratoin: 5s\n", "s.yaml:2: duratoin", "did you mean 'duration'");
    refuses("duration: 5parsecs\n", "s.yaml:1: duration", "parsecs");
    refuses("duration: 20\n", "s.yaml:1: duration", "lacks its unit");
    refuses("population:\n  nat: {home: -5}\n", "s.yaml:2: home", "negative");
    refuses("population:\n  nat:\n    hoem: 5\n", "s.yaml:3: hoem", "did you mean 'home'");
    refuses("population:\n  access: {fiber: 1}\n", "s.yaml:2: fiber", "did you mean 'fibre'");
    refuses("population:\n  nat: {home: 0}\n", "s.yaml:2: nat", "all weights are 0");
    refuses("world: live\npopulation:\n  ipv6: 0.5\n", "s.yaml:3: ipv6", "live world has no IPv6");
    refuses("thresholds: [sfu.latency_ms.p96 < 4]\n", "s.yaml:1", "no figure 'latency_ms.p96'");
    refuses("thresholds: [latency < 4]\n", "s.yaml:1", "begin with the topology");
    refuses("rooms: {count: 0}\n", "s.yaml:1: rooms", "at least one room");
    refuses("rooms: 5\n", "s.yaml:1: rooms", "must be a mapping");
    refuses("rooms: {size: 80}\n", "s.yaml:1: rooms", "mesh of 80");
    refuses("seed: 1\nseed: 2\n", "s.yaml:2", "second time (first on line 1)");
    refuses("a: [1, 2\n", "s.yaml:", "not YAML");
    refuses("", "s.yaml:1", "empty");
    refuses("- 1\n", "s.yaml:1", "must be a mapping");
    refuses("a: &x 1\nb: *x\n", "s.yaml:2", "alias");
    refuses("media: {data: {size: 200B}}\n", "s.yaml:1: data", "say what is sent");
    refuses("media: {data: {messages: 1/s, size: 8B}}\n", "s.yaml:1: data", "32B to 65536B");
    refuses("media: {data: {messages: 5000/s}}\n", "s.yaml:1: data", "at most 1000 messages");
    refuses("duration: 5s\nmedia: {data: {file: 1MB, at: 10s}}\n", "s.yaml:2: media", "after the end");
    refuses("media: {source: film}\n", "s.yaml:1: source", "model or clip");
    refuses("media: {video: {codec: h264}}\n", "s.yaml:1: codec", "only vp8");
    refuses("faults: [{at: 5s, kill: sfu-9}]\n", "s.yaml:1", "no server 'sfu-9'");
    refuses("faults: [{at: 5s, client: room9/1, cut: yes}]\n", "s.yaml:1", "room9/1");
    refuses("faults: [{client: room1/1, cut: yes}]\n", "s.yaml:1", "a fault is");
    refuses("nats: {x: {overload: yes}}\n", "s.yaml:1: x", "");
    refuses("sweep: {rooms.size: []}\nworld: mars\n", "s.yaml:2: world", "not one of: sim, live");
    refuses("network: {sites: {a: {}, b: {}}}\n", "s.yaml:1: sites", "between a and b is missing");
}

void scenario_test(void)
{
    SUITE("scenario", {"reads every section", reads_every_section}, {"sweeps and sets values", sweeps_and_sets_values},
          {"chooses a source", chooses_a_source}, {"reads own presets", reads_own_presets},
          {"makes a room of each pair", makes_a_room_of_each_pair}, {"says line and remedy", says_line_and_remedy});
}
