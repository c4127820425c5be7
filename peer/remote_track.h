/* One audio, video or screen of somebody else, as it arrives. */
#ifndef CONFAB_PEER_REMOTE_TRACK_H
#define CONFAB_PEER_REMOTE_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/frame_buffer.h"
#include "rtc/receive_stream.h"
#include "rtc/rtp.h"
#include "rtc/session_description.h"

enum track_kind { TRACK_AUDIO, TRACK_VIDEO, TRACK_SCREEN };
enum { TRACK_KINDS = TRACK_SCREEN + 1 };

struct remote_track {
    enum track_kind kind;
    char publisher[SESSION_ID_CAP];
    char mid[SESSION_MID_CAP];
    struct receive_stream *stream;
    struct frame_buffer *frames; /* NULL for audio */
    uint64_t frame_count;
    uint16_t height;   /* of the last key frame; 0 before it */
    nanos first_media; /* NANOS_NEVER until then */
    nanos last_media;
    void *user; /* whoever measures */
    struct remote_track *next;
};

/* Told what is complete: a frame of video, or a packet of audio as a frame of one packet. */
typedef void (*remote_track_frame)(void *user, struct remote_track *track, const struct received_frame *frame,
                                   nanos now);

/* NULL when out of memory. */
struct remote_track *remote_track_create(enum track_kind kind, const char *publisher, const char *mid);
void remote_track_destroy(struct remote_track *track);

/* A packet of it came. Returns whether a key frame is wanted now. */
bool remote_track_packet(struct remote_track *track, const struct rtp_packet *packet, bool recovered, nanos now,
                         remote_track_frame frame, void *user);

/* Gives up what has been waited for too long; to be called now and then. Returns as remote_track_packet. */
bool remote_track_run(struct remote_track *track, nanos now, remote_track_frame frame, void *user);

#endif
