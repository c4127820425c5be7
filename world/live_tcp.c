#include "world/live_internal.h"
struct world_tcp_listener *live_tcp_listen(struct world_host *host, const struct address *local,
                                           world_tcp_accepted callback, void *user, struct error *error)
{
    (void)local;
    (void)callback;
    (void)user;
    error_set(error, ERROR_UNSUPPORTED, "%s: no TCP", host->name);
    return NULL;
}
void live_tcp_listener_close(struct world_tcp_listener *listener) { (void)listener; }
struct world_tcp *live_tcp_connect(struct world_host *host, const struct address *remote,
                                   const struct world_tcp_callbacks *callbacks, void *user, struct error *error)
{
    (void)remote;
    (void)callbacks;
    (void)user;
    error_set(error, ERROR_UNSUPPORTED, "%s: no TCP", host->name);
    return NULL;
}
void live_tcp_adopt(struct world_tcp *tcp, const struct world_tcp_callbacks *callbacks, void *user)
{
    (void)tcp;
    (void)callbacks;
    (void)user;
}
struct address live_tcp_local(const struct world_tcp *tcp)
{
    (void)tcp;
    return (struct address){0};
}
struct address live_tcp_remote(const struct world_tcp *tcp)
{
    (void)tcp;
    return (struct address){0};
}
size_t live_tcp_send(struct world_tcp *tcp, const uint8_t *data, size_t len)
{
    (void)tcp;
    (void)data;
    (void)len;
    return 0;
}
void live_tcp_close(struct world_tcp *tcp) { (void)tcp; }
