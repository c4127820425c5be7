#include "peer/audio_source.h"

#include <math.h>
#include <string.h>

#include "rtc/frame_trailer.h"

#define SILENCE_TOC 0xf8 /* config 31 (CELT, full band, 20 ms), mono, code 0 */
#define CODE_3 0x03
#define FRAME_COUNT 0x41 /* padded, one frame */
#define PACKET_EXTRA                                                                                                   \
    (2 + FRAME_TRAILER_LEN) /* bytes that a Opus packet of one frame grows by at least: the head and the trailer */
#define VBR_DEVIATION 0.15
#define VBR_SILENCE 0.4 /* of the bitrate, for the room's noise */
#define LEVEL_TALKING 25.0
#define LEVEL_DEVIATION 6.0

void audio_source_init(struct audio_source *source, const struct audio_source_config *config)
{
    *source = (struct audio_source){
        .config = *config,
        .rng = rng_of(config->conversation.seed, "audio", config->conversation.room << 16 | config->who),
        .next = config->start + AUDIO_FRAME,
        .last_sent = config->start};
    speech_init(&source->speech, &config->conversation);
    if (config->plays_clip)
        source->config.plays_clip = clip_open(&source->clip, clip_voice(config->who), 0);
}

void audio_source_set_bitrate(struct audio_source *source, int64_t bitrate_bps)
{
    source->config.bitrate_bps = bitrate_bps;
}

static size_t frame_len(struct audio_source *source, bool talking)
{
    double bytes = (double)source->config.bitrate_bps / 8 * nanos_to_s(AUDIO_FRAME);
    if (source->config.vbr && talking)
        bytes *= fmin(fmax(1 + VBR_DEVIATION * rng_normal(&source->rng), 0.5), 1.5);
    else if (source->config.vbr)
        bytes *= VBR_SILENCE;
    return (size_t)lrint(fmin(fmax(bytes, AUDIO_PAYLOAD_MIN), AUDIO_PAYLOAD_MAX));
}

bool audio_source_next(struct audio_source *source, struct audio_frame *frame, nanos now)
{
    for (; source->next <= now; source->next += AUDIO_FRAME) {
        nanos captured = source->next - AUDIO_FRAME;
        bool talking = speech_talks(&source->speech, source->config.who, captured);
        bool skipped = captured - source->last_sent > AUDIO_FRAME;
        if (source->config.dtx && !talking && captured - source->last_sent < AUDIO_DTX_INTERVAL)
            continue;
        double level = talking ? LEVEL_TALKING + LEVEL_DEVIATION * rng_normal(&source->rng) : AUDIO_LEVEL_SILENCE;
        *frame = (struct audio_frame){
            .captured = captured,
            .number = source->sent++,
            .timestamp = (uint32_t)((captured - source->config.start) / AUDIO_FRAME * AUDIO_FRAME_TICKS),
            .len = frame_len(source, talking),
            .talking = talking,
            .level = (uint8_t)fmin(fmax(level, 0), AUDIO_LEVEL_SILENCE),
            .marker = skipped && talking,
        };
        struct clip_frame voice;
        if (talking && source->config.plays_clip && clip_next(&source->clip, false, &voice)) {
            frame->voice = voice.data;
            frame->voice_len = voice.len;
            frame->len = frame->len > voice.len + PACKET_EXTRA ? frame->len : voice.len + PACKET_EXTRA;
        }
        source->last_sent = captured;
        source->next += AUDIO_FRAME;
        return true;
    }
    return false;
}

size_t audio_frame_write(const struct audio_frame *frame, uint8_t *buf, size_t cap)
{
    static const uint8_t silence[] = {SILENCE_TOC, 0xff, 0xfe};
    const uint8_t *packet = frame->voice != NULL ? frame->voice : silence;
    size_t packet_len = frame->voice != NULL ? frame->voice_len : sizeof silence;
    if (frame->len > cap || frame->len < packet_len + PACKET_EXTRA)
        return 0;
    memset(buf, 0, frame->len);
    uint8_t *at = buf;
    *at++ = packet[0] | CODE_3;
    *at++ = FRAME_COUNT;
    /* What is left is length bytes and padding: a length byte of 255 means 254 and another (RFC 6716, 3.2.5). */
    size_t left = frame->len - 1 - packet_len;
    for (; left > 255; left -= 255)
        *at++ = 255;
    *at++ = (uint8_t)(left - 1);
    memcpy(at, packet + 1, packet_len - 1);
    const struct frame_trailer trailer = {.captured = frame->captured, .frame_number = frame->number};
    frame_trailer_write(buf + frame->len - FRAME_TRAILER_LEN, &trailer);
    return frame->len;
}
