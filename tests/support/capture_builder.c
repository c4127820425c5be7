#include "tests/support/capture_builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static void add(struct capture_builder *builder, const void *data, size_t len)
{
    while (builder->cap - builder->len < len) {
        builder->cap = builder->cap == 0 ? 4096 : builder->cap * 2;
        builder->data = realloc(builder->data, builder->cap);
        if (builder->data == NULL)
            abort();
    }
    memcpy(builder->data + builder->len, data, len);
    builder->len += len;
}

static void add32(struct capture_builder *builder, uint32_t value)
{
    uint8_t bytes[4];
    bytes_put32(bytes, value);
    add(builder, bytes, sizeof bytes);
}

struct capture_builder capture_builder_begin(uint16_t link_type)
{
    struct capture_builder builder = {0};
    add32(&builder, 0xa1b23c4d); /* big-endian, nanoseconds */
    add32(&builder, 0x00020004);
    add32(&builder, 0);
    add32(&builder, 0);
    add32(&builder, 65535);
    add32(&builder, link_type);
    return builder;
}

void capture_builder_clear(struct capture_builder *builder)
{
    free(builder->data);
    *builder = (struct capture_builder){0};
}

void capture_builder_frame(struct capture_builder *builder, nanos time, const uint8_t *frame, size_t len)
{
    size_t captured = builder->snap > 0 && len > builder->snap ? builder->snap : len;
    add32(builder, (uint32_t)(time / NANOS_PER_S));
    add32(builder, (uint32_t)(time % NANOS_PER_S));
    add32(builder, (uint32_t)captured);
    add32(builder, (uint32_t)len);
    add(builder, frame, captured);
}

static size_t ip_header(uint8_t *out, const struct address *source, const struct address *destination, uint8_t protocol,
                        size_t payload_len)
{
    if (source->family == ADDRESS_IPV6) {
        memset(out, 0, 40);
        out[0] = 0x60;
        bytes_put16(out + 4, (uint16_t)payload_len);
        out[6] = protocol;
        out[7] = 64;
        memcpy(out + 8, source->ip, 16);
        memcpy(out + 24, destination->ip, 16);
        return 40;
    }
    memset(out, 0, 20);
    out[0] = 0x45;
    bytes_put16(out + 2, (uint16_t)(20 + payload_len));
    out[8] = 64;
    out[9] = protocol;
    memcpy(out + 12, source->ip, 4);
    memcpy(out + 16, destination->ip, 4);
    return 20;
}

size_t capture_builder_ip_udp(uint8_t *out, const struct address *source, const struct address *destination,
                              const void *payload, size_t len)
{
    size_t at = ip_header(out, source, destination, 17, len + 8);
    bytes_put16(out + at, source->port);
    bytes_put16(out + at + 2, destination->port);
    bytes_put16(out + at + 4, (uint16_t)(len + 8));
    bytes_put16(out + at + 6, 0);
    memcpy(out + at + 8, payload, len);
    return at + 8 + len;
}

void capture_builder_udp(struct capture_builder *builder, nanos time, const struct address *source,
                         const struct address *destination, const void *payload, size_t len)
{
    uint8_t *packet = malloc(len + 60);
    if (packet == NULL)
        abort();
    size_t packet_len = capture_builder_ip_udp(packet, source, destination, payload, len);
    capture_builder_frame(builder, time, packet, packet_len);
    free(packet);
}

void capture_builder_tcp(struct capture_builder *builder, nanos time, const struct address *source,
                         const struct address *destination, uint32_t sequence, uint8_t flags, const void *payload,
                         size_t len)
{
    uint8_t *packet = malloc(len + 80);
    if (packet == NULL)
        abort();
    size_t at = ip_header(packet, source, destination, 6, len + 20);
    uint8_t *tcp = packet + at;
    memset(tcp, 0, 20);
    bytes_put16(tcp, source->port);
    bytes_put16(tcp + 2, destination->port);
    bytes_put32(tcp + 4, sequence);
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    if (len > 0)
        memcpy(tcp + 20, payload, len);
    capture_builder_frame(builder, time, packet, at + 20 + len);
    free(packet);
}

size_t capture_builder_rtp(uint8_t *out, uint8_t payload_type, int marker, uint16_t sequence, uint32_t timestamp,
                           uint32_t ssrc, size_t payload_len)
{
    out[0] = 0x80;
    out[1] = (uint8_t)(payload_type | (marker ? 0x80 : 0));
    bytes_put16(out + 2, sequence);
    bytes_put32(out + 4, timestamp);
    bytes_put32(out + 8, ssrc);
    memset(out + 12, 0xee, payload_len);
    return 12 + payload_len;
}
