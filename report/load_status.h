/* How a load is doing right now, small enough to be told every second: what the live view and the metrics endpoint show. Its
 * counts add up over processes, its peaks are the highest of them and its histograms merge, so the status of a whole
 * cluster is of the same form (loadgen/cluster.h). */
#ifndef CONFAB_REPORT_LOAD_STATUS_H
#define CONFAB_REPORT_LOAD_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "report/load_result.h"

/* Nothing but uint64_t, so that it can be added up as an array. Since the start, where nothing else is said. */
struct load_counts {
    uint64_t processes;
    uint64_t planned, joining, joined, failed; /* clients; joined: in the call now */
    uint64_t joins_planned;
    uint64_t stages[LOAD_STAGES];
    uint64_t connected, host, srflx, prflx, relay_udp, relay_tcp, relay_tls;
    uint64_t tracks_expected, tracks_got;
    uint64_t bytes_up, bytes_down;           /* in the last second */
    uint64_t packets_expected, packets_lost; /* in the last second, before repair */
    uint64_t failures;                       /* by any cause */
    uint64_t drops;                          /* datagrams that the generator's machines lost */
};

/* Likewise, of which the highest counts. */
struct load_peaks {
    uint64_t cpu_ppm; /* of all cores, in the last second */
    uint64_t lag_us;  /* in the last second */
    uint64_t elapsed_ms, remaining_ms;
    uint64_t overloaded; /* 0 or 1 */
};

struct load_status {
    char server[RESULT_PATH_CAP];
    double rate; /* joins a second; 0: as fast as it goes */
    bool paused;
    struct load_counts counts;
    struct load_peaks peaks;
    /* Whole, since the start; another's, which must stay. */
    const struct histogram *join, *latency;
    /* Of this process. */
    const struct load_result *load;
};

/* What a result that is being filled says. The clients' counts, the rate and the times are the caller's to fill in. */
void load_status_of(struct load_status *status, const struct result *result);

#endif
