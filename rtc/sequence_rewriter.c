#include "rtc/sequence_rewriter.h"

#define NUMBER_BASE ((int64_t)1 << 20) /* a multiple of all wraps: what is unwrapped never gets negative */

void sequence_rewriter_init(struct sequence_rewriter *rewriter, const struct sequence_rewriter_config *config)
{
    *rewriter = (struct sequence_rewriter){.config = *config};
    if (rewriter->config.frame_step == 0)
        rewriter->config.frame_step = config->clock_rate / 30;
}

void sequence_rewriter_switch(struct sequence_rewriter *rewriter, int32_t source, const struct rtp_clock *from,
                              const struct rtp_clock *to)
{
    rewriter->switching = true;
    rewriter->next_source = source;
    rewriter->has_clocks = from != NULL && to != NULL;
    if (rewriter->has_clocks) {
        rewriter->from = *from;
        rewriter->to = *to;
    }
}

/* The epoch that is `back` before the current one. */
static struct rewriter_epoch *epoch_at(const struct sequence_rewriter *rewriter, uint64_t back)
{
    return (struct rewriter_epoch *)&rewriter->epochs[(rewriter->epoch_count - 1 - back) % SEQUENCE_REWRITER_EPOCHS];
}

static uint64_t epochs_remembered(const struct sequence_rewriter *rewriter)
{
    return rewriter->epoch_count < SEQUENCE_REWRITER_EPOCHS ? rewriter->epoch_count : SEQUENCE_REWRITER_EPOCHS;
}

static int64_t unwrap_picture(const struct rewriter_epoch *epoch, const struct vp8_descriptor *vp8)
{
    int64_t size = (int64_t)1 << vp8->picture_id_bits;
    int64_t near = epoch->pictures.highest_in;
    int64_t ahead = (vp8->picture_id - near) & (size - 1);
    return near + (ahead < size / 2 ? ahead : ahead - size);
}

/* --- timestamps --- */

static int64_t ticks(const struct sequence_rewriter *rewriter, nanos duration)
{
    return duration / NANOS_PER_S * rewriter->config.clock_rate +
           duration % NANOS_PER_S * rewriter->config.clock_rate / NANOS_PER_S;
}

/* How a timestamp of the source switched to reads on the clock of the source until now. */
static uint32_t on_old_clock(const struct sequence_rewriter *rewriter, uint32_t timestamp)
{
    int64_t rate = rewriter->config.clock_rate;
    int64_t difference = (int64_t)(rewriter->to.ntp - rewriter->from.ntp); /* 32 bits of seconds, 32 of fraction */
    int64_t seconds = difference >> 32;
    int64_t fraction = (int64_t)(((uint64_t)difference & 0xffffffffu) * (uint64_t)rate >> 32);
    return (uint32_t)((int64_t)rewriter->from.timestamp + seconds * rate + fraction) +
           (timestamp - rewriter->to.timestamp);
}

/* Where on the outgoing clock an epoch starts. The sender reports tell exactly, so that audio and video stay in step; but
 * they may be missing, or nonsense, and the layers of a simulcast often show the same picture at the same instant, while
 * the receiver's next frame has to be a later one. */
static void place_in_time(struct sequence_rewriter *rewriter, struct rewriter_epoch *epoch,
                          const struct rewriter_epoch *before, uint32_t timestamp, nanos now)
{
    if (before == NULL) {
        epoch->clock_offset = epoch->timestamp_offset = rewriter->config.first_timestamp - timestamp;
        return;
    }
    uint32_t by_arrival = rewriter->last_timestamp + (uint32_t)ticks(rewriter, now - rewriter->last_at);
    uint32_t out = by_arrival;
    if (before->source == epoch->source)
        out = timestamp + before->clock_offset;
    else if (rewriter->has_clocks)
        out = on_old_clock(rewriter, timestamp) + before->clock_offset;
    int32_t doubt = (int32_t)(out - by_arrival);
    if (doubt > (int32_t)rewriter->config.clock_rate || doubt < -(int32_t)rewriter->config.clock_rate)
        out = by_arrival; /* more than a second off */
    epoch->clock_offset = out - timestamp;
    uint32_t least = rewriter->last_timestamp + rewriter->config.frame_step;
    if (!rtp_timestamp_after(out, least))
        out = least;
    epoch->timestamp_offset = out - timestamp;
}

struct sequence_rewriter_config sequence_rewriter_continuation(const struct sequence_rewriter *rewriter, nanos now)
{
    struct sequence_rewriter_config config = rewriter->config;
    if (rewriter->epoch_count == 0)
        return config;
    const struct rewriter_epoch *last = &rewriter->epochs[(rewriter->epoch_count - 1) % SEQUENCE_REWRITER_EPOCHS];
    uint32_t passed = (uint32_t)ticks(rewriter, now - rewriter->last_at);
    config.first_sequence = (uint16_t)(last->sequences.highest_out + 1 - NUMBER_BASE);
    config.first_picture_id = (uint16_t)(last->pictures.highest_out + 1 - NUMBER_BASE);
    config.first_timestamp = rewriter->last_timestamp + (passed > config.frame_step ? passed : config.frame_step);
    config.first_tl0_picture_index = (uint8_t)(rewriter->last.tl0_picture_index + 1);
    config.first_key_index = (uint8_t)(rewriter->last.key_index + 1);
    return config;
}

/* --- epochs --- */

static void start_epoch(struct sequence_rewriter *rewriter, int32_t source, const struct rtp_packet *packet,
                        const struct vp8_descriptor *vp8, nanos now)
{
    const struct sequence_rewriter_config *config = &rewriter->config;
    const struct rewriter_epoch *before = rewriter->epoch_count > 0 ? epoch_at(rewriter, 0) : NULL;
    struct rewriter_epoch epoch = {.source = source};
    renumbering_start(&epoch.sequences, NUMBER_BASE + packet->sequence,
                      before ? before->sequences.highest_out + 1 : NUMBER_BASE + config->first_sequence);
    place_in_time(rewriter, &epoch, before, packet->timestamp, now);
    int64_t next_picture = before ? before->pictures.highest_out + 1 : NUMBER_BASE + config->first_picture_id;
    renumbering_start(&epoch.pictures, NUMBER_BASE + (vp8 ? vp8->picture_id : 0), next_picture);
    if (vp8 != NULL) {
        uint8_t tl0 = before ? (uint8_t)(rewriter->last.tl0_picture_index + 1) : config->first_tl0_picture_index;
        uint8_t key_index = before ? (uint8_t)(rewriter->last.key_index + 1) : config->first_key_index;
        epoch.has_picture_ids = vp8->picture_id_bits > 0;
        epoch.tl0_offset = (uint8_t)(tl0 - vp8->tl0_picture_index);
        epoch.key_index_offset = (uint8_t)(key_index - vp8->key_index);
    }
    bool first = before == NULL;
    rewriter->epochs[rewriter->epoch_count++ % SEQUENCE_REWRITER_EPOCHS] = epoch;
    rewriter->switching = false;
    if (first)
        rewriter->last_timestamp = packet->timestamp + epoch.timestamp_offset;
}

/* Late packets and requests reach back only so far: numbers of long ago would be taken for those of today. */
static bool is_recent(const struct sequence_rewriter *rewriter, const struct rewriter_epoch *epoch)
{
    return epoch_at(rewriter, 0)->sequences.highest_out - epoch->sequences.highest_out < RENUMBERING_WINDOW;
}

/* The epoch that a packet belongs to; NULL when none that is remembered. */
static struct rewriter_epoch *epoch_of(struct sequence_rewriter *rewriter, int32_t source, uint16_t sequence,
                                       int64_t *unwrapped)
{
    for (uint64_t back = 0; back < epochs_remembered(rewriter); back++) {
        struct rewriter_epoch *epoch = epoch_at(rewriter, back);
        *unwrapped = rtp_unwrap_sequence(epoch->sequences.highest_in, sequence);
        if (epoch->source == source && *unwrapped >= epoch->sequences.first_in &&
            (back == 0 || (*unwrapped <= epoch->sequences.highest_in && is_recent(rewriter, epoch))))
            return epoch;
    }
    return NULL;
}

static void fill(const struct rewriter_epoch *epoch, const struct rtp_packet *packet, int64_t sequence,
                 struct rewritten *rewritten)
{
    *rewritten = (struct rewritten){
        .sequence = (uint16_t)sequence,
        .timestamp = packet->timestamp + epoch->timestamp_offset,
    };
}

enum rewriter_verdict sequence_rewriter_forward(struct sequence_rewriter *rewriter, int32_t source,
                                                const struct rtp_packet *packet, const struct vp8_descriptor *vp8,
                                                nanos now, struct rewritten *rewritten)
{
    if (rewriter->switching && source == rewriter->next_source)
        start_epoch(rewriter, source, packet, vp8, now);
    int64_t in;
    struct rewriter_epoch *epoch = epoch_of(rewriter, source, packet->sequence, &in);
    if (epoch == NULL)
        return REWRITER_NOTHING;
    if (in - epoch->sequences.highest_in > SEQUENCE_REWRITER_GAP_MAX) {
        start_epoch(rewriter, source, packet, vp8, now);
        epoch = epoch_of(rewriter, source, packet->sequence, &in);
    }
    int64_t out;
    if (!renumbering_map(&epoch->sequences, in, &out))
        return REWRITER_NOTHING;
    fill(epoch, packet, out, rewritten);
    if (vp8 != NULL) {
        int64_t picture = vp8->picture_id;
        if (epoch->has_picture_ids && vp8->picture_id_bits > 0 &&
            !renumbering_map(&epoch->pictures, unwrap_picture(epoch, vp8), &picture))
            return REWRITER_FILLER;
        rewritten->vp8 = (struct vp8_numbers){
            .picture_id = picture & 0x7fff,
            .tl0_picture_index = (uint8_t)(vp8->tl0_picture_index + epoch->tl0_offset),
            .key_index = (vp8->key_index + epoch->key_index_offset) & 0x1f,
        };
    }
    if (epoch == epoch_at(rewriter, 0) && !rtp_timestamp_after(rewriter->last_timestamp, rewritten->timestamp)) {
        rewriter->last_timestamp = rewritten->timestamp;
        rewriter->last_at = now;
        rewriter->last = rewritten->vp8;
    }
    return REWRITER_PACKET;
}

enum rewriter_verdict sequence_rewriter_drop(struct sequence_rewriter *rewriter, int32_t source,
                                             const struct rtp_packet *packet, const struct vp8_descriptor *vp8,
                                             struct rewritten *rewritten)
{
    int64_t in;
    struct rewriter_epoch *epoch = epoch_of(rewriter, source, packet->sequence, &in);
    if (epoch == NULL || in - epoch->sequences.highest_in > SEQUENCE_REWRITER_GAP_MAX)
        return REWRITER_NOTHING;
    if (vp8 != NULL && epoch->has_picture_ids && vp8->picture_id_bits > 0)
        renumbering_drop(&epoch->pictures, unwrap_picture(epoch, vp8));
    int64_t out;
    if (renumbering_drop(&epoch->sequences, in) || !renumbering_map(&epoch->sequences, in, &out))
        return REWRITER_NOTHING;
    fill(epoch, packet, out, rewritten);
    return REWRITER_FILLER;
}

bool sequence_rewriter_find(const struct sequence_rewriter *rewriter, uint16_t sequence, int32_t *source,
                            uint16_t *source_sequence)
{
    int64_t out = 0;
    for (uint64_t back = 0; back < epochs_remembered(rewriter); back++) {
        const struct rewriter_epoch *epoch = epoch_at(rewriter, back);
        if (back == 0)
            out = rtp_unwrap_sequence(epoch->sequences.highest_out, sequence);
        int64_t in;
        if (is_recent(rewriter, epoch) && renumbering_find(&epoch->sequences, out, &in)) {
            *source = epoch->source;
            *source_sequence = (uint16_t)in;
            return true;
        }
    }
    return false;
}

bool sequence_rewriter_timestamp(const struct sequence_rewriter *rewriter, int32_t source, uint32_t timestamp,
                                 uint32_t *out)
{
    if (rewriter->epoch_count == 0)
        return false;
    const struct rewriter_epoch *epoch = epoch_at(rewriter, 0);
    if (epoch->source != source)
        return false;
    *out = timestamp + epoch->timestamp_offset;
    return true;
}

void sequence_rewriter_apply(uint8_t *data, const struct rtp_packet *packet, const struct vp8_descriptor *vp8,
                             const struct rewritten *rewritten)
{
    rtp_set_sequence(data, rewritten->sequence);
    rtp_set_timestamp(data, rewritten->timestamp);
    if (vp8 != NULL)
        vp8_rewrite(data + packet->payload_offset, vp8, &rewritten->vp8);
}
