#include "loadgen/generator.h"

#include <stdio.h>
#include <unistd.h>

#include "loadgen/process_time.h"

/* What is in memory now. */
static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*s %llu", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void generator_begin(struct generator *generator, struct live_world *live)
{
    *generator = (struct generator){.live = live, .cores = sysconf(_SC_NPROCESSORS_ONLN)};
    if (generator->cores < 1)
        generator->cores = 1;
    generator->began = generator->last = process_time_now();
    generator->cpu_began = generator->cpu_last = process_time_cpu();
    generator->memory_before = resident_bytes();
    live_world_take_lag(live);
}

static void judge(const struct generator *generator, struct result *result)
{
    const struct live_statistics *statistics = live_world_statistics(generator->live);
    uint64_t lost = statistics->udp_overflowed + statistics->udp_would_block;
    bool late = generator->late_seconds >= GENERATOR_LATE_SECONDS &&
                generator->late_seconds >= GENERATOR_LATE_SHARE * generator->seconds;
    bool lossy = (double)lost > GENERATOR_DROPS_SHARE * (double)(statistics->udp_received + lost) && lost > 100;
    result->generator.drops = lost + statistics->sockets_refused;
    result->generator.overloaded = late || lossy || statistics->sockets_refused > 0;
    if (late)
        snprintf(result->generator.why, sizeof result->generator.why, "more than 100 ms late in %u of %u seconds",
                 generator->late_seconds, generator->seconds);
    else if (lossy)
        snprintf(result->generator.why, sizeof result->generator.why, "%llu datagrams were lost in its own sockets",
                 (unsigned long long)lost);
    else if (statistics->sockets_refused > 0)
        snprintf(result->generator.why, sizeof result->generator.why, "no more sockets could be opened");
    else
        result->generator.why[0] = '\0';
}

void generator_second(struct generator *generator, nanos late, struct load_sample *sample, struct result *result,
                      struct load_result *load)
{
    nanos now = process_time_now();
    nanos cpu = process_time_cpu();
    nanos lag = nanos_max(live_world_take_lag(generator->live), late);
    uint64_t memory = resident_bytes();
    double wall = nanos_to_s(now - generator->last);
    sample->seconds = 1;
    sample->cpu = wall > 0 ? nanos_to_s(cpu - generator->cpu_last) / (wall * (double)generator->cores) : 0;
    sample->lag_ms = nanos_to_ms(lag);
    uint32_t passed = wall > 1.5 ? (uint32_t)(wall + 0.5) : 1; /* a standstill has no seconds of its own */
    generator->seconds += passed;
    if (lag > GENERATOR_LATE)
        generator->late_seconds += passed;
    generator->last = now;
    generator->cpu_last = cpu;
    load->seconds = nanos_to_s(now - generator->began);
    load->cpu_seconds = nanos_to_s(cpu - generator->cpu_began);
    if (memory > generator->memory_before && memory - generator->memory_before > load->memory_bytes)
        load->memory_bytes = memory - generator->memory_before;
    result->generator.cpu = load->seconds > 0 ? load->cpu_seconds / (load->seconds * (double)generator->cores) : 0;
    if (nanos_to_ms(lag) > result->generator.max_lag_ms)
        result->generator.max_lag_ms = nanos_to_ms(lag);
    judge(generator, result);
}
