/* The manual page and the shell's completion know what confab says of itself. */
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/program.h"
#include "tests/support/suite.h"

static const char *const verbs[] = {"run", "load", "serve", "analyze", "compare", "merge", "nat", "version", "help"};
enum { VERBS = sizeof verbs / sizeof verbs[0] };

/* What a shell's command prints, `%s` in it being the confab beside this program; to be freed. */
static char *printed(const char *format)
{
    char own[1024], command[4096];
    ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
    CU_ASSERT_FATAL(len > 0);
    own[len] = '\0';
    char confab[1100];
    snprintf(confab, sizeof confab, "%s/confab", dirname(own));
    snprintf(command, sizeof command, format, confab);
    FILE *pipe = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    char *text = NULL;
    size_t cap = 0;
    if (getdelim(&text, &cap, '\0', pipe) < 0) {
        free(text);
        text = strdup("");
    }
    CU_ASSERT_EQUAL(pclose(pipe), 0);
    return text;
}

static void the_manual_has_every_verb(void)
{
    char *manual = printed("cli/manual.sh %s 9.9 /opt/somewhere");
    CU_ASSERT_NSTRING_EQUAL(manual, ".TH CONFAB 1", 12);
    CU_ASSERT_PTR_NOT_NULL(strstr(manual, "/opt/somewhere/share/confab/scenarios"));
    for (size_t i = 0; i < VERBS; i++) {
        char usage[64];
        snprintf(usage, sizeof usage, "\nusage: confab %s", verbs[i]);
        struct program program = PROGRAM("help", verbs[i]);
        CU_ASSERT_EQUAL(program.status, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(manual, usage));
        program_free(&program);
    }
    /* Each line is text or a request of its own; none of confab's words became one. */
    static const char *const requests[] = {".TH ",  ".SH ",  ".B ",   ".I ",  "\\&...", ".PP\n",
                                           ".nf\n", ".fi\n", ".TP\n", ".BR ", NULL};
    for (const char *line = manual; line != NULL && *line != '\0';
         line = strchr(line, '\n') != NULL ? strchr(line, '\n') + 1 : NULL) {
        size_t r = 0;
        while (requests[r] != NULL && strncmp(line, requests[r], strlen(requests[r])) != 0)
            r++;
        CU_ASSERT_TRUE((*line != '.' && *line != '\'') || requests[r] != NULL);
    }
    free(manual);
}

/* The words that bash offers after "confab WORDS", with spaces around each. */
static char *offered(const char *words)
{
    char command[2048];
    snprintf(command, sizeof command,
             "bash -c 'source cli/completion.bash; COMP_WORDS=(%%s %s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
             "_confab; echo \" ${COMPREPLY[*]} \"'",
             words);
    return printed(command);
}

static void completion_offers_what_there_is(void)
{
    static const struct {
        const char *words, *offered, *not_offered;
    } cases[] = {
        {"\"\"", " analyze ", "--"},
        {"ru", " run ", "load"},
        {"help me", " merge ", "run"},
        {"run --", " --seed ", "--rooms"},
        {"load --find", " --find-limit ", "--seed"},
        {"run --world \"\"", " sim live ", "--"},
        {"load whep", " whep+http:// ", "whip"},
        {"analyze READ", " README.md ", "--"},
        {"serve --config Make", " Makefile ", "--"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = offered(cases[i].words);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, cases[i].offered));
        CU_ASSERT_PTR_NULL(strstr(text, cases[i].not_offered));
        free(text);
    }
    for (size_t i = 0; i < VERBS; i++) {
        char *text = offered("\"\"");
        char word[16];
        snprintf(word, sizeof word, " %s ", verbs[i]);
        CU_ASSERT_PTR_NOT_NULL(strstr(text, word));
        free(text);
    }
}

void manual_test(void);
void manual_test(void)
{
    SUITE("manual", {"the manual has every verb", the_manual_has_every_verb},
          {"completion offers what there is", completion_offers_what_there_is});
}
