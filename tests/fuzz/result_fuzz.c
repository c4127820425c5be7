/* Any text as a result: refused with a line, or read, so that what is written of it is read again and merges and compares
 * with itself. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/comparison.h"
#include "report/result_files.h"
#include "report/result_merge.h"
#include "report/result_reader.h"

static void write_and_read(const struct result *result)
{
    char *text = NULL;
    size_t len;
    struct result again;
    struct error error;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL || !result_write_json(result, out) || fclose(out) != 0 ||
        !result_parse(&again, "again", text, len, &error))
        abort();
    result_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a", "b"};
    struct result result, merged;
    struct error error;
    if (result_parse(&result, "fuzz", (const char *)data, size, &error)) {
        struct comparison comparison;
        struct result parts[] = {result, result};
        write_and_read(&result);
        result_merge(parts, names, 2, true, &merged, &error);
        result_free(&merged);
        if (result_merge(parts, names, 1, true, &merged, &error))
            write_and_read(&merged);
        result_free(&merged);
        comparison_make(&comparison, &result, &result, &error);
        comparison_free(&comparison);
    }
    result_free(&result);
    return 0;
}
