#include "analyzers/dtls_observer.h"

#include <string.h>

#include "base/bytes.h"

#define RECORD_HEADER_LEN 13    /* RFC 6347, section 4.1 */
#define HANDSHAKE_HEADER_LEN 12 /* section 4.2.2 */
#define CONTENT_FIRST 20        /* change_cipher_spec */
#define CONTENT_HANDSHAKE 22
#define CONTENT_LAST 26 /* ack: RFC 9147, section 4 */
#define HANDSHAKE_CLIENT_HELLO 1
#define HANDSHAKE_SERVER_HELLO 2
#define EXTENSION_USE_SRTP 14           /* RFC 5764, section 4.1.1 */
#define EXTENSION_SUPPORTED_VERSIONS 43 /* RFC 8446, section 4.2.1 */
#define UNIFIED_MASK 0xe0               /* RFC 9147, section 4: 001CSLEE */
#define UNIFIED_BITS 0x20
#define UNIFIED_EPOCH 0x03
#define EPOCH_HANDSHAKE 2 /* section 6.1 */

/* ServerHello (RFC 5246, section 7.4.1.3): version(2) random(32) session id(1+n) cipher suite(2) compression(1)
 * extensions(2+n), each type(2) length(2) value. */
static void read_server_hello(struct dtls_observer *observer, struct reader hello)
{
    uint16_t version = reader_u16(&hello);
    const uint8_t *random = reader_take(&hello, sizeof observer->server_random);
    reader_take(&hello, reader_u8(&hello));
    uint16_t cipher_suite = reader_u16(&hello);
    reader_u8(&hello);
    if (hello.failed)
        return;
    observer->server_hello = true;
    observer->cipher_suite = cipher_suite;
    memcpy(observer->server_random, random, sizeof observer->server_random);
    uint16_t profile = 0;
    reader_u16(&hello);
    for (;;) {
        uint16_t type = reader_u16(&hello);
        uint16_t len = reader_u16(&hello);
        const uint8_t *value = reader_take(&hello, len);
        if (value == NULL)
            break;
        if (type == EXTENSION_SUPPORTED_VERSIONS && len == 2)
            version = bytes_get16(value);
        if (type == EXTENSION_USE_SRTP && len >= 4 && bytes_get16(value) == 2)
            profile = bytes_get16(value + 2);
    }
    if (version == DTLS_VERSION_1_0 || version == DTLS_VERSION_1_2 || version == DTLS_VERSION_1_3)
        observer->version = version;
    if (profile != 0)
        observer->srtp_profile = profile;
}

/* A handshake message or its first fragment: type(1) length(3) sequence(2) fragment offset(3) fragment length(3). */
static void read_handshake(struct dtls_observer *observer, const uint8_t *data, size_t len, nanos now)
{
    if (len < HANDSHAKE_HEADER_LEN || bytes_get24(data + 6) != 0)
        return;
    if (data[0] == HANDSHAKE_CLIENT_HELLO) {
        observer->first_hello = nanos_min(observer->first_hello, now);
        if (len >= HANDSHAKE_HEADER_LEN + 2 + sizeof observer->client_random) /* behind the version */
            memcpy(observer->client_random, data + HANDSHAKE_HEADER_LEN + 2, sizeof observer->client_random);
    }
    if (data[0] == HANDSHAKE_SERVER_HELLO) {
        size_t body = bytes_get24(data + 9);
        size_t have = len - HANDSHAKE_HEADER_LEN;
        read_server_hello(observer, reader_of(data + HANDSHAKE_HEADER_LEN, body < have ? body : have));
    }
}

/* A DTLS 1.3 ciphertext. Its few fixed bits alone prove nothing, so there must have been a handshake before it. */
static bool read_unified(struct dtls_observer *observer, uint8_t direction, uint8_t first, nanos now)
{
    if (!observer->seen)
        return false;
    if (observer->version == DTLS_VERSION_UNKNOWN || observer->version == DTLS_VERSION_1_2)
        observer->version = DTLS_VERSION_1_3;
    if ((first & UNIFIED_EPOCH) == EPOCH_HANDSHAKE)
        observer->finished[direction] = nanos_min(observer->finished[direction], now);
    return true;
}

/* content type(1) version(2) epoch(2) sequence number(6) length(2) */
bool dtls_observer_read(struct dtls_observer *observer, uint8_t direction, const uint8_t *data, size_t captured,
                        size_t len, nanos now)
{
    size_t at = 0;
    while (at < captured) {
        const uint8_t *record = data + at;
        size_t have = captured - at;
        if ((record[0] & UNIFIED_MASK) == UNIFIED_BITS)
            return read_unified(observer, direction, record[0], now) || at > 0;
        if (have < RECORD_HEADER_LEN || record[0] < CONTENT_FIRST || record[0] > CONTENT_LAST || record[1] != 0xfe ||
            record[2] < 0xfc)
            return at > 0;
        size_t record_len = bytes_get16(record + 11);
        if (record_len > len - at - RECORD_HEADER_LEN)
            return at > 0;
        uint16_t epoch = bytes_get16(record + 3);
        observer->seen = true;
        if (record[0] == CONTENT_HANDSHAKE && epoch == 0) {
            size_t body = have - RECORD_HEADER_LEN < record_len ? have - RECORD_HEADER_LEN : record_len;
            read_handshake(observer, record + RECORD_HEADER_LEN, body, now);
        } else if (record[0] == CONTENT_HANDSHAKE) {
            observer->finished[direction] = nanos_min(observer->finished[direction], now);
        }
        at += RECORD_HEADER_LEN + record_len;
    }
    return at > 0;
}

nanos dtls_observer_completed(const struct dtls_observer *observer)
{
    return nanos_max(observer->finished[0], observer->finished[1]);
}
