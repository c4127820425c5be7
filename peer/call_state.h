/* What the files of a call share. Nobody else includes this. */
#ifndef CONFAB_PEER_CALL_STATE_H
#define CONFAB_PEER_CALL_STATE_H

#include "base/rng.h"
#include "peer/call.h"

enum { CALL_TRACKS = 3 }; /* by enum track_kind */

/* Their names in SDP. */
extern const char *const call_rids[MEDIA_LAYERS_MAX];
extern const char *const call_track_ids[CALL_TRACKS];

/* The SSRCs of what we send without simulcast: the same in every description of ours. */
struct own_ssrcs {
    uint32_t media, retransmission;
};

/* A section of our descriptions, as an offer of ours repeats it. */
struct call_section {
    enum session_kind kind;
    enum track_kind track;
    bool sends, receives;
    char mid[SESSION_MID_CAP]; /* "": its number */
};

struct call {
    struct call_config config;
    char stream_id[SESSION_ID_CAP]; /* our name, as SDP carries it */
    char remote_name[SESSION_ID_CAP];
    struct peer_connection *pc;
    struct session_capabilities capabilities;
    struct session_transport transport; /* ours, as descriptions carry it */
    struct session_description *offer;  /* ours, while unanswered */
    struct session_description *held;   /* ours, until all candidates are known: `offer`, or an answer */
    bool gathered;                      /* they are */
    struct call_section *sections;
    size_t section_count;
    uint64_t remote_session;             /* of the other end's descriptions, in o= */
    uint64_t version;                    /* of our last description, in o= */
    struct own_ssrcs ssrcs[CALL_TRACKS]; /* by enum track_kind */
    struct rng rng;
    bool has_remote;
    enum dtls_role role; /* once has_remote: it stays (RFC 8842, section 5.5) */

    struct send_stream *audio;
    uint16_t audio_sequence;
    uint32_t audio_timestamp_offset;
    struct video_sender video, screen;
    bool has_video, has_screen;
    int64_t target_bps;
    bool up;
    nanos tick;
    struct remote_track *tracks;
    struct data_exchange *data; /* NULL: no data channels */
    void *user;
};

static inline struct transport *call_transport(struct call *call)
{
    return connection_transport(peer_connection_connection(call->pc));
}

/* --- call.c ----------------------------------------------------------------------------------------------------------- */

enum track_kind call_track_kind(const struct session_media *media);
uint32_t call_draw_ssrc(struct call *call);

/* Both sides' sections are known: sets extensions, adds and removes tracks, starts what we send. */
void call_apply_media(struct call *call, const struct session_description *local,
                      const struct session_description *remote, const struct session_description *answer, nanos now);

/* --- call_negotiation.c ----------------------------------------------------------------------------------------------- */

/* What our descriptions will say, once the transport is there. */
void call_negotiation_begin(struct call *call);
void call_negotiation_clear(struct call *call);
void call_negotiation_offer(struct call *call);
void call_negotiation_candidate(struct call *call, const struct ice_candidate *candidate);
void call_negotiation_gathered(struct call *call);

#endif
