#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"

#define AT (INT64_C(1767225600) * 1000000000 + 123456789) /* 2026-01-01T00:00:00.123Z */

struct page {
    struct log log;
    char *text;
    size_t len;
};

static void open_page(struct page *page)
{
    *page = (struct page){0};
    page->log.file = open_memstream(&page->text, &page->len);
}

static void close_page(struct page *page)
{
    fclose(page->log.file);
    free(page->text);
}

static void lines_are_logfmt(void)
{
    struct page page;
    open_page(&page);
    log_event(&page.log, AT, "join", "room", "standup", "peer", "bob", "detail", NULL, NULL);
    CU_ASSERT_STRING_EQUAL(page.text, "time=2026-01-01T00:00:00.123Z event=join room=standup peer=bob\n");
    close_page(&page);
}

static void nobody_writes_lines_or_fields_of_his_own(void)
{
    struct page page;
    char longer[3 * LOG_LINE_MAX];
    open_page(&page);
    log_event(&page.log, AT, "join", "peer", "a b=\"c\\\nevent=stop", "room", "", NULL);
    CU_ASSERT_STRING_EQUAL(page.text,
                           "time=2026-01-01T00:00:00.123Z event=join peer=\"a b=\\\"c\\\\?event=stop\" room=\"\"\n");
    memset(longer, '"', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    close_page(&page);
    open_page(&page);
    log_event(&page.log, AT, "join", "peer", longer, "room", longer, NULL);
    CU_ASSERT_TRUE(strlen(page.text) <= LOG_LINE_MAX);
    CU_ASSERT_EQUAL(page.text[strlen(page.text) - 1], '\n');
    close_page(&page);
}

static void a_flood_is_counted(void)
{
    struct page page;
    size_t lines = 0;
    open_page(&page);
    for (int i = 0; i < 1000; i++)
        log_event(&page.log, AT, "join", NULL);
    log_event(&page.log, AT + 1000000000, "leave", NULL);
    for (const char *at = page.text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CU_ASSERT_EQUAL(lines, LOG_LINES_PER_S + 2);
    CU_ASSERT_PTR_NOT_NULL(strstr(page.text, "event=suppressed lines=800\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page.text, "event=leave\n"));
    close_page(&page);
}

void log_test(void)
{
    SUITE("log", {"lines are logfmt", lines_are_logfmt},
          {"nobody writes lines or fields of his own", nobody_writes_lines_or_fields_of_his_own},
          {"a flood is counted", a_flood_is_counted});
}
