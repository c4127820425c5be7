/* A scenario: a question about calls, as a YAML file asks it (docs/scenarios.md). Reading one checks everything that can
 * be checked before the run; what a scenario does not say has the default noted here. */
#ifndef CONFAB_LOADGEN_SCENARIO_H
#define CONFAB_LOADGEN_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "loadgen/yaml.h"
#include "world/access.h"
#include "world/nat.h"

enum {
    SCENARIO_NAME_CAP = 64,
    SCENARIO_LAYERS_MAX = 3,
    SCENARIO_WEIGHTS_MAX = 64,
    SCENARIO_SITES_MAX = 16,
    SCENARIO_SERVERS_MAX = 32,
    SCENARIO_FAULTS_MAX = 16,
    SCENARIO_THRESHOLDS_MAX = 32,
    SCENARIO_PRESETS_MAX = 64,
    SCENARIO_SWEEP_MAX = 32,
    SCENARIO_MATRIX_MAX = 32,
};

enum scenario_world { SCENARIO_SIM, SCENARIO_LIVE };
enum scenario_topology { SCENARIO_MESH, SCENARIO_SFU };

struct scenario_weight {
    char name[SCENARIO_NAME_CAP];
    double weight;
};

struct scenario_weights {
    struct scenario_weight entries[SCENARIO_WEIGHTS_MAX];
    size_t count;
};

struct scenario_layer {
    uint32_t height, fps;
    int64_t bitrate; /* bit/s */
};

/* What is in the packets (peer/clip.h). */
enum scenario_source {
    SCENARIO_SOURCE_DEFAULT, /* while reading */
    SCENARIO_MODEL,          /* made up; the default in sim */
    SCENARIO_CLIP,           /* pictures and voices that decode; the default in the live world */
};

struct scenario_media {
    enum scenario_source source;
    bool has_audio, has_video, has_screen;
    int64_t audio_bitrate; /* 32 kbit/s */
    char audio_codec[SCENARIO_NAME_CAP];
    char video_codec[SCENARIO_NAME_CAP];
    struct scenario_layer layers[SCENARIO_LAYERS_MAX]; /* lowest first */
    size_t layer_count;
    uint32_t screen_sharers; /* in each room, the first of it; 1 */
    int64_t screen_bitrate;  /* 1 Mbit/s */
    bool has_data;
    double data_messages; /* that each who sends media sends, a second; 0: none */
    int64_t data_size;    /* bytes of each; 200 */
    int64_t data_file;    /* bytes of a file that the first of each room sends; 0: none */
    nanos data_at;        /* when; −1 while reading: 1 s after the last has joined */
};

/* A server by name ("sfu-1") and where it stands. */
struct scenario_server {
    char name[SCENARIO_NAME_CAP];
    char site[SCENARIO_NAME_CAP]; /* empty: the one site there is */
};

struct scenario_servers {
    struct scenario_server entries[SCENARIO_SERVERS_MAX];
    size_t count;
};

struct scenario_sites {
    char names[SCENARIO_SITES_MAX][SCENARIO_NAME_CAP];
    size_t count;                                        /* 0: one site, without a name */
    nanos delay[SCENARIO_SITES_MAX][SCENARIO_SITES_MAX]; /* one way */
};

struct scenario_custom_nat {
    char name[SCENARIO_NAME_CAP];
    struct nat_config config;
};

struct scenario_custom_access {
    char name[SCENARIO_NAME_CAP];
    struct access_preset preset;
};

enum scenario_fault_kind {
    SCENARIO_KILL, /* a server stops without a word */
    SCENARIO_SET,  /* a client's link changes */
    SCENARIO_CUT,  /* a client's link carries nothing */
};

struct scenario_fault {
    nanos at;
    enum scenario_fault_kind kind;
    char server[SCENARIO_NAME_CAP];
    uint32_t room, client; /* "room1/2": the second client of the first room, both from 1 */
    nanos lasts;           /* 0: until the end */
    int64_t up, down;      /* bit/s; −1: as it was */
    nanos delay;           /* one way; −1: as it was */
    double loss;           /* −1: as it was */
};

struct scenario_captures {
    bool servers;        /* yes: a capture at each TURN server and SFU */
    uint32_t rooms;      /* 1: captures at the clients of the first so many rooms */
    int64_t media_bytes; /* 64: of SRTP packets only so much is kept; 0: everything */
};

struct scenario {
    char name[SCENARIO_NAME_CAP];
    uint64_t seed;  /* 1 */
    nanos duration; /* 20 s of media */
    enum scenario_world world;
    enum scenario_topology topologies[2];
    size_t topology_count;
    uint32_t rooms, room_size; /* 1 room of 2 */
    uint32_t publishers;       /* in each room; 0: everyone */
    nanos join_spread;         /* 2 s */
    struct scenario_weights nat, access, site;
    double ipv6; /* share of clients that have IPv6 too; 0 */
    struct scenario_media media;
    struct scenario_servers sfu, turn, stun;
    bool price_given;
    double egress_per_gb, server_per_hour;
    nanos core_delay; /* 10 ms, one way between any two edges */
    struct scenario_sites sites;
    struct scenario_fault faults[SCENARIO_FAULTS_MAX];
    size_t fault_count;
    char thresholds[SCENARIO_THRESHOLDS_MAX][128];
    size_t threshold_count;
    struct scenario_custom_nat nats[SCENARIO_PRESETS_MAX];
    size_t nat_count;
    struct scenario_custom_access accesses[SCENARIO_PRESETS_MAX];
    size_t access_count;
    char matrix[SCENARIO_MATRIX_MAX][SCENARIO_NAME_CAP]; /* NAT types: one room of two for each unordered pair */
    size_t matrix_count;
    struct scenario_captures captures;
};

/* One run of a sweep: what was set, as "rooms.size=4", empty when the scenario has no sweep. */
struct scenario_point {
    char text[96];
    char path[64];
    char value[32];
};

/* Reads `root` (from yaml_node_load of `file`). NULL and `error`, "FILE:LINE: …", when something in it is wrong. */
struct scenario *scenario_read(const char *file, const struct yaml_node *root, struct error *error);

/* The runs that the document's `sweep` asks for, in order; count 1 with an empty text when it has none. The scenario of
 * a point is read from the document with that point set (yaml_node_set). */
bool scenario_sweep(const char *file, const struct yaml_node *root, struct scenario_point *points, size_t cap,
                    size_t *count, struct error *error);

#endif
