#include "report/result_reader.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/bins.h"
#include "report/load_result.h"
#include "report/result_schema.h"

/* Where in which file we are. */
struct reader {
    const char *file;
    char place[80]; /* "runs[3]." */
    struct error *error;
};

static bool refuse(const struct reader *reader, const char *field, const char *expected)
{
    return error_set(reader->error, ERROR_INPUT, "%s: %s%s: expected %s", reader->file, reader->place, field, expected);
}

static struct reader inside(const struct reader *reader, const char *list, size_t index)
{
    struct reader inner = *reader;
    snprintf(inner.place, sizeof inner.place, "%.40s%.20s[%zu].", reader->place, list, index);
    return inner;
}

/* --- values ---------------------------------------------------------------------------------------------------------------- */

static bool read_count(const json_t *json, uint64_t max, uint64_t *value)
{
    if (!json_is_integer(json) || json_integer_value(json) < 0 || (uint64_t)json_integer_value(json) > max)
        return false;
    *value = (uint64_t)json_integer_value(json);
    return true;
}

/* Control characters would play with the terminal that the text is shown on. */
static bool read_text(const json_t *json, char *text, size_t cap)
{
    const char *from = json_string_value(json);
    if (from == NULL || json_string_length(json) >= cap)
        return false;
    for (const char *c = from; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return false;
    }
    memcpy(text, from, json_string_length(json) + 1);
    return true;
}

static bool read_summary(const struct reader *reader, const char *field, const json_t *json,
                         struct result_summary *summary)
{
    const struct {
        const char *name;
        double *value;
    } parts[] = {{"min", &summary->min}, {"mean", &summary->mean}, {"p50", &summary->p50},
                 {"p95", &summary->p95}, {"p99", &summary->p99},   {"max", &summary->max}};
    if (!json_is_object(json) || !read_count(json_object_get(json, "count"), INT64_MAX, &summary->count))
        return refuse(reader, field, "a distribution: {\"count\": …, \"min\": …}");
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const json_t *part = json_object_get(json, parts[i].name);
        if (!json_is_number(part)) {
            char path[80];
            snprintf(path, sizeof path, "%s.%s", field, parts[i].name);
            return refuse(reader, path, "a number");
        }
        *parts[i].value = json_number_value(part);
    }
    return true;
}

static bool read_value(const struct reader *reader, const struct schema_field *field, const json_t *json,
                       void *structure)
{
    void *at = (char *)structure + field->offset;
    uint64_t number;
    switch (field->type) {
    case SCHEMA_COUNT:
        return read_count(json, INT64_MAX, at) || refuse(reader, field->path, "a whole number, not negative");
    case SCHEMA_COUNT32:
        if (!read_count(json, UINT32_MAX, &number))
            return refuse(reader, field->path, "a whole number below 2^32, not negative");
        *(uint32_t *)at = (uint32_t)number;
        return true;
    case SCHEMA_NUMBER:
        if (!json_is_number(json))
            return refuse(reader, field->path, "a number");
        *(double *)at = json_number_value(json);
        return true;
    case SCHEMA_FLAG:
        if (!json_is_boolean(json))
            return refuse(reader, field->path, "true or false");
        *(bool *)at = json_is_true(json);
        return true;
    case SCHEMA_TEXT:
        return read_text(json, at, field->cap) ||
               refuse(reader, field->path, "a text without control characters that is not too long");
    case SCHEMA_SUMMARY:
        return read_summary(reader, field->path, json, at);
    }
    return false;
}

/* What "a.b" names; NULL when it isn't there. */
static const json_t *look_up(const json_t *json, const char *path)
{
    for (const char *dot; json != NULL && (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        char step[48];
        snprintf(step, sizeof step, "%.*s", (int)(dot - path), path);
        json = json_object_get(json, step);
    }
    return json_object_get(json, path);
}

static bool read_fields(const struct reader *reader, const struct schema *schema, const json_t *json, void *structure)
{
    if (!json_is_object(json))
        return refuse(reader, "", "an object");
    for (size_t i = 0; i < schema->count; i++) {
        const json_t *value = look_up(json, schema->fields[i].path);
        if (value != NULL && !read_value(reader, &schema->fields[i], value, structure))
            return false;
    }
    return true;
}

/* Elements of `size` bytes each, at most `max`; none when the field isn't there. */
static bool read_list(const struct reader *reader, const struct schema *schema, const json_t *json, const char *field,
                      void *elements, size_t size, uint32_t max, uint32_t *length)
{
    const json_t *list = json_object_get(json, field);
    if (list != NULL && (!json_is_array(list) || json_array_size(list) > max))
        return refuse(reader, field, "a list, and not such a long one");
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct reader element = inside(reader, field, i);
        if (!read_fields(&element, schema, json_array_get(list, i), (char *)elements + i * size))
            return false;
    }
    *length = (uint32_t)json_array_size(list);
    return true;
}

/* --- a load ------------------------------------------------------------------------------------------------------------------ */

static bool add_bin(void *user, uint64_t lowest, uint64_t count)
{
    struct histogram *h = user;
    return count <= (uint64_t)INT64_MAX - h->count && histogram_record_many(h, lowest, count);
}

static bool read_histograms(const struct reader *reader, const json_t *json, struct load_result *load)
{
    for (size_t i = 0; i < LOAD_FIGURES; i++) {
        const char *name = load_figure_name((enum load_figure)i);
        const json_t *from = json_object_get(json, name);
        struct histogram *h = &load->figures[i];
        uint64_t min, max, sum;
        if (from == NULL)
            continue;
        struct reader inner = *reader;
        snprintf(inner.place, sizeof inner.place, "%.40shistograms.", reader->place);
        const char *bins = json_string_value(json_object_get(from, "bins"));
        if (bins == NULL || !bins_read(bins, add_bin, h) || h->count == 0)
            return refuse(&inner, name, "bins: pairs of a step and a count");
        if (!read_count(json_object_get(from, "min"), INT64_MAX, &min) ||
            !read_count(json_object_get(from, "max"), INT64_MAX, &max) ||
            !read_count(json_object_get(from, "sum"), INT64_MAX, &sum) ||
            histogram_bucket(min) != histogram_bucket(h->min) || histogram_bucket(max) != histogram_bucket(h->max))
            return refuse(&inner, name, "min, max and sum that agree with its bins");
        h->min = min;
        h->max = max;
        h->sum = (double)sum;
    }
    return true;
}

static bool add_latency(void *user, uint64_t bin, uint64_t count)
{
    struct load_sample *sample = user;
    if (bin >= LOAD_LATENCY_BINS || count > UINT32_MAX)
        return false;
    sample->latency[bin] = (uint32_t)count;
    return true;
}

/* A column for each field, all of one length. */
static bool read_series(const struct reader *reader, const json_t *json, struct load_series *series)
{
    const json_t *seconds = json_object_get(json, "seconds");
    const json_t *bins = json_object_get(json, "latency_bins");
    size_t count = json_array_size(seconds);
    uint64_t span;
    if (!read_count(json_object_get(json, "span_s"), 1 << 30, &span) || span == 0 || (span & (span - 1)) != 0)
        return refuse(reader, "series.span_s", "a power of two");
    if (count > LOAD_SAMPLES_MAX)
        return refuse(reader, "series.seconds", "a list, and not such a long one");
    series->span_s = (uint32_t)span;
    series->count = (uint32_t)count;
    for (size_t f = 0; f < schema_sample.count; f++) {
        const struct schema_field *field = &schema_sample.fields[f];
        const json_t *column = json_object_get(json, field->path);
        for (size_t i = 0; i < json_array_size(column) && i < count; i++) {
            struct reader cell = inside(reader, "series", i);
            if (!read_value(&cell, field, json_array_get(column, i), &series->samples[i]))
                return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        const char *text = json_string_value(json_array_get(bins, i));
        if (text != NULL && !bins_read(text, add_latency, &series->samples[i]))
            return refuse(reader, "series.latency_bins", "pairs of a step and a count");
    }
    return true;
}

static bool read_load(const struct reader *reader, const json_t *json, struct result_run *run)
{
    struct load_result *load = run->load = load_result_create();
    if (load == NULL)
        return error_set(reader->error, ERROR_SYSTEM, "out of memory");
    if (!read_fields(reader, &schema_load, json, load) ||
        !read_list(reader, &schema_failure, json, "failures", load->failures, sizeof load->failures[0],
                   LOAD_FAILURES_MAX, &load->failure_count) ||
        !read_list(reader, &schema_client, json, "worst_clients", load->worst, sizeof load->worst[0], LOAD_WORST_MAX,
                   &load->worst_count))
        return false;
    if (load->shard_count == 0 || load->shard_index == 0 || load->shard_index > load->shard_count)
        return refuse(reader, "shard", "an index from 1 to the count");
    return (json_object_get(json, "series") == NULL ||
            read_series(reader, json_object_get(json, "series"), &load->series)) &&
           read_histograms(reader, json_object_get(json, "histograms"), load);
}

/* --- a run ------------------------------------------------------------------------------------------------------------------- */

static bool read_outcome(const json_t *json, uint8_t *outcome)
{
    static const char *const names[] = {"none", "direct", "relayed", "failed"};
    for (uint8_t i = 0; json_is_string(json) && i < sizeof names / sizeof names[0]; i++) {
        *outcome = i;
        if (strcmp(json_string_value(json), names[i]) == 0)
            return true;
    }
    return false;
}

/* Pairs are in the order of the types: (0, 0), (0, 1) … (1, 1), (1, 2) …. */
static bool read_matrix(const struct reader *reader, const json_t *json, struct result_matrix *m)
{
    static const struct schema_field counts[] = {
        {"pairs", SCHEMA_COUNT32, MERGE_FIRST, offsetof(struct result_matrix, pairs), 0, NULL},
        {"as_expected", SCHEMA_COUNT32, MERGE_FIRST, offsetof(struct result_matrix, as_expected), 0, NULL},
        {"probed", SCHEMA_COUNT32, MERGE_FIRST, offsetof(struct result_matrix, probed), 0, NULL},
        {"probes_as_expected", SCHEMA_COUNT32, MERGE_FIRST, offsetof(struct result_matrix, probes_as_expected), 0,
         NULL},
    };
    static const struct schema schema = {counts, sizeof counts / sizeof counts[0]};
    const json_t *types = json_object_get(json, "types");
    const json_t *outcomes = json_object_get(json, "outcomes");
    size_t next = 0;
    if (!read_fields(reader, &schema, json, m))
        return false;
    if (json_array_size(types) > RESULT_MATRIX_MAX)
        return refuse(reader, "matrix.types", "a list, and not such a long one");
    m->count = (uint32_t)json_array_size(types);
    for (uint32_t i = 0; i < m->count; i++) {
        if (!read_text(json_array_get(types, i), m->types[i], sizeof m->types[i]))
            return refuse(reader, "matrix.types", "names");
        for (uint32_t j = i; j < m->count; j++) {
            const json_t *pair = json_array_get(outcomes, next++);
            if (!read_outcome(json_object_get(pair, "outcome"), &m->outcome[i][j]) ||
                !read_outcome(json_object_get(pair, "expected"), &m->expected[i][j]))
                return refuse(reader, "matrix.outcomes",
                              "a pair of none, direct, relayed or failed for each two types");
        }
    }
    return true;
}

static bool read_run(const struct reader *reader, const json_t *json, struct result_run *run)
{
    const json_t *captures = json_object_get(json, "captures");
    if (!read_fields(reader, &schema_run, json, run) ||
        !read_list(reader, &schema_fault, json, "faults", run->faults, sizeof run->faults[0], RESULT_FAULTS_MAX,
                   &run->fault_count))
        return false;
    if (run->topology[0] == '\0')
        return refuse(reader, "topology", "mesh, sfu or load");
    run->data.planned = json_object_get(json, "data") != NULL;
    if (json_array_size(captures) > RESULT_CAPTURES_MAX)
        return refuse(reader, "captures", "a list, and not such a long one");
    for (; run->capture_count < json_array_size(captures); run->capture_count++) {
        if (!read_text(json_array_get(captures, run->capture_count), run->captures[run->capture_count],
                       RESULT_PATH_CAP))
            return refuse(reader, "captures", "file names");
    }
    const json_t *matrix = json_object_get(json, "matrix");
    return (matrix == NULL || read_matrix(reader, matrix, &run->matrix)) &&
           (json_object_get(json, "funnel") == NULL || read_load(reader, json, run));
}

/* --- a result ---------------------------------------------------------------------------------------------------------------- */

static bool read_thresholds(const struct reader *reader, const json_t *list, struct result *result)
{
    if (json_array_size(list) > RESULT_THRESHOLDS_MAX)
        return refuse(reader, "thresholds", "a list, and not such a long one");
    result->thresholds = calloc(json_array_size(list) + 1, sizeof *result->thresholds);
    if (result->thresholds == NULL)
        return error_set(reader->error, ERROR_SYSTEM, "out of memory");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *from = json_array_get(list, i);
        struct result_threshold *t = &result->thresholds[result->threshold_count++];
        struct reader inner = inside(reader, "thresholds", i);
        const json_t *value = json_object_get(from, "value");
        if (!read_text(json_object_get(from, "expr"), t->expr, sizeof t->expr))
            return refuse(&inner, "expr", "a text");
        if (!json_is_boolean(json_object_get(from, "passed")))
            return refuse(&inner, "passed", "true or false");
        t->measured = json_is_number(value);
        t->value = json_number_value(value);
        t->passed = json_is_true(json_object_get(from, "passed"));
    }
    return true;
}

static bool read_result(const struct reader *reader, const json_t *json, struct result *result)
{
    const char *schema = json_string_value(json_object_get(json, "schema"));
    const json_t *runs = json_object_get(json, "runs");
    const json_t *verdict = json_object_get(json, "verdict");
    if (schema == NULL || strcmp(schema, RESULT_SCHEMA) != 0)
        return refuse(reader, "schema", "\"" RESULT_SCHEMA "\": a result.json of confab run or confab load");
    if (!read_fields(reader, &schema_result_head, json, result) ||
        !read_fields(reader, &schema_result_tail, json, result))
        return false;
    if (!json_is_array(runs) || json_array_size(runs) > RESULT_RUNS_MAX)
        return refuse(reader, "runs", "a list of at most 256");
    if (verdict != NULL && !read_text(verdict, result->verdict, sizeof result->verdict))
        return refuse(reader, "verdict", "a sentence");
    result->runs = calloc(json_array_size(runs) + 1, sizeof *result->runs);
    if (result->runs == NULL)
        return error_set(reader->error, ERROR_SYSTEM, "out of memory");
    for (size_t i = 0; i < json_array_size(runs); i++) {
        struct reader inner = inside(reader, "runs", i);
        if (!read_run(&inner, json_array_get(runs, i), &result->runs[result->run_count++]))
            return false;
    }
    return read_thresholds(reader, json_object_get(json, "thresholds"), result);
}

bool result_parse(struct result *result, const char *name, const char *text, size_t len, struct error *error)
{
    json_error_t at;
    memset(result, 0, sizeof *result);
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
    if (json == NULL)
        return error_set(error, ERROR_INPUT, "%s:%d: not JSON: %s", name, at.line, at.text);
    const struct reader reader = {.file = name, .error = error};
    bool read = read_result(&reader, json, result);
    json_decref(json);
    return read;
}

bool result_read(struct result *result, const char *path, struct error *error)
{
    memset(result, 0, sizeof *result);
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL)
        return error_set(error, ERROR_INPUT, "%s: can't be read: %s", path, strerror(errno));
    char *text = NULL;
    size_t len = 0;
    size_t cap = 1 << 16;
    bool ok = true;
    do {
        cap *= 2;
        char *larger = realloc(text, cap);
        ok = larger != NULL && cap <= RESULT_FILE_MAX_BYTES;
        if (larger != NULL)
            text = larger;
        if (ok)
            len += fread(text + len, 1, cap - len, file);
    } while (ok && len == cap);
    if (!ok)
        error_set(error, ERROR_INPUT, "%s: too large for a result", path);
    else if (ferror(file) != 0)
        ok = error_set(error, ERROR_INPUT, "%s: can't be read: %s", path, strerror(errno));
    if (file != stdin)
        fclose(file);
    ok = ok && result_parse(result, strcmp(path, "-") == 0 ? "standard input" : path, text, len, error);
    free(text);
    return ok;
}
