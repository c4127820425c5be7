#include "world/world.h"

/* Each handle's first member is its world: this is all that the dispatch below needs to know of it. */
struct handle {
    struct world *world;
};

static const struct world_ops *ops_of(const void *handle) { return ((const struct handle *)handle)->world->ops; }

nanos world_now(const struct world *world) { return world->ops->now(world); }

struct world *world_of(const struct world_host *host) { return ((const struct handle *)(const void *)host)->world; }

size_t world_host_addresses(const struct world_host *host, struct address *out, size_t cap)
{
    return ops_of(host)->host_addresses(host, out, cap);
}

struct world_udp *world_udp_open(struct world_host *host, const struct address *local, world_udp_received received,
                                 void *user, struct error *error)
{
    return ops_of(host)->udp_open(host, local, received, user, error);
}
struct address world_udp_address(const struct world_udp *udp) { return ops_of(udp)->udp_address(udp); }
void world_udp_send(struct world_udp *udp, const struct datagram *batch, size_t count)
{
    ops_of(udp)->udp_send(udp, batch, count);
}
void world_udp_close(struct world_udp *udp) { ops_of(udp)->udp_close(udp); }

struct world_tcp_listener *world_tcp_listen(struct world_host *host, const struct address *local,
                                            world_tcp_accepted accepted, void *user, struct error *error)
{
    return ops_of(host)->tcp_listen(host, local, accepted, user, error);
}
void world_tcp_listener_close(struct world_tcp_listener *listener) { ops_of(listener)->tcp_listener_close(listener); }
struct world_tcp *world_tcp_connect(struct world_host *host, const struct address *remote,
                                    const struct world_tcp_callbacks *callbacks, void *user, struct error *error)
{
    return ops_of(host)->tcp_connect(host, remote, callbacks, user, error);
}
void world_tcp_adopt(struct world_tcp *tcp, const struct world_tcp_callbacks *callbacks, void *user)
{
    ops_of(tcp)->tcp_adopt(tcp, callbacks, user);
}
struct address world_tcp_local(const struct world_tcp *tcp) { return ops_of(tcp)->tcp_local(tcp); }
struct address world_tcp_remote(const struct world_tcp *tcp) { return ops_of(tcp)->tcp_remote(tcp); }
size_t world_tcp_send(struct world_tcp *tcp, const uint8_t *data, size_t len)
{
    return ops_of(tcp)->tcp_send(tcp, data, len);
}
void world_tcp_close(struct world_tcp *tcp) { ops_of(tcp)->tcp_close(tcp); }

struct world_channel_listener *world_channel_listen(struct world_host *host, const struct address *local,
                                                    world_channel_accepted accepted, void *user, struct error *error)
{
    return ops_of(host)->channel_listen(host, local, accepted, user, error);
}
void world_channel_listener_close(struct world_channel_listener *listener)
{
    ops_of(listener)->channel_listener_close(listener);
}
struct world_channel *world_channel_connect(struct world_host *host, const struct address *server,
                                            const struct world_channel_callbacks *callbacks, void *user,
                                            struct error *error)
{
    return ops_of(host)->channel_connect(host, server, callbacks, user, error);
}
void world_channel_adopt(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user)
{
    ops_of(channel)->channel_adopt(channel, callbacks, user);
}
void world_channel_send(struct world_channel *channel, const char *text, size_t len)
{
    ops_of(channel)->channel_send(channel, text, len);
}
void world_channel_close(struct world_channel *channel) { ops_of(channel)->channel_close(channel); }

struct world_timer *world_timer_open(struct world_host *host, world_timer_fired fired, void *user)
{
    return ops_of(host)->timer_open(host, fired, user);
}
void world_timer_set(struct world_timer *timer, nanos at) { ops_of(timer)->timer_set(timer, at); }
void world_timer_close(struct world_timer *timer) { ops_of(timer)->timer_close(timer); }
