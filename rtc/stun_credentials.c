/* The long-term credential mechanism's derived values (RFC 8489, section 9.2). */
#include <openssl/md5.h>
#include <openssl/sha.h>

#include "rtc/stun.h"

static const char cookie_head[] = "obMatJos2";
static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void md5_text(MD5_CTX *md5, const char *text) { MD5_Update(md5, text, strlen(text)); }
static void sha256_text(SHA256_CTX *sha256, const char *text) { SHA256_Update(sha256, text, strlen(text)); }

size_t stun_long_term_key(enum stun_password_algorithm algorithm, const char *username, const char *realm,
                          const char *password, uint8_t key[STUN_KEY_CAP])
{
    const char *const parts[] = {username, ":", realm, ":", password};
    if (algorithm == STUN_PASSWORD_MD5) {
        MD5_CTX md5;
        MD5_Init(&md5);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            md5_text(&md5, parts[i]);
        MD5_Final(key, &md5);
        return MD5_DIGEST_LENGTH;
    }
    if (algorithm == STUN_PASSWORD_SHA256) {
        SHA256_CTX sha256;
        SHA256_Init(&sha256);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
            sha256_text(&sha256, parts[i]);
        SHA256_Final(key, &sha256);
        return SHA256_DIGEST_LENGTH;
    }
    return 0;
}

void stun_userhash(const char *username, const char *realm, uint8_t hash[STUN_USERHASH_LEN])
{
    SHA256_CTX sha256;
    SHA256_Init(&sha256);
    sha256_text(&sha256, username);
    sha256_text(&sha256, ":");
    sha256_text(&sha256, realm);
    SHA256_Final(hash, &sha256);
}

void stun_nonce_cookie(uint32_t features, char cookie[STUN_NONCE_COOKIE_LEN + 1])
{
    size_t at = sizeof cookie_head - 1;
    memcpy(cookie, cookie_head, at);
    for (int shift = 18; shift >= 0; shift -= 6)
        cookie[at++] = base64[features >> shift & 63];
    cookie[at] = '\0';
}

uint32_t stun_nonce_features(const char *nonce)
{
    size_t at = sizeof cookie_head - 1;
    if (strlen(nonce) < STUN_NONCE_COOKIE_LEN || memcmp(nonce, cookie_head, at) != 0)
        return 0;
    uint32_t features = 0;
    for (; at < STUN_NONCE_COOKIE_LEN; at++) {
        const char *digit = strchr(base64, nonce[at]);
        if (digit == NULL)
            return 0;
        features = features << 6 | (uint32_t)(digit - base64);
    }
    return features;
}
