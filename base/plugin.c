#include "base/plugin.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The executable's own directory with a slash; empty when that can't be found out. */
static void find_directory(char directory[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", directory, PATH_MAX - 1);
    directory[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(directory, '/');
    if (slash != NULL)
        slash[1] = '\0';
}

void *plugin_load(const char *file, const char *symbol, struct error *error)
{
    static const char *const places[] = {"", "../", "../lib/"};
    enum { PLACES = sizeof places / sizeof places[0] };
    char directory[PATH_MAX];
    char path[2 * PATH_MAX];
    char why[200] = "";
    void *library = NULL;
    find_directory(directory);
    for (size_t i = 0; i < PLACES + 2 && library == NULL; i++) {
        if (i < PLACES)
            snprintf(path, sizeof path, "%s%s%s", directory, places[i], file);
        else
            snprintf(path, sizeof path, "%s%s", i == PLACES ? CONFAB_LIBDIR "/" : "", file);
        if (strchr(path, '/') != NULL && access(path, F_OK) != 0)
            continue;
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        if (library == NULL)
            snprintf(why, sizeof why, "%.199s", dlerror());
    }
    void *found = library != NULL ? dlsym(library, symbol) : NULL;
    if (library == NULL)
        error_set(error, ERROR_SYSTEM, "%s is neither beside the executable, nor in %s, nor where the system looks: %s",
                  file, CONFAB_LIBDIR, why);
    else if (found == NULL)
        error_set(error, ERROR_SYSTEM, "%s lacks %s", file, symbol);
    return found;
}
