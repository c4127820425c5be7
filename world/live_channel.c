/* Signalling in the live world is WebSocket, between real addresses, whatever network the host itself stands in. */
#include "world/live_internal.h"

#include <stdlib.h>

#include "world/web_channel.h"

struct live_channels {
    struct web *web;
};

struct world_channel {
    struct live_handle handle;
    struct web_channel *web;
    const struct world_channel_callbacks *callbacks;
    void *user;
};

struct world_channel_listener {
    struct live_handle handle;
    struct web_channel_listener *web;
    world_channel_accepted accepted;
    void *user;
};

struct web *live_world_web(struct live_world *live, struct error *error)
{
    if (live->channels == NULL) {
        struct live_channels *channels = calloc(1, sizeof *channels);
        if (channels == NULL) {
            error_set(error, ERROR_SYSTEM, "out of memory");
            return NULL;
        }
        channels->web = web_create(&live->loop, &live->world, error);
        if (channels->web == NULL) {
            free(channels);
            return NULL;
        }
        live->channels = channels;
    }
    return live->channels->web;
}

void live_channels_close(struct live_world *live)
{
    if (live->channels != NULL)
        web_close(live->channels->web);
}

void live_channels_destroy(struct live_world *live)
{
    if (live->channels != NULL)
        web_destroy(live->channels->web);
    free(live->channels);
    live->channels = NULL;
}

/* --- callbacks -------------------------------------------------------------------------------------------------------------- */

static void opened(void *user, nanos now)
{
    struct world_channel *channel = user;
    if (!live_handle_enter(&channel->handle))
        return;
    if (channel->callbacks != NULL && channel->callbacks->opened != NULL)
        channel->callbacks->opened(channel->user, channel, now);
    live_handle_leave(&channel->handle);
}

static void received(void *user, const char *text, size_t len, nanos now)
{
    struct world_channel *channel = user;
    if (!live_handle_enter(&channel->handle))
        return;
    if (channel->callbacks != NULL && channel->callbacks->received != NULL)
        channel->callbacks->received(channel->user, channel, text, len, now);
    live_handle_leave(&channel->handle);
}

static void closed(void *user, const char *reason, nanos now)
{
    struct world_channel *channel = user;
    if (!live_handle_enter(&channel->handle))
        return;
    if (channel->callbacks != NULL && channel->callbacks->closed != NULL)
        channel->callbacks->closed(channel->user, channel, reason, now);
    live_handle_leave(&channel->handle);
}

static const struct web_channel_callbacks web_callbacks = {.opened = opened, .received = received, .closed = closed};

static void release_channel(struct live_handle *handle)
{
    struct world_channel *channel = (struct world_channel *)handle;
    if (channel->web != NULL)
        web_channel_close(channel->web);
    channel->web = NULL;
}

static void accepted(void *user, struct web_channel *web, nanos now)
{
    struct world_channel_listener *listener = user;
    struct world_channel *channel = live_handle_create(listener->handle.host, sizeof *channel, release_channel, NULL);
    if (channel == NULL || !live_handle_enter(&listener->handle)) {
        web_channel_close(web);
        if (channel != NULL)
            live_handle_close(&channel->handle);
        return;
    }
    channel->web = web;
    web_channel_adopt(web, &web_callbacks, channel);
    listener->accepted(listener->user, channel, now);
    live_handle_leave(&listener->handle);
}

/* --- calls ------------------------------------------------------------------------------------------------------------------ */

static void release_listener(struct live_handle *handle)
{
    struct world_channel_listener *listener = (struct world_channel_listener *)handle;
    if (listener->web != NULL)
        web_channel_listener_close(listener->web);
    listener->web = NULL;
}

struct world_channel_listener *live_channel_listen(struct world_host *host, const struct address *local,
                                                   world_channel_accepted callback, void *user, struct error *error)
{
    struct web *web = live_host_is_on(host, error) ? live_world_web(host->live, error) : NULL;
    struct world_channel_listener *listener =
        web != NULL ? live_handle_create(host, sizeof *listener, release_listener, error) : NULL;
    if (listener == NULL)
        return NULL;
    listener->accepted = callback;
    listener->user = user;
    listener->web = web_channel_listen(web, local, accepted, listener, error);
    if (listener->web == NULL) {
        live_handle_close(&listener->handle);
        return NULL;
    }
    return listener;
}

void live_channel_listener_close(struct world_channel_listener *listener) { live_handle_close(&listener->handle); }

struct world_channel *live_channel_open(struct world_host *host, const struct web_channel_target *target,
                                        const struct world_channel_callbacks *callbacks, void *user,
                                        struct error *error)
{
    struct web *web = live_host_is_on(host, error) ? live_world_web(host->live, error) : NULL;
    struct world_channel *channel =
        web != NULL ? live_handle_create(host, sizeof *channel, release_channel, error) : NULL;
    if (channel == NULL)
        return NULL;
    channel->callbacks = callbacks;
    channel->user = user;
    channel->web = web_channel_connect(web, target, &web_callbacks, channel, error);
    if (channel->web == NULL) {
        live_handle_close(&channel->handle);
        return NULL;
    }
    return channel;
}

struct world_channel *live_channel_connect(struct world_host *host, const struct address *server,
                                           const struct world_channel_callbacks *callbacks, void *user,
                                           struct error *error)
{
    const struct web_channel_target target = {.address = *server};
    return live_channel_open(host, &target, callbacks, user, error);
}

void live_channel_adopt(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user)
{
    channel->callbacks = callbacks;
    channel->user = user;
}

void live_channel_send(struct world_channel *channel, const char *text, size_t len)
{
    if (channel->web != NULL)
        web_channel_send(channel->web, text, len);
}

void live_channel_close(struct world_channel *channel) { live_handle_close(&channel->handle); }
