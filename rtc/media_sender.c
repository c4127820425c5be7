#include "rtc/media_sender.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "rtc/nack.h"
#include "rtc/twcc.h"

enum {
    PACKET_CAP = 1400,      /* of RTP, so that tag, TURN's header and IPv6's fit into 1,500 */
    HISTORY_PACKETS = 1024, /* half a second of 16 Mbit/s */
    QUEUE_BYTES = 512 * 1024,
    RESULTS_MAX = 64,
    ELEMENTS_MAX = 5,
};

/* Of what is sent, so much may go into answers to NACKs: more than any loss that is worth mending. */
#define RETRANSMISSION_SHARE 0.5
#define RETRANSMISSION_BURST_BYTES 64000
#define RETRANSMISSION_MIN_BPS 200000

bool media_sender_init(struct media_sender *sender, const struct congestion_control_config *congestion,
                       const struct rtp_extension_map *extensions, uint64_t ntp_origin, uint64_t seed,
                       struct error *error)
{
    memset(sender, 0, sizeof *sender);
    sender->extensions = *extensions;
    sender->ntp_origin = ntp_origin;
    sender->rng = rng_of(seed, "media sender", 0);
    sender->congestion = congestion_control_create(congestion, error);
    if (sender->congestion == NULL)
        return false;
    struct congestion_rates rates = congestion_control_rates(sender->congestion);
    struct pacer_config pacer = {.pacing_bps = rates.pacing_bps, .limit_bytes = QUEUE_BYTES};
    sender->target_bps = rates.target_bps;
    sender->pacer = pacer_create(&pacer, error);
    if (sender->pacer == NULL || !twcc_history_init(&sender->history, HISTORY_PACKETS)) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        media_sender_clear(sender);
        return false;
    }
    return true;
}

void media_sender_clear(struct media_sender *sender)
{
    struct send_stream *stream, *next;
    HASH_ITER(hh, sender->streams, stream, next) { media_sender_remove(sender, stream); }
    congestion_control_destroy(sender->congestion);
    pacer_destroy(sender->pacer);
    twcc_history_clear(&sender->history);
    memset(sender, 0, sizeof *sender);
}

/* --- rates --------------------------------------------------------------------------------------------------------------- */

static bool update_rates(struct media_sender *sender, nanos now)
{
    struct congestion_rates rates = congestion_control_rates(sender->congestion);
    struct probe_cluster cluster;
    pacer_set_rates(sender->pacer, rates.pacing_bps, rates.padding_bps, now);
    while (congestion_control_probe(sender->congestion, &cluster))
        pacer_probe(sender->pacer, &cluster, now);
    bool changed = rates.target_bps != sender->target_bps;
    sender->target_bps = rates.target_bps;
    return changed;
}

void media_sender_start(struct media_sender *sender, nanos now)
{
    congestion_control_process(sender->congestion, now);
    update_rates(sender, now);
}

bool media_sender_process(struct media_sender *sender, nanos now)
{
    if (congestion_control_deadline(sender->congestion) > now)
        return false;
    congestion_control_process(sender->congestion, now);
    return update_rates(sender, now);
}

bool media_sender_transport_feedback(struct media_sender *sender, const struct rtcp_packet *packet, nanos now)
{
    struct twcc_reader reader;
    struct twcc_result results[RESULTS_MAX];
    size_t count;
    if (!twcc_read(&reader, packet))
        return false;
    while ((count = twcc_history_results(&sender->history, &reader, results, RESULTS_MAX)) > 0)
        congestion_control_feedback(sender->congestion, results, count, now);
    return update_rates(sender, now);
}

bool media_sender_remb(struct media_sender *sender, int64_t bps, nanos now)
{
    congestion_control_remb(sender->congestion, bps, now);
    return update_rates(sender, now);
}

bool media_sender_report_block(struct media_sender *sender, const struct rtcp_report_block *block, nanos now)
{
    struct send_stream *stream = media_sender_find(sender, block->ssrc);
    if (stream == NULL)
        return false;
    struct send_loss loss = send_statistics_block(&stream->statistics, block, now);
    nanos rtt = stream->statistics.rtt;
    if (rtt > 0) {
        /* As RFC 6298 smooths. */
        sender->rtt = sender->rtt == 0 ? rtt : (7 * sender->rtt + rtt) / 8;
        congestion_control_rtt(sender->congestion, sender->rtt, now);
        retransmission_buffer_set_rtt(&stream->buffer, sender->rtt);
    }
    if (loss.expected > 0 && sender->extensions.id[RTP_EXTENSION_TRANSPORT_SEQUENCE] == 0)
        congestion_control_loss_report(sender->congestion, loss.lost > 0 ? loss.lost : 0, loss.expected, now);
    return update_rates(sender, now);
}

/* --- streams ------------------------------------------------------------------------------------------------------------- */

struct send_stream *media_sender_find(struct media_sender *sender, uint32_t ssrc)
{
    struct send_stream *stream;
    HASH_FIND(hh, sender->streams, &ssrc, sizeof ssrc, stream);
    return stream;
}

static void choose_padding_stream(struct media_sender *sender)
{
    struct send_stream *stream, *next;
    sender->padding = NULL;
    HASH_ITER(hh, sender->streams, stream, next)
    {
        if (sender->padding == NULL && stream->config.rtx_ssrc != 0)
            sender->padding = stream;
    }
}

struct send_stream *media_sender_add(struct media_sender *sender, const struct send_stream_config *config)
{
    struct send_stream *stream = media_sender_find(sender, config->ssrc);
    if (stream != NULL || config->ssrc == 0 || (stream = calloc(1, sizeof *stream)) == NULL)
        return NULL;
    stream->config = *config;
    stream->rtx_sequence = (uint16_t)rng_below(&sender->rng, 0x8000);
    stream->fir_number = -1;
    send_statistics_init(&stream->statistics, config->ssrc, config->clock_rate, sender->ntp_origin);
    retransmission_buffer_init(&stream->buffer, config->buffer_window, config->buffer_bytes);
    HASH_ADD(hh, sender->streams, config.ssrc, sizeof stream->config.ssrc, stream);
    choose_padding_stream(sender);
    return stream;
}

void media_sender_remove(struct media_sender *sender, struct send_stream *stream)
{
    HASH_DELETE(hh, sender->streams, stream);
    retransmission_buffer_clear(&stream->buffer);
    free(stream->guard);
    free(stream);
    choose_padding_stream(sender);
}

/* --- packets --------------------------------------------------------------------------------------------------------------- */

/* Where, in a queued packet, what is only known when it leaves goes: two offsets in the pacer's tag, 0 for none. */
static uint32_t tag_of(size_t sequence_offset, size_t send_time_offset)
{
    return (uint32_t)(sequence_offset << 16 | send_time_offset);
}

struct element_list {
    struct rtp_extension elements[ELEMENTS_MAX];
    size_t count;
};

static void add_element(struct element_list *list, uint8_t id, const void *value, size_t len)
{
    if (id != 0 && len > 0)
        list->elements[list->count++] = (struct rtp_extension){.id = id, .len = (uint8_t)len, .value = value};
}

/* Writes an RTP header with the stream's and the packet's extensions; the two numbers that are stamped later come
 * first, so their places are known. Returns its length and fills in the tag. */
static size_t write_header(const struct media_sender *sender, const struct send_stream *stream, bool rtx,
                           const struct media_packet *packet, uint16_t sequence, uint8_t *buf, size_t cap,
                           uint32_t *tag)
{
    static const uint8_t zeros[RTP_ABS_SEND_TIME_LEN];
    uint8_t id[RTP_EXTENSION_KINDS];
    const struct send_stream_config *config = &stream->config;
    for (size_t i = 0; i < RTP_EXTENSION_KINDS; i++)
        id[i] = (config->without & 1U << i) != 0 ? 0 : sender->extensions.id[i];
    struct element_list list = {.count = 0};
    uint8_t level = rtp_audio_level_byte(packet->audio_level);
    bool has_sequence = id[RTP_EXTENSION_TRANSPORT_SEQUENCE] != 0;
    bool has_send_time = id[RTP_EXTENSION_ABS_SEND_TIME] != 0;
    add_element(&list, id[RTP_EXTENSION_TRANSPORT_SEQUENCE], zeros, 2);
    add_element(&list, id[RTP_EXTENSION_ABS_SEND_TIME], zeros, RTP_ABS_SEND_TIME_LEN);
    add_element(&list, id[RTP_EXTENSION_MID], config->mid, strlen(config->mid));
    add_element(&list, id[rtx ? RTP_EXTENSION_REPAIRED_RID : RTP_EXTENSION_RID], config->rid, strlen(config->rid));
    if (packet->has_audio_level)
        add_element(&list, id[RTP_EXTENSION_AUDIO_LEVEL], &level, 1);
    const struct rtp_header header = {
        .payload_type = rtx ? config->rtx_payload_type : config->payload_type,
        .marker = packet->marker,
        .sequence = sequence,
        .timestamp = packet->timestamp,
        .ssrc = rtx ? config->rtx_ssrc : config->ssrc,
    };
    size_t len = rtp_write_header(buf, cap, &header, list.elements, list.count);
    /* One-byte elements: each value stands behind one byte of head; the first head follows the block's four bytes. A
     * two-byte form (an ID above 14) has two. */
    size_t head = len > 0 && list.count > 0 && bytes_get16(buf + RTP_HEADER_LEN) == RTP_EXTENSION_ONE_BYTE ? 1 : 2;
    size_t first = RTP_HEADER_LEN + 4 + head;
    size_t second = has_sequence ? first + 2 + head : first;
    *tag = tag_of(has_sequence ? first : 0, has_send_time ? second : 0);
    return len;
}

bool media_sender_send(struct media_sender *sender, struct send_stream *stream, const struct media_packet *packet,
                       nanos now)
{
    uint8_t buf[PACKET_CAP];
    uint32_t tag;
    size_t len = write_header(sender, stream, false, packet, packet->sequence, buf, sizeof buf, &tag);
    if (len == 0 || sizeof buf - len < packet->payload_len) {
        sender->dropped++;
        return false;
    }
    memcpy(buf + len, packet->payload, packet->payload_len);
    len += packet->payload_len;
    if (stream->config.buffer_window > 0)
        retransmission_buffer_store(&stream->buffer, buf, len, now);
    stream->packets++;
    stream->bytes += len;
    send_statistics_sent(&stream->statistics, packet->timestamp, packet->captured, packet->payload_len);
    bool queued = pacer_push(sender->pacer, stream->config.audio ? PACER_AUDIO : PACER_VIDEO, tag, buf, len, now);
    sender->dropped += !queued;
    return queued;
}

/* Most streams are never asked to repeat anything. */
static bool add_guard(struct send_stream *stream, nanos now)
{
    stream->guard = stream->config.audio ? NULL : malloc(sizeof *stream->guard);
    if (stream->guard != NULL)
        retransmission_guard_init(stream->guard, RETRANSMISSION_MIN_BPS, RETRANSMISSION_BURST_BYTES, now);
    return stream->guard != NULL;
}

bool media_sender_resend(struct media_sender *sender, struct send_stream *stream, const struct media_packet *packet,
                         nanos now)
{
    uint8_t buf[PACKET_CAP];
    uint32_t tag;
    bool rtx = stream->config.rtx_ssrc != 0;
    int64_t rate = (int64_t)(RETRANSMISSION_SHARE * (double)sender->target_bps);
    nanos rtt = sender->rtt > 0 ? sender->rtt : NACK_RTT_DEFAULT;
    if (stream->guard == NULL && !add_guard(stream, now))
        return false;
    retransmission_guard_set_rate(stream->guard, rate > RETRANSMISSION_MIN_BPS ? rate : RETRANSMISSION_MIN_BPS, now);
    if (!retransmission_guard_allow(stream->guard, packet->sequence, packet->payload_len, rtt, now))
        return false;
    size_t len =
        write_header(sender, stream, rtx, packet, rtx ? stream->rtx_sequence : packet->sequence, buf, sizeof buf, &tag);
    size_t original = rtx ? 2 : 0; /* RFC 4588, section 4: the original sequence number goes first */
    if (len == 0 || sizeof buf - len < packet->payload_len + original)
        return false;
    if (rtx)
        bytes_put16(buf + len, packet->sequence);
    memcpy(buf + len + original, packet->payload, packet->payload_len);
    len += original + packet->payload_len;
    if (!pacer_push(sender->pacer, PACER_RETRANSMISSION, tag, buf, len, now))
        return false;
    stream->rtx_sequence = (uint16_t)(stream->rtx_sequence + (rtx ? 1 : 0));
    sender->retransmitted_packets++;
    sender->retransmitted_bytes += len;
    return true;
}

bool media_sender_answer_nack(struct media_sender *sender, struct send_stream *stream, uint16_t sequence, nanos now)
{
    size_t len;
    struct rtp_packet stored;
    if (stream->config.buffer_window == 0)
        return false;
    const uint8_t *data = retransmission_buffer_find(&stream->buffer, sequence, now, &len);
    if (data == NULL || !rtp_parse(&stored, data, len, RTP_CLEAR))
        return true; /* too old: the receiver will ask for a key frame */
    const struct media_packet packet = {.sequence = sequence,
                                        .timestamp = stored.timestamp,
                                        .marker = stored.marker,
                                        .payload = stored.payload,
                                        .payload_len = stored.payload_len};
    media_sender_resend(sender, stream, &packet, now);
    return true;
}

/* A packet that probes for bandwidth and means nothing else: on SSRC 0 with a payload type for retransmissions, as Google
 * Meet's servers do. It has no P bit: in an SRTP packet nobody can see from outside how much padding there is, and tools
 * that try see a broken packet. */
static size_t write_padding(struct media_sender *sender, size_t wanted, uint8_t *buf, size_t cap, uint32_t *tag)
{
    enum { PADDING_MIN = 50, PADDING_MAX = 1000 };
    if (sender->padding == NULL)
        return 0;
    const struct send_stream probe = {.config = {.payload_type = sender->padding->config.rtx_payload_type,
                                                 .without = sender->padding->config.without}};
    const struct media_packet packet = {.sequence = sender->padding_sequence};
    size_t len = write_header(sender, &probe, false, &packet, packet.sequence, buf, cap, tag);
    size_t payload = wanted < PADDING_MIN ? PADDING_MIN : wanted > PADDING_MAX ? PADDING_MAX : wanted;
    if (len == 0 || cap - len < payload)
        return 0;
    memset(buf + len, 0, payload);
    sender->padding_sequence++;
    return len + payload;
}

size_t media_sender_write(struct media_sender *sender, uint8_t *buf, size_t cap, nanos now)
{
    struct pacer_packet packet;
    enum pacer_action action;
    media_sender_process(sender, now);
    while ((action = pacer_next(sender->pacer, &packet, now)) != PACER_WAIT) {
        size_t len = 0;
        uint32_t tag = packet.tag;
        if (action == PACER_PAD) {
            len = write_padding(sender, packet.len, buf, cap, &tag);
            sender->padding_bytes += len;
        } else if (packet.len <= cap) {
            memcpy(buf, packet.data, packet.len);
            len = packet.len;
        }
        pacer_done(sender->pacer, len, now);
        if (len == 0)
            continue;
        if (tag >> 16 != 0) { /* the others aren't numbered: gaps would be taken for losses */
            uint64_t number = twcc_history_send(&sender->history, len, now);
            rtp_put_transport_sequence(buf + (tag >> 16), (uint16_t)number);
            congestion_control_sent(sender->congestion, number, len, packet.probe, now);
        }
        if ((tag & 0xffff) != 0)
            bytes_put24(buf + (tag & 0xffff), rtp_abs_send_time(now));
        return len;
    }
    return 0;
}

nanos media_sender_deadline(const struct media_sender *sender)
{
    return nanos_min(pacer_deadline(sender->pacer), congestion_control_deadline(sender->congestion));
}
