#include "peer/audio_source.h"

#include <math.h>
#include <string.h>

#include "rtc/frame_trailer.h"

#define TOC 0xfb         /* config 31 (CELT, full band, 20 ms), mono, code 3 */
#define FRAME_COUNT 0x41 /* padded, one frame */
#define SILENCE_LEN 2
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
        source->last_sent = captured;
        source->next += AUDIO_FRAME;
        return true;
    }
    return false;
}

size_t audio_frame_write(const struct audio_frame *frame, uint8_t *buf, size_t cap)
{
    if (frame->len > cap || frame->len < AUDIO_PAYLOAD_MIN)
        return 0;
    memset(buf, 0, frame->len);
    uint8_t *at = buf;
    *at++ = TOC;
    *at++ = FRAME_COUNT;
    /* What is left is length bytes and padding: a length byte of 255 means 254 and another (RFC 6716, 3.2.5). */
    size_t left = frame->len - 2 - SILENCE_LEN;
    for (; left > 255; left -= 255)
        *at++ = 255;
    *at++ = (uint8_t)(left - 1);
    *at++ = 0xff;
    *at++ = 0xfe;
    const struct frame_trailer trailer = {.captured = frame->captured, .frame_number = frame->number};
    frame_trailer_write(buf + frame->len - FRAME_TRAILER_LEN, &trailer);
    return frame->len;
}
