/* Programs that speak in lines, good ones and bad ones. */
#include "world/line_process.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/suite.h"
#include "world/live_world.h"

#define PATIENCE (20 * NANOS_PER_S)

struct talk {
    struct live_world *live;
    struct line_process *process;
    char said[512]; /* lines, each with a '|' behind it */
    char complaints[2048];
    char how[100]; /* it ended; "": it has not */
    size_t lines, longest;
    const char *until; /* `said` has this */
};

static void on_line(void *user, const char *text, size_t len, nanos now)
{
    struct talk *talk = user;
    size_t at = strlen(talk->said);
    (void)now;
    CU_ASSERT_EQUAL(text[len], '\0');
    snprintf(talk->said + at, sizeof talk->said - at, "%.100s|", text);
    talk->longest = len > talk->longest ? len : talk->longest;
    talk->lines++;
}

static void on_complaint(void *user, const char *text)
{
    struct talk *talk = user;
    size_t at = strlen(talk->complaints);
    snprintf(talk->complaints + at, sizeof talk->complaints - at, "%s|", text);
}

static void on_ended(void *user, const char *how, nanos now)
{
    struct talk *talk = user;
    (void)now;
    CU_ASSERT_STRING_EQUAL(talk->how, ""); /* only once */
    snprintf(talk->how, sizeof talk->how, "%s", how);
}

static struct talk begin(const char *command)
{
    return (struct talk){.live = live_world_create(&(struct live_world_config){.loopback_only = true}, NULL),
                         .said = "",
                         .until = command};
}

static bool start(struct talk *talk)
{
    static const struct line_process_callbacks callbacks = {on_line, on_complaint, on_ended};
    struct error error = {0};
    const char *command = talk->until;
    talk->until = NULL;
    talk->process = line_process_start(talk->live, command, &callbacks, talk, &error);
    CU_ASSERT_PTR_NOT_NULL(talk->process);
    return talk->process != NULL;
}

static bool still_waits(void *user, nanos now)
{
    const struct talk *talk = user;
    (void)now;
    return talk->how[0] == '\0' && (talk->until == NULL || strstr(talk->said, talk->until) == NULL);
}

/* Until it has said that; NULL: until it has ended. */
static void await(struct talk *talk, const char *text)
{
    talk->until = text;
    nanos end = world_now(live_world_of(talk->live)) + PATIENCE;
    live_world_run_until(talk->live, end, NANOS_PER_MS, still_waits, talk, NULL);
    if (text != NULL)
        CU_ASSERT_PTR_NOT_NULL(strstr(talk->said, text));
}

static void finish(struct talk *talk)
{
    line_process_stop(talk->process, PATIENCE);
    live_world_destroy(talk->live); /* waits for it */
}

static void lines_both_ways(void)
{
    struct talk talk = begin("while read -r x; do echo \"<$x>\"; echo \"said	$x\" >&2; done; echo last >&2");
    if (start(&talk)) {
        CU_ASSERT_TRUE(line_process_send(talk.process, "one", 3));
        CU_ASSERT_TRUE(line_process_send(talk.process, "two three", 9));
        await(&talk, "<two three>|");
        CU_ASSERT_STRING_EQUAL(talk.said, "<one>|<two three>|");
        CU_ASSERT_STRING_EQUAL(talk.how, "");
    }
    finish(&talk);
    CU_ASSERT_PTR_NOT_NULL(strstr(talk.complaints, "said one|"));
    CU_ASSERT_STRING_EQUAL(talk.how, ""); /* its owner had gone */
}

static void the_end_is_told(void)
{
    static const struct {
        const char *command, *said, *complaints, *how;
    } cases[] = {
        {"echo a; printf b; echo c >&2; printf d >&2; exit 3", "a|", "c|d|", "exit status 3"},
        {"kill -KILL $$", "", "", "signal 9"},
        {"exec confab-has-no-such-program 2>/dev/null", "", "", "exit status 127"},
        {"echo a; exec >&-; read -r x", "a|", "", "its standard output ended"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct talk talk = begin(cases[i].command);
        if (start(&talk))
            await(&talk, NULL);
        CU_ASSERT_STRING_EQUAL(talk.said, cases[i].said);
        CU_ASSERT_STRING_EQUAL(talk.complaints, cases[i].complaints);
        CU_ASSERT_PTR_NOT_NULL(strstr(talk.how, cases[i].how));
        CU_ASSERT_FALSE(line_process_send(talk.process, "x", 1));
        finish(&talk);
    }
}

/* As long as may be, and one byte more. */
static void lines_that_are_too_long(void)
{
    char command[160];
    snprintf(command, sizeof command, "head -c %d /dev/zero | tr '\\0' x; echo; read -r x; cat /dev/zero",
             LINE_PROCESS_LINE_MAX - 1);
    struct talk talk = begin(command);
    if (start(&talk)) {
        await(&talk, "xxx|");
        CU_ASSERT_EQUAL(talk.longest, LINE_PROCESS_LINE_MAX - 1);
        CU_ASSERT_TRUE(line_process_send(talk.process, "go on", 5));
        await(&talk, NULL);
        CU_ASSERT_PTR_NOT_NULL(strstr(talk.how, "too long"));
        CU_ASSERT_EQUAL(talk.lines, 1);
    }
    line_process_stop(talk.process, 0); /* it writes for ever, and nobody reads it any more */
    live_world_destroy(talk.live);
    struct talk other = begin("head -c 5000 /dev/zero | tr '\\0' e >&2");
    if (start(&other))
        await(&other, NULL);
    CU_ASSERT_EQUAL(strcspn(other.complaints, "|"), 1000);
    finish(&other);
}

static void one_that_does_not_read(void)
{
    static char text[1 << 20];
    struct talk talk = begin("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    int sent = 0;
    memset(text, 'x', sizeof text);
    if (start(&talk)) {
        await(&talk, "ready|");
        while (sent < 100 && line_process_send(talk.process, text, sizeof text))
            sent++;
        CU_ASSERT_TRUE(sent >= 15 && sent <= 20); /* of 16 MiB, and what the kernel takes */
    }
    /* Nor does it heed SIGTERM. */
    line_process_stop(talk.process, 0);
    live_world_destroy(talk.live);
}

void line_process_test(void);
void line_process_test(void)
{
    SUITE("line process", {"lines both ways", lines_both_ways}, {"the end is told", the_end_is_told},
          {"lines that are too long", lines_that_are_too_long}, {"one that does not read", one_that_does_not_read});
}
