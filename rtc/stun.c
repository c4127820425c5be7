#include "rtc/stun.h"

#define ATTRIBUTE_HEADER_LEN 4

/* RFC 8489, section 14.1. */
#define FAMILY_IPV4 1
#define FAMILY_IPV6 2

static size_t padded(size_t len) { return (len + 3) & ~(size_t)3; }

/*  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---+-----------+-+-----+-+-------+-----------------------------+
 * |0 0|  M11..M7  |C1 M6-4|C0 M3-0  |         Message Length        |
 * +---+-----------+-+-----+-+-------+-----------------------------+
 * |                         Magic Cookie                          |
 * |                     Transaction ID (96 bits)                  |
 * +---------------------------------------------------------------+
 * Then attributes: type (16 bits), length without padding (16), value, padding to a multiple of 4 bytes. */

static void read_type(struct stun_message *message, uint16_t type)
{
    message->class = (uint8_t)((type >> 7 & 2) | (type >> 4 & 1));
    message->method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
}

/* Checks that every attribute lies inside the message, and notes the three whose position matters. */
static bool walk(struct stun_message *message, struct error *error)
{
    size_t at = STUN_HEADER_LEN;
    while (at < message->len) {
        /* The length is a multiple of 4 and so is `at`: a header is always whole, and padding fits if the value does. */
        uint16_t type = bytes_get16(message->data + at);
        size_t len = bytes_get16(message->data + at + 2);
        size_t left = message->len - at - ATTRIBUTE_HEADER_LEN;
        if (len > left)
            return error_set(error, ERROR_PROTOCOL, "STUN attribute 0x%04x at byte %zu claims %zu bytes of %zu left",
                             type, at, len, left);
        if (type == STUN_ATTR_FINGERPRINT && message->fingerprint == 0)
            message->fingerprint = at;
        if (type == STUN_ATTR_MESSAGE_INTEGRITY && message->integrity == 0 && message->integrity_sha256 == 0)
            message->integrity = at;
        if (type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256 && message->integrity_sha256 == 0)
            message->integrity_sha256 = at;
        at += ATTRIBUTE_HEADER_LEN + padded(len);
    }
    return true;
}

static bool check_length(const uint8_t *data, size_t len, struct error *error)
{
    if (len < STUN_HEADER_LEN)
        return error_set(error, ERROR_PROTOCOL, "STUN message of %zu bytes is shorter than its header", len);
    size_t claimed = stun_claimed_len(data);
    if (claimed % 4 != 0)
        return error_set(error, ERROR_PROTOCOL, "STUN length %zu is not a multiple of 4", claimed - STUN_HEADER_LEN);
    if (claimed != len)
        return error_set(error, ERROR_PROTOCOL, "STUN message claims %zu bytes and has %zu", claimed, len);
    return true;
}

bool stun_parse(struct stun_message *message, const uint8_t *data, size_t len, struct error *error)
{
    if (!check_length(data, len, error))
        return false;
    if (!stun_is(data, len))
        return error_set(error, ERROR_PROTOCOL, "not STUN: first byte 0x%02x, cookie 0x%08x", data[0],
                         bytes_get32(data + 4));
    *message = (struct stun_message){.data = data, .len = len, .transaction_id = data + 8};
    read_type(message, bytes_get16(data));
    return walk(message, error);
}

bool stun_parse_classic(struct stun_message *message, const uint8_t *data, size_t len, struct error *error)
{
    if (!check_length(data, len, error))
        return false;
    *message = (struct stun_message){.data = data, .len = len, .transaction_id = data + 4, .classic = true};
    read_type(message, bytes_get16(data));
    bool known = message->method == STUN_BINDING || message->method == STUN_SHARED_SECRET;
    if (data[0] >= 4 || stun_is(data, len) || !known || message->class == STUN_INDICATION)
        return error_set(error, ERROR_PROTOCOL, "not an RFC 3489 message: type 0x%04x", bytes_get16(data));
    return walk(message, error);
}

static size_t smallest_set(size_t a, size_t b) { return a == 0 || (b != 0 && b < a) ? b : a; }

bool stun_next(const struct stun_message *message, struct stun_attribute *attribute)
{
    size_t sealed = smallest_set(message->integrity, message->integrity_sha256);
    size_t at = STUN_HEADER_LEN;
    if (attribute->value != NULL)
        at = (size_t)(attribute->value - message->data) + padded(attribute->len);
    while (at < message->len) {
        const uint8_t *header = message->data + at;
        attribute->type = bytes_get16(header);
        attribute->len = bytes_get16(header + 2);
        attribute->value = header + ATTRIBUTE_HEADER_LEN;
        if (sealed == 0 || at <= sealed || at == message->integrity_sha256 || at == message->fingerprint)
            return true;
        at += ATTRIBUTE_HEADER_LEN + padded(attribute->len);
    }
    return false;
}

bool stun_find(const struct stun_message *message, uint16_t type, struct stun_attribute *attribute)
{
    *attribute = (struct stun_attribute){0};
    while (stun_next(message, attribute)) {
        if (attribute->type == type)
            return true;
    }
    return false;
}

/*  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +---------------+---------------+-------------------------------+
 * |       0       |    Family     |             Port              |
 * +---------------+---------------+-------------------------------+
 * |                 Address (32 bits or 128 bits)                 |
 * +---------------------------------------------------------------+
 * XORed: the port with the cookie's first 16 bits, the address with cookie and transaction id. */
static bool read_address(const struct stun_message *message, uint16_t type, bool xored, struct address *address)
{
    struct stun_attribute attribute;
    if (!stun_find(message, type, &attribute) || attribute.len < 4)
        return false;
    const uint8_t *value = attribute.value;
    size_t ip_len = value[1] == FAMILY_IPV6 ? 16 : 4;
    if ((value[1] != FAMILY_IPV4 && value[1] != FAMILY_IPV6) || attribute.len != 4 + ip_len)
        return false;
    struct address read = {.family = value[1] == FAMILY_IPV6 ? ADDRESS_IPV6 : ADDRESS_IPV4,
                           .port = bytes_get16(value + 2)};
    memcpy(read.ip, value + 4, ip_len);
    if (xored) {
        read.port ^= STUN_MAGIC_COOKIE >> 16;
        for (size_t i = 0; i < ip_len; i++)
            read.ip[i] ^= message->data[4 + i]; /* cookie, then transaction id */
    }
    *address = read;
    return true;
}

bool stun_get_address(const struct stun_message *message, uint16_t type, struct address *address)
{
    return read_address(message, type, false, address);
}

bool stun_get_xor_address(const struct stun_message *message, uint16_t type, struct address *address)
{
    return read_address(message, type, true, address);
}

bool stun_get_mapped_address(const struct stun_message *message, struct address *address)
{
    return stun_get_xor_address(message, STUN_ATTR_XOR_MAPPED_ADDRESS, address) ||
           stun_get_address(message, STUN_ATTR_MAPPED_ADDRESS, address);
}

bool stun_get_u32(const struct stun_message *message, uint16_t type, uint32_t *value)
{
    struct stun_attribute attribute;
    if (!stun_find(message, type, &attribute) || attribute.len != 4)
        return false;
    *value = bytes_get32(attribute.value);
    return true;
}

bool stun_get_u64(const struct stun_message *message, uint16_t type, uint64_t *value)
{
    struct stun_attribute attribute;
    if (!stun_find(message, type, &attribute) || attribute.len != 8)
        return false;
    *value = bytes_get64(attribute.value);
    return true;
}

bool stun_get_u16(const struct stun_message *message, uint16_t type, uint16_t *value)
{
    struct stun_attribute attribute;
    if (!stun_find(message, type, &attribute) || attribute.len < 2)
        return false;
    *value = bytes_get16(attribute.value);
    return true;
}

bool stun_get_u8(const struct stun_message *message, uint16_t type, uint8_t *value)
{
    struct stun_attribute attribute;
    if (!stun_find(message, type, &attribute) || attribute.len < 1)
        return false;
    *value = attribute.value[0];
    return true;
}

static uint8_t family_of(uint8_t wire)
{
    if (wire == FAMILY_IPV4)
        return ADDRESS_IPV4;
    return wire == FAMILY_IPV6 ? ADDRESS_IPV6 : ADDRESS_NONE;
}

bool stun_get_family(const struct stun_message *message, uint16_t type, uint8_t *family)
{
    struct stun_attribute attribute;
    if (!stun_find(message, type, &attribute) || attribute.len != 4)
        return false;
    *family = family_of(attribute.value[0]);
    return true;
}

bool stun_get_text(const struct stun_message *message, uint16_t type, char *text, size_t cap)
{
    struct stun_attribute attribute;
    if (!stun_find(message, type, &attribute) || attribute.len >= cap ||
        memchr(attribute.value, 0, attribute.len) != NULL)
        return false;
    memcpy(text, attribute.value, attribute.len);
    text[attribute.len] = '\0';
    return true;
}

/* 21 reserved bits, 3 bits of hundreds, 8 bits of the rest; ADDRESS-ERROR-CODE has the family in the first byte. */
static bool read_code(const struct stun_attribute *attribute, unsigned *code)
{
    if (attribute->len < 4)
        return false;
    unsigned hundreds = attribute->value[2] & 7;
    unsigned rest = attribute->value[3];
    if (hundreds < 3 || hundreds > 6 || rest > 99)
        return false;
    *code = hundreds * 100 + rest;
    return true;
}

bool stun_get_error_code(const struct stun_message *message, unsigned *code, char *reason, size_t cap)
{
    struct stun_attribute attribute;
    if (!stun_find(message, STUN_ATTR_ERROR_CODE, &attribute) || !read_code(&attribute, code))
        return false;
    if (cap > 0) {
        size_t len = attribute.len - 4u;
        len = len < cap ? len : cap - 1;
        for (size_t i = 0; i < len; i++) {
            uint8_t byte = attribute.value[4 + i];
            reason[i] = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
        }
        reason[len] = '\0';
    }
    return true;
}

bool stun_get_address_error_code(const struct stun_message *message, uint8_t *family, unsigned *code)
{
    struct stun_attribute attribute;
    if (!stun_find(message, STUN_ATTR_ADDRESS_ERROR_CODE, &attribute) || !read_code(&attribute, code))
        return false;
    *family = family_of(attribute.value[0]);
    return true;
}

size_t stun_get_password_algorithms(const struct stun_message *message, uint16_t type, uint16_t *algorithms, size_t cap)
{
    struct stun_attribute attribute;
    if (!stun_find(message, type, &attribute))
        return 0;
    struct reader reader = reader_of(attribute.value, attribute.len);
    size_t count = 0;
    while (reader.left > 0) {
        uint16_t algorithm = reader_u16(&reader);
        size_t parameters_len = reader_u16(&reader);
        reader_take(&reader, parameters_len);
        size_t padding = padded(parameters_len) - parameters_len;
        reader_take(&reader, padding < reader.left ? padding : reader.left); /* the last one may lack its padding */
        if (reader.failed)
            return 0;
        if (count < cap)
            algorithms[count++] = algorithm;
    }
    return count;
}

static bool among(uint16_t type, const uint16_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == type)
            return true;
    }
    return false;
}

size_t stun_unknown_attributes(const struct stun_message *message, const uint16_t *known, size_t known_count,
                               uint16_t *unknown, size_t cap)
{
    size_t count = 0;
    struct stun_attribute attribute = {0};
    while (count < cap && stun_next(message, &attribute)) {
        bool understood = attribute.type >= 0x8000 || attribute.type == STUN_ATTR_MESSAGE_INTEGRITY ||
                          attribute.type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256 ||
                          among(attribute.type, known, known_count);
        if (!understood && !among(attribute.type, unknown, count))
            unknown[count++] = attribute.type;
    }
    return count;
}

const char *stun_error_reason(unsigned code)
{
    switch (code) {
    case STUN_TRY_ALTERNATE:
        return "Try Alternate";
    case STUN_BAD_REQUEST:
        return "Bad Request";
    case STUN_UNAUTHENTICATED:
        return "Unauthenticated";
    case STUN_FORBIDDEN:
        return "Forbidden";
    case STUN_MOBILITY_FORBIDDEN:
        return "Mobility Forbidden";
    case STUN_UNKNOWN_ATTRIBUTE:
        return "Unknown Attribute";
    case STUN_ALLOCATION_MISMATCH:
        return "Allocation Mismatch";
    case STUN_STALE_NONCE:
        return "Stale Nonce";
    case STUN_ADDRESS_FAMILY_NOT_SUPPORTED:
        return "Address Family not Supported";
    case STUN_WRONG_CREDENTIALS:
        return "Wrong Credentials";
    case STUN_UNSUPPORTED_TRANSPORT_PROTOCOL:
        return "Unsupported Transport Protocol";
    case STUN_PEER_ADDRESS_FAMILY_MISMATCH:
        return "Peer Address Family Mismatch";
    case STUN_CONNECTION_ALREADY_EXISTS:
        return "Connection Already Exists";
    case STUN_CONNECTION_TIMEOUT_OR_FAILURE:
        return "Connection Timeout or Failure";
    case STUN_ALLOCATION_QUOTA_REACHED:
        return "Allocation Quota Reached";
    case STUN_ROLE_CONFLICT:
        return "Role Conflict";
    case STUN_SERVER_ERROR:
        return "Server Error";
    case STUN_INSUFFICIENT_CAPACITY:
        return "Insufficient Capacity";
    default:
        return "Error";
    }
}
