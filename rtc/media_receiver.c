#include "rtc/media_receiver.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "rtc/rtx.h"

#define KEY_FRAME_INTERVAL (300 * NANOS_PER_MS)

/* Transport-wide feedback takes a twentieth of what comes, as in libwebrtc: it supposes 68 bytes for each. */
#define FEEDBACK_BITS (68 * 8)
#define FEEDBACK_SHARE 0.05
#define FEEDBACK_INTERVAL_MIN (50 * NANOS_PER_MS)
#define FEEDBACK_INTERVAL_MAX (200 * NANOS_PER_MS) /* libwebrtc: 250 */

/* One of a stream's SSRCs. */
struct receive_ssrc {
    uint32_t ssrc;
    bool rtx;
    struct receive_stream *stream;
    UT_hash_handle hh;
};

void media_receiver_init(struct media_receiver *receiver, const struct rtp_extension_map *extensions,
                         uint64_t ntp_origin)
{
    memset(receiver, 0, sizeof *receiver);
    receiver->extensions = *extensions;
    receiver->ntp_origin = ntp_origin;
    receiver->nack_deadline = NANOS_NEVER;
}

static void forget_ssrc(struct media_receiver *receiver, uint32_t ssrc)
{
    struct receive_ssrc *entry;
    HASH_FIND(hh, receiver->ssrcs, &ssrc, sizeof ssrc, entry);
    receiver->recent = NULL;
    if (entry != NULL) {
        HASH_DELETE(hh, receiver->ssrcs, entry);
        free(entry);
    }
}

static bool learn_ssrc(struct media_receiver *receiver, struct receive_stream *stream, uint32_t ssrc, bool rtx)
{
    struct receive_ssrc *entry;
    HASH_FIND(hh, receiver->ssrcs, &ssrc, sizeof ssrc, entry);
    if (entry != NULL || (entry = calloc(1, sizeof *entry)) == NULL)
        return false;
    *entry = (struct receive_ssrc){.ssrc = ssrc, .rtx = rtx, .stream = stream};
    HASH_ADD(hh, receiver->ssrcs, ssrc, sizeof entry->ssrc, entry);
    if (rtx)
        stream->config.rtx_ssrc = ssrc;
    else
        stream->config.ssrc = stream->statistics.ssrc = ssrc;
    return true;
}

/* The SSRCs by which a stream was to come are not those by which it comes. */
static void forget_ssrcs(struct media_receiver *receiver, struct receive_stream *stream)
{
    if (stream->config.ssrc != 0)
        forget_ssrc(receiver, stream->config.ssrc);
    if (stream->config.rtx_ssrc != 0)
        forget_ssrc(receiver, stream->config.rtx_ssrc);
    stream->config.ssrc = stream->config.rtx_ssrc = 0;
}

static void free_stream(struct receive_stream *stream)
{
    nack_generator_clear(&stream->nack);
    free(stream);
}

void media_receiver_clear(struct media_receiver *receiver)
{
    struct receive_ssrc *entry, *next;
    HASH_ITER(hh, receiver->ssrcs, entry, next)
    {
        HASH_DELETE(hh, receiver->ssrcs, entry);
        free(entry);
    }
    for (struct receive_stream *stream = receiver->streams; stream != NULL;) {
        struct receive_stream *following = stream->next;
        free_stream(stream);
        stream = following;
    }
    free(receiver->memories);
    free(receiver->recorder);
    memset(receiver, 0, sizeof *receiver);
}

static struct receive_memory *memory_of(const struct media_receiver *receiver,
                                        const struct receive_stream_config *layer)
{
    for (size_t i = 0; receiver->memories != NULL && i < MEDIA_RECEIVER_MEMORIES; i++) {
        struct receive_memory *memory = &receiver->memories[i];
        if (memory->ssrc != 0 && strcmp(memory->mid, layer->mid) == 0 && strcmp(memory->rid, layer->rid) == 0)
            return memory;
    }
    return NULL;
}

static void remember(struct media_receiver *receiver, const struct receive_stream_config *layer)
{
    if (layer->rid[0] == '\0' || layer->ssrc == 0)
        return;
    if (receiver->memories == NULL)
        receiver->memories = calloc(MEDIA_RECEIVER_MEMORIES, sizeof *receiver->memories);
    if (receiver->memories == NULL)
        return;
    struct receive_memory *memory = memory_of(receiver, layer);
    if (memory == NULL)
        memory = &receiver->memories[receiver->next_memory++ % MEDIA_RECEIVER_MEMORIES];
    *memory = (struct receive_memory){.ssrc = layer->ssrc, .rtx_ssrc = layer->rtx_ssrc};
    memcpy(memory->mid, layer->mid, sizeof memory->mid);
    memcpy(memory->rid, layer->rid, sizeof memory->rid);
}

/* What came back may come by the SSRCs that it had; a packet that says otherwise is right. */
static void recall(struct media_receiver *receiver, struct receive_stream *stream)
{
    const struct receive_memory *memory = memory_of(receiver, &stream->config);
    if (stream->config.ssrc != 0 || stream->config.rid[0] == '\0' || memory == NULL)
        return;
    if (learn_ssrc(receiver, stream, memory->ssrc, false) && memory->rtx_ssrc != 0)
        learn_ssrc(receiver, stream, memory->rtx_ssrc, true);
}

struct receive_stream *media_receiver_add(struct media_receiver *receiver, const struct receive_stream_config *config)
{
    struct receive_stream *stream;
    if (receiver->stream_count == MEDIA_RECEIVER_STREAMS_MAX || (stream = calloc(1, sizeof *stream)) == NULL)
        return NULL;
    stream->config = *config;
    stream->key_frame_requested = NANOS_NEVER;
    receive_statistics_init(&stream->statistics, config->ssrc, config->clock_rate, 0);
    nack_generator_init(&stream->nack, &(struct nack_config){0});
    bool known = config->ssrc == 0 || learn_ssrc(receiver, stream, config->ssrc, false);
    if (known && config->rtx_ssrc != 0 && !learn_ssrc(receiver, stream, config->rtx_ssrc, true)) {
        forget_ssrc(receiver, config->ssrc);
        known = false;
    }
    if (!known) {
        free_stream(stream);
        return NULL;
    }
    recall(receiver, stream);
    stream->previous = receiver->last;
    if (receiver->last != NULL)
        receiver->last->next = stream;
    else
        receiver->streams = stream;
    receiver->last = stream;
    receiver->stream_count++;
    return stream;
}

void media_receiver_remove(struct media_receiver *receiver, struct receive_stream *stream)
{
    remember(receiver, &stream->config);
    forget_ssrcs(receiver, stream);
    *(stream->previous != NULL ? &stream->previous->next : &receiver->streams) = stream->next;
    *(stream->next != NULL ? &stream->next->previous : &receiver->last) = stream->previous;
    receiver->stream_count--;
    free_stream(stream);
}

struct receive_stream *media_receiver_find(const struct media_receiver *receiver, uint32_t ssrc)
{
    struct receive_ssrc *entry;
    HASH_FIND(hh, receiver->ssrcs, &ssrc, sizeof ssrc, entry);
    return entry != NULL && !entry->rtx ? entry->stream : NULL;
}

/* --- packets --------------------------------------------------------------------------------------------------------------- */

/* Which stream a new SSRC is, told by MID and RID, or for a stream without MID by the payload type (RFC 9143, 9.2). */
static struct receive_stream *recognise(struct media_receiver *receiver, const struct rtp_packet *packet,
                                        const struct rtp_extensions *extensions, bool *rtx)
{
    char mid[RTP_TOKEN_CAP] = "";
    char rid[RTP_TOKEN_CAP] = "";
    const struct rtp_extension *element = rtp_extensions_get(extensions, RTP_EXTENSION_MID);
    if (element != NULL)
        rtp_get_token(element, mid);
    const struct rtp_extension *repaired = rtp_extensions_get(extensions, RTP_EXTENSION_REPAIRED_RID);
    element = repaired != NULL ? repaired : rtp_extensions_get(extensions, RTP_EXTENSION_RID);
    if (element != NULL)
        rtp_get_token(element, rid);
    for (struct receive_stream *stream = receiver->streams; stream != NULL; stream = stream->next) {
        const struct receive_stream_config *config = &stream->config;
        bool recalled = stream->packets == 0 && rid[0] != '\0';
        bool media = packet->payload_type == config->payload_type && (config->ssrc == 0 || recalled);
        bool repair =
            config->rtx_payload_type != 0 && packet->payload_type == config->rtx_payload_type && config->rtx_ssrc == 0;
        bool same_mid = mid[0] == '\0' || strcmp(mid, config->mid) == 0;
        if ((media || repair) && same_mid && strcmp(rid, config->rid) == 0) {
            *rtx = repair && !media;
            if (media)
                forget_ssrcs(receiver, stream);
            return stream;
        }
    }
    return NULL;
}

static struct receive_stream *stream_of(struct media_receiver *receiver, const struct rtp_packet *packet,
                                        const struct rtp_extensions *extensions, bool *rtx)
{
    struct receive_ssrc *entry = receiver->recent;
    if (entry == NULL || entry->ssrc != packet->ssrc)
        HASH_FIND(hh, receiver->ssrcs, &packet->ssrc, sizeof packet->ssrc, entry);
    if (entry != NULL) {
        receiver->recent = entry;
        *rtx = entry->rtx;
        return entry->stream;
    }
    if (packet->ssrc == 0)
        return NULL; /* a probe for bandwidth: see media_sender.c */
    struct receive_stream *stream = recognise(receiver, packet, extensions, rtx);
    return stream != NULL && learn_ssrc(receiver, stream, packet->ssrc, *rtx) ? stream : NULL;
}

static void record_arrival(struct media_receiver *receiver, const struct rtp_packet *packet,
                           const struct rtp_extensions *extensions, nanos now)
{
    uint16_t sequence;
    const struct rtp_extension *element = rtp_extensions_get(extensions, RTP_EXTENSION_TRANSPORT_SEQUENCE);
    if (element == NULL || !rtp_get_transport_sequence(element, &sequence))
        return;
    if (receiver->recorder == NULL) {
        receiver->recorder = malloc(sizeof *receiver->recorder);
        if (receiver->recorder == NULL)
            return;
        twcc_recorder_init(receiver->recorder, FEEDBACK_INTERVAL_MIN);
        receiver->feedback_at = now;
    }
    receiver->feedback_bytes += packet->len;
    twcc_recorder_add(receiver->recorder, packet->ssrc, sequence, now);
}

static void record_latency(struct media_receiver *receiver, const struct rtp_extensions *extensions, nanos now)
{
    uint32_t sent;
    const struct rtp_extension *element = rtp_extensions_get(extensions, RTP_EXTENSION_ABS_SEND_TIME);
    if (element == NULL || !rtp_get_abs_send_time(element, &sent))
        return;
    nanos latency = rtp_abs_send_time_difference(rtp_abs_send_time(now), sent);
    if (latency >= 0)
        histogram_record(receiver->network_latency, (uint64_t)latency);
}

/* Puts the original in place of its retransmission. False when there is none: padding. */
static bool undo_rtx(const struct receive_stream *stream, struct rtp_packet *packet)
{
    size_t len;
    uint8_t *original = rtx_unwrap(packet, stream->config.ssrc, stream->config.payload_type, &len);
    return original != NULL && rtp_parse(packet, original, len, RTP_CLEAR);
}

bool media_receiver_read(struct media_receiver *receiver, uint8_t *data, size_t len, nanos now,
                         struct media_arrival *arrival)
{
    struct rtp_packet *packet = &arrival->packet;
    bool rtx = false;
    arrival->stream = NULL;
    arrival->stuck = false;
    arrival->recovered = false;
    if (!rtp_parse(packet, data, len, RTP_CLEAR))
        return false;
    rtp_extensions_read(packet, &receiver->extensions, &arrival->extensions);
    record_arrival(receiver, packet, &arrival->extensions, now);
    if (receiver->network_latency != NULL)
        record_latency(receiver, &arrival->extensions, now);
    struct receive_stream *stream = stream_of(receiver, packet, &arrival->extensions, &rtx);
    if (stream == NULL)
        return true;
    if (rtx) {
        if (stream->config.ssrc == 0 || !undo_rtx(stream, packet))
            return true;
    } else {
        receive_statistics_packet(&stream->statistics, packet->sequence, packet->timestamp, packet->payload_len, now);
    }
    enum nack_arrival what = nack_generator_received(&stream->nack, packet->sequence, now);
    if (what == NACK_UNKNOWN) {
        stream->duplicates++;
        return true;
    }
    if (stream->config.nack) {
        receiver->nack_deadline = nanos_min(receiver->nack_deadline, nack_generator_deadline(&stream->nack));
        arrival->stuck = nack_generator_take_key_frame_wish(&stream->nack);
    }
    arrival->stream = stream;
    arrival->recovered = rtx || what == NACK_RECOVERED;
    stream->packets++;
    stream->bytes += packet->len;
    stream->recovered += arrival->recovered;
    return true;
}

/* --- feedback ------------------------------------------------------------------------------------------------------------ */

void media_receiver_sender_report(struct media_receiver *receiver, const struct rtcp_sender_info *info, nanos now)
{
    struct receive_stream *stream = media_receiver_find(receiver, info->ssrc);
    if (stream == NULL)
        return;
    receive_statistics_sender_report(&stream->statistics, info->ntp, now);
    stream->report_ntp = info->ntp;
    stream->report_timestamp = info->rtp_timestamp;
}

void media_receiver_set_rtt(struct media_receiver *receiver, nanos rtt)
{
    if (rtt == receiver->rtt)
        return;
    receiver->rtt = rtt;
    for (struct receive_stream *stream = receiver->streams; stream != NULL; stream = stream->next)
        nack_generator_set_rtt(&stream->nack, rtt);
}

void media_receiver_request_key_frame(struct media_receiver *receiver, struct receive_stream *stream, nanos now)
{
    if (stream->key_frame_requested != NANOS_NEVER && now - stream->key_frame_requested < KEY_FRAME_INTERVAL)
        return;
    stream->key_frame_requested = now;
    stream->key_frame_due = true;
    receiver->key_frame_due = true;
}

static void write_nacks(struct media_receiver *receiver, uint32_t ssrc, struct writer *writer, nanos now)
{
    enum { NACKS_MAX = 64 };
    uint16_t sequences[NACKS_MAX];
    receiver->nack_deadline = NANOS_NEVER;
    for (struct receive_stream *stream = receiver->streams; stream != NULL; stream = stream->next) {
        if (!stream->config.nack)
            continue;
        if (nack_generator_deadline(&stream->nack) <= now) {
            size_t count = nack_generator_write(&stream->nack, sequences, NACKS_MAX, now);
            if (count > 0)
                rtcp_write_nack(writer, ssrc, stream->config.ssrc, sequences, count);
        }
        receiver->nack_deadline = nanos_min(receiver->nack_deadline, nack_generator_deadline(&stream->nack));
    }
}

static void write_key_frame_requests(struct media_receiver *receiver, uint32_t ssrc, struct writer *writer)
{
    receiver->key_frame_due = false;
    for (struct receive_stream *stream = receiver->streams; stream != NULL; stream = stream->next) {
        if (stream->key_frame_due && stream->config.ssrc != 0)
            rtcp_write_pli(writer, ssrc, stream->config.ssrc);
        stream->key_frame_due = false;
    }
}

/* All is told: what comes next is told so much later. */
static void pace_feedback(struct media_receiver *receiver, nanos now)
{
    double share = FEEDBACK_SHARE * 8 * (double)receiver->feedback_bytes; /* bits, since the last one */
    double interval = FEEDBACK_BITS * (double)(now - receiver->feedback_at) / share;
    receiver->recorder->interval =
        interval > FEEDBACK_INTERVAL_MAX ? FEEDBACK_INTERVAL_MAX : nanos_max((nanos)interval, FEEDBACK_INTERVAL_MIN);
    receiver->feedback_bytes = 0;
    receiver->feedback_at = now;
}

void media_receiver_write_feedback(struct media_receiver *receiver, uint32_t ssrc, struct writer *writer, nanos now)
{
    if (receiver->key_frame_due)
        write_key_frame_requests(receiver, ssrc, writer);
    if (receiver->nack_deadline <= now)
        write_nacks(receiver, ssrc, writer, now);
    if (receiver->recorder != NULL && twcc_recorder_deadline(receiver->recorder) <= now) {
        size_t len =
            twcc_recorder_write(receiver->recorder, ssrc, writer->start + writer->len, writer->cap - writer->len, now);
        writer->len += len;
        if (twcc_recorder_deadline(receiver->recorder) == NANOS_NEVER)
            pace_feedback(receiver, now);
    }
}

size_t media_receiver_report(struct media_receiver *receiver, struct rtcp_report_block *blocks, size_t cap, nanos now)
{
    size_t count = 0;
    for (struct receive_stream *stream = receiver->streams; stream != NULL && count < cap; stream = stream->next) {
        if (receive_statistics_report(&stream->statistics, &blocks[count], now))
            count++;
    }
    return count;
}

nanos media_receiver_deadline(const struct media_receiver *receiver)
{
    if (receiver->key_frame_due)
        return 0;
    nanos feedback = receiver->recorder != NULL ? twcc_recorder_deadline(receiver->recorder) : NANOS_NEVER;
    return nanos_min(receiver->nack_deadline, feedback);
}
