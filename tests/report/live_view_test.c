#include "report/live_view.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/made_load.h"
#include "tests/support/suite.h"

static void a_drawing_replaces_the_last(void)
{
    struct result result;
    struct load_status status;
    struct live_view view;
    char *text = NULL;
    size_t len;
    made_load(&result, 60, 1, 1);
    load_status_of(&status, &result);
    FILE *out = open_memstream(&text, &len);
    live_view_open(&view, out, -1, false);
    live_view_draw(&view, &status);
    fflush(out);
    unsigned lines = 0;
    for (const char *at = text; *at != '\0'; at++)
        lines += *at == '\n';
    CU_ASSERT_EQUAL(view.lines, lines);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "59 of 60 joined"));
    CU_ASSERT_PTR_NULL(strstr(text, "+ more")); /* there are no keys */
    char up[16];
    snprintf(up, sizeof up, "\033[%uA", lines);
    CU_ASSERT_PTR_NULL(strstr(text, up));
    live_view_draw(&view, &status);
    fflush(out);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, up));
    live_view_close(&view);
    fclose(out);
    CU_ASSERT_EQUAL(strcmp(text + len - 3, "\033[J"), 0); /* nothing stays */
    free(text);
    result_free(&result);
}

static void plus_and_minus_change_the_rate(void)
{
    CU_ASSERT_EQUAL(live_view_rate(100, LIVE_VIEW_FASTER), 110);
    CU_ASSERT_EQUAL(live_view_rate(100, LIVE_VIEW_SLOWER), 90);
    CU_ASSERT_EQUAL(live_view_rate(3, LIVE_VIEW_FASTER), 4);
    CU_ASSERT_EQUAL(live_view_rate(1, LIVE_VIEW_SLOWER), 1);
    CU_ASSERT_EQUAL(live_view_rate(100, LIVE_VIEW_PAUSE), 100);
}

void live_view_test(void)
{
    SUITE("live view", {"a drawing replaces the last", a_drawing_replaces_the_last},
          {"plus and minus change the rate", plus_and_minus_change_the_rate});
}
