/* One run of a scenario: builds the network in the sim world or in the live one, its servers and clients, lets the call
 * happen, and sums up what came of it. */
#ifndef CONFAB_LOADGEN_SIMULATION_H
#define CONFAB_LOADGEN_SIMULATION_H

#include <stdbool.h>

#include "base/error.h"
#include "loadgen/scenario.h"
#include "loadgen/venue.h"
#include "report/result.h"

struct simulation_options {
    enum scenario_topology topology;
    const char *label;                          /* starts the captures' names: "mesh" or "mesh-4" */
    const char *directory;                      /* where captures go; NULL: none are made */
    const char *keylog;                         /* a file for DTLS keys (NSS key log); NULL: none */
    void (*progress)(void *user, double share); /* of virtual time, now and then; may be NULL */
    void *user;
};

/* Fills `run` and `health`. False and `error` when the world can't be built or a capture can't be written. */
bool simulate(const struct scenario *scenario, const struct simulation_options *options, struct result_run *run,
              struct venue_health *health, struct error *error);

#endif
