/* What this process has had of the machine: by these a run judges whether the machine kept up. */
#ifndef CONFAB_LOADGEN_PROCESS_TIME_H
#define CONFAB_LOADGEN_PROCESS_TIME_H

#include "base/nanos.h"

/* CLOCK_MONOTONIC. */
nanos process_time_now(void);

/* CPU time of all its threads, the kernel's on its behalf included. */
nanos process_time_cpu(void);

#endif
