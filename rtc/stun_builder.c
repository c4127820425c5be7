#include "rtc/stun.h"

void stun_begin(struct stun_builder *builder, uint8_t *buf, size_t cap, enum stun_class class, uint16_t method,
                const uint8_t transaction_id[STUN_TRANSACTION_ID_LEN])
{
    /* RFC 8489, section 5, figure 3: the class's two bits lie between the method's. */
    unsigned type = (method & 0xfu) | (method & 0x70u) << 1 | (method & 0xf80u) << 2;
    type |= ((unsigned)class & 1) << 4 | ((unsigned)class & 2) << 7;
    builder->writer = writer_of(buf, cap);
    writer_u16(&builder->writer, (uint16_t)type);
    writer_u16(&builder->writer, 0);
    writer_u32(&builder->writer, STUN_MAGIC_COOKIE);
    writer_bytes(&builder->writer, transaction_id, STUN_TRANSACTION_ID_LEN);
}

void stun_begin_response(struct stun_builder *builder, uint8_t *buf, size_t cap, enum stun_class class,
                         const struct stun_message *request)
{
    stun_begin(builder, buf, cap, class, request->method, request->data + 8);
    if (request->classic && !builder->writer.failed)
        memcpy(buf + 4, request->transaction_id, 4); /* RFC 8489, section 11: a classic client gets its 16 bytes back */
}

uint8_t *stun_put_room(struct stun_builder *builder, uint16_t type, size_t len)
{
    struct writer *writer = &builder->writer;
    size_t padding = -len & 3;
    if (len > UINT16_MAX) {
        writer->failed = true;
        return NULL;
    }
    writer_u16(writer, type);
    writer_u16(writer, (uint16_t)len);
    uint8_t *room = writer_room(writer, len);
    uint8_t *tail = writer_room(writer, padding);
    if (tail != NULL)
        memset(tail, 0, padding);
    return writer->failed ? NULL : room;
}

void stun_put_bytes(struct stun_builder *builder, uint16_t type, const void *value, size_t len)
{
    uint8_t *room = stun_put_room(builder, type, len);
    if (room != NULL && len > 0)
        memcpy(room, value, len);
}

void stun_put_text(struct stun_builder *builder, uint16_t type, const char *text)
{
    stun_put_bytes(builder, type, text, strlen(text));
}

void stun_put_flag(struct stun_builder *builder, uint16_t type) { stun_put_bytes(builder, type, NULL, 0); }

void stun_put_u8(struct stun_builder *builder, uint16_t type, uint8_t value)
{
    stun_put_bytes(builder, type, &value, 1);
}

void stun_put_u32(struct stun_builder *builder, uint16_t type, uint32_t value)
{
    uint8_t *room = stun_put_room(builder, type, 4);
    if (room != NULL)
        bytes_put32(room, value);
}

void stun_put_u64(struct stun_builder *builder, uint16_t type, uint64_t value)
{
    uint8_t *room = stun_put_room(builder, type, 8);
    if (room != NULL)
        bytes_put64(room, value);
}

void stun_put_u16(struct stun_builder *builder, uint16_t type, uint16_t value)
{
    stun_put_u32(builder, type, (uint32_t)value << 16);
}

void stun_put_transport(struct stun_builder *builder, uint8_t protocol)
{
    stun_put_u32(builder, STUN_ATTR_REQUESTED_TRANSPORT, (uint32_t)protocol << 24);
}

static uint8_t wire_family(uint8_t family) { return family == ADDRESS_IPV6 ? 2 : 1; } /* RFC 8489, section 14.1 */

void stun_put_family(struct stun_builder *builder, uint16_t type, uint8_t family)
{
    stun_put_u32(builder, type, (uint32_t)wire_family(family) << 24);
}

static uint8_t *put_address(struct stun_builder *builder, uint16_t type, const struct address *address)
{
    uint8_t *room = stun_put_room(builder, type, 4 + address_ip_len(address));
    if (room != NULL) {
        room[0] = 0;
        room[1] = wire_family(address->family);
        bytes_put16(room + 2, address->port);
        memcpy(room + 4, address->ip, address_ip_len(address));
    }
    return room;
}

void stun_put_address(struct stun_builder *builder, uint16_t type, const struct address *address)
{
    put_address(builder, type, address);
}

void stun_put_xor_address(struct stun_builder *builder, uint16_t type, const struct address *address)
{
    uint8_t *room = put_address(builder, type, address);
    if (room == NULL)
        return;
    const uint8_t *mask = builder->writer.start + 4; /* cookie, then transaction id */
    room[2] ^= mask[0];
    room[3] ^= mask[1];
    for (size_t i = 0; i < address_ip_len(address); i++)
        room[4 + i] ^= mask[i];
}

static void put_code(struct stun_builder *builder, uint16_t type, uint8_t family, unsigned code, const char *reason)
{
    if (reason == NULL)
        reason = stun_error_reason(code);
    size_t len = strnlen(reason, STUN_MAX_TEXT);
    uint8_t *room = stun_put_room(builder, type, 4 + len);
    if (room != NULL) {
        bytes_put32(room, (uint32_t)family << 24 | (code / 100 & 7) << 8 | code % 100);
        memcpy(room + 4, reason, len);
    }
}

void stun_put_error_code(struct stun_builder *builder, unsigned code, const char *reason)
{
    put_code(builder, STUN_ATTR_ERROR_CODE, 0, code, reason);
}

void stun_put_address_error_code(struct stun_builder *builder, uint8_t family, unsigned code, const char *reason)
{
    put_code(builder, STUN_ATTR_ADDRESS_ERROR_CODE, wire_family(family), code, reason);
}

void stun_put_unknown_attributes(struct stun_builder *builder, const uint16_t *types, size_t count)
{
    uint8_t *room = stun_put_room(builder, STUN_ATTR_UNKNOWN_ATTRIBUTES, 2 * count);
    for (size_t i = 0; room != NULL && i < count; i++)
        bytes_put16(room + 2 * i, types[i]);
}

void stun_put_password_algorithms(struct stun_builder *builder, uint16_t type, const uint16_t *algorithms, size_t count)
{
    uint8_t *room = stun_put_room(builder, type, 4 * count);
    for (size_t i = 0; room != NULL && i < count; i++)
        bytes_put32(room + 4 * i, (uint32_t)algorithms[i] << 16);
}

void stun_put_integrity(struct stun_builder *builder, enum stun_integrity integrity, const void *key, size_t key_len)
{
    if (integrity == STUN_INTEGRITY_NONE)
        return;
    bool sha256 = integrity == STUN_INTEGRITY_SHA256;
    size_t covered = builder->writer.len;
    uint8_t *room = stun_put_room(builder, sha256 ? STUN_ATTR_MESSAGE_INTEGRITY_SHA256 : STUN_ATTR_MESSAGE_INTEGRITY,
                                  sha256 ? 32 : 20);
    if (room == NULL)
        return;
    uint8_t digest[STUN_KEY_CAP];
    size_t len = stun_hmac(integrity, key, key_len, builder->writer.start, covered,
                           (uint16_t)(builder->writer.len - STUN_HEADER_LEN), digest);
    memcpy(room, digest, len);
}

void stun_put_fingerprint(struct stun_builder *builder)
{
    size_t covered = builder->writer.len;
    uint8_t *room = stun_put_room(builder, STUN_ATTR_FINGERPRINT, 4);
    if (room != NULL && stun_finish(builder) != 0) /* the checksum covers the final length */
        bytes_put32(room, stun_crc32(builder->writer.start, covered) ^ STUN_FINGERPRINT_XOR);
}

size_t stun_finish(struct stun_builder *builder)
{
    struct writer *writer = &builder->writer;
    if (writer->failed || writer->len - STUN_HEADER_LEN > UINT16_MAX)
        return 0;
    bytes_put16(writer->start + 2, (uint16_t)(writer->len - STUN_HEADER_LEN));
    return writer->len;
}
