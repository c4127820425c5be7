#include "loadgen/json_web_token.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool base64url_write(char *out, size_t cap, const void *data, size_t len)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint8_t *bytes = data;
    if (cap < len / 3 * 4 + 5)
        return false;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t group = (uint32_t)bytes[i] << 16;
        group |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
        group |= left > 2 ? bytes[i + 2] : 0;
        for (size_t j = 0; j < 4 && j <= left; j++)
            *out++ = alphabet[group >> (18 - 6 * j) & 63];
    }
    *out = '\0';
    return true;
}

bool json_web_token_sign(char token[JSON_WEB_TOKEN_CAP], json_t *claims, const char *secret)
{
    static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
    uint8_t signature[EVP_MAX_MD_SIZE];
    unsigned signature_len = 0;
    char *payload = json_dumps(claims, JSON_COMPACT);
    json_decref(claims);
    bool fits = payload != NULL && base64url_write(token, JSON_WEB_TOKEN_CAP, header, sizeof header - 1);
    size_t len = fits ? strlen(token) : 0;
    if (fits) {
        token[len++] = '.';
        fits = base64url_write(token + len, JSON_WEB_TOKEN_CAP - len, payload, strlen(payload));
        len += fits ? strlen(token + len) : 0;
    }
    free(payload);
    if (!fits || len + 1 >= JSON_WEB_TOKEN_CAP ||
        HMAC(EVP_sha256(), secret, (int)strlen(secret), (const uint8_t *)token, len, signature, &signature_len) == NULL)
        return false;
    token[len++] = '.';
    return base64url_write(token + len, JSON_WEB_TOKEN_CAP - len, signature, signature_len);
}
