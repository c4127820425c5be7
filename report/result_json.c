#include "report/result_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/bins.h"
#include "report/load_result.h"
#include "report/result_schema.h"

/* Six decimals: nobody measures finer, and the text is then the same on every machine. */
static json_t *number(double value) { return json_real(isfinite(value) ? round(value * 1e6) / 1e6 : 0); }

static json_t *count(uint64_t value) { return json_integer((json_int_t)(value < INT64_MAX ? value : INT64_MAX)); }

/* Some texts come from servers: what isn't UTF-8 in them can't be in JSON. */
static json_t *text(const char *value)
{
    json_t *json = json_string(value);
    char *ascii = json == NULL ? strdup(value) : NULL;
    if (ascii == NULL)
        return json;
    for (char *c = ascii; *c != '\0'; c++)
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    json = json_string(ascii);
    free(ascii);
    return json;
}

static json_t *summary(const struct result_summary *s)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "count", count(s->count), "min", number(s->min), "mean",
                     number(s->mean), "p50", number(s->p50), "p95", number(s->p95), "p99", number(s->p99), "max",
                     number(s->max));
}

/* --- by the schema ------------------------------------------------------------------------------------------------------- */

static json_t *value_of(const struct schema_field *field, const void *structure)
{
    const void *at = (const char *)structure + field->offset;
    switch (field->type) {
    case SCHEMA_COUNT:
        return count(*(const uint64_t *)at);
    case SCHEMA_COUNT32:
        return count(*(const uint32_t *)at);
    case SCHEMA_NUMBER:
        return number(*(const double *)at);
    case SCHEMA_FLAG:
        return json_boolean(*(const bool *)at);
    case SCHEMA_TEXT:
        return text(at);
    case SCHEMA_SUMMARY:
        return summary(at);
    }
    return NULL;
}

/* Sets what "a.b" names in `json`, making "a" where it isn't yet. */
static void set(json_t *json, const char *path, json_t *value)
{
    const char *dot = strchr(path, '.');
    if (dot == NULL) {
        json_object_set_new(json, path, value);
        return;
    }
    char step[48];
    snprintf(step, sizeof step, "%.*s", (int)(dot - path), path);
    json_t *inner = json_object_get(json, step);
    if (inner == NULL) {
        json_object_set_new(json, step, json_object());
        inner = json_object_get(json, step);
    }
    set(inner, dot + 1, value);
}

static void put(json_t *json, const struct schema *schema, const void *structure)
{
    for (size_t i = 0; i < schema->count; i++) {
        if (schema->fields[i].present == NULL || schema->fields[i].present(structure))
            set(json, schema->fields[i].path, value_of(&schema->fields[i], structure));
    }
}

static json_t *list(const struct schema *schema, const void *elements, size_t size, size_t length)
{
    json_t *json = json_array();
    for (size_t i = 0; i < length; i++) {
        json_t *element = json_object();
        put(element, schema, (const char *)elements + i * size);
        json_array_append_new(json, element);
    }
    return json;
}

/* --- what the schema has no word for --------------------------------------------------------------------------------------- */

static const char *outcome_name(uint8_t outcome)
{
    static const char *const names[] = {"none", "direct", "relayed", "failed"};
    return names[outcome];
}

static json_t *matrix(const struct result_matrix *m)
{
    json_t *types = json_array();
    json_t *pairs = json_array();
    for (uint32_t i = 0; i < m->count; i++) {
        json_array_append_new(types, json_string(m->types[i]));
        for (uint32_t j = i; j < m->count; j++)
            json_array_append_new(pairs, json_pack("{s:s, s:s, s:s, s:s}", "a", m->types[i], "b", m->types[j],
                                                   "outcome", outcome_name(m->outcome[i][j]), "expected",
                                                   outcome_name(m->expected[i][j])));
    }
    return json_pack("{s:o, s:i, s:i, s:i, s:i, s:o}", "types", types, "pairs", (int)m->pairs, "as_expected",
                     (int)m->as_expected, "probed", (int)m->probed, "probes_as_expected", (int)m->probes_as_expected,
                     "outcomes", pairs);
}

static json_t *captures(const struct result_run *run)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < run->capture_count; i++)
        json_array_append_new(list, json_string(run->captures[i]));
    return list;
}

/* A column for each field. */
static json_t *series(const struct load_series *series)
{
    json_t *json = json_pack("{s:i}", "span_s", (int)series->span_s);
    json_t *p50 = json_array();
    json_t *p95 = json_array();
    json_t *bins = json_array();
    for (size_t f = 0; f < schema_sample.count; f++) {
        json_t *column = json_array();
        for (uint32_t i = 0; i < series->count; i++)
            json_array_append_new(column, value_of(&schema_sample.fields[f], &series->samples[i]));
        json_object_set_new(json, schema_sample.fields[f].path, column);
    }
    for (uint32_t i = 0; i < series->count; i++) {
        struct bins_writer writer = {0};
        for (uint32_t bin = 0; bin < LOAD_LATENCY_BINS; bin++) {
            if (series->samples[i].latency[bin] > 0)
                bins_put(&writer, bin, series->samples[i].latency[bin]);
        }
        char *text = bins_finish(&writer);
        json_array_append_new(p50, number(load_sample_quantile_ms(&series->samples[i], 0.50)));
        json_array_append_new(p95, number(load_sample_quantile_ms(&series->samples[i], 0.95)));
        json_array_append_new(bins, json_string(text != NULL ? text : ""));
        free(text);
    }
    json_object_set_new(json, "latency_ms_p50", p50);
    json_object_set_new(json, "latency_ms_p95", p95);
    json_object_set_new(json, "latency_bins", bins);
    return json;
}

static void put_bin(void *user, uint64_t lowest, uint64_t count) { bins_put(user, lowest, count); }

static json_t *histograms(const struct load_result *load)
{
    json_t *json = json_object();
    for (size_t i = 0; i < LOAD_FIGURES; i++) {
        const struct histogram *h = &load->figures[i];
        struct bins_writer writer = {0};
        if (h->count == 0)
            continue;
        histogram_visit(h, put_bin, &writer);
        char *text = bins_finish(&writer);
        if (text != NULL)
            json_object_set_new(json, load_figure_name((enum load_figure)i),
                                json_pack("{s:o, s:o, s:o, s:s}", "min", count(h->min), "max", count(h->max), "sum",
                                          count(h->sum < 0x1p63 ? (uint64_t)h->sum : INT64_MAX), "bins", text));
        free(text);
    }
    return json;
}

static void put_load(json_t *json, const struct load_result *load)
{
    put(json, &schema_load, load);
    set(json, "resources.memory_kb_per_client", number(load_memory_per_client(load) / 1e3));
    set(json, "resources.cpu_percent_per_client", number(100 * load_cores_per_client(load)));
    json_object_set_new(json, "failures",
                        list(&schema_failure, load->failures, sizeof load->failures[0], load->failure_count));
    json_object_set_new(json, "worst_clients",
                        list(&schema_client, load->worst, sizeof load->worst[0], load->worst_count));
    json_object_set_new(json, "series", series(&load->series));
    json_object_set_new(json, "histograms", histograms(load));
}

json_t *result_run_json(const struct result_run *run)
{
    json_t *json = json_object();
    put(json, &schema_run, run);
    if (run->fault_count > 0)
        json_object_set_new(json, "faults", list(&schema_fault, run->faults, sizeof run->faults[0], run->fault_count));
    if (run->matrix.count > 0)
        json_object_set_new(json, "matrix", matrix(&run->matrix));
    json_object_set_new(json, "captures", captures(run));
    if (run->load != NULL)
        put_load(json, run->load);
    return json;
}

json_t *result_json(const struct result *result)
{
    json_t *json = json_pack("{s:s}", "schema", RESULT_SCHEMA);
    json_t *runs = json_array();
    put(json, &schema_result_head, result);
    json_object_set_new(json, "confab", json_string(CONFAB_VERSION));
    for (size_t i = 0; i < result->run_count; i++)
        json_array_append_new(runs, result_run_json(&result->runs[i]));
    json_object_set_new(json, "runs", runs);
    put(json, &schema_result_tail, result);
    json_t *thresholds = json_array();
    for (size_t i = 0; i < result->threshold_count; i++) {
        const struct result_threshold *t = &result->thresholds[i];
        json_array_append_new(thresholds,
                              json_pack("{s:s, s:o, s:b}", "expr", t->expr, "value",
                                        t->measured ? number(t->value) : json_null(), "passed", (int)t->passed));
    }
    json_object_set_new(json, "thresholds", thresholds);
    json_object_set_new(json, "verdict", text(result->verdict));
    return json;
}
