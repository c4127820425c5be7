/* A verb of the command line: `confab VERB …`. One file for each verb; main.c has their table. */
#ifndef CONFAB_CLI_VERB_H
#define CONFAB_CLI_VERB_H

#include <stdio.h>

/* Exit status (docs/analyze.md and the manual): the same for every verb. */
enum exit_status {
    EXIT_WELL = 0,
    EXIT_FAILED = 1,     /* some clients failed; a capture holds nothing that confab understands */
    EXIT_USAGE = 2,      /* wrong usage, bad scenario, unreadable input */
    EXIT_OVERLOADED = 3, /* the generator itself was: its figures say nothing about the server */
    EXIT_THRESHOLD = 99, /* a threshold was breached */
    EXIT_INTERRUPTED = 105,
};

struct verb {
    const char *name;
    const char *summary;                 /* one line for the list of verbs */
    const char *usage;                   /* everything that `confab VERB --help` prints, examples included */
    void (*print_more_usage)(FILE *out); /* what follows upon that; NULL: nothing */
    /* argv[0] is the verb. Returns the exit status. NULL: not in this build. */
    int (*run)(int argc, char **argv);
};

extern const struct verb verb_run;
extern const struct verb verb_load;
extern const struct verb verb_analyze;
extern const struct verb verb_serve;
extern const struct verb verb_nat;
extern const struct verb verb_compare;
extern const struct verb verb_merge;

#endif
