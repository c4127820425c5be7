/* The one sentence about a load: did the server take it, and if not, what failed first? */
#ifndef CONFAB_REPORT_LOAD_VERDICT_H
#define CONFAB_REPORT_LOAD_VERDICT_H

#include "report/result.h"

/* Fills result->verdict from the last run, whose `load` is set: after a search for the limit that is the largest load. A
 * generator that was overloaded is said before anything else. */
void load_verdict_write(struct result *result);

#endif
