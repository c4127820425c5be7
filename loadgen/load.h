/* A load on a server, in this process: its clients join as planned, stay, come and go, and are counted.
 *
 *     start ... ramp: clients join ... | duration ... | all leave
 *        \___ each second: what is new is counted, `second` is called */
#ifndef CONFAB_LOADGEN_LOAD_H
#define CONFAB_LOADGEN_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "loadgen/load_plan.h"
#include "report/load_result.h"

struct load;
struct live_world;
struct world_host;

struct load_options {
    /* The world is there, and nobody has joined yet: whoever wants to may bring something to it. False and `error` ends
     * it. NULL: nobody. */
    bool (*started)(void *user, struct load *load, struct error *error);
    /* A second is over and the result up to date, but for what load_result_sum_up does. False ends the load early: all
     * leave. NULL: nobody asks. */
    bool (*second)(void *user, struct load *load);
    void *user;
};

enum load_outcome {
    LOAD_DONE,
    LOAD_INTERRUPTED, /* by `second` */
    LOAD_FAILED,      /* it could not begin: see error */
};

/* Fills `result` (which starts as all zeros; result_free): one run of topology "load", thresholds and verdict. */
enum load_outcome load_run(const struct load_plan *plan, const struct load_options *options, struct result *result,
                           struct error *error);

/* --- for those who look on or steer while it runs ------------------------------------------------------------------------ */

const struct load_plan *load_plan_of(const struct load *load);
struct live_world *load_world(struct load *load);
struct world_host *load_machine(struct load *load); /* this machine in that world: for timers */
struct result *load_result_of(struct load *load);
nanos load_elapsed(const struct load *load);   /* since the first was to join */
nanos load_remaining(const struct load *load); /* until all leave; rises while joining is paused */

struct load_clients {
    uint32_t planned, idle, joining, joined, failed; /* idle: still to come, or gone for a while */
};
struct load_clients load_count(const struct load *load);

/* Joins a second from now on; 0: all that are left, at once. */
void load_set_rate(struct load *load, double rate);
/* Nobody new joins until it goes on. */
void load_pause(struct load *load, bool paused);

#endif
