/* The self-signed certificate (ECDSA on P-256, signed with SHA-256) by which a WebRTC endpoint is known to its peers:
 * RFC 8827, section 6.5, RFC 8122. One certificate serves any number of connections, which then share its TLS context. */
#ifndef CONFAB_RTC_CERTIFICATE_H
#define CONFAB_RTC_CERTIFICATE_H

#include <stdint.h>

#include "base/error.h"
#include "rtc/fingerprint.h"

struct certificate;
struct evp_pkey_st;
struct ssl_ctx_st;
struct x509_st;

struct certificate_config {
    const char *common_name;   /* of issuer and subject; NULL: "confab" */
    uint64_t serial;           /* 0: 1 */
    int64_t not_before_unix_s; /* no clock is read: the caller says when it is */
    int64_t validity_s;        /* 0: 30 days, as browsers have it */
};

/* Makes a key pair (with OpenSSL's random numbers) and a certificate for it. NULL, with `error` filled, when OpenSSL
 * can't. */
struct certificate *certificate_create(const struct certificate_config *config, struct error *error);

/* Connections that use it must be gone. NULL is ignored. */
void certificate_destroy(struct certificate *certificate);

struct fingerprint certificate_fingerprint(const struct certificate *certificate, enum fingerprint_hash hash);

/* Its parts, for TLS servers and tests; they stay the certificate's. */
struct x509_st *certificate_x509(const struct certificate *certificate);
struct evp_pkey_st *certificate_private_key(const struct certificate *certificate);

/* The DTLS context that its connections share: DTLS 1.2, ECDHE with AEAD ciphers, no sessions, tickets or
 * renegotiation. */
struct ssl_ctx_st *certificate_dtls_context(const struct certificate *certificate);

#endif
