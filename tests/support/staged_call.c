#include "tests/support/staged_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "tests/support/suite.h"

#define MS NANOS_PER_MS

struct address staged_at(const char *text)
{
    struct address address = {0};
    CU_ASSERT_TRUE_FATAL(address_parse(&address, text));
    return address;
}

struct analysis *staged_analysis(const struct capture_builder *builder)
{
    struct error error = {0};
    struct analysis *analysis = analysis_of_memory("made-up.pcap", builder->data, builder->len, &error);
    CU_ASSERT_PTR_NOT_NULL_FATAL(analysis);
    CU_ASSERT_PTR_NULL(analysis->captures[0].damage);
    return analysis;
}

struct analysis *staged_analysis_of(const struct capture_builder *builders, size_t count)
{
    char paths[4][40];
    const char *names[4] = {0};
    for (size_t i = 0; i < count; i++) {
        snprintf(paths[i], sizeof paths[i], "/tmp/confab-analysis-XXXXXX");
        int fd = mkstemp(paths[i]);
        CU_ASSERT_FATAL(fd >= 0);
        CU_ASSERT_EQUAL(write(fd, builders[i].data, builders[i].len), (ssize_t)builders[i].len);
        close(fd);
        names[i] = paths[i];
    }
    struct error error = {0};
    struct analysis *analysis = analysis_of_files(names, count, &error);
    for (size_t i = 0; i < count; i++)
        unlink(paths[i]);
    CU_ASSERT_PTR_NOT_NULL_FATAL(analysis);
    return analysis;
}

void staged_send(struct capture_builder *b, nanos time, const struct address *from, const struct address *to,
                 const void *data, size_t len)
{
    capture_builder_udp(b, STAGED_START + time, from, to, data, len);
}

void staged_rtp(struct capture_builder *b, nanos time, const struct address *from, const struct address *to,
                uint8_t type, uint16_t sequence, uint32_t timestamp, uint32_t ssrc, size_t payload)
{
    uint8_t packet[1500];
    size_t len = capture_builder_rtp(packet, type, 0, sequence, timestamp, ssrc, payload);
    staged_send(b, time, from, to, packet, len);
}

void staged_begin(struct staged_message *m, enum stun_class class, uint16_t method, uint32_t id)
{
    uint8_t transaction[STUN_TRANSACTION_ID_LEN] = {0};
    bytes_put32(transaction, id);
    stun_begin(&m->builder, m->data, sizeof m->data, class, method, transaction);
}

void staged_finish(struct staged_message *m)
{
    m->len = stun_finish(&m->builder);
    CU_ASSERT_FATAL(m->len > 0);
}

void staged_check(struct capture_builder *b, nanos time, nanos rtt, const struct address *from,
                  const struct address *to, const struct address *mapped, const char *name, bool nominate, uint32_t id)
{
    struct staged_message m;
    staged_begin(&m, STUN_REQUEST, STUN_BINDING, id);
    stun_put_text(&m.builder, STUN_ATTR_USERNAME, name);
    if (nominate)
        stun_put_flag(&m.builder, STUN_ATTR_USE_CANDIDATE);
    staged_finish(&m);
    staged_send(b, time, from, to, m.data, m.len);
    staged_begin(&m, STUN_SUCCESS, STUN_BINDING, id);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_MAPPED_ADDRESS, mapped);
    staged_finish(&m);
    staged_send(b, time + rtt, to, from, m.data, m.len);
}

struct staged_turn staged_turn_addresses(void)
{
    return (struct staged_turn){
        .client = staged_at("10.0.0.2:5000"),
        .mapped = staged_at("203.0.113.5:6000"),
        .server = staged_at("198.51.100.1:3478"),
        .relayed = staged_at("198.51.100.1:55555"),
        .peer = staged_at("192.0.2.77:7000"),
    };
}

void staged_allocate(struct capture_builder *b, nanos time, const struct staged_turn *turn, bool inside, uint32_t id)
{
    const struct address *client = inside ? &turn->client : &turn->mapped;
    struct staged_message m;
    staged_begin(&m, STUN_REQUEST, STUN_ALLOCATE, id);
    stun_put_transport(&m.builder, STUN_TRANSPORT_UDP);
    staged_finish(&m);
    staged_send(b, time, client, &turn->server, m.data, m.len);
    staged_begin(&m, STUN_ERROR, STUN_ALLOCATE, id);
    stun_put_error_code(&m.builder, STUN_UNAUTHENTICATED, NULL);
    staged_finish(&m);
    staged_send(b, time + 10 * MS, &turn->server, client, m.data, m.len);
    staged_begin(&m, STUN_REQUEST, STUN_ALLOCATE, id + 1);
    stun_put_transport(&m.builder, STUN_TRANSPORT_UDP);
    stun_put_text(&m.builder, STUN_ATTR_USERNAME, "alice");
    staged_finish(&m);
    staged_send(b, time + 11 * MS, client, &turn->server, m.data, m.len);
    staged_begin(&m, STUN_SUCCESS, STUN_ALLOCATE, id + 1);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_RELAYED_ADDRESS, &turn->relayed);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &turn->mapped);
    staged_finish(&m);
    staged_send(b, time + 21 * MS, &turn->server, client, m.data, m.len);
}

size_t staged_channel_data(uint8_t *out, uint16_t channel, const uint8_t *data, size_t len)
{
    bytes_put16(out, channel);
    bytes_put16(out + 2, (uint16_t)len);
    memcpy(out + 4, data, len);
    return len + 4;
}

size_t staged_indication(uint8_t *out, size_t cap, bool send_it, const struct address *peer, const void *data,
                         size_t len)
{
    static const uint8_t id[STUN_TRANSACTION_ID_LEN] = "indication";
    struct stun_builder builder;
    stun_begin(&builder, out, cap, STUN_INDICATION, send_it ? STUN_SEND : STUN_DATA, id);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, peer);
    stun_put_bytes(&builder, STUN_ATTR_DATA, data, len);
    return stun_finish(&builder);
}

void staged_bind_channel(struct capture_builder *b, nanos time, const struct address *client,
                         const struct staged_turn *turn)
{
    struct staged_message m;
    staged_begin(&m, STUN_REQUEST, STUN_CHANNEL_BIND, 50);
    stun_put_u16(&m.builder, STUN_ATTR_CHANNEL_NUMBER, 0x4001);
    stun_put_xor_address(&m.builder, STUN_ATTR_XOR_PEER_ADDRESS, &turn->peer);
    staged_finish(&m);
    staged_send(b, time, client, &turn->server, m.data, m.len);
}
