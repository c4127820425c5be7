#include <stdlib.h>
#include <utlist.h>

#include "sim/sim_parts.h"

bool sim_host_is_on(const struct world_host *host, struct error *error)
{
    return !host->killed || error_set(error, ERROR_SYSTEM, "%s is off", host->name);
}

void *sim_handle_create(struct world_host *host, size_t size, void (*release)(struct sim_handle *handle),
                        struct error *error)
{
    struct sim_handle *handle = calloc(1, size);
    if (handle == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    handle->world = host->world;
    handle->host = host;
    handle->release = release;
    handle->dead = host->killed;
    DL_APPEND(host->handles, handle);
    return handle;
}

void sim_handle_kill(struct sim_handle *handle)
{
    if (!handle->dead)
        handle->release(handle);
    handle->dead = true;
}

void sim_handle_close(struct sim_handle *handle)
{
    sim_handle_kill(handle);
    DL_DELETE(handle->host->handles, handle);
    handle->closed = true;
    if (handle->calls == 0)
        free(handle);
}

bool sim_handle_enter(struct sim_handle *handle)
{
    if (handle->dead)
        return false;
    handle->calls++;
    return true;
}

void sim_handle_leave(struct sim_handle *handle)
{
    if (--handle->calls == 0 && handle->closed)
        free(handle);
}
