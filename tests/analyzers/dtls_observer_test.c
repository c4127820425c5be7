#include "analyzers/dtls_observer.h"

#include <string.h>

#include "base/bytes.h"
#include "rtc/srtp.h"
#include "tests/support/dtls_pair.h"
#include "tests/support/suite.h"

struct watch {
    struct dtls_observer observer;
    size_t captured_max; /* of each datagram; 0: all */
};

static bool look(struct dtls_pair *pair, int from, size_t number, uint8_t *data, size_t *len, nanos *delay)
{
    (void)number;
    (void)delay;
    struct watch *watch = pair->user;
    size_t captured = watch->captured_max > 0 && *len > watch->captured_max ? watch->captured_max : *len;
    CU_ASSERT_TRUE(dtls_observer_read(&watch->observer, (uint8_t)from, data, captured, *len, pair->now));
    return true;
}

static struct dtls_observer watch_handshake(enum srtp_profile profile, size_t captured_max)
{
    struct dtls_config client = {.profiles = &profile, .profile_count = 1};
    struct dtls_config server = {.profiles = &profile, .profile_count = 1};
    struct dtls_pair *pair = dtls_pair_create(&client, &server);
    CU_ASSERT_PTR_NOT_NULL_FATAL(pair);
    struct watch watch = {.observer = DTLS_OBSERVER_START, .captured_max = captured_max};
    pair->tamper = look;
    pair->user = &watch;
    nanos start = pair->now;
    dtls_pair_run(pair, start + 10 * NANOS_PER_S);
    CU_ASSERT_TRUE(pair->ends[0].connected && pair->ends[1].connected);
    CU_ASSERT_EQUAL(watch.observer.first_hello, start);
    nanos completed = dtls_observer_completed(&watch.observer);
    /* two round trips of 40 ms, less the last way */
    if (captured_max == 0)
        CU_ASSERT(completed >= start + 60 * NANOS_PER_MS && completed <= start + 140 * NANOS_PER_MS);
    dtls_pair_destroy(pair);
    return watch.observer;
}

static void learns_version_profile_and_duration(void)
{
    static const enum srtp_profile profiles[] = {SRTP_PROFILE_AES128_CM_SHA1_80, SRTP_PROFILE_AEAD_AES_128_GCM,
                                                 SRTP_PROFILE_AEAD_AES_256_GCM};
    for (size_t i = 0; i < 3; i++) {
        struct dtls_observer observer = watch_handshake(profiles[i], 0);
        CU_ASSERT_TRUE(observer.server_hello);
        CU_ASSERT_EQUAL(observer.version, DTLS_VERSION_1_2);
        CU_ASSERT_EQUAL(observer.srtp_profile, profiles[i]);
    }
}

/* From datagrams that were captured short it learns what is left of them. */
static void survives_short_captures(void)
{
    struct dtls_observer observer = watch_handshake(SRTP_PROFILE_AEAD_AES_128_GCM, 60);
    CU_ASSERT_TRUE(observer.seen);
    CU_ASSERT_EQUAL(observer.srtp_profile, 0);
}

/* A ServerHello of DTLS 1.3 (RFC 9147, section 5.4), then ciphertexts with the unified header (section 4). */
static void knows_dtls_1_3(void)
{
    uint8_t hello[] = {
        22,   0xfe, 0xfd, 0,  0,  0,  0,    0,    0,  0,  0,  0,  58, /* record */
        2,    0,    0,    46, 0,  0,  0,    0,    0,  0,  0,  46,     /* handshake */
        0xfe, 0xfd, 1,    2,  3,  4,  5,    6,    7,  8,  9,  10, 11, 12, 13, 14, 15,
        16,   17,   18,   19, 20, 21, 22,   23,   24, 25, 26, 27, 28, 29, 30, 31, 32, /* legacy version, random */
        0,    0x13, 0x01, 0,                      /* session id, cipher suite, compression */
        0,    6,    0,    43, 0,  2,  0xfe, 0xfc, /* supported_versions */
    };
    struct dtls_observer observer = DTLS_OBSERVER_START;
    uint8_t ciphertext[40] = {0x2e, 0, 1, 0, 35};
    /* without a handshake before it, this may be anything */
    CU_ASSERT_FALSE(dtls_observer_read(&observer, 0, ciphertext, sizeof ciphertext, sizeof ciphertext, 1));
    CU_ASSERT_TRUE(dtls_observer_read(&observer, 1, hello, sizeof hello, sizeof hello, 2));
    CU_ASSERT_EQUAL(observer.version, DTLS_VERSION_1_3);
    CU_ASSERT_TRUE(dtls_observer_read(&observer, 1, ciphertext, sizeof ciphertext, sizeof ciphertext, 3));
    CU_ASSERT_EQUAL(dtls_observer_completed(&observer), NANOS_NEVER);
    CU_ASSERT_TRUE(dtls_observer_read(&observer, 0, ciphertext, sizeof ciphertext, sizeof ciphertext, 4));
    CU_ASSERT_EQUAL(dtls_observer_completed(&observer), 4);
    /* every cut of it */
    for (size_t len = 0; len < sizeof hello; len++) {
        struct dtls_observer fresh = DTLS_OBSERVER_START;
        uint8_t *exact = malloc(len + 1);
        memcpy(exact, hello, len);
        bool whole = dtls_observer_read(&fresh, 1, exact, len, len, 1);
        bool captured = dtls_observer_read(&fresh, 1, exact, len, sizeof hello, 1);
        CU_ASSERT_FALSE(whole);
        CU_ASSERT_EQUAL(captured, len >= 13);
        free(exact);
    }
}

static void is_not_taken_in_by_others(void)
{
    static const uint8_t tls[] = {22, 3, 1, 0, 5, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t too_long[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3};
    struct dtls_observer observer = DTLS_OBSERVER_START;
    CU_ASSERT_FALSE(dtls_observer_read(&observer, 0, tls, sizeof tls, sizeof tls, 1));
    CU_ASSERT_FALSE(dtls_observer_read(&observer, 0, too_long, sizeof too_long, sizeof too_long, 1));
    CU_ASSERT_FALSE(observer.seen);
}

void dtls_observer_test(void);
void dtls_observer_test(void)
{
    SUITE("dtls_observer", {"learns version, profile and duration", learns_version_profile_and_duration},
          {"survives short captures", survives_short_captures}, {"knows DTLS 1.3", knows_dtls_1_3},
          {"is not taken in by others", is_not_taken_in_by_others});
}
