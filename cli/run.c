/* confab run SCENARIO.yaml: reads the command line, runs the scenario, prints the result. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "cli/outcome.h"
#include "cli/verb.h"
#include "loadgen/cluster.h"
#include "loadgen/run.h"

enum { SETTINGS_MAX = 64, BAR_WIDTH = 40 };

static const char usage[] =
    "usage: confab run SCENARIO.yaml [--seed N] [--world sim|live] [--set PATH=VALUE]… [--out DIR]\n"
    "                  [--format text|json] [--quiet] [--progress] [--keylog]\n"
    "\n"
    "Runs a scenario: every topology at every point of its sweep, on the very same population. Prints a table, and\n"
    "writes result.json and the captures under --out.\n"
    "\n"
    "  --seed N           everything random follows from it; two runs with one seed are the same to the byte\n"
    "  --world W          sim: virtual time, on ns-3; live: real sockets\n"
    "  --set PATH=VALUE   overrides one value of the file, as in --set rooms.size=6\n"
    "  --out DIR          where result.json and the captures go (results/NAME, NAME being the file's)\n"
    "  --format F         what goes to standard output: text (the table) or json\n"
    "  --quiet            nothing but the exit status and errors\n"
    "  --progress         the progress bar even if standard error is no terminal\n"
    "  --keylog           DTLS keys beside the captures, to decrypt them\n"
    "\n"
    "examples:\n"
    "  confab run scenarios/mesh-vs-sfu.yaml\n"
    "  confab run scenarios/mesh-vs-sfu.yaml --seed 7 --set rooms.count=10 --out /tmp/seven\n"
    "  confab run scenarios/nat-matrix.yaml --format json | jq .runs[0].matrix.as_expected\n"
    "\n"
    "exit status: 0 all well; 1 some clients failed; 2 wrong usage or a bad scenario; 3 this machine was too slow\n"
    "(live); 99 a threshold was breached; 105 interrupted (what was measured until then is still written)\n";

struct options {
    struct run_options run;
    const char *settings[SETTINGS_MAX];
    char seed[64];
    char world[32];
    char directory[512];
    struct outcome_form form;
    bool progress;
};

static volatile sig_atomic_t interrupted;

static void note_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static bool show_progress(void *user, double share)
{
    const struct options *options = user;
    if (options->progress && interrupted == 0) {
        char bar[BAR_WIDTH + 1];
        int filled = (int)(share * BAR_WIDTH);
        memset(bar, '.', BAR_WIDTH);
        memset(bar, '#', (size_t)filled);
        bar[BAR_WIDTH] = '\0';
        fprintf(stderr, "\r[%s] %3d %%", bar, (int)(share * 100));
        fflush(stderr);
    }
    return interrupted == 0;
}

static bool set_value(struct options *options, const char *setting)
{
    if (options->run.setting_count == SETTINGS_MAX) {
        fprintf(stderr, "confab run: at most %d --set\n", SETTINGS_MAX);
        return false;
    }
    options->settings[options->run.setting_count++] = setting;
    return true;
}

/* False after having said what is wrong. */
static bool read_option(struct options *options, int letter, const char *given)
{
    switch (letter) {
    case 's':
        snprintf(options->seed, sizeof options->seed, "seed=%s", optarg);
        return set_value(options, options->seed);
    case 'w':
        snprintf(options->world, sizeof options->world, "world=%s", optarg);
        return set_value(options, options->world);
    case 'S':
        return set_value(options, optarg);
    case 'o':
        snprintf(options->directory, sizeof options->directory, "%s", optarg);
        return true;
    case 'f':
        return outcome_read_format(&options->form, optarg);
    case 'q':
        options->form.quiet = true;
        return true;
    case 'p':
        options->progress = true;
        return true;
    case 'k':
        options->run.keylog = true;
        return true;
    default:
        fprintf(stderr,
                letter == ':' ? "confab run: %s lacks its value; see 'confab run --help'\n"
                              : "confab run: there is no option '%s'; see 'confab run --help'\n",
                given);
        return false;
    }
}

static bool read_command_line(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"seed", required_argument, NULL, 's'},
        {"world", required_argument, NULL, 'w'},
        {"set", required_argument, NULL, 'S'},
        {"out", required_argument, NULL, 'o'},
        {"format", required_argument, NULL, 'f'},
        {"quiet", no_argument, NULL, 'q'},
        {"progress", no_argument, NULL, 'p'},
        {"keylog", no_argument, NULL, 'k'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    options->progress = isatty(STDERR_FILENO);
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (!read_option(options, letter, argv[optind - 1]))
            return false;
    }
    if (optind != argc - 1) {
        fprintf(stderr, "confab run: %s; usage: confab run SCENARIO.yaml\n",
                optind >= argc ? "no scenario given" : "one scenario at a time");
        return false;
    }
    options->run.file = argv[optind];
    options->run.settings = options->settings;
    options->progress = options->progress && !options->form.quiet;
    if (options->directory[0] == '\0') {
        const char *slash = strrchr(options->run.file, '/');
        const char *name = slash != NULL ? slash + 1 : options->run.file;
        snprintf(options->directory, sizeof options->directory, "results/%.*s", (int)strcspn(name, "."), name);
    }
    options->run.directory = options->form.directory = options->directory;
    return true;
}

/* Each run was a process of its own; the largest tells how much memory a client takes. */
static void print_cost(const struct result *result, double seconds)
{
    struct rusage usage;
    uint64_t clients = 0;
    for (size_t i = 0; i < result->run_count; i++)
        clients = result->runs[i].clients_planned > clients ? result->runs[i].clients_planned : clients;
    if (strcmp(result->world, "live") == 0)
        printf("\ngenerator: %.0f %% of the CPU, at most %.1f ms late, %llu datagrams lost%s",
               100 * result->generator.cpu, result->generator.max_lag_ms, (unsigned long long)result->generator.drops,
               result->generator.overloaded ? ": OVERLOADED, the figures say nothing" : "");
    printf("\n%s %.1f s", strcmp(result->world, "live") == 0 ? "ran" : "simulated in", seconds);
    if (getrusage(RUSAGE_CHILDREN, &usage) == 0 && clients > 0)
        printf(", in at most %.0f MiB (%.0f KiB a client)", (double)usage.ru_maxrss / 1024,
               (double)usage.ru_maxrss / (double)clients);
    printf("; ");
}

/* Under mpirun: what all processes have run becomes the result of rank 0, and there is none elsewhere. */
static bool unite(struct cluster *cluster, enum run_outcome outcome, struct result *result, struct error *error)
{
    if (!cluster_join(cluster, error))
        return false;
    if (!cluster_begin(cluster, outcome != RUN_FAILED))
        return outcome == RUN_FAILED ? false : error_set(error, ERROR_SYSTEM, "another process failed");
    return cluster_gather(cluster, result, outcome == RUN_INTERRUPTED, error);
}

static int report(const struct options *options, enum run_outcome outcome, const struct result *result,
                  const struct error *error, double seconds)
{
    if (outcome == RUN_FAILED)
        fprintf(stderr, "confab run: %s\n", error->text);
    if (outcome == RUN_FAILED && result->run_count == 0)
        return error->code == ERROR_SYSTEM ? EXIT_FAILED : EXIT_USAGE;
    int status = outcome_write(result, &options->form) ? outcome_status(result) : EXIT_FAILED;
    if (!options->form.json && !options->form.quiet) {
        print_cost(result, seconds);
        printf("result.json, report.html and captures are in %s\n", options->directory);
    }
    return outcome == RUN_INTERRUPTED ? EXIT_INTERRUPTED : outcome == RUN_FAILED ? EXIT_FAILED : status;
}

static int run(int argc, char **argv)
{
    struct options options = {.form.verb = "run"};
    struct result result = {0};
    struct error error;
    struct timespec begin, end;
    struct cluster *cluster = NULL;
    if (!read_command_line(&options, argc, argv))
        return EXIT_USAGE;
    if (cluster_seat(&options.run.rank, &options.run.size) && (cluster = cluster_create(&error)) == NULL)
        return report(&options, RUN_FAILED, &result, &error, 0);
    options.progress = options.progress && options.run.rank == 0;
    options.run.progress = show_progress;
    options.run.user = &options;
    signal(SIGINT, note_interrupt);
    signal(SIGTERM, note_interrupt);
    clock_gettime(CLOCK_MONOTONIC, &begin);
    enum run_outcome outcome = run_scenario(&options.run, &result, &error);
    if (cluster != NULL && !unite(cluster, outcome, &result, &error))
        outcome = RUN_FAILED;
    cluster_destroy(cluster);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (options.progress)
        fprintf(stderr, "\r%*s\r", BAR_WIDTH + 10, "");
    int status = EXIT_WELL;
    /* A scenario that is wrong is so for all: one of them says it. */
    if (options.run.rank == 0 || (outcome == RUN_FAILED && error.code == ERROR_SYSTEM))
        status = report(&options, outcome, &result, &error,
                        (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
    result_free(&result);
    return status;
}

const struct verb verb_run = {
    .name = "run", .summary = "run a scenario, simulated or live", .usage = usage, .run = run};
