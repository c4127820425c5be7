/* A frame that a video source made, described: peer/packetizer.h gives it bytes. */
#ifndef CONFAB_PEER_VIDEO_FRAME_H
#define CONFAB_PEER_VIDEO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/nanos.h"

#define VIDEO_FRAME_MIN 40 /* bytes: a VP8 key frame's header and the trailer */

struct video_frame {
    nanos captured;
    uint32_t number;    /* from 0, without gaps */
    uint32_t timestamp; /* RTP, 90 kHz since the source's start; a random offset is the caller's to add */
    size_t size;        /* bytes of the encoded frame, RTP and payload descriptors not counted */
    bool key;
    uint16_t width;
    uint16_t height;
    const uint8_t *data; /* the encoded picture, which outlives the frame; NULL: there is none, its bytes are made up */
    size_t data_len;     /* at most `size` less the trailer; what lies between is filled up */
};

#endif
