/* The example of docs/ns3c.md, a program that uses the library alone: it runs, says what it should, and repeats. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/suite.h"

enum { CAP = 1 << 20 };

/* Runs the example with `seed`; its output and the length and a hash of its capture go to `output`. */
static void run(const char *seed, char output[CAP])
{
    char executable[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", executable, sizeof executable - 1);
    CU_ASSERT_TRUE_FATAL(len > 0);
    executable[len] = '\0';
    *strrchr(executable, '/') = '\0';
    char path[] = "/tmp/confab-example-XXXXXX";
    int fd = mkstemp(path);
    CU_ASSERT_TRUE_FATAL(fd >= 0);
    char command[PATH_MAX + 100];
    snprintf(command, sizeof command, "%s/examples/dumbbell %s %s && cksum < %s", executable, path, seed, path);
    FILE *pipe = popen(command, "r");
    CU_ASSERT_PTR_NOT_NULL_FATAL(pipe);
    output[fread(output, 1, CAP - 1, pipe)] = '\0';
    CU_ASSERT_EQUAL(pclose(pipe), 0);
    close(fd);
    remove(path);
}

static void two_flows_share_a_bottleneck(void)
{
    static char first[CAP];
    static char second[CAP];
    static char third[CAP];
    run("1", first);
    run("1", second);
    run("2", third);
    CU_ASSERT_STRING_EQUAL(first, second);
    /* Nothing in it is random, so another seed changes nothing but TCP's port. */
    CU_ASSERT_STRING_NOT_EQUAL(first, third);
    unsigned received = 0;
    unsigned sent = 0;
    unsigned long uploaded = 0;
    const char *last = strstr(first, "call: ");
    CU_ASSERT_PTR_NOT_NULL_FATAL(last);
    CU_ASSERT_EQUAL(sscanf(last, "call: %u of %u datagrams; upload: %lu bytes", &received, &sent, &uploaded), 3);
    CU_ASSERT_EQUAL(sent, 1001);
    CU_ASSERT_TRUE(received > 950 && received < sent);
    /* 2 Mbit/s for 10 s are 2.5 MB; the call takes 1 MB with its headers, and TCP leaves little unused. */
    CU_ASSERT_TRUE(uploaded > 1200000 && uploaded < 1480000);
    CU_ASSERT_PTR_NOT_NULL(strstr(first, "10 s  call"));
}

void ns3c_example_test(void)
{
    if (CONFAB_SIM)
        SUITE("ns3c_example", {"two flows share a bottleneck", two_flows_share_a_bottleneck});
}
