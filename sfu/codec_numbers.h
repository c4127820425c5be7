/* The codecs that we forward, and the payload types that one participant has for them. In a BUNDLE group a number means one
 * codec everywhere (RFC 8843, section 9.1). */
#ifndef CONFAB_SFU_CODEC_NUMBERS_H
#define CONFAB_SFU_CODEC_NUMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "rtc/session_negotiation.h"

enum sfu_codec { SFU_OPUS, SFU_VP8, SFU_H264 };

enum sfu_codec sfu_codec_of(const struct session_codec *codec);

/* Of a video codec and of its retransmission; 0: there is none. */
struct video_numbers {
    uint8_t media, retransmission;
};

struct codec_numbers {
    uint8_t opus;
    struct video_numbers vp8, h264;
};

/* As browsers have them. */
struct codec_numbers codec_numbers_default(void);

const struct video_numbers *codec_numbers_of(const struct codec_numbers *numbers, enum sfu_codec codec);

/* Takes those of the participant's offer, `answer` being all that both can do. */
void codec_numbers_note(struct codec_numbers *numbers, const struct session_media *offer,
                        const struct session_media *answer);

/* What an answer can do: all of ours, in our own numbers. */
struct session_abilities codec_abilities(void);

/* What a section of an offer is to have: a video codec alone, in the participant's numbers, and its retransmission. Returns
 * how many that are. */
size_t codec_numbers_offer(const struct codec_numbers *numbers, enum sfu_codec codec, struct session_codec out[2]);

/* Leaves one codec in the answer for a section in which the participant sends video: `kept`, or SFU_OPUS for what it
 * likes best. */
void codec_keep_one(struct session_media *answer, enum sfu_codec kept);

#endif
