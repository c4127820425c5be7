/* Makes one continuous RTP stream for a subscriber out of what a forwarder takes from several sources: the layers of a
 * simulcast, one at a time, with pauses, without the temporal layers that aren't wanted. Sequence numbers, timestamps
 * and VP8's running numbers go on as if it all came from one encoder, so a receiver sees no loss where none was and its
 * clock doesn't jump; and what it reports lost is traced back to the source's own number.
 *
 * The forwarder decides what to forward. For each packet it calls
 *   sequence_rewriter_forward   to send it on, late ones and retransmissions included,
 *   sequence_rewriter_drop      to leave it out for good: an unwanted temporal layer, padding,
 * and, before the first packet (of a key frame) of another source, or of the same one after a pause,
 *   sequence_rewriter_switch.
 * Packets that it sends under another SSRC (RTX, probing) don't come here. */
#ifndef CONFAB_RTC_SEQUENCE_REWRITER_H
#define CONFAB_RTC_SEQUENCE_REWRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/renumbering.h"
#include "rtc/rtp.h"
#include "rtc/vp8.h"

#define SEQUENCE_REWRITER_EPOCHS 3 /* sources remembered for late packets and requests: the current one and before */
#define SEQUENCE_REWRITER_GAP_MAX 1000 /* a longer gap in a source is its restart, and is closed */

/* One instant of a source as its last sender report has it (RFC 3550, section 6.4.1). */
struct rtp_clock {
    uint64_t ntp;
    uint32_t timestamp;
};

struct sequence_rewriter_config {
    uint32_t clock_rate;
    uint32_t frame_step;     /* the least by which the timestamp rises at a switch; 0: a thirtieth of a second */
    uint16_t first_sequence; /* what goes out first; random (RFC 3550, section 5.1) */
    uint32_t first_timestamp;
    uint16_t first_picture_id;
    uint8_t first_tl0_picture_index;
    uint8_t first_key_index;
};

/* One stretch of one source. */
struct rewriter_epoch {
    int32_t source;
    uint32_t timestamp_offset; /* out minus in */
    uint32_t clock_offset;     /* the same, without what was added to make the timestamp rise at the switch */
    uint8_t tl0_offset;
    uint8_t key_index_offset;
    bool has_picture_ids;
    struct renumbering sequences;
    struct renumbering pictures;
};

struct sequence_rewriter {
    struct sequence_rewriter_config config;
    bool switching; /* the next packet of `next_source` starts an epoch */
    int32_t next_source;
    bool has_clocks;
    struct rtp_clock from;
    struct rtp_clock to;

    uint64_t epoch_count;    /* so far; the current one is the newest */
    uint32_t last_timestamp; /* the highest that went out, and when its packet came */
    nanos last_at;
    struct vp8_numbers last; /* the highest that went out */
    struct rewriter_epoch epochs[SEQUENCE_REWRITER_EPOCHS];
};

/* What to write into the packet. */
struct rewritten {
    uint16_t sequence;
    uint32_t timestamp;
    struct vp8_numbers vp8;
};

void sequence_rewriter_init(struct sequence_rewriter *rewriter, const struct sequence_rewriter_config *config);

/* With what another one has to begin that goes on, at `now`, where this one ends: other sources, the same stream. */
struct sequence_rewriter_config sequence_rewriter_continuation(const struct sequence_rewriter *rewriter, nanos now);

/* The next packet of `source` to be forwarded continues the stream. `from` and `to`: the last sender reports of the
 * source until now and of the new one, from which follows how their timestamps lie to each other; NULL when either isn't
 * known (or both are one source, whose clock just goes on): then the time that passed tells. */
void sequence_rewriter_switch(struct sequence_rewriter *rewriter, int32_t source, const struct rtp_clock *from,
                              const struct rtp_clock *to);

/* What to send for a packet. */
enum rewriter_verdict {
    REWRITER_NOTHING,
    REWRITER_PACKET, /* the packet, with what is in `rewritten` */
    REWRITER_FILLER, /* a packet without payload, with the sequence number and timestamp in `rewritten`: the number is
                        promised, and without it the receiver would ask again and again */
};

/* A packet of `source`, that arrived at `now`, is to go out: as what? `vp8` is its descriptor, NULL with other codecs.
 * The same packet always gets the same answer. Nothing when it is of a source that isn't (or is no longer) forwarded,
 * from before the switch to it, was dropped, or is too old; a filler when others of its frame were dropped. */
enum rewriter_verdict sequence_rewriter_forward(struct sequence_rewriter *rewriter, int32_t source,
                                                const struct rtp_packet *packet, const struct vp8_descriptor *vp8,
                                                nanos now, struct rewritten *rewritten);

/* A packet is to be left out, and all of its frame when `vp8` isn't NULL. That takes nothing, or a filler when packets
 * behind it have gone out already. */
enum rewriter_verdict sequence_rewriter_drop(struct sequence_rewriter *rewriter, int32_t source,
                                             const struct rtp_packet *packet, const struct vp8_descriptor *vp8,
                                             struct rewritten *rewritten);

/* The receiver asks for `sequence`: which packet of which source is that? It need not have gone out yet: it may have
 * been lost on its way in. Feed what the source's buffer has to sequence_rewriter_forward or _drop. */
bool sequence_rewriter_find(const struct sequence_rewriter *rewriter, uint16_t sequence, int32_t *source,
                            uint16_t *source_sequence);

/* A timestamp of the current source, such as its sender reports', as the receiver knows it. False when `source` isn't
 * the current one. */
bool sequence_rewriter_timestamp(const struct sequence_rewriter *rewriter, int32_t source, uint32_t timestamp,
                                 uint32_t *out);

/* Writes it into the packet's bytes (packet->data, which the caller may write to). */
void sequence_rewriter_apply(uint8_t *data, const struct rtp_packet *packet, const struct vp8_descriptor *vp8,
                             const struct rewritten *rewritten);

#endif
