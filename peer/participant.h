/* Someone in a room: joins by the signalling server, then in a mesh calls everyone else, or at an SFU calls that. */
#ifndef CONFAB_PEER_PARTICIPANT_H
#define CONFAB_PEER_PARTICIPANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "peer/call.h"
#include "peer/media_plan.h"
#include "world/world.h"

struct participant;

/* Whoever measures. Each may be NULL. */
struct participant_callbacks {
    /* The server let it in. */
    void (*joined)(void *user, struct participant *participant, nanos now);
    void (*call_state)(void *user, struct participant *participant, struct call *call, enum transport_state state,
                       const char *reason, nanos now);
    void (*track_added)(void *user, struct participant *participant, struct remote_track *track, nanos now);
    void (*track_removed)(void *user, struct participant *participant, struct remote_track *track, nanos now);
    void (*frame)(void *user, struct participant *participant, struct remote_track *track,
                  const struct received_frame *frame, nanos now);
    void (*data)(void *user, struct participant *participant, const struct data_report *report, nanos now);
    /* Of the room: `peer-joined`, `peer-left`, `mute` or `speaker`. */
    void (*told)(void *user, struct participant *participant, const struct room_message *message, nanos now);
    /* CALL_SFU: the server is gone, or the way to it, or one before it is back, and with it all calls, which are still there
     * in this callback; it looks for another, and will be `joined` again. In a mesh calls go on. */
    void (*lost)(void *user, struct participant *participant, const char *reason, nanos now);
    /* It can't go on: refused, or the signalling broke. */
    void (*failed)(void *user, struct participant *participant, const char *reason, nanos now);
};

struct participant_config {
    struct world_host *host;
    struct address server; /* of signalling */
    /* Where the room meets when that is gone, `server` itself first, the same for everyone; copied. None: nowhere, the
     * participant fails. */
    const struct address *meeting_places;
    size_t meeting_place_count;
    const char *room;
    const char *name;
    enum call_shape shape;
    struct media_plan plan;
    bool room_has_screen;
    struct conversation conversation;      /* who talks when: the same for everyone in the room */
    uint32_t number;                       /* in it, from 0 */
    const struct certificate *certificate; /* must outlive the participant, as must `tls` */
    struct tls_context *tls;
    bool relay_only;
    uint64_t seed;
    uint64_t ntp_origin;
    void (*keylog)(void *user, const char *line);
    void *keylog_user;
    struct histogram *network_latency; /* as connection_config's */
    const struct participant_callbacks *callbacks;
    void *user;
};

/* Starts to join at once. NULL and `error`. */
struct participant *participant_create(const struct participant_config *config, nanos now, struct error *error);

/* Is gone without a word. */
void participant_destroy(struct participant *participant);

/* Says `layout`, `watch` or `mute` to the server, once it has let the participant in. */
void participant_say(struct participant *participant, const struct room_message *message);

/* Says goodbye to everyone. */
void participant_leave(struct participant *participant, nanos now);

const char *participant_name(const struct participant *participant);

/* The calls, in the order in which they began: `index` from 0; NULL past the last. */
struct call *participant_call(const struct participant *participant, size_t index);

/* What all calls have carried, ended ones included; rtt and queue are of no meaning. */
struct connection_statistics participant_traffic(const struct participant *participant);

/* Why it is not in the room; NULL when it is, and before it was. */
const char *participant_trouble(const struct participant *participant);

/* How many calls it has to make itself: to everyone who was in the mesh when it came, or to the SFU. */
size_t participant_calls_made(const struct participant *participant);

#endif
