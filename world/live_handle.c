#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "world/live_internal.h"

bool live_host_is_on(const struct world_host *host, struct error *error)
{
    return !host->killed || error_set(error, ERROR_SYSTEM, "%s is off", host->name);
}

void *live_handle_create(struct world_host *host, size_t size, void (*release)(struct live_handle *handle),
                         struct error *error)
{
    struct live_handle *handle = calloc(1, size);
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

void live_handle_kill(struct live_handle *handle)
{
    if (!handle->dead)
        handle->release(handle);
    handle->dead = true;
}

void live_handle_close(struct live_handle *handle)
{
    live_handle_kill(handle);
    DL_DELETE(handle->host->handles, handle);
    handle->closed = true;
    if (handle->calls == 0)
        free(handle);
}

bool live_handle_enter(struct live_handle *handle)
{
    if (handle->dead)
        return false;
    handle->calls++;
    return true;
}

void live_handle_leave(struct live_handle *handle)
{
    if (--handle->calls == 0 && handle->closed)
        free(handle);
}

/* --- descriptors ---------------------------------------------------------------------------------------------------------- */

static void ready(uv_poll_t *uv, int status, int events)
{
    struct live_poll *poll = (struct live_poll *)uv;
    /* An error shows when the descriptor is next used. */
    poll->ready(poll->user, status < 0 ? UV_READABLE | UV_WRITABLE : events);
}

struct live_poll *live_poll_open(struct live_world *live, int fd, int events, void (*call)(void *user, int events),
                                 void *user, struct error *error)
{
    struct live_poll *poll = calloc(1, sizeof *poll);
    int status = poll == NULL ? UV_ENOMEM : uv_poll_init(&live->loop, &poll->uv, fd);
    if (status < 0) {
        error_set(error, ERROR_SYSTEM, "descriptor %d: %s", fd, uv_strerror(status));
        free(poll);
        close(fd);
        return NULL;
    }
    live->polls++;
    poll->live = live;
    poll->ready = call;
    poll->user = user;
    poll->fd = fd;
    live_poll_set(poll, events);
    return poll;
}

void live_poll_set(struct live_poll *poll, int events)
{
    if (events == 0)
        uv_poll_stop(&poll->uv);
    else
        uv_poll_start(&poll->uv, events, ready);
}

static void gone(uv_handle_t *uv) { free(uv); }

void live_poll_close(struct live_poll *poll)
{
    if (poll == NULL)
        return;
    int fd = poll->fd;
    poll->live->polls--;
    uv_close((uv_handle_t *)&poll->uv, gone);
    close(fd);
}
