/* Signalling in the sim: a WebSocket over TLS over TCP, of which only the timing is modelled. Its packets are not in
 * the captures; it takes the path's one-way delay and the access links' transmission times, and every NAT lets it out,
 * as each lets out TCP to port 443. */
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "sim/sim_parts.h"

/* TCP's, TLS 1.3's and the upgrade's (RFC 6455): a round trip each. */
enum { HANDSHAKE_ROUND_TRIPS = 3 };

/* What one side may have on its way; past that the other side reads too slowly and the channel closes. */
#define IN_FLIGHT_MAX ((size_t)16 << 20)

/* While a cable is pulled, TCP repeats itself at intervals about so long (RFC 6298, section 2: at least 1 s). */
#define RETRY NANOS_PER_S
/* ... and a connection to where nobody listens (yet) is given up after about so long. */
#define CONNECT_TIMEOUT (20 * NANOS_PER_S)

struct message {
    struct message *next;
    nanos at;
    size_t len;
    char text[];
};

enum state {
    CONNECTING, /* the client's, until the server has accepted */
    ACCEPTED,   /* ... until it knows */
    OPEN,
    ENDING, /* the other side is gone: what is on its way still comes, then `closed` */
    ENDED,
};

struct world_channel {
    struct sim_handle handle;
    struct world_channel *peer; /* NULL when there is none yet, or no more */
    struct world_channel_callbacks callbacks;
    void *user;
    struct ns3c_timer *timer;
    struct message *inbox; /* oldest first */
    struct message *inbox_last;
    size_t inbox_bytes;
    enum state state;
    nanos opens_at;
    nanos ends_at; /* NANOS_NEVER: not yet */
    nanos last_arrival;
    nanos give_up_at;
    const char *reason;
    struct address server;
};

struct world_channel_listener {
    struct sim_handle handle;
    struct address address;
    world_channel_accepted accepted;
    void *user;
    UT_hash_handle hh;
};

static nanos now_of(const struct sim_world *sim) { return sim->api->now(sim->ns3c); }

/* One way, for a message of `len` bytes. */
static nanos path_delay(const struct world_host *from, const struct world_host *to, size_t len)
{
    const struct sim_lan *up = from->lan;
    const struct sim_lan *down = to->lan;
    return link_idle_delay(&up->up, len) + from->sim->delays[up->site][down->site] + link_idle_delay(&down->down, len);
}

static void timer_set(struct world_channel *channel, nanos at)
{
    if (!channel->handle.dead)
        channel->handle.host->sim->api->timer_set(channel->timer, at);
}

/* Whether a packet could go between the two now. */
static bool connected(const struct world_channel *channel)
{
    return !channel->handle.host->cut && (channel->peer == NULL || !channel->peer->handle.host->cut);
}

static void schedule(struct world_channel *channel)
{
    nanos at = NANOS_NEVER;
    if (channel->state == CONNECTING || channel->state == ACCEPTED)
        at = channel->opens_at;
    else if (channel->inbox != NULL)
        at = channel->inbox->at;
    else if (channel->state == ENDING)
        at = channel->ends_at;
    timer_set(channel, at);
}

/* The channel ends once what is on its way to it has arrived. */
static void end(struct world_channel *channel, nanos at, const char *reason)
{
    if (channel->state == ENDED || channel->ends_at != NANOS_NEVER)
        return;
    channel->peer = NULL;
    channel->reason = reason;
    channel->ends_at = nanos_max(at, channel->last_arrival);
    if (channel->state == OPEN)
        channel->state = ENDING;
    schedule(channel);
}

static void end_peer(struct world_channel *channel, const char *reason)
{
    struct world_channel *peer = channel->peer;
    if (peer == NULL)
        return;
    channel->peer = NULL;
    nanos delay = path_delay(channel->handle.host, peer->handle.host, 0);
    end(peer, now_of(channel->handle.host->sim) + delay, reason);
}

static void release(struct sim_handle *handle)
{
    struct world_channel *channel = (struct world_channel *)handle;
    end_peer(channel, handle->host->killed ? "the other side does not answer" : "closed by the other side");
    while (channel->inbox != NULL) {
        struct message *message = channel->inbox;
        LL_DELETE(channel->inbox, message);
        free(message);
    }
    if (channel->timer != NULL)
        handle->host->sim->api->timer_destroy(channel->timer);
    channel->timer = NULL;
}

static void due(void *context, ns3c_nanos now);

static struct world_channel *create(struct world_host *host, struct error *error)
{
    struct world_channel *channel =
        sim_host_is_on(host, error) ? sim_handle_create(host, sizeof *channel, release, error) : NULL;
    if (channel == NULL)
        return NULL;
    channel->ends_at = NANOS_NEVER;
    channel->timer = host->sim->api->timer_create(host->sim->ns3c, due, channel);
    if (channel->timer == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        sim_handle_close(&channel->handle);
        return NULL;
    }
    return channel;
}

/* --- the events of a channel, one for each time its timer fires -------------------------------------------------------- */

static struct world_channel_listener *listener_at(const struct sim_world *sim, const struct address *address)
{
    struct world_channel_listener *listener;
    HASH_FIND(hh, sim->channel_listeners, address, sizeof *address, listener);
    return listener;
}

/* The client's upgrade request has reached the server. */
static void accept(struct world_channel *client, nanos now)
{
    const struct sim_world *sim = client->handle.host->sim;
    struct world_channel_listener *listener = listener_at(sim, &client->server);
    if (listener == NULL || client->handle.host->cut || listener->handle.host->cut) {
        if (now >= client->give_up_at) {
            client->state = OPEN;
            end(client, now, "no answer");
        } else {
            client->opens_at = now + RETRY;
            schedule(client);
        }
        return;
    }
    struct world_channel *server = create(listener->handle.host, NULL);
    nanos back = path_delay(listener->handle.host, client->handle.host, 0);
    if (server == NULL) {
        client->state = OPEN;
        end(client, now + back, "connection refused");
        return;
    }
    server->state = OPEN;
    server->peer = client;
    client->peer = server;
    client->state = ACCEPTED;
    client->opens_at = now + back;
    client->last_arrival = client->opens_at;
    schedule(client);
    if (sim_handle_enter(&listener->handle)) {
        listener->accepted(listener->user, server, now);
        sim_handle_leave(&listener->handle);
    }
}

static void opened(struct world_channel *channel, nanos now)
{
    channel->state = channel->ends_at == NANOS_NEVER ? OPEN : ENDING;
    if (channel->callbacks.opened != NULL)
        channel->callbacks.opened(channel->user, channel, now);
}

static void arrived(struct world_channel *channel, nanos now)
{
    struct message *message = channel->inbox;
    channel->inbox = message->next;
    channel->inbox_bytes -= message->len;
    if (channel->callbacks.received != NULL)
        channel->callbacks.received(channel->user, channel, message->text, message->len, now);
    free(message);
}

static void ended(struct world_channel *channel, nanos now)
{
    channel->state = ENDED;
    if (channel->callbacks.closed != NULL)
        channel->callbacks.closed(channel->user, channel, channel->reason, now);
}

static void due(void *context, ns3c_nanos now)
{
    struct world_channel *channel = context;
    if (!sim_handle_enter(&channel->handle))
        return;
    if (channel->state == CONNECTING)
        accept(channel, now);
    else if (channel->state != ENDING && !connected(channel))
        timer_set(channel, now + RETRY);
    else {
        if (channel->state == ACCEPTED)
            opened(channel, now);
        else if (channel->inbox != NULL)
            arrived(channel, now);
        else if (channel->state == ENDING)
            ended(channel, now);
        if (!channel->handle.dead)
            schedule(channel);
    }
    sim_handle_leave(&channel->handle);
}

/* --- the calls of world/world.h ---------------------------------------------------------------------------------------- */

struct world_channel *sim_channel_connect(struct world_host *host, const struct address *server,
                                          const struct world_channel_callbacks *callbacks, void *user,
                                          struct error *error)
{
    struct world_channel *channel = create(host, error);
    if (channel == NULL)
        return NULL;
    sim_channel_adopt(channel, callbacks, user);
    const struct sim_world *sim = host->sim;
    const struct world_channel_listener *listener = listener_at(sim, server);
    nanos there = 0;
    nanos back = 0;
    if (listener != NULL) {
        there = path_delay(host, listener->handle.host, 0);
        back = path_delay(listener->handle.host, host, 0);
    }
    channel->server = *server;
    channel->state = CONNECTING;
    channel->opens_at = now_of(sim) + (HANDSHAKE_ROUND_TRIPS - 1) * (there + back) + there;
    channel->give_up_at = now_of(sim) + CONNECT_TIMEOUT;
    schedule(channel);
    return channel;
}

void sim_channel_adopt(struct world_channel *channel, const struct world_channel_callbacks *callbacks, void *user)
{
    channel->callbacks = *callbacks;
    channel->user = user;
}

void sim_channel_send(struct world_channel *channel, const char *text, size_t len)
{
    struct world_channel *peer = channel->peer;
    if (channel->handle.dead || peer == NULL)
        return;
    nanos now = now_of(channel->handle.host->sim);
    struct message *message = peer->inbox_bytes + len > IN_FLIGHT_MAX ? NULL : malloc(sizeof *message + len + 1);
    if (message == NULL) {
        end_peer(channel, "too much on its way");
        end(channel, now, "too much on its way");
        return;
    }
    message->next = NULL;
    message->len = len;
    memcpy(message->text, text, len);
    message->text[len] = '\0';
    message->at = nanos_max(now + path_delay(channel->handle.host, peer->handle.host, len), peer->last_arrival);
    peer->last_arrival = message->at;
    peer->inbox_bytes += len;
    if (peer->inbox == NULL)
        peer->inbox = message;
    else
        peer->inbox_last->next = message;
    peer->inbox_last = message;
    if (peer->inbox == message)
        schedule(peer);
}

void sim_channel_close(struct world_channel *channel) { sim_handle_close(&channel->handle); }

static void listener_release(struct sim_handle *handle)
{
    struct world_channel_listener *listener = (struct world_channel_listener *)handle;
    if (listener->hh.tbl != NULL)
        HASH_DEL(handle->host->sim->channel_listeners, listener);
}

struct world_channel_listener *sim_channel_listen(struct world_host *host, const struct address *local,
                                                  world_channel_accepted accepted, void *user, struct error *error)
{
    char text[ADDRESS_TEXT_CAP];
    bool own = false;
    for (size_t i = 0; i < host->address_count; i++)
        own = own || address_same_ip(&host->addresses[i], local);
    if (!own || address_scope(local) != ADDRESS_GLOBAL) {
        error_set(error, ERROR_USAGE, "%s is not a public address of %s", address_format(local, text), host->name);
        return NULL;
    }
    if (listener_at(host->sim, local) != NULL) {
        error_set(error, ERROR_SYSTEM, "%s is taken", address_format(local, text));
        return NULL;
    }
    struct world_channel_listener *listener =
        sim_host_is_on(host, error) ? sim_handle_create(host, sizeof *listener, listener_release, error) : NULL;
    if (listener == NULL)
        return NULL;
    listener->address = *local;
    listener->accepted = accepted;
    listener->user = user;
    HASH_ADD(hh, host->sim->channel_listeners, address, sizeof listener->address, listener);
    if (listener->hh.tbl == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        sim_handle_close(&listener->handle);
        return NULL;
    }
    return listener;
}

void sim_channel_listener_close(struct world_channel_listener *listener) { sim_handle_close(&listener->handle); }
