#include "sim/ns3c_loader.h"

#if CONFAB_SIM

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef const struct ns3c_api *(*ns3c_api_function)(int version);

/* A path that starts in the executable's own directory; false when that can't be found out. */
static bool from_executable(const char *relative, char path[PATH_MAX])
{
    char executable[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", executable, sizeof executable - 1);
    if (len <= 0)
        return false;
    executable[len] = '\0';
    char *slash = strrchr(executable, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return snprintf(path, PATH_MAX, "%s/%s", executable, relative) < PATH_MAX;
}

const struct ns3c_api *ns3c_load(struct error *error)
{
    static const char configured[] = CONFAB_LIBDIR "/libns3c.so";
    char beside[PATH_MAX];
    char above[PATH_MAX];
    char installed[PATH_MAX];
    const char *places[] = {
        from_executable("libns3c.so", beside) ? beside : NULL, from_executable("../libns3c.so", above) ? above : NULL,
        from_executable("../lib/libns3c.so", installed) ? installed : NULL, configured, "libns3c.so"};
    char why[200] = "";
    void *library = NULL;
    for (size_t i = 0; i < sizeof places / sizeof places[0] && library == NULL; i++) {
        if (places[i] == NULL || (places[i][0] == '/' && access(places[i], F_OK) != 0))
            continue;
        /* ns-3 can't be unloaded again: its objects register themselves for the life of the process. */
        library = dlopen(places[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (library == NULL)
            snprintf(why, sizeof why, "%.199s", dlerror());
    }
    if (library == NULL) {
        error_set(error, ERROR_SYSTEM,
                  "the simulation needs libns3c.so, beside the executable, in %s or where the system looks: %s",
                  CONFAB_LIBDIR, why);
        return NULL;
    }
    ns3c_api_function function;
    void *symbol = dlsym(library, "ns3c_api");
    memcpy(&function, &symbol, sizeof function); /* POSIX's way round C's lack of a cast */
    const struct ns3c_api *api = symbol == NULL ? NULL : function(NS3C_VERSION);
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
