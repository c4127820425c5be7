/* One audio, camera or screen that a participant sends: its simulcast layers as they arrive, and who forwards them.
 *
 * Packets of a layer that somebody forwards are kept for a while, to answer the requests of those who lost one on their
 * own way. Key frames are asked for in moderation, whoever wants them. */
#ifndef CONFAB_SFU_PUBLICATION_H
#define CONFAB_SFU_PUBLICATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/media_sender.h"
#include "rtc/receive_stream.h"
#include "rtc/retransmission.h"
#include "rtc/rtp.h"
#include "rtc/rtp_extensions.h"
#include "rtc/vp8.h"
#include "sfu/codec_numbers.h"
#include "sfu/layer_allocator.h"

struct publication;
struct sfu_participant;
struct subscription;

enum publication_kind { PUBLICATION_AUDIO, PUBLICATION_VIDEO, PUBLICATION_SCREEN };

struct publication_layer {
    struct publication *publication;
    struct receive_stream *stream;
    struct retransmission_buffer buffer;
    uint32_t users;    /* subscriptions that forward it, or wait for its key frame */
    nanos last_packet; /* NANOS_NEVER: there was none */
    nanos window_start;
    uint64_t window_bytes;
    bool measured; /* a window is complete since the layer began */
    int64_t bitrate_bps;
    uint16_t height;           /* of its last key frame; 0: there was none */
    nanos key_frame_requested; /* when last; NANOS_NEVER: never */
    nanos key_frame_due;       /* when the next request goes out; NANOS_NEVER: none is wanted */
};

struct publication {
    struct sfu_participant *publisher;
    enum publication_kind kind;
    enum sfu_codec codec;
    struct publication_layer layers[LAYERS_MAX]; /* lowest first */
    size_t layer_count;
    struct subscription *subscriptions;
    struct publication *previous, *next; /* the publisher's */
};

/* NULL when out of memory. Layers are added next. */
struct publication *publication_create(struct sfu_participant *publisher, enum publication_kind kind,
                                       enum sfu_codec codec);

/* False when out of memory, or there are LAYERS_MAX already. */
bool publication_add_layer(struct publication *publication, const struct receive_stream_config *config);

/* Ends all its subscriptions. */
void publication_destroy(struct publication *publication, nanos now);

/* "audio", "video" or "screen": the track's name in signalling. */
const char *publication_track_id(const struct publication *publication);
/* And back: enum publication_kind, −1 when it is none of them. */
int publication_kind_of(const char *track_id);

/* A packet on its way to the subscriptions. */
struct forwarded_packet {
    int layer;
    const struct rtp_packet *packet;
    bool forwardable; /* else it is left out: padding, or nothing that we understand */
    bool has_vp8;
    bool starts_key_frame;
    uint16_t height; /* of a key frame's picture, where it is told; else 0 */
    struct vp8_descriptor vp8;
    struct media_packet media; /* what stays the same for all */
    uint8_t *payload;          /* a copy, to be rewritten for each */
};

/* Reads what a subscription needs to know, `payload` having room for PUBLICATION_PAYLOAD_MAX bytes. */
enum { PUBLICATION_PAYLOAD_MAX = 1320 }; /* with header, extensions and RTX number within 1,400 */
void publication_read_packet(struct publication *publication, int layer, const struct rtp_packet *packet,
                             uint8_t *payload, struct forwarded_packet *out);

/* A packet of a layer arrived. */
void publication_packet(struct publication_layer *layer, const struct rtp_packet *packet,
                        const struct rtp_extensions *extensions, bool recovered, nanos now);

/* Somebody needs a key frame of a layer: asked for now, or soon if that was done lately; sooner when he sees nothing at
 * all (`urgent`) than when he merely wants a better picture. */
void publication_request_key_frame(struct publication *publication, int layer, bool urgent, nanos now);

/* Sends the requests that are due; the publisher's connection is to be flushed after it. */
void publication_run(struct publication *publication, nanos now);
nanos publication_deadline(const struct publication *publication);

/* The lowest layer that is good enough to be shown so high, in pixels (above 0). */
int publication_layer_of_height(const struct publication *publication, int32_t height);

/* Has the publisher said that it is off? */
bool publication_is_muted(const struct publication *publication);

/* What a layer takes at the moment, RTP headers included; 0: it isn't being sent. */
int64_t publication_layer_bps(const struct publication *publication, int layer, nanos now);

#endif
