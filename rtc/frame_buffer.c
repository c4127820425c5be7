#include "rtc/frame_buffer.h"

#include <stdlib.h>

#include "rtc/frame_trailer.h"
#include "rtc/vp8.h"

#define CAPACITY_FIRST 4
#define ALL_LAYERS 0x0f
#define UPPER_LAYERS 0x0e

bool frame_packet_from_vp8(struct frame_packet *packet, const struct rtp_packet *rtp, bool recovered)
{
    struct vp8_descriptor descriptor;
    if (!vp8_parse(&descriptor, rtp->payload, rtp->payload_len))
        return false;
    *packet = (struct frame_packet){
        .sequence = rtp->sequence,
        .timestamp = rtp->timestamp,
        .marker = rtp->marker,
        .start = descriptor.frame_start,
        .key = descriptor.key_frame,
        .recovered = recovered,
        .non_reference = descriptor.non_reference,
        .picture_id_bits = descriptor.picture_id_bits,
        .picture_id = descriptor.picture_id,
        .has_layers = descriptor.has_tl0 && descriptor.has_temporal,
        .tl0_picture_index = descriptor.tl0_picture_index,
        .temporal = descriptor.temporal,
        .layer_sync = descriptor.layer_sync,
        .payload = rtp->payload + descriptor.len,
        .payload_len = rtp->payload_len - descriptor.len,
    };
    return true;
}

void frame_buffer_init(struct frame_buffer *buffer, const struct frame_buffer_config *config)
{
    *buffer = (struct frame_buffer){
        .config = *config, .waits_for_key_frame = true, .request_at = NANOS_NEVER, .give_out_at = NANOS_NEVER};
    if (buffer->config.wait == 0)
        buffer->config.wait = FRAME_BUFFER_WAIT;
    if (buffer->config.key_frame_wait == 0)
        buffer->config.key_frame_wait = FRAME_BUFFER_KEY_FRAME_WAIT;
}

void frame_buffer_clear(struct frame_buffer *buffer)
{
    free(buffer->frames);
    struct frame_buffer_config config = buffer->config;
    frame_buffer_init(buffer, &config);
}

static struct pending_frame *frame_at(struct frame_buffer *buffer, size_t i)
{
    return &buffer->frames[(buffer->head + i) & (buffer->capacity - 1)];
}

/* --- what may follow what --- */

/* Has every packet between two came? Those between two frames are padding. */
static bool all_arrived(const struct frame_buffer *buffer, int64_t after, int64_t before)
{
    int64_t between = before - after - 1;
    return between >= 0 && between < FRAME_BUFFER_SEQUENCES && after > buffer->highest - FRAME_BUFFER_SEQUENCES &&
           bit_ring_count(buffer->arrived, FRAME_BUFFER_SEQUENCES, after + 1, before) == between;
}

static bool is_complete(struct frame_buffer *buffer, size_t i)
{
    const struct pending_frame *frame = frame_at(buffer, i);
    if (!frame->has_end || frame->packets != frame->last - frame->first + 1)
        return false;
    if (frame->has_start)
        return true;
    if (i > 0 && !frame_at(buffer, i - 1)->has_end)
        return false;
    int64_t end = i > 0 ? frame_at(buffer, i - 1)->last : buffer->floor_end;
    return end > 0 && all_arrived(buffer, end, frame->first);
}

/* Is nothing missing between what the decoder saw last and this frame? */
static bool follows(const struct frame_buffer *buffer, const struct decoded_state *state,
                    const struct pending_frame *frame)
{
    if (frame->picture_id_bits > 0 && state->picture_id_bits > 0) {
        uint16_t mask = (uint16_t)((1u << frame->picture_id_bits) - 1);
        return ((state->picture_id + 1) & mask) == frame->picture_id;
    }
    return all_arrived(buffer, state->end, frame->first);
}

static void remember(struct decoded_state *state, const struct pending_frame *frame)
{
    state->picture_id_bits = frame->picture_id_bits;
    state->picture_id = frame->picture_id;
    state->end = frame->last;
}

/* The decoder goes on without this frame. */
static void pass_over(const struct frame_buffer *buffer, struct decoded_state *state, const struct pending_frame *frame)
{
    if (!follows(buffer, state, frame)) /* with layers, TL0PICIDX tells whether the lowest is whole */
        state->broken_layers |= state->has_layers ? UPPER_LAYERS : ALL_LAYERS;
    if (!frame->non_reference)
        state->broken_layers |= (uint8_t)(ALL_LAYERS & (ALL_LAYERS << frame->temporal));
    remember(state, frame);
}

static void decode(const struct frame_buffer *buffer, struct decoded_state *state, const struct pending_frame *frame)
{
    if (frame->key)
        state->broken_layers = 0;
    else if (!follows(buffer, state, frame))
        state->broken_layers |= UPPER_LAYERS;
    if (frame->temporal == 0) {
        state->broken_layers &= UPPER_LAYERS;
        state->tl0_picture_index = frame->tl0_picture_index;
    } else if (frame->layer_sync) {
        state->broken_layers &= (uint8_t) ~(1u << frame->temporal);
    }
    state->has_layers = frame->has_layers;
    remember(state, frame);
}

static bool is_decodable(const struct frame_buffer *buffer, const struct decoded_state *state,
                         const struct pending_frame *frame)
{
    if (frame->key)
        return true;
    if (buffer->waits_for_key_frame)
        return false;
    if (!frame->has_layers || !state->has_layers)
        return follows(buffer, state, frame) && (state->broken_layers & 1) == 0;
    if (frame->temporal == 0)
        return frame->tl0_picture_index == (uint8_t)(state->tl0_picture_index + 1);
    if (frame->tl0_picture_index != state->tl0_picture_index)
        return false;
    uint8_t needed = (uint8_t)(UPPER_LAYERS & ((2u << frame->temporal) - 1));
    return frame->layer_sync || (follows(buffer, state, frame) && (state->broken_layers & needed) == 0);
}

/* --- frames come and go --- */

/* Twice the room; false when it is large enough already, or memory is out. */
static bool grow(struct frame_buffer *buffer)
{
    size_t capacity = buffer->capacity == 0 ? CAPACITY_FIRST : 2 * buffer->capacity;
    struct pending_frame *frames = capacity <= FRAME_BUFFER_FRAMES ? malloc(capacity * sizeof *frames) : NULL;
    if (frames == NULL)
        return false;
    for (size_t i = 0; i < buffer->count; i++)
        frames[i] = *frame_at(buffer, i);
    free(buffer->frames);
    buffer->frames = frames;
    buffer->capacity = capacity;
    buffer->head = 0;
    return true;
}

static void drop_oldest(struct frame_buffer *buffer)
{
    const struct pending_frame *frame = frame_at(buffer, 0);
    pass_over(buffer, &buffer->decoded, frame);
    buffer->has_floor = true;
    buffer->floor = frame->timestamp;
    buffer->floor_end = frame->has_end ? frame->last : 0;
    buffer->head = (buffer->head + 1) & (buffer->capacity - 1);
    buffer->count--;
    buffer->dropped++;
    buffer->changed = true;
}

/* The oldest frame has been waited for long enough. If others can do without it, fine; else a key frame has to come. */
static void give_up_oldest(struct frame_buffer *buffer, nanos now)
{
    const struct pending_frame *frame = frame_at(buffer, 0);
    bool whole = frame->has_layers && buffer->decoded.has_layers
                     ? frame->temporal > 0 && frame->tl0_picture_index == buffer->decoded.tl0_picture_index
                     : frame->non_reference && follows(buffer, &buffer->decoded, frame);
    if (!whole && !buffer->waits_for_key_frame) {
        buffer->waits_for_key_frame = true;
        buffer->asked = false;
        buffer->request_at = now;
    }
    drop_oldest(buffer);
}

/* The frame with that timestamp, new if need be; NULL when it is done with. */
static struct pending_frame *frame_for(struct frame_buffer *buffer, const struct frame_packet *packet, int64_t sequence,
                                       nanos now)
{
    size_t place = buffer->count;
    while (place > 0 && !rtp_timestamp_after(packet->timestamp, frame_at(buffer, place - 1)->timestamp)) {
        if (frame_at(buffer, place - 1)->timestamp == packet->timestamp)
            return frame_at(buffer, place - 1);
        place--;
    }
    if (buffer->has_floor && !rtp_timestamp_after(packet->timestamp, buffer->floor))
        return NULL;
    if (buffer->count == buffer->capacity && !grow(buffer)) {
        if (place == 0)
            return NULL;
        give_up_oldest(buffer, now);
        place--;
    }
    for (size_t i = buffer->count++; i > place; i--)
        *frame_at(buffer, i) = *frame_at(buffer, i - 1);
    struct pending_frame *frame = frame_at(buffer, place);
    *frame = (struct pending_frame){
        .first = sequence,
        .last = sequence,
        .first_arrival = now,
        .timestamp = packet->timestamp,
        .picture_id = packet->picture_id,
        .picture_id_bits = packet->picture_id_bits,
        .tl0_picture_index = packet->tl0_picture_index,
        .temporal = packet->has_layers ? packet->temporal & 3 : 0,
        .spatial = packet->spatial & 7,
        .has_layers = packet->has_layers,
        .layer_sync = packet->layer_sync,
        .non_reference = packet->non_reference,
    };
    return frame;
}

static void add_to_frame(struct pending_frame *frame, const struct frame_packet *packet, int64_t sequence, nanos now)
{
    frame->first = sequence < frame->first ? sequence : frame->first;
    frame->last = sequence > frame->last ? sequence : frame->last;
    frame->last_arrival = now;
    frame->size += (uint32_t)packet->payload_len;
    frame->packets += frame->packets < UINT16_MAX;
    frame->recovered += packet->recovered && frame->recovered < UINT16_MAX;
    frame->has_start |= packet->start;
    frame->has_end |= packet->marker;
    frame->key |= packet->key;
    struct frame_trailer trailer;
    if (packet->marker && packet->payload != NULL &&
        frame_trailer_read(&trailer, packet->payload, packet->payload_len)) {
        frame->has_trailer = true;
        frame->captured = trailer.captured;
        frame->frame_number = trailer.frame_number;
    }
}

/* Notes that a packet has come: false when it had before, or is too old to tell. */
static bool note_arrival(struct frame_buffer *buffer, uint16_t sequence, int64_t *unwrapped)
{
    if (buffer->highest == 0)
        buffer->highest = (int64_t)sequence + 0x10000 - 1;
    *unwrapped = rtp_unwrap_sequence(buffer->highest, sequence);
    if (*unwrapped > buffer->highest) {
        bit_ring_clear(buffer->arrived, FRAME_BUFFER_SEQUENCES, buffer->highest + 1, *unwrapped + 1);
        buffer->highest = *unwrapped;
    } else if (*unwrapped <= buffer->highest - FRAME_BUFFER_SEQUENCES ||
               bit_ring_get(buffer->arrived, FRAME_BUFFER_SEQUENCES, *unwrapped)) {
        return false;
    }
    bit_ring_set(buffer->arrived, FRAME_BUFFER_SEQUENCES, *unwrapped);
    return true;
}

/* The newest packet has a timestamp from before what is done with: another stream has taken this one's place. */
static void start_anew(struct frame_buffer *buffer, nanos now)
{
    buffer->dropped += buffer->count;
    buffer->count = 0;
    buffer->has_floor = false;
    buffer->floor_end = 0;
    buffer->waits_for_key_frame = true;
    buffer->asked = false;
    buffer->request_at = now;
}

bool frame_buffer_insert(struct frame_buffer *buffer, const struct frame_packet *packet, nanos now)
{
    int64_t sequence;
    int64_t highest = buffer->highest;
    if (!note_arrival(buffer, packet->sequence, &sequence)) {
        buffer->duplicate_packets++;
        return false;
    }
    buffer->last_packet = now;
    if (buffer->waits_for_key_frame && buffer->request_at == NANOS_NEVER)
        buffer->request_at = now + buffer->config.key_frame_wait;
    if (sequence > highest && buffer->has_floor && rtp_timestamp_after(buffer->floor, packet->timestamp))
        start_anew(buffer, now);
    struct pending_frame *frame = frame_for(buffer, packet, sequence, now);
    if (frame == NULL) {
        buffer->late_packets++;
        return false;
    }
    add_to_frame(frame, packet, sequence, now);
    buffer->changed |= frame->has_end;
    return true;
}

void frame_buffer_skip(struct frame_buffer *buffer, uint16_t sequence)
{
    int64_t unwrapped;
    if (note_arrival(buffer, sequence, &unwrapped))
        buffer->changed = true;
}

/* --- what comes out --- */

/* The first frame that is complete and decodable without those before it; `in_turn` tells whether nothing at all is
 * missing before it. */
static bool find_decodable(struct frame_buffer *buffer, size_t *found, bool *in_turn)
{
    struct decoded_state state = buffer->decoded;
    for (size_t i = 0; i < buffer->count; i++) {
        const struct pending_frame *frame = frame_at(buffer, i);
        if (is_complete(buffer, i) && is_decodable(buffer, &state, frame)) {
            *found = i;
            *in_turn = i == 0 && follows(buffer, &state, frame);
            return true;
        }
        pass_over(buffer, &state, frame);
    }
    return false;
}

static void give_out(struct frame_buffer *buffer, struct received_frame *out, nanos now)
{
    const struct pending_frame *frame = frame_at(buffer, 0);
    *out = (struct received_frame){
        .timestamp = frame->timestamp,
        .key = frame->key,
        .has_trailer = frame->has_trailer,
        .captured = frame->captured,
        .frame_number = frame->frame_number,
        .first_arrival = frame->first_arrival,
        .completed = frame->last_arrival,
        .decodable = now,
        .size = frame->size,
        .packets = frame->packets,
        .recovered = frame->recovered,
        .temporal = frame->temporal,
        .spatial = frame->spatial,
        .first_sequence = (uint16_t)frame->first,
        .last_sequence = (uint16_t)frame->last,
    };
    struct decoded_state state = buffer->decoded;
    decode(buffer, &state, frame);
    drop_oldest(buffer);
    buffer->decoded = state;
    buffer->dropped--;
    buffer->given_out++;
    buffer->waits_for_key_frame = false;
    buffer->request_at = NANOS_NEVER;
}

/* When the oldest frame has been waited for long enough. A key frame is given its time even when one is overdue. */
static nanos oldest_limit(const struct frame_buffer *buffer)
{
    if (buffer->count == 0)
        return NANOS_NEVER;
    const struct pending_frame *frame = &buffer->frames[buffer->head];
    bool hurry = buffer->waits_for_key_frame && !frame->key;
    return frame->first_arrival + (hurry ? buffer->config.key_frame_wait : buffer->config.wait);
}

/* While a key frame is needed, frames known to be none are of no use. */
static void drop_useless(struct frame_buffer *buffer, nanos now)
{
    while (buffer->waits_for_key_frame && buffer->count > 0 && !frame_at(buffer, 0)->key &&
           (frame_at(buffer, 0)->has_start || is_complete(buffer, 0))) {
        drop_oldest(buffer);
        if (!buffer->asked)
            buffer->request_at = now;
    }
}

bool frame_buffer_next(struct frame_buffer *buffer, struct received_frame *frame, nanos now)
{
    for (;;) {
        drop_useless(buffer, now);
        size_t found;
        bool in_turn;
        if (buffer->changed || now >= buffer->give_out_at) {
            buffer->changed = false;
            buffer->give_out_at = NANOS_NEVER;
            if (find_decodable(buffer, &found, &in_turn)) {
                nanos due = frame_at(buffer, found)->last_arrival + buffer->config.patience;
                if (in_turn || buffer->waits_for_key_frame || now >= due) {
                    while (found-- > 0)
                        drop_oldest(buffer);
                    give_out(buffer, frame, now);
                    return true;
                }
                buffer->give_out_at = due;
            }
        }
        if (now < oldest_limit(buffer))
            return false;
        give_up_oldest(buffer, now);
    }
}

static bool key_frame_arrives(struct frame_buffer *buffer, nanos *until)
{
    for (size_t i = buffer->count; i-- > 0;) {
        if (frame_at(buffer, i)->key) {
            *until = frame_at(buffer, i)->last_arrival + buffer->config.key_frame_wait;
            return true;
        }
    }
    return false;
}

bool frame_buffer_wants_key_frame(struct frame_buffer *buffer, nanos now)
{
    nanos until;
    if (now < buffer->request_at)
        return false;
    if (now - buffer->last_packet > FRAME_BUFFER_IDLE) {
        buffer->request_at = NANOS_NEVER; /* until the next packet */
        return false;
    }
    if (key_frame_arrives(buffer, &until) && now < until) {
        buffer->request_at = until;
        return false;
    }
    buffer->request_at = now + buffer->config.key_frame_wait;
    buffer->asked = true;
    return true;
}

nanos frame_buffer_deadline(const struct frame_buffer *buffer)
{
    return nanos_min(oldest_limit(buffer), nanos_min(buffer->request_at, buffer->give_out_at));
}
