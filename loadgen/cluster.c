#include "loadgen/cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/plugin.h"
#include "report/result_files.h"
#include "report/result_merge.h"
#include "report/result_reader.h"

struct cluster {
    const struct cluster_transport *transport;
    unsigned rank, size;
    bool joined;
    uint64_t rounds; /* of adding up, begun */
    bool adding;
    struct cluster_numbers mine, all;
    struct load_counts counts; /* the last sum */
    struct load_peaks peaks;
    struct histogram histograms[CLUSTER_HISTOGRAMS];
};

/* --- joining ---------------------------------------------------------------------------------------------------------------- */

static bool read_number(const char *name, unsigned *value)
{
    char *end;
    const char *text = getenv(name);
    unsigned long number = text != NULL ? strtoul(text, &end, 10) : 0;
    if (text == NULL || end == text || *end != '\0' || number > 65535)
        return false;
    *value = (unsigned)number;
    return true;
}

bool cluster_seat(unsigned *rank, unsigned *size)
{
    static const char *const names[][2] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, {"PMI_RANK", "PMI_SIZE"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (read_number(names[i][0], rank) && read_number(names[i][1], size) && *rank<*size && * size> 1)
            return true;
    }
    *rank = 0;
    *size = 1;
    return false;
}

struct cluster *cluster_create(struct error *error)
{
    cluster_transport_function function;
    void *symbol = plugin_load("libconfab-mpi.so", CLUSTER_TRANSPORT_SYMBOL, error);
    struct cluster *cluster = symbol != NULL ? calloc(1, sizeof *cluster) : NULL;
    if (symbol == NULL) {
        error_prefix(error, "several processes need MPI");
        return NULL;
    }
    if (cluster == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    memcpy(&function, &symbol, sizeof function); /* POSIX's way round C's lack of a cast */
    cluster->transport = function();
    cluster_seat(&cluster->rank, &cluster->size);
    return cluster;
}

bool cluster_join(struct cluster *cluster, struct error *error)
{
    cluster->joined = cluster->transport->join();
    return cluster->joined || error_set(error, ERROR_SYSTEM, "MPI can't start");
}

void cluster_destroy(struct cluster *cluster)
{
    if (cluster == NULL)
        return;
    if (cluster->joined)
        cluster->transport->leave();
    for (size_t i = 0; i < CLUSTER_HISTOGRAMS; i++)
        histogram_clear(&cluster->histograms[i]);
    free(cluster);
}

bool cluster_begin(struct cluster *cluster, bool ready) { return cluster->transport->agree(ready); }

/* --- how all are doing ------------------------------------------------------------------------------------------------------- */

static void flatten(struct cluster_numbers *numbers, size_t i, const struct histogram *h)
{
    uint64_t *buckets = numbers->sums.histograms[i].buckets;
    for (size_t o = 0; o < HISTOGRAM_OCTAVES; o++) {
        if (h->octaves[o] != NULL)
            memcpy(&buckets[o * HISTOGRAM_STEPS], h->octaves[o], HISTOGRAM_STEPS * sizeof *buckets);
        else
            memset(&buckets[o * HISTOGRAM_STEPS], 0, HISTOGRAM_STEPS * sizeof *buckets);
    }
    numbers->sums.histograms[i].sum = (uint64_t)h->sum;
    numbers->peaks.histograms[i].max = h->count > 0 ? h->max : 0;
    numbers->peaks.histograms[i].not_min = h->count > 0 ? ~h->min : 0;
}

static void unflatten(const struct cluster_numbers *numbers, size_t i, struct histogram *h)
{
    const uint64_t *buckets = numbers->sums.histograms[i].buckets;
    histogram_clear(h);
    for (size_t b = 0; b < CLUSTER_BUCKETS; b++) {
        if (buckets[b] > 0)
            histogram_record_many(h, histogram_lowest(b), buckets[b]);
    }
    h->sum = (double)numbers->sums.histograms[i].sum;
    h->max = numbers->peaks.histograms[i].max;
    h->min = ~numbers->peaks.histograms[i].not_min;
}

static void begin_round(struct cluster *cluster)
{
    cluster->transport->reduce(&cluster->mine, &cluster->all);
    cluster->adding = true;
    cluster->rounds++;
}

void cluster_progress(struct cluster *cluster)
{
    if (!cluster->adding || !cluster->transport->poll())
        return;
    cluster->adding = false;
    cluster->counts = cluster->all.sums.counts;
    cluster->peaks = cluster->all.peaks.peaks;
    for (size_t i = 0; cluster->rank == 0 && i < CLUSTER_HISTOGRAMS; i++)
        unflatten(&cluster->all, i, &cluster->histograms[i]);
}

void cluster_total(const struct cluster *cluster, struct load_status *status)
{
    if (cluster->rank != 0 || cluster->counts.processes == 0)
        return;
    status->counts = cluster->counts;
    status->peaks = cluster->peaks;
    status->join = &cluster->histograms[0];
    status->latency = &cluster->histograms[1];
}

void cluster_share(struct cluster *cluster, struct load_status *status)
{
    cluster_progress(cluster);
    if (!cluster->adding) {
        cluster->mine.sums.counts = status->counts;
        cluster->mine.peaks.peaks = status->peaks;
        flatten(&cluster->mine, 0, status->join);
        flatten(&cluster->mine, 1, status->latency);
        begin_round(cluster);
    }
    cluster_total(cluster, status);
}

/* Some were asked more often than others: all take part in as many rounds as any. */
static void finish_rounds(struct cluster *cluster)
{
    uint64_t most = cluster->transport->largest(cluster->rounds);
    for (;;) {
        while (cluster->adding)
            cluster_progress(cluster);
        if (cluster->rounds == most)
            return;
        begin_round(cluster);
    }
}

/* --- the result of all --------------------------------------------------------------------------------------------------------- */

static bool merge(struct cluster *cluster, const char *texts, const size_t *lengths, bool partial, struct result *whole,
                  struct error *error)
{
    struct result *parts = calloc(cluster->size, sizeof *parts);
    char(*labels)[32] = calloc(cluster->size, sizeof *labels);
    const char **names = calloc(cluster->size, sizeof *names);
    bool ok = (parts != NULL && labels != NULL && names != NULL) || error_set(error, ERROR_SYSTEM, "out of memory");
    for (unsigned i = 0; ok && i < cluster->size; i++) {
        snprintf(labels[i], sizeof labels[i], "the result of rank %u", i);
        names[i] = labels[i];
        ok = result_parse(&parts[i], labels[i], texts, lengths[i], error);
        texts += lengths[i];
    }
    ok = ok && result_merge(parts, names, cluster->size, partial, whole, error);
    for (unsigned i = 0; parts != NULL && i < cluster->size; i++)
        result_free(&parts[i]);
    free(parts);
    free(labels);
    free(names);
    return ok;
}

bool cluster_gather(struct cluster *cluster, struct result *result, bool partial, struct error *error)
{
    char *text = NULL;
    size_t len = 0;
    size_t *lengths = calloc(cluster->size, sizeof *lengths);
    FILE *out = open_memstream(&text, &len);
    bool ok = out != NULL && lengths != NULL && result_write_json(result, out);
    ok = out != NULL && fclose(out) == 0 && ok;
    result_free(result);
    finish_rounds(cluster);
    if (!cluster->transport->agree(ok)) {
        free(text);
        free(lengths);
        return error_set(error, ERROR_SYSTEM, "out of memory");
    }
    char *texts = cluster->transport->gather(text, len, lengths);
    ok = cluster->rank != 0 || (texts != NULL && merge(cluster, texts, lengths, partial, result, error));
    free(texts);
    free(text);
    free(lengths);
    return ok;
}
