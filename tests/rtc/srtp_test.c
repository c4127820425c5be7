#include "rtc/srtp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <srtp2/srtp.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "tests/support/suite.h"

/* --- an oracle: SRTP written straight from the RFCs on OpenSSL, for one packet at a time ------------------------------- */

static void aes_ctr(const uint8_t *key, size_t key_len, const uint8_t counter[16], uint8_t *data, size_t len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done = 0;
    CU_ASSERT_EQUAL(EVP_EncryptInit_ex(ctx, key_len == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), NULL, key, counter),
                    1);
    CU_ASSERT_EQUAL(EVP_EncryptUpdate(ctx, data, &done, data, (int)len), 1);
    EVP_CIPHER_CTX_free(ctx);
}

/* Encrypts `data` in place, the tag behind it; AAD in two parts. */
static void aes_gcm(const uint8_t *key, size_t key_len, const uint8_t iv[12], const uint8_t *aad, size_t aad_len,
                    const uint8_t *aad2, size_t aad2_len, uint8_t *data, size_t len)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int done = 0;
    EVP_EncryptInit_ex(ctx, key_len == 32 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), NULL, key, iv);
    EVP_EncryptUpdate(ctx, NULL, &done, aad, (int)aad_len);
    if (aad2_len > 0)
        EVP_EncryptUpdate(ctx, NULL, &done, aad2, (int)aad2_len);
    EVP_EncryptUpdate(ctx, data, &done, data, (int)len);
    EVP_EncryptFinal_ex(ctx, data + len, &done);
    CU_ASSERT_EQUAL(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, data + len), 1);
    EVP_CIPHER_CTX_free(ctx);
}

/* RFC 3711, section 4.3.3: AES-CM with the master key, from the master salt XOR the label. */
static void derive(const uint8_t *keying, enum srtp_profile profile, uint8_t label, uint8_t *out, size_t len)
{
    uint8_t counter[16] = {0};
    memcpy(counter, keying + srtp_profile_key_len(profile), srtp_profile_salt_len(profile));
    counter[7] ^= label;
    memset(out, 0, len);
    aes_ctr(keying, srtp_profile_key_len(profile), counter, out, len);
}

static size_t header_len(const uint8_t *packet)
{
    size_t len = 12 + 4 * (size_t)(packet[0] & 15);
    return packet[0] & 0x10 ? len + 4 + 4 * (size_t)bytes_get16(packet + len + 2) : len;
}

static size_t oracle_rtp(const uint8_t *keying, enum srtp_profile profile, uint32_t roc, uint8_t *packet, size_t len)
{
    uint8_t key[32], salt[14], auth_key[20], iv[16] = {0};
    derive(keying, profile, 0, key, srtp_profile_key_len(profile));
    derive(keying, profile, 1, auth_key, sizeof auth_key);
    derive(keying, profile, 2, salt, srtp_profile_salt_len(profile));
    size_t header = header_len(packet);
    if (profile == SRTP_PROFILE_AES128_CM_SHA1_80) {
        memcpy(iv + 4, packet + 8, 4); /* RFC 3711, section 4.1.1: salt * 2^16 ^ SSRC * 2^64 ^ index * 2^16 */
        bytes_put32(iv + 8, roc);
        memcpy(iv + 12, packet + 2, 2);
        for (int i = 0; i < 14; i++)
            iv[i] ^= salt[i];
        aes_ctr(key, 16, iv, packet + header, len - header);
        uint8_t tag[20];
        bytes_put32(packet + len, roc); /* authenticated, then overwritten */
        HMAC(EVP_sha1(), auth_key, 20, packet, len + 4, tag, NULL);
        memcpy(packet + len, tag, 10);
        return len + 10;
    }
    memcpy(iv + 2, packet + 8, 4); /* RFC 7714, section 8.1 */
    bytes_put32(iv + 6, roc);
    memcpy(iv + 10, packet + 2, 2);
    for (int i = 0; i < 12; i++)
        iv[i] ^= salt[i];
    aes_gcm(key, srtp_profile_key_len(profile), iv, packet, header, NULL, 0, packet + header, len - header);
    return len + 16;
}

static size_t oracle_rtcp(const uint8_t *keying, enum srtp_profile profile, uint32_t index, uint8_t *packet, size_t len)
{
    uint8_t key[32], salt[14], auth_key[20], iv[16] = {0}, trailer[4];
    derive(keying, profile, 3, key, srtp_profile_key_len(profile));
    derive(keying, profile, 4, auth_key, sizeof auth_key);
    derive(keying, profile, 5, salt, srtp_profile_salt_len(profile));
    bytes_put32(trailer, 0x80000000u | index);
    if (profile == SRTP_PROFILE_AES128_CM_SHA1_80) {
        memcpy(iv + 4, packet + 4, 4);
        bytes_put32(iv + 10, index);
        for (int i = 0; i < 14; i++)
            iv[i] ^= salt[i];
        aes_ctr(key, 16, iv, packet + 8, len - 8);
        memcpy(packet + len, trailer, 4);
        uint8_t tag[20];
        HMAC(EVP_sha1(), auth_key, 20, packet, len + 4, tag, NULL);
        memcpy(packet + len + 4, tag, 10);
        return len + 14;
    }
    memcpy(iv + 2, packet + 4, 4); /* RFC 7714, section 9.1 */
    bytes_put32(iv + 8, index);
    for (int i = 0; i < 12; i++)
        iv[i] ^= salt[i];
    aes_gcm(key, srtp_profile_key_len(profile), iv, packet, 8, trailer, 4, packet + 8, len - 8);
    memcpy(packet + len + 16, trailer, 4);
    return len + 20;
}

static void from_hex(uint8_t *out, const char *hex)
{
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        *out++ = (uint8_t)byte;
}

static void assert_hex(const uint8_t *data, size_t len, const char *hex)
{
    uint8_t expected[256];
    from_hex(expected, hex);
    CU_ASSERT_EQUAL(len, strlen(hex) / 2);
    CU_ASSERT_EQUAL(memcmp(data, expected, strlen(hex) / 2), 0);
}

/* The oracle's parts give the RFCs' own numbers. */
static void the_oracle_keeps_to_the_rfcs(void)
{
    /* RFC 3711, appendix B.3 */
    uint8_t keying[SRTP_KEYING_CAP], out[94];
    from_hex(keying, "e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6");
    derive(keying, SRTP_PROFILE_AES128_CM_SHA1_80, 0, out, 16);
    assert_hex(out, 16, "c61e7a93744f39ee10734afe3ff7a087");
    derive(keying, SRTP_PROFILE_AES128_CM_SHA1_80, 2, out, 14);
    assert_hex(out, 14, "30cbbc08863d8c85d49db34a9ae1");
    derive(keying, SRTP_PROFILE_AES128_CM_SHA1_80, 1, out, 94);
    assert_hex(out, 94,
               "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef7227098"
               "6371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2");
    /* RFC 3711, appendix B.2 */
    uint8_t key[32], counter[16], stream[48] = {0};
    from_hex(key, "2b7e151628aed2a6abf7158809cf4f3c");
    from_hex(counter, "f0f1f2f3f4f5f6f7f8f9fafbfcfd0000");
    aes_ctr(key, 16, counter, stream, sizeof stream);
    assert_hex(stream, 48,
               "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0");
    /* RFC 7714, sections 16.1.1, 16.2.1 and 17.1 */
    uint8_t packet[100];
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)i;
    for (int bits = 128; bits <= 256; bits += 128) {
        from_hex(packet,
                 "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074"
                 "726573");
        uint8_t iv[12];
        from_hex(iv, "51753c6580c2726f20718414");
        aes_gcm(key, (size_t)bits / 8, iv, packet, 12, NULL, 0, packet + 12, 38);
        assert_hex(packet + 12, 54,
                   bits == 128
                       ? "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27be"
                         "b16a9152cf765ee4390cce"
                       : "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36df"
                         "ffd6b0f9bb7878d7a76c13");
    }
    from_hex(packet, "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeef"
                     "deadbeef");
    uint8_t iv[12];
    from_hex(iv, "517524055203726f207170bb");
    aes_gcm(key, 16, iv, packet, 8, (const uint8_t *)"\x80\x00\x05\xd4", 4, packet + 8, 44);
    assert_hex(packet + 8, 60,
               "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d"
               "2fc5abf87245d9eade");
}

/* --- sessions ---------------------------------------------------------------------------------------------------------- */

static const enum srtp_profile profiles[] = {SRTP_PROFILE_AEAD_AES_128_GCM, SRTP_PROFILE_AEAD_AES_256_GCM,
                                             SRTP_PROFILE_AES128_CM_SHA1_80};

static struct srtp_keys keys_of(enum srtp_profile profile)
{
    struct srtp_keys keys = {.profile = profile};
    struct rng rng = rng_of(1, "srtp test", profile);
    rng_bytes(&rng, keys.local, sizeof keys.local);
    memcpy(keys.remote, keys.local, sizeof keys.remote); /* so that one set of keys serves both directions */
    return keys;
}

static struct srtp_session *session_of(const struct srtp_keys *keys, const struct srtp_session_config *config)
{
    struct srtp_session *session = srtp_session_create(keys, config, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(session);
    return session;
}

struct ends {
    struct srtp_keys keys;
    struct srtp_session *out, *in;
};

static struct ends ends_of(enum srtp_profile profile)
{
    struct ends ends = {.keys = keys_of(profile)};
    ends.out = session_of(&ends.keys, &(struct srtp_session_config){.direction = SRTP_OUTBOUND});
    ends.in = session_of(&ends.keys, &(struct srtp_session_config){.direction = SRTP_INBOUND});
    return ends;
}

static void ends_free(struct ends *ends)
{
    srtp_session_destroy(ends->out);
    srtp_session_destroy(ends->in);
}

static size_t make_rtp(uint8_t *packet, uint32_t ssrc, uint16_t sequence, size_t payload_len)
{
    memset(packet, 0, 12);
    packet[0] = 0x80;
    packet[1] = 96;
    bytes_put16(packet + 2, sequence);
    bytes_put32(packet + 8, ssrc);
    for (size_t i = 0; i < payload_len; i++)
        packet[12 + i] = (uint8_t)(sequence + i);
    return 12 + payload_len;
}

static size_t make_rtcp(uint8_t *packet, uint32_t ssrc)
{
    from_hex(packet, "80c9000100000000"
                     "81ce000212345678cafebabe");
    bytes_put32(packet + 4, ssrc);
    return 20;
}

static void agrees_with_the_oracle(void)
{
    struct rng rng = rng_of(2, "srtp oracle", 0);
    for (size_t p = 0; p < 3; p++) {
        struct ends ends = ends_of(profiles[p]);
        uint32_t roc = 0;
        for (uint32_t n = 0; n < 300; n++) {
            uint8_t packet[1500], expected[1500], plain[1500];
            uint16_t sequence = (uint16_t)(65300 + n);
            roc += sequence == 0;
            size_t len = make_rtp(packet, 0xdecafbad, sequence, 200 + rng_below(&rng, 900));
            packet[0] |= (uint8_t)rng_below(&rng, 16); /* CSRCs */
            if (n % 3 == 0) {                          /* and an extension, of 0 to 3 words */
                packet[0] |= 0x10;
                bytes_put16(packet + 12 + 4 * (packet[0] & 15) + 2, (uint16_t)rng_below(&rng, 4));
            }
            memcpy(plain, packet, len);
            memcpy(expected, packet, len);
            size_t plain_len = len;
            size_t expected_len = oracle_rtp(ends.keys.local, profiles[p], roc, expected, len);
            CU_ASSERT_EQUAL(srtp_session_protect_rtp(ends.out, packet, &len, sizeof packet), SRTP_STATUS_OK);
            CU_ASSERT_EQUAL(len, expected_len);
            CU_ASSERT_EQUAL(memcmp(packet, expected, len), 0);
            CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(ends.in, packet, &len), SRTP_STATUS_OK);
            CU_ASSERT_EQUAL(len, plain_len);
            CU_ASSERT_EQUAL(memcmp(packet, plain, len), 0);

            len = make_rtcp(packet, 0xdecafbad);
            memcpy(expected, packet, len);
            memcpy(plain, packet, len);
            expected_len = oracle_rtcp(ends.keys.local, profiles[p], n + 1, expected, len);
            CU_ASSERT_EQUAL(srtp_session_protect_rtcp(ends.out, packet, &len, sizeof packet), SRTP_STATUS_OK);
            CU_ASSERT_EQUAL(len, expected_len);
            CU_ASSERT_EQUAL(memcmp(packet, expected, len), 0);
            CU_ASSERT_EQUAL(srtp_session_unprotect_rtcp(ends.in, packet, &len), SRTP_STATUS_OK);
            CU_ASSERT_EQUAL(len, 20);
            CU_ASSERT_EQUAL(memcmp(packet, plain, len), 0);
        }
        CU_ASSERT_EQUAL(roc, 1);
        ends_free(&ends);
    }
}

/* libsrtp2, which most WebRTC servers use. */
static srtp_t libsrtp_of(const struct srtp_keys *keys, enum srtp_direction direction)
{
    static bool started;
    if (!started)
        CU_ASSERT_EQUAL_FATAL(srtp_init(), srtp_err_status_ok);
    started = true;
    uint8_t key[SRTP_KEYING_CAP];
    memcpy(key, keys->local, sizeof key);
    srtp_policy_t policy = {.ssrc = {.type = direction == SRTP_OUTBOUND ? ssrc_any_outbound : ssrc_any_inbound},
                            .key = key,
                            .window_size = 512};
    srtp_profile_t profile = (srtp_profile_t)keys->profile;
    CU_ASSERT_EQUAL(srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile), srtp_err_status_ok);
    CU_ASSERT_EQUAL(srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile), srtp_err_status_ok);
    srtp_t context = NULL;
    CU_ASSERT_EQUAL_FATAL(srtp_create(&context, &policy), srtp_err_status_ok);
    return context;
}

static void talks_with_libsrtp(void)
{
    struct rng rng = rng_of(3, "libsrtp", 0);
    for (size_t p = 0; p < 3; p++) {
        struct ends ends = ends_of(profiles[p]);
        srtp_t their_out = libsrtp_of(&ends.keys, SRTP_OUTBOUND);
        srtp_t their_in = libsrtp_of(&ends.keys, SRTP_INBOUND);
        for (uint32_t n = 0; n < 400; n++) {
            uint8_t plain[1500], packet[1500];
            uint32_t ssrc = 1000 + n % 3;
            bool is_rtcp = n % 5 == 4;
            size_t plain_len =
                is_rtcp ? make_rtcp(plain, ssrc) : make_rtp(plain, ssrc, (uint16_t)(65500 + n), rng_below(&rng, 1300));
            size_t len = plain_len;
            memcpy(packet, plain, len);
            enum srtp_status ours =
                (is_rtcp ? srtp_session_protect_rtcp : srtp_session_protect_rtp)(ends.out, packet, &len, sizeof packet);
            int their_len = (int)len;
            srtp_err_status_t theirs = (is_rtcp ? srtp_unprotect_rtcp : srtp_unprotect)(their_in, packet, &their_len);
            CU_ASSERT_TRUE(ours == SRTP_STATUS_OK && theirs == srtp_err_status_ok);
            CU_ASSERT_EQUAL(their_len, plain_len);
            CU_ASSERT_EQUAL(memcmp(packet, plain, plain_len), 0);

            their_len = (int)plain_len;
            theirs = (is_rtcp ? srtp_protect_rtcp : srtp_protect)(their_out, packet, &their_len);
            len = (size_t)their_len;
            ours = (is_rtcp ? srtp_session_unprotect_rtcp : srtp_session_unprotect_rtp)(ends.in, packet, &len);
            CU_ASSERT_TRUE(ours == SRTP_STATUS_OK && theirs == srtp_err_status_ok);
            CU_ASSERT_EQUAL(len, plain_len);
            CU_ASSERT_EQUAL(memcmp(packet, plain, plain_len), 0);
        }
        srtp_dealloc(their_out);
        srtp_dealloc(their_in);
        ends_free(&ends);
    }
}

/* Lost, late, doubled and far ahead: both take the same packets. */
static void refuses_what_libsrtp_refuses(void)
{
    struct ends ends = ends_of(profiles[0]);
    srtp_t theirs = libsrtp_of(&ends.keys, SRTP_INBOUND);
    struct rng rng = rng_of(4, "libsrtp", 0);
    int64_t front = 5000;
    uint32_t taken = 0;
    for (int n = 0; n < 20000; n++) {
        uint64_t kind = rng_below(&rng, 100);
        front += kind == 0 ? (int64_t)rng_below(&rng, 3000) : kind < 40;
        int64_t index = front - (int64_t)rng_below(&rng, kind < 90 ? 20 : 1100);
        uint8_t packet[2][100];
        size_t len = oracle_rtp(ends.keys.remote, profiles[0], (uint32_t)(index >> 16), packet[0],
                                make_rtp(packet[0], 7, (uint16_t)index, 20));
        memcpy(packet[1], packet[0], len);
        int their_len = (int)len;
        srtp_err_status_t their_status = srtp_unprotect(theirs, packet[1], &their_len);
        enum srtp_status status = srtp_session_unprotect_rtp(ends.in, packet[0], &len);
        CU_ASSERT_EQUAL(status == SRTP_STATUS_OK, their_status == srtp_err_status_ok);
        CU_ASSERT_TRUE(status == SRTP_STATUS_OK || status == SRTP_STATUS_REPLAYED);
        taken += status == SRTP_STATUS_OK;
    }
    CU_ASSERT_TRUE(front > 4 * 65536); /* wrapped more than once */
    CU_ASSERT_TRUE(taken > 5000 && taken < 15000);
    srtp_dealloc(theirs);
    ends_free(&ends);
}

/* The rollover counter of RFC 3711, section 3.3.1, guessed right though packets around the wrap are lost or late. */
static void follows_loss_and_reordering_at_the_wrap(void)
{
    static const uint32_t order[] = {65000,
                                     65530,
                                     65533,
                                     65531,
                                     /* 65534 to 65537 lost */ 65540,
                                     65532,
                                     65539,
                                     65538,
                                     70000,
                                     98000,
                                     /* far, but less than half of 65536 */ 130000,
                                     131072};
    for (size_t p = 0; p < 3; p++) {
        struct srtp_keys keys = keys_of(profiles[p]);
        struct srtp_session *in = session_of(&keys, &(struct srtp_session_config){.direction = SRTP_INBOUND});
        for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
            uint8_t packet[300];
            size_t len = make_rtp(packet, 7, (uint16_t)order[i], 100);
            len = oracle_rtp(keys.remote, profiles[p], order[i] >> 16, packet, len);
            CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(in, packet, &len), SRTP_STATUS_OK);
            CU_ASSERT_EQUAL(len, 112);
        }
        srtp_session_destroy(in);
    }
}

static void replays_are_refused(void)
{
    for (size_t p = 0; p < 3; p++) {
        struct ends ends = ends_of(profiles[p]);
        uint8_t first[200], packet[200];
        size_t first_len = make_rtp(first, 7, 100, 100), len;
        CU_ASSERT_EQUAL(srtp_session_protect_rtp(ends.out, first, &first_len, sizeof first), SRTP_STATUS_OK);
        for (int i = 0; i < 2; i++) {
            memcpy(packet, first, len = first_len);
            CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(ends.in, packet, &len),
                            i == 0 ? SRTP_STATUS_OK : SRTP_STATUS_REPLAYED);
            CU_ASSERT_EQUAL(len, i == 0 ? 112 : first_len);
        }
        /* Older than the window of 512 packets. */
        len = make_rtp(packet, 7, 3000, 100);
        CU_ASSERT_EQUAL(srtp_session_protect_rtp(ends.out, packet, &len, sizeof packet), SRTP_STATUS_OK);
        CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(ends.in, packet, &len), SRTP_STATUS_OK);
        len = oracle_rtp(ends.keys.remote, profiles[p], 0, packet, make_rtp(packet, 7, 2400, 100));
        CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(ends.in, packet, &len), SRTP_STATUS_REPLAYED);
        len = oracle_rtp(ends.keys.remote, profiles[p], 0, packet, make_rtp(packet, 7, 2500, 100));
        CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(ends.in, packet, &len), SRTP_STATUS_OK);

        first_len = make_rtcp(first, 7);
        CU_ASSERT_EQUAL(srtp_session_protect_rtcp(ends.out, first, &first_len, sizeof first), SRTP_STATUS_OK);
        for (int i = 0; i < 2; i++) {
            memcpy(packet, first, len = first_len);
            CU_ASSERT_EQUAL(srtp_session_unprotect_rtcp(ends.in, packet, &len),
                            i == 0 ? SRTP_STATUS_OK : SRTP_STATUS_REPLAYED);
        }
        ends_free(&ends);
    }
}

/* Protecting two different packets under one index would give the key stream away. */
static void the_same_index_is_not_protected_twice(void)
{
    struct srtp_keys keys = keys_of(profiles[0]);
    for (int allowed = 0; allowed < 2; allowed++) {
        struct srtp_session *out =
            session_of(&keys, &(struct srtp_session_config){.direction = SRTP_OUTBOUND, .allow_repeat = allowed == 1});
        uint8_t packet[2][200];
        for (int i = 0; i < 2; i++) {
            size_t len = make_rtp(packet[i], 7, 100, 100);
            CU_ASSERT_EQUAL(srtp_session_protect_rtp(out, packet[i], &len, sizeof packet[i]),
                            i == 0 || allowed ? SRTP_STATUS_OK : SRTP_STATUS_REPLAYED);
        }
        if (allowed)
            CU_ASSERT_EQUAL(memcmp(packet[0], packet[1], 128), 0);
        srtp_session_destroy(out);
    }
}

static void what_is_forged_changes_nothing(void)
{
    for (size_t p = 0; p < 3; p++) {
        struct ends ends = ends_of(profiles[p]);
        uint8_t good[200], packet[200];
        size_t good_len = make_rtp(good, 7, 100, 100), len;
        CU_ASSERT_EQUAL(srtp_session_protect_rtp(ends.out, good, &good_len, sizeof good), SRTP_STATUS_OK);
        for (size_t bit = 0; bit < 8 * good_len; bit++) {
            memcpy(packet, good, len = good_len);
            packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
            enum srtp_status status = srtp_session_unprotect_rtp(ends.in, packet, &len);
            /* The version and the lengths in the header may make it malformed before it is forged. */
            CU_ASSERT_TRUE(status == SRTP_STATUS_FORGED || (bit < 8 && status == SRTP_STATUS_MALFORMED));
            CU_ASSERT_EQUAL(len, good_len);
        }
        for (size_t cut = 0; cut < good_len; cut++) {
            memcpy(packet, good, len = cut);
            enum srtp_status status = srtp_session_unprotect_rtp(ends.in, packet, &len);
            CU_ASSERT_EQUAL(status, cut < 12 + (good_len - 112) ? SRTP_STATUS_MALFORMED : SRTP_STATUS_FORGED);
        }
        CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(ends.in, good, &good_len), SRTP_STATUS_OK);

        good_len = make_rtcp(good, 7);
        CU_ASSERT_EQUAL(srtp_session_protect_rtcp(ends.out, good, &good_len, sizeof good), SRTP_STATUS_OK);
        for (size_t bit = 8; bit < 8 * good_len; bit++) {
            memcpy(packet, good, len = good_len);
            packet[bit / 8] ^= (uint8_t)(1u << bit % 8);
            CU_ASSERT_NOT_EQUAL(srtp_session_unprotect_rtcp(ends.in, packet, &len), SRTP_STATUS_OK);
        }
        for (size_t cut = 0; cut < good_len; cut++) {
            memcpy(packet, good, len = cut);
            CU_ASSERT_NOT_EQUAL(srtp_session_unprotect_rtcp(ends.in, packet, &len), SRTP_STATUS_OK);
        }
        CU_ASSERT_EQUAL(srtp_session_unprotect_rtcp(ends.in, good, &good_len), SRTP_STATUS_OK);
        ends_free(&ends);
    }
}

/* Forged packets of ever new SSRCs leave nothing behind; genuine ones are taken up to the limit. */
static void ssrcs_are_limited(void)
{
    struct srtp_keys keys = keys_of(profiles[0]);
    struct srtp_session *in =
        session_of(&keys, &(struct srtp_session_config){.direction = SRTP_INBOUND, .ssrc_limit = 10});
    uint8_t packet[200];
    size_t len;
    for (uint32_t ssrc = 0; ssrc < 1000; ssrc++) {
        len = oracle_rtp(keys.remote, profiles[0], 0, packet, make_rtp(packet, ssrc, 1, 100));
        packet[len - 1] ^= 1;
        CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(in, packet, &len), SRTP_STATUS_FORGED);
    }
    for (uint32_t ssrc = 0; ssrc < 20; ssrc++) {
        len = oracle_rtp(keys.remote, profiles[0], 0, packet, make_rtp(packet, ssrc, 2, 100));
        CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(in, packet, &len),
                        ssrc < 10 ? SRTP_STATUS_OK : SRTP_STATUS_TOO_MANY);
    }
    for (uint32_t ssrc = 0; ssrc < 10; ssrc++) {
        len = oracle_rtp(keys.remote, profiles[0], 0, packet, make_rtp(packet, ssrc, 3, 100));
        CU_ASSERT_EQUAL(srtp_session_unprotect_rtp(in, packet, &len), SRTP_STATUS_OK);
    }
    len = oracle_rtcp(keys.remote, profiles[0], 1, packet, make_rtcp(packet, 999));
    CU_ASSERT_EQUAL(srtp_session_unprotect_rtcp(in, packet, &len), SRTP_STATUS_TOO_MANY);
    srtp_session_destroy(in);
}

static void says_when_there_is_no_room(void)
{
    for (size_t p = 0; p < 3; p++) {
        struct ends ends = ends_of(profiles[p]);
        size_t tag = profiles[p] == SRTP_PROFILE_AES128_CM_SHA1_80 ? 10 : 16;
        uint8_t packet[200];
        size_t len = make_rtp(packet, 7, 1, 50);
        CU_ASSERT_EQUAL(srtp_session_protect_rtp(ends.out, packet, &len, 62 + tag - 1), SRTP_STATUS_NO_ROOM);
        CU_ASSERT_EQUAL(len, 62);
        CU_ASSERT_EQUAL(srtp_session_protect_rtp(ends.out, packet, &len, 62 + tag), SRTP_STATUS_OK);
        len = make_rtcp(packet, 7);
        CU_ASSERT_EQUAL(srtp_session_protect_rtcp(ends.out, packet, &len, 24 + tag - 1), SRTP_STATUS_NO_ROOM);
        CU_ASSERT_EQUAL(srtp_session_protect_rtcp(ends.out, packet, &len, 24 + tag), SRTP_STATUS_OK);
        for (len = 0; len < 12; len++)
            CU_ASSERT_EQUAL(srtp_session_protect_rtp(ends.out, packet, &len, sizeof packet), SRTP_STATUS_MALFORMED);
        for (len = 0; len < 8; len++)
            CU_ASSERT_EQUAL(srtp_session_protect_rtcp(ends.out, packet, &len, sizeof packet), SRTP_STATUS_MALFORMED);
        /* Headers that reach past the end: 15 CSRCs, an extension of 65,535 words. */
        len = make_rtp(packet, 7, 2, 20);
        packet[0] = 0x8f;
        CU_ASSERT_EQUAL(srtp_session_protect_rtp(ends.out, packet, &len, sizeof packet), SRTP_STATUS_MALFORMED);
        packet[0] = 0x90;
        bytes_put16(packet + 14, 65535);
        CU_ASSERT_EQUAL(srtp_session_protect_rtp(ends.out, packet, &len, sizeof packet), SRTP_STATUS_MALFORMED);
        ends_free(&ends);
    }
    struct error error = {0};
    CU_ASSERT_PTR_NULL(srtp_session_create(&(struct srtp_keys){.profile = (enum srtp_profile)5},
                                           &(struct srtp_session_config){0}, &error));
    CU_ASSERT_STRING_EQUAL(error.text, "SRTP: profile 0x0005 is unknown");
}

void srtp_test(void)
{
    SUITE("srtp", {"the oracle keeps to the RFCs", the_oracle_keeps_to_the_rfcs},
          {"agrees with the oracle", agrees_with_the_oracle}, {"talks with libsrtp", talks_with_libsrtp},
          {"refuses what libsrtp refuses", refuses_what_libsrtp_refuses},
          {"follows loss and reordering at the wrap", follows_loss_and_reordering_at_the_wrap},
          {"replays are refused", replays_are_refused},
          {"the same index is not protected twice", the_same_index_is_not_protected_twice},
          {"what is forged changes nothing", what_is_forged_changes_nothing}, {"SSRCs are limited", ssrcs_are_limited},
          {"says when there is no room", says_when_there_is_no_room});
}
