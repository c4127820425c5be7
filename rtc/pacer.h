/* Spreads packets over time, so that a key frame doesn't fill the queue of a narrow link at once: a leaky bucket that
 * drains at the pacing rate, as libwebrtc's PacingController. Audio goes at once (but counts), then retransmissions,
 * video, padding. Should what is queued need more than 2 s at the pacing rate, the rate rises so that it doesn't.
 *
 * Probe clusters (rtc/congestion_control.h) are sent as bursts at their own rate, from what is queued and from padding.
 * The pacer holds copies of packets, RTP in the clear: the owner stamps transport-wide sequence numbers, encrypts and
 * sends what comes out:
 *
 *     while ((action = pacer_next(pacer, &packet, now)) != PACER_WAIT) {
 *         size = action == PACER_SEND ? send(packet.data, packet.len) : send_padding(packet.len);
 *         pacer_done(pacer, size, now);
 *     }
 *     call again at pacer_deadline(pacer) */
#ifndef CONFAB_RTC_PACER_H
#define CONFAB_RTC_PACER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/nanos.h"
#include "rtc/congestion_control.h"

#define PACER_QUEUE_TIME_LIMIT (2 * NANOS_PER_S) /* libwebrtc's default */

enum pacer_priority {
    PACER_AUDIO,
    PACER_RETRANSMISSION,
    PACER_VIDEO,
    PACER_PADDING,
};
#define PACER_PRIORITIES 4

struct pacer_config {
    int64_t pacing_bps; /* until pacer_set_rates says otherwise */
    size_t limit_bytes; /* of each priority's queue; 0: 1 MiB */
    nanos burst;        /* what may be sent ahead of time, so that one wake-up sends some packets; 0: 5 ms */
    nanos queue_limit;  /* 0: PACER_QUEUE_TIME_LIMIT */
    bool pace_audio;    /* make audio wait its turn as well */
};

enum pacer_action {
    PACER_WAIT, /* nothing before the deadline */
    PACER_SEND, /* send `data` */
    PACER_PAD,  /* send about `len` bytes of padding, in one or more packets (RTX or padding-only RTP) */
};

struct pacer_packet {
    const uint8_t *data; /* NULL for padding; valid until the next call that takes a pacer */
    size_t len;
    uint32_t tag;   /* the owner's own, from pacer_push */
    uint32_t probe; /* id of the probe cluster that the packet belongs to, 0: none; for congestion_control_sent */
    nanos queued;   /* when it was pushed */
    enum pacer_priority priority;
};

struct pacer;

/* Errors: ERROR_USAGE for a pacing rate that isn't positive, ERROR_SYSTEM when out of memory. */
struct pacer *pacer_create(const struct pacer_config *config, struct error *error);
void pacer_destroy(struct pacer *pacer);

void pacer_set_rates(struct pacer *pacer, int64_t pacing_bps, int64_t padding_bps, nanos now);

/* Queues a probe cluster; it starts with the next video or retransmission packet, or with padding. False when too many
 * wait. Clusters that can't start within 5 s are dropped. */
bool pacer_probe(struct pacer *pacer, const struct probe_cluster *cluster, nanos now);

/* Copies a packet into the queue of its priority. False when the limit is reached or memory is out: then the packet is
 * dropped, as by a full network queue. */
bool pacer_push(struct pacer *pacer, enum pacer_priority priority, uint32_t tag, const void *data, size_t len,
                nanos now);

/* What to send now. Each answer other than PACER_WAIT must be followed by pacer_done. */
enum pacer_action pacer_next(struct pacer *pacer, struct pacer_packet *packet, nanos now);

/* What pacer_next asked for went out as `size` bytes on the wire. 0 means that it was dropped or no padding could be
 * made; then padding is asked for again only once more media was sent. */
void pacer_done(struct pacer *pacer, size_t size, nanos now);

/* When pacer_next will have something if nothing is pushed before; NANOS_NEVER when nothing is due. */
nanos pacer_deadline(const struct pacer *pacer);

struct pacer_stats {
    size_t queued_packets;
    size_t queued_bytes;
    nanos queue_time; /* until what is queued now has left, at the present rate */
    nanos last_delay; /* that the packet sent last spent in the queue */
};
struct pacer_stats pacer_stats(const struct pacer *pacer);

#endif
