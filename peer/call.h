/* A participant's connection to one other end, another participant or the SFU: its offer and answer, what it sends and
 * what it receives. */
#ifndef CONFAB_PEER_CALL_H
#define CONFAB_PEER_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "peer/audio_source.h"
#include "peer/data_exchange.h"
#include "peer/media_plan.h"
#include "peer/peer_connection.h"
#include "peer/remote_track.h"
#include "peer/video_sender.h"
#include "rtc/room_message.h"
#include "rtc/session_negotiation.h"

struct call;

struct call_callbacks {
    /* A message for the other end. */
    void (*say)(void *user, struct call *call, const struct room_message *message);
    /* The transport is up, down, or has failed for `reason`. */
    void (*state)(void *user, struct call *call, enum transport_state state, const char *reason, nanos now);
    /* A track was offered or is gone. */
    void (*track_added)(void *user, struct call *call, struct remote_track *track, nanos now);
    void (*track_removed)(void *user, struct call *call, struct remote_track *track, nanos now);
    void (*frame)(void *user, struct call *call, struct remote_track *track, const struct received_frame *frame,
                  nanos now);
    /* Something was sent or received on a data channel. */
    void (*data)(void *user, struct call *call, const struct data_report *report, nanos now);
};

enum call_shape {
    CALL_MESH, /* each way what either sends, one encoding of each video */
    CALL_SFU,  /* we offer what we send, with simulcast; the SFU offers what others send */
};

struct call_config {
    struct world_host *host;
    enum call_shape shape;
    bool offerer;
    /* Descriptions come when all our candidates are known, with them in; else candidates follow one at a time. */
    bool holds_candidates;
    bool no_simulcast;                     /* CALL_SFU: one encoding of the camera, whatever the plan has */
    uint32_t receive_audio, receive_video; /* CALL_SFU: so many sections to receive in, in our offer */
    const char *own_name;                  /* the stream id of what we send */
    const char *remote_name;               /* "" for the SFU */
    const struct media_plan *plan;
    uint32_t number;      /* our own in the room, from 0 */
    bool room_has_screen; /* in a mesh: somebody may share one */
    const struct certificate *certificate;
    struct tls_context *tls;
    const struct room_message *joined; /* with the ICE servers to use */
    bool relay_only;
    uint64_t seed;
    uint64_t ntp_origin;
    void (*keylog)(void *user, const char *line);
    void *keylog_user;
    struct histogram *network_latency; /* as connection_config's */
    const struct call_callbacks *callbacks;
    void *user;
};

/* An offerer says its offer at once. NULL and `error` when it can't be. */
struct call *call_create(const struct call_config *config, nanos now, struct error *error);
void call_destroy(struct call *call);

/* An offer, answer or candidate from the other end. False and `error` when it makes no sense. */
bool call_handle(struct call *call, const struct room_message *message, nanos now, struct error *error);

/* Whether an offer goes on with this call; else the other end has begun another one. */
bool call_is_continued_by(const struct call *call, const struct room_message *offer);

/* CALL_SFU: a new offer with all there was and so many more sections to receive in. False while ours is unanswered, or
 * when out of memory. */
bool call_offer_more(struct call *call, uint32_t receive_audio, uint32_t receive_video, nanos now);

/* One frame of the participant's audio. */
void call_send_audio(struct call *call, const struct audio_frame *frame, const uint8_t *payload, size_t len, nanos now);

/* Sends the video that is due, and looks after what has been waited for. */
void call_run(struct call *call, nanos now);
nanos call_deadline(const struct call *call);

/* Finds another path under new credentials (RFC 8445, section 9). */
void call_restart_ice(struct call *call, nanos now);

/* Says goodbye. */
void call_close(struct call *call, nanos now);

const char *call_remote_name(const struct call *call);
/* For whoever measures; NULL until it is set. */
void call_set_user(struct call *call, void *user);
void *call_user(const struct call *call);
struct connection *call_connection(struct call *call);
struct remote_track *call_tracks(const struct call *call);
size_t call_video_encodings(const struct call *call);
bool call_is_offerer(const struct call *call);

#endif
