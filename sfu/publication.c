#include "sfu/publication.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "rtc/h264.h"
#include "rtc/ntp.h"
#include "sfu/sfu_participant.h"
#include "sfu/sfu_state.h"
#include "sfu/subscription.h"

enum { BUFFER_BYTES = 256 * 1024, HEIGHT_USUAL = 720 };
#define BUFFER_WINDOW (600 * NANOS_PER_MS) /* two round trips of a bad path */
#define RATE_WINDOW (500 * NANOS_PER_MS)
#define SILENCE NANOS_PER_S /* a layer without packets for so long isn't sent */
/* A PLI of ours that is lost is repeated because whoever wants the key frame asks again. */
#define KEY_FRAME_INTERVAL (500 * NANOS_PER_MS)
#define KEY_FRAME_INTERVAL_URGENT (300 * NANOS_PER_MS) /* as the connection's own limit */
#define CLOCK_DOUBT (10 * NANOS_PER_S)                 /* a sender report further off than this is not to be believed */

struct publication *publication_create(struct sfu_participant *publisher, enum publication_kind kind,
                                       enum sfu_codec codec)
{
    struct publication *publication = calloc(1, sizeof *publication);
    if (publication == NULL)
        return NULL;
    publication->publisher = publisher;
    publication->kind = kind;
    publication->codec = codec;
    DL_APPEND2(publisher->publications, publication, previous, next);
    publisher->sfu->statistics.publications++;
    return publication;
}

bool publication_add_layer(struct publication *publication, const struct receive_stream_config *config)
{
    struct receive_stream_config stream = *config;
    struct publication_layer *layer = &publication->layers[publication->layer_count];
    if (publication->layer_count == LAYERS_MAX)
        return false;
    *layer = (struct publication_layer){.publication = publication,
                                        .last_packet = NANOS_NEVER,
                                        .key_frame_requested = NANOS_NEVER,
                                        .key_frame_due = NANOS_NEVER};
    stream.user = layer;
    layer->stream = connection_add_receive_stream(publication->publisher->connection, &stream);
    if (layer->stream == NULL)
        return false;
    retransmission_buffer_init(&layer->buffer, BUFFER_WINDOW, BUFFER_BYTES);
    publication->layer_count++;
    return true;
}

void publication_destroy(struct publication *publication, nanos now)
{
    struct sfu_participant *publisher = publication->publisher;
    while (publication->subscriptions != NULL)
        subscription_destroy(publication->subscriptions, now);
    for (size_t i = 0; i < publication->layer_count; i++) {
        connection_remove_receive_stream(publisher->connection, publication->layers[i].stream);
        retransmission_buffer_clear(&publication->layers[i].buffer);
    }
    DL_DELETE2(publisher->publications, publication, previous, next);
    publisher->sfu->statistics.publications--;
    free(publication);
}

static const char *const track_ids[] = {
    [PUBLICATION_AUDIO] = "audio", [PUBLICATION_VIDEO] = "video", [PUBLICATION_SCREEN] = "screen"};

const char *publication_track_id(const struct publication *publication) { return track_ids[publication->kind]; }

int publication_kind_of(const char *track_id)
{
    for (int kind = PUBLICATION_AUDIO; kind <= PUBLICATION_SCREEN; kind++) {
        if (strcmp(track_ids[kind], track_id) == 0)
            return kind;
    }
    return -1;
}

/* --- rates ----------------------------------------------------------------------------------------------------------- */

static bool is_silent(const struct publication_layer *layer, nanos now)
{
    return layer->last_packet == NANOS_NEVER || now - layer->last_packet > SILENCE;
}

/* True when the layer has just begun to be sent, again perhaps, or its rate is known for the first time. */
static bool measure(struct publication_layer *layer, size_t len, nanos now)
{
    bool news = false;
    if (is_silent(layer, now)) {
        layer->window_start = now;
        layer->window_bytes = 0;
        layer->bitrate_bps = 0;
        layer->measured = false;
        news = true;
    }
    layer->last_packet = now;
    nanos elapsed = now - layer->window_start;
    if (elapsed >= RATE_WINDOW) {
        int64_t sample = (int64_t)((double)layer->window_bytes * 8 / nanos_to_s(elapsed));
        layer->bitrate_bps = layer->measured ? (layer->bitrate_bps + sample) / 2 : sample;
        news = !layer->measured;
        layer->measured = true;
        layer->window_start = now;
        layer->window_bytes = 0;
    }
    layer->window_bytes += len;
    return news;
}

/* A layer that has just begun may turn out to be any rate, so only the lowest is believed at once. When everything is
 * silent, as a screen that nobody touches, nothing is given up. */
int64_t publication_layer_bps(const struct publication *publication, int layer, nanos now)
{
    const struct publication_layer *asked = &publication->layers[layer];
    bool is_lowest = true;
    bool all_silent = true;
    for (size_t i = 0; i < publication->layer_count; i++) {
        bool silent = is_silent(&publication->layers[i], now);
        all_silent = all_silent && silent;
        is_lowest = is_lowest && (silent || i >= (size_t)layer);
    }
    if (asked->last_packet == NANOS_NEVER || (is_silent(asked, now) && !all_silent) || (!asked->measured && !is_lowest))
        return 0;
    int64_t bps =
        asked->measured ? asked->bitrate_bps : (int64_t)((double)asked->window_bytes * 8 / nanos_to_s(RATE_WINDOW));
    return bps > 0 ? bps : 1;
}

/* Before a key frame has told: as cameras usually have it. */
static int32_t height_of(const struct publication *publication, size_t layer)
{
    uint16_t known = publication->layers[layer].height;
    return known > 0 ? known : HEIGHT_USUAL >> (publication->layer_count - 1 - layer);
}

int publication_layer_of_height(const struct publication *publication, int32_t height)
{
    int layer = 0;
    int top = (int)publication->layer_count - 1;
    while (layer < top && (int64_t)height_of(publication, (size_t)layer) * 4 < (int64_t)height * 3)
        layer++;
    return layer;
}

bool publication_is_muted(const struct publication *publication)
{
    return (publication->publisher->muted & 1u << publication->kind) != 0;
}

/* --- packets --------------------------------------------------------------------------------------------------------- */

void publication_read_packet(struct publication *publication, int layer, const struct rtp_packet *packet,
                             uint8_t *payload, struct forwarded_packet *out)
{
    *out = (struct forwarded_packet){.layer = layer, .packet = packet, .payload = payload};
    out->forwardable = packet->payload_len > 0 && packet->payload_len <= PUBLICATION_PAYLOAD_MAX;
    struct h264_payload h264;
    if (out->forwardable && publication->codec == SFU_VP8) {
        out->has_vp8 = out->forwardable = vp8_parse(&out->vp8, packet->payload, packet->payload_len);
        out->starts_key_frame = out->has_vp8 && out->vp8.frame_start && out->vp8.key_frame;
        out->height = out->starts_key_frame ? out->vp8.height : 0;
    } else if (out->forwardable && publication->codec == SFU_H264) {
        out->forwardable = h264_parse(&h264, packet->payload, packet->payload_len);
        out->starts_key_frame = h264.starts_key_frame;
        out->height = h264.height;
    } else {
        out->starts_key_frame = out->forwardable; /* one can always begin to listen */
    }
    if (out->forwardable)
        memcpy(payload, packet->payload, packet->payload_len);
    out->media = (struct media_packet){.marker = packet->marker, .payload = payload};
}

/* True when the height is another one now. */
static bool note_height(struct publication_layer *layer, const struct forwarded_packet *forwarded)
{
    uint16_t before = layer->height;
    if (forwarded->height > 0)
        layer->height = forwarded->height;
    return layer->height != before;
}

/* When the packet's picture or sound was taken, on our clock as far as the publisher's agrees with it. */
static nanos captured_at(const struct receive_stream *stream, uint32_t timestamp, uint64_t ntp_origin, nanos now)
{
    if (stream->report_ntp == 0)
        return now;
    nanos since = (nanos)(int32_t)(timestamp - stream->report_timestamp) * NANOS_PER_S / stream->config.clock_rate;
    nanos captured = ntp_to_nanos(stream->report_ntp, ntp_origin) + since;
    return captured > now + CLOCK_DOUBT || captured < now - CLOCK_DOUBT ? now : captured;
}

void publication_packet(struct publication_layer *layer, const struct rtp_packet *packet,
                        const struct rtp_extensions *extensions, bool recovered, nanos now)
{
    struct publication *publication = layer->publication;
    struct sfu *sfu = publication->publisher->sfu;
    uint8_t payload[PUBLICATION_PAYLOAD_MAX];
    struct forwarded_packet forwarded;
    struct subscription *subscription;
    bool news = measure(layer, packet->len, now);
    publication_read_packet(publication, (int)(layer - publication->layers), packet, payload, &forwarded);
    forwarded.media.captured = captured_at(layer->stream, packet->timestamp, sfu->ntp_origin, now);
    const struct rtp_extension *level = rtp_extensions_get(extensions, RTP_EXTENSION_AUDIO_LEVEL);
    forwarded.media.has_audio_level = level != NULL && rtp_get_audio_level(level, &forwarded.media.audio_level);
    if (forwarded.media.has_audio_level && publication->kind == PUBLICATION_AUDIO)
        sfu_participant_speaks(publication->publisher, forwarded.media.audio_level, now);
    if (forwarded.starts_key_frame && !recovered)
        layer->key_frame_due = NANOS_NEVER;
    news = note_height(layer, &forwarded) || news;
    DL_FOREACH2(publication->subscriptions, subscription, of_publication.next)
    {
        subscription_forward(subscription, &forwarded, now);
        if (news)
            sfu_participant_reallocate(subscription->subscriber, now);
    }
    if (layer->users > 0 && forwarded.forwardable && publication->kind != PUBLICATION_AUDIO)
        retransmission_buffer_store(&layer->buffer, packet->data, packet->len, now);
    else if (layer->users == 0)
        retransmission_buffer_clear(&layer->buffer);
}

/* --- key frames ------------------------------------------------------------------------------------------------------ */

void publication_request_key_frame(struct publication *publication, int layer, bool urgent, nanos now)
{
    struct publication_layer *wanted = &publication->layers[layer];
    if (publication->kind == PUBLICATION_AUDIO)
        return;
    nanos interval = urgent ? KEY_FRAME_INTERVAL_URGENT : KEY_FRAME_INTERVAL;
    nanos due = now;
    if (wanted->key_frame_requested != NANOS_NEVER)
        due = nanos_max(now, wanted->key_frame_requested + interval);
    if (due >= wanted->key_frame_due)
        return;
    wanted->key_frame_due = due;
    sfu_participant_touch(publication->publisher);
}

void publication_run(struct publication *publication, nanos now)
{
    struct sfu_participant *publisher = publication->publisher;
    for (size_t i = 0; i < publication->layer_count; i++) {
        struct publication_layer *layer = &publication->layers[i];
        if (layer->key_frame_due > now)
            continue;
        layer->key_frame_due = NANOS_NEVER;
        layer->key_frame_requested = now;
        connection_request_key_frame(publisher->connection, layer->stream, now);
        publisher->sfu->statistics.key_frames_requested++;
    }
}

nanos publication_deadline(const struct publication *publication)
{
    nanos deadline = NANOS_NEVER;
    for (size_t i = 0; i < publication->layer_count; i++)
        deadline = nanos_min(deadline, publication->layers[i].key_frame_due);
    return deadline;
}
