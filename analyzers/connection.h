/* Paths put together to connections: what is one ICE transport, or one pair of transport addresses without ICE, however
 * many candidate pairs, relay legs and vantage points show it. */
#ifndef CONFAB_ANALYZERS_CONNECTION_H
#define CONFAB_ANALYZERS_CONNECTION_H

#include <stddef.h>
#include <stdint.h>

#include "analyzers/analysis.h"
#include "analyzers/observer.h"

/* Joins the observer's paths and fills the analysis's connections and its share of relayed ones. Returns for each path
 * the index of its connection or -1, an array that the caller frees; NULL when out of memory. */
int64_t *connections_make(struct observer *observer, struct analysis *analysis);

#endif
