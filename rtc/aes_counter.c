#include "rtc/aes_counter.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#include "base/bytes.h"

#define WITH_AES __attribute__((target("aes,sse2")))

enum { LANES = 4 }; /* blocks at a time: one round's instruction takes four cycles, and a new one can begin in each */

static bool has_instructions(void) { return __builtin_cpu_supports("aes"); }

/* FIPS 197, section 5.2: each word of a round's key is the one before it XOR that of the round before. */
WITH_AES static __m128i next_key(__m128i key, __m128i assist)
{
    key = _mm_xor_si128(key, _mm_slli_si128(key, 4));
    key = _mm_xor_si128(key, _mm_slli_si128(key, 8));
    return _mm_xor_si128(key, _mm_shuffle_epi32(assist, 0xff));
}

WITH_AES static void expand(struct aes_counter *aes, const uint8_t key[AES_COUNTER_KEY_LEN])
{
    __m128i *rounds = (__m128i *)(void *)aes->rounds;
    __m128i at = _mm_loadu_si128((const __m128i *)(const void *)key);
    _mm_storeu_si128(rounds, at);
#define ROUND(n, constant)                                                                                             \
    at = next_key(at, _mm_aeskeygenassist_si128(at, constant));                                                        \
    _mm_storeu_si128(rounds + (n), at)
    ROUND(1, 0x01);
    ROUND(2, 0x02);
    ROUND(3, 0x04);
    ROUND(4, 0x08);
    ROUND(5, 0x10);
    ROUND(6, 0x20);
    ROUND(7, 0x40);
    ROUND(8, 0x80);
    ROUND(9, 0x1b);
    ROUND(10, 0x36);
#undef ROUND
}

/* XORs the key stream of LANES blocks from `block` on into the data. */
WITH_AES static void apply_lanes(const struct aes_counter *aes, const uint8_t counter[AES_COUNTER_BLOCK_LEN],
                                 uint32_t block, uint8_t *data)
{
    const __m128i *rounds = (const __m128i *)(const void *)aes->rounds;
    __m128i key = _mm_loadu_si128(rounds);
    __m128i lanes[LANES];
    uint8_t bytes[AES_COUNTER_BLOCK_LEN];
    memcpy(bytes, counter, sizeof bytes);
    uint32_t first = bytes_get32(counter + 12) + block;
    for (uint32_t i = 0; i < LANES; i++) {
        bytes_put32(bytes + 12, first + i);
        lanes[i] = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(const void *)bytes), key);
    }
    for (int round = 1; round < AES_COUNTER_ROUNDS; round++) {
        key = _mm_loadu_si128(rounds + round);
        for (int i = 0; i < LANES; i++)
            lanes[i] = _mm_aesenc_si128(lanes[i], key);
    }
    key = _mm_loadu_si128(rounds + AES_COUNTER_ROUNDS);
    for (int i = 0; i < LANES; i++) {
        __m128i *at = (__m128i *)(void *)(data + (size_t)i * AES_COUNTER_BLOCK_LEN);
        _mm_storeu_si128(at, _mm_xor_si128(_mm_loadu_si128(at), _mm_aesenclast_si128(lanes[i], key)));
    }
}

static void apply(const struct aes_counter *aes, const uint8_t counter[AES_COUNTER_BLOCK_LEN], uint8_t *data,
                  size_t len)
{
    enum { STRIDE = LANES * AES_COUNTER_BLOCK_LEN };
    uint8_t rest[STRIDE] = {0};
    uint32_t block = 0;
    for (; len >= STRIDE; len -= STRIDE, data += STRIDE, block += LANES)
        apply_lanes(aes, counter, block, data);
    if (len == 0)
        return;
    memcpy(rest, data, len);
    apply_lanes(aes, counter, block, rest);
    memcpy(data, rest, len);
}
#else
static bool has_instructions(void) { return false; }
static void expand(struct aes_counter *aes, const uint8_t *key) { (void)aes, (void)key; }
static void apply(const struct aes_counter *aes, const uint8_t *counter, uint8_t *data, size_t len)
{
    (void)aes, (void)counter, (void)data, (void)len;
}
#endif

bool aes_counter_init(struct aes_counter *aes, const uint8_t key[AES_COUNTER_KEY_LEN], bool portable)
{
    aes->cipher = NULL;
    if (has_instructions() && !portable) {
        expand(aes, key);
        return true;
    }
    aes->cipher = EVP_CIPHER_CTX_new();
    return aes->cipher != NULL && EVP_EncryptInit_ex(aes->cipher, EVP_aes_128_ctr(), NULL, key, NULL) == 1;
}

void aes_counter_clear(struct aes_counter *aes)
{
    EVP_CIPHER_CTX_free(aes->cipher);
    OPENSSL_cleanse(aes, sizeof *aes);
}

bool aes_counter_apply(const struct aes_counter *aes, const uint8_t counter[AES_COUNTER_BLOCK_LEN], uint8_t *data,
                       size_t len)
{
    int done = 0;
    if (aes->cipher == NULL) {
        apply(aes, counter, data, len);
        return true;
    }
    return EVP_EncryptInit_ex(aes->cipher, NULL, NULL, NULL, counter) == 1 &&
           (len == 0 || EVP_EncryptUpdate(aes->cipher, data, &done, data, (int)len) == 1);
}
