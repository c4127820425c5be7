/* The text view of a load: verdict and thresholds first, then whether the generator kept up, then what the clients met with on
 * their way in, how they reached the server, what they saw, and who fared worst and why. */
#ifndef CONFAB_REPORT_LOAD_TEXT_H
#define CONFAB_REPORT_LOAD_TEXT_H

#include <stdbool.h>
#include <stdio.h>

#include "report/result.h"

/* Every run must have its `load`. */
void load_print(const struct result *result, bool color, FILE *out);

#endif
