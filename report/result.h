/* What one invocation measured: a list of runs (one for each topology and sweep value) with everything that any view,
 * threshold or comparison needs. Plain data without pointers into it, so a run made in a child process travels to its
 * parent as bytes; what a load adds (report/load_result.h) hangs on it, and travels as JSON. The field names are those of
 * the JSON form (docs/results.md). */
#ifndef CONFAB_REPORT_RESULT_H
#define CONFAB_REPORT_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"

enum {
    RESULT_CAPTURES_MAX = 16,
    RESULT_PATH_CAP = 256,
    RESULT_MATRIX_MAX = 32,
    RESULT_NAME_CAP = 48,
    RESULT_FAULTS_MAX = 16,
};

/* The shape of a distribution. All but `count` are 0 when count is. */
struct result_summary {
    uint64_t count;
    double min, mean, p50, p95, p99, max;
};

/* Divides every value by `unit`: 1e6 for a histogram of nanoseconds that is to be read in milliseconds. */
struct result_summary result_summarize(const struct histogram *histogram, double unit);

/* How ICE-connected transports reach their other end. */
struct result_connections {
    uint64_t planned, connected, failed;
    uint64_t host, srflx, prflx;              /* neither end relays; the less direct end names the path */
    uint64_t relay_udp, relay_tcp, relay_tls; /* by how the relaying end reaches its TURN server */
};

/* What a pair of NAT types came to, beside what the oracle expects. */
enum result_outcome {
    OUTCOME_NONE, /* not run */
    OUTCOME_DIRECT,
    OUTCOME_RELAYED,
    OUTCOME_FAILED,
};

struct result_matrix {
    uint32_t count; /* types; 0 when the scenario has no matrix */
    uint32_t pairs, as_expected;
    char types[RESULT_MATRIX_MAX][RESULT_NAME_CAP];
    uint8_t outcome[RESULT_MATRIX_MAX][RESULT_MATRIX_MAX]; /* enum result_outcome; row ≤ column */
    uint8_t expected[RESULT_MATRIX_MAX][RESULT_MATRIX_MAX];
    uint32_t probed, probes_as_expected; /* RFC 5780, from inside each type */
};

/* What a fault did, as the clients saw it. */
struct result_fault {
    char what[RESULT_NAME_CAP];
    double at_s;
    uint64_t clients_hit;    /* that got no media for over a second after it */
    double media_gap_ms_p50; /* time from the fault until media flowed again, among those that saw it again */
    double media_gap_ms_max;
    uint64_t clients_recovered;
};

/* What went over data channels. Expected are (message, receiver) and (file, receiver) pairs. */
struct result_data {
    bool planned; /* false: the scenario has none, and the rest is 0 */
    uint64_t sent, expected, received;
    uint64_t corrupt; /* received, but not as they were sent */
    struct result_summary latency_ms;
    struct {
        uint64_t sent, expected, received, intact, bytes;
        struct result_summary time_ms;
    } files;
};

struct result_run {
    char topology[8]; /* "mesh", "sfu" or "load" */
    char sweep[96];   /* "rooms.size=4"; empty without a sweep */
    uint32_t rooms, room_size;
    double media_seconds; /* from the last planned join to the end */
    uint64_t clients_planned, clients_joined, clients_failed;
    struct result_connections connections;
    struct {
        double connections, clients, rooms; /* shares, 0 to 1 */
    } turn_fallback;
    struct result_summary join_ms;
    struct result_summary latency_ms, audio_latency_ms, video_latency_ms;
    /* RTP packets' time on the network, one leg: from the sender's socket to the receiver's, SFUs among both. What
     * `confab analyze` calls one_way, given captures at both ends of every leg. */
    struct result_summary network_latency_ms;
    /* What the clients counted at their sockets, over the whole run: SRTP packets with headers and tags, retransmissions
     * and padding included; streams are those of media, by SSRC. */
    struct {
        uint64_t streams_sent, streams_received;
        uint64_t packets_sent, packets_received;
        uint64_t bytes_sent, bytes_received;
    } rtp;
    struct result_summary client_up_kbps, client_down_kbps;
    double sfu_egress_kbps, turn_egress_kbps;
    struct {
        uint64_t sent, lost;
        double rate, after_repair;
    } loss;
    struct {
        uint64_t count;
        double total_ms;
    } freeze;
    double mos_audio, mos_video;
    double encodings_per_client;
    struct result_summary video_kbps; /* of each received video, what arrived */
    struct result_summary video_height, video_fps;
    struct result_data data;
    uint64_t streams_expected, streams_received; /* (publication, subscriber) pairs */
    struct {
        double sfu_egress_gb_per_hour, turn_egress_gb_per_hour, per_hour;
    } cost; /* of all the rooms of the run together */
    uint32_t capture_count;
    char captures[RESULT_CAPTURES_MAX][RESULT_PATH_CAP];
    uint32_t fault_count;
    struct result_fault faults[RESULT_FAULTS_MAX];
    struct result_matrix matrix;
    uint64_t errors; /* clients' errors by any cause, described in `first_error` */
    char first_error[160];
    struct load_result *load; /* NULL but in a load on a server */
};

struct result_threshold {
    char expr[128];
    double value;
    bool measured; /* false: no run gave the figure */
    bool passed;
};

struct result {
    char scenario[64];
    uint64_t seed;
    char world[8];
    struct result_run *runs;
    size_t run_count;
    struct {
        double cpu;        /* of all cores, 0 to 1 */
        double max_lag_ms; /* how much later than planned things happened */
        uint64_t drops;    /* datagrams that the generator's own machine lost */
        bool overloaded;   /* so the figures say nothing about what was measured */
        char why[96];      /* it is; empty otherwise */
    } generator;           /* the sim world has none to overload: all 0 */
    struct result_threshold *thresholds;
    size_t threshold_count;
    char verdict[512];
};

void result_free(struct result *result);

/* How long a received video was frozen, in seconds of each minute; 0 without video. */
double result_frozen_s_per_minute(const struct result_run *run);

#endif
