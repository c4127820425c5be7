/* H.264 in RTP (RFC 6184), as far as a forwarder looks at it: does a key frame start in this packet, and how high is its
 * picture? Packetization modes 0 and 1: single NAL units, STAP-A and FU-A. */
#ifndef CONFAB_RTC_H264_H
#define CONFAB_RTC_H264_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define H264_CLOCK_RATE 90000 /* RFC 6184, section 8.2.1 */

struct h264_payload {
    bool starts_key_frame; /* it has a sequence parameter set, with which those of WebRTC's encoders begin each */
    uint16_t width;        /* as that has them, cropped; 0 when unknown */
    uint16_t height;
};

/* Reads an RTP payload. False when it is cut off, or nothing of these modes. */
bool h264_parse(struct h264_payload *out, const uint8_t *payload, size_t len);

/* The size of the picture by a sequence parameter set, its NAL unit header included (H.264, section 7.3.2.1.1). False
 * when it is cut off or makes no sense. */
bool h264_parse_sps(const uint8_t *sps, size_t len, uint16_t *width, uint16_t *height);

#endif
