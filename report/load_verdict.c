#include "report/load_verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "report/load_result.h"

static void say(struct result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct result *result, const char *format, ...)
{
    size_t len = strlen(result->verdict);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->verdict + len, sizeof result->verdict - len, format, arguments);
    va_end(arguments);
}

static void say_joining(struct result *result, const struct result_run *run)
{
    const struct load_result *load = run->load;
    if (run->clients_failed == 0)
        say(result, "All %" PRIu64 " clients joined", run->clients_planned);
    else
        say(result, "%" PRIu64 " of %" PRIu64 " clients failed", run->clients_failed, run->clients_planned);
    if (load->failure_count > 0)
        say(result, "%s %s (%.160s)", run->clients_failed == 0 ? ", though some met with" : ", most by",
            load->failures[0].class, load->failures[0].example);
    if (run->join_ms.count > 0)
        say(result, "; join p95 %.0f ms", run->join_ms.p95);
}

void load_verdict_write(struct result *result)
{
    const struct result_run *run = &result->runs[result->run_count - 1];
    result->verdict[0] = '\0';
    if (result->generator.overloaded)
        say(result, "The generator was the limit%s%s, so this says nothing about the server. ",
            result->generator.why[0] != '\0' ? ": " : "", result->generator.why);
    if (run->load->limit_why[0] != '\0')
        say(result, "The limit is at %" PRIu32 " clients; what broke then: %s. ", run->load->limit_clients,
            run->load->limit_why);
    say_joining(result, run);
    if (run->streams_expected > 0)
        say(result, "; %" PRIu64 " of %" PRIu64 " tracks arrived", run->streams_received, run->streams_expected);
    if (run->latency_ms.count > 0)
        say(result, ", latency p95 %.0f ms", run->latency_ms.p95);
    if (run->loss.sent > 0)
        say(result, ", loss after repair %.2g %%", 100 * run->loss.after_repair);
    say(result, ".");
}
