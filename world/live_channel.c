/* Signalling in the live world is WebSocket. */
#include "world/live_internal.h"

void live_channels_destroy(struct live_world *live) { live->channels = NULL; }

struct world_channel_listener *live_channel_listen(struct world_host *host, const struct address *local,
                                                   world_channel_accepted accepted, void *user, struct error *error)
{
    (void)local;
    (void)accepted;
    (void)user;
    error_set(error, ERROR_UNSUPPORTED, "%s: no WebSocket in this build", host->name);
    return NULL;
}

void live_channel_listener_close(struct world_channel_listener *listener) { (void)listener; }

struct world_channel *live_channel_connect(struct world_host *host, const struct address *server,
                                           const struct world_channel_callbacks *callbacks, void *user,
                                           struct error *error)
{
    (void)server;
    (void)callbacks;
    (void)user;
    error_set(error, ERROR_UNSUPPORTED, "%s: no WebSocket in this build", host->name);
    return NULL;
}

void live_channel_adopt(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user)
{
    (void)channel;
    (void)callbacks;
    (void)user;
}

void live_channel_send(struct world_channel *channel, const char *text, size_t len)
{
    (void)channel;
    (void)text;
    (void)len;
}

void live_channel_close(struct world_channel *channel) { (void)channel; }
