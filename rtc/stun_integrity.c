#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "rtc/stun.h"

#define HMAC_BLOCK_LEN 64 /* of SHA-1 and SHA-256 alike (RFC 2104, section 2) */

/* OpenSSL's HMAC calls allocate, and look the hash up by name, each time. A STUN message is two or three blocks, so the
 * two hashes of RFC 2104 are done here, on the stack. */
struct hash {
    bool sha256;
    union {
        SHA_CTX sha1;
        SHA256_CTX sha256;
    } state;
};

static void hash_init(struct hash *hash, bool sha256)
{
    hash->sha256 = sha256;
    if (sha256)
        SHA256_Init(&hash->state.sha256);
    else
        SHA1_Init(&hash->state.sha1);
}

static void hash_update(struct hash *hash, const void *data, size_t len)
{
    if (hash->sha256)
        SHA256_Update(&hash->state.sha256, data, len);
    else
        SHA1_Update(&hash->state.sha1, data, len);
}

static size_t hash_final(struct hash *hash, uint8_t *digest)
{
    if (hash->sha256)
        SHA256_Final(digest, &hash->state.sha256);
    else
        SHA1_Final(digest, &hash->state.sha1);
    return hash->sha256 ? SHA256_DIGEST_LENGTH : SHA_DIGEST_LENGTH;
}

size_t stun_hmac(enum stun_integrity integrity, const void *key, size_t key_len, const uint8_t *message, size_t covered,
                 uint16_t claimed, uint8_t digest[STUN_KEY_CAP])
{
    bool sha256 = integrity == STUN_INTEGRITY_SHA256;
    struct hash hash;
    uint8_t block[HMAC_BLOCK_LEN] = {0};
    if (key_len > sizeof block) {
        hash_init(&hash, sha256);
        hash_update(&hash, key, key_len);
        hash_final(&hash, block);
    } else if (key_len > 0) {
        memcpy(block, key, key_len);
    }

    uint8_t head[4] = {message[0], message[1]};
    bytes_put16(head + 2, claimed);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36;
    hash_init(&hash, sha256);
    hash_update(&hash, block, sizeof block);
    hash_update(&hash, head, sizeof head);
    hash_update(&hash, message + sizeof head, covered - sizeof head);
    size_t len = hash_final(&hash, digest);

    for (size_t i = 0; i < sizeof block; i++)
        block[i] ^= 0x36 ^ 0x5c;
    hash_init(&hash, sha256);
    hash_update(&hash, block, sizeof block);
    hash_update(&hash, digest, len);
    return hash_final(&hash, digest);
}

bool stun_check_integrity(const struct stun_message *message, const void *key, size_t key_len)
{
    enum stun_integrity integrity = stun_integrity_of(message);
    if (integrity == STUN_INTEGRITY_NONE)
        return false;
    size_t at = integrity == STUN_INTEGRITY_SHA256 ? message->integrity_sha256 : message->integrity;
    size_t len = integrity == STUN_INTEGRITY_SHA256 ? SHA256_DIGEST_LENGTH : SHA_DIGEST_LENGTH;
    if (bytes_get16(message->data + at + 2) != len)
        return false;
    uint8_t digest[STUN_KEY_CAP];
    stun_hmac(integrity, key, key_len, message->data, at, (uint16_t)(at + 4 + len - STUN_HEADER_LEN), digest);
    return CRYPTO_memcmp(digest, message->data + at + 4, len) == 0;
}

bool stun_check_fingerprint(const struct stun_message *message)
{
    size_t at = message->fingerprint;
    return at != 0 && at + 8 == message->len && bytes_get16(message->data + at + 2) == 4 &&
           bytes_get32(message->data + at + 4) == (stun_crc32(message->data, at) ^ STUN_FINGERPRINT_XOR);
}

/* CRC is linear, so each entry is the exclusive-or of the entries for its single bits. */
#define CRC_BIT(i, bit, value) ((i) >> (bit)&1 ? (value) : 0u)
#define CRC_ENTRY(i)                                                                                                   \
    (CRC_BIT(i, 0, 0x77073096u) ^ CRC_BIT(i, 1, 0xee0e612cu) ^ CRC_BIT(i, 2, 0x076dc419u) ^                            \
     CRC_BIT(i, 3, 0x0edb8832u) ^ CRC_BIT(i, 4, 0x1db71064u) ^ CRC_BIT(i, 5, 0x3b6e20c8u) ^                            \
     CRC_BIT(i, 6, 0x76dc4190u) ^ CRC_BIT(i, 7, 0xedb88320u))
#define CRC_4(i) CRC_ENTRY(i), CRC_ENTRY((i) + 1), CRC_ENTRY((i) + 2), CRC_ENTRY((i) + 3)
#define CRC_16(i) CRC_4(i), CRC_4((i) + 4), CRC_4((i) + 8), CRC_4((i) + 12)
#define CRC_64(i) CRC_16(i), CRC_16((i) + 16), CRC_16((i) + 32), CRC_16((i) + 48)

uint32_t stun_crc32(const uint8_t *data, size_t len)
{
    static const uint32_t table[256] = {CRC_64(0), CRC_64(64), CRC_64(128), CRC_64(192)};
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < len; i++)
        crc = table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
    return ~crc;
}
