#include "rtc/fingerprint.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    uint8_t len;
    const EVP_MD *(*digest)(void);
} hashes[] = {
    [FINGERPRINT_SHA_1] = {"sha-1", 20, EVP_sha1},       [FINGERPRINT_SHA_224] = {"sha-224", 28, EVP_sha224},
    [FINGERPRINT_SHA_256] = {"sha-256", 32, EVP_sha256}, [FINGERPRINT_SHA_384] = {"sha-384", 48, EVP_sha384},
    [FINGERPRINT_SHA_512] = {"sha-512", 64, EVP_sha512},
};

#define HASH_COUNT (sizeof hashes / sizeof hashes[0])

struct fingerprint fingerprint_of(enum fingerprint_hash hash, const void *der, size_t len)
{
    struct fingerprint fingerprint = {.hash = (uint8_t)hash, .len = hashes[hash].len};
    if (EVP_Digest(der, len, fingerprint.bytes, NULL, hashes[hash].digest(), NULL) != 1)
        fingerprint.len = 0; /* out of memory: equal to no parsed fingerprint */
    return fingerprint;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool fingerprint_parse(struct fingerprint *out, const char *text, struct error *error)
{
    size_t name_len = strcspn(text, " ");
    size_t hash = 0;
    while (hash < HASH_COUNT &&
           (strlen(hashes[hash].name) != name_len || strncasecmp(hashes[hash].name, text, name_len) != 0))
        hash++;
    if (hash == HASH_COUNT)
        return error_set(error, ERROR_UNSUPPORTED,
                         "hash function '%.*s' is not one of sha-1, sha-224, sha-256, "
                         "sha-384, sha-512",
                         name_len > 32 ? 32 : (int)name_len, text);
    const char *at = text + name_len;
    while (*at == ' ')
        at++;
    struct fingerprint fingerprint = {.hash = (uint8_t)hash, .len = hashes[hash].len};
    for (size_t i = 0; i < fingerprint.len; i++, at += 2) {
        if (i > 0 && *at++ != ':')
            return error_set(error, ERROR_INPUT, "a %s fingerprint needs %u bytes separated by colons",
                             hashes[hash].name, fingerprint.len);
        int high = hex_value(at[0]);
        int low = high < 0 ? -1 : hex_value(at[1]);
        if (low < 0)
            return error_set(error, ERROR_INPUT, "a %s fingerprint needs %u bytes in hexadecimal, this has %zu",
                             hashes[hash].name, fingerprint.len, i);
        fingerprint.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (at[strspn(at, " ")] != '\0')
        return error_set(error, ERROR_INPUT, "a %s fingerprint has more than its %u bytes", hashes[hash].name,
                         fingerprint.len);
    *out = fingerprint;
    return true;
}

const char *fingerprint_format(const struct fingerprint *fingerprint, char text[FINGERPRINT_TEXT_CAP])
{
    static const char digits[] = "0123456789ABCDEF";
    const char *name = hashes[fingerprint->hash].name;
    size_t used = strlen(name);
    memcpy(text, name, used);
    for (size_t i = 0; i < fingerprint->len; i++) {
        text[used++] = i == 0 ? ' ' : ':';
        text[used++] = digits[fingerprint->bytes[i] >> 4];
        text[used++] = digits[fingerprint->bytes[i] & 15];
    }
    text[used] = '\0';
    return text;
}

bool fingerprint_any_matches(const struct fingerprint *fingerprints, size_t count, const void *der, size_t len)
{
    uint8_t strongest = 0;
    for (size_t i = 0; i < count; i++)
        strongest = fingerprints[i].hash > strongest ? fingerprints[i].hash : strongest;
    struct fingerprint actual = fingerprint_of(strongest, der, len);
    for (size_t i = 0; i < count; i++) {
        if (fingerprints[i].hash == strongest && fingerprints[i].len == actual.len && actual.len > 0 &&
            memcmp(fingerprints[i].bytes, actual.bytes, actual.len) == 0)
            return true;
    }
    return false;
}
