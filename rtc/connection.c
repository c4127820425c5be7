#include "rtc/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rtc/rtcp.h"

enum {
    CNAME_CAP = 32,
    RTCP_CAP = 1200,
    BLOCKS_MAX = 31, /* RFC 3550, section 6.4.1: five bits */
};

/* Reports come about once a second, each drawn from 0.5 to 1.5 of that, so that many don't fall together (RFC 3550,
 * section 6.2). */
#define REPORT_INTERVAL NANOS_PER_S

struct traffic {
    uint64_t packets, bytes; /* of SRTP */
};

struct connection {
    /* What each packet received needs comes first. */
    struct transport *transport;
    const struct connection_callbacks *callbacks;
    void *user;
    struct traffic received;
    nanos rest;   /* when something other than feedback is due, unless it is stirred */
    bool stirred; /* more than media has happened since connection_write had nothing to say */
    bool up;      /* media may flow */
    struct media_receiver receiver;
    struct media_sender sender;
    struct rng rng;
    uint32_t ssrc;
    char cname[CNAME_CAP];
    nanos report_due;
    struct traffic sent;
    struct data_channels *data; /* NULL: none were agreed on */
    uint64_t data_sent, data_received;
    bool by_relay; /* the last packet went into a relay: it comes out of the transport */
};

static void receive_media(void *user, enum transport_media kind, uint8_t *data, size_t len, nanos now);
static void receive_data(void *user, const uint8_t *data, size_t len, nanos now);

struct connection *connection_create(const struct connection_config *config, struct error *error)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        error_set(error, ERROR_SYSTEM, "out of memory");
        return NULL;
    }
    c->callbacks = config->callbacks;
    c->user = config->user;
    c->ssrc = config->ssrc;
    c->rng = rng_of(config->seed, "connection", 0);
    c->report_due = NANOS_NEVER;
    c->stirred = true;
    snprintf(c->cname, sizeof c->cname, "%s", config->cname != NULL ? config->cname : "confab");
    media_receiver_init(&c->receiver, &config->extensions, config->ntp_origin);
    c->receiver.network_latency = config->network_latency;
    struct transport_config transport = config->transport;
    transport.media = receive_media;
    transport.data = receive_data;
    transport.media_user = transport.data_user = c;
    if (!media_sender_init(&c->sender, &config->congestion, &config->extensions, config->ntp_origin, config->seed,
                           error)) {
        free(c);
        return NULL;
    }
    c->transport = transport_create(&transport, error);
    if (c->transport == NULL) {
        connection_destroy(c);
        return NULL;
    }
    return c;
}

void connection_destroy(struct connection *c)
{
    if (c == NULL)
        return;
    data_channels_destroy(c->data);
    transport_destroy(c->transport);
    media_sender_clear(&c->sender);
    media_receiver_clear(&c->receiver);
    free(c);
}

/* Who asks for it may change it. */
struct transport *connection_transport(struct connection *c)
{
    c->stirred = true;
    return c->transport;
}

void connection_set_extensions(struct connection *c, const struct rtp_extension_map *extensions)
{
    c->sender.extensions = *extensions;
    c->receiver.extensions = *extensions;
}

struct send_stream *connection_add_send_stream(struct connection *c, const struct send_stream_config *config)
{
    c->stirred = true;
    return media_sender_add(&c->sender, config);
}

void connection_remove_send_stream(struct connection *c, struct send_stream *stream)
{
    c->stirred = true;
    media_sender_remove(&c->sender, stream);
}

struct receive_stream *connection_add_receive_stream(struct connection *c, const struct receive_stream_config *config)
{
    return media_receiver_add(&c->receiver, config);
}

void connection_remove_receive_stream(struct connection *c, struct receive_stream *stream)
{
    media_receiver_remove(&c->receiver, stream);
}

/* --- in ------------------------------------------------------------------------------------------------------------------ */

static void rate_changed(struct connection *c, nanos now)
{
    if (c->callbacks->rate != NULL)
        c->callbacks->rate(c->user, c->sender.target_bps, now);
}

static void receive_rtp(struct connection *c, uint8_t *data, size_t len, nanos now)
{
    struct media_arrival arrival;
    if (!media_receiver_read(&c->receiver, data, len, now, &arrival) || arrival.stream == NULL)
        return;
    if (c->callbacks->packet != NULL)
        c->callbacks->packet(c->user, arrival.stream, &arrival.packet, &arrival.extensions, arrival.recovered, now);
    if (arrival.stuck && c->callbacks->stuck != NULL)
        c->callbacks->stuck(c->user, arrival.stream, now);
}

struct nack_visit {
    struct connection *connection;
    struct send_stream *stream;
    nanos now;
};

static void visit_nack(void *user, uint16_t sequence)
{
    const struct nack_visit *visit = user;
    struct connection *c = visit->connection;
    if (!media_sender_answer_nack(&c->sender, visit->stream, sequence, visit->now) &&
        c->callbacks->packet_wanted != NULL)
        c->callbacks->packet_wanted(c->user, visit->stream, sequence, visit->now);
}

static void receive_nack(struct connection *c, const struct rtcp_packet *packet, nanos now)
{
    struct rtcp_feedback feedback;
    if (!rtcp_read_feedback(packet, &feedback))
        return;
    struct nack_visit visit = {.connection = c, .now = now};
    visit.stream = media_sender_find(&c->sender, feedback.media_ssrc);
    if (visit.stream != NULL)
        rtcp_read_nack(packet, &feedback, visit_nack, &visit);
}

static void want_key_frame(struct connection *c, uint32_t ssrc, nanos now)
{
    struct send_stream *stream = media_sender_find(&c->sender, ssrc);
    if (stream != NULL && c->callbacks->key_frame_wanted != NULL)
        c->callbacks->key_frame_wanted(c->user, stream, now);
}

static void receive_payload_feedback(struct connection *c, const struct rtcp_packet *packet, nanos now)
{
    struct rtcp_feedback feedback;
    struct rtcp_remb remb;
    struct rtcp_fir fir;
    if (rtcp_read_pli(packet, &feedback)) {
        want_key_frame(c, feedback.media_ssrc, now);
    } else if (rtcp_read_remb(packet, &remb)) {
        int64_t bps = remb.bitrate_bps > INT64_MAX ? INT64_MAX : (int64_t)remb.bitrate_bps;
        if (media_sender_remb(&c->sender, bps, now))
            rate_changed(c, now);
    } else {
        for (size_t i = 0; rtcp_fir_entry(packet, i, &fir); i++) {
            struct send_stream *stream = media_sender_find(&c->sender, fir.ssrc);
            if (stream == NULL || stream->fir_number == fir.number)
                continue; /* RFC 5104, section 4.3.1.1: the same number is the same request */
            stream->fir_number = fir.number;
            want_key_frame(c, fir.ssrc, now);
        }
    }
}

static void receive_report_blocks(struct connection *c, const struct rtcp_packet *packet, nanos now)
{
    struct rtcp_report_block block;
    bool changed = false;
    for (size_t i = 0; rtcp_report_block(packet, i, &block); i++)
        changed = media_sender_report_block(&c->sender, &block, now) || changed;
    if (c->sender.rtt > 0)
        media_receiver_set_rtt(&c->receiver, c->sender.rtt);
    if (changed)
        rate_changed(c, now);
}

static void receive_rtcp(struct connection *c, const uint8_t *data, size_t len, nanos now)
{
    struct rtcp_cursor cursor = rtcp_walk(data, len);
    struct rtcp_packet packet;
    while (rtcp_next(&cursor, &packet)) {
        struct rtcp_sender_info info;
        switch (packet.type) {
        case RTCP_SENDER_REPORT:
            if (rtcp_read_sender_report(&packet, &info))
                media_receiver_sender_report(&c->receiver, &info, now);
            receive_report_blocks(c, &packet, now);
            break;
        case RTCP_RECEIVER_REPORT:
            receive_report_blocks(c, &packet, now);
            break;
        case RTCP_TRANSPORT_FEEDBACK:
            if (packet.count == RTCP_FORMAT_NACK)
                receive_nack(c, &packet, now);
            else if (media_sender_transport_feedback(&c->sender, &packet, now))
                rate_changed(c, now);
            break;
        case RTCP_PAYLOAD_FEEDBACK:
            receive_payload_feedback(c, &packet, now);
            break;
        default:
            break; /* SDES, BYE, XR: signalling tells who comes and goes */
        }
    }
}

static void receive_media(void *user, enum transport_media kind, uint8_t *data, size_t len, nanos now)
{
    struct connection *c = user;
    if (kind == TRANSPORT_RTCP) {
        receive_rtcp(c, data, len, now);
        return;
    }
    c->received.packets++;
    c->received.bytes += len + srtp_profile_tag_len(transport_profile(c->transport));
    receive_rtp(c, data, len, now);
}

int connection_read(struct connection *c, int socket, const struct address *remote, uint8_t *data, size_t len,
                    nanos now)
{
    uint64_t before = c->received.packets;
    int taken = transport_read(c->transport, socket, remote, data, len, now);
    c->stirred = c->stirred || c->received.packets == before || transport_has_relays(c->transport);
    return taken;
}

/* --- data channels -------------------------------------------------------------------------------------------------------- */

bool connection_enable_data(struct connection *c, const struct data_channels_config *config, struct error *error)
{
    c->stirred = true;
    if (c->data == NULL)
        c->data = data_channels_create(config, error);
    if (c->data != NULL)
        transport_expect_data(c->transport);
    return c->data != NULL;
}

struct data_channels *connection_data(struct connection *c)
{
    c->stirred = true;
    return c->data;
}

static void tell_data(struct connection *c, nanos now)
{
    struct data_channel_event event;
    while (data_channels_event(c->data, &event, now)) {
        if (c->callbacks->data != NULL)
            c->callbacks->data(c->user, &event, now);
    }
}

static void receive_data(void *user, const uint8_t *data, size_t len, nanos now)
{
    struct connection *c = user;
    if (c->data == NULL || data_channels_read(c->data, data, len, now) < 0)
        return;
    c->data_received += len;
    tell_data(c, now);
}

/* True when a packet went to DTLS, and comes out of the transport. */
static bool write_data(struct connection *c, uint8_t *buf, size_t cap, nanos now)
{
    if (c->data == NULL || data_channels_deadline(c->data) > now)
        return false;
    tell_data(c, now);
    ssize_t len = data_channels_write(c->data, buf, cap, now);
    if (len <= 0)
        return false;
    c->data_sent += (size_t)len;
    transport_send_data(c->transport, buf, (size_t)len, now);
    return true;
}

static void start_data(struct connection *c, nanos now)
{
    bool client = transport_role(c->transport) == DTLS_CLIENT;
    if (c->data == NULL || data_channels_started(c->data))
        return;
    /* Out of memory: nothing but data channels suffers, which never open. */
    data_channels_start(c->data, client, transport_data_max(c->transport), now, NULL);
}

void connection_close(struct connection *c, nanos now)
{
    uint8_t buf[DTLS_MTU_DEFAULT];
    c->stirred = true;
    if (c->data != NULL) {
        data_channels_abort(c->data, now);
        while (write_data(c, buf, sizeof buf, now))
            ;
    }
    transport_close(c->transport, now);
}

/* --- out ----------------------------------------------------------------------------------------------------------------- */

bool connection_send(struct connection *c, struct send_stream *stream, const struct media_packet *packet, nanos now)
{
    c->stirred = true;
    if (!c->up) {
        c->sender.dropped++;
        return false;
    }
    return media_sender_send(&c->sender, stream, packet, now);
}

bool connection_resend(struct connection *c, struct send_stream *stream, const struct media_packet *packet, nanos now)
{
    c->stirred = true;
    return c->up && media_sender_resend(&c->sender, stream, packet, now);
}

void connection_request_key_frame(struct connection *c, struct receive_stream *stream, nanos now)
{
    media_receiver_request_key_frame(&c->receiver, stream, now);
}

/* SR of each stream that has sent, the first with the report blocks, or an RR; then SDES. What doesn't fit is told next
 * time. */
static void write_reports(struct connection *c, struct writer *writer, nanos now)
{
    struct rtcp_report_block blocks[BLOCKS_MAX];
    size_t block_count = media_receiver_report(&c->receiver, blocks, BLOCKS_MAX, now);
    uint32_t ssrc = c->ssrc;
    bool first = true;
    for (struct send_stream *stream = c->sender.streams; stream != NULL; stream = stream->hh.next) {
        struct rtcp_sender_info info;
        if (!send_statistics_report(&stream->statistics, &info, now))
            continue;
        if (first)
            ssrc = info.ssrc;
        rtcp_write_sender_report(writer, &info, blocks, first ? block_count : 0);
        first = false;
    }
    if (first)
        rtcp_write_receiver_report(writer, c->ssrc, blocks, block_count);
    rtcp_write_sdes_cname(writer, ssrc, c->cname);
    c->report_due = now + REPORT_INTERVAL / 2 + (nanos)rng_below(&c->rng, REPORT_INTERVAL);
}

static uint32_t own_ssrc(const struct connection *c)
{
    return c->sender.streams != NULL ? c->sender.streams->config.ssrc : c->ssrc;
}

static size_t write_rtcp(struct connection *c, uint8_t *buf, size_t cap, nanos now)
{
    struct writer writer = writer_of(buf, cap < RTCP_CAP ? cap : RTCP_CAP);
    if (c->report_due <= now)
        write_reports(c, &writer, now);
    if (media_receiver_deadline(&c->receiver) <= now) {
        size_t reports = writer.len;
        /* A report comes first, if an empty one (RFC 3550, section 6.1). RFC 5506 lets feedback stand alone, but then
         * Wireshark takes it for RTP, or reads what is encrypted. */
        if (reports == 0)
            rtcp_write_receiver_report(&writer, own_ssrc(c), NULL, 0);
        size_t before = writer.len;
        media_receiver_write_feedback(&c->receiver, own_ssrc(c), &writer, now);
        if (writer.len == before)
            writer.len = reports;
    }
    return writer.len;
}

static void note_state(struct connection *c, nanos now)
{
    enum transport_state state = transport_state(c->transport);
    /* While disconnected there may be consent left: the transport knows. */
    bool up = state == TRANSPORT_CONNECTED || state == TRANSPORT_DISCONNECTED;
    if (up && !c->up && c->report_due == NANOS_NEVER) {
        c->report_due = now + (nanos)rng_below(&c->rng, REPORT_INTERVAL / 2);
        media_sender_start(&c->sender, now);
        rate_changed(c, now);
    }
    c->up = up;
    if (up)
        start_data(c, now);
}

static ssize_t write_next(struct connection *c, struct transport_route *route, uint8_t *buf, size_t cap, nanos now)
{
    /* What is sealed for a relay comes out of the transport in the round that follows. */
    for (;;) {
        ssize_t control = 0;
        if (c->by_relay || transport_deadline(c->transport) <= now)
            control = transport_write(c->transport, route, buf, cap, now);
        if (control > 0)
            return control;
        c->by_relay = false;
        note_state(c, now);
        if (!c->up)
            return 0;
        enum transport_media kind = TRANSPORT_RTCP;
        size_t len = write_rtcp(c, buf, cap, now);
        if (len == 0) {
            kind = TRANSPORT_RTP;
            int64_t before = c->sender.target_bps;
            len = media_sender_write(&c->sender, buf, cap, now);
            if (c->sender.target_bps != before)
                rate_changed(c, now);
        }
        if (len == 0 && write_data(c, buf, cap, now))
            continue;
        if (len == 0)
            return 0;
        enum transport_seal sealed = transport_seal(c->transport, kind, buf, &len, cap, route, now);
        if (sealed == TRANSPORT_DROPPED) {
            c->sender.dropped++;
            continue;
        }
        if (kind == TRANSPORT_RTP) {
            c->sent.packets++;
            c->sent.bytes += len;
        }
        if (sealed == TRANSPORT_SENT)
            return (ssize_t)len;
        c->by_relay = true;
    }
}

/* When anything but feedback on what is received is due. */
static nanos rest_deadline(const struct connection *c)
{
    nanos deadline = transport_deadline(c->transport);
    if (!c->up)
        return deadline;
    deadline = nanos_min(deadline, c->report_due);
    if (c->data != NULL)
        deadline = nanos_min(deadline, data_channels_started(c->data) ? data_channels_deadline(c->data) : 0);
    return nanos_min(deadline, media_sender_deadline(&c->sender));
}

ssize_t connection_write(struct connection *c, struct transport_route *route, uint8_t *buf, size_t cap, nanos now)
{
    ssize_t len = write_next(c, route, buf, cap, now);
    c->stirred = len > 0;
    if (!c->stirred)
        c->rest = rest_deadline(c);
    return len;
}

nanos connection_deadline(const struct connection *c)
{
    nanos rest = c->stirred ? rest_deadline(c) : c->rest;
    return c->up ? nanos_min(rest, media_receiver_deadline(&c->receiver)) : rest;
}

bool connection_is_calm(const struct connection *c) { return !c->stirred; }

/* --- rates and statistics ------------------------------------------------------------------------------------------------ */

void connection_set_allocated(struct connection *c, int64_t bps, nanos now)
{
    c->stirred = true;
    congestion_control_set_allocated(c->sender.congestion, bps, now);
}

int64_t connection_target_bps(const struct connection *c) { return c->sender.target_bps; }

static uint64_t streams_sent(const struct connection *c)
{
    uint64_t count = 0;
    for (const struct send_stream *stream = c->sender.streams; stream != NULL; stream = stream->hh.next)
        count += stream->packets > 0;
    return count;
}

static uint64_t streams_received(const struct connection *c)
{
    uint64_t count = 0;
    for (const struct receive_stream *stream = c->receiver.streams; stream != NULL; stream = stream->next)
        count += stream->packets > 0;
    return count;
}

nanos connection_rtt(const struct connection *c)
{
    struct transport_path_info path;
    if (c->sender.rtt == 0 && transport_path(c->transport, &path))
        return path.rtt;
    return c->sender.rtt;
}

struct connection_statistics connection_statistics(const struct connection *c)
{
    return (struct connection_statistics){
        .packets_sent = c->sent.packets,
        .bytes_sent = c->sent.bytes,
        .packets_received = c->received.packets,
        .bytes_received = c->received.bytes,
        .streams_sent = streams_sent(c),
        .streams_received = streams_received(c),
        .padding_sent = c->sender.padding_bytes,
        .retransmitted_packets = c->sender.retransmitted_packets,
        .retransmitted_bytes = c->sender.retransmitted_bytes,
        .packets_dropped = c->sender.dropped,
        .data_bytes_sent = c->data_sent,
        .data_bytes_received = c->data_received,
        .rtt = connection_rtt(c),
        .queued_bytes = pacer_stats(c->sender.pacer).queued_bytes,
    };
}
