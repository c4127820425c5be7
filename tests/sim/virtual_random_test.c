#include "sim/virtual_random.h"

#include <openssl/rand.h>
#include <string.h>

#include "rtc/certificate.h"
#include "tests/support/suite.h"

static struct fingerprint fingerprint_from(uint64_t seed)
{
    CU_ASSERT_TRUE_FATAL(virtual_random_install(seed, NULL));
    struct certificate *certificate = certificate_create(&(struct certificate_config){0}, NULL);
    virtual_random_remove();
    CU_ASSERT_PTR_NOT_NULL_FATAL(certificate);
    struct fingerprint fingerprint = certificate_fingerprint(certificate, FINGERPRINT_SHA_256);
    certificate_destroy(certificate);
    return fingerprint;
}

/* A key pair and an ECDSA signature: public, private and secret random numbers all take part. */
static void a_seed_makes_a_certificate(void)
{
    struct fingerprint one = fingerprint_from(1);
    struct fingerprint again = fingerprint_from(1);
    struct fingerprint two = fingerprint_from(2);
    CU_ASSERT_EQUAL(memcmp(&one, &again, sizeof one), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(&one, &two, sizeof one), 0);
}

static void is_gone_once_removed(void)
{
    uint8_t drawn[4][16];
    for (int i = 0; i < 4; i += 2) {
        CU_ASSERT_TRUE_FATAL(virtual_random_install(7, NULL));
        CU_ASSERT_EQUAL(RAND_bytes(drawn[i], 16), 1);
        virtual_random_remove();
        CU_ASSERT_EQUAL(RAND_bytes(drawn[i + 1], 16), 1);
    }
    CU_ASSERT_EQUAL(memcmp(drawn[0], drawn[2], 16), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(drawn[1], drawn[3], 16), 0);
    CU_ASSERT_PTR_EQUAL(RAND_get_rand_method(), RAND_OpenSSL());
}

static void installing_again_starts_again(void)
{
    uint8_t drawn[2][16];
    for (int i = 0; i < 2; i++) {
        CU_ASSERT_TRUE_FATAL(virtual_random_install(7, NULL));
        CU_ASSERT_EQUAL(RAND_priv_bytes(drawn[i], 16), 1);
    }
    virtual_random_remove();
    CU_ASSERT_EQUAL(memcmp(drawn[0], drawn[1], 16), 0);
    CU_ASSERT_PTR_EQUAL(RAND_get_rand_method(), RAND_OpenSSL());
}

void virtual_random_test(void)
{
    SUITE("virtual_random", {"a seed makes a certificate", a_seed_makes_a_certificate},
          {"is gone once removed", is_gone_once_removed},
          {"installing again starts again", installing_again_starts_again});
}
