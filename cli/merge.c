/* confab merge R.json…: the results of shards as one. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/outcome.h"
#include "cli/verb.h"
#include "report/result_files.h"
#include "report/result_merge.h"
#include "report/result_reader.h"

static const char usage[] =
    "usage: confab merge R.json… [--partial] [--out DIR] [--format text|json] [--quiet]\n"
    "\n"
    "Makes one result of several. The shards of a load (confab load --shard 1/4 …) become the result that one process\n"
    "would have had: counts add up and histograms merge bin by bin, so percentiles are exact, and thresholds are held\n"
    "against the whole. Runs that only one of the results has, such as points of a sweep, are put side by side.\n"
    "\n"
    "  --partial     even if shards are missing\n"
    "  --out DIR     result.json, report.html and (for a load) series.csv go there\n"
    "  --format F    what goes to standard output: text (for people) or json\n"
    "  --quiet       nothing but the exit status and errors\n"
    "\n"
    "examples:\n"
    "  confab merge shard-1/result.json shard-2/result.json\n"
    "  confab merge shard-*/result.json --out all --quiet && echo passed\n"
    "  confab merge --format json shard-*/result.json | jq .runs[0].latency_ms.p99\n"
    "\n"
    "exit status: that of the whole, as one process would have ended: 0 all well; 1 some clients failed; 3 a generator\n"
    "was overloaded; 99 a threshold was breached; and 2 for results that can't be read or don't belong together\n";

struct options {
    struct outcome_form form;
    bool partial;
};

/* False after having said what is wrong. */
static bool read_command_line(struct options *options, int argc, char **argv)
{
    static const struct option known[] = {
        {"partial", no_argument, NULL, 'p'},
        {"out", required_argument, NULL, 'o'},
        {"format", required_argument, NULL, 'f'},
        {"quiet", no_argument, NULL, 'q'},
        {NULL, 0, NULL, 0},
    };
    int letter;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (letter == 'p')
            options->partial = true;
        else if (letter == 'o')
            options->form.directory = optarg;
        else if (letter == 'q')
            options->form.quiet = true;
        else if (letter != 'f') {
            fprintf(stderr,
                    letter == ':' ? "confab merge: %s lacks its value; see 'confab merge --help'\n"
                                  : "confab merge: there is no option '%s'; see 'confab merge --help'\n",
                    argv[optind - 1]);
            return false;
        } else if (!outcome_read_format(&options->form, optarg))
            return false;
    }
    if (optind == argc)
        fputs("confab merge: no results given; usage: confab merge R.json…\n", stderr);
    return optind < argc;
}

static bool read_and_merge(char **files, size_t count, bool partial, struct result *merged, struct error *error)
{
    struct result *parts = calloc(count, sizeof *parts);
    bool ok = parts != NULL || error_set(error, ERROR_SYSTEM, "out of memory");
    for (size_t i = 0; ok && i < count; i++)
        ok = result_read(&parts[i], files[i], error);
    ok = ok && result_merge(parts, (const char *const *)files, count, partial, merged, error);
    for (size_t i = 0; parts != NULL && i < count; i++)
        result_free(&parts[i]);
    free(parts);
    return ok;
}

static int merge(int argc, char **argv)
{
    struct options options = {.form.verb = "merge"};
    struct result merged = {0};
    struct error error;
    int status = EXIT_USAGE;
    if (!read_command_line(&options, argc, argv))
        return EXIT_USAGE;
    if (!read_and_merge(argv + optind, (size_t)(argc - optind), options.partial, &merged, &error) ||
        (options.form.directory != NULL && !result_make_directory(options.form.directory, &error)))
        fprintf(stderr, "confab merge: %s\n", error.text);
    else
        status = outcome_write(&merged, &options.form) ? outcome_status(&merged) : EXIT_FAILED;
    result_free(&merged);
    return status;
}

const struct verb verb_merge = {
    .name = "merge", .summary = "the results of shards as one", .usage = usage, .run = merge};
