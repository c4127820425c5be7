/* The one sentence that answers "mesh or SFU?" from the figures, with the figures that decide. */
#ifndef CONFAB_REPORT_VERDICT_H
#define CONFAB_REPORT_VERDICT_H

#include "report/result.h"

/* Fills result->verdict; empty when there is nothing to compare.
 *
 * At a size, mesh serves as well as the SFU when every client that joins the one joins the other, a received video gets
 * at least 80 % of the bitrate that it gets through the SFU, is frozen no more than 1 s a minute longer, and its 95th
 * percentile of latency is no more than 100 ms higher. Where mesh serves as well it is the better choice, because nobody
 * pays for an SFU. */
void verdict_write(struct result *result);

#endif
