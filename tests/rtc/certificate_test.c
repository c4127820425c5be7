#include "rtc/certificate.h"

#include <openssl/x509.h>
#include <string.h>

#include "tests/support/suite.h"

static void is_what_browsers_make(void)
{
    const struct certificate_config config = {.serial = 0x1234567890u, .not_before_unix_s = 1700000000};
    struct certificate *certificate = certificate_create(&config, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(certificate);
    X509 *x509 = certificate_x509(certificate);
    EVP_PKEY *key = certificate_private_key(certificate);
    char curve[40];
    CU_ASSERT_EQUAL(EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL), 1);
    CU_ASSERT_STRING_EQUAL(curve, "prime256v1");
    CU_ASSERT_EQUAL(X509_get_signature_nid(x509), NID_ecdsa_with_SHA256);
    CU_ASSERT_EQUAL(X509_verify(x509, key), 1);
    CU_ASSERT_EQUAL(X509_NAME_cmp(X509_get_subject_name(x509), X509_get_issuer_name(x509)), 0);
    uint64_t serial = 0;
    CU_ASSERT_EQUAL(ASN1_INTEGER_get_uint64(&serial, X509_get0_serialNumber(x509)), 1);
    CU_ASSERT_EQUAL(serial, config.serial);
    struct tm tm;
    CU_ASSERT_EQUAL(ASN1_TIME_to_tm(X509_get0_notBefore(x509), &tm), 1);
    CU_ASSERT_EQUAL(timegm(&tm), 1700000000);
    CU_ASSERT_EQUAL(ASN1_TIME_to_tm(X509_get0_notAfter(x509), &tm), 1);
    CU_ASSERT_EQUAL(timegm(&tm), 1700000000 + 30 * 24 * 3600);
    certificate_destroy(certificate);
}

/* X509_digest is OpenSSL's own way to the same hash. */
static void fingerprints_agree_with_openssl(void)
{
    struct certificate *certificate = certificate_create(&(struct certificate_config){0}, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(certificate);
    struct fingerprint fingerprint = certificate_fingerprint(certificate, FINGERPRINT_SHA_256);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    CU_ASSERT_EQUAL(X509_digest(certificate_x509(certificate), EVP_sha256(), digest, &len), 1);
    CU_ASSERT_EQUAL(fingerprint.len, len);
    CU_ASSERT_EQUAL(memcmp(fingerprint.bytes, digest, len), 0);
    struct certificate *other = certificate_create(&(struct certificate_config){0}, NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(other);
    struct fingerprint others = certificate_fingerprint(other, FINGERPRINT_SHA_256);
    CU_ASSERT_NOT_EQUAL(memcmp(&fingerprint, &others, sizeof others), 0);
    certificate_destroy(other);
    certificate_destroy(certificate);
}

static void says_what_is_wrong(void)
{
    struct error error = {0};
    char name[100];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0'; /* a common name has 64 characters at most */
    CU_ASSERT_PTR_NULL(certificate_create(&(struct certificate_config){.common_name = name}, &error));
    CU_ASSERT_EQUAL(error.code, ERROR_SYSTEM);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.text, "string too long"));
}

void certificate_test(void)
{
    SUITE("certificate", {"is what browsers make", is_what_browsers_make},
          {"fingerprints agree with OpenSSL", fingerprints_agree_with_openssl},
          {"says what is wrong", says_what_is_wrong});
}
