/* confab load URL: reads the command line, puts the load on the server, prints the result. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/load_watch.h"
#include "cli/outcome.h"
#include "cli/verb.h"
#include "loadgen/adapter.h"
#include "loadgen/load.h"
#include "report/result_files.h"

static const char usage[] =
    "usage: confab load URL [--room NAME] [--rooms N] [--clients N] [--publishers N] [--duration T] [OPTION]…\n"
    "\n"
    "Puts WebRTC clients on a server, and says what it made of them.\n"
    "\n"
    "who and what\n"
    "  --room NAME        the room (load); with several rooms NAME-1, NAME-2 and so on\n"
    "  --rooms N          rooms (1)\n"
    "  --clients N        clients in all rooms together (2 a room)\n"
    "  --publishers N     in each room, the first of it; the others watch (all publish)\n"
    "  --layout L         what each watches: all, speaker (1 large, 5 small), 3x3 (9 medium), 4x4, 5x5 (small)\n"
    "  --audio-only, --video-only\n"
    "  --screens N        in each room, the first of it share a screen too\n"
    "  --scenario FILE    rooms, population, media, thresholds from a scenario; options go before it\n"
    "  --seed N           who is behind what, who talks when (1)\n"
    "\n"
    "when\n"
    "  --rate N/s         joins a second (20/s)\n"
    "  --ramp all|N/T     all at once; or N at once, each T, as in 50/10s\n"
    "  --duration T       from when all have joined until the end (30s)\n"
    "  --churn N/s        so many leave each second, and come back 2 s later\n"
    "  --timeout T        who has not joined after that has failed (30s)\n"
    "  --find-limit       go on until a threshold breaks, clients fail or this machine can't: how many it held\n"
    "\n"
    "by what network\n"
    "  --nat P[:W],…      NAT presets with weights: home:60,open:25,symmetric:10,udp-blocked:5\n"
    "  --access P[:W],…   access links likewise: cable, dsl, fibre, wifi, lte, …\n"
    "  --turn URL         a TURN server, besides those that the server names: turn:USER:PASSWORD@ADDRESS:PORT\n"
    "  --turn-user U:P    credentials for those of --turn without them\n"
    "  --relay-only       by TURN alone\n"
    "  --bind ADDRESS     this machine's address to send from\n"
    "\n"
    "the server\n"
    "  --token T          a bearer token; ?token=T in the URL says the same\n"
    "  --verify           look at its certificate\n"
    "\n"
    "the result\n"
    "  --threshold EXPR   as in 'load.latency_ms.p95 < 200'; breached: exit status 99. Several are allowed\n"
    "  --shard I/N        be one of N processes or machines: confab merge puts their results together\n"
    "  --out DIR          result.json, report.html and series.csv\n"
    "  --format F         what goes to standard output: text or json\n"
    "  --quiet            nothing but the exit status and errors\n"
    "  --progress         a line of progress even if standard error is no terminal; there it is a view with keys\n"
    "  --metrics PORT     OpenMetrics at http://127.0.0.1:PORT/metrics while it runs; or ADDRESS:PORT\n"
    "\n"
    "examples:\n"
    "  confab load confab+ws://127.0.0.1:8080 --rooms 30 --clients 300 --duration 60s\n"
    "  confab load whep+https://sfu.example.com/whep/{room} --clients 500 --audio-only --rate 50/s\n"
    "  confab load confab+ws://127.0.0.1:8080 --clients 100 --nat home:60,open:25,symmetric:10,udp-blocked:5 \\\n"
    "      --access cable:70,lte:30 --threshold 'load.latency_ms.p95 < 300'\n"
    "\n"
    "exit status: 0 all well; 1 clients failed; 2 wrong usage; 3 this machine was too slow, so the figures say nothing\n"
    "about the server; 99 a threshold was breached; 105 interrupted (what was measured until then is still written)\n"
    "\n"
    "servers:\n";

static void print_servers(FILE *out)
{
    for (size_t i = 0; adapters[i] != NULL; i++)
        fprintf(out, "  %s\n      %s%s\n", adapters[i]->form, adapters[i]->summary,
                adapters[i]->unverified ? " (unverified: never run against a real one)" : "");
}

struct options {
    struct load_plan plan;
    struct outcome_form form;
    struct load_watch watch;
    bool progress;
};

static volatile sig_atomic_t interrupted;

static void note_interrupt(int number)
{
    /* The second one ends it at once. */
    if (interrupted)
        _exit(EXIT_INTERRUPTED);
    interrupted = 1;
    (void)number;
}

static bool on_second(void *user, struct load *load)
{
    struct options *options = user;
    bool goes_on = load_watch_second(&options->watch, load);
    if (options->progress && !options->watch.drawing) {
        struct load_clients clients = load_count(load);
        fprintf(stderr, "\r%4.0f s: %u of %u clients, %u joining, %u failed; %.0f s to go   ",
                nanos_to_s(load_elapsed(load)), clients.joined, clients.planned, clients.joining, clients.failed,
                nanos_to_s(load_remaining(load)));
        fflush(stderr);
    }
    return goes_on && interrupted == 0;
}

static bool on_start(void *user, struct load *load, struct error *error)
{
    struct options *options = user;
    return load_watch_started(&options->watch, load, error);
}

/* "9100" or "0.0.0.0:9100"; a port alone is this machine's own affair. */
static bool read_metrics(struct address *address, const char *text)
{
    char whole[ADDRESS_TEXT_CAP];
    snprintf(whole, sizeof whole, "%s%s", strspn(text, "0123456789") == strlen(text) ? "127.0.0.1:" : "", text);
    if (address_parse(address, whole) && address->port != 0)
        return true;
    fprintf(stderr, "confab load: --metrics %s: write a port like 9100, or an address like 0.0.0.0:9100\n", text);
    return false;
}

/* What isn't the plan's. False when it is. */
static bool is_own_option(struct options *options, const char *name, const char *value, bool *well)
{
    *well = true;
    if (strcmp(name, "out") == 0)
        options->form.directory = value;
    else if (strcmp(name, "format") == 0)
        *well = outcome_read_format(&options->form, value);
    else if (strcmp(name, "quiet") == 0)
        options->form.quiet = true;
    else if (strcmp(name, "progress") == 0)
        options->progress = true;
    else if (strcmp(name, "metrics") == 0)
        *well = read_metrics(&options->watch.metrics, value);
    else
        return false;
    return true;
}

static bool read_option(struct options *options, const char *name, const char *value)
{
    struct error error;
    bool well;
    if (is_own_option(options, name, value, &well))
        return well;
    if (load_plan_option(&options->plan, name, value, &error))
        return true;
    fprintf(stderr, "confab load: %s\n", error.text);
    return false;
}

static bool read_command_line(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"room", required_argument, NULL, 'o'},      {"rooms", required_argument, NULL, 'o'},
        {"clients", required_argument, NULL, 'o'},   {"publishers", required_argument, NULL, 'o'},
        {"layout", required_argument, NULL, 'o'},    {"audio-only", no_argument, NULL, 'o'},
        {"video-only", no_argument, NULL, 'o'},      {"screens", required_argument, NULL, 'o'},
        {"scenario", required_argument, NULL, 'o'},  {"seed", required_argument, NULL, 'o'},
        {"rate", required_argument, NULL, 'o'},      {"ramp", required_argument, NULL, 'o'},
        {"duration", required_argument, NULL, 'o'},  {"churn", required_argument, NULL, 'o'},
        {"timeout", required_argument, NULL, 'o'},   {"find-limit", no_argument, NULL, 'o'},
        {"nat", required_argument, NULL, 'o'},       {"access", required_argument, NULL, 'o'},
        {"turn", required_argument, NULL, 'o'},      {"turn-user", required_argument, NULL, 'o'},
        {"relay-only", no_argument, NULL, 'o'},      {"bind", required_argument, NULL, 'o'},
        {"token", required_argument, NULL, 'o'},     {"verify", no_argument, NULL, 'o'},
        {"threshold", required_argument, NULL, 'o'}, {"shard", required_argument, NULL, 'o'},
        {"out", required_argument, NULL, 'o'},       {"format", required_argument, NULL, 'o'},
        {"quiet", no_argument, NULL, 'o'},           {"progress", no_argument, NULL, 'o'},
        {"metrics", required_argument, NULL, 'o'},   {NULL, 0, NULL, 0},
    };
    struct error error;
    int letter;
    int index;
    options->progress = isatty(STDERR_FILENO);
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":", known, &index)) != -1) {
        if (letter != 'o') {
            fprintf(stderr,
                    letter == ':' ? "confab load: %s lacks its value; see 'confab load --help'\n"
                                  : "confab load: there is no option '%s'; see 'confab load --help'\n",
                    argv[optind - 1]);
            return false;
        }
        if (!read_option(options, known[index].name, optarg != NULL ? optarg : ""))
            return false;
    }
    if (optind != argc - 1) {
        fprintf(stderr, "confab load: %s; usage: confab load URL\n",
                optind >= argc ? "no URL given" : "one URL at a time");
        return false;
    }
    if (!load_plan_finish(&options->plan, argv[optind], &error)) {
        fprintf(stderr, "confab load: %s\n", error.text);
        return false;
    }
    options->progress = options->progress && !options->form.quiet;
    return true;
}

/* Under mpirun each process is the shard of its rank, and rank 0 speaks for all. */
static bool join_cluster(struct options *options, struct error *error)
{
    struct load_plan *plan = &options->plan;
    unsigned rank, size;
    if (!cluster_seat(&rank, &size))
        return true;
    if (plan->shard_count > 1 || plan->find_limit)
        return error_set(error, ERROR_USAGE, "%s is for one process; mpirun has started %u",
                         plan->find_limit ? "--find-limit" : "--shard", size);
    plan->shard_index = rank + 1;
    plan->shard_count = size;
    if (rank > 0) {
        options->form.quiet = true;
        options->form.directory = NULL;
        options->progress = false;
        options->watch.metrics = (struct address){0};
    }
    options->watch.cluster = cluster_create(error);
    return options->watch.cluster != NULL && cluster_join(options->watch.cluster, error);
}

static int fail(const struct error *error)
{
    fprintf(stderr, "confab load: %s\n", error->text);
    return error->code == ERROR_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static int run_load(struct options *options, struct result *result)
{
    struct error error;
    struct load_watch *watch = &options->watch;
    const struct load_options run = {.started = on_start, .second = on_second, .user = options};
    if (!join_cluster(options, &error))
        return fail(&error);
    if (options->form.directory != NULL && !result_make_directory(options->form.directory, &error))
        return fail(&error);
    watch->drawing = options->progress && isatty(STDERR_FILENO);
    signal(SIGINT, note_interrupt);
    signal(SIGTERM, note_interrupt);
    enum load_outcome outcome = load_run(&options->plan, &run, result, &error);
    load_watch_close(watch);
    if (options->progress && !watch->drawing)
        fputc('\n', stderr);
    if (outcome == LOAD_FAILED && watch->cluster != NULL && !watch->begun)
        cluster_begin(watch->cluster, false);
    if (outcome == LOAD_FAILED)
        return fail(&error);
    if (watch->cluster != NULL && !cluster_gather(watch->cluster, result, false, &error))
        return fail(&error);
    if (result->run_count == 0)
        return EXIT_WELL; /* it is rank 0 that has it */
    int status = outcome_write(result, &options->form) ? outcome_status(result) : EXIT_FAILED;
    return outcome == LOAD_INTERRUPTED ? EXIT_INTERRUPTED : status;
}

static int load(int argc, char **argv)
{
    struct options *options = calloc(1, sizeof *options);
    struct result result = {0};
    if (options == NULL)
        return EXIT_FAILED;
    options->form.verb = "load";
    load_plan_init(&options->plan);
    int status = read_command_line(options, argc, argv) ? run_load(options, &result) : EXIT_USAGE;
    cluster_destroy(options->watch.cluster);
    result_free(&result);
    load_plan_clear(&options->plan);
    free(options);
    return status;
}

const struct verb verb_load = {.name = "load",
                               .summary = "put many clients on a server",
                               .usage = usage,
                               .print_more_usage = print_servers,
                               .run = load};
