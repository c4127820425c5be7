/* Libraries that confab loads when it needs them: what simulates (libns3c.so) and what talks to other machines
 * (libconfab-mpi.so). */
#ifndef CONFAB_BASE_PLUGIN_H
#define CONFAB_BASE_PLUGIN_H

#include "base/error.h"

/* The symbol of the library `file`, which is looked for beside the executable, in ../ and ../lib from there, where confab is
 * installed, and where the system looks. It stays loaded for good. NULL and `error` when there is none. */
void *plugin_load(const char *file, const char *symbol, struct error *error);

#endif
