/* confab merge and confab compare as a user runs them. */
#include <stdio.h>
#include <string.h>

#include "report/result_files.h"
#include "tests/support/made_load.h"
#include "tests/support/program.h"
#include "tests/support/suite.h"

static void write_result(const struct result *result, const char *path)
{
    FILE *out = fopen(path, "w");
    CU_ASSERT_TRUE_FATAL(out != NULL && result_write_json(result, out));
    fclose(out);
}

static void write_shard(const char *path, uint32_t index, uint32_t count)
{
    struct result result;
    made_load(&result, 40, index, count);
    write_result(&result, path);
    result_free(&result);
}

static void shards_become_one(void)
{
    char scratch[SCRATCH_CAP];
    scratch_make(scratch);
    const char *one = scratch_path(scratch, "one.json");
    const char *two = scratch_path(scratch, "two.json");
    const char *whole = scratch_path(scratch, "whole.json");
    const char *out = scratch_path(scratch, "all/of it");
    write_shard(one, 1, 2);
    write_shard(two, 2, 2);
    write_shard(whole, 1, 1);
    struct program merged = PROGRAM("merge", one, two, "--format", "json", "--out", out);
    CU_ASSERT_EQUAL(merged.err_len, 0);
    struct program alone = PROGRAM("merge", whole, "--format", "json");
    CU_ASSERT_STRING_EQUAL(merged.out, alone.out);
    CU_ASSERT_EQUAL(merged.status, 99); /* first frames took longer than the threshold allows */
    program_free(&merged);
    program_free(&alone);
    struct program compared = PROGRAM("compare", whole, scratch_path(out, "result.json"));
    CU_ASSERT_EQUAL(compared.status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(compared.out, "Differences that matter: none."));
    program_free(&compared);
    struct program refused = PROGRAM("merge", one, one);
    CU_ASSERT_EQUAL(refused.status, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(refused.err, "shard 1/2 is in"));
    program_free(&refused);
    refused = PROGRAM("merge", one, "--quiet");
    CU_ASSERT_EQUAL(refused.status, 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(refused.err, "there are 1 of 2 shards; --partial"));
    program_free(&refused);
    scratch_remove(scratch);
}

static void what_is_worse_has_its_status(void)
{
    char scratch[SCRATCH_CAP];
    struct result result;
    scratch_make(scratch);
    const char *before = scratch_path(scratch, "before.json");
    const char *after = scratch_path(scratch, "after.json");
    made_load(&result, 200, 1, 1);
    write_result(&result, before);
    result.runs[0].latency_ms.p95 *= 1.5;
    result.runs[0].mos_audio += 0.05; /* nobody would hear it */
    write_result(&result, after);
    result_free(&result);
    struct program compared = PROGRAM("compare", before, after);
    CU_ASSERT_EQUAL(compared.status, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(compared.out, "B is worse in 1, better in 0, otherwise different in 0."));
    program_free(&compared);
    compared = PROGRAM("compare", after, before, "--format", "json");
    CU_ASSERT_EQUAL(compared.status, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(compared.out, "\"schema\": \"confab.comparison/1\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(compared.out, "\"difference\": \"better\""));
    program_free(&compared);
    scratch_remove(scratch);
}

static void check_refused(struct program program, const char *what)
{
    CU_ASSERT_EQUAL(program.status, 2);
    CU_ASSERT_EQUAL(program.out_len, 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(program.err, what));
    CU_ASSERT_PTR_EQUAL(strchr(program.err, '\n'), program.err + program.err_len - 1);
    program_free(&program);
}

static void bad_use_is_refused(void)
{
    static const char bad[] = "{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": 5}]}";
    char scratch[SCRATCH_CAP];
    scratch_make(scratch);
    const char *path = scratch_path(scratch, "bad.json");
    scratch_write(path, bad, strlen(bad));
    check_refused(PROGRAM("merge"), "no results given");
    check_refused(PROGRAM("merge", path), "bad.json: runs[0].topology: expected");
    check_refused(PROGRAM("merge", "there-is-none.json"), "there-is-none.json: can't be read: No such file");
    check_refused(PROGRAM("merge", scratch), "can't be read");
    check_refused(PROGRAM("merge", path, "--format", "xml"), "text or json");
    check_refused(PROGRAM("merge", path, "--out"), "--out lacks its value");
    check_refused(PROGRAM("merge", path, "--nonsense"), "there is no option '--nonsense'");
    check_refused(PROGRAM("compare", path), "two results are compared");
    check_refused(PROGRAM("compare", path, path), "bad.json: runs[0].topology: expected");
    check_refused(PROGRAM("compare", path, path, "--format", "xml"), "text or json");
    scratch_remove(scratch);
}

void results_test(void)
{
    SUITE("results", {"shards become one", shards_become_one},
          {"what is worse has its status", what_is_worse_has_its_status}, {"bad use is refused", bad_use_is_refused});
}
