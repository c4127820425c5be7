/* Several processes that share one piece of work, started by mpirun: each does its part, which is a pure function of its
 * rank, and rank 0 has the one result. What talks MPI is a library of its own (loadgen/mpi, libconfab-mpi.so), loaded only
 * when mpirun, or what else starts MPI programs, has started us. */
#ifndef CONFAB_LOADGEN_CLUSTER_H
#define CONFAB_LOADGEN_CLUSTER_H

#include <stdbool.h>

#include "base/error.h"
#include "report/load_status.h"
#include "report/result.h"

struct cluster;

/* Which of how many processes are we, by the environment that mpirun (Open MPI, MPICH) or srun with PMI gives? False and
 * 0 of 1 when we are alone. */
bool cluster_seat(unsigned *rank, unsigned *size);

/* NULL and `error` when MPI isn't there. */
struct cluster *cluster_create(struct error *error);

/* Finds the others: all of them must call it, early or late; whoever forks does so before. */
bool cluster_join(struct cluster *cluster, struct error *error);

/* Leaves MPI, for good, if it has joined. NULL is allowed. */
void cluster_destroy(struct cluster *cluster);

/* Waits for all, who then go on at the same time. Are all of them ready? */
bool cluster_begin(struct cluster *cluster, bool ready);

/* Adds up how all are doing: called now and then by each, with its own, it never waits. At rank 0 `status` becomes that of
 * all once there is a first sum, its histograms merged exactly; they stay until the next call. At other ranks, and before,
 * it is left alone. */
void cluster_share(struct cluster *cluster, struct load_status *status);

/* Lets the sum that is under way go on: MPI does so only when it is asked. Some hundred times a second. */
void cluster_progress(struct cluster *cluster);

/* The last sum alone, in the same way. */
void cluster_total(const struct cluster *cluster, struct load_status *status);

/* The end of it: rank 0 waits for the results of all, and merged into one they become `result`; at other ranks it becomes
 * empty. `partial`: even if some are missing. False and `error` when they don't go together. */
bool cluster_gather(struct cluster *cluster, struct result *result, bool partial, struct error *error);

/* What cluster_share is made of, as numbers that add up and numbers of which the highest counts. */
enum { CLUSTER_HISTOGRAMS = 2, CLUSTER_BUCKETS = HISTOGRAM_OCTAVES * HISTOGRAM_STEPS };

struct cluster_numbers {
    struct {
        struct load_counts counts;
        struct {
            uint64_t sum;
            uint64_t buckets[CLUSTER_BUCKETS];
        } histograms[CLUSTER_HISTOGRAMS];
    } sums;
    struct {
        struct load_peaks peaks;
        struct {
            uint64_t max, not_min;
        } histograms[CLUSTER_HISTOGRAMS];
    } peaks;
};

/* Between libconfab-mpi.so and us: what of MPI we need. All processes call the same functions in the same order, but for
 * `poll`. */
struct cluster_transport {
    /* False when MPI can't start. */
    bool (*join)(void);
    void (*leave)(void);
    /* Waits for all; are all true? Sleeps meanwhile, as others on this machine may be measuring. */
    bool (*agree)(bool mine);
    /* The largest of all; waits likewise. */
    uint64_t (*largest)(uint64_t mine);
    /* Begins to add up: both must stay until `poll` is true. At rank 0 `all` is then the whole. */
    void (*reduce)(const struct cluster_numbers *mine, struct cluster_numbers *all);
    bool (*poll)(void);
    /* At rank 0 the texts of all, one after the other, to be freed, and their lengths; NULL elsewhere. */
    char *(*gather)(const char *text, size_t len, size_t *lengths);
};

/* The library's one symbol: a function of this type. */
#define CLUSTER_TRANSPORT_SYMBOL "cluster_transport_of_mpi"
typedef const struct cluster_transport *(*cluster_transport_function)(void);

#endif
