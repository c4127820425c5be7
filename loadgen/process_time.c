#include "loadgen/process_time.h"

#include <sys/resource.h>
#include <time.h>

nanos process_time_now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * NANOS_PER_S + at.tv_nsec;
}

nanos process_time_cpu(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NANOS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NANOS_PER_US;
}
