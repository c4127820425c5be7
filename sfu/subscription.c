#include "sfu/subscription.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "sfu/layout.h"
#include "sfu/sfu_negotiation.h"
#include "sfu/sfu_participant.h"
#include "sfu/sfu_state.h"

enum { PACKET_CAP = 2048 };
#define LATE (500 * NANOS_PER_MS) /* so long after a switch packets of the layer before may still come */
/* A request for a key frame crosses the one that was just sent if it comes within about a round trip. */
#define KEY_FRAME_CROSSING (100 * NANOS_PER_MS)

struct subscription *subscription_create(struct publication *publication, struct sfu_participant *subscriber)
{
    struct subscription *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->publication = publication;
    s->subscriber = subscriber;
    s->current = s->wanted = s->previous = LAYER_NONE;
    s->key_frame_forwarded = NANOS_NEVER;
    s->wish = -1;
    s->height = LAYOUT_HEIGHT_ANY;
    DL_APPEND2(publication->subscriptions, s, of_publication.prev, of_publication.next);
    DL_APPEND2(subscriber->subscriptions, s, of_subscriber.prev, of_subscriber.next);
    subscriber->sfu->statistics.subscriptions++;
    return s;
}

/* Sets the layers, and counts who uses which. */
static void use_layers(struct subscription *s, int current, int wanted)
{
    struct publication_layer *layers = s->publication->layers;
    if (s->current != LAYER_NONE)
        layers[s->current].users--;
    if (s->wanted != LAYER_NONE)
        layers[s->wanted].users--;
    s->current = current;
    s->wanted = wanted;
    if (current != LAYER_NONE)
        layers[current].users++;
    if (wanted != LAYER_NONE)
        layers[wanted].users++;
}

void subscription_destroy(struct subscription *s, nanos now)
{
    subscription_stop(s);
    negotiation_unsubscribe(s->subscriber, s, now);
    DL_DELETE2(s->publication->subscriptions, s, of_publication.prev, of_publication.next);
    DL_DELETE2(s->subscriber->subscriptions, s, of_subscriber.prev, of_subscriber.next);
    s->subscriber->sfu->statistics.subscriptions--;
    free(s);
}

/* RFC 3711, section 3.3.1: the first number away from the wrap. */
static struct sequence_rewriter_config random_numbers(struct rng *rng, uint32_t clock_rate)
{
    return (struct sequence_rewriter_config){.clock_rate = clock_rate,
                                             .first_sequence = (uint16_t)rng_below(rng, 0x8000),
                                             .first_timestamp = rng_u32(rng),
                                             .first_picture_id = (uint16_t)rng_below(rng, 0x8000),
                                             .first_tl0_picture_index = (uint8_t)rng_below(rng, 0x100),
                                             .first_key_index = (uint8_t)rng_below(rng, 0x20)};
}

void subscription_start(struct subscription *s, const struct send_stream_config *config,
                        const struct sequence_rewriter_config *numbers, nanos now)
{
    struct send_stream_config stream = *config;
    stream.user = s;
    if (s->stream != NULL)
        return;
    s->stream = connection_add_send_stream(s->subscriber->connection, &stream);
    if (s->stream == NULL)
        return;
    const struct sequence_rewriter_config rewriter =
        numbers != NULL ? *numbers : random_numbers(&s->subscriber->sfu->rng, stream.clock_rate);
    sequence_rewriter_init(&s->rewriter, &rewriter);
    if (s->publication->kind == PUBLICATION_AUDIO && s->wish != 0)
        use_layers(s, LAYER_NONE, 0);
    sfu_participant_reallocate(s->subscriber, now);
}

void subscription_stop(struct subscription *s)
{
    use_layers(s, LAYER_NONE, LAYER_NONE);
    if (s->stream != NULL)
        connection_remove_send_stream(s->subscriber->connection, s->stream);
    s->stream = NULL;
}

/* --- layers ---------------------------------------------------------------------------------------------------------- */

void subscription_want(struct subscription *s, int layer, nanos now)
{
    if (s->stream == NULL)
        return;
    if (layer == LAYER_NONE && s->current != LAYER_NONE) {
        s->previous = s->current;
        s->switched_at = now;
    }
    use_layers(s, layer == LAYER_NONE ? LAYER_NONE : s->current, layer);
    if (layer != s->current && layer != LAYER_NONE)
        publication_request_key_frame(s->publication, layer, s->current == LAYER_NONE, now);
}

void subscription_wish(struct subscription *s, int32_t height, nanos now)
{
    s->wish = height;
    if (s->publication->kind == PUBLICATION_AUDIO)
        subscription_want(s, height == 0 ? LAYER_NONE : 0, now);
    else
        sfu_participant_reallocate(s->subscriber, now);
}

static bool clock_of(const struct subscription *s, int layer, struct rtp_clock *clock)
{
    const struct receive_stream *stream = s->publication->layers[layer].stream;
    *clock = (struct rtp_clock){.ntp = stream->report_ntp, .timestamp = stream->report_timestamp};
    return stream->report_ntp != 0;
}

static void change_layer(struct subscription *s, int layer, nanos now)
{
    struct rtp_clock from, to;
    int before = s->current != LAYER_NONE ? s->current : s->previous;
    bool clocks = before != LAYER_NONE && before != layer && clock_of(s, before, &from) && clock_of(s, layer, &to);
    sequence_rewriter_switch(&s->rewriter, layer, clocks ? &from : NULL, clocks ? &to : NULL);
    if (s->current != LAYER_NONE)
        s->subscriber->sfu->statistics.layer_switches++;
    s->previous = s->current;
    s->switched_at = now;
    use_layers(s, layer, layer);
}

/* --- packets --------------------------------------------------------------------------------------------------------- */

/* Gives the packet the numbers it has for this subscriber. False when there is nothing to send. */
static bool rewrite(struct subscription *s, const struct forwarded_packet *forwarded, nanos now,
                    struct media_packet *out)
{
    struct rewritten rewritten;
    const struct vp8_descriptor *vp8 = forwarded->has_vp8 ? &forwarded->vp8 : NULL;
    enum rewriter_verdict verdict =
        forwarded->forwardable
            ? sequence_rewriter_forward(&s->rewriter, forwarded->layer, forwarded->packet, vp8, now, &rewritten)
            : sequence_rewriter_drop(&s->rewriter, forwarded->layer, forwarded->packet, NULL, &rewritten);
    if (verdict == REWRITER_NOTHING)
        return false;
    *out = forwarded->media;
    out->sequence = rewritten.sequence;
    out->timestamp = rewritten.timestamp;
    out->payload_len = verdict == REWRITER_PACKET ? forwarded->packet->payload_len : 0;
    if (verdict == REWRITER_PACKET && vp8 != NULL)
        vp8_rewrite(forwarded->payload, vp8, &rewritten.vp8);
    return true;
}

void subscription_forward(struct subscription *s, const struct forwarded_packet *forwarded, nanos now)
{
    struct media_packet packet;
    int layer = forwarded->layer;
    if (layer == s->wanted && layer != s->current && forwarded->starts_key_frame)
        change_layer(s, layer, now);
    bool late = layer == s->previous && s->current != LAYER_NONE && now - s->switched_at < LATE;
    if ((layer != s->current && !late) || s->stream == NULL || !rewrite(s, forwarded, now, &packet))
        return;
    if (forwarded->starts_key_frame)
        s->key_frame_forwarded = now;
    connection_send(s->subscriber->connection, s->stream, &packet, now);
    sfu_participant_touch(s->subscriber);
}

void subscription_repair(struct subscription *s, uint16_t sequence, nanos now)
{
    uint8_t data[PACKET_CAP];
    uint8_t payload[PUBLICATION_PAYLOAD_MAX];
    struct rtp_packet packet;
    struct forwarded_packet forwarded;
    struct media_packet out;
    int32_t source;
    uint16_t number;
    size_t len;
    if (!sequence_rewriter_find(&s->rewriter, sequence, &source, &number))
        return;
    const struct publication_layer *layer = &s->publication->layers[source];
    const uint8_t *stored = retransmission_buffer_find(&layer->buffer, number, now, &len);
    if (stored == NULL || len > sizeof data)
        return; /* lost on its way in as well: it is forwarded if it comes, and if not the subscriber asks for a key frame */
    memcpy(data, stored, len);
    if (!rtp_parse(&packet, data, len, RTP_CLEAR))
        return;
    publication_read_packet(s->publication, source, &packet, payload, &forwarded);
    if (rewrite(s, &forwarded, now, &out))
        connection_resend(s->subscriber->connection, s->stream, &out, now);
}

void subscription_key_frame_wanted(struct subscription *s, nanos now)
{
    bool crossing = s->key_frame_forwarded != NANOS_NEVER && now - s->key_frame_forwarded < KEY_FRAME_CROSSING;
    if (s->current != LAYER_NONE && !crossing)
        publication_request_key_frame(s->publication, s->current, false, now);
}
