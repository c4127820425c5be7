#include "cli/outcome.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/verb.h"
#include "report/load_result.h"
#include "report/result_files.h"
#include "report/result_text.h"

int outcome_status(const struct result *result)
{
    if (result->generator.overloaded)
        return EXIT_OVERLOADED;
    for (size_t i = 0; i < result->threshold_count; i++) {
        if (!result->thresholds[i].passed)
            return EXIT_THRESHOLD;
    }
    for (size_t i = 0; i < result->run_count; i++) {
        const struct result_run *run = &result->runs[i];
        if (run->clients_failed > 0 || (run->load != NULL && run->load->failure_count > 0))
            return EXIT_FAILED;
    }
    return EXIT_WELL;
}

bool outcome_write(const struct result *result, const struct outcome_form *form)
{
    struct error error;
    bool written = form->directory == NULL || result_save(result, form->directory, &error);
    if (!written)
        fprintf(stderr, "confab %s: %s\n", form->verb, error.text);
    if (form->quiet)
        return written;
    if (form->json)
        return result_write_json(result, stdout) && written;
    result_print(result, isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL, stdout);
    return written;
}

bool outcome_read_format(struct outcome_form *form, const char *word)
{
    form->json = strcmp(word, "json") == 0;
    if (form->json || strcmp(word, "text") == 0)
        return true;
    fprintf(stderr, "confab %s: --format %s: text or json\n", form->verb, word);
    return false;
}
