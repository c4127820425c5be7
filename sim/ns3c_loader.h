/* Finds libns3c.so, the simulation, when it is asked for: everything else in confab starts and runs without it. */
#ifndef CONFAB_SIM_NS3C_LOADER_H
#define CONFAB_SIM_NS3C_LOADER_H

#include "base/error.h"
#include "sim/ns3c.h"

/* The library's table of functions, from the first of these that is there: the executable's directory, the one above it
 * and the lib beside it (bin/confab, lib/libns3c.so), CONFAB_LIBDIR, where the system looks. It stays loaded from then on. NULL and `error`: ERROR_UNSUPPORTED when confab was built with SIM=0,
 * ERROR_SYSTEM when there is none or it is of another version. */
const struct ns3c_api *ns3c_load(struct error *error);

#endif
