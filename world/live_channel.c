/* Signalling in the live world is WebSocket, between real addresses. An emulated client's takes as long as it would
 * through the client's access link, both ways: what waits here is its texts, not TCP's segments. */
#include <stdlib.h>
#include <string.h>

#include "base/message_queue.h"
#include "world/live_network.h"
#include "world/web_channel.h"

/* TCP's, TLS 1.3's, and the request's, which may be an upgrade (RFC 6455): a round trip each. */
enum { HANDSHAKE_ROUND_TRIPS = 3 };

/* While a cable is pulled, TCP repeats itself at intervals about so long (RFC 6298, section 2: at least 1 s). */
#define RETRY NANOS_PER_S

/* Past that the other side reads too slowly, and the channel closes. */
#define ON_ITS_WAY_MAX_BYTES ((size_t)16 << 20)

struct live_channels {
    struct web *web;
};

/* Texts on their way, each behind the time at which it arrives. */
struct texts {
    struct message_queue queue;
    nanos last_at; /* none overtakes */
};

/* Through an emulated client's access link. */
struct passage {
    struct address server;
    struct live_deadline due;
    struct texts up, down;
    nanos opens_at; /* NANOS_NEVER: not yet, or it has */
    nanos ends_at;  /* NANOS_NEVER: not yet */
    char *reason;
};

struct world_channel {
    struct live_handle handle;
    struct web_channel *web;
    const struct world_channel_callbacks *callbacks;
    void *user;
    struct passage *passage; /* NULL: nothing is in the way */
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

/* --- telling the owner -------------------------------------------------------------------------------------------------- */

static void tell_opened(struct world_channel *channel, nanos now)
{
    if (!live_handle_enter(&channel->handle))
        return;
    if (channel->callbacks != NULL && channel->callbacks->opened != NULL)
        channel->callbacks->opened(channel->user, channel, now);
    live_handle_leave(&channel->handle);
}

static void tell_received(struct world_channel *channel, const char *text, size_t len, nanos now)
{
    if (!live_handle_enter(&channel->handle))
        return;
    if (channel->callbacks != NULL && channel->callbacks->received != NULL)
        channel->callbacks->received(channel->user, channel, text, len, now);
    live_handle_leave(&channel->handle);
}

static void tell_closed(struct world_channel *channel, const char *reason, nanos now)
{
    if (!live_handle_enter(&channel->handle))
        return;
    if (channel->callbacks != NULL && channel->callbacks->closed != NULL)
        channel->callbacks->closed(channel->user, channel, reason, now);
    live_handle_leave(&channel->handle);
}

/* --- through an access link ----------------------------------------------------------------------------------------------- */

/* One way, for a text of `len` bytes. */
static nanos way(const struct world_host *host, const struct address *server, bool up, size_t len)
{
    const struct live_world *live = host->live;
    const struct live_lan *near = host->lan;
    const struct live_place *place = live_place_find(live, server);
    const struct live_lan *far = place != NULL ? place->lan : NULL;
    nanos delay = link_idle_delay(up ? &near->up.link.config : &near->down.link.config, len);
    if (far != NULL)
        delay += live->delays[near->site][far->site] +
                 link_idle_delay(up ? &far->down.link.config : &far->up.link.config, len);
    return delay;
}

nanos live_host_request_delay(const struct world_host *host)
{
    const struct address outside = {0};
    if (host->lan == NULL || host->lan->server)
        return 0;
    return HANDSHAKE_ROUND_TRIPS * (way(host, &outside, true, 0) + way(host, &outside, false, 0));
}

static void schedule(struct world_channel *channel)
{
    const struct passage *passage = channel->passage;
    nanos at = passage->opens_at;
    const struct texts *both[] = {&passage->up, &passage->down};
    for (size_t i = 0; i < 2; i++) {
        size_t size;
        const uint8_t *first = message_queue_first(&both[i]->queue, NULL, &size);
        nanos arrives = NANOS_NEVER;
        if (first != NULL)
            memcpy(&arrives, first, sizeof arrives);
        at = nanos_min(at, arrives);
    }
    live_deadline_set(channel->handle.host->live, &channel->passage->due, nanos_min(at, passage->ends_at));
}

/* False: too much is on its way already. */
static bool set_out(struct texts *texts, const char *text, size_t len, nanos at)
{
    uint8_t *room = message_queue_room(&texts->queue, &(struct message_tag){0}, sizeof at + len + 1);
    if (room == NULL)
        return false;
    texts->last_at = at = nanos_max(at, texts->last_at);
    memcpy(room, &at, sizeof at);
    memcpy(room + sizeof at, text, len);
    room[sizeof at + len] = '\0';
    return true;
}

/* The oldest that has arrived by `now`; NULL: none. Drop it when it was read. */
static const char *arrived(const struct texts *texts, size_t *len, nanos now)
{
    size_t size;
    nanos at;
    const uint8_t *first = message_queue_first(&texts->queue, NULL, &size);
    if (first == NULL)
        return NULL;
    memcpy(&at, first, sizeof at);
    *len = size - sizeof at - 1;
    return at <= now ? (const char *)first + sizeof at : NULL;
}

static void send_arrived(struct world_channel *channel, nanos now)
{
    struct texts *up = &channel->passage->up;
    const char *text;
    size_t len;
    while ((text = arrived(up, &len, now)) != NULL) {
        if (channel->web != NULL)
            web_channel_send(channel->web, text, len);
        message_queue_drop_first(&up->queue);
    }
}

/* What is told may close the channel. */
static void tell_arrived(struct world_channel *channel, nanos now)
{
    struct passage *passage = channel->passage;
    const char *text;
    size_t len;
    if (passage->opens_at <= now) {
        passage->opens_at = NANOS_NEVER;
        tell_opened(channel, now);
    }
    while (!channel->handle.dead && (text = arrived(&passage->down, &len, now)) != NULL) {
        char *copy = malloc(len + 1);
        if (copy != NULL)
            memcpy(copy, text, len + 1);
        message_queue_drop_first(&passage->down.queue);
        if (copy != NULL)
            tell_received(channel, copy, len, now);
        free(copy);
    }
    if (!channel->handle.dead && passage->ends_at <= now) {
        passage->ends_at = NANOS_NEVER;
        tell_closed(channel, passage->reason != NULL ? passage->reason : "closed", now);
    }
}

static void due(void *user, nanos now)
{
    struct world_channel *channel = user;
    if (!live_handle_enter(&channel->handle))
        return;
    if (channel->handle.host->cut) {
        live_deadline_set(channel->handle.host->live, &channel->passage->due, now + RETRY);
    } else {
        send_arrived(channel, now);
        tell_arrived(channel, now);
        if (!channel->handle.dead)
            schedule(channel);
    }
    live_handle_leave(&channel->handle);
}

static bool pass(struct world_channel *channel, const struct address *server, struct error *error)
{
    struct passage *passage = calloc(1, sizeof *passage);
    if (passage == NULL)
        return error_set(error, ERROR_SYSTEM, "out of memory");
    *passage = (struct passage){.server = *server,
                                .due = {.fired = due, .user = channel},
                                .up.queue.limit = ON_ITS_WAY_MAX_BYTES,
                                .down.queue.limit = ON_ITS_WAY_MAX_BYTES,
                                .opens_at = NANOS_NEVER,
                                .ends_at = NANOS_NEVER};
    channel->passage = passage;
    return true;
}

/* What was sent still goes out, a little early; not out of a host that was killed or cut off. */
static void pass_no_more(struct world_channel *channel)
{
    struct passage *passage = channel->passage;
    if (!channel->handle.host->killed && !channel->handle.host->cut)
        send_arrived(channel, NANOS_NEVER);
    live_deadline_set(channel->handle.host->live, &passage->due, NANOS_NEVER);
    message_queue_clear(&passage->up.queue);
    message_queue_clear(&passage->down.queue);
    free(passage->reason);
    free(passage);
    channel->passage = NULL;
}

/* --- callbacks -------------------------------------------------------------------------------------------------------------- */

static void end(struct world_channel *channel, const char *reason, nanos now)
{
    struct passage *passage = channel->passage;
    nanos at = now + way(channel->handle.host, &passage->server, false, 0);
    passage->ends_at = nanos_max(at, passage->down.last_at);
    free(passage->reason);
    passage->reason = strdup(reason);
    schedule(channel);
}

static void opened(void *user, nanos now)
{
    struct world_channel *channel = user;
    struct passage *passage = channel->passage;
    const struct world_host *host = channel->handle.host;
    if (passage == NULL) {
        tell_opened(channel, now);
        return;
    }
    nanos round_trip = way(host, &passage->server, true, 0) + way(host, &passage->server, false, 0);
    passage->opens_at = now + HANDSHAKE_ROUND_TRIPS * round_trip;
    passage->down.last_at = passage->opens_at;
    schedule(channel);
}

static void received(void *user, const char *text, size_t len, nanos now)
{
    struct world_channel *channel = user;
    struct passage *passage = channel->passage;
    if (passage == NULL) {
        tell_received(channel, text, len, now);
        return;
    }
    if (!set_out(&passage->down, text, len, now + way(channel->handle.host, &passage->server, false, len)))
        end(channel, "too much on its way", now);
    schedule(channel);
}

static void closed(void *user, const char *reason, nanos now)
{
    struct world_channel *channel = user;
    if (channel->passage != NULL)
        end(channel, reason, now);
    else
        tell_closed(channel, reason, now);
}

static const struct web_channel_callbacks web_callbacks = {.opened = opened, .received = received, .closed = closed};

static void release_channel(struct live_handle *handle)
{
    struct world_channel *channel = (struct world_channel *)handle;
    if (channel->passage != NULL)
        pass_no_more(channel);
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
    if (host->lan == NULL || host->lan->server || pass(channel, &target->address, error))
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
    struct passage *passage = channel->passage;
    if (channel->web == NULL)
        return;
    if (passage == NULL) {
        web_channel_send(channel->web, text, len);
        return;
    }
    nanos now = live_now(channel->handle.host->live);
    if (!set_out(&passage->up, text, len, now + way(channel->handle.host, &passage->server, true, len)))
        end(channel, "too much on its way", now);
    schedule(channel);
}

void live_channel_close(struct world_channel *channel) { live_handle_close(&channel->handle); }

void live_channel_pause(struct world_channel *channel, bool paused)
{
    if (channel->web != NULL)
        web_channel_pause(channel->web, paused);
}
