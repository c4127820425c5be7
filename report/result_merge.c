#include "report/result_merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/load_result.h"
#include "report/result_schema.h"
#include "report/threshold.h"
#include "report/verdict.h"

/* --- fields ------------------------------------------------------------------------------------------------------------------ */

static void merge_field(const struct schema_field *field, void *into, const void *from)
{
    bool add = field->merge == MERGE_ADD;
    switch (field->type) {
    case SCHEMA_COUNT: {
        uint64_t *a = into;
        uint64_t b = *(const uint64_t *)from;
        *a = add ? *a + b : b > *a ? b : *a;
        break;
    }
    case SCHEMA_COUNT32: {
        uint32_t *a = into;
        uint32_t b = *(const uint32_t *)from;
        *a = add ? *a + b : b > *a ? b : *a;
        break;
    }
    case SCHEMA_NUMBER: {
        double *a = into;
        double b = *(const double *)from;
        *a = add ? *a + b : b > *a ? b : *a;
        break;
    }
    case SCHEMA_FLAG:
        *(bool *)into |= *(const bool *)from;
        break;
    case SCHEMA_TEXT:
    case SCHEMA_SUMMARY:
        break;
    }
}

static void merge_fields(const struct schema *schema, void *into, const void *from)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        char *a = (char *)into + field->offset;
        const char *b = (const char *)from + field->offset;
        if (field->type == SCHEMA_TEXT && a[0] == '\0')
            memcpy(a, b, field->cap);
        else if (field->merge == MERGE_ADD || field->merge == MERGE_MAX)
            merge_field(field, a, b);
    }
}

/* The first field in which they must agree and don't; NULL when they agree. */
static const char *disagreement(const struct schema *schema, const void *a, const void *b)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_field *field = &schema->fields[i];
        const char *x = (const char *)a + field->offset;
        const char *y = (const char *)b + field->offset;
        bool same = field->type == SCHEMA_TEXT    ? strcmp(x, y) == 0
                    : field->type == SCHEMA_COUNT ? *(const uint64_t *)x == *(const uint64_t *)y
                                                  : *(const uint32_t *)x == *(const uint32_t *)y;
        if (field->merge == MERGE_SAME && !same)
            return field->path;
    }
    return NULL;
}

/* --- loads ------------------------------------------------------------------------------------------------------------------- */

/* What two shards saw in the same seconds. */
static bool merge_series(struct load_series *into, const struct load_series *from)
{
    struct load_series *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return false;
    *copy = *from;
    while (copy->span_s < into->span_s)
        load_series_coarsen(copy);
    while (into->span_s < copy->span_s)
        load_series_coarsen(into);
    for (uint32_t i = 0; i < copy->count; i++) {
        merge_fields(&schema_sample, &into->samples[i], &copy->samples[i]);
        for (uint32_t bin = 0; bin < LOAD_LATENCY_BINS; bin++)
            into->samples[i].latency[bin] += copy->samples[i].latency[bin];
    }
    into->count = copy->count > into->count ? copy->count : into->count;
    free(copy);
    return true;
}

static bool merge_load(struct load_result *into, const struct load_result *from)
{
    merge_fields(&schema_load, into, from);
    for (size_t i = 0; i < LOAD_FIGURES; i++) {
        if (!histogram_merge(&into->figures[i], &from->figures[i]))
            return false;
    }
    for (uint32_t i = 0; i < from->failure_count; i++)
        load_result_fail_many(into, from->failures[i].class, from->failures[i].example, from->failures[i].count);
    for (uint32_t i = 0; i < from->worst_count; i++)
        load_result_judge(into, &from->worst[i]);
    return merge_series(&into->series, &from->series);
}

/* --- runs -------------------------------------------------------------------------------------------------------------------- */

static bool is_same_run(const struct result_run *a, const struct result_run *b)
{
    return strcmp(a->topology, b->topology) == 0 && strcmp(a->sweep, b->sweep) == 0;
}

/* The same run in a result; NULL when it isn't there. */
static struct result_run *find_run(const struct result *result, const struct result_run *run)
{
    for (size_t i = 0; i < result->run_count; i++) {
        if (is_same_run(&result->runs[i], run))
            return &result->runs[i];
    }
    return NULL;
}

static bool append_run(struct result *merged, const struct result_run *run, struct error *error)
{
    struct result_run *copy = &merged->runs[merged->run_count];
    *copy = *run;
    if (run->load != NULL) {
        copy->load = load_result_create();
        if (copy->load == NULL)
            return error_set(error, ERROR_SYSTEM, "out of memory");
        copy->load->shard_count = run->load->shard_count;
        copy->load->series.span_s = run->load->series.span_s;
    }
    merged->run_count++;
    return copy->load == NULL || merge_load(copy->load, run->load) || error_set(error, ERROR_SYSTEM, "out of memory");
}

static bool add_run(struct result *merged, const struct result_run *run, const char *name, struct error *error)
{
    struct result_run *same = find_run(merged, run);
    if (same == NULL)
        return append_run(merged, run, error);
    if (same->load == NULL || run->load == NULL)
        return error_set(error, ERROR_INPUT,
                         "%s: a run of %s%s%s is in another result already; only the shards of a load become one", name,
                         run->topology, run->sweep[0] != '\0' ? ", " : "", run->sweep);
    const char *field = disagreement(&schema_run, same, run);
    field = field != NULL ? field : disagreement(&schema_load, same->load, run->load);
    if (field != NULL)
        return error_set(error, ERROR_INPUT, "%s: %s differs from the results before it, so it is of another load",
                         name, field);
    merge_fields(&schema_run, same, run);
    return merge_load(same->load, run->load) || error_set(error, ERROR_SYSTEM, "out of memory");
}

/* Which of the parts has this shard of the run? `count`: none. */
static size_t find_shard(const struct result *parts, size_t count, const struct result_run *run, uint32_t index)
{
    for (size_t i = 0; i < count; i++) {
        const struct result_run *same = find_run(&parts[i], run);
        if (same != NULL && same->load != NULL && same->load->shard_index == index)
            return i;
    }
    return count;
}

static bool check_twice(const struct result *parts, const char *const *names, size_t part, struct error *error)
{
    for (size_t i = 0; i < parts[part].run_count; i++) {
        const struct result_run *run = &parts[part].runs[i];
        size_t other = run->load != NULL ? find_shard(parts, part, run, run->load->shard_index) : part;
        if (other < part)
            return error_set(error, ERROR_INPUT, "%s: shard %u/%u is in %s already", names[part],
                             run->load->shard_index, run->load->shard_count, names[other]);
    }
    return true;
}

/* How many shards are missing; an error unless they may. */
static bool check_missing(const struct result *parts, size_t count, bool partial, struct result *merged,
                          uint32_t *missing, struct error *error)
{
    *missing = 0;
    for (size_t i = 0; i < merged->run_count; i++) {
        struct load_result *load = merged->runs[i].load;
        uint32_t there = 0;
        for (size_t k = 0; k < count; k++)
            there += find_run(&parts[k], &merged->runs[i]) != NULL;
        if (load == NULL || load->shard_count <= there)
            continue;
        if (!partial)
            return error_set(error, ERROR_INPUT, "there are %u of %u shards; --partial merges what there is", there,
                             load->shard_count);
        *missing += load->shard_count - there;
    }
    return true;
}

/* --- results ----------------------------------------------------------------------------------------------------------------- */

static bool has_threshold(const struct result *result, const char *expr)
{
    for (size_t i = 0; i < result->threshold_count; i++) {
        if (strcmp(result->thresholds[i].expr, expr) == 0)
            return true;
    }
    return false;
}

static void judge(const struct result *parts, size_t count, uint32_t missing, struct result *merged)
{
    char whole[sizeof merged->verdict];
    for (size_t i = 0; i < merged->run_count; i++) {
        struct load_result *load = merged->runs[i].load;
        if (load == NULL)
            continue;
        load->shard_index = load->shard_count = 1;
        load_result_sum_up(&merged->runs[i]);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < parts[i].threshold_count; k++) {
            const char *expr = parts[i].thresholds[k].expr;
            if (!has_threshold(merged, expr))
                merged->thresholds[merged->threshold_count++] = threshold_apply(expr, merged);
        }
    }
    verdict_write(merged);
    memcpy(whole, merged->verdict, sizeof whole);
    if (missing > 0)
        snprintf(merged->verdict, sizeof merged->verdict, "%u of the shards %s missing. %.450s", missing,
                 missing == 1 ? "is" : "are", whole);
}

bool result_merge(const struct result *parts, const char *const *names, size_t count, bool partial,
                  struct result *merged, struct error *error)
{
    size_t runs = 1;
    size_t thresholds = 1;
    uint32_t missing;
    memset(merged, 0, sizeof *merged);
    for (size_t i = 0; i < count; i++) {
        runs += parts[i].run_count;
        thresholds += parts[i].threshold_count;
    }
    merged->runs = calloc(runs, sizeof *merged->runs);
    merged->thresholds = calloc(thresholds, sizeof *merged->thresholds);
    if (merged->runs == NULL || merged->thresholds == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        const char *field = i > 0 ? disagreement(&schema_result_head, &parts[0], &parts[i]) : NULL;
        if (field != NULL)
            return error_set(error, ERROR_INPUT, "%s: %s differs from that in %s, so they don't belong together",
                             names[i], field, names[0]);
        if (!check_twice(parts, names, i, error))
            return false;
        if (i == 0)
            merged->seed = parts[0].seed;
        merge_fields(&schema_result_head, merged, &parts[i]);
        merge_fields(&schema_result_tail, merged, &parts[i]);
    }
    /* In turns, as ranks divide the points of a sweep among them: so they come back in its order. */
    for (size_t k = 0; k < runs; k++) {
        for (size_t i = 0; i < count; i++) {
            if (k < parts[i].run_count && !add_run(merged, &parts[i].runs[k], names[i], error))
                return false;
        }
    }
    if (!check_missing(parts, count, partial, merged, &missing, error))
        return false;
    judge(parts, count, missing, merged);
    return true;
}
