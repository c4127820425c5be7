#include "report/result_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "report/result_html.h"
#include "report/result_json.h"
#include "report/series_csv.h"

bool result_write_json(const struct result *result, FILE *out)
{
    json_t *json = result_json(result);
    bool written = json != NULL && json_dumpf(json, out, JSON_INDENT(1) | JSON_REAL_PRECISION(15)) == 0;
    json_decref(json);
    return fputc('\n', out) != EOF && written;
}

bool result_make_directory(const char *directory, struct error *error)
{
    char path[1024];
    snprintf(path, sizeof path, "%s", directory);
    for (char *at = path + 1;; at++) {
        char here = *at;
        if (here != '/' && here != '\0')
            continue;
        *at = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return error_set(error, ERROR_USAGE, "%s can't be made: %s; --out says where results go", path,
                             strerror(errno));
        *at = here;
        if (here == '\0')
            return true;
    }
}

static bool save(const struct result *result, const char *directory, const char *name,
                 bool (*write)(const struct result *result, FILE *out), struct error *error)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "we");
    bool written = file != NULL && write(result, file);
    written = file != NULL && fclose(file) == 0 && written;
    return written || error_set(error, ERROR_SYSTEM, "%s: can't be written: %s", path, strerror(errno));
}

bool result_save(const struct result *result, const char *directory, struct error *error)
{
    bool load = result->run_count > 0 && result->runs[result->run_count - 1].load != NULL;
    return save(result, directory, "result.json", result_write_json, error) &&
           save(result, directory, "report.html", result_write_html, error) &&
           (!load || save(result, directory, "series.csv", series_write_csv, error));
}
