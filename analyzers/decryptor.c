#include "analyzers/decryptor.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "rtc/srtp.h"

/* The two directions' sessions of one path: [0] with the DTLS client's keys, [1] with the server's. */
struct sessions {
    struct srtp_session *sessions[2];
    uint8_t used_by[2]; /* which one last fitted each direction of the path */
};

struct decryptor {
    const struct keylog *keylog;
    struct sessions *paths;
    uint32_t path_count;
    struct decryptor_counts counts;
    uint8_t packet[DECRYPTOR_PACKET_MAX];
};

struct decryptor *decryptor_create(const struct keylog *keylog)
{
    struct decryptor *decryptor = calloc(1, sizeof *decryptor);
    if (decryptor == NULL)
        return NULL;
    decryptor->keylog = keylog;
    decryptor->paths = calloc(DECRYPTOR_LIMIT, sizeof *decryptor->paths);
    if (decryptor->paths == NULL) {
        free(decryptor);
        return NULL;
    }
    return decryptor;
}

void decryptor_destroy(struct decryptor *decryptor)
{
    if (decryptor == NULL)
        return;
    for (uint32_t i = 0; i < decryptor->path_count; i++) {
        srtp_session_destroy(decryptor->paths[i].sessions[0]);
        srtp_session_destroy(decryptor->paths[i].sessions[1]);
    }
    free(decryptor->paths);
    free(decryptor);
}

struct decryptor_counts decryptor_counts(const struct decryptor *decryptor) { return decryptor->counts; }

/* Whether a cipher suite's PRF is built on SHA-384; all others of TLS 1.2 use SHA-256 (RFC 5246, section 5). */
static bool uses_sha384(uint16_t suite)
{
    static const uint16_t suites[] = {0x009d, 0x009f, 0x00a1, 0x00a3, 0x00a5, 0x00a7, 0x00a9, 0x00ab, 0x00ad,
                                      0xc024, 0xc026, 0xc028, 0xc02a, 0xc02c, 0xc02e, 0xc030, 0xc032, 0xc038};
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        if (suites[i] == suite)
            return true;
    }
    return false;
}

/* PRF(master secret, label, client random + server random): RFC 5705, section 4. */
static bool export_material(const struct dtls_observer *dtls, const uint8_t *secret, uint8_t *out, size_t len)
{
    static const char label[] = "EXTRACTOR-dtls_srtp";
    uint8_t seed[sizeof label - 1 + 2 * KEYLOG_RANDOM_LEN];
    struct writer writer = writer_of(seed, sizeof seed);
    writer_bytes(&writer, label, sizeof label - 1);
    writer_bytes(&writer, dtls->client_random, KEYLOG_RANDOM_LEN);
    writer_bytes(&writer, dtls->server_random, KEYLOG_RANDOM_LEN);
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *context = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    char sha256[] = "SHA256";
    char sha384[] = "SHA384";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, uses_sha384(dtls->cipher_suite) ? sha384 : sha256, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)secret, KEYLOG_SECRET_LEN),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
        OSSL_PARAM_construct_end(),
    };
    bool ok = context != NULL && EVP_KDF_derive(context, out, len, params) == 1;
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return ok;
}

static struct srtp_session *make_session(enum srtp_profile profile, const uint8_t *key, size_t key_len,
                                         const uint8_t *salt, size_t salt_len)
{
    struct srtp_keys keys = {.profile = profile};
    memcpy(keys.remote, key, key_len);
    memcpy(keys.remote + key_len, salt, salt_len);
    struct srtp_session_config config = {.direction = SRTP_INBOUND};
    return srtp_session_create(&keys, &config, NULL);
}

/* The sessions with the keys of a handshake. False when its secret isn't there or the profile isn't spoken here. */
static bool open_sessions(struct decryptor *decryptor, const struct dtls_observer *dtls, struct sessions *sessions)
{
    enum srtp_profile profile = (enum srtp_profile)dtls->srtp_profile;
    size_t key_len = srtp_profile_key_len(profile);
    size_t salt_len = srtp_profile_salt_len(profile);
    const uint8_t *secret = keylog_find(decryptor->keylog, dtls->client_random);
    uint8_t material[2 * SRTP_KEYING_CAP];
    if (secret == NULL || key_len == 0 || dtls->version != DTLS_VERSION_1_2 ||
        !export_material(dtls, secret, material, 2 * (key_len + salt_len)))
        return false;
    for (size_t i = 0; i < 2; i++)
        sessions->sessions[i] =
            make_session(profile, material + i * key_len, key_len, material + 2 * key_len + i * salt_len, salt_len);
    if (sessions->sessions[0] != NULL && sessions->sessions[1] != NULL)
        return true;
    srtp_session_destroy(sessions->sessions[0]);
    srtp_session_destroy(sessions->sessions[1]);
    return false;
}

/* The path's sessions, made when they are first asked for; NULL when there are none. A path without a handshake of its own
 * uses the keys of the connection's other paths. */
static struct sessions *sessions_of(struct decryptor *decryptor, struct paths *paths, uint32_t number)
{
    struct path *path = &paths->paths[number];
    if (path->decryption == DECRYPTION_FAILED)
        return NULL;
    if (path->decryption != DECRYPTION_UNTRIED)
        return &decryptor->paths[path->decryption - 1];
    uint32_t source = path->dtls.server_hello ? number : paths->paths[paths_root(paths, number)].handshake;
    if (source == PATH_NONE)
        return NULL; /* it may still come */
    path->decryption = DECRYPTION_FAILED;
    if (decryptor->path_count == DECRYPTOR_LIMIT)
        return NULL;
    struct sessions *sessions = &decryptor->paths[decryptor->path_count];
    *sessions = (struct sessions){.used_by = {0, 1}};
    if (!open_sessions(decryptor, &paths->paths[source].dtls, sessions))
        return NULL;
    path->decryption = ++decryptor->path_count;
    decryptor->counts.paths++;
    return sessions;
}

typedef enum srtp_status (*unprotect)(struct srtp_session *session, uint8_t *buf, size_t *len);

/* Which end was the DTLS client isn't always known, so each direction tries one session and then the other. */
static const uint8_t *open_packet(struct decryptor *decryptor, struct sessions *sessions, uint8_t direction,
                                  const uint8_t *data, size_t *len, unprotect unprotect, uint64_t *count)
{
    if (sessions == NULL || *len > sizeof decryptor->packet)
        return NULL;
    enum srtp_status status = SRTP_STATUS_FAILED;
    for (int attempt = 0; attempt < 2; attempt++) {
        memcpy(decryptor->packet, data, *len);
        status = unprotect(sessions->sessions[sessions->used_by[direction]], decryptor->packet, len);
        if (status == SRTP_STATUS_OK) {
            (*count)++;
            return decryptor->packet;
        }
        if (status != SRTP_STATUS_FORGED)
            break;
        sessions->used_by[direction] = !sessions->used_by[direction];
    }
    decryptor->counts.failed += status == SRTP_STATUS_FORGED;
    return NULL;
}

const uint8_t *decryptor_rtcp(struct decryptor *decryptor, struct paths *paths, uint32_t path, uint8_t direction,
                              const uint8_t *data, size_t *len)
{
    return open_packet(decryptor, sessions_of(decryptor, paths, path), direction, data, len,
                       srtp_session_unprotect_rtcp, &decryptor->counts.srtcp);
}

const uint8_t *decryptor_rtp(struct decryptor *decryptor, struct paths *paths, uint32_t path, uint8_t direction,
                             const uint8_t *data, size_t *len)
{
    return open_packet(decryptor, sessions_of(decryptor, paths, path), direction, data, len, srtp_session_unprotect_rtp,
                       &decryptor->counts.srtp);
}
