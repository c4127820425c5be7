#include "peer/video_sender.h"

#include <string.h>

#include "base/rng.h"

/* Of the target, so much goes into payload: RTP headers, descriptors and retransmissions take the rest. */
#define PAYLOAD_SHARE 0.95

static uint16_t width_of(uint16_t height) { return (uint16_t)((height * 16 / 9 + 1) & ~1); }

static void init_encoding(struct video_sender *sender, size_t index, const struct media_layer *layer, int64_t max_bps,
                          const struct video_sender_config *config)
{
    struct video_encoding *encoding = &sender->encodings[index];
    struct rng rng = rng_of(config->seed, "video encoding", index);
    const struct video_source_config source = {.width = width_of(layer->height),
                                               .height = layer->height,
                                               .fps = layer->fps,
                                               .max_bps = max_bps,
                                               .seed = config->seed,
                                               .index = index,
                                               .plays_clip = config->plan->clips,
                                               .person = config->person,
                                               .start = config->start};
    video_source_init(&encoding->source, &source);
    packetizer_init(&encoding->packetizer, 1, config->seed, index + (config->is_screen ? MEDIA_LAYERS_MAX : 0));
    encoding->sequence = (uint16_t)rng_below(&rng, 0x8000); /* RFC 3711, section 3.3.1: away from the first wrap */
    encoding->timestamp_offset = rng_u32(&rng);
}

static void init_screen(struct video_sender *sender, const struct video_sender_config *config)
{
    const struct media_layer layer = {.height = 1080, .fps = 5, .bps = config->plan->screen_bps};
    const struct screen_source_config screen = {.width = 1920,
                                                .height = 1080,
                                                .max_bps = config->plan->screen_bps,
                                                .seed = config->seed,
                                                .index = 1,
                                                .plays_clip = config->plan->clips,
                                                .start = config->start};
    screen_source_init(&sender->screen, &screen);
    init_encoding(sender, 0, &layer, config->plan->screen_bps, config);
    sender->count = 1;
}

void video_sender_init(struct video_sender *sender, const struct video_sender_config *config)
{
    const struct media_plan *plan = config->plan;
    memset(sender, 0, sizeof *sender);
    sender->connection = config->connection;
    sender->is_screen = config->is_screen;
    if (config->is_screen) {
        init_screen(sender, config);
        return;
    }
    size_t first = config->simulcast ? 0 : plan->layer_count - 1;
    sender->count = plan->layer_count - first;
    sender->simulcast.count = sender->count;
    for (size_t i = 0; i < sender->count; i++) {
        const struct media_layer *layer = &plan->layers[first + i];
        sender->simulcast.layers[i] = simulcast_layer_of(layer->height, layer->fps, layer->bps);
        init_encoding(sender, i, layer, layer->bps, config);
    }
    const struct media_layer *top = &plan->layers[plan->layer_count - 1];
    sender->full = (struct picture_format){.width = width_of(top->height), .height = top->height, .fps = top->fps};
}

void video_sender_set_stream(struct video_sender *sender, size_t encoding, struct send_stream *stream)
{
    sender->encodings[encoding].stream = stream;
}

static void adapt_single(struct video_sender *sender, int64_t bps)
{
    struct video_encoding *encoding = &sender->encodings[0];
    struct picture_format format = picture_format_choose(&sender->full, &sender->present, bps);
    bool same = format.width == sender->present.width && format.height == sender->present.height &&
                format.fps == sender->present.fps;
    if (!same && bps > 0)
        video_source_set_format(&encoding->source, format.width, format.height, format.fps);
    sender->present = format;
    video_source_set_target(&encoding->source, bps);
}

void video_sender_set_target(struct video_sender *sender, int64_t bps)
{
    int64_t payload_bps = (int64_t)((double)bps * PAYLOAD_SHARE);
    if (sender->is_screen) {
        screen_source_set_target(&sender->screen, payload_bps);
    } else if (sender->count == 1) {
        int64_t max = sender->simulcast.layers[0].max_bps;
        adapt_single(sender, payload_bps < max ? payload_bps : max);
    } else {
        simulcast_allocate(&sender->simulcast, payload_bps);
        for (size_t i = 0; i < sender->count; i++)
            video_source_set_target(&sender->encodings[i].source, sender->simulcast.bps[i]);
    }
}

int64_t video_sender_max_bps(const struct video_sender *sender)
{
    int64_t payload = sender->is_screen ? sender->screen.config.max_bps : simulcast_max_bps(&sender->simulcast);
    return (int64_t)((double)payload / PAYLOAD_SHARE);
}

bool video_sender_want_key_frame(struct video_sender *sender, const struct send_stream *stream)
{
    for (size_t i = 0; i < sender->count; i++) {
        if (sender->encodings[i].stream != stream)
            continue;
        if (sender->is_screen)
            screen_source_request_key_frame(&sender->screen);
        else
            video_source_request_key_frame(&sender->encodings[i].source);
        return true;
    }
    return false;
}

static void send_frame(struct video_sender *sender, struct video_encoding *encoding, const struct video_frame *frame,
                       nanos now)
{
    uint8_t payload[PACKETIZER_PAYLOAD_MAX];
    size_t len;
    bool last;
    if (encoding->stream == NULL)
        return;
    packetizer_begin(&encoding->packetizer, frame);
    while ((len = packetizer_write(&encoding->packetizer, payload, sizeof payload, &last)) > 0) {
        const struct media_packet packet = {.sequence = encoding->sequence++,
                                            .timestamp = frame->timestamp + encoding->timestamp_offset,
                                            .captured = frame->captured,
                                            .marker = last,
                                            .payload = payload,
                                            .payload_len = len};
        connection_send(sender->connection, encoding->stream, &packet, now);
    }
    encoding->frames++;
}

void video_sender_run(struct video_sender *sender, nanos now)
{
    struct video_frame frame;
    while (sender->is_screen && screen_source_next(&sender->screen, &frame, now))
        send_frame(sender, &sender->encodings[0], &frame, now);
    for (size_t i = 0; !sender->is_screen && i < sender->count; i++) {
        while (video_source_next(&sender->encodings[i].source, &frame, now))
            send_frame(sender, &sender->encodings[i], &frame, now);
    }
}

nanos video_sender_deadline(const struct video_sender *sender)
{
    nanos deadline = NANOS_NEVER;
    if (sender->is_screen)
        return screen_source_deadline(&sender->screen);
    for (size_t i = 0; i < sender->count; i++)
        deadline = nanos_min(deadline, video_source_deadline(&sender->encodings[i].source));
    return deadline;
}

size_t video_sender_active(const struct video_sender *sender)
{
    size_t active = 0;
    for (size_t i = 0; i < sender->count; i++)
        active += sender->encodings[i].frames > 0;
    return active;
}
