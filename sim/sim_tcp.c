#include "sim/sim_parts.h"

struct world_tcp {
    struct sim_handle handle;
    struct ns3c_tcp *ns3c;
    struct address remote;
    struct world_tcp_callbacks callbacks;
    void *user;
};

struct world_tcp_listener {
    struct sim_handle handle;
    struct ns3c_tcp_listener *ns3c;
    world_tcp_accepted accepted;
    void *user;
};

static void connected(void *context, struct ns3c_tcp *ns3c, ns3c_nanos now)
{
    (void)ns3c;
    struct world_tcp *tcp = context;
    if (!sim_handle_enter(&tcp->handle))
        return;
    if (tcp->callbacks.connected != NULL)
        tcp->callbacks.connected(tcp->user, tcp, now);
    sim_handle_leave(&tcp->handle);
}

static void received(void *context, struct ns3c_tcp *ns3c, const uint8_t *data, size_t len, ns3c_nanos now)
{
    (void)ns3c;
    struct world_tcp *tcp = context;
    if (!sim_handle_enter(&tcp->handle))
        return;
    if (tcp->callbacks.received != NULL)
        tcp->callbacks.received(tcp->user, tcp, data, len, now);
    sim_handle_leave(&tcp->handle);
}

static void ended(void *context, struct ns3c_tcp *ns3c, enum ns3c_tcp_end how, ns3c_nanos now)
{
    static const char *const reasons[] = {
        [NS3C_TCP_CLOSED] = "closed by the other side",
        [NS3C_TCP_RESET] = "connection refused or reset",
        [NS3C_TCP_TIMEOUT] = "no answer",
    };
    (void)ns3c;
    struct world_tcp *tcp = context;
    if (!sim_handle_enter(&tcp->handle))
        return;
    if (tcp->callbacks.closed != NULL)
        tcp->callbacks.closed(tcp->user, tcp, reasons[how], now);
    sim_handle_leave(&tcp->handle);
}

static const struct ns3c_tcp_callbacks callbacks_of_ns3c = {
    .connected = connected, .received = received, .ended = ended};

static void release(struct sim_handle *handle)
{
    struct world_tcp *tcp = (struct world_tcp *)handle;
    if (tcp->ns3c == NULL)
        return;
    /* A host that was switched off says no farewell: its link is down, and this clears the connection up. */
    if (handle->host->killed)
        handle->host->sim->api->tcp_reset(tcp->ns3c);
    else
        handle->host->sim->api->tcp_close(tcp->ns3c);
}

struct world_tcp *sim_tcp_connect(struct world_host *host, const struct address *remote,
                                  const struct world_tcp_callbacks *callbacks, void *user, struct error *error)
{
    struct world_tcp *tcp = sim_host_is_on(host, error) ? sim_handle_create(host, sizeof *tcp, release, error) : NULL;
    if (tcp == NULL)
        return NULL;
    sim_tcp_adopt(tcp, callbacks, user);
    tcp->remote = *remote;
    struct ns3c_address address = sim_to_ns3c(remote);
    struct ns3c_error why;
    tcp->ns3c = host->sim->api->tcp_connect(host->ns3c, NULL, &address, &callbacks_of_ns3c, tcp, &why);
    if (tcp->ns3c == NULL) {
        sim_error(error, &why);
        sim_handle_close(&tcp->handle);
        return NULL;
    }
    return tcp;
}

void sim_tcp_adopt(struct world_tcp *tcp, const struct world_tcp_callbacks *callbacks, void *user)
{
    tcp->callbacks = *callbacks;
    tcp->user = user;
}

struct address sim_tcp_local(const struct world_tcp *tcp)
{
    if (tcp->handle.dead)
        return (struct address){0};
    struct ns3c_address local = tcp->handle.host->sim->api->tcp_local(tcp->ns3c);
    return sim_from_ns3c(&local);
}

struct address sim_tcp_remote(const struct world_tcp *tcp) { return tcp->remote; }

size_t sim_tcp_send(struct world_tcp *tcp, const uint8_t *data, size_t len)
{
    return tcp->handle.dead ? 0 : tcp->handle.host->sim->api->tcp_send(tcp->ns3c, data, len);
}

void sim_tcp_close(struct world_tcp *tcp) { sim_handle_close(&tcp->handle); }

/* --- listening -------------------------------------------------------------------------------------------------------- */

static void accepted(void *context, struct ns3c_tcp *ns3c, ns3c_nanos now)
{
    struct world_tcp_listener *listener = context;
    struct world_host *host = listener->handle.host;
    if (!sim_handle_enter(&listener->handle))
        return;
    struct world_tcp *tcp = sim_handle_create(host, sizeof *tcp, release, NULL);
    if (tcp == NULL) {
        host->sim->api->tcp_reset(ns3c);
    } else {
        struct ns3c_address remote = host->sim->api->tcp_remote(ns3c);
        tcp->ns3c = ns3c;
        tcp->remote = sim_from_ns3c(&remote);
        host->sim->api->tcp_adopt(ns3c, &callbacks_of_ns3c, tcp);
        struct address from = tcp->remote;
        listener->accepted(listener->user, tcp, &from, now);
    }
    sim_handle_leave(&listener->handle);
}

static void listener_release(struct sim_handle *handle)
{
    struct world_tcp_listener *listener = (struct world_tcp_listener *)handle;
    if (listener->ns3c != NULL)
        handle->host->sim->api->tcp_listener_close(listener->ns3c);
}

struct world_tcp_listener *sim_tcp_listen(struct world_host *host, const struct address *local,
                                          world_tcp_accepted callback, void *user, struct error *error)
{
    struct world_tcp_listener *listener =
        sim_host_is_on(host, error) ? sim_handle_create(host, sizeof *listener, listener_release, error) : NULL;
    if (listener == NULL)
        return NULL;
    listener->accepted = callback;
    listener->user = user;
    struct ns3c_address address = sim_to_ns3c(local);
    struct ns3c_error why;
    listener->ns3c = host->sim->api->tcp_listen(host->ns3c, &address, accepted, listener, &why);
    if (listener->ns3c == NULL) {
        sim_error(error, &why);
        sim_handle_close(&listener->handle);
        return NULL;
    }
    return listener;
}

void sim_tcp_listener_close(struct world_tcp_listener *listener) { sim_handle_close(&listener->handle); }
