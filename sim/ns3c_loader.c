#include "sim/ns3c_loader.h"

#if CONFAB_SIM

#include <string.h>

#include "base/plugin.h"

typedef const struct ns3c_api *(*ns3c_api_function)(int version);

const struct ns3c_api *ns3c_load(struct error *error)
{
    /* ns-3 can't be unloaded again: its objects register themselves for the life of the process. */
    void *symbol = plugin_load("libns3c.so", "ns3c_api", error);
    ns3c_api_function function;
    if (symbol == NULL) {
        error_prefix(error, "the simulation needs libns3c.so");
        return NULL;
    }
    memcpy(&function, &symbol, sizeof function); /* POSIX's way round C's lack of a cast */
    const struct ns3c_api *api = function(NS3C_VERSION);
    if (api == NULL)
        error_set(error, ERROR_SYSTEM, "libns3c.so is of another version than this confab (which wants %d)",
                  NS3C_VERSION);
    return api;
}

#else

const struct ns3c_api *ns3c_load(struct error *error)
{
    error_set(error, ERROR_UNSUPPORTED, "this confab was built without the simulation (SIM=0); try --world live");
    return NULL;
}

#endif
