/* confab compare A.json B.json: two results side by side. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/outcome.h"
#include "cli/verb.h"
#include "report/comparison.h"
#include "report/result_reader.h"

static const char usage[] =
    "usage: confab compare A.json B.json [--format text|json]\n"
    "\n"
    "Two results (result.json of confab run or confab load) side by side, run by run, with the differences that matter:\n"
    "larger than twice what chance makes of so many clients, more than 5 %, and not too small to notice.\n"
    "\n"
    "  --format F    text (for people) or json\n"
    "\n"
    "examples:\n"
    "  confab compare before/result.json after/result.json\n"
    "  confab compare --format json old.json new.json | jq '.runs[].figures[] | select(.difference == \"worse\")'\n"
    "\n"
    "exit status: 0 B is not worse than A; 1 B is worse in something that matters; 2 wrong usage, or a result that can't\n"
    "be read or has nothing in common with the other\n";

/* False after having said what is wrong. */
static bool read_command_line(struct outcome_form *form, int argc, char **argv)
{
    static const struct option known[] = {{"format", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0}};
    int letter;
    opterr = 0;
    while ((letter = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (letter == 'f' && outcome_read_format(form, optarg))
            continue;
        if (letter != 'f')
            fprintf(stderr,
                    letter == ':' ? "confab compare: %s lacks its value; see 'confab compare --help'\n"
                                  : "confab compare: there is no option '%s'; see 'confab compare --help'\n",
                    argv[optind - 1]);
        return false;
    }
    if (argc - optind != 2)
        fputs("confab compare: two results are compared; usage: confab compare A.json B.json\n", stderr);
    return argc - optind == 2;
}

static int compare(int argc, char **argv)
{
    struct outcome_form form = {.verb = "compare"};
    struct result a = {0};
    struct result b = {0};
    struct comparison comparison = {0};
    struct error error;
    int status = EXIT_USAGE;
    if (!read_command_line(&form, argc, argv))
        return EXIT_USAGE;
    const char *name_a = argv[optind];
    const char *name_b = argv[optind + 1];
    if (!result_read(&a, name_a, &error) || !result_read(&b, name_b, &error) ||
        !comparison_make(&comparison, &a, &b, &error)) {
        fprintf(stderr, "confab compare: %s\n", error.text);
    } else if (form.json) {
        json_t *json = comparison_json(&comparison, name_a, name_b);
        json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
        putchar('\n');
        json_decref(json);
        status = comparison.worse > 0 ? EXIT_FAILED : EXIT_WELL;
    } else {
        comparison_print(&comparison, name_a, name_b, isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL, stdout);
        status = comparison.worse > 0 ? EXIT_FAILED : EXIT_WELL;
    }
    comparison_free(&comparison);
    result_free(&a);
    result_free(&b);
    return status;
}

const struct verb verb_compare = {
    .name = "compare", .summary = "two results side by side", .usage = usage, .run = compare};
