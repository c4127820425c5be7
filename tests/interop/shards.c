/* One process of a load that never was (tests/support/made_load.h), for tests/interop/cluster.py: alone it has all the clients,
 * under mpirun its share of them. The result of all goes to the file named by its argument; how all were doing according to
 * cluster_share must agree with it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loadgen/cluster.h"
#include "report/result_files.h"
#include "tests/support/made_load.h"

enum { CLIENTS = 500 };

static int fail(const char *what)
{
    fprintf(stderr, "shards: %s\n", what);
    return EXIT_FAILURE;
}

static int write_result(const struct result *result, const char *path)
{
    FILE *out = fopen(path, "w");
    if (out == NULL || !result_write_json(result, out) || fclose(out) != 0)
        return fail("can't write");
    return EXIT_SUCCESS;
}

/* Ranks are asked a different number of times, as they are when they don't end together. */
static void share(struct cluster *cluster, const struct result *mine, unsigned times, struct load_status *last)
{
    for (unsigned i = 0; i < times; i++) {
        load_status_of(last, mine);
        cluster_share(cluster, last);
    }
}

static bool same(const struct histogram *a, const struct histogram *b)
{
    return a->count == b->count && a->sum == b->sum && a->min == b->min && a->max == b->max &&
           histogram_quantile(a, 0.5) == histogram_quantile(b, 0.5) &&
           histogram_quantile(a, 0.99) == histogram_quantile(b, 0.99);
}

int main(int argc, char **argv)
{
    unsigned rank, size;
    struct result mine;
    struct load_status status;
    struct error error;
    struct cluster *cluster = NULL;
    if (argc != 2)
        return fail("usage: shards RESULT.json");
    bool together = cluster_seat(&rank, &size);
    made_load(&mine, CLIENTS, rank + 1, size);
    if (!together)
        return write_result(&mine, argv[1]);
    if ((cluster = cluster_create(&error)) == NULL || !cluster_join(cluster, &error))
        return fail(error.text);
    if (!cluster_begin(cluster, true))
        return fail("not all are ready");
    share(cluster, &mine, 3 + 2 * rank, &status);
    if (!cluster_gather(cluster, &mine, false, &error))
        return fail(error.text);
    int code = EXIT_SUCCESS;
    if (rank == 0) {
        /* All take part in as many rounds as any, so the last sum is whole. */
        cluster_total(cluster, &status);
        const struct load_result *load = mine.runs[0].load;
        if (status.counts.processes != size || status.counts.joined != mine.runs[0].clients_joined ||
            !same(status.latency, &load->figures[LOAD_LATENCY]) || !same(status.join, &load->figures[LOAD_JOIN]))
            code = fail("the sums of cluster_share are not those of the result");
        else
            code = write_result(&mine, argv[1]);
    }
    result_free(&mine);
    cluster_destroy(cluster);
    return code;
}
