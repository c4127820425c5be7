#include "report/result_html.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/chart.h"
#include "report/load_result.h"
#include "report/series_csv.h"
#include "tests/support/made_load.h"
#include "tests/support/suite.h"

static char *written(bool (*write)(const struct result *result, FILE *out), const struct result *result)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    CU_ASSERT_TRUE_FATAL(out != NULL && write(result, out));
    fclose(out);
    return text;
}

static size_t count(const char *text, const char *needle)
{
    size_t found = 0;
    for (; (text = strstr(text, needle)) != NULL; text += strlen(needle))
        found++;
    return found;
}

static void a_load_is_one_page(void)
{
    struct result result;
    made_load(&result, 60, 1, 1);
    snprintf(result.runs[0].load->failures[0].example, 64, "<img src=x onerror='alert(1)'> & \"more\"");
    char *page = written(result_write_html, &result);
    CU_ASSERT_EQUAL(count(page, "<figure"), 8);
    CU_ASSERT_EQUAL(count(page, "<figure"), count(page, "</figure>"));
    CU_ASSERT_EQUAL(count(page, "<svg"), count(page, "</svg>"));
    CU_ASSERT_EQUAL(count(page, "<table"), count(page, "</table>"));
    CU_ASSERT_EQUAL(count(page, "<script"), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "&lt;img src=x onerror=&#39;alert(1)&#39;&gt; &amp; &quot;more&quot;"));
    CU_ASSERT_PTR_NULL(strstr(page, "<img"));
    CU_ASSERT_PTR_NULL(strstr(page, "src=\"")); /* it needs nothing else */
    CU_ASSERT_PTR_NULL(strstr(page, "http"));
    CU_ASSERT_PTR_NULL(strstr(page, "nan"));
    CU_ASSERT_PTR_NULL(strstr(page, "inf\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "59/60"));
    free(page);
    result_free(&result);
}

static void nothing_at_all_is_a_page(void)
{
    struct result result = {0};
    char *page = written(result_write_html, &result);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "Nothing was run"));
    free(page);
    struct result_run run = {.topology = "load", .load = load_result_create()};
    result = (struct result){.runs = &run, .run_count = 1};
    page = written(result_write_html, &result);
    CU_ASSERT_EQUAL(count(page, "<figure"), 0);
    CU_ASSERT_PTR_NULL(strstr(page, "nan"));
    free(page);
    load_result_destroy(run.load);
}

static void a_sweep_is_plotted_by_its_values(void)
{
    struct result_run runs[6] = {0};
    const struct result result = {.runs = runs, .run_count = 6, .scenario = "sweep", .world = "sim"};
    for (size_t i = 0; i < 6; i++) {
        snprintf(runs[i].topology, sizeof runs[i].topology, "%s", i % 2 == 0 ? "mesh" : "sfu");
        snprintf(runs[i].sweep, sizeof runs[i].sweep, "rooms.size=%zu", 2 + i / 2 * 2);
        runs[i].latency_ms = (struct result_summary){.count = 1, .p50 = 40, .p95 = 100.0 * (double)(i + 1)};
    }
    char *page = written(result_write_html, &result);
    CU_ASSERT_EQUAL(count(page, "<figure"), 2); /* the others have no figures */
    CU_ASSERT_PTR_NOT_NULL(
        strstr(page, "data-names=\"2|4|6\" data-lines=\"mesh|sfu\" data-y=\"100 300 500|200 400 600\""));
    free(page);
}

static void gaps_part_a_line(void)
{
    static const char names[][CHART_NAME_CAP] = {"a", "b", "c", "d", "e"};
    const double y[] = {1, 2, NAN, 4, 5};
    const struct chart chart = {
        .title = "t", .unit = "ms", .count = 5, .names = names, .line_count = 1, .lines = {{"l", y}}};
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    chart_write(&chart, out);
    fclose(out);
    CU_ASSERT_EQUAL(count(text, "<polyline"), 2);
    CU_ASSERT_EQUAL(count(text, "<circle"), 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "data-y=\"1 2 – 4 5\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "aria-label=\"t: l from 1 to 5 ms\""));
    free(text);
}

static void the_series_is_a_table(void)
{
    struct result result;
    made_load(&result, 60, 1, 1);
    char *table = written(series_write_csv, &result);
    CU_ASSERT_EQUAL(count(table, "\r\n"), 61);
    CU_ASSERT_EQUAL(count(table, ","), 61 * 12);
    CU_ASSERT_PTR_NOT_NULL(strstr(table, "\r\n59,1,59,0,0,33040.000,288864.000,42480,"));
    free(table);
    result_free(&result);
}

void result_html_test(void)
{
    SUITE("result html", {"a load is one page", a_load_is_one_page},
          {"nothing at all is a page", nothing_at_all_is_a_page},
          {"a sweep is plotted by its values", a_sweep_is_plotted_by_its_values},
          {"gaps part a line", gaps_part_a_line}, {"the series is a table", the_series_is_a_table});
}
