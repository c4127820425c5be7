/* Paths put together to connections: what is one ICE transport, or one pair of transport addresses without ICE, however
 * many candidate pairs, relay legs and vantage points show it. */
#ifndef CONFAB_ANALYZERS_CONNECTION_H
#define CONFAB_ANALYZERS_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "analyzers/analysis.h"
#include "analyzers/observer.h"

struct connections {
    int64_t *of_path; /* for each path the index of its connection, or -1 */
    uint32_t
        *main_path; /* for each connection the path that shows it best: most media, else the one that ICE selected */
};

/* Joins the observer's paths and fills the analysis's connections (all but what their streams tell), its share of relayed
 * ones and its count of TLS connections to TURN servers. False when out of memory. */
bool connections_make(struct observer *observer, struct analysis *analysis, struct connections *connections);
void connections_clear(struct connections *connections);

/* Guesses each connection's topology; the analysis has its streams by now. False when out of memory. */
bool connections_guess_topology(const struct observer *observer, const struct connections *connections,
                                struct analysis *analysis);

#endif
