#include "report/result_merge.h"

#include <stdio.h>
#include <string.h>

#include "report/load_result.h"
#include "report/result_files.h"
#include "report/result_reader.h"
#include "tests/support/made_load.h"
#include "tests/support/suite.h"

static char *text_of(const struct result *result)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    CU_ASSERT_TRUE_FATAL(out != NULL && result_write_json(result, out));
    fclose(out);
    return text;
}

static void check_same(const struct result *a, const struct result *b)
{
    char *text_a = text_of(a);
    char *text_b = text_of(b);
    CU_ASSERT_STRING_EQUAL(text_a, text_b);
    for (size_t i = 0; strcmp(text_a, text_b) != 0; i++) {
        if (text_a[i] != text_b[i]) {
            printf("\n    differ: %.60s\n    and:    %.60s\n", text_a + i, text_b + i);
            break;
        }
    }
    free(text_a);
    free(text_b);
}

static void shards_are_the_whole(void)
{
    static const char *const names[] = {"1.json", "2.json", "3.json"};
    struct result whole, merged;
    struct result shards[3];
    struct error error = {0};
    made_load(&whole, 200, 1, 1);
    for (uint32_t i = 0; i < 3; i++)
        made_load(&shards[i], 200, i + 1, 3);
    CU_ASSERT_TRUE_FATAL(result_merge(shards, names, 3, false, &merged, &error));
    check_same(&merged, &whole);
    CU_ASSERT_EQUAL(merged.runs[0].clients_planned, 200);
    CU_ASSERT_EQUAL(merged.runs[0].clients_failed, 4);
    CU_ASSERT_EQUAL(merged.threshold_count, 2);
    result_free(&whole);
    result_free(&merged);
    for (size_t i = 0; i < 3; i++)
        result_free(&shards[i]);
}

static void what_is_written_is_read(void)
{
    struct result made, read;
    struct error error = {0};
    made_load(&made, 50, 1, 1);
    char *text = text_of(&made);
    CU_ASSERT_TRUE_FATAL(result_parse(&read, "made", text, strlen(text), &error));
    check_same(&made, &read);
    CU_ASSERT_EQUAL(read.runs[0].load->figures[LOAD_LATENCY].count, made.runs[0].load->figures[LOAD_LATENCY].count);
    CU_ASSERT_EQUAL(histogram_quantile(&read.runs[0].load->figures[LOAD_LATENCY], 0.999),
                    histogram_quantile(&made.runs[0].load->figures[LOAD_LATENCY], 0.999));
    free(text);
    result_free(&made);
    result_free(&read);
}

static void refuses_what_does_not_belong_together(void)
{
    static const char *const names[] = {"a.json", "b.json"};
    struct result parts[2];
    struct result merged;
    struct error error;
    made_load(&parts[0], 20, 1, 3);
    made_load(&parts[1], 20, 1, 3);
    CU_ASSERT_FALSE(result_merge(parts, names, 2, false, &merged, &error));
    CU_ASSERT_STRING_EQUAL(error.text, "b.json: shard 1/3 is in a.json already");
    result_free(&merged);
    parts[1].runs[0].load->shard_index = 2;
    CU_ASSERT_FALSE(result_merge(parts, names, 2, false, &merged, &error));
    CU_ASSERT_STRING_EQUAL(error.text, "there are 2 of 3 shards; --partial merges what there is");
    result_free(&merged);
    CU_ASSERT_TRUE(result_merge(parts, names, 2, true, &merged, &error));
    CU_ASSERT_EQUAL(strncmp(merged.verdict, "1 of the shards is missing. ", 28), 0);
    result_free(&merged);
    parts[1].runs[0].load->shard_count = 4;
    CU_ASSERT_FALSE(result_merge(parts, names, 2, true, &merged, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "b.json: shard.count differs"));
    result_free(&merged);
    parts[1].runs[0].load->shard_count = 3;
    parts[1].runs[0].load->server[0] = 'x';
    CU_ASSERT_FALSE(result_merge(parts, names, 2, true, &merged, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "b.json: server differs"));
    result_free(&merged);
    parts[1].seed = 2;
    CU_ASSERT_FALSE(result_merge(parts, names, 2, true, &merged, &error));
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "b.json: seed differs from that in a.json"));
    result_free(&merged);
    result_free(&parts[0]);
    result_free(&parts[1]);
}

static void series_of_different_spans_merge(void)
{
    static const char *const names[] = {"a.json", "b.json"};
    struct result parts[2];
    struct result merged;
    struct error error;
    made_load(&parts[0], 20, 1, 2);
    made_load(&parts[1], 20, 2, 2);
    load_series_coarsen(&parts[0].runs[0].load->series);
    uint64_t joins = 0;
    for (size_t part = 0; part < 2; part++) {
        for (uint32_t i = 0; i < parts[part].runs[0].load->series.count; i++)
            joins += parts[part].runs[0].load->series.samples[i].joins;
    }
    CU_ASSERT_TRUE_FATAL(result_merge(parts, names, 2, false, &merged, &error));
    const struct load_series *series = &merged.runs[0].load->series;
    CU_ASSERT_EQUAL(series->span_s, 2);
    CU_ASSERT_EQUAL(series->count, 30);
    CU_ASSERT_EQUAL(series->samples[29].seconds, 2);
    CU_ASSERT_EQUAL(series->samples[29].clients, 20);
    for (uint32_t i = 0; i < series->count; i++)
        joins -= series->samples[i].joins;
    CU_ASSERT_EQUAL(joins, 0);
    result_free(&merged);
    result_free(&parts[0]);
    result_free(&parts[1]);
}

/* --- reading ------------------------------------------------------------------------------------------------------------------ */

static void bad_results_are_refused_with_the_field(void)
{
    static const char *const cases[][2] = {
        {"", "file:1: not JSON"},
        {"{\"schema\":\n \"confab.result/1\",\n ?", "file:3: not JSON"},
        {"[]", "file: schema: expected \"confab.result/1\""},
        {"{\"schema\": \"confab.analysis/1\"}", "file: schema: expected \"confab.result/1\""},
        {"{\"schema\": \"confab.result/1\"}", "file: runs: expected a list"},
        {"{\"schema\": \"confab.result/1\", \"seed\": -1, \"runs\": []}", "file: seed: expected a whole number"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [7]}", "file: runs[0].: expected an object"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{}]}", "file: runs[0].topology: expected mesh, sfu or load"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"a\\u001bb\"}]}", "file: runs[0].topology: "},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"topologies\"}]}", "file: runs[0].topology: "},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"sfu\", \"join_ms\": 3}]}",
         "file: runs[0].join_ms: expected a distribution"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"sfu\", \"join_ms\": {\"count\": 1}}]}",
         "file: runs[0].join_ms.min: expected a number"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"sfu\", \"clients\": {\"planned\": 1.5}}]}",
         "file: runs[0].clients.planned: expected a whole number"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"load\", \"funnel\": {}, \"shard\": {\"index\": "
         "3, \"count\": 2}}]}",
         "file: runs[0].shard: expected an index"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"load\", \"funnel\": {}, \"histograms\": "
         "{\"ice\": {\"bins\": \"1 0\"}}}]}",
         "file: runs[0].histograms.ice: expected bins"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"load\", \"funnel\": {}, \"histograms\": "
         "{\"ice\": {\"bins\": \"5 1\", \"min\": 5, \"max\": 9, \"sum\": 5}}}]}",
         "file: runs[0].histograms.ice: expected min, max and sum"},
        /* Within a thousandth of what is there, but in another bucket. */
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"load\", \"funnel\": {}, \"histograms\": "
         "{\"ice\": {\"bins\": \"30179215 1\", \"min\": 30202144, \"max\": 30202144, \"sum\": 30202144}}}]}",
         "file: runs[0].histograms.ice: expected min, max and sum"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"load\", \"funnel\": {}, \"series\": "
         "{\"span_s\": 3}}]}",
         "file: runs[0].series.span_s: expected a power of two"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"load\", \"funnel\": {}, \"worst_clients\": "
         "[{\"loss\": \"much\"}]}]}",
         "file: runs[0].worst_clients[0].loss: expected a number"},
        {"{\"schema\": \"confab.result/1\", \"runs\": [{\"topology\": \"sfu\"}], \"thresholds\": [{\"expr\": 1}]}",
         "file: thresholds[0].expr: expected a text"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct result result;
        struct error error = {0};
        CU_ASSERT_FALSE(result_parse(&result, "file", cases[i][0], strlen(cases[i][0]), &error));
        CU_ASSERT_EQUAL(strncmp(error.text, cases[i][1], strlen(cases[i][1])), 0);
        if (strncmp(error.text, cases[i][1], strlen(cases[i][1])) != 0)
            printf("\n    %s: wanted %s", error.text, cases[i][1]);
        CU_ASSERT_PTR_NULL(strchr(error.text, '\n'));
        result_free(&result);
    }
}

static void an_older_result_is_read(void)
{
    static const char old[] =
        "{\"schema\": \"confab.result/1\", \"scenario\": \"old\", \"seed\": 3, \"world\": \"sim\", "
        "\"runs\": [{\"topology\": \"mesh\", \"rooms\": 2, \"unknown\": [1, 2]}], "
        "\"generator\": {\"cpu\": 0}, \"verdict\": \"Ünïcode\"}";
    struct result result;
    struct error error;
    CU_ASSERT_TRUE(result_parse(&result, "old", old, strlen(old), &error));
    CU_ASSERT_EQUAL(result.runs[0].rooms, 2);
    CU_ASSERT_PTR_NULL(result.runs[0].load);
    CU_ASSERT_STRING_EQUAL(result.verdict, "Ünïcode");
    result_free(&result);
}

void result_merge_test(void)
{
    SUITE("result merge", {"shards are the whole", shards_are_the_whole},
          {"what is written is read", what_is_written_is_read},
          {"refuses what does not belong together", refuses_what_does_not_belong_together},
          {"series of different spans merge", series_of_different_spans_merge},
          {"bad results are refused with the field", bad_results_are_refused_with_the_field},
          {"an older result is read", an_older_result_is_read});
}
