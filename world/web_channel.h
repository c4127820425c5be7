/* WebSocket connections (RFC 6455) that carry whole text messages, at a server and at a client: what a live world's
 * channels are made of. */
#ifndef CONFAB_WORLD_WEB_CHANNEL_H
#define CONFAB_WORLD_WEB_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/address.h"
#include "base/error.h"
#include "base/nanos.h"
#include "world/web.h"

#define WEB_CHANNEL_PATH "/ws"

enum {
    WEB_CHANNEL_MESSAGE_MAX = 256 * 1024, /* a longer message ends the channel with status 1009 */
    WEB_CHANNEL_QUEUE_MAX = 1024 * 1024,  /* who reads so slowly that more than this waits is cut off */
    WEB_CHANNEL_PING_S = 20,              /* of silence, then we ask */
    WEB_CHANNEL_HANGUP_S = 30,            /* of silence, then the other side is gone */
    WEB_CHANNEL_CLOSING_S = 5,            /* for what is still to be sent */
};

struct web_channel;
struct web_channel_listener;

/* `closed` comes once and last, `reason` being one line; the channel still has to be closed. */
struct web_channel_callbacks {
    void (*opened)(void *user, nanos now); /* of one that we connected */
    void (*received)(void *user, const char *text, size_t len, nanos now);
    void (*closed)(void *user, const char *reason, nanos now);
};

/* A new channel; the callee adopts or closes it. */
typedef void (*web_channel_accepted)(void *user, struct web_channel *channel, nanos now);

/* Takes the WebSocket connections of the HTTP server at `local`, or of one that is made for it. NULL and `error` when
 * they are taken already, or as http_server_create. */
struct web_channel_listener *web_channel_listen(struct web *web, const struct address *local,
                                                web_channel_accepted accepted, void *user, struct error *error);
void web_channel_listener_close(struct web_channel_listener *listener);

/* Where to connect to, as ws:// and wss:// say it. */
struct web_channel_target {
    struct address address;
    const char *host;        /* for the Host header and TLS; NULL: the address */
    const char *path;        /* with its query; NULL: WEB_CHANNEL_PATH */
    const char *subprotocol; /* NULL: none */
    bool tls;
    bool binary; /* binary messages are received as texts are; else one ends the channel */
    bool verify; /* the certificate, against the system's authorities; else any will do */
};
struct web_channel *web_channel_connect(struct web *web, const struct web_channel_target *target,
                                        const struct web_channel_callbacks *callbacks, void *user, struct error *error);

void web_channel_adopt(struct web_channel *channel, const struct web_channel_callbacks *callbacks, void *user);
/* Queued until the channel is open. One whose other side reads too slowly is cut off, and then `closed`. */
void web_channel_send(struct web_channel *channel, const char *text, size_t len);
/* While paused nothing is read but what has come already: the other side fills its buffers and notices. */
void web_channel_pause(struct web_channel *channel, bool paused);
/* What was sent still goes out. Nothing is called back any more. */
void web_channel_close(struct web_channel *channel);

#endif
