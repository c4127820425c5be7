/* What one participant receives of a publication: one continuous stream, taken from the layer that its downlink carries.
 *
 * A layer is changed at the first packet of a key frame of the new one; until that comes the old one goes on. */
#ifndef CONFAB_SFU_SUBSCRIPTION_H
#define CONFAB_SFU_SUBSCRIPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/nanos.h"
#include "rtc/send_stream.h"
#include "rtc/sequence_rewriter.h"
#include "sfu/publication.h"

struct subscription_links {
    struct subscription *prev, *next;
};

struct subscription {
    struct publication *publication;
    struct sfu_participant *subscriber;
    uint32_t ssrc, rtx_ssrc;    /* 0 until it was offered */
    struct send_stream *stream; /* NULL until the subscriber has agreed */
    bool has_section;           /* of the subscriber's session */
    bool refused;               /* by the subscriber: it isn't offered again */
    bool started;               /* something was forwarded */
    int32_t wish;               /* the subscriber's own for this one: as room_track's height */
    int32_t height;             /* wanted, 0 for nothing; see sfu/layout.h */
    int current;                /* the layer forwarded, or LAYER_NONE */
    int wanted;
    int previous; /* the layer before, whose late packets still count for a while */
    nanos switched_at;
    nanos key_frame_forwarded; /* when last; NANOS_NEVER: never */
    struct sequence_rewriter rewriter;
    struct subscription_links of_publication, of_subscriber;
};

/* NULL when out of memory. Forwards nothing yet. */
struct subscription *subscription_create(struct publication *publication, struct sfu_participant *subscriber);
void subscription_destroy(struct subscription *subscription, nanos now);

/* The subscriber agreed to receive it, with these payload types and MID. `numbers`: with which its stream goes on, when
 * it had another publication before; NULL: random ones. */
void subscription_start(struct subscription *subscription, const struct send_stream_config *config,
                        const struct sequence_rewriter_config *numbers, nanos now);
void subscription_stop(struct subscription *subscription);

/* The subscriber tells how large it shows this one, as room_track's height. */
void subscription_wish(struct subscription *subscription, int32_t height, nanos now);

/* Chooses a layer; LAYER_NONE pauses. */
void subscription_want(struct subscription *subscription, int layer, nanos now);

/* A packet of the publication arrived. */
void subscription_forward(struct subscription *subscription, const struct forwarded_packet *forwarded, nanos now);

/* The subscriber lacks a packet. */
void subscription_repair(struct subscription *subscription, uint16_t sequence, nanos now);

/* The subscriber can't decode. */
void subscription_key_frame_wanted(struct subscription *subscription, nanos now);

#endif
