/* A microphone with an Opus encoder behind it: packets of the right size at the right time. Each is one 20 ms frame of
 * RFC 6716's code 3: a frame of somebody's voice (peer/clip.h) or of silence, then padding up to the size that speech
 * would have, with a frame trailer (rtc/frame_trailer.h) as its end.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |config=31|0| 3 |0|1|   M=1     | padding length (1 or more)... |   RFC 6716, sections 3.1 and 3.2.5
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *     |     frame; 0xff 0xfe: silence | padding ...   frame trailer   |
 *     +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+ */
#ifndef CONFAB_PEER_AUDIO_SOURCE_H
#define CONFAB_PEER_AUDIO_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "base/rng.h"
#include "peer/clip.h"
#include "peer/speech.h"

#define AUDIO_CLOCK_RATE 48000 /* RFC 7587, 4.1 */
#define AUDIO_FRAME (20 * NANOS_PER_MS)
#define AUDIO_FRAME_TICKS 960
#define AUDIO_PAYLOAD_MAX 1275                  /* RFC 6716, 3.4 */
#define AUDIO_PAYLOAD_MIN 30                    /* head, silence and trailer */
#define AUDIO_DTX_INTERVAL (400 * NANOS_PER_MS) /* RFC 7587, 3.1.3 */
#define AUDIO_LEVEL_SILENCE 127                 /* RFC 6464, 3: in -dBov */

struct audio_source_config {
    int64_t bitrate_bps; /* of speech, Opus payload alone */
    bool vbr;            /* sizes vary by what is said, and silence takes less; else all are alike */
    bool dtx;            /* in silence, one frame every 400 ms */
    bool plays_clip;     /* speech is that of a person's clip, which takes 30 kbit/s with the trailer; else silent */
    struct conversation conversation;
    uint32_t who; /* which of its people this is */
    nanos start;  /* of this source */
};

struct audio_frame {
    nanos captured; /* its first sample */
    uint32_t number;
    uint32_t timestamp; /* RTP; a random start is the caller's to add */
    size_t len;
    bool talking;         /* RFC 6464's V */
    uint8_t level;        /* RFC 6464, -dBov */
    const uint8_t *voice; /* an Opus packet of one frame, that is TOC and frame; NULL: silence */
    size_t voice_len;
    bool marker; /* the first after silence that wasn't sent (RFC 7587, 4.1) */
};

struct audio_source {
    struct audio_source_config config;
    struct speech speech;
    struct rng rng;
    nanos next; /* when the next frame is complete */
    nanos last_sent;
    uint32_t sent;
    struct clip_player clip;
};

void audio_source_init(struct audio_source *source, const struct audio_source_config *config);

/* Takes effect with the next frame. */
void audio_source_set_bitrate(struct audio_source *source, int64_t bitrate_bps);

/* The next frame that is complete by `now`; false when there is none. */
bool audio_source_next(struct audio_source *source, struct audio_frame *frame, nanos now);

/* When there may be one. */
static inline nanos audio_source_deadline(const struct audio_source *source) { return source->next; }

/* Writes the frame's payload and returns its length; 0 when it doesn't fit into `cap`. */
size_t audio_frame_write(const struct audio_frame *frame, uint8_t *buf, size_t cap);

#endif
