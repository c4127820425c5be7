#include "rtc/certificate.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define VALIDITY_DEFAULT_S ((int64_t)30 * 24 * 3600)

/* A peer may show a chain, but one that needs more than this is an attack on our memory. */
#define PEER_CERTIFICATE_MAX 16384

struct certificate {
    EVP_PKEY *key;
    X509 *x509;
    uint8_t *der;
    int der_len;
    SSL_CTX *context;
};

static X509 *self_sign(const struct certificate_config *config, EVP_PKEY *key)
{
    X509 *x509 = X509_new();
    if (x509 == NULL)
        return NULL;
    const char *common_name = config->common_name != NULL ? config->common_name : "confab";
    int64_t validity_s = config->validity_s != 0 ? config->validity_s : VALIDITY_DEFAULT_S;
    X509_NAME *name = X509_get_subject_name(x509);
    bool ok =
        X509_set_version(x509, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), config->serial != 0 ? config->serial : 1) == 1 &&
        ASN1_TIME_set(X509_getm_notBefore(x509), config->not_before_unix_s) != NULL &&
        ASN1_TIME_set(X509_getm_notAfter(x509), config->not_before_unix_s + validity_s) != NULL &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1 &&
        X509_set_issuer_name(x509, name) == 1 && X509_set_pubkey(x509, key) == 1 &&
        X509_sign(x509, key, EVP_sha256()) > 0;
    if (!ok) {
        X509_free(x509);
        return NULL;
    }
    return x509;
}

static SSL_CTX *make_context(X509 *x509, EVP_PKEY *key)
{
    SSL_CTX *context = SSL_CTX_new(DTLS_method());
    if (context == NULL)
        return NULL;
    /* RFC 8827, section 6.5: perfect forward secrecy, and TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 must be there. */
    bool ok = SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION) == 1 &&
              SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
              SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 &&
              SSL_CTX_use_certificate(context, x509) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1;
    if (!ok) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_max_cert_list(context, PEER_CERTIFICATE_MAX);
    return context;
}

struct certificate *certificate_create(const struct certificate_config *config, struct error *error)
{
    struct certificate *certificate = calloc(1, sizeof *certificate);
    if (certificate == NULL) {
        error_set(error, ERROR_SYSTEM, "certificate: out of memory");
        return NULL;
    }
    ERR_clear_error();
    certificate->key = EVP_EC_gen("P-256");
    if (certificate->key != NULL)
        certificate->x509 = self_sign(config, certificate->key);
    if (certificate->x509 != NULL)
        certificate->der_len = i2d_X509(certificate->x509, &certificate->der);
    if (certificate->der_len > 0)
        certificate->context = make_context(certificate->x509, certificate->key);
    if (certificate->context == NULL) {
        char reason[200];
        ERR_error_string_n(ERR_get_error(), reason, sizeof reason);
        error_set(error, ERROR_SYSTEM, "certificate: OpenSSL can't make one: %s", reason);
        certificate_destroy(certificate);
        return NULL;
    }
    return certificate;
}

void certificate_destroy(struct certificate *certificate)
{
    if (certificate == NULL)
        return;
    SSL_CTX_free(certificate->context);
    OPENSSL_free(certificate->der);
    X509_free(certificate->x509);
    EVP_PKEY_free(certificate->key);
    free(certificate);
}

struct fingerprint certificate_fingerprint(const struct certificate *certificate, enum fingerprint_hash hash)
{
    return fingerprint_of(hash, certificate->der, (size_t)certificate->der_len);
}

X509 *certificate_x509(const struct certificate *certificate) { return certificate->x509; }
EVP_PKEY *certificate_private_key(const struct certificate *certificate) { return certificate->key; }
SSL_CTX *certificate_dtls_context(const struct certificate *certificate) { return certificate->context; }
