/* Who looks on while a load runs: the live view with its keys, the metrics endpoint, the other processes of an mpirun. */
#ifndef CONFAB_CLI_LOAD_WATCH_H
#define CONFAB_CLI_LOAD_WATCH_H

#include <stdbool.h>

#include "base/address.h"
#include "base/error.h"
#include "loadgen/cluster.h"
#include "loadgen/load.h"
#include "report/live_view.h"

struct load_watch {
    bool drawing;            /* the live view, on standard error */
    struct address metrics;  /* where they are to be had; no family: nowhere */
    struct cluster *cluster; /* NULL: we are alone */
    /* The rest is its own. */
    struct live_view view;
    struct load_status status;
    struct world_timer *timer; /* ends with the load's world */
    double rate;
    bool begun; /* all processes have, or know that one couldn't */
    bool opened, paused, quit;
};

/* What loadgen/load.h calls as `started` and as `second`, with the load_watch. */
bool load_watch_started(void *user, struct load *load, struct error *error);
bool load_watch_second(void *user, struct load *load);

/* The load is over: gives the terminal back. */
void load_watch_close(struct load_watch *watch);

#endif
