#include "loadgen/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loadgen/scenario.h"
#include "loadgen/simulation.h"
#include "report/result_files.h"
#include "report/threshold.h"
#include "report/verdict.h"

/* One topology at one point of the sweep, in a process of its own: a crash or a leak in one can't touch another, and
 * ns-3, which knows one simulation a process, needn't know better. */
struct job {
    struct scenario *scenario;
    enum scenario_topology topology;
    char label[64];
    char sweep[96];
    pid_t process; /* 0: not started; −1: ended, or another's */
    bool ours;
    int pipe;
    double share;
    bool done;
    size_t received; /* bytes of the outcome so far */
    struct outcome *outcome;
};

/* What a child tells its parent in the end; progress before that is a double each. */
struct outcome {
    bool done;
    struct error error;
    struct result_run run;
    struct venue_health health;
};

struct message {
    double share; /* of progress; above 1: the outcome follows */
};

/* Later than this, and what is measured is this machine and not the network. */
#define LAG_LIMIT (200 * NANOS_PER_MS)

struct jobs {
    struct job *list;
    size_t count;
};

/* --- the child ----------------------------------------------------------------------------------------------------------- */

static bool write_all(int file, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t written = write(file, at, len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        at += written;
        len -= (size_t)written;
    }
    return true;
}

static void tell_share(void *user, double share)
{
    const struct message message = {.share = share < 1 ? share : 1};
    if (!write_all(*(int *)user, &message, sizeof message))
        _exit(EXIT_FAILURE); /* the parent is gone */
}

static void be_child(const struct run_options *options, const struct job *job, int pipe)
{
    struct outcome *outcome = calloc(1, sizeof *outcome);
    char keylog[1024];
    struct simulation_options simulation = {.topology = job->topology,
                                            .label = job->label,
                                            .directory = options->directory,
                                            .progress = tell_share,
                                            .user = &pipe};
    if (outcome == NULL)
        _exit(EXIT_FAILURE);
    if (options->keylog && options->directory != NULL) {
        snprintf(keylog, sizeof keylog, "%s/%s.keys", options->directory, job->label);
        simulation.keylog = keylog;
    }
    outcome->done = simulate(job->scenario, &simulation, &outcome->run, &outcome->health, &outcome->error);
    snprintf(outcome->run.sweep, sizeof outcome->run.sweep, "%s", job->sweep);
    const struct message message = {.share = 2};
    bool told = write_all(pipe, &message, sizeof message) && write_all(pipe, outcome, sizeof *outcome);
    free(outcome);
    _exit(told ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* --- the parent ---------------------------------------------------------------------------------------------------------- */

static bool start(const struct run_options *options, struct job *job, struct error *error)
{
    int ends[2];
    if (pipe(ends) != 0)
        return error_set(error, ERROR_SYSTEM, "pipe: %s", strerror(errno));
    fflush(stdout);
    fflush(stderr);
    job->process = fork();
    if (job->process == 0) {
        close(ends[0]);
        /* ^C is the parent's to handle; it ends its children. */
        signal(SIGINT, SIG_IGN);
        be_child(options, job, ends[1]);
    }
    close(ends[1]);
    if (job->process < 0) {
        close(ends[0]);
        job->process = 0;
        return error_set(error, ERROR_SYSTEM, "fork: %s", strerror(errno));
    }
    job->pipe = ends[0];
    return true;
}

static void finish(struct job *job)
{
    int status;
    close(job->pipe);
    while (waitpid(job->process, &status, 0) < 0 && errno == EINTR) {
    }
    job->process = -1;
    job->done = job->received == sizeof *job->outcome;
    if (!job->done && WIFSIGNALED(status))
        error_set(&job->outcome->error, ERROR_SYSTEM, "the run of %s was ended by signal %d", job->label,
                  WTERMSIG(status));
    else if (!job->done)
        error_set(&job->outcome->error, ERROR_SYSTEM, "the run of %s ended early", job->label);
}

/* Reads what a child says. False once it has said everything, or died. */
static bool hear(struct job *job)
{
    if (job->share > 1) {
        ssize_t got = read(job->pipe, (char *)job->outcome + job->received, sizeof *job->outcome - job->received);
        if (got > 0)
            job->received += (size_t)got;
        return got > 0 && job->received < sizeof *job->outcome;
    }
    struct message message;
    ssize_t got = read(job->pipe, &message, sizeof message);
    if (got != (ssize_t)sizeof message)
        return got < 0 && errno == EINTR;
    job->share = message.share;
    return true;
}

static double total_share(const struct jobs *jobs)
{
    double sum = 0;
    for (size_t i = 0; i < jobs->count; i++)
        sum += jobs->list[i].process < 0 || jobs->list[i].share > 1 ? 1 : jobs->list[i].share;
    return sum / (double)jobs->count;
}

static void stop_all(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        if (jobs->list[i].process > 0) {
            kill(jobs->list[i].process, SIGKILL);
            finish(&jobs->list[i]);
        }
    }
}

/* Waits until some child has something to say, and hears it. */
static void attend(struct jobs *jobs)
{
    struct pollfd *files = calloc(jobs->count, sizeof *files);
    if (files == NULL)
        return;
    for (size_t i = 0; i < jobs->count; i++)
        files[i] = (struct pollfd){.fd = jobs->list[i].process > 0 ? jobs->list[i].pipe : -1, .events = POLLIN};
    if (poll(files, jobs->count, 500) > 0) {
        for (size_t i = 0; i < jobs->count; i++) {
            if (files[i].fd >= 0 && files[i].revents != 0 && !hear(&jobs->list[i]))
                finish(&jobs->list[i]);
        }
    }
    free(files);
}

static enum run_outcome run_all(const struct run_options *options, struct jobs *jobs, struct error *error)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t limit = options->processes != 0 ? options->processes : cores > 0 ? (size_t)cores : 1;
    if (jobs->list[0].scenario->world == SCENARIO_LIVE)
        limit = 1; /* they would take each other's time */
    for (;;) {
        size_t running = 0;
        size_t waiting = 0;
        for (size_t i = 0; i < jobs->count; i++)
            running += jobs->list[i].process > 0;
        /* The last are the largest: begin with them, so that no core idles at the end. */
        for (size_t i = jobs->count; i > 0; i--) {
            struct job *job = &jobs->list[i - 1];
            if (job->process != 0)
                continue;
            if (running == limit) {
                waiting++;
                continue;
            }
            if (!start(options, job, error)) {
                stop_all(jobs);
                return RUN_FAILED;
            }
            running++;
        }
        if (running == 0 && waiting == 0)
            return RUN_DONE;
        attend(jobs);
        if (options->progress != NULL && !options->progress(options->user, total_share(jobs))) {
            stop_all(jobs);
            return RUN_INTERRUPTED;
        }
    }
}

/* --- scenarios into jobs ----------------------------------------------------------------------------------------------------- */

static bool apply_settings(struct yaml_node *root, const struct run_options *options, struct error *error)
{
    for (size_t i = 0; i < options->setting_count; i++) {
        char path[200];
        const char *setting = options->settings[i];
        const char *equals = strchr(setting, '=');
        if (equals == NULL || equals == setting || (size_t)(equals - setting) >= sizeof path)
            return error_set(error, ERROR_USAGE, "--set %s: write it like rooms.size=4", setting);
        snprintf(path, sizeof path, "%.*s", (int)(equals - setting), setting);
        if (!yaml_node_set(root, path, equals + 1, error))
            return error_prefix(error, "--set");
    }
    return true;
}

static bool add_jobs(struct jobs *jobs, const char *file, const struct yaml_node *root,
                     const struct scenario_point *point, struct error *error)
{
    struct yaml_node *copy = yaml_node_copy(root);
    bool added = copy != NULL && (point->path[0] == '\0' || yaml_node_set(copy, point->path, point->value, error));
    struct scenario *scenario = added ? scenario_read(file, copy, error) : NULL;
    yaml_node_free(copy);
    if (scenario == NULL)
        return point->text[0] == '\0' ? false : error_prefix(error, "with %s", point->text);
    for (size_t i = 0; i < scenario->topology_count; i++) {
        struct job *job = &jobs->list[jobs->count++];
        job->topology = scenario->topologies[i];
        snprintf(job->label, sizeof job->label, "%s%s%s", job->topology == SCENARIO_MESH ? "mesh" : "sfu",
                 point->value[0] != '\0' ? "-" : "", point->value);
        snprintf(job->sweep, sizeof job->sweep, "%.95s", point->text);
        job->scenario = malloc(sizeof *job->scenario);
        job->outcome = calloc(1, sizeof *job->outcome);
        if (job->scenario == NULL || job->outcome == NULL) {
            free(scenario);
            return error_set(error, ERROR_SYSTEM, "out of memory");
        }
        *job->scenario = *scenario;
    }
    free(scenario);
    return true;
}

static bool plan(struct jobs *jobs, const struct run_options *options, const struct yaml_node *root,
                 struct error *error)
{
    struct scenario_point points[SCENARIO_SWEEP_MAX];
    size_t count;
    if (!scenario_sweep(options->file, root, points, SCENARIO_SWEEP_MAX, &count, error))
        return false;
    jobs->list = calloc(2 * count, sizeof *jobs->list);
    if (jobs->list == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        if (!add_jobs(jobs, options->file, root, &points[i], error))
            return false;
    }
    for (size_t i = 0; i < jobs->count; i++) {
        jobs->list[i].ours = options->size == 0 || i % options->size == options->rank;
        jobs->list[i].process = jobs->list[i].ours ? 0 : -1;
    }
    return true;
}

/* The generator was overloaded if it was in one of its runs. */
static void add_health(struct result *result, const struct venue_health *health)
{
    double lag_ms = nanos_to_ms(health->lag_max);
    result->generator.cpu = health->cpu > result->generator.cpu ? health->cpu : result->generator.cpu;
    result->generator.max_lag_ms = lag_ms > result->generator.max_lag_ms ? lag_ms : result->generator.max_lag_ms;
    result->generator.drops += health->drops;
    result->generator.overloaded |= health->lag_max > LAG_LIMIT || health->drops > 0;
}

/* The finished runs in the scenario's order; the first error there was. */
static bool collect(const struct jobs *jobs, struct result *result, struct error *error)
{
    const struct scenario *scenario = jobs->list[0].scenario;
    bool all = true;
    snprintf(result->scenario, sizeof result->scenario, "%s", scenario->name);
    snprintf(result->world, sizeof result->world, scenario->world == SCENARIO_LIVE ? "live" : "sim");
    result->seed = scenario->seed;
    result->runs = calloc(jobs->count, sizeof *result->runs);
    result->thresholds = calloc(scenario->threshold_count + 1, sizeof *result->thresholds);
    if (result->runs == NULL || result->thresholds == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    for (size_t i = 0; i < jobs->count; i++) {
        const struct job *job = &jobs->list[i];
        if (job->done && job->outcome->done) {
            result->runs[result->run_count++] = job->outcome->run;
            add_health(result, &job->outcome->health);
        } else if (job->ours && all) {
            *error = job->outcome->error;
            all = false;
        }
    }
    for (size_t i = 0; i < scenario->threshold_count; i++)
        result->thresholds[result->threshold_count++] = threshold_apply(scenario->thresholds[i], result);
    verdict_write(result);
    return all;
}

static void free_jobs(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        free(jobs->list[i].scenario);
        free(jobs->list[i].outcome);
    }
    free(jobs->list);
}

enum run_outcome run_scenario(const struct run_options *options, struct result *result, struct error *error)
{
    struct jobs jobs = {0};
    enum run_outcome outcome = RUN_FAILED;
    memset(result, 0, sizeof *result);
    struct yaml_node *root = yaml_node_load(options->file, error);
    if (root != NULL && apply_settings(root, options, error) && plan(&jobs, options, root, error) &&
        (options->directory == NULL || result_make_directory(options->directory, error))) {
        outcome = run_all(options, &jobs, error);
        if (outcome != RUN_FAILED && !collect(&jobs, result, error) && outcome == RUN_DONE)
            outcome = RUN_FAILED;
    }
    yaml_node_free(root);
    free_jobs(&jobs);
    return outcome;
}
