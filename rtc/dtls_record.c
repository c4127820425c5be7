#include "rtc/dtls_record.h"

#include "base/bytes.h"

/* RFC 5246, section 6.2.1 */
enum content_type {
    CHANGE_CIPHER_SPEC = 20,
    ALERT = 21,
    HANDSHAKE = 22,
    APPLICATION_DATA = 23,
};

#define DTLS_1_0 0xfeff
#define DTLS_1_2 0xfefd

#define HANDSHAKE_HEADER_LEN 12
#define HANDSHAKE_TYPE_MAX 24 /* RFC 5246, section 7.4, and later ones for versions up to 1.2: key_update is 1.3's */
#define HANDSHAKE_LEN_MAX 65535

bool dtls_record_next(const uint8_t **data, size_t *len, struct dtls_record *record)
{
    if (*len < DTLS_RECORD_HEADER_LEN)
        return false;
    size_t record_len = DTLS_RECORD_HEADER_LEN + (size_t)bytes_get16(*data + 11);
    if (record_len > *len)
        return false;
    *record = (struct dtls_record){.bytes = *data, .len = record_len, .epoch = bytes_get16(*data + 3)};
    *data += record_len;
    *len -= record_len;
    return true;
}

/* One fragment of a handshake message or several (RFC 6347, section 4.2.2):
 *
 *     0      1        4                  6                 9                 12
 *     | type | length | message sequence | fragment offset | fragment length | fragment … */
static bool is_handshake(const uint8_t *fragment, size_t len)
{
    while (len >= HANDSHAKE_HEADER_LEN) {
        size_t message_len = bytes_get24(fragment + 1);
        size_t part_offset = bytes_get24(fragment + 6);
        size_t part_len = bytes_get24(fragment + 9);
        size_t used = HANDSHAKE_HEADER_LEN + part_len;
        if (fragment[0] >= HANDSHAKE_TYPE_MAX || message_len > HANDSHAKE_LEN_MAX ||
            part_offset + part_len > message_len || used > len)
            return false;
        if (used == len)
            return true;
        fragment += used;
        len -= used;
    }
    return false;
}

static bool is_plain(uint8_t type, const uint8_t *fragment, size_t len)
{
    switch (type) {
    case CHANGE_CIPHER_SPEC:
        return len == 1 && fragment[0] == 1; /* RFC 5246, section 7.1 */
    case ALERT:
        return len == 2 && (fragment[0] == 1 || fragment[0] == 2); /* warning, fatal: RFC 5246, section 7.2 */
    case HANDSHAKE:
        return len <= DTLS_PLAINTEXT_MAX && is_handshake(fragment, len);
    default:
        return false;
    }
}

bool dtls_record_is_sane(const struct dtls_record *record, size_t overhead)
{
    uint8_t type = record->bytes[0];
    uint16_t version = bytes_get16(record->bytes + 1);
    size_t len = record->len - DTLS_RECORD_HEADER_LEN;
    if (record->epoch == 0)
        return (version == DTLS_1_0 || version == DTLS_1_2) &&
               is_plain(type, record->bytes + DTLS_RECORD_HEADER_LEN, len);
    /* One handshake, so one epoch with keys. An empty fragment is allowed, but of no use. */
    return record->epoch == 1 && version == DTLS_1_2 && type >= CHANGE_CIPHER_SPEC && type <= APPLICATION_DATA &&
           overhead > 0 && len > overhead && len <= overhead + DTLS_PLAINTEXT_MAX;
}
