#include "rtc/stun.h"

#include <openssl/sha.h>

#include "tests/support/suite.h"

/* RFC 5769, appendix A, and RFC 8489, appendix B.1. */
static const uint8_t request[] = {
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87,
    0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c,
    0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f,
    0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76,
    0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e,
    0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
};
static const uint8_t response_ipv4[] = {
    0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63,
    0x74, 0x6f, 0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43,
    0x00, 0x08, 0x00, 0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9,
    0x2a, 0xf9, 0xba, 0x53, 0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
};
static const uint8_t response_ipv6[] = {
    0x01, 0x01, 0x00, 0x48, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf,
    0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63, 0x74, 0x6f, 0x72, 0x20, 0x00, 0x20,
    0x00, 0x14, 0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe,
    0xd2, 0xb9, 0xd9, 0x00, 0x08, 0x00, 0x14, 0xa3, 0x82, 0x95, 0x4e, 0x4b, 0xe6, 0x7b, 0xf1, 0x17, 0x84, 0xc9, 0x7c,
    0x82, 0x92, 0xc2, 0x75, 0xbf, 0xe3, 0xed, 0x41, 0x80, 0x28, 0x00, 0x04, 0xc8, 0xfb, 0x0b, 0x4c,
};
static const uint8_t request_long_term[] = {
    0x00, 0x01, 0x00, 0x60, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29,
    0xda, 0x41, 0x2e, 0x00, 0x06, 0x00, 0x12, 0xe3, 0x83, 0x9e, 0xe3, 0x83, 0x88, 0xe3, 0x83, 0xaa, 0xe3,
    0x83, 0x83, 0xe3, 0x82, 0xaf, 0xe3, 0x82, 0xb9, 0x00, 0x00, 0x00, 0x15, 0x00, 0x1c, 0x66, 0x2f, 0x2f,
    0x34, 0x39, 0x39, 0x6b, 0x39, 0x35, 0x34, 0x64, 0x36, 0x4f, 0x4c, 0x33, 0x34, 0x6f, 0x4c, 0x39, 0x46,
    0x53, 0x54, 0x76, 0x79, 0x36, 0x34, 0x73, 0x41, 0x00, 0x14, 0x00, 0x0b, 0x65, 0x78, 0x61, 0x6d, 0x70,
    0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x00, 0x00, 0x08, 0x00, 0x14, 0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6,
    0x4a, 0x3e, 0x02, 0xb8, 0xe0, 0x71, 0x2e, 0x85, 0xc9, 0xa2, 0x8c, 0xa8, 0x96, 0x66,
};
static const uint8_t request_sha256[] = {
    0x00, 0x01, 0x00, 0x9c, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda,
    0x41, 0x2e, 0x00, 0x1e, 0x00, 0x20, 0x4a, 0x3c, 0xf3, 0x8f, 0xef, 0x69, 0x92, 0xbd, 0xa9, 0x52, 0xc6, 0x78,
    0x04, 0x17, 0xda, 0x0f, 0x24, 0x81, 0x94, 0x15, 0x56, 0x9e, 0x60, 0xb2, 0x05, 0xc4, 0x6e, 0x41, 0x40, 0x7f,
    0x17, 0x04, 0x00, 0x15, 0x00, 0x29, 0x6f, 0x62, 0x4d, 0x61, 0x74, 0x4a, 0x6f, 0x73, 0x32, 0x41, 0x41, 0x41,
    0x43, 0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39, 0x6b, 0x39, 0x35, 0x34, 0x64, 0x36, 0x4f, 0x4c, 0x33, 0x34, 0x6f,
    0x4c, 0x39, 0x46, 0x53, 0x54, 0x76, 0x79, 0x36, 0x34, 0x73, 0x41, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x0b,
    0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x00, 0x00, 0x1c, 0x00, 0x20, 0xe4, 0x68,
    0x6c, 0x8f, 0x0e, 0xde, 0xb5, 0x90, 0x13, 0xe0, 0x70, 0x90, 0x01, 0x0a, 0x93, 0xef, 0xcc, 0xbc, 0xcc, 0x54,
    0x4c, 0x0a, 0x45, 0xd9, 0xf8, 0x30, 0xaa, 0x6d, 0x6f, 0x73, 0x5a, 0x01,
};

static const char short_term_password[] = "VOkJxbRl1RmTxUk/WvJxBt";
static const char matrix_username[] = "\u30de\u30c8\u30ea\u30c3\u30af\u30b9";

static struct stun_message parse(const uint8_t *data, size_t len)
{
    struct stun_message message = {0};
    struct error error;
    CU_ASSERT_TRUE_FATAL(stun_is(data, len));
    CU_ASSERT_TRUE_FATAL(stun_parse(&message, data, len, &error));
    return message;
}

static void reads_rfc_5769_request(void)
{
    struct stun_message message = parse(request, sizeof request);
    CU_ASSERT_EQUAL(message.class, STUN_REQUEST);
    CU_ASSERT_EQUAL(message.method, STUN_BINDING);
    CU_ASSERT_EQUAL(memcmp(message.transaction_id, request + 8, 12), 0);
    char text[64];
    CU_ASSERT_TRUE(stun_get_text(&message, STUN_ATTR_SOFTWARE, text, sizeof text));
    CU_ASSERT_STRING_EQUAL(text, "STUN test client");
    CU_ASSERT_TRUE(stun_get_text(&message, STUN_ATTR_USERNAME, text, sizeof text));
    CU_ASSERT_STRING_EQUAL(text, "evtj:h6vY");
    uint32_t priority;
    uint64_t tie_breaker;
    CU_ASSERT_TRUE(stun_get_u32(&message, STUN_ATTR_PRIORITY, &priority));
    CU_ASSERT_EQUAL(priority, 0x6e0001ff);
    CU_ASSERT_TRUE(stun_get_u64(&message, STUN_ATTR_ICE_CONTROLLED, &tie_breaker));
    CU_ASSERT_EQUAL(tie_breaker, 0x932ff9b151263b36);
    CU_ASSERT_TRUE(stun_check_integrity(&message, short_term_password, strlen(short_term_password)));
    CU_ASSERT_FALSE(stun_check_integrity(&message, "VOkJxbRl1RmTxUk/WvJxBT", strlen(short_term_password)));
    CU_ASSERT_TRUE(stun_check_fingerprint(&message));
}

static void reads_rfc_5769_responses(void)
{
    struct address mapped;
    char text[ADDRESS_TEXT_CAP];
    struct stun_message message = parse(response_ipv4, sizeof response_ipv4);
    CU_ASSERT_EQUAL(message.class, STUN_SUCCESS);
    CU_ASSERT_TRUE(stun_get_mapped_address(&message, &mapped));
    CU_ASSERT_STRING_EQUAL(address_format(&mapped, text), "192.0.2.1:32853");
    CU_ASSERT_TRUE(stun_check_integrity(&message, short_term_password, strlen(short_term_password)));
    CU_ASSERT_TRUE(stun_check_fingerprint(&message));

    message = parse(response_ipv6, sizeof response_ipv6);
    CU_ASSERT_TRUE(stun_get_mapped_address(&message, &mapped));
    CU_ASSERT_STRING_EQUAL(address_format(&mapped, text), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
    CU_ASSERT_TRUE(stun_check_integrity(&message, short_term_password, strlen(short_term_password)));
    CU_ASSERT_TRUE(stun_check_fingerprint(&message));
}

static void reads_rfc_5769_long_term(void)
{
    struct stun_message message = parse(request_long_term, sizeof request_long_term);
    char username[64];
    char realm[64];
    CU_ASSERT_TRUE(stun_get_text(&message, STUN_ATTR_USERNAME, username, sizeof username));
    CU_ASSERT_STRING_EQUAL(username, matrix_username);
    CU_ASSERT_TRUE(stun_get_text(&message, STUN_ATTR_REALM, realm, sizeof realm));
    uint8_t key[STUN_KEY_CAP];
    size_t key_len = stun_long_term_key(STUN_PASSWORD_MD5, username, realm, "TheMatrIX", key);
    CU_ASSERT_EQUAL(key_len, 16);
    CU_ASSERT_TRUE(stun_check_integrity(&message, key, key_len));
    CU_ASSERT_FALSE(stun_check_fingerprint(&message));
}

/* The vector as published is not a message: its length field, 0x9c, counts the header too, and the HMAC was made over
 * that. So the HMAC is held to the published bytes, everything else to the bytes with the length that they have. */
static void reads_rfc_8489_sha256(void)
{
    struct stun_message message;
    struct error error;
    CU_ASSERT_FALSE(stun_parse(&message, request_sha256, sizeof request_sha256, &error));
    CU_ASSERT_STRING_EQUAL(error.text, "STUN message claims 176 bytes and has 156");
    uint8_t key[STUN_KEY_CAP];
    size_t key_len = stun_long_term_key(STUN_PASSWORD_SHA256, matrix_username, "example.org", "TheMatrIX", key);
    CU_ASSERT_EQUAL(key_len, 32);
    uint8_t digest[STUN_KEY_CAP];
    size_t covered = sizeof request_sha256 - 36;
    CU_ASSERT_EQUAL(stun_hmac(STUN_INTEGRITY_SHA256, key, key_len, request_sha256, covered, 0x9c, digest), 32);
    CU_ASSERT_EQUAL(memcmp(digest, request_sha256 + covered + 4, 32), 0);

    uint8_t buf[sizeof request_sha256];
    memcpy(buf, request_sha256, sizeof buf);
    bytes_put16(buf + 2, sizeof buf - STUN_HEADER_LEN);
    message = parse(buf, sizeof buf);
    CU_ASSERT_EQUAL(stun_integrity_of(&message), STUN_INTEGRITY_SHA256);
    uint8_t hash[STUN_USERHASH_LEN];
    struct stun_attribute attribute;
    stun_userhash(matrix_username, "example.org", hash);
    CU_ASSERT_TRUE_FATAL(stun_find(&message, STUN_ATTR_USERHASH, &attribute));
    CU_ASSERT_EQUAL(attribute.len, sizeof hash);
    CU_ASSERT_EQUAL(memcmp(attribute.value, hash, sizeof hash), 0);
    char nonce[64];
    CU_ASSERT_TRUE(stun_get_text(&message, STUN_ATTR_NONCE, nonce, sizeof nonce));
    CU_ASSERT_STRING_EQUAL(nonce, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    CU_ASSERT_FALSE(stun_check_integrity(&message, key, key_len));
    CU_ASSERT_EQUAL(stun_long_term_key(3, "u", "r", "p", key), 0);
}

static void rebuilds_rfc_5769_response(void)
{
    /* The vector pads with a space where we pad with zero, so its text is put with its padding. */
    uint8_t buf[128];
    struct stun_builder builder;
    struct address mapped = address_ipv4(192, 0, 2, 1, 32853);
    stun_begin(&builder, buf, sizeof buf, STUN_SUCCESS, STUN_BINDING, response_ipv4 + 8);
    stun_put_text(&builder, STUN_ATTR_SOFTWARE, "test vector ");
    bytes_put16(buf + 22, 11);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_MAPPED_ADDRESS, &mapped);
    stun_put_integrity(&builder, STUN_INTEGRITY_SHA1, short_term_password, strlen(short_term_password));
    stun_put_fingerprint(&builder);
    CU_ASSERT_EQUAL(stun_finish(&builder), sizeof response_ipv4);
    CU_ASSERT_EQUAL(memcmp(buf, response_ipv4, sizeof response_ipv4), 0);
}

static void round_trips_every_kind(void)
{
    static const uint8_t id[STUN_TRANSACTION_ID_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    uint8_t buf[1024];
    struct stun_builder builder;
    struct address peer;
    CU_ASSERT_TRUE(address_parse(&peer, "[2001:db8::7]:49152"));
    uint16_t algorithms[] = {STUN_PASSWORD_SHA256, STUN_PASSWORD_MD5};
    uint16_t types[] = {0x7fff, 0x0033, 0x1234};
    stun_begin(&builder, buf, sizeof buf, STUN_ERROR, STUN_CHANNEL_BIND, id);
    stun_put_error_code(&builder, STUN_STALE_NONCE, NULL);
    stun_put_address_error_code(&builder, ADDRESS_IPV6, STUN_ADDRESS_FAMILY_NOT_SUPPORTED, "no");
    stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
    stun_put_address(&builder, STUN_ATTR_OTHER_ADDRESS, &peer);
    stun_put_u16(&builder, STUN_ATTR_CHANNEL_NUMBER, 0x4001);
    stun_put_u8(&builder, STUN_ATTR_EVEN_PORT, 0x80);
    stun_put_transport(&builder, STUN_TRANSPORT_UDP);
    stun_put_family(&builder, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, ADDRESS_IPV6);
    stun_put_u64(&builder, STUN_ATTR_RESERVATION_TOKEN, 0x0102030405060708);
    stun_put_u32(&builder, STUN_ATTR_LIFETIME, 600);
    stun_put_flag(&builder, STUN_ATTR_DONT_FRAGMENT);
    stun_put_unknown_attributes(&builder, types, 3);
    stun_put_password_algorithms(&builder, STUN_ATTR_PASSWORD_ALGORITHMS, algorithms, 2);
    stun_put_bytes(&builder, STUN_ATTR_DATA, "\1\2\3", 3);
    stun_put_integrity(&builder, STUN_INTEGRITY_SHA1, "key", 3);
    stun_put_integrity(&builder, STUN_INTEGRITY_SHA256, "key", 3);
    stun_put_fingerprint(&builder);
    size_t len = stun_finish(&builder);
    CU_ASSERT_NOT_EQUAL_FATAL(len, 0);

    struct stun_message message = parse(buf, len);
    CU_ASSERT_EQUAL(message.class, STUN_ERROR);
    CU_ASSERT_EQUAL(message.method, STUN_CHANNEL_BIND);
    unsigned code;
    char reason[6];
    uint8_t family;
    CU_ASSERT_TRUE(stun_get_error_code(&message, &code, reason, sizeof reason));
    CU_ASSERT_EQUAL(code, 438);
    CU_ASSERT_STRING_EQUAL(reason, "Stale");
    CU_ASSERT_TRUE(stun_get_address_error_code(&message, &family, &code));
    CU_ASSERT_EQUAL(code, 440);
    CU_ASSERT_EQUAL(family, ADDRESS_IPV6);
    struct address read;
    CU_ASSERT_TRUE(stun_get_xor_address(&message, STUN_ATTR_XOR_PEER_ADDRESS, &read));
    CU_ASSERT_TRUE(address_equal(&read, &peer));
    CU_ASSERT_TRUE(stun_get_address(&message, STUN_ATTR_OTHER_ADDRESS, &read));
    CU_ASSERT_TRUE(address_equal(&read, &peer));
    uint16_t channel;
    CU_ASSERT_TRUE(stun_get_u16(&message, STUN_ATTR_CHANNEL_NUMBER, &channel));
    CU_ASSERT_EQUAL(channel, 0x4001);
    uint8_t byte;
    CU_ASSERT_TRUE(stun_get_u8(&message, STUN_ATTR_EVEN_PORT, &byte));
    CU_ASSERT_EQUAL(byte, 0x80);
    CU_ASSERT_TRUE(stun_get_u8(&message, STUN_ATTR_REQUESTED_TRANSPORT, &byte));
    CU_ASSERT_EQUAL(byte, 17);
    CU_ASSERT_TRUE(stun_get_family(&message, STUN_ATTR_REQUESTED_ADDRESS_FAMILY, &family));
    CU_ASSERT_EQUAL(family, ADDRESS_IPV6);
    uint64_t token;
    CU_ASSERT_TRUE(stun_get_u64(&message, STUN_ATTR_RESERVATION_TOKEN, &token));
    CU_ASSERT_EQUAL(token, 0x0102030405060708);
    CU_ASSERT_TRUE(stun_has(&message, STUN_ATTR_DONT_FRAGMENT));
    uint16_t read_algorithms[4];
    CU_ASSERT_EQUAL(stun_get_password_algorithms(&message, STUN_ATTR_PASSWORD_ALGORITHMS, read_algorithms, 4), 2);
    CU_ASSERT_EQUAL(read_algorithms[1], STUN_PASSWORD_MD5);
    struct stun_attribute attribute;
    CU_ASSERT_TRUE_FATAL(stun_find(&message, STUN_ATTR_UNKNOWN_ATTRIBUTES, &attribute));
    CU_ASSERT_EQUAL(attribute.len, 6);
    CU_ASSERT_TRUE_FATAL(stun_find(&message, STUN_ATTR_DATA, &attribute));
    CU_ASSERT_EQUAL(attribute.len, 3);
    CU_ASSERT_TRUE(stun_check_integrity(&message, "key", 3));
    CU_ASSERT_FALSE(stun_check_integrity(&message, "kez", 3));
    CU_ASSERT_TRUE(stun_check_fingerprint(&message));
    /* Each byte counts for the fingerprint, and for SHA-256 each byte in front of it. */
    for (size_t i = 0; i < len; i++) {
        buf[i] ^= 1;
        struct stun_message damaged;
        if (stun_parse(&damaged, buf, len, NULL)) {
            CU_ASSERT_FALSE(stun_check_fingerprint(&damaged));
            bool sha256_hidden = i - message.integrity_sha256 < 2; /* then SHA-1 counts, which is still right */
            if (i < len - 8 && !sha256_hidden)
                CU_ASSERT_FALSE(stun_check_integrity(&damaged, "key", 3));
        }
        buf[i] ^= 1;
    }
}

static void writes_nothing_that_does_not_fit(void)
{
    static const uint8_t id[STUN_TRANSACTION_ID_LEN];
    uint8_t buf[64 + 1];
    for (size_t cap = 0; cap < 64; cap++) {
        struct stun_builder builder;
        buf[cap] = 0xa5;
        stun_begin(&builder, buf, cap, STUN_REQUEST, STUN_BINDING, id);
        stun_put_text(&builder, STUN_ATTR_USERNAME, "abc:d"); /* 12 bytes */
        stun_put_integrity(&builder, STUN_INTEGRITY_SHA1, "k", 1);
        stun_put_fingerprint(&builder);
        CU_ASSERT_EQUAL(stun_finish(&builder), 0);
        CU_ASSERT_EQUAL(buf[cap], 0xa5);
    }
    static uint8_t large[70000];
    struct stun_builder builder;
    stun_begin(&builder, large, sizeof large, STUN_INDICATION, STUN_DATA, id);
    CU_ASSERT_PTR_NOT_NULL(stun_put_room(&builder, STUN_ATTR_DATA, 65528));
    CU_ASSERT_EQUAL(stun_finish(&builder), 65552);
    CU_ASSERT_EQUAL(stun_claimed_len(large), 65552);
    stun_put_flag(&builder, STUN_ATTR_DONT_FRAGMENT);
    CU_ASSERT_EQUAL(stun_finish(&builder), 0);
    stun_begin(&builder, large, sizeof large, STUN_INDICATION, STUN_DATA, id);
    CU_ASSERT_PTR_NULL(stun_put_room(&builder, STUN_ATTR_DATA, 65536));
    CU_ASSERT_EQUAL(stun_finish(&builder), 0);
}

/* A header with `body` behind it. */
static size_t message_of(uint8_t *buf, uint16_t type, const void *body, size_t len)
{
    bytes_put16(buf, type);
    bytes_put16(buf + 2, (uint16_t)len);
    bytes_put32(buf + 4, STUN_MAGIC_COOKIE);
    memset(buf + 8, 7, 12);
    memcpy(buf + 20, body, len);
    return STUN_HEADER_LEN + len;
}

static void refuses_wrong_lengths(void)
{
    uint8_t buf[64] = {0};
    struct stun_message message;
    struct error error;
    CU_ASSERT_FALSE(stun_parse(&message, buf, 0, &error));
    CU_ASSERT_FALSE(stun_parse(&message, request, 19, &error));
    for (size_t len = 20; len < sizeof request; len++)
        CU_ASSERT_FALSE(stun_parse(&message, request, len, NULL));

    size_t len = message_of(buf, 0x0001,
                            "\x80\x22\x00\x05"
                            "abcd",
                            8); /* one byte past the end */
    CU_ASSERT_FALSE(stun_parse(&message, buf, len, &error));
    CU_ASSERT_STRING_EQUAL(error.text, "STUN attribute 0x8022 at byte 20 claims 5 bytes of 4 left");
    len = message_of(buf, 0x0001,
                     "\x80\x22\xff\xff"
                     "abcd",
                     8);
    CU_ASSERT_FALSE(stun_parse(&message, buf, len, &error));
    len = message_of(buf, 0x0001, "\x80\x22\x00", 3);
    CU_ASSERT_FALSE(stun_parse(&message, buf, len, &error));
    CU_ASSERT_STRING_EQUAL(error.text, "STUN length 3 is not a multiple of 4");
    for (uint32_t claimed = 65532; claimed <= 65535; claimed++) {
        len = message_of(buf, 0x0001, "", 0);
        bytes_put16(buf + 2, (uint16_t)claimed);
        CU_ASSERT_FALSE(stun_parse(&message, buf, len, NULL));
    }
    len = message_of(buf, 0x4001, "", 0); /* ChannelData's first bits */
    CU_ASSERT_FALSE(stun_is(buf, len));
    CU_ASSERT_FALSE(stun_parse(&message, buf, len, NULL));
    len = message_of(buf, 0x0001, "", 0);
    buf[4] ^= 1;
    CU_ASSERT_FALSE(stun_is(buf, len));
    CU_ASSERT_FALSE(stun_parse(&message, buf, len, NULL));
}

static void refuses_wrong_values(void)
{
    /* An empty XOR-MAPPED-ADDRESS, an IPv6 one of IPv4's length, an unknown family, an ERROR-CODE of 3 bytes, codes 200
     * and 399+, a username with a NUL, an empty LIFETIME. */
    static const struct {
        uint16_t type;
        uint16_t len;
        const char *value;
    } wrong[] = {
        {STUN_ATTR_XOR_MAPPED_ADDRESS, 0, ""},
        {STUN_ATTR_XOR_MAPPED_ADDRESS, 8, "\0\2\1\1\1\1\1\1"},
        {STUN_ATTR_XOR_MAPPED_ADDRESS, 8, "\0\3\1\1\1\1\1\1"},
        {STUN_ATTR_XOR_MAPPED_ADDRESS, 20, "\0\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"},
        {STUN_ATTR_MAPPED_ADDRESS, 3, "\0\1\1"},
        {STUN_ATTR_ERROR_CODE, 3, "\0\0\4"},
        {STUN_ATTR_ERROR_CODE, 4, "\0\0\2\0"},
        {STUN_ATTR_ERROR_CODE, 4, "\0\0\7\0"},
        {STUN_ATTR_ERROR_CODE, 4, "\0\0\3\x64"},
        {STUN_ATTR_USERNAME, 5, "ab\0cd"},
        {STUN_ATTR_LIFETIME, 0, ""},
        {STUN_ATTR_LIFETIME, 8, "\0\0\0\0\0\0\0\0"},
        {STUN_ATTR_PASSWORD_ALGORITHMS, 4, "\0\1\0\4"},
        {STUN_ATTR_PASSWORD_ALGORITHMS, 3, "\0\1\0"},
    };
    static const uint8_t id[STUN_TRANSACTION_ID_LEN];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        uint8_t buf[64];
        struct stun_builder builder;
        stun_begin(&builder, buf, sizeof buf, STUN_SUCCESS, STUN_ALLOCATE, id);
        stun_put_bytes(&builder, wrong[i].type, wrong[i].value, wrong[i].len);
        struct stun_message message = parse(buf, stun_finish(&builder));
        struct address address = address_ipv4(1, 2, 3, 4, 5);
        unsigned code = 1;
        char text[32];
        uint32_t number = 1;
        uint16_t algorithm;
        CU_ASSERT_FALSE(stun_get_mapped_address(&message, &address));
        CU_ASSERT_EQUAL(address.port, 5);
        CU_ASSERT_FALSE(stun_get_error_code(&message, &code, text, sizeof text));
        CU_ASSERT_EQUAL(code, 1);
        CU_ASSERT_FALSE(stun_get_text(&message, STUN_ATTR_USERNAME, text, sizeof text));
        CU_ASSERT_FALSE(stun_get_u32(&message, STUN_ATTR_LIFETIME, &number));
        CU_ASSERT_EQUAL(number, 1);
        CU_ASSERT_EQUAL(stun_get_password_algorithms(&message, STUN_ATTR_PASSWORD_ALGORITHMS, &algorithm, 1), 0);
    }
}

static void ignores_what_follows_integrity(void)
{
    static const uint8_t id[STUN_TRANSACTION_ID_LEN];
    uint8_t buf[256];
    for (enum stun_integrity integrity = STUN_INTEGRITY_SHA1; integrity <= STUN_INTEGRITY_SHA256; integrity++) {
        struct stun_builder builder;
        struct address peer = address_ipv4(10, 0, 0, 1, 80);
        stun_begin(&builder, buf, sizeof buf, STUN_REQUEST, STUN_REFRESH, id);
        stun_put_u16(&builder, STUN_ATTR_CHANNEL_NUMBER, 0x4000);
        stun_put_integrity(&builder, integrity, "key", 3);
        stun_put_u32(&builder, STUN_ATTR_LIFETIME, 0);
        stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
        stun_put_text(&builder, STUN_ATTR_SOFTWARE, "injected");
        stun_put_u32(&builder, 0x7777, 1);
        stun_put_fingerprint(&builder);
        struct stun_message message = parse(buf, stun_finish(&builder));
        CU_ASSERT_TRUE(stun_check_integrity(&message, "key", 3));
        CU_ASSERT_TRUE(stun_check_fingerprint(&message));
        CU_ASSERT_TRUE(stun_has(&message, STUN_ATTR_CHANNEL_NUMBER));
        CU_ASSERT_TRUE(stun_has(&message, STUN_ATTR_FINGERPRINT));
        CU_ASSERT_FALSE(stun_has(&message, STUN_ATTR_LIFETIME));
        CU_ASSERT_FALSE(stun_has(&message, STUN_ATTR_XOR_PEER_ADDRESS));
        CU_ASSERT_FALSE(stun_has(&message, STUN_ATTR_SOFTWARE));
        uint16_t known[] = {STUN_ATTR_CHANNEL_NUMBER};
        uint16_t unknown[4];
        CU_ASSERT_EQUAL(stun_unknown_attributes(&message, known, 1, unknown, 4), 0);
        CU_ASSERT_EQUAL(stun_unknown_attributes(&message, NULL, 0, unknown, 4), 1);
        CU_ASSERT_EQUAL(unknown[0], STUN_ATTR_CHANNEL_NUMBER);
    }
}

static void first_of_two_wins(void)
{
    static const uint8_t id[STUN_TRANSACTION_ID_LEN];
    uint8_t buf[128];
    struct stun_builder builder;
    struct address first = address_ipv4(192, 0, 2, 1, 1);
    struct address second = address_ipv4(192, 0, 2, 2, 2);
    struct address read;
    stun_begin(&builder, buf, sizeof buf, STUN_INDICATION, STUN_SEND, id);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, &first);
    stun_put_xor_address(&builder, STUN_ATTR_XOR_PEER_ADDRESS, &second);
    struct stun_message message = parse(buf, stun_finish(&builder));
    CU_ASSERT_TRUE(stun_get_xor_address(&message, STUN_ATTR_XOR_PEER_ADDRESS, &read));
    CU_ASSERT_TRUE(address_equal(&read, &first));
}

static void knows_nonce_cookies(void)
{
    char cookie[STUN_NONCE_COOKIE_LEN + 1];
    stun_nonce_cookie(0, cookie);
    CU_ASSERT_STRING_EQUAL(cookie, "obMatJos2AAAA");
    stun_nonce_cookie(STUN_FEATURE_PASSWORD_ALGORITHMS, cookie);
    CU_ASSERT_STRING_EQUAL(cookie, "obMatJos2gAAA");
    stun_nonce_cookie(STUN_FEATURE_PASSWORD_ALGORITHMS | STUN_FEATURE_USERNAME_ANONYMITY, cookie);
    CU_ASSERT_STRING_EQUAL(cookie, "obMatJos2wAAA");
    CU_ASSERT_EQUAL(stun_nonce_features("obMatJos2wAAArest"), 0xc00000);
    CU_ASSERT_EQUAL(stun_nonce_features("obMatJos2AAACf//499k"), 2);
    CU_ASSERT_EQUAL(stun_nonce_features("obMatJos2wA"), 0);
    CU_ASSERT_EQUAL(stun_nonce_features("obMatJos2w-AArest"), 0);
    CU_ASSERT_EQUAL(stun_nonce_features("f//499k954d6OL34oL9FSTvy64sA"), 0);
}

static void recognises_classic_messages(void)
{
    uint8_t buf[64];
    struct stun_message message;
    size_t len = message_of(buf, 0x0101, "\0\1\0\x8\0\1\x12\x34\xc0\0\2\1", 12);
    CU_ASSERT_FALSE(stun_parse_classic(&message, buf, len, NULL)); /* has the cookie */
    bytes_put32(buf + 4, 0xdeadbeef);
    CU_ASSERT_FALSE(stun_is(buf, len));
    CU_ASSERT_TRUE_FATAL(stun_parse_classic(&message, buf, len, NULL));
    CU_ASSERT_EQUAL(message.class, STUN_SUCCESS);
    struct address mapped;
    CU_ASSERT_TRUE(stun_get_mapped_address(&message, &mapped));
    CU_ASSERT_EQUAL(mapped.port, 0x1234);
    CU_ASSERT_PTR_EQUAL(message.transaction_id, buf + 4);
    bytes_put16(buf, 0x0003);
    CU_ASSERT_FALSE(stun_parse_classic(&message, buf, len, NULL));

    len = message_of(buf, 0x0001, "", 0);
    bytes_put32(buf + 4, 0xdeadbeef);
    CU_ASSERT_TRUE_FATAL(stun_parse_classic(&message, buf, len, NULL));
    uint8_t answer[64];
    struct stun_builder builder;
    stun_begin_response(&builder, answer, sizeof answer, STUN_SUCCESS, &message);
    CU_ASSERT_EQUAL(stun_finish(&builder), 20);
    CU_ASSERT_EQUAL(memcmp(answer + 4, buf + 4, 16), 0);
}

static void hashes_long_keys(void)
{
    /* A key longer than a block and its own hash are the same key (RFC 2104, section 2). */
    uint8_t hashed[20];
    uint8_t key[80];
    memset(key, 0xaa, sizeof key);
    SHA1(key, sizeof key, hashed);
    uint8_t a[STUN_KEY_CAP];
    uint8_t b[STUN_KEY_CAP];
    stun_hmac(STUN_INTEGRITY_SHA1, key, sizeof key, request, 20, 24, a);
    stun_hmac(STUN_INTEGRITY_SHA1, hashed, sizeof hashed, request, 20, 24, b);
    CU_ASSERT_EQUAL(memcmp(a, b, 20), 0);
    /* The check value that all CRC-32 catalogues give. */
    CU_ASSERT_EQUAL(stun_crc32((const uint8_t *)"123456789", 9), 0xcbf43926);
}

void stun_test(void)
{
    SUITE("stun", {"reads RFC 5769's request", reads_rfc_5769_request},
          {"reads RFC 5769's responses", reads_rfc_5769_responses},
          {"reads RFC 5769's long-term request", reads_rfc_5769_long_term},
          {"reads RFC 8489's SHA-256 request", reads_rfc_8489_sha256},
          {"rebuilds RFC 5769's response", rebuilds_rfc_5769_response},
          {"round-trips every kind of attribute", round_trips_every_kind},
          {"writes nothing that does not fit", writes_nothing_that_does_not_fit},
          {"refuses wrong lengths", refuses_wrong_lengths}, {"refuses wrong values", refuses_wrong_values},
          {"ignores what follows integrity", ignores_what_follows_integrity},
          {"takes the first of two", first_of_two_wins}, {"knows nonce cookies", knows_nonce_cookies},
          {"recognises classic messages", recognises_classic_messages}, {"hashes long keys", hashes_long_keys});
}
