#include "rtc/srtp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define SSRC_LIMIT_DEFAULT 1024

#define GCM_IV_LEN 12
#define GCM_TAG_LEN 16
#define SHA1_TAG_LEN 10

#define RTP_HEADER_LEN 12
#define RTCP_HEADER_LEN 8 /* of the first packet, with the sender's SSRC: this much stays readable */
#define RTCP_INDEX_LEN 4
#define RTCP_ENCRYPTED 0x80000000u /* the E flag (RFC 3711, section 3.4) */
#define RTCP_INDEX_MAX 0x7fffffffu
#define PACKET_MAX 65535

const char *srtp_profile_name(enum srtp_profile profile)
{
    switch (profile) {
    case SRTP_PROFILE_AES128_CM_SHA1_80:
        return "SRTP_AES128_CM_SHA1_80";
    case SRTP_PROFILE_AEAD_AES_128_GCM:
        return "SRTP_AEAD_AES_128_GCM";
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        return "SRTP_AEAD_AES_256_GCM";
    case SRTP_PROFILE_NONE:
        break;
    }
    return "none";
}

size_t srtp_profile_key_len(enum srtp_profile profile)
{
    switch (profile) {
    case SRTP_PROFILE_AES128_CM_SHA1_80:
    case SRTP_PROFILE_AEAD_AES_128_GCM:
        return 16;
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        return 32;
    case SRTP_PROFILE_NONE:
        break;
    }
    return 0;
}

size_t srtp_profile_salt_len(enum srtp_profile profile)
{
    switch (profile) {
    case SRTP_PROFILE_AES128_CM_SHA1_80:
        return 14;
    case SRTP_PROFILE_AEAD_AES_128_GCM:
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        return 12;
    case SRTP_PROFILE_NONE:
        break;
    }
    return 0;
}

size_t srtp_profile_tag_len(enum srtp_profile profile)
{
    switch (profile) {
    case SRTP_PROFILE_AES128_CM_SHA1_80:
        return SHA1_TAG_LEN;
    case SRTP_PROFILE_AEAD_AES_128_GCM:
    case SRTP_PROFILE_AEAD_AES_256_GCM:
        return GCM_TAG_LEN;
    case SRTP_PROFILE_NONE:
        break;
    }
    return 0;
}

const char *srtp_status_text(enum srtp_status status)
{
    static const char *const texts[] = {
        [SRTP_STATUS_OK] = "ok",
        [SRTP_STATUS_REPLAYED] = "replayed",
        [SRTP_STATUS_FORGED] = "wrong authentication tag",
        [SRTP_STATUS_MALFORMED] = "malformed",
        [SRTP_STATUS_NO_ROOM] = "no room for the authentication tag",
        [SRTP_STATUS_TOO_MANY] = "too many SSRCs",
        [SRTP_STATUS_EXPIRED] = "key used up",
        [SRTP_STATUS_FAILED] = "failed",
    };
    return texts[status];
}

/* --- replay protection (RFC 3711, section 3.3.2) ---------------------------------------------------------------------- */

#define RTP_WINDOW 512 /* packets */
#define RTCP_WINDOW 64

struct window {
    uint64_t highest; /* index seen so far */
    bool any;
};

/* Its packets: a ring of bits, index modulo their number. */
struct window_bits {
    uint64_t *words;
    uint64_t packets;
};

static bool window_is_old(const struct window *window, struct window_bits bits, uint64_t index)
{
    return window->any && index + bits.packets <= window->highest;
}

static bool window_has(const struct window *window, struct window_bits bits, uint64_t index)
{
    return window->any && index <= window->highest &&
           (window_is_old(window, bits, index) || (bits.words[index % bits.packets / 64] >> index % 64 & 1) != 0);
}

static void window_add(struct window *window, struct window_bits bits, uint64_t index)
{
    if (!window->any || index >= window->highest + bits.packets) {
        memset(bits.words, 0, bits.packets / 8);
        window->highest = index;
        window->any = true;
    }
    for (; window->highest < index; window->highest++) {
        uint64_t next = window->highest + 1;
        bits.words[next % bits.packets / 64] &= ~((uint64_t)1 << next % 64);
    }
    bits.words[index % bits.packets / 64] |= (uint64_t)1 << index % 64;
}

/* The 48-bit index (rollover counter and sequence number) that is nearest to the highest seen (RFC 3711, section 3.3.1
 * and appendix A); UINT64_MAX when that would be before the very first. */
static uint64_t index_of(const struct window *window, uint16_t sequence)
{
    if (!window->any)
        return sequence;
    int16_t ahead = (int16_t)(uint16_t)(sequence - (uint16_t)window->highest);
    if (ahead < 0 && (uint64_t)-ahead > window->highest)
        return UINT64_MAX;
    return window->highest + (uint64_t)(int64_t)ahead;
}

/* --- sessions --------------------------------------------------------------------------------------------------------- */

struct stream {
    uint32_t ssrc;
    uint32_t rtcp_index; /* last one sent */
    struct window rtp;
    struct window rtcp;
    uint64_t rtp_bits[RTP_WINDOW / 64];
    uint64_t rtcp_bits[RTCP_WINDOW / 64];
};

static struct window_bits rtp_bits(struct stream *stream) { return (struct window_bits){stream->rtp_bits, RTP_WINDOW}; }
static struct window_bits rtcp_bits(struct stream *stream)
{
    return (struct window_bits){stream->rtcp_bits, RTCP_WINDOW};
}

/* What RTP and RTCP each have of their own: session key, salt, and for SHA-1 the two halves of HMAC with the key
 * already in them. */
struct transform {
    EVP_CIPHER_CTX *cipher;
    uint8_t salt[14];
    SHA_CTX inner, outer;
};

struct srtp_session {
    struct stream *streams;
    uint32_t stream_count, stream_cap;
    uint32_t recent; /* of the streams, the one that was asked for last */
    uint32_t ssrc_limit;
    uint8_t tag_len;
    bool is_gcm;
    bool outbound;
    bool allow_repeat;
    uint32_t *slots; /* hash table over the streams: their number plus one, 0 when empty; twice stream_cap */
    struct transform rtp, rtcp;
};

static uint32_t *slot_of(const struct srtp_session *session, uint32_t ssrc)
{
    uint32_t mask = 2 * session->stream_cap - 1;
    uint32_t at = (ssrc * 0x9e3779b1u) >> 7 & mask;
    while (session->slots[at] != 0 && session->streams[session->slots[at] - 1].ssrc != ssrc)
        at = (at + 1) & mask;
    return &session->slots[at];
}

static bool grow(struct srtp_session *session)
{
    uint32_t cap = session->stream_cap > 0 ? 2 * session->stream_cap : 4;
    struct stream *streams = realloc(session->streams, cap * sizeof *streams);
    if (streams == NULL)
        return false;
    session->streams = streams;
    uint32_t *slots = calloc((size_t)2 * cap, sizeof *slots);
    if (slots == NULL)
        return false;
    free(session->slots);
    session->slots = slots;
    session->stream_cap = cap;
    for (uint32_t i = 0; i < session->stream_count; i++)
        *slot_of(session, session->streams[i].ssrc) = i + 1;
    return true;
}

/* The stream of `ssrc`. A new one lies behind the last and counts only once stream_keep is called, so that a packet
 * which turns out to be forged leaves nothing behind. NULL when out of memory, or past the limit: then *status says
 * so. */
static struct stream *stream_of(struct srtp_session *session, uint32_t ssrc, enum srtp_status *status)
{
    if (session->stream_cap == 0 && !grow(session))
        return NULL;
    if (session->recent < session->stream_count && session->streams[session->recent].ssrc == ssrc)
        return &session->streams[session->recent];
    const uint32_t *slot = slot_of(session, ssrc);
    if (*slot != 0) {
        session->recent = *slot - 1;
        return &session->streams[session->recent];
    }
    if (session->stream_count >= session->ssrc_limit) {
        *status = SRTP_STATUS_TOO_MANY;
        return NULL;
    }
    if (session->stream_count == session->stream_cap && !grow(session))
        return NULL;
    struct stream *stream = &session->streams[session->stream_count];
    *stream = (struct stream){.ssrc = ssrc};
    return stream;
}

static void stream_keep(struct srtp_session *session, const struct stream *stream)
{
    if (stream == &session->streams[session->stream_count])
        *slot_of(session, stream->ssrc) = ++session->stream_count;
}

/* Key derivation (RFC 3711, section 4.3; with 256-bit keys RFC 6188; a salt of 96 bits is padded, RFC 7714, section
 * 11): AES in counter mode under the master key, from the master salt with the label XORed in.
 *
 *     byte  0                    7        14  16
 *           | salt ……………………… ^label …………| 0 0 |  */
static bool derive(const uint8_t *master, size_t key_len, size_t salt_len, uint8_t label, uint8_t *out, size_t len)
{
    uint8_t counter[16] = {0};
    memcpy(counter, master + key_len, salt_len);
    counter[7] ^= label;
    memset(out, 0, len);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    int done = 0;
    bool ok =
        cipher != NULL &&
        EVP_EncryptInit_ex(cipher, key_len == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), NULL, master, counter) == 1 &&
        EVP_EncryptUpdate(cipher, out, &done, out, (int)len) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return ok;
}

/* HMAC (RFC 2104) is H(key ^ opad, H(key ^ ipad, text)). */
static void hmac_key(struct transform *transform, const uint8_t key[SHA_DIGEST_LENGTH])
{
    uint8_t pad[SHA_CBLOCK];
    for (int outer = 0; outer < 2; outer++) {
        SHA_CTX *half = outer ? &transform->outer : &transform->inner;
        memset(pad, outer ? 0x5c : 0x36, sizeof pad);
        for (size_t i = 0; i < SHA_DIGEST_LENGTH; i++)
            pad[i] ^= key[i];
        SHA1_Init(half);
        SHA1_Update(half, pad, sizeof pad);
    }
}

/* The labels are RFC 3711's: 0 to 2 for RTP's key, authentication key and salt, 3 to 5 for RTCP's. */
static bool transform_set_up(struct transform *transform, const uint8_t *master, const struct srtp_session *session,
                             enum srtp_profile profile, uint8_t first_label)
{
    size_t key_len = srtp_profile_key_len(profile);
    size_t salt_len = srtp_profile_salt_len(profile);
    uint8_t key[32];
    uint8_t authentication_key[SHA_DIGEST_LENGTH];
    if (!derive(master, key_len, salt_len, first_label, key, key_len) ||
        !derive(master, key_len, salt_len, first_label + 1, authentication_key, sizeof authentication_key) ||
        !derive(master, key_len, salt_len, first_label + 2, transform->salt, salt_len))
        return false;
    hmac_key(transform, authentication_key);
    const EVP_CIPHER *cipher = !session->is_gcm ? EVP_aes_128_ctr()
                               : key_len == 32  ? EVP_aes_256_gcm()
                                                : EVP_aes_128_gcm();
    transform->cipher = EVP_CIPHER_CTX_new();
    bool ok = transform->cipher != NULL &&
              EVP_CipherInit_ex(transform->cipher, cipher, NULL, key, NULL, session->outbound) == 1;
    OPENSSL_cleanse(key, sizeof key);
    return ok;
}

struct srtp_session *srtp_session_create(const struct srtp_keys *keys, const struct srtp_session_config *config,
                                         struct error *error)
{
    if (srtp_profile_key_len(keys->profile) == 0) {
        error_set(error, ERROR_UNSUPPORTED, "SRTP: profile 0x%04x is unknown", (unsigned)keys->profile);
        return NULL;
    }
    struct srtp_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        error_set(error, ERROR_SYSTEM, "SRTP: out of memory");
        return NULL;
    }
    session->outbound = config->direction == SRTP_OUTBOUND;
    session->allow_repeat = config->allow_repeat;
    session->ssrc_limit = config->ssrc_limit != 0 ? config->ssrc_limit : SSRC_LIMIT_DEFAULT;
    session->is_gcm = keys->profile != SRTP_PROFILE_AES128_CM_SHA1_80;
    session->tag_len = (uint8_t)srtp_profile_tag_len(keys->profile);
    const uint8_t *master = session->outbound ? keys->local : keys->remote;
    if (!transform_set_up(&session->rtp, master, session, keys->profile, 0) ||
        !transform_set_up(&session->rtcp, master, session, keys->profile, 3)) {
        error_set(error, ERROR_SYSTEM, "SRTP: OpenSSL can't set up %s", srtp_profile_name(keys->profile));
        srtp_session_destroy(session);
        return NULL;
    }
    return session;
}

void srtp_session_destroy(struct srtp_session *session)
{
    if (session == NULL)
        return;
    EVP_CIPHER_CTX_free(session->rtp.cipher);
    EVP_CIPHER_CTX_free(session->rtcp.cipher);
    free(session->streams);
    free(session->slots);
    OPENSSL_cleanse(session, sizeof *session);
    free(session);
}

/* --- ciphers ------------------------------------------------------------------------------------------------------------ */

/* The initialisation vector is the salt XOR this, for RTP and RTCP alike (an RTCP index has 31 of the 48 bits):
 *
 *     AES-GCM   | 0 0 |     SSRC      |       index       |               RFC 7714, sections 8.1 and 9.1
 *     AES-CM    | 0 0   0 0 |     SSRC      |       index       | 0 0 |   RFC 3711, section 4.1.1 */
static void make_iv(const struct srtp_session *session, const struct transform *transform, uint32_t ssrc,
                    uint64_t index, uint8_t iv[16])
{
    size_t at = session->is_gcm ? 2 : 4;
    memset(iv, 0, 16);
    bytes_put32(iv + at, ssrc);
    bytes_put16(iv + at + 4, (uint16_t)(index >> 32));
    bytes_put32(iv + at + 6, (uint32_t)index);
    for (size_t i = 0; i < sizeof transform->salt; i++)
        iv[i] ^= transform->salt[i];
}

struct bytes {
    uint8_t *at;
    size_t len;
};

/* Encrypts or decrypts `data` in place, and writes or checks the tag. */
static enum srtp_status gcm(const struct srtp_session *session, EVP_CIPHER_CTX *cipher, const uint8_t *iv,
                            struct bytes header, struct bytes trailer, struct bytes data, uint8_t *tag)
{
    int done = 0;
    bool ok = EVP_CipherInit_ex(cipher, NULL, NULL, NULL, iv, -1) == 1 &&
              EVP_CipherUpdate(cipher, NULL, &done, header.at, (int)header.len) == 1 &&
              (trailer.len == 0 || EVP_CipherUpdate(cipher, NULL, &done, trailer.at, (int)trailer.len) == 1) &&
              (session->outbound || EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_SET_TAG, GCM_TAG_LEN, tag) == 1) &&
              (data.len == 0 || EVP_CipherUpdate(cipher, data.at, &done, data.at, (int)data.len) == 1);
    if (!ok)
        return SRTP_STATUS_FAILED;
    if (EVP_CipherFinal_ex(cipher, data.at + data.len, &done) != 1)
        return session->outbound ? SRTP_STATUS_FAILED : SRTP_STATUS_FORGED;
    if (session->outbound && EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_GCM_GET_TAG, GCM_TAG_LEN, tag) != 1)
        return SRTP_STATUS_FAILED;
    return SRTP_STATUS_OK;
}

static bool counter_mode(EVP_CIPHER_CTX *cipher, const uint8_t *iv, struct bytes data)
{
    int done = 0;
    return EVP_CipherInit_ex(cipher, NULL, NULL, NULL, iv, -1) == 1 &&
           (data.len == 0 || EVP_CipherUpdate(cipher, data.at, &done, data.at, (int)data.len) == 1);
}

static void hmac(const struct transform *transform, struct bytes text, struct bytes more, uint8_t tag[SHA1_TAG_LEN])
{
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA_CTX half = transform->inner;
    SHA1_Update(&half, text.at, text.len);
    SHA1_Update(&half, more.at, more.len);
    SHA1_Final(digest, &half);
    half = transform->outer;
    SHA1_Update(&half, digest, sizeof digest);
    SHA1_Final(digest, &half);
    memcpy(tag, digest, SHA1_TAG_LEN);
}

/* --- RTP ------------------------------------------------------------------------------------------------------------------
 *
 *     | header, CSRCs, extension | payload …… encrypted …… | tag |        (RFC 3711, section 3.1; RFC 7714, section 8.2)
 *
 * AES-CM's tag also covers the rollover counter behind the payload, which is not sent. */

static size_t rtp_header_len(const uint8_t *packet, size_t len)
{
    if (len < RTP_HEADER_LEN)
        return 0;
    size_t header_len = RTP_HEADER_LEN + 4 * (size_t)(packet[0] & 0x0f);
    if (packet[0] & 0x10) {
        if (len < header_len + 4)
            return 0;
        header_len += 4 + 4 * (size_t)bytes_get16(packet + header_len + 2);
    }
    return header_len <= len ? header_len : 0;
}

/* Does what protecting and unprotecting have in common; `len` is without the tag, which is behind. */
static enum srtp_status rtp_transform(struct srtp_session *session, uint8_t *buf, size_t len)
{
    size_t header_len = rtp_header_len(buf, len);
    if (header_len == 0)
        return SRTP_STATUS_MALFORMED;
    enum srtp_status status = SRTP_STATUS_FAILED;
    uint32_t ssrc = bytes_get32(buf + 8);
    struct stream *stream = stream_of(session, ssrc, &status);
    if (stream == NULL)
        return status;
    uint64_t index = index_of(&stream->rtp, bytes_get16(buf + 2));
    if (index >> 48 != 0)
        return index == UINT64_MAX ? SRTP_STATUS_REPLAYED : SRTP_STATUS_EXPIRED;
    if (window_has(&stream->rtp, rtp_bits(stream), index) &&
        (!session->allow_repeat || window_is_old(&stream->rtp, rtp_bits(stream), index)))
        return SRTP_STATUS_REPLAYED;

    uint8_t iv[16];
    make_iv(session, &session->rtp, ssrc, index, iv);
    struct bytes payload = {buf + header_len, len - header_len};
    if (session->is_gcm) {
        status = gcm(session, session->rtp.cipher, iv, (struct bytes){buf, header_len}, (struct bytes){NULL, 0},
                     payload, buf + len);
        if (status != SRTP_STATUS_OK)
            return status;
    } else {
        uint8_t tag[SHA1_TAG_LEN];
        uint8_t rollover[4];
        bytes_put32(rollover, (uint32_t)(index >> 16));
        struct bytes text = {buf, len};
        struct bytes more = {rollover, sizeof rollover};
        if (session->outbound) {
            if (!counter_mode(session->rtp.cipher, iv, payload))
                return SRTP_STATUS_FAILED;
            hmac(&session->rtp, text, more, buf + len);
        } else {
            hmac(&session->rtp, text, more, tag);
            if (CRYPTO_memcmp(tag, buf + len, sizeof tag) != 0)
                return SRTP_STATUS_FORGED;
            if (!counter_mode(session->rtp.cipher, iv, payload))
                return SRTP_STATUS_FAILED;
        }
    }
    window_add(&stream->rtp, rtp_bits(stream), index);
    stream_keep(session, stream);
    return SRTP_STATUS_OK;
}

enum srtp_status srtp_session_protect_rtp(struct srtp_session *session, uint8_t *buf, size_t *len, size_t cap)
{
    if (*len > PACKET_MAX)
        return SRTP_STATUS_MALFORMED;
    if (cap < *len + session->tag_len)
        return SRTP_STATUS_NO_ROOM;
    enum srtp_status status = rtp_transform(session, buf, *len);
    if (status == SRTP_STATUS_OK)
        *len += session->tag_len;
    return status;
}

enum srtp_status srtp_session_unprotect_rtp(struct srtp_session *session, uint8_t *buf, size_t *len)
{
    if (*len < RTP_HEADER_LEN + (size_t)session->tag_len || *len > PACKET_MAX)
        return SRTP_STATUS_MALFORMED;
    enum srtp_status status = rtp_transform(session, buf, *len - session->tag_len);
    if (status == SRTP_STATUS_OK)
        *len -= session->tag_len;
    return status;
}

/* --- RTCP -----------------------------------------------------------------------------------------------------------------
 *
 *     AES-GCM   | header, SSRC | …… encrypted …… | tag | E, index |        (RFC 7714, section 9.2)
 *     AES-CM    | header, SSRC | …… encrypted …… | E, index | tag |        (RFC 3711, section 3.4) */

enum srtp_status srtp_session_protect_rtcp(struct srtp_session *session, uint8_t *buf, size_t *len, size_t cap)
{
    if (*len < RTCP_HEADER_LEN || *len > PACKET_MAX)
        return SRTP_STATUS_MALFORMED;
    if (cap < *len + session->tag_len + RTCP_INDEX_LEN)
        return SRTP_STATUS_NO_ROOM;
    enum srtp_status status = SRTP_STATUS_FAILED;
    uint32_t ssrc = bytes_get32(buf + 4);
    struct stream *stream = stream_of(session, ssrc, &status);
    if (stream == NULL)
        return status;
    if (stream->rtcp_index == RTCP_INDEX_MAX)
        return SRTP_STATUS_EXPIRED;
    uint32_t index = stream->rtcp_index + 1;

    uint8_t iv[16];
    make_iv(session, &session->rtcp, ssrc, index, iv);
    struct bytes data = {buf + RTCP_HEADER_LEN, *len - RTCP_HEADER_LEN};
    uint8_t *trailer = buf + *len + (session->is_gcm ? GCM_TAG_LEN : 0);
    bytes_put32(trailer, RTCP_ENCRYPTED | index);
    struct bytes more = {trailer, RTCP_INDEX_LEN};
    if (session->is_gcm) {
        status = gcm(session, session->rtcp.cipher, iv, (struct bytes){buf, RTCP_HEADER_LEN}, more, data, buf + *len);
        if (status != SRTP_STATUS_OK)
            return status;
    } else {
        if (!counter_mode(session->rtcp.cipher, iv, data))
            return SRTP_STATUS_FAILED;
        hmac(&session->rtcp, (struct bytes){buf, *len}, more, trailer + RTCP_INDEX_LEN);
    }
    stream->rtcp_index = index;
    stream_keep(session, stream);
    *len += session->tag_len + RTCP_INDEX_LEN;
    return SRTP_STATUS_OK;
}

enum srtp_status srtp_session_unprotect_rtcp(struct srtp_session *session, uint8_t *buf, size_t *len)
{
    if (*len < RTCP_HEADER_LEN + RTCP_INDEX_LEN + (size_t)session->tag_len || *len > PACKET_MAX)
        return SRTP_STATUS_MALFORMED;
    size_t plain_len = *len - session->tag_len - RTCP_INDEX_LEN;
    uint8_t *trailer = buf + plain_len + (session->is_gcm ? GCM_TAG_LEN : 0);
    uint32_t index = bytes_get32(trailer) & ~RTCP_ENCRYPTED;
    /* A packet in the clear is well formed, but DTLS-SRTP's profiles all encrypt. */
    if ((bytes_get32(trailer) & RTCP_ENCRYPTED) == 0)
        return SRTP_STATUS_MALFORMED;
    enum srtp_status status = SRTP_STATUS_FAILED;
    uint32_t ssrc = bytes_get32(buf + 4);
    struct stream *stream = stream_of(session, ssrc, &status);
    if (stream == NULL)
        return status;
    if (window_has(&stream->rtcp, rtcp_bits(stream), index))
        return SRTP_STATUS_REPLAYED;

    uint8_t iv[16];
    make_iv(session, &session->rtcp, ssrc, index, iv);
    struct bytes data = {buf + RTCP_HEADER_LEN, plain_len - RTCP_HEADER_LEN};
    struct bytes more = {trailer, RTCP_INDEX_LEN};
    if (session->is_gcm) {
        status =
            gcm(session, session->rtcp.cipher, iv, (struct bytes){buf, RTCP_HEADER_LEN}, more, data, buf + plain_len);
        if (status != SRTP_STATUS_OK)
            return status;
    } else {
        uint8_t tag[SHA1_TAG_LEN];
        hmac(&session->rtcp, (struct bytes){buf, plain_len}, more, tag);
        if (CRYPTO_memcmp(tag, trailer + RTCP_INDEX_LEN, sizeof tag) != 0)
            return SRTP_STATUS_FORGED;
        if (!counter_mode(session->rtcp.cipher, iv, data))
            return SRTP_STATUS_FAILED;
    }
    window_add(&stream->rtcp, rtcp_bits(stream), index);
    stream_keep(session, stream);
    *len = plain_len;
    return SRTP_STATUS_OK;
}
