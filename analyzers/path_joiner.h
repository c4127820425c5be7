/* Finds out which paths are of one connection, besides those whose connectivity checks have the same user names, which
 * are joined as they are seen. */
#ifndef CONFAB_ANALYZERS_PATH_JOINER_H
#define CONFAB_ANALYZERS_PATH_JOINER_H

#include <stdbool.h>

#include "analyzers/observer.h"

/* Call once, after the last packet. False when out of memory. */
bool path_joiner_run(struct observer *observer);

#endif
