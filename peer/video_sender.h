/* A camera or a shared screen on one connection: its encoders, one for each simulcast layer or a single one that adapts,
 * and the RTP streams that they feed. */
#ifndef CONFAB_PEER_VIDEO_SENDER_H
#define CONFAB_PEER_VIDEO_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "peer/media_plan.h"
#include "peer/packetizer.h"
#include "peer/screen_source.h"
#include "peer/simulcast.h"
#include "peer/video_source.h"
#include "rtc/connection.h"

/* One encoder and its RTP stream. */
struct video_encoding {
    struct video_source source;
    struct packetizer packetizer;
    struct send_stream *stream;
    uint16_t sequence;
    uint32_t timestamp_offset;
    uint64_t frames;
};

struct video_sender {
    struct connection *connection;
    bool is_screen;
    struct screen_source screen;
    struct simulcast simulcast;
    struct picture_format full, present; /* of a single encoder */
    struct video_encoding encodings[MEDIA_LAYERS_MAX];
    size_t count;
};

struct video_sender_config {
    struct connection *connection;
    const struct media_plan *plan;
    bool is_screen;
    bool simulcast;  /* a layer for each of the plan's; else one encoder that takes the highest one's place */
    uint32_t person; /* in front of the camera, if the plan plays clips */
    uint64_t seed;
    nanos start;
};

/* It sends nothing before each encoding has a stream and the target is set. */
void video_sender_init(struct video_sender *sender, const struct video_sender_config *config);

void video_sender_set_stream(struct video_sender *sender, size_t encoding, struct send_stream *stream);

/* What all encodings together may take, headers and all; 0 stops them. */
void video_sender_set_target(struct video_sender *sender, int64_t bps);

/* What they would take at most. */
int64_t video_sender_max_bps(const struct video_sender *sender);

/* A receiver of this stream wants a key frame; false when the stream is none of this sender's. */
bool video_sender_want_key_frame(struct video_sender *sender, const struct send_stream *stream);

/* Sends the frames that are due. */
void video_sender_run(struct video_sender *sender, nanos now);
nanos video_sender_deadline(const struct video_sender *sender);

/* Encodings that have sent something so far. */
size_t video_sender_active(const struct video_sender *sender);

#endif
