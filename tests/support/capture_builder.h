/* Makes captures for tests, in memory: pcap files of UDP datagrams, TCP segments or any frames. Aborts when out of memory. */
#ifndef CONFAB_TESTS_SUPPORT_CAPTURE_BUILDER_H
#define CONFAB_TESTS_SUPPORT_CAPTURE_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/nanos.h"

struct capture_builder {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t snap; /* bytes kept of each frame; 0: all */
};

/* An empty pcap file with nanosecond times. `link_type` is a LINKTYPE_ value. */
struct capture_builder capture_builder_begin(uint16_t link_type);
void capture_builder_clear(struct capture_builder *builder);

/* A frame as it is. */
void capture_builder_frame(struct capture_builder *builder, nanos time, const uint8_t *frame, size_t len);

/* IPv4 or IPv6 and UDP around a payload, without a link layer (LINK_RAW). */
void capture_builder_udp(struct capture_builder *builder, nanos time, const struct address *source,
                         const struct address *destination, const void *payload, size_t len);

/* The same with TCP; `flags` as on the wire: 0x02 SYN, 0x10 ACK. */
void capture_builder_tcp(struct capture_builder *builder, nanos time, const struct address *source,
                         const struct address *destination, uint32_t sequence, uint8_t flags, const void *payload,
                         size_t len);

/* The IP packet that those two add: returns its length. `out` has room for len + 60. */
size_t capture_builder_ip_udp(uint8_t *out, const struct address *source, const struct address *destination,
                              const void *payload, size_t len);

/* An RTP packet with `payload_len` bytes of payload, all 0xee; returns its length. */
size_t capture_builder_rtp(uint8_t *out, uint8_t payload_type, int marker, uint16_t sequence, uint32_t timestamp,
                           uint32_t ssrc, size_t payload_len);

#endif
