/* What confab says to what it can't use: the exit status that scripts rely on, and one line that names the place and what
 * would be right. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/program.h"
#include "tests/support/suite.h"

static size_t lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

/* One line on standard error that has these parts, nothing on standard output. */
static void check_refused(struct program program, int status, const char *place, const char *remedy)
{
    bool right = program.status == status && lines(program.err) == 1 && program.out_len == 0 &&
                 strstr(program.err, place) != NULL && strstr(program.err, remedy) != NULL;
    CU_ASSERT_TRUE(right);
    if (!right)
        printf("\n    status %d, wanted %d, '%s' and '%s': %s", program.status, status, place, remedy, program.err);
    program_free(&program);
}

static void scenarios_are_checked(void)
{
    static const char *const cases[][3] = {
        {"name: x\ncolour: red\n", ":2: ", "colour: unknown key; here belong: name"},
        {"name: x\nrooms:\n  sise: 3\n", ":3: ", "did you mean 'size'?"},
        {"duration: 20\n", ":1: ", "a duration is written like 250ms, 30s or 5m"},
        {"duration: 20parsecs\n", ":1: ", "unknown unit 'parsecs'"},
        {"media:\n  audio: {bitrate: 3ms}\n", ":2: ", "bitrate"},
        {"population:\n  nat:\n    home: -1\n", ":3: ", "'-1' is negative; it must be 0 or more"},
        {"population:\n  nat: {hoome: 1}\n", ":2: ", "did you mean 'home'?"},
        {"population: {access: {warp: 1}}\n", ":1: ", "unknown access preset; there are: ideal, lan"},
        {"thresholds:\n  - sfu.nonsense.p95 < 3\n", ":2: ", "has no figure 'nonsense.p95'"},
        {"thresholds:\n  - sfu.latency_ms.p95 << 3\n", ":2: ", "< <= > >= =="},
        {"faults: [{at: 1s, kill: sfu-9}]\n", ":1: ", "there is no server 'sfu-9'"},
        {"name: x\nworld: mars\n", ":2: ", "sim, live"},
        {"rooms: {count: 0}\n", ":1: ", "at least one room"},
        {"a: [1\n", ":2: ", "not YAML"},
        {"", ":1: ", "there is no YAML in it"},
    };
    char scratch[SCRATCH_CAP];
    scratch_make(scratch);
    const char *path = scratch_path(scratch, "bad.yaml");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char place[SCRATCH_CAP + 20];
        scratch_write(path, cases[i][0], strlen(cases[i][0]));
        snprintf(place, sizeof place, "%s%s", path, cases[i][1]);
        check_refused(PROGRAM("run", path), 2, place, cases[i][2]);
    }
    scratch_remove(scratch);
}

static void command_lines_are_checked(void)
{
    static const char good[] = "name: x\nduration: 1s\n";
    char scratch[SCRATCH_CAP];
    char file[128];
    scratch_make(scratch);
    snprintf(file, sizeof file, "%s", scratch_path(scratch, "good.yaml"));
    scratch_write(file, good, strlen(good));
    const char *below = scratch_path(scratch, "good.yaml/below"); /* under a file, which even root can't do */
    check_refused(PROGRAM("dance"), 2, "no verb 'dance'", "'confab help' lists them");
    check_refused(program_run((const char *const[]){NULL}), 2, "no verb given", "'confab help' lists them");
    check_refused(PROGRAM("help", "dance"), 2, "no verb 'dance'", "'confab help'");
    check_refused(PROGRAM("run"), 2, "no scenario given", "usage: confab run SCENARIO.yaml");
    check_refused(PROGRAM("run", file, file), 2, "one scenario at a time", "usage");
    check_refused(PROGRAM("run", "there-is-none.yaml"), 2, "there-is-none.yaml", "No such file");
    check_refused(PROGRAM("run", scratch), 2, scratch, "a directory; expected a scenario");
    check_refused(PROGRAM("run", file, "--format", "xml"), 2, "--format xml", "text or json");
    check_refused(PROGRAM("run", file, "--set", "nonsense"), 2, "--set nonsense", "write it like rooms.size=4");
    check_refused(PROGRAM("run", file, "--set", "nonsense=1"), 2, "nonsense: unknown key", "here belong");
    check_refused(PROGRAM("run", file, "--set", "duration=1"), 2, "--set", "250ms, 30s or 5m");
    check_refused(PROGRAM("run", file, "--seed", "x"), 2, "seed", "whole number");
    check_refused(PROGRAM("run", file, "--nonsense"), 2, "'--nonsense'", "confab run --help");
    check_refused(PROGRAM("run", file, "--out"), 2, "--out lacks its value", "confab run --help");
    check_refused(PROGRAM("run", file, "--world", "mars"), 2, "'mars'", "sim, live");
    check_refused(PROGRAM("run", file, "--out", below), 2, below, "Not a directory");
    check_refused(PROGRAM("analyze"), 2, "no capture given", "confab analyze call.pcapng");
    check_refused(PROGRAM("analyze", "--format", "xml", file), 2, "'xml'", "text or json");
    check_refused(PROGRAM("analyze", "--nonsense", file), 2, "'--nonsense'", "confab analyze --help");
    scratch_remove(scratch);
}

static void captures_are_checked(void)
{
    static const char text[] = "no capture at all, but a longer text\n";
    /* A classic pcap's header, and a packet's that promises 60 bytes, of which there are none. */
    static const uint8_t cut[] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0,  0, 1, 0,
                                  1,    0,    0,    0,    1, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0};
    char scratch[SCRATCH_CAP];
    scratch_make(scratch);
    const char *path = scratch_path(scratch, "bad.pcap");
    check_refused(PROGRAM("analyze", path), 2, path, "No such file");
    scratch_write(path, "", 0);
    check_refused(PROGRAM("analyze", path), 2, path, "empty; expected a pcap or pcapng capture");
    scratch_write(path, text, strlen(text));
    check_refused(PROGRAM("analyze", path), 2, path, "neither pcap nor pcapng");
    scratch_write(path, cut, 10);
    check_refused(PROGRAM("analyze", path), 2, path, "cut off");
    check_refused(PROGRAM("analyze", scratch), 2, scratch, "a directory");
    /* What came before the cut is analysed all the same. */
    scratch_write(path, cut, sizeof cut);
    struct program program = PROGRAM("analyze", "--format", "json", path);
    CU_ASSERT_EQUAL(program.status, 2);
    CU_ASSERT_EQUAL(lines(program.err), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(program.err, "cut off"));
    CU_ASSERT_PTR_NOT_NULL(strstr(program.out, "\"confab.analysis/1\""));
    program_free(&program);
    /* Whole, but nothing in it. */
    scratch_write(path, cut, 24);
    program = PROGRAM("analyze", path);
    CU_ASSERT_EQUAL(program.status, 1);
    CU_ASSERT_EQUAL(lines(program.err), 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(program.err, "nothing that confab understands"));
    program_free(&program);
    scratch_remove(scratch);
}

static void help_goes_to_standard_output(void)
{
    static const char *const helps[][3] = {
        {"help"},          {"--help"},   {"run", "--help"}, {"help", "run"}, {"analyze", "--help"}, {"help", "analyze"},
        {"version", NULL}, {"--version"}};
    for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++) {
        struct program program = program_run(helps[i]);
        CU_ASSERT_EQUAL(program.status, 0);
        CU_ASSERT_EQUAL(program.err_len, 0);
        CU_ASSERT_PTR_NOT_NULL(strstr(program.out, "confab"));
        if (i >= 2 && i <= 5) {
            CU_ASSERT_PTR_NOT_NULL(strstr(program.out, "examples:"));
        }
        program_free(&program);
    }
}

static void thresholds_and_failures_have_their_status(void)
{
    static const char small[] = "name: small\nseed: 1\nduration: 1s\ntopologies: [mesh]\nrooms: {count: 1, size: 2}\n"
                                "join: {spread: 0s}\npopulation: {nat: {symmetric: 1}, access: {fibre: 1}}\n"
                                "media: {audio: {codec: opus, bitrate: 32kbps}}\n";
    char scratch[SCRATCH_CAP];
    char file[128];
    char out[128];
    scratch_make(scratch);
    snprintf(file, sizeof file, "%s", scratch_path(scratch, "small.yaml"));
    snprintf(out, sizeof out, "%s", scratch_path(scratch, "out/deep"));
    scratch_write(file, small, strlen(small));
    struct program program = PROGRAM("run", file, "--out", out, "--quiet", "--set", "servers.turn=0");
    CU_ASSERT_EQUAL(program.status, 1); /* two symmetric NATs and no relay */
    CU_ASSERT_EQUAL(program.out_len + program.err_len, 0);
    program_free(&program);
    program =
        PROGRAM("run", file, "--out", out, "--format", "json", "--set", "thresholds=[any.connections.failed > 5]");
    CU_ASSERT_EQUAL(program.status, 99);
    CU_ASSERT_PTR_NOT_NULL(strstr(program.out, "\"confab.result/1\""));
    program_free(&program);
    scratch_remove(scratch);
}

static void an_interrupt_leaves_a_result(void)
{
    static const char endless[] = "name: endless\nduration: 60m\ntopologies: [mesh, sfu]\nrooms: {count: 2, size: 4}\n";
    char scratch[SCRATCH_CAP];
    char file[128];
    char out[128];
    scratch_make(scratch);
    snprintf(file, sizeof file, "%s", scratch_path(scratch, "endless.yaml"));
    snprintf(out, sizeof out, "%s", scratch_path(scratch, "out"));
    scratch_write(file, endless, strlen(endless));
    struct program program = program_run_until((const char *const[]){"run", file, "--out", out, "--quiet", NULL},
                                               scratch_path(out, "mesh-clients.pcapng"));
    CU_ASSERT_EQUAL(program.status, 105);
    CU_ASSERT_EQUAL(program.out_len + program.err_len, 0);
    program_free(&program);
    FILE *result = fopen(scratch_path(out, "result.json"), "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(result);
    char text[400] = "";
    CU_ASSERT_TRUE(fread(text, 1, sizeof text - 1, result) > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(text, "\"scenario\": \"endless\""));
    fclose(result);
    scratch_remove(scratch);
}

void bad_input_test(void)
{
    SUITE("bad input", {"scenarios are checked", scenarios_are_checked},
          {"command lines are checked", command_lines_are_checked}, {"captures are checked", captures_are_checked},
          {"help goes to standard output", help_goes_to_standard_output});
    if (CONFAB_SIM)
        SUITE("exit status", {"thresholds and failures have their status", thresholds_and_failures_have_their_status},
              {"an interrupt leaves a result", an_interrupt_leaves_a_result});
}
