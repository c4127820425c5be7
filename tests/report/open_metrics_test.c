#include "report/open_metrics.h"

#include <stdio.h>
#include <string.h>

#include "tests/support/made_load.h"
#include "tests/support/suite.h"

static void every_sample_is_of_a_declared_family(void)
{
    struct result result;
    struct load_status status;
    char *text = NULL;
    size_t len;
    made_load(&result, 60, 1, 1);
    snprintf(result.runs[0].load->failures[0].class, 24, "a\"b\\c");
    load_status_of(&status, &result);
    FILE *out = open_memstream(&text, &len);
    CU_ASSERT_TRUE(open_metrics_write(&status, out));
    fclose(out);
    CU_ASSERT_STRING_EQUAL(text + len - 6, "# EOF\n");
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "confab_load_clients{state=\"joined\"} 59\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "confab_load_joins_total{stage=\"first_frame\"} 59\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "confab_load_failures_total{class=\"a\\\"b\\\\c\"} 1\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "confab_load_latency_seconds{quantile=\"0.95\"} 0.0"));
    /* OpenMetrics 1.0: a sample's name is its family's, with _total, _info, _sum or _count by its type. */
    char family[80] = "";
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        if (sscanf(line, "# TYPE %79s", family) == 1 || line[0] == '#')
            continue;
        CU_ASSERT_EQUAL(strncmp(line, family, strlen(family)), 0);
        const char *rest = line + strlen(family);
        CU_ASSERT_TRUE(rest[0] == ' ' || rest[0] == '{' || strncmp(rest, "_total", 6) == 0 ||
                       strncmp(rest, "_info", 5) == 0 || strncmp(rest, "_sum ", 5) == 0 ||
                       strncmp(rest, "_count ", 7) == 0);
        CU_ASSERT_PTR_NULL(strstr(line, "nan"));
    }
    free(text);
    result_free(&result);
}

void open_metrics_test(void)
{
    SUITE("open metrics", {"every sample is of a declared family", every_sample_is_of_a_declared_family});
}
