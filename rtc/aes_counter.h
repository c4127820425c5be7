/* AES-128 in counter mode (NIST SP 800-38A, section 6.5), as SRTP has it by default (RFC 3711, section 4.1.1): for
 * thousands of keys at a time, each of which takes a short packet now and then. OpenSSL's contexts take about a
 * kilobyte each, and as long to be given a counter as to encrypt 200 bytes; where the processor has AES instructions a
 * key is here 176 bytes, and a packet costs its blocks. Elsewhere OpenSSL does it. */
#ifndef CONFAB_RTC_AES_COUNTER_H
#define CONFAB_RTC_AES_COUNTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AES_COUNTER_KEY_LEN = 16, AES_COUNTER_BLOCK_LEN = 16, AES_COUNTER_ROUNDS = 10 };

struct aes_counter {
    uint8_t rounds[AES_COUNTER_ROUNDS + 1][AES_COUNTER_BLOCK_LEN]; /* their keys; unused with `cipher` */
    struct evp_cipher_ctx_st *cipher;                              /* NULL: the processor does it */
};

/* False when OpenSSL can't. `portable`: by OpenSSL, whatever the processor has; for tests. */
bool aes_counter_init(struct aes_counter *aes, const uint8_t key[AES_COUNTER_KEY_LEN], bool portable);
/* Forgets the key. One that is all zeros is allowed. */
void aes_counter_clear(struct aes_counter *aes);

/* Encrypts or decrypts `data` in place, from the block `counter`, whose last four bytes count; at most 2^32 − 1 of them. */
bool aes_counter_apply(const struct aes_counter *aes, const uint8_t counter[AES_COUNTER_BLOCK_LEN], uint8_t *data,
                       size_t len);

#endif
