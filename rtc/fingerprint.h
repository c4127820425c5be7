/* Certificate fingerprints as SDP carries them: the name of a hash function and the hash of the certificate's DER form
 * (RFC 8122, section 5). */
#ifndef CONFAB_RTC_FINGERPRINT_H
#define CONFAB_RTC_FINGERPRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Weakest first. MD2 and MD5 must not be used (RFC 8122, section 5). */
enum fingerprint_hash {
    FINGERPRINT_SHA_1,
    FINGERPRINT_SHA_224,
    FINGERPRINT_SHA_256,
    FINGERPRINT_SHA_384,
    FINGERPRINT_SHA_512,
};

/* Room for "sha-512 " and 64 bytes in hexadecimal with colons, and the terminator. */
#define FINGERPRINT_TEXT_CAP 200

struct fingerprint {
    uint8_t hash; /* enum fingerprint_hash */
    uint8_t len;  /* of `bytes`: 20, 28, 32, 48 or 64, as the hash has it */
    uint8_t bytes[64];
};

/* The fingerprint of a certificate given in DER. */
struct fingerprint fingerprint_of(enum fingerprint_hash hash, const void *der, size_t len);

/* Reads "sha-256 AB:CD:…", the value of an SDP fingerprint attribute; upper or lower case alike. False, with `error`
 * filled (ERROR_UNSUPPORTED for a hash function not listed above, ERROR_INPUT otherwise), when it isn't one. */
bool fingerprint_parse(struct fingerprint *out, const char *text, struct error *error);

/* "sha-256 AB:CD:…", with the name in lower and the bytes in upper case; returns `text`. */
const char *fingerprint_format(const struct fingerprint *fingerprint, char text[FINGERPRINT_TEXT_CAP]);

/* Is this certificate one of those announced? Judged by the strongest hash function among the fingerprints alone
 * (RFC 8122, section 5.1). False when there are none. */
bool fingerprint_any_matches(const struct fingerprint *fingerprints, size_t count, const void *der, size_t len);

#endif
