#include "report/threshold.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/load_result.h"
#include "report/result_json.h"

struct condition {
    char topology[16];
    char path[96];
    char operator[3];
    double bound;
};

static bool split(const char *expr, struct condition *c, struct error *error)
{
    char name[sizeof c->path];
    char bound[32];
    char rest;
    if (sscanf(expr, " %95[a-z0-9_.] %2[<>=] %31s %c", name, c->operator, bound, &rest) != 3)
        return error_set(error, ERROR_USAGE, "threshold '%s' is not of the form 'sfu.latency_ms.p95 < 250'", expr);
    static const char *const operators[] = {"<", "<=", ">", ">=", "=="};
    bool known = false;
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        known = known || strcmp(c->operator, operators[i]) == 0;
    char *end;
    c->bound = strtod(bound, &end);
    if (!known || end == bound || *end != '\0')
        return error_set(error, ERROR_USAGE, "threshold '%s': compare with a number by one of < <= > >= ==", expr);
    char *dot = strchr(name, '.');
    size_t topology_len = dot == NULL ? 0 : (size_t)(dot - name);
    if (dot == NULL || topology_len >= sizeof c->topology)
        return error_set(error, ERROR_USAGE, "threshold '%s': begin with the topology: mesh., sfu., load. or any.",
                         expr);
    memcpy(c->topology, name, topology_len);
    c->topology[topology_len] = '\0';
    snprintf(c->path, sizeof c->path, "%s", dot + 1);
    if (strcmp(c->topology, "mesh") != 0 && strcmp(c->topology, "sfu") != 0 && strcmp(c->topology, "load") != 0 &&
        strcmp(c->topology, "any") != 0)
        return error_set(error, ERROR_USAGE, "threshold '%s': '%s' is no topology: mesh., sfu., load. or any.", expr,
                         c->topology);
    return true;
}

/* The number at `path` in a run; false when there is none. */
static bool look_up(const json_t *run, const char *path, double *value)
{
    char steps[96];
    snprintf(steps, sizeof steps, "%s", path);
    char *rest = steps;
    const json_t *at = run;
    for (char *step; (step = strsep(&rest, ".")) != NULL && at != NULL;)
        at = json_object_get(at, step);
    if (!json_is_number(at))
        return false;
    *value = json_number_value(at);
    return true;
}

bool threshold_check(const char *expr, struct error *error)
{
    struct condition c;
    if (!split(expr, &c, error))
        return false;
    /* A run with nothing in it has every figure, though not every fault or matrix. */
    struct result_run *empty = calloc(1, sizeof *empty);
    if (empty == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    empty->matrix.count = 1;
    empty->data.planned = true;
    empty->load = strcmp(c.topology, "load") == 0 ? load_result_create() : NULL;
    json_t *run = result_run_json(empty);
    double value = 0;
    bool found = look_up(run, c.path, &value);
    json_decref(run);
    load_result_destroy(empty->load);
    free(empty);
    if (!found)
        return error_set(error, ERROR_USAGE,
                         "threshold '%s': a run has no figure '%s': see the result's form, for example latency_ms.p95, "
                         "loss.rate, turn_fallback.connections",
                         expr, c.path);
    return true;
}

static bool holds(const struct condition *c, double value)
{
    if (strcmp(c->operator, "==") == 0)
        return value == c->bound;
    bool or_equal = c->operator[1] == '=' && value == c->bound;
    return or_equal || (c->operator[0] == '<' ? value < c->bound : value> c->bound);
}

struct result_threshold threshold_apply(const char *expr, const struct result *result)
{
    struct result_threshold outcome = {.passed = true};
    struct condition c;
    snprintf(outcome.expr, sizeof outcome.expr, "%s", expr);
    if (!split(expr, &c, NULL))
        return (struct result_threshold){0};
    for (size_t i = 0; i < result->run_count; i++) {
        if (strcmp(c.topology, "any") != 0 && strcmp(c.topology, result->runs[i].topology) != 0)
            continue;
        json_t *run = result_run_json(&result->runs[i]);
        double value;
        if (look_up(run, c.path, &value)) {
            bool worse = c.operator[0] == '<' ? value > outcome.value : value<outcome.value;
            if (!outcome.measured || worse || (outcome.passed && !holds(&c, value)))
                outcome.value = value;
            outcome.passed = outcome.passed && holds(&c, value);
            outcome.measured = true;
        }
        json_decref(run);
    }
    outcome.passed = outcome.passed && outcome.measured;
    return outcome;
}
