/* confab VERB …: finds the verb and hands it the rest of the command line. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/verb.h"

static int print_version(int argc, char **argv);
static int help(int argc, char **argv);

static const struct verb verb_version = {
    .name = "version",
    .summary = "print the version",
    .usage = "usage: confab version\n\nPrints the version.\n",
    .run = print_version,
};

static const struct verb verb_help = {
    .name = "help",
    .summary = "this list, or help VERB",
    .usage =
        "usage: confab help [VERB]\n\nLists the verbs, or tells all that there is to know of one; so does confab VERB --help.\n",
    .run = help,
};

static const struct verb *const verbs[] = {
    &verb_run, &verb_load, &verb_serve, &verb_analyze, &verb_compare, &verb_merge, &verb_nat, &verb_version, &verb_help,
};
#define VERB_COUNT (sizeof verbs / sizeof verbs[0])

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    }
    return NULL;
}

static void print_verbs(FILE *out)
{
    fputs("confab: a network simulation and testing toolkit for WebRTC\n\nusage: confab VERB …\n\n", out);
    for (size_t i = 0; i < VERB_COUNT; i++)
        fprintf(out, "  %-9s %s%s\n", verbs[i]->name, verbs[i]->summary,
                verbs[i]->run == NULL ? " (not in this build)" : "");
    fputs("\nconfab VERB --help has the options and examples.\n", out);
}

static int unknown_verb(const char *name)
{
    fprintf(stderr, "confab: there is no verb '%s'; 'confab help' lists them\n", name);
    return EXIT_USAGE;
}

static int not_built(const struct verb *verb)
{
    fprintf(stderr, "confab: '%s' is not in this build\n", verb->name);
    return EXIT_USAGE;
}

static int print_usage(const struct verb *verb)
{
    fputs(verb->usage, stdout);
    if (verb->print_more_usage != NULL)
        verb->print_more_usage(stdout);
    return EXIT_WELL;
}

static int help(int argc, char **argv)
{
    if (argc < 2) {
        print_verbs(stdout);
        return EXIT_WELL;
    }
    const struct verb *verb = find_verb(argv[1]);
    if (verb == NULL)
        return unknown_verb(argv[1]);
    if (verb->run == NULL)
        return not_built(verb);
    return print_usage(verb);
}

static int print_version(int argc, char **argv)
{
    if (argc > 1) {
        fprintf(stderr, "confab version: unexpected '%s'\n", argv[1]);
        return EXIT_USAGE;
    }
    puts("confab " CONFAB_VERSION);
    return EXIT_WELL;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return false;
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs("confab: no verb given; 'confab help' lists them\n", stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0)
        name = "version";
    else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct verb *verb = find_verb(name);
    if (verb == NULL)
        return unknown_verb(name);
    if (verb->run == NULL)
        return not_built(verb);
    if (asks_for_help(argc - 1, argv + 1))
        return print_usage(verb);
    return verb->run(argc - 1, argv + 1);
}
