/* libconfab-mpi.so: loadgen/cluster.h's transport over MPI, and all of confab that knows MPI. */
#include <mpi.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include "loadgen/cluster.h"

/* MPI is one for a process, so its handles are one for this library. */
static struct {
    MPI_Comm rounds; /* for adding up, whose order is its own */
    MPI_Request sums, peaks;
} mpi;

#define NUMBERS(member) (int)(sizeof(((struct cluster_numbers *)0)->member) / sizeof(uint64_t))

/* MPI's own waiting spins, which takes a core from those who still measure. */
static void wait_for(MPI_Request *request)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    int done = 0;
    while (MPI_Test(request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done)
        nanosleep(&pause, NULL);
}

static bool join(void)
{
    if (MPI_Init(NULL, NULL) != MPI_SUCCESS)
        return false;
    mpi.sums = mpi.peaks = MPI_REQUEST_NULL;
    return MPI_Comm_dup(MPI_COMM_WORLD, &mpi.rounds) == MPI_SUCCESS;
}

static void leave(void)
{
    MPI_Comm_free(&mpi.rounds);
    MPI_Finalize();
}

static uint64_t largest(uint64_t mine)
{
    uint64_t all = 0;
    MPI_Request request;
    MPI_Iallreduce(&mine, &all, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD, &request);
    wait_for(&request);
    return all;
}

static bool agree(bool mine) { return largest(!mine) == 0; }

static void reduce(const struct cluster_numbers *mine, struct cluster_numbers *all)
{
    MPI_Ireduce(&mine->sums, &all->sums, NUMBERS(sums), MPI_UINT64_T, MPI_SUM, 0, mpi.rounds, &mpi.sums);
    MPI_Ireduce(&mine->peaks, &all->peaks, NUMBERS(peaks), MPI_UINT64_T, MPI_MAX, 0, mpi.rounds, &mpi.peaks);
}

static bool poll_rounds(void)
{
    int sums = 0;
    int peaks = 0;
    MPI_Test(&mpi.sums, &sums, MPI_STATUS_IGNORE);
    MPI_Test(&mpi.peaks, &peaks, MPI_STATUS_IGNORE);
    return sums != 0 && peaks != 0;
}

static char *gather(const char *text, size_t len, size_t *lengths)
{
    int rank, size;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    int *counts = calloc(2 * (size_t)size, sizeof *counts);
    int mine = (int)len;
    size_t total = 0;
    if (counts == NULL)
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    MPI_Gather(&mine, 1, MPI_INT, counts, 1, MPI_INT, 0, MPI_COMM_WORLD);
    for (int i = 0; i < size; i++) {
        counts[size + i] = (int)total;
        lengths[i] = (size_t)counts[i];
        total += lengths[i];
    }
    char *texts = rank == 0 ? malloc(total + 1) : NULL;
    if (rank == 0 && texts == NULL)
        MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
    MPI_Gatherv(text, mine, MPI_CHAR, texts, counts, counts + size, MPI_CHAR, 0, MPI_COMM_WORLD);
    free(counts);
    return texts;
}

const struct cluster_transport *cluster_transport_of_mpi(void);
const struct cluster_transport *cluster_transport_of_mpi(void)
{
    static const struct cluster_transport transport = {.join = join,
                                                       .leave = leave,
                                                       .agree = agree,
                                                       .largest = largest,
                                                       .reduce = reduce,
                                                       .poll = poll_rounds,
                                                       .gather = gather};
    return &transport;
}
