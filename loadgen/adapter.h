/* How the clients of a load speak with one kind of server. An adapter is signalling alone: texts in, texts out. It holds
 * no sockets, threads or clocks of its own; the client (loadgen/load_client.h) does everything else and offers it the
 * services below. Everything happens in the live world's loop.
 *
 *     load_client                        adapter                        server
 *         | create (the planned instant)    |                              |
 *         |-------------------------------->| adapter_connect / _http      |
 *         |<--------------------------------| ---------------------------> |
 *         | opened, message, an answer      |                              |
 *         |-------------------------------->| adapter_open_call            |
 *         | described (our offer or answer) |                              |
 *         |-------------------------------->| ---------------------------> |
 *         |                                 | adapter_take_description     |
 *         |<--------------------------------| <--------------------------- |
 *         | candidate …                     | adapter_take_candidate …     |
 *         |                                 | adapter_signalled            |
 *         |  ICE, DTLS, media, measuring    |                              |
 *         | leave                           |                              |
 *         |-------------------------------->| ---------------------------> |
 *
 * A failure has a class and one line (adapter_fail); after it nothing of the adapter is called but leave and destroy.
 * What a server says may be anything: an adapter trusts no length, type or order of it. */
#ifndef CONFAB_LOADGEN_ADAPTER_H
#define CONFAB_LOADGEN_ADAPTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "loadgen/failure.h"
#include "loadgen/load_target.h"
#include "peer/call.h"
#include "peer/remote_track.h"
#include "rtc/room_message.h"
#include "world/http_client.h"
#include "world/world.h"

struct adapter_client;  /* one client of the load, with the services below */
struct adapter_session; /* an adapter's own state for one client; each adapter defines its own struct */
struct adapter_shared;  /* and that for all of them, of adapters that need such */
struct live_world;

enum adapter_pattern {
    ADAPTER_ROOM,    /* those who publish and those who don't see everyone else who publishes */
    ADAPTER_PUBLISH, /* everyone publishes, nobody receives: WHIP */
    ADAPTER_PLAY,    /* nobody publishes, everyone receives one audio and one video: WHEP */
};

/* How a picture is wanted, by its place in the layout. */
enum adapter_layer { LAYER_NONE, LAYER_LOW, LAYER_MEDIUM, LAYER_HIGH };

/* One kind of server: a constant that loadgen/adapters/NAME.c defines and loadgen/adapters.c lists. */
struct adapter {
    const char *scheme;   /* before the '+' of the URL: "whip" of whip+https://; "exec" of exec:COMMAND */
    const char *form;     /* for the help: "whip+http(s)://HOST/PATH" */
    const char *summary;  /* one line for the help */
    bool http, websocket; /* which URLs there may be behind the '+' */
    bool unverified;      /* never run against its real server: the help and the docs say so */
    enum adapter_pattern pattern;
    const char *path;        /* where such a server has it, for URLs without a path; NULL: "/" */
    const char *subprotocol; /* of its WebSocket; NULL: none */
    bool binary;             /* its WebSocket has binary messages */

    /* Before the load: refuses a target that lacks what this kind needs. False and `error` (ERROR_USAGE). NULL: any. */
    bool (*check)(const struct load_target *target, struct error *error);

    /* Before its first client, and after its last one has been destroyed. NULL and `error`. Both may be NULL. */
    struct adapter_shared *(*open)(struct live_world *live, const struct load_target *target, struct error *error);
    void (*close)(struct adapter_shared *shared);

    /* The client's planned instant has come: start. NULL and `error` when it can't. */
    struct adapter_session *(*create)(struct adapter_client *client, struct error *error);
    /* The WebSocket (adapter_connect) is open; a message came by it. NULL when there is none. */
    void (*opened)(struct adapter_session *session, nanos now);
    void (*message)(struct adapter_session *session, const char *text, size_t len, nanos now);
    /* It was refused, or has ended, for that reason. True: the adapter finds out more, and then calls adapter_fail. May be
     * NULL: the client fails at once. */
    bool (*closed)(struct adapter_session *session, const char *reason, nanos now);
    /* Our description for the server: an offer or an answer. */
    void (*described)(struct adapter_session *session, struct call *call, bool offer, const char *sdp, nanos now);
    /* A candidate of ours as "candidate:…", or NULL: there are no more. Only of calls that trickle; may be NULL. */
    void (*candidate)(struct adapter_session *session, struct call *call, const char *candidate, nanos now);
    /* A call is up, down or has failed; failing and losing are the client's own business. May be NULL. */
    void (*state)(struct adapter_session *session, struct call *call, enum transport_state state, nanos now);
    /* The layout has changed: adapter_wanted_layer answers anew. May be NULL. */
    void (*layout)(struct adapter_session *session, nanos now);
    /* Says goodbye as a well-behaved client does. Requests that it sends still go out, answers are not waited for. */
    void (*leave)(struct adapter_session *session, nanos now);
    void (*destroy)(struct adapter_session *session);
};

/* All there are, ended by NULL. */
extern const struct adapter *const adapters[];

/* --- who the client is ------------------------------------------------------------------------------------------------- */

const struct load_target *adapter_target(const struct adapter_client *client);
struct adapter_shared *adapter_shared(const struct adapter_client *client); /* what `open` made */
/* A name for its room, the same for all in it, and one for itself, unlike any other of the load: letters, digits, '-'. */
const char *adapter_room(const struct adapter_client *client);
const char *adapter_name(const struct adapter_client *client);
uint32_t adapter_room_number(const struct adapter_client *client); /* from 0 */
uint32_t adapter_number(const struct adapter_client *client);      /* in its room, from 0 */
uint64_t adapter_seed(const struct adapter_client *client);        /* for transaction ids and the like */
/* What it sends: its layers, bit rates, whether it has audio, video, a screen; nothing of it when it only watches. */
const struct media_plan *adapter_plan(const struct adapter_client *client);
/* Whether those who publish have it: audio, video, a screen. */
bool adapter_media_has(const struct adapter_client *client, enum track_kind kind);
/* It is behind NATs, or may use nothing but relays: a server that names its ICE servers only when asked should be. */
bool adapter_needs_relays(const struct adapter_client *client);
/* How many publish in a full room, this client included if it does. */
uint32_t adapter_publishers(const struct adapter_client *client);
/* The token of --token or of the URL's ?token=; NULL: none. */
const char *adapter_token(const struct adapter_client *client);

/* For what isn't here: timers (keep-alives) and the time by world/world.h, processes by the live world's loop. */
struct world_host *adapter_host(const struct adapter_client *client);
struct live_world *adapter_live(const struct adapter_client *client);

/* --- signalling ---------------------------------------------------------------------------------------------------------- */

/* Opens the client's WebSocket, to the target when `url` is NULL. It has only one. When it can't be opened, or ends before
 * the client leaves, the client fails: adapters needn't look. */
bool adapter_connect(struct adapter_client *client, const char *url, struct error *error);
void adapter_send(struct adapter_client *client, const char *text, size_t len);
/* The same for JSON, whose reference it takes. NULL (out of memory, strings that are no UTF-8) fails the client. */
void adapter_send_json(struct adapter_client *client, json_t *json);

/* The answer to adapter_http. `response` is valid during the call. */
typedef void (*adapter_answered)(struct adapter_session *session, const struct http_fetch_response *response,
                                 nanos now);

/* Sends a request; `url` NULL: to the target; timeout and verify are filled in. When there is no answer, or one of 400
 * and more unless `any_status`, the client fails and `answered` isn't called. Several at a time are allowed. */
void adapter_http(struct adapter_client *client, const struct http_fetch_request *request, bool any_status,
                  adapter_answered answered);

/* The body of a request or a message as JSON, an object; NULL, and the client has failed (bad answer), when it isn't. */
json_t *adapter_read_json(struct adapter_client *client, const char *text, size_t len);

/* --- connections --------------------------------------------------------------------------------------------------------- */

struct adapter_call_config {
    bool offers;  /* our offer comes at once, by `described`; else we answer the server's */
    bool trickle; /* candidates come one at a time; else descriptions have them all and come when they are known */
    bool sends;   /* what the client's plan has */
    uint32_t receive_audio, receive_video; /* sections to receive in, in our offer; sections of the server's offers are
                                              all taken */
    bool data; /* a section for data channels in our offer; in the server's offers it is always taken */
    /* Plan to send one video without simulcast though the plan has layers: the server takes none. */
    bool no_simulcast;
    const struct room_ice_server *ice_servers; /* of the server; --turn goes first. Copied */
    size_t ice_server_count;
};

/* A peer connection of the client's. NULL, and the client has failed, when it can't be opened. It ends with the client,
 * or by adapter_close_call. */
struct call *adapter_open_call(struct adapter_client *client, const struct adapter_call_config *config);
void adapter_close_call(struct adapter_client *client, struct call *call);

/* The server's offer (our answer comes by `described`) or answer. False, and the client has failed (bad answer), when it
 * makes no sense. */
bool adapter_take_description(struct adapter_client *client, struct call *call, bool offer, const char *sdp);
/* "candidate:…" with or without "a=", or NULL or "": there are no more. One that can't be read is left out: browsers do
 * likewise with those of kinds they don't know. */
void adapter_take_candidate(struct adapter_client *client, struct call *call, const char *candidate);

/* A new offer, by `described`, with all there was and so many more sections to receive in. False while one of ours is
 * unanswered. */
bool adapter_offer_more(struct adapter_client *client, struct call *call, uint32_t receive_audio,
                        uint32_t receive_video);

/* --- what is told ---------------------------------------------------------------------------------------------------------- */

/* The server has let the client in, and said all that its connections need. */
void adapter_signalled(struct adapter_client *client);

/* So many tracks should come in the end, when that isn't what the pattern and the plan say. */
void adapter_expect(struct adapter_client *client, uint32_t audio, uint32_t video);

/* The client can't go on. Takes effect when the adapter's function that calls this has returned. */
void adapter_fail(struct adapter_client *client, enum failure failure, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* How the `index`-th video that the client was offered (from 0) is wanted, by --layout. LAYER_HIGH for all without one. */
enum adapter_layer adapter_wanted_layer(const struct adapter_client *client, uint32_t index);

#endif
