#include "sfu/codec_numbers.h"

#include <stdio.h>
#include <strings.h>

enum sfu_codec sfu_codec_of(const struct session_codec *codec)
{
    if (strcasecmp(codec->name, "H264") == 0)
        return SFU_H264;
    return strcasecmp(codec->name, "VP8") == 0 ? SFU_VP8 : SFU_OPUS;
}

struct codec_numbers codec_numbers_default(void)
{
    return (struct codec_numbers){.opus = 111, .vp8 = {96, 97}, .h264 = {102, 103}};
}

const struct video_numbers *codec_numbers_of(const struct codec_numbers *numbers, enum sfu_codec codec)
{
    return codec == SFU_H264 ? &numbers->h264 : &numbers->vp8;
}

static struct video_numbers find(const struct session_media *answer, enum sfu_codec wanted)
{
    struct video_numbers numbers = {0};
    for (size_t i = 0; i < answer->codec_count && numbers.media == 0; i++) {
        const struct session_codec *codec = &answer->codecs[i];
        const struct session_codec *rtx = session_retransmission_of(answer, codec->payload_type);
        if (sfu_codec_of(codec) == wanted)
            numbers = (struct video_numbers){codec->payload_type, rtx != NULL ? rtx->payload_type : 0};
    }
    return numbers;
}

/* Takes the numbers that the codec has in the answer. Where it isn't in there, others may have taken those that we have
 * thought of. */
static void note(struct video_numbers *numbers, enum sfu_codec codec, const struct session_media *offer,
                 const struct session_media *answer)
{
    enum { DYNAMIC_LAST = 127, DYNAMIC_LOW = 35 }; /* RFC 3551, section 3; RFC 5761, section 4 */
    const struct video_numbers told = find(answer, codec);
    for (size_t i = 0; i < offer->codec_count && told.media == 0; i++) {
        uint8_t taken = offer->codecs[i].payload_type;
        uint8_t next = numbers->media + 3 > DYNAMIC_LAST ? DYNAMIC_LOW : (uint8_t)(numbers->media + 2);
        if (numbers->media == taken || numbers->retransmission == taken)
            *numbers = (struct video_numbers){next, (uint8_t)(next + 1)};
    }
    if (told.media != 0)
        *numbers = told;
}

void codec_numbers_note(struct codec_numbers *numbers, const struct session_media *offer,
                        const struct session_media *answer)
{
    for (size_t i = 0; i < answer->codec_count; i++) {
        if (strcasecmp(answer->codecs[i].name, "opus") == 0)
            numbers->opus = answer->codecs[i].payload_type;
    }
    note(&numbers->vp8, SFU_VP8, offer, answer);
    note(&numbers->h264, SFU_H264, offer, answer);
}

struct session_abilities codec_abilities(void)
{
    const struct session_capabilities all = session_capabilities_default();
    struct session_abilities ours = session_abilities_of_codec(&all.video, "VP8");
    const struct session_abilities h264 = session_abilities_of_codec(&all.video, "H264");
    ours.codec_count += h264.codecs == ours.codecs + ours.codec_count ? h264.codec_count : 0; /* behind VP8 */
    return ours;
}

size_t codec_numbers_offer(const struct codec_numbers *numbers, enum sfu_codec codec, struct session_codec out[2])
{
    const struct session_capabilities all = session_capabilities_default();
    const struct session_abilities ours = session_abilities_of_codec(&all.video, codec == SFU_H264 ? "H264" : "VP8");
    const struct video_numbers *video = codec_numbers_of(numbers, codec);
    out[0] = ours.codecs[0];
    out[1] = ours.codecs[1];
    out[0].payload_type = out[1].repairs = video->media;
    out[1].payload_type = video->retransmission;
    snprintf(out[1].fmtp, sizeof out[1].fmtp, "apt=%u", video->media);
    return video->retransmission != 0 ? 2 : 1;
}

void codec_keep_one(struct session_media *answer, enum sfu_codec kept)
{
    size_t chosen = 0;
    size_t count = 0;
    if (answer->kind != SESSION_VIDEO || answer->codec_count == 0)
        return;
    while (kept != SFU_OPUS && chosen + 1 < answer->codec_count && sfu_codec_of(&answer->codecs[chosen]) != kept)
        chosen++;
    const uint8_t payload_type = answer->codecs[chosen].payload_type;
    for (size_t i = 0; i < answer->codec_count; i++) {
        const struct session_codec *codec = &answer->codecs[i];
        if (codec->payload_type == payload_type || codec->repairs == payload_type)
            answer->codecs[count++] = answer->codecs[i];
    }
    answer->codec_count = count;
}
