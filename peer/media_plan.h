/* What a participant sends: the same words as a scenario's `media`. */
#ifndef CONFAB_PEER_MEDIA_PLAN_H
#define CONFAB_PEER_MEDIA_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

enum { MEDIA_LAYERS_MAX = 3 };

/* What goes over data channels (peer/data_exchange.h). */
struct data_plan {
    bool enabled;           /* the channels are there, if only to receive */
    double messages_per_s;  /* 0: none */
    uint32_t message_bytes; /* each, DATA_HEADER_LEN to DATA_MESSAGE_MAX */
    nanos from, until;      /* when messages are sent */
    int64_t file_bytes;     /* 0: none is sent */
    nanos file_at;          /* and when */
    uint64_t file_seed;     /* its content */
};

struct media_layer {
    uint16_t height;
    double fps;
    int64_t bps;
};

struct media_plan {
    bool audio, video, screen;
    bool clips; /* pictures and voices decode (peer/clip.h) */
    int64_t audio_bps;
    struct media_layer layers[MEDIA_LAYERS_MAX]; /* lowest first; without simulcast the highest alone counts */
    size_t layer_count;
    int64_t screen_bps;
    struct data_plan data;
};

#endif
