/* What the clients of one run see, frame by frame, and what it sums up to: the figures of a result_run that come from
 * the clients themselves. */
#ifndef CONFAB_LOADGEN_MEASUREMENT_H
#define CONFAB_LOADGEN_MEASUREMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/histogram.h"
#include "base/nanos.h"
#include "loadgen/path_kind.h"
#include "loadgen/population.h"
#include "peer/participant.h"
#include "report/result.h"

struct measurement;

/* One client's transport to another, or to the SFU. */
struct link_record {
    bool ours;      /* we made the offer: in a mesh the pair is counted at this end */
    bool connected; /* at some time */
    struct transport_path_info path;
};

struct client_measure {
    struct measurement *run;
    const struct client_profile *profile;
    struct participant *participant; /* NULL before it joins */
    nanos joined_at;                 /* connected to all who were there; NANOS_NEVER before */
    bool let_in;
    uint32_t own_connected;        /* of the calls that it made itself */
    struct link_record *links;     /* by the other's number in the room; at an SFU the first alone */
    nanos last_media;              /* NANOS_NEVER before any */
    nanos lost_at;                 /* without a server since then; NANOS_NEVER: it has one */
    uint32_t lost_videos;          /* that stood still when it lost its server */
    uint64_t up_bytes, down_bytes; /* at the start of the media window */
    uint8_t *heard;                /* bits: streams of others that brought a frame, by their number and track_kind */
};

/* A client got no media for over a second after a fault. */
struct outage {
    uint32_t client, fault;
    nanos gap; /* from the fault until there was some again; NANOS_NEVER: until the end */
};

struct measurement {
    const struct scenario *scenario;
    bool mesh;
    nanos media_from, media_until;
    struct client_measure *clients;
    size_t client_count;
    struct link_record *links;
    uint8_t *heard;
    struct histogram join, latency, audio_latency, video_latency;
    struct histogram network_latency; /* filled by connections themselves */
    struct histogram data_latency, file_time;
    struct result_data data; /* its counts */
    struct histogram client_up, client_down, video_kbps, video_height, video_fps;
    uint64_t packets_expected, packets_lost, packets_lost_after_repair;
    uint64_t freezes;
    nanos frozen;
    double mos_audio_sum, mos_video_sum;
    uint64_t mos_audio_count, mos_video_count;
    uint64_t streams_received;
    uint64_t errors;
    char first_error[160];
    struct result_fault faults[RESULT_FAULTS_MAX];
    nanos fault_at[RESULT_FAULTS_MAX];
    struct histogram fault_gap[RESULT_FAULTS_MAX];
    uint32_t fault_count;
    struct outage *outages;
    size_t outage_count, outage_cap;
};

/* After measurement_finish: how client number `client` reached the `other` of its room (0: the SFU), and whether it was
 * the one who offered, by which each pair of a mesh is counted once. */
enum path_kind measurement_path(const struct measurement *m, size_t client, uint32_t other);
bool measurement_offered(const struct measurement *m, size_t client, uint32_t other);

/* Callbacks for participants; `user` is the participant's client_measure. */
extern const struct participant_callbacks measurement_callbacks;

bool measurement_init(struct measurement *m, const struct scenario *scenario, const struct population *population,
                      bool mesh, struct error *error);
void measurement_clear(struct measurement *m);

/* The media window begins: what was sent before doesn't count for bitrates. */
void measurement_begin_window(struct measurement *m);

/* A fault strikes now. */
void measurement_fault(struct measurement *m, const char *what, nanos now);

/* The run ends: sums up into `run` all but what servers count. Participants must still be there. */
void measurement_finish(struct measurement *m, nanos now, struct result_run *run);

#endif
