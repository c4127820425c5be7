#include "sim/virtual_clock.h"

#include <sys/time.h>
#include <time.h>

/* One for each thread: a simulation is one thread, and what runs beside it keeps real time. */
static _Thread_local struct {
    nanos (*now)(void *user);
    void *user;
} clock_source;

void virtual_clock_install(nanos (*now)(void *user), void *user)
{
    clock_source.now = now;
    clock_source.user = user;
}

void virtual_clock_remove(void) { clock_source.now = NULL; }

static struct timespec wall_clock(clockid_t real)
{
    struct timespec at = {0};
    if (clock_source.now == NULL) {
        clock_gettime(real, &at);
    } else {
        nanos now = clock_source.now(clock_source.user);
        at.tv_sec = VIRTUAL_CLOCK_EPOCH_UNIX_S + now / NANOS_PER_S;
        at.tv_nsec = now % NANOS_PER_S;
    }
    return at;
}

/* The C library's own two, replaced (and named in its way, as the headers declare them). The time zone has been obsolete for decades; zeros are what Linux gives. */
int gettimeofday(struct timeval *restrict __tv, void *restrict __tz)
{
    struct timespec now = wall_clock(CLOCK_REALTIME);
    *__tv = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    if (__tz != NULL)
        *(struct timezone *)__tz = (struct timezone){0};
    return 0;
}

time_t time(time_t *__timer)
{
    time_t now = wall_clock(CLOCK_REALTIME_COARSE).tv_sec;
    if (__timer != NULL)
        *__timer = now;
    return now;
}
