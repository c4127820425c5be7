/* What the clients of a load count together: the result as far as it is known, and the present second of it. */
#ifndef CONFAB_LOADGEN_LOAD_TALLY_H
#define CONFAB_LOADGEN_LOAD_TALLY_H

#include "base/nanos.h"
#include "loadgen/failure.h"
#include "loadgen/path_kind.h"
#include "loadgen/track_measure.h"
#include "report/load_result.h"
#include "rtc/connection.h"

struct load_tally {
    struct result_run *run; /* with its load */
    struct load_sample sample;
    double camera_fps; /* as it should be */
    nanos frozen;
};

/* What has been counted of one connection so far. */
struct call_count {
    bool connected;
    enum path_kind path;
    struct connection_statistics traffic;
};

/* What has been counted of one track so far; its `user`. */
struct track_count {
    struct track_measure measure;
    struct track_loss loss;
};

void load_tally_stage(struct load_tally *tally, enum load_figure stage, nanos since_planned);
void load_tally_frame(struct load_tally *tally, enum track_kind kind, nanos latency);
void load_tally_failure(struct load_tally *tally, enum failure failure, const char *reason);

/* Counts what is new since the last time. */
void load_tally_call(struct load_tally *tally, struct call_count *count, struct connection *connection);
void load_tally_track(struct load_tally *tally, struct track_count *count, const struct remote_track *track);

/* The track has ended. */
struct track_summary load_tally_track_end(struct load_tally *tally, struct track_count *count,
                                          const struct remote_track *track, nanos now);

#endif
