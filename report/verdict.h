/* The one sentence that answers "mesh or SFU?" from the figures, with the figures that decide. */
#ifndef CONFAB_REPORT_VERDICT_H
#define CONFAB_REPORT_VERDICT_H

#include "report/result.h"

/* Fills result->verdict; empty after a matrix of NAT types, which speaks for itself.
 *
 * Of two topologies one falls short of the other when fewer clients join it, more than 2 % of its media streams more never
 * arrive, a received video gets less than 80 % of the bitrate that it gets there, is frozen more than 1 s a minute longer,
 * its audio MOS is more than 0.3 lower, or its 95th percentile of latency more than 100 ms higher. Whichever doesn't fall
 * short is the better choice; when neither does, the one that costs less, and without prices mesh, which needs no SFU.
 * With one topology alone the sentence says how it fares. Faults are told with what they did. */
void verdict_write(struct result *result);

#endif
